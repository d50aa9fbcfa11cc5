//! The interpreter: runs the newest frame record of a process until it must stop.
//!
//! It is the reference for the other engines, starts at once and works on the frame records
//! themselves: a register is a word of the record, so there is nothing to save when it stops but
//! the program counter.
//!
//! **Verified bytecode only.** Register numbers, jump targets and list lengths are not checked
//! again; [`crate::link::link`] verifies every function. A `CodeBlock` has one instruction more
//! than the file, the implicit return, so the program counter cannot run past the end.

mod cache;
pub(crate) mod code;

use crate::error::Trap;
use crate::ops::actor::{self, Waited};
use crate::ops::arith::{Arith, arith};
use crate::ops::call::{self, Started};
use crate::ops::compare::{Compare, compare};
use crate::ops::{Cont, Outcome, build, pattern, property};
use crate::process::stack::{FrameHeader, HEADER_WORDS, NATIVE_FRAME};
use crate::process::{Process, Safepoint};
use crate::program::FuncId;
use crate::value::Value;
use code::{CodeBlock, Codes, NONE, Op, OpCode, PACKED};

/// Lists of up to so many registers are copied to the native stack rather than the heap.
const FEW: usize = 16;

/// Why an engine gives a process back.
#[derive(Debug)]
pub enum Leave {
    /// The last frame has returned this.
    Returned(Value),
    /// The slice is over.
    Yielded,
    /// It waits; the newest record is at the instruction to be tried again.
    Blocked,
    /// A fault; the newest record is at the instruction.
    Trapped(Box<Trap>),
    /// The newest record is one that another part must go on with.
    Other,
}

/// Where the interpreter is: pointers into the process's stack and the code.
///
/// Invariant: `base` is the first register of the newest record and `code` is its function.
struct Cursor<'a> {
    codes: Codes<'a>,
    code: &'a CodeBlock,
    function: u32,
    base: *mut Value,
    pc: *const Op,
}

impl<'a> Cursor<'a> {
    /// Positions at the newest record; `None` if it is not a bytecode frame.
    fn load(process: &mut Process, codes: Codes<'a>) -> Option<Cursor<'a>> {
        let header = process.stack.top()?;
        if header.function & NATIVE_FRAME != 0 {
            return None;
        }
        let code = codes.get(header.function);
        let pc = &raw const code.ops[header.pc as usize];
        Some(Cursor { codes, code, function: header.function, base: process.stack.top_base(), pc })
    }

    #[inline(always)]
    fn reg(&self, reg: u16) -> Value {
        // SAFETY: verified bytecode only; `base` is the start of a window with all registers.
        unsafe { *self.base.add(usize::from(reg)) }
    }

    #[inline(always)]
    fn set(&self, reg: u16, value: Value) {
        // SAFETY: as in `reg`.
        unsafe { *self.base.add(usize::from(reg)) = value }
    }

    #[inline(always)]
    fn index(&self) -> u32 {
        // Both point into `code.ops`.
        ((self.pc as usize - self.code.ops.as_ptr() as usize) / size_of::<Op>()) as u32
    }

    /// The registers of a list operand.
    #[inline(always)]
    fn list(&self, op: &Op) -> impl Iterator<Item = Value> + '_ {
        let (imm, count) = (op.imm, usize::from(op.c));
        (0..count).map(move |i| {
            let reg = if count <= PACKED {
                (imm >> (16 * i)) as u16
            } else {
                self.code.lists[imm as usize + i]
            };
            self.reg(reg)
        })
    }

    /// Calls `with` on the registers of a list operand.
    #[inline]
    fn with_list<R>(&self, op: &Op, with: impl FnOnce(&mut [Value]) -> R) -> R {
        let count = usize::from(op.c);
        let mut few = [Value::UNDEFINED; FEW];
        if count <= FEW {
            few.iter_mut().zip(self.list(op)).for_each(|(to, value)| *to = value);
            return with(&mut few[..count]);
        }
        let mut many: Vec<Value> = self.list(op).collect();
        with(&mut many)
    }

