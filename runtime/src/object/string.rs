//! Texts: inside a heap object, in shared storage, in a buffer, or as a rope that is flattened on
//! first read.
//!
//! A concatenation copies both texts to a *buffer* with room to spare; a further one to its result copies
//! only what is appended, so building a text piece by piece takes time in proportion to its length. A buffer is
//! only written behind its last byte, so all texts in it stay as they are.

use crate::heap::space::{SharedText, new_shared};
use crate::heap::{
    BUFFER_FIRST_MAX, Heap, OutOfMemory, ROPE_MIN, SHARED_TEXT_MIN, Space, header, offset,
    read_value, read_word, tag, write_value, write_word,
};
use crate::value::Value;
use std::mem::MaybeUninit;

/// The length in bytes, if `value` is a String.
#[inline]
pub fn len(value: Value) -> Option<usize> {
    let object = value.as_pointer()?;
    let head = header(object);
    match head.tag & tag::MASK {
        tag::STRING => Some(head.aux as usize),
        tag::SHARED => Some(shared(object).len()),
        tag::ROPE => Some(read_word(object, 8) as usize),
        tag::BUFFERED => Some(read_word(object, offset::BUFFERED_LEN) as usize),
        _ => None,
    }
}

fn inline_text<'a>(object: *const u8) -> &'a str {
    let len = header(object).aux as usize;
    // SAFETY: contract of live pointers; a STRING holds `aux` bytes of UTF-8, written once when it
    // was made.
    unsafe {
        let bytes = std::slice::from_raw_parts(object.add(offset::STRING_BYTES), len);
        std::str::from_utf8_unchecked(bytes)
    }
}

fn shared<'a>(object: *const u8) -> &'a str {
    let text = read_word(object, 8) as *const SharedText;
    // SAFETY: a SHARED object owns a reference to its text, which never changes.
    unsafe { &(*text).text }
}

/// The text of a BUFFERED object.
pub(crate) fn buffered<'a>(object: *const u8) -> &'a str {
    let len = read_word(object, offset::BUFFERED_LEN) as usize;
    let buffer = read_word(object, offset::BUFFERED_IN) as *const u8;
    // SAFETY: contract of live pointers; the first `len` bytes of the buffer are whole texts, written
    // before the object was made and never again.
    unsafe {
        let bytes = std::slice::from_raw_parts(buffer.add(offset::BUFFER_BYTES), len);
        std::str::from_utf8_unchecked(bytes)
    }
}

/// The text of a String that is not an unflattened rope.
///
/// The result lives as long as the object: until the next safepoint. Copy it out before that.
#[inline]
pub(crate) fn flat_text<'a>(value: Value) -> Option<&'a str> {
    let object = value.as_pointer()?;
    let head = header(object);
    match head.tag & tag::MASK {
        tag::STRING => Some(inline_text(object)),
        tag::SHARED => Some(shared(object)),
        tag::BUFFERED => Some(buffered(object)),
        tag::ROPE if head.aux == 1 => flat_text(read_value(object, 16)),
        _ => None,
    }
}

/// The text that an unflattened rope stands for.
pub(crate) fn rope_text(object: *const u8) -> String {
    let mut text = String::with_capacity(read_word(object, 8) as usize);
    let mut work = vec![Value::pointer(object)];
    while let Some(value) = work.pop() {
        match flat_text(value) {
            Some(piece) => text.push_str(piece),
            None => {
                let rope = value.as_pointer().expect("parts of ropes are strings");
                work.push(read_value(rope, 24));
                work.push(read_value(rope, 16));
            }
        }
    }
    text
}

/// Makes a String in `space`, without any limit.
pub(crate) fn new_in_space(space: &mut Space, text: &str) -> *mut u8 {
    if text.len() > SHARED_TEXT_MIN {
        return space.alloc_shared(new_shared(text.into()));
    }
    let object = space.alloc(tag::STRING, text.len() as u32, (8 + text.len()).max(16));
    write_text(object, text);
    object
}

pub(crate) fn write_text(object: *mut u8, text: &str) {
    // SAFETY: the object was just allocated with room for the text.
    unsafe {
        let to = object.add(offset::STRING_BYTES);
        std::ptr::copy_nonoverlapping(text.as_ptr(), to, text.len());
    }
}

