//! A worker: takes processes from its run queue and runs a slice of each.
//!
//! A process that was woken goes to the queue of the worker that woke it, so processes that talk stay together.
//! See [`super::queue`] for who runs when, [`super::hub`] for how work comes to workers that have none, and
//! [`super::trial`] for whether it should.
//!
//! A thread that runs no slices but works for processes (one that a host or a blocking function uses)
//! has a worker too, without a number; what it makes runnable goes to the hub.
//!
//! Compiled code reaches its worker through the running process; the table of runtime functions
//! that it calls is the first field. Operations of the running process reach into the worker while
//! the worker is inside its own methods, so everything that changes is in cells and nobody ever
//! holds a `&mut Worker`.

use super::ending::Ending;
use super::hub::{self, Hub, Next};
use super::queue::{self, Picked, RunQueue};
use super::random::Random;
use super::timer::Wheel;
use super::trial::Sample;
use crate::error::{ExitReason, Trap};
use crate::helpers::{HELPERS, HelperTable};
use crate::interp::code::{CodeBlock, Codes};
use crate::interp::{self, Leave};
use crate::ops::call::Resumed;
use crate::ops::{Cont, call};
use crate::process::mailbox::Pool;
use crate::process::owned::Owned;
use crate::process::signal::{self, Bonds};
use crate::process::stack::{NATIVE_FRAME, Stack};
use crate::process::table::{FreeSlots, Slot};
use crate::process::{Process, Safepoint, Wait};
use crate::program::FuncId;
use crate::slab::Slab;
use crate::system::{Engine, Preempt, System};
use crate::tier::STATUS_RETURNED;
use crate::value::{Pid, Value};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why compiled code unwound, if it was not for want of reductions.
#[derive(Debug)]
pub(crate) enum Unwound {
    Yield,
    Blocked,
    Trap(Box<Trap>),
    /// A call was pushed whose result the newest own record waits for.
    Call,
    /// This is the result that the newest own record waits for.
    Deliver(Value),
    /// A check in compiled code of this function has failed.
    Exit(FuncId),
}

/// See the module text.
#[repr(C)]
pub struct Worker {
    helpers: HelperTable,
    /// See [`crate::tier::Compiler::table`].
    pub(crate) table: *const AtomicU64,
    /// Lowest address that compiled code may use on this worker's native stack.
    pub(crate) stack_limit: usize,
    pub(crate) system: Arc<System>,
    codes: Arc<Slab<CodeBlock>>,
    /// Its number; `None` if it runs no slices.
    id: Option<usize>,
    /// Entries for suspended calls by function; empty: not asked for yet.
    resume: RefCell<Vec<Option<ResumeEntry>>>,
    /// Calls and turns of loops by function, while it is interpreted.
    heat: Vec<Cell<u32>>,
    queue: RefCell<RunQueue>,
    /// May a process that is woken go on with the turn of the one that wakes it?
    turns: bool,
    /// Reductions left of the last slice.
    left: Cell<i64>,
    timers: RefCell<Wheel<Alarm>>,
    /// Work done so far: reductions, and [`SLICE_WORK`] for each slice.
    work: Cell<u64>,
    /// Work done when the clock was last looked at for timers.
    looked: Cell<u64>,
    /// Work done when there was first something to spare for workers without work.
    spare_since: Cell<Option<u64>>,
    /// Chooses among what may run, if the schedule is to be a random one.
    random: Option<RefCell<Random>>,
    /// Is the number of slices limited?
    limited: bool,
    pub(crate) tally: Tally,
    /// Records of compiled code that unwinds, innermost first.
    pub(crate) records: RefCell<Stack>,
    pub(crate) unwound: RefCell<Option<Unwound>>,
    /// How the process has ended whose slice is over.
    ending: RefCell<Option<Ending>>,
    /// What becomes of the result of the call that was just pushed; the next record takes it.
    pub(crate) pending: Cell<Cont>,
    /// Arguments of calls of unknown functions, for compiled code.
    pub(crate) args: RefCell<Vec<Value>>,
    /// Memory of messages.
    pub(crate) pool: Pool,
    /// Memory of processes that have ended, empty.
    ended: RefCell<Vec<Owned>>,
    /// Free slots of the table.
    pub(crate) slots: FreeSlots,
    /// Is it the only thread that starts, wakes and ends processes? Changes between slices only, see
    /// [`super::hub`].
    alone: Cell<bool>,
    /// Has it reserved everything, until it is alone?
    reserves: Cell<bool>,
}

