//! A cursor over assembly text: blanks, comments, words, quotes, numbers, lists, error positions.

use super::super::constant::MAX_DEPTH;
use super::{AsmError, Labels};
use std::str::FromStr;

/// What the first line of a function says.
pub(super) struct Header {
    pub(super) name: Option<String>,
    pub(super) arity: u32,
    pub(super) extra_regs: Option<u32>,
}

/// The text, how far it has been read, and the function at hand.
pub(in super::super) struct Parser<'a> {
    text: &'a str,
    pos: usize,
    depth: usize,
    /// Index of the instruction at hand.
    pub(super) index: usize,
    /// Operands of the instruction at hand that have been parsed.
    pub(super) operands: usize,
    pub(super) labels: Labels,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Parser { text, pos: 0, depth: 0, index: 0, operands: 0, labels: Labels::default() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    pub(super) fn mark(&self) -> usize {
        self.pos
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.pos = mark;
    }

    pub(super) fn error_at(&self, pos: usize, message: impl Into<String>) -> AsmError {
        let before = &self.text[..pos];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        AsmError { line, column, message: message.into() }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> AsmError {
        self.error_at(self.pos, message)
    }

    /// `expected …, found …` at the current place.
    pub(super) fn expected(&self, what: &str) -> AsmError {
        let found = match self.peek() {
            None => "the end of the text".to_owned(),
            Some('\n') => "the end of the line".to_owned(),
            Some(c) => format!("'{}'", c.escape_debug()),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(in super::super) fn at(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.pos += c.len_utf8();
        }
        found
    }

    pub(in super::super) fn expect(&mut self, text: &str) -> Result<(), AsmError> {
        if !self.at(text) {
            return Err(self.expected(&format!("'{text}'")));
        }
        self.pos += text.len();
        Ok(())
    }

    fn skip_while(&mut self, good: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !good(c)).unwrap_or(rest.len());
        self.pos += length;
        &rest[..length]
    }

    /// Skips white space within the line.
    pub(in super::super) fn blank(&mut self) {
        self.skip_while(|c| c.is_whitespace() && c != '\n');
    }

    /// Skips white space, line breaks and comments.
    pub(in super::super) fn space(&mut self) {
        loop {
            self.skip_while(char::is_whitespace);
            if !self.at("//") {
                return;
            }
            self.rest_of_line();
        }
    }

    /// Everything up to the end of the line, without a carriage return.
    pub(super) fn rest_of_line(&mut self) -> &'a str {
        let line = self.skip_while(|c| c != '\n');
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Skips blanks and a comment, and requires the end of the line.
    pub(super) fn end_of_line(&mut self) -> Result<(), AsmError> {
        self.blank();
        if self.at("//") {
            self.rest_of_line();
        }
        match self.peek() {
            None | Some('\n' | '}') => Ok(()),
            Some(_) => Err(self.expected("the end of the line")),
        }
    }

    pub(super) fn end_of_text(&self) -> Result<(), AsmError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("'function'")),
        }
    }

    /// Letters, digits and underscores; possibly none.
    pub(super) fn word(&mut self) -> &'a str {
        self.skip_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Everything up to the next white space.
    pub(super) fn bare_word(&mut self) -> &'a str {
        self.skip_while(|c| !c.is_whitespace())
    }

    fn parse<T: FromStr>(&mut self, text: &str, start: usize, what: &str) -> Result<T, AsmError> {
        text.parse().map_err(|_| self.error_at(start, format!("expected {what}, found '{text}'")))
    }

    /// An integer with an optional sign.
    pub(super) fn integer<T: FromStr>(&mut self) -> Result<T, AsmError> {
        let start = self.pos;
        let _ = self.eat('-') || self.eat('+');
        if self.word().is_empty() {
            return Err(self.expected("an integer"));
        }
        let text = &self.text[start..self.pos];
        self.parse(text, start, "an integer in range")
    }

    /// The characters of an unsigned decimal with optional point and exponent.
    pub(super) fn decimal(&mut self) -> &'a str {
        let start = self.pos;
        let digits = |c: char| c.is_ascii_digit();
        self.skip_while(digits);
        if self.eat('.') {
            self.skip_while(digits);
        }
        let before_exponent = self.pos;
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('-') || self.eat('+');
            if self.skip_while(digits).is_empty() {
                self.pos = before_exponent;
            }
        }
        &self.text[start..self.pos]
    }

    /// An unsigned number after a fixed prefix: `r3`, `process2`.
    pub(in super::super) fn numbered(&mut self, prefix: &str, what: &str) -> Result<u32, AsmError> {
        let start = self.pos;
        if !self.at(prefix) {
            return Err(self.expected(what));
        }
        self.pos += prefix.len();
        let digits = self.word();
        self.parse(digits, start, what)
    }

    /// A register.
    pub(in super::super) fn reg(&mut self) -> Result<u32, AsmError> {
        self.numbered("r", "a register such as 'r0'")
    }

    /// Elements between brackets, separated by commas.
    pub(in super::super) fn list<T>(
        &mut self,
        open: &str,
        close: char,
        mut element: impl FnMut(&mut Self) -> Result<T, AsmError>,
    ) -> Result<Vec<T>, AsmError> {
        self.expect(open)?;
        let mut items = Vec::new();
        self.space();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(element(self)?);
            self.space();
            if self.eat(close) {
                return Ok(items);
            }
            if !self.eat(',') {
                return Err(self.expected(&format!("',' or '{close}'")));
            }
            self.space();
        }
    }

    /// Runs `body` one level deeper.
    pub(super) fn deeper<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, AsmError>,
    ) -> Result<T, AsmError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }

    /// A text in double quotes.
    pub(in super::super) fn quoted(&mut self) -> Result<String, AsmError> {
        let start = self.pos;
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            text.push_str(self.skip_while(|c| c != '"' && c != '\\'));
            if self.eat('"') {
                return Ok(text);
            }
            if !self.eat('\\') {
                return Err(self.error_at(start, "text is not closed; add '\"'"));
            }
            text.push(self.escape()?);
        }
    }

    /// The character that an escape means, after its backslash.
    fn escape(&mut self) -> Result<char, AsmError> {
        let start = self.pos;
        let c = self.peek().unwrap_or('\n');
        self.pos += if self.rest().is_empty() { 0 } else { c.len_utf8() };
        Ok(match c {
            '\\' | '"' | '\'' => c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                self.expect("{")?;
                let digits = self.word();
                self.expect("}")?;
                let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| self.error_at(start, "not a character; write '\\u{1f600}'"))?
            }
            _ => return Err(self.error_at(start, "unknown escape; write '\\\\' for a backslash")),
        })
    }

    /// An atom in single quotes, where only a quote can be escaped.
    pub(super) fn single_quoted(&mut self) -> Result<String, AsmError> {
        let start = self.pos;
        self.expect("'")?;
        let mut text = String::new();
        loop {
            text.push_str(self.skip_while(|c| c != '\'' && c != '\\'));
            if self.eat('\'') {
                return Ok(text);
            }
            if !self.eat('\\') {
                return Err(self.error_at(start, "atom is not closed; add \"'\""));
            }
            text.push(if self.eat('\'') { '\'' } else { '\\' });
        }
    }

    /// A name up to `end`, or in double quotes; `end` is skipped.
    pub(in super::super) fn name_until(&mut self, end: &str) -> Result<String, AsmError> {
        if self.at("\"") {
            let name = self.quoted()?;
            self.blank();
            self.expect(end)?;
            return Ok(name);
        }
        let rest = self.rest();
        match rest.find(end) {
            Some(length) if !rest[..length].contains('\n') => {
                self.pos += length + end.len();
                Ok(rest[..length].to_owned())
            }
            _ => Err(self.error(format!("expected a name and '{end}'"))),
        }
    }

    /// `function NAME (arity: A, extra_regs: E) {`; the parameters are optional.
    pub(super) fn function_header(&mut self) -> Result<Header, AsmError> {
        self.expect("function")?;
        self.blank();
        let start = self.pos;
        let quoted = if self.at("\"") { Some(self.quoted()?) } else { None };
        let line = self.rest_of_line();
        let brace = line.match_indices('{').map(|(at, _)| at).find(|at| {
            let rest = line[at + 1..].trim_start();
            rest.is_empty() || rest.starts_with("//")
        });
        let Some(brace) = brace else {
            return Err(
                self.error_at(start, "expected 'function NAME (arity: N, extra_regs: N) {'")
            );
        };
        let head = line[..brace].trim_end();
        let (name, params) = match head.rfind("(arity:") {
            Some(at) => (head[..at].trim_end(), &head[at..]),
            None => (head, "()"),
        };
        let (arity, extra_regs) = self.parameters(start, params)?;
        let name = match (quoted, name) {
            (Some(name), "") => Some(name),
            (Some(_), _) => return Err(self.error_at(start, "expected '(' or '{' after the name")),
            (None, "") => return Err(self.error_at(start, "expected a function name")),
            (None, "anonymous") => None,
            (None, name) => Some(name.to_owned()),
        };
        Ok(Header { name, arity, extra_regs })
    }

    fn parameters(&mut self, start: usize, text: &str) -> Result<(u32, Option<u32>), AsmError> {
        let wrong = || {
            self.error_at(start, format!("expected '(arity: N, extra_regs: N)', found '{text}'"))
        };
        let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let (mut arity, mut extra_regs) = (0, None);
        for part in inner.ok_or_else(wrong)?.split(',').filter(|part| !part.trim().is_empty()) {
            let (key, value) = part.split_once(':').ok_or_else(wrong)?;
            let value = value.trim().parse().map_err(|_| wrong())?;
            match key.trim() {
                "arity" => arity = value,
                "extra_regs" => extra_regs = Some(value),
                _ => return Err(wrong()),
            }
        }
        Ok((arity, extra_regs))
    }
}
