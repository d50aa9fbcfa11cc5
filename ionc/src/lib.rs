//! What the command-line programs share: loading packages, running them, samples, subcommands.
//!
//! | Module | What |
//! |---|---|
//! | [`cli`] | one subcommand per file; the only module that reads arguments and writes output |
//! | [`load`] | packages and class files from paths or bytes |
//! | [`machine`] | a package and settings to a finished run |
//! | [`engine`] | which engines there are |
//! | [`output`] | standard output that survives closed pipes |
//! | [`listing`] | functions in every step of their compilation |
//! | [`standalone`] | programs that are appended to an executable |
//! | [`stats`] | the numbers of a run |
//! | [`failure`] | the one line and the exit status that a command fails with |
//! | [`differential`] | programs under every engine and setting, compared |
//! | [`samples`] | programs that come with `ionc` |
//!
//! ```
//! use ion_runtime::{system::Config, vm::{MainEnd, Outputs}};
//! let package = ionc::samples::find("unified_actors").unwrap().package();
//! let (outputs, out, _) = Outputs::captured();
//! let run = ionc::machine::run(&package, Config::default(), outputs, &[]).unwrap();
//! assert_eq!(run.end, MainEnd::Result("Number: 225".to_owned()));
//! assert!(out.text().ends_with("[DEBUG] Number: 225\n"));
//! ```
#![forbid(unsafe_code)]

pub mod cli;
pub mod compile;
pub mod differential;
pub mod engine;
pub mod evaluator;
pub mod ion;
pub mod listing;
pub mod load;
pub mod machine;
pub mod packages;
pub mod project;
pub mod samples;
pub mod soak;
pub mod stats;

pub use ion_stub::{failure, output, standalone};
