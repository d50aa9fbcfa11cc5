//! Links, monitors and exit signals.
//!
//! A signal travels in the mailbox's outer list among the messages, so what one process does to
//! another arrives in the order in which it was done. The receiver acts on signals when it empties
//! its outer list: at the start of a slice if the slot's flag says that there are any, and whenever
//! it runs out of messages. Only the owner of a process touches its bonds.
//!
//! Both sides of a link remember it. A side that does not remember a link (any more) ignores its
//! exit signal, so the two may be made and undone at any time from both ends. A process that ends
//! tells all that it is bound to, and also those whose request for a bond arrives too late.

use super::mailbox::{Cursor, Node, immediate};
use super::table::Slot;
use super::{Process, Wait};
use crate::atom::known;
use crate::error::{ExitReason, Trap};
use crate::heap::Space;
use crate::heap::copy::{Parcel, copy_into};
use crate::object::container;
use crate::program::FuncId;
use crate::random::Random;
use crate::sched::worker::Worker;
use crate::system::{Overflow, System};
use crate::value::{Atom, Pid, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What one process does to another.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A link was made by this process.
    Link(Pid),
    /// A link was undone by this process.
    Unlink(Pid),
    /// This process wants to know of the end, under a reference.
    Monitor(u64, Pid),
    /// It no longer does.
    Demonitor(u64, Pid),
    /// The end of a linked process; the content is `(:exit, pid, reason)`.
    LinkExit(Pid),
    /// Somebody asks the process to end; the content is `(:exit, pid, reason)`.
    Exit,
    /// Somebody ends the process, whatever it does about exits; the content is the reason.
    Kill,
    /// The end of a monitored process; the content is `(:down, reference, pid, reason)`.
    Down(u64),
}

/// What a process has beyond the ordinary: bonds to others and a selective receive under way.
#[derive(Debug, Default)]
pub(crate) struct Bonds {
    pub(crate) links: BTreeSet<Pid>,
    /// What it monitors, by reference.
    pub(crate) monitors: BTreeMap<u64, Pid>,
    /// Who monitors it.
    pub(crate) watchers: BTreeSet<(u64, Pid)>,
    /// Do exit signals become messages?
    pub(crate) trap_exit: bool,
    /// The reason for which it must end.
    pub(crate) exit: Option<Parcel>,
    /// Where its selective receive is.
    pub(crate) cursor: Cursor,
    /// The timeout of its selective receive, once it had to wait.
    pub(crate) scan: Option<Wait>,
    /// State of its random numbers, see [`crate::random`].
    pub(crate) random: Option<Random>,
    /// Messages in the mailbox may be adopted.
    pub(crate) adopted: bool,
    /// A message that waits for room in its receiver's mailbox.
    pub(crate) held: Option<Parcel>,
    /// It waits for a message with as little memory as possible.
    pub(crate) hibernates: bool,
    /// What it does instead of ending.
    pub(crate) lasting: Option<Lasting>,
    /// What a function gave that ran on a thread of its own.
    pub(crate) answer: Option<std::result::Result<Value, Trap>>,
}

/// What a process does that begins again instead of ending: this function is called with its owner and the
/// reason for which it would have ended. Memory, mailbox and bonds stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasting {
    pub(crate) function: FuncId,
    pub(crate) owner: Pid,
}

/// The text of a number that references are made of.
pub(crate) fn reference(value: Value) -> Option<u64> {
    let number = value.as_number()?;
    (number >= 1.0 && number.fract() == 0.0 && number < (1u64 << 53) as f64)
        .then_some(number as u64)
}

/// A tuple of copies of `elements` in a space of its own.
pub(crate) fn tuple_parcel(elements: &[Value]) -> Parcel {
    let mut space = Space::new();
    let mut roots = elements.to_vec();
    copy_into(&mut space, &mut roots);
    let value = container::tuple_in_space(&mut space, &roots);
    Parcel { value, space }
}

/// `(:exit, from, reason)`.
pub(crate) fn exit_parcel(from: Pid, reason: Value) -> Parcel {
    tuple_parcel(&[Value::atom(known::exit), Value::pid(from), reason])
}

