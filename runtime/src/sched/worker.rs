//! A worker: takes processes from its run queue and runs a slice of each.
//!
//! Compiled code reaches its worker through the running process; the table of runtime functions
//! that it calls is the first field. Operations of the running process reach into the worker while
//! the worker is inside its own methods, so everything that changes is in cells and nobody ever
//! holds a `&mut Worker`.

use crate::error::{ExitReason, Trap};
use crate::heap::copy::Parcel;
use crate::helpers::{HELPERS, HelperTable};
use crate::interp::code::CodeBlock;
use crate::interp::{self, Leave};
use crate::ops::call::Resumed;
use crate::ops::{Cont, call};
use crate::process::mailbox::Pool;
use crate::process::signal;
use crate::process::stack::{NATIVE_FRAME, Stack};
use crate::process::table::Slot;
use crate::process::{Process, Safepoint, Wait};
use crate::program::FuncId;
use crate::system::{Engine, Preempt, System};
use crate::tier::{EnterFn, STATUS_RETURNED};
use crate::value::{Pid, Value};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Why compiled code unwound, if it was not for want of reductions.
#[derive(Debug)]
pub(crate) enum Unwound {
    Yield,
    Blocked,
    Trap(Trap),
    /// A call was pushed whose result the newest own record waits for.
    Call,
    /// This is the result that the newest own record waits for.
    Deliver(Value),
}

/// How the run of a whole program ended.
#[derive(Debug)]
pub struct RunEnd {
    /// Why the main process ended; `None` if it is still waiting: a deadlock.
    pub main: Option<ExitReason>,
    /// What it returned.
    pub result: Option<Parcel>,
}

/// See the module text.
#[repr(C)]
pub struct Worker {
    helpers: HelperTable,
    pub(crate) system: Arc<System>,
    codes: Arc<Vec<CodeBlock>>,
    /// Entries for suspended calls by function; empty: not asked for yet.
    resume: RefCell<Vec<Option<ResumeEntry>>>,
    enter: Option<EnterFn>,
    queue: RefCell<VecDeque<Pid>>,
    timers: RefCell<BinaryHeap<Reverse<(u64, u64, Alarm)>>>,
    timer_seq: Cell<u64>,
    /// Records of compiled code that unwinds, innermost first.
    pub(crate) records: RefCell<Stack>,
    pub(crate) unwound: RefCell<Option<Unwound>>,
    /// What becomes of the result of the call that was just pushed; the next record takes it.
    pub(crate) pending: Cell<Cont>,
    /// Arguments of calls of unknown functions, for compiled code.
    pub(crate) args: RefCell<Vec<Value>>,
    pub(crate) messages: Cell<u64>,
    /// Memory of messages.
    pub(crate) pool: Pool,
    /// Lowest address that compiled code may use on this worker's native stack.
    stack_limit: usize,
    main: Cell<Option<Pid>>,
    main_end: RefCell<Option<(ExitReason, Option<Parcel>)>>,
}

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

/// How a slice ended.
enum SliceEnd {
    Preempted,
    Blocked,
    Ended(Ending),
}

/// How a process ends.
struct Ending {
    reason: ExitReason,
    /// What it returned, in its heap.
    result: Value,
    /// The reason as other processes see it, if it was given by one.
    given: Option<Parcel>,
}

impl Ending {
    fn of(reason: ExitReason) -> Ending {
        Ending { reason, result: Value::UNDEFINED, given: None }
    }
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    /// Wakes a process.
    Wake(Pid),
    /// Sends the message kept under this reference.
    Send(u64),
}

impl Worker {
    /// A worker of `system` with nothing to do.
    ///
    /// `stack`: bytes of native stack that compiled code may use, from here down.
    pub(crate) fn new(system: Arc<System>, codes: Arc<Vec<CodeBlock>>, stack: usize) -> Worker {
        let here = 0u8;
        let stack_limit = (&raw const here as usize).saturating_sub(stack);
        let functions = system.program.functions.len();
        let enter = system.compiler.as_ref().map(|compiler| compiler.enter());
        Worker {
            helpers: HELPERS,
            system,
            codes,
            resume: RefCell::new(vec![None; functions]),
            enter,
            queue: RefCell::default(),
            timers: RefCell::default(),
            timer_seq: Cell::new(0),
            records: RefCell::default(),
            unwound: RefCell::new(None),
            pending: Cell::new(Cont::Store),
            args: RefCell::default(),
            messages: Cell::new(0),
            pool: Pool::new(),
            stack_limit,
            main: Cell::new(None),
            main_end: RefCell::new(None),
        }
    }