/// What one worker has counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: Cell<u64>,
    pub(super) reductions: Cell<u64>,
    pub(crate) collections: Cell<u64>,
}

/// What a slice counts beside its reductions, when work stands for time.
const SLICE_WORK: u64 = 32;

/// A worker looks at the clock for its timers after so much work, which takes some 50 µs.
const LOOK_AFTER: u64 = 8000;

/// A worker that has had processes to spare for so much work shares them. Less would send processes that
/// run for a moment only back and forth; the other worker waits so long in vain.
const SHARE_AFTER: u64 = 8000;

/// A worker keeps the memory of so many ended processes.
const MAX_ENDED: usize = 1024;

/// How often a worker without work looks again before it sleeps.
const SPINS: u32 = 2000;

/// Bits of a timer's key that the wheel gives; above is the number of the worker.
const KEY_BITS: u32 = 54;

/// The most workers that a machine may have.
pub const MAX_SCHEDULERS: usize = 1000;

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// How suspended calls of a function go on.
#[derive(Clone, Copy)]
enum ResumeEntry {
    /// In compiled code at this address.
    Code(*const u8),
    /// In the interpreter: the function could not be compiled.
    Interpreted,
}

/// So many calls and turns of loops make a function hot.
const HOT: u32 = 1000;

/// How a slice ended.
enum SliceEnd {
    Preempted,
    Blocked,
    /// The process has ended; how is in [`Worker::ending`].
    Ended,
    /// The process calls a function that blocks.
    Away,
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Wakes a process.
    Wake(Pid),
    /// Sends the message kept under this reference.
    Send(u64),
}

impl Worker {
    /// Worker number `id` of `system`, or one that runs no slices.
    ///
    /// `stack`: bytes of native stack that compiled code may use, from here down.
    pub(crate) fn new(system: Arc<System>, id: Option<usize>, stack: usize) -> Worker {
        let here = 0u8;
        let stack_limit = (&raw const here as usize).saturating_sub(stack);
        let random = system.config.shuffle.map(|seed| RefCell::new(Random::new(seed)));
        let functions = system.program.functions.len();
        let turns = id.is_some() && random.is_none() && system.config.preempt == Preempt::Safepoint;
        let table = system.compiler.as_ref().map_or(&[][..], |compiler| compiler.table()).as_ptr();
        Worker {
            helpers: HELPERS,
            table,
            codes: system.codes.clone(),
            limited: system.config.max_slices != u64::MAX,
            system,
            id,
            resume: RefCell::default(),
            heat: vec![Cell::new(0); functions],
            queue: RefCell::default(),
            turns,
            left: Cell::new(0),
            timers: RefCell::new(Wheel::new()),
            work: Cell::new(0),
            looked: Cell::new(0),
            spare_since: Cell::new(None),
            random,
            tally: Tally::default(),
            records: RefCell::default(),
            unwound: RefCell::new(None),
            ending: RefCell::new(None),
            pending: Cell::new(Cont::Store),
            args: RefCell::default(),
            pool: Pool::new(),
            ended: RefCell::default(),
            slots: FreeSlots::default(),
            alone: Cell::new(false),
            reserves: Cell::new(false),
            stack_limit,
        }
    }

    /// Is it the only thread that starts, wakes and ends processes, so that nothing need be locked? Stays the
    /// same for a slice.
    #[inline(always)]
    pub(crate) fn is_alone(&self) -> bool {
        self.alone.get()
    }

