//! Objects with properties: reading, writing and adding own properties.
//!
//! Here are only the mechanics; access rights, prototype chains and magic methods are in
//! `ops/property.rs`.

use super::dict;
use super::shape::{Property, Shape, ShapeId, ShapeTable};
use crate::atom::known;
use crate::bytecode::Access;
use crate::heap::{
    Heap, OutOfMemory, header, offset, read_value, read_word, tag, write_value, write_word,
};
use crate::value::{Atom, Value};

/// Where an own property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Slot of the shape, or entry of the dictionary.
    pub slot: u32,
    pub access: Access,
}

/// The shape of an object that has one.
#[inline]
pub(crate) fn shape_of(object: *const u8) -> Option<ShapeId> {
    let tag = header(object).tag & tag::MASK;
    (tag >= tag::FIRST_SHAPE).then_some(ShapeId(tag))
}

fn dict_of(object: *const u8) -> *mut u8 {
    read_word(object, offset::OBJECT_OVERFLOW) as *mut u8
}

/// Finds an own property.
#[inline]
pub(crate) fn find(shapes: &ShapeTable, object: *const u8, key: Atom) -> Option<Place> {
    match shape_of(object) {
        Some(shape) => {
            let (slot, access) = shapes.get(shape).find(key)?;
            Some(Place { slot, access })
        }
        None => {
            let entry = dict::find(dict_of(object), key).ok()?;
            let access = dict::property(dict_of(object), entry).access;
            Some(Place { slot: entry as u32, access })
        }
    }
}

/// The value in a slot (or dictionary entry) that [`find`] gave.
#[inline]
pub(crate) fn read(object: *const u8, slot: u32) -> Value {
    if shape_of(object).is_none() {
        return dict::value(dict_of(object), slot as usize);
    }
    let inline = header(object).aux;
    if slot < inline {
        read_value(object, offset::OBJECT_SLOTS + 8 * slot as usize)
    } else {
        read_value(dict_of(object), offset::SLOTS_ELEMENTS + 8 * (slot - inline) as usize)
    }
}

/// Writes a slot (or dictionary entry) that [`find`] gave.
#[inline]
pub(crate) fn write(object: *mut u8, slot: u32, value: Value) {
    if shape_of(object).is_none() {
        return dict::set_value(dict_of(object), slot as usize, value);
    }
    let inline = header(object).aux;
    if slot < inline {
        write_value(object, offset::OBJECT_SLOTS + 8 * slot as usize, value);
    } else {
        write_value(dict_of(object), offset::SLOTS_ELEMENTS + 8 * (slot - inline) as usize, value);
    }
}

/// Does the object take no changes?
pub(crate) fn is_frozen(shapes: &ShapeTable, object: *const u8) -> bool {
    match shape_of(object) {
        Some(shape) => shapes.get(shape).frozen,
        None => dict::is_frozen(dict_of(object)),
    }
}

/// The prototype, or Undefined.
#[inline]
pub(crate) fn proto(object: *const u8) -> Value {
    read_value(object, offset::OBJECT_PROTO)
}

/// Sets the prototype.
pub(crate) fn set_proto(object: *mut u8, proto: Value) {
    write_value(object, offset::OBJECT_PROTO, proto);
}

/// Own properties in order of insertion.
pub(crate) fn properties(shapes: &ShapeTable, object: *const u8) -> Vec<(Property, Value)> {
    match shape_of(object) {
        Some(shape) => {
            let properties = &shapes.get(shape).properties;
            let slots = (0u32..).zip(properties.iter());
            slots.map(|(slot, property)| (*property, read(object, slot))).collect()
        }
        None => {
            let dict = dict_of(object);
            (0..dict::count(dict))
                .map(|at| (dict::property(dict, at), dict::value(dict, at)))
                .collect()
        }
    }
}

/// May the object have an own property named like a magic method?
#[inline]
pub(crate) fn may_have_magic(shapes: &ShapeTable, object: *const u8) -> bool {
    shape_of(object).is_none_or(|shape| shapes.get(shape).has_magic)
}

impl Heap {
    /// An object of `shape` whose slots are still to be written with [`write`]: all Undefined.
    pub(crate) fn new_object(&mut self, shape: &Shape) -> Result<*mut u8, OutOfMemory> {
        let inline = shape.inline as usize;
        let object = self.alloc(shape.id.0, shape.inline, 24 + 8 * inline)?;
        set_proto(object, Value::UNDEFINED);
        write_word(object, offset::OBJECT_OVERFLOW, 0);
        for slot in 0..inline {
            write_value(object, offset::OBJECT_SLOTS + 8 * slot, Value::UNDEFINED);
        }
        let overflow = shape.properties.len().saturating_sub(inline);
        if overflow > 0 {
            let slots = self.new_slots(overflow.next_power_of_two())?;
            fill_undefined(slots, 0);
            write_word(object, offset::OBJECT_OVERFLOW, slots as u64);
        }
        Ok(object)
    }

