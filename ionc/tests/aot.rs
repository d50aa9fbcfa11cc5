//! `ionc aot` from outside: what it writes runs like the package, and what is wrong is refused in a line.

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Done {
    out: String,
    err: String,
    status: Option<i32>,
}

fn finish(mut command: Command, place: &TempDir) -> Done {
    command.current_dir(place).timeout(Duration::from_secs(120));
    let output = command.output().expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { out: text(&output.stdout), err: text(&output.stderr), status: output.status.code() }
}

fn ionc(place: &TempDir, args: &[&str]) -> Done {
    let mut command = Command::cargo_bin("ionc").expect("the command is built");
    command.args(args);
    finish(command, place)
}

fn example(name: &str) -> String {
    workspace().join("examples").join(name).display().to_string()
}

fn compiled(place: &TempDir, args: &[&str]) {
    let done = ionc(place, &[&["aot"], args].concat());
    assert_eq!((done.err.as_str(), done.status), ("", Some(0)), "{args:?}: {}", done.out);
}

#[test]
fn examples_run_as_their_packages_do() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = std::fs::read_dir(workspace().join("examples")).expect("there are examples");
    let mut names: Vec<String> =
        folder.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".ionasm"));
    assert!(!names.is_empty());
    for name in names {
        let pack = example(&name);
        compiled(&place, &["-o", "it.so", &pack]);
        let expected =
            ionc(&place, &["run", "--schedulers", "1", "--print-result", "--interp", &pack]);
        let seen = ionc(&place, &["run", "--schedulers", "1", "--print-result", "it.so"]);
        assert_eq!((seen.out, seen.status), (expected.out, expected.status), "{name}");
    }
}

#[test]
fn executables_run_alone_and_take_arguments() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(
        place.path().join("args.ionasm"),
        "function main (arity: 1) {
            load_const r1, '__stdlib:PrintLn'
            load_const r2, 0
            get_prop r2, r0, r2
            call r1, r1, [r2]
            load_const r2, 'nothing'
            call r2, r2, []
            return r2
        }",
    )
    .expect("writable");
    compiled(&place, &["--exe", "-o", "alone", "args.ionasm"]);
    let mut command = Command::new(place.path().join("alone"));
    command.args(["first", "--second"]);
    let done = finish(command, &place);
    assert_eq!((done.out.as_str(), done.status), ("first\n", Some(1)));
    assert!(done.err.contains("Main:main"), "{}", done.err);
}

#[test]
fn the_same_package_gives_the_same_bytes() {
    let place = tempfile::tempdir().expect("a folder");
    let pack = example("actors.ionpack");
    compiled(&place, &["-o", "a.so", &pack]);
    compiled(&place, &["-o", "b.so", &pack]);
    let read = |name: &str| std::fs::read(place.path().join(name)).expect("written");
    assert!(read("a.so") == read("b.so"));
    for target in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        compiled(&place, &["--emit", "obj", "--target", target, "-o", "it.o", &pack]);
        assert!(read("it.o").starts_with(b"\x7fELF"));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name);
    let pack = example("actors.ionpack");
    compiled(&place, &["-o", "good.so", &pack]);
    let good = std::fs::read(path("good.so")).expect("written");
    let refused = |bytes: &[u8], parts: &[&str]| {
        std::fs::write(path("bad.so"), bytes).expect("writable");
        for command in ["run", "info"] {
            let done = ionc(&place, &[command, "bad.so"]);
            assert_eq!(done.status, Some(1), "{parts:?}");
            assert_eq!(done.err.lines().count(), 1, "{}", done.err);
            assert!(done.err.starts_with("ionc: bad.so: "), "{}", done.err);
            for part in parts {
                assert!(done.err.contains(part), "{part:?} is not in {}", done.err);
            }
        }
    };
    for length in [5, 64, 500, 4000, good.len() / 2, good.len() - 1] {
        refused(&good[..length], &["cut short or altered"]);
    }
    // Any byte of what counts: here one of each kind.
    let find = |text: &[u8]| good.windows(text.len()).position(|part| part == text).expect("there");
    for at in [find(b"PK\x03\x04") + 20, 0x10000 + 100] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        refused(&bytes, &["cut short or altered", "digest"]);
    }
    let mut bytes = good.clone();
    let at = find(b"\"format\":2");
    bytes[at + 9] = b'7';
    refused(&bytes, &["format 7", "format 2", "compile it again"]);
    compiled(&place, &["--target", "aarch64-unknown-linux-gnu", "-o", "foreign.so", &pack]);
    let foreign = std::fs::read(path("foreign.so")).expect("written");
    if cfg!(target_arch = "x86_64") {
        refused(&foreign, &["aarch64-unknown-linux-gnu", "x86_64"]);
    }
    refused(b"\x7fELF and nothing else", &["cut short or altered"]);
}

