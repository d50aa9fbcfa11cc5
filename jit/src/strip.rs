//! Counted loops whose turns are paid for ahead (strip mining).
//!
//! A loop charges for each turn and looks whether the budget is gone. If a variable counts the turns, a
//! copy of the loop does neither: in front of it stands how far the variable may go before the budget could be
//! gone or the loop's own test ends it ([`Op::LoopLimit`]), and behind it the turns that were made are
//! charged ([`Op::ChargeTurns`]). The last turns are made in the loop itself, so that what comes behind the loop,
//! and every safepoint, is as before.
//!
//! A check that fails in the copy charges for the turns so far in its exit ([`Owed`]). Another way out of
//! the copy than its test goes back to the start of the turn, in the loop itself; such a loop must not
//! write anything.
//!
//! The copy counts in integers, and so do its sums that are whole ([`crate::whole`]).
//!
//! Invariant: in the copy, less is charged than was left in front of it, so no safepoint in it would have
//! left the function.
//! Absent on purpose: loops that call anything, or do what may fail.

use crate::cfg::{self, Dominators};
use crate::checks::{front_of, unchanged};
use crate::induction::{Counter, counter};
use crate::ir::*;
use crate::kinds::{BY_BITS, Kinds};
use crate::loops::Loops;
use crate::whole::{self, Front};
use rustc_hash::FxHashMap;

/// Loops with more instructions than this are not copied.
const MOST_INSTS: usize = 100;

/// Functions with more values than this get no copies.
const MOST_VALUES: usize = 5_000;

/// Copies the counted loops of a function.
pub fn run(function: &mut Function) {
    if function.values.len() > MOST_VALUES {
        return;
    }
    let loops = Loops::new(function);
    let is_innermost = |index: u32| !loops.loops.iter().any(|inner| inner.parent == Some(index));
    let headers: Vec<BlockId> = (0..loops.loops.len() as u32)
        .filter(|&index| is_innermost(index))
        .map(|index| loops.loops[index as usize].header)
        .collect();
    for header in headers {
        let loops = Loops::new(function);
        let index = loops.loops.iter().position(|it| it.header == header);
        if let Some(index) = index
            && let Some(plan) = plan(function, &loops, index as u32)
        {
            copy(function, &loops, index as u32, &plan);
        }
    }
}

/// A loop that can be paid for ahead.
struct Plan {
    counter: Counter,
    guard: Guard,
    /// What a turn charges.
    cost: u32,
    /// What was charged in the turn before each instruction that may exit or fail.
    charged: FxHashMap<InstId, u32>,
}

/// The branch that decides whether there is another turn.
struct Guard {
    block: BlockId,
    /// Where another turn goes on.
    inside: BlockId,
    /// Must stay above, or below, this.
    bound: ValueId,
    /// May it be equal to the bound?
    inclusive: bool,
    /// Is it the sum that is compared, and not the variable as it was at the start of the turn?
    next: bool,
}

fn plan(function: &Function, loops: &Loops, index: u32) -> Option<Plan> {
    let data = &loops.loops[index as usize];
    let size: usize = data.blocks.iter().map(|block| function.block(*block).insts.len()).sum();
    if size > MOST_INSTS {
        return None;
    }
    let mut writes = false;
    for &block in &data.blocks {
        for &id in &function.block(block).insts {
            let inst = function.inst(id);
            if !may_be_copied(function, inst) {
                return None;
            }
            writes |= matches!(inst.op, Op::StoreSlot { .. } | Op::StoreElement { .. });
        }
        if !matches!(function.block(block).term, Terminator::Jump(_) | Terminator::Branch { .. }) {
            return None;
        }
    }
    let (cost, charged) = charges(function, loops, index)?;
    let order = cfg::reverse_postorder(function);
    let dominators = Dominators::new(function, &order);
    let header = function.block(data.header);
    let unchanged = unchanged(function, loops, index);
    let stays = |value: ValueId| {
        let is_unchanged = unchanged.iter().any(|&at| header.params[at] == value);
        is_unchanged || loops.is_invariant(index, value)
    };
    let counters =
        (0..header.params.len()).filter_map(|at| counter(function, loops, index, at, stays));
    let (counter, guard) = counters.into_iter().find_map(|counter| {
        let guard = guard(function, loops, index, (&dominators, &stays), &counter)?;
        Some((counter, guard))
    })?;
    let leaves = |block: BlockId| {
        let mut targets = function.block(block).term.targets();
        targets.any(|target| !loops.contains(index, target.block))
    };
    let other_ways = data.blocks.iter().any(|&block| block != guard.block && leaves(block));
    (!(writes && other_ways)).then_some(Plan { counter, guard, cost, charged })
}

