//! Damaged and hostile packages: every case is refused, or read, quickly and without a panic.

use ion_runtime::bytecode::{assemble_package, verify_package};
use ion_runtime::ionpack::{Archive, Limits, Manifest, Package, PackageBuilder, PackageError};
use std::io::{Cursor, Write};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;

/// Runs `body`, which must be quick even on a busy machine.
fn quickly<T>(body: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = body();
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    result
}

/// Reads a package as a whole: classes, verification, resources.
fn read_all(bytes: &[u8], limits: Limits) -> Result<Package, PackageError> {
    let mut archive = Archive::new(Cursor::new(bytes), limits)?;
    let mut package = archive.package()?;
    let _ = verify_package(&package, &["Debug"]);
    archive.load_all(&mut package)?;
    Ok(package)
}

fn small_package() -> Vec<u8> {
    let text = "function main {\nload_const r0, '__stdlib:Debug'\nreturn r0\n}\n";
    let mut package = assemble_package(text).unwrap();
    package.manifest.ffi_libraries = vec!["x".into()];
    let builder = PackageBuilder::new(package.manifest).resource("r", "some text some text");
    let class = package.classes.remove(0);
    builder.class(class.name, class.file).library("x", "y").to_bytes().unwrap()
}

#[test]
fn truncated_packages_are_refused() {
    let bytes = small_package();
    read_all(&bytes, Limits::default()).unwrap();
    quickly(|| {
        for length in 0..bytes.len() {
            read_all(&bytes[..length], Limits::default()).unwrap_err();
        }
    });
}

#[test]
fn flipped_package_bytes_never_panic() {
    let bytes = small_package();
    quickly(|| {
        for index in 0..bytes.len() {
            for mask in [0x01, 0x02, 0x40, 0x80, 0x55, 0xAA, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[index] ^= mask;
                let _ = read_all(&damaged, Limits::default());
            }
        }
    });
}

