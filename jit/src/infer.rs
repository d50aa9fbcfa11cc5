//! Inference: which kinds each value may have, and which values are always the same.
//!
//! A sparse conditional fixpoint: facts only grow, blocks count from the first edge that may be
//! taken, and a parameter is the join of the edges that count. Nothing is speculative, so a fact
//! about a register at a resume point holds whoever wrote the record.
//!
//! Invariant: folding is exact; whatever depends on the heap or the process is left to run time.
//! Absent on purpose: rewriting (`simplify`), other functions (`package`).

use crate::build::Env;
use crate::cfg;
use crate::ir::*;
use crate::kinds::{self, Callee, Facts, Kinds, Magic};
use ion_runtime::atom::known;
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::{Atom, Value};

/// What is known about a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// Kinds it may have; none: it never comes to be.
    pub kinds: Kinds,
    /// It is always this.
    pub constant: Option<Constant>,
}

impl Fact {
    /// Of a value that never comes to be.
    pub const NEVER: Fact = Fact { kinds: Kinds::NONE, constant: None };

    /// A value of these kinds.
    pub fn of(kinds: Kinds) -> Fact {
        let only = match kinds {
            Kinds::UNDEFINED => Some(Value::UNDEFINED),
            Kinds::UNIT => Some(Value::UNIT),
            Kinds::ABSENT => Some(Value::ABSENT),
            _ => None,
        };
        Fact { kinds, constant: only.map(|value| Constant { value, origin: None }) }
    }

    /// A constant that is no heap object.
    pub fn immediate(value: Value) -> Fact {
        Fact {
            kinds: Kinds::of_immediate(value).unwrap_or(Kinds::ANY),
            constant: Some(Constant { value, origin: None }),
        }
    }

    /// What holds of both.
    pub fn join(self, other: Fact) -> Fact {
        match (self.kinds.is_none(), other.kinds.is_none()) {
            (true, _) => other,
            (_, true) => self,
            _ => Fact {
                kinds: self.kinds | other.kinds,
                constant: self.constant.filter(|_| self.constant == other.constant),
            },
        }
    }

    fn number(self) -> Option<f64> {
        self.constant.and_then(|constant| constant.value.as_number())
    }
}

/// Kinds of what a caller passes.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// Of the parameters; those that are missing may be anything.
    pub params: &'a [Kinds],
    /// Of `this`.
    pub this: Kinds,
}

impl Passed<'_> {
    /// Nothing is known about the callers.
    pub const ANYTHING: Passed<'static> = Passed { params: &[], this: Kinds::ANY };
}

/// A callee that is known at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A bytecode function.
    Bytecode(FuncId),
    /// A library function.
    Native(NativeId),
}

/// The result of [`infer`].
#[derive(Clone, Debug)]
pub struct Inference {
    /// For each value.
    pub values: Vec<Fact>,
    /// For each block: may it be reached?
    pub reached: Vec<bool>,
    /// What the function returns.
    pub returns: Fact,
}

impl Inference {
    /// What is known about a value.
    pub fn fact(&self, value: ValueId) -> Fact {
        self.values[value.index()]
    }

    /// Kinds of a value.
    pub fn kinds(&self, value: ValueId) -> Kinds {
        self.fact(value).kinds
    }
}

/// A known bytecode function with what it is passed, or has captured.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSite {
    /// Callee.
    pub func: FuncId,
    /// Kinds of what its parameters get, captures included; as many as the site passes.
    pub args: Vec<Kinds>,
}

/// What a function does with the functions of the program.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Sites {
    /// Known calls and spawns.
    pub calls: Vec<CallSite>,
    /// Closures made of known functions. They may be called from anywhere, with these captures first.
    pub closures: Vec<CallSite>,
    /// Functions that may be called from anywhere with anything.
    pub escapes: Vec<FuncId>,
    /// May closures be made again of functions that are not known, with other captures?
    pub recaptures: bool,
    /// What is stored under which name; `None`: under any name.
    pub stores: Vec<(Option<Atom>, Kinds)>,
    /// What is stored in arrays.
    pub elements: Kinds,
    /// Instructions that make objects, by bytecode index, with the kinds of their values.
    pub objects: Vec<(u32, Vec<Kinds>)>,
}

