//! Compiling a program against any Cranelift module: which pieces of code there are, and how they
//! refer to each other.
//!
//! For each bytecode function: its entry, its entry for argument lists, and its resume form. The
//! two drivers decide when each is made.

use crate::abi;
use crate::build::Source;
use crate::cfg;
use crate::checks;
use crate::forms::{self, Entry};
use crate::guess::{Guess, Guesses};
use crate::induction;
use crate::inline::{self, Limits};
use crate::ir;
use crate::kinds::{Callee, Facts, Kinds, Magic};
use crate::lower::{self, Linker, Place};
use crate::origins::{self, Hints};
use crate::package::{self, PackageFacts, Root, WithReturns};
use crate::points::Mode;
use crate::simplify;
use crate::speculate::{self, Oracle};
use crate::strip;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{FuncRef, Function, Signature, UserFuncName};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId as ClifFuncId, Linkage, Module, ModuleError};
use ion_image::fast_address;
use ion_runtime::atom::AtomTable;
use ion_runtime::helpers::Helper;
use ion_runtime::link::Template;
use ion_runtime::natives::NativeBody;
use ion_runtime::object::Kind;
use ion_runtime::object::shape::ShapeTable;
use ion_runtime::program::{Bytecode, Code, FuncId, NativeId, Program};
use ion_runtime::value::{Atom, Value};
use ion_runtime::vm::Linked;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What the runtime knows about a program, for inference.
pub struct ProgramFacts<'a> {
    program: &'a Program,
    magic: Magic,
    objects_are_own: bool,
}

fn kinds_of(kind: Kind) -> Kinds {
    match kind {
        Kind::Number => Kinds::NUMBER,
        Kind::Boolean => Kinds::BOOLEAN,
        Kind::Atom => Kinds::ATOM,
        Kind::String => Kinds::STRING,
        Kind::Unit => Kinds::UNIT,
        Kind::Undefined => Kinds::UNDEFINED,
        Kind::Complex => Kinds::COMPLEX,
        Kind::Tuple => Kinds::TUPLE,
        Kind::Array => Kinds::ARRAY,
        Kind::Object => Kinds::OBJECT,
        Kind::Function => Kinds::FUNCTION,
        Kind::Process => Kinds::PROCESS,
    }
}

impl Facts for ProgramFacts<'_> {
    fn literal(&self, value: Value) -> Kinds {
        kinds_of(value.kind())
    }

    fn template(&self, template: u32) -> Kinds {
        match &self.program.templates[template as usize] {
            Template::Value(value) => kinds_of(value.kind()),
            Template::Tuple(_) => Kinds::TUPLE,
            Template::Array(_) => Kinds::ARRAY,
            Template::Object(_) => Kinds::OBJECT,
        }
    }

    fn native(&self, native: NativeId) -> Kinds {
        let Some(def) = &self.program.native(native).def else { return Kinds::ATOM };
        let gives = match def.signature.rsplit("-> ").next() {
            Some("Number") => Kinds::NUMBER,
            Some("Boolean") => Kinds::BOOLEAN,
            Some("String") => Kinds::STRING,
            _ => return Kinds::ANY,
        };
        // Errors are atoms; what is optional may be absent.
        gives | Kinds::ATOM | Kinds::UNDEFINED
    }

    fn magic(&self) -> Magic {
        self.magic
    }

    // Messages come from the program itself.
    fn objects_are_own(&self) -> bool {
        self.objects_are_own
    }

    // Those without a module make no rows other than of texts, and those of numbers none at all.
    fn elements_are_own(&self) -> bool {
        let mut natives = self.program.natives.iter().filter_map(|native| native.def.as_ref());
        natives.all(|def| {
            let is_plain = !def.name.contains('.') || def.fast.is_some();
            is_plain && !def.effects.objects && matches!(def.body, NativeBody::Host(_))
        })
    }

    fn callee(&self, func: FuncId) -> Callee {
        match &self.program.function(func).code {
            Code::Bytecode(body) => {
                Callee::Bytecode { params: body.params, this: body.layout.this.is_some() }
            }
            Code::Native(native) => Callee::Native(*native),
        }
    }
}

