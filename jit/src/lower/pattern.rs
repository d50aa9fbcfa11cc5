//! MATCH: simple patterns inline, others by the runtime.
//!
//! Simple are immediates, and rows (tuples, arrays) of immediates and wildcards. Rows that all begin
//! with different atoms become a switch on that atom. An object may match a row pattern by its
//! properties `0`, `1`, …: that is left to the runtime.

use super::{Lower, TRUSTED};
use crate::ir::{self, FrameId, Op, Target, ValueId};
use crate::kinds::Kinds;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, InstBuilder, JumpTableData, Value, types};
use cranelift_frontend::Switch;
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::Helper;
use ion_runtime::link::{Pat, Template};
use ion_runtime::value::{Atom, Value as IonValue, bits};

/// A pattern without parts.
#[derive(Clone, Copy)]
enum Leaf {
    Anything,
    Exactly(IonValue),
}

/// A pattern that is tested inline.
enum Simple {
    Leaf(Leaf),
    Row(Vec<Leaf>),
    /// An array, not a tuple.
    Array(Vec<Leaf>),
}

fn leaf(pattern: &Pat) -> Option<Leaf> {
    match pattern {
        Pat::Wildcard => Some(Leaf::Anything),
        Pat::Value(Template::Value(value)) if !value.is_pointer() => Some(Leaf::Exactly(*value)),
        _ => None,
    }
}

fn simple(pattern: &Pat) -> Option<Simple> {
    let row = |patterns: &[Pat]| patterns.iter().map(leaf).collect::<Option<Vec<Leaf>>>();
    match pattern {
        Pat::Tuple { patterns, .. } => row(patterns).map(Simple::Row),
        Pat::Array(patterns) => row(patterns).map(Simple::Array),
        other => leaf(other).map(Simple::Leaf),
    }
}

/// What is known about a matched value that may be a row.
struct Row {
    /// Address of the first element.
    elements: Value,
    /// Length, or a huge number for values that are no row.
    length: Value,
    /// Is it an array? A flag.
    is_array: Value,
}

impl Lower<'_, '_> {
    pub(super) fn lower_match(
        &mut self,
        frame: FrameId,
        pc: u32,
        value: ValueId,
        arms: &[Target],
        default: &Target,
    ) {
        let func = self.f.frames[frame.index()].func;
        let body = self.program.function(func).bytecode();
        let patterns: &[Pat] =
            body.and_then(|body| body.literals.patterns.get(&pc)).map_or(&[], Vec::as_slice);
        let simple: Option<Vec<Simple>> = patterns.iter().take(arms.len()).map(simple).collect();
        match simple {
            Some(simple) if simple.len() == arms.len() => {
                self.know_arms(value, &simple, arms);
                self.match_inline(frame, pc, value, &simple, arms, default);
            }
            _ => self.match_by_runtime(frame, pc, value, arms, default),
        }
    }

    /// Notes how long a row is that has matched a pattern, for the block that only this leads to.
    fn know_arms(&mut self, value: ValueId, patterns: &[Simple], arms: &[Target]) {
        for (pattern, arm) in patterns.iter().zip(arms) {
            if let Simple::Row(leaves) | Simple::Array(leaves) = pattern
                && self.is_entered_once(arm.block)
            {
                self.matched.insert(arm.block, (value, leaves.len()));
            }
        }
    }

    /// How many elements the row certainly has here; 0 if nothing is known.
    pub(super) fn known_length(&self, value: ValueId) -> usize {
        match self.matched.get(&self.block) {
            Some(&(matched, length)) if matched == value => length,
            _ => 0,
        }
    }

    /// Is it known to be a tuple, at the end of this block?
    fn is_tuple(&self, value: ValueId) -> bool {
        let check = Op::CheckRow { object: value, row: ir::Row::Tuple };
        let mut insts = self.f.block(self.block).insts.iter();
        self.f.kinds(value) == Kinds::TUPLE || insts.any(|&id| self.f.inst(id).op == check)
    }

    fn match_by_runtime(
        &mut self,
        frame: FrameId,
        pc: u32,
        value: ValueId,
        arms: &[Target],
        default: &Target,
    ) {
        self.settle_fuel();
        let place = self.place(frame, pc);
        let value = self.bits(value);
        let arm = self.call_helper(Helper::match_arm, &[place, value]);
        let arm = self.b.ins().ireduce(types::I32, arm);
        let mut calls = Vec::with_capacity(arms.len());
        for target in arms {
            let (block, args) = self.edge(target);
            calls.push(BlockCall::new(block, args, &mut self.b.func.dfg.value_lists));
        }
        let (block, args) = self.edge(default);
        let default = BlockCall::new(block, args, &mut self.b.func.dfg.value_lists);
        let table = self.b.create_jump_table(JumpTableData::new(default, &calls));
        self.b.ins().br_table(arm, table);
    }

