//! Expressions.
//!
//! `value` gives a register that holds the value, which may be a variable's own; `value_to` puts it
//! into a given register; `effect` drops it; `branch` jumps by its truth. Operands are evaluated from
//! left to right, except that the property a method call names is read after the arguments.

use super::fold::truth;
use super::*;
use crate::ion::builtin::{Builtin, library};
use crate::ion::source::Span;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::ops::{Dst, RegList, Src};

impl<'a, 's> FunctionEmitter<'_, 'a, 's> {
    pub(super) fn at(&mut self, span: Span) {
        self.code.at = span.start;
    }

    /// A register with an atom, whatever its text.
    pub(super) fn atom(&mut self, text: &str) -> Reg {
        if !is_special(text) {
            return self.code.constant(ConstValue::Atom(text.to_owned()));
        }
        // Inside a tuple it is a plain atom.
        let tuple = self.code.constant(ConstValue::Tuple(vec![ConstValue::Atom(text.to_owned())]));
        let key = self.code.constant(ConstValue::Atom("0".to_owned()));
        let dst = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(dst), object: Src(tuple), key: Src(key) });
        dst
    }

    fn constant(&mut self, value: ConstValue) -> Reg {
        match value {
            ConstValue::Atom(text) => self.atom(&text),
            other => self.code.constant(other),
        }
    }

    /// A register that holds the value of an expression.
    pub(super) fn value(&mut self, expr: &'a Expr<'s>) -> Reg {
        if let Some(value) = self.fold(expr) {
            return self.constant(value);
        }
        match &expr.kind {
            ExprKind::Name { res: Res::Local(id), .. }
                if !self.module.vars[*id as usize].is_static =>
            {
                match self.places.get(id) {
                    Some(Place::Reg(reg)) => *reg,
                    Some(Place::Boxed(_)) => self.new_value(expr),
                    // Without a place it is one that was never given a value.
                    None => self.code.constant(ConstValue::Undefined),
                }
            }
            ExprKind::This(Some(id)) => match self.places.get(id) {
                Some(Place::Reg(reg)) => *reg,
                _ => self.this(),
            },
            ExprKind::This(None) => self.this(),
            ExprKind::SelfPid => self.code.constant(ConstValue::Atom("__vm:self".to_owned())),
            ExprKind::Name { res, .. } | ExprKind::Member { res, .. } => {
                match self.function_constant(res) {
                    Some(constant) => self.code.constant(constant),
                    None if matches!(res, Res::Constant(..)) => self.new_value(expr),
                    None if matches!(expr.kind, ExprKind::Member { .. }) => self.new_value(expr),
                    None => self.code.constant(ConstValue::Undefined),
                }
            }
            ExprKind::Function(function) => self.closure(function, None, None),
            // Its value is that of the variable afterwards.
            ExprKind::Assign { target, .. } if self.own_register(target).is_some() => {
                self.effect(expr);
                self.own_register(target).unwrap_or(0)
            }
            _ => self.new_value(expr),
        }
    }

    fn new_value(&mut self, expr: &'a Expr<'s>) -> Reg {
        let dst = self.code.reg();
        self.value_to(expr, dst);
        dst
    }

    /// The register of a variable, if the expression is a variable that has one.
    fn own_register(&self, expr: &Expr<'s>) -> Option<Reg> {
        match &expr.kind {
            ExprKind::Name { res: Res::Local(id), .. } => match self.places.get(id) {
                Some(Place::Reg(reg)) => Some(*reg),
                _ => None,
            },
            _ => None,
        }
    }

    /// The constant that is a function, if the name means one.
    pub(super) fn function_constant(&self, res: &Res) -> Option<ConstValue> {
        match res {
            Res::Function(class, index) => {
                let name = &self.module.program.functions[*class as usize][*index as usize];
                Some(self.module.program.function_ref(*class, name))
            }
            Res::Native(name) => Some(ConstValue::Atom(format!("__stdlib:{name}"))),
            Res::Local(id) if self.module.vars[*id as usize].is_static => {
                let name = self.module.statics.get(id)?;
                Some(self.module.program.function_ref(self.module.class, name))
            }
            Res::Constant(class, index) => {
                let name = &self.module.program.constant_names[*class as usize][*index as usize];
                let plain = name.strip_prefix('=')?;
                Some(self.module.program.function_ref(*class, plain))
            }
            _ => None,
        }
    }

    /// Evaluates an expression for its effect.
    pub(super) fn effect(&mut self, expr: &'a Expr<'s>) {
        match &expr.kind {
            ExprKind::Assign { op, target, value } => self.assign(*op, target, value, expr.span),
            ExprKind::Update { op, target, .. } => {
                self.at(expr.span);
                self.update(*op, target);
            }
            ExprKind::Match(inner) => self.match_expr(inner, None),
            ExprKind::Receive(inner) => self.receive_expr(inner, None, expr.span),
            ExprKind::Logic(op, a, b) if *op != LogicOp::Coalesce => {
                let end = self.code.label();
                self.branch(a, end, *op == LogicOp::Or);
                let mark = self.code.mark();
                self.effect(b);
                self.code.forget(mark);
                self.code.place(end);
            }
            ExprKind::Ternary(condition, yes, no) => {
                let (otherwise, end) = (self.code.label(), self.code.label());
                self.branch(condition, otherwise, false);
                let mark = self.code.mark();
                self.effect(yes);
                self.code.jump(end);
                self.code.forget(mark);
                self.code.place(otherwise);
                self.effect(no);
                self.code.forget(mark);
                self.code.place(end);
            }
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name { res: Res::Builtin(builtin), .. } => {
                    self.builtin(*builtin, args, None, expr.span)
                }
                _ => {
                    self.value(expr);
                }
            },
            ExprKind::Name { res: Res::Local(_), .. } => {}
            _ if self.fold(expr).is_some() => {}
            _ => {
                self.value(expr);
            }
        }
    }

    /// Puts the value of an expression into a register.
    pub(super) fn value_to(&mut self, expr: &'a Expr<'s>, dst: Reg) {
        if let Some(value) = self.fold(expr) {
            match value {
                ConstValue::Atom(text) if is_special(&text) => {
                    let src = self.atom(&text);
                    self.code.copy(dst, src);
                }
                value => match self.code.known(&value) {
                    Some(src) => self.code.copy(dst, src),
                    None => self.code.load(dst, value),
                },
            }
            return;
        }
        let span = expr.span;
        match &expr.kind {
            ExprKind::Name { res: Res::Local(id), .. }
                if matches!(self.places.get(id), Some(Place::Boxed(_))) =>
            {
                if let Some(Place::Boxed(object)) = self.places.get(id).copied() {
                    self.read_box(dst, object);
                }
            }
            ExprKind::Name { res: Res::Constant(class, index), .. }
            | ExprKind::Member { res: Res::Constant(class, index), .. }
                if self.function_constant(&Res::Constant(*class, *index)).is_none() =>
            {
                self.at(span);
                let name =
                    self.module.program.constant_names[*class as usize][*index as usize].clone();
                let function = self.code.reg();
                let reference = self.module.program.function_ref(*class, &name);
                self.code.load(function, reference);
                self.code.op(Instr::Call {
                    dst: Dst(dst),
                    function: Src(function),
                    args: RegList(Vec::new()),
                });
            }
            ExprKind::Template(parts) => self.template(parts, dst, span),
            ExprKind::Tuple(items) => {
                let regs = self.operands(items);
                self.at(span);
                self.native(library::TUPLE, regs, dst);
            }
            ExprKind::Array(items) => {
                let regs = self.operands(items);
                self.at(span);
                self.code.op(Instr::ArrayInit { dst: Dst(dst), elements: RegList(regs) });
            }
            ExprKind::Object(props) => self.object(props, dst, span),
            ExprKind::Not(operand) => {
                let src = self.value(operand);
                self.at(span);
                self.code.op(Instr::Not { dst: Dst(dst), src: Src(src) });
            }
            ExprKind::Negate(operand) => {
                let b = self.value(operand);
                let a = self.code.constant(ConstValue::Number(-0.0));
                self.at(span);
                self.code.op(Instr::Sub { dst: Dst(dst), a: Src(a), b: Src(b) });
            }
            ExprKind::Binary(op, a, b) => {
                let a = self.left_operand(a, b);
                self.binary(*op, a, b, dst, span);
            }
            ExprKind::Logic(op, a, b) => self.through(dst, |this, dst| {
                this.value_to(a, dst);
                this.logic(*op, b, dst);
            }),
            ExprKind::Chain(first, links) => self.through(dst, |this, dst| {
                this.value_to(first, dst);
                for link in links {
                    match link.op {
                        Infix::Binary(op) => this.binary(op, dst, &link.right, dst, span),
                        Infix::Logic(op) => this.logic(op, &link.right, dst),
                    }
                }
            }),
            ExprKind::Ternary(condition, yes, no) => {
                let (otherwise, end) = (self.code.label(), self.code.label());
                self.branch(condition, otherwise, false);
                let mark = self.code.mark();
                self.value_to(yes, dst);
                self.code.jump(end);
                self.code.forget(mark);
                self.code.place(otherwise);
                self.value_to(no, dst);
                self.code.forget(mark);
                self.code.place(end);
            }
            ExprKind::Call { callee, args } => self.call(callee, args, dst, span),
            ExprKind::Member { object, name, .. } => {
                let object = self.value(object);
                let key = self.atom(name.text);
                self.at(name.span);
                self.code.op(Instr::GetProp { dst: Dst(dst), object: Src(object), key: Src(key) });
            }
            ExprKind::Index { object, index } => {
                let object = self.left_operand(object, index);
                let key = self.key(index);
                self.at(span);
                self.code.op(Instr::GetProp { dst: Dst(dst), object: Src(object), key: Src(key) });
            }
            ExprKind::Function(function) => {
                self.closure(function, Some(dst), None);
            }
            ExprKind::Match(inner) => {
                self.through(dst, |this, dst| this.match_expr(inner, Some(dst)))
            }
            ExprKind::Receive(inner) => {
                self.through(dst, |this, dst| this.receive_expr(inner, Some(dst), span))
            }
            ExprKind::Assign { target, .. } => {
                self.effect(expr);
                let value = self.value(target);
                self.code.copy(dst, value);
            }
            ExprKind::Update { op, prefix, target } => {
                self.at(span);
                if *prefix {
                    self.update(*op, target);
                    let value = self.value(target);
                    self.code.copy(dst, value);
                } else {
                    let old = self.value(target);
                    self.through(dst, |this, dst| {
                        this.code.copy(dst, old);
                        this.update(*op, target);
                    });
                }
            }
            ExprKind::Error => self.code.load(dst, ConstValue::Undefined),
            // What needs no register of its own.
            _ => {
                let src = self.value(expr);
                self.code.copy(dst, src);
            }
        }
    }

    /// Computes into a register that nothing reads meanwhile: a new one if `dst` is a variable.
    pub(super) fn through(&mut self, dst: Reg, compute: impl FnOnce(&mut Self, Reg)) {
        if !self.mutable.contains(&dst) {
            return compute(self, dst);
        }
        let own = self.code.reg();
        compute(self, own);
        self.code.copy(dst, own);
    }

    /// The registers of operands. A variable that a later operand may assign is copied.
    pub(super) fn operands(&mut self, items: &'a [Expr<'s>]) -> Vec<Reg> {
        let mut regs = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let reg = self.value(item);
            let changes = self.mutable.contains(&reg) && items[i + 1..].iter().any(may_assign);
            regs.push(if changes { self.copied(reg) } else { reg });
        }
        regs
    }

    fn left_operand(&mut self, a: &'a Expr<'s>, b: &Expr<'s>) -> Reg {
        let reg = self.value(a);
        if self.mutable.contains(&reg) && may_assign(b) { self.copied(reg) } else { reg }
    }

    fn copied(&mut self, reg: Reg) -> Reg {
        let copy = self.code.reg();
        self.code.copy(copy, reg);
        copy
    }

    /// The key of `object[index]`: a constant text names a property.
    fn key(&mut self, index: &'a Expr<'s>) -> Reg {
        match self.fold(index) {
            Some(ConstValue::String(text)) => self.atom(&text),
            _ => self.value(index),
        }
    }

    /// Calls a library function.
    pub(super) fn native(&mut self, name: &str, args: Vec<Reg>, dst: Reg) {
        let function = self.code.reg();
        self.code.load(function, ConstValue::Atom(format!("__stdlib:{name}")));
        self.code.op(Instr::Call { dst: Dst(dst), function: Src(function), args: RegList(args) });
    }

    fn template(&mut self, parts: &'a [TemplatePart<'s>], dst: Reg, span: Span) {
        let mut regs = Vec::new();
        for part in parts {
            match part {
                TemplatePart::Text(text) => {
                    regs.push(self.code.constant(ConstValue::String(text.to_string())))
                }
                TemplatePart::Expr(expr) => {
                    let reg = self.value(expr);
                    regs.push(if self.mutable.contains(&reg) { self.copied(reg) } else { reg });
                }
            }
        }
        self.at(span);
        self.native(library::CONCAT, regs, dst);
    }

    /// `dst := dst op b`, where `b` is looked at only if need be.
    fn logic(&mut self, op: LogicOp, b: &'a Expr<'s>, dst: Reg) {
        let end = self.code.label();
        match op {
            LogicOp::And => self.code.jump_if(dst, false, end),
            LogicOp::Or => self.code.jump_if(dst, true, end),
            LogicOp::Coalesce => {
                let other = self.code.label();
                let nothings = [ConstValue::Undefined, ConstValue::Unit];
                for nothing in nothings.map(|nothing| self.code.constant(nothing)) {
                    let is = self.code.reg();
                    self.code.op(Instr::Equal { dst: Dst(is), a: Src(dst), b: Src(nothing) });
                    self.code.jump_if(is, true, other);
                }
                self.code.jump(end);
                self.code.place(other);
            }
        }
        let mark = self.code.mark();
        self.value_to(b, dst);
        self.code.forget(mark);
        self.code.place(end);
    }

    /// `dst := a op b`.
    fn binary(&mut self, op: BinaryOp, a: Reg, b: &'a Expr<'s>, dst: Reg, span: Span) {
        let native = match op {
            BinaryOp::Rem => Some(library::REM),
            BinaryOp::Pow => Some(library::POW),
            _ => None,
        };
        if let Some(native) = native {
            let b = self.value(b);
            self.at(span);
            return self.native(native, vec![a, b], dst);
        }
        let b = self.right_operand(b);
        self.at(span);
        let (dst, a, b) = (Dst(dst), Src(a), Src(b));
        self.code.op(match op {
            BinaryOp::Add => Instr::Add { dst, a, b },
            BinaryOp::Sub => Instr::Sub { dst, a, b },
            BinaryOp::Mul => Instr::Mul { dst, a, b },
            BinaryOp::Div => Instr::Div { dst, a, b },
            BinaryOp::Eq => Instr::Equal { dst, a, b },
            BinaryOp::Ne => Instr::NotEqual { dst, a, b },
            BinaryOp::Lt => Instr::LessThan { dst, a, b },
            BinaryOp::Le => Instr::LessEqual { dst, a, b },
            BinaryOp::Gt => Instr::GreaterThan { dst, a, b },
            BinaryOp::Ge | BinaryOp::Rem | BinaryOp::Pow => Instr::GreaterEqual { dst, a, b },
        });
    }

    /// A number on the right is loaded just before: the interpreter does both in one step.
    fn right_operand(&mut self, b: &'a Expr<'s>) -> Reg {
        match self.fold(b) {
            Some(number @ ConstValue::Number(_)) => match self.code.known(&number) {
                Some(reg) => reg,
                None => {
                    let reg = self.code.reg();
                    self.code.load(reg, number);
                    reg
                }
            },
            _ => self.value(b),
        }
    }

    /// Jumps if the truth of an expression is `when`, else goes on.
    pub(super) fn branch(&mut self, expr: &'a Expr<'s>, label: Label, when: bool) {
        if let Some(value) = self.fold(expr).as_ref().and_then(truth) {
            if value == when {
                self.code.jump(label);
            }
            return;
        }
        match &expr.kind {
            ExprKind::Not(operand) => self.branch(operand, label, !when),
            ExprKind::Logic(op @ (LogicOp::And | LogicOp::Or), a, b) => {
                // Either one decides, or both must agree.
                let one_decides = (*op == LogicOp::Or) == when;
                let skip = self.code.label();
                if one_decides {
                    self.branch(a, label, when);
                } else {
                    self.branch(a, skip, !when);
                }
                let mark = self.code.mark();
                self.branch(b, label, when);
                self.code.forget(mark);
                self.code.place(skip);
            }
            _ => {
                let condition = self.value(expr);
                self.at(expr.span);
                self.code.jump_if(condition, when, label);
            }
        }
    }

    fn call(&mut self, callee: &'a Expr<'s>, args: &'a [Expr<'s>], dst: Reg, span: Span) {
        let res = match &callee.kind {
            ExprKind::Name { res, .. } | ExprKind::Member { res, .. } => Some(res),
            _ => None,
        };
        if let Some(Res::Builtin(builtin)) = res {
            return self.builtin(*builtin, args, Some(dst), span);
        }
        if let Some(constant) = res.and_then(|res| self.function_constant(res)) {
            let args = self.operands(args);
            self.at(callee.span);
            let function = self.code.reg();
            self.code.load(function, constant);
            self.code.op(Instr::Call {
                dst: Dst(dst),
                function: Src(function),
                args: RegList(args),
            });
            return;
        }
        match &callee.kind {
            ExprKind::Member { object, name, res: Res::None } => {
                let object = self.receiver(object, args);
                let args = self.operands(args);
                let key = self.atom(name.text);
                self.at(name.span);
                self.call_method(object, key, args, dst);
            }
            ExprKind::Index { object, index } => {
                let object = self.receiver(object, args);
                let key = self.key(index);
                let key = if self.mutable.contains(&key) { self.copied(key) } else { key };
                let args = self.operands(args);
                self.at(index.span);
                self.call_method(object, key, args, dst);
            }
            _ => {
                let function = self.receiver(callee, args);
                let args = self.operands(args);
                self.at(callee.span);
                self.code.op(Instr::Call {
                    dst: Dst(dst),
                    function: Src(function),
                    args: RegList(args),
                });
            }
        }
    }

    /// What is called, or whose method is called.
    fn receiver(&mut self, expr: &'a Expr<'s>, args: &[Expr<'s>]) -> Reg {
        let reg = self.value(expr);
        if self.mutable.contains(&reg) && args.iter().any(may_assign) {
            self.copied(reg)
        } else {
            reg
        }
    }

    fn call_method(&mut self, object: Reg, key: Reg, args: Vec<Reg>, dst: Reg) {
        let method = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(method), object: Src(object), key: Src(key) });
        self.code.op(Instr::Call { dst: Dst(dst), function: Src(method), args: RegList(args) });
    }

    fn builtin(&mut self, builtin: Builtin, args: &'a [Expr<'s>], wanted: Option<Reg>, span: Span) {
        let unit = |this: &mut Self| {
            if let Some(dst) = wanted {
                this.code.load(dst, ConstValue::Unit);
            }
        };
        let dst = wanted.unwrap_or_else(|| self.code.reg());
        match (builtin, args) {
            (Builtin::Spawn, [function, list]) if !matches!(list.kind, ExprKind::Array(_)) => {
                let function = self.left_operand(function, list);
                let list = self.value(list);
                self.at(span);
                self.native(library::SPAWN, vec![function, list], dst);
            }
            (Builtin::Spawn, [function, rest @ ..]) => {
                let list: &'a [Expr<'s>] = match rest.first().map(|list| &list.kind) {
                    Some(ExprKind::Array(items)) => items,
                    _ => &[],
                };
                let function = self.receiver(function, list);
                let args = self.operands(list);
                self.at(span);
                self.code.op(Instr::Spawn {
                    dst: Dst(dst),
                    function: Src(function),
                    args: RegList(args),
                });
            }
            (Builtin::Send, [process, message]) => {
                let process = self.left_operand(process, message);
                let message = self.value(message);
                self.at(span);
                self.code.op(Instr::Send { process: Src(process), message: Src(message) });
                unit(self);
            }
            (Builtin::Receive, [timeout]) => {
                let timeout = self.value(timeout);
                let result = self.code.reg();
                self.at(span);
                self.code.op(Instr::ReceiveWithTimeout {
                    dst: Dst(dst),
                    timeout: Src(timeout),
                    result: Dst(result),
                });
            }
            (Builtin::Receive, _) => {
                self.at(span);
                self.code.op(Instr::Receive { dst: Dst(dst) });
            }
            (Builtin::Exit, reason) => {
                let reason = match reason.first() {
                    Some(reason) => self.value(reason),
                    None => self.code.constant(ConstValue::Atom("normal".to_owned())),
                };
                let own = self.code.constant(ConstValue::Atom("__vm:self".to_owned()));
                self.at(span);
                self.native(library::EXIT, vec![own, reason], dst);
            }
            (Builtin::Assert, [condition, message @ ..]) => {
                self.assert(condition, message.first(), span);
                unit(self);
            }
            (Builtin::AssertEqual, [actual, expected]) => {
                self.assert_equal(actual, expected, span);
                unit(self);
            }
            (Builtin::Yield, _) => {
                self.at(span);
                self.code.op(Instr::Yield {});
                unit(self);
            }
            (Builtin::Select | Builtin::SelectKill, [list]) => {
                let regs = match &list.kind {
                    ExprKind::Array(items) => self.operands(items),
                    _ => Vec::new(),
                };
                self.at(span);
                let (dst, processes) = (Dst(dst), RegList(regs));
                self.code.op(match builtin {
                    Builtin::Select => Instr::Select { dst, processes },
                    _ => Instr::SelectWithKill { dst, processes },
                });
            }
            _ => self.code.load(dst, ConstValue::Undefined),
        }
    }

    // Assignments.

    fn assign(
        &mut self,
        op: Option<BinaryOp>,
        target: &'a Expr<'s>,
        value: &'a Expr<'s>,
        span: Span,
    ) {
        match &target.kind {
            ExprKind::Name { res: Res::Local(id), .. } => {
                match (self.places.get(id).copied(), op) {
                    (Some(Place::Reg(reg)), None) => self.value_to(value, reg),
                    (Some(Place::Reg(reg)), Some(op)) => {
                        let old = if may_assign(value) { self.copied(reg) } else { reg };
                        self.binary(op, old, value, reg, span);
                    }
                    (Some(Place::Boxed(object)), op) => {
                        let new = match op {
                            None => self.value(value),
                            Some(op) => {
                                let old = self.code.reg();
                                self.read_box(old, object);
                                self.binary(op, old, value, old, span);
                                old
                            }
                        };
                        self.write_box(object, new);
                    }
                    (None, _) => self.effect(value),
                }
            }
            ExprKind::Member { object, name, .. } => {
                let object = self.left_operand(object, value);
                let key = self.atom(name.text);
                self.set_prop(object, key, op, value, name.span);
            }
            ExprKind::Index { object, index } => {
                let object = self.left_operand(object, index);
                let key = self.key(index);
                let key = if self.mutable.contains(&key) && may_assign(value) {
                    self.copied(key)
                } else {
                    key
                };
                self.set_prop(object, key, op, value, span);
            }
            _ => {}
        }
    }

    fn set_prop(
        &mut self,
        object: Reg,
        key: Reg,
        op: Option<BinaryOp>,
        value: &'a Expr<'s>,
        span: Span,
    ) {
        let new = match op {
            None => self.value(value),
            Some(op) => {
                let old = self.code.reg();
                self.at(span);
                self.code.op(Instr::GetProp { dst: Dst(old), object: Src(object), key: Src(key) });
                let new = self.code.reg();
                self.binary(op, old, value, new, span);
                new
            }
        };
        self.at(span);
        self.code.op(Instr::SetProp { object: Src(object), key: Src(key), value: Src(new) });
    }

    /// `target++` and its kin.
    fn update(&mut self, op: BinaryOp, target: &'a Expr<'s>) {
        let step = |this: &mut Self, dst: Reg, old: Reg| {
            let one = ConstValue::Number(1.0);
            let b = this.code.known(&one).unwrap_or_else(|| {
                let reg = this.code.reg();
                this.code.load(reg, one);
                reg
            });
            let (dst, a, b) = (Dst(dst), Src(old), Src(b));
            this.code.op(if op == BinaryOp::Add {
                Instr::Add { dst, a, b }
            } else {
                Instr::Sub { dst, a, b }
            });
        };
        match &target.kind {
            ExprKind::Name { res: Res::Local(id), .. } => match self.places.get(id).copied() {
                Some(Place::Reg(reg)) => step(self, reg, reg),
                Some(Place::Boxed(object)) => {
                    let value = self.code.reg();
                    self.read_box(value, object);
                    step(self, value, value);
                    self.write_box(object, value);
                }
                None => {}
            },
            ExprKind::Member { .. } | ExprKind::Index { .. } => {
                let (object, key) = match &target.kind {
                    ExprKind::Member { object, name, .. } => {
                        let object = self.value(object);
                        (object, self.atom(name.text))
                    }
                    ExprKind::Index { object, index } => {
                        let object = self.left_operand(object, index);
                        (object, self.key(index))
                    }
                    _ => return,
                };
                let value = self.code.reg();
                self.at(target.span);
                self.code.op(Instr::GetProp {
                    dst: Dst(value),
                    object: Src(object),
                    key: Src(key),
                });
                step(self, value, value);
                self.code.op(Instr::SetProp {
                    object: Src(object),
                    key: Src(key),
                    value: Src(value),
                });
            }
            _ => {}
        }
    }
}

