//! Constant folding: exactly what the machine would compute.

use super::FunctionEmitter;
use crate::ion::ast::*;
use ion_runtime::bytecode::ConstValue;

/// Longest text that folding makes.
const MAX_TEXT: usize = 4096;

impl<'s> FunctionEmitter<'_, '_, 's> {
    /// The value of an expression if it is known now, can be shared and costs nothing to load.
    pub(super) fn fold(&self, expr: &Expr<'s>) -> Option<ConstValue> {
        use ConstValue::{Atom, Boolean, Complex, Number, String, Tuple, Undefined, Unit};
        Some(match &expr.kind {
            ExprKind::Number(value) => Number(*value),
            ExprKind::Imaginary(value) => Complex(0.0, *value),
            ExprKind::Str(text) => String(text.to_string()),
            ExprKind::Atom(text) => Atom(text.to_string()),
            ExprKind::Bool(value) => Boolean(*value),
            ExprKind::Unit => Unit,
            ExprKind::Undefined => Undefined,
            ExprKind::Name { res: Res::Local(var), .. } => self.module.consts.get(var)?.clone(),
            ExprKind::Name { res: Res::Constant(class, index), .. }
            | ExprKind::Member { res: Res::Constant(class, index), .. } => {
                self.module.program.constant(*class, *index)?.clone()
            }
            ExprKind::Tuple(items) => {
                Tuple(items.iter().map(|item| self.fold(item)).collect::<Option<_>>()?)
            }
            ExprKind::Template(parts) => {
                let mut out = std::string::String::new();
                for part in parts {
                    match part {
                        TemplatePart::Text(text) => out.push_str(text),
                        TemplatePart::Expr(expr) => match self.fold(expr)? {
                            String(text) => out.push_str(&text),
                            _ => return None,
                        },
                    }
                }
                String(out)
            }
            ExprKind::Not(operand) => Boolean(!truth(&self.fold(operand)?)?),
            ExprKind::Negate(operand) => match self.fold(operand)? {
                Number(value) => Number(-value),
                Complex(re, im) => Complex(-0.0 - re, 0.0 - im),
                _ => return None,
            },
            ExprKind::Binary(op, a, b) => binary(*op, &self.fold(a)?, &self.fold(b)?)?,
            ExprKind::Ternary(condition, yes, no) => {
                return self.fold(if truth(&self.fold(condition)?)? { yes } else { no });
            }
            _ => return None,
        })
    }
}

/// The truth of a constant.
pub(super) fn truth(value: &ConstValue) -> Option<bool> {
    Some(match value {
        ConstValue::Boolean(value) => *value,
        ConstValue::Number(value) => *value != 0.0,
        ConstValue::String(text) | ConstValue::Atom(text) => !text.is_empty(),
        ConstValue::Unit | ConstValue::Undefined => false,
        ConstValue::Tuple(_) | ConstValue::Complex(..) => true,
        _ => return None,
    })
}

fn binary(op: BinaryOp, a: &ConstValue, b: &ConstValue) -> Option<ConstValue> {
    use BinaryOp::*;
    use ConstValue::{Boolean, Complex, Number, String, Undefined};
    let result = match (a, b) {
        (Number(a), Number(b)) => match op {
            Add => Number(a + b),
            Sub => Number(a - b),
            Mul => Number(a * b),
            Div if *b == 0.0 => Undefined,
            Div => Number(a / b),
            Eq => Boolean(a == b),
            Ne => Boolean(a != b),
            Lt => Boolean(a < b),
            Le => Boolean(a <= b),
            Gt => Boolean(a > b),
            Ge => Boolean(a >= b),
            // The library's functions compute these.
            Rem | Pow => return None,
        },
        (Complex(a, b), Complex(c, d)) => match op {
            Add => Complex(a + c, b + d),
            Sub => Complex(a - c, b - d),
            _ => return None,
        },
        (Number(a), Complex(c, d)) => match op {
            Add => Complex(a + c, 0.0 + d),
            Sub => Complex(a - c, 0.0 - d),
            _ => return None,
        },
        (Complex(a, b), Number(c)) => match op {
            Add => Complex(a + c, b + 0.0),
            Sub => Complex(a - c, b - 0.0),
            _ => return None,
        },
        (String(a), String(b)) => match op {
            Add if a.len() + b.len() <= MAX_TEXT => String(format!("{a}{b}")),
            Eq => Boolean(a == b),
            Ne => Boolean(a != b),
            _ => return None,
        },
        _ => return None,
    };
    // Not a number has one form in the machine.
    Some(match result {
        Number(value) if value.is_nan() => Number(f64::NAN),
        other => other,
    })
}
