//! Checks, and what they make possible: plain loads and stores.
//!
//! A check that fails leaves in a cold block, through a helper that tells the runtime that the
//! interpreter goes on.

use super::{Lower, TRUSTED};
use crate::ir::{InstId, Method, Op, Row, Slot, Target, Terminator, ValueId};
use crate::kinds::{Kinds, Repr};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::Helper;
use ion_runtime::object::shape::ShapeId;
use ion_runtime::program::FuncId;
use ion_runtime::value::{Value as IonValue, bits};

fn slot_offset(at: u32) -> i32 {
    offset::OBJECT_SLOTS as i32 + 8 * at as i32
}

impl Lower<'_, '_> {
    /// The cold block that leaves in the exit state of an instruction.
    pub(super) fn exit(&mut self, id: InstId) -> Block {
        let state = self.f.inst(id).exit.expect("checks have an exit");
        let version = self.fuel_version();
        if let Some(&block) = self.exits.get(&(state, version)) {
            return block;
        }
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        self.exits.insert((state, version), block);
        self.open_exits.push((block, id, state, self.fuel.state.clone()));
        block
    }

    /// Writes the blocks to which checks exit.
    pub(super) fn write_exits(&mut self) {
        while let Some((block, id, state, fuel)) = self.open_exits.pop() {
            self.b.switch_to_block(block);
            self.fuel.state = fuel;
            self.settle_fuel();
            self.charge_owed(state);
            let function = self.word(u64::from(self.f.func.0));
            self.call_cold(Helper::exit, &[function]);
            self.unwind_to(id, state);
        }
    }

