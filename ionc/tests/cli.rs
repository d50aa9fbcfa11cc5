//! The command `ionc` from outside: help, exit statuses, output, and errors that are one line.

use assert_cmd::Command;
use ionc::load::package_from_bytes;
use ionc::samples::find;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// A folder and commands that run in it.
struct Place(TempDir);

/// What a command did.
struct Done {
    out: String,
    err: String,
    status: Option<i32>,
}

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    /// A folder with all samples.
    fn with_samples() -> Place {
        let place = Place::new();
        place.ok(&["samples"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("writable");
    }

    fn ionc(&self, args: &[&str]) -> Done {
        let mut command = Command::cargo_bin("ionc").expect("the command is built");
        command.current_dir(&self.0).args(args).timeout(Duration::from_secs(60));
        let output = command.output().expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Done { out: text(&output.stdout), err: text(&output.stderr), status: output.status.code() }
    }

    /// The standard output of a command that succeeds without a word on standard error.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let done = self.ionc(args);
        assert_eq!((done.err.as_str(), done.status), ("", Some(0)), "{args:?}");
        done.out
    }

    /// A command that fails: nothing on standard output, exactly one line, which has these parts.
    #[track_caller]
    fn fails(&self, status: i32, args: &[&str], parts: &[&str]) {
        let done = self.ionc(args);
        assert_eq!((done.out.as_str(), done.status), ("", Some(status)), "{args:?}: {}", done.err);
        check_line(&done.err);
        for part in parts {
            assert!(done.err.contains(part), "{args:?}: no '{part}' in {}", done.err);
        }
    }
}

/// One line `ionc: …`, lower case, without a full stop.
#[track_caller]
fn check_line(err: &str) {
    let line = err.strip_suffix('\n').expect("a line");
    let text = line.strip_prefix("ionc: ").unwrap_or_else(|| panic!("no 'ionc: ' in {err}"));
    assert!(!text.contains('\n') && !text.ends_with('.') && !text.is_empty(), "{err}");
}

const CRASHES: &str = "function main {\n  load_const r0, 5\n  call r0, r0, []\n}\n";
const LISTENS: &str = "function main {\n  receive r0\n}\n";
const PRINTS_FOR_EVER: &str = "function main {\n  load_const r0, '__stdlib:PrintLn'\n  load_const r1, \"more\"\nagain:\n  call r2, r0, [r1]\n  jump again\n}\n";
const SHOWS_ARGS: &str = ".main Main go\nfunction go (arity: 1) {\n  load_const r1, '__stdlib:PrintLn'\n  call r2, r1, [r0]\n}\n";

#[test]
fn help() {
    let place = Place::new();
    let top = place.ok(&["--help"]);
    for command in ["run", "info", "dis", "asm", "verify", "samples", "natives"] {
        assert!(top.contains(command), "{command} is missing");
        let help = place.ok(&[command, "--help"]);
        assert!(help.contains("Usage:") && help.contains("Example"), "{command}: {help}");
        assert_eq!(help, place.ok(&["help", command]));
    }
    assert!(place.ok(&["run", "--help"]).contains("Exit status"));
    assert!(place.ok(&["--version"]).starts_with("ionc "));
    let bare = place.ionc(&[]);
    assert_eq!((bare.out.as_str(), bare.status), ("", Some(2)));
    assert!(bare.err.contains("Usage:"));
}

#[test]
fn usage_errors() {
    let place = Place::new();
    let usage = |args: &[&str], part: &str| place.fails(2, args, &[part]);
    usage(&["info"], "see 'ionc info --help'");
    usage(&["run", "--jot", "x"], "unexpected argument '--jot'");
    usage(&["fly"], "unrecognized subcommand 'fly'");
    usage(&["run", "--timeslice", "0", "x"], "--timeslice");
    usage(&["run", "--timeslice", "many", "x"], "many");
    usage(&["run", "--max-heap", "5x", "x"], "64m");
    usage(&["run", "--max-processes", "0", "x"], "--max-processes");
    usage(&["run", "--preempt", "never", "x"], "safepoint");
    usage(&["run", "--jit", "--interp", "x"], "--interp");
    usage(&["samples", "--list", "hello"], "--list");
    place.write("a.ionasm", CRASHES);
    usage(&["asm", "a.ionasm"], "--output");
    usage(&["asm", "a.ionasm", "-o", "a.txt"], "end it in .ionpack or .ionc");
}

