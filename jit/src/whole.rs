//! Numbers that are whole as integers, in the copies of loops that are paid for ahead.
//!
//! The copy of a counted loop ([`crate::strip`]) makes few turns at a time, so what its variable reaches is
//! bounded, and so is every sum to which a turn adds only the variable and constants. If such a sum is whole
//! before the first turn, and not too large, all of them are exact as integers: the processor adds those in less
//! time than Numbers. Each Number is still there, made of its integer ([`Op::OfIndex`]); where nothing but a frame
//! state wants it, it is made only where the function is left.
//!
//! Invariant: an integer equals its Number, which is not the negative zero: at most
//! [`MOST_TERMS`] * [`LoopLimit::MOST`] * [`LoopLimit::MOST_TURNS`] is added to a sum that starts with at most [`MOST_SUM`].
//! Absent on purpose: products.

use crate::ir::*;
use crate::kinds::Kinds;
use rustc_hash::FxHashMap;

/// A sum is at most this before the first turn.
const MOST_SUM: i64 = 1 << 51;

/// A turn adds at most so many terms to a sum.
const MOST_TERMS: i64 = 4;

const _: () = assert!(
    MOST_SUM + MOST_TERMS * LoopLimit::MOST * LoopLimit::MOST_TURNS <= 1 << 53,
    "sums are exact as Numbers"
);

/// The block in front of the copy, in which it is decided whether that is entered.
pub struct Front {
    /// The block.
    pub block: BlockId,
    /// For instructions that are added.
    place: (FrameId, u32),
    /// What must hold, apart from the limit.
    conditions: Vec<ValueId>,
}

impl Front {
    /// Nothing must hold yet.
    pub fn new(block: BlockId, place: (FrameId, u32)) -> Front {
        Front { block, place, conditions: Vec::new() }
    }

    /// Adds an instruction to the end.
    pub fn add(&mut self, function: &mut Function, op: Op, kinds: Kinds) -> ValueId {
        let (inst, value) = new_inst(function, op, kinds, self.place);
        function.blocks[self.block.index()].insts.push(inst);
        value
    }

    /// A Number as an integer; the copy is not entered unless it is whole and between these.
    pub fn integer(
        &mut self,
        function: &mut Function,
        a: ValueId,
        least: i64,
        most: i64,
    ) -> ValueId {
        let known = constant_integer(function, a);
        if !known.is_some_and(|known| (least..=most).contains(&known)) {
            let is = self.add(function, Op::IsWhole { a, least, most }, Kinds::BOOLEAN);
            self.conditions.push(is);
        }
        self.add(function, Op::ToIndex { a }, Kinds::INDEX)
    }

    /// Do all conditions hold, and this one?
    pub fn all(&mut self, function: &mut Function, also: ValueId) -> ValueId {
        let conditions = std::mem::take(&mut self.conditions);
        conditions
            .into_iter()
            .fold(also, |a, b| self.add(function, Op::And { a, b }, Kinds::BOOLEAN))
    }
}

fn new_inst(
    function: &mut Function,
    op: Op,
    kinds: Kinds,
    (frame, pc): (FrameId, u32),
) -> (InstId, ValueId) {
    let inst = function.add_inst(op, frame, pc);
    let value = function.add_value(kinds, ValueDef::Inst(inst));
    function.insts[inst.index()].result = Some(value);
    (inst, value)
}

/// The constant integer that a Number is; not the negative zero, which is no integer.
pub fn constant_integer(function: &Function, value: ValueId) -> Option<i64> {
    let number = function.as_constant(value)?.value.as_number()?;
    let whole = number as i64;
    (number.abs() < 1e15 && (whole as f64).to_bits() == number.to_bits()).then_some(whole)
}

