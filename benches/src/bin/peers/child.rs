//! One run of one of our engines, as a process of its own.
//!
//! Speaks what all programs in `peers/` speak: lines `time WALL CPU` in nanoseconds, one for each timed
//! repetition, `extra NAME VALUE`, and `result NUMBER` at the end.

use ion_benches::measure::{Prepared, resident};
use ion_benches::workload::{Kind, Workload};
use ion_runtime::system::Engine;
use ion_runtime::vm::Capture;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// First argument of such a process.
pub const COMMAND: &str = "run-one";

/// `run-one ENGINE WORKLOAD WARM REPETITIONS SIZE…`
pub fn run(args: &[String]) -> Result<(), String> {
    let [engine, name, warm, repetitions, sizes @ ..] = args else {
        return Err(format!("usage: {COMMAND} ENGINE WORKLOAD WARM REPETITIONS SIZE…"));
    };
    let engine = match engine.as_str() {
        "interp" => Engine::Interp,
        "jit" => Engine::Jit,
        other => return Err(format!("no engine '{other}'")),
    };
    let workload = Workload::find(name).ok_or_else(|| format!("no workload '{name}'"))?;
    let number = |text: &String| text.parse::<u64>().map_err(|_| format!("'{text}' is no number"));
    let sizes = sizes.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let mut prepared = Prepared::new(workload, &sizes, engine)?;
    let cores = std::env::var(CORES).ok().and_then(|text| text.parse().ok());
    prepared.schedulers(cores.unwrap_or(1));
    match workload.kind {
        Kind::Memory => return memory(&prepared),
        Kind::Latency => return latencies(&prepared),
        Kind::Compute | Kind::Actors | Kind::Waiting => {}
    }
    for _ in 0..number(warm)? {
        prepared.run()?;
    }
    let mut result = f64::NAN;
    for _ in 0..number(repetitions)?.max(1) {
        let sample = prepared.run()?;
        println!("time {} {}", sample.wall.as_nanos(), sample.cpu.as_nanos());
        result = sample.result;
    }
    if engine == Engine::Jit {
        println!("extra compile_ns {}", prepared.compile.as_nanos());
        println!("extra code_bytes {}", prepared.compiled().code_bytes);
    }
    println!("result {result}");
    Ok(())
}

/// The variable that says how many cores there are to use.
pub const CORES: &str = "BENCH_CORES";

/// Memory when the program prints its line, less that before it began.
fn memory(prepared: &Prepared) -> Result<(), String> {
    let before = resident();
    let at_line = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let started = Instant::now();
    let sample = prepared.run_with(Box::new(Watch(at_line.clone(), started)))?;
    println!("time {} {}", sample.wall.as_nanos(), sample.cpu.as_nanos());
    let created = at_line.1.load(Ordering::Relaxed).saturating_sub(MEMORY_WAITS);
    println!("extra create_ns {created}");
    let at_line = &at_line.0;
    println!("extra memory {}", at_line.load(Ordering::Relaxed).saturating_sub(before));
    println!("result {}", sample.result);
    Ok(())
}

/// Nanoseconds that the program waits before it prints its line.
const MEMORY_WAITS: u64 = 50_000_000;

/// Notes memory and time when something is written first.
struct Watch(Arc<(AtomicU64, AtomicU64)>, Instant);

impl Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.0.load(Ordering::Relaxed) == 0 {
            self.0.0.store(resident(), Ordering::Relaxed);
            self.0.1.store(self.1.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The percentiles of the milliseconds that the program prints.
fn latencies(prepared: &Prepared) -> Result<(), String> {
    let printed = Capture::default();
    let sample = prepared.run_with(Box::new(printed.clone()))?;
    println!("time {} {}", sample.wall.as_nanos(), sample.cpu.as_nanos());
    let text = printed.text();
    let times: Result<Vec<f64>, _> = text.lines().map(str::parse).collect();
    let mut times = times.map_err(|error| format!("the program printed no number: {error}"))?;
    times.sort_by(f64::total_cmp);
    for (name, part) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("max_ns", 1.0)] {
        let at = ((part * times.len() as f64).ceil() as usize).clamp(1, times.len().max(1));
        println!("extra {name} {}", times.get(at - 1).map_or(0.0, |time| (time * 1e6).round()));
    }
    println!("result {}", sample.result);
    Ok(())
}