    fn this(&self) -> Value {
        if self.code.this == NONE { Value::UNDEFINED } else { self.reg(self.code.this) }
    }
}

/// How an instruction that the loop does not do inline leaves it.
enum Flow {
    /// Go on behind the instruction.
    Next,
    /// The frame records changed (a call): go on with the newest, after charging so much.
    Reload(i64),
    /// Stop.
    Leave(Leave),
}

/// Runs the newest frame record of `process`. `STEP`: every instruction is charged and a
/// safepoint. `TRACE`: every instruction is reported. `TIERED`: a function for which there is
/// compiled code is left to it where that can be entered: at calls, returns and heads of loops.
pub(crate) fn run<const STEP: bool, const TRACE: bool, const TIERED: bool>(
    process: &mut Process,
) -> Leave {
    let codes = process.worker().codes();
    let Some(Cursor { mut code, mut function, mut base, mut pc, .. }) =
        Cursor::load(process, codes)
    else {
        return Leave::Other;
    };

    // The state is in locals so that it can live in machine registers; what is not done inline gets
    // a copy.
    macro_rules! at {
        () => {
            Cursor { codes, code, function, base, pc }
        };
    }
    macro_rules! reg {
        ($reg:expr) => {
            // SAFETY: verified bytecode only; `base` is the start of a window with all registers.
            unsafe { *base.add(usize::from($reg)) }
        };
    }
    macro_rules! set {
        ($reg:expr, $value:expr) => {{
            let value = $value;
            // SAFETY: as in `reg`.
            unsafe { *base.add(usize::from($reg)) = value }
        }};
    }
    macro_rules! op {
        ($ahead:expr) => {{
            // SAFETY: `pc` is in `code.ops`; fused groups have their parts behind them.
            let op: &Op = unsafe { &*pc.add($ahead) };
            op
        }};
    }
    macro_rules! skip {
        ($count:expr) => {
            pc = pc.wrapping_add($count)
        };
    }
    macro_rules! jump {
        ($target:expr) => {
            pc = code.ops.as_ptr().wrapping_add($target as usize)
        };
    }
    macro_rules! index {
        () => {
            at!().index()
        };
    }
    // The paths behind these macros are cold or end the instruction.
    macro_rules! safepoint {
        () => {{
            process.suspend_top(index!(), 0, Cont::Store);
            match process.safepoint() {
                Ok(Safepoint::Continue) => {}
                Ok(Safepoint::Yield) => return Leave::Yielded,
                Err(trap) => return Leave::Trapped(trap.into()),
            }
            base = process.stack.top_base();
        }};
    }
    // Ends an instruction: `pc` is the next one already.
    macro_rules! done {
        ($cost:expr) => {{
            if STEP && process.charge($cost) {
                safepoint!();
            }
            continue;
        }};
    }
    // Ends an instruction that is charged in both modes.
    macro_rules! charged {
        ($safepoint_cost:expr, $step_cost:expr) => {{
            if process.charge(if STEP { $step_cost } else { $safepoint_cost }) {
                safepoint!();
            }
            continue;
        }};
    }
    // Ends a jump backward: `pc` is its target already.
    macro_rules! back {
        () => {{
            if process.charge(1) {
                safepoint!();
            }
            if TIERED && process.worker().is_ready(function) {
                process.suspend_top(index!(), 0, Cont::Store);
                return Leave::Other;
            }
            continue;
        }};
    }
    // The newest record is that of another call, and up to date.
    macro_rules! hand_over {
        () => {
            if TIERED && process.worker().is_ready(function) {
                return Leave::Other;
            }
        };
    }
    macro_rules! reload {
        () => {
            match Cursor::load(process, codes) {
                Some(cursor) => Cursor { code, function, base, pc, .. } = cursor,
                None => return Leave::Other,
            }
        };
    }
    macro_rules! slow {
        ($flow:expr) => {
            match $flow {
                Flow::Next => {
                    base = process.stack.top_base();
                    skip!(1);
                    done!(1)
                }
                Flow::Reload(cost) => {
                    // First, because a native frame on top is gone on with elsewhere.
                    let used_up = process.charge(cost);
                    reload!();
                    if used_up {
                        safepoint!();
                    }
                    hand_over!();
                    continue;
                }
                Flow::Leave(leave) => return leave,
            }
        };
    }
    macro_rules! arith {
        ($op:ident, $kind:expr, $fast:expr) => {{
            let (a, b) = (reg!($op.b), reg!($op.c));
            if a.is_number() && b.is_number() {
                let fast: fn(f64, f64) -> f64 = $fast;
                set!($op.a, Value::number_raw(fast(a.number_bits(), b.number_bits())));
                skip!(1);
                done!(1)
            }
            slow!(arith_slow(process, &at!(), $kind, $op.a, a, b))
        }};
    }
    macro_rules! arith_constant {
        ($op:ident, $kind:expr, $fast:expr, $length:expr) => {{
            let next = op!(1);
            let constant = Value::from_bits($op.imm);
            set!($op.a, constant);
            let a = reg!(next.b);
            if a.is_number() {
                let fast: fn(f64, f64) -> f64 = $fast;
                let result = fast(a.number_bits(), constant.number_bits());
                set!(next.a, Value::number_raw(result));
                skip!($length);
                true
            } else {
                skip!(1);
                slow!(arith_slow(process, &at!(), $kind, next.a, a, constant))
            }
        }};
    }
    macro_rules! compare {
        ($op:ident, $kind:expr) => {{
            let (a, b) = (reg!($op.b), reg!($op.c));
            if a.is_number() && b.is_number() {
                let result = crate::ops::compare::numbers($kind, a.number_bits(), b.number_bits());
                set!($op.a, Value::boolean(result));
                skip!(1);
                done!(1)
            }
            slow!(compare_slow(process, &at!(), $kind, $op.a, a, b))
        }};
    }
    // A comparison at `$first` instructions ahead and the jump behind it.
    macro_rules! compare_jump {
        ($kind:expr, $first:expr) => {{
            let cmp = op!($first);
            let (a, b) = (reg!(cmp.b), reg!(cmp.c));
            if a.is_number() && b.is_number() {
                let result = crate::ops::compare::numbers($kind, a.number_bits(), b.number_bits());
                set!(cmp.a, Value::boolean(result));
                let jump = op!($first + 1);
                if result == (jump.code == OpCode::JumpIfTrue) {
                    let from = pc.wrapping_add($first + 1);
                    jump!(jump.imm);
                    if pc <= from {
                        back!()
                    }
                } else {
                    skip!($first + 2);
                }
                continue;
            }
            skip!($first);
            slow!(compare_slow(process, &at!(), $kind, cmp.a, a, b))
        }};
    }

    loop {
        let op = op!(0);
        if TRACE {
            trace(process, &at!());
        }
        match op.code {
            OpCode::LoadK => {
                set!(op.a, Value::from_bits(op.imm));
                skip!(1);
                done!(1)
            }
            OpCode::KK => {
                let next = op!(1);
                set!(op.a, Value::from_bits(op.imm));
                set!(next.a, Value::from_bits(next.imm));
                skip!(2);
            }
            OpCode::LoadSpecial => slow!(load_special(process, &at!(), op.a)),
            OpCode::Move => {
                set!(op.a, reg!(op.b));
                skip!(1);
                done!(1)
            }
            OpCode::Add => arith!(op, Arith::Add, |a, b| a + b),
            OpCode::Sub => arith!(op, Arith::Sub, |a, b| a - b),
            OpCode::Mul => arith!(op, Arith::Mul, |a, b| a * b),
            OpCode::Div => {
                let (a, b) = (reg!(op.b), reg!(op.c));
                if a.is_number() && b.is_number() {
                    let (a, b) = (a.number_bits(), b.number_bits());
                    set!(op.a, crate::ops::arith::numbers(Arith::Div, a, b));
                    skip!(1);
                    done!(1)
                }
                slow!(arith_slow(process, &at!(), op.code.arith(), op.a, a, b))
            }
            OpCode::KAdd => {
                arith_constant!(op, Arith::Add, |a, b| a + b, 2);
            }
            OpCode::KSub => {
                arith_constant!(op, Arith::Sub, |a, b| a - b, 2);
            }
            OpCode::KMul => {
                arith_constant!(op, Arith::Mul, |a, b| a * b, 2);
            }
            OpCode::KAddJumpBack => {
                if arith_constant!(op, Arith::Add, |a, b| a + b, 2) {
                    jump!(op!(0).imm);
                    back!()
                }
            }
            OpCode::AddAdd => {
                let (a, b) = (reg!(op.b), reg!(op.c));
                if a.is_number() && b.is_number() {
                    set!(op.a, Value::number_raw(a.number_bits() + b.number_bits()));
                    skip!(1);
                    let op = op!(0);
                    let (a, b) = (reg!(op.b), reg!(op.c));
                    if a.is_number() && b.is_number() {
                        set!(op.a, Value::number_raw(a.number_bits() + b.number_bits()));
                        skip!(1);
                        continue;
                    }
                    slow!(arith_slow(process, &at!(), Arith::Add, op.a, a, b))
                }
                slow!(arith_slow(process, &at!(), Arith::Add, op.a, a, b))
            }
            OpCode::AddJumpBack => {
                let (a, b) = (reg!(op.b), reg!(op.c));
                if a.is_number() && b.is_number() {
                    set!(op.a, Value::number_raw(a.number_bits() + b.number_bits()));
                    jump!(op!(1).imm);
                    back!()
                }
                slow!(arith_slow(process, &at!(), Arith::Add, op.a, a, b))
            }
            OpCode::Equal => compare!(op, Compare::Equal),
            OpCode::NotEqual => compare!(op, Compare::NotEqual),
            OpCode::Less => compare!(op, Compare::Less),
            OpCode::LessEqual => compare!(op, Compare::LessEqual),
            OpCode::Greater => compare!(op, Compare::Greater),
            OpCode::GreaterEqual => compare!(op, op.code.compare()),
            OpCode::EqualJump => compare_jump!(Compare::Equal, 0),
            OpCode::NotEqualJump => compare_jump!(Compare::NotEqual, 0),
            OpCode::LessJump => compare_jump!(Compare::Less, 0),
            OpCode::LessEqualJump => compare_jump!(Compare::LessEqual, 0),
            OpCode::GreaterJump => compare_jump!(Compare::Greater, 0),
            OpCode::GreaterEqualJump => compare_jump!(Compare::GreaterEqual, 0),
            OpCode::KEqualJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::Equal, 1)
            }
            OpCode::KNotEqualJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::NotEqual, 1)
            }
            OpCode::KLessJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::Less, 1)
            }
            OpCode::KLessEqualJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::LessEqual, 1)
            }
            OpCode::KGreaterJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::Greater, 1)
            }
            OpCode::KGreaterEqualJump => {
                set!(op.a, Value::from_bits(op.imm));
                compare_jump!(Compare::GreaterEqual, 1)
            }
            OpCode::And => {
                set!(op.a, Value::boolean(reg!(op.b).truth() && reg!(op.c).truth()));
                skip!(1);
                done!(1)
            }
            OpCode::Or => {
                set!(op.a, Value::boolean(reg!(op.b).truth() || reg!(op.c).truth()));
                skip!(1);
                done!(1)
            }
            OpCode::Not => {
                set!(op.a, Value::boolean(!reg!(op.b).truth()));
                skip!(1);
                done!(1)
            }
            OpCode::GetProp => {
                let (object, key) = (reg!(op.b), reg!(op.c));
                let cache = &code.caches[op.imm as usize];
                if let Some(value) = cache.get(object, key) {
                    set!(op.a, value);
                    skip!(1);
                    done!(1)
                }
                slow!(get_prop_slow(process, &at!(), op, object, key))
            }
            OpCode::SetProp => {
                let (object, key, value) = (reg!(op.a), reg!(op.b), reg!(op.c));
                let cache = &code.caches[op.imm as usize];
                if cache.set(object, key, value) {
                    skip!(1);
                    done!(1)
                }
                slow!(set_prop_slow(process, &at!(), op, object, key, value))
            }
            OpCode::MethodCall => {
                let (object, key) = (reg!(op.b), reg!(op.c));
                let method = code.caches[op.imm as usize]
                    .method(object, key)
                    .or_else(|| find_method(process, code, op, object, key))
                    .filter(|id| codes.get(id.0).is_bytecode);
                let Some(FuncId(id)) = method else {
                    // One by one.
                    let result = property::get_prop(process, object, key, at!().this());
                    slow!(outcome(process, &at!(), op.a, result))
                };
                skip!(1);
                let Some(window) = enter(process, &at!(), op!(0), id, object) else {
                    process.suspend_top(index!(), op!(0).a, Cont::Store);
                    return Leave::Trapped(process.out_of_memory().into());
                };
                (code, function, base) = (codes.get(id), id, window);
                pc = code.ops.as_ptr();
                if process.charge(1) {
                    safepoint!();
                }
                hand_over!();
                continue;
            }
            OpCode::Call | OpCode::KCall => {
                let op = if op.code == OpCode::KCall {
                    set!(op.a, Value::from_bits(op.imm));
                    skip!(1);
                    op!(0)
                } else {
                    op
                };
                let callee = reg!(op.b);
                if let Some(FuncId(id)) = callee.as_function()
                    && codes.get(id).is_bytecode
                {
                    let Some(window) = enter(process, &at!(), op, id, Value::UNDEFINED) else {
                        process.suspend_top(index!(), op.a, Cont::Store);
                        return Leave::Trapped(process.out_of_memory().into());
                    };
                    (code, function, base) = (codes.get(id), id, window);
                    pc = code.ops.as_ptr();
                    if process.charge(if STEP { 2 } else { 1 }) {
                        safepoint!();
                    }
                    hand_over!();
                    continue;
                }
                slow!(call_slow(process, &at!(), op, callee, if STEP { 2 } else { 1 }))
            }
            OpCode::Return | OpCode::ImplicitReturn => {
                let implicit = op.code == OpCode::ImplicitReturn;
                let value = if implicit { Value::UNIT } else { reg!(op.a) };
                let cost = i64::from(STEP && !implicit);
                process.heap.fuel -= cost;
                match leave_frame(process, &at!(), value) {
                    Ok(cursor) => Cursor { code, function, base, pc, .. } = cursor,
                    Err(leave) => return leave,
                }
                if STEP && process.exhausted() {
                    safepoint!();
                }
                hand_over!();
            }
            OpCode::Jump => {
                jump!(op.imm);
                done!(1)
            }
            OpCode::JumpBack => {
                jump!(op.imm);
                back!()
            }
            OpCode::JumpIfTrue | OpCode::JumpIfFalse => {
                let condition = reg!(op.a);
                if condition.truth() == (op.code == OpCode::JumpIfTrue) {
                    let back = op.imm <= u64::from(index!());
                    jump!(op.imm);
                    if back {
                        back!()
                    }
                    done!(1)
                }
                skip!(1);
                done!(1)
            }
            OpCode::Match => {
                let from = index!();
                let target = match_target(process, &at!(), reg!(op.a));
                jump!(u64::from(target));
                if target <= from {
                    back!()
                }
                done!(1)
            }
            OpCode::Spawn => {
                let spawned = at!().with_list(op, |args| actor::spawn(process, reg!(op.b), args));
                match spawned {
                    Ok(pid) => set!(op.a, pid),
                    Err(trap) => return trapped(process, &at!(), trap),
                }
                skip!(1);
                charged!(4, 4)
            }
            OpCode::Send => {
                actor::send(process, reg!(op.a), reg!(op.b));
                skip!(1);
                charged!(4, 4)
            }
            OpCode::Receive => match actor::receive(process) {
                Waited::Value(message) => {
                    set!(op.a, message);
                    skip!(1);
                    charged!(2, 2)
                }
                Waited::Wait => return blocked(process, &at!()),
            },
            OpCode::ReceiveTimeout => match actor::receive_timeout(process, reg!(op.b)) {
                Ok(Ok(message)) => {
                    set!(op.a, message.unwrap_or(Value::UNDEFINED));
                    set!(op.c, Value::boolean(message.is_some()));
                    skip!(1);
                    charged!(2, 2)
                }
                Ok(Err(())) => return blocked(process, &at!()),
                Err(trap) => return trapped(process, &at!(), trap),
            },
            OpCode::Link | OpCode::Select | OpCode::SelectKill => {
                let waited = if op.code == OpCode::Link {
                    actor::link(process, op.imm)
                } else {
                    let kill = op.code == OpCode::SelectKill;
                    at!().with_list(op, |candidates| actor::select(process, candidates, kill))
                };
                match waited {
                    Ok(Waited::Value(result)) => {
                        set!(op.a, result);
                        skip!(1);
                        charged!(2, 2)
                    }
                    Ok(Waited::Wait) => return blocked(process, &at!()),
                    Err(trap) => return trapped(process, &at!(), trap),
                }
            }
            OpCode::Yield => {
                skip!(1);
                process.heap.fuel -= i64::from(STEP);
                process.suspend_top(index!(), 0, Cont::Store);
                return Leave::Yielded;
            }
            OpCode::Nop => {
                skip!(1);
                done!(1)
            }
            OpCode::ObjectInit => slow!(object_init(process, &at!(), op)),
            OpCode::ArrayInit => {
                let result = at!().with_list(op, |elements| build::array(process, elements));
                slow!(finish(process, &at!(), op.a, result))
            }
            OpCode::MakeClosure => slow!(make_closure(process, &at!(), op)),
        }
    }
}

