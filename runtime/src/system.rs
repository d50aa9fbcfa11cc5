//! What all workers of one machine share: program, tables, settings, output.

use crate::atom::AtomTable;
use crate::heap::copy::Parcel;
use crate::object::shape::ShapeTable;
use crate::permissions::Permissions;
use crate::process::table::ProcessTable;
use crate::program::Program;
use crate::tier::Compiler;
use crate::value::Pid;
use rustc_hash::FxHashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Where processes may be preempted, and what instructions cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preempt {
    /// At calls, loop back-edges, sends, spawns and blocking operations only.
    #[default]
    Safepoint,
    /// After every instruction, at the classic costs.
    Instruction,
}

/// Which engine runs functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Engine {
    /// The interpreter only.
    #[default]
    Interp,
    /// Compiled code only.
    Jit,
}

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Reductions of a time slice.
    pub timeslice: u32,
    /// Where processes may be preempted.
    pub preempt: Preempt,
    /// Which engine runs functions.
    pub engine: Engine,
    /// Most bytes that one process may keep alive.
    pub max_heap: usize,
    /// Most processes at one time.
    pub max_processes: usize,
    /// Time slices after which the run is cut off and what still runs is killed (testing).
    pub max_slices: u64,
    /// Seed of everything random; the schedule of one worker does not depend on it.
    pub seed: u64,
    /// Trace spawns, sends, receives, scheduling and instructions on standard error.
    pub debug: bool,
    /// Collect at every safepoint (testing).
    pub stress_collect: bool,
    /// What programs may do outside of the machine.
    pub permissions: Permissions,
    /// A function that cannot be compiled is a fault instead of being interpreted (testing).
    pub strict_compile: bool,
}

/// Default reductions of a time slice.
pub const DEFAULT_TIMESLICE: u32 = 2000;

/// Default limit of what one process may keep alive: 2 GiB.
pub const DEFAULT_MAX_HEAP: usize = 2 << 30;

impl Default for Config {
    fn default() -> Self {
        Config {
            timeslice: DEFAULT_TIMESLICE,
            preempt: Preempt::Safepoint,
            engine: Engine::Interp,
            max_heap: DEFAULT_MAX_HEAP,
            max_processes: 1 << 24,
            max_slices: u64::MAX,
            seed: 0,
            debug: false,
            stress_collect: false,
            permissions: Permissions::default(),
            strict_compile: false,
        }
    }
}

/// What a machine counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Processes ever started.
    pub processes: AtomicU64,
    /// Time slices handed out.
    pub slices: AtomicU64,
    /// Reductions of ended processes.
    pub reductions: AtomicU64,
    /// Collections of ended processes.
    pub collections: AtomicU64,
    /// Messages sent.
    pub messages: AtomicU64,
    /// References given out to monitors and timers.
    pub references: AtomicU64,
}

/// A place for output.
pub type Sink = Mutex<Box<dyn Write + Send>>;

/// What all workers share.
pub struct System {
    /// The program.
    pub program: Arc<Program>,
    /// Interned texts.
    pub atoms: Arc<AtomTable>,
    /// Shapes of objects.
    pub shapes: Arc<ShapeTable>,
    /// All processes.
    pub table: ProcessTable,
    /// Messages that timers will send, by reference.
    pub(crate) later: Mutex<FxHashMap<u64, (Pid, Parcel)>>,
    /// Settings.
    pub config: Config,
    /// What the program prints.
    pub out: Sink,
    /// Warnings, traces, crash reports.
    pub err: Sink,
    /// Source of compiled code.
    pub compiler: Option<Arc<dyn Compiler>>,
    /// Counters.
    pub counters: Counters,
    /// Zero of the system's clock.
    pub started: Instant,
}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("config", &self.config).finish_non_exhaustive()
    }
}

impl System {
    pub(crate) fn lock_later(&self) -> MutexGuard<'_, FxHashMap<u64, (Pid, Parcel)>> {
        // Nothing that can panic runs under the lock.
        self.later.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes to the program's output. A closed pipe is not an error of the program.
    pub fn print(&self, text: &str, flush: bool) {
        let mut out = self.out.lock().unwrap_or_else(|e| e.into_inner());
        let _ = out.write_all(text.as_bytes());
        if flush {
            let _ = out.flush();
        }
    }

    /// Writes one line to the error output.
    pub fn report(&self, line: &str) {
        let mut err = self.err.lock().unwrap_or_else(|e| e.into_inner());
        let _ = writeln!(err, "{line}");
    }

    /// Writes to the error output.
    pub fn print_error(&self, text: &str) {
        let mut err = self.err.lock().unwrap_or_else(|e| e.into_inner());
        let _ = err.write_all(text.as_bytes());
    }

    /// Writes a warning.
    pub fn warn(&self, text: &str) {
        self.report(&format!("warning: {text}"));
    }

    /// Writes a line of the debug trace.
    pub fn trace(&self, text: impl FnOnce() -> String) {
        if self.config.debug {
            self.report(&format!("[VM] {}", text()));
        }
    }

    /// A number that no other reference of this run has.
    pub(crate) fn new_reference(&self) -> u64 {
        self.counters.references.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nanoseconds since the machine started.
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
