//! Disassembly: functions as text that [`asm`](super::asm) reads back.
//!
//! [`Style::Plain`] is the customary text. It leaves out what few readers care about, so that some
//! different constants look alike; the list is in the documentation of [`asm`](super::asm).
//! [`Style::Lossless`] prints the same wherever that is unambiguous and the assembler's extra
//! spellings elsewhere: assembling it gives exactly the function that was printed.
//!
//! Recursion follows the nesting of constants, which decoding and verifying bound.

use super::constant::{ConstValue, Pattern};
use super::number::{format_complex, format_number};
use super::operand::Operand;
use super::ops::{Access, Instr, Reg};
use super::{Body, ClassFile, Function, Variant};
use crate::ion_ops;
use crate::ionpack::{Manifest, Package};
use std::fmt;

/// How exact a disassembly is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// The customary text.
    #[default]
    Plain,
    /// Everything that the file says, in the spellings that only our assembler knows.
    Lossless,
}

/// The plain text of a function: header, one line an instruction, closing brace.
///
/// ```
/// use ion_runtime::bytecode::{asm::assemble_function, disasm::disassemble_function};
/// let text = "function main (arity: 0, extra_regs: 1) {\n    0: LOAD_CONST r0, 42\n    1: RETURN r0\n}\n";
/// assert_eq!(disassemble_function(&assemble_function(text).unwrap()), text);
/// ```
pub fn disassemble_function(function: &Function) -> String {
    disassemble_function_as(function, Style::Plain)
}

/// The text of a function in a style.
pub fn disassemble_function_as(function: &Function, style: Style) -> String {
    let mut printer = Printer::new(style);
    printer.function(function);
    printer.out
}

/// The plain text of all functions of a class, an empty line after each and one more in between.
pub fn disassemble_class(name: &str, class: &ClassFile) -> String {
    if class.functions.is_empty() {
        return format!("No functions found in class '{name}'\n");
    }
    let functions = class.functions.iter();
    let texts: Vec<String> = functions.map(|f| disassemble_function(f) + "\n").collect();
    texts.join("\n")
}

/// The text of manifest and classes of a package, with the directives that
/// [`assemble_package`](super::asm::assemble_package) reads. Other members are left out.
pub fn disassemble_package(package: &Package, style: Style) -> String {
    let mut printer = Printer::new(style);
    printer.manifest(&package.manifest);
    for class in &package.classes {
        let variant = match class.file.variant {
            Variant::Single => "single",
            Variant::Multi => "multi",
        };
        printer.text("\n.class ");
        printer.quoted_unless_simple(&class.name);
        printer.text(&format!(" {variant}\n"));
        for function in &class.file.functions {
            printer.text("\n");
            printer.function(function);
        }
    }
    printer.out
}

macro_rules! define_print {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        impl Instr {
            fn print(&self, printer: &mut Printer) {
                printer.text(self.name());
                match self {
                    $(Instr::$variant { $($field),* } => { $(printer.operand($field);)* })*
                }
            }
        }
    };
}
ion_ops!(define_print);

macro_rules! display {
    ($($kind:ident with $print:ident)*) => {$(
        /// The plain text of the disassembler.
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut printer = Printer::new(Style::Plain);
                printer.$print(self);
                f.write_str(&printer.out)
            }
        }
    )*};
}
display!(Instr with instr ConstValue with constant Pattern with pattern);

/// Text written so far.
pub(super) struct Printer {
    out: String,
    style: Style,
    /// Whether the instruction at hand has printed an operand.
    operands: bool,
}

impl Printer {
    fn new(style: Style) -> Self {
        Printer { out: String::new(), style, operands: false }
    }

    fn lossless(&self) -> bool {
        self.style == Style::Lossless
    }

    fn manifest(&mut self, manifest: &Manifest) {
        let words = |printer: &mut Self, name: &str, words: &[Option<&str>]| {
            printer.text(name);
            for word in words.iter().flatten() {
                printer.text(" ");
                printer.quoted_unless_simple(word);
            }
            printer.text("\n");
        };
        words(self, ".package", &[Some(&manifest.name), Some(&manifest.version)]);
        words(self, ".ionpack", &[Some(&manifest.ionpack_version)]);
        let (main, entry) = (manifest.main_class.as_deref(), manifest.entry_point.as_deref());
        if main.is_some() {
            words(self, ".main", &[main, entry]);
        } else if entry.is_some() {
            words(self, ".entry", &[entry]);
        }
        for (name, text) in [(".description", &manifest.description), (".author", &manifest.author)]
        {
            if let Some(text) = text {
                words(self, name, &[Some(text)]);
            }
        }
        let lists = [
            (".dependencies", &manifest.dependencies),
            (".libraries", &manifest.ffi_libraries),
            (".exports", &manifest.exports),
        ];
        for (name, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
            let items: Vec<Option<&str>> = items.iter().map(|item| Some(item.as_str())).collect();
            words(self, name, &items);
        }
    }

    fn function(&mut self, function: &Function) {
        self.text("function ");
        match &function.name {
            Some(name) if self.lossless() && (name == "anonymous" || !is_simple(name)) => {
                self.quoted(name);
            }
            _ => self.text(function.display_name()),
        }
        let (arity, extra) = (function.arity, function.extra_regs);
        self.text(&format!(" (arity: {arity}, extra_regs: {extra}) {{\n"));
        match &function.body {
            Body::Bytecode(code) => {
                for (index, instr) in code.iter().enumerate() {
                    self.text(&format!("  {index:>3}: "));
                    self.instr(instr);
                    self.text("\n");
                }
            }
            Body::Native(name) => {
                self.text("  FFI: ");
                self.name(name);
                self.text("\n");
            }
        }
        self.text("}\n");
    }

