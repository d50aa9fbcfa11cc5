//! Natural loops, the variables that count in them, and loops that do nothing else.
//!
//! A natural loop is entered at its header only. Cycles with several entrances (knots in the
//! bytecode, or resume points in the middle of a loop) are listed apart and not analysed.
//!
//! Invariant: facts hold for every run of the loop. A step is exact arithmetic on doubles, so a
//! variable may stop growing beyond 2^53; whoever counts with it checks its range.
//! Absent on purpose: rewriting of loops, which the lowering does.

use crate::cfg::{Dominators, predecessors, reverse_postorder};
use crate::ir::*;
use crate::kinds::Kinds;

/// The loops of a function.
#[derive(Clone, Debug)]
pub struct Loops {
    /// Loops; each comes behind the loops that contain it.
    pub loops: Vec<Loop>,
    /// Blocks that close cycles which are no natural loops.
    pub knots: Vec<BlockId>,
    /// Index of the innermost loop that contains each block.
    innermost: Vec<Option<u32>>,
    /// Block of each value that is not a constant and is reached.
    block_of: Vec<Option<BlockId>>,
    /// Predecessors of each block, each once.
    predecessors: Vec<Vec<BlockId>>,
}

/// A natural loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// The block in which every turn begins.
    pub header: BlockId,
    /// Blocks with an edge back to the header.
    pub latches: Vec<BlockId>,
    /// All blocks, in reverse postorder; the header is first.
    pub blocks: Vec<BlockId>,
    /// Index of the smallest loop around this one.
    pub parent: Option<u32>,
    /// 1 for a loop in no other.
    pub depth: u32,
}

/// A header's parameter to which every turn adds the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Induction {
    /// The parameter, always a Number.
    pub param: ValueId,
    /// What the edges from outside pass.
    pub init: Vec<ValueId>,
    /// What a turn adds: finite and not zero.
    pub step: f64,
    /// The sum that the edges back pass.
    pub next: ValueId,
}

impl Induction {
    /// Is it known to be a whole number in the first turn, and the step one too?
    pub fn is_integral(&self, function: &Function) -> bool {
        let whole = |number: f64| number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
        whole(self.step)
            && self.init.iter().all(|&init| {
                let constant = function.as_constant(init);
                constant.and_then(|constant| constant.value.as_number()).is_some_and(whole)
            })
    }
}

/// The test at the head of a loop that decides whether there is another turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// The header, which ends in a branch on the test.
    pub block: BlockId,
    /// The Boolean.
    pub cond: ValueId,
    /// There is another turn while `var op bound` is `holds`.
    pub op: CompareOp,
    /// See `op`.
    pub holds: bool,
    /// The induction variable: a header's parameter.
    pub var: ValueId,
    /// A Number that does not change in the loop.
    pub bound: ValueId,
    /// Where another turn goes on.
    pub inside: BlockId,
    /// Where the loop ends.
    pub outside: BlockId,
}

/// A loop that counts, and whose only charge is that of its single edge back: its turns can be paid
/// for ahead, as many as the budget allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Index of the loop.
    pub index: u32,
    /// The variable of the guard.
    pub induction: Induction,
    /// The test for another turn.
    pub guard: Guard,
    /// The safepoint on the edge back.
    pub safepoint: InstId,
}

/// An edge: where it comes from, and what it passes.
type Edge<'f> = (BlockId, &'f Target);

