//! What the tests share: settings under which a program runs, and running it.
#![allow(dead_code, reason = "each test uses a part")]

use ion_runtime::error::ExitReason;
use ion_runtime::ionpack::Package;
use ion_runtime::system::{Config, Engine, Preempt};
use ion_runtime::vm::{MainEnd, Outputs, Stats};
use ionc::engine::ENGINES;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Nothing of this may ever appear on standard error.
pub const FORBIDDEN: [&str; 5] =
    ["panicked", "RUST_BACKTRACE", "stack overflow", "core dumped", "memory allocation of"];

/// What must not change the meaning of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    pub engine: Engine,
    pub preempt: Preempt,
    pub timeslice: u32,
    pub stress: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting { engine, preempt, timeslice, stress } = self;
        write!(f, "{engine:?}, {preempt:?}, timeslice {timeslice}, stress {stress}")
    }
}

impl Setting {
    /// The settings of `base`, changed to these.
    pub fn config(self, base: &Config) -> Config {
        Config {
            engine: self.engine,
            preempt: self.preempt,
            timeslice: self.timeslice,
            stress_collect: self.stress,
            // A function that is not compiled would be interpreted: a test must see that.
            strict_compile: true,
            ..base.clone()
        }
    }
}

/// Every combination apart from the engine.
pub fn settings(engine: Engine) -> Vec<Setting> {
    let mut all = Vec::new();
    for preempt in [Preempt::Safepoint, Preempt::Instruction] {
        for timeslice in [1, 3, 7, 2000] {
            for stress in [false, true] {
                all.push(Setting { engine, preempt, timeslice, stress });
            }
        }
    }
    all
}

/// The full matrix.
pub fn matrix() -> Vec<Setting> {
    ENGINES.iter().flat_map(|engine| settings(*engine)).collect()
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub end: MainEnd,
    pub stats: Stats,
    pub time: Duration,
}

impl Ran {
    /// `Number: 42`, `crash TEXT`, `killed`, or `deadlock`.
    pub fn end_text(&self) -> String {
        match &self.end {
            MainEnd::Result(text) => text.clone(),
            MainEnd::Failed(ExitReason::Crash(crash)) => format!("crash {}", crash.trap),
            MainEnd::Failed(ExitReason::Killed) => "killed".to_owned(),
            MainEnd::Failed(ExitReason::Exit(reason)) => format!("reason {reason}"),
            MainEnd::Failed(ExitReason::Normal) => "normal".to_owned(),
            MainEnd::Deadlock(_) => "deadlock".to_owned(),
        }
    }
}

/// Runs a package; an error if it takes longer than `limit`, or if standard error looks wrong.
pub fn run(
    package: &Package,
    config: Config,
    args: &[String],
    limit: Duration,
) -> Result<Ran, String> {
    let (outputs, out, err) = Outputs::captured();
    let (package, args) = (package.clone(), args.to_vec());
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    std::thread::spawn(move || {
        // The receiver is gone if this comes too late.
        let _ = sender.send(ionc::machine::run(&package, config, outputs, &args));
    });
    let run = match receiver.recv_timeout(limit) {
        Ok(Ok(run)) => run,
        Ok(Err(failure)) => return Err(failure.lines.join("\n")),
        Err(RecvTimeoutError::Timeout) => {
            return Err(format!(
                "still running after {limit:?}\nstdout:\n{}\nstderr:\n{}",
                out.text(),
                err.text()
            ));
        }
        Err(RecvTimeoutError::Disconnected) => return Err("the machine panicked".to_owned()),
    };
    let ran = Ran {
        out: out.text(),
        err: err.text(),
        end: run.end,
        stats: run.stats,
        time: started.elapsed(),
    };
    match FORBIDDEN.iter().find(|text| ran.err.contains(**text)) {
        Some(text) => Err(format!("'{text}' on standard error:\n{}", ran.err)),
        None => Ok(ran),
    }
}

/// The lines of a text; sorted if their order does not matter.
pub fn lines(text: &str, any_order: bool) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if any_order {
        lines.sort();
    }
    lines
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Panics with all errors, if there are any.
pub fn finish(errors: &[String]) {
    let shown: Vec<&str> = errors.iter().take(20).map(String::as_str).collect();
    assert!(errors.is_empty(), "{} failures:\n\n{}", errors.len(), shown.join("\n\n"));
}
