//! Statements, blocks, functions.

use super::*;

impl<'s> Parser<'s> {
    /// `{ statements }`.
    pub(super) fn block(&mut self, what: &str) -> Parsed<Block<'s>> {
        let open = match self.kind() {
            Tok::LBrace => self.bump().span,
            _ => return Err(self.expected(&format!("`{{` and {what}"))),
        };
        let before = std::mem::replace(&mut self.no_arrow, false);
        let block = self.nested(|parser| {
            let mut stmts = Vec::new();
            while !matches!(parser.kind(), Tok::RBrace | Tok::Eof) {
                let before = parser.at;
                match parser.statement() {
                    Ok(Stmt { kind: StmtKind::Empty, .. }) => {}
                    Ok(stmt) => stmts.push(stmt),
                    Err(Reported) => {
                        parser.recover(before);
                        let token = parser.token();
                        // A declaration at the left margin: the block was probably not closed.
                        if matches!(token.kind, Tok::Function | Tok::Import | Tok::Export)
                            && parser.column_is_first(token)
                        {
                            return Ok(Block { stmts, span: open.to(parser.last()) });
                        }
                    }
                }
            }
            let end = parser.close(Tok::RBrace, open, "behind the statements")?;
            Ok(Block { stmts, span: open.to(end) })
        });
        self.no_arrow = before;
        block
    }

    /// A block, or one statement without braces.
    fn body(&mut self, what: &str) -> Parsed<Block<'s>> {
        if self.kind() == Tok::LBrace {
            return self.block(what);
        }
        if self.kind() == Tok::Semi {
            let span = self.bump().span;
            let diag =
                Diag::error(span, "`;` ends the statement before its body").label("empty body");
            return Err(self.report(diag.help("remove the `;`, or write `{}` for an empty body")));
        }
        let stmt = self.nested(Self::statement)?;
        let span = stmt.span;
        Ok(Block { stmts: vec![stmt], span })
    }

    pub(super) fn statement(&mut self) -> Parsed<Stmt<'s>> {
        let token = self.token();
        let start = token.span;
        let kind = match token.kind {
            Tok::Semi => {
                self.bump();
                StmtKind::Empty
            }
            Tok::Const | Tok::Let => return self.declaration(),
            Tok::Function if self.peek(1).kind == Tok::Ident => {
                let function = Box::new(self.function_declaration()?);
                StmtKind::Function { var: self.fresh(), function }
            }
            Tok::If => self.if_statement()?,
            Tok::While => {
                let condition = Some(self.condition("while")?);
                let body = self.body("the body of the loop")?;
                let (init, update, fresh) = (None, None, Vec::new());
                StmtKind::Loop(Box::new(Loop {
                    init,
                    condition,
                    update,
                    body,
                    receives: false,
                    fresh,
                }))
            }
            Tok::For => self.for_statement()?,
            Tok::Return | Tok::Break | Tok::Continue => {
                let stmt = self.jump_statement()?;
                self.end_of_statement()?;
                return Ok(stmt);
            }
            Tok::LBrace => StmtKind::Block(self.nested(|parser| parser.block("statements"))?),
            Tok::Else => {
                self.bump();
                let diag = Diag::error(start, "`else` without an `if`").label("belongs to nothing");
                return Err(
                    self.report(diag.help("look for a `;` or a `}` too many in front of it"))
                );
            }
            Tok::Import => {
                let diag =
                    Diag::error(start, "`import` stands outside functions").label("not here");
                return Err(self.report(diag.help("move it to the top of the file")));
            }
            Tok::Match | Tok::Receive => {
                let expr = self.expr()?;
                // It ends with a brace, like other statements.
                if self.kind() == Tok::Semi || !self.text[..self.last().end as usize].ends_with('}')
                {
                    self.end_of_statement()?;
                }
                StmtKind::Expr(expr)
            }
            _ => {
                let expr = self.expr()?;
                self.end_of_statement()?;
                StmtKind::Expr(expr)
            }
        };
        Ok(Stmt { kind, span: start.to(self.last()) })
    }

    pub(super) fn jump_statement(&mut self) -> Parsed<Stmt<'s>> {
        let token = self.bump();
        let kind = match token.kind {
            Tok::Break => StmtKind::Break,
            Tok::Continue => StmtKind::Continue,
            _ => {
                let next = self.token();
                let bare = next.newline
                    || matches!(next.kind, Tok::Semi | Tok::RBrace | Tok::Comma | Tok::Eof);
                StmtKind::Return(if bare { None } else { Some(self.expr()?) })
            }
        };
        if matches!(kind, StmtKind::Break | StmtKind::Continue)
            && self.kind() == Tok::Ident
            && !self.token().newline
        {
            let span = self.token().span;
            let diag = Diag::error(span, "there are no labels").label("label");
            return Err(
                self.report(diag.help("put the loops into a function of their own and `return`"))
            );
        }
        Ok(Stmt { kind, span: token.span.to(self.last()) })
    }

    fn declaration(&mut self) -> Parsed<Stmt<'s>> {
        let keyword = self.bump();
        let mut all = Vec::new();
        loop {
            let start = self.token().span;
            let pattern = self.declared()?;
            let init = if self.eat(Tok::Assign) { Some(self.expr()?) } else { None };
            if init.is_none() {
                let (is_const, taken) =
                    (keyword.kind == Tok::Const, !matches!(pattern.kind, PatternKind::Bind { .. }));
                if is_const || taken {
                    let what =
                        if is_const { "a constant needs a value" } else { "nothing to take apart" };
                    let diag = Diag::error(pattern.span, what).label("no value");
                    self.report(diag.help("add `= value`, or use `let` with a name for something that gets its value later"));
                }
            }
            let span = start.to(self.last());
            let kind = StmtKind::Let { pattern, init, constant: keyword.kind == Tok::Const };
            all.push(Stmt { kind, span });
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.end_of_statement()?;
        let span = keyword.span.to(self.last());
        match all.pop() {
            Some(only) if all.is_empty() => Ok(Stmt { span, ..only }),
            Some(last) => {
                all.push(last);
                Ok(Stmt { kind: StmtKind::Several(all), span })
            }
            None => Err(self.expected("a name")),
        }
    }

    /// What `const` and `let` declare: a name, or a pattern without literals.
    fn declared(&mut self) -> Parsed<Pattern<'s>> {
        match self.kind() {
            Tok::LParen | Tok::LBracket | Tok::LBrace => self.pattern(),
            Tok::Underscore | Tok::Ident => self.bind_or_wildcard(),
            _ => {
                let name = self.name("a name to declare")?;
                Ok(Pattern { kind: PatternKind::Wildcard, span: name.span })
            }
        }
    }

    fn condition(&mut self, what: &str) -> Parsed<Expr<'s>> {
        self.bump();
        if self.kind() != Tok::LParen {
            return Err(self.expected(&format!("`(` and a condition behind `{what}`")));
        }
        let open = self.bump().span;
        let condition = self.expr()?;
        self.close(Tok::RParen, open, "behind the condition")?;
        Ok(condition)
    }

    fn if_statement(&mut self) -> Parsed<StmtKind<'s>> {
        let mut arms = Vec::new();
        loop {
            let condition = self.condition("if")?;
            arms.push((condition, self.body("what to do if the condition holds")?));
            if !self.eat(Tok::Else) {
                return Ok(StmtKind::If { arms, otherwise: None });
            }
            if self.kind() != Tok::If {
                let otherwise = Some(self.body("what to do otherwise")?);
                return Ok(StmtKind::If { arms, otherwise });
            }
        }
    }

    fn for_statement(&mut self) -> Parsed<StmtKind<'s>> {
        self.bump();
        let open = self.expect(Tok::LParen, "`(` behind `for`")?;
        if matches!(self.kind(), Tok::Const | Tok::Let) {
            let before = (self.at, self.vars, self.diags.len());
            let constant = self.bump().kind == Tok::Const;
            if let Ok(pattern) = self.declared()
                && self.word_is("of")
            {
                self.bump();
                let over = self.expr()?;
                self.close(Tok::RParen, open, "behind what the loop goes through")?;
                let body = self.body("the body of the loop")?;
                return Ok(StmtKind::ForOf(Box::new(ForOf {
                    pattern,
                    constant,
                    over,
                    body,
                    receives: false,
                })));
            }
            if self.word_is("in") {
                let diag =
                    Diag::error(self.token().span, "there is no `for … in`").label("not `in`");
                return Err(self.report(diag.help(
                    "write `for (const x of xs)`; for the keys of an object, `of Object.keys(o)`",
                )));
            }
            (self.at, self.vars) = (before.0, before.1);
            self.diags.truncate(before.2);
        }
        let init = match self.kind() {
            Tok::Semi => {
                self.bump();
                None
            }
            Tok::Const | Tok::Let => Some(self.declaration()?),
            _ => {
                let expr = self.expr()?;
                let span = expr.span;
                self.expect(Tok::Semi, "`;` behind the start of the loop")?;
                Some(Stmt { kind: StmtKind::Expr(expr), span })
            }
        };
        let condition = if self.kind() == Tok::Semi { None } else { Some(self.expr()?) };
        self.expect(Tok::Semi, "`;` behind the condition of the loop")?;
        let update = if self.kind() == Tok::RParen { None } else { Some(self.expr()?) };
        self.close(Tok::RParen, open, "behind the head of the loop")?;
        let body = self.body("the body of the loop")?;
        Ok(StmtKind::Loop(Box::new(Loop {
            init,
            condition,
            update,
            body,
            receives: false,
            fresh: Vec::new(),
        })))
    }

    /// `function name(…) {…}`.
    pub(super) fn function_declaration(&mut self) -> Parsed<Function<'s>> {
        self.nested(Self::function_expression)
    }

    pub(super) fn function_expression(&mut self) -> Parsed<Function<'s>> {
        let start = self.bump().span;
        let name = if self.kind() == Tok::Ident { Some(self.name("a name")?) } else { None };
        if self.kind() != Tok::LParen {
            return Err(self.expected("`(` and the parameters of the function"));
        }
        let params = self.params()?;
        let head = start.to(self.last());
        let body = Body::Block(self.block("the body of the function")?);
        let span = start.to(self.last());
        let kind = FunctionKind::Plain;
        Ok(Function { name, kind, params, body, head, span, captures: Vec::new(), this_var: None })
    }

    pub(super) fn params(&mut self) -> Parsed<Vec<Param<'s>>> {
        let open = self.bump().span;
        let before = std::mem::replace(&mut self.no_arrow, false);
        let mut params = Vec::new();
        while self.kind() != Tok::RParen {
            if self.kind() == Tok::Ellipsis {
                let diag = Diag::error(self.token().span, "functions have no rest parameters")
                    .label("not here");
                return Err(self.report(diag.help("take an array")));
            }
            let pattern = match self.kind() {
                Tok::LParen | Tok::LBracket | Tok::LBrace => self.pattern()?,
                Tok::Ident | Tok::Underscore => self.bind_or_wildcard()?,
                _ => return Err(self.expected("the name of a parameter")),
            };
            let default = if self.eat(Tok::Assign) { Some(self.expr()?) } else { None };
            params.push(Param { pattern, default });
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.no_arrow = before;
        self.close(Tok::RParen, open, "behind the parameters")?;
        Ok(params)
    }
}
