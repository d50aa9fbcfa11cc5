//! What the workers of one machine share about scheduling.
//!
//! Every worker has a run queue that nobody else touches, so that scheduling costs no atomic operation
//! while all workers are busy (private queues, after U. A. Acar, A. Charguéraud and M. Rainey,
//! "Scheduling parallel programs by work stealing with private deques", 2013). A worker without work
//! says so; a busy one sees it between two slices, in one shared word, and puts part of its queue
//! here if it has had processes to spare for a while. Threads that are no workers put processes here
//! as well. All workers but the first are started when there is something for them to do.
//!
//! **No wake-up is lost**: processes are put here, and workers decide to sleep, under one lock. What is
//! in the private queue of a worker needs no wake-up, since a worker sleeps only when it is empty.
//!
//! **Alone.** A worker may claim that it is the only one awake. Until it gives that up, which it does between two
//! slices, nobody else starts, runs, wakes or ends processes, so it reads and writes mailboxes and states without
//! locked instructions: they would be a third of a small message. It gives up before it shares processes, and before
//! it sleeps; what is put here meanwhile waits for it. A worker whose timer is due asks for it and waits. In an open
//! machine, where threads of the host send, nobody is ever alone. A worker that finds that sharing was worth nothing
//! (`trial.rs`) *reserves* everything: the others put what they have here, for it, and sleep; then it is alone.
//!
//! The run is over when all workers sleep, no timer is pending, no process is on a thread of its own, and
//! nobody holds the machine open.

use crate::sync::{AtomicU32, Condvar, Mutex, MutexGuard, Ordering};
use crate::value::Pid;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The run is over or is to be cut off.
pub(crate) const STOP: u32 = 1;
/// Processes wait here for any worker.
pub(crate) const INJECTED: u32 = 2;
/// Some worker has nothing to do, or one more could be started.
pub(crate) const DEMAND: u32 = 4;
/// Some worker has nothing to do and takes what is here.
pub(crate) const IDLE: u32 = 8;
/// Somebody wants to know what the processes are doing.
pub(crate) const LOOK: u32 = 16;
/// All workers but one have nothing to do: that one may claim to be alone.
pub(crate) const LONELY: u32 = 32;
/// The worker that is alone is to give that up.
pub(crate) const COMPANY: u32 = 64;
/// All workers but the one that has reserved everything are to put what they have here.
pub(crate) const RETREAT: u32 = 128;

/// See the module text.
#[derive(Debug)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
    /// Rung when there is something to do for workers that sleep.
    bell: Condvar,
    /// The flags above. Written under the lock, read by workers between slices; a stale value only
    /// delays what a worker does, since a worker that sleeps looks at `inner` itself.
    attention: AtomicU32,
    /// Starts one of the workers that have not been started.
    starter: Starter,
}

/// See [`Hub::on_demand`].
#[derive(Default)]
struct Starter(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Starter").finish()
    }
}

#[derive(Debug)]
struct Inner {
    injected: VecDeque<Pid>,
    /// Workers that have been started.
    workers: usize,
    /// Workers that have not.
    unstarted: usize,
    /// Workers that have nothing to do.
    idle: usize,
    /// Workers among those that wait for the bell; the others look for themselves.
    asleep: usize,
    /// A worker that is awake is alone, see the module text.
    alone: bool,
    /// What is here, and what others still have, is for one worker that is awake, see the module text.
    reserved: bool,
    /// Workers that have something to do and wait until no other is alone.
    hindered: usize,
    /// By worker that sleeps: when its next timer is due.
    deadlines: Vec<Option<u64>>,
    /// By worker: its timers that others have cancelled.
    cancelled: Vec<Vec<u64>>,
    /// Processes on threads of their own.
    away: usize,
    /// The machine goes on without anything to run.
    open: bool,
    stopped: bool,
    /// Who wants to know what the processes are doing.
    looks: Vec<Sender<Vec<String>>>,
}

/// What a worker that had nothing to do should do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run these.
    Run(Vec<Pid>),
    /// Look at its timers: one is due, or others have cancelled some.
    Timers(Vec<u64>),
    /// End.
    Stop,
}

