//! Where the reductions that are left stand while code runs.
//!
//! They belong in the process ([`layout::PROCESS_FUEL`]), but a load and a store for each charge make a chain
//! through memory that costs more than what is charged for. So they are *held* in a value, which is passed to
//! compiled functions and comes back with their results, and stored only in front of what may look at them: helpers,
//! and cold blocks that leave the function. Where paths meet they are held if a charge, call or return is
//! what comes next.
//!
//! Charges on one path are also put together. As long as nothing is written or called and no check may exit, it
//! cannot be seen whether a safepoint looks at the budget at once: one look, ahead of that, is for all of them. If
//! the budget is gone there, a cold block finds the safepoint at which it went, and leaves in its state.
//!
//! Invariant: where they are not held, the process has them. Every instruction that may look at them, or change
//! them, starts and ends with them in the process, and what writes starts with nothing to look at.
//! Absent on purpose: charges of whole loops (`strip`).

use super::text::is_append;
use super::{Lower, TRUSTED};
use crate::cfg;
use crate::ir::{self, BlockId, CompareOp, Function, Inst, InstId, Op, Terminator, ValueId};
use crate::kinds::{BY_BITS, Kinds};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};
use cranelift_frontend::{FunctionBuilder, Variable};
use ion_runtime::layout;
use rustc_hash::FxHashMap;

/// Most safepoints that one look is for.
const MOST_TOGETHER: usize = 16;

/// Where the reductions are, at some place in the code.
#[derive(Clone, Default)]
pub(super) struct State {
    /// Equal where everything else is: 0 if they are in the process, 1 if the variable has them, beyond that
    /// a number of its own.
    version: u32,
    /// Does the variable have them?
    held: bool,
    /// What was charged but not yet taken off the variable.
    owed: u32,
    /// Safepoints that have not looked yet, each with what is owed there.
    unchecked: Vec<(InstId, u32)>,
}

impl State {
    fn settled(held: bool) -> State {
        State { version: u32::from(held), held, ..State::default() }
    }
}

/// Where the reductions are, in the function being lowered.
pub(super) struct Fuel {
    variable: Variable,
    versions: u32,
    /// Where they are here.
    pub state: State,
    /// Are they held where a block starts that several edges lead to?
    wanted: Vec<bool>,
    /// How many edges lead to a block.
    entrances: Vec<u32>,
    /// Where they are at the start of a block that one edge leads to.
    at_start: FxHashMap<BlockId, State>,
    /// Blocks in which safepoints leave, with what is left as parameter.
    leaves: FxHashMap<InstId, Block>,
    /// Those that are still to be written.
    open_leaves: Vec<(Block, InstId)>,
    /// Edges on which something happens.
    edges: Vec<Edge>,
}

/// An edge with a block in between.
struct Edge {
    between: Block,
    to: Block,
    args: Vec<BlockArg>,
    state: State,
    /// Are they held at its end?
    wanted: bool,
}

impl Fuel {
    /// At the entry of a function.
    pub fn new(b: &mut FunctionBuilder<'_>, function: &Function) -> Fuel {
        Fuel {
            variable: b.declare_var(types::I64),
            versions: 1,
            state: State::default(),
            wanted: wanted(function),
            entrances: entrances(function),
            at_start: FxHashMap::default(),
            leaves: FxHashMap::default(),
            open_leaves: Vec::new(),
            edges: Vec::new(),
        }
    }
}

/// How many edges lead to each block; of a MATCH and a dispatch each counts twice, since there may be several
/// in the code for one.
fn entrances(function: &Function) -> Vec<u32> {
    let mut entrances = vec![0; function.blocks.len()];
    for block in cfg::reverse_postorder(function) {
        let term = &function.block(block).term;
        let single = matches!(term, Terminator::Jump(_) | Terminator::Branch { .. });
        term.visit_successors(|to| entrances[to.index()] += if single { 1 } else { 2 });
    }
    entrances
}

