//! What names mean, which variables closures capture, and what looks wrong about both.
//!
//! The resolver walks a module once and fills in the tree. A captured variable that is assigned, or
//! captured before it has its value, is *boxed*: it lives in an object that all share. A function
//! that captures nothing (or only itself) is *static*: it is no closure at all.

use super::ast::*;
use super::builtin::{BUILTINS, Builtin, CONSTANTS, Natives, SHORT, constant};
use super::diag::{Diag, near_help};
use super::source::Span;
use rustc_hash::FxHashMap;

mod check;
mod names;

pub use names::{Globals, class_of_path, index};

/// What is known about a variable.
#[derive(Clone, Debug, Default)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// Number of the function that declares it.
    pub owner: u32,
    /// Is it declared in a loop of that function?
    pub in_loop: bool,
    /// Does another function use it?
    pub captured: bool,
    /// Is it assigned after its declaration?
    pub assigned: bool,
    /// Is it captured before it has its value?
    pub early: bool,
    /// Does anything read it?
    pub used: bool,
    /// Its declaration has been passed.
    ready: bool,
    /// May not be assigned; what to call it.
    constant: Option<&'static str>,
    /// Does it hold a function that needs no closure?
    pub is_static: bool,
    /// No warning if it is not used.
    quiet: bool,
    /// Is it of an earlier input of a session?
    earlier: bool,
}

impl Var {
    /// Does it live in an object that closures share?
    pub fn is_boxed(&self) -> bool {
        self.captured && !self.is_static && (self.assigned || self.early)
    }
}

/// What is known about a module after resolving it.
#[derive(Debug, Default)]
pub struct Resolved {
    /// All variables by number.
    pub vars: Vec<Var>,
    /// Errors and warnings.
    pub diags: Vec<Diag>,
}

struct Frame {
    kind: FunctionKind,
    captures: Vec<VarId>,
    loop_depth: u32,
    this: Option<VarId>,
    /// `receive`s seen so far.
    receives: u32,
    /// Calls of `break` and `continue` are allowed at this loop depth.
    number: u32,
}

struct Resolver<'a, 's> {
    globals: &'a Globals<'s>,
    natives: &'a Natives,
    class: u32,
    out: Resolved,
    frames: Vec<Frame>,
    /// Declared names: the innermost last.
    names: FxHashMap<&'s str, Vec<VarId>>,
    /// Names in order of declaration, to be taken back at the end of a scope.
    declared: Vec<&'s str>,
    functions: u32,
    /// Are names of a pattern of an arm being declared?
    in_arm: bool,
    used_imports: rustc_hash::FxHashSet<&'s str>,
    input: Option<InputNames<'a, 's>>,
}

/// What an input of a session has to do with others.
#[derive(Clone, Copy, Debug)]
pub struct InputNames<'a, 's> {
    /// Variables of earlier ones.
    pub earlier: &'a [Earlier<'s>],
    /// Its variables that later ones see.
    pub exported: &'a [VarId],
}

/// A variable of an earlier input of a session.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'s> {
    /// Its name.
    pub name: &'s str,
    /// May not be assigned; what to call it.
    pub constant: Option<&'static str>,
}

/// Resolves the module of class number `class`.
pub fn resolve<'s>(
    module: &mut Module<'s>,
    class: u32,
    globals: &Globals<'s>,
    natives: &Natives,
) -> Resolved {
    resolve_input(module, class, globals, natives, None)
}

/// As [`resolve`], for an input of a session. Variables of earlier ones are numbered from the end of the
/// module's own on.
pub fn resolve_input<'s>(
    module: &mut Module<'s>,
    class: u32,
    globals: &Globals<'s>,
    natives: &Natives,
    input: Option<InputNames<'_, 's>>,
) -> Resolved {
    let mut resolver = Resolver {
        globals,
        natives,
        class,
        out: Resolved { vars: vec![Var::default(); module.vars as usize], diags: Vec::new() },
        frames: Vec::new(),
        names: FxHashMap::default(),
        declared: Vec::new(),
        functions: 0,
        in_arm: false,
        used_imports: Default::default(),
        input,
    };
    for known in input.map_or(&[][..], |input| input.earlier) {
        let id = resolver.out.vars.len() as VarId;
        // It lives in an object that all inputs share.
        resolver.out.vars.push(Var {
            name: known.name.to_owned(),
            constant: known.constant,
            assigned: true,
            used: true,
            ready: true,
            quiet: true,
            earlier: true,
            ..Var::default()
        });
        resolver.names.entry(known.name).or_default().push(id);
    }
    resolver.check_items(module);
    for function in &mut module.functions {
        resolver.function(function);
    }
    for constant in &mut module.constants {
        resolver.function(&mut constant.init);
    }
    resolver.check_imports(module);
    resolver.check_unused();
    resolver.out
}

