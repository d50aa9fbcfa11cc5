//! Processes and messages: all by the runtime.

use super::Lower;
use crate::ir::{InstId, ValueId};
use crate::kinds::Repr;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, types};
use ion_runtime::helpers::Helper;

impl Lower<'_, '_> {
    pub(super) fn spawn(&mut self, id: InstId, function: ValueId, args: &[ValueId]) {
        let function = self.bits(function);
        let list = self.list(args);
        let count = self.word(args.len() as u64);
        self.helper_result(id, Helper::spawn, &[function, list, count]);
    }

    pub(super) fn send(&mut self, process: ValueId, message: ValueId) {
        let args = [self.bits(process), self.bits(message)];
        self.call_helper(Helper::send, &args);
    }

    pub(super) fn select(&mut self, id: InstId, processes: &[ValueId], kill: bool) {
        let list = self.list(processes);
        let count = self.word(processes.len() as u64);
        let kill = self.word(u64::from(kill));
        self.helper_result(id, Helper::select, &[list, count, kill]);
    }

    pub(super) fn receive_timeout(&mut self, id: InstId, timeout: ValueId) {
        let timeout = self.bits(timeout);
        let status = self.call_helper(Helper::receive_timeout, &[timeout]);
        // 0: a message; 1: unwind; 2: the timeout has expired.
        let unwinds = self.b.ins().icmp_imm_s(IntCC::Equal, status, 1);
        self.check_status(id, unwinds);
        let inst = self.f.inst(id);
        let repr = inst.result.map_or(Repr::F64, |result| self.f.repr(result));
        let got = self.b.ins().icmp_imm_s(IntCC::Equal, status, 0);
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, super::clif_type(repr));
        let message_block = self.b.create_block();
        let expired = self.b.create_block();
        self.b.ins().brif(got, message_block, &[], expired, &[]);
        self.b.switch_to_block(message_block);
        let message = self.result_bits();
        let message = self.unbox_bits(message, repr);
        self.b.ins().jump(join, &[BlockArg::Value(message)]);
        self.b.switch_to_block(expired);
        let undefined = self.undefined_as(repr);
        self.b.ins().jump(join, &[BlockArg::Value(undefined)]);
        self.b.switch_to_block(join);
        if let Some(result) = inst.result {
            self.set_value(result, joined);
        }
        if let Some(second) = inst.second {
            debug_assert_eq!(self.b.func.dfg.value_type(got), types::I8);
            self.set_value(second, got);
        }
    }

    pub(super) fn yield_now(&mut self, id: InstId, cost: u32) {
        self.charge(cost);
        self.settle_fuel();
        let status = self.call_helper(Helper::yield_now, &[]);
        // The status is always 1; the branch keeps the block's end for the terminator.
        self.check_status(id, status);
    }
}
