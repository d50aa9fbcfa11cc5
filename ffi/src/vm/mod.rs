//! Machines inside of a host program.
//!
//! ```
//! use ion_ffi::{Term, Vm};
//! use std::time::Duration;
//!
//! let program = r#"
//!     function double (arity: 1) {
//!         load_const r1, '__stdlib:Host.twice'
//!         call r0, r1, [r0]
//!         return r0
//!     }
//!     function echo {
//!     again:
//!         receive r0
//!         load_const r1, 1
//!         get_prop r2, r0, r1      // (:ask, from, value)
//!         load_const r1, 2
//!         get_prop r3, r0, r1
//!         send r2, r3
//!         jump again
//!     }
//!     function main {
//!         load_const r0, 'self'
//!         return r0
//!     }"#;
//! let vm = Vm::builder()
//!     .native("Host.twice", &["number"], |number: f64| 2.0 * number)
//!     .max_heap(16 << 20)
//!     .load_text(program)?;
//!
//! // Run a function to its end.
//! assert_eq!(vm.call("double", [Term::from(21)])?, Term::from(42));
//!
//! // Talk to a process.
//! let echo = vm.spawn("echo", [])?;
//! let answer = vm.ask(echo, Term::from("hello"), Some(Duration::from_secs(10)))?;
//! assert_eq!(answer, Term::from("hello"));
//! # Ok::<(), ion_ffi::VmError>(())
//! ```
//!
//! A [`Vm`] is a handle; clones are the same machine, which stops when the last is dropped. All methods
//! may be called on any thread. A host may have any number of machines.

mod builder;
mod error;
#[cfg(feature = "jit")]
mod image;

use crate::term::{Term, find_function};
pub use builder::{VmBuilder, for_hosts};
pub use error::{Exit, VmError};
#[cfg(feature = "jit")]
pub use image::compile_ahead;
use ion_runtime::error::Crash;
use ion_runtime::host::{Bond, HostProcess, Machine, Ring};
use ion_runtime::program::FuncId;
use ion_runtime::value::Pid;
use ion_runtime::vm::Capture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The class of the functions that [`Vm::call`] goes through.
const HOST_CLASS: &str = "__host";

/// Any function can be called with up to so many arguments by [`Vm::call`]; with more, only where a function of
/// the package has so many parameters.
pub const MAX_ARGS: usize = 12;

fn is_host_function(name: &str) -> bool {
    name.strip_prefix(HOST_CLASS).is_some_and(|rest| rest.starts_with(':'))
}

/// The latest crashes.
#[derive(Debug, Default)]
struct Crashes(Mutex<VecDeque<(Pid, Crash)>>);

/// Most crashes that are kept.
const MAX_CRASHES: usize = 256;

impl Crashes {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Pid, Crash)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn add(&self, pid: Pid, mut crash: Crash) {
        if crash.trace.last().is_some_and(|line| is_host_function(&line.function)) {
            crash.trace.pop();
        }
        let mut crashes = self.lock();
        if crashes.len() == MAX_CRASHES {
            crashes.pop_front();
        }
        crashes.push_back((pid, crash));
    }

    fn of(&self, pid: Pid) -> Option<Crash> {
        self.lock().iter().rev().find(|(of, _)| *of == pid).map(|(_, crash)| crash.clone())
    }
}

/// A running machine; see the module text.
#[derive(Clone, Debug)]
pub struct Vm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Host processes that calls and questions may use.
    idle: Mutex<Vec<HostProcess>>,
    /// The one whose messages [`Vm::receive`] gives.
    host: HostProcess,
    machine: Machine,
    crashes: Arc<Crashes>,
    out: Option<Capture>,
    err: Option<Capture>,
}

/// Most host processes that are kept for later.
const MAX_IDLE: usize = 64;

/// What a message to a host process that waits for something is.
enum Note {
    /// A process that it monitors has ended, for this reason.
    Down { reference: f64, reason: Term },
    /// Anything else.
    Message(Term),
}

fn note(term: Term) -> Note {
    let Term::Tuple(mut parts) = term else { return Note::Message(term) };
    if let [tag, Term::Number(reference), Term::Process(_), _] = parts.as_slice()
        && *tag == Term::atom("down")
    {
        let reference = *reference;
        let reason = parts.pop().unwrap_or(Term::Undefined);
        return Note::Down { reference, reason };
    }
    Note::Message(Term::Tuple(parts))
}

