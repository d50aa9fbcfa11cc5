//! Texts that grow: the common append to a text under construction, inline.
//!
//! Invariant: does what `Heap::append_in_place` does, and leaves everything else to the runtime.
//! Absent on purpose: any other operation on texts.

use super::build::Word;
use super::{Lower, TRUSTED};
use crate::ir::{ArithOp, Function, InstId, Op, ValueDef, ValueId};
use crate::kinds::{Kinds, Repr};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, MemFlagsData, Value, types};
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::{Helper, arith_code};
use ion_runtime::ops::arith::Arith;

/// Longest piece that is appended inline, in bytes. The words in which it is are written whole.
const MOST: i64 = 16;

/// Is `value` a text that a loop, or one of several ways, makes longer: something else on another way here?
/// Other texts are hardly ever in buffers.
fn grows(function: &Function, mut value: ValueId) -> bool {
    loop {
        match function.values[value.index()].def {
            ValueDef::Param(block) => return block != function.entry,
            ValueDef::Inst(inst) => match function.inst(inst).op {
                Op::Arith { op: ArithOp::Add, a, .. } => value = a,
                _ => return false,
            },
            ValueDef::Const(_) => return false,
        }
    }
}

/// Is `a + b` made longer inline?
pub(super) fn is_append(function: &Function, op: ArithOp, a: ValueId, b: ValueId) -> bool {
    let text = |value| function.kinds(value) == Kinds::STRING;
    op == ArithOp::Add && text(a) && text(b) && grows(function, a)
}

impl Lower<'_, '_> {
    /// `a + b` of two texts.
    pub(super) fn append(&mut self, id: InstId, a: ValueId, b: ValueId) {
        let repr = self.f.inst(id).result.map_or(Repr::I64, |result| self.f.repr(result));
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, super::clif_type(repr));
        let slow = self.b.create_block();
        self.b.set_cold_block(slow);
        let text = self.append_in_place(a, b, slow);
        let text = self.unbox_bits(text, repr);
        self.b.ins().jump(join, &[BlockArg::Value(text)]);
        self.b.switch_to_block(slow);
        let (op, a, b) = (self.word(arith_code(Arith::Add)), self.bits(a), self.bits(b));
        self.call_cold(Helper::arith, &[op, a, b]);
        self.check_cold_status(id);
        let text = self.result_bits();
        let text = self.unbox_bits(text, repr);
        self.b.ins().jump(join, &[BlockArg::Value(text)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    /// The new text, if `a` ends where its buffer ends and there is room for `b`, which is short; else goes to `slow`.
    fn append_in_place(&mut self, a: ValueId, b: ValueId, slow: Block) -> Value {
        let (text, piece) = (self.address_of(a), self.address_of(b));
        let found = self.load_tag(text);
        let is_buffered = self.b.ins().icmp_imm_u(IntCC::Equal, found, i64::from(tag::BUFFERED));
        self.go_on_if(is_buffered, slow);
        let head = self.b.ins().load(types::I64, TRUSTED, piece, 0);
        let kind = self.b.ins().band_imm_u(head, i64::from(tag::MASK));
        let is_string = self.b.ins().icmp_imm_u(IntCC::Equal, kind, i64::from(tag::STRING));
        self.go_on_if(is_string, slow);
        let added = self.b.ins().ushr_imm_u(head, 32);
        let less = self.b.ins().iadd_imm_s(added, -1);
        let is_short = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, less, MOST);
        self.go_on_if(is_short, slow);
        let len = self.b.ins().load(types::I64, TRUSTED, text, offset::BUFFERED_LEN as i32);
        let buffer = self.b.ins().load(types::I64, TRUSTED, text, offset::BUFFERED_IN as i32);
        let used = self.b.ins().load(types::I64, TRUSTED, buffer, offset::BUFFER_USED as i32);
        let is_last = self.b.ins().icmp(IntCC::Equal, len, used);
        self.go_on_if(is_last, slow);
        let room = self.b.ins().uload32(TRUSTED, buffer, 4);
        let most = self.b.ins().iadd_imm_s(len, MOST);
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, most, room);
        self.go_on_if(fits, slow);
        let total = self.b.ins().iadd(len, added);
        let words =
            [Word::Constant(u64::from(tag::BUFFERED)), Word::Made(total), Word::Made(buffer)];
        let object = self.allocate(&words, slow);
        let end = self.b.ins().iadd(buffer, len);
        self.copy_word(piece, end, 0);
        self.b.ins().store(TRUSTED, total, buffer, offset::BUFFER_USED as i32);
        // A STRING has room for a word, a longer one for as many as it takes.
        let (more, done) = (self.b.create_block(), self.b.create_block());
        let is_longer = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, added, 8);
        self.b.ins().brif(is_longer, more, &[], done, &[]);
        self.b.switch_to_block(more);
        self.copy_word(piece, end, 8);
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
        self.pointer(object)
    }

    fn copy_word(&mut self, piece: Value, end: Value, at: i32) {
        let from = offset::STRING_BYTES as i32 + at;
        let word = self.b.ins().load(types::I64, TRUSTED, piece, from);
        // Texts end anywhere.
        let unaligned = MemFlagsData::new().with_notrap();
        self.b.ins().store(unaligned, word, end, offset::BUFFER_BYTES as i32 + at);
    }
}
