//! `ionc check`: looks at programs without running them.

use crate::compile::{self, counts};
use crate::failure::Failure;
use crate::ion::render::render;
use crate::ion::{Diag, Options, Source, program};
use crate::{load, output, project};
use ion_runtime::ionpack::Manifest;
use serde_json::{Value, json};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ionc check app.ion
  ionc check                  (the project in this folder)
  ionc check --json app.ion

Exit status: 0 if there are no errors; 1 if there are.";

/// Check an Ion file or project: errors and warnings, nothing is written
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// The file (.ion), or the folder of a project
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    path: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (sources, options) = if args.path.is_dir() {
        let project = project::open(&args.path)?;
        (project.sources()?, project.options())
    } else if load::has_extension(&args.path, compile::ION) {
        let options = Options { manifest: Manifest::default(), needs_main: false };
        (compile::sources_of_file(&args.path)?, options)
    } else {
        return Err(Failure::at(
            args.path.display(),
            "not an Ion source; name a file that ends in .ion, or a folder with an ion.toml",
        ));
    };
    let compiled = program::compile(&sources, compile::natives(), &options);
    let errors = compiled.diags.iter().filter(|diag| diag.is_error()).count();
    let warnings = compiled.diags.len() - errors;
    if args.json {
        super::print_json(&json!({
            "errors": errors,
            "warnings": warnings,
            "diagnostics": compiled.diags.iter().map(|diag| to_json(diag, &sources)).collect::<Vec<_>>(),
        }))?;
    } else {
        compile::report(&sources, &compiled.diags);
    }
    if errors > 0 || args.strict && warnings > 0 {
        let message = counts(errors, warnings);
        return Err(if args.json {
            Failure::silent(1)
        } else {
            Failure::at(args.path.display(), message)
        });
    }
    if !args.json && warnings == 0 {
        let count = sources.len();
        output::print(&format!(
            "{count} class{} without errors\n",
            if count == 1 { "" } else { "es" }
        ));
    }
    Ok(())
}

fn to_json(diag: &Diag, sources: &[Source]) -> Value {
    let source = sources.get(diag.file);
    let position = |offset: u32| {
        let text = source.map_or("", |source| &source.text);
        let (line, column) = crate::ion::source::LineIndex::new(text).position(text, offset);
        json!({ "line": line, "column": column, "offset": offset })
    };
    json!({
        "severity": diag.severity.name(),
        "message": diag.message,
        "file": source.map(|source| &source.path),
        "start": position(diag.span.start),
        "end": position(diag.span.end),
        "label": diag.label,
        "help": diag.help,
        "rendered": render(diag, sources, false),
    })
}
