//! What the tests of this crate's middle share: functions from assembly text, random functions, and
//! facts that are made up.
//!
//! Linking is imitated, not used: `__function_ref:3` is function 3, `__stdlib:2` library function 2,
//! other atoms are numbered by their first letter.

use crate::build::Source;
use crate::kinds::{Callee, Facts, Kinds, Magic};
use ion_runtime::bytecode::flow::{Flow, visit_registers, visit_targets};
use ion_runtime::bytecode::ops::*;
use ion_runtime::bytecode::{Body, ConstValue, Pattern, assemble_function};
use ion_runtime::program::{FrameLayout, FuncId, Konst, NativeId};
use ion_runtime::value::{Atom, Value};
use std::collections::HashMap;

/// A linked function.
pub struct Unit {
    pub instrs: Vec<Instr>,
    pub konsts: Vec<Option<Konst>>,
    pub layout: FrameLayout,
    pub params: u16,
    pub flow: Flow,
}

impl Unit {
    /// From the lines of a function.
    pub fn parse(text: &str) -> Unit {
        let function = assemble_function(&format!("function f (arity: 0) {{\n{text}\n}}"));
        match function.map(|function| function.body) {
            Ok(Body::Bytecode(instrs)) => Unit::new(instrs),
            other => panic!("{other:?}"),
        }
    }

    pub fn new(instrs: Vec<Instr>) -> Unit {
        let konsts: Vec<Option<Konst>> = instrs
            .iter()
            .map(|instr| match instr {
                Instr::LoadConst { value, .. } => Some(konst(&value.0)),
                _ => None,
            })
            .collect();
        let layout = layout(&instrs, &konsts);
        let flow = Flow::new(&instrs, &konsts, &layout);
        let live = flow.live_registers(0).filter(|&reg| reg < layout.used);
        let params = live.max().map_or(0, |reg| reg + 1);
        Unit { instrs, konsts, layout, params, flow }
    }

    pub fn source(&self) -> Source<'_> {
        Source {
            instrs: &self.instrs,
            konsts: &self.konsts,
            layout: &self.layout,
            params: self.params,
            flow: &self.flow,
            trace: false,
            exits: None,
        }
    }
}

fn konst(value: &ConstValue) -> Konst {
    match value {
        ConstValue::Number(number) => Konst::Value(Value::number(*number)),
        ConstValue::Boolean(boolean) => Konst::Value(Value::boolean(*boolean)),
        ConstValue::Unit => Konst::Value(Value::UNIT),
        ConstValue::Undefined => Konst::Value(Value::UNDEFINED),
        ConstValue::Atom(text) => {
            if let Some(func) = text.strip_prefix("__function_ref:") {
                return Konst::Value(Value::function(FuncId(func.parse().unwrap())));
            }
            if let Some(native) = text.strip_prefix("__stdlib:") {
                return Konst::Value(Value::native(NativeId(native.parse().unwrap())));
            }
            match text.as_str() {
                "self" => Konst::SelfPid,
                "__vm:this" => Konst::This,
                _ => Konst::Value(Value::atom(Atom(u32::from(text.as_bytes()[0])))),
            }
        }
        _ => Konst::Fresh(0),
    }
}