impl Loops {
    /// Finds the loops of a function.
    pub fn new(function: &Function) -> Loops {
        let order = reverse_postorder(function);
        let dominators = Dominators::new(function, &order);
        let mut predecessors = predecessors(function, &order);
        predecessors.iter_mut().for_each(Vec::dedup);
        let mut number = vec![u32::MAX; function.blocks.len()];
        for (at, block) in order.iter().enumerate() {
            number[block.index()] = at as u32;
        }

        let mut loops: Vec<Loop> = Vec::new();
        let mut knots = Vec::new();
        let mut seen: Vec<u32> = vec![u32::MAX; function.blocks.len()];
        for &header in &order {
            let closes = |from: &&BlockId| number[from.index()] >= number[header.index()];
            let back: Vec<BlockId> =
                predecessors[header.index()].iter().filter(closes).copied().collect();
            let (latches, others): (Vec<_>, Vec<_>) =
                back.into_iter().partition(|&from| dominators.dominates(header, from));
            if !others.is_empty() {
                knots.push(header);
            }
            if latches.is_empty() {
                continue;
            }
            // Everything from which a latch is reached without passing the header.
            let this = loops.len() as u32;
            let mut blocks = vec![header];
            seen[header.index()] = this;
            let mut open = latches.clone();
            while let Some(block) = open.pop() {
                if std::mem::replace(&mut seen[block.index()], this) != this {
                    blocks.push(block);
                    open.extend(&predecessors[block.index()]);
                }
            }
            blocks.sort_unstable_by_key(|block| number[block.index()]);
            loops.push(Loop { header, latches, blocks, parent: None, depth: 1 });
        }

        // Headers come in reverse postorder, so a loop comes behind those that contain it.
        let mut innermost: Vec<Option<u32>> = vec![None; function.blocks.len()];
        for at in 0..loops.len() {
            let parent = innermost[loops[at].header.index()];
            loops[at].parent = parent;
            loops[at].depth = parent.map_or(1, |parent| loops[parent as usize].depth + 1);
            for block in &loops[at].blocks {
                innermost[block.index()] = Some(at as u32);
            }
        }

        let mut block_of = vec![None; function.values.len()];
        for &block in &order {
            let data = function.block(block);
            data.params.iter().for_each(|param| block_of[param.index()] = Some(block));
            for &inst in &data.insts {
                let inst = function.inst(inst);
                for value in [inst.result, inst.second].into_iter().flatten() {
                    block_of[value.index()] = Some(block);
                }
            }
        }
        Loops { loops, knots, innermost, block_of, predecessors }
    }

    /// The innermost loop around a block; blocks made since count as outside of all.
    pub fn innermost(&self, block: BlockId) -> Option<u32> {
        self.innermost.get(block.index()).copied().flatten()
    }

    /// In how many loops is a block?
    pub fn depth(&self, block: BlockId) -> u32 {
        self.innermost(block).map_or(0, |index| self.loops[index as usize].depth)
    }

    /// Is the block in this loop?
    pub fn contains(&self, index: u32, block: BlockId) -> bool {
        let mut at = self.innermost(block);
        // Loops come behind those around them, so there is nothing to find further out.
        while let Some(inner) = at.filter(|&inner| inner > index) {
            at = self.loops[inner as usize].parent;
        }
        at == Some(index)
    }

    /// Does the value stay the same during one run of the loop?
    pub fn is_invariant(&self, index: u32, value: ValueId) -> bool {
        let block = self.block_of.get(value.index()).copied().flatten();
        block.is_none_or(|block| !self.contains(index, block))
    }

    /// The induction variables of a loop.
    pub fn inductions(&self, function: &Function, index: u32) -> Vec<Induction> {
        let header = self.loops[index as usize].header;
        let incoming = self.incoming(function, header);
        let params = &function.block(header).params;
        let find = |(at, &param): (usize, &ValueId)| {
            if function.kinds(param) != Kinds::NUMBER {
                return None;
            }
            let (inside, outside): (Vec<Edge<'_>>, Vec<Edge<'_>>) =
                incoming.iter().partition(|(from, _)| self.contains(index, *from));
            let next = inside.first()?.1.args[at];
            if inside.iter().any(|(_, target)| target.args[at] != next) {
                return None;
            }
            let step = step(function, next, param)?;
            let init = outside.iter().map(|(_, target)| target.args[at]).collect();
            Some(Induction { param, init, step, next })
        };
        params.iter().enumerate().filter_map(find).collect()
    }