/// Pushes the record of a bytecode function without captures, bound to `this`; gives its registers,
/// or nothing if there is no memory.
#[inline(always)]
fn enter(
    process: &mut Process,
    at: &Cursor<'_>,
    op: &Op,
    id: u32,
    this: Value,
) -> Option<*mut Value> {
    let callee = at.codes.get(id);
    let words = callee.words as usize;
    // A fused group has skipped to its CALL, so `pc` is the CALL itself.
    let resume = FrameHeader {
        function: at.function,
        pc: at.index() + 1,
        dst: op.a,
        cont: Cont::Store as u8,
        words: at.code.words,
    };
    let len = process.stack.len();
    if !process.stack.reserve(words + HEADER_WORDS, process.stack_bound()) {
        return None;
    }
    let buffer = process.stack.buffer();
    // SAFETY: the room was reserved, and all words up to the capacity are initialised. Registers
    // that are not written here are dead until the callee writes them. The arguments are read from
    // the caller's record, which lies below the new one.
    unsafe {
        let packed = resume.pack();
        buffer.add(len - 2).write(packed[0]);
        buffer.add(len - 1).write(packed[1]);
        let caller = buffer.add(len - HEADER_WORDS - at.code.words as usize).cast::<Value>();
        let base = buffer.add(len).cast::<Value>();
        let count = usize::from(op.c).min(usize::from(callee.used));
        for i in 0..count {
            let reg = if usize::from(op.c) <= PACKED {
                (op.imm >> (16 * i)) as u16
            } else {
                at.code.lists[op.imm as usize + i]
            };
            *base.add(i) = *caller.add(usize::from(reg));
        }
        for i in count..usize::from(callee.filled) {
            *base.add(i) = Value::UNDEFINED;
        }
        if callee.this != NONE {
            *base.add(usize::from(callee.this)) = this;
        }
        for i in usize::from(callee.first_cell)..words {
            *base.add(i) = Value::ABSENT;
        }
        let header = FrameHeader { function: id, pc: 0, dst: 0, cont: 0, words: callee.words };
        let packed = header.pack();
        buffer.add(len + words).write(packed[0]);
        buffer.add(len + words + 1).write(packed[1]);
        process.stack.set_len(len + words + HEADER_WORDS);
        Some(base)
    }
}

