//! Reductions, jumps, MATCH and returns.

use super::{Lower, TRUSTED};
use crate::ir::{self, BlockId, InstId, SafepointAt, Terminator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use cranelift_frontend::Switch;
use ion_runtime::layout;

/// Functions with more registers than this look at the stack pointer when they are entered: their
/// frames may be so large that the number of calls in a slice does not bound the stack.
const SMALL_FRAME: usize = 64;

/// So do functions with more values than this: all of them may be alive across a call.
const MANY_VALUES: usize = 512;

impl<'a> Lower<'a, '_> {
    pub(super) fn safepoint(&mut self, id: InstId, cost: u32, at: SafepointAt) {
        if at != SafepointAt::Entry || !self.has_large_frame() {
            return self.charge_and_look(id, cost);
        }
        self.look_at_fuel();
        self.charge(cost);
        let left = self.look_at_fuel();
        let process = self.process();
        let worker = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_WORKER as i32);
        let limit = layout::WORKER_STACK_LIMIT as i32;
        let limit = self.b.ins().load(types::I64, TRUSTED, worker, limit);
        let sp = self.b.ins().get_stack_pointer(types::I64);
        let low = self.b.ins().icmp(IntCC::UnsignedLessThan, sp, limit);
        let gone = self.b.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, left, 0);
        let gone = self.b.ins().bor(gone, low);
        let cold = self.branch_cold(gone);
        self.in_block(cold, |this| this.unwind(id));
    }

    fn has_large_frame(&self) -> bool {
        let longest = self.f.insts.iter().map(|inst| {
            let mut operands = 0;
            inst.op.visit(|_| operands += 1);
            operands
        });
        let params = self.f.blocks.iter().map(|block| block.params.len()).max().unwrap_or(0);
        params + longest.max().unwrap_or(0) > SMALL_FRAME || self.f.values.len() > MANY_VALUES
    }

    pub(super) fn terminator(&mut self, block: BlockId) {
        let f: &'a ir::Function = self.f;
        match &f.block(block).term {
            Terminator::Jump(target) => {
                let (block, args) = self.edge(target);
                self.b.ins().jump(block, &args);
            }
            Terminator::Branch { then, otherwise, .. }
                if self.branch_on_method(then, otherwise) => {}
            Terminator::Branch { cond, then, otherwise } => {
                let cond = self.truth(*cond);
                let (then, then_args) = self.edge(then);
                let (otherwise, otherwise_args) = self.edge(otherwise);
                self.b.ins().brif(cond, then, &then_args, otherwise, &otherwise_args);
            }
            Terminator::Match { frame, pc, value, arms, default } => {
                self.lower_match(*frame, *pc, *value, arms, default);
            }
            Terminator::Return(value) => {
                let fuel = self.look_at_fuel();
                let value = self.float(*value);
                let status = self.word(ion_runtime::tier::STATUS_RETURNED);
                self.b.ins().return_(&[status, fuel, value]);
            }
            Terminator::Dispatch(points) => self.dispatch(points),
            Terminator::Unreachable => self.unreachable(),
        }
        self.write_fuel_edges();
    }

    fn dispatch(&mut self, points: &[(u32, BlockId)]) {
        let registers = self.registers.expect("only the resume form dispatches");
        let body = self.program.function(self.f.func).bytecode();
        let words = body.map_or(0, |body| body.layout.words);
        // The header follows the registers; the instruction index is its second half-word.
        let at = i32::from(words) * 8 + 4;
        let pc = self.b.ins().load(types::I32, TRUSTED, registers, at);
        let mut switch = Switch::new();
        for &(point, block) in points {
            switch.set_entry(u128::from(point), self.clif_block(block));
        }
        let lost = self.b.create_block();
        self.b.set_cold_block(lost);
        switch.emit(self.b, pc, lost);
        self.b.switch_to_block(lost);
        self.unreachable();
    }

    fn unreachable(&mut self) {
        let code = cranelift_codegen::ir::TrapCode::user(1).expect("1 is a user code");
        self.b.ins().trap(code);
    }

    /// Sets the carried value of an IR value.
    pub(super) fn set_value(&mut self, of: ir::ValueId, value: Value) {
        self.values[of.index()] = Some(value);
    }
}
