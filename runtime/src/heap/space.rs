//! A list of memory chunks with bump allocation, and what hangs on them.
//!
//! Process heaps and message fragments are both spaces; receiving a message splices one into the
//! other. Besides the chunks a space owns *large* objects (a block each) and references to shared
//! texts, which it gives back when it is dropped.
//!
//! Invariant: `start..top` of every chunk is a gapless row of objects.

use super::{Header, pages, read_word, tag, write_word};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Objects of at least this many bytes get a block of their own and are never moved.
const LARGE_MIN: usize = 32 << 10;
/// How many of the latest large objects are looked through for one that grows.
const LATEST: usize = 8;
const FIRST_CHUNK: usize = 512;
pub(super) const MAX_CHUNK: usize = 512 << 10;

/// Chunks of spaces that have many of this size: what the system maps at once, if it is asked to. Memory in pages of the
/// usual size costs a fault for each page at first, and misses of the processor's table of pages later.
const HUGE_CHUNK: usize = pages::LARGE;

/// Spaces of at least this many bytes have huge chunks.
const HUGE_MIN: usize = 4 * HUGE_CHUNK;

/// Head of a chunk; objects follow.
#[repr(C)]
pub(super) struct Chunk {
    pub(super) next: *mut Chunk,
    /// Bytes of the whole block.
    size: usize,
    /// End of the objects, for every chunk but the one being filled.
    pub(super) top: *mut u8,
}

/// Head of a large object's block; the object follows.
#[repr(C)]
struct Large {
    next: *mut Large,
    size: usize,
}

const CHUNK_HEAD: usize = size_of::<Chunk>();
const LARGE_HEAD: usize = size_of::<Large>();

/// A reference-counted text outside all heaps.
pub(crate) struct SharedText {
    pub(super) references: AtomicUsize,
    pub(crate) text: Box<str>,
}

/// See the module text.
#[repr(C)]
#[derive(Debug)]
pub struct Space {
    /// Where the next object goes.
    pub(crate) ptr: usize,
    /// End of the chunk being filled.
    pub(crate) end: usize,
    pub(super) chunks: *mut Chunk,
    large: *mut Large,
    /// First object with tag SHARED, linked through their third word; 0 ends the list.
    pub(super) shared: u64,
    /// Bytes of chunks, large objects and shared texts.
    used: usize,
}

// SAFETY: a space owns its memory; nothing in it refers to a thread.
unsafe impl Send for Space {}

fn layout(size: usize) -> Layout {
    // Sizes come from `alloc_in_new_chunk`, far below `isize::MAX`.
    Layout::from_size_align(size, 8).expect("chunk sizes are small multiples of 8")
}

/// As [`layout`], of chunks: huge ones start where a large page does.
fn chunk_layout(size: usize) -> Layout {
    match size {
        HUGE_CHUNK => layout(size).align_to(HUGE_CHUNK).expect("it is a power of two"),
        size => layout(size),
    }
}

fn allocate(layout: Layout) -> *mut u8 {
    // SAFETY: the size is never 0.
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        handle_alloc_error(layout);
    }
    // Large objects do not get large pages: an array that grows would be copied from one to the next.
    if layout.align() == HUGE_CHUNK {
        // SAFETY: the block is ours, and so long.
        unsafe { pages::prefer_large(block, layout.size()) };
    }
    block
}

/// Chunks of the largest sizes that this thread keeps for reuse: collections give back and take many,
/// and the system would have to clear the pages each time.
mod pool {
    use super::{HUGE_CHUNK, MAX_CHUNK, allocate, chunk_layout, dealloc};
    use std::cell::RefCell;
    use std::thread::LocalKey;

    /// Most bytes that a thread keeps, of each size.
    const MAX_KEPT: usize = 32 << 20;

    struct Pool<const SIZE: usize>(Vec<*mut u8>);

    impl<const SIZE: usize> Drop for Pool<SIZE> {
        fn drop(&mut self) {
            for block in self.0.drain(..) {
                // SAFETY: only blocks for chunks of this size get here, each once.
                unsafe { dealloc(block, chunk_layout(SIZE)) };
            }
        }
    }

    type Key<const SIZE: usize> = LocalKey<RefCell<Pool<SIZE>>>;

    thread_local! {
        static LARGE: RefCell<Pool<MAX_CHUNK>> = const { RefCell::new(Pool(Vec::new())) };
        static HUGE: RefCell<Pool<HUGE_CHUNK>> = const { RefCell::new(Pool(Vec::new())) };
    }

