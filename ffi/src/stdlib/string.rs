//! `String`: positions and lengths count code points, unless a name says otherwise.
//!
//! Atoms are taken for their texts. Results that cannot fit into the caller's memory are refused
//! before they are built.

use super::{Array, Made, Result, Str, fail, io, part};
use crate::convert::FromValue;
use crate::registry::natives;
use ion_runtime::natives::NativeCx;
use ion_runtime::object::string;
use ion_runtime::print::{TooLong, to_text_within};
use ion_runtime::value::Value;

natives! {
    /// Texts.
    fn module;

    /// The text of any value, as `PrintLn` writes it.
    String.from(value) = typed from, shows;
    /// The texts of all values, as `PrintLn` writes them, one behind the other. Ion's templates call it.
    String.concat = raw 0 .. "(...values: Any) -> String" concat, shows;
    /// Length in code points.
    String.length(text) = typed length;
    /// Length in bytes of UTF-8.
    String.byteLength(text) = typed byte_length;
    /// The code point at a position, as a String; Undefined beyond the ends. Negative positions count
    /// from the end.
    String.at(text, position) = typed at;
    /// The part from one position up to, but not including, another, or to the end. Negative positions
    /// count from the end.
    String.slice(text, from, to) = typed slice;
    /// The position of the first occurrence of a piece, at `from` or behind; -1 if there is none.
    String.find(text, piece, from) = typed find;
    /// The position of the last occurrence of a piece; -1 if there is none.
    String.findLast(text, piece) = typed find_last;
    /// Does the text contain the piece?
    String.includes(text, piece) = typed includes;
    /// Does the text begin with the piece?
    String.startsWith(text, piece) = typed starts_with;
    /// Does the text end with the piece?
    String.endsWith(text, piece) = typed ends_with;
    /// The text with all occurrences of a piece replaced.
    String.replace(text, piece, by) = typed replace;
    /// The text with the first occurrence of a piece replaced.
    String.replaceFirst(text, piece, by) = typed replace_first;
    /// The pieces between occurrences of the delimiter, empty ones included; at most `limit`, of which
    /// the last is the rest. An empty delimiter gives the characters.
    String.split(text, delimiter, limit) = typed split;
    /// The lines of a text, without line ends.
    String.lines(text) = typed lines;
    /// The code points of a text, as Strings.
    String.characters(text) = typed characters;
    /// The code points of a text, as Numbers.
    String.codePoints(text) = typed code_points;
    /// The text of these code points.
    String.fromCodePoints(points) = typed from_code_points;
    /// The text so many times.
    String.repeat(text, count) = typed repeat;
    /// The text, filled up at the start to so many code points, with blanks or another filling.
    String.padStart(text, length, filling) = typed pad_start;
    /// The text, filled up at the end to so many code points, with blanks or another filling.
    String.padEnd(text, length, filling) = typed pad_end;
    /// The text without Unicode white space at both ends.
    String.trim(text) = typed trim;
    /// The text without Unicode white space at the start.
    String.trimStart(text) = typed trim_start;
    /// The text without Unicode white space at the end.
    String.trimEnd(text) = typed trim_end;
    /// Upper case, by the full Unicode mapping: `ß` gives `SS`.
    String.upper(text) = typed upper;
    /// Lower case, by the full Unicode mapping.
    String.lower(text) = typed lower;
    /// The code points in reverse order.
    String.reverse(text) = typed reverse;
    /// -1, 0 or 1: how the texts are ordered, by code points.
    String.compare(a, b) = typed compare;
    /// The format with its placeholders filled in: `{}` takes the next value, `{0}`, `{1}`, … a given one.
    String.format = raw 1 .. "(format: String, ...values: Any) -> String" format, shows;
    /// The Number that a text denotes, blanks around it allowed; Undefined if it denotes none. With a
    /// radix from 2 to 36: an integer in that notation.
    Number.parse(text, radix) = typed parse;
    /// The number with so many digits behind the point, from 0 to 100.
    Number.format(number, digits) = typed fixed;
    /// An integer in the notation of a radix from 2 to 36.
    Number.toRadix(number, radix) = typed to_radix;
}

fn from(cx: &mut NativeCx<'_>, value: Value) -> Result<Made> {
    if string::len(value).is_some() {
        return Ok(Made(value));
    }
    let limit = cx.heap.limit;
    let text = to_text_within(cx.system, value, limit).map_err(|TooLong| cx.out_of_memory())?;
    cx.charge_bytes(text.len());
    cx.string(&text).map(Made)
}

fn length(cx: &mut NativeCx<'_>, text: Str) -> f64 {
    cx.charge_bytes(text.len());
    text.chars().count() as f64
}

/// The length of a text, which is not read.
struct Bytes(usize);