/// As linking lays frames out.
fn layout(instrs: &[Instr], konsts: &[Option<Konst>]) -> FrameLayout {
    let bare = FrameLayout::default();
    let (mut used, mut sees_this, mut loops) = (0, false, false);
    let mut names: HashMap<(&str, &str), u32> = HashMap::new();
    for (pc, instr) in instrs.iter().enumerate() {
        visit_registers(instr, pc as u32, konsts[pc].as_ref(), &bare, |reg, _| {
            used = used.max(reg + 1);
        });
        visit_targets(instr, pc as u32, |target| loops |= target as usize <= pc);
        match instr {
            Instr::GetProp { .. } | Instr::SetProp { .. } => sees_this = true,
            Instr::LoadConst { .. } if konsts[pc] == Some(Konst::This) => sees_this = true,
            Instr::MakeClosure { scope, captures, .. } => {
                for (name, _) in &captures.0 {
                    *names.entry((&scope.0, name)).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    let first_cell = used + u16::from(sees_this);
    let mut next = first_cell;
    let mut numbers = HashMap::new();
    let mut cells = Vec::new();
    for (pc, instr) in instrs.iter().enumerate() {
        let Instr::MakeClosure { scope, captures, .. } = instr else { continue };
        let list = captures.0.iter().map(|(name, _)| {
            let key = (scope.0.as_str(), name.as_str());
            (loops || names[&key] > 1).then(|| {
                *numbers.entry(key).or_insert_with(|| {
                    next += 1;
                    next - 1
                })
            })
        });
        let list: Vec<Option<u16>> = list.collect();
        if list.iter().any(Option::is_some) {
            cells.push((pc as u32, list));
        }
    }
    FrameLayout { used, this: sees_this.then_some(used), cells, first_cell, words: next }
}

/// Literals are Strings, templates Arrays; library functions give Numbers or error atoms; functions
/// return what `returns` says.
#[derive(Default)]
pub struct TestFacts {
    pub returns: HashMap<u32, Kinds>,
    /// No object has a magic method.
    pub no_magic: bool,
    /// All objects come from the functions themselves.
    pub own_objects: bool,
}

impl Facts for TestFacts {
    fn literal(&self, _: Value) -> Kinds {
        Kinds::STRING
    }

    fn template(&self, _: u32) -> Kinds {
        Kinds::ARRAY
    }

    fn native(&self, _: NativeId) -> Kinds {
        Kinds::NUMBER | Kinds::ATOM
    }

    fn callee(&self, func: FuncId) -> Callee {
        match func.0 {
            // Another name of a library function.
            99 => Callee::Native(NativeId(9)),
            _ => Callee::Bytecode { params: 1, this: false },
        }
    }

    fn returns(&self, func: FuncId) -> Kinds {
        self.returns.get(&func.0).copied().unwrap_or(Kinds::ANY)
    }

    fn objects_are_own(&self) -> bool {
        self.own_objects
    }

    fn magic(&self) -> Magic {
        if self.no_magic { Magic::NONE } else { Magic::ALL }
    }
}

/// A simple generator of pseudo-random numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ bits >> 31) % bound as u64) as usize
    }

    /// A function of at most `length` instructions that would pass the verifier: every instruction
    /// of the table, jumps anywhere.
    pub fn function(&mut self, length: usize, registers: usize, functions: usize) -> Unit {
        let count = 1 + self.below(length);
        let mut instrs: Vec<Instr> =
            (0..count).map(|pc| self.instr(pc, count, registers, functions)).collect();
        // Calls that are known, which chance alone seldom gives.
        for pc in 1..count {
            if self.below(8) == 0 {
                let callee = ConstValue::Atom(format!("__function_ref:{}", self.below(functions)));
                let reg = self.reg(registers);
                instrs[pc - 1] = Instr::LoadConst { dst: Dst(reg), value: ConstOperand(callee) };
                let args = self.regs(registers);
                instrs[pc] = Instr::Call { dst: Dst(reg), function: Src(reg), args };
            }
        }
        Unit::new(instrs)
    }

    /// A function of `count` instructions, nearly all of them reachable, with small loops.
    pub fn long_function(&mut self, count: usize, registers: usize, functions: usize) -> Unit {
        let instrs: Vec<Instr> = (0..count)
            .map(|pc| {
                loop {
                    let mut instr = self.instr(pc, count, registers, functions);
                    let near = Offset(
                        (pc + self.below(30)).saturating_sub(10).min(count) as i32 - pc as i32,
                    );
                    match &mut instr {
                        Instr::Return { .. } | Instr::Jump { .. } => continue,
                        Instr::JumpIfTrue { condition, offset }
                        | Instr::JumpIfFalse { condition, offset } => {
                            // A register that is never written, so that no test is decided.
                            *condition = Src(registers as u32);
                            *offset = near;
                        }
                        Instr::Match { arms, .. } => arms.0.clear(),
                        _ => {}
                    }
                    return instr;
                }
            })
            .collect();
        Unit::new(instrs)
    }

    fn reg(&mut self, registers: usize) -> u32 {
        self.below(registers) as u32
    }

    fn regs(&mut self, registers: usize) -> RegList {
        let count = self.below(4);
        RegList((0..count).map(|_| self.reg(registers)).collect())
    }

    fn offset(&mut self, pc: usize, count: usize) -> Offset {
        // Mostly near, so that there are loops of all sizes and not only one big knot.
        let to = match self.below(3) {
            0 => self.below(count + 1),
            _ => (pc + self.below(9)).saturating_sub(4).min(count),
        };
        Offset(to as i32 - pc as i32)
    }

    fn constant(&mut self, functions: usize) -> ConstValue {
        match self.below(12) {
            0 => ConstValue::Boolean(self.below(2) == 0),
            1 => ConstValue::Unit,
            2 => ConstValue::Undefined,
            3 => ConstValue::Atom("self".to_string()),
            4 => ConstValue::Atom("__vm:this".to_string()),
            5 | 6 => ConstValue::Atom(format!("__function_ref:{}", self.below(functions))),
            7 => ConstValue::Atom(format!("__stdlib:{}", self.below(3))),
            8 => ConstValue::Array(Vec::new()),
            9 => ConstValue::Atom("ok".to_string()),
            _ => ConstValue::Number(self.below(3) as f64),
        }
    }

    fn instr(&mut self, pc: usize, count: usize, registers: usize, functions: usize) -> Instr {
        let n = registers;
        let (dst, a, b) = (Dst(self.reg(n)), Src(self.reg(n)), Src(self.reg(n)));
        let c = Src(self.reg(n));
        match self.below(48) {
            0..=6 => Instr::LoadConst { dst, value: ConstOperand(self.constant(functions)) },
            7 => Instr::Move { dst, src: a },
            8 | 9 => Instr::Add { dst, a, b },
            10 => Instr::Sub { dst, a, b },
            11 => Instr::Mul { dst, a, b },
            12 => Instr::Div { dst, a, b },
            13 => Instr::GetProp { dst, object: a, key: b },
            14 => Instr::SetProp { object: a, key: b, value: c },
            15..=18 => Instr::Call { dst, function: a, args: self.regs(n) },
            19 => Instr::Return { value: a },
            20 | 21 => Instr::Jump { offset: self.offset(pc, count) },
            22 | 23 => Instr::JumpIfTrue { condition: a, offset: self.offset(pc, count) },
            24 | 25 => Instr::JumpIfFalse { condition: a, offset: self.offset(pc, count) },
            26 => Instr::Spawn { dst, function: a, args: self.regs(n) },
            27 => Instr::Send { process: a, message: b },
            28 => Instr::Receive { dst },
            29 => Instr::Link { process: ProcessNumber(1), dst },
            30 | 31 => {
                let arms = (0..self.below(4)).map(|_| {
                    let pattern = match self.below(4) {
                        0 => Pattern::Wildcard,
                        _ => Pattern::Value(ConstValue::Number(1.0)),
                    };
                    (pattern, self.offset(pc, count))
                });
                Instr::Match { value: a, arms: Arms(arms.collect()) }
            }
            32 => Instr::Yield {},
            33 => Instr::Nop {},
            34 => Instr::Equal { dst, a, b },
            35 => Instr::NotEqual { dst, a, b },
            36 | 37 => Instr::LessThan { dst, a, b },
            38 => Instr::GreaterEqual { dst, a, b },
            39 => Instr::And { dst, a, b },
            40 => Instr::Or { dst, a, b },
            41 => Instr::Not { dst, src: a },
            42 => Instr::ReceiveWithTimeout { dst, timeout: a, result: Dst(b.0) },
            43 => {
                let values = self.regs(n).0.into_iter().map(|reg| PropInit {
                    key: "k".to_string(),
                    value: PropValue::Reg(reg),
                    access: None,
                });
                Instr::ObjectInit { dst, props: Props(values.collect()) }
            }
            44 => Instr::Select { dst, processes: self.regs(n) },
            45 => Instr::SelectWithKill { dst, processes: self.regs(n) },
            46 => Instr::ArrayInit { dst, elements: self.regs(n) },
            _ => {
                let names = ["x", "y"];
                let captures =
                    self.regs(n).0.into_iter().map(|reg| (names[self.below(2)].to_string(), reg));
                let captures = Captures(captures.collect());
                let scope = Scope(["s", "t"][self.below(2)].to_string());
                Instr::MakeClosure { dst, function: a, scope, captures }
            }
        }
    }
}

/// Compares texts line by line, without regard to indentation.
pub fn assert_text(actual: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_string()).filter(|line| !line.is_empty()).collect()
    };
    assert!(lines(actual) == lines(expected), "this came out:\n{actual}");
}
