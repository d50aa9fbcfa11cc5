//! From SSA form to Cranelift IR, one function at a time.
//!
//! A value is carried as its kinds say ([`crate::kinds::Repr`]); constants are made where they are
//! used. Whatever is not done inline is a call of a runtime helper. Every place that may leave the
//! function ends in a cold block that writes the frame record of the state there.
//!
//! Invariant: a record's registers are written from values that are live at its state, so nothing
//! here keeps anything alive for the sake of records.

mod actor;
mod arith;
mod build;
mod call;
mod check;
mod compare;
mod control;
mod fuel;
mod pattern;
mod property;
mod strip;
mod stubs;
mod text;
mod whole;

pub use stubs::{lower_cold_stub, lower_enter, lower_list_entry, lower_missing};

use crate::abi;
use crate::cfg;
use crate::guess::Guess;
use crate::ir::{self, BlockId, Constant, FrameId, InstId, Op, StateId, Target, ValueId};
use crate::kinds::Repr;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, FuncRef, InstBuilder, MemFlagsData, SigRef, SourceLoc, StackSlot,
    StackSlotData, StackSlotKind, Type, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilder;
use fuel::Fuel;
use ion_runtime::heap::offset;
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::object::shape::ShapeTable;
use ion_runtime::program::{FuncId, NativeId, Program};
use ion_runtime::value::{Atom, Value as IonValue, bits};
use rustc_hash::FxHashMap;

/// Memory accesses of compiled code: addresses that are always good.
pub(crate) const TRUSTED: MemFlagsData = MemFlagsData::trusted();

/// What lowering needs from whoever compiles the whole program.
pub trait Linker {
    /// The target.
    fn isa(&self) -> &dyn TargetIsa;

    /// How the entry of a bytecode function is called.
    fn entry(&mut self, function: &mut cranelift_codegen::ir::Function, callee: FuncId) -> FuncRef;

    /// How a stub around a helper is called.
    fn cold_stub(
        &mut self,
        function: &mut cranelift_codegen::ir::Function,
        helper: Helper,
    ) -> FuncRef;

    /// How many registers a bytecode function takes, and whether `this` comes before them.
    fn params(&self, callee: FuncId) -> (usize, bool);

    /// Where the code finds an immortal literal.
    fn literal(&self, value: IonValue) -> Place;

    /// The shapes of the system.
    fn shapes(&self) -> &ShapeTable;

    /// Shapes that objects with a property of this name probably have.
    fn guesses(&self, key: Atom) -> &[Guess];

    /// Functions that objects probably have under this name.
    fn methods(&self, key: Atom) -> &[FuncId];

    /// Where the code finds the address of a library function of numbers.
    fn fast(&self, native: NativeId) -> Option<Place>;

    /// Where the method cache for a GET_PROP is. An address is that of the cache, a slot is the cache.
    fn cell(&mut self, func: FuncId, pc: u32) -> Place;

    /// May objects have a `__setattr__`?
    fn has_setattr(&self) -> bool;
}

/// Where compiled code finds a word that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is this: known when the code is made.
    Fixed(u64),
    /// In this word of the table that the loader fills, see [`ion_runtime::tier::Compiler::table`].
    Slot(u32),
}

/// A function being lowered.
pub(crate) struct Lower<'a, 'b> {
    pub b: &'a mut FunctionBuilder<'b>,
    pub f: &'a ir::Function,
    pub program: &'a Program,
    pub linker: &'a mut dyn Linker,
    values: Vec<Option<Value>>,
    /// Numbers that were made of integers: of which.
    whole: FxHashMap<ValueId, Value>,
    blocks: FxHashMap<BlockId, Block>,
    signatures: FxHashMap<Helper, SigRef>,
    stubs: FxHashMap<Helper, FuncRef>,
    callees: FxHashMap<FuncId, FuncRef>,
    /// How often each value is used.
    uses: Vec<u32>,
    /// The block being lowered.
    block: BlockId,
    /// Rows that have matched a pattern, by the block behind it, and how long they are.
    matched: FxHashMap<BlockId, (ValueId, usize)>,
    /// Where the reductions are.
    fuel: Fuel,
    /// Cold blocks that leave in exit states, by where the reductions are.
    exits: FxHashMap<(StateId, u32), Block>,
    /// Those that are still to be written, and for which instruction.
    open_exits: Vec<(Block, InstId, StateId, fuel::State)>,
    /// Where lists of values are made.
    list: Option<StackSlot>,
    /// Address of the record's registers, in the resume form.
    registers: Option<Value>,
    /// Properties that are read only to be called at once: by the reading instruction.
    methods: FxHashMap<InstId, ValueId>,
    /// Calls of such properties: by the call, the receiver and the name.
    receivers: FxHashMap<InstId, (ValueId, Option<Atom>)>,
}

