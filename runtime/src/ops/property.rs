//! GET_PROP and SET_PROP: access rights, prototype chains, binding, element access, magic methods.

use super::{Cont, Outcome, find_magic, magic};
use crate::atom::known;
use crate::bytecode::Access;
use crate::error::Trap;
use crate::heap::{OutOfMemory, tag};
use crate::object::shape::Property;
use crate::object::{container, instance};
use crate::process::Process;
use crate::system::System;
use crate::value::{Atom, Value};

/// Along a chain, where a property was found.
pub(crate) struct Found {
    pub value: Value,
    pub access: Access,
}

/// Looks a property up along the prototype chain of an object.
pub(crate) fn lookup(system: &System, object: Value, key: Atom) -> Option<Found> {
    let mut current = object;
    while current.is_object() {
        let holder = current.as_pointer()?;
        if let Some(place) = instance::find(&system.shapes, holder, key) {
            return Some(Found { value: instance::read(holder, place.slot), access: place.access });
        }
        current = instance::proto(holder);
    }
    None
}

fn is_protected(access: Access) -> bool {
    matches!(access, Access::Protected | Access::ProtectedReadonly)
}

/// The element that `key` names in a row of `len`.
fn element_index(system: &System, key: Value, len: usize) -> Option<usize> {
    let index = match (key.as_number(), key.as_atom()) {
        (Some(number), _) if number >= 0.0 && number.trunc() == number => number as usize,
        (_, Some(atom)) => system.atoms.index(atom)? as usize,
        _ => return None,
    };
    (index < len).then_some(index)
}

/// The operand as an object, and whether the frame has a method's rights on it.
fn resolve(object: Value, this: Value) -> Result<(Value, bool), Trap> {
    if object == Value::atom(known::this) {
        return if this == Value::UNDEFINED { Err(Trap::NoThis) } else { Ok((this, true)) };
    }
    Ok((object, object == this))
}

/// `object[key]` as seen by a frame bound to `this`.
#[inline(never)]
pub fn get_prop(
    process: &mut Process,
    object: Value,
    key: Value,
    this: Value,
) -> Result<Outcome, Trap> {
    let system = process.system();
    let sentinel_with_bad_key = object == Value::atom(known::this) && key.as_atom().is_none();
    if sentinel_with_bad_key {
        return Ok(Outcome::Value(Value::UNDEFINED));
    }
    let (object, inside) = resolve(object, this)?;
    let found = match object.heap_tag() {
        tag::FORWARD => Value::UNDEFINED,
        tag::ARRAY | tag::TUPLE => {
            let elements =
                container::array(object).or_else(|| container::tuple(object)).unwrap_or(&[]);
            match element_index(system, key, elements.len()) {
                Some(index) => elements[index],
                None if key == Value::atom(known::length) => Value::number(elements.len() as f64),
                None => Value::UNDEFINED,
            }
        }
        _ if object.is_object() => {
            let Some(key) = key.as_atom() else { return Ok(Outcome::Value(Value::UNDEFINED)) };
            match lookup(system, object, key) {
                Some(found) if is_protected(found.access) && !inside => {
                    return Err(Trap::Protected { key: system.atoms.text(key).into() });
                }
                Some(found) => found.value,
                None => {
                    let args = [Value::atom(key)];
                    let call = magic(system, object, known::getattr, &args, Cont::Store);
                    return Ok(call.unwrap_or(Outcome::Value(Value::UNDEFINED)));
                }
            }
        }
        _ => Value::UNDEFINED,
    };
    let heap = &mut process.heap;
    let bound = heap.bind(found, object);
    bound.map(Outcome::Value).map_err(|OutOfMemory| Trap::OutOfMemory { limit: heap.limit })
}

