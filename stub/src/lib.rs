//! What an executable needs that `ionc aot --exe` makes: the runtime, and the program behind it.
//!
//! The executable `ion-stub` is put in front of the program; `ionc` carries it, see `ionc/build.rs`.
//! Absent on purpose: whatever would bring in the compiler or tools.
#![forbid(unsafe_code)]

pub mod failure;
pub mod output;
pub mod standalone;