/// Does the program refer to library functions that make or change objects, or make atoms?
fn natives_make_objects(program: &Program) -> bool {
    let defs = program.natives.iter().filter_map(|native| native.def.as_ref());
    defs.into_iter().any(|def| def.effects.objects)
}

/// What a compiled program consists of, by name in the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// A function called with values.
    Entry(FuncId),
    /// A function called with a list.
    List(FuncId),
    /// A function entered at a frame record.
    Resume(FuncId),
    /// The same without checks, once those have failed too often.
    Unchecked(FuncId),
    /// A stub around a helper.
    Cold(Helper),
    /// The way into compiled code.
    Enter,
}

impl Piece {
    /// Its symbol.
    pub fn name(self) -> String {
        match self {
            Piece::Entry(func) => format!("ion_entry_{}", func.0),
            Piece::List(func) => format!("ion_list_{}", func.0),
            Piece::Resume(func) => format!("ion_resume_{}", func.0),
            Piece::Unchecked(func) => format!("ion_unchecked_{}", func.0),
            Piece::Cold(helper) => format!("ion_cold_{}", helper.name()),
            Piece::Enter => "ion_enter".to_owned(),
        }
    }
}

/// Compiles the pieces of one program into a module.
pub struct ProgramCompiler {
    program: Arc<Program>,
    mode: Mode,
    trace: bool,
    magic: Magic,
    objects_are_own: bool,
    facts: PackageFacts,
    shapes: Arc<ShapeTable>,
    guesses: Guesses,
    hints: Hints,
    atoms: Arc<AtomTable>,
    /// Functions whose checks fail too often: compiled without.
    unchecked: FxHashSet<FuncId>,
    /// Memory of method caches, which the code refers to by address.
    #[allow(clippy::vec_box, reason = "the addresses must stay when the vector grows")]
    cells: Vec<Box<AtomicU64>>,
    /// Analysed entry forms before inlining; an error text for functions that are not compiled.
    entries: Vec<Option<Result<Entry, String>>>,
    limits: Limits,
    declared: FxHashMap<Piece, ClifFuncId>,
    /// Declared pieces that are still to be defined.
    open: Vec<Piece>,
    context: Context,
    builder_context: FunctionBuilderContext,
    /// Bytecode instructions translated so far.
    pub instructions: u64,
    /// Pieces of functions compiled so far.
    pub functions: u64,
    /// Bytes of machine code so far.
    pub code_bytes: u64,
}

/// Why a piece could not be compiled.
#[derive(Debug)]
pub struct CompileError(pub String);

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ModuleError> for CompileError {
    fn from(error: ModuleError) -> CompileError {
        CompileError(error.to_string())
    }
}

