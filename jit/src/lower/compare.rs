//! Comparisons and truth: numbers and identical immediates inline, the rest by the runtime.

use super::Lower;
use crate::ir::{CompareOp, InstId, ValueId};
use crate::kinds::{BY_BITS, Kinds, Repr};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use ion_runtime::heap::tag;
use ion_runtime::helpers::{Helper, compare_code};
use ion_runtime::ops::compare::Compare;
use ion_runtime::value::bits;

fn code(op: CompareOp) -> u64 {
    compare_code(match op {
        CompareOp::Equal => Compare::Equal,
        CompareOp::NotEqual => Compare::NotEqual,
        CompareOp::Less => Compare::Less,
        CompareOp::LessEqual => Compare::LessEqual,
        CompareOp::Greater => Compare::Greater,
        CompareOp::GreaterEqual => Compare::GreaterEqual,
    })
}

fn float_condition(op: CompareOp) -> FloatCC {
    match op {
        CompareOp::Equal => FloatCC::Equal,
        CompareOp::NotEqual => FloatCC::NotEqual,
        CompareOp::Less => FloatCC::LessThan,
        CompareOp::LessEqual => FloatCC::LessThanOrEqual,
        CompareOp::Greater => FloatCC::GreaterThan,
        CompareOp::GreaterEqual => FloatCC::GreaterThanOrEqual,
    }
}