/// Can the instruction only go on, or exit?
fn may_be_copied(function: &Function, inst: &Inst) -> bool {
    let number = |value: &ValueId| function.kinds(*value) == Kinds::NUMBER;
    match &inst.op {
        Op::Safepoint { .. } | Op::Charge { .. } | Op::LoopHead => true,
        Op::Arith { a, b, .. } => inst.after.is_none() && number(a) && number(b),
        Op::Compare { a, b, .. } => {
            let (a, b) = (function.kinds(*a), function.kinds(*b));
            let plain = |kinds: Kinds| BY_BITS.contains(kinds);
            let numbers = a == Kinds::NUMBER && b == Kinds::NUMBER;
            inst.after.is_none() && (numbers || plain(a) && plain(b))
        }
        Op::Truth { .. }
        | Op::Not { .. }
        | Op::And { .. }
        | Op::Or { .. }
        | Op::AsNumber { .. }
        | Op::WholeNumber { .. }
        | Op::AddIndex { .. }
        | Op::Divide { .. }
        | Op::Sqrt { .. }
        | Op::CallFast { .. }
        | Op::CheckShape { .. }
        | Op::AssumeShape { .. }
        | Op::CheckMethod { .. }
        | Op::HasMethod { .. }
        | Op::CheckClosure { .. }
        | Op::LoadCapture { .. }
        | Op::LoadBound { .. }
        | Op::LoadSlot { .. }
        | Op::StoreSlot { .. }
        | Op::CheckRow { .. }
        | Op::RowLength { .. }
        | Op::LoadElement { .. }
        | Op::StoreElement { .. } => true,
        _ => false,
    }
}

/// What every turn charges, and what is charged in it before each instruction that may exit or fail; `None` if turns differ.
fn charges(
    function: &Function,
    loops: &Loops,
    index: u32,
) -> Option<(u32, FxHashMap<InstId, u32>)> {
    let data = &loops.loops[index as usize];
    let mut at_start: FxHashMap<BlockId, u32> = FxHashMap::default();
    let mut charged = FxHashMap::default();
    let mut of_turn = None;
    at_start.insert(data.header, 0);
    for &block in &data.blocks {
        let mut sum = *at_start.get(&block)?;
        for &id in &function.block(block).insts {
            let inst = function.inst(id);
            match inst.op {
                Op::Safepoint { cost, .. } | Op::Charge { cost } => sum += cost,
                _ if inst.exit.is_some() || matches!(inst.op, Op::StoreElement { .. }) => {
                    charged.insert(id, sum);
                }
                _ => {}
            }
        }
        for target in function.block(block).term.targets() {
            let known = match target.block {
                to if to == data.header => of_turn.get_or_insert(sum),
                to if loops.contains(index, to) => at_start.entry(to).or_insert(sum),
                _ => continue,
            };
            if *known != sum {
                return None;
            }
        }
    }
    of_turn.filter(|&cost| cost > 0).map(|cost| (cost, charged))
}

fn guard(
    function: &Function,
    loops: &Loops,
    index: u32,
    (dominators, stays): (&Dominators, &impl Fn(ValueId) -> bool),
    counter: &Counter,
) -> Option<Guard> {
    let data = &loops.loops[index as usize];
    data.blocks.iter().find_map(|&block| {
        if !data.latches.iter().all(|&latch| dominators.dominates(block, latch)) {
            return None;
        }
        let Terminator::Branch { cond, then, otherwise } = &function.block(block).term else {
            return None;
        };
        let inside = |target: &Target| loops.contains(index, target.block);
        let (inside, holds) = match (inside(then), inside(otherwise)) {
            (true, false) => (then.block, true),
            (false, true) => (otherwise.block, false),
            _ => return None,
        };
        let Inst { op: Op::Compare { op, a, b }, after: None, .. } = *function.as_inst(*cond)?
        else {
            return None;
        };
        let counts = |value| value == counter.param || value == counter.next;
        let is_bound = |value| stays(value) && function.kinds(value) == Kinds::NUMBER;
        let (op, variable, bound) = match () {
            _ if counts(a) && is_bound(b) => (op, a, b),
            _ if counts(b) && is_bound(a) => (op.mirrored(), b, a),
            _ => return None,
        };
        // Where the branch goes on if the comparison is false, the bound may also be no number that
        // compares; the copy is then not entered.
        let (up, inclusive) = match (op, holds) {
            (CompareOp::Less, true) | (CompareOp::GreaterEqual, false) => (true, false),
            (CompareOp::LessEqual, true) | (CompareOp::Greater, false) => (true, true),
            (CompareOp::Greater, true) | (CompareOp::LessEqual, false) => (false, false),
            (CompareOp::GreaterEqual, true) | (CompareOp::Less, false) => (false, true),
            _ => return None,
        };
        let next = variable == counter.next;
        (up != counter.down).then_some(Guard { block, inside, bound, inclusive, next })
    })
}

