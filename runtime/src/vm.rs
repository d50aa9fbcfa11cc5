//! The façade: from a package to a finished run.

use crate::atom::AtomTable;
use crate::bytecode::verify::VerifyError;
use crate::error::{ExitReason, Trap};
use crate::heap::copy::Parcel;
use crate::interp::code::CodeBlock;
use crate::ionpack::Package;
use crate::link::link;
use crate::natives::Registry;
use crate::object::shape::ShapeTable;
use crate::program::Program;
use crate::sched::worker::Worker;
use crate::system::{Config, Counters, Preempt, Sink, System};
use crate::tier::Compiler;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
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
        let (atoms, shapes) = (Arc::new(AtomTable::new()), Arc::new(ShapeTable::new()));
        let program = Arc::new(link(package, &atoms, &shapes, registry)?);
        Ok(Linked { program, atoms, shapes })
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

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// How the main process ended.
    pub end: MainEnd,
    /// What was counted.
    pub stats: Stats,
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
    /// Collections of processes that have ended.
    pub collections: u64,
    /// Messages sent.
    pub messages: u64,
}

/// Native stack of a worker: [`crate::process::MAX_FUEL`] nested calls of compiled functions.
const WORKER_STACK: usize = 256 << 20;

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
    let fused = config.preempt == Preempt::Safepoint && !config.debug;
    let system = Arc::new(System {
        program: linked.program.clone(),
        atoms: linked.atoms.clone(),
        shapes: linked.shapes.clone(),
        table: Default::default(),
        later: Default::default(),
        config,
        out: outputs.out,
        err: outputs.err,
        compiler,
        counters: Counters::default(),
        started: Instant::now(),
    });
    let args = args.to_vec();
    let worker = std::thread::Builder::new()
        .name("ion-worker".into())
        .stack_size(WORKER_STACK)
        .spawn(move || run_worker(&system, fused, &args))?;
    match worker.join() {
        Ok(run) => Ok(run),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run_worker(system: &Arc<System>, fused: bool, args: &[String]) -> Run {
    let codes = Arc::new(CodeBlock::program(&system.program, fused));
    let worker = Box::new(Worker::new(system.clone(), codes, WORKER_STACK / 4 * 3));
    let end = match worker.start_main(args) {
        Err(trap) => MainEnd::Failed(start_failure(trap)),
        Ok(()) => {
            let end = worker.run();
            match (end.main, end.result) {
                (None, _) => MainEnd::Deadlock(worker.waiting()),
                (Some(ExitReason::Normal), Some(Parcel { value, space })) => {
                    let text = crate::print::debug_text(system, value);
                    drop(space);
                    MainEnd::Result(text)
                }
                (Some(reason), _) => MainEnd::Failed(reason),
            }
        }
    };
    let counters = &system.counters;
    let stats = Stats {
        processes: counters.processes.load(Ordering::Relaxed),
        slices: counters.slices.load(Ordering::Relaxed),
        reductions: counters.reductions.load(Ordering::Relaxed),
        collections: counters.collections.load(Ordering::Relaxed),
        messages: counters.messages.load(Ordering::Relaxed),
    };
    Run { end, stats }
}

fn start_failure(trap: Trap) -> ExitReason {
    let crash = crate::error::Crash { process: 1, trap, trace: Vec::new(), omitted: 0 };
    ExitReason::Crash(Box::new(crash))
}
