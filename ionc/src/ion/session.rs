//! Sessions: programs that are written piece by piece, each of which runs before the next is known.
//!
//! An input is the body of a function of a class of its own. The variables that it declares outside of
//! inner functions and blocks live in boxes, which are properties of the object that the process of the
//! session keeps, each under a key of its own. Later inputs read them from there; a name that is declared
//! again gets a new box, so what was made of the old one stays as it is.

use super::ast::*;
use super::builtin::{BUILTINS, Natives, SHORT};
use super::diag::Diag;
use super::emit::{self, INPUT};
use super::lexer::lex;
use super::parser::parse;
use super::program::{Options, keep, keep_resolved, package, script, settle};
use super::resolve::{self, Earlier, InputNames, Resolved};
use super::source::{Source, Span};
use super::token::{KEYWORDS, Tok};
use ion_runtime::ionpack::Package;
use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// What earlier inputs have declared.
#[derive(Debug, Default)]
pub struct Session {
    inputs: u32,
    names: Vec<Known>,
    imports: Vec<Imported>,
    /// Names of properties that they protect.
    protected: FxHashSet<String>,
    /// The classes that are loaded.
    classes: Vec<Source>,
}

/// A variable of an earlier input.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    /// Its property.
    key: String,
    constant: Option<&'static str>,
}

/// A name that an earlier input has imported.
#[derive(Clone, Debug)]
struct Imported {
    there: String,
    here: String,
    from: String,
}

/// An input that can run.
#[derive(Debug)]
pub struct Input {
    /// Its class, and classes that it names and that are not loaded yet.
    pub package: Package,
    /// Its class; the function to be called is [`INPUT_FUNCTION`].
    pub class: String,
    names: Vec<Known>,
    imports: Vec<Imported>,
    protected: Vec<String>,
    classes: Vec<Source>,
}

/// Name of the function of an input.
pub const INPUT_FUNCTION: &str = INPUT;

/// What the compiler says to an input.
#[derive(Debug)]
pub struct Checked {
    /// It, if there are no errors.
    pub input: Option<Input>,
    /// Errors and warnings, whose files are `sources`.
    pub diags: Vec<Diag>,
    /// The texts.
    pub sources: Vec<Source>,
}

impl Session {
    /// A session in which the functions and constants of these classes can be used; those of the first by
    /// their bare names. They are loaded already.
    pub fn new(classes: Vec<Source>) -> Session {
        let mut session = Session::default();
        if let Some(first) = classes.first() {
            let module = parse(&first.text).module;
            let functions = module.functions.iter().filter_map(|function| function.name);
            let constants = module.constants.iter().map(|constant| constant.name);
            session.imports = functions
                .chain(constants)
                .map(|name| Imported {
                    there: name.text.to_owned(),
                    here: name.text.to_owned(),
                    from: first.class.clone(),
                })
                .collect();
        }
        session.classes = classes;
        session
    }

    /// Is a class loaded?
    pub fn has_class(&self, class: &str) -> bool {
        self.classes.iter().any(|known| known.class == class)
    }

