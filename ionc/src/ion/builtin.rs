//! Names that a program can use without declaring them.

use ion_runtime::natives::Arity;

/// Functions that the compiler turns into instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `spawn(f, [args])`: a new process.
    Spawn,
    /// `send(p, message)`.
    Send,
    /// `receive()`: the next message; `receive(ms)`: undefined if none comes in time.
    Receive,
    /// `exit(reason)`: ends this process.
    Exit,
    /// `yield()`: lets others run.
    Yield,
    /// `select([p, q])`: result of the first to end.
    Select,
    /// `selectKill([p, q])`: the same, and ends the others.
    SelectKill,
    /// `assert(condition)`: ends the process if it is false.
    Assert,
    /// `assertEqual(actual, expected)`: ends the process, showing both, if their contents differ.
    AssertEqual,
}

/// Name, function, least and most arguments, what the arguments are.
pub const BUILTINS: &[(&str, Builtin, usize, usize, &str)] = &[
    ("spawn", Builtin::Spawn, 1, 2, "spawn(function, [arguments])"),
    ("send", Builtin::Send, 2, 2, "send(process, message)"),
    ("receive", Builtin::Receive, 0, 1, "receive() or receive(milliseconds)"),
    ("exit", Builtin::Exit, 0, 1, "exit(reason)"),
    ("yield", Builtin::Yield, 0, 0, "yield()"),
    ("select", Builtin::Select, 1, 1, "select([processes])"),
    ("selectKill", Builtin::SelectKill, 1, 1, "selectKill([processes])"),
    ("assert", Builtin::Assert, 1, 2, "assert(condition) or assert(condition, message)"),
    ("assertEqual", Builtin::AssertEqual, 2, 2, "assertEqual(actual, expected)"),
];

/// Short names of library functions.
pub const SHORT: &[(&str, &str)] = &[
    ("println", "PrintLn"),
    ("print", "Print"),
    ("printf", "PrintF"),
    ("debug", "Debug"),
    ("eprint", "Eprint"),
    ("sleep", "Process.sleep"),
];

/// Library functions that the compiler itself calls.
pub mod library {
    /// A tuple of its arguments.
    pub const TUPLE: &str = "Tuple.of";
    /// The texts of its arguments, joined.
    pub const CONCAT: &str = "String.concat";
    /// `a % b`.
    pub const REM: &str = "Math.rem";
    /// `a ** b`.
    pub const POW: &str = "Math.pow";
    /// The elements of an array from an index on.
    pub const SLICE: &str = "Array.slice";
    /// Is it an array?
    pub const IS_ARRAY: &str = "Array.isArray";
    /// Ends a process with a reason.
    pub const EXIT: &str = "Process.exit";
    /// Have two values the same content?
    pub const EQUALS: &str = "Value.equals";
    /// A value as a program would write it.
    pub const INSPECT: &str = "Value.inspect";
    /// A new process with an array of arguments.
    pub const SPAWN: &str = "Process.spawn";
    /// Is a property protected?
    pub const IS_PROTECTED: &str = "Object.isProtected";
    /// Selective receive: is there a further message?
    pub const NEXT: &str = "Process.next";
    /// That message.
    pub const PEEK: &str = "Process.peek";
    /// The same, and removes it.
    pub const TAKE: &str = "Process.take";
}

/// Numbers that are written like properties of a module.
pub fn constant(module: &str, name: &str) -> Option<f64> {
    use std::f64::consts;
    if module != "Math" {
        return None;
    }
    Some(match name {
        "PI" => consts::PI,
        "E" => consts::E,
        "LN2" => consts::LN_2,
        "LN10" => consts::LN_10,
        "SQRT2" => consts::SQRT_2,
        "INFINITY" => f64::INFINITY,
        "NAN" => f64::NAN,
        _ => return None,
    })
}

/// Names of [`constant`]s.
pub const CONSTANTS: &[&str] =
    &["Math.PI", "Math.E", "Math.LN2", "Math.LN10", "Math.SQRT2", "Math.INFINITY", "Math.NAN"];

/// A library function as the compiler knows it.
#[derive(Clone, Debug)]
pub struct Native {
    /// Its name.
    pub name: String,
    /// How many arguments it takes.
    pub arity: Arity,
}

/// The library functions that a program can name.
#[derive(Clone, Debug, Default)]
pub struct Natives {
    all: Vec<Native>,
    by_lower: rustc_hash::FxHashMap<String, usize>,
}

impl Natives {
    /// A table of these.
    pub fn new(all: impl IntoIterator<Item = Native>) -> Natives {
        let all: Vec<Native> = all.into_iter().collect();
        let lower = |native: &Native| native.name.to_lowercase();
        let by_lower = all.iter().enumerate().map(|(i, native)| (lower(native), i)).collect();
        Natives { all, by_lower }
    }

    /// The function of this name: as the program writes it, ignoring case.
    pub fn find(&self, name: &str) -> Option<&Native> {
        self.all.get(*self.by_lower.get(&name.to_lowercase())?)
    }

    /// Is there a function `MODULE.…`?
    pub fn has_module(&self, module: &str) -> bool {
        let starts = |native: &Native| {
            native.name.strip_prefix(module).is_some_and(|rest| rest.starts_with('.'))
        };
        module == "Math" || self.all.iter().any(starts)
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|native| native.name.as_str())
    }

    /// The names of all modules; repeated.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.names().filter_map(|name| name.split_once('.').map(|(module, _)| module))
    }
}