#[test]
fn wrong_usage_says_what_to_do() {
    let place = tempfile::tempdir().expect("a folder");
    let pack = example("actors.ionpack");
    for (args, parts) in [
        (vec!["--target", "nowhere", "-o", "x.so"], ["nowhere", "aarch64-unknown-linux-gnu"]),
        (vec!["--target", "riscv64gc-unknown-linux-gnu", "-o", "x.so"], ["riscv64", "aarch64"]),
        (vec!["--exe", "--target", "aarch64-unknown-linux-gnu"], ["executable", "--target"]),
    ] {
        let done = ionc(&place, &[&["aot"], &args[..], &[&pack]].concat());
        assert!(matches!(done.status, Some(1 | 2)), "{args:?}");
        assert!(parts.iter().all(|part| done.err.contains(part)), "{args:?}: {}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
}

#[test]
fn code_for_this_processor_runs_on_it() {
    let place = tempfile::tempdir().expect("a folder");
    compiled(&place, &["--cpu", "native", "-o", "it.so", &example("actors.ionpack")]);
    let done = ionc(&place, &["run", "it.so"]);
    assert_eq!(done.status, Some(0), "{}", done.err);
}

#[test]
fn files_say_what_they_are_for() {
    let place = tempfile::tempdir().expect("a folder");
    compiled(&place, &["-o", "it.so", &example("actors.ionpack")]);
    let text = ionc(&place, &["info", "it.so"]).out;
    for part in ["Machine Code: ", "Target: ", "Processor: ", "Interface: ", "Digest: "] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = ionc(&place, &["info", "--json", "it.so"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let image = &json["image"];
    assert!(image["target"].as_str().is_some_and(|target| target.contains("-linux-")), "{image}");
    assert_eq!(image["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(image["digest"].as_str().map(str::len), Some(64));
    // A package has none.
    let json = ionc(&place, &["info", "--json", &example("actors.ionpack")]).out;
    assert!(!json.contains("\"image\""), "{json}");
}

#[test]
fn debuggers_see_functions_of_images_by_name() {
    let place = tempfile::tempdir().expect("a folder");
    if std::process::Command::new("gdb").arg("--version").output().is_err() {
        eprintln!("left out: there is no gdb");
        return;
    }
    // It stops in a function of the runtime, so deep in a recursion that not all of it is inlined.
    std::fs::write(
        place.path().join("deep.ionasm"),
        "function main {
            load_const r0, '__function_ref:Main:outer'
            load_const r1, 40
            call r0, r0, [r1]
            return r0
        }
        function outer (arity: 1) {
            load_const r1, 0
            load_const r2, '__function_ref:Main:outer'
            load_const r3, 1
            equal r4, r0, r1
            jump_if_true r4, leaf
            sub r5, r0, r3
            call r5, r2, [r5]
            add r5, r5, r3
            return r5
        leaf:
            load_const r6, '__stdlib:Eprint'
            load_const r7, 'here'
            call r6, r6, [r7]
            return r1
        }",
    )
    .expect("writable");
    compiled(&place, &["-o", "deep.so", "deep.ionasm"]);
    let mut command = Command::new("gdb");
    command.args(["-batch", "-nx", "-iex", "set debuginfod enabled off"]);
    command.args(["-ex", "set breakpoint pending on", "-ex", "catch syscall write"]);
    command.args(["-ex", "run", "-ex", "backtrace", "-ex", "kill", "--args"]);
    command.arg(assert_cmd::cargo::cargo_bin("ionc")).args(["run", "deep.so"]);
    let done = finish(command, &place);
    for name in [" in Main:outer ()", " in Main:main", " in ion_enter ()", "run_compiled"] {
        assert!(done.out.contains(name), "{name:?} is not in {}{}", done.out, done.err);
    }
}

#[test]
fn hosts_load_what_was_compiled_for_them() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(
        place.path().join("sum.ionasm"),
        "function main {
            load_const r0, 1
            return r0
        }
        function sum (arity: 2) {
            add r0, r0, r1
            return r0
        }",
    )
    .expect("writable");
    compiled(&place, &["-o", "closed.so", "sum.ionasm"]);
    let refused = ion_ffi::VmBuilder::default().load_path(place.path().join("closed.so"));
    let Err(error) = refused else { panic!("it was not compiled for hosts") };
    let error = error.to_string();
    assert!(error.contains("--open") || error.contains("compile it again"), "{error}");
    compiled(&place, &["--open", "-o", "open.so", "sum.ionasm"]);
    let vm = ion_ffi::VmBuilder::default().load_path(place.path().join("open.so")).expect("loads");
    let sum = vm.call("Main:sum", [20.0.into(), 22.0.into()]).expect("returns");
    assert_eq!(sum, ion_ffi::Term::from(42.0));
}

#[test]
fn packages_that_carry_their_sources_are_compiled() {
    let place = TempDir::new().unwrap();
    let pack = place.path().join("hello.ionpack");
    let pack = pack.to_str().unwrap();
    let built = ionc(&place, &["build", &example("hello.ion"), "-o", pack]);
    assert_eq!(built.status, Some(0), "{}", built.err);
    compiled(&place, &["-o", "hello.so", pack]);
    let (image, package) = (ionc(&place, &["run", "hello.so"]), ionc(&place, &["run", pack]));
    assert_eq!((image.out, image.status), (package.out, Some(0)));
}
