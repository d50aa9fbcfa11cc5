//! Compiling a whole program into an image for a file.
//!
//! Functions are compiled in parallel and laid out in the order of their numbers, so the same program
//! gives the same bytes. All references inside are relative; what is only known when the image is
//! loaded is in the loader's table ([`ion_image::Slot`]).

use super::jit::{flags, mode_of};
use crate::image::{Image, Symbol};
use crate::inline::Limits;
use crate::ir;
use crate::lower::{Linker, Place, place_of};
use crate::module::{CompileError, Piece, ProgramCompiler, lower_piece};
use crate::speculate;
use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, Function, UserExternalName, UserFuncName,
};
use cranelift_codegen::isa::unwind::UnwindInfo;
use cranelift_codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::Configurable;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use ion_image::{FORMS, Meta, NOWHERE, Slot, shapes_of};
use ion_runtime::bytecode::Instr;
use ion_runtime::helpers::Helper;
use ion_runtime::object::shape::ShapeTable;
use ion_runtime::program::{Bytecode, FuncId, NativeId};
use ion_runtime::system::Config;
use ion_runtime::value::{Atom, Value};
use ion_runtime::vm::Linked;
use rustc_hash::FxHashMap;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use target_lexicon::{Architecture, Triple};

/// For which machines an image is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Target triple, such as `x86_64-unknown-linux-gnu`; `None` for this machine.
    pub triple: Option<String>,
    /// Use everything this processor can do? Else what every processor of the target can.
    pub native_cpu: bool,
}

/// Compiles a program. `progress` is called with the number of functions done, from any thread.
pub fn compile(
    linked: &Linked,
    config: &Config,
    target: &Target,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Image, CompileError> {
    let isa = isa_of(target)?;
    let mode = mode_of(config);
    let compiler = ProgramCompiler::new(linked, mode, Limits::default(), false, config.open);
    let slots = Slots::new(linked);
    let functions: Vec<FuncId> = linked
        .program
        .functions
        .iter()
        .filter(|function| function.bytecode().is_some())
        .map(|function| function.id)
        .collect();
    let mut pieces = vec![compile_fixed(&compiler, &slots, &*isa)?];
    pieces.extend(compile_functions(&compiler, &slots, &*isa, &functions, progress)?);
    let meta = Meta {
        target: isa.triple().to_string(),
        cpu: cpu_features(&*isa),
        preempt: format!("{:?}", config.preempt).to_lowercase(),
        open: config.open,
        slots: slots.list,
        shapes: shapes_of(&linked.shapes),
        ..Meta::of(linked)
    };
    lay_out(linked, &*isa, meta, pieces)
}

fn isa_of(target: &Target) -> Result<OwnedTargetIsa, CompileError> {
    let text = |error: &dyn std::fmt::Display| CompileError(error.to_string());
    let triple = match &target.triple {
        Some(name) => Triple::from_str(name).map_err(|error| {
            CompileError(format!(
                "'{name}' is no target: {error}; such as aarch64-unknown-linux-gnu"
            ))
        })?,
        None => Triple::host(),
    };
    let foreign = triple.architecture != Triple::host().architecture;
    if target.native_cpu && foreign {
        return Err(CompileError("--cpu native is for this machine's own architecture".into()));
    }
    let mut builder = match target.native_cpu {
        true => cranelift_native::builder().map_err(|error| text(&error))?,
        false => isa::lookup(triple.clone()).map_err(|_| {
            CompileError(format!("code for {triple} cannot be made; x86_64 and aarch64 can"))
        })?,
    };
    if !target.native_cpu && matches!(triple.architecture, Architecture::X86_64) {
        // Every processor since 2009 has these.
        for feature in ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"] {
            builder.enable(feature).map_err(|error| text(&error))?;
        }
    }
    builder.finish(flags(true)?).map_err(|error| text(&error))
}

/// The features of processors that the code relies on.
fn cpu_features(isa: &dyn TargetIsa) -> Vec<String> {
    let flags = isa.isa_flags();
    let on = flags.iter().filter(|flag| flag.as_bool() == Some(true));
    on.map(|flag| flag.name.to_owned()).filter(|name| name.starts_with("has_")).collect()
}

/// The loader's table.
struct Slots {
    list: Vec<Slot>,
    literals: FxHashMap<u64, u32>,
    fast: FxHashMap<u32, u32>,
    cells: FxHashMap<(FuncId, u32), u32>,
}

