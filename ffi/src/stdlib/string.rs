//! Texts. Lengths are in bytes of UTF-8; functions and processes count as their display texts.
//!
//! Results that cannot fit into the caller's memory are refused before they are built.

use super::charge;
use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::object::string;
use ion_runtime::value::Value;
use std::borrow::Cow;

type Result<T = Value> = std::result::Result<T, NativeError>;

/// The only argument as a text, charged for.
fn one<'a>(cx: &mut NativeCx<'_>, args: &[Value]) -> Result<Cow<'a, str>> {
    let text = args.first().and_then(|arg| cx.text(*arg));
    let text = text.ok_or_else(|| NativeCx::type_error("String", args))?;
    charge(cx, text.len());
    Ok(text)
}

/// The two arguments as texts, charged for.
fn two<'a>(cx: &mut NativeCx<'_>, args: &[Value]) -> Result<(Cow<'a, str>, Cow<'a, str>)> {
    let text = |at: usize| args.get(at).and_then(|arg| cx.text(*arg));
    let (Some(a), Some(b)) = (text(0), text(1)) else {
        return Err(NativeCx::type_error("String, String", args));
    };
    charge(cx, a.len().saturating_add(b.len()));
    Ok((a, b))
}

pub(crate) fn length(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    // Without reading the text: a long concatenation stays as it is.
    if let Some(bytes) = args.first().and_then(|arg| string::len(*arg)) {
        return Ok(Value::number(bytes as f64));
    }
    Ok(Value::number(one(cx, args)?.len() as f64))
}

pub(crate) fn upper(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = one(cx, args)?;
    cx.string(&text.to_uppercase())
}

pub(crate) fn lower(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = one(cx, args)?;
    cx.string(&text.to_lowercase())
}

pub(crate) fn concat(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let (a, b) = two(cx, args)?;
    if a.len().saturating_add(b.len()) > cx.heap.limit {
        return Err(cx.out_of_memory());
    }
    cx.string(&(a + &*b))
}

pub(crate) fn split(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let (text, delimiter) = two(cx, args)?;
    let pieces = text.split(&*delimiter);
    let values: Result<Vec<Value>> = pieces.map(|piece| cx.string(piece)).collect();
    cx.array(&values?)
}

pub(crate) fn trim(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = one(cx, args)?;
    cx.string(text.trim())
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
