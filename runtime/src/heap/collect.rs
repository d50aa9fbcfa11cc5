//! Moving object graphs: precise copying collection, and the deep copy of messages.
//!
//! Both are Cheney's algorithm (C. J. Cheney, "A nonrecursive list compacting algorithm", 1970): an
//! object is copied to the target space when it is first reached and leaves its new address
//! behind; then the copies are scanned in order, which reaches the rest. A collection throws the
//! old space away; a message copy restores the words that it overwrote.
//!
//! Invariant: while a `Mover` runs, the first two words of a reached object in the old space are
//! FORWARD and the new address.

use super::space::{self, SharedText, Space};
use super::{Header, Heap, header, offset, read_value, read_word, tag, write_value, write_word};
use crate::object::{dict, string};
use crate::value::Value;
use std::cell::Cell;

/// Objects up to this many bytes are copied word by word.
const SMALL: usize = 64;

/// Bytes of an object, from its header alone.
pub(crate) fn object_size(object: *const u8) -> usize {
    let head = header(object);
    let aux = head.aux as usize;
    let bytes = match head.tag & tag::MASK {
        tag::STRING => 8 + aux,
        tag::SHARED | tag::COMPLEX | tag::ARRAY | tag::BUFFERED => 24,
        tag::BUFFER => offset::BUFFER_BYTES + aux,
        tag::ROPE => 32,
        tag::TUPLE | tag::SLOTS => 8 + 8 * aux,
        tag::DICT => dict::size(aux),
        // CLOSURE, DICT_OBJECT and shapes: three words and `aux` values.
        _ => 24 + 8 * aux,
    };
    ((bytes + 7) & !7).max(16)
}

/// About how many bytes a copy of `value` needs: its own size, and for each of its elements as much as the first of
/// them that is no immediate value needs, so many levels deep.
pub(super) fn estimate(value: Value, levels: u32) -> usize {
    let Some(object) = value.as_pointer() else { return 0 };
    let head = header(object);
    if head.tag & tag::IMMORTAL != 0 {
        return 0;
    }
    let fields = fields(head.tag, head.aux as usize);
    let storage = match fields.storage {
        0 => std::ptr::null(),
        at => read_word(object, at) as *const u8,
    };
    let stored = if storage.is_null() { 0 } else { estimate(Value::pointer(storage), levels) };
    let own = object_size(object) + stored;
    if levels == 0 || fields.count == 0 {
        return own;
    }
    let elements = super::values(object, fields.row, fields.count);
    let first = elements.iter().take(8).find(|element| element.is_pointer());
    own + first.map_or(0, |first| estimate(*first, levels - 1).saturating_mul(fields.count))
}

/// Where the values of an object are: a row of words, and single ones.
struct Fields {
    /// Offset of the first value of the row.
    row: usize,
    /// Values in the row.
    count: usize,
    /// Offset of a further value, or 0.
    single: usize,
    /// Offset of a raw address of storage, or 0.
    storage: usize,
}

#[inline(always)]
fn fields(tag: u32, aux: usize) -> Fields {
    let (row, count, single, storage) = match tag & tag::MASK {
        tag::STRING | tag::SHARED | tag::COMPLEX | tag::DICT | tag::BUFFER => (0, 0, 0, 0),
        tag::ROPE => (16, 2, 0, 0),
        tag::TUPLE | tag::SLOTS => (8, aux, 0, 0),
        tag::ARRAY => (0, 0, 0, offset::ARRAY_SLOTS),
        tag::BUFFERED => (0, 0, 0, offset::BUFFERED_IN),
        // The captures follow `this`.
        tag::CLOSURE => (offset::CLOSURE_THIS, aux + 1, 0, 0),
        _ => (offset::OBJECT_SLOTS, aux, offset::OBJECT_PROTO, offset::OBJECT_OVERFLOW),
    };
    Fields { row, count, single, storage }
}

/// Bytes of an object with a shape, without its slots.
const PLAIN_BYTES: usize = offset::OBJECT_SLOTS;

/// Is it the tag of an object with a shape that the space has in a chunk?
#[inline(always)]
fn is_plain(tag: u32) -> bool {
    (tag::FIRST_SHAPE..tag::MARK).contains(&tag)
}

