//! Inlining: calls of small known functions become copies of their bodies.
//!
//! Nothing observable changes. The copy keeps the safepoint of the callee's entry and all its
//! charges; its frame states are those of the callee, with the state behind the call as their parent,
//! so that leaving inlined code writes the callee's record and then the caller's. Recursive functions
//! are unrolled a few levels.
//!
//! Invariant: a copied state goes on where the callee's own code can be entered, since it is copied
//! from the callee's own specialised form; arguments are of the kinds for which that was made.
//! Absent on purpose: judging what is hot; inlining of closures that come out of memory.

use crate::cfg;
use crate::infer::{Passed, infer};
use crate::ir::*;
use crate::kinds::{Facts, Kinds};
use crate::simplify;
use crate::speculate::is_pure;
use ion_runtime::program::FuncId;
use ion_runtime::value::Value;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// How much to inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most instructions of a body that is inlined.
    pub body: usize,
    /// Most instructions that inlining adds to one function.
    pub growth: usize,
    /// How often a function may be inlined into itself.
    pub recursion: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { body: 40, growth: 160, recursion: 2 }
    }
}

impl Limits {
    /// The limits for a program of so many instructions: the larger it is, the less of it is hot, so the
    /// less may each function grow.
    pub fn for_program(self, instructions: usize) -> Limits {
        const SMALL_PROGRAM: usize = 20_000;
        let part = self.growth * SMALL_PROGRAM / instructions.max(SMALL_PROGRAM);
        Limits { growth: part.max(self.growth / 8), ..self }
    }
}

/// Inlines calls in `function`, and takes what that adds off `limits.growth`. `body` gives a callee's entry form as it is before inlining, or
/// `None` if it is not to be inlined. Returns how many calls were inlined; if any, [`refine`] should
/// follow.
pub fn inline<'a>(
    function: &mut Function,
    body: impl Fn(FuncId) -> Option<&'a Function>,
    limits: &mut Limits,
) -> usize {
    let mut count = 0;
    // Outer calls come before the calls in the bodies that they bring.
    let mut open: VecDeque<BlockId> = cfg::reverse_postorder(function).into();
    while let Some(block) = open.pop_front() {
        let insts = function.block(block).insts.clone();
        for (at, inst) in insts.into_iter().enumerate() {
            let inst = function.inst(inst);
            let Op::CallKnown { func, this, args } = &inst.op else { continue };
            if nesting(function, inst.frame, *func) > limits.recursion {
                continue;
            }
            let Some(callee) = body(*func) else { continue };
            // Next to a loop a call costs nothing, and a second copy of the loop costs time to compile;
            // unless it calls a function that it is given.
            let gets_function = |&arg: &ValueId| function.kinds(arg).intersects(Kinds::FUNCTION);
            if has_loop(callee) && !args.iter().any(gets_function) {
                continue;
            }
            let size = size(callee);
            if size > limits.body || size > limits.growth || !accepts(function, callee, *this, args)
            {
                continue;
            }
            limits.growth -= size;
            count += 1;
            open.extend(inline_call(function, block, at, callee));
            break;
        }
    }
    count
}

/// Makes the tests with which recursive functions begin in front of the recursive calls that are left in
/// `function`, where a call may then be left out. `reads`: tests may read properties. Returns how many were made;
/// if any, [`refine`] should follow.
pub fn peel<'a>(
    function: &mut Function,
    body: impl Fn(FuncId) -> Option<&'a Function>,
    reads: bool,
) -> usize {
    let mut peels: FxHashMap<FuncId, Option<Peel>> = FxHashMap::default();
    let mut count = 0;
    let mut open: VecDeque<BlockId> = cfg::reverse_postorder(function).into();
    while let Some(block) = open.pop_front() {
        let insts = function.block(block).insts.clone();
        for (at, inst) in insts.into_iter().enumerate() {
            let inst = function.inst(inst);
            let Op::CallKnown { func, this, args } = &inst.op else { continue };
            if nesting(function, inst.frame, *func) == 0 {
                continue;
            }
            let peel = || body(*func).and_then(|body| Peel::of(body, reads));
            if let Some(peel) = peels.entry(*func).or_insert_with(peel)
                && accepts(function, &peel.head, *this, args)
            {
                open.push_back(peel.call(function, block, at));
                count += 1;
                break;
            }
        }
    }
    count
}

