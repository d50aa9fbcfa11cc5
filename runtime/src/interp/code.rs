//! The interpreter's own instructions, made from a linked function when a machine is built.
//!
//! One internal instruction for each of the file, at the same index, so a program counter means
//! the same everywhere and a jump may go anywhere. Frequent pairs and triples are *fused*: the
//! first instruction of the group does the work of all, reading the operands of those behind it,
//! and goes on after them; the others stay in place for whoever jumps between them. A fused group
//! still writes every register that its parts write.

use super::cache::Cache;
use crate::bytecode::Instr;
use crate::bytecode::ops::RegList;
use crate::ops::arith::Arith;
use crate::ops::compare::Compare;
use crate::program::{Bytecode, Code, Function, Konst, Program};
use crate::slab::Slab;
use crate::value::Value;
use std::marker::PhantomData;

/// Internal operation codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum OpCode {
    /// `a := imm`.
    LoadK,
    /// `a :=` constant that is made or looked up each time.
    LoadSpecial,
    Move,
    Add,
    Sub,
    Mul,
    Div,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Not,
    /// `a := b[c]`, cache `imm`.
    GetProp,
    /// `a[b] := c`, cache `imm`.
    SetProp,
    /// `a := b(…)`, `c` arguments.
    Call,
    Return,
    /// To `imm`, forward.
    Jump,
    /// To `imm`, backward: charged.
    JumpBack,
    /// If `a`, to `imm`, in either direction.
    JumpIfTrue,
    JumpIfFalse,
    Spawn,
    Send,
    Receive,
    ReceiveTimeout,
    Link,
    Match,
    Yield,
    Nop,
    ObjectInit,
    Select,
    SelectKill,
    ArrayInit,
    MakeClosure,
    /// Behind the last instruction.
    ImplicitReturn,
    // Fused groups: LOAD_CONST of a number, then an operation with it as the right operand.
    KAdd,
    KSub,
    KMul,
    /// LOAD_CONST, then CALL.
    KCall,
    /// GET_PROP, then CALL of what it gives, which nothing else uses.
    MethodCall,
    // A comparison, then a conditional jump on its result.
    EqualJump,
    NotEqualJump,
    LessJump,
    LessEqualJump,
    GreaterJump,
    GreaterEqualJump,
    // LOAD_CONST of a number, a comparison with it as the right operand, and the jump.
    KEqualJump,
    KNotEqualJump,
    KLessJump,
    KLessEqualJump,
    KGreaterJump,
    KGreaterEqualJump,
    /// LOAD_CONST, LOAD_CONST.
    KK,
    /// Two additions.
    AddAdd,
    /// An addition, then a backward jump.
    AddJumpBack,
    /// LOAD_CONST of a number, an addition, a backward jump.
    KAddJumpBack,
}

/// One internal instruction.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Op {
    pub code: OpCode,
    pub a: u16,
    pub b: u16,
    pub c: u16,
    /// Constant bits, jump target, packed registers, or an index: by operation.
    pub imm: u64,
}

/// No such register.
pub(crate) const NONE: u16 = u16::MAX;

/// A function as the interpreter runs it.
#[derive(Debug)]
pub(crate) struct CodeBlock {
    /// One more than the file has: the implicit return.
    pub ops: Box<[Op]>,
    /// Register lists too long to be packed.
    pub lists: Box<[u16]>,
    /// Inline caches of GET_PROP and SET_PROP, see `interp/cache.rs`.
    pub caches: Box<[Cache]>,
    /// Registers in the window.
    pub words: u32,
    /// Visible registers.
    pub used: u16,
    /// Hidden register of the bound object, or [`NONE`].
    pub this: u16,
    /// Registers from 0 on that a call must fill, with arguments or Undefined: those that may be read
    /// before they are written.
    pub filled: u16,
    /// First cell; there are none if it equals `words`.
    pub first_cell: u16,
    /// Is it a bytecode function?
    pub is_bytecode: bool,
}