/// The blocks in which a charge comes before anything that looks at the reductions, on some path.
fn wanted(function: &Function) -> Vec<bool> {
    let mut wanted = vec![false; function.blocks.len()];
    let order = cfg::reverse_postorder(function);
    let own: Vec<Option<bool>> = order.iter().map(|&block| first(function, block)).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (&block, own) in order.iter().zip(&own).rev() {
            let wants = own.unwrap_or_else(|| {
                function.block(block).term.targets().any(|target| wanted[target.block.index()])
            });
            changed |= wants != std::mem::replace(&mut wanted[block.index()], wants);
        }
    }
    if let Terminator::Dispatch(points) = &function.block(function.entry).term {
        points.iter().for_each(|(_, block)| wanted[block.index()] = false);
    }
    wanted[function.entry.index()] = false;
    wanted
}

/// What comes first in a block: a charge, or what looks at the reductions; `None` if nothing does.
fn first(function: &Function, block: BlockId) -> Option<bool> {
    let of_inst = |inst: &Inst| match touch(function, inst) {
        Touch::Charges | Touch::Passes => Some(true),
        Touch::Looks => Some(false),
        Touch::Nothing | Touch::Seldom | Touch::Seen => None,
    };
    let block = function.block(block);
    let by_terminator = match block.term {
        Terminator::Return(_) => Some(true),
        Terminator::Unreachable => Some(false),
        _ => None,
    };
    block.insts.iter().find_map(|&id| of_inst(function.inst(id))).or(by_terminator)
}

/// What an instruction has to do with the reductions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    /// It neither looks at them nor can it be seen whether it has run.
    Nothing,
    /// It writes what can be seen, or may exit.
    Seen,
    /// It charges them.
    Charges,
    /// It passes them on.
    Passes,
    /// It usually does nothing with them; a cold path calls what may look at them.
    Seldom,
    /// It may look at them or change them, or calls what may.
    Looks,
}

fn touch(function: &Function, inst: &Inst) -> Touch {
    let kinds = |value: ValueId| function.kinds(value);
    let nothing = match inst.op {
        Op::Safepoint { .. } | Op::Charge { .. } | Op::Refund { .. } => return Touch::Charges,
        Op::CallKnown { .. } => return Touch::Passes,
        Op::StoreSlot { .. } => return Touch::Seen,
        Op::NewObject { .. }
        | Op::NewArray { .. }
        | Op::MakeClosure { .. }
        | Op::StoreElement { .. }
        | Op::GetProp { .. }
        | Op::SetProp { .. } => return Touch::Seldom,
        Op::Arith { a, b, .. } if kinds(a) == Kinds::NUMBER && kinds(b) == Kinds::NUMBER => true,
        Op::Arith { op, a, b }
            if kinds(a).intersects(Kinds::NUMBER) && kinds(b).intersects(Kinds::NUMBER)
                || is_append(function, op, a, b) =>
        {
            return Touch::Seldom;
        }
        Op::Compare { op, a, b } => {
            let (a, b) = (kinds(a), kinds(b));
            let equality = matches!(op, CompareOp::Equal | CompareOp::NotEqual);
            let both = |test: fn(Kinds) -> bool| test(a) && test(b);
            if both(|kinds| kinds == Kinds::NUMBER)
                || equality && both(|kinds| BY_BITS.contains(kinds)) && inst.after.is_none()
            {
                return Touch::Nothing;
            }
            return match both(|kinds| kinds.intersects(Kinds::NUMBER)) {
                true => Touch::Seldom,
                false => Touch::Looks,
            };
        }
        Op::LoadReg { .. }
        | Op::Truth { .. }
        | Op::Not { .. }
        | Op::And { .. }
        | Op::Or { .. }
        | Op::WholeNumber { .. }
        | Op::AddIndex { .. }
        | Op::IsWhole { .. }
        | Op::ToIndex { .. }
        | Op::OfIndex { .. }
        | Op::CompareIndex { .. }
        | Op::AsNumber { .. }
        | Op::Divide { .. }
        | Op::Sqrt { .. }
        | Op::CallFast { .. }
        | Op::LoopHead
        | Op::CheckShape { .. }
        | Op::AssumeShape { .. }
        | Op::CheckMethod { .. }
        | Op::HasMethod { .. }
        | Op::CheckClosure { .. }
        | Op::LoadCapture { .. }
        | Op::LoadBound { .. }
        | Op::LoadSlot { .. }
        | Op::CheckRow { .. }
        | Op::RowLength { .. }
        | Op::LoadElement { .. } => true,
        _ => false,
    };
    match nothing {
        true if inst.exit.is_some() && inst.op != Op::LoopHead => Touch::Seen,
        true => Touch::Nothing,
        false => Touch::Looks,
    }
}

