//! Models of the protocols by which nothing is lost between threads, checked with loom:
//! `cargo test -p ion-runtime --features loom --lib models`.

use crate::heap::Space;
use crate::process::Process;
use crate::process::mailbox::Pool;
use crate::process::owned::Owned;
use crate::process::signal::Signal;
use crate::process::table::{FreeSlots, ProcessTable, Slot};
use crate::sched::hub::{COMPANY, Hub, INJECTED, LONELY, Next, RETREAT};
use crate::value::{Pid, Value};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// Checks all interleavings in which threads are interrupted at most so often where they need not be.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(check);
}

const PID: Pid = Pid { slot: 0, generation: 0 };

fn process(pid: Pid) -> Owned {
    Owned::new(Process::new(pid, 1, 1 << 20, false))
}

fn push(slot: &Slot, signal: Option<Box<Signal>>, pool: &Pool) -> bool {
    slot.outer.push(0, Value::UNIT, Space::new(), signal, pool, false)
}

/// A slot with a process that a worker runs, and how often the process was put into a queue.
struct Running {
    slot: Slot,
    queued: AtomicU32,
}

impl Running {
    fn new() -> Arc<Running> {
        let slot = Slot::new();
        slot.outer.open(0);
        slot.put_runnable(process(PID));
        Arc::new(Running { slot, queued: AtomicU32::new(0) })
    }

    fn wake(&self) {
        if self.slot.wake(false) {
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Runs a slice that receives what is there, and waits for more. Gives the number of messages.
    fn slice(&self) -> u32 {
        let process = self.slot.take().expect("it is runnable");
        let mut received = self.slot.outer.take(0, false);
        let mut count = 0;
        while received.next().is_some() {
            count += 1;
        }
        if self.slot.put_waiting(process, false, || !self.slot.outer.is_empty()) {
            self.queued.fetch_add(1, Ordering::SeqCst);
        }
        count
    }
}

#[test]
fn a_message_is_received_or_wakes_its_receiver_once() {
    model(|| {
        let running = Running::new();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let running = running.clone();
                thread::spawn(move || {
                    let pool = Pool::new();
                    assert!(push(&running.slot, None, &pool));
                    running.wake();
                })
            })
            .collect();
        let mut received = running.slice();
        senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
        let queued = running.queued.load(Ordering::SeqCst);
        // A sender may also wake a process that has its message already.
        assert!(queued == 1 || queued == 0 && received == 2, "{queued} times, {received} received");
        if queued == 1 {
            received += running.slice();
        }
        assert_eq!(received, 2);
    });
}

#[test]
fn a_signal_is_seen_by_a_process_that_receives_nothing() {
    model(|| {
        let running = Running::new();
        let sender = {
            let running = running.clone();
            thread::spawn(move || {
                let pool = Pool::new();
                let signal = Some(Box::new(Signal::Kill));
                assert!(push(&running.slot, signal, &pool));
                running.slot.signal();
                running.wake();
            })
        };
        // It sleeps: only signals may wake it.
        let process = running.slot.take().expect("it is runnable");
        let seen = running.slot.take_signalled();
        if running.slot.put_waiting(process, false, || false) {
            running.queued.fetch_add(1, Ordering::SeqCst);
        }
        sender.join().expect("no panic");
        assert!(seen || running.queued.load(Ordering::SeqCst) == 1);
        drop(running.slot.outer.close(0, false));
    });
}

#[test]
fn who_waits_for_an_end_sees_it_or_is_told() {
    model(|| {
        let table = Arc::new(ProcessTable::default());
        let target = table.allocate(10, &FreeSlots::default(), false).expect("there is room");
        let waiter = table.allocate(10, &FreeSlots::default(), false).expect("there is room");
        table.start(process(target));
        let ender = {
            let table = table.clone();
            thread::spawn(move || {
                let slot = table.slot(target).expect("it exists");
                let process = slot.take().expect("it is runnable");
                let (told, late) =
                    table.end(target, None, &FreeSlots::default(), false).expect("it exists");
                drop((process, late));
                told
            })
        };
        let seen = table.ended(target, waiter, |_| ()).is_some();
        let told = ender.join().expect("no panic");
        assert!(seen || told == [waiter]);
    });
}

#[test]
fn a_process_with_a_name_gives_it_up() {
    model(|| {
        let table = Arc::new(ProcessTable::default());
        let target = table.allocate(10, &FreeSlots::default(), false).expect("there is room");
        table.start(process(target));
        let ender = {
            let table = table.clone();
            thread::spawn(move || {
                let slot = table.slot(target).expect("it exists");
                let process = slot.take().expect("it is runnable");
                drop((process, table.end(target, None, &FreeSlots::default(), false)));
            })
        };
        table.register(crate::value::Atom(1), target);
        ender.join().expect("no panic");
        assert_eq!(table.names.find(crate::value::Atom(1)), None);
    });
}

/// Runs worker `id` until the run is over; how many processes it got.
fn work(hub: &Hub, id: usize) -> usize {
    let mut ran = 0;
    loop {
        match hub.sleep(id, false, None, || 0, |_| {}) {
            Next::Run(pids) => ran += pids.len(),
            Next::Timers(_) => {}
            Next::Stop => return ran,
        }
    }
}

