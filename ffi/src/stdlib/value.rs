//! `Value` and `Atom`: what values are.

use super::{Result, Str, deep};
use crate::registry::natives;
use ion_runtime::natives::NativeCx;
use ion_runtime::object::closure;
use ion_runtime::value::{Atom, Value};

natives! {
    /// Values of any kind.
    fn module;

    /// The name of the value's kind, as an Atom: `:Number`, `:String`, `:Process`, ….
    Value.kind(value) = typed kind;
    /// Are these two the very same: for arrays, objects and other values with an inside, not just
    /// equal ones?
    Value.same(a, b) = typed same;
    /// Is the content of these two the same? Unlike `==`, this looks into arrays, tuples and objects.
    Value.equals(a, b) = typed deep::equals;
    /// The value as a program would write it: strings in quotes, atoms with a colon.
    Value.inspect(value) = typed deep::inspect;
    /// Is it the Atom by which a library function says that it failed?
    Value.isError(value) = typed is_error;
    /// The Atom of a text.
    Atom.from(text) = typed atom, objects;
}

fn kind(cx: &mut NativeCx<'_>, value: Value) -> Atom {
    cx.system.atoms.intern(value.kind().name())
}

/// Two functions without captures or bound object are the same if they are the same function.
fn same(a: Value, b: Value) -> bool {
    let plain = |value| {
        closure::callee(value)
            .filter(|callee| callee.captures.is_empty() && callee.this == Value::UNDEFINED)
            .map(|callee| callee.function)
    };
    a == b || plain(a).is_some() && plain(a) == plain(b)
}

fn is_error(cx: &mut NativeCx<'_>, value: Value) -> bool {
    value.as_atom().is_some_and(|atom| cx.system.atoms.text(atom).starts_with("error:"))
}

fn atom(cx: &mut NativeCx<'_>, text: Str) -> Result<Atom> {
    cx.charge_bytes(text.len());
    cx.atom(&text)
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::check;

    #[test]
    fn kinds_and_identity() {
        check("Value.kind", "1", "Number");
        check("Value.kind", "process", "Process");
        check("Value.same", "1, 1", "Boolean: true");
        check("Value.same", "[], []", "Boolean: false");
        check("Value.same", "function, function", "Boolean: true");
        check("Value.isError", "'error:x'", "Boolean: true");
        check("Value.isError", "\"error:x\"", "Boolean: false");
        check("Atom.from", "\"x y\"", "x y");
    }
}
