//! Control flow and liveness of one verified function.
//!
//! The collector uses the live sets to forget dead registers, the compiler to decide what a frame
//! record must hold. Both read the same sets, so all engines keep the same objects alive.
//!
//! The index one past the last instruction is the implicit return; nothing is live there.

use super::ops::{Instr, PropValue};
use crate::program::{FrameLayout, Konst};

/// Control flow and liveness, see the module text.
#[derive(Debug)]
pub struct Flow {
    words_per_set: usize,
    /// `live[pc * words_per_set ..]`: registers live before `pc`; one set more than instructions.
    live: Vec<u64>,
    /// Instruction indices that a backward jump reaches, ascending.
    pub loop_headers: Vec<u32>,
}

/// Calls `visit(register, is_write)` for each register of `instr`, reads before writes, hidden
/// registers included.
pub fn visit_registers(
    instr: &Instr,
    pc: u32,
    konst: Option<&Konst>,
    layout: &FrameLayout,
    mut visit: impl FnMut(u16, bool),
) {
    use Instr::*;
    let mut read = |reg: u32| visit(reg as u16, false);
    let dst = match instr {
        LoadConst { dst, .. } => {
            if konst == Some(&Konst::This)
                && let Some(this) = layout.this
            {
                read(u32::from(this));
            }
            Some(dst.0)
        }
        Move { dst, src } | Not { dst, src } => {
            read(src.0);
            Some(dst.0)
        }
        Add { dst, a, b }
        | Sub { dst, a, b }
        | Mul { dst, a, b }
        | Div { dst, a, b }
        | Equal { dst, a, b }
        | NotEqual { dst, a, b }
        | LessThan { dst, a, b }
        | LessEqual { dst, a, b }
        | GreaterThan { dst, a, b }
        | GreaterEqual { dst, a, b }
        | And { dst, a, b }
        | Or { dst, a, b } => {
            read(a.0);
            read(b.0);
            Some(dst.0)
        }
        GetProp { dst, object, key } => {
            read(object.0);
            read(key.0);
            if let Some(this) = layout.this {
                read(u32::from(this));
            }
            Some(dst.0)
        }
        SetProp { object, key, value } => {
            read(object.0);
            read(key.0);
            read(value.0);
            if let Some(this) = layout.this {
                read(u32::from(this));
            }
            None
        }
        Call { dst, function, args } | Spawn { dst, function, args } => {
            read(function.0);
            args.0.iter().for_each(|&reg| read(reg));
            Some(dst.0)
        }
        Return { value } => {
            read(value.0);
            None
        }
        Jump { .. } | Yield {} | Nop {} => None,
        JumpIfTrue { condition, .. } | JumpIfFalse { condition, .. } => {
            read(condition.0);
            None
        }
        Send { process, message } => {
            read(process.0);
            read(message.0);
            None
        }
        Receive { dst } => Some(dst.0),
        Link { dst, .. } => Some(dst.0),
        Match { value, .. } => {
            read(value.0);
            None
        }
        ReceiveWithTimeout { dst, timeout, result } => {
            read(timeout.0);
            visit(dst.0 as u16, true);
            Some(result.0)
        }
        ObjectInit { dst, props } => {
            for prop in &props.0 {
                if let PropValue::Reg(reg) = prop.value {
                    read(reg);
                }
            }
            Some(dst.0)
        }
        Select { dst, processes } | SelectWithKill { dst, processes } => {
            processes.0.iter().for_each(|&reg| read(reg));
            Some(dst.0)
        }
        ArrayInit { dst, elements } => {
            elements.0.iter().for_each(|&reg| read(reg));
            Some(dst.0)
        }
        MakeClosure { dst, function, captures, .. } => {
            read(function.0);
            captures.0.iter().for_each(|(_, reg)| read(*reg));
            for cell in layout.cells_at(pc).iter().flatten() {
                visit(*cell, false);
            }
            for cell in layout.cells_at(pc).iter().flatten() {
                visit(*cell, true);
            }
            Some(dst.0)
        }
    };
    if let Some(dst) = dst {
        visit(dst as u16, true);
    }
}

