//! Linking: from a verified package to a [`Program`].
//!
//! Resolves every constant, lays out frames, interns names and shapes. Linking never fails on a
//! verified package: a reference that means nothing stays an atom, an unknown library function
//! gives an error when it is called.

use crate::atom::{AtomTable, known};
use crate::bytecode::flow::{Flow, visit_registers, visit_targets};
use crate::bytecode::ops::{PropInit, PropValue};
use crate::bytecode::resolve::{FUNCTION_REF, FunctionIndex, STDLIB};
use crate::bytecode::verify::VerifyError;
use crate::bytecode::{self, Body, ConstValue, Instr, Pattern, verify};
use crate::heap::{Space, offset, tag, write_value};
use crate::ionpack::Package;
use crate::natives::{NativeBody, Registry};
use crate::object::shape::{Property, ShapeId, ShapeTable};
use crate::program::{
    Bytecode, Code, FrameLayout, FuncId, Function, FunctionSource, Growth, Konst, NativeId,
    NativeRef, Program,
};
use crate::slab::{Full, Slab};
use crate::value::{Atom, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::{Arc, OnceLock};

/// A constant that may contain containers.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// Immediate or immortal.
    Value(Value),
    /// A tuple with mutable parts.
    Tuple(Vec<Template>),
    /// An array.
    Array(Vec<Template>),
    /// An object; keys are distinct.
    Object(Vec<(Property, Template)>),
}

/// A linked pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Pat {
    /// Anything.
    Wildcard,
    /// Same kind, equal content.
    Value(Template),
    /// Tuple, array, or object with these keys.
    Tuple {
        /// Element patterns.
        patterns: Vec<Pat>,
        /// The atoms `0` … `n-1`.
        keys: Vec<Atom>,
    },
    /// Array only.
    Array(Vec<Pat>),
    /// Object with `__tag` and `__slots`.
    Tagged {
        /// The tag without a leading colon.
        tag: Box<str>,
        /// What `__slots` must match.
        pattern: Box<Pat>,
    },
}

/// Where a property of an object literal takes its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// From a register.
    Reg(u16),
    /// A constant.
    Const(Template),
}

/// A linked OBJECT_INIT.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectPlan {
    /// Properties as written.
    pub properties: Vec<(Property, Source)>,
    /// The shape, if the keys are distinct and not too many: then the properties other than `proto`
    /// go to the slots in their order.
    pub shape: Option<ShapeId>,
    /// Which of the properties is `__proto__`; `shape` holds only if its value is an object.
    pub proto: Option<usize>,
}

impl ObjectPlan {
    /// How many properties come from registers.
    pub fn register_count(&self) -> usize {
        self.properties.iter().filter(|(_, source)| matches!(source, Source::Reg(_))).count()
    }
}

/// Linked literals of one function, by instruction index.
#[derive(Debug, Default)]
pub struct Literals {
    /// Object literals.
    pub objects: FxHashMap<u32, ObjectPlan>,
    /// Patterns of MATCH, in order of its arms.
    pub patterns: FxHashMap<u32, Vec<Pat>>,
}

/// Links a package. Verifies it first.
pub fn link(
    package: &Package,
    atoms: &AtomTable,
    shapes: &ShapeTable,
    registry: &Registry,
) -> Result<Program, Vec<VerifyError>> {
    link_with_room(package, atoms, shapes, registry, 0)
}

/// Links a package, with room for so many further functions, constants and library functions each: see
/// [`grow`]. Such a program is only interpreted, and results of processes that have ended are kept, for
/// code may come that asks for them.
pub fn link_with_room(
    package: &Package,
    atoms: &AtomTable,
    shapes: &ShapeTable,
    registry: &Registry,
    room: usize,
) -> Result<Program, Vec<VerifyError>> {
    let (entry_class, entry_function) = verify::check_package(package)?;
    let mut linker = Linker::new(package, atoms, shapes, registry, None)?;
    let functions = linker.functions(package);
    let entry = FuncId(linker.first[entry_class] + entry_function as u32);
    let growth = Growth { literals: vec![linker.literals], library: linker.library };
    Ok(Program {
        name: package.manifest.name.clone(),
        functions: Slab::new(functions, room),
        natives: Slab::new(linker.natives, room),
        templates: Slab::new(linker.templates, room),
        entry,
        growth: growth.into(),
        linked_numbers: linker.linked_numbers,
        has_select: linker.has_select || room > 0,
    })
}

