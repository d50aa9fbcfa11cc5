//! What library functions do to objects and arrays, from outside: listing, looking up, setting,
//! deleting, freezing.
//!
//! Nothing here runs Ion code: magic methods are not asked.

use super::container;
use super::instance;
use super::shape::{Property, ShapeTable};
use crate::atom::known;
use crate::bytecode::Access;
use crate::heap::{Heap, OutOfMemory, header, offset, read_word, write_value, write_word};
use crate::value::{Atom, Value};

/// The own properties of an object in order of insertion; `None` for other values.
pub fn properties(shapes: &ShapeTable, object: Value) -> Option<Vec<(Property, Value)>> {
    object
        .is_object()
        .then(|| instance::properties(shapes, object.as_pointer().expect("heap object")))
}

/// The prototype of an object, or Undefined; `None` for other values.
pub fn prototype(object: Value) -> Option<Value> {
    object.is_object().then(|| instance::proto(object.as_pointer().expect("heap object")))
}

/// Looks a property up in an object, and along its prototype chain if `inherited`.
pub fn find(
    shapes: &ShapeTable,
    object: Value,
    key: Atom,
    inherited: bool,
) -> Option<(Value, Access)> {
    let mut current = object;
    while current.is_object() {
        let holder = current.as_pointer()?;
        if let Some(place) = instance::find(shapes, holder, key) {
            return Some((instance::read(holder, place.slot), place.access));
        }
        if !inherited {
            return None;
        }
        current = instance::proto(holder);
    }
    None
}

/// Does an object take no changes?
pub fn is_frozen(shapes: &ShapeTable, object: Value) -> bool {
    object.is_object() && instance::is_frozen(shapes, object.as_pointer().expect("heap object"))
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The value is no object.
    NoObject,
    /// The property may not be written from outside.
    NotWritable,
    /// The object is frozen.
    Frozen,
    /// The prototype chain would contain itself.
    PrototypeCycle,
    /// There is not enough memory.
    OutOfMemory,
}

impl From<OutOfMemory> for Refused {
    fn from(_: OutOfMemory) -> Refused {
        Refused::OutOfMemory
    }
}

/// Sets the prototype of an object to an object, or to none if it is Undefined.
pub fn set_prototype(shapes: &ShapeTable, object: Value, proto: Value) -> Result<(), Refused> {
    let of = object.as_pointer().filter(|_| object.is_object()).ok_or(Refused::NoObject)?;
    if proto != Value::UNDEFINED && !proto.is_object() {
        return Err(Refused::NoObject);
    }
    if instance::is_frozen(shapes, of) {
        return Err(Refused::Frozen);
    }
    let mut current = proto;
    while let Some(at) = current.as_pointer() {
        if at == of {
            return Err(Refused::PrototypeCycle);
        }
        current = instance::proto(at);
    }
    instance::set_proto(of, proto);
    Ok(())
}

impl Heap {
    /// Sets a property as SET_PROP from outside does: one that is missing is added as a public one.
    pub fn set_property(
        &mut self,
        shapes: &ShapeTable,
        object: Value,
        key: Atom,
        value: Value,
    ) -> Result<(), Refused> {
        let holder = object.as_pointer().filter(|_| object.is_object()).ok_or(Refused::NoObject)?;
        if key == known::proto && value.is_object() {
            return set_prototype(shapes, object, value);
        }
        match instance::find(shapes, holder, key) {
            Some(place) if place.access == Access::Public => {
                instance::write(holder, place.slot, value);
            }
            Some(_) => return Err(Refused::NotWritable),
            None if instance::is_frozen(shapes, holder) => return Err(Refused::Frozen),
            None => {
                let property = Property { key, access: Access::Public };
                self.add_property(shapes, holder, property, value)?;
            }
        }
        Ok(())
    }

    /// Removes an own public property; false if there is none.
    pub fn delete_property(
        &mut self,
        shapes: &ShapeTable,
        object: Value,
        key: Atom,
    ) -> Result<bool, Refused> {
        let holder = object.as_pointer().filter(|_| object.is_object()).ok_or(Refused::NoObject)?;
        match instance::find(shapes, holder, key) {
            None => return Ok(false),
            Some(_) if instance::is_frozen(shapes, holder) => return Err(Refused::Frozen),
            Some(place) if place.access != Access::Public => return Err(Refused::NotWritable),
            Some(_) => {}
        }
        let mut own = instance::properties(shapes, holder);
        own.retain(|(property, _)| property.key != key);
        // Objects that lose properties are used as tables: a dictionary, so that they make no shapes.
        self.make_dictionary(holder, &own)?;
        Ok(true)
    }

    /// Makes all properties of an object readonly, and refuses further ones.
    pub fn freeze(&mut self, shapes: &ShapeTable, object: Value) -> Result<(), Refused> {
        let holder = object.as_pointer().filter(|_| object.is_object()).ok_or(Refused::NoObject)?;
        self.freeze_object(shapes, holder)?;
        Ok(())
    }

    /// A copy of an object: the same properties, access levels and prototype.
    pub fn copy_object(&mut self, shapes: &ShapeTable, object: Value) -> Result<Value, Refused> {
        let own = properties(shapes, object).ok_or(Refused::NoObject)?;
        let copy = self.new_object_from(shapes, &own)?;
        let proto = prototype(object).unwrap_or(Value::UNDEFINED);
        instance::set_proto(copy.as_pointer().expect("heap object"), proto);
        Ok(copy)
    }

    /// Sets an element of an Array; an index one past the end appends. False if it is out of range or
    /// the value is no Array.
    pub fn set_element(
        &mut self,
        array: Value,
        index: usize,
        value: Value,
    ) -> Result<bool, OutOfMemory> {
        match container::array(array) {
            Some(_) => self.array_set(array, index, value),
            None => Ok(false),
        }
    }

    /// Cuts an Array to at most `len` elements.
    pub fn truncate(&mut self, array: Value, len: usize) {
        let (Some(old), Some(object)) =
            (container::array(array).map(<[Value]>::len), array.as_pointer())
        else {
            return;
        };
        let storage = read_word(object, offset::ARRAY_SLOTS) as *mut u8;
        for at in len..old {
            // Nothing that is gone stays alive.
            write_value(storage, offset::SLOTS_ELEMENTS + 8 * at, Value::UNDEFINED);
        }
        write_word(object, offset::ARRAY_LEN, old.min(len) as u64);
    }

    /// Gives an Array these elements instead of its own.
    pub fn replace_elements(
        &mut self,
        array: Value,
        elements: &[Value],
    ) -> Result<(), OutOfMemory> {
        let (Some(old), Some(object)) = (container::array(array), array.as_pointer()) else {
            return Ok(());
        };
        debug_assert!(old.is_empty() || !std::ptr::eq(old.as_ptr(), elements.as_ptr()));
        let mut storage = read_word(object, offset::ARRAY_SLOTS) as *mut u8;
        let capacity = if storage.is_null() { 0 } else { header(storage).aux as usize };
        if capacity < elements.len() {
            let room = elements.len().next_power_of_two();
            let larger = self.new_slots(room)?;
            for at in elements.len()..room {
                write_value(larger, offset::SLOTS_ELEMENTS + 8 * at, Value::UNDEFINED);
            }
            storage = larger;
        } else {
            self.truncate(array, elements.len());
        }
        for (at, element) in elements.iter().enumerate() {
            write_value(storage, offset::SLOTS_ELEMENTS + 8 * at, *element);
        }
        write_word(object, offset::ARRAY_SLOTS, storage as u64);
        write_word(object, offset::ARRAY_LEN, elements.len() as u64);
        Ok(())
    }
}
