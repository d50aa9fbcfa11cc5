//! The compiler's own form of a function: SSA values in basic blocks, between bytecode and CLIF.
//!
//! A block has parameters instead of phis; an edge passes arguments. Constants are values without a
//! place: they dominate everything, and the lowering makes them where they are used. An instruction
//! that may leave the compiled code carries *frame states*: the bytecode index at which some engine
//! goes on, and which value each live register has then.
//!
//! Invariant: what [`crate::check`] checks. Ids are indices into the vectors of [`Function`]; passes
//! leave unused instructions, values and states behind rather than renumber, so only what is reached
//! from a block counts.
//! Absent on purpose: how anything is built (`build`), inferred (`infer`) or made smaller
//! (`simplify`); machine types, other than [`crate::kinds::Repr`].

use crate::kinds::{Kinds, Magic, Repr};
use crate::points::Mode;
use ion_runtime::object::shape::ShapeId;
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::{Atom, Value};
use rustc_hash::FxHashMap;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// As an index into its vector.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    )*};
}
ids! {
    /// A basic block: index into [`Function::blocks`].
    BlockId "b";
    /// An instruction: index into [`Function::insts`].
    InstId "i";
    /// A value: index into [`Function::values`].
    ValueId "v";
    /// A frame state: index into [`Function::states`].
    StateId "s";
    /// An inlined body: index into [`Function::frames`]; 0 is the function itself.
    FrameId "f";
}

/// From where a function is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// By a call: the entry block takes `this` (if the layout has it) and the parameters.
    Entry,
    /// From a frame record, at any of its resume points: the entry block takes nothing and ends in
    /// [`Terminator::Dispatch`].
    Resume,
}

/// A function in SSA form.
#[derive(Clone, Debug)]
pub struct Function {
    /// Which function of the program.
    pub func: FuncId,
    /// From where it is entered.
    pub form: Form,
    /// Where it may be preempted.
    pub mode: Mode,
    /// Which magic methods objects may have.
    pub magic: Magic,
    /// The block in which it starts; no edge leads to it.
    pub entry: BlockId,
    /// Does the entry block take `this` before the parameters?
    pub takes_this: bool,
    /// Blocks; those not reached from `entry` do not count.
    pub blocks: Vec<Block>,
    /// Instructions.
    pub insts: Vec<Inst>,
    /// Values.
    pub values: Vec<ValueData>,
    /// Frame states.
    pub states: Vec<State>,
    /// Whose code the instructions are: the function's own, then inlined bodies.
    pub frames: Vec<Frame>,
    constants: FxHashMap<u64, ValueId>,
}

/// Whose code an instruction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function that the code is from.
    pub func: FuncId,
    /// The frame and the bytecode index of the call that was inlined; `None` for the function itself.
    pub caller: Option<(FrameId, u32)>,
}

/// A basic block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Values that each edge to this block gives.
    pub params: Vec<ValueId>,
    /// Instructions in order.
    pub insts: Vec<InstId>,
    /// Where control goes.
    pub term: Terminator,
}

/// An edge: the block and what it passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to.
    pub block: BlockId,
    /// One value for each parameter of `block`.
    pub args: Vec<ValueId>,
}

