//! Runs every workload in our engines and in other systems, checks that all agree, and compares times.
//!
//! ```text
//! cargo run --release -p ion-benches --bin peers -- --only fib,nbody --rounds 7 --svg peers.svg
//! ```
//!
//! In each round every system runs once, one after the other, so that disturbances meet all of them. Each run is a
//! process of its own (ours too: this program starts itself) that repeats the workload to get warm, then takes
//! the time of some repetitions. All inherit this process's pinning to one core, or to some (`--cores`).
#![forbid(unsafe_code)]

mod child;
mod report;
mod startup;
mod svg;
mod system;

use clap::Parser;
use ion_benches::workload::{Kind, Scale, WORKLOADS, Workload};
use report::{Cell, Row};
use std::path::PathBuf;
use std::process::ExitCode;
use system::System;

/// Compares the engines with other systems
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Workloads to run, separated by commas (default: all)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Systems to run, separated by commas (default: all that are installed)
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    systems: Vec<String>,
    /// Rounds; each system runs once in each
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Repetitions to get warm in each run
    #[arg(long, default_value_t = 2)]
    warm: usize,
    /// Timed repetitions in each run
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Sizes of the criterion benches instead of the full ones
    #[arg(long)]
    small: bool,
    /// The core to run on, or the first of them
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// How many cores to use; with several, the time on the wall counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    cores: u16,
    /// Only how long systems take to start and end
    #[arg(long, conflicts_with = "only")]
    startup: bool,
    /// Do not pin to a core
    #[arg(long)]
    unpinned: bool,
    /// Write all times to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a chart to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// List the workloads and exit
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match words.split_first() {
        Some((word, rest)) if word == child::COMMAND => child::run(rest),
        _ => compare(&Args::parse()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> Result<(), String> {
    if args.list {
        for workload in WORKLOADS {
            println!("{:16} {} ({})", workload.name, workload.title, workload.operation);
        }
        return Ok(());
    }
    let chosen = chosen(&args.only)?;
    if !args.unpinned {
        pin(args.core, usize::from(args.cores))?;
    }
    let systems = system::installed(&args.systems, args.cores)?;
    let scale = if args.small { Scale::Bench } else { Scale::Full };
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for workload in chosen.into_iter().filter(|_| !args.startup) {
        let mut sizes = workload.sizes_at(scale);
        if workload.sizes[0].name == "LOOPS" {
            sizes[0] = u64::from(args.cores);
        }
        let row = measure(workload, &sizes, &systems, args)?;
        wrong.extend(row.disagreements());
        print!("{}", report::text(&row));
        rows.push(row);
    }
    let startup =
        if args.only.is_empty() { startup::measure(&systems, args.rounds) } else { Vec::new() };
    if !rows.is_empty() {
        println!("\n{}", report::table(&rows));
    }
    print!("{}", startup::table(&startup));
    if let Some(path) = &args.json {
        write(path, &report::json(&rows, &startup))?;
    }
    if let Some(path) = &args.svg {
        write(path, &svg::chart(&rows))?;
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("results differ: {}", wrong.join("; "))) }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, String> {
    if names.is_empty() {
        return Ok(WORKLOADS.iter().collect());
    }
    let find = |name: &String| {
        Workload::find(name).ok_or_else(|| format!("no workload '{name}'; see --list"))
    };
    names.iter().map(find).collect()
}

/// Pins this process, and so all that it starts, to these cores.
fn pin(core: usize, cores: usize) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    (core..core + cores).for_each(|core| set.set(core));
    rustix::thread::sched_setaffinity(None, &set).map_err(|error| {
        format!("cannot run on core {core} ({error}); choose another with --core, or --unpinned")
    })
}

/// All rounds of one workload.
fn measure(
    workload: &'static Workload,
    sizes: &[u64],
    systems: &[System],
    args: &Args,
) -> Result<Row, String> {
    let able: Vec<_> = systems.iter().filter(|system| system.has(workload)).collect();
    let mut cells: Vec<_> = able.iter().map(|system| Cell::new(system.name)).collect();
    // Where waiting or memory counts there is nothing to get warm.
    let (warm, repetitions) = match workload.kind {
        Kind::Compute | Kind::Actors => (args.warm, args.repetitions),
        Kind::Waiting | Kind::Memory | Kind::Latency => (0, 1),
    };
    for _ in 0..args.rounds.max(1) {
        for (system, cell) in able.iter().zip(&mut cells) {
            cell.add(system.run(workload, sizes, warm, repetitions));
        }
    }
    Ok(Row { workload, sizes: sizes.to_vec(), cells, wall: args.cores > 1 })
}

fn write(path: &PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
