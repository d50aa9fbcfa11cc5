//! The façade: from a package to a finished run.

use crate::atom::AtomTable;
use crate::bytecode::verify::VerifyError;
use crate::error::{ExitReason, Trap};
use crate::heap::copy::Parcel;
use crate::interp::code::CodeBlock;
use crate::ionpack::Package;
use crate::link::link_with_room;
use crate::natives::{NativeDef, Registry};
use crate::object::shape::ShapeTable;
use crate::ops::call;
use crate::process::Process;
use crate::process::owned::Owned;
use crate::process::table::{FreeSlots, ProcessTable};
use crate::program::Program;
use crate::sched::hub::Hub;
use crate::sched::report;
use crate::sched::trial::Done;
use crate::sched::worker::{MAX_SCHEDULERS, Worker};
use crate::system::{Config, Counters, Preempt, Sink, Slices, System};
use crate::tier::{Compiler, CompilerStats};
use crate::value::Value;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

/// A package that is linked and ready to be compiled or run.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The program.
    pub program: Arc<Program>,
    /// Its texts.
    pub atoms: Arc<AtomTable>,
    /// Its shapes.
    pub shapes: Arc<ShapeTable>,
}

impl Linked {
    /// Verifies and links a package; `registry` is what its library functions mean.
    pub fn new(package: &Package, registry: &Registry) -> Result<Linked, Vec<VerifyError>> {
        Linked::with_room(package, registry, 0)
    }

    /// As [`Linked::new`], with room for so many further functions: see [`crate::host::Machine::grow`].
    pub fn with_room(
        package: &Package,
        registry: &Registry,
        room: usize,
    ) -> Result<Linked, Vec<VerifyError>> {
        let (atoms, shapes) = (Arc::new(AtomTable::new()), Arc::new(ShapeTable::new()));
        let program = Arc::new(link_with_room(package, &atoms, &shapes, registry, room)?);
        Ok(Linked { program, atoms, shapes })
    }

    /// As [`Linked::new`], to compile a package whose host, or whose native libraries, will bring functions that
    /// `registry` does not have.
    pub fn with_unknown(
        package: &Package,
        registry: &Registry,
    ) -> Result<Linked, Vec<VerifyError>> {
        let linked = Linked::new(package, registry)?;
        let unknown = linked.program.natives.iter().filter(|native| native.def.is_none());
        let mut all = registry.clone();
        unknown.for_each(|native| all.add(NativeDef::unknown(&native.name)));
        Linked::new(package, &all)
    }
}

/// Where a run writes.
pub struct Outputs {
    /// The program's output.
    pub out: Sink,
    /// Warnings, crash reports, traces.
    pub err: Sink,
}

impl Outputs {
    /// Standard output and standard error. The output is buffered; the machine flushes it before
    /// it waits and when it ends.
    pub fn standard() -> Outputs {
        let out = std::io::BufWriter::with_capacity(8 << 10, std::io::stdout());
        Outputs { out: Mutex::new(Box::new(out)), err: Mutex::new(Box::new(std::io::stderr())) }
    }

    /// Two buffers that can be read afterwards.
    pub fn captured() -> (Outputs, Capture, Capture) {
        let (out, err) = (Capture::default(), Capture::default());
        let outputs = Outputs {
            out: Mutex::new(Box::new(out.clone())),
            err: Mutex::new(Box::new(err.clone())),
        };
        (outputs, out, err)
    }
}

/// A shared buffer of output.
#[derive(Clone, Debug, Default)]
pub struct Capture(Arc<Mutex<Vec<u8>>>);

impl Capture {
    /// What was written so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(|e| e.into_inner())).into_owned()
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How long a worker may take until it looks at its processes for somebody else.
const LOOK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Lets other threads look at a run and end it. Made before the run, and given to it in its settings.
#[derive(Debug, Default)]
pub struct Control {
    system: OnceLock<Weak<System>>,
    stopped: AtomicBool,
}

impl Control {
    /// Control of a run that has not begun.
    pub fn new() -> Arc<Control> {
        Arc::default()
    }

    fn system(&self) -> Option<Arc<System>> {
        self.system.get()?.upgrade()
    }

