//! Bytecode as files have it: op table, constants, encoding, text form, verification.

pub mod asm;
pub mod constant;
pub mod decode;
pub mod disasm;
pub mod encode;
pub mod flow;
pub mod near;
pub mod number;
pub mod operand;
pub mod ops;
pub mod reference;
pub mod resolve;
pub mod verify;

pub use asm::{AsmError, assemble_class, assemble_function, assemble_package};
pub use constant::{ConstValue, MAX_DEPTH, Pattern};
pub use decode::{DecodeError, DecodeErrorKind};
pub use disasm::{Style, disassemble_class, disassemble_function, disassemble_package};
pub use encode::EncodeError;
pub use operand::Visitor;
pub use ops::{Access, Instr};
pub use reference::{OPS, OpInfo, reference_markdown};
pub use resolve::{FunctionIndex, entry_point};
pub use verify::{VerifyError, VerifyErrorKind, verify_function, verify_package};

/// How a class file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// One function and nothing else.
    Single,
    /// A header, a count and any number of functions.
    Multi,
}

/// A decoded class file. Its name is not inside: the package knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassFile {
    /// The layout it was read from and is written in.
    pub variant: Variant,
    /// The functions in file order; exactly one in the single variant.
    pub functions: Vec<Function>,
}

impl ClassFile {
    /// A class in the layout that is customary for its number of functions: single for one.
    pub fn new(functions: Vec<Function>) -> ClassFile {
        let variant = if functions.len() == 1 { Variant::Single } else { Variant::Multi };
        ClassFile { variant, functions }
    }
}

/// The body of a [`Function`].
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Instructions.
    Bytecode(Vec<Instr>),
    /// The name of a library function.
    Native(String),
}

/// One function of a class file.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Name; unnamed functions are found by their class's name.
    pub name: Option<String>,
    /// Declared parameters.
    pub arity: u32,
    /// Further registers.
    pub extra_regs: u32,
    /// What it does.
    pub body: Body,
}

impl Function {
    /// Registers of a frame: never fewer than 16, as existing packages rely on it.
    pub fn register_count(&self) -> u64 {
        (u64::from(self.arity) + u64::from(self.extra_regs)).max(16)
    }

    /// The name shown in texts.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or("anonymous")
    }
}
