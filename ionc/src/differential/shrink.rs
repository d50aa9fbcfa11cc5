//! Makes a failing program small.
//!
//! Every step is a change that makes the program simpler by a fixed measure; it is kept if the
//! result still verifies and still fails in the same way. Steps are tried from coarse to fine until
//! none helps any more, so the order of steps matters for speed only.

use super::generate::absolute_targets;
use ion_runtime::bytecode::ops::{
    Arms, Captures, ConstOperand, Instr, Offset, ProcessNumber, PropValue, Props, Reg, RegList,
};
use ion_runtime::bytecode::ops::{Dst, Scope, Src};
use ion_runtime::bytecode::{Body, ConstValue, verify_package};
use ion_runtime::ion_ops;
use ion_runtime::ionpack::Package;

/// Shrinks `package`; `fails` says whether a candidate, which verifies, still fails in the same
/// way. Stops early when `enough` says so.
pub fn shrink(
    package: &Package,
    mut fails: impl FnMut(&Package) -> bool,
    mut enough: impl FnMut() -> bool,
) -> Package {
    let mut best = package.clone();
    loop {
        let mut better = false;
        let mut attempt = |best: &mut Package, candidate: Package| {
            if candidate == *best || verify_package(&candidate, &[]).is_err() || !fails(&candidate)
            {
                return false;
            }
            *best = candidate;
            better = true;
            true
        };
        for pass in [functions, chunks, instructions, operands, registers] {
            pass(&mut best, &mut attempt, &mut enough);
            if enough() {
                return best;
            }
        }
        if !better {
            return best;
        }
    }
}

type Attempt<'a> = dyn FnMut(&mut Package, Package) -> bool + 'a;
type Enough<'a> = dyn FnMut() -> bool + 'a;

/// The functions: class and place in it.
fn places(package: &Package) -> Vec<(usize, usize)> {
    let classes = package.classes.iter().enumerate();
    classes.flat_map(|(c, class)| (0..class.file.functions.len()).map(move |f| (c, f))).collect()
}

fn code(package: &Package, (class, function): (usize, usize)) -> &[Instr] {
    match &package.classes[class].file.functions[function].body {
        Body::Bytecode(code) => code,
        Body::Native(_) => &[],
    }
}

fn with_code(package: &Package, (class, function): (usize, usize), code: Vec<Instr>) -> Package {
    let mut package = package.clone();
    package.classes[class].file.functions[function].body = Body::Bytecode(code);
    package
}

/// Removes or empties whole functions.
fn functions(best: &mut Package, attempt: &mut Attempt<'_>, enough: &mut Enough<'_>) {
    for place in places(best).into_iter().rev() {
        if enough() {
            return;
        }
        let mut without = best.clone();
        without.classes[place.0].file.functions.remove(place.1);
        if without.classes[place.0].file.functions.is_empty() {
            without.classes.remove(place.0);
        }
        if !attempt(best, without) && !code(best, place).is_empty() {
            let empty = with_code(best, place, Vec::new());
            attempt(best, empty);
        }
    }
}

/// Removes runs of instructions, long ones first.
fn chunks(best: &mut Package, attempt: &mut Attempt<'_>, enough: &mut Enough<'_>) {
    for place in places(best) {
        let mut size = code(best, place).len();
        while size > 0 {
            let mut end = code(best, place).len();
            while end > 0 {
                if enough() {
                    return;
                }
                let start = end.saturating_sub(size);
                let shorter = without(code(best, place), start, end);
                let candidate = with_code(best, place, shorter);
                attempt(best, candidate);
                end = start.min(code(best, place).len());
            }
            size /= 2;
        }
    }
}

/// The code without the instructions `start..end`; jumps to them lead behind them.
fn without(code: &[Instr], start: usize, end: usize) -> Vec<Instr> {
    let moved = |index: usize| match index {
        index if index < start => index,
        index if index < end => start,
        index => index - (end - start),
    };
    let mut shorter = Vec::with_capacity(code.len());
    for (index, instr) in code.iter().enumerate() {
        if (start..end).contains(&index) {
            continue;
        }
        let mut targets = absolute_targets(instr, index).into_iter();
        let mut instr = instr.clone();
        let place = shorter.len();
        set_offsets(&mut instr, || {
            let target = targets.next().unwrap_or(place);
            moved(target) as i32 - place as i32
        });
        shorter.push(instr);
    }
    shorter
}

