//! Warnings, and errors that are not about names.

use super::*;

impl<'s> Resolver<'_, 's> {
    /// Statements behind one that never goes on.
    pub(super) fn check_unreachable(&mut self, stmts: &[Stmt<'s>]) {
        for pair in stmts.windows(2) {
            if let Some(why) = leaves(&pair[0])
                && !matches!(pair[1].kind, StmtKind::Function { .. })
            {
                self.report(
                    Diag::warning(pair[1].span, "this is never reached")
                        .label("unreachable")
                        .also(pair[0].span, why)
                        .help("remove it, or put it in front"),
                );
                return;
            }
        }
    }

    /// Variables that nothing reads.
    pub(super) fn check_unused(&mut self) {
        let mut found: Vec<(Span, String, bool)> = Vec::new();
        for var in &self.out.vars {
            if !var.used && !var.quiet && !var.name.is_empty() {
                found.push((var.span, var.name.clone(), var.assigned));
            }
        }
        found.sort();
        for (span, name, assigned) in found {
            let what = if assigned { "assigned and never read" } else { "never used" };
            let diag = Diag::warning(span, format!("`{name}` is {what}")).label("not used");
            self.report(diag.help(format!("remove it, or call it `_{name}`")));
        }
    }

    /// An expression as a statement should do something.
    pub(super) fn check_effect(&mut self, expr: &Expr<'s>) {
        use ExprKind::*;
        let (message, help) = match &expr.kind {
            Binary(BinaryOp::Eq, ..) => {
                ("the result of this comparison is not used", "to assign, write `=`")
            }
            Number(_)
            | Imaginary(_)
            | Str(_)
            | Atom(_)
            | Bool(_)
            | Undefined
            | SelfPid
            | This(_)
            | Tuple(_)
            | Array(_)
            | Binary(..)
            | Not(_)
            | Negate(_)
            | Template(_)
            | Member { .. }
            | Index { .. } => {
                ("the value of this expression is not used", "assign it, return it, or remove it")
            }
            Name { res: Res::Local(_), .. } => {
                ("the value of this expression is not used", "assign it, return it, or remove it")
            }
            Name { name, res: Res::Function(..) | Res::Native(_) | Res::Builtin(_) } => {
                let diag =
                    Diag::warning(expr.span, format!("the function `{name}` is named, not called"));
                return self.report(
                    diag.label("does nothing").help(format!("write `{name}()` to call it")),
                );
            }
            Function(_) => {
                ("this function is never called", "call it, or give it a name with `const f = …`")
            }
            _ => return,
        };
        self.report(Diag::warning(expr.span, message).label("has no effect").help(help));
    }

    /// Values with an inside, and processes, are never equal by `==`.
    pub(super) fn check_comparison(&mut self, op: BinaryOp, a: &Expr<'s>, b: &Expr<'s>) {
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            return;
        }
        for side in [a, b] {
            let (what, help) = match &side.kind {
                ExprKind::SelfPid => {
                    ("a process", "to compare processes, use `Value.same(p, self)`")
                }
                ExprKind::Tuple(_) => ("a tuple", "use `match`, or compare the elements"),
                ExprKind::Array(_) => (
                    "an array",
                    "use `match`, or compare the elements; `xs.length == 0` asks whether it is empty",
                ),
                ExprKind::Object(_) => ("an object", "use `match`, or compare the properties"),
                ExprKind::Function(_) => ("a function", "call it"),
                _ => continue,
            };
            let diag =
                Diag::warning(side.span, format!("{what} is never equal to anything by `==`"));
            return self.report(diag.label("never equal").help(help));
        }
    }

    /// An assignment where a comparison was probably meant.
    pub(super) fn check_condition(&mut self, condition: &Expr<'s>) {
        if let ExprKind::Assign { op: None, .. } = &condition.kind {
            let diag =
                Diag::warning(condition.span, "an assignment as a condition").label("assigns");
            self.report(diag.help("to compare, write `==`"));
        }
        if matches!(condition.kind, ExprKind::Function(_)) {
            let diag = Diag::warning(condition.span, "a function as a condition is always true")
                .label("always true");
            self.report(diag.help("call it"));
        }
    }

    /// Patterns of declarations cannot fail, so literals in them say nothing.
    pub(super) fn check_irrefutable(&mut self, pattern: &Pattern<'s>, place: &str) {
        match &pattern.kind {
            PatternKind::Literal(_) | PatternKind::Or(_) => {
                let what = if matches!(pattern.kind, PatternKind::Or(_)) {
                    "alternatives"
                } else {
                    "a literal"
                };
                let diag =
                    Diag::error(pattern.span, format!("{what} in {place}")).label("may not match");
                self.report(diag.help("take the value with a name, and look at it with `match`"));
            }
            PatternKind::Tuple(items) => {
                items.iter().for_each(|item| self.check_irrefutable(item, place))
            }
            PatternKind::Array { items, .. } => {
                items.iter().for_each(|item| self.check_irrefutable(item, place))
            }
            PatternKind::Object(items) => {
                items.iter().for_each(|(_, item)| self.check_irrefutable(item, place))
            }
            PatternKind::Wildcard | PatternKind::Bind { .. } => {}
        }
    }

    /// Arms that can never be taken, and a match that may find none. `head`: of a match.
    pub(super) fn check_arms(&mut self, arms: &[Arm<'s>], head: Option<Span>) {
        let word = if head.is_some() { "match" } else { "receive" };
        let mut catch_all: Option<Span> = None;
        let mut seen: Vec<(&Pattern<'s>, Span)> = Vec::new();
        for arm in arms {
            if let Some(earlier) = catch_all {
                self.report(
                    Diag::warning(
                        arm.pattern.span,
                        format!("this arm of the `{word}` can't match"),
                    )
                    .label("never taken")
                    .also(earlier, "this arm takes everything")
                    .help("put the arm that takes everything last"),
                );
                break;
            }
            // Few arms are compared, so that long tables of literals stay fast.
            let same =
                seen.iter().rev().take(64).find(|(earlier, _)| covers(earlier, &arm.pattern));
            if let Some((_, earlier)) = same {
                self.report(
                    Diag::warning(
                        arm.pattern.span,
                        format!("this arm of the `{word}` can't match"),
                    )
                    .label("never taken")
                    .also(*earlier, "this arm takes all of it")
                    .help("remove it, or put it in front"),
                );
            }
            if arm.guard.is_none() {
                seen.push((&arm.pattern, arm.pattern.span));
                if takes_everything(&arm.pattern) {
                    catch_all = Some(arm.pattern.span);
                }
            }
        }
        if let Some(head) = head
            && catch_all.is_none()
            && !covers_booleans(arms)
        {
            let diag = Diag::warning(head, "this `match` has no arm for other values")
                .label("may match nothing");
            self.report(diag.help(
                "add an arm `_ => …`; without one, the value is undefined if no arm matches",
            ));
        }
    }

    /// What builtins need to know of their arguments when compiling.
    pub(super) fn check_builtin(&mut self, builtin: Builtin, args: &[Expr<'s>]) {
        let (form, at) = match builtin {
            Builtin::Select => ("select([p, q])", 0),
            Builtin::SelectKill => ("selectKill([p, q])", 0),
            _ => return,
        };
        let Some(list) = args.get(at) else { return };
        if !matches!(list.kind, ExprKind::Array(_) | ExprKind::Error) {
            let diag = Diag::error(list.span, "expected an array literal")
                .label("the number of elements must be known");
            self.report(diag.help(format!("write the elements in brackets: `{form}`")));
        }
    }
}

/// Does the statement never go on behind it? Then why.
fn leaves(stmt: &Stmt<'_>) -> Option<&'static str> {
    match &stmt.kind {
        StmtKind::Return(_) => Some("returns here"),
        StmtKind::Break => Some("leaves the loop here"),
        StmtKind::Continue => Some("goes on with the next round here"),
        StmtKind::Block(block) => block.stmts.last().and_then(leaves),
        StmtKind::If { arms, otherwise: Some(otherwise) } => {
            let all = arms.iter().map(|(_, block)| block).chain([otherwise]);
            let leave =
                |block: &Block<'_>| block.stmts.last().is_some_and(|last| leaves(last).is_some());
            all.into_iter().all(leave).then_some("all ways lead away from here")
        }
        StmtKind::Loop(inner)
            if matches!(inner.condition, None | Some(Expr { kind: ExprKind::Bool(true), .. })) =>
        {
            (!breaks(&inner.body)).then_some("loops for ever")
        }
        _ => None,
    }
}

/// Is there a `break` of this loop in the block?
fn breaks(block: &Block<'_>) -> bool {
    block.stmts.iter().any(statement_breaks)
}

fn statement_breaks(stmt: &Stmt<'_>) -> bool {
    match &stmt.kind {
        StmtKind::Break => true,
        StmtKind::If { arms, otherwise } => {
            arms.iter().any(|(_, block)| breaks(block)) || otherwise.as_ref().is_some_and(breaks)
        }
        StmtKind::Block(block) => breaks(block),
        StmtKind::Expr(expr) | StmtKind::Let { init: Some(expr), .. } => expression_breaks(expr),
        _ => false,
    }
}

fn expression_breaks(expr: &Expr<'_>) -> bool {
    let (arms, after) = match &expr.kind {
        ExprKind::Match(inner) => (&inner.arms, None),
        ExprKind::Receive(inner) => (&inner.arms, inner.after.as_ref()),
        ExprKind::Assign { value, .. } => return expression_breaks(value),
        _ => return false,
    };
    let body = |body: &ArmBody<'_>| match body {
        ArmBody::Block(block) => breaks(block),
        ArmBody::Expr(expr) => expression_breaks(expr),
    };
    arms.iter().any(|arm| body(&arm.body)) || after.is_some_and(|(_, after)| body(after))
}

/// Does the pattern match every value?
pub fn takes_everything(pattern: &Pattern<'_>) -> bool {
    match &pattern.kind {
        PatternKind::Wildcard | PatternKind::Bind { .. } => true,
        PatternKind::Or(items) => items.iter().any(takes_everything),
        _ => false,
    }
}

fn covers_booleans(arms: &[Arm<'_>]) -> bool {
    let has = |wanted: bool| {
        arms.iter().filter(|arm| arm.guard.is_none()).any(|arm| matches!(&arm.pattern.kind, PatternKind::Literal(Expr { kind: ExprKind::Bool(value), .. }) if *value == wanted))
    };
    has(true) && has(false)
}

/// Does `a` match everything that `b` matches, as far as one can tell?
fn covers(a: &Pattern<'_>, b: &Pattern<'_>) -> bool {
    match (&a.kind, &b.kind) {
        (_, PatternKind::Or(items)) => items.iter().all(|item| covers(a, item)),
        (PatternKind::Or(items), _) => items.iter().any(|item| covers(item, b)),
        (PatternKind::Wildcard | PatternKind::Bind { .. }, _) => true,
        (PatternKind::Literal(a), PatternKind::Literal(b)) => same_literal(&a.kind, &b.kind),
        (PatternKind::Tuple(a), PatternKind::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| covers(a, b))
        }
        (
            PatternKind::Array { items: a, rest: None },
            PatternKind::Array { items: b, rest: None },
        ) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| covers(a, b)),
        _ => false,
    }
}

fn same_literal(a: &ExprKind<'_>, b: &ExprKind<'_>) -> bool {
    match (a, b) {
        (ExprKind::Number(a), ExprKind::Number(b))
        | (ExprKind::Imaginary(a), ExprKind::Imaginary(b)) => a == b,
        (ExprKind::Str(a), ExprKind::Str(b)) | (ExprKind::Atom(a), ExprKind::Atom(b)) => a == b,
        (ExprKind::Bool(a), ExprKind::Bool(b)) => a == b,
        (ExprKind::Unit, ExprKind::Unit) | (ExprKind::Undefined, ExprKind::Undefined) => true,
        _ => false,
    }
}
