//! A linked program: what the engines run.
//!
//! Linking (see [`crate::link`]) turns the verified functions of a package into one flat list,
//! resolves the constant of every LOAD_CONST, and fixes each function's frame layout. A `Program` is
//! shared by all workers and engines. What is in it never changes; one that was linked with room can take
//! in further functions (see [`crate::link::grow`]), behind the others.
//!
//! Invariant: everything in here comes from functions that passed the verifier, so register
//! numbers are below `layout.words`, jump targets are at most `code.len()`, and ids are in range.

use crate::bytecode::Instr;
use crate::bytecode::flow::Flow;
use crate::ionpack::FunctionLines;
use crate::slab::Slab;
use crate::value::Value;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Index of a function in [`Program::functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FuncId(pub u32);

/// Index of a library function in [`Program::natives`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NativeId(pub u32);

/// What a LOAD_CONST loads, resolved.
#[derive(Clone, Debug, PartialEq)]
pub enum Konst {
    /// A value that is the same each time: number, atom, boolean, unit, undefined, function, or a
    /// pointer to an immortal literal (string, complex, tuple of immutable parts).
    Value(Value),
    /// A container that is copied afresh each time: index into [`Program::templates`].
    Fresh(u32),
    /// Handle of the running process.
    SelfPid,
    /// Number of the running process.
    PidNumber,
    /// How many processes were ever started.
    ProcessCount,
    /// How many time slices were handed out.
    SchedulerPasses,
    /// The object that the frame is bound to.
    This,
    /// The object in which the process keeps what it makes once; empty at first.
    Globals,
}

/// Where a frame keeps what: visible registers first, then hidden ones.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FrameLayout {
    /// Visible registers that the code mentions: `0..used`.
    pub used: u16,
    /// Hidden register of the bound object, if the code can see it.
    pub this: Option<u16>,
    /// Hidden registers that keep the first value of a captured name, for names that more than one
    /// execution of MAKE_CLOSURE may capture: per MAKE_CLOSURE (by instruction index) one entry for
    /// each capture. They start as [`Value::ABSENT`].
    pub cells: Vec<(u32, Vec<Option<u16>>)>,
    /// First cell; cells are `first_cell..words`.
    pub first_cell: u16,
    /// All registers, hidden ones included.
    pub words: u16,
}

impl FrameLayout {
    /// The cells of the MAKE_CLOSURE at `pc`.
    pub fn cells_at(&self, pc: u32) -> &[Option<u16>] {
        match self.cells.binary_search_by_key(&pc, |(at, _)| *at) {
            Ok(found) => &self.cells[found].1,
            Err(_) => &[],
        }
    }
}

/// What a [`Function`] does.
#[derive(Debug)]
pub enum Code {
    /// Instructions of the file, in order; index = program counter.
    Bytecode(Box<Bytecode>),
    /// An alias of a library function.
    Native(NativeId),
}

/// The linked body of a bytecode function.
#[derive(Debug)]
pub struct Bytecode {
    /// Verified instructions.
    pub instrs: Vec<Instr>,
    /// For each LOAD_CONST (by instruction index) its resolved constant, else `None`.
    pub konsts: Vec<Option<Konst>>,
    /// For each OBJECT_INIT property and MATCH pattern, see [`crate::link`].
    pub literals: crate::link::Literals,
    /// Frame layout.
    pub layout: FrameLayout,
    /// Number of leading registers that are read before they are written and that some call of the
    /// program could pass: what a caller must pass.
    pub params: u16,
    /// Number of leading registers that a fresh frame must have values in, passed or Undefined.
    pub(crate) filled: u16,
    /// Control flow and liveness, computed at first use.
    pub(crate) flow: OnceLock<Flow>,
}

impl Bytecode {
    /// Control flow and liveness of this function.
    pub fn flow(&self) -> &Flow {
        self.flow.get_or_init(|| Flow::new(&self.instrs, &self.konsts, &self.layout))
    }
}

/// A linked function.
#[derive(Debug)]
pub struct Function {
    /// Its own index.
    pub id: FuncId,
    /// Class that it came from.
    pub class: String,
    /// Name, if it has one.
    pub name: Option<String>,
    /// Declared parameters.
    pub arity: u32,
    /// What it does.
    pub code: Code,
    /// Where its instructions come from, if the package says so.
    pub source: Option<FunctionSource>,
}

/// Where the instructions of a function come from.
#[derive(Debug)]
pub struct FunctionSource {
    /// Path of the source text.
    pub path: Arc<str>,
    /// Lines and columns.
    pub lines: FunctionLines,
}

impl Function {
    /// `FILE:LINE:COLUMN` of an instruction, if known.
    pub fn place(&self, pc: u32) -> Option<String> {
        let source = self.source.as_ref()?;
        let (line, column) = source.lines.position(pc)?;
        Some(format!("{}:{line}:{column}", source.path))
    }

    /// `CLASS:NAME` or `CLASS`, for stack traces.
    pub fn qualified_name(&self) -> String {
        match &self.name {
            Some(name) => format!("{}:{}", self.class, name),
            None => self.class.clone(),
        }
    }

    /// The linked body, if this is a bytecode function.
    pub fn bytecode(&self) -> Option<&Bytecode> {
        match &self.code {
            Code::Bytecode(body) => Some(body),
            Code::Native(_) => None,
        }
    }
}

/// A library function that the program refers to.
#[derive(Clone, Debug)]
pub struct NativeRef {
    /// Name as the program writes it.
    pub name: String,
    /// The function, if the machine has it.
    pub def: Option<crate::natives::NativeDef>,
}

/// See the module text.
#[derive(Debug)]
pub struct Program {
    /// Name of the package.
    pub name: String,
    /// All functions of all classes.
    pub functions: Slab<Function>,
    /// Library functions by [`NativeId`].
    pub natives: Slab<NativeRef>,
    /// Containers that LOAD_CONST copies, by [`Konst::Fresh`].
    pub templates: Slab<crate::link::Template>,
    /// Where a run begins.
    pub entry: FuncId,
    /// What further functions may use or add to.
    pub(crate) growth: Mutex<Growth>,
    /// Numbers that LINK instructions name.
    pub linked_numbers: rustc_hash::FxHashSet<u64>,
    /// Is there a SELECT or SELECT_WITH_KILL, so that results of ended processes must be kept?
    pub has_select: bool,
}

/// What linking further functions needs to know, and adds to.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Memory of the immortal literals, which are never written after linking.
    pub(crate) literals: Vec<crate::heap::Space>,
    /// The library functions that are bytecode, by registered name.
    pub(crate) library: rustc_hash::FxHashMap<String, FuncId>,
}

impl Program {
    /// Does a LINK instruction name the process of this number?
    #[inline]
    pub(crate) fn is_linked(&self, number: u64) -> bool {
        !self.linked_numbers.is_empty() && self.linked_numbers.contains(&number)
    }
}

impl Program {
    /// A function.
    #[inline(always)]
    pub fn function(&self, id: FuncId) -> &Function {
        &self.functions[id.0 as usize]
    }

    /// A library function that the program refers to.
    #[inline(always)]
    pub fn native(&self, id: NativeId) -> &NativeRef {
        &self.natives[id.0 as usize]
    }

    /// Bytes of immortal literals.
    pub fn literal_bytes(&self) -> usize {
        self.growth().literals.iter().map(crate::heap::Space::used).sum()
    }

    /// The function of a class.
    pub fn find(&self, class: &str, name: &str) -> Option<FuncId> {
        let is_it = |function: &&Function| {
            function.class == class && function.name.as_deref() == Some(name)
        };
        // Of several, the latest.
        self.functions.iter().rev().find(is_it).map(|function| function.id)
    }

    pub(crate) fn growth(&self) -> MutexGuard<'_, Growth> {
        // Nothing that can panic leaves it half changed.
        self.growth.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
