//! Output. Objects that define `__str__` have been replaced by their texts before these run.

use super::{Result, Str, fail};
use crate::registry::natives;
use ion_runtime::natives::{Arity, NativeCx, NativeError};
use ion_runtime::print::{TooLong, debug_text_within, to_text_within};
use ion_runtime::value::Value;
use std::io::{BufRead, Read};

natives! {
    /// Output, by the names from before there were modules.
    fn classic;

    /// Writes the values, joined by `, `, to standard output, without a line end.
    Print = raw 1 .. "(Any, ...Any) -> Unit" print, shows;
    /// Writes the values, joined by `, `, and a line feed to standard output.
    PrintLn = raw 1 .. "(Any, ...Any) -> Unit" print_line, shows;
    /// Writes a format to standard output, without a line end: `{}` takes the next value, `{0}`,
    /// `{1}`, … a given one.
    PrintF = raw 2 .. "(String, Any, ...Any) -> Unit" print_format, shows;
    /// Writes `[DEBUG] KIND: VALUE` and a line feed to standard output.
    Debug(value) = typed debug, shows;
    /// Writes the value and a line feed to standard error.
    Eprint(value) = typed print_error, shows;
}

natives! {
    /// Output and input.
    fn module;

    /// Writes a text to standard output as it is.
    Io.write(text) = typed write_text;
    /// Writes a text to standard error as it is.
    Io.writeError(text) = typed write_error;
    /// The next line of standard input, without its line end; Undefined at the end of the input.
    Io.readLine() = typed read_line, blocks;
    /// The rest of standard input.
    Io.readAll() = typed read_all, blocks;
}

fn print(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = joined(cx, args)?;
    Ok(write(cx, &text, true))
}

fn print_line(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let mut text = joined(cx, args)?;
    text.push('\n');
    Ok(write(cx, &text, false))
}

fn debug(cx: &mut NativeCx<'_>, value: Value) -> Result<()> {
    let limit = cx.heap.limit;
    let shown = debug_text_within(cx.system, value, limit).map_err(|TooLong| cx.out_of_memory())?;
    let text = format!("[DEBUG] {shown}\n");
    write(cx, &text, false);
    Ok(())
}

fn print_error(cx: &mut NativeCx<'_>, value: Value) -> Result<()> {
    let text = joined(cx, &[value])?;
    cx.charge_bytes(text.len());
    // What was printed before appears before.
    cx.system.print("", true);
    cx.system.report(&text);
    Ok(())
}

fn write_text(cx: &mut NativeCx<'_>, text: Str) {
    write(cx, &text, true);
}

fn write_error(cx: &mut NativeCx<'_>, text: Str) {
    cx.charge_bytes(text.len());
    cx.system.print("", true);
    cx.system.print_error(&text);
}

/// Reads bytes up to a limit that the process could keep.
fn input(cx: &mut NativeCx<'_>, line: bool) -> Result<Option<String>> {
    // What was printed before appears before.
    cx.system.print("", true);
    let limit = cx.heap.limit;
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(limit as u64 + 1);
    let read =
        if line { input.read_until(b'\n', &mut bytes) } else { input.read_to_end(&mut bytes) };
    if let Err(error) = read {
        return fail(format!("cannot read standard input: {error}"));
    }
    if bytes.len() > limit {
        return Err(cx.out_of_memory());
    }
    cx.charge_bytes(bytes.len());
    if line && bytes.is_empty() {
        return Ok(None);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => fail("cannot read standard input: it is not UTF-8"),
    }
}

