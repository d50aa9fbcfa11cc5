//! The compiler: from verified IonVM bytecode to native code.
//!
//! Read in this order: `ir` (the SSA form), `build` and `forms` (from bytecode to it), `infer` and
//! `package` (what is known about values), `origins` and `speculate` (what is probable), `inline`,
//! `simplify` and `checks`, `lower` (to Cranelift IR), `module` (a whole program), `driver` (into memory, into a file).

pub mod abi;
pub mod build;
pub mod cfg;
pub mod check;
pub mod checks;
pub mod code;
pub mod driver;
pub mod dump;
pub mod forms;
pub mod guess;
pub mod image;
pub mod induction;
pub mod infer;
pub mod inline;
pub mod ir;
pub mod kinds;
pub mod loops;
pub mod lower;
pub mod module;
pub mod origins;
pub mod package;
pub mod points;
pub mod simplify;
pub mod slots;
pub mod speculate;
pub mod strip;
pub mod whole;

#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod testing;

pub use driver::jit::Jit;
pub use driver::tiered::Tiered;
