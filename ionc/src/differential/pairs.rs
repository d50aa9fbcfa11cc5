//! Every instruction on every pair of kinds of operands.
//!
//! A few programs for each operand on the left, with all others on the right: once with both in
//! parameters whose kinds nobody can know, once with one of them made in the function itself, once
//! with both. What may end its process runs in a process of its own.
//!
//! Operands with magic methods are only in the programs that are about them, because one such name
//! changes how a whole package is compiled.

use ion_runtime::bytecode::assemble_package;
use ion_runtime::ionpack::{Manifest, Package};
use std::fmt::Write;

/// A value, and the code that makes it in register `R`; `S` is free, and lines are separated by
/// semicolons.
struct Operand {
    code: String,
    /// Can be used as a timeout without waiting for real time.
    timeless: bool,
    /// A number that no text can be repeated by.
    huge: bool,
    /// A text.
    text: bool,
    /// Has magic methods.
    magic: bool,
    /// As a constant, for patterns.
    constant: Option<String>,
}

fn operands() -> Vec<Operand> {
    let mut all = Vec::new();
    let mut add = |code: String, constant: Option<String>| {
        all.push(Operand {
            code,
            timeless: true,
            huge: false,
            text: false,
            magic: false,
            constant,
        });
    };
    for number in [
        "0",
        "-0.0",
        "1",
        "-1",
        "3",
        "0.5",
        "100",
        "NaN",
        "inf",
        "-inf",
        "1e300",
        "5e-324",
        "9007199254740991",
        "9007199254740992",
        "9007199254740994",
        "-2147483648",
        "4294967296",
        "9223372036854775808",
    ] {
        let text = match number {
            "inf" => "f64(0x7ff0000000000000)".to_owned(),
            "-inf" => "f64(0xfff0000000000000)".to_owned(),
            "NaN" => "f64(0x7ff8000000000000)".to_owned(),
            other => other.to_owned(),
        };
        add(format!("load_const R, {text}"), Some(text));
    }
    for constant in ["true", "false", "()", "undefined"] {
        add(format!("load_const R, {constant}"), Some(constant.to_owned()));
    }
    for atom in ["ok", "", "x", "0", "length", "Ok", "1", "__proto__"] {
        add(format!("load_const R, '{atom}'"), Some(format!("'{atom}'")));
    }
    let mut texts: Vec<String> =
        ["", "ok", "x", "1", "é€"].iter().map(|text| (*text).to_owned()).collect();
    texts.extend([127, 128, 255, 256, 257].map(|length| "t".repeat(length)));
    for text in texts {
        add(format!("load_const R, \"{text}\""), Some(format!("\"{text}\"")));
    }
    for length in [1, 64, 200] {
        // Joined at run time: below, at and above the limit of ropes.
        let half = "t".repeat(length);
        add(format!("load_const R, \"{half}\"; load_const S, \"{half}\"; add R, R, S"), None);
    }
    for (re, im) in [("0", "0"), ("1", "2"), ("-0.0", "-0.0"), ("f64(0x7ff8000000000000)", "1")] {
        let constant = format!("complex({re}, {im})");
        add(format!("load_const R, {constant}"), Some(constant));
    }
    for constant in [
        "tuple()",
        "tuple(1)",
        "tuple(1, \"a\")",
        "[]",
        "[1, 2]",
        "[[1], 'ok']",
        "{ }",
        "{ x: 1 }",
        "{ x: 1, \"0\": 2 }",
        "{ __tag: 'Ok', __slots: tuple(1) }",
        "{ readonly x: 1 }",
    ] {
        add(format!("load_const R, {constant}"), Some(constant.to_owned()));
    }
    for code in [
        "load_const S, 1; array_init R, [S, S]",
        "load_const S, 1; object_init R, {x:S}",
        "load_const S, 1; object_init R, {x:S:Protected, ok:S:Readonly}",
        "object_init S, {x:2:Public, ok:1:Protected}; object_init R, {__proto__:S:Public, y:3:Public}",
        "load_const S, '__function_ref:pick'; object_init R, {x:S:Public, ok:S:Public}",
        "load_const R, '__function_ref:pick'",
        "load_const S, '__function_ref:pick'; object_init R, {f:S:Public, x:5:Public}; load_const S, 'f'; get_prop R, R, S",
        "load_const R, '__function_ref:pick'; load_const S, 7; make_closure R, R, 's', [a:S]",
        "load_const R, '__stdlib:Abs'",
        "load_const R, '__stdlib:Missing'",
        "load_const R, '__function_ref:missing'",
        "load_const R, legacy(\"pick\")",
        "load_const R, '__function_ref:wait'; spawn R, R, []",
        "load_const R, '__function_ref:pick'; spawn R, R, []; select S, [R]",
        "object_init R, {x:'__vm:this':Public}; load_const S, 'x'; get_prop R, R, S",
        // The last one, because SELECT_WITH_KILL may end the main process with it.
        "load_const R, 'self'",
    ] {
        add(code.to_owned(), None);
    }
    let arithmetic = "__add__:S, __sub__:S, __mul__:S, __div__:S";
    for (function, names) in [
        ("magic", arithmetic),
        ("magic", "__eq__:S, __lt__:S, __le__:S"),
        ("zero", "__eq__:S, __lt__:S, __le__:S"),
        ("magic", "__getattr__:S"),
        ("magic", "__setattr__:S"),
        ("magic", "__call__:S"),
        ("words", "__str__:S"),
    ] {
        add(
            format!(
                "load_const S, '__function_ref:{function}'; object_init R, {{{names}, x:5:Public}}"
            ),
            None,
        );
    }
    add(
        format!(
            "load_const S, '__function_ref:magic'; object_init S, {{{arithmetic}, __eq__:S, __call__:S}}; object_init R, {{__proto__:S:Public, x:6:Public}}"
        ),
        None,
    );
    for operand in &mut all {
        operand.magic = operand.code.contains("__add__")
            || operand.code.contains("__eq__")
            || ["__getattr__", "__setattr__", "__call__", "__str__"]
                .iter()
                .any(|name| operand.code.contains(name));
        operand.text = operand.code.starts_with("load_const R, \"");
        let number = operand.constant.as_deref().and_then(|text| text.parse::<f64>().ok());
        operand.timeless = number.is_none_or(|number| !(1.0..=1e15).contains(&number));
        let infinite = operand.code == "load_const R, f64(0x7ff0000000000000)";
        operand.huge = infinite || number.is_some_and(|number| number > 1e6);
    }
    all
}

