//! The hook for library functions: their table and calling interface. No implementations.

use crate::bytecode;
use crate::bytecode::Access;
use crate::error::Trap;
use crate::heap::{Heap, OutOfMemory};
use crate::object::Kind;
use crate::object::shape::Property;
use crate::process::Process;
use crate::process::signal::Bonds;
use crate::random::Random;
use crate::system::System;
use crate::value::{Atom, Value};
use rustc_hash::FxHashMap;
use std::sync::{Arc, OnceLock};

/// How many arguments a library function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exact(u32),
    /// So many or more.
    AtLeast(u32),
    /// From so many to so many.
    Between(u32, u32),
}

impl Arity {
    /// The least number of arguments.
    pub fn expected(self) -> u32 {
        match self {
            Arity::Exact(count) | Arity::AtLeast(count) | Arity::Between(count, _) => count,
        }
    }

    /// Is `count` right?
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Arity::Exact(expected) => count == expected as usize,
            Arity::AtLeast(least) => count >= least as usize,
            Arity::Between(least, most) => (least as usize..=most as usize).contains(&count),
        }
    }
}

/// Why a library function has no result. All but `Trap` become an atom `error:…` in the program.
#[derive(Clone, Debug, PartialEq)]
pub enum NativeError {
    /// Wrong number of arguments.
    Count {
        /// Expected.
        expected: Arity,
        /// Got.
        got: usize,
    },
    /// An argument of the wrong kind.
    Argument {
        /// Which one, from 1.
        position: usize,
        /// Its name.
        name: String,
        /// Kind that it takes.
        expected: String,
        /// Kind that it got.
        got: String,
    },
    /// Wrong kinds of arguments.
    Type {
        /// Kinds that it takes, comma separated.
        expected: String,
        /// Kinds that it got, comma separated.
        got: String,
    },
    /// The arguments are of the right kind and still not acceptable.
    Runtime(String),
    /// There is no function of this name.
    NotFound(String),
    /// Ends the process.
    Trap(Trap),
}

impl std::fmt::Display for NativeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NativeError::Count { expected, got } => {
                let least = expected.expected();
                match expected {
                    Arity::Between(_, most) => {
                        write!(f, "Expected {least} to {most} arguments, got {got}")
                    }
                    _ => write!(f, "Expected {least} arguments, got {got}"),
                }
            }
            NativeError::Argument { position, name, expected, got } => {
                write!(f, "Argument {position} ({name}) must be {expected}, got {got}")
            }
            NativeError::Type { expected, got } => {
                write!(f, "Expected {expected} argument, got {got}")
            }
            NativeError::Runtime(text) => write!(f, "Runtime error: {text}"),
            NativeError::NotFound(name) => write!(f, "Function not found: {name}"),
            NativeError::Trap(trap) => write!(f, "{trap}"),
        }
    }
}

/// What a library function sees of the machine.
pub struct NativeCx<'a> {
    /// The machine.
    pub system: &'a System,
    /// The heap of the calling process. Allocation in it never moves anything.
    pub heap: &'a mut Heap,
    /// Reductions that the call costs beyond the call itself; add to it for work in proportion to the input.
    pub extra_cost: i64,
    /// What the calling process has beyond the ordinary.
    pub(crate) bonds: &'a mut Option<Box<Bonds>>,
    /// Number of the calling process.
    pub process: u64,
}