    fn match_inline(
        &mut self,
        frame: FrameId,
        pc: u32,
        value: ValueId,
        patterns: &[Simple],
        arms: &[Target],
        default: &Target,
    ) {
        let has_rows = patterns.iter().any(|pattern| !matches!(pattern, Simple::Leaf(_)));
        let row = has_rows.then(|| {
            if self.is_tuple(value) {
                return self.tuple(value);
            }
            let by_runtime = self.b.create_block();
            self.b.set_cold_block(by_runtime);
            let row = self.row(value, by_runtime);
            self.in_block(by_runtime, |this| {
                this.match_by_runtime(frame, pc, value, arms, default);
            });
            row
        });
        if let (Some(row), Some(tags)) = (&row, distinct_tags(patterns)) {
            return self.match_tags(row, patterns, &tags, arms, default);
        }
        for (pattern, target) in patterns.iter().zip(arms) {
            let next = self.b.create_block();
            match (pattern, &row) {
                (Simple::Row(leaves), Some(row)) => self.test_row(row, leaves, next),
                (Simple::Array(leaves), Some(row)) => {
                    self.go_on_if(row.is_array, next);
                    self.test_row(row, leaves, next);
                }
                (Simple::Leaf(Leaf::Exactly(expected)), _) => {
                    let same = self.is_value(value, *expected);
                    self.go_on_if(same, next);
                }
                _ => {}
            }
            let (block, args) = self.edge(target);
            self.b.ins().jump(block, &args);
            self.b.switch_to_block(next);
        }
        let (block, args) = self.edge(default);
        self.b.ins().jump(block, &args);
    }

    fn is_value(&mut self, value: ValueId, expected: IonValue) -> Value {
        match expected.as_number() {
            Some(number) => {
                let (value, number) = (self.float(value), self.b.ins().f64const(number));
                self.b.ins().fcmp(FloatCC::Equal, value, number)
            }
            None => {
                let value = self.bits(value);
                self.b.ins().icmp_imm_s(IntCC::Equal, value, expected.to_bits() as i64)
            }
        }
    }

    /// What is known about a tuple.
    fn tuple(&mut self, value: ValueId) -> Row {
        let address = self.address_of(value);
        let elements = self.b.ins().iadd_imm_s(address, offset::TUPLE_ELEMENTS as i64);
        let length = self.b.ins().uload32(TRUSTED, address, 4);
        let is_array = self.b.ins().iconst(types::I8, 0);
        Row { elements, length, is_array }
    }

    /// Looks whether a value is a row; goes to `by_runtime` for objects.
    fn row(&mut self, value: ValueId, by_runtime: Block) -> Row {
        let join = self.b.create_block();
        let elements = self.b.append_block_param(join, types::I64);
        let length = self.b.append_block_param(join, types::I64);
        let is_array = self.b.append_block_param(join, types::I8);
        let none = self.word(u64::MAX);
        let no = self.b.ins().iconst(types::I8, 0);
        let not_a_row = [BlockArg::Value(none), BlockArg::Value(none), BlockArg::Value(no)];
        let word = self.bits(value);
        let top = self.b.ins().ushr_imm_u(word, 48);
        let is_pointer = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_POINTER as i64);
        let pointer = self.b.create_block();
        self.b.ins().brif(is_pointer, pointer, &[], join, &not_a_row);
        self.b.switch_to_block(pointer);
        let address = self.pointer_in(word);
        let found = self.b.ins().load(types::I32, TRUSTED, address, 0);
        let found = self.b.ins().band_imm_u(found, i64::from(tag::MASK));
        if self.f.kinds(value).intersects(Kinds::OBJECT) {
            let first = i64::from(tag::DICT_OBJECT);
            let is_object =
                self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, found, first);
            let other = self.b.create_block();
            self.b.ins().brif(is_object, by_runtime, &[], other, &[]);
            self.b.switch_to_block(other);
        }
        let (tuple, no_tuple) = (self.b.create_block(), self.b.create_block());
        let is_tuple = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::TUPLE));
        self.b.ins().brif(is_tuple, tuple, &[], no_tuple, &[]);
        self.b.switch_to_block(tuple);
        let first = self.b.ins().iadd_imm_s(address, offset::TUPLE_ELEMENTS as i64);
        let count = self.b.ins().uload32(TRUSTED, address, 4);
        self.b
            .ins()
            .jump(join, &[BlockArg::Value(first), BlockArg::Value(count), BlockArg::Value(no)]);
        self.b.switch_to_block(no_tuple);
        let array = self.b.create_block();
        let is_an_array = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::ARRAY));
        self.b.ins().brif(is_an_array, array, &[], join, &not_a_row);
        self.b.switch_to_block(array);
        let slots = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_SLOTS as i32);
        let first = self.b.ins().iadd_imm_s(slots, offset::SLOTS_ELEMENTS as i64);
        let count = self.b.ins().load(types::I64, TRUSTED, address, offset::ARRAY_LEN as i32);
        let yes = self.b.ins().iconst(types::I8, 1);
        self.b
            .ins()
            .jump(join, &[BlockArg::Value(first), BlockArg::Value(count), BlockArg::Value(yes)]);
        self.b.switch_to_block(join);
        Row { elements, length, is_array }
    }

    fn test_row(&mut self, row: &Row, leaves: &[Leaf], next: Block) {
        let fits = self.b.ins().icmp_imm_u(IntCC::Equal, row.length, leaves.len() as i64);
        self.go_on_if(fits, next);
        for (at, leaf) in leaves.iter().enumerate() {
            self.test_element(row, at, *leaf, next);
        }
    }

    fn test_element(&mut self, row: &Row, at: usize, leaf: Leaf, next: Block) {
        let Leaf::Exactly(expected) = leaf else { return };
        let same = match expected.as_number() {
            Some(number) => {
                let element = self.b.ins().load(types::F64, TRUSTED, row.elements, at as i32 * 8);
                let number = self.b.ins().f64const(number);
                self.b.ins().fcmp(FloatCC::Equal, element, number)
            }
            None => {
                let element = self.b.ins().load(types::I64, TRUSTED, row.elements, at as i32 * 8);
                self.b.ins().icmp_imm_s(IntCC::Equal, element, expected.to_bits() as i64)
            }
        };
        self.go_on_if(same, next);
    }

    /// Rows of one length that begin with different atoms.
    fn match_tags(
        &mut self,
        row: &Row,
        patterns: &[Simple],
        tags: &[u32],
        arms: &[Target],
        default: &Target,
    ) {
        let otherwise = self.b.create_block();
        let length = patterns.first().map_or(0, |pattern| match pattern {
            Simple::Row(leaves) => leaves.len(),
            _ => 0,
        });
        let fits = self.b.ins().icmp_imm_u(IntCC::Equal, row.length, length as i64);
        self.go_on_if(fits, otherwise);
        let first = self.b.ins().load(types::I64, TRUSTED, row.elements, 0);
        let blocks: Vec<Block> = tags.iter().map(|_| self.b.create_block()).collect();
        self.switch_on_atom(first, tags, &blocks, otherwise);
        for ((block, pattern), target) in blocks.into_iter().zip(patterns).zip(arms) {
            self.b.switch_to_block(block);
            if let Simple::Row(leaves) = pattern {
                for (at, leaf) in leaves.iter().enumerate().skip(1) {
                    self.test_element(row, at, *leaf, otherwise);
                }
            }
            let (block, args) = self.edge(target);
            self.b.ins().jump(block, &args);
        }
        self.b.switch_to_block(otherwise);
        let (block, args) = self.edge(default);
        self.b.ins().jump(block, &args);
    }
}