impl Slots {
    fn new(linked: &Linked) -> Slots {
        let mut slots = Slots {
            list: Vec::new(),
            literals: FxHashMap::default(),
            fast: FxHashMap::default(),
            cells: FxHashMap::default(),
        };
        let program = &linked.program;
        for (at, native) in program.natives.iter().enumerate() {
            if native.def.as_ref().is_some_and(|def| def.fast.is_some()) {
                slots.fast.insert(at as u32, slots.list.len() as u32);
                slots.list.push(Slot::Fast { native: at as u32 });
            }
        }
        for function in &program.functions {
            let Some(body) = function.bytecode() else { continue };
            slots.add_body(function.id, body);
        }
        slots
    }

    fn add_body(&mut self, func: FuncId, body: &Bytecode) {
        for (pc, (instr, konst)) in body.instrs.iter().zip(&body.konsts).enumerate() {
            let pc = pc as u32;
            if let Some(ion_runtime::program::Konst::Value(value)) = konst
                && value.is_pointer()
            {
                let next = self.list.len() as u32;
                if *self.literals.entry(value.to_bits()).or_insert(next) == next {
                    self.list.push(Slot::Literal { func: func.0, pc });
                }
            }
            if matches!(instr, Instr::GetProp { .. }) {
                self.cells.insert((func, pc), self.list.len() as u32);
                self.list.push(Slot::Cell);
            }
        }
    }
}

struct AotLinker<'a> {
    compiler: &'a ProgramCompiler,
    slots: &'a Slots,
    isa: &'a dyn TargetIsa,
}

/// The number by which code refers to a piece.
fn number_of(piece: Piece) -> u32 {
    let helpers = Helper::ALL.len() as u32;
    match piece {
        Piece::Enter => 0,
        Piece::Cold(helper) => 1 + helper as u32,
        Piece::Entry(func) => 1 + helpers + 4 * func.0,
        Piece::List(func) => 2 + helpers + 4 * func.0,
        Piece::Resume(func) => 3 + helpers + 4 * func.0,
        Piece::Unchecked(func) => 4 + helpers + 4 * func.0,
    }
}

impl AotLinker<'_> {
    fn reference(&mut self, function: &mut Function, piece: Piece) -> FuncRef {
        let signature = self.compiler.signature(self.isa, piece);
        let signature = function.import_signature(signature);
        let name = UserExternalName::new(0, number_of(piece));
        let name = function.declare_imported_user_function(name);
        function.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        })
    }
}

impl Linker for AotLinker<'_> {
    fn isa(&self) -> &dyn TargetIsa {
        self.isa
    }

    fn entry(&mut self, function: &mut Function, callee: FuncId) -> FuncRef {
        self.reference(function, Piece::Entry(callee))
    }

    fn cold_stub(&mut self, function: &mut Function, helper: Helper) -> FuncRef {
        self.reference(function, Piece::Cold(helper))
    }

    fn params(&self, callee: FuncId) -> (usize, bool) {
        self.compiler.params(callee)
    }

    fn literal(&self, value: Value) -> Place {
        // Every pointer in the SSA form is one that a LOAD_CONST loads; others stay with the runtime.
        Place::Slot(self.slots.literals.get(&value.to_bits()).copied().unwrap_or(u32::MAX))
    }

    fn fast(&self, native: NativeId) -> Option<Place> {
        self.slots.fast.get(&native.0).map(|&slot| Place::Slot(slot))
    }

    fn cell(&mut self, func: FuncId, pc: u32) -> Place {
        Place::Slot(self.slots.cells[&(func, pc)])
    }

    fn shapes(&self) -> &ShapeTable {
        self.compiler.shapes()
    }

    fn guesses(&self, key: Atom) -> &[crate::guess::Guess] {
        self.compiler.guesses_of(key)
    }

    fn methods(&self, key: Atom) -> &[FuncId] {
        self.compiler.methods_of(key)
    }

    fn has_setattr(&self) -> bool {
        self.compiler.has_setattr()
    }
}

/// A compiled piece.
struct Code {
    piece: Piece,
    bytes: Vec<u8>,
    align: u32,
    relocs: Vec<(u32, Reloc, u32, i64)>,
    unwind: Option<UnwindInfo>,
    /// Offset and bytecode index, where the code is the function's own.
    lines: Vec<(u32, u32)>,
}

