//! ADD, SUB, MUL, DIV for every pair of kinds.

use super::{Cont, Outcome, magic};
use crate::atom::known;
use crate::error::Trap;
use crate::heap::{Heap, OutOfMemory};
use crate::object::{container, string};
use crate::process::Process;
use crate::value::{Atom, Value};

/// An arithmetic operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the instructions")]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
}

impl Arith {
    fn magic_name(self) -> Atom {
        match self {
            Arith::Add => known::add,
            Arith::Sub => known::sub,
            Arith::Mul => known::mul,
            Arith::Div => known::div,
        }
    }
}

/// `a op b` for any kinds.
#[inline(never)]
pub fn arith(process: &mut Process, op: Arith, a: Value, b: Value) -> Result<Outcome, Trap> {
    if let (Some(a), Some(b)) = (a.as_number(), b.as_number()) {
        return Ok(Outcome::Value(numbers(op, a, b)));
    }
    if op == Arith::Add && string::len(a).is_some() && string::len(b).is_some() {
        let heap = &mut process.heap;
        let text = heap.concat(a, b);
        return text
            .map(Outcome::Value)
            .map_err(|OutOfMemory| Trap::OutOfMemory { limit: heap.limit });
    }
    if let Some(call) = magic(process.system(), a, op.magic_name(), &[b], Cont::Store) {
        return Ok(call);
    }
    let heap = &mut process.heap;
    let result = match (string::len(a), string::len(b)) {
        (Some(_), None) if op == Arith::Mul && b.is_number() => heap.repeat(a, b.number_bits()),
        (None, Some(_)) if op == Arith::Mul && a.is_number() => heap.repeat(b, a.number_bits()),
        (None, None) => complex(heap, op, a, b),
        _ => Ok(Value::UNDEFINED),
    };
    result.map(Outcome::Value).map_err(|OutOfMemory| Trap::OutOfMemory { limit: heap.limit })
}

/// `a op b` for two numbers.
#[inline(always)]
pub fn numbers(op: Arith, a: f64, b: f64) -> Value {
    match op {
        Arith::Add => Value::number_raw(a + b),
        Arith::Sub => Value::number_raw(a - b),
        Arith::Mul => Value::number_raw(a * b),
        Arith::Div if b == 0.0 => Value::UNDEFINED,
        Arith::Div => Value::number_raw(a / b),
    }
}

fn complex(heap: &mut Heap, op: Arith, a: Value, b: Value) -> Result<Value, OutOfMemory> {
    let parts =
        |value: Value| value.as_number().map(|re| (re, 0.0)).or_else(|| container::complex(value));
    let (Some((ar, ai)), Some((br, bi))) = (parts(a), parts(b)) else {
        return Ok(Value::UNDEFINED);
    };
    let (re, im) = match op {
        Arith::Add => (ar + br, ai + bi),
        Arith::Sub => (ar - br, ai - bi),
        Arith::Mul => (ar * br - ai * bi, ar * bi + ai * br),
        Arith::Div if b.is_number() => {
            if br == 0.0 {
                return Ok(Value::UNDEFINED);
            }
            (ar / br, ai / br)
        }
        Arith::Div => {
            let norm = br * br + bi * bi;
            ((ar * br + ai * bi) / norm, (ai * br - ar * bi) / norm)
        }
    };
    heap.new_complex(re, im)
}
