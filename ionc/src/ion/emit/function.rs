//! Functions: parameters, bodies, closures.

use super::*;
use ion_runtime::bytecode::Body as CodeBody;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::ops::{
    Captures, ConstOperand, Dst, PropInit, PropValue, Props, RegList, Scope, Src,
};

/// Compiles one function.
pub(super) fn emit_function<'a, 's>(
    module: &mut ModuleEmitter<'a, 'a, 's>,
    queued: &Queued<'a, 's>,
) -> Emitted {
    let function = queued.function;
    let captured = queued.captures.len() as u32;
    let fixed = captured + function.params.len() as u32;
    let mut emitter = FunctionEmitter::new(module, queued.name.clone(), fixed);
    emitter.code.at = function.head.start;
    for (reg, id) in queued.captures.iter().enumerate() {
        let reg = reg as Reg;
        let boxed = emitter.module.vars[*id as usize].is_boxed();
        emitter.places.insert(*id, if boxed { Place::Boxed(reg) } else { Place::Reg(reg) });
    }
    emitter.captured = queued.captures.clone();
    emitter.own_this(function);
    emitter.open_input(queued);
    if let Some(memo) = &queued.memo {
        emitter.memo_body(function, memo);
    } else {
        emitter.params(&function.params, captured);
        emitter.body(&function.body);
        emitter.export();
    }
    let FunctionEmitter { code, name, .. } = emitter;
    let (items, regs, labels) = code.finish();
    let finished = registers::finish(items, regs, labels, fixed);
    let arity = function.params.len() as u32;
    let function = Compiled {
        name: Some(name),
        arity,
        extra_regs: finished.registers.max(fixed) - arity,
        body: CodeBody::Bytecode(finished.code),
    };
    Emitted { function, places: finished.places }
}

impl<'e, 'a, 's> FunctionEmitter<'e, 'a, 's> {
    pub(super) fn new(module: &'e mut ModuleEmitter<'a, 'a, 's>, name: String, fixed: u32) -> Self {
        FunctionEmitter {
            module,
            name,
            code: Code::new(fixed),
            places: FxHashMap::default(),
            mutable: FxHashSet::default(),
            loops: Vec::new(),
            captured: Vec::new(),
            nested: 0,
            input: None,
        }
    }

    /// If an arrow function inside captures `this`, it is a variable from the start.
    fn own_this(&mut self, function: &'a Function<'s>) {
        if let Some(id) = function.this_var {
            let reg = self.this();
            self.places.insert(id, Place::Reg(reg));
        }
    }

