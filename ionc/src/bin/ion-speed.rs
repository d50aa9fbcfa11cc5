//! How fast Ion is compiled: `cargo run --release --bin ion-speed`.
//!
//! The text is the examples of the repository, over and over, each time with other names of
//! functions, as classes of some thousand lines.

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
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric())?;
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

fn main() {
    let sources = sources();
    let lines: usize = sources.iter().map(|source| source.text.lines().count()).sum();
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    natives();
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        let compiled = compile(&sources, natives(), &Options::default());
        best = best.min(started.elapsed());
        for diag in compiled.diags.iter().filter(|diag| diag.is_error()).take(3) {
            println!("{}: {}", sources[diag.file].path, diag.message);
        }
        assert!(compiled.package.is_some(), "the examples compile");
    }
    let rate = lines as f64 / best.as_secs_f64();
    println!("{lines} lines, {bytes} bytes in {best:?}: {rate:.0} lines per second");
}
