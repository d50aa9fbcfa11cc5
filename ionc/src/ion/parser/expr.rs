//! Expressions.

use super::*;
use crate::ion::diag::Diag;

/// Binding strength of a binary operator, and which it is.
fn infix(kind: Tok) -> Option<(u8, Infix)> {
    use BinaryOp::*;
    use Infix::{Binary, Logic};
    Some(match kind {
        Tok::Coalesce => (1, Logic(LogicOp::Coalesce)),
        Tok::OrOr => (2, Logic(LogicOp::Or)),
        Tok::AndAnd => (3, Logic(LogicOp::And)),
        Tok::EqEq => (4, Binary(Eq)),
        Tok::NotEq => (4, Binary(Ne)),
        Tok::Lt => (5, Binary(Lt)),
        Tok::Le => (5, Binary(Le)),
        Tok::Gt => (5, Binary(Gt)),
        Tok::Ge => (5, Binary(Ge)),
        Tok::Plus => (6, Binary(Add)),
        Tok::Minus => (6, Binary(Sub)),
        Tok::Star => (7, Binary(Mul)),
        Tok::Slash => (7, Binary(Div)),
        Tok::Percent => (7, Binary(Rem)),
        Tok::StarStar => (9, Binary(Pow)),
        _ => return None,
    })
}

/// Most operators in a row that become a tree; those behind them become a chain.
const MAX_ROW: u32 = 32;

