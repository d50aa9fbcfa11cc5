//! Assembly: functions, classes and whole packages from text.
//!
//! Everything that [`disasm`](super::disasm) prints is read, and a little more, for writing by hand:
//!
//! ```text
//! .package demo 1.0            // directives, see `assemble_package`
//! .main Main main
//! .class Main multi            // single or multi
//!
//! function main (arity: 0, extra_regs: 2) {
//!     0: LOAD_CONST r0, 3      // the index is optional and not checked
//!        load_const r1, 1      // any case
//! loop:                        // labels instead of offsets
//!        sub r0, r0, r1
//!        jump_if_true r0, loop
//!        return r0
//! }
//! function helper {            // arity 0, as many extra registers as it uses
//! }
//! function alias (arity: 1) {
//!   FFI: Sqrt
//! }
//! ```
//!
//! Inside brackets, line breaks are free. Double quotes know the escapes `\\ \" \n \r \t \0 \u{…}`.
//! Bare names (functions, keys, tags, captures, natives) may be written in double quotes.
//!
//! # Spellings that the plain disassembly does not use
//!
//! | Text | Meaning |
//! |---|---|
//! | `-0.0`, `-0`, `1e9` | numbers as usual |
//! | `f64(0x7ff8000000000001)` | a number by its bits |
//! | `complex(1, -0.0)` | a complex number by its parts |
//! | `atom("a\\b")` | an atom with escapes; single quotes only know `\'` |
//! | `tuple()`, `tuple(1, 2)` | a tuple; in a pattern, a tuple pattern |
//! | `legacy("name")` | a legacy function reference |
//! | `{ readonly key: 1 }` | access of a constant's property: `readonly`, `protected`, `protected readonly` |
//! | `{key:r1}` in OBJECT_INIT | the short encoding without access byte |
//! | `value((1, 2))` | in a pattern: a value pattern that is an array or a tuple |
//!
//! # What plain text does not tell apart
//!
//! The second of each pair is how it is read.
//!
//! - The empty tuple, and `()`: Unit. As patterns: the empty tuple pattern and Unit: the value Unit.
//! - -0 and `0`; NaNs of unusual bits and `NaN`.
//! - Legacy references and atoms that begin with `function:`.
//! - Value patterns of arrays and tuples, and array and tuple patterns of values.
//! - Constants' properties of any access, and public ones.
//! - OBJECT_INIT's short encoding, and the long one with access public.
//! - A function called `anonymous`, and one without name.
//! - A class of one function in the multi variant, and in the single variant.
//! - Atoms with a backslash before a quote or at the end: the quote counts as escaped.
//! - Names that begin with a quote, a blank or an access level, are empty, end in blanks, or contain
//!   colons, commas, closing brackets, parameter lists or line breaks: read as whatever they look like.
//!
//! [`Style::Lossless`](super::disasm::Style) prints all of these unambiguously.

mod constant;
mod package;
mod parser;

pub use package::assemble_package;

use super::operand::{Operand, Visitor};
use super::ops::{Instr, Offset, Reg};
use super::{Body, ClassFile, Function};
use crate::ion_ops;
pub(super) use parser::Parser;
use std::collections::HashMap;
use std::fmt;

/// Why a text cannot be assembled, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, without the place.
    pub message: String,
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for AsmError {}

/// Assembles one function.
pub fn assemble_function(text: &str) -> Result<Function, AsmError> {
    let mut parser = Parser::new(text);
    parser.space();
    let function = function(&mut parser)?;
    parser.space();
    parser.end_of_text()?;
    Ok(function)
}

/// Assembles functions to a class: the single variant if it is one, else the multi variant.
///
/// The headline of a disassembly is skipped.
pub fn assemble_class(text: &str) -> Result<ClassFile, AsmError> {
    let mut parser = Parser::new(text);
    let mut functions = Vec::new();
    loop {
        parser.space();
        if parser.at("Disassembling ") || parser.at("No functions found in class ") {
            parser.rest_of_line();
        } else if parser.at("function") {
            functions.push(function(&mut parser)?);
        } else {
            parser.end_of_text()?;
            return Ok(ClassFile::new(functions));
        }
    }
}

/// Parses a function from its header to its closing brace.
fn function(parser: &mut Parser<'_>) -> Result<Function, AsmError> {
    let header = parser.function_header()?;
    let body = body(parser)?;
    let extra_regs = match header.extra_regs {
        Some(count) => count,
        None => used_registers(&body).saturating_sub(header.arity),
    };
    Ok(Function { name: header.name, arity: header.arity, extra_regs, body })
}

