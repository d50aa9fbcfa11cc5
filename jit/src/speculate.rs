//! Speculation: accesses and calls become what hints say they probably are, behind a check.
//!
//! A check that fails *exits*: it leaves the function in the state before the instruction, and the
//! interpreter does that instruction in full. So what follows a check may rely on it: an object has
//! its shape, an element is there, a value is a Number.
//!
//! Invariant: an exit is exact. Between the state that it goes back to and the check nothing has
//! happened that anyone could see.
//! Absent on purpose: judging whether a check will hold (`origins`, `guess`), removing checks
//! (`checks`).

use crate::cfg;
use crate::guess::Guesses;
use crate::ir::*;
use crate::kinds::{Facts, Kinds};
use crate::loops::Loops;
use crate::origins::Hints;
use ion_runtime::atom::{AtomTable, known};
use ion_runtime::bytecode::Access;
use ion_runtime::link::Pat;
use ion_runtime::natives::Fast;
use ion_runtime::object::shape::{ShapeId, ShapeTable};
use ion_runtime::program::{FuncId, Program};
use ion_runtime::value::{Atom, Value};

/// What speculation goes by.
#[derive(Clone, Copy)]
pub struct Oracle<'a> {
    /// What flows where.
    pub hints: &'a Hints,
    /// Shapes by name, where nothing is known of the flow.
    pub guesses: &'a Guesses,
    /// The shapes.
    pub shapes: &'a ShapeTable,
    /// The atoms.
    pub atoms: &'a AtomTable,
    /// The program.
    pub program: &'a Program,
    /// Facts.
    pub facts: &'a dyn Facts,
}

/// Can nobody see whether the instruction has run once or twice, or not at all?
pub(crate) fn is_pure(inst: &Inst) -> bool {
    match inst.op {
        Op::LoopHead
        | Op::CheckShape { .. }
        | Op::AssumeShape { .. }
        | Op::CheckMethod { .. }
        | Op::CheckClosure { .. }
        | Op::CheckRow { .. } => true,
        Op::Arith { .. } | Op::Compare { .. } | Op::GetProp { .. } => inst.after.is_none(),
        _ => inst.op.only_computes(),
    }
}

/// How often each value is used, other than by exits.
fn use_counts(function: &Function) -> Vec<u32> {
    let mut counts = vec![0u32; function.values.len()];
    for block in cfg::reverse_postorder(function) {
        let block = function.block(block);
        for &inst in &block.insts {
            let inst = function.inst(inst);
            inst.op.visit(|value| counts[value.index()] += 1);
            for state in [inst.before, inst.after].into_iter().flatten() {
                function.visit_state(state, |value| counts[value.index()] += 1);
            }
        }
        block.term.operand().into_iter().for_each(|value| counts[value.index()] += 1);
        for target in block.term.targets() {
            target.args.iter().for_each(|value| counts[value.index()] += 1);
        }
    }
    counts
}

/// A read of a property whose only use is the call behind it.
struct MethodCall {
    read: usize,
    call: usize,
    object: ValueId,
    result: ValueId,
}

/// Makes direct calls of calls of methods and closures that are hinted at. Returns how many.
pub fn calls(function: &mut Function, oracle: &Oracle<'_>, from: &[BlockId]) -> usize {
    let mut count = 0;
    let mut open: Vec<BlockId> = from.to_vec();
    let uses = use_counts(function);
    while let Some(block) = open.pop() {
        while let Some(rest) = call_in(function, oracle, &uses, block) {
            count += 1;
            if let Some(rest) = rest {
                open.push(rest);
                break;
            }
        }
    }
    count
}

