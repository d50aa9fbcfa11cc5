//! The stack of frame records of one process.
//!
//! A record is the register window (`words` registers, see [`crate::program::FrameLayout`]) and
//! then two header words. All engines read and write this one layout, so any of them can go on
//! with what another has left. The header comes last so that the newest record is found from the
//! end.
//!
//! | word | bits | content |
//! |---|---|---|
//! | first | 0–31 | function: [`crate::program::FuncId`], or a native call if [`NATIVE_FRAME`] is set |
//! | first | 32–63 | instruction index at which to go on |
//! | second | 0–15 | register that takes the callee's result |
//! | second | 16–23 | what becomes of the callee's result: [`crate::ops::Cont`] |
//! | second | 32–63 | registers in the window |
//!
//! Invariant: every *live* register of every record is a valid [`Value`]; a dead one may hold
//! anything, and only the live sets say which is which. All words up to the capacity are
//! initialised memory.

use super::owned::Words;
use crate::value::Value;

/// Set in the function field of a native call that waits for Ion code.
pub const NATIVE_FRAME: u32 = 1 << 31;

/// Words of a record beyond its registers.
pub const HEADER_WORDS: usize = 2;

/// The header of a record, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Function number, see the module text.
    pub function: u32,
    /// Where to go on.
    pub pc: u32,
    /// Register for the callee's result.
    pub dst: u16,
    /// What becomes of the callee's result.
    pub cont: u8,
    /// Registers in the window.
    pub words: u32,
}

impl FrameHeader {
    /// The two words.
    #[inline(always)]
    pub fn pack(self) -> [u64; 2] {
        [
            u64::from(self.function) | u64::from(self.pc) << 32,
            u64::from(self.dst) | u64::from(self.cont) << 16 | u64::from(self.words) << 32,
        ]
    }

    /// From the two words.
    #[inline(always)]
    pub fn unpack(words: [u64; 2]) -> FrameHeader {
        FrameHeader {
            function: words[0] as u32,
            pc: (words[0] >> 32) as u32,
            dst: words[1] as u16,
            cont: (words[1] >> 16) as u8,
            words: (words[1] >> 32) as u32,
        }
    }
}

/// See the module text.
#[derive(Debug, Default)]
pub struct Stack {
    words: Words,
}

impl Stack {
    /// An empty stack.
    pub fn new() -> Stack {
        Stack::default()
    }

    /// Is there no record?
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Words in use.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Bytes taken from the system.
    pub fn bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Makes room for `words` more words. False if that would take more than `limit` bytes.
    #[inline(always)]
    pub fn reserve(&mut self, words: usize, limit: usize) -> bool {
        self.words.capacity() - self.words.len() >= words || self.grow(words, limit)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, words: usize, limit: usize) -> bool {
        let needed = self.words.len() + words;
        if needed.saturating_mul(8) > limit {
            return false;
        }
        let twice = (self.words.capacity() * 2).min(limit / 8);
        self.words.set_capacity(needed.max(twice))
    }

    /// Adds a record whose registers are all `fill` and returns its registers. Room was reserved.
    #[inline(always)]
    pub fn push(&mut self, header: FrameHeader, fill: Value) -> &mut [Value] {
        let start = self.words.len();
        let registers = header.words as usize;
        self.words.fill(registers, fill.to_bits());
        self.words.extend_from_slice(&header.pack());
        as_values(&mut self.words[start..start + registers])
    }

    /// Adds records as they are: registers and header words, outermost first.
    pub fn push_record(&mut self, record: &[u64]) {
        self.words.extend_from_slice(record);
    }

    /// The newest record's header.
    #[inline(always)]
    pub fn top(&self) -> Option<FrameHeader> {
        let header = self.words.last_chunk::<HEADER_WORDS>()?;
        Some(FrameHeader::unpack(*header))
    }

    /// Changes the newest record's header; the number of registers stays.
    #[inline(always)]
    pub fn set_top(&mut self, header: FrameHeader) {
        let end = self.words.len();
        self.words[end - HEADER_WORDS..].copy_from_slice(&header.pack());
    }

