//! Native functions of the machine: what packages call as `__stdlib:NAME`.
//!
//! [`registry::standard`] is the table of all of them; `stdlib` has the implementations, one module
//! per area. A native sees plain values and the caller's heap through
//! [`NativeCx`](ion_runtime::natives::NativeCx) and nothing else of the machine: functions and
//! processes reach it as text.
//!
//! ```
//! let registry = ion_ffi::registry::standard();
//! assert_eq!(registry.find("println").unwrap().name, "PrintLn");
//! ```

pub mod convert;
pub mod dylib;
pub mod reference;
pub mod registry;
mod stdlib;
pub mod term;
pub mod vm;

pub use term::{Term, TermError};
pub use vm::{Exit, Question, Vm, VmBuilder, VmError, WeakVm};
