//! Calls: what a callee value means, library functions, and native calls that need Ion code.

use super::{CALL, Cont, find_magic};
use crate::atom::known;
use crate::error::Trap;
use crate::heap::OutOfMemory;
use crate::natives::{Answer, NativeBody, NativeCx, NativeDef, NativeError, NativeFn};
use crate::object::closure;
use crate::object::closure::Callee;
use crate::process::stack::FrameHeader;
use crate::process::stack::{HEADER_WORDS, NATIVE_FRAME, Stack};
use crate::process::{Process, fill_registers, memory};
use crate::program::{Code, FuncId, NativeId, Program};
use crate::value::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call of a function value comes to.
#[derive(Debug)]
pub enum Target<'a> {
    /// A bytecode function: the engine enters it.
    Bytecode(FuncId, Callee<'a>),
    /// A library function.
    Native(NativeId),
}

/// What a callee value means; `this` is the object of a magic call, or Undefined.
pub fn target<'a>(process: &Process, function: Value, this: Value) -> Result<Target<'a>, Trap> {
    let mut callee = match closure::callee(function) {
        Some(callee) => callee,
        None => match find_magic(process.system(), function, CALL) {
            Some(method) => {
                let mut callee =
                    closure::callee(method).ok_or_else(|| not_callable(process, function))?;
                if callee.this == Value::UNDEFINED {
                    callee.this = function;
                }
                callee
            }
            None => return Err(not_callable(process, function)),
        },
    };
    if callee.this == Value::UNDEFINED {
        callee.this = this;
    }
    if let Some(id) = callee.function.as_native() {
        return Ok(Target::Native(id));
    }
    let id = callee.function.as_function().ok_or_else(|| not_callable(process, function))?;
    Ok(match process.program().function(id).code {
        Code::Native(id) => Target::Native(id),
        Code::Bytecode(_) => Target::Bytecode(id, callee),
    })
}

#[cold]
fn not_callable(process: &Process, value: Value) -> Trap {
    let reference = value.as_atom().and_then(|atom| {
        let text = process.system().atoms.text(atom);
        text.strip_prefix("__function_ref:").map(str::to_owned)
    });
    Trap::NotCallable { kind: value.kind(), reference }
}

/// Pushes the first frame of a bytecode function onto `stack`, which may take `bound` bytes.
pub(crate) fn push_frame(
    stack: &mut Stack,
    program: &Program,
    bound: usize,
    id: FuncId,
    this: Value,
    args: impl Iterator<Item = Value>,
) -> Result<(), OutOfMemory> {
    let body = program.function(id).bytecode().expect("`target` resolves aliases");
    let words = usize::from(body.layout.words);
    if !stack.reserve(words + HEADER_WORDS, bound) {
        return Err(OutOfMemory);
    }
    let header = FrameHeader { function: id.0, pc: 0, dst: 0, cont: 0, words: words as u32 };
    let registers = stack.push(header, Value::UNDEFINED);
    fill_registers(registers, &body.layout, this, args);
    Ok(())
}

/// How a call of a value was started.
#[derive(Debug)]
pub(crate) enum Started {
    /// A library function has run; this is its result.
    Done(Value),
    /// The callee's frame (and perhaps a native frame) was pushed.
    Pushed,
}

/// Starts a call: runs a library function, or pushes the callee's frame onto the process's stack,
/// or onto `records` (innermost first) if compiled code is about to unwind.
pub(crate) fn start(
    process: &mut Process,
    records: Option<&mut Stack>,
    function: Value,
    this: Value,
    args: &[Value],
) -> Result<Started, Trap> {
    match target(process, function, this)? {
        Target::Bytecode(id, callee) => {
            let (program, bound) = (process.program(), process.stack_bound());
            let all = callee.captures.iter().chain(args).copied();
            let stack = records.unwrap_or(&mut process.stack);
            let pushed = push_frame(stack, program, bound, id, callee.this, all);
            memory(process, pushed)?;
            Ok(Started::Pushed)
        }
        Target::Native(id) => match first_magic_text(process, id, args, 0) {
            None => {
                if !blocks(process, id)
                    && let Answer::Value(value) = native(process, id, args)?
                {
                    return Ok(Started::Done(value));
                }
                // Called (again) once the frame is on the stack.
                let bound = process.stack_bound();
                let stack = records.unwrap_or(&mut process.stack);
                let pushed = push_native(stack, id, args, 0, 0, bound);
                memory(process, pushed)?;
                Ok(Started::Pushed)
            }
            Some((at, method)) => {
                push_text_call(process, records, id, args, at, method)?;
                Ok(Started::Pushed)
            }
        },
    }
}

