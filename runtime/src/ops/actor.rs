//! SPAWN, SEND, RECEIVE, RECEIVE_WITH_TIMEOUT, LINK, SELECT, SELECT_WITH_KILL.
//!
//! An operation that must wait says so and changes nothing but [`Process::wait`]; the engine
//! leaves the process suspended *at* the instruction, which is tried again when it wakes.

use super::call::{Target, push_frame, push_plain_native, target};
use crate::error::Trap;
use crate::heap::Space;
use crate::heap::copy::{Parcel, copy_into};
use crate::object::closure;
use crate::process::signal::Bonds;
use crate::process::{Process, Wait, memory};
use crate::sched::worker::Alarm;
use crate::sync::add;
use crate::value::{Pid, Value};

/// Values that a new process gets are copied by way of the native stack if there are so many at most.
const FEW: usize = 8;

/// What a blocking operation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Its value.
    Value(Value),
    /// The process must wait.
    Wait,
}

/// SPAWN: the handle of the new process, or Undefined if `function` is none.
pub fn spawn(process: &mut Process, function: Value, args: &[Value]) -> Result<Value, Trap> {
    let system = process.system();
    if closure::callee(function).is_none() {
        let shown = crate::print::to_text(system, function);
        system.warn(&format!("process {}: spawn of {shown}, which is no function", process.number));
        return Ok(Value::UNDEFINED);
    }
    let child = create(process, function, args, None)?;
    process.worker().enqueue(child);
    Ok(Value::pid(child))
}

/// A new process, not in a queue yet, whose first frame calls `function`, a function value, with copies
/// of `args`. `bonds` is what it is bound to from the start.
pub(crate) fn create(
    process: &mut Process,
    function: Value,
    args: &[Value],
    bonds: Option<Box<Bonds>>,
) -> Result<Pid, Trap> {
    let system = process.system();
    let limit = system.config.max_processes;
    let worker = process.worker();
    let Some(pid) = system.table.allocate(limit, &worker.slots, worker.is_alone()) else {
        return Err(Trap::TooManyProcesses { limit });
    };
    let number = add(&system.counters.processes, 1, worker.is_alone()) + 1;
    let mut child = worker.new_process(pid, number);
    let target = target(process, function, Value::UNDEFINED)?;
    let mut space = Space::new();
    match target {
        Target::Bytecode(id, callee) => {
            let count = 1 + callee.captures.len() + args.len();
            let (mut few, mut many) = ([Value::UNDEFINED; FEW], Vec::new());
            let roots = if count <= FEW {
                &mut few[..count]
            } else {
                many.resize(count, Value::UNDEFINED);
                many.as_mut_slice()
            };
            roots[0] = callee.this;
            roots[1..=callee.captures.len()].copy_from_slice(callee.captures);
            roots[1 + callee.captures.len()..].copy_from_slice(args);
            copy_into(&mut space, roots);
            let values = roots[1..].iter().copied();
            let program = process.program();
            let pushed = push_frame(&mut child.stack, program, usize::MAX, id, roots[0], values);
            memory(process, pushed)?;
        }
        Target::Native(id) => {
            let mut roots = args.to_vec();
            copy_into(&mut space, &mut roots);
            push_plain_native(&mut child, id, &roots)?;
        }
    }
    if !space.is_empty() {
        child.heap.space.adopt(space);
    }
    child.bonds = bonds;
    if system.program.is_linked(number) {
        system.table.remember_number(number, pid);
    }
    system.trace(|| format!("process {} spawns process {number}", process.number));
    system.table.start(child);
    Ok(pid)
}

/// SEND: copies the message into the mailbox; nothing happens if `to` is no living process.
pub fn send(process: &mut Process, to: Value, message: Value) {
    let Some(pid) = to.as_pid() else { return };
    let system = process.system();
    system.trace(|| {
        let shown = crate::print::to_text(system, message);
        format!("process {} sends {shown}", process.number)
    });
    if !process.worker().send_copy(pid, message) {
        process.hold(pid, Parcel::copy(message));
    }
}

/// The next message, its memory taken over by the process.
#[inline]
fn next_message(process: &mut Process) -> Option<Value> {
    if process.mailbox.is_empty() {
        process.fetch();
    }
    if process.bonds.is_some() {
        process.rewind();
        if process.exits() {
            return None;
        }
    }
    let (pool, heap) = (&process.worker().pool, &mut process.heap);
    let message = process.mailbox.receive(pool, |space| heap.take_over(space))?;
    process.received();
    let system = process.system();
    system.trace(|| {
        let shown = crate::print::to_text(system, message);
        format!("process {} receives {shown}", process.number)
    });
    Some(message)
}

