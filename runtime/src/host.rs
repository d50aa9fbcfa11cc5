//! The machine as an object, and processes that belong to the host.
//!
//! A [`Machine`] runs until it is stopped, whether anything can run or not. A [`HostProcess`] is a process
//! without code: threads of the host send and receive through it, wait for its messages, and link or
//! monitor others with it. Values cross the border as [`Parcel`]s.

use crate::error::{ExitReason, Trap};
use crate::heap::copy::Parcel;
use crate::heap::{Heap, OutOfMemory, Space};
use crate::interp::code::CodeBlock;
use crate::ionpack::Package;
use crate::link::{self, GrowError};
use crate::natives::Registry;
use crate::object::container;
use crate::ops::actor;
use crate::process::mailbox::Mailbox;
use crate::process::owned::Owned;
use crate::process::signal::{self, Bonds, Lasting, Signal};
use crate::process::table::FreeSlots;
use crate::process::{Process, mailbox};
use crate::program::FuncId;
use crate::sched::report;
use crate::sched::worker::Worker;
use crate::system::{Config, System};
use crate::tier::Compiler;
use crate::value::{Atom, Pid, Value};
use crate::vm::{self, Linked, Outputs};
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole whenever one is given up.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A running machine.
///
/// Dropping it stops it.
#[derive(Debug)]
pub struct Machine {
    system: Arc<System>,
    /// Held while the program grows.
    growing: Mutex<()>,
}

impl Machine {
    /// Starts the workers of a machine for a program; nothing runs yet.
    ///
    /// `compiler` must be there if `config.engine` needs one, and made with `config.open` set: the host
    /// may call any function with anything.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(
        linked: &Linked,
        config: Config,
        compiler: Option<Arc<dyn Compiler>>,
        outputs: Outputs,
    ) -> std::io::Result<Machine> {
        let system = vm::system(linked, config, compiler, outputs, true);
        vm::start_workers(&system)?;
        Ok(Machine { system, growing: Mutex::default() })
    }

    /// What the workers share: program, texts, settings.
    pub fn system(&self) -> &Arc<System> {
        &self.system
    }

    /// A function by its name as stack traces show it, `CLASS:FUNCTION`.
    pub fn function(&self, name: &str) -> Option<FuncId> {
        let functions = &self.system.program.functions;
        functions.iter().find(|function| function.qualified_name() == name).map(|found| found.id)
    }

    /// Adds the classes of a package to the running program, which must have been linked with room
    /// ([`Linked::with_room`]) and be interpreted. Processes see nothing of it until the host gives them a
    /// new function. `registry` is what library functions mean.
    ///
    /// # Errors
    /// If the classes are not valid, or there is no room; then nothing has changed.
    pub fn grow(&self, package: &Package, registry: &Registry) -> Result<(), GrowError> {
        let System { program, atoms, shapes, codes, .. } = &*self.system;
        let _guard = lock(&self.growing);
        if self.system.compiler.is_some() {
            return Err(GrowError::Full);
        }
        let before = program.functions.len();
        link::grow(program, package, atoms, shapes, registry)?;
        let blocks = CodeBlock::of(&program.functions[before..], vm::is_fused(&self.system.config));
        // It has the same room.
        codes.append(blocks).map_err(|_| GrowError::Full)
    }

    /// What the processes are doing, a line each, by number. Of those that do not wait only little is known.
    pub fn processes(&self) -> Vec<String> {
        report::processes(&self.system)
    }

    /// A new process that belongs to the host. `ring` is called on any thread whenever something has
    /// arrived for it; it must not wait.
    ///
    /// # Errors
    /// If there are as many processes as there may be.
    pub fn host_process(&self, ring: Option<Ring>) -> Result<HostProcess, Trap> {
        HostProcess::new(&self.system, ring)
    }

    /// Stops all workers after the slices that they are in, and waits for them. Processes that have not
    /// ended never run again.
    pub fn stop(&self) {
        self.system.hub.stop();
        vm::join(&self.system);
        lock(&self.system.hosts).values().for_each(|bell| bell.ring());
        self.system.print("", true);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Called when something has arrived for a host process.
pub type Ring = Arc<dyn Fn() + Send + Sync>;

/// Wakes threads that wait for a host process.
pub(crate) struct Bell {
    /// How often it was rung. SeqCst with `sleepers`: who rings sees a sleeper, or the sleeper sees the ring.
    rings: AtomicU64,
    /// Threads that sleep, or are about to; changed under the lock.
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    rung: Condvar,
    also: Option<Ring>,
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell").field("rings", &self.rings).finish_non_exhaustive()
    }
}

