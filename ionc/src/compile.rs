//! Compiling Ion files: finds the sources of a program, and shows what the compiler says.
//!
//! The compiler itself (`ion`) is pure; everything that reads files is here.

use crate::failure::Failure;
use crate::ion::render::render;
use crate::ion::{self, Natives, Options, Source, program};
use crate::load;
use ion_runtime::ionpack::{Manifest, Package};
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Extension of Ion sources.
pub const ION: &str = "ion";

/// The library functions that programs can name.
pub fn natives() -> &'static Natives {
    static NATIVES: OnceLock<Natives> = OnceLock::new();
    NATIVES.get_or_init(|| {
        let registry = ion_ffi::registry::standard();
        Natives::new(
            registry.iter().map(|def| ion::Native { name: def.name.clone(), arity: def.arity }),
        )
    })
}

/// The class that a file holds.
fn class_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The source at `path`.
pub fn source(path: &Path) -> Result<Source, Failure> {
    Ok(Source::new(class_name(path), path.display().to_string(), load::text(path)?))
}

/// The source at `path` and those it names: files of the same folder, modules of the standard library.
pub fn sources_of_file(path: &Path) -> Result<Vec<Source>, Failure> {
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    add_named(vec![source(path)?], |class| source_in(&folder, class))
}

/// The source of a class in a folder, if there is one.
pub fn source_in(folder: &Path, class: &str) -> Option<Result<Source, Failure>> {
    let path: PathBuf = folder.join(format!("{class}.{ION}"));
    // A name that is only nearly that of a file (on file systems that ignore case) is another.
    let exact = std::fs::canonicalize(&path).ok()?;
    (exact.file_stem()?.to_str()? == class).then(|| source(&path))
}

/// Adds the sources that sources name, and those that these name.
pub fn add_named(
    mut sources: Vec<Source>,
    find: impl Fn(&str) -> Option<Result<Source, Failure>>,
) -> Result<Vec<Source>, Failure> {
    let mut queue: VecDeque<usize> = (0..sources.len()).collect();
    while let Some(next) = queue.pop_front() {
        for wanted in program::named_classes(&sources[next].text) {
            if sources.iter().any(|source| source.class == wanted.class) {
                continue;
            }
            let found = match wanted.std {
                true => ion::std_source(&wanted.class),
                false => find(&wanted.class).transpose()?,
            };
            if let Some(found) = found {
                queue.push_back(sources.len());
                sources.push(found);
            }
        }
    }
    Ok(sources)
}

/// A program that has been compiled without errors.
#[derive(Debug)]
pub struct Program {
    /// The package.
    pub package: Package,
    /// Warnings.
    pub warnings: usize,
}

/// Compiles sources; what there is to say goes to standard error.
pub fn compile(sources: &[Source], options: &Options) -> Result<Program, Failure> {
    let compiled = program::compile(sources, natives(), options);
    report(sources, &compiled.diags);
    let errors = compiled.diags.iter().filter(|diag| diag.is_error()).count();
    let warnings = compiled.diags.len() - errors;
    match compiled.package {
        Some(package) => Ok(Program { package, warnings }),
        None => {
            let file = compiled
                .diags
                .iter()
                .find(|diag| diag.is_error())
                .and_then(|diag| sources.get(diag.file));
            let path = file.map_or("", |source| source.path.as_str());
            Err(Failure::at(path, format!("{}; nothing was made", counts(errors, warnings))))
        }
    }
}

/// `2 errors, 1 warning`.
pub fn counts(errors: usize, warnings: usize) -> String {
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (_, 0) => count(errors, "error"),
        (0, _) => count(warnings, "warning"),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

/// Writes diagnostics to standard error, in colours if that is a terminal.
pub fn report(sources: &[Source], diags: &[ion::Diag]) {
    let stderr = std::io::stderr();
    let color = stderr.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    for diag in diags {
        text.push_str(&render(diag, sources, color));
    }
    // A closed standard error leaves nobody to tell.
    let _ = stderr.lock().write_all(text.as_bytes());
}

/// The package of the program in the file at `path`.
pub fn package_of_file(path: &Path, needs_main: bool) -> Result<Package, Failure> {
    let sources = sources_of_file(path)?;
    let manifest = Manifest { name: class_name(path), ..Manifest::default() };
    Ok(compile(&sources, &Options { manifest, needs_main })?.package)
}
