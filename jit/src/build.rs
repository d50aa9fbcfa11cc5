//! From verified bytecode to SSA form.
//!
//! Registers become values. A block with several ways in takes each live register as a parameter; a
//! block with one way in sees the values of its predecessor. Unreachable bytecode is not translated.
//! Every instruction that might be left for another engine gets its states here, as if its operands
//! could be anything; `simplify` drops those that kinds prove superfluous, and the superfluous
//! parameters.
//!
//! Invariant: only registers that are live are ever looked up, so an environment needs no clearing.
//! Absent on purpose: facts about values. Calls are all [`Op::CallValue`] here.

use crate::infer::ResumeFacts;
use crate::ir::*;
use crate::kinds::{Kinds, Magic};
use crate::points::{self, Mode};
use ion_runtime::bytecode::flow::Flow;
use ion_runtime::bytecode::ops::{Offset, PropValue};
use ion_runtime::bytecode::{Instr, Pattern};
use ion_runtime::program::{Bytecode, FrameLayout, FuncId, Konst};
use ion_runtime::value::Value;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// The verified function to translate.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Instructions.
    pub instrs: &'a [Instr],
    /// Resolved constant of each LOAD_CONST.
    pub konsts: &'a [Option<Konst>],
    /// Frame layout.
    pub layout: &'a FrameLayout,
    /// Leading registers that a caller passes.
    pub params: u16,
    /// Control flow and liveness.
    pub flow: &'a Flow,
    /// Report every instruction in the debug trace.
    pub trace: bool,
    /// Note the states in which the interpreter goes on if a check fails, see [`Inst::exit`]; these
    /// are the magic methods that objects may have.
    pub exits: Option<Magic>,
}

impl<'a> From<&'a Bytecode> for Source<'a> {
    fn from(body: &'a Bytecode) -> Source<'a> {
        Source {
            instrs: &body.instrs,
            konsts: &body.konsts,
            layout: &body.layout,
            params: body.params,
            flow: body.flow(),
            trace: false,
            exits: None,
        }
    }
}

/// The function has too many instructions and live registers to be worth compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("function is too large to compile, it stays interpreted")
    }
}

impl std::error::Error for TooLarge {}

/// Most entries of states and edges, all told.
const MAX_ENTRIES: usize = 1 << 23;

/// What to build, see [`Form`].
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// [`Form::Entry`], every block once.
    Plain,
    /// [`Form::Entry`]. Where a jump leads into the middle of a loop, the way to its head is a copy.
    Entry,
    /// [`Form::Resume`] with these points.
    Resume(&'a ResumeFacts),
}

/// The values of the live registers at a place where a record may go on. No use of the values.
#[derive(Clone, Debug)]
pub struct Env {
    /// Bytecode index.
    pub pc: u32,
    /// Block that the place is in.
    pub block: BlockId,
    /// Live registers, ascending.
    pub regs: Vec<(u16, ValueId)>,
}

/// A function as it comes from the bytecode.
#[derive(Clone, Debug)]
pub struct Built {
    /// The function.
    pub function: Function,
    /// [`Shape::Plain`]: the environment at each place where a record may go on, by ascending index.
    pub envs: Vec<Env>,
    /// Does a jump lead into the middle of a loop?
    pub enters_loops: bool,
}

/// Translates one function.
pub fn build(
    source: Source<'_>,
    func: FuncId,
    mode: Mode,
    shape: Shape<'_>,
) -> Result<Built, TooLarge> {
    if !source.flow.is_exact() {
        return Err(TooLarge);
    }
    let form = match shape {
        Shape::Plain | Shape::Entry => Form::Entry,
        Shape::Resume(_) => Form::Resume,
    };
    let roots: Vec<u32> = match shape {
        Shape::Plain | Shape::Entry => vec![0],
        Shape::Resume(facts) => facts.points.iter().map(|point| point.pc).collect(),
    };
    let graph = Graph::new(source, &roots, !matches!(shape, Shape::Plain));
    let count = source.instrs.len();
    let mut builder = Builder {
        source,
        mode,
        function: Function::new(func, form, mode),
        graph: &graph,
        blocks: FxHashMap::default(),
        pending: FxHashMap::default(),
        node: Node { start: 0, aside: Aside::No },
        env: Vec::new(),
        at: BlockId(0),
        shared_exit: None,
        envs: Vec::new(),
        candidates: match shape {
            Shape::Plain => points::candidates(source.instrs, source.flow, mode),
            _ => vec![false; count + 1],
        },
        entries: 0,
    };
    builder.at = builder.function.entry;
    builder.run(shape)?;
    builder.envs.sort_by_key(|env| env.pc);
    let enters_loops = !graph.copies && graph.enters_loops(source);
    Ok(Built { function: builder.function, envs: builder.envs, enters_loops })
}

