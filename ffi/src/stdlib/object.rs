//! `Object`: properties by name, prototypes, freezing. Names are Atoms, or Strings that are taken for
//! them. Lists show properties of all levels of access; reading and writing go by the rights that
//! code outside of the object has.

use super::{Array, Object, Result, fail};
use crate::convert::FromValue;
use crate::registry::natives;
use ion_runtime::bytecode::Access;
use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::object::edit::{self, Refused};
use ion_runtime::object::shape::Property;
use ion_runtime::object::{container, string};
use ion_runtime::value::{Atom, Value};
use std::borrow::Cow;

natives! {
    /// Objects.
    fn module;

    /// The names of the object's own properties, as Atoms, in order.
    Object.keys(object) = typed keys;
    /// The values of the object's own properties, in order.
    Object.values(object) = typed values;
    /// The object's own properties as tuples of name and value, in order.
    Object.entries(object) = typed entries;
    /// How many properties of its own does the object have?
    Object.size(object) = typed size;
    /// Has the object a property of this name, of its own or by its prototypes?
    Object.has(object, name) = typed has;
    /// Has the object a property of its own of this name?
    Object.hasOwn(object, name) = typed has_own;
    /// Is it an object whose property of this name may not be read from outside?
    Object.isProtected(value, name) = typed is_protected;
    /// The value of a property, of the object's own or by its prototypes; Undefined, or `default`, if
    /// there is none.
    Object.get(object, name, default) = typed get, objects;
    /// Sets a property of the object, or adds it as a public one; gives the object.
    Object.set(object, name, value) = typed set, objects;
    /// Removes a property of its own from the object; false if there is none.
    Object.delete(object, name) = typed delete, objects;
    /// A new object with this prototype (Undefined: none), and with copies of the own properties of
    /// another.
    Object.create(prototype, properties) = typed create, objects;
    /// A new object from an array of tuples of name and value.
    Object.fromEntries(entries) = typed from_entries, objects;
    /// Sets the own properties of another object in the object; gives the object.
    Object.assign(object, other) = typed assign, objects;
    /// A new object with the same properties, levels of access and prototype. Values are shared.
    Object.copy(object) = typed copy, objects;
    /// The prototype; Undefined if there is none.
    Object.prototype(object) = typed prototype, objects;
    /// Sets the prototype; Undefined for none. Gives the object.
    Object.setPrototype(object, prototype) = typed set_prototype, objects;
    /// Makes all properties of the object readonly, and lets none be added or removed; gives the object.
    Object.freeze(object) = typed freeze, objects;
    /// Is the object frozen?
    Object.isFrozen(object) = typed is_frozen;
}

/// The name of a property.
struct Key(Cow<'static, str>, Option<Atom>);

impl FromValue for Key {
    const KIND: &'static str = "Atom or String";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        match value.as_atom() {
            Some(atom) => Some(Key("".into(), Some(atom))),
            None => string::text(value).map(|text| {
                // Looking for a property makes no new atom.
                let known = cx.system.atoms.find(&text);
                Key(text, known)
            }),
        }
    }
}

impl Key {
    fn intern(&self, cx: &NativeCx<'_>) -> Result<Atom> {
        self.1.map_or_else(|| cx.atom(&self.0), Ok)
    }
}

fn refused(cx: &NativeCx<'_>, why: Refused, what: &str) -> NativeError {
    let text = match why {
        Refused::OutOfMemory => return cx.out_of_memory(),
        Refused::NoObject => format!("{what}: not an Object"),
        Refused::NotWritable => format!("{what}: the property is not writable from outside"),
        Refused::Frozen => format!("{what}: the object is frozen"),
        Refused::PrototypeCycle => format!("{what}: the prototype chain would contain itself"),
    };
    NativeError::Runtime(text)
}