/// Most registers that are packed into `imm`.
pub(crate) const PACKED: usize = 4;

struct Translator {
    lists: Vec<u16>,
    caches: usize,
}

impl Translator {
    fn list(&mut self, regs: &[u32]) -> u64 {
        if regs.len() <= PACKED {
            return regs.iter().rev().fold(0, |packed, reg| packed << 16 | u64::from(*reg));
        }
        let start = self.lists.len() as u64;
        self.lists.extend(regs.iter().map(|reg| *reg as u16));
        start
    }

    fn cache(&mut self) -> u64 {
        self.caches += 1;
        self.caches as u64 - 1
    }

    fn op(&mut self, pc: usize, instr: &Instr, konst: Option<&Konst>) -> Op {
        let new = |code, a: u32, b: u32, c: u32, imm| Op {
            code,
            a: a as u16,
            b: b as u16,
            c: c as u16,
            imm,
        };
        let target = |offset: i32| (pc as i64 + i64::from(offset)) as u64;
        let list_op = |this: &mut Self, code, dst: u32, function: u32, list: &RegList| {
            let packed = this.list(&list.0);
            new(code, dst, function, list.0.len() as u32, packed)
        };
        match instr {
            Instr::LoadConst { dst, .. } => match konst {
                Some(Konst::Value(value)) => new(OpCode::LoadK, dst.0, 0, 0, value.to_bits()),
                _ => new(OpCode::LoadSpecial, dst.0, 0, 0, 0),
            },
            Instr::Move { dst, src } => new(OpCode::Move, dst.0, src.0, 0, 0),
            Instr::Not { dst, src } => new(OpCode::Not, dst.0, src.0, 0, 0),
            Instr::Add { dst, a, b } => new(OpCode::Add, dst.0, a.0, b.0, 0),
            Instr::Sub { dst, a, b } => new(OpCode::Sub, dst.0, a.0, b.0, 0),
            Instr::Mul { dst, a, b } => new(OpCode::Mul, dst.0, a.0, b.0, 0),
            Instr::Div { dst, a, b } => new(OpCode::Div, dst.0, a.0, b.0, 0),
            Instr::Equal { dst, a, b } => new(OpCode::Equal, dst.0, a.0, b.0, 0),
            Instr::NotEqual { dst, a, b } => new(OpCode::NotEqual, dst.0, a.0, b.0, 0),
            Instr::LessThan { dst, a, b } => new(OpCode::Less, dst.0, a.0, b.0, 0),
            Instr::LessEqual { dst, a, b } => new(OpCode::LessEqual, dst.0, a.0, b.0, 0),
            Instr::GreaterThan { dst, a, b } => new(OpCode::Greater, dst.0, a.0, b.0, 0),
            Instr::GreaterEqual { dst, a, b } => new(OpCode::GreaterEqual, dst.0, a.0, b.0, 0),
            Instr::And { dst, a, b } => new(OpCode::And, dst.0, a.0, b.0, 0),
            Instr::Or { dst, a, b } => new(OpCode::Or, dst.0, a.0, b.0, 0),
            Instr::GetProp { dst, object, key } => {
                let cache = self.cache();
                new(OpCode::GetProp, dst.0, object.0, key.0, cache)
            }
            Instr::SetProp { object, key, value } => {
                let cache = self.cache();
                new(OpCode::SetProp, object.0, key.0, value.0, cache)
            }
            Instr::Call { dst, function, args } => {
                list_op(self, OpCode::Call, dst.0, function.0, args)
            }
            Instr::Spawn { dst, function, args } => {
                list_op(self, OpCode::Spawn, dst.0, function.0, args)
            }
            Instr::Return { value } => new(OpCode::Return, value.0, 0, 0, 0),
            Instr::Jump { offset } => {
                let code = if offset.0 <= 0 { OpCode::JumpBack } else { OpCode::Jump };
                new(code, 0, 0, 0, target(offset.0))
            }
            Instr::JumpIfTrue { condition, offset } => {
                new(OpCode::JumpIfTrue, condition.0, 0, 0, target(offset.0))
            }
            Instr::JumpIfFalse { condition, offset } => {
                new(OpCode::JumpIfFalse, condition.0, 0, 0, target(offset.0))
            }
            Instr::Send { process, message } => new(OpCode::Send, process.0, message.0, 0, 0),
            Instr::Receive { dst } => new(OpCode::Receive, dst.0, 0, 0, 0),
            Instr::ReceiveWithTimeout { dst, timeout, result } => {
                new(OpCode::ReceiveTimeout, dst.0, timeout.0, result.0, 0)
            }
            Instr::Link { process, dst } => new(OpCode::Link, dst.0, 0, 0, u64::from(process.0)),
            Instr::Match { value, .. } => new(OpCode::Match, value.0, 0, 0, 0),
            Instr::Yield {} => new(OpCode::Yield, 0, 0, 0, 0),
            Instr::Nop {} => new(OpCode::Nop, 0, 0, 0, 0),
            Instr::ObjectInit { dst, .. } => new(OpCode::ObjectInit, dst.0, 0, 0, 0),
            Instr::Select { dst, processes } => list_op(self, OpCode::Select, dst.0, 0, processes),
            Instr::SelectWithKill { dst, processes } => {
                list_op(self, OpCode::SelectKill, dst.0, 0, processes)
            }
            Instr::ArrayInit { dst, elements } => {
                list_op(self, OpCode::ArrayInit, dst.0, 0, elements)
            }
            Instr::MakeClosure { dst, function, captures, .. } => {
                let regs: Vec<u32> = captures.0.iter().map(|(_, reg)| *reg).collect();
                list_op(self, OpCode::MakeClosure, dst.0, function.0, &RegList(regs))
            }
        }
    }
}

