//! The hook for library functions: their table and calling interface. No implementations.

use crate::error::Trap;
use crate::heap::{Heap, OutOfMemory};
use crate::object::Kind;
use crate::system::System;
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// How many arguments a library function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exact(u32),
    /// So many or more.
    AtLeast(u32),
}

impl Arity {
    /// The number that a count error names.
    pub fn expected(self) -> u32 {
        match self {
            Arity::Exact(count) | Arity::AtLeast(count) => count,
        }
    }

    /// Is `count` right?
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Arity::Exact(expected) => count == expected as usize,
            Arity::AtLeast(least) => count >= least as usize,
        }
    }
}

/// Why a library function has no result. All but `Trap` become an atom `error:…` in the program.
#[derive(Clone, Debug, PartialEq)]
pub enum NativeError {
    /// Wrong number of arguments.
    Count {
        /// Expected.
        expected: usize,
        /// Got.
        got: usize,
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
                write!(f, "Expected {expected} arguments, got {got}")
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
}

impl NativeCx<'_> {
    /// The error for a result that does not fit into the process's memory.
    pub fn out_of_memory(&self) -> NativeError {
        NativeError::Trap(Trap::OutOfMemory { limit: self.heap.limit })
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

/// One library function.
#[derive(Clone)]
pub struct NativeDef {
    /// Name, as registered.
    pub name: String,
    /// Arguments.
    pub arity: Arity,
    /// Kinds of parameters and result, for documentation: `(Number, Number) -> Number`.
    pub signature: String,
    /// What it does, in a sentence or two.
    pub doc: String,
    /// Does it show its arguments to people? Then objects with `__str__` are converted before the call.
    pub shows: bool,
    /// The implementation.
    pub call: NativeFn,
}

impl std::fmt::Debug for NativeDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.signature)
    }
}

/// All library functions that a machine offers.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    defs: Vec<NativeDef>,
    by_name: FxHashMap<String, usize>,
    by_lower: FxHashMap<String, usize>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Registry {
        Registry::default()
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
        let index = self.by_name.get(name).or_else(|| self.by_lower.get(&name.to_lowercase()))?;
        self.defs.get(*index)
    }

    /// All functions in order of registration.
    pub fn iter(&self) -> impl Iterator<Item = &NativeDef> {
        self.defs.iter()
    }

    /// All names.
    pub fn names(&self) -> Vec<&str> {
        self.defs.iter().map(|def| def.name.as_str()).collect()
    }
}
