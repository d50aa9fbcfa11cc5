//! Values of Python to values of the machine, and back.
//!
//! | Python | machine |
//! |---|---|
//! | `None` | Undefined |
//! | `bool`, `int`, `float` | Boolean, Number |
//! | `complex` | Complex |
//! | `str` | String |
//! | `ionvm.Atom` | Atom |
//! | `bytes` | Array of Numbers |
//! | `list`, `tuple` | Array, Tuple |
//! | `dict`, dataclass instances | Object |
//! | `ionvm.Pid` | Process |
//! | `ionvm.UNIT` | Unit |
//!
//! Numbers that are whole come back as `int`, others as `float`.

use crate::vm::Pid;
use ion_ffi::term::MAX_DEPTH;
use ion_ffi::{Term, WeakVm};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType,
};
use std::cell::RefCell;

/// An atom: a name. Equal to another of the same text, and to nothing else.
#[pyclass(frozen, eq, hash, module = "ionvm", from_py_object)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Atom {
    /// The text.
    #[pyo3(get)]
    text: String,
}

#[pymethods]
impl Atom {
    #[new]
    fn new(text: String) -> Atom {
        Atom { text }
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("Atom({:?})", self.text)
    }
}

/// The value Unit; there is one: `ionvm.UNIT`.
#[pyclass(frozen, module = "ionvm", name = "UnitType")]
pub(crate) struct Unit;

#[pymethods]
impl Unit {
    fn __repr__(&self) -> &'static str {
        "ionvm.UNIT"
    }

    fn __bool__(&self) -> bool {
        false
    }
}

/// A function of a program, by its name: `CLASS:NAME`.
#[pyclass(frozen, eq, hash, module = "ionvm", from_py_object)]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FunctionRef {
    /// The name.
    #[pyo3(get)]
    name: String,
}

#[pymethods]
impl FunctionRef {
    #[new]
    fn new(name: String) -> FunctionRef {
        FunctionRef { name }
    }

    fn __repr__(&self) -> String {
        format!("FunctionRef({:?})", self.name)
    }
}

static UNIT: PyOnceLock<Py<Unit>> = PyOnceLock::new();

/// The one Unit.
pub(crate) fn unit(py: Python<'_>) -> PyResult<Py<Unit>> {
    UNIT.get_or_try_init(py, || Py::new(py, Unit)).map(|unit| unit.clone_ref(py))
}

/// A value for the machine.
pub(crate) fn to_term(value: &Bound<'_, PyAny>) -> PyResult<Term> {
    term(value, 0)
}

fn term(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Term> {
    if depth > MAX_DEPTH {
        return Err(PyValueError::new_err(format!(
            "the value is nested deeper than {MAX_DEPTH} levels, or contains itself"
        )));
    }
    if value.is_none() {
        return Ok(Term::Undefined);
    }
    if let Ok(boolean) = value.cast::<PyBool>() {
        return Ok(Term::Boolean(boolean.is_true()));
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(Term::Number(number.value()));
    }
    if let Ok(number) = value.cast::<PyInt>() {
        return number.extract().map(Term::Number).map_err(|_| {
            PyOverflowError::new_err("the integer is too large for a Number of the machine")
        });
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Term::String(text.extract()?));
    }
    if let Ok(items) = value.cast::<PyTuple>() {
        return list(items.iter(), items.len(), depth).map(Term::Tuple);
    }
    if let Ok(items) = value.cast::<PyList>() {
        return list(items.iter(), items.len(), depth).map(Term::Array);
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        return object(dict, depth);
    }
    if let Ok(atom) = value.cast::<Atom>() {
        return Ok(Term::Atom(atom.get().text.clone()));
    }
    if let Ok(pid) = value.cast::<Pid>() {
        return Ok(Term::Process(pid.get().pid));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        let number = |byte: &u8| Term::Number(f64::from(*byte));
        return Ok(Term::Array(bytes.as_bytes().iter().map(number).collect()));
    }
    if let Ok(complex) = value.cast::<PyComplex>() {
        let part = |name| complex.getattr(name)?.extract::<f64>();
        return Ok(Term::Complex(part("real")?, part("imag")?));
    }
    if let Ok(function) = value.cast::<FunctionRef>() {
        return Ok(Term::Function(function.get().name.clone()));
    }
    if value.cast::<Unit>().is_ok() {
        return Ok(Term::Unit);
    }
    // An instance of a dataclass, not the class itself.
    if value.cast::<PyType>().is_err()
        && let Ok(fields) = value.getattr("__dataclass_fields__")
        && let Ok(fields) = fields.cast::<PyDict>()
    {
        let mut properties = Vec::with_capacity(fields.len());
        for name in fields.keys() {
            let name: String = name.extract()?;
            let field = value.getattr(name.as_str())?;
            properties.push((name, term(&field, depth + 1)?));
        }
        return Ok(Term::Object(properties));
    }
    let kind = value.get_type().qualname()?;
    Err(PyTypeError::new_err(format!("a value of the type '{kind}' cannot go to the machine")))
}