/// A ZIP archive of these members.
fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Replaces all occurrences of a text by one of the same length, as archives have names twice.
fn renamed(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from.as_bytes()) {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

const MANIFEST: &str = "META-INF/MANIFEST.ion";

#[test]
fn path_tricks_are_refused() {
    let paths = [
        "../x",
        "a/../x",
        "/etc/x",
        "\\x",
        "a\\..\\x",
        "C:/x",
        "c:x",
        "a\0x",
        "a\nx",
        "classes/../x",
        "lib/../../x",
        "resources/..",
        "classes//etc/x.ionc",
        "resources/C:x",
        "classes/.ionc",
    ];
    for path in paths {
        let stand_in = "Z".repeat(path.len());
        let bytes = renamed(zipped(&[(MANIFEST, b""), (&stand_in, b"")]), &stand_in, path);
        let error = read_all(&bytes, Limits::default()).unwrap_err();
        assert!(matches!(error, PackageError::BadName { .. }), "{path:?}: {error}");
    }
    for name in ["../x", "/x", "a\\b", "C:x", "x/../../y"] {
        let manifest = format!("FFI-Libraries: {name}\n");
        let error = read_all(&zipped(&[(MANIFEST, manifest.as_bytes())]), Limits::default());
        assert!(matches!(error, Err(PackageError::BadName { .. })), "{name}: {error:?}");
    }
}

#[test]
fn unknown_paths_and_folders_are_ignored() {
    let members: [(&str, &[u8]); 5] = [
        (MANIFEST, b""),
        ("README", b"x"),
        ("classes/", b""),
        ("classes/x.txt", b"x"),
        ("x.ionc", b""),
    ];
    let package = read_all(&zipped(&members), Limits::default()).unwrap();
    assert_eq!(package, Package::new(Manifest::default()));
}

#[test]
fn duplicates_are_refused() {
    let bytes = zipped(&[(MANIFEST, b""), ("src/a", b"1"), ("src/b", b"2")]);
    let error = read_all(&renamed(bytes, "src/b", "src/a"), Limits::default()).unwrap_err();
    assert_eq!(error, PackageError::Duplicate(None));
}

#[test]
fn missing_members_are_named() {
    let missing = read_all(&zipped(&[]), Limits::default()).unwrap_err();
    assert_eq!(missing, PackageError::Missing(MANIFEST.into()));
    let library = read_all(&zipped(&[(MANIFEST, b"FFI-Libraries: m.so\n")]), Limits::default());
    assert_eq!(library, Err(PackageError::MissingLibrary("m.so".into())));
}

#[test]
fn damaged_classes_are_named() {
    let bytes = zipped(&[(MANIFEST, b""), ("classes/a/b.ionc", b"IONBCxxx")]);
    let error = read_all(&bytes, Limits::default()).unwrap_err();
    let expected =
        "class 'a/b', byte 0: bad magic number after 'IONBC'; the file is damaged, build it again";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn checksums_are_verified() {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [(MANIFEST, "Name: a\n"), ("resources/r", "resource")] {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(read_all(&bytes, Limits::default()).unwrap().manifest.name, "a");
    let damaged = renamed(bytes.clone(), "Name: a", "Name: b");
    let error = read_all(&damaged, Limits::default()).unwrap_err();
    assert!(matches!(error, PackageError::Damaged { .. }), "{error}");
    let unread = Package::from_bytes(&renamed(bytes, "resource\u{50}", "xesource\u{50}"));
    assert!(unread.is_ok(), "a member that is not read is not checked");
}

/// Offset of the directory entry of the member with this index.
fn directory_entry(bytes: &[u8], index: usize) -> usize {
    let at = |at: &usize| bytes[*at..].starts_with(b"PK\x01\x02");
    (0..bytes.len()).filter(at).nth(index).unwrap()
}

#[test]
fn zip_bombs_are_refused() {
    let zeros = vec![0; 40 << 20];
    let bomb = zipped(&[(MANIFEST, b""), ("resources/r", &zeros)]);
    assert!(bomb.len() < 100_000);
    quickly(|| {
        assert!(Package::from_bytes(&bomb).is_ok(), "not inflated unless read");
        let error = read_all(&bomb, Limits::default()).unwrap_err();
        assert!(matches!(error, PackageError::Limit { what: "compression ratio", .. }), "{error}");
    });
    let class = zipped(&[(MANIFEST, b""), ("classes/A.ionc", &zeros)]);
    let error = read_all(&class, Limits::default()).unwrap_err();
    assert!(matches!(error, PackageError::Limit { what: "bytes of a member", .. }), "{error}");
    // Declared as 100 bytes, inflates to more.
    let mut liar = bomb.clone();
    let size = directory_entry(&liar, 1) + 24;
    liar[size..size + 4].copy_from_slice(&100u32.to_le_bytes());
    let error = quickly(|| read_all(&liar, Limits::default()).unwrap_err());
    assert!(matches!(error, PackageError::Damaged { .. }), "{error}");
    // Declared as more than it inflates to.
    let mut boaster = zipped(&[(MANIFEST, b"Name: a\n")]);
    let size = directory_entry(&boaster, 0) + 24;
    boaster[size..size + 4].copy_from_slice(&1000u32.to_le_bytes());
    let error = read_all(&boaster, Limits::default()).unwrap_err();
    assert!(matches!(error, PackageError::Damaged { .. }), "{error}");
}

#[test]
fn limits_are_adjustable() {
    let bytes = small_package();
    let limited = |limits: Limits| read_all(&bytes, limits).map(|_| ());
    let limit = |what: &'static str, name: &str, limit| {
        Err(PackageError::Limit { name: name.into(), what, limit })
    };
    let standard = Limits::default;
    assert_eq!(limited(Limits { entries: 3, ..standard() }), limit("entries", "", 3));
    assert_eq!(
        limited(Limits { manifest: 10, ..standard() }),
        limit("bytes of a member", MANIFEST, 10)
    );
    assert_eq!(
        limited(Limits { class: 10, ..standard() }),
        limit("bytes of a member", "classes/Main.ionc", 10)
    );
    assert_eq!(
        limited(Limits { member: 3, ..standard() }),
        limit("bytes of a member", "resources/r", 3)
    );
    let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let total: u64 = (0..zip.len()).map(|index| zip.by_index(index).unwrap().size()).sum();
    assert_eq!(limited(Limits { total, ..standard() }), Ok(()));
    assert_eq!(
        limited(Limits { total: total - 1, ..standard() }),
        limit("bytes in total", "resources/r", total - 1)
    );
}

#[test]
fn overlapping_members_are_refused() {
    let mut bytes = zipped(&[(MANIFEST, b""), ("src/a", b"1"), ("src/b", b"2")]);
    let (first, second) = (directory_entry(&bytes, 1) + 42, directory_entry(&bytes, 2) + 42);
    bytes.copy_within(first..first + 4, second);
    assert_eq!(read_all(&bytes, Limits::default()).unwrap_err(), PackageError::Overlap);
}

#[test]
fn other_methods_are_refused() {
    for (method, flags) in [(12, 0), (93, 0), (0, 1)] {
        let mut bytes = zipped(&[(MANIFEST, b"Name: a\n")]);
        let entry = directory_entry(&bytes, 0);
        bytes[entry + 8] |= flags;
        bytes[entry + 10] = method;
        let error = read_all(&bytes, Limits::default()).unwrap_err();
        assert!(matches!(error, PackageError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn leading_bytes_are_allowed_and_nonsense_is_not() {
    let shebang = [b"#!/usr/bin/env ion\n".as_slice(), &small_package()].concat();
    read_all(&shebang, Limits::default()).unwrap();
    for bytes in [&b""[..], b"PK", b"PK\x05\x06", &[0; 100_000], &b"PK\x05\x06".repeat(20_000)] {
        let error = quickly(|| read_all(bytes, Limits::default()).unwrap_err());
        assert!(matches!(error, PackageError::Archive(_)), "{error}");
    }
}
