//! Packages and class files from paths.
//!
//! Nothing is trusted: sizes are limited, and every error names the file as the user wrote it.

use crate::failure::{Failure, io_text};
use ion_image::load::{ImageFile, appended, is_elf};
use ion_runtime::bytecode::{ClassFile, assemble_class, assemble_package};
use ion_runtime::ionpack::{Archive, Limits, Package};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

/// Most bytes that are read of a text, of a class file, or of something that is no regular file.
pub const MAX_READ: u64 = 256 << 20;

/// Extension of assembler texts.
pub const ASM: &str = "ionasm";
/// Extension of class files.
pub const CLASS: &str = "ionc";
/// Extension of packages.
pub const PACK: &str = "ionpack";

/// Has `path` this extension?
pub fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// A package, and its code if it was compiled ahead of time.
pub struct Program {
    /// The package.
    pub package: Package,
    /// The code.
    pub image: Option<ImageFile>,
}

/// The program at `path`: a package as [`package_to_run`] takes it, or what `ionc aot` has made.
pub fn program(path: &Path) -> Result<Program, Failure> {
    match image(path)? {
        Some(program) => Ok(program),
        None => Ok(Program { package: package_to_run(path)?, image: None }),
    }
}

/// As [`program`], to be looked at and not run.
pub fn program_to_read(path: &Path) -> Result<Program, Failure> {
    match image(path)? {
        Some(program) => Ok(program),
        None => Ok(Program { package: package(path)?, image: None }),
    }
}

/// What `ionc aot` has made, if the file at `path` is such.
fn image(path: &Path) -> Result<Option<Program>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut head = [0; 4];
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    if file.read_exact(&mut head).is_err() || !is_elf(&head) {
        return Ok(None);
    }
    let at = |message: String| Failure::at(path.display(), message);
    let image = match appended(&file).map_err(at)? {
        Some(image) => image,
        None => ImageFile::of(file).map_err(at)?,
    };
    let package = package_from_bytes(image.package()).map_err(at)?;
    Ok(Some(Program { package, image: Some(image) }))
}

/// The package at `path`, as [`package`], which is going to be run: an Ion source must have a function
/// to start with.
pub fn package_to_run(path: &Path) -> Result<Package, Failure> {
    if has_extension(path, crate::compile::ION) {
        return crate::compile::package_of_file(path, true);
    }
    package(path)
}

/// The package at `path`; an Ion source (`.ion`) or project is compiled, an assembler text (`.ionasm`) assembled.
pub fn package(path: &Path) -> Result<Package, Failure> {
    let at = |message: String| Failure::at(path.display(), message);
    if has_extension(path, ASM) {
        return assemble_package(&text(path)?).map_err(|error| asm_failure(path, error));
    }
    if has_extension(path, crate::compile::ION) {
        return crate::compile::package_of_file(path, false);
    }
    if path.is_dir() {
        return crate::project::open(path)?.package();
    }
    let (mut file, regular) = open(path)?;
    if regular {
        let mut head = [0; 4];
        if file.read_exact(&mut head).is_ok() && is_elf(&head) {
            return program(path).map(|program| program.package);
        }
        file.rewind().map_err(|error| at(io_text(&error)))?;
        read_package(BufReader::new(file)).map_err(at)
    } else {
        read_package(Cursor::new(read_all(file, path)?)).map_err(at)
    }
}

/// The package in these bytes, or what is wrong with them.
pub fn package_from_bytes(bytes: &[u8]) -> Result<Package, String> {
    read_package(Cursor::new(bytes))
}

fn read_package(mut reader: impl Read + Seek) -> Result<Package, String> {
    let mut head = [0; 5];
    let is_class = reader.read_exact(&mut head).is_ok() && &head == b"IONBC";
    if is_class {
        return Err(format!(
            "a bare class file, not a package; 'ionc dis' reads it, and packages end in .{PACK}"
        ));
    }
    reader.rewind().map_err(|error| io_text(&error))?;
    let archive = Archive::new(reader, Limits::default());
    archive.and_then(|mut archive| archive.package()).map_err(|error| error.to_string())
}

/// The class file at `path`.
pub fn class(path: &Path) -> Result<ClassFile, Failure> {
    let (file, _) = open(path)?;
    let bytes = read_all(file, path)?;
    ClassFile::decode(&bytes).map_err(|error| Failure::at(path.display(), error))
}

/// The functions of the assembler text at `path` as one class.
pub fn asm_class(path: &Path) -> Result<ClassFile, Failure> {
    let text = text(path)?;
    let directives = text.lines().any(|line| line.trim_start().starts_with('.'));
    if !directives {
        return assemble_class(&text).map_err(|error| asm_failure(path, error));
    }
    let package = assemble_package(&text).map_err(|error| asm_failure(path, error))?;
    let count = package.classes.len();
    match package.classes.into_iter().next() {
        Some(class) if count == 1 => Ok(class.file),
        _ => {
            let message = format!(
                "a class file holds one class, the text has {count}; write a package (.{PACK})"
            );
            Err(Failure::at(path.display(), message))
        }
    }
}

fn asm_failure(path: &Path, error: ion_runtime::bytecode::AsmError) -> Failure {
    // `FILE:LINE:COLUMN: …`, as editors expect it.
    Failure::new(format!("{}:{error}", path.display()))
}

/// The text at `path`.
pub fn text(path: &Path) -> Result<String, Failure> {
    let (file, _) = open(path)?;
    let bytes = read_all(file, path)?;
    let not_text = |_| Failure::at(path.display(), "not UTF-8 text; save it as UTF-8");
    String::from_utf8(bytes).map_err(not_text)
}

/// Opens a file; says whether it is a regular one.
fn open(path: &Path) -> Result<(File, bool), Failure> {
    let failed = |error| Failure::at(path.display(), io_text(&error));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    Ok((file, metadata.is_file()))
}

fn read_all(file: File, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_READ + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::at(path.display(), io_text(&error)))?;
    if bytes.len() as u64 > MAX_READ {
        let message = format!("larger than the allowed {} MiB; split it", MAX_READ >> 20);
        return Err(Failure::at(path.display(), message));
    }
    Ok(bytes)
}

/// Writes a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::at(path.display(), format!("cannot write: {}", io_text(&error)));
    std::fs::write(path, bytes).map_err(failed)
}