/// Parses a body; a second time if it uses labels before they are known.
fn body(parser: &mut Parser<'_>) -> Result<Body, AsmError> {
    let start = parser.mark();
    parser.labels = Labels::default();
    let body = lines(parser)?;
    if !parser.labels.missing {
        return Ok(body);
    }
    parser.reset(start);
    parser.labels.complete = true;
    lines(parser)
}

/// The labels of the function being parsed.
#[derive(Default)]
pub(super) struct Labels {
    known: HashMap<String, usize>,
    /// Whether a jump named a label that was not known yet.
    missing: bool,
    /// Whether all labels are known, so that a missing one is an error.
    complete: bool,
}

fn lines(parser: &mut Parser<'_>) -> Result<Body, AsmError> {
    let mut code = Vec::new();
    loop {
        parser.space();
        let start = parser.mark();
        if parser.eat('}') {
            return Ok(Body::Bytecode(code));
        }
        if code.is_empty() && parser.at("FFI:") {
            return native(parser);
        }
        let word = parser.word();
        if word.is_empty() {
            return Err(parser.error_at(start, "expected an instruction or '}'"));
        }
        if parser.eat(':') {
            if !word.bytes().all(|b| b.is_ascii_digit()) {
                parser.define_label(start, word, code.len())?;
            }
            continue;
        }
        parser.index = code.len();
        code.push(instruction(parser, start, word)?);
        parser.end_of_line()?;
    }
}

fn native(parser: &mut Parser<'_>) -> Result<Body, AsmError> {
    parser.expect("FFI:")?;
    parser.blank();
    let name = if parser.at("\"") {
        let name = parser.quoted()?;
        parser.end_of_line()?;
        name
    } else {
        parser.rest_of_line().trim_end().to_owned()
    };
    parser.space();
    parser.expect("}")?;
    Ok(Body::Native(name))
}

macro_rules! define_parse {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        /// Parses the operands of the instruction with this mnemonic.
        fn instruction(parser: &mut Parser<'_>, start: usize, name: &str) -> Result<Instr, AsmError> {
            parser.operands = 0;
            $(
                if name.eq_ignore_ascii_case($name) {
                    return Ok(Instr::$variant { $($field: parser.operand()?),* });
                }
            )*
            let hint = super::near::hint(&super::near::near_names(name, [$($name),*]));
            Err(parser.error_at(start, format!("unknown instruction '{name}'{hint}")))
        }
    };
}
ion_ops!(define_parse);

impl Parser<'_> {
    /// The next operand, after a comma unless it is the first.
    fn operand<T: Operand>(&mut self) -> Result<T, AsmError> {
        if self.operands > 0 {
            self.blank();
            self.expect(",")?;
        }
        self.operands += 1;
        self.blank();
        T::parse(self)
    }

    fn define_label(&mut self, start: usize, name: &str, index: usize) -> Result<(), AsmError> {
        let known = self.labels.known.insert(name.to_owned(), index);
        if known.is_some() && !self.labels.complete {
            return Err(
                self.error_at(start, format!("label '{name}' is defined twice; rename one"))
            );
        }
        Ok(())
    }

    /// A jump distance, as a number or as a label.
    pub(super) fn offset(&mut self) -> Result<Offset, AsmError> {
        let start = self.mark();
        if !self.peek().is_some_and(|c| c.is_alphabetic() || c == '_') {
            return Ok(Offset(self.integer()?));
        }
        let name = self.word();
        match self.labels.known.get(name) {
            Some(&target) => {
                let distance = target as i64 - self.index as i64;
                let distance = i32::try_from(distance);
                Ok(Offset(distance.map_err(|_| self.error_at(start, "jump is too far"))?))
            }
            None if self.labels.complete => {
                let names = self.labels.known.keys().map(String::as_str);
                let hint = super::near::hint(&super::near::near_names(name, names));
                Err(self.error_at(start, format!("unknown label '{name}'{hint}")))
            }
            None => {
                self.labels.missing = true;
                Ok(Offset(0))
            }
        }
    }
}

/// One more than the highest register that the body uses.
fn used_registers(body: &Body) -> u32 {
    struct Highest(u32);
    impl Visitor for Highest {
        fn read(&mut self, reg: Reg) {
            self.0 = self.0.max(reg.saturating_add(1));
        }
        fn write(&mut self, reg: Reg) {
            self.read(reg);
        }
    }
    let mut highest = Highest(0);
    if let Body::Bytecode(code) = body {
        code.iter().for_each(|instr| instr.visit(&mut highest));
    }
    highest.0
}