impl ProgramCompiler {
    /// Analyses a program. `trace`: the code reports every instruction. `open`: the host hands in values, and may call any function
    /// with anything.
    pub fn new(linked: &Linked, mode: Mode, limits: Limits, trace: bool, open: bool) -> Self {
        let (program, shapes) = (linked.program.clone(), linked.shapes.clone());
        let sources: Vec<Option<Source<'_>>> = program
            .functions
            .iter()
            .map(|function| Some(Source { trace, ..function.bytecode()?.into() }))
            .collect();
        let instructions: usize = sources.iter().flatten().map(|source| source.instrs.len()).sum();
        let limits = limits.for_program(instructions);
        let objects_are_own = !open && !natives_make_objects(&program);
        let magic = match !objects_are_own {
            true => Magic::ALL,
            false => package::magic(sources.iter().flatten().copied()),
        };
        let base = ProgramFacts { program: &program, magic, objects_are_own };
        let roots: Vec<Root> = match open {
            true => program.functions.iter().map(|function| Root::open(function.id)).collect(),
            false => vec![Root::entry(program.entry)],
        };
        let facts = package::analyse(&sources, &roots, &base);
        let with_returns = WithReturns { base: &base, package: &facts };
        let entries: Vec<Option<Result<Entry, String>>> = program
            .functions
            .iter()
            .map(|function| {
                let body = function.bytecode()?;
                if !facts.is_called(function.id) {
                    return Some(Err("function is never called".to_owned()));
                }
                let passed = facts.passed(function.id);
                let entry = forms::entry_form(
                    source(body, trace, mode, magic),
                    function.id,
                    mode,
                    &with_returns,
                    passed,
                );
                Some(entry.map_err(|error| error.to_string()))
            })
            .collect();
        let mut guesses = Guesses::new(&program, &shapes);
        let analysed: &Vec<Option<Result<Entry, String>>> = &entries;
        for entry in analysed.iter().flatten().flatten() {
            guesses.add_methods(&entry.function, &program);
        }
        let functions = analysed.iter().map(|entry| match entry {
            Some(Ok(entry)) => Some(&entry.function),
            _ => None,
        });
        let atoms = linked.atoms.clone();
        let hints = origins::hints(&program, &atoms, &shapes, functions);
        ProgramCompiler {
            hints,
            atoms,
            unchecked: FxHashSet::default(),
            cells: Vec::new(),
            mode,
            trace,
            magic,
            objects_are_own,
            shapes,
            guesses,
            facts,
            entries,
            limits,
            declared: FxHashMap::default(),
            open: Vec::new(),
            context: Context::new(),
            builder_context: FunctionBuilderContext::new(),
            instructions: 0,
            functions: 0,
            code_bytes: 0,
            program,
        }
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Parameters of a bytecode function, and whether `this` comes before them.
    pub fn params(&self, func: FuncId) -> (usize, bool) {
        params_of(&self.program, func)
    }

    /// The shapes.
    pub fn shapes(&self) -> &ShapeTable {
        &self.shapes
    }

    /// Shapes that objects with a property of this name probably have.
    pub fn guesses_of(&self, key: Atom) -> &[Guess] {
        self.guesses.of(key)
    }

    /// Functions that objects probably have under this name.
    pub fn methods_of(&self, key: Atom) -> &[FuncId] {
        self.guesses.methods(key)
    }

    /// May objects have a `__setattr__`?
    pub fn has_setattr(&self) -> bool {
        self.magic.contains(Magic::named("__setattr__"))
    }

    fn body(&self, func: FuncId) -> Option<&Bytecode> {
        self.program.function(func).bytecode()
    }

    /// Why a bytecode function has no code of its own, if so.
    pub fn missing(&self, func: FuncId) -> Option<&str> {
        match &self.entries[func.0 as usize] {
            Some(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// Leaves a function to the interpreter.
    pub fn give_up(&mut self, func: FuncId, why: String) {
        self.entries[func.0 as usize] = Some(Err(why));
    }

    /// The declaration of a piece.
    pub fn declare(
        &mut self,
        module: &mut dyn Module,
        piece: Piece,
    ) -> Result<ClifFuncId, CompileError> {
        if let Some(&id) = self.declared.get(&piece) {
            return Ok(id);
        }
        let signature = self.signature(module.isa(), piece);
        let id = module.declare_function(&piece.name(), Linkage::Local, &signature)?;
        self.declared.insert(piece, id);
        self.open.push(piece);
        Ok(id)
    }

    /// Defines a piece and all that it refers to, directly or not. A function that is too much for the
    /// code generator gets an entry that hands its calls to the interpreter. Gives the pieces that are
    /// new.
    pub fn define_all(
        &mut self,
        module: &mut dyn Module,
        piece: Piece,
    ) -> Result<Vec<Piece>, CompileError> {
        self.declare(module, piece)?;
        let mut defined = Vec::new();
        while let Some(piece) = self.open.pop() {
            let made = self.define(module, piece);
            match (made, piece) {
                (Err(error), Piece::Entry(func)) if self.missing(func).is_none() => {
                    self.give_up(func, error.to_string());
                    self.define(module, piece)?;
                }
                (made, _) => drop(made?),
            }
            defined.push(piece);
        }
        Ok(defined)
    }

    /// How a piece is called.
    pub fn signature(&self, isa: &dyn TargetIsa, piece: Piece) -> Signature {
        match piece {
            Piece::Entry(func) => {
                let (params, takes_this) = params_of(&self.program, func);
                abi::entry(params + usize::from(takes_this))
            }
            Piece::List(_) | Piece::Resume(_) | Piece::Unchecked(_) => abi::of_address(),
            Piece::Cold(helper) => abi::cold_stub(helper),
            Piece::Enter => abi::enter(isa),
        }
    }

    /// The SSA form of a function that is lowered for a piece.
    pub fn ssa(&self, func: FuncId, form: ir::Form) -> Result<ir::Function, CompileError> {
        self.ssa_with(func, form, !self.unchecked.contains(&func))
    }

    /// As [`ProgramCompiler::ssa`], with checks or without.
    pub fn ssa_with(
        &self,
        func: FuncId,
        form: ir::Form,
        checked: bool,
    ) -> Result<ir::Function, CompileError> {
        let (magic, objects_are_own) = (self.magic, self.objects_are_own);
        let base = ProgramFacts { program: &self.program, magic, objects_are_own };
        let facts = WithReturns { base: &base, package: &self.facts };
        let entry = match &self.entries[func.0 as usize] {
            Some(Ok(entry)) => entry,
            Some(Err(error)) => return Err(CompileError(error.clone())),
            None => return Err(CompileError("function is an alias of a library function".into())),
        };
        let body = self.body(func).ok_or_else(|| CompileError("no bytecode".into()))?;
        let (mut function, passed) = match form {
            ir::Form::Entry => (entry.function.clone(), self.facts.passed(func)),
            ir::Form::Resume => {
                let resume = forms::resume_form(
                    source(body, self.trace, self.mode, self.magic),
                    func,
                    self.mode,
                    &facts,
                    &entry.resume,
                );
                let function = resume.map_err(|error| CompileError(error.to_string()))?;
                (function, crate::infer::Passed::ANYTHING)
            }
        };
        let callee = |func: FuncId| match &self.entries[func.0 as usize] {
            Some(Ok(entry)) => Some(&entry.function),
            _ => None,
        };
        let oracle = Oracle {
            hints: &self.hints,
            guesses: &self.guesses,
            shapes: &self.shapes,
            atoms: &self.atoms,
            program: &self.program,
            facts: &facts,
        };
        let mut limits = self.limits;
        let mut from = cfg::reverse_postorder(&function);
        loop {
            // A call of a method or closure that turns direct may be inlined, and bring further ones.
            let direct = match checked {
                true => speculate::calls(&mut function, &oracle, &from),
                false => 0,
            };
            let before = function.blocks.len() as u32;
            let inlined = inline::inline(&mut function, callee, &mut limits);
            if direct == 0 && inlined == 0 {
                break;
            }
            inline::refine(&mut function, &facts, passed);
            from = (before..function.blocks.len() as u32).map(ir::BlockId).collect();
            if inlined == 0 {
                break;
            }
        }
        inline::peel(&mut function, callee, checked);
        if checked {
            speculate::accesses(&mut function, &oracle);
        } else {
            speculate::drop_exits(&mut function);
        }
        inline::refine(&mut function, &facts, passed);
        if checked {
            // Now it is known what is a Number.
            speculate::natives(&mut function, &oracle);
            inline::refine(&mut function, &facts, passed);
        }
        if checked {
            checks::reduce(&mut function);
            inline::refine(&mut function, &facts, passed);
            induction::run(&mut function);
            strip::run(&mut function);
            checks::finish(&mut function);
            simplify::clean(&mut function);
        }
        if cfg!(debug_assertions) {
            let bytecode = |func| Some(source(self.body(func)?, self.trace, self.mode, self.magic));
            if let Err(error) = crate::check::verify(&function, bytecode) {
                panic!("{error}\n{function}");
            }
        }
        Ok(function)
    }

    /// From now on the function is compiled without checks.
    pub fn stop_checking(&mut self, func: FuncId) {
        self.unchecked.insert(func);
    }

    /// Compiles a piece that was declared; what it refers to is declared.
    fn define(
        &mut self,
        module: &mut dyn Module,
        piece: Piece,
    ) -> Result<ClifFuncId, CompileError> {
        let id = self.declare(module, piece)?;
        let signature = self.signature(module.isa(), piece);
        let ssa = match piece {
            Piece::Entry(func) if self.missing(func).is_none() => {
                Some(self.ssa(func, ir::Form::Entry)?)
            }
            Piece::Resume(func) | Piece::Unchecked(func) => Some(self.ssa(func, ir::Form::Resume)?),
            _ => None,
        };
        let mut context = std::mem::replace(&mut self.context, Context::new());
        let mut builder_context = std::mem::take(&mut self.builder_context);
        context.func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), signature);
        let result = {
            let isa_config = module.target_config();
            let program = self.program.clone();
            let mut builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
            let mut linker = ModuleLinker { compiler: self, module, error: None };
            lower_piece(&mut builder, &program, piece, ssa.as_ref(), &mut linker);
            let error = linker.error.take();
            builder.finalize(isa_config);
            error.map_or(Ok(()), Err)
        };
        let result = result.and_then(|()| {
            module
                .define_function(id, &mut context)
                .map_err(|error| CompileError(format!("{error:?}")))
        });
        if let (Ok(()), Some(code)) = (&result, context.compiled_code()) {
            self.code_bytes += u64::from(code.code_info().total_size);
        }
        if let Some(ssa) = &ssa {
            self.functions += 1;
            let body = self.body(ssa.func);
            self.instructions += body.map_or(0, |body| body.instrs.len() as u64);
        }
        module.clear_context(&mut context);
        self.context = context;
        self.builder_context = builder_context;
        result?;
        Ok(id)
    }

    /// What a function's form becomes: Cranelift IR and machine code, with the places they come from.
    pub fn listing(
        &mut self,
        module: &mut dyn Module,
        func: FuncId,
        form: ir::Form,
    ) -> Result<Listing, CompileError> {
        let piece = match form {
            ir::Form::Entry => Piece::Entry(func),
            ir::Form::Resume => Piece::Resume(func),
        };
        let id = self.declare(module, piece)?;
        let signature = self.signature(module.isa(), piece);
        let ssa = self.ssa(func, form)?;
        let mut context = Context::new();
        context.func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), signature);
        let mut builder_context = FunctionBuilderContext::new();
        let config = module.target_config();
        let program = self.program.clone();
        let mut builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
        let mut linker = ModuleLinker { compiler: self, module, error: None };
        lower_piece(&mut builder, &program, piece, Some(&ssa), &mut linker);
        let error = linker.error.take();
        builder.finalize(config);
        error.map_or(Ok(()), Err)?;
        let clif = context.func.display().to_string();
        context.set_disasm(true);
        let code = context
            .compile(module.isa(), &mut Default::default())
            .map_err(|error| CompileError(error.inner.to_string()))?;
        let ranges = code.buffer.get_srclocs_sorted().iter();
        let ranges = ranges.map(|range| (range.start, range.end, lower::place_of(range.loc)));
        Ok(Listing {
            ssa: ssa.to_string(),
            frames: ssa.frames.iter().map(|frame| frame.func).collect(),
            clif,
            places: ranges.collect(),
            code: code.code_buffer().to_vec(),
            text: code.vcode.clone().unwrap_or_default(),
        })
    }
}

