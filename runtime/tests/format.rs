//! Class files and packages: real ones, exact re-encoding, manifests, reproducible writing.

mod support;

use ion_runtime::bytecode::ops::{ConstOperand, Dst, PropInit, PropValue, Props};
use ion_runtime::bytecode::{
    Access, Body, ClassFile, ConstValue, EncodeError, Function, Instr, Pattern, Variant,
};
use ion_runtime::ionpack::{
    Archive, Content, Group, Manifest, ManifestError, Package, PackageBuilder, PackageError,
};
use proptest::prelude::*;
use std::io::Cursor;

fn packs() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packs");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let packs = paths.filter(|path| path.extension().is_some_and(|e| e == "ionpack"));
    let packs: Vec<_> =
        packs.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    assert!(packs.len() >= 12);
    packs
}

fn load(bytes: &[u8]) -> Package {
    let mut archive = Archive::from_bytes(bytes).unwrap();
    let mut package = archive.package().unwrap();
    archive.load_all(&mut package).unwrap();
    package
}

fn function(code: Vec<Instr>) -> Function {
    Function { name: Some("main".into()), arity: 0, extra_regs: 1, body: Body::Bytecode(code) }
}

#[test]
fn classes_of_packs_round_trip_byte_by_byte() {
    for (path, bytes) in packs() {
        let mut archive = Archive::from_bytes(&bytes).unwrap();
        let names: Vec<String> = archive.paths().into_iter().map(str::to_owned).collect();
        for name in names.iter().filter(|name| name.ends_with(".ionc")) {
            let class = archive.read(name).unwrap();
            let decoded = ClassFile::decode(&class).unwrap();
            assert_eq!(decoded.encode().unwrap(), class, "{path} {name}");
        }
    }
}

#[test]
fn packs_survive_rewriting() {
    for (path, bytes) in packs() {
        let package = load(&bytes);
        let written = package.to_bytes().unwrap();
        assert_eq!(written, package.to_bytes().unwrap(), "{path}");
        assert_eq!(load(&written), package, "{path}");
    }
}

#[test]
fn both_variants_are_read_and_kept() {
    let one = vec![function(vec![])];
    for variant in [Variant::Single, Variant::Multi] {
        let class = ClassFile { variant, functions: one.clone() };
        let bytes = class.encode().unwrap();
        assert_eq!(bytes.starts_with(b"IONBC\x01\0\0"), variant == Variant::Multi);
        assert_eq!(ClassFile::decode(&bytes).unwrap(), class);
    }
    let none = ClassFile { variant: Variant::Multi, functions: vec![] };
    assert_eq!(ClassFile::decode(&none.encode().unwrap()).unwrap(), none);
    let wrong = ClassFile { variant: Variant::Single, functions: vec![] };
    assert_eq!(wrong.encode(), Err(EncodeError::SingleNeedsOneFunction(0)));
}

#[test]
fn unusual_encodings_are_kept() {
    let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
    let values = [
        ConstValue::Number(signalling),
        ConstValue::Complex(-0.0, -f64::NAN),
        ConstValue::LegacyFunction("anonymous".into()),
        ConstValue::Object(vec![
            ("k".into(), ConstValue::Unit, Access::ProtectedReadonly),
            ("k".into(), ConstValue::Undefined, Access::Public),
        ]),
    ];
    let loads = values.map(|value| Instr::LoadConst { dst: Dst(0), value: ConstOperand(value) });
    let props = [None, Some(Access::Public), Some(Access::Readonly)].map(|access| PropInit {
        key: "p".into(),
        value: PropValue::Const(ConstValue::Boolean(true)),
        access,
    });
    let init = Instr::ObjectInit { dst: Dst(0), props: Props(props.to_vec()) };
    let class = ClassFile::new(vec![function(loads.into_iter().chain([init]).collect())]);
    let bytes = class.encode().unwrap();
    assert_eq!(ClassFile::decode(&bytes).unwrap(), class);
}

/// The two bytes that are not kept.
#[test]
fn flags_are_normalised_to_one() {
    let class = ClassFile::new(vec![function(vec![Instr::LoadConst {
        dst: Dst(0),
        value: ConstOperand(ConstValue::Boolean(true)),
    }])]);
    let bytes = class.encode().unwrap();
    let mut odd = bytes.clone();
    odd[0] = 7;
    *odd.last_mut().unwrap() = 200;
    assert_eq!(ClassFile::decode(&odd).unwrap().encode().unwrap(), bytes);
}

#[test]
fn nesting_up_to_the_limit_can_be_written() {
    let nested = |levels: usize| {
        let value = (0..levels).fold(ConstValue::Unit, |inner, _| ConstValue::Tuple(vec![inner]));
        let load = Instr::LoadConst { dst: Dst(0), value: ConstOperand(value) };
        ClassFile::new(vec![function(vec![load])])
    };
    for levels in [200, 256] {
        let bytes = nested(levels).encode().unwrap();
        assert_eq!(ClassFile::decode(&bytes).unwrap(), nested(levels));
    }
    assert_eq!(nested(257).encode(), Err(EncodeError::TooDeep));
    let pattern = (0..200).fold(Pattern::Wildcard, |p, _| Pattern::Tagged("t".into(), Box::new(p)));
    assert_eq!(pattern.clone(), pattern);
}