/// The end of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// Goes on there.
    Jump(Target),
    /// `cond` is a Boolean; if true `then`, else `otherwise`.
    Branch {
        /// A value of kind Boolean, used as an unboxed flag.
        cond: ValueId,
        /// Taken if true.
        then: Target,
        /// Taken if false.
        otherwise: Target,
    },
    /// The first pattern of the MATCH at `pc` that matches `value` decides; behind a wildcard there
    /// are no arms any more and `default` is where the wildcard leads.
    Match {
        /// Whose MATCH.
        frame: FrameId,
        /// Bytecode index of the MATCH, which has the patterns.
        pc: u32,
        /// What is matched.
        value: ValueId,
        /// Targets of the first patterns, in order.
        arms: Vec<Target>,
        /// Taken if none of them matches.
        default: Target,
    },
    /// Ends the function with this value.
    Return(ValueId),
    /// First block of the form [`Form::Resume`] only: goes on at the resume point of the record. Pairs
    /// of bytecode index and target, ascending; the targets take no arguments.
    Dispatch(Vec<(u32, BlockId)>),
    /// Control never gets here.
    Unreachable,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// Bytecode index that it comes from.
    pub pc: u32,
    /// Whose bytecode.
    pub frame: FrameId,
    /// State before the instruction, in which the interpreter goes on if a check fails. Before
    /// `speculate` has run: of instructions that may get a check.
    pub exit: Option<StateId>,
    /// What it gives.
    pub result: Option<ValueId>,
    /// What else it gives: the Boolean of [`Op::ReceiveWithTimeout`].
    pub second: Option<ValueId>,
    /// State in which the instruction is tried again: for instructions that block.
    pub before: Option<StateId>,
    /// State in which the function goes on behind the instruction once a callee, a magic method or
    /// the scheduler has delivered the result into the state's `dst`.
    pub after: Option<StateId>,
}

/// How a frame record is filled if the function is left here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The function that the record is for.
    pub func: FuncId,
    /// Bytecode index at which the record goes on.
    pub pc: u32,
    /// Register that takes the result still to come.
    pub dst: Option<Dst>,
    /// Values of the live registers, ascending, `dst` not among them. Registers that are not named
    /// are dead, and Undefined in the record.
    pub regs: Vec<(u16, ValueId)>,
    /// State of the caller, if this is the state of an inlined body; its `dst` takes the result.
    pub parent: Option<StateId>,
    /// What must be charged before the function is left.
    pub owed: Option<Owed>,
}

/// Turns of a loop that were made and not charged: `(to - from) / step` times `cost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeTurns {
    /// What counts the turns, before the first one; whole.
    pub from: ValueId,
    /// What counts the turns, now.
    pub to: ValueId,
    /// What each turn adds.
    pub step: ValueId,
    /// Or subtracts.
    pub down: bool,
    /// Reductions of a turn.
    pub cost: u32,
}

impl ChargeTurns {
    /// The values, to be replaced.
    pub fn operands_mut(&mut self) -> [&mut ValueId; 3] {
        [&mut self.from, &mut self.to, &mut self.step]
    }
}

/// What must be charged before a function is left in a loop whose turns are charged later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The turns before this one.
    pub turns: ChargeTurns,
    /// Reductions of this turn so far.
    pub also: u32,
}

/// How far the variable of a loop may go while less is charged than is left: a Number that it must stay below, or
/// above if the loop counts down. Counting from `from` to there, the loop's own test holds too. If the turns
/// cannot be counted (`from` or `step` is not whole, or too large), the limit keeps it from the first turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopLimit {
    /// The variable, before the first turn.
    pub from: ValueId,
    /// What the loop compares it with.
    pub bound: ValueId,
    /// What each turn adds.
    pub step: ValueId,
    /// Or subtracts.
    pub down: bool,
    /// May it be equal to the bound?
    pub inclusive: bool,
    /// Is the variable compared after the turn's step?
    pub next: bool,
    /// Reductions of a turn.
    pub cost: u32,
}

/// Register that takes a result later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dst {
    /// The register.
    pub reg: u16,
    /// Is it live where the state goes on?
    pub live: bool,
}

/// A value.
#[derive(Clone, Debug)]
pub struct ValueData {
    /// Kinds that it may have.
    pub kinds: Kinds,
    /// Where it comes from.
    pub def: ValueDef,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueDef {
    /// It is always this.
    Const(Constant),
    /// It is a parameter of this block.
    Param(BlockId),
    /// This instruction gives it.
    Inst(InstId),
}

/// A constant value.
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    /// The value; a pointer is one to an immortal literal.
    pub value: Value,
    /// For pointers: function and index of a LOAD_CONST that has this literal.
    pub origin: Option<(FuncId, u32)>,
}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Arithmetic operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the instructions")]
pub enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the instructions")]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl CompareOp {
    /// The comparison with its operands exchanged.
    pub fn mirrored(self) -> CompareOp {
        match self {
            CompareOp::Equal | CompareOp::NotEqual => self,
            CompareOp::Less => CompareOp::Greater,
            CompareOp::LessEqual => CompareOp::GreaterEqual,
            CompareOp::Greater => CompareOp::Less,
            CompareOp::GreaterEqual => CompareOp::LessEqual,
        }
    }
}

