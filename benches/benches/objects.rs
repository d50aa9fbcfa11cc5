//! What do properties, allocation, texts and matching cost?

use crate::common;
use criterion::Criterion;

/// Benches them.
pub fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["property", "nbody", "trees", "string", "match"]);
}
