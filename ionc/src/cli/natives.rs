//! `ionc natives`: the library functions that packages can call.

use crate::failure::Failure;
use crate::output;
use ion_runtime::bytecode::near::{hint, near_names};
use ion_runtime::natives::{Arity, NativeDef};

/// List the library functions, or explain one
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  ionc natives PrintF")]
pub struct Args {
    /// The function; case does not matter
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let registry = ion_ffi::registry::standard();
    let text = match &args.name {
        None => registry.iter().map(row).collect(),
        Some(name) => match registry.find(name) {
            Some(def) => explain(def),
            None => {
                let near = hint(&near_names(name, registry.names()));
                return Err(Failure::new(format!("no library function '{name}'{near}")));
            }
        },
    };
    output::print(&text);
    Ok(())
}

fn row(def: &NativeDef) -> String {
    let first = def.doc.split_inclusive(". ").next().unwrap_or(&def.doc).trim_end();
    format!("{:10}  {:34}  {first}\n", def.name, def.signature)
}

fn explain(def: &NativeDef) -> String {
    let arity = match def.arity {
        Arity::Exact(1) => "1 argument".to_owned(),
        Arity::Exact(count) => format!("{count} arguments"),
        Arity::AtLeast(count) => format!("{count} or more arguments"),
        Arity::Between(least, most) => format!("{least} to {most} arguments"),
    };
    let (name, signature, doc) = (&def.name, &def.signature, &def.doc);
    format!("{name}{signature}\n\n{doc}\n\nTakes {arity}; load it with '__stdlib:{name}'.\n")
}
