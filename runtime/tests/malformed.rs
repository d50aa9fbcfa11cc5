//! Damaged and hostile class files: every case is refused, or read, quickly and without a panic.

use ion_runtime::bytecode::{ClassFile, DecodeErrorKind as Kind, assemble_class};
use std::time::{Duration, Instant};

/// Runs `body`, which must be quick even on a busy machine.
fn quickly<T>(body: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = body();
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    result
}

/// A class with every kind of operand and constant.
fn rich_class() -> Vec<u8> {
    let text = r#"function main (arity: 0, extra_regs: 4) {
        load_const r0, [1, (true, 'a'), { k: "v", readonly l: undefined }, 1+2i, legacy("f"), ()]
        match r0, [(Object(__tag:t, __slots:[(_, 1)]), 1), (value((1, 2)), 2)]
        object_init r1, {a:r0, b:2, c:r0:Readonly, d:'x':Protected}
        make_closure r2, r0, 'scope', [x:r0, y:r1]
        call r0, r2, [r0, r1]
        link process7, r0
        return r0
    }
    function (arity: 2, extra_regs: 0) {
        FFI: Sqrt
    }
    "#;
    assemble_class(&text.replace("function (", "function anonymous (")).unwrap().encode().unwrap()
}

#[test]
fn truncated_classes_are_refused() {
    let bytes = rich_class();
    ClassFile::decode(&bytes).unwrap();
    for length in 0..bytes.len() {
        let error = ClassFile::decode(&bytes[..length]).unwrap_err();
        assert!(error.offset <= length, "{error}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert_eq!(ClassFile::decode(&longer).unwrap_err().kind, Kind::TrailingBytes(1));
}

#[test]
fn flipped_bytes_never_panic() {
    let bytes = rich_class();
    quickly(|| {
        for index in 0..bytes.len() {
            for mask in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[index] ^= mask;
                if let Ok(class) = ClassFile::decode(&damaged) {
                    class.encode().unwrap();
                }
            }
        }
    });
}

#[test]
fn huge_counts_are_refused_without_allocating() {
    let bytes = rich_class();
    quickly(|| {
        for index in 0..bytes.len() - 4 {
            for count in [u32::MAX, u32::MAX - 1, 1 << 31, 1 << 24] {
                let mut damaged = bytes.clone();
                damaged[index..index + 4].copy_from_slice(&count.to_le_bytes());
                let _ = ClassFile::decode(&damaged);
            }
        }
    });
}

/// A class of one function that loads the constant with these bytes.
fn loading(constant: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend([0; 8]);
    bytes.push(0);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([1, 0, 0, 0, 0]);
    bytes.extend(constant);
    bytes
}

fn refusal(bytes: &[u8]) -> Kind {
    quickly(|| ClassFile::decode(bytes)).unwrap_err().kind
}

#[test]
fn every_count_field_is_checked() {
    let count = u32::MAX.to_le_bytes();
    let too_large = |bytes: &[u8]| {
        let kind = refusal(&[bytes, &count, &[0; 64]].concat());
        assert!(matches!(kind, Kind::CountTooLarge { count: u32::MAX, .. }), "{kind:?}");
    };
    too_large(b"IONBC\x01\0\0\x01\0\0\0");
    too_large(&[0; 10]);
    for container in [0x06, 0x07, 0x0B] {
        too_large(&loading(&[container]));
    }
    let code = |instr: &[u8]| [&[0; 10], &1u32.to_le_bytes()[..], instr].concat();
    too_large(&code(&[0x09, 0, 0, 0, 0, 0, 0, 0, 0]));
    too_large(&code(&[0x12, 0, 0, 0, 0]));
    too_large(&code(&[0x12, 0, 0, 0, 0, 1, 0, 0, 0, 3]));
    too_large(&code(&[0x1F, 0, 0, 0, 0]));
    too_large(&code(&[0x20, 0, 0, 0, 0]));
    too_large(&code(&[0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let text = refusal(&[&loading(&[0x09])[..], &count].concat());
    assert!(matches!(text, Kind::UnexpectedEnd { .. }), "{text:?}");
}

/// Counts that the bytes do justify, at every level: memory stays linear in the file.
#[test]
fn nested_large_counts_stay_cheap() {
    let mut constant = Vec::new();
    for _ in 0..250 {
        constant.push(0x06);
        constant.extend(4_000_000u32.to_le_bytes());
    }
    constant.resize(5_000_000, 0x04);
    assert!(matches!(refusal(&loading(&constant)), Kind::UnexpectedEnd { .. }));
}

#[test]
fn deep_nesting_is_refused() {
    let nested =
        |head: &[u8], levels: usize, end: &[u8]| [head.repeat(levels), end.to_vec()].concat();
    let array = [0x06, 1, 0, 0, 0];
    let object = [0x07, 1, 0, 0, 0, 0, 0, 0, 0];
    assert!(ClassFile::decode(&loading(&nested(&array, 200, &[4]))).is_ok());
    assert_eq!(refusal(&loading(&nested(&array, 257, &[4]))), Kind::TooDeep);
    assert_eq!(refusal(&loading(&nested(&array, 100_000, &[4]))), Kind::TooDeep);
    assert_eq!(refusal(&loading(&nested(&object, 100_000, &[4]))), Kind::TooDeep);
    let matching = |pattern: Vec<u8>| {
        let head = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x12, 0, 0, 0, 0, 1, 0, 0, 0];
        [&head[..], &pattern, &1u32.to_le_bytes()].concat()
    };
    let tagged = [0x05, 0, 0, 0, 0];
    assert!(ClassFile::decode(&matching(nested(&tagged, 200, &[2]))).is_ok());
    assert_eq!(refusal(&matching(nested(&tagged, 100_000, &[2]))), Kind::TooDeep);
    assert_eq!(refusal(&matching(nested(&[0x03, 1, 0, 0, 0], 100_000, &[2]))), Kind::TooDeep);
    let mixed = [nested(&tagged, 200, &[1]), nested(&array, 100, &[4])].concat();
    assert_eq!(refusal(&matching(mixed)), Kind::TooDeep);
}

#[test]
fn bad_fields_are_named() {
    assert_eq!(refusal(b"IONBC\x02\0\0\x01\0\0\0\0\0\0\0"), Kind::BadMagic);
    assert_eq!(refusal(b"IONBC"), Kind::BadMagic);
    assert_eq!(refusal(b"IONBC\x01\0\0\x02\0\0\0\0\0\0\0"), Kind::UnsupportedVersion(2));
    assert_eq!(refusal(&loading(&[0x0C])), Kind::BadTag { what: "value tag", tag: 0x0C });
    assert_eq!(refusal(&loading(&[0x09, 2, 0, 0, 0, b'a', 0xFF])), Kind::BadUtf8);
    let access = [0x07, 1, 0, 0, 0, 0, 0, 0, 0, 4, 4];
    assert_eq!(refusal(&loading(&access)), Kind::BadTag { what: "access level", tag: 4 });
    let opcode = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x24];
    assert_eq!(refusal(&opcode), Kind::BadOpcode(0x24));
    let error = ClassFile::decode(&opcode).unwrap_err();
    assert_eq!((error.function, error.instruction, error.offset), (Some(0), Some(0), 14));
    let expected = "function 0, instruction 0, byte 14: unknown opcode 0x24; the file is damaged, build it again";
    assert_eq!(error.to_string(), expected);
    let kind = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    assert_eq!(refusal(&kind), Kind::BadTag { what: "function kind", tag: 2 });
}
