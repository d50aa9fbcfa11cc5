//! The standard functions, one module per area; [`crate::registry`] lists them.
#![forbid(unsafe_code)]

pub(crate) mod io;
pub(crate) mod math;
pub(crate) mod string;
#[cfg(test)]
mod testing;

use ion_runtime::natives::{NativeCx, Registry};

/// Adds all standard functions.
pub(crate) fn register(registry: &mut Registry) {
    math::classic(registry);
    string::classic(registry);
    io::classic(registry);
    ion_runtime::process::library::library().into_iter().for_each(|def| registry.add(def));
}

/// Bytes that a native reads or writes for one reduction.
const BYTES_PER_REDUCTION: usize = 64;

/// Charges for work on this many bytes.
fn charge(cx: &mut NativeCx<'_>, bytes: usize) {
    let cost = bytes / BYTES_PER_REDUCTION;
    cx.extra_cost = cx.extra_cost.saturating_add(i64::try_from(cost).unwrap_or(i64::MAX));
}
