//! `ionc explore`: runs a package under many schedules and looks for one that goes wrong.

use super::print_json;
use super::run::program_args;
use crate::failure::{Failure, one_line};
use crate::{load, machine, output};
use clap::value_parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{MainEnd, Outputs};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Each schedule decides, from its seed, which process runs next and for how long; the clock is virtual.
Seed 0 is the ordinary order. Reported is the first seed under which the program crashes, waits for ever,
prints something else than under seed 0, or has more processes that crash.

Examples:
  ionc explore app.ion
  ionc explore --schedules 10000 --any-order --json actors.ionpack

Exit status: 0 if all schedules agree, 1 if one does not.";

/// Run a package under many schedules and report the first that goes wrong
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Seeds to try, from 0 on
    #[arg(long, value_name = "K", default_value_t = 1000, value_parser = value_parser!(u64).range(1..))]
    schedules: u64,
    /// Printed lines may come in any order
    #[arg(long)]
    any_order: bool,
    /// Time slices after which a run counts as endless
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u64).range(1..))]
    max_slices: u64,
    /// Compile all functions before running
    #[arg(long)]
    jit: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// The package
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// Arguments for the program's entry function
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What a run under one schedule came to.
struct Outcome {
    end: MainEnd,
    out: String,
    err: String,
    crashes: u64,
    endless: bool,
}

/// What is wrong under a schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finding {
    Crash,
    Deadlock,
    Endless,
    Output,
    Result,
    MoreCrashes,
}

impl Finding {
    fn name(self) -> &'static str {
        match self {
            Finding::Crash => "crash",
            Finding::Deadlock => "deadlock",
            Finding::Endless => "endless",
            Finding::Output => "output",
            Finding::Result => "result",
            Finding::MoreCrashes => "more-crashes",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Finding::Crash => "the main process fails",
            Finding::Deadlock => "processes wait for each other for ever",
            Finding::Endless => "the program does not end",
            Finding::Output => "the program prints something else",
            Finding::Result => "the main process returns something else",
            Finding::MoreCrashes => "more processes crash",
        }
    }
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let words = program_args(&args.args)?;
    let package = load::package_to_run(&args.pack)?;
    let linked = machine::link(&package).map_err(|failure| failure.within(args.pack.display()))?;
    let try_seed = |seed: u64| -> Result<Outcome, Failure> {
        let (outputs, out, err) = Outputs::captured();
        let config = Config {
            engine: if args.jit { Engine::Jit } else { Engine::Interp },
            seed,
            shuffle: (seed != 0).then_some(seed),
            virtual_time: true,
            max_slices: args.max_slices,
            ..Config::default()
        };
        let run = machine::run_linked(&linked, config, outputs, &words)?;
        let endless = run.stats.slices >= args.max_slices;
        let (out, err) = (out.text(), err.text());
        Ok(Outcome { end: run.end, out, err, crashes: run.stats.crashes, endless })
    };
    let bar = Progress::new(args.schedules);
    let plain = try_seed(0)?;
    let mut found = wrong_alone(&plain).map(|finding| (0, finding, None));
    for seed in 1..args.schedules {
        if found.is_some() {
            break;
        }
        bar.at(seed);
        let outcome = try_seed(seed)?;
        found =
            wrong(&plain, &outcome, args.any_order).map(|finding| (seed, finding, Some(outcome)));
    }
    bar.finish();
    let found = found.map(|(seed, finding, outcome)| (seed, finding, outcome.unwrap_or(plain)));
    report(args, found)
}

fn wrong_alone(outcome: &Outcome) -> Option<Finding> {
    match &outcome.end {
        _ if outcome.endless => Some(Finding::Endless),
        MainEnd::Failed(_) => Some(Finding::Crash),
        MainEnd::Deadlock(_) => Some(Finding::Deadlock),
        MainEnd::Result(_) => None,
    }
}

fn wrong(plain: &Outcome, outcome: &Outcome, any_order: bool) -> Option<Finding> {
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if any_order {
            lines.sort();
        }
        lines
    };
    if let Some(finding) = wrong_alone(outcome) {
        return Some(finding);
    }
    if lines(&plain.out) != lines(&outcome.out) {
        return Some(Finding::Output);
    }
    if plain.end != outcome.end {
        return Some(Finding::Result);
    }
    (outcome.crashes > plain.crashes).then_some(Finding::MoreCrashes)
}

/// The command that shows the run again.
fn replay(args: &Args, seed: u64) -> String {
    let jit = if args.jit { " --jit" } else { "" };
    let mut line = format!(
        "ionc run --schedulers 1 --seed {seed} --virtual-time{jit} {}",
        args.pack.display()
    );
    for arg in &args.args {
        line.push_str(&format!(" {}", arg.to_string_lossy()));
    }
    line
}

fn report(args: &Args, found: Option<(u64, Finding, Outcome)>) -> Result<(), Failure> {
    let Some((seed, finding, outcome)) = found else {
        if args.json {
            return print_json(&json!({ "schedules": args.schedules, "found": Value::Null }));
        }
        output::print(&format!("{} schedules agree\n", args.schedules));
        return Ok(());
    };
    let end = match &outcome.end {
        MainEnd::Result(text) => text.clone(),
        MainEnd::Failed(reason) => format!("{reason:?}"),
        MainEnd::Deadlock(waiting) => waiting.join("\n"),
    };
    if args.json {
        print_json(&json!({
            "schedules": args.schedules,
            "found": {
                "seed": seed,
                "what": finding.name(),
                "replay": replay(args, seed),
                "stdout": outcome.out,
                "stderr": outcome.err,
                "end": end,
            },
        }))?;
        return Err(Failure::silent(1));
    }
    let mut text = format!("seed {seed}: {}\n", finding.text());
    if let MainEnd::Deadlock(waiting) = &outcome.end {
        waiting.iter().take(10).for_each(|line| text.push_str(&format!("  {}\n", one_line(line))));
    }
    outcome.err.lines().take(10).for_each(|line| text.push_str(&format!("  {}\n", one_line(line))));
    text.push_str(&format!("again: {}\n", replay(args, seed)));
    output::print(&text);
    Err(Failure::silent(1))
}

/// A bar that appears after a second, on a terminal only.
struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    fn new(total: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} schedules, {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Progress { bar, started: Instant::now() }
    }

    fn at(&self, seed: u64) {
        if self.bar.is_hidden() && self.started.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(seed);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