/// The first argument from `from` on that must be converted by its `__str__` before `id` may run.
fn first_magic_text(
    process: &Process,
    id: NativeId,
    args: &[Value],
    from: usize,
) -> Option<(usize, Value)> {
    let shows = process.program().native(id).def.as_ref().is_some_and(|def| def.shows);
    if !shows {
        return None;
    }
    (from..args.len()).find_map(|at| {
        let method = find_magic(process.system(), args[at], known::str)?;
        Some((at, method))
    })
}

/// Pushes a native frame that waits for argument `at`, and the call of its `__str__`.
fn push_text_call(
    process: &mut Process,
    records: Option<&mut Stack>,
    id: NativeId,
    args: &[Value],
    at: usize,
    method: Value,
) -> Result<(), Trap> {
    let (program, bound) = (process.program(), process.stack_bound());
    let Target::Bytecode(callee_id, callee) = target(process, method, args[at])? else {
        // A library function as `__str__` would see the object itself again: show it plainly.
        let stack = records.unwrap_or(&mut process.stack);
        let pushed = push_native(stack, id, args, at, at as u32 + 1, bound);
        return memory(process, pushed);
    };
    let captures = callee.captures.iter().copied();
    let pushed = match records {
        None => {
            push_native(&mut process.stack, id, args, at, at as u32 + 1, bound).and_then(|()| {
                push_frame(&mut process.stack, program, bound, callee_id, callee.this, captures)
            })
        }
        Some(records) => push_frame(records, program, bound, callee_id, callee.this, captures)
            .and_then(|()| push_native(records, id, args, at, at as u32 + 1, bound)),
    };
    memory(process, pushed)
}

/// Must the function run on a thread of its own?
fn blocks(process: &Process, id: NativeId) -> bool {
    process.program().native(id).def.as_ref().is_some_and(|def| def.effects.blocks)
}

/// A native frame: its registers are the arguments; `at` is the one being converted, and `pc` is
/// where the search for the next goes on.
fn push_native(
    stack: &mut Stack,
    id: NativeId,
    args: &[Value],
    at: usize,
    pc: u32,
    bound: usize,
) -> Result<(), OutOfMemory> {
    if !stack.reserve(args.len() + HEADER_WORDS, bound) {
        return Err(OutOfMemory);
    }
    let header = FrameHeader {
        function: id.0 | NATIVE_FRAME,
        pc,
        dst: at as u16,
        cont: Cont::Store as u8,
        words: args.len() as u32,
    };
    stack.push(header, Value::UNDEFINED).copy_from_slice(args);
    Ok(())
}

/// What became of a native frame.
#[derive(Debug)]
pub(crate) enum Resumed {
    /// The result of the library function, whose frame is gone.
    Done(Value),
    /// A call was pushed whose result it waits for.
    Pushed,
    /// The process must wait.
    Wait,
    /// The library function must run on a thread of its own.
    Blocking,
}

/// Goes on with the native frame on top of the stack. `own_thread`: this is one on which functions
/// may block.
pub(crate) fn resume_native(process: &mut Process, own_thread: bool) -> Result<Resumed, Trap> {
    let Some(header) = process.stack.top() else { return Ok(Resumed::Pushed) };
    let id = NativeId(header.function & !NATIVE_FRAME);
    let args = process.stack.top_registers().to_vec();
    if let Some((at, method)) = first_magic_text(process, id, &args, header.pc as usize) {
        process.stack.pop();
        push_text_call(process, None, id, &args, at, method)?;
        return Ok(Resumed::Pushed);
    }
    let answer = process.bonds.as_mut().and_then(|bonds| bonds.answer.take());
    if let Some(result) = answer {
        process.stack.pop();
        return result.map(Resumed::Done);
    }
    if !own_thread && blocks(process, id) {
        return Ok(Resumed::Blocking);
    }
    Ok(match native(process, id, &args)? {
        Answer::Wait => Resumed::Wait,
        Answer::Value(result) => {
            process.stack.pop();
            Resumed::Done(result)
        }
    })
}

