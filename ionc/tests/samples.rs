//! The programs that come with `ionc`, in every setting; the packages and texts in `examples/`.

mod support;

use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::Package;
use ion_runtime::system::{Config, Preempt};
use ionc::samples::{SAMPLES, find};
use std::path::Path;
use std::time::Duration;
use support::{Setting, finish, lines, matrix, root, run};

const LIMIT: Duration = Duration::from_secs(20);

fn check(
    name: &str,
    package: &Package,
    expected: &str,
    setting: Setting,
    any_order: bool,
) -> Result<(), String> {
    let ran = run(package, setting.config(&Config::default()), &[], LIMIT)?;
    let shown = format!("{}{}\n", ran.out, ran.end_text());
    if lines(&shown, any_order) == lines(expected, any_order) {
        Ok(())
    } else {
        Err(format!("{name} ({setting}): printed\n{shown}\ninstead of\n{expected}"))
    }
}

#[test]
fn every_sample_in_every_setting() {
    let mut errors = Vec::new();
    for sample in SAMPLES {
        for setting in matrix() {
            // The order of lines of this one is the point of its options.
            let meant = setting.timeslice == 3 && setting.preempt == Preempt::Instruction;
            let any_order = !sample.options.is_empty() && !meant;
            let checked =
                check(sample.name, &sample.package(), sample.expected, setting, any_order);
            errors.extend(checked.err());
        }
    }
    finish(&errors);
}

#[test]
fn samples_through_the_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = || {
        let mut command = assert_cmd::Command::cargo_bin("ionc").expect("the command is built");
        command.current_dir(&folder);
        command
    };
    command().arg("samples").assert().success();
    for sample in SAMPLES {
        let pack = format!("{}.ionpack", sample.name);
        let run =
            command().arg("run").args(sample.options).args(["--print-result", &pack]).assert();
        run.success().stdout(sample.expected).stderr("");
    }
}

/// The package in `examples/` is the one that `ionc` writes; `BLESS=1` writes it.
#[test]
fn the_package_in_examples_is_up_to_date() {
    let bytes = find("actors").expect("the sample exists").bytes();
    let path = root().join("examples/actors.ionpack");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &bytes).expect("the folder is writable");
    }
    let kept = std::fs::read(&path).unwrap_or_default();
    assert!(kept == bytes, "examples/actors.ionpack is out of date; run 'cargo bless'");
}

/// Every text in `examples/` prints what the file beside it says, in every setting.
#[test]
fn every_example_in_every_setting() {
    let mut errors = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("examples")).expect("the folder exists") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "ionasm") {
            count += 1;
            check_example(&path, &mut errors);
        }
    }
    assert!(count >= 3, "examples are missing");
    finish(&errors);
}

/// Every Ion program in `examples/` compiles without warnings and prints what the file beside it says,
/// under every engine and both ways of preemption. `BLESS=1` writes those files.
#[test]
fn every_ion_example_under_every_engine() {
    let mut errors = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(root().join("examples"))
        .expect("the folder exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ion"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 17, "examples are missing");
    for path in &paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let sources = ionc::compile::sources_of_file(path).expect("readable");
        let options = ionc::ion::Options { needs_main: true, ..Default::default() };
        let compiled = ionc::ion::compile(&sources, ionc::compile::natives(), &options);
        assert!(compiled.diags.is_empty(), "{name}: {:#?}", compiled.diags);
        let package = compiled.package.expect("there are no errors");
        let beside = path.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            let ran = run(&package, Config::default(), &[], LIMIT).expect("it runs");
            std::fs::write(&beside, format!("{}{}\n", ran.out, ran.end_text())).expect("writable");
        }
        let expected = std::fs::read_to_string(&beside).expect("NAME.expected is there");
        for setting in matrix() {
            let classic = setting.timeslice == 3 && setting.preempt == Preempt::Instruction;
            let usual = setting.timeslice == 2000 && setting.preempt == Preempt::Safepoint;
            if !setting.stress && (classic || usual) {
                errors.extend(check(&name, &package, &expected, setting, false).err());
            }
        }
    }
    finish(&errors);
}

fn check_example(path: &Path, errors: &mut Vec<String>) {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = std::fs::read_to_string(path).expect("readable");
    let expected = std::fs::read_to_string(path.with_extension("expected"))
        .unwrap_or_else(|_| panic!("examples/{name}.expected is missing"));
    let package = assemble_package(&text).unwrap_or_else(|error| panic!("{name}:{error}"));
    for setting in matrix() {
        errors.extend(check(&name, &package, &expected, setting, false).err());
    }
}