    /// The names that earlier inputs have declared or imported, sorted.
    pub fn names(&self) -> Vec<&str> {
        let known = self.names.iter().map(|known| known.name.as_str());
        let mut names: Vec<&str> =
            known.chain(self.imports.iter().map(|import| import.here.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// All words that an input may use, sorted: names, `Module.`, and `Module.name` of what modules have.
    pub fn words(&self, natives: &Natives) -> Vec<String> {
        let language = BUILTINS.iter().map(|(name, ..)| *name);
        let short = SHORT.iter().map(|(name, _)| *name);
        let keywords = KEYWORDS.iter().map(|word| word.text().trim_matches('`'));
        let modules = natives.modules().map(|module| format!("{module}."));
        let classes = self.classes.iter().map(|source| format!("{}.", source.class));
        let plain = self.names().into_iter().chain(language).chain(short).chain(keywords);
        let mut words: Vec<String> = plain
            .chain(natives.names())
            .map(str::to_owned)
            .chain(modules)
            .chain(classes)
            .chain(self.members())
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    fn members(&self) -> impl Iterator<Item = String> + '_ {
        self.classes.iter().flat_map(|source| {
            let module = parse(&source.text).module;
            let functions = module.functions.iter().filter_map(|function| function.name);
            let constants = module.constants.iter().map(|constant| constant.name);
            let names: Vec<String> = functions
                .chain(constants)
                .map(|name| format!("{}.{}", source.class, name.text))
                .collect();
            names
        })
    }

    /// Compiles an input. `more`: the classes that it names and that are not loaded yet.
    pub fn compile(&self, text: &str, more: Vec<Source>, natives: &Natives) -> Checked {
        let number = self.inputs + 1;
        let class = format!("Input{number}");
        let mut sources: Vec<Source> = self.classes.to_vec();
        let first_new = sources.len();
        sources.extend(more);
        let text = object_literal(text).unwrap_or_else(|| text.to_owned());
        sources.push(Source::new(class.clone(), format!("input {number}"), text));
        let (diags, made) = self.compile_sources(&sources, first_new, natives);
        let input = made.map(|made| {
            let Made { mut package, names, imports, protected } = made;
            // What is loaded is not loaded again.
            package.classes.drain(..first_new);
            package.lines.drain(..first_new);
            package.sources.clear();
            let classes = sources[first_new..sources.len() - 1].to_vec();
            Input { package, class, names, imports, protected, classes }
        });
        Checked { input, diags, sources }
    }

    /// The input has run to its end: later ones see what it has declared.
    pub fn accept(&mut self, input: Input) {
        for new in input.names {
            self.names.retain(|known| known.name != new.name);
            self.imports.retain(|import| import.here != new.name);
            self.names.push(new);
        }
        for new in input.imports {
            self.names.retain(|known| known.name != new.here);
            self.imports.retain(|import| import.here != new.here);
            self.imports.push(new);
        }
    }

    /// The classes of the input have been loaded, and its number is taken, whether it runs to its end or
    /// not.
    pub fn loaded(&mut self, input: &Input) {
        self.inputs += 1;
        self.classes.extend(input.classes.iter().cloned());
        self.protected.extend(input.protected.iter().cloned());
    }

    fn compile_sources(
        &self,
        sources: &[Source],
        first_new: usize,
        natives: &Natives,
    ) -> (Vec<Diag>, Option<Made>) {
        let mut diags = Vec::new();
        let mut modules: Vec<Module<'_>> = Vec::with_capacity(sources.len());
        let last = sources.len() - 1;
        let mut imports = Vec::new();
        let mut exported = Vec::new();
        for (file, source) in sources.iter().enumerate() {
            let mut parsed = parse(&source.text);
            if file == last {
                imports = imported(&parsed.module);
                exported = body_of_input(&mut parsed.module);
                self.import_earlier(&mut parsed.module);
            } else {
                script(&mut parsed.module, &mut parsed.diags);
            }
            keep(&mut diags, file, parsed.diags);
            modules.push(parsed.module);
        }
        let names = sources.iter().map(|source| source.class.as_str());
        let globals = resolve::index(names.zip(&modules));
        let parse_failed = diags.iter().any(Diag::is_error);
        let earlier: Vec<Earlier<'_>> = self
            .names
            .iter()
            .map(|known| {
                // What this input imports hides it.
                let hidden = imports.iter().any(|import| import.here == known.name);
                let name = if hidden { "" } else { known.name.as_str() };
                Earlier { name, constant: known.constant }
            })
            .collect();
        let ids: Vec<VarId> = exported.iter().map(|(id, ..)| *id).collect();
        let first = modules[last].vars;
        let mut resolved: Vec<Resolved> = Vec::with_capacity(modules.len());
        for (class, module) in modules.iter_mut().enumerate() {
            let input = InputNames { earlier: &earlier, exported: &ids };
            let input = (class == last).then_some(input);
            resolved.push(resolve::resolve_input(module, class as u32, &globals, natives, input));
        }
        keep_resolved(&mut diags, &mut resolved, parse_failed);
        // Others were checked when they were loaded.
        diags.retain(|diag| diag.file >= first_new);
        if !settle(&mut diags) {
            return (diags, None);
        }
        let number = self.inputs + 1;
        let known: Vec<Known> = exported
            .iter()
            .map(|(_, name, constant)| Known {
                name: (*name).to_owned(),
                key: format!("input{number}:{name}"),
                constant: *constant,
            })
            .collect();
        let input = emit::Input {
            class: last as u32,
            first,
            earlier: self.names.iter().map(|known| known.key.clone()).collect(),
            protected: self.protected.clone(),
            exports: ids.into_iter().zip(known.iter().map(|known| known.key.clone())).collect(),
        };
        let options = Options::default();
        let package = package(sources, &modules, &resolved, &globals, &options, Some(input));
        let protected = modules[last].protected.iter().map(|name| name.to_string()).collect();
        (diags, Some(Made { package, names: known, imports, protected }))
    }

    fn import_earlier<'s>(&'s self, module: &mut Module<'s>) {
        for import in &self.imports {
            let taken = |names: &[(Name<'_>, Name<'_>)]| {
                names.iter().any(|(_, here)| here.text == import.here)
            };
            if module.imports.iter().any(|new| taken(&new.names)) {
                continue;
            }
            let name = |text: &'s str| Name { text, span: NOWHERE };
            module.imports.push(Import {
                names: vec![(name(&import.there), name(&import.here))],
                from: Cow::Borrowed(&import.from),
                from_span: NOWHERE,
                span: NOWHERE,
            });
        }
    }
}

/// The text in parentheses, if it makes sense as an object literal only, and not as a block.
fn object_literal(text: &str) -> Option<String> {
    let failed = |text: &str| parse(text).diags.iter().any(Diag::is_error);
    if !text.trim_start().starts_with('{') || !failed(text) {
        return None;
    }
    let wrapped = format!("({}\n)", text.trim_end().trim_end_matches(';'));
    (!failed(&wrapped)).then_some(wrapped)
}

struct Made {
    package: Package,
    names: Vec<Known>,
    imports: Vec<Imported>,
    protected: Vec<String>,
}

/// The place of what is not in the text.
const NOWHERE: Span = Span { start: u32::MAX, end: u32::MAX };

fn imported(module: &Module<'_>) -> Vec<Imported> {
    let names = |import: &Import<'_>| {
        let one = |(there, here): &(Name<'_>, Name<'_>)| Imported {
            there: there.text.to_owned(),
            here: here.text.to_owned(),
            from: import.from.to_string(),
        };
        import.names.iter().map(one).collect::<Vec<_>>()
    };
    module.imports.iter().flat_map(names).collect()
}

/// Makes everything in the module the body of one function; gives the variables that it declares, with
/// name and what to call it if it may not be assigned.
fn body_of_input<'s>(module: &mut Module<'s>) -> Vec<(VarId, &'s str, Option<&'static str>)> {
    let mut stmts = std::mem::take(&mut module.script);
    for constant in std::mem::take(&mut module.constants) {
        let Body::Expr(init) = constant.init.body else { continue };
        let Name { text, span } = constant.name;
        let var = fresh(module);
        let pattern = Pattern { kind: PatternKind::Bind { name: text, var }, span };
        let kind = StmtKind::Let { pattern, init: Some(*init), constant: true };
        stmts.push(Stmt { kind, span: constant.init.span });
    }
    for function in std::mem::take(&mut module.functions) {
        let span = function.span;
        let kind = StmtKind::Function { var: fresh(module), function: Box::new(function) };
        stmts.push(Stmt { kind, span });
    }
    stmts.sort_by_key(|stmt| stmt.span);
    // The value of the last one is that of the input.
    if let Some(last) = stmts.last_mut()
        && let StmtKind::Expr(_) = last.kind
        && let StmtKind::Expr(value) = std::mem::replace(&mut last.kind, StmtKind::Empty)
    {
        last.kind = StmtKind::Return(Some(value));
    }
    let mut declared = Vec::new();
    stmts.iter().for_each(|stmt| declare(stmt, &mut declared));
    let span = match (stmts.first(), stmts.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => Span::new(0, 0),
    };
    module.functions.push(Function {
        name: Some(Name { text: INPUT, span: NOWHERE }),
        kind: FunctionKind::Plain,
        params: Vec::new(),
        body: Body::Block(Block { stmts, span }),
        head: Span::new(span.start, span.start),
        span,
        captures: Vec::new(),
        this_var: None,
    });
    declared
}