/// First byte, last byte plus one, and the frame and bytecode index that they come from.
pub type CodeRange = (u32, u32, Option<(u32, u32)>);

/// A function's form in every step of its compilation.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The compiler's own form.
    pub ssa: String,
    /// The function itself, then those that are inlined: what the first number of a place means.
    pub frames: Vec<FuncId>,
    /// Cranelift IR. What a line comes from stands in front of it as `@` and four digits or more, see
    /// [`lower::place_of`].
    pub clif: String,
    /// Where ranges of the machine code come from.
    pub places: Vec<CodeRange>,
    /// Machine code before relocation.
    pub code: Vec<u8>,
    /// The same as Cranelift prints it.
    pub text: String,
}

fn source(body: &Bytecode, trace: bool, mode: Mode, magic: Magic) -> Source<'_> {
    let exits = (mode == Mode::Safepoint && !trace).then_some(magic);
    Source { trace, exits, ..body.into() }
}

/// Parameters of a bytecode function, and whether `this` comes before them.
fn params_of(program: &Program, func: FuncId) -> (usize, bool) {
    match program.function(func).bytecode() {
        Some(body) => (usize::from(body.params), body.layout.this.is_some()),
        None => (0, false),
    }
}

/// Writes the code of a piece. `ssa`: of a function that has code of its own.
pub fn lower_piece(
    builder: &mut FunctionBuilder<'_>,
    program: &Program,
    piece: Piece,
    ssa: Option<&ir::Function>,
    linker: &mut dyn Linker,
) {
    match piece {
        Piece::Enter => lower::lower_enter(builder),
        Piece::Cold(helper) => lower::lower_cold_stub(builder, linker.isa(), helper),
        Piece::List(func) => {
            let (params, takes_this) = params_of(program, func);
            let entry = linker.entry(builder.func, func);
            lower::lower_list_entry(builder, entry, params, takes_this);
        }
        Piece::Entry(func) | Piece::Resume(func) | Piece::Unchecked(func) => match ssa {
            Some(ssa) => lower::lower(builder, ssa, program, linker),
            None => {
                let (_, takes_this) = params_of(program, func);
                lower::lower_missing(builder, linker.isa(), func, takes_this);
            }
        },
    }
}

