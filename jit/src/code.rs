//! Executable memory: the only file of this crate with `unsafe`.

use cranelift_jit::JITModule;
use ion_runtime::tier::EnterFn;
use std::mem::ManuallyDrop;

/// The address of the enter stub as a function.
pub(crate) fn enter_fn(address: *const u8) -> EnterFn {
    // SAFETY: the stub was compiled with the signature `abi::enter`, which is `EnterFn`'s.
    unsafe { std::mem::transmute::<*const u8, EnterFn>(address) }
}

/// Frees a module with all its code. Called once, when its owner is dropped.
pub(crate) fn free(module: &mut ManuallyDrop<JITModule>) {
    // SAFETY: the owner is being dropped, so the module is taken only once, and no code of it runs
    // or will run: a run holds its compiler for as long as it lasts.
    unsafe { ManuallyDrop::take(module).free_memory() }
}