/// Pops the newest record and gives where its caller goes on.
#[inline(always)]
fn leave_frame<'a>(
    process: &mut Process,
    at: &Cursor<'a>,
    value: Value,
) -> Result<Cursor<'a>, Leave> {
    let len = process.stack.len() - HEADER_WORDS - at.code.words as usize;
    // SAFETY: the newest record is the one of `at`, so what remains is whole records.
    unsafe { process.stack.set_len(len) };
    if len == 0 {
        return Err(Leave::Returned(value));
    }
    let buffer = process.stack.buffer();
    // SAFETY: there is a record below, and it ends with its header.
    let header = unsafe { FrameHeader::unpack([*buffer.add(len - 2), *buffer.add(len - 1)]) };
    if header.function & NATIVE_FRAME != 0 {
        process.deliver(value);
        return Err(Leave::Other);
    }
    let code = at.codes.get(header.function);
    let caller = Cursor {
        codes: at.codes,
        code,
        function: header.function,
        base: buffer.wrapping_add(len - HEADER_WORDS - code.words as usize).cast(),
        pc: code.ops.as_ptr().wrapping_add(header.pc as usize),
    };
    if header.cont == Cont::Store as u8 {
        caller.set(header.dst, value);
    } else if let Some(value) = Cont::from_byte(header.cont).apply(value) {
        caller.set(header.dst, value);
    }
    Ok(caller)
}

