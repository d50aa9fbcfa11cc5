//! Mapped files, and machine code in them: with `debugger`, the only file of this crate with `unsafe`.

use ion_runtime::tier::EnterFn;
use memmap2::{Mmap, MmapMut, MmapOptions};
use std::fs::File;

/// The address of the enter stub as a function.
pub(crate) fn enter_fn(address: *const u8) -> EnterFn {
    // SAFETY: it is the first piece of an image, which was compiled with the signature of `EnterFn`;
    // that it still is what was compiled, whoever runs native code answers for (`load`).
    unsafe { std::mem::transmute::<*const u8, EnterFn>(address) }
}

/// Maps a part of a file to read it and to run the code in it.
pub(crate) fn map_file(file: &File, start: u64, size: Option<u64>) -> std::io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(start);
    if let Some(size) = size {
        options.len(size as usize);
    }
    // SAFETY: that nobody changes the file while it is used is what whoever
    // runs native code from it answers for (`load`).
    unsafe { options.map_exec(file) }
}

/// Maps a part of a file so that changes are not seen by anybody else.
pub(crate) fn map_own(file: &File, start: u64, size: usize) -> std::io::Result<MmapMut> {
    // SAFETY: as in `map_file`.
    unsafe { MmapOptions::new().offset(start).len(size).map_copy(file) }
}
