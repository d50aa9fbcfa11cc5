//! Line tables: which place of a source text each instruction comes from.
//!
//! A class `NAME` may have a member `lines/NAME.lines`:
//!
//! | Field | Type |
//! |---|---|
//! | magic | the bytes `IONLN`, 1 |
//! | path of the source text | number of bytes, then UTF-8 |
//! | number of functions | number; those of the class file, in order |
//! | for each function: number of entries, then for each entry | numbers |
//! | … instruction, as distance from the entry before | number |
//! | … line, as distance from the entry before, `2 d` or `-2 d - 1` if negative | number |
//! | … column | number |
//!
//! A *number* is a variable-length integer: seven bits a byte, lowest first, the highest bit set in all bytes but
//! the last. An entry holds for its instruction and those behind it up to the next entry. Lines and
//! columns count from 1. Machines that do not know the member ignore it.

use super::PackageError;

/// Start of a line table.
const MAGIC: &[u8; 6] = b"IONLN\x01";

/// The line table of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassLines {
    /// Name of the class.
    pub class: String,
    /// The path of its source text, as stack traces show it.
    pub path: String,
    /// The tables of its functions, in the order of the class file.
    pub functions: Vec<FunctionLines>,
}

/// The line table of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionLines {
    /// The entries by ascending instruction.
    pub entries: Vec<LineEntry>,
}

/// From this instruction on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineEntry {
    /// Index of the instruction.
    pub pc: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl FunctionLines {
    /// Line and column of an instruction.
    pub fn position(&self, pc: u32) -> Option<(u32, u32)> {
        let behind = self.entries.partition_point(|entry| entry.pc <= pc);
        let entry = self.entries.get(behind.checked_sub(1)?)?;
        Some((entry.line, entry.column))
    }
}

impl ClassLines {
    /// The bytes of the member.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        number(&mut out, self.path.len() as u64);
        out.extend_from_slice(self.path.as_bytes());
        number(&mut out, self.functions.len() as u64);
        for function in &self.functions {
            number(&mut out, function.entries.len() as u64);
            let (mut pc, mut line) = (0, 0);
            for entry in &function.entries {
                number(&mut out, u64::from(entry.pc.saturating_sub(pc)));
                let distance = i64::from(entry.line) - line;
                number(&mut out, ((distance << 1) ^ (distance >> 63)) as u64);
                number(&mut out, u64::from(entry.column));
                (pc, line) = (entry.pc, i64::from(entry.line));
            }
        }
        out
    }

    /// Reads the bytes of the member of class `class`.
    pub fn decode(class: &str, bytes: &[u8]) -> Result<ClassLines, PackageError> {
        let mut input = Input { bytes: bytes.strip_prefix(MAGIC).unwrap_or_default() };
        read(class, &mut input)
            .filter(|_| bytes.starts_with(MAGIC) && input.bytes.is_empty())
            .ok_or_else(|| PackageError::Damaged {
                name: format!("lines/{class}.lines"),
                why: "it is no line table".to_owned(),
            })
    }
}

fn read(class: &str, input: &mut Input<'_>) -> Option<ClassLines> {
    let length = usize::try_from(input.number()?).ok()?;
    let path = std::str::from_utf8(input.take(length)?).ok()?.to_owned();
    // Everything counted takes at least a byte, so no count may exceed what is left.
    let count = input.count()?;
    let mut functions = Vec::with_capacity(count);
    for _ in 0..count {
        let count = input.count()?;
        let mut entries = Vec::with_capacity(count.min(input.bytes.len() / 3 + 1));
        let (mut pc, mut line) = (0u32, 0i64);
        for _ in 0..count {
            pc = pc.checked_add(u32::try_from(input.number()?).ok()?)?;
            let coded = input.number()?;
            line = line.checked_add((coded >> 1) as i64 ^ -((coded & 1) as i64))?;
            let column = u32::try_from(input.number()?).ok()?;
            entries.push(LineEntry { pc, line: u32::try_from(line).ok()?, column });
        }
        functions.push(FunctionLines { entries });
    }
    Some(ClassLines { class: class.to_owned(), path, functions })
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(front)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len()).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ClassLines {
        let entry = |pc, line, column| LineEntry { pc, line, column };
        let entries = vec![entry(0, 3, 1), entry(2, 900, 7), entry(5, 4, 200)];
        let functions = vec![FunctionLines { entries }, FunctionLines::default()];
        ClassLines { class: "Main".into(), path: "src/Main.ion".into(), functions }
    }

    #[test]
    fn tables_read_back() {
        let lines = sample();
        assert_eq!(ClassLines::decode("Main", &lines.encode()), Ok(lines.clone()));
        let function = &lines.functions[0];
        assert_eq!(function.position(0), Some((3, 1)));
        assert_eq!(function.position(4), Some((900, 7)));
        assert_eq!(function.position(99), Some((4, 200)));
        assert_eq!(lines.functions[1].position(0), None);
    }

    #[test]
    fn damaged_tables_are_refused() {
        let bytes = sample().encode();
        for cut in 0..bytes.len() {
            assert!(ClassLines::decode("Main", &bytes[..cut]).is_err(), "{cut}");
        }
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 0xFF;
            // Must not panic; some changes are still tables.
            let _ = ClassLines::decode("Main", &changed);
        }
    }
}