#[cold]
fn trapped(process: &mut Process, at: &Cursor<'_>, trap: Trap) -> Leave {
    process.suspend_top(at.index(), 0, Cont::Store);
    Leave::Trapped(trap.into())
}

/// The instruction will be tried again; the try is charged.
fn blocked(process: &mut Process, at: &Cursor<'_>) -> Leave {
    process.heap.fuel -= 2;
    process.suspend_top(at.index(), 0, Cont::Store);
    Leave::Blocked
}

fn finish(process: &mut Process, at: &Cursor<'_>, dst: u16, result: Result<Value, Trap>) -> Flow {
    match result {
        Ok(value) => {
            at.set(dst, value);
            Flow::Next
        }
        Err(trap) => Flow::Leave(trapped(process, at, trap)),
    }
}

fn outcome(
    process: &mut Process,
    at: &Cursor<'_>,
    dst: u16,
    outcome: Result<Outcome, Trap>,
) -> Flow {
    match outcome {
        Ok(Outcome::Value(value)) => finish(process, at, dst, Ok(value)),
        Ok(Outcome::Call(call)) => {
            let args = &call.args[..usize::from(call.count)];
            process.suspend_top(at.index() + 1, dst, call.cont);
            match call::start(process, None, call.function, call.this, args) {
                Ok(Started::Done(result)) => {
                    process.deliver(result);
                    Flow::Reload(1)
                }
                Ok(Started::Pushed) => Flow::Reload(1),
                Err(trap) => Flow::Leave(trapped(process, at, trap)),
            }
        }
        Err(trap) => Flow::Leave(trapped(process, at, trap)),
    }
}