/// Constants that depend on the process or the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Special {
    /// Handle of the running process.
    SelfPid,
    /// Number of the running process.
    PidNumber,
    /// How many processes were ever started.
    ProcessCount,
    /// How many time slices were handed out.
    SchedulerPasses,
    /// The object in which the process keeps what it makes once.
    Globals,
}

/// What a safepoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SafepointAt {
    /// The entry of a function.
    Entry,
    /// An edge that jumps backward.
    Loop,
    /// Behind an instruction that is done.
    After,
}

/// What an instruction does. Operands are values of any kind unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// [`Form::Resume`]: the register's value in the frame record.
    LoadReg {
        /// Register.
        reg: u16,
    },
    /// A fresh copy of a template.
    LoadFresh {
        /// Index of the template.
        template: u32,
    },
    /// A constant that depends on the process or the system.
    LoadSpecial(Special),
    /// ADD to DIV. Has an `after` state if it may run a magic method.
    Arith {
        /// Which.
        op: ArithOp,
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
    },
    /// EQUAL to GREATER_EQUAL; gives a Boolean. Has an `after` state if it may run a magic method.
    Compare {
        /// Which.
        op: CompareOp,
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
    },
    /// The truth of any value.
    Truth {
        /// Operand.
        a: ValueId,
    },
    /// Negated truth.
    Not {
        /// Operand.
        a: ValueId,
    },
    /// Both are true.
    And {
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
    },
    /// At least one is true.
    Or {
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
    },
    /// Reads a property. Has an `after` state if it may run a magic method.
    GetProp {
        /// Object.
        object: ValueId,
        /// Key.
        key: ValueId,
        /// The object that the frame is bound to, if the code can see it.
        this: Option<ValueId>,
    },
    /// Writes a property. Has an `after` state if it may run a magic method.
    SetProp {
        /// Object.
        object: ValueId,
        /// Key.
        key: ValueId,
        /// New value.
        value: ValueId,
        /// The object that the frame is bound to, if the code can see it.
        this: Option<ValueId>,
    },
    /// Calls whatever `function` is.
    CallValue {
        /// Callee.
        function: ValueId,
        /// Arguments, as many as the call has.
        args: Vec<ValueId>,
    },
    /// Calls a bytecode function.
    CallKnown {
        /// Callee.
        func: FuncId,
        /// What it is bound to; Undefined if absent.
        this: Option<ValueId>,
        /// Arguments: captures first, as many as the call has; the callee may take more or fewer.
        args: Vec<ValueId>,
    },
    /// Calls a library function. A safepoint that charges for it follows.
    CallNative {
        /// Callee.
        native: NativeId,
        /// Arguments.
        args: Vec<ValueId>,
    },
    /// A Number as an integer. Exits unless it is whole and between -2^32 and 2^32.
    WholeNumber {
        /// Operand.
        a: ValueId,
    },
    /// The sum, or difference, of two integers.
    AddIndex {
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
        /// The difference?
        down: bool,
    },
    /// The same value, which must be a Number: exits if it is none.
    AsNumber {
        /// Operand.
        a: ValueId,
    },
    /// The quotient of two Numbers. Exits if the divisor is zero.
    Divide {
        /// Dividend.
        a: ValueId,
        /// Divisor.
        b: ValueId,
    },
    /// The square root of a Number. Exits if that is negative.
    Sqrt {
        /// Operand.
        a: ValueId,
    },
    /// Calls a library function that is one of Numbers and has no effects.
    CallFast {
        /// Callee.
        native: NativeId,
        /// Arguments, all of them Numbers.
        args: Vec<ValueId>,
    },
    /// Starts a process. A safepoint that charges for it follows.
    Spawn {
        /// What it runs.
        function: ValueId,
        /// Arguments.
        args: Vec<ValueId>,
    },
    /// Sends a message. A safepoint that charges for it follows.
    Send {
        /// Whom.
        process: ValueId,
        /// What.
        message: ValueId,
    },
    /// Takes the next message, or charges and waits in state `before`. A safepoint follows.
    Receive,
    /// Takes the next message, or charges and waits in state `before`. `second` says whether there
    /// was one. A safepoint follows.
    ReceiveWithTimeout {
        /// Milliseconds.
        timeout: ValueId,
    },
    /// Waits for the end of a process. A safepoint follows.
    Link {
        /// Number of the process.
        process: u32,
    },
    /// Waits for the first end. A safepoint follows.
    Select {
        /// Processes; others are skipped.
        processes: Vec<ValueId>,
        /// End the others?
        kill: bool,
    },
    /// Charges and always leaves in state `after`.
    Yield {
        /// What it charges.
        cost: u32,
    },
    /// OBJECT_INIT; names, levels and constants are in the bytecode at `pc`.
    NewObject {
        /// Values of the properties that come from registers, in order.
        values: Vec<ValueId>,
    },
    /// A new array.
    NewArray {
        /// Elements.
        elements: Vec<ValueId>,
    },
    /// The new content of the cell of a captured name: `value` if `function` is a function and
    /// `cell` is absent, else `cell`.
    Capture {
        /// What the closure is made of.
        function: ValueId,
        /// Content of the cell.
        cell: ValueId,
        /// Value of the captured register.
        value: ValueId,
    },
    /// `function` with captures in front of its arguments; Undefined if it is no function.
    MakeClosure {
        /// What the closure is made of.
        function: ValueId,
        /// Captured values in the order of passing.
        captures: Vec<ValueId>,
    },
    /// Charges; leaves in state `after` if the budget is gone.
    Safepoint {
        /// Reductions; 0 only checks.
        cost: u32,
        /// What it is for.
        at: SafepointAt,
    },
    /// Charges without a check: the caller checks.
    Charge {
        /// Reductions.
        cost: u32,
    },
    /// How many turns of a loop are paid for.
    LoopLimit(LoopLimit),
    /// Charges for turns of a loop, without a check.
    ChargeTurns(ChargeTurns),
    /// Reports the bytecode instruction in the debug trace.
    Trace,
    /// The header of a natural loop: its `exit` is the state at its start. Does nothing.
    LoopHead,
    /// Exits unless the object has this shape.
    CheckShape {
        /// Object.
        object: ValueId,
        /// Shape.
        shape: ShapeId,
    },
    /// The object is known to have this shape here. Does nothing.
    AssumeShape {
        /// Object.
        object: ValueId,
        /// Shape.
        shape: ShapeId,
    },
    /// Exits unless a look-up in the object finds this method.
    CheckMethod {
        /// Receiver.
        object: ValueId,
        /// The method and how it is found.
        method: Method,
    },
    /// Does a look-up in the object find this method?
    HasMethod {
        /// Receiver.
        object: ValueId,
        /// The method and how it is found.
        method: Method,
    },
    /// Exits unless the value is a closure of this function with so many captures.
    CheckClosure {
        /// Value.
        function: ValueId,
        /// Function.
        func: FuncId,
        /// Number of captures.
        captures: u32,
    },
    /// A captured value of a closure that was checked.
    LoadCapture {
        /// Closure.
        function: ValueId,
        /// Its function.
        func: FuncId,
        /// Which.
        at: u32,
    },
    /// What a closure that was checked is bound to.
    LoadBound {
        /// Closure.
        function: ValueId,
    },
    /// A property of an object whose shape was checked. Exits, if it can, unless the value is of the
    /// kinds of the result.
    LoadSlot {
        /// Object.
        object: ValueId,
        /// Where.
        slot: Slot,
        /// Must it be a Number?
        number: bool,
    },
    /// Writes a property of an object whose shape was checked.
    StoreSlot {
        /// Object.
        object: ValueId,
        /// Where.
        slot: Slot,
        /// New value.
        value: ValueId,
    },
    /// Exits unless the value is a row of this sort.
    CheckRow {
        /// Value.
        object: ValueId,
        /// Sort.
        row: Row,
    },
    /// The length of a row that was checked.
    RowLength {
        /// Row.
        object: ValueId,
        /// Sort.
        row: Row,
    },
    /// An element of a row that was checked. Exits if there is none of this index, or it is a function,
    /// or is not a Number although it must be one.
    LoadElement {
        /// Row.
        object: ValueId,
        /// Sort.
        row: Row,
        /// Index: a Number.
        index: ValueId,
        /// Must it be a Number?
        number: bool,
        /// May it be a function? One that is read would have to be bound.
        functions: bool,
        /// The index as an integer, if it is counted.
        whole: Option<ValueId>,
    },
    /// Writes an element of an array that was checked.
    StoreElement {
        /// Array.
        object: ValueId,
        /// Index: a Number.
        index: ValueId,
        /// The index as an integer, if it is counted.
        whole: Option<ValueId>,
        /// New value.
        value: ValueId,
        /// What is charged for the time that adding an element may fail.
        owed: Option<Owed>,
    },
}