/// Makes a parameter of a block, a Number, an integer, and the Number of that; gives the integer.
pub fn param_as_integer(
    function: &mut Function,
    block: BlockId,
    at: usize,
    (frame, pc): (FrameId, u32),
) -> ValueId {
    let integer = function.add_value(Kinds::INDEX, ValueDef::Param(block));
    let number = std::mem::replace(&mut function.blocks[block.index()].params[at], integer);
    let inst = function.add_inst(Op::OfIndex { a: integer }, frame, pc);
    function.insts[inst.index()].result = Some(number);
    function.values[number.index()].def = ValueDef::Inst(inst);
    function.blocks[block.index()].insts.insert(0, inst);
    integer
}

/// Makes a sum or difference of Numbers one of these integers, and the Number of that; gives the integer.
pub fn sum_as_integer(
    function: &mut Function,
    blocks: &[BlockId],
    sum: ValueId,
    (a, b): (ValueId, ValueId),
    down: bool,
) -> ValueId {
    let ValueDef::Inst(inst) = function.values[sum.index()].def else { return sum };
    let Inst { frame, pc, .. } = *function.inst(inst);
    let (new, integer) = new_inst(function, Op::AddIndex { a, b, down }, Kinds::INDEX, (frame, pc));
    for &block in blocks {
        let insts = &mut function.blocks[block.index()].insts;
        if let Some(at) = insts.iter().position(|&id| id == inst) {
            insts.insert(at, new);
        }
    }
    function.insts[inst.index()].op = Op::OfIndex { a: integer };
    integer
}

/// How large an integer gets, as many times [`LoopLimit::MOST`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// At most this, in every turn.
    Small(i64),
    /// This parameter of the header, and at most as much.
    Sum(ValueId, i64),
}

impl Class {
    fn limited(self) -> Option<Class> {
        let (Class::Small(terms) | Class::Sum(_, terms)) = self;
        (terms <= MOST_TERMS).then_some(self)
    }

    /// Of `self + other`, or `self - other`.
    fn with(self, other: Class, op: ArithOp) -> Option<Class> {
        match (self, other, op) {
            (Class::Small(a), Class::Small(b), ArithOp::Add | ArithOp::Sub) => {
                Class::Small(a + b).limited()
            }
            (Class::Sum(of, a), Class::Small(b), ArithOp::Add | ArithOp::Sub)
            | (Class::Small(b), Class::Sum(of, a), ArithOp::Add) => Class::Sum(of, a + b).limited(),
            _ => None,
        }
    }

    /// Of one or the other.
    fn or(self, other: Class) -> Option<Class> {
        match (self, other) {
            (Class::Small(a), Class::Small(b)) => Some(Class::Small(a.max(b))),
            (Class::Sum(of, a), Class::Sum(other, b)) if of == other => {
                Some(Class::Sum(of, a.max(b)))
            }
            _ => None,
        }
    }
}

/// Classes of the Numbers of a copy.
struct Classes(FxHashMap<ValueId, Class>);

impl Classes {
    fn of(&self, function: &Function, value: ValueId) -> Option<Class> {
        match constant_integer(function, value) {
            Some(constant) => (constant.abs() <= LoopLimit::MOST).then_some(Class::Small(1)),
            None => self.0.get(&value).copied(),
        }
    }

    /// Classes of everything in the blocks, which stand in reverse postorder, header first.
    fn new(
        function: &Function,
        blocks: &[BlockId],
        variable: ValueId,
        sums: &[ValueId],
    ) -> Classes {
        let mut classes = Classes(FxHashMap::default());
        classes.0.extend(sums.iter().map(|&sum| (sum, Class::Sum(sum, 0))));
        let mut passed: FxHashMap<ValueId, Option<Class>> = FxHashMap::default();
        for (at, &block) in blocks.iter().enumerate() {
            if at > 0 {
                for &param in &function.block(block).params {
                    if let Some(Some(class)) = passed.get(&param) {
                        classes.0.insert(param, *class);
                    }
                }
            }
            for &id in &function.block(block).insts {
                let inst = function.inst(id);
                let Some(result) = inst.result else { continue };
                let class = match inst.op {
                    // The loop's variable, and the sum that is its next value.
                    Op::OfIndex { a } if a == variable || is_next(function, a, variable) => {
                        Some(Class::Small(1))
                    }
                    Op::Arith { op, a, b } if inst.after.is_none() => classes
                        .of(function, a)
                        .zip(classes.of(function, b))
                        .and_then(|(a, b)| a.with(b, op)),
                    _ => None,
                };
                if let Some(class) = class {
                    classes.0.insert(result, class);
                }
            }
            for target in function.block(block).term.targets() {
                let params = &function.block(target.block).params;
                for (&param, &arg) in params.iter().zip(&target.args) {
                    let class = classes.of(function, arg);
                    let known = passed.entry(param).or_insert(class);
                    *known = known.zip(class).and_then(|(a, b)| a.or(b));
                }
            }
        }
        classes
    }
}

