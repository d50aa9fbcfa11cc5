//! Source texts and places in them.

use std::ops::Range;

/// A stretch of bytes of one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: u32, end: u32) -> Span {
        Span { start, end: end.max(start) }
    }

    /// From the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start, other.end)
    }

    /// The bytes as a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Largest source text, so that offsets fit into `u32` with room to spare.
pub const MAX_SOURCE: usize = 64 << 20;

/// One source text: a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the class: the file name without `.ion`.
    pub class: String,
    /// The path as messages and stack traces show it.
    pub path: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// A source text.
    pub fn new(
        class: impl Into<String>,
        path: impl Into<String>,
        text: impl Into<String>,
    ) -> Source {
        Source { class: class.into(), path: path.into(), text: text.into() }
    }
}

/// Where the lines of a text start, to turn offsets into lines and columns.
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Indexes a text.
    pub fn new(text: &str) -> LineIndex {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1)).collect();
        LineIndex { starts }
    }

    /// Line and column of an offset, both from 1; columns count characters.
    pub fn position(&self, text: &str, offset: u32) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts[line - 1];
        let end = (offset as usize).min(text.len());
        let before = text.as_bytes().get(start as usize..end).unwrap_or_default();
        // Continuation bytes of UTF-8 are not counted.
        let column = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        (line as u32, column as u32 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let text = "ab\né x\n";
        let index = LineIndex::new(text);
        let at = |needle: &str| index.position(text, text.find(needle).unwrap() as u32);
        assert_eq!(at("b"), (1, 2));
        assert_eq!(at("é"), (2, 1));
        assert_eq!(at("x"), (2, 3));
        assert_eq!(index.position(text, text.len() as u32), (3, 1));
        assert_eq!(index.position(text, u32::MAX), (3, 1));
    }
}