impl NativeCx<'_> {
    /// The random numbers of the calling process.
    pub fn random(&mut self) -> &mut Random {
        let (seed, process) = (self.system.config.seed, self.process);
        let random = &mut self.bonds.get_or_insert_default().random;
        random.get_or_insert_with(|| Random::of_process(seed, process))
    }

    /// Charges for work on so many bytes.
    pub fn charge_bytes(&mut self, bytes: usize) {
        self.charge(bytes / 64);
    }

    /// Charges for work on so many elements or properties.
    pub fn charge_items(&mut self, items: usize) {
        self.charge(items / 8);
    }

    fn charge(&mut self, cost: usize) {
        self.extra_cost = self.extra_cost.saturating_add(i64::try_from(cost).unwrap_or(i64::MAX));
    }

    /// The error for a result that does not fit into the process's memory.
    pub fn out_of_memory(&self) -> NativeError {
        NativeError::Trap(Trap::OutOfMemory { limit: self.heap.limit })
    }

    /// The Atom of a text that is not part of the program.
    pub fn atom(&self, text: &str) -> Result<Atom, NativeError> {
        let made = self.system.atoms.try_intern(text);
        made.map_err(|full| NativeError::Trap(Trap::TooManyAtoms { limit: full.limit }))
    }

    /// Can the process keep so many bytes more? For results that are built outside of its memory.
    pub fn check_bytes(&self, bytes: usize) -> Result<(), NativeError> {
        self.heap.check_text(bytes).map_err(|OutOfMemory| self.out_of_memory())
    }

    /// A new Tuple.
    pub fn tuple(&mut self, elements: &[Value]) -> Result<Value, NativeError> {
        self.heap.new_tuple(elements).map_err(|OutOfMemory| self.out_of_memory())
    }

    /// A new Object with these public properties; an object as `__proto__` becomes the prototype.
    pub fn object(&mut self, properties: &[(Atom, Value)]) -> Result<Value, NativeError> {
        let public =
            |&(key, value): &(Atom, Value)| (Property { key, access: Access::Public }, value);
        let properties: Vec<_> = properties.iter().map(public).collect();
        let made = self.heap.new_object_from(&self.system.shapes, &properties);
        made.map_err(|OutOfMemory| self.out_of_memory())
    }

    /// A new String.
    pub fn string(&mut self, text: &str) -> Result<Value, NativeError> {
        self.heap.new_string(text).map_err(|OutOfMemory| self.out_of_memory())
    }

    /// A new Array.
    pub fn array(&mut self, elements: &[Value]) -> Result<Value, NativeError> {
        self.heap.new_array(elements).map_err(|OutOfMemory| self.out_of_memory())
    }

    /// The name of the kind that a library function sees: functions and processes arrive as Strings.
    pub fn kind_name(value: Value) -> &'static str {
        match value.kind() {
            Kind::Function | Kind::Process => Kind::String.name(),
            kind => kind.name(),
        }
    }

    /// The error for arguments of wrong kinds.
    pub fn type_error(expected: &str, args: &[Value]) -> NativeError {
        let got: Vec<_> = args.iter().map(|arg| Self::kind_name(*arg)).collect();
        NativeError::Type { expected: expected.into(), got: got.join(", ") }
    }

    /// The text of a String argument; functions and processes count as their display texts.
    pub fn text<'v>(&self, value: Value) -> Option<std::borrow::Cow<'v, str>> {
        match value.kind() {
            Kind::String => crate::object::string::text(value),
            Kind::Function | Kind::Process => {
                Some(crate::print::to_text(self.system, value).into())
            }
            _ => None,
        }
    }
}

/// The implementation of a library function.
pub type NativeFn =
    Arc<dyn Fn(&mut NativeCx<'_>, &[Value]) -> Result<Value, NativeError> + Send + Sync>;

/// What a function that sees the running process has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its result.
    Value(Value),
    /// The process must wait; the function is called again with the same arguments when it wakes.
    /// What it waits for is in [`Process::wait`].
    Wait,
}

/// The implementation of a library function that sees the running process.
pub type ProcessFn = fn(&mut Process, &[Value]) -> Result<Answer, NativeError>;

/// A pure function of numbers that compiled code may call directly. It gives the same bits as the
/// implementation that values go through, and its NaNs are the canonical one.
#[derive(Clone, Copy, Debug)]
pub enum Fast {
    /// Of one number.
    F1(extern "C" fn(f64) -> f64),
    /// Of two numbers.
    F2(extern "C" fn(f64, f64) -> f64),
}

/// What a library function may do beyond computing a result of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// It may wait for something outside of the machine.
    pub blocks: bool,
    /// It may make or change objects, or make atoms of texts. A compiler then knows less about the
    /// objects of a program that refers to it.
    pub objects: bool,
    /// What the user must allow before it does anything: `--allow-…`.
    pub permission: Option<&'static str>,
    /// It is not there when the program is compiled, and may be anything when it runs.
    pub unknown: bool,
}

