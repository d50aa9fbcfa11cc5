//! What every operation means: one function each, used by all engines.
//!
//! The engines do the common cases inline (numbers, hits of inline caches); everything else comes
//! here. An operation that has to call Ion code (a magic method) does not call it: it returns
//! [`Outcome::Call`], and the engine goes on with the callee as with any other call.

pub mod actor;
pub mod arith;
pub mod build;
pub mod call;
pub mod compare;
pub mod pattern;
pub mod property;

use crate::atom::known;
use crate::object::{closure, instance};
use crate::system::System;
use crate::value::{Atom, Value};

/// What becomes of the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cont {
    /// It goes to the destination register.
    Store = 0,
    /// Its truth goes to the destination register.
    Truth = 1,
    /// The negation of its truth goes to the destination register.
    Not = 2,
    /// It is dropped.
    Drop = 3,
}

impl Cont {
    /// From the byte in a frame record.
    pub fn from_byte(byte: u8) -> Cont {
        match byte {
            1 => Cont::Truth,
            2 => Cont::Not,
            3 => Cont::Drop,
            _ => Cont::Store,
        }
    }

    /// What goes to the destination register.
    pub fn apply(self, result: Value) -> Option<Value> {
        match self {
            Cont::Store => Some(result),
            Cont::Truth => Some(Value::boolean(result.truth())),
            Cont::Not => Some(Value::boolean(!result.truth())),
            Cont::Drop => None,
        }
    }
}

/// A call that an operation needs.
#[derive(Clone, Copy, Debug)]
pub struct MagicCall {
    /// The function value found.
    pub function: Value,
    /// The object it is called on, unless the function is bound already.
    pub this: Value,
    /// Arguments; the first `count` count.
    pub args: [Value; 2],
    /// How many arguments.
    pub count: u8,
    /// What becomes of the result.
    pub cont: Cont,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// Its result.
    Value(Value),
    /// A call whose result it is.
    Call(MagicCall),
}

/// Finds a magic method along the prototype chain of `value`.
pub(crate) fn find_magic(system: &System, value: Value, name: Atom) -> Option<Value> {
    let mut current = value;
    while current.is_object() {
        let object = current.as_pointer()?;
        if instance::may_have_magic(&system.shapes, object)
            && let Some(place) = instance::find(&system.shapes, object, name)
        {
            let method = instance::read(object, place.slot);
            return closure::callee(method).map(|_| method);
        }
        current = instance::proto(object);
    }
    None
}

/// The call of the magic method `name` of `on`, if it has one.
pub(crate) fn magic(
    system: &System,
    on: Value,
    name: Atom,
    args: &[Value],
    cont: Cont,
) -> Option<Outcome> {
    if !on.is_object() {
        return None;
    }
    let function = find_magic(system, on, name)?;
    let mut padded = [Value::UNDEFINED; 2];
    padded[..args.len()].copy_from_slice(args);
    Some(Outcome::Call(MagicCall {
        function,
        this: on,
        args: padded,
        count: args.len() as u8,
        cont,
    }))
}

/// The name by which objects can be called.
pub(crate) const CALL: Atom = known::call;
