//! Inference over a whole package: what each function is passed and what it returns.
//!
//! A package is a closed world: a function whose reference goes nowhere but into known calls and
//! spawns is called from nowhere else, so its parameters have the kinds of these calls' arguments.
//! A closure may be called from anywhere, but its captures come first. Any other use of a reference
//! gives the function away: it may be called with anything.
//!
//! Invariant: facts grow from nothing to the least fixpoint, which holds for every run, whichever
//! engine runs it. It does not hold for a function that the host calls although it is not among the
//! roots.
//! Absent on purpose: constants across calls, specialised copies for different callers.

use crate::build::{Shape, Source, build};
use crate::infer::{Passed, Sites, infer};
use crate::ir::Function;
use crate::kinds::{Callee, Facts, Kinds, Magic};
use crate::points::Mode;
use crate::simplify::remove_trivial_params;
use ion_runtime::atom::known;
use ion_runtime::bytecode::ops::{ConstOperand, PropValue};
use ion_runtime::bytecode::{ConstValue, Instr};
use ion_runtime::program::{FuncId, Konst, NativeId};
use ion_runtime::value::{Atom, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// A function that is called from outside of the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// The function.
    pub func: FuncId,
    /// What its parameters may be.
    pub params: Kinds,
    /// What it may be bound to.
    pub this: Kinds,
}

impl Root {
    /// The function in which a run begins: it gets the program's arguments, or nothing.
    pub fn entry(func: FuncId) -> Root {
        Root { func, params: Kinds::ARRAY | Kinds::UNDEFINED, this: Kinds::UNDEFINED }
    }

    /// A function that may be called with anything.
    pub fn open(func: FuncId) -> Root {
        Root { func, params: Kinds::ANY, this: Kinds::ANY }
    }
}

/// What is known about the functions of a package.
#[derive(Clone, Debug, Default)]
pub struct PackageFacts {
    functions: Vec<Summary>,
    properties: Properties,
}

/// What objects hold, by name.
#[derive(Clone, Debug, Default)]
struct Properties {
    /// Names that a LOAD_CONST has as an atom; no other name is read by a constant key.
    names: FxHashMap<String, Atom>,
    /// What is stored under a name.
    named: FxHashMap<Atom, Kinds>,
    /// What is stored under names that are not known.
    unnamed: Kinds,
    /// What arrays and tuples hold.
    elements: Kinds,
    /// Names that are also indices.
    indices: FxHashSet<Atom>,
}

impl Properties {
    fn new(functions: &[Option<Source<'_>>]) -> Properties {
        let mut properties = Properties::default();
        for function in functions.iter().flatten() {
            for (instr, konst) in function.instrs.iter().zip(function.konsts) {
                if let Instr::LoadConst { value: ConstOperand(ConstValue::Atom(text)), .. } = instr
                    && let Some(Konst::Value(value)) = konst
                    && let Some(atom) = value.as_atom()
                {
                    properties.names.insert(text.clone(), atom);
                    if text.bytes().all(|byte| byte.is_ascii_digit()) {
                        properties.indices.insert(atom);
                    }
                }
            }
        }
        visit_constants(functions.iter().flatten().copied(), |constant| match constant {
            Visit::Property(key, Some(value)) => {
                properties.store_text(key, kind_of(value));
            }
            Visit::Element(value) => properties.elements |= kind_of(value),
            _ => {}
        });
        // The program's arguments.
        properties.elements |= Kinds::STRING;
        properties
    }

    fn store_text(&mut self, key: &str, kinds: Kinds) -> bool {
        let name = self.names.get(key).copied();
        name.is_some_and(|name| self.store(Some(name), kinds))
    }

    /// Returns whether that is something new.
    fn store_element(&mut self, kinds: Kinds) -> bool {
        let grown = !self.elements.contains(kinds);
        self.elements |= kinds;
        grown
    }

    /// Returns whether that is something new.
    fn store(&mut self, name: Option<Atom>, kinds: Kinds) -> bool {
        let held = match name {
            Some(name) => self.named.entry(name).or_default(),
            None => &mut self.unnamed,
        };
        let grown = !held.contains(kinds);
        *held |= kinds;
        grown
    }

    fn get(&self, name: Atom) -> Kinds {
        // A prototype is stored and read in its own way.
        if name == known::proto {
            return Kinds::ANY;
        }
        self.named.get(&name).copied().unwrap_or_default() | self.unnamed
    }
}

fn kind_of(constant: &ConstValue) -> Kinds {
    match constant {
        ConstValue::Number(_) => Kinds::NUMBER,
        ConstValue::Boolean(_) => Kinds::BOOLEAN,
        ConstValue::Atom(_) | ConstValue::LegacyFunction(_) => Kinds::ATOM,
        ConstValue::Unit => Kinds::UNIT,
        ConstValue::Undefined => Kinds::UNDEFINED,
        ConstValue::Array(_) => Kinds::ARRAY,
        ConstValue::Object(_) => Kinds::OBJECT,
        ConstValue::String(_) => Kinds::STRING,
        ConstValue::Complex(..) => Kinds::COMPLEX,
        ConstValue::Tuple(_) => Kinds::TUPLE,
    }
}

#[derive(Clone, Debug)]
struct Summary {
    params: Vec<Kinds>,
    this: Kinds,
    returns: Kinds,
    is_called: bool,
    /// May it be called through a value?
    escapes: bool,
    /// Is that all right with whatever arguments?
    is_open: bool,
}

impl PackageFacts {
    /// Kinds that the parameters of a bytecode function get.
    pub fn params(&self, func: FuncId) -> &[Kinds] {
        &self.functions[func.0 as usize].params
    }