/// `object[key] := value` by a frame bound to `this`. The outcome's value means nothing.
#[inline(never)]
pub fn set_prop(
    process: &mut Process,
    object: Value,
    key: Value,
    value: Value,
    this: Value,
) -> Result<Outcome, Trap> {
    const DONE: Result<Outcome, Trap> = Ok(Outcome::Value(Value::UNDEFINED));
    if object == Value::atom(known::this) && key.as_atom().is_none() {
        return DONE;
    }
    let (target, inside) = resolve(object, this)?;
    let limit = process.heap.limit;
    let out_of_memory = |OutOfMemory| Trap::OutOfMemory { limit };
    if target.heap_tag() == tag::ARRAY {
        let len = container::array(target).map_or(0, <[Value]>::len);
        if let Some(index) = element_index(process.system(), key, len + 1) {
            process.heap.array_set(target, index, value).map_err(out_of_memory)?;
        }
        return DONE;
    }
    let (true, Some(key)) = (target.is_object(), key.as_atom()) else { return DONE };
    let holder = target.as_pointer().expect("objects are heap objects");
    let system = process.system();
    if !inside && find_magic(system, target, known::setattr).is_some() {
        let args = [Value::atom(key), value];
        return Ok(magic(system, target, known::setattr, &args, Cont::Drop)
            .unwrap_or(Outcome::Value(Value::UNDEFINED)));
    }
    if key == known::proto && value.is_object() && !instance::is_frozen(&system.shapes, holder) {
        return set_proto(holder, value).map(|()| Outcome::Value(Value::UNDEFINED));
    }
    match instance::find(&system.shapes, holder, key) {
        Some(place) => {
            let writable = match place.access {
                Access::Public => true,
                Access::Protected => inside,
                Access::Readonly | Access::ProtectedReadonly => false,
            };
            if writable {
                instance::write(holder, place.slot, value);
            } else {
                let name = system.atoms.text(key);
                system.warn(&format!(
                    "process {}: write to the {} property '{name}' ignored",
                    process.number,
                    if is_protected(place.access) { "protected" } else { "readonly" },
                ));
            }
        }
        None if instance::is_frozen(&system.shapes, holder) => {
            let name = system.atoms.text(key);
            let number = process.number;
            system.warn(&format!(
                "process {number}: new property '{name}' of a frozen object ignored"
            ));
        }
        None => {
            let property = Property { key, access: Access::Public };
            process
                .heap
                .add_property(&system.shapes, holder, property, value)
                .map_err(out_of_memory)?;
        }
    }
    DONE
}

fn set_proto(object: *mut u8, proto: Value) -> Result<(), Trap> {
    let mut current = proto;
    while let Some(at) = current.as_pointer() {
        if at == object {
            return Err(Trap::PrototypeCycle);
        }
        current = instance::proto(at);
    }
    instance::set_proto(object, proto);
    Ok(())
}

/// Bits of a shape in a method cache: there are at most 2^20 shapes.
pub const METHOD_SHAPE_BITS: u32 = 21;

/// The word of a method cache for a property that anyone may read: the receiver's shape, the
/// prototype's shape if the property is there (else 0), and how many words into that object it is.
/// A cache is one word so that workers may race on it.
pub fn method_word(system: &System, object: Value, key: Value) -> Option<u64> {
    let key = key.as_atom()?;
    let readable = |access| matches!(access, Access::Public | Access::Readonly);
    if !object.is_object() {
        return None;
    }
    let receiver = object.as_pointer()?;
    let shape = instance::shape_of(receiver)?;
    let (holder, of_holder) = match instance::find(&system.shapes, receiver, key) {
        Some(_) => (receiver, 0),
        None => {
            let proto = instance::proto(receiver);
            let holder = if proto.is_object() { proto.as_pointer()? } else { return None };
            (holder, instance::shape_of(holder)?.0)
        }
    };
    let place = instance::find(&system.shapes, holder, key)?;
    let inline = place.slot < crate::heap::header(holder).aux;
    let words = (crate::heap::offset::OBJECT_SLOTS / 8) as u64 + u64::from(place.slot);
    (readable(place.access) && inline).then(|| {
        u64::from(shape.0)
            | u64::from(of_holder) << METHOD_SHAPE_BITS
            | words << (2 * METHOD_SHAPE_BITS)
    })
}
