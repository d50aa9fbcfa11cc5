//! Runs single calls of natives through the whole machine.

use crate::registry::standard;
use ion_runtime::bytecode::assemble_package;
use ion_runtime::error::ExitReason;
use ion_runtime::permissions::Permissions;
use ion_runtime::system::Config;
use ion_runtime::vm::{self, Linked, MainEnd, Outputs};
use std::fmt::Write;

struct Ran {
    end: MainEnd,
    out: String,
    err: String,
}

/// Calls `native` with constants as the assembler knows them, or the words `function`, `native`
/// and `process`.
fn call(config: Config, native: &str, args: &str) -> Ran {
    let mut text = String::from("function main {\n");
    let args = split(args);
    for (i, arg) in args.iter().enumerate() {
        let constant = match *arg {
            "function" => "'__function_ref:main'",
            "native" => "'__stdlib:PrintLn'",
            "process" => "'self'",
            constant => constant,
        };
        writeln!(text, "load_const r{}, {constant}", i + 1).expect("a String takes everything");
    }
    let regs: Vec<String> = (1..=args.len()).map(|reg| format!("r{reg}")).collect();
    let list = regs.join(", ");
    write!(text, "load_const r0, '__stdlib:{native}'\ncall r0, r0, [{list}]\nreturn r0\n}}\n")
        .expect("a String takes everything");
    let package = assemble_package(&text).expect("the program is well-formed");
    let linked = Linked::new(&package, &standard()).expect("the program is valid");
    let (outputs, out, err) = Outputs::captured();
    let run = vm::run(&linked, config, None, outputs, &[]).expect("the machine starts");
    Ran { end: run.end, out: out.text(), err: err.text() }
}

/// Splits at commas outside of quotes and brackets.
fn split(args: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0, None, false);
    for (at, c) in args.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(args[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !args.is_empty() {
        parts.push(args[start..].trim());
    }
    parts
}

/// Checks the result as Debug shows it, or the text of an error atom.
#[track_caller]
pub(crate) fn check(native: &str, args: &str, expected: &str) {
    check_allowed(Permissions::default(), native, args, expected);
}

fn config(max_heap: usize) -> Config {
    Config { max_heap, ..Config::default() }
}

/// The same for a program that may do something.
#[track_caller]
pub(crate) fn check_allowed(permissions: Permissions, native: &str, args: &str, expected: &str) {
    match call(Config { permissions, ..config(1 << 20) }, native, args).end {
        MainEnd::Result(text) => {
            let shown = text.strip_prefix("Atom: :").unwrap_or(&text);
            assert_eq!(shown, expected, "{native}({args})");
        }
        end => panic!("{native}({args}) ended with {end:?}"),
    }
}

/// Checks what a call writes.
#[track_caller]
pub(crate) fn check_output(native: &str, args: &str, out: &str, err: &str) {
    let ran = call(config(1 << 20), native, args);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (out, err), "{native}({args})");
    assert_eq!(ran.end, MainEnd::Result("Unit: ()".to_owned()), "{native}({args})");
}

/// Checks the fault that a call ends with in a process of so much memory.
#[track_caller]
pub(crate) fn check_with_heap(heap: usize, native: &str, args: &str, trap: &str) {
    match call(config(heap), native, args).end {
        MainEnd::Failed(ExitReason::Crash(crash)) => assert_eq!(crash.trap.to_string(), trap),
        end => panic!("{native} ended with {end:?}"),
    }
}
