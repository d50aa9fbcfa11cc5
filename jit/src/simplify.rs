//! Making a function smaller without changing what it does.
//!
//! Parameters that only ever get one value go first, since inference is cheaper without them. Then
//! what inference found is put in place, unused instructions are dropped, and blocks in a row become
//! one.
//!
//! Invariant: charges and safepoints stay, in their order; so do instructions that may end the
//! process, use memory without bound, or run other code.
//! Absent on purpose: common subexpressions and moving of code, which Cranelift does.

use crate::build::Env;
use crate::cfg;
use crate::infer::{Inference, Known, known};
use crate::ir::*;
use crate::kinds::{self, Facts, Kinds};
use crate::points;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Which value stands for which: a forest with path compression.
struct Aliases(Vec<ValueId>);

impl Aliases {
    fn new(function: &Function) -> Aliases {
        Aliases((0..function.values.len() as u32).map(ValueId).collect())
    }

    fn find(&mut self, value: ValueId) -> ValueId {
        // Constants made meanwhile stand for themselves.
        if value.index() >= self.0.len() {
            return value;
        }
        let mut root = value;
        while root.index() < self.0.len() && self.0[root.index()] != root {
            root = self.0[root.index()];
        }
        let mut at = value;
        while at != root {
            at = std::mem::replace(&mut self.0[at.index()], root);
        }
        root
    }

    fn set(&mut self, value: ValueId, stands_for: ValueId) {
        let root = self.find(stands_for);
        if root != value {
            self.0[value.index()] = root;
        }
    }
}

/// Replaces values everywhere; environments of blocks too.
fn rename(function: &mut Function, aliases: &mut Aliases, envs: &mut [Env]) {
    let order = cfg::reverse_postorder(function);
    for &block in &order {
        let Function { blocks, insts, .. } = &mut *function;
        let block = &mut blocks[block.index()];
        for &inst in &block.insts {
            insts[inst.index()].op.map(|value| aliases.find(value));
        }
        block.term.map(|value| aliases.find(value));
    }
    for state in &mut function.states {
        state.regs.iter_mut().for_each(|(_, value)| *value = aliases.find(*value));
        if let Some(owed) = &mut state.owed {
            owed.turns.operands_mut().into_iter().for_each(|value| *value = aliases.find(*value));
        }
    }
    for env in envs {
        env.regs.iter_mut().for_each(|(_, value)| *value = aliases.find(*value));
    }
}

/// Replaces values everywhere by others that are the same.
pub fn rename_all(function: &mut Function, renamed: &FxHashMap<ValueId, ValueId>) {
    let mut aliases = Aliases::new(function);
    renamed.iter().for_each(|(&value, &stands_for)| aliases.set(value, stands_for));
    rename(function, &mut aliases, &mut []);
}

/// Removes parameters for which `remove` holds, with the arguments of the edges.
fn remove_params(function: &mut Function, remove: impl Fn(ValueId) -> bool) {
    let masks: Vec<Option<Vec<bool>>> = function
        .blocks
        .iter_mut()
        .enumerate()
        .map(|(at, block)| {
            let mask: Vec<bool> = block.params.iter().map(|&param| !remove(param)).collect();
            if BlockId(at as u32) == function.entry || mask.iter().all(|&keep| keep) {
                return None;
            }
            retain(&mut block.params, &mask);
            Some(mask)
        })
        .collect();
    for block in &mut function.blocks {
        for target in block.term.targets_mut() {
            if let Some(mask) = &masks[target.block.index()] {
                retain(&mut target.args, mask);
            }
        }
    }
}

fn retain(values: &mut Vec<ValueId>, mask: &[bool]) {
    let mut mask = mask.iter();
    values.retain(|_| *mask.next().unwrap_or(&true));
}

