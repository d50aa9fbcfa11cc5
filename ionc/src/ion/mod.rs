//! The Ion language: from source texts to packages.
//!
//! Everything here is pure: texts in, a package and diagnostics out; no input panics. Reading files,
//! printing and running is the command line's affair.
//!
//! `lexer` and `parser` make the tree (`ast`), `resolve` finds out what names mean and what closures
//! capture, `emit` makes bytecode, `program` puts classes together, `render` shows diagnostics.

pub mod ast;
pub mod builtin;
pub mod diag;
mod emit;
pub mod fmt;
pub mod lexer;
mod literal;
pub mod parser;
pub mod program;
pub mod render;
pub mod resolve;
pub mod session;
pub mod source;
pub mod token;

pub use builtin::{Native, Natives};
pub use diag::{Diag, Severity};
pub use program::{Compiled, Options, compile};
pub use session::Session;
pub use source::Source;

/// The modules of the standard library that are written in Ion: path, class, text.
pub const STD: &[(&str, &str, &str)] = &[
    ("std/request", "Request", include_str!("../../std/request.ion")),
    ("std/supervisor", "Supervisor", include_str!("../../std/supervisor.ion")),
];

/// The source of the class of the standard library.
pub fn std_source(class: &str) -> Option<Source> {
    let (path, class, text) = STD.iter().find(|(_, known, _)| *known == class)?;
    Some(Source::new(*class, format!("{path}.ion"), *text))
}

/// The paths of [`STD`].
pub fn std_modules() -> Vec<&'static str> {
    STD.iter().map(|(path, ..)| *path).collect()
}
