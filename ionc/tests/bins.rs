//! The classic commands.

use assert_cmd::Command;
use std::path::Path;
use tempfile::TempDir;

/// Runs a command in a folder: standard output, standard error, status.
fn run(folder: &Path, name: &str, args: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::cargo_bin(name).expect("the command is built");
    let output = command.current_dir(folder).args(args).output().expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[track_caller]
fn ok(folder: &Path, name: &str, args: &[&str]) -> String {
    let (out, err, status) = run(folder, name, args);
    assert_eq!((err.as_str(), status), ("", Some(0)), "{name} {args:?}");
    out
}

#[test]
fn the_documented_sequence() {
    let folder = folder();
    let wrote = ok(folder.path(), "create_sample", &[]);
    assert_eq!(
        wrote,
        "wrote hello.ionpack\nwrote complex_object.ionpack\nwrote actors.ionpack\nwrote unified_actors.ionpack\n"
    );
    let out = ok(folder.path(), "ionvm", &["run", "actors.ionpack"]);
    assert!(out.ends_with("[DEBUG] Number: 625\n"), "{out}");
    let text = ok(folder.path(), "iondis", &["actors.ionpack", "Main"]);
    assert!(
        text.starts_with(
            "Disassembling class 'Main' from IonPack: actors.ionpack\n\nfunction main (arity: 0"
        ),
        "{text}"
    );
    assert!(ok(folder.path(), "iondis", &["actors.ionpack"]).contains("class 'Worker'"));
    let info = ok(folder.path(), "ionvm", &["info", "actors.ionpack"]);
    assert!(
        info.starts_with("IonPack Information\n==================\nName: actors-example\n"),
        "{info}"
    );
}

#[test]
fn test_actors() {
    let folder = folder();
    let out = ok(folder.path(), "test_actors", &[]);
    assert!(out.ends_with("\nNumber: 225\n"), "{out}");
    let (traced, err, status) = run(folder.path(), "test_actors", &["--debug"]);
    assert_eq!((traced, status), (out, Some(0)));
    assert!(err.contains("[VM] process 1 spawns process 2"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0);
}

#[test]
fn debug_and_arguments() {
    let folder = folder();
    ok(folder.path(), "create_sample", &[]);
    for flag in ["--debug", "-d"] {
        let (out, err, status) =
            run(folder.path(), "ionvm", &["run", flag, "hello.ionpack", "x", "-y"]);
        assert_eq!((out.as_str(), status), ("", Some(0)));
        assert!(err.contains("[VM]"), "{err}");
    }
}

#[test]
fn errors() {
    let folder = folder();
    let (out, err, status) = run(folder.path(), "ionvm", &["run", "missing.ionpack"]);
    assert_eq!((out.as_str(), status), ("", Some(1)));
    assert_eq!(err, "ionvm: missing.ionpack: no such file; check the path\n");
    let (_, err, status) = run(folder.path(), "iondis", &[]);
    assert_eq!((err.lines().count(), status), (1, Some(2)), "{err}");
    let (_, err, status) = run(folder.path(), "ionvm", &[]);
    assert_eq!(status, Some(2));
    assert!(err.contains("Usage: ionvm"), "{err}");
    assert!(ok(folder.path(), "ionvm", &["help"]).contains("Usage: ionvm"));
    let (_, err, status) = run(folder.path(), "create_sample", &["x"]);
    assert_eq!((err.lines().count(), status), (1, Some(2)), "{err}");
}
