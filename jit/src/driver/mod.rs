//! The only files that know whether code goes to memory or to a file.

pub mod aot;
pub mod jit;
pub mod tiered;
