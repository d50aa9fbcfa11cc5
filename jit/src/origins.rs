//! Where values probably come from: which literals and closures flow to which instruction.
//!
//! A package is a closed world, so following values from where they are made (through registers,
//! properties, elements, captures, calls, messages) shows which shapes an access meets and which
//! functions a call reaches. Sites stand for everything that is made at them, and sets stay small:
//! a points-to analysis after Andersen, cut short.
//!
//! Invariant: what is found is a hint. Code that relies on one checks it, so the analysis may
//! overlook flows, and stops after a few rounds.
//! Absent on purpose: objects that grow properties after they were made.

use crate::cfg;
use crate::ir::{Function, Inst, InstId, Method, Op, Row, Terminator, ValueDef, ValueId};
use ion_runtime::atom::{AtomTable, known};
use ion_runtime::link::{ObjectPlan, Source, Template};
use ion_runtime::object::Kind;
use ion_runtime::object::shape::{Property, ShapeId, ShapeTable};
use ion_runtime::program::{FuncId, Program};
use ion_runtime::value::{Atom, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most origins that are told apart; a value with more may be anything.
const MAX_ORIGINS: usize = 8;

/// Most hints for one place.
pub const MAX_HINTS: usize = 4;

/// How often the whole package is gone through.
const MAX_ROUNDS: usize = 8;

/// Longest chain of prototypes that is followed.
const MAX_CHAIN: usize = 4;

/// What is known about the places of a package, by function and bytecode index.
#[derive(Debug, Default)]
pub struct Hints {
    accesses: FxHashMap<(FuncId, u32), Vec<ShapeId>>,
    rows: FxHashMap<(FuncId, u32), Row>,
    methods: FxHashMap<(FuncId, u32), Vec<Method>>,
    /// Where no object was seen that has another method, or none.
    all_methods: FxHashSet<(FuncId, u32)>,
    closures: FxHashMap<(FuncId, u32), Vec<Closure>>,
}

/// A closure that a call reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Its function.
    pub func: FuncId,
    /// How many values it has captured.
    pub captures: u32,
}

impl Hints {
    /// Shapes of the objects that a GET_PROP or SET_PROP meets.
    pub fn shapes(&self, func: FuncId, pc: u32) -> &[ShapeId] {
        self.accesses.get(&(func, pc)).map_or(&[], Vec::as_slice)
    }

    /// The sort of rows that a GET_PROP or SET_PROP meets.
    pub fn row(&self, func: FuncId, pc: u32) -> Option<Row> {
        self.rows.get(&(func, pc)).copied()
    }

    /// The methods that a GET_PROP finds.
    pub fn methods(&self, func: FuncId, pc: u32) -> &[Method] {
        self.methods.get(&(func, pc)).map_or(&[], Vec::as_slice)
    }

    /// Does the flow of objects to a GET_PROP show that it finds one of [`Self::methods`]?
    pub fn are_all_methods(&self, func: FuncId, pc: u32) -> bool {
        self.all_methods.contains(&(func, pc))
    }

    /// The closures that a CALL reaches.
    pub fn closures(&self, func: FuncId, pc: u32) -> &[Closure] {
        self.closures.get(&(func, pc)).map_or(&[], Vec::as_slice)
    }
}

/// Where a value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Origin {
    Object(u32),
    Array(u32),
    Tuple(u32),
    Closure(u32),
    Function(FuncId),
}

/// A small set of origins.
#[derive(Clone, Debug, Default, PartialEq)]
struct Set {
    origins: Vec<Origin>,
    /// There are others too.
    many: bool,
}

impl Set {
    fn of(origin: Origin) -> Set {
        Set { origins: vec![origin], many: false }
    }

    /// Returns whether the set has grown.
    fn add(&mut self, origin: Origin) -> bool {
        let Err(at) = self.origins.binary_search(&origin) else { return false };
        if self.origins.len() == MAX_ORIGINS {
            return !std::mem::replace(&mut self.many, true);
        }
        self.origins.insert(at, origin);
        true
    }

    fn add_all(&mut self, other: &Set) -> bool {
        let mut grown = other.many && !std::mem::replace(&mut self.many, true);
        for &origin in &other.origins {
            grown |= self.add(origin);
        }
        grown
    }
}