/// Bytes of an array without its storage.
const ARRAY_BYTES: usize = 24;

/// What a copy overwrote: object, first word, second word.
type Undo = Vec<(*mut u8, u64, u64)>;

/// Memory for longer lists is not kept.
const MAX_UNDO: usize = 4096;

thread_local! {
    /// Memory for the next copy of this thread.
    static UNDO: Cell<Undo> = const { Cell::new(Vec::new()) };
}

/// One run of the algorithm. `COPY`: the source stays as it is.
pub(super) struct Mover<'a, const COPY: bool> {
    to: &'a mut Space,
    /// Overwritten words of the source: object, first word, second word.
    undo: Undo,
    /// Large objects that are reached and not yet scanned.
    large: Vec<*mut u8>,
    /// What has been scanned: a chunk of `to` and the next object in it. Chunks are added at the
    /// head of the list, so the ones to come are found from `to.chunks` back to this one.
    scanned: Vec<(usize, *mut u8)>,
}

impl<'a, const COPY: bool> Mover<'a, COPY> {
    /// A run that moves objects into `to`, which holds none yet.
    pub(super) fn new(to: &'a mut Space) -> Self {
        let undo = if COPY { UNDO.take() } else { Vec::new() };
        Mover { to, undo, large: Vec::new(), scanned: Vec::new() }
    }

    /// The new place of `value`.
    #[inline]
    pub(super) fn value(&mut self, value: Value) -> Value {
        match value.as_pointer() {
            Some(object) => self.object(object),
            None => value,
        }
    }

    #[inline(always)]
    fn object(&mut self, object: *mut u8) -> Value {
        let head = header(object);
        if head.tag == tag::FORWARD {
            return Value::pointer(read_word(object, 8) as *const u8);
        }
        // Most objects are small and have no flags.
        if !COPY && is_plain(head.tag) {
            let bytes = PLAIN_BYTES + 8 * head.aux as usize;
            if bytes <= SMALL
                && let Some(moved) = self.to.bump(head.tag, head.aux, bytes)
            {
                for at in (8..bytes).step_by(8) {
                    write_word(moved, at, read_word(object, at));
                }
                self.forward(object, moved);
                return Value::pointer(moved);
            }
        }
        self.any_object(object, head)
    }

    #[inline(never)]
    fn any_object(&mut self, object: *mut u8, head: Header) -> Value {
        if head.tag & tag::IMMORTAL != 0 {
            return Value::pointer(object);
        }
        if !COPY && head.tag & tag::LARGE != 0 {
            if head.tag & tag::MARK == 0 {
                write_word(object, 0, u64::from(head.tag | tag::MARK) | u64::from(head.aux) << 32);
                self.large.push(object);
            }
            return Value::pointer(object);
        }
        let kind = head.tag & tag::MASK;
        if kind == tag::ROPE {
            if head.aux == 1 {
                return self.value(read_value(object, 16));
            }
            if COPY {
                let text = string::rope_text(object);
                let flat = string::new_in_space(self.to, &text);
                self.forward(object, flat);
                return Value::pointer(flat);
            }
        }
        if COPY && kind == tag::BUFFERED {
            let flat = string::new_in_space(self.to, string::buffered(object));
            self.forward(object, flat);
            return Value::pointer(flat);
        }
        if kind == tag::SHARED {
            let text = read_word(object, 8) as *const SharedText;
            if COPY {
                space::retain(text);
            }
            let moved = self.to.alloc_shared(text);
            self.forward(object, moved);
            return Value::pointer(moved);
        }
        if COPY
            && kind == tag::ARRAY
            && let Some(moved) = self.array_with_storage(object, head)
        {
            return moved;
        }
        let bytes = object_size(object);
        let moved = self.to.alloc(kind, head.aux, bytes);
        if bytes <= SMALL {
            // Most objects are a few words.
            for at in (8..bytes).step_by(8) {
                write_word(moved, at, read_word(object, at));
            }
        } else {
            // SAFETY: `moved` is a fresh object of the same size; the header is already written.
            unsafe { std::ptr::copy_nonoverlapping(object.add(8), moved.add(8), bytes - 8) };
        }
        if header(moved).tag & tag::LARGE != 0 {
            self.large.push(moved);
        }
        self.forward(object, moved);
        Value::pointer(moved)
    }

