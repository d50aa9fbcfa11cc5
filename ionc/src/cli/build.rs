//! `ionc build`: a package from an Ion file or project.

use crate::compile;
use crate::failure::Failure;
use crate::{load, output, project};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ionc build                    (the project in this folder: NAME.ionpack)
  ionc build shop -o shop.ionpack
  ionc build app.ion            (app.ionpack)

The package carries the sources and a line table, so that stack traces name files and lines.";

/// Compile an Ion file or project to a package
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The package to write
    #[arg(long, short, value_name = "PACK")]
    output: Option<PathBuf>,
    /// Leave out what the project depends on: 'ionc run --packages DIR' finds it
    #[arg(long)]
    separate: bool,
    /// The folder of a project, or a file (.ion)
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    path: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let package = if load::has_extension(&args.path, compile::ION) {
        compile::package_of_file(&args.path, false)?
    } else {
        let project = project::open(&args.path)?;
        if args.separate { project.package_alone()? } else { project.package()? }
    };
    let path = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.{}", package.manifest.name, load::PACK)),
    };
    let bytes = package.to_bytes().map_err(|error| Failure::at(path.display(), error))?;
    load::write(&path, &bytes)?;
    output::print(&format!("{} ({} bytes)\n", path.display(), bytes.len()));
    Ok(())
}