impl Sites {
    /// Collects what the reached code of a function does.
    pub fn new(function: &Function, inference: &Inference, facts: &dyn Facts) -> Sites {
        let mut sites = Sites::default();
        for block in cfg::reverse_postorder(function) {
            if !inference.reached[block.index()] {
                continue;
            }
            let block = function.block(block);
            for &inst in &block.insts {
                sites.inst(function, inference, facts, function.inst(inst));
            }
            if let Some(value) = block.term.operand() {
                sites.used(inference, value);
            }
            for target in block.term.targets() {
                let params = &function.block(target.block).params;
                for (&param, &arg) in params.iter().zip(&target.args) {
                    // A parameter that is always this function hands it on under the same name.
                    if inference.fact(param).constant != inference.fact(arg).constant {
                        sites.used(inference, arg);
                    }
                }
            }
        }
        sites
    }

    fn inst(&mut self, function: &Function, inference: &Inference, facts: &dyn Facts, inst: &Inst) {
        let kinds = |value: &ValueId| inference.kinds(*value).without(Kinds::ABSENT);
        let op = &inst.op;
        match op {
            Op::SetProp { key, value, .. } => {
                if kinds(key).intersects(Kinds::ATOM) {
                    let name = inference.fact(*key).constant.and_then(|it| it.value.as_atom());
                    self.stores.push((name, kinds(value)));
                }
                if kinds(key).intersects(Kinds::NUMBER) {
                    self.elements |= kinds(value);
                }
                self.used(inference, *value);
            }
            Op::NewArray { elements } => {
                elements.iter().for_each(|element| {
                    self.elements |= kinds(element);
                    self.used(inference, *element);
                });
            }
            Op::NewObject { values } => {
                self.objects.push((inst.pc, values.iter().map(kinds).collect()));
                values.iter().for_each(|&value| self.used(inference, value));
            }
            Op::CallValue { function: callee, args } | Op::Spawn { function: callee, args } => {
                args.iter().for_each(|&arg| self.used(inference, arg));
                let known = known(function, inference, facts, *callee);
                if let Some((Known::Bytecode(func), captures)) = known {
                    let args = captures.iter().chain(args).map(kinds).collect();
                    self.calls.push(CallSite { func, args });
                }
            }
            Op::CallKnown { func, args, .. } => {
                args.iter().for_each(|&arg| self.used(inference, arg));
                self.calls.push(CallSite { func: *func, args: args.iter().map(kinds).collect() });
            }
            Op::MakeClosure { function: of, captures } => {
                captures.iter().for_each(|&capture| self.used(inference, capture));
                let constant = inference.fact(*of).constant;
                match constant.and_then(|constant| constant.value.as_function()) {
                    Some(func) => {
                        let args = captures.iter().map(kinds).collect();
                        self.closures.push(CallSite { func, args });
                    }
                    None => self.recaptures |= inference.kinds(*of).intersects(Kinds::FUNCTION),
                }
            }
            // The closure that follows tells what becomes of the function.
            Op::Capture { cell, value, .. } => {
                self.used(inference, *cell);
                self.used(inference, *value);
            }
            _ => op.visit(|value| self.used(inference, value)),
        }
    }

    fn used(&mut self, inference: &Inference, value: ValueId) {
        let constant = inference.fact(value).constant;
        if let Some(func) = constant.and_then(|constant| constant.value.as_function()) {
            self.escapes.push(func);
        }
    }
}

/// The callee, if it is known, and the captures that it gets before the arguments.
pub fn known<'a>(
    function: &'a Function,
    inference: &Inference,
    facts: &dyn Facts,
    callee: ValueId,
) -> Option<(Known, &'a [ValueId])> {
    if let Some(constant) = inference.fact(callee).constant {
        return known_constant(facts, constant).map(|known| (known, &[][..]));
    }
    // Only the closure made right here: one that came round a loop has the captures of another turn.
    match &function.as_inst(callee)?.op {
        Op::MakeClosure { function: of, captures } => {
            match known_constant(facts, function.as_constant(*of)?)? {
                native @ Known::Native(_) => Some((native, &[])),
                bytecode => Some((bytecode, captures)),
            }
        }
        _ => None,
    }
}