    /// Ends the run after the slices that its workers are in.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        if let Some(system) = self.system() {
            system.hub.stop();
        }
    }

    /// Was it asked to end?
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// What the processes are doing, a line each, by number; nothing if the run is over. Of processes that do
    /// not wait only little is known.
    pub fn processes(&self) -> Vec<String> {
        let Some(system) = self.system() else { return Vec::new() };
        if system.hub.is_open() {
            return report::processes(&system);
        }
        // Only workers may look at processes: one of them may be alone.
        let (sender, receiver) = std::sync::mpsc::channel();
        system.hub.ask_for_look(sender);
        receiver.recv_timeout(LOOK_TIMEOUT).unwrap_or_default()
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// How the main process ended.
    pub end: MainEnd,
    /// What was counted.
    pub stats: Stats,
    /// What the compiler did, if there was one.
    pub compiler: Option<CompilerStats>,
}

/// How the main process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum MainEnd {
    /// It returned; the text is as `Debug` shows it: `Number: 225`.
    Result(String),
    /// It crashed (the report went to the error output) or was killed.
    Failed(ExitReason),
    /// It waits for something that cannot happen; who waits for what.
    Deadlock(Vec<String>),
}

impl MainEnd {
    /// The exit status of the program: 0 only if the main process returned.
    pub fn status(&self) -> u8 {
        match self {
            MainEnd::Result(_) => 0,
            MainEnd::Failed(_) | MainEnd::Deadlock(_) => 1,
        }
    }
}

/// What a run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processes started.
    pub processes: u64,
    /// Time slices handed out.
    pub slices: u64,
    /// Reductions charged to processes that have ended.
    pub reductions: u64,
    /// Collections.
    pub collections: u64,
    /// Messages sent.
    pub messages: u64,
    /// Processes that crashed.
    pub crashes: u64,
}

/// Native stack of a worker: [`crate::process::MAX_FUEL`] nested calls of compiled functions.
const WORKER_STACK: usize = 256 << 20;

/// What all workers of a run share. `open`: it goes on without anything to run.
pub(crate) fn system(
    linked: &Linked,
    config: Config,
    compiler: Option<Arc<dyn Compiler>>,
    outputs: Outputs,
    open: bool,
) -> Arc<System> {
    let fused = is_fused(&config);
    let workers = config.schedulers.clamp(1, MAX_SCHEDULERS);
    linked.atoms.set_limit(config.max_atoms);
    Arc::new(System {
        program: linked.program.clone(),
        atoms: linked.atoms.clone(),
        shapes: linked.shapes.clone(),
        table: ProcessTable::default(),
        later: Default::default(),
        hosts: Default::default(),
        hub: Hub::new(workers, open),
        trials: Default::default(),
        threads: Default::default(),
        blocking: Default::default(),
        slices: (0..workers).map(|_| Slices::default()).collect(),
        done: (0..workers).map(|_| Done::default()).collect(),
        codes: Arc::new(CodeBlock::program(&linked.program, fused)),
        main: Default::default(),
        main_end: Default::default(),
        virtual_now: Default::default(),
        config,
        out: outputs.out,
        err: outputs.err,
        compiler,
        counters: Counters::default(),
        started: Instant::now(),
    })
}

/// Does the interpreter do several instructions in one step?
pub(crate) fn is_fused(config: &Config) -> bool {
    config.preempt == Preempt::Safepoint && !config.debug
}

/// Starts the first worker; the others when there is something for them to do.
pub(crate) fn start_workers(system: &Arc<System>) -> std::io::Result<()> {
    let weak = Arc::downgrade(system);
    system.hub.on_demand(move || {
        if let Some(system) = weak.upgrade() {
            // Without it, those that are there do all the work.
            let _ = start_worker(&system);
        }
    });
    start_worker(system)
}

fn start_worker(system: &Arc<System>) -> std::io::Result<()> {
    // The lock is held until the thread is in the list: who joins finds it there.
    let mut threads = system.lock_threads();
    let Some(id) = system.hub.next_worker() else { return Ok(()) };
    let own = system.clone();
    let thread = std::thread::Builder::new()
        .name(format!("ion-worker-{id}"))
        .stack_size(WORKER_STACK)
        .spawn(move || run_worker(&own, id));
    match thread {
        Ok(thread) => threads.push(thread),
        Err(error) if !system.hub.no_more_workers() => {
            system.hub.stop();
            return Err(error);
        }
        Err(_) => {}
    }
    Ok(())
}

