//! Texts, by the names from before there were modules. Lengths are in bytes of UTF-8; functions and processes count as their display texts.
//!
//! Results that cannot fit into the caller's memory are refused before they are built.

use super::{Made, Result};
use crate::convert::FromValue;
use crate::registry::natives;
use ion_runtime::natives::NativeCx;
use ion_runtime::object::string;
use ion_runtime::value::Value;
use std::borrow::Cow;

natives! {
    /// Texts, by the names from before there were modules.
    fn classic;

    /// Length in bytes of UTF-8.
    StrLength(text) = typed length;
    /// Upper case, by the full Unicode mapping: `ß` gives `SS`.
    StrUpper(text) = typed upper;
    /// Lower case, by the full Unicode mapping.
    StrLower(text) = typed lower;
    /// The two texts one after the other.
    StrConcat(a, b) = typed concat;
    /// The pieces of the first text between occurrences of the second. Empty pieces are kept; an
    /// empty delimiter gives an empty piece, each character, an empty piece.
    StrSplit(text, delimiter) = typed split;
    /// The text without Unicode white space at both ends.
    StrTrim(text) = typed trim;
}

/// A text, or the display text of a function or process. It must not be kept beyond the call.
struct Text(Cow<'static, str>);

impl FromValue for Text {
    const KIND: &'static str = "String";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        cx.text(value).map(Text)
    }
}

/// The length of a text, which is not read.
struct Length(usize);

impl FromValue for Length {
    const KIND: &'static str = "String";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        // A long concatenation stays as it is.
        string::len(value).or_else(|| cx.text(value).map(|text| text.len())).map(Length)
    }
}

fn length(length: Length) -> f64 {
    length.0 as f64
}

fn upper(cx: &mut NativeCx<'_>, Text(text): Text) -> String {
    cx.charge_bytes(text.len());
    text.to_uppercase()
}

fn lower(cx: &mut NativeCx<'_>, Text(text): Text) -> String {
    cx.charge_bytes(text.len());
    text.to_lowercase()
}

fn concat(cx: &mut NativeCx<'_>, Text(a): Text, Text(b): Text) -> Result<String> {
    cx.charge_bytes(a.len().saturating_add(b.len()));
    if a.len().saturating_add(b.len()) > cx.heap.limit {
        return Err(cx.out_of_memory());
    }
    Ok(String::from(a) + &b)
}

fn split(cx: &mut NativeCx<'_>, Text(text): Text, Text(delimiter): Text) -> Result<Vec<Value>> {
    cx.charge_bytes(text.len().saturating_add(delimiter.len()));
    text.split(&*delimiter).map(|piece| cx.string(piece)).collect()
}

fn trim(cx: &mut NativeCx<'_>, Text(text): Text) -> Result<Made> {
    cx.charge_bytes(text.len());
    cx.string(text.trim()).map(Made)
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::{check, check_with_heap};

    #[test]
    fn length_is_in_bytes() {
        check("StrLength", "\"abc\"", "Number: 3");
        check("StrLength", "\"\"", "Number: 0");
        check("StrLength", "\"naïve\"", "Number: 6");
        check("StrLength", "function", "Number: 16");
        check("StrLength", "'abc'", "error:FFI call error: Expected String argument, got Atom");
    }

    #[test]
    fn case_is_mapped_fully() {
        check("StrUpper", "\"straße\"", "String: \"STRASSE\"");
        check("StrLower", "\"ÀB İ\"", "String: \"àb i\u{307}\"");
        check("StrUpper", "\"\"", "String: \"\"");
        check("StrUpper", "function", "String: \"[FUNCTION: MAIN]\"");
        check("StrLower", "1", "error:FFI call error: Expected String argument, got Number");
    }

    #[test]
    fn concatenation() {
        check("StrConcat", "\"ab\", \"cd\"", "String: \"abcd\"");
        check("StrConcat", "\"\", \"\"", "String: \"\"");
        check("StrConcat", "process, \"!\"", "String: \"[Process]!\"");
        check(
            "StrConcat",
            "\"a\", 'b'",
            "error:FFI call error: Expected String, String argument, got String, Atom",
        );
    }

    #[test]
    fn splitting_keeps_empty_pieces() {
        check("StrSplit", "\"a,b,,c\", \",\"", "Array: [a, b, , c]");
        check("StrSplit", "\",\", \",\"", "Array: [, ]");
        check("StrSplit", "\"abc\", \"\"", "Array: [, a, b, c, ]");
        check("StrSplit", "\"\", \",\"", "Array: []");
        check("StrSplit", "\"\", \"\"", "Array: [, ]");
        check("StrSplit", "\"aXXbXX\", \"XX\"", "Array: [a, b, ]");
        check("StrSplit", "\"a b\", \"é\"", "Array: [a b]");
    }

    #[test]
    fn trimming_knows_unicode_blanks() {
        check("StrTrim", "\" \\t\\u{2003}a b\\n\\u{a0}\"", "String: \"a b\"");
        check("StrTrim", "\"\\u{200b}a\"", "String: \"\u{200b}a\"");
        check("StrTrim", "true", "error:FFI call error: Expected String argument, got Boolean");
    }

    #[test]
    fn results_beyond_the_memory_limit_end_the_process() {
        let limit = 4096;
        let trap = "out of memory: the limit is 4096 bytes";
        let long = format!("\"{}\"", "a".repeat(3000));
        check_with_heap(limit, "StrConcat", &format!("{long}, {long}"), trap);
        check_with_heap(limit, "StrSplit", &format!("{long}, \"\""), trap);
    }
}
