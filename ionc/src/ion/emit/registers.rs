//! From virtual registers and labels to real ones.
//!
//! Registers are given by linear scan over live intervals. An interval is the stretch of items between
//! the first and the last mention of a register; one that begins in front of a loop and is mentioned
//! inside it lasts to the loop's end. This suffices because the code is structured: what is made
//! in a round is never read in a later round without being made again.

use super::code::Item;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::ops::*;
use ion_runtime::ion_ops;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Operands that are registers.
trait Registers {
    fn registers(&mut self, f: &mut impl FnMut(&mut Reg));
}

macro_rules! operands {
    ($($kind:ident $self:ident $f:ident $body:block)*) => {
        $(impl Registers for $kind {
            fn registers(&mut $self, $f: &mut impl FnMut(&mut Reg)) $body
        })*
    };
}

operands! {
    Dst self f { f(&mut self.0) }
    Src self f { f(&mut self.0) }
    RegList self f { self.0.iter_mut().for_each(f) }
    Captures self f { self.0.iter_mut().for_each(|(_, reg)| f(reg)) }
    Props self f {
        for prop in &mut self.0 {
            if let PropValue::Reg(reg) = &mut prop.value {
                f(reg);
            }
        }
    }
    Offset self _f {}
    ProcessNumber self _f {}
    ConstOperand self _f {}
    Arms self _f {}
    Scope self _f {}
}

macro_rules! define_registers {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        /// Calls `f` with each register operand.
        fn registers(instr: &mut Instr, f: &mut impl FnMut(&mut Reg)) {
            match instr { $(Instr::$variant { $($field),* } => { $($field.registers(f);)* })* }
        }
    };
}
ion_ops!(define_registers);

/// Finished code.
pub struct Finished {
    /// The instructions.
    pub code: Vec<Instr>,
    /// For each instruction its offset in the source text.
    pub places: Vec<u32>,
    /// Registers in use.
    pub registers: u32,
}

#[derive(Clone, Copy)]
struct Interval {
    start: u32,
    end: u32,
}

const UNUSED: u32 = u32::MAX;

/// Gives real registers and jump distances. The first `fixed` registers keep their numbers.
pub fn finish(items: Vec<Item>, regs: u32, labels: usize, fixed: u32) -> Finished {
    let mut items = items;
    let map = allocate(&mut items, regs, fixed);
    let mut used = fixed;
    for item in &mut items {
        if let Item::Op(instr, _) = item {
            registers(instr, &mut |reg| {
                *reg = map[*reg as usize];
                used = used.max(*reg + 1);
            });
        }
    }
    let (code, places) = link(items, labels);
    Finished { code, places, registers: used }
}

/// The intervals of all registers.
fn intervals(items: &mut [Item], regs: u32, fixed: u32) -> Vec<Interval> {
    let mut all = vec![Interval { start: UNUSED, end: 0 }; regs as usize];
    for interval in &mut all[..fixed as usize] {
        interval.start = 0;
    }
    // Where each loop ends, by the index of its start.
    let mut ends = rustc_hash::FxHashMap::default();
    let mut open = Vec::new();
    for (i, item) in items.iter().enumerate() {
        match item {
            Item::LoopStart => open.push(i as u32),
            Item::LoopEnd => {
                if let Some(start) = open.pop() {
                    ends.insert(start, i as u32);
                }
            }
            _ => {}
        }
    }
    let mut loops: Vec<(u32, u32)> = Vec::new();
    for (i, item) in items.iter_mut().enumerate() {
        let at = i as u32;
        match item {
            Item::LoopStart => loops.push((at, ends.get(&at).copied().unwrap_or(at))),
            Item::LoopEnd => {
                loops.pop();
            }
            Item::Op(instr, _) => registers(instr, &mut |reg| {
                let interval = &mut all[*reg as usize];
                if interval.start == UNUSED {
                    interval.start = at;
                }
                // The outermost loop that the register was made in front of.
                let start = interval.start;
                let around = loops.iter().find(|(loop_start, _)| *loop_start >= start);
                interval.end = interval.end.max(around.map_or(at, |(_, end)| *end)).max(at);
            }),
            Item::Label(_) => {}
        }
    }
    all
}

