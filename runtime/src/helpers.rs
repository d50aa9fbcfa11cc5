//! The runtime functions that compiled code calls.
//!
//! One table, `ion_helpers!`, gives each its number, its place in the worker's table, its shim and
//! (in the compiler) its signature. All arguments and results are 64-bit words; the first argument
//! is the process. Unless said otherwise a helper returns a *status*: 0 and its result in
//! [`Process::result`], or 1: then the caller writes its frame record and unwinds.
//!
//! No shim lets a panic cross compiled frames: it becomes a fault of the process.

use crate::error::Trap;
use crate::ops::actor::{self, Waited};
use crate::ops::arith::{Arith, arith};
use crate::ops::call::{self, Started, Target};
use crate::ops::compare::{Compare, compare};
use crate::ops::{Cont, Outcome, build, pattern, property};
use crate::process::Process;
use crate::process::stack::{FrameHeader, HEADER_WORDS};
use crate::program::{Bytecode, FuncId, NativeId};
use crate::sched::worker::Unwound;
use crate::value::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Status of a helper: go on.
pub const OK: u64 = 0;
/// Status of a helper: write the frame record and unwind.
pub const UNWIND: u64 = 1;

/// Hands the helper table to the macro `$with`. Row: documentation, name, parameters.
#[macro_export]
macro_rules! ion_helpers {
    ($with:ident) => {
        $with! {
            /// Adds a frame record of `function | pc << 32` whose registers are all Undefined to those being
            /// unwound, with `dst | own pc << 32`: the register for the result it waits for, and the
            /// instruction that is left, where a fault is reported. Returns the address of its registers.
            push_record(place, dst);
            /// `a op b`, see [`arith_code`].
            arith(op, a, b);
            /// The Boolean `a op b`, see [`compare_code`].
            compare(op, a, b);
            /// Returns 1 if a condition takes `value` as true.
            truth(value);
            /// A constant that is made or looked up each time, by `function | pc << 32`.
            konst(place);
            /// `object[key]` by a frame bound to `this`.
            get_prop(object, key, this);
            /// `object[key] := value` by a frame bound to `this`.
            set_prop(object, key, value, this);
            /// Calls `function` with `count` arguments at `args`. Returns a status, or, for a function to
            /// enter, the address of its entry for argument lists; the list is at `result`.
            call(function, args, count);
            /// As `get_prop`, and fills the method cache at `cache`, see [`crate::ops::property::method_word`].
            get_method(object, key, this, cache);
            /// As `call`, with `this` for a function that is not bound.
            call_method(function, this, args, count);
            /// Calls a library function.
            call_native(native, args, count);
            /// A new process.
            spawn(function, args, count);
            /// Copies a message into a mailbox. Always succeeds.
            send(to, message);
            /// The next message; unwinds to wait.
            receive();
            /// The next message; status 2 if the timeout has expired.
            receive_timeout(timeout);
            /// The result of the process of this number; unwinds to wait.
            link(number);
            /// The result of the first of `count` processes to end; unwinds to wait.
            select(processes, count, kill);
            /// Ends the slice: what unwinds now goes to the end of the run queue.
            yield_now();
            /// An object from the values of the registers that the literal at `place` names, in its order.
            object_init(place, values);
            /// An array.
            array_init(elements, count);
            /// A closure.
            make_closure(function, captures, count);
            /// Returns the number of the first arm of the MATCH at `place` that takes `value`, or the number of arms.
            match_arm(place, value);
            /// Reports the instruction at `place` in the debug trace.
            trace(place);
            /// Returns 1 if `value` is a function.
            is_function(value);
            /// Enters a function that has no compiled code with a list of arguments (`this` first, then
            /// parameters): charges for the call, adds its record and unwinds.
            interpret(function, args);
            /// Tells that a check in compiled code of `function` has failed: the interpreter goes on with what
            /// unwinds now.
            exit(function);
            /// Allocates `bytes` bytes for an object with `header`; its address is the result.
            alloc(header, bytes);
        }
    };
}

