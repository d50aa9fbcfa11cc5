//! Calls: direct native calls to known functions, the runtime's look at everything else.

use super::{Lower, TRUSTED};
use crate::abi;
use crate::ir::{InstId, ValueId};
use crate::kinds::Repr;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::bits;

impl Lower<'_, '_> {
    fn undefined(&mut self) -> Value {
        self.b.ins().f64const(f64::from_bits(bits::UNDEFINED))
    }

    pub(super) fn call_known(&mut self, id: InstId, func: FuncId, args: &[ValueId]) {
        let (params, takes_this) = self.linker.params(func);
        let mut passed = Vec::with_capacity(params + 1);
        if takes_this {
            passed.push(self.undefined());
        }
        for at in 0..params {
            let arg = match args.get(at) {
                Some(&arg) => self.float(arg),
                None => self.undefined(),
            };
            passed.push(arg);
        }
        let callee = self.callee(func);
        let call = self.b.ins().call(callee, &passed);
        let (status, value) = {
            let results = self.b.inst_results(call);
            (results[0], results[1])
        };
        self.check_status(id, status);
        if let Some(result) = self.f.inst(id).result {
            let value = self.from_float(value, self.f.repr(result));
            self.give(id, value);
        }
    }

    pub(super) fn call_value(&mut self, id: InstId, function: ValueId, args: &[ValueId]) {
        let function = self.bits(function);
        let list = self.list(args);
        let count = self.word(args.len() as u64);
        let answer = self.call_helper(Helper::call, &[function, list, count]);
        // 0: done; 1: unwind; else an entry.
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::F64);
        let entered = self.b.create_block();
        let done = self.b.create_block();
        let process = self.process();
        let result =
            self.b.ins().load(types::F64, TRUSTED, process, layout::PROCESS_RESULT as i32);
        self.b.ins().brif(answer, entered, &[], done, &[]);
        self.b.switch_to_block(done);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(entered);
        let unwinds = self.b.ins().icmp_imm_s(IntCC::Equal, answer, 1);
        self.check_status(id, unwinds);
        let process = self.process();
        let list = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_RESULT as i32);
        let signature = self.b.import_signature(abi::of_address());
        let call = self.b.ins().call_indirect(signature, answer, &[list]);
        let (status, value) = {
            let results = self.b.inst_results(call);
            (results[0], results[1])
        };
        self.check_status(id, status);
        self.b.ins().jump(join, &[BlockArg::Value(value)]);
        self.b.switch_to_block(join);
        if let Some(result) = self.f.inst(id).result {
            let value = self.from_float(joined, self.f.repr(result));
            self.give(id, value);
        }
    }

    pub(super) fn call_native(&mut self, id: InstId, native: NativeId, args: &[ValueId]) {
        let native = self.word(u64::from(native.0));
        let list = self.list(args);
        let count = self.word(args.len() as u64);
        self.helper_result(id, Helper::call_native, &[native, list, count]);
    }

    /// Loads a boxed value in the representation that a result needs.
    pub(super) fn undefined_as(&mut self, repr: Repr) -> Value {
        let word = self.word(bits::UNDEFINED);
        self.from_bits(word, repr)
    }
}