    fn instr(&mut self, instr: &Instr) {
        self.operands = false;
        instr.print(self);
    }

    fn operand(&mut self, operand: &impl Operand) {
        self.text(if self.operands { ", " } else { " " });
        self.operands = true;
        operand.print(self);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn reg(&mut self, reg: Reg) {
        self.text(&format!("r{reg}"));
    }

    /// Elements between brackets, with a comma and a blank in between.
    pub(super) fn list<T>(
        &mut self,
        (open, close): (&str, &str),
        items: &[T],
        mut element: impl FnMut(&mut Self, &T),
    ) {
        self.text(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text(", ");
            }
            element(self, item);
        }
        self.text(close);
    }

    /// A bare name; in lossless style in double quotes if it would not read back.
    pub(super) fn name(&mut self, name: &str) {
        if self.lossless() { self.quoted_unless_simple(name) } else { self.text(name) }
    }

    fn quoted_unless_simple(&mut self, name: &str) {
        if is_simple(name) { self.text(name) } else { self.quoted(name) }
    }

    /// A text in double quotes; control characters are escaped in lossless style only.
    fn quoted(&mut self, text: &str) {
        self.text("\"");
        for c in text.chars() {
            match c {
                '\\' | '"' => self.out.extend(['\\', c]),
                c if c.is_control() && self.lossless() => self.out.extend(c.escape_default()),
                c => self.out.push(c),
            }
        }
        self.text("\"");
    }

    /// An atom in single quotes, or as `atom("…")` if it would not read back.
    pub(super) fn atom(&mut self, text: &str) {
        if self.lossless() && text.contains(|c: char| c == '\\' || c.is_control()) {
            return self.spelled("atom", text);
        }
        self.text("'");
        self.text(&text.replace('\'', "\\'"));
        self.text("'");
    }

    fn spelled(&mut self, function: &str, text: &str) {
        self.text(function);
        self.text("(");
        self.quoted(text);
        self.text(")");
    }

    fn number(&mut self, number: f64) {
        let text = format_number(number);
        let same = text.parse::<f64>().is_ok_and(|read| read.to_bits() == number.to_bits());
        match number {
            _ if same || !self.lossless() => self.text(&text),
            number if number.is_nan() => self.text(&format!("f64(0x{:016x})", number.to_bits())),
            _ => self.text("-0.0"),
        }
    }

    fn complex(&mut self, re: f64, im: f64) {
        let canonical = |part: f64| !part.is_nan() || part.to_bits() == f64::NAN.to_bits();
        if self.lossless() && !(canonical(re) && canonical(im)) {
            self.list(("complex(", ")"), &[re, im], |printer, &part| printer.number(part));
        } else {
            self.text(&format_complex(re, im));
        }
    }

    pub(super) fn constant(&mut self, value: &ConstValue) {
        match value {
            ConstValue::Number(number) => self.number(*number),
            ConstValue::Boolean(value) => self.text(if *value { "true" } else { "false" }),
            ConstValue::Atom(text) => self.atom(text),
            ConstValue::Unit => self.text("()"),
            ConstValue::Undefined => self.text("undefined"),
            ConstValue::Array(items) => self.list(("[", "]"), items, Self::constant),
            ConstValue::Object(props) => self.list(("{ ", " }"), props, Self::property),
            ConstValue::LegacyFunction(name) if self.lossless() => self.spelled("legacy", name),
            ConstValue::LegacyFunction(name) => self.atom(&format!("function:{name}")),
            ConstValue::String(text) => self.quoted(text),
            ConstValue::Complex(re, im) => self.complex(*re, *im),
            ConstValue::Tuple(items) if items.is_empty() && self.lossless() => self.text("tuple()"),
            ConstValue::Tuple(items) => self.list(("(", ")"), items, Self::constant),
        }
    }

    fn property(&mut self, (key, value, access): &(String, ConstValue, Access)) {
        if self.lossless() {
            self.text(access_prefix(*access));
        }
        self.name(key);
        self.text(": ");
        self.constant(value);
    }

    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Value(value @ (ConstValue::Array(_) | ConstValue::Tuple(_)))
                if self.lossless() =>
            {
                self.text("value(");
                self.constant(value);
                self.text(")");
            }
            Pattern::Value(value) => self.constant(value),
            Pattern::Wildcard => self.text("_"),
            Pattern::Tuple(items) if items.is_empty() && self.lossless() => self.text("tuple()"),
            Pattern::Tuple(items) => self.list(("(", ")"), items, Self::pattern),
            Pattern::Array(items) => self.list(("[", "]"), items, Self::pattern),
            Pattern::Tagged(tag, inner) => {
                self.text("Object(__tag:");
                self.name(tag);
                self.text(", __slots:");
                self.pattern(inner);
                self.text(")");
            }
        }
    }

    /// The access of an OBJECT_INIT property; in lossless style the short encoding prints none.
    pub(super) fn access(&mut self, access: Option<Access>) {
        if access.is_some() || !self.lossless() {
            self.text(":");
            self.text(access.unwrap_or_default().name());
        }
    }
}

/// What the assembler takes before a key for a level other than public.
fn access_prefix(access: Access) -> &'static str {
    match access {
        Access::Public => "",
        Access::Readonly => "readonly ",
        Access::Protected => "protected ",
        Access::ProtectedReadonly => "protected readonly ",
    }
}

/// Whether a bare name reads back as itself wherever the text form has one.
fn is_simple(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
    !name.is_empty() && name.chars().all(good)
}