fn run_worker(system: &Arc<System>, id: usize) {
    let worker = Box::new(Worker::new(system.clone(), Some(id), WORKER_STACK / 4 * 3));
    system.hub.arrive();
    let ran = catch_unwind(AssertUnwindSafe(|| worker.run()));
    if let Err(panic) = ran {
        // A defect of the machine: the other workers must not wait for ever.
        system.hub.stop();
        resume_unwind(panic);
    }
}

/// Waits until all workers have stopped.
pub(crate) fn join(system: &System) {
    let mut panic = None;
    loop {
        // One that still runs may start another.
        let Some(thread) = system.lock_threads().pop() else { break };
        panic = panic.or(thread.join().err());
    }
    system.blocking.stop();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Runs a linked program to its end.
///
/// `compiler` must be there if `config.engine` needs one.
pub fn run(
    linked: &Linked,
    config: Config,
    compiler: Option<Arc<dyn Compiler>>,
    outputs: Outputs,
    args: &[String],
) -> std::io::Result<Run> {
    crate::heap::pages::keep_freed_memory();
    let control = config.control.clone();
    let system = system(linked, config, compiler, outputs, false);
    if let Some(control) = &control {
        // A control serves one run; further ones go without.
        let _ = control.system.set(Arc::downgrade(&system));
        if control.is_stopped() {
            system.hub.stop();
        }
    }
    if let Err(trap) = start_main(&system, args) {
        let end = MainEnd::Failed(start_failure(trap));
        return Ok(Run { end, stats: Stats::default(), compiler: None });
    }
    start_workers(&system)?;
    join(&system);
    let main_end = system.main_end.lock().unwrap_or_else(|e| e.into_inner()).take();
    let end = match main_end {
        None if control.is_some_and(|control| control.is_stopped()) => {
            MainEnd::Failed(ExitReason::Killed)
        }
        None => MainEnd::Deadlock(report::waiting(&system)),
        Some((ExitReason::Normal, Some(Parcel { value, space }))) => {
            let text = crate::print::debug_text(&system, value);
            drop(space);
            MainEnd::Result(text)
        }
        Some((reason, _)) => MainEnd::Failed(reason),
    };
    let counters = &system.counters;
    let stats = Stats {
        processes: counters.processes.load(Ordering::Relaxed),
        slices: system.passes(),
        reductions: counters.reductions.load(Ordering::Relaxed),
        collections: counters.collections.load(Ordering::Relaxed),
        messages: counters.messages.load(Ordering::Relaxed),
        crashes: counters.crashes.load(Ordering::Relaxed),
    };
    let compiler = system.compiler.as_ref().map(|compiler| {
        if let Some(warning) = compiler.warning() {
            system.warn(&format!("cannot compile, so everything is interpreted: {warning}"));
        }
        compiler.stats()
    });
    Ok(Run { end, stats, compiler })
}

/// Makes the main process: the entry of the program with `args`.
fn start_main(system: &Arc<System>, args: &[String]) -> Result<(), Trap> {
    let limit = system.config.max_processes;
    let Some(pid) = system.table.allocate(limit, &FreeSlots::default(), false) else {
        return Err(Trap::TooManyProcesses { limit });
    };
    let number = system.counters.processes.fetch_add(1, Ordering::Relaxed) + 1;
    let config = &system.config;
    let mut main = Owned::new(Process::new(pid, number, config.max_heap, config.stress_collect));
    let entry = system.program.function(system.program.entry);
    let mut first = None;
    if entry.arity > 0 {
        let memory = |_| Trap::OutOfMemory { limit: config.max_heap };
        let texts: Result<Vec<Value>, _> =
            args.iter().map(|arg| main.heap.new_string(arg)).collect();
        let list = texts.and_then(|texts| main.heap.new_array(&texts)).map_err(memory)?;
        first = Some(list);
    }
    let (args, this) = (first.into_iter(), Value::UNDEFINED);
    let pushed =
        call::push_frame(&mut main.stack, &system.program, usize::MAX, entry.id, this, args);
    pushed.map_err(|_| main.out_of_memory())?;
    if system.program.is_linked(number) {
        system.table.remember_number(number, pid);
    }
    // It is the first: nobody else has set it.
    let _ = system.main.set(pid);
    system.table.start(main);
    system.hub.inject([pid]);
    Ok(())
}

fn start_failure(trap: Trap) -> ExitReason {
    let crash = crate::error::Crash {
        process: 1,
        trap,
        trace: Vec::new(),
        omitted: 0,
        name: None,
        links: Vec::new(),
    };
    ExitReason::Crash(Box::new(crash))
}
