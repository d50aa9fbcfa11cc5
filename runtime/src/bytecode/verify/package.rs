//! Verification of packages: all functions, names, entry point; warnings about references.

use super::super::constant::ConstValue;
use super::super::near::{hint, near_names};
use super::super::resolve::{FUNCTION_REF, FunctionIndex, STDLIB, entry_point};
use super::super::{Body, Instr};
use super::{VerifyError, VerifyErrorKind, verify_function};
use crate::ionpack::{Class, Package};
use std::collections::HashSet;
use std::fmt;

/// Warnings beyond this number come without suggestions, which cost time.
const MAX_HINTS: usize = 32;

/// What the verifier found in a package that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The function to start with: index of the class, index of the function in it.
    pub entry: (usize, usize),
    /// What will probably fail when it is reached.
    pub warnings: Vec<Warning>,
}

/// Something suspicious that does not stop a package from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Name of the class.
    pub class: String,
    /// Name of the function as shown in texts.
    pub function: String,
    /// Index of the instruction.
    pub instruction: usize,
    /// What is suspicious.
    pub kind: WarningKind,
}

/// What the verifier warns about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// No function is meant by this `__function_ref:` name.
    UnresolvedFunction {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// No library function has this `__stdlib:` name, whatever the case.
    UnknownNative {
        /// The name.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, function) = (self.class.escape_debug(), self.function.escape_debug());
        write!(f, "class '{class}': function '{function}': instruction {}: ", self.instruction)?;
        let (what, name, near) = match &self.kind {
            WarningKind::UnresolvedFunction { name, near } => ("function", name, near),
            WarningKind::UnknownNative { name, near } => ("library function", name, near),
        };
        write!(f, "no {what} '{}'{}", name.escape_debug(), hint(near))
    }
}

/// Checks a package: every function, names, entry point; and looks for suspicious references.
///
/// `natives` are the names of the known library functions. Returns all errors, at most one for
/// each function.
pub fn verify_package(package: &Package, natives: &[&str]) -> Result<Report, Vec<VerifyError>> {
    let entry = check_package(package)?;
    Ok(Report { entry, warnings: find_warnings(package, natives) })
}

/// Checks a package as [`verify_package`] does, without looking for suspicious references. Gives the entry
/// point, as [`Report::entry`].
pub fn check_package(package: &Package) -> Result<(usize, usize), Vec<VerifyError>> {
    let mut errors = verify_classes(&package.classes).err().unwrap_or_default();
    match entry_point(package) {
        Ok(entry) if errors.is_empty() => Ok(entry),
        Ok(_) => Err(errors),
        Err(error) => {
            errors.push(error);
            Err(errors)
        }
    }
}

/// Checks every function of classes, and names. Returns all errors, at most one for each function.
pub fn verify_classes(classes: &[Class]) -> Result<(), Vec<VerifyError>> {
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    for class in classes {
        if !names.insert(class.name.as_str()) {
            errors.push(VerifyErrorKind::DuplicateClass(class.name.clone()).into());
        }
        verify_class(class, &mut errors);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn verify_class(class: &Class, errors: &mut Vec<VerifyError>) {
    let mut names = HashSet::new();
    for function in &class.file.functions {
        let duplicate = !names.insert(function.name.as_deref());
        let duplicate =
            duplicate.then(|| VerifyErrorKind::DuplicateFunction(function.name.clone()).into());
        let found = verify_function(function).err().into_iter().chain(duplicate);
        errors.extend(found.map(|error| VerifyError { class: Some(class.name.clone()), ..error }));
    }
}

fn find_warnings(package: &Package, natives: &[&str]) -> Vec<Warning> {
    let index = FunctionIndex::of_package(package);
    let natives_lower: HashSet<String> = natives.iter().map(|name| name.to_lowercase()).collect();
    let mut warnings = Vec::new();
    for class in &package.classes {
        for function in &class.file.functions {
            let Body::Bytecode(code) = &function.body else {
                continue;
            };
            for (instruction, instr) in code.iter().enumerate() {
                let Some(atom) = loaded_atom(instr) else {
                    continue;
                };
                let hints = warnings.len() < MAX_HINTS;
                let kind = if let Some(name) = atom.strip_prefix(FUNCTION_REF) {
                    if index.resolve(name, &class.name).is_some() {
                        continue;
                    }
                    let near = near_reference(&index, name, hints);
                    WarningKind::UnresolvedFunction { name: name.to_owned(), near }
                } else if let Some(name) = atom.strip_prefix(STDLIB) {
                    if natives_lower.contains(&name.to_lowercase()) {
                        continue;
                    }
                    let near = near_names(name, natives.iter().copied().filter(|_| hints));
                    WarningKind::UnknownNative { name: name.to_owned(), near: owned(near) }
                } else {
                    continue;
                };
                let (class, function) = (class.name.clone(), function.display_name().to_owned());
                warnings.push(Warning { class, function, instruction, kind });
            }
        }
    }
    warnings
}

fn loaded_atom(instr: &Instr) -> Option<&str> {
    match instr {
        Instr::LoadConst { value, .. } => match &value.0 {
            ConstValue::Atom(atom) => Some(atom),
            _ => None,
        },
        _ => None,
    }
}

fn near_reference(index: &FunctionIndex<'_>, name: &str, hints: bool) -> Vec<String> {
    if !hints {
        return Vec::new();
    }
    let function = name.rsplit(':').next().unwrap_or(name);
    let mut near = near_names(function, index.function_names());
    near.extend(near_names(name, index.class_names()));
    near.truncate(3);
    owned(near)
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}
