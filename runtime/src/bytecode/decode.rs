//! Decoding: class files, functions, instructions, constants and patterns from bytes.
//!
//! Input is untrusted. Every read is bounded by the bytes that remain, a count must be justified by
//! them before anything is reserved, and nesting stops at [`MAX_DEPTH`], so neither memory nor stack
//! grows beyond a small multiple of the file.
//!
//! Two things are normalised, everything else survives a round trip byte by byte: a Boolean byte and
//! a "has name" flag other than 0 or 1 count as 1 and are written as 1.

use super::constant::{ConstValue, MAX_DEPTH, Pattern};
use super::operand::Operand;
use super::ops::{Access, Instr};
use super::{Body, ClassFile, Function, Variant};
use crate::ion_ops;

mod error;

pub use error::{DecodeError, DecodeErrorKind};

/// The first eight bytes of a class file of the multi variant.
pub const MAGIC: [u8; 8] = *b"IONBC\x01\x00\x00";

/// The only version of the multi variant.
pub const VERSION: u32 = 1;

/// Start of the magic: a file that begins so but does not go on as [`MAGIC`] is damaged.
const MAGIC_PREFIX: &[u8] = b"IONBC";

/// Smallest encoded size of a function: flag, arity, extra registers, kind, count.
const MIN_FUNCTION: usize = 14;

/// No list reserves room for more elements than this before it has read them.
const MAX_RESERVE: usize = 64;

impl ClassFile {
    /// Decodes a class file; all of `bytes` must belong to it.
    ///
    /// ```
    /// use ion_runtime::bytecode::{ClassFile, Variant};
    /// let bytes = b"\x01\x04\0\0\0main\0\0\0\0\x01\0\0\0\0\x01\0\0\0\x14";
    /// let class = ClassFile::decode(bytes).unwrap();
    /// assert_eq!(class.variant, Variant::Single);
    /// assert_eq!(class.functions[0].display_name(), "main");
    /// assert_eq!(class.encode().unwrap(), bytes);
    /// ```
    pub fn decode(bytes: &[u8]) -> Result<ClassFile, DecodeError> {
        let mut input = Input::new(bytes);
        let class = if bytes.starts_with(&MAGIC) {
            input.pos = MAGIC.len();
            ClassFile { variant: Variant::Multi, functions: decode_functions(&mut input)? }
        } else if bytes.starts_with(MAGIC_PREFIX) {
            return Err(input.error(DecodeErrorKind::BadMagic));
        } else {
            input.function = Some(0);
            ClassFile { variant: Variant::Single, functions: vec![decode_function(&mut input)?] }
        };
        input.function = None;
        match input.left() {
            0 => Ok(class),
            left => Err(input.error(DecodeErrorKind::TrailingBytes(left))),
        }
    }
}

fn decode_functions(input: &mut Input<'_>) -> Result<Vec<Function>, DecodeError> {
    let at = input.pos;
    let version = input.u32()?;
    if version != VERSION {
        return Err(input.error_at(at, DecodeErrorKind::UnsupportedVersion(version)));
    }
    let count = input.count("functions", MIN_FUNCTION)?;
    let mut functions = reserve(count);
    for index in 0..count {
        input.function = Some(index);
        functions.push(decode_function(input)?);
    }
    Ok(functions)
}

fn decode_function(input: &mut Input<'_>) -> Result<Function, DecodeError> {
    let name = if input.u8()? == 0 { None } else { Some(input.string()?) };
    let arity = input.u32()?;
    let extra_regs = input.u32()?;
    let body = match input.tag()? {
        (_, 0) => Body::Bytecode(decode_code(input)?),
        (_, 1) => Body::Native(input.string()?),
        (at, tag) => return Err(input.bad_tag(at, "function kind", tag)),
    };
    Ok(Function { name, arity, extra_regs, body })
}

fn decode_code(input: &mut Input<'_>) -> Result<Vec<Instr>, DecodeError> {
    let count = input.count("instructions", 1)?;
    let mut code = reserve(count);
    for index in 0..count {
        input.instruction = Some(index);
        code.push(Instr::decode(input)?);
    }
    input.instruction = None;
    Ok(code)
}

macro_rules! define_decode {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        impl Instr {
            pub(super) fn decode(input: &mut Input<'_>) -> Result<Instr, DecodeError> {
                let at = input.pos;
                Ok(match input.u8()? {
                    $($code => Instr::$variant { $($field: Operand::decode(input)?),* },)*
                    other => return Err(input.error_at(at, DecodeErrorKind::BadOpcode(other))),
                })
            }
        }
    };
}
ion_ops!(define_decode);

