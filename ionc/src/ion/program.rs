//! From source texts to a package: parse, resolve, emit all classes.

use super::ast::{
    Block, Body, Expr, ExprKind, Function, FunctionKind, Module, Name, Stmt, StmtKind,
};
use super::builtin::Natives;
use super::diag::Diag;
use super::emit::{self, Emitted};
use super::parser::parse;
use super::resolve::{self, Resolved};
use super::source::{LineIndex, Source, Span};
use super::token::Tok;
use ion_runtime::bytecode::{ClassFile, Variant};
use ion_runtime::ionpack::{
    Class, ClassLines, FunctionLines, LineEntry, Manifest, Member, Package,
};

/// What a compilation gives.
#[derive(Debug)]
pub struct Compiled {
    /// The package, if there are no errors.
    pub package: Option<Package>,
    /// Errors and warnings in order of files and places.
    pub diags: Vec<Diag>,
}

/// How a program is put together.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The manifest of the package. `main_class` and `entry_point` are filled in if they are empty
    /// and the first source has a function `main`.
    pub manifest: Manifest,
    /// Must there be a function to start with?
    pub needs_main: bool,
}

/// Most diagnostics that are reported of one run.
const MAX_DIAGS: usize = 200;

/// Compiles source texts, one class each; the first is the main class.
///
/// Pure and total: every text gives a package or errors.
pub fn compile(sources: &[Source], natives: &Natives, options: &Options) -> Compiled {
    let mut diags = Vec::new();
    let mut modules: Vec<Module<'_>> = Vec::with_capacity(sources.len());
    for (file, source) in sources.iter().enumerate() {
        let mut parsed = parse(&source.text);
        script(&mut parsed.module, &mut parsed.diags);
        keep(&mut diags, file, parsed.diags);
        modules.push(parsed.module);
    }
    let names = sources.iter().map(|source| source.class.as_str());
    let globals = resolve::index(names.zip(&modules));
    let parse_failed = diags.iter().any(Diag::is_error);
    let mut resolved: Vec<Resolved> = modules
        .iter_mut()
        .enumerate()
        .map(|(class, module)| resolve::resolve(module, class as u32, &globals, natives))
        .collect();
    keep_resolved(&mut diags, &mut resolved, parse_failed);
    if options.needs_main
        && !parse_failed
        && let (Some(module), Some(source)) = (modules.first(), sources.first())
    {
        keep(&mut diags, 0, check_main(module, &source.text));
    }
    if !settle(&mut diags) {
        return Compiled { package: None, diags };
    }
    let package = package(sources, &modules, &resolved, &globals, options, None);
    Compiled { package: Some(package), diags }
}

/// Keeps what resolving has found.
pub(super) fn keep_resolved(diags: &mut Vec<Diag>, resolved: &mut [Resolved], parse_failed: bool) {
    for (file, resolved) in resolved.iter_mut().enumerate() {
        let mut found = std::mem::take(&mut resolved.diags);
        if parse_failed {
            // What could not be parsed may be what is missing or not used.
            found.retain(|diag| {
                diag.is_error() && !diags.iter().any(|other| other.file == file && other.is_error())
            });
        }
        keep(diags, file, found);
    }
}

/// Sorts diagnostics; true if there are no errors.
pub(super) fn settle(diags: &mut Vec<Diag>) -> bool {
    diags.sort_by_key(|diag| (diag.file, diag.span, diag.severity));
    diags.dedup();
    let failed = diags.iter().any(Diag::is_error);
    if failed {
        // Warnings about a program that is not understood are mostly wrong.
        diags.retain(Diag::is_error);
    }
    diags.truncate(MAX_DIAGS);
    !failed
}

pub(super) fn keep(all: &mut Vec<Diag>, file: usize, found: Vec<Diag>) {
    all.extend(found.into_iter().map(|diag| Diag { file, ..diag }));
}

