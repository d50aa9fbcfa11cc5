//! Kinds of values: sets of them, and which kinds each operation gives.
//!
//! The tables here are the ones of the language reference (arithmetic, equality, order, truth),
//! restated for sets: what an operation may give, if its operands are of these kinds.
//!
//! Invariant: every function here is monotone (larger operand sets never give a smaller result) and
//! gives the empty set for an empty operand, which is what the fixpoints of `infer` rest on.
//! Absent on purpose: single values (`infer` folds constants), facts about particular functions
//! (the [`Facts`] of the caller).

use crate::ir::{ArithOp, CompareOp};
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::{Atom, Value};
use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Kinds(u16);

/// How a value is carried in a register, see [`Kinds::repr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repr {
    /// The boxed bits in a float register: may be a Number, so arithmetic needs no move.
    F64,
    /// The boxed bits in an integer register: never a Number.
    I64,
    /// An unboxed flag, 0 or 1: always a Boolean.
    Bool,
}

impl Kinds {
    /// No kind at all: a value that never comes to be.
    pub const NONE: Kinds = Kinds(0);
    /// Number.
    pub const NUMBER: Kinds = Kinds(1);
    /// Boolean.
    pub const BOOLEAN: Kinds = Kinds(1 << 1);
    /// Atom.
    pub const ATOM: Kinds = Kinds(1 << 2);
    /// String.
    pub const STRING: Kinds = Kinds(1 << 3);
    /// Unit.
    pub const UNIT: Kinds = Kinds(1 << 4);
    /// Undefined.
    pub const UNDEFINED: Kinds = Kinds(1 << 5);
    /// Complex.
    pub const COMPLEX: Kinds = Kinds(1 << 6);
    /// Tuple.
    pub const TUPLE: Kinds = Kinds(1 << 7);
    /// Array.
    pub const ARRAY: Kinds = Kinds(1 << 8);
    /// Object.
    pub const OBJECT: Kinds = Kinds(1 << 9);
    /// Function, bound or not, with captures or not, native ones included.
    pub const FUNCTION: Kinds = Kinds(1 << 10);
    /// Process handle.
    pub const PROCESS: Kinds = Kinds(1 << 11);
    /// The mark of an empty cell; no value of the language.
    pub const ABSENT: Kinds = Kinds(1 << 12);
    /// An integer in the code, unboxed; no value of the language.
    pub const INDEX: Kinds = Kinds(1 << 13);
    /// Every kind of the language.
    pub const ANY: Kinds = Kinds((1 << 12) - 1);
    /// Everything a hidden register may hold.
    pub const ANY_OR_ABSENT: Kinds = Kinds((1 << 13) - 1);

    const NAMES: [&str; 14] = [
        "number",
        "boolean",
        "atom",
        "string",
        "unit",
        "undefined",
        "complex",
        "tuple",
        "array",
        "object",
        "function",
        "process",
        "absent",
        "index",
    ];

