//! `assert` and `assertEqual`: what fails says where, and what it found.

use super::*;
use crate::ion::builtin::library;
use crate::ion::source::Span;

/// Longest condition that is repeated in a message.
const MAX_SHOWN: usize = 120;

impl<'a, 's> FunctionEmitter<'_, 'a, 's> {
    pub(super) fn assert(
        &mut self,
        condition: &'a Expr<'s>,
        message: Option<&'a Expr<'s>>,
        span: Span,
    ) {
        let good = self.code.label();
        self.branch(condition, good, true);
        let mark = self.code.mark();
        let place = self.place_of(span);
        let source = &self.module.program.sources[self.module.class as usize].text;
        let shown = source.get(condition.span.range()).unwrap_or_default();
        let shown: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = shown.chars().take(MAX_SHOWN).collect();
        let mut parts = vec![self.text(format!("{place}: assertion failed: {shown}"))];
        if let Some(message) = message {
            parts.push(self.text(": ".to_owned()));
            parts.push(self.value(message));
        }
        self.fail(parts, span);
        self.code.forget(mark);
        self.code.place(good);
    }

    pub(super) fn assert_equal(
        &mut self,
        actual: &'a Expr<'s>,
        expected: &'a Expr<'s>,
        span: Span,
    ) {
        let (a, b) = (self.code.reg(), self.code.reg());
        self.value_to(actual, a);
        self.value_to(expected, b);
        let good = self.code.label();
        let equal = self.code.reg();
        self.code.at = span.start;
        self.native(library::EQUALS, vec![a, b], equal);
        self.code.jump_if(equal, true, good);
        let mark = self.code.mark();
        let place = self.place_of(span);
        let front = self.text(format!("{place}: expected "));
        let middle = self.text(", found ".to_owned());
        let (shown_a, shown_b) = (self.code.reg(), self.code.reg());
        self.native(library::INSPECT, vec![a], shown_a);
        self.native(library::INSPECT, vec![b], shown_b);
        self.fail(vec![front, shown_b, middle, shown_a], span);
        self.code.forget(mark);
        self.code.place(good);
    }

    /// `FILE:LINE:COLUMN`.
    fn place_of(&self, span: Span) -> String {
        let class = self.module.class as usize;
        let source = &self.module.program.sources[class];
        let (line, column) = self.module.program.lines[class].position(&source.text, span.start);
        format!("{}:{line}:{column}", source.path)
    }

    fn text(&mut self, text: String) -> Reg {
        self.code.constant(ConstValue::String(text))
    }

    /// Ends the process with a tuple `(:assertion, text)`.
    fn fail(&mut self, parts: Vec<Reg>, span: Span) {
        let text = self.code.reg();
        self.code.at = span.start;
        self.native(library::CONCAT, parts, text);
        let tag = self.code.constant(ConstValue::Atom("assertion".to_owned()));
        let reason = self.code.reg();
        self.native(library::TUPLE, vec![tag, text], reason);
        let own = self.code.constant(ConstValue::Atom("__vm:self".to_owned()));
        let dst = self.code.reg();
        self.native(library::EXIT, vec![own, reason], dst);
    }
}
