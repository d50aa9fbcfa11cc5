//! Object literals.

use super::*;
use crate::ion::source::Span;
use ion_runtime::bytecode::Instr;
use ion_runtime::bytecode::ops::{Access, Dst, PropInit, PropValue, Props, Src};

impl<'a, 's> FunctionEmitter<'_, 'a, 's> {
    pub(super) fn object(&mut self, props: &'a [Prop<'s>], dst: Reg, span: Span) {
        let mut inits = Vec::with_capacity(props.len());
        let mut computed = Vec::new();
        for prop in props {
            match &prop.key {
                PropKey::Name(key) => {
                    let value = match (self.fold(&prop.value), &prop.value.kind) {
                        (Some(constant), _) => PropValue::Const(constant),
                        (None, ExprKind::Function(function)) => {
                            let name = self.method_name(function, key);
                            PropValue::Reg(self.closure(function, None, name))
                        }
                        _ => PropValue::Reg(self.stable(&prop.value)),
                    };
                    let access = (prop.access != Access::Public).then_some(prop.access);
                    inits.push(PropInit { key: key.to_string(), value, access });
                }
                PropKey::Computed(key) => {
                    let key = self.stable_key(key);
                    computed.push((key, self.stable(&prop.value)));
                }
            }
        }
        self.at(span);
        self.code.op(Instr::ObjectInit { dst: Dst(dst), props: Props(inits) });
        for (key, value) in computed {
            self.code.op(Instr::SetProp { object: Src(dst), key: Src(key), value: Src(value) });
        }
    }

    /// A register that later operands do not change.
    fn stable(&mut self, expr: &'a Expr<'s>) -> Reg {
        let reg = self.value(expr);
        if !self.mutable.contains(&reg) {
            return reg;
        }
        let copy = self.code.reg();
        self.code.copy(copy, reg);
        copy
    }

    fn stable_key(&mut self, key: &'a Expr<'s>) -> Reg {
        match self.fold(key) {
            Some(ConstValue::String(text)) => self.atom(&text),
            _ => self.stable(key),
        }
    }

    /// Functions in objects are named after their keys.
    fn method_name(&mut self, function: &Function<'s>, key: &str) -> Option<String> {
        if function.name.is_some_and(|name| name.text != key) || key.contains(':') {
            return None;
        }
        let wanted = format!("{}.{key}", self.name);
        Some(self.module.unique(wanted))
    }
}
