//! Compiling into memory.

use crate::code;
use crate::inline::Limits;
use crate::ir::Form;
use crate::module::{CompileError, Piece, ProgramCompiler};
use crate::points::Mode;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use ion_runtime::program::FuncId;
use ion_runtime::system::{Config, Preempt};
use ion_runtime::tier::{Compiler, CompilerStats, EnterFn, Readiness};
use ion_runtime::vm::Linked;
use std::mem::ManuallyDrop;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Address space reserved for code. Only what is written takes memory.
const CODE_SPACE: usize = 1 << 30;

/// A program compiled into memory. Functions are compiled when it is made, the forms in which
/// suspended calls go on when they are first needed.
pub struct Jit {
    inner: Mutex<Inner>,
    enter: EnterFn,
    list_entries: Vec<Option<CodeAddress>>,
    readiness: Vec<Readiness>,
}

/// So many checks may fail in a function before it is compiled without.
const MAX_EXITS: u32 = 100;

/// An address of compiled code.
#[derive(Clone, Copy)]
struct CodeAddress(usize);

struct Inner {
    /// Always there until it is dropped.
    module: ManuallyDrop<JITModule>,
    compiler: ProgramCompiler,
    resume: Vec<Option<CodeAddress>>,
    /// Failed checks by function.
    exits: Vec<u32>,
    time: Duration,
}

impl std::fmt::Debug for Jit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jit").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// How the code of a run may be preempted.
pub fn mode_of(config: &Config) -> Mode {
    match config.preempt {
        Preempt::Safepoint => Mode::Safepoint,
        Preempt::Instruction => Mode::Instruction,
    }
}

/// Settings of the code generator that both drivers share.
pub fn flags() -> Result<settings::Flags, CompileError> {
    let mut builder = settings::builder();
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "speed"),
        ("enable_pinned_reg", "true"),
        // Tail calls on x86-64 need it, and profilers like it.
        ("preserve_frame_pointers", "true"),
        ("enable_verifier", verify),
        ("unwind_info", "false"),
        ("is_pic", "false"),
        // Stacks are sized for the deepest chain of calls; see `lower/control.rs`.
        ("enable_probestack", "false"),
    ] {
        builder.set(name, value).map_err(|error| CompileError(error.to_string()))?;
    }
    Ok(settings::Flags::new(builder))
}

impl Jit {
    /// Compiles all functions of a program for a run with these settings.
    pub fn new(linked: &Linked, config: &Config) -> Result<Jit, CompileError> {
        let started = Instant::now();
        let text = |error: &dyn std::fmt::Display| CompileError(error.to_string());
        let isa = cranelift_native::builder()
            .map_err(|error| text(&error))?
            .finish(flags()?)
            .map_err(|error| text(&error))?;
        let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
        let memory = ArenaMemoryProvider::new_with_size(CODE_SPACE)
            .map_err(|error| CompileError(format!("no memory for code: {error}")))?;
        builder.memory_provider(Box::new(memory));
        let mut module = JITModule::new(builder);
        let mode = mode_of(config);
        let mut compiler =
            ProgramCompiler::new(linked, mode, Limits::default(), config.debug, true, config.open);
        let pieces = compiler.eager_pieces();
        let mut lists = Vec::new();
        let mut enter = None;
        for piece in pieces {
            let mut made = compiler.define(&mut module, piece);
            if let (Err(error), Piece::Entry(func)) = (&made, piece) {
                // Too much for the code generator: calls of it go to the interpreter, which says so.
                compiler.give_up(func, error.to_string());
                made = compiler.define(&mut module, piece);
            }
            let id = made?;
            match piece {
                Piece::Enter => enter = Some(id),
                Piece::List(func) => lists.push((func, id)),
                _ => {}
            }
        }
        module.finalize_definitions()?;
        let mut list_entries = vec![None; linked.program.functions.len()];
        for (func, id) in lists {
            let address = module.get_finalized_function(id) as usize;
            list_entries[func.0 as usize] = Some(CodeAddress(address));
        }
        let enter = enter.ok_or_else(|| CompileError("no enter stub".into()))?;
        let enter = code::enter_fn(module.get_finalized_function(enter));
        let resume = vec![None; linked.program.functions.len()];
        let time = started.elapsed();
        let exits = vec![0; resume.len()];
        let readiness: Vec<Readiness> = resume.iter().map(|_| Readiness::cold()).collect();
        for (func, readiness) in (0..).map(FuncId).zip(&readiness) {
            match compiler.missing(func) {
                None => readiness.set_ready(),
                Some(_) => readiness.set_never(),
            }
        }
        let inner =
            Inner { module: ManuallyDrop::new(module), compiler, resume, exits, time };
        Ok(Jit { inner: Mutex::new(inner), enter, list_entries, readiness })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The Cranelift IR of a function.
    pub fn clif(&self, func: FuncId, form: Form) -> Result<String, CompileError> {
        let inner = &mut *self.lock();
        inner.compiler.clif(&mut *inner.module, func, form)
    }

    /// The SSA form of a function.
    pub fn ssa(&self, func: FuncId, form: Form) -> Result<String, CompileError> {
        Ok(self.lock().compiler.ssa(func, form)?.to_string())
    }
}

impl Compiler for Jit {
    fn enter(&self) -> EnterFn {
        self.enter
    }

    fn resume_entry(&self, function: FuncId) -> Result<*const u8, String> {
        let inner = &mut *self.lock();
        if let Some(address) = inner.resume[function.0 as usize] {
            return Ok(address.0 as *const u8);
        }
        let started = Instant::now();
        let piece = match inner.exits[function.0 as usize] < MAX_EXITS {
            true => Piece::Resume(function),
            false => Piece::Unchecked(function),
        };
        let made = inner
            .compiler
            .define(&mut *inner.module, piece)
            .and_then(|id| Ok((id, inner.module.finalize_definitions()?)));
        let (id, ()) = made.map_err(|error| error.to_string())?;
        let address = inner.module.get_finalized_function(id);
        inner.resume[function.0 as usize] = Some(CodeAddress(address as usize));
        inner.time += started.elapsed();
        Ok(address)
    }

    fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        self.list_entries[function.0 as usize].map(|address| address.0 as *const u8)
    }

    fn readiness(&self) -> &[Readiness] {
        &self.readiness
    }

    fn request(&self, _: FuncId) {}

    fn exited(&self, function: FuncId) -> bool {
        let inner = &mut *self.lock();
        let exits = &mut inner.exits[function.0 as usize];
        *exits += 1;
        if *exits < MAX_EXITS {
            return false;
        }
        if *exits == MAX_EXITS {
            inner.compiler.stop_checking(function);
            inner.resume[function.0 as usize] = None;
        }
        true
    }

    fn stats(&self) -> CompilerStats {
        let inner = self.lock();
        CompilerStats {
            functions: inner.compiler.functions,
            instructions: inner.compiler.instructions,
            code_bytes: inner.compiler.code_bytes,
            nanoseconds: inner.time.as_nanos() as u64,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nothing runs the code any more, because every run holds the compiler alive.
        code::free(&mut self.module);
    }
}