/// A call or a question that waits for its answer. Dropped without one, it is given up: the process of a
/// call is killed, and a late answer to a question goes to nobody.
#[derive(Debug)]
pub struct Question {
    vm: Vm,
    pid: Pid,
    kind: Waits,
    /// Nothing once there was an answer.
    waiting: Mutex<Option<Waiting>>,
}

/// What a [`Question`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// The answer to a message.
    Answer,
    /// What a call gives.
    Result,
    /// The end of a process.
    End,
}

#[derive(Debug)]
struct Waiting {
    host: HostProcess,
    reference: u64,
    /// May the host process be used again?
    keep: bool,
}

impl Question {
    /// The process that is asked, or runs the call.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The answer; waits for it, at most `timeout` long. `None`: the time is over, or the answer was
    /// given before.
    ///
    /// # Errors
    /// [`VmError::Exit`] if the process ends without an answer.
    pub fn answer(&self, timeout: Option<Duration>) -> Result<Option<Term>, VmError> {
        let mut guard = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(waiting) = &*guard else { return Ok(None) };
        let until = until(timeout);
        let answer = loop {
            let Some(parcel) = waiting.host.receive(left(until))? else { return Ok(None) };
            match note(Term::unpack(self.vm.0.machine.system(), &parcel)?) {
                Note::Message(_) if self.kind == Waits::End => {}
                Note::Message(message) => break Ok(Some(message)),
                Note::Down { reference, reason } if reference == waiting.reference as f64 => {
                    if self.kind == Waits::End {
                        break Ok(Some(reason));
                    }
                    let exit = self.vm.exit_of(self.pid, reason);
                    break Err(VmError::Exit(Box::new(exit)));
                }
                Note::Down { .. } => {}
            }
        };
        if let Some(Waiting { host, reference, keep }) = guard.take() {
            host.demonitor(reference);
            if keep {
                self.vm.give_back(host);
            }
        }
        match answer? {
            Some(Term::Array(mut parts)) if self.kind == Waits::Result && parts.len() == 1 => {
                Ok(parts.pop())
            }
            answer => Ok(answer),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let waiting = self.waiting.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(waiting) = waiting.take()
            && self.kind == Waits::Result
        {
            waiting.host.kill(self.pid);
        }
    }
}

/// A machine that is not kept running: see [`Vm::downgrade`].
#[derive(Clone, Debug, Default)]
pub struct WeakVm(std::sync::Weak<Inner>);

impl WeakVm {
    /// The machine, if somebody still has it.
    pub fn upgrade(&self) -> Option<Vm> {
        self.0.upgrade().map(Vm)
    }
}

/// When a wait is over.
fn until(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

fn left(until: Option<Instant>) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(Instant::now()))
}

impl Vm {
    /// Settings for a new machine.
    pub fn builder() -> VmBuilder {
        VmBuilder::default()
    }

    /// A handle that does not keep the machine running.
    pub fn downgrade(&self) -> WeakVm {
        WeakVm(Arc::downgrade(&self.0))
    }

    /// The process by which the host itself sends and receives.
    pub fn pid(&self) -> Pid {
        self.0.host.pid()
    }

    /// Starts a process: a function (`CLASS:NAME`, or a NAME that only one has) with arguments.
    pub fn spawn(
        &self,
        function: &str,
        args: impl IntoIterator<Item = Term>,
    ) -> Result<Pid, VmError> {
        let function = find_function(self.0.machine.system(), function)?;
        let args = Term::Tuple(args.into_iter().collect()).pack(self.0.machine.system())?;
        let spawned = self.0.host.spawn(function, &args, Bond::None);
        spawned.map(|(pid, _)| pid).map_err(VmError::Spawn)
    }

    /// Sends a message; false if the process has ended.
    pub fn send(&self, to: Pid, message: impl Into<Term>) -> Result<bool, VmError> {
        let parcel = message.into().pack(self.0.machine.system())?;
        Ok(self.0.host.send(to, parcel))
    }

