//! The tagged value: 64 bits, the only file that knows them.
//!
//! A Number is its IEEE bits. Every other value is a quiet NaN with the sign set whose top 16 bits
//! are a tag from 0xFFF9 on: "is a number" is one unsigned compare, and an arithmetic result is
//! unordered whenever an operand was not a number. The x86 default NaN (0xFFF8…) is below the tags,
//! so NaNs that arithmetic makes need no treatment; NaNs from outside are made canonical.
//!
//! The singletons sit at the top of the range, near all-ones, so that compiled code compares them
//! as sign-extended immediates.

use crate::program::{FuncId, NativeId};
use std::fmt;

/// A value of the virtual machine. Copying it copies a handle.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Value(u64);

/// An interned text: index into the atom table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Atom(pub u32);

/// A process handle: slot in the process table (28 bits) and generation of that slot (20 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid {
    /// Slot of the process table.
    pub slot: u32,
    /// Which user of the slot.
    pub generation: u32,
}

/// The bits, for code that is compiled against them.
pub mod bits {
    /// Tag of heap pointers.
    pub const TAG_POINTER: u64 = 0xFFF9;
    /// Tag of atoms.
    pub const TAG_ATOM: u64 = 0xFFFA;
    /// Tag of process handles.
    pub const TAG_PID: u64 = 0xFFFB;
    /// Tag of functions of the program, and of library functions if [`NATIVE_BIT`] is set.
    pub const TAG_FUNCTION: u64 = 0xFFFC;
    /// Set in the payload of a library function.
    pub const NATIVE_BIT: u64 = 1 << 32;
    /// Everything from here on, as an unsigned number, is not a Number.
    pub const FIRST_TAGGED: u64 = TAG_POINTER << 48;
    /// Bits of a process handle that are the slot of the process table.
    pub const SLOT_BITS: u32 = 28;
    /// The generation, above the slot.
    pub const GENERATION_MASK: u64 = (1 << 20) - 1;
    /// Low 48 bits.
    pub const PAYLOAD: u64 = (1 << 48) - 1;
    /// The value Undefined.
    pub const UNDEFINED: u64 = !0;
    /// The value Unit.
    pub const UNIT: u64 = !1;
    /// The value true.
    pub const TRUE: u64 = !2;
    /// The value false.
    pub const FALSE: u64 = !3;
    /// Not a value of the language: an empty cell.
    pub const ABSENT: u64 = !4;
    /// The NaN that constants and conversions use.
    pub const NAN: u64 = 0x7FF8_0000_0000_0000;
}

impl Value {
    /// Undefined.
    pub const UNDEFINED: Value = Value(bits::UNDEFINED);
    /// Unit.
    pub const UNIT: Value = Value(bits::UNIT);
    /// True.
    pub const TRUE: Value = Value(bits::TRUE);
    /// False.
    pub const FALSE: Value = Value(bits::FALSE);
    /// Not a value of the language: marks an empty cell.
    pub const ABSENT: Value = Value(bits::ABSENT);

    /// A number; NaNs are made canonical.
    #[inline(always)]
    pub fn number(number: f64) -> Value {
        if number.is_nan() { Value(bits::NAN) } else { Value(number.to_bits()) }
    }

    /// A number that arithmetic on numbers has just made.
    #[inline(always)]
    pub fn number_raw(number: f64) -> Value {
        Value(number.to_bits())
    }

    /// A boolean.
    #[inline(always)]
    pub fn boolean(boolean: bool) -> Value {
        Value(bits::FALSE + u64::from(boolean))
    }

    /// An atom.
    #[inline(always)]
    pub const fn atom(atom: Atom) -> Value {
        Value(bits::TAG_ATOM << 48 | atom.0 as u64)
    }

    /// A function of the program, unbound and without captures.
    #[inline(always)]
    pub const fn function(id: FuncId) -> Value {
        Value(bits::TAG_FUNCTION << 48 | id.0 as u64)
    }

    /// A library function.
    #[inline(always)]
    pub const fn native(id: NativeId) -> Value {
        Value(bits::TAG_FUNCTION << 48 | bits::NATIVE_BIT | id.0 as u64)
    }

    /// A process handle.
    #[inline(always)]
    pub const fn pid(pid: Pid) -> Value {
        Value(
            bits::TAG_PID << 48
                | (pid.generation as u64 & bits::GENERATION_MASK) << bits::SLOT_BITS
                | pid.slot as u64,
        )
    }