/// A slot of a shape, inside the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Shape.
    pub shape: ShapeId,
    /// Number of the slot.
    pub at: u32,
    /// Name of the property.
    pub key: Atom,
}

/// A method that objects of a shape have, by themselves or from a prototype.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method {
    /// Shapes of the receiver, its prototype and so on; the last one has the method in `slot`.
    pub chain: Vec<ShapeId>,
    /// Slot, inside the object.
    pub slot: u32,
    /// The method.
    pub func: FuncId,
}

/// Sorts of values with numbered elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// Elements may be written, added and moved.
    Array,
    /// Elements never change.
    Tuple,
}

impl Inst {
    /// The states that it carries.
    pub fn states(&self) -> impl Iterator<Item = StateId> {
        [self.before, self.after, self.exit].into_iter().flatten()
    }
}

impl Op {
    /// Does it only compute something, or make something new? It may be left out if nothing uses that, and
    /// nobody sees whether it has run twice. Some others do so under conditions.
    pub fn only_computes(&self) -> bool {
        matches!(
            self,
            Op::LoadReg { .. }
                | Op::LoadFresh { .. }
                | Op::LoadSpecial(_)
                | Op::Truth { .. }
                | Op::Not { .. }
                | Op::And { .. }
                | Op::Or { .. }
                | Op::NewObject { .. }
                | Op::NewArray { .. }
                | Op::Capture { .. }
                | Op::MakeClosure { .. }
                | Op::HasMethod { .. }
                | Op::LoadCapture { .. }
                | Op::LoadBound { .. }
                | Op::LoadSlot { .. }
                | Op::RowLength { .. }
                | Op::LoadElement { .. }
                | Op::Sqrt { .. }
                | Op::AsNumber { .. }
                | Op::WholeNumber { .. }
                | Op::AddIndex { .. }
                | Op::Divide { .. }
                | Op::CallFast { .. }
        )
    }