/// Does one call in a block; gives the block in which the rest of it is now, if it is split.
fn call_in(
    function: &mut Function,
    oracle: &Oracle<'_>,
    uses: &[u32],
    block: BlockId,
) -> Option<Option<BlockId>> {
    for at in 0..function.block(block).insts.len() {
        let id = function.block(block).insts[at];
        let inst = function.inst(id);
        let Op::CallValue { function: callee, args } = &inst.op else { continue };
        let (callee, args) = (*callee, args.clone());
        let place = (function.frames[inst.frame.index()].func, inst.pc);
        if let Some(call) = method_call(function, uses, block, at, callee, &args) {
            let read = function.inst(function.block(block).insts[call.read]);
            let methods = oracle.hints.methods(place.0, read.pc).to_vec();
            match &methods[..] {
                [] => {}
                [method] => {
                    one_method(function, block, &call, method.clone(), args);
                    return Some(None);
                }
                _ => {
                    let all = oracle.hints.are_all_methods(place.0, read.pc);
                    return Some(Some(several_methods(function, block, &call, methods, all, args)));
                }
            }
            continue;
        }
        if let [closure] = oracle.hints.closures(place.0, place.1)
            && function.kinds(callee).intersects(Kinds::FUNCTION)
            && let Some(exit) = exit_at(function, uses, block, at)
        {
            one_closure(function, oracle, block, at, exit, *closure);
            return Some(None);
        }
    }
    None
}

/// The read of the property that is called at `call`, if nothing else uses it and nothing that
/// matters lies between.
fn method_call(
    function: &Function,
    uses: &[u32],
    block: BlockId,
    call: usize,
    callee: ValueId,
    args: &[ValueId],
) -> Option<MethodCall> {
    let insts = &function.block(block).insts;
    let is_read = |&at: &usize| function.inst(insts[at]).result == Some(callee);
    let read = (0..call).rev().find(is_read)?;
    let inst = function.inst(insts[read]);
    let Op::GetProp { object, key, .. } = inst.op else { return None };
    let named = function.as_constant(key).is_some_and(|key| key.value.as_atom().is_some());
    let between = insts[read + 1..call].iter().all(|&id| is_pure(function.inst(id)));
    let once = uses.get(callee.index()).is_some_and(|&uses| uses == 1) && !args.contains(&callee);
    let usable = named && between && once && inst.after.is_none() && inst.exit.is_some();
    (usable && function.kinds(object).intersects(Kinds::OBJECT)).then_some(MethodCall {
        read,
        call,
        object,
        result: callee,
    })
}

/// Exits between the read of a method and its call go back to the read, so that nobody needs the
/// bound method.
fn rewind_exits(function: &mut Function, block: BlockId, call: &MethodCall) {
    let insts = function.block(block).insts.clone();
    let exit = function.inst(insts[call.read]).exit;
    for &id in &insts[call.read + 1..call.call] {
        let Some(own) = function.inst(id).exit else { continue };
        let mut mentions = false;
        function.visit_state(own, |value| mentions |= value == call.result);
        if mentions {
            function.insts[id.index()].exit = exit;
        }
    }
}

fn one_method(
    function: &mut Function,
    block: BlockId,
    call: &MethodCall,
    method: Method,
    args: Vec<ValueId>,
) {
    rewind_exits(function, block, call);
    let insts = &function.block(block).insts;
    let (read, caller) = (insts[call.read], insts[call.call]);
    let func = method.func;
    let read = &mut function.insts[read.index()];
    read.op = Op::CheckMethod { object: call.object, method };
    read.result = None;
    let caller = &mut function.insts[caller.index()];
    caller.op = Op::CallKnown { func, this: Some(call.object), args };
    caller.exit = None;
}

