//! Senders that wait for room in a full mailbox (`--max-mailbox N:block`).
//!
//! A message that finds no room stays with its sender, which waits and then sends it first of all. Each waits
//! under a *ticket*: whoever makes room takes as many of the oldest tickets and wakes their processes.
//!
//! **No wake-up is lost.** A sender takes its ticket, is WAITING then, and looks last of all whether the ticket
//! is gone or there is room: either it sees that, or whoever made room finds a process that waits. A ticket that was
//! taken from a process that ends before it has used the room is passed on when it ends.

use super::table::{ProcessTable, Slot};
use crate::heap::copy::Parcel;
use crate::process::{Process, Wait};
use crate::sched::worker::Worker;
use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering, total_order};
use crate::system::Overflow;
use crate::value::Pid;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Who waits for room, by receiver and ticket.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    inner: Mutex<Inner>,
    /// How many wait, for a look without the lock.
    count: AtomicU32,
}

#[derive(Debug, Default)]
struct Inner {
    tickets: u64,
    waiting: FxHashMap<Pid, BTreeMap<u64, Pid>>,
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ProcessTable {
    /// A ticket for `sender`, which waits for room in the mailbox of `to`.
    pub(crate) fn take_ticket(&self, to: Pid, sender: Pid) -> u64 {
        let mut inner = self.rooms.lock();
        inner.tickets += 1;
        let ticket = inner.tickets;
        inner.waiting.entry(to).or_default().insert(ticket, sender);
        // SeqCst: pairs with `made_room`, as the look at `queued` behind it.
        self.rooms.count.fetch_add(1, Ordering::SeqCst);
        total_order();
        ticket
    }

    /// Gives a ticket back, if it was not taken.
    pub(crate) fn return_ticket(&self, to: Pid, ticket: u64) {
        let mut inner = self.rooms.lock();
        if let Some(tickets) = inner.waiting.get_mut(&to) {
            if tickets.remove(&ticket).is_some() {
                self.rooms.count.fetch_sub(1, Ordering::SeqCst);
            }
            if tickets.is_empty() {
                inner.waiting.remove(&to);
            }
        }
    }

    /// Need the holder of a ticket not wait any more?
    pub(crate) fn may_send(&self, to: Pid, ticket: u64, limit: u32) -> bool {
        let Some(slot) = self.slot(to) else { return true };
        if slot.queued.load(Ordering::SeqCst) < limit || !slot.outer.is_open(to.generation) {
            return true;
        }
        let inner = self.rooms.lock();
        !inner.waiting.get(&to).is_some_and(|tickets| tickets.contains_key(&ticket))
    }

    /// Takes the tickets of those for whom there is room in the mailbox of `to` now: of all, if it has ended.
    #[cold]
    pub(crate) fn made_room(&self, to: Pid, limit: u32) -> Vec<Pid> {
        let Some(slot) = self.slot(to) else { return Vec::new() };
        total_order();
        if self.rooms.count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let room = match slot.outer.is_open(to.generation) {
            true => limit.saturating_sub(slot.queued.load(Ordering::SeqCst)) as usize,
            false => usize::MAX,
        };
        let mut inner = self.rooms.lock();
        let mut woken = Vec::new();
        if let Some(tickets) = inner.waiting.get_mut(&to) {
            while woken.len() < room
                && let Some((_, sender)) = tickets.pop_first()
            {
                woken.push(sender);
            }
            if tickets.is_empty() {
                inner.waiting.remove(&to);
            }
        }
        self.rooms.count.fetch_sub(woken.len() as u32, Ordering::SeqCst);
        woken
    }
}

impl Worker {
    /// Counts a message for a mailbox with a limit; false if there is no room for it. `waits`: the
    /// sender can wait until there is; if it cannot, the message goes beyond the limit then.
    #[cold]
    pub(crate) fn has_room(&self, slot: &Slot, to: Pid, waits: bool) -> bool {
        let Some((limit, overflow)) = self.system.config.max_mailbox else { return true };
        if !slot.outer.is_open(to.generation) || slot.is_host() {
            return true;
        }
        let full = slot.queued.fetch_add(1, Ordering::SeqCst) >= limit;
        let beyond = overflow == Overflow::DropOld || overflow == Overflow::Block && !waits;
        if !full || beyond {
            return true;
        }
        slot.queued.fetch_sub(1, Ordering::SeqCst);
        match overflow {
            Overflow::Kill => self.kill(to, crate::atom::known::mailbox_full),
            // Somebody may have found no room because of this one.
            Overflow::Block => self.made_room(to),
            Overflow::DropNew | Overflow::DropOld => {}
        }
        false
    }

    /// Do senders wait for room?
    #[inline]
    pub(crate) fn senders_wait(&self) -> bool {
        matches!(self.system.config.max_mailbox, Some((_, Overflow::Block)))
    }

    /// There may be room in the mailbox of `to`: wakes who waits for it.
    pub(crate) fn made_room(&self, to: Pid) {
        if let Some((limit, Overflow::Block)) = self.system.config.max_mailbox {
            self.system.table.made_room(to, limit).into_iter().for_each(|pid| self.wake(pid));
        }
    }

    /// Sends the message that a process was held up with, if it was and there is room now; false if it
    /// must wait on.
    pub(crate) fn send_held(&self, process: &mut Process) -> bool {
        let Wait::Room { to, ticket } = process.wait else { return true };
        let table = &self.system.table;
        table.return_ticket(to, ticket);
        process.wait = Wait::Room { to, ticket: 0 };
        if table.slot(to).is_some_and(|slot| !self.has_room(slot, to, true)) {
            return false;
        }
        process.wait = Wait::No;
        if let Some(message) = process.bonds().held.take()
            && self.deliver(to, message, None)
        {
            self.tally.messages.set(self.tally.messages.get() + 1);
        }
        true
    }

    /// A process ends that may have waited for room: what it was woken for is for others.
    pub(crate) fn forget_held(&self, process: &Process) {
        if let Wait::Room { to, ticket } = process.wait {
            self.system.table.return_ticket(to, ticket);
            self.made_room(to);
        }
    }
}

impl Process {
    /// Keeps a message for which there was no room. The next safepoint, which is behind the SEND, lets the
    /// process wait.
    #[cold]
    pub(crate) fn hold(&mut self, to: Pid, message: Parcel) {
        self.bonds().held = Some(message);
        self.wait = Wait::Room { to, ticket: 0 };
        self.heap.reserve += self.heap.fuel;
        self.heap.fuel = 0;
    }

    /// A message has arrived that no sender has counted.
    pub(crate) fn count_arrival(&self) {
        let system = self.system();
        if system.config.max_mailbox.is_some()
            && let Some(slot) = system.table.slot(self.pid)
        {
            slot.queued.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A message has left the mailbox: there is room for another.
    #[inline(always)]
    pub(crate) fn received(&self) {
        if self.system().config.max_mailbox.is_some() {
            self.count_departure();
        }
    }

    #[cold]
    fn count_departure(&self) {
        let Some(slot) = self.system().table.slot(self.pid) else { return };
        // Messages to hosts are not counted.
        let one_less = |queued: u32| queued.checked_sub(1);
        let _ = slot.queued.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        if self.worker().senders_wait() {
            self.worker().made_room(self.pid);
        }
    }
}