#[test]
fn what_is_injected_is_run_once_and_the_run_ends() {
    model(|| {
        let hub = Arc::new(Hub::new(2, false));
        hub.leave();
        hub.leave();
        let other = {
            let hub = hub.clone();
            thread::spawn(move || work(&hub, 1))
        };
        let outside = {
            let hub = hub.clone();
            thread::spawn(move || {
                hub.come_back(PID);
                hub.come_back(PID);
            })
        };
        let ran = work(&hub, 0) + other.join().expect("no panic");
        outside.join().expect("no panic");
        assert_eq!(ran, 2);
    });
}

#[test]
fn a_cancelled_timer_of_a_worker_that_sleeps_does_not_keep_the_run_going() {
    model(|| {
        let hub = Arc::new(Hub::new(2, false));
        let sleeper = {
            let hub = hub.clone();
            thread::spawn(move || {
                let mut timer = Some(u64::MAX);
                loop {
                    match hub.sleep(0, false, timer, || 0, |_| {}) {
                        Next::Timers(cancelled) => {
                            assert_eq!(cancelled, [7]);
                            timer = None;
                        }
                        Next::Run(pids) => assert_eq!(pids, [], "nothing is injected"),
                        Next::Stop => return,
                    }
                }
            })
        };
        hub.cancel(0, 7);
        work(&hub, 1);
        sleeper.join().expect("no panic");
    });
}

#[test]
fn a_sender_that_waits_for_room_is_woken_when_there_is_some() {
    model(|| {
        const LIMIT: u32 = 1;
        let table = Arc::new(ProcessTable::default());
        let (to, sender) = (
            table.allocate(10, &FreeSlots::default(), false).expect("room"),
            table.allocate(10, &FreeSlots::default(), false).expect("room"),
        );
        table.start(process(to));
        table.start(process(sender));
        let receiver = table.slot(to).expect("it exists");
        receiver.queued.store(LIMIT, Ordering::SeqCst);
        let taker = {
            let table = table.clone();
            thread::spawn(move || {
                let receiver = table.slot(to).expect("it exists");
                receiver.queued.fetch_sub(1, Ordering::SeqCst);
                let woken = table.made_room(to, LIMIT).into_iter();
                woken.filter(|pid| table.slot(*pid).is_some_and(|slot| slot.wake(false))).count()
            })
        };
        let slot = table.slot(sender).expect("it exists");
        let waits = slot.take().expect("it is runnable");
        let ticket = table.take_ticket(to, sender);
        let ready = slot.put_waiting(waits, false, || table.may_send(to, ticket, LIMIT));
        let woken = taker.join().expect("no panic");
        assert_eq!(usize::from(ready) + woken, 1, "exactly one puts it into a queue");
    });
}

/// Sends a message and says whether the receiver is to be queued.
fn send(running: &Running, pool: &Pool, alone: bool) {
    assert!(running.slot.outer.push(0, Value::UNIT, Space::new(), None, pool, alone));
    if running.slot.wake(alone) {
        running.queued.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_a_worker_does_alone_is_seen_by_those_that_come_after() {
    model(|| {
        let (hub, running) = (Arc::new(Hub::new(2, false)), Running::new());
        let waits = running.slot.take().expect("it is runnable");
        assert!(!running.slot.put_waiting(waits, false, || false));
        let other = {
            let (hub, running) = (hub.clone(), running.clone());
            thread::spawn(move || {
                // Its timer is due, and sends.
                let next = hub.sleep(1, false, Some(5), || 5, |_| thread::yield_now());
                assert_eq!(next, Next::Timers(Vec::new()));
                send(&running, &Pool::new(), false);
                work(&hub, 1);
            })
        };
        let pool = Pool::new();
        thread::yield_now();
        let mut alone = hub.claim();
        send(&running, &pool, alone);
        if hub.attention() & COMPANY != 0 && alone {
            alone = false;
            hub.give_up();
        }
        send(&running, &pool, alone);
        while hub.sleep(0, alone, None, || 0, |_| {}) != Next::Stop {
            alone = false;
        }
        other.join().expect("no panic");
        assert_eq!(running.queued.load(Ordering::SeqCst), 1);
        assert_eq!(running.slice(), 3);
    });
}

#[test]
fn what_others_have_goes_to_the_worker_that_reserves_it() {
    model(|| {
        let hub = Arc::new(Hub::new(2, false));
        let other = {
            let hub = hub.clone();
            thread::spawn(move || {
                // It has a process, and gives it away if it sees in time that it should.
                let mut ran = 1;
                if hub.attention() & RETREAT != 0 && hub.retreat([PID]) {
                    ran = 0;
                }
                ran + work(&hub, 1)
            })
        };
        hub.reserve();
        let mut alone = true;
        let mut ran = 0;
        thread::yield_now();
        if hub.attention() & LONELY != 0 {
            assert!(hub.claim());
        }
        if hub.attention() & INJECTED != 0 {
            ran += hub.take().len();
        }
        loop {
            match hub.sleep(0, alone, None, || 0, |_| {}) {
                Next::Run(pids) => ran += pids.len(),
                Next::Timers(_) => {}
                Next::Stop => break,
            }
            alone = false;
        }
        assert_eq!(ran + other.join().expect("no panic"), 1);
    });
}