/// What an origin holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Field {
    Property(Atom),
    Elements,
}

/// Finds the hints of a program. `functions`: entry forms by number, before inlining.
pub fn hints<'a>(
    program: &Program,
    atoms: &AtomTable,
    shapes: &ShapeTable,
    functions: impl Iterator<Item = Option<&'a Function>>,
) -> Hints {
    let functions: Vec<Option<Body<'a>>> = functions.map(|it| it.map(Body::new)).collect();
    let mut flow = Flow {
        program,
        atoms,
        shapes,
        sites: FxHashMap::default(),
        shape_of: FxHashMap::default(),
        closures: Vec::new(),
        fields: FxHashMap::default(),
        params: vec![Vec::new(); functions.len()],
        this: vec![Set::default(); functions.len()],
        returns: vec![Set::default(); functions.len()],
        messages: Set::default(),
        next: 0,
        grown: true,
    };
    let mut values: Vec<Vec<Set>> = functions
        .iter()
        .map(|body| vec![Set::default(); body.as_ref().map_or(0, |it| it.function.values.len())])
        .collect();
    for _ in 0..MAX_ROUNDS {
        if !std::mem::take(&mut flow.grown) {
            break;
        }
        for (body, values) in functions.iter().zip(&mut values) {
            if let Some(body) = body {
                flow.function(body, values);
            }
        }
    }
    let mut hints = Hints::default();
    for (body, values) in functions.iter().zip(&values) {
        if let Some(body) = body {
            flow.collect(body, values, &mut hints);
        }
    }
    hints
}

/// A function with its instructions in order.
struct Body<'a> {
    function: &'a Function,
    order: Vec<crate::ir::BlockId>,
}

impl<'a> Body<'a> {
    fn new(function: &'a Function) -> Body<'a> {
        Body { function, order: cfg::reverse_postorder(function) }
    }
}

struct Flow<'a> {
    program: &'a Program,
    atoms: &'a AtomTable,
    shapes: &'a ShapeTable,
    /// Numbers of the sites in functions, by function and index.
    sites: FxHashMap<(FuncId, u32), Set>,
    /// Shape of each object site.
    shape_of: FxHashMap<u32, ShapeId>,
    /// What each closure site makes; object sites have numbers of their own.
    closures: Vec<Closure>,
    fields: FxHashMap<(Origin, Field), Set>,
    params: Vec<Vec<Set>>,
    this: Vec<Set>,
    returns: Vec<Set>,
    messages: Set,
    /// Number of the next site.
    next: u32,
    grown: bool,
}

