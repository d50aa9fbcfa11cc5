//! `Json`: texts of other programs to values, and back.
//!
//! | JSON | value read | values written |
//! |---|---|---|
//! | `null` | Undefined | Undefined, Unit, NaN and infinite numbers |
//! | `true`, `false` | Boolean | Boolean |
//! | number | Number | Number |
//! | string | String | String, Atom |
//! | array | Array | Array, Tuple |
//! | object | Object | Object: the properties that can be read from outside |

use super::{Result, Str, fail};
use crate::registry::natives;
use ion_runtime::bytecode::Access;
use ion_runtime::bytecode::number::write_number;
use ion_runtime::natives::NativeCx;
use ion_runtime::object::{Kind, container, edit, string};
use ion_runtime::value::Value;
use serde_json::Value as Json;

natives! {
    /// JSON.
    fn module;

    /// The value that a JSON text stands for: `null` gives Undefined.
    Json.parse(text) = typed parse, objects;
    /// The JSON text of a value, on one line, or indented by so many blanks. Atoms are written as
    /// strings, tuples as arrays; functions, processes and complex numbers cannot be written.
    Json.stringify(value, indent) = typed stringify;
}

fn parse(cx: &mut NativeCx<'_>, text: Str) -> Result {
    cx.charge_bytes(text.len().saturating_mul(4));
    match serde_json::from_str(&text) {
        Ok(json) => build(cx, &json),
        Err(error) => fail(format!("Json.parse: {error}")),
    }
}

/// The parser bounds the depth.
fn build(cx: &mut NativeCx<'_>, json: &Json) -> Result {
    Ok(match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(boolean) => Value::boolean(*boolean),
        Json::Number(number) => Value::number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => cx.string(text)?,
        Json::Array(items) => {
            let items: Result<Vec<Value>> = items.iter().map(|item| build(cx, item)).collect();
            cx.array(&items?)?
        }
        Json::Object(members) => {
            let mut properties = Vec::with_capacity(members.len());
            for (key, value) in members {
                properties.push((cx.atom(key)?, build(cx, value)?));
            }
            cx.object(&properties)?
        }
    })
}

/// Values may not nest deeper: a cycle, most likely.
const MAX_DEPTH: usize = 128;

struct Writer<'c, 'a> {
    cx: &'c NativeCx<'a>,
    indent: usize,
    out: String,
}

fn stringify(cx: &mut NativeCx<'_>, value: Value, indent: Option<f64>) -> Result<String> {
    let indent = indent.map_or(0, |indent| indent.clamp(0.0, 16.0) as usize);
    let mut writer = Writer { cx, indent, out: String::new() };
    writer.value(value, 0)?;
    let out = writer.out;
    cx.charge_bytes(out.len().saturating_mul(2));
    Ok(out)
}

impl Writer<'_, '_> {
    fn value(&mut self, value: Value, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return fail("Json.stringify: the value is nested too deeply, or contains itself");
        }
        if self.out.len() > self.cx.heap.limit {
            return Err(self.cx.out_of_memory());
        }
        match value.kind() {
            Kind::Undefined | Kind::Unit => self.out.push_str("null"),
            Kind::Boolean => self.out.push_str(if value == Value::TRUE { "true" } else { "false" }),
            Kind::Number => match value.as_number().filter(|number| number.is_finite()) {
                Some(number) => {
                    write_number(&mut self.out, number).expect("a String takes everything");
                }
                None => self.out.push_str("null"),
            },
            Kind::Atom => {
                let text = value.as_atom().map_or("", |atom| self.cx.system.atoms.text(atom));
                self.text(text);
            }
            Kind::String => {
                let text = string::text(value).unwrap_or_default();
                self.text(&text);
            }
            Kind::Array | Kind::Tuple => {
                let items = container::array(value).or_else(|| container::tuple(value));
                self.list('[', ']', items.unwrap_or(&[]), depth, |this, item| {
                    this.value(*item, depth + 1)
                })?;
            }
            Kind::Object => {
                let mut own = edit::properties(&self.cx.system.shapes, value).unwrap_or_default();
                own.retain(|(property, _)| {
                    matches!(property.access, Access::Public | Access::Readonly)
                });
                self.list('{', '}', &own, depth, |this, (property, value)| {
                    let key = this.cx.system.atoms.text(property.key);
                    this.text(key);
                    this.out.push_str(if this.indent > 0 { ": " } else { ":" });
                    this.value(*value, depth + 1)
                })?;
            }
            kind @ (Kind::Function | Kind::Process | Kind::Complex) => {
                return fail(format!("Json.stringify: a {} has no JSON text", kind.name()));
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&Json::from(text).to_string());
    }

    fn list<T>(
        &mut self,
        open: char,
        close: char,
        items: &[T],
        depth: usize,
        mut write: impl FnMut(&mut Self, &T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(open);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if self.indent > 0 {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.indent * depth));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::check;

    #[test]
    fn reading() {
        check(
            "Json.parse",
            "\"{\\\"b\\\": [1, -2.5e3, null], \\\"a\\\": {\\\"x\\\": true}}\"",
            "Object: {b: [1, -2500, undefined], a: {x: true}}",
        );
        check("Json.parse", "\"\\\"\\\\u00e4\\\"\"", "String: \"ä\"");
        check(
            "Json.parse",
            "\"[1,\"",
            "error:FFI call error: Runtime error: Json.parse: EOF while parsing a value at line 1 column 3",
        );
    }

    #[test]
    fn writing() {
        check(
            "Json.stringify",
            "{ a: [1, \"x\\\"y\", 'z', ()], protected p: 1, readonly r: NaN }",
            "String: \"{\"a\":[1,\"x\\\"y\",\"z\",null],\"r\":null}\"",
        );
        check(
            "Json.stringify",
            "[1, { a: 2 }, []], 2",
            "String: \"[\n  1,\n  {\n    \"a\": 2\n  },\n  []\n]\"",
        );
        check(
            "Json.stringify",
            "process",
            "error:FFI call error: Runtime error: Json.stringify: a Process has no JSON text",
        );
    }
}
