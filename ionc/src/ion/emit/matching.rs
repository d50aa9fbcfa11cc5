//! `match`, `receive` and destructuring.
//!
//! Each pattern has a *coarse* form that the MATCH instruction understands and that accepts at least
//! what the pattern accepts. Arms are tried in groups: a group is one MATCH over arms whose
//! coarse form is exact, up to and including the first arm that needs more checks (a guard, a rest,
//! properties, nested alternatives); if those fail, the next group is tried.

use super::*;
use crate::ion::builtin::library;
use crate::ion::resolve::for_each_var;
use crate::ion::source::Span;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::Pattern as Coarse;
use ion_runtime::bytecode::ops::{Dst, Src};

/// Where the arms of a `match` or `receive` lead.
struct Arms<'a, 's> {
    arms: Vec<(&'a Pattern<'s>, &'a Arm<'s>)>,
    /// What was received without being removed must be removed by the arm that takes it.
    take: bool,
    dst: Option<Reg>,
    end: Label,
    /// Where to go if no arm matches.
    none: Label,
}

impl<'a, 's> FunctionEmitter<'_, 'a, 's> {
    pub(super) fn match_expr(&mut self, inner: &'a Match<'s>, dst: Option<Reg>) {
        let value = self.value(&inner.value);
        let value = match self.mutable.contains(&value) {
            true => {
                let copy = self.code.reg();
                self.code.copy(copy, value);
                copy
            }
            false => value,
        };
        self.code.at = inner.head.start;
        let (end, none) = (self.code.label(), self.code.label());
        let mark = self.code.mark();
        self.arms(&Arms { arms: list(&inner.arms), take: false, dst, end, none }, value);
        self.code.forget(mark);
        self.code.place(none);
        if let Some(dst) = dst {
            self.code.load(dst, ConstValue::Undefined);
        }
        self.code.place(end);
    }

    pub(super) fn receive_expr(&mut self, inner: &'a Receive<'s>, dst: Option<Reg>, span: Span) {
        self.at(span);
        let takes_all =
            inner.arms.iter().any(|arm| arm.guard.is_none() && takes_everything(&arm.pattern));
        let (end, late) = (self.code.label(), self.code.label());
        let timeout = match &inner.after {
            Some((time, _)) => {
                let time = self.value(time);
                // The loop of a selective receive reads it again.
                Some(if self.mutable.contains(&time) {
                    let copy = self.code.reg();
                    self.code.copy(copy, time);
                    copy
                } else {
                    time
                })
            }
            None => None,
        };
        let mark = self.code.mark();
        self.at(span);
        let message = self.code.reg();
        if takes_all || inner.arms.is_empty() {
            match timeout {
                Some(timeout) => {
                    let result = self.code.reg();
                    self.code.op(Instr::ReceiveWithTimeout {
                        dst: Dst(message),
                        timeout: Src(timeout),
                        result: Dst(result),
                    });
                    // A message is what is hoped for: what follows it goes on without a jump.
                    let got = self.code.label();
                    self.code.jump_if(result, true, got);
                    if let Some((_, body)) = &inner.after {
                        let mark = self.code.mark();
                        self.arm_body(body, dst);
                        self.code.forget(mark);
                    }
                    self.code.jump(end);
                    self.code.place(got);
                }
                None => self.code.op(Instr::Receive { dst: Dst(message) }),
            }
            let none = self.code.label();
            self.arms(&Arms { arms: list(&inner.arms), take: false, dst, end, none }, message);
            self.code.place(none);
        } else {
            self.selective(
                inner,
                timeout,
                message,
                Arms { arms: list(&inner.arms), take: true, dst, end, none: late },
                span,
            );
            self.code.forget(mark);
            self.code.place(late);
            if let Some((_, body)) = &inner.after {
                self.arm_body(body, dst);
            }
        }
        self.code.forget(mark);
        self.code.place(end);
    }

    /// Looks at one message after the other until an arm takes one.
    fn selective(
        &mut self,
        inner: &'a Receive<'s>,
        timeout: Option<Reg>,
        message: Reg,
        arms: Arms<'a, 's>,
        span: Span,
    ) {
        let late = arms.none;
        let timeout = timeout.unwrap_or_else(|| self.code.constant(ConstValue::Undefined));
        self.code.start_loop(true);
        let next = self.code.label();
        self.code.place_head(next);
        self.at(span);
        let found = self.code.reg();
        self.native(library::NEXT, vec![timeout], found);
        if inner.after.is_some() {
            self.code.jump_if(found, false, late);
        }
        self.native(library::PEEK, Vec::new(), message);
        let arms = Arms { none: next, ..arms };
        self.arms(&arms, message);
        // Arms that do not match jump back by themselves.
        self.code.end_loop();
    }

    /// Tries the arms on the value in a register.
    fn arms(&mut self, arms: &Arms<'a, 's>, value: Reg) {
        let mut rest = &arms.arms[..];
        while let Some((pattern, arm)) = rest.first().copied() {
            let next = self.code.label();
            if takes_everything(pattern) {
                rest = &rest[1..];
                let last = arm.guard.is_none();
                self.arm(arms, pattern, arm, value, if last { None } else { Some(next) });
                if last {
                    return;
                }
                self.code.place(next);
                continue;
            }
            // As far as the first arm that needs more than MATCH.
            let count = rest
                .iter()
                .position(|(pattern, arm)| {
                    arm.guard.is_some() || !is_exact(pattern) || takes_everything(pattern)
                })
                .map_or(rest.len(), |at| if takes_everything(rest[at].0) { at } else { at + 1 });
            let group = &rest[..count];
            rest = &rest[count..];
            let labels: Vec<Label> = group.iter().map(|_| self.code.label()).collect();
            let mut entries = Vec::with_capacity(count);
            for ((pattern, _), label) in group.iter().zip(&labels) {
                match &pattern.kind {
                    PatternKind::Or(items) if is_exact(pattern) => {
                        entries.extend(items.iter().map(|item| (coarse(item), *label)));
                    }
                    _ => entries.push((coarse(pattern), *label)),
                }
            }
            let mark = self.code.mark();
            self.code.match_op(value, entries);
            self.code.jump(next);
            for ((pattern, arm), label) in group.iter().zip(labels) {
                self.code.place(label);
                self.arm(arms, pattern, arm, value, Some(next));
                self.code.forget(mark);
            }
            self.code.place(next);
        }
        self.code.jump(arms.none);
    }

    /// An arm whose coarse pattern matches.
    fn arm(
        &mut self,
        arms: &Arms<'a, 's>,
        pattern: &'a Pattern<'s>,
        arm: &'a Arm<'s>,
        value: Reg,
        fail: Option<Label>,
    ) {
        self.at(pattern.span);
        let mark = self.code.mark();
        self.refine(pattern, value, fail.unwrap_or(arms.none), true);
        if let (Some(guard), Some(fail)) = (&arm.guard, fail) {
            self.at(guard.span);
            self.branch(guard, fail, false);
        }
        if arms.take {
            let taken = self.code.reg();
            self.native(library::TAKE, Vec::new(), taken);
        }
        self.arm_body(&arm.body, arms.dst);
        self.code.jump(arms.end);
        self.code.forget(mark);
    }

    fn arm_body(&mut self, body: &'a ArmBody<'s>, dst: Option<Reg>) {
        match (body, dst) {
            (ArmBody::Expr(expr), None) => {
                self.at(expr.span);
                self.effect(expr);
            }
            (ArmBody::Expr(expr), Some(dst)) => {
                self.at(expr.span);
                self.value_to(expr, dst);
            }
            (ArmBody::Block(block), None) => self.block(block),
            (ArmBody::Block(block), Some(dst)) => match block.stmts.split_last() {
                Some((Stmt { kind: StmtKind::Expr(last), .. }, _)) => {
                    let mark = self.code.mark();
                    self.block_but_last(&block.stmts);
                    self.at(last.span);
                    self.value_to(last, dst);
                    self.code.forget(mark);
                }
                _ => {
                    self.block(block);
                    self.code.load(dst, ConstValue::Unit);
                }
            },
        }
    }

    /// Checks what the coarse pattern leaves open, and gives the pattern's variables their values.
    fn refine(&mut self, pattern: &'a Pattern<'s>, value: Reg, fail: Label, alias: bool) {
        match &pattern.kind {
            PatternKind::Bind { var, .. } => {
                if self.needs_value(pattern) {
                    self.bind(*var, value, alias);
                }
            }
            PatternKind::Wildcard | PatternKind::Literal(_) => {}
            PatternKind::Tuple(items) => self.refine_items(items, value, fail, alias),
            PatternKind::Array { items, rest: None } => {
                self.refine_items(items, value, fail, alias)
            }
            PatternKind::Array { items, rest: Some(rest) } => {
                self.refine_rest(items, rest, value, fail, alias)
            }
            PatternKind::Object(items) => {
                for (name, item) in items {
                    let key = self.atom(name.text);
                    if self.module.program.may_be_protected(name.text) {
                        // Reading it would end the process; it does not match.
                        let protected = self.code.reg();
                        self.native(library::IS_PROTECTED, vec![value, key], protected);
                        self.code.jump_if(protected, true, fail);
                    }
                    let property = self.code.reg();
                    self.code.op(Instr::GetProp {
                        dst: Dst(property),
                        object: Src(value),
                        key: Src(key),
                    });
                    if takes_everything(item) {
                        let undefined = self.code.constant(ConstValue::Undefined);
                        let missing = self.code.reg();
                        self.code.op(Instr::Equal {
                            dst: Dst(missing),
                            a: Src(property),
                            b: Src(undefined),
                        });
                        self.code.jump_if(missing, true, fail);
                    } else {
                        self.require(item, property, fail);
                    }
                    self.refine(item, property, fail, alias);
                }
            }
            PatternKind::Or(items) => {
                if is_exact(pattern) && !has_variables(pattern) {
                    // Told apart by the MATCH of the arm; as a part of a pattern, here.
                    let found = self.code.label();
                    let entries = items.iter().map(|item| (coarse(item), found)).collect();
                    self.code.match_op(value, entries);
                    self.code.jump(fail);
                    self.code.place(found);
                    return;
                }
                let found = self.code.label();
                for item in items {
                    let next = self.code.label();
                    let mark = self.code.mark();
                    self.require(item, value, next);
                    self.refine(item, value, next, false);
                    self.code.jump(found);
                    self.code.forget(mark);
                    self.code.place(next);
                }
                self.code.jump(fail);
                self.code.place(found);
            }
        }
    }

    fn refine_items(&mut self, items: &'a [Pattern<'s>], value: Reg, fail: Label, alias: bool) {
        for (i, item) in items.iter().enumerate() {
            // The coarse pattern of the whole has nothing for alternatives inside.
            let open = !is_exact(item) || matches!(item.kind, PatternKind::Or(_));
            if open || self.needs_value(item) {
                let element = self.element(value, i);
                self.refine(item, element, fail, alias);
            }
        }
    }

    fn refine_rest(
        &mut self,
        items: &'a [Pattern<'s>],
        rest: &'a Pattern<'s>,
        value: Reg,
        fail: Label,
        alias: bool,
    ) {
        let is_array = self.code.reg();
        self.native(library::IS_ARRAY, vec![value], is_array);
        self.code.jump_if(is_array, false, fail);
        let key = self.atom("length");
        let length = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(length), object: Src(value), key: Src(key) });
        let least = self.code.constant(ConstValue::Number(items.len() as f64));
        let enough = self.code.reg();
        self.code.op(Instr::GreaterEqual { dst: Dst(enough), a: Src(length), b: Src(least) });
        self.code.jump_if(enough, false, fail);
        for (i, item) in items.iter().enumerate() {
            if takes_everything(item) && !self.needs_value(item) {
                continue;
            }
            let element = self.element(value, i);
            self.require(item, element, fail);
            self.refine(item, element, fail, alias);
        }
        if self.needs_value(rest) {
            let others = self.slice(value, items.len());
            self.refine(rest, others, fail, alias);
        }
    }

    /// Fails unless the coarse pattern matches.
    fn require(&mut self, pattern: &'a Pattern<'s>, value: Reg, fail: Label) {
        let coarse = coarse(pattern);
        if coarse != Coarse::Wildcard {
            let found = self.code.label();
            self.code.match_op(value, vec![(coarse, found)]);
            self.code.jump(fail);
            self.code.place(found);
        }
    }

    fn element(&mut self, value: Reg, index: usize) -> Reg {
        let key = self.atom(&index.to_string());
        let element = self.code.reg();
        self.code.op(Instr::GetProp { dst: Dst(element), object: Src(value), key: Src(key) });
        element
    }

    fn slice(&mut self, value: Reg, from: usize) -> Reg {
        let from = self.code.constant(ConstValue::Number(from as f64));
        let others = self.code.reg();
        self.native(library::SLICE, vec![value, from], others);
        others
    }

    /// Does anything read a variable of the pattern?
    fn needs_value(&self, pattern: &Pattern<'s>) -> bool {
        let mut needed = false;
        for_each_var(pattern, &mut |id| {
            let var = &self.module.vars[id as usize];
            needed |= var.used || var.captured || var.assigned;
        });
        needed
    }

    /// Takes a value apart without checks: what is missing is undefined.
    pub(super) fn destructure(&mut self, pattern: &'a Pattern<'s>, value: Reg, alias: bool) {
        match &pattern.kind {
            PatternKind::Bind { var, .. } => {
                if self.needs_value(pattern) {
                    self.bind(*var, value, alias);
                }
            }
            PatternKind::Tuple(items) | PatternKind::Array { items, rest: None } => {
                for (i, item) in items.iter().enumerate() {
                    if self.needs_value(item) {
                        let element = self.element(value, i);
                        self.destructure(item, element, alias);
                    }
                }
            }
            PatternKind::Array { items, rest: Some(rest) } => {
                for (i, item) in items.iter().enumerate() {
                    if self.needs_value(item) {
                        let element = self.element(value, i);
                        self.destructure(item, element, alias);
                    }
                }
                if self.needs_value(rest) {
                    let others = self.slice(value, items.len());
                    self.destructure(rest, others, alias);
                }
            }
            PatternKind::Object(items) => {
                for (name, item) in items {
                    if self.needs_value(item) {
                        let key = self.atom(name.text);
                        let property = self.code.reg();
                        self.at(name.span);
                        self.code.op(Instr::GetProp {
                            dst: Dst(property),
                            object: Src(value),
                            key: Src(key),
                        });
                        self.destructure(item, property, alias);
                    }
                }
            }
            PatternKind::Wildcard | PatternKind::Literal(_) | PatternKind::Or(_) => {}
        }
    }
}

