//! Constants and patterns as the file has them: plain trees, independent of any heap.
//!
//! Nothing here recurses without a bound: decoding and verifying limit the nesting to [`MAX_DEPTH`],
//! so the derived recursive operations (clone, compare, drop) are safe on decoded trees.

use super::ops::Access;

/// Deepest nesting of containers in a constant or a pattern.
pub const MAX_DEPTH: usize = 256;

/// A constant of the file format.
#[derive(Clone, Debug)]
pub enum ConstValue {
    /// Tag 01; the bits are kept exactly.
    Number(f64),
    /// Tag 02.
    Boolean(bool),
    /// Tag 03.
    Atom(String),
    /// Tag 04.
    Unit,
    /// Tag 05.
    Undefined,
    /// Tag 06.
    Array(Vec<ConstValue>),
    /// Tag 07; keys in file order, a repeated key is kept as written.
    Object(Vec<(String, ConstValue, Access)>),
    /// Tag 08: reads as the atom `function:NAME`.
    LegacyFunction(String),
    /// Tag 09.
    String(String),
    /// Tag 0A.
    Complex(f64, f64),
    /// Tag 0B.
    Tuple(Vec<ConstValue>),
}

/// Compares floats by bits, so that a round trip can be asserted on NaN and -0.0.
impl PartialEq for ConstValue {
    fn eq(&self, other: &Self) -> bool {
        use ConstValue::*;
        match (self, other) {
            (Number(a), Number(b)) => a.to_bits() == b.to_bits(),
            (Complex(a, b), Complex(c, d)) => {
                a.to_bits() == c.to_bits() && b.to_bits() == d.to_bits()
            }
            (Boolean(a), Boolean(b)) => a == b,
            (Atom(a), Atom(b))
            | (String(a), String(b))
            | (LegacyFunction(a), LegacyFunction(b)) => a == b,
            (Unit, Unit) | (Undefined, Undefined) => true,
            (Array(a), Array(b)) | (Tuple(a), Tuple(b)) => a == b,
            (Object(a), Object(b)) => a == b,
            _ => false,
        }
    }
}

/// A pattern of MATCH.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Tag 01: same kind, equal content.
    Value(ConstValue),
    /// Tag 02: anything.
    Wildcard,
    /// Tag 03: tuple, array, or object with properties `0` … `n-1`.
    Tuple(Vec<Pattern>),
    /// Tag 04: array only.
    Array(Vec<Pattern>),
    /// Tag 05: object whose `__tag` is the text and whose `__slots` matches.
    Tagged(String, Box<Pattern>),
}
