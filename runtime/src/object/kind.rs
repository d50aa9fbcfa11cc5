//! Kinds of values, as programs and messages name them.

use crate::heap::tag;
use crate::value::Value;

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the language names them")]
pub enum Kind {
    Number,
    Boolean,
    Atom,
    String,
    Unit,
    Undefined,
    Complex,
    Tuple,
    Array,
    Object,
    Function,
    Process,
}

impl Kind {
    /// The name in messages and output.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number => "Number",
            Kind::Boolean => "Boolean",
            Kind::Atom => "Atom",
            Kind::String => "String",
            Kind::Unit => "Unit",
            Kind::Undefined => "Undefined",
            Kind::Complex => "Complex",
            Kind::Tuple => "Tuple",
            Kind::Array => "Array",
            Kind::Object => "Object",
            Kind::Function => "Function",
            Kind::Process => "Process",
        }
    }
}

impl Value {
    /// The kind.
    pub fn kind(self) -> Kind {
        if self.is_number() {
            return Kind::Number;
        }
        if self.is_pointer() {
            return match self.heap_tag() {
                tag::STRING | tag::SHARED | tag::ROPE | tag::BUFFERED => Kind::String,
                tag::COMPLEX => Kind::Complex,
                tag::TUPLE => Kind::Tuple,
                tag::ARRAY => Kind::Array,
                tag::CLOSURE => Kind::Function,
                _ => Kind::Object,
            };
        }
        match self {
            Value::TRUE | Value::FALSE => Kind::Boolean,
            Value::UNIT => Kind::Unit,
            _ if self.as_atom().is_some() => Kind::Atom,
            _ if self.as_pid().is_some() => Kind::Process,
            _ if self.as_function().is_some() || self.as_native().is_some() => Kind::Function,
            _ => Kind::Undefined,
        }
    }

    /// Is it an object with properties?
    #[inline]
    pub(crate) fn is_object(self) -> bool {
        self.heap_tag() >= tag::DICT_OBJECT
    }

    /// Does a condition take it as true?
    #[inline]
    pub fn truth(self) -> bool {
        if let Some(number) = self.as_number() {
            return number != 0.0;
        }
        match self {
            Value::FALSE | Value::UNIT | Value::UNDEFINED => false,
            _ if self == Value::atom(crate::atom::known::empty) => false,
            _ if self.is_pointer() => super::string::len(self) != Some(0),
            _ => true,
        }
    }
}
