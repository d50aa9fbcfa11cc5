//! The hook for compilers: where a worker gets compiled code from. No implementation.

use crate::process::Process;
use crate::program::FuncId;
use crate::value::Value;

/// How compiled code left.
pub const STATUS_RETURNED: u64 = 0;
/// Compiled code has written its frames and unwound; the worker knows or finds out why.
pub const STATUS_UNWOUND: u64 = 1;

/// Enters the record of a suspended call in compiled code: `(registers, process, entry) -> status`.
/// The result of a finished call is in [`Process::result`].
pub type EnterFn = unsafe extern "C" fn(*const Value, *mut Process, *const u8) -> u64;

/// A compiler of the running program. It is asked from several threads.
pub trait Compiler: Send + Sync {
    /// The stub through which a worker enters compiled code.
    fn enter(&self) -> EnterFn;

    /// Where a suspended call of `function` goes on; compiles it if need be. The code handles every
    /// resume point and lives as long as the compiler.
    fn resume_entry(&self, function: FuncId) -> Result<*const u8, String>;

    /// Where `function` is entered with a list of arguments: `(list) -> (status, value)` in the
    /// compiler's own convention. `None` if it is not compiled.
    fn list_entry(&self, function: FuncId) -> Option<*const u8>;

    /// What the compiler has done, for reports.
    fn stats(&self) -> CompilerStats;
}

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
}
