//! A process's own memory: layout of heap objects, allocation, collection, copying of messages.
//!
//! Every object starts with a [`Header`]: a tag (kind, or shape of an ordinary object) and a length.
//! Only the process that owns a heap reads or writes it.
//!
//! **Contract of live pointers.** Allocation never collects and never moves, except that an array which
//! gets a further element may move its own storage, to which only the array refers; only
//! [`Heap::collect`] moves objects, it runs only at safepoints, and then every value that is still
//! needed sits in a frame record (or another root it is given). So between two safepoints a
//! [`Value`] that holds a pointer points to a live, well-formed object of the running process's
//! heap or to an immortal literal of its program. The accessors in this module and in `object/`
//! rely on exactly this; whoever keeps a `Value` across a safepoint without making it a root breaks it.

pub(crate) mod blocks;
pub mod collect;
pub mod copy;
pub(crate) mod pages;
pub mod space;

use crate::value::Value;
pub use space::Space;

/// Tags of heap objects.
pub mod tag {
    /// The object has moved; its second word is the new address.
    pub const FORWARD: u32 = 0;
    /// Text inside the object; `aux` is its length in bytes.
    pub const STRING: u32 = 1;
    /// Text in reference-counted storage: pointer, next object of this tag in the space.
    pub const SHARED: u32 = 2;
    /// Concatenation: length, left, right; `aux` is 1 once it is flat (then left is the text).
    pub const ROPE: u32 = 3;
    /// Two floats.
    pub const COMPLEX: u32 = 4;
    /// `aux` values.
    pub const TUPLE: u32 = 5;
    /// Length, pointer to its SLOTS (or 0).
    pub const ARRAY: u32 = 6;
    /// Function, bound `this`, `aux` captured values.
    pub const CLOSURE: u32 = 7;
    /// Storage of an array or of an object's overflow: `aux` values.
    pub const SLOTS: u32 = 8;
    /// Storage of a dictionary object, see `object/dict.rs`.
    pub const DICT: u32 = 9;
    /// Text at the start of a BUFFER: length, address of the BUFFER.
    pub const BUFFERED: u32 = 10;
    /// Bytes of texts under construction: how many are written; `aux` is how many fit.
    pub const BUFFER: u32 = 11;
    /// Object whose properties are in a dictionary: prototype, DICT.
    pub const DICT_OBJECT: u32 = 12;
    /// Tags from here on are shapes of ordinary objects.
    pub const FIRST_SHAPE: u32 = 16;
    /// Set on literals of the program: never moved, copied or freed by a process.
    pub const IMMORTAL: u32 = 1 << 31;
    /// Set on objects with a memory block of their own: never moved.
    pub const LARGE: u32 = 1 << 30;
    /// Set on a LARGE object that the running collection has reached.
    pub const MARK: u32 = 1 << 29;
    /// The tag without flags.
    pub const MASK: u32 = MARK - 1;
}

/// First word of every heap object.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// Kind or shape, and flags: see [`tag`].
    pub tag: u32,
    /// Length, meaning by tag.
    pub aux: u32,
}

/// Byte offsets inside heap objects, shared by runtime and compiled code.
pub mod offset {
    /// Tuple: first element.
    pub const TUPLE_ELEMENTS: usize = 8;
    /// Array: length (u64).
    pub const ARRAY_LEN: usize = 8;
    /// Array: address of its storage.
    pub const ARRAY_SLOTS: usize = 16;
    /// Storage: first value.
    pub const SLOTS_ELEMENTS: usize = 8;
    /// Closure: bits of the unbound function value.
    pub const CLOSURE_FUNCTION: usize = 8;
    /// Closure: bound object or Undefined.
    pub const CLOSURE_THIS: usize = 16;
    /// Closure: first captured value.
    pub const CLOSURE_CAPTURES: usize = 24;
    /// Object: prototype or Undefined.
    pub const OBJECT_PROTO: usize = 8;
    /// Object: address of overflow storage or of the dictionary, or 0.
    pub const OBJECT_OVERFLOW: usize = 16;
    /// Object: first inline slot.
    pub const OBJECT_SLOTS: usize = 24;
    /// Complex: real part.
    pub const COMPLEX_RE: usize = 8;
    /// Complex: imaginary part.
    pub const COMPLEX_IM: usize = 16;
    /// String: first byte.
    pub const STRING_BYTES: usize = 8;
    /// Buffered text: length in bytes.
    pub const BUFFERED_LEN: usize = 8;
    /// Buffered text: address of its buffer.
    pub const BUFFERED_IN: usize = 16;
    /// Buffer: bytes written so far, or all ones: nothing may be appended any more.
    pub const BUFFER_USED: usize = 8;
    /// Buffer: first byte.
    pub const BUFFER_BYTES: usize = 16;
}

