//! The reference page of the library functions, made from their table.

use ion_runtime::bytecode::{Body, ConstValue, Instr};
use ion_runtime::ionpack::Package;
use ion_runtime::natives::{NativeDef, Registry};
use std::collections::BTreeSet;
use std::fmt::Write;

/// What a user should know about a function beyond its documentation, a sentence each.
pub fn remarks(def: &NativeDef) -> Vec<String> {
    let mut remarks = Vec::new();
    if def.effects.blocks {
        remarks.push("It may wait for the world outside of the machine.".to_owned());
    }
    if let Some(option) = def.effects.permission {
        remarks.push(format!("It must be allowed with `{option}`."));
    }
    remarks
}

/// The module of a function; none for those from before there were modules.
fn module(def: &NativeDef) -> Option<&str> {
    def.name.split_once('.').map(|(module, _)| module)
}

/// The page, in Markdown.
pub fn page(registry: &Registry) -> String {
    let mut page = String::from(
        "# Library functions\n\n\
         This page is made from the table of the functions; `ionc natives` shows the same. In Ion, \
         `Module.name(args)` calls a function; in bytecode, the constant `'__stdlib:Module.name'` loads it. \
         Names are found in any case.\n\n\
         A parameter with a question mark may be left out, or be Undefined. A function that fails gives an \
         Atom that begins with `error:` and says why (`Value.isError` tells); it does not end the process. \
         Functions whose work grows with what they are given charge reductions for it.\n",
    );
    let mut modules: Vec<Option<&str>> = Vec::new();
    for def in registry.iter() {
        if !modules.contains(&module(def)) {
            modules.push(module(def));
        }
    }
    for of in modules {
        let _ = writeln!(page, "\n## {}\n", of.unwrap_or("Without a module"));
        for def in registry.iter().filter(|def| module(def) == of) {
            let _ = write!(page, "- **`{}`**`{}`  \n  {}", def.name, def.signature, def.doc);
            for remark in remarks(def) {
                let _ = write!(page, " {remark}");
            }
            page.push('\n');
        }
    }
    page
}

/// The permissions that the library functions of a package need, in order of the alphabet. A package can
/// do nothing outside of the machine that is not listed.
pub fn permissions(package: &Package, registry: &Registry) -> Vec<String> {
    let mut needs = BTreeSet::new();
    let mut look = |name: &str| {
        let def = registry.find(name);
        needs.extend(def.and_then(|def| def.effects.permission).map(str::to_owned));
    };
    for function in package.classes.iter().flat_map(|class| &class.file.functions) {
        match &function.body {
            Body::Native(name) => look(name),
            Body::Bytecode(instrs) => {
                for instr in instrs {
                    if let Instr::LoadConst { value, .. } = instr
                        && let ConstValue::Atom(text) = &value.0
                        && let Some(name) = text.strip_prefix("__stdlib:")
                    {
                        look(name);
                    }
                }
            }
        }
    }
    for path in &package.manifest.ffi_libraries {
        let file = path.rsplit('/').next().unwrap_or(path);
        let name = file.split_once('.').map_or(file, |(stem, _)| stem);
        needs.insert(format!("--allow-native={name}"));
    }
    needs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ion_runtime::bytecode::assemble_package;

    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/library.md");
        let page = page(&crate::registry::standard());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == page,
            "docs/library.md differs from the table; run this test with BLESS=1"
        );
    }

    #[test]
    fn what_a_package_asks_for() {
        let text = "function main {
            load_const r0, '__stdlib:file.read'
            load_const r1, '__stdlib:Env.get'
            load_const r2, '__stdlib:File.exists'
        }";
        let package = assemble_package(text).unwrap();
        let needs = permissions(&package, &crate::registry::standard());
        assert_eq!(needs, ["--allow-env", "--allow-read=DIR"]);
    }
}
