//! Constants and patterns of packages.

use ion_runtime::bytecode::{self, Access, ConstValue, MAX_DEPTH};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

/// A constant for a package. Made with the static methods.
#[pyclass(frozen, module = "ionvm", from_py_object)]
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) constant: ConstValue,
    /// Levels of containers, so that no constant is nested too deeply to be dropped.
    depth: usize,
}

impl Value {
    fn flat(constant: ConstValue) -> Value {
        Value { constant, depth: 0 }
    }

    fn container(constant: ConstValue, inside: impl Iterator<Item = usize>) -> PyResult<Value> {
        Ok(Value { constant, depth: deeper(inside)? })
    }
}

/// The levels of a container around things of these levels.
fn deeper(inside: impl Iterator<Item = usize>) -> PyResult<usize> {
    let depth = inside.max().unwrap_or(0) + 1;
    if depth > MAX_DEPTH {
        return Err(PyValueError::new_err(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(depth)
}

/// Constants and the levels of each.
fn parts(items: Vec<Value>) -> (Vec<ConstValue>, Vec<usize>) {
    items.into_iter().map(|item| (item.constant, item.depth)).unzip()
}

#[pymethods]
impl Value {
    /// A Number.
    #[staticmethod]
    fn number(n: f64) -> Value {
        Value::flat(ConstValue::Number(n))
    }

    /// A Boolean.
    #[staticmethod]
    fn boolean(b: Bound<'_, PyBool>) -> Value {
        Value::flat(ConstValue::Boolean(b.is_true()))
    }

    /// An Atom. Special ones, such as `__vm:self` and `__stdlib:PrintLn`, mean something as the constant
    /// of `Instruction.load_const`.
    #[staticmethod]
    fn atom(s: String) -> Value {
        Value::flat(ConstValue::Atom(s))
    }

    /// A String.
    #[staticmethod]
    fn string(s: String) -> Value {
        Value::flat(ConstValue::String(s))
    }

    /// A Complex number: from a Python complex number, or from two parts.
    #[staticmethod]
    #[pyo3(signature = (re, im=None))]
    fn complex(re: &Bound<'_, PyAny>, im: Option<f64>) -> PyResult<Value> {
        if re.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err(
                "a complex number or two numbers are needed, not a str",
            ));
        }
        let (re, im) = match im {
            Some(im) => (re.extract::<f64>()?, im),
            None => {
                let whole = re
                    .call_method0("__complex__")
                    .or_else(|_| re.py().import("builtins")?.getattr("complex")?.call1((re,)))?;
                (whole.getattr("real")?.extract()?, whole.getattr("imag")?.extract()?)
            }
        };
        Ok(Value::flat(ConstValue::Complex(re, im)))
    }

    /// Unit.
    #[staticmethod]
    fn unit() -> Value {
        Value::flat(ConstValue::Unit)
    }

    /// Undefined.
    #[staticmethod]
    fn undefined() -> Value {
        Value::flat(ConstValue::Undefined)
    }

    /// An Array; each load makes a new one.
    #[staticmethod]
    fn array(items: Vec<Value>) -> PyResult<Value> {
        let (items, depths) = parts(items);
        Value::container(ConstValue::Array(items), depths.into_iter())
    }

    /// A Tuple.
    #[staticmethod]
    fn tuple(items: Vec<Value>) -> PyResult<Value> {
        let (items, depths) = parts(items);
        Value::container(ConstValue::Tuple(items), depths.into_iter())
    }

    /// An Object with public properties, in the order of the dict.
    #[staticmethod]
    fn object(dict: &Bound<'_, PyDict>) -> PyResult<Value> {
        let mut properties = Vec::with_capacity(dict.len());
        let mut depths = Vec::with_capacity(dict.len());
        for (key, value) in dict {
            let value: Value = value.extract()?;
            properties.push((key.extract::<String>()?, value.constant, Access::Public));
            depths.push(value.depth);
        }
        Value::container(ConstValue::Object(properties), depths.into_iter())
    }

    /// A reference to a function of the package: `NAME`, `CLASS:NAME` or `CLASS`.
    #[staticmethod]
    fn function_ref(name: &str) -> Value {
        Value::flat(ConstValue::Atom(format!("__function_ref:{name}")))
    }

    fn __repr__(&self) -> String {
        let mut text = String::new();
        show(&self.constant, &mut text);
        text
    }
}

/// The notation that earlier versions of the module used.
fn show(constant: &ConstValue, out: &mut String) {
    let list = |items: &[ConstValue], out: &mut String| {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            show(item, out);
        }
    };
    match constant {
        ConstValue::Array(items) => {
            out.push_str("Array(RefCell { value: [");
            list(items, out);
            out.push_str("] })");
        }
        ConstValue::Tuple(items) => {
            out.push_str("Tuple([");
            list(items, out);
            out.push_str("])");
        }
        ConstValue::Object(properties) => {
            out.push_str("Object({");
            for (at, (key, value, _)) in properties.iter().enumerate() {
                let comma = if at > 0 { ", " } else { "" };
                out.push_str(&format!("{comma}{key:?}: "));
                show(value, out);
            }
            out.push_str("})");
        }
        ConstValue::LegacyFunction(name) => out.push_str(&format!("Function({name:?})")),
        flat => out.push_str(&format!("Primitive({flat:?})")),
    }
}

/// A pattern of `Instruction.match`. Made with the static methods.
#[pyclass(frozen, module = "ionvm", from_py_object)]
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) pattern: bytecode::Pattern,
    depth: usize,
}

fn patterns(items: Vec<Pattern>) -> PyResult<(Vec<bytecode::Pattern>, usize)> {
    let (items, depths): (Vec<_>, Vec<_>) =
        items.into_iter().map(|item| (item.pattern, item.depth)).unzip();
    let depth = deeper(depths.into_iter())?;
    Ok((items, depth))
}

#[pymethods]
impl Pattern {
    /// Matches a value of the same kind and content.
    #[staticmethod]
    fn value(val: Value) -> Pattern {
        Pattern { pattern: bytecode::Pattern::Value(val.constant), depth: val.depth }
    }

    /// Matches everything.
    #[staticmethod]
    fn wildcard() -> Pattern {
        Pattern { pattern: bytecode::Pattern::Wildcard, depth: 0 }
    }

    /// Matches a Tuple, an Array, or an Object with properties `0`, `1`, ….
    #[staticmethod]
    #[pyo3(signature = (patterns))]
    fn tuple(patterns: Vec<Pattern>) -> PyResult<Pattern> {
        let (items, depth) = self::patterns(patterns)?;
        Ok(Pattern { pattern: bytecode::Pattern::Tuple(items), depth })
    }

    /// Matches an Array.
    #[staticmethod]
    #[pyo3(signature = (patterns))]
    fn array(patterns: Vec<Pattern>) -> PyResult<Pattern> {
        let (items, depth) = self::patterns(patterns)?;
        Ok(Pattern { pattern: bytecode::Pattern::Array(items), depth })
    }

    /// Matches an Object whose `__tag` is this and whose `__slots` match the pattern.
    #[staticmethod]
    fn tagged_enum(tag: String, pattern: Pattern) -> PyResult<Pattern> {
        let depth = deeper(std::iter::once(pattern.depth))?;
        let pattern = bytecode::Pattern::Tagged(tag, Box::new(pattern.pattern));
        Ok(Pattern { pattern, depth })
    }

    /// Does it match everything?
    #[getter]
    fn is_wildcard(&self) -> bool {
        matches!(self.pattern, bytecode::Pattern::Wildcard)
    }
}
