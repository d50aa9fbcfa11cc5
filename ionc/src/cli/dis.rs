//! `ionc dis`: bytecode as text.

use crate::failure::Failure;
use crate::listing::{self, Step};
use crate::{load, output};
use ion_runtime::bytecode::disasm::{
    Style, disassemble_class, disassemble_function, disassemble_package,
};
use ion_runtime::bytecode::near::{hint, near_names};
use ion_runtime::bytecode::{ClassFile, Function};
use ion_runtime::ionpack::{Class, Package};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  ionc dis actors.ionpack
  ionc dis actors.ionpack Main:main
  ionc dis Worker.ionc
  ionc dis --clif Main:main actors.ionpack
  ionc dis --asm Main:main actors.ionpack
  ionc dis --lossless actors.ionpack > actors.ionasm";

/// Show bytecode as text
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write the whole package as a text from which 'ionc asm' makes the same package
    #[arg(long, conflicts_with = "class")]
    lossless: bool,
    /// Show what a function becomes in the compiler's own form
    #[arg(long, value_name = "CLASS:FUNCTION", conflicts_with_all = ["lossless", "class"])]
    ssa: Option<String>,
    /// Show the bytecode of a function beside its Cranelift IR
    #[arg(long, value_name = "CLASS:FUNCTION", conflicts_with_all = ["lossless", "class", "ssa"])]
    clif: Option<String>,
    /// Show the bytecode of a function beside its machine code
    #[arg(long, value_name = "CLASS:FUNCTION", conflicts_with_all = ["lossless", "class", "ssa", "clif"])]
    asm: Option<String>,
    /// The package, or a class file (.ionc)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this class, or this function of it
    #[arg(value_name = "CLASS[:FUNCTION]")]
    class: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.lossless {
        let package = load::package(&args.file)?;
        output::print(&disassemble_package(&package, Style::Lossless));
        return Ok(());
    }
    let step = [(&args.ssa, Step::Ssa), (&args.clif, Step::Clif), (&args.asm, Step::Asm)];
    if let Some((name, step)) = step.iter().find_map(|(name, step)| Some((name.as_ref()?, *step))) {
        let package = load::package(&args.file)?;
        // The error names what there is, as without the option.
        let name = if name.contains(':') { name.clone() } else { format!("Main:{name}") };
        package_text(&args.file, Some(&name))?;
        let text = listing::text(&package, &name, step)
            .map_err(|failure| failure.within(args.file.display()))?;
        output::print(&text);
        return Ok(());
    }
    run_file(&args.file, args.class.as_deref())
}

/// Disassembles a file, or what `wanted` names in it.
pub fn run_file(path: &Path, wanted: Option<&str>) -> Result<(), Failure> {
    let text = if load::has_extension(path, load::CLASS) {
        class_file_text(path, wanted)?
    } else {
        package_text(path, wanted)?
    };
    output::print(&text);
    Ok(())
}

fn class_file_text(path: &Path, wanted: Option<&str>) -> Result<String, Failure> {
    let class = load::class(path)?;
    let headline = format!("Disassembling bytecode file: {}\n\n", path.display());
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let Some(wanted) = wanted else {
        return Ok(headline + &disassemble_class(&name, &class));
    };
    let wanted =
        wanted.strip_prefix(&*name).and_then(|rest| rest.strip_prefix(':')).unwrap_or(wanted);
    Ok(headline + &disassemble_function(function(path, &name, &class, wanted)?))
}

fn package_text(path: &Path, wanted: Option<&str>) -> Result<String, Failure> {
    let package = load::package(path)?;
    let Some(wanted) = wanted else {
        let texts: Vec<String> =
            package.classes.iter().map(|class| class_text(path, class)).collect();
        return Ok(texts.join("\n"));
    };
    if let Some(class) = package.class(wanted) {
        return Ok(class_text(path, class));
    }
    let split = wanted.rsplit_once(':');
    let Some((class, name)) = split.and_then(|(class, name)| Some((package.class(class)?, name)))
    else {
        return Err(no_class(path, &package, split.map_or(wanted, |(class, _)| class)));
    };
    let function = function(path, &class.name, &class.file, name)?;
    Ok(headline(path, class) + &disassemble_function(function))
}

fn headline(path: &Path, class: &Class) -> String {
    format!("Disassembling class '{}' from IonPack: {}\n\n", class.name, path.display())
}

fn class_text(path: &Path, class: &Class) -> String {
    headline(path, class) + &disassemble_class(&class.name, &class.file)
}

fn no_class(path: &Path, package: &Package, name: &str) -> Failure {
    let names: Vec<&str> = package.classes.iter().map(|class| class.name.as_str()).collect();
    Failure::at(path.display(), format!("no class '{name}'{}", suggestion(name, &names)))
}

fn function<'a>(
    path: &Path,
    class: &str,
    file: &'a ClassFile,
    name: &str,
) -> Result<&'a Function, Failure> {
    let found = file.functions.iter().find(|function| function.display_name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = file.functions.iter().map(Function::display_name).collect();
        let near = suggestion(name, &names);
        Failure::at(path.display(), format!("no function '{name}' in class '{class}'{near}"))
    })
}

/// Near names, or else all names if they are few.
fn suggestion(name: &str, names: &[&str]) -> String {
    let near = near_names(name, names.iter().copied());
    match names {
        _ if !near.is_empty() => hint(&near),
        [] => "; there is none".to_owned(),
        _ if names.len() <= 8 => format!("; there are {}", names.join(", ")),
        _ => format!("; there are {}, … ({} in all)", names[..8].join(", "), names.len()),
    }
}
