//! The compiler: from verified IonVM bytecode to native code.
//!
//! Read in this order: `ir` (the SSA form), `build` and `forms` (from bytecode to it), `infer` and
//! `package` (what is known about values), `inline` and `simplify`, `lower` (to Cranelift IR),
//! `module` (a whole program), `driver` (into memory, into a file).

pub mod abi;
pub mod build;
pub mod cfg;
pub mod check;
pub mod code;
pub mod driver;
pub mod dump;
pub mod forms;
pub mod guess;
pub mod infer;
pub mod inline;
pub mod ir;
pub mod kinds;
pub mod loops;
pub mod lower;
pub mod module;
pub mod package;
pub mod points;
pub mod simplify;

#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod testing;

pub use driver::jit::Jit;
