//! The IonVM runtime.

pub mod bytecode;
