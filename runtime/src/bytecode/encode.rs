//! Encoding: the exact inverse of [`decode`](super::decode).
//!
//! Whatever `decode` accepts, `encode` writes back byte by byte, but for the two bytes that `decode`
//! normalises. Trees built by hand may be too deep or too large for the format: that is an error.

use super::constant::{ConstValue, MAX_DEPTH, Pattern};
use super::decode::{MAGIC, VERSION};
use super::operand::Operand;
use super::ops::Instr;
use super::{Body, ClassFile, Function, Variant};
use crate::ion_ops;
use std::fmt;

/// Why a class cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A text or a list is longer than the format's 32-bit counts can say.
    TooLong(usize),
    /// A constant or a pattern is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The single variant holds exactly one function, not this many.
    SingleNeedsOneFunction(usize),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => {
                write!(f, "text or list of {length} elements is too long for the format; split it")
            }
            Self::TooDeep => {
                write!(
                    f,
                    "constant or pattern nested deeper than {MAX_DEPTH} levels; build the value at run time"
                )
            }
            Self::SingleNeedsOneFunction(count) => {
                write!(
                    f,
                    "a class of {count} functions cannot use the single variant; use the multi variant"
                )
            }
        }
    }
}

impl std::error::Error for EncodeError {}

impl ClassFile {
    /// Encodes the class file in its variant.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Output::default();
        match (self.variant, self.functions.as_slice()) {
            (Variant::Single, [function]) => encode_function(function, &mut out)?,
            (Variant::Single, functions) => {
                return Err(EncodeError::SingleNeedsOneFunction(functions.len()));
            }
            (Variant::Multi, functions) => {
                out.bytes.extend_from_slice(&MAGIC);
                out.u32(VERSION);
                out.list(functions, |out, function| encode_function(function, out))?;
            }
        }
        Ok(out.bytes)
    }
}

fn encode_function(function: &Function, out: &mut Output) -> Result<(), EncodeError> {
    match &function.name {
        Some(name) => {
            out.u8(1);
            out.string(name)?;
        }
        None => out.u8(0),
    }
    out.u32(function.arity);
    out.u32(function.extra_regs);
    match &function.body {
        Body::Bytecode(code) => {
            out.u8(0);
            out.list(code, |out, instr| instr.encode(out))
        }
        Body::Native(name) => {
            out.u8(1);
            out.string(name)
        }
    }
}

macro_rules! define_encode {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        impl Instr {
            pub(super) fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
                match self {
                    $(Instr::$variant { $($field),* } => {
                        out.u8($code);
                        $($field.encode(out)?;)*
                    })*
                }
                Ok(())
            }
        }
    };
}
ion_ops!(define_encode);

/// Encodes a constant.
pub(super) fn constant(out: &mut Output, value: &ConstValue) -> Result<(), EncodeError> {
    match value {
        ConstValue::Number(number) => {
            out.u8(0x01);
            out.f64(*number);
        }
        ConstValue::Boolean(value) => {
            out.u8(0x02);
            out.u8(u8::from(*value));
        }
        ConstValue::Atom(text) => out.tagged_string(0x03, text)?,
        ConstValue::Unit => out.u8(0x04),
        ConstValue::Undefined => out.u8(0x05),
        ConstValue::Array(items) => out.nested(0x06, items, constant)?,
        ConstValue::Object(props) => out.nested(0x07, props, |out, (key, value, access)| {
            out.string(key)?;
            constant(out, value)?;
            out.u8(*access as u8);
            Ok(())
        })?,
        ConstValue::LegacyFunction(name) => out.tagged_string(0x08, name)?,
        ConstValue::String(text) => out.tagged_string(0x09, text)?,
        ConstValue::Complex(re, im) => {
            out.u8(0x0A);
            out.f64(*re);
            out.f64(*im);
        }
        ConstValue::Tuple(items) => out.nested(0x0B, items, constant)?,
    }
    Ok(())
}

/// Encodes a pattern.
pub(super) fn pattern(out: &mut Output, pattern_: &Pattern) -> Result<(), EncodeError> {
    match pattern_ {
        Pattern::Value(value) => {
            out.u8(0x01);
            constant(out, value)
        }
        Pattern::Wildcard => {
            out.u8(0x02);
            Ok(())
        }
        Pattern::Tuple(items) => out.nested(0x03, items, pattern),
        Pattern::Array(items) => out.nested(0x04, items, pattern),
        Pattern::Tagged(tag, inner) => {
            out.tagged_string(0x05, tag)?;
            out.deeper(|out| pattern(out, inner))
        }
    }
}

/// Bytes written so far.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    depth: usize,
}

impl Output {
    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn f64(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn count(&mut self, count: usize) -> Result<(), EncodeError> {
        self.u32(u32::try_from(count).map_err(|_| EncodeError::TooLong(count))?);
        Ok(())
    }

    pub(super) fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        self.count(text.len())?;
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn tagged_string(&mut self, tag: u8, text: &str) -> Result<(), EncodeError> {
        self.u8(tag);
        self.string(text)
    }

    /// A count, then the elements.
    pub(super) fn list<T>(
        &mut self,
        items: &[T],
        mut element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.count(items.len())?;
        items.iter().try_for_each(|item| element(self, item))
    }

    fn nested<T>(
        &mut self,
        tag: u8,
        items: &[T],
        element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.u8(tag);
        self.deeper(|out| out.list(items, element))
    }

    fn deeper(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }
}