/// Into so many programs those of one operand are divided.
const PARTS: usize = 4;

/// Programs of the suite.
pub fn count() -> usize {
    operands().len() * PARTS
}

/// One of them.
pub fn package(number: usize) -> Package {
    let text = text(&operands(), number.min(count() - 1));
    match assemble_package(&text) {
        Ok(package) => package,
        // Seen as a failure of the case: there is nothing to start with.
        Err(_) => Package::new(Manifest::default()),
    }
}

/// What all programs share.
const COMMON: &str = "
function pick (arity: 2, extra_regs: 14) {
    load_const r2, '__vm:this'
    array_init r3, [r0, r1]
    return r3
}
function wait (arity: 0, extra_regs: 16) {
    receive r0
    return r0
}
";

/// What programs with magic methods also have.
const MAGIC: &str = "
function magic (arity: 2, extra_regs: 14) {
    load_const r2, '__vm:this'
    load_const r3, 'x'
    get_prop r4, r2, r3
    array_init r5, [r4, r0, r1]
    return r5
}
function zero (arity: 1, extra_regs: 15) {
    load_const r0, 0
    return r0
}
function words (arity: 0, extra_regs: 16) {
    load_const r0, \"words\"
    return r0
}
";

/// The code of an operand, made in `register`.
fn make(operand: &Operand, register: u32, out: &mut String) {
    for line in operand.code.split("; ") {
        let _ = writeln!(out, "    {}", substitute(line, register));
    }
}

