//! Indices that count along with a loop, as integers.
//!
//! An access by number must turn the number into an integer and make sure that it is whole. For a
//! variable to which every turn of a loop adds the same, a second variable counts in integers from the
//! start: both ends are looked at once, in front of the loop.
//!
//! Invariant: the integer equals the number while that is below 2^53, and beyond that both are larger
//! than the length of any row. It never takes part in a state: what is restored is the number.
//! Absent on purpose: tests of the loop, which compare the number.

use crate::cfg;
use crate::checks::front_of;
use crate::ir::*;
use crate::kinds::Kinds;
use crate::loops::Loops;
use rustc_hash::FxHashMap;

/// Gives accesses in loops integers for indices.
pub fn run(function: &mut Function) {
    let wants = function
        .insts
        .iter()
        .any(|inst| matches!(inst.op, Op::LoadElement { .. } | Op::StoreElement { .. }));
    if !wants {
        return;
    }
    let loops = Loops::new(function);
    for index in 0..loops.loops.len() as u32 {
        count_in(function, &loops, index);
    }
}

/// A header's parameter to which every turn adds the same.
pub struct Counter {
    /// The parameter, a Number.
    pub param: ValueId,
    /// The sum that every turn passes on.
    pub next: ValueId,
    /// What is added: a Number that does not change in the loop.
    pub step: ValueId,
    /// Is the step subtracted?
    pub down: bool,
}

fn count_in(function: &mut Function, loops: &Loops, index: u32) {
    let data = &loops.loops[index as usize];
    let header = data.header;
    let head = function.block(header).insts.first().copied();
    let Some(head) = head.filter(|&head| function.inst(head).op == Op::LoopHead) else { return };
    let mut used: FxHashMap<ValueId, Vec<InstId>> = FxHashMap::default();
    for &block in &data.blocks {
        for &id in &function.block(block).insts {
            if let Op::LoadElement { index, .. } | Op::StoreElement { index, .. } =
                function.inst(id).op
            {
                used.entry(index).or_default().push(id);
            }
        }
    }
    let counters: Vec<Counter> = (0..function.block(header).params.len())
        .filter_map(|at| counter(function, loops, index, at, |it| loops.is_invariant(index, it)))
        .filter(|it| used.contains_key(&it.param) || used.contains_key(&it.next))
        .collect();
    if counters.is_empty() {
        return;
    }
    let front = front_of(function, loops, index, head, &[]);
    let Some((front, exit)) = front else { return };
    let Inst { frame, pc, .. } = *function.inst(head);
    for counter in counters {
        let place = function.block(header).params.iter().position(|&it| it == counter.param);
        let Some(place) = place else { continue };
        let Terminator::Jump(target) = &function.block(front).term else { continue };
        let first = target.args[place];
        let add = |function: &mut Function, op: Op| {
            let inst = function.add_inst(op, frame, pc);
            let value = function.add_value(Kinds::INDEX, ValueDef::Inst(inst));
            function.insts[inst.index()].result = Some(value);
            (inst, value)
        };
        let (whole, first) = add(function, Op::WholeNumber { a: first });
        let (whole_step, step) = add(function, Op::WholeNumber { a: counter.step });
        for inst in [whole, whole_step] {
            function.insts[inst.index()].exit = Some(exit);
            function.blocks[front.index()].insts.push(inst);
        }
        let param = function.add_param(header, Kinds::INDEX);
        let op = Op::AddIndex { a: param, b: step, down: counter.down };
        let (sum, next) = add(function, op);
        if let Terminator::Jump(target) = &mut function.blocks[front.index()].term {
            target.args.push(first);
        }
        // The integer is counted on right behind the number.
        let of_next = function.values[counter.next.index()].def;
        for &block in &data.blocks {
            let at =
                function.block(block).insts.iter().position(|&id| of_next == ValueDef::Inst(id));
            if let Some(at) = at {
                function.blocks[block.index()].insts.insert(at + 1, sum);
            }
        }
        for latch in &data.latches {
            for target in function.blocks[latch.index()].term.targets_mut() {
                if target.block == header {
                    target.args.push(next);
                }
            }
        }
        for (number, whole) in [(counter.param, param), (counter.next, next)] {
            for &id in used.get(&number).into_iter().flatten() {
                if let Op::LoadElement { whole: at, .. } | Op::StoreElement { whole: at, .. } =
                    &mut function.insts[id.index()].op
                {
                    *at = Some(whole);
                }
            }
        }
    }
}

/// The counter that the parameter in this place is, if so. `stays` tells what does not change in the loop.
pub fn counter(
    function: &Function,
    loops: &Loops,
    index: u32,
    at: usize,
    stays: impl Fn(ValueId) -> bool,
) -> Option<Counter> {
    let data = &loops.loops[index as usize];
    let param = function.block(data.header).params[at];
    if function.kinds(param) != Kinds::NUMBER {
        return None;
    }
    let mut next = None;
    for latch in &data.latches {
        for target in function.block(*latch).term.targets() {
            if target.block == data.header
                && *next.get_or_insert(target.args[at]) != target.args[at]
            {
                return None;
            }
        }
    }
    let next = next?;
    let Inst { op: Op::Arith { op, a, b }, after: None, .. } = *function.as_inst(next)? else {
        return None;
    };
    let number = |value: ValueId| function.kinds(value) == Kinds::NUMBER;
    let (step, down) = match op {
        ArithOp::Add if a == param => (b, false),
        ArithOp::Add if b == param => (a, false),
        ArithOp::Sub if a == param => (b, true),
        _ => return None,
    };
    let stays = stays(step) && number(step) && step != param;
    // The sum must be made in this loop, and in every turn.
    let order = cfg::reverse_postorder(function);
    let dominators = cfg::Dominators::new(function, &order);
    let made = data.blocks.iter().find(|&&block| {
        let insts = &function.block(block).insts;
        insts.iter().any(|&id| function.inst(id).result == Some(next))
    })?;
    let every_turn = data.latches.iter().all(|&latch| dominators.dominates(*made, latch));
    (stays && every_turn).then_some(Counter { param, next, step, down })
}