struct ModuleLinker<'a> {
    compiler: &'a mut ProgramCompiler,
    module: &'a mut dyn Module,
    error: Option<CompileError>,
}

impl ModuleLinker<'_> {
    fn reference(&mut self, function: &mut Function, piece: Piece) -> FuncRef {
        match self.compiler.declare(self.module, piece) {
            Ok(id) => self.module.declare_func_in_func(id, function),
            Err(error) => {
                self.error.get_or_insert(error);
                // Never called: the error stops the compilation.
                FuncRef::from_u32(0)
            }
        }
    }
}

impl Linker for ModuleLinker<'_> {
    fn isa(&self) -> &dyn TargetIsa {
        self.module.isa()
    }

    fn entry(&mut self, function: &mut Function, callee: FuncId) -> FuncRef {
        self.reference(function, Piece::Entry(callee))
    }

    fn cold_stub(&mut self, function: &mut Function, helper: Helper) -> FuncRef {
        self.reference(function, Piece::Cold(helper))
    }

    fn params(&self, callee: FuncId) -> (usize, bool) {
        params_of(&self.compiler.program, callee)
    }

    fn literal(&self, value: Value) -> Place {
        Place::Fixed(value.to_bits())
    }

    fn fast(&self, native: NativeId) -> Option<Place> {
        fast_address(&self.compiler.program, native).map(Place::Fixed)
    }

    fn shapes(&self) -> &ShapeTable {
        &self.compiler.shapes
    }

    fn guesses(&self, key: Atom) -> &[Guess] {
        self.compiler.guesses.of(key)
    }

    fn methods(&self, key: Atom) -> &[FuncId] {
        self.compiler.guesses.methods(key)
    }

    fn cell(&mut self, _: FuncId, _: u32) -> Place {
        let cell = Box::new(AtomicU64::new(0));
        let address = &raw const *cell as u64;
        self.compiler.cells.push(cell);
        Place::Fixed(address)
    }

    fn has_setattr(&self) -> bool {
        self.compiler.magic.contains(Magic::named("__setattr__"))
    }
}
