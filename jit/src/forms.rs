//! Both forms of a function, ready to be lowered.
//!
//! The entry form comes first: its inference says what registers hold wherever a record may go on.
//! The resume form is then built with these facts.
//!
//! Invariant: the resume form's states go on only at points of the entry form, since it knows at
//! least as much.

use crate::build::{Shape, Source, TooLarge, build};
use crate::infer::{Passed, ResumeFacts, infer};
use crate::ir::Function;
use crate::kinds::Facts;
use crate::points::Mode;
use crate::simplify;
use ion_runtime::program::FuncId;

/// The entry form and what follows from it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The function.
    pub function: Function,
    /// Where records of the function may go on, and with what.
    pub resume: ResumeFacts,
}

/// Builds the entry form.
pub fn entry_form(
    source: Source<'_>,
    func: FuncId,
    mode: Mode,
    facts: &dyn Facts,
    passed: Passed<'_>,
) -> Result<Entry, TooLarge> {
    let mut built = build(source, func, mode, Shape::Entry)?;
    simplify::remove_trivial_params(&mut built.function, &mut built.envs);
    let inference = infer(&built.function, facts, passed);
    let mut resume = ResumeFacts::new(&built.envs, &inference);
    let mut function = built.function;
    simplify::specialise(&mut function, &inference, facts);
    simplify::clean(&mut function);
    resume.keep_used(&function);
    debug_check(&function, source);
    Ok(Entry { function, resume })
}

/// Builds the resume form.
pub fn resume_form(
    source: Source<'_>,
    func: FuncId,
    mode: Mode,
    facts: &dyn Facts,
    resume: &ResumeFacts,
) -> Result<Function, TooLarge> {
    let mut function = build(source, func, mode, Shape::Resume(resume))?.function;
    simplify::remove_trivial_params(&mut function, &mut []);
    let inference = infer(&function, facts, Passed::ANYTHING);
    simplify::specialise(&mut function, &inference, facts);
    simplify::clean(&mut function);
    debug_check(&function, source);
    Ok(function)
}

fn debug_check(function: &Function, source: Source<'_>) {
    if cfg!(debug_assertions) {
        let own = |func| (func == function.func).then_some(source);
        if let Err(error) = crate::check::verify(function, own) {
            panic!("{error}\n{function}");
        }
    }
}
