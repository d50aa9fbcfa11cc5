//! Telling debuggers about mapped images: the interface by which GDB and LLDB learn of code that programs make
//! ("JIT Compilation Interface" in GDB's manual).
//!
//! A debugger sets a breakpoint at [`__jit_debug_register_code`] and reads the list behind
//! [`__jit_debug_descriptor`]. The files in it say at which addresses their sections are, so an image gets a
//! copy of itself, on private pages, in which the addresses are put right.

use memmap2::MmapMut;
use object::elf::{FileHeader64, ProgramHeader64, SHF_ALLOC, SHT_SYMTAB, SectionHeader64, Sym64};
use object::endian::{LittleEndian, U64};
use std::ptr::{addr_of_mut, null_mut};
use std::sync::{Mutex, MutexGuard};

/// `jit_code_entry` of the interface: an element of a doubly linked list.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    file: *const u8,
    size: u64,
}

/// `jit_descriptor` of the interface.
#[repr(C)]
pub struct Descriptor {
    version: u32,
    /// 0: nothing, 1: the relevant entry is new, 2: it goes.
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

/// What debuggers read; written under [`LOCK`].
#[unsafe(no_mangle)]
pub static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: 0, relevant: null_mut(), first: null_mut() };

static LOCK: Mutex<()> = Mutex::new(());

/// Where debuggers stop to look at the list.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn __jit_debug_register_code() {
    // The call must not be optimised away: that it happens is what it does.
    std::hint::black_box(&raw mut __jit_debug_descriptor);
}

fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// An image that debuggers know of, until this is dropped.
pub(crate) struct Registered {
    entry: *mut Entry,
    _copy: MmapMut,
}

// SAFETY: the entry is only used under the lock, and when this is dropped.
unsafe impl Send for Registered {}
// SAFETY: as above; there is nothing to be done with a shared one.
unsafe impl Sync for Registered {}

impl Registered {
    /// Registers the file in `copy`, whose text, at the offset `text` in it, is mapped at `address`. `None`: its
    /// sections are not where they should be; debuggers then see addresses without names.
    pub(crate) fn new(mut copy: MmapMut, text: u64, address: u64) -> Option<Registered> {
        relocate(&mut copy, address.wrapping_sub(text))?;
        let (file, size) = (copy.as_ptr(), copy.len() as u64);
        let entry = Entry { next: null_mut(), previous: null_mut(), file, size };
        let entry = Box::into_raw(Box::new(entry));
        let _guard = lock();
        // SAFETY: the descriptor and all entries in its list are only touched under the lock, and entries
        // are in the list exactly as long as they live.
        unsafe {
            let descriptor = addr_of_mut!(__jit_debug_descriptor);
            (*entry).next = (*descriptor).first;
            if let Some(next) = (*entry).next.as_mut() {
                next.previous = entry;
            }
            ((*descriptor).first, (*descriptor).relevant, (*descriptor).action) = (entry, entry, 1);
        }
        __jit_debug_register_code();
        Some(Registered { entry, _copy: copy })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _guard = lock();
        // SAFETY: as in `new`; the entry comes from a `Box`, and nobody has it any more when it is out of the
        // list and the debugger has been told.
        unsafe {
            let descriptor = addr_of_mut!(__jit_debug_descriptor);
            let (next, previous) = ((*self.entry).next, (*self.entry).previous);
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => (*descriptor).first = next,
            }
            ((*descriptor).relevant, (*descriptor).action) = (self.entry, 2);
            __jit_debug_register_code();
            ((*descriptor).relevant, (*descriptor).action) = (null_mut(), 0);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// Adds `by` to the addresses of all segments, sections that are mapped, and symbols.
fn relocate(file: &mut [u8], by: u64) -> Option<()> {
    let endian = LittleEndian;
    let moved = |address: &mut U64<LittleEndian>| {
        *address = U64::new(endian, address.get(endian).wrapping_add(by));
    };
    let (header, _) = object::pod::from_bytes::<FileHeader64<LittleEndian>>(file).ok()?;
    let (start, count) = (header.e_shoff.get(endian), header.e_shnum.get(endian));
    let (segments, segment_count) = (header.e_phoff.get(endian), header.e_phnum.get(endian));
    let segments = file.get_mut(usize::try_from(segments).ok()?..)?;
    let (segments, _) = object::pod::slice_from_bytes_mut::<ProgramHeader64<LittleEndian>>(
        segments,
        usize::from(segment_count),
    )
    .ok()?;
    for segment in segments {
        moved(&mut segment.p_vaddr);
        moved(&mut segment.p_paddr);
    }
    let sections = file.get_mut(usize::try_from(start).ok()?..)?;
    let (sections, _) = object::pod::slice_from_bytes_mut::<SectionHeader64<LittleEndian>>(
        sections,
        usize::from(count),
    )
    .ok()?;
    let mut symbols = Vec::new();
    for section in sections {
        if section.sh_flags.get(endian).0 & SHF_ALLOC.0 != 0 {
            moved(&mut section.sh_addr);
        }
        if section.sh_type.get(endian) == SHT_SYMTAB {
            symbols.push((section.sh_offset.get(endian), section.sh_size.get(endian)));
        }
    }
    for (start, size) in symbols {
        let bytes = file.get_mut(usize::try_from(start).ok()?..)?;
        let count = usize::try_from(size).ok()? / size_of::<Sym64<LittleEndian>>();
        let (list, _) =
            object::pod::slice_from_bytes_mut::<Sym64<LittleEndian>>(bytes, count).ok()?;
        // The first one is none.
        list.iter_mut().skip(1).for_each(|symbol| moved(&mut symbol.st_value));
    }
    Some(())
}
