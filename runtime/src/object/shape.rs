//! Shapes (hidden classes): which properties an object has, in which slots, with which access.
//!
//! A shape is immutable; adding a property leads to another shape by a *transition*. All processes
//! share one append-only table that readers walk without locks. The number of inline slots is
//! part of the shape, so a shape alone says where a property is.

use crate::append_vec::AppendVec;
use crate::atom::is_magic;
use crate::bytecode::Access;
use crate::heap::tag::FIRST_SHAPE;
use crate::value::Atom;
use rustc_hash::FxHashMap;
use std::sync::{Mutex, OnceLock};

/// Objects with more properties than this use a dictionary instead of a shape.
pub const MAX_SHAPED: usize = 64;

/// The table gives out no more shapes than this; further objects use dictionaries.
const MAX_SHAPES: usize = 1 << 20;

/// Number of a shape; the tag of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct ShapeId(pub u32);

/// One property of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// Name.
    pub key: Atom,
    /// Who may read and write it.
    pub access: Access,
}

/// See the module text.
#[derive(Debug)]
pub struct Shape {
    /// Its own number.
    pub id: ShapeId,
    /// Slots inside the object; the others are in overflow storage.
    pub inline: u32,
    /// Properties in order of insertion; the index is the slot.
    pub properties: Box<[Property]>,
    /// Slot by name, for shapes too long to search.
    index: Option<FxHashMap<Atom, u32>>,
    /// Does it have a property that is named like a magic method?
    pub has_magic: bool,
    /// Do its objects take no changes? Then all properties are readonly.
    pub frozen: bool,
    /// The shape of its objects once they are frozen.
    frozen_form: OnceLock<ShapeId>,
    transitions: Mutex<FxHashMap<(Atom, u8), ShapeId>>,
}

impl Shape {
    /// The slot and access of a property.
    #[inline]
    pub fn find(&self, key: Atom) -> Option<(u32, Access)> {
        let slot = match &self.index {
            None => self.properties.iter().position(|property| property.key == key)? as u32,
            Some(index) => *index.get(&key)?,
        };
        Some((slot, self.properties[slot as usize].access))
    }
}

/// All shapes of one system.
#[derive(Debug)]
pub struct ShapeTable {
    shapes: AppendVec<Shape>,
    /// The empty shape by number of inline slots.
    roots: Mutex<FxHashMap<u32, ShapeId>>,
}

/// How many inline slots an object literal with `count` properties gets.
pub fn inline_slots(count: usize) -> u32 {
    match count {
        0 => 4,
        1..=8 => count as u32,
        9..=16 => (count as u32).next_multiple_of(4),
        _ => (count as u32).next_multiple_of(8),
    }
}

impl ShapeTable {
    /// A table without shapes.
    pub fn new() -> ShapeTable {
        ShapeTable { shapes: AppendVec::new(), roots: Mutex::default() }
    }

    /// The shape with this number.
    #[inline]
    pub fn get(&self, id: ShapeId) -> &Shape {
        self.shapes
            .get((id.0 - FIRST_SHAPE) as usize)
            .expect("objects carry the numbers of existing shapes")
    }

    /// The shape with no properties and `inline` inline slots.
    pub fn root(&self, inline: u32) -> ShapeId {
        let mut roots = self.roots.lock().unwrap_or_else(|e| e.into_inner());
        *roots.entry(inline).or_insert_with(|| self.add(inline, Box::new([]), false))
    }

    fn add(&self, inline: u32, properties: Box<[Property]>, frozen: bool) -> ShapeId {
        let index = (properties.len() > 8).then(|| {
            properties.iter().enumerate().map(|(slot, prop)| (prop.key, slot as u32)).collect()
        });
        let has_magic = properties.iter().any(|prop| is_magic(prop.key));
        let index = self.shapes.push_with(|number| Shape {
            id: ShapeId(number as u32 + FIRST_SHAPE),
            inline,
            properties,
            index,
            has_magic,
            frozen,
            frozen_form: OnceLock::new(),
            transitions: Mutex::default(),
        });
        ShapeId(index as u32 + FIRST_SHAPE)
    }

    /// The shape of an object of shape `from` after adding `key`; `None` if it must become a dictionary.
    pub fn transition(&self, from: ShapeId, key: Atom, access: Access) -> Option<ShapeId> {
        let shape = self.get(from);
        let mut transitions = shape.transitions.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(&to) = transitions.get(&(key, access as u8)) {
            return Some(to);
        }
        if shape.properties.len() >= MAX_SHAPED || self.shapes.len() >= MAX_SHAPES {
            return None;
        }
        let mut properties = shape.properties.to_vec();
        properties.push(Property { key, access });
        let to = self.add(shape.inline, properties.into(), false);
        transitions.insert((key, access as u8), to);
        Some(to)
    }

    /// The shape of objects of shape `of` once they are frozen; `None` if they must be dictionaries.
    pub fn frozen(&self, of: ShapeId) -> Option<ShapeId> {
        let shape = self.get(of);
        if self.shapes.len() >= MAX_SHAPES && shape.frozen_form.get().is_none() {
            return None;
        }
        Some(*shape.frozen_form.get_or_init(|| {
            let properties = shape.properties.iter();
            let readonly = properties
                .map(|property| Property { access: property.access.frozen(), ..*property });
            self.add(shape.inline, readonly.collect(), true)
        }))
    }

    /// The shape of an object literal; `None` if it must be a dictionary.
    pub fn of_literal(&self, properties: &[Property]) -> Option<ShapeId> {
        let mut shape = self.root(inline_slots(properties.len()));
        for property in properties {
            shape = self.transition(shape, property.key, property.access)?;
        }
        Some(shape)
    }

    /// How many shapes there are.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Is there no shape?
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }
}

impl Default for ShapeTable {
    fn default() -> Self {
        ShapeTable::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_histories_share_a_shape() {
        let table = ShapeTable::new();
        let prop = |key| Property { key: Atom(key), access: Access::Public };
        let a = table.of_literal(&[prop(1), prop(2)]).unwrap();
        assert_eq!(table.of_literal(&[prop(1), prop(2)]), Some(a));
        assert_ne!(table.of_literal(&[prop(2), prop(1)]), Some(a));
        assert_eq!(table.get(a).find(Atom(2)), Some((1, Access::Public)));
        assert_eq!(table.get(a).find(Atom(3)), None);
        let many: Vec<_> = (0..MAX_SHAPED as u32).map(prop).collect();
        let last = table.of_literal(&many).unwrap();
        assert_eq!(table.get(last).find(Atom(63)).unwrap().0, 63);
        assert_eq!(table.transition(last, Atom(99), Access::Public), None);
    }
}
