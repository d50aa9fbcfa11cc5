//! Inline caches of property accesses: a few words per site, one for each shape of the object that was met.
//!
//! Several workers may read and write a word at the same time; each reads a consistent one. Only
//! hits that need no further look are cached: an inline slot of the object itself, or of its prototype for
//! reads, that everyone may read (or write). A shape never changes, so a cached word is never wrong.

use crate::bytecode::Access;
use crate::heap::{header, offset, read_value, tag, write_value};
use crate::object::instance;
use crate::program::FuncId;
use crate::system::System;
use crate::value::Value;
use std::sync::atomic::{AtomicU64, Ordering};

const SHAPE_BITS: u32 = 20;
const SLOT_BITS: u32 = 6;
const KEY_BITS: u32 = 64 - 2 * SHAPE_BITS - SLOT_BITS;

/// Shape of the object, shape of the prototype that has the property (0: the object itself), slot, key.
fn pack(shape: u32, holder: u32, slot: u32, key: u32) -> u64 {
    let shapes = u64::from(shape) << SHAPE_BITS | u64::from(holder);
    (shapes << SLOT_BITS | u64::from(slot)) << KEY_BITS | u64::from(key)
}

/// What a word is for: it is compared without holder and slot.
const SITE: u64 = !(((1 << (SHAPE_BITS + SLOT_BITS)) - 1) << KEY_BITS);

/// The cache of one access.
#[derive(Debug, Default)]
pub(crate) struct Cache([AtomicU64; Cache::WAYS]);

impl Cache {
    /// Shapes that a site remembers.
    const WAYS: usize = 4;

    /// Where the property is, if the cache knows it: an object and a byte offset.
    #[inline(always)]
    fn find(&self, object: Value, key: Value) -> Option<(*mut u8, usize)> {
        let address = object.as_pointer()?;
        let (shape, key) = (header(address).tag & tag::MASK, key.as_atom()?.0);
        if shape >> SHAPE_BITS | key >> KEY_BITS != 0 {
            return None;
        }
        let site = pack(shape, 0, 0, key);
        let first = self.0[0].load(Ordering::Relaxed);
        if first & SITE == site {
            return place(first, address);
        }
        self.0[1..].iter().find_map(|way| {
            let word = way.load(Ordering::Relaxed);
            (word & SITE == site).then(|| place(word, address)).flatten()
        })
    }

    /// Remembers a word, and forgets the oldest.
    fn teach(&self, word: u64) {
        if self.0.iter().any(|way| way.load(Ordering::Relaxed) == word) {
            return;
        }
        for at in (1..Cache::WAYS).rev() {
            self.0[at].store(self.0[at - 1].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.0[0].store(word, Ordering::Relaxed);
    }

    /// The property's value, if the cache knows where it is and it is no function (which would be bound).
    #[inline(always)]
    pub(super) fn get(&self, object: Value, key: Value) -> Option<Value> {
        let (holder, offset) = self.find(object, key)?;
        let value = read_value(holder, offset);
        let plain = value.is_number()
            || (value.as_function().is_none()
                && value.as_native().is_none()
                && value.heap_tag() != tag::CLOSURE);
        plain.then_some(value)
    }

    /// The method, if the cache knows where it is and it is a plain function.
    #[inline(always)]
    pub(super) fn method(&self, object: Value, key: Value) -> Option<FuncId> {
        let (holder, offset) = self.find(object, key)?;
        read_value(holder, offset).as_function()
    }

    /// Writes the property, if the cache knows where it is. A write is cached only for objects without
    /// prototype, which must be checked again: the shape does not say it.
    #[inline(always)]
    pub(super) fn set(&self, object: Value, key: Value, value: Value) -> bool {
        match self.find(object, key) {
            Some((address, offset)) if instance::proto(address) == Value::UNDEFINED => {
                write_value(address, offset, value);
                true
            }
            _ => false,
        }
    }

    /// Looks a property that is read up, and remembers where it is if it may.
    pub(super) fn teach_read(&self, system: &System, object: Value, key: Value) {
        if let Some(word) = word(system, object, key, false) {
            self.teach(word);
        }
    }

    /// The same for a property that is written.
    pub(super) fn teach_write(&self, system: &System, object: Value, key: Value) {
        if let Some(word) = word(system, object, key, true) {
            self.teach(word);
        }
    }
}

/// Where the slot of a word is, for an object of its shape.
#[inline(always)]
fn place(word: u64, object: *mut u8) -> Option<(*mut u8, usize)> {
    let slot = (word >> KEY_BITS) as usize & ((1 << SLOT_BITS) - 1);
    let shape = (word >> (SLOT_BITS + KEY_BITS)) as u32 & ((1 << SHAPE_BITS) - 1);
    let mut holder = object;
    if shape != 0 {
        holder = instance::proto(object).as_pointer()?;
        if header(holder).tag & tag::MASK != shape {
            return None;
        }
    }
    Some((holder, offset::OBJECT_SLOTS + 8 * slot))
}

/// The word for an access, if it may be cached.
fn word(system: &System, object: Value, key: Value, write: bool) -> Option<u64> {
    let (address, key) = (object.as_pointer()?, key.as_atom()?);
    if !object.is_object() {
        return None;
    }
    let shape = instance::shape_of(address)?.0;
    let own = instance::find(&system.shapes, address, key).is_some();
    // `__setattr__` may be anywhere along the chain: a write is cached only without a chain.
    let direct = !write
        || own
            && instance::proto(address) == Value::UNDEFINED
            && !instance::may_have_magic(&system.shapes, address);
    if !direct {
        return None;
    }
    let (holder, of_holder) = match own {
        true => (address, 0),
        false => {
            let proto = instance::proto(address);
            let holder = proto.as_pointer().filter(|_| proto.is_object())?;
            (holder, instance::shape_of(holder)?.0)
        }
    };
    let found = instance::find(&system.shapes, holder, key)?;
    let open = match found.access {
        Access::Public => true,
        Access::Readonly => !write,
        Access::Protected | Access::ProtectedReadonly => false,
    };
    let inline = found.slot < header(holder).aux;
    let fits =
        shape.max(of_holder) >> SHAPE_BITS | found.slot >> SLOT_BITS | key.0 >> KEY_BITS == 0;
    (open && inline && fits).then(|| pack(shape, of_holder, found.slot, key.0))
}