    /// The functions as the interpreter runs them.
    pub(crate) fn codes<'a>(&self) -> Codes<'a> {
        // SAFETY: the worker holds the list for as long as it runs anything, and nobody keeps the
        // list beyond a slice.
        Codes::new(unsafe { &*std::ptr::from_ref::<Slab<CodeBlock>>(&self.codes) })
    }

    /// Where compiled code enters `function` with a list of arguments; `None` if it has to be interpreted.
    pub(crate) fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        self.system.compiler.as_ref()?.list_entry(function)
    }

    /// Is there compiled code for the function? If not, counts that it was called or went round a loop.
    #[inline]
    pub(crate) fn is_ready(&self, function: u32) -> bool {
        let Some(compiler) = &self.system.compiler else { return false };
        let readiness = &compiler.readiness()[function as usize];
        if readiness.is_ready() {
            return true;
        }
        let heat = &self.heat[function as usize];
        heat.set(heat.get() + 1);
        if heat.get() >= HOT {
            heat.set(0);
            if readiness.is_cold() {
                compiler.request(FuncId(function));
            }
        }
        false
    }

    /// A new process, in memory of an ended one if there is any.
    pub(crate) fn new_process(&self, pid: Pid, number: u64) -> Owned {
        let config = &self.system.config;
        let Some(mut process) = self.ended.borrow_mut().pop() else {
            return Owned::new(Process::new(pid, number, config.max_heap, config.stress_collect));
        };
        (process.pid, process.number) = (pid, number);
        process
    }

    /// Keeps the memory of a process that has ended.
    pub(super) fn recycle(&self, mut process: Owned) {
        let mut ended = self.ended.borrow_mut();
        if ended.len() < MAX_ENDED {
            process.renew();
            ended.push(process);
        }
    }

    /// What a call costs.
    pub(crate) fn call_cost(&self) -> i64 {
        match self.system.config.preempt {
            Preempt::Safepoint => 1,
            Preempt::Instruction => 2,
        }
    }

    /// Puts a runnable process at the end of its queue.
    pub(crate) fn enqueue(&self, pid: Pid) {
        if let Some(slot) = self.system.table.slot(pid) {
            self.enqueue_slot(slot, pid);
        }
    }

    /// Puts a runnable process, which is in this slot, at the end of its queue.
    #[inline]
    pub(crate) fn enqueue_slot(&self, slot: &Slot, pid: Pid) {
        match self.id {
            Some(_) => {
                self.queue.borrow_mut().push(pid, slot.priority.load(Ordering::Relaxed));
            }
            None => self.system.hub.inject([pid]),
        }
    }

    /// Nanoseconds on the system's clock.
    pub(crate) fn now(&self) -> u64 {
        self.system.now()
    }

    /// Sets off `alarm` at `deadline`; the key cancels it.
    pub(crate) fn add_timer(&self, deadline: u64, alarm: Alarm) -> u64 {
        let id = self.id.unwrap_or_default() as u64;
        debug_assert!(self.id.is_some(), "only workers that run slices have timers");
        id << KEY_BITS | self.timers.borrow_mut().set(deadline, alarm)
    }

    /// Cancels a timer, if it has not fired. Key 0 is none.
    pub(crate) fn cancel_timer(&self, key: u64) {
        let (owner, timer) = ((key >> KEY_BITS) as usize, key & ((1 << KEY_BITS) - 1));
        if timer == 0 {
            return;
        }
        if self.id == Some(owner) {
            self.timers.borrow_mut().cancel(timer);
        } else {
            self.system.hub.cancel(owner, timer);
        }
    }

    /// Runs until the run is over or stopped.
    pub(crate) fn run(&self) {
        let hub = &self.system.hub;
        loop {
            if self.limited && self.slices() >= self.system.config.max_slices {
                self.system.cut_off();
            }
            let attention = hub.attention();
            if attention != 0 && self.concerns(attention) && !self.attend(attention) {
                break;
            }
            if self.work.get() - self.looked.get() >= LOOK_AFTER {
                self.fire_timers();
                self.judge();
            }
            match self.pick() {
                Some(picked) => self.run_process(picked),
                None if self.rest() => {}
                None => break,
            }
        }
        self.flush();
        let counters = &self.system.counters;
        counters.messages.fetch_add(self.tally.messages.get(), Ordering::Relaxed);
        counters.reductions.fetch_add(self.tally.reductions.get(), Ordering::Relaxed);
        counters.collections.fetch_add(self.tally.collections.get(), Ordering::Relaxed);
    }

    /// Slices handed out by this worker.
    fn slices(&self) -> u64 {
        self.id.map_or(0, |id| self.system.slices[id].get())
    }

    /// As [`Worker::enqueue_slot`], for a process that was woken by a message of the one that runs.
    #[inline]
    pub(crate) fn enqueue_woken(&self, slot: &Slot, pid: Pid) {
        if !self.turns {
            return self.enqueue_slot(slot, pid);
        }
        self.queue.borrow_mut().push_woken(pid, slot.priority.load(Ordering::Relaxed));
    }

    /// The process to run next.
    #[inline]
    fn pick(&self) -> Option<Picked> {
        let mut queue = self.queue.borrow_mut();
        let Some(random) = &self.random else {
            return queue.pick((self.left.replace(0), i64::from(self.system.config.timeslice)));
        };
        queue.pop(Some(&mut *random.borrow_mut())).map(|pid| Picked { pid, left: None })
    }

    /// Is there anything to do about the flags of the hub?
    #[inline]
    fn concerns(&self, attention: u32) -> bool {
        if attention & !(hub::DEMAND | hub::IDLE) != 0 {
            return true;
        }
        // Others have nothing to do.
        if self.queue.borrow().to_spare() < 2 {
            self.spare_since.set(None);
            return false;
        }
        let since = self.spare_since.get().unwrap_or_else(|| self.work.get());
        self.spare_since.set(Some(since));
        self.work.get() - since >= SHARE_AFTER
    }

    /// Looks after what others want; false if the run is over.
    #[cold]
    fn attend(&self, attention: u32) -> bool {
        if attention & hub::STOP != 0 {
            return false;
        }
        if attention & hub::LOOK != 0 {
            for asked in self.system.hub.take_looks() {
                // Who asked may have given up.
                let _ = asked.send(super::report::processes(&self.system));
            }
            return true;
        }
        if attention & hub::COMPANY != 0 && self.is_for_one() {
            self.end_alone();
            self.system.hub.give_up();
            return true;
        }
        if attention & hub::RETREAT != 0 && !self.reserves.get() {
            let mut queue = self.queue.borrow_mut();
            let all = std::iter::from_fn(|| queue.pop(None)).collect::<Vec<Pid>>();
            if !self.system.hub.retreat(all.iter().copied()) {
                drop(queue);
                all.into_iter().for_each(|pid| self.enqueue(pid));
            }
            return true;
        }
        if attention & hub::LONELY != 0 && !self.is_alone() && self.system.hub.claim() {
            self.alone.set(true);
            self.reserves.set(false);
            self.system.trials.look(|trial| trial.alone(self.sample()));
        }
        // What is injected is for workers that have nothing to do, if there are any that may take it.
        let for_others = attention & hub::IDLE != 0 && !self.is_for_one();
        if attention & hub::INJECTED != 0 && !for_others {
            self.system.hub.take().into_iter().for_each(|pid| self.enqueue(pid));
        }
        if attention & hub::DEMAND == 0 {
            return true;
        }
        let mut queue = self.queue.borrow_mut();
        let for_long = |since| self.work.get() - since >= SHARE_AFTER;
        if queue.to_spare() < 2 || !self.spare_since.get().is_some_and(for_long) {
            return true;
        }
        self.spare_since.set(None);
        let (now, alone) = (self.sample(), self.is_alone());
        if self.system.trials.look(|trial| trial.may_share(now, alone)) {
            self.end_alone();
            self.system.hub.share(queue.spare());
        }
        true
    }

    /// Is everything that is injected for this worker?
    fn is_for_one(&self) -> bool {
        self.alone.get() || self.reserves.get()
    }

    /// The worker is not alone any more, and has reserved nothing; the hub does not know it yet.
    fn end_alone(&self) -> bool {
        self.alone.take() | self.reserves.take()
    }

    /// Says what this worker has done, if others may want to know.
    fn publish(&self) {
        let done = &self.system.done;
        if done.len() > 1 {
            done[self.id.unwrap_or_default()].publish(self.work.get(), self.now());
        }
    }

    /// What all workers have done by now.
    fn sample(&self) -> Sample {
        self.publish();
        Sample::new(self.now(), &self.system.done)
    }

    /// Looks whether it is worth sharing processes, if that is being tried.
    fn judge(&self) {
        let trials = &self.system.trials;
        if trials.going_on() {
            let taken = self.system.hub.attention() & hub::INJECTED == 0;
            let now = self.sample();
            if trials.look(|trial| trial.fails(now, taken)) && !self.is_alone() {
                self.reserves.set(true);
                self.system.hub.reserve();
            }
        }
    }

    /// Nothing can run: waits until something can. False if the run is over.
    fn rest(&self) -> bool {
        self.flush();
        self.fire_timers();
        if !self.queue.borrow().is_empty() {
            return true;
        }
        let look = self.timers.borrow().next_look();
        if let Some(look) = look
            && self.system.jump_to(look)
        {
            return true;
        }
        let spin = |hub: &Hub| {
            for _ in 0..SPINS {
                if hub.attention() & (hub::STOP | hub::INJECTED) != 0 {
                    break;
                }
                std::hint::spin_loop();
            }
        };
        let id = self.id.unwrap_or_default();
        let alone = self.end_alone();
        let next = self.system.hub.sleep(id, alone, look, || self.now(), spin);
        // The time that it took to wait is no time of work.
        self.publish();
        match next {
            Next::Run(pids) => pids.into_iter().for_each(|pid| self.enqueue(pid)),
            Next::Timers(cancelled) => self.cancel_own(cancelled),
            Next::Stop => return false,
        }
        true
    }

    fn cancel_own(&self, timers: Vec<u64>) {
        let mut wheel = self.timers.borrow_mut();
        timers.into_iter().for_each(|timer| wheel.cancel(timer));
    }

    fn flush(&self) {
        self.system.print("", true);
    }

    fn fire_timers(&self) {
        self.looked.set(self.work.get());
        if self.timers.borrow().is_empty() {
            return;
        }
        if self.system.config.schedulers > 1 {
            self.cancel_own(self.system.hub.take_cancelled(self.id.unwrap_or_default()));
        }
        let due = self.timers.borrow_mut().due(self.now());
        due.into_iter().for_each(|alarm| self.set_off(alarm));
    }

    fn set_off(&self, alarm: Alarm) {
        match alarm {
            Alarm::Wake(pid) => self.wake(pid),
            Alarm::Send(reference) => {
                let sent = self.system.lock_later().remove(&reference);
                if let Some(later) = sent {
                    self.send(later.to, later.message);
                }
            }
        }
    }

    pub(crate) fn wake(&self, pid: Pid) {
        let Some(slot) = self.system.table.slot(pid) else { return };
        if slot.wake(self.is_alone()) {
            self.enqueue_slot(slot, pid);
        }
    }

    /// The reductions of the next slice.
    fn budget(&self) -> i64 {
        let slice = self.system.config.timeslice;
        i64::from(match &self.random {
            Some(random) => 1 + random.borrow_mut().below(u64::from(slice)) as u32,
            None => slice,
        })
    }

    fn run_process(&self, Picked { pid, left }: Picked) {
        let system: &System = &self.system;
        let Some(slot) = system.table.slot(pid) else { return };
        let Some(mut process) = slot.take() else { return };
        process.worker = self;
        if slot.killed() {
            return self.end_process(process, Ending::of(ExitReason::Killed));
        }
        let overflows = |(limit, _)| slot.queued.load(Ordering::Relaxed) > limit;
        if slot.take_signalled() || system.config.max_mailbox.is_some_and(overflows) {
            process.fetch();
            if let Some(ending) = self.asked_to_end(&mut process) {
                return self.end_process(process, ending);
            }
        }
        if !self.send_held(&mut process) {
            process.worker = std::ptr::null();
            return self.put_waiting(slot, process, false);
        }
        system.slices[self.id.unwrap_or_default()].count();
        let budget = left.unwrap_or_else(|| self.budget());
        process.start_slice(budget);
        system.trace(|| format!("process {} runs", process.number));
        let end = self.run_slice(&mut process);
        let used = (budget - process.left()) as u64;
        self.left.set(process.left());
        process.reductions += used;
        self.work.set(self.work.get() + used + SLICE_WORK);
        system.pass_time(used);
        process.stack.trim();
        match end {
            SliceEnd::Ended => {
                let ending = self.ending.borrow_mut().take();
                self.end_process(process, ending.unwrap_or(Ending::of(ExitReason::Normal)));
            }
            SliceEnd::Away => {
                process.worker = std::ptr::null();
                system.blocking.run(&self.system, process);
            }
            SliceEnd::Preempted if !matches!(process.wait, Wait::Room { .. }) => {
                process.worker = std::ptr::null();
                let waiting = process.mailbox.len();
                let queue =
                    queue::belongs(slot.priority.load(Ordering::Relaxed), waiting, used, true);
                slot.priority.store(queue, Ordering::Relaxed);
                slot.put_runnable(process);
                self.enqueue_slot(slot, pid);
            }
            SliceEnd::Preempted | SliceEnd::Blocked => {
                if let Some(ending) = self.asked_to_end(&mut process) {
                    return self.end_process(process, ending);
                }
                let hibernates = |bonds: &mut Box<Bonds>| std::mem::take(&mut bonds.hibernates);
                if process.bonds.as_mut().is_some_and(hibernates) {
                    process.hibernate();
                }
                system.trace(|| {
                    let what = super::report::wait_text(&process.wait);
                    format!("process {} waits for {what}", process.number)
                });
                process.worker = std::ptr::null();
                let queue = slot.priority.load(Ordering::Relaxed);
                if queue == queue::EAGER {
                    slot.priority.store(queue::belongs(queue, 0, used, false), Ordering::Relaxed);
                }
                self.put_waiting(slot, process, false);
            }
        }
    }

    /// Puts a process that waits into its slot. `timers`: its timer may have fired meanwhile, even if it is
    /// one of this worker.
    fn put_waiting(&self, slot: &Slot, mut process: Owned, timers: bool) {
        let pid = process.pid;
        if process.wait == Wait::Message {
            if slot.put_waiting(process, self.is_alone(), || !slot.outer.is_empty()) {
                self.enqueue_slot(slot, pid);
            }
            return;
        }
        let table = &self.system.table;
        if let Wait::Room { to, ticket: ticket @ 0 } = &mut process.wait {
            *ticket = table.take_ticket(*to, pid);
        }
        let room = match (&process.wait, self.system.config.max_mailbox) {
            (Wait::Room { to, ticket }, Some((limit, _))) => Some((*to, *ticket, limit)),
            _ => None,
        };
        let ends = match &process.wait {
            Wait::Ends(targets) => targets.clone(),
            _ => Box::default(),
        };
        let receives = matches!(process.wait, Wait::Message | Wait::Timer { .. });
        // A timer of this worker has not fired since the process looked at the clock; one of another may
        // have.
        let foreign = process
            .wait
            .timer()
            .filter(|(_, key)| timers || Some((key >> KEY_BITS) as usize) != self.id)
            .map(|(deadline, _)| deadline);
        let ready = || {
            receives && !slot.outer.is_empty()
                || ends.iter().any(|target| !table.is_alive(*target))
                || foreign.is_some_and(|deadline| self.now() >= deadline)
                || room.is_some_and(|(to, ticket, limit)| table.may_send(to, ticket, limit))
        };
        if slot.put_waiting(process, self.is_alone(), ready) {
            self.enqueue_slot(slot, pid);
        }
    }

    /// What `look` sees of a process while it waits, and what the process does.
    pub(crate) fn inspect<R>(
        &self,
        pid: Pid,
        look: impl FnOnce(&Process) -> R,
    ) -> (&'static str, Option<R>) {
        let Some(slot) = self.system.table.slot(pid) else { return ("ended", None) };
        let Some(process) = slot.take_waiting() else { return (slot.status(), None) };
        // The slot may have a new user since the caller looked.
        let seen = (process.pid == pid).then(|| look(&process));
        self.put_waiting(slot, process, true);
        (if seen.is_some() { "waiting" } else { "ended" }, seen)
    }

    /// May functions that block do so on this thread?
    fn may_block(&self) -> bool {
        let alone = self.system.table.live() <= 1;
        self.id.is_none() || alone || self.random.is_some() || self.system.config.virtual_time
    }

    /// How the process ends if a signal says so.
    fn asked_to_end(&self, process: &mut Process) -> Option<Ending> {
        let given = process.bonds.as_mut()?.exit.take()?;
        let reason = signal::exit_reason(&self.system, given.value);
        Some(Ending { reason, result: Value::UNDEFINED, given: Some(given) })
    }

    fn run_slice(&self, process: &mut Process) -> SliceEnd {
        let engine = match self.system.config.engine {
            Engine::Mixed => {
                if self.slices().is_multiple_of(2) {
                    Engine::Interp
                } else {
                    Engine::Jit
                }
            }
            Engine::Aot => Engine::Jit,
            engine => engine,
        };
        loop {
            let Some(top) = process.stack.top() else {
                return self.ends(Ending::returned(process.result));
            };
            let leave = if top.function & NATIVE_FRAME != 0 {
                match call::resume_native(process, self.may_block()) {
                    Ok(Resumed::Pushed) => self.charged(process, 1),
                    Ok(Resumed::Done(result)) => self.returned(process, result),
                    Ok(Resumed::Wait) => {
                        process.heap.fuel -= 2;
                        Leave::Blocked
                    }
                    Ok(Resumed::Blocking) => return SliceEnd::Away,
                    Err(trap) => Leave::Trapped(trap.into()),
                }
            } else if engine == Engine::Jit
                || engine == Engine::Tiered && self.is_ready(top.function)
            {
                self.run_compiled(process, FuncId(top.function))
            } else {
                match self.interpret(process, engine == Engine::Tiered) {
                    // A frame may have returned to a native one: like every return, see `returned`.
                    Leave::Other => self.look(process),
                    leave => leave,
                }
            };
            match leave {
                Leave::Other => {}
                Leave::Returned(result) => return self.ends(Ending::returned(result)),
                Leave::Yielded => return self.slice_end(process, SliceEnd::Preempted),
                Leave::Blocked => return self.slice_end(process, SliceEnd::Blocked),
                Leave::Trapped(trap) => return self.ends(Ending::crash(process, *trap)),
            }
        }
    }

    #[inline]
    fn ends(&self, ending: Ending) -> SliceEnd {
        *self.ending.borrow_mut() = Some(ending);
        SliceEnd::Ended
    }

    fn slice_end(&self, process: &mut Process, end: SliceEnd) -> SliceEnd {
        match process.check_memory() {
            Ok(()) => end,
            Err(trap) => self.ends(Ending::crash(process, trap)),
        }
    }

    /// Goes on with the newest record in the interpreter. `tiered`: until there is compiled code.
    fn interpret(&self, process: &mut Process, tiered: bool) -> Leave {
        let step = self.system.config.preempt == Preempt::Instruction;
        match (step, self.system.config.debug) {
            (false, false) if tiered => interp::run::<false, false, true>(process),
            (false, false) => interp::run::<false, false, false>(process),
            (true, false) => interp::run::<true, false, false>(process),
            (false, true) => interp::run::<false, true, false>(process),
            (true, true) => interp::run::<true, true, false>(process),
        }
    }

    /// A frame has returned `result`: to the record below, or out of the process.
    fn returned(&self, process: &mut Process, result: Value) -> Leave {
        if process.stack.is_empty() {
            return Leave::Returned(result);
        }
        process.deliver(result);
        self.look(process)
    }

    /// Goes on with the newest record, by way of a safepoint if the reductions are used up.
    fn look(&self, process: &mut Process) -> Leave {
        if process.exhausted() { self.safepoint(process) } else { Leave::Other }
    }

    fn charged(&self, process: &mut Process, cost: i64) -> Leave {
        if process.charge(cost) { self.safepoint(process) } else { Leave::Other }
    }

    fn safepoint(&self, process: &mut Process) -> Leave {
        match process.safepoint() {
            Ok(Safepoint::Continue) => Leave::Other,
            Ok(Safepoint::Yield) => Leave::Yielded,
            Err(trap) => Leave::Trapped(trap.into()),
        }
    }

    /// Goes on with the newest record in compiled code.
    fn run_compiled(&self, process: &mut Process, function: FuncId) -> Leave {
        let entry = match self.resume_entry(function) {
            Ok(ResumeEntry::Code(entry)) => entry,
            Ok(ResumeEntry::Interpreted) => return self.interpret(process, false),
            Err(trap) => return Leave::Trapped(trap.into()),
        };
        let enter = self.system.compiler.as_ref().and_then(|compiler| compiler.enter());
        let Some(enter) = enter else { return self.interpret(process, false) };
        let registers = process.stack.top_base();
        // The record is popped first: compiled code reads it completely before it does anything
        // else, and whatever it leaves goes to `records`, not to the stack.
        process.stack.pop();
        // SAFETY: `entry` was compiled for this function and handles the record's resume point;
        // the record's words stay in place until something is pushed.
        let status = unsafe { enter(registers, process, entry) };
        if status == STATUS_RETURNED {
            let result = process.result;
            return self.returned(process, result);
        }
        if let Err(trap) = self.flush_records(process) {
            return Leave::Trapped(trap.into());
        }
        let unwound = self.unwound.borrow_mut().take();
        match unwound {
            None => self.safepoint(process),
            Some(Unwound::Yield) => Leave::Yielded,
            Some(Unwound::Blocked) => Leave::Blocked,
            Some(Unwound::Trap(trap)) => Leave::Trapped(trap),
            Some(Unwound::Deliver(result)) => {
                process.deliver(result);
                self.look(process)
            }
            Some(Unwound::Call) => self.look(process),
            Some(Unwound::Exit(function)) => {
                let compiler = self.system.compiler.as_ref();
                if compiler.is_some_and(|compiler| compiler.exited(function)) {
                    self.resume.borrow_mut()[function.0 as usize] = None;
                }
                self.interpret(process, true)
            }
        }
    }

    /// Moves the records of unwound calls to the process's stack, outermost first.
    fn flush_records(&self, process: &mut Process) -> Result<(), Trap> {
        let mut records = self.records.borrow_mut();
        let fits = process.stack.reserve(records.len(), process.stack_bound());
        if fits {
            let stack = &mut process.stack;
            records.for_each_record(|header, registers, _| {
                stack.push(header, Value::UNDEFINED).copy_from_slice(registers);
            });
        }
        records.clear();
        if fits { Ok(()) } else { Err(process.out_of_memory()) }
    }

    fn resume_entry(&self, function: FuncId) -> Result<ResumeEntry, Trap> {
        let known = self.resume.borrow().get(function.0 as usize).copied().flatten();
        if let Some(entry) = known {
            return Ok(entry);
        }
        let made = match &self.system.compiler {
            Some(compiler) => compiler.resume_entry(function),
            None => Err("no compiler is attached".to_owned()),
        };
        let entry = match made {
            Ok(code) => ResumeEntry::Code(code),
            Err(message) if self.system.config.strict_compile => {
                return Err(Trap::NotCompiled { message });
            }
            Err(message) => {
                let name = self.system.program.function(function).qualified_name();
                self.system.warn(&format!("{name} is interpreted: {message}"));
                ResumeEntry::Interpreted
            }
        };
        let mut resume = self.resume.borrow_mut();
        resume.resize(self.system.program.functions.len(), None);
        resume[function.0 as usize] = Some(entry);
        Ok(entry)
    }
}
