//! The process table: from a handle to a process, and the states of processes.
//!
//! A slot outlives its users, so other threads may always look at its atomics; the process itself
//! may be touched only by the worker that runs it (state RUNNING), or by whoever has just taken it
//! out of a run queue.
//!
//! States and who changes them:
//!
//! | from | to | who |
//! |---|---|---|
//! | FREE | RUNNABLE | the spawner, which then queues it |
//! | FREE | HOST | the host; back to FREE when it ends |
//! | RUNNABLE | RUNNING | the worker that took it from a queue |
//! | RUNNING | RUNNABLE | its worker, which then queues it |
//! | RUNNING | WAITING | its worker; it then looks once more for what it waits for |
//! | WAITING | RUNNABLE | whoever wakes it, exactly one, which then queues it |
//! | WAITING | RUNNING | who looks at it, and puts it back like its worker |
//! | RUNNING | FREE | its worker, when the process has ended |

use super::Process;
use super::mailbox::{Chain, Outer};
use super::names::Names;
use super::owned::Owned;
use super::room::Rooms;
use crate::heap::copy::Parcel;
use crate::sync::{AtomicBool, AtomicU32, Mutex, MutexGuard, Ordering, add, total_order};
use crate::value::{Atom, Pid};
use std::cell::RefCell;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64 as Counter, AtomicUsize};

/// No process.
pub const FREE: u32 = 0;
/// In a run queue, or about to be put there.
pub const RUNNABLE: u32 = 1;
/// A worker runs it.
pub const RUNNING: u32 = 2;
/// Waits for a message, an end or a timer.
pub const WAITING: u32 = 3;
/// Belongs to the host and has no code.
pub const HOST: u32 = 4;

/// A slot is used again only after this many others, so that generations last long.
const MIN_FREE: usize = 1024;

/// One slot, see the module text.
#[derive(Debug)]
pub struct Slot {
    pub(crate) outer: Outer,
    state: AtomicU32,
    generation: AtomicU32,
    /// Another process has ended this one; its worker sees it before the next step.
    kill: AtomicBool,
    /// Messages on their way or in the mailbox; counted only if mailboxes are limited.
    pub(crate) queued: AtomicU32,
    /// There may be signals in the outer list. Set behind each push of one; the worker takes it back
    /// before it looks, at the start of a slice.
    signalled: AtomicBool,
    /// Somebody waits, or waited, for its end, or it has, or had, a name.
    watched: AtomicBool,
    /// Which queue it goes to, see [`crate::sched::queue`]; only the process itself and the worker that runs it
    /// write it.
    pub(crate) priority: AtomicU8,
    /// The number of its user.
    number: Counter,
    process: UnsafeCell<Option<Owned>>,
}

// SAFETY: `process` is touched only under the state protocol above, which gives one thread at a
// time the right to it; the other fields are atomics.
unsafe impl Sync for Slot {}
// SAFETY: as above; a process may move between threads.
unsafe impl Send for Slot {}

impl Slot {
    /// A slot without a user.
    pub(crate) fn new() -> Slot {
        Slot {
            outer: Outer::closed(),
            state: AtomicU32::new(FREE),
            generation: AtomicU32::new(0),
            kill: AtomicBool::new(false),
            queued: AtomicU32::new(0),
            signalled: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            priority: AtomicU8::new(0),
            number: Counter::new(0),
            process: UnsafeCell::new(None),
        }
    }

    /// Takes the process out, to run it. The caller has taken it from a run queue.
    pub(crate) fn take(&self) -> Option<Owned> {
        self.state.store(RUNNING, Ordering::Relaxed);
        // SAFETY: whoever takes a handle from a run queue owns the process (state protocol).
        unsafe { (*self.process.get()).take() }
    }

    /// Takes out a process that waits, to look at it. The caller puts it back.
    pub(crate) fn take_waiting(&self) -> Option<Owned> {
        self.state
            .compare_exchange(WAITING, RUNNING, Ordering::SeqCst, Ordering::Relaxed)
            .ok()
            // SAFETY: the exchange gives this thread the right to the process (state protocol).
            .and_then(|_| unsafe { (*self.process.get()).take() })
    }

