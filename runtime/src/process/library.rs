//! The library functions about processes and time: `Process.link`, `Time.now`, …
//!
//! One table has them all. They see the running process and may let it wait; then they are called
//! again with the same arguments when it wakes, and what they know from before is in the process.

use super::signal::{self, Bonds};
use super::{Process, Wait};
use crate::error::Trap;
use crate::heap::copy::Parcel;
use crate::natives::{Answer, Arity, Effects, NativeBody, NativeDef, NativeError};
use crate::object::{closure, container};
use crate::ops::actor;
use crate::sched::queue;
use crate::sched::worker::Alarm;
use crate::system::Later;
use crate::value::{Atom, Pid, Value};
use std::sync::atomic::Ordering;

type Result<T = Answer> = std::result::Result<T, NativeError>;

macro_rules! table {
    ($($(#[doc = $doc:literal])* $name:literal($least:literal $($more:tt)*) $signature:literal $call:path;)*) => {
        /// All functions of this module.
        pub fn library() -> Vec<NativeDef> {
            vec![$(NativeDef {
                name: $name.to_owned(),
                arity: table!(@arity $least $($more)*),
                signature: $signature.to_owned(),
                doc: concat!($($doc),*).trim().to_owned(),
                shows: false,
                effects: Effects::default(),
                fast: None,
                body: NativeBody::Process($call),
            }),*]
        }
    };
    (@arity $count:literal) => { Arity::Exact($count) };
    (@arity $least:literal ..) => { Arity::AtLeast($least) };
    (@arity $least:literal or $most:literal) => { Arity::Between($least, $most) };
}

table! {
    /// Moves to the next message of the mailbox that this receive has not examined, and waits for one
    /// if there is none: at most so many milliseconds from the first wait on, or for ever if the
    /// timeout is Undefined. True if there is one; false if the time is over: then the next look
    /// begins with the first message again.
    "Process.next"(1) "(timeout: Number | Undefined) -> Boolean" next;
    /// The message that `Process.next` moved to, which stays in the mailbox. Undefined if there is none.
    "Process.peek"(0) "() -> Any" peek;
    /// Takes the message that `Process.next` moved to out of the mailbox; those passed over stay, in
    /// order. The next look begins with the first message. Undefined if there is none.
    "Process.take"(0) "() -> Any" take;
    /// Waits for so many milliseconds.
    "Process.sleep"(1) "(milliseconds: Number) -> Unit" sleep;
    /// Links the running process and another: when one ends for a reason other than `:normal`, so does
    /// the other, unless it traps exits. If the other has ended already, that is the reason `:noproc`.
    "Process.link"(1) "(process: Process) -> Unit" link;
    /// Undoes a link. Afterwards the end of the other has no effect.
    "Process.unlink"(1) "(process: Process) -> Unit" unlink;
    /// Asks for a message `(:down, reference, process, reason)` when a process ends; gives the reference.
    "Process.monitor"(1) "(process: Process) -> Number" monitor;
    /// Ends a monitor. Afterwards no message with this reference is in the mailbox or comes.
    "Process.demonitor"(1) "(reference: Number) -> Unit" demonitor;
    /// Says whether exit signals become messages `(:exit, process, reason)`; gives what was the case
    /// before.
    "Process.trapExit"(1) "(on: Boolean) -> Boolean" trap_exit;
    /// Asks a process to end for a reason, as if a linked one had ended. The running process ends at once.
    "Process.exit"(2) "(process: Process, reason: Any) -> Unit" exit;
    /// Ends a process with the reason `:killed`, whether it traps exits or not.
    "Process.kill"(1) "(process: Process) -> Unit" kill;
    /// Starts a process: a function and an array of its arguments. `spawn` in Ion is this, or an instruction.
    "Process.spawn"(2) "(function: Function, args: Array) -> Process" spawn_with;
    /// Starts a process that is linked to the running one: a function and its arguments.
    "Process.spawnLink"(1 ..) "(function: Function, ...args: Any) -> Process" spawn_link;
    /// Starts a process and monitors it: a function and its arguments. Gives process and reference.
    "Process.spawnMonitor"(1 ..) "(function: Function, ...args: Any) -> Tuple" spawn_monitor;
    /// Gives the running process, or the one in the second argument, a name. False if the name is
    /// taken, or if the process has a name or has ended.
    "Process.register"(1 or 2) "(name: Atom, process?: Process) -> Boolean" register;
    /// Takes a name back. False if nobody has it.
    "Process.unregister"(1) "(name: Atom) -> Boolean" unregister;
    /// The process of this name, or Undefined.
    "Process.whereis"(1) "(name: Atom) -> Process | Undefined" whereis;
    /// Sends a message after so many milliseconds; gives a reference for `Process.cancelTimer`.
    "Process.sendAfter"(3) "(milliseconds: Number, process: Process, message: Any) -> Number" send_after;
    /// Cancels `Process.sendAfter`. False if the message was sent already.
    "Process.cancelTimer"(1) "(reference: Number) -> Boolean" cancel_timer;
    /// Waits for a message, and keeps as little memory as possible meanwhile. The message stays in the
    /// mailbox.
    "Process.hibernate"(0) "() -> Unit" hibernate;
    /// Sets the priority of the running process, `:low`, `:normal` or `:high`; gives the one before. Those of a
    /// higher priority go first, but nobody starves: the others get every eighth slice at least.
    "Process.priority"(1) "(priority: Atom) -> Atom" priority;
    /// What is known about a process: an array of pairs `(:status, :waiting)`, `(:name, …)`, `(:number, …)`,
    /// `(:messages, …)`, `(:memory, bytes)`, `(:reductions, …)`, `(:links, …)`, `(:monitors, …)`,
    /// `(:trapExit, …)`. Of others than the running process, everything behind the name only while they
    /// wait. Undefined if the process has ended.
    "Process.info"(1) "(process: Process) -> Array | Undefined" info;
    /// All processes.
    "Process.list"(0) "() -> Array" list;
    /// Milliseconds since the program started.
    "Time.now"(0) "() -> Number" now;
}

fn done(value: Value) -> Result {
    Ok(Answer::Value(value))
}

fn wrong(args: &[Value], at: usize, name: &str, expected: &str) -> NativeError {
    NativeError::Argument {
        position: at + 1,
        name: name.to_owned(),
        expected: expected.to_owned(),
        got: args[at].kind().name().to_owned(),
    }
}

fn pid_at(args: &[Value], at: usize) -> Result<Pid> {
    args[at].as_pid().ok_or_else(|| wrong(args, at, "process", "Process"))
}

fn out_of_memory(process: &Process) -> NativeError {
    NativeError::Trap(process.out_of_memory())
}

fn next(process: &mut Process, args: &[Value]) -> Result {
    if advance(process) {
        return done(Value::TRUE);
    }
    process.fetch();
    if process.exits() {
        return Ok(Answer::Wait);
    }
    if advance(process) {
        return done(Value::TRUE);
    }
    let wait = match process.bonds().scan.clone() {
        Some(wait) => wait,
        None => match first_wait(process, args[0])? {
            Some(wait) => wait,
            None => return expired(process),
        },
    };
    if let Wait::Timer { deadline: Some(deadline), .. } = wait
        && process.worker().now() >= deadline
    {
        return expired(process);
    }
    process.wait = wait.clone();
    process.bonds().scan = Some(wait);
    Ok(Answer::Wait)
}

fn advance(process: &mut Process) -> bool {
    let bonds = process.bonds.get_or_insert_default();
    let found = process.mailbox.advance(&mut bonds.cursor);
    if found {
        process.wait = Wait::No;
    }
    found
}

/// What a receive waits for; `None` if it does not wait at all.
fn first_wait(process: &Process, timeout: Value) -> Result<Option<Wait>> {
    if timeout == Value::UNDEFINED {
        return Ok(Some(Wait::Message));
    }
    let bad = || NativeError::Trap(Trap::BadTimeout { kind: timeout.kind() });
    let deadline = actor::deadline(process, timeout.as_number().ok_or_else(bad)?);
    Ok(deadline.map(|deadline| Wait::Timer { deadline, seq: actor::arm(process, deadline) }))
}

fn expired(process: &mut Process) -> Result {
    process.rewind();
    process.wait = Wait::No;
    done(Value::FALSE)
}

fn peek(process: &mut Process, _: &[Value]) -> Result {
    let Some(bonds) = &mut process.bonds else { return done(Value::UNDEFINED) };
    bonds.adopted = true;
    let heap = &mut process.heap;
    let seen = process.mailbox.examine(bonds.cursor, |space| heap.take_over(space));
    done(seen.unwrap_or(Value::UNDEFINED))
}

fn take(process: &mut Process, _: &[Value]) -> Result {
    let Some(bonds) = &process.bonds else { return done(Value::UNDEFINED) };
    let (pool, heap) = (&process.worker().pool, &mut process.heap);
    let taken = process.mailbox.take(bonds.cursor, pool, |space| heap.take_over(space));
    process.rewind();
    if taken.is_some() {
        process.received();
    }
    done(taken.unwrap_or(Value::UNDEFINED))
}

fn sleep(process: &mut Process, args: &[Value]) -> Result {
    if let Wait::Sleep { deadline, .. } = process.wait {
        if process.worker().now() >= deadline {
            process.wait = Wait::No;
            return done(Value::UNIT);
        }
        return Ok(Answer::Wait);
    }
    let time = args[0].as_number().ok_or_else(|| wrong(args, 0, "ms", "Number"))?;
    let Some(deadline) = actor::deadline(process, time) else { return done(Value::UNIT) };
    let seq = actor::arm(process, deadline);
    process.wait = Wait::Sleep { deadline: deadline.unwrap_or(u64::MAX), seq };
    Ok(Answer::Wait)
}

fn hibernate(process: &mut Process, _: &[Value]) -> Result {
    process.rewind();
    if process.mailbox.is_empty() {
        process.fetch();
    }
    if process.exits() || process.mailbox.is_empty() {
        process.wait = Wait::Message;
        process.bonds().hibernates = true;
        return Ok(Answer::Wait);
    }
    process.wait = Wait::No;
    done(Value::UNIT)
}

/// The priorities, and their names.
const PRIORITIES: [(u8, &str); 3] =
    [(queue::NORMAL, "normal"), (queue::HIGH, "high"), (queue::LOW, "low")];

fn priority(process: &mut Process, args: &[Value]) -> Result {
    let system = process.system();
    let text = args[0].as_atom().map(|atom| system.atoms.text(atom));
    let named = PRIORITIES.iter().find(|(_, name)| Some(*name) == text);
    let expected = || wrong(args, 0, "level", ":low, :normal or :high");
    let (number, _) = *named.ok_or_else(expected)?;
    let Some(slot) = system.table.slot(process.pid) else { return done(Value::UNDEFINED) };
    let before = slot.priority.swap(number, Ordering::Relaxed);
    // What else there is are kinds of the normal one.
    let before = PRIORITIES.iter().find(|(number, _)| *number == before).unwrap_or(&PRIORITIES[0]);
    done(Value::atom(system.atoms.intern(before.1)))
}

fn link(process: &mut Process, args: &[Value]) -> Result {
    let other = pid_at(args, 0)?;
    process.link(other);
    done(Value::UNIT)
}

fn unlink(process: &mut Process, args: &[Value]) -> Result {
    let other = pid_at(args, 0)?;
    process.unlink(other);
    done(Value::UNIT)
}

fn monitor(process: &mut Process, args: &[Value]) -> Result {
    let target = pid_at(args, 0)?;
    done(Value::number(process.monitor(target) as f64))
}

fn demonitor(process: &mut Process, args: &[Value]) -> Result {
    let reference = args[0].as_number().ok_or_else(|| wrong(args, 0, "reference", "Number"))?;
    process.demonitor(reference as u64);
    done(Value::UNIT)
}

fn trap_exit(process: &mut Process, args: &[Value]) -> Result {
    let traps = args[0].as_boolean().ok_or_else(|| wrong(args, 0, "on", "Boolean"))?;
    let before = std::mem::replace(&mut process.bonds().trap_exit, traps);
    done(Value::boolean(before))
}

fn exit(process: &mut Process, args: &[Value]) -> Result {
    let target = pid_at(args, 0)?;
    process.send_exit(target, args[1], false);
    after_exit(process)
}

fn kill(process: &mut Process, args: &[Value]) -> Result {
    let target = pid_at(args, 0)?;
    process.send_exit(target, Value::atom(crate::atom::known::killed), true);
    after_exit(process)
}

fn after_exit(process: &Process) -> Result {
    // The worker ends a process that waits and has a reason to end.
    if process.exits() { Ok(Answer::Wait) } else { done(Value::UNIT) }
}

fn spawn(process: &mut Process, args: &[Value], bonds: Bonds) -> Result<Pid> {
    if closure::callee(args[0]).is_none() {
        return Err(wrong(args, 0, "function", "Function"));
    }
    actor::create(process, args[0], &args[1..], Some(Box::new(bonds))).map_err(NativeError::Trap)
}

fn spawn_with(process: &mut Process, args: &[Value]) -> Result {
    let list = container::array(args[1]).or_else(|| container::tuple(args[1]));
    let Some(list) = list else { return Err(wrong(args, 1, "arguments", "Array")) };
    let all: Vec<Value> = std::iter::once(args[0]).chain(list.iter().copied()).collect();
    let child = spawn(process, &all, Bonds::default())?;
    process.worker().enqueue(child);
    done(Value::pid(child))
}

fn spawn_link(process: &mut Process, args: &[Value]) -> Result {
    let bonds = Bonds { links: [process.pid].into(), ..Bonds::default() };
    let child = spawn(process, args, bonds)?;
    process.bonds().links.insert(child);
    process.worker().enqueue(child);
    done(Value::pid(child))
}

fn spawn_monitor(process: &mut Process, args: &[Value]) -> Result {
    let reference = process.system().new_reference();
    let bonds = Bonds { watchers: [(reference, process.pid)].into(), ..Bonds::default() };
    let child = spawn(process, args, bonds)?;
    process.bonds().monitors.insert(reference, child);
    process.worker().enqueue(child);
    let pair = [Value::pid(child), Value::number(reference as f64)];
    done(process.heap.new_tuple(&pair).map_err(|_| out_of_memory(process))?)
}

fn name(args: &[Value]) -> Result<Atom> {
    args[0].as_atom().ok_or_else(|| wrong(args, 0, "name", "Atom"))
}

fn register(process: &mut Process, args: &[Value]) -> Result {
    let name = name(args)?;
    let pid = if args.len() > 1 { pid_at(args, 1)? } else { process.pid };
    done(Value::boolean(process.system().table.register(name, pid)))
}

fn unregister(process: &mut Process, args: &[Value]) -> Result {
    let name = name(args)?;
    done(Value::boolean(process.system().table.names.remove(name)))
}

fn whereis(process: &mut Process, args: &[Value]) -> Result {
    let name = name(args)?;
    done(process.system().table.names.find(name).map_or(Value::UNDEFINED, Value::pid))
}

fn send_after(process: &mut Process, args: &[Value]) -> Result {
    let time = args[0].as_number().ok_or_else(|| wrong(args, 0, "ms", "Number"))?;
    let to = pid_at(args, 1)?;
    let (worker, system) = (process.worker(), process.system());
    let reference = system.new_reference();
    let message = Parcel::copy(args[2]);
    match actor::deadline(process, time) {
        None => drop(worker.send(to, message)),
        Some(deadline) => {
            let timer =
                deadline.map_or(0, |deadline| worker.add_timer(deadline, Alarm::Send(reference)));
            system.lock_later().insert(reference, Later { to, message, timer });
        }
    }
    done(Value::number(reference as f64))
}

fn cancel_timer(process: &mut Process, args: &[Value]) -> Result {
    let reference = signal::reference(args[0]);
    let reference = reference.ok_or_else(|| wrong(args, 0, "reference", "Number"))?;
    let cancelled = process.system().lock_later().remove(&reference);
    if let Some(later) = &cancelled {
        process.worker().cancel_timer(later.timer);
    }
    done(Value::boolean(cancelled.is_some()))
}

fn list(process: &mut Process, _: &[Value]) -> Result {
    let pids: Vec<Value> = process.system().table.pids().into_iter().map(Value::pid).collect();
    process.heap.fuel -= pids.len() as i64 / 16;
    done(process.heap.new_array(&pids).map_err(|_| out_of_memory(process))?)
}

fn now(process: &mut Process, _: &[Value]) -> Result {
    done(Value::number(process.worker().now() as f64 / 1e6))
}

/// What `Process.info` tells of a process that nobody else touches.
struct Details {
    number: u64,
    messages: usize,
    memory: usize,
    reductions: u64,
    links: Vec<Value>,
    monitors: Vec<Value>,
    trap_exit: bool,
}

impl Details {
    fn of(process: &Process) -> Details {
        let bonds = process.bonds.as_ref();
        let pids = |pid: &Pid| Value::pid(*pid);
        Details {
            number: process.number,
            messages: process.mailbox.len(),
            memory: process.memory(),
            reductions: process.reductions,
            links: bonds.map_or(vec![], |bonds| bonds.links.iter().map(pids).collect()),
            monitors: bonds.map_or(vec![], |bonds| bonds.monitors.values().map(pids).collect()),
            trap_exit: bonds.is_some_and(|bonds| bonds.trap_exit),
        }
    }
}

fn info(process: &mut Process, args: &[Value]) -> Result {
    let target = pid_at(args, 0)?;
    let (system, worker) = (process.system(), process.worker());
    if !system.table.is_alive(target) {
        return done(Value::UNDEFINED);
    }
    let (status, details) = if target == process.pid {
        process.fetch();
        ("running", Some(Details::of(process)))
    } else {
        worker.inspect(target, Details::of)
    };
    let atom = |text| Value::atom(system.atoms.intern(text));
    let name = system.table.names.of(target).map_or(Value::UNDEFINED, Value::atom);
    let mut pairs = vec![("status", atom(status)), ("name", name)];
    let no_memory = |_| NativeError::Trap(Trap::OutOfMemory { limit: system.config.max_heap });
    if let Some(details) = details {
        let heap = &mut process.heap;
        let links = heap.new_array(&details.links).map_err(no_memory)?;
        let monitors = heap.new_array(&details.monitors).map_err(no_memory)?;
        pairs.extend([
            ("number", Value::number(details.number as f64)),
            ("messages", Value::number(details.messages as f64)),
            ("memory", Value::number(details.memory as f64)),
            ("reductions", Value::number(details.reductions as f64)),
            ("links", links),
            ("monitors", monitors),
            ("trapExit", Value::boolean(details.trap_exit)),
        ]);
    }
    let tuples: std::result::Result<Vec<Value>, _> =
        pairs.iter().map(|(key, value)| process.heap.new_tuple(&[atom(key), *value])).collect();
    let tuples = tuples.map_err(no_memory)?;
    done(process.heap.new_array(&tuples).map_err(no_memory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_once() {
        let all = library();
        let mut names: Vec<_> = all.iter().map(|def| def.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|def| def.doc.ends_with('.') && def.signature.starts_with('(')));
    }
}