/// A block of the bytecode, as one of several copies.
///
/// A record may go on in the middle of a loop, and a jump may lead there: to the test at the end of the loop, say. That would
/// give the loop a second entrance and spoil what is known in it, so the way from there to the next head of
/// a loop is a copy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    /// First index.
    start: u32,
    aside: Aside,
}

/// Is a block on the way from the middle of a loop?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Aside {
    No,
    /// From where a record goes on.
    Record,
    /// From where a jump led into the loop that has this head.
    Jump(u32),
}

/// Basic blocks of the bytecode, named by their first index.
struct Graph {
    /// Is this the first index of a block?
    leaders: Vec<bool>,
    /// How many edges lead to the block; more than one makes it a join.
    ways_in: FxHashMap<Node, u32>,
    /// The reachable blocks in reverse postorder.
    order: Vec<Node>,
    /// Indices to which a jump leads backward.
    heads: FxHashSet<u32>,
    loops: Loops,
    /// Are there copies of the ways from jumps into loops?
    copies: bool,
}

impl Graph {
    fn new(source: Source<'_>, roots: &[u32], copies: bool) -> Graph {
        let count = source.instrs.len();
        let mut leaders = vec![false; count + 1];
        for (pc, instr) in source.instrs.iter().enumerate() {
            if ends_block(instr) {
                leaders[pc + 1] = true;
                successors(source.instrs, pc as u32, |to| leaders[to as usize] = true);
            }
        }
        roots.iter().for_each(|&root| leaders[root as usize] = true);

        let heads = source.flow.loop_headers.iter().copied().collect();
        let ways_in = FxHashMap::default();
        let loops = Loops::new(source);
        let mut graph = Graph { leaders, ways_in, order: Vec::new(), heads, loops, copies };
        let mut seen: FxHashSet<Node> = FxHashSet::default();
        let mut stack: Vec<(Node, Vec<Node>)> = Vec::new();
        // The roots are the successors of a block that is not in the result. Successors are visited
        // from the last to the first, so that fall-through comes right behind its block.
        let mut open: Vec<Node> = roots.iter().map(|&start| graph.root(start)).collect();
        loop {
            while let Some(to) = open.pop() {
                *graph.ways_in.entry(to).or_default() += 1;
                if seen.insert(to) {
                    let successors = graph.successors(source, to);
                    stack.push((to, std::mem::replace(&mut open, successors)));
                }
            }
            match stack.pop() {
                Some((block, rest)) => {
                    graph.order.push(block);
                    open = rest;
                }
                None => break,
            }
        }
        graph.order.reverse();
        graph
    }

    /// The copy of the block in which a record goes on.
    fn root(&self, start: u32) -> Node {
        let aside = if self.loops.has_inside(start) { Aside::Record } else { Aside::No };
        Node { start, aside }
    }

    /// The copy of the block at `to` that follows on one of a copy.
    fn node(&self, from: Node, to: u32) -> Node {
        let aside = match from.aside {
            _ if self.heads.contains(&to) => Aside::No,
            Aside::Record => Aside::Record,
            Aside::Jump(head) if self.loops.contains(head, to) => Aside::Jump(head),
            _ if self.copies => self.loops.entered(from.start, to).map_or(Aside::No, Aside::Jump),
            _ => Aside::No,
        };
        Node { start: to, aside }
    }

    /// Does a jump lead into the middle of a loop?
    fn enters_loops(&self, source: Source<'_>) -> bool {
        self.order.iter().any(|node| {
            self.successors(source, *node).into_iter().any(|to| {
                let start = to.start;
                !self.heads.contains(&start) && self.loops.entered(node.start, start).is_some()
            })
        })
    }

    fn is_join(&self, node: Node) -> bool {
        self.ways_in.get(&node).is_some_and(|&ways| ways > 1)
    }

    /// First index behind the block.
    fn end(&self, source: Source<'_>, start: u32) -> u32 {
        let mut pc = start as usize;
        while pc < source.instrs.len() {
            let ends = ends_block(&source.instrs[pc]);
            pc += 1;
            if ends || self.leaders[pc] {
                break;
            }
        }
        pc as u32
    }

