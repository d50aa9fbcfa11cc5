//! How fast Ion is compiled, and how the workloads in Ion compare with the assembled ones:
//! `cargo run --release -p ion-benches --bin ion-speed [WORKLOAD…]`.
//!
//! The text is the examples of the repository, over and over, each time with other names of
//! functions, as classes of some thousand lines.

use ion_benches::measure::{Prepared, processor_time};
use ion_benches::workload::{Kind, Scale, WORKLOADS, Workload};
use ion_runtime::system::Engine;
use ionc::compile::natives;
use ionc::ion::{Options, Source, compile};
use std::path::Path;
use std::time::{Duration, Instant};

/// Lines of the whole text.
const LINES: usize = 100_000;
/// Lines of a class.
const CLASS: usize = 5000;
/// Runs; the best counts.
const RUNS: usize = 7;

/// The top-level names of a text.
fn names(text: &str) -> Vec<String> {
    let declared = text.lines().filter_map(|line| {
        let rest = line.strip_prefix("function ").or_else(|| line.strip_prefix("const "))?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        Some(rest[..end].to_owned())
    });
    declared.collect()
}

/// The text with all of these names changed.
fn renamed(text: &str, names: &[String], number: usize) -> String {
    let mut out = String::with_capacity(text.len() + 1000);
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(&word);
        if names.contains(&word) && !out.ends_with(&format!(".{word}")) {
            out.push_str(&format!("_{number}"));
        }
        word.clear();
        out.push(c);
    }
    out
}

fn sources() -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let wanted = [
        "nbody",
        "life",
        "chat",
        "pipeline",
        "worker_pool",
        "philosophers",
        "primes",
        "word_count",
        "mandelbrot",
    ];
    let texts: Vec<String> = wanted
        .iter()
        .map(|name| {
            std::fs::read_to_string(folder.join(format!("{name}.ion")))
                .expect("the examples are there")
        })
        .collect();
    let mut sources = Vec::new();
    let (mut text, mut total, mut number) = (String::new(), 0, 0);
    while total < LINES {
        for example in &texts {
            number += 1;
            text.push_str(&renamed(example, &names(example), number));
        }
        let lines = text.lines().count();
        if lines >= CLASS {
            total += lines;
            let class = format!("Class{}", sources.len());
            sources.push(Source::new(
                class.clone(),
                format!("{class}.ion"),
                std::mem::take(&mut text),
            ));
        }
    }
    sources
}

/// The best processor time of a few runs, in seconds.
fn best(run: &Prepared, most: usize) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    let started = Instant::now();
    for _ in 0..most {
        best = best.min(run.run()?.cpu.as_secs_f64());
        if started.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    Ok(best)
}

fn compare(workload: &Workload) -> Result<(), String> {
    let sizes = workload.sizes_at(Scale::Bench);
    let mut line = format!("{:16}", workload.name);
    for engine in [Engine::Interp, Engine::Jit] {
        let assembled = Prepared::new(workload, &sizes, engine)?;
        let ion = Prepared::of_ion(workload, &sizes, engine)?;
        // In turns, so that both see the same machine.
        let (mut a, mut b) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            a = a.min(best(&assembled, 5)?);
            b = b.min(best(&ion, 5)?);
        }
        line += &format!("  {engine:?} {:8.3} ms / {:8.3} ms = {:.2}", b * 1e3, a * 1e3, b / a);
    }
    println!("{line}");
    Ok(())
}

fn main() -> Result<(), String> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let compiling = wanted.is_empty();
    if compiling {
        compile_speed();
    }
    println!("time of Ion / time of assembler, at the sizes of benches");
    for workload in WORKLOADS.iter().filter(|w| matches!(w.kind, Kind::Compute | Kind::Actors)) {
        if compiling || wanted.iter().any(|name| name == workload.name) {
            compare(workload)?;
        }
    }
    Ok(())
}

fn compile_speed() {
    let sources = sources();
    let lines: usize = sources.iter().map(|source| source.text.lines().count()).sum();
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    natives();
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let started = processor_time();
        let compiled = compile(&sources, natives(), &Options::default());
        best = best.min(processor_time().saturating_sub(started));
        for diag in compiled.diags.iter().filter(|diag| diag.is_error()).take(3) {
            println!("{}: {}", sources[diag.file].path, diag.message);
        }
        assert!(compiled.package.is_some(), "the examples compile");
    }
    let rate = lines as f64 / best.as_secs_f64();
    println!(
        "{lines} lines, {bytes} bytes in {best:?} of processor time: {rate:.0} lines per second"
    );
}