/// Makes the copy.
fn copy(function: &mut Function, loops: &Loops, index: u32, plan: &Plan) {
    let data = &loops.loops[index as usize];
    let header = data.header;
    let Some(&head) = function.block(header).insts.first() else { return };
    if function.inst(head).op != Op::LoopHead {
        return;
    }
    let Inst { frame, pc, .. } = *function.inst(head);
    let unchanged = unchanged(function, loops, index);
    let Some((front, _)) = front_of(function, loops, index, head, &unchanged) else { return };
    let place = function.block(header).params.iter().position(|&it| it == plan.counter.param);
    let Terminator::Jump(Target { args: first, .. }) = function.block(front).term.clone() else {
        return;
    };
    let Some(place) = place else { return };
    let Counter { step, down, .. } = plan.counter;
    let Guard { bound, inclusive, next, .. } = plan.guard;
    let mut front = Front::new(front, (frame, pc));
    let from = front.integer(function, first[place], -LoopLimit::MOST_FROM, LoopLimit::MOST_FROM);
    let step = front.integer(function, step, 1, LoopLimit::MOST_STEP);
    let limit = LoopLimit { from, bound, step, down, inclusive, next, cost: plan.cost };
    let limit = front.add(function, Op::LoopLimit(limit), Kinds::INDEX);

    let mut copier = Copier {
        blocks: FxHashMap::default(),
        values: FxHashMap::default(),
        states: FxHashMap::default(),
    };
    for &block in &data.blocks {
        let new = function.add_block();
        copier.blocks.insert(block, new);
        for at in 0..function.block(block).params.len() {
            let param = function.block(block).params[at];
            let new = function.add_param(new, function.kinds(param));
            copier.values.insert(param, new);
        }
    }
    let fast_header = copier.blocks[&header];
    // The copy counts in integers.
    let variable = whole::param_as_integer(function, fast_header, place, (frame, pc));
    let turns = |to| ChargeTurns { from, to, step, down, cost: plan.cost };
    for &block in &data.blocks {
        let new = copier.blocks[&block];
        for id in function.block(block).insts.clone() {
            let owed = |also| Owed { turns: turns(variable), also };
            copier.inst(function, new, id, plan.charged.get(&id).map(|&also| owed(also)));
        }
    }
    let fast: Vec<BlockId> = data.blocks.iter().map(|block| copier.blocks[block]).collect();
    let sum = copier.value(plan.counter.next);
    let next = whole::sum_as_integer(function, &fast, sum, (variable, step), down);
    // Where the edges of the copies lead.
    let going_on = match down {
        false => CompareOp::Less,
        true => CompareOp::Greater,
    };
    let as_at_start: Vec<ValueId> =
        function.block(header).params.iter().map(|&param| copier.value(param)).collect();
    for &block in &data.blocks {
        let new = copier.blocks[&block];
        let mut term = function.block(block).term.clone();
        let inside = term.targets().find(|target| target.block == plan.guard.inside).cloned();
        if block == plan.guard.block
            && let Some(target) = inside
        {
            term = Terminator::Jump(target);
        }
        term.map(|value| copier.value(value));
        for target in term.targets_mut() {
            if target.block == header {
                // Another turn, here or there.
                let args = std::mem::take(&mut target.args);
                let back = function.add_block();
                target.block = back;
                let settle = function.add_block();
                let compare = Op::CompareIndex { op: going_on, a: next, b: limit };
                let cond = add(function, back, compare, Some(Kinds::BOOLEAN), (frame, pc));
                let Some(cond) = cond else { return };
                let mut counted = args.clone();
                counted[place] = next;
                function.blocks[back.index()].term = Terminator::Branch {
                    cond,
                    then: Target { block: fast_header, args: counted },
                    otherwise: Target { block: settle, args: Vec::new() },
                };
                add(function, settle, Op::ChargeTurns(turns(next)), None, (frame, pc));
                function.blocks[settle.index()].term =
                    Terminator::Jump(Target { block: header, args });
            } else if let Some(&to) = copier.blocks.get(&target.block) {
                target.block = to;
            } else {
                // Out, which is decided again in the loop itself.
                target.args.clear();
                let settle = function.add_block();
                target.block = settle;
                add(function, settle, Op::ChargeTurns(turns(variable)), None, (frame, pc));
                function.blocks[settle.index()].term =
                    Terminator::Jump(Target { block: header, args: as_at_start.clone() });
            }
        }
        function.blocks[new.index()].term = term;
    }
    let compare = Op::CompareIndex { op: going_on, a: from, b: limit };
    let cond = front.add(function, compare, Kinds::BOOLEAN);
    let mut counted = first.clone();
    counted[place] = from;
    let at = front.block.index();
    function.blocks[at].term = Terminator::Branch {
        cond,
        then: Target { block: fast_header, args: counted },
        otherwise: Target { block: header, args: first },
    };
    whole::accumulate(function, &mut front, &fast, variable);
    let cond = front.all(function, cond);
    if let Terminator::Branch { cond: at, .. } = &mut function.blocks[at].term {
        *at = cond;
    }
}

