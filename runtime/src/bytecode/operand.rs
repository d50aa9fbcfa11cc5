//! The operand kinds of the op table, each with everything the format layer does with it.
//!
//! Encoder, decoder, disassembler, assembler and the visitor loop over a row's operands and call these methods; a new kind of
//! operand is one more `impl` here and nothing else.

use super::asm::{AsmError, Parser};
use super::constant::{ConstValue, Pattern};
use super::decode::{self, DecodeError, Input};
use super::disasm::Printer;
use super::encode::{self, EncodeError, Output};
use super::ops::{
    Arms, Captures, ConstOperand, Dst, Instr, Offset, ProcessNumber, PropInit, PropValue, Props,
    Reg, RegList, Scope, Src,
};
use crate::ion_ops;

/// What one kind of operand can do.
pub(super) trait Operand: Sized {
    /// Reads the operand.
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError>;
    /// Writes the operand.
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError>;
    /// Prints the operand.
    fn print(&self, printer: &mut Printer);
    /// Reads the operand from text.
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError>;
    /// Shows the parts to `visitor`, in file order.
    fn visit(&self, visitor: &mut impl Visitor);
}

/// Sees the parts of an instruction, in file order; every method does nothing by default.
///
/// An operation reads its operands before it writes its results, whatever the order in the file.
#[allow(unused_variables, reason = "the names document the parameters")]
pub trait Visitor {
    /// A register is read.
    fn read(&mut self, reg: Reg) {}
    /// A register is written.
    fn write(&mut self, reg: Reg) {}
    /// A jump of this distance is possible.
    fn jump(&mut self, offset: Offset) {}
    /// A list of this many registers follows.
    fn list(&mut self, length: usize) {}
    /// The constant of a LOAD_CONST, where special atoms are resolved.
    fn load(&mut self, value: &ConstValue) {}
    /// Another constant, where special atoms are plain.
    fn constant(&mut self, value: &ConstValue) {}
    /// A pattern.
    fn pattern(&mut self, pattern: &Pattern) {}
}

macro_rules! define_visit {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        impl Instr {
            /// Shows the operands to `visitor`, in file order.
            #[allow(unused_variables, reason = "rows without operands")]
            pub fn visit(&self, visitor: &mut impl Visitor) {
                match self {
                    $(Instr::$variant { $($field),* } => { $($field.visit(visitor);)* })*
                }
            }
        }
    };
}
ion_ops!(define_visit);

