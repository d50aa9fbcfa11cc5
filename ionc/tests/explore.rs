//! `ionc explore`, and that a seed decides the whole run.

use assert_cmd::Command;
use std::path::Path;

/// Two processes write to a third without agreeing on an order.
const RACE: &str = "
function main {
    load_const r0, '__vm:self'
    load_const r1, '__function_ref:sends'
    load_const r2, 1
    spawn r3, r1, [r0, r2]
    load_const r2, 2
    spawn r3, r1, [r0, r2]
    receive r4
    receive r5
    load_const r6, '__stdlib:PrintLn'
    call r7, r6, [r4, r5]
    return r6
}
function sends (arity: 2) {
    load_const r2, 0
    load_const r3, 1
    load_const r4, 50
work:
    add r2, r2, r3
    less_than r5, r2, r4
    jump_if_true r5, work
    send r0, r1
    return r1
}";

/// Waits for ever if the second process is faster.
const DEADLOCK: &str = "
function main {
    load_const r0, '__vm:self'
    load_const r1, '__function_ref:sends'
    load_const r2, 1
    spawn r3, r1, [r0, r2]
    load_const r2, 2
    spawn r3, r1, [r0, r2]
    receive r4
    load_const r2, 1
    equal r5, r4, r2
    jump_if_true r5, end
    receive r4
    receive r4
end:
    return r2
}
function sends (arity: 2) {
    send r0, r1
    return r1
}";

const SLEEPS_AN_HOUR: &str = "
function main {
    load_const r0, '__stdlib:Process.sleep'
    load_const r1, 3600000
    call r2, r0, [r1]
    load_const r1, 7
    return r1
}";

fn ionc(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("ionc"));
    let output = command.current_dir(folder).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("p.ionasm"), program).expect("writable");
    folder
}

/// The part of a report behind `again: ionc `.
fn replay(report: &str) -> Vec<&str> {
    let line = report.lines().find_map(|line| line.strip_prefix("again: ionc "));
    line.expect("there is a command").split(' ').collect()
}

#[test]
fn another_output_is_found_and_replayed() {
    let folder = folder(RACE);
    let (status, report, _) = ionc(folder.path(), &["explore", "p.ionasm"]);
    assert_eq!(status, Some(1), "{report}");
    assert!(report.contains("prints something else"), "{report}");
    let again = ionc(folder.path(), &replay(&report));
    assert_eq!(again, (Some(0), "2, 1\n".to_owned(), String::new()));
    assert_eq!(ionc(folder.path(), &replay(&report)), again);
    let (status, text, _) = ionc(folder.path(), &["explore", "--json", "p.ionasm"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, json["found"]["what"].as_str()), (Some(1), Some("output")));
    let sorted = ["explore", "--any-order", "--schedules", "20", "p.ionasm"];
    assert_eq!(ionc(folder.path(), &sorted).0, Some(1), "the two are on one line");
}

#[test]
fn a_deadlock_is_found_and_replayed() {
    let folder = folder(DEADLOCK);
    let (status, report, _) = ionc(folder.path(), &["explore", "p.ionasm"]);
    assert!(status == Some(1) && report.contains("for ever"), "{report}");
    let (status, _, err) = ionc(folder.path(), &replay(&report));
    assert!(status == Some(1) && err.contains("deadlock"), "{err}");
}

#[test]
fn schedules_that_agree_are_no_finding_and_time_is_virtual() {
    let folder = folder(SLEEPS_AN_HOUR);
    let (status, report, _) = ionc(folder.path(), &["explore", "--schedules", "50", "p.ionasm"]);
    assert_eq!((status, report.as_str()), (Some(0), "50 schedules agree\n"));
    let wrong = ["run", "--seed", "3", "--schedulers", "2", "p.ionasm"];
    let (status, _, err) = ionc(folder.path(), &wrong);
    assert!(status == Some(2) && err.contains("--schedulers 1"), "{err}");
}