/// One test after the other; what none of them finds is read and called as before, or exits if `all` methods are
/// known.
fn several_methods(
    function: &mut Function,
    block: BlockId,
    call: &MethodCall,
    methods: Vec<Method>,
    all: bool,
    args: Vec<ValueId>,
) -> BlockId {
    rewind_exits(function, block, call);
    let head = &mut function.blocks[block.index()];
    let tail = head.insts.split_off(call.call + 1);
    let caller = head.insts.pop().expect("the call is there");
    let read = head.insts.remove(call.read);
    let term = std::mem::replace(&mut head.term, Terminator::Unreachable);
    let rest = function.add_block();
    function.blocks[rest.index()].insts = tail;
    function.blocks[rest.index()].term = term;
    let Inst { frame, pc, after, result, .. } = *function.inst(caller);

    // The result becomes a parameter of what follows; each way there has a value of its own.
    let kinds = result.map_or(Kinds::ANY, |result| function.kinds(result));
    if let Some(result) = result {
        function.values[result.index()].def = ValueDef::Param(rest);
        function.blocks[rest.index()].params.push(result);
    }
    let give = |function: &mut Function, inst: InstId| {
        let value = result.map(|_| function.add_value(kinds, ValueDef::Inst(inst)));
        function.insts[inst.index()].result = value;
        Terminator::Jump(Target { block: rest, args: value.into_iter().collect() })
    };
    let exit = function.inst(read).exit;
    let mut at = block;
    let count = methods.len();
    for (index, method) in methods.into_iter().enumerate() {
        if all && index == count - 1 {
            let op = Op::CallKnown { func: method.func, this: Some(call.object), args };
            let direct = function.add_inst(op, frame, pc);
            function.insts[direct.index()].after = after;
            let check = Op::CheckMethod { object: call.object, method };
            let check = function.add_inst(check, frame, pc);
            function.insts[check.index()].exit = exit;
            let term = give(function, direct);
            function.blocks[at.index()].insts.extend([check, direct]);
            function.blocks[at.index()].term = term;
            return rest;
        }
        let (hit, miss) = (function.add_block(), function.add_block());
        let shape = method.chain[0];
        let func = method.func;
        let test = function.add_inst(Op::HasMethod { object: call.object, method }, frame, pc);
        let cond = function.add_value(Kinds::BOOLEAN, ValueDef::Inst(test));
        function.insts[test.index()].result = Some(cond);
        function.blocks[at.index()].insts.push(test);
        let (then, otherwise) =
            (Target { block: hit, args: vec![] }, Target { block: miss, args: vec![] });
        function.blocks[at.index()].term = Terminator::Branch { cond, then, otherwise };
        let assume = function.add_inst(Op::AssumeShape { object: call.object, shape }, frame, pc);
        let op = Op::CallKnown { func, this: Some(call.object), args: args.clone() };
        let direct = function.add_inst(op, frame, pc);
        function.insts[direct.index()].after = after;
        let term = give(function, direct);
        function.blocks[hit.index()].insts = vec![assume, direct];
        function.blocks[hit.index()].term = term;
        at = miss;
    }
    function.insts[caller.index()].exit = None;
    function.insts[read.index()].exit = None;
    let term = give(function, caller);
    function.blocks[at.index()].insts = vec![read, caller];
    function.blocks[at.index()].term = term;
    rest
}

fn one_closure(
    function: &mut Function,
    oracle: &Oracle<'_>,
    block: BlockId,
    at: usize,
    exit: StateId,
    closure: crate::origins::Closure,
) {
    let id = function.block(block).insts[at];
    let inst = function.inst(id);
    let Op::CallValue { function: callee, args } = &inst.op else { return };
    let (callee, args, frame, pc) = (*callee, args.clone(), inst.frame, inst.pc);
    let func = closure.func;
    let takes_this =
        oracle.program.function(func).bytecode().is_some_and(|body| body.layout.this.is_some());
    let check = Op::CheckClosure { function: callee, func, captures: closure.captures };
    let check = function.add_inst(check, frame, pc);
    function.insts[check.index()].exit = Some(exit);
    let mut new = vec![check];
    let mut load = |function: &mut Function, op: Op, kinds: Kinds| {
        let inst = function.add_inst(op, frame, pc);
        let value = function.add_value(kinds, ValueDef::Inst(inst));
        function.insts[inst.index()].result = Some(value);
        new.push(inst);
        value
    };
    let this = takes_this.then(|| load(function, Op::LoadBound { function: callee }, Kinds::ANY));
    let mut all = Vec::with_capacity(closure.captures as usize + args.len());
    for at in 0..closure.captures {
        let kinds = oracle.facts.captured(func, at);
        all.push(load(function, Op::LoadCapture { function: callee, func, at }, kinds));
    }
    all.extend(args);
    let caller = &mut function.insts[id.index()];
    caller.op = Op::CallKnown { func, this, args: all };
    caller.exit = None;
    function.blocks[block.index()].insts.splice(at..at, new);
}