/// Replaces the first of each fusible group.
fn fuse(ops: &mut [Op], lists: &[u16], body: &Bytecode) {
    use OpCode::*;
    // Does the call at `pc` call what is in `function`, which then is dead?
    let calls_only = |pc: usize, call: Op, function: u16| {
        let count = usize::from(call.c);
        let passed = match count <= PACKED {
            true => (0..count).any(|at| (call.imm >> (16 * at)) as u16 == function),
            false => lists[call.imm as usize..][..count].contains(&function),
        };
        let dead = call.a == function || !body.flow().is_live(pc as u32 + 1, function);
        call.b == function && !passed && dead
    };
    for i in 0..ops.len() {
        let at = |n: usize| ops.get(i + n).copied();
        let (Some(first), Some(second)) = (at(0), at(1)) else { break };
        let third = at(2);
        let is_number = first.code == LoadK && Value::from_bits(first.imm).is_number();
        // Does `op` take the constant on the right, and not on the left?
        let right = |op: Op| op.c == first.a && op.b != first.a;
        let jumps_on = |from: Op, jump: Option<Op>| {
            jump.is_some_and(|jump| {
                matches!(jump.code, JumpIfTrue | JumpIfFalse) && jump.a == from.a
            })
        };
        let compare_jump = |code| match code {
            Equal => Some((EqualJump, KEqualJump)),
            NotEqual => Some((NotEqualJump, KNotEqualJump)),
            Less => Some((LessJump, KLessJump)),
            LessEqual => Some((LessEqualJump, KLessEqualJump)),
            Greater => Some((GreaterJump, KGreaterJump)),
            GreaterEqual => Some((GreaterEqualJump, KGreaterEqualJump)),
            _ => None,
        };
        let jump_back = |op: Option<Op>| op.is_some_and(|op| op.code == JumpBack);
        let fused = match (first.code, second.code) {
            (LoadK, Add) if is_number && right(second) && jump_back(third) => Some(KAddJumpBack),
            (LoadK, Add) if is_number && right(second) => Some(KAdd),
            (LoadK, Sub) if is_number && right(second) => Some(KSub),
            (LoadK, Mul) if is_number && right(second) => Some(KMul),
            (LoadK, code) if is_number && right(second) && jumps_on(second, third) => {
                compare_jump(code).map(|(_, with_constant)| with_constant)
            }
            (LoadK, Call) => Some(KCall),
            (GetProp, Call) if calls_only(i + 1, second, first.a) => Some(MethodCall),
            (LoadK, LoadK) => Some(KK),
            (Add, JumpBack) => Some(AddJumpBack),
            (Add, Add) => Some(AddAdd),
            (code, _) if jumps_on(first, Some(second)) => {
                compare_jump(code).map(|(plain, _)| plain)
            }
            _ => None,
        };
        if let Some(code) = fused {
            ops[i].code = code;
        }
    }
}

