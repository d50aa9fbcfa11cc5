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

mod op;

use crate::kinds::{Kinds, Magic, Repr};
use crate::points::Mode;
use ion_runtime::object::shape::ShapeId;
use ion_runtime::program::{FuncId, NativeId};
use ion_runtime::value::{Atom, Value};
pub use op::*;
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

impl Inst {
    /// The states that it carries.
    pub fn states(&self) -> impl Iterator<Item = StateId> {
        [self.before, self.after, self.exit].into_iter().flatten()
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