    /// Calls `visit` for each operand, in order.
    pub fn visit(&self, mut visit: impl FnMut(ValueId)) {
        // The traversal is written once, for `map`; operands are few.
        use Op::*;
        match self {
            LoadReg { .. }
            | LoadFresh { .. }
            | LoadSpecial(_)
            | Receive
            | Link { .. }
            | Yield { .. }
            | Safepoint { .. }
            | Charge { .. }
            | Trace
            | LoopHead => {}
            Arith { a, b, .. }
            | Compare { a, b, .. }
            | And { a, b }
            | Or { a, b }
            | Divide { a, b }
            | AddIndex { a, b, .. } => {
                visit(*a);
                visit(*b);
            }
            Truth { a } | Not { a } | Sqrt { a } | AsNumber { a } | WholeNumber { a } => visit(*a),
            CheckShape { object, .. }
            | AssumeShape { object, .. }
            | CheckMethod { object, .. }
            | HasMethod { object, .. }
            | LoadSlot { object, .. }
            | CheckRow { object, .. }
            | RowLength { object, .. } => visit(*object),
            CheckClosure { function, .. }
            | LoadCapture { function, .. }
            | LoadBound { function } => visit(*function),
            LoopLimit(limit) => [limit.from, limit.bound, limit.step].into_iter().for_each(visit),
            ChargeTurns(turns) => [turns.from, turns.to, turns.step].into_iter().for_each(visit),
            StoreSlot { object, value, .. } => {
                visit(*object);
                visit(*value);
            }
            LoadElement { object, index, whole, .. } => {
                visit(*object);
                visit(*index);
                whole.iter().for_each(|&whole| visit(whole));
            }
            StoreElement { object, index, whole, value, owed } => {
                visit(*object);
                visit(*index);
                whole.iter().for_each(|&whole| visit(whole));
                visit(*value);
                if let Some(Owed { turns, .. }) = owed {
                    [turns.from, turns.to, turns.step].into_iter().for_each(visit);
                }
            }
            GetProp { object, key, this } => {
                visit(*object);
                visit(*key);
                this.iter().for_each(|&this| visit(this));
            }
            SetProp { object, key, value, this } => {
                visit(*object);
                visit(*key);
                visit(*value);
                this.iter().for_each(|&this| visit(this));
            }
            CallValue { function, args } | Spawn { function, args } => {
                visit(*function);
                args.iter().for_each(|&arg| visit(arg));
            }
            CallKnown { args, this, .. } => {
                this.iter().for_each(|&this| visit(this));
                args.iter().for_each(|&arg| visit(arg));
            }
            CallNative { args, .. } | CallFast { args, .. } => {
                args.iter().for_each(|&arg| visit(arg));
            }
            Send { process, message } => {
                visit(*process);
                visit(*message);
            }
            ReceiveWithTimeout { timeout } => visit(*timeout),
            Select { processes, .. } => processes.iter().for_each(|&process| visit(process)),
            NewObject { values } => values.iter().for_each(|&value| visit(value)),
            NewArray { elements } => elements.iter().for_each(|&element| visit(element)),
            Capture { function, cell, value } => {
                visit(*function);
                visit(*cell);
                visit(*value);
            }
            MakeClosure { function, captures } => {
                visit(*function);
                captures.iter().for_each(|&capture| visit(capture));
            }
        }
    }