/// How a library function is implemented.
#[derive(Clone)]
pub enum NativeBody {
    /// By the host.
    Host(NativeFn),
    /// By the machine: it sees the running process, and may let it wait.
    Process(ProcessFn),
    /// By bytecode, which the linker adds to the programs that refer to it: gives the function of a name.
    Bytecode(fn(&str) -> Arc<bytecode::Function>),
}

/// One library function.
#[derive(Clone)]
pub struct NativeDef {
    /// Name, as registered.
    pub name: String,
    /// Arguments.
    pub arity: Arity,
    /// Parameters and result, for documentation: `(Number, Number) -> Number`.
    pub signature: String,
    /// What it does, in a sentence or two.
    pub doc: String,
    /// Does it show its arguments to people? Then objects with `__str__` are converted before the call.
    pub shows: bool,
    /// What it may do.
    pub effects: Effects,
    /// For functions of numbers: a pointer for compiled code.
    pub fast: Option<Fast>,
    /// The implementation.
    pub body: NativeBody,
}

impl NativeDef {
    /// A function without documentation that only computes a result.
    pub fn new(name: impl Into<String>, arity: Arity, call: NativeFn) -> NativeDef {
        NativeDef {
            name: name.into(),
            arity,
            signature: String::new(),
            doc: String::new(),
            shows: false,
            effects: Effects::default(),
            fast: None,
            body: NativeBody::Host(call),
        }
    }

    /// Stands for a function that a host or a native library will bring.
    pub fn unknown(name: &str) -> NativeDef {
        let effects = Effects { blocks: true, objects: true, unknown: true, ..Effects::default() };
        let name = name.to_owned();
        let missing = name.clone();
        let call =
            move |_: &mut NativeCx<'_>, _: &[Value]| Err(NativeError::NotFound(missing.clone()));
        NativeDef { effects, ..NativeDef::new(name, Arity::AtLeast(0), Arc::new(call)) }
    }
}

impl std::fmt::Debug for NativeDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.signature)
    }
}

/// A part of the library. Its table is made when one of its functions is first looked for: most programs
/// refer to few parts.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What comes before the dot in the names of its functions, in lower case; `""` for names without a dot.
    pub modules: &'static [&'static str],
    /// Adds its functions.
    pub register: fn(&mut Registry),
}

/// All library functions that a machine offers.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    parts: Vec<(Part, OnceLock<Box<Registry>>)>,
    defs: Vec<NativeDef>,
    by_name: FxHashMap<String, usize>,
    by_lower: FxHashMap<String, usize>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// Adds a part of the library. Functions that are added singly replace those of parts.
    pub fn add_part(&mut self, part: Part) {
        self.parts.push((part, OnceLock::new()));
    }

    /// Adds a function; one of the same name is replaced.
    pub fn add(&mut self, def: NativeDef) {
        let index = *self.by_name.entry(def.name.clone()).or_insert(self.defs.len());
        self.by_lower.insert(def.name.to_lowercase(), index);
        match self.defs.get_mut(index) {
            Some(earlier) => *earlier = def,
            None => self.defs.push(def),
        }
    }

    /// Finds a function: the exact name first, then ignoring case.
    pub fn find(&self, name: &str) -> Option<&NativeDef> {
        let lower = name.to_lowercase();
        if let Some(index) = self.by_name.get(name).or_else(|| self.by_lower.get(&lower)) {
            return self.defs.get(*index);
        }
        let module = lower.split_once('.').map_or("", |(module, _)| module);
        let mut parts = self.parts.iter().filter(|(part, _)| part.modules.contains(&module));
        parts.find_map(|part| Registry::table(part).find(name))
    }

    fn table((part, table): &(Part, OnceLock<Box<Registry>>)) -> &Registry {
        table.get_or_init(|| {
            let mut table = Box::<Registry>::default();
            (part.register)(&mut table);
            table
        })
    }

    /// All functions, those of parts first, in order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &NativeDef> {
        let parts = self.parts.iter().flat_map(|part| &Registry::table(part).defs);
        let replaced = |def: &&NativeDef| !self.by_lower.contains_key(&def.name.to_lowercase());
        parts.filter(replaced).chain(&self.defs)
    }

    /// All names.
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(|def| def.name.as_str()).collect()
    }
}
