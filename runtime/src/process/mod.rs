//! One process: its heap, its stack of frame records, its mailbox, what it waits for.

pub mod library;
pub(crate) mod mailbox;
mod names;
pub(crate) mod owned;
mod room;
pub(crate) mod signal;
pub mod stack;
pub mod table;

use crate::error::{Crash, LinkedProcess, TraceLine, Trap};
use crate::heap::collect::Roots;
use crate::heap::{Heap, OutOfMemory};
use crate::ops::Cont;
use crate::program::{FuncId, NativeId, Program};
use crate::sched::worker::Worker;
use crate::system::System;
use crate::value::{Pid, Value};
use mailbox::Mailbox;
use signal::Bonds;
use stack::{FrameHeader, NATIVE_FRAME, Stack};

/// Reductions that compiled code may use before the worker looks: bounds the depth of native calls.
pub const MAX_FUEL: i64 = 4000;

/// What a process waits for.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Wait {
    /// Nothing.
    #[default]
    No,
    /// A message.
    Message,
    /// A message or the timer.
    Timer {
        /// Nanoseconds on the system's clock, or `None` for ever.
        deadline: Option<u64>,
        /// The key of the timer, 0 without one.
        seq: u64,
    },
    /// The timer alone.
    Sleep {
        /// As in `Timer`; `u64::MAX` for ever.
        deadline: u64,
        /// As in `Timer`.
        seq: u64,
    },
    /// The end of one of these processes.
    Ends(Box<[Pid]>),
    /// Room in the mailbox of a process; then it sends what [`Bonds`] hold for it.
    Room {
        /// The receiver.
        to: Pid,
        /// Under which it waits, see `process/room.rs`; 0 without one.
        ticket: u64,
    },
}

impl Wait {
    /// Deadline and key of the timer that it has.
    pub(crate) fn timer(&self) -> Option<(u64, u64)> {
        match self {
            Wait::Timer { deadline, seq } => deadline.map(|deadline| (deadline, *seq)),
            Wait::Sleep { deadline, seq } => Some((*deadline, *seq)),
            Wait::No | Wait::Message | Wait::Ends(_) | Wait::Room { .. } => None,
        }
    }
}

/// A process. Compiled code reads the fields of `heap` at fixed offsets, see [`crate::layout`].
#[repr(C)]
#[derive(Debug)]
pub struct Process {
    /// Own memory, and the reduction counter.
    pub heap: Heap,
    /// The worker that runs it; only then is it not null.
    pub(crate) worker: *const Worker,
    /// Result of a helper that has no return value, or of a compiled function at the trampoline.
    pub result: Value,
    /// Status of a helper that compiled code called through a stub without results.
    pub(crate) status: u64,
    /// Suspended calls.
    pub stack: Stack,
    pub(crate) mailbox: Mailbox,
    /// Links, monitors and more; none for most processes.
    pub(crate) bonds: Option<Box<Bonds>>,
    /// Its handle.
    pub pid: Pid,
    /// Its number, from 1 in order of spawning.
    pub number: u64,
    /// Reductions charged in earlier slices.
    pub reductions: u64,
    /// What it waits for.
    pub wait: Wait,
    /// The object in which it keeps what it makes once (`__vm:globals`), or Undefined.
    pub(crate) globals: Value,
}

/// With what the allocator adds, and the smallest stack, a slot and a process take at most 300 bytes.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Process>() <= 208);

// SAFETY: a process owns all its memory; `worker` is null whenever it is not being run.
unsafe impl Send for Process {}

/// What a safepoint that has run out of reductions comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safepoint {
    /// There are reductions left: go on.
    Continue,
    /// The slice is over.
    Yield,
}

impl Process {
    pub(crate) fn new(pid: Pid, number: u64, limit: usize, stress: bool) -> Process {
        let mut heap = Heap::new(limit);
        heap.stress = stress;
        Process {
            heap,
            worker: std::ptr::null(),
            result: Value::UNDEFINED,
            status: 0,
            stack: Stack::new(),
            mailbox: Mailbox::new(),
            bonds: None,
            pid,
            number,
            reductions: 0,
            wait: Wait::No,
            globals: Value::UNDEFINED,
        }
    }

    /// Empties the process, which has ended, for the next one that uses its memory.
    pub(crate) fn renew(&mut self) {
        self.heap.renew();
        self.worker = std::ptr::null();
        self.result = Value::UNDEFINED;
        self.stack.renew();
        self.mailbox.clear();
        self.bonds = None;
        self.reductions = 0;
        self.wait = Wait::No;
        self.globals = Value::UNDEFINED;
    }