    fn take_from<const SIZE: usize>(pool: &'static Key<SIZE>) -> *mut u8 {
        let kept = pool.try_with(|pool| pool.borrow_mut().0.pop()).ok().flatten();
        kept.unwrap_or_else(|| allocate(chunk_layout(SIZE)))
    }

    fn give_to<const SIZE: usize>(pool: &'static Key<SIZE>, block: *mut u8) {
        let kept = pool.try_with(|pool| {
            let pool = &mut pool.borrow_mut().0;
            let room = pool.len() < MAX_KEPT / SIZE;
            if room {
                pool.push(block);
            }
            room
        });
        if kept != Ok(true) {
            // SAFETY: the caller gives up a block for a chunk of this size.
            unsafe { dealloc(block, chunk_layout(SIZE)) };
        }
    }

    /// A block for a chunk of this size.
    pub(super) fn take(size: usize) -> *mut u8 {
        match size {
            MAX_CHUNK => take_from(&LARGE),
            HUGE_CHUNK => take_from(&HUGE),
            size => allocate(chunk_layout(size)),
        }
    }

    /// Takes back a block that [`take`] gave for this size.
    pub(super) fn give(block: *mut u8, size: usize) {
        match size {
            MAX_CHUNK => give_to(&LARGE, block),
            HUGE_CHUNK => give_to(&HUGE, block),
            // SAFETY: the caller gives up a block for a chunk of this size.
            size => unsafe { dealloc(block, chunk_layout(size)) },
        }
    }
}

impl Space {
    /// An empty space; takes no memory.
    pub const fn new() -> Space {
        Space { ptr: 0, end: 0, chunks: null_mut(), large: null_mut(), shared: 0, used: 0 }
    }

    /// Bytes taken from the system, shared texts included.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Has it no memory at all?
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Allocates from the chunk being filled.
    #[inline(always)]
    pub(crate) fn bump(&mut self, tag: u32, aux: u32, bytes: usize) -> Option<*mut u8> {
        let bytes = (bytes + 7) & !7;
        debug_assert!(bytes >= 16);
        if self.end - self.ptr < bytes {
            return None;
        }
        let object = self.ptr as *mut u8;
        self.ptr += bytes;
        // SAFETY: `ptr..end` is unused memory of the current chunk and was long enough.
        unsafe { object.cast::<Header>().write(Header { tag, aux }) };
        Some(object)
    }

    /// Allocates two objects, one behind the other; `None` if that takes a new chunk.
    #[inline(always)]
    pub(super) fn bump_pair(
        &mut self,
        first: (Header, usize),
        second: (Header, usize),
    ) -> Option<(*mut u8, *mut u8)> {
        if self.end - self.ptr < first.1 + second.1 {
            return None;
        }
        let start = self.bump(first.0.tag, first.0.aux, first.1)?;
        let behind = self.bump(second.0.tag, second.0.aux, second.1)?;
        Some((start, behind))
    }

    /// Allocates without any limit.
    pub(crate) fn alloc(&mut self, tag: u32, aux: u32, bytes: usize) -> *mut u8 {
        match self.bump(tag, aux, bytes) {
            Some(object) => object,
            None => self.alloc_in_new_chunk(tag, aux, bytes),
        }
    }

    /// Makes sure that the next `bytes` bytes can be bumped, and takes no more memory than that.
    pub(super) fn reserve(&mut self, bytes: usize) {
        if self.end - self.ptr < bytes {
            self.add_chunk(bytes + CHUNK_HEAD);
        }
    }

    fn new_chunk(&mut self, bytes: usize) {
        let size = match self.used {
            HUGE_MIN.. => HUGE_CHUNK,
            used => used.clamp(FIRST_CHUNK, MAX_CHUNK),
        };
        self.add_chunk(size.max(bytes + CHUNK_HEAD));
    }