    /// Is this the empty set?
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Are all kinds of `other` in this set?
    pub const fn contains(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is there a kind in both sets?
    pub const fn intersects(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds of both sets.
    pub const fn union(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// This set without the kinds of `other`.
    pub const fn without(self, other: Kinds) -> Kinds {
        Kinds(self.0 & !other.0)
    }

    /// How values of these kinds are carried.
    pub const fn repr(self) -> Repr {
        if self.0 == Kinds::BOOLEAN.0 {
            Repr::Bool
        } else if self.0 == 0 || self.0 & Kinds::NUMBER.0 != 0 {
            Repr::F64
        } else {
            Repr::I64
        }
    }

    /// The kinds of a value that is no heap object; `None` for heap objects.
    pub fn of_immediate(value: Value) -> Option<Kinds> {
        Some(match value {
            Value::UNDEFINED => Kinds::UNDEFINED,
            Value::UNIT => Kinds::UNIT,
            Value::ABSENT => Kinds::ABSENT,
            _ if value.is_number() => Kinds::NUMBER,
            _ if value.as_boolean().is_some() => Kinds::BOOLEAN,
            _ if value.as_atom().is_some() => Kinds::ATOM,
            _ if value.as_pid().is_some() => Kinds::PROCESS,
            _ if value.as_function().is_some() || value.as_native().is_some() => Kinds::FUNCTION,
            _ => return None,
        })
    }
}

impl BitOr for Kinds {
    type Output = Kinds;
    fn bitor(self, other: Kinds) -> Kinds {
        self.union(other)
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Kinds) {
        self.0 |= other.0;
    }
}

impl BitAnd for Kinds {
    type Output = Kinds;
    fn bitand(self, other: Kinds) -> Kinds {
        Kinds(self.0 & other.0)
    }
}

/// `number|undefined`; `any` for all kinds of the language, `none` for the empty set.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("none");
        }
        let mut separator = "";
        let mut rest = *self;
        if self.contains(Kinds::ANY) {
            f.write_str("any")?;
            separator = "|";
            rest = self.without(Kinds::ANY);
        }
        for (bit, name) in Kinds::NAMES.iter().enumerate() {
            if rest.0 >> bit & 1 != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a function of the program turns out to be when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// Bytecode, with so many parameters.
    Bytecode {
        /// Leading registers that a caller must pass.
        params: u16,
        /// May it see the object that it is bound to?
        this: bool,
    },
    /// Another name of a library function.
    Native(NativeId),
}

/// Which magic methods objects may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Magic(u16);

impl Magic {
    /// Any.
    pub const ALL: Magic = Magic((1 << Magic::NAMES.len()) - 1);
    /// None.
    pub const NONE: Magic = Magic(0);
    /// In the order of their bits.
    const NAMES: [&str; 9] = [
        "__add__",
        "__sub__",
        "__mul__",
        "__div__",
        "__eq__",
        "__lt__",
        "__le__",
        "__getattr__",
        "__setattr__",
    ];

    /// The method with this name; none for other names.
    pub fn named(name: &str) -> Magic {
        let at = Magic::NAMES.iter().position(|&magic| magic == name);
        Magic(at.map_or(0, |at| 1 << at))
    }

    /// Are all of `other` in this set?
    pub const fn contains(self, other: Magic) -> bool {
        self.0 & other.0 == other.0
    }

    /// The methods of both sets.
    pub const fn union(self, other: Magic) -> Magic {
        Magic(self.0 | other.0)
    }

    /// May an object define this arithmetic?
    pub fn arith(self, op: ArithOp) -> bool {
        self.has(match op {
            ArithOp::Add => 0,
            ArithOp::Sub => 1,
            ArithOp::Mul => 2,
            ArithOp::Div => 3,
        })
    }

    /// May an object define this comparison?
    pub fn compare(self, op: CompareOp) -> bool {
        self.has(match op {
            CompareOp::Equal | CompareOp::NotEqual => 4,
            CompareOp::Less | CompareOp::Greater => 5,
            CompareOp::LessEqual | CompareOp::GreaterEqual => 6,
        })
    }

    /// May an object define the reading of missing properties?
    pub fn getattr(self) -> bool {
        self.has(7)
    }

    /// May an object define the writing of properties?
    pub fn setattr(self) -> bool {
        self.has(8)
    }

    const fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 != 0
    }
}

/// What only the runtime, or an analysis of the whole package, knows.
pub trait Facts {
    /// The kind of an immortal literal on the heap.
    fn literal(&self, value: Value) -> Kinds;

    /// The kind of a container that LOAD_CONST copies.
    fn template(&self, template: u32) -> Kinds;

    /// The kinds that a library function gives, its error atoms included.
    fn native(&self, native: NativeId) -> Kinds;

    /// What a function of the program is.
    fn callee(&self, func: FuncId) -> Callee;

    /// The kinds that calls of a bytecode function give.
    fn returns(&self, func: FuncId) -> Kinds {
        let _ = func;
        Kinds::ANY
    }

    /// Do all objects come from the package's own instructions and constants, so that nothing but
    /// these decides what a property holds?
    fn objects_are_own(&self) -> bool {
        false
    }

    /// Is the same true of arrays and tuples?
    fn elements_are_own(&self) -> bool {
        false
    }