    /// What the process does.
    pub(crate) fn status(&self) -> &'static str {
        match self.state.load(Ordering::Relaxed) {
            RUNNABLE => "runnable",
            RUNNING => "running",
            WAITING => "waiting",
            _ => "ended",
        }
    }

    /// Puts the process back and says that it is runnable. The caller then queues it.
    pub(crate) fn put_runnable(&self, process: Owned) {
        // SAFETY: the caller ran the process, so it owns the slot's content.
        unsafe { *self.process.get() = Some(process) };
        self.state.store(RUNNABLE, Ordering::Release);
    }

    /// Puts the process back, waiting. True if `ready` says that it must run after all. `alone`: no other
    /// thread looks at waiting processes.
    #[inline]
    pub(crate) fn put_waiting(
        &self,
        process: Owned,
        alone: bool,
        ready: impl FnOnce() -> bool,
    ) -> bool {
        // SAFETY: the caller ran the process, so it owns the slot's content.
        unsafe { *self.process.get() = Some(process) };
        if alone {
            self.state.store(WAITING, Ordering::Relaxed);
        } else {
            // SeqCst: pairs with the push in the mailbox and with `wake`.
            self.state.store(WAITING, Ordering::SeqCst);
            total_order();
        }
        let flagged = self.kill.load(Ordering::SeqCst) || self.signalled.load(Ordering::SeqCst);
        (flagged || ready()) && self.wake(alone)
    }

    /// From waiting to runnable. True if this call did it: then the caller queues the process. `alone`: no
    /// other thread wakes processes.
    #[inline]
    pub(crate) fn wake(&self, alone: bool) -> bool {
        if self.state.load(Ordering::SeqCst) != WAITING {
            return false;
        }
        if alone {
            self.state.store(RUNNABLE, Ordering::Relaxed);
        }
        alone
            || self
                .state
                .compare_exchange(WAITING, RUNNABLE, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
    }

    /// Has another process asked to end it?
    pub(crate) fn killed(&self) -> bool {
        self.kill.load(Ordering::Relaxed)
    }

    /// Forgets that another process has asked to end it.
    pub(crate) fn forgive(&self) {
        self.kill.store(false, Ordering::SeqCst);
    }

    /// Forgets what was asked of the last user.
    fn clear(&self) {
        for flag in [&self.kill, &self.signalled, &self.watched] {
            flag.store(false, Ordering::Relaxed);
        }
        self.queued.store(0, Ordering::Relaxed);
        self.priority.store(0, Ordering::Relaxed);
    }

    /// Does the process belong to the host?
    #[inline]
    pub(crate) fn is_host(&self) -> bool {
        self.state.load(Ordering::Relaxed) == HOST
    }

    /// Says that a signal was pushed. The caller then wakes the process.
    pub(crate) fn signal(&self) {
        // SeqCst: pairs with the look in `put_waiting`.
        self.signalled.store(true, Ordering::SeqCst);
        total_order();
    }

    /// Were signals pushed since the last look?
    #[inline]
    pub(crate) fn take_signalled(&self) -> bool {
        self.signalled.load(Ordering::Relaxed) && self.signalled.swap(false, Ordering::SeqCst)
    }

    /// The process, for reports while no worker runs.
    pub(crate) fn peek(&self) -> Option<&Process> {
        // SAFETY: callers hold the only worker still alive (end of a run), so nothing else touches it.
        unsafe { (*self.process.get()).as_deref() }
    }
}

/// Slots that one worker keeps for new processes.
#[derive(Debug, Default)]
pub(crate) struct FreeSlots(RefCell<VecDeque<u32>>);

impl FreeSlots {
    /// One that has been free for long enough.
    fn take(&self) -> Option<u32> {
        let mut kept = self.0.borrow_mut();
        if kept.len() > MIN_FREE { kept.pop_front() } else { None }
    }
}

/// So many free slots go from one worker to another at a time.
const BATCH: usize = 64;

/// All slots, in rows of which each is as long as all before it together. They never move.
#[derive(Debug)]
struct Slots {
    rows: [OnceLock<Box<[Slot]>>; ROWS],
    len: AtomicUsize,
}

const FIRST_ROW: usize = 64;
const ROWS: usize = 23;

impl Default for Slots {
    fn default() -> Self {
        Slots { rows: [const { OnceLock::new() }; ROWS], len: AtomicUsize::new(0) }
    }
}

impl Slots {
    /// The row of a slot, and where in it.
    #[inline(always)]
    fn locate(index: usize) -> (usize, usize) {
        let shifted = index + FIRST_ROW;
        let row = shifted.ilog2() - FIRST_ROW.ilog2();
        (row as usize, shifted - (FIRST_ROW << row))
    }

    #[inline(always)]
    fn get(&self, index: usize) -> Option<&Slot> {
        let (row, at) = Slots::locate(index);
        self.rows.get(row)?.get()?.get(at)
    }