/// The state to which a check before the instruction at `at` may exit: its own, or, if that needs
/// the value of a property that is read only to be called, the one before that read.
fn exit_at(function: &Function, uses: &[u32], block: BlockId, at: usize) -> Option<StateId> {
    let insts = &function.block(block).insts;
    let mut from = at;
    let mut exit = function.inst(insts[at]).exit?;
    'again: loop {
        let mut values = Vec::new();
        function.visit_state(exit, |value| values.push(value));
        for earlier in (0..from).rev() {
            let inst = function.inst(insts[earlier]);
            let read = matches!(inst.op, Op::GetProp { .. });
            let Some(result) = inst.result.filter(|result| read && values.contains(result)) else {
                continue;
            };
            let only_called = uses.get(result.index()).is_none_or(|&uses| uses <= 1)
                && insts[earlier + 1..].iter().any(|&id| {
                    matches!(function.inst(id).op,
                        Op::CallValue { function: callee, .. } if callee == result)
                });
            if only_called {
                let pure = insts[earlier + 1..at].iter().all(|&id| is_pure(function.inst(id)));
                exit = inst.exit.filter(|_| pure)?;
                from = earlier;
                continue 'again;
            }
        }
        return Some(exit);
    }
}

/// Does anything take the value for a Number?
fn numeric_uses(function: &Function) -> Vec<bool> {
    let mut numeric = vec![false; function.values.len()];
    // What subtraction, multiplication and division give is taken for a Number.
    let is_number = |value: ValueId| {
        let computed = function
            .as_inst(value)
            .is_some_and(|inst| matches!(inst.op, Op::Arith { op, .. } if op != ArithOp::Add));
        computed || function.kinds(value) == Kinds::NUMBER
    };
    for block in cfg::reverse_postorder(function) {
        for &id in &function.block(block).insts {
            match function.inst(id).op {
                Op::Arith { op, a, b } => {
                    // A sum may be one of texts.
                    let sure = op != ArithOp::Add;
                    numeric[a.index()] |= sure || is_number(b);
                    numeric[b.index()] |= sure || is_number(a);
                    if !sure && a == b {
                        numeric[a.index()] = true;
                    }
                }
                Op::Compare { op, a, b } if is_order(op) => {
                    numeric[a.index()] = true;
                    numeric[b.index()] = true;
                }
                _ => {}
            }
        }
    }
    // Sums of what is read twice: once one operand is numeric, so is the other.
    for block in cfg::reverse_postorder(function) {
        for &id in &function.block(block).insts {
            if let Op::Arith { op: ArithOp::Add, a, b } = function.inst(id).op {
                let result = function.inst(id).result.map_or(0, |result| result.index());
                let either = numeric[a.index()] || numeric[b.index()] || numeric[result];
                numeric[a.index()] |= either;
                numeric[b.index()] |= either;
            }
        }
    }
    numeric
}

/// Puts checks and plain loads and stores in the place of accesses that are hinted at. Exits of what
/// remains are dropped.
pub fn accesses(function: &mut Function, oracle: &Oracle<'_>) {
    let uses = use_counts(function);
    let numeric = numeric_uses(function);
    for block in cfg::reverse_postorder(function) {
        let mut at = 0;
        while at < function.block(block).insts.len() {
            let id = function.block(block).insts[at];
            let new = match exit_at(function, &uses, block, at) {
                Some(exit) => access(function, oracle, &numeric, id, exit),
                None => Vec::new(),
            };
            at += 1 + new.len();
            function.blocks[block.index()]
                .insts
                .splice(at - 1 - new.len()..at - 1 - new.len(), new);
        }
    }
    matches(function, oracle);
    drop_exits(function);
}