    /// The worker that runs this process.
    #[inline(always)]
    pub(crate) fn worker<'a>(&self) -> &'a Worker {
        debug_assert!(!self.worker.is_null());
        // SAFETY: only code that a worker runs for this process gets here; the worker outlives the
        // slice, and nobody ever has a mutable reference to it.
        unsafe { &*self.worker }
    }

    /// The machine.
    #[inline(always)]
    pub fn system<'a>(&self) -> &'a System {
        // SAFETY: the worker holds the system alive for as long as it runs anything.
        unsafe { &*std::ptr::from_ref::<System>(&self.worker().system) }
    }

    /// The program.
    #[inline(always)]
    pub fn program<'a>(&self) -> &'a Program {
        &self.system().program
    }

    /// The trap for an allocation that did not fit.
    pub fn out_of_memory(&self) -> Trap {
        Trap::OutOfMemory { limit: self.heap.limit }
    }

    /// Starts a slice of `budget` reductions.
    pub(crate) fn start_slice(&mut self, budget: i64) {
        let piece = budget.min(MAX_FUEL);
        self.heap.fuel = piece;
        self.heap.reserve = budget - piece;
        if self.heap.collect_wanted || self.heap.stress {
            self.heap.collect_wanted = false;
            self.heap.ask_collect();
        }
    }

    /// Reductions left in the slice; negative if more were charged than it had.
    #[inline(always)]
    pub(crate) fn left(&self) -> i64 {
        self.heap.fuel + self.heap.reserve
    }

    /// Charges reductions. True if the caller must go to [`Process::safepoint`].
    #[inline(always)]
    pub fn charge(&mut self, cost: i64) -> bool {
        self.heap.fuel -= cost;
        self.heap.fuel <= 0
    }

    /// Must a frame that has just been returned to go to [`Process::safepoint`] first?
    #[inline(always)]
    pub(crate) fn exhausted(&self) -> bool {
        self.left() <= 0
    }

    /// What to do once no reductions seem to be left. Every live value is in a frame record.
    #[cold]
    #[inline(never)]
    pub fn safepoint(&mut self) -> Result<Safepoint, Trap> {
        if self.heap.collect_wanted || self.heap.stress {
            self.collect();
        }
        self.check_memory()?;
        let left = self.left();
        if let Wait::Room { to, .. } = self.wait {
            return self.held_up(to);
        }
        if left <= 0 {
            return Ok(Safepoint::Yield);
        }
        // Under stress every charge comes back here.
        let piece = if self.heap.stress { 1 } else { left.min(MAX_FUEL) };
        self.heap.fuel = piece;
        self.heap.reserve = left - piece;
        Ok(Safepoint::Continue)
    }

    /// What was sent last must wait for room.
    fn held_up(&mut self, to: Pid) -> Result<Safepoint, Trap> {
        if to != self.pid {
            return Ok(Safepoint::Yield);
        }
        self.wait = Wait::No;
        let limit = self.system().config.max_mailbox.map_or(0, |(limit, _)| limit);
        Err(Trap::OwnMailboxFull { limit })
    }

    /// Gives back all memory that it does not need.
    pub(crate) fn hibernate(&mut self) {
        self.collect();
        self.stack.shrink();
    }