/// How often a thread looks before it sleeps, where another core can do something meanwhile: some 20 µs, what
/// falling asleep and being woken takes.
const LOOKS: u32 = 500;

/// Can another thread do something while this one spins?
pub(crate) fn may_spin() -> bool {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    *CORES.get_or_init(cores) > 1
}

impl Bell {
    fn new(also: Option<Ring>) -> Bell {
        Bell {
            rings: AtomicU64::new(0),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::default(),
            rung: Condvar::new(),
            also,
        }
    }

    pub(crate) fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            // Who was counted but does not sleep yet has the lock.
            drop(lock(&self.lock));
            self.rung.notify_all();
        }
        if let Some(ring) = &self.also {
            ring();
        }
    }

    fn count(&self) -> u64 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Waits for a ring beyond `seen` without sleeping, for a moment.
    fn spin(&self, seen: u64, until: Option<Instant>) -> bool {
        let now = until.is_some_and(|until| until <= Instant::now());
        for _ in 0..if now || !may_spin() { 0 } else { LOOKS } {
            if self.count() != seen {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// Waits for a ring beyond `seen`; false if `until` comes first.
    fn wait(&self, seen: u64, until: Option<Instant>) -> bool {
        let mut guard = lock(&self.lock);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let rung = loop {
            if self.count() != seen {
                break true;
            }
            guard = match until {
                None => self.rung.wait(guard).unwrap_or_else(|e| e.into_inner()),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break false;
                    }
                    self.rung.wait_timeout(guard, left).unwrap_or_else(|e| e.into_inner()).0
                }
            };
        };
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        rung
    }
}

/// Bells by process.
pub(crate) type Hosts = FxHashMap<Pid, Arc<Bell>>;

/// Why a host process has nothing more to receive.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// The machine was stopped.
    Stopped,
    /// Another process ended it, for this reason.
    Exit(ExitReason),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Stopped => f.write_str("the machine was stopped"),
            Ended::Exit(ExitReason::Exit(reason)) => write!(f, "ended with the reason {reason}"),
            Ended::Exit(_) => f.write_str("killed by another process"),
        }
    }
}

impl std::error::Error for Ended {}

/// How a new process is bound to the one that starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Bond {
    /// Not at all.
    #[default]
    None,
    /// By a link: its end is an exit signal.
    Link,
    /// By a monitor: its end is a message.
    Monitor,
}

/// A process that belongs to the host. All methods may be called on any thread.
///
/// It traps exits: ends of linked processes arrive as messages `(:exit, pid, reason)`. It ends, normally,
/// when it is dropped.
#[derive(Debug)]
pub struct HostProcess {
    inner: Mutex<Inner>,
    bell: Arc<Bell>,
    pid: Pid,
    system: Arc<System>,
}

/// The process before its worker: it refers to it.
#[derive(Debug)]
struct Inner {
    process: Owned,
    /// Gives the process what it needs of a worker; runs nothing.
    worker: Box<Worker>,
    ended: Option<Ended>,
}

// SAFETY: the worker's cells and the process's pointer to it are used only under the lock of
// `HostProcess`, by one thread at a time; nothing in them belongs to a thread.
unsafe impl Send for Inner {}