/// Checks that a value is a tuple in front of a MATCH all of whose patterns are tuples and behind which one is read:
/// what the arms read needs no check then, and the MATCH has less to look for.
fn matches(function: &mut Function, oracle: &Oracle<'_>) {
    let uses = use_counts(function);
    for block in cfg::reverse_postorder(function) {
        let Terminator::Match { frame, pc, value, arms, .. } = &function.block(block).term else {
            continue;
        };
        let (frame, pc, object) = (*frame, *pc, *value);
        let kinds = function.kinds(object);
        let body = oracle.program.function(function.frames[frame.index()].func).bytecode();
        let patterns = body.and_then(|body| body.literals.patterns.get(&pc));
        let tuples = patterns.is_some_and(|patterns| {
            patterns.iter().take(arms.len()).all(|pattern| matches!(pattern, Pat::Tuple { .. }))
        });
        let row = Row::Tuple;
        let reads = arms.iter().any(|arm| {
            let mut insts = function.block(arm.block).insts.iter();
            insts.any(|&id| function.inst(id).op == Op::CheckRow { object, row })
        });
        if kinds == Kinds::TUPLE || !tuples || !reads {
            continue;
        }
        if let Some((of, exit)) = exit_at_end(function, &uses, block) {
            let Inst { frame, pc, .. } = *function.inst(of);
            let check = function.add_inst(Op::CheckRow { object, row }, frame, pc);
            function.insts[check.index()].exit = Some(exit);
            function.blocks[block.index()].insts.push(check);
        }
    }
}

/// The state to which a check at the end of a block may exit, and an instruction whose it is.
fn exit_at_end(function: &Function, uses: &[u32], block: BlockId) -> Option<(InstId, StateId)> {
    for (at, &id) in function.block(block).insts.iter().enumerate().rev() {
        let inst = function.inst(id);
        match inst.op {
            Op::Safepoint { .. } => return inst.after.map(|state| (id, state)),
            _ if !is_pure(inst) => return None,
            _ if inst.exit.is_some() => {
                return exit_at(function, uses, block, at).map(|state| (id, state));
            }
            _ => {}
        }
    }
    None
}

/// Has the function checks in loops? Then it is worth having without checks, too: where they fail, each round
/// would leave it.
pub fn has_checks_in_loops(function: &Function) -> bool {
    let loops = Loops::new(function);
    cfg::reverse_postorder(function).into_iter().filter(|&block| loops.depth(block) > 0).any(
        |block| {
            let mut insts = function.block(block).insts.iter();
            insts.any(|&id| function.inst(id).exit.is_some())
        },
    )
}

/// Drops the exits of instructions that have no check.
pub fn drop_exits(function: &mut Function) {
    for inst in &mut function.insts {
        if matches!(
            inst.op,
            Op::GetProp { .. }
                | Op::SetProp { .. }
                | Op::CallValue { .. }
                | Op::Arith { .. }
                | Op::Compare { .. }
        ) {
            inst.exit = None;
        }
    }
}

