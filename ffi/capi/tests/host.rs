//! The host in C, built with the system's compiler against the header and the shared and the static library.

use ion_runtime::bytecode::assemble_package;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = "
    function main {
        load_const r0, 42
        return r0
    }
    function add (arity: 2) {
        add r0, r0, r1
        return r0
    }
    function same (arity: 1) {
        return r0
    }
    function fail (arity: 1) {
        call r0, r0, []
        return r0
    }
    function spin {
    again:
        jump again
    }
    function say (arity: 1) {
        load_const r1, '__stdlib:PrintLn'
        call r1, r1, [r0]
        return r1
    }
    function echo {
    again:
        receive r0
        load_const r1, 1
        get_prop r2, r0, r1
        load_const r1, 2
        get_prop r3, r0, r1
        send r2, r3
        jump again
    }";

/// Where cargo puts the libraries of this crate when it tests it: beside the test.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("the test is a file");
    test.parent().expect("in target/PROFILE/deps").to_owned()
}

fn run(link: &[&std::ffi::OsStr]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let (program, package) = (folder.path().join("host"), folder.path().join("test.ionpack"));
    std::fs::write(&package, assemble_package(PROGRAM).unwrap().to_bytes().unwrap()).unwrap();
    let status = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-std=c99", "-I"])
        .arg(here.join("../include"))
        .arg(here.join("tests/host.c"))
        .arg("-o")
        .arg(&program)
        .args(link)
        .args(["-lpthread", "-ldl", "-lm"])
        .status()
        .expect("a C compiler");
    assert!(status.success());
    let image = folder.path().join("test.so");
    let compiled = ion_ffi::vm::compile_ahead(assemble_package(PROGRAM).unwrap()).unwrap();
    std::fs::write(&image, compiled).unwrap();
    // The package, and machine code that was made of it.
    for file in [&package, &image] {
        let output = Command::new(&program).arg(file).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text == "done\n", "{output:?}");
    }
}

#[test]
fn with_the_shared_library() {
    let folder = libraries();
    let path = format!("-Wl,-rpath,{}", folder.display());
    run(&["-L".as_ref(), folder.as_os_str(), "-l:libion.so".as_ref(), path.as_ref()]);
}

#[test]
fn with_the_static_library() {
    run(&[libraries().join("libion.a").as_os_str()]);
}

#[test]
fn the_header_declares_what_the_library_has() {
    let header = include_str!("../../include/ion.h");
    let source = include_str!("../src/lib.rs");
    let functions = source.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("pub ")?.split_once("extern \"C\" fn ")?;
        rest.split('(').next()
    });
    let mut count = 0;
    for name in functions {
        assert!(header.contains(&format!("{name}(")), "{name} is not in ion.h");
        count += 1;
    }
    let declared = header
        .lines()
        .filter(|line| {
            !line.starts_with([' ', '/', '#', '}'])
                && line.contains(" ion_vm_") | line.contains("ion_")
                && line.contains('(')
        })
        .filter(|line| !line.starts_with("typedef"))
        .count();
    assert_eq!(declared, count, "functions that are declared, and functions that exist");
}
