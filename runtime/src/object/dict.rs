//! Storage of objects with very many properties: an insertion-ordered hash table in the heap.
//!
//! Layout of a DICT object: header (`aux` = capacity, a power of two), entry count (its highest bit
//! is set if the object is frozen), `capacity`
//! entries of two words (key and access, value), then `2 * capacity` 32-bit cells of an
//! open-addressing index (entry number + 1, or 0).

use super::shape::Property;
use crate::bytecode::Access;
use crate::heap::{Heap, OutOfMemory, header, read_value, read_word, tag, write_value, write_word};
use crate::value::{Atom, Value};

/// Bytes of a DICT object.
pub(crate) fn size(capacity: usize) -> usize {
    16 + 24 * capacity
}

/// Calls `field` with the offset of each value.
pub(crate) fn visit(dict: *const u8, mut field: impl FnMut(usize)) {
    (0..count(dict)).for_each(|entry| field(24 + 16 * entry));
}

pub(crate) fn count(dict: *const u8) -> usize {
    (read_word(dict, 8) & !FROZEN) as usize
}

/// Set in the entry count of frozen objects.
const FROZEN: u64 = 1 << 63;

pub(crate) fn is_frozen(dict: *const u8) -> bool {
    read_word(dict, 8) & FROZEN != 0
}

pub(crate) fn freeze(dict: *mut u8) {
    write_word(dict, 8, read_word(dict, 8) | FROZEN);
}

fn capacity(dict: *const u8) -> usize {
    header(dict).aux as usize
}

pub(crate) fn property(dict: *const u8, entry: usize) -> Property {
    let word = read_word(dict, 16 + 16 * entry);
    let access = match word >> 32 {
        0 => Access::Public,
        1 => Access::Readonly,
        2 => Access::Protected,
        _ => Access::ProtectedReadonly,
    };
    Property { key: Atom(word as u32), access }
}

pub(crate) fn value(dict: *const u8, entry: usize) -> Value {
    read_value(dict, 24 + 16 * entry)
}

pub(crate) fn set_value(dict: *mut u8, entry: usize, value: Value) {
    write_value(dict, 24 + 16 * entry, value);
}

fn cell(dict: *const u8, at: usize) -> u32 {
    let offset = 16 + 16 * capacity(dict) + 4 * at;
    (read_word(dict, offset & !7) >> (8 * (offset & 4))) as u32
}

fn set_cell(dict: *mut u8, at: usize, entry: u32) {
    let offset = 16 + 16 * capacity(dict) + 4 * at;
    let shift = 8 * (offset & 4);
    let word = read_word(dict, offset & !7) & !(0xFFFF_FFFF << shift);
    write_word(dict, offset & !7, word | u64::from(entry) << shift);
}

fn start(key: Atom, mask: usize) -> usize {
    (key.0.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask
}

/// The entry number of `key`, or the index cell where it would go.
pub(crate) fn find(dict: *const u8, key: Atom) -> Result<usize, usize> {
    let mask = 2 * capacity(dict) - 1;
    let mut at = start(key, mask);
    loop {
        match cell(dict, at) {
            0 => return Err(at),
            entry if property(dict, entry as usize - 1).key == key => return Ok(entry as usize - 1),
            _ => at = (at + 1) & mask,
        }
    }
}

impl Heap {
    /// A dictionary with room for `capacity` entries, rounded up to a power of two.
    pub(crate) fn new_dict(&mut self, capacity: usize) -> Result<*mut u8, OutOfMemory> {
        let capacity = capacity.next_power_of_two().max(16);
        let aux = u32::try_from(capacity).map_err(|_| OutOfMemory)?;
        let dict = self.alloc(tag::DICT, aux, size(capacity))?;
        write_word(dict, 8, 0);
        // SAFETY: the object was just allocated with `size(capacity)` bytes.
        unsafe { std::ptr::write_bytes(dict.add(16), 0, size(capacity) - 16) };
        Ok(dict)
    }

    /// Adds a property that is not there yet; returns the dictionary, which may be a new one.
    pub(crate) fn dict_add(
        &mut self,
        dict: *mut u8,
        property: Property,
        value: Value,
    ) -> Result<*mut u8, OutOfMemory> {
        let mut dict = dict;
        if count(dict) == capacity(dict) {
            let larger = self.new_dict(capacity(dict) * 2)?;
            for entry in 0..count(dict) {
                push(larger, self::property(dict, entry), self::value(dict, entry));
            }
            dict = larger;
        }
        push(dict, property, value);
        Ok(dict)
    }
}

fn push(dict: *mut u8, property: Property, value: Value) {
    let entry = count(dict);
    let Err(at) = find(dict, property.key) else { return };
    write_word(
        dict,
        16 + 16 * entry,
        u64::from(property.key.0) | u64::from(property.access as u8) << 32,
    );
    set_value(dict, entry, value);
    set_cell(dict, at, entry as u32 + 1);
    write_word(dict, 8, entry as u64 + 1);
}
