//! Tests of meaning: random packages must do the same as bytecode and as SSA forms.
//!
//! A toy of the runtime, with opaque objects whose magic methods, properties and messages are drawn
//! from a fixed sequence. The reference steps through the bytecode. The other machine runs both forms
//! of each function, after inlining, and leaves at random safepoints: records are written from
//! frame states and go on in a resume form or in the reference interpreter. What both do must agree:
//! every effect, every charge, the place of a crash, the result. Each value computed must be of the
//! kinds that inference found.

use crate::build::Source;
use crate::forms::{entry_form, resume_form};
use crate::infer::Passed;
use crate::inline::{Limits, inline, peel, refine};
use crate::ir::*;
use crate::kinds::Kinds;
use crate::package::{Root, WithReturns, analyse};
use crate::points::Mode;
use crate::testing::{Random, TestFacts, Unit};
use ion_runtime::bytecode::ops::Instr;
use ion_runtime::bytecode::{ConstValue, Pattern};
use ion_runtime::program::{FuncId, Konst};
use ion_runtime::value::Value;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// A value of the toy; containers are known by a hash of how they were made.
#[derive(Clone, Debug)]
enum V {
    Number(f64),
    Boolean(bool),
    Unit,
    Undefined,
    Absent,
    Atom(u32),
    Pid(u64),
    Array(u64),
    Object(u64),
    Function(u32),
    Native(u32),
    Closure(Rc<(u32, Vec<V>)>, u64),
}

impl V {
    fn hash_of(&self) -> u64 {
        let parts = match self {
            V::Number(number) if number.is_nan() => (0, 0),
            V::Number(number) => (1, number.to_bits()),
            V::Boolean(boolean) => (2, u64::from(*boolean)),
            V::Unit => (3, 0),
            V::Undefined => (4, 0),
            V::Absent => (5, 0),
            V::Atom(atom) => (6, u64::from(*atom)),
            V::Pid(pid) => (7, *pid),
            V::Array(hash) => (8, *hash),
            V::Object(hash) => (9, *hash),
            V::Function(func) => (10, u64::from(*func)),
            V::Native(native) => (11, u64::from(*native)),
            V::Closure(_, hash) => (12, *hash),
        };
        hash(&parts)
    }

    fn kinds(&self) -> Kinds {
        match self {
            V::Number(_) => Kinds::NUMBER,
            V::Boolean(_) => Kinds::BOOLEAN,
            V::Unit => Kinds::UNIT,
            V::Undefined => Kinds::UNDEFINED,
            V::Absent => Kinds::ABSENT,
            V::Atom(_) => Kinds::ATOM,
            V::Pid(_) => Kinds::PROCESS,
            V::Array(_) => Kinds::ARRAY,
            V::Object(_) => Kinds::OBJECT,
            V::Function(_) | V::Native(_) | V::Closure(..) => Kinds::FUNCTION,
        }
    }

    fn of(value: Value) -> V {
        match value {
            Value::UNDEFINED => V::Undefined,
            Value::UNIT => V::Unit,
            Value::ABSENT => V::Absent,
            _ => None
                .or_else(|| value.as_number().map(V::Number))
                .or_else(|| value.as_boolean().map(V::Boolean))
                .or_else(|| value.as_atom().map(|atom| V::Atom(atom.0)))
                .or_else(|| value.as_function().map(|func| V::Function(func.0)))
                .or_else(|| value.as_native().map(|native| V::Native(native.0)))
                .unwrap(),
        }
    }

    fn truth(&self) -> bool {
        match self {
            V::Number(number) => *number != 0.0,
            V::Boolean(boolean) => *boolean,
            V::Unit | V::Undefined => false,
            _ => true,
        }
    }
}

