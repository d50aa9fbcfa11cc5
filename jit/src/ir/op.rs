//! What instructions do, and what they work on.
//!
//! Absent on purpose: where instructions stand, and what becomes of the record if they leave (`ir`).

use super::*;

/// Turns of a loop that were made and not charged: `(to - from) / step` times `cost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeTurns {
    /// What counts the turns, before the first one: an integer.
    pub from: ValueId,
    /// What counts the turns, now: an integer.
    pub to: ValueId,
    /// What each turn adds: an integer.
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

/// How far the variable of a loop may go while less is charged than is left: an integer that it must stay below, or
/// above if the loop counts down. Counting from `from` to there, the loop's own test holds too, there are
/// at most [`LoopLimit::MOST_TURNS`] turns, and the variable stays within [`LoopLimit::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopLimit {
    /// The variable, before the first turn: an integer, of at most [`LoopLimit::MOST_FROM`].
    pub from: ValueId,
    /// What the loop compares it with: a Number.
    pub bound: ValueId,
    /// What each turn adds: an integer from 1 to [`LoopLimit::MOST_STEP`].
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

impl LoopLimit {
    /// Most turns at a time.
    pub const MOST_TURNS: i64 = 1 << 16;
    /// The variable is not larger than this before the first turn, nor smaller than its negation.
    pub const MOST_FROM: i64 = 1 << 32;
    /// Nor is its step.
    pub const MOST_STEP: i64 = 1 << 20;
    /// What the variable reaches is not larger than this, nor smaller than its negation.
    pub const MOST: i64 = 1 << 34;
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
    /// Is the Number whole, between these, and not the negative zero?
    IsWhole {
        /// Operand.
        a: ValueId,
        /// From here,
        least: i64,
        /// to there; at most 2^53 either way.
        most: i64,
    },
    /// A Number as an integer; only right if it [is one](Op::IsWhole).
    ToIndex {
        /// Operand.
        a: ValueId,
    },
    /// An integer of at most 2^53 either way as a Number.
    OfIndex {
        /// Operand.
        a: ValueId,
    },
    /// Compares integers; gives a Boolean.
    CompareIndex {
        /// Which.
        op: CompareOp,
        /// Left operand.
        a: ValueId,
        /// Right operand.
        b: ValueId,
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
    /// Takes back a charge that the call right behind it makes again.
    Refund {
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
                | Op::IsWhole { .. }
                | Op::ToIndex { .. }
                | Op::OfIndex { .. }
                | Op::CompareIndex { .. }
                | Op::LoopLimit(_)
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
            | Refund { .. }
            | Trace
            | LoopHead => {}
            Arith { a, b, .. }
            | Compare { a, b, .. }
            | And { a, b }
            | Or { a, b }
            | Divide { a, b }
            | AddIndex { a, b, .. }
            | CompareIndex { a, b, .. } => {
                visit(*a);
                visit(*b);
            }
            Truth { a }
            | Not { a }
            | Sqrt { a }
            | AsNumber { a }
            | WholeNumber { a }
            | IsWhole { a, .. }
            | ToIndex { a }
            | OfIndex { a } => visit(*a),
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
            | Refund { .. }
            | Trace
            | LoopHead => {}
            Arith { a, b, .. }
            | Compare { a, b, .. }
            | And { a, b }
            | Or { a, b }
            | Divide { a, b }
            | AddIndex { a, b, .. }
            | CompareIndex { a, b, .. } => {
                each(a);
                each(b);
            }
            Truth { a }
            | Not { a }
            | Sqrt { a }
            | AsNumber { a }
            | WholeNumber { a }
            | IsWhole { a, .. }
            | ToIndex { a }
            | OfIndex { a } => each(a),
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