fn set_offsets(instr: &mut Instr, mut next: impl FnMut() -> i32) {
    match instr {
        Instr::Jump { offset }
        | Instr::JumpIfTrue { offset, .. }
        | Instr::JumpIfFalse { offset, .. } => {
            offset.0 = next();
        }
        Instr::Match { arms: Arms(arms), .. } => {
            arms.iter_mut().for_each(|(_, offset)| offset.0 = next())
        }
        _ => {}
    }
}

/// Replaces instructions by simpler ones.
fn instructions(best: &mut Package, attempt: &mut Attempt<'_>, enough: &mut Enough<'_>) {
    for place in places(best) {
        for index in 0..code(best, place).len() {
            for simpler in simpler_instructions(&code(best, place)[index]) {
                if enough() {
                    return;
                }
                let mut changed = code(best, place).to_vec();
                changed[index] = simpler;
                let candidate = with_code(best, place, changed);
                if attempt(best, candidate) {
                    break;
                }
            }
        }
    }
}

/// Other instructions that might do.
fn simpler_instructions(instr: &Instr) -> Vec<Instr> {
    let load = |dst: Dst, value: ConstValue| Instr::LoadConst { dst, value: ConstOperand(value) };
    match instr {
        Instr::JumpIfTrue { offset, .. } | Instr::JumpIfFalse { offset, .. } => {
            vec![Instr::Jump { offset: *offset }]
        }
        Instr::Match { arms: Arms(arms), .. } => {
            arms.iter().map(|(_, offset)| Instr::Jump { offset: *offset }).collect()
        }
        Instr::LoadConst { .. } | Instr::Jump { .. } | Instr::Nop {} => Vec::new(),
        Instr::SelectWithKill { dst, processes } => {
            vec![Instr::Select { dst: *dst, processes: processes.clone() }]
        }
        Instr::Move { dst, .. } => vec![load(*dst, ConstValue::Number(1.0))],
        other => match written(other) {
            Some(dst) => vec![
                load(dst, ConstValue::Number(1.0)),
                load(dst, ConstValue::Undefined),
                load(dst, ConstValue::Boolean(true)),
            ],
            None => Vec::new(),
        },
    }
}

/// The register that an instruction other than a load writes, if it is only one.
fn written(instr: &Instr) -> Option<Dst> {
    struct Seen(Option<Reg>);
    impl ion_runtime::bytecode::Visitor for Seen {
        fn write(&mut self, reg: Reg) {
            self.0 = Some(reg);
        }
    }
    let mut seen = Seen(None);
    instr.visit(&mut seen);
    seen.0.map(Dst)
}

/// Makes constants, lists, arms, properties and captures smaller.
fn operands(best: &mut Package, attempt: &mut Attempt<'_>, enough: &mut Enough<'_>) {
    for place in places(best) {
        for index in 0..code(best, place).len() {
            let mut again = true;
            while std::mem::take(&mut again) {
                for simpler in smaller_operands(&code(best, place)[index]) {
                    if enough() {
                        return;
                    }
                    let mut changed = code(best, place).to_vec();
                    changed[index] = simpler;
                    let candidate = with_code(best, place, changed);
                    if attempt(best, candidate) {
                        again = true;
                        break;
                    }
                }
            }
        }
    }
}

/// The list without each of its items, one at a time.
fn omissions<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let omit = |at: usize| {
        let mut fewer = items.to_vec();
        fewer.remove(at);
        fewer
    };
    (0..items.len()).rev().map(omit).collect()
}