/// Most numbers of a dense table, for each that is in use.
const DENSE: u32 = 4;

impl Lower<'_, '_> {
    /// Goes to the block of the atom that a value is, or to `otherwise`.
    fn switch_on_atom(&mut self, value: Value, tags: &[u32], blocks: &[Block], otherwise: Block) {
        let (Some(&least), Some(&most)) = (tags.iter().min(), tags.iter().max()) else {
            self.b.ins().jump(otherwise, &[]);
            return;
        };
        let count = most - least + 1;
        if count / DENSE > tags.len() as u32 {
            let top = self.b.ins().ushr_imm_u(value, 48);
            let is_atom = self.b.ins().icmp_imm_u(IntCC::Equal, top, bits::TAG_ATOM as i64);
            self.go_on_if(is_atom, otherwise);
            let number = self.b.ins().ireduce(types::I32, value);
            let mut switch = Switch::new();
            for (tag, block) in tags.iter().zip(blocks) {
                switch.set_entry(u128::from(*tag), *block);
            }
            return switch.emit(self.b, number, otherwise);
        }
        // Tag and number of an atom are one word: what is near the first one is an atom.
        let base = self.word(IonValue::atom(Atom(least)).to_bits());
        let index = self.b.ins().isub(value, base);
        let is_near = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, index, i64::from(count));
        self.go_on_if(is_near, otherwise);
        let index = self.b.ins().ireduce(types::I32, index);
        let mut calls = Vec::with_capacity(count as usize);
        for at in least..=most {
            let block = tags.iter().position(|tag| *tag == at).map_or(otherwise, |at| blocks[at]);
            calls.push(BlockCall::new(block, [], &mut self.b.func.dfg.value_lists));
        }
        let default = BlockCall::new(otherwise, [], &mut self.b.func.dfg.value_lists);
        let table = self.b.create_jump_table(JumpTableData::new(default, &calls));
        self.b.ins().br_table(index, table);
    }
}

/// The atoms with which the rows begin, if all are rows of one length that begin with different atoms.
fn distinct_tags(patterns: &[Simple]) -> Option<Vec<u32>> {
    let mut tags: Vec<u32> = Vec::with_capacity(patterns.len());
    let mut length = None;
    for pattern in patterns {
        let Simple::Row(leaves) = pattern else { return None };
        if *length.get_or_insert(leaves.len()) != leaves.len() {
            return None;
        }
        let Some(Leaf::Exactly(first)) = leaves.first() else { return None };
        let tag = first.as_atom()?.0;
        if tags.contains(&tag) {
            return None;
        }
        tags.push(tag);
    }
    (tags.len() >= 4).then_some(tags)
}
