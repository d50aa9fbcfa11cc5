//! SIGINT ends a run with a summary; SIGUSR1 shows the processes.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

const PROGRAM: &str = "
function main {
    load_const r0, '__stdlib:Process.register'
    load_const r1, 'boss'
    call r0, r0, [r1]
    load_const r0, '__stdlib:Print'
    load_const r1, \"on\\n\"
    call r0, r0, [r1]
    load_const r0, '__stdlib:Process.sleep'
    load_const r1, 60000
    call r0, r0, [r1]
    return r0
}";

#[test]
fn a_signal_shows_the_processes_and_another_ends_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("p.ionasm"), PROGRAM).expect("writable");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("ionc"))
        .args(["run", "p.ionasm"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let id = child.id().to_string();
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &id]).status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "on\n");
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    signal("-USR1");
    let mut table = String::new();
    errors.read_line(&mut table).expect("a line");
    errors.read_line(&mut table).expect("a line");
    assert!(table.starts_with("1 processes\n  process 1 (boss): waits for a timer"), "{table}");
    signal("-INT");
    let mut rest = String::new();
    errors.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("interrupted: 1 processes were started"), "{rest}");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}
