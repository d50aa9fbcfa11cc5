//! Statements.

use super::*;
use crate::ion::resolve::for_each_var;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::ops::{Dst, Src};

/// Largest condition, in nodes, that is repeated in front of its loop.
const MAX_REPEATED: u32 = 12;

impl<'a, 's> FunctionEmitter<'_, 'a, 's> {
    /// Statements of one scope.
    pub(super) fn statements(&mut self, stmts: &'a [Stmt<'s>]) {
        self.early_boxes(stmts);
        for stmt in stmts {
            self.statement(stmt);
        }
    }

    /// Variables that are captured before they have their values get their boxes first.
    fn early_boxes(&mut self, stmts: &'a [Stmt<'s>]) {
        for stmt in stmts {
            match &stmt.kind {
                StmtKind::Let { pattern, .. } => {
                    let mut ids = Vec::new();
                    for_each_var(pattern, &mut |id| ids.push(id));
                    ids.into_iter().for_each(|id| self.early_box(id));
                }
                StmtKind::Function { var, .. } => self.early_box(*var),
                StmtKind::Several(all) => self.early_boxes(all),
                _ => {}
            }
        }
    }

    fn early_box(&mut self, id: VarId) {
        let var = &self.module.vars[id as usize];
        if var.is_boxed() && var.early {
            let object = self.new_box(None);
            self.places.insert(id, Place::Boxed(object));
        }
    }

    /// All statements of a scope but the last.
    pub(super) fn block_but_last(&mut self, stmts: &'a [Stmt<'s>]) {
        self.early_boxes(stmts);
        let count = stmts.len().saturating_sub(1);
        for stmt in &stmts[..count] {
            self.statement(stmt);
        }
    }

    pub(super) fn block(&mut self, block: &'a Block<'s>) {
        let mark = self.code.mark();
        self.statements(&block.stmts);
        self.code.forget(mark);
    }

    fn statement(&mut self, stmt: &'a Stmt<'s>) {
        self.code.at = stmt.span.start;
        match &stmt.kind {
            StmtKind::Expr(expr) => self.effect(expr),
            StmtKind::Let { pattern, init, constant } => {
                self.declaration(pattern, init.as_ref(), *constant)
            }
            StmtKind::Function { var, function } => {
                let name = self.nested_name(function);
                if self.module.vars[*var as usize].is_static {
                    self.module.statics.insert(*var, name.clone());
                    self.closure(function, None, Some(name));
                } else {
                    let value = self.closure(function, None, Some(name));
                    self.bind(*var, value, true);
                }
            }
            StmtKind::If { arms, otherwise } => self.if_statement(arms, otherwise.as_ref()),
            StmtKind::Loop(inner) => self.loop_statement(inner),
            StmtKind::ForOf(inner) => self.for_of(inner),
            StmtKind::Block(block) => self.block(block),
            StmtKind::Return(value) => {
                let value = match value {
                    Some(value) => self.value(value),
                    None => self.code.constant(ConstValue::Unit),
                };
                self.export();
                self.code.op(Instr::Return { value: Src(value) });
            }
            StmtKind::Break => {
                if let Some(labels) = self.loops.last().copied() {
                    self.code.jump(labels.end);
                }
            }
            StmtKind::Continue => {
                if let Some(labels) = self.loops.last().copied() {
                    self.code.jump(labels.next);
                }
            }
            StmtKind::Several(all) => all.iter().for_each(|stmt| self.statement(stmt)),
            StmtKind::Empty => {}
        }
    }

    fn declaration(
        &mut self,
        pattern: &'a Pattern<'s>,
        init: Option<&'a Expr<'s>>,
        constant: bool,
    ) {
        let PatternKind::Bind { var, .. } = &pattern.kind else {
            if let Some(init) = init {
                let value = self.value(init);
                self.destructure(pattern, value, true);
            }
            return;
        };
        let facts = &self.module.vars[*var as usize];
        let (boxed, assigned, is_static) = (facts.is_boxed(), facts.assigned, facts.is_static);
        if let Some(init) = init {
            if let (true, ExprKind::Function(function)) = (is_static, &init.kind) {
                let name = self.named(function, &pattern.kind);
                self.module.statics.insert(*var, name.clone());
                self.closure(function, None, Some(name));
                return;
            }
            if constant
                && !assigned
                && !facts.early
                && let Some(value) = self.fold(init)
            {
                self.module.consts.insert(*var, value);
                return;
            }
        }
        if boxed || !assigned {
            let value = match (init, init.map(|init| &init.kind)) {
                (Some(_), Some(ExprKind::Function(function))) => {
                    let name = self.named(function, &pattern.kind);
                    self.closure(function, None, Some(name))
                }
                (Some(init), _) => self.value(init),
                (None, _) => self.code.constant(ConstValue::Undefined),
            };
            self.bind(*var, value, true);
            return;
        }
        // Assigned later: a register of its own from the start.
        let reg = self.code.reg();
        match init {
            Some(init) => self.value_to(init, reg),
            None => self.code.load(reg, ConstValue::Undefined),
        }
        self.places.insert(*var, Place::Reg(reg));
        self.mutable.insert(reg);
    }

    /// A function that is the value of a declaration is named after it.
    fn named(&mut self, function: &Function<'s>, pattern: &PatternKind<'s>) -> String {
        match (function.name, pattern) {
            (None, PatternKind::Bind { name, .. }) => {
                let wanted = format!("{}.{name}", self.name);
                self.module.unique(wanted)
            }
            _ => self.nested_name(function),
        }
    }

    /// Gives a variable its value. `alias`: the register may become the variable's own.
    pub(super) fn bind(&mut self, id: VarId, value: Reg, alias: bool) {
        let var = &self.module.vars[id as usize];
        let (boxed, early, assigned) = (var.is_boxed(), var.early, var.assigned);
        if boxed {
            match self.places.get(&id).copied() {
                Some(Place::Boxed(object)) if early => self.write_box(object, value),
                Some(Place::Boxed(object)) => self.fill_box(object, Some(value)),
                _ => {
                    let object = self.new_box(Some(value));
                    self.places.insert(id, Place::Boxed(object));
                }
            }
            return;
        }
        if alias && !assigned && !self.mutable.contains(&value) {
            self.places.insert(id, Place::Reg(value));
            return;
        }
        let reg = match self.places.get(&id) {
            Some(Place::Reg(reg)) if !alias => *reg,
            _ => self.code.reg(),
        };
        self.code.copy(reg, value);
        self.places.insert(id, Place::Reg(reg));
        if assigned {
            self.mutable.insert(reg);
        }
    }

    fn if_statement(
        &mut self,
        arms: &'a [(Expr<'s>, Block<'s>)],
        otherwise: Option<&'a Block<'s>>,
    ) {
        let end = self.code.label();
        let mark = self.code.mark();
        for (i, (condition, block)) in arms.iter().enumerate() {
            self.code.at = condition.span.start;
            let next = self.code.label();
            self.branch(condition, next, false);
            self.block(block);
            if i + 1 < arms.len() || otherwise.is_some() {
                self.code.jump(end);
            }
            self.code.place(next);
            // What the first condition loads is there on every way; what later ones load is not.
            if i > 0 {
                self.code.forget(mark);
            }
        }
        if let Some(block) = otherwise {
            self.block(block);
        }
        self.code.place(end);
        if arms.len() > 1 {
            self.code.forget(mark);
        }
    }

    fn loop_statement(&mut self, inner: &'a Loop<'s>) {
        let mark = self.code.mark();
        if let Some(init) = &inner.init {
            self.early_boxes(std::slice::from_ref(init));
            self.statement(init);
        }
        let (body, next, end) = (self.code.label(), self.code.label(), self.code.label());
        let endless = match &inner.condition {
            None => true,
            Some(condition) => {
                self.fold(condition).as_ref().and_then(super::fold::truth) == Some(true)
            }
        };
        let condition = inner.condition.as_ref().filter(|_| !endless);
        let repeated = condition.is_some_and(|condition| nodes(condition, MAX_REPEATED).is_some());
        if let Some(condition) = condition.filter(|_| repeated) {
            self.branch(condition, end, false);
        }
        self.code.start_loop(inner.receives);
        let test = self.code.label();
        if condition.is_some() && !repeated {
            self.code.jump(test);
        }
        self.code.place_head(body);
        self.loops.push(LoopLabels { end, next });
        self.block(&inner.body);
        self.loops.pop();
        self.code.place(next);
        for id in &inner.fresh {
            if let Some(Place::Boxed(object)) = self.places.get(id).copied() {
                let value = self.code.reg();
                self.read_box(value, object);
                self.fill_box(object, Some(value));
            }
        }
        if let Some(update) = &inner.update {
            self.code.at = update.span.start;
            self.effect(update);
        }
        if condition.is_some() && !repeated {
            self.code.place_head(test);
        }
        match condition {
            Some(condition) => self.branch(condition, body, true),
            None => self.code.jump(body),
        }
        self.code.end_loop();
        self.code.place(end);
        self.code.forget(mark);
    }

    fn for_of(&mut self, inner: &'a ForOf<'s>) {
        let mark = self.code.mark();
        let over = self.value(&inner.over);
        let over = if self.mutable.contains(&over) {
            let copy = self.code.reg();
            self.code.copy(copy, over);
            copy
        } else {
            over
        };
        let index = self.code.reg();
        self.code.load(index, ConstValue::Number(0.0));
        let (body, next, end, test) =
            (self.code.label(), self.code.label(), self.code.label(), self.code.label());
        self.code.start_loop(inner.receives);
        self.code.jump(test);
        self.code.place_head(body);
        self.code.at = inner.pattern.span.start;
        let element = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(element), object: Src(over), key: Src(index) });
        self.destructure(&inner.pattern, element, true);
        self.loops.push(LoopLabels { end, next });
        self.block(&inner.body);
        self.loops.pop();
        self.code.place(next);
        self.code.at = inner.over.span.start;
        let one = self.code.reg();
        self.code.load(one, ConstValue::Number(1.0));
        self.code.op(Instr::Add { dst: Dst(index), a: Src(index), b: Src(one) });
        self.code.place_head(test);
        let key = self.atom("length");
        let length = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(length), object: Src(over), key: Src(key) });
        let more = self.code.reg();
        self.code.op(Instr::LessThan { dst: Dst(more), a: Src(index), b: Src(length) });
        self.code.jump_if(more, true, body);
        self.code.end_loop();
        self.code.place(end);
        self.code.forget(mark);
    }
}

/// The size of an expression if it is at most `most` and has no effect worth saying twice.
fn nodes(expr: &Expr<'_>, most: u32) -> Option<u32> {
    let sum = |parts: &[&Expr<'_>]| {
        let mut total = 1;
        for part in parts {
            total += nodes(part, most.checked_sub(total)?)?;
        }
        (total <= most).then_some(total)
    };
    match &expr.kind {
        ExprKind::Number(_)
        | ExprKind::Bool(_)
        | ExprKind::Name { .. }
        | ExprKind::Str(_)
        | ExprKind::Atom(_)
        | ExprKind::Undefined
        | ExprKind::Unit
        | ExprKind::This(_)
        | ExprKind::SelfPid => sum(&[]),
        ExprKind::Not(operand) | ExprKind::Negate(operand) => sum(&[operand]),
        ExprKind::Binary(_, a, b) | ExprKind::Logic(_, a, b) => sum(&[a, b]),
        ExprKind::Member { object, .. } => sum(&[object]),
        ExprKind::Index { object, index } => sum(&[object, index]),
        _ => None,
    }
}
