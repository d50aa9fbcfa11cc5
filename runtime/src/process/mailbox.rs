//! A process's mailbox: many senders, one receiver.
//!
//! Senders push onto the *outer* list, one atomic word in the process's table slot, from any
//! thread. The owner takes the whole outer list at once and appends it, oldest first, to its
//! *inner* list, which only it touches. A message carries its content in a space of its own, so
//! receiving splices memory and copies nothing.
//!
//! Signals (see [`super::signal`]) travel in the same list, so that what one process does to another
//! arrives in the order in which it was done. They never stay in the inner list.
//!
//! The outer word also holds the generation of the slot: a push to a process that has ended fails
//! even if the slot has a new user. Nodes are not shared after the exchange.
//!
//! **Selective receive** walks the inner list with a cursor: the message that it points to is the
//! one being examined. A message that was looked at is *adopted*: its memory belongs to the heap of
//! the process already, so the collector takes its value as a root until it is taken.
//!
//! Absent on purpose: waking the receiver (see [`crate::process::table`]), limits.

use super::signal::Signal;
use crate::heap::Space;
use crate::heap::copy::Parcel;
use crate::sync::{AtomicU64, Ordering, total_order};
use crate::value::Value;
use std::cell::Cell;
use std::ptr::null_mut;

/// A message or a signal on its way.
#[derive(Debug)]
pub(crate) struct Message {
    next: *mut Message,
    value: Value,
    /// What it is besides a message; a signal may become a message when it arrives.
    signal: Option<Box<Signal>>,
    /// Its memory was taken over by the receiver's heap.
    adopted: bool,
    /// What the value needs.
    space: Space,
}

impl Message {
    /// Bytes of it and of what it needs.
    #[inline(always)]
    fn bytes(&self) -> usize {
        // Immediate values need nothing, and their spaces are on another line of the cache.
        let own = if self.value.is_pointer() { self.space.used() } else { 0 };
        size_of::<Message>() + own
    }
}

/// Memory for messages that one thread keeps for reuse.
#[derive(Debug)]
pub(crate) struct Pool {
    first: Cell<*mut Message>,
    kept: Cell<usize>,
}

/// Most messages that a pool keeps memory for.
const MAX_KEPT: usize = 4096;

impl Pool {
    /// An empty pool.
    pub(crate) fn new() -> Pool {
        Pool { first: Cell::new(null_mut()), kept: Cell::new(0) }
    }

    /// A new node. Its fields are written one by one: the whole is long.
    #[inline(always)]
    fn take(&self, value: Value, space: Space, signal: Option<Box<Signal>>) -> *mut Message {
        let mut node = self.first.get();
        if node.is_null() {
            node = Box::into_raw(Box::new(std::mem::MaybeUninit::<Message>::uninit())).cast();
        } else {
            // SAFETY: nodes in the pool are owned by it, and `next` is written.
            self.first.set(unsafe { (*node).next });
            self.kept.set(self.kept.get() - 1);
        }
        // SAFETY: the node is owned memory of the right size and holds nothing that must be dropped.
        unsafe {
            (&raw mut (*node).next).write(null_mut());
            (&raw mut (*node).value).write(value);
            (&raw mut (*node).signal).write(signal);
            (&raw mut (*node).adopted).write(false);
            (&raw mut (*node).space).write(space);
        }
        node
    }

    /// Takes back a node whose signal and space were taken out, so that only memory is left.
    #[inline(always)]
    fn give(&self, node: *mut Message) {
        if self.kept.get() < MAX_KEPT {
            // SAFETY: the caller owns the node; only `next` is used while it is in the pool.
            unsafe { (&raw mut (*node).next).write(self.first.get()) };
            self.first.set(node);
            self.kept.set(self.kept.get() + 1);
        } else {
            free(node);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        while !self.first.get().is_null() {
            let node = self.first.get();
            // SAFETY: nodes in the pool are owned by it.
            self.first.set(unsafe { (*node).next });
            free(node);
        }
    }
}

/// Frees the memory of a node whose content is gone.
fn free(node: *mut Message) {
    // SAFETY: nodes come from boxes; `MaybeUninit` drops nothing.
    drop(unsafe { Box::from_raw(node.cast::<std::mem::MaybeUninit<Message>>()) });
}

const POINTER_BITS: u32 = 44;
const POINTER_MASK: u64 = (1 << POINTER_BITS) - 1;
/// In place of a pointer: takes no messages.
const CLOSED: u64 = POINTER_MASK;

/// The outer list of one table slot.
#[derive(Debug)]
pub(crate) struct Outer(AtomicU64);

fn pack(message: *mut Message, generation: u32) -> u64 {
    // Boxes are aligned to 8 and user-space addresses have at most 47 bits.
    message as u64 >> 3 | u64::from(generation) << POINTER_BITS
}

fn unpack(word: u64) -> *mut Message {
    ((word & POINTER_MASK) << 3) as *mut Message
}

impl Outer {
    /// A list that takes nothing.
    pub(crate) fn closed() -> Outer {
        Outer(AtomicU64::new(CLOSED))
    }