#[test]
fn programs_and_their_statuses() {
    let place = Place::with_samples();
    assert_eq!(place.ok(&["run", "hello.ionpack"]), "");
    assert_eq!(place.ok(&["run", "--print-result", "hello.ionpack"]), "Number: 42\n");
    for engine in ["--interp", "--jit"] {
        let shown = place.ok(&["run", engine, "--print-result", "unified_actors.ionpack"]);
        assert!(shown.ends_with("[DEBUG] Number: 225\nNumber: 225\n"), "{shown}");
    }

    place.write("crash.ionasm", CRASHES);
    let crash = place.ionc(&["run", "--print-result", "crash.ionasm"]);
    assert_eq!((crash.out.as_str(), crash.status), ("", Some(1)));
    assert!(crash.err.starts_with("process 1 crashed: call of a value"), "{}", crash.err);
    assert!(crash.err.contains("Main:main, instruction 1"), "{}", crash.err);

    place.write("deadlock.ionasm", LISTENS);
    let deadlock = place.ionc(&["run", "deadlock.ionasm"]);
    assert_eq!((deadlock.out.as_str(), deadlock.status), ("", Some(1)));
    assert_eq!(
        deadlock.err,
        "deadlock: nothing can run any more, and 1 process waits for ever\n  process 1 waits for a message at Main:main, instruction 0\n"
    );
}

#[test]
fn the_result_has_a_line_of_its_own() {
    let place = Place::new();
    place.write(
        "a.ionasm",
        "function main {\n  load_const r0, '__stdlib:Print'\n  load_const r1, \"no line end\"\n  call r0, r0, [r1]\n  return r1\n}\n",
    );
    assert_eq!(place.ok(&["run", "a.ionasm"]), "no line end");
    let shown = place.ok(&["run", "--print-result", "a.ionasm"]);
    assert_eq!(shown, "no line end\nString: \"no line end\"\n");
}

#[test]
fn program_arguments() {
    let place = Place::new();
    place.write("args.ionasm", SHOWS_ARGS);
    assert_eq!(place.ok(&["run", "args.ionasm"]), "[]\n");
    assert_eq!(
        place.ok(&["run", "args.ionasm", "a", "--jit", "-x", "--", "ü"]),
        "[a, --jit, -x, --, ü]\n"
    );
    let long = "x".repeat(100_000);
    assert_eq!(place.ok(&["run", "args.ionasm", &long]), format!("[{long}]\n"));
}

