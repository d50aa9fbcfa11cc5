//! Loops that are paid for ahead: how far they may go, and what they owe.

use super::Lower;
use crate::ir::{ChargeTurns, InstId, LoopLimit, Op, StateId, ValueId};
use crate::whole::constant_integer;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};

/// Bounds beyond this are taken for this.
const MOST_BOUND: i64 = 1 << 40;

impl Lower<'_, '_> {
    /// Is the integer the constant 1?
    fn is_one(&self, value: ValueId) -> bool {
        match self.f.as_inst(value).map(|inst| &inst.op) {
            Some(Op::ToIndex { a }) => constant_integer(self.f, *a) == Some(1),
            _ => false,
        }
    }

    fn least(&mut self, a: Value, b: Value) -> Value {
        let first = self.b.ins().icmp(IntCC::SignedLessThan, a, b);
        self.b.ins().select(first, a, b)
    }

    fn greatest(&mut self, a: Value, b: Value) -> Value {
        let first = self.b.ins().icmp(IntCC::SignedGreaterThan, a, b);
        self.b.ins().select(first, a, b)
    }

    fn least_of(&mut self, a: Value, most: i64) -> Value {
        let most = self.b.ins().iconst(types::I64, most);
        self.least(a, most)
    }

    /// The variable after as many turns as are paid for: one turn less than would use up all but one
    /// reduction, so that a turn may always be begun.
    fn paid_end(&mut self, it: &LoopLimit) -> Value {
        let fuel = self.load_fuel();
        let left = self.b.ins().iadd_imm_s(fuel, -1);
        // Where nothing is left, less than no turn is as good as none.
        let turns = match it.cost {
            cost if cost.is_power_of_two() => {
                self.b.ins().sshr_imm_u(left, i64::from(cost.trailing_zeros()))
            }
            cost => self.b.ins().sdiv_imm_s(left, i64::from(cost)),
        };
        let turns = self.b.ins().iadd_imm_s(turns, -1);
        let turns = self.least_of(turns, LoopLimit::MOST_TURNS);
        let (from, step) = (self.value(it.from), self.value(it.step));
        let distance = self.b.ins().imul(turns, step);
        match it.down {
            false => self.b.ins().iadd(from, distance),
            true => self.b.ins().isub(from, distance),
        }
    }

    /// Where the loop's own test ends it: the integer that the variable must stay below (above, if it
    /// counts down) at the start of a turn; and if there is any, if that is not known.
    fn tested_end(&mut self, it: &LoopLimit) -> (Value, Option<Value>) {
        let is_integer =
            constant_integer(self.f, it.bound).is_some() || self.whole.contains_key(&it.bound);
        let mut end = self.integer_of(it.bound);
        let mut exists = None;
        // Integers below a number are those below its ceiling; integers up to a number are those below its
        // floor and one.
        if is_integer {
            if it.inclusive {
                end = self.b.ins().iadd_imm_s(end, if it.down { -1 } else { 1 });
            }
        } else {
            let bound = self.float(it.bound);
            exists = Some(self.b.ins().fcmp(FloatCC::Ordered, bound, bound));
            let whole = self.b.ins().fcvt_from_sint(types::F64, end);
            // Truncation is the ceiling of a negative number and the floor of a positive one.
            let (than, if_so, if_not) = match (it.down, it.inclusive) {
                (false, false) => (FloatCC::LessThan, 1, 0),
                (false, true) => (FloatCC::GreaterThan, 0, 1),
                (true, false) => (FloatCC::GreaterThan, -1, 0),
                (true, true) => (FloatCC::LessThan, 0, -1),
            };
            let beyond = self.b.ins().fcmp(than, whole, bound);
            let if_so = self.b.ins().iconst(types::I64, if_so);
            let if_not = self.b.ins().iconst(types::I64, if_not);
            let more = self.b.ins().select(beyond, if_so, if_not);
            end = self.least_of(end, MOST_BOUND);
            let most = self.b.ins().iconst(types::I64, -MOST_BOUND);
            end = self.greatest(end, most);
            end = self.b.ins().iadd(end, more);
        }
        if it.next {
            let step = self.value(it.step);
            end = match it.down {
                false => self.b.ins().isub(end, step),
                true => self.b.ins().iadd(end, step),
            };
        }
        (end, exists)
    }

    pub(super) fn loop_limit(&mut self, id: InstId, it: &LoopLimit) {
        let (paid, (tested, exists)) = (self.paid_end(it), self.tested_end(it));
        // One step further is still within the most that the variable may reach.
        let most = LoopLimit::MOST - LoopLimit::MOST_STEP;
        let (limit, never) = match it.down {
            false => {
                let limit = self.least(paid, tested);
                (self.least_of(limit, most), i64::MIN)
            }
            true => {
                let limit = self.greatest(paid, tested);
                let most = self.b.ins().iconst(types::I64, -most);
                (self.greatest(limit, most), i64::MAX)
            }
        };
        let limit = match exists {
            Some(exists) => {
                let never = self.b.ins().iconst(types::I64, never);
                self.b.ins().select(exists, limit, never)
            }
            None => limit,
        };
        self.give(id, limit);
    }

    /// Charges for turns, and for what else is given; gives the sum.
    pub(super) fn charge_turns(&mut self, it: &ChargeTurns, also: u32) -> Value {
        let (from, to, step) = (self.value(it.from), self.value(it.to), self.value(it.step));
        let mut turns = match it.down {
            false => self.b.ins().isub(to, from),
            true => self.b.ins().isub(from, to),
        };
        if !self.is_one(it.step) {
            turns = self.b.ins().sdiv(turns, step);
        }
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
