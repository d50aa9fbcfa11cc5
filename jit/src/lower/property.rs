//! Properties, literals and closures.

use super::Lower;
use crate::ir::{InstId, ValueId};
use crate::kinds::Kinds;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use ion_runtime::helpers::Helper;
use ion_runtime::value::bits;

impl Lower<'_, '_> {
    fn this_bits(&mut self, this: Option<ValueId>) -> Value {
        match this {
            Some(this) => self.bits(this),
            None => self.word(bits::UNDEFINED),
        }
    }

    pub(super) fn get_prop(&mut self, id: InstId, object: ValueId, key: ValueId, this: Option<ValueId>) {
        let args = [self.bits(object), self.bits(key), self.this_bits(this)];
        self.helper_result(id, Helper::get_prop, &args);
    }

    pub(super) fn set_prop(
        &mut self,
        id: InstId,
        object: ValueId,
        key: ValueId,
        value: ValueId,
        this: Option<ValueId>,
    ) {
        let args = [self.bits(object), self.bits(key), self.bits(value), self.this_bits(this)];
        let status = self.call_helper(Helper::set_prop, &args);
        self.check_status(id, status);
    }

    pub(super) fn new_object(&mut self, id: InstId, values: &[ValueId]) {
        let inst = self.f.inst(id);
        let place = self.place(inst.frame, inst.pc);
        let list = self.list(values);
        self.helper_result(id, Helper::object_init, &[place, list]);
    }

    pub(super) fn new_array(&mut self, id: InstId, elements: &[ValueId]) {
        let list = self.list(elements);
        let count = self.word(elements.len() as u64);
        self.helper_result(id, Helper::array_init, &[list, count]);
    }

    pub(super) fn make_closure(&mut self, id: InstId, function: ValueId, captures: &[ValueId]) {
        let function = self.bits(function);
        let list = self.list(captures);
        let count = self.word(captures.len() as u64);
        self.helper_result(id, Helper::make_closure, &[function, list, count]);
    }

    pub(super) fn capture(&mut self, id: InstId, function: ValueId, cell: ValueId, value: ValueId) {
        let (old, new) = (self.bits(cell), self.bits(value));
        let mut absent = self.b.ins().icmp_imm_s(IntCC::Equal, old, bits::ABSENT as i64);
        if self.f.kinds(function) != Kinds::FUNCTION {
            let function = self.bits(function);
            let is_function = self.call_helper(Helper::is_function, &[function]);
            let is_function =
                self.b.ins().ireduce(cranelift_codegen::ir::types::I8, is_function);
            absent = self.b.ins().band(absent, is_function);
        }
        let kept = self.b.ins().select(absent, new, old);
        let repr = self.f.inst(id).result.map(|result| self.f.repr(result));
        if let Some(repr) = repr {
            let kept = self.from_bits(kept, repr);
            self.give(id, kept);
        }
    }
}
