//! Values as hosts have them: plain data, owned, independent of any machine.
//!
//! ```
//! use ion_ffi::Term;
//! let term = Term::from((Term::atom("ok"), 42.0));
//! assert_eq!(term.to_string(), "(ok, 42)");
//! let Term::Tuple(parts) = &term else { unreachable!() };
//! assert_eq!(parts[1].as_number(), Some(42.0));
//! ```

use crate::convert::{FromValue, IntoValue};
use ion_runtime::bytecode::number::{write_complex, write_number};
use ion_runtime::heap::copy::Parcel;
use ion_runtime::heap::{Heap, OutOfMemory};
use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::object::{Kind, closure, container, edit, string};
use ion_runtime::program::{Code, FuncId};
use ion_runtime::system::System;
use ion_runtime::value::{Atom, Pid, Value};
use std::fmt;

/// A value of the machine, taken out of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Undefined.
    Undefined,
    /// Unit.
    Unit,
    /// A truth value.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// An atom.
    Atom(String),
    /// A text.
    String(String),
    /// A tuple.
    Tuple(Vec<Term>),
    /// An array.
    Array(Vec<Term>),
    /// An object: its own properties in order. Levels of access and the prototype are left out.
    Object(Vec<(String, Term)>),
    /// A process.
    Process(Pid),
    /// A function of the program, `CLASS:NAME`. Of one with captures or a bound object nothing but the
    /// name leaves the machine.
    Function(String),
}

/// Why a value cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TermError {
    /// It is nested deeper than [`MAX_DEPTH`] levels, or contains itself.
    TooDeep,
    /// It has more than [`MAX_PARTS`] parts. Values that share parts can unfold to very many.
    TooLarge,
    /// The program has no such function.
    NoFunction(String),
    /// It does not fit into the memory that a process may have.
    OutOfMemory,
    /// It would make more atoms than there may be.
    TooManyAtoms,
}

impl fmt::Display for TermError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TermError::TooDeep => {
                write!(f, "the value is nested deeper than {MAX_DEPTH} levels, or contains itself")
            }
            TermError::TooLarge => write!(f, "the value has more than {MAX_PARTS} parts"),
            TermError::NoFunction(name) => write!(f, "the program has no function '{name}'"),
            TermError::OutOfMemory => f.write_str("the value does not fit into a process's memory"),
            TermError::TooManyAtoms => f.write_str("there are as many atoms as there may be"),
        }
    }
}

impl std::error::Error for TermError {}

/// Deepest nesting of a value that is converted.
pub const MAX_DEPTH: usize = 200;

/// Most parts of a value that is converted.
pub const MAX_PARTS: usize = 1 << 26;

impl Term {
    /// An atom.
    pub fn atom(text: impl Into<String>) -> Term {
        Term::Atom(text.into())
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Term::Number(number) = self { Some(*number) } else { None }
    }

