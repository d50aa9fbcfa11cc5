//! The hook for compilers: where a worker gets compiled code from. No implementation.

use crate::process::Process;
use crate::program::FuncId;
use crate::value::Value;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// How compiled code left.
pub const STATUS_RETURNED: u64 = 0;
/// Compiled code has written its frames and unwound; the worker knows or finds out why.
pub const STATUS_UNWOUND: u64 = 1;

/// Enters the record of a suspended call in compiled code: `(registers, process, entry) -> status`.
/// The result of a finished call is in [`Process::result`].
pub type EnterFn = unsafe extern "C" fn(*const Value, *mut Process, *const u8) -> u64;

/// A compiler of the running program. It is asked from several threads.
pub trait Compiler: Send + Sync {
    /// The stub through which a worker enters compiled code; there once any function is ready.
    fn enter(&self) -> Option<EnterFn>;

    /// Where a suspended call of `function` goes on; compiles it if need be. The code handles every
    /// resume point and lives as long as the compiler.
    fn resume_entry(&self, function: FuncId) -> Result<*const u8, String>;

    /// Where `function` is entered with a list of arguments: `(list) -> (status, value)` in the
    /// compiler's own convention. `None` if it is not compiled.
    fn list_entry(&self, function: FuncId) -> Option<*const u8>;

    /// For each function: how it may be run now, see [`Readiness`].
    fn readiness(&self) -> &[Readiness];

    /// The function has become hot in the interpreter: compiles it soon, on another thread.
    fn request(&self, function: FuncId);

    /// A check in compiled code of `function` has failed. Returns whether [`Compiler::resume_entry`]
    /// now gives other code.
    fn exited(&self, function: FuncId) -> bool;

    /// Words that the code looks up: addresses of literals and of library functions, method caches.
    fn table(&self) -> &[AtomicU64] {
        &[]
    }

    /// Why nothing is compiled any more, once.
    fn warning(&self) -> Option<String>;

    /// What the compiler has done, for reports.
    fn stats(&self) -> CompilerStats;
}

/// How a function may be run, as compilers tell workers.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    const COLD: u8 = 0;
    const READY: u8 = 1;
    const NEVER: u8 = 2;

    /// Of a function that is interpreted until it is hot.
    pub fn cold() -> Readiness {
        Readiness(AtomicU8::new(Readiness::COLD))
    }

    /// There is compiled code, or there will be as soon as it is asked for.
    pub fn set_ready(&self) {
        self.0.store(Readiness::READY, Ordering::Release);
    }

    /// There will be no compiled code.
    pub fn set_never(&self) {
        self.0.store(Readiness::NEVER, Ordering::Release);
    }

    /// Is there compiled code?
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == Readiness::READY
    }

    /// May there be compiled code later?
    pub fn is_cold(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Readiness::COLD
    }
}

/// When so many checks of a function have failed, it goes on in a form without checks.
pub const MAX_EXITS: u32 = 100;

/// What a compiler has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompilerStats {
    /// Functions compiled (each form counts).
    pub functions: u64,
    /// Bytecode instructions in them.
    pub instructions: u64,
    /// Bytes of machine code.
    pub code_bytes: u64,
    /// Time spent, in nanoseconds.
    pub nanoseconds: u64,
    /// Checks that have failed.
    pub exits: u64,
}