    /// Kinds of what a bytecode function is bound to.
    pub fn this(&self, func: FuncId) -> Kinds {
        self.functions[func.0 as usize].this
    }

    /// Kinds that a bytecode function returns; none: it never returns.
    pub fn returns(&self, func: FuncId) -> Kinds {
        self.functions[func.0 as usize].returns
    }

    /// May the function be called at all? If not, nothing else is known about it.
    pub fn is_called(&self, func: FuncId) -> bool {
        self.functions[func.0 as usize].is_called
    }

    /// May the function be called through a value, so that it needs an entry for anything?
    pub fn escapes(&self, func: FuncId) -> bool {
        self.functions[func.0 as usize].escapes
    }

    /// What callers pass, for inference of the function itself.
    pub fn passed(&self, func: FuncId) -> Passed<'_> {
        Passed { params: self.params(func), this: self.this(func) }
    }
}

/// The facts of the runtime together with what functions return.
#[derive(Clone, Copy)]
pub struct WithReturns<'a> {
    /// Facts of the runtime.
    pub base: &'a dyn Facts,
    /// Facts of the package.
    pub package: &'a PackageFacts,
}

impl Facts for WithReturns<'_> {
    fn literal(&self, value: Value) -> Kinds {
        self.base.literal(value)
    }

    fn template(&self, template: u32) -> Kinds {
        self.base.template(template)
    }

    fn native(&self, native: NativeId) -> Kinds {
        self.base.native(native)
    }

    fn callee(&self, func: FuncId) -> Callee {
        self.base.callee(func)
    }

    fn returns(&self, func: FuncId) -> Kinds {
        self.package.returns(func)
    }

    fn magic(&self) -> Magic {
        self.base.magic()
    }

    fn objects_are_own(&self) -> bool {
        self.base.objects_are_own()
    }

    fn property(&self, name: Atom) -> Kinds {
        match self.base.objects_are_own() {
            true => self.package.properties.get(name),
            false => Kinds::ANY,
        }
    }

    fn elements_are_own(&self) -> bool {
        self.base.elements_are_own()
    }

    fn elements(&self) -> Kinds {
        match self.base.objects_are_own() && self.base.elements_are_own() {
            true => self.package.properties.elements,
            false => Kinds::ANY,
        }
    }

    fn captured(&self, func: FuncId, at: u32) -> Kinds {
        let params = self.package.params(func);
        params.get(at as usize).copied().unwrap_or(Kinds::ANY)
    }
}

/// The magic methods that objects of a package may have: those whose names are the key of a literal
/// or an atom that a constant holds. It holds while no host or native library hands in objects or
/// atoms of its own.
pub fn magic<'a>(functions: impl IntoIterator<Item = Source<'a>>) -> Magic {
    let mut magic = Magic::NONE;
    visit_constants(functions, |constant| {
        if let Visit::Property(name, _) | Visit::Atom(name) = constant {
            magic = magic.union(Magic::named(name));
        }
    });
    magic
}