    /// The text of a String or Atom.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Term::String(text) | Term::Atom(text) => Some(text),
            _ => None,
        }
    }

    /// The process, if it is one.
    pub fn as_process(&self) -> Option<Pid> {
        if let Term::Process(pid) = self { Some(*pid) } else { None }
    }

    /// The elements of a tuple or an array.
    pub fn elements(&self) -> Option<&[Term]> {
        match self {
            Term::Tuple(elements) | Term::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The property of an object.
    pub fn get(&self, name: &str) -> Option<&Term> {
        let Term::Object(properties) = self else { return None };
        properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Copies a value of a running machine.
    pub fn read(system: &System, value: Value) -> Result<Term, TermError> {
        Reader { system, parts: 0 }.read(value, 0)
    }

    /// Copies the value of a parcel.
    pub fn unpack(system: &System, parcel: &Parcel) -> Result<Term, TermError> {
        Term::read(system, parcel.value)
    }

    /// Makes the value in a heap.
    pub fn build(&self, system: &System, heap: &mut Heap) -> Result<Value, TermError> {
        build(self, system, heap, 0)
    }

    /// Makes the value in a space of its own, ready to be sent.
    pub fn pack(&self, system: &System) -> Result<Parcel, TermError> {
        let mut heap = Heap::new(system.config.max_heap);
        let value = self.build(system, &mut heap)?;
        Ok(Parcel { value, space: heap.space })
    }
}

struct Reader<'a> {
    system: &'a System,
    parts: usize,
}

impl Reader<'_> {
    fn read(&mut self, value: Value, depth: usize) -> Result<Term, TermError> {
        if depth > MAX_DEPTH {
            return Err(TermError::TooDeep);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(TermError::TooLarge);
        }
        let atoms = &self.system.atoms;
        let name = |atom: Atom| atoms.text(atom).to_owned();
        Ok(match value.kind() {
            Kind::Undefined => Term::Undefined,
            Kind::Unit => Term::Unit,
            Kind::Boolean => Term::Boolean(value == Value::TRUE),
            Kind::Number => Term::Number(value.as_number().unwrap_or(f64::NAN)),
            Kind::Complex => {
                let (re, im) = container::complex(value).unwrap_or_default();
                Term::Complex(re, im)
            }
            Kind::Atom => Term::Atom(value.as_atom().map(name).unwrap_or_default()),
            Kind::String => Term::String(string::text(value).unwrap_or_default().into_owned()),
            Kind::Tuple => Term::Tuple(self.list(container::tuple(value).unwrap_or(&[]), depth)?),
            Kind::Array => Term::Array(self.list(container::array(value).unwrap_or(&[]), depth)?),
            Kind::Object => {
                let own = edit::properties(&self.system.shapes, value).unwrap_or_default();
                let mut properties = Vec::with_capacity(own.len());
                for (property, value) in own {
                    properties.push((name(property.key), self.read(value, depth + 1)?));
                }
                Term::Object(properties)
            }
            Kind::Process => match value.as_pid() {
                Some(pid) => Term::Process(pid),
                None => Term::Undefined,
            },
            Kind::Function => Term::Function(self.function_name(value)),
        })
    }

    fn list(&mut self, values: &[Value], depth: usize) -> Result<Vec<Term>, TermError> {
        values.iter().map(|value| self.read(*value, depth + 1)).collect()
    }

    fn function_name(&self, value: Value) -> String {
        let program = &self.system.program;
        let function = closure::callee(value).map(|callee| callee.function);
        match function.map(|function| (function.as_function(), function.as_native())) {
            Some((Some(id), _)) => program.function(id).qualified_name(),
            Some((_, Some(id))) => format!("__stdlib:{}", program.native(id).name),
            _ => String::new(),
        }
    }
}

/// The function of this name: `CLASS:NAME`, the `CLASS` of an unnamed one, or just `NAME` if only one has
/// it.
pub(crate) fn find_function(system: &System, name: &str) -> Result<FuncId, TermError> {
    let functions = &system.program.functions;
    let mut found = functions.iter().filter(|function| function.qualified_name() == name);
    if let Some(function) = found.next() {
        return Ok(function.id);
    }
    let mut by_name = functions.iter().filter(|function| function.name.as_deref() == Some(name));
    match (by_name.next(), by_name.next()) {
        (Some(function), None) => Ok(function.id),
        _ => Err(TermError::NoFunction(name.to_owned())),
    }
}

