//! What all workers of one machine share: program, tables, settings, output.

use crate::atom::AtomTable;
use crate::error::{Crash, ExitReason};
use crate::heap::copy::Parcel;
use crate::host::Hosts;
use crate::interp::code::CodeBlock;
use crate::object::shape::ShapeTable;
use crate::permissions::Permissions;
use crate::process::table::ProcessTable;
use crate::program::Program;
use crate::sched::blocking::Blocking;
use crate::sched::hub::Hub;
use crate::sched::trial::{Done, Trials};
use crate::slab::Slab;
use crate::tier::Compiler;
use crate::value::Pid;
use crate::vm::Control;
use rustc_hash::FxHashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
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
    /// The interpreter, and compiled code for what is hot.
    Tiered,
    /// Code that was compiled into a file and loaded from it (testing).
    Aot,
    /// Compiled code and the interpreter in turns, slice by slice (testing).
    Mixed,
}

/// What happens to messages beyond the limit of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The new message is dropped.
    #[default]
    DropNew,
    /// The oldest message is dropped, once the receiver looks or its slice begins.
    DropOld,
    /// The receiver ends for the reason `:mailboxFull`.
    Kill,
    /// The sender waits until there is room. What timers, hosts and the machine itself send is not held up.
    Block,
}

impl Overflow {
    /// The names that users write.
    pub const NAMES: [(&'static str, Overflow); 4] = [
        ("drop-new", Overflow::DropNew),
        ("drop-old", Overflow::DropOld),
        ("block", Overflow::Block),
        ("kill", Overflow::Kill),
    ];
}

impl std::str::FromStr for Overflow {
    type Err = String;

    fn from_str(text: &str) -> Result<Overflow, String> {
        let found = Overflow::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, overflow)| *overflow).ok_or_else(|| {
            let names = Overflow::NAMES.map(|(name, _)| name).join(", ");
            format!("'{text}' is none of {names}")
        })
    }
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
    /// Most messages in a mailbox, and what happens beyond.
    pub max_mailbox: Option<(u32, Overflow)>,
    /// Most atoms, those of the program included. A process that makes one beyond ends.
    pub max_atoms: usize,
    /// Lets other threads look at the run and end it.
    pub control: Option<Arc<Control>>,
    /// Time slices after which the run is cut off and what still runs is killed (testing).
    pub max_slices: u64,
    /// Seed of everything random but the schedule.
    pub seed: u64,
    /// The host hands in values, and may call any function with anything: the program is not all that there
    /// is.
    pub open: bool,
    /// Workers, at most [`crate::sched::worker::MAX_SCHEDULERS`].
    pub schedulers: usize,
    /// With one worker: a random schedule, the same for the same number. Which process that can run goes
    /// next, and for how many reductions up to `timeslice`, depends on it.
    pub shuffle: Option<u64>,
    /// With one worker: the clock does not show the time of the day's passing but counts reductions, 10 ns
    /// each, and jumps to the next timer when nothing can run.
    pub virtual_time: bool,
    /// Trace spawns, sends, receives, scheduling and instructions on standard error.
    pub debug: bool,
    /// Collect at every safepoint (testing).
    pub stress_collect: bool,
    /// What programs may do outside of the machine.
    pub permissions: Permissions,
    /// What to do about crashes, instead of reporting them on the error output.
    pub on_crash: Option<CrashHook>,
    /// What to do about warnings, instead of writing them to the error output.
    pub on_warning: Option<WarningHook>,
    /// A function that cannot be compiled is a fault instead of being interpreted (testing).
    pub strict_compile: bool,
}

/// Default reductions of a time slice.
pub const DEFAULT_TIMESLICE: u32 = 2000;

/// Default limit of what one process may keep alive: 2 GiB.
pub const DEFAULT_MAX_HEAP: usize = 2 << 30;

/// Default limit of the number of atoms, which are never freed.
pub const DEFAULT_MAX_ATOMS: usize = 1 << 20;

impl Default for Config {
    fn default() -> Self {
        Config {
            timeslice: DEFAULT_TIMESLICE,
            preempt: Preempt::Safepoint,
            engine: Engine::Interp,
            max_heap: DEFAULT_MAX_HEAP,
            max_processes: 1 << 24,
            max_mailbox: None,
            max_atoms: DEFAULT_MAX_ATOMS,
            control: None,
            max_slices: u64::MAX,
            seed: 0,
            open: false,
            schedulers: 1,
            shuffle: None,
            virtual_time: false,
            debug: false,
            stress_collect: false,
            permissions: Permissions::default(),
            on_crash: None,
            on_warning: None,
            strict_compile: false,
        }
    }
}

/// Called on the worker's thread when a process crashes, before others hear of it; it must not wait.
#[derive(Clone)]
pub struct CrashHook(Arc<CrashFn>);

type CrashFn = dyn Fn(&System, Pid, &Crash) + Send + Sync;

impl CrashHook {
    /// A hook that calls this.
    pub fn new(call: impl Fn(&System, Pid, &Crash) + Send + Sync + 'static) -> CrashHook {
        CrashHook(Arc::new(call))
    }
}