/// Rewrites one access; gives the checks to put in front of it.
fn access(
    function: &mut Function,
    oracle: &Oracle<'_>,
    numeric: &[bool],
    id: InstId,
    exit: StateId,
) -> Vec<InstId> {
    let inst = function.inst(id);
    let (frame, pc, after) = (inst.frame, inst.pc, inst.after);
    let place = (function.frames[frame.index()].func, pc);
    let check = |function: &mut Function, op: Op| {
        let check = function.add_inst(op, frame, pc);
        function.insts[check.index()].exit = Some(exit);
        vec![check]
    };
    match inst.op.clone() {
        Op::GetProp { object, key, .. } if after.is_none() => {
            let Some(result) = inst.result else { return Vec::new() };
            let wanted = numeric.get(result.index()).is_some_and(|&numeric| numeric);
            match key_of(function, oracle, key) {
                Key::Name(known::length) if is_row(function, oracle, object, place) => {
                    let Some(row) = row(function, oracle, object, place) else { return Vec::new() };
                    function.insts[id.index()].op = Op::RowLength { object, row };
                    function.insts[id.index()].exit = None;
                    check(function, Op::CheckRow { object, row })
                }
                Key::Name(name) => {
                    let readable = |access| matches!(access, Access::Public | Access::Readonly);
                    let Some(slot) = slot_of(function, oracle, object, name, place, readable)
                    else {
                        return Vec::new();
                    };
                    let held = oracle.facts.property(name);
                    let number = wanted && held != Kinds::NUMBER && held.intersects(Kinds::NUMBER);
                    if held.intersects(Kinds::FUNCTION) && !number {
                        return Vec::new();
                    }
                    let inst = &mut function.insts[id.index()];
                    inst.op = Op::LoadSlot { object, slot, number };
                    inst.exit = number.then_some(exit);
                    check(function, Op::CheckShape { object, shape: slot.shape })
                }
                Key::Index(index) => {
                    let Some(row) = row(function, oracle, object, place) else { return Vec::new() };
                    let held = oracle.facts.elements();
                    let number = wanted && held != Kinds::NUMBER && held.intersects(Kinds::NUMBER);
                    let functions = !number && held.intersects(Kinds::FUNCTION);
                    let inst = &mut function.insts[id.index()];
                    inst.op =
                        Op::LoadElement { object, row, index, number, functions, whole: None };
                    inst.exit = Some(exit);
                    check(function, Op::CheckRow { object, row })
                }
                Key::Other => Vec::new(),
            }
        }
        Op::SetProp { object, key, value, .. } if after.is_none() => {
            match key_of(function, oracle, key) {
                Key::Name(name) if name != known::proto => {
                    let writable = |access| access == Access::Public;
                    let Some(slot) = slot_of(function, oracle, object, name, place, writable)
                    else {
                        return Vec::new();
                    };
                    let inst = &mut function.insts[id.index()];
                    inst.op = Op::StoreSlot { object, slot, value };
                    inst.exit = None;
                    check(function, Op::CheckShape { object, shape: slot.shape })
                }
                Key::Index(index) => {
                    let row = row(function, oracle, object, place);
                    let Some(row @ Row::Array) = row else { return Vec::new() };
                    let inst = &mut function.insts[id.index()];
                    inst.op = Op::StoreElement { object, index, whole: None, value, owed: None };
                    inst.exit = None;
                    check(function, Op::CheckRow { object, row })
                }
                _ => Vec::new(),
            }
        }
        // The result of subtracting, multiplying and dividing is probably wanted; texts are only added.
        Op::Arith { op, a, b } if after.is_none() => {
            let number = |value: ValueId| function.kinds(value) == Kinds::NUMBER;
            let maybe = |value: ValueId| {
                function.kinds(value).intersects(Kinds::NUMBER)
                    && function.as_constant(value).is_none()
            };
            let likely = |value: ValueId| {
                number(value) || numeric.get(value.index()).is_some_and(|&numeric| numeric)
            };
            let possible = |value: ValueId| number(value) || maybe(value);
            let sure = op != ArithOp::Add || likely(a) && likely(b);
            if !(possible(a) && possible(b) && sure) {
                return Vec::new();
            }
            let mut checks = Vec::new();
            let (x, y) = both_numbers(function, (a, b), (exit, frame, pc), &mut checks);
            let nonzero = function.as_constant(y).and_then(|it| it.value.as_number());
            let inst = &mut function.insts[id.index()];
            if op == ArithOp::Div && !nonzero.is_some_and(|number| number != 0.0) {
                inst.op = Op::Divide { a: x, b: y };
                inst.exit = Some(exit);
            } else {
                inst.op = Op::Arith { op, a: x, b: y };
                inst.exit = None;
            }
            checks
        }
        // What is compared with a Number is probably one.
        Op::Compare { op, a, b } if after.is_none() && is_order(op) => {
            let kinds = [function.kinds(a), function.kinds(b)];
            let constants = [a, b].map(|value| function.as_constant(value).is_some());
            let possible = |at: usize| {
                kinds[at] == Kinds::NUMBER || kinds[at].intersects(Kinds::NUMBER) && !constants[at]
            };
            if !kinds.contains(&Kinds::NUMBER) || !possible(0) || !possible(1) {
                return Vec::new();
            }
            let mut checks = Vec::new();
            let (a, b) = both_numbers(function, (a, b), (exit, frame, pc), &mut checks);
            let inst = &mut function.insts[id.index()];
            inst.op = Op::Compare { op, a, b };
            inst.exit = None;
            checks
        }
        _ => Vec::new(),
    }
}

fn is_order(op: CompareOp) -> bool {
    !matches!(op, CompareOp::Equal | CompareOp::NotEqual)
}