impl<'s> Parser<'s> {
    /// An expression.
    pub(super) fn expr(&mut self) -> Parsed<Expr<'s>> {
        self.nested(Self::assignment)
    }

    /// An expression in brackets: arrows inside are nobody else's.
    fn inner_expr(&mut self) -> Parsed<Expr<'s>> {
        let before = std::mem::replace(&mut self.no_arrow, false);
        let result = self.expr();
        self.no_arrow = before;
        result
    }

    /// An expression in front of `=>`.
    pub(super) fn expr_before_arrow(&mut self) -> Parsed<Expr<'s>> {
        let before = std::mem::replace(&mut self.no_arrow, true);
        let result = self.expr();
        self.no_arrow = before;
        result
    }

    fn assignment(&mut self) -> Parsed<Expr<'s>> {
        let target = self.ternary()?;
        let op = match self.kind() {
            Tok::Assign => None,
            Tok::PlusAssign => Some(BinaryOp::Add),
            Tok::MinusAssign => Some(BinaryOp::Sub),
            Tok::StarAssign => Some(BinaryOp::Mul),
            Tok::SlashAssign => Some(BinaryOp::Div),
            _ => return Ok(target),
        };
        let sign = self.bump().span;
        self.check_target(&target, sign);
        let value = self.expr()?;
        let span = target.span.to(value.span);
        let kind = ExprKind::Assign { op, target: Box::new(target), value: Box::new(value) };
        Ok(Expr { kind, span })
    }

    fn check_target(&mut self, target: &Expr<'s>, sign: Span) {
        if matches!(
            target.kind,
            ExprKind::Name { .. }
                | ExprKind::Member { .. }
                | ExprKind::Index { .. }
                | ExprKind::Error
        ) {
            return;
        }
        let diag = Diag::error(target.span, "cannot assign to this")
            .label("neither a variable nor a property");
        let change = self.slice(sign) != "=";
        let help = match target.kind {
            _ if change => "only variables and properties can change",
            ExprKind::Tuple(_) | ExprKind::Array(_) | ExprKind::Object(_) => {
                "names are taken apart with `const` or `let`: `const (a, b) = pair;`"
            }
            _ => "to compare, write `==`",
        };
        self.report(diag.also(sign, "assigned here").help(help));
    }

    fn ternary(&mut self) -> Parsed<Expr<'s>> {
        let condition = self.binary(0)?;
        if self.kind() != Tok::Question {
            return Ok(condition);
        }
        self.bump();
        let before = std::mem::replace(&mut self.no_arrow, false);
        let yes = self.expr();
        self.no_arrow = before;
        let yes = yes?;
        self.colon("`:` and what it is otherwise")?;
        let no = self.expr()?;
        let span = condition.span.to(no.span);
        Ok(Expr { kind: ExprKind::Ternary(Box::new(condition), Box::new(yes), Box::new(no)), span })
    }

    fn binary(&mut self, least: u8) -> Parsed<Expr<'s>> {
        let mut left = self.unary()?;
        let depth = self.depth;
        let result = loop {
            let Some((power, op)) = infix(self.kind()) else { break Ok(left) };
            if power < least {
                break Ok(left);
            }
            // A row becomes a tree as deep as it is long, up to a point.
            let is_long = self.depth - depth >= MAX_ROW;
            if !is_long {
                if self.depth >= MAX_NESTING {
                    break Err(self.nested_too_deep());
                }
                self.depth += 1;
            }
            self.bump();
            // `**` binds to the right.
            let next = if matches!(op, Infix::Binary(BinaryOp::Pow)) { power } else { power + 1 };
            let right = match self.nested(|parser| parser.binary(next)) {
                Ok(right) => right,
                Err(reported) => break Err(reported),
            };
            let span = left.span.to(right.span);
            if is_long {
                left = match left.kind {
                    ExprKind::Chain(first, mut links) => {
                        links.push(Link { op, right });
                        Expr { kind: ExprKind::Chain(first, links), span }
                    }
                    _ => {
                        let links = vec![Link { op, right }];
                        Expr { kind: ExprKind::Chain(Box::new(left), links), span }
                    }
                };
                continue;
            }
            let (a, b) = (Box::new(left), Box::new(right));
            let kind = match op {
                Infix::Binary(op) => ExprKind::Binary(op, a, b),
                Infix::Logic(op) => ExprKind::Logic(op, a, b),
            };
            left = Expr { kind, span };
        };
        self.depth = depth;
        result
    }

    fn unary(&mut self) -> Parsed<Expr<'s>> {
        let token = self.token();
        match token.kind {
            Tok::Not => {
                self.bump();
                let operand = self.nested(Self::unary)?;
                let span = token.span.to(operand.span);
                Ok(Expr { kind: ExprKind::Not(Box::new(operand)), span })
            }
            Tok::Minus => {
                self.bump();
                // `-x ** 2` is `-(x ** 2)`.
                let operand = self.nested(|parser| parser.binary(9))?;
                let span = token.span.to(operand.span);
                Ok(Expr { kind: ExprKind::Negate(Box::new(operand)), span })
            }
            Tok::Plus => {
                self.bump();
                let diag = Diag::error(token.span, "there is no unary `+`").label("remove it");
                self.report(diag.help("to make a number of a string, use `Number.parse(text)`"));
                self.nested(Self::unary)
            }
            Tok::PlusPlus | Tok::MinusMinus => {
                self.bump();
                let op = if token.kind == Tok::PlusPlus { BinaryOp::Add } else { BinaryOp::Sub };
                let target = self.nested(Self::unary)?;
                self.check_target(&target, token.span);
                let span = token.span.to(target.span);
                let kind = ExprKind::Update { op, prefix: true, target: Box::new(target) };
                Ok(Expr { kind, span })
            }
            _ => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Parsed<Expr<'s>> {
        let mut expr = self.primary()?;
        let depth = self.depth;
        let result = loop {
            if self.depth >= MAX_NESTING {
                break Err(self.nested_too_deep());
            }
            self.depth += 1;
            let token = self.token();
            match token.kind {
                Tok::Dot => {
                    self.bump();
                    let name = self.token();
                    if !name.kind.is_word() {
                        break Err(self.expected("the name of a property behind `.`"));
                    }
                    self.bump();
                    let span = expr.span.to(name.span);
                    let name = Name { text: self.slice(name.span), span: name.span };
                    let kind = ExprKind::Member { object: Box::new(expr), name, res: Res::None };
                    expr = Expr { kind, span };
                }
                Tok::LParen if !token.newline => {
                    let args = match self.arguments() {
                        Ok(args) => args,
                        Err(reported) => break Err(reported),
                    };
                    let span = expr.span.to(self.last());
                    expr = Expr { kind: ExprKind::Call { callee: Box::new(expr), args }, span };
                }
                Tok::LBracket if !token.newline => {
                    self.bump();
                    let index = match self.inner_expr() {
                        Ok(index) => index,
                        Err(reported) => break Err(reported),
                    };
                    let end = match self.close(Tok::RBracket, token.span, "behind the index") {
                        Ok(end) => end,
                        Err(reported) => break Err(reported),
                    };
                    let span = expr.span.to(end);
                    let kind = ExprKind::Index { object: Box::new(expr), index: Box::new(index) };
                    expr = Expr { kind, span };
                }
                Tok::PlusPlus | Tok::MinusMinus if !token.newline => {
                    self.bump();
                    self.check_target(&expr, token.span);
                    let op =
                        if token.kind == Tok::PlusPlus { BinaryOp::Add } else { BinaryOp::Sub };
                    let span = expr.span.to(token.span);
                    let kind = ExprKind::Update { op, prefix: false, target: Box::new(expr) };
                    expr = Expr { kind, span };
                }
                _ => break Ok(expr),
            }
        };
        self.depth = depth;
        result
    }

    fn arguments(&mut self) -> Parsed<Vec<Expr<'s>>> {
        let open = self.bump().span;
        let mut args = Vec::new();
        while self.kind() != Tok::RParen {
            self.no_spread("an argument list")?;
            args.push(self.inner_expr()?);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.close(Tok::RParen, open, "behind the arguments")?;
        Ok(args)
    }

    fn no_spread(&mut self, place: &str) -> Parsed<()> {
        if self.kind() != Tok::Ellipsis {
            return Ok(());
        }
        let span = self.token().span;
        let diag =
            Diag::error(span, format!("`...` is not allowed in {place}")).label("only in patterns");
        let help = match place {
            "an argument list" => "pass the array itself, or write its elements",
            "an object" => "join objects with `Object.assign(a, b)`",
            _ => "join arrays with `Array.concat(a, b)`",
        };
        Err(self.report(diag.help(help)))
    }

    fn primary(&mut self) -> Parsed<Expr<'s>> {
        let token = self.token();
        let span = token.span;
        let kind = match token.kind {
            Tok::Number => {
                self.bump();
                ExprKind::Number(self.number_value(token))
            }
            Tok::Imaginary => {
                self.bump();
                ExprKind::Imaginary(self.number_value(token))
            }
            Tok::Str => {
                self.bump();
                ExprKind::Str(self.string_value(span, 1))
            }
            Tok::Atom => {
                self.bump();
                ExprKind::Atom(self.atom_value(token))
            }
            Tok::True | Tok::False => {
                self.bump();
                ExprKind::Bool(token.kind == Tok::True)
            }
            Tok::Undefined => {
                self.bump();
                ExprKind::Undefined
            }
            Tok::SelfKw => {
                self.bump();
                ExprKind::SelfPid
            }
            Tok::This => {
                self.bump();
                ExprKind::This(None)
            }
            Tok::TemplateWhole | Tok::TemplateHead => return self.template(),
            Tok::Ident if !self.no_arrow && self.peek(1).kind == Tok::Arrow => return self.arrow(),
            Tok::Underscore if !self.no_arrow && self.peek(1).kind == Tok::Arrow => {
                return self.arrow();
            }
            Tok::Ident => {
                let name = self.slice(span);
                self.refuse_foreign(name, span)?;
                self.bump();
                ExprKind::Name { name, res: Res::None }
            }
            Tok::LParen => {
                let close = self.tokens.get(token.pair as usize + 1);
                let arrow = token.pair > 0 && close.is_some_and(|next| next.kind == Tok::Arrow);
                return if arrow && !self.no_arrow { self.arrow() } else { self.parenthesis() };
            }
            Tok::LBracket => {
                self.bump();
                let mut items = Vec::new();
                while self.kind() != Tok::RBracket {
                    self.no_spread("an array")?;
                    items.push(self.inner_expr()?);
                    if !self.eat(Tok::Comma) {
                        break;
                    }
                }
                let end = self.close(Tok::RBracket, span, "behind the elements")?;
                return Ok(Expr { kind: ExprKind::Array(items), span: span.to(end) });
            }
            Tok::LBrace => return self.object(),
            Tok::Function => {
                let function = self.function_expression()?;
                let span = function.span;
                return Ok(Expr { kind: ExprKind::Function(Box::new(function)), span });
            }
            Tok::Match => return self.match_expr(),
            Tok::Receive => return self.receive_expr(),
            _ => return Err(self.expected("an expression")),
        };
        Ok(Expr { kind, span })
    }

    /// Words of other languages that would be taken for names.
    fn refuse_foreign(&mut self, name: &str, span: Span) -> Parsed<()> {
        let next = self.peek(1);
        let (message, help) = match name {
            "new" if next.kind == Tok::Ident && !next.newline => (
                "there is no `new`",
                "an object is written as a literal: `{ __proto__: Account, owner: \"Ada\" }`",
            ),
            "class" if next.kind == Tok::Ident && !next.newline => (
                "there are no `class` declarations",
                "a file is a class; for objects with methods, use a prototype: `const Account = { deposit(n) { … } };`",
            ),
            "throw" if !next.newline && next.kind != Tok::LParen => (
                "there are no exceptions",
                "end the process with `exit(reason)`, or return a tuple such as `(:error, reason)`",
            ),
            "try" if next.kind == Tok::LBrace => (
                "there is no `try`",
                "let the process crash, and watch it with `Process.monitor(p)` or a supervisor",
            ),
            "async" | "await"
                if !next.newline && (next.kind == Tok::Function || next.kind == Tok::Ident) =>
            {
                (
                    "there are no asynchronous functions",
                    "every process waits on its own: use `spawn`, `send` and `receive`",
                )
            }
            "console" if next.kind == Tok::Dot => {
                ("there is no `console`", "write `println(value)`")
            }
            "null" => ("there is no `null`", "use `undefined`, or `()` for the unit value"),
            "var" if next.kind == Tok::Ident && !next.newline => {
                ("there is no `var`", "write `let`, or `const` if it never changes")
            }
            "switch" if next.kind == Tok::LParen => {
                ("there is no `switch`", "write `match (value) { 1 => …, _ => … }`")
            }
            "typeof" if next.kind == Tok::Ident && !next.newline => {
                ("there is no `typeof`", "match on the value, or compare it")
            }
            _ => return Ok(()),
        };
        Err(self.report(Diag::error(span, message).label("not part of the language").help(help)))
    }

    fn template(&mut self) -> Parsed<Expr<'s>> {
        let start = self.token();
        let mut parts = Vec::new();
        loop {
            let token = self.bump();
            let raw = self.slice(token.span);
            let whole = matches!(token.kind, Tok::TemplateWhole | Tok::TemplateTail);
            let end = if whole { raw.strip_suffix('`') } else { raw.strip_suffix("${") };
            // A template that is never closed has no end.
            let inner = end.unwrap_or(raw).get(1..).unwrap_or_default();
            if !inner.is_empty() {
                parts.push(TemplatePart::Text(self.unescape(inner, token.span.start + 1)));
            }
            if whole {
                let span = start.span.to(token.span);
                return Ok(Expr { kind: ExprKind::Template(parts), span });
            }
            parts.push(TemplatePart::Expr(self.inner_expr()?));
            if !matches!(self.kind(), Tok::TemplateMiddle | Tok::TemplateTail) {
                let known = self.diags.len();
                let reported = self.expected("`}` behind the value in the template");
                if let Some(diag) = self.diags.get_mut(known) {
                    diag.also = Some((start.span, "the template".to_owned()));
                }
                return Err(reported);
            }
        }
    }

    /// `()`, `(a)`, `(a,)`, `(a, b)`.
    fn parenthesis(&mut self) -> Parsed<Expr<'s>> {
        let open = self.bump().span;
        if self.kind() == Tok::RParen {
            let end = self.bump().span;
            return Ok(Expr { kind: ExprKind::Unit, span: open.to(end) });
        }
        let mut items = vec![self.inner_expr()?];
        let mut tuple = false;
        while self.eat(Tok::Comma) {
            tuple = true;
            if self.kind() == Tok::RParen {
                break;
            }
            self.no_spread("a tuple")?;
            items.push(self.inner_expr()?);
        }
        let end = self.close(Tok::RParen, open, "behind the expression")?;
        let span = open.to(end);
        if tuple {
            return Ok(Expr { kind: ExprKind::Tuple(items), span });
        }
        Ok(items.pop().map_or(Expr { kind: ExprKind::Unit, span }, |inner| Expr { span, ..inner }))
    }

    fn arrow(&mut self) -> Parsed<Expr<'s>> {
        let start = self.token().span;
        let params = if self.kind() == Tok::LParen {
            self.params()?
        } else {
            let pattern = self.bind_or_wildcard()?;
            vec![Param { pattern, default: None }]
        };
        let head = start.to(self.last());
        self.expect(Tok::Arrow, "`=>`")?;
        let body = if self.kind() == Tok::LBrace {
            Body::Block(self.block("the body of the function")?)
        } else {
            Body::Expr(Box::new(self.expr()?))
        };
        let span = start.to(self.last());
        let captures = Vec::new();
        let function = Function {
            name: None,
            kind: FunctionKind::Arrow,
            params,
            body,
            head,
            span,
            captures,
            this_var: None,
        };
        Ok(Expr { kind: ExprKind::Function(Box::new(function)), span })
    }

    fn object(&mut self) -> Parsed<Expr<'s>> {
        let before = std::mem::replace(&mut self.no_arrow, false);
        let result = self.nested(Self::object_literal);
        self.no_arrow = before;
        result
    }

    fn object_literal(&mut self) -> Parsed<Expr<'s>> {
        let open = self.bump().span;
        let mut props = Vec::new();
        while self.kind() != Tok::RBrace {
            props.push(self.property()?);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        let end = self.close(Tok::RBrace, open, "behind the properties")?;
        Ok(Expr { kind: ExprKind::Object(props), span: open.to(end) })
    }

    fn property(&mut self) -> Parsed<Prop<'s>> {
        use ion_runtime::bytecode::Access;
        self.no_spread("an object")?;
        let (mut readonly, mut protected) = (false, false);
        while (self.word_is("readonly") || self.word_is("protected"))
            && (self.peek(1).kind.is_word()
                || matches!(self.peek(1).kind, Tok::Str | Tok::LBracket))
        {
            let token = self.bump();
            match self.slice(token.span) {
                "readonly" => readonly = true,
                _ => protected = true,
            }
        }
        let access = match (readonly, protected) {
            (false, false) => Access::Public,
            (true, false) => Access::Readonly,
            (false, true) => Access::Protected,
            (true, true) => Access::ProtectedReadonly,
        };
        let token = self.token();
        let key_span = token.span;
        let mut plain = None;
        let key = match token.kind {
            Tok::LBracket => {
                self.bump();
                let key = self.expr()?;
                self.close(Tok::RBracket, key_span, "behind the key")?;
                if access != Access::Public {
                    let diag =
                        Diag::error(key_span, "a computed key is always public").label("computed");
                    self.report(diag.help("write the key, or leave out the access level"));
                }
                PropKey::Computed(key)
            }
            Tok::Str => {
                self.bump();
                PropKey::Name(self.string_value(key_span, 1))
            }
            Tok::Number => {
                self.bump();
                self.number_value(token);
                PropKey::Name(Cow::Borrowed(self.slice(key_span)))
            }
            kind if kind.is_word() => {
                self.bump();
                let name = self.slice(key_span);
                plain = (kind == Tok::Ident).then_some(name);
                PropKey::Name(Cow::Borrowed(name))
            }
            _ => return Err(self.expected("the name of a property")),
        };
        if let (true, PropKey::Name(name)) = (protected, &key) {
            self.protected.push(name.clone());
        }
        if self.kind() == Tok::LParen {
            let name = match &key {
                PropKey::Name(Cow::Borrowed(text)) => Some(Name { text, span: key_span }),
                _ => None,
            };
            let params = self.params()?;
            let head = key_span.to(self.last());
            let body = Body::Block(self.block("the body of the method")?);
            let span = key_span.to(self.last());
            let kind = FunctionKind::Method;
            let captures = Vec::new();
            let function =
                Function { name, kind, params, body, head, span, captures, this_var: None };
            let value = Expr { kind: ExprKind::Function(Box::new(function)), span };
            return Ok(Prop { key, key_span, access, value, short: false });
        }
        match (self.kind(), plain) {
            (Tok::Comma | Tok::RBrace, Some(name)) => {
                let value = Expr { kind: ExprKind::Name { name, res: Res::None }, span: key_span };
                Ok(Prop { key, key_span, access, value, short: true })
            }
            _ => {
                self.colon("`:` and the value of the property")?;
                let value = self.expr()?;
                Ok(Prop { key, key_span, access, value, short: false })
            }
        }
    }

    fn match_expr(&mut self) -> Parsed<Expr<'s>> {
        let start = self.bump().span;
        let before = std::mem::replace(&mut self.no_arrow, false);
        let value = self.expr()?;
        let head = start.to(value.span);
        let open = self.expect(Tok::LBrace, "`{` and the arms of the match")?;
        let (arms, _) = self.arms(open, false)?;
        self.no_arrow = before;
        let span = start.to(self.last());
        Ok(Expr { kind: ExprKind::Match(Box::new(Match { value, arms, head })), span })
    }

    /// `receive {…}`, or the call `receive()`.
    fn receive_expr(&mut self) -> Parsed<Expr<'s>> {
        let start = self.bump().span;
        if self.kind() == Tok::LParen {
            return Ok(Expr {
                kind: ExprKind::Name { name: "receive", res: Res::None },
                span: start,
            });
        }
        let open = self.expect(Tok::LBrace, "`()` for any message, or `{` and arms")?;
        let before = std::mem::replace(&mut self.no_arrow, false);
        let (arms, after) = self.arms(open, true)?;
        self.no_arrow = before;
        let span = start.to(self.last());
        Ok(Expr { kind: ExprKind::Receive(Box::new(Receive { arms, after })), span })
    }

    #[allow(clippy::type_complexity, reason = "used once")]
    fn arms(
        &mut self,
        open: Span,
        receive: bool,
    ) -> Parsed<(Vec<Arm<'s>>, Option<(Expr<'s>, ArmBody<'s>)>)> {
        let mut arms = Vec::new();
        let mut after = None;
        while !matches!(self.kind(), Tok::RBrace | Tok::Eof) {
            let before = self.at;
            let parsed = self.nested(|parser| {
                let is_after =
                    parser.word_is("after") && !matches!(parser.peek(1).kind, Tok::Bar | Tok::If);
                if is_after && receive {
                    parser.bump();
                    let time = parser.expr_before_arrow()?;
                    let body = parser.arm_body()?;
                    after = Some((time, body));
                } else {
                    arms.push(parser.arm()?);
                }
                Ok(())
            });
            if parsed.is_err() {
                self.recover_arm(before);
            }
        }
        self.close(Tok::RBrace, open, "behind the arms")?;
        Ok((arms, after))
    }

    fn arm(&mut self) -> Parsed<Arm<'s>> {
        let pattern = self.pattern()?;
        let guard = if self.eat(Tok::If) { Some(self.expr_before_arrow()?) } else { None };
        let body = self.arm_body()?;
        Ok(Arm { pattern, guard, body })
    }

    fn arm_body(&mut self) -> Parsed<ArmBody<'s>> {
        let known = self.diags.len();
        if let Err(reported) = self.expect(Tok::Arrow, "`=>` and what to do") {
            if let Some(diag) = self.diags.get_mut(known) {
                diag.help = Some(
                    "an arm is written `pattern => value,` or `pattern if condition => { … }`"
                        .to_owned(),
                );
            }
            return Err(reported);
        }
        let body = match self.kind() {
            Tok::LBrace => ArmBody::Block(self.block("the arm")?),
            Tok::Return | Tok::Break | Tok::Continue => {
                let stmt = self.jump_statement()?;
                let span = stmt.span;
                ArmBody::Block(Block { stmts: vec![stmt], span })
            }
            _ => ArmBody::Expr(self.expr()?),
        };
        let is_block = matches!(body, ArmBody::Block(_));
        let token = self.token();
        match token.kind {
            Tok::Comma | Tok::Semi => {
                self.bump();
            }
            Tok::RBrace => {}
            _ if is_block || token.newline => {}
            _ => return Err(self.expected("`,` behind the arm")),
        }
        Ok(body)
    }

    /// Skips to the next arm.
    fn recover_arm(&mut self, before: usize) {
        if self.at == before {
            self.bump();
        }
        let mut depth = self.open_since(before, Tok::LBrace, Tok::RBrace)
            + self.open_since(before, Tok::LParen, Tok::RParen)
            + self.open_since(before, Tok::LBracket, Tok::RBracket);
        loop {
            match self.kind() {
                Tok::Eof => return,
                Tok::RBrace if depth == 0 => return,
                Tok::Comma if depth == 0 => {
                    self.bump();
                    return;
                }
                Tok::LBrace | Tok::LParen | Tok::LBracket => depth += 1,
                Tok::RBrace | Tok::RParen | Tok::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
    }
}