    fn add_chunk(&mut self, size: usize) {
        self.retire();
        let block = pool::take(size);
        let chunk = block.cast::<Chunk>();
        // SAFETY: the block is fresh, aligned to 8 and longer than the head.
        unsafe {
            chunk.write(Chunk { next: self.chunks, size, top: null_mut() });
            self.ptr = block.add(CHUNK_HEAD) as usize;
            self.end = block.add(size & !7) as usize;
        }
        self.chunks = chunk;
        self.used += size;
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn alloc_in_new_chunk(&mut self, tag: u32, aux: u32, bytes: usize) -> *mut u8 {
        let bytes = (bytes + 7) & !7;
        if bytes >= LARGE_MIN {
            return self.alloc_large(tag, aux, bytes);
        }
        self.new_chunk(bytes);
        self.bump(tag, aux, bytes).expect("the new chunk is long enough")
    }

    fn alloc_large(&mut self, tag: u32, aux: u32, bytes: usize) -> *mut u8 {
        let size = bytes + LARGE_HEAD;
        let block = allocate(layout(size));
        // SAFETY: the block is fresh, aligned to 8 and holds head and object.
        let object = unsafe {
            block.cast::<Large>().write(Large { next: self.large, size });
            let object = block.add(LARGE_HEAD);
            object.cast::<Header>().write(Header { tag: tag | tag::LARGE, aux });
            object
        };
        self.large = block.cast::<Large>();
        self.used += size;
        object
    }

    /// Makes a large object longer, which moves it; `None` if it is not large, or not one of the latest
    /// ones. The caller owns the only reference to it, and gives it a new length.
    pub(super) fn grow_large(&mut self, object: *mut u8, bytes: usize) -> Option<*mut u8> {
        if super::header(object).tag & tag::LARGE == 0 {
            return None;
        }
        let mut link: *mut *mut Large = &mut self.large;
        for _ in 0..LATEST {
            // SAFETY: `link` is the head of the list or a link in it; the list is owned.
            let block = unsafe { *link };
            if block.is_null() {
                return None;
            }
            if block.cast::<u8>().wrapping_add(LARGE_HEAD) != object {
                // SAFETY: as above.
                link = unsafe { &raw mut (*block).next };
                continue;
            }
            // SAFETY: the block was allocated with this size, and nothing else refers to it.
            unsafe {
                let (old, size) = ((*block).size, ((bytes + 7) & !7) + LARGE_HEAD);
                let moved = realloc(block.cast(), layout(old), size).cast::<Large>();
                if moved.is_null() {
                    handle_alloc_error(layout(size));
                }
                (*moved).size = size;
                *link = moved;
                self.used = self.used - old + size;
                return Some(moved.cast::<u8>().add(LARGE_HEAD));
            }
        }
        None
    }

    /// Writes down where the chunk being filled ends.
    pub(super) fn retire(&mut self) {
        if !self.chunks.is_null() {
            // SAFETY: `chunks` is the chunk being filled and owned by this space.
            unsafe { (*self.chunks).top = self.ptr as *mut u8 };
        }
    }

    /// First object of `chunk`, and the end of its objects so far.
    pub(super) fn extent(&self, chunk: *mut Chunk) -> (*mut u8, *mut u8) {
        // SAFETY: `chunk` is in this space's list.
        unsafe {
            let start = chunk.cast::<u8>().add(CHUNK_HEAD);
            let top = if chunk == self.chunks { self.ptr as *mut u8 } else { (*chunk).top };
            (start, top)
        }
    }

    /// Makes an object for a text in shared storage; takes over one reference.
    pub(crate) fn link_shared(&mut self, object: *mut u8, text: *const SharedText) {
        write_word(object, 8, text as u64);
        write_word(object, 16, self.shared);
        self.shared = object as u64;
        // SAFETY: the caller owns a reference.
        self.used += unsafe { &*text }.text.len();
    }

    /// Allocates a SHARED object that refers to `text`.
    pub(crate) fn alloc_shared(&mut self, text: *const SharedText) -> *mut u8 {
        let object = self.alloc(tag::SHARED, 0, 24);
        self.link_shared(object, text);
        object
    }

    /// Moves everything from `other` into this space; objects keep their addresses.
    pub(crate) fn adopt(&mut self, mut other: Space) {
        if self.chunks.is_null() && self.large.is_null() && self.shared == 0 {
            std::mem::swap(self, &mut other);
            return;
        }
        other.retire();
        if !other.chunks.is_null() {
            let mut last = other.chunks;
            // SAFETY: both lists are owned; the adopted chunks go behind the one being filled.
            unsafe {
                while !(*last).next.is_null() {
                    last = (*last).next;
                }
                if self.chunks.is_null() {
                    self.chunks = other.chunks;
                    self.ptr = other.ptr;
                    self.end = other.end;
                } else {
                    (*last).next = (*self.chunks).next;
                    (*self.chunks).next = other.chunks;
                }
            }
            other.chunks = null_mut();
        }
        if !other.large.is_null() {
            let mut last = other.large;
            // SAFETY: the list is owned.
            unsafe {
                while !(*last).next.is_null() {
                    last = (*last).next;
                }
                (*last).next = self.large;
            }
            self.large = other.large;
            other.large = null_mut();
        }
        if other.shared != 0 {
            let mut last = other.shared as *mut u8;
            while read_word(last, 16) != 0 {
                last = read_word(last, 16) as *mut u8;
            }
            write_word(last, 16, self.shared);
            self.shared = other.shared;
            other.shared = 0;
        }
        self.used += other.used;
        other.used = 0;
    }

    /// Bytes of shared texts and large buffers. Walks both lists.
    pub(super) fn text_bytes(&self) -> usize {
        let mut bytes = 0;
        let mut object = self.shared as *const u8;
        while !object.is_null() {
            // SAFETY: a SHARED object owns a reference to its text.
            bytes += unsafe { &*(read_word(object, 8) as *const SharedText) }.text.len();
            object = read_word(object, 16) as *const u8;
        }
        let mut block = self.large;
        while !block.is_null() {
            // SAFETY: the list is owned; an object follows each head.
            unsafe {
                let head = *block.cast::<u8>().add(LARGE_HEAD).cast::<Header>();
                if head.tag & tag::MASK == tag::BUFFER {
                    bytes += (*block).size;
                }
                block = (*block).next;
            }
        }
        bytes
    }

    /// Takes the large objects out of `from`: those marked stay alive here, unmarked, the others are freed.
    pub(super) fn sweep_large(&mut self, from: &mut Space) {
        let mut block = std::mem::replace(&mut from.large, null_mut());
        while !block.is_null() {
            // SAFETY: the list is owned by `from`; each block is visited once.
            unsafe {
                let next = (*block).next;
                let size = (*block).size;
                let object = block.cast::<u8>().add(LARGE_HEAD);
                let head = &mut *object.cast::<Header>();
                if head.tag & tag::MARK != 0 {
                    head.tag &= !tag::MARK;
                    (*block).next = self.large;
                    self.large = block;
                    self.used += size;
                } else {
                    dealloc(block.cast(), layout(size));
                }
                block = next;
            }
        }
    }

    /// Gives back the chunks, keeping nothing. Shared texts and large objects must be gone.
    pub(super) fn free_chunks(&mut self) {
        let mut chunk = std::mem::replace(&mut self.chunks, null_mut());
        while !chunk.is_null() {
            // SAFETY: the list is owned; each chunk is freed once.
            unsafe {
                let next = (*chunk).next;
                pool::give(chunk.cast(), (*chunk).size);
                chunk = next;
            }
        }
        self.ptr = 0;
        self.end = 0;
        self.used = 0;
    }
}

impl Default for Space {
    fn default() -> Self {
        Space::new()
    }
}

impl Drop for Space {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.free_all();
        }
    }
}

