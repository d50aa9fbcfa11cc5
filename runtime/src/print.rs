//! How values show themselves to people.

use crate::atom::known;
use crate::bytecode::number::{write_complex, write_number};
use crate::object::{Kind, closure, container, instance, string};
use crate::program::Code;
use crate::system::System;
use crate::value::Value;
use std::fmt::Write;

/// The text of a value as Print writes it.
pub fn to_text(system: &System, value: Value) -> String {
    let mut out = String::new();
    write_value(system, value, &mut out);
    out
}

/// One step of printing: a text, or a value still to print.
enum Step {
    Text(&'static str),
    Key(crate::value::Atom),
    Value(Value),
    /// The container is finished: it may appear again.
    Leave,
}

/// Appends the text of a value. Iterative, so that deep values cannot overflow the native stack;
/// a container inside itself shows as `<cycle>`.
pub fn write_value(system: &System, value: Value, out: &mut String) {
    let mut work = vec![Step::Value(value)];
    let mut open: Vec<Value> = Vec::new();
    let mut open_set = rustc_hash::FxHashSet::default();
    while let Some(step) = work.pop() {
        match step {
            Step::Text(text) => out.push_str(text),
            Step::Key(key) => {
                out.push_str(system.atoms.text(key));
                out.push_str(": ");
            }
            Step::Leave => {
                if let Some(done) = open.pop() {
                    open_set.remove(&done);
                }
            }
            Step::Value(value) => {
                let kind = value.kind();
                if !matches!(kind, Kind::Tuple | Kind::Array | Kind::Object) {
                    write_simple(system, value, out);
                    continue;
                }
                if !open_set.insert(value) {
                    out.push_str("<cycle>");
                    continue;
                }
                open.push(value);
                push_container(system, value, &mut work, out);
            }
        }
    }
}

fn push_container(system: &System, value: Value, work: &mut Vec<Step>, out: &mut String) {
    work.push(Step::Leave);
    let mut row = |elements: &[Value], close| {
        work.push(Step::Text(close));
        for (i, element) in elements.iter().enumerate().rev() {
            work.push(Step::Value(*element));
            if i > 0 {
                work.push(Step::Text(", "));
            }
        }
    };
    if let Some(elements) = container::tuple(value) {
        out.push('(');
        return row(elements, ")");
    }
    if let Some(elements) = container::array(value) {
        out.push('[');
        return row(elements, "]");
    }
    let object = value.as_pointer().expect("objects are heap objects");
    let mut own = instance::properties(&system.shapes, object);
    let tag = own.iter().find(|(property, _)| property.key == known::tag);
    if let Some(tag) = tag.and_then(|(_, value)| value.as_atom()) {
        // A tagged value: the tag, then the other values with nothing in between.
        let text = system.atoms.text(tag);
        out.push(':');
        out.push_str(text);
        own.retain(|(property, _)| property.key != known::tag);
        let values: Vec<Value> = own.iter().map(|(_, value)| *value).collect();
        return row(&values, "");
    }
    out.push('{');
    work.push(Step::Text("}"));
    for (i, (property, value)) in own.iter().enumerate().rev() {
        work.push(Step::Value(*value));
        work.push(Step::Key(property.key));
        if i > 0 {
            work.push(Step::Text(", "));
        }
    }
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

/// The text of a value as Debug shows it behind `[DEBUG] `: `KIND: VALUE`.
pub fn debug_text(system: &System, value: Value) -> String {
    let shown = to_text(system, value);
    match value.kind() {
        Kind::Atom => format!("Atom: :{shown}"),
        Kind::String | Kind::Function | Kind::Process => format!("String: \"{shown}\""),
        kind => format!("{}: {shown}", kind.name()),
    }
}
