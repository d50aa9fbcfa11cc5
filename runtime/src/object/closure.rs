//! Functions as values: plain ones are immediates, bound ones and closures are heap objects.

use crate::heap::{Heap, OutOfMemory, header, offset, read_value, tag, values, write_value};
use crate::value::Value;

/// A callable value taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Callee<'a> {
    /// The unbound function: [`Value::as_function`] or [`Value::as_native`].
    pub function: Value,
    /// The bound object, or Undefined.
    pub this: Value,
    /// Captured values, which come before the arguments.
    pub captures: &'a [Value],
}

/// Takes a function value apart; `None` for other kinds.
#[inline]
pub fn callee<'a>(value: Value) -> Option<Callee<'a>> {
    if value.as_function().is_some() || value.as_native().is_some() {
        return Some(Callee { function: value, this: Value::UNDEFINED, captures: &[] });
    }
    let object = value.as_pointer()?;
    let head = header(object);
    (head.tag & tag::MASK == tag::CLOSURE).then(|| Callee {
        function: read_value(object, offset::CLOSURE_FUNCTION),
        this: read_value(object, offset::CLOSURE_THIS),
        captures: values(object, offset::CLOSURE_CAPTURES, head.aux as usize),
    })
}

impl Heap {
    /// A function value with a bound object and captures.
    pub(crate) fn new_closure(
        &mut self,
        function: Value,
        this: Value,
        captures: &[Value],
    ) -> Result<Value, OutOfMemory> {
        let aux = u32::try_from(captures.len()).map_err(|_| OutOfMemory)?;
        let object = self.alloc(tag::CLOSURE, aux, 24 + 8 * captures.len())?;
        write_value(object, offset::CLOSURE_FUNCTION, function);
        write_value(object, offset::CLOSURE_THIS, this);
        for (i, capture) in captures.iter().enumerate() {
            write_value(object, offset::CLOSURE_CAPTURES + 8 * i, *capture);
        }
        Ok(Value::pointer(object))
    }

    /// What GET_PROP gives for a function found in `object`: a copy bound to it, unless it is bound already.
    pub(crate) fn bind(&mut self, value: Value, object: Value) -> Result<Value, OutOfMemory> {
        match callee(value) {
            Some(callee) if callee.this == Value::UNDEFINED => {
                self.new_closure(callee.function, object, callee.captures)
            }
            _ => Ok(value),
        }
    }
}
