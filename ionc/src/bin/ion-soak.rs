//! The soak test as a command: `cargo run --release --bin ion-soak -- --time 10m`.

use ionc::failure::exit_code;
use ionc::{cli, soak};
use std::process::ExitCode;

fn main() -> ExitCode {
    exit_code("ion-soak", cli::parse::<soak::Args>().and_then(|args| soak::run(&args)))
}