/// Statements outside functions are the body of `main`, if there is no such function.
pub(super) fn script(module: &mut Module<'_>, diags: &mut Vec<Diag>) {
    let Some(first) = module.script.first().map(|stmt| stmt.span) else { return };
    let main = module
        .functions
        .iter()
        .find(|function| function.name.is_some_and(|name| name.text == "main"));
    if let Some(main) = main {
        let diag =
            Diag::error(first, "a statement outside functions").label("belongs to no function");
        diags.push(diag.also(main.head, "the program starts here").help("move it into a function"));
        return;
    }
    let mut stmts = std::mem::take(&mut module.script);
    // Constants whose values take work are computed where they stand.
    let (local, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut module.constants)
        .into_iter()
        .partition(|constant| match &constant.init.body {
            Body::Expr(value) => works(value),
            Body::Block(_) => false,
        });
    module.constants = kept;
    for constant in local {
        let Body::Expr(init) = constant.init.body else { continue };
        let name = constant.name;
        module.vars += 1;
        let kind = super::ast::PatternKind::Bind { name: name.text, var: module.vars - 1 };
        let pattern = super::ast::Pattern { kind, span: name.span };
        let kind = StmtKind::Let { pattern, init: Some(*init), constant: true };
        stmts.push(Stmt { kind, span: constant.init.span });
    }
    stmts.sort_by_key(|stmt| stmt.span);
    let span = stmts.first().map_or(first, |stmt| stmt.span.to(first));
    let end = stmts.last().map_or(span, |stmt| stmt.span);
    module.functions.push(Function {
        name: Some(Name { text: "main", span: Span::new(first.start, first.start) }),
        kind: FunctionKind::Plain,
        params: Vec::new(),
        body: Body::Block(Block { stmts, span: span.to(end) }),
        head: Span::new(span.start, span.start),
        span: span.to(end),
        captures: Vec::new(),
        this_var: None,
    });
}

/// Does evaluating the expression do more than make a value?
fn works(expr: &Expr<'_>) -> bool {
    match &expr.kind {
        ExprKind::Call { .. } | ExprKind::Match(_) | ExprKind::Receive(_) | ExprKind::SelfPid => {
            true
        }
        ExprKind::Tuple(items) | ExprKind::Array(items) => items.iter().any(works),
        ExprKind::Object(props) => props.iter().any(|prop| works(&prop.value)),
        ExprKind::Not(a) | ExprKind::Negate(a) => works(a),
        ExprKind::Binary(_, a, b) | ExprKind::Logic(_, a, b) => works(a) || works(b),
        ExprKind::Chain(first, links) => {
            works(first) || links.iter().any(|link| works(&link.right))
        }
        ExprKind::Ternary(a, b, c) => works(a) || works(b) || works(c),
        ExprKind::Member { object, .. } => works(object),
        ExprKind::Index { object, index } => works(object) || works(index),
        ExprKind::Template(parts) => parts
            .iter()
            .any(|part| matches!(part, super::ast::TemplatePart::Expr(expr) if works(expr))),
        _ => false,
    }
}

fn check_main(module: &Module<'_>, text: &str) -> Vec<Diag> {
    let named = |name: &str| {
        module
            .functions
            .iter()
            .find(|function| function.name.is_some_and(|known| known.text == name))
    };
    match named("main") {
        None => {
            let end = text.trim_end().len() as u32;
            let names =
                module.functions.iter().filter_map(|function| function.name).map(|name| name.text);
            let help = match ion_runtime::bytecode::near::near_names("main", names).first() {
                Some(near) => format!("the program starts there; is `{near}` meant to be it?"),
                None => "the program starts there: `function main() { … }`".to_owned(),
            };
            let span = Span::new(end.saturating_sub(1), end);
            vec![
                Diag::error(span, "there is no function `main`")
                    .label("the file ends without one")
                    .help(help),
            ]
        }
        Some(main) if main.params.len() > 1 => {
            let diag =
                Diag::error(main.head, format!("`main` takes {} parameters", main.params.len()));
            vec![diag.label("at most one").help("its only parameter is the array of the program's arguments: `function main(args) { … }`")]
        }
        Some(_) => Vec::new(),
    }
}

