//! `Array`: what changes an array in place says so; everything else gives a new one.
//!
//! Functions that call functions of the program are bytecode, see [`super::library`].

use super::{Array, Result, Str, Tuple, fail, part};
use crate::registry::natives;
use ion_runtime::heap::OutOfMemory;
use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::object::{Kind, container, string};
use ion_runtime::ops::compare::equal;
use ion_runtime::print::{TooLong, to_text_within};
use ion_runtime::value::Value;
use std::cmp::Ordering;

natives! {
    /// Arrays and tuples.
    fn module;

    /// The number of elements.
    Array.length(array) = typed length;
    /// Adds values at the end of the array; gives its new length.
    Array.push = raw 1 .. "(array: Array, ...values: Any) -> Number" push;
    /// Removes the last element from the array and gives it; Undefined if the array is empty.
    Array.pop(array) = typed pop;
    /// Removes the first element from the array and gives it; Undefined if the array is empty.
    Array.shift(array) = typed shift;
    /// Adds values at the start of the array; gives its new length.
    Array.unshift = raw 1 .. "(array: Array, ...values: Any) -> Number" unshift;
    /// Inserts a value into the array before a position; negative ones count from the end.
    Array.insert(array, position, value) = typed insert;
    /// Removes the element at a position from the array and gives it; Undefined if there is none.
    Array.remove(array, position) = typed remove;
    /// Removes all elements from the array.
    Array.clear(array) = typed clear;
    /// Sets all elements of the array to a value.
    Array.fill(array, value) = typed fill;
    /// A new array of so many elements, each of which is the value.
    Array.of(count, value) = typed of;
    /// A new array of the numbers from `from` up to, but not including, `to`, in steps of 1 or `step`.
    Array.range(from, to, step) = typed range;
    /// A new array: the elements of an array or tuple, or the code points of a text.
    Array.from(value) = typed from;
    /// A new array of the elements from one position up to, but not including, another, or to the end.
    /// Negative positions count from the end.
    Array.slice(array, from, to) = typed slice;
    /// A new array of the elements of all these arrays.
    Array.concat = raw 0 .. "(...arrays: Array) -> Array" concat;
    /// A new array of the elements in reverse order.
    Array.reverse(array) = typed reverse;
    /// A new array in which elements that are arrays are replaced by their elements.
    Array.flat(array) = typed flat;
    /// A new array of pairs: tuples of the elements at the same position, as many as both arrays have.
    Array.zip(a, b) = typed zip;
    /// The position of the first element that equals a value, at `from` or behind; -1 if there is none.
    Array.indexOf(array, value, from) = typed index_of;
    /// The position of the last element that equals a value; -1 if there is none.
    Array.lastIndexOf(array, value) = typed last_index_of;
    /// Is there an element that equals a value?
    Array.includes(array, value) = typed includes;
    /// The texts of the elements, with a separator between them; without one, a comma.
    Array.join(array, separator) = typed join;
    /// The sum of the elements, which must be numbers.
    Array.sum(array) = typed sum;
    /// A new array of the elements in ascending order: numbers, then texts, then everything else as
    /// it was.
    Array.sorted(array) = typed sorted;
    /// Is it an array?
    Array.isArray(value) = typed is_array;
    /// A tuple of the arguments. Ion's `(a, b)` calls it.
    Tuple.of = raw 0 .. "(...values: Any) -> Tuple" tuple_of;
    /// A tuple of the elements.
    Tuple.from(array) = typed tuple_from;
    /// The elements of a tuple as an array.
    Tuple.toArray(tuple) = typed tuple_to_array;
    /// The number of elements.
    Tuple.length(tuple) = typed tuple_length;

    /// A new array of what the function gives for each element.
    Array.map = code 2 "(array: Array, function: Function) -> Array";
    /// A new array of the elements for which the function gives something true.
    Array.filter = code 2 "(array: Array, function: Function) -> Array";
    /// Calls `function(result, element)` for each element; what it gives is the next result. Gives the
    /// last one; `initial` for an empty array.
    Array.reduce = code 3 "(array: Array, function: Function, initial: Any) -> Any";
    /// Calls the function with each element.
    Array.forEach = code 2 "(array: Array, function: Function) -> Unit";
    /// The first element for which the function gives something true; Undefined if there is none.
    Array.find = code 2 "(array: Array, function: Function) -> Any";
    /// The position of the first element for which the function gives something true; -1 if there is
    /// none.
    Array.findIndex = code 2 "(array: Array, function: Function) -> Number";
    /// Does the function give something true for at least one element?
    Array.some = code 2 "(array: Array, function: Function) -> Boolean";
    /// Does the function give something true for all elements?
    Array.every = code 2 "(array: Array, function: Function) -> Boolean";
    /// How many elements does the function give something true for?
    Array.count = code 2 "(array: Array, function: Function) -> Number";
    /// A new array of the elements in order. `compare(a, b)` gives true or a number below 0 if `a`
    /// comes before `b`; without it, the order is that of `Array.sorted`. Equal elements stay in their
    /// order.
    Array.sort = code 2 "(array: Array, compare?: Function) -> Array";
}