/// Removes parameters to which every edge passes the same value or the parameter itself.
pub fn remove_trivial_params(function: &mut Function, envs: &mut [Env]) {
    let order = cfg::reverse_postorder(function);
    let mut aliases = Aliases::new(function);
    {
        let mut incoming: Vec<Vec<&Target>> = vec![Vec::new(); function.blocks.len()];
        for &block in &order {
            for target in function.block(block).term.targets() {
                incoming[target.block.index()].push(target);
            }
        }
        // Places of parameters, in the order of the blocks; and which of them each parameter feeds.
        let mut places = Vec::new();
        for &block in &order {
            if block != function.entry {
                let params = &function.block(block).params;
                places.extend(params.iter().enumerate().map(|(at, &param)| (block, at, param)));
            }
        }
        let mut feeds: Vec<Vec<u32>> = vec![Vec::new(); function.values.len()];
        for (place, &(block, at, _)) in places.iter().enumerate() {
            for target in &incoming[block.index()] {
                if let ValueDef::Param(_) = function.values[target.args[at].index()].def {
                    feeds[target.args[at].index()].push(place as u32);
                }
            }
        }
        let mut queue: VecDeque<u32> = (0..places.len() as u32).collect();
        let mut queued = vec![true; places.len()];
        while let Some(place) = queue.pop_front() {
            queued[place as usize] = false;
            let (block, at, param) = places[place as usize];
            if aliases.find(param) != param {
                continue;
            }
            let mut only = None;
            let mut trivial = true;
            for target in &incoming[block.index()] {
                let arg = aliases.find(target.args[at]);
                if arg != param && *only.get_or_insert(arg) != arg {
                    trivial = false;
                    break;
                }
            }
            let Some(value) = only.filter(|_| trivial) else { continue };
            aliases.set(param, value);
            // What the parameter fed is now fed by the value. The longer list is kept.
            let mut fed = std::mem::take(&mut feeds[param.index()]);
            for &place in &fed {
                if !std::mem::replace(&mut queued[place as usize], true) {
                    queue.push_back(place);
                }
            }
            let others = &mut feeds[value.index()];
            if others.len() < fed.len() {
                std::mem::swap(others, &mut fed);
            }
            others.append(&mut fed);
        }
    }
    rename(function, &mut aliases, envs);
    remove_params(function, |param| aliases.0[param.index()] != param);
}

/// Puts in place what inference found: kinds, constants, known callees, decided branches; drops
/// states that are not needed.
pub fn specialise(function: &mut Function, inference: &Inference, facts: &dyn Facts) {
    function.magic = facts.magic();
    let order = cfg::reverse_postorder(function);
    let mut aliases = Aliases::new(function);
    for (at, fact) in inference.values.iter().enumerate() {
        function.values[at].kinds = fact.kinds;
        let is_constant = matches!(function.values[at].def, ValueDef::Const(_));
        if let Some(constant) = fact.constant
            && !is_constant
        {
            let value = function.constant(constant, fact.kinds);
            aliases.set(ValueId(at as u32), value);
        }
    }
    for &block in &order {
        if !inference.reached[block.index()] {
            continue;
        }
        let insts = std::mem::take(&mut function.blocks[block.index()].insts);
        let mut kept = Vec::with_capacity(insts.len());
        for inst in insts {
            kept.push(inst);
            specialise_inst(function, inference, facts, &mut aliases, inst, &mut kept);
        }
        function.blocks[block.index()].insts = kept;
        specialise_term(function, inference, &mut aliases, block);
    }
    rename(function, &mut aliases, &mut []);
    remove_params(function, |param| {
        aliases.0.get(param.index()).is_some_and(|&alias| alias != param)
    });
}

