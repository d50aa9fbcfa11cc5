//! Checking that a function is well-formed; for tests and debug builds.
//!
//! Absent on purpose: whether it does the right thing.

use crate::build::Source;
use crate::cfg::{self, Dominators};
use crate::ir::*;
use crate::kinds::Kinds;
use crate::points;
use ion_runtime::program::FuncId;
use rustc_hash::FxHashMap;

/// Checks `function`. If `source` gives the bytecode of a function, its states must name exactly the
/// live registers. The error says what is wrong and where.
pub fn verify<'a>(
    function: &Function,
    source: impl Fn(FuncId) -> Option<Source<'a>>,
) -> Result<(), String> {
    let order = cfg::reverse_postorder(function);
    let mut checker = Checker {
        function,
        dominators: Dominators::new(function, &order),
        places: FxHashMap::default(),
    };
    for &block in &order {
        let data = function.block(block);
        for &param in &data.params {
            checker.define(param, block, 0)?;
            if function.values[param.index()].def != ValueDef::Param(block) {
                return Err(format!("{param} of {block} is defined elsewhere"));
            }
        }
        for (at, &id) in data.insts.iter().enumerate() {
            let inst = function.inst(id);
            for value in [inst.result, inst.second].into_iter().flatten() {
                checker.define(value, block, at as u32 + 1)?;
                if function.values[value.index()].def != ValueDef::Inst(id) {
                    return Err(format!("{value} of {id} is defined elsewhere"));
                }
            }
        }
    }
    for &block in &order {
        checker.block(block, &source).map_err(|error| format!("{block}: {error}"))?;
    }
    Ok(())
}

struct Checker<'f> {
    function: &'f Function,
    dominators: Dominators,
    /// Block and place in it of each definition; parameters are at 0.
    places: FxHashMap<ValueId, (BlockId, u32)>,
}