fn read_line(cx: &mut NativeCx<'_>) -> Result<Option<String>> {
    let mut line = input(cx, true)?;
    if let Some(line) = &mut line
        && line.ends_with('\n')
    {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    Ok(line)
}

fn read_all(cx: &mut NativeCx<'_>) -> Result<String> {
    Ok(input(cx, false)?.unwrap_or_default())
}

/// Writes one text at once, so that lines of several processes do not mix.
fn write(cx: &mut NativeCx<'_>, text: &str, flush: bool) -> Value {
    cx.charge_bytes(text.len());
    cx.system.print(text, flush);
    Value::UNIT
}

/// The texts of values; if all together are too long, the process ends.
pub(super) fn texts(cx: &NativeCx<'_>, values: &[Value]) -> Result<Vec<String>> {
    let mut left = cx.heap.limit;
    let mut text = |value: &Value| {
        let text = to_text_within(cx.system, *value, left)?;
        left = left.checked_sub(text.len()).ok_or(TooLong)?;
        Ok(text)
    };
    let texts: std::result::Result<_, TooLong> = values.iter().map(&mut text).collect();
    texts.map_err(|TooLong| cx.out_of_memory())
}

fn joined(cx: &NativeCx<'_>, args: &[Value]) -> Result<String> {
    Ok(texts(cx, args)?.join(", "))
}

fn print_format(cx: &mut NativeCx<'_>, args: &[Value]) -> Result {
    let text = formatted(cx, args)?;
    Ok(write(cx, &text, true))
}

/// The text of a format and its values.
pub(super) fn formatted(cx: &mut NativeCx<'_>, args: &[Value]) -> Result<String> {
    let wrong = || NativeCx::type_error("String, ...Any", &args[..args.len().min(2)]);
    let (format, values) = args.split_first().ok_or_else(wrong)?;
    let format = cx.text(*format).ok_or_else(wrong)?;
    let pieces = pieces(&format);
    let expected = pieces.iter().filter(|piece| !matches!(piece, Piece::Text(_))).count();
    if expected > values.len() {
        let expected = Arity::Exact(expected as u32);
        return Err(NativeError::Count { expected, got: values.len() });
    }
    let texts = texts(cx, values)?;
    let filled = fill(&pieces, &texts);
    // A short format can name a long text many times.
    let total = filled.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
    if total > cx.heap.limit {
        return Err(cx.out_of_memory());
    }
    Ok(filled.concat())
}

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    /// `{}`.
    Next,
    /// `{digits}`: the whole placeholder, and its number if it is one that fits.
    Numbered(&'a str, Option<usize>),
}

/// Splits a format at its placeholders; braces around anything else are text.
fn pieces(format: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut searched) = (format, 0);
    while let Some(open) = rest[searched..].find('{').map(|at| at + searched) {
        let inside = &rest[open + 1..];
        let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
        if inside.as_bytes().get(digits) != Some(&b'}') {
            searched = open + 1;
            continue;
        }
        let end = open + digits + 2;
        pieces.push(Piece::Text(&rest[..open]));
        pieces.push(match digits {
            0 => Piece::Next,
            _ => Piece::Numbered(&rest[open..end], inside[..digits].parse().ok()),
        });
        (rest, searched) = (&rest[end..], 0);
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The parts of the output: `{}` take, in order, the values that no number names.
fn fill<'a>(pieces: &[Piece<'a>], texts: &'a [String]) -> Vec<&'a str> {
    let mut named = vec![false; texts.len()];
    for piece in pieces {
        if let Piece::Numbered(_, Some(number)) = piece
            && let Some(named) = named.get_mut(*number)
        {
            *named = true;
        }
    }
    let mut unnamed = texts.iter().zip(named).filter(|(_, named)| !named);
    let mut part = |piece: &Piece<'a>| match *piece {
        Piece::Text(text) => text,
        Piece::Next => unnamed.next().map_or("{}", |(text, _)| text.as_str()),
        Piece::Numbered(whole, number) => {
            number.and_then(|number| texts.get(number)).map_or(whole, String::as_str)
        }
    };
    pieces.iter().map(&mut part).collect()
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::{check, check_output, check_with_heap};

    #[test]
    fn values_are_joined() {
        check_output("Print", "1, \"a\", 'b'", "1, a, b", "");
        check_output("PrintLn", "1", "1\n", "");
        check_output("PrintLn", "(), undefined, true", "(), undefined, true\n", "");
        check_output(
            "PrintLn",
            "[1, (2, \"x\")], { a: 1, b: { } }",
            "[1, (2, x)], {a: 1, b: {}}\n",
            "",
        );
        check_output(
            "PrintLn",
            "{ __tag: 'Ok', __slots: [1] }, { __tag: 'None' }",
            ":Ok[1], :None\n",
            "",
        );
        check_output("PrintLn", "{ __tag: \"Ok\", n: 1 }", "{__tag: Ok, n: 1}\n", "");
        check_output(
            "PrintLn",
            "-0.0, 0.0000001, 1e20, NaN, -inf",
            "0, 0.0000001, 100000000000000000000, NaN, -inf\n",
            "",
        );
        check_output("PrintLn", "1.5-2i, 0+-0.0i, tuple(), (1)", "1.5-2i, 0+-0i, (), (1)\n", "");
        check_output(
            "PrintLn",
            "function, native, process",
            "[Function: main], [Function: println], [Process]\n",
            "",
        );
        check("Print", "1", "Unit: ()");
    }

    #[test]
    fn errors_go_to_the_error_output() {
        check_output("Eprint", "\"oops\"", "", "oops\n");
        check("Eprint", "1, 2", "error:FFI call error: Expected 1 arguments, got 2");
    }

    #[test]
    fn debug_shows_the_kind() {
        check_output("Debug", "42", "[DEBUG] Number: 42\n", "");
        check_output("Debug", "'ok'", "[DEBUG] Atom: :ok\n", "");
        check_output("Debug", "\"a\\\"b\"", "[DEBUG] String: \"a\"b\"\n", "");
        check_output("Debug", "[\"a\", 'b']", "[DEBUG] Array: [a, b]\n", "");
        check_output("Debug", "function", "[DEBUG] String: \"[Function: main]\"\n", "");
        check_output("Debug", "process", "[DEBUG] String: \"[Process]\"\n", "");
        check_output("Debug", "1+2i", "[DEBUG] Complex: 1+2i\n", "");
    }

    fn check_format(args: &str, expected: &str) {
        check_output("PrintF", args, expected, "");
    }

    #[test]
    fn formats() {
        check_format("\"{} and {}!\", 1, 2", "1 and 2!");
        check_format("\"{1} {0} {1}\", \"a\", \"b\", \"c\"", "b a b");
        check_format("\"plain\", 1", "plain");
        check_format("\"{}\", 1, 2", "1");
        check_format("\"{0}{}\", 1, 2", "12");
        check_format("\"{}{1}{}\", 1, 2, 3", "123");
        check_format("\"{9}{}\", 1, 2", "{9}1");
        check_format("\"{99999999999999999999999}\", 1", "{99999999999999999999999}");
        check_format("\"{ } {a} {} {{}}}\", 1, 2", "{ } {a} 1 {2}}");
        check_format("\"{{0}\", 1", "{1");
        check_format("\"é{}é\", \"ü\"", "éüé");
        check_format("\"{007}\", 1", "{007}");
        check_format("\"{00}\", 1", "1");
    }

    #[test]
    fn inserted_text_is_not_searched() {
        check_format("\"{} {}\", \"{}\", \"x\"", "{} x");
        check_format("\"{0} {1}\", \"{1}\", \"x\"", "{1} x");
    }

    #[test]
    fn wrong_formats() {
        let error = |args, expected: &str| {
            check("PrintF", args, &format!("error:FFI call error: {expected}"))
        };
        error("\"{} {}\", 1", "Expected 2 arguments, got 1");
        error("\"{0} {0}\", 1", "Expected 2 arguments, got 1");
        error("\"x\"", "Expected 2 arguments, got 1");
        error("1, 2, 3", "Expected String, ...Any argument, got Number, Number");
        error("'a', 2", "Expected String, ...Any argument, got Atom, Number");
    }

    #[test]
    fn texts_beyond_the_memory_limit_end_the_process() {
        let long = "a".repeat(3000);
        let args = format!("\"{{0}}{{0}}\", \"{long}\", 1");
        check_with_heap(4096, "PrintF", &args, "out of memory: the limit is 4096 bytes");
    }
}