impl Lower<'_, '_> {
    /// The reductions in the process.
    pub(super) fn load_fuel(&mut self) -> Value {
        let process = self.process();
        self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_FUEL as i32)
    }

    /// Writes the reductions in the process.
    pub(super) fn store_fuel(&mut self, fuel: Value) {
        let process = self.process();
        self.b.ins().store(TRUSTED, fuel, process, layout::PROCESS_FUEL as i32);
    }

    fn hold_fuel(&mut self) {
        if !self.fuel.state.held {
            let fuel = self.load_fuel();
            self.b.def_var(self.fuel.variable, fuel);
            self.fuel.state = State::settled(true);
        }
    }

    /// Takes reductions.
    pub(super) fn charge(&mut self, cost: u32) {
        self.hold_fuel();
        self.fuel.versions += 1;
        self.fuel.state.version = self.fuel.versions;
        self.fuel.state.owed += cost;
    }

    /// Gives reductions back that the call behind takes again. If the safepoint that took them has not looked yet, it
    /// need not: the call leaves the same records.
    pub(super) fn refund(&mut self, cost: u32) {
        let state = &mut self.fuel.state;
        if state.unchecked.pop_if(|(_, owed)| *owed == state.owed).is_some() {
            state.owed -= cost;
            return;
        }
        let fuel = self.look_at_fuel();
        let more = self.b.ins().iadd_imm_s(fuel, i64::from(cost));
        self.b.def_var(self.fuel.variable, more);
    }

    /// Takes reductions; before anything can be seen, the function is left at `id` if there are none left.
    pub(super) fn charge_and_look(&mut self, id: InstId, cost: u32) {
        if self.fuel.state.unchecked.len() >= MOST_TOGETHER {
            self.look_at_fuel();
        }
        self.charge(cost);
        let owed = self.fuel.state.owed;
        self.fuel.state.unchecked.push((id, owed));
    }

    /// Takes off what is owed, and leaves if safepoints that have not looked find nothing left. Gives what is
    /// left; they are held.
    pub(super) fn look_at_fuel(&mut self) -> Value {
        self.hold_fuel();
        let state = std::mem::replace(&mut self.fuel.state, State::settled(true));
        let fuel = self.b.use_var(self.fuel.variable);
        if state.owed == 0 && state.unchecked.is_empty() {
            return fuel;
        }
        let left = self.b.ins().iadd_imm_s(fuel, -i64::from(state.owed));
        self.b.def_var(self.fuel.variable, left);
        let Some((&(last, at_last), others)) = state.unchecked.split_last() else { return left };
        // What was charged behind the last safepoint does not count there.
        let at_last = self.with_back(left, state.owed - at_last);
        let gone = self.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, at_last, 0);
        let next = self.b.create_block();
        let (leave, args) = self.leave(last, at_last);
        if others.is_empty() {
            self.b.ins().brif(gone, leave, &args, next, &[]);
        } else {
            let find = self.b.create_block();
            self.b.set_cold_block(find);
            self.b.ins().brif(gone, find, &[], next, &[]);
            self.b.switch_to_block(find);
            for &(id, owed) in others {
                let there = self.with_back(left, state.owed - owed);
                let gone = self.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, there, 0);
                let (leave, args) = self.leave(id, there);
                let later = self.b.create_block();
                self.b.set_cold_block(later);
                self.b.ins().brif(gone, leave, &args, later, &[]);
                self.b.switch_to_block(later);
            }
            self.b.ins().jump(leave, &args);
        }
        self.b.switch_to_block(next);
        left
    }

    fn with_back(&mut self, left: Value, back: u32) -> Value {
        if back == 0 { left } else { self.b.ins().iadd_imm_s(left, i64::from(back)) }
    }

    /// Where a safepoint leaves, with what is left.
    fn leave(&mut self, id: InstId, left: Value) -> (Block, [BlockArg; 1]) {
        let block = match self.fuel.leaves.get(&id) {
            Some(&block) => block,
            None => {
                let block = self.b.create_block();
                self.b.set_cold_block(block);
                self.b.append_block_param(block, types::I64);
                self.fuel.leaves.insert(id, block);
                self.fuel.open_leaves.push((block, id));
                block
            }
        };
        (block, [BlockArg::Value(left)])
    }

    /// Writes the blocks in which safepoints leave.
    pub(super) fn write_leaves(&mut self) {
        for (block, id) in std::mem::take(&mut self.fuel.open_leaves) {
            self.b.switch_to_block(block);
            self.set_place(id);
            self.fuel.state = State::default();
            let left = self.b.block_params(block)[0];
            self.store_fuel(left);
            self.unwind(id);
        }
    }

    /// Puts the reductions into the process.
    pub(super) fn settle_fuel(&mut self) {
        if self.fuel.state.held {
            let fuel = self.look_at_fuel();
            self.store_fuel(fuel);
            self.fuel.state = State::settled(false);
        }
    }

    /// Takes over what a function was passed, or a call gave back.
    pub(super) fn take_fuel(&mut self, fuel: Value) {
        self.b.def_var(self.fuel.variable, fuel);
        self.fuel.state = State::settled(true);
    }

    /// The process has them: a call says so that unwinds.
    pub(super) fn fuel_is_settled(&mut self) {
        self.fuel.state = State::settled(false);
    }

    /// Calls what may look at the reductions, or change them: where they are stays the same.
    pub(super) fn with_fuel_settled<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> R {
        let held = self.fuel.state.held;
        self.settle_fuel();
        let result = call(self);
        if held {
            self.hold_fuel();
        }
        result
    }

    /// Prepares for an instruction.
    pub(super) fn fuel_for(&mut self, inst: &Inst) {
        match touch(self.f, inst) {
            Touch::Nothing | Touch::Charges => {}
            Touch::Seldom | Touch::Seen | Touch::Passes => {
                if self.fuel.state.version > 1 {
                    self.look_at_fuel();
                }
            }
            Touch::Looks => self.settle_fuel(),
        }
    }

    /// A number that is the same where the reductions are in the same place.
    pub(super) fn fuel_version(&self) -> u32 {
        self.fuel.state.version
    }

    /// Does only one edge lead to the block, or one arm of a MATCH?
    pub(super) fn is_entered_once(&self, block: BlockId) -> bool {
        self.fuel.entrances[block.index()] <= 2
    }

    /// Begins a block.
    pub(super) fn start_fuel(&mut self, block: BlockId) {
        let wanted = self.fuel.wanted[block.index()];
        let inherited = self.fuel.at_start.remove(&block);
        self.fuel.state = inherited.unwrap_or_else(|| State::settled(wanted));
    }

    /// The block through which an edge goes from here to the start of `to`, and what it passes.
    pub(super) fn fuel_edge(
        &mut self,
        to: ir::BlockId,
        block: Block,
        args: Vec<BlockArg>,
    ) -> (Block, Vec<BlockArg>) {
        let state = self.fuel.state.clone();
        if self.fuel.entrances[to.index()] == 1 {
            self.fuel.at_start.insert(to, state);
            return (block, args);
        }
        let wanted = self.fuel.wanted[to.index()];
        if state.version == u32::from(wanted) {
            return (block, args);
        }
        let between = self.b.create_block();
        self.fuel.edges.push(Edge { between, to: block, args, state, wanted });
        (between, Vec::new())
    }

    /// Writes the blocks in between.
    pub(super) fn write_fuel_edges(&mut self) {
        for Edge { between, to, args, state, wanted } in std::mem::take(&mut self.fuel.edges) {
            self.b.switch_to_block(between);
            self.fuel.state = state;
            match wanted {
                true => {
                    self.look_at_fuel();
                }
                false => self.settle_fuel(),
            }
            self.b.ins().jump(to, &args);
        }
    }
}