fn out_of_memory(cx: &NativeCx<'_>) -> impl Fn(OutOfMemory) -> NativeError + use<> {
    let error = cx.out_of_memory();
    move |OutOfMemory| error.clone()
}

fn length(array: Array) -> f64 {
    array.elements().len() as f64
}

/// The array that a function with any number of arguments begins with.
fn first(args: &[Value]) -> Result<Array> {
    let value = args.first().copied().unwrap_or(Value::UNDEFINED);
    if value.kind() == Kind::Array {
        return Ok(Array(value));
    }
    Err(NativeError::Argument {
        position: 1,
        name: "array".to_owned(),
        expected: "Array".to_owned(),
        got: value.kind().name().to_owned(),
    })
}

fn push(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let array = first(args)?;
    let mut len = array.elements().len();
    for value in &args[1..] {
        let failed = out_of_memory(cx);
        cx.heap.set_element(array.0, len, *value).map_err(failed)?;
        len += 1;
    }
    cx.charge_items(args.len());
    Ok(Value::number(len as f64))
}

fn pop(cx: &mut NativeCx<'_>, array: Array) -> Value {
    let Some((last, rest)) = array.elements().split_last() else { return Value::UNDEFINED };
    let (last, len) = (*last, rest.len());
    cx.heap.truncate(array.0, len);
    last
}

/// Replaces the elements by others that have been copied out before.
fn replace(cx: &mut NativeCx<'_>, array: Array, elements: &[Value]) -> Result<()> {
    cx.charge_items(elements.len());
    let failed = out_of_memory(cx);
    cx.heap.replace_elements(array.0, elements).map_err(failed)
}

fn shift(cx: &mut NativeCx<'_>, array: Array) -> Result {
    remove(cx, array, 0.0)
}

fn unshift(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let array = first(args)?;
    let elements = [&args[1..], array.elements()].concat();
    replace(cx, array, &elements)?;
    Ok(Value::number(elements.len() as f64))
}

fn insert(cx: &mut NativeCx<'_>, array: Array, position: f64, value: Value) -> Result<()> {
    let mut elements = array.elements().to_vec();
    let at = part(elements.len(), position, None).start;
    elements.insert(at, value);
    replace(cx, array, &elements)
}

fn remove(cx: &mut NativeCx<'_>, array: Array, position: f64) -> Result {
    let len = array.elements().len();
    let at = if position < 0.0 { position + len as f64 } else { position };
    if at.is_nan() || at < 0.0 || at >= len as f64 {
        return Ok(Value::UNDEFINED);
    }
    let mut elements = array.elements().to_vec();
    let removed = elements.remove(at as usize);
    replace(cx, array, &elements)?;
    Ok(removed)
}

fn clear(cx: &mut NativeCx<'_>, array: Array) {
    cx.charge_items(array.elements().len());
    cx.heap.truncate(array.0, 0);
}

