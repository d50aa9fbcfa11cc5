//! The differential suite as a command: `cargo run --release --bin ion-diff -- --time 60s`.

use ionc::cli::{self, diff};
use ionc::failure::exit_code;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit_code("ion-diff", cli::parse::<diff::Args>().and_then(|args| diff::run(&args)))
}