impl HostProcess {
    fn new(system: &Arc<System>, also: Option<Ring>) -> Result<HostProcess, Trap> {
        let limit = system.config.max_processes;
        let worker = Box::new(Worker::new(system.clone(), None, 0));
        let pid = system.table.allocate(limit, &worker.slots, false);
        system.table.give_all(&worker.slots);
        let pid = pid.ok_or(Trap::TooManyProcesses { limit })?;
        let mut process = Owned::new(Process::new(pid, 0, system.config.max_heap, false));
        process.worker = &raw const *worker;
        process.bonds().trap_exit = true;
        let bell = Arc::new(Bell::new(also));
        lock(&system.hosts).insert(pid, bell.clone());
        system.table.start_host(pid);
        let inner = Mutex::new(Inner { process, worker, ended: None });
        Ok(HostProcess { inner, bell, pid, system: system.clone() })
    }

    /// Gives it a new handle, an empty mailbox and no bonds. What is sent to the old handle reaches nobody.
    ///
    /// # Errors
    /// If there are as many processes as there may be; it must not be used any more then.
    pub fn renew(&mut self) -> Result<(), Trap> {
        self.retire();
        let limit = self.system.config.max_processes;
        let own = FreeSlots::default();
        let pid = self.system.table.allocate(limit, &own, false);
        self.system.table.give_all(&own);
        let pid = pid.ok_or(Trap::TooManyProcesses { limit })?;
        let inner = self.inner.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        inner.process.mailbox = Mailbox::new();
        inner.process.pid = pid;
        inner.process.bonds().trap_exit = true;
        inner.ended = None;
        lock(&self.system.hosts).insert(pid, self.bell.clone());
        self.system.table.start_host(pid);
        self.pid = pid;
        Ok(())
    }

    /// It ends, and whoever waits for that is told.
    fn retire(&mut self) {
        lock(&self.system.hosts).remove(&self.pid);
        let inner = self.inner.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        let slots = &inner.worker.slots;
        let Some((waiters, late)) = self.system.table.end(self.pid, None, slots, false) else {
            return;
        };
        self.system.table.give_all(slots);
        let bonds = inner.process.bonds.take();
        let normal = || mailbox::immediate(Value::atom(crate::atom::known::normal));
        inner.worker.tell_end(self.pid, bonds, late, &normal);
        for waiter in waiters {
            inner.worker.wake(waiter);
        }
    }

    /// Its handle.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a message; false if the receiver has ended. Never waits: where senders wait for room in full
    /// mailboxes, what hosts send goes beyond the limit.
    pub fn send(&self, to: Pid, message: Parcel) -> bool {
        let inner = lock(&self.inner);
        let alive = inner.worker.send(to, message);
        if alive {
            let sent = &self.system.counters.messages;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        alive
    }

    /// The next message; waits for it, at most `timeout` long. `None`: the time is over.
    ///
    /// # Errors
    /// If there will be none any more.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Option<Parcel>, Ended> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let seen = self.bell.count();
            if let Some(message) = self.try_receive()? {
                return Ok(Some(message));
            }
            if self.bell.spin(seen, until) {
                continue;
            }
            self.system.hub.nudge();
            if !self.bell.wait(seen, until) {
                return Ok(None);
            }
        }
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// If there will be none any more.
    pub fn try_receive(&self) -> Result<Option<Parcel>, Ended> {
        let mut inner = lock(&self.inner);
        let Inner { process, worker, ended } = &mut *inner;
        if process.mailbox.is_empty() && ended.is_none() {
            process.fetch();
            let exit = process.bonds().exit.take();
            let killed = self.system.table.slot(self.pid).is_some_and(|slot| slot.killed());
            if let Some(reason) = exit {
                *ended = Some(Ended::Exit(signal::exit_reason(&self.system, reason.value)));
            } else if killed {
                *ended = Some(Ended::Exit(ExitReason::Killed));
            }
        }
        let mut space = Space::new();
        if let Some(value) = process.mailbox.receive(&worker.pool, |own| space = own) {
            return Ok(Some(Parcel { value, space }));
        }
        if ended.is_none() && self.system.hub.is_stopped() {
            *ended = Some(Ended::Stopped);
        }
        ended.clone().map_or(Ok(None), Err)
    }