impl Operand for Dst {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Dst(input.u32()?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.u32(self.0);
        Ok(())
    }
    fn print(&self, printer: &mut Printer) {
        printer.reg(self.0);
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        Ok(Dst(parser.reg()?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.write(self.0);
    }
}

impl Operand for Src {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Src(input.u32()?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.u32(self.0);
        Ok(())
    }
    fn print(&self, printer: &mut Printer) {
        printer.reg(self.0);
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        Ok(Src(parser.reg()?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.read(self.0);
    }
}

impl Operand for RegList {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(RegList(input.list("registers", 4, Input::u32)?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.list(&self.0, |out, reg| {
            out.u32(*reg);
            Ok(())
        })
    }
    fn print(&self, printer: &mut Printer) {
        printer.list(("[", "]"), &self.0, |printer, reg| printer.reg(*reg));
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        Ok(RegList(parser.list("[", ']', Parser::reg)?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.list(self.0.len());
        self.0.iter().for_each(|&reg| visitor.read(reg));
    }
}

impl Operand for Offset {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Offset(input.i32()?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.i32(self.0);
        Ok(())
    }
    fn print(&self, printer: &mut Printer) {
        printer.text(&self.0.to_string());
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        parser.offset()
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.jump(*self);
    }
}

impl Operand for ProcessNumber {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(ProcessNumber(input.u32()?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.u32(self.0);
        Ok(())
    }
    fn print(&self, printer: &mut Printer) {
        printer.text(&format!("process{}", self.0));
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        Ok(ProcessNumber(parser.numbered("process", "a process such as 'process1'")?))
    }
    fn visit(&self, _: &mut impl Visitor) {}
}

impl Operand for ConstOperand {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(ConstOperand(decode::constant(input)?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        encode::constant(out, &self.0)
    }
    fn print(&self, printer: &mut Printer) {
        printer.constant(&self.0);
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        Ok(ConstOperand(parser.constant()?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.load(&self.0);
    }
}

impl Operand for Arms {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let arm = |input: &mut Input<'_>| Ok((decode::pattern(input)?, Offset::decode(input)?));
        Ok(Arms(input.list("arms", 5, arm)?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.list(&self.0, |out, (pattern, offset)| {
            encode::pattern(out, pattern)?;
            offset.encode(out)
        })
    }
    fn print(&self, printer: &mut Printer) {
        printer.list(("[", "]"), &self.0, |printer, (pattern, offset)| {
            printer.text("(");
            printer.pattern(pattern);
            printer.text(", ");
            offset.print(printer);
            printer.text(")");
        });
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        let arm = |parser: &mut Parser<'_>| {
            parser.expect("(")?;
            parser.space();
            let pattern = parser.pattern()?;
            parser.space();
            parser.expect(",")?;
            parser.space();
            let offset = Offset::parse(parser)?;
            parser.space();
            parser.expect(")")?;
            Ok((pattern, offset))
        };
        Ok(Arms(parser.list("[", ']', arm)?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        for (pattern, offset) in &self.0 {
            visitor.pattern(pattern);
            visitor.jump(*offset);
        }
    }
}

impl Operand for Props {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Props(input.list("properties", 6, prop_init)?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.list(&self.0, |out, prop| {
            out.string(&prop.key)?;
            let long = if prop.access.is_some() { 2 } else { 0 };
            match &prop.value {
                PropValue::Reg(reg) => {
                    out.u8(long);
                    out.u32(*reg);
                }
                PropValue::Const(value) => {
                    out.u8(long + 1);
                    encode::constant(out, value)?;
                }
            }
            if let Some(access) = prop.access {
                out.u8(access as u8);
            }
            Ok(())
        })
    }
    fn print(&self, printer: &mut Printer) {
        printer.list(("{", "}"), &self.0, |printer, prop| {
            printer.name(&prop.key);
            printer.text(":");
            match &prop.value {
                PropValue::Reg(reg) => printer.reg(*reg),
                PropValue::Const(value) => printer.constant(value),
            }
            printer.access(prop.access);
        });
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        let prop = |parser: &mut Parser<'_>| {
            let key = parser.name_until(":")?;
            parser.space();
            let value = if parser.at("r") {
                PropValue::Reg(parser.reg()?)
            } else {
                PropValue::Const(parser.constant()?)
            };
            Ok(PropInit { key, value, access: parser.access()? })
        };
        Ok(Props(parser.list("{", '}', prop)?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        for prop in &self.0 {
            match &prop.value {
                PropValue::Reg(reg) => visitor.read(*reg),
                PropValue::Const(value) => visitor.constant(value),
            }
        }
    }
}

fn prop_init(input: &mut Input<'_>) -> Result<PropInit, DecodeError> {
    let key = input.string()?;
    let (at, tag) = input.tag()?;
    let value = match tag {
        0 | 2 => PropValue::Reg(input.u32()?),
        1 | 3 => PropValue::Const(decode::constant(input)?),
        _ => return Err(input.bad_tag(at, "property argument tag", tag)),
    };
    let access = if tag >= 2 { Some(decode::access(input)?) } else { None };
    Ok(PropInit { key, value, access })
}

impl Operand for Scope {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(Scope(input.string()?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.string(&self.0)
    }
    fn print(&self, printer: &mut Printer) {
        printer.atom(&self.0);
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        let double = parser.at("\"");
        Ok(Scope(if double { parser.quoted()? } else { parser.atom()? }))
    }
    fn visit(&self, _: &mut impl Visitor) {}
}

impl Operand for Captures {
    fn decode(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let capture = |input: &mut Input<'_>| Ok((input.string()?, input.u32()?));
        Ok(Captures(input.list("captures", 8, capture)?))
    }
    fn encode(&self, out: &mut Output) -> Result<(), EncodeError> {
        out.list(&self.0, |out, (name, reg)| {
            out.string(name)?;
            out.u32(*reg);
            Ok(())
        })
    }
    fn print(&self, printer: &mut Printer) {
        printer.list(("[", "]"), &self.0, |printer, (name, reg)| {
            printer.name(name);
            printer.text(":");
            printer.reg(*reg);
        });
    }
    fn parse(parser: &mut Parser<'_>) -> Result<Self, AsmError> {
        let capture = |parser: &mut Parser<'_>| {
            let name = parser.name_until(":")?;
            parser.space();
            Ok((name, parser.reg()?))
        };
        Ok(Captures(parser.list("[", ']', capture)?))
    }
    fn visit(&self, visitor: &mut impl Visitor) {
        visitor.list(self.0.len());
        self.0.iter().for_each(|(_, reg)| visitor.read(*reg));
    }
}
