//! MATCH: does a value fit a pattern? Recursion is bounded by the depth of the pattern.

use super::property::lookup;
use crate::atom::known;
use crate::bytecode::Access;
use crate::link::{Pat, Template};
use crate::object::{container, instance, string};
use crate::system::System;
use crate::value::{Atom, Value};

/// Does `value` match `pattern`?
pub fn matches(system: &System, value: Value, pattern: &Pat) -> bool {
    match pattern {
        Pat::Wildcard => true,
        Pat::Value(template) => same(system, value, template),
        Pat::Array(patterns) => {
            container::array(value).is_some_and(|elements| row(system, elements, patterns))
        }
        Pat::Tuple { patterns, keys } => {
            match container::tuple(value).or_else(|| container::array(value)) {
                Some(elements) => row(system, elements, patterns),
                None if value.is_object() => patterns.iter().zip(keys).all(|(pattern, key)| {
                    read(system, value, *key).is_some_and(|found| matches(system, found, pattern))
                }),
                None => false,
            }
        }
        Pat::Tagged { tag, pattern } => {
            if !value.is_object() {
                return false;
            }
            let Some(found) = read(system, value, known::tag) else { return false };
            let text = match found.as_atom() {
                Some(atom) => system.atoms.text(atom).into(),
                None => match string::text(found) {
                    Some(text) => text,
                    None => return false,
                },
            };
            // `tag` has lost its colon already.
            if text.strip_prefix(':').unwrap_or(&text) != &**tag {
                return false;
            }
            match lookup(system, value, known::slots) {
                None => matches(system, Value::UNIT, pattern),
                Some(_) => read(system, value, known::slots)
                    .is_some_and(|slots| matches(system, slots, pattern)),
            }
        }
    }
}

fn row(system: &System, elements: &[Value], patterns: &[Pat]) -> bool {
    elements.len() == patterns.len()
        && elements
            .iter()
            .zip(patterns)
            .all(|(element, pattern)| matches(system, *element, pattern))
}

/// A property that may be read from outside.
fn read(system: &System, object: Value, key: Atom) -> Option<Value> {
    let found = lookup(system, object, key)?;
    matches!(found.access, Access::Public | Access::Readonly).then_some(found.value)
}

/// Same kind and equal content.
pub(crate) fn same(system: &System, value: Value, template: &Template) -> bool {
    match template {
        Template::Value(expected) => {
            if let (Some(a), Some(b)) = (value.as_number(), expected.as_number()) {
                return a == b;
            }
            if !value.is_pointer() || !expected.is_pointer() {
                return value == *expected;
            }
            match (string::text(value), string::text(*expected)) {
                (Some(a), Some(b)) => return a == b,
                (None, None) => {}
                _ => return false,
            }
            match (container::complex(value), container::complex(*expected)) {
                (Some(a), Some(b)) => return a == b,
                (None, None) => {}
                _ => return false,
            }
            match (container::tuple(value), container::tuple(*expected)) {
                (Some(a), Some(b)) => {
                    a.len() == b.len()
                        && a.iter().zip(b).all(|(a, b)| same(system, *a, &Template::Value(*b)))
                }
                _ => false,
            }
        }
        Template::Tuple(parts) => {
            container::tuple(value).is_some_and(|elements| same_row(system, elements, parts))
        }
        Template::Array(parts) => {
            container::array(value).is_some_and(|elements| same_row(system, elements, parts))
        }
        Template::Object(expected) => {
            if !value.is_object() {
                return false;
            }
            let object = value.as_pointer().expect("objects are heap objects");
            if instance::proto(object) != Value::UNDEFINED {
                return false;
            }
            let own = instance::properties(&system.shapes, object);
            own.len() == expected.len()
                && expected.iter().all(|(property, template)| {
                    instance::find(&system.shapes, object, property.key).is_some_and(|place| {
                        place.access == property.access
                            && same(system, instance::read(object, place.slot), template)
                    })
                })
        }
    }
}

fn same_row(system: &System, elements: &[Value], parts: &[Template]) -> bool {
    elements.len() == parts.len()
        && elements.iter().zip(parts).all(|(element, part)| same(system, *element, part))
}