impl Hub {
    /// A hub of `workers` workers; `open`: the machine goes on without anything to run.
    pub(crate) fn new(workers: usize, open: bool) -> Hub {
        Hub {
            inner: Mutex::new(Inner {
                injected: VecDeque::new(),
                workers,
                unstarted: 0,
                idle: 0,
                asleep: 0,
                alone: false,
                reserved: false,
                hindered: 0,
                deadlines: vec![None; workers],
                cancelled: vec![Vec::new(); workers],
                away: 0,
                open,
                stopped: false,
                looks: Vec::new(),
            }),
            bell: Condvar::new(),
            attention: AtomicU32::new(0),
            starter: Starter::default(),
        }
    }

    /// None of the workers has been started. `start` is called, without the lock, whenever one more would
    /// have something to do; it starts the one that [`Hub::next_worker`] gives.
    pub(crate) fn on_demand(&self, start: impl Fn() + Send + Sync + 'static) {
        let mut inner = self.lock();
        inner.unstarted = std::mem::take(&mut inner.workers);
        self.publish(&inner);
        drop(inner);
        let _ = self.starter.0.set(Box::new(start));
    }

    /// The number of a worker that is to be started, if there is one and the run is not over. It counts as one
    /// without work until it calls [`Hub::arrive`].
    pub(crate) fn next_worker(&self) -> Option<usize> {
        let mut inner = self.lock();
        if inner.unstarted == 0 || inner.stopped {
            return None;
        }
        inner.unstarted -= 1;
        inner.workers += 1;
        inner.idle += 1;
        self.publish(&inner);
        Some(inner.workers - 1)
    }

    /// A worker that was started begins to work.
    pub(crate) fn arrive(&self) {
        let mut inner = self.lock();
        while inner.is_for_one() && !inner.stopped {
            inner = self.hinder(inner);
        }
        inner.idle -= 1;
        self.publish(&inner);
    }

    /// A worker could not be started: there are no more. False if there is none at all.
    pub(crate) fn no_more_workers(&self) -> bool {
        let mut inner = self.lock();
        inner.workers -= 1;
        inner.idle -= 1;
        inner.unstarted = 0;
        self.publish(&inner);
        inner.workers > 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The flags.
    #[inline(always)]
    pub(crate) fn attention(&self) -> u32 {
        self.attention.load(Ordering::Relaxed)
    }

    fn publish(&self, inner: &Inner) {
        let mut flags = 0;
        if inner.stopped {
            flags |= STOP;
        }
        if !inner.injected.is_empty() {
            flags |= INJECTED;
        }
        if inner.idle > 0 || inner.unstarted > 0 {
            flags |= DEMAND;
        }
        if inner.idle > 0 {
            flags |= IDLE;
        }
        if !inner.looks.is_empty() {
            flags |= LOOK;
        }
        if inner.may_be_alone() {
            flags |= LONELY;
        }
        if inner.is_for_one() && inner.hindered > 0 {
            flags |= COMPANY;
        }
        if inner.reserved && inner.idle + 1 < inner.workers {
            flags |= RETREAT;
        }
        self.attention.store(flags, Ordering::Relaxed);
    }

    /// Does the machine go on without anything to run?
    pub(crate) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Says that the worker that calls this is alone from now on; false if it is not.
    pub(crate) fn claim(&self) -> bool {
        let mut inner = self.lock();
        let claimed = inner.may_be_alone();
        if claimed {
            (inner.alone, inner.reserved) = (true, false);
        }
        self.publish(&inner);
        claimed
    }

    /// Reserves everything for the worker that calls this, until it claims to be alone, gives up or sleeps.
    pub(crate) fn reserve(&self) {
        let mut inner = self.lock();
        inner.reserved = true;
        self.publish(&inner);
    }

    /// Puts here what a worker has, because another one has reserved it; false if none has.
    pub(crate) fn retreat(&self, pids: impl IntoIterator<Item = Pid>) -> bool {
        let mut inner = self.lock();
        if inner.reserved {
            inner.injected.extend(pids);
            self.publish(&inner);
        }
        inner.reserved
    }

    /// The worker that is alone or has reserved everything, and calls this between two slices, does so no more.
    pub(crate) fn give_up(&self) {
        let mut inner = self.lock();
        self.end_alone(&mut inner);
        self.publish(&inner);
    }

    fn end_alone(&self, inner: &mut Inner) {
        (inner.alone, inner.reserved) = (false, false);
        if inner.hindered > 0 {
            self.bell.notify_all();
        }
    }

    /// Waits for the bell because everything is for another worker, which is asked to give that up.
    fn hinder<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        inner.hindered += 1;
        self.publish(&inner);
        inner = self.bell.wait(inner).unwrap_or_else(|poisoned| poisoned.into_inner());
        inner.hindered -= 1;
        inner
    }