/// Adds an instruction to the end of a block.
fn add(
    function: &mut Function,
    block: BlockId,
    op: Op,
    gives: Option<Kinds>,
    (frame, pc): (FrameId, u32),
) -> Option<ValueId> {
    let inst = function.add_inst(op, frame, pc);
    let result = gives.map(|kinds| function.add_value(kinds, ValueDef::Inst(inst)));
    function.insts[inst.index()].result = result;
    function.blocks[block.index()].insts.push(inst);
    result
}

/// What the copies of blocks, values and states are.
struct Copier {
    blocks: FxHashMap<BlockId, BlockId>,
    values: FxHashMap<ValueId, ValueId>,
    states: FxHashMap<(StateId, u32), StateId>,
}

impl Copier {
    fn value(&self, value: ValueId) -> ValueId {
        self.values.get(&value).copied().unwrap_or(value)
    }

    /// Copies an instruction that charges nothing to the end of a block.
    fn inst(&mut self, function: &mut Function, to: BlockId, id: InstId, owed: Option<Owed>) {
        let mut inst = function.inst(id).clone();
        if matches!(inst.op, Op::Safepoint { .. } | Op::Charge { .. } | Op::LoopHead) {
            return;
        }
        inst.op.map(|value| self.value(value));
        if let Op::StoreElement { owed: at, .. } = &mut inst.op {
            *at = owed;
        }
        inst.exit = inst.exit.zip(owed).map(|(exit, owed)| self.state(function, exit, owed));
        let new = InstId(function.insts.len() as u32);
        for value in [&mut inst.result, &mut inst.second].into_iter().flatten() {
            let copy = function.add_value(function.kinds(*value), ValueDef::Inst(new));
            self.values.insert(*value, copy);
            *value = copy;
        }
        function.insts.push(inst);
        function.blocks[to.index()].insts.push(new);
    }

    fn state(&mut self, function: &mut Function, state: StateId, owed: Owed) -> StateId {
        if let Some(&copy) = self.states.get(&(state, owed.also)) {
            return copy;
        }
        let chain: Vec<StateId> =
            std::iter::successors(Some(state), |state| function.state(*state).parent).collect();
        let mut parent = None;
        let also = owed.also;
        let mut owed = Some(owed);
        for (at, of) in chain.into_iter().enumerate().rev() {
            let mut copy = function.state(of).clone();
            copy.parent = parent;
            copy.owed = if at == 0 { owed.take() } else { None };
            copy.regs.iter_mut().for_each(|(_, value)| *value = self.value(*value));
            parent = Some(function.add_state(copy));
        }
        let copy = parent.unwrap_or(state);
        self.states.insert((state, also), copy);
        copy
    }
}
