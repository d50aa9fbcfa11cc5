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
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// A message or a signal on its way. Most are immediate values: what only others need is beside.
#[derive(Debug)]
pub(crate) struct Message {
    next: *mut Message,
    value: Value,
    /// What it has beyond the value, or null; owned.
    extra: *mut Extra,
}

/// What messages have that are not immediate, and signals.
#[derive(Debug)]
struct Extra {
    /// The next one in a pool.
    next: *mut Extra,
    /// What it is besides a message; a signal may become a message when it arrives.
    signal: Option<Box<Signal>>,
    /// Its memory was taken over by the receiver's heap.
    adopted: bool,
    /// What the value needs.
    space: Space,
}

impl Message {
    #[inline(always)]
    fn extra(&self) -> Option<&Extra> {
        // SAFETY: the extra belongs to the message.
        unsafe { self.extra.as_ref() }
    }

    #[inline(always)]
    fn extra_mut(&mut self) -> Option<&mut Extra> {
        // SAFETY: the extra belongs to the message.
        unsafe { self.extra.as_mut() }
    }

    /// Words of it and of what it needs.
    #[inline(always)]
    fn words(&self) -> u32 {
        let extra = |extra: &Extra| (size_of::<Extra>() / 8) as u32 + words_of(&extra.space);
        (size_of::<Message>() / 8) as u32 + self.extra().map_or(0, extra)
    }
}

/// Words of a space. Sums of them are right up to 32 GiB, more than the messages of a process may need.
fn words_of(space: &Space) -> u32 {
    space.used().div_ceil(8) as u32
}

/// Memory for messages that one thread keeps for reuse.
#[derive(Debug)]
pub(crate) struct Pool {
    first: Cell<*mut Message>,
    kept: Cell<usize>,
    first_extra: Cell<*mut Extra>,
    kept_extras: Cell<usize>,
}

/// Most messages that a pool keeps memory for.
const MAX_KEPT: usize = 1 << 16;

/// Most memory for what only some messages have.
const MAX_KEPT_EXTRAS: usize = 1 << 13;

impl Pool {
    /// An empty pool.
    pub(crate) fn new() -> Pool {
        Pool {
            first: Cell::new(null_mut()),
            kept: Cell::new(0),
            first_extra: Cell::new(null_mut()),
            kept_extras: Cell::new(0),
        }
    }

    /// A new node.
    #[inline(always)]
    fn take(&self, value: Value, space: Space, signal: Option<Box<Signal>>) -> *mut Message {
        let extra = if space.is_empty() && signal.is_none() {
            null_mut()
        } else {
            self.take_extra(space, signal)
        };
        let mut node = self.first.get();
        if node.is_null() {
            node = Box::into_raw(Box::new(MaybeUninit::<Message>::uninit())).cast();
        } else {
            // SAFETY: nodes in the pool are owned by it, and `next` is written.
            self.first.set(unsafe { (*node).next });
            self.kept.set(self.kept.get() - 1);
        }
        // SAFETY: the node is owned memory of the right size and holds nothing that must be dropped.
        unsafe { node.write(Message { next: null_mut(), value, extra }) };
        node
    }

    fn take_extra(&self, space: Space, signal: Option<Box<Signal>>) -> *mut Extra {
        let mut extra = self.first_extra.get();
        if extra.is_null() {
            extra = Box::into_raw(Box::new(MaybeUninit::<Extra>::uninit())).cast();
        } else {
            // SAFETY: extras in the pool are owned by it, and `next` is written.
            self.first_extra.set(unsafe { (*extra).next });
            self.kept_extras.set(self.kept_extras.get() - 1);
        }
        // SAFETY: as for nodes.
        unsafe { extra.write(Extra { next: null_mut(), signal, adopted: false, space }) };
        extra
    }

    /// Takes back a node that was received.
    #[inline(always)]
    fn give(&self, node: *mut Message) {
        // SAFETY: the caller owns the node.
        let extra = unsafe { (*node).extra };
        if !extra.is_null() {
            self.give_extra(extra);
        }
        if self.kept.get() < MAX_KEPT {
            // SAFETY: the caller owns the node; only `next` is used while it is in the pool.
            unsafe { (*node).next = self.first.get() };
            self.first.set(node);
            self.kept.set(self.kept.get() + 1);
        } else {
            free(node);
        }
    }

