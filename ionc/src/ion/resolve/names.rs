//! Names that are not local: functions, constants and classes of the program, the library.

use super::*;
use ion_runtime::natives::Arity;
use std::borrow::Cow;

/// What a class offers to others.
#[derive(Debug, Default)]
pub struct ClassInfo<'s> {
    /// Its name.
    pub name: String,
    /// Functions: index in the module.
    functions: FxHashMap<&'s str, u32>,
    /// For each function its name, and least and most arguments.
    counts: Vec<(&'s str, usize, usize)>,
    constants: FxHashMap<&'s str, u32>,
    /// Names that it imports: class and name there, and the place.
    imports: FxHashMap<&'s str, (Cow<'s, str>, &'s str)>,
    spans: FxHashMap<&'s str, Span>,
}

/// All classes of the program.
#[derive(Debug, Default)]
pub struct Globals<'s> {
    classes: Vec<ClassInfo<'s>>,
    by_name: FxHashMap<String, u32>,
}

/// Indexes the modules of a program: class name and module each.
pub fn index<'m, 's: 'm>(
    modules: impl IntoIterator<Item = (&'m str, &'m Module<'s>)>,
) -> Globals<'s> {
    let mut globals = Globals::default();
    for (name, module) in modules {
        let mut class = ClassInfo { name: name.to_owned(), ..ClassInfo::default() };
        for (i, function) in module.functions.iter().enumerate() {
            let name = function.name.map_or("", |name| name.text);
            let least = function.params.iter().rposition(|param| param.default.is_none());
            class.counts.push((name, least.map_or(0, |at| at + 1), function.params.len()));
            class.functions.entry(name).or_insert(i as u32);
            class.spans.entry(name).or_insert(function.head);
            if let Some(name) = function.name {
                class.spans.insert(name.text, name.span);
            }
        }
        for (i, constant) in module.constants.iter().enumerate() {
            class.constants.entry(constant.name.text).or_insert(i as u32);
            class.spans.entry(constant.name.text).or_insert(constant.name.span);
        }
        for import in &module.imports {
            for (there, here) in &import.names {
                let target = (class_of_path(&import.from), there.text);
                class.imports.entry(here.text).or_insert(target);
            }
        }
        globals.by_name.insert(name.to_owned(), globals.classes.len() as u32);
        globals.classes.push(class);
    }
    globals
}

/// The class that an import names: `std/supervisor` is `Supervisor`, `./Utils.ion` is `Utils`.
pub fn class_of_path<'p>(path: &Cow<'p, str>) -> Cow<'p, str> {
    let last = path.rsplit('/').next().unwrap_or(path);
    let last = last.strip_suffix(".ion").unwrap_or(last);
    if path.starts_with("std/") {
        let mut chars = last.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        return Cow::Owned(first.into_iter().chain(chars).collect());
    }
    Cow::Owned(last.to_owned())
}

impl<'s> Globals<'s> {
    fn class(&self, name: &str) -> Option<(u32, &ClassInfo<'s>)> {
        let number = *self.by_name.get(name)?;
        Some((number, &self.classes[number as usize]))
    }

    /// The name of a class.
    pub fn class_name(&self, class: u32) -> &str {
        &self.classes[class as usize].name
    }

    /// What `name` means in class number `class`.
    fn item(&self, class: u32, name: &str) -> Option<Res> {
        let info = &self.classes[class as usize];
        if let Some(function) = info.functions.get(name) {
            return Some(Res::Function(class, *function));
        }
        info.constants.get(name).map(|constant| Res::Constant(class, *constant))
    }

    /// Name of a function, and least and most arguments.
    fn counts(&self, class: u32, function: u32) -> Option<(&'s str, usize, usize)> {
        self.classes[class as usize].counts.get(function as usize).copied()
    }

    fn names_of(&self, class: u32) -> Vec<&'s str> {
        let info = &self.classes[class as usize];
        let mut names: Vec<&str> =
            info.functions.keys().chain(info.constants.keys()).copied().collect();
        names.sort_unstable();
        names
    }
}

