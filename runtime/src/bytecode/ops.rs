//! The op table: every instruction of the file format, once.
//!
//! `ion_ops!` hands the table to a macro. From it come the [`Instr`] enum and the opcode numbers
//! (here), and encoder, decoder, disassembler, assembler, verifier and reference page (siblings of
//! this file). A new row is a new variant, so every `match` that must know about it stops the build.
//!
//! Invariant: opcode numbers and operand order are the file format and never change.

use super::constant::{ConstValue, Pattern};

/// Hands the op table to the macro `$with`.
///
/// Row: doc comment, opcode byte, variant, mnemonic, operands in file order, cost in reductions
/// under `--preempt instruction`.
#[macro_export]
macro_rules! ion_ops {
    ($with:ident) => {
        $with! {
            /// `dst := value`. Special atoms (`self`, `__vm:…`, `__stdlib:…`, `__function_ref:…`) are resolved; containers are copied afresh.
            0x01 LoadConst "LOAD_CONST" { dst: Dst, value: ConstOperand } cost 1;
            /// `dst := src`.
            0x02 Move "MOVE" { dst: Dst, src: Src } cost 1;
            /// `dst := a + b` for numbers, complex numbers and strings; Undefined for other kinds.
            0x03 Add "ADD" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a - b` for numbers and complex numbers; Undefined for other kinds.
            0x04 Sub "SUB" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a * b` for numbers and complex numbers, repetition for a string and a number.
            0x05 Mul "MUL" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a / b`; Undefined if `b` is the number zero.
            0x06 Div "DIV" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := object[key]`; a function read this way is bound to `object`.
            0x07 GetProp "GET_PROP" { dst: Dst, object: Src, key: Src } cost 1;
            /// `object[key] := value`.
            0x08 SetProp "SET_PROP" { object: Src, key: Src, value: Src } cost 1;
            /// `dst := function(args…)`.
            0x09 Call "CALL" { dst: Dst, function: Src, args: RegList } cost 2;
            /// Ends the frame with `value`.
            0x0A Return "RETURN" { value: Src } cost 1;
            /// Goes to own index + `offset`.
            0x0B Jump "JUMP" { offset: Offset } cost 1;
            /// Jumps if `condition` is true.
            0x0C JumpIfTrue "JUMP_IF_TRUE" { condition: Src, offset: Offset } cost 1;
            /// Jumps if `condition` is false.
            0x0D JumpIfFalse "JUMP_IF_FALSE" { condition: Src, offset: Offset } cost 1;
            /// `dst :=` handle of a new process that runs `function(args…)`.
            0x0E Spawn "SPAWN" { dst: Dst, function: Src, args: RegList } cost 4;
            /// Copies `message` into the mailbox of `process`.
            0x0F Send "SEND" { process: Src, message: Src } cost 4;
            /// `dst :=` next message; waits if there is none.
            0x10 Receive "RECEIVE" { dst: Dst } cost 2;
            /// Waits for the end of the process with this number; `dst :=` its result.
            0x11 Link "LINK" { process: ProcessNumber, dst: Dst } cost 2;
            /// Jumps by the first arm whose pattern matches `value`; goes on behind if none does.
            0x12 Match "MATCH" { value: Src, arms: Arms } cost 1;
            /// Gives up the rest of the time slice.
            0x13 Yield "YIELD" {} cost 1;
            /// Does nothing.
            0x14 Nop "NOP" {} cost 1;
            /// `dst := a == b`.
            0x15 Equal "EQUAL" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := not (a == b)`.
            0x16 NotEqual "NOT_EQUAL" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a < b` for two numbers, two strings or two atoms; false for other kinds.
            0x17 LessThan "LESS_THAN" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a <= b`, kinds as for LESS_THAN.
            0x18 LessEqual "LESS_EQUAL" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a > b`, kinds as for LESS_THAN.
            0x19 GreaterThan "GREATER_THAN" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := a >= b`, kinds as for LESS_THAN.
            0x1A GreaterEqual "GREATER_EQUAL" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := truth(a) and truth(b)`, always a Boolean.
            0x1B And "AND" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := truth(a) or truth(b)`, always a Boolean.
            0x1C Or "OR" { dst: Dst, a: Src, b: Src } cost 1;
            /// `dst := not truth(src)`, always a Boolean.
            0x1D Not "NOT" { dst: Dst, src: Src } cost 1;
            /// `dst :=` next message and `result := true`; after `timeout` milliseconds `dst := undefined` and `result := false`.
            0x1E ReceiveWithTimeout "RECEIVE_WITH_TIMEOUT" { dst: Dst, timeout: Src, result: Dst } cost 2;
            /// `dst :=` a new object.
            0x1F ObjectInit "OBJECT_INIT" { dst: Dst, props: Props } cost 1;
            /// Waits for the first end among `processes`; `dst :=` its result.
            0x20 Select "SELECT" { dst: Dst, processes: RegList } cost 2;
            /// As SELECT, then ends the others.
            0x21 SelectWithKill "SELECT_WITH_KILL" { dst: Dst, processes: RegList } cost 2;
            /// `dst :=` a new array of the registers' values.
            0x22 ArrayInit "ARRAY_INIT" { dst: Dst, elements: RegList } cost 1;
            /// `dst := function` with the captured values in front of its arguments.
            0x23 MakeClosure "MAKE_CLOSURE" { dst: Dst, function: Src, scope: Scope, captures: Captures } cost 1;
        }
    };
}

/// A register number as the file has it.
pub type Reg = u32;

/// A register that the instruction writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dst(pub Reg);

/// A register that the instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Src(pub Reg);

/// Registers that the instruction reads, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegList(pub Vec<Reg>);

/// A jump distance in instructions, relative to the jumping instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(pub i32);

/// A process number written into the instruction (LINK).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessNumber(pub u32);

/// The constant of a LOAD_CONST.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstOperand(pub ConstValue);

/// The arms of a MATCH: pattern and jump distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Arms(pub Vec<(Pattern, Offset)>);

/// The properties of an OBJECT_INIT.
#[derive(Clone, Debug, PartialEq)]
pub struct Props(pub Vec<PropInit>);

/// The scope name of a MAKE_CLOSURE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(pub String);

/// The captures of a MAKE_CLOSURE: name and register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures(pub Vec<(String, Reg)>);

/// Who may read and write a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Access {
    /// Everyone reads and writes.
    #[default]
    Public = 0,
    /// Everyone reads, nobody writes.
    Readonly = 1,
    /// Read and written through `this` only.
    Protected = 2,
    /// Read through `this` only, never written.
    ProtectedReadonly = 3,
}

impl Access {
    /// All levels, in order of their bytes.
    pub const ALL: [Access; 4] =
        [Access::Public, Access::Readonly, Access::Protected, Access::ProtectedReadonly];

    /// The level of an access byte.
    pub fn from_byte(byte: u8) -> Option<Access> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// The level of the same readers, without any writers.
    pub fn frozen(self) -> Access {
        match self {
            Access::Public | Access::Readonly => Access::Readonly,
            Access::Protected | Access::ProtectedReadonly => Access::ProtectedReadonly,
        }
    }

    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Access::Public => "Public",
            Access::Readonly => "Readonly",
            Access::Protected => "Protected",
            Access::ProtectedReadonly => "ProtectedReadonly",
        }
    }
}

/// One property of an OBJECT_INIT.
#[derive(Clone, Debug, PartialEq)]
pub struct PropInit {
    /// Property name.
    pub key: String,
    /// Where the value comes from.
    pub value: PropValue,
    /// The access byte, absent in the two short encodings (tags 0 and 1), which mean public.
    pub access: Option<Access>,
}

/// Where an OBJECT_INIT property takes its value.
#[derive(Clone, Debug, PartialEq)]
pub enum PropValue {
    /// From a register.
    Reg(Reg),
    /// A constant; special atoms stay plain atoms.
    Const(ConstValue),
}

macro_rules! define_instr {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        /// One instruction as the file has it, operands in file order.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "the operand names are explained by the variant's text")]
        pub enum Instr {
            $($(#[$doc])* $variant { $($field: $kind),* },)*
        }

        impl Instr {
            /// The opcode byte.
            pub fn opcode(&self) -> u8 {
                match self { $(Instr::$variant { .. } => $code,)* }
            }

            /// The mnemonic.
            pub fn name(&self) -> &'static str {
                match self { $(Instr::$variant { .. } => $name,)* }
            }

            /// Reductions under `--preempt instruction`.
            pub fn cost(&self) -> u32 {
                match self { $(Instr::$variant { .. } => $cost,)* }
            }
        }
    };
}
ion_ops!(define_instr);
