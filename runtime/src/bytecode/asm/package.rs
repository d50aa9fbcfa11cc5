//! Parsing of whole packages: directives, classes, functions.

use super::super::near::{hint, near_names};
use super::super::{ClassFile, Function, Variant};
use super::{AsmError, Parser, function};
use crate::ionpack::{Class, Manifest, Package};

/// All directives.
const DIRECTIVES: [&str; 11] = [
    "package",
    "ionpack",
    "main",
    "entry",
    "description",
    "author",
    "dependencies",
    "libraries",
    "exports",
    "class",
    "version",
];

/// Assembles a package from directives and functions.
///
/// | Directive | Meaning |
/// |---|---|
/// | `.package NAME [VERSION]` | `Name`, `Version` |
/// | `.version VERSION` | `Version` |
/// | `.ionpack VERSION` | `IonPack-Version` |
/// | `.main CLASS [ENTRY]` | `Main-Class`, `Entry-Point` |
/// | `.entry ENTRY` | `Entry-Point` |
/// | `.description TEXT`, `.author TEXT` | the rest of the line, or a text in double quotes |
/// | `.dependencies A B`, `.libraries A B`, `.exports A B` | lists |
/// | `.class NAME [single\|multi]` | a class; the functions up to the next `.class` are its own |
///
/// Words end at blanks; in double quotes they may contain anything. Without a variant, a class of
/// one function is in the single variant. Functions before any `.class` are those of a class `Main`,
/// which is then the main class unless `.main` says otherwise.
///
/// ```
/// use ion_runtime::bytecode::{asm::assemble_package, verify_package};
/// let package = assemble_package("function main {\n  load_const r0, 42\n  return r0\n}\n").unwrap();
/// assert_eq!(verify_package(&package, &[]).unwrap().entry, (0, 0));
/// ```
pub fn assemble_package(text: &str) -> Result<Package, AsmError> {
    let mut parser = Parser::new(text);
    let mut package = Package::new(Manifest::default());
    let mut class: Option<OpenClass> = None;
    let mut implied = false;
    loop {
        parser.space();
        let start = parser.mark();
        if parser.eat('.') {
            let name = parser.word();
            if name == "class" {
                close(&parser, &mut package, class.take())?;
                class = Some(class_directive(&mut parser, start)?);
            } else {
                directive(&mut parser, &mut package.manifest, start, name)?;
            }
        } else if parser.at("function") {
            implied |= class.is_none();
            let class = class.get_or_insert_with(|| OpenClass::new(start, "Main".to_owned(), None));
            class.functions.push(function(&mut parser)?);
        } else {
            parser.end_of_text()?;
            break;
        }
    }
    close(&parser, &mut package, class)?;
    if implied && package.manifest.main_class.is_none() {
        package.manifest.main_class = Some("Main".to_owned());
    }
    Ok(package)
}

/// A class whose functions are being parsed.
struct OpenClass {
    start: usize,
    name: String,
    variant: Option<Variant>,
    functions: Vec<Function>,
}

impl OpenClass {
    fn new(start: usize, name: String, variant: Option<Variant>) -> Self {
        OpenClass { start, name, variant, functions: Vec::new() }
    }
}

fn class_directive(parser: &mut Parser<'_>, start: usize) -> Result<OpenClass, AsmError> {
    let words = words(parser)?;
    let (name, variant) = match words.as_slice() {
        [name] => (name, None),
        [name, variant] if variant == "single" => (name, Some(Variant::Single)),
        [name, variant] if variant == "multi" => (name, Some(Variant::Multi)),
        _ => return Err(parser.error_at(start, "expected '.class NAME [single|multi]'")),
    };
    Ok(OpenClass::new(start, name.clone(), variant))
}

fn close(
    parser: &Parser<'_>,
    package: &mut Package,
    class: Option<OpenClass>,
) -> Result<(), AsmError> {
    let Some(OpenClass { start, name, variant, functions }) = class else {
        return Ok(());
    };
    if variant == Some(Variant::Single) && functions.len() != 1 {
        let message = format!(
            "the single variant takes one function, not {}; write 'multi'",
            functions.len()
        );
        return Err(parser.error_at(start, message));
    }
    let mut file = ClassFile::new(functions);
    file.variant = variant.unwrap_or(file.variant);
    package.classes.push(Class { name, file });
    Ok(())
}

fn directive(
    parser: &mut Parser<'_>,
    manifest: &mut Manifest,
    start: usize,
    name: &str,
) -> Result<(), AsmError> {
    if let "description" | "author" = name {
        let text = Some(text(parser)?);
        let place = if name == "author" { &mut manifest.author } else { &mut manifest.description };
        *place = text;
        return Ok(());
    }
    let words = words(parser)?;
    match (name, words.as_slice()) {
        ("dependencies", _) => manifest.dependencies = words,
        ("libraries", _) => manifest.ffi_libraries = words,
        ("exports", _) => manifest.exports = words,
        ("package", [name]) => manifest.name.clone_from(name),
        ("package", [name, version]) => {
            manifest.name.clone_from(name);
            manifest.version.clone_from(version);
        }
        ("version", [version]) => manifest.version.clone_from(version),
        ("ionpack", [version]) => manifest.ionpack_version.clone_from(version),
        ("main", [class]) => manifest.main_class = Some(class.clone()),
        ("main", [class, entry]) => {
            manifest.main_class = Some(class.clone());
            manifest.entry_point = Some(entry.clone());
        }
        ("entry", [entry]) => manifest.entry_point = Some(entry.clone()),
        _ if DIRECTIVES.contains(&name) => {
            let count = words.len();
            return Err(parser.error_at(start, format!("'.{name}' does not take {count} words")));
        }
        _ => {
            let hint = hint(&near_names(name, DIRECTIVES));
            return Err(parser.error_at(start, format!("unknown directive '.{name}'{hint}")));
        }
    }
    Ok(())
}

/// The rest of the line as a text, with or without double quotes.
fn text(parser: &mut Parser<'_>) -> Result<String, AsmError> {
    parser.blank();
    if !parser.at("\"") {
        return Ok(parser.rest_of_line().trim_end().to_owned());
    }
    let text = parser.quoted()?;
    parser.end_of_line()?;
    Ok(text)
}

/// The words of the rest of the line.
fn words(parser: &mut Parser<'_>) -> Result<Vec<String>, AsmError> {
    let mut words = Vec::new();
    loop {
        parser.blank();
        if parser.peek().is_none_or(|c| c == '\n') || parser.at("//") {
            parser.end_of_line()?;
            return Ok(words);
        }
        let quoted = parser.at("\"");
        words.push(if quoted { parser.quoted()? } else { parser.bare_word().to_owned() });
    }
}
