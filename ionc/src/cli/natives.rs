//! `ionc natives`: the library functions that packages can call.

use super::print_json;
use crate::failure::Failure;
use crate::output;
use ion_runtime::bytecode::near::{hint, near_names};
use ion_runtime::natives::{Arity, NativeDef};
use serde_json::{Value, json};

/// List the library functions, or explain one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  ionc natives PrintF\n  ionc natives Array")]
pub struct Args {
    /// Write JSON
    #[arg(long, conflicts_with = "name")]
    json: bool,
    /// The function, or a module such as Array; case does not matter
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let registry = ion_ffi::registry::standard();
    if args.json {
        return print_json(&registry.iter().map(to_json).collect::<Vec<_>>());
    }
    let text = match &args.name {
        None => registry.iter().map(row).collect(),
        Some(name) => match registry.find(name) {
            Some(def) => explain(def),
            None => {
                let module = format!("{}.", name.trim_end_matches('.').to_lowercase());
                let of_module: String = registry
                    .iter()
                    .filter(|def| def.name.to_lowercase().starts_with(&module))
                    .map(row)
                    .collect();
                if of_module.is_empty() {
                    let near = hint(&near_names(name, registry.names()));
                    return Err(Failure::new(format!("no library function '{name}'{near}")));
                }
                of_module
            }
        },
    };
    output::print(&text);
    Ok(())
}

fn row(def: &NativeDef) -> String {
    let first = def.doc.split_inclusive([':', '.', ';']).next().unwrap_or(&def.doc);
    let first = first.trim_end_matches([':', ';', '.']);
    format!("{}{}\n    {first}\n", def.name, def.signature)
}

fn explain(def: &NativeDef) -> String {
    let (name, signature, doc) = (&def.name, &def.signature, &def.doc);
    let mut text = format!("{name}{signature}\n\n{doc}\n\nTakes {}", arity(def.arity));
    text.push_str(&format!("; load it with '__stdlib:{name}'.\n"));
    for remark in ion_ffi::reference::remarks(def) {
        text.push_str(&format!("{remark}\n"));
    }
    text
}

fn arity(arity: Arity) -> String {
    match arity {
        Arity::Exact(1) => "1 argument".to_owned(),
        Arity::Exact(count) => format!("{count} arguments"),
        Arity::AtLeast(count) => format!("{count} or more arguments"),
        Arity::Between(least, most) => format!("{least} to {most} arguments"),
    }
}

fn to_json(def: &NativeDef) -> Value {
    json!({
        "name": def.name,
        "signature": def.signature,
        "doc": def.doc,
        "blocks": def.effects.blocks,
        "permission": def.effects.permission,
    })
}