    /// The functions as the interpreter runs them.
    pub(crate) fn codes<'a>(&self) -> &'a [CodeBlock] {
        // SAFETY: the worker holds the list for as long as it runs anything, and nobody keeps the
        // slice beyond a slice.
        unsafe { &*std::ptr::from_ref(self.codes.as_slice()) }
    }

    /// Where compiled code enters `function` with a list of arguments; `None` if it has to be interpreted.
    pub(crate) fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        self.system.compiler.as_ref()?.list_entry(function)
    }

    /// What a call costs.
    pub(crate) fn call_cost(&self) -> i64 {
        match self.system.config.preempt {
            Preempt::Safepoint => 1,
            Preempt::Instruction => 2,
        }
    }

    /// Puts a runnable process at the end of the queue.
    pub(crate) fn enqueue(&self, pid: Pid) {
        self.queue.borrow_mut().push_back(pid);
    }

    /// Nanoseconds on the system's clock.
    pub(crate) fn now(&self) -> u64 {
        self.system.now()
    }

    /// Sets off `alarm` at `deadline`.
    pub(crate) fn add_timer(&self, deadline: u64, alarm: Alarm) -> u64 {
        let seq = self.timer_seq.get() + 1;
        self.timer_seq.set(seq);
        self.timers.borrow_mut().push(Reverse((deadline, seq, alarm)));
        seq
    }

    /// Starts the main process: `entry` of the program with `args`.
    pub(crate) fn start_main(&self, args: &[String]) -> Result<(), Trap> {
        let system = self.system.clone();
        let limit = system.config.max_processes;
        let Some(pid) = system.table.allocate(limit) else {
            return Err(Trap::TooManyProcesses { limit });
        };
        let number = system.counters.processes.fetch_add(1, Ordering::Relaxed) + 1;
        let mut main = Box::new(Process::new(
            pid,
            number,
            system.config.max_heap,
            system.config.stress_collect,
        ));
        let entry = system.program.function(system.program.entry);
        let mut first = None;
        if entry.arity > 0 {
            let memory = |_| Trap::OutOfMemory { limit: system.config.max_heap };
            let texts: Result<Vec<Value>, _> =
                args.iter().map(|arg| main.heap.new_string(arg)).collect();
            let list = texts.and_then(|texts| main.heap.new_array(&texts)).map_err(memory)?;
            first = Some(list);
        }
        let args = first.into_iter();
        let this = Value::UNDEFINED;
        let pushed =
            call::push_frame(&mut main.stack, &system.program, usize::MAX, entry.id, this, args);
        pushed.map_err(|_| main.out_of_memory())?;
        if system.program.linked_numbers.contains(&number) {
            system.table.remember_number(number, pid);
        }
        self.main.set(Some(pid));
        system.table.start(main);
        self.enqueue(pid);
        Ok(())
    }

    /// Runs until nothing can run any more and no timer is pending, or the run is cut off.
    pub(crate) fn run(&self) -> RunEnd {
        while !self.cut_off() {
            self.fire_timers();
            while let Some(pid) = self.next_runnable() {
                self.run_process(pid);
                self.fire_timers();
            }
            let first = self.timers.borrow().peek().copied();
            match first {
                _ if self.cut_off() => break,
                Some(Reverse((deadline, _, alarm))) => {
                    if !self.is_pending(alarm) {
                        self.timers.borrow_mut().pop();
                        continue;
                    }
                    let now = self.now();
                    if deadline > now {
                        self.flush();
                        std::thread::sleep(Duration::from_nanos(deadline - now));
                    }
                }
                None => break,
            }
        }
        self.flush();
        let (main, result) = match self.main_end.borrow_mut().take() {
            Some((reason, result)) => (Some(reason), result),
            None => (self.cut_off().then_some(ExitReason::Killed), None),
        };
        self.system.counters.messages.fetch_add(self.messages.get(), Ordering::Relaxed);
        RunEnd { main, result }
    }

    /// The next runnable process; none once the run is cut off.
    fn next_runnable(&self) -> Option<Pid> {
        if self.cut_off() { None } else { self.queue.borrow_mut().pop_front() }
    }

    /// Have all the slices been handed out that the run may use?
    fn cut_off(&self) -> bool {
        self.system.counters.slices.load(Ordering::Relaxed) >= self.system.config.max_slices
    }

    fn flush(&self) {
        self.system.print("", true);
    }

    fn fire_timers(&self) {
        if self.timers.borrow().is_empty() {
            return;
        }
        let now = self.now();
        loop {
            let first = self.timers.borrow().peek().copied();
            match first {
                Some(Reverse((deadline, _, alarm))) if deadline <= now => {
                    self.timers.borrow_mut().pop();
                    self.set_off(alarm);
                }
                _ => break,
            }
        }
    }

    fn is_pending(&self, alarm: Alarm) -> bool {
        match alarm {
            Alarm::Wake(pid) => self.system.table.is_alive(pid),
            Alarm::Send(reference) => self.system.lock_later().contains_key(&reference),
        }
    }

    fn set_off(&self, alarm: Alarm) {
        match alarm {
            Alarm::Wake(pid) => self.wake(pid),
            Alarm::Send(reference) => {
                let sent = self.system.lock_later().remove(&reference);
                if let Some((to, message)) = sent {
                    self.send(to, message);
                }
            }
        }
    }

    fn wake(&self, pid: Pid) {
        if self.system.table.slot(pid).is_some_and(|slot| slot.wake()) {
            self.enqueue(pid);
        }
    }

    fn run_process(&self, pid: Pid) {
        let system: &System = &self.system;
        let Some(slot) = system.table.slot(pid) else { return };
        let Some(mut process) = slot.take() else { return };
        process.worker = self;
        if slot.killed() {
            return self.end_process(process, Ending::of(ExitReason::Killed));
        }
        if slot.take_signalled() {
            process.fetch();
            if let Some(ending) = self.asked_to_end(&mut process) {
                return self.end_process(process, ending);
            }
        }
        system.counters.slices.fetch_add(1, Ordering::Relaxed);
        let budget = i64::from(system.config.timeslice);
        process.stack_limit = self.stack_limit;
        process.start_slice(budget);
        system.trace(|| format!("process {} runs", process.number));
        let end = self.run_slice(&mut process);
        process.reductions += (budget - process.left()) as u64;
        process.stack.trim();
        match end {
            SliceEnd::Ended(ending) => self.end_process(process, ending),
            SliceEnd::Preempted => {
                process.worker = std::ptr::null();
                slot.put_runnable(process);
                self.enqueue(pid);
            }
            SliceEnd::Blocked => {
                if let Some(ending) = self.asked_to_end(&mut process) {
                    return self.end_process(process, ending);
                }
                system.trace(|| {
                    format!("process {} waits for {}", process.number, wait_text(&process.wait))
                });
                process.worker = std::ptr::null();
                self.put_waiting(slot, process);
            }
        }
    }

    /// Puts a process that waits into its slot.
    fn put_waiting(&self, slot: &Slot, process: Box<Process>) {
        let (pid, table) = (process.pid, &self.system.table);
        let ends = match &process.wait {
            Wait::Ends(targets) => targets.clone(),
            _ => Box::default(),
        };
        let receives = matches!(process.wait, Wait::Message | Wait::Timer { .. });
        let ready = || {
            receives && !slot.outer.is_empty() || ends.iter().any(|target| !table.is_alive(*target))
        };
        if slot.put_waiting(process, ready) {
            self.enqueue(pid);
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
        self.put_waiting(slot, process);
        (if seen.is_some() { "waiting" } else { "ended" }, seen)
    }

    /// How the process ends if a signal says so.
    fn asked_to_end(&self, process: &mut Process) -> Option<Ending> {
        let given = process.bonds.as_mut()?.exit.take()?;
        let reason = signal::exit_reason(&self.system, given.value);
        Some(Ending { reason, result: Value::UNDEFINED, given: Some(given) })
    }

    fn run_slice(&self, process: &mut Process) -> SliceEnd {
        let jit = self.system.config.engine == Engine::Jit;
        loop {
            let Some(top) = process.stack.top() else {
                return returns(process.result);
            };
            let leave = if top.function & NATIVE_FRAME != 0 {
                match call::resume_native(process, true) {
                    Ok(Resumed::Pushed) => self.charged(process, 1),
                    Ok(Resumed::Done(result)) => self.returned(process, result),
                    Ok(Resumed::Wait | Resumed::Blocking) => {
                        process.heap.fuel -= 2;
                        Leave::Blocked
                    }
                    Err(trap) => Leave::Trapped(trap),
                }
            } else if jit {
                self.run_compiled(process, FuncId(top.function))
            } else {
                match self.interpret(process) {
                    // A frame may have returned to a native one: like every return, see `returned`.
                    Leave::Other => self.look(process),
                    leave => leave,
                }
            };
            match leave {
                Leave::Other => {}
                Leave::Returned(result) => return returns(result),
                Leave::Yielded => return self.slice_end(process, SliceEnd::Preempted),
                Leave::Blocked => return self.slice_end(process, SliceEnd::Blocked),
                Leave::Trapped(trap) => return crashed(process, trap),
            }
        }
    }

    fn slice_end(&self, process: &mut Process, end: SliceEnd) -> SliceEnd {
        match process.check_memory() {
            Ok(()) => end,
            Err(trap) => crashed(process, trap),
        }
    }

    fn interpret(&self, process: &mut Process) -> Leave {
        let step = self.system.config.preempt == Preempt::Instruction;
        match (step, self.system.config.debug) {
            (false, false) => interp::run::<false, false>(process),
            (true, false) => interp::run::<true, false>(process),
            (false, true) => interp::run::<false, true>(process),
            (true, true) => interp::run::<true, true>(process),
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
            Err(trap) => Leave::Trapped(trap),
        }
    }

    /// Goes on with the newest record in compiled code.
    fn run_compiled(&self, process: &mut Process, function: FuncId) -> Leave {
        let entry = match self.resume_entry(function) {
            Ok(ResumeEntry::Code(entry)) => entry,
            Ok(ResumeEntry::Interpreted) => return self.interpret(process),
            Err(trap) => return Leave::Trapped(trap),
        };
        let Some(enter) = self.enter else { return self.interpret(process) };
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
            return Leave::Trapped(trap);
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
        if let Some(entry) = self.resume.borrow()[function.0 as usize] {
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
        self.resume.borrow_mut()[function.0 as usize] = Some(entry);
        Ok(entry)
    }

    fn end_process(&self, mut process: Box<Process>, ending: Ending) {
        let Ending { reason, result, given } = ending;
        let system: &System = &self.system;
        let pid = process.pid;
        if let ExitReason::Crash(crash) = &reason {
            system.report(&crash.to_string());
        }
        system.trace(|| {
            let shown = match &reason {
                ExitReason::Normal => crate::print::to_text(system, result),
                ExitReason::Crash(_) => "a crash".to_owned(),
                ExitReason::Killed => "a kill".to_owned(),
                ExitReason::Exit(reason) => format!("the reason {reason}"),
            };
            format!("process {} ends with {shown}", process.number)
        });
        let is_main = self.main.get() == Some(pid);
        let watched =
            system.program.has_select || system.program.linked_numbers.contains(&process.number);
        let normal = reason == ExitReason::Normal;
        let kept = (watched && normal && result != Value::UNDEFINED).then(|| Parcel::copy(result));
        let main_reason = is_main.then(|| reason.clone());
        if let Some(reason) = main_reason {
            let result = normal.then(|| Parcel::copy(result));
            *self.main_end.borrow_mut() = Some((reason, result));
        }
        let counters = &system.counters;
        counters.reductions.fetch_add(process.reductions, Ordering::Relaxed);
        counters.collections.fetch_add(u64::from(process.heap.collections), Ordering::Relaxed);
        let Some((waiters, late)) = system.table.end(pid, kept) else { return };
        let bonds = process.bonds.take();
        self.tell_end(pid, bonds, late, &|| signal::reason_parcel(&reason, given.as_ref()));
        drop(process);
        for waiter in waiters {
            self.wake(waiter);
        }
    }

    /// Who waits for what, for the report of a deadlock.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let program = &self.system.program;
        let numbers: rustc_hash::FxHashMap<Pid, u64> = self
            .system
            .table
            .slots()
            .filter_map(|slot| slot.peek().map(|process| (process.pid, process.number)))
            .collect();
        let mut lines: Vec<(u64, String)> = Vec::new();
        for process in self.system.table.slots().filter_map(|slot| slot.peek()) {
            let place = process.stack.top().map_or_else(String::new, |header| {
                let name =
                    program.function(FuncId(header.function & !NATIVE_FRAME)).qualified_name();
                format!(" at {name}, instruction {}", header.pc)
            });
            let what = match &process.wait {
                Wait::Ends(targets) => {
                    let list: Vec<String> = targets
                        .iter()
                        .map(|target| numbers.get(target).map_or("?".into(), u64::to_string))
                        .collect();
                    format!("the end of process {}", list.join(" or "))
                }
                wait => wait_text(wait).to_owned(),
            };
            let number = process.number;
            lines.push((number, format!("process {number} waits for {what}{place}")));
        }
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

fn crashed(process: &Process, trap: Trap) -> SliceEnd {
    SliceEnd::Ended(Ending::of(ExitReason::Crash(process.crash(trap))))
}

fn returns(result: Value) -> SliceEnd {
    SliceEnd::Ended(Ending { reason: ExitReason::Normal, result, given: None })
}

fn wait_text(wait: &Wait) -> &'static str {
    match wait {
        Wait::No => "nothing",
        Wait::Message => "a message",
        Wait::Timer { deadline: None, .. } => "a message (timeout: for ever)",
        Wait::Timer { .. } => "a message or its timeout",
        Wait::Sleep { .. } => "a timer",
        Wait::Ends(_) => "the end of a process",
    }
}