#[cold]
#[inline(never)]
fn arith_slow(
    process: &mut Process,
    at: &Cursor<'_>,
    op: Arith,
    dst: u16,
    a: Value,
    b: Value,
) -> Flow {
    let result = arith(process, op, a, b);
    outcome(process, at, dst, result)
}

#[cold]
#[inline(never)]
fn compare_slow(
    process: &mut Process,
    at: &Cursor<'_>,
    op: Compare,
    dst: u16,
    a: Value,
    b: Value,
) -> Flow {
    let result = compare(process, op, a, b);
    outcome(process, at, dst, Ok(result))
}

/// Looks a method up that the cache of a MethodCall does not know, and teaches it.
#[inline(never)]
fn find_method(
    process: &mut Process,
    code: &CodeBlock,
    op: &Op,
    object: Value,
    key: Value,
) -> Option<FuncId> {
    let cache = &code.caches[op.imm as usize];
    cache.teach_read(process.system(), object, key);
    cache.method(object, key)
}

#[inline(never)]
fn get_prop_slow(
    process: &mut Process,
    at: &Cursor<'_>,
    op: &Op,
    object: Value,
    key: Value,
) -> Flow {
    let result = property::get_prop(process, object, key, at.this());
    at.code.caches[op.imm as usize].teach_read(process.system(), object, key);
    outcome(process, at, op.a, result)
}

