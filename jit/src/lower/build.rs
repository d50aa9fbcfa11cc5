//! Making objects, arrays and closures: by bumping the allocation pointer where the size is known and
//! small, else by the runtime.

use super::{Lower, Place, TRUSTED};
use crate::ir::{InstId, ValueId};
use crate::kinds::{Kinds, Repr};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::link::{ObjectPlan, Source, Template};
use ion_runtime::program::FuncId;
use ion_runtime::value::bits;

/// Largest object that is made inline, in bytes.
const MAX_INLINE: usize = 256;

/// What a new object's word is.
pub(super) enum Word {
    Constant(u64),
    Value(ValueId),
    /// This.
    Made(Value),
    /// The address of the object this many bytes before this one.
    Before(i64),
}

impl<'a> Lower<'a, '_> {
    /// Allocates `words` words and writes them; goes to `slow` if there is no room. Gives the address
    /// of the first.
    pub(super) fn allocate(&mut self, words: &[Word], slow: Block) -> Value {
        let bytes = words.len() as i64 * 8;
        let process = self.process();
        let at = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_ALLOC as i32);
        let end = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_ALLOC_END as i32);
        let next = self.b.ins().iadd_imm_s(at, bytes);
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, next, end);
        let room = self.b.create_block();
        self.b.ins().brif(fits, room, &[], slow, &[]);
        self.b.switch_to_block(room);
        self.b.ins().store(TRUSTED, next, process, layout::PROCESS_ALLOC as i32);
        for (i, word) in words.iter().enumerate() {
            let word = match word {
                Word::Constant(word) => self.word(*word),
                Word::Value(value) if self.f.repr(*value) == Repr::F64 => self.value(*value),
                Word::Value(value) => self.bits(*value),
                Word::Made(value) => *value,
                Word::Before(distance) => self.b.ins().iadd_imm_s(at, i as i64 * 8 - distance),
            };
            self.b.ins().store(TRUSTED, word, at, i as i32 * 8);
        }
        at
    }

    /// The value that points to `address`.
    pub(super) fn pointer(&mut self, address: Value) -> Value {
        let tag = self.word(bits::TAG_POINTER << 48);
        self.b.ins().bor(address, tag)
    }

    /// Makes an object of `words`, whose value points `skip` bytes behind the first, or calls `helper`.
    fn make(
        &mut self,
        id: InstId,
        words: Option<(&[Word], i64)>,
        helper: Helper,
        args: impl FnOnce(&mut Self) -> Vec<Value>,
    ) {
        let Some((words, skip)) = words else {
            let args = args(self);
            return self.helper_result(id, helper, &args);
        };
        let repr = self.f.inst(id).result.map_or(Repr::I64, |result| self.f.repr(result));
        let join = self.b.create_block();
        let joined = self.b.append_block_param(join, super::clif_type(repr));
        let slow = self.b.create_block();
        self.b.set_cold_block(slow);
        let address = self.allocate(words, slow);
        let address = if skip == 0 { address } else { self.b.ins().iadd_imm_s(address, skip) };
        let value = self.pointer(address);
        let value = self.unbox_bits(value, repr);
        self.b.ins().jump(join, &[BlockArg::Value(value)]);
        self.b.switch_to_block(slow);
        let args = args(self);
        self.call_cold(helper, &args);
        self.check_cold_status(id);
        let result = self.result_bits();
        let result = self.unbox_bits(result, repr);
        self.b.ins().jump(join, &[BlockArg::Value(result)]);
        self.b.switch_to_block(join);
        self.give(id, joined);
    }

    pub(super) fn new_object(&mut self, id: InstId, values: &[ValueId]) {
        let inst = self.f.inst(id);
        let func = self.f.frames[inst.frame.index()].func;
        let words = self.plan(func, inst.pc).and_then(|plan| self.object_words(plan, values));
        let (frame, pc) = (inst.frame, inst.pc);
        self.make(id, words.as_deref().map(|words| (words, 0)), Helper::object_init, |this| {
            vec![this.place(frame, pc), this.list(values)]
        });
    }

    fn plan(&self, func: FuncId, pc: u32) -> Option<&'a ObjectPlan> {
        self.program.function(func).bytecode()?.literals.objects.get(&pc)
    }

    fn object_words(&self, plan: &ObjectPlan, values: &[ValueId]) -> Option<Vec<Word>> {
        let shape = self.linker.shapes().get(plan.shape?);
        let inline = shape.inline as usize;
        if offset::OBJECT_SLOTS + 8 * inline > MAX_INLINE || shape.properties.len() > inline {
            return None;
        }
        let mut words = vec![
            Word::Constant(u64::from(shape.id.0) | (inline as u64) << 32),
            Word::Constant(bits::UNDEFINED),
            Word::Constant(0),
        ];
        let mut values = values.iter();
        for (at, (_, source)) in plan.properties.iter().enumerate() {
            if plan.proto == Some(at) {
                let Source::Reg(_) = source else { return None };
                let proto = *values.next()?;
                if self.f.kinds(proto) != Kinds::OBJECT {
                    return None;
                }
                words[1] = Word::Value(proto);
                continue;
            }
            words.push(match source {
                Source::Reg(_) => Word::Value(*values.next()?),
                Source::Const(Template::Value(value))
                    if !value.is_pointer()
                        || matches!(self.linker.literal(*value), Place::Fixed(_)) =>
                {
                    Word::Constant(value.to_bits())
                }
                Source::Const(_) => return None,
            });
        }
        words.resize_with(3 + inline, || Word::Constant(bits::UNDEFINED));
        Some(words)
    }

    pub(super) fn new_array(&mut self, id: InstId, elements: &[ValueId]) {
        // The storage, then the array.
        let mut words = Vec::new();
        let count = elements.len();
        if count > 0 {
            words.push(Word::Constant(u64::from(tag::SLOTS) | (count as u64) << 32));
            words.extend(elements.iter().map(|element| Word::Value(*element)));
        }
        let skip = words.len() as i64 * 8;
        words.push(Word::Constant(u64::from(tag::ARRAY)));
        words.push(Word::Constant(count as u64));
        let storage = skip + 16;
        words.push(if count > 0 { Word::Before(storage) } else { Word::Constant(0) });
        let small = words.len() * 8 <= MAX_INLINE;
        self.make(id, small.then_some((&words, skip)), Helper::array_init, |this| {
            let list = this.list(elements);
            vec![list, this.word(count as u64)]
        });
    }

    pub(super) fn make_closure(&mut self, id: InstId, function: ValueId, captures: &[ValueId]) {
        // Of a function without `this`: a constant.
        let constant = self.f.as_constant(function).map(|constant| constant.value);
        let plain = constant.filter(|value| value.as_function().is_some());
        let count = captures.len();
        let words =
            plain.filter(|_| offset::CLOSURE_CAPTURES + 8 * count <= MAX_INLINE).map(|value| {
                let mut words = vec![
                    Word::Constant(u64::from(tag::CLOSURE) | (count as u64) << 32),
                    Word::Constant(value.to_bits()),
                    Word::Constant(bits::UNDEFINED),
                ];
                words.extend(captures.iter().map(|capture| Word::Value(*capture)));
                words
            });
        self.make(id, words.as_deref().map(|words| (words, 0)), Helper::make_closure, |this| {
            let list = this.list(captures);
            vec![this.bits(function), list, this.word(count as u64)]
        });
    }

    pub(super) fn capture(&mut self, id: InstId, function: ValueId, cell: ValueId, value: ValueId) {
        let (old, new) = (self.bits(cell), self.bits(value));
        let mut absent = self.b.ins().icmp_imm_s(IntCC::Equal, old, bits::ABSENT as i64);
        if self.f.kinds(function) != Kinds::FUNCTION {
            let function = self.bits(function);
            let is_function = self.call_pure_helper(Helper::is_function, &[function]);
            let is_function = self.b.ins().ireduce(types::I8, is_function);
            absent = self.b.ins().band(absent, is_function);
        }
        let kept = self.b.ins().select(absent, new, old);
        let repr = self.f.inst(id).result.map(|result| self.f.repr(result));
        if let Some(repr) = repr {
            let kept = self.unbox_bits(kept, repr);
            self.give(id, kept);
        }
    }
}