/// Calls `visit(target)` for each jump target of the instruction at `pc` (not the next instruction).
pub fn visit_targets(instr: &Instr, pc: u32, mut visit: impl FnMut(u32)) {
    let target = |offset: i32| (i64::from(pc) + i64::from(offset)) as u32;
    match instr {
        Instr::Jump { offset }
        | Instr::JumpIfTrue { offset, .. }
        | Instr::JumpIfFalse { offset, .. } => visit(target(offset.0)),
        Instr::Match { arms, .. } => {
            arms.0.iter().for_each(|(_, offset)| visit(target(offset.0)));
        }
        _ => {}
    }
}

/// May control go on to the next instruction?
pub fn falls_through(instr: &Instr) -> bool {
    !matches!(instr, Instr::Jump { .. } | Instr::Return { .. })
}

impl Flow {
    /// Most bits that the live sets of one function may take; beyond that everything counts as live.
    const MAX_BITS: usize = 1 << 31;

    /// Analyses a verified function.
    pub fn new(instrs: &[Instr], konsts: &[Option<Konst>], layout: &FrameLayout) -> Flow {
        let count = instrs.len();
        let words = usize::from(layout.words).div_ceil(64).max(1);
        let mut loop_headers = Vec::new();
        let mut is_target = vec![false; count + 1];
        for (pc, instr) in instrs.iter().enumerate() {
            visit_targets(instr, pc as u32, |target| {
                is_target[target as usize] = true;
                if target as usize <= pc {
                    loop_headers.push(target);
                }
            });
        }
        loop_headers.sort_unstable();
        loop_headers.dedup();
        if (count + 1).saturating_mul(words).saturating_mul(64) > Self::MAX_BITS {
            return Flow { words_per_set: 0, live: Vec::new(), loop_headers };
        }

        // Backward data flow, repeated until nothing changes; one pass more than the loop nesting.
        let mut live = vec![0u64; (count + 1) * words];
        let mut current = vec![0u64; words];
        loop {
            let mut changed = false;
            for pc in (0..count).rev() {
                let instr = &instrs[pc];
                if falls_through(instr) {
                    current.copy_from_slice(&live[(pc + 1) * words..(pc + 2) * words]);
                } else {
                    current.fill(0);
                }
                visit_targets(instr, pc as u32, |target| {
                    let from = target as usize * words;
                    for (word, bits) in current.iter_mut().zip(&live[from..from + words]) {
                        *word |= bits;
                    }
                });
                let konst = konsts[pc].as_ref();
                visit_registers(instr, pc as u32, konst, layout, |reg, is_write| {
                    if is_write {
                        current[usize::from(reg) / 64] &= !(1 << (reg % 64));
                    }
                });
                visit_registers(instr, pc as u32, konst, layout, |reg, is_write| {
                    if !is_write {
                        current[usize::from(reg) / 64] |= 1 << (reg % 64);
                    }
                });
                let own = &mut live[pc * words..(pc + 1) * words];
                if own != current.as_slice() {
                    own.copy_from_slice(&current);
                    changed = true;
                }
            }
            if !changed || loop_headers.is_empty() {
                break;
            }
        }
        Flow { words_per_set: words, live, loop_headers }
    }

    /// Are the live sets exact? If the function is too large for that, every register counts as live.
    pub fn is_exact(&self) -> bool {
        self.words_per_set != 0
    }

    /// Is `reg` live before `pc`?
    pub fn is_live(&self, pc: u32, reg: u16) -> bool {
        if self.words_per_set == 0 {
            return true;
        }
        let word = self.live[pc as usize * self.words_per_set + usize::from(reg) / 64];
        word >> (reg % 64) & 1 != 0
    }

    /// Registers live before `pc`, ascending. Needs exact sets.
    pub fn live_registers(&self, pc: u32) -> impl Iterator<Item = u16> + '_ {
        let from = pc as usize * self.words_per_set;
        let set = &self.live[from..from + self.words_per_set];
        set.iter().enumerate().flat_map(|(word, &bits)| {
            let mut bits = bits;
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let bit = bits.trailing_zeros();
                    bits &= bits - 1;
                    (word * 64) as u16 + bit as u16
                })
            })
        })
    }

    /// Does a backward jump reach `pc`?
    pub fn is_loop_header(&self, pc: u32) -> bool {
        self.loop_headers.binary_search(&pc).is_ok()
    }
}
