//! A short run of the differential suite; `ion-diff` runs it for as long as one likes.
//!
//! The command runs its cases in child processes, so that even a crash of the host is a failure
//! with a name and a program here.

use std::process::Command;

/// Runs the command; it must find nothing. Gives the number of cases.
fn check(args: &[&str]) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_ion-diff"))
        .args(["--json", "--jobs", "2", "--shrink", "60s"])
        .args(args)
        .output()
        .expect("the command starts");
    let report = String::from_utf8_lossy(&output.stdout);
    let value: serde_json::Value = serde_json::from_str(&report).unwrap_or_default();
    let failure = &value["failure"];
    assert!(
        output.status.success() && failure.is_null(),
        "{args:?} found {}: {}\n{}\n{}\n{}",
        failure["case"].as_str().unwrap_or("nothing"),
        failure["kind"],
        failure["text"].as_str().unwrap_or(&report),
        failure["program"].as_str().unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr),
    );
    value["cases"].as_u64().expect("the report counts cases")
}

#[test]
fn random_programs_agree() {
    assert!(check(&["--suite", "random", "--count", "150", "--time", "25s"]) > 10);
}

/// Each case tries up to 20 mutations until one verifies, so these are several thousand.
#[test]
fn damaged_packages_that_verify_agree() {
    assert!(check(&["--suite", "mutants", "--count", "400", "--time", "25s"]) > 20);
}

/// Some of the programs; all of them take minutes.
#[test]
fn pairs_of_operands_agree() {
    for number in ["2", "115", "222", "321"] {
        assert_eq!(
            check(&["--suite", "pairs", "--seed", number, "--count", "1", "--time", "60s"]),
            1
        );
    }
}

/// Text that a failing run would print can be given back to the command.
#[test]
fn a_package_alone_is_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("program.ionasm");
    std::fs::write(&path, "function main {\n load_const r0, 1\n return r0\n}\n").expect("written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_ion-diff")).arg(&path).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "96 runs agree\n");
    assert!(output.status.success());
}