/// The values as Numbers; checks that they are, where that is not known, are added to `checks`.
fn both_numbers(
    function: &mut Function,
    (a, b): (ValueId, ValueId),
    (exit, frame, pc): (StateId, FrameId, u32),
    checks: &mut Vec<InstId>,
) -> (ValueId, ValueId) {
    let mut as_number = |value: ValueId| {
        if function.kinds(value) == Kinds::NUMBER {
            return value;
        }
        let check = function.add_inst(Op::AsNumber { a: value }, frame, pc);
        let result = function.add_value(Kinds::NUMBER, ValueDef::Inst(check));
        function.insts[check.index()].result = Some(result);
        function.insts[check.index()].exit = Some(exit);
        checks.push(check);
        result
    };
    let x = as_number(a);
    (x, if a == b { x } else { as_number(b) })
}

/// Does functions of Numbers without the runtime. Drops the exits that are left.
pub fn natives(function: &mut Function, oracle: &Oracle<'_>) {
    for block in cfg::reverse_postorder(function) {
        for at in 0..function.block(block).insts.len() {
            let id = function.block(block).insts[at];
            let Op::CallNative { native, args } = &function.inst(id).op else { continue };
            let (native, args) = (*native, args.clone());
            let numbers = args.iter().all(|&arg| function.kinds(arg) == Kinds::NUMBER);
            let exit = function.insts[id.index()].exit.take();
            let Some(def) = oracle.program.native(native).def.as_ref().filter(|_| numbers) else {
                continue;
            };
            let inst = &mut function.insts[id.index()];
            match (&def.fast, &args[..]) {
                (None, &[a]) if def.name == "Sqrt" && exit.is_some() => {
                    inst.op = Op::Sqrt { a };
                    inst.exit = exit;
                    inst.after = None;
                }
                (Some(Fast::F1(_)), [_]) | (Some(Fast::F2(_)), [_, _]) => {
                    inst.op = Op::CallFast { native, args };
                    inst.after = None;
                }
                _ => {}
            }
        }
    }
}

enum Key {
    Name(Atom),
    /// A Number.
    Index(ValueId),
    Other,
}

fn key_of(function: &mut Function, oracle: &Oracle<'_>, key: ValueId) -> Key {
    if let Some(atom) = function.as_constant(key).and_then(|key| key.value.as_atom()) {
        return match oracle.atoms.index(atom) {
            Some(index) => Key::Index(function.immediate(Value::number(f64::from(index)))),
            None => Key::Name(atom),
        };
    }
    if function.kinds(key) == Kinds::NUMBER { Key::Index(key) } else { Key::Other }
}

fn row(
    function: &Function,
    oracle: &Oracle<'_>,
    object: ValueId,
    (func, pc): (FuncId, u32),
) -> Option<Row> {
    let kinds = function.kinds(object);
    if kinds == Kinds::ARRAY || kinds == Kinds::TUPLE {
        return Some(if kinds == Kinds::ARRAY { Row::Array } else { Row::Tuple });
    }
    let hint = oracle.hints.row(func, pc)?;
    let possible = match hint {
        Row::Array => Kinds::ARRAY,
        Row::Tuple => Kinds::TUPLE,
    };
    kinds.intersects(possible).then_some(hint)
}

fn is_row(function: &Function, oracle: &Oracle<'_>, object: ValueId, place: (FuncId, u32)) -> bool {
    row(function, oracle, object, place).is_some()
}

/// The slot of the one shape that the object probably has.
fn slot_of(
    function: &Function,
    oracle: &Oracle<'_>,
    object: ValueId,
    key: Atom,
    (func, pc): (FuncId, u32),
    usable: impl Fn(Access) -> bool,
) -> Option<Slot> {
    if !function.kinds(object).intersects(Kinds::OBJECT) || key == known::proto {
        return None;
    }
    let hinted = oracle.hints.shapes(func, pc);
    let shape: ShapeId = match hinted {
        [shape] => *shape,
        [] => match oracle.guesses.of(key) {
            [guess] => guess.shape,
            _ => return None,
        },
        _ => return None,
    };
    let data = oracle.shapes.get(shape);
    let (at, access) = data.find(key)?;
    (at < data.inline && usable(access)).then_some(Slot { shape, at, key })
}