/// Writes a text into a buffer that has room for it at `at`.
fn write_bytes(buffer: *mut u8, at: usize, text: &str) {
    // SAFETY: callers compare `at + text.len()` with the room of the buffer.
    unsafe {
        let to = buffer.add(offset::BUFFER_BYTES + at);
        std::ptr::copy_nonoverlapping(text.as_ptr(), to, text.len());
    }
}

/// The text of any String: flattens a rope into a buffer of its own without changing it.
pub fn text<'a>(value: Value) -> Option<std::borrow::Cow<'a, str>> {
    if let Some(text) = flat_text(value) {
        return Some(text.into());
    }
    (value.heap_tag() == tag::ROPE)
        .then(|| rope_text(value.as_pointer().expect("ropes are heap objects")).into())
}

impl Heap {
    /// A new String.
    pub fn new_string(&mut self, text: &str) -> Result<Value, OutOfMemory> {
        if text.len() > SHARED_TEXT_MIN {
            return self.new_shared_string(text.into());
        }
        let object = self.alloc(tag::STRING, text.len() as u32, (8 + text.len()).max(16))?;
        write_text(object, text);
        Ok(Value::pointer(object))
    }

    fn new_shared_string(&mut self, text: Box<str>) -> Result<Value, OutOfMemory> {
        self.check_text(text.len())?;
        let object = self.alloc(tag::SHARED, 0, 24)?;
        self.space.link_shared(object, new_shared(text));
        self.check_threshold();
        Ok(Value::pointer(object))
    }

    /// May a text of this many bytes be made?
    pub(crate) fn check_text(&self, bytes: usize) -> Result<(), OutOfMemory> {
        let fits = bytes <= self.limit
            && self.space.used().saturating_add(bytes) <= self.limit.saturating_mul(2);
        if fits { Ok(()) } else { Err(OutOfMemory) }
    }

    /// The text of a String; a rope is flattened in place.
    pub(crate) fn flatten<'a>(&mut self, value: Value) -> Result<Option<&'a str>, OutOfMemory> {
        if let Some(text) = flat_text(value) {
            return Ok(Some(text));
        }
        if value.heap_tag() != tag::ROPE {
            return Ok(None);
        }
        let object = value.as_pointer().expect("ropes are heap objects");
        let flat = self.new_string(&rope_text(object))?;
        write_word(object, 0, u64::from(tag::ROPE) | 1 << 32);
        write_value(object, 16, flat);
        write_value(object, 24, Value::UNDEFINED);
        Ok(flat_text(flat))
    }

    /// `a + b` of two Strings.
    pub(crate) fn concat(&mut self, a: Value, b: Value) -> Result<Value, OutOfMemory> {
        let (a_len, b_len) = (len(a).unwrap_or(0), len(b).unwrap_or(0));
        if a_len == 0 {
            return Ok(b);
        }
        if b_len == 0 {
            return Ok(a);
        }
        let total = a_len + b_len;
        if total >= ROPE_MIN {
            if let Some(text) = self.append(a, b, total)? {
                return Ok(text);
            }
            self.check_text(total)?;
            let object = self.alloc(tag::ROPE, 0, 32)?;
            write_word(object, 8, total as u64);
            write_value(object, 16, a);
            write_value(object, 24, b);
            return Ok(Value::pointer(object));
        }
        // Shorter than a rope, so both parts are flat and inside objects.
        let object = self.alloc(tag::STRING, total as u32, (8 + total).max(16))?;
        let (a, b) = (flat_text(a).unwrap_or(""), flat_text(b).unwrap_or(""));
        // SAFETY: the object was just allocated with room for both texts.
        unsafe {
            let to = object.add(offset::STRING_BYTES);
            std::ptr::copy_nonoverlapping(a.as_ptr(), to, a.len());
            std::ptr::copy_nonoverlapping(b.as_ptr(), to.add(a.len()), b.len());
        }
        Ok(Value::pointer(object))
    }

