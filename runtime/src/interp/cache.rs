//! Inline caches of property accesses: per site one word, {shape, slot, key}.
//!
//! Several workers may read and write a word at the same time; each reads a consistent one. Only
//! hits that need no further look are cached: an own property in an inline slot that everyone may
//! read (or, for SET_PROP, write). A shape never changes, so a cached word is never wrong.

use crate::bytecode::Access;
use crate::heap::{header, offset, read_value, tag, write_value};
use crate::object::instance;
use crate::program::FuncId;
use crate::system::System;
use crate::value::Value;
use std::sync::atomic::{AtomicU64, Ordering};

const SLOT_BITS: u32 = 8;
const KEY_BITS: u32 = 32;

fn pack(shape: u32, slot: u32, key: u32) -> u64 {
    // At most 2^20 shapes and 64 slots.
    u64::from(shape) << (SLOT_BITS + KEY_BITS) | u64::from(slot) << KEY_BITS | u64::from(key)
}

/// The word for an access, if it may be cached.
pub(super) fn word(system: &System, object: Value, key: Value, write: bool) -> Option<u64> {
    let (address, key) = (object.as_pointer()?, key.as_atom()?);
    if !object.is_object() {
        return None;
    }
    let shape = instance::shape_of(address)?;
    let place = instance::find(&system.shapes, address, key)?;
    let open = match place.access {
        Access::Public => true,
        Access::Readonly => !write,
        Access::Protected | Access::ProtectedReadonly => false,
    };
    // `__setattr__` may be anywhere along the chain: a write is cached only without a chain.
    let direct = !write
        || (instance::proto(address) == Value::UNDEFINED
            && !instance::may_have_magic(&system.shapes, address));
    let inline = place.slot < header(address).aux;
    (open && direct && inline).then(|| pack(shape.0, place.slot, key.0))
}

const METHOD_SHAPE_BITS: u32 = 20;
const METHOD_SLOT_BITS: u32 = 6;
const METHOD_KEY_BITS: u32 = 64 - 2 * METHOD_SHAPE_BITS - METHOD_SLOT_BITS;

fn pack_method(shape: u32, holder: u32, slot: u32, key: u32) -> u64 {
    let shapes = u64::from(shape) << METHOD_SHAPE_BITS | u64::from(holder);
    (shapes << METHOD_SLOT_BITS | u64::from(slot)) << METHOD_KEY_BITS | u64::from(key)
}

/// The word for a method call: the shapes of the receiver and of its prototype, if the method is there (else
/// 0), its slot in the one that has it, and its name. For methods that everyone may read.
pub(super) fn method_word(system: &System, object: Value, key: Value) -> Option<u64> {
    let (receiver, key) = (object.as_pointer()?, key.as_atom()?);
    if !object.is_object() {
        return None;
    }
    let shape = instance::shape_of(receiver)?;
    let (holder, of_holder) = match instance::find(&system.shapes, receiver, key) {
        Some(_) => (receiver, 0),
        None => {
            let proto = instance::proto(receiver);
            let holder = proto.as_pointer().filter(|_| proto.is_object())?;
            (holder, instance::shape_of(holder)?.0)
        }
    };
    let place = instance::find(&system.shapes, holder, key)?;
    let open = matches!(place.access, Access::Public | Access::Readonly);
    let inline = place.slot < header(holder).aux;
    let fits = shape.0.max(of_holder) < 1 << METHOD_SHAPE_BITS
        && place.slot < 1 << METHOD_SLOT_BITS
        && key.0 < 1 << METHOD_KEY_BITS;
    (open && inline && fits).then(|| pack_method(shape.0, of_holder, place.slot, key.0))
}

/// The method, if the cache knows where it is and it is a plain function.
#[inline(always)]
pub(super) fn method(cache: &AtomicU64, object: Value, key: Value) -> Option<FuncId> {
    let word = cache.load(Ordering::Relaxed);
    let receiver = object.as_pointer()?;
    let shape = header(receiver).tag & tag::MASK;
    let key = key.as_atom()?;
    let slot = (word >> METHOD_KEY_BITS) as u32 & ((1 << METHOD_SLOT_BITS) - 1);
    let of_holder = (word >> (METHOD_SLOT_BITS + METHOD_KEY_BITS)) as u32;
    let of_holder = of_holder & ((1 << METHOD_SHAPE_BITS) - 1);
    // Shapes and names too large for the word have none that equals theirs.
    if word != pack_method(shape, of_holder, slot, key.0) || shape >> METHOD_SHAPE_BITS != 0 {
        return None;
    }
    let mut holder = receiver;
    if of_holder != 0 {
        let proto = instance::proto(receiver);
        holder = proto.as_pointer()?;
        if header(holder).tag & tag::MASK != of_holder {
            return None;
        }
    }
    read_value(holder, offset::OBJECT_SLOTS + 8 * slot as usize).as_function()
}

/// The byte offset of the slot, if the cache knows it.
#[inline(always)]
fn hit(cache: &AtomicU64, object: Value, key: Value) -> Option<(*mut u8, usize)> {
    let word = cache.load(Ordering::Relaxed);
    let address = object.as_pointer()?;
    let shape = header(address).tag & tag::MASK;
    let key = key.as_atom()?;
    let slot = (word >> KEY_BITS) as u32 & ((1 << SLOT_BITS) - 1);
    (word == pack(shape, slot, key.0)).then(|| (address, offset::OBJECT_SLOTS + 8 * slot as usize))
}

/// The property's value, if the cache knows where it is and it is no function (which would be bound).
#[inline(always)]
pub(super) fn get(cache: &AtomicU64, object: Value, key: Value) -> Option<Value> {
    let (address, offset) = hit(cache, object, key)?;
    let value = read_value(address, offset);
    let plain = value.is_number()
        || (value.as_function().is_none()
            && value.as_native().is_none()
            && value.heap_tag() != tag::CLOSURE);
    plain.then_some(value)
}

/// Writes the property, if the cache knows where it is. A write is cached only for objects without
/// prototype, which must be checked again: the shape does not say it.
#[inline(always)]
pub(super) fn set(cache: &AtomicU64, object: Value, key: Value, value: Value) -> bool {
    match hit(cache, object, key) {
        Some((address, offset)) if instance::proto(address) == Value::UNDEFINED => {
            write_value(address, offset, value);
            true
        }
        _ => false,
    }
}