/// Decodes a constant.
pub(super) fn constant(input: &mut Input<'_>) -> Result<ConstValue, DecodeError> {
    let (at, tag) = input.tag()?;
    Ok(match tag {
        0x01 => ConstValue::Number(input.f64()?),
        0x02 => ConstValue::Boolean(input.u8()? != 0),
        0x03 => ConstValue::Atom(input.string()?),
        0x04 => ConstValue::Unit,
        0x05 => ConstValue::Undefined,
        0x06 => ConstValue::Array(input.nested(at, "array elements", 1, constant)?),
        0x07 => ConstValue::Object(input.nested(at, "object properties", 6, |input| {
            Ok((input.string()?, constant(input)?, access(input)?))
        })?),
        0x08 => ConstValue::LegacyFunction(input.string()?),
        0x09 => ConstValue::String(input.string()?),
        0x0A => ConstValue::Complex(input.f64()?, input.f64()?),
        0x0B => ConstValue::Tuple(input.nested(at, "tuple elements", 1, constant)?),
        _ => return Err(input.bad_tag(at, "value tag", tag)),
    })
}

/// Decodes a pattern.
pub(super) fn pattern(input: &mut Input<'_>) -> Result<Pattern, DecodeError> {
    let (at, tag) = input.tag()?;
    Ok(match tag {
        0x01 => Pattern::Value(constant(input)?),
        0x02 => Pattern::Wildcard,
        0x03 => Pattern::Tuple(input.nested(at, "tuple patterns", 1, pattern)?),
        0x04 => Pattern::Array(input.nested(at, "array patterns", 1, pattern)?),
        0x05 => {
            let tag = input.string()?;
            Pattern::Tagged(tag, Box::new(input.deeper(at, pattern)?))
        }
        _ => return Err(input.bad_tag(at, "pattern tag", tag)),
    })
}

/// Decodes an access byte.
pub(super) fn access(input: &mut Input<'_>) -> Result<Access, DecodeError> {
    let (at, tag) = input.tag()?;
    Access::from_byte(tag).ok_or_else(|| input.bad_tag(at, "access level", tag))
}

fn reserve<T>(count: usize) -> Vec<T> {
    Vec::with_capacity(count.min(MAX_RESERVE))
}

/// Bytes still to be decoded, and where we are for error messages.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    pos: usize,
    depth: usize,
    function: Option<usize>,
    instruction: Option<usize>,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, pos: 0, depth: 0, function: None, instruction: None }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.pos
    }

    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        self.error_at(self.pos, kind)
    }

    fn error_at(&self, offset: usize, kind: DecodeErrorKind) -> DecodeError {
        let (function, instruction) = (self.function, self.instruction);
        DecodeError { kind, offset, class: None, function, instruction }
    }

    pub(super) fn bad_tag(&self, at: usize, what: &'static str, tag: u8) -> DecodeError {
        self.error_at(at, DecodeErrorKind::BadTag { what, tag })
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.left();
        if needed > left {
            return Err(self.error(DecodeErrorKind::UnexpectedEnd { needed, left }));
        }
        let taken = &self.bytes[self.pos..self.pos + needed];
        self.pos += needed;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    /// A byte that selects something, with its offset.
    pub(super) fn tag(&mut self) -> Result<(usize, u8), DecodeError> {
        Ok((self.pos, self.u8()?))
    }

    pub(super) fn string(&mut self) -> Result<String, DecodeError> {
        let length = self.u32()? as usize;
        let at = self.pos;
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.error_at(at + error.valid_up_to(), DecodeErrorKind::BadUtf8)),
        }
    }

    /// A count of elements that take at least `min_size` bytes each.
    fn count(&mut self, what: &'static str, min_size: usize) -> Result<usize, DecodeError> {
        let at = self.pos;
        let count = self.u32()?;
        let left = self.left();
        if count as usize > left / min_size {
            return Err(self.error_at(at, DecodeErrorKind::CountTooLarge { what, count, left }));
        }
        Ok(count as usize)
    }

    /// A count, then that many elements.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        min_size: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, min_size)?;
        let mut items = reserve(count);
        for _ in 0..count {
            items.push(element(self)?);
        }
        Ok(items)
    }

    /// A list one level deeper than the container whose tag is at `at`.
    fn nested<T>(
        &mut self,
        at: usize,
        what: &'static str,
        min_size: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.deeper(at, |input| input.list(what, min_size, element))
    }

    fn deeper<T>(
        &mut self,
        at: usize,
        body: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error_at(at, DecodeErrorKind::TooDeep));
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }
}
