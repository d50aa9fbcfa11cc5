//! Library functions that call functions of the program: bytecode, so that they are preempted, compiled
//! and inlined like any other function. The linker adds those that a program refers to.

use ion_runtime::bytecode::{self, assemble_class};
use ion_runtime::natives::{Arity, NativeBody, NativeDef};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// The functions of `library.ionasm` by name.
static FUNCTIONS: LazyLock<HashMap<String, Arc<bytecode::Function>>> = LazyLock::new(|| {
    let class = assemble_class(include_str!("library.ionasm"));
    let class = class.unwrap_or_else(|error| panic!("library.ionasm: {error}"));
    let named = |function: bytecode::Function| Some((function.name.clone()?, Arc::new(function)));
    class.functions.into_iter().filter_map(named).collect()
});

/// The row of a function of `library.ionasm`.
pub(crate) fn native(name: &str, params: u32, signature: &str) -> NativeDef {
    NativeDef {
        name: name.to_owned(),
        arity: Arity::Exact(params),
        signature: signature.to_owned(),
        doc: String::new(),
        shows: false,
        effects: Default::default(),
        fast: None,
        body: NativeBody::Bytecode(function),
    }
}

fn function(name: &str) -> Arc<bytecode::Function> {
    let function = FUNCTIONS.get(name);
    function.unwrap_or_else(|| panic!("library.ionasm has no {name}")).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ion_runtime::bytecode::verify::verify_function;

    #[test]
    fn every_function_is_valid_and_has_a_row() {
        let registry = crate::registry::standard();
        for (name, function) in FUNCTIONS.iter() {
            assert_eq!(verify_function(function), Ok(()), "{name}");
            let def = registry.find(name).unwrap_or_else(|| panic!("{name} has no row"));
            assert_eq!((&def.name, def.arity), (name, Arity::Exact(function.arity)));
        }
        for def in registry.iter() {
            if let NativeBody::Bytecode(function) = &def.body {
                assert_eq!(function(&def.name).name.as_ref(), Some(&def.name));
            }
        }
    }
}