fn hash(parts: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn hash_all(values: &[V]) -> u64 {
    hash(&values.iter().map(V::hash_of).collect::<Vec<_>>())
}

/// Why a machine stopped.
enum Stop {
    /// The charges have reached the limit of the test.
    Limit,
    /// A crash, noted in the trace.
    Crash,
    /// The code was left: records have been written.
    Left,
}

/// What a test may vary.
#[derive(Clone, Copy)]
struct Rules {
    mode: Mode,
    /// Do functions come as arguments, messages and results of magic methods?
    open: bool,
    /// Have objects magic methods?
    magic: bool,
}

/// What both machines act upon.
struct World {
    rules: Rules,
    /// Charges so far, what happened, and a hash of the operands.
    trace: Vec<(u64, &'static str, u64)>,
    charges: u64,
    limit: u64,
    draws: u64,
    tries: u64,
}

impl World {
    fn charge(&mut self, cost: u32) -> Result<(), Stop> {
        self.charges += u64::from(cost);
        if self.charges >= self.limit { Err(Stop::Limit) } else { Ok(()) }
    }

    fn event(&mut self, what: &'static str, operands: &[V]) {
        self.trace.push((self.charges, what, hash_all(operands)));
    }

    fn crash(&mut self, func: FuncId, pc: u32) -> Stop {
        self.trace.push((self.charges, "crash", hash(&(func, pc))));
        Stop::Crash
    }

    /// The next value that comes from nowhere.
    fn draw(&mut self) -> V {
        self.draws += 1;
        let bits = hash(&(self.draws, "draw"));
        match bits % 10 {
            0 | 1 => V::Number((bits >> 32) as f64 % 3.0),
            2 => V::Boolean(bits >> 32 & 1 == 0),
            3 => V::Undefined,
            4 => V::Atom(7),
            5 => V::Array(bits),
            6 if self.rules.open => V::Function((bits >> 32) as u32 % 4),
            _ => V::Object(bits),
        }
    }

    fn arith(&mut self, op: ArithOp, a: &V, b: &V) -> (V, bool) {
        match (a, b) {
            (V::Object(_), _) if self.rules.magic => {
                self.event("magic arithmetic", &[a.clone(), b.clone()]);
                (self.draw(), true)
            }
            (V::Number(a), V::Number(b)) => {
                let result = match op {
                    ArithOp::Add => V::Number(a + b),
                    ArithOp::Sub => V::Number(a - b),
                    ArithOp::Mul => V::Number(a * b),
                    ArithOp::Div if *b == 0.0 => V::Undefined,
                    ArithOp::Div => V::Number(a / b),
                };
                (result, false)
            }
            _ => (V::Undefined, false),
        }
    }

    fn compare(&mut self, op: CompareOp, a: &V, b: &V) -> (V, bool) {
        if self.rules.magic && (matches!(a, V::Object(_)) || matches!(b, V::Object(_))) {
            self.event("magic comparison", &[a.clone(), b.clone()]);
            return (V::Boolean(self.draw().truth()), true);
        }
        let equal = match (a, b) {
            (V::Number(a), V::Number(b)) => a == b,
            (V::Boolean(a), V::Boolean(b)) => a == b,
            (V::Atom(a), V::Atom(b)) => a == b,
            (V::Unit, V::Unit) | (V::Undefined, V::Undefined) => true,
            _ => false,
        };
        let order = match (a, b) {
            (V::Number(a), V::Number(b)) => a.partial_cmp(b),
            (V::Atom(a), V::Atom(b)) => Some(a.cmp(b)),
            _ => None,
        };
        let result = match op {
            CompareOp::Equal => equal,
            CompareOp::NotEqual => !equal,
            CompareOp::Less => order.is_some_and(|order| order.is_lt()),
            CompareOp::LessEqual => order.is_some_and(|order| order.is_le()),
            CompareOp::Greater => order.is_some_and(|order| order.is_gt()),
            CompareOp::GreaterEqual => order.is_some_and(|order| order.is_ge()),
        };
        (V::Boolean(result), false)
    }

    fn get_prop(&mut self, object: &V, key: &V, this: &V) -> (V, bool) {
        match object {
            V::Object(_) if matches!(key, V::Atom(_)) => {
                self.event("get", &[object.clone(), key.clone(), this.clone()]);
                (self.draw(), self.rules.magic)
            }
            V::Array(_) if matches!(key, V::Atom(_) | V::Number(_)) => (V::Number(7.0), false),
            _ => (V::Undefined, false),
        }
    }

    fn set_prop(&mut self, object: &V, key: &V, value: &V, this: &V) -> bool {
        let acts = matches!(
            (object, key),
            (V::Object(_), V::Atom(_)) | (V::Array(_), V::Atom(_) | V::Number(_))
        );
        if acts {
            self.event("set", &[object.clone(), key.clone(), value.clone(), this.clone()]);
        }
        acts && self.rules.magic && matches!(object, V::Object(_))
    }

    fn native(&mut self, native: u32, args: &[V]) -> V {
        self.event("native", args);
        let bits = hash(&(native, self.draws));
        if bits & 1 == 0 { V::Number(2.0) } else { V::Atom(1) }
    }

    fn spawn(&mut self, function: &V, args: &[V]) -> V {
        self.event("spawn", args);
        match function {
            V::Function(_) | V::Native(_) | V::Closure(..) => V::Pid(function.hash_of()),
            _ => V::Undefined,
        }
    }

    /// One try of an instruction that may wait: the message, and whether it is one.
    fn receive(&mut self, what: &'static str, operands: &[V]) -> Option<(V, bool)> {
        self.tries += 1;
        self.event(what, operands);
        let bits = hash(&(self.tries, "try"));
        match bits % 4 {
            0 => None,
            1 => Some((V::Undefined, false)),
            _ => Some((self.draw(), true)),
        }
    }

    fn call_cost(&self) -> u32 {
        if self.rules.mode == Mode::Instruction { 2 } else { 1 }
    }
}

fn closure(function: &V, captures: Vec<V>) -> V {
    match function {
        V::Function(func) => closure_of(*func, captures),
        V::Closure(old, _) => closure_of(old.0, captures),
        V::Native(_) => function.clone(),
        _ => V::Undefined,
    }
}

fn closure_of(func: u32, captures: Vec<V>) -> V {
    let hash = hash(&(func, hash_all(&captures)));
    V::Closure(Rc::new((func, captures)), hash)
}

fn capture(function: &V, cell: V, value: V) -> V {
    let is_function = function.kinds() == Kinds::FUNCTION;
    if is_function && matches!(cell, V::Absent) { value } else { cell }
}

/// A function value as a callee: function and what comes before the arguments.
enum CalleeOf {
    Bytecode(FuncId, Vec<V>),
    Native(u32),
    Nothing,
}

fn callee(function: &V) -> CalleeOf {
    match function {
        V::Native(native) => CalleeOf::Native(*native),
        V::Function(99) => CalleeOf::Native(9),
        V::Function(func) => CalleeOf::Bytecode(FuncId(*func), Vec::new()),
        V::Closure(closure, _) if closure.0 == 99 => CalleeOf::Native(9),
        V::Closure(closure, _) => CalleeOf::Bytecode(FuncId(closure.0), closure.1.clone()),
        _ => CalleeOf::Nothing,
    }
}

fn matches_pattern(pattern: &Pattern, value: &V) -> bool {
    match (pattern, value) {
        (Pattern::Wildcard, _) => true,
        (Pattern::Value(ConstValue::Number(a)), V::Number(b)) => a == b,
        _ => false,
    }
}

/// A suspended frame.
#[derive(Clone)]
struct Record {
    func: FuncId,
    pc: u32,
    regs: Vec<V>,
    dst: Option<u32>,
}

/// Both forms of a function.
struct Forms {
    entry: Function,
    resume: Function,
}

struct Machine<'a> {
    units: &'a [Unit],
    /// Empty: the reference.
    forms: &'a [Forms],
    world: World,
    random: Random,
    stack: Vec<Record>,
    /// Records written by code that is being left, innermost first.
    left: Vec<Record>,
    leaves: usize,
}

impl<'a> Machine<'a> {
    fn record(&self, func: FuncId, this: V, args: &[V]) -> Record {
        let unit = &self.units[func.0 as usize];
        let mut regs = vec![V::Undefined; usize::from(unit.layout.words)];
        if let Some(hidden) = unit.layout.this {
            regs[usize::from(hidden)] = this;
        }
        for (_, cells) in &unit.layout.cells {
            cells.iter().flatten().for_each(|&cell| regs[usize::from(cell)] = V::Absent);
        }
        for (reg, arg) in regs.iter_mut().zip(args).take(unit.params.into()) {
            *reg = arg.clone();
        }
        Record { func, pc: 0, regs, dst: None }
    }

    /// Runs function 0 to its end.
    fn run(&mut self, args: &[V]) {
        let first = self.record(FuncId(0), V::Object(1), args);
        self.stack.push(first);
        let result = loop {
            let Some(top) = self.stack.pop() else { break Ok(V::Undefined) };
            // Without forms the reference does everything; else whoever may.
            let compiled = !self.forms.is_empty() && self.random.below(4) != 0;
            let result = match self.dispatch(&top).filter(|_| compiled) {
                Some(block) => {
                    let resume = &self.forms[top.func.0 as usize].resume;
                    self.execute(resume, block, Vec::new(), &top.regs)
                }
                None => self.interpret(top),
            };
            match result {
                Ok(value) => match self.stack.last_mut() {
                    Some(record) => {
                        let dst = record.dst.take().expect("a record that waits for a result");
                        record.regs[dst as usize] = value;
                    }
                    None => break Ok(value),
                },
                Err(Stop::Left) => {
                    self.leaves += 1;
                    self.left.reverse();
                    self.stack.append(&mut self.left);
                }
                Err(stop) => break Err(stop),
            }
        };
        match result {
            Ok(value) => self.world.event("return", &[value]),
            Err(Stop::Limit) => self.world.event("limit", &[]),
            Err(_) => {}
        }
    }

    fn dispatch(&self, record: &Record) -> Option<BlockId> {
        let resume = &self.forms.get(record.func.0 as usize)?.resume;
        let Terminator::Dispatch(points) = &resume.block(resume.entry).term else { return None };
        let at = points.binary_search_by_key(&record.pc, |point| point.0).ok()?;
        Some(points[at].1)
    }

    /// Steps through bytecode until the frame returns, calls, or, in the machine under test, for a
    /// while.
    fn interpret(&mut self, mut frame: Record) -> Result<V, Stop> {
        let units = self.units;
        let unit = &units[frame.func.0 as usize];
        let mode = self.world.rules.mode;
        loop {
            if !self.forms.is_empty() && self.random.below(6) == 0 {
                self.left.push(frame);
                return Err(Stop::Left);
            }
            let pc = frame.pc;
            let Some(instr) = unit.instrs.get(pc as usize) else { return Ok(V::Unit) };
            let get = |reg: u32| frame.regs[reg as usize].clone();
            let all = |regs: &[u32]| -> Vec<V> { regs.iter().map(|&reg| get(reg)).collect() };
            let this = unit.layout.this.map_or(V::Undefined, |this| get(this.into()));
            let world = &mut self.world;
            let mut cost = if mode == Mode::Instruction { instr.cost() } else { 0 };
            let mut next = pc + 1;
            let mut jumped = None;
            let jump = |offset: i32| (pc as i32 + offset) as u32;
            let arith = |world: &mut World, op, a: u32, b: u32| world.arith(op, &get(a), &get(b)).0;
            let compare =
                |world: &mut World, op, a: u32, b: u32| world.compare(op, &get(a), &get(b)).0;
            let mut writes: Vec<(u32, V)> = Vec::new();
            use ArithOp::*;
            use CompareOp as C;
            match instr {
                Instr::LoadConst { dst, .. } => {
                    let value = match unit.konsts[pc as usize].as_ref().unwrap() {
                        Konst::Value(value) => V::of(*value),
                        Konst::Fresh(template) => V::Array(u64::from(*template)),
                        Konst::SelfPid => V::Pid(0),
                        Konst::This => this,
                        _ => V::Number(5.0),
                    };
                    writes.push((dst.0, value));
                }
                Instr::Move { dst, src } => writes.push((dst.0, get(src.0))),
                Instr::Add { dst, a, b } => writes.push((dst.0, arith(world, Add, a.0, b.0))),
                Instr::Sub { dst, a, b } => writes.push((dst.0, arith(world, Sub, a.0, b.0))),
                Instr::Mul { dst, a, b } => writes.push((dst.0, arith(world, Mul, a.0, b.0))),
                Instr::Div { dst, a, b } => writes.push((dst.0, arith(world, Div, a.0, b.0))),
                Instr::Equal { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::Equal, a.0, b.0)));
                }
                Instr::NotEqual { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::NotEqual, a.0, b.0)));
                }
                Instr::LessThan { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::Less, a.0, b.0)));
                }
                Instr::LessEqual { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::LessEqual, a.0, b.0)));
                }
                Instr::GreaterThan { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::Greater, a.0, b.0)));
                }
                Instr::GreaterEqual { dst, a, b } => {
                    writes.push((dst.0, compare(world, C::GreaterEqual, a.0, b.0)));
                }
                Instr::And { dst, a, b } => {
                    writes.push((dst.0, V::Boolean(get(a.0).truth() && get(b.0).truth())));
                }
                Instr::Or { dst, a, b } => {
                    writes.push((dst.0, V::Boolean(get(a.0).truth() || get(b.0).truth())));
                }
                Instr::Not { dst, src } => {
                    writes.push((dst.0, V::Boolean(!get(src.0).truth())));
                }
                Instr::GetProp { dst, object, key } => {
                    let value = world.get_prop(&get(object.0), &get(key.0), &this).0;
                    writes.push((dst.0, value));
                }
                Instr::SetProp { object, key, value } => {
                    world.set_prop(&get(object.0), &get(key.0), &get(value.0), &this);
                }
                Instr::Call { dst, function, args } => {
                    let args = all(&args.0);
                    match callee(&get(function.0)) {
                        CalleeOf::Bytecode(func, captures) => {
                            world.charge(world.call_cost())?;
                            let args: Vec<V> = captures.into_iter().chain(args).collect();
                            frame.pc = next;
                            frame.dst = Some(dst.0);
                            let inner = self.record(func, V::Undefined, &args);
                            self.left.push(inner);
                            self.left.push(frame);
                            return Err(Stop::Left);
                        }
                        CalleeOf::Native(native) => {
                            writes.push((dst.0, world.native(native, &args)));
                            cost = world.call_cost();
                        }
                        CalleeOf::Nothing => return Err(world.crash(frame.func, pc)),
                    }
                }
                Instr::Return { value } => {
                    world.charge(cost)?;
                    return Ok(get(value.0));
                }
                Instr::Jump { offset } => jumped = Some(jump(offset.0)),
                Instr::JumpIfTrue { condition, offset } => {
                    jumped = get(condition.0).truth().then(|| jump(offset.0));
                }
                Instr::JumpIfFalse { condition, offset } => {
                    jumped = (!get(condition.0).truth()).then(|| jump(offset.0));
                }
                Instr::Match { value, arms } => {
                    let value = get(value.0);
                    let arm = arms.0.iter().find(|(pattern, _)| matches_pattern(pattern, &value));
                    jumped = arm.map(|(_, offset)| jump(offset.0));
                }
                Instr::Spawn { dst, function, args } => {
                    let value = world.spawn(&get(function.0), &all(&args.0));
                    writes.push((dst.0, value));
                    cost = 4;
                }
                Instr::Send { process, message } => {
                    world.event("send", &[get(process.0), get(message.0)]);
                    cost = 4;
                }
                Instr::Receive { .. }
                | Instr::ReceiveWithTimeout { .. }
                | Instr::Link { .. }
                | Instr::Select { .. }
                | Instr::SelectWithKill { .. } => {
                    let (what, operands, dst, result) = match instr {
                        Instr::Receive { dst } => ("receive", vec![], dst.0, None),
                        Instr::ReceiveWithTimeout { dst, timeout, result } => {
                            ("timeout", vec![get(timeout.0)], dst.0, Some(result.0))
                        }
                        Instr::Link { dst, .. } => ("link", vec![], dst.0, None),
                        Instr::Select { dst, processes } => {
                            ("select", all(&processes.0), dst.0, None)
                        }
                        Instr::SelectWithKill { dst, processes } => {
                            ("kill", all(&processes.0), dst.0, None)
                        }
                        _ => unreachable!(),
                    };
                    cost = 2;
                    match world.receive(what, &operands) {
                        Some((value, flag)) => {
                            writes.push((dst, value));
                            writes.extend(result.map(|result| (result, V::Boolean(flag))));
                        }
                        None => next = pc,
                    }
                }
                Instr::Yield {} | Instr::Nop {} => {}
                Instr::ObjectInit { dst, props } => {
                    let values: Vec<V> = props
                        .0
                        .iter()
                        .map(|prop| match prop.value {
                            ion_runtime::bytecode::ops::PropValue::Reg(reg) => get(reg),
                            _ => V::Undefined,
                        })
                        .collect();
                    writes.push((dst.0, V::Object(hash_all(&values))));
                }
                Instr::ArrayInit { dst, elements } => {
                    writes.push((dst.0, V::Array(hash_all(&all(&elements.0)))));
                }
                Instr::MakeClosure { dst, function, captures, .. } => {
                    let function = get(function.0);
                    let cells = unit.layout.cells_at(pc);
                    let mut values = Vec::new();
                    let regs: Vec<V> = captures.0.iter().map(|(_, reg)| get(*reg)).collect();
                    for (at, value) in regs.into_iter().enumerate() {
                        let value = match cells.get(at) {
                            Some(Some(cell)) => {
                                let cell = &mut frame.regs[usize::from(*cell)];
                                *cell = capture(&function, cell.clone(), value);
                                cell.clone()
                            }
                            _ => value,
                        };
                        values.push(value);
                    }
                    writes.push((dst.0, closure(&function, values)));
                }
            }
            for (reg, value) in writes {
                frame.regs[reg as usize] = value;
            }
            if let Some(to) = jumped {
                if mode == Mode::Safepoint && to <= pc {
                    cost = 1;
                }
                next = to;
            }
            frame.pc = next;
            self.world.charge(cost)?;
        }
    }

    /// Writes the records of a state, which gets `result` if that is there already.
    fn leave(
        &mut self,
        function: &Function,
        values: &[Option<V>],
        state: StateId,
        result: Option<V>,
    ) {
        let mut next = Some(state);
        let mut result = result;
        while let Some(state) = next {
            let state = function.state(state);
            let mut record = self.record(state.func, V::Undefined, &[]);
            record.regs.fill(V::Undefined);
            record.pc = state.pc;
            record.dst = state.dst.map(|dst| dst.reg.into());
            for &(reg, value) in &state.regs {
                record.regs[usize::from(reg)] = get(function, values, value);
            }
            if let (Some(value), Some(dst)) = (result.take(), record.dst) {
                record.regs[dst as usize] = value;
                record.dst = None;
            }
            self.left.push(record);
            next = state.parent;
        }
    }

    /// Runs SSA code from a block to its return; `regs` is the record that is gone on with.
    fn execute(
        &mut self,
        function: &'a Function,
        block: BlockId,
        args: Vec<V>,
        regs: &[V],
    ) -> Result<V, Stop> {
        let mut values: Vec<Option<V>> = vec![None; function.values.len()];
        let mut block = block;
        let mut args = args;
        loop {
            let data = function.block(block);
            assert_eq!(data.params.len(), args.len());
            for (&param, arg) in data.params.iter().zip(args) {
                set(function, &mut values, param, arg);
            }
            for &inst in &data.insts {
                self.inst(function, &mut values, function.inst(inst), regs)?;
            }
            let v = |value: ValueId| get(function, &values, value);
            let target = match &data.term {
                Terminator::Jump(target) => target,
                Terminator::Branch { cond, then, otherwise } => match v(*cond) {
                    V::Boolean(true) => then,
                    V::Boolean(false) => otherwise,
                    other => panic!("branch on {other:?}"),
                },
                Terminator::Match { frame, pc, value, arms, default } => {
                    let func = function.frames[frame.index()].func;
                    let instr = &self.units[func.0 as usize].instrs[*pc as usize];
                    let Instr::Match { arms: patterns, .. } = instr else { panic!("{instr:?}") };
                    let value = v(*value);
                    let found = arms
                        .iter()
                        .zip(&patterns.0)
                        .find(|(_, (pattern, _))| matches_pattern(pattern, &value));
                    found.map_or(default, |(target, _)| target)
                }
                Terminator::Return(value) => return Ok(v(*value)),
                Terminator::Dispatch(_) | Terminator::Unreachable => {
                    panic!("{block} ends where control cannot be\n{function}")
                }
            };
            args = target.args.iter().map(|&arg| v(arg)).collect();
            block = target.block;
        }
    }

    fn inst(
        &mut self,
        function: &'a Function,
        values: &mut [Option<V>],
        inst: &Inst,
        regs: &[V],
    ) -> Result<(), Stop> {
        let v = |value: &ValueId| get(function, values, *value);
        let all = |list: &[ValueId]| -> Vec<V> { list.iter().map(v).collect() };
        let this = |this: &Option<ValueId>| this.as_ref().map_or(V::Undefined, v);
        let func = function.frames[inst.frame.index()].func;
        let chance = self.random.below(4) == 0;
        let world = &mut self.world;
        let mut second = None;
        // Whether a magic method ran, which may have left the code.
        let mut magic = false;
        let result = match &inst.op {
            Op::LoadReg { reg } => regs[usize::from(*reg)].clone(),
            Op::LoadFresh { template } => V::Array(u64::from(*template)),
            Op::LoadSpecial(Special::SelfPid) => V::Pid(0),
            Op::LoadSpecial(_) => V::Number(5.0),
            Op::Arith { op, a, b } => {
                let (value, called) = world.arith(*op, &v(a), &v(b));
                magic = called;
                value
            }
            Op::Compare { op, a, b } => {
                let (value, called) = world.compare(*op, &v(a), &v(b));
                magic = called;
                value
            }
            Op::Truth { a } => V::Boolean(v(a).truth()),
            Op::Not { a } => V::Boolean(!flag(&v(a))),
            Op::And { a, b } => V::Boolean(flag(&v(a)) & flag(&v(b))),
            Op::Or { a, b } => V::Boolean(flag(&v(a)) | flag(&v(b))),
            Op::GetProp { object, key, this: of } => {
                let (value, called) = world.get_prop(&v(object), &v(key), &this(of));
                magic = called;
                value
            }
            Op::SetProp { object, key, value, this: of } => {
                magic = world.set_prop(&v(object), &v(key), &v(value), &this(of));
                V::Undefined
            }
            Op::CallValue { function: callee_value, args } => {
                let args = all(args);
                match callee(&v(callee_value)) {
                    CalleeOf::Bytecode(callee, captures) => {
                        let args = captures.into_iter().chain(args).collect();
                        self.call(function, values, inst, callee, args)?
                    }
                    CalleeOf::Native(native) => {
                        let value = world.native(native, &args);
                        let cost = world.call_cost();
                        world.charge(cost)?;
                        value
                    }
                    CalleeOf::Nothing => return Err(world.crash(func, inst.pc)),
                }
            }
            Op::CallKnown { func: callee, args, .. } => {
                let args = all(args);
                self.call(function, values, inst, *callee, args)?
            }
            Op::CallNative { native, args } => world.native(native.0, &all(args)),
            Op::Spawn { function: of, args } => world.spawn(&v(of), &all(args)),
            Op::Send { process, message } => {
                world.event("send", &[v(process), v(message)]);
                V::Undefined
            }
            Op::Receive | Op::ReceiveWithTimeout { .. } | Op::Link { .. } | Op::Select { .. } => {
                let (what, operands) = match &inst.op {
                    Op::Receive => ("receive", vec![]),
                    Op::ReceiveWithTimeout { timeout } => ("timeout", vec![v(timeout)]),
                    Op::Link { .. } => ("link", vec![]),
                    Op::Select { processes, kill: false } => ("select", all(processes)),
                    Op::Select { processes, .. } => ("kill", all(processes)),
                    _ => unreachable!(),
                };
                match world.receive(what, &operands) {
                    Some((value, flag)) => {
                        second = Some(V::Boolean(flag));
                        value
                    }
                    None => {
                        world.charge(2)?;
                        self.leave(function, values, inst.before.unwrap(), None);
                        return Err(Stop::Left);
                    }
                }
            }
            Op::Yield { cost } => {
                world.charge(*cost)?;
                self.leave(function, values, inst.after.unwrap(), None);
                return Err(Stop::Left);
            }
            Op::NewObject { values } => V::Object(hash_all(&all(values))),
            Op::NewArray { elements } => V::Array(hash_all(&all(elements))),
            Op::Capture { function, cell, value } => capture(&v(function), v(cell), v(value)),
            Op::MakeClosure { function, captures } => closure(&v(function), all(captures)),
            Op::Safepoint { cost, .. } => {
                world.charge(*cost)?;
                if chance {
                    self.leave(function, values, inst.after.unwrap(), None);
                    return Err(Stop::Left);
                }
                V::Undefined
            }
            Op::Charge { cost } => {
                world.charge(*cost)?;
                V::Undefined
            }
            Op::Refund { cost } => {
                world.charges -= u64::from(*cost);
                V::Undefined
            }
            Op::Trace | Op::LoopHead => V::Undefined,
            other => unreachable!("{other:?} is made by speculation, which these tests do without"),
        };
        if magic {
            let state = inst.after.expect("a state behind what runs a magic method");
            if chance {
                // The safepoint behind the instruction is skipped, so its charge falls due here.
                let cost = u32::from(self.world.rules.mode == Mode::Instruction);
                self.world.charge(cost)?;
                self.leave(function, values, state, Some(result));
                return Err(Stop::Left);
            }
        }
        if let Some(value) = inst.result {
            set(function, values, value, result);
        }
        if let (Some(value), Some(second)) = (inst.second, second) {
            set(function, values, value, second);
        }
        Ok(())
    }

    fn call(
        &mut self,
        function: &'a Function,
        values: &[Option<V>],
        inst: &Inst,
        callee: FuncId,
        mut args: Vec<V>,
    ) -> Result<V, Stop> {
        let forms = self.forms;
        let entry = &forms[callee.0 as usize].entry;
        args.resize(self.units[callee.0 as usize].params.into(), V::Undefined);
        if entry.takes_this {
            args.insert(0, V::Undefined);
        }
        let result = self.execute(entry, entry.entry, args, &[]);
        if let Err(Stop::Left) = result {
            self.leave(function, values, inst.after.unwrap(), None);
        }
        result
    }
}