impl Flow<'_> {
    fn function(&mut self, body: &Body<'_>, values: &mut [Set]) {
        let function = body.function;
        let entry = function.block(function.entry);
        let hidden = usize::from(function.takes_this);
        for (at, param) in entry.params.iter().enumerate() {
            let from = match at.checked_sub(hidden) {
                None => Some(&self.this[function.func.0 as usize]),
                Some(at) => self.params[function.func.0 as usize].get(at),
            };
            if let Some(from) = from {
                self.grown |= values[param.index()].add_all(from);
            }
        }
        for (value, data) in function.values.iter().enumerate() {
            if let ValueDef::Const(constant) = data.def {
                if let Some(func) = constant.value.as_function() {
                    values[value].add(Origin::Function(func));
                } else if constant.value.is_pointer() && constant.value.kind() == Kind::Tuple {
                    let origin = self.row_of_constant(constant.value);
                    values[value].add(origin);
                }
            }
        }
        for &block in &body.order {
            let block = function.block(block);
            for &id in &block.insts {
                let result = self.inst(function, function.inst(id), values);
                if let Some(to) = function.inst(id).result {
                    self.grown |= values[to.index()].add_all(&result);
                }
            }
            if let Terminator::Return(value) = block.term {
                let from = &values[value.index()];
                self.grown |= self.returns[function.func.0 as usize].add_all(from);
            }
            for target in block.term.targets() {
                let params = &function.block(target.block).params;
                for (param, arg) in params.iter().zip(&target.args) {
                    let from = values[arg.index()].clone();
                    self.grown |= values[param.index()].add_all(&from);
                }
            }
        }
    }

    /// One site stands for all constant tuples.
    fn row_of_constant(&mut self, _: Value) -> Origin {
        Origin::Tuple(u32::MAX)
    }

    fn field(&mut self, origin: Origin, field: Field, set: &Set) {
        self.grown |= self.fields.entry((origin, field)).or_default().add_all(set);
    }

    fn pass(&mut self, func: FuncId, args: &[Set]) {
        let params = &mut self.params[func.0 as usize];
        if params.len() < args.len() {
            params.resize_with(args.len(), Set::default);
        }
        for (param, arg) in params.iter_mut().zip(args) {
            self.grown |= param.add_all(arg);
        }
    }

    fn call(&mut self, callee: &Set, args: &[Set]) -> Set {
        let mut result = Set { origins: Vec::new(), many: callee.many };
        for &origin in &callee.origins {
            let (func, captures) = match origin {
                Origin::Function(func) => (func, 0),
                Origin::Closure(site) => {
                    let closure = self.closures[site as usize];
                    (closure.func, closure.captures as usize)
                }
                _ => continue,
            };
            let mut all = vec![Set::default(); captures];
            all.extend_from_slice(args);
            self.pass(func, &all);
            result.add_all(&self.returns[func.0 as usize]);
        }
        result
    }

    fn inst(&mut self, function: &Function, inst: &Inst, values: &[Set]) -> Set {
        let sets =
            |list: &[ValueId]| list.iter().map(|it| values[it.index()].clone()).collect::<Vec<_>>();
        let set = |value: &ValueId| &values[value.index()];
        let place = (function.frames[inst.frame.index()].func, inst.pc);
        match &inst.op {
            Op::LoadFresh { template } => {
                if let Some(known) = self.sites.get(&place) {
                    return known.clone();
                }
                let made = self.template(&self.program.templates[*template as usize]);
                self.sites.insert(place, made.clone());
                made
            }
            Op::NewObject { values } => {
                let Some(plan) = plan(self.program, place) else { return Set::default() };
                let made = self.site(place, Origin::Object);
                let Some(&origin) = made.origins.first() else { return made };
                if let (Origin::Object(site), Some(shape)) = (origin, plan.shape) {
                    self.shape_of.insert(site, shape);
                }
                let mut registers = values.iter();
                for (property, source) in &plan.properties {
                    let from = match source {
                        Source::Reg(_) => match registers.next() {
                            Some(value) => set(value).clone(),
                            None => continue,
                        },
                        Source::Const(template) => {
                            self.template_once(place, property.key, template)
                        }
                    };
                    self.field(origin, Field::Property(property.key), &from);
                }
                made
            }
            Op::NewArray { elements } => {
                let made = self.site(place, Origin::Array);
                for element in elements {
                    let from = set(element).clone();
                    self.field(made.origins[0], Field::Elements, &from);
                }
                made
            }
            Op::MakeClosure { function: of, captures } => {
                let func = function.as_constant(*of).and_then(|it| it.value.as_function());
                let Some(func) = func else { return Set { many: true, ..Set::default() } };
                self.pass(func, &sets(captures));
                if let Some(known) = self.sites.get(&place) {
                    return known.clone();
                }
                let site = self.closures.len() as u32;
                self.closures.push(Closure { func, captures: captures.len() as u32 });
                let made = Set::of(Origin::Closure(site));
                self.sites.insert(place, made.clone());
                made
            }
            Op::Capture { cell, value, .. } => {
                let mut both = set(cell).clone();
                both.add_all(set(value));
                both
            }
            Op::GetProp { object, key, .. } => {
                let objects = set(object).clone();
                self.read(&objects, self.key_of(function, *key))
            }
            Op::SetProp { object, key, value, .. } => {
                let (objects, from) = (set(object).clone(), set(value).clone());
                let field = self.key_of(function, *key);
                for origin in objects.origins {
                    self.field(origin, field, &from);
                }
                Set::default()
            }
            Op::CallValue { function: callee, args } => {
                let callee = set(callee).clone();
                self.call(&callee, &sets(args))
            }
            Op::CallKnown { func, args, .. } => {
                self.pass(*func, &sets(args));
                self.returns[func.0 as usize].clone()
            }
            Op::Spawn { function: callee, args } => {
                let callee = set(callee).clone();
                self.call(&callee, &sets(args));
                Set::default()
            }
            Op::Send { message, .. } => {
                self.grown |= self.messages.add_all(set(message));
                Set::default()
            }
            Op::Receive | Op::ReceiveWithTimeout { .. } => self.messages.clone(),
            _ => Set::default(),
        }
    }

    fn key_of(&self, function: &Function, key: ValueId) -> Field {
        let atom = function.as_constant(key).and_then(|key| key.value.as_atom());
        match atom {
            Some(atom) if self.atoms.index(atom).is_none() => Field::Property(atom),
            _ => Field::Elements,
        }
    }

    /// The site of a place, made when it is first seen.
    fn site(&mut self, place: (FuncId, u32), kind: fn(u32) -> Origin) -> Set {
        if let Some(known) = self.sites.get(&place) {
            return known.clone();
        }
        let made = Set::of(kind(self.next));
        self.next += 1;
        self.sites.insert(place, made.clone());
        made
    }

    /// A constant property of an object literal.
    fn template_once(&mut self, place: (FuncId, u32), key: Atom, template: &Template) -> Set {
        let origin = self.sites.get(&place).and_then(|set| set.origins.first()).copied();
        let known = origin.and_then(|it| self.fields.get(&(it, Field::Property(key))));
        match known {
            Some(known) => known.clone(),
            None => self.template(template),
        }
    }

    /// The depth of the recursion is bounded by the verifier.
    fn template(&mut self, template: &Template) -> Set {
        let number = self.next;
        match template {
            Template::Value(value) if value.is_pointer() && value.kind() == Kind::Tuple => {
                Set::of(self.row_of_constant(*value))
            }
            Template::Value(value) => {
                value.as_function().map_or(Set::default(), |func| Set::of(Origin::Function(func)))
            }
            Template::Tuple(parts) | Template::Array(parts) => {
                self.next += 1;
                let origin = match template {
                    Template::Tuple(_) => Origin::Tuple(number),
                    _ => Origin::Array(number),
                };
                for part in parts {
                    let from = self.template(part);
                    self.field(origin, Field::Elements, &from);
                }
                Set::of(origin)
            }
            Template::Object(properties) => {
                self.next += 1;
                let list: Vec<Property> =
                    properties.iter().map(|(property, _)| *property).collect();
                if let Some(shape) = self.shapes.of_literal(&list) {
                    self.shape_of.insert(number, shape);
                }
                for (property, part) in properties {
                    let from = self.template(part);
                    self.field(Origin::Object(number), Field::Property(property.key), &from);
                }
                Set::of(Origin::Object(number))
            }
        }
    }

    /// What reading a property of these objects gives; functions among it see the object as `this`.
    fn read(&mut self, objects: &Set, field: Field) -> Set {
        let mut result = Set { origins: Vec::new(), many: objects.many };
        for &origin in &objects.origins {
            for holder in self.holders(origin, field) {
                let Some(found) = self.fields.get(&(holder.origin, field)) else { continue };
                let found = found.clone();
                for function in &found.origins {
                    let func = match *function {
                        Origin::Function(func) => func,
                        Origin::Closure(site) => self.closures[site as usize].func,
                        _ => continue,
                    };
                    self.grown |= self.this[func.0 as usize].add(origin);
                }
                result.add_all(&found);
            }
        }
        result
    }

    /// The objects along the chain of prototypes that have the property first.
    fn holders(&self, origin: Origin, field: Field) -> Vec<Holder> {
        let mut found = Vec::new();
        let mut open = vec![Holder { origin, chain: Vec::new() }];
        while let Some(mut holder) = open.pop() {
            let Origin::Object(site) = holder.origin else {
                found.push(holder);
                continue;
            };
            if let Some(&shape) = self.shape_of.get(&site) {
                holder.chain.push(shape);
            }
            if self.fields.contains_key(&(holder.origin, field)) {
                found.push(holder);
            } else if holder.chain.len() <= MAX_CHAIN
                && let Some(protos) =
                    self.fields.get(&(holder.origin, Field::Property(known::proto)))
            {
                let next = protos.origins.iter();
                open.extend(next.map(|&origin| Holder { origin, chain: holder.chain.clone() }));
            }
        }
        found
    }

    fn collect(&self, body: &Body<'_>, values: &[Set], hints: &mut Hints) {
        let function = body.function;
        for &block in &body.order {
            for &id in &function.block(block).insts {
                self.collect_inst(function, id, values, hints);
            }
        }
    }

    fn collect_inst(&self, function: &Function, id: InstId, values: &[Set], hints: &mut Hints) {
        let inst = function.inst(id);
        let place = (function.frames[inst.frame.index()].func, inst.pc);
        match &inst.op {
            Op::GetProp { object, key, .. } | Op::SetProp { object, key, .. } => {
                let objects = &values[object.index()];
                let field = self.key_of(function, *key);
                if let Some(row) = row_of(&objects.origins) {
                    hints.rows.insert(place, row);
                }
                let Field::Property(key) = field else { return };
                let mut shapes: Vec<ShapeId> = Vec::new();
                let mut methods: Vec<Method> = Vec::new();
                let mut are_all = !objects.many;
                for &origin in &objects.origins {
                    let site = match origin {
                        Origin::Object(site) => self.shape_of.get(&site),
                        _ => None,
                    };
                    let Some(&shape) = site else {
                        are_all = false;
                        continue;
                    };
                    if !shapes.contains(&shape) {
                        shapes.push(shape);
                    }
                    let found = self.methods(origin, key);
                    are_all &= !found.is_empty();
                    for method in found {
                        if !methods.contains(&method) {
                            methods.push(method);
                        }
                    }
                }
                if shapes.len() <= MAX_HINTS && !shapes.is_empty() {
                    hints.accesses.insert(place, shapes);
                }
                if methods.len() <= MAX_HINTS && !methods.is_empty() {
                    if are_all {
                        hints.all_methods.insert(place);
                    }
                    hints.methods.insert(place, methods);
                }
            }
            Op::CallValue { function: callee, .. } => {
                let mut closures: Vec<Closure> = Vec::new();
                for &origin in &values[callee.index()].origins {
                    let Origin::Closure(site) = origin else { continue };
                    let closure = self.closures[site as usize];
                    if !closures.contains(&closure) {
                        closures.push(closure);
                    }
                }
                if closures.len() <= MAX_HINTS && !closures.is_empty() {
                    hints.closures.insert(place, closures);
                }
            }
            _ => {}
        }
    }

    /// The plain functions that a look-up of `key` in the object finds.
    fn methods(&self, origin: Origin, key: Atom) -> Vec<Method> {
        let field = Field::Property(key);
        let mut methods = Vec::new();
        for holder in self.holders(origin, field) {
            let Some(&last) = holder.chain.last() else { continue };
            let shape = self.shapes.get(last);
            let Some((slot, access)) = shape.find(key) else { continue };
            let readable = matches!(
                access,
                ion_runtime::bytecode::Access::Public | ion_runtime::bytecode::Access::Readonly
            );
            let own_elsewhere = holder
                .chain
                .iter()
                .rev()
                .skip(1)
                .any(|it| self.shapes.get(*it).find(key).is_some());
            if !readable || slot >= shape.inline || own_elsewhere {
                continue;
            }
            for function in &self.fields[&(holder.origin, field)].origins {
                if let Origin::Function(func) = *function
                    && self.program.function(func).bytecode().is_some()
                {
                    methods.push(Method { chain: holder.chain.clone(), slot, func });
                }
            }
        }
        methods
    }
}

/// An object that has a property.
struct Holder {
    origin: Origin,
    /// Shapes from the receiver to it.
    chain: Vec<ShapeId>,
}

/// The sort that all of these are.
fn row_of(origins: &[Origin]) -> Option<Row> {
    let mut sorts = origins.iter().map(|origin| match origin {
        Origin::Array(_) => Some(Row::Array),
        Origin::Tuple(_) => Some(Row::Tuple),
        _ => None,
    });
    let first = sorts.next()??;
    sorts.all(|sort| sort == Some(first)).then_some(first)
}

fn plan(program: &Program, (func, pc): (FuncId, u32)) -> Option<&ObjectPlan> {
    program.function(func).bytecode()?.literals.objects.get(&pc)
}
