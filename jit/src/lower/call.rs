//! Calls: direct native calls to known functions, the runtime's look at everything else.

use super::{Lower, TRUSTED};
use crate::abi;
use crate::ir::{BlockId, InstId, Op, ValueId};
use crate::kinds::{Kinds, Repr};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{BlockArg, Inst, InstBuilder, Value, types};
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::bits;
use rustc_hash::FxHashMap;

/// Most functions that a method call checks for one after the other.
const MAX_METHODS: usize = 4;

impl Lower<'_, '_> {
    fn undefined(&mut self) -> Value {
        self.b.ins().f64const(f64::from_bits(bits::UNDEFINED))
    }

    pub(super) fn call_known(
        &mut self,
        id: InstId,
        func: FuncId,
        this: Option<ValueId>,
        args: &[ValueId],
    ) {
        let this = match this {
            Some(this) if self.linker.params(func).1 => self.float(this),
            _ => self.undefined(),
        };
        let value = self.call_entry(id, func, this, args);
        if let Some(result) = self.f.inst(id).result {
            let value = self.unbox_float(value, self.f.repr(result));
            self.give(id, value);
        }
    }

    /// Calls the entry of a function; unwinds if it does. The boxed result.
    fn call_entry(&mut self, id: InstId, func: FuncId, this: Value, args: &[ValueId]) -> Value {
        let (params, takes_this) = self.linker.params(func);
        let mut passed = Vec::with_capacity(params + 2);
        passed.push(self.look_at_fuel());
        if takes_this {
            passed.push(this);
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
        self.returned(id, call)
    }

    /// Looks at what a compiled function gave back: unwinds if it does; else holds the reductions that are left. The
    /// boxed result.
    fn returned(&mut self, id: InstId, call: Inst) -> Value {
        let (status, fuel, value) = {
            let results = self.b.inst_results(call);
            (results[0], results[1], results[2])
        };
        self.fuel_is_settled();
        self.check_status(id, status);
        self.take_fuel(fuel);
        value
    }

    /// Finds reads of properties whose only use is a call behind them in the same block: there the
    /// function need not be bound.
    pub(super) fn find_method_calls(&mut self, order: &[BlockId]) {
        for &block in order {
            let mut reads: FxHashMap<ValueId, InstId> = FxHashMap::default();
            for &id in &self.f.block(block).insts {
                let inst = self.f.inst(id);
                match (&inst.op, inst.result) {
                    (Op::GetProp { .. }, Some(result)) if self.uses[result.index()] == 1 => {
                        reads.insert(result, id);
                    }
                    (Op::CallValue { function, args }, _) if !args.contains(function) => {
                        let Some(&read) = reads.get(function) else { continue };
                        let Op::GetProp { object, key, .. } = self.f.inst(read).op else {
                            continue;
                        };
                        let name = self.f.as_constant(key).and_then(|key| key.value.as_atom());
                        if name.is_some() && self.f.kinds(object).intersects(Kinds::OBJECT) {
                            self.methods.insert(read, object);
                            self.receivers.insert(id, (object, name));
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    pub(super) fn call_value(&mut self, id: InstId, function: ValueId, args: &[ValueId]) {
        let receiver = self.receivers.get(&id).copied();
        let function = self.bits(function);
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::F64);
        if let Some((object, Some(name))) = receiver {
            let guesses: Vec<FuncId> =
                self.linker.methods(name).iter().copied().take(MAX_METHODS).collect();
            for func in guesses {
                let (hit, next) = (self.b.create_block(), self.b.create_block());
                let expected = self.word(ion_runtime::value::Value::function(func).to_bits());
                let same = self.b.ins().icmp(IntCC::Equal, function, expected);
                self.b.ins().brif(same, hit, &[], next, &[]);
                self.b.switch_to_block(hit);
                let this = self.float(object);
                let value = self.call_entry(id, func, this, args);
                self.settle_fuel();
                self.b.ins().jump(join, &[BlockArg::Value(value)]);
                self.b.switch_to_block(next);
            }
        }
        let list = self.list(args);
        let count = self.word(args.len() as u64);
        let answer = match receiver {
            Some((object, _)) => {
                let this = self.bits(object);
                self.call_helper(Helper::call_method, &[function, this, list, count])
            }
            None => self.call_helper(Helper::call, &[function, list, count]),
        };
        // 0: done; 1: unwind; else an entry.
        let entered = self.b.create_block();
        let done = self.b.create_block();
        let process = self.process();
        let result = self.b.ins().load(types::F64, TRUSTED, process, layout::PROCESS_RESULT as i32);
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
        let value = self.returned(id, call);
        self.settle_fuel();
        self.b.ins().jump(join, &[BlockArg::Value(value)]);
        self.b.switch_to_block(join);
        if let Some(result) = self.f.inst(id).result {
            let value = self.unbox_float(joined, self.f.repr(result));
            self.give(id, value);
        }
    }

    pub(super) fn call_native(&mut self, id: InstId, native: NativeId, args: &[ValueId]) {
        let native = self.word(u64::from(native.0));
        let list = self.list(args);
        let count = self.word(args.len() as u64);
        self.helper_result(id, Helper::call_native, &[native, list, count]);
    }

    pub(super) fn sqrt(&mut self, id: InstId, a: ValueId) {
        let exit = self.exit(id);
        let number = self.float(a);
        let zero = self.b.ins().f64const(0.0);
        let negative = self.b.ins().fcmp(FloatCC::LessThan, number, zero);
        let next = self.b.create_block();
        self.b.ins().brif(negative, exit, &[], next, &[]);
        self.b.switch_to_block(next);
        let root = self.b.ins().sqrt(number);
        self.give(id, root);
    }

    /// Calls a function of numbers at its address.
    pub(super) fn call_fast(&mut self, id: InstId, native: NativeId, args: &[ValueId]) {
        let Some(place) = self.linker.fast(native) else { return };
        let signature = abi::of_numbers(args.len(), self.linker.isa());
        let signature = self.b.import_signature(signature);
        let address = self.word_at(place);
        let args: Vec<Value> = args.iter().map(|&arg| self.float(arg)).collect();
        let call = self.b.ins().call_indirect(signature, address, &args);
        let result = self.b.inst_results(call)[0];
        self.give(id, result);
    }

    /// Loads a boxed value in the representation that a result needs.
    pub(super) fn undefined_as(&mut self, repr: Repr) -> Value {
        let word = self.word(bits::UNDEFINED);
        self.unbox_bits(word, repr)
    }
}
