//! What does a message cost: small, large, to a busy receiver, with a timeout?

mod common;

use criterion::{Criterion, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["pingpong", "ring", "one_to_one", "hundred_to_one", "big", "copy", "poll_empty", "poll_ready", "timeout_armed"]);
}

criterion_group!(messages, benches);
criterion_main!(messages);
