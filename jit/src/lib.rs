//! JIT.

pub mod abi;
pub mod build;
pub mod cfg;
pub mod check;
pub mod code;
pub mod driver;
pub mod dump;
pub mod forms;
pub mod infer;
pub mod inline;
pub mod ir;
pub mod kinds;
pub mod package;
pub mod lower;
pub mod module;
pub mod points;
pub mod simplify;

#[cfg(test)]
mod testing;

pub use driver::jit::Jit;
