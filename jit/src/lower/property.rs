//! Properties and elements: the shapes and kinds that are likely are done inline, everything else by
//! the runtime, through a stub that clobbers nothing.

use super::{Lower, Place, TRUSTED};
use crate::guess::Guess;
use crate::ir::{InstId, ValueId};
use crate::kinds::{Kinds, Repr};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};
use ion_runtime::atom::known;
use ion_runtime::bytecode::Access;
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::Helper;
use ion_runtime::ops::property::METHOD_SHAPE_BITS;
use ion_runtime::value::{Atom, bits};

/// Most shapes that code checks for one after the other.
const MAX_GUESSES: usize = 4;

/// Kinds whose values are heap objects.
const POINTERS: Kinds = Kinds::STRING
    .union(Kinds::COMPLEX)
    .union(Kinds::TUPLE)
    .union(Kinds::ARRAY)
    .union(Kinds::OBJECT);

impl Lower<'_, '_> {
    fn this_bits(&mut self, this: Option<ValueId>) -> Value {
        match this {
            Some(this) => self.bits(this),
            None => self.word(bits::UNDEFINED),
        }
    }

    fn atom_of(&self, key: ValueId) -> Option<Atom> {
        self.f.as_constant(key).and_then(|constant| constant.value.as_atom())
    }

    /// Shapes to check for an access by this name; none if there are too many to guess.
    fn guesses(&self, key: Atom, usable: impl Fn(Access) -> bool) -> Vec<Guess> {
        let all = self.linker.guesses(key);
        if all.len() > MAX_GUESSES {
            return Vec::new();
        }
        all.iter().copied().filter(|guess| usable(guess.access)).collect()
    }

    /// The address of a heap object; goes to `slow` if `value` may be none and is none.
    pub(super) fn address(&mut self, value: ValueId, slow: Block) -> Value {
        let word = self.bits(value);
        if !POINTERS.contains(self.f.kinds(value)) {
            let top = self.b.ins().ushr_imm_u(word, 48);
            let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
            self.go_on_if(is_pointer, slow);
        }
        self.pointer_in(word)
    }

    /// The address in a word that is known to be a pointer. The tag is subtracted, not masked: a sum becomes
    /// part of the addresses that are made of it, and its constant stays in a register in loops.
    pub(super) fn pointer_in(&mut self, word: Value) -> Value {
        self.b.ins().iadd_imm_s(word, ((bits::TAG_POINTER << 48) as i64).wrapping_neg())
    }

    /// Goes on in a new block if `cond`, else to `slow`.
    pub(super) fn go_on_if(&mut self, cond: Value, slow: Block) {
        let next = self.b.create_block();
        self.b.ins().brif(cond, next, &[], slow, &[]);
        self.b.switch_to_block(next);
    }

    pub(super) fn load_tag(&mut self, address: Value) -> Value {
        self.b.ins().load(types::I32, TRUSTED, address, 0)
    }

