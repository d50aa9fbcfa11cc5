//! The IonVM runtime.

pub mod append_vec;
pub mod atom;
pub mod bytecode;
pub mod error;
pub mod heap;
pub mod helpers;
pub mod host;
pub mod interp;
pub mod ionpack;
pub mod layout;
pub mod link;
pub mod natives;
pub mod object;
pub mod ops;
pub mod permissions;
pub mod print;
pub mod process;
pub mod program;
pub mod random;
pub mod sched;
pub mod slab;
mod sync;
pub mod system;
pub mod tier;
pub mod value;
pub mod vm;

#[cfg(all(test, feature = "loom"))]
mod models;