/// Makes use of what inlining shows: infers once more and simplifies.
pub fn refine(function: &mut Function, facts: &dyn Facts, passed: Passed<'_>) {
    simplify::merge_blocks(function);
    let inference = infer(function, facts, passed);
    simplify::specialise(function, &inference, facts);
    simplify::clean(function);
}

/// Instructions of a body.
pub fn size(function: &Function) -> usize {
    let order = cfg::reverse_postorder(function);
    order.iter().map(|&block| function.block(block).insts.len()).sum()
}

fn has_loop(function: &Function) -> bool {
    let is_edge = |inst: &InstId| {
        matches!(function.inst(*inst).op, Op::Safepoint { at: SafepointAt::Loop, .. })
    };
    cfg::reverse_postorder(function)
        .iter()
        .any(|&block| function.block(block).insts.iter().any(is_edge))
}

/// How many of the frames from `frame` outwards are of `func`.
fn nesting(function: &Function, frame: FrameId, func: FuncId) -> usize {
    let frames = std::iter::successors(Some(frame), |frame| {
        function.frames[frame.index()].caller.map(|(caller, _)| caller)
    });
    frames.filter(|frame| function.frames[frame.index()].func == func).count()
}

/// Are the arguments of the kinds for which the callee was made?
fn accepts(
    function: &Function,
    callee: &Function,
    this: Option<ValueId>,
    args: &[ValueId],
) -> bool {
    let params = &callee.block(callee.entry).params;
    let mut passed = passed(callee, this, args);
    params.iter().all(|&param| {
        let arg = passed.next().flatten();
        callee.kinds(param).contains(arg.map_or(Kinds::UNDEFINED, |arg| function.kinds(arg)))
    })
}

/// What each parameter of the callee's entry gets; `None`: Undefined.
fn passed(
    callee: &Function,
    this: Option<ValueId>,
    args: &[ValueId],
) -> impl Iterator<Item = Option<ValueId>> {
    let args = args.iter().map(|&arg| Some(arg)).chain(std::iter::repeat(None));
    callee.takes_this.then_some(this).into_iter().chain(args)
}

/// Replaces the call at `at` in `block` by a copy of `callee`; returns the blocks that are new.
fn inline_call(
    function: &mut Function,
    block: BlockId,
    at: usize,
    callee: &Function,
) -> Vec<BlockId> {
    let id = function.block(block).insts[at];
    let call = function.inst(id).clone();
    let rest = split_behind(function, block, at);
    let order = cfg::reverse_postorder(callee);
    let mut copier = Copier::new(function, callee, &call);
    let returns = copier.copy(function, &order, rest);
    if let Some(result) = call.result {
        function.blocks[rest.index()].params.push(result);
        function.values[result.index()].def = ValueDef::Param(rest);
        function.values[result.index()].kinds = returns;
    }
    function.blocks[block.index()].term =
        Terminator::Jump(Target { block: copier.block(callee.entry), args: Vec::new() });

    let mut new: Vec<BlockId> = order.iter().map(|&block| copier.block(block)).collect();
    new.push(rest);
    new
}

/// Takes the instruction at `at` out of `block`; what comes behind it becomes a block of its own, to which no
/// edge leads yet.
fn split_behind(function: &mut Function, block: BlockId, at: usize) -> BlockId {
    let rest = function.add_block();
    let head = &mut function.blocks[block.index()];
    let tail = head.insts.split_off(at + 1);
    head.insts.pop();
    let term = std::mem::replace(&mut head.term, Terminator::Unreachable);
    function.blocks[rest.index()].insts = tail;
    function.blocks[rest.index()].term = term;
    rest
}

/// Most instructions of a test in front of calls, and of a return without a call.
const MOST_PEELED: usize = 4;

/// A function that begins with a test on which it may return at once, as recursive ones do. A call of it begins
/// with a copy of that; where the function would go on, the charge is given back and the call made, which makes the
/// test again.
struct Peel {
    /// The function up to where it goes on.
    head: Function,
    /// Where it goes on: empty.
    slow: BlockId,
    /// What it has charged there.
    cost: u32,
}