fn fresh(module: &mut Module<'_>) -> VarId {
    module.vars += 1;
    module.vars - 1
}

fn declare<'s>(stmt: &Stmt<'s>, declared: &mut Vec<(VarId, &'s str, Option<&'static str>)>) {
    match &stmt.kind {
        StmtKind::Let { pattern, constant, .. } => {
            let constant = constant.then_some("a constant");
            names(pattern, &mut |id, name| declared.push((id, name, constant)));
        }
        StmtKind::Function { var, function } => {
            if let Some(name) = function.name {
                declared.push((*var, name.text, Some("a function")));
            }
        }
        StmtKind::Several(all) => all.iter().for_each(|stmt| declare(stmt, declared)),
        _ => {}
    }
}

fn names<'s>(pattern: &Pattern<'s>, found: &mut dyn FnMut(VarId, &'s str)) {
    match &pattern.kind {
        PatternKind::Bind { name, var } => found(*var, name),
        PatternKind::Tuple(items) => items.iter().for_each(|item| names(item, found)),
        PatternKind::Array { items, rest } => {
            items.iter().chain(rest.as_deref()).for_each(|item| names(item, found));
        }
        PatternKind::Object(items) => items.iter().for_each(|(_, item)| names(item, found)),
        PatternKind::Or(items) => items.iter().take(1).for_each(|item| names(item, found)),
        PatternKind::Wildcard | PatternKind::Literal(_) => {}
    }
}

/// Does the text break off, so that the next line belongs to it? It does if a bracket, a template or a
/// comment is open, or the last word asks for more.
pub fn is_incomplete(text: &str) -> bool {
    let lexed = lex(text);
    // A string ends with its line in any case.
    let open = |diag: &Diag| {
        ["comment is never closed", "template is never closed"].contains(&diag.message.as_str())
    };
    if lexed.diags.iter().any(open) {
        return true;
    }
    let mut depth = 0i64;
    for token in &lexed.tokens {
        match token.kind {
            Tok::LParen | Tok::LBracket | Tok::LBrace | Tok::TemplateHead => depth += 1,
            Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::TemplateTail => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            // A mistake that more text does not mend.
            return false;
        }
    }
    let last = lexed.tokens.iter().rev().find(|token| token.kind != Tok::Eof);
    depth > 0 || last.is_some_and(|last| last.kind.asks_for_more())
}
