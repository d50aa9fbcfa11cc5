//! Guesses about shapes: which shapes the objects of a package have, by the names of properties.
//!
//! A package is a closed world: the shapes of its object literals are known when it is linked. Code
//! that accesses a property by a constant name checks for the shapes that have it, and asks the
//! runtime about any other. A guess is only ever checked, never relied on.

use crate::ir;
use ion_runtime::bytecode::Access;
use ion_runtime::link::{Source, Template};
use ion_runtime::object::shape::{Property, ShapeId, ShapeTable};
use ion_runtime::program::{FuncId, Program};
use ion_runtime::value::Atom;
use rustc_hash::{FxHashMap, FxHashSet};

/// A shape that has a property, in an inline slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The shape.
    pub shape: ShapeId,
    /// The slot.
    pub slot: u32,
    /// Who may access it.
    pub access: Access,
}

/// All guesses of a package.
#[derive(Debug, Default)]
pub struct Guesses {
    by_key: FxHashMap<Atom, Vec<Guess>>,
    methods: FxHashMap<Atom, Vec<FuncId>>,
}

impl Guesses {
    /// Looks at the literals of a program.
    pub fn new(program: &Program, shapes: &ShapeTable) -> Guesses {
        let mut literals = FxHashSet::default();
        for function in &program.functions {
            let plans =
                function.bytecode().into_iter().flat_map(|body| body.literals.objects.values());
            literals.extend(plans.filter_map(|plan| plan.shape).map(|shape| shape.0));
        }
        for template in &program.templates {
            visit_template(template, shapes, &mut literals);
        }
        let mut literals: Vec<u32> = literals.into_iter().collect();
        literals.sort_unstable();
        let mut guesses = Guesses::default();
        for shape in literals {
            let shape = shapes.get(ShapeId(shape));
            for (slot, property) in (0..shape.inline).zip(shape.properties.iter()) {
                let guess = Guess { shape: shape.id, slot, access: property.access };
                guesses.by_key.entry(property.key).or_default().push(guess);
            }
        }
        guesses
    }

    /// Notes the functions that the code of `function` puts into objects.
    pub fn add_methods(&mut self, function: &ir::Function, program: &Program) {
        let known =
            |value| function.as_constant(value).and_then(|constant| constant.value.as_function());
        for inst in &function.insts {
            match &inst.op {
                ir::Op::NewObject { values } => {
                    let func = function.frames[inst.frame.index()].func;
                    let body = program.function(func).bytecode();
                    let Some(plan) = body.and_then(|body| body.literals.objects.get(&inst.pc))
                    else {
                        continue;
                    };
                    let from_registers = plan
                        .properties
                        .iter()
                        .filter(|(_, source)| matches!(source, Source::Reg(_)));
                    for ((property, _), value) in from_registers.zip(values) {
                        known(*value)
                            .into_iter()
                            .for_each(|func| self.add_method(property.key, func));
                    }
                }
                ir::Op::SetProp { key, value, .. } => {
                    let key = function.as_constant(*key).and_then(|key| key.value.as_atom());
                    if let (Some(key), Some(func)) = (key, known(*value)) {
                        self.add_method(key, func);
                    }
                }
                _ => {}
            }
        }
    }

    fn add_method(&mut self, key: Atom, func: FuncId) {
        let methods = self.methods.entry(key).or_default();
        if !methods.contains(&func) {
            methods.push(func);
        }
    }

    /// The functions that objects probably have under this name.
    pub fn methods(&self, key: Atom) -> &[FuncId] {
        self.methods.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The shapes that have a property of this name.
    pub fn of(&self, key: Atom) -> &[Guess] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// The depth of the recursion is bounded by the verifier.
fn visit_template(template: &Template, shapes: &ShapeTable, found: &mut FxHashSet<u32>) {
    match template {
        Template::Value(_) => {}
        Template::Tuple(parts) | Template::Array(parts) => {
            parts.iter().for_each(|part| visit_template(part, shapes, found));
        }
        Template::Object(properties) => {
            let list: Vec<Property> = properties.iter().map(|(property, _)| *property).collect();
            found.extend(shapes.of_literal(&list).map(|shape| shape.0));
            properties.iter().for_each(|(_, part)| visit_template(part, shapes, found));
        }
    }
}