#[inline(never)]
fn set_prop_slow(
    process: &mut Process,
    at: &Cursor<'_>,
    op: &Op,
    object: Value,
    key: Value,
    value: Value,
) -> Flow {
    let result = property::set_prop(process, object, key, value, at.this());
    at.code.caches[op.imm as usize].teach_write(process.system(), object, key);
    match result {
        Ok(Outcome::Value(_)) => Flow::Next,
        other => outcome(process, at, 0, other),
    }
}

#[inline(never)]
fn call_slow(process: &mut Process, at: &Cursor<'_>, op: &Op, function: Value, cost: i64) -> Flow {
    process.suspend_top(at.index() + 1, op.a, Cont::Store);
    let started =
        at.with_list(op, |args| call::start(process, None, function, Value::UNDEFINED, args));
    match started {
        Ok(Started::Done(result)) => {
            process.deliver(result);
            Flow::Reload(cost)
        }
        Ok(Started::Pushed) => Flow::Reload(cost),
        Err(trap) => Flow::Leave(trapped(process, at, trap)),
    }
}

#[inline(never)]
fn load_special(process: &mut Process, at: &Cursor<'_>, dst: u16) -> Flow {
    let body = body(process, at);
    let result = match &body.konsts[at.index() as usize] {
        Some(konst) => build::konst(process, konst, at.this()),
        None => Ok(Value::UNDEFINED),
    };
    finish(process, at, dst, result)
}

