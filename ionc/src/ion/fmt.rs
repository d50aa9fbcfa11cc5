//! The formatter: one layout for every program, with its comments.
//!
//! It works on tokens, not on the tree, so that nothing can be lost: the tokens that come out are those
//! that went in, but for added `;`, and every comment keeps its place between them. Lines stay where
//! the author broke them; indentation and blanks are ours. Formatting twice changes nothing more.

use super::lexer::lex;
use super::source::Span;
use super::token::{Tok, Token};

/// Blanks for each level.
const INDENT: usize = 4;

/// Formats a text; none if it has errors that keep it from being understood.
///
/// ```
/// assert_eq!(ionc::ion::fmt::format("function f( x ){\nreturn x+1}\n").unwrap(), "function f(x) {\n    return x + 1;\n}\n");
/// ```
pub fn format(text: &str) -> Option<String> {
    let parsed = super::parser::parse(text);
    if parsed.diags.iter().any(|diag| diag.is_error()) {
        return None;
    }
    let lexed = lex(text);
    let mut pieces: Vec<Piece> = lexed
        .tokens
        .iter()
        .filter(|token| token.kind != Tok::Eof)
        .map(|token| Piece { kind: Kind::Token(token.kind), span: token.span })
        .collect();
    pieces.extend(
        lexed.comments.iter().map(|comment| Piece { kind: Kind::Comment, span: comment.span }),
    );
    pieces.sort_by_key(|piece| piece.span);
    let printer = Printer::new(text, pieces, parsed.implied);
    let out = printer.run();
    // What was understood must still mean the same.
    same_tokens(&out, &lexed.tokens, text).then_some(out)
}

/// Has `out` the tokens of `text`, but for semicolons?
fn same_tokens(out: &str, tokens: &[Token], text: &str) -> bool {
    let lexed = lex(out);
    let written = |tokens: &[Token], text: &str| -> Vec<String> {
        let kept = tokens.iter().filter(|token| !matches!(token.kind, Tok::Semi | Tok::Eof));
        kept.map(|token| text.get(token.span.range()).unwrap_or_default().to_owned()).collect()
    };
    lexed.diags.is_empty() && written(&lexed.tokens, out) == written(tokens, text)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Token(Tok),
    Comment,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    kind: Kind,
    span: Span,
}

/// What an open bracket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// `(`, `[`, the `${` of a template.
    Plain,
    /// `{` of statements.
    Block,
    /// `{` of a literal, a pattern or imports.
    Object,
    /// `{` of the arms of `match` and `receive`.
    Arms,
}

struct Bracket {
    open: Open,
    /// Does it add a level of indentation?
    indents: bool,
}

struct Printer<'t> {
    text: &'t str,
    pieces: Vec<Piece>,
    out: String,
    open: Vec<Bracket>,
    /// Positions at which statements end without `;`.
    missing: Vec<u32>,
}

impl<'t> Printer<'t> {
    fn new(text: &'t str, pieces: Vec<Piece>, mut missing: Vec<u32>) -> Self {
        missing.sort_unstable();
        Printer { text, pieces, out: String::with_capacity(text.len()), open: Vec::new(), missing }
    }

