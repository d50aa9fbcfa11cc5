//! What does a round of a loop over numbers and arrays cost?

use crate::common;
use criterion::Criterion;

/// Benches them.
pub fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["loop", "mandelbrot", "spectral", "sieve"]);
}
