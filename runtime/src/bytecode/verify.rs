//! Verification: what decoding cannot see.
//!
//! The contract **verified bytecode only**: of a function that [`verify_function`] accepted, every
//! register number is below [`Function::register_count`], which is at most [`MAX_REGISTERS`]; every
//! jump target is in `0..=count`, where `count` means the implicit return; lists of registers have at
//! most [`MAX_LIST`] elements, of arguments and captures at most [`MAX_ARGS`]; constants and patterns
//! nest at most [`MAX_DEPTH`] levels. Interpreter and compilers rely on it and check nothing of it
//! again.

use super::constant::{ConstValue, MAX_DEPTH, Pattern};
use super::near::hint;
use super::operand::Visitor;
use super::ops::{Offset, Reg};
use super::{Body, Function, Instr};
use std::fmt;

mod package;

pub use package::{Report, Warning, WarningKind, check_package, verify_classes, verify_package};

/// Most registers a function may have.
pub const MAX_REGISTERS: u32 = 65000;

/// Most registers of a frame, counting one for the bound object and one for each capture.
const MAX_FRAME: u64 = 65535;

/// Most registers a list operand may name.
pub const MAX_LIST: usize = 65535;

/// Most arguments of a call, and most captures of a closure. Compiled functions take both as
/// parameters, and machines limit the bytes of those.
pub const MAX_ARGS: usize = 4000;

/// Most instructions a function may have.
pub const MAX_INSTRUCTIONS: usize = 1 << 24;

/// Why a package or a function is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// Name of the class.
    pub class: Option<String>,
    /// Name of the function as shown in texts.
    pub function: Option<String>,
    /// Index of the instruction in its function.
    pub instruction: Option<usize>,
    /// What is wrong.
    pub kind: VerifyErrorKind,
}

/// What the verifier refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyErrorKind {
    /// An instruction names a register that the frame does not have.
    Register {
        /// The register.
        reg: Reg,
        /// Registers of the frame.
        count: u64,
    },
    /// The function asks for more than [`MAX_REGISTERS`].
    TooManyRegisters(u64),
    /// A jump leads before the first or beyond the end of the instructions.
    JumpTarget {
        /// Index of the target.
        target: i64,
        /// Instructions of the function.
        count: usize,
    },
    /// A list operand is longer than [`MAX_LIST`].
    ListTooLong(usize),
    /// A call has more arguments, or a closure more captures, than [`MAX_ARGS`].
    TooManyArguments(usize),
    /// The function has more than [`MAX_INSTRUCTIONS`].
    TooManyInstructions(usize),
    /// A constant or a pattern is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Two functions of one class have this name, or both have none.
    DuplicateFunction(Option<String>),
    /// Two classes have this name.
    DuplicateClass(String),
    /// The manifest names no main class.
    NoMainClass,
    /// There is no class of the name that the manifest gives.
    MissingMainClass {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// The main class has no such function.
    MissingEntryPoint {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// The function to start with is a native alias.
    NativeEntryPoint {
        /// Its name.
        name: String,
    },
    /// No `Entry-Point` is given, and `main`, one of several functions, has parameters.
    MainTakesParameters {
        /// How many.
        arity: u32,
    },
}

impl From<VerifyErrorKind> for VerifyError {
    fn from(kind: VerifyErrorKind) -> Self {
        VerifyError { class: None, function: None, instruction: None, kind }
    }
}

impl fmt::Display for VerifyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register { reg, count } => {
                write!(
                    f,
                    "register r{reg} is beyond the frame's {count} registers; declare more extra registers"
                )
            }
            Self::TooManyRegisters(count) => {
                write!(
                    f,
                    "{count} registers are more than the allowed {MAX_REGISTERS}; split the function"
                )
            }
            Self::JumpTarget { target, count } => {
                write!(
                    f,
                    "jump to instruction {target} is outside the function's {count}; correct the offset"
                )
            }
            Self::ListTooLong(length) => {
                write!(
                    f,
                    "list of {length} registers is longer than the allowed {MAX_LIST}; split it"
                )
            }
            Self::TooManyArguments(count) => {
                write!(
                    f,
                    "{count} arguments or captures are more than the allowed {MAX_ARGS}; pass an array"
                )
            }
            Self::TooManyInstructions(count) => {
                write!(
                    f,
                    "{count} instructions are more than the allowed {MAX_INSTRUCTIONS}; split the function"
                )
            }
            Self::TooDeep => {
                write!(
                    f,
                    "constant or pattern nested deeper than {MAX_DEPTH} levels; build the value at run time"
                )
            }
            Self::DuplicateFunction(Some(name)) => {
                write!(f, "two functions are called '{}'; rename one", name.escape_debug())
            }
            Self::DuplicateFunction(None) => write!(f, "two functions have no name; name one"),
            Self::DuplicateClass(name) => {
                write!(f, "two classes are called '{}'; rename one", name.escape_debug())
            }
            Self::NoMainClass => {
                write!(f, "the manifest names no main class; add a line 'Main-Class: NAME'")
            }
            Self::MissingMainClass { name, near } => {
                let remedy = hint_or(near, "; correct Main-Class in the manifest");
                write!(f, "the package has no main class '{}'{remedy}", name.escape_debug())
            }
            Self::MissingEntryPoint { name, near } => {
                let remedy = hint_or(near, "; name one as Entry-Point in the manifest");
                write!(f, "no function '{}' to start with{remedy}", name.escape_debug())
            }
            Self::NativeEntryPoint { name } => write!(
                f,
                "cannot start with '{}', an alias of a library function; name a bytecode function as Entry-Point in the manifest",
                name.escape_debug()
            ),
            Self::MainTakesParameters { arity } => {
                write!(
                    f,
                    "cannot start with 'main' of arity {arity}; name it as Entry-Point in the manifest"
                )
            }
        }
    }
}

