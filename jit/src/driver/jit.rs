//! Compiling into memory.

use crate::code;
use crate::inline::Limits;
use crate::ir::Form;
use crate::module::{CompileError, Listing, Piece, ProgramCompiler};
use crate::points::Mode;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use ion_runtime::program::FuncId;
use ion_runtime::system::{Config, Preempt};
use ion_runtime::tier::{Compiler, CompilerStats, EnterFn, MAX_EXITS, Readiness};
use ion_runtime::vm::Linked;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Address space reserved for code. Only what is written takes memory.
const CODE_SPACE: usize = 1 << 30;

/// A program compiled into memory, function by function. The forms in which suspended calls go on are
/// compiled when they are first needed.
pub struct Jit {
    inner: Mutex<Inner>,
    enter: EnterFn,
    /// Addresses of entries for lists; 0: not compiled.
    list_entries: Vec<AtomicUsize>,
    readiness: Arc<[Readiness]>,
}

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
/// `unwind`: with information for debuggers.
pub fn flags(unwind: bool) -> Result<settings::Flags, CompileError> {
    let mut builder = settings::builder();
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "speed"),
        ("enable_pinned_reg", "true"),
        // Tail calls on x86-64 need it, and profilers like it.
        ("preserve_frame_pointers", "true"),
        ("enable_verifier", verify),
        ("unwind_info", if unwind { "true" } else { "false" }),
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
        let functions = linked.program.functions.len();
        let readiness: Arc<[Readiness]> = (0..functions).map(|_| Readiness::cold()).collect();
        let jit = Jit::prepare(linked, config, readiness)?;
        let functions = linked.program.functions.iter();
        let all = functions.filter(|function| function.bytecode().is_some());
        jit.compile(&all.map(|function| function.id).collect::<Vec<_>>())?;
        Ok(jit)
    }

    /// Analyses a program and compiles nothing yet. `readiness`: one for each function, cold.
    pub fn prepare(
        linked: &Linked,
        config: &Config,
        readiness: Arc<[Readiness]>,
    ) -> Result<Jit, CompileError> {
        let started = Instant::now();
        let text = |error: &dyn std::fmt::Display| CompileError(error.to_string());
        let isa = cranelift_native::builder()
            .map_err(|error| text(&error))?
            .finish(flags(false)?)
            .map_err(|error| text(&error))?;
        let mut builder = JITBuilder::with_isa(isa, cranelift_module::default_libcall_names());
        let memory = ArenaMemoryProvider::new_with_size(CODE_SPACE)
            .map_err(|error| CompileError(format!("no memory for code: {error}")))?;
        builder.memory_provider(Box::new(memory));
        let mut module = JITModule::new(builder);
        let mode = mode_of(config);
        let mut compiler =
            ProgramCompiler::new(linked, mode, Limits::default(), config.debug, config.open);
        compiler.define_all(&mut module, Piece::Enter)?;
        let enter = compiler.declare(&mut module, Piece::Enter)?;
        module.finalize_definitions()?;
        let enter = code::enter_fn(module.get_finalized_function(enter));
        for (func, readiness) in (0..).map(FuncId).zip(readiness.iter()) {
            if compiler.missing(func).is_some() {
                readiness.set_never();
            }
        }
        let functions = readiness.len();
        let inner = Inner {
            module: ManuallyDrop::new(module),
            compiler,
            resume: vec![None; functions],
            exits: vec![0; functions],
            time: started.elapsed(),
        };
        let list_entries = (0..functions).map(|_| AtomicUsize::new(0)).collect();
        Ok(Jit { inner: Mutex::new(inner), enter, list_entries, readiness })
    }

    /// Compiles functions, and those that they call directly, unless that has been done.
    pub fn compile(&self, functions: &[FuncId]) -> Result<(), CompileError> {
        let inner = &mut *self.lock();
        let started = Instant::now();
        let mut entries = Vec::new();
        let mut lists = Vec::new();
        for &func in functions {
            entries.extend(inner.compiler.define_all(&mut *inner.module, Piece::Entry(func))?);
        }
        // Whatever has an entry can be called with a list.
        for piece in entries {
            let Piece::Entry(func) = piece else { continue };
            inner.compiler.define_all(&mut *inner.module, Piece::List(func))?;
            lists.push((func, inner.compiler.declare(&mut *inner.module, Piece::List(func))?));
        }
        inner.module.finalize_definitions()?;
        for (func, list) in lists {
            let address = inner.module.get_finalized_function(list) as usize;
            self.list_entries[func.0 as usize].store(address, Ordering::Release);
            match inner.compiler.missing(func) {
                None => self.readiness[func.0 as usize].set_ready(),
                Some(_) => self.readiness[func.0 as usize].set_never(),
            }
        }
        inner.time += started.elapsed();
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A function's form in every step of its compilation.
    pub fn listing(&self, func: FuncId, form: Form) -> Result<Listing, CompileError> {
        let inner = &mut *self.lock();
        inner.compiler.listing(&mut *inner.module, func, form)
    }
}

impl Compiler for Jit {
    fn enter(&self) -> Option<EnterFn> {
        Some(self.enter)
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
        let made = inner.compiler.define_all(&mut *inner.module, piece).and_then(|_| {
            let id = inner.compiler.declare(&mut *inner.module, piece)?;
            Ok((id, inner.module.finalize_definitions()?))
        });
        let (id, ()) = made.map_err(|error| error.to_string())?;
        let address = inner.module.get_finalized_function(id);
        inner.resume[function.0 as usize] = Some(CodeAddress(address as usize));
        inner.time += started.elapsed();
        Ok(address)
    }

    fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        let address = self.list_entries[function.0 as usize].load(Ordering::Acquire);
        (address != 0).then_some(address as *const u8)
    }

    fn readiness(&self) -> &[Readiness] {
        &self.readiness
    }

    fn request(&self, _: FuncId) {}

    fn warning(&self) -> Option<String> {
        None
    }

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
            exits: inner.exits.iter().map(|&exits| u64::from(exits)).sum(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nothing runs the code any more, because every run holds the compiler alive.
        code::free(&mut self.module);
    }
}