    /// Copies an array and, right behind it, its storage, which nothing else refers to.
    #[inline]
    fn array_with_storage(&mut self, array: *mut u8, head: Header) -> Option<Value> {
        let storage = read_word(array, offset::ARRAY_SLOTS) as *mut u8;
        if storage.is_null() || header(storage).tag != tag::SLOTS {
            return None;
        }
        let (stored, bytes) = (header(storage), object_size(storage));
        let plain = Header { tag: tag::ARRAY, aux: head.aux };
        let (moved, behind) = self.to.bump_pair((plain, ARRAY_BYTES), (stored, bytes))?;
        write_word(moved, offset::ARRAY_LEN, read_word(array, offset::ARRAY_LEN));
        write_word(moved, offset::ARRAY_SLOTS, behind as u64);
        // SAFETY: `behind` is a fresh object of the size of the storage; the header is already written.
        unsafe { std::ptr::copy_nonoverlapping(storage.add(8), behind.add(8), bytes - 8) };
        self.forward(array, moved);
        Some(Value::pointer(moved))
    }

    fn forward(&mut self, object: *mut u8, to: *mut u8) {
        if COPY {
            self.undo.push((object, read_word(object, 0), read_word(object, 8)));
        }
        write_word(object, 0, u64::from(tag::FORWARD));
        write_word(object, 8, to as u64);
    }

    /// Scans a copy; gives the end of it.
    #[inline(always)]
    fn scan_next(&mut self, object: *mut u8) -> *mut u8 {
        let head = header(object);
        if !is_plain(head.tag) {
            // The size first: scanning does not change it.
            let bytes = object_size(object);
            self.scan_object(object);
            return object.wrapping_add(bytes);
        }
        let bytes = PLAIN_BYTES + 8 * head.aux as usize;
        self.scan_field(object, offset::OBJECT_PROTO);
        if read_word(object, offset::OBJECT_OVERFLOW) != 0 {
            self.scan_storage(object, offset::OBJECT_OVERFLOW);
        }
        for at in (offset::OBJECT_SLOTS..bytes).step_by(8) {
            self.scan_field(object, at);
        }
        object.wrapping_add(bytes)
    }

    fn scan_storage(&mut self, object: *mut u8, at: usize) {
        let storage = read_word(object, at) as *mut u8;
        let moved = self.object(storage).as_pointer().unwrap_or(storage);
        write_word(object, at, moved as u64);
    }

    fn scan_object(&mut self, object: *mut u8) {
        let head = header(object);
        if head.tag & tag::MASK == tag::DICT {
            return dict::visit(object, |at| self.scan_field(object, at));
        }
        let fields = fields(head.tag, head.aux as usize);
        for i in 0..fields.count {
            self.scan_field(object, fields.row + 8 * i);
        }
        if fields.single != 0 {
            self.scan_field(object, fields.single);
        }
        if fields.storage != 0 {
            let storage = read_word(object, fields.storage) as *mut u8;
            // In a copy, what is right behind an array is its storage, copied already.
            let done = COPY && storage == object.wrapping_add(ARRAY_BYTES);
            if !storage.is_null() && !done {
                self.scan_storage(object, fields.storage);
            }
        }
    }

    #[inline(always)]
    fn scan_field(&mut self, object: *mut u8, at: usize) {
        let value = read_value(object, at);
        if let Some(target) = value.as_pointer() {
            let moved = self.object(target);
            write_value(object, at, moved);
        }
    }

