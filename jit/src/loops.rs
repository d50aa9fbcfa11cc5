//! Natural loops.
//!
//! A natural loop is entered at its header only. Cycles with several entrances (knots in the
//! bytecode, or resume points in the middle of a loop) are listed apart and not analysed.
//!
//! Invariant: facts hold for every run of the loop.
//! Absent on purpose: variables that count (`induction`), rewriting of loops (`checks`, `slots`, `strip`).

use crate::cfg::{Dominators, predecessors, reverse_postorder};
use crate::ir::*;

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
        Loops { loops, knots, innermost, block_of }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{entry_form, resume_form};
    use crate::infer::Passed;
    use crate::kinds::Kinds;
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
                }
                Form::Resume => {
                    assert_eq!(depths, [1], "{function}");
                    assert_eq!(loops.knots.len(), 1);
                }
            }
        }
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
