//! What does a process cost, from its spawn to its end?

mod common;

use criterion::{Criterion, criterion_group, criterion_main};

fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["spawn_seq", "spawn_flood", "skynet", "idle"]);
}

criterion_group!(processes, benches);
criterion_main!(processes);