    fn incoming<'f>(&self, function: &'f Function, to: BlockId) -> Vec<Edge<'f>> {
        let mut incoming = Vec::new();
        for &block in &self.predecessors[to.index()] {
            let targets = function.block(block).term.targets();
            incoming
                .extend(targets.filter(|target| target.block == to).map(|target| (block, target)));
        }
        incoming
    }

    /// The test at the head of a loop, if it compares one of `inductions` with something invariant.
    pub fn guard(
        &self,
        function: &Function,
        index: u32,
        inductions: &[Induction],
    ) -> Option<Guard> {
        let block = self.loops[index as usize].header;
        let Terminator::Branch { cond, then, otherwise } = &function.block(block).term else {
            return None;
        };
        let (inside, outside, holds) =
            match (self.contains(index, then.block), self.contains(index, otherwise.block)) {
                (true, false) => (then.block, otherwise.block, true),
                (false, true) => (otherwise.block, then.block, false),
                _ => return None,
            };
        let Inst { op: Op::Compare { op, a, b }, after: None, .. } = *function.as_inst(*cond)?
        else {
            return None;
        };
        let counts = |value| inductions.iter().any(|induction| induction.param == value);
        let is_bound =
            |value| self.is_invariant(index, value) && function.kinds(value) == Kinds::NUMBER;
        let (op, var, bound) = match () {
            _ if counts(a) && is_bound(b) => (op, a, b),
            _ if counts(b) && is_bound(a) => (mirrored(op), b, a),
            _ => return None,
        };
        Some(Guard { block, cond: *cond, op, holds, var, bound, inside, outside })
    }

    /// The loops whose turns can be paid for ahead.
    pub fn counted(&self, function: &Function) -> Vec<Counted> {
        (0..self.loops.len() as u32)
            .filter_map(|index| self.counted_loop(function, index))
            .collect()
    }

    fn counted_loop(&self, function: &Function, index: u32) -> Option<Counted> {
        let data = &self.loops[index as usize];
        let &[latch] = &data.latches[..] else { return None };
        // An inner loop has a charge of its own.
        let mut safepoint = None;
        for &block in &data.blocks {
            for &id in &function.block(block).insts {
                let inst = function.inst(id);
                let charges = matches!(inst.op, Op::Charge { .. });
                if inst.before.is_some() || inst.after.is_some() || charges {
                    let is_edge = matches!(inst.op, Op::Safepoint { at: SafepointAt::Loop, .. });
                    if !is_edge || block != latch || safepoint.replace(id).is_some() {
                        return None;
                    }
                }
            }
        }
        let inductions = self.inductions(function, index);
        let guard = self.guard(function, index, &inductions)?;
        let induction = inductions.into_iter().find(|one| one.param == guard.var)?;
        Some(Counted { index, induction, guard, safepoint: safepoint? })
    }
}

/// What `next` adds to `param`.
fn step(function: &Function, next: ValueId, param: ValueId) -> Option<f64> {
    let Inst { op: Op::Arith { op, a, b }, after: None, .. } = *function.as_inst(next)? else {
        return None;
    };
    let number = |value| function.as_constant(value).and_then(|it| it.value.as_number());
    let step = match op {
        ArithOp::Add if a == param => number(b)?,
        ArithOp::Add if b == param => number(a)?,
        ArithOp::Sub if a == param => -number(b)?,
        _ => return None,
    };
    (step.is_finite() && step != 0.0).then_some(step)
}