    /// The next message to [`Vm::pid`]; waits for it, at most `timeout` long. `None`: the time is over.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Option<Term>, VmError> {
        let parcel = self.0.host.receive(timeout)?;
        Ok(match parcel {
            Some(parcel) => Some(Term::unpack(self.0.machine.system(), &parcel)?),
            None => None,
        })
    }

    /// Calls a function in a process of its own and waits for what it gives.
    ///
    /// # Errors
    /// [`VmError::Exit`] if the process ends otherwise than by returning.
    pub fn call(
        &self,
        function: &str,
        args: impl IntoIterator<Item = Term>,
    ) -> Result<Term, VmError> {
        self.call_within(function, args, None)
    }

    /// As [`Vm::call`]; the process is killed when the time is over.
    pub fn call_within(
        &self,
        function: &str,
        args: impl IntoIterator<Item = Term>,
        timeout: Option<Duration>,
    ) -> Result<Term, VmError> {
        let system = self.0.machine.system();
        let function = find_function(system, function)?;
        self.call_function(function, args, timeout)
    }

    /// Runs the program's entry point, with the program's arguments if it takes any, and waits for what
    /// it gives. Other processes go on.
    pub fn run_main(&self, args: &[&str], timeout: Option<Duration>) -> Result<Term, VmError> {
        let program = &self.0.machine.system().program;
        let takes = program.function(program.entry).arity > 0;
        let args = Term::Array(args.iter().map(|&arg| Term::from(arg)).collect());
        self.call_function(program.entry, takes.then_some(args), timeout)
    }

    fn call_function(
        &self,
        function: FuncId,
        args: impl IntoIterator<Item = Term>,
        timeout: Option<Duration>,
    ) -> Result<Term, VmError> {
        let question = self.begin_function(function, args, None)?;
        question.answer(timeout)?.ok_or(VmError::Timeout)
    }

    /// Begins a call, see [`Vm::call`]. `ring` as for [`Vm::host_process`].
    pub fn begin_call(
        &self,
        function: &str,
        args: impl IntoIterator<Item = Term>,
        ring: Option<Ring>,
    ) -> Result<Question, VmError> {
        let function = find_function(self.0.machine.system(), function)?;
        self.begin_function(function, args, ring)
    }

    /// Begins a run of the entry point, see [`Vm::run_main`].
    pub fn begin_main(&self, args: &[&str], ring: Option<Ring>) -> Result<Question, VmError> {
        let program = &self.0.machine.system().program;
        let takes = program.function(program.entry).arity > 0;
        let args = Term::Array(args.iter().map(|&arg| Term::from(arg)).collect());
        self.begin_function(program.entry, takes.then_some(args), ring)
    }

    fn begin_function(
        &self,
        function: FuncId,
        args: impl IntoIterator<Item = Term>,
        ring: Option<Ring>,
    ) -> Result<Question, VmError> {
        let system = self.0.machine.system();
        let keep = ring.is_none();
        let host = self.host_process(ring)?;
        let name = Term::Function(system.program.function(function).qualified_name());
        let mut all = vec![Term::Process(host.pid()), name];
        all.extend(args);
        let count = all.len() - 2;
        let wrapper = find_function(system, &format!("{HOST_CLASS}:call{count}"))
            .map_err(|_| VmError::TooManyArguments(count))?;
        let args = Term::Tuple(all).pack(system)?;
        let (pid, reference) = host.spawn(wrapper, &args, Bond::Monitor).map_err(VmError::Spawn)?;
        let waiting = Some(Waiting { host, reference, keep });
        Ok(Question { vm: self.clone(), pid, kind: Waits::Result, waiting: Mutex::new(waiting) })
    }

    /// Sends `(:ask, from, message)` and waits for the answer: the next message to `from`.
    pub fn ask(
        &self,
        pid: Pid,
        message: impl Into<Term>,
        timeout: Option<Duration>,
    ) -> Result<Term, VmError> {
        let message = message.into();
        self.ask_with(pid, |from| Term::from((Term::atom("ask"), from, message)), timeout)
    }

    /// Sends the message that `make` gives for the process that waits for the answer: the next message
    /// to it.
    ///
    /// # Errors
    /// [`VmError::Exit`] if the process has ended or ends before it answers, [`VmError::Timeout`].
    pub fn ask_with(
        &self,
        pid: Pid,
        make: impl FnOnce(Pid) -> Term,
        timeout: Option<Duration>,
    ) -> Result<Term, VmError> {
        let question = self.begin_ask(pid, make, None)?;
        question.answer(timeout)?.ok_or(VmError::Timeout)
    }

    /// Begins a question, see [`Vm::ask_with`]. `ring` as for [`Vm::host_process`].
    pub fn begin_ask(
        &self,
        pid: Pid,
        make: impl FnOnce(Pid) -> Term,
        ring: Option<Ring>,
    ) -> Result<Question, VmError> {
        let keep = ring.is_none();
        let host = self.host_process(ring)?;
        let parcel = make(host.pid()).pack(self.0.machine.system())?;
        let reference = host.monitor(pid);
        host.send(pid, parcel);
        let waiting = Some(Waiting { host, reference, keep });
        Ok(Question { vm: self.clone(), pid, kind: Waits::Answer, waiting: Mutex::new(waiting) })
    }

    fn exit_of(&self, pid: Pid, reason: Term) -> Exit {
        let crashed =
            matches!(&reason, Term::Tuple(parts) if parts.first() == Some(&Term::atom("crash")));
        let crash = if crashed { self.0.crashes.of(pid) } else { None };
        Exit { reason, crash }
    }

    /// Waits for the end of a process. `None`: the time is over.
    pub fn wait(&self, pid: Pid, timeout: Option<Duration>) -> Result<Option<Exit>, VmError> {
        let reason = self.begin_wait(pid, None)?.answer(timeout)?;
        Ok(reason.map(|reason| self.exit_of(pid, reason)))
    }

    /// Begins to wait for the end of a process; the answer is the reason. `ring` as for
    /// [`Vm::host_process`].
    pub fn begin_wait(&self, pid: Pid, ring: Option<Ring>) -> Result<Question, VmError> {
        let keep = ring.is_none();
        let host = self.host_process(ring)?;
        let reference = host.monitor(pid);
        let waiting = Some(Waiting { host, reference, keep });
        Ok(Question { vm: self.clone(), pid, kind: Waits::End, waiting: Mutex::new(waiting) })
    }

    /// Ends a process, whether it traps exits or not.
    pub fn kill(&self, pid: Pid) {
        self.0.host.kill(pid);
    }

    /// Asks a process to end for a reason.
    pub fn exit(&self, pid: Pid, reason: impl Into<Term>) -> Result<(), VmError> {
        let reason = reason.into().pack(self.0.machine.system())?;
        self.0.host.exit(pid, &reason);
        Ok(())
    }

    /// Links [`Vm::pid`] and a process: its end arrives as the message `(:exit, pid, reason)`.
    pub fn link(&self, pid: Pid) {
        self.0.host.link(pid);
    }

    /// Asks for the message `(:down, reference, pid, reason)` to [`Vm::pid`] at the end of a process; gives
    /// the reference.
    pub fn monitor(&self, pid: Pid) -> u64 {
        self.0.host.monitor(pid)
    }

    /// Ends a monitor.
    pub fn demonitor(&self, reference: u64) {
        self.0.host.demonitor(reference);
    }

    /// Has a process not ended yet?
    pub fn is_alive(&self, pid: Pid) -> bool {
        self.0.host.is_alive(pid)
    }

    /// The process that has registered under a name.
    pub fn whereis(&self, name: &str) -> Option<Pid> {
        let atom = self.0.machine.system().atoms.find(name)?;
        self.0.host.whereis(atom)
    }

    /// Gives [`Vm::pid`] a name; false if it is taken.
    pub fn register(&self, name: &str) -> bool {
        self.0.host.register(self.0.machine.system().atoms.intern(name))
    }

    /// A further process of the host's, with a mailbox of its own. `ring` is called, on any thread,
    /// whenever something arrives; it must not wait.
    pub fn host_process(&self, ring: Option<Ring>) -> Result<HostProcess, VmError> {
        if ring.is_none()
            && let Some(idle) = self.idle().pop()
        {
            return Ok(idle);
        }
        self.0.machine.host_process(ring).map_err(VmError::Spawn)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<HostProcess>> {
        self.0.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn give_back(&self, mut host: HostProcess) {
        // Each question has a handle of its own: a second answer to this one is for nobody.
        if host.renew().is_err() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(host);
        }
    }

    /// What programs have printed so far, if output is captured.
    pub fn output(&self) -> String {
        self.0.machine.system().print("", true);
        self.0.out.as_ref().map(Capture::text).unwrap_or_default()
    }

    /// Warnings and crash reports so far, if output is captured.
    pub fn error_output(&self) -> String {
        self.0.err.as_ref().map(Capture::text).unwrap_or_default()
    }

    /// The machine below.
    pub fn machine(&self) -> &Machine {
        &self.0.machine
    }

    /// Stops the machine: processes that have not ended never run again. Who waits gets
    /// [`VmError::Stopped`]. It must not be called by a native function of this machine.
    pub fn stop(&self) {
        self.0.machine.stop();
    }
}
