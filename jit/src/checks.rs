//! Fewer checks: those that hold already are removed, those that stay the same in a loop are made
//! in front of it.
//!
//! A check in front of a loop exits to the loop's head. It may exit although the loop would not have
//! come to the check: that costs time and nothing else.
//!
//! Invariant: a check is removed only if every way to it has made the same one, and nothing since
//! may have changed what it found.
//! Absent on purpose: making checks (`speculate`); arithmetic, which Cranelift moves.

use crate::cfg;
use crate::ir::*;
use crate::kinds::Kinds;
use crate::loops::Loops;
use ion_runtime::object::shape::ShapeId;
use ion_runtime::program::FuncId;
use rustc_hash::{FxHashMap, FxHashSet};

/// May the instruction change shapes, prototypes or methods of objects?
fn clobbers(inst: &Inst) -> bool {
    match inst.op {
        Op::SetProp { .. }
        | Op::CallValue { .. }
        | Op::CallKnown { .. }
        | Op::CallNative { .. } => true,
        // Magic methods.
        Op::Arith { .. } | Op::Compare { .. } | Op::GetProp { .. } => inst.after.is_some(),
        _ => false,
    }
}

/// Something that a check finds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Found {
    Shape(ValueId, ShapeId),
    Method(ValueId, Method),
    Closure(ValueId, FuncId, u32),
    Row(ValueId, Row),
}

impl Found {
    /// What an instruction finds.
    fn by(op: &Op) -> Option<Found> {
        Some(match op {
            Op::CheckShape { object, shape } | Op::AssumeShape { object, shape } => {
                Found::Shape(*object, *shape)
            }
            Op::CheckMethod { object, method } => Found::Method(*object, method.clone()),
            Op::CheckClosure { function, func, captures } => {
                Found::Closure(*function, *func, *captures)
            }
            Op::CheckRow { object, row } => Found::Row(*object, *row),
            _ => return None,
        })
    }

    /// Kinds of objects, closures and rows stay what they are.
    fn may_change(&self) -> bool {
        matches!(self, Found::Shape(..) | Found::Method(..))
    }

    /// Does writing the slot change it?
    fn is_changed_by(&self, slot: &Slot) -> bool {
        match self {
            Found::Method(_, method) => {
                method.chain.last() == Some(&slot.shape) && method.slot == slot.at
            }
            _ => false,
        }
    }

    fn is_check(op: &Op) -> bool {
        matches!(
            op,
            Op::CheckShape { .. }
                | Op::CheckMethod { .. }
                | Op::CheckClosure { .. }
                | Op::CheckRow { .. }
        )
    }
}

/// Moves checks out of loops and removes those that are made again.
pub fn reduce(function: &mut Function) {
    if function.insts.iter().any(|inst| inst.exit.is_some() && inst.op != Op::LoopHead) {
        hoist(function);
        remove_repeated(function);
        crate::slots::keep(function);
        share_numbers(function);
    }
}

/// Drops what only helps with checks.
pub fn finish(function: &mut Function) {
    for block in &mut function.blocks {
        block.insts.retain(|inst| {
            !matches!(function.insts[inst.index()].op, Op::LoopHead | Op::AssumeShape { .. })
        });
    }
}

/// A value that was found to be a Number is one wherever that was found.
fn share_numbers(function: &mut Function) {
    let order = cfg::reverse_postorder(function);
    let dominators = cfg::Dominators::new(function, &order);
    let mut found: FxHashMap<ValueId, Vec<(BlockId, ValueId)>> = FxHashMap::default();
    let mut renamed: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    for &block in &order {
        for &id in &function.block(block).insts {
            let inst = function.inst(id);
            let (Op::AsNumber { a }, Some(result)) = (&inst.op, inst.result) else { continue };
            let a = renamed.get(a).copied().unwrap_or(*a);
            let known = found.entry(a).or_default();
            match known.iter().find(|(from, _)| dominators.dominates(*from, block)) {
                Some(&(_, number)) => {
                    renamed.insert(result, number);
                }
                None => known.push((block, result)),
            }
        }
    }
    if !renamed.is_empty() {
        crate::simplify::rename_all(function, &renamed);
    }
}

/// Moves checks in front of loops, from the inside out.
fn hoist(function: &mut Function) {
    let deepest = Loops::new(function).loops.iter().map(|it| it.depth).max().unwrap_or(0);
    for depth in (1..=deepest).rev() {
        let loops = Loops::new(function);
        for index in 0..loops.loops.len() as u32 {
            if loops.loops[index as usize].depth == depth {
                hoist_from(function, &loops, index);
            }
        }
    }
}