fn fill(cx: &mut NativeCx<'_>, array: Array, value: Value) -> Result<()> {
    let elements = vec![value; array.elements().len()];
    replace(cx, array, &elements)
}

fn of(cx: &mut NativeCx<'_>, count: f64, value: Value) -> Result<Vec<Value>> {
    let count = count as usize;
    cx.check_bytes(count.saturating_mul(8))?;
    cx.charge_items(count);
    Ok(vec![value; count])
}

fn range(cx: &mut NativeCx<'_>, from: f64, to: f64, step: Option<f64>) -> Result<Vec<Value>> {
    let step = step.unwrap_or(1.0);
    if step == 0.0 || !step.is_finite() || !from.is_finite() || to.is_nan() {
        return fail("Array.range takes finite numbers, and a step that is not 0");
    }
    let count = ((to - from) / step).ceil().max(0.0) as usize;
    cx.check_bytes(count.saturating_mul(8))?;
    cx.charge_items(count);
    Ok((0..count).map(|at| Value::number(from + at as f64 * step)).collect())
}

fn from(cx: &mut NativeCx<'_>, value: Value) -> Result<Vec<Value>> {
    if let Some(elements) = container::array(value).or_else(|| container::tuple(value)) {
        cx.charge_items(elements.len());
        return Ok(elements.to_vec());
    }
    let Some(text) = string::text(value) else {
        return Err(NativeError::Argument {
            position: 1,
            name: "value".to_owned(),
            expected: "Array, Tuple or String".to_owned(),
            got: value.kind().name().to_owned(),
        });
    };
    cx.charge_bytes(text.len().saturating_mul(8));
    let mut buffer = [0; 4];
    text.chars().map(|c| cx.string(c.encode_utf8(&mut buffer))).collect()
}

fn slice(
    cx: &mut NativeCx<'_>,
    array: Array,
    from: Option<f64>,
    to: Option<f64>,
) -> Result<Vec<Value>> {
    let elements = array.elements();
    let part = &elements[part(elements.len(), from.unwrap_or(0.0), to)];
    cx.charge_items(part.len());
    Ok(part.to_vec())
}

fn concat(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let mut all = Vec::new();
    for (at, arg) in args.iter().enumerate() {
        let elements = container::array(*arg).ok_or_else(|| NativeError::Argument {
            position: at + 1,
            name: "arrays".to_owned(),
            expected: "Array".to_owned(),
            got: arg.kind().name().to_owned(),
        })?;
        cx.check_bytes((all.len() + elements.len()).saturating_mul(8))?;
        all.extend_from_slice(elements);
    }
    cx.charge_items(all.len());
    cx.array(&all)
}

fn reverse(cx: &mut NativeCx<'_>, array: Array) -> Vec<Value> {
    cx.charge_items(array.elements().len());
    array.elements().iter().rev().copied().collect()
}

fn flat(cx: &mut NativeCx<'_>, array: Array) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for element in array.elements() {
        match container::array(*element) {
            // The array may contain itself many times.
            Some(inner) => {
                cx.check_bytes((all.len() + inner.len()).saturating_mul(8))?;
                all.extend_from_slice(inner);
            }
            None => all.push(*element),
        }
    }
    cx.charge_items(all.len());
    Ok(all)
}

fn zip(cx: &mut NativeCx<'_>, a: Array, b: Array) -> Result<Vec<Value>> {
    cx.charge_items(a.elements().len().min(b.elements().len()).saturating_mul(4));
    a.elements().iter().zip(b.elements()).map(|(a, b)| cx.tuple(&[*a, *b])).collect()
}

/// Charges for comparing elements with a value.
fn search(cx: &mut NativeCx<'_>, array: Array, value: Value) {
    cx.charge_items(array.elements().len());
    cx.charge_bytes(string::len(value).unwrap_or(0));
}