#[cfg(unix)]
#[test]
fn program_arguments_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.write("args.ionasm", SHOWS_ARGS);
    let mut command = Command::cargo_bin("ionc").expect("the command is built");
    command.current_dir(&place.0).args(["run", "args.ionasm", "fine"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
    command.assert().code(2).stdout("").stderr("ionc: program argument 2 is not UTF-8\n");
}

#[test]
fn limits() {
    let place = Place::new();
    place.write(
        "grow.ionasm",
        "function main {\n  load_const r0, \"ab\"\n  load_const r1, 1000000\n  mul r0, r0, r1\n}\n",
    );
    place.ok(&["run", "grow.ionasm"]);
    let done = place.ionc(&["run", "--max-heap", "64k", "grow.ionasm"]);
    assert_eq!((done.out.as_str(), done.status), ("", Some(1)));
    assert!(done.err.contains("out of memory: the limit is 65536 bytes"), "{}", done.err);
}

#[test]
fn reports_for_machines() {
    let place = Place::new();
    let program = "function worker(boss) { receive(); const f = 1; return f(); }
function main() {
    Process.register(:boss);
    const child = Process.spawnLink(worker, self);
    send(child, 1);
    receive();
}";
    place.write("crash.ion", program);
    let done = place.ionc(&["run", "--json", "crash.ion"]);
    assert_eq!((done.out.as_str(), done.status), ("", Some(1)));
    let lines: Vec<serde_json::Value> =
        done.err.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let [crash, failed] = lines.as_slice() else { panic!("two lines: {}", done.err) };
    assert_eq!((&crash["event"], &crash["process"]), (&"crash".into(), &2.into()));
    let reason = crash["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("call of a value that is no function"), "{reason}");
    assert_eq!(crash["links"], serde_json::json!([{ "process": 1, "name": "boss" }]));
    assert_eq!(crash["trace"][0]["function"], "crash:worker");
    assert_eq!(crash["trace"][0]["place"], "crash.ion:1:56");
    assert_eq!(failed["event"], "failed");
    place.write("wait.ion", "function main() { receive(); }");
    let done = place.ionc(&["run", "--json", "wait.ion"]);
    assert_eq!(done.status, Some(1));
    let line: serde_json::Value = serde_json::from_str(&done.err).expect("one object");
    assert_eq!(line["event"], "deadlock");
    assert_eq!(line["waiting"].as_array().map(Vec::len), Some(1));
}

#[test]
fn limits_of_mailboxes_and_atoms() {
    let place = Place::new();
    let flood = "function main() {
    for (let i = 0; i < 5; i++) send(self, Atom.from(`a${i}`));
    let n = 0;
    while (receive { _ => true, after 0 => false }) n++;
    println(n);
}";
    place.write("flood.ion", flood);
    for (limit, left) in [("100", "5"), ("3", "3"), ("3:drop-new", "3"), ("3:drop-old", "3")] {
        assert_eq!(place.ok(&["run", "--max-mailbox", limit, "flood.ion"]).trim(), left);
    }
    place.fails(1, &["run", "--max-mailbox", "3:kill", "flood.ion"], &["mailboxFull"]);
    let done = place.ionc(&["run", "--max-mailbox", "3:block", "flood.ion"]);
    assert!(done.err.contains("send to itself with a full mailbox"), "{}", done.err);
    let done = place.ionc(&["run", "--max-atoms", "3", "flood.ion"]);
    assert!(done.err.contains("too many atoms: the limit is 3"), "{}", done.err);
    place.fails(2, &["run", "--max-mailbox", "3:wait", "flood.ion"], &["block", "kill"]);
    place.fails(2, &["run", "--max-mailbox", "0:block", "flood.ion"], &["1000"]);
}

#[test]
fn traces_go_to_standard_error() {
    let place = Place::with_samples();
    let plain = place.ok(&["run", "actors.ionpack"]);
    let traced = place.ionc(&["run", "--debug", "actors.ionpack"]);
    assert_eq!((traced.out, traced.status), (plain, Some(0)));
    for part in ["[VM] process 1 spawns process 2", "sends 25", "receives 25"] {
        assert!(traced.err.contains(part), "no '{part}' in {}", traced.err);
    }
}

#[test]
fn files_that_cannot_be_read() {
    let place = Place::new();
    std::fs::create_dir(place.path("folder")).expect("a folder");
    place.write("empty.ionpack", "");
    place.write("text.ionpack", "just some text\n");
    place.write("class.ionpack", b"IONBC\x01\0\0\x01\0\0\0\0\0\0\0");
    for command in ["run", "info", "dis", "verify"] {
        place.fails(1, &[command, "missing.ionpack"], &["missing.ionpack: no such file"]);
        place.fails(1, &[command, "folder"], &["folder: no project here: there is no ion.toml"]);
        place.fails(1, &[command, "text.ionpack/x"], &["no directory"]);
        place.fails(1, &[command, "empty.ionpack"], &["empty.ionpack: not a readable package"]);
        place.fails(1, &[command, "text.ionpack"], &["text.ionpack: not a readable package"]);
        place.fails(1, &[command, "class.ionpack"], &["a bare class file"]);
    }
    place.fails(1, &["asm", "missing.ionasm", "-o", "x.ionc"], &["missing.ionasm: no such file"]);
    place.write("latin.ionasm", b"// caf\xe9\n");
    place.fails(1, &["asm", "latin.ionasm", "-o", "x.ionpack"], &["latin.ionasm: not UTF-8"]);
    place.fails(1, &["samples", "hello", "-o", "text.ionpack"], &["cannot create the directory"]);
    assert!(!place.path("x.ionpack").exists());
}

#[test]
fn packages_that_cannot_run() {
    let place = Place::new();
    let refuse = |text: &str, parts: &[&str]| {
        place.write("bad.ionasm", text);
        place.fails(1, &["run", "bad.ionasm"], parts);
        place.fails(1, &["verify", "bad.ionasm"], parts);
    };
    refuse(
        "function main {\n  jump 5\n}\n",
        &["bad.ionasm: class 'Main': function 'main': instruction 0: jump"],
    );
    refuse("function main {\n  move r0, r1x\n}\n", &["bad.ionasm:2:"]);
    refuse(
        ".main Mian\n.class Main\nfunction main {\n}\n",
        &["no main class 'Mian'", "did you mean 'Main'"],
    );
    refuse(".class Main\nfunction main {\n}\n", &["no main class; add"]);
    refuse(".main Main start\n.class Main multi\nfunction main {\n}\n", &["no function 'start'"]);
    refuse("function main (arity: 0, extra_regs: 0) {\n  move r0, r16\n}\n", &["register r16"]);
}

#[test]
fn several_errors_of_one_package() {
    let place = Place::new();
    place.write("bad.ionasm", "function main {\n  jump 5\n}\nfunction other {\n  jump -1\n}\n");
    place.fails(1, &["run", "bad.ionasm"], &["'main'", "(and 1 more; see 'ionc verify')"]);
    let done = place.ionc(&["verify", "bad.ionasm"]);
    assert_eq!((done.out.as_str(), done.err.lines().count(), done.status), ("", 2, Some(1)));
}

/// A small package, cut short at every byte and with every byte changed: an error of one line, or a
/// package that is still fine, and never a panic.
#[test]
fn damaged_packages() {
    let bytes = find("unified_actors").expect("the sample exists").bytes();
    for end in 0..bytes.len() {
        let error = package_from_bytes(&bytes[..end]).expect_err("it is cut short");
        assert!(!error.is_empty() && !error.contains('\n'), "{error}");
    }
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            match package_from_bytes(&changed) {
                Ok(package) => drop(ionc::machine::link(&package)),
                Err(error) => assert!(!error.contains('\n'), "{error}"),
            }
        }
    }
}

