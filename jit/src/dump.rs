//! Text of a function, for people and for snapshot tests.
//!
//! One line for each instruction: `@` and its bytecode index, what it gives with its kinds, the
//! operation, and the states it carries: `-> @7 r2 {r0: v1}` goes on at index 7 with the result in
//! register 2. A caller's state follows behind `in`.
//! Absent on purpose: reading it back.

use crate::cfg;
use crate::ir::*;
use ion_runtime::value::Value;
use std::fmt::{self, Display, Formatter, Write as _};

impl Function {
    /// The text.
    pub fn dump(&self) -> String {
        self.to_string()
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let form = match self.form {
            Form::Entry => "entry",
            Form::Resume => "resume",
        };
        writeln!(f, "function {} {form}", self.func.0)?;
        for (id, frame) in self.frames.iter().enumerate().skip(1) {
            let Some((caller, pc)) = frame.caller else { continue };
            writeln!(f, "  {} = function {} in {caller} @{pc}", FrameId(id as u32), frame.func.0)?;
        }
        for block in cfg::reverse_postorder(self) {
            let data = self.block(block);
            let params: Vec<String> = data.params.iter().map(|&param| self.typed(param)).collect();
            match params.is_empty() {
                true => writeln!(f, "{block}:")?,
                false => writeln!(f, "{block}({}):", params.join(", "))?,
            }
            for &inst in &data.insts {
                self.write_inst(f, self.inst(inst))?;
            }
            writeln!(f, "  {}", self.terminator(&data.term))?;
        }
        Ok(())
    }
}

impl Function {
    fn typed(&self, value: ValueId) -> String {
        format!("{value}: {}", self.kinds(value))
    }

    /// A use: constants by content.
    fn operand(&self, value: ValueId) -> String {
        match self.as_constant(value) {
            Some(constant) => text(constant),
            None => value.to_string(),
        }
    }

    fn list(&self, values: &[ValueId]) -> String {
        let values: Vec<String> = values.iter().map(|&value| self.operand(value)).collect();
        format!("({})", values.join(", "))
    }

    fn write_inst(&self, f: &mut Formatter<'_>, inst: &Inst) -> fmt::Result {
        write!(f, "  @{}", inst.pc)?;
        if inst.frame != FrameId(0) {
            write!(f, ".{}", inst.frame)?;
        }
        f.write_char(' ')?;
        let results: Vec<String> = [inst.result, inst.second]
            .into_iter()
            .flatten()
            .map(|value| self.typed(value))
            .collect();
        if !results.is_empty() {
            write!(f, "{} = ", results.join(", "))?;
        }
        f.write_str(&self.operation(&inst.op))?;
        if let Some(state) = inst.before {
            write!(f, " retry{}", self.state_text(state))?;
        }
        if let Some(state) = inst.after {
            f.write_str(&self.state_text(state))?;
        }
        if let Some(state) = inst.exit {
            write!(f, " exit{}", self.state_text(state))?;
        }
        f.write_char('\n')
    }

    fn state_text(&self, state: StateId) -> String {
        let mut text = String::new();
        let mut next = Some(state);
        let mut arrow = " ->";
        while let Some(state) = next {
            let state = self.state(state);
            let _ = write!(text, "{arrow} @{}", state.pc);
            if let Some(dst) = state.dst {
                let _ = write!(text, " r{}{}", dst.reg, if dst.live { "" } else { "?" });
            }
            let regs: Vec<String> = state
                .regs
                .iter()
                .map(|&(reg, value)| format!("r{reg}: {}", self.operand(value)))
                .collect();
            let _ = write!(text, " {{{}}}", regs.join(", "));
            if let Some(owed) = &state.owed {
                let _ = write!(text, " owes {} + {}", self.turns_text(&owed.turns), owed.also);
            }
            next = state.parent;
            arrow = " in";
        }
        text
    }

    fn turns_text(&self, it: &ChargeTurns) -> String {
        let sign = if it.down { "-" } else { "+" };
        let [from, to, step] = [it.from, it.to, it.step].map(|value| self.operand(value));
        format!("{} for each {sign} {step} from {from} to {to}", it.cost)
    }

