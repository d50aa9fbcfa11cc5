//! The loop: cases from seeds, on several children, until the first failure, the time limit or the
//! number of cases wanted.

use super::child::{Case, Child, Ready};
use super::compare::{Failure, Kind, Summary};
use super::generate::{takes_turns, timeouts_are_timeless};
use super::shrink::shrink;
use ion_runtime::bytecode::{Style, disassemble_package};
use ion_runtime::ionpack::Package;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that serves as a child.
    pub program: PathBuf,
    /// The kinds of cases, one after the other.
    pub kinds: Vec<CaseKind>,
    /// The first seed.
    pub seed: u64,
    /// Most cases.
    pub count: u64,
    /// Most time.
    pub time: Duration,
    /// Children at a time.
    pub jobs: usize,
    /// Longest time for one case.
    pub patience: Duration,
    /// Longest time for making a failing program small.
    pub shrinking: Duration,
}

/// Kinds of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseKind {
    /// Random programs.
    Random,
    /// Damaged packages.
    Mutants,
    /// The exhaustive suite.
    Pairs,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Cases that ran.
    pub cases: u64,
    /// Sums over them.
    #[serde(flatten)]
    pub sums: Summary,
    /// Seconds it took.
    pub seconds: f64,
    /// The seed to go on with.
    pub next_seed: u64,
    /// The first failure.
    pub failure: Option<Failed>,
}

/// A failure.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// Name of the case.
    pub case: String,
    /// What was wrong.
    #[serde(flatten)]
    pub failure: Failure,
    /// The small program.
    pub program: Option<String>,
    /// Instructions before and after it was made small.
    pub instructions: Option<(usize, usize)>,
}

struct Run<'a> {
    plan: &'a Plan,
    started: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    report: Mutex<Report>,
}

/// Runs a plan; `progress` is shown the report now and then.
pub fn run(plan: &Plan, progress: &(dyn Fn(&Report) + Sync)) -> Report {
    let run = Run {
        plan,
        started: Instant::now(),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        report: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| run.work(progress));
        }
    });
    let mut report = run.report.into_inner().unwrap_or_else(|error| error.into_inner());
    report.seconds = run.started.elapsed().as_secs_f64();
    report.next_seed = plan.seed + run.next.into_inner();
    report
}

impl Run<'_> {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(|error| error.into_inner())
    }

    fn work(&self, progress: &(dyn Fn(&Report) + Sync)) {
        let mut child = Child::new(self.plan.program.clone());
        while let Some(case) = self.case() {
            let result = child.run(&case, self.plan.patience);
            match result {
                Ok(summary) => {
                    let mut report = self.report();
                    report.cases += 1;
                    report.sums.add(summary);
                    report.seconds = self.started.elapsed().as_secs_f64();
                    progress(&report);
                }
                Err(failure) => {
                    if self.stop.swap(true, Ordering::Relaxed) {
                        return;
                    }
                    let failed = self.failed(&mut child, &case, failure);
                    self.report().failure = Some(failed);
                }
            }
        }
    }

    /// The next case: the kinds take turns.
    fn case(&self) -> Option<Case> {
        let plan = self.plan;
        if self.stop.load(Ordering::Relaxed) || self.started.elapsed() >= plan.time {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= plan.count || plan.kinds.is_empty() {
            return None;
        }
        let seed = plan.seed + number;
        match plan.kinds[(number % plan.kinds.len() as u64) as usize] {
            CaseKind::Random => Some(Case::Random(seed)),
            CaseKind::Mutants => Some(Case::Mutant(seed)),
            // These end; their numbers are from 1 like seeds.
            CaseKind::Pairs => {
                let pair = seed.saturating_sub(1) as usize;
                (pair < super::pairs::count()).then_some(Case::Pairs(pair))
            }
        }
    }

    fn failed(&self, child: &mut Child, case: &Case, failure: Failure) -> Failed {
        let mut failed = Failed { case: case.name(), failure, program: None, instructions: None };
        let Ok(Some(ready)) = case.ready() else { return failed };
        let patience = match failed.failure.kind {
            Kind::Hang => Duration::from_secs(8).min(self.plan.patience),
            _ => self.plan.patience,
        };
        let deadline = Instant::now() + self.plan.shrinking;
        let groups = fewest_groups(child, &ready, &failed.failure.kind, patience);
        let kind = failed.failure.kind.clone();
        let mut last = failed.failure.clone();
        let between = matches!(&kind, Kind::Differs(what) if what.ends_with("between groups"));
        let fails = |candidate: &Package| {
            if !timeouts_are_timeless(candidate) || between && !takes_turns(candidate) {
                return false;
            }
            let case = Ready::text_case(candidate, ready.bounds, &groups);
            match child.run(&case, patience) {
                Err(failure) if failure.kind == kind => {
                    last = failure;
                    true
                }
                _ => false,
            }
        };
        let small = shrink(&ready.package, fails, || Instant::now() > deadline);
        failed.failure = last;
        failed.instructions = Some((size(&ready.package), size(&small)));
        failed.program = Some(disassemble_package(&small, Style::Lossless));
        failed
    }
}

/// The groups that are needed to see the failure: one if possible, else two, else all.
fn fewest_groups(
    child: &mut Child,
    ready: &Ready,
    kind: &Kind,
    patience: Duration,
) -> Vec<super::compare::Group> {
    let mut fails = |groups: &[super::compare::Group]| {
        let case = Ready::text_case(&ready.package, ready.bounds, groups);
        child.run(&case, patience).is_err_and(|failure| failure.kind == *kind)
    };
    if let Some(group) = ready.groups.iter().find(|group| fails(&[**group])) {
        return vec![*group];
    }
    if let Some(first) = ready.groups.first()
        && let Some(other) = ready.groups[1..].iter().find(|group| fails(&[*first, **group]))
    {
        return vec![*first, *other];
    }
    ready.groups.clone()
}

fn size(package: &Package) -> usize {
    let functions = package.classes.iter().flat_map(|class| &class.file.functions);
    functions
        .map(|function| match &function.body {
            ion_runtime::bytecode::Body::Bytecode(code) => code.len(),
            ion_runtime::bytecode::Body::Native(_) => 0,
        })
        .sum()
}