fn down_parcel(reference: u64, from: Pid, reason: Value) -> Parcel {
    let reference = Value::number(reference as f64);
    tuple_parcel(&[Value::atom(known::down), reference, Value::pid(from), reason])
}

/// The value that other processes see for a reason, copied.
pub(crate) fn reason_parcel(reason: &ExitReason, given: Option<&Parcel>) -> Parcel {
    match (reason, given) {
        (_, Some(parcel)) => Parcel::copy(parcel.value),
        (ExitReason::Crash(crash), None) => {
            let mut space = Space::new();
            let text = crate::object::string::new_in_space(&mut space, &crash.trap.to_string());
            let parts = [Value::atom(known::crash), Value::pointer(text)];
            let value = container::tuple_in_space(&mut space, &parts);
            Parcel { value, space }
        }
        (ExitReason::Killed, None) => super::mailbox::immediate(Value::atom(known::killed)),
        (ExitReason::Normal | ExitReason::Exit(_), None) => {
            super::mailbox::immediate(Value::atom(known::normal))
        }
    }
}

/// What a process ends with, as the machine reports it.
pub(crate) fn exit_reason(system: &System, reason: Value) -> ExitReason {
    match reason.as_atom() {
        Some(known::normal) => ExitReason::Normal,
        Some(known::killed) => ExitReason::Killed,
        _ => ExitReason::Exit(crate::print::to_text(system, reason)),
    }
}

fn is_normal(reason: Value) -> bool {
    reason.as_atom() == Some(known::normal)
}

impl Process {
    /// The bonds, made if there are none.
    pub(crate) fn bonds(&mut self) -> &mut Bonds {
        self.bonds.get_or_insert_default()
    }

    /// Must it end?
    #[inline(always)]
    pub(crate) fn exits(&self) -> bool {
        self.bonds.as_ref().is_some_and(|bonds| bonds.exit.is_some())
    }

    /// Takes what has arrived: messages to the mailbox, signals into account.
    pub(crate) fn fetch(&mut self) {
        let system = self.system();
        let Some(slot) = system.table.slot(self.pid) else { return };
        if slot.outer.is_empty() {
            return;
        }
        let mut arrived = slot.outer.take(self.pid.generation, self.worker().is_alone());
        if !arrived.signals {
            self.mailbox.append(arrived);
        } else {
            while let Some(node) = arrived.next() {
                self.arrive(node);
            }
        }
        if let Some((limit, Overflow::DropOld)) = system.config.max_mailbox {
            self.drop_old(limit);
        }
    }

    /// Drops the oldest messages beyond a limit. A selective receive begins anew.
    #[cold]
    fn drop_old(&mut self, limit: u32) {
        if self.mailbox.len() <= limit as usize {
            return;
        }
        if let Some(bonds) = &mut self.bonds {
            bonds.cursor = Cursor::default();
        }
        let pool = &self.worker().pool;
        while self.mailbox.len() > limit as usize {
            self.mailbox.receive(pool, drop);
            self.received();
        }
    }

    fn arrive(&mut self, mut node: Node) {
        let Some(signal) = node.take_signal() else { return self.mailbox.push(node) };
        let (killed, system) = (Value::atom(known::killed), self.system());
        let content = node.value();
        let bonds = self.bonds.get_or_insert_default();
        match *signal {
            Signal::Link(from) => drop(bonds.links.insert(from)),
            Signal::Unlink(from) => drop(bonds.links.remove(&from)),
            Signal::Monitor(reference, by) => drop(bonds.watchers.insert((reference, by))),
            Signal::Demonitor(reference, by) => drop(bonds.watchers.remove(&(reference, by))),
            Signal::Kill => bonds.exit = Some(super::mailbox::immediate(content)),
            Signal::Down(reference) => {
                if bonds.monitors.remove(&reference).is_some() {
                    self.mailbox.push(node);
                    self.count_arrival();
                }
            }
            Signal::LinkExit(_) | Signal::Exit => {
                if let Signal::LinkExit(from) = *signal
                    && !bonds.links.remove(&from)
                {
                    return;
                }
                let reason = container::tuple(node.value()).and_then(|parts| parts.last());
                let reason = reason.copied().unwrap_or(killed);
                if bonds.trap_exit {
                    self.mailbox.push(node);
                    self.count_arrival();
                } else if !is_normal(reason) && bonds.exit.is_none() {
                    system.trace(|| format!("process {} gets an exit signal", self.number));
                    bonds.exit = Some(Parcel::copy(reason));
                }
            }
        }
    }
}