fn list<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    len: usize,
    depth: usize,
) -> PyResult<Vec<Term>> {
    let mut terms = Vec::with_capacity(len);
    for item in items {
        terms.push(term(&item, depth + 1)?);
    }
    Ok(terms)
}

fn object(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Term> {
    let mut properties = Vec::with_capacity(dict.len());
    for (key, value) in dict {
        let key = match key.cast::<Atom>() {
            Ok(atom) => atom.get().text.clone(),
            Err(_) => key.extract::<String>().map_err(|_| {
                PyTypeError::new_err("the keys of a dict that goes to the machine are str")
            })?,
        };
        properties.push((key, term(&value, depth + 1)?));
    }
    Ok(Term::Object(properties))
}

thread_local! {
    /// The machine that processes in converted values belong to.
    static CURRENT: RefCell<WeakVm> = RefCell::default();
}

/// Converts values of a machine.
pub(crate) fn with_vm<T>(vm: &WeakVm, convert: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(vm.clone());
    let converted = convert();
    CURRENT.set(before);
    converted
}

/// Beyond these, not all whole numbers are Numbers.
const MAX_INT: f64 = 9_007_199_254_740_992.0;

/// A value from the machine.
pub(crate) fn from_term<'py>(py: Python<'py>, term: &Term) -> PyResult<Bound<'py, PyAny>> {
    let all = |terms: &[Term]| -> PyResult<Vec<Bound<'py, PyAny>>> {
        terms.iter().map(|term| from_term(py, term)).collect()
    };
    Ok(match term {
        Term::Undefined => py.None().into_bound(py),
        Term::Unit => unit(py)?.into_bound(py).into_any(),
        Term::Boolean(boolean) => PyBool::new(py, *boolean).to_owned().into_any(),
        Term::Number(number)
            if number.fract() == 0.0
                && number.abs() <= MAX_INT
                && !(*number == 0.0 && number.is_sign_negative()) =>
        {
            (*number as i64).into_pyobject(py)?.into_any()
        }
        Term::Number(number) => PyFloat::new(py, *number).into_any(),
        Term::Complex(re, im) => PyComplex::from_doubles(py, *re, *im).into_any(),
        Term::Atom(text) => Bound::new(py, Atom { text: text.clone() })?.into_any(),
        Term::String(text) => PyString::new(py, text).into_any(),
        Term::Tuple(parts) => PyTuple::new(py, all(parts)?)?.into_any(),
        Term::Array(parts) => PyList::new(py, all(parts)?)?.into_any(),
        Term::Object(properties) => {
            let dict = PyDict::new(py);
            for (key, value) in properties {
                dict.set_item(key, from_term(py, value)?)?;
            }
            dict.into_any()
        }
        Term::Process(pid) => {
            let pid = CURRENT.with_borrow(|vm| Pid::new(*pid, vm));
            Bound::new(py, pid)?.into_any()
        }
        Term::Function(name) => Bound::new(py, FunctionRef { name: name.clone() })?.into_any(),
    })
}