    fn operation(&self, op: &Op) -> String {
        let v = |value: &ValueId| self.operand(*value);
        let this = |this: &Option<ValueId>| match this {
            Some(this) => format!(" this {}", self.operand(*this)),
            None => String::new(),
        };
        match op {
            Op::LoadReg { reg } => format!("load r{reg}"),
            Op::LoadFresh { template } => format!("fresh {template}"),
            Op::LoadSpecial(special) => format!("special {special:?}"),
            Op::Arith { op, a, b } => format!("{} {} {}", arith(*op), v(a), v(b)),
            Op::Compare { op, a, b } => format!("{} {} {}", compare(*op), v(a), v(b)),
            Op::Truth { a } => format!("truth {}", v(a)),
            Op::Not { a } => format!("not {}", v(a)),
            Op::And { a, b } => format!("and {} {}", v(a), v(b)),
            Op::Or { a, b } => format!("or {} {}", v(a), v(b)),
            Op::GetProp { object, key, this: of } => {
                format!("get_prop {}[{}]{}", v(object), v(key), this(of))
            }
            Op::SetProp { object, key, value, this: of } => {
                format!("set_prop {}[{}] = {}{}", v(object), v(key), v(value), this(of))
            }
            Op::CallValue { function, args } => format!("call {}{}", v(function), self.list(args)),
            Op::CallKnown { func, this: of, args } => {
                format!("call function {}{}{}", func.0, self.list(args), this(of))
            }
            Op::CallNative { native, args } => {
                format!("call native {}{}", native.0, self.list(args))
            }
            Op::CallFast { native, args } => format!("call fast {}{}", native.0, self.list(args)),
            Op::WholeNumber { a } => format!("whole {}", v(a)),
            Op::AddIndex { a, b, down } => {
                format!("{} {} {}", if *down { "down" } else { "up" }, v(a), v(b))
            }
            Op::IsWhole { a, least, most } => format!("is whole {} {least}..={most}", v(a)),
            Op::ToIndex { a } => format!("integer of {}", v(a)),
            Op::OfIndex { a } => format!("number of {}", v(a)),
            Op::CompareIndex { op, a, b } => format!("{} {} {}", compare(*op), v(a), v(b)),
            Op::LoopLimit(it) => {
                let sign = if it.down { "-" } else { "+" };
                let which = if it.next { "next" } else { "this" };
                let (from, step, bound) = (v(&it.from), v(&it.step), v(&it.bound));
                let to = if it.inclusive { "up to" } else { "before" };
                format!("limit {from} {sign} {step} {to} {bound} ({which}) {} a turn", it.cost)
            }
            Op::ChargeTurns(it) => format!("charge {}", self.turns_text(it)),
            Op::AsNumber { a } => format!("as number {}", v(a)),
            Op::Divide { a, b } => format!("divide {} {}", v(a), v(b)),
            Op::Sqrt { a } => format!("sqrt {}", v(a)),
            Op::Spawn { function, args } => format!("spawn {}{}", v(function), self.list(args)),
            Op::Send { process, message } => format!("send {} {}", v(process), v(message)),
            Op::Receive => "receive".to_string(),
            Op::ReceiveWithTimeout { timeout } => format!("receive_with_timeout {}", v(timeout)),
            Op::Link { process } => format!("link {process}"),
            Op::Select { processes, kill } => {
                format!("select{} {}", if *kill { "_with_kill" } else { "" }, self.list(processes))
            }
            Op::Yield { cost } => format!("yield {cost}"),
            Op::NewObject { values } => format!("object {}", self.list(values)),
            Op::NewArray { elements } => format!("array {}", self.list(elements)),
            Op::Capture { function, cell, value } => {
                format!("capture {} {} {}", v(function), v(cell), v(value))
            }
            Op::MakeClosure { function, captures } => {
                format!("closure {}{}", v(function), self.list(captures))
            }
            Op::Safepoint { cost, at } => match at {
                SafepointAt::Entry => format!("safepoint entry {cost}"),
                SafepointAt::Loop => format!("safepoint loop {cost}"),
                SafepointAt::After => format!("safepoint {cost}"),
            },
            Op::Charge { cost } => format!("charge {cost}"),
            Op::Refund { cost } => format!("refund {cost}"),
            Op::Trace => "trace".to_owned(),
            Op::LoopHead => "loop".to_owned(),
            Op::CheckShape { object, shape } => format!("check {} shape {}", v(object), shape.0),
            Op::AssumeShape { object, shape } => format!("assume {} shape {}", v(object), shape.0),
            Op::CheckMethod { object, method } => format!("check {}{}", v(object), found(method)),
            Op::HasMethod { object, method } => format!("has {}{}", v(object), found(method)),
            Op::CheckClosure { function, func, captures } => {
                format!("check {} closure of function {} with {captures}", v(function), func.0)
            }
            Op::LoadCapture { function, at, .. } => format!("capture {at} of {}", v(function)),
            Op::LoadBound { function } => format!("bound {}", v(function)),
            Op::LoadSlot { object, slot, number } => {
                format!("load {}.{}{}", v(object), slot.at, if *number { " number" } else { "" })
            }
            Op::StoreSlot { object, slot, value } => {
                format!("store {}.{} = {}", v(object), slot.at, v(value))
            }
            Op::CheckRow { object, row } => format!("check {} {row:?}", v(object)),
            Op::RowLength { object, .. } => format!("length {}", v(object)),
            Op::LoadElement { object, index, number, whole, .. } => {
                let at = v(whole.as_ref().unwrap_or(index));
                format!("load {}[{at}]{}", v(object), if *number { " number" } else { "" })
            }
            Op::StoreElement { object, index, whole, value, .. } => {
                let at = v(whole.as_ref().unwrap_or(index));
                format!("store {}[{at}] = {}", v(object), v(value))
            }
        }
    }

