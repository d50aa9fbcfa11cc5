//! Loops that are paid for ahead: how far they may go, and what they owe.

use super::Lower;
use crate::ir::{ChargeTurns, InstId, LoopLimit, StateId, ValueId};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};

/// Variables beyond this are not counted: sums of turns must be exact.
const MOST_FROM: f64 = (1u64 << 32) as f64;

/// Nor steps beyond this.
const MOST_STEP: f64 = (1u64 << 20) as f64;

/// Nor more turns at a time.
const MOST_TURNS: i64 = 1 << 31;

impl Lower<'_, '_> {
    fn constant_number(&self, value: ValueId) -> Option<f64> {
        self.f.as_constant(value).and_then(|constant| constant.value.as_number())
    }

    /// The number without its fraction; of a NaN 0.
    fn truncated(&mut self, number: Value) -> Value {
        let whole = self.b.ins().fcvt_to_sint_sat(types::I64, number);
        self.b.ins().fcvt_from_sint(types::F64, whole)
    }

    /// Is a number whole and between two others? `None` if it is known to be.
    fn is_whole_between(&mut self, value: ValueId, least: f64, most: f64) -> Option<Value> {
        if let Some(number) = self.constant_number(value)
            && number.fract() == 0.0
            && (least..=most).contains(&number)
        {
            return None;
        }
        let number = self.float(value);
        let whole = self.truncated(number);
        let same = self.b.ins().fcmp(FloatCC::Equal, whole, number);
        let (least, most) = (self.b.ins().f64const(least), self.b.ins().f64const(most));
        let above = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, number, least);
        let below = self.b.ins().fcmp(FloatCC::LessThanOrEqual, number, most);
        let inside = self.b.ins().band(above, below);
        Some(self.b.ins().band(same, inside))
    }

    /// The variable after as many turns as are paid for: one turn less than would use up all but one
    /// reduction, so that a turn may always be begun.
    fn paid_end(&mut self, it: &LoopLimit) -> Value {
        let fuel = self.load_fuel();
        let left = self.b.ins().iadd_imm_s(fuel, -1);
        let turns = match it.cost {
            1 => left,
            cost if cost.is_power_of_two() => {
                self.b.ins().sshr_imm_u(left, i64::from(cost.trailing_zeros()))
            }
            cost => {
                let left = self.b.ins().fcvt_from_sint(types::F64, left);
                let share = self.b.ins().f64const(1.0 / f64::from(cost));
                let turns = self.b.ins().fmul(left, share);
                self.b.ins().fcvt_to_sint_sat(types::I64, turns)
            }
        };
        let turns = self.b.ins().iadd_imm_s(turns, -1);
        let most = self.b.ins().iconst(types::I64, MOST_TURNS);
        let few = self.b.ins().icmp(IntCC::SignedLessThan, turns, most);
        let turns = self.b.ins().select(few, turns, most);
        let turns = self.b.ins().fcvt_from_sint(types::F64, turns);
        let (from, step) = (self.float(it.from), self.float(it.step));
        let distance = self.b.ins().fmul(turns, step);
        match it.down {
            false => self.b.ins().fadd(from, distance),
            true => self.b.ins().fsub(from, distance),
        }
    }

    /// Where the loop's own test ends it: the whole number that the variable must stay below (above, if it
    /// counts down) at the start of a turn.
    fn tested_end(&mut self, it: &LoopLimit) -> Value {
        let bound = self.float(it.bound);
        let whole = self.truncated(bound);
        let (zero, one) = (self.b.ins().f64const(0.0), self.b.ins().f64const(1.0));
        // Truncation is the ceiling of a negative number and the floor of a positive one.
        let (than, if_so, if_not) = match (it.down, it.inclusive) {
            (false, false) => (FloatCC::LessThan, one, zero),
            (false, true) => (FloatCC::GreaterThan, zero, one),
            (true, false) => (FloatCC::GreaterThan, one, zero),
            (true, true) => (FloatCC::LessThan, zero, one),
        };
        let beyond = self.b.ins().fcmp(than, whole, bound);
        let more = self.b.ins().select(beyond, if_so, if_not);
        let mut more = more;
        if it.next {
            let step = self.float(it.step);
            more = self.b.ins().fsub(more, step);
        }
        match it.down {
            false => self.b.ins().fadd(whole, more),
            true => self.b.ins().fsub(whole, more),
        }
    }

    pub(super) fn loop_limit(&mut self, id: InstId, it: &LoopLimit) {
        let (paid, tested) = (self.paid_end(it), self.tested_end(it));
        let (than, never) = match it.down {
            false => (FloatCC::LessThan, f64::NEG_INFINITY),
            true => (FloatCC::GreaterThan, f64::INFINITY),
        };
        let first = self.b.ins().fcmp(than, paid, tested);
        let limit = self.b.ins().select(first, paid, tested);
        let bound = self.float(it.bound);
        let mut counts = self.b.ins().fcmp(FloatCC::Ordered, bound, bound);
        let from = self.is_whole_between(it.from, -MOST_FROM, MOST_FROM);
        let step = self.is_whole_between(it.step, 1.0, MOST_STEP);
        for condition in [from, step].into_iter().flatten() {
            counts = self.b.ins().band(counts, condition);
        }
        let never = self.b.ins().f64const(never);
        let limit = self.b.ins().select(counts, limit, never);
        self.give(id, limit);
    }

    /// Charges for turns, and for what else is given; gives the sum.
    pub(super) fn charge_turns(&mut self, it: &ChargeTurns, also: u32) -> Value {
        let (from, to) = (self.float(it.from), self.float(it.to));
        let mut distance = match it.down {
            false => self.b.ins().fsub(to, from),
            true => self.b.ins().fsub(from, to),
        };
        if self.constant_number(it.step) != Some(1.0) {
            let step = self.float(it.step);
            distance = self.b.ins().fdiv(distance, step);
        }
        let turns = self.b.ins().fcvt_to_sint_sat(types::I64, distance);
        let sum = self.b.ins().imul_imm_s(turns, i64::from(it.cost));
        let sum = self.b.ins().iadd_imm_s(sum, i64::from(also));
        let fuel = self.load_fuel();
        let left = self.b.ins().isub(fuel, sum);
        self.store_fuel(left);
        sum
    }

    /// Takes back what was charged.
    pub(super) fn give_back(&mut self, sum: Value) {
        let fuel = self.load_fuel();
        let left = self.b.ins().iadd(fuel, sum);
        self.store_fuel(left);
    }

    /// Charges what a state owes.
    pub(super) fn charge_owed(&mut self, state: StateId) {
        if let Some(owed) = self.f.state(state).owed {
            self.charge_turns(&owed.turns, owed.also);
        }
    }
}