fn allocate(items: &mut [Item], regs: u32, fixed: u32) -> Vec<Reg> {
    let all = intervals(items, regs, fixed);
    let mut order: Vec<u32> =
        (fixed..regs).filter(|reg| all[*reg as usize].start != UNUSED).collect();
    order.sort_by_key(|reg| all[*reg as usize].start);
    let mut map: Vec<Reg> = (0..regs).collect();
    let mut active: BinaryHeap<Reverse<(u32, Reg)>> = BinaryHeap::new();
    let mut free: BinaryHeap<Reverse<Reg>> = BinaryHeap::new();
    for reg in 0..fixed {
        active.push(Reverse((all[reg as usize].end, reg)));
    }
    let mut next = fixed;
    for reg in order {
        let Interval { start, end } = all[reg as usize];
        // Operands are read before results are written, so an interval may begin where another ends.
        while let Some(Reverse((ended, freed))) = active.peek().copied()
            && ended <= start
        {
            active.pop();
            free.push(Reverse(freed));
        }
        // A copy of a register that ends here takes its place.
        let wanted = match &items[start as usize] {
            Item::Op(Instr::Move { dst, src }, _) if dst.0 == reg => Some(map[src.0 as usize]),
            _ => None,
        };
        let real = match wanted {
            Some(wanted) if free.iter().any(|Reverse(free)| *free == wanted) => {
                free.retain(|Reverse(free)| *free != wanted);
                wanted
            }
            _ => free.pop().map_or_else(
                || {
                    next += 1;
                    next - 1
                },
                |Reverse(free)| free,
            ),
        };
        map[reg as usize] = real;
        // Two results of one instruction must differ, even if nobody reads them.
        active.push(Reverse((end.max(start + 1), real)));
    }
    map
}

/// Drops what does nothing, leads jumps to jumps to their end, and turns labels into distances.
fn link(items: Vec<Item>, labels: usize) -> (Vec<Instr>, Vec<u32>) {
    // The item behind each label, to find jumps to jumps.
    let mut label_item = vec![items.len(); labels];
    for (i, item) in items.iter().enumerate() {
        if let Item::Label(label) = item {
            label_item[label.0 as usize] = i;
        }
    }
    let first_op = |mut at: usize| {
        while at < items.len() && !matches!(items[at], Item::Op(..)) {
            at += 1;
        }
        at
    };
    let resolve = |label: i32| {
        let mut at = first_op(label_item[label as usize]);
        // A few hops; more are rare, and a loop of jumps has no end.
        for _ in 0..8 {
            match items.get(at) {
                Some(Item::Op(Instr::Jump { offset }, _)) => {
                    at = first_op(label_item[offset.0 as usize])
                }
                _ => break,
            }
        }
        at
    };
    let keep = |i: usize| match &items[i] {
        Item::Op(Instr::Move { dst, src }, _) => dst.0 != src.0,
        Item::Op(Instr::Jump { offset }, _) => first_op(i + 1) != resolve(offset.0),
        Item::Op(..) => true,
        _ => false,
    };
    let kept: Vec<bool> = (0..items.len()).map(keep).collect();
    let mut index = Vec::with_capacity(items.len() + 1);
    let mut count = 0;
    for kept in &kept {
        index.push(count);
        count += i32::from(*kept);
    }
    index.push(count);
    let mut jumps: Vec<(usize, Vec<i32>)> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let Item::Op(instr, _) = item else { continue };
        let distance = |offset: &Offset| index[resolve(offset.0)] - index[i];
        let distances = match instr {
            Instr::Jump { offset }
            | Instr::JumpIfTrue { offset, .. }
            | Instr::JumpIfFalse { offset, .. } => {
                vec![distance(offset)]
            }
            Instr::Match { arms, .. } => {
                arms.0.iter().map(|(_, offset)| distance(offset)).collect()
            }
            _ => continue,
        };
        jumps.push((i, distances));
    }
    let (mut code, mut places) =
        (Vec::with_capacity(count as usize), Vec::with_capacity(count as usize));
    let mut jumps = jumps.into_iter().peekable();
    for (i, item) in items.into_iter().enumerate() {
        let distances = jumps.next_if(|(at, _)| *at == i).map(|(_, distances)| distances);
        let Item::Op(mut instr, place) = item else { continue };
        if !kept[i] {
            continue;
        }
        match (&mut instr, distances.as_deref()) {
            (
                Instr::Jump { offset }
                | Instr::JumpIfTrue { offset, .. }
                | Instr::JumpIfFalse { offset, .. },
                Some([distance]),
            ) => *offset = Offset(*distance),
            (Instr::Match { arms, .. }, Some(distances)) => {
                for ((_, offset), distance) in arms.0.iter_mut().zip(distances) {
                    *offset = Offset(*distance);
                }
            }
            _ => {}
        }
        code.push(instr);
        places.push(place);
    }
    (code, places)
}