fn own(cx: &mut NativeCx<'_>, object: Object) -> Vec<(Property, Value)> {
    let own = edit::properties(&cx.system.shapes, object.0).unwrap_or_default();
    cx.charge_items(own.len().saturating_mul(2));
    own
}

fn keys(cx: &mut NativeCx<'_>, object: Object) -> Vec<Value> {
    own(cx, object).iter().map(|(property, _)| Value::atom(property.key)).collect()
}

fn values(cx: &mut NativeCx<'_>, object: Object) -> Vec<Value> {
    own(cx, object).iter().map(|(_, value)| *value).collect()
}

fn entries(cx: &mut NativeCx<'_>, object: Object) -> Result<Vec<Value>> {
    let own = own(cx, object);
    own.iter().map(|(property, value)| cx.tuple(&[Value::atom(property.key), *value])).collect()
}

fn size(cx: &mut NativeCx<'_>, object: Object) -> f64 {
    own(cx, object).len() as f64
}

fn look(cx: &NativeCx<'_>, object: Object, key: &Key, inherited: bool) -> Option<(Value, Access)> {
    edit::find(&cx.system.shapes, object.0, key.1?, inherited)
}

fn has(cx: &mut NativeCx<'_>, object: Object, key: Key) -> bool {
    look(cx, object, &key, true).is_some()
}

fn has_own(cx: &mut NativeCx<'_>, object: Object, key: Key) -> bool {
    look(cx, object, &key, false).is_some()
}

fn is_protected(cx: &mut NativeCx<'_>, value: Value, key: Key) -> bool {
    let found = key.1.and_then(|key| edit::find(&cx.system.shapes, value, key, true));
    found.is_some_and(|(_, access)| matches!(access, Access::Protected | Access::ProtectedReadonly))
}

fn get(cx: &mut NativeCx<'_>, object: Object, key: Key, default: Option<Value>) -> Result {
    match look(cx, object, &key, true) {
        Some((_, Access::Protected | Access::ProtectedReadonly)) => {
            fail("Object.get: the property is protected")
        }
        Some((value, _)) => Ok(value),
        None => Ok(default.unwrap_or(Value::UNDEFINED)),
    }
}

fn set(cx: &mut NativeCx<'_>, object: Object, key: Key, value: Value) -> Result<Object> {
    let (key, shapes) = (key.intern(cx)?, &cx.system.shapes);
    let done = cx.heap.set_property(shapes, object.0, key, value);
    done.map_err(|why| refused(cx, why, "Object.set"))?;
    Ok(object)
}

fn delete(cx: &mut NativeCx<'_>, object: Object, key: Key) -> Result<bool> {
    own(cx, object);
    let Some(key) = key.1 else { return Ok(false) };
    let done = cx.heap.delete_property(&cx.system.shapes, object.0, key);
    done.map_err(|why| refused(cx, why, "Object.delete"))
}

fn create(
    cx: &mut NativeCx<'_>,
    proto: Option<Object>,
    properties: Option<Object>,
) -> Result<Object> {
    let properties = properties.map(|properties| own(cx, properties)).unwrap_or_default();
    let made = cx.heap.new_object_from(&cx.system.shapes, &properties);
    let made = made.map_err(|_| cx.out_of_memory())?;
    if let Some(proto) = proto {
        let done = edit::set_prototype(&cx.system.shapes, made, proto.0);
        done.map_err(|why| refused(cx, why, "Object.create"))?;
    }
    Ok(Object(made))
}

fn from_entries(cx: &mut NativeCx<'_>, entries: Array) -> Result<Object> {
    cx.charge_items(entries.elements().len().saturating_mul(4));
    let pair = |entry: &Value| {
        let pair = container::tuple(*entry).or_else(|| container::array(*entry))?;
        let [key, value] = pair else { return None };
        Some(Key::from_value(cx, *key)?.intern(cx).map(|key| (key, *value)))
    };
    let pairs: Option<Result<Vec<_>>> = entries.elements().iter().map(pair).collect();
    match pairs.transpose()? {
        Some(pairs) => cx.object(&pairs).map(Object),
        None => fail("Object.fromEntries: not all elements are pairs of name and value"),
    }
}