    /// The kinds that objects may hold under this name.
    fn property(&self, name: Atom) -> Kinds {
        let _ = name;
        Kinds::ANY
    }

    /// The kinds that elements of arrays and tuples may have.
    fn elements(&self) -> Kinds {
        Kinds::ANY
    }

    /// The kinds that a captured value of closures of this function may have.
    fn captured(&self, func: FuncId, at: u32) -> Kinds {
        let _ = (func, at);
        Kinds::ANY
    }

    /// The magic methods that objects may have, see [`crate::package::magic`].
    fn magic(&self) -> Magic {
        Magic::ALL
    }
}

/// The kinds that `a op b` may give. `nonzero`: `b` is known not to be the number zero.
pub fn arith(op: ArithOp, a: Kinds, b: Kinds, nonzero: bool, magic: Magic) -> Kinds {
    if a.is_none() || b.is_none() {
        return Kinds::NONE;
    }
    // Only the left operand is asked for a magic method, which may give anything.
    if arith_may_call(op, a, magic) {
        return Kinds::ANY;
    }
    let numeric = Kinds::NUMBER | Kinds::COMPLEX;
    let of_number = match op {
        ArithOp::Mul => numeric | Kinds::STRING,
        _ => numeric,
    };
    let of_string = match op {
        ArithOp::Add => Kinds::STRING,
        ArithOp::Mul => Kinds::NUMBER,
        ArithOp::Sub | ArithOp::Div => Kinds::NONE,
    };
    let rows = [
        (Kinds::NUMBER, of_number),
        (Kinds::COMPLEX, numeric),
        (Kinds::STRING, of_string),
        (Kinds::ANY.without(numeric | Kinds::STRING), Kinds::NONE),
    ];
    let mut result = Kinds::NONE;
    for (left, partners) in rows {
        if !a.intersects(left) {
            continue;
        }
        if !b.without(partners).is_none() {
            result |= Kinds::UNDEFINED;
        }
        let b = b & partners;
        if left == Kinds::STRING && !b.is_none() || b.intersects(Kinds::STRING) {
            result |= Kinds::STRING;
        }
        if left == Kinds::NUMBER && b.intersects(Kinds::NUMBER) {
            result |= Kinds::NUMBER;
        }
        if left == Kinds::COMPLEX && !b.is_none() || b.intersects(Kinds::COMPLEX) {
            result |= Kinds::COMPLEX;
        }
        if op == ArithOp::Div && b.intersects(Kinds::NUMBER) && !nonzero {
            result |= Kinds::UNDEFINED;
        }
    }
    result
}

/// Does `a op b` possibly run a magic method?
pub fn arith_may_call(op: ArithOp, a: Kinds, magic: Magic) -> bool {
    a.intersects(Kinds::OBJECT) && magic.arith(op)
}

/// Does comparing `a` with `b` possibly run a magic method?
pub fn compare_may_call(op: CompareOp, a: Kinds, b: Kinds, magic: Magic) -> bool {
    (a | b).intersects(Kinds::OBJECT) && magic.compare(op)
}

/// May `object` be an object as far as properties go? The sentinel atom `__vm:this` stands for one.
pub fn may_have_properties(object: Kinds) -> bool {
    object.intersects(Kinds::OBJECT | Kinds::ATOM)
}

/// Kinds whose values are equal exactly if their bits are.
pub const BY_BITS: Kinds =
    Kinds::ATOM.union(Kinds::BOOLEAN).union(Kinds::UNIT).union(Kinds::UNDEFINED);

/// The result of a comparison, if the kinds alone decide it.
pub fn compare(op: CompareOp, a: Kinds, b: Kinds, magic: Magic) -> Option<bool> {
    if compare_may_call(op, a, b, magic) || a.is_none() || b.is_none() {
        return None;
    }
    let both = |kinds: Kinds| a.intersects(kinds) && b.intersects(kinds);
    match op {
        CompareOp::Equal | CompareOp::NotEqual => {
            let may_be_equal = both(Kinds::NUMBER)
                || both(Kinds::BOOLEAN)
                || both(Kinds::STRING | Kinds::ATOM)
                || both(Kinds::UNIT)
                || both(Kinds::UNDEFINED);
            let must_be_equal = a == b && (a == Kinds::UNIT || a == Kinds::UNDEFINED);
            let equal = match (may_be_equal, must_be_equal) {
                (false, _) => false,
                (_, true) => true,
                _ => return None,
            };
            Some(equal == (op == CompareOp::Equal))
        }
        _ => {
            let ordered = both(Kinds::NUMBER) || both(Kinds::STRING) || both(Kinds::ATOM);
            (!ordered).then_some(false)
        }
    }
}

/// The truth of a value, if its kind alone decides it.
pub fn truth(a: Kinds) -> Option<bool> {
    let always = Kinds::COMPLEX
        | Kinds::TUPLE
        | Kinds::ARRAY
        | Kinds::OBJECT
        | Kinds::FUNCTION
        | Kinds::PROCESS;
    let never = Kinds::UNIT | Kinds::UNDEFINED;
    match a {
        Kinds::NONE => None,
        _ if always.contains(a) => Some(true),
        _ if never.contains(a) => Some(false),
        _ => None,
    }
}

/// The kinds that reading a property of `object` may give. `property`: what objects hold under the
/// key; `element`: what arrays and tuples give for it.
pub fn get_prop(object: Kinds, key: Kinds, property: Kinds, element: Kinds, magic: Magic) -> Kinds {
    if object.is_none() || key.is_none() {
        return Kinds::NONE;
    }
    let mut result = Kinds::UNDEFINED;
    if may_have_properties(object) && key.intersects(Kinds::ATOM) {
        result |= if magic.getattr() { Kinds::ANY } else { property };
    }
    // The sentinel may stand for an array as well.
    let has_elements = Kinds::ARRAY | Kinds::TUPLE | Kinds::ATOM;
    if object.intersects(has_elements) && key.intersects(Kinds::ATOM | Kinds::NUMBER) {
        result |= element;
    }
    result
}

/// May writing to a property of `object` have an effect?
pub fn set_prop_may_act(object: Kinds) -> bool {
    may_have_properties(object) || object.intersects(Kinds::ARRAY)
}

/// The kinds that calling MAKE_CLOSURE or SPAWN on `function` gives: `made` if it is a function.
pub fn if_function(function: Kinds, made: Kinds) -> Kinds {
    match function {
        Kinds::NONE => Kinds::NONE,
        Kinds::FUNCTION => made,
        _ if function.intersects(Kinds::FUNCTION) => made | Kinds::UNDEFINED,
        _ => Kinds::UNDEFINED,
    }
}

/// The kinds of a cell after a capture of `value`, see [`crate::ir::Op::Capture`].
pub fn capture(function: Kinds, cell: Kinds, value: Kinds) -> Kinds {
    let kept = cell.without(Kinds::ABSENT);
    if !cell.intersects(Kinds::ABSENT) || !function.intersects(Kinds::FUNCTION) {
        return cell;
    }
    let empty = if function == Kinds::FUNCTION { Kinds::NONE } else { Kinds::ABSENT };
    kept | value | empty
}

#[cfg(test)]
mod tests {
    use super::*;
    use ArithOp::*;