/// Lowers `f` into `b`, whose function has the signature of the form.
pub fn lower(
    b: &mut FunctionBuilder<'_>,
    f: &ir::Function,
    program: &Program,
    linker: &mut dyn Linker,
) {
    let mut lower = Lower {
        values: vec![None; f.values.len()],
        whole: FxHashMap::default(),
        blocks: FxHashMap::default(),
        signatures: FxHashMap::default(),
        stubs: FxHashMap::default(),
        callees: FxHashMap::default(),
        uses: f.use_counts(),
        block: f.entry,
        matched: FxHashMap::default(),
        fuel: Fuel::new(b, f),
        exits: FxHashMap::default(),
        open_exits: Vec::new(),
        list: None,
        registers: None,
        methods: FxHashMap::default(),
        receivers: FxHashMap::default(),
        b,
        f,
        program,
        linker,
    };
    lower.run();
}

/// Where code comes from, as Cranelift keeps it: a frame and a bytecode index in it.
fn source_location(frame: FrameId, pc: u32) -> SourceLoc {
    match (frame.0 < 1 << FRAME_BITS, pc < 1 << PC_BITS) {
        (true, true) => SourceLoc::new(frame.0 << PC_BITS | pc),
        _ => SourceLoc::default(),
    }
}

const PC_BITS: u32 = 22;
const FRAME_BITS: u32 = 9;

/// The frame (0: the function itself, then inlined ones) and the bytecode index that code comes from.
pub fn place_of(location: SourceLoc) -> Option<(u32, u32)> {
    let bits = location.bits();
    (!location.is_default()).then_some((bits >> PC_BITS, bits & ((1 << PC_BITS) - 1)))
}

/// As [`place_of`], of the number that stands for a location in printed IR.
pub fn place_of_bits(bits: u32) -> Option<(u32, u32)> {
    place_of(SourceLoc::new(bits))
}

/// The CLIF type of a representation.
pub(crate) fn clif_type(repr: Repr) -> Type {
    match repr {
        Repr::F64 => types::F64,
        Repr::I64 => types::I64,
        Repr::Bool => types::I8,
    }
}