#[test]
fn damaged_packages_through_the_command() {
    let place = Place::new();
    let bytes = find("unified_actors").expect("the sample exists").bytes();
    for end in (1..bytes.len()).step_by(bytes.len() / 12) {
        place.write("cut.ionpack", &bytes[..end]);
        for command in ["run", "info", "dis", "verify"] {
            place.fails(1, &[command, "cut.ionpack"], &["cut.ionpack: "]);
        }
    }
}

#[test]
fn names_cannot_steer_the_terminal() {
    let place = Place::new();
    place.fails(1, &["run", "a\u{1b}[31m\nb"], &["a\\u{1b}[31m\\nb"]);
    place.write("odd.ionasm", ".package \"a\\u{1b}[31mb\"\n.main Main\nfunction main {\n}\n");
    assert!(place.ok(&["info", "odd.ionasm"]).contains("Name: a\\u{1b}[31mb\n"));
}

#[test]
fn info() {
    let place = Place::with_samples();
    assert_eq!(
        place.ok(&["info", "actors.ionpack"]),
        "IonPack Information\n==================\nName: actors-example\nVersion: 1.0.0\nIonPack Version: 1.0\nMain Class: Main\nEntry Point: main\nDescription: A worker process squares a number\nClasses (2):\n  - Main\n  - Worker\n"
    );
    let json: Value =
        serde_json::from_str(&place.ok(&["info", "--json", "actors.ionpack"])).expect("JSON");
    assert_eq!(json["name"], "actors-example");
    assert_eq!(json["author"], Value::Null);
    assert_eq!(json["classes"][1]["functions"][0]["name"], "worker");
    assert_eq!(json["classes"][1]["variant"], "single");
}