    /// The table of the language reference for single kinds.
    fn table(op: ArithOp, a: Kinds, b: Kinds) -> Kinds {
        let n = Kinds::NUMBER;
        let c = Kinds::COMPLEX;
        let s = Kinds::STRING;
        let undefined = Kinds::UNDEFINED;
        if a == Kinds::OBJECT {
            return Kinds::ANY;
        }
        match (op, a, b) {
            (Div, _, _) if (a == n || a == c) && b == n => a | undefined,
            (_, _, _) if a == n && b == n => n,
            (_, _, _) if (a == n || a == c) && (b == n || b == c) => c,
            (Add, _, _) if a == s && b == s => s,
            (Mul, _, _) if a == s && b == n || a == n && b == s => s,
            _ => undefined,
        }
    }

    fn each() -> impl Iterator<Item = Kinds> {
        (0..12).map(|bit| Kinds(1 << bit))
    }

    #[test]
    fn arithmetic_is_the_union_over_pairs() {
        // Sets made of every pair of kinds, so that each cell of the table is seen alone and mixed.
        let sets: Vec<Kinds> = each().flat_map(|a| each().map(move |b| a | b)).collect();
        for op in [Add, Sub, Mul, Div] {
            for &a in &sets {
                for &b in &sets {
                    let mut expected = Kinds::NONE;
                    for one in each().filter(|&kind| a.contains(kind)) {
                        for other in each().filter(|&kind| b.contains(kind)) {
                            expected |= table(op, one, other);
                        }
                    }
                    assert_eq!(arith(op, a, b, false, Magic::ALL), expected, "{op:?} {a} {b}");
                }
            }
        }
        assert_eq!(arith(Div, Kinds::NUMBER, Kinds::NUMBER, true, Magic::ALL), Kinds::NUMBER);
        assert_eq!(arith(Div, Kinds::COMPLEX, Kinds::NUMBER, true, Magic::ALL), Kinds::COMPLEX);
    }