fn compile_piece(
    compiler: &ProgramCompiler,
    slots: &Slots,
    isa: &dyn TargetIsa,
    piece: Piece,
    ssa: Option<&ir::Function>,
) -> Result<Code, CompileError> {
    let mut context = Context::new();
    let signature = compiler.signature(isa, piece);
    let name = UserFuncName::user(0, number_of(piece));
    context.func = Function::with_name_signature(name, signature);
    let mut builder_context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut builder_context);
    let mut linker = AotLinker { compiler, slots, isa };
    lower_piece(&mut builder, compiler.program(), piece, ssa, &mut linker);
    builder.finalize(isa.frontend_config());
    context
        .compile(isa, &mut ControlPlane::default())
        .map_err(|error| CompileError(format!("{:?}", error.inner)))?;
    let Some(compiled) = context.compiled_code() else {
        return Err(CompileError("there is no code".into()));
    };
    let mut relocs = Vec::new();
    for reloc in compiled.buffer.relocs() {
        use cranelift_codegen::FinalizedRelocTarget;
        let target = match &reloc.target {
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
                context.func.params.user_named_funcs()[*name].index
            }
            other => return Err(CompileError(format!("the code refers to {other:?}"))),
        };
        relocs.push((reloc.offset, reloc.kind, target, reloc.addend));
    }
    let lines = compiled.buffer.get_srclocs_sorted().iter();
    let lines = lines.filter_map(|range| {
        let (frame, pc) = place_of(range.loc)?;
        (frame == 0).then_some((range.start, pc))
    });
    Ok(Code {
        piece,
        bytes: compiled.code_buffer().to_vec(),
        align: compiled.buffer.alignment.max(16),
        relocs,
        unwind: compiled.create_unwind_info(isa).ok().flatten(),
        lines: lines.collect(),
    })
}

/// The pieces of a function, or why there are none.
type Compiled = Result<Vec<Code>, CompileError>;

/// The pieces that belong to no function.
fn compile_fixed(
    compiler: &ProgramCompiler,
    slots: &Slots,
    isa: &dyn TargetIsa,
) -> Result<Vec<Code>, CompileError> {
    let stubs = Helper::ALL.iter().map(|&helper| Piece::Cold(helper));
    let pieces = std::iter::once(Piece::Enter).chain(stubs);
    pieces.map(|piece| compile_piece(compiler, slots, isa, piece, None)).collect()
}

fn compile_function(
    compiler: &ProgramCompiler,
    slots: &Slots,
    isa: &dyn TargetIsa,
    func: FuncId,
) -> Result<Vec<Code>, CompileError> {
    let piece = |piece, ssa: Option<&ir::Function>| compile_piece(compiler, slots, isa, piece, ssa);
    let list = piece(Piece::List(func), None)?;
    if compiler.missing(func).is_none() {
        let own = || -> Result<_, CompileError> {
            let entry = compiler.ssa(func, ir::Form::Entry)?;
            let resume = compiler.ssa(func, ir::Form::Resume)?;
            let mut codes = vec![
                piece(Piece::Entry(func), Some(&entry))?,
                piece(Piece::Resume(func), Some(&resume))?,
            ];
            if speculate::has_checks_in_loops(&resume) {
                let unchecked = compiler.ssa_with(func, ir::Form::Resume, false)?;
                codes.push(piece(Piece::Unchecked(func), Some(&unchecked))?);
            }
            Ok(codes)
        };
        // What is too much for the code generator is interpreted.
        if let Ok(mut codes) = own() {
            codes.insert(1, list);
            return Ok(codes);
        }
    }
    Ok(vec![piece(Piece::Entry(func), None)?, list])
}

fn compile_functions(
    compiler: &ProgramCompiler,
    slots: &Slots,
    isa: &dyn TargetIsa,
    functions: &[FuncId],
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Vec<Code>>, CompileError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Vec<Mutex<Option<Compiled>>> =
        functions.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(&func) = functions.get(at) else { break };
            let code = compile_function(compiler, slots, isa, func);
            *results[at].lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(code);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(functions.len()) {
            let thread = std::thread::Builder::new().stack_size(COMPILER_STACK);
            if thread.spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        // If no thread could be started, this one does it all.
        if threads <= 1 || functions.len() <= 1 {
            work();
        }
    });
    let take = |result: Mutex<Option<Compiled>>| {
        let result = result.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        result.unwrap_or_else(|| Err(CompileError("a thread that compiles has failed".into())))
    };
    results.into_iter().map(take).collect()
}