impl Peel {
    /// The beginning of `callee`, if it is like that, and nobody can see whether the test was made twice.
    fn of(callee: &Function, reads: bool) -> Option<Peel> {
        let entry = callee.block(callee.entry);
        let (&safepoint, test) = entry.insts.split_first()?;
        let Op::Safepoint { at: SafepointAt::Entry, cost } = callee.inst(safepoint).op else {
            return None;
        };
        let may_run_twice = |id: &InstId| {
            let inst = callee.inst(*id);
            is_pure(inst) && (reads || !matches!(inst.op, Op::GetProp { .. }))
        };
        let returns = |target: &Target| {
            let block = callee.block(target.block);
            let stays = |id: &InstId| !matches!(callee.inst(*id).op, Op::CallKnown { .. });
            block.insts.len() <= MOST_PEELED
                && block.insts.iter().all(stays)
                && matches!(block.term, Terminator::Return(_))
        };
        let Terminator::Branch { then, otherwise, .. } = &entry.term else { return None };
        let at_once = returns(then);
        if test.len() > MOST_PEELED
            || !test.iter().all(may_run_twice)
            || at_once == returns(otherwise)
        {
            return None;
        }
        let mut head = callee.clone();
        let slow = head.add_block();
        if let Terminator::Branch { then, otherwise, .. } =
            &mut head.blocks[callee.entry.index()].term
        {
            let goes_on = if at_once { otherwise } else { then };
            *goes_on = Target { block: slow, args: Vec::new() };
        }
        Some(Peel { head, slow, cost })
    }

    /// Makes the test in front of the call at `at` in `block`; returns the block behind the call.
    fn call(&self, function: &mut Function, block: BlockId, at: usize) -> BlockId {
        let id = function.block(block).insts[at];
        let call = function.inst(id).clone();
        let rest = split_behind(function, block, at);
        let mut copier = Copier::new(function, &self.head, &call);
        let returns = copier.copy(function, &cfg::reverse_postorder(&self.head), rest);
        let slow = copier.block(self.slow);
        let refund = function.add_inst(Op::Refund { cost: self.cost }, call.frame, call.pc);
        function.blocks[slow.index()].insts.extend([refund, id]);
        let mut to_rest = Target { block: rest, args: Vec::new() };
        if let Some(result) = call.result {
            let kinds = function.kinds(result);
            let of_call = function.add_value(kinds, ValueDef::Inst(id));
            function.insts[id.index()].result = Some(of_call);
            to_rest.args.push(of_call);
            function.blocks[rest.index()].params.push(result);
            function.values[result.index()].def = ValueDef::Param(rest);
            function.values[result.index()].kinds = kinds | returns;
        }
        function.blocks[slow.index()].term = Terminator::Jump(to_rest);
        function.blocks[block.index()].term =
            Terminator::Jump(Target { block: copier.block(self.head.entry), args: Vec::new() });
        rest
    }
}

struct Copier<'a> {
    callee: &'a Function,
    /// What each value, state and block of the callee has become.
    values: Vec<Option<ValueId>>,
    states: Vec<Option<StateId>>,
    blocks: Vec<Option<BlockId>>,
    frames: Vec<FrameId>,
    /// State behind the call.
    parent: Option<StateId>,
}