impl std::fmt::Debug for CrashHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CrashHook")
    }
}

/// Called with each warning of the machine; it must not wait.
#[derive(Clone)]
pub struct WarningHook(Arc<dyn Fn(&str) + Send + Sync>);

impl WarningHook {
    /// A hook that calls this.
    pub fn new(call: impl Fn(&str) + Send + Sync + 'static) -> WarningHook {
        WarningHook(Arc::new(call))
    }
}

impl std::fmt::Debug for WarningHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WarningHook")
    }
}

/// What a machine counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Processes ever started.
    pub processes: AtomicU64,
    /// Reductions of ended processes.
    pub reductions: AtomicU64,
    /// Collections.
    pub collections: AtomicU64,
    /// Messages sent.
    pub messages: AtomicU64,
    /// Processes that crashed.
    pub crashes: AtomicU64,
    /// References given out to monitors and timers.
    pub references: AtomicU64,
}

/// A place for output.
pub type Sink = Mutex<Box<dyn Write + Send>>;

/// A message that a timer will send.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) to: Pid,
    pub(crate) message: Parcel,
    /// The key of the timer.
    pub(crate) timer: u64,
}

/// How many slices one worker has handed out; only that worker writes it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Slices(AtomicU64);

impl Slices {
    #[inline]
    pub(crate) fn count(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Virtual nanoseconds of a reduction.
const REDUCTION_TIME: u64 = 10;

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
    pub(crate) later: Mutex<FxHashMap<u64, Later>>,
    /// Bells of processes that belong to the host.
    pub(crate) hosts: Mutex<Hosts>,
    /// What workers share about scheduling.
    pub(crate) hub: Hub,
    /// Whether it is worth sharing processes.
    pub(crate) trials: Trials,
    /// The threads of workers that have been started and nobody has joined.
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    /// Threads for functions that block.
    pub(crate) blocking: Blocking,
    /// Time slices handed out, by worker.
    pub(crate) slices: Box<[Slices]>,
    /// What each worker has done.
    pub(crate) done: Box<[Done]>,
    /// The functions as the interpreter runs them.
    pub(crate) codes: Arc<Slab<CodeBlock>>,
    /// The main process, and how it ended.
    pub(crate) main: OnceLock<Pid>,
    pub(crate) main_end: Mutex<Option<(ExitReason, Option<Parcel>)>>,
    /// The clock, if time is virtual.
    pub(crate) virtual_now: AtomicU64,
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
    pub(crate) fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn lock_later(&self) -> MutexGuard<'_, FxHashMap<u64, Later>> {
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

    /// Tells the user, or the host, of a crash.
    pub(crate) fn crashed(&self, pid: Pid, crash: &Crash) {
        match &self.config.on_crash {
            Some(CrashHook(call)) => call(self, pid, crash),
            None => self.report(&crash.to_string()),
        }
    }

    /// Writes a warning.
    pub fn warn(&self, text: &str) {
        match &self.config.on_warning {
            Some(WarningHook(call)) => call(text),
            None => self.report(&format!("warning: {text}")),
        }
    }

    /// Writes a line of the debug trace.
    pub fn trace(&self, text: impl FnOnce() -> String) {
        if self.config.debug {
            self.report(&format!("[VM] {}", text()));
        }
    }

    /// The work of a slice takes its time, if time is virtual.
    #[inline]
    pub(crate) fn pass_time(&self, reductions: u64) {
        if self.config.virtual_time {
            self.virtual_now.fetch_add(reductions * REDUCTION_TIME, Ordering::Relaxed);
        }
    }

    /// Goes on to a time at which something happens, if time is virtual.
    pub(crate) fn jump_to(&self, time: u64) -> bool {
        if self.config.virtual_time {
            self.virtual_now.fetch_max(time, Ordering::Relaxed);
        }
        self.config.virtual_time
    }

    /// Time slices handed out.
    pub(crate) fn passes(&self) -> u64 {
        self.slices.iter().map(Slices::get).sum()
    }

    /// Is this the main process?
    pub(crate) fn is_main(&self, pid: Pid) -> bool {
        self.main.get() == Some(&pid)
    }

    /// Says how the main process has ended.
    pub(crate) fn main_ended(&self, reason: ExitReason, result: Option<Parcel>) {
        let mut end = self.main_end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        end.get_or_insert((reason, result));
    }

    /// Ends the run before its time: what still runs is killed.
    pub(crate) fn cut_off(&self) {
        self.main_ended(ExitReason::Killed, None);
        self.hub.stop();
    }

    /// Wakes the host, if the process belongs to it.
    #[cold]
    pub(crate) fn ring(&self, pid: Pid) {
        let hosts = self.hosts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let bell = hosts.get(&pid).cloned();
        drop(hosts);
        if let Some(bell) = bell {
            bell.ring();
        }
    }

    /// A number that no other reference of this run has.
    pub(crate) fn new_reference(&self) -> u64 {
        self.counters.references.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Nanoseconds since the machine started.
    pub fn now(&self) -> u64 {
        if self.config.virtual_time {
            return self.virtual_now.load(Ordering::Relaxed);
        }
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