    fn run(mut self) -> String {
        if self.text.starts_with("#!") {
            let end = self.text.find('\n').unwrap_or(self.text.len());
            self.out.push_str(&self.text[..end]);
            self.out.push('\n');
        }
        let mut last: Option<Piece> = None;
        for at in 0..self.pieces.len() {
            let piece = self.pieces[at];
            self.separate(last, piece, at);
            self.write(piece);
            if self.missing.binary_search(&piece.span.end).is_ok() {
                self.out.push(';');
            }
            last = Some(piece);
        }
        let end = self.out.trim_end().len();
        self.out.truncate(end);
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    /// What stands between two pieces: nothing, a blank, line breaks and indentation.
    fn separate(&mut self, last: Option<Piece>, piece: Piece, at: usize) {
        let Some(last) = last else { return };
        let between =
            self.text.get(last.span.end as usize..piece.span.start as usize).unwrap_or_default();
        let mut breaks = between.matches('\n').count();
        // A bracket that ends its line is closed on a line of its own.
        let on_own_line = self.open.last().is_some_and(|bracket| bracket.indents);
        if on_own_line && matches!(piece.kind, Kind::Token(Tok::RBrace)) {
            breaks = breaks.max(1);
        }
        let line_comment = last.kind == Kind::Comment && self.slice(last.span).starts_with("//");
        if breaks == 0 && !line_comment {
            // Arrows of arms and comments behind code may be lined up.
            let arms = self.open.last().is_some_and(|bracket| bracket.open == Open::Arms);
            let lined_up =
                piece.kind == Kind::Comment || arms && piece.kind == Kind::Token(Tok::Arrow);
            if lined_up && between.len() > 1 && between.bytes().all(|byte| byte == b' ') {
                self.out.push_str(between);
                return;
            }
            if self.blank(last, piece, at) {
                self.out.push(' ');
            }
            return;
        }
        let closes = matches!(piece.kind, Kind::Token(Tok::RBrace | Tok::RParen | Tok::RBracket));
        let opens = matches!(last.kind, Kind::Token(Tok::LBrace | Tok::LParen | Tok::LBracket));
        self.out.push('\n');
        // One empty line is kept, but not behind an opening bracket or in front of a closing one.
        if breaks > 1 && !closes && !opens {
            self.out.push('\n');
        }
        let mut level = self.open.iter().filter(|bracket| bracket.indents).count();
        if closes && self.open.last().is_some_and(|bracket| bracket.indents) {
            level -= 1;
        }
        let carries_on = self.carries_on(last, piece);
        let extra = usize::from(carries_on && !closes);
        self.out.extend(std::iter::repeat_n(' ', (level + extra) * INDENT));
    }

    /// Is `piece`, which begins a line, in the middle of an expression?
    fn carries_on(&self, last: Piece, piece: Piece) -> bool {
        use Tok::*;
        if matches!(self.open.last(), Some(Bracket { open: Open::Plain | Open::Object, .. })) {
            // Elements are indented by their bracket.
            let operator = matches!(piece.kind, Kind::Token(kind) if is_infix(kind) || kind == Dot);
            return operator && !matches!(last.kind, Kind::Comment);
        }
        let ends = matches!(last.kind, Kind::Comment | Kind::Token(Semi | LBrace | RBrace | Comma))
            || self.missing.binary_search(&last.span.end).is_ok();
        let operator = matches!(piece.kind, Kind::Token(kind) if is_infix(kind) || kind == Dot);
        operator || !ends
    }

    fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Is there a blank between two pieces on one line?
    fn blank(&self, last: Piece, piece: Piece, at: usize) -> bool {
        use Tok::*;
        let (Kind::Token(a), Kind::Token(b)) = (last.kind, piece.kind) else { return true };
        let inner = self.open.last().map(|bracket| bracket.open);
        match (a, b) {
            // `{ a }`, but `{}`.
            (LBrace, RBrace) => false,
            (LBrace, _) | (_, RBrace) => true,
            (TemplateHead | TemplateMiddle, _) | (_, TemplateMiddle | TemplateTail) => false,
            (LParen | LBracket | Ellipsis | Not, _) | (_, RParen | RBracket | Comma | Semi) => {
                false
            }
            (Dot, _) | (_, Dot) => false,
            (_, PlusPlus | MinusMinus) => {
                is_infix(a) || matches!(a, Comma | Assign | Arrow | Semi | Return)
            }
            (PlusPlus | MinusMinus, _) => {
                is_infix(b) || matches!(b, Assign | Arrow | LBrace | Question)
            }
            // A sign in front of an operand.
            (Minus | Plus, _) if self.is_sign(at - 1) => false,
            (_, Colon) => inner != Some(Open::Object) && !matches!(a, Question),
            (_, LParen) => {
                !(matches!(a, Ident | RParen | RBracket | This | TemplateTail | TemplateWhole)
                    || a == Receive
                    || a == Function
                    || a.is_keyword()
                        && at >= 2
                        && matches!(self.pieces[at - 2].kind, Kind::Token(Dot)))
                    || self.is_word_operator(last, at)
            }
            (_, LBracket) => {
                !matches!(a, Ident | RParen | RBracket | This | TemplateTail | TemplateWhole | Str)
                    || self.is_word_operator(last, at)
            }
            _ => true,
        }
    }

    /// Words that are names to the lexer and stand in front of an operand: `of`, `after`, `from`.
    fn is_word_operator(&self, piece: Piece, at: usize) -> bool {
        let property = at >= 2 && self.pieces[at - 2].kind == Kind::Token(Tok::Dot);
        piece.kind == Kind::Token(Tok::Ident)
            && !property
            && matches!(self.slice(piece.span), "of" | "after" | "readonly" | "protected")
    }

    /// Is the `-` at this place a sign?
    fn is_sign(&self, at: usize) -> bool {
        use Tok::*;
        let before = self.pieces[..at].iter().rev().find_map(|piece| match piece.kind {
            Kind::Token(kind) => Some(kind),
            Kind::Comment => None,
        });
        match before {
            None => true,
            Some(kind) => !matches!(
                kind,
                Ident
                    | Number
                    | Imaginary
                    | Str
                    | Atom
                    | TemplateWhole
                    | TemplateTail
                    | True
                    | False
                    | Undefined
                    | SelfKw
                    | This
                    | RParen
                    | RBracket
                    | RBrace
                    | Underscore
                    | PlusPlus
                    | MinusMinus
            ),
        }
    }

    fn write(&mut self, piece: Piece) {
        let text = self.slice(piece.span);
        self.out.push_str(if piece.kind == Kind::Comment { text.trim_end() } else { text });
        let Kind::Token(kind) = piece.kind else { return };
        match kind {
            Tok::LBrace => self.push(piece, Open::Object),
            Tok::LParen | Tok::LBracket | Tok::TemplateHead => self.push(piece, Open::Plain),
            Tok::RBrace | Tok::RParen | Tok::RBracket | Tok::TemplateTail => {
                self.open.pop();
            }
            _ => {}
        }
    }

    /// A bracket indents what stands in it, unless another bracket of the same line does.
    fn push(&mut self, piece: Piece, plain: Open) {
        let open = match plain {
            Open::Object => self.brace(piece),
            other => other,
        };
        let rest = self.text.get(piece.span.end as usize..).unwrap_or_default();
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let behind = rest[..line_end].trim();
        // Only a bracket at the end of its line indents: `f(a, (x) => {` has one level.
        let indents = behind.is_empty() || behind.starts_with("//");
        self.open.push(Bracket { open, indents });
    }

    /// What kind of brace is it?
    fn brace(&self, piece: Piece) -> Open {
        use Tok::*;
        let at = self.pieces.partition_point(|other| other.span.start < piece.span.start);
        let mut before = self.pieces[..at].iter().rev().filter_map(|piece| match piece.kind {
            Kind::Token(kind) => Some(kind),
            Kind::Comment => None,
        });
        match before.next() {
            Some(Receive) => Open::Arms,
            Some(RParen) if self.follows_match(at) => Open::Arms,
            None | Some(RParen | Arrow | Else | LBrace | RBrace | Semi) => Open::Block,
            _ => Open::Object,
        }
    }

    /// Does `match (…)` stand in front of this place?
    fn follows_match(&self, at: usize) -> bool {
        let mut depth = 0;
        for (i, piece) in self.pieces[..at].iter().enumerate().rev() {
            match piece.kind {
                Kind::Token(Tok::RParen) => depth += 1,
                Kind::Token(Tok::LParen) => {
                    depth -= 1;
                    if depth == 0 {
                        return i > 0 && self.pieces[i - 1].kind == Kind::Token(Tok::Match);
                    }
                }
                _ => {}
            }
        }
        false
    }
}

fn is_infix(kind: Tok) -> bool {
    use Tok::*;
    matches!(
        kind,
        Plus | Minus
            | Star
            | StarStar
            | Slash
            | Percent
            | EqEq
            | NotEq
            | Lt
            | Le
            | Gt
            | Ge
            | AndAnd
            | OrOr
            | Coalesce
            | Question
            | Assign
            | PlusAssign
            | MinusAssign
            | StarAssign
            | SlashAssign
            | Bar
    )
}