    /// Puts runnable processes here for any worker.
    pub(crate) fn inject(&self, pids: impl IntoIterator<Item = Pid>) {
        let mut inner = self.lock();
        inner.injected.extend(pids);
        self.publish(&inner);
        self.ring(inner);
    }

    /// As [`Hub::inject`], by a worker that has too many and is not alone any more: another one is started if
    /// need be.
    pub(crate) fn share(&self, pids: impl IntoIterator<Item = Pid>) {
        let mut inner = self.lock();
        self.end_alone(&mut inner);
        inner.injected.extend(pids);
        self.publish(&inner);
        self.ring(inner);
        self.nudge();
    }

    fn ring(&self, inner: MutexGuard<'_, Inner>) {
        // If it is for one that is awake, those that sleep may not take it.
        let sleepers = inner.asleep > 0 && !inner.is_for_one();
        // A single process is soon taken by a worker that is busy, or else `nudge` helps.
        let start = inner.injected.len() > 1 && inner.wants_another();
        drop(inner);
        if sleepers {
            self.bell.notify_one();
        } else if start {
            self.start();
        }
    }

    fn start(&self) {
        if let Some(start) = self.starter.0.get() {
            start();
        }
    }

    /// Starts one more worker if something waits here and no worker is without work.
    pub(crate) fn nudge(&self) {
        let inner = self.lock();
        let start = !inner.injected.is_empty() && inner.wants_another();
        drop(inner);
        if start {
            self.start();
        }
    }

    /// Asks the workers for a description of all processes.
    pub(crate) fn ask_for_look(&self, answer: Sender<Vec<String>>) {
        let mut inner = self.lock();
        inner.looks.push(answer);
        self.publish(&inner);
        drop(inner);
        self.bell.notify_all();
    }

    /// Who has asked for a description.
    pub(crate) fn take_looks(&self) -> Vec<Sender<Vec<String>>> {
        let mut inner = self.lock();
        let asked = std::mem::take(&mut inner.looks);
        self.publish(&inner);
        asked
    }

    /// Takes a fair part of the processes here, or all if they are for the worker that calls this.
    pub(crate) fn take(&self) -> Vec<Pid> {
        let mut inner = self.lock();
        let taken =
            if inner.is_for_one() { inner.injected.drain(..).collect() } else { part(&mut inner) };
        self.publish(&inner);
        taken
    }

    /// A process goes to a thread of its own; the run is not over before it is back.
    pub(crate) fn leave(&self) {
        self.lock().away += 1;
    }

    /// It is back, and runnable.
    pub(crate) fn come_back(&self, pid: Pid) {
        let mut inner = self.lock();
        inner.away -= 1;
        inner.injected.push_back(pid);
        self.publish(&inner);
        self.ring(inner);
    }

    /// Cancels a timer of another worker.
    pub(crate) fn cancel(&self, worker: usize, timer: u64) {
        self.lock().cancelled[worker].push(timer);
    }

    /// The timers of `worker` that others have cancelled.
    pub(crate) fn take_cancelled(&self, worker: usize) -> Vec<u64> {
        std::mem::take(&mut self.lock().cancelled[worker])
    }

    /// Is the run over?
    pub(crate) fn is_stopped(&self) -> bool {
        self.attention() & STOP != 0
    }