    fn give_extra(&self, extra: *mut Extra) {
        // SAFETY: the caller owns the extra; what it holds is dropped once, and only `next` is used while
        // it is in the pool.
        unsafe {
            std::ptr::drop_in_place(extra);
            if self.kept_extras.get() < MAX_KEPT_EXTRAS {
                (&raw mut (*extra).next).write(self.first_extra.get());
                self.first_extra.set(extra);
                self.kept_extras.set(self.kept_extras.get() + 1);
            } else {
                drop(Box::from_raw(extra.cast::<MaybeUninit<Extra>>()));
            }
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
        while !self.first_extra.get().is_null() {
            let extra = self.first_extra.get();
            // SAFETY: extras in the pool are owned by it and hold nothing but `next`.
            unsafe {
                self.first_extra.set((*extra).next);
                drop(Box::from_raw(extra.cast::<MaybeUninit<Extra>>()));
            }
        }
    }
}

/// Frees the memory of a node whose content is gone.
fn free(node: *mut Message) {
    // SAFETY: nodes come from boxes; `MaybeUninit` drops nothing.
    drop(unsafe { Box::from_raw(node.cast::<MaybeUninit<Message>>()) });
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

    /// Adds a message or signal; false if the receiver has ended. `alone`: this is the only thread that adds and takes,
    /// so that nothing need be locked.
    #[inline(always)]
    pub(crate) fn push(
        &self,
        generation: u32,
        value: Value,
        space: Space,
        signal: Option<Box<Signal>>,
        pool: &Pool,
        alone: bool,
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
            if alone {
                self.0.store(new, Ordering::Relaxed);
                return true;
            }
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

    /// Takes everything, oldest first. `alone`: as for `push`.
    pub(crate) fn take(&self, generation: u32, alone: bool) -> Chain {
        self.exchange(pack(null_mut(), generation), alone)
    }

    /// Takes everything, oldest first, and takes no more messages. `alone`: as for `push`.
    pub(crate) fn close(&self, generation: u32, alone: bool) -> Chain {
        self.exchange(CLOSED | u64::from(generation) << POINTER_BITS, alone)
    }

    fn exchange(&self, leave: u64, alone: bool) -> Chain {
        let word = if alone {
            let word = self.0.load(Ordering::Relaxed);
            self.0.store(leave, Ordering::Relaxed);
            word
        } else {
            self.0.swap(leave, Ordering::SeqCst)
        };
        total_order();
        let newest = if word & POINTER_MASK == CLOSED { null_mut() } else { unpack(word) };
        let mut chain = Chain { first: null_mut(), last: newest, len: 0, words: 0, signals: false };
        let mut message = newest;
        while !message.is_null() {
            // SAFETY: the exchange made this thread the owner of the whole list.
            unsafe {
                let next = (*message).next;
                (*message).next = chain.first;
                chain.signals |= (*message).extra().is_some_and(|extra| extra.signal.is_some());
                chain.words = chain.words.wrapping_add((*message).words());
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
    words: u32,
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
        unsafe { &mut *self.0 }.extra_mut()?.signal.take()
    }

    /// Its content.
    pub(crate) fn value(&self) -> Value {
        // SAFETY: the node is owned.
        unsafe { (*self.0).value }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: the node and what belongs to it are owned and came from boxes.
        unsafe {
            let message = Box::from_raw(self.0);
            if !message.extra.is_null() {
                drop(Box::from_raw(message.extra));
            }
        }
    }
}

/// The inner list: what the owner has taken and not yet received, oldest first.
#[derive(Debug)]
pub(crate) struct Mailbox {
    first: *mut Message,
    last: *mut Message,
    /// Messages in the inner list.
    len: u32,
    /// Words of the messages and of what they need, but for the adopted ones.
    words: u32,
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
        Mailbox { first: null_mut(), last: null_mut(), len: 0, words: 0 }
    }

    /// Messages in it.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of the messages in it, and of what they need.
    pub(crate) fn bytes(&self) -> usize {
        self.words as usize * 8
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
        self.words = self.words.wrapping_add(chain.words);
        chain.first = null_mut();
    }

    /// Adds one message.
    pub(crate) fn push(&mut self, node: Node) {
        let message = node.0;
        std::mem::forget(node);
        // SAFETY: the node is owned and in no list.
        let words = unsafe {
            (*message).next = null_mut();
            (*message).words()
        };
        self.append(Chain { first: message, last: message, len: 1, words, signals: false });
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
        self.words = self.words.wrapping_sub(node.words());
        if let Some(extra) = node.extra_mut() {
            if !extra.space.is_empty() {
                adopt(std::mem::take(&mut extra.space));
            }
            debug_assert!(extra.signal.is_none());
        }
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
        if let Some(extra) = message.extra_mut()
            && !extra.adopted
            && !extra.space.is_empty()
        {
            extra.adopted = true;
            self.words = self.words.wrapping_sub(words_of(&extra.space));
            adopt(std::mem::take(&mut extra.space));
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
        let mut message = self.first;
        while !message.is_null() {
            // SAFETY: the inner list is owned.
            let node = unsafe { &mut *message };
            if node.extra().is_some_and(|extra| extra.adopted) {
                visit(&mut node.value);
            }
            message = node.next;
        }
    }

    /// Drops all messages.
    pub(crate) fn clear(&mut self) {
        let Mailbox { first, last, len, words } = *self;
        (self.first, self.last, self.len) = (null_mut(), null_mut(), 0);
        self.words = 0;
        drop(Chain { first, last, len, words, signals: false });
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
            self.outer.push(generation, value, Space::new(), None, &self.pool, false)
        }

        fn receive(&mut self) -> Option<u32> {
            self.mailbox.append(self.outer.take(3, true));
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
        drop(all.outer.close(3, true));
        assert!(!all.outer.is_open(3) && !all.push(3, 7));
    }

    #[test]
    fn a_cursor_passes_over_messages_and_takes_one_from_the_middle() {
        let mut all = Whole::new(3);
        assert!((0..4).all(|i| all.push(3, i)));
        all.mailbox.append(all.outer.take(3, false));
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