fn body<'a>(process: &Process, at: &Cursor<'_>) -> &'a crate::program::Bytecode {
    let function = process.program().function(FuncId(at.function));
    function.bytecode().expect("only bytecode functions have frames here")
}

#[inline(never)]
fn match_target(process: &Process, at: &Cursor<'_>, value: Value) -> u32 {
    let pc = at.index();
    let body = body(process, at);
    let arms = &body.literals.patterns[&pc];
    let crate::bytecode::Instr::Match { arms: offsets, .. } = &body.instrs[pc as usize] else {
        return pc + 1;
    };
    let system = process.system();
    let found = arms.iter().position(|pattern| pattern::matches(system, value, pattern));
    found.map_or(pc + 1, |arm| (i64::from(pc) + i64::from(offsets.0[arm].1.0)) as u32)
}

#[inline(never)]
fn object_init(process: &mut Process, at: &Cursor<'_>, op: &Op) -> Flow {
    let plan = &body(process, at).literals.objects[&at.index()];
    let result = build::object(process, plan, |reg| at.reg(reg));
    finish(process, at, op.a, result)
}

#[inline(never)]
fn make_closure(process: &mut Process, at: &Cursor<'_>, op: &Op) -> Flow {
    let cells = body(process, at).layout.cells_at(at.index());
    let function = at.reg(op.b);
    let result = at.with_list(op, |captures| {
        if crate::object::closure::callee(function).is_some() {
            for (capture, cell) in captures.iter_mut().zip(cells) {
                let Some(cell) = *cell else { continue };
                if at.reg(cell) == Value::ABSENT {
                    at.set(cell, *capture);
                }
                *capture = at.reg(cell);
            }
        }
        build::closure(process, function, captures)
    });
    finish(process, at, op.a, result)
}

#[cold]
fn trace(process: &Process, at: &Cursor<'_>) {
    trace_at(process, FuncId(at.function), at.index());
}

/// Reports an instruction in the debug trace.
pub(crate) fn trace_at(process: &Process, id: FuncId, pc: u32) {
    let function = process.program().function(id);
    let instr = function.bytecode().and_then(|body| body.instrs.get(pc as usize));
    let Some(instr) = instr else { return };
    let name = function.qualified_name();
    let place = function.place(pc).map_or_else(String::new, |place| format!(" ({place})"));
    process.system().trace(|| format!("process {} {name}:{pc}{place} {instr}", process.number));
}