/// Replaces the words `R` and `S`.
fn substitute(line: &str, register: u32) -> String {
    let mut result = String::new();
    let mut word = String::new();
    let mut in_quotes = None;
    for c in line.chars().chain([' ']) {
        if in_quotes.is_none() && (c.is_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "R" => result.push_str(&format!("r{register}")),
            "S" => result.push_str("r39"),
            other => result.push_str(other),
        }
        word.clear();
        match in_quotes {
            Some(quote) if quote == c => in_quotes = None,
            None if c == '"' || c == '\'' => in_quotes = Some(c),
            _ => {}
        }
        result.push(c);
    }
    result.trim_end().to_owned()
}

/// All instructions that cannot end the process, on `r0` and `r1`; prints what they give.
fn binary(repeat: bool, out: &mut String) {
    let instructions = [
        "add",
        "sub",
        "mul",
        "div",
        "equal",
        "not_equal",
        "less_than",
        "less_equal",
        "greater_than",
        "greater_equal",
        "and",
        "or",
    ];
    out.push_str("    load_const r30, complex(-0.0, -0.0)\n");
    for (i, name) in instructions.iter().enumerate() {
        if *name == "mul" && !repeat {
            continue;
        }
        let _ = writeln!(out, "    {name} r{}, r0, r1", 2 + i);
        if i < 4 {
            // Shows the sign of a zero.
            let _ = writeln!(out, "    add r{}, r{}, r30", 20 + i, 2 + i);
        }
    }
    out.push_str("    not r14, r0\n    not r15, r1\n    load_const r31, '__stdlib:PrintLn'\n");
    let list = |range: std::ops::Range<u32>| {
        range.map(|reg| format!("r{reg}")).collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(out, "    call r31, r31, [{}, {}]", list(2..16), list(20..24));
    // Fused with a branch.
    for (i, name) in instructions[4..10].iter().enumerate() {
        let jump = if i % 2 == 0 { "jump_if_true" } else { "jump_if_false" };
        let _ = writeln!(
            out,
            "    {name} r2, r0, r1\n    {jump} r2, 2\n    load_const r{}, 'else'",
            3 + i
        );
    }
    out.push_str("    jump_if_true r0, 2\n    load_const r9, 'falsy'\n    jump_if_false r1, 2\n    load_const r10, 'truthy'\n");
    let _ = writeln!(
        out,
        "    load_const r31, '__stdlib:PrintLn'\n    call r31, r31, [{}]",
        list(3..11)
    );
}

/// Instructions that may end the process, each a function of `r0` and `r1`, with a name.
const RISKY: [(&str, &str); 7] = [
    ("get", "get_prop r2, r0, r1; call r3, r31, [r2]; equal r3, r2, r2; return r2"),
    (
        "set",
        "set_prop r0, r1, r0; get_prop r2, r0, r1; load_const r4, 9; set_prop r0, r1, r4; get_prop r5, r0, r1; call r3, r31, [r5]; return r0",
    ),
    ("call", "call r2, r0, [r1, r0]; call r3, r31, [r2]; return r2"),
    (
        "spawn",
        "spawn r2, r0, [r1]; equal r3, r2, r2; not r4, r2; call r5, r31, [r3, r4]; return r2",
    ),
    (
        "send",
        "send r0, r1; load_const r2, 'self'; send r2, r1; receive r3; load_const r2, 0; receive_with_timeout r4, r2, r5; call r6, r31, [r3, r4, r5]; return r3",
    ),
    ("select", "select r2, [r0, r1]; call r3, r31, [r2]; select_with_kill r2, [r1, r0]; return r2"),
    (
        "close",
        "make_closure r2, r0, 's', [a:r1, b:r0]; call r3, r31, [r2]; call r4, r2, [r1]; call r3, r31, [r4]; return r4",
    ),
];

/// Puts the two operands where the instructions expect them: from parameters, or made here.
fn bring(left: Option<&Operand>, right: Option<&Operand>, out: &mut String) {
    if let Some(operand) = left {
        out.push_str("    move r1, r0\n");
        make(operand, 0, out);
    }
    if let Some(operand) = right {
        make(operand, 1, out);
    }
}

/// The functions of one form: `NAME_repeat`, `NAME_plain`, and one for each risky instruction.
fn form(
    name: &str,
    left: Option<&Operand>,
    right: Option<&Operand>,
    repeat: bool,
    risky: bool,
    out: &mut String,
) {
    let variants: &[bool] =
        if left.is_none() || right.is_none() { &[true, false] } else { &[repeat] };
    for repeat in variants.iter().copied().filter(|_| !risky) {
        let suffix = if repeat { "repeat" } else { "plain" };
        let _ = writeln!(out, "function {name}_{suffix} (arity: 2, extra_regs: 40) {{");
        bring(left, right, out);
        binary(repeat, out);
        out.push_str("}\n");
    }
    for (which, code) in RISKY.iter().filter(|_| risky) {
        let _ = writeln!(out, "function {name}_{which} (arity: 2, extra_regs: 40) {{");
        bring(left, right, out);
        out.push_str("    load_const r31, '__stdlib:PrintLn'\n");
        for line in code.split("; ") {
            let _ = writeln!(out, "    {line}");
        }
        out.push_str("}\n");
    }
}

/// Patterns that no constant is.
const PATTERNS: [&str; 8] = [
    "_",
    "tuple()",
    "tuple(_)",
    "tuple(_, _)",
    "[]",
    "[_, _]",
    "Object(__tag:Ok, __slots:_)",
    "Object(__tag:Ok, __slots:tuple(_))",
];

/// A function that tells which patterns `r0` matches, and what a timeout of `r0` does.
fn unary(name: &str, operand: Option<&Operand>, all: &[&Operand], timeout: bool, out: &mut String) {
    let _ = writeln!(out, "function {name} (arity: 1, extra_regs: 40) {{");
    if let Some(operand) = operand {
        make(operand, 0, out);
    }
    out.push_str("    load_const r31, '__stdlib:Print'\n    load_const r32, '__stdlib:Debug'\n    call r2, r32, [r0]\n");
    let values = all
        .iter()
        .filter_map(|operand| operand.constant.as_deref())
        .map(|text| format!("value({text})"));
    for pattern in values.chain(PATTERNS.iter().map(|text| (*text).to_owned())) {
        out.push_str("    load_const r3, 0\n");
        let _ = writeln!(
            out,
            "    match r0, [({pattern}, 2)]\n    load_const r3, 1\n    call r2, r31, [r3]"
        );
    }
    out.push_str(
        "    jump_if_true r0, 2\n    call r2, r32, [r3]\n    not r4, r0\n    call r2, r32, [r4]\n",
    );
    out.push_str("    load_const r5, 'self'\n    send r5, r0\n    receive_with_timeout r6, r0, r7\n    call r2, r32, [r6]\n    call r2, r32, [r7]\n");
    if timeout {
        out.push_str("    receive_with_timeout r6, r0, r7\n    call r2, r32, [r7]\n");
    }
    out.push_str("    return r0\n}\n");
}

/// The program of the suite with this number.
fn text(all: &[Operand], number: usize) -> String {
    let (number, part) = (number / PARTS, number % PARTS);
    let own = &all[number];
    let others: Vec<&Operand> = all.iter().filter(|operand| own.magic || !operand.magic).collect();
    let mut out = String::from(".main Main\n.class Main multi\n");
    out.push_str(COMMON);
    if own.magic {
        out.push_str(MAGIC);
    }
    // An array of all, so that nobody knows what comes out of it.
    out.push_str("function all (arity: 0, extra_regs: 40) {\n    array_init r0, []\n    load_const r1, 0\n    load_const r2, 1\n");
    for operand in &others {
        make(operand, 3, &mut out);
        out.push_str("    set_prop r0, r1, r3\n    add r1, r1, r2\n");
    }
    out.push_str("    return r0\n}\n");
    out.push_str("function own (arity: 0, extra_regs: 40) {\n");
    make(own, 0, &mut out);
    out.push_str("    return r0\n}\n");
    for risky in [false, true] {
        form("opaque", None, None, true, risky, &mut out);
        form("left", Some(own), None, true, risky, &mut out);
        form("right", None, Some(own), true, risky, &mut out);
    }
    unary("known", Some(own), &others, own.timeless, &mut out);
    unary("unknown", None, &others, own.timeless, &mut out);
    main(own, &others, &mut out);
    for (j, other) in others.iter().enumerate().filter(|(j, _)| j % PARTS == part) {
        let repeat = !clash(own, other);
        let suffix = if repeat { "repeat" } else { "plain" };
        form(&format!("both{j}"), Some(own), Some(other), repeat, false, &mut out);
        let _ = writeln!(out, "function run{j} (arity: 0, extra_regs: 16) {{");
        let _ = writeln!(
            out,
            "    load_const r5, '__function_ref:both{j}_{suffix}'\n    call r6, r5, []"
        );
        if (number + j / PARTS).is_multiple_of(4) {
            for (which, _) in RISKY {
                out.push_str(&process(&format!("both{j}_{which}"), ""));
            }
        }
        out.push_str("}\n");
        if (number + j / PARTS).is_multiple_of(4) {
            form(&format!("both{j}"), Some(own), Some(other), repeat, true, &mut out);
        }
    }
    out.push_str("function all_known (arity: 0, extra_regs: 16) {\n");
    for j in (0..others.len()).filter(|j| j % PARTS == part) {
        let _ = writeln!(out, "    load_const r0, '__function_ref:run{j}'\n    call r0, r0, []");
    }
    out.push_str("}\n");
    out
}

/// A text and a number so large that repetition takes all memory?
fn clash(a: &Operand, b: &Operand) -> bool {
    a.text && b.huge || a.huge && b.text
}

/// Runs a function in a process of its own; waits for its end if it surely comes.
fn process(function: &str, args: &str) -> String {
    let wait = if function.ends_with("select") { "" } else { "    select r7, [r7]\n" };
    format!("    load_const r5, '__function_ref:{function}'\n    spawn r7, r5, [{args}]\n{wait}")
}

/// The main function: a loop over all operands on the right.
fn main(own: &Operand, others: &[&Operand], out: &mut String) {
    let plain: Vec<&str> =
        others.iter().map(|other| if clash(own, other) { "true" } else { "false" }).collect();
    let _ = writeln!(
        out,
        "function main (arity: 0, extra_regs: 40) {{
    load_const r0, '__function_ref:all'
    call r0, r0, []
    load_const r20, '__stdlib:PrintLn'
    load_const r5, '__function_ref:all_known'
    call r5, r5, []
    load_const r10, 0
    load_const r11, 1
    load_const r12, {}
    load_const r13, [{}]
next:
    call r2, r20, [r10]
    get_prop r3, r0, r10
    get_prop r14, r13, r10
    load_const r4, '__function_ref:own'
    call r4, r4, []
    jump_if_true r14, plain",
        others.len(),
        plain.join(", ")
    );
    for suffix in ["repeat", "plain"] {
        let _ = writeln!(
            out,
            "{suffix}:
    load_const r5, '__function_ref:opaque_{suffix}'
    call r6, r5, [r4, r3]
    call r6, r5, [r3, r4]
    load_const r5, '__function_ref:left_{suffix}'
    call r6, r5, [r3]
    load_const r5, '__function_ref:right_{suffix}'
    call r6, r5, [r3]
    jump risky"
        );
    }
    out.push_str("risky:\n");
    for (which, _) in RISKY {
        for (form, args) in
            [("opaque", "r4, r3"), ("opaque", "r3, r4"), ("left", "r3"), ("right", "r3")]
        {
            out.push_str(&process(&format!("{form}_{which}"), args));
            if which != "select" {
                out.push_str("    call r8, r20, [r7]\n");
            }
        }
    }
    out.push_str(
        "    add r10, r10, r11
    less_than r15, r10, r12
    jump_if_true r15, next
    load_const r5, '__function_ref:known'
    spawn r7, r5, []
    load_const r5, '__function_ref:unknown'
    spawn r7, r5, [r4]
    return r6
}
",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_programs_are_valid() {
        let all = operands();
        for number in 0..all.len() * PARTS {
            let text = text(&all, number);
            let package = assemble_package(&text);
            let package = package.unwrap_or_else(|error| panic!("{number}: {error}\n{text}"));
            let report = ion_runtime::bytecode::verify_package(&package, &[]);
            assert!(report.is_ok(), "{number}: {report:?}");
        }
    }
}