impl Worker {
    /// Puts a message or signal into a mailbox and wakes the receiver; false if it has ended.
    pub(crate) fn deliver(&self, to: Pid, parcel: Parcel, signal: Option<Signal>) -> bool {
        let Some(slot) = self.system.table.slot(to) else { return false };
        let (Parcel { value, space }, is_signal) = (parcel, signal.is_some());
        let (signal, alone) = (signal.map(Box::new), self.is_alone());
        if !slot.outer.push(to.generation, value, space, signal, &self.pool, alone) {
            return false;
        }
        if is_signal {
            slot.signal();
        }
        self.wake_slot(slot, to);
        true
    }

    /// Wakes the process `to` in `slot`, into whose mailbox something was put.
    #[inline(always)]
    fn wake_slot(&self, slot: &Slot, to: Pid) {
        if slot.wake(self.is_alone()) {
            self.enqueue_slot(slot, to);
        } else if slot.is_host() {
            self.system.ring(to);
        }
    }

    /// Sends a copy of a message; false if the sender must wait for room.
    #[inline]
    pub(crate) fn send_copy(&self, to: Pid, message: Value) -> bool {
        let Some(slot) = self.system.table.slot(to) else { return true };
        if self.system.config.max_mailbox.is_some() && !self.has_room(slot, to, true) {
            return !self.senders_wait();
        }
        let Parcel { value, space } =
            if message.is_pointer() { Parcel::copy(message) } else { immediate(message) };
        if slot.outer.push(to.generation, value, space, None, &self.pool, self.is_alone()) {
            self.tally.messages.set(self.tally.messages.get() + 1);
            if slot.wake(self.is_alone()) {
                self.enqueue_woken(slot, to);
            } else if slot.is_host() {
                self.system.ring(to);
            }
        }
        true
    }

    /// Ends a process, whatever it does about exits.
    pub(crate) fn kill(&self, to: Pid, reason: Atom) {
        let content = super::mailbox::immediate(Value::atom(reason));
        self.deliver(to, content, Some(Signal::Kill));
    }

    /// Sends a message that is copied already, for somebody who cannot wait; false if the receiver has ended.
    pub(crate) fn send(&self, to: Pid, message: Parcel) -> bool {
        if self.system.config.max_mailbox.is_some() {
            let Some(slot) = self.system.table.slot(to) else { return false };
            if !self.has_room(slot, to, false) {
                return true;
            }
        }
        let sent = self.deliver(to, message, None);
        if sent {
            self.tally.messages.set(self.tally.messages.get() + 1);
        }
        sent
    }

    /// Sends a signal without content.
    pub(crate) fn signal(&self, to: Pid, signal: Signal) -> bool {
        self.deliver(to, super::mailbox::immediate(Value::UNIT), Some(signal))
    }