/// An allocation would pass the process's memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Texts longer than this many bytes live in shared storage outside process heaps.
pub const SHARED_TEXT_MIN: usize = 256;

/// Concatenations longer than this many bytes are built in buffers or as ropes.
pub const ROPE_MIN: usize = 128;

/// A text longer than this is not copied to a buffer by the first append.
pub const BUFFER_FIRST_MAX: usize = 4 << 10;

/// A process heap: a [`Space`] and the policy of when to collect.
///
/// The reduction counter lives here because running out of nursery must make it look exhausted:
/// that is how a collection is asked for (the next safepoint sees no reductions and looks why).
#[repr(C)]
#[derive(Debug)]
pub struct Heap {
    /// Reductions left before the next look at the scheduler; written by every engine.
    pub fuel: i64,
    /// Objects; its bump pointers are read by compiled code.
    pub space: Space,
    /// Reductions of this slice beyond `fuel`.
    pub reserve: i64,
    /// Most bytes that the process may keep alive.
    pub limit: usize,
    /// A collection was asked for and has not run yet.
    pub collect_wanted: bool,
    /// Collect at every safepoint (testing).
    pub stress: bool,
    /// Bytes in use at which a collection is asked for, in units of [`UNIT`].
    threshold: u32,
}

/// Thresholds are counted in these.
const UNIT: usize = 16;

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes / UNIT).unwrap_or(u32::MAX)
}

/// A collection is not asked for before this many bytes are in use.
const FIRST_THRESHOLD: usize = 256 << 10;

/// Heaps of more live bytes than this grow more slowly between collections.
const LARGE_HEAP: usize = 64 << 20;

/// Heaps of more live bytes than this may grow by up to [`NURSERY`] between collections.
const MEDIUM_HEAP: usize = 1 << 20;

/// See [`MEDIUM_HEAP`].
const NURSERY: usize = 32 << 20;

impl Heap {
    /// An empty heap that may keep `limit` bytes alive. Takes no memory yet.
    pub fn new(limit: usize) -> Heap {
        Heap {
            fuel: 0,
            space: Space::new(),
            reserve: 0,
            limit,
            collect_wanted: false,
            stress: false,
            threshold: units(FIRST_THRESHOLD.min(limit)),
        }
    }

    /// Forgets everything but its limit.
    pub(crate) fn renew(&mut self) {
        let (limit, stress) = (self.limit, self.stress);
        if !self.space.is_empty() {
            self.space = Space::new();
        }
        self.threshold = units(FIRST_THRESHOLD.min(limit));
        (self.collect_wanted, self.stress) = (false, stress);
    }

    /// Allocates an object of `bytes` bytes (header included) and writes its header.
    ///
    /// The caller fills the body before anything else touches the heap.
    #[inline(always)]
    pub(crate) fn alloc(
        &mut self,
        tag: u32,
        aux: u32,
        bytes: usize,
    ) -> Result<*mut u8, OutOfMemory> {
        match self.space.bump(tag, aux, bytes) {
            Some(object) => Ok(object),
            None => self.alloc_slow(tag, aux, bytes),
        }
    }

    /// Takes a further chunk; asks for a collection once the threshold is passed.
    #[cold]
    #[inline(never)]
    fn alloc_slow(&mut self, tag: u32, aux: u32, bytes: usize) -> Result<*mut u8, OutOfMemory> {
        // What a single step may take beyond the limit before the next safepoint collects.
        if bytes > self.limit || self.space.used() + bytes > self.limit.saturating_mul(2) {
            return Err(OutOfMemory);
        }
        let object = self.space.alloc_in_new_chunk(tag, aux, bytes);
        self.check_threshold();
        Ok(object)
    }

