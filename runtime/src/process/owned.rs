//! What a process is made of, in blocks of [`crate::heap::blocks`]: itself and the words of its stack.

use super::Process;
use crate::heap::blocks;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A process and its memory, like a `Box`.
#[derive(Debug)]
pub(crate) struct Owned(NonNull<Process>);

const BYTES: usize = size_of::<Process>().div_ceil(16) * 16;
const _: () = assert!(align_of::<Process>() <= 16);

// SAFETY: it owns the process, which may go to another thread.
unsafe impl Send for Owned {}

impl Owned {
    pub(crate) fn new(process: Process) -> Owned {
        let block = blocks::take(BYTES).cast::<Process>();
        // SAFETY: the block is fresh, aligned to 16 and long enough.
        unsafe { block.write(process) };
        // SAFETY: blocks are not null.
        Owned(unsafe { NonNull::new_unchecked(block) })
    }
}

impl Deref for Owned {
    type Target = Process;

    #[inline(always)]
    fn deref(&self) -> &Process {
        // SAFETY: it owns the process.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Owned {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Process {
        // SAFETY: it owns the process.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it owns the process and the block, which was taken with this size.
        unsafe {
            self.0.drop_in_place();
            blocks::give(self.0.as_ptr().cast(), BYTES);
        }
    }
}

/// A growing row of words, like a `Vec<u64>`, all of whose memory is initialised.
#[derive(Debug)]
pub(super) struct Words {
    start: NonNull<u64>,
    len: u32,
    capacity: u32,
}

// SAFETY: it owns its memory.
unsafe impl Send for Words {}
// SAFETY: it changes only by `&mut`.
unsafe impl Sync for Words {}

impl Default for Words {
    fn default() -> Words {
        Words { start: NonNull::dangling(), len: 0, capacity: 0 }
    }
}

impl Words {
    #[inline(always)]
    pub(super) fn capacity(&self) -> usize {
        self.capacity as usize
    }

    #[inline(always)]
    pub(super) fn as_mut_ptr(&mut self) -> *mut u64 {
        self.start.as_ptr()
    }

    /// Sets how many words are in use: no more than the capacity.
    #[inline(always)]
    pub(super) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        self.len = len as u32;
    }

    #[inline(always)]
    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.len = len as u32;
        }
    }

    /// Adds `count` words, all `fill`.
    #[inline(always)]
    pub(super) fn fill(&mut self, count: usize, fill: u64) {
        let start = self.extend(count);
        // SAFETY: `extend` has made room for so many words there.
        unsafe { std::slice::from_raw_parts_mut(start, count) }.fill(fill);
    }

    #[inline(always)]
    pub(super) fn extend_from_slice(&mut self, words: &[u64]) {
        let start = self.extend(words.len());
        // SAFETY: `extend` has made room for so many words there.
        unsafe { start.copy_from_nonoverlapping(words.as_ptr(), words.len()) };
    }

    /// Makes the row longer; gives the first of the new words.
    #[inline(always)]
    fn extend(&mut self, count: usize) -> *mut u64 {
        let old = self.len();
        if self.capacity() - old < count {
            assert!(self.set_capacity((old + count).max(2 * old)), "the row is too long");
        }
        self.len += count as u32;
        // SAFETY: the memory is at least `len` words long.
        unsafe { self.start.as_ptr().add(old) }
    }

    /// Makes room for so many words in all, which are no fewer than those in use; false if that is too much.
    #[cold]
    pub(super) fn set_capacity(&mut self, capacity: usize) -> bool {
        debug_assert!(capacity >= self.len());
        let bytes = blocks::rounded(capacity.saturating_mul(8));
        let Ok(capacity) = u32::try_from(bytes / 8) else { return false };
        let mut start = NonNull::dangling();
        if bytes > 0 {
            let block = blocks::take(bytes).cast::<u64>();
            // SAFETY: the block is fresh and so long; old and new memory hold at least `len` words.
            unsafe {
                block.copy_from_nonoverlapping(self.start.as_ptr(), self.len());
                block.add(self.len()).write_bytes(0, capacity as usize - self.len());
                start = NonNull::new_unchecked(block);
            }
        }
        self.free();
        (self.start, self.capacity) = (start, capacity);
        true
    }

    fn free(&mut self) {
        if self.capacity > 0 {
            // SAFETY: the block was taken with this size, and nobody uses it any more.
            unsafe { blocks::give(self.start.as_ptr().cast(), self.capacity() * 8) };
        }
    }
}

impl Deref for Words {
    type Target = [u64];

    #[inline(always)]
    fn deref(&self) -> &[u64] {
        // SAFETY: it owns so many initialised words.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

impl DerefMut for Words {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u64] {
        // SAFETY: it owns so many initialised words.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.free();
    }
}
