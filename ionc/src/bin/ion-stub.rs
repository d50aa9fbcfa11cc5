//! The runtime without compiler and tools: what `ionc aot --exe` puts in front of a program.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ionc::standalone::main().unwrap_or_else(|| {
        eprintln!(
            "ion-stub: there is no program behind this executable; 'ionc aot --exe' makes one"
        );
        ExitCode::from(2)
    })
}
