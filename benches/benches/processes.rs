//! What does a process cost, from its spawn to its end?

use crate::common;
use criterion::Criterion;

/// Benches them.
pub fn benches(criterion: &mut Criterion) {
    common::bench(criterion, &["spawn_seq", "spawn_flood", "skynet", "idle"]);
}
