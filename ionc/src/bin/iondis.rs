//! The classic command `iondis`: `ionc dis` under its old name.

use clap::Parser;
use ionc::cli::{self, dis};
use ionc::failure::exit_code;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show bytecode as text; 'ionc dis' does the same and more
#[derive(Parser, Debug)]
#[command(name = "iondis", version)]
struct Cli {
    /// The package, or a class file (.ionc)
    file: PathBuf,
    /// Only this class, or this function of it
    #[arg(value_name = "CLASS[:FUNCTION]")]
    class: Option<String>,
}

fn main() -> ExitCode {
    let result = cli::parse::<Cli>().and_then(|cli| dis::run_file(&cli.file, cli.class.as_deref()));
    exit_code("iondis", result)
}
