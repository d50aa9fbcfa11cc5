//! The statements of a random function.
//!
//! Invariant: only statement boundaries are jumped to from anywhere, so sequences that belong
//! together (the load of a timeout and its use, a check of fuel and its jump) stay together.

use super::code::assemble;
use super::value::{self, Guess, KEYS, MAGIC};
use super::{Actors, Callee, Focus, Role, Style};
use crate::differential::rng::Rng;
use ion_runtime::bytecode::ops::{
    Arms, Captures, ConstOperand, Dst, Offset, ProcessNumber, PropInit, PropValue, Props, Reg,
    RegList, Scope, Src,
};
use ion_runtime::bytecode::{ConstValue, Instr};

/// Groups of statements, each with a weight in [`Style::weights`].
pub const GROUPS: usize = 15;

/// Arity, extra registers, code.
type Body = (u32, u32, Vec<Instr>);

/// Writes one function.
pub struct Writer<'a> {
    rng: &'a mut Rng,
    style: &'a Style,
    role: Role,
    arity: u32,
    /// Registers that statements use; the fixed ones come behind them.
    locals: u32,
    guesses: Vec<Guess>,
    locked: Vec<bool>,
    code: Vec<Instr>,
    /// Where each label is; jumps hold numbers of labels until the end.
    labels: Vec<Option<usize>>,
    /// Indices that wild jumps may lead to.
    boundaries: Vec<usize>,
    /// Statements left.
    budget: usize,
    in_loop: bool,
}

/// Registers behind the locals.
const FUEL: u32 = 0;
const DEPTH: u32 = 1;
const T0: u32 = 2;
const T1: u32 = 3;
const T2: u32 = 4;
const T3: u32 = 5;
const FIXED: u32 = 6;

