//! From tokens to the syntax tree.
//!
//! Recursive descent with precedence climbing. A mistake is reported where it is noticed and unwinds
//! to the statement (or item, or arm) around it, which skips to where the next one probably begins;
//! so one run reports several mistakes. Nesting is limited, so later passes may recurse.

mod expr;
mod pattern;
mod stmt;

use super::ast::*;
use super::diag::Diag;
use super::lexer::{Comment, lex};
use super::literal;
use super::source::Span;
use super::token::{Tok, Token, keyword};
use std::borrow::Cow;

/// Deepest nesting of expressions, blocks and patterns.
pub const MAX_NESTING: u32 = 200;

/// Most diagnostics that are kept of one file.
const MAX_DIAGS: usize = 100;

/// A mistake has been reported; skip to the next statement.
pub(crate) struct Reported;

type Parsed<T> = Result<T, Reported>;

/// What a text is parsed to.
pub struct Parse<'s> {
    /// The tree, as complete as it could be made.
    pub module: Module<'s>,
    /// The comments.
    pub comments: Vec<Comment>,
    /// What is wrong.
    pub diags: Vec<Diag>,
    /// Where statements end without a `;`, as offsets.
    pub implied: Vec<u32>,
}

pub(crate) struct Parser<'s> {
    text: &'s str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    diags: Vec<Diag>,
    /// Is `=>` behind an expression somebody else's?
    no_arrow: bool,
    /// Variables so far, for fresh numbers.
    vars: VarId,
    too_deep: bool,
    /// Ends of statements without `;`.
    implied: Vec<u32>,
    /// Names of protected properties.
    protected: Vec<Cow<'s, str>>,
}

/// Parses a source text.
pub fn parse(text: &str) -> Parse<'_> {
    if text.len() > super::source::MAX_SOURCE {
        let diag = Diag::error(Span::new(0, 0), "source text is larger than 64 MiB");
        let diags = vec![diag.help("split it into several classes")];
        return Parse {
            module: Module::default(),
            comments: Vec::new(),
            diags,
            implied: Vec::new(),
        };
    }
    let lexed = lex(text);
    let mut parser = Parser {
        text,
        tokens: lexed.tokens,
        at: 0,
        depth: 0,
        diags: lexed.diags,
        no_arrow: false,
        vars: 0,
        too_deep: false,
        implied: Vec::new(),
        protected: Vec::new(),
    };
    let module = parser.module();
    parser.diags.truncate(MAX_DIAGS);
    Parse { module, comments: lexed.comments, diags: parser.diags, implied: parser.implied }
}

