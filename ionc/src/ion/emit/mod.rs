//! From the resolved tree to bytecode.
//!
//! Each function becomes one function of its class; nested ones are queued and named after the
//! function around them (`main.fn1`). Captured variables that change live in objects (*boxes*)
//! `{v: value}`; everything else is a register.

mod assert;
mod code;
mod expr;
mod fold;
mod function;
mod matching;
mod object;
mod registers;
mod stmt;

use super::ast::*;
use super::resolve::{Globals, Var};
use super::source::{LineIndex, Source};
use code::{Code, Label, Reg};
use ion_runtime::bytecode::{ConstValue, Function as Compiled};
use rustc_hash::{FxHashMap, FxHashSet};

/// What all modules share.
pub(crate) struct Program<'a, 's> {
    /// Names of all classes.
    pub globals: &'a Globals<'s>,
    /// For each class the values of its constants that are known when compiling.
    pub constants: Vec<Vec<Option<ConstValue>>>,
    /// For each class the names of its functions.
    pub functions: Vec<Vec<String>>,
    /// For each class the names of its constants.
    pub constant_names: Vec<Vec<String>>,
    /// The source texts of the classes.
    pub sources: &'a [Source],
    /// Their lines.
    pub lines: &'a [LineIndex],
    /// Names of properties that may be protected.
    pub protected: FxHashSet<String>,
    /// The input of a session, if one of the classes is one.
    pub input: Option<Input>,
}

/// An input of a session. Its variables, and those of earlier inputs, live in boxes, which are properties
/// of the object that the process keeps.
pub(crate) struct Input {
    /// Number of its class, whose only function it is.
    pub class: u32,
    /// Number of the first variable of earlier inputs.
    pub first: VarId,
    /// The properties of those, by number.
    pub earlier: Vec<String>,
    /// Names of properties that earlier inputs protect.
    pub protected: FxHashSet<String>,
    /// What later inputs see of this one.
    pub exports: Vec<(VarId, String)>,
}

/// Name of the function of an input.
pub(crate) const INPUT: &str = "input";

impl Program<'_, '_> {
    fn constant(&self, class: u32, index: u32) -> Option<&ConstValue> {
        self.constants.get(class as usize)?.get(index as usize)?.as_ref()
    }

    fn may_be_protected(&self, name: &str) -> bool {
        let earlier = self.input.as_ref().is_some_and(|input| input.protected.contains(name));
        earlier || self.protected.contains(name)
    }

    /// The atom that a LOAD_CONST turns into the function.
    fn function_ref(&self, class: u32, name: &str) -> ConstValue {
        ConstValue::Atom(format!("__function_ref:{}:{name}", self.globals.class_name(class)))
    }
}

/// A compiled function with the places of its instructions in the source text.
pub(crate) struct Emitted {
    /// It.
    pub function: Compiled,
    /// For each instruction its offset in the text.
    pub places: Vec<u32>,
}

/// A nested function that is still to be compiled.
struct Queued<'m, 's> {
    name: String,
    function: &'m Function<'s>,
    captures: Vec<VarId>,
    /// Is it the value of a constant, evaluated once for each process?
    memo: Option<String>,
}

/// A module being compiled.
struct ModuleEmitter<'a, 'm, 's> {
    program: &'a Program<'a, 's>,
    vars: &'a [Var],
    class: u32,
    queue: Vec<Queued<'m, 's>>,
    done: Vec<Emitted>,
    names: FxHashSet<String>,
    /// Names of the functions that variables hold for good.
    statics: FxHashMap<VarId, String>,
    /// Values of local constants.
    consts: FxHashMap<VarId, ConstValue>,
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In a register.
    Reg(Reg),
    /// In the object in this register.
    Boxed(Reg),
}

/// A loop that `break` and `continue` refer to.
#[derive(Clone, Copy)]
struct LoopLabels {
    end: Label,
    next: Label,
}

/// A function being compiled.
struct FunctionEmitter<'e, 'a, 's> {
    module: &'e mut ModuleEmitter<'a, 'a, 's>,
    name: String,
    code: Code,
    places: FxHashMap<VarId, Place>,
    /// Registers of variables that are assigned.
    mutable: FxHashSet<Reg>,
    loops: Vec<LoopLabels>,
    /// Captured variables of this function.
    captured: Vec<VarId>,
    /// Nested functions so far, for their names.
    nested: u32,
    /// The input of a session, if this is its function.
    input: Option<&'a Input>,
}

