//! The tokio peer: `tokio-peer WORKLOAD WARM REPETITIONS SIZE…`, unbounded channels, as many threads as the
//! variable BENCH_CORES says (1 without it).
//!
//! Prints the nanoseconds (wall, processor) of each timed repetition, then the result.
#![forbid(unsafe_code)]

use rustix::time::{ClockId, clock_gettime};
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

/// One file per workload, so that the runner sees which there are.
mod workloads {
    pub mod big;
    pub mod copy;
    pub mod hundred_to_one;
    pub mod idle;
    pub mod idle_fewer;
    pub mod one_to_one;
    pub mod overshoot;
    pub mod pingpong;
    pub mod poll_empty;
    pub mod poll_ready;
    pub mod ring;
    pub mod skynet;
    pub mod spawn_flood;
    pub mod spawn_seq;
    pub mod timeout_armed;
    pub mod timers;
}

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let number = |i: usize| args.get(i).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let name = args.first().map_or("", String::as_str);
    let (n, second) = (number(3), number(4));
    for _ in 0..number(1) {
        run(name, n, second);
    }
    let mut result = 0.0;
    for _ in 0..number(2) {
        let (wall, cpu) = (Instant::now(), processor_time());
        result = run(name, n, second);
        println!("time {} {}", wall.elapsed().as_nanos(), processor_time() - cpu);
    }
    println!("result {result}");
}

/// Runs a workload in a runtime of its own, which is part of its time as it is of everybody's.
fn run(name: &str, n: u64, second: u64) -> f64 {
    use workloads::*;
    let cores = std::env::var("BENCH_CORES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut builder = match cores {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if cores > 1 {
        builder.worker_threads(cores);
    }
    let runtime: Runtime = builder.enable_time().build().expect("a runtime");
    runtime.block_on(async {
        // The main process is a task like the others.
        let task = match name {
            "pingpong" => tokio::spawn(pingpong::run(n)),
            "ring" => tokio::spawn(ring::run(n, second)),
            "spawn_seq" => tokio::spawn(spawn_seq::run(n)),
            "spawn_flood" => tokio::spawn(spawn_flood::run(n)),
            "skynet" => tokio::spawn(skynet::run(n)),
            "one_to_one" => tokio::spawn(one_to_one::run(n)),
            "hundred_to_one" => tokio::spawn(hundred_to_one::run(n)),
            "big" => tokio::spawn(big::run(n, second)),
            "copy" => tokio::spawn(copy::run(n)),
            "poll_empty" => tokio::spawn(poll_empty::run(n)),
            "poll_ready" => tokio::spawn(poll_ready::run(n)),
            "timeout_armed" => tokio::spawn(timeout_armed::run(n)),
            "timers" => tokio::spawn(timers::run(n)),
            "idle" => tokio::spawn(idle::run(n)),
            "idle_fewer" => tokio::spawn(idle_fewer::run(n)),
            "overshoot" => tokio::spawn(overshoot::run(n)),
            other => panic!("no workload '{other}'"),
        };
        task.await.expect("the main task ends")
    })
}

fn processor_time() -> u128 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u128 * 1_000_000_000 + time.tv_nsec as u128
}
