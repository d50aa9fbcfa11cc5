//! What can be wrong with the bytes of a class file.

use super::super::constant::MAX_DEPTH;
use super::VERSION;
use std::fmt;

/// Why bytes are not a class file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Offset in the class file of the field that is wrong.
    pub offset: usize,
    /// Name of the class, filled in by the package reader.
    pub class: Option<String>,
    /// Index of the function in its class.
    pub function: Option<usize>,
    /// Index of the instruction in its function.
    pub instruction: Option<usize>,
}

/// What can be wrong with the bytes of a class file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The file ends inside a field.
    UnexpectedEnd {
        /// Bytes the field needs.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// The file begins like the magic number of the multi variant and goes on differently.
    BadMagic,
    /// The version field of the multi variant is not [`VERSION`].
    UnsupportedVersion(u32),
    /// Bytes follow the last function.
    TrailingBytes(usize),
    /// No instruction has this opcode.
    BadOpcode(u8),
    /// A tag byte without a meaning.
    BadTag {
        /// What the tag selects.
        what: &'static str,
        /// The byte found.
        tag: u8,
    },
    /// A text that is not UTF-8.
    BadUtf8,
    /// A count that the bytes that remain cannot hold.
    CountTooLarge {
        /// What is counted.
        what: &'static str,
        /// The count found.
        count: u32,
        /// Bytes that are left.
        left: usize,
    },
    /// A constant or a pattern nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAMAGED: &str = "the file is damaged, build it again";
        match self {
            Self::UnexpectedEnd { needed, left } => {
                write!(f, "file ends early: {needed} bytes needed, {left} left; {DAMAGED}")
            }
            Self::BadMagic => write!(f, "bad magic number after 'IONBC'; {DAMAGED}"),
            Self::UnsupportedVersion(found) => {
                write!(
                    f,
                    "class file version {found} is not supported, only {VERSION}; build it again for version {VERSION}"
                )
            }
            Self::TrailingBytes(count) => {
                write!(f, "{count} bytes after the last function; {DAMAGED}")
            }
            Self::BadOpcode(code) => write!(f, "unknown opcode 0x{code:02x}; {DAMAGED}"),
            Self::BadTag { what, tag } => write!(f, "unknown {what} 0x{tag:02x}; {DAMAGED}"),
            Self::BadUtf8 => write!(f, "text is not UTF-8; {DAMAGED}"),
            Self::CountTooLarge { what, count, left } => {
                write!(f, "{count} {what} do not fit into the {left} bytes left; {DAMAGED}")
            }
            Self::TooDeep => {
                write!(
                    f,
                    "constant or pattern nested deeper than {MAX_DEPTH} levels; build the value at run time"
                )
            }
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = &self.class {
            write!(f, "class '{}', ", class.escape_debug())?;
        }
        if let Some(function) = self.function {
            write!(f, "function {function}, ")?;
        }
        if let Some(instruction) = self.instruction {
            write!(f, "instruction {instruction}, ")?;
        }
        write!(f, "byte {}: {}", self.offset, self.kind)
    }
}

impl std::error::Error for DecodeError {}