    /// Starts a process: a function of the program with the elements of `args`, a Tuple or Array. Gives
    /// its handle, and the reference of the monitor if there is one.
    ///
    /// # Errors
    /// If there are as many processes as there may be, or the arguments need too much memory.
    pub fn spawn(&self, function: FuncId, args: &Parcel, bond: Bond) -> Result<(Pid, u64), Trap> {
        let mut inner = lock(&self.inner);
        let Inner { process, worker, .. } = &mut *inner;
        let elements = container::tuple(args.value).or_else(|| container::array(args.value));
        let (mut bonds, mut reference) = (Bonds::default(), 0);
        match bond {
            Bond::None => {}
            Bond::Link => drop(bonds.links.insert(self.pid)),
            Bond::Monitor => {
                reference = self.system.new_reference();
                bonds.watchers.insert((reference, self.pid));
            }
        }
        let bonds = (bond != Bond::None).then(|| Box::new(bonds));
        let function = Value::function(function);
        let child = actor::create(process, function, elements.unwrap_or_default(), bonds)?;
        match bond {
            Bond::None => {}
            Bond::Link => drop(process.bonds().links.insert(child)),
            Bond::Monitor => drop(process.bonds().monitors.insert(reference, child)),
        }
        worker.enqueue(child);
        self.system.table.give_all(&worker.slots);
        Ok((child, reference))
    }

    /// Starts a process that begins again instead of ending, with what it has: memory, mailbox and bonds stay.
    /// Each time it calls `function` with the handle of this host process and the reason of the last end,
    /// Undefined at first. It traps exits.
    ///
    /// # Errors
    /// As for [`HostProcess::spawn`].
    pub fn spawn_lasting(&self, function: FuncId) -> Result<Pid, Trap> {
        let mut inner = lock(&self.inner);
        let Inner { process, worker, .. } = &mut *inner;
        let lasting = Some(Lasting { function, owner: self.pid });
        let bonds = Some(Box::new(Bonds { lasting, trap_exit: true, ..Bonds::default() }));
        let args = [Value::pid(self.pid), Value::UNDEFINED];
        let child = actor::create(process, Value::function(function), &args, bonds)?;
        worker.enqueue(child);
        Ok(child)
    }

    /// Links it and another process.
    pub fn link(&self, other: Pid) {
        lock(&self.inner).process.link(other);
    }

    /// Undoes a link.
    pub fn unlink(&self, other: Pid) {
        lock(&self.inner).process.unlink(other);
    }

    /// Asks for the message `(:down, reference, pid, reason)` at the end of a process; gives the reference.
    pub fn monitor(&self, target: Pid) -> u64 {
        lock(&self.inner).process.monitor(target)
    }

    /// Ends a monitor.
    pub fn demonitor(&self, reference: u64) {
        lock(&self.inner).process.demonitor(reference);
    }

    /// Asks a process to end for a reason.
    pub fn exit(&self, to: Pid, reason: &Parcel) {
        let parcel = signal::exit_parcel(self.pid, reason.value);
        lock(&self.inner).worker.deliver(to, parcel, Some(Signal::Exit));
    }

    /// Ends a process, whether it traps exits or not.
    pub fn kill(&self, to: Pid) {
        lock(&self.inner).worker.kill(to, crate::atom::known::killed);
    }

    /// Gives it a name. False if it has one or the name is taken.
    pub fn register(&self, name: Atom) -> bool {
        self.system.table.register(name, self.pid)
    }

    /// The process of a name.
    pub fn whereis(&self, name: Atom) -> Option<Pid> {
        self.system.table.names.find(name)
    }

    /// Has a process not ended yet?
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.system.table.is_alive(pid)
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.retire();
    }
}

impl Parcel {
    /// A value that `make` builds in a heap of at most `limit` bytes.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn build(
        limit: usize,
        make: impl FnOnce(&mut Heap) -> Result<Value, OutOfMemory>,
    ) -> Result<Parcel, OutOfMemory> {
        let mut heap = Heap::new(limit);
        let value = make(&mut heap)?;
        Ok(Parcel { value, space: std::mem::take(&mut heap.space) })
    }
}
