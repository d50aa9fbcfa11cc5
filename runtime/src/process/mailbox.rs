//! A process's mailbox: many senders, one receiver.
//!
//! Senders push onto the *outer* list, one atomic word in the process's table slot, from any
//! thread. The owner takes the whole outer list at once and appends it, oldest first, to its
//! *inner* list, which only it touches. A message carries its content in a space of its own, so
//! receiving splices memory and copies nothing.
//!
//! The outer word also holds the generation of the slot: a push to a process that has ended fails
//! even if the slot has a new user. Nodes are heap boxes that are not shared after the exchange.
//!
//! Absent on purpose: waking the receiver (see [`crate::process::table`]), limits.

use crate::heap::Space;
use crate::heap::copy::Parcel;
use crate::value::Value;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Message {
    next: *mut Message,
    parcel: Parcel,
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
        let word = self.0.load(Ordering::Acquire);
        word >> POINTER_BITS == u64::from(generation) && word & POINTER_MASK != CLOSED
    }

    /// Adds a message; gives it back if the receiver has ended.
    pub(crate) fn push(&self, generation: u32, parcel: Parcel) -> Result<(), Parcel> {
        let mut word = self.0.load(Ordering::Relaxed);
        let message = Box::into_raw(Box::new(Message { next: null_mut(), parcel }));
        loop {
            if word >> POINTER_BITS != u64::from(generation) || word & POINTER_MASK == CLOSED {
                // SAFETY: the box was made above and never shared.
                return Err(unsafe { Box::from_raw(message) }.parcel);
            }
            // SAFETY: as above.
            unsafe { (*message).next = unpack(word) };
            let new = pack(message, generation);
            // SeqCst: pairs with the receiver's check between "I wait" and parking, so that either
            // it sees the message or the sender sees that it waits.
            match self.0.compare_exchange_weak(word, new, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Is nothing in it?
    pub(crate) fn is_empty(&self) -> bool {
        unpack(self.0.load(Ordering::SeqCst)).is_null()
    }

    fn take(&self, leave: u64) -> *mut Message {
        let word = self.0.swap(leave, Ordering::SeqCst);
        if word & POINTER_MASK == CLOSED { null_mut() } else { unpack(word) }
    }
}

/// The inner list: what the owner has taken and not yet received, oldest first.
#[derive(Debug)]
pub(crate) struct Mailbox {
    first: *mut Message,
    last: *mut Message,
    /// Messages in the inner list.
    len: u32,
}

// SAFETY: the list is owned; messages are plain memory.
unsafe impl Send for Mailbox {}

impl Mailbox {
    pub(crate) fn new() -> Mailbox {
        Mailbox { first: null_mut(), last: null_mut(), len: 0 }
    }

    /// Moves everything from the outer list behind the inner one.
    fn refill(&mut self, outer: &Outer, generation: u32) {
        let mut newest = outer.take(pack(null_mut(), generation));
        let last = newest;
        let mut chain = null_mut();
        let mut count = 0;
        while !newest.is_null() {
            // SAFETY: the exchange in `take` made this thread the owner of the whole list.
            unsafe {
                let next = (*newest).next;
                (*newest).next = chain;
                chain = newest;
                newest = next;
            }
            count += 1;
        }
        // `chain` is the oldest now, and the former head is the newest.
        if chain.is_null() {
            return;
        }
        if self.last.is_null() {
            self.first = chain;
        } else {
            // SAFETY: the inner list is owned.
            unsafe { (*self.last).next = chain };
        }
        self.last = last;
        self.len += count;
    }

    /// Takes the oldest message.
    pub(crate) fn receive(&mut self, outer: &Outer, generation: u32) -> Option<Parcel> {
        if self.first.is_null() {
            if outer.is_empty() {
                return None;
            }
            self.refill(outer, generation);
        }
        let message = self.first;
        if message.is_null() {
            return None;
        }
        // SAFETY: the inner list is owned; the box is freed once.
        let message = unsafe { Box::from_raw(message) };
        self.first = message.next;
        if self.first.is_null() {
            self.last = null_mut();
        }
        self.len -= 1;
        Some(message.parcel)
    }

    /// Stops taking messages and drops those that are there.
    pub(crate) fn close(&mut self, outer: &Outer, generation: u32) {
        let closed = CLOSED | u64::from(generation) << POINTER_BITS;
        let mut message = outer.take(closed);
        while !message.is_null() {
            // SAFETY: the exchange made this thread the owner of the whole list.
            let next = unsafe { Box::from_raw(message) }.next;
            message = next;
        }
        self.clear();
    }

    fn clear(&mut self) {
        while !self.first.is_null() {
            // SAFETY: the inner list is owned; each box is freed once.
            let message = unsafe { Box::from_raw(self.first) };
            self.first = message.next;
        }
        self.last = null_mut();
        self.len = 0;
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

    #[test]
    fn order_is_kept_and_generations_are_told_apart() {
        let outer = Outer::closed();
        let mut mailbox = Mailbox::new();
        assert!(outer.push(3, immediate(Value::UNIT)).is_err());
        outer.open(3);
        for i in 0..5 {
            outer.push(3, immediate(Value::number(f64::from(i)))).unwrap();
        }
        assert!(outer.push(4, immediate(Value::UNIT)).is_err());
        assert_eq!(mailbox.receive(&outer, 3).unwrap().value, Value::number(0.0));
        outer.push(3, immediate(Value::number(5.0))).unwrap();
        for i in 1..6 {
            let got = mailbox.receive(&outer, 3).unwrap().value;
            assert_eq!(got, Value::number(f64::from(i)));
        }
        assert!(mailbox.receive(&outer, 3).is_none());
        outer.push(3, immediate(Value::UNIT)).unwrap();
        mailbox.close(&outer, 3);
        assert!(!outer.is_open(3) && outer.push(3, immediate(Value::UNIT)).is_err());
    }
}
