//! `ion-diff`: the differential suite as a command.

use crate::differential::child::{self, Case};
use crate::differential::suite::{self, CaseKind, Plan, Report};
use crate::failure::Failure;
use crate::output;
use clap::ValueEnum;
use ion_runtime::bytecode::{Style, disassemble_package};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the command does, for its help.
pub const AFTER: &str = "\
Each case runs under both engines, with and without a collection at every safepoint, in several
preemption modes and timeslices. Output, crash reports, results and all counts must be equal.

Cases run in child processes: a crash or a hang of the machine is a failure like any other. On the
first failure, the program is made small and printed as assembler text (it can be saved to
ionc/tests/lang/regress), and the status is 1.

Examples:
  ion-diff --time 60s
  ion-diff --suite pairs --time 1h
  ion-diff --suite random --seed 4711 --count 1
  ion-diff failing.ionasm";

/// Run programs under all engines and settings, and compare
#[derive(clap::Parser, Debug)]
#[command(name = "ion-diff", version, after_help = AFTER)]
pub struct Args {
    /// Stop after this time: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    time: Duration,
    /// First seed; a seed always gives the same cases
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Stop after this many cases
    #[arg(long, value_name = "N", default_value_t = u64::MAX)]
    count: u64,
    /// Cases at a time [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Which cases: random programs, damaged packages, every pair of kinds of operands (minutes)
    #[arg(long, value_delimiter = ',', default_values = ["random", "mutants"])]
    suite: Vec<SuiteArg>,
    /// Longest time for one case
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    patience: Duration,
    /// Longest time for making a failing program small
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_time)]
    shrink: Duration,
    /// Write the report as JSON
    #[arg(long)]
    json: bool,
    /// Only compare this package (.ionpack or .ionasm) under all settings
    #[arg(value_name = "PACK")]
    pack: Option<PathBuf>,
    /// The processes of PACK race: compare only within one mode and timeslice
    #[arg(long, requires = "pack")]
    racy: bool,
    /// Only print the program of the seed
    #[arg(long)]
    show: bool,
    /// Serve a parent process
    #[arg(long, hide = true)]
    child: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SuiteArg {
    Pairs,
    Random,
    Mutants,
}

/// A time such as `30s`, `5m` or `1h`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("not a time; write 500ms, 30s, 5m or 1h".to_owned()),
    };
    let number: f64 = digits.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| "out of range".to_owned())
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.child {
        return child::serve().map_err(Failure::new);
    }
    if let Some(pack) = &args.pack {
        return one(pack, args.racy);
    }
    if args.show {
        let case = match args.suite.first() {
            Some(SuiteArg::Pairs) => Case::Pairs(args.seed.saturating_sub(1) as usize),
            Some(SuiteArg::Mutants) => Case::Mutant(args.seed),
            _ => Case::Random(args.seed),
        };
        let ready = case.ready().map_err(Failure::new)?;
        let text = ready.map(|ready| disassemble_package(&ready.package, Style::Lossless));
        output::print(&text.unwrap_or_default());
        return Ok(());
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find myself: {error}")))?;
    let kinds = args.suite.iter().map(|kind| match kind {
        SuiteArg::Pairs => CaseKind::Pairs,
        SuiteArg::Random => CaseKind::Random,
        SuiteArg::Mutants => CaseKind::Mutants,
    });
    let plan = Plan {
        program,
        kinds: kinds.collect(),
        seed: args.seed,
        count: args.count,
        time: args.time,
        jobs: args
            .jobs
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |count| count.get())),
        patience: args.patience,
        shrinking: args.shrink,
    };
    let shown = AtomicU64::new(0);
    let terminal = std::io::stderr().is_terminal() && !args.json;
    let report = suite::run(&plan, &|report: &Report| {
        let tenths = (report.seconds * 5.0) as u64;
        if terminal && shown.swap(tenths, Ordering::Relaxed) != tenths {
            let rate = report.cases as f64 / report.seconds.max(0.001);
            let _ = write!(
                std::io::stderr(),
                "\r{} cases, {} runs, {rate:.0} cases a second ",
                report.cases,
                report.sums.runs
            );
        }
    });
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    if args.json {
        super::print_json(&report)?;
    } else {
        output::print(&text(&report));
    }
    if report.failure.is_some() { Err(Failure::silent(1)) } else { Ok(()) }
}

fn text(report: &Report) -> String {
    let sums = &report.sums;
    let mut text = format!(
        "{} cases, {} runs in {:.1} s; {} crashed, {} deadlocked, {} were cut off, {} ran out of memory; next seed {}\n",
        report.cases,
        sums.runs,
        report.seconds,
        sums.crashed,
        sums.deadlocks,
        sums.cut,
        sums.out_of_memory,
        report.next_seed
    );
    if let Some(failed) = &report.failure {
        text.push_str(&format!("\nFAILED: {}\n{}\n", failed.case, failed.failure));
        if let (Some(program), Some((before, after))) = (&failed.program, failed.instructions) {
            text.push_str(&format!(
                "\nmade small, from {before} to {after} instructions:\n\n{program}\n"
            ));
        }
    }
    text
}

/// Compares one package.
fn one(path: &std::path::Path, racy: bool) -> Result<(), Failure> {
    use crate::differential::compare::{self, Bounds};
    let package = crate::load::package(path)?;
    let bounds = Bounds { racy, ..Bounds::default() };
    let summary = compare::compare(&package, &compare::groups(), bounds).map_err(|failure| {
        Failure { lines: failure.to_string().lines().map(str::to_owned).collect(), status: 1 }
    })?;
    output::print(&format!("{} runs agree\n", summary.runs));
    Ok(())
}