impl CodeBlock {
    /// Translates a function. `fused`: with fused groups; not for `--preempt instruction`.
    pub(crate) fn new(function: &Function, fused: bool) -> CodeBlock {
        let Code::Bytecode(body) = &function.code else {
            return CodeBlock {
                ops: Box::new([]),
                lists: Box::new([]),
                caches: Box::new([]),
                words: 0,
                used: 0,
                this: NONE,
                filled: 0,
                first_cell: 0,
                is_bytecode: false,
            };
        };
        let mut translator = Translator { lists: Vec::new(), caches: 0 };
        let mut ops: Vec<Op> = body
            .instrs
            .iter()
            .enumerate()
            .map(|(pc, instr)| translator.op(pc, instr, body.konsts[pc].as_ref()))
            .collect();
        ops.push(Op { code: OpCode::ImplicitReturn, a: 0, b: 0, c: 0, imm: 0 });
        if fused {
            fuse(&mut ops, &translator.lists, body);
        }
        CodeBlock {
            ops: ops.into(),
            lists: translator.lists.into(),
            caches: (0..translator.caches).map(|_| Cache::default()).collect(),
            words: u32::from(body.layout.words),
            used: body.layout.used,
            this: body.layout.this.unwrap_or(NONE),
            filled: body.filled,
            first_cell: body.layout.first_cell,
            is_bytecode: true,
        }
    }

    /// Translates a program.
    pub(crate) fn program(program: &Program, fused: bool) -> Slab<CodeBlock> {
        let blocks = CodeBlock::of(&program.functions, fused);
        Slab::new(blocks, program.functions.room())
    }

    /// These functions.
    pub(crate) fn of(functions: &[Function], fused: bool) -> Vec<CodeBlock> {
        functions.iter().map(|function| CodeBlock::new(function, fused)).collect()
    }
}

/// All functions of a program, by number.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    base: *const CodeBlock,
    list: PhantomData<&'a Slab<CodeBlock>>,
}

impl<'a> Codes<'a> {
    /// Those of this list, and those that it will have.
    pub(crate) fn new(list: &'a Slab<CodeBlock>) -> Codes<'a> {
        Codes { base: list.base(), list: PhantomData }
    }

    /// The function of a number that a value or a frame record holds.
    #[inline(always)]
    pub(crate) fn get(self, id: u32) -> &'a CodeBlock {
        // SAFETY: only linking makes such numbers, and whoever has the value of a function got it after
        // its code was in the list: see `Machine::grow`.
        unsafe { &*self.base.add(id as usize) }
    }
}

impl OpCode {
    /// The arithmetic of a plain operation.
    pub(crate) fn arith(self) -> Arith {
        match self {
            OpCode::Sub => Arith::Sub,
            OpCode::Mul => Arith::Mul,
            OpCode::Div => Arith::Div,
            _ => Arith::Add,
        }
    }

    /// The comparison of a plain operation.
    pub(crate) fn compare(self) -> Compare {
        match self {
            OpCode::NotEqual => Compare::NotEqual,
            OpCode::Less => Compare::Less,
            OpCode::LessEqual => Compare::LessEqual,
            OpCode::Greater => Compare::Greater,
            OpCode::GreaterEqual => Compare::GreaterEqual,
            _ => Compare::Equal,
        }
    }
}