fn smaller_operands(instr: &Instr) -> Vec<Instr> {
    let mut variants = Vec::new();
    let mut with = |change: &dyn Fn(&mut Instr)| {
        let mut changed = instr.clone();
        change(&mut changed);
        variants.push(changed);
    };
    match instr {
        Instr::LoadConst { value, .. } => {
            for simpler in smaller_constants(&value.0) {
                with(&|instr| {
                    if let Instr::LoadConst { value, .. } = instr {
                        value.0 = simpler.clone();
                    }
                });
            }
        }
        Instr::Call { args: RegList(regs), .. }
        | Instr::Spawn { args: RegList(regs), .. }
        | Instr::Select { processes: RegList(regs), .. }
        | Instr::SelectWithKill { processes: RegList(regs), .. }
        | Instr::ArrayInit { elements: RegList(regs), .. } => {
            for fewer in omissions(regs) {
                with(&|instr| {
                    if let Instr::Call { args: list, .. }
                    | Instr::Spawn { args: list, .. }
                    | Instr::Select { processes: list, .. }
                    | Instr::SelectWithKill { processes: list, .. }
                    | Instr::ArrayInit { elements: list, .. } = instr
                    {
                        list.0 = fewer.clone();
                    }
                });
            }
        }
        Instr::Match { arms: Arms(arms), .. } => {
            for fewer in omissions(arms) {
                with(&|instr| {
                    if let Instr::Match { arms, .. } = instr {
                        arms.0 = fewer.clone();
                    }
                });
            }
        }
        Instr::ObjectInit { props: Props(props), .. } => {
            for fewer in omissions(props) {
                with(&|instr| {
                    if let Instr::ObjectInit { props, .. } = instr {
                        props.0 = fewer.clone();
                    }
                });
            }
            for (at, prop) in props.iter().enumerate() {
                let PropValue::Const(value) = &prop.value else { continue };
                for simpler in smaller_constants(value) {
                    with(&|instr| {
                        if let Instr::ObjectInit { props, .. } = instr {
                            props.0[at].value = PropValue::Const(simpler.clone());
                        }
                    });
                }
            }
        }
        Instr::MakeClosure { captures: Captures(captures), .. } => {
            for fewer in omissions(captures) {
                with(&|instr| {
                    if let Instr::MakeClosure { captures, .. } = instr {
                        captures.0 = fewer.clone();
                    }
                });
            }
        }
        _ => {}
    }
    variants
}

/// How complicated a constant is.
fn weight(value: &ConstValue) -> usize {
    match value {
        ConstValue::Undefined => 1,
        ConstValue::Number(number) if *number == 1.0 => 2,
        ConstValue::Number(number) if number.to_bits() == 0 => 3,
        ConstValue::Number(number) if number.fract() == 0.0 && number.abs() < 100.0 => 4,
        ConstValue::Boolean(_) | ConstValue::Unit | ConstValue::Number(_) => 5,
        ConstValue::Atom(text) | ConstValue::String(text) | ConstValue::LegacyFunction(text) => {
            6 + text.len()
        }
        ConstValue::Complex(re, im) => {
            6 + weight(&ConstValue::Number(*re)) + weight(&ConstValue::Number(*im))
        }
        ConstValue::Array(items) | ConstValue::Tuple(items) => {
            10 + items.iter().map(weight).sum::<usize>()
        }
        ConstValue::Object(props) => {
            10 + props.iter().map(|(key, value, _)| 1 + key.len() + weight(value)).sum::<usize>()
        }
    }
}

fn smaller_constants(value: &ConstValue) -> Vec<ConstValue> {
    let mut found = vec![ConstValue::Undefined, ConstValue::Number(1.0), ConstValue::Number(0.0)];
    match value {
        ConstValue::Number(number) => {
            found.push(ConstValue::Number((number / 2.0).trunc()));
            found.push(ConstValue::Number(3.0));
            found.push(ConstValue::Number(number.trunc()));
        }
        ConstValue::String(text) if !text.is_empty() => {
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            found.extend([ConstValue::String("a".to_owned()), ConstValue::String(half)]);
        }
        ConstValue::Array(items) => {
            found.extend(omissions(items).into_iter().map(ConstValue::Array))
        }
        ConstValue::Tuple(items) => {
            found.extend(omissions(items).into_iter().map(ConstValue::Tuple))
        }
        ConstValue::Object(props) => {
            found.extend(omissions(props).into_iter().map(ConstValue::Object))
        }
        _ => {}
    }
    found.retain(|smaller| weight(smaller) < weight(value));
    found
}

