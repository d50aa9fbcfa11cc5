//! Comparing and showing values with everything in them, for tests and for people who look for a
//! mistake.

use ion_runtime::natives::NativeCx;
use ion_runtime::object::{Kind, container, edit, string};
use ion_runtime::system::System;
use ion_runtime::value::Value;
use std::collections::HashSet;

/// Deepest nesting that is compared or shown; what lies deeper counts as equal if it is the same.
const MAX_DEPTH: usize = 100;

/// Most bytes of a shown value.
const MAX_TEXT: usize = 10_000;

/// Is the content of `a` and `b` the same? Elements are compared one by one, objects by names, values
/// and prototypes in any order; functions and processes must be the very same.
pub(super) fn equals(cx: &mut NativeCx<'_>, a: Value, b: Value) -> bool {
    let mut steps = 0;
    let equal = same(cx.system, a, b, 0, &mut HashSet::new(), &mut steps);
    cx.charge_items(steps);
    equal
}

fn elements(value: Value) -> Option<&'static [Value]> {
    container::array(value).or_else(|| container::tuple(value))
}

/// `seen`: pairs that are being compared already, for values that contain themselves.
fn same(
    system: &System,
    a: Value,
    b: Value,
    depth: usize,
    seen: &mut HashSet<(u64, u64)>,
    steps: &mut usize,
) -> bool {
    *steps += 1;
    if a == b {
        return true;
    }
    if a.kind() != b.kind() {
        return false;
    }
    match a.kind() {
        Kind::Number => a.as_number() == b.as_number(),
        Kind::String => string::text(a) == string::text(b),
        Kind::Complex => container::complex(a) == container::complex(b),
        Kind::Array | Kind::Tuple | Kind::Object => {
            if depth >= MAX_DEPTH || !seen.insert((a.to_bits(), b.to_bits())) {
                return depth < MAX_DEPTH;
            }
            match (elements(a), elements(b)) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter()
                            .zip(b)
                            .all(|(a, b)| same(system, *a, *b, depth + 1, seen, steps))
                }
                _ => same_object(system, a, b, depth, seen, steps),
            }
        }
        _ => false,
    }
}

fn same_object(
    system: &System,
    a: Value,
    b: Value,
    depth: usize,
    seen: &mut HashSet<(u64, u64)>,
    steps: &mut usize,
) -> bool {
    let (Some(left), Some(right)) =
        (edit::properties(&system.shapes, a), edit::properties(&system.shapes, b))
    else {
        return false;
    };
    let proto = |value| edit::prototype(value).unwrap_or(Value::UNDEFINED);
    let names: std::collections::HashMap<_, _> =
        right.iter().map(|(property, value)| (property.key.0, *value)).collect();
    left.len() == right.len()
        && left.iter().all(|(property, value)| {
            names
                .get(&property.key.0)
                .is_some_and(|other| same(system, *value, *other, depth + 1, seen, steps))
        })
        && same(system, proto(a), proto(b), depth + 1, seen, steps)
}

/// The value as a program would write it: strings in quotes, atoms with a colon.
pub(super) fn inspect(cx: &mut NativeCx<'_>, value: Value) -> String {
    let mut out = String::new();
    show(cx.system, value, 0, &mut out);
    cx.charge_bytes(out.len());
    out
}

fn show(system: &System, value: Value, depth: usize, out: &mut String) {
    if depth > MAX_DEPTH || out.len() > MAX_TEXT {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    let row = |values: &[Value], out: &mut String| {
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            show(system, *value, depth + 1, out);
        }
    };
    match value.kind() {
        Kind::String => match string::text(value) {
            Some(text) => {
                let text: String = text.chars().take(MAX_TEXT).collect();
                out.push_str(&format!("{text:?}"));
            }
            None => out.push_str("\"\""),
        },
        Kind::Atom => {
            let text = value.as_atom().map(|atom| system.atoms.text(atom).to_owned());
            let text = text.unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = text.chars().all(plain) && !text.starts_with(|c: char| c.is_ascii_digit());
            if word && !text.is_empty() {
                out.push_str(&format!(":{text}"));
            } else {
                out.push_str(&format!(":{text:?}"));
            }
        }
        Kind::Array => {
            out.push('[');
            row(container::array(value).unwrap_or_default(), out);
            out.push(']');
        }
        Kind::Tuple => {
            let parts = container::tuple(value).unwrap_or_default();
            out.push('(');
            row(parts, out);
            out.push_str(if parts.len() == 1 { ",)" } else { ")" });
        }
        Kind::Object => {
            let properties = edit::properties(&system.shapes, value).unwrap_or_default();
            out.push('{');
            for (i, (property, value)) in properties.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { " " });
                out.push_str(system.atoms.text(property.key));
                out.push_str(": ");
                show(system, *value, depth + 1, out);
            }
            out.push_str(if properties.is_empty() { "}" } else { " }" });
        }
        _ => out.push_str(&ion_runtime::print::to_text(system, value)),
    }
}
