//! JIT.

pub mod build;
pub mod cfg;
pub mod check;
pub mod dump;
pub mod forms;
pub mod infer;
pub mod inline;
pub mod ir;
pub mod kinds;
pub mod package;
pub mod points;
pub mod simplify;

#[cfg(test)]
mod evaluate;
#[cfg(test)]
mod testing;