pub(super) fn package<'s>(
    sources: &[Source],
    modules: &[Module<'s>],
    resolved: &[Resolved],
    globals: &resolve::Globals<'s>,
    options: &Options,
    input: Option<emit::Input>,
) -> Package {
    let function_name =
        |function: &Function<'_>| function.name.map_or("", |name| name.text).to_owned();
    let indices: Vec<LineIndex> =
        sources.iter().map(|source| LineIndex::new(&source.text)).collect();
    let mut program = emit::Program {
        sources,
        lines: &indices,
        globals,
        protected: modules
            .iter()
            .flat_map(|module| &module.protected)
            .map(|name| name.to_string())
            .collect(),
        input,
        constants: Vec::new(),
        functions: modules
            .iter()
            .map(|module| module.functions.iter().map(function_name).collect())
            .collect(),
        constant_names: modules
            .iter()
            .map(|module| {
                let name = |constant: &super::ast::Constant<'_>| {
                    let plain = emit::plain_function(&constant.init).is_some();
                    format!("{}{}", if plain { "=" } else { "" }, constant.name.text)
                };
                module.constants.iter().map(name).collect()
            })
            .collect(),
    };
    let vars: Vec<&[resolve::Var]> =
        resolved.iter().map(|resolved| resolved.vars.as_slice()).collect();
    let refs: Vec<&Module<'s>> = modules.iter().collect();
    emit::fold_constants(&mut program, &refs, &vars);
    let mut manifest = options.manifest.clone();
    if let (None, Some(source)) = (&manifest.main_class, sources.first()) {
        manifest.main_class = Some(source.class.clone());
    }
    let is_main = |name: &String| name == "main";
    let has_main = program.functions.first().is_some_and(|names| names.iter().any(is_main));
    if manifest.entry_point.is_none() && has_main {
        manifest.entry_point = Some("main".to_owned());
    }
    let mut package = Package::new(manifest);
    for (class, (source, module)) in sources.iter().zip(modules).enumerate() {
        let emitted = emit::emit(module, class as u32, vars[class], &program);
        let index = &indices[class];
        let functions = emitted.iter().map(|emitted| lines(emitted, index, &source.text)).collect();
        package.lines.push(ClassLines {
            class: source.class.clone(),
            path: source.path.clone(),
            functions,
        });
        let functions = emitted.into_iter().map(|emitted| emitted.function).collect();
        let file = ClassFile { variant: Variant::Multi, functions };
        package.classes.push(Class { name: source.class.clone(), file });
        package.sources.push(Member::new(format!("{}.ion", source.class), source.text.as_bytes()));
    }
    package
}

/// The line table of a function: an entry wherever the place changes.
fn lines(emitted: &Emitted, index: &LineIndex, text: &str) -> FunctionLines {
    let mut entries: Vec<LineEntry> = Vec::new();
    let mut last = None;
    for (pc, place) in emitted.places.iter().enumerate() {
        if last == Some(*place) {
            continue;
        }
        last = Some(*place);
        let (line, column) = index.position(text, *place);
        entries.push(LineEntry { pc: pc as u32, line, column });
    }
    FunctionLines { entries }
}

/// A class that a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub class: String,
    /// Is it one of the standard library (`import … from "std/…"`)?
    pub std: bool,
}

/// The classes that a source may mean: what it imports, `Name` in `Name.f`, and `"Name"` in
/// `spawn("Name")`.
pub fn named_classes(text: &str) -> Vec<Wanted> {
    let tokens = super::lexer::lex(text).tokens;
    let slice = |at: usize| {
        tokens.get(at).and_then(|token| text.get(token.span.range())).unwrap_or_default()
    };
    let kind = |at: usize| tokens.get(at).map_or(Tok::Eof, |token| token.kind);
    let mut found: Vec<Wanted> = Vec::new();
    let mut add = |class: String, std: bool| {
        let wanted = Wanted { class, std };
        let plain = !wanted.class.is_empty()
            && wanted.class.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain && !found.contains(&wanted) {
            found.push(wanted);
        }
    };
    let mut import = false;
    for at in 0..tokens.len() {
        match kind(at) {
            Tok::Import => import = true,
            Tok::Str => {
                let name = slice(at);
                let name = name.get(1..name.len().max(2) - 1).unwrap_or_default();
                if import {
                    let path = std::borrow::Cow::Borrowed(name);
                    add(resolve::class_of_path(&path).into_owned(), name.starts_with("std/"));
                    import = false;
                } else if at >= 2 && kind(at - 1) == Tok::LParen && slice(at - 2) == "spawn" {
                    add(name.split(['.', ':']).next().unwrap_or_default().to_owned(), false);
                }
            }
            Tok::Semi => import = false,
            Tok::Ident
                if kind(at + 1) == Tok::Dot
                    && slice(at).starts_with(|c: char| c.is_ascii_uppercase()) =>
            {
                add(slice(at).to_owned(), false);
            }
            _ => {}
        }
    }
    found
}