fn is_next(function: &Function, value: ValueId, variable: ValueId) -> bool {
    let op = function.as_inst(value).map(|inst| &inst.op);
    matches!(op, Some(Op::AddIndex { a, .. }) if *a == variable)
}

/// Makes integers of the sums of a copy whose variable is one already. `blocks` are those of the copy in
/// reverse postorder, the header first.
pub fn accumulate(
    function: &mut Function,
    front: &mut Front,
    blocks: &[BlockId],
    variable: ValueId,
) {
    let header = blocks[0];
    let place_of = |function: &Function, block: BlockId, param: ValueId| {
        function.block(block).params.iter().position(|&it| it == param)
    };
    let may_start = |function: &Function, param: ValueId| {
        let starts = edges(function, header, |from| from == front.block);
        place_of(function, header, param).is_some_and(|at| {
            starts.iter().all(|args| {
                function.as_constant(args[at]).is_none()
                    || constant_integer(function, args[at]).is_some()
            })
        })
    };
    let mut sums: Vec<ValueId> = function
        .block(header)
        .params
        .iter()
        .copied()
        .filter(|&param| function.kinds(param) == Kinds::NUMBER && may_start(function, param))
        .collect();
    let classes = loop {
        let classes = Classes::new(function, blocks, variable, &sums);
        let before = sums.len();
        let ends = edges(function, header, |from| from != front.block);
        sums.retain(|&sum| {
            place_of(function, header, sum).is_some_and(|at| {
                ends.iter().all(|args| {
                    matches!(classes.of(function, args[at]), Some(Class::Sum(of, _)) if of == sum)
                })
            })
        });
        if sums.len() == before {
            break classes;
        }
    };
    let mut integers = Integers {
        classes,
        blocks,
        known: FxHashMap::default(),
        twins: FxHashMap::default(),
        params: Vec::new(),
    };
    for &block in blocks {
        for &id in &function.block(block).insts {
            if let (Op::OfIndex { a }, Some(number)) =
                (&function.inst(id).op, function.inst(id).result)
            {
                integers.known.insert(number, *a);
            }
        }
    }
    for sum in sums {
        if let Some(at) = place_of(function, header, sum) {
            integers.param(function, front.place, header, at);
        }
    }
    integers.uses(function, front);
    integers.pass(function, front);
    crate::simplify::rename_all(function, &integers.twins);
}

/// The arguments of the edges to a block from those blocks.
fn edges(function: &Function, to: BlockId, from: impl Fn(BlockId) -> bool) -> Vec<Vec<ValueId>> {
    (0..function.blocks.len() as u32)
        .map(BlockId)
        .filter(|&block| from(block))
        .flat_map(|block| function.block(block).term.targets())
        .filter(|target| target.block == to)
        .map(|target| target.args.clone())
        .collect()
}

/// Integers that are made, on demand.
struct Integers<'a> {
    classes: Classes,
    blocks: &'a [BlockId],
    /// Which integer a Number is.
    known: FxHashMap<ValueId, ValueId>,
    /// What counts indices already ([`crate::induction`]), and which integer here is the same.
    twins: FxHashMap<ValueId, ValueId>,
    /// Parameters that became integers, in their places.
    params: Vec<(BlockId, usize)>,
}

