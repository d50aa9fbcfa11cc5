//! Patterns.

use super::*;

impl<'s> Parser<'s> {
    /// A pattern, alternatives included.
    pub(super) fn pattern(&mut self) -> Parsed<Pattern<'s>> {
        self.nested(|parser| {
            let first = parser.single_pattern()?;
            if parser.kind() != Tok::Bar {
                return Ok(first);
            }
            let mut all = vec![first];
            while parser.eat(Tok::Bar) {
                all.push(parser.single_pattern()?);
            }
            let span = all[0].span.to(parser.last());
            Ok(Pattern { kind: PatternKind::Or(all), span })
        })
    }

    /// A name or `_`.
    pub(super) fn bind_or_wildcard(&mut self) -> Parsed<Pattern<'s>> {
        let token = self.token();
        let kind = match token.kind {
            Tok::Underscore => {
                self.bump();
                PatternKind::Wildcard
            }
            _ => {
                let name = self.name("a name")?;
                PatternKind::Bind { name: name.text, var: self.fresh() }
            }
        };
        Ok(Pattern { kind, span: token.span })
    }

    fn single_pattern(&mut self) -> Parsed<Pattern<'s>> {
        let token = self.token();
        let literal =
            |kind, span| Pattern { kind: PatternKind::Literal(Expr { kind, span }), span };
        match token.kind {
            Tok::Underscore | Tok::Ident => self.bind_or_wildcard(),
            Tok::Number | Tok::Imaginary | Tok::Minus => self.number_pattern(),
            Tok::Str => {
                self.bump();
                Ok(literal(ExprKind::Str(self.string_value(token.span, 1)), token.span))
            }
            Tok::TemplateWhole => {
                self.bump();
                let raw = self.slice(token.span);
                let inner = raw.get(1..).unwrap_or_default();
                let inner = inner.strip_suffix('`').unwrap_or(inner);
                let text = self.unescape(inner, token.span.start + 1);
                Ok(literal(ExprKind::Str(text), token.span))
            }
            Tok::Atom => {
                self.bump();
                Ok(literal(ExprKind::Atom(self.atom_value(token)), token.span))
            }
            Tok::True | Tok::False => {
                self.bump();
                Ok(literal(ExprKind::Bool(token.kind == Tok::True), token.span))
            }
            Tok::Undefined => {
                self.bump();
                Ok(literal(ExprKind::Undefined, token.span))
            }
            Tok::LParen => self.nested(Self::tuple_pattern),
            Tok::LBracket => self.nested(Self::array_pattern),
            Tok::LBrace => self.nested(Self::object_pattern),
            Tok::SelfKw => {
                let diag = Diag::error(token.span, "`self` is not a pattern")
                    .label("a process can't be compared this way");
                Err(self.report(diag.help(
                    "take it with a name and compare in a guard: `p if Value.same(p, self)`",
                )))
            }
            _ => Err(self.expected("a pattern")),
        }
    }

    fn number_pattern(&mut self) -> Parsed<Pattern<'s>> {
        let start = self.token().span;
        let negative = self.eat(Tok::Minus);
        let token = self.token();
        if !matches!(token.kind, Tok::Number | Tok::Imaginary) {
            return Err(self.expected("a number behind `-`"));
        }
        self.bump();
        let value = self.number_value(token);
        let value = if negative { -value } else { value };
        let kind = if token.kind == Tok::Number {
            ExprKind::Number(value)
        } else {
            ExprKind::Imaginary(value)
        };
        let span = start.to(token.span);
        Ok(Pattern { kind: PatternKind::Literal(Expr { kind, span }), span })
    }

    /// `()`, `(p)`, `(p,)`, `(p, q)`.
    fn tuple_pattern(&mut self) -> Parsed<Pattern<'s>> {
        let open = self.bump().span;
        if self.kind() == Tok::RParen {
            let span = open.to(self.bump().span);
            let unit = Expr { kind: ExprKind::Unit, span };
            return Ok(Pattern { kind: PatternKind::Literal(unit), span });
        }
        let mut items = Vec::new();
        let mut tuple = false;
        while self.kind() != Tok::RParen {
            if self.kind() == Tok::Ellipsis {
                let diag = Diag::error(self.token().span, "a tuple has no rest")
                    .label("`...` is for arrays");
                return Err(self.report(diag.help("tuples have a fixed number of elements; match an array with `[first, ...rest]`")));
            }
            items.push(self.pattern()?);
            if !self.eat(Tok::Comma) {
                break;
            }
            tuple = true;
        }
        let end = self.close(Tok::RParen, open, "behind the pattern")?;
        let span = open.to(end);
        match items.pop() {
            Some(only) if !tuple && items.is_empty() => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Pattern { kind: PatternKind::Tuple(items), span })
            }
            None => Err(self.expected("a pattern")),
        }
    }

    fn array_pattern(&mut self) -> Parsed<Pattern<'s>> {
        let open = self.bump().span;
        let mut items = Vec::new();
        let mut rest = None;
        while self.kind() != Tok::RBracket {
            if self.kind() == Tok::Ellipsis {
                let dots = self.bump().span;
                rest = Some(Box::new(if self.kind() == Tok::RBracket {
                    Pattern { kind: PatternKind::Wildcard, span: dots }
                } else {
                    self.bind_or_wildcard()?
                }));
                self.eat(Tok::Comma);
                if self.kind() != Tok::RBracket {
                    return Err(self.expected("`]`: the rest comes last"));
                }
                break;
            }
            items.push(self.pattern()?);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        let end = self.close(Tok::RBracket, open, "behind the pattern")?;
        Ok(Pattern { kind: PatternKind::Array { items, rest }, span: open.to(end) })
    }

    fn object_pattern(&mut self) -> Parsed<Pattern<'s>> {
        let open = self.bump().span;
        let mut items = Vec::new();
        while self.kind() != Tok::RBrace {
            let token = self.token();
            if !token.kind.is_word() {
                return Err(self.expected("the name of a property"));
            }
            self.bump();
            let key = Name { text: self.slice(token.span), span: token.span };
            let bare = matches!(self.kind(), Tok::Comma | Tok::RBrace) && token.kind == Tok::Ident;
            let pattern = if bare {
                Pattern {
                    kind: PatternKind::Bind { name: key.text, var: self.fresh() },
                    span: key.span,
                }
            } else {
                self.colon("`:` and a pattern for the property")?;
                self.pattern()?
            };
            items.push((key, pattern));
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        let end = self.close(Tok::RBrace, open, "behind the pattern")?;
        Ok(Pattern { kind: PatternKind::Object(items), span: open.to(end) })
    }
}