impl<'a> Copier<'a> {
    /// For a copy in the place of `call`.
    fn new(function: &mut Function, callee: &'a Function, call: &Inst) -> Copier<'a> {
        let mut copier = Copier {
            callee,
            values: vec![None; callee.values.len()],
            states: vec![None; callee.states.len()],
            blocks: vec![None; callee.blocks.len()],
            frames: Vec::new(),
            parent: call.after,
        };
        copier.frames(function, call.frame, call.pc);
        let Op::CallKnown { this, args, .. } = &call.op else { return copier };
        let undefined = function.immediate(Value::UNDEFINED);
        let mut passed = passed(callee, *this, args);
        for param in &callee.block(callee.entry).params {
            let arg = passed.next().flatten();
            copier.values[param.index()] = Some(arg.unwrap_or(undefined));
        }
        copier
    }

    /// Makes the copy, whose returns lead to `rest`. The kinds that are returned.
    fn copy(&mut self, function: &mut Function, order: &[BlockId], rest: BlockId) -> Kinds {
        let insts = self.define(function, order);
        self.fill(function, order, insts, rest)
    }

    fn frames(&mut self, function: &mut Function, caller: FrameId, pc: u32) {
        for frame in &self.callee.frames {
            let caller = match frame.caller {
                Some((caller, pc)) => (self.frames[caller.index()], pc),
                None => (caller, pc),
            };
            self.frames.push(FrameId(function.frames.len() as u32));
            function.frames.push(Frame { func: frame.func, caller: Some(caller) });
        }
    }

    /// Makes blocks, values and, still empty, instructions; the instructions in order.
    fn define(&mut self, function: &mut Function, order: &[BlockId]) -> Vec<InstId> {
        let callee = self.callee;
        let mut insts = Vec::new();
        for &block in order {
            let new = function.add_block();
            self.blocks[block.index()] = Some(new);
            if block != callee.entry {
                for &param in &callee.block(block).params {
                    let value = function.add_param(new, callee.kinds(param));
                    self.values[param.index()] = Some(value);
                }
            }
            for &inst in &callee.block(block).insts {
                let inst = callee.inst(inst);
                let frame = self.frames[inst.frame.index()];
                let new = function.add_inst(inst.op.clone(), frame, inst.pc);
                insts.push(new);
                for value in [inst.result, inst.second].into_iter().flatten() {
                    let copy = function.add_value(callee.kinds(value), ValueDef::Inst(new));
                    self.values[value.index()] = Some(copy);
                }
            }
        }
        insts
    }

    /// Fills the copies; every return leads to `rest`. The kinds that are returned.
    fn fill(
        &mut self,
        function: &mut Function,
        order: &[BlockId],
        insts: Vec<InstId>,
        rest: BlockId,
    ) -> Kinds {
        let callee = self.callee;
        let mut insts = insts.into_iter();
        let mut returns = Kinds::NONE;
        for &block in order {
            for (&old, new) in callee.block(block).insts.iter().zip(insts.by_ref()) {
                let old = callee.inst(old);
                let mut copy = Inst {
                    op: old.op.clone(),
                    pc: old.pc,
                    frame: self.frames[old.frame.index()],
                    result: old.result.map(|value| self.value(function, value)),
                    second: old.second.map(|value| self.value(function, value)),
                    before: old.before.map(|state| self.state(function, state)),
                    after: old.after.map(|state| self.state(function, state)),
                    exit: old.exit.map(|state| self.state(function, state)),
                };
                copy.op.map(|value| self.value(function, value));
                function.insts[new.index()] = copy;
                let new_block = self.block(block);
                function.blocks[new_block.index()].insts.push(new);
            }
            let mut term = callee.block(block).term.clone();
            term.map(|value| self.value(function, value));
            term.targets_mut().for_each(|target| target.block = self.block(target.block));
            if let Terminator::Match { frame, .. } = &mut term {
                *frame = self.frames[frame.index()];
            }
            if let Terminator::Return(value) = term {
                returns |= function.kinds(value);
                term = Terminator::Jump(Target { block: rest, args: vec![value] });
            }
            let block = self.block(block);
            function.blocks[block.index()].term = term;
        }
        returns
    }

    fn block(&self, block: BlockId) -> BlockId {
        self.blocks[block.index()].expect("all reached blocks were made")
    }

    fn value(&mut self, function: &mut Function, value: ValueId) -> ValueId {
        if let Some(copy) = self.values[value.index()] {
            return copy;
        }
        let data = &self.callee.values[value.index()];
        let copy = match data.def {
            ValueDef::Const(constant) => function.constant(constant, data.kinds),
            _ => unreachable!("{value} was not defined on the way here"),
        };
        self.values[value.index()] = Some(copy);
        copy
    }

    fn state(&mut self, function: &mut Function, state: StateId) -> StateId {
        // From the innermost of the callee's states to the outermost, then copied the other way.
        let mut chain = Vec::new();
        let mut next = Some(state);
        let mut parent = self.parent;
        while let Some(state) = next {
            if let Some(copy) = self.states[state.index()] {
                parent = Some(copy);
                break;
            }
            chain.push(state);
            next = self.callee.state(state).parent;
        }
        while let Some(state) = chain.pop() {
            let mut copy = self.callee.state(state).clone();
            copy.parent = parent;
            for (_, value) in &mut copy.regs {
                *value = self.value(function, *value);
            }
            let copy = function.add_state(copy);
            self.states[state.index()] = Some(copy);
            parent = Some(copy);
        }
        match parent {
            Some(copy) => copy,
            None => unreachable!("the chain has at least one state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::verify;
    use crate::forms::{entry_form, resume_form};
    use crate::package::{Root, WithReturns, analyse};
    use crate::points::Mode;
    use crate::testing::{TestFacts, Unit, assert_text};

    fn inlined(texts: &[&str], mode: Mode, limits: Limits) -> (Function, Function, usize) {
        let units: Vec<Unit> = texts.iter().map(|text| Unit::parse(text)).collect();
        let sources: Vec<_> = units.iter().map(|unit| Some(unit.source())).collect();
        let base = TestFacts::default();
        let package = analyse(&sources, &[Root::entry(FuncId(0))], &base);
        let facts = WithReturns { base: &base, package: &package };
        let mut entries: Vec<_> = (0u32..)
            .zip(&units)
            .map(|(func, unit)| {
                let func = FuncId(func);
                entry_form(unit.source(), func, mode, &facts, package.passed(func)).unwrap()
            })
            .collect();
        let bodies: Vec<Function> = entries.iter().map(|entry| entry.function.clone()).collect();
        let body = |func: FuncId| bodies.get(func.0 as usize);
        let mut main = entries.remove(0);
        let count = inline(&mut main.function, body, &mut limits.clone());
        refine(&mut main.function, &facts, package.passed(FuncId(0)));
        let mut resume =
            resume_form(units[0].source(), FuncId(0), mode, &facts, &main.resume).unwrap();
        inline(&mut resume, body, &mut limits.clone());
        refine(&mut resume, &facts, Passed::ANYTHING);
        for function in [&main.function, &resume] {
            let source = |func: FuncId| Some(units[func.0 as usize].source());
            verify(function, source).unwrap_or_else(|error| panic!("{error}\n{function}"));
        }
        (main.function, resume, count)
    }

    const DOUBLE: &str = "
        load_const r0, '__function_ref:1'
        load_const r1, 21
    top:
        call r1, r0, [r1]
        load_const r2, 1000
        less_than r2, r1, r2
        jump_if_true r2, top
        return r1";

    #[test]
    fn a_leaf_in_a_loop() {
        let callee = "add r0, r0, r0\nreturn r0";
        let (entry, resume, count) = inlined(&[DOUBLE, callee], Mode::Safepoint, Limits::default());
        assert_eq!(count, 1);
        assert_text(
            &entry.dump(),
            "
            function 0 entry
              f1 = function 1 in f0 @2
            b0:
              @0 safepoint entry 1 -> @0 {}
              jump b2(21)
            b2(v1: number):
              @0.f1 safepoint entry 1 -> @0 {r0: v1} in @3 r1 {r0: function 1}
              @0.f1 v9: number = add v1 v1
              @4 v8: boolean = less v9 1000
              branch v8 b4 else b3
            b4:
              @5 safepoint loop 1 -> @2 {r0: function 1, r1: v9}
              jump b2(v9)
            b3:
              return v9",
        );
        assert_text(
            &resume.dump(),
            "
            function 0 resume
              f1 = function 1 in f0 @2
            b0:
              dispatch @0 b7, @2 b8, @3 b9
            b7:
              jump b4(21)
            b8:
              @2 v4: number = load r1
              jump b4(v4)
            b9:
              @3 v5: number = load r1
              @4 v8: boolean = less v5 1000
              branch v8 b10 else b3
            b10:
              @5 safepoint loop 1 -> @2 {r0: function 1, r1: v5}
              jump b4(v5)
            b4(v1: number):
              @0.f1 safepoint entry 1 -> @0 {r0: v1} in @3 r1 {r0: function 1}
              @0.f1 v11: number = add v1 v1
              @4 v10: boolean = less v11 1000
              branch v10 b11 else b6
            b11:
              @5 safepoint loop 1 -> @2 {r0: function 1, r1: v11}
              jump b4(v11)
            b6:
              return v11
            b3:
              return v5",
        );
    }

    #[test]
    fn arguments_that_are_missing_are_undefined() {
        let main = "
            load_const r0, '__function_ref:1'
            call r0, r0, []
            return r0";
        let callee = "
            equal r1, r0, r1
            return r1";
        let (entry, ..) = inlined(&[main, callee], Mode::Safepoint, Limits::default());
        assert_text(
            &entry.dump(),
            "
            function 0 entry
              f1 = function 1 in f0 @1
            b0:
              @0 safepoint entry 1 -> @0 {}
              @0.f1 safepoint entry 1 -> @0 {r0: undefined, r1: undefined} in @2 r0 {}
              return true",
        );
    }

    const FIB: &str = "
        load_const r1, 2
        less_than r2, r0, r1
        jump_if_false r2, else
        return r0
    else:
        load_const r3, '__function_ref:1'
        load_const r1, 1
        sub r4, r0, r1
        call r4, r3, [r4]
        load_const r1, 2
        sub r5, r0, r1
        call r5, r3, [r5]
        add r6, r4, r5
        return r6";

    #[test]
    fn recursion_is_unrolled_so_often() {
        let main = "
            load_const r0, '__function_ref:1'
            load_const r1, 35
            call r0, r0, [r1]
            return r0";
        let limits = Limits { growth: 10_000, ..Limits::default() };
        // Each level has twice as many calls: 1 + 2 + 4.
        assert_eq!(inlined(&[main, FIB], Mode::Safepoint, limits).2, 7);
        assert_eq!(inlined(&[main, FIB], Mode::Instruction, limits).2, 7);
        let limits = Limits { recursion: 0, ..limits };
        let (entry, _, count) = inlined(&[main, FIB], Mode::Safepoint, limits);
        assert_eq!(count, 1);
        assert_text(
            &entry.dump(),
            "
            function 0 entry
              f1 = function 1 in f0 @2
            b0:
              @0 safepoint entry 1 -> @0 {}
              @0.f1 safepoint entry 1 -> @0 {r0: 35} in @3 r0 {}
              @7.f1 v7: number = call function 1(34) -> @8 r4 {r0: 35, r3: function 1} in @3 r0 {}
              @10.f1 v9: number = call function 1(33) -> @11 r5 {r4: v7} in @3 r0 {}
              @11.f1 v10: number = add v7 v9
              return v10",
        );
        let limits = Limits { recursion: 50, growth: 100, ..limits };
        assert!(inlined(&[main, FIB], Mode::Safepoint, limits).2 < 20);
    }

    #[test]
    fn a_recursive_call_begins_with_the_test() {
        let units: Vec<Unit> = [
            "load_const r0, '__function_ref:1'\nload_const r1, 35\ncall r0, r0, [r1]\nreturn r0",
            FIB,
        ]
        .iter()
        .map(|text| Unit::parse(text))
        .collect();
        let sources: Vec<_> = units.iter().map(|unit| Some(unit.source())).collect();
        let base = TestFacts::default();
        let package = analyse(&sources, &[Root::entry(FuncId(0))], &base);
        let facts = WithReturns { base: &base, package: &package };
        let passed = package.passed(FuncId(1));
        let entry =
            |mode| entry_form(units[1].source(), FuncId(1), mode, &facts, passed).unwrap().function;
        let body = entry(Mode::Safepoint);
        let mut peeled = body.clone();
        assert_eq!(peel(&mut peeled, |_| Some(&body), false), 2);
        refine(&mut peeled, &facts, passed);
        let source = |func: FuncId| Some(units[func.0 as usize].source());
        verify(&peeled, source).unwrap_or_else(|error| panic!("{error}\n{peeled}"));
        let text = peeled.dump();
        assert_eq!(text.matches("safepoint entry 1").count(), 3, "{text}");
        assert_eq!(text.matches("refund 1").count(), 2, "{text}");
        // Where every instruction is a safepoint, the test cannot be made twice.
        let body = entry(Mode::Instruction);
        assert_eq!(peel(&mut body.clone(), |_| Some(&body), false), 0);
    }
}