#[test]
fn dis() {
    let place = Place::with_samples();
    let hello = "Disassembling class 'Main' from IonPack: hello.ionpack\n\nfunction main (arity: 0, extra_regs: 1) {\n    0: LOAD_CONST r0, 42\n    1: RETURN r0\n}\n";
    assert_eq!(place.ok(&["dis", "hello.ionpack"]), format!("{hello}\n"));
    assert_eq!(place.ok(&["dis", "hello.ionpack", "Main"]), format!("{hello}\n"));
    assert_eq!(place.ok(&["dis", "hello.ionpack", "Main:main"]), hello);
    let all = place.ok(&["dis", "actors.ionpack"]);
    assert!(all.contains("class 'Main'") && all.contains("class 'Worker'"));
    place.fails(
        1,
        &["dis", "actors.ionpack", "Wroker"],
        &["no class 'Wroker'; did you mean 'Worker'"],
    );
    place.fails(1, &["dis", "actors.ionpack", "Zebra"], &["there are Main, Worker"]);
    place.fails(
        1,
        &["dis", "actors.ionpack", "Worker:wroker"],
        &["no function 'wroker' in class 'Worker'; did you mean 'worker'"],
    );
}

#[test]
fn asm_reads_what_dis_writes() {
    let place = Place::with_samples();
    for sample in ionc::samples::SAMPLES {
        let pack = format!("{}.ionpack", sample.name);
        place.write("text.ionasm", place.ok(&["dis", "--lossless", &pack]));
        assert_eq!(place.ok(&["asm", "text.ionasm", "-o", "again.ionpack"]), "");
        let read = |name: &str| std::fs::read(place.path(name)).expect("readable");
        assert!(read(&pack) == read("again.ionpack"), "{pack}");
    }
}

#[test]
fn class_files() {
    let place = Place::with_samples();
    place.write("Worker.ionasm", place.ok(&["dis", "actors.ionpack", "Worker"]));
    place.ok(&["asm", "Worker.ionasm", "-o", "Worker.ionc"]);
    let text = place.ok(&["dis", "Worker.ionc"]);
    assert!(
        text.starts_with("Disassembling bytecode file: Worker.ionc\n\nfunction worker (arity: 1"),
        "{text}"
    );
    assert_eq!(
        place.ok(&["dis", "Worker.ionc", "worker"]),
        place.ok(&["dis", "Worker.ionc", "Worker:worker"])
    );
    place.fails(1, &["dis", "Worker.ionc", "wroker"], &["no function 'wroker'"]);
    place.fails(1, &["asm", "missing/Worker.ionasm", "-o", "x.ionc"], &["no such file"]);
    place.fails(
        1,
        &["asm", "Worker.ionasm", "-o", "missing/x.ionc"],
        &["missing/x.ionc: cannot write"],
    );
    let bytes = std::fs::read(place.path("Worker.ionc")).expect("readable");
    for end in (0..bytes.len()).step_by(7) {
        place.write("Cut.ionc", &bytes[..end]);
        place.fails(1, &["dis", "Cut.ionc"], &["Cut.ionc: "]);
    }
    place.write("two.ionasm", ".class A\nfunction f {\n}\n.class B\nfunction f {\n}\n");
    place.fails(1, &["asm", "two.ionasm", "-o", "two.ionc"], &["one class, the text has 2"]);
}

#[test]
fn asm_refuses_what_cannot_run() {
    let place = Place::new();
    place.write("bad.ionasm", "function main {\n  jump 5\n}\n");
    for out in ["bad.ionpack", "bad.ionc"] {
        place.fails(1, &["asm", "bad.ionasm", "-o", out], &["jump to instruction 5"]);
        assert!(!place.path(out).exists());
        place.ok(&["asm", "--no-verify", "bad.ionasm", "-o", out]);
    }
    place.fails(1, &["run", "bad.ionpack"], &["jump to instruction 5"]);
}