/// What the instructions of a loop change, and which closures they check.
pub struct Changes {
    /// May anything be changed?
    pub clobbered: bool,
    /// Elements are added or removed.
    lengths: bool,
    slots: FxHashSet<(ShapeId, u32)>,
    stores: Vec<Slot>,
    /// Closures that are checked there.
    closures: FxHashSet<ValueId>,
}

impl Changes {
    /// What the instructions of these blocks change.
    pub fn of(function: &Function, blocks: &[BlockId]) -> Changes {
        let mut changes = Changes {
            clobbered: false,
            lengths: false,
            slots: FxHashSet::default(),
            stores: Vec::new(),
            closures: FxHashSet::default(),
        };
        for &block in blocks {
            for &id in &function.block(block).insts {
                let inst = function.inst(id);
                changes.clobbered |= clobbers(inst);
                match inst.op {
                    Op::StoreSlot { slot, .. } => {
                        changes.slots.insert((slot.shape, slot.at));
                        changes.stores.push(slot);
                    }
                    Op::StoreElement { .. } => changes.lengths = true,
                    Op::CheckClosure { function: closure, .. } => {
                        changes.closures.insert(closure);
                    }
                    _ => {}
                }
            }
        }
        changes
    }
}

/// Parameters of a loop's header that every turn passes on as they are.
pub fn unchanged(function: &Function, loops: &Loops, index: u32) -> Vec<usize> {
    let data = &loops.loops[index as usize];
    let params = &function.block(data.header).params;
    let mut unchanged = vec![true; params.len()];
    for latch in &data.latches {
        for target in function.block(*latch).term.targets() {
            if target.block == data.header {
                for ((same, param), arg) in unchanged.iter_mut().zip(params).zip(&target.args) {
                    *same &= param == arg;
                }
            }
        }
    }
    (0..params.len()).filter(|&at| unchanged[at]).collect()
}

fn hoist_from(function: &mut Function, loops: &Loops, index: u32) {
    let data = &loops.loops[index as usize];
    let header = data.header;
    let head = function.block(header).insts.first().copied();
    let Some(head) = head.filter(|&head| function.inst(head).op == Op::LoopHead) else { return };
    let unchanged = unchanged(function, loops, index);
    let mut invariant_params: FxHashSet<ValueId> = FxHashSet::default();
    invariant_params.extend(unchanged.iter().map(|&at| function.block(header).params[at]));
    let changes = Changes::of(function, &data.blocks);
    let order = cfg::reverse_postorder(function);
    let dominators = cfg::Dominators::new(function, &order);
    let every_turn =
        |block: BlockId| data.latches.iter().all(|&latch| dominators.dominates(block, latch));
    // What is moved is invariant from then on.
    let mut moved: FxHashSet<ValueId> = FxHashSet::default();
    let mut checked: FxHashSet<Found> = FxHashSet::default();
    let mut out: Vec<InstId> = Vec::new();
    for &block in &data.blocks {
        if !every_turn(block) {
            continue;
        }
        for &id in &function.block(block).insts {
            let inst = function.inst(id);
            let mut invariant = true;
            inst.op.visit(|value| {
                invariant &= loops.is_invariant(index, value)
                    || moved.contains(&value)
                    || invariant_params.contains(&value);
            });
            if !invariant {
                continue;
            }
            let movable = match &inst.op {
                op if Found::is_check(op) => {
                    let found = Found::by(op).filter(|found| {
                        let changed = changes.stores.iter().any(|slot| found.is_changed_by(slot));
                        !(changed || found.may_change() && changes.clobbered)
                    });
                    found.is_some_and(|found| checked.insert(found))
                }
                Op::AsNumber { .. } => true,
                Op::LoadSlot { object, slot, .. } => {
                    !changes.clobbered
                        && !changes.slots.contains(&(slot.shape, slot.at))
                        && checked.contains(&Found::Shape(*object, slot.shape))
                }
                // Closures never change; one that is not checked in the loop was checked before it.
                Op::LoadCapture { function: closure, .. } | Op::LoadBound { function: closure } => {
                    let is_of =
                        |found: &Found| matches!(found, Found::Closure(of, ..) if of == closure);
                    checked.iter().any(is_of) || !changes.closures.contains(closure)
                }
                Op::RowLength { object, row } => {
                    !changes.clobbered
                        && !changes.lengths
                        && checked.contains(&Found::Row(*object, *row))
                }
                _ => false,
            };
            if movable {
                out.push(id);
                moved.extend(inst.result);
            }
        }
    }
    let counted = numbers_from_outside(function, loops, index);
    if out.is_empty() && counted.is_empty() {
        return;
    }
    let front = front_of(function, loops, index, head, &unchanged);
    let Some((front, exit)) = front else { return };
    for block in &data.blocks {
        let moves: &Vec<InstId> = &out;
        function.blocks[block.index()].insts.retain(|inst| !moves.contains(inst));
    }
    let frame = function.inst(head).frame;
    for &id in &out {
        let inst = &mut function.insts[id.index()];
        if inst.exit.is_some() {
            inst.exit = Some(exit);
            inst.frame = frame;
        }
    }
    function.blocks[front.index()].insts.extend(out);
    // The header gets Numbers from outside.
    for param in counted {
        let place = function.block(header).params.iter().position(|&it| it == param);
        let Some(place) = place else { continue };
        let Terminator::Jump(target) = &function.block(front).term else { continue };
        let a = target.args[place];
        let Inst { frame, pc, .. } = *function.inst(head);
        let check = function.add_inst(Op::AsNumber { a }, frame, pc);
        let number = function.add_value(Kinds::NUMBER, ValueDef::Inst(check));
        function.insts[check.index()].result = Some(number);
        function.insts[check.index()].exit = Some(exit);
        function.blocks[front.index()].insts.push(check);
        if let Terminator::Jump(target) = &mut function.blocks[front.index()].term {
            target.args[place] = number;
        }
    }
}