fn index_of(cx: &mut NativeCx<'_>, array: Array, value: Value, from: Option<f64>) -> f64 {
    search(cx, array, value);
    let elements = array.elements();
    let from = part(elements.len(), from.unwrap_or(0.0), None).start;
    let found = elements[from..].iter().position(|element| equal(cx.system, *element, value));
    found.map_or(-1.0, |at| (from + at) as f64)
}

fn last_index_of(cx: &mut NativeCx<'_>, array: Array, value: Value) -> f64 {
    search(cx, array, value);
    let found = array.elements().iter().rposition(|element| equal(cx.system, *element, value));
    found.map_or(-1.0, |at| at as f64)
}

fn includes(cx: &mut NativeCx<'_>, array: Array, value: Value) -> bool {
    search(cx, array, value);
    array.elements().iter().any(|element| equal(cx.system, *element, value))
}

fn join(cx: &mut NativeCx<'_>, array: Array, separator: Option<Str>) -> Result<String> {
    let separator = separator.as_deref().unwrap_or(",");
    let mut joined = String::new();
    for (at, element) in array.elements().iter().enumerate() {
        if at > 0 {
            joined.push_str(separator);
        }
        let left = cx.heap.limit.saturating_sub(joined.len());
        let text = to_text_within(cx.system, *element, left);
        joined.push_str(&text.map_err(|TooLong| cx.out_of_memory())?);
        if joined.len() > cx.heap.limit {
            return Err(cx.out_of_memory());
        }
    }
    cx.charge_bytes(joined.len());
    cx.charge_items(array.elements().len());
    Ok(joined)
}

fn sum(cx: &mut NativeCx<'_>, array: Array) -> Result<f64> {
    cx.charge_items(array.elements().len());
    let mut sum = 0.0;
    for (at, element) in array.elements().iter().enumerate() {
        match element.as_number() {
            Some(number) => sum += number,
            None => {
                let kind = element.kind().name();
                return fail(format!("Array.sum: element {at} is no Number but {kind}"));
            }
        }
    }
    Ok(sum)
}

fn sorted(cx: &mut NativeCx<'_>, array: Array) -> Vec<Value> {
    let system = cx.system;
    enum Key<'t> {
        Number(f64),
        Text(std::borrow::Cow<'t, str>),
        Other,
    }
    let key = |value: &Value| match (value.as_number(), value.as_atom()) {
        (Some(number), _) => Key::Number(number),
        (_, Some(atom)) => Key::Text(system.atoms.text(atom).into()),
        _ => string::text(*value).map_or(Key::Other, Key::Text),
    };
    let mut keyed: Vec<(Key<'_>, Value)> =
        array.elements().iter().map(|value| (key(value), *value)).collect();
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        // -0 and 0 are equal; NaN comes last.
        (Key::Number(a), Key::Number(b)) => {
            a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        (Key::Number(_), _) | (Key::Text(_), Key::Other) => Ordering::Less,
        (Key::Other, Key::Other) => Ordering::Equal,
        (_, Key::Number(_)) | (Key::Other, Key::Text(_)) => Ordering::Greater,
    });
    let len = keyed.len();
    cx.charge_items(len.saturating_mul(len.max(2).ilog2() as usize));
    keyed.into_iter().map(|(_, value)| value).collect()
}

fn is_array(value: Value) -> bool {
    value.kind() == Kind::Array
}

fn tuple_of(cx: &mut NativeCx<'_>, values: &[Value]) -> Result {
    cx.charge_items(values.len());
    cx.tuple(values)
}

fn tuple_from(cx: &mut NativeCx<'_>, array: Array) -> Result<Tuple> {
    cx.charge_items(array.elements().len());
    cx.tuple(array.elements()).map(Tuple)
}

/// The elements of a tuple.
fn tuple(value: Value) -> Result<&'static [Value]> {
    container::tuple(value).ok_or_else(|| NativeError::Argument {
        position: 1,
        name: "tuple".to_owned(),
        expected: "Tuple".to_owned(),
        got: value.kind().name().to_owned(),
    })
}