/// The answer of the library function that may block, whose frame is on top of the stack. The frame stays;
/// [`resume_native`] takes it once it finds the answer in the process.
pub(crate) fn blocking_native(process: &mut Process) -> Result<Value, Trap> {
    let Some(header) = process.stack.top() else { return Ok(Value::UNDEFINED) };
    let id = NativeId(header.function & !NATIVE_FRAME);
    let args = process.stack.top_registers().to_vec();
    match native(process, id, &args)? {
        Answer::Value(value) => Ok(value),
        // Only functions that see the process wait, and those do not block.
        Answer::Wait => Ok(Value::UNDEFINED),
    }
}

/// Pushes a native frame with nothing to convert: the first frame of a process that runs a native.
pub(crate) fn push_plain_native(
    process: &mut Process,
    id: NativeId,
    args: &[Value],
) -> Result<(), Trap> {
    let bound = process.stack_bound();
    let pushed = push_native(&mut process.stack, id, args, 0, 0, bound);
    memory(process, pushed)
}

/// Runs a library function. A failure is an atom, not a crash.
pub fn native(process: &mut Process, id: NativeId, args: &[Value]) -> Result<Answer, Trap> {
    let entry = process.program().native(id);
    let error = match &entry.def {
        None => NativeError::NotFound(entry.name.clone()),
        Some(def) if !def.arity.accepts(args.len()) => {
            NativeError::Count { expected: def.arity, got: args.len() }
        }
        Some(def) => match catch_unwind(AssertUnwindSafe(|| run_code(process, &def.body, args))) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(panic) => panicked(def, &*panic),
        },
    };
    failed(process, error).map(Answer::Value)
}

/// Runs a library function of the host that neither shows its arguments nor waits, if it is one and gets
/// as many arguments as it takes: what [`start`] does for it, without detours.
#[inline]
pub(crate) fn plain(
    process: &mut Process,
    id: NativeId,
    args: &[Value],
) -> Option<Result<Value, Trap>> {
    let def = process.program().native(id).def.as_ref()?;
    let NativeBody::Host(call) = &def.body else { return None };
    if def.shows || def.effects.blocks || !def.arity.accepts(args.len()) {
        return None;
    }
    let error = match catch_unwind(AssertUnwindSafe(|| run_host(process, call, args))) {
        Ok(Ok(value)) => return Some(Ok(value)),
        Ok(Err(error)) => error,
        Err(panic) => panicked(def, &*panic),
    };
    Some(failed(process, error))
}

#[cold]
fn panicked(def: &NativeDef, panic: &(dyn std::any::Any + Send)) -> NativeError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    NativeError::Trap(Trap::NativePanic { name: def.name.clone(), message })
}

/// What becomes of an error.
#[cold]
fn failed(process: &Process, error: NativeError) -> Result<Value, Trap> {
    match error {
        NativeError::Trap(trap) => Err(trap),
        error => {
            let text = format!("error:FFI call error: {error}");
            let atom = process.system().atoms.try_intern(&text);
            atom.map(Value::atom).map_err(|full| Trap::TooManyAtoms { limit: full.limit })
        }
    }
}

fn run_code(
    process: &mut Process,
    body: &NativeBody,
    args: &[Value],
) -> Result<Answer, NativeError> {
    match body {
        NativeBody::Process(call) => call(process, args),
        NativeBody::Bytecode(_) => {
            unreachable!("the linker resolves library functions that are bytecode")
        }
        NativeBody::Host(call) => run_host(process, call, args).map(Answer::Value),
    }
}

fn run_host(process: &mut Process, call: &NativeFn, args: &[Value]) -> Result<Value, NativeError> {
    let system = process.system();
    let mut cx = NativeCx {
        system,
        heap: &mut process.heap,
        extra_cost: 0,
        bonds: &mut process.bonds,
        process: process.number,
    };
    let result = call(&mut cx, args);
    let extra = cx.extra_cost;
    process.heap.fuel -= extra;
    result
}