impl<'s> Resolver<'_, 's> {
    fn report(&mut self, diag: Diag) {
        self.out.diags.push(diag);
    }

    fn var(&mut self, id: VarId) -> &mut Var {
        &mut self.out.vars[id as usize]
    }

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    // Scopes.

    fn scope<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let mark = self.declared.len();
        let result = inside(self);
        for name in self.declared.drain(mark..) {
            if let Some(list) = self.names.get_mut(name) {
                list.pop();
            }
        }
        result
    }

    fn declare(
        &mut self,
        name: &'s str,
        id: VarId,
        span: Span,
        constant: Option<&'static str>,
        scope_start: usize,
    ) {
        let double = self.declared_since(name, scope_start);
        if let Some(first) = double {
            self.duplicate(name, span, first);
        }
        let frame = self.frame();
        let (owner, in_loop) = (frame.number, frame.loop_depth > 0);
        let exported = self.input.is_some_and(|input| input.exported.contains(&id));
        let quiet = name.starts_with('_') || exported;
        if let Some(&outer) = self.names.get(name).and_then(|list| list.last())
            && !quiet
            && double.is_none()
            && self.out.vars[outer as usize].ready
            && !self.out.vars[outer as usize].earlier
        {
            let outer = self.out.vars[outer as usize].span;
            self.report(
                Diag::warning(span, format!("`{name}` hides a variable of the same name"))
                    .label("declared again")
                    .also(outer, "the hidden one")
                    .help("rename one of them"),
            );
        }
        // A later input may assign it.
        let assigned = exported && constant.is_none();
        let name_text = name.to_owned();
        *self.var(id) = Var {
            name: name_text,
            span,
            owner,
            in_loop,
            constant,
            quiet,
            assigned,
            used: exported,
            ..Var::default()
        };
        self.names.entry(name).or_default().push(id);
        self.declared.push(name);
    }

    /// Declares the names of a pattern. `scope_start`: where its own scope begins, to find doubles.
    fn declare_pattern(
        &mut self,
        pattern: &mut Pattern<'s>,
        scope_start: usize,
        constant: Option<&'static str>,
    ) {
        match &mut pattern.kind {
            PatternKind::Bind { name, var } => {
                let (name, var) = (*name, *var);
                self.declare(name, var, pattern.span, constant, scope_start);
            }
            PatternKind::Tuple(items) => {
                items.iter_mut().for_each(|item| self.declare_pattern(item, scope_start, constant));
            }
            PatternKind::Array { items, rest } => {
                for item in items.iter_mut().chain(rest.as_deref_mut()) {
                    self.declare_pattern(item, scope_start, constant);
                }
            }
            PatternKind::Object(items) => {
                items
                    .iter_mut()
                    .for_each(|(_, item)| self.declare_pattern(item, scope_start, constant));
            }
            PatternKind::Or(items) => self.declare_alternatives(items, scope_start, constant),
            PatternKind::Wildcard | PatternKind::Literal(_) => {}
        }
    }

    /// All alternatives bind the same names: the variables of the first.
    fn declare_alternatives(
        &mut self,
        items: &mut [Pattern<'s>],
        scope_start: usize,
        constant: Option<&'static str>,
    ) {
        let Some((first, others)) = items.split_first_mut() else { return };
        let mark = self.declared.len();
        self.declare_pattern(first, scope_start, constant);
        let names: Vec<(&'s str, VarId)> = self.declared[mark..]
            .iter()
            .map(|name| {
                (*name, self.names.get(name).and_then(|list| list.last()).copied().unwrap_or(0))
            })
            .collect();
        for other in others {
            let mut found = Vec::new();
            self.share_names(other, &names, &mut found);
            if let Some((missing, _)) = names.iter().find(|(name, _)| !found.contains(name)) {
                self.report(
                    Diag::error(other.span, format!("this alternative does not bind `{missing}`"))
                        .label(format!("no `{missing}` here"))
                        .also(first.span, "the first alternative does")
                        .help("bind the same names in all alternatives, or write two arms"),
                );
            }
        }
    }

    fn share_names(
        &mut self,
        pattern: &mut Pattern<'s>,
        names: &[(&'s str, VarId)],
        found: &mut Vec<&'s str>,
    ) {
        match &mut pattern.kind {
            PatternKind::Bind { name, var } => {
                match names.iter().find(|(known, _)| known == name) {
                    Some((_, shared)) => {
                        *var = *shared;
                        found.push(name);
                    }
                    None => {
                        let message = format!("`{name}` is bound in this alternative only");
                        let diag = Diag::error(pattern.span, message).label("not in the others");
                        self.report(
                            diag.help("bind the same names in all alternatives, or write two arms"),
                        );
                    }
                }
            }
            PatternKind::Tuple(items) | PatternKind::Or(items) => {
                items.iter_mut().for_each(|item| self.share_names(item, names, found));
            }
            PatternKind::Array { items, rest } => {
                for item in items.iter_mut().chain(rest.as_deref_mut()) {
                    self.share_names(item, names, found);
                }
            }
            PatternKind::Object(items) => {
                items.iter_mut().for_each(|(_, item)| self.share_names(item, names, found));
            }
            PatternKind::Wildcard | PatternKind::Literal(_) => {}
        }
    }

    fn declared_since(&self, name: &str, start: usize) -> Option<Span> {
        self.declared.get(start..)?.contains(&name).then(|| {
            let id = self.names.get(name).and_then(|list| list.last()).copied().unwrap_or(0);
            self.out.vars[id as usize].span
        })
    }

    fn duplicate(&mut self, name: &str, span: Span, first: Span) {
        self.report(
            Diag::error(span, format!("`{name}` is declared twice in one place"))
                .label("again")
                .also(first, "first here")
                .help(match self.in_arm {
                    true => "rename one of them, and compare them in a guard: `(a, b) if a == b`",
                    false => "rename one of them",
                }),
        );
    }

    /// The variables of a pattern have their values from here on.
    fn ready(&mut self, pattern: &Pattern<'s>) {
        for_each_var(pattern, &mut |id| self.out.vars[id as usize].ready = true);
    }

    // Functions.

    fn function(&mut self, function: &mut Function<'s>) {
        self.functions += 1;
        let number = self.functions;
        self.frames.push(Frame {
            kind: function.kind,
            captures: Vec::new(),
            loop_depth: 0,
            this: None,
            receives: 0,
            number,
        });
        self.scope(|this| {
            let start = this.declared.len();
            for param in &mut function.params {
                if let Some(default) = &mut param.default {
                    this.expr(default);
                }
                this.check_irrefutable(&param.pattern, "a parameter");
                this.declare_pattern(&mut param.pattern, start, None);
                for_each_var(&param.pattern, &mut |id| this.out.vars[id as usize].quiet = true);
                this.ready(&param.pattern);
            }
            match &mut function.body {
                // Parameters and the names of the body share a scope.
                Body::Block(block) => this.statements(&mut block.stmts, start),
                Body::Expr(expr) => this.expr(expr),
            }
        });
        if let Some(frame) = self.frames.pop() {
            function.captures = frame.captures;
            function.this_var = frame.this;
        }
    }

    fn block(&mut self, block: &mut Block<'s>) {
        self.scope(|this| {
            let start = this.declared.len();
            this.statements(&mut block.stmts, start);
        });
    }

    /// Statements of one scope: names are known in all of it, from its start on.
    fn statements(&mut self, stmts: &mut [Stmt<'s>], scope_start: usize) {
        for stmt in stmts.iter_mut() {
            self.declare_statement(stmt, scope_start);
        }
        for stmt in stmts.iter_mut() {
            self.statement(stmt);
        }
        self.check_unreachable(stmts);
    }

    /// As [`Resolver::statements`]; an expression at the end is a value.
    fn statements_with_value(&mut self, stmts: &mut [Stmt<'s>], scope_start: usize) {
        for stmt in stmts.iter_mut() {
            self.declare_statement(stmt, scope_start);
        }
        let last = stmts.len().saturating_sub(1);
        for (i, stmt) in stmts.iter_mut().enumerate() {
            match &mut stmt.kind {
                StmtKind::Expr(value) if i == last => self.expr(value),
                _ => self.statement(stmt),
            }
        }
        self.check_unreachable(stmts);
    }

    fn declare_statement(&mut self, stmt: &mut Stmt<'s>, scope_start: usize) {
        match &mut stmt.kind {
            StmtKind::Let { pattern, constant, .. } => {
                let constant = constant.then_some("a constant");
                self.declare_pattern(pattern, scope_start, constant);
            }
            StmtKind::Function { var, function } => {
                let Some(name) = function.name else { return };
                self.declare(name.text, *var, name.span, Some("a function"), scope_start);
            }
            StmtKind::Several(all) => {
                all.iter_mut().for_each(|stmt| self.declare_statement(stmt, scope_start));
            }
            _ => {}
        }
    }

    fn statement(&mut self, stmt: &mut Stmt<'s>) {
        match &mut stmt.kind {
            StmtKind::Expr(expr) => {
                self.expr(expr);
                self.check_effect(expr);
            }
            StmtKind::Let { pattern, init, constant } => {
                if let Some(init) = init {
                    self.named_function(pattern, *constant, init);
                }
                self.check_irrefutable(pattern, "a declaration");
                self.ready(pattern);
            }
            StmtKind::Function { var, function } => {
                self.function(function);
                self.finish_static(*var, &mut function.captures);
                self.var(*var).ready = true;
                self.capture_chain(&function.captures);
            }
            StmtKind::If { arms, otherwise } => {
                for (condition, block) in arms {
                    self.expr(condition);
                    self.check_condition(condition);
                    self.block(block);
                }
                if let Some(block) = otherwise {
                    self.block(block);
                }
            }
            StmtKind::Loop(inner) => self.loop_statement(inner),
            StmtKind::ForOf(inner) => {
                self.expr(&mut inner.over);
                let before = self.frame().receives;
                self.frame().loop_depth += 1;
                self.scope(|this| {
                    let start = this.declared.len();
                    let constant = inner.constant.then_some("a constant");
                    this.declare_pattern(&mut inner.pattern, start, constant);
                    this.check_irrefutable(&inner.pattern, "a loop");
                    this.ready(&inner.pattern);
                    this.block(&mut inner.body);
                });
                self.frame().loop_depth -= 1;
                inner.receives = self.frame().receives != before;
            }
            StmtKind::Block(block) => self.block(block),
            StmtKind::Return(Some(value)) => self.expr(value),
            StmtKind::Break | StmtKind::Continue => {
                if self.frame().loop_depth == 0 {
                    let word =
                        if matches!(stmt.kind, StmtKind::Break) { "break" } else { "continue" };
                    let diag = Diag::error(stmt.span, format!("`{word}` outside a loop"))
                        .label("no loop around it");
                    self.report(diag.help("to leave the function, write `return`"));
                }
            }
            StmtKind::Several(all) => all.iter_mut().for_each(|stmt| self.statement(stmt)),
            StmtKind::Return(None) | StmtKind::Empty => {}
        }
    }

    /// The value of a declaration; `const f = (n) => f(n - 1)` may be a static function.
    fn named_function(&mut self, pattern: &Pattern<'s>, constant: bool, init: &mut Expr<'s>) {
        match (&pattern.kind, &mut init.kind) {
            (PatternKind::Bind { var, .. }, ExprKind::Function(function)) if constant => {
                self.function(function);
                self.finish_static(*var, &mut function.captures);
                self.capture_chain(&function.captures);
            }
            _ => self.expr(init),
        }
    }

    /// A function that captures nothing but itself needs no closure.
    fn finish_static(&mut self, var: VarId, captures: &mut Vec<VarId>) {
        if captures
            .iter()
            .all(|captured| *captured == var || self.out.vars[*captured as usize].is_static)
        {
            captures.clear();
            self.var(var).is_static = true;
        }
    }

    fn loop_statement(&mut self, inner: &mut Loop<'s>) {
        let before = self.frame().receives;
        self.frame().loop_depth += 1;
        self.scope(|this| {
            let start = this.declared.len();
            if let Some(init) = &mut inner.init {
                this.declare_statement(init, start);
                this.statement(init);
            }
            if let Some(condition) = &mut inner.condition {
                this.expr(condition);
                this.check_condition(condition);
            }
            if let Some(update) = &mut inner.update {
                this.expr(update);
                this.check_effect(update);
            }
            this.block(&mut inner.body);
        });
        self.frame().loop_depth -= 1;
        inner.receives = self.frame().receives != before;
        let mut fresh = Vec::new();
        let mut collect = |stmt: &Stmt<'s>| {
            if let StmtKind::Let { pattern, .. } = &stmt.kind {
                for_each_var(pattern, &mut |id| fresh.push(id));
            }
        };
        match &inner.init {
            Some(Stmt { kind: StmtKind::Several(all), .. }) => all.iter().for_each(&mut collect),
            Some(stmt) => collect(stmt),
            None => {}
        }
        fresh.retain(|id| self.out.vars[*id as usize].is_boxed());
        inner.fresh = fresh;
    }

    // Expressions.

    fn expr(&mut self, expr: &mut Expr<'s>) {
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Name { name, res } => {
                *res = self.name(name, span);
                if let Res::Builtin(_) = res {
                    let message = format!("`{name}` can only be called");
                    let diag = Diag::error(span, message).label("used as a value");
                    let help = format!("wrap it in a function: `(x) => {name}(x)`");
                    self.report(diag.help(help));
                }
            }
            ExprKind::This(var) => *var = self.this(),
            ExprKind::Template(parts) => {
                for part in parts {
                    if let TemplatePart::Expr(expr) = part {
                        self.expr(expr);
                    }
                }
            }
            ExprKind::Tuple(items) | ExprKind::Array(items) => {
                items.iter_mut().for_each(|item| self.expr(item))
            }
            ExprKind::Object(props) => self.object(props),
            ExprKind::Not(operand) | ExprKind::Negate(operand) => self.expr(operand),
            ExprKind::Binary(op, a, b) => {
                self.expr(a);
                self.expr(b);
                self.check_comparison(*op, a, b);
            }
            ExprKind::Logic(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Chain(first, links) => {
                self.expr(first);
                links.iter_mut().for_each(|link| self.expr(&mut link.right));
            }
            ExprKind::Ternary(condition, yes, no) => {
                self.expr(condition);
                self.check_condition(condition);
                self.expr(yes);
                self.expr(no);
            }
            ExprKind::Call { .. } => self.call(expr),
            ExprKind::Member { .. } => self.member(expr),
            ExprKind::Index { object, index } => {
                self.expr(object);
                self.expr(index);
            }
            ExprKind::Function(function) => {
                self.function(function);
                self.capture_chain(&function.captures);
            }
            ExprKind::Match(inner) => {
                self.expr(&mut inner.value);
                self.arms(&mut inner.arms);
                self.check_arms(&inner.arms, Some(inner.head));
            }
            ExprKind::Receive(inner) => {
                self.frame().receives += 1;
                self.arms(&mut inner.arms);
                self.check_arms(&inner.arms, None);
                if let Some((time, body)) = &mut inner.after {
                    self.expr(time);
                    self.arm_body(body);
                }
            }
            ExprKind::Assign { target, value, op } => {
                let compound = op.is_some();
                self.expr(value);
                self.assign(target, compound);
            }
            ExprKind::Update { target, .. } => self.assign(target, true),
            _ => {}
        }
    }

    fn object(&mut self, props: &mut [Prop<'s>]) {
        let mut keys: FxHashMap<String, Span> = FxHashMap::default();
        for prop in props {
            match &mut prop.key {
                PropKey::Computed(key) => self.expr(key),
                PropKey::Name(key) => {
                    if let Some(first) = keys.insert(key.to_string(), prop.key_span) {
                        self.report(
                            Diag::error(
                                prop.key_span,
                                format!("property `{key}` is written twice"),
                            )
                            .label("again")
                            .also(first, "first here")
                            .help("remove one of them"),
                        );
                    }
                }
            }
            self.expr(&mut prop.value);
        }
    }

    fn arms(&mut self, arms: &mut [Arm<'s>]) {
        for arm in arms {
            self.scope(|this| {
                let start = this.declared.len();
                this.in_arm = true;
                this.declare_pattern(&mut arm.pattern, start, None);
                this.in_arm = false;
                this.ready(&arm.pattern);
                if let Some(guard) = &mut arm.guard {
                    this.expr(guard);
                    this.check_condition(guard);
                }
                this.arm_body(&mut arm.body);
            });
        }
    }

    fn arm_body(&mut self, body: &mut ArmBody<'s>) {
        match body {
            ArmBody::Expr(expr) => self.expr(expr),
            // The value of its last statement is that of the arm.
            ArmBody::Block(block) => self.scope(|this| {
                let start = this.declared.len();
                this.statements_with_value(&mut block.stmts, start);
            }),
        }
    }

    /// The variable of `this` in an arrow function; none where `this` is the function's own.
    fn this(&mut self) -> Option<VarId> {
        if self.frame().kind != FunctionKind::Arrow {
            return None;
        }
        let owner = self.frames.iter().rposition(|frame| frame.kind != FunctionKind::Arrow)?;
        let id = match self.frames[owner].this {
            Some(id) => id,
            None => {
                let id = self.out.vars.len() as VarId;
                let number = self.frames[owner].number;
                let var = Var {
                    name: "this".to_owned(),
                    owner: number,
                    ready: true,
                    quiet: true,
                    ..Var::default()
                };
                self.out.vars.push(var);
                self.frames[owner].this = Some(id);
                id
            }
        };
        self.capture(id);
        Some(id)
    }

    /// Marks a variable as used here, and captures it if it belongs to a function around this one.
    fn capture(&mut self, id: VarId) {
        let number = self.frame().number;
        let var = self.var(id);
        var.used = true;
        if var.owner == number || var.is_static {
            return;
        }
        var.captured = true;
        if !self.frame().captures.contains(&id) {
            self.frame().captures.push(id);
        }
    }

    /// What a nested function captures from further out, this function must capture as well.
    fn capture_chain(&mut self, captures: &[VarId]) {
        for id in captures {
            let used = self.out.vars[*id as usize].used;
            self.capture(*id);
            self.var(*id).used = used;
        }
    }

    fn local(&mut self, name: &'s str, span: Span) -> Option<VarId> {
        let id = *self.names.get(name)?.last()?;
        let number = self.frame().number;
        let var = &self.out.vars[id as usize];
        if !var.ready {
            if var.owner == number {
                let (declared, name) = (var.span, var.name.clone());
                self.report(
                    Diag::error(span, format!("`{name}` is used before it is declared"))
                        .label("has no value yet")
                        .also(declared, "declared here")
                        .help("move the declaration up"),
                );
            } else {
                self.var(id).early = true;
            }
        }
        Some(id)
    }
}

/// Calls `f` with each variable of a pattern.
pub fn for_each_var(pattern: &Pattern<'_>, f: &mut dyn FnMut(VarId)) {
    match &pattern.kind {
        PatternKind::Bind { var, .. } => f(*var),
        PatternKind::Tuple(items) => items.iter().for_each(|item| for_each_var(item, f)),
        // All alternatives have the variables of the first.
        PatternKind::Or(items) => items.iter().take(1).for_each(|item| for_each_var(item, f)),
        PatternKind::Array { items, rest } => {
            items.iter().chain(rest.as_deref()).for_each(|item| for_each_var(item, f));
        }
        PatternKind::Object(items) => items.iter().for_each(|(_, item)| for_each_var(item, f)),
        PatternKind::Wildcard | PatternKind::Literal(_) => {}
    }
}
