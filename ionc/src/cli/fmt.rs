//! `ionc fmt`: one layout for all Ion sources.

use crate::failure::Failure;
use crate::ion::fmt::format;
use crate::{compile, load, output, project};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  ionc fmt                  (the project in this folder)
  ionc fmt app.ion Worker.ion
  ionc fmt --check          (for tests: status 1 if something would change)
  ionc fmt - < app.ion";

/// Format Ion sources in place
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write nothing; name the files that would change
    #[arg(long)]
    check: bool,
    /// Files (.ion), folders of projects, or '-' for standard input
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.paths == [Path::new("-")] {
        let text = std::io::read_to_string(std::io::stdin())
            .map_err(|_| Failure::at("standard input", "not UTF-8 text; save it as UTF-8"))?;
        output::print(&formatted(Path::new("standard input"), &text)?);
        return Ok(());
    }
    let mut changed = Vec::new();
    for path in files(&args.paths)? {
        let text = load::text(&path)?;
        let new = formatted(&path, &text)?;
        if new != text {
            if !args.check {
                load::write(&path, new.as_bytes())?;
            }
            changed.push(path);
        }
    }
    for path in &changed {
        output::print(&format!("{}\n", path.display()));
    }
    if args.check && !changed.is_empty() { Err(Failure::silent(1)) } else { Ok(()) }
}

fn formatted(path: &Path, text: &str) -> Result<String, Failure> {
    format(text).ok_or_else(|| {
        Failure::at(path.display(), format!("has errors; see 'ionc check {}'", path.display()))
    })
}

/// The files that paths mean: of a project, those in `src` and `tests`.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        if !path.join(project::MANIFEST).is_file() {
            let message = format!("no project: there is no {}; name files", project::MANIFEST);
            return Err(Failure::at(path.display(), message));
        }
        for part in ["src", "tests"] {
            let entries = std::fs::read_dir(path.join(part)).into_iter().flatten().flatten();
            let mut found: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| load::has_extension(path, compile::ION))
                .collect();
            found.sort();
            all.extend(found);
        }
    }
    Ok(all)
}