    fn terminator(&self, term: &Terminator) -> String {
        let target = |target: &Target| match target.args.is_empty() {
            true => target.block.to_string(),
            false => format!("{}{}", target.block, self.list(&target.args)),
        };
        match term {
            Terminator::Jump(to) => format!("jump {}", target(to)),
            Terminator::Branch { cond, then, otherwise } => {
                format!(
                    "branch {} {} else {}",
                    self.operand(*cond),
                    target(then),
                    target(otherwise)
                )
            }
            Terminator::Match { frame: _, pc, value, arms, default } => {
                let arms: Vec<String> = arms.iter().map(target).collect();
                let value = self.operand(*value);
                format!("match @{pc} {value} [{}] else {}", arms.join(", "), target(default))
            }
            Terminator::Return(value) => format!("return {}", self.operand(*value)),
            Terminator::Dispatch(points) => {
                let points: Vec<String> =
                    points.iter().map(|(pc, block)| format!("@{pc} {block}")).collect();
                format!("dispatch {}", points.join(", "))
            }
            Terminator::Unreachable => "unreachable".to_string(),
        }
    }
}

fn found(method: &Method) -> String {
    let chain: Vec<String> = method.chain.iter().map(|shape| shape.0.to_string()).collect();
    format!(" method {} in slot {} of shape {}", method.func.0, method.slot, chain.join(" < "))
}

fn arith(op: ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "add",
        ArithOp::Sub => "sub",
        ArithOp::Mul => "mul",
        ArithOp::Div => "div",
    }
}

fn compare(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "equal",
        CompareOp::NotEqual => "not_equal",
        CompareOp::Less => "less",
        CompareOp::LessEqual => "less_equal",
        CompareOp::Greater => "greater",
        CompareOp::GreaterEqual => "greater_equal",
    }
}

/// A constant; literals on the heap by their origin, since addresses differ from run to run.
fn text(constant: Constant) -> String {
    let value = constant.value;
    if let Some((func, pc)) = constant.origin {
        return format!("literal {}@{pc}", func.0);
    }
    if let Some(func) = value.as_function() {
        return format!("function {}", func.0);
    }
    if let Some(native) = value.as_native() {
        return format!("native {}", native.0);
    }
    if let Some(atom) = value.as_atom() {
        return format!("atom {}", atom.0);
    }
    match value {
        Value::ABSENT => "absent".to_string(),
        _ => format!("{value:?}"),
    }
}