fn tuple_to_array(cx: &mut NativeCx<'_>, value: Value) -> Result<Vec<Value>> {
    let elements = tuple(value)?;
    cx.charge_items(elements.len());
    Ok(elements.to_vec())
}

fn tuple_length(value: Value) -> Result<f64> {
    Ok(tuple(value)?.len() as f64)
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::{check, check_with_heap};

    #[test]
    fn changes_in_place() {
        check("Array.push", "[1], 2, 'a'", "Number: 3");
        check("Array.pop", "[1, 2]", "Number: 2");
        check("Array.pop", "[]", "Undefined: undefined");
        check("Array.shift", "[1, 2]", "Number: 1");
        check("Array.unshift", "[1], 2, 3", "Number: 3");
        check("Array.remove", "[1, 2, 3], -1", "Number: 3");
        check("Array.remove", "[1, 2, 3], 3", "Undefined: undefined");
        check("Array.remove", "[1, 2, 3], NaN", "Undefined: undefined");
        check(
            "Array.push",
            "(1), 2",
            "error:FFI call error: Argument 1 (array) must be Array, got Tuple",
        );
    }

    #[test]
    fn new_arrays() {
        check("Array.slice", "[1, 2, 3], 1", "Array: [2, 3]");
        check("Array.slice", "[1, 2, 3]", "Array: [1, 2, 3]");
        check("Array.slice", "[1, 2, 3], -2, -1", "Array: [2]");
        check("Array.concat", "[1], [2, 3], []", "Array: [1, 2, 3]");
        check("Array.reverse", "[1, 2, 3]", "Array: [3, 2, 1]");
        check("Array.flat", "[1, [2, [3]], []]", "Array: [1, 2, [3]]");
        check("Array.zip", "[1, 2], ['a', 'b', 'c']", "Array: [(1, a), (2, b)]");
        check("Array.range", "0, 5, 2", "Array: [0, 2, 4]");
        check("Array.range", "3, 0, -1", "Array: [3, 2, 1]");
        check("Array.range", "3, 0", "Array: []");
        check("Array.of", "3, 'x'", "Array: [x, x, x]");
        check("Array.from", "\"aä\"", "Array: [a, ä]");
        check("Array.from", "(1, 2)", "Array: [1, 2]");
        check("Tuple.from", "[1, 2]", "Tuple: (1, 2)");
        check_with_heap(4096, "Array.of", "1e18, 0", "out of memory: the limit is 4096 bytes");
        check_with_heap(4096, "Array.range", "0, 1e18", "out of memory: the limit is 4096 bytes");
    }

    #[test]
    fn looking_into_arrays() {
        check("Array.indexOf", "[1, 2, 1], 1, 1", "Number: 2");
        check("Array.indexOf", "[1, 2], 3", "Number: -1");
        check("Array.lastIndexOf", "[1, 2, 1], 1", "Number: 2");
        check("Array.includes", "[1, \"a\"], 'a'", "Boolean: true");
        check("Array.includes", "[NaN], NaN", "Boolean: false");
        check("Array.join", "[1, \"a\", 'b'], \" \"", "String: \"1 a b\"");
        check("Array.join", "[]", "String: \"\"");
        check("Array.sum", "[1, 2.5]", "Number: 3.5");
        check(
            "Array.sum",
            "[1, 'a']",
            "error:FFI call error: Runtime error: Array.sum: element 1 is no Number but Atom",
        );
        check("Array.sorted", "[3, \"b\", 1, 'a', NaN, ()]", "Array: [1, 3, NaN, a, b, ()]");
    }

    #[test]
    fn sorting_without_a_function() {
        check("Array.sort", "[3, 1, 2]", "Array: [1, 2, 3]");
        check(
            "Array.sort",
            "3",
            "error:FFI call error: Argument 1 (array) must be Array, got Number",
        );
        check(
            "Array.map",
            "(), 1",
            "error:FFI call error: Argument 1 (array) must be Array, got Unit",
        );
    }
}