/// Compiles a resolved module.
pub(crate) fn emit<'a, 's>(
    module: &'a Module<'s>,
    class: u32,
    vars: &'a [Var],
    program: &'a Program<'a, 's>,
) -> Vec<Emitted> {
    let mut emitter = ModuleEmitter {
        program,
        vars,
        class,
        queue: Vec::new(),
        done: Vec::new(),
        names: FxHashSet::default(),
        statics: FxHashMap::default(),
        consts: FxHashMap::default(),
    };
    let functions = module.functions.iter().filter_map(|function| Some((function, function.name?)));
    for (function, name) in functions {
        emitter.names.insert(name.text.to_owned());
        let name = name.text.to_owned();
        emitter.queue.push(Queued { name, function, captures: Vec::new(), memo: None });
    }
    for (index, constant) in module.constants.iter().enumerate() {
        let name = constant.name.text.to_owned();
        emitter.names.insert(name.clone());
        if program.constant(class, index as u32).is_some() {
            continue;
        }
        let queued = match plain_function(&constant.init) {
            Some(function) => Queued { name, function, captures: Vec::new(), memo: None },
            None => {
                let memo = Some(format!("{}:{name}", program.globals.class_name(class)));
                Queued { name, function: &constant.init, captures: Vec::new(), memo }
            }
        };
        emitter.queue.push(queued);
    }
    emitter.queue.reverse();
    // Nested functions follow the function around them.
    while let Some(queued) = emitter.queue.pop() {
        let before = emitter.queue.len();
        let emitted = function::emit_function(&mut emitter, &queued);
        emitter.done.push(emitted);
        emitter.queue[before..].reverse();
    }
    emitter.done
}

/// The function that is the value of a constant, if it captures nothing.
pub(crate) fn plain_function<'m, 's>(init: &'m Function<'s>) -> Option<&'m Function<'s>> {
    match &init.body {
        Body::Expr(expr) => match &expr.kind {
            ExprKind::Function(function) if function.captures.is_empty() => Some(function),
            _ => None,
        },
        Body::Block(_) => None,
    }
}

/// The constants of modules that are known when compiling, in order; they may refer to earlier ones.
pub(crate) fn fold_constants<'s>(
    program: &mut Program<'_, 's>,
    modules: &[&Module<'s>],
    vars: &[&[Var]],
) {
    program.constants = modules.iter().map(|module| vec![None; module.constants.len()]).collect();
    // Constants may refer to constants of other modules and further down: a few rounds find all.
    for _ in 0..4 {
        let mut found = Vec::new();
        for (class, module) in modules.iter().enumerate() {
            let mut emitter = ModuleEmitter {
                program,
                vars: vars[class],
                class: class as u32,
                queue: Vec::new(),
                done: Vec::new(),
                names: FxHashSet::default(),
                statics: FxHashMap::default(),
                consts: FxHashMap::default(),
            };
            let folder = FunctionEmitter::new(&mut emitter, String::new(), 0);
            for (index, constant) in module.constants.iter().enumerate() {
                if folder.module.program.constant(class as u32, index as u32).is_none()
                    && let Body::Expr(value) = &constant.init.body
                    && let Some(value) = folder.fold(value)
                {
                    found.push((class, index, value));
                }
            }
        }
        if found.is_empty() {
            return;
        }
        for (class, index, value) in found {
            program.constants[class][index] = Some(value);
        }
    }
}

impl<'a, 's> ModuleEmitter<'a, 'a, 's> {
    /// A name for a nested function that no other function of the class has.
    fn unique(&mut self, wanted: String) -> String {
        let mut name = wanted.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}{number}");
        }
        name
    }
}

/// Atoms that LOAD_CONST would turn into something else.
fn is_special(text: &str) -> bool {
    text == "self"
        || text.starts_with("__vm:")
        || text.starts_with("__stdlib:")
        || text.starts_with("__function_ref:")
}
