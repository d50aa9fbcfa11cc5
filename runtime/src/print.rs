//! How values show themselves to people.

use crate::atom::known;
use crate::bytecode::number::{write_complex, write_number};
use crate::object::{Kind, closure, container, instance, string};
use crate::program::Code;
use crate::system::System;
use crate::value::{Atom, Value};
use rustc_hash::FxHashSet;
use std::fmt::Write;

/// A text would be longer than allowed. Values that share parts can have texts that are
/// exponentially larger than themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The text of a value as Print writes it, if it has not many more than `limit` bytes.
pub fn to_text_within(system: &System, value: Value, limit: usize) -> Result<String, TooLong> {
    let mut out = String::new();
    write_value(system, value, limit, &mut out).map(|()| out)
}

/// Longest text in reports and traces.
const REPORT_LIMIT: usize = 1 << 20;

/// The text of a value for reports; very long ones are cut.
pub fn to_text(system: &System, value: Value) -> String {
    cut_text(system, value, REPORT_LIMIT)
}

fn cut_text(system: &System, value: Value, limit: usize) -> String {
    let mut out = String::new();
    if write_value(system, value, limit, &mut out).is_err() {
        out.truncate(out.floor_char_boundary(limit));
        out.push('…');
    }
    out
}

/// A container that is being printed.
struct Open<'a> {
    value: Value,
    items: Items<'a>,
    /// The next item.
    next: usize,
    close: &'static str,
}

enum Items<'a> {
    Elements(&'a [Value]),
    /// Names, if they are shown, and values.
    Properties(Vec<(Option<Atom>, Value)>),
}

impl Open<'_> {
    fn next(&mut self) -> Option<(Option<Atom>, Value)> {
        let item = match &self.items {
            Items::Elements(elements) => (None, *elements.get(self.next)?),
            Items::Properties(own) => *own.get(self.next)?,
        };
        self.next += 1;
        Some(item)
    }
}

/// Appends the text of a value. Iterative, so that deep values cannot overflow the native stack;
/// a container inside itself shows as `<cycle>`.
fn write_value(
    system: &System,
    value: Value,
    limit: usize,
    out: &mut String,
) -> Result<(), TooLong> {
    let mut stack: Vec<Open<'_>> = Vec::new();
    let mut open_set = FxHashSet::default();
    let mut current = value;
    loop {
        if out.len() > limit {
            return Err(TooLong);
        }
        if !matches!(current.kind(), Kind::Tuple | Kind::Array | Kind::Object) {
            write_simple(system, current, out);
        } else if open_set.insert(current) {
            stack.push(open(system, current, out));
        } else {
            out.push_str("<cycle>");
        }
        current = loop {
            let Some(top) = stack.last_mut() else { return Ok(()) };
            let first = top.next == 0;
            let Some((key, value)) = top.next() else {
                out.push_str(top.close);
                open_set.remove(&top.value);
                stack.pop();
                continue;
            };
            if !first {
                out.push_str(", ");
            }
            if let Some(key) = key {
                out.push_str(system.atoms.text(key));
                out.push_str(": ");
            }
            break value;
        };
    }
}

/// Writes how a container begins.
fn open<'a>(system: &System, value: Value, out: &mut String) -> Open<'a> {
    let elements =
        |elements, close| Open { value, items: Items::Elements(elements), next: 0, close };
    if let Some(tuple) = container::tuple(value) {
        out.push('(');
        return elements(tuple, ")");
    }
    if let Some(array) = container::array(value) {
        out.push('[');
        return elements(array, "]");
    }
    let object = value.as_pointer().expect("objects are heap objects");
    let own = instance::properties(&system.shapes, object);
    let tag = own.iter().find(|(property, _)| property.key == known::tag);
    if let Some(tag) = tag.and_then(|(_, value)| value.as_atom()) {
        // A tagged value: the tag, then the other values with nothing in between.
        out.push(':');
        out.push_str(system.atoms.text(tag));
        let others = own.iter().filter(|(property, _)| property.key != known::tag);
        let values = others.map(|(_, value)| (None, *value)).collect();
        return Open { value, items: Items::Properties(values), next: 0, close: "" };
    }
    out.push('{');
    let named = own.iter().map(|(property, value)| (Some(property.key), *value)).collect();
    Open { value, items: Items::Properties(named), next: 0, close: "}" }
}

fn write_simple(system: &System, value: Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value.kind() {
        Kind::Number => write_number(out, value.number_bits()),
        Kind::Boolean => out.write_str(if value == Value::TRUE { "true" } else { "false" }),
        Kind::Unit => out.write_str("()"),
        Kind::Undefined => out.write_str("undefined"),
        Kind::Atom => out.write_str(system.atoms.text(value.as_atom().unwrap_or(known::empty))),
        Kind::String => out.write_str(&string::text(value).unwrap_or_default()),
        Kind::Complex => {
            let (re, im) = container::complex(value).unwrap_or_default();
            write_complex(out, re, im)
        }
        Kind::Process => out.write_str("[Process]"),
        Kind::Function => write!(out, "[Function: {}]", function_name(system, value)),
        Kind::Tuple | Kind::Array | Kind::Object => Ok(()),
    };
}

fn function_name(system: &System, value: Value) -> String {
    let Some(callee) = closure::callee(value) else { return "<unnamed>".into() };
    if let Some(id) = callee.function.as_native() {
        return system.program.native(id).name.to_lowercase();
    }
    let function = callee.function.as_function().map(|id| system.program.function(id));
    match function {
        Some(function) => match (&function.name, &function.code) {
            (Some(name), _) => name.clone(),
            (None, Code::Native(id)) => system.program.native(*id).name.to_lowercase(),
            (None, _) => "<unnamed>".into(),
        },
        None => "<unnamed>".into(),
    }
}

/// The text of a value as Debug shows it behind `[DEBUG] `: `KIND: VALUE`. A text beyond the memory
/// limit of processes is cut.
pub fn debug_text(system: &System, value: Value) -> String {
    with_kind(value, &cut_text(system, value, system.config.max_heap))
}

/// The same, if the text of the value has not many more than `limit` bytes.
pub fn debug_text_within(system: &System, value: Value, limit: usize) -> Result<String, TooLong> {
    Ok(with_kind(value, &to_text_within(system, value, limit)?))
}

fn with_kind(value: Value, shown: &str) -> String {
    match value.kind() {
        Kind::Atom => format!("Atom: :{shown}"),
        Kind::String | Kind::Function | Kind::Process => format!("String: \"{shown}\""),
        kind => format!("{}: {shown}", kind.name()),
    }
}