/// Drops unused registers and parameters.
fn registers(best: &mut Package, attempt: &mut Attempt<'_>, enough: &mut Enough<'_>) {
    for place in places(best) {
        if enough() {
            return;
        }
        let mut fewer = best.clone();
        let function = &mut fewer.classes[place.0].file.functions[place.1];
        let Body::Bytecode(code) = &mut function.body else { continue };
        let arity = function.arity;
        let mut used: Vec<Reg> = (0..arity).collect();
        for instr in code.iter_mut() {
            instr.registers_mut(&mut |reg| used.push(*reg));
        }
        used.sort_unstable();
        used.dedup();
        for instr in code.iter_mut() {
            instr.registers_mut(&mut |reg| *reg = used.binary_search(reg).unwrap_or(0) as Reg);
        }
        function.extra_regs = used.len() as u32 - arity;
        attempt(best, fewer);
        if arity > 0 {
            let mut without = best.clone();
            let function = &mut without.classes[place.0].file.functions[place.1];
            (function.arity, function.extra_regs) = (arity - 1, function.extra_regs + 1);
            attempt(best, without);
        }
    }
}

/// Operands with registers in them.
trait Registers {
    fn registers_mut(&mut self, change: &mut dyn FnMut(&mut Reg));
}

macro_rules! registers {
    ($($kind:ty, $this:ident, $change:ident => $body:expr;)*) => {$(
        impl Registers for $kind {
            fn registers_mut(&mut self, $change: &mut dyn FnMut(&mut Reg)) {
                let $this = self;
                $body
            }
        }
    )*};
}
registers! {
    Dst, this, change => change(&mut this.0);
    Src, this, change => change(&mut this.0);
    RegList, this, change => this.0.iter_mut().for_each(change);
    Offset, _this, _change => ();
    ProcessNumber, _this, _change => ();
    ConstOperand, _this, _change => ();
    Arms, _this, _change => ();
    Scope, _this, _change => ();
    Captures, this, change => this.0.iter_mut().for_each(|(_, reg)| change(reg));
    Props, this, change => this.0.iter_mut().for_each(|prop| {
        if let PropValue::Reg(reg) = &mut prop.value {
            change(reg);
        }
    });
}

macro_rules! define_registers {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        impl Registers for Instr {
            fn registers_mut(&mut self, change: &mut dyn FnMut(&mut Reg)) {
                let _ = &change;
                match self {
                    $(Instr::$variant { $($field),* } => { $($field.registers_mut(change);)* })*
                }
            }
        }
    };
}
ion_ops!(define_registers);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::generate;

    /// How many instructions a package has.
    fn size(package: &Package) -> usize {
        places(package).into_iter().map(|place| code(package, place).len()).sum()
    }

    #[test]
    fn what_matters_stays() {
        let has_division = |package: &Package| {
            let all = places(package).into_iter().flat_map(|place| code(package, place).to_vec());
            all.into_iter().any(|instr| matches!(instr, Instr::Div { .. }))
        };
        let mut tried = 0;
        for seed in 0..200 {
            let package = generate::program(seed).package;
            if !has_division(&package) {
                continue;
            }
            tried += 1;
            let small = shrink(&package, has_division, || false);
            assert!(has_division(&small), "seed {seed}");
            // The main class must stay, even if the division is elsewhere.
            assert_eq!(size(&small), 1, "seed {seed}");
        }
        assert!(tried > 20, "only {tried} programs divide");
    }

    #[test]
    fn jumps_follow_what_is_removed() {
        let jump = |offset| Instr::Jump { offset: Offset(offset) };
        let code = [jump(3), Instr::Nop {}, Instr::Nop {}, Instr::Yield {}, jump(-4), jump(-3)];
        let shorter = without(&code, 1, 3);
        assert_eq!(shorter, [jump(1), Instr::Yield {}, jump(-2), jump(-2)]);
    }

    #[test]
    fn nothing_is_removed_from_a_program_that_needs_all() {
        let package = generate::program(3).package;
        assert_eq!(shrink(&package, |candidate| *candidate == package, || false), package);
    }
}
