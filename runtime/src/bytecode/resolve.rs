//! Which function a name means: references in constants and the entry point of a package.
//!
//! References are the atoms `__function_ref:NAME` as the constant of a LOAD_CONST. The order of
//! resolution is stated once, at [`FunctionIndex::resolve`]; verifier and linker both use it.

use super::near::near_names;
use super::verify::{VerifyError, VerifyErrorKind};
use super::{Body, Function};
use crate::ionpack::Package;
use std::collections::{HashMap, HashSet};

/// Start of an atom that names a function of the package.
pub const FUNCTION_REF: &str = "__function_ref:";

/// Start of an atom that names a library function.
pub const STDLIB: &str = "__stdlib:";

/// All functions of a package by name.
///
/// Of duplicates, which the verifier refuses, the last counts. Tables are hashed with random keys,
/// because the names are untrusted.
///
/// ```
/// use ion_runtime::bytecode::{Body, Function, FunctionIndex};
/// let worker = Function { name: Some("worker".into()), arity: 0, extra_regs: 0, body: Body::Bytecode(vec![]) };
/// let functions = [worker];
/// let index = FunctionIndex::new([("Main", &functions[..])]);
/// assert_eq!(index.resolve("Main:worker", "Main"), Some((0, 0)));
/// assert_eq!(index.resolve("worker", "Main"), Some((0, 0)));
/// ```
pub struct FunctionIndex<'a> {
    classes: HashMap<&'a str, ClassEntry<'a>>,
    /// Lengths of the class names, so that only such prefixes of a reference are looked up.
    lengths: HashSet<usize>,
    /// For each function name the place of its only function, or none if there are several.
    unique: HashMap<&'a str, Option<(usize, usize)>>,
}

struct ClassEntry<'a> {
    index: usize,
    named: HashMap<&'a str, usize>,
    unnamed: Option<usize>,
}

impl<'a> FunctionIndex<'a> {
    /// Indexes classes: name and functions.
    pub fn new(classes: impl IntoIterator<Item = (&'a str, &'a [Function])>) -> Self {
        let mut this = FunctionIndex {
            classes: HashMap::new(),
            lengths: HashSet::new(),
            unique: HashMap::new(),
        };
        for (index, (name, functions)) in classes.into_iter().enumerate() {
            let mut entry = ClassEntry { index, named: HashMap::new(), unnamed: None };
            for (position, function) in functions.iter().enumerate() {
                match function.name.as_deref() {
                    None => entry.unnamed = Some(position),
                    Some(name) => {
                        entry.named.insert(name, position);
                        let place = Some((index, position));
                        this.unique.entry(name).and_modify(|known| *known = None).or_insert(place);
                    }
                }
            }
            this.lengths.insert(name.len());
            this.classes.insert(name, entry);
        }
        this
    }

    /// Indexes the classes of a package.
    pub fn of_package(package: &'a Package) -> Self {
        let classes = package.classes.iter();
        Self::new(classes.map(|class| (class.name.as_str(), class.file.functions.as_slice())))
    }

    /// The function that `name`, the part after [`FUNCTION_REF`], means in class `from_class`, as
    /// index of the class and of the function in it. The first of these that exists:
    ///
    /// 1. `CLASS:NAME`, split at the last colon where there is such a class and function;
    /// 2. without colon: the function NAME of `from_class`;
    /// 3. the unnamed function of the class of this name;
    /// 4. without colon: the only function of that name in the whole package.
    pub fn resolve(&self, name: &str, from_class: &str) -> Option<(usize, usize)> {
        let colon = name.contains(':');
        let exact = name.rmatch_indices(':').find_map(|(at, _)| {
            let known = self.lengths.contains(&at);
            known.then(|| self.named(&name[..at], &name[at + 1..])).flatten()
        });
        let same_class = || {
            if colon { None } else { self.named(from_class, name) }
        };
        let anywhere = || {
            if colon { None } else { self.unique.get(name).copied().flatten() }
        };
        exact.or_else(same_class).or_else(|| self.unnamed(name)).or_else(anywhere)
    }

    /// The function `function` of class `class`.
    pub fn named(&self, class: &str, function: &str) -> Option<(usize, usize)> {
        let class = self.classes.get(class)?;
        Some((class.index, *class.named.get(function)?))
    }

    /// The unnamed function of class `class`.
    pub fn unnamed(&self, class: &str) -> Option<(usize, usize)> {
        let class = self.classes.get(class)?;
        Some((class.index, class.unnamed?))
    }

    /// The index of class `class`.
    pub fn class(&self, class: &str) -> Option<usize> {
        Some(self.classes.get(class)?.index)
    }

    /// The names of all classes, in no order.
    pub fn class_names(&self) -> impl Iterator<Item = &'a str> {
        self.classes.keys().copied()
    }

    /// The names of all named functions, in no order.
    pub fn function_names(&self) -> impl Iterator<Item = &'a str> {
        self.unique.keys().copied()
    }
}

/// The function a package starts with, as index of the class and of the function in it.
///
/// With `Entry-Point`: that function of the main class, whatever its arity. Otherwise its function
/// `main` of arity 0; failing that, the only function of the class; failing that, if there is no
/// `main` at all, the first bytecode function of arity 0. A native alias is an error.
pub fn entry_point(package: &Package) -> Result<(usize, usize), VerifyError> {
    let Some(main) = package.manifest.main_class.as_deref() else {
        return Err(VerifyErrorKind::NoMainClass.into());
    };
    let Some(class_idx) = package.classes.iter().position(|class| class.name == main) else {
        let near = near_names(main, package.classes.iter().map(|class| class.name.as_str()));
        let near = near.into_iter().map(str::to_owned).collect();
        return Err(VerifyErrorKind::MissingMainClass { name: main.to_owned(), near }.into());
    };
    let functions = &package.classes[class_idx].file.functions;
    let found = match package.manifest.entry_point.as_deref() {
        Some(entry) => position(functions, entry).ok_or_else(|| missing(functions, entry)),
        None => default_entry(functions),
    };
    let located =
        |kind: VerifyErrorKind| VerifyError { class: Some(main.to_owned()), ..kind.into() };
    let fn_idx = found.map_err(located)?;
    match &functions[fn_idx].body {
        Body::Bytecode(_) => Ok((class_idx, fn_idx)),
        Body::Native(_) => {
            let name = functions[fn_idx].display_name().to_owned();
            Err(located(VerifyErrorKind::NativeEntryPoint { name }))
        }
    }
}

fn default_entry(functions: &[Function]) -> Result<usize, VerifyErrorKind> {
    let main = position(functions, "main");
    let bytecode = |function: &Function| matches!(function.body, Body::Bytecode(_));
    match main {
        Some(main) if functions[main].arity == 0 => Ok(main),
        _ if functions.len() == 1 => Ok(0),
        Some(main) => Err(VerifyErrorKind::MainTakesParameters { arity: functions[main].arity }),
        None => functions
            .iter()
            .position(|function| function.arity == 0 && bytecode(function))
            .ok_or_else(|| missing(functions, "main")),
    }
}

fn position(functions: &[Function], name: &str) -> Option<usize> {
    functions.iter().rposition(|function| function.name.as_deref() == Some(name))
}

fn missing(functions: &[Function], name: &str) -> VerifyErrorKind {
    let names = functions.iter().filter_map(|function| function.name.as_deref());
    let near = near_names(name, names).into_iter().map(str::to_owned).collect();
    VerifyErrorKind::MissingEntryPoint { name: name.to_owned(), near }
}
