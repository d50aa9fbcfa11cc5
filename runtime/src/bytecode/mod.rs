//! Bytecode as files have it: op table, constants, encoding, text form, verification.

pub mod constant;
pub mod flow;
pub mod ops;

pub use constant::{ConstValue, Pattern};
pub use ops::{Access, Instr};

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