    /// Tells all that are bound to `process` of its end. Its mailbox is closed; `late` is what had
    /// arrived until then and was not looked at.
    pub(crate) fn tell_end(
        &self,
        pid: Pid,
        bonds: Option<Box<Bonds>>,
        late: super::mailbox::Chain,
        reason: &dyn Fn() -> Parcel,
    ) {
        if bonds.is_none() && !late.signals {
            return;
        }
        let mut bonds = bonds.unwrap_or_default();
        let mut late = late;
        while let Some(mut node) = late.next() {
            match node.take_signal().as_deref() {
                Some(Signal::Link(from)) => drop(bonds.links.insert(*from)),
                Some(Signal::Unlink(from) | Signal::LinkExit(from)) => {
                    bonds.links.remove(from);
                }
                Some(Signal::Monitor(reference, by)) => {
                    bonds.watchers.insert((*reference, *by));
                }
                Some(Signal::Demonitor(reference, by)) => {
                    bonds.watchers.remove(&(*reference, *by));
                }
                Some(Signal::Down(reference)) => drop(bonds.monitors.remove(reference)),
                Some(Signal::Exit | Signal::Kill) | None => {}
            }
        }
        let reason = reason();
        for linked in &bonds.links {
            self.deliver(*linked, exit_parcel(pid, reason.value), Some(Signal::LinkExit(pid)));
        }
        for (reference, by) in &bonds.watchers {
            let parcel = down_parcel(*reference, pid, reason.value);
            self.deliver(*by, parcel, Some(Signal::Down(*reference)));
        }
        for (reference, target) in &bonds.monitors {
            self.signal(*target, Signal::Demonitor(*reference, pid));
        }
    }
}

impl Process {
    /// Makes a link. If the other has ended already, its exit signal comes at once.
    pub(crate) fn link(&mut self, to: Pid) {
        if to == self.pid {
            return;
        }
        let (own, worker) = (self.pid, self.worker());
        self.bonds().links.insert(to);
        if !worker.signal(to, Signal::Link(own)) {
            let parcel = exit_parcel(to, Value::atom(known::noproc));
            worker.deliver(own, parcel, Some(Signal::LinkExit(to)));
        }
    }

    /// Undoes a link. Afterwards no exit signal of the other has any effect.
    pub(crate) fn unlink(&mut self, to: Pid) {
        let own = self.pid;
        if self.bonds.as_mut().is_some_and(|bonds| bonds.links.remove(&to)) {
            self.worker().signal(to, Signal::Unlink(own));
        }
    }

    /// Asks to be told of an end; gives the reference that the message will have.
    pub(crate) fn monitor(&mut self, target: Pid) -> u64 {
        let (own, worker) = (self.pid, self.worker());
        let reference = self.system().new_reference();
        self.bonds().monitors.insert(reference, target);
        let known = target != own && worker.signal(target, Signal::Monitor(reference, own));
        if !known {
            let reason = Value::atom(known::noproc);
            let parcel = down_parcel(reference, target, reason);
            worker.deliver(own, parcel, Some(Signal::Down(reference)));
        }
        reference
    }

    /// Ends a monitor. Afterwards there is no message with this reference in the mailbox, and none
    /// will come.
    pub(crate) fn demonitor(&mut self, reference: u64) {
        let own = self.pid;
        match self.bonds().monitors.remove(&reference) {
            Some(target) => {
                self.worker().signal(target, Signal::Demonitor(reference, own));
            }
            None => {
                self.rewind();
                let number = Value::number(reference as f64);
                let pool = &self.worker().pool;
                let dropped =
                    self.mailbox.drop_first(pool, |value| match container::tuple(value) {
                        Some([tag, at, ..]) => *tag == Value::atom(known::down) && *at == number,
                        _ => false,
                    });
                if dropped {
                    self.received();
                }
            }
        }
    }

    /// Ends the selective receive under way.
    pub(crate) fn rewind(&mut self) {
        let Some(bonds) = &mut self.bonds else { return };
        bonds.cursor = Cursor::default();
        let timer = bonds.scan.take().and_then(|wait| wait.timer());
        if let Some((_, timer)) = timer {
            self.worker().cancel_timer(timer);
        }
    }

    /// Asks another process to end, or ends this one. `untrapped`: whatever it does about exits.
    pub(crate) fn send_exit(&mut self, to: Pid, reason: Value, untrapped: bool) {
        if to == self.pid {
            self.bonds().exit = Some(Parcel::copy(reason));
            return;
        }
        let worker = self.worker();
        if untrapped {
            worker.kill(to, known::killed);
        } else {
            worker.deliver(to, exit_parcel(self.pid, reason), Some(Signal::Exit));
        }
    }
}