/// What constants and literals are made of.
enum Visit<'a> {
    /// A property of an object, with its value if that is a constant.
    Property(&'a str, Option<&'a ConstValue>),
    /// An atom.
    Atom(&'a str),
    /// An element of an array or a tuple.
    Element(&'a ConstValue),
}

fn visit_constants<'a>(
    functions: impl IntoIterator<Item = Source<'a>>,
    mut visit: impl FnMut(Visit<'a>),
) {
    let mut open: Vec<&ConstValue> = Vec::new();
    for instr in functions.into_iter().flat_map(|function| function.instrs) {
        match instr {
            Instr::LoadConst { value, .. } => open.push(&value.0),
            Instr::ObjectInit { props, .. } => {
                for prop in &props.0 {
                    let value = match &prop.value {
                        PropValue::Const(value) => Some(value),
                        PropValue::Reg(_) => None,
                    };
                    visit(Visit::Property(&prop.key, value));
                    open.extend(value);
                }
            }
            _ => {}
        }
        while let Some(value) = open.pop() {
            match value {
                ConstValue::Atom(text) => visit(Visit::Atom(text)),
                ConstValue::Array(values) | ConstValue::Tuple(values) => {
                    values.iter().for_each(|value| visit(Visit::Element(value)));
                    open.extend(values);
                }
                ConstValue::Object(properties) => {
                    for (key, value, _) in properties {
                        visit(Visit::Property(key, Some(value)));
                        open.push(value);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Infers a package. `functions` are its functions by index; `None` for those that are no bytecode.
pub fn analyse(
    functions: &[Option<Source<'_>>],
    roots: &[Root],
    facts: &dyn Facts,
) -> PackageFacts {
    let bodies = functions.iter().enumerate().map(|(at, source)| {
        let source = (*source)?;
        let built = build(source, FuncId(at as u32), Mode::Safepoint, Shape::Plain);
        let Ok(mut built) = built else { return Some(Body::Opaque(source)) };
        remove_trivial_params(&mut built.function, &mut []);
        Some(Body::Ssa(built.function))
    });
    let mut solver = Solver {
        sources: functions,
        bodies: bodies.collect(),
        callers: vec![Vec::new(); functions.len()],
        facts,
        package: PackageFacts {
            functions: functions
                .iter()
                .map(|source| Summary {
                    params: vec![Kinds::NONE; source.map_or(0, |source| source.params.into())],
                    this: Kinds::NONE,
                    returns: Kinds::NONE,
                    is_called: false,
                    escapes: false,
                    is_open: false,
                })
                .collect(),
            properties: Properties::new(functions),
        },
        readers: Vec::new(),
        recaptures: false,
        queue: VecDeque::new(),
        queued: vec![false; functions.len()],
    };
    for root in roots {
        solver.pass(root.func, root.this, |_| root.params);
    }
    while let Some(func) = solver.queue.pop_front() {
        solver.queued[func.0 as usize] = false;
        solver.analyse(func);
    }
    let mut package = solver.package;
    for summary in &mut package.functions {
        if !summary.is_called {
            summary.params.fill(Kinds::ANY);
            summary.this = Kinds::ANY;
            summary.returns = Kinds::ANY;
        }
    }
    package
}

enum Body<'a> {
    Ssa(Function),
    /// Too large to look into.
    Opaque(Source<'a>),
}

struct Solver<'a> {
    sources: &'a [Option<Source<'a>>],
    bodies: Vec<Option<Body<'a>>>,
    /// For each function: those that call it, so far.
    callers: Vec<Vec<FuncId>>,
    facts: &'a dyn Facts,
    package: PackageFacts,
    /// Functions that read properties, so far.
    readers: Vec<FuncId>,
    /// May captures of any closure be replaced by others?
    recaptures: bool,
    queue: VecDeque<FuncId>,
    queued: Vec<bool>,
}

impl Solver<'_> {
    fn enqueue(&mut self, func: FuncId) {
        let is_bytecode = self.bodies[func.0 as usize].is_some();
        if is_bytecode && !std::mem::replace(&mut self.queued[func.0 as usize], true) {
            self.queue.push_back(func);
        }
    }

    /// The function may be called like this.
    fn pass(&mut self, func: FuncId, this: Kinds, params: impl Fn(usize) -> Kinds) {
        let summary = &mut self.package.functions[func.0 as usize];
        let mut grown = !std::mem::replace(&mut summary.is_called, true);
        let mut grow = |old: &mut Kinds, new: Kinds| {
            grown |= !old.contains(new);
            *old |= new;
        };
        grow(&mut summary.this, this);
        for (at, param) in summary.params.iter_mut().enumerate() {
            grow(param, params(at));
        }
        if grown {
            self.enqueue(func);
        }
    }

    /// The function may be called through a value, with these captures first.
    fn escape(&mut self, func: FuncId, captures: &[Kinds]) {
        let summary = &mut self.package.functions[func.0 as usize];
        summary.escapes = true;
        let captures = if self.recaptures { &[] } else { captures };
        if summary.is_open {
            return;
        }
        summary.is_open = captures.is_empty();
        self.pass(func, Kinds::ANY, |at| captures.get(at).copied().unwrap_or(Kinds::ANY));
    }

    /// Closures are made of functions that are not known.
    fn recapture(&mut self) {
        if !std::mem::replace(&mut self.recaptures, true) {
            for func in 0..self.package.functions.len() {
                if self.package.functions[func].escapes {
                    self.escape(FuncId(func as u32), &[]);
                }
            }
        }
    }

    fn analyse(&mut self, func: FuncId) {
        let function = match &self.bodies[func.0 as usize] {
            Some(Body::Ssa(function)) => function,
            Some(Body::Opaque(source)) => {
                let konsts = source.konsts;
                for konst in konsts.iter().flatten() {
                    if let Konst::Value(value) = konst
                        && let Some(func) = value.as_function()
                    {
                        self.escape(func, &[]);
                    }
                }
                self.recapture();
                self.store(|properties| properties.store(None, Kinds::ANY));
                self.store(|properties| properties.store_element(Kinds::ANY));
                self.set_returns(func, Kinds::ANY);
                return;
            }
            None => return,
        };
        let facts = WithReturns { base: self.facts, package: &self.package };
        let inference = infer(function, &facts, self.package.passed(func));
        let sites = Sites::new(function, &inference, &facts);
        for site in sites.calls {
            let callers = &mut self.callers[site.func.0 as usize];
            if !callers.contains(&func) {
                callers.push(func);
            }
            self.pass(site.func, Kinds::UNDEFINED, |at| {
                site.args.get(at).copied().unwrap_or(Kinds::UNDEFINED)
            });
        }
        sites.closures.iter().for_each(|site| self.escape(site.func, &site.args));
        sites.escapes.iter().for_each(|&func| self.escape(func, &[]));
        if sites.recaptures {
            self.recapture();
        }
        if self.facts.objects_are_own() {
            self.properties(func, &sites.stores, &sites.objects);
            if !sites.elements.is_none() {
                self.store(|properties| properties.store_element(sites.elements));
            }
        }
        self.set_returns(func, inference.returns.kinds);
    }

    fn properties(
        &mut self,
        func: FuncId,
        stores: &[(Option<Atom>, Kinds)],
        objects: &[(u32, Vec<Kinds>)],
    ) {
        let Some(source) = self.sources[func.0 as usize] else { return };
        let reads = source.instrs.iter().any(|instr| matches!(instr, Instr::GetProp { .. }));
        if reads && !self.readers.contains(&func) {
            self.readers.push(func);
        }
        for &(name, kinds) in stores {
            self.store(|properties| {
                let is_index = name.is_none_or(|name| properties.indices.contains(&name));
                let grown = is_index && properties.store_element(kinds);
                properties.store(name, kinds) || grown
            });
        }
        for (pc, values) in objects {
            let Instr::ObjectInit { props, .. } = &source.instrs[*pc as usize] else { continue };
            let registers = props.0.iter().filter(|prop| matches!(prop.value, PropValue::Reg(_)));
            for (prop, &kinds) in registers.zip(values) {
                self.store(|properties| properties.store_text(&prop.key, kinds));
            }
        }
    }

    fn store(&mut self, store: impl FnOnce(&mut Properties) -> bool) {
        if store(&mut self.package.properties) {
            for reader in self.readers.clone() {
                self.enqueue(reader);
            }
        }
    }

    fn set_returns(&mut self, func: FuncId, kinds: Kinds) {
        let returns = &mut self.package.functions[func.0 as usize].returns;
        if returns.contains(kinds) {
            return;
        }
        *returns |= kinds;
        for caller in self.callers[func.0 as usize].clone() {
            self.enqueue(caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestFacts, Unit};

    fn check(texts: &[&str], expected: &[&str]) {
        let units: Vec<Unit> = texts.iter().map(|text| Unit::parse(text)).collect();
        let sources: Vec<_> = units.iter().map(|unit| Some(unit.source())).collect();
        let package = analyse(&sources, &[Root::entry(FuncId(0))], &TestFacts::default());
        for (at, expected) in expected.iter().enumerate() {
            let func = FuncId(at as u32);
            let params: Vec<_> = package.params(func).iter().map(Kinds::to_string).collect();
            let called = if package.is_called(func) { "" } else { "never called " };
            let escapes = if package.escapes(func) { "escapes " } else { "" };
            let params = params.join(", ");
            let actual = format!("{called}{escapes}({params}) -> {}", package.returns(func));
            assert_eq!(actual, *expected, "function {at}");
        }
    }

    const FIB: &str = "
        load_const r1, 2
        less_than r2, r0, r1
        jump_if_false r2, else
        return r0
    else:
        load_const r3, '__function_ref:1'
        load_const r1, 1
        sub r4, r0, r1
        call r4, r3, [r4]
        load_const r1, 2
        sub r5, r0, r1
        call r5, r3, [r5]
        add r6, r4, r5
        return r6";

    #[test]
    fn fib_takes_and_returns_numbers() {
        let main = "
            load_const r0, '__function_ref:1'
            load_const r1, 35
            call r0, r0, [r1]
            return r0";
        check(&[main, FIB], &["() -> number", "(number) -> number"]);
    }

    #[test]
    fn a_function_that_is_given_away_may_get_anything() {
        let main = "
            load_const r0, '__function_ref:1'
            load_const r1, 35
            send r1, r0
            call r0, r0, [r1]
            return r0";
        check(&[main, FIB], &["() -> any", "escapes (any) -> any"]);
    }

    #[test]
    fn arguments_of_all_calls_and_spawns_count() {
        let main = "
            load_const r1, '__function_ref:1'
            load_const r2, 1
            load_const r3, 'ok'
            call r4, r1, [r2]
            call r4, r1, [r0, r2]
            spawn r4, r1, [r2, r3, r0]
            return r4";
        let pair = "
            array_init r2, [r0, r1]
            return r2";
        check(
            &[main, pair],
            &[
                "(undefined|array) -> process",
                "(number|undefined|array, number|atom|undefined) -> array",
            ],
        );
    }

    #[test]
    fn one_function_through_several_registers_is_no_escape() {
        let main = "
            load_const r1, '__function_ref:1'
            load_const r2, true
        top:
            move r3, r1
            call r4, r3, [r2]
            jump_if_true r4, top
            move r1, r3
            return r4";
        check(&[main, "not r0, r0\nreturn r0"], &["() -> boolean", "(boolean) -> boolean"]);
    }

    #[test]
    fn what_is_not_called_and_what_does_not_return() {
        let main = "
            load_const r1, '__function_ref:2'
            call r1, r1, []
            load_const r1, '__function_ref:1'
            call r1, r1, [r1]
            return r1";
        let server = "
            receive r0
            jump 0";
        let called = "return r0";
        // Code behind a call that never returns counts as reached.
        check(&[main, called, server], &["() -> any", "escapes (any) -> any", "() -> none"]);
    }

    fn returned(texts: &[&str]) -> Kinds {
        let units: Vec<Unit> = texts.iter().map(|text| Unit::parse(text)).collect();
        let sources: Vec<_> = units.iter().map(|unit| Some(unit.source())).collect();
        let facts = TestFacts { no_magic: true, own_objects: true, ..TestFacts::default() };
        analyse(&sources, &[Root::entry(FuncId(0))], &facts).returns(FuncId(0))
    }

    #[test]
    fn properties_hold_what_is_stored_under_their_name() {
        let read = "
            load_const r1, '__function_ref:1'
            call r0, r1, []
            load_const r1, 'x'
            get_prop r2, r0, r1
            return r2";
        let make = "
            load_const r0, 1
            object_init r1, {x:r0:Public, y:true:Public}
            return r1";
        let number = Kinds::NUMBER | Kinds::UNDEFINED;
        assert_eq!(returned(&[read, make]), number);
        // Another object with such a property, made somewhere.
        let other = "
            load_const r1, '__function_ref:1'
            call r0, r1, []
            object_init r1, {x:r0:Public}
            send r0, r1
            load_const r1, 'x'
            get_prop r2, r0, r1
            return r2";
        assert_eq!(returned(&[other, make]), number | Kinds::OBJECT);
        let constant = make.replace("load_const r0, 1", "load_const r0, { x: 'a' }");
        // Templates of the tests are arrays, whatever they hold.
        let expected = Kinds::ATOM | Kinds::ARRAY | Kinds::UNDEFINED;
        assert_eq!(returned(&[read, &constant]), expected);
        // Written later, under this name, under another, or under one that is not known.
        let written = |key: &str| {
            let make = format!(
                "load_const r0, 1
                object_init r1, {{x:r0:Public}}
                load_const r3, 'a'
                load_const r2, 'y'
                {key}
                set_prop r1, r2, r3
                return r1"
            );
            returned(&[read, &make])
        };
        assert_eq!(written("load_const r2, 'x'"), number | Kinds::ATOM);
        assert_eq!(written(""), number);
        assert_eq!(written("receive r2"), number | Kinds::ATOM);
    }

    #[test]
    fn elements_and_prototypes_are_no_properties() {
        let text = "
            load_const r1, '__proto__'
            object_init r0, {}
            get_prop r0, r0, r1
            return r0";
        // The toy's atoms are numbered by their first letter, so ask for the property itself.
        assert_eq!(Properties::default().get(known::proto), Kinds::ANY);
        assert_eq!(returned(&[text]), Kinds::UNDEFINED);
        let text = "
            load_const r1, '0'
            receive r0
            array_init r0, [r0]
            get_prop r0, r0, r1
            return r0";
        assert_eq!(returned(&[text]), Kinds::ANY);
        let by_number = text.replace("'0'", "0");
        assert_eq!(returned(&[&by_number]), Kinds::ANY);
    }

    #[test]
    fn magic_methods_by_name() {
        let of = |text: &str| {
            let unit = Unit::parse(text);
            magic([unit.source()])
        };
        assert_eq!(of("object_init r0, {x:r1:Public}"), Magic::NONE);
        assert_eq!(of("object_init r0, {__add__:r1:Public}"), Magic::named("__add__"));
        assert_eq!(of("load_const r0, ['__eq__', 'x']"), Magic::named("__eq__"));
        let nested = of("object_init r0, {x:[{ __lt__: 1 }]:Public}");
        assert_eq!(nested, Magic::named("__lt__"));
    }

    #[test]
    fn captures_come_before_arguments() {
        let main = "
            load_const r1, '__function_ref:1'
            load_const r2, 1
            load_const r3, 'ok'
            make_closure r4, r1, 's', [x:r2]
            call r5, r4, [r3]
            return r5";
        let pair = "
            array_init r2, [r0, r1]
            return r2";
        // Who else calls the closure passes anything, but behind the capture.
        check(&[main, pair], &["() -> array", "escapes (number, any) -> array"]);
    }

    #[test]
    fn captures_of_what_is_not_known_spoil_those_of_others() {
        let main = "
            load_const r1, '__function_ref:1'
            load_const r2, 1
            make_closure r4, r1, 's', [x:r2]
            load_const r1, '__function_ref:2'
            call r5, r1, [r4]
            return r5";
        let pair = "
            array_init r2, [r0, r1]
            return r2";
        let again = "
            make_closure r0, r0, 's', [x:r0]
            return r0";
        check(
            &[main, pair, again],
            &["() -> function", "escapes (any, any) -> array", "(function) -> function"],
        );
    }
}