fn assign(cx: &mut NativeCx<'_>, object: Object, other: Object) -> Result<Object> {
    for (property, value) in own(cx, other) {
        let done = cx.heap.set_property(&cx.system.shapes, object.0, property.key, value);
        done.map_err(|why| refused(cx, why, "Object.assign"))?;
    }
    Ok(object)
}

fn copy(cx: &mut NativeCx<'_>, object: Object) -> Result<Object> {
    own(cx, object);
    let copy = cx.heap.copy_object(&cx.system.shapes, object.0);
    copy.map(Object).map_err(|why| refused(cx, why, "Object.copy"))
}

fn prototype(object: Object) -> Option<Object> {
    edit::prototype(object.0).filter(|proto| *proto != Value::UNDEFINED).map(Object)
}

fn set_prototype(cx: &mut NativeCx<'_>, object: Object, proto: Option<Object>) -> Result<Object> {
    let proto = proto.map_or(Value::UNDEFINED, |proto| proto.0);
    let done = edit::set_prototype(&cx.system.shapes, object.0, proto);
    done.map_err(|why| refused(cx, why, "Object.setPrototype"))?;
    Ok(object)
}

fn freeze(cx: &mut NativeCx<'_>, object: Object) -> Result<Object> {
    own(cx, object);
    let done = cx.heap.freeze(&cx.system.shapes, object.0);
    done.map_err(|why| refused(cx, why, "Object.freeze"))?;
    Ok(object)
}

fn is_frozen(cx: &mut NativeCx<'_>, object: Object) -> bool {
    edit::is_frozen(&cx.system.shapes, object.0)
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::check;

    #[test]
    fn looking() {
        check("Object.keys", "{ a: 1, protected b: 2 }", "Array: [a, b]");
        check("Object.values", "{ a: 1, b: 2 }", "Array: [1, 2]");
        check("Object.entries", "{ a: 1 }", "Array: [(a, 1)]");
        check("Object.size", "{ a: 1, b: 2 }", "Number: 2");
        check("Object.has", "{ a: 1 }, \"a\"", "Boolean: true");
        check("Object.has", "{ a: 1 }, \"never written anywhere else\"", "Boolean: false");
        check("Object.get", "{ a: 1 }, 'a'", "Number: 1");
        check("Object.get", "{ a: 1 }, 'b', 7", "Number: 7");
        check(
            "Object.get",
            "{ protected a: 1 }, 'a'",
            "error:FFI call error: Runtime error: Object.get: the property is protected",
        );
    }

    #[test]
    fn changing() {
        check("Object.set", "{ a: 1 }, \"b\", 2", "Object: {a: 1, b: 2}");
        check(
            "Object.set",
            "{ readonly a: 1 }, 'a', 2",
            "error:FFI call error: Runtime error: Object.set: the property is not writable from outside",
        );
        check("Object.delete", "{ a: 1 }, 'a'", "Boolean: true");
        check("Object.delete", "{ a: 1 }, 'b'", "Boolean: false");
        check("Object.assign", "{ a: 1, b: 2 }, { b: 3, c: 4 }", "Object: {a: 1, b: 3, c: 4}");
        check("Object.create", "undefined, { a: 1 }", "Object: {a: 1}");
        check("Object.fromEntries", "[('a', 1), [\"b\", 2]]", "Object: {a: 1, b: 2}");
        check(
            "Object.fromEntries",
            "[1]",
            "error:FFI call error: Runtime error: Object.fromEntries: not all elements are pairs of name and value",
        );
        check("Object.freeze", "{ a: 1 }", "Object: {a: 1}");
        check("Object.isFrozen", "{ a: 1 }", "Boolean: false");
    }
}
