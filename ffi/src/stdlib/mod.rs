//! The standard functions, one module per area; each begins with its rows of the table.
#![forbid(unsafe_code)]

pub(crate) mod array;
mod deep;
pub(crate) mod file;
pub(crate) mod io;
pub(crate) mod json;
pub(crate) mod library;
pub(crate) mod math;
pub(crate) mod object;
pub(crate) mod string;
#[cfg(test)]
mod testing;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod value;

use crate::convert::{FromValue, IntoValue};
use ion_runtime::natives::{NativeCx, NativeError, Part, Registry};
use ion_runtime::object::{Kind, container, string as strings};
use ion_runtime::value::Value;
use std::borrow::Cow;
use std::ops::Deref;

/// The parts of the library.
pub(crate) const PARTS: &[Part] = &[
    Part { modules: &[""], register: classic },
    Part { modules: &["math"], register: math::module },
    Part { modules: &["string", "number"], register: string::module },
    Part { modules: &["value", "atom"], register: value::module },
    Part { modules: &["array", "tuple"], register: array::module },
    Part { modules: &["object"], register: object::module },
    Part { modules: &["json"], register: json::module },
    Part { modules: &["io"], register: io::module },
    Part { modules: &["file", "env"], register: file::module },
    Part { modules: &["time"], register: time::module },
    Part { modules: &["process", "time"], register: process },
];

fn classic(registry: &mut Registry) {
    math::classic(registry);
    text::classic(registry);
    io::classic(registry);
}

fn process(registry: &mut Registry) {
    ion_runtime::process::library::library().into_iter().for_each(|def| registry.add(def));
}

type Result<T = Value> = std::result::Result<T, NativeError>;

/// The error of a library function whose arguments are of the right kinds.
fn fail<T>(text: impl Into<String>) -> Result<T> {
    Err(NativeError::Runtime(text.into()))
}

/// A String, or the text of an Atom. It must not be kept beyond the call.
struct Str(Cow<'static, str>);

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromValue for Str {
    const KIND: &'static str = "String";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        match value.as_atom() {
            Some(atom) => Some(Str(cx.system.atoms.text(atom).to_owned().into())),
            None => strings::text(value).map(Str),
        }
    }
}

/// An Array.
#[derive(Clone, Copy)]
struct Array(Value);

impl Array {
    /// The elements as they are now; not to be used once the array has been changed.
    fn elements(&self) -> &[Value] {
        container::array(self.0).unwrap_or(&[])
    }
}

impl FromValue for Array {
    const KIND: &'static str = "Array";
    fn from_value(_: &NativeCx<'_>, value: Value) -> Option<Self> {
        (value.kind() == Kind::Array).then_some(Array(value))
    }
}

/// An Object.
#[derive(Clone, Copy)]
struct Object(Value);

impl FromValue for Object {
    const KIND: &'static str = "Object";
    fn from_value(_: &NativeCx<'_>, value: Value) -> Option<Self> {
        (value.kind() == Kind::Object).then_some(Object(value))
    }
}

impl IntoValue for Object {
    const KIND: &'static str = "Object";
    fn into_value(self, _: &mut NativeCx<'_>) -> Result {
        Ok(self.0)
    }
}

/// A String that has been made.
struct Made(Value);

impl IntoValue for Made {
    const KIND: &'static str = "String";
    fn into_value(self, _: &mut NativeCx<'_>) -> Result {
        Ok(self.0)
    }
}

/// A Tuple that has been made.
struct Tuple(Value);

impl IntoValue for Tuple {
    const KIND: &'static str = "Tuple";
    fn into_value(self, _: &mut NativeCx<'_>) -> Result {
        Ok(self.0)
    }
}

/// The part of a row of `len` between two positions; negative ones count from the end.
fn part(len: usize, from: f64, to: Option<f64>) -> std::ops::Range<usize> {
    let position = |at: f64| {
        let at = at.trunc();
        if at < 0.0 { (len as f64 + at).max(0.0) as usize } else { (at as usize).min(len) }
    };
    let (from, to) = (position(from), to.map_or(len, position));
    from..to.max(from)
}