#[test]
fn verify() {
    let place = Place::with_samples();
    assert_eq!(
        place.ok(&["verify", "actors.ionpack"]),
        "actors.ionpack: ok: 2 classes, 2 functions, 0 warnings, starts with Main:main\n"
    );
    place.write(
        "odd.ionasm",
        "function main {\n  load_const r0, '__function_ref:wroker'\n  load_const r1, '__stdlib:prinln'\n  return r0\n}\nfunction worker {\n}\n",
    );
    let warned = place.ok(&["verify", "odd.ionasm"]);
    assert!(warned.contains("odd.ionasm: warning: class 'Main': function 'main': instruction 0: no function 'wroker'; did you mean 'worker'\n"), "{warned}");
    assert!(warned.contains("no library function 'prinln'; did you mean 'PrintLn'"), "{warned}");
    assert!(
        warned
            .ends_with("odd.ionasm: ok: 1 class, 2 functions, 2 warnings, starts with Main:main\n"),
        "{warned}"
    );

    let json: Value =
        serde_json::from_str(&place.ok(&["verify", "--json", "odd.ionasm"])).expect("JSON");
    assert_eq!((&json["ok"], &json["warnings"][0]["near"][0]), (&true.into(), &"worker".into()));
    place.write("bad.ionasm", "function main {\n  jump 5\n}\n");
    let bad = place.ionc(&["verify", "--json", "bad.ionasm"]);
    let json: Value = serde_json::from_str(&bad.out).expect("JSON");
    assert_eq!((bad.err.as_str(), bad.status, &json["ok"]), ("", Some(1), &false.into()));
    assert_eq!(json["errors"][0]["instruction"], 0);
}

#[test]
fn samples() {
    let place = Place::new();
    let listed = place.ok(&["samples", "--list"]);
    assert_eq!(listed.lines().count(), ionc::samples::SAMPLES.len());
    assert!(listed.contains("unified_actors"));
    let wrote = place.ok(&["samples", "hello", "-o", "new/folder"]);
    assert_eq!(Path::new(wrote.trim_end()), Path::new("wrote new/folder").join("hello.ionpack"));
    assert!(place.path("new/folder/hello.ionpack").is_file());
    place.ok(&["samples", "--text", "unified-actors"]);
    assert!(
        place.ok(&["run", "--print-result", "unified_actors.ionasm"]).ends_with("Number: 225\n")
    );
    place.fails(1, &["samples", "helo"], &["no sample 'helo'; did you mean 'hello'"]);
    place.fails(1, &["samples", "zebra"], &["'ionc samples --list' shows all"]);
}

#[test]
fn natives() {
    let place = Place::new();
    assert!(place.ok(&["natives"]).lines().count() > 22);
    let text = place.ok(&["natives", "printf"]);
    assert!(
        text.starts_with("PrintF(String, Any, ...Any) -> Unit\n")
            && text.contains("2 or more arguments")
    );
    place.fails(1, &["natives", "Sqroot"], &["no library function 'Sqroot'"]);
    let module = place.ok(&["natives", "time"]);
    assert!(module.contains("Time.iso(seconds: Number) -> String") && !module.contains("Math."));
    let json: serde_json::Value = serde_json::from_str(&place.ok(&["natives", "--json"])).unwrap();
    let row = json.as_array().unwrap().iter().find(|row| row["name"] == "File.read").unwrap();
    assert_eq!(row["permission"], "--allow-read=DIR");
}