fn known_constant(facts: &dyn Facts, constant: Constant) -> Option<Known> {
    if let Some(native) = constant.value.as_native() {
        return Some(Known::Native(native));
    }
    let func = constant.value.as_function()?;
    Some(match facts.callee(func) {
        Callee::Bytecode { .. } => Known::Bytecode(func),
        Callee::Native(native) => Known::Native(native),
    })
}

/// Infers the facts of one function.
pub fn infer(function: &Function, facts: &dyn Facts, passed: Passed<'_>) -> Inference {
    let order = cfg::reverse_postorder(function);
    let mut solver = Solver {
        function,
        facts,
        uses: Uses::new(function, &order),
        result: Inference {
            values: vec![Fact::NEVER; function.values.len()],
            reached: vec![false; function.blocks.len()],
            returns: Fact::NEVER,
        },
        blocks: Vec::new(),
        changed: Vec::new(),
    };
    for (value, data) in function.values.iter().enumerate() {
        if let ValueDef::Const(constant) = data.def {
            let kinds = Kinds::of_immediate(constant.value);
            let kinds = kinds.unwrap_or_else(|| facts.literal(constant.value));
            solver.result.values[value] = Fact { kinds, constant: Some(constant) };
        }
    }
    let entry = function.block(function.entry);
    let hidden = usize::from(function.takes_this);
    for (at, &param) in entry.params.iter().enumerate() {
        let kinds = match at.checked_sub(hidden) {
            Some(at) => passed.params.get(at).copied().unwrap_or(Kinds::ANY),
            None => passed.this,
        };
        solver.result.values[param.index()] = Fact::of(kinds);
    }
    solver.reach(function.entry);
    solver.run();
    for &block in &order {
        if let Terminator::Return(value) = function.block(block).term
            && solver.result.reached[block.index()]
        {
            let fact = solver.result.fact(value);
            solver.result.returns = solver.result.returns.join(fact);
        }
    }
    solver.result
}

/// Where each value is used, by instructions and terminators (edges included).
struct Uses {
    /// Uses of value `v` are `users[first[v]..first[v + 1]]`.
    first: Vec<u32>,
    users: Vec<User>,
    /// The block of each instruction.
    block_of: Vec<BlockId>,
}

#[derive(Clone, Copy)]
enum User {
    Inst(InstId),
    Term(BlockId),
}

impl Uses {
    fn new(function: &Function, order: &[BlockId]) -> Uses {
        let mut first = vec![0u32; function.values.len() + 1];
        Self::each(function, order, |value, _| first[value.index() + 1] += 1);
        for value in 1..first.len() {
            first[value] += first[value - 1];
        }
        let mut free = first.clone();
        let mut users = vec![User::Term(function.entry); first[first.len() - 1] as usize];
        Self::each(function, order, |value, user| {
            users[free[value.index()] as usize] = user;
            free[value.index()] += 1;
        });
        let mut block_of = vec![function.entry; function.insts.len()];
        for &block in order {
            for inst in &function.block(block).insts {
                block_of[inst.index()] = block;
            }
        }
        Uses { first, users, block_of }
    }

    fn each(function: &Function, order: &[BlockId], mut each: impl FnMut(ValueId, User)) {
        for &block in order {
            for &inst in &function.block(block).insts {
                function.inst(inst).op.visit(|value| each(value, User::Inst(inst)));
            }
            let term = &function.block(block).term;
            term.operand().into_iter().for_each(|value| each(value, User::Term(block)));
            for target in term.targets() {
                target.args.iter().for_each(|&value| each(value, User::Term(block)));
            }
        }
    }
}

struct Solver<'a> {
    function: &'a Function,
    facts: &'a dyn Facts,
    uses: Uses,
    result: Inference,
    /// Blocks newly reached.
    blocks: Vec<BlockId>,
    /// Values whose fact has grown.
    changed: Vec<ValueId>,
}