/// Native stack of a thread that compiles.
const COMPILER_STACK: usize = 64 << 20;

fn lay_out(
    linked: &Linked,
    isa: &dyn TargetIsa,
    meta: Meta,
    pieces: Vec<Vec<Code>>,
) -> Result<Image, CompileError> {
    let pieces: Vec<Code> = pieces.into_iter().flatten().collect();
    let mut text: Vec<u8> = Vec::new();
    let mut starts: FxHashMap<u32, u32> = FxHashMap::default();
    let mut symbols = Vec::new();
    for code in &pieces {
        text.resize(text.len().next_multiple_of(code.align as usize), padding(isa));
        let start = text.len() as u32;
        starts.insert(number_of(code.piece), start);
        let name_of = |func: FuncId| symbol_name(&linked.program.function(func).qualified_name());
        let name = match code.piece {
            Piece::Entry(func) => name_of(func),
            Piece::List(func) => format!("{}$list", name_of(func)),
            Piece::Resume(func) => format!("{}$resume", name_of(func)),
            Piece::Unchecked(func) => format!("{}$unchecked", name_of(func)),
            Piece::Cold(_) | Piece::Enter => code.piece.name(),
        };
        symbols.push(Symbol { name, start, size: code.bytes.len() as u32 });
        text.extend_from_slice(&code.bytes);
    }
    if text.len() as u64 >= MAX_TEXT {
        return Err(CompileError("more than 128 MB of machine code; split the package".into()));
    }
    for code in &pieces {
        let start = starts[&number_of(code.piece)];
        for &(offset, kind, target, addend) in &code.relocs {
            let to = starts.get(&target).copied().ok_or_else(|| {
                CompileError(format!("the code refers to piece {target}, which there is not"))
            })?;
            relocate(&mut text, (start + offset) as usize, kind, i64::from(to) + addend)?;
        }
    }
    let functions = linked.program.functions.len();
    let mut entries = vec![[NOWHERE; FORMS]; functions];
    let mut unwind = Vec::new();
    let mut lines = Vec::new();
    for code in pieces {
        let start = starts[&number_of(code.piece)];
        match code.piece {
            Piece::List(func) => entries[func.0 as usize][0] = start,
            Piece::Resume(func) => entries[func.0 as usize][1] = start,
            Piece::Unchecked(func) => entries[func.0 as usize][2] = start,
            _ => {}
        }
        if let Piece::Entry(func) | Piece::Resume(func) | Piece::Unchecked(func) = code.piece {
            lines.extend(code.lines.iter().map(|&(at, pc)| [start + at, func.0, pc]));
        }
        unwind.extend(code.unwind.map(|info| (start, info)));
    }
    let cie = isa.create_systemv_cie();
    Ok(Image { meta, text, entries, symbols, lines, unwind, cie, package: Vec::new() })
}

/// A function's name as a symbol: those of packages may hold anything, even the end of a text in C.
fn symbol_name(name: &str) -> String {
    name.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

/// Branches of aarch64 reach so far.
const MAX_TEXT: u64 = 128 << 20;

/// What fills the space between functions: it traps.
fn padding(isa: &dyn TargetIsa) -> u8 {
    if isa.triple().architecture == Architecture::X86_64 { 0xcc } else { 0 }
}

/// Puts the distance to `to` (an offset in the text, addend included) into the instruction at `at`.
fn relocate(text: &mut [u8], at: usize, kind: Reloc, to: i64) -> Result<(), CompileError> {
    let distance = to - at as i64;
    let field = &mut text[at..at + 4];
    match kind {
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 => {
            field.copy_from_slice(&(distance as i32).to_le_bytes());
        }
        Reloc::Arm64Call => {
            let word = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
            let imm = ((distance >> 2) as u32) & 0x03ff_ffff;
            field.copy_from_slice(&(word & !0x03ff_ffff | imm).to_le_bytes());
        }
        other => return Err(CompileError(format!("unexpected relocation {other:?}"))),
    }
    Ok(())
}
