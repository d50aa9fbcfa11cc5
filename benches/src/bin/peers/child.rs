//! One run of one of our engines, as a process of its own.
//!
//! Speaks what all programs in `peers/` speak: lines `time WALL CPU` in nanoseconds, one for each timed
//! repetition, `extra NAME VALUE`, and `result NUMBER` at the end.

use ion_benches::measure::{Prepared, resident};
use ion_benches::workload::{Kind, Workload};
use ion_runtime::system::Engine;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    let prepared = Prepared::new(workload, &sizes, engine)?;
    if workload.kind == Kind::Memory {
        return memory(&prepared);
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

/// Memory when the program prints its line, less that before it began.
fn memory(prepared: &Prepared) -> Result<(), String> {
    let before = resident();
    let at_line = Arc::new(AtomicU64::new(0));
    let sample = prepared.run_with(Box::new(Watch(at_line.clone())))?;
    println!("time {} {}", sample.wall.as_nanos(), sample.cpu.as_nanos());
    println!("extra memory {}", at_line.load(Ordering::Relaxed).saturating_sub(before));
    println!("result {}", sample.result);
    Ok(())
}

/// Notes the memory when something is written.
struct Watch(Arc<AtomicU64>);

impl Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.store(resident(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
