//! Blocks of a few words, of which there are millions: processes and their stacks.
//!
//! The allocator of the C library would take most of the time in which a small process is made and ends, and
//! much of the rest goes into pages of 4 KiB that are touched for the first time. So blocks are cut from *slabs*, in the
//! order of their addresses, and the larger slabs are made of large pages where the system has them. A block that is
//! given back is kept for the next one of its size, by the thread that gave it back: in lists of at most
//! [`BATCH`] blocks, which go from thread to thread as a whole. Slabs never go back to the system.
//!
//! Blocks of more than [`MAX`] bytes come from the allocator of the program.

use super::pages;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Sizes of blocks are multiples of this.
const STEP: usize = 16;

/// The largest block that comes from a slab.
pub(crate) const MAX: usize = 512;

/// Blocks are of one of so many sizes.
const SIZES: usize = MAX / STEP + 1;

/// So many blocks go from one thread to another at a time.
const BATCH: usize = 256;

/// The first slab of a thread, and the largest; each is twice as large as the one before.
const FIRST_SLAB: usize = 64 << 10;
const MAX_SLAB: usize = 8 << 20;

/// A block that nobody uses: two words of it.
struct Free {
    next: *mut Free,
    /// In the first block of a list that belongs to no thread: the first one of the next such list.
    next_list: *mut Free,
}

/// Blocks of one size that nobody uses.
#[derive(Clone, Copy)]
struct List {
    first: *mut Free,
    len: usize,
}

const EMPTY: List = List { first: null_mut(), len: 0 };

impl List {
    fn pop(&mut self) -> Option<*mut u8> {
        let block = self.first;
        if block.is_null() {
            return None;
        }
        // SAFETY: blocks in a list are owned by it, and `next` is written.
        self.first = unsafe { (*block).next };
        self.len -= 1;
        Some(block.cast())
    }

    /// The list takes over `block`, which is at least as long as [`Free`] and aligned for it.
    fn push(&mut self, block: *mut u8) {
        let block = block.cast::<Free>();
        // SAFETY: the block is owned memory of the right size.
        unsafe { block.write(Free { next: self.first, next_list: null_mut() }) };
        self.first = block;
        self.len += 1;
    }
}

/// Memory from which blocks are cut.
#[derive(Clone, Copy)]
struct Slab {
    next: usize,
    end: usize,
}

/// What one thread keeps.
struct Cache {
    /// By size: the list in use, and one that is full or empty.
    lists: [[List; 2]; SIZES],
    slab: Slab,
    /// The size of the next slab.
    next_slab: usize,
}

/// What belongs to no thread.
struct Shared {
    /// By size: lists, linked by their first blocks.
    lists: [*mut Free; SIZES],
    slabs: Vec<Slab>,
}

// SAFETY: blocks and slabs in it are owned by it, and refer to no thread.
unsafe impl Send for Shared {}

static SHARED: Mutex<Shared> = Mutex::new(Shared { lists: [null_mut(); SIZES], slabs: Vec::new() });

/// Lists and slabs in `SHARED`, for a look without the lock.
static SHARED_COUNT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CACHE: RefCell<Cache> = const {
        RefCell::new(Cache {
            lists: [[EMPTY; 2]; SIZES],
            slab: Slab { next: 0, end: 0 },
            next_slab: FIRST_SLAB,
        })
    };
}

fn shared() -> MutexGuard<'static, Shared> {
    // Nothing that can panic runs under the lock.
    SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn share(size: usize, list: List) {
    if list.first.is_null() {
        return;
    }
    let mut shared = shared();
    // SAFETY: the list is owned, and its first block is one of its blocks.
    unsafe { (*list.first).next_list = shared.lists[size] };
    shared.lists[size] = list.first;
    SHARED_COUNT.fetch_add(1, Ordering::Relaxed);
}

fn take_shared(size: usize) -> List {
    if SHARED_COUNT.load(Ordering::Relaxed) == 0 {
        return EMPTY;
    }
    let mut shared = shared();
    let first = shared.lists[size];
    if first.is_null() {
        return EMPTY;
    }
    // SAFETY: lists in `SHARED` are owned by it, and the first block says which is the next.
    shared.lists[size] = unsafe { (*first).next_list };
    SHARED_COUNT.fetch_sub(1, Ordering::Relaxed);
    drop(shared);
    let (mut len, mut block) = (0, first);
    while !block.is_null() {
        len += 1;
        // SAFETY: as for `pop`.
        block = unsafe { (*block).next };
    }
    List { first, len }
}

fn new_slab(size: usize) -> Slab {
    // Large slabs are made of large pages.
    let align = if size > pages::LARGE { pages::LARGE } else { STEP };
    let layout = Layout::from_size_align(size, align).expect("slabs are small multiples");
    // SAFETY: the size is not 0.
    let start = unsafe { alloc(layout) };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    if align == pages::LARGE {
        // SAFETY: the slab is ours, so long, and begins where it was asked to.
        unsafe { pages::prefer_large(start, size) };
    }
    Slab { next: start as usize, end: start as usize + size }
}

