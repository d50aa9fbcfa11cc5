//! A function under construction: instructions over any number of virtual registers, jumps to labels.
//!
//! Instructions are those of the file format. While building, their register numbers are virtual
//! and their jump offsets are label numbers; [`super::registers`] makes real ones of both.

use ion_runtime::bytecode::ops::{Arms, ConstOperand, Dst, Offset, Src};
use ion_runtime::bytecode::{ConstValue, Instr, Pattern};

/// A virtual register.
pub type Reg = ion_runtime::bytecode::ops::Reg;

/// A place to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub u32);

/// One step of the code.
#[derive(Clone, Debug)]
pub enum Item {
    /// An instruction, and the offset in the source text that it comes from.
    Op(Instr, u32),
    /// A place to jump to.
    Label(Label),
    /// The code of a loop begins.
    LoopStart,
    /// The code of the innermost loop ends.
    LoopEnd,
}

/// A loop under construction.
struct LoopState {
    /// Index of the item in front of which its constants are loaded.
    start: usize,
    /// Constants loaded there.
    hoisted: Vec<(ConstValue, Reg)>,
    /// Does it receive? Then few constants are loaded in front of it: it keeps them while it waits.
    receives: bool,
    /// Constants known where it begins.
    known: usize,
    /// Is it reached at all?
    alive: bool,
}

/// Most constants that are loaded in front of a loop.
const MAX_HOISTED: usize = 48;

/// Most constants that are loaded in front of a loop that receives.
const MAX_KEPT: usize = 4;

/// Most constants that are remembered.
const MAX_KNOWN: usize = 48;

/// The code so far.
pub struct Code {
    items: Vec<Item>,
    regs: u32,
    /// For each label, how many jumps lead to it.
    uses: Vec<u32>,
    /// Is the place behind the last item never reached?
    dead: bool,
    /// The offset in the source text of what is being emitted.
    pub at: u32,
    /// Constants that are in registers here.
    known: Vec<(ConstValue, Reg)>,
    loops: Vec<LoopState>,
    /// Instructions to be put in front of an item.
    insertions: Vec<(usize, Instr, u32)>,
}

impl Code {
    /// Empty code whose first `params` registers are filled by the caller.
    pub fn new(params: u32) -> Code {
        Code {
            items: Vec::with_capacity(64),
            regs: params,
            uses: Vec::new(),
            dead: false,
            at: 0,
            known: Vec::new(),
            loops: Vec::new(),
            insertions: Vec::new(),
        }
    }

    /// A new register.
    pub fn reg(&mut self) -> Reg {
        self.regs += 1;
        self.regs - 1
    }

    /// A new label.
    pub fn label(&mut self) -> Label {
        self.uses.push(0);
        Label(self.uses.len() as u32 - 1)
    }

    /// Emits an instruction that is no jump.
    pub fn op(&mut self, instr: Instr) {
        if self.dead {
            return;
        }
        let ends = matches!(instr, Instr::Return { .. });
        self.items.push(Item::Op(instr, self.at));
        self.dead = ends;
    }

    fn target(&mut self, label: Label) -> Offset {
        self.uses[label.0 as usize] += 1;
        Offset(label.0 as i32)
    }

    /// Jumps.
    pub fn jump(&mut self, label: Label) {
        if !self.dead {
            let offset = self.target(label);
            self.items.push(Item::Op(Instr::Jump { offset }, self.at));
            self.dead = true;
        }
    }

    /// Jumps if the truth of `condition` is `when`.
    pub fn jump_if(&mut self, condition: Reg, when: bool, label: Label) {
        if self.dead {
            return;
        }
        let (condition, offset) = (Src(condition), self.target(label));
        self.items.push(Item::Op(
            match when {
                true => Instr::JumpIfTrue { condition, offset },
                false => Instr::JumpIfFalse { condition, offset },
            },
            self.at,
        ));
    }