fn specialise_inst(
    function: &mut Function,
    inference: &Inference,
    facts: &dyn Facts,
    aliases: &mut Aliases,
    id: InstId,
    kept: &mut Vec<InstId>,
) {
    let kinds =
        |value: ValueId| inference.values.get(value.index()).map_or(Kinds::ANY, |f| f.kinds);
    let inst = function.inst(id);
    if inst.after.is_some() && !points::needs_after(&inst.op, kinds, function.magic) {
        function.insts[id.index()].after = None;
    }
    let inst = function.inst(id);
    let Some(result) = inst.result else { return };
    // What never comes to be has no other name.
    if kinds(result).is_none() {
        return;
    }
    let decided = |function: &Function, aliases: &mut Aliases, value: ValueId| {
        let constant = function.as_constant(aliases.find(value));
        constant.and_then(|constant| constant.value.as_boolean())
    };
    match inst.op.clone() {
        Op::Truth { a } if kinds(a) == Kinds::BOOLEAN => aliases.set(result, a),
        Op::AsNumber { a } if kinds(a) == Kinds::NUMBER => aliases.set(result, a),
        Op::Not { a } => {
            let a = aliases.find(a);
            if let Some(Inst { op: Op::Not { a }, .. }) = function.as_inst(a) {
                aliases.set(result, *a);
            }
        }
        Op::And { a, b } => match (decided(function, aliases, a), decided(function, aliases, b)) {
            (Some(true), _) => aliases.set(result, b),
            (_, Some(true)) => aliases.set(result, a),
            _ => {}
        },
        Op::Or { a, b } => match (decided(function, aliases, a), decided(function, aliases, b)) {
            (Some(false), _) => aliases.set(result, b),
            (_, Some(false)) => aliases.set(result, a),
            _ => {}
        },
        Op::Capture { function: of, cell, value } => {
            if !kinds(cell).intersects(Kinds::ABSENT) || !kinds(of).intersects(Kinds::FUNCTION) {
                aliases.set(result, cell);
            } else if kinds(cell) == Kinds::ABSENT && kinds(of) == Kinds::FUNCTION {
                aliases.set(result, value);
            }
        }
        Op::CallValue { function: callee, args } => {
            let Some((known, captures)) = known(function, inference, facts, callee) else { return };
            let args = captures.iter().chain(&args).copied().collect();
            match known {
                Known::Bytecode(func) => {
                    function.insts[id.index()].op = Op::CallKnown { func, this: None, args };
                    function.insts[id.index()].exit = None;
                }
                Known::Native(native) => {
                    function.insts[id.index()].op = Op::CallNative { native, args };
                    kept.extend(charge_native(function, id, result));
                }
            }
        }
        _ => {}
    }
}

/// The safepoint behind a call that turns out to be one of a library function. In instruction mode
/// the check that follows every call stays behind it, and finds nothing.
fn charge_native(function: &mut Function, call: InstId, result: ValueId) -> Option<InstId> {
    let Inst { pc, frame, after, .. } = *function.inst(call);
    let mut state = function.state(after?).clone();
    if let Some(dst) = state.dst.take()
        && dst.live
    {
        let at = state.regs.partition_point(|&(reg, _)| reg < dst.reg);
        state.regs.insert(at, (dst.reg, result));
    }
    let cost = points::call_cost(function.mode);
    let state = function.add_state(state);
    let safepoint = function.add_inst(Op::Safepoint { cost, at: SafepointAt::After }, frame, pc);
    function.insts[safepoint.index()].after = Some(state);
    Some(safepoint)
}

fn specialise_term(
    function: &mut Function,
    inference: &Inference,
    aliases: &mut Aliases,
    block: BlockId,
) {
    let term = &function.block(block).term;
    if term.operand().is_some_and(|value| inference.kinds(value).is_none()) {
        function.blocks[block.index()].term = Terminator::Unreachable;
        return;
    }
    let Terminator::Branch { cond, then, otherwise } = term else { return };
    let cond = aliases.find(*cond);
    let constant = function.as_constant(cond).and_then(|constant| constant.value.as_boolean());
    let new = match (constant, function.as_inst(cond)) {
        (Some(true), _) => Terminator::Jump(then.clone()),
        (Some(false), _) => Terminator::Jump(otherwise.clone()),
        (None, Some(Inst { op: Op::Not { a }, .. })) => {
            Terminator::Branch { cond: *a, then: otherwise.clone(), otherwise: then.clone() }
        }
        _ => return,
    };
    function.blocks[block.index()].term = new;
}

/// May the instruction be dropped if nothing uses what it gives?
fn is_removable(function: &Function, inst: &Inst) -> bool {
    match inst.op {
        _ if inst.op.only_computes() => true,
        // A repeated string may be longer than the memory limit.
        Op::Arith { .. } => {
            let kinds = inst.result.map_or(Kinds::ANY, |value| function.kinds(value));
            inst.after.is_none() && !kinds.intersects(Kinds::STRING)
        }
        Op::Compare { .. } => inst.after.is_none(),
        // Of an object it may be protected.
        Op::GetProp { object, .. } => {
            inst.after.is_none() && !kinds::may_have_properties(function.kinds(object))
        }
        Op::SetProp { object, .. } => !kinds::set_prop_may_act(function.kinds(object)),
        _ => false,
    }
}