    fn has_shape(&mut self, address: Value, shape: ShapeId) -> Value {
        let found = self.load_tag(address);
        self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(shape.0))
    }

    pub(super) fn check_shape(&mut self, id: InstId, object: ValueId, shape: ShapeId) {
        let exit = self.exit(id);
        let address = self.address(object, exit);
        let same = self.has_shape(address, shape);
        self.go_on_if(same, exit);
    }

    /// Goes to `miss` unless the method is found.
    fn find_method(&mut self, object: ValueId, method: &Method, miss: Block) {
        let mut address = self.address(object, miss);
        for (at, &shape) in method.chain.iter().enumerate() {
            if at > 0 {
                let proto =
                    self.b.ins().load(types::I64, TRUSTED, address, offset::OBJECT_PROTO as i32);
                let top = self.b.ins().ushr_imm_u(proto, 48);
                let is_pointer =
                    self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
                self.go_on_if(is_pointer, miss);
                address = self.pointer_in(proto);
            }
            let same = self.has_shape(address, shape);
            self.go_on_if(same, miss);
        }
        let found = self.b.ins().load(types::I64, TRUSTED, address, slot_offset(method.slot));
        let expected = self.word(IonValue::function(method.func).to_bits());
        let same = self.b.ins().icmp(IntCC::Equal, found, expected);
        self.go_on_if(same, miss);
    }

    pub(super) fn check_method(&mut self, id: InstId, object: ValueId, method: &Method) {
        let exit = self.exit(id);
        self.find_method(object, method, exit);
    }

    pub(super) fn has_method(&mut self, id: InstId, object: ValueId, method: &Method) {
        if self.tested_method() == Some(id) {
            // The branch looks.
            return;
        }
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, types::I8);
        let miss = self.b.create_block();
        self.find_method(object, method, miss);
        let yes = self.b.ins().iconst(types::I8, 1);
        self.b.ins().jump(join, &[yes.into()]);
        self.b.switch_to_block(miss);
        let no = self.b.ins().iconst(types::I8, 0);
        self.b.ins().jump(join, &[no.into()]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    /// The look for a method at the end of the block on which only its branch depends.
    fn tested_method(&self) -> Option<InstId> {
        let block = self.f.block(self.block);
        let Terminator::Branch { cond, .. } = &block.term else { return None };
        let &last = block.insts.last()?;
        let is_test = matches!(self.f.inst(last).op, Op::HasMethod { .. });
        let is_it = is_test && self.f.inst(last).result == Some(*cond);
        (is_it && self.uses[cond.index()] == 1).then_some(last)
    }

    /// Branches on a look for a method, if the block ends in one.
    pub(super) fn branch_on_method(&mut self, then: &Target, otherwise: &Target) -> bool {
        let Some(test) = self.tested_method() else { return false };
        let Op::HasMethod { object, method } = &self.f.inst(test).op else { return false };
        let miss = self.b.create_block();
        self.find_method(*object, method, miss);
        let (block, args) = self.edge(then);
        self.b.ins().jump(block, &args);
        self.b.switch_to_block(miss);
        let (block, args) = self.edge(otherwise);
        self.b.ins().jump(block, &args);
        true
    }

    pub(super) fn check_closure(
        &mut self,
        id: InstId,
        function: ValueId,
        func: FuncId,
        captures: u32,
    ) {
        let exit = self.exit(id);
        let word = self.bits(function);
        let top = self.b.ins().ushr_imm_u(word, 48);
        let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
        self.go_on_if(is_pointer, exit);
        let address = self.pointer_in(word);
        // Tag and number of captures are one word.
        let header = self.b.ins().load(types::I64, TRUSTED, address, 0);
        let expected = self.word(u64::from(tag::CLOSURE) | u64::from(captures) << 32);
        let same = self.b.ins().icmp(IntCC::Equal, header, expected);
        self.go_on_if(same, exit);
        let at = offset::CLOSURE_FUNCTION as i32;
        let found = self.b.ins().load(types::I64, TRUSTED, address, at);
        let expected = self.word(IonValue::function(func).to_bits());
        let same = self.b.ins().icmp(IntCC::Equal, found, expected);
        self.go_on_if(same, exit);
    }

    /// The address in a value that is known to point to a heap object.
    pub(super) fn address_of(&mut self, value: ValueId) -> Value {
        let word = self.bits(value);
        self.pointer_in(word)
    }

    pub(super) fn load_from_closure(&mut self, id: InstId, function: ValueId, at: usize) {
        let Some(result) = self.f.inst(id).result else { return };
        let repr = self.f.repr(result);
        let address = self.address_of(function);
        let value = self.load_as(address, at as i32, repr);
        self.give(id, value);
    }

    /// Exits if a value is no Number.
    fn require_number(&mut self, value: Value, exit: Block) {
        let unordered = self.b.ins().fcmp(FloatCC::Unordered, value, value);
        let next = self.b.create_block();
        // A NaN that is a Number is unordered too.
        let look = self.b.create_block();
        self.b.set_cold_block(look);
        self.b.ins().brif(unordered, look, &[], next, &[]);
        self.b.switch_to_block(look);
        let word = self.unbox_float(value, Repr::I64);
        let first = self.word(bits::FIRST_TAGGED);
        let is_number = self.b.ins().icmp(IntCC::UnsignedLessThan, word, first);
        self.b.ins().brif(is_number, next, &[], exit, &[]);
        self.b.switch_to_block(next);
    }

    pub(super) fn whole_number(&mut self, id: InstId, a: ValueId) {
        const MOST: i64 = 1 << 32;
        let constant = self.f.as_constant(a).and_then(|constant| constant.value.as_number());
        if let Some(number) = constant
            && number.fract() == 0.0
            && number.abs() <= MOST as f64
        {
            let whole = self.b.ins().iconst(types::I64, number as i64);
            return self.give(id, whole);
        }
        let exit = self.exit(id);
        let whole = self.integer_of(a);
        if !self.whole.contains_key(&a) {
            let number = self.float(a);
            let back = self.b.ins().fcvt_from_sint(types::F64, whole);
            let same = self.b.ins().fcmp(FloatCC::Equal, back, number);
            self.go_on_if(same, exit);
        }
        let raised = self.b.ins().iadd_imm_s(whole, MOST);
        let small = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThanOrEqual, raised, 2 * MOST);
        self.go_on_if(small, exit);
        self.give(id, whole);
    }

    pub(super) fn as_number(&mut self, id: InstId, a: ValueId) {
        let exit = self.exit(id);
        let number = self.float(a);
        self.require_number(number, exit);
        self.give(id, number);
    }

    pub(super) fn divide(&mut self, id: InstId, a: ValueId, b: ValueId) {
        let exit = self.exit(id);
        let (a, b) = (self.float(a), self.float(b));
        let zero = self.b.ins().f64const(0.0);
        let by_zero = self.b.ins().fcmp(FloatCC::Equal, b, zero);
        let next = self.b.create_block();
        self.b.ins().brif(by_zero, exit, &[], next, &[]);
        self.b.switch_to_block(next);
        let quotient = self.b.ins().fdiv(a, b);
        self.give(id, quotient);
    }

    pub(super) fn load_slot(&mut self, id: InstId, object: ValueId, slot: Slot, number: bool) {
        let Some(result) = self.f.inst(id).result else { return };
        let address = self.address_of(object);
        let value = self.load_as(address, slot_offset(slot.at), self.f.repr(result));
        if number {
            let exit = self.exit(id);
            self.require_number(value, exit);
        }
        self.give(id, value);
    }

    pub(super) fn store_slot(&mut self, object: ValueId, slot: Slot, value: ValueId) {
        let address = self.address_of(object);
        self.store(value, address, slot_offset(slot.at));
    }

    pub(super) fn check_row(&mut self, id: InstId, object: ValueId, row: Row) {
        let kinds = self.f.kinds(object);
        let (tag, kind) = match row {
            Row::Array => (tag::ARRAY, Kinds::ARRAY),
            Row::Tuple => (tag::TUPLE, Kinds::TUPLE),
        };
        if kinds == kind {
            return;
        }
        let exit = self.exit(id);
        let address = self.address(object, exit);
        let found = self.load_tag(address);
        // Constant tuples carry a flag.
        let found = match row {
            Row::Array => found,
            Row::Tuple => self.b.ins().band_imm_u(found, i64::from(tag::MASK)),
        };
        let same = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag));
        self.go_on_if(same, exit);
    }

    /// Length and address of the first element less `SLOTS_ELEMENTS`.
    fn row_parts(&mut self, object: ValueId, row: Row) -> (Value, Value) {
        let address = self.address_of(object);
        match row {
            Row::Array => {
                let len = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_LEN as i32);
                let at = offset::ARRAY_SLOTS as i32;
                (len, self.b.ins().load(types::I64, TRUSTED, address, at))
            }
            Row::Tuple => (self.b.ins().uload32(TRUSTED, address, 4), address),
        }
    }

    pub(super) fn row_length(&mut self, id: InstId, object: ValueId, row: Row) {
        let (len, _) = self.row_parts(object, row);
        self.give_whole(id, len);
    }

    pub(super) fn load_element(&mut self, id: InstId, op: &Op) {
        let Op::LoadElement { object, row, index, number, functions, whole } = *op else { return };
        let exit = self.exit(id);
        let constant = self.f.as_constant(index).and_then(|constant| constant.value.as_number());
        let is_inside = row == Row::Tuple
            && constant.is_some_and(|at| at >= 0.0 && at < self.known_length(object) as f64);
        let index = match whole {
            Some(whole) => self.value(whole),
            None => self.index(index, exit),
        };
        let (len, elements) = self.row_parts(object, row);
        if !is_inside {
            let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, len);
            self.go_on_if(inside, exit);
        }
        let Some(result) = self.f.inst(id).result else { return };
        let distance = self.b.ins().ishl_imm_u(index, 3);
        let element = self.b.ins().iadd(elements, distance);
        let at = match row {
            Row::Array => offset::SLOTS_ELEMENTS as i32,
            Row::Tuple => offset::TUPLE_ELEMENTS as i32,
        };
        let value = match functions {
            false => self.load_as(element, at, self.f.repr(result)),
            true => self.read_unbound(element, at, self.f.kinds(result) | Kinds::FUNCTION, exit),
        };
        if number {
            self.require_number(value, exit);
        }
        self.give(id, value);
    }

    pub(super) fn store_element(&mut self, id: InstId, op: &Op) {
        let Op::StoreElement { object, index, whole, value, owed } = *op else { return };
        let slow = self.b.create_block();
        self.b.set_cold_block(slow);
        let join = self.b.create_block();
        let at = match whole {
            Some(whole) => self.value(whole),
            None => self.index(index, slow),
        };
        self.set_checked_element(object, at, value, join, slow);
        self.b.ins().jump(join, &[]);
        self.b.switch_to_block(slow);
        let undefined = self.word(bits::UNDEFINED);
        let args = [self.bits(object), self.bits(index), self.bits(value), undefined];
        self.with_fuel_settled(|this| {
            // It may fail, and then everything must have been charged.
            let charged = owed.map(|owed| this.charge_turns(&owed.turns, owed.also));
            this.call_cold(Helper::set_prop, &args);
            this.check_cold_status(id);
            if let Some(charged) = charged {
                this.give_back(charged);
            }
        });
        self.b.ins().jump(join, &[]);
        self.b.switch_to_block(join);
    }
}
