//! From text to tokens.
//!
//! All tokens are made at once. Nothing is interpreted: numbers and strings are decoded by the
//! parser from their spans. A character that starts no token is reported and becomes `Tok::Bad`.

use super::diag::Diag;
use super::source::Span;
use super::token::{Tok, Token, keyword};

/// A comment, kept for the formatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where it is, with its `//` or `/*`.
    pub span: Span,
}

/// What a text consists of.
#[derive(Debug, Default)]
pub struct Lexed {
    /// The tokens; the last is `Tok::Eof`.
    pub tokens: Vec<Token>,
    /// The comments in order.
    pub comments: Vec<Comment>,
    /// What is wrong.
    pub diags: Vec<Diag>,
}

struct Lexer<'s> {
    text: &'s str,
    bytes: &'s [u8],
    at: usize,
    newline: bool,
    out: Lexed,
    /// Open brackets: index of the token, or `TEMPLATE` for the `${` of a template.
    open: Vec<usize>,
}

const TEMPLATE: usize = usize::MAX;

/// Splits a text into tokens.
pub fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        newline: false,
        out: Lexed::default(),
        open: Vec::new(),
    };
    lexer.out.tokens.reserve(text.len() / 4 + 1);
    if text.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    if text[lexer.at..].starts_with("#!") {
        lexer.skip_line();
    }
    while lexer.token() {}
    lexer.out
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$'
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_line(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    /// White space and comments.
    fn skip_blank(&mut self) {
        loop {
            match self.peek(0) {
                b'\n' => {
                    self.newline = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'/' if self.peek(1) == b'/' => {
                    let start = self.at;
                    self.skip_line();
                    self.comment(start);
                }
                b'/' if self.peek(1) == b'*' => {
                    let start = self.at;
                    match self.text[start + 2..].find("*/") {
                        Some(length) => self.at = start + 2 + length + 2,
                        None => {
                            self.at = self.bytes.len();
                            let span = Span::new(start as u32, start as u32 + 2);
                            let diag = Diag::error(span, "comment is never closed");
                            self.out
                                .diags
                                .push(diag.label("starts here").help("close it with `*/`"));
                        }
                    }
                    self.newline |= self.text[start..self.at].contains('\n');
                    self.comment(start);
                }
                _ => return,
            }
        }
    }

    fn comment(&mut self, start: usize) {
        let span = Span::new(start as u32, self.at as u32);
        self.out.comments.push(Comment { span });
    }

    fn push(&mut self, kind: Tok, start: usize) {
        let span = Span::new(start as u32, self.at as u32);
        self.out.tokens.push(Token { kind, newline: self.newline, span, pair: 0 });
        self.newline = false;
    }

    fn error(&mut self, start: usize, message: impl Into<String>) -> &mut Diag {
        let span = Span::new(start as u32, self.at.max(start + 1).min(self.bytes.len()) as u32);
        self.out.diags.push(Diag::error(span, message));
        let last = self.out.diags.len() - 1;
        &mut self.out.diags[last]
    }

    /// The next token; false at the end.
    fn token(&mut self) -> bool {
        self.skip_blank();
        let start = self.at;
        let Some(&byte) = self.bytes.get(start) else {
            self.push(Tok::Eof, start);
            return false;
        };
        if is_word_start(byte) {
            self.word();
            self.foreign_letters(start);
            let word = &self.text[start..self.at];
            self.push(keyword(word).unwrap_or(Tok::Ident), start);
        } else if byte.is_ascii_digit() {
            let kind = self.number();
            self.push(kind, start);
        } else {
            match byte {
                b'"' | b'\'' => {
                    self.string(byte);
                    self.push(Tok::Str, start);
                }
                b'`' => {
                    self.at += 1;
                    self.template(start, Tok::TemplateWhole, Tok::TemplateHead);
                }
                b'}' if self.open.last() == Some(&TEMPLATE) => {
                    self.open.pop();
                    self.at += 1;
                    self.template(start, Tok::TemplateTail, Tok::TemplateMiddle);
                }
                b':' if is_word_start(self.peek(1)) => {
                    self.at += 1;
                    self.word();
                    self.push(Tok::Atom, start);
                }
                b':' if matches!(self.peek(1), b'"' | b'\'') => {
                    self.at += 1;
                    self.string(self.bytes[self.at]);
                    self.push(Tok::Atom, start);
                }
                _ => self.punctuation(start),
            }
        }
        true
    }

    fn word(&mut self) {
        while is_word(self.peek(0)) {
            self.at += 1;
        }
    }

    /// A name with other letters is one mistake.
    fn foreign_letters(&mut self, start: usize) {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length == 0 {
            return;
        }
        self.at += length;
        let name = self.text[start..self.at].to_owned();
        let diag = self.error(start, format!("name `{name}` has letters other than a-z"));
        diag.label = "not a name".to_owned();
        diag.help =
            Some("names consist of the letters a-z and A-Z, digits, `_` and `$`".to_owned());
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() || self.peek(0) == b'_' {
            self.at += 1;
        }
    }

    /// A number: what belongs to it by its looks; the parser decodes it.
    fn number(&mut self) -> Tok {
        let radix = self.peek(1).to_ascii_lowercase();
        if self.peek(0) == b'0' && matches!(radix, b'x' | b'b' | b'o') {
            self.at += 2;
            self.word();
            return Tok::Number;
        }
        self.digits();
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.digits();
        }
        if self.peek(0).eq_ignore_ascii_case(&b'e') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.digits();
            }
        }
        if self.peek(0) == b'i' && !is_word(self.peek(1)) {
            self.at += 1;
            return Tok::Imaginary;
        }
        if is_word(self.peek(0)) {
            // `12abc`: the parser refuses it as a whole.
            self.word();
        }
        Tok::Number
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                b'\\' if self.at + 1 < self.bytes.len() => {
                    self.at += 1;
                    self.skip_char();
                }
                b'\n' | 0 if self.at >= self.bytes.len() || self.peek(0) == b'\n' => {
                    let quote = char::from(quote);
                    let diag = self.error(start, "string is never closed");
                    diag.label = "starts here".to_owned();
                    diag.help = Some(format!(
                        "close it with `{quote}` on the same line; texts of several lines are written in backquotes"
                    ));
                    return;
                }
                _ => self.skip_char(),
            }
        }
    }

    fn skip_char(&mut self) {
        self.at += 1;
        while self.at < self.bytes.len() && !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    /// The text of a template up to its end or the next `${`.
    fn template(&mut self, start: usize, end: Tok, more: Tok) {
        loop {
            match self.peek(0) {
                b'`' => {
                    self.at += 1;
                    return self.push(end, start);
                }
                b'$' if self.peek(1) == b'{' => {
                    self.at += 2;
                    self.push(more, start);
                    self.open.push(TEMPLATE);
                    return;
                }
                b'\\' if self.at + 1 < self.bytes.len() => {
                    self.at += 1;
                    self.skip_char();
                }
                _ if self.at >= self.bytes.len() => {
                    let diag = self.error(start, "template is never closed");
                    diag.span.end = diag.span.start + 1;
                    diag.label = "starts here".to_owned();
                    diag.help = Some("close it with a backquote".to_owned());
                    return self.push(end, start);
                }
                _ => self.skip_char(),
            }
        }
    }

    fn punctuation(&mut self, start: usize) {
        use Tok::*;
        let (kind, length) = match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'=', b'=', b'=') => (EqEq, 3),
            (b'!', b'=', b'=') => (NotEq, 3),
            (b'.', b'.', b'.') => (Ellipsis, 3),
            (b'=', b'=', _) => (EqEq, 2),
            (b'=', b'>', _) => (Arrow, 2),
            (b'!', b'=', _) => (NotEq, 2),
            (b'<', b'=', _) => (Le, 2),
            (b'>', b'=', _) => (Ge, 2),
            (b'&', b'&', _) => (AndAnd, 2),
            (b'|', b'|', _) => (OrOr, 2),
            (b'?', b'?', _) => (Coalesce, 2),
            (b'+', b'+', _) => (PlusPlus, 2),
            (b'-', b'-', _) => (MinusMinus, 2),
            (b'*', b'*', _) => (StarStar, 2),
            (b'+', b'=', _) => (PlusAssign, 2),
            (b'-', b'=', _) => (MinusAssign, 2),
            (b'*', b'=', _) => (StarAssign, 2),
            (b'/', b'=', _) => (SlashAssign, 2),
            (b'(', ..) => (LParen, 1),
            (b')', ..) => (RParen, 1),
            (b'[', ..) => (LBracket, 1),
            (b']', ..) => (RBracket, 1),
            (b'{', ..) => (LBrace, 1),
            (b'}', ..) => (RBrace, 1),
            (b',', ..) => (Comma, 1),
            (b';', ..) => (Semi, 1),
            (b':', ..) => (Colon, 1),
            (b'.', ..) => (Dot, 1),
            (b'?', ..) => (Question, 1),
            (b'=', ..) => (Assign, 1),
            (b'+', ..) => (Plus, 1),
            (b'-', ..) => (Minus, 1),
            (b'*', ..) => (Star, 1),
            (b'/', ..) => (Slash, 1),
            (b'%', ..) => (Percent, 1),
            (b'<', ..) => (Lt, 1),
            (b'>', ..) => (Gt, 1),
            (b'!', ..) => (Not, 1),
            (b'|', ..) => (Bar, 1),
            _ => return self.strange(start),
        };
        self.at += length;
        self.brackets(kind);
        self.push(kind, start);
    }

    fn brackets(&mut self, kind: Tok) {
        let index = self.out.tokens.len();
        match kind {
            Tok::LParen | Tok::LBracket | Tok::LBrace => self.open.push(index),
            Tok::RParen | Tok::RBracket | Tok::RBrace => {
                if self.open.last().is_some_and(|open| *open != TEMPLATE)
                    && let Some(open) = self.open.pop()
                {
                    let opener = &mut self.out.tokens[open];
                    if opener.kind == Tok::LParen && kind == Tok::RParen {
                        opener.pair = index as u32;
                    }
                }
            }
            _ => {}
        }
    }

    fn strange(&mut self, start: usize) {
        if self.text[start..].starts_with(char::is_alphabetic) {
            self.foreign_letters(start);
            return self.push(Tok::Ident, start);
        }
        self.skip_char();
        let text = self.text[start..self.at].escape_debug().to_string();
        let help = match text.as_str() {
            "&" => "write `&&` for a logical and",
            "^" => "write `**` for a power",
            "“" | "”" | "‘" | "’" => "use the plain quotes `\"` or `'`",
            "#" => "comments start with `//`",
            "@" => "remove it",
            _ if self.bytes[start] >= 0x80 => {
                "names consist of the letters a-z and A-Z, digits, `_` and `$`"
            }
            _ => "remove it",
        };
        let diag = self.error(start, format!("character `{text}` is not part of the language"));
        diag.label = "not understood".to_owned();
        diag.help = Some(help.to_owned());
        self.push(Tok::Bad, start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Tok> {
        lex(text).tokens.iter().map(|token| token.kind).collect()
    }

    #[test]
    fn words_numbers_atoms() {
        use Tok::*;
        assert_eq!(kinds("const x = 2i"), [Const, Ident, Assign, Imaginary, Eof]);
        assert_eq!(kinds(":ok :\"any text\""), [Atom, Atom, Eof]);
        assert_eq!(kinds("0xff 1_000 1e9 1.5"), [Number, Number, Number, Number, Eof]);
        assert_eq!(kinds("a // b\n/* c */ d"), [Ident, Ident, Eof]);
    }

    #[test]
    fn templates_nest() {
        use Tok::*;
        assert_eq!(
            kinds("`a${ {x: `b${1}`} }c${2}`"),
            [
                TemplateHead,
                LBrace,
                Ident,
                Colon,
                TemplateHead,
                Number,
                TemplateTail,
                RBrace,
                TemplateMiddle,
                Number,
                TemplateTail,
                Eof
            ]
        );
    }

    #[test]
    fn parentheses_know_their_partner() {
        let lexed = lex("((a), b)");
        assert_eq!(lexed.tokens[0].pair, 6);
        assert_eq!(lexed.tokens[1].pair, 3);
    }

    #[test]
    fn what_is_not_closed_is_reported_once() {
        for text in ["\"a", "`a", "/* a", "`a${", "'a\nb"] {
            assert!(lex(text).diags.len() <= 1, "{text}");
        }
    }
}