impl<'s> Parser<'s> {
    fn module(&mut self) -> Module<'s> {
        let mut module = Module::default();
        while self.kind() != Tok::Eof {
            let before = self.at;
            if self.item(&mut module).is_err() {
                self.recover(before);
            }
        }
        module.vars = self.vars + 1;
        module.protected = std::mem::take(&mut self.protected);
        module
    }

    fn item(&mut self, module: &mut Module<'s>) -> Parsed<()> {
        match self.kind() {
            Tok::Import => {
                let import = self.import()?;
                module.imports.push(import);
            }
            Tok::Export => {
                self.bump();
                if !matches!(self.kind(), Tok::Function | Tok::Const) {
                    return Err(self.expected("`function` or `const` behind `export`"));
                }
                self.item(module)?;
            }
            Tok::Function if self.peek(1).kind == Tok::Ident => {
                let function = self.function_declaration()?;
                module.functions.push(function);
            }
            Tok::Const if self.peek(1).kind == Tok::Ident && self.peek(2).kind == Tok::Assign => {
                let start = self.bump().span;
                let name = self.name("a name for the constant")?;
                self.expect(Tok::Assign, "`=` and the value of the constant")?;
                let value = self.expr()?;
                let span = start.to(value.span);
                self.end_of_statement()?;
                let init = Function {
                    name: Some(name),
                    kind: FunctionKind::Plain,
                    params: Vec::new(),
                    head: start.to(name.span),
                    span,
                    body: Body::Expr(Box::new(value)),
                    captures: Vec::new(),
                    this_var: None,
                };
                module.constants.push(Constant { name, init });
            }
            Tok::RBrace => {
                let span = self.bump().span;
                self.report(
                    Diag::error(span, "`}` without a `{`")
                        .label("closes nothing")
                        .help("remove it, or look for a `}` too many above"),
                );
            }
            _ => {
                let stmt = self.statement()?;
                if !matches!(stmt.kind, StmtKind::Empty) {
                    module.script.push(stmt);
                }
            }
        }
        Ok(())
    }

    fn import(&mut self) -> Parsed<Import<'s>> {
        let start = self.bump().span;
        let mut names = Vec::new();
        if self.kind() == Tok::LBrace {
            self.bump();
            while self.kind() != Tok::RBrace {
                let name = self.name("the name of a function or constant to import")?;
                let mut local = name;
                if self.word_is("as") {
                    self.bump();
                    local = self.name("the name that it gets here")?;
                }
                names.push((name, local));
                if !self.eat(Tok::Comma) {
                    break;
                }
            }
            self.expect(Tok::RBrace, "`}` behind the imported names")?;
            if !self.word_is("from") {
                return Err(self.expected("`from` and the name of a class"));
            }
            self.bump();
        }
        let token = self.token();
        if token.kind != Tok::Str {
            return Err(self
                .expected("the name of a class in quotes, as in `import { f } from \"Utils\";`"));
        }
        self.bump();
        let from = self.string_value(token.span, 1);
        self.end_of_statement()?;
        Ok(Import { names, from, from_span: token.span, span: start.to(token.span) })
    }

    // Tokens.

    fn token(&self) -> Token {
        self.tokens[self.at]
    }

    fn kind(&self) -> Tok {
        self.tokens[self.at].kind
    }

    fn peek(&self, ahead: usize) -> Token {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn bump(&mut self) -> Token {
        let token = self.token();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    /// The token before this one.
    fn last(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn slice(&self, span: Span) -> &'s str {
        self.text.get(span.range()).unwrap_or_default()
    }

    fn word_is(&self, word: &str) -> bool {
        self.kind() == Tok::Ident && self.slice(self.token().span) == word
    }

    fn eat(&mut self, kind: Tok) -> bool {
        let found = self.kind() == kind;
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, kind: Tok, what: &str) -> Parsed<Span> {
        if self.kind() == kind { Ok(self.bump().span) } else { Err(self.expected(what)) }
    }

    /// A closing bracket; what it closes is shown if it is missing.
    fn close(&mut self, kind: Tok, open: Span, what: &str) -> Parsed<Span> {
        if self.kind() == kind {
            return Ok(self.bump().span);
        }
        let known = self.diags.len();
        let reported = self.expected(&format!("{} {what}", kind.text()));
        if let Some(diag) = self.diags.get_mut(known) {
            diag.also = Some((open, "opened here".to_owned()));
        }
        Err(reported)
    }

    /// `:`, which may have been taken for the start of an atom.
    fn colon(&mut self, what: &str) -> Parsed<Span> {
        if self.kind() == Tok::Atom {
            let token = &mut self.tokens[self.at];
            let span = Span::new(token.span.start, token.span.start + 1);
            token.span.start += 1;
            let text = &self.text[token.span.range()];
            token.kind = match text.as_bytes().first() {
                Some(b'"' | b'\'') => Tok::Str,
                _ => keyword(text).unwrap_or(Tok::Ident),
            };
            return Ok(span);
        }
        self.expect(Tok::Colon, what)
    }

    fn name(&mut self, what: &str) -> Parsed<Name<'s>> {
        let token = self.token();
        if token.kind == Tok::Ident {
            self.bump();
            return Ok(Name { text: self.slice(token.span), span: token.span });
        }
        let known = self.diags.len();
        let reported = self.expected(what);
        if let Some(diag) = self.diags.get_mut(known).filter(|_| token.kind.is_keyword()) {
            diag.help =
                Some(format!("{} is a reserved word; choose another name", token.kind.text()));
        }
        Err(reported)
    }

    fn fresh(&mut self) -> VarId {
        self.vars += 1;
        self.vars
    }

    // Mistakes.

    fn report(&mut self, diag: Diag) -> Reported {
        // Behind what is never closed, and behind what is too deep, nothing was understood.
        let lost = |other: &Diag| other.message.ends_with("is never closed");
        if self.too_deep && !self.diags.is_empty() && !diag.message.starts_with("nested")
            || self.kind() == Tok::Eof && self.diags.iter().any(lost)
        {
            return Reported;
        }
        // One message for a place is enough; what follows a strange character is mostly its fault.
        let known = |other: &Diag| {
            other.is_error()
                && other.span.start <= diag.span.start
                && diag.span.start < other.span.end.max(other.span.start + 1)
        };
        if !self.diags.iter().rev().take(8).any(known) {
            self.diags.push(diag);
        }
        Reported
    }

    /// Reports that something else should be here.
    fn expected(&mut self, what: &str) -> Reported {
        let token = self.token();
        let found = match token.kind {
            Tok::Ident | Tok::Number | Tok::Imaginary | Tok::Atom => {
                format!("`{}`", self.slice(token.span))
            }
            kind => kind.text().to_owned(),
        };
        let mut span = token.span;
        if token.kind == Tok::Eof {
            // The last thing that is there.
            let last = self.last();
            span = Span::new(last.end.saturating_sub(1).max(last.start), last.end);
        }
        let diag = Diag::error(span, format!("expected {what}, found {found}"));
        let label =
            if token.kind == Tok::Eof { "the file ends behind this" } else { "not expected here" };
        self.report(diag.label(label))
    }

    /// Skips to where the next statement probably begins. `before`: where this one began.
    fn recover(&mut self, before: usize) {
        if self.at == before {
            self.bump();
        }
        // Only braces count: a `;` in parentheses is as good an end as any.
        let mut depth = self.open_since(before, Tok::LBrace, Tok::RBrace);
        loop {
            let token = self.token();
            match token.kind {
                Tok::Eof => return,
                Tok::Semi if depth == 0 => {
                    self.bump();
                    return;
                }
                Tok::RBrace if depth == 0 => return,
                Tok::LBrace => depth += 1,
                Tok::RBrace => depth -= 1,
                Tok::Function | Tok::Import | Tok::Export
                    if token.newline && self.column_is_first(token) =>
                {
                    return;
                }
                Tok::Const
                | Tok::Let
                | Tok::If
                | Tok::While
                | Tok::For
                | Tok::Return
                | Tok::Function
                    if token.newline && depth == 0 =>
                {
                    return;
                }
                _ => {}
            }
            self.bump();
        }
    }

    /// How many brackets of a kind have been opened and not closed since a token.
    fn open_since(&self, before: usize, open: Tok, close: Tok) -> u32 {
        let passed = &self.tokens[before.min(self.at)..self.at];
        passed.iter().fold(0, |depth: u32, token| match token.kind {
            kind if kind == open => depth + 1,
            kind if kind == close => depth.saturating_sub(1),
            _ => depth,
        })
    }

    /// Does the token start its line?
    fn column_is_first(&self, token: Token) -> bool {
        let start = token.span.start as usize;
        start == 0 || self.text.as_bytes()[start - 1] == b'\n'
    }

    /// Counts a level of nesting while `parse` runs.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_NESTING {
            return Err(self.nested_too_deep());
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn nested_too_deep(&mut self) -> Reported {
        // Said once: what comes behind is skipped to the end.
        if !self.too_deep {
            self.too_deep = true;
            let span = self.token().span;
            let message = format!("nested deeper than {MAX_NESTING} levels");
            self.report(
                Diag::error(span, message).label("too deep").help("give parts of it names"),
            );
        }
        self.at = self.tokens.len() - 1;
        Reported
    }

    /// `;`, or a line break, or the end of the block.
    fn end_of_statement(&mut self) -> Parsed<()> {
        let token = self.token();
        match token.kind {
            Tok::Semi => {
                self.bump();
                Ok(())
            }
            _ if token.newline || matches!(token.kind, Tok::RBrace | Tok::Eof) => {
                self.implied.push(self.last().end);
                Ok(())
            }
            Tok::RParen | Tok::RBracket => {
                let (close, open) = if token.kind == Tok::RParen { (")", "(") } else { ("]", "[") };
                let diag = Diag::error(token.span, format!("`{close}` without a `{open}`"));
                Err(self.report(
                    diag.label("closes nothing")
                        .help(format!("remove it, or add a `{open}` in front")),
                ))
            }
            _ => Err(self.expected("`;` or a new line behind the statement")),
        }
    }

    // Literals.

    /// The text of a string at `span`, whose quote is `quote` bytes behind its start.
    fn string_value(&mut self, span: Span, prefix: usize) -> Cow<'s, str> {
        let raw = self.slice(span);
        let inner = raw.get(prefix..).unwrap_or_default();
        let quote = raw.as_bytes().get(prefix - 1).copied().unwrap_or(b'"');
        let inner = inner.strip_suffix(char::from(quote)).unwrap_or(inner);
        self.unescape(inner, span.start + prefix as u32)
    }

    fn unescape(&mut self, raw: &'s str, start: u32) -> Cow<'s, str> {
        literal::unescape(raw).unwrap_or_else(|(at, escape)| {
            let from = start + at as u32;
            let span = Span::new(from, (from + escape.len() as u32).min(self.text.len() as u32));
            let escape = escape.escape_debug().to_string().replace("\\\\", "\\");
            let diag = Diag::error(span, format!("unknown escape `{escape}`"));
            self.report(
                diag.label("not an escape")
                    .help("escapes are \\n \\t \\r \\0 \\e \\\\ \\' \\\" \\` \\$ and \\u{e9}"),
            );
            Cow::Borrowed(raw)
        })
    }

    fn number_value(&mut self, token: Token) -> f64 {
        let text = self.slice(token.span);
        let digits = match token.kind {
            Tok::Imaginary => text.strip_suffix('i').unwrap_or(text),
            _ => text,
        };
        literal::number(digits).unwrap_or_else(|| {
            let diag = Diag::error(token.span, format!("`{text}` is not a number"));
            self.report(
                diag.label("cannot be read")
                    .help("numbers are written like 42, 1_000, 1.5, 1e9, 0xff, 0b101, 0o17, 2i"),
            );
            0.0
        })
    }

    fn atom_value(&mut self, token: Token) -> Cow<'s, str> {
        let text = self.slice(token.span);
        match text.as_bytes().get(1) {
            Some(b'"' | b'\'') => self.string_value(token.span, 2),
            _ => Cow::Borrowed(&text[1..]),
        }
    }
}