    /// Replaces each operand, in order.
    pub fn map(&mut self, mut map: impl FnMut(ValueId) -> ValueId) {
        let mut each = |operand: &mut ValueId| *operand = map(*operand);
        use Op::*;
        match self {
            LoadReg { .. }
            | LoadFresh { .. }
            | LoadSpecial(_)
            | Receive
            | Link { .. }
            | Yield { .. }
            | Safepoint { .. }
            | Charge { .. }
            | Trace
            | LoopHead => {}
            Arith { a, b, .. }
            | Compare { a, b, .. }
            | And { a, b }
            | Or { a, b }
            | Divide { a, b }
            | AddIndex { a, b, .. } => {
                each(a);
                each(b);
            }
            Truth { a } | Not { a } | Sqrt { a } | AsNumber { a } | WholeNumber { a } => each(a),
            CheckShape { object, .. }
            | AssumeShape { object, .. }
            | CheckMethod { object, .. }
            | HasMethod { object, .. }
            | LoadSlot { object, .. }
            | CheckRow { object, .. }
            | RowLength { object, .. } => each(object),
            CheckClosure { function, .. }
            | LoadCapture { function, .. }
            | LoadBound { function } => each(function),
            LoopLimit(limit) => {
                [&mut limit.from, &mut limit.bound, &mut limit.step].into_iter().for_each(each);
            }
            ChargeTurns(turns) => turns.operands_mut().into_iter().for_each(each),
            StoreSlot { object, value, .. } => {
                each(object);
                each(value);
            }
            LoadElement { object, index, whole, .. } => {
                each(object);
                each(index);
                whole.iter_mut().for_each(each);
            }
            StoreElement { object, index, whole, value, owed } => {
                each(object);
                each(index);
                whole.iter_mut().for_each(&mut each);
                each(value);
                if let Some(owed) = owed {
                    owed.turns.operands_mut().into_iter().for_each(each);
                }
            }
            GetProp { object, key, this } => {
                each(object);
                each(key);
                this.iter_mut().for_each(each);
            }
            SetProp { object, key, value, this } => {
                each(object);
                each(key);
                each(value);
                this.iter_mut().for_each(each);
            }
            CallValue { function, args } | Spawn { function, args } => {
                each(function);
                args.iter_mut().for_each(each);
            }
            CallKnown { args, this, .. } => {
                this.iter_mut().for_each(&mut each);
                args.iter_mut().for_each(each);
            }
            CallNative { args, .. } | CallFast { args, .. } => args.iter_mut().for_each(each),
            Send { process, message } => {
                each(process);
                each(message);
            }
            ReceiveWithTimeout { timeout } => each(timeout),
            Select { processes, .. } => processes.iter_mut().for_each(each),
            NewObject { values } => values.iter_mut().for_each(each),
            NewArray { elements } => elements.iter_mut().for_each(each),
            Capture { function, cell, value } => {
                each(function);
                each(cell);
                each(value);
            }
            MakeClosure { function, captures } => {
                each(function);
                captures.iter_mut().for_each(each);
            }
        }
    }
}