fn flag(value: &V) -> bool {
    match value {
        V::Boolean(flag) => *flag,
        other => panic!("{other:?} is no flag"),
    }
}

fn get(function: &Function, values: &[Option<V>], value: ValueId) -> V {
    match function.as_constant(value) {
        Some(constant) => V::of(constant.value),
        None => values[value.index()].clone().unwrap_or_else(|| panic!("{value} has no value")),
    }
}

fn set(function: &Function, values: &mut [Option<V>], value: ValueId, content: V) {
    let kinds = function.kinds(value);
    assert!(kinds.contains(content.kinds()), "{value}: {kinds} is {content:?}\n{function}");
    values[value.index()] = Some(content);
}

fn compile(units: &[Unit], rules: Rules, limits: Limits) -> Vec<Forms> {
    let Rules { mode, open, magic } = rules;
    let base = TestFacts { no_magic: !magic, ..TestFacts::default() };
    let sources: Vec<Option<Source<'_>>> = units.iter().map(|unit| Some(unit.source())).collect();
    let roots = if open { units.len() as u32 } else { 1 };
    let roots: Vec<Root> = (0..roots).map(|func| Root::open(FuncId(func))).collect();
    let package = analyse(&sources, &roots, &base);
    let facts = WithReturns { base: &base, package: &package };
    let entries: Vec<_> = (0u32..)
        .zip(units)
        .map(|(func, unit)| {
            let func = FuncId(func);
            entry_form(unit.source(), func, mode, &facts, package.passed(func)).unwrap()
        })
        .collect();
    let body = |func: FuncId| entries.get(func.0 as usize).map(|entry| &entry.function);
    let source = |func: FuncId| Some(units[func.0 as usize].source());
    let mut forms = Vec::new();
    for (func, unit) in units.iter().enumerate() {
        let mut entry = entries[func].function.clone();
        let func = FuncId(func as u32);
        if inline(&mut entry, body, &mut limits.clone()) + peel(&mut entry, body, false) > 0 {
            refine(&mut entry, &facts, package.passed(func));
        }
        let resume = &entries[func.0 as usize].resume;
        let mut resume = resume_form(unit.source(), func, mode, &facts, resume).unwrap();
        if inline(&mut resume, body, &mut limits.clone()) + peel(&mut resume, body, false) > 0 {
            refine(&mut resume, &facts, Passed::ANYTHING);
        }
        for function in [&entry, &resume] {
            crate::check::verify(function, source).unwrap_or_else(|e| panic!("{e}\n{function}"));
        }
        forms.push(Forms { entry, resume });
    }
    forms
}