/// May evaluating the expression assign a variable of this function that lives in a register?
pub(super) fn may_assign(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Assign { .. }
        | ExprKind::Update { .. }
        | ExprKind::Match(_)
        | ExprKind::Receive(_) => true,
        ExprKind::Template(parts) => {
            parts.iter().any(|part| matches!(part, TemplatePart::Expr(expr) if may_assign(expr)))
        }
        ExprKind::Tuple(items) | ExprKind::Array(items) => items.iter().any(may_assign),
        ExprKind::Object(props) => props.iter().any(|prop| {
            may_assign(&prop.value)
                || matches!(&prop.key, PropKey::Computed(key) if may_assign(key))
        }),
        ExprKind::Not(operand) | ExprKind::Negate(operand) => may_assign(operand),
        ExprKind::Binary(_, a, b) | ExprKind::Logic(_, a, b) => may_assign(a) || may_assign(b),
        ExprKind::Chain(first, links) => {
            may_assign(first) || links.iter().any(|link| may_assign(&link.right))
        }
        ExprKind::Ternary(a, b, c) => may_assign(a) || may_assign(b) || may_assign(c),
        ExprKind::Call { callee, args } => may_assign(callee) || args.iter().any(may_assign),
        ExprKind::Member { object, .. } => may_assign(object),
        ExprKind::Index { object, index } => may_assign(object) || may_assign(index),
        _ => false,
    }
}
