//! `ionc verify`: can a package run, and what looks suspicious in it?

use super::print_json;
use crate::failure::{Failure, one_line};
use crate::{load, output};
use ion_runtime::bytecode::verify::{Report, VerifyError, WarningKind, verify_package};
use ion_runtime::ionpack::Package;
use serde_json::{Value, json};
use std::path::PathBuf;

const AFTER: &str = "\
Errors go to standard error, one line each, with exit status 1. Warnings are about what the program
may reach and would fail on: references to functions that do not exist. They do not change the status.

Example:
  ionc verify --json actors.ionpack";

/// Check a package without running it
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Write JSON, errors included
    #[arg(long)]
    json: bool,
    /// The package
    #[arg(value_name = "PACK")]
    pack: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let package = load::package(&args.pack)?;
    let registry = ion_ffi::registry::standard();
    let result = verify_package(&package, &registry.names());
    if args.json {
        print_json(&to_json(&package, &result))?;
        return result.map(|_| ()).map_err(|_| Failure::silent(1));
    }
    let path = args.pack.display();
    match result {
        Ok(report) => {
            output::print(&report_text(&path.to_string(), &package, &report));
            Ok(())
        }
        Err(errors) => {
            let lines = errors.iter().flat_map(|error| Failure::at(path.to_string(), error).lines);
            Err(Failure { lines: lines.collect(), status: 1 })
        }
    }
}

fn report_text(path: &str, package: &Package, report: &Report) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        text.push_str(&format!("{path}: warning: {}\n", one_line(&warning.to_string())));
    }
    let count = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let functions = package.classes.iter().map(|class| class.file.functions.len()).sum();
    text.push_str(&format!(
        "{path}: ok: {}, {}, {}, starts with {}\n",
        count(package.classes.len(), "class", "classes"),
        count(functions, "function", "functions"),
        count(report.warnings.len(), "warning", "warnings"),
        one_line(&entry_name(package, report.entry)),
    ));
    text
}

fn entry_name(package: &Package, (class, function): (usize, usize)) -> String {
    let class = &package.classes[class];
    format!("{}:{}", class.name, class.file.functions[function].display_name())
}

fn to_json(package: &Package, result: &Result<Report, Vec<VerifyError>>) -> Value {
    match result {
        Ok(report) => json!({
            "ok": true,
            "entry": entry_name(package, report.entry),
            "errors": [],
            "warnings": report.warnings.iter().map(|warning| {
                let (kind, name, near) = match &warning.kind {
                    WarningKind::UnresolvedFunction { name, near } => ("unresolved_function", name, near),
                    WarningKind::UnknownNative { name, near } => ("unknown_native", name, near),
                };
                json!({
                    "class": warning.class,
                    "function": warning.function,
                    "instruction": warning.instruction,
                    "kind": kind,
                    "name": name,
                    "near": near,
                    "message": warning.to_string(),
                })
            }).collect::<Vec<_>>(),
        }),
        Err(errors) => json!({
            "ok": false,
            "entry": null,
            "errors": errors.iter().map(|error| json!({
                "class": error.class,
                "function": error.function,
                "instruction": error.instruction,
                "message": error.to_string(),
            })).collect::<Vec<_>>(),
            "warnings": [],
        }),
    }
}