impl<'a> Lower<'a, '_> {
    fn run(&mut self) {
        let order = cfg::reverse_postorder(self.f);
        self.find_method_calls(&order);
        for &block in &order {
            let clif = self.b.create_block();
            self.blocks.insert(block, clif);
            if block != self.f.entry {
                for &param in &self.f.block(block).params {
                    let ty = clif_type(self.f.repr(param));
                    let value = self.b.append_block_param(clif, ty);
                    self.values[param.index()] = Some(value);
                }
            }
        }
        for &block in &order {
            let clif = self.blocks[&block];
            self.b.switch_to_block(clif);
            self.block = block;
            self.start_fuel(block);
            if block == self.f.entry {
                self.enter(clif);
            }
            let insts: &'a [InstId] = &self.f.block(block).insts;
            for &inst in insts {
                self.inst(inst);
            }
            self.terminator(block);
        }
        self.write_exits();
        self.write_leaves();
        self.b.seal_all_blocks();
    }

    fn enter(&mut self, clif: Block) {
        self.b.append_block_params_for_function_params(clif);
        let params: Vec<Value> = self.b.block_params(clif).to_vec();
        match self.f.form {
            ir::Form::Entry => {
                let Some((&fuel, params)) = params.split_first() else { return };
                self.take_fuel(fuel);
                for (&param, &value) in self.f.block(self.f.entry).params.iter().zip(params) {
                    let value = self.unbox_float(value, self.f.repr(param));
                    self.values[param.index()] = Some(value);
                }
            }
            ir::Form::Resume => self.registers = params.first().copied(),
        }
    }

    /// Says where the code that follows comes from.
    fn set_place(&mut self, id: InstId) {
        let inst = self.f.inst(id);
        self.b.set_srcloc(source_location(inst.frame, inst.pc));
    }

    fn inst(&mut self, id: InstId) {
        let f: &'a ir::Function = self.f;
        let inst = f.inst(id);
        self.set_place(id);
        self.fuel_for(inst);
        match &inst.op {
            Op::LoadReg { reg } => {
                let base = self.registers.expect("only the resume form loads registers");
                let repr = f.repr(inst.result.expect("a load has a result"));
                let ty = if repr == Repr::F64 { types::F64 } else { types::I64 };
                let value = self.b.ins().load(ty, TRUSTED, base, i32::from(*reg) * 8);
                let value = if repr == Repr::F64 { value } else { self.unbox_bits(value, repr) };
                self.give(id, value);
            }
            Op::LoadFresh { .. } | Op::LoadSpecial(_) => {
                let place = self.place(inst.frame, inst.pc);
                self.helper_result(id, Helper::konst, &[place]);
            }
            Op::Arith { op, a, b } => self.arith(id, *op, *a, *b),
            Op::Compare { op, a, b } => self.compare(id, *op, *a, *b),
            Op::Truth { a } => {
                let value = self.truth(*a);
                self.give(id, value);
            }
            Op::Not { a } => {
                let value = self.truth(*a);
                let value = self.b.ins().bxor_imm_u(value, 1);
                self.give(id, value);
            }
            Op::And { a, b } => {
                let (a, b) = (self.truth(*a), self.truth(*b));
                let value = self.b.ins().band(a, b);
                self.give(id, value);
            }
            Op::Or { a, b } => {
                let (a, b) = (self.truth(*a), self.truth(*b));
                let value = self.b.ins().bor(a, b);
                self.give(id, value);
            }
            Op::GetProp { object, key, this } => self.get_prop(id, *object, *key, *this),
            Op::SetProp { object, key, value, this } => {
                self.set_prop(id, *object, *key, *value, *this);
            }
            Op::CallValue { function, args } => self.call_value(id, *function, args),
            Op::CallKnown { func, this, args } => self.call_known(id, *func, *this, args),
            Op::CallNative { native, args } => self.call_native(id, *native, args),
            Op::WholeNumber { a } => self.whole_number(id, *a),
            Op::AddIndex { a, b, down } => {
                let (a, b) = (self.value(*a), self.value(*b));
                let sum = match down {
                    true => self.b.ins().isub(a, b),
                    false => self.b.ins().iadd(a, b),
                };
                self.give(id, sum);
            }
            Op::IsWhole { a, least, most } => self.is_whole(id, *a, *least, *most),
            Op::ToIndex { a } => {
                let whole = self.integer_of(*a);
                self.give(id, whole);
            }
            Op::OfIndex { a } => {
                let whole = self.value(*a);
                self.give_whole(id, whole);
            }
            Op::CompareIndex { op, a, b } => self.compare_index(id, *op, *a, *b),
            Op::LoopLimit(it) => self.loop_limit(id, it),
            Op::ChargeTurns(it) => {
                self.charge_turns(it, 0);
            }
            Op::AsNumber { a } => self.as_number(id, *a),
            Op::Divide { a, b } => self.divide(id, *a, *b),
            Op::Sqrt { a } => self.sqrt(id, *a),
            Op::CallFast { native, args } => self.call_fast(id, *native, args),
            Op::Spawn { function, args } => self.spawn(id, *function, args),
            Op::Send { process, message } => self.send(*process, *message),
            Op::Receive => self.helper_result(id, Helper::receive, &[]),
            Op::ReceiveWithTimeout { timeout } => self.receive_timeout(id, *timeout),
            Op::Link { process } => {
                let number = self.word(u64::from(*process));
                self.helper_result(id, Helper::link, &[number]);
            }
            Op::Select { processes, kill } => self.select(id, processes, *kill),
            Op::Yield { cost } => self.yield_now(id, *cost),
            Op::NewObject { values } => self.new_object(id, values),
            Op::NewArray { elements } => self.new_array(id, elements),
            Op::Capture { function, cell, value } => self.capture(id, *function, *cell, *value),
            Op::MakeClosure { function, captures } => self.make_closure(id, *function, captures),
            Op::Safepoint { cost, at } => self.safepoint(id, *cost, *at),
            Op::Charge { cost } => self.charge(*cost),
            Op::Refund { cost } => self.refund(*cost),
            Op::Trace => {
                let place = self.place(inst.frame, inst.pc);
                self.call_helper(Helper::trace, &[place]);
            }
            Op::LoopHead | Op::AssumeShape { .. } => {}
            Op::CheckShape { object, shape } => self.check_shape(id, *object, *shape),
            Op::CheckMethod { object, method } => self.check_method(id, *object, method),
            Op::HasMethod { object, method } => self.has_method(id, *object, method),
            Op::CheckClosure { function, func, captures } => {
                self.check_closure(id, *function, *func, *captures);
            }
            Op::LoadCapture { function, at, .. } => {
                let at = offset::CLOSURE_CAPTURES + 8 * *at as usize;
                self.load_from_closure(id, *function, at);
            }
            Op::LoadBound { function } => {
                self.load_from_closure(id, *function, offset::CLOSURE_THIS);
            }
            Op::LoadSlot { object, slot, number } => self.load_slot(id, *object, *slot, *number),
            Op::StoreSlot { object, slot, value } => self.store_slot(*object, *slot, *value),
            Op::CheckRow { object, row } => self.check_row(id, *object, *row),
            Op::RowLength { object, row } => self.row_length(id, *object, *row),
            op @ Op::LoadElement { .. } => self.load_element(id, op),
            Op::StoreElement { .. } => self.store_element(id, &inst.op),
        }
    }

    /// Says what an instruction gives.
    pub fn give(&mut self, id: InstId, value: Value) {
        if let Some(result) = self.f.inst(id).result {
            self.values[result.index()] = Some(value);
        }
    }

    /// The process.
    pub fn process(&mut self) -> Value {
        self.b.ins().get_pinned_reg(types::I64)
    }

    /// A 64-bit constant.
    pub fn word(&mut self, word: u64) -> Value {
        self.b.ins().iconst(types::I64, word as i64)
    }

    /// `function | pc << 32` of a frame's own code.
    pub fn place(&mut self, frame: FrameId, pc: u32) -> Value {
        let func = self.f.frames[frame.index()].func;
        self.word(u64::from(func.0) | u64::from(pc) << 32)
    }

    /// The address of a word of the loader's table.
    pub fn slot_address(&mut self, slot: u32) -> Value {
        let process = self.process();
        let worker = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_WORKER as i32);
        let table = self.b.ins().load(types::I64, TRUSTED, worker, layout::WORKER_TABLE as i32);
        self.b.ins().iadd_imm_s(table, i64::from(slot) * 8)
    }

    /// The word in a place.
    pub fn word_at(&mut self, place: Place) -> Value {
        match place {
            Place::Fixed(word) => self.word(word),
            Place::Slot(slot) => {
                let address = self.slot_address(slot);
                self.b.ins().load(types::I64, TRUSTED, address, 0)
            }
        }
    }

    fn constant(&mut self, constant: Constant, repr: Repr) -> Value {
        if constant.value.is_pointer()
            && let place @ Place::Slot(_) = self.linker.literal(constant.value)
        {
            let word = self.word_at(place);
            return self.unbox_bits(word, repr);
        }
        let word = constant.value.to_bits();
        match repr {
            Repr::F64 => self.b.ins().f64const(f64::from_bits(word)),
            Repr::I64 => self.word(word),
            Repr::Bool => self.b.ins().iconst(types::I8, i64::from(word == bits::TRUE)),
        }
    }

    /// A value as its kinds say.
    pub fn value(&mut self, value: ValueId) -> Value {
        if let Some(constant) = self.f.as_constant(value) {
            return self.constant(constant, self.f.repr(value));
        }
        self.values[value.index()].expect("definitions come before uses")
    }

    /// A value's boxed bits in an integer register.
    pub fn bits(&mut self, value: ValueId) -> Value {
        if let Some(constant) = self.f.as_constant(value) {
            return self.constant(constant, Repr::I64);
        }
        let carried = self.value(value);
        match self.f.repr(value) {
            Repr::I64 => carried,
            Repr::F64 => self.b.ins().bitcast(types::I64, MemFlagsData::new(), carried),
            Repr::Bool => {
                let wide = self.b.ins().uextend(types::I64, carried);
                self.b.ins().iadd_imm_s(wide, bits::FALSE as i64)
            }
        }
    }

    /// A value's boxed bits in a float register.
    pub fn float(&mut self, value: ValueId) -> Value {
        if let Some(constant) = self.f.as_constant(value) {
            return self.constant(constant, Repr::F64);
        }
        match self.f.repr(value) {
            Repr::F64 => self.value(value),
            _ => {
                let bits = self.bits(value);
                self.b.ins().bitcast(types::F64, MemFlagsData::new(), bits)
            }
        }
    }

    /// A value in another representation that its kinds allow.
    pub fn value_as(&mut self, value: ValueId, repr: Repr) -> Value {
        match repr {
            Repr::F64 => self.float(value),
            Repr::I64 => self.bits(value),
            Repr::Bool if self.f.repr(value) == Repr::Bool => self.value(value),
            Repr::Bool => {
                let bits = self.bits(value);
                self.unbox_bits(bits, Repr::Bool)
            }
        }
    }

    /// From boxed bits in an integer register.
    pub fn unbox_bits(&mut self, word: Value, repr: Repr) -> Value {
        match repr {
            Repr::I64 => word,
            Repr::F64 => self.b.ins().bitcast(types::F64, MemFlagsData::new(), word),
            Repr::Bool => self.b.ins().icmp_imm_s(IntCC::Equal, word, bits::TRUE as i64),
        }
    }

    /// From boxed bits in a float register.
    pub fn unbox_float(&mut self, value: Value, repr: Repr) -> Value {
        if repr == Repr::F64 {
            return value;
        }
        let word = self.b.ins().bitcast(types::I64, MemFlagsData::new(), value);
        self.unbox_bits(word, repr)
    }

    /// Branches to a new cold block if `cond`, else goes on. Returns the cold block.
    pub fn branch_cold(&mut self, cond: Value) -> Block {
        let cold = self.b.create_block();
        self.b.set_cold_block(cold);
        let next = self.b.create_block();
        self.b.ins().brif(cond, cold, &[], next, &[]);
        self.b.switch_to_block(next);
        cold
    }

    /// Writes what follows into `block` and comes back to where it was.
    pub fn in_block(&mut self, block: Block, write: impl FnOnce(&mut Self)) {
        let here = self.b.current_block().expect("there is a current block");
        let fuel = self.fuel.state.clone();
        self.b.switch_to_block(block);
        write(self);
        self.b.switch_to_block(here);
        self.fuel.state = fuel;
    }

    /// Calls a helper and returns its word.
    pub fn call_helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        self.with_fuel_settled(|this| this.call_pure_helper(helper, args))
    }

    /// As [`Self::call_helper`], of one that neither looks at the reductions nor can be seen to run.
    fn call_pure_helper(&mut self, helper: Helper, args: &[Value]) -> Value {
        let signature = match self.signatures.get(&helper) {
            Some(signature) => *signature,
            None => {
                let signature = self.b.import_signature(abi::helper(helper, self.linker.isa()));
                self.signatures.insert(helper, signature);
                signature
            }
        };
        let process = self.process();
        let worker = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_WORKER as i32);
        let at = (layout::WORKER_HELPERS + helper.offset()) as i32;
        let address = self.b.ins().load(types::I64, TRUSTED, worker, at);
        let mut all = vec![process];
        all.extend_from_slice(args);
        let call = self.b.ins().call_indirect(signature, address, &all);
        self.b.inst_results(call)[0]
    }

    /// Calls the cold stub of a helper. Status and result are in the process then.
    pub fn call_cold(&mut self, helper: Helper, args: &[Value]) {
        let stub = match self.stubs.get(&helper) {
            Some(stub) => *stub,
            None => {
                let stub = self.linker.cold_stub(self.b.func, helper);
                self.stubs.insert(helper, stub);
                stub
            }
        };
        self.with_fuel_settled(|this| {
            this.b.ins().call(stub, args);
        });
    }

    /// Unwinds if the status that a cold stub has left is not 0; goes on in a cold block.
    pub fn check_cold_status(&mut self, id: InstId) {
        let process = self.process();
        let status = self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_STATUS as i32);
        self.check_status(id, status);
        let here = self.b.current_block().expect("there is a current block");
        self.b.set_cold_block(here);
    }

    /// The result that a helper has left.
    pub fn result_bits(&mut self) -> Value {
        let process = self.process();
        self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_RESULT as i32)
    }

    /// Calls a helper that returns a status; gives its result or unwinds.
    pub fn helper_result(&mut self, id: InstId, helper: Helper, args: &[Value]) {
        let status = self.call_helper(helper, args);
        self.check_status(id, status);
        self.give_result(id);
    }

    /// Gives the result that a helper has left.
    pub fn give_result(&mut self, id: InstId) {
        if let Some(result) = self.f.inst(id).result {
            let repr = self.f.repr(result);
            let process = self.process();
            let ty = if repr == Repr::F64 { types::F64 } else { types::I64 };
            let value = self.b.ins().load(ty, TRUSTED, process, layout::PROCESS_RESULT as i32);
            let value = if repr == Repr::F64 { value } else { self.unbox_bits(value, repr) };
            self.give(id, value);
        }
    }

    /// Unwinds if a status is not 0.
    pub fn check_status(&mut self, id: InstId, status: Value) {
        let cold = self.branch_cold(status);
        self.in_block(cold, |this| this.unwind(id));
    }

    /// Leaves the function in the state in which `id` is left: the one in which it is tried again,
    /// or the one behind it; if it has none, it can only have trapped, and the record is for the
    /// stack trace alone.
    pub fn unwind(&mut self, id: InstId) {
        self.settle_fuel();
        let inst = self.f.inst(id);
        match inst.before.or(inst.after) {
            Some(state) => self.unwind_to(id, state),
            None => {
                let mut frame = inst.frame;
                let mut place = self.place(frame, inst.pc);
                let mut own = inst.pc;
                loop {
                    self.push_record(place, 0, own);
                    let Some((caller, pc)) = self.f.frames[frame.index()].caller else { break };
                    frame = caller;
                    own = pc;
                    place = self.place(frame, pc + 1);
                }
                self.return_unwound();
            }
        }
    }

    /// Leaves the function in `state`, which belongs to instruction `id`.
    pub fn unwind_to(&mut self, id: InstId, state: StateId) {
        let f: &'a ir::Function = self.f;
        let mut own = f.inst(id).pc;
        let mut next = Some(state);
        while let Some(state) = next {
            let state = f.state(state);
            let place = self.word(u64::from(state.func.0) | u64::from(state.pc) << 32);
            let dst = state.dst.map_or(0, |dst| dst.reg);
            let registers = self.push_record(place, dst, own);
            for &(reg, value) in &state.regs {
                let value = match f.repr(value) {
                    Repr::F64 => self.value(value),
                    _ => self.bits(value),
                };
                self.b.ins().store(TRUSTED, value, registers, i32::from(reg) * 8);
            }
            next = state.parent;
            if let Some(parent) = next {
                own = f.state(parent).pc.saturating_sub(1);
            }
        }
        self.return_unwound();
    }

    /// Through a stub that clobbers nothing: an ordinary call here, although it never returns into
    /// the hot code, makes the register allocator keep the state's values in memory there.
    fn push_record(&mut self, place: Value, dst: u16, own: u32) -> Value {
        let dst = self.word(u64::from(dst) | u64::from(own) << 32);
        self.call_cold(Helper::push_record, &[place, dst]);
        let process = self.process();
        self.b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_STATUS as i32)
    }

    fn return_unwound(&mut self) {
        let status = self.word(ion_runtime::tier::STATUS_UNWOUND);
        let nothing = self.b.ins().f64const(0.0);
        // Nobody looks at the second word.
        self.b.ins().return_(&[status, status, nothing]);
    }

    /// Writes values into the function's own stack and returns the address of the list, which is for the next
    /// helper that is called: all lists are in the same place.
    pub fn list(&mut self, values: &[ValueId]) -> Value {
        if values.is_empty() {
            return self.word(0);
        }
        let bytes = values.len() as u32 * 8;
        let slot = match self.list {
            Some(slot) => slot,
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3);
                *self.list.insert(self.b.create_sized_stack_slot(data))
            }
        };
        let size = &mut self.b.func.sized_stack_slots[slot].size;
        *size = bytes.max(*size);
        let address = self.b.ins().stack_addr(types::I64, slot, 0);
        for (i, &value) in values.iter().enumerate() {
            let value = match self.f.repr(value) {
                Repr::F64 => self.value(value),
                _ => self.bits(value),
            };
            self.b.ins().store(TRUSTED, value, address, i as i32 * 8);
        }
        address
    }

    /// The CLIF block and arguments of an edge.
    pub fn edge(&mut self, target: &Target) -> (Block, Vec<BlockArg>) {
        let f: &'a ir::Function = self.f;
        let block = self.blocks[&target.block];
        let params = &f.block(target.block).params;
        let args = params
            .iter()
            .zip(&target.args)
            .map(|(&param, &arg)| BlockArg::Value(self.value_as(arg, f.repr(param))))
            .collect();
        self.fuel_edge(target.block, block, args)
    }

    /// The CLIF block of a block.
    pub fn clif_block(&self, block: BlockId) -> Block {
        self.blocks[&block]
    }

    /// How the entry of `callee` is called.
    pub fn callee(&mut self, callee: FuncId) -> FuncRef {
        match self.callees.get(&callee) {
            Some(callee) => *callee,
            None => {
                let reference = self.linker.entry(self.b.func, callee);
                self.callees.insert(callee, reference);
                reference
            }
        }
    }
}
