//! The criterion benches: one question per file, one program, because linking takes longer than running.

mod calls;
mod common;
mod loops;
mod messages;
mod objects;
mod processes;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    all,
    calls::benches,
    loops::benches,
    objects::benches,
    messages::benches,
    processes::benches
);
criterion_main!(all);