fn hint_or(near: &[String], otherwise: &str) -> String {
    if near.is_empty() { otherwise.to_owned() } else { hint(near) }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = &self.class {
            write!(f, "class '{}': ", class.escape_debug())?;
        }
        if let Some(function) = &self.function {
            write!(f, "function '{}': ", function.escape_debug())?;
        }
        if let Some(instruction) = self.instruction {
            write!(f, "instruction {instruction}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for VerifyError {}

/// Checks everything that the contract of this module promises about a function.
pub fn verify_function(function: &Function) -> Result<(), VerifyError> {
    let fail = |instruction, kind| VerifyError {
        function: Some(function.display_name().to_owned()),
        instruction,
        ..VerifyError::from(kind)
    };
    let registers = function.register_count();
    if registers > u64::from(MAX_REGISTERS) {
        return Err(fail(None, VerifyErrorKind::TooManyRegisters(registers)));
    }
    let Body::Bytecode(code) = &function.body else {
        return Ok(());
    };
    if code.len() > MAX_INSTRUCTIONS {
        return Err(fail(None, VerifyErrorKind::TooManyInstructions(code.len())));
    }
    // Each captured name may need a register of its own, and so may the bound object.
    let captured = code.iter().map(|instr| match instr {
        Instr::MakeClosure { captures, .. } => captures.0.len() as u64,
        _ => 0,
    });
    let with_hidden = registers.saturating_add(captured.sum::<u64>()).saturating_add(1);
    if with_hidden > MAX_FRAME {
        return Err(fail(None, VerifyErrorKind::TooManyRegisters(with_hidden)));
    }
    for (index, instr) in code.iter().enumerate() {
        let mut checker = Checker { registers, index, count: code.len(), error: None };
        instr.visit(&mut checker);
        let count = passed(instr);
        checker.require(count <= MAX_ARGS, VerifyErrorKind::TooManyArguments(count));
        if let Some(kind) = checker.error {
            return Err(fail(Some(index), kind));
        }
    }
    Ok(())
}

/// How many values an instruction hands to a function.
pub(crate) fn passed(instr: &Instr) -> usize {
    match instr {
        Instr::Call { args, .. } | Instr::Spawn { args, .. } => args.0.len(),
        Instr::MakeClosure { captures, .. } => captures.0.len(),
        _ => 0,
    }
}

/// Checks one instruction and keeps the first error.
struct Checker {
    registers: u64,
    index: usize,
    count: usize,
    error: Option<VerifyErrorKind>,
}

impl Checker {
    fn require(&mut self, good: bool, kind: VerifyErrorKind) {
        if !good && self.error.is_none() {
            self.error = Some(kind);
        }
    }

    fn register(&mut self, reg: Reg) {
        let count = self.registers;
        self.require(u64::from(reg) < count, VerifyErrorKind::Register { reg, count });
    }
}

impl Visitor for Checker {
    fn read(&mut self, reg: Reg) {
        self.register(reg);
    }
    fn write(&mut self, reg: Reg) {
        self.register(reg);
    }
    fn jump(&mut self, offset: Offset) {
        let (target, count) = (self.index as i64 + i64::from(offset.0), self.count);
        let inside = (0..=count as i64).contains(&target);
        self.require(inside, VerifyErrorKind::JumpTarget { target, count });
    }
    fn list(&mut self, length: usize) {
        self.require(length <= MAX_LIST, VerifyErrorKind::ListTooLong(length));
    }
    fn load(&mut self, value: &ConstValue) {
        self.constant(value);
    }
    fn constant(&mut self, value: &ConstValue) {
        self.require(constant_fits(value, MAX_DEPTH), VerifyErrorKind::TooDeep);
    }
    fn pattern(&mut self, pattern: &Pattern) {
        self.require(pattern_fits(pattern, MAX_DEPTH), VerifyErrorKind::TooDeep);
    }
}

fn constant_fits(value: &ConstValue, levels: usize) -> bool {
    match value {
        ConstValue::Array(items) | ConstValue::Tuple(items) => {
            levels > 0 && items.iter().all(|item| constant_fits(item, levels - 1))
        }
        ConstValue::Object(props) => {
            levels > 0 && props.iter().all(|(_, value, _)| constant_fits(value, levels - 1))
        }
        _ => true,
    }
}

fn pattern_fits(pattern: &Pattern, levels: usize) -> bool {
    match pattern {
        Pattern::Wildcard => true,
        Pattern::Value(value) => constant_fits(value, levels),
        Pattern::Tuple(items) | Pattern::Array(items) => {
            levels > 0 && items.iter().all(|item| pattern_fits(item, levels - 1))
        }
        Pattern::Tagged(_, inner) => levels > 0 && pattern_fits(inner, levels - 1),
    }
}
