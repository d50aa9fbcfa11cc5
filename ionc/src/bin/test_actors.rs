//! The classic command `test_actors`: runs the sample of two functions in one class, without a file.

use clap::Parser;
use ion_runtime::system::Config;
use ionc::cli::{self, run};
use ionc::failure::{Failure, exit_code};
use ionc::samples::find;
use std::process::ExitCode;

/// Run the unified-actors sample from memory; its result is 225
#[derive(Parser, Debug)]
#[command(name = "test_actors", version)]
struct Cli {
    /// Trace processes, messages and instructions on standard error
    #[arg(long, short)]
    debug: bool,
}

fn main() -> ExitCode {
    let result = cli::parse::<Cli>().and_then(|Cli { debug }| {
        let name = "unified_actors";
        let sample = find(name).ok_or_else(|| Failure::new(format!("no sample '{name}'")))?;
        let config = Config { debug, ..Config::default() };
        run::run_package(&sample.package(), config, true, &[])
    });
    exit_code("test_actors", result)
}
