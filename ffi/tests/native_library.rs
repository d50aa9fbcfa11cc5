//! A native library in C, built with the system's compiler and loaded from a package.

use ion_ffi::dylib::{LibraryError, load, load_libraries};
use ion_ffi::registry::standard;
use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::{Member, Package};
use ion_runtime::permissions::{NativeLibraries, Permissions};
use ion_runtime::system::Config;
use ion_runtime::vm::{self, Linked, MainEnd, Outputs};
use std::path::Path;
use std::process::Command;

/// The library's bytes.
fn library() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("test.so");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-std=c99", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/native_library.c"))
        .arg("-o")
        .arg(&out)
        .status()
        .expect("a C compiler");
    assert!(status.success());
    std::fs::read(out).unwrap()
}

fn package(bytes: Vec<u8>) -> Package {
    let text = r#"function main {
        load_const r0, '__stdlib:Test.add'
        load_const r1, 1
        load_const r2, 2
        call r3, r0, [r1, r2]
        load_const r4, "x"
        call r4, r0, [r1, r4]
        call r5, r0, [r1]
        load_const r0, '__stdlib:Test.turn'
        load_const r1, [1, 'two', "three"]
        load_const r2, "text"
        call r0, r0, [r1, r2]
        array_init r0, [r3, r4, r5, r0]
        return r0
    }"#;
    let mut package = assemble_package(text).unwrap();
    let name = format!("{}/{}/test.so", std::env::consts::OS, std::env::consts::ARCH);
    package.manifest.ffi_libraries.push(name.clone());
    package.libraries.push(Member::new(name, bytes));
    package
}

fn allowed(native: NativeLibraries) -> Permissions {
    let mut permissions = Permissions::default();
    permissions.native = native;
    permissions
}

#[test]
fn a_library_in_c() {
    let package = package(library());
    let mut registry = standard();
    let permissions = allowed(NativeLibraries::Named(vec!["test".into()]));
    assert!(load_libraries(&package, &permissions, &mut registry).unwrap().is_empty());
    let linked = Linked::new(&package, &registry).unwrap();
    let (outputs, _, _) = Outputs::captured();
    let run = vm::run(&linked, Config::default(), None, outputs, &[]).unwrap();
    let expected = "Array: [3.5, error:FFI call error: Runtime error: two numbers are needed, \
                    error:FFI call error: Expected 2 arguments, got 1, \
                    ([three, two, 1], text, done)]";
    assert_eq!(run.end, MainEnd::Result(expected.to_owned()));
}

#[test]
fn libraries_must_be_allowed_and_fit() {
    let package = package(b"no library".to_vec());
    let mut registry = standard();
    let denied = load_libraries(&package, &Permissions::default(), &mut registry).unwrap();
    assert_eq!(
        denied[0].to_string(),
        "loading the native library 'test' is not allowed; allow it with --allow-native=test"
    );
    let other = allowed(NativeLibraries::Named(vec!["other".into()]));
    assert_eq!(load_libraries(&package, &other, &mut registry).unwrap().len(), 1);
    let all = allowed(NativeLibraries::All);
    let error = load_libraries(&package, &all, &mut registry).unwrap_err();
    assert!(matches!(error, LibraryError::Load { .. }), "{error}");
    let mut empty = package.clone();
    empty.libraries.clear();
    let error = load_libraries(&empty, &all, &mut registry).unwrap_err();
    assert!(error.to_string().contains("it would be 'lib/"), "{error}");
    assert!(load("none", b"", &mut registry).is_err());
}