fn run(units: &[Unit], forms: &[Forms], rules: Rules, args: &[V], seed: u64) -> (World, usize) {
    let trace = Vec::new();
    let world = World { rules, trace, charges: 0, limit: 200, draws: seed, tries: seed };
    let mut machine = Machine {
        units,
        forms,
        world,
        random: Random(seed),
        stack: Vec::new(),
        left: Vec::new(),
        leaves: 0,
    };
    machine.run(args);
    (machine.world, machine.leaves)
}

#[test]
fn random_packages_do_the_same_in_both_machines() {
    let (mut events, mut leaves, mut inlined) = (0, 0, 0);
    for seed in 0..2500u64 {
        let mut random = Random(seed);
        let length = [6, 12, 25, 60][seed as usize % 4];
        let registers = 2 + random.below(6);
        let units: Vec<Unit> = (0..4).map(|_| random.function(length, registers, 4)).collect();
        let mode = if seed % 3 == 0 { Mode::Instruction } else { Mode::Safepoint };
        let limits = Limits { body: 60, growth: 400, recursion: 1 };
        let open = seed % 2 == 0;
        let rules = Rules { mode, open, magic: seed % 5 < 3 };
        let forms = compile(&units, rules, limits);
        inlined += forms.iter().filter(|forms| forms.entry.frames.len() > 1).count();
        for turn in 0..4 {
            let args = [
                V::Number(random.below(4) as f64),
                if open { V::Function(random.below(4) as u32) } else { V::Atom(5) },
                V::Object(9),
            ];
            let (expected, _) = run(&units, &[], rules, &args, turn);
            let (actual, left) = run(&units, &forms, rules, &args, turn);
            if actual.trace != expected.trace {
                let at = actual.trace.iter().zip(&expected.trace).position(|(a, b)| a != b);
                for (func, forms) in forms.iter().enumerate() {
                    eprintln!("bytecode {func}: {:#?}", units[func].instrs);
                    eprintln!("{}{}", forms.entry, forms.resume);
                }
                panic!(
                    "seed {seed} turn {turn}: differs at {at:?}\n{:?}\n{:?}",
                    expected.trace, actual.trace
                );
            }
            events += actual.trace.len();
            leaves += left;
        }
    }
    eprintln!("{events} events, {leaves} times left, {inlined} functions with inlined code");
    assert!(events > 10_000 && leaves > 10_000 && inlined > 100);
}