impl Solver<'_> {
    fn run(&mut self) {
        loop {
            if let Some(block) = self.blocks.pop() {
                for &inst in &self.function.block(block).insts {
                    self.inst(inst);
                }
                self.term(block);
            } else if let Some(value) = self.changed.pop() {
                let uses = self.uses.first[value.index()]..self.uses.first[value.index() + 1];
                for at in uses {
                    match self.uses.users[at as usize] {
                        User::Inst(inst) => {
                            if self.result.reached[self.uses.block_of[inst.index()].index()] {
                                self.inst(inst);
                            }
                        }
                        User::Term(block) => {
                            if self.result.reached[block.index()] {
                                self.term(block);
                            }
                        }
                    }
                }
            } else {
                break;
            }
        }
    }

    fn reach(&mut self, block: BlockId) {
        if !std::mem::replace(&mut self.result.reached[block.index()], true) {
            self.blocks.push(block);
        }
    }

    fn learn(&mut self, value: ValueId, fact: Fact) {
        let old = self.result.values[value.index()];
        let new = old.join(fact);
        if new != old {
            self.result.values[value.index()] = new;
            self.changed.push(value);
        }
    }

    fn edge(&mut self, target: &Target) {
        self.reach(target.block);
        let function = self.function;
        let params = &function.block(target.block).params;
        for (&param, &arg) in params.iter().zip(&target.args) {
            self.learn(param, self.result.fact(arg));
        }
    }

    fn term(&mut self, block: BlockId) {
        let function = self.function;
        let term = &function.block(block).term;
        match term {
            Terminator::Branch { cond, then, otherwise } => {
                let cond = self.result.fact(*cond);
                if cond.kinds.is_none() {
                    return;
                }
                let decided = truth(cond);
                if decided != Some(false) {
                    self.edge(then);
                }
                if decided != Some(true) {
                    self.edge(otherwise);
                }
            }
            Terminator::Match { value, .. } if self.result.kinds(*value).is_none() => {}
            Terminator::Dispatch(points) => points.iter().for_each(|&(_, block)| self.reach(block)),
            _ => term.targets().for_each(|target| self.edge(target)),
        }
    }

    fn inst(&mut self, inst: InstId) {
        let function = self.function;
        let inst = function.inst(inst);
        if let Some(result) = inst.result {
            let fact = self.eval(&inst.op, result);
            self.learn(result, fact);
        }
        if let Some(second) = inst.second {
            self.learn(second, Fact::of(Kinds::BOOLEAN));
        }
    }

    fn eval(&self, op: &Op, result: ValueId) -> Fact {
        let fact = |value: &ValueId| self.result.fact(*value);
        let kinds = |value: &ValueId| self.result.kinds(*value);
        match op {
            // The builder knows what the record holds.
            Op::LoadReg { .. } => Fact::of(self.function.kinds(result)),
            Op::LoadFresh { template } => Fact::of(self.facts.template(*template)),
            Op::LoadSpecial(Special::SelfPid) => Fact::of(Kinds::PROCESS),
            Op::LoadSpecial(Special::Globals) => Fact::of(Kinds::ANY),
            Op::LoadSpecial(_) => Fact::of(Kinds::NUMBER),
            Op::Arith { op, a, b } => arith(*op, fact(a), fact(b), self.facts.magic()),
            Op::Compare { op, a, b } => compare(*op, fact(a), fact(b), self.facts.magic()),
            Op::Truth { a } => boolean(fact(a), fact(a), truth(fact(a))),
            Op::Not { a } => boolean(fact(a), fact(a), truth(fact(a)).map(|truth| !truth)),
            Op::And { a, b } => {
                let (a, b) = (fact(a), fact(b));
                let decided = match (truth(a), truth(b)) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                boolean(a, b, decided)
            }
            Op::Or { a, b } => {
                let (a, b) = (fact(a), fact(b));
                let decided = match (truth(a), truth(b)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
                boolean(a, b, decided)
            }
            Op::GetProp { object, key, .. } => {
                let name = fact(key).constant.and_then(|constant| constant.value.as_atom());
                let property = name.map_or(Kinds::ANY, |name| self.facts.property(name));
                let element = match name {
                    Some(known::length) => Kinds::NUMBER,
                    _ => Kinds::ANY,
                };
                let magic = self.facts.magic();
                Fact::of(kinds::get_prop(kinds(object), kinds(key), property, element, magic))
            }
            Op::CallValue { function, .. } => self.call(*function),
            Op::CallKnown { func, .. } => Fact::of(self.facts.returns(*func)),
            Op::CallNative { native, .. } => Fact::of(self.facts.native(*native)),
            Op::Spawn { function, .. } => {
                Fact::of(kinds::if_function(kinds(function), Kinds::PROCESS))
            }
            Op::Receive | Op::ReceiveWithTimeout { .. } | Op::Link { .. } | Op::Select { .. } => {
                Fact::of(Kinds::ANY)
            }
            Op::NewObject { .. } => Fact::of(Kinds::OBJECT),
            Op::NewArray { .. } => Fact::of(Kinds::ARRAY),
            Op::Capture { function, cell, value } => {
                let of = kinds(function);
                if of == Kinds::FUNCTION && kinds(cell) == Kinds::ABSENT {
                    return fact(value);
                }
                match of.is_none() {
                    true => Fact::NEVER,
                    false => Fact::of(kinds::capture(of, kinds(cell), kinds(value))),
                }
            }
            Op::MakeClosure { function, .. } => {
                Fact::of(kinds::if_function(kinds(function), Kinds::FUNCTION))
            }
            Op::HasMethod { .. } => Fact::of(Kinds::BOOLEAN),
            Op::LoadCapture { func, at, .. } => Fact::of(self.facts.captured(*func, *at)),
            Op::LoadBound { .. } => Fact::of(Kinds::ANY),
            Op::LoadSlot { slot, number, .. } => {
                let held = self.facts.property(slot.key);
                Fact::of(if *number { Kinds::NUMBER } else { held })
            }
            Op::WholeNumber { .. }
            | Op::AddIndex { .. }
            | Op::ToIndex { .. }
            | Op::LoopLimit(_) => Fact::of(Kinds::INDEX),
            Op::IsWhole { .. } | Op::CompareIndex { .. } => Fact::of(Kinds::BOOLEAN),
            // What never comes to be is not made to come by being checked.
            Op::AsNumber { a } if kinds(a).is_none() => Fact::NEVER,
            Op::AsNumber { .. }
            | Op::Divide { .. }
            | Op::RowLength { .. }
            | Op::OfIndex { .. }
            | Op::Sqrt { .. }
            | Op::CallFast { .. } => Fact::of(Kinds::NUMBER),
            Op::LoadElement { number, .. } => {
                let held = self.facts.elements().without(Kinds::FUNCTION);
                Fact::of(if *number { Kinds::NUMBER } else { held })
            }
            Op::SetProp { .. }
            | Op::Send { .. }
            | Op::Yield { .. }
            | Op::ChargeTurns(_)
            | Op::Safepoint { .. }
            | Op::Charge { .. }
            | Op::Refund { .. }
            | Op::Trace
            | Op::LoopHead
            | Op::CheckShape { .. }
            | Op::AssumeShape { .. }
            | Op::CheckMethod { .. }
            | Op::CheckClosure { .. }
            | Op::StoreSlot { .. }
            | Op::CheckRow { .. }
            | Op::StoreElement { .. } => Fact::NEVER,
        }
    }

    fn call(&self, callee: ValueId) -> Fact {
        if self.result.kinds(callee).is_none() {
            return Fact::NEVER;
        }
        match known(self.function, &self.result, self.facts, callee) {
            Some((Known::Bytecode(func), _)) => Fact::of(self.facts.returns(func)),
            Some((Known::Native(native), _)) => Fact::of(self.facts.native(native)),
            None => Fact::of(Kinds::ANY),
        }
    }
}