    /// Jumps by the first arm that matches; goes on behind if none does.
    pub fn match_op(&mut self, value: Reg, arms: Vec<(Pattern, Label)>) {
        if self.dead {
            return;
        }
        let arms = arms.into_iter().map(|(pattern, label)| (pattern, self.target(label))).collect();
        self.items.push(Item::Op(Instr::Match { value: Src(value), arms: Arms(arms) }, self.at));
    }

    /// A place that jumps from further up lead to.
    pub fn place(&mut self, label: Label) {
        if self.dead && self.uses[label.0 as usize] == 0 {
            return;
        }
        self.dead = false;
        self.items.push(Item::Label(label));
    }

    /// A place in a loop that jumps from further down lead to.
    pub fn place_head(&mut self, label: Label) {
        if self.loops.last().is_some_and(|state| state.alive) {
            self.dead = false;
            self.items.push(Item::Label(label));
        }
    }

    /// The code of a loop begins here; constants of its rounds are loaded in front of it.
    pub fn start_loop(&mut self, receives: bool) {
        let start = self.items.len();
        let (known, alive) = (self.known.len(), !self.dead);
        self.loops.push(LoopState { start, hoisted: Vec::new(), receives, known, alive });
        self.items.push(Item::LoopStart);
    }

    /// The code of the innermost loop ends.
    pub fn end_loop(&mut self) {
        self.items.push(Item::LoopEnd);
        if let Some(state) = self.loops.pop() {
            self.known.truncate(state.known);
        }
    }

    /// What is known here is forgotten by [`Code::forget`].
    pub fn mark(&self) -> usize {
        self.known.len()
    }

    /// Forgets constants that may not have been loaded on every way that leads here.
    pub fn forget(&mut self, mark: usize) {
        self.known.truncate(mark);
    }

    /// A register that holds this constant already.
    pub fn known(&self, value: &ConstValue) -> Option<Reg> {
        let known = self.known.iter().rev().take(MAX_KNOWN);
        let hoisted = self.loops.iter().flat_map(|state| &state.hoisted);
        known.chain(hoisted).find(|(constant, _)| constant == value).map(|(_, reg)| *reg)
    }

    /// A register that holds a constant, which is loaded if need be: in front of the loop, or here.
    pub fn constant(&mut self, value: ConstValue) -> Reg {
        if let Some(reg) = self.known(&value) {
            return reg;
        }
        let dst = self.reg();
        if self.dead {
            return dst;
        }
        // The outermost loop that takes it.
        let small = matches!(value, ConstValue::Number(_) | ConstValue::Atom(_));
        let takes = |state: &&mut LoopState| match state.receives {
            true => small && state.hoisted.len() < MAX_KEPT,
            false => state.hoisted.len() < MAX_HOISTED,
        };
        if let Some(state) = self.loops.iter_mut().find(takes) {
            state.hoisted.push((value.clone(), dst));
            let instr = Instr::LoadConst { dst: Dst(dst), value: ConstOperand(value) };
            self.insertions.push((state.start, instr, self.at));
            return dst;
        }
        self.known.push((value.clone(), dst));
        self.load(dst, value);
        dst
    }

    /// Loads a constant into a register here.
    pub fn load(&mut self, dst: Reg, value: ConstValue) {
        self.op(Instr::LoadConst { dst: Dst(dst), value: ConstOperand(value) });
    }

    /// Copies a register.
    pub fn copy(&mut self, dst: Reg, src: Reg) {
        if dst != src {
            self.op(Instr::Move { dst: Dst(dst), src: Src(src) });
        }
    }

    /// All items, with what was to be put in front of loops.
    pub fn finish(mut self) -> (Vec<Item>, u32, usize) {
        if self.insertions.is_empty() {
            return (self.items, self.regs, self.uses.len());
        }
        self.insertions.sort_by_key(|(at, ..)| *at);
        let mut items = Vec::with_capacity(self.items.len() + self.insertions.len());
        let mut insertions = self.insertions.into_iter().peekable();
        for (i, item) in self.items.into_iter().enumerate() {
            while let Some((_, instr, at)) = insertions.next_if(|(index, ..)| *index == i) {
                items.push(Item::Op(instr, at));
            }
            items.push(item);
        }
        (items, self.regs, self.uses.len())
    }
}
