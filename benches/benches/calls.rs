//! What does a call cost: of a known function, a closure, a method?

use crate::common;
use criterion::Criterion;

/// Benches them.
pub fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["fib", "closure", "method_one", "method_four"]);
}
