//! ADD, SUB, MUL, DIV: floats inline, everything else by the runtime.
//!
//! An operand that may be no number is guarded by its result: arithmetic on a boxed value gives a
//! NaN, so one unordered compare covers both operands. The slow path is a stub that clobbers
//! nothing, so that values stay in registers around it.

use super::Lower;
use crate::ir::{ArithOp, InstId, ValueId};
use crate::kinds::Kinds;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value};
use ion_runtime::helpers::{Helper, arith_code};
use ion_runtime::ops::arith::Arith;
use ion_runtime::value::bits;

fn code(op: ArithOp) -> u64 {
    arith_code(match op {
        ArithOp::Add => Arith::Add,
        ArithOp::Sub => Arith::Sub,
        ArithOp::Mul => Arith::Mul,
        ArithOp::Div => Arith::Div,
    })
}

/// Is the number a power of two whose reciprocal is a normal number? Dividing by it is multiplying by that.
fn has_exact_reciprocal(number: f64) -> bool {
    let fraction = number.to_bits() & ((1 << 52) - 1);
    fraction == 0 && number.is_normal() && (1.0 / number).is_normal()
}

impl Lower<'_, '_> {
    fn float_op(&mut self, op: ArithOp, x: Value, y: Value, b: ValueId) -> Value {
        let divisor = self.f.as_constant(b).and_then(|constant| constant.value.as_number());
        match (op, divisor) {
            (ArithOp::Div, Some(divisor)) if has_exact_reciprocal(divisor) => {
                let reciprocal = self.b.ins().f64const(1.0 / divisor);
                self.b.ins().fmul(x, reciprocal)
            }
            (ArithOp::Add, _) => self.b.ins().fadd(x, y),
            (ArithOp::Sub, _) => self.b.ins().fsub(x, y),
            (ArithOp::Mul, _) => self.b.ins().fmul(x, y),
            (ArithOp::Div, _) => self.b.ins().fdiv(x, y),
        }
    }

    fn is_nonzero(&self, value: ValueId) -> bool {
        let constant = self.f.as_constant(value);
        constant.and_then(|constant| constant.value.as_number()).is_some_and(|number| number != 0.0)
    }

    pub(super) fn arith(&mut self, id: InstId, op: ArithOp, a: ValueId, b: ValueId) {
        let (a_kinds, b_kinds) = (self.f.kinds(a), self.f.kinds(b));
        if super::text::is_append(self.f, op, a, b) {
            return self.append(id, a, b);
        }
        if !a_kinds.intersects(Kinds::NUMBER) || !b_kinds.intersects(Kinds::NUMBER) {
            let (op, a, b) = (self.word(code(op)), self.bits(a), self.bits(b));
            return self.helper_result(id, Helper::arith, &[op, a, b]);
        }
        let (x, y) = (self.float(a), self.float(b));
        let result = self.float_op(op, x, y, b);
        let repr = self.f.inst(id).result.map(|result| self.f.repr(result));
        if a_kinds == Kinds::NUMBER && b_kinds == Kinds::NUMBER {
            let mut result = result;
            if op == ArithOp::Div && !self.is_nonzero(b) {
                let zero = self.b.ins().f64const(0.0);
                let by_zero = self.b.ins().fcmp(FloatCC::Equal, y, zero);
                let undefined = self.b.ins().f64const(f64::from_bits(bits::UNDEFINED));
                result = self.b.ins().select(by_zero, undefined, result);
            }
            if let Some(repr) = repr {
                result = self.unbox_float(result, repr);
            }
            return self.give(id, result);
        }
        // Inside the slow block the result comes from the process.
        let join = self.b.create_block();
        let ty = repr.map_or(cranelift_codegen::ir::types::F64, super::clif_type);
        let joined = self.b.append_block_param(join, ty);
        let slow = self.b.create_block();
        self.b.set_cold_block(slow);
        if op == ArithOp::Div && !self.is_nonzero(b) {
            let zero = self.b.ins().f64const(0.0);
            // Equal or unordered: zero, or no number.
            let special = self.b.ins().fcmp(FloatCC::UnorderedOrEqual, y, zero);
            let next = self.b.create_block();
            self.b.ins().brif(special, slow, &[], next, &[]);
            self.b.switch_to_block(next);
        }
        let unordered = self.b.ins().fcmp(FloatCC::Unordered, result, result);
        let fast = repr.map_or(result, |repr| self.unbox_float(result, repr));
        self.b.ins().brif(unordered, slow, &[], join, &[BlockArg::Value(fast)]);
        self.b.switch_to_block(slow);
        let (op, a, b) = (self.word(code(op)), self.bits(a), self.bits(b));
        self.call_cold(Helper::arith, &[op, a, b]);
        self.check_cold_status(id);
        let result = self.result_bits();
        let result = self.unbox_bits(result, repr.unwrap_or(crate::kinds::Repr::F64));
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }
}
