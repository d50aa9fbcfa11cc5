//! What does a round of a loop over numbers and arrays cost?

mod common;

use criterion::{Criterion, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["loop", "mandelbrot", "spectral", "sieve"]);
}

criterion_group!(loops, benches);
criterion_main!(loops);