    fn params(&mut self, params: &'a [Param<'s>], first: u32) {
        for (reg, param) in (first..).zip(params) {
            if let Some(default) = &param.default {
                self.code.at = param.pattern.span.start;
                let given = self.code.label();
                let undefined = self.code.constant(ConstValue::Undefined);
                let missing = self.code.reg();
                self.code.op(Instr::Equal { dst: Dst(missing), a: Src(reg), b: Src(undefined) });
                self.code.jump_if(missing, false, given);
                let mark = self.code.mark();
                self.value_to(default, reg);
                self.code.forget(mark);
                self.code.place(given);
            }
            self.destructure(&param.pattern, reg, true);
        }
    }

    fn body(&mut self, body: &'a Body<'s>) {
        match body {
            Body::Block(block) => self.statements(&block.stmts),
            Body::Expr(expr) => {
                let value = self.value(expr);
                self.code.op(Instr::Return { value: Src(value) });
            }
        }
    }

    /// The value of a constant of the class: made once in each process, by whoever asks first.
    fn memo_body(&mut self, function: &'a Function<'s>, memo: &str) {
        let Body::Expr(expr) = &function.body else { return };
        let globals = self.globals();
        let key = self.atom(memo);
        let known = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(known), object: Src(globals), key: Src(key) });
        let undefined = self.code.constant(ConstValue::Undefined);
        let missing = self.code.reg();
        self.code.op(Instr::Equal { dst: Dst(missing), a: Src(known), b: Src(undefined) });
        let make = self.code.label();
        self.code.jump_if(missing, true, make);
        self.code.op(Instr::Return { value: Src(known) });
        self.code.place(make);
        let value = self.value(expr);
        self.code.op(Instr::SetProp { object: Src(globals), key: Src(key), value: Src(value) });
        self.code.op(Instr::Return { value: Src(value) });
    }

    /// The object that the function is bound to.
    pub(super) fn this(&mut self) -> Reg {
        self.code.constant(ConstValue::Atom("__vm:this".to_owned()))
    }

    /// A register with a nested function.
    pub(super) fn closure(
        &mut self,
        function: &'a Function<'s>,
        wanted: Option<Reg>,
        name: Option<String>,
    ) -> Reg {
        let statics = self.module.vars;
        let consts = &self.module.consts;
        let captures: Vec<VarId> = function
            .captures
            .iter()
            .copied()
            .filter(|id| !statics[*id as usize].is_static && !consts.contains_key(id))
            .collect();
        let name = name.unwrap_or_else(|| self.nested_name(function));
        let reference = self.module.program.function_ref(self.module.class, &name);
        // A variable of a loop has another value in each round, but MAKE_CLOSURE keeps the first
        // value of a name for as long as a frame lives. So a function with a frame of its own makes it.
        let in_loop = captures
            .iter()
            .any(|id| self.module.vars[*id as usize].in_loop && !self.captured.contains(id));
        self.module.queue.push(Queued {
            name: name.clone(),
            function,
            captures: captures.clone(),
            memo: None,
        });
        if captures.is_empty() {
            return match wanted {
                Some(dst) => {
                    self.code.load(dst, reference);
                    dst
                }
                None => self.code.constant(reference),
            };
        }
        let regs: Vec<Reg> = captures.iter().map(|id| self.captured_reg(*id)).collect();
        let dst = wanted.unwrap_or_else(|| self.code.reg());
        if in_loop {
            let maker = self.maker(&name, &reference, &captures);
            let function = self.code.reg();
            self.code.load(function, maker);
            self.code.op(Instr::Call {
                dst: Dst(dst),
                function: Src(function),
                args: RegList(regs),
            });
            return dst;
        }
        let template = self.code.constant(reference);
        let list =
            captures.iter().zip(regs).map(|(id, reg)| (self.capture_name(*id), reg)).collect();
        self.code.op(Instr::MakeClosure {
            dst: Dst(dst),
            function: Src(template),
            scope: Scope(name),
            captures: Captures(list),
        });
        dst
    }

    /// The register that is captured of a variable: its value, or its box.
    fn captured_reg(&mut self, id: VarId) -> Reg {
        match self.places.get(&id) {
            Some(Place::Reg(reg) | Place::Boxed(reg)) => *reg,
            None => {
                // Captured in front of its declaration, whose block makes the box at its start.
                let reg = self.new_box(None);
                self.places.insert(id, Place::Boxed(reg));
                reg
            }
        }
    }

    fn capture_name(&self, id: VarId) -> String {
        format!("{}{id}", self.module.vars[id as usize].name)
    }

    /// A function that makes the closure from the values to be captured.
    fn maker(&mut self, name: &str, reference: &ConstValue, captures: &[VarId]) -> ConstValue {
        let maker = self.module.unique(format!("{name}.make"));
        let count = captures.len() as u32;
        let list =
            captures.iter().zip(0..).map(|(id, reg)| (self.capture_name(*id), reg)).collect();
        let code = vec![
            Instr::LoadConst { dst: Dst(count), value: ConstOperand(reference.clone()) },
            Instr::MakeClosure {
                dst: Dst(count),
                function: Src(count),
                scope: Scope(name.to_owned()),
                captures: Captures(list),
            },
            Instr::Return { value: Src(count) },
        ];
        let places = vec![self.code.at; code.len()];
        let function = Compiled {
            name: Some(maker.clone()),
            arity: count,
            extra_regs: 1,
            body: CodeBody::Bytecode(code),
        };
        self.module.done.push(Emitted { function, places });
        self.module.program.function_ref(self.module.class, &maker)
    }

    /// A name for a nested function.
    pub(super) fn nested_name(&mut self, function: &Function<'s>) -> String {
        let wanted = match function.name {
            Some(name) if self.input.is_some() => name.text.to_owned(),
            Some(name) => format!("{}.{}", self.name, name.text),
            None => {
                self.nested += 1;
                format!("{}.fn{}", self.name, self.nested)
            }
        };
        self.module.unique(wanted)
    }

    // Inputs of sessions.

    fn open_input(&mut self, queued: &Queued<'a, 's>) {
        let input = self.module.program.input.as_ref();
        let Some(input) = input.filter(|input| input.class == self.module.class) else { return };
        if queued.name != INPUT {
            return;
        }
        self.input = Some(input);
        if queued.function.captures.is_empty() {
            return;
        }
        let globals = self.globals();
        for id in &queued.function.captures {
            let key = (id - input.first) as usize;
            let key = self.atom(&input.earlier[key]);
            let object = self.code.reg();
            self.code.op(Instr::GetProp { dst: Dst(object), object: Src(globals), key: Src(key) });
            self.places.insert(*id, Place::Boxed(object));
        }
    }

    /// Leaves the variables of an input for later ones.
    pub(super) fn export(&mut self) {
        let Some(input) = self.input else { return };
        for (id, key) in &input.exports {
            let object = match (self.places.get(id).copied(), self.module.statics.get(id)) {
                (Some(Place::Boxed(object)), _) => object,
                (Some(Place::Reg(value)), _) => self.new_box(Some(value)),
                (None, Some(name)) => {
                    let reference = self.module.program.function_ref(self.module.class, name);
                    let value = self.code.constant(reference);
                    self.new_box(Some(value))
                }
                (None, None) => match self.module.consts.get(id).cloned() {
                    Some(value) => {
                        let value = self.code.constant(value);
                        self.new_box(Some(value))
                    }
                    // Left before it has its value.
                    None => continue,
                },
            };
            let (globals, key) = (self.globals(), self.atom(key));
            self.code.op(Instr::SetProp {
                object: Src(globals),
                key: Src(key),
                value: Src(object),
            });
        }
    }

    fn globals(&mut self) -> Reg {
        self.code.constant(ConstValue::Atom("__vm:globals".to_owned()))
    }

    // Boxes.

    /// A new box with this value.
    pub(super) fn new_box(&mut self, value: Option<Reg>) -> Reg {
        let dst = self.code.reg();
        self.fill_box(dst, value);
        dst
    }

    /// Makes `dst` a new box with this value.
    pub(super) fn fill_box(&mut self, dst: Reg, value: Option<Reg>) {
        let value = value.map_or(PropValue::Const(ConstValue::Undefined), PropValue::Reg);
        let prop = PropInit { key: "v".to_owned(), value, access: None };
        self.code.op(Instr::ObjectInit { dst: Dst(dst), props: Props(vec![prop]) });
    }

    pub(super) fn read_box(&mut self, dst: Reg, object: Reg) {
        let key = self.atom("v");
        self.code.op(Instr::GetProp { dst: Dst(dst), object: Src(object), key: Src(key) });
    }

    pub(super) fn write_box(&mut self, object: Reg, value: Reg) {
        let key = self.atom("v");
        self.code.op(Instr::SetProp { object: Src(object), key: Src(key), value: Src(value) });
    }
}