/// The comparison with its operands exchanged.
fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Equal | CompareOp::NotEqual => op,
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessEqual => CompareOp::GreaterEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterEqual => CompareOp::LessEqual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{entry_form, resume_form};
    use crate::infer::Passed;
    use crate::points::Mode;
    use crate::testing::{Random, TestFacts, Unit};
    use ion_runtime::program::FuncId;

    fn forms(text: &str) -> [Function; 2] {
        let unit = Unit::parse(text);
        let facts = TestFacts::default();
        let params = [Kinds::NUMBER; 4];
        let passed = Passed { params: &params, this: Kinds::ANY };
        let mode = Mode::Safepoint;
        let entry = entry_form(unit.source(), FuncId(0), mode, &facts, passed).unwrap();
        let resume = resume_form(unit.source(), FuncId(0), mode, &facts, &entry.resume).unwrap();
        [entry.function, resume]
    }

    /// The nested loops `for i in 0..n { for j = i, j >= 0, j -= 2 { sum += j } }`.
    const NESTED: &str = "
        load_const r1, 0
        load_const r2, 1
        load_const r3, 0
        load_const r7, 2
    outer:
        less_than r4, r1, r0
        jump_if_false r4, done
        move r5, r1
    inner:
        load_const r6, 0
        greater_than r4, r6, r5
        jump_if_true r4, next
        add r3, r3, r5
        sub r5, r5, r7
        jump inner
    next:
        add r1, r2, r1
        jump outer
    done:
        return r3";

    #[test]
    fn nested_loops_in_both_forms() {
        for function in forms(NESTED) {
            let loops = Loops::new(&function);
            let depths: Vec<u32> = loops.loops.iter().map(|one| one.depth).collect();
            // In the resume form the inner loop is entered at its header too, so that from the outer
            // header alone one does not get there: the outer cycle is a knot.
            match function.form {
                Form::Entry => {
                    assert_eq!(depths, [1, 2], "{function}");
                    assert_eq!(loops.loops[1].parent, Some(0));
                    assert!(loops.contains(0, loops.loops[1].header));
                    assert!(!loops.contains(1, loops.loops[0].header));
                    assert!(loops.knots.is_empty());
                    let outer = loops.inductions(&function, 0);
                    assert_eq!(outer.len(), 1);
                    assert_eq!(outer[0].step, 1.0);
                    assert!(outer[0].is_integral(&function));
                }
                Form::Resume => {
                    assert_eq!(depths, [1], "{function}");
                    assert_eq!(loops.knots.len(), 1);
                }
            }
            let counted = loops.counted(&function);
            assert_eq!(counted.len(), 1, "{function}");
            let inner = &counted[0];
            assert_eq!(inner.induction.step, -2.0);
            assert!(!inner.induction.is_integral(&function));
            assert_eq!((inner.guard.op, inner.guard.holds), (CompareOp::Less, false));
            let safepoint = &function.inst(inner.safepoint).op;
            assert_eq!(*safepoint, Op::Safepoint { cost: 1, at: SafepointAt::Loop });
        }
    }

    #[test]
    fn a_loop_with_a_call_is_not_counted() {
        let text = "
            load_const r1, 0
            load_const r2, 1
        top:
            less_than r3, r1, r0
            jump_if_false r3, done
            load_const r4, '__function_ref:1'
            call r4, r4, [r1]
            add r1, r1, r2
            jump top
        done:
            return r1";
        let [entry, _] = forms(text);
        let loops = Loops::new(&entry);
        let inductions = loops.inductions(&entry, 0);
        assert_eq!(inductions.len(), 1);
        let guard = loops.guard(&entry, 0, &inductions).unwrap();
        assert_eq!((guard.op, guard.holds), (CompareOp::Less, true));
        assert!(loops.counted(&entry).is_empty());
    }

    #[test]
    fn loops_of_random_functions_are_sound() {
        let facts = TestFacts::default();
        let mut found = 0;
        for seed in 0..1000 {
            let unit = Random(seed).function(60, 6, 4);
            let (mode, passed) = (Mode::Safepoint, Passed::ANYTHING);
            let entry = entry_form(unit.source(), FuncId(0), mode, &facts, passed).unwrap();
            let function = &entry.function;
            let loops = Loops::new(function);
            let order = reverse_postorder(function);
            let dominators = Dominators::new(function, &order);
            for (index, one) in loops.loops.iter().enumerate() {
                found += 1;
                for &block in &order {
                    let member = one.blocks.contains(&block);
                    assert_eq!(loops.contains(index as u32, block), member, "{function}");
                    assert!(!member || dominators.dominates(one.header, block));
                }
                if let Some(parent) = one.parent {
                    let parent = &loops.loops[parent as usize];
                    assert!(one.blocks.iter().all(|block| parent.blocks.contains(block)));
                }
            }
        }
        assert!(found > 100, "{found}");
    }
}