    /// Ends the run: workers stop after the slice that they are in.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        self.publish(&inner);
        drop(inner);
        self.bell.notify_all();
    }

    /// Says that `worker` has nothing to do, and waits until it has. It is not alone any more then and has nothing
    /// reserved; `alone`: it was or had.
    /// `deadline`: when its next timer is due; `now` tells the time on the same clock. `spin` is called while it
    /// is worth waiting awake.
    pub(crate) fn sleep(
        &self,
        worker: usize,
        alone: bool,
        deadline: Option<u64>,
        now: impl Fn() -> u64,
        spin: impl FnOnce(&Hub),
    ) -> Next {
        let mut inner = self.lock();
        inner.idle += 1;
        if alone {
            self.end_alone(&mut inner);
        }
        inner.deadlines[worker] = deadline;
        self.publish(&inner);
        let others = inner.workers > 1 || inner.open && crate::host::may_spin();
        if inner.injected.is_empty() && others && !inner.is_over() {
            drop(inner);
            spin(self);
            inner = self.lock();
        }
        let next = loop {
            if inner.stopped {
                break Next::Stop;
            }
            if inner.is_for_one() {
                // Only timers are for this one.
                let left = deadline.map(|deadline| deadline.saturating_sub(now()));
                inner = match left {
                    Some(0) => self.hinder(inner),
                    left => self.doze(inner, left),
                };
                continue;
            }
            if !inner.injected.is_empty() {
                break Next::Run(part(&mut inner));
            }
            if !inner.looks.is_empty() {
                break Next::Timers(Vec::new());
            }
            if !inner.cancelled[worker].is_empty() {
                break Next::Timers(std::mem::take(&mut inner.cancelled[worker]));
            }
            if inner.is_over() {
                inner.stopped = true;
                self.publish(&inner);
                self.bell.notify_all();
                break Next::Stop;
            }
            if inner.all_sleep() && inner.cancelled.iter().any(|timers| !timers.is_empty()) {
                // Others wait for timers that are cancelled: then the run may be over.
                self.bell.notify_all();
            }
            let left = deadline.map(|deadline| deadline.saturating_sub(now()));
            if left == Some(0) {
                break Next::Timers(Vec::new());
            }
            inner = self.doze(inner, left);
        };
        inner.idle -= 1;
        inner.deadlines[worker] = None;
        self.publish(&inner);
        next
    }

    /// Waits for the bell, at most so many nanoseconds.
    fn doze<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
        most: Option<u64>,
    ) -> MutexGuard<'a, Inner> {
        inner.asleep += 1;
        inner = match most.map(Duration::from_nanos) {
            None => self.bell.wait(inner).unwrap_or_else(|poisoned| poisoned.into_inner()),
            Some(most) => match self.bell.wait_timeout(inner, most) {
                Ok((inner, _)) => inner,
                Err(poisoned) => poisoned.into_inner().0,
            },
        };
        inner.asleep -= 1;
        inner
    }
}

impl Inner {
    /// Is what is here for one worker that is awake?
    fn is_for_one(&self) -> bool {
        self.alone || self.reserved
    }

    /// Is there one worker that has something to do, and nobody who would touch what it works with?
    fn may_be_alone(&self) -> bool {
        let rest = self.injected.is_empty() && self.looks.is_empty() && self.hindered == 0;
        self.idle + 1 == self.workers && !self.alone && !self.open && !self.stopped && rest
    }

    fn wants_another(&self) -> bool {
        self.idle == 0 && self.unstarted > 0
    }

    fn all_sleep(&self) -> bool {
        self.idle == self.workers && self.injected.is_empty()
    }

    fn is_over(&self) -> bool {
        let waits = self.deadlines.iter().any(Option::is_some);
        self.all_sleep() && !waits && self.away == 0 && !self.open
    }
}