impl Terminator {
    /// The edges that pass arguments, in order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let (first, second, arms): (Option<&Target>, Option<&Target>, &[Target]) = match self {
            Terminator::Jump(target) => (Some(target), None, &[]),
            Terminator::Branch { then, otherwise, .. } => (Some(then), Some(otherwise), &[]),
            Terminator::Match { arms, default, .. } => (None, Some(default), arms),
            _ => (None, None, &[]),
        };
        arms.iter().chain(first).chain(second)
    }

    /// The edges that pass arguments, in order.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        let (first, second, arms): (Option<&mut Target>, Option<&mut Target>, &mut [Target]) =
            match self {
                Terminator::Jump(target) => (Some(target), None, &mut []),
                Terminator::Branch { then, otherwise, .. } => {
                    (Some(then), Some(otherwise), &mut [])
                }
                Terminator::Match { arms, default, .. } => (None, Some(default), arms),
                _ => (None, None, &mut []),
            };
        arms.iter_mut().chain(first).chain(second)
    }

    /// Calls `visit` for each successor, once for each edge.
    pub fn visit_successors(&self, mut visit: impl FnMut(BlockId)) {
        self.targets().for_each(|target| visit(target.block));
        if let Terminator::Dispatch(points) = self {
            points.iter().for_each(|&(_, block)| visit(block));
        }
    }

    /// The value that decides or is returned; arguments of edges are not among these.
    pub fn operand(&self) -> Option<ValueId> {
        match self {
            Terminator::Branch { cond, .. } => Some(*cond),
            Terminator::Match { value, .. } => Some(*value),
            Terminator::Return(value) => Some(*value),
            _ => None,
        }
    }

    /// Replaces each operand and each argument.
    pub fn map(&mut self, mut map: impl FnMut(ValueId) -> ValueId) {
        match self {
            Terminator::Branch { cond: value, .. }
            | Terminator::Match { value, .. }
            | Terminator::Return(value) => *value = map(*value),
            _ => {}
        }
        for target in self.targets_mut() {
            target.args.iter_mut().for_each(|arg| *arg = map(*arg));
        }
    }
}

impl Function {
    /// A function of one empty block.
    pub fn new(func: FuncId, form: Form, mode: Mode) -> Function {
        let mut function = Function {
            func,
            form,
            mode,
            magic: Magic::ALL,
            entry: BlockId(0),
            takes_this: false,
            blocks: Vec::new(),
            insts: Vec::new(),
            values: Vec::new(),
            states: Vec::new(),
            frames: vec![Frame { func, caller: None }],
            constants: FxHashMap::default(),
        };
        function.entry = function.add_block();
        function
    }

