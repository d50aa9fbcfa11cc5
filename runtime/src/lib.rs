//! The IonVM runtime.

pub mod bytecode;
pub mod ionpack;
pub mod link;
pub mod program;
pub mod value;