/// The part of what is here that one of the workers without work should take.
fn part(inner: &mut Inner) -> Vec<Pid> {
    let count = inner.injected.len().div_ceil(inner.idle.max(1));
    inner.injected.drain(..count).collect()
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn pid(slot: u32) -> Pid {
        Pid { slot, generation: 0 }
    }

    #[test]
    fn one_worker_runs_what_is_there_and_then_the_run_is_over() {
        let hub = Hub::new(1, false);
        hub.inject([pid(1), pid(2)]);
        assert_eq!(hub.attention(), INJECTED);
        let sleep = || hub.sleep(0, false, None, || 0, |_| {});
        assert_eq!(sleep(), Next::Run(vec![pid(1), pid(2)]));
        assert_eq!(hub.attention(), LONELY);
        assert_eq!(sleep(), Next::Stop);
        assert_eq!(hub.attention(), STOP);
    }

    #[test]
    fn workers_are_started_when_there_is_something_for_them() {
        let hub = std::sync::Arc::new(Hub::new(3, false));
        let (inside, started) = (hub.clone(), std::sync::Arc::new(Mutex::new(Vec::new())));
        let list = started.clone();
        hub.on_demand(move || list.lock().expect("no panic").extend(inside.next_worker()));
        let started = || started.lock().expect("no panic").clone();
        hub.inject([pid(1)]);
        assert_eq!(started(), []);
        assert_eq!(hub.next_worker(), Some(0));
        hub.arrive();
        assert_eq!(hub.sleep(0, false, None, || 0, |_| {}), Next::Run(vec![pid(1)]));
        assert_eq!(hub.attention(), DEMAND | LONELY);
        // The worker takes a single process between two slices; if it does not, others help.
        hub.inject([pid(2)]);
        assert_eq!((started(), hub.attention()), (vec![], INJECTED | DEMAND));
        hub.nudge();
        assert_eq!((started(), hub.attention()), (vec![1], INJECTED | DEMAND | IDLE));
        hub.share([pid(3)]);
        assert_eq!(started(), [1]);
        hub.arrive();
        hub.inject([pid(4)]);
        assert_eq!((started(), hub.attention()), (vec![1, 2], INJECTED | DEMAND | IDLE));
        assert!(hub.no_more_workers());
        assert_eq!(hub.attention(), INJECTED);
    }

    #[test]
    fn a_worker_is_alone_until_it_gives_that_up() {
        let hub = std::sync::Arc::new(Hub::new(2, false));
        assert!(!hub.claim(), "the other one may be awake");
        let (until, late) = (hub.clone(), hub.clone());
        let now = move || if until.attention() & LONELY != 0 { 0 } else { 5 };
        let sleeper = std::thread::spawn(move || late.sleep(1, false, Some(5), now, |_| {}));
        while !hub.claim() {
            std::thread::yield_now();
        }
        assert!(!hub.claim());
        // The timer of the other one is due: it asks, and waits for the answer.
        while hub.attention() & COMPANY == 0 {
            std::thread::yield_now();
        }
        hub.inject([pid(1)]);
        assert_eq!(hub.take(), [pid(1)]);
        hub.give_up();
        assert_eq!(sleeper.join().expect("no panic"), Next::Timers(vec![]));
        assert_eq!(hub.attention(), 0);
        assert!(!hub.claim());
        assert!(!Hub::new(1, true).claim(), "hosts send whenever they like");
    }

    #[test]
    fn a_timer_keeps_the_run_going_until_it_is_cancelled() {
        let hub = Hub::new(1, false);
        assert_eq!(hub.sleep(0, false, Some(5), || 5, |_| {}), Next::Timers(vec![]));
        hub.cancel(0, 7);
        assert_eq!(hub.sleep(0, false, Some(9), || 5, |_| {}), Next::Timers(vec![7]));
        assert_eq!(hub.sleep(0, false, None, || 5, |_| {}), Next::Stop);
    }

    #[test]
    fn a_process_that_is_away_keeps_the_run_going() {
        let hub = std::sync::Arc::new(Hub::new(2, false));
        hub.leave();
        let sleeper = |worker| {
            let hub = hub.clone();
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                loop {
                    match hub.sleep(worker, false, None, || 0, |_| {}) {
                        Next::Run(pids) => seen.extend(pids),
                        Next::Timers(_) => {}
                        Next::Stop => return seen,
                    }
                }
            })
        };
        let (a, b) = (sleeper(0), sleeper(1));
        hub.come_back(pid(3));
        let mut seen = a.join().expect("no panic");
        seen.extend(b.join().expect("no panic"));
        assert_eq!(seen, [pid(3)]);
    }
}