    /// Bytes that it keeps.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Process>() + self.heap.space.used() + self.stack.bytes() + self.mailbox.bytes()
    }

    /// Does the process keep more alive than it may? All engines ask at the same places: safepoints that
    /// have run out of reductions, and the ends of slices.
    pub(crate) fn check_memory(&mut self) -> Result<(), Trap> {
        if self.heap.over_limit(self.stack.len() * 8 + self.mailbox.bytes()) {
            self.collect();
            if self.heap.over_limit(self.stack.len() * 8 + self.mailbox.bytes()) {
                return Err(self.out_of_memory());
            }
        }
        Ok(())
    }

    /// Bytes that the stack of frames may take before a safepoint looks at the limit.
    #[inline(always)]
    pub(crate) fn stack_bound(&self) -> usize {
        self.heap.limit.saturating_mul(2)
    }

    /// Collects, with the frame records as roots.
    pub(crate) fn collect(&mut self) {
        let program = self.program();
        let (bonds, mailbox) = (&mut self.bonds, &mut self.mailbox);
        let adopted = bonds.as_mut().is_some_and(|bonds| {
            bonds.adopted &= !mailbox.is_empty();
            bonds.adopted
        });
        let mailbox = adopted.then_some(mailbox);
        let mut roots =
            ProcessRoots { stack: &mut self.stack, mailbox, globals: &mut self.globals, program };
        self.heap.collect(&mut roots);
        let tally = &self.worker().tally;
        tally.collections.set(tally.collections.get() + 1);
    }

    /// Writes where the newest frame goes on, and what becomes of the result it waits for.
    #[inline(always)]
    pub(crate) fn suspend_top(&mut self, pc: u32, dst: u16, cont: Cont) {
        if let Some(header) = self.stack.top() {
            self.stack.set_top(FrameHeader { pc, dst, cont: cont as u8, ..header });
        }
    }

    /// Gives a result to the newest frame.
    pub(crate) fn deliver(&mut self, result: Value) {
        if let Some(header) = self.stack.top()
            && let Some(result) = Cont::from_byte(header.cont).apply(result)
        {
            self.stack.top_registers()[usize::from(header.dst)] = result;
        }
    }

    /// Takes over the memory of a message; gives its value.
    #[inline]
    pub(crate) fn accept(&mut self, parcel: crate::heap::copy::Parcel) -> Value {
        if !parcel.space.is_empty() {
            self.heap.take_over(parcel.space);
        }
        parcel.value
    }

    /// The crash report for a trap with the frames as they are now.
    ///
    /// A suspended caller's record says where it goes on, which is one behind the call; the newest
    /// record says where the trap happened.
    pub(crate) fn crash(&self, trap: Trap) -> Box<Crash> {
        const ENDS: usize = 16;
        let program = self.program();
        let total = self.stack.headers().count();
        let mut trace = Vec::new();
        for (i, header) in self.stack.headers().enumerate() {
            if i >= ENDS && i + ENDS < total {
                continue;
            }
            let pc = if i == 0 { header.pc } else { header.pc.saturating_sub(1) };
            let (function, place) = match header.function & NATIVE_FRAME {
                0 => {
                    let function = program.function(FuncId(header.function));
                    (function.qualified_name(), function.place(pc))
                }
                _ => (program.native(NativeId(header.function & !NATIVE_FRAME)).name.clone(), None),
            };
            trace.push(TraceLine { function, pc, place });
        }
        let system = self.system();
        let name_of =
            |pid: Pid| system.table.names.of(pid).map(|name| system.atoms.text(name).to_owned());
        let linked = |pid: &Pid| {
            let number = system.table.number(*pid)?;
            Some(LinkedProcess { number, name: name_of(*pid) })
        };
        let bonds = self.bonds.as_ref();
        let mut links: Vec<LinkedProcess> =
            bonds.map_or(Vec::new(), |bonds| bonds.links.iter().filter_map(linked).collect());
        links.sort_by_key(|linked| linked.number);
        Box::new(Crash {
            process: self.number,
            trap,
            omitted: total - trace.len(),
            trace,
            name: name_of(self.pid),
            links,
        })
    }
}

/// Fills a fresh window (all Undefined) with arguments, bound object and empty cells.
#[inline]
pub(crate) fn fill_registers(
    registers: &mut [Value],
    layout: &crate::program::FrameLayout,
    this: Value,
    args: impl Iterator<Item = Value>,
) {
    for (register, arg) in registers[..usize::from(layout.used)].iter_mut().zip(args) {
        *register = arg;
    }
    if let Some(at) = layout.this {
        registers[usize::from(at)] = this;
    }
    registers[usize::from(layout.first_cell)..].fill(Value::ABSENT);
}

/// The registers of all frame records, of which dead ones are forgotten, and messages in the heap.
struct ProcessRoots<'a> {
    stack: &'a mut Stack,
    /// If messages in it may be adopted.
    mailbox: Option<&'a mut Mailbox>,
    globals: &'a mut Value,
    program: &'a Program,
}

impl Roots for ProcessRoots<'_> {
    fn visit_roots(&mut self, visit: &mut dyn FnMut(&mut Value)) {
        let program = self.program;
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.visit_adopted(visit);
        }
        if self.globals.is_pointer() {
            visit(self.globals);
        }
        self.stack.for_each_record(|header, registers, newest| {
            let body = match header.function & NATIVE_FRAME {
                0 => program.function(FuncId(header.function)).bytecode(),
                _ => None,
            };
            let Some(body) = body else { return registers.iter_mut().for_each(visit_one(visit)) };
            if !newest && Cont::from_byte(header.cont) != Cont::Drop {
                registers[usize::from(header.dst)] = Value::UNDEFINED;
            }
            let flow = body.flow();
            for (reg, register) in registers.iter_mut().enumerate() {
                if !flow.is_live(header.pc, reg as u16) {
                    *register = Value::UNDEFINED;
                } else if register.is_pointer() {
                    visit(register);
                }
            }
        });
    }
}

fn visit_one<'a>(visit: &'a mut dyn FnMut(&mut Value)) -> impl FnMut(&mut Value) + 'a {
    move |register| visit(register)
}

/// An allocation that did not fit, as a trap of `process`.
pub(crate) fn memory<T>(process: &Process, result: Result<T, OutOfMemory>) -> Result<T, Trap> {
    result.map_err(|OutOfMemory| process.out_of_memory())
}
