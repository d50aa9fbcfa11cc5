//! `ionc test`: runs the functions called `test_…`, each in a machine of its own.

use crate::failure::{Failure, one_line};
use crate::ion::{Options, Source};
use crate::{compile, load, machine, output, project};
use clap::builder::RangedU64ValueParser;
use ion_runtime::error::ExitReason;
use ion_runtime::ionpack::{Manifest, Package};
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{MainEnd, Outputs};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  ionc test                       (the project in this folder: src/ and tests/)
  ionc test app.ion
  ionc test --filter deposit --json

A test is a function without parameters whose name starts with test_. It fails if its process ends in
any other way than by returning: assert(condition) and assertEqual(actual, expected) see to that.
Exit status: 0 if all tests pass; 1 if one fails.";

/// Run the tests of an Ion file or project
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// Compile everything before running, instead of interpreting
    #[arg(long)]
    jit: bool,
    /// Tests at one time; as many as there are processors if absent
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    jobs: Option<usize>,
    /// The file (.ion), or the folder of a project
    #[arg(value_name = "FILE|DIR", default_value = ".")]
    path: PathBuf,
}

/// What became of a test.
struct Outcome {
    name: String,
    /// Why it failed.
    failure: Option<String>,
    out: String,
    err: String,
    time: Duration,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (sources, options) = sources(&args.path)?;
    let package = compile::compile(&sources, &options)?.package;
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|filter| name.contains(filter));
    let tests: Vec<(String, String)> = tests(&package)
        .filter(|(class, function)| wanted(&format!("{class}.{function}")))
        .collect();
    let started = Instant::now();
    let outcomes = run_all(args, &package, &tests);
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    if args.json {
        super::print_json(&json!({
            "passed": outcomes.len() - failed,
            "failed": failed,
            "seconds": started.elapsed().as_secs_f64(),
            "tests": outcomes.iter().map(|outcome| json!({
                "name": outcome.name,
                "passed": outcome.failure.is_none(),
                "failure": outcome.failure,
                "stdout": outcome.out,
                "stderr": outcome.err,
                "seconds": outcome.time.as_secs_f64(),
            })).collect::<Vec<_>>(),
        }))?;
    } else {
        output::print(&text(&outcomes, failed, started.elapsed()));
    }
    if failed > 0 { Err(Failure::silent(1)) } else { Ok(()) }
}

/// The sources of a file or project, tests included.
fn sources(path: &Path) -> Result<(Vec<Source>, Options), Failure> {
    if !path.is_dir() {
        let manifest = Manifest { name: "test".to_owned(), ..Manifest::default() };
        return Ok((compile::sources_of_file(path)?, Options { manifest, needs_main: false }));
    }
    let project = project::open(path)?;
    let mut sources = project.sources()?;
    let entries = std::fs::read_dir(path.join("tests")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| load::has_extension(path, compile::ION))
        .collect();
    paths.sort();
    for path in paths {
        sources.push(compile::source(&path)?);
    }
    let options = Options { needs_main: false, ..project.options() };
    Ok((compile::add_named(sources, |_| None)?, options))
}

/// Class and name of each test.
fn tests(package: &Package) -> impl Iterator<Item = (String, String)> + '_ {
    package.classes.iter().flat_map(|class| {
        let functions = class.file.functions.iter().filter(|function| function.arity == 0);
        let names = functions.filter_map(|function| function.name.as_deref());
        let tests = names.filter(|name| name.starts_with("test_") && !name.contains('.'));
        tests.map(|name| (class.name.clone(), name.to_owned()))
    })
}

fn run_all(args: &Args, package: &Package, tests: &[(String, String)]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(tests.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let jobs = args.jobs.unwrap_or(cores).min(tests.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((class, function)) = tests.get(at) else { return };
                    let outcome = run_one(args, package, class, function);
                    if let Some(place) =
                        outcomes.lock().unwrap_or_else(|e| e.into_inner()).get_mut(at)
                    {
                        *place = Some(outcome);
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(|e| e.into_inner()).into_iter().flatten().collect()
}

fn run_one(args: &Args, package: &Package, class: &str, function: &str) -> Outcome {
    let mut package = package.clone();
    package.manifest.main_class = Some(class.to_owned());
    package.manifest.entry_point = Some(function.to_owned());
    let engine = if args.jit { Engine::Jit } else { Engine::Interp };
    let config = Config { engine, schedulers: 1, ..Config::default() };
    let (outputs, out, err) = Outputs::captured();
    let started = Instant::now();
    let failure = match machine::run(&package, config, outputs, &[]) {
        Err(failure) => Some(failure.lines.join("; ")),
        Ok(run) => match run.end {
            MainEnd::Result(_) => None,
            // The report is on standard error, with the stack trace.
            MainEnd::Failed(ExitReason::Crash(crash)) => Some(match err.text().trim_end() {
                "" => crash.to_string(),
                report => report.to_owned(),
            }),
            MainEnd::Failed(ExitReason::Exit(reason)) => Some(assertion(&reason)),
            MainEnd::Failed(reason) => Some(format!("ended with {reason:?}")),
            MainEnd::Deadlock(waiting) => Some(format!("waits for ever: {}", waiting.join("; "))),
        },
    };
    Outcome {
        name: format!("{class}.{function}"),
        failure,
        out: out.text(),
        err: err.text(),
        time: started.elapsed(),
    }
}

/// The text of a reason `(assertion, TEXT)`; any other reason as it is.
fn assertion(reason: &str) -> String {
    match reason.strip_prefix("(assertion, ").and_then(|rest| rest.strip_suffix(')')) {
        Some(text) => text.to_owned(),
        None => format!("ended with the reason {reason}"),
    }
}

fn text(outcomes: &[Outcome], failed: usize, time: Duration) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        match &outcome.failure {
            None => text += &format!("ok      {}\n", outcome.name),
            Some(failure) => {
                text += &format!("FAILED  {}\n", outcome.name);
                for line in failure.lines() {
                    text += &format!("        {}\n", one_line(line));
                }
                for line in outcome.out.lines() {
                    text += &format!("      | {}\n", one_line(line));
                }
            }
        }
    }
    let passed = outcomes.len() - failed;
    text + &format!("{passed} passed, {failed} failed in {:.2} s\n", time.as_secs_f64())
}