/// RECEIVE.
pub fn receive(process: &mut Process) -> Waited {
    match next_message(process) {
        Some(message) => {
            process.wait = Wait::No;
            Waited::Value(message)
        }
        None => {
            process.wait = Wait::Message;
            Waited::Wait
        }
    }
}

/// RECEIVE_WITH_TIMEOUT: `Some(message)`, `None` for an expired timeout, or `Wait`.
pub fn receive_timeout(
    process: &mut Process,
    timeout: Value,
) -> Result<Result<Option<Value>, ()>, Trap> {
    if let Some(message) = next_message(process) {
        if let Some((_, timer)) = process.wait.timer() {
            process.worker().cancel_timer(timer);
        }
        process.wait = Wait::No;
        return Ok(Ok(Some(message)));
    }
    if process.exits() {
        // The worker ends a process that waits and has a reason to end.
        return Ok(Err(()));
    }
    if let Wait::Timer { deadline, .. } = process.wait {
        if deadline.is_some_and(|deadline| process.worker().now() >= deadline) {
            process.wait = Wait::No;
            return Ok(Ok(None));
        }
        return Ok(Err(()));
    }
    let Some(milliseconds) = timeout.as_number() else {
        return Err(Trap::BadTimeout { kind: timeout.kind() });
    };
    let Some(deadline) = deadline(process, milliseconds) else { return Ok(Ok(None)) };
    let seq = arm(process, deadline);
    process.wait = Wait::Timer { deadline, seq };
    Ok(Err(()))
}

/// When a wait of so many milliseconds ends: on the system's clock, or never; `None`: at once.
pub(crate) fn deadline(process: &Process, milliseconds: f64) -> Option<Option<u64>> {
    // A saturating cast: negative and NaN give 0.
    let whole = milliseconds as u64;
    let now = || process.worker().now();
    (whole != 0).then(|| whole.checked_mul(1_000_000).and_then(|wait| now().checked_add(wait)))
}

/// Starts a timer that wakes the process at `deadline`, if there is one.
pub(crate) fn arm(process: &Process, deadline: Option<u64>) -> u64 {
    deadline.map_or(0, |deadline| process.worker().add_timer(deadline, Alarm::Wake(process.pid)))
}

/// LINK: the result of process `number`.
pub fn link(process: &mut Process, number: u64) -> Result<Waited, Trap> {
    let table = &process.system().table;
    if number == process.number {
        return Err(Trap::WaitForSelf);
    }
    let Some(target) = table.by_number(number) else {
        return Err(Trap::NoSuchProcess { number });
    };
    match take_result(process, target) {
        Some(result) => {
            process.wait = Wait::No;
            Ok(Waited::Value(result))
        }
        None => {
            process.wait = Wait::Ends([target].into());
            Ok(Waited::Wait)
        }
    }
}

/// A copy of the result of `target` if it has ended; otherwise its end wakes the process.
fn take_result(process: &mut Process, target: Pid) -> Option<Value> {
    let table = &process.system().table;
    let parcel = table.ended(target, process.pid, |result| {
        result.map_or(crate::process::mailbox::immediate(Value::UNDEFINED), |kept| {
            Parcel::copy(kept.value)
        })
    })?;
    Some(process.accept(parcel))
}

/// SELECT and, with `kill`, SELECT_WITH_KILL: the result of the first of `candidates` that has ended.
pub fn select(process: &mut Process, candidates: &[Value], kill: bool) -> Result<Waited, Trap> {
    let all: Vec<Pid> = candidates.iter().filter_map(|value| value.as_pid()).collect();
    let others: Vec<Pid> = all.iter().copied().filter(|pid| *pid != process.pid).collect();
    if others.is_empty() {
        return Err(if all.is_empty() { Trap::EmptySelect } else { Trap::WaitForSelf });
    }
    let table = &process.system().table;
    let ended = others.iter().find_map(|target| {
        let result = take_result(process, *target)?;
        Some((*target, result))
    });
    let Some((winner, result)) = ended else {
        process.wait = Wait::Ends(others.into());
        return Ok(Waited::Wait);
    };
    process.wait = Wait::No;
    table.stop_waiting(process.pid, &others);
    if kill {
        let alone = process.worker().is_alone();
        for other in others {
            if other != winner && table.kill(other, alone) {
                process.worker().enqueue(other);
            }
        }
    }
    Ok(Waited::Value(result))
}
