//! The classic command `ionvm`: `run` and `info` of `ionc` under their old names.

use clap::{Parser, Subcommand};
use ion_runtime::system::Config;
use ionc::cli::{self, info, run};
use ionc::failure::exit_code;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run packages; 'ionc' does the same and more
#[derive(Parser, Debug)]
#[command(name = "ionvm", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a package
    Run {
        /// Trace processes, messages and instructions on standard error
        #[arg(long, short)]
        debug: bool,
        /// The package
        file: PathBuf,
        /// Arguments for the program's entry function
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    Info(info::Args),
}

fn main() -> ExitCode {
    let result = cli::parse::<Cli>().and_then(|cli| match cli.command {
        Command::Run { debug, file, args } => {
            run::run_file(&file, Config { debug, ..Config::default() }, false, &args)
        }
        Command::Info(args) => info::run(&args),
    });
    exit_code("ionvm", result)
}
