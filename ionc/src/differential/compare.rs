//! One package under many settings, and whether it behaves the same.
//!
//! Within one preemption mode and timeslice everything observable must be equal, whatever the
//! engine and however often it collects: both outputs (crash reports with every line of their traces
//! included), how the main process ended, and what was counted. Between modes and timeslices, a
//! program whose processes never race must print the same and end the same way.
//!
//! Exempt: how much memory a process needs is not part of the meaning, so once a process has run
//! out of memory nothing is compared except that the machine survives.

use crate::{engine, machine};
use ion_runtime::ionpack::Package;
use ion_runtime::system::{Config, Engine, Preempt};
use ion_runtime::tier::Compiler;
use ion_runtime::vm::{self, Linked, MainEnd, Outputs};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What must not change the meaning of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which engine runs.
    pub engine: Engine,
    /// Where processes may be preempted.
    pub preempt: Preempt,
    /// Reductions of a slice.
    pub timeslice: u32,
    /// Collect at every safepoint.
    pub stress: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            Engine::Interp => "interp",
            Engine::Jit => "jit",
            Engine::Tiered => "tiered",
            Engine::Mixed => "mixed",
            Engine::Aot => "aot",
        };
        let preempt = match self.preempt {
            Preempt::Safepoint => "safepoint",
            Preempt::Instruction => "instruction",
        };
        let stress = if self.stress { ", collecting" } else { "" };
        write!(f, "{engine}, {preempt}, timeslice {}{stress}", self.timeslice)
    }
}

/// The timeslices of the matrix.
pub const TIMESLICES: [u32; 6] = [1, 3, 7, 100, 2000, 5000];

/// The modes of the matrix.
pub const MODES: [Preempt; 2] = [Preempt::Safepoint, Preempt::Instruction];

/// Settings within which everything must be equal: both engines, with and without collections.
pub type Group = (Preempt, u32);

/// All groups of the matrix.
pub fn groups() -> Vec<Group> {
    let slices = |preempt| TIMESLICES.iter().map(move |slice| (preempt, *slice));
    MODES.iter().flat_map(|preempt| slices(*preempt)).collect()
}

/// What a case may use, and how strictly it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Reductions of all processes together; then the run is cut off.
    pub reductions: u64,
    /// Bytes that one process may keep.
    pub heap: usize,
    /// Processes at one time.
    pub processes: usize,
    /// Whether processes may race, so that only settings of one group are compared.
    pub racy: bool,
    /// Write each setting to standard error before it is used.
    pub announce: bool,
}

/// Reductions of a case; fewer where every collection is checked, which takes its time.
const REDUCTIONS: u64 = if cfg!(debug_assertions) { 6_000 } else { 30_000 };

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            reductions: REDUCTIONS,
            heap: 8 << 20,
            processes: 200,
            racy: false,
            announce: false,
        }
    }
}

/// What a run showed.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    out: String,
    err: String,
    end: MainEnd,
    counts: [u64; 4],
    /// The run used up its reductions.
    cut: bool,
}

impl Observed {
    fn out_of_memory(&self) -> bool {
        self.err.contains("out of memory: the limit is")
    }
}

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure; the shrinker keeps it.
    pub kind: Kind,
    /// All about it.
    pub text: String,
}

/// Sorts of failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Two settings differ in this.
    Differs(String),
    /// The machine panicked.
    Panic,
    /// A function could not be compiled.
    NotCompiled,
    /// The package is not valid, which is the generator's fault.
    Invalid,
    /// The child process ended by itself.
    HostCrash,
    /// The child process did not answer in time.
    Hang,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Differs(what) => write!(f, "{what} differs: {}", self.text),
            Kind::Panic => write!(f, "panic: {}", self.text),
            Kind::NotCompiled => write!(f, "not compiled: {}", self.text),
            Kind::Invalid => write!(f, "invalid package: {}", self.text),
            Kind::HostCrash => write!(f, "the host process crashed: {}", self.text),
            Kind::Hang => write!(f, "no answer: {}", self.text),
        }
    }
}

/// What a case came to, if it did not fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Runs compared.
    pub runs: u64,
    /// Cases in which a process ran out of memory.
    pub out_of_memory: u64,
    /// Cases that were cut off.
    pub cut: u64,
    /// Cases in which main crashed.
    pub crashed: u64,
    /// Cases that ended in a deadlock.
    pub deadlocks: u64,
}

impl Summary {
    /// Adds another one's numbers.
    pub fn add(&mut self, other: Summary) {
        self.runs += other.runs;
        self.out_of_memory += other.out_of_memory;
        self.cut += other.cut;
        self.crashed += other.crashed;
        self.deadlocks += other.deadlocks;
    }
}

/// Runs a package under both engines, with and without collections, for each group.
pub fn compare(package: &Package, groups: &[Group], bounds: Bounds) -> Result<Summary, Failure> {
    let linked = machine::link(package)
        .map_err(|failure| Failure { kind: Kind::Invalid, text: failure.lines.join("; ") })?;
    let mut case =
        Case { linked, bounds, compilers: [None, None, None, None], summary: Summary::default() };
    let mut first: Option<(Setting, Observed)> = None;
    let mut worst = Summary::default();
    for group in groups {
        let seen = case.group(*group)?;
        worst.cut |= u64::from(seen.1.cut);
        worst.out_of_memory |= u64::from(seen.1.out_of_memory());
        match &first {
            None => first = Some(seen),
            Some(first) if bounds.racy || worst.cut + worst.out_of_memory > 0 => {
                let _ = first;
            }
            Some(first) => across(first, &seen)?,
        }
    }
    let summary = &mut case.summary;
    (summary.cut, summary.out_of_memory) = (worst.cut, worst.out_of_memory);
    if let Some((_, seen)) = first {
        summary.crashed = u64::from(matches!(seen.end, MainEnd::Failed(_)) && !seen.cut);
        summary.deadlocks = u64::from(matches!(seen.end, MainEnd::Deadlock(_)));
    }
    Ok(case.summary)
}

