//! What do properties, allocation, texts and matching cost?

mod common;

use criterion::{Criterion, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["property", "nbody", "trees", "string", "match"]);
}

criterion_group!(objects, benches);
criterion_main!(objects);