    fn successors(&self, source: Source<'_>, node: Node) -> Vec<Node> {
        let end = self.end(source, node.start);
        let mut result = Vec::new();
        if end > node.start {
            successors(source.instrs, end - 1, |to| result.push(self.node(node, to)));
        }
        result
    }
}

/// Where the loops of the bytecode are, roughly: for each target of a backward jump, the last such jump.
struct Loops(BTreeMap<u32, u32>);

impl Loops {
    fn new(source: Source<'_>) -> Loops {
        let mut loops = BTreeMap::new();
        for pc in 0..source.instrs.len() as u32 {
            if ends_block(&source.instrs[pc as usize]) {
                successors(source.instrs, pc, |to| {
                    if to <= pc {
                        loops.insert(to, pc);
                    }
                });
            }
        }
        Loops(loops)
    }

    /// Heads of the loops that contain the index, the innermost first.
    fn around(&self, pc: u32) -> impl Iterator<Item = u32> {
        let before = self.0.range(..=pc).rev();
        before.filter(move |&(_, &last)| pc <= last).map(|(&head, _)| head)
    }

    /// Is the index in a loop, and not the head of the innermost one?
    fn has_inside(&self, pc: u32) -> bool {
        self.around(pc).next().is_some_and(|head| head != pc)
    }

    /// Is the index in the loop with this head?
    fn contains(&self, head: u32, pc: u32) -> bool {
        self.0.get(&head).is_some_and(|last| (head..=*last).contains(&pc))
    }

    /// The head of the innermost loop into which an edge leads.
    fn entered(&self, from: u32, to: u32) -> Option<u32> {
        self.around(to).find(|&head| !self.contains(head, from))
    }
}

fn ends_block(instr: &Instr) -> bool {
    use Instr::*;
    matches!(
        instr,
        Jump { .. } | JumpIfTrue { .. } | JumpIfFalse { .. } | Match { .. } | Return { .. }
    )
}

/// The arms of a MATCH that can be reached: the number of those before the first wildcard, and
/// whether there is one.
fn arms_before_wildcard(arms: &[(Pattern, Offset)]) -> (usize, bool) {
    match arms.iter().position(|(pattern, _)| *pattern == Pattern::Wildcard) {
        Some(wildcard) => (wildcard, true),
        None => (arms.len(), false),
    }
}

/// Calls `visit` for each index that the instruction at `pc` may lead to, once for each edge.
fn successors(instrs: &[Instr], pc: u32, mut visit: impl FnMut(u32)) {
    match &instrs[pc as usize] {
        Instr::Return { .. } => {}
        Instr::Jump { offset } => visit(jump(pc, *offset)),
        Instr::JumpIfTrue { offset, .. } | Instr::JumpIfFalse { offset, .. } => {
            visit(pc + 1);
            visit(jump(pc, *offset));
        }
        Instr::Match { arms, .. } => {
            let (before, wildcard) = arms_before_wildcard(&arms.0);
            if !wildcard {
                visit(pc + 1);
            }
            for (_, offset) in &arms.0[..before + usize::from(wildcard)] {
                visit(jump(pc, *offset));
            }
        }
        _ => visit(pc + 1),
    }
}

fn jump(pc: u32, offset: Offset) -> u32 {
    (i64::from(pc) + i64::from(offset.0)) as u32
}

/// The code of the function itself, not inlined.
const OWN: FrameId = FrameId(0);

struct Builder<'a> {
    source: Source<'a>,
    mode: Mode,
    function: Function,
    graph: &'a Graph,
    /// The block of each node of the graph.
    blocks: FxHashMap<Node, BlockId>,
    /// Values of the live registers on the way into a block with one way in, until it is filled.
    pending: FxHashMap<Node, Vec<ValueId>>,
    /// The node that is being filled.
    node: Node,
    /// The value of each register at the current place; garbage where the register is dead.
    env: Vec<ValueId>,
    /// The block that is being filled.
    at: BlockId,
    /// The exit of the instructions since something happened that can be seen.
    shared_exit: Option<StateId>,
    envs: Vec<Env>,
    /// For each index: shall its environment be noted?
    candidates: Vec<bool>,
    /// States' and edges' entries so far.
    entries: usize,
}