fn boolean(a: Fact, b: Fact, decided: Option<bool>) -> Fact {
    if a.kinds.is_none() || b.kinds.is_none() {
        return Fact::NEVER;
    }
    match decided {
        Some(decided) => Fact::immediate(Value::boolean(decided)),
        None => Fact::of(Kinds::BOOLEAN),
    }
}

/// The truth of a value, if it is known.
fn truth(fact: Fact) -> Option<bool> {
    if let Some(number) = fact.number() {
        return Some(number != 0.0);
    }
    let value = fact.constant.map(|constant| constant.value);
    if let Some(atom) = value.and_then(Value::as_atom) {
        return Some(atom != known::empty);
    }
    value.and_then(Value::as_boolean).or_else(|| kinds::truth(fact.kinds))
}

fn arith(op: ArithOp, a: Fact, b: Fact, magic: Magic) -> Fact {
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Fact::immediate(Value::number(match op {
            ArithOp::Add => a + b,
            ArithOp::Sub => a - b,
            ArithOp::Mul => a * b,
            ArithOp::Div if b == 0.0 => return Fact::of(Kinds::UNDEFINED),
            ArithOp::Div => a / b,
        }));
    }
    let nonzero = b.number().is_some_and(|number| number != 0.0);
    Fact::of(kinds::arith(op, a.kinds, b.kinds, nonzero, magic))
}