macro_rules! define_table {
    ($($(#[$doc:meta])* $name:ident($($param:ident),*);)*) => {
        /// The addresses, in order of the table.
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub struct HelperTable {
            $(
                $(#[$doc])*
                pub $name: unsafe extern "C" fn(*mut Process $(, define_table!(@word $param))*) -> u64,
            )*
        }

        /// The table of this machine.
        pub const HELPERS: HelperTable = HelperTable { $($name: shim::$name,)* };

        /// The helpers by number: index in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(non_camel_case_types, missing_docs, reason = "named and documented in the table")]
        #[repr(usize)]
        pub enum Helper { $($name,)* }

        impl Helper {
            /// All helpers.
            pub const ALL: &'static [Helper] = &[$(Helper::$name,)*];

            /// The name.
            pub fn name(self) -> &'static str {
                match self { $(Helper::$name => stringify!($name),)* }
            }

            /// Parameters beyond the process.
            pub fn params(self) -> usize {
                match self { $(Helper::$name => <[&str]>::len(&[$(stringify!($param)),*]),)* }
            }

            /// Byte offset in the table.
            pub fn offset(self) -> usize {
                self as usize * 8
            }
        }

        mod shim {
            use super::Process;
            $(
                /// # Safety
                /// `process` is the process that the calling worker runs; addresses among the words
                /// are as the table says.
                pub(super) unsafe extern "C" fn $name(process: *mut Process $(, $param: u64)*) -> u64 {
                    // SAFETY: the caller's promise; compiled code holds no reference to the process.
                    let process = unsafe { &mut *process };
                    super::guarded(process, |process| super::body::$name(process $(, $param)*))
                }
            )*
        }
    };
    (@word $param:ident) => { u64 };
}
ion_helpers!(define_table);

/// The number of an arithmetic operation.
pub fn arith_code(op: Arith) -> u64 {
    op as u64
}

/// The number of a comparison.
pub fn compare_code(op: Compare) -> u64 {
    op as u64
}

fn guarded(process: &mut Process, body: impl FnOnce(&mut Process) -> u64) -> u64 {
    catch_unwind(AssertUnwindSafe(|| body(process))).unwrap_or_else(|_| {
        unwind(
            process,
            Unwound::Trap(Box::new(Trap::NativePanic {
                name: "of the runtime".to_owned(),
                message: "a defect of the virtual machine".to_owned(),
            })),
        )
    })
}

fn unwind(process: &mut Process, why: Unwound) -> u64 {
    *process.worker().unwound.borrow_mut() = Some(why);
    UNWIND
}

fn finish(process: &mut Process, result: Result<Value, Trap>) -> u64 {
    match result {
        Ok(value) => {
            process.result = value;
            OK
        }
        Err(trap) => unwind(process, Unwound::Trap(trap.into())),
    }
}

/// Finishes an operation that may need a call of Ion code.
fn finish_outcome(process: &mut Process, outcome: Result<Outcome, Trap>) -> u64 {
    match outcome {
        Ok(Outcome::Value(value)) => finish(process, Ok(value)),
        Ok(Outcome::Call(magic)) => {
            let worker = process.worker();
            worker.pending.set(magic.cont);
            let args = &magic.args[..usize::from(magic.count)];
            let started = call::start(
                process,
                Some(&mut worker.records.borrow_mut()),
                magic.function,
                magic.this,
                args,
            );
            match started {
                Ok(started) => {
                    process.heap.fuel -= 1;
                    unwind_started(process, started)
                }
                Err(trap) => {
                    worker.pending.set(Cont::Store);
                    unwind(process, Unwound::Trap(trap.into()))
                }
            }
        }
        Err(trap) => unwind(process, Unwound::Trap(trap.into())),
    }
}

fn unwind_started(process: &mut Process, started: Started) -> u64 {
    match started {
        Started::Done(result) => unwind(process, Unwound::Deliver(result)),
        Started::Pushed => unwind(process, Unwound::Call),
    }
}

/// The words at an address that compiled code passed.
fn list<'a>(address: u64, count: u64) -> &'a [Value] {
    if count == 0 {
        return &[];
    }
    // SAFETY: compiled code passes the address and length of a list of values in its own frame,
    // which stays until the helper returns.
    unsafe { std::slice::from_raw_parts(address as *const Value, count as usize) }
}

fn value(word: u64) -> Value {
    Value::from_bits(word)
}

/// The function and instruction of a place.
fn place(process: &Process, place: u64) -> (&'static Bytecode, u32) {
    let body = process.program().function(FuncId(place as u32)).bytecode();
    let body = body.expect("only bytecode functions are compiled");
    // SAFETY: the program outlives the slice, and no helper keeps the reference.
    (unsafe { &*std::ptr::from_ref(body) }, (place >> 32) as u32)
}

/// A blocking operation: the try is charged even if it has to wait.
fn waited(process: &mut Process, waited: Result<Waited, Trap>) -> u64 {
    match waited {
        Ok(Waited::Value(value)) => finish(process, Ok(value)),
        Ok(Waited::Wait) => {
            process.heap.fuel -= 2;
            unwind(process, Unwound::Blocked)
        }
        Err(trap) => unwind(process, Unwound::Trap(trap.into())),
    }
}

/// What the helpers do, with the process as a reference.
mod body {
    use super::*;

    pub(super) fn push_record(process: &mut Process, place: u64, dst: u64) -> u64 {
        let (body, _) = super::place(process, place);
        let worker = process.worker();
        let words = u32::from(body.layout.words);
        let mut records = worker.records.borrow_mut();
        let trapped =
            records.is_empty() && matches!(*worker.unwound.borrow(), Some(Unwound::Trap(_)));
        let pc = if trapped { (dst >> 32) as u32 } else { (place >> 32) as u32 };
        let cont = worker.pending.replace(Cont::Store);
        // Bounded by the slice; the limit of the process is checked when the records are moved.
        records.reserve(words as usize + HEADER_WORDS, usize::MAX);
        let header =
            FrameHeader { function: place as u32, pc, dst: dst as u16, cont: cont as u8, words };
        records.push(header, Value::UNDEFINED).as_mut_ptr() as u64
    }

    pub(super) fn arith(process: &mut Process, op: u64, a: u64, b: u64) -> u64 {
        if op == arith_code(Arith::Add)
            && let Some(text) = process.heap.append_in_place(value(a), value(b))
        {
            process.result = text;
            return OK;
        }
        let op = [Arith::Add, Arith::Sub, Arith::Mul, Arith::Div][op as usize & 3];
        let result = super::arith(process, op, value(a), value(b));
        finish_outcome(process, result)
    }

    pub(super) fn compare(process: &mut Process, op: u64, a: u64, b: u64) -> u64 {
        use Compare::*;
        let op = [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual][op as usize % 6];
        let result = super::compare(process, op, value(a), value(b));
        finish_outcome(process, Ok(result))
    }

    pub(super) fn truth(_: &mut Process, word: u64) -> u64 {
        u64::from(value(word).truth())
    }

    pub(super) fn konst(process: &mut Process, place: u64) -> u64 {
        let (body, pc) = super::place(process, place);
        let result = match &body.konsts[pc as usize] {
            Some(konst) => build::konst(process, konst, Value::UNDEFINED),
            None => Ok(Value::UNDEFINED),
        };
        finish(process, result)
    }

    pub(super) fn get_prop(process: &mut Process, object: u64, key: u64, this: u64) -> u64 {
        let result = property::get_prop(process, value(object), value(key), value(this));
        finish_outcome(process, result)
    }

    pub(super) fn set_prop(
        process: &mut Process,
        object: u64,
        key: u64,
        new: u64,
        this: u64,
    ) -> u64 {
        let result =
            property::set_prop(process, value(object), value(key), value(new), value(this));
        finish_outcome(process, result)
    }

    pub(super) fn get_method(
        process: &mut Process,
        object: u64,
        key: u64,
        this: u64,
        cache: u64,
    ) -> u64 {
        let word = property::method_word(process.system(), value(object), value(key));
        if let Some(word) = word {
            // SAFETY: compiled code passes the address of a cache that lives as long as the code.
            let cache = unsafe { &*(cache as *const std::sync::atomic::AtomicU64) };
            cache.store(word, std::sync::atomic::Ordering::Relaxed);
        }
        get_prop(process, object, key, this)
    }

    pub(super) fn call(process: &mut Process, function: u64, args: u64, count: u64) -> u64 {
        call_method(process, function, Value::UNDEFINED.to_bits(), args, count)
    }

    pub(super) fn call_method(
        process: &mut Process,
        function: u64,
        this: u64,
        args: u64,
        count: u64,
    ) -> u64 {
        let (function, this, args) = (value(function), value(this), list(args, count));
        match call::target(process, function, this) {
            Err(trap) => unwind(process, Unwound::Trap(trap.into())),
            Ok(Target::Native(_)) => {
                // Unlike `call_native`, this one charges: the caller does not know what it calls.
                let worker = process.worker();
                let cost = worker.call_cost();
                match call::start(
                    process,
                    Some(&mut worker.records.borrow_mut()),
                    function,
                    this,
                    args,
                ) {
                    Ok(started) => {
                        process.heap.fuel -= cost;
                        match started {
                            Started::Done(result) if process.heap.fuel > 0 => {
                                finish(process, Ok(result))
                            }
                            started => unwind_started(process, started),
                        }
                    }
                    Err(trap) => unwind(process, Unwound::Trap(trap.into())),
                }
            }
            Ok(Target::Bytecode(id, callee)) => {
                let worker = process.worker();
                let Some(entry) = worker.list_entry(id) else {
                    let started = call::start(
                        process,
                        Some(&mut worker.records.borrow_mut()),
                        function,
                        this,
                        args,
                    );
                    return match started {
                        Ok(started) => {
                            process.heap.fuel -= worker.call_cost();
                            unwind_started(process, started)
                        }
                        Err(trap) => unwind(process, Unwound::Trap(trap.into())),
                    };
                };
                let params =
                    process.program().function(id).bytecode().map_or(0, |body| body.params);
                let mut list = worker.args.borrow_mut();
                list.clear();
                list.push(callee.this);
                list.extend(callee.captures.iter().chain(args));
                list.resize(1 + usize::from(params), Value::UNDEFINED);
                process.result = value(list.as_ptr() as u64);
                entry as u64
            }
        }
    }

    pub(super) fn call_native(process: &mut Process, native: u64, args: u64, count: u64) -> u64 {
        let (id, args) = (NativeId(native as u32), list(args, count));
        if let Some(result) = call::plain(process, id, args) {
            return finish(process, result);
        }
        let (worker, native) = (process.worker(), Value::native(id));
        match call::start(
            process,
            Some(&mut worker.records.borrow_mut()),
            native,
            Value::UNDEFINED,
            args,
        ) {
            Ok(Started::Done(result)) => finish(process, Ok(result)),
            Ok(Started::Pushed) => {
                process.heap.fuel -= worker.call_cost();
                unwind(process, Unwound::Call)
            }
            Err(trap) => unwind(process, Unwound::Trap(trap.into())),
        }
    }

    pub(super) fn spawn(process: &mut Process, function: u64, args: u64, count: u64) -> u64 {
        let result = actor::spawn(process, value(function), list(args, count));
        finish(process, result)
    }

    pub(super) fn send(process: &mut Process, to: u64, message: u64) -> u64 {
        actor::send(process, value(to), value(message));
        OK
    }

    pub(super) fn receive(process: &mut Process) -> u64 {
        let result = actor::receive(process);
        waited(process, Ok(result))
    }

    pub(super) fn receive_timeout(process: &mut Process, timeout: u64) -> u64 {
        match actor::receive_timeout(process, value(timeout)) {
            Ok(Ok(Some(message))) => finish(process, Ok(message)),
            Ok(Ok(None)) => 2,
            Ok(Err(())) => waited(process, Ok(Waited::Wait)),
            Err(trap) => unwind(process, Unwound::Trap(trap.into())),
        }
    }

    pub(super) fn link(process: &mut Process, number: u64) -> u64 {
        let result = actor::link(process, number);
        waited(process, result)
    }

    pub(super) fn select(process: &mut Process, processes: u64, count: u64, kill: u64) -> u64 {
        let result = actor::select(process, list(processes, count), kill != 0);
        waited(process, result)
    }

    pub(super) fn yield_now(process: &mut Process) -> u64 {
        unwind(process, Unwound::Yield)
    }

    pub(super) fn object_init(process: &mut Process, place: u64, values: u64) -> u64 {
        let (body, pc) = super::place(process, place);
        let plan = &body.literals.objects[&pc];
        let values = list(values, plan.register_count() as u64);
        let mut next = values.iter().copied();
        let result = build::object(process, plan, |_| next.next().unwrap_or(Value::UNDEFINED));
        finish(process, result)
    }

    pub(super) fn array_init(process: &mut Process, elements: u64, count: u64) -> u64 {
        let result = build::array(process, list(elements, count));
        finish(process, result)
    }

    pub(super) fn make_closure(
        process: &mut Process,
        function: u64,
        captures: u64,
        count: u64,
    ) -> u64 {
        let result = build::closure(process, value(function), list(captures, count));
        finish(process, result)
    }

    pub(super) fn match_arm(process: &mut Process, place: u64, word: u64) -> u64 {
        let (body, pc) = super::place(process, place);
        let arms = &body.literals.patterns[&pc];
        let system = process.system();
        let found = arms.iter().position(|arm| pattern::matches(system, value(word), arm));
        found.unwrap_or(arms.len()) as u64
    }

    pub(super) fn trace(process: &mut Process, place: u64) -> u64 {
        crate::interp::trace_at(process, FuncId(place as u32), (place >> 32) as u32);
        OK
    }

    pub(super) fn is_function(_: &mut Process, word: u64) -> u64 {
        u64::from(crate::object::closure::callee(value(word)).is_some())
    }

    pub(super) fn interpret(process: &mut Process, function: u64, args: u64) -> u64 {
        let id = FuncId(function as u32);
        let params = process.program().function(id).bytecode().map_or(0, |body| body.params);
        let args = list(args, 1 + u64::from(params));
        let (program, bound) = (process.program(), process.stack_bound());
        let worker = process.worker();
        let values = args[1..].iter().copied();
        match call::push_frame(
            &mut worker.records.borrow_mut(),
            program,
            bound,
            id,
            args[0],
            values,
        ) {
            Ok(()) => {
                process.heap.fuel -= worker.call_cost();
                unwind(process, Unwound::Call)
            }
            Err(_) => {
                let trap = process.out_of_memory();
                unwind(process, Unwound::Trap(trap.into()))
            }
        }
    }

    pub(super) fn exit(process: &mut Process, function: u64) -> u64 {
        unwind(process, Unwound::Exit(FuncId(function as u32)))
    }

    pub(super) fn alloc(process: &mut Process, header: u64, bytes: u64) -> u64 {
        match process.heap.alloc(header as u32, (header >> 32) as u32, bytes as usize) {
            Ok(object) => {
                process.result = Value::pointer(object);
                OK
            }
            Err(_) => {
                let trap = process.out_of_memory();
                unwind(process, Unwound::Trap(trap.into()))
            }
        }
    }
}
