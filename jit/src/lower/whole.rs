//! Integers that Numbers are.
//!
//! Where a Number was made of an integer, that is remembered, so that nobody makes one of the Number again.

use super::Lower;
use crate::ir::{CompareOp, InstId, ValueId};
use crate::whole::constant_integer;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};

impl Lower<'_, '_> {
    /// A Number without its fraction, as an integer; of a NaN 0.
    pub(super) fn integer_of(&mut self, value: ValueId) -> Value {
        if let Some(whole) = constant_integer(self.f, value) {
            return self.b.ins().iconst(types::I64, whole);
        }
        match self.whole.get(&value) {
            Some(&whole) => whole,
            None => {
                let number = self.float(value);
                self.b.ins().fcvt_to_sint_sat(types::I64, number)
            }
        }
    }

    /// Gives a Number that is this integer.
    pub(super) fn give_whole(&mut self, id: InstId, whole: Value) {
        let number = self.b.ins().fcvt_from_sint(types::F64, whole);
        if let Some(result) = self.f.inst(id).result {
            self.whole.insert(result, whole);
        }
        self.give(id, number);
    }

    pub(super) fn is_whole(&mut self, id: InstId, a: ValueId, least: i64, most: i64) {
        if let Some(known) = constant_integer(self.f, a) {
            let is = self.b.ins().iconst(types::I8, i64::from((least..=most).contains(&known)));
            return self.give(id, is);
        }
        let whole = self.integer_of(a);
        let above_least = self.b.ins().iadd_imm_s(whole, -least);
        let span = self.b.ins().iconst(types::I64, most - least);
        let mut is = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, above_least, span);
        if !self.whole.contains_key(&a) {
            // The bits, so that the negative zero is none.
            let back = self.b.ins().fcvt_from_sint(types::F64, whole);
            let back = self.b.ins().bitcast(types::I64, MemFlagsData::new(), back);
            let number = self.bits(a);
            let same = self.b.ins().icmp(IntCC::Equal, back, number);
            is = self.b.ins().band(is, same);
        }
        self.give(id, is);
    }

    pub(super) fn compare_index(&mut self, id: InstId, op: CompareOp, a: ValueId, b: ValueId) {
        let (a, b) = (self.value(a), self.value(b));
        let condition = match op {
            CompareOp::Equal => IntCC::Equal,
            CompareOp::NotEqual => IntCC::NotEqual,
            CompareOp::Less => IntCC::SignedLessThan,
            CompareOp::LessEqual => IntCC::SignedLessThanOrEqual,
            CompareOp::Greater => IntCC::SignedGreaterThan,
            CompareOp::GreaterEqual => IntCC::SignedGreaterThanOrEqual,
        };
        let result = self.b.ins().icmp(condition, a, b);
        self.give(id, result);
    }
}
