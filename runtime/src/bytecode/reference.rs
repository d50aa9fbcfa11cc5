//! The op table as data, and the reference page made from it.

use crate::ion_ops;

/// What the op table says about one instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpInfo {
    /// The opcode byte.
    pub code: u8,
    /// The mnemonic.
    pub name: &'static str,
    /// Names and kinds of the operands, in file order.
    pub operands: &'static [(&'static str, &'static str)],
    /// Reductions under `--preempt instruction`.
    pub cost: u32,
    /// What it does, in Markdown.
    pub doc: &'static str,
}

macro_rules! define_table {
    ($($(#[doc = $doc:literal])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        /// Every instruction, in order of opcodes.
        pub const OPS: &[OpInfo] = &[$(OpInfo {
            code: $code,
            name: $name,
            operands: &[$((stringify!($field), stringify!($kind))),*],
            cost: $cost,
            doc: concat!($($doc),*),
        }),*];
    };
}
ion_ops!(define_table);

/// How operand kinds look in the file and in texts.
const KINDS: [(&str, &str, &str); 10] = [
    ("Dst", "register that is written: u32", "`r0`"),
    ("Src", "register that is read: u32", "`r0`"),
    ("RegList", "u32 count, then registers that are read", "`[r1, r2]`"),
    ("Offset", "i32; the target is own index + offset", "`-3`"),
    ("ProcessNumber", "u32, an immediate", "`process2`"),
    ("ConstOperand", "a constant", "`42`, `'atom'`, `\"text\"`, `(1, 2)`"),
    ("Arms", "u32 count, then pattern and offset each", "`[(1, 3), (_, 5)]`"),
    (
        "Props",
        "u32 count, then key, tag, register or constant, and for tags 2 and 3 access",
        "`{key:r1:Public}`",
    ),
    ("Scope", "string", "`'scope'`"),
    ("Captures", "u32 count, then name and register each", "`[name:r2]`"),
];

/// The reference page of the instructions, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Instructions\n\n\
         Generated from the op table in `src/bytecode/ops.rs`; a test compares it and `BLESS=1` rewrites it.\n\n\
         | Byte | Name | Operands | Cost | Meaning |\n|---|---|---|---|---|\n",
    );
    for op in OPS {
        let operands: Vec<String> =
            op.operands.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        let operands = operands.join(", ");
        let (doc, cost) = (op.doc.trim(), op.cost);
        page.push_str(&format!(
            "| {:02X} | {} | {operands} | {cost} | {doc} |\n",
            op.code, op.name
        ));
    }
    page.push_str("\n## Operand kinds\n\nIntegers are little-endian.\n\n| Kind | In the file | In texts |\n|---|---|---|\n");
    let used = |kind: &str| OPS.iter().any(|op| op.operands.iter().any(|(_, used)| *used == kind));
    for (kind, file, text) in KINDS.into_iter().filter(|(kind, ..)| used(kind)) {
        page.push_str(&format!("| {kind} | {file} | {text} |\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_dense_and_kinds_are_explained() {
        for (index, op) in OPS.iter().enumerate() {
            assert_eq!(usize::from(op.code), index + 1);
            for (_, kind) in op.operands {
                assert!(KINDS.iter().any(|(known, ..)| known == kind), "explain {kind}");
            }
        }
    }
}