/// Parameters of a loop's header that the loop takes for Numbers, and that are one on some way in.
fn numbers_from_outside(function: &Function, loops: &Loops, index: u32) -> Vec<ValueId> {
    let data = &loops.loops[index as usize];
    let mut wanted: FxHashSet<ValueId> = FxHashSet::default();
    for &block in &data.blocks {
        for &id in &function.block(block).insts {
            if let Op::AsNumber { a } = function.inst(id).op {
                wanted.insert(a);
            }
        }
    }
    let header = function.block(data.header);
    let order = cfg::reverse_postorder(function);
    let mut found = Vec::new();
    for (at, &param) in header.params.iter().enumerate() {
        if function.kinds(param) == Kinds::NUMBER || !wanted.contains(&param) {
            continue;
        }
        let some_number = order.iter().any(|&from| {
            let outside = !loops.contains(index, from);
            outside
                && function.block(from).term.targets().any(|target| {
                    target.block == data.header && function.kinds(target.args[at]) == Kinds::NUMBER
                })
        });
        if some_number {
            found.push(param);
        }
    }
    found
}

/// A new block through which all ways into the loop lead, and the state there. Parameters of the
/// header that are `unchanged` become those of the new block.
pub fn front_of(
    function: &mut Function,
    loops: &Loops,
    index: u32,
    head: InstId,
    unchanged: &[usize],
) -> Option<(BlockId, StateId)> {
    let header = loops.loops[index as usize].header;
    let order = cfg::reverse_postorder(function);
    let predecessors = cfg::predecessors(function, &order);
    let outside: Vec<BlockId> = predecessors[header.index()]
        .iter()
        .copied()
        .filter(|&from| !loops.contains(index, from))
        .collect();
    let dispatched =
        outside.iter().any(|from| matches!(function.block(*from).term, Terminator::Dispatch(_)));
    if dispatched || outside.is_empty() {
        return None;
    }
    let exit = function.inst(head).exit?;
    let front = function.add_block();
    let params = function.block(header).params.clone();
    let mut renamed: FxHashMap<ValueId, ValueId> = FxHashMap::default();
    let mut args = Vec::with_capacity(params.len());
    for (at, param) in params.into_iter().enumerate() {
        if unchanged.contains(&at) {
            function.blocks[front.index()].params.push(param);
            function.values[param.index()].def = ValueDef::Param(front);
            continue;
        }
        let new = function.add_param(front, function.kinds(param));
        renamed.insert(param, new);
        args.push(new);
    }
    for from in outside {
        for target in function.blocks[from.index()].term.targets_mut() {
            if target.block == header {
                target.block = front;
            }
        }
    }
    function.blocks[front.index()].term = Terminator::Jump(Target { block: header, args });
    // The header keeps those that change.
    let keep = |list: &mut Vec<ValueId>| {
        let mut at = 0;
        list.retain(|_| {
            at += 1;
            !unchanged.contains(&(at - 1))
        });
    };
    keep(&mut function.blocks[header.index()].params);
    for latch in &loops.loops[index as usize].latches {
        for target in function.blocks[latch.index()].term.targets_mut() {
            if target.block == header {
                keep(&mut target.args);
            }
        }
    }
    // The state of the head, from the outermost caller's on.
    let chain: Vec<StateId> =
        std::iter::successors(Some(exit), |state| function.state(*state).parent).collect();
    let mut parent = None;
    for state in chain.into_iter().rev() {
        let mut copy = function.state(state).clone();
        copy.parent = parent;
        for (_, value) in &mut copy.regs {
            *value = renamed.get(value).copied().unwrap_or(*value);
        }
        parent = Some(function.add_state(copy));
    }
    parent.map(|exit| (front, exit))
}