impl FromValue for Bytes {
    const KIND: &'static str = "String";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        let atom = || value.as_atom().map(|atom| cx.system.atoms.text(atom).len());
        string::len(value).or_else(atom).map(Bytes)
    }
}

fn byte_length(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

/// The byte where a code point begins, or the end of the text.
fn byte_at(text: &str, position: usize) -> usize {
    if text.is_ascii() {
        return position.min(text.len());
    }
    text.char_indices().nth(position).map_or(text.len(), |(byte, _)| byte)
}

/// How many code points come before a byte.
fn position_of(text: &str, byte: usize) -> f64 {
    text[..byte].chars().count() as f64
}

fn count(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn at(cx: &mut NativeCx<'_>, text: Str, position: f64) -> Result<Option<String>> {
    cx.charge_bytes(text.len());
    let len = count(&text);
    let position = position.trunc();
    let at = if position < 0.0 { position + len as f64 } else { position };
    if at.is_nan() || at < 0.0 {
        return Ok(None);
    }
    let start = byte_at(&text, at as usize);
    Ok(text[start..].chars().next().map(String::from))
}

fn slice(cx: &mut NativeCx<'_>, text: Str, from: f64, to: Option<f64>) -> Result<Made> {
    cx.charge_bytes(text.len());
    let part = part(count(&text), from, to);
    let (start, end) = (byte_at(&text, part.start), byte_at(&text, part.end));
    cx.string(&text[start..end]).map(Made)
}

fn find(cx: &mut NativeCx<'_>, text: Str, piece: Str, from: Option<f64>) -> f64 {
    cx.charge_bytes(text.len());
    let from = part(count(&text), from.unwrap_or(0.0), None).start;
    let start = byte_at(&text, from);
    text[start..].find(&*piece).map_or(-1.0, |at| position_of(&text, start + at))
}

fn find_last(cx: &mut NativeCx<'_>, text: Str, piece: Str) -> f64 {
    cx.charge_bytes(text.len());
    text.rfind(&*piece).map_or(-1.0, |at| position_of(&text, at))
}

fn includes(cx: &mut NativeCx<'_>, text: Str, piece: Str) -> bool {
    cx.charge_bytes(text.len());
    text.contains(&*piece)
}

fn starts_with(text: Str, piece: Str) -> bool {
    text.starts_with(&*piece)
}

fn ends_with(text: Str, piece: Str) -> bool {
    text.ends_with(&*piece)
}

fn replace(cx: &mut NativeCx<'_>, text: Str, piece: Str, by: Str) -> Result<String> {
    cx.charge_bytes(text.len());
    let times = text.matches(&*piece).count();
    let added = times.saturating_mul(by.len());
    cx.check_bytes(text.len().saturating_add(added))?;
    cx.charge_bytes(added);
    Ok(text.replace(&*piece, &by))
}

fn replace_first(cx: &mut NativeCx<'_>, text: Str, piece: Str, by: Str) -> Result<String> {
    cx.charge_bytes(text.len() + by.len());
    cx.check_bytes(text.len().saturating_add(by.len()))?;
    Ok(text.replacen(&*piece, &by, 1))
}

/// Strings of these pieces.
fn strings<'p>(cx: &mut NativeCx<'_>, pieces: impl Iterator<Item = &'p str>) -> Result<Vec<Value>> {
    pieces.map(|piece| cx.string(piece)).collect()
}

fn split(
    cx: &mut NativeCx<'_>,
    text: Str,
    delimiter: Str,
    limit: Option<f64>,
) -> Result<Vec<Value>> {
    cx.charge_bytes(text.len().saturating_mul(4));
    let limit = match limit {
        Some(limit) if limit < 1.0 || limit.is_nan() => return Ok(Vec::new()),
        Some(limit) => limit as usize,
        None => usize::MAX,
    };
    if delimiter.is_empty() {
        let mut pieces = strings(cx, text.split("").skip(1).take(count(&text).min(limit - 1)))?;
        let rest = byte_at(&text, pieces.len());
        if rest < text.len() {
            pieces.push(cx.string(&text[rest..])?);
        }
        return Ok(pieces);
    }
    strings(cx, text.splitn(limit, &*delimiter))
}

fn lines(cx: &mut NativeCx<'_>, text: Str) -> Result<Vec<Value>> {
    cx.charge_bytes(text.len().saturating_mul(4));
    strings(cx, text.lines())
}

fn characters(cx: &mut NativeCx<'_>, text: Str) -> Result<Vec<Value>> {
    cx.charge_bytes(text.len().saturating_mul(8));
    let mut buffer = [0; 4];
    text.chars().map(|c| cx.string(c.encode_utf8(&mut buffer))).collect()
}

fn code_points(cx: &mut NativeCx<'_>, text: Str) -> Vec<Value> {
    cx.charge_bytes(text.len().saturating_mul(4));
    text.chars().map(|c| Value::number(f64::from(u32::from(c)))).collect()
}

fn from_code_points(cx: &mut NativeCx<'_>, points: Array) -> Result<String> {
    cx.charge_items(points.elements().len());
    let character = |value: &Value| {
        let number = value.as_number().filter(|number| number.trunc() == *number)?;
        if number < 0.0 { None } else { char::from_u32(number as u32) }
    };
    let text: Option<String> = points.elements().iter().map(character).collect();
    match text {
        Some(text) => Ok(text),
        None => fail("String.fromCodePoints: not all elements are Unicode code points"),
    }
}

fn repeat(cx: &mut NativeCx<'_>, text: Str, count: f64) -> Result<String> {
    // A saturating cast: negative and NaN give 0.
    let count = count as usize;
    let bytes = text.len().saturating_mul(count);
    cx.check_bytes(bytes)?;
    cx.charge_bytes(bytes);
    Ok(if bytes == 0 { String::new() } else { text.repeat(count) })
}

/// What must be added to fill a text up.
fn filling(cx: &mut NativeCx<'_>, text: &str, length: f64, by: Option<&str>) -> Result<String> {
    let by = by.unwrap_or(" ");
    let missing = (length as usize).saturating_sub(count(text));
    if by.is_empty() || missing == 0 {
        return Ok(String::new());
    }
    cx.check_bytes(text.len().saturating_add(missing.saturating_mul(4)))?;
    cx.charge_bytes(text.len() + missing);
    Ok(by.chars().cycle().take(missing).collect())
}

fn pad_start(cx: &mut NativeCx<'_>, text: Str, length: f64, by: Option<Str>) -> Result<String> {
    let filling = filling(cx, &text, length, by.as_deref())?;
    Ok(filling + &text)
}

fn pad_end(cx: &mut NativeCx<'_>, text: Str, length: f64, by: Option<Str>) -> Result<String> {
    let filling = filling(cx, &text, length, by.as_deref())?;
    Ok(text.to_owned() + &filling)
}

fn trim(cx: &mut NativeCx<'_>, text: Str) -> Result<Made> {
    cx.charge_bytes(text.len());
    cx.string(text.trim()).map(Made)
}

fn trim_start(cx: &mut NativeCx<'_>, text: Str) -> Result<Made> {
    cx.charge_bytes(text.len());
    cx.string(text.trim_start()).map(Made)
}

fn trim_end(cx: &mut NativeCx<'_>, text: Str) -> Result<Made> {
    cx.charge_bytes(text.len());
    cx.string(text.trim_end()).map(Made)
}

fn upper(cx: &mut NativeCx<'_>, text: Str) -> String {
    cx.charge_bytes(text.len());
    text.to_uppercase()
}

fn lower(cx: &mut NativeCx<'_>, text: Str) -> String {
    cx.charge_bytes(text.len());
    text.to_lowercase()
}

fn reverse(cx: &mut NativeCx<'_>, text: Str) -> String {
    cx.charge_bytes(text.len());
    text.chars().rev().collect()
}

fn compare(a: Str, b: Str) -> f64 {
    f64::from(a.cmp(&b) as i8)
}

fn concat(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = io::texts(cx, args)?.concat();
    cx.charge_bytes(text.len());
    cx.string(&text)
}

fn format(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = io::formatted(cx, args)?;
    cx.charge_bytes(text.len());
    cx.string(&text)
}

fn radix_of(radix: f64) -> Result<u32> {
    match radix as u32 {
        known @ 2..=36 if f64::from(known) == radix => Ok(known),
        _ => fail("the radix must be an integer from 2 to 36"),
    }
}

fn parse(text: Str, radix: Option<f64>) -> Result<Option<f64>> {
    let text = text.trim();
    let Some(radix) = radix else {
        // What Rust reads and a program does not mean: names of infinities and NaN in any case.
        let digits = text.contains(|c: char| c.is_ascii_digit());
        let known = matches!(text, "NaN" | "inf" | "-inf");
        return Ok(text.parse().ok().filter(|_| digits || known));
    };
    let radix = radix_of(radix)?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let value = digits
        .chars()
        .try_fold(0.0, |sum, c| Some(sum * f64::from(radix) + f64::from(c.to_digit(radix)?)));
    Ok(value.map(|value| if negative { -value } else { value }))
}

fn fixed(number: f64, digits: f64) -> Result<String> {
    if !(0.0..=100.0).contains(&digits) {
        return fail("Number.format gives 0 to 100 digits behind the point");
    }
    Ok(format!("{number:.*}", digits as usize))
}

fn to_radix(number: f64, radix: f64) -> Result<String> {
    let radix = radix_of(radix)?;
    let magnitude = number.abs();
    if magnitude.fract() != 0.0 || magnitude > 9_007_199_254_740_992.0 || number.is_nan() {
        return fail("Number.toRadix takes an integer up to 2^53");
    }
    let (mut rest, mut digits) = (magnitude as u64, Vec::new());
    loop {
        digits.extend(char::from_digit((rest % u64::from(radix)) as u32, radix));
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    digits.extend((number < 0.0).then_some('-'));
    Ok(digits.iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::{check, check_with_heap};

    #[test]
    fn positions_count_code_points() {
        check("String.length", "\"äöü\"", "Number: 3");
        check("String.byteLength", "\"äöü\"", "Number: 6");
        check("String.byteLength", "'ä'", "Number: 2");
        check("String.at", "\"äöü\", 1", "String: \"ö\"");
        check("String.at", "\"äöü\", -1", "String: \"ü\"");
        check("String.at", "\"abc\", 3", "Undefined: undefined");
        check("String.at", "\"abc\", NaN", "Undefined: undefined");
        check("String.slice", "\"äöü\", 1", "String: \"öü\"");
        check("String.slice", "\"abcdef\", -3, -1", "String: \"de\"");
        check("String.slice", "\"abc\", 2, 1", "String: \"\"");
        check("String.slice", "\"abc\", -inf, inf", "String: \"abc\"");
        check("String.find", "\"äöäö\", \"ö\"", "Number: 1");
        check("String.find", "\"äöäö\", \"ö\", 2", "Number: 3");
        check("String.find", "\"abc\", \"x\"", "Number: -1");
        check("String.findLast", "\"äöäö\", \"ö\"", "Number: 3");
    }

    #[test]
    fn parts() {
        check("String.split", "\"a,b,,c\", \",\"", "Array: [a, b, , c]");
        check("String.split", "\"a,b,c\", \",\", 2", "Array: [a, b,c]");
        check("String.split", "\"äb\", \"\"", "Array: [ä, b]");
        check("String.split", "\"abc\", \"\", 2", "Array: [a, bc]");
        check("String.split", "\"\", \"\"", "Array: []");
        check("String.lines", "\"a\\r\\nb\\n\"", "Array: [a, b]");
        check("String.characters", "\"aä\"", "Array: [a, ä]");
        check("String.codePoints", "\"aä\"", "Array: [97, 228]");
        check("String.fromCodePoints", "[97, 228]", "String: \"aä\"");
        check(
            "String.fromCodePoints",
            "[55296]",
            "error:FFI call error: Runtime error: String.fromCodePoints: not all elements are Unicode code points",
        );
    }

    #[test]
    fn changes() {
        check("String.replace", "\"a-b-c\", \"-\", \"+\"", "String: \"a+b+c\"");
        check("String.replaceFirst", "\"a-b-c\", \"-\", \"+\"", "String: \"a+b-c\"");
        check("String.padStart", "\"7\", 3, \"0\"", "String: \"007\"");
        check("String.padEnd", "\"ab\", 5, \"xy\"", "String: \"abxyx\"");
        check("String.padEnd", "\"ab\", 5, \"\"", "String: \"ab\"");
        check("String.reverse", "\"aäb\"", "String: \"bäa\"");
        check("String.repeat", "\"ab\", 2.9", "String: \"abab\"");
        check("String.repeat", "\"ab\", -1", "String: \"\"");
        check("String.upper", "\"ß\"", "String: \"SS\"");
        check("String.format", "\"{} {0}\", 1, 2", "String: \"2 1\"");
        check("String.from", "[1, 'a']", "String: \"[1, a]\"");
        check_with_heap(
            4096,
            "String.repeat",
            "\"ab\", 1e15",
            "out of memory: the limit is 4096 bytes",
        );
        check_with_heap(
            4096,
            "String.padStart",
            "\"ab\", inf",
            "out of memory: the limit is 4096 bytes",
        );
    }

    #[test]
    fn numbers_as_texts() {
        check("Number.parse", "\" 1.5e3 \"", "Number: 1500");
        check("Number.parse", "\"12x\"", "Undefined: undefined");
        check("Number.parse", "\"infinity\"", "Undefined: undefined");
        check("Number.parse", "\"ff\", 16", "Number: 255");
        check("Number.parse", "\"-101\", 2", "Number: -5");
        check("Number.parse", "\"\", 2", "Undefined: undefined");
        check("Number.format", "3.14159, 2", "String: \"3.14\"");
        check("Number.toRadix", "-255, 16", "String: \"-ff\"");
        check("Number.toRadix", "0, 2", "String: \"0\"");
        check(
            "Number.toRadix",
            "1, 99",
            "error:FFI call error: Runtime error: the radix must be an integer from 2 to 36",
        );
    }
}
