//! Random programs: verified by construction, mostly meaningful, almost always ending.
//!
//! A program is a few functions that call each other with a depth that only shrinks, loops that
//! count, and jumps anywhere that use up fuel, so that most programs end by themselves; the others
//! are cut off after the same number of slices under every engine. Operands mostly have the kind
//! that an instruction wants, because programs of faults alone would test little.
//!
//! Real time never shows: timeouts are 0 or for ever. In programs that are not racy, at most one
//! process can run at any time, so that no schedule changes what they do.

mod code;
mod function;
mod value;

pub use code::{absolute_targets, takes_turns, timeouts_are_timeless};

use super::compare::Bounds;
use super::rng::Rng;
use function::Writer;
use ion_runtime::bytecode::{Body, ClassFile, Function};
use ion_runtime::ionpack::{Class, Manifest, Package};
use value::Guess;

/// A program and how it is to be compared.
#[derive(Clone, Debug)]
pub struct Program {
    /// The package; it verifies.
    pub package: Package,
    /// Its limits, and whether its processes race.
    pub bounds: Bounds,
}

/// How processes are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Actors {
    /// Only main, which may send to itself.
    None,
    /// A parent waits for each child at once.
    InTurn,
    /// They race.
    Racy,
}

/// What most statements of a program are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Focus {
    /// Everything.
    Anything,
    /// Numbers in loops and calls, as compilers like them best.
    Numbers,
    /// Objects, methods and arrays of numbers.
    Objects,
}

/// What a program is like.
#[derive(Clone, Debug)]
struct Style {
    focus: Focus,
    actors: Actors,
    /// Functions with names of magic methods are put into objects.
    magic: bool,
    /// Percentage of operands of any kind instead of the wanted one.
    ill_kinded: usize,
    /// Percentage of statements that jump anywhere.
    wild: usize,
    /// Weights of the groups of statements.
    weights: Vec<usize>,
    /// Functions that can be called: all but main.
    callees: Vec<Callee>,
}

/// What callers know of a function.
#[derive(Clone, Debug)]
struct Callee {
    /// As in a reference, `CLASS:NAME`.
    name: String,
    /// Wanted kinds of its parameters, the depth excluded.
    params: Vec<Guess>,
    returns: Guess,
    role: Role,
}

/// What sort of function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Takes a depth; calls anything.
    Plain,
    /// Calls itself once, with a counter.
    Recursive,
    /// Takes no depth and calls nothing: a magic method, or a small function to be inlined.
    Leaf,
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let rng = &mut Rng::new(seed);
    let style = style(rng);
    let mut classes = [("Main", Vec::new()), ("Lib", Vec::new())];
    let main = Writer::new(rng, &style, Role::Plain, &[]).main();
    classes[0].1.push(function("main", main));
    for callee in &style.callees {
        let (class, name) = callee.name.split_once(':').unwrap_or(("Main", &callee.name));
        let writer = Writer::new(rng, &style, callee.role, &callee.params);
        let body = writer.function(callee);
        classes[usize::from(class == "Lib")].1.push(function(name, body));
    }
    let manifest = Manifest { main_class: Some("Main".to_owned()), ..Manifest::default() };
    let mut package = Package::new(manifest);
    for (name, functions) in classes {
        if !functions.is_empty() {
            let file = ClassFile::new(functions);
            package.classes.push(Class { name: name.to_owned(), file });
        }
    }
    let bounds = Bounds { racy: style.actors == Actors::Racy, ..Bounds::default() };
    Program { package, bounds }
}

fn function(
    name: &str,
    (arity, extra_regs, code): (u32, u32, Vec<ion_runtime::bytecode::Instr>),
) -> Function {
    Function { name: Some(name.to_owned()), arity, extra_regs, body: Body::Bytecode(code) }
}

fn style(rng: &mut Rng) -> Style {
    let actors = match rng.below(10) {
        0..=5 => Actors::None,
        6..=7 => Actors::InTurn,
        _ => Actors::Racy,
    };
    let mut weights: Vec<usize> = (0..function::GROUPS).map(|_| 1 + rng.below(6)).collect();
    for weight in &mut weights {
        // Some programs leave out whole groups, so that the others meet more often.
        if rng.chance(25) {
            *weight = 0;
        }
    }
    let focus = match rng.below(10) {
        0..=1 => Focus::Numbers,
        2..=3 => Focus::Objects,
        _ => Focus::Anything,
    };
    match focus {
        Focus::Anything => {}
        Focus::Numbers => weights = vec![2, 9, 3, 0, 0, 0, 4, 4, 5, 0, 0, 1, 0, 0, 1],
        Focus::Objects => weights = vec![2, 5, 1, 0, 7, 5, 4, 3, 3, 5, 2, 0, 0, 0, 1],
    }
    let mut style = Style {
        focus,
        actors,
        magic: rng.chance(20),
        ill_kinded: if focus == Focus::Anything {
            *rng.pick(&[0, 0, 2, 10, 30])
        } else {
            *rng.pick(&[0, 0, 0, 1])
        },
        wild: *rng.pick(&[0, 0, 2, 5, 12]),
        weights,
        callees: Vec::new(),
    };
    for i in 0..rng.between(1, 6) {
        let role = *rng.pick(&[
            Role::Plain,
            Role::Plain,
            Role::Plain,
            Role::Recursive,
            Role::Leaf,
            Role::Leaf,
        ]);
        let kind = |rng: &mut Rng| match focus {
            Focus::Anything => Guess::random_param(rng),
            Focus::Numbers => Guess::Number,
            Focus::Objects => {
                *rng.pick(&[Guess::Number, Guess::Object, Guess::Object, Guess::Array])
            }
        };
        let params = (0..rng.below(5)).map(|_| kind(rng)).collect();
        let class = if rng.chance(20) { "Lib" } else { "Main" };
        let returns = kind(rng);
        style.callees.push(Callee { name: format!("{class}:f{i}"), params, returns, role });
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;
    use ion_runtime::bytecode::{
        Style as TextStyle, assemble_package, disassemble_package, verify_package,
    };

    #[test]
    fn programs_are_valid_and_survive_as_text() {
        for seed in 0..300 {
            let package = program(seed).package;
            let report = verify_package(&package, &[]);
            assert!(report.is_ok(), "seed {seed}: {report:?}");
            let text = disassemble_package(&package, TextStyle::Lossless);
            let again = assemble_package(&text).expect("disassembly assembles");
            assert_eq!(package, again, "seed {seed}");
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_program() {
        assert_eq!(program(7).package, program(7).package);
        assert_ne!(program(7).package, program(8).package);
    }

    #[test]
    fn no_program_waits_for_real_time() {
        for seed in 0..300 {
            assert!(timeouts_are_timeless(&program(seed).package), "seed {seed}");
        }
    }
}
