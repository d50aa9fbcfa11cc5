//! The classic command `create_sample`: writes four demo packages into the current directory.

use clap::Parser;
use ionc::cli::{self, samples::write};
use ionc::failure::{Failure, exit_code};
use ionc::samples::find;
use std::path::Path;
use std::process::ExitCode;

/// Write four demo packages into the current directory; 'ionc samples' knows more
#[derive(Parser, Debug)]
#[command(name = "create_sample", version)]
struct Cli {}

fn main() -> ExitCode {
    let result = cli::parse::<Cli>().and_then(|Cli {}| {
        for name in ["hello", "complex_object", "actors", "unified_actors"] {
            let sample = find(name).ok_or_else(|| Failure::new(format!("no sample '{name}'")))?;
            write(sample, Path::new("."), false)?;
        }
        Ok(())
    });
    exit_code("create_sample", result)
}