fn build(term: &Term, system: &System, heap: &mut Heap, depth: usize) -> Result<Value, TermError> {
    if depth > MAX_DEPTH {
        return Err(TermError::TooDeep);
    }
    let out_of_memory = |OutOfMemory| TermError::OutOfMemory;
    let atom = |text: &str| system.atoms.try_intern(text).map_err(|_| TermError::TooManyAtoms);
    Ok(match term {
        Term::Undefined => Value::UNDEFINED,
        Term::Unit => Value::UNIT,
        Term::Boolean(boolean) => Value::boolean(*boolean),
        Term::Number(number) => Value::number(*number),
        Term::Complex(re, im) => heap.new_complex(*re, *im).map_err(out_of_memory)?,
        Term::Atom(text) => Value::atom(atom(text)?),
        Term::String(text) => heap.new_string(text).map_err(out_of_memory)?,
        Term::Tuple(parts) => {
            let parts = all(parts, system, heap, depth)?;
            heap.new_tuple(&parts).map_err(out_of_memory)?
        }
        Term::Array(parts) => {
            let parts = all(parts, system, heap, depth)?;
            heap.new_array(&parts).map_err(out_of_memory)?
        }
        Term::Object(properties) => {
            let mut list = Vec::with_capacity(properties.len());
            for (key, value) in properties {
                let property = ion_runtime::object::shape::Property {
                    key: atom(key)?,
                    access: ion_runtime::bytecode::Access::Public,
                };
                list.push((property, build(value, system, heap, depth + 1)?));
            }
            heap.new_object_from(&system.shapes, &list).map_err(out_of_memory)?
        }
        Term::Process(pid) => Value::pid(*pid),
        Term::Function(name) => {
            let id = find_function(system, name)?;
            match system.program.function(id).code {
                Code::Native(native) => Value::native(native),
                Code::Bytecode(_) => Value::function(id),
            }
        }
    })
}

fn all(
    parts: &[Term],
    system: &System,
    heap: &mut Heap,
    depth: usize,
) -> Result<Vec<Value>, TermError> {
    parts.iter().map(|part| build(part, system, heap, depth + 1)).collect()
}

impl fmt::Display for Term {
    /// As `PrintLn` writes the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list(f: &mut fmt::Formatter<'_>, parts: &[Term]) -> fmt::Result {
            for (at, part) in parts.iter().enumerate() {
                write!(f, "{}{part}", if at > 0 { ", " } else { "" })?;
            }
            Ok(())
        }
        match self {
            Term::Undefined => f.write_str("undefined"),
            Term::Unit => f.write_str("()"),
            Term::Boolean(boolean) => write!(f, "{boolean}"),
            Term::Number(number) => write_number(f, *number),
            Term::Complex(re, im) => write_complex(f, *re, *im),
            Term::Atom(text) | Term::String(text) => f.write_str(text),
            Term::Tuple(parts) => {
                f.write_str("(")?;
                list(f, parts)?;
                f.write_str(")")
            }
            Term::Array(parts) => {
                f.write_str("[")?;
                list(f, parts)?;
                f.write_str("]")
            }
            Term::Object(properties) => {
                f.write_str("{")?;
                for (at, (key, value)) in properties.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Term::Process(_) => f.write_str("[Process]"),
            Term::Function(name) => write!(f, "[Function: {name}]"),
        }
    }
}

macro_rules! terms {
    ($($host:ty, |$value:ident| $term:expr;)*) => {
        $(impl From<$host> for Term {
            fn from($value: $host) -> Term {
                $term
            }
        })*
    };
}

terms! {
    (), |_unit| Term::Unit;
    bool, |boolean| Term::Boolean(boolean);
    f64, |number| Term::Number(number);
    i32, |number| Term::Number(f64::from(number));
    u32, |number| Term::Number(f64::from(number));
    &str, |text| Term::String(text.to_owned());
    String, |text| Term::String(text);
    Pid, |pid| Term::Process(pid);
}

impl<T: Into<Term>> From<Vec<T>> for Term {
    fn from(elements: Vec<T>) -> Term {
        Term::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Term>> From<Option<T>> for Term {
    fn from(value: Option<T>) -> Term {
        value.map_or(Term::Undefined, Into::into)
    }
}

macro_rules! tuples {
    ($($part:ident)+) => {
        impl<$($part: Into<Term>),+> From<($($part,)+)> for Term {
            #[allow(non_snake_case, reason = "the parts are named like their types")]
            fn from(($($part,)+): ($($part,)+)) -> Term {
                Term::Tuple(vec![$($part.into()),+])
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

impl FromValue for Term {
    const KIND: &'static str = "Any";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        Term::read(cx.system, value).ok()
    }
}

impl IntoValue for Term {
    const KIND: &'static str = "Any";
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        self.build(cx.system, cx.heap).map_err(|error| match error {
            TermError::OutOfMemory => cx.out_of_memory(),
            other => NativeError::Runtime(other.to_string()),
        })
    }
}