    /// The registers of the newest record.
    #[inline(always)]
    pub fn top_registers(&mut self) -> &mut [Value] {
        let words = self.top().map_or(0, |header| header.words as usize);
        let end = self.words.len().saturating_sub(HEADER_WORDS);
        as_values(&mut self.words[end - words..end])
    }

    /// Removes the newest record.
    #[inline(always)]
    pub fn pop(&mut self) {
        if let Some(header) = self.top() {
            self.words.truncate(self.words.len() - HEADER_WORDS - header.words as usize);
        }
    }

    /// Address of the first word of the newest record's registers, for compiled code and the
    /// interpreter. Valid until the stack grows.
    #[inline(always)]
    pub(crate) fn top_base(&mut self) -> *mut Value {
        let words = self.top().map_or(0, |header| header.words as usize);
        let start = self.words.len().saturating_sub(HEADER_WORDS + words);
        // The pointer keeps the whole buffer's provenance: the interpreter addresses records below
        // and above from it.
        self.words.as_mut_ptr().wrapping_add(start).cast()
    }

    /// Start of the buffer, for the interpreter.
    #[inline(always)]
    pub(crate) fn buffer(&mut self) -> *mut u64 {
        self.words.as_mut_ptr()
    }

    /// Sets how many words are in use.
    ///
    /// # Safety
    /// `len` is at most the capacity and `..len` consists of whole records.
    #[inline(always)]
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.words.capacity());
        self.words.set_len(len);
    }

    /// Calls `visit(header, registers, is_newest)` on each record, newest first.
    pub fn for_each_record(&mut self, mut visit: impl FnMut(FrameHeader, &mut [Value], bool)) {
        let mut end = self.words.len();
        while end > 0 {
            let header = FrameHeader::unpack([self.words[end - 2], self.words[end - 1]]);
            let start = end - HEADER_WORDS - header.words as usize;
            let newest = end == self.words.len();
            visit(header, as_values(&mut self.words[start..end - HEADER_WORDS]), newest);
            end = start;
        }
    }

    /// The headers, newest first.
    pub fn headers(&self) -> impl Iterator<Item = FrameHeader> + '_ {
        let mut end = self.words.len();
        std::iter::from_fn(move || {
            if end == 0 {
                return None;
            }
            let header = FrameHeader::unpack([self.words[end - 2], self.words[end - 1]]);
            end -= HEADER_WORDS + header.words as usize;
            Some(header)
        })
    }

    /// Removes all records and keeps the memory.
    pub fn clear(&mut self) {
        self.words.truncate(0);
    }

    /// Removes all records, and keeps no more memory than short-lived processes need.
    pub(crate) fn renew(&mut self) {
        self.words.truncate(0);
        if self.words.capacity() > 64 {
            self.words = Words::default();
        }
    }

    /// Gives back all memory that is not in use.
    pub fn shrink(&mut self) {
        self.words.set_capacity(self.words.len());
    }

    /// Gives back memory after deep recursion.
    pub fn trim(&mut self) {
        if self.words.capacity() > 4096 && self.words.len() * 8 < self.words.capacity() {
            self.words.set_capacity(self.words.len() * 2);
        }
    }
}

fn as_values(words: &mut [u64]) -> &mut [Value] {
    // SAFETY: `Value` is a transparent u64 and any bits are valid.
    unsafe { &mut *(std::ptr::from_mut(words) as *mut [Value]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order() {
        let mut stack = Stack::new();
        for function in 0..5u32 {
            assert!(stack.reserve(10, 1 << 20));
            let header = FrameHeader { function, pc: 7, dst: 3, cont: 1, words: function };
            stack.push(header, Value::UNIT);
            assert_eq!(stack.top(), Some(header));
        }
        let functions: Vec<_> = stack.headers().map(|header| header.function).collect();
        assert_eq!(functions, [4, 3, 2, 1, 0]);
        assert_eq!(stack.top_registers().len(), 4);
        (0..5).for_each(|_| stack.pop());
        assert!(stack.is_empty() && stack.top().is_none());
        assert!(!stack.reserve(1000, 64));
    }
}