/// Removes checks of what is known already: a forward analysis over bit sets.
fn remove_repeated(function: &mut Function) {
    let order = cfg::reverse_postorder(function);
    let mut numbers: FxHashMap<Found, u32> = FxHashMap::default();
    let mut all: Vec<Found> = Vec::new();
    let mut number = |found: Found| {
        *numbers.entry(found.clone()).or_insert_with(|| {
            all.push(found);
            all.len() as u32 - 1
        })
    };
    // What each instruction finds.
    let mut finds: FxHashMap<InstId, Vec<u32>> = FxHashMap::default();
    for &block in &order {
        for &id in &function.block(block).insts {
            let inst = function.inst(id);
            let mut list = Vec::new();
            list.extend(Found::by(&inst.op).map(&mut number));
            match (&inst.op, inst.result) {
                (Op::CheckMethod { object, method }, _) => {
                    list.push(number(Found::Shape(*object, method.chain[0])));
                }
                (Op::NewArray { .. }, Some(result)) if function.kinds(result) == Kinds::ARRAY => {
                    list.push(number(Found::Row(result, Row::Array)));
                }
                _ => {}
            }
            if !list.is_empty() {
                finds.insert(id, list);
            }
        }
    }
    if all.is_empty() {
        return;
    }
    let words = all.len().div_ceil(64);
    let predecessors = cfg::predecessors(function, &order);
    let mut known_at_end: FxHashMap<BlockId, Vec<u64>> = FxHashMap::default();
    let step = |known: &mut [u64], id: InstId| {
        let inst = function.inst(id);
        if clobbers(inst) {
            for (at, found) in all.iter().enumerate() {
                if found.may_change() {
                    known[at / 64] &= !(1 << (at % 64));
                }
            }
        }
        if let Op::StoreSlot { slot, .. } = &inst.op {
            for (at, found) in all.iter().enumerate() {
                if found.is_changed_by(slot) {
                    known[at / 64] &= !(1 << (at % 64));
                }
            }
        }
        for &found in finds.get(&id).into_iter().flatten() {
            known[found as usize / 64] |= 1 << (found % 64);
        }
    };
    let at_start = |known_at_end: &FxHashMap<BlockId, Vec<u64>>, block: BlockId| {
        if block == function.entry {
            return vec![0; words];
        }
        let mut known = vec![u64::MAX; words];
        for from in &predecessors[block.index()] {
            // Blocks not yet seen are taken to know everything.
            if let Some(end) = known_at_end.get(from) {
                known.iter_mut().zip(end).for_each(|(known, end)| *known &= end);
            }
        }
        known
    };
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for &block in &order {
            let mut known = at_start(&known_at_end, block);
            function.block(block).insts.iter().for_each(|&id| step(&mut known, id));
            if known_at_end.get(&block) != Some(&known) {
                known_at_end.insert(block, known);
                changed = true;
            }
        }
    }
    let mut superfluous: FxHashSet<InstId> = FxHashSet::default();
    for &block in &order {
        let mut known = at_start(&known_at_end, block);
        for &id in &function.block(block).insts {
            let op = &function.inst(id).op;
            let own = finds.get(&id).and_then(|list| list.first()).copied();
            if let Some(own) = own.filter(|_| Found::is_check(op))
                && known[own as usize / 64] >> (own % 64) & 1 != 0
            {
                superfluous.insert(id);
            }
            step(&mut known, id);
        }
    }
    for &block in &order {
        function.blocks[block.index()].insts.retain(|inst| !superfluous.contains(inst));
    }
}
