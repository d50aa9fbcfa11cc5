//! What does a message cost: small, large, to a busy receiver, with a timeout?

use crate::common;
use criterion::Criterion;

/// Benches them.
pub fn benches(criterion: &mut Criterion) {
    common::bench(
        criterion,
        &[
            "pingpong",
            "ring",
            "one_to_one",
            "hundred_to_one",
            "big",
            "copy",
            "poll_empty",
            "poll_ready",
            "timeout_armed",
        ],
    );
}
