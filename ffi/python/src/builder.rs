//! Functions and whole packages.

use crate::instruction::Instruction;
use ion_runtime::bytecode::{self, Body, ClassFile, Variant, verify_function};
use ion_runtime::ionpack::{Class, Manifest, Member, Package};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Mutex, MutexGuard};

/// A function of bytecode.
#[pyclass(frozen, module = "ionvm")]
pub(crate) struct Function {
    instructions: Vec<Py<Instruction>>,
    function: bytecode::Function,
}

#[pymethods]
impl Function {
    #[new]
    #[pyo3(signature = (name=None, arity=0, extra_regs=0, instructions=Vec::new()))]
    fn new(
        name: Option<String>,
        arity: u32,
        extra_regs: u32,
        instructions: Vec<Py<Instruction>>,
    ) -> PyResult<Function> {
        let mut code = Vec::with_capacity(instructions.len());
        for (at, instruction) in instructions.iter().enumerate() {
            let instruction = instruction.get();
            match &instruction.instr {
                Some(instr) => code.push(instr.clone()),
                None => {
                    return Err(PyValueError::new_err(format!(
                        "instruction {at} is a {} placeholder; only the builder of a loop can take it",
                        instruction.opcode()
                    )));
                }
            }
        }
        let body = Body::Bytecode(code);
        Ok(Function {
            instructions,
            function: bytecode::Function { name, arity, extra_regs, body },
        })
    }

    /// The name, or None.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.function.name.as_deref()
    }

    /// How many parameters it has.
    #[getter]
    fn arity(&self) -> u32 {
        self.function.arity
    }

    /// How many further registers it has.
    #[getter]
    fn extra_regs(&self) -> u32 {
        self.function.extra_regs
    }

    /// The instructions, as a new list.
    #[getter]
    fn instructions(&self, py: Python<'_>) -> Vec<Py<Instruction>> {
        self.instructions.iter().map(|instruction| instruction.clone_ref(py)).collect()
    }

    /// Raises ValueError if the machine would refuse the function: registers or jumps out of range.
    fn verify(&self) -> PyResult<()> {
        verify_function(&self.function).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Does nothing; for compatibility.
    fn serialize(&self, _writer: &Bound<'_, PyAny>) {}

    fn __repr__(&self) -> String {
        let (name, count) = (self.function.display_name(), self.instructions.len());
        format!("<Function {name}: {count} instructions>")
    }
}

/// Puts a package together.
#[pyclass(frozen, module = "ionvm")]
pub(crate) struct IonPackBuilder {
    /// Nothing once it has been built.
    package: Mutex<Option<Package>>,
}

impl IonPackBuilder {
    fn state(&self) -> MutexGuard<'_, Option<Package>> {
        self.package.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn change(&self, change: impl FnOnce(&mut Package)) -> PyResult<()> {
        match &mut *self.state() {
            Some(package) => {
                change(package);
                Ok(())
            }
            None => Err(PyValueError::new_err("Builder consumed")),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Manifest)) {
        if let Some(package) = &mut *self.state() {
            change(&mut package.manifest);
        }
    }

    fn class(&self, name: String, variant: Variant, functions: &[Py<Function>]) -> PyResult<()> {
        let functions = functions.iter().map(|function| function.get().function.clone()).collect();
        let file = ClassFile { variant, functions };
        if let Err(error) = file.encode() {
            return Err(PyValueError::new_err(format!("Failed to add class: {error}")));
        }
        self.change(|package| {
            let class = Class { name, file };
            match package.classes.iter_mut().find(|earlier| earlier.name == class.name) {
                Some(earlier) => *earlier = class,
                None => package.classes.push(class),
            }
        })
    }
}

/// Puts a member in place of one of the same name, or at the end.
fn put(members: &mut Vec<Member>, member: Member) {
    match members.iter_mut().find(|earlier| earlier.name == member.name) {
        Some(earlier) => *earlier = member,
        None => members.push(member),
    }
}

#[pymethods]
impl IonPackBuilder {
    #[new]
    fn new(name: String, version: String) -> IonPackBuilder {
        let manifest = Manifest { name, version, ..Manifest::default() };
        IonPackBuilder { package: Mutex::new(Some(Package::new(manifest))) }
    }

    /// Sets the class to start with.
    fn main_class(&self, s: String) {
        self.set(|manifest| manifest.main_class = Some(s));
    }

    /// Sets the function of the main class to start with.
    fn entry_point(&self, s: String) {
        self.set(|manifest| manifest.entry_point = Some(s));
    }

    /// Sets the description.
    fn description(&self, s: String) {
        self.set(|manifest| manifest.description = Some(s));
    }

    /// Sets the author.
    fn author(&self, s: String) {
        self.set(|manifest| manifest.author = Some(s));
    }

    /// Adds an item to the manifest's dependencies.
    fn dependency(&self, s: String) {
        self.set(|manifest| manifest.dependencies.push(s));
    }

    /// Adds an item to the manifest's exports.
    fn export(&self, s: String) {
        self.set(|manifest| manifest.exports.push(s));
    }

    /// Adds a class of one function; a class of the same name is replaced.
    fn add_class(&self, name: String, function: Py<Function>) -> PyResult<()> {
        self.class(name, Variant::Single, &[function])
    }

    /// Adds a class of any number of functions; a class of the same name is replaced.
    fn add_multi_function_class(&self, name: String, functions: Vec<Py<Function>>) -> PyResult<()> {
        self.class(name, Variant::Multi, &functions)
    }

    /// Adds a source text as `src/FILENAME`.
    fn add_source(&self, filename: String, content: String) -> PyResult<()> {
        self.change(|package| put(&mut package.sources, Member::new(filename, content)))
    }

    /// Adds data as `resources/PATH`.
    fn add_resource(&self, path: String, content: Vec<u8>) -> PyResult<()> {
        self.change(|package| put(&mut package.resources, Member::new(path, content)))
    }

    /// Adds a native library as `lib/NAME` and lists it in the manifest.
    fn add_library(&self, name: String, content: Vec<u8>) -> PyResult<()> {
        self.change(|package| {
            if !package.manifest.ffi_libraries.contains(&name) {
                package.manifest.ffi_libraries.push(name.clone());
            }
            put(&mut package.libraries, Member::new(name, content));
        })
    }

    /// Writes the package to a file object, at once. The builder is used up.
    fn build(&self, file: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = self.to_bytes()?;
        *self.state() = None;
        file.call_method1("write", (PyBytes::new(file.py(), &bytes),))?;
        Ok(())
    }

    /// The package as bytes. The builder can be used on.
    fn to_bytes(&self) -> PyResult<Vec<u8>> {
        let state = self.state();
        let package = state.as_ref().ok_or_else(|| PyValueError::new_err("Builder consumed"))?;
        package.to_bytes().map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