    /// Starts taking messages for `generation`.
    pub(crate) fn open(&self, generation: u32) {
        self.0.store(pack(null_mut(), generation), Ordering::Release);
    }

    /// Does it take messages for this generation?
    pub(crate) fn is_open(&self, generation: u32) -> bool {
        // SeqCst: see `ProcessTable::end`.
        let word = self.0.load(Ordering::SeqCst);
        word >> POINTER_BITS == u64::from(generation) && word & POINTER_MASK != CLOSED
    }

    /// Adds a message or signal; false if the receiver has ended.
    #[inline(always)]
    pub(crate) fn push(
        &self,
        generation: u32,
        value: Value,
        space: Space,
        signal: Option<Box<Signal>>,
        pool: &Pool,
    ) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        let message = pool.take(value, space, signal);
        loop {
            if word >> POINTER_BITS != u64::from(generation) || word & POINTER_MASK == CLOSED {
                drop(Node(message));
                return false;
            }
            // SAFETY: the node is not shared before the exchange.
            unsafe { (*message).next = unpack(word) };
            let new = pack(message, generation);
            // SeqCst: pairs with the receiver's check between "I wait" and parking, so that either
            // it sees the message or the sender sees that it waits.
            match self.0.compare_exchange_weak(word, new, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => {
                    total_order();
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Is nothing in it?
    pub(crate) fn is_empty(&self) -> bool {
        unpack(self.0.load(Ordering::SeqCst)).is_null()
    }

    /// Takes everything, oldest first.
    pub(crate) fn take(&self, generation: u32) -> Chain {
        self.exchange(pack(null_mut(), generation))
    }

    /// Takes everything, oldest first, and takes no more messages.
    pub(crate) fn close(&self, generation: u32) -> Chain {
        self.exchange(CLOSED | u64::from(generation) << POINTER_BITS)
    }

    fn exchange(&self, leave: u64) -> Chain {
        let word = self.0.swap(leave, Ordering::SeqCst);
        total_order();
        let newest = if word & POINTER_MASK == CLOSED { null_mut() } else { unpack(word) };
        let mut chain = Chain { first: null_mut(), last: newest, len: 0, bytes: 0, signals: false };
        let mut message = newest;
        while !message.is_null() {
            // SAFETY: the exchange made this thread the owner of the whole list.
            unsafe {
                let next = (*message).next;
                (*message).next = chain.first;
                chain.signals |= (*message).signal.is_some();
                chain.bytes += (*message).bytes();
                chain.first = message;
                message = next;
            }
            chain.len += 1;
        }
        chain
    }
}

/// Messages and signals that one thread owns, oldest first.
#[derive(Debug)]
pub(crate) struct Chain {
    first: *mut Message,
    last: *mut Message,
    len: u32,
    bytes: usize,
    /// Is there a signal among them?
    pub(crate) signals: bool,
}

impl Chain {
    /// The oldest one, taken out.
    pub(crate) fn next(&mut self) -> Option<Node> {
        let message = self.first;
        if message.is_null() {
            return None;
        }
        // SAFETY: the chain is owned.
        self.first = unsafe { (*message).next };
        if self.first.is_null() {
            self.last = null_mut();
        }
        self.len -= 1;
        Some(Node(message))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        while let Some(node) = self.next() {
            drop(node);
        }
    }
}

/// One message or signal that is in no list.
#[derive(Debug)]
pub(crate) struct Node(*mut Message);

impl Node {
    /// Takes the signal out: what is left is a message.
    pub(crate) fn take_signal(&mut self) -> Option<Box<Signal>> {
        // SAFETY: the node is owned.
        unsafe { (*self.0).signal.take() }
    }

    /// Its content.
    pub(crate) fn value(&self) -> Value {
        // SAFETY: the node is owned.
        unsafe { (*self.0).value }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: the node is owned and came from a box.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The inner list: what the owner has taken and not yet received, oldest first.
#[derive(Debug)]
pub(crate) struct Mailbox {
    first: *mut Message,
    last: *mut Message,
    /// Messages in the inner list.
    len: u32,
    /// How many of them are adopted.
    adopted: u32,
    /// Bytes of the messages and of what they need, but for the adopted ones.
    bytes: usize,
}

/// Where a selective receive is in the inner list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The message being examined; null: none has been yet.
    at: *mut Message,
    /// The one before it; null: it is the first.
    before: *mut Message,
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor { at: null_mut(), before: null_mut() }
    }
}

// SAFETY: the list is owned; messages are plain memory.
unsafe impl Send for Mailbox {}

impl Mailbox {
    pub(crate) fn new() -> Mailbox {
        Mailbox { first: null_mut(), last: null_mut(), len: 0, adopted: 0, bytes: 0 }
    }

    /// Messages in it.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of the messages in it, and of what they need.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Is there nothing in it?
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Adds messages, none of which is a signal.
    pub(crate) fn append(&mut self, mut chain: Chain) {
        if chain.first.is_null() {
            return;
        }
        if self.last.is_null() {
            self.first = chain.first;
        } else {
            // SAFETY: the inner list is owned.
            unsafe { (*self.last).next = chain.first };
        }
        self.last = chain.last;
        self.len += chain.len;
        self.bytes += chain.bytes;
        chain.first = null_mut();
    }

    /// Adds one message.
    pub(crate) fn push(&mut self, node: Node) {
        let message = node.0;
        std::mem::forget(node);
        // SAFETY: the node is owned and in no list.
        let bytes = unsafe {
            (*message).next = null_mut();
            (*message).bytes()
        };
        self.append(Chain { first: message, last: message, len: 1, bytes, signals: false });
    }

    /// Takes the oldest message; its memory, if it has any, goes to `adopt`.
    #[inline(always)]
    pub(crate) fn receive(&mut self, pool: &Pool, adopt: impl FnOnce(Space)) -> Option<Value> {
        if self.first.is_null() { None } else { self.remove(null_mut(), self.first, pool, adopt) }
    }

    /// Takes out the message behind `before`.
    #[inline(always)]
    fn remove(
        &mut self,
        before: *mut Message,
        message: *mut Message,
        pool: &Pool,
        adopt: impl FnOnce(Space),
    ) -> Option<Value> {
        // SAFETY: the inner list is owned, and `message` is in it.
        let node = unsafe { &mut *message };
        let (value, next) = (node.value, node.next);
        self.bytes -= node.bytes();
        if !node.space.is_empty() {
            adopt(std::mem::take(&mut node.space));
        }
        self.adopted -= u32::from(node.adopted);
        debug_assert!(node.signal.is_none());
        pool.give(message);
        if before.is_null() {
            self.first = next;
        } else {
            // SAFETY: the inner list is owned, and `before` is in it.
            unsafe { (*before).next = next };
        }
        if next.is_null() {
            self.last = before;
        }
        self.len -= 1;
        Some(value)
    }

    /// Moves the cursor to the next message; false if there is none yet.
    pub(crate) fn advance(&self, cursor: &mut Cursor) -> bool {
        let next = match cursor.at.is_null() {
            true => self.first,
            // SAFETY: the cursor is in the inner list, which is owned.
            false => unsafe { (*cursor.at).next },
        };
        if next.is_null() {
            return false;
        }
        *cursor = Cursor { before: cursor.at, at: next };
        true
    }

    /// The message at the cursor; its memory, if it has not been taken yet, goes to `adopt`.
    pub(crate) fn examine(&mut self, cursor: Cursor, adopt: impl FnOnce(Space)) -> Option<Value> {
        if cursor.at.is_null() {
            return None;
        }
        // SAFETY: the cursor is in the inner list, which is owned.
        let message = unsafe { &mut *cursor.at };
        if !message.adopted && !message.space.is_empty() {
            message.adopted = true;
            self.adopted += 1;
            self.bytes -= message.space.used();
            adopt(std::mem::take(&mut message.space));
        }
        Some(message.value)
    }

    /// Takes out the message at the cursor; its memory, if it has any, goes to `adopt`.
    pub(crate) fn take(
        &mut self,
        cursor: Cursor,
        pool: &Pool,
        adopt: impl FnOnce(Space),
    ) -> Option<Value> {
        if cursor.at.is_null() {
            return None;
        }
        self.remove(cursor.before, cursor.at, pool, adopt)
    }

    /// Drops the first message whose value `wanted` takes, which must not be at a cursor; false if there is
    /// none.
    pub(crate) fn drop_first(&mut self, pool: &Pool, wanted: impl Fn(Value) -> bool) -> bool {
        let mut cursor = Cursor::default();
        while self.advance(&mut cursor) {
            // SAFETY: the cursor is in the inner list, which is owned.
            if wanted(unsafe { (*cursor.at).value }) {
                return self.take(cursor, pool, drop).is_some();
            }
        }
        false
    }

    /// Calls `visit` on the values that live in the heap of the process.
    pub(crate) fn visit_adopted(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        let (mut left, mut message) = (self.adopted, self.first);
        while left > 0 && !message.is_null() {
            // SAFETY: the inner list is owned.
            let node = unsafe { &mut *message };
            if node.adopted {
                visit(&mut node.value);
                left -= 1;
            }
            message = node.next;
        }
    }

    /// Drops all messages.
    pub(crate) fn clear(&mut self) {
        let Mailbox { first, last, len, bytes, .. } = *self;
        (self.first, self.last, self.len) = (null_mut(), null_mut(), 0);
        (self.adopted, self.bytes) = (0, 0);
        drop(Chain { first, last, len, bytes, signals: false });
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A message that needs no memory.
pub(crate) fn immediate(value: Value) -> Parcel {
    Parcel { value, space: Space::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Whole {
        outer: Outer,
        mailbox: Mailbox,
        pool: Pool,
    }

    impl Whole {
        fn new(generation: u32) -> Whole {
            let outer = Outer::closed();
            outer.open(generation);
            Whole { outer, mailbox: Mailbox::new(), pool: Pool::new() }
        }

        fn push(&self, generation: u32, number: u32) -> bool {
            let value = Value::number(f64::from(number));
            self.outer.push(generation, value, Space::new(), None, &self.pool)
        }

        fn receive(&mut self) -> Option<u32> {
            self.mailbox.append(self.outer.take(3));
            Some(self.mailbox.receive(&self.pool, drop)?.as_number()? as u32)
        }
    }

    #[test]
    fn order_is_kept_and_generations_are_told_apart() {
        let mut all = Whole::new(3);
        assert!((0..5).all(|i| all.push(3, i)));
        assert!(!all.push(4, 9));
        assert_eq!(all.receive(), Some(0));
        assert!(all.push(3, 5));
        for i in 1..6 {
            assert_eq!(all.receive(), Some(i));
        }
        assert_eq!(all.receive(), None);
        assert!(all.push(3, 6));
        drop(all.outer.close(3));
        assert!(!all.outer.is_open(3) && !all.push(3, 7));
    }

    #[test]
    fn a_cursor_passes_over_messages_and_takes_one_from_the_middle() {
        let mut all = Whole::new(3);
        assert!((0..4).all(|i| all.push(3, i)));
        all.mailbox.append(all.outer.take(3));
        let mut cursor = Cursor::default();
        for i in 0..3 {
            assert!(all.mailbox.advance(&mut cursor));
            let seen = all.mailbox.examine(cursor, drop);
            assert_eq!(seen, Some(Value::number(f64::from(i))));
        }
        let taken = all.mailbox.take(cursor, &all.pool, drop);
        assert_eq!(taken, Some(Value::number(2.0)));
        assert!(all.mailbox.drop_first(&all.pool, |value| value == Value::number(3.0)));
        assert!(all.push(3, 9));
        assert_eq!([all.receive(), all.receive(), all.receive()], [Some(0), Some(1), Some(9)]);
        assert_eq!(all.receive(), None);
    }
}