/// Why a program cannot take in further classes.
#[derive(Clone, Debug, PartialEq)]
pub enum GrowError {
    /// They are not valid.
    Invalid(Vec<VerifyError>),
    /// There is no room for so much more.
    Full,
}

impl std::fmt::Display for GrowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GrowError::Invalid(errors) => match errors.first() {
                Some(first) => first.fmt(f),
                None => f.write_str("the classes are not valid"),
            },
            GrowError::Full => f.write_str("the program has no room for more functions"),
        }
    }
}

impl std::error::Error for GrowError {}

/// Adds the classes of a package to a program. They may name functions of earlier ones; of several with
/// one name the latest is meant. Processes may run meanwhile: they see nothing of it until somebody hands
/// them a new function. LINK in the new code finds no processes.
///
/// # Errors
/// If the classes are not valid, or there is no room; then the program is as before.
pub fn grow(
    program: &Program,
    package: &Package,
    atoms: &AtomTable,
    shapes: &ShapeTable,
    registry: &Registry,
) -> Result<(), GrowError> {
    verify::verify_classes(&package.classes).map_err(GrowError::Invalid)?;
    let mut growth = program.growth();
    let earlier = Some((program, &*growth));
    let mut linker =
        Linker::new(package, atoms, shapes, registry, earlier).map_err(GrowError::Invalid)?;
    let functions = linker.functions(package);
    let Linker { natives, templates, literals, library, .. } = linker;
    let fits = natives.len() <= program.natives.room()
        && templates.len() <= program.templates.room()
        && functions.len() <= program.functions.room();
    if !fits {
        return Err(GrowError::Full);
    }
    let full = |Full| GrowError::Full;
    // The functions last: they name the others.
    program.natives.append(natives).map_err(full)?;
    program.templates.append(templates).map_err(full)?;
    growth.literals.push(literals);
    growth.library = library;
    program.functions.append(functions).map_err(full)
}

/// What stack traces call the class of library functions that are bytecode.
const LIBRARY_CLASS: &str = "__stdlib";

/// The library functions that are bytecode and that a package refers to, directly or through others,
/// by registered name, in order of discovery; without those that are known.
fn library_functions(
    package: &Package,
    registry: &Registry,
    known: &FxHashMap<String, FuncId>,
) -> Result<Vec<(String, Arc<bytecode::Function>)>, Vec<VerifyError>> {
    let mut found: Vec<(String, Arc<bytecode::Function>)> = Vec::new();
    let mut names = FxHashSet::default();
    let look = |function: &bytecode::Function, names: &mut FxHashSet<String>| {
        let mut new = Vec::new();
        let mut refer = |name: &str| {
            if let Some(def) = registry.find(name)
                && let NativeBody::Bytecode(body) = &def.body
                && !known.contains_key(&def.name)
                && names.insert(def.name.clone())
            {
                new.push((def.name.clone(), body(&def.name)));
            }
        };
        match &function.body {
            Body::Native(name) => refer(name),
            Body::Bytecode(instrs) => {
                for instr in instrs {
                    if let Instr::LoadConst { value, .. } = instr
                        && let ConstValue::Atom(text) = &value.0
                        && let Some(name) = text.strip_prefix(STDLIB)
                    {
                        refer(name);
                    }
                }
            }
        }
        new
    };
    for function in package_functions(package) {
        found.extend(look(function, &mut names));
    }
    let mut at = 0;
    while at < found.len() {
        let function = found[at].1.clone();
        verify::verify_function(&function).map_err(|error| vec![error])?;
        found.extend(look(&function, &mut names));
        at += 1;
    }
    Ok(found)
}