struct Case {
    linked: Linked,
    bounds: Bounds,
    /// For each mode, made when it is first needed.
    compilers: [Option<Arc<dyn Compiler>>; 4],
    summary: Summary,
}

impl Case {
    /// Runs one group; the observation that all its settings share.
    fn group(&mut self, (preempt, timeslice): Group) -> Result<(Setting, Observed), Failure> {
        let mut first: Option<(Setting, Observed)> = None;
        let mut memory = false;
        for engine in crate::engine::ENGINES.iter().copied() {
            for stress in [false, true] {
                let setting = Setting { engine, preempt, timeslice, stress };
                let seen = self.run(setting)?;
                memory |= seen.out_of_memory();
                match &first {
                    None => first = Some((setting, seen)),
                    Some(_) if memory => first = Some((setting, seen)),
                    Some((other, expected)) => within((*other, expected), (setting, &seen))?,
                }
            }
        }
        first.ok_or_else(|| Failure { kind: Kind::Invalid, text: "no settings".to_owned() })
    }

    fn run(&mut self, setting: Setting) -> Result<Observed, Failure> {
        let at = |kind, text: String| Failure { kind, text: format!("{setting}: {text}") };
        let max_slices = (self.bounds.reductions / u64::from(setting.timeslice)).max(2);
        let config = Config {
            engine: setting.engine,
            preempt: setting.preempt,
            timeslice: setting.timeslice,
            stress_collect: setting.stress,
            strict_compile: true,
            max_heap: self.bounds.heap,
            max_processes: self.bounds.processes,
            max_slices,
            ..Config::default()
        };
        if self.bounds.announce {
            // Whoever has to explain a crash or a hang of this process reads the last line.
            eprintln!("under {setting}");
        }
        let (outputs, out, err) = Outputs::captured();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let compiler = self.compiler(&config)?;
            vm::run(&self.linked, config, compiler, outputs, &[]).map_err(|error| error.to_string())
        }));
        let run = ran
            .map_err(|panic| at(Kind::Panic, panic_text(&*panic)))?
            .map_err(|text| at(Kind::NotCompiled, text))?;
        self.summary.runs += 1;
        let stats = run.stats;
        let seen = Observed {
            out: out.text(),
            err: err.text(),
            end: run.end,
            counts: [stats.processes, stats.slices, stats.reductions, stats.messages],
            cut: stats.slices >= max_slices,
        };
        for (sign, kind) in
            [("function could not be compiled", Kind::NotCompiled), (" panicked: ", Kind::Panic)]
        {
            if let Some(line) = seen.err.lines().find(|line| line.contains(sign)) {
                return Err(at(kind, line.to_owned()));
            }
        }
        Ok(seen)
    }

    fn compiler(&mut self, config: &Config) -> Result<Option<Arc<dyn Compiler>>, String> {
        if config.engine == Engine::Interp {
            return Ok(None);
        }
        let step = usize::from(config.preempt == Preempt::Instruction);
        let ahead = usize::from(config.engine == Engine::Aot);
        let place = &mut self.compilers[step + 2 * ahead];
        if place.is_none() {
            *place = engine::compiler(&self.linked, config)?;
        }
        Ok(place.clone())
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Compares two runs of one group.
fn within(a: (Setting, &Observed), b: (Setting, &Observed)) -> Result<(), Failure> {
    let ((left, x), (right, y)) = (a, b);
    let names = ["number of processes", "number of slices", "reductions", "messages"];
    differing("standard output", (left, &x.out), (right, &y.out))?;
    differing("standard error", (left, &x.err), (right, &y.err))?;
    differing("end of main", (left, &format!("{:?}", x.end)), (right, &format!("{:?}", y.end)))?;
    for (i, name) in names.into_iter().enumerate() {
        let (p, q) = (x.counts[i].to_string(), y.counts[i].to_string());
        differing(name, (left, &p), (right, &q))?;
    }
    Ok(())
}

/// Compares two groups by a run of each.
fn across(
    (left, x): &(Setting, Observed),
    (right, y): &(Setting, Observed),
) -> Result<(), Failure> {
    differing("standard output between groups", (*left, &x.out), (*right, &y.out))?;
    differing("standard error between groups", (*left, &x.err), (*right, &y.err))?;
    let (p, q) = (format!("{:?}", x.end), format!("{:?}", y.end));
    differing("end of main between groups", (*left, &p), (*right, &q))
}

fn differing(what: &str, a: (Setting, &str), b: (Setting, &str)) -> Result<(), Failure> {
    if a.1 == b.1 {
        return Ok(());
    }
    let (mut x, mut y) = (a.1.lines(), b.1.lines());
    let mut line = 1;
    let (left, right) = loop {
        match (x.next(), y.next()) {
            (Some(p), Some(q)) if p == q => line += 1,
            (p, q) => break (p.unwrap_or("(nothing)"), q.unwrap_or("(nothing)")),
        }
    };
    let clip = |text: &str| text.chars().take(600).collect::<String>();
    Err(Failure {
        kind: Kind::Differs(what.to_owned()),
        text: format!("line {line}\n  {}: {}\n  {}: {}", a.0, clip(left), b.0, clip(right)),
    })
}
