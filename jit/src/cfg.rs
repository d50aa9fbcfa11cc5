//! The graph of a function's blocks: orders, predecessors, dominators.
//!
//! Invariant: only blocks reached from the entry take part.
//! Absent on purpose: loops (`loops.rs`).

use crate::ir::{BlockId, Function};

/// Blocks reached from the entry, each before its successors except along edges that close a cycle.
pub fn reverse_postorder(function: &Function) -> Vec<BlockId> {
    let mut seen = vec![false; function.blocks.len()];
    let mut order = Vec::new();
    // A block, its successors, and how many of them have been visited.
    let mut stack = vec![(function.entry, successors(function, function.entry), 0)];
    seen[function.entry.index()] = true;
    while let Some((block, successors_of_block, next)) = stack.last_mut() {
        // Last successor first, so that in the result the first one comes right behind the block.
        match successors_of_block.len().checked_sub(*next + 1) {
            Some(at) => {
                *next += 1;
                let successor = successors_of_block[at];
                if !std::mem::replace(&mut seen[successor.index()], true) {
                    stack.push((successor, successors(function, successor), 0));
                }
            }
            None => {
                order.push(*block);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}

/// The successors of a block, once for each edge.
pub fn successors(function: &Function, block: BlockId) -> Vec<BlockId> {
    let mut successors = Vec::new();
    function.block(block).term.visit_successors(|successor| successors.push(successor));
    successors
}

/// For each block its predecessors among the blocks of `order`, once for each edge.
pub fn predecessors(function: &Function, order: &[BlockId]) -> Vec<Vec<BlockId>> {
    let mut predecessors = vec![Vec::new(); function.blocks.len()];
    for &block in order {
        function.block(block).term.visit_successors(|successor| {
            predecessors[successor.index()].push(block);
        });
    }
    predecessors
}

/// The dominator tree.
#[derive(Clone, Debug)]
pub struct Dominators {
    /// Immediate dominator of each block; the entry is its own. `None`: not reached.
    parent: Vec<Option<BlockId>>,
    /// First and last visit of a walk over the tree: an ancestor's interval contains its descendants'.
    interval: Vec<(u32, u32)>,
}

impl Dominators {
    /// Computes the tree; `order` is the reverse postorder.
    pub fn new(function: &Function, order: &[BlockId]) -> Dominators {
        // Cooper, Harvey, Kennedy: intersect the predecessors' dominators until nothing changes.
        const NONE: u32 = u32::MAX;
        let predecessors = predecessors(function, order);
        let mut number = vec![NONE; function.blocks.len()];
        for (at, block) in order.iter().enumerate() {
            number[block.index()] = at as u32;
        }
        let mut dominator = vec![NONE; order.len()];
        dominator[0] = 0;
        let mut changed = true;
        while changed {
            changed = false;
            for (at, block) in order.iter().enumerate().skip(1) {
                let mut new = NONE;
                for predecessor in &predecessors[block.index()] {
                    let mut one = number[predecessor.index()];
                    if dominator[one as usize] == NONE {
                        continue;
                    }
                    if new == NONE {
                        new = one;
                        continue;
                    }
                    while one != new {
                        while one > new {
                            one = dominator[one as usize];
                        }
                        while new > one {
                            new = dominator[new as usize];
                        }
                    }
                }
                if dominator[at] != new {
                    dominator[at] = new;
                    changed = true;
                }
            }
        }

        let mut parent = vec![None; function.blocks.len()];
        let mut children = vec![Vec::new(); order.len()];
        for (at, block) in order.iter().enumerate() {
            parent[block.index()] = Some(order[dominator[at] as usize]);
            if at != 0 {
                children[dominator[at] as usize].push(at);
            }
        }
        let mut interval = vec![(1, 0); function.blocks.len()];
        let mut clock = 0;
        let mut stack = vec![(0, 0)];
        while let Some((at, next)) = stack.last_mut() {
            let block = order[*at].index();
            if *next == 0 {
                clock += 1;
                interval[block].0 = clock;
            }
            match children[*at].get(*next) {
                Some(&child) => {
                    *next += 1;
                    stack.push((child, 0));
                }
                None => {
                    interval[block].1 = clock;
                    stack.pop();
                }
            }
        }
        Dominators { parent, interval }
    }

    /// Does every path to `block` lead through `dominator`? A block dominates itself.
    pub fn dominates(&self, dominator: BlockId, block: BlockId) -> bool {
        let (first, last) = self.interval[dominator.index()];
        (first..=last).contains(&self.interval[block.index()].0)
    }

    /// The closest other block that dominates `block`; `None` for the entry.
    pub fn parent(&self, block: BlockId) -> Option<BlockId> {
        self.parent[block.index()].filter(|&parent| parent != block)
    }

    /// Is the block reached from the entry?
    pub fn is_reached(&self, block: BlockId) -> bool {
        self.parent[block.index()].is_some()
    }
}
