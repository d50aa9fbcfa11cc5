//! Code whose jumps lead to labels, and what is known of the jumps of finished code.

use ion_runtime::bytecode::ops::{Arms, Offset};
use ion_runtime::bytecode::{Body, ConstValue, Instr};
use ion_runtime::ionpack::Package;

/// Calls `change` with each jump distance of an instruction.
pub fn offsets_mut(instr: &mut Instr, mut change: impl FnMut(&mut i32)) {
    match instr {
        Instr::Jump { offset }
        | Instr::JumpIfTrue { offset, .. }
        | Instr::JumpIfFalse { offset, .. } => {
            change(&mut offset.0);
        }
        Instr::Match { arms: Arms(arms), .. } => {
            arms.iter_mut().for_each(|(_, Offset(offset))| change(offset));
        }
        _ => {}
    }
}

/// The instructions that `instr` at `index` may jump to.
pub fn absolute_targets(instr: &Instr, index: usize) -> Vec<usize> {
    let mut targets = Vec::new();
    offsets_mut(&mut instr.clone(), |offset| {
        targets.push((index as i64 + i64::from(*offset)) as usize)
    });
    targets
}

/// Makes jumps out of labels: `labels[l]` is the index that the distance `l` stands for.
pub fn assemble(mut code: Vec<Instr>, labels: &[usize]) -> Vec<Instr> {
    for (index, instr) in code.iter_mut().enumerate() {
        offsets_mut(instr, |offset| *offset = labels[*offset as usize] as i32 - index as i32);
    }
    code
}

/// Is each RECEIVE_WITH_TIMEOUT preceded by the load of a timeout that is nothing or for ever, so
/// that the clock does not matter?
pub fn timeouts_are_timeless(package: &Package) -> bool {
    let functions = package.classes.iter().flat_map(|class| &class.file.functions);
    functions.into_iter().all(|function| match &function.body {
        Body::Bytecode(code) => timeless(code),
        Body::Native(_) => true,
    })
}

fn timeless(code: &[Instr]) -> bool {
    let mut jumped_to = vec![false; code.len() + 1];
    for (index, instr) in code.iter().enumerate() {
        absolute_targets(instr, index).into_iter().for_each(|target| jumped_to[target] = true);
    }
    code.iter().enumerate().all(|(index, instr)| {
        let Instr::ReceiveWithTimeout { timeout, .. } = instr else { return true };
        let Some(Instr::LoadConst { dst, value }) =
            index.checked_sub(1).map(|before| &code[before])
        else {
            return false;
        };
        let fine = match &value.0 {
            ConstValue::Number(number) => number.is_nan() || *number < 1.0 || *number > 1e15,
            // Special atoms may stand for numbers.
            ConstValue::Atom(_) => false,
            _ => true,
        };
        fine && dst.0 == timeout.0 && !jumped_to[index]
    })
}

/// Does each SPAWN wait at once for the end of the process it started, so that never more than one
/// process can run?
pub fn takes_turns(package: &Package) -> bool {
    let functions = package.classes.iter().flat_map(|class| &class.file.functions);
    functions.into_iter().all(|function| match &function.body {
        Body::Bytecode(code) => in_turn(code),
        Body::Native(_) => true,
    })
}

fn in_turn(code: &[Instr]) -> bool {
    code.iter().enumerate().all(|(index, instr)| {
        let Instr::Spawn { dst, .. } = instr else { return true };
        match code.get(index + 1) {
            Some(Instr::Select { processes, .. } | Instr::SelectWithKill { processes, .. }) => {
                processes.0 == [dst.0]
            }
            _ => false,
        }
    })
}