    #[test]
    fn objects_without_magic_are_no_operands() {
        let any = arith(Add, Kinds::ANY, Kinds::ANY, false, Magic::NONE);
        let expected = Kinds::NUMBER | Kinds::COMPLEX | Kinds::STRING | Kinds::UNDEFINED;
        assert_eq!(any, expected);
        assert_eq!(arith(Add, Kinds::ANY, Kinds::ANY, false, Magic::named("__add__")), Kinds::ANY);
        assert_eq!(Magic::named("__str__"), Magic::NONE);
    }

    #[test]
    fn comparisons_that_kinds_decide() {
        let (n, s, a) = (Kinds::NUMBER, Kinds::STRING, Kinds::ATOM);
        assert_eq!(compare(CompareOp::Equal, n, s, Magic::ALL), Some(false));
        assert_eq!(compare(CompareOp::NotEqual, n, s, Magic::ALL), Some(true));
        assert_eq!(compare(CompareOp::Equal, s, a, Magic::ALL), None);
        assert_eq!(compare(CompareOp::Less, s, a, Magic::ALL), Some(false));
        assert_eq!(compare(CompareOp::Less, n, n | s, Magic::ALL), None);
        assert_eq!(compare(CompareOp::Equal, n, Kinds::OBJECT, Magic::ALL), None);
        assert_eq!(compare(CompareOp::Equal, Kinds::ARRAY, Kinds::ARRAY, Magic::ALL), Some(false));
        assert_eq!(compare(CompareOp::Equal, Kinds::UNIT, Kinds::UNIT, Magic::ALL), Some(true));
        let object = Kinds::OBJECT;
        assert_eq!(compare(CompareOp::Equal, object, n | object, Magic::NONE), Some(false));
        assert_eq!(compare(CompareOp::Equal, object, n, Magic::named("__lt__")), Some(false));
        assert_eq!(compare(CompareOp::Greater, object, n, Magic::named("__lt__")), None);
        let both = Kinds::UNIT | Kinds::UNDEFINED;
        assert_eq!(compare(CompareOp::Equal, both, both, Magic::ALL), None);
    }

    #[test]
    fn representations() {
        assert_eq!(Kinds::NUMBER.repr(), Repr::F64);
        assert_eq!(Kinds::ANY.repr(), Repr::F64);
        assert_eq!((Kinds::BOOLEAN | Kinds::NUMBER).repr(), Repr::F64);
        assert_eq!(Kinds::BOOLEAN.repr(), Repr::Bool);
        assert_eq!((Kinds::BOOLEAN | Kinds::UNDEFINED).repr(), Repr::I64);
        assert_eq!(Kinds::ABSENT.repr(), Repr::I64);
    }

    #[test]
    fn names() {
        assert_eq!(Kinds::ANY_OR_ABSENT.to_string(), "any|absent");
        assert_eq!((Kinds::NUMBER | Kinds::UNDEFINED).to_string(), "number|undefined");
        assert_eq!(Kinds::NONE.to_string(), "none");
    }
}