fn package_functions(package: &Package) -> impl Iterator<Item = &bytecode::Function> {
    package.classes.iter().flat_map(|class| &class.file.functions)
}

struct Linker<'a> {
    atoms: &'a AtomTable,
    shapes: &'a ShapeTable,
    registry: &'a Registry,
    /// The program that grows.
    earlier: Option<&'a Program>,
    /// Functions of [`library_functions`] by registered name, known ones included.
    library: FxHashMap<String, FuncId>,
    /// Those of them that are to be linked.
    new_library: Vec<Arc<bytecode::Function>>,
    index: FunctionIndex<'a>,
    /// Number of each class's first function.
    first: Vec<u32>,
    /// Further library functions, and the number of the first.
    natives: Vec<NativeRef>,
    first_native: u32,
    native_ids: FxHashMap<String, NativeId>,
    /// Further templates, and the number of the first.
    templates: Vec<Template>,
    first_template: u32,
    literals: Space,
    linked_numbers: FxHashSet<u64>,
    has_select: bool,
    /// See [`most_passed`].
    most_passed: u16,
}

impl<'a> Linker<'a> {
    fn new(
        package: &'a Package,
        atoms: &'a AtomTable,
        shapes: &'a ShapeTable,
        registry: &'a Registry,
        earlier: Option<(&'a Program, &Growth)>,
    ) -> Result<Linker<'a>, Vec<VerifyError>> {
        let mut library = earlier.map(|(_, growth)| growth.library.clone()).unwrap_or_default();
        let earlier = earlier.map(|(program, _)| program);
        let mut total = earlier.map_or(0, |program| program.functions.len() as u32);
        let mut first = Vec::new();
        for class in &package.classes {
            first.push(total);
            total += class.file.functions.len() as u32;
        }
        let new_library = library_functions(package, registry, &library)?;
        library.extend(
            new_library.iter().zip(total..).map(|((name, _), id)| (name.clone(), FuncId(id))),
        );
        let new_library: Vec<_> = new_library.into_iter().map(|(_, function)| function).collect();
        let natives = earlier.map_or(&[][..], |program| &program.natives);
        let all = package_functions(package).chain(new_library.iter().map(|function| &**function));
        Ok(Linker {
            atoms,
            shapes,
            registry,
            earlier,
            library,
            index: FunctionIndex::of_package(package),
            first,
            natives: Vec::new(),
            first_native: natives.len() as u32,
            native_ids: natives
                .iter()
                .zip(0..)
                .map(|(native, id)| (native.name.clone(), NativeId(id)))
                .collect(),
            templates: Vec::new(),
            first_template: earlier.map_or(0, |program| program.templates.len() as u32),
            literals: Space::new(),
            linked_numbers: FxHashSet::default(),
            has_select: false,
            most_passed: most_passed(all),
            new_library,
        })
    }

    /// All functions of the package, then those of the library that it refers to.
    fn functions(&mut self, package: &Package) -> Vec<Function> {
        let before = self.earlier.map_or(0, |program| program.functions.len() as u32);
        let mut functions: Vec<Function> = Vec::new();
        let next = |functions: &Vec<Function>| FuncId(before + functions.len() as u32);
        for class in &package.classes {
            let lines = package.lines.iter().find(|lines| lines.class == class.name);
            let path: Option<Arc<str>> = lines.map(|lines| lines.path.as_str().into());
            for (i, function) in class.file.functions.iter().enumerate() {
                let id = next(&functions);
                let table = lines.and_then(|lines| lines.functions.get(i));
                let source = path.as_ref().zip(table).map(|(path, lines)| FunctionSource {
                    path: path.clone(),
                    lines: lines.clone(),
                });
                functions.push(Function { source, ..self.function(id, &class.name, function) });
            }
        }
        for function in std::mem::take(&mut self.new_library) {
            let id = next(&functions);
            functions.push(self.function(id, LIBRARY_CLASS, &function));
        }
        functions
    }
}