    /// Adds a property that the object does not have yet.
    pub(crate) fn add_property(
        &mut self,
        shapes: &ShapeTable,
        object: *mut u8,
        property: Property,
        value: Value,
    ) -> Result<(), OutOfMemory> {
        let Some(shape) = shape_of(object) else {
            let dict = self.dict_add(dict_of(object), property, value)?;
            write_word(object, offset::OBJECT_OVERFLOW, dict as u64);
            return Ok(());
        };
        let Some(next) = shapes.transition(shape, property.key, property.access) else {
            let mut own = properties(shapes, object);
            own.push((property, value));
            return self.make_dictionary(object, &own);
        };
        let slot = shapes.get(shape).properties.len() as u32;
        let inline = header(object).aux;
        if slot >= inline {
            let needed = (slot - inline) as usize;
            let storage = dict_of(object);
            let capacity = if storage.is_null() { 0 } else { header(storage).aux as usize };
            if needed == capacity {
                let larger = self.new_slots((capacity * 2).max(4))?;
                for i in 0..capacity {
                    let at = offset::SLOTS_ELEMENTS + 8 * i;
                    write_value(larger, at, read_value(storage, at));
                }
                fill_undefined(larger, capacity);
                write_word(object, offset::OBJECT_OVERFLOW, larger as u64);
            }
        }
        set_tag(object, next.0);
        write(object, slot, value);
        Ok(())
    }

    /// Turns an object into one whose properties are in a dictionary: these ones.
    pub(crate) fn make_dictionary(
        &mut self,
        object: *mut u8,
        own: &[(Property, Value)],
    ) -> Result<(), OutOfMemory> {
        let mut dict = self.new_dict(own.len() * 2)?;
        for (property, value) in own {
            dict = self.dict_add(dict, *property, *value)?;
        }
        // The inline slots stay part of the object's size; nothing reads them any more.
        for slot in 0..header(object).aux as usize {
            write_value(object, offset::OBJECT_SLOTS + 8 * slot, Value::UNDEFINED);
        }
        set_tag(object, tag::DICT_OBJECT);
        write_word(object, offset::OBJECT_OVERFLOW, dict as u64);
        Ok(())
    }

    /// Makes all properties readonly, and refuses further ones.
    pub(crate) fn freeze_object(
        &mut self,
        shapes: &ShapeTable,
        object: *mut u8,
    ) -> Result<(), OutOfMemory> {
        if is_frozen(shapes, object) {
            return Ok(());
        }
        let frozen = shape_of(object).and_then(|shape| shapes.frozen(shape));
        if let Some(frozen) = frozen {
            set_tag(object, frozen.0);
            return Ok(());
        }
        let mut own = properties(shapes, object);
        own.iter_mut().for_each(|(property, _)| property.access = property.access.frozen());
        self.make_dictionary(object, &own)?;
        dict::freeze(dict_of(object));
        Ok(())
    }

    /// An object with these properties; `__proto__` with an object value sets the prototype.
    ///
    /// A repeated key: the last value and access win, at the place of the first.
    pub fn new_object_from(
        &mut self,
        shapes: &ShapeTable,
        properties: &[(Property, Value)],
    ) -> Result<Value, OutOfMemory> {
        let root = shapes.root(super::shape::inline_slots(properties.len()));
        let object = self.new_object(shapes.get(root))?;
        let mut seen: Vec<(Property, Value)> = Vec::with_capacity(properties.len());
        let mut places = rustc_hash::FxHashMap::default();
        for &(property, value) in properties {
            if property.key == known::proto && value.is_object() {
                set_proto(object, value);
                continue;
            }
            let place = *places.entry(property.key).or_insert(seen.len());
            match seen.get_mut(place) {
                Some(earlier) => *earlier = (property, value),
                None => seen.push((property, value)),
            }
        }
        for (property, value) in seen {
            self.add_property(shapes, object, property, value)?;
        }
        Ok(Value::pointer(object))
    }
}

fn fill_undefined(slots: *mut u8, from: usize) {
    for i in from..header(slots).aux as usize {
        write_value(slots, offset::SLOTS_ELEMENTS + 8 * i, Value::UNDEFINED);
    }
}

/// Changes the tag (shape) of an object, keeping flags and `aux`.
fn set_tag(object: *mut u8, to: u32) {
    let head = header(object);
    let flags = head.tag & !tag::MASK;
    write_word(object, 0, u64::from(to | flags) | u64::from(head.aux) << 32);
}