impl Checker<'_> {
    fn define(&mut self, value: ValueId, block: BlockId, at: u32) -> Result<(), String> {
        match self.places.insert(value, (block, at)) {
            Some((other, _)) => Err(format!("{value} is defined in {other} and in {block}")),
            None => Ok(()),
        }
    }

    fn used(&self, value: ValueId, block: BlockId, at: u32) -> Result<(), String> {
        if matches!(self.function.values[value.index()].def, ValueDef::Const(_)) {
            return Ok(());
        }
        let Some(&(from, place)) = self.places.get(&value) else {
            return Err(format!("{value} is used but not defined"));
        };
        let dominated =
            if from == block { place < at } else { self.dominators.dominates(from, block) };
        dominated.then_some(()).ok_or_else(|| format!("{value} of {from} does not reach its use"))
    }

    fn block<'a>(
        &self,
        block: BlockId,
        source: &impl Fn(FuncId) -> Option<Source<'a>>,
    ) -> Result<(), String> {
        let function = self.function;
        let data = function.block(block);
        for (at, &id) in data.insts.iter().enumerate() {
            let at = at as u32 + 1;
            let inst = function.inst(id);
            let mut values = Vec::new();
            inst.op.visit(|value| values.push(value));
            for value in values {
                self.used(value, block, at).map_err(|error| format!("{:?}: {error}", inst.op))?;
            }
            if let Op::Not { a } | Op::And { a, .. } | Op::Or { a, .. } = inst.op {
                self.boolean(a)?;
            }
            if let Op::And { b, .. } | Op::Or { b, .. } = inst.op {
                self.boolean(b)?;
            }
            self.states(inst, block, at, source)
                .map_err(|error| format!("state of {:?} at @{}: {error}", inst.op, inst.pc))?;
        }
        let end = data.insts.len() as u32 + 1;
        if let Some(value) = data.term.operand() {
            self.used(value, block, end)?;
        }
        if let Terminator::Branch { cond, .. } = data.term {
            self.boolean(cond)?;
        }
        for target in data.term.targets() {
            if target.block == function.entry {
                return Err("edge to the entry".to_string());
            }
            let params = &function.block(target.block).params;
            if params.len() != target.args.len() {
                return Err(format!(
                    "{} arguments for {} parameters of {}",
                    target.args.len(),
                    params.len(),
                    target.block
                ));
            }
            for (&param, &arg) in params.iter().zip(&target.args) {
                self.used(arg, block, end)?;
                if !function.kinds(param).contains(function.kinds(arg)) {
                    return Err(format!(
                        "{arg}: {} is passed to {param}: {}",
                        function.kinds(arg),
                        function.kinds(param)
                    ));
                }
            }
        }
        match &data.term {
            Terminator::Dispatch(_) if block != function.entry || function.form == Form::Entry => {
                Err("dispatch in the middle".to_string())
            }
            Terminator::Dispatch(points) => {
                match points.iter().all(|(_, to)| function.block(*to).params.is_empty()) {
                    true => Ok(()),
                    false => Err("dispatch to a block that takes arguments".to_string()),
                }
            }
            _ => Ok(()),
        }
    }

    fn boolean(&self, value: ValueId) -> Result<(), String> {
        match Kinds::BOOLEAN.contains(self.function.kinds(value)) {
            true => Ok(()),
            false => Err(format!("{value} is {}, no boolean", self.function.kinds(value))),
        }
    }

    fn states<'a>(
        &self,
        inst: &Inst,
        block: BlockId,
        at: u32,
        source: &impl Fn(FuncId) -> Option<Source<'a>>,
    ) -> Result<(), String> {
        use Op::*;
        let function = self.function;
        let waits =
            matches!(inst.op, Receive | ReceiveWithTimeout { .. } | Link { .. } | Select { .. });
        if inst.before.is_some() != waits {
            return Err("the state to try again is missing or superfluous".to_string());
        }
        let leaves = waits
            || matches!(
                inst.op,
                CallValue { .. }
                    | CallKnown { .. }
                    | CallNative { .. }
                    | Yield { .. }
                    | Safepoint { .. }
            );
        if leaves && inst.after.is_none() {
            return Err("the state to go on is missing".to_string());
        }
        if inst.after.is_none()
            && matches!(inst.op, Arith { .. } | Compare { .. } | GetProp { .. } | SetProp { .. })
            && points::needs_after(&inst.op, |value| function.kinds(value), function.magic)
        {
            return Err("may run a magic method, but has no state to go on".to_string());
        }
        for (which, id) in [inst.before, inst.after, inst.exit].into_iter().enumerate() {
            let Some(id) = id else { continue };
            // A safepoint names values that exist; so does a state in which to try again.
            let mut values = Vec::new();
            function.visit_state(id, |value| values.push(value));
            for value in values {
                self.used(value, block, at)?;
            }
            let mut state = function.state(id);
            let own = &function.frames[inst.frame.index()];
            if state.func != own.func || state.parent.is_some() != own.caller.is_some() {
                return Err("not of the instruction's frame".to_string());
            }
            let mut later = match inst.op {
                ReceiveWithTimeout { .. } if which == 1 => {
                    source(state.func).and_then(|source| timeout_flag(source, inst.pc))
                }
                _ => None,
            };
            loop {
                if let Some(source) = source(state.func) {
                    live(state, source, later.take())?;
                }
                let Some(parent) = state.parent else { break };
                state = function.state(parent);
                if state.dst.is_none() {
                    return Err("a caller's state takes no result".to_string());
                }
            }
        }
        Ok(())
    }
}

fn timeout_flag(source: Source<'_>, pc: u32) -> Option<u16> {
    match source.instrs[pc as usize] {
        ion_runtime::bytecode::Instr::ReceiveWithTimeout { result, .. } => Some(result.0 as u16),
        _ => None,
    }
}

/// Does the state name the live registers, but for those that get their values later?
fn live(state: &State, source: Source<'_>, later: Option<u16>) -> Result<(), String> {
    let dst = state.dst.map(|dst| dst.reg);
    let expected =
        source.flow.live_registers(state.pc).filter(|&reg| Some(reg) != dst && Some(reg) != later);
    if !state.regs.iter().map(|&(reg, _)| reg).eq(expected) {
        return Err(format!("{:?} are not the live registers of @{}", state.regs, state.pc));
    }
    match state.dst {
        Some(dst) if dst.live != source.flow.is_live(state.pc, dst.reg) => {
            Err(format!("liveness of r{} at @{} is wrong", dst.reg, state.pc))
        }
        _ => Ok(()),
    }
}
