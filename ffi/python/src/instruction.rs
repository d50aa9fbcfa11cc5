//! Instructions, and the placeholders that control flow builders replace.

use crate::value::{Pattern, Value};
use ion_runtime::bytecode::ops::{
    Arms, Captures, ConstOperand, Dst, Offset, ProcessNumber, PropInit, PropValue, Props, RegList,
    Scope, Src,
};
use ion_runtime::bytecode::{Access, Instr};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// One instruction. Made with the static methods; jump offsets count instructions from the jumping
/// instruction itself, so 1 is the next one.
#[pyclass(frozen, module = "ionvm")]
pub(crate) struct Instruction {
    opcode: &'static str,
    args: Py<PyTuple>,
    /// Nothing: a placeholder.
    pub(crate) instr: Option<Instr>,
}

/// The arguments as Python sees them, and the instruction.
fn make<'py, A>(
    py: Python<'py>,
    opcode: &'static str,
    args: A,
    instr: Instr,
) -> PyResult<Instruction>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    let args = args.into_pyobject(py)?.unbind();
    Ok(Instruction { opcode, args, instr: Some(instr) })
}

type Made = PyResult<Instruction>;

macro_rules! three_registers {
    ($($(#[doc = $doc:literal])* $name:ident $python:literal $variant:ident;)*) => {
        #[pymethods]
        impl Instruction {
            $($(#[doc = $doc])*
            #[staticmethod]
            #[pyo3(name = $python)]
            fn $name(py: Python<'_>, dst: u32, a: u32, b: u32) -> Made {
                let opcode = $python.trim_end_matches('_').trim_end_matches("_instr");
                let instr = Instr::$variant { dst: Dst(dst), a: Src(a), b: Src(b) };
                make(py, opcode, (dst, a, b), instr)
            })*
        }
    };
}

three_registers! {
    /// `dst := a + b`.
    add "add" Add;
    /// `dst := a - b`.
    sub "sub" Sub;
    /// `dst := a * b`.
    mul "mul" Mul;
    /// `dst := a / b`.
    div "div" Div;
    /// `dst := a == b`.
    equal "equal" Equal;
    /// `dst := a != b`.
    not_equal "not_equal" NotEqual;
    /// `dst := a < b`.
    less_than "less_than" LessThan;
    /// `dst := a <= b`.
    less_equal "less_equal" LessEqual;
    /// `dst := a > b`.
    greater_than "greater_than" GreaterThan;
    /// `dst := a >= b`.
    greater_equal "greater_equal" GreaterEqual;
    /// `dst := a and b`, a Boolean.
    and_ "and_" And;
    /// Another name of `and_`.
    and_instr "and_instr" And;
    /// `dst := a or b`, a Boolean.
    or_ "or_" Or;
    /// Another name of `or_`.
    or_instr "or_instr" Or;
}

/// One property of `object_init`.
fn property(entry: &Bound<'_, PyAny>) -> PyResult<PropInit> {
    let (key, arg): (String, Bound<'_, PyAny>) = entry.extract()?;
    let arg = arg.cast::<PyTuple>().map_err(|_| {
        PyTypeError::new_err(format!(
            "property '{key}' must be a tuple (\"reg\", register) or (\"val\", Value)"
        ))
    })?;
    if arg.len() < 2 {
        return Err(PyValueError::new_err(format!("property '{key}' needs a kind and a value")));
    }
    let kind: String = arg.get_item(0)?.extract()?;
    let value = match kind.as_str() {
        "reg" => PropValue::Reg(arg.get_item(1)?.extract()?),
        "val" => PropValue::Const(arg.get_item(1)?.extract::<Value>()?.constant),
        _ => return Err(PyValueError::new_err(format!("Invalid object_init arg kind: {kind}"))),
    };
    let access = match arg.get_item(2) {
        Ok(flags) if flags.is_instance_of::<PyString>() => access(&flags.extract::<String>()?)?,
        Ok(flags) if flags.is_instance_of::<PyDict>() || flags.is_none() => Access::Public,
        Ok(_) => return Err(PyTypeError::new_err("an access level is a str")),
        Err(_) => Access::Public,
    };
    Ok(PropInit { key, value, access: Some(access) })
}

fn access(name: &str) -> PyResult<Access> {
    Ok(match name {
        "public" => Access::Public,
        "readonly" => Access::Readonly,
        "protected" => Access::Protected,
        "protected_readonly" => Access::ProtectedReadonly,
        _ => {
            return Err(PyValueError::new_err(format!(
                "unknown access level '{name}'; there are public, readonly, protected and protected_readonly"
            )));
        }
    })
}

impl Instruction {
    fn negate(py: Python<'_>, dst: u32, a: u32) -> Made {
        make(py, "not", (dst, a), Instr::Not { dst: Dst(dst), src: Src(a) })
    }

    fn moved(py: Python<'_>, dst: u32, src: u32) -> Made {
        make(py, "move", (dst, src), Instr::Move { dst: Dst(dst), src: Src(src) })
    }

    fn matching(
        py: Python<'_>,
        src: u32,
        patterns: Vec<Bound<'_, Pattern>>,
        jumps: Vec<i32>,
    ) -> Made {
        if patterns.len() != jumps.len() {
            return Err(PyValueError::new_err("patterns and jumps must have same length"));
        }
        let arms = patterns.iter().zip(&jumps);
        let arms = arms.map(|(pattern, jump)| (pattern.get().pattern.clone(), Offset(*jump)));
        let instr = Instr::Match { value: Src(src), arms: Arms(arms.collect()) };
        make(py, "match", (src, patterns.clone(), jumps), instr)
    }

    fn placeholder(py: Python<'_>, opcode: &'static str) -> Instruction {
        Instruction { opcode, args: PyTuple::empty(py).unbind(), instr: None }
    }
}

#[pymethods]
impl Instruction {
    /// `reg := val`.
    #[staticmethod]
    fn load_const(py: Python<'_>, reg: u32, val: Bound<'_, Value>) -> Made {
        let value = ConstOperand(val.get().constant.clone());
        make(py, "load_const", (reg, val), Instr::LoadConst { dst: Dst(reg), value })
    }

    /// `dst := src`.
    #[staticmethod]
    #[pyo3(name = "move")]
    fn move_(py: Python<'_>, dst: u32, src: u32) -> Made {
        Self::moved(py, dst, src)
    }

    /// Another name of `move`.
    #[staticmethod]
    fn move_reg(py: Python<'_>, dst: u32, src: u32) -> Made {
        Self::moved(py, dst, src)
    }

    /// `dst := not a`, a Boolean.
    #[staticmethod]
    fn not_(py: Python<'_>, dst: u32, a: u32) -> Made {
        Self::negate(py, dst, a)
    }

    /// Another name of `not_`.
    #[staticmethod]
    fn not_instr(py: Python<'_>, dst: u32, a: u32) -> Made {
        Self::negate(py, dst, a)
    }

    /// `dst := obj[prop]`.
    #[staticmethod]
    fn get_prop(py: Python<'_>, dst: u32, obj: u32, prop: u32) -> Made {
        let instr = Instr::GetProp { dst: Dst(dst), object: Src(obj), key: Src(prop) };
        make(py, "get_prop", (dst, obj, prop), instr)
    }

    /// `obj[prop] := val`.
    #[staticmethod]
    fn set_prop(py: Python<'_>, obj: u32, prop: u32, val: u32) -> Made {
        let instr = Instr::SetProp { object: Src(obj), key: Src(prop), value: Src(val) };
        make(py, "set_prop", (obj, prop, val), instr)
    }

    /// `dst := func(args…)`.
    #[staticmethod]
    fn call(py: Python<'_>, dst: u32, func: u32, args: Vec<u32>) -> Made {
        let list = RegList(args.clone());
        let instr = Instr::Call { dst: Dst(dst), function: Src(func), args: list };
        make(py, "call", (dst, func, args), instr)
    }

    /// `dst :=` handle of a new process that runs `func(args…)`.
    #[staticmethod]
    fn spawn(py: Python<'_>, dst: u32, func: u32, args: Vec<u32>) -> Made {
        let list = RegList(args.clone());
        let instr = Instr::Spawn { dst: Dst(dst), function: Src(func), args: list };
        make(py, "spawn", (dst, func, args), instr)
    }

    /// `dst := func` with the values of registers, by name, before its arguments.
    #[staticmethod]
    fn make_closure(
        py: Python<'_>,
        dst: u32,
        func: u32,
        scope_id: String,
        captures: Vec<(String, u32)>,
    ) -> Made {
        let instr = Instr::MakeClosure {
            dst: Dst(dst),
            function: Src(func),
            scope: Scope(scope_id.clone()),
            captures: Captures(captures.clone()),
        };
        make(py, "make_closure", (dst, func, scope_id, captures), instr)
    }

    /// Ends the function with the value of `reg`.
    #[staticmethod]
    fn return_reg(py: Python<'_>, reg: u32) -> Made {
        make(py, "return", (reg,), Instr::Return { value: Src(reg) })
    }

    /// Jumps.
    #[staticmethod]
    fn jump(py: Python<'_>, offset: i32) -> Made {
        make(py, "jump", (offset,), Instr::Jump { offset: Offset(offset) })
    }

    /// Jumps if `reg` is true.
    #[staticmethod]
    fn jump_if_true(py: Python<'_>, reg: u32, offset: i32) -> Made {
        let instr = Instr::JumpIfTrue { condition: Src(reg), offset: Offset(offset) };
        make(py, "jump_if_true", (reg, offset), instr)
    }

    /// Jumps if `reg` is false.
    #[staticmethod]
    fn jump_if_false(py: Python<'_>, reg: u32, offset: i32) -> Made {
        let instr = Instr::JumpIfFalse { condition: Src(reg), offset: Offset(offset) };
        make(py, "jump_if_false", (reg, offset), instr)
    }

    /// Sends the value of `msg` to the process in `dst`.
    #[staticmethod]
    fn send(py: Python<'_>, dst: u32, msg: u32) -> Made {
        make(py, "send", (dst, msg), Instr::Send { process: Src(dst), message: Src(msg) })
    }

    /// `dst :=` the next message; waits for it.
    #[staticmethod]
    fn receive(py: Python<'_>, dst: u32) -> Made {
        make(py, "receive", (dst,), Instr::Receive { dst: Dst(dst) })
    }

    /// `dst :=` the next message and `result := true`; `result := false` once the milliseconds in
    /// `timeout` are over.
    #[staticmethod]
    fn receive_with_timeout(py: Python<'_>, dst: u32, timeout: u32, result: u32) -> Made {
        let instr =
            Instr::ReceiveWithTimeout { dst: Dst(dst), timeout: Src(timeout), result: Dst(result) };
        make(py, "receive_with_timeout", (dst, timeout, result), instr)
    }

    /// Waits for the end of process number `pid`; `dst :=` its result.
    #[staticmethod]
    fn link(py: Python<'_>, pid: u32, dst: u32) -> Made {
        let instr = Instr::Link { process: ProcessNumber(pid), dst: Dst(dst) };
        make(py, "link", (pid, dst), instr)
    }

    /// Waits for the first end among the processes in `procs`; `dst :=` its result.
    #[staticmethod]
    fn select(py: Python<'_>, dst: u32, procs: Vec<u32>) -> Made {
        let processes = RegList(procs.clone());
        make(py, "select", (dst, procs), Instr::Select { dst: Dst(dst), processes })
    }

    /// As `select`; then ends the others.
    #[staticmethod]
    fn select_with_kill(py: Python<'_>, dst: u32, procs: Vec<u32>) -> Made {
        let processes = RegList(procs.clone());
        let instr = Instr::SelectWithKill { dst: Dst(dst), processes };
        make(py, "select_with_kill", (dst, procs), instr)
    }

    /// Gives up the rest of the time slice.
    #[staticmethod]
    fn yield_(py: Python<'_>) -> Made {
        make(py, "yield", (), Instr::Yield {})
    }

    /// Jumps by the first pattern that matches `src`; goes on behind if none does.
    #[staticmethod]
    #[pyo3(name = "match")]
    fn match_(
        py: Python<'_>,
        src: u32,
        patterns: Vec<Bound<'_, Pattern>>,
        jumps: Vec<i32>,
    ) -> Made {
        Self::matching(py, src, patterns, jumps)
    }

    /// Another name of `match`.
    #[staticmethod]
    fn match_instr(
        py: Python<'_>,
        src: u32,
        patterns: Vec<Bound<'_, Pattern>>,
        jumps: Vec<i32>,
    ) -> Made {
        Self::matching(py, src, patterns, jumps)
    }

    /// `dst :=` a new array of the registers' values.
    #[staticmethod]
    fn array_init(py: Python<'_>, dst: u32, srcs: Vec<u32>) -> Made {
        let elements = RegList(srcs.clone());
        make(py, "array_init", (dst, srcs), Instr::ArrayInit { dst: Dst(dst), elements })
    }

    /// `dst :=` a new object. Each property is `(name, ("reg", register))` or `(name, ("val", Value))`;
    /// a third element of the inner tuple is an access level: `"public"`, `"readonly"`, `"protected"`
    /// or `"protected_readonly"`.
    #[staticmethod]
    fn object_init(py: Python<'_>, dst: u32, props: Vec<Bound<'_, PyAny>>) -> Made {
        let list: PyResult<Vec<PropInit>> = props.iter().map(property).collect();
        let instr = Instr::ObjectInit { dst: Dst(dst), props: Props(list?) };
        make(py, "object_init", (dst, props), instr)
    }

    /// Does nothing.
    #[staticmethod]
    fn nop(py: Python<'_>) -> Made {
        make(py, "nop", (), Instr::Nop {})
    }

    /// A placeholder that a loop's builder replaces: leaves the loop.
    #[staticmethod]
    fn break_instr(py: Python<'_>) -> Instruction {
        Self::placeholder(py, "break")
    }

    /// A placeholder that a loop's builder replaces: begins the next turn.
    #[staticmethod]
    fn continue_instr(py: Python<'_>) -> Instruction {
        Self::placeholder(py, "continue")
    }

    /// The name of the method that makes such an instruction.
    #[getter]
    pub(crate) fn opcode(&self) -> &'static str {
        self.opcode
    }

    /// The arguments of that method.
    #[getter]
    fn args(&self, py: Python<'_>) -> Py<PyTuple> {
        self.args.clone_ref(py)
    }

    /// Does nothing; for compatibility.
    fn serialize(&self, _writer: &Bound<'_, PyAny>) {}

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        if self.instr.is_none() {
            return Ok(format!("Placeholder({})", self.opcode));
        }
        let words = self.opcode.split('_').map(|word| {
            let mut chars = word.chars();
            let first = chars.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(chars).collect::<String>()
        });
        let name: String = words.collect();
        let args: PyResult<Vec<String>> =
            self.args.bind(py).iter().map(|arg| Ok(arg.repr()?.to_string())).collect();
        let args = args?;
        Ok(if args.is_empty() { name } else { format!("{name}({})", args.join(", ")) })
    }
}
