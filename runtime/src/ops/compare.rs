//! EQUAL, NOT_EQUAL and the four orderings for every pair of kinds.

use super::{Cont, Outcome, magic};
use crate::atom::known;
use crate::object::string;
use crate::process::Process;
use crate::system::System;
use crate::value::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the instructions")]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// `a op b` for two numbers.
#[inline(always)]
pub fn numbers(op: Compare, a: f64, b: f64) -> bool {
    match op {
        Compare::Equal => a == b,
        Compare::NotEqual => a != b,
        Compare::Less => a < b,
        Compare::LessEqual => a <= b,
        Compare::Greater => a > b,
        Compare::GreaterEqual => a >= b,
    }
}

/// `a op b` for any kinds. Objects may define `__eq__`, `__lt__` and `__le__`; the greater-than
/// forms ask the right operand with sides exchanged.
#[inline(never)]
pub fn compare(process: &mut Process, op: Compare, a: Value, b: Value) -> Outcome {
    if let (Some(a), Some(b)) = (a.as_number(), b.as_number()) {
        return Outcome::Value(Value::boolean(numbers(op, a, b)));
    }
    let system = process.system();
    let call = match op {
        Compare::Equal => magic(system, a, known::eq, &[b], Cont::Truth)
            .or_else(|| magic(system, b, known::eq, &[a], Cont::Truth)),
        Compare::NotEqual => magic(system, a, known::eq, &[b], Cont::Not)
            .or_else(|| magic(system, b, known::eq, &[a], Cont::Not)),
        Compare::Less => magic(system, a, known::lt, &[b], Cont::Truth),
        Compare::LessEqual => magic(system, a, known::le, &[b], Cont::Truth),
        Compare::Greater => magic(system, b, known::lt, &[a], Cont::Truth),
        Compare::GreaterEqual => magic(system, b, known::le, &[a], Cont::Truth),
    };
    call.unwrap_or_else(|| {
        Outcome::Value(Value::boolean(match op {
            Compare::Equal => equal(system, a, b),
            Compare::NotEqual => !equal(system, a, b),
            _ => ordered(system, op, a, b),
        }))
    })
}

/// The text of a String or an Atom.
fn text<'a>(system: &'a System, value: Value) -> Option<Cow<'a, str>> {
    match value.as_atom() {
        Some(atom) => Some(system.atoms.text(atom).into()),
        None => string::text(value),
    }
}

/// EQUAL without magic methods.
pub fn equal(system: &System, a: Value, b: Value) -> bool {
    if let (Some(a), Some(b)) = (a.as_number(), b.as_number()) {
        return a == b;
    }
    if !a.is_pointer() && !b.is_pointer() {
        // Functions and processes are not even equal to themselves.
        let comparable = a.as_atom().is_some()
            || matches!(a, Value::TRUE | Value::FALSE | Value::UNIT | Value::UNDEFINED);
        return a == b && comparable;
    }
    match (text(system, a), text(system, b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn ordered(system: &System, op: Compare, a: Value, b: Value) -> bool {
    if a.as_atom().is_some() != b.as_atom().is_some() {
        return false;
    }
    let (Some(a), Some(b)) = (text(system, a), text(system, b)) else { return false };
    let order = a.as_bytes().cmp(b.as_bytes());
    match op {
        Compare::Less => order == Ordering::Less,
        Compare::LessEqual => order != Ordering::Greater,
        Compare::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }
}