proptest! {
    #[test]
    fn class_files_round_trip(class in support::class_file(support::Content::Wild)) {
        let bytes = class.encode().unwrap();
        let decoded = ClassFile::decode(&bytes).unwrap();
        prop_assert_eq!(decoded.encode().unwrap(), bytes);
        prop_assert_eq!(decoded, class);
    }
}

#[test]
fn manifest_has_every_field() {
    let text = "IonPack-Version: 9.9\nName: a b\nVersion: 2\nMain-Class: M:x\nEntry-Point: go\n\
                Description: it: works\nAuthor: me\nDependencies: a, b\nFFI-Libraries: c\nExports: d, e\n";
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!(manifest.ionpack_version, "9.9");
    assert_eq!(manifest.main_class.as_deref(), Some("M:x"));
    assert_eq!(manifest.entry_point.as_deref(), Some("go"));
    assert_eq!(manifest.description.as_deref(), Some("it: works"));
    assert_eq!(manifest.dependencies, ["a", "b"]);
    assert_eq!(manifest.ffi_libraries, ["c"]);
    assert_eq!(manifest.exports, ["d", "e"]);
    assert_eq!(manifest.to_text(), text);
}

#[test]
fn manifest_lines_are_forgiving() {
    let text = "\r\n# note: x\r\n  Name :  x \r\nUnknown: y\nname: z\nVersion: 1\nVersion: 3\nExports: , a,, b ,\n";
    let manifest = Manifest::parse(text).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("x", "3"));
    assert_eq!(manifest.exports, ["a", "b"]);
    assert_eq!(manifest.ionpack_version, "1.0");
    assert_eq!(Manifest::parse("").unwrap(), Manifest::default());
    assert_eq!(Manifest::parse("\u{feff}Name: x").unwrap().name, "unnamed");
    assert_eq!(Manifest::parse("Name: x\n\nbad"), Err(ManifestError::NoColon(3)));
    assert_eq!(Manifest::from_bytes(b"\xff"), Err(ManifestError::NotUtf8));
}

#[test]
fn manifests_that_would_not_read_back_are_not_written() {
    let check = |manifest: Manifest, key| {
        let error = PackageBuilder::new(manifest).to_bytes().unwrap_err();
        assert_eq!(error, PackageError::Manifest(ManifestError::Unwritable(key)));
    };
    check(Manifest { name: "a\nMain-Class: b".into(), ..Manifest::default() }, "Name");
    check(Manifest { author: Some(" x".into()), ..Manifest::default() }, "Author");
    check(Manifest { exports: vec!["a,b".into()], ..Manifest::default() }, "Exports");
}

fn sample() -> PackageBuilder {
    PackageBuilder::new(Manifest { main_class: Some("B".into()), ..Manifest::default() })
        .source("Main.ion", "// text")
        .resource("data/x.bin", vec![0; 5000])
        .single("B", function(vec![Instr::Yield {}]))
        .library("libx.so", "not really")
        .multi("A/inner:c", vec![])
        .resource("a.txt", "")
}

#[test]
fn written_packages_are_reproducible() {
    let bytes = sample().to_bytes().unwrap();
    assert_eq!(bytes, sample().to_bytes().unwrap());
    let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let mut paths = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        assert_eq!(entry.last_modified(), Some(zip::DateTime::DEFAULT));
        assert_eq!(entry.unix_mode(), Some(0o100644));
        assert_eq!(entry.compression(), zip::CompressionMethod::Deflated);
        assert_eq!(entry.extra_data_fields().count(), 0);
        paths.push(entry.name().unwrap().into_owned());
    }
    let expected = [
        "META-INF/MANIFEST.ion",
        "classes/B.ionc",
        "classes/A/inner:c.ionc",
        "lib/libx.so",
        "resources/data/x.bin",
        "resources/a.txt",
        "src/Main.ion",
    ];
    assert_eq!(paths, expected);
    assert_eq!(load(&bytes), sample().build());
}

#[test]
fn resources_are_read_on_demand() {
    let bytes = sample().to_bytes().unwrap();
    let mut archive = Archive::from_bytes(&bytes).unwrap();
    let mut package = archive.package().unwrap();
    assert_eq!(package.resources[0].content, Content::Unread(5000));
    assert_eq!(package.libraries[0].bytes(), Some(&b"not really"[..]));
    assert_eq!(archive.resource("data/x.bin").unwrap(), vec![0; 5000]);
    assert_eq!(archive.source("Main.ion").unwrap(), b"// text");
    let missing = archive.resource("none").unwrap_err();
    assert_eq!(missing, PackageError::Missing("resources/none".into()));
    let unread = package.to_bytes().unwrap_err();
    assert_eq!(unread, PackageError::Unread("resources/data/x.bin".into()));
    archive.load(Group::Resource, &mut package.resources[0]).unwrap();
    assert_eq!(package.resources[0].bytes().map(<[u8]>::len), Some(5000));
}

#[test]
fn builders_refuse_what_readers_refuse() {
    let duplicate = sample().multi("B", vec![]).to_bytes().unwrap_err();
    assert_eq!(duplicate, PackageError::Duplicate(Some("classes/B.ionc".into())));
    for name in ["../x", "/x", "a\\b", "C:x", "", "a\0b", "a/../../b"] {
        let error = sample().resource(name, "").to_bytes().unwrap_err();
        assert!(matches!(error, PackageError::BadName { .. }), "{name:?} {error}");
    }
    let mut package = sample().build();
    package.libraries.clear();
    assert_eq!(package.to_bytes(), Err(PackageError::MissingLibrary("libx.so".into())));
}