fn compare(op: CompareOp, a: Fact, b: Fact, magic: Magic) -> Fact {
    let decided = match (a.number(), b.number()) {
        (Some(a), Some(b)) => Some(match op {
            CompareOp::Equal => a == b,
            CompareOp::NotEqual => a != b,
            CompareOp::Less => a < b,
            CompareOp::LessEqual => a <= b,
            CompareOp::Greater => a > b,
            CompareOp::GreaterEqual => a >= b,
        }),
        _ => equal_immediates(a, b)
            .and_then(|equal| match op {
                CompareOp::Equal => Some(equal),
                CompareOp::NotEqual => Some(!equal),
                _ => None,
            })
            .or_else(|| kinds::compare(op, a.kinds, b.kinds, magic)),
    };
    boolean(a, b, decided)
}

/// Two booleans or two atoms that are known: equal if and only if they are the same.
fn equal_immediates(a: Fact, b: Fact) -> Option<bool> {
    let (a, b) = (a.constant?.value, b.constant?.value);
    let comparable = a.as_boolean().is_some() && b.as_boolean().is_some()
        || a.as_atom().is_some() && b.as_atom().is_some();
    comparable.then_some(a == b)
}

/// The resume points of a function and what is known about the live registers there.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ResumeFacts {
    /// By ascending index.
    pub points: Vec<ResumePoint>,
}

/// A resume point.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumePoint {
    /// Bytecode index at which a record goes on.
    pub pc: u32,
    /// The live registers, ascending.
    pub regs: Vec<(u16, Fact)>,
}

impl ResumeFacts {
    /// Facts at each of the places that can be reached.
    pub fn new(envs: &[Env], inference: &Inference) -> ResumeFacts {
        let reached = envs.iter().filter(|env| inference.reached[env.block.index()]);
        let points = reached.map(|env| ResumePoint {
            pc: env.pc,
            regs: env.regs.iter().map(|&(reg, value)| (reg, inference.fact(value))).collect(),
        });
        ResumeFacts { points: points.collect() }
    }

    /// The point at `pc`.
    pub fn point(&self, pc: u32) -> Option<&ResumePoint> {
        let at = self.points.binary_search_by_key(&pc, |point| point.pc).ok()?;
        Some(&self.points[at])
    }

    /// Keeps the function's start and the places where its states go on.
    pub fn keep_used(&mut self, function: &Function) {
        let mut used = vec![0];
        for block in cfg::reverse_postorder(function) {
            for &inst in &function.block(block).insts {
                let inst = function.inst(inst);
                for state in [inst.before, inst.after].into_iter().flatten() {
                    used.push(function.state(state).pc);
                }
            }
        }
        used.sort_unstable();
        self.points.retain(|point| used.binary_search(&point.pc).is_ok());
    }
}