impl<'a> Writer<'a> {
    /// A function with parameters of these kinds, behind the depth unless it is a leaf.
    pub fn new(rng: &'a mut Rng, style: &'a Style, role: Role, params: &[Guess]) -> Writer<'a> {
        let mut guesses = Vec::new();
        if role != Role::Leaf {
            guesses.push(Guess::Number);
        }
        guesses.extend_from_slice(params);
        let arity = guesses.len() as u32;
        let more = *rng.pick(&[2, 3, 4, 6, 8, 12, 20, 40]);
        let locals = arity + more;
        guesses.resize((locals + FIXED) as usize, Guess::Any);
        let locked = vec![false; guesses.len()];
        let budget = match role {
            Role::Leaf => rng.between(1, 6),
            Role::Recursive => rng.between(2, 10),
            Role::Plain => rng.between(3, 24),
        };
        Writer {
            rng,
            style,
            role,
            arity,
            locals,
            guesses,
            locked,
            code: Vec::new(),
            labels: Vec::new(),
            boundaries: Vec::new(),
            budget,
            in_loop: false,
        }
    }

    /// The main function: takes nothing.
    pub fn main(mut self) -> Body {
        self.arity = 0;
        self.guesses[0] = Guess::Any;
        self.budget = self.rng.between(6, 36);
        let depth = self.rng.between(1, 3) as f64;
        self.load_number(self.fixed(DEPTH), depth);
        self.body();
        let count = self.locals.min(12);
        let registers: Vec<Reg> = (0..count).collect();
        self.print(&registers);
        let result = self.local();
        self.emit(Instr::Return { value: Src(result) });
        self.finish()
    }

    /// A function that others call.
    pub fn function(mut self, callee: &Callee) -> Body {
        match self.role {
            Role::Leaf => {}
            Role::Plain => self.enter_plain(),
            Role::Recursive => self.enter_recursive(callee),
        }
        self.body();
        if self.rng.chance(90) {
            let result = self.source(callee.returns);
            self.emit(Instr::Return { value: Src(result) });
        }
        self.finish()
    }

    /// Returns at once unless the depth is above 0; the next depth is one less.
    fn enter_plain(&mut self) {
        let early = self.stop_at_zero();
        self.load_number(self.fixed(T1), 1.0);
        self.emit(Instr::Sub { dst: Dst(self.fixed(DEPTH)), a: Src(0), b: Src(self.fixed(T1)) });
        let _ = early;
    }

    /// Calls itself with one less, somewhere in its body.
    fn enter_recursive(&mut self, callee: &Callee) {
        self.enter_plain();
        self.load_number(self.fixed(FUEL), 2.0);
        for _ in 0..self.rng.below(3) {
            self.statement(0);
        }
        let dst = self.destination(callee.returns);
        let args: Vec<Reg> = std::iter::once(self.fixed(DEPTH))
            .chain(callee.params.clone().into_iter().map(|kind| self.source(kind)))
            .collect();
        self.load_function(self.fixed(T0), &callee.name);
        self.emit(Instr::Call {
            dst: Dst(dst),
            function: Src(self.fixed(T0)),
            args: RegList(args),
        });
    }

    fn stop_at_zero(&mut self) -> Reg {
        let on = self.label();
        self.load_number(self.fixed(T1), 0.0);
        let t = self.fixed(T0);
        self.emit(Instr::GreaterThan { dst: Dst(t), a: Src(0), b: Src(self.fixed(T1)) });
        self.emit(Instr::JumpIfTrue { condition: Src(t), offset: Offset(on as i32) });
        let early = self.rng.below(self.arity.max(1) as usize) as Reg;
        self.emit(Instr::Return { value: Src(early) });
        self.place(on);
        early
    }

    fn body(&mut self) {
        if self.style.focus != Focus::Anything && self.role != Role::Leaf {
            // Nothing is Undefined at first, so that kinds are known for long.
            for reg in self.arity..self.locals.min(self.arity + 8) {
                let kinds = [Guess::Number, Guess::Number, Guess::Object, Guess::Array];
                let many = if self.style.focus == Focus::Numbers { 1 } else { kinds.len() };
                let kind = kinds[self.rng.below(many)];
                self.guesses[reg as usize] = kind;
                self.make(reg, kind);
            }
        }
        if self.role != Role::Recursive {
            let fuel = self.rng.between(2, 20) as f64;
            self.load_number(self.fixed(FUEL), fuel);
        }
        while self.budget > 0 {
            self.statement(0);
        }
    }

    fn finish(mut self) -> Body {
        let end = self.code.len();
        for i in 0..self.labels.len() {
            if self.labels[i].is_none() {
                let anywhere = self.rng.below(self.boundaries.len() + 1);
                self.labels[i] = Some(self.boundaries.get(anywhere).copied().unwrap_or(end));
            }
        }
        let labels: Vec<usize> = self.labels.iter().map(|label| label.unwrap_or(end)).collect();
        let code = assemble(self.code, &labels);
        (self.arity, self.locals + FIXED - self.arity, code)
    }

    // Small things.

    fn emit(&mut self, instr: Instr) {
        self.code.push(instr);
    }

    fn fixed(&self, which: u32) -> Reg {
        self.locals + which
    }

    fn label(&mut self) -> usize {
        self.labels.push(None);
        self.labels.len() - 1
    }

    fn place(&mut self, label: usize) {
        self.labels[label] = Some(self.code.len());
    }

    fn load(&mut self, dst: Reg, value: ConstValue) {
        self.emit(Instr::LoadConst { dst: Dst(dst), value: ConstOperand(value) });
    }

    fn load_number(&mut self, dst: Reg, number: f64) {
        self.load(dst, ConstValue::Number(number));
    }

    fn load_atom(&mut self, dst: Reg, text: &str) {
        self.load(dst, ConstValue::Atom(text.to_owned()));
    }

    fn load_function(&mut self, dst: Reg, name: &str) {
        self.load_atom(dst, &format!("__function_ref:{name}"));
    }

    /// Any local register.
    fn local(&mut self) -> Reg {
        self.rng.below(self.locals as usize) as Reg
    }

    /// A register to write a value of this kind to.
    fn destination(&mut self, guess: Guess) -> Reg {
        let mut reg = self.local();
        for _ in 0..4 {
            if !self.locked[reg as usize] {
                break;
            }
            reg = self.local();
        }
        if self.locked[reg as usize] && !self.rng.chance(2) {
            // Behind the locals nothing that matters is overwritten.
            return self.fixed(T3);
        }
        self.guesses[reg as usize] = guess;
        reg
    }

    /// A register that probably holds a value of this kind.
    fn source(&mut self, wanted: Guess) -> Reg {
        if wanted == Guess::Any || self.rng.chance(self.style.ill_kinded) {
            return self.local();
        }
        let fits = |guess: &Guess| match (wanted, guess) {
            (Guess::Function(_), Guess::Function(_)) => true,
            (wanted, guess) => wanted == *guess,
        };
        let found: Vec<Reg> =
            (0..self.locals).filter(|reg| fits(&self.guesses[*reg as usize])).collect();
        if !found.is_empty() && self.rng.chance(92) {
            return *self.rng.pick(&found);
        }
        let dst = self.destination(wanted);
        self.make(dst, wanted);
        dst
    }

    /// Makes a fresh value of this kind.
    fn make(&mut self, dst: Reg, wanted: Guess) {
        match wanted {
            Guess::Function(_) => self.any_function(dst),
            Guess::Process => self.load_atom(dst, "self"),
            Guess::Object if self.rng.chance(75) => self.object(dst),
            Guess::Array if self.rng.chance(50) => {
                let kind = if self.rng.chance(60) { Guess::Number } else { Guess::Any };
                let elements = (0..self.rng.below(5)).map(|_| self.source(kind)).collect();
                self.emit(Instr::ArrayInit { dst: Dst(dst), elements: RegList(elements) });
            }
            wanted => {
                let constant = value::constant_of(self.rng, wanted, 2);
                self.load(dst, constant);
            }
        }
    }

    fn any_function(&mut self, dst: Reg) {
        if self.rng.chance(12) {
            let name = *self.rng.pick(&[
                "Abs",
                "Max",
                "Sqrt",
                "StrConcat",
                "StrLength",
                "Floor",
                "Missing",
            ]);
            self.load_atom(dst, &format!("__stdlib:{name}"));
        } else {
            let at = self.rng.below(self.style.callees.len());
            let name = self.style.callees[at].name.clone();
            self.load_function(dst, &name);
            if dst < self.locals {
                self.guesses[dst as usize] = Guess::Function(Some(at));
            }
        }
    }

    fn object(&mut self, dst: Reg) {
        let mut props = Vec::new();
        for _ in 0..self.rng.below(5) {
            let mut key = value::key(self.rng);
            let mut kind = *self.rng.pick(&[
                Guess::Number,
                Guess::Number,
                Guess::Number,
                Guess::Any,
                Guess::Text,
            ]);
            if key == "f" || key == "g" {
                kind = Guess::Function(None);
            }
            if self.style.magic && self.rng.chance(40) {
                key = (*self.rng.pick(&MAGIC)).to_owned();
                kind = Guess::Function(None);
            }
            if key == "__proto__" {
                kind = Guess::Object;
            }
            let value = match kind {
                Guess::Function(_) if self.style.magic => {
                    let t = self.fixed(T3);
                    self.any_function(t);
                    PropValue::Reg(t)
                }
                kind if kind == Guess::Object || self.rng.chance(70) => {
                    let found = self.found(kind);
                    PropValue::Reg(found)
                }
                kind => PropValue::Const(value::constant_of(self.rng, kind, 1)),
            };
            let access = if self.rng.chance(50) { None } else { Some(value::access(self.rng)) };
            props.push(PropInit { key, value, access });
        }
        self.emit(Instr::ObjectInit { dst: Dst(dst), props: Props(props) });
    }

    /// A local that has this kind, or any; emits nothing.
    fn found(&mut self, wanted: Guess) -> Reg {
        let fits = |guess: &Guess| *guess == wanted;
        let found: Vec<Reg> =
            (0..self.locals).filter(|reg| fits(&self.guesses[*reg as usize])).collect();
        if found.is_empty() { self.local() } else { *self.rng.pick(&found) }
    }

    // Statements.

    fn statement(&mut self, nesting: usize) {
        self.budget = self.budget.saturating_sub(1);
        self.boundaries.push(self.code.len());
        if self.rng.chance(self.style.wild) {
            return self.wild_jump();
        }
        if nesting == 0 && self.rng.chance(6) {
            return self.show();
        }
        let mut weights = self.style.weights.clone();
        weights[0] += 2;
        weights[1] += 2;
        if nesting >= 3 || self.budget == 0 {
            (weights[6], weights[7]) = (0, 0);
        }
        if self.role == Role::Leaf {
            // No calls, no loops, nothing of processes.
            for group in [6, 8, 9, 11, 12, 13] {
                weights[group] = 0;
            }
        }
        match self.rng.weighted(&weights) {
            0 => self.constant(),
            1 => self.arithmetic(),
            2 => self.comparison(),
            3 => self.texts(),
            4 => self.objects(),
            5 => self.arrays(),
            6 => self.counted_loop(nesting),
            7 => self.branch(nesting),
            8 => self.call(),
            9 => self.method(),
            10 => self.closure(),
            11 => self.native(),
            12 => self.messages(),
            13 => self.processes(),
            _ => self.other(),
        }
    }

    fn block(&mut self, nesting: usize, most: usize) {
        for _ in 0..self.rng.between(0, most) {
            self.statement(nesting + 1);
        }
    }

    fn constant(&mut self) {
        let kinds = [
            Guess::Number,
            Guess::Number,
            Guess::Number,
            Guess::Text,
            Guess::Boolean,
            Guess::Atom,
            Guess::Complex,
            Guess::Array,
            Guess::Object,
            Guess::Function(None),
            Guess::Any,
        ];
        let kind = match self.style.focus {
            Focus::Anything => *self.rng.pick(&kinds),
            Focus::Numbers => *self.rng.pick(&[Guess::Number, Guess::Number, Guess::Boolean]),
            Focus::Objects => *self.rng.pick(&[Guess::Number, Guess::Object, Guess::Array]),
        };
        let dst = self.destination(kind);
        if self.rng.chance(15) {
            let from = self.local();
            self.guesses[dst.min(self.locals - 1) as usize] = self.guesses[from as usize];
            return self.emit(Instr::Move { dst: Dst(dst), src: Src(from) });
        }
        self.make(dst, kind);
    }

    fn arithmetic(&mut self) {
        for _ in 0..self.rng.between(1, 4) {
            let complex = self.style.focus == Focus::Anything && self.rng.chance(6);
            let left = if complex { Guess::Complex } else { Guess::Number };
            let (a, b) = (self.source(left), self.source(Guess::Number));
            let (a, b) = if self.rng.chance(20) { (b, a) } else { (a, b) };
            let which = self.rng.below(4);
            let dst = self.destination(left);
            self.emit(arithmetic(which, dst, a, b));
        }
    }

    fn comparison(&mut self) {
        let kind = *self.rng.pick(&[
            Guess::Number,
            Guess::Number,
            Guess::Number,
            Guess::Text,
            Guess::Atom,
            Guess::Any,
        ]);
        let (a, b) = (self.source(kind), self.source(kind));
        let which = self.rng.below(9);
        let dst = self.destination(Guess::Boolean);
        self.emit(compare(which, dst, a, b));
    }

    fn texts(&mut self) {
        let t = self.fixed(T0);
        match self.rng.below(5) {
            0 | 1 => {
                // Appending something short, so that loops do not double.
                let short = (*self.rng.pick(&["a", "bc", "", "0123456789"])).to_owned();
                let a = self.source(Guess::Text);
                self.load(t, ConstValue::String(short));
                let dst = if self.rng.chance(60) && !self.locked[a as usize] {
                    a
                } else {
                    self.destination(Guess::Text)
                };
                self.emit(Instr::Add { dst: Dst(dst), a: Src(a), b: Src(t) });
            }
            2 if !self.in_loop => {
                let (a, b) = (self.source(Guess::Text), self.source(Guess::Text));
                let dst = self.destination(Guess::Text);
                self.emit(Instr::Add { dst: Dst(dst), a: Src(a), b: Src(b) });
            }
            3 if !self.in_loop => {
                let count = *self.rng.pick(&[0.0, 1.0, 2.0, 3.9, -1.0, f64::NAN, 64.0, 127.0]);
                let text = (*self.rng.pick(&["a", "ab", "é"])).to_owned();
                let dst = self.destination(Guess::Text);
                self.load(dst, ConstValue::String(text));
                self.load_number(t, count);
                let (a, b) = if self.rng.chance(50) { (dst, t) } else { (t, dst) };
                self.emit(Instr::Mul { dst: Dst(dst), a: Src(a), b: Src(b) });
            }
            _ => {
                let (a, b) = (self.source(Guess::Text), self.source(Guess::Text));
                let which = self.rng.below(6);
                let dst = self.destination(Guess::Boolean);
                self.emit(compare(which, dst, a, b));
            }
        }
    }

    fn key_register(&mut self) -> Reg {
        let t = self.fixed(T1);
        if self.style.magic && self.rng.chance(15) {
            let name = *self.rng.pick(&MAGIC);
            self.load_atom(t, name);
        } else {
            let key = value::key(self.rng);
            self.load_atom(t, &key);
        }
        t
    }

    /// An object: a local, `this`, or rarely the word that stands for it.
    fn object_register(&mut self) -> Reg {
        match self.rng.below(10) {
            0 | 1 if self.role != Role::Recursive => {
                let t = self.fixed(T0);
                self.load_atom(t, "__vm:this");
                t
            }
            _ => self.source(Guess::Object),
        }
    }

    fn objects(&mut self) {
        match self.rng.below(8) {
            0 => {
                let dst = self.destination(Guess::Object);
                self.object(dst);
            }
            1..=4 => {
                let object = self.object_register();
                let key = self.key_register();
                let dst = self.destination(Guess::Number);
                self.emit(Instr::GetProp { dst: Dst(dst), object: Src(object), key: Src(key) });
            }
            5 if self.rng.chance(30) => {
                // A prototype.
                let object = self.source(Guess::Object);
                let parent = if self.rng.chance(8) {
                    self.source(Guess::Object)
                } else {
                    // A new object cannot make a cycle.
                    let new = self.fixed(T0);
                    self.object(new);
                    new
                };
                let key = self.fixed(T1);
                self.load_atom(key, "__proto__");
                self.emit(Instr::SetProp {
                    object: Src(object),
                    key: Src(key),
                    value: Src(parent),
                });
            }
            _ => {
                let object = self.object_register();
                let key = self.key_register();
                let kind = if self.rng.chance(75) { Guess::Number } else { Guess::Any };
                let value = self.source(kind);
                self.emit(Instr::SetProp { object: Src(object), key: Src(key), value: Src(value) });
            }
        }
    }

    fn arrays(&mut self) {
        let array = self.source(Guess::Array);
        let index = self.fixed(T1);
        match self.rng.below(6) {
            0 => self.load_atom(index, "length"),
            1 => {
                let number = self.source(Guess::Number);
                self.emit(Instr::Move { dst: Dst(index), src: Src(number) });
            }
            2 => {
                let key = *self.rng.pick(&["0", "1", "+02", "-1", "x"]);
                self.load_atom(index, key);
            }
            _ => {
                let number = *self.rng.pick(&[0.0, 1.0, 2.0, 3.0, 4.0, -0.0, 0.5, -1.0, 1e300]);
                self.load_number(index, number);
            }
        }
        if self.rng.chance(60) {
            let dst = self.destination(Guess::Number);
            self.emit(Instr::GetProp { dst: Dst(dst), object: Src(array), key: Src(index) });
        } else {
            let kind = if self.rng.chance(70) { Guess::Number } else { Guess::Any };
            let value = self.source(kind);
            self.emit(Instr::SetProp { object: Src(array), key: Src(index), value: Src(value) });
        }
    }

    fn counted_loop(&mut self, nesting: usize) {
        let (i, limit, step) =
            (self.destination(Guess::Number), self.destination(Guess::Number), self.fixed(T2));
        let own_step = if self.rng.chance(70) { self.destination(Guess::Number) } else { step };
        let (start, end, by) = *self.rng.pick(&[
            (0.0, 5.0, 1.0),
            (0.0, 12.0, 1.0),
            (1.0, 4.0, 1.0),
            (0.0, 3.0, 1.0),
            (-0.0, 3.0, 1.0),
            (0.0, 2.0, 0.5),
            (5.0, 0.0, -1.0),
            (0.0, 100.0, 1.0),
            (0.0, 0.0, 1.0),
            (2.0, 20.0, 3.0),
            (0.5, 4.5, 1.0),
            (9_007_199_254_740_990.0, 9_007_199_254_740_993.0, 1.0),
            (2_147_483_645.0, 2_147_483_650.0, 1.0),
            (-3.0, 3.0, 1.0),
            (0.0, 5.0, f64::NAN),
            (0.0, f64::NAN, 1.0),
        ]);
        self.load_number(i, start);
        self.load_number(limit, end);
        self.load_number(own_step, by);
        let saved = [i, limit, own_step].map(|reg| (reg, self.locked[reg as usize]));
        saved.iter().for_each(|(reg, _)| self.locked[*reg as usize] = true);
        let was_in_loop = std::mem::replace(&mut self.in_loop, true);
        let t = self.fixed(T0);
        let (head, out) = (self.label(), self.label());
        let flip = self.rng.chance(30);
        let strict = self.rng.chance(70);
        let test = |a: Reg, b: Reg| match (by < 0.0, flip, strict) {
            (false, false, true) => Instr::LessThan { dst: Dst(t), a: Src(a), b: Src(b) },
            (false, false, false) => Instr::LessEqual { dst: Dst(t), a: Src(a), b: Src(b) },
            (false, true, true) => Instr::GreaterThan { dst: Dst(t), a: Src(b), b: Src(a) },
            (false, true, false) => Instr::GreaterEqual { dst: Dst(t), a: Src(b), b: Src(a) },
            (true, ..) => Instr::GreaterThan { dst: Dst(t), a: Src(a), b: Src(b) },
        };
        // A step that another loop inside overwrites is loaded anew.
        let renew = own_step == step;
        if self.rng.chance(50) {
            self.place(head);
            self.emit(test(i, limit));
            self.emit(Instr::JumpIfFalse { condition: Src(t), offset: Offset(out as i32) });
            self.block(nesting, 5);
            if renew {
                self.load_number(step, by);
            }
            self.emit(Instr::Add { dst: Dst(i), a: Src(i), b: Src(own_step) });
            self.emit(Instr::Jump { offset: Offset(head as i32) });
        } else {
            self.place(head);
            self.block(nesting, 5);
            if renew {
                self.load_number(step, by);
            }
            self.emit(Instr::Add { dst: Dst(i), a: Src(i), b: Src(own_step) });
            self.emit(test(i, limit));
            self.emit(Instr::JumpIfTrue { condition: Src(t), offset: Offset(head as i32) });
        }
        self.place(out);
        saved.iter().for_each(|(reg, locked)| self.locked[*reg as usize] = *locked);
        self.in_loop = was_in_loop;
    }

    fn branch(&mut self, nesting: usize) {
        let out = self.label();
        if self.rng.chance(40) {
            return self.matching(nesting, out);
        }
        let other = self.label();
        let kind = if self.rng.chance(80) { Guess::Boolean } else { Guess::Any };
        let condition = if self.rng.chance(60) {
            let kind = if self.rng.chance(80) { Guess::Number } else { Guess::Any };
            let (a, b) = (self.source(kind), self.source(kind));
            let which = self.rng.below(6);
            let t = self.fixed(T0);
            self.emit(compare(which, t, a, b));
            t
        } else {
            self.source(kind)
        };
        let offset = Offset(other as i32);
        let instr = if self.rng.chance(50) {
            Instr::JumpIfTrue { condition: Src(condition), offset }
        } else {
            Instr::JumpIfFalse { condition: Src(condition), offset }
        };
        self.emit(instr);
        self.block(nesting, 3);
        if self.rng.chance(50) {
            self.emit(Instr::Jump { offset: Offset(out as i32) });
            self.place(other);
            self.block(nesting, 3);
        } else {
            self.place(other);
        }
        self.place(out);
    }

    fn matching(&mut self, nesting: usize, out: usize) {
        let kind = *self.rng.pick(&[
            Guess::Number,
            Guess::Number,
            Guess::Any,
            Guess::Array,
            Guess::Object,
            Guess::Atom,
        ]);
        let value = self.source(kind);
        let count = self.rng.between(0, 5);
        let numbers = self.rng.chance(30);
        let labels: Vec<usize> = (0..count).map(|_| self.label()).collect();
        let mut arms = Vec::new();
        for i in 0..count {
            let pattern = if numbers {
                ion_runtime::bytecode::Pattern::Value(ConstValue::Number(i as f64))
            } else {
                value::pattern(self.rng, 2)
            };
            let label = if self.rng.chance(85) { labels[i] } else { *self.rng.pick(&labels) };
            arms.push((pattern, Offset(label as i32)));
        }
        self.emit(Instr::Match { value: Src(value), arms: Arms(arms) });
        self.block(nesting, 1);
        self.emit(Instr::Jump { offset: Offset(out as i32) });
        for label in labels {
            self.place(label);
            self.block(nesting, 2);
            if self.rng.chance(70) {
                self.emit(Instr::Jump { offset: Offset(out as i32) });
            }
        }
        self.place(out);
    }

    /// Jumps anywhere as long as there is fuel.
    fn wild_jump(&mut self) {
        let (t, one, fuel) = (self.fixed(T0), self.fixed(T1), self.fixed(FUEL));
        let (anywhere, out) = (self.label(), self.label());
        self.load_number(one, 1.0);
        self.emit(Instr::Sub { dst: Dst(fuel), a: Src(fuel), b: Src(one) });
        self.load_number(t, 0.0);
        self.emit(Instr::GreaterThan { dst: Dst(t), a: Src(fuel), b: Src(t) });
        self.emit(Instr::JumpIfFalse { condition: Src(t), offset: Offset(out as i32) });
        let offset = Offset(anywhere as i32);
        if self.rng.chance(40) {
            self.emit(Instr::Jump { offset });
        } else {
            let condition = self.source_without_code();
            self.emit(Instr::JumpIfTrue { condition: Src(condition), offset });
        }
        self.place(out);
    }

    fn source_without_code(&mut self) -> Reg {
        self.found(Guess::Boolean)
    }

    /// A function to call in T0, and arguments that suit it.
    fn callee(&mut self) -> (Vec<Reg>, Guess) {
        let f = self.fixed(T0);
        let held: Vec<(Reg, usize)> = (0..self.locals)
            .filter_map(|reg| match self.guesses[reg as usize] {
                Guess::Function(Some(at)) => Some((reg, at)),
                _ => None,
            })
            .collect();
        let at = if !held.is_empty() && self.rng.chance(25) {
            let (reg, at) = *self.rng.pick(&held);
            // It may have been overwritten, or never been written.
            let known = self.label();
            let name = self.style.callees[at].name.clone();
            self.emit(Instr::Move { dst: Dst(f), src: Src(reg) });
            self.emit(Instr::JumpIfTrue { condition: Src(f), offset: Offset(known as i32) });
            self.load_function(f, &name);
            self.place(known);
            at
        } else {
            let at = self.rng.below(self.style.callees.len());
            let name = self.style.callees[at].name.clone();
            self.load_function(f, &name);
            at
        };
        let callee = self.style.callees[at].clone();
        let mut args = Vec::new();
        match callee.role {
            Role::Leaf => {}
            Role::Plain => args.push(self.fixed(DEPTH)),
            Role::Recursive => {
                let t = self.fixed(T1);
                let times = *self.rng.pick(&[0.0, 1.0, 3.0, 5.0, 17.0, 40.0]);
                self.load_number(t, times);
                args.push(if self.role == Role::Recursive { self.fixed(DEPTH) } else { t });
            }
        }
        for kind in &callee.params {
            args.push(self.found(*kind));
        }
        if self.rng.chance(self.style.ill_kinded) {
            if self.rng.chance(50) {
                args.pop();
            } else {
                args.push(self.local());
            }
        }
        (args, callee.returns)
    }

    fn call(&mut self) {
        let (args, returns) = self.callee();
        let dst = self.destination(returns);
        self.emit(Instr::Call {
            dst: Dst(dst),
            function: Src(self.fixed(T0)),
            args: RegList(args),
        });
    }

    /// Reads a function from an object and calls it.
    fn method(&mut self) {
        let object = self.source(Guess::Object);
        let (key, f) = (self.fixed(T1), self.fixed(T0));
        let name = *self.rng.pick(&["f", "f", "g"]);
        if self.rng.chance(70) {
            self.any_function(self.fixed(T3));
            self.load_atom(key, name);
            self.emit(Instr::SetProp {
                object: Src(object),
                key: Src(key),
                value: Src(self.fixed(T3)),
            });
        } else {
            self.load_atom(key, name);
        }
        self.emit(Instr::GetProp { dst: Dst(f), object: Src(object), key: Src(key) });
        let out = self.label();
        if !self.rng.chance(self.style.ill_kinded / 2) {
            // Most objects have no such method.
            self.emit(Instr::JumpIfFalse { condition: Src(f), offset: Offset(out as i32) });
        }
        let mut args = vec![self.fixed(DEPTH)];
        args.extend((0..self.rng.below(3)).map(|_| self.rng.below(self.locals as usize) as Reg));
        let dst = self.destination(Guess::Any);
        self.emit(Instr::Call { dst: Dst(dst), function: Src(f), args: RegList(args) });
        self.place(out);
    }

    fn closure(&mut self) {
        let f = self.fixed(T3);
        self.any_function(f);
        let mut captures = vec![("d".to_owned(), self.fixed(DEPTH))];
        for _ in 0..self.rng.below(3) {
            let name = (*self.rng.pick(&["a", "b", "c", "d"])).to_owned();
            captures.push((name, self.local()));
        }
        if self.rng.chance(15) {
            captures.remove(0);
        }
        let scope = (*self.rng.pick(&["s", "s", "t"])).to_owned();
        let dst = self.destination(Guess::Function(None));
        let function = if self.rng.chance(99) { f } else { self.local() };
        self.emit(Instr::MakeClosure {
            dst: Dst(dst),
            function: Src(function),
            scope: Scope(scope),
            captures: Captures(captures),
        });
        if self.role != Role::Leaf && self.rng.chance(70) {
            let args = (0..self.rng.below(3))
                .map(|_| self.rng.below(self.locals as usize) as Reg)
                .collect();
            let result = self.destination(Guess::Any);
            self.emit(Instr::Call { dst: Dst(result), function: Src(dst), args: RegList(args) });
        }
    }

    fn native(&mut self) {
        let f = self.fixed(T0);
        let (name, kinds, result): (&str, &[Guess], Guess) = *self.rng.pick(&[
            ("Abs", &[Guess::Number][..], Guess::Number),
            ("Floor", &[Guess::Number], Guess::Number),
            ("Round", &[Guess::Number], Guess::Number),
            ("Sqrt", &[Guess::Number], Guess::Number),
            ("Max", &[Guess::Number, Guess::Number], Guess::Number),
            ("Pow", &[Guess::Number, Guess::Number], Guess::Number),
            ("StrLength", &[Guess::Text], Guess::Number),
            ("StrUpper", &[Guess::Text], Guess::Text),
            ("StrSplit", &[Guess::Text, Guess::Text], Guess::Array),
            ("Debug", &[Guess::Any], Guess::Any),
            ("Eprint", &[Guess::Any], Guess::Any),
            ("PrintF", &[Guess::Text, Guess::Any], Guess::Any),
            ("Min", &[Guess::Number], Guess::Any),
        ]);
        let args = kinds.iter().map(|kind| self.source(*kind)).collect();
        self.load_atom(f, &format!("__stdlib:{name}"));
        let dst = self.destination(result);
        self.emit(Instr::Call { dst: Dst(dst), function: Src(f), args: RegList(args) });
    }

    fn messages(&mut self) {
        let me = self.fixed(T0);
        match self.rng.below(4) {
            0 => {
                let message = self.local();
                self.load_atom(me, "self");
                self.emit(Instr::Send { process: Src(me), message: Src(message) });
            }
            1 => {
                let message = self.local();
                self.load_atom(me, "self");
                self.emit(Instr::Send { process: Src(me), message: Src(message) });
                let dst = self.destination(Guess::Any);
                self.emit(Instr::Receive { dst: Dst(dst) });
            }
            2 => self.receive_with_timeout(),
            _ if self.style.actors == Actors::Racy => {
                let to = self.source(Guess::Process);
                let message = self.local();
                self.emit(Instr::Send { process: Src(to), message: Src(message) });
            }
            _ if self.rng.chance(3) => {
                let dst = self.destination(Guess::Any);
                self.emit(Instr::Receive { dst: Dst(dst) });
            }
            _ => self.emit(Instr::Yield {}),
        }
    }

    fn receive_with_timeout(&mut self) {
        let dst = self.destination(Guess::Any);
        let result = self.destination(Guess::Boolean);
        let ill = self.rng.chance(self.style.ill_kinded.min(3));
        let time = if ill {
            ConstValue::Unit
        } else {
            let forever = [f64::INFINITY, 1e300];
            let never = [0.0, -0.0, -5.0, f64::NAN, 0.99];
            ConstValue::Number(if self.rng.chance(2) {
                forever[self.rng.below(2)]
            } else {
                *self.rng.pick(&never)
            })
        };
        let t = self.fixed(T1);
        self.load(t, time);
        self.emit(Instr::ReceiveWithTimeout {
            dst: Dst(dst),
            timeout: Src(t),
            result: Dst(result),
        });
    }

    fn processes(&mut self) {
        if self.style.actors == Actors::None {
            return self.arithmetic();
        }
        if self.style.actors == Actors::Racy && self.rng.chance(50) {
            return self.wait();
        }
        let (args, _) = self.callee();
        let f = self.fixed(T0);
        if self.style.actors == Actors::InTurn {
            let child = self.fixed(T1);
            self.emit(Instr::Spawn { dst: Dst(child), function: Src(f), args: RegList(args) });
            let dst = self.destination(Guess::Any);
            let processes = RegList(vec![child]);
            let instr = if self.rng.chance(80) {
                Instr::Select { dst: Dst(dst), processes }
            } else {
                Instr::SelectWithKill { dst: Dst(dst), processes }
            };
            self.emit(instr);
        } else {
            let child = self.destination(Guess::Process);
            self.emit(Instr::Spawn { dst: Dst(child), function: Src(f), args: RegList(args) });
        }
    }

    /// Waits for other processes.
    fn wait(&mut self) {
        let known = self.guesses[..self.locals as usize].contains(&Guess::Process);
        if !known && !self.rng.chance(5) {
            return self.arithmetic();
        }
        let dst = self.destination(Guess::Any);
        let processes =
            RegList((0..self.rng.between(1, 3)).map(|_| self.found(Guess::Process)).collect());
        let instr = match self.rng.below(4) {
            0 => {
                Instr::Link { process: ProcessNumber(self.rng.between(1, 5) as u32), dst: Dst(dst) }
            }
            1 => Instr::SelectWithKill { dst: Dst(dst), processes },
            _ => Instr::Select { dst: Dst(dst), processes },
        };
        self.emit(instr);
    }

    fn other(&mut self) {
        match self.rng.below(8) {
            0 => self.emit(Instr::Nop {}),
            1 => self.emit(Instr::Yield {}),
            2 if self.rng.chance(10) => {
                let value = self.local();
                self.emit(Instr::Return { value: Src(value) });
            }
            3 => {
                let special = [
                    "self",
                    "__vm:pid",
                    "__vm:this",
                    "__vm:nothing",
                    "__function_ref:none",
                    "__vm:processes",
                ];
                let racy = ["__vm:scheduler_passes"];
                let dst = self.destination(Guess::Any);
                let use_racy = self.style.actors == Actors::Racy && self.rng.chance(20);
                let name = if use_racy { racy[0] } else { *self.rng.pick(&special) };
                self.load_atom(dst, name);
            }
            4 if self.rng.chance(15) => {
                let dst = self.destination(Guess::Any);
                let t = self.fixed(T3);
                // The word that stands for `this`, unresolved.
                let value = PropValue::Const(ConstValue::Atom("__vm:this".to_owned()));
                let props = Props(vec![PropInit { key: KEYS[0].to_owned(), value, access: None }]);
                self.emit(Instr::ObjectInit { dst: Dst(t), props });
                self.load_atom(self.fixed(T1), KEYS[0]);
                self.emit(Instr::GetProp { dst: Dst(t), object: Src(t), key: Src(self.fixed(T1)) });
                let key = if self.rng.chance(50) { "x" } else { "f" };
                self.load_atom(self.fixed(T1), key);
                if self.rng.chance(30) {
                    self.emit(Instr::GetProp {
                        dst: Dst(dst),
                        object: Src(t),
                        key: Src(self.fixed(T1)),
                    });
                }
            }
            _ => self.show(),
        }
    }

    fn show(&mut self) {
        let mut registers: Vec<Reg> = (0..self.rng.between(1, 4))
            .map(|_| self.rng.below(self.locals as usize) as Reg)
            .collect();
        if self.rng.chance(60) {
            registers.push(self.found(Guess::Number));
        }
        self.print(&registers);
    }

    /// Prints registers, the last also with the sign of a zero: `x + (-0-0i)` shows it.
    fn print(&mut self, registers: &[Reg]) {
        let (f, t) = (self.fixed(T0), self.fixed(T1));
        let mut args = registers.to_vec();
        if self.role != Role::Leaf
            && let Some(last) = registers.last()
        {
            self.load(t, ConstValue::Complex(-0.0, -0.0));
            self.emit(Instr::Add { dst: Dst(t), a: Src(*last), b: Src(t) });
            args.push(t);
        }
        self.load_atom(f, "__stdlib:PrintLn");
        self.emit(Instr::Call { dst: Dst(f), function: Src(f), args: RegList(args) });
    }
}

/// One of the four arithmetic instructions.
pub fn arithmetic(which: usize, dst: Reg, a: Reg, b: Reg) -> Instr {
    let (dst, a, b) = (Dst(dst), Src(a), Src(b));
    match which {
        0 => Instr::Add { dst, a, b },
        1 => Instr::Sub { dst, a, b },
        2 => Instr::Mul { dst, a, b },
        _ => Instr::Div { dst, a, b },
    }
}

/// One of the six comparisons, then AND, OR and NOT.
pub fn compare(which: usize, dst: Reg, a: Reg, b: Reg) -> Instr {
    let (dst, a, b) = (Dst(dst), Src(a), Src(b));
    match which {
        0 => Instr::Equal { dst, a, b },
        1 => Instr::NotEqual { dst, a, b },
        2 => Instr::LessThan { dst, a, b },
        3 => Instr::LessEqual { dst, a, b },
        4 => Instr::GreaterThan { dst, a, b },
        5 => Instr::GreaterEqual { dst, a, b },
        6 => Instr::And { dst, a, b },
        7 => Instr::Or { dst, a, b },
        _ => Instr::Not { dst, src: a },
    }
}