/// `Worker` with a small first letter.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

impl<'s> Resolver<'_, 's> {
    /// What a name means.
    pub(super) fn name(&mut self, name: &'s str, span: Span) -> Res {
        if let Some(id) = self.local(name, span) {
            self.capture(id);
            return Res::Local(id);
        }
        if let Some(res) = self.global(name) {
            return res;
        }
        if let Some((_, builtin, ..)) = BUILTINS.iter().find(|(known, ..)| *known == name) {
            return Res::Builtin(*builtin);
        }
        if let Some((_, full)) = SHORT.iter().find(|(known, _)| *known == name) {
            return Res::Native((*full).to_owned());
        }
        if !name.contains('.')
            && let Some(native) = self.natives.find(name)
        {
            return Res::Native(native.name.clone());
        }
        self.unknown_name(name, span);
        Res::None
    }

    /// A function, constant or class of the program, imported names included.
    fn global(&mut self, name: &'s str) -> Option<Res> {
        if let Some(res) = self.globals.item(self.class, name) {
            return Some(res);
        }
        let imports = &self.globals.classes[self.class as usize].imports;
        let (class, there) = imports.get(name)?;
        self.used_imports.insert(name);
        // A class that is missing was reported with the import.
        let Some((number, _)) = self.globals.class(class) else { return Some(Res::None) };
        // What is not there was reported with the import.
        Some(self.globals.item(number, there).unwrap_or(Res::None))
    }

    fn unknown_name(&mut self, name: &'s str, span: Span) {
        let is_class = self.globals.by_name.contains_key(name);
        if is_class || self.natives.has_module(name) {
            let what = if is_class { "class" } else { "library module" };
            let diag = Diag::error(span, format!("the {what} `{name}` is not a value"))
                .label("used as a value");
            self.report(diag.help(format!("name something in it: `{name}.name`")));
            return;
        }
        let mut near: Vec<&str> =
            self.names.iter().filter(|(_, list)| !list.is_empty()).map(|(name, _)| *name).collect();
        near.extend(self.globals.names_of(self.class));
        near.extend(self.globals.classes[self.class as usize].imports.keys());
        near.sort_unstable();
        near.extend(BUILTINS.iter().map(|(name, ..)| *name));
        near.extend(SHORT.iter().map(|(name, _)| *name));
        let mut help = near_help(name, near);
        if help.is_none() {
            // A function of another class or of the library?
            let suffix = format!(".{}", name.to_lowercase());
            let others =
                self.globals.classes.iter().filter(|class| class.functions.contains_key(name));
            let mut found: Vec<String> =
                others.map(|class| format!("{}.{name}", class.name)).collect();
            found.extend(
                self.natives
                    .names()
                    .filter(|full| full.to_lowercase().ends_with(&suffix))
                    .map(str::to_owned),
            );
            found.truncate(3);
            let quoted: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
            help = (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")));
        }
        let help =
            help.unwrap_or_else(|| format!("declare it with `const {name} = …`, or import it"));
        let diag = Diag::error(span, format!("unknown name `{name}`")).label("not found");
        self.report(diag.help(help));
    }

    /// `object.name`: a property, or something in a class or in the library.
    pub(super) fn member(&mut self, expr: &mut Expr<'s>) {
        let ExprKind::Member { object, name, res } = &mut expr.kind else { return };
        if let ExprKind::Name { name: module, res: module_res } = &mut object.kind
            && self.names.get(module).is_none_or(Vec::is_empty)
            && self.global(module).is_none()
        {
            if let Some((class, _)) = self.globals.class(module) {
                *module_res = Res::Class(class);
                *res = self.class_member(class, *name);
                return;
            }
            if self.natives.has_module(module) {
                *module_res = Res::Library;
                *res = self.library_member(module, *name);
                if let Some(value) = constant(module, name.text) {
                    expr.kind = ExprKind::Number(value);
                }
                return;
            }
            if module.starts_with(|c: char| c.is_ascii_uppercase()) {
                let mut known: Vec<&str> =
                    self.globals.by_name.keys().map(String::as_str).collect();
                known.extend(self.natives.modules());
                known.sort_unstable();
                known.dedup();
                let help = near_help(module, known.iter().copied()).unwrap_or_else(|| {
                    format!(
                        "put it into a file `{module}.ion` beside this one, or check the spelling"
                    )
                });
                let diag = Diag::error(
                    object.span,
                    format!("there is no class or library module `{module}`"),
                );
                self.report(diag.label("not found").help(help));
                return;
            }
        }
        self.expr(object);
    }

    fn class_member(&mut self, class: u32, name: Name<'s>) -> Res {
        if let Some(res) = self.globals.item(class, name.text) {
            return res;
        }
        let class_name = self.globals.class_name(class).to_owned();
        let known = self.globals.names_of(class);
        let help = near_help(name.text, known.iter().copied())
            .unwrap_or_else(|| list_help("it has", &known));
        let message = format!("class `{class_name}` has no function or constant `{}`", name.text);
        self.report(Diag::error(name.span, message).label("not found").help(help));
        Res::None
    }

    fn library_member(&mut self, module: &str, name: Name<'s>) -> Res {
        let full = format!("{module}.{}", name.text);
        if let Some(native) = self.natives.find(&full) {
            return Res::Native(native.name.clone());
        }
        if constant(module, name.text).is_some() {
            return Res::Library;
        }
        let prefix = format!("{module}.");
        let mut known: Vec<&str> =
            self.natives.names().filter(|known| known.starts_with(&prefix)).collect();
        known.extend(CONSTANTS.iter().filter(|known| known.starts_with(&prefix)));
        let short: Vec<&str> = known.iter().map(|known| &known[prefix.len()..]).collect();
        let help = near_help(name.text, short.iter().copied())
            .unwrap_or_else(|| list_help("it has", &short));
        let diag =
            Diag::error(name.span, format!("the library has no `{full}`")).label("not found");
        self.report(diag.help(help));
        Res::None
    }

    /// A call: `spawn` takes the name of a class or function as a string.
    pub(super) fn call(&mut self, expr: &mut Expr<'s>) {
        let span = expr.span;
        let ExprKind::Call { callee, args } = &mut expr.kind else { return };
        match &mut callee.kind {
            ExprKind::Name { name, res } => *res = self.name(name, callee.span),
            _ => self.expr(callee),
        }
        let builtin = match &callee.kind {
            ExprKind::Name { res: Res::Builtin(builtin), .. } => Some(*builtin),
            _ => None,
        };
        if builtin == Some(Builtin::Receive) {
            self.frame().receives += 1;
        }
        if builtin == Some(Builtin::Spawn)
            && let Some(first) = args.first_mut()
            && let ExprKind::Str(name) = &first.kind
        {
            let name = name.clone();
            let res = self.spawned(&name, first.span);
            first.kind = ExprKind::Name { name: "", res };
            args[1..].iter_mut().for_each(|arg| self.expr(arg));
        } else {
            args.iter_mut().for_each(|arg| self.expr(arg));
        }
        let count = args.len();
        self.check_call(callee, count, span);
        if let Some(builtin) = builtin {
            self.check_builtin(builtin, args);
        }
    }

    /// The function that `spawn("Name", …)` means.
    fn spawned(&mut self, name: &str, span: Span) -> Res {
        let of_input = |name: &str| {
            let id = *self.names.get(name)?.last()?;
            self.out.vars[id as usize].earlier.then_some(id)
        };
        if let Some(id) = of_input(name).or_else(|| of_input(&lower_first(name))) {
            self.capture(id);
            return Res::Local(id);
        }
        if let Some((class, info)) = self.globals.class(name) {
            let found =
                info.functions.get(lower_first(name).as_str()).or_else(|| info.functions.get(name));
            if let Some(function) = found {
                return Res::Function(class, *function);
            }
        }
        let info = &self.globals.classes[self.class as usize];
        let own = info
            .functions
            .get_key_value(name)
            .or_else(|| info.functions.get_key_value(lower_first(name).as_str()));
        if let Some((_, function)) = own {
            return Res::Function(self.class, *function);
        }
        let imported = info.imports.get(name).cloned();
        if let Some((class, there)) = imported
            && let Some((number, _)) = self.globals.class(&class)
            && let Some(res @ Res::Function(..)) = self.globals.item(number, there)
        {
            return res;
        }
        if let Some((class, function)) = name.rsplit_once(['.', ':'])
            && let Some((number, _)) = self.globals.class(class)
            && let Some(res @ Res::Function(..)) = self.globals.item(number, function)
        {
            return res;
        }
        let mut known: Vec<&str> = self.globals.by_name.keys().map(String::as_str).collect();
        known.extend(self.globals.names_of(self.class));
        known.sort_unstable();
        known.dedup();
        let help = near_help(name, known.iter().copied())
            .unwrap_or_else(|| list_help("there are", &known));
        let diag = Diag::error(span, format!("there is no class or function `{name}` to spawn"));
        self.report(diag.label("not found").help(help));
        Res::None
    }

    /// The target of an assignment. `reads`: the old value matters.
    pub(super) fn assign(&mut self, target: &mut Expr<'s>, reads: bool) {
        let span = target.span;
        let ExprKind::Name { name, res } = &mut target.kind else {
            self.expr(target);
            if let ExprKind::Member {
                res: Res::Function(..) | Res::Constant(..) | Res::Native(_),
                ..
            } = &target.kind
            {
                let diag = Diag::error(span, "cannot assign to a function or constant of a class");
                self.report(
                    diag.label("not a variable").help(
                        "processes share nothing: keep state in a process and send it messages",
                    ),
                );
            }
            return;
        };
        if let Some(id) = self.local(name, span) {
            let used = self.out.vars[id as usize].used;
            self.capture(id);
            let var = self.var(id);
            var.assigned = true;
            var.used = used || reads;
            *res = Res::Local(id);
            if let Some(what) = var.constant {
                let declared = (!var.earlier).then_some(var.span);
                let help =
                    if what == "a constant" { "declare it with `let`" } else { "use another name" };
                let mut diag = Diag::error(span, format!("cannot assign to `{name}`, {what}"))
                    .label("assigned here")
                    .help(help);
                diag.also = declared.map(|declared| (declared, "declared here".to_owned()));
                self.report(diag);
            }
            return;
        }
        let (name, known) = (*name, self.global(name).is_some());
        if known {
            let diag = Diag::error(
                span,
                format!("cannot assign to `{name}`: it is a function or constant of the class"),
            );
            self.report(
                diag.label("not a variable")
                    .help("processes share nothing: keep state in a process and send it messages"),
            );
        } else {
            *res = self.name(name, span);
            if !matches!(res, Res::None) {
                let diag = Diag::error(
                    span,
                    format!("cannot assign to `{name}`: it belongs to the language"),
                );
                self.report(diag.label("not a variable").help("use another name"));
            }
        }
    }

    // Checks of the module as a whole.

    pub(super) fn check_items(&mut self, module: &Module<'s>) {
        let mut seen: FxHashMap<&str, Span> = FxHashMap::default();
        let functions = module.functions.iter().filter_map(|function| function.name);
        let constants = module.constants.iter().map(|constant| constant.name);
        let imports =
            module.imports.iter().flat_map(|import| import.names.iter().map(|(_, here)| *here));
        let mut all: Vec<Name<'s>> = functions.chain(constants).chain(imports).collect();
        all.sort_by_key(|name| name.span);
        for name in all {
            if let Some(first) = seen.insert(name.text, name.span) {
                self.report(
                    Diag::error(
                        name.span,
                        format!("`{}` is declared twice in this file", name.text),
                    )
                    .label("again")
                    .also(first, "first here")
                    .help("rename one of them"),
                );
            }
        }
    }

    pub(super) fn check_imports(&mut self, module: &Module<'s>) {
        for import in &module.imports {
            let class = class_of_path(&import.from);
            let Some((number, _)) = self.globals.class(&class) else {
                let mut known: Vec<&str> =
                    self.globals.by_name.keys().map(String::as_str).collect();
                known.sort_unstable();
                let help = near_help(&class, known.iter().copied()).unwrap_or_else(|| match import
                    .from
                    .starts_with("std/")
                {
                    true => format!(
                        "the standard modules are {}",
                        super::super::std_modules().join(", ")
                    ),
                    false => format!("there must be a file `{class}.ion` beside this one"),
                });
                let diag = Diag::error(import.from_span, format!("there is no class `{class}`"));
                self.report(diag.label("not found").help(help));
                continue;
            };
            for (there, here) in &import.names {
                if matches!(self.class_member(number, *there), Res::None) {
                    continue;
                }
                if self.input.is_none() && !self.used_imports.contains(here.text) {
                    let diag = Diag::warning(
                        here.span,
                        format!("`{}` is imported and never used", here.text),
                    );
                    self.report(diag.label("not used").help("remove it from the import"));
                }
            }
        }
    }

    fn check_call(&mut self, callee: &Expr<'s>, count: usize, span: Span) {
        let res = match &callee.kind {
            ExprKind::Name { res, .. } | ExprKind::Member { res, .. } => res,
            _ => return,
        };
        match res {
            Res::Function(class, function) => {
                let Some((name, least, most)) = self.globals.counts(*class, *function) else {
                    return;
                };
                if (least..=most).contains(&count) {
                    return;
                }
                let wants = if least == most {
                    plural(least, "argument")
                } else {
                    format!("{least} to {most} arguments")
                };
                let mut diag = Diag::warning(
                    span,
                    format!("`{name}` takes {wants}, this call has {}", none(count)),
                );
                diag.label = if count < least {
                    "the others are undefined".to_owned()
                } else {
                    "too many".to_owned()
                };
                if *class == self.class
                    && let Some(declared) = self.globals.classes[*class as usize].spans.get(name)
                {
                    diag.also = Some((*declared, "declared here".to_owned()));
                }
                let help = if count < least {
                    "pass all of them, or give the parameters defaults"
                } else {
                    "remove what the function does not take"
                };
                self.report(diag.help(help));
            }
            Res::Native(name) => {
                let Some(native) = self.natives.find(name) else { return };
                if !native.arity.accepts(count) {
                    let takes = match native.arity {
                        Arity::Exact(count) => plural(count as usize, "argument"),
                        Arity::AtLeast(least) => {
                            format!("at least {}", plural(least as usize, "argument"))
                        }
                        Arity::Between(least, most) => format!("{least} to {most} arguments"),
                    };
                    let message = format!("`{name}` takes {takes}, this call has {}", none(count));
                    let help = format!("see `ionc natives {name}`");
                    self.report(
                        Diag::error(span, message).label("wrong number of arguments").help(help),
                    );
                }
            }
            Res::Builtin(builtin) => {
                let row = BUILTINS.iter().find(|(_, known, ..)| known == builtin);
                let Some((name, _, least, most, form)) = row else { return };
                if !(*least..=*most).contains(&count) {
                    let takes = if least == most {
                        plural(*least, "argument")
                    } else {
                        format!("{least} to {most} arguments")
                    };
                    let message = format!("`{name}` takes {takes}, this call has {}", none(count));
                    let diag = Diag::error(span, message).label("wrong number of arguments");
                    self.report(diag.help(format!("write `{form}`")));
                }
            }
            _ => {}
        }
    }
}

pub(super) fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// A number in words if it is none.
fn none(count: usize) -> String {
    if count == 0 { "none".to_owned() } else { count.to_string() }
}

fn list_help(lead: &str, names: &[&str]) -> String {
    const MOST: usize = 12;
    match names {
        [] => "it is empty".to_owned(),
        _ if names.len() <= MOST => format!("{lead} {}", names.join(", ")),
        _ => format!("{lead} {}, … ({} in all)", names[..MOST].join(", "), names.len()),
    }
}
