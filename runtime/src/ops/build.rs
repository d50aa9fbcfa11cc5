//! Making values: constants, object and array literals, closures.

use crate::error::Trap;
use crate::heap::{Heap, OutOfMemory};
use crate::link::{ObjectPlan, Source, Template};
use crate::object::shape::ShapeTable;
use crate::object::{closure, instance};
use crate::process::{Process, memory};
use crate::program::Konst;
use crate::value::Value;
use std::sync::atomic::Ordering;

/// What LOAD_CONST loads. `this` is the object that the frame is bound to.
pub fn konst(process: &mut Process, konst: &Konst, this: Value) -> Result<Value, Trap> {
    let counters = &process.system().counters;
    Ok(match konst {
        Konst::Value(value) => *value,
        Konst::Fresh(index) => return fresh(process, *index),
        Konst::SelfPid => Value::pid(process.pid),
        Konst::PidNumber => Value::number(process.number as f64),
        Konst::ProcessCount => Value::number(counters.processes.load(Ordering::Relaxed) as f64),
        Konst::SchedulerPasses => Value::number(process.system().passes() as f64),
        Konst::This => this,
        Konst::Globals => return globals(process),
    })
}

/// The object in which a process keeps what it makes once.
fn globals(process: &mut Process) -> Result<Value, Trap> {
    if process.globals == Value::UNDEFINED {
        let plan = ObjectPlan { properties: Vec::new(), shape: None, proto: None };
        process.globals = object(process, &plan, |_| Value::UNDEFINED)?;
    }
    Ok(process.globals)
}

/// A fresh copy of a container constant.
pub fn fresh(process: &mut Process, index: u32) -> Result<Value, Trap> {
    let template = &process.program().templates[index as usize];
    let shapes = &process.system().shapes;
    let built = build(&mut process.heap, shapes, template);
    memory(process, built)
}

/// Builds a constant; the depth of the recursion is bounded by the verifier.
pub(crate) fn build(
    heap: &mut Heap,
    shapes: &ShapeTable,
    template: &Template,
) -> Result<Value, OutOfMemory> {
    let row = |heap: &mut Heap, parts: &[Template]| -> Result<Vec<Value>, OutOfMemory> {
        parts.iter().map(|part| build(heap, shapes, part)).collect()
    };
    match template {
        Template::Value(value) => Ok(*value),
        Template::Tuple(parts) => {
            let elements = row(heap, parts)?;
            heap.new_tuple(&elements)
        }
        Template::Array(parts) => {
            let elements = row(heap, parts)?;
            heap.new_array(&elements)
        }
        Template::Object(properties) => {
            let root = shapes.root(crate::object::shape::inline_slots(properties.len()));
            let object = heap.new_object(shapes.get(root))?;
            for (property, part) in properties {
                let value = build(heap, shapes, part)?;
                heap.add_property(shapes, object, *property, value)?;
            }
            Ok(Value::pointer(object))
        }
    }
}

/// OBJECT_INIT; `register` gives the values of the registers that the plan names, asked in its order.
pub fn object(
    process: &mut Process,
    plan: &ObjectPlan,
    register: impl FnMut(u16) -> Value,
) -> Result<Value, Trap> {
    let shapes = &process.system().shapes;
    let built = build_object(&mut process.heap, shapes, plan, register);
    memory(process, built)
}

fn build_object(
    heap: &mut Heap,
    shapes: &ShapeTable,
    plan: &ObjectPlan,
    mut register: impl FnMut(u16) -> Value,
) -> Result<Value, OutOfMemory> {
    let mut value = |heap: &mut Heap, source: &Source| match source {
        Source::Reg(reg) => Ok(register(*reg)),
        Source::Const(Template::Value(value)) => Ok(*value),
        Source::Const(template) => build(heap, shapes, template),
    };
    if let (Some(shape), None) = (plan.shape, plan.proto) {
        let object = heap.new_object(shapes.get(shape))?;
        for (slot, (_, source)) in plan.properties.iter().enumerate() {
            let value = value(heap, source)?;
            instance::write(object, slot as u32, value);
        }
        return Ok(Value::pointer(object));
    }
    let mut properties = Vec::with_capacity(plan.properties.len());
    for (property, source) in &plan.properties {
        properties.push((*property, value(heap, source)?));
    }
    if let (Some(shape), Some(proto)) = (plan.shape, plan.proto)
        && properties[proto].1.is_object()
    {
        let object = heap.new_object(shapes.get(shape))?;
        instance::set_proto(object, properties[proto].1);
        properties.remove(proto);
        for (slot, (_, value)) in properties.iter().enumerate() {
            instance::write(object, slot as u32, *value);
        }
        return Ok(Value::pointer(object));
    }
    heap.new_object_from(shapes, &properties)
}

/// ARRAY_INIT.
pub fn array(process: &mut Process, elements: &[Value]) -> Result<Value, Trap> {
    let built = process.heap.new_array(elements);
    memory(process, built)
}

/// MAKE_CLOSURE with the captured values already chosen.
pub fn closure(process: &mut Process, function: Value, captures: &[Value]) -> Result<Value, Trap> {
    let Some(callee) = closure::callee(function) else { return Ok(Value::UNDEFINED) };
    let built = process.heap.new_closure(callee.function, callee.this, captures);
    memory(process, built)
}
