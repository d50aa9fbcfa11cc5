//! Properties that a loop reads and writes are kept in values: each is read once, in front of the loop.
//!
//! Scalar replacement of loads. The stores stay, so that memory is right wherever the loop is left.
//!
//! Invariant: a slot is kept only if nothing else in the loop may write it: no code that is unknown, and no
//! store to the same slot of another object of the shape.
//! Absent on purpose: what the loop only reads (`checks`).

use crate::cfg;
use crate::checks::{Changes, front_of};
use crate::ir::*;
use crate::kinds::Kinds;
use crate::loops::Loops;
use rustc_hash::FxHashMap;

/// Most slots that one loop keeps: each takes a machine register.
const MOST: usize = 8;

/// A property of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    object: ValueId,
    slot: Slot,
    /// Kinds of what it holds in the loop.
    kinds: Kinds,
}

impl Place {
    fn is(&self, object: ValueId, slot: Slot) -> bool {
        self.object == object && self.slot == slot
    }
}

/// Keeps properties in values, in all loops, from the inside out.
pub fn keep(function: &mut Function) {
    if !function.insts.iter().any(|inst| matches!(inst.op, Op::StoreSlot { .. })) {
        return;
    }
    let deepest = Loops::new(function).loops.iter().map(|it| it.depth).max().unwrap_or(0);
    for depth in (1..=deepest).rev() {
        let headers: Vec<BlockId> = {
            let loops = Loops::new(function);
            loops.loops.iter().filter(|it| it.depth == depth).map(|it| it.header).collect()
        };
        for header in headers {
            let loops = Loops::new(function);
            let index = loops.loops.iter().position(|it| it.header == header);
            if let Some(index) = index {
                keep_in(function, &loops, index as u32);
            }
        }
    }
}

fn keep_in(function: &mut Function, loops: &Loops, index: u32) {
    let data = &loops.loops[index as usize];
    let head = function.block(data.header).insts.first().copied();
    let Some(head) = head.filter(|&head| function.inst(head).op == Op::LoopHead) else { return };
    let places = places(function, loops, index);
    if places.is_empty() {
        return;
    }
    let Some((front, exit)) = front_of(function, loops, index, head, &[]) else { return };
    let mut renamed = FxHashMap::default();
    for place in places {
        let Inst { frame, pc, .. } = *function.inst(head);
        let number = place.kinds == Kinds::NUMBER;
        let op = Op::LoadSlot { object: place.object, slot: place.slot, number };
        let load = function.add_inst(op, frame, pc);
        let first = function.add_value(place.kinds, ValueDef::Inst(load));
        function.insts[load.index()].result = Some(first);
        function.insts[load.index()].exit = Some(exit);
        function.blocks[front.index()].insts.push(load);
        replace(function, loops, index, (front, first), place, &mut renamed);
    }
    crate::simplify::rename_all(function, &renamed);
}

/// The properties that a loop reads and writes, and that nothing else in it may write.
fn places(function: &Function, loops: &Loops, index: u32) -> Vec<Place> {
    let data = &loops.loops[index as usize];
    let changes = Changes::of(function, &data.blocks);
    if changes.clobbered {
        return Vec::new();
    }
    let mut places: Vec<Place> = Vec::new();
    let mut unsure: Vec<ValueId> = Vec::new();
    let insts = || data.blocks.iter().flat_map(|&block| &function.block(block).insts);
    for &id in insts() {
        match function.inst(id).op {
            Op::StoreSlot { object, slot, .. }
                if loops.is_invariant(index, object)
                    && !places.iter().any(|place| place.is(object, slot)) =>
            {
                places.push(Place { object, slot, kinds: Kinds::NONE });
            }
            // The shape is not known in the whole loop.
            Op::CheckShape { object, .. }
            | Op::AssumeShape { object, .. }
            | Op::CheckMethod { object, .. } => unsure.push(object),
            _ => {}
        }
    }
    places.retain_mut(|place| {
        let (mut all_numbers, mut some_number) = (true, false);
        let mut kinds = Kinds::NONE;
        let mut is_read = false;
        for &id in insts() {
            let inst = function.inst(id);
            match (&inst.op, inst.result) {
                (Op::LoadSlot { object, slot, number }, Some(result))
                    if place.is(*object, *slot) =>
                {
                    is_read = true;
                    all_numbers &= *number;
                    some_number |= *number;
                    kinds = kinds.union(function.kinds(result));
                }
                (Op::StoreSlot { object, slot, value }, _) => {
                    if place.is(*object, *slot) {
                        all_numbers &= function.kinds(*value) == Kinds::NUMBER;
                        kinds = kinds.union(function.kinds(*value));
                    } else if (slot.shape, slot.at) == (place.slot.shape, place.slot.at) {
                        return false;
                    }
                }
                _ => {}
            }
        }
        place.kinds = match (all_numbers, some_number) {
            (true, _) => Kinds::NUMBER,
            // What the reads say does not hold before they have looked.
            (false, true) => Kinds::ANY,
            (false, false) => kinds,
        };
        // A function that is read would be bound.
        is_read && !kinds.intersects(Kinds::FUNCTION) && !unsure.contains(&place.object)
    });
    places.truncate(MOST);
    places
}

/// Replaces the reads of a place in a loop by what was read, or written, last. `front` leads into
/// the loop with what the place holds then.
fn replace(
    function: &mut Function,
    loops: &Loops,
    index: u32,
    front: (BlockId, ValueId),
    place: Place,
    renamed: &mut FxHashMap<ValueId, ValueId>,
) {
    let data = &loops.loops[index as usize];
    let order = cfg::reverse_postorder(function);
    let mut predecessors = cfg::predecessors(function, &order);
    predecessors.iter_mut().for_each(Vec::dedup);
    let mut at_end: FxHashMap<BlockId, ValueId> = FxHashMap::default();
    at_end.insert(front.0, front.1);
    // Blocks that get a parameter for it.
    let mut joins: Vec<BlockId> = Vec::new();
    for &block in &data.blocks {
        let from = &predecessors[block.index()];
        let known = from.first().and_then(|from| at_end.get(from)).copied();
        let same = known.filter(|value| from.iter().all(|from| at_end.get(from) == Some(value)));
        let mut current = same.unwrap_or_else(|| {
            joins.push(block);
            function.add_param(block, place.kinds)
        });
        for at in 0..function.block(block).insts.len() {
            let id = function.block(block).insts[at];
            let inst = function.inst(id);
            match inst.op {
                Op::LoadSlot { object, slot, number } if place.is(object, slot) => {
                    let Some(result) = inst.result else { continue };
                    if number && place.kinds != Kinds::NUMBER {
                        function.insts[id.index()].op = Op::AsNumber { a: current };
                        current = result;
                    } else {
                        renamed.insert(result, current);
                    }
                }
                Op::StoreSlot { object, slot, value } if place.is(object, slot) => current = value,
                _ => {}
            }
        }
        at_end.insert(block, current);
    }
    for block in joins {
        for from in &predecessors[block.index()] {
            for target in function.blocks[from.index()].term.targets_mut() {
                if target.block == block {
                    target.args.push(at_end[from]);
                }
            }
        }
    }
    // What is left of the reads has no uses.
    for &block in &data.blocks {
        let Function { blocks, insts, .. } = &mut *function;
        blocks[block.index()].insts.retain(|id| {
            let result = insts[id.index()].result;
            !result.is_some_and(|result| renamed.contains_key(&result))
        });
    }
}