fn list<'a, 's>(arms: &'a [Arm<'s>]) -> Vec<(&'a Pattern<'s>, &'a Arm<'s>)> {
    arms.iter().map(|arm| (&arm.pattern, arm)).collect()
}

fn takes_everything(pattern: &Pattern<'_>) -> bool {
    matches!(pattern.kind, PatternKind::Wildcard | PatternKind::Bind { .. })
}

fn has_variables(pattern: &Pattern<'_>) -> bool {
    let mut found = false;
    for_each_var(pattern, &mut |_| found = true);
    found
}

/// What MATCH can tell about a pattern.
fn coarse(pattern: &Pattern<'_>) -> Coarse {
    match &pattern.kind {
        PatternKind::Literal(expr) => match &expr.kind {
            ExprKind::Number(value) => Coarse::Value(ConstValue::Number(*value)),
            ExprKind::Imaginary(value) => Coarse::Value(ConstValue::Complex(0.0, *value)),
            ExprKind::Str(text) => Coarse::Value(ConstValue::String(text.to_string())),
            ExprKind::Atom(text) => Coarse::Value(ConstValue::Atom(text.to_string())),
            ExprKind::Bool(value) => Coarse::Value(ConstValue::Boolean(*value)),
            ExprKind::Unit => Coarse::Value(ConstValue::Unit),
            ExprKind::Undefined => Coarse::Value(ConstValue::Undefined),
            _ => Coarse::Wildcard,
        },
        PatternKind::Tuple(items) => Coarse::Tuple(items.iter().map(coarse).collect()),
        PatternKind::Array { items, rest: None } => {
            Coarse::Array(items.iter().map(coarse).collect())
        }
        _ => Coarse::Wildcard,
    }
}

/// Does the coarse pattern match exactly what the pattern matches? Alternatives are exact if MATCH
/// can have an entry for each of them.
fn is_exact(pattern: &Pattern<'_>) -> bool {
    match &pattern.kind {
        PatternKind::Wildcard | PatternKind::Bind { .. } | PatternKind::Literal(_) => true,
        PatternKind::Tuple(items) | PatternKind::Array { items, rest: None } => {
            items.iter().all(|item| is_exact(item) && !matches!(item.kind, PatternKind::Or(_)))
        }
        PatternKind::Or(items) => {
            !has_variables(pattern)
                && items
                    .iter()
                    .all(|item| is_exact(item) && !matches!(item.kind, PatternKind::Or(_)))
        }
        PatternKind::Array { .. } | PatternKind::Object(_) => false,
    }
}