    /// `a + b` if `a` is at the end of its buffer, there is room for `b`, and `b` is short: the common
    /// case of building a text.
    #[inline(always)]
    pub(crate) fn append_in_place(&mut self, a: Value, b: Value) -> Option<Value> {
        let (text, piece) = (a.as_pointer()?, b.as_pointer()?);
        let (head, piece_head) = (header(text), header(piece));
        if head.tag != tag::BUFFERED || piece_head.tag & tag::MASK != tag::STRING {
            return None;
        }
        let (len, added) = (read_word(text, offset::BUFFERED_LEN), piece_head.aux as usize);
        let buffer = read_word(text, offset::BUFFERED_IN) as *mut u8;
        let total = len as usize + added;
        // A whole word is written, whatever the length of the piece.
        let room = header(buffer).aux as usize;
        let fits = added <= 8 && len as usize + 8 <= room;
        if len != read_word(buffer, offset::BUFFER_USED) || !fits || added == 0 {
            return None;
        }
        let object = self.space.bump(tag::BUFFERED, 0, 24)?;
        // SAFETY: every STRING has room for 8 bytes, and the buffer for 8 behind `len`.
        unsafe {
            let word = piece.add(offset::STRING_BYTES).cast::<MaybeUninit<u64>>().read();
            let end = buffer.add(offset::BUFFER_BYTES + len as usize);
            end.cast::<MaybeUninit<u64>>().write_unaligned(word);
        }
        write_word(buffer, offset::BUFFER_USED, total as u64);
        write_word(object, offset::BUFFERED_LEN, total as u64);
        write_word(object, offset::BUFFERED_IN, buffer as u64);
        Some(Value::pointer(object))
    }

    /// `a + b` in a buffer, `total` bytes long; `None` if a rope is better.
    #[inline]
    fn append(&mut self, a: Value, b: Value, total: usize) -> Result<Option<Value>, OutOfMemory> {
        let Some(piece) = flat_text(b) else { return Ok(None) };
        let text = a.as_pointer().filter(|text| header(*text).tag & tag::MASK == tag::BUFFERED);
        let Some(text) = text else {
            return match flat_text(a) {
                Some(start) if start.len() <= BUFFER_FIRST_MAX => {
                    self.new_buffer(start, piece, total)
                }
                _ => Ok(None),
            };
        };
        let buffer = read_word(text, offset::BUFFERED_IN) as *mut u8;
        if read_word(text, offset::BUFFERED_LEN) != read_word(buffer, offset::BUFFER_USED) {
            // Something else was appended to this text before.
            return Ok(None);
        }
        if total > header(buffer).aux as usize {
            let larger = self.new_buffer(buffered(text), piece, total);
            // Only one text moves on to a larger buffer, so that the copying is paid for.
            write_word(buffer, offset::BUFFER_USED, u64::MAX);
            return larger;
        }
        let result = self.new_buffered(buffer, total)?;
        write_bytes(buffer, total - piece.len(), piece);
        write_word(buffer, offset::BUFFER_USED, total as u64);
        Ok(Some(result))
    }

    /// `a + b`, `total` bytes long, in a new buffer with room for as much again if that fits into
    /// memory; `None` if it is too long for a buffer.
    #[cold]
    fn new_buffer(&mut self, a: &str, b: &str, total: usize) -> Result<Option<Value>, OutOfMemory> {
        let room = if self.check_text(2 * total).is_ok() { 2 * total } else { total };
        let Ok(aux) = u32::try_from(room) else { return Ok(None) };
        self.check_text(room)?;
        let buffer = self.alloc(tag::BUFFER, aux, offset::BUFFER_BYTES + room)?;
        write_word(buffer, offset::BUFFER_USED, total as u64);
        write_bytes(buffer, 0, a);
        write_bytes(buffer, a.len(), b);
        self.new_buffered(buffer, total).map(Some)
    }

    #[inline]
    fn new_buffered(&mut self, buffer: *mut u8, len: usize) -> Result<Value, OutOfMemory> {
        let text = self.alloc(tag::BUFFERED, 0, 24)?;
        write_word(text, offset::BUFFERED_LEN, len as u64);
        write_word(text, offset::BUFFERED_IN, buffer as u64);
        Ok(Value::pointer(text))
    }

    /// `text` repeated.
    pub(crate) fn repeat(&mut self, text: Value, count: f64) -> Result<Value, OutOfMemory> {
        // A saturating cast: negative and NaN give 0.
        let count = count as u64;
        let bytes = (len(text).unwrap_or(0) as u64).saturating_mul(count);
        let bytes = usize::try_from(bytes).map_err(|_| OutOfMemory)?;
        if bytes == 0 {
            return self.new_string("");
        }
        self.check_text(bytes)?;
        let text = self.flatten(text)?.unwrap_or("").repeat(count as usize);
        if text.len() > SHARED_TEXT_MIN {
            return self.new_shared_string(text.into_boxed_str());
        }
        self.new_string(&text)
    }
}