impl Space {
    #[inline(never)]
    fn free_all(&mut self) {
        let mut object = self.shared as *mut u8;
        while !object.is_null() {
            let next = read_word(object, 16) as *mut u8;
            release(read_word(object, 8) as *const SharedText);
            object = next;
        }
        let mut block = std::mem::replace(&mut self.large, null_mut());
        while !block.is_null() {
            // SAFETY: the list is owned; each block is freed once.
            unsafe {
                let next = (*block).next;
                dealloc(block.cast(), layout((*block).size));
                block = next;
            }
        }
        self.free_chunks();
    }
}

/// Puts a text into shared storage with one reference.
pub(crate) fn new_shared(text: Box<str>) -> *const SharedText {
    Box::into_raw(Box::new(SharedText { references: AtomicUsize::new(1), text }))
}

/// Adds a reference.
pub(super) fn retain(text: *const SharedText) {
    // SAFETY: the caller holds a SHARED object, which owns a reference.
    unsafe { (*text).references.fetch_add(1, Ordering::Relaxed) };
}

/// Gives up a reference; the last one frees the text.
pub(super) fn release(text: *const SharedText) {
    // SAFETY: the caller owned a reference; the thread that takes the last one frees it after all
    // others' uses (acquire pairs with their release).
    unsafe {
        if (*text).references.fetch_sub(1, Ordering::Release) == 1 {
            std::sync::atomic::fence(Ordering::Acquire);
            drop(Box::from_raw(text.cast_mut()));
        }
    }
}