impl Cache {
    #[inline]
    fn take(&mut self, size: usize) -> *mut u8 {
        match self.lists[size][0].pop() {
            Some(block) => block,
            None => self.refill(size),
        }
    }

    #[inline(never)]
    fn refill(&mut self, size: usize) -> *mut u8 {
        let [list, other] = &mut self.lists[size];
        std::mem::swap(list, other);
        if list.first.is_null() {
            *list = take_shared(size);
        }
        match list.pop() {
            Some(block) => block,
            None => self.cut(size * STEP),
        }
    }

    fn cut(&mut self, bytes: usize) -> *mut u8 {
        if self.slab.end - self.slab.next < bytes {
            // What is left of the old one is lost: less than a block.
            self.slab = shared().slabs.pop().unwrap_or(Slab { next: 0, end: 0 });
        }
        if self.slab.end - self.slab.next < bytes {
            self.slab = new_slab(self.next_slab);
            self.next_slab = (self.next_slab * 2).min(MAX_SLAB);
        }
        let block = self.slab.next;
        self.slab.next += bytes;
        block as *mut u8
    }

    #[inline]
    fn give(&mut self, block: *mut u8, size: usize) {
        let [list, other] = &mut self.lists[size];
        if list.len >= BATCH {
            std::mem::swap(list, other);
            if list.len > 0 {
                share(size, std::mem::replace(list, EMPTY));
            }
        }
        list.push(block);
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (size, lists) in self.lists.iter().enumerate() {
            lists.iter().for_each(|list| share(size, *list));
        }
        shared().slabs.push(self.slab);
    }
}

/// The layout of a block that comes from no slab.
fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, STEP).expect("memory limits are far below")
}

/// How many bytes a block for `bytes` bytes has.
pub(crate) fn rounded(bytes: usize) -> usize {
    bytes.div_ceil(STEP) * STEP
}

/// A block of `bytes` bytes, aligned to 16; `bytes` is a result of [`rounded`] and not 0.
#[inline]
pub(crate) fn take(bytes: usize) -> *mut u8 {
    if bytes <= MAX {
        let size = bytes / STEP;
        let taken = CACHE.try_with(|cache| cache.borrow_mut().take(size));
        // A thread that ends has no cache any more.
        return taken.unwrap_or_else(|_| new_slab(bytes).next as *mut u8);
    }
    // SAFETY: the size is not 0.
    let block = unsafe { alloc(layout(bytes)) };
    if block.is_null() {
        handle_alloc_error(layout(bytes));
    }
    block
}

/// Takes back a block.
///
/// # Safety
/// `block` comes from [`take`] with the same `bytes`, and nothing refers to it.
#[inline]
pub(crate) unsafe fn give(block: *mut u8, bytes: usize) {
    if bytes > MAX {
        // SAFETY: the caller's promise; such blocks come from `alloc`.
        return unsafe { dealloc(block, layout(bytes)) };
    }
    let size = bytes / STEP;
    if CACHE.try_with(|cache| cache.borrow_mut().give(block, size)).is_err() {
        let mut list = EMPTY;
        list.push(block);
        share(size, list);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn take_many(count: usize, bytes: usize) -> Vec<usize> {
        (0..count).map(|_| take(bytes) as usize).collect()
    }

    fn give_many(blocks: Vec<usize>, bytes: usize) {
        for block in blocks {
            // SAFETY: they were taken with this size.
            unsafe { give(block as *mut u8, bytes) };
        }
    }

    #[test]
    fn blocks_do_not_overlap() {
        let mut all = BTreeSet::new();
        for bytes in [16, 32, 208, MAX, MAX + 16] {
            for block in take_many(3000, bytes) {
                // SAFETY: the block has so many bytes.
                unsafe { std::ptr::write_bytes(block as *mut u8, 0xA5, bytes) };
                all.insert((block, block + bytes));
            }
        }
        let pairs = all.iter().zip(all.iter().skip(1));
        pairs.for_each(|((start, end), (next, _))| assert!(end <= next && start % 16 == 0));
        for (start, end) in all {
            give_many(vec![start], end - start);
        }
    }

    #[test]
    fn what_one_thread_gives_back_another_uses() {
        // No other test has blocks of this size.
        const BYTES: usize = 48;
        let blocks = take_many(10 * BATCH, BYTES);
        let given: BTreeSet<usize> = blocks.iter().copied().collect();
        let thread = std::thread::spawn(move || give_many(blocks, BYTES));
        thread.join().expect("no panic");
        let again: BTreeSet<usize> = take_many(10 * BATCH, BYTES).into_iter().collect();
        assert_eq!(again, given);
        give_many(again.into_iter().collect(), BYTES);
    }
}