    /// Scans everything reached, until nothing new is.
    pub(super) fn scan(&mut self) {
        let first = self.to.chunks;
        // SAFETY: `first` is in the list of `to`.
        let only = !first.is_null() && unsafe { (*first).next.is_null() };
        if only && self.large.is_empty() {
            // Most copies stay in the chunk in which they begin.
            let (mut next, _) = self.to.extent(first);
            while self.to.chunks == first && next < self.to.extent(first).1 {
                next = self.scan_next(next);
            }
            if self.to.chunks == first && self.large.is_empty() {
                return;
            }
            self.scanned.push((first as usize, next));
        }
        loop {
            if let Some(object) = self.large.pop() {
                self.scan_object(object);
                continue;
            }
            // Register chunks that are new since the last look, oldest first.
            let mut fresh = Vec::new();
            let mut chunk = self.to.chunks;
            let known = self.scanned.len();
            while !chunk.is_null()
                && !self.scanned.iter().rev().any(|(at, _)| *at == chunk as usize)
            {
                fresh.push((chunk as usize, self.to.extent(chunk).0));
                // SAFETY: `chunk` is in the list of `to`.
                chunk = unsafe { (*chunk).next };
            }
            self.scanned.extend(fresh.into_iter().rev());
            let mut progress = self.scanned.len() > known;
            for i in 0..self.scanned.len() {
                let (chunk, mut next) = self.scanned[i];
                loop {
                    let (_, top) = self.to.extent(chunk as *mut _);
                    if next >= top {
                        break;
                    }
                    progress = true;
                    while next < top {
                        next = self.scan_next(next);
                    }
                }
                self.scanned[i].1 = next;
            }
            if !progress && self.large.is_empty() {
                break;
            }
        }
    }

    /// Puts the source back as it was.
    pub(super) fn restore(mut self) {
        for (object, first, second) in self.undo.drain(..) {
            write_word(object, 0, first);
            write_word(object, 8, second);
        }
        if self.undo.capacity() <= MAX_UNDO {
            UNDO.set(self.undo);
        }
    }
}

/// Where a collection finds the roots, and writes back their new places.
pub trait Roots {
    /// Calls `visit` on each root.
    fn visit_roots(&mut self, visit: &mut dyn FnMut(&mut Value));
}

impl Heap {
    /// Copies what the roots reach to a new space and frees the old one.
    pub fn collect(&mut self, roots: &mut dyn Roots) {
        let mut to = Space::new();
        let mut mover = Mover::<false>::new(&mut to);
        roots.visit_roots(&mut |root| *root = mover.value(*root));
        mover.scan();

        let mut from = std::mem::take(&mut self.space);
        let mut object = from.shared as *mut u8;
        while !object.is_null() {
            // The third word stays intact in a forwarded object; a dead one gives its text back.
            let next = read_word(object, 16) as *mut u8;
            if header(object).tag != tag::FORWARD {
                space::release(read_word(object, 8) as *const SharedText);
            }
            object = next;
        }
        from.shared = 0;
        to.sweep_large(&mut from);
        from.free_chunks();
        self.space = to;
        let texts = self.space.text_bytes();
        self.set_threshold(texts);
        self.collect_wanted = false;
        #[cfg(debug_assertions)]
        self.verify(roots);
    }

    /// Walks everything the roots reach and asserts that it is well formed.
    #[cfg(debug_assertions)]
    fn verify(&self, roots: &mut dyn Roots) {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut work = Vec::new();
        roots.visit_roots(&mut |root| work.push(*root));
        while let Some(value) = work.pop() {
            let Some(object) = value.as_pointer() else { continue };
            if !seen.insert(object as usize) {
                continue;
            }
            let head = header(object);
            let kind = head.tag & tag::MASK;
            assert!(kind != tag::FORWARD, "a live object must not be forwarded");
            assert!(head.tag & tag::MARK == 0, "marks are cleared after a collection");
            if kind == tag::STRING {
                let bytes = object.cast_const().wrapping_add(offset::STRING_BYTES);
                // SAFETY: the contract of live pointers, checked as far as it can be.
                let bytes = unsafe { std::slice::from_raw_parts(bytes, head.aux as usize) };
                assert!(std::str::from_utf8(bytes).is_ok(), "strings are UTF-8");
            }
            if kind == tag::DICT {
                dict::visit(object, |at| work.push(read_value(object, at)));
                continue;
            }
            let fields = fields(head.tag, head.aux as usize);
            work.extend((0..fields.count).map(|i| read_value(object, fields.row + 8 * i)));
            if fields.single != 0 {
                work.push(read_value(object, fields.single));
            }
            if fields.storage != 0 {
                let storage = read_word(object, fields.storage) as *const u8;
                if !storage.is_null() {
                    work.push(Value::pointer(storage));
                }
            }
        }
    }
}