    /// Gives a value that was read from memory, which must not be a function: that would have to be
    /// bound, and goes to `slow`.
    pub(super) fn read_unbound(
        &mut self,
        address: Value,
        at: i32,
        kinds: Kinds,
        slow: Block,
    ) -> Value {
        let repr = kinds.repr();
        if !kinds.intersects(Kinds::FUNCTION) {
            return self.load_as(address, at, repr);
        }
        let word = self.b.ins().load(types::I64, TRUSTED, address, at);
        let top = self.b.ins().ushr_imm_u(word, 48);
        let plain = self.b.create_block();
        let pointer = self.b.create_block();
        let other = self.b.create_block();
        let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
        self.b.ins().brif(is_pointer, pointer, &[], other, &[]);
        self.b.switch_to_block(pointer);
        let object = self.pointer_in(word);
        let found = self.load_tag(object);
        let closure = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::CLOSURE));
        self.b.ins().brif(closure, slow, &[], plain, &[]);
        self.b.switch_to_block(other);
        let function = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_FUNCTION as i64);
        self.b.ins().brif(function, slow, &[], plain, &[]);
        self.b.switch_to_block(plain);
        self.unbox_bits(word, repr)
    }

    pub(super) fn load_as(&mut self, address: Value, at: i32, repr: Repr) -> Value {
        let ty = if repr == Repr::F64 { types::F64 } else { types::I64 };
        let value = self.b.ins().load(ty, TRUSTED, address, at);
        if repr == Repr::F64 { value } else { self.unbox_bits(value, repr) }
    }

    /// The index of an element as an integer; goes to `slow` if `key` is no whole number from 0 on.
    /// A negative number becomes a huge index, which the caller's check of the length refuses.
    pub(super) fn index(&mut self, key: ValueId, slow: Block) -> Value {
        let constant = self.f.as_constant(key).and_then(|constant| constant.value.as_number());
        if let Some(number) = constant.filter(|number| (0.0..4e9).contains(number))
            && number.fract() == 0.0
        {
            return self.word(number as u64);
        }
        let number = self.float(key);
        let index = self.b.ins().fcvt_to_sint_sat(types::I64, number);
        let back = self.b.ins().fcvt_from_sint(types::F64, index);
        let whole = self.b.ins().fcmp(FloatCC::Equal, back, number);
        self.go_on_if(whole, slow);
        index
    }

    pub(super) fn get_prop(
        &mut self,
        id: InstId,
        object: ValueId,
        key: ValueId,
        this: Option<ValueId>,
    ) {
        let kinds = self.f.kinds(object);
        let repr = self.f.inst(id).result.map_or(Repr::F64, |result| self.f.repr(result));
        let result_kinds = self.f.inst(id).result.map_or(Kinds::ANY, |result| self.f.kinds(result));
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, super::clif_type(repr));
        let slow = self.b.create_block();
        let cell = self.methods.contains_key(&id).then(|| {
            let inst = self.f.inst(id);
            let func = self.f.frames[inst.frame.index()].func;
            self.linker.cell(func, inst.pc)
        });
        let fast = match self.atom_of(key) {
            Some(_) if cell.is_some() => cell.map(|cell| self.get_method(object, cell, repr, slow)),
            Some(known::length)
                if kinds.intersects(Kinds::ARRAY) && !kinds.intersects(Kinds::OBJECT) =>
            {
                self.get_length(object, repr, slow)
            }
            Some(key) if kinds.intersects(Kinds::OBJECT) => {
                let guesses =
                    self.guesses(key, |access| matches!(access, Access::Public | Access::Readonly));
                self.get_guessed(object, &guesses, result_kinds, join, slow)
            }
            None if kinds.intersects(Kinds::ARRAY)
                && self.f.kinds(key).intersects(Kinds::NUMBER) =>
            {
                self.get_element(object, key, result_kinds, slow)
            }
            _ => None,
        };
        match fast {
            Some(value) => {
                self.b.ins().jump(join, &[BlockArg::Value(value)]);
                self.b.set_cold_block(slow);
            }
            None => {
                self.b.ins().jump(slow, &[]);
            }
        }
        self.b.switch_to_block(slow);
        let args = [self.bits(object), self.bits(key), self.this_bits(this)];
        if let Some(cell) = cell {
            let cell = self.cell_address(cell);
            self.call_cold(Helper::get_method, &[args[0], args[1], args[2], cell]);
            self.check_cold_status(id);
        } else if fast.is_some() {
            self.call_cold(Helper::get_prop, &args);
            self.check_cold_status(id);
        } else {
            let status = self.call_helper(Helper::get_prop, &args);
            self.check_status(id, status);
        }
        let result = self.result_bits();
        let result = self.unbox_bits(result, repr);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    fn cell_address(&mut self, cell: Place) -> Value {
        match cell {
            Place::Fixed(address) => self.word(address),
            Place::Slot(slot) => self.slot_address(slot),
        }
    }

    /// Reads a property through a method cache, without binding it: an own property, or one of the
    /// prototype.
    fn get_method(&mut self, object: ValueId, cell: Place, repr: Repr, slow: Block) -> Value {
        let cell = self.cell_address(cell);
        let word = self.b.ins().load(types::I64, TRUSTED, cell, 0);
        let address = self.address(object, slow);
        let found = self.b.ins().uload32(TRUSTED, address, 0);
        let mask = (1i64 << METHOD_SHAPE_BITS) - 1;
        let expected = self.b.ins().band_imm_u(word, mask);
        let same = self.b.ins().icmp(IntCC::Equal, found, expected);
        self.go_on_if(same, slow);
        let rest = self.b.ins().ushr_imm_u(word, i64::from(METHOD_SHAPE_BITS));
        let expected = self.b.ins().band_imm_u(rest, mask);
        let read = self.b.create_block();
        let holder = self.b.append_block_param(read, types::I64);
        let inherited = self.b.create_block();
        self.b.ins().brif(expected, inherited, &[], read, &[BlockArg::Value(address)]);
        self.b.switch_to_block(inherited);
        let proto = self.b.ins().load(types::I64, TRUSTED, address, offset::OBJECT_PROTO as i32);
        let top = self.b.ins().ushr_imm_u(proto, 48);
        let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
        self.go_on_if(is_pointer, slow);
        let proto = self.pointer_in(proto);
        let found = self.b.ins().uload32(TRUSTED, proto, 0);
        let same = self.b.ins().icmp(IntCC::Equal, found, expected);
        self.go_on_if(same, slow);
        self.b.ins().jump(read, &[BlockArg::Value(proto)]);
        self.b.switch_to_block(read);
        let words = self.b.ins().ushr_imm_u(word, i64::from(2 * METHOD_SHAPE_BITS));
        let distance = self.b.ins().ishl_imm_u(words, 3);
        let slot = self.b.ins().iadd(holder, distance);
        self.load_as(slot, 0, repr)
    }

    fn get_length(&mut self, object: ValueId, repr: Repr, slow: Block) -> Option<Value> {
        let address = self.address(object, slow);
        let found = self.load_tag(address);
        let is_array = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::ARRAY));
        self.go_on_if(is_array, slow);
        let len = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_LEN as i32);
        let len = self.b.ins().fcvt_from_sint(types::F64, len);
        Some(self.unbox_float(len, repr))
    }

    /// Checks one shape after the other; the last one falls through to the result.
    fn get_guessed(
        &mut self,
        object: ValueId,
        guesses: &[Guess],
        kinds: Kinds,
        join: Block,
        slow: Block,
    ) -> Option<Value> {
        let (last, others) = guesses.split_last()?;
        let address = self.address(object, slow);
        let found = self.load_tag(address);
        for guess in others {
            let next = self.b.create_block();
            let hit = self.b.create_block();
            let same = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(guess.shape.0));
            self.b.ins().brif(same, hit, &[], next, &[]);
            self.b.switch_to_block(hit);
            let value = self.read_unbound(address, slot_offset(guess), kinds, slow);
            self.b.ins().jump(join, &[BlockArg::Value(value)]);
            self.b.switch_to_block(next);
        }
        let same = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(last.shape.0));
        self.go_on_if(same, slow);
        Some(self.read_unbound(address, slot_offset(last), kinds, slow))
    }

    fn get_element(
        &mut self,
        object: ValueId,
        key: ValueId,
        kinds: Kinds,
        slow: Block,
    ) -> Option<Value> {
        let address = self.address(object, slow);
        if self.f.kinds(object) != Kinds::ARRAY {
            let found = self.load_tag(address);
            let is_array = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::ARRAY));
            self.go_on_if(is_array, slow);
        }
        let index = self.index(key, slow);
        let len = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_LEN as i32);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, len);
        self.go_on_if(inside, slow);
        let element = self.element(address, index);
        Some(self.read_unbound(element, offset::SLOTS_ELEMENTS as i32, kinds, slow))
    }

    /// The address of an element less the offset of the first.
    fn element(&mut self, array: Value, index: Value) -> Value {
        let slots = self.b.ins().load(types::I64, TRUSTED, array, offset::ARRAY_SLOTS as i32);
        let distance = self.b.ins().ishl_imm_u(index, 3);
        self.b.ins().iadd(slots, distance)
    }

    pub(super) fn set_prop(
        &mut self,
        id: InstId,
        object: ValueId,
        key: ValueId,
        value: ValueId,
        this: Option<ValueId>,
    ) {
        let kinds = self.f.kinds(object);
        let join = self.b.create_block();
        let slow = self.b.create_block();
        let fast = match self.atom_of(key) {
            Some(key)
                if kinds.intersects(Kinds::OBJECT)
                    && key != known::proto
                    && !self.linker.has_setattr() =>
            {
                let guesses = self.guesses(key, |access| access == Access::Public);
                self.set_guessed(object, &guesses, value, join, slow)
            }
            None if kinds.intersects(Kinds::ARRAY)
                && self.f.kinds(key).intersects(Kinds::NUMBER) =>
            {
                self.set_element(object, key, value, join, slow);
                true
            }
            _ => false,
        };
        if fast {
            self.b.ins().jump(join, &[]);
            self.b.set_cold_block(slow);
        } else {
            self.b.ins().jump(slow, &[]);
        }
        self.b.switch_to_block(slow);
        let args = [self.bits(object), self.bits(key), self.bits(value), self.this_bits(this)];
        if fast {
            self.call_cold(Helper::set_prop, &args);
            self.check_cold_status(id);
        } else {
            let status = self.call_helper(Helper::set_prop, &args);
            self.check_status(id, status);
        }
        self.b.ins().jump(join, &[]);
        self.b.switch_to_block(join);
    }

    pub(super) fn store(&mut self, value: ValueId, address: Value, at: i32) {
        let value = match self.f.repr(value) {
            Repr::F64 => self.value(value),
            _ => self.bits(value),
        };
        self.b.ins().store(TRUSTED, value, address, at);
    }

    fn set_guessed(
        &mut self,
        object: ValueId,
        guesses: &[Guess],
        value: ValueId,
        join: Block,
        slow: Block,
    ) -> bool {
        let Some((last, others)) = guesses.split_last() else { return false };
        let address = self.address(object, slow);
        let found = self.load_tag(address);
        for guess in others {
            let next = self.b.create_block();
            let hit = self.b.create_block();
            let same = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(guess.shape.0));
            self.b.ins().brif(same, hit, &[], next, &[]);
            self.b.switch_to_block(hit);
            self.store(value, address, slot_offset(guess));
            self.b.ins().jump(join, &[]);
            self.b.switch_to_block(next);
        }
        let same = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(last.shape.0));
        self.go_on_if(same, slow);
        self.store(value, address, slot_offset(last));
        true
    }

    /// Writes an element, or appends one if there is room for it.
    fn set_element(
        &mut self,
        object: ValueId,
        key: ValueId,
        value: ValueId,
        join: Block,
        slow: Block,
    ) {
        let address = self.address(object, slow);
        if self.f.kinds(object) != Kinds::ARRAY {
            let found = self.load_tag(address);
            let is_array = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::ARRAY));
            self.go_on_if(is_array, slow);
        }
        let index = self.index(key, slow);
        self.set_checked_element(object, index, value, join, slow);
    }

    /// Writes an element of what is known to be an array, or appends one if there is room for it.
    pub(super) fn set_checked_element(
        &mut self,
        object: ValueId,
        index: Value,
        value: ValueId,
        join: Block,
        slow: Block,
    ) {
        let address = self.address_of(object);
        let len = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_LEN as i32);
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, len);
        let (replace, behind) = (self.b.create_block(), self.b.create_block());
        self.b.ins().brif(inside, replace, &[], behind, &[]);

        self.b.switch_to_block(behind);
        let is_next = self.b.ins().icmp(IntCC::Equal, index, len);
        self.go_on_if(is_next, slow);
        let slots = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_SLOTS as i32);
        let exists = self.b.ins().icmp_imm_u(IntCC::NotEqual, slots, 0);
        self.go_on_if(exists, slow);
        let capacity = self.b.ins().uload32(TRUSTED, slots, 4);
        let room = self.b.ins().icmp(IntCC::UnsignedLessThan, index, capacity);
        self.go_on_if(room, slow);
        let longer = self.b.ins().iadd_imm_s(len, 1);
        self.b.ins().store(TRUSTED, longer, address, offset::ARRAY_LEN as i32);
        let element = self.element(address, index);
        self.store(value, element, offset::SLOTS_ELEMENTS as i32);
        self.b.ins().jump(join, &[]);

        self.b.switch_to_block(replace);
        let element = self.element(address, index);
        self.store(value, element, offset::SLOTS_ELEMENTS as i32);
    }
}

fn slot_offset(guess: &Guess) -> i32 {
    offset::OBJECT_SLOTS as i32 + 8 * guess.slot as i32
}