/// The most values that one of these functions can be called with: captures, then arguments.
/// Magic methods get up to two arguments.
fn most_passed<'a>(functions: impl Iterator<Item = &'a bytecode::Function>) -> u16 {
    let (mut args, mut captures) = (2, 0);
    for function in functions {
        let Body::Bytecode(code) = &function.body else { continue };
        for instr in code {
            let most =
                if matches!(instr, Instr::MakeClosure { .. }) { &mut captures } else { &mut args };
            *most = verify::passed(instr).max(*most);
        }
    }
    // The verifier bounds both.
    (args + captures) as u16
}

impl Linker<'_> {
    fn function(&mut self, id: FuncId, class: &str, function: &bytecode::Function) -> Function {
        let code = match &function.body {
            // An alias of a library function that is bytecode gets the same body.
            Body::Native(name) => match self.library_body(name) {
                Some(Body::Bytecode(instrs)) => {
                    Code::Bytecode(Box::new(self.body(LIBRARY_CLASS, &instrs)))
                }
                _ => Code::Native(self.native(name)),
            },
            Body::Bytecode(instrs) => Code::Bytecode(Box::new(self.body(class, instrs))),
        };
        Function {
            id,
            class: class.into(),
            name: function.name.clone(),
            arity: function.arity,
            code,
            source: None,
        }
    }

    fn library_body(&self, name: &str) -> Option<Body> {
        let def = self.registry.find(name)?;
        match &def.body {
            NativeBody::Bytecode(body) => Some(body(&def.name).body.clone()),
            NativeBody::Host(_) | NativeBody::Process(_) => None,
        }
    }

    fn native(&mut self, name: &str) -> NativeId {
        if let Some(&id) = self.native_ids.get(name) {
            return id;
        }
        let id = NativeId(self.first_native + self.natives.len() as u32);
        self.natives.push(NativeRef { name: name.into(), def: self.registry.find(name).cloned() });
        self.native_ids.insert(name.into(), id);
        id
    }

    fn body(&mut self, class: &str, instrs: &[Instr]) -> Bytecode {
        let mut literals = Literals::default();
        let mut konsts = vec![None; instrs.len()];
        for (pc, instr) in instrs.iter().enumerate() {
            match instr {
                Instr::LoadConst { value, .. } => konsts[pc] = Some(self.konst(&value.0, class)),
                Instr::ObjectInit { props, .. } => {
                    let plan = self.object_plan(&props.0);
                    literals.objects.insert(pc as u32, plan);
                }
                Instr::Match { arms, .. } => {
                    let patterns =
                        arms.0.iter().map(|(pattern, _)| self.pattern(pattern)).collect();
                    literals.patterns.insert(pc as u32, patterns);
                }
                Instr::Link { process, .. } => {
                    self.linked_numbers.insert(u64::from(process.0));
                }
                Instr::Select { .. } | Instr::SelectWithKill { .. } => self.has_select = true,
                _ => {}
            }
        }
        let layout = frame_layout(instrs, &konsts);
        let flow = Flow::new(instrs, &konsts, &layout);
        let (params, filled) = if flow.is_exact() {
            let live = flow.live_registers(0).filter(|&reg| reg < layout.used);
            let read = live.max().map_or(0, |reg| reg + 1);
            (read, read)
        } else {
            (layout.used, layout.first_cell)
        };
        let params = params.min(self.most_passed);
        Bytecode {
            instrs: instrs.to_vec(),
            konsts,
            literals,
            layout,
            params,
            filled,
            flow: OnceLock::from(flow),
        }
    }

    fn konst(&mut self, value: &ConstValue, class: &str) -> Konst {
        if let ConstValue::Atom(text) = value {
            return self.special(text, class);
        }
        match self.template(value) {
            Template::Value(value) => Konst::Value(value),
            container => {
                self.templates.push(container);
                Konst::Fresh(self.first_template + self.templates.len() as u32 - 1)
            }
        }
    }

    /// The atom constant of a LOAD_CONST.
    fn special(&mut self, text: &str, class: &str) -> Konst {
        if let Some(name) = text.strip_prefix(FUNCTION_REF) {
            if let Some((class, position)) = self.index.resolve(name, class) {
                return Konst::Value(Value::function(FuncId(self.first[class] + position as u32)));
            }
            if let Some((class, function)) = name.rsplit_once(':')
                && let Some(id) = self.earlier.and_then(|program| program.find(class, function))
            {
                return Konst::Value(Value::function(id));
            }
        }
        if let Some(name) = text.strip_prefix(STDLIB) {
            if let Some(def) = self.registry.find(name)
                && let Some(&id) = self.library.get(&def.name)
            {
                return Konst::Value(Value::function(id));
            }
            return Konst::Value(Value::native(self.native(name)));
        }
        match text {
            "self" | "__vm:self" => Konst::SelfPid,
            "__vm:pid" => Konst::PidNumber,
            "__vm:processes" => Konst::ProcessCount,
            "__vm:scheduler_passes" => Konst::SchedulerPasses,
            "__vm:this" => Konst::This,
            "__vm:globals" => Konst::Globals,
            _ if text.starts_with("__vm:") => Konst::Value(Value::UNDEFINED),
            _ => Konst::Value(Value::atom(self.atoms.intern(text))),
        }
    }

    /// A constant; the depth of the recursion is bounded by the verifier.
    fn template(&mut self, value: &ConstValue) -> Template {
        Template::Value(match value {
            ConstValue::Number(number) => Value::number(*number),
            ConstValue::Boolean(boolean) => Value::boolean(*boolean),
            ConstValue::Atom(text) => Value::atom(self.atoms.intern(text)),
            ConstValue::LegacyFunction(name) => {
                Value::atom(self.atoms.intern(&format!("function:{name}")))
            }
            ConstValue::Unit => Value::UNIT,
            ConstValue::Undefined => Value::UNDEFINED,
            ConstValue::String(text) => self.immortal_string(text),
            ConstValue::Complex(re, im) => {
                let parts = [Value::number(*re), Value::number(*im)];
                self.immortal(tag::COMPLEX, 0, offset::COMPLEX_RE, &parts)
            }
            ConstValue::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.template(part)).collect();
                let values: Option<Vec<_>> = parts
                    .iter()
                    .map(|part| if let Template::Value(value) = part { Some(*value) } else { None })
                    .collect();
                match values {
                    Some(values) => {
                        let len = values.len() as u32;
                        self.immortal(tag::TUPLE, len, offset::TUPLE_ELEMENTS, &values)
                    }
                    None => return Template::Tuple(parts),
                }
            }
            ConstValue::Array(parts) => {
                return Template::Array(parts.iter().map(|part| self.template(part)).collect());
            }
            ConstValue::Object(properties) => {
                let mut places = FxHashMap::default();
                let mut linked: Vec<(Property, Template)> = Vec::new();
                for (key, value, access) in properties {
                    let property = Property { key: self.atoms.intern(key), access: *access };
                    let value = self.template(value);
                    let place = *places.entry(property.key).or_insert(linked.len());
                    match linked.get_mut(place) {
                        Some(earlier) => *earlier = (property, value),
                        None => linked.push((property, value)),
                    }
                }
                return Template::Object(linked);
            }
        })
    }

    fn immortal(&mut self, tag: u32, aux: u32, offset: usize, parts: &[Value]) -> Value {
        let bytes = (8 + 8 * parts.len()).max(16);
        let object = self.literals.alloc(tag, aux, bytes);
        for (i, part) in parts.iter().enumerate() {
            write_value(object, offset + 8 * i, *part);
        }
        make_immortal(object)
    }

    fn immortal_string(&mut self, text: &str) -> Value {
        let bytes = (8 + text.len()).max(16);
        let object = self.literals.alloc(tag::STRING, text.len() as u32, bytes);
        crate::object::string::write_text(object, text);
        make_immortal(object)
    }

    fn pattern(&mut self, pattern: &Pattern) -> Pat {
        match pattern {
            Pattern::Wildcard => Pat::Wildcard,
            Pattern::Value(value) => Pat::Value(self.template(value)),
            Pattern::Array(patterns) => {
                Pat::Array(patterns.iter().map(|pattern| self.pattern(pattern)).collect())
            }
            Pattern::Tuple(patterns) => Pat::Tuple {
                keys: (0..patterns.len()).map(|i| self.atoms.intern(&i.to_string())).collect(),
                patterns: patterns.iter().map(|pattern| self.pattern(pattern)).collect(),
            },
            Pattern::Tagged(tag, pattern) => Pat::Tagged {
                tag: tag.strip_prefix(':').unwrap_or(tag).into(),
                pattern: Box::new(self.pattern(pattern)),
            },
        }
    }

    fn object_plan(&mut self, props: &[PropInit]) -> ObjectPlan {
        let properties: Vec<_> = props
            .iter()
            .map(|prop| {
                let key = self.atoms.intern(&prop.key);
                let property = Property { key, access: prop.access.unwrap_or_default() };
                let source = match &prop.value {
                    PropValue::Reg(reg) => Source::Reg(*reg as u16),
                    PropValue::Const(value) => Source::Const(self.template(value)),
                };
                (property, source)
            })
            .collect();
        let mut keys = FxHashSet::default();
        let distinct = properties.iter().all(|(property, _)| keys.insert(property.key));
        let proto = properties.iter().position(|(property, _)| property.key == known::proto);
        let list: Vec<_> = properties
            .iter()
            .map(|(property, _)| *property)
            .filter(|property| property.key != known::proto)
            .collect();
        let shape = if distinct { self.shapes.of_literal(&list) } else { None };
        ObjectPlan { properties, shape, proto }
    }
}