impl Builder<'_> {
    fn run(&mut self, shape: Shape<'_>) -> Result<(), TooLarge> {
        for &node in &self.graph.order {
            let block = self.function.add_block();
            self.blocks.insert(node, block);
        }
        for &node in &self.graph.order {
            if self.graph.is_join(node) {
                for reg in self.source.flow.live_registers(node.start) {
                    let kinds = self.default_kinds(reg);
                    self.function.add_param(self.block_of(node), kinds);
                    self.entries += 1;
                }
                self.check_size()?;
            }
        }
        let undefined = self.function.immediate(Value::UNDEFINED);
        self.env = vec![undefined; usize::from(self.source.layout.words)];
        match shape {
            Shape::Plain | Shape::Entry => self.enter_by_call(),
            Shape::Resume(facts) => self.enter_by_record(facts),
        }
        for &node in &self.graph.order {
            self.fill(node)?;
        }
        Ok(())
    }

    /// A register that may be absent must not be taken for a value of the language.
    fn default_kinds(&self, reg: u16) -> Kinds {
        let is_cell = reg >= self.source.layout.first_cell
            && reg >= self.source.layout.used
            && Some(reg) != self.source.layout.this;
        if is_cell { Kinds::ANY_OR_ABSENT } else { Kinds::ANY }
    }

    fn block_of(&self, node: Node) -> BlockId {
        self.blocks[&node]
    }

    fn check_size(&self) -> Result<(), TooLarge> {
        if self.entries > MAX_ENTRIES { Err(TooLarge) } else { Ok(()) }
    }

    fn enter_by_call(&mut self) {
        let layout = self.source.layout;
        if let Some(this) = layout.this {
            self.function.takes_this = true;
            let value = self.function.add_param(self.at, Kinds::ANY);
            self.set(this, value);
        }
        for reg in 0..self.source.params {
            let value = self.function.add_param(self.at, Kinds::ANY);
            self.set(reg, value);
        }
        let absent = self.function.immediate(Value::ABSENT);
        for (_, cells) in &layout.cells {
            cells.iter().flatten().for_each(|&cell| self.env[usize::from(cell)] = absent);
        }
        self.safepoint(points::call_cost(self.mode), SafepointAt::Entry, 0, 0);
        let target = self.target(0);
        self.end(Terminator::Jump(target));
    }

    fn enter_by_record(&mut self, facts: &ResumeFacts) {
        let entry = self.at;
        let mut targets = Vec::new();
        for point in &facts.points {
            self.at = self.function.add_block();
            targets.push((point.pc, self.at));
            for &(reg, fact) in &point.regs {
                let value = match fact.constant {
                    Some(constant) => self.function.constant(constant, fact.kinds),
                    None => self.give(Op::LoadReg { reg }, point.pc, fact.kinds),
                };
                self.set(reg, value);
            }
            self.node = self.graph.root(point.pc);
            let target = self.target_node(self.node);
            self.end(Terminator::Jump(target));
        }
        self.at = entry;
        self.end(Terminator::Dispatch(targets));
    }

    fn fill(&mut self, node: Node) -> Result<(), TooLarge> {
        let start = node.start;
        self.node = node;
        self.at = self.block_of(node);
        let values = match self.pending.remove(&node) {
            Some(values) => values,
            None => self.function.block(self.at).params.clone(),
        };
        for (reg, value) in self.source.flow.live_registers(start).zip(values) {
            self.set(reg, value);
        }
        let end = self.graph.end(self.source, start);
        self.shared_exit = None;
        if self.source.exits.is_some()
            && node.aside == Aside::No
            && self.graph.heads.contains(&start)
        {
            let exit = self.exit(start);
            let inst = self.push(Op::LoopHead, start);
            self.function.insts[inst.index()].exit = exit;
        }
        for pc in start..end {
            self.note(pc);
            self.instr(pc);
            if !self.is_pure(pc) {
                self.shared_exit = None;
            }
            self.check_size()?;
        }
        if end == start {
            self.note(end);
            let unit = self.function.immediate(Value::UNIT);
            self.end(Terminator::Return(unit));
        } else if !ends_block(&self.source.instrs[end as usize - 1]) {
            let target = self.target(end);
            self.end(Terminator::Jump(target));
        }
        Ok(())
    }

    fn get(&self, reg: impl Into<u32>) -> ValueId {
        self.env[reg.into() as usize]
    }

    fn set(&mut self, reg: impl Into<u32>, value: ValueId) {
        self.env[reg.into() as usize] = value;
    }

    fn note(&mut self, pc: u32) {
        if self.candidates[pc as usize] {
            let regs = self.live(pc);
            self.envs.push(Env { pc, block: self.at, regs });
        }
    }

    fn live(&mut self, pc: u32) -> Vec<(u16, ValueId)> {
        let env = &self.env;
        let live = self.source.flow.live_registers(pc);
        let regs: Vec<_> = live.map(|reg| (reg, env[usize::from(reg)])).collect();
        self.entries += regs.len();
        regs
    }

    /// The state in which `pc` comes next; registers of `later` are written by whoever goes on there.
    fn state(&mut self, pc: u32, dst: Option<u32>, also: Option<u32>) -> StateId {
        let mut regs = self.live(pc);
        let dst = dst.map(|reg| Dst {
            reg: reg as u16,
            live: regs.iter().any(|&(live, _)| u32::from(live) == reg),
        });
        regs.retain(|&(reg, _)| {
            Some(reg) != dst.map(|dst| dst.reg) && Some(u32::from(reg)) != also
        });
        let func = self.function.func;
        self.function.add_state(State { func, pc, dst, regs, parent: None, owed: None })
    }

    fn push(&mut self, op: Op, pc: u32) -> InstId {
        let inst = self.function.add_inst(op, OWN, pc);
        self.function.blocks[self.at.index()].insts.push(inst);
        inst
    }

    /// Adds an instruction that gives a value.
    fn give(&mut self, op: Op, pc: u32, kinds: Kinds) -> ValueId {
        let inst = self.push(op, pc);
        self.result(inst, kinds)
    }

    fn result(&mut self, inst: InstId, kinds: Kinds) -> ValueId {
        let value = self.function.add_value(kinds, ValueDef::Inst(inst));
        self.function.insts[inst.index()].result = Some(value);
        value
    }

    /// Adds an instruction that may leave and goes on at the next index with `dst` delivered.
    fn give_after(&mut self, op: Op, pc: u32, dst: u32, kinds: Kinds) -> ValueId {
        let after = self.state(pc + 1, Some(dst), None);
        let inst = self.push(op, pc);
        self.function.insts[inst.index()].after = Some(after);
        let value = self.result(inst, kinds);
        self.set(dst, value);
        value
    }

    /// A state before the instruction at `pc`, if it is to be noted: one from which nothing that anyone
    /// could see has happened.
    fn exit(&mut self, pc: u32) -> Option<StateId> {
        self.source.exits?;
        if self.shared_exit.is_none() {
            self.shared_exit = Some(self.state(pc, None, None));
        }
        self.shared_exit
    }

    /// Can nobody see whether the instruction has run once or twice?
    fn is_pure(&self, pc: u32) -> bool {
        use Instr::*;
        let Some(magic) = self.source.exits else { return false };
        match &self.source.instrs[pc as usize] {
            LoadConst { .. }
            | Move { .. }
            | And { .. }
            | Or { .. }
            | Not { .. }
            | Nop {}
            | ObjectInit { .. }
            | ArrayInit { .. }
            | MakeClosure { .. } => true,
            Add { .. } => !magic.arith(ArithOp::Add),
            Sub { .. } => !magic.arith(ArithOp::Sub),
            Mul { .. } => !magic.arith(ArithOp::Mul),
            Div { .. } => !magic.arith(ArithOp::Div),
            Equal { .. } | NotEqual { .. } => !magic.compare(CompareOp::Equal),
            LessThan { .. } | GreaterThan { .. } => !magic.compare(CompareOp::Less),
            LessEqual { .. } | GreaterEqual { .. } => !magic.compare(CompareOp::LessEqual),
            GetProp { .. } => !magic.getattr(),
            _ => false,
        }
    }

    /// Notes the state before the instruction that was just added.
    fn set_exit(&mut self, exit: Option<StateId>) {
        if let Some(inst) = self.function.blocks[self.at.index()].insts.last() {
            self.function.insts[inst.index()].exit = exit;
        }
    }

    fn safepoint(&mut self, cost: u32, at: SafepointAt, pc: u32, next: u32) {
        let state = self.state(next, None, None);
        let inst = self.push(Op::Safepoint { cost, at }, pc);
        self.function.insts[inst.index()].after = Some(state);
    }

    fn end(&mut self, term: Terminator) {
        self.function.blocks[self.at.index()].term = term;
    }

    fn target(&mut self, to: u32) -> Target {
        self.target_node(self.graph.node(self.node, to))
    }

    fn target_node(&mut self, to: Node) -> Target {
        let values: Vec<ValueId> =
            self.live(to.start).into_iter().map(|(_, value)| value).collect();
        let block = self.block_of(to);
        if self.graph.is_join(to) {
            return Target { block, args: values };
        }
        self.pending.insert(to, values);
        Target { block, args: Vec::new() }
    }

    /// The edge from a jump, branch or MATCH; `alone`: the block has no other.
    fn edge(&mut self, from: u32, to: u32, alone: bool) -> Target {
        let cost = points::edge_cost(&self.source.instrs[from as usize], from, to, self.mode);
        if cost == 0 {
            return self.target(to);
        }
        let block = self.at;
        if !alone {
            self.at = self.function.add_block();
        }
        let at = if to <= from { SafepointAt::Loop } else { SafepointAt::After };
        self.safepoint(cost, at, from, to);
        let target = self.target(to);
        if alone {
            return target;
        }
        self.end(Terminator::Jump(target));
        let between = std::mem::replace(&mut self.at, block);
        Target { block: between, args: Vec::new() }
    }

    /// The truth of a register, as a Boolean.
    fn truth(&mut self, reg: u32, pc: u32) -> ValueId {
        let a = self.get(reg);
        match self.function.kinds(a) {
            Kinds::BOOLEAN => a,
            _ => self.give(Op::Truth { a }, pc, Kinds::BOOLEAN),
        }
    }

    fn values(&self, regs: &[u32]) -> Vec<ValueId> {
        regs.iter().map(|&reg| self.get(reg)).collect()
    }

    fn arith(&mut self, op: ArithOp, pc: u32, dst: u32, a: u32, b: u32) {
        let (a, b) = (self.get(a), self.get(b));
        let exit = self.exit(pc);
        self.give_after(Op::Arith { op, a, b }, pc, dst, Kinds::ANY);
        self.set_exit(exit);
    }

    fn compare(&mut self, op: CompareOp, pc: u32, dst: u32, a: u32, b: u32) {
        let (a, b) = (self.get(a), self.get(b));
        let exit = self.exit(pc);
        self.give_after(Op::Compare { op, a, b }, pc, dst, Kinds::BOOLEAN);
        self.set_exit(exit);
    }

    /// An instruction that may wait: tried again at its own index, gone on behind it.
    fn blocking(&mut self, op: Op, pc: u32, dst: u32, result: Option<u32>) {
        let before = self.state(pc, None, None);
        let after = self.state(pc + 1, Some(dst), result);
        let inst = self.push(op, pc);
        let value = self.result(inst, Kinds::ANY);
        self.set(dst, value);
        if let Some(result) = result {
            let flag = self.function.add_value(Kinds::BOOLEAN, ValueDef::Inst(inst));
            self.function.insts[inst.index()].second = Some(flag);
            self.set(result, flag);
        }
        let inst = &mut self.function.insts[inst.index()];
        inst.before = Some(before);
        inst.after = Some(after);
    }

    fn instr(&mut self, pc: u32) {
        let instr = &self.source.instrs[pc as usize];
        let mut charge = points::cost(instr, self.mode);
        if self.source.trace {
            self.push(Op::Trace, pc);
        }
        match instr {
            Instr::LoadConst { dst, .. } => {
                let value = self.constant(pc);
                self.set(dst.0, value);
            }
            Instr::Move { dst, src } => self.set(dst.0, self.get(src.0)),
            Instr::Add { dst, a, b } => self.arith(ArithOp::Add, pc, dst.0, a.0, b.0),
            Instr::Sub { dst, a, b } => self.arith(ArithOp::Sub, pc, dst.0, a.0, b.0),
            Instr::Mul { dst, a, b } => self.arith(ArithOp::Mul, pc, dst.0, a.0, b.0),
            Instr::Div { dst, a, b } => self.arith(ArithOp::Div, pc, dst.0, a.0, b.0),
            Instr::Equal { dst, a, b } => self.compare(CompareOp::Equal, pc, dst.0, a.0, b.0),
            Instr::NotEqual { dst, a, b } => self.compare(CompareOp::NotEqual, pc, dst.0, a.0, b.0),
            Instr::LessThan { dst, a, b } => self.compare(CompareOp::Less, pc, dst.0, a.0, b.0),
            Instr::LessEqual { dst, a, b } => {
                self.compare(CompareOp::LessEqual, pc, dst.0, a.0, b.0);
            }
            Instr::GreaterThan { dst, a, b } => {
                self.compare(CompareOp::Greater, pc, dst.0, a.0, b.0);
            }
            Instr::GreaterEqual { dst, a, b } => {
                self.compare(CompareOp::GreaterEqual, pc, dst.0, a.0, b.0);
            }
            Instr::And { dst, a, b } => {
                let (a, b) = (self.truth(a.0, pc), self.truth(b.0, pc));
                let value = self.give(Op::And { a, b }, pc, Kinds::BOOLEAN);
                self.set(dst.0, value);
            }
            Instr::Or { dst, a, b } => {
                let (a, b) = (self.truth(a.0, pc), self.truth(b.0, pc));
                let value = self.give(Op::Or { a, b }, pc, Kinds::BOOLEAN);
                self.set(dst.0, value);
            }
            Instr::Not { dst, src } => {
                let a = self.truth(src.0, pc);
                let value = self.give(Op::Not { a }, pc, Kinds::BOOLEAN);
                self.set(dst.0, value);
            }
            Instr::GetProp { dst, object, key } => {
                let (object, key) = (self.get(object.0), self.get(key.0));
                let this = self.this();
                let exit = self.exit(pc);
                self.give_after(Op::GetProp { object, key, this }, pc, dst.0, Kinds::ANY);
                self.set_exit(exit);
            }
            Instr::SetProp { object, key, value } => {
                let op = Op::SetProp {
                    object: self.get(object.0),
                    key: self.get(key.0),
                    value: self.get(value.0),
                    this: self.this(),
                };
                let exit = self.exit(pc);
                let after = self.state(pc + 1, None, None);
                let inst = self.push(op, pc);
                self.function.insts[inst.index()].after = Some(after);
                self.set_exit(exit);
            }
            Instr::Call { dst, function, args } => {
                let op =
                    Op::CallValue { function: self.get(function.0), args: self.values(&args.0) };
                let exit = self.exit(pc);
                self.give_after(op, pc, dst.0, Kinds::ANY);
                self.set_exit(exit);
                // The callee has charged; what its RETURN charged is still to be checked.
                charge = 0;
                if self.mode == Mode::Instruction {
                    self.safepoint(0, SafepointAt::After, pc, pc + 1);
                }
            }
            Instr::Spawn { dst, function, args } => {
                let op = Op::Spawn { function: self.get(function.0), args: self.values(&args.0) };
                let value = self.give(op, pc, Kinds::PROCESS | Kinds::UNDEFINED);
                self.set(dst.0, value);
            }
            Instr::Send { process, message } => {
                let (process, message) = (self.get(process.0), self.get(message.0));
                self.push(Op::Send { process, message }, pc);
            }
            Instr::Receive { dst } => self.blocking(Op::Receive, pc, dst.0, None),
            Instr::ReceiveWithTimeout { dst, timeout, result } => {
                let timeout = self.get(timeout.0);
                self.blocking(Op::ReceiveWithTimeout { timeout }, pc, dst.0, Some(result.0));
            }
            Instr::Link { process, dst } => {
                self.blocking(Op::Link { process: process.0 }, pc, dst.0, None);
            }
            Instr::Select { dst, processes } => {
                let processes = self.values(&processes.0);
                self.blocking(Op::Select { processes, kill: false }, pc, dst.0, None);
            }
            Instr::SelectWithKill { dst, processes } => {
                let processes = self.values(&processes.0);
                self.blocking(Op::Select { processes, kill: true }, pc, dst.0, None);
            }
            Instr::Yield {} => {
                let after = self.state(pc + 1, None, None);
                let inst = self.push(Op::Yield { cost: charge }, pc);
                self.function.insts[inst.index()].after = Some(after);
                charge = 0;
            }
            Instr::Nop {} => {}
            Instr::ObjectInit { dst, props } => {
                let regs = props.0.iter().filter_map(|prop| match prop.value {
                    PropValue::Reg(reg) => Some(reg),
                    PropValue::Const(_) => None,
                });
                let values = regs.map(|reg| self.get(reg)).collect();
                let value = self.give(Op::NewObject { values }, pc, Kinds::OBJECT);
                self.set(dst.0, value);
            }
            Instr::ArrayInit { dst, elements } => {
                let elements = self.values(&elements.0);
                let value = self.give(Op::NewArray { elements }, pc, Kinds::ARRAY);
                self.set(dst.0, value);
            }
            Instr::MakeClosure { dst, function, captures, .. } => {
                let function = self.get(function.0);
                let regs: Vec<u32> = captures.0.iter().map(|&(_, reg)| reg).collect();
                let captures = self.captures(pc, function, &regs);
                let kinds = Kinds::FUNCTION | Kinds::UNDEFINED;
                let value = self.give(Op::MakeClosure { function, captures }, pc, kinds);
                self.set(dst.0, value);
            }
            Instr::Return { .. }
            | Instr::Jump { .. }
            | Instr::JumpIfTrue { .. }
            | Instr::JumpIfFalse { .. }
            | Instr::Match { .. } => {
                self.terminator(pc);
                charge = 0;
            }
        }
        if charge != 0 {
            self.safepoint(charge, SafepointAt::After, pc, pc + 1);
        }
    }

    fn this(&self) -> Option<ValueId> {
        self.source.layout.this.map(|this| self.get(this))
    }

    /// What a LOAD_CONST loads.
    fn constant(&mut self, pc: u32) -> ValueId {
        match &self.source.konsts[pc as usize] {
            Some(Konst::Value(value)) => {
                let value = *value;
                let kinds = Kinds::of_immediate(value).unwrap_or(Kinds::ANY);
                let origin = value.is_pointer().then_some((self.function.func, pc));
                self.function.constant(Constant { value, origin }, kinds)
            }
            Some(Konst::Fresh(template)) => {
                self.give(Op::LoadFresh { template: *template }, pc, Kinds::ANY)
            }
            Some(Konst::SelfPid) => {
                self.give(Op::LoadSpecial(Special::SelfPid), pc, Kinds::PROCESS)
            }
            Some(Konst::PidNumber) => {
                self.give(Op::LoadSpecial(Special::PidNumber), pc, Kinds::NUMBER)
            }
            Some(Konst::ProcessCount) => {
                self.give(Op::LoadSpecial(Special::ProcessCount), pc, Kinds::NUMBER)
            }
            Some(Konst::SchedulerPasses) => {
                self.give(Op::LoadSpecial(Special::SchedulerPasses), pc, Kinds::NUMBER)
            }
            Some(Konst::Globals) => self.give(Op::LoadSpecial(Special::Globals), pc, Kinds::ANY),
            // Linking gives every LOAD_CONST a constant, and a register for `this` if it is loaded.
            Some(Konst::This) | None => match self.this() {
                Some(this) => this,
                None => self.function.immediate(Value::UNDEFINED),
            },
        }
    }

    /// The values that the MAKE_CLOSURE at `pc` captures; updates the cells that keep first values.
    fn captures(&mut self, pc: u32, function: ValueId, regs: &[u32]) -> Vec<ValueId> {
        let cells = self.source.layout.cells_at(pc);
        let mut values = Vec::with_capacity(regs.len());
        for (at, &reg) in regs.iter().enumerate() {
            let mut value = self.get(reg);
            if let Some(Some(cell)) = cells.get(at) {
                let op = Op::Capture { function, cell: self.get(*cell), value };
                value = self.give(op, pc, Kinds::ANY_OR_ABSENT);
                self.set(*cell, value);
            }
            values.push(value);
        }
        values
    }

    fn terminator(&mut self, pc: u32) {
        match &self.source.instrs[pc as usize] {
            Instr::Return { value } => {
                let value = self.get(value.0);
                let cost = points::cost(&self.source.instrs[pc as usize], self.mode);
                if cost != 0 {
                    self.push(Op::Charge { cost }, pc);
                }
                self.end(Terminator::Return(value));
            }
            Instr::Jump { offset } => {
                let target = self.edge(pc, jump(pc, *offset), true);
                self.end(Terminator::Jump(target));
            }
            Instr::JumpIfTrue { condition, offset } => {
                let cond = self.truth(condition.0, pc);
                let then = self.edge(pc, jump(pc, *offset), false);
                let otherwise = self.edge(pc, pc + 1, false);
                self.end(Terminator::Branch { cond, then, otherwise });
            }
            Instr::JumpIfFalse { condition, offset } => {
                let cond = self.truth(condition.0, pc);
                let then = self.edge(pc, pc + 1, false);
                let otherwise = self.edge(pc, jump(pc, *offset), false);
                self.end(Terminator::Branch { cond, then, otherwise });
            }
            Instr::Match { value, arms } => {
                let value = self.get(value.0);
                let (before, wildcard) = arms_before_wildcard(&arms.0);
                let default = if wildcard { jump(pc, arms.0[before].1) } else { pc + 1 };
                if before == 0 {
                    let target = self.edge(pc, default, true);
                    self.end(Terminator::Jump(target));
                    return;
                }
                let targets = arms.0[..before].iter();
                let arms =
                    targets.map(|(_, offset)| self.edge(pc, jump(pc, *offset), false)).collect();
                let default = self.edge(pc, default, false);
                self.end(Terminator::Match { frame: OWN, pc, value, arms, default });
            }
            _ => {}
        }
    }
}
