//! Executable memory: the only file of this crate with `unsafe`.

use cranelift_jit::JITModule;
use ion_runtime::tier::EnterFn;
use memmap2::{Mmap, MmapOptions};
use std::fs::File;
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

/// Maps a part of a file to read it.
pub(crate) fn map_file(file: &File, start: u64, size: Option<u64>) -> std::io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(start);
    if let Some(size) = size {
        options.len(size as usize);
    }
    // SAFETY: the map is private; that nobody cuts the file short while it is used is what whoever
    // runs native code from it answers for (`image::load`).
    unsafe { options.map_copy_read_only(file) }
}

/// Machine code mapped from a file.
pub(crate) struct Mapped(Mmap);

/// Maps machine code of a file to run it.
pub(crate) fn map_code(file: &File, start: u64, size: usize) -> std::io::Result<Mapped> {
    // SAFETY: as in `map_file`.
    unsafe { MmapOptions::new().offset(start).len(size).map_exec(file) }.map(Mapped)
}

impl Mapped {
    /// The address of an offset, which must be inside.
    pub(crate) fn address(&self, offset: u32) -> *const u8 {
        &raw const self.0[offset as usize]
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