/// Drops instructions and parameters that nothing needs.
pub fn remove_dead(function: &mut Function) {
    let order = cfg::reverse_postorder(function);
    let mut live = Liveness {
        values: vec![false; function.values.len()],
        states: vec![false; function.states.len()],
        insts: vec![false; function.insts.len()],
        open: Vec::new(),
    };
    // Each parameter with its place, and the edges into each block.
    let mut incoming: Vec<Vec<(BlockId, usize)>> = vec![Vec::new(); function.blocks.len()];
    let mut place = vec![0u32; function.values.len()];
    for &block in &order {
        for (at, &param) in function.block(block).params.iter().enumerate() {
            place[param.index()] = at as u32;
        }
        for (edge, target) in function.block(block).term.targets().enumerate() {
            incoming[target.block.index()].push((block, edge));
        }
    }
    for &block in &order {
        let block = function.block(block);
        for &id in &block.insts {
            if !is_removable(function, function.inst(id)) {
                live.inst(function, id);
            }
        }
        block.term.operand().into_iter().for_each(|value| live.value(value));
    }
    while let Some(value) = live.open.pop() {
        match function.values[value.index()].def {
            ValueDef::Const(_) => {}
            ValueDef::Inst(inst) => live.inst(function, inst),
            ValueDef::Param(block) => {
                for &(from, edge) in &incoming[block.index()] {
                    if let Some(target) = function.block(from).term.targets().nth(edge) {
                        live.value(target.args[place[value.index()] as usize]);
                    }
                }
            }
        }
    }
    for &block in &order {
        function.blocks[block.index()].insts.retain(|inst| live.insts[inst.index()]);
    }
    remove_params(function, |param| !live.values[param.index()]);
}

struct Liveness {
    values: Vec<bool>,
    states: Vec<bool>,
    insts: Vec<bool>,
    /// Values found live whose origin is still to be looked at.
    open: Vec<ValueId>,
}

impl Liveness {
    fn value(&mut self, value: ValueId) {
        if !std::mem::replace(&mut self.values[value.index()], true) {
            self.open.push(value);
        }
    }

    fn inst(&mut self, function: &Function, id: InstId) {
        if std::mem::replace(&mut self.insts[id.index()], true) {
            return;
        }
        let inst = function.inst(id);
        inst.op.visit(|value| self.value(value));
        for state in inst.states() {
            let mut next = Some(state);
            while let Some(state) = next {
                if std::mem::replace(&mut self.states[state.index()], true) {
                    break;
                }
                let state = function.state(state);
                state.regs.iter().for_each(|&(_, value)| self.value(value));
                next = state.parent;
            }
        }
    }
}

/// Makes one block of two if one always leads to the other and nothing else does.
pub fn merge_blocks(function: &mut Function) {
    let order = cfg::reverse_postorder(function);
    let mut ways_in = vec![0u32; function.blocks.len()];
    for &block in &order {
        function.block(block).term.visit_successors(|to| ways_in[to.index()] += 1);
    }
    let mut aliases = Aliases::new(function);
    let mut merged = vec![false; function.blocks.len()];
    for &block in &order {
        if merged[block.index()] {
            continue;
        }
        while let Terminator::Jump(target) = &function.block(block).term {
            if ways_in[target.block.index()] != 1 || target.block == block {
                break;
            }
            let Target { block: next, args } = target.clone();
            merged[next.index()] = true;
            let next = &mut function.blocks[next.index()];
            let params = std::mem::take(&mut next.params);
            let insts = std::mem::take(&mut next.insts);
            let term = std::mem::replace(&mut next.term, Terminator::Unreachable);
            params.iter().zip(args).for_each(|(&param, arg)| aliases.set(param, arg));
            let block = &mut function.blocks[block.index()];
            block.insts.extend(insts);
            block.term = term;
        }
    }
    rename(function, &mut aliases, &mut []);
}

/// Everything that needs no further facts.
pub fn clean(function: &mut Function) {
    remove_trivial_params(function, &mut []);
    remove_dead(function);
    merge_blocks(function);
}