    /// A pointer to a heap object.
    #[inline(always)]
    pub(crate) fn pointer(address: *const u8) -> Value {
        Value(bits::TAG_POINTER << 48 | address as u64 & bits::PAYLOAD)
    }

    /// The bits.
    #[inline(always)]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// A value from bits that were outside of the machine.
    ///
    /// # Safety
    /// [`Value::to_bits`] gave the bits, for a value that is still good (see [`crate::heap`]).
    pub unsafe fn from_raw(bits: u64) -> Value {
        Value(bits)
    }

    /// A value from bits that [`Value::to_bits`] gave.
    #[inline(always)]
    pub(crate) const fn from_bits(bits: u64) -> Value {
        Value(bits)
    }

    /// Is it a Number?
    #[inline(always)]
    pub fn is_number(self) -> bool {
        self.0 < bits::FIRST_TAGGED
    }

    /// The number without a check: a NaN for other kinds.
    #[inline(always)]
    pub fn number_bits(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// The number.
    #[inline(always)]
    pub fn as_number(self) -> Option<f64> {
        self.is_number().then(|| f64::from_bits(self.0))
    }

    /// The boolean.
    #[inline(always)]
    pub fn as_boolean(self) -> Option<bool> {
        (self.0 | 1 == bits::TRUE).then_some(self.0 & 1 != 0)
    }

    /// The atom.
    #[inline(always)]
    pub fn as_atom(self) -> Option<Atom> {
        (self.0 >> 48 == bits::TAG_ATOM).then_some(Atom(self.0 as u32))
    }

    /// The function of the program, if it is an unbound one.
    #[inline(always)]
    pub fn as_function(self) -> Option<FuncId> {
        (self.0 >> 32 == bits::TAG_FUNCTION << 16).then_some(FuncId(self.0 as u32))
    }

    /// The library function, if it is an unbound one.
    #[inline(always)]
    pub fn as_native(self) -> Option<NativeId> {
        (self.0 >> 32 == bits::TAG_FUNCTION << 16 | 1).then_some(NativeId(self.0 as u32))
    }

    /// The process handle.
    #[inline(always)]
    pub fn as_pid(self) -> Option<Pid> {
        (self.0 >> 48 == bits::TAG_PID).then_some(Pid {
            slot: self.0 as u32 & ((1 << bits::SLOT_BITS) - 1),
            generation: (self.0 >> bits::SLOT_BITS & bits::GENERATION_MASK) as u32,
        })
    }

    /// The address of the heap object.
    #[inline(always)]
    pub(crate) fn as_pointer(self) -> Option<*mut u8> {
        (self.0 >> 48 == bits::TAG_POINTER).then_some((self.0 & bits::PAYLOAD) as *mut u8)
    }

    /// Is it a heap object?
    #[inline(always)]
    pub fn is_pointer(self) -> bool {
        self.0 >> 48 == bits::TAG_POINTER
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.as_number() {
            return write!(f, "{number}");
        }
        match *self {
            Value::UNDEFINED => f.write_str("undefined"),
            Value::UNIT => f.write_str("()"),
            Value::TRUE => f.write_str("true"),
            Value::FALSE => f.write_str("false"),
            Value::ABSENT => f.write_str("<absent>"),
            other => write!(f, "{:#x}", other.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_overlap() {
        let values = [
            Value::number(1.5),
            Value::number(f64::NAN),
            Value::number_raw(f64::from_bits(0xFFF8_0000_0000_0000)),
            Value::number(f64::NEG_INFINITY),
            Value::boolean(true),
            Value::boolean(false),
            Value::UNIT,
            Value::UNDEFINED,
            Value::atom(Atom(7)),
            Value::function(FuncId(7)),
            Value::native(NativeId(7)),
            Value::pid(Pid { slot: 7, generation: 65537 }),
            Value::pointer(0x7FFF_FFFF_FFF8 as *const u8),
        ];
        for (i, value) in values.iter().enumerate() {
            let kinds = [
                value.is_number(),
                value.as_boolean().is_some(),
                *value == Value::UNIT,
                *value == Value::UNDEFINED,
                value.as_atom().is_some(),
                value.as_function().is_some(),
                value.as_native().is_some(),
                value.as_pid().is_some(),
                value.is_pointer(),
            ];
            assert_eq!(kinds.iter().filter(|&&is| is).count(), 1, "value {i}");
        }
        assert_eq!(Value::boolean(true), Value::TRUE);
        assert_eq!(Value::boolean(false), Value::FALSE);
        assert_eq!(values[11].as_pid(), Some(Pid { slot: 7, generation: 65537 }));
    }
}
