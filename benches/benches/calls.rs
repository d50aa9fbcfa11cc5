//! What does a call cost: of a known function, a closure, a method?

mod common;

use criterion::{Criterion, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["fib", "closure", "method_one", "method_four"]);
}

criterion_group!(calls, benches);
criterion_main!(calls);