#[test]
fn permissions() {
    let place = Place::new();
    let program = "function start (arity: 1) {
        load_const r1, '0'
        get_prop r2, r0, r1
        load_const r1, '__stdlib:File.read'
        call r2, r1, [r2]
        return r2
    }";
    place.write("read.ionasm", program);
    place.write("secret.txt", "the text");
    std::fs::create_dir(place.path("empty")).unwrap();
    let run = |options: &[&str]| {
        let args = [&["run", "--print-result"], options, &["read.ionasm", "secret.txt"]].concat();
        place.ok(&args)
    };
    let refused = "reading 'secret.txt' is not allowed; allow it with --allow-read=.";
    assert!(run(&[]).contains(refused));
    assert!(run(&["--allow-read=empty"]).contains(refused));
    assert_eq!(run(&["--allow-read=."]), "String: \"the text\"\n");
    assert_eq!(run(&["--jit", "--allow-read=secret.txt"]), "String: \"the text\"\n");
    let mut package = ion_runtime::bytecode::assemble_package(
        "function main {\nload_const r0, '__stdlib:Own.f'\ncall r0, r0, []\nreturn r0\n}",
    )
    .unwrap();
    let library = ion_runtime::ionpack::Member::new("own.so", b"no library".to_vec());
    package.libraries.push(library);
    package.manifest.ffi_libraries.push("own.so".to_owned());
    place.write("own.ionpack", package.to_bytes().unwrap());
    let refused =
        "loading the native library 'own' is not allowed; allow it with --allow-native=own";
    place.fails(1, &["run", "own.ionpack"], &[refused]);
    place.fails(1, &["run", "--allow-native=other", "own.ionpack"], &[refused]);
    for allow in ["--allow-native", "--allow-native=own"] {
        place.fails(1, &["run", allow, "own.ionpack"], &["cannot load the native library 'own'"]);
    }
    assert!(place.ok(&["info", "own.ionpack"]).contains("--allow-native=own"));
    place.fails(2, &["run", "--allow-read=none", "read.ionasm"], &["--allow-read=none"]);
    place.ok(&["asm", "-o", "read.ionpack", "read.ionasm"]);
    assert!(place.ok(&["info", "read.ionpack"]).contains("Needs:\n  - --allow-read=DIR\n"));
}

#[test]
fn programs_read_lines() {
    let place = Place::new();
    place.write(
        "lines.ionasm",
        "function main {
            load_const r0, '__stdlib:Io.readLine'
            load_const r1, '__stdlib:Debug'
        again:
            call r2, r0, []
            call r3, r1, [r2]
            jump_if_true r2, again
            return r2
        }",
    );
    for engine in ["--interp", "--jit"] {
        let mut command = Command::cargo_bin("ionc").expect("the command is built");
        command.current_dir(&place.0).args(["run", engine, "lines.ionasm"]);
        let done = command.write_stdin("one\r\ntwo\nä").timeout(Duration::from_secs(60)).assert();
        done.success().stdout(
            "[DEBUG] String: \"one\"\n[DEBUG] String: \"two\"\n[DEBUG] String: \"ä\"\n\
             [DEBUG] Undefined: undefined\n",
        );
    }
}

/// The command with its standard output connected to a pipe that is closed at once.
fn with_closed_output(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("ionc"))
        .current_dir(&place.0)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn closed_pipes() {
    let place = Place::with_samples();
    place.write("more.ionasm", PRINTS_FOR_EVER);
    for args in
        [&["run", "more.ionasm"] as &[&str], &["dis", "actors.ionpack"], &["natives"], &["--help"]]
    {
        let (status, err) = with_closed_output(&place, args);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let place = Place::with_samples();
    for args in [&["run", "actors.ionpack"] as &[&str], &["dis", "actors.ionpack"]] {
        let full =
            std::fs::File::options().write(true).open("/dev/full").expect("the device exists");
        let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("ionc"))
            .current_dir(&place.0)
            .args(args)
            .stdout(full)
            .output()
            .expect("the command runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{err}");
        check_line(&err);
        assert!(err.contains("cannot write to standard output"), "{err}");
    }
}

/// Packages are read from pipes too.
#[cfg(target_os = "linux")]
#[test]
fn packages_from_standard_input() {
    let place = Place::new();
    let bytes = find("hello").expect("the sample exists").bytes();
    let mut command = Command::cargo_bin("ionc").expect("the command is built");
    command.args(["run", "--print-result", "/dev/stdin"]).write_stdin(bytes);
    command.current_dir(&place.0).assert().success().stdout("Number: 42\n");
}