    /// One slot more; its number.
    fn add(&self) -> u32 {
        let index = self.len.fetch_add(1, Ordering::Relaxed);
        let (row, _) = Slots::locate(index);
        let count = FIRST_ROW << row;
        self.rows[row].get_or_init(|| (0..count).map(|_| Slot::new()).collect());
        index as u32
    }

    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

/// What is known about ended processes, and who waits for ends.
#[derive(Debug, Default)]
struct Ends {
    /// Results other than Undefined.
    results: rustc_hash::FxHashMap<Pid, Parcel>,
    waiters: rustc_hash::FxHashMap<Pid, Vec<Pid>>,
}

/// See the module text.
#[derive(Debug, Default)]
pub struct ProcessTable {
    slots: Slots,
    /// Free slots that no worker keeps for itself.
    free: Mutex<VecDeque<u32>>,
    /// How many there are in `free`, for a look without the lock.
    free_count: AtomicUsize,
    live: Counter,
    ends: Mutex<Ends>,
    /// Names of processes.
    pub(crate) names: Names,
    /// Who waits for room in mailboxes.
    pub(super) rooms: Rooms,
    /// Handles of processes whose numbers appear in LINK instructions.
    linked: Mutex<rustc_hash::FxHashMap<u64, Pid>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these locks is held leaves its map whole.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl ProcessTable {
    /// The slot of a handle, whoever uses it now.
    #[inline]
    pub(crate) fn slot(&self, pid: Pid) -> Option<&Slot> {
        self.slots.get(pid.slot as usize)
    }

    /// How many processes there are.
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// A handle for a new process; `None` if there are `limit` already. `alone`: no other thread starts or ends
    /// processes.
    pub(crate) fn allocate(&self, limit: usize, own: &FreeSlots, alone: bool) -> Option<Pid> {
        if add(&self.live, 1, alone) as usize >= limit {
            add(&self.live, 1u64.wrapping_neg(), alone);
            return None;
        }
        let index = own.take().or_else(|| self.take_free(own)).unwrap_or_else(|| self.slots.add());
        let generation = self.slots.get(index as usize)?.generation.load(Ordering::Relaxed);
        Some(Pid { slot: index, generation })
    }

    /// Takes some of the free slots that others have given.
    fn take_free(&self, own: &FreeSlots) -> Option<u32> {
        if self.free_count.load(Ordering::Relaxed) <= MIN_FREE {
            return None;
        }
        let mut free = lock(&self.free);
        let count = free.len().saturating_sub(MIN_FREE).min(BATCH);
        let mut kept = own.0.borrow_mut();
        kept.extend(free.drain(..count));
        self.free_count.store(free.len(), Ordering::Relaxed);
        // The newest here have been free for longer than the others.
        kept.pop_back()
    }

    /// Gives all slots back that somebody kept.
    pub(crate) fn give_all(&self, own: &FreeSlots) {
        let mut free = lock(&self.free);
        free.extend(own.0.borrow_mut().drain(..));
        self.free_count.store(free.len(), Ordering::Relaxed);
    }

    fn give_free(&self, slot: u32, own: &FreeSlots) {
        let mut kept = own.0.borrow_mut();
        kept.push_back(slot);
        if kept.len() > MIN_FREE + 2 * BATCH {
            let mut free = lock(&self.free);
            free.extend(kept.drain(..BATCH));
            self.free_count.store(free.len(), Ordering::Relaxed);
        }
    }

    /// Makes a new process reachable. The caller then queues it.
    pub(crate) fn start(&self, process: Owned) {
        let pid = process.pid;
        if let Some(slot) = self.slot(pid) {
            slot.clear();
            slot.number.store(process.number, Ordering::Relaxed);
            slot.outer.open(pid.generation);
            slot.put_runnable(process);
        }
    }

    /// Makes a new process of the host reachable.
    pub(crate) fn start_host(&self, pid: Pid) {
        if let Some(slot) = self.slot(pid) {
            slot.clear();
            slot.number.store(0, Ordering::Relaxed);
            slot.state.store(HOST, Ordering::SeqCst);
            slot.outer.open(pid.generation);
        }
    }

    /// Is the process still there?
    pub(crate) fn is_alive(&self, pid: Pid) -> bool {
        self.slot(pid).is_some_and(|slot| slot.outer.is_open(pid.generation))
    }

    /// The number of a process that has not ended; 0 for one of the host.
    pub(crate) fn number(&self, pid: Pid) -> Option<u64> {
        let number = self.slot(pid)?.number.load(Ordering::Relaxed);
        self.is_alive(pid).then_some(number)
    }

    /// Asks to end a process. True if the caller must queue it. `alone`: as for [`Slot::wake`].
    pub(crate) fn kill(&self, pid: Pid, alone: bool) -> bool {
        match self.slot(pid) {
            Some(slot) if slot.outer.is_open(pid.generation) => {
                slot.kill.store(true, Ordering::SeqCst);
                total_order();
                slot.wake(alone)
            }
            _ => false,
        }
    }

    /// Takes an ended process out of the table. Returns who waited for the end, and what was still in
    /// the outer list. `alone`: no other thread starts, wakes or ends processes.
    pub(crate) fn end(
        &self,
        pid: Pid,
        result: Option<Parcel>,
        own: &FreeSlots,
        alone: bool,
    ) -> Option<(Vec<Pid>, Chain)> {
        let slot = self.slot(pid)?;
        // The result is there before the end can be seen.
        if let Some(result) = result {
            lock(&self.ends).results.insert(pid, result);
        }
        // SeqCst: pairs with `ended`, which sets the flag and then looks whether the mailbox is closed:
        // either it sees that, or this sees the flag.
        let late = slot.outer.close(pid.generation, alone);
        let waiters = match slot.watched.load(Ordering::SeqCst) {
            true => {
                self.names.forget(pid);
                lock(&self.ends).waiters.remove(&pid).unwrap_or_default()
            }
            false => Vec::new(),
        };
        slot.state.store(FREE, Ordering::Relaxed);
        // Generations have 20 bits, see `Pid`.
        slot.generation.store((pid.generation + 1) & 0xF_FFFF, Ordering::Release);
        add(&self.live, 1u64.wrapping_neg(), alone);
        self.give_free(pid.slot, own);
        Some((waiters, late))
    }

    /// Gives a living process a name. False if it has one, the name is taken, or the process has ended.
    pub(crate) fn register(&self, name: Atom, pid: Pid) -> bool {
        let Some(slot) = self.slot(pid) else { return false };
        if !self.names.add(name, pid) {
            return false;
        }
        // SeqCst: pairs with `end`, which closes the mailbox and then looks at the flag: either it
        // sees the flag, or this sees that the mailbox is closed.
        slot.watched.store(true, Ordering::SeqCst);
        total_order();
        let alive = self.is_alive(pid);
        if !alive {
            self.names.forget(pid);
        }
        alive
    }

    /// The living processes.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        let handles = (0..self.slots.len()).filter_map(|index| {
            let generation = self.slots.get(index)?.generation.load(Ordering::Acquire);
            Some(Pid { slot: index as u32, generation })
        });
        handles.filter(|pid| self.is_alive(*pid)).collect()
    }

    /// If `target` has ended, a copy of its result through `with`; otherwise `waiter` is told of its end.
    pub(crate) fn ended<R>(
        &self,
        target: Pid,
        waiter: Pid,
        with: impl FnOnce(Option<&Parcel>) -> R,
    ) -> Option<R> {
        let mut ends = lock(&self.ends);
        if let Some(slot) = self.slot(target)
            && self.is_alive(target)
        {
            slot.watched.store(true, Ordering::SeqCst);
            total_order();
        }
        if !self.is_alive(target) {
            return Some(with(ends.results.get(&target)));
        }
        let waiters = ends.waiters.entry(target).or_default();
        if !waiters.contains(&waiter) {
            waiters.push(waiter);
        }
        None
    }

    /// Forgets that `waiter` waits for any of `targets`.
    pub(crate) fn stop_waiting(&self, waiter: Pid, targets: &[Pid]) {
        let mut ends = lock(&self.ends);
        for target in targets {
            if let Some(waiters) = ends.waiters.get_mut(target) {
                waiters.retain(|other| *other != waiter);
                if waiters.is_empty() {
                    ends.waiters.remove(target);
                }
            }
        }
    }

    /// Remembers the handle of a process that some LINK names by number.
    pub(crate) fn remember_number(&self, number: u64, pid: Pid) {
        lock(&self.linked).insert(number, pid);
    }

    /// The handle of a process that some LINK names by number.
    pub(crate) fn by_number(&self, number: u64) -> Option<Pid> {
        lock(&self.linked).get(&number).copied()
    }

    /// All slots, for reports while no worker runs.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        (0..self.slots.len()).filter_map(|index| self.slots.get(index))
    }
}