    /// Adds an empty block.
    pub fn add_block(&mut self) -> BlockId {
        self.blocks.push(Block {
            params: Vec::new(),
            insts: Vec::new(),
            term: Terminator::Unreachable,
        });
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// Adds a parameter to a block.
    pub fn add_param(&mut self, block: BlockId, kinds: Kinds) -> ValueId {
        let value = self.add_value(kinds, ValueDef::Param(block));
        self.blocks[block.index()].params.push(value);
        value
    }

    /// Adds a value.
    pub fn add_value(&mut self, kinds: Kinds, def: ValueDef) -> ValueId {
        self.values.push(ValueData { kinds, def });
        ValueId(self.values.len() as u32 - 1)
    }

    /// The value that is this constant.
    pub fn constant(&mut self, constant: Constant, kinds: Kinds) -> ValueId {
        let next = ValueId(self.values.len() as u32);
        let value = *self.constants.entry(constant.value.to_bits()).or_insert(next);
        if value == next {
            self.values.push(ValueData { kinds, def: ValueDef::Const(constant) });
        }
        value
    }

    /// The value that is this constant, which is no heap object.
    pub fn immediate(&mut self, value: Value) -> ValueId {
        let kinds = Kinds::of_immediate(value).unwrap_or(Kinds::ANY);
        self.constant(Constant { value, origin: None }, kinds)
    }

    /// Adds a state.
    pub fn add_state(&mut self, state: State) -> StateId {
        self.states.push(state);
        StateId(self.states.len() as u32 - 1)
    }

    /// Adds an instruction without putting it into a block.
    pub fn add_inst(&mut self, op: Op, frame: FrameId, pc: u32) -> InstId {
        self.insts.push(Inst {
            op,
            pc,
            frame,
            result: None,
            second: None,
            before: None,
            after: None,
            exit: None,
        });
        InstId(self.insts.len() as u32 - 1)
    }

    /// Kinds of a value.
    pub fn kinds(&self, value: ValueId) -> Kinds {
        self.values[value.index()].kinds
    }

    /// How a value is carried.
    pub fn repr(&self, value: ValueId) -> Repr {
        self.kinds(value).repr()
    }

    /// The constant that a value is.
    pub fn as_constant(&self, value: ValueId) -> Option<Constant> {
        match self.values[value.index()].def {
            ValueDef::Const(constant) => Some(constant),
            _ => None,
        }
    }

    /// The instruction that gives a value.
    pub fn as_inst(&self, value: ValueId) -> Option<&Inst> {
        match self.values[value.index()].def {
            ValueDef::Inst(inst) => Some(&self.insts[inst.index()]),
            _ => None,
        }
    }

    /// A block.
    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.index()]
    }

    /// An instruction.
    pub fn inst(&self, inst: InstId) -> &Inst {
        &self.insts[inst.index()]
    }

    /// A state.
    pub fn state(&self, state: StateId) -> &State {
        &self.states[state.index()]
    }

    /// How often each value is used, by instructions, terminators, edges and the states that
    /// instructions carry. A comparison used once, by the branch behind it, can be fused with it.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.values.len()];
        for block in crate::cfg::reverse_postorder(self) {
            let block = self.block(block);
            for &inst in &block.insts {
                let inst = self.inst(inst);
                inst.op.visit(|value| counts[value.index()] += 1);
                for state in inst.states() {
                    self.visit_state(state, |value| counts[value.index()] += 1);
                }
            }
            if let Some(value) = block.term.operand() {
                counts[value.index()] += 1;
            }
            for target in block.term.targets() {
                target.args.iter().for_each(|value| counts[value.index()] += 1);
            }
        }
        counts
    }

    /// Calls `visit` for each value of a state and of its callers' states.
    pub fn visit_state(&self, state: StateId, mut visit: impl FnMut(ValueId)) {
        let mut next = Some(state);
        while let Some(state) = next {
            let state = self.state(state);
            state.regs.iter().for_each(|&(_, value)| visit(value));
            if let Some(Owed { turns, .. }) = state.owed {
                [turns.from, turns.to, turns.step].into_iter().for_each(&mut visit);
            }
            next = state.parent;
        }
    }
}
