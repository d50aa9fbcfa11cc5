//! Where compiled code may be left and entered again, and what instructions charge.
//!
//! Invariant: interpreter and compiled code agree on this page. A resume point too many costs code,
//! one too few costs correctness.
//! Absent on purpose: which registers a record holds (liveness, `runtime::bytecode::flow`).

use crate::ir::Op;
use crate::kinds::{self, Kinds, Magic};
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::flow::Flow;

/// Where a process may be preempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// At function entries, backward jumps and operations of processes.
    Safepoint,
    /// Behind every instruction.
    Instruction,
}

/// Reductions that an instruction charges. For CALL it is the entry of the callee that charges, for
/// jumps it is the edge that is taken, see [`edge_cost`].
pub fn cost(instr: &Instr, mode: Mode) -> u32 {
    if mode == Mode::Instruction {
        return instr.cost();
    }
    match instr {
        Instr::Call { .. } => 1,
        Instr::Spawn { .. } | Instr::Send { .. } => 4,
        Instr::Receive { .. }
        | Instr::ReceiveWithTimeout { .. }
        | Instr::Link { .. }
        | Instr::Select { .. }
        | Instr::SelectWithKill { .. } => 2,
        _ => 0,
    }
}

/// Reductions that a call charges: the entry of a bytecode function, the return of a native one.
pub fn call_cost(mode: Mode) -> u32 {
    match mode {
        Mode::Safepoint => 1,
        Mode::Instruction => 2,
    }
}

/// Reductions that the edge from a jump, branch or MATCH at `from` to `to` charges; 0 means that the
/// edge is no safepoint.
pub fn edge_cost(instr: &Instr, from: u32, to: u32, mode: Mode) -> u32 {
    match mode {
        Mode::Instruction => instr.cost(),
        Mode::Safepoint => u32::from(to <= from),
    }
}

/// Where a record may go on because of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// At the instruction, to try it again.
    pub before: bool,
    /// Behind the instruction, once its result has been delivered.
    pub after: bool,
}

/// The resume points of an instruction whose operands may be anything.
pub fn points(instr: &Instr) -> Points {
    use Instr::*;
    match instr {
        Receive { .. }
        | ReceiveWithTimeout { .. }
        | Link { .. }
        | Select { .. }
        | SelectWithKill { .. } => Points { before: true, after: true },
        Call { .. }
        | Spawn { .. }
        | Send { .. }
        | Yield {}
        | Add { .. }
        | Sub { .. }
        | Mul { .. }
        | Div { .. }
        | Equal { .. }
        | NotEqual { .. }
        | LessThan { .. }
        | LessEqual { .. }
        | GreaterThan { .. }
        | GreaterEqual { .. }
        | GetProp { .. }
        | SetProp { .. } => Points { before: false, after: true },
        LoadConst { .. }
        | Move { .. }
        | And { .. }
        | Or { .. }
        | Not { .. }
        | Nop {}
        | ObjectInit { .. }
        | ArrayInit { .. }
        | MakeClosure { .. }
        | Return { .. }
        | Jump { .. }
        | JumpIfTrue { .. }
        | JumpIfFalse { .. }
        | Match { .. } => Points { before: false, after: false },
    }
}

/// Does an operation need its `after` state, given the kinds of its operands and the magic methods
/// that there may be?
pub fn needs_after(op: &Op, kinds: impl Fn(crate::ir::ValueId) -> Kinds, magic: Magic) -> bool {
    match op {
        Op::Arith { op, a, .. } => kinds::arith_may_call(*op, kinds(*a), magic),
        Op::Compare { op, a, b } => kinds::compare_may_call(*op, kinds(*a), kinds(*b), magic),
        Op::GetProp { object, .. } => kinds::may_have_properties(kinds(*object)) && magic.getattr(),
        Op::SetProp { object, .. } => kinds::may_have_properties(kinds(*object)) && magic.setattr(),
        _ => true,
    }
}

/// Bytecode indices at which a record may go on, whatever the kinds turn out to be: one flag for
/// each index, the implicit return included.
pub fn candidates(instrs: &[Instr], flow: &Flow, mode: Mode) -> Vec<bool> {
    let mut at = vec![mode == Mode::Instruction; instrs.len() + 1];
    at[0] = true;
    for &header in &flow.loop_headers {
        at[header as usize] = true;
    }
    for (pc, instr) in instrs.iter().enumerate() {
        let points = points(instr);
        at[pc] |= points.before;
        at[pc + 1] |= points.after;
    }
    at
}