/// Marks a literal as immortal; large ones keep their own block in the literal space.
fn make_immortal(object: *mut u8) -> Value {
    let head = crate::heap::header(object);
    let word = u64::from(head.tag | tag::IMMORTAL) | u64::from(head.aux) << 32;
    crate::heap::write_word(object, 0, word);
    Value::pointer(object)
}

/// Lays out the frame of a function: see [`FrameLayout`].
fn frame_layout(instrs: &[Instr], konsts: &[Option<Konst>]) -> FrameLayout {
    let bare = FrameLayout::default();
    let mut used = 0u32;
    let mut sees_this = false;
    let mut loops = false;
    let mut names: FxHashMap<(&str, &str), u32> = FxHashMap::default();
    for (pc, instr) in instrs.iter().enumerate() {
        visit_registers(instr, pc as u32, konsts[pc].as_ref(), &bare, |reg, _| {
            used = used.max(u32::from(reg) + 1);
        });
        visit_targets(instr, pc as u32, |target| loops |= target as usize <= pc);
        match instr {
            Instr::GetProp { .. } | Instr::SetProp { .. } => sees_this = true,
            Instr::LoadConst { .. } if konsts[pc] == Some(Konst::This) => sees_this = true,
            Instr::MakeClosure { scope, captures, .. } => {
                for (name, _) in &captures.0 {
                    *names.entry((scope.0.as_str(), name.as_str())).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    // The verifier counts the hidden registers too, so all numbers fit into u16.
    let this = sees_this.then_some(used as u16);
    let mut next = used + u32::from(sees_this);
    let first_cell = next as u16;
    let mut numbers: FxHashMap<(&str, &str), u16> = FxHashMap::default();
    let mut cells = Vec::new();
    for (pc, instr) in instrs.iter().enumerate() {
        let Instr::MakeClosure { scope, captures, .. } = instr else { continue };
        let mut list = Vec::new();
        for (name, _) in &captures.0 {
            let key = (scope.0.as_str(), name.as_str());
            let shared = loops || names[&key] > 1;
            list.push(shared.then(|| {
                *numbers.entry(key).or_insert_with(|| {
                    next += 1;
                    (next - 1) as u16
                })
            }));
        }
        if list.iter().any(Option::is_some) {
            cells.push((pc as u32, list));
        }
    }
    FrameLayout { used: used as u16, this, cells, first_cell, words: next as u16 }
}