impl Integers<'_> {
    fn param(
        &mut self,
        function: &mut Function,
        place: (FrameId, u32),
        block: BlockId,
        at: usize,
    ) -> ValueId {
        let number = function.block(block).params[at];
        let integer = param_as_integer(function, block, at, place);
        self.known.insert(number, integer);
        self.params.push((block, at));
        integer
    }

    /// The integer that a Number is, if it is one in the copy.
    fn of(
        &mut self,
        function: &mut Function,
        front: &mut Front,
        value: ValueId,
    ) -> Option<ValueId> {
        if let Some(&known) = self.known.get(&value) {
            return Some(known);
        }
        self.classes.of(function, value)?;
        if constant_integer(function, value).is_some() {
            let integer = front.integer(function, value, -LoopLimit::MOST, LoopLimit::MOST);
            self.known.insert(value, integer);
            return Some(integer);
        }
        match function.values[value.index()].def {
            ValueDef::Inst(inst) => {
                let Op::Arith { op, a, b } = function.inst(inst).op else { return None };
                let a = self.of(function, front, a)?;
                let b = self.of(function, front, b)?;
                let down = op == ArithOp::Sub;
                let integer = sum_as_integer(function, self.blocks, value, (a, b), down);
                self.known.insert(value, integer);
                Some(integer)
            }
            ValueDef::Param(block) => {
                let at = function.block(block).params.iter().position(|&it| it == value)?;
                Some(self.param(function, front.place, block, at))
            }
            ValueDef::Const(_) => None,
        }
    }

    /// Gives indices and comparisons integers.
    fn uses(&mut self, function: &mut Function, front: &mut Front) {
        for &block in self.blocks {
            for id in function.block(block).insts.clone() {
                match function.inst(id).op {
                    Op::LoadElement { index, .. } | Op::StoreElement { index, .. } => {
                        if function.as_constant(index).is_some() {
                            continue;
                        }
                        let integer = self.of(function, front, index);
                        if let Op::LoadElement { whole, .. } | Op::StoreElement { whole, .. } =
                            &mut function.insts[id.index()].op
                            && let Some(integer) = integer
                            && let Some(twin) = whole.replace(integer)
                        {
                            self.twins.insert(twin, integer);
                        }
                    }
                    Op::Compare { op, a, b } if self.is_known(function, a, b) => {
                        let a = self.of(function, front, a);
                        let b = self.of(function, front, b);
                        if let Some((a, b)) = a.zip(b) {
                            function.insts[id.index()].op = Op::CompareIndex { op, a, b };
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Is one an integer, and the other one too, or a constant?
    fn is_known(&self, function: &Function, a: ValueId, b: ValueId) -> bool {
        let known = |value| self.known.contains_key(&value);
        let constant = |value| constant_integer(function, value).is_some();
        known(a) && (known(b) || constant(b)) || known(b) && constant(a)
    }

    /// Passes integers to the parameters that became some.
    fn pass(&mut self, function: &mut Function, front: &mut Front) {
        // Passing may make further ones.
        let mut done = 0;
        while let Some(&(to, place)) = self.params.get(done) {
            done += 1;
            for at in 0..function.blocks.len() {
                let args: Vec<(usize, ValueId)> = function.blocks[at]
                    .term
                    .targets()
                    .enumerate()
                    .filter(|(_, target)| target.block == to)
                    .map(|(edge, target)| (edge, target.args[place]))
                    .collect();
                for (edge, arg) in args {
                    let integer = match BlockId(at as u32) == front.block {
                        true => Some(front.integer(function, arg, -MOST_SUM, MOST_SUM)),
                        false => self.of(function, front, arg),
                    };
                    let target = function.blocks[at].term.targets_mut().nth(edge);
                    if let Some((target, integer)) = target.zip(integer) {
                        target.args[place] = integer;
                    }
                }
            }
        }
    }
}