    /// Makes a large object longer, see [`Space::grow_large`].
    pub(crate) fn grow_large(
        &mut self,
        object: *mut u8,
        bytes: usize,
    ) -> Result<Option<*mut u8>, OutOfMemory> {
        if bytes > self.limit || self.space.used() + bytes > self.limit.saturating_mul(2) {
            return Err(OutOfMemory);
        }
        let grown = self.space.grow_large(object, bytes);
        if grown.is_some() {
            self.check_threshold();
        }
        Ok(grown)
    }

    /// Takes over the objects of a message.
    pub(crate) fn take_over(&mut self, space: Space) {
        self.space.adopt(space);
        self.check_threshold();
    }

    /// Asks for a collection if enough has been allocated.
    pub(crate) fn check_threshold(&mut self) {
        if self.space.used() > self.threshold as usize * UNIT {
            self.ask_collect();
        }
    }

    /// Makes the reductions look exhausted so that the next safepoint collects.
    pub fn ask_collect(&mut self) {
        if !self.collect_wanted {
            self.collect_wanted = true;
            self.reserve += self.fuel;
            self.fuel = 0;
        }
    }

    /// Counts memory that the process keeps outside its spaces (its stack of frames, say).
    pub fn over_limit(&self, outside: usize) -> bool {
        self.space.used() + outside > self.limit
    }

    /// Sets when the next collection is due, after one that left what is in use now, `texts` bytes of it
    /// texts that a collection neither moves nor looks at.
    fn set_threshold(&mut self, texts: usize) {
        // A copying collection costs what is alive: the more may be allocated in between, the less it
        // weighs. Large heaps give up some of that for memory, small ones are many.
        let live = self.space.used();
        let work = live - texts;
        let more = match work {
            LARGE_HEAP.. => work,
            MEDIUM_HEAP.. => (2 * work).max(NURSERY.min(8 * work)),
            _ => 2 * work,
        };
        // Chunks are as large as what is in use, up to a limit: there must be room for some.
        let least = FIRST_THRESHOLD.max(4 * texts.min(space::MAX_CHUNK));
        let threshold = (work + more).max(least) + texts;
        self.threshold = units(threshold.min(self.limit.max(live)));
    }
}

/// Reads the word at `object + offset`.
#[inline(always)]
pub(crate) fn read_word(object: *const u8, offset: usize) -> u64 {
    // SAFETY: contract of live pointers; callers pass offsets inside the object's layout.
    unsafe { object.add(offset).cast::<u64>().read() }
}

/// Writes the word at `object + offset`.
#[inline(always)]
pub(crate) fn write_word(object: *mut u8, offset: usize, word: u64) {
    // SAFETY: contract of live pointers; callers pass offsets inside the object's layout, and only
    // the owning process writes its heap.
    unsafe { object.add(offset).cast::<u64>().write(word) }
}

/// Reads the value at `object + offset`.
#[inline(always)]
pub(crate) fn read_value(object: *const u8, offset: usize) -> Value {
    Value::from_bits(read_word(object, offset))
}

/// Writes the value at `object + offset`.
#[inline(always)]
pub(crate) fn write_value(object: *mut u8, offset: usize, value: Value) {
    write_word(object, offset, value.to_bits());
}

/// The header of an object.
#[inline(always)]
pub(crate) fn header(object: *const u8) -> Header {
    // SAFETY: contract of live pointers.
    unsafe { object.cast::<Header>().read() }
}

/// The values at `object + offset ..`, `count` of them.
///
/// The slice must not be used across an allocation that might write the object; callers copy out.
#[inline(always)]
pub(crate) fn values<'a>(object: *const u8, offset: usize, count: usize) -> &'a [Value] {
    // SAFETY: contract of live pointers; `count` comes from the object's own header. `Value` is a
    // transparent u64 and any bits are valid.
    unsafe { std::slice::from_raw_parts(object.add(offset).cast::<Value>(), count) }
}

impl Value {
    /// The tag of a heap object, flags removed; [`tag::FORWARD`] for immediates.
    #[inline(always)]
    pub(crate) fn heap_tag(self) -> u32 {
        match self.as_pointer() {
            Some(object) => header(object).tag & tag::MASK,
            None => tag::FORWARD,
        }
    }
}
