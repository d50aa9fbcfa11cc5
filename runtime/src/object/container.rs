//! Tuples, arrays and complex numbers.

use crate::heap::header;
use crate::heap::{
    Heap, OutOfMemory, Space, offset, read_word, tag, values, write_value, write_word,
};
use crate::value::Value;

/// The parts of a Complex.
#[inline]
pub fn complex(value: Value) -> Option<(f64, f64)> {
    let object = value.as_pointer()?;
    (header(object).tag & tag::MASK == tag::COMPLEX).then(|| {
        let part = |at| f64::from_bits(read_word(object, at));
        (part(offset::COMPLEX_RE), part(offset::COMPLEX_IM))
    })
}

/// The elements of a Tuple.
#[inline]
pub fn tuple<'a>(value: Value) -> Option<&'a [Value]> {
    let object = value.as_pointer()?;
    let head = header(object);
    (head.tag & tag::MASK == tag::TUPLE)
        .then(|| values(object, offset::TUPLE_ELEMENTS, head.aux as usize))
}

/// The elements of an Array, as they are now.
#[inline]
pub fn array<'a>(value: Value) -> Option<&'a [Value]> {
    let object = value.as_pointer()?;
    if header(object).tag & tag::MASK != tag::ARRAY {
        return None;
    }
    let len = read_word(object, offset::ARRAY_LEN) as usize;
    if len == 0 {
        return Some(&[]);
    }
    let storage = read_word(object, offset::ARRAY_SLOTS) as *const u8;
    Some(values(storage, offset::SLOTS_ELEMENTS, len))
}

fn fill(object: *mut u8, offset: usize, elements: &[Value]) {
    for (i, element) in elements.iter().enumerate() {
        write_value(object, offset + 8 * i, *element);
    }
}

/// A new Tuple in a space that is not a heap yet; the elements are in it already.
pub(crate) fn tuple_in_space(space: &mut Space, elements: &[Value]) -> Value {
    let object = space.alloc(tag::TUPLE, elements.len() as u32, (8 + 8 * elements.len()).max(16));
    fill(object, offset::TUPLE_ELEMENTS, elements);
    Value::pointer(object)
}

impl Heap {
    /// A new Complex.
    pub fn new_complex(&mut self, re: f64, im: f64) -> Result<Value, OutOfMemory> {
        let object = self.alloc(tag::COMPLEX, 0, 24)?;
        write_value(object, offset::COMPLEX_RE, Value::number(re));
        write_value(object, offset::COMPLEX_IM, Value::number(im));
        Ok(Value::pointer(object))
    }

    /// A new Tuple.
    pub fn new_tuple(&mut self, elements: &[Value]) -> Result<Value, OutOfMemory> {
        let aux = u32::try_from(elements.len()).map_err(|_| OutOfMemory)?;
        let object = self.alloc(tag::TUPLE, aux, (8 + 8 * elements.len()).max(16))?;
        fill(object, offset::TUPLE_ELEMENTS, elements);
        Ok(Value::pointer(object))
    }

    /// Storage for `capacity` values, not filled in.
    pub(crate) fn new_slots(&mut self, capacity: usize) -> Result<*mut u8, OutOfMemory> {
        let aux = u32::try_from(capacity).map_err(|_| OutOfMemory)?;
        self.alloc(tag::SLOTS, aux, (8 + 8 * capacity).max(16))
    }

    /// A new Array.
    pub fn new_array(&mut self, elements: &[Value]) -> Result<Value, OutOfMemory> {
        let mut storage = std::ptr::null_mut();
        if !elements.is_empty() {
            storage = self.new_slots(elements.len())?;
            fill(storage, offset::SLOTS_ELEMENTS, elements);
        }
        let object = self.alloc(tag::ARRAY, 0, 24)?;
        write_word(object, offset::ARRAY_LEN, elements.len() as u64);
        write_word(object, offset::ARRAY_SLOTS, storage as u64);
        Ok(Value::pointer(object))
    }

    /// Larger storage with the elements of an Array that is full, Undefined behind them. Its own one, if
    /// any, must not be used any more.
    fn grow_slots(
        &mut self,
        array: Value,
        storage: *mut u8,
        capacity: usize,
    ) -> Result<*mut u8, OutOfMemory> {
        let aux = u32::try_from(capacity).map_err(|_| OutOfMemory)?;
        let len = self::array(array).map_or(0, <[Value]>::len);
        let grown = match storage.is_null() {
            true => None,
            false => self.grow_large(storage, offset::SLOTS_ELEMENTS + 8 * capacity)?,
        };
        let larger = match grown {
            Some(grown) => {
                let tag = u64::from(header(grown).tag);
                write_word(grown, 0, tag | u64::from(aux) << 32);
                grown
            }
            None => {
                let larger = self.new_slots(capacity)?;
                fill(larger, offset::SLOTS_ELEMENTS, self::array(array).unwrap_or(&[]));
                larger
            }
        };
        for at in len..capacity {
            write_value(larger, offset::SLOTS_ELEMENTS + 8 * at, Value::UNDEFINED);
        }
        Ok(larger)
    }

    /// Sets an element of an Array; an index one past the end appends. False if out of range.
    pub(crate) fn array_set(
        &mut self,
        array: Value,
        index: usize,
        value: Value,
    ) -> Result<bool, OutOfMemory> {
        let Some(object) = array.as_pointer() else { return Ok(false) };
        let len = read_word(object, offset::ARRAY_LEN) as usize;
        if index > len {
            return Ok(false);
        }
        let mut storage = read_word(object, offset::ARRAY_SLOTS) as *mut u8;
        let capacity = if storage.is_null() { 0 } else { header(storage).aux as usize };
        if index == len {
            if len == capacity {
                storage = self.grow_slots(array, storage, (capacity * 2).max(4))?;
                write_word(object, offset::ARRAY_SLOTS, storage as u64);
            }
            write_word(object, offset::ARRAY_LEN, len as u64 + 1);
        }
        write_value(storage, offset::SLOTS_ELEMENTS + 8 * index, value);
        Ok(true)
    }
}