impl Lower<'_, '_> {
    pub(super) fn compare(&mut self, id: InstId, op: CompareOp, a: ValueId, b: ValueId) {
        let (a_kinds, b_kinds) = (self.f.kinds(a), self.f.kinds(b));
        let equality = matches!(op, CompareOp::Equal | CompareOp::NotEqual);
        if a_kinds == Kinds::NUMBER && b_kinds == Kinds::NUMBER {
            let (a, b) = (self.float(a), self.float(b));
            let result = self.b.ins().fcmp(float_condition(op), a, b);
            return self.give(id, result);
        }
        if equality && BY_BITS.contains(a_kinds) {
            return self.equal_to_immediate(id, op, a, b);
        }
        if equality && BY_BITS.contains(b_kinds) {
            return self.equal_to_immediate(id, op, b, a);
        }
        let both = a_kinds.intersects(Kinds::NUMBER) && b_kinds.intersects(Kinds::NUMBER);
        if !both {
            let (op, a, b) = (self.word(code(op)), self.bits(a), self.bits(b));
            let status = self.call_helper(Helper::compare, &[op, a, b]);
            self.check_status(id, status);
            let result = self.result_bits();
            let result = self.unbox_bits(result, Repr::Bool);
            return self.give(id, result);
        }
        let (x, y) = (self.float(a), self.float(b));
        let unordered = self.b.ins().fcmp(FloatCC::Unordered, x, y);
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::I8);
        let slow = self.branch_cold(unordered);
        let result = self.b.ins().fcmp(float_condition(op), x, y);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(slow);
        let (op, a, b) = (self.word(code(op)), self.bits(a), self.bits(b));
        self.call_cold(Helper::compare, &[op, a, b]);
        self.check_cold_status(id);
        let result = self.result_bits();
        let result = self.unbox_bits(result, Repr::Bool);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    /// Compares with `one`, an immediate of a kind whose values are equal if their bits are. Only a
    /// heap object can be equal to it all the same: a text to an atom, an object that defines equality.
    fn equal_to_immediate(&mut self, id: InstId, op: CompareOp, one: ValueId, other: ValueId) {
        let may_be_text = self.f.kinds(one).intersects(Kinds::ATOM)
            && self.f.kinds(other).intersects(Kinds::STRING);
        let may_call = self.f.inst(id).after.is_some();
        let (x, y) = (self.bits(one), self.bits(other));
        let condition = if op == CompareOp::Equal { IntCC::Equal } else { IntCC::NotEqual };
        let result = self.b.ins().icmp(condition, x, y);
        if !may_be_text && !may_call {
            return self.give(id, result);
        }
        let top = self.b.ins().ushr_imm_u(y, 48);
        let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::I8);
        let slow = self.b.create_block();
        self.b.set_cold_block(slow);
        self.b.ins().brif(is_pointer, slow, &[], join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(slow);
        // The operation asks the left operand first.
        let inst = self.f.inst(id);
        let (a, b) = match inst.op {
            crate::ir::Op::Compare { a, b, .. } => (a, b),
            _ => (one, other),
        };
        let (op, a, b) = (self.word(code(op)), self.bits(a), self.bits(b));
        self.call_cold(Helper::compare, &[op, a, b]);
        self.check_cold_status(id);
        let result = self.result_bits();
        let result = self.unbox_bits(result, Repr::Bool);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    /// The truth of a value as a flag.
    pub(super) fn truth(&mut self, value: ValueId) -> Value {
        let kinds = self.f.kinds(value);
        if self.f.repr(value) == Repr::Bool {
            return self.value(value);
        }
        if kinds == Kinds::NUMBER {
            let number = self.float(value);
            let zero = self.b.ins().f64const(0.0);
            return self.b.ins().fcmp(FloatCC::NotEqual, number, zero);
        }
        let word = self.bits(value);
        let singletons = Kinds::BOOLEAN | Kinds::UNIT | Kinds::UNDEFINED;
        if singletons.contains(kinds) {
            return self.b.ins().icmp_imm_s(IntCC::Equal, word, bits::TRUE as i64);
        }
        // True, and false, Unit and Undefined above and below it, are the largest words.
        let first = self.word(bits::FALSE);
        let is_true = self.b.ins().icmp_imm_s(IntCC::Equal, word, bits::TRUE as i64);
        // Of the rest only Numbers and texts may be false.
        if !kinds.intersects(Kinds::NUMBER | Kinds::STRING | Kinds::ATOM) {
            let other = self.b.ins().icmp(IntCC::UnsignedLessThan, word, first);
            return match kinds.intersects(Kinds::BOOLEAN) {
                true => self.b.ins().bor(other, is_true),
                false => other,
            };
        }
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::I8);
        let other = self.b.create_block();
        let single = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, word, first);
        self.b.ins().brif(single, join, &[BlockArg::Value(is_true)], other, &[]);
        self.b.switch_to_block(other);
        if kinds.intersects(Kinds::NUMBER) {
            let tagged = self.word(bits::FIRST_TAGGED);
            let is_number = self.b.ins().icmp(IntCC::UnsignedLessThan, word, tagged);
            let number_block = self.b.create_block();
            let rest = self.b.create_block();
            self.b.ins().brif(is_number, number_block, &[], rest, &[]);
            self.b.switch_to_block(number_block);
            let number = self.float(value);
            let zero = self.b.ins().f64const(0.0);
            let nonzero = self.b.ins().fcmp(FloatCC::NotEqual, number, zero);
            self.b.ins().jump(join, &[BlockArg::Value(nonzero)]);
            self.b.switch_to_block(rest);
        }
        if kinds.intersects(Kinds::OBJECT) {
            let top = self.b.ins().ushr_imm_u(word, 48);
            let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
            let (pointer, rest) = (self.b.create_block(), self.b.create_block());
            self.b.ins().brif(is_pointer, pointer, &[], rest, &[]);
            self.b.switch_to_block(pointer);
            let address = self.pointer_in(word);
            let found = self.load_tag(address);
            let found = self.b.ins().band_imm_u(found, i64::from(tag::MASK));
            let least = i64::from(tag::DICT_OBJECT);
            let is_object =
                self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, found, least);
            let yes = self.b.ins().iconst(types::I8, 1);
            self.b.ins().brif(is_object, join, &[BlockArg::Value(yes)], rest, &[]);
            self.b.switch_to_block(rest);
        }
        let truth = self.call_pure_helper(Helper::truth, &[word]);
        let truth = self.b.ins().ireduce(types::I8, truth);
        self.b.ins().jump(join, &[BlockArg::Value(truth)]);
        self.b.switch_to_block(join);
        joined
    }
}
