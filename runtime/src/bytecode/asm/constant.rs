//! Parsing of constants and patterns.

use super::super::constant::{ConstValue, Pattern};
use super::super::ops::Access;
use super::{AsmError, Parser};

impl Parser<'_> {
    /// A constant.
    pub(in super::super) fn constant(&mut self) -> Result<ConstValue, AsmError> {
        match self.peek() {
            Some('"') => Ok(ConstValue::String(self.quoted()?)),
            Some('\'') => Ok(ConstValue::Atom(self.atom()?)),
            Some('[') => Ok(ConstValue::Array(self.constants("[", ']')?)),
            Some('(') => {
                let items = self.constants("(", ')')?;
                Ok(if items.is_empty() { ConstValue::Unit } else { ConstValue::Tuple(items) })
            }
            Some('{') => {
                let props = self.deeper(|parser| parser.list("{", '}', Self::property))?;
                Ok(ConstValue::Object(props))
            }
            Some(c) if c.is_ascii_alphabetic() => self.spelled(),
            Some('-' | '+' | '.' | '0'..='9') => self.number_or_complex(),
            _ => Err(self.expected("a constant")),
        }
    }

    fn constants(&mut self, open: &str, close: char) -> Result<Vec<ConstValue>, AsmError> {
        self.deeper(|parser| parser.list(open, close, Self::constant))
    }

    /// A constant that begins with a letter.
    fn spelled(&mut self) -> Result<ConstValue, AsmError> {
        if self.at("inf") || self.at("NaN") {
            return self.number_or_complex();
        }
        let start = self.mark();
        Ok(match self.word() {
            "true" => ConstValue::Boolean(true),
            "false" => ConstValue::Boolean(false),
            "undefined" => ConstValue::Undefined,
            "atom" => {
                self.reset(start);
                ConstValue::Atom(self.atom()?)
            }
            "legacy" => ConstValue::LegacyFunction(self.quoted_argument()?),
            "tuple" => ConstValue::Tuple(self.constants("(", ')')?),
            "complex" => match self.list("(", ')', Self::number)?[..] {
                [re, im] => ConstValue::Complex(re, im),
                _ => return Err(self.error_at(start, "complex takes two numbers")),
            },
            "f64" => {
                self.reset(start);
                ConstValue::Number(self.number()?)
            }
            word => {
                let message = format!(
                    "unknown constant '{word}'; write an atom as '{word}' in single quotes"
                );
                return Err(self.error_at(start, message));
            }
        })
    }

    /// An atom in single quotes, where only a quote can be escaped, or as `atom("…")`.
    pub(in super::super) fn atom(&mut self) -> Result<String, AsmError> {
        if !self.at("atom") {
            return self.single_quoted();
        }
        self.expect("atom")?;
        self.quoted_argument()
    }

    fn quoted_argument(&mut self) -> Result<String, AsmError> {
        self.expect("(")?;
        let text = self.quoted()?;
        self.expect(")")?;
        Ok(text)
    }

    fn number_or_complex(&mut self) -> Result<ConstValue, AsmError> {
        let re = self.number()?;
        let negative = match self.peek() {
            Some('+') => false,
            Some('-') => true,
            _ => return Ok(ConstValue::Number(re)),
        };
        self.eat(if negative { '-' } else { '+' });
        let im = self.number()?;
        self.expect("i")?;
        Ok(ConstValue::Complex(re, if negative { -im } else { im }))
    }

    /// A number: decimal with optional sign, point and exponent; `inf`, `NaN`, `f64(0x…)`.
    fn number(&mut self) -> Result<f64, AsmError> {
        let start = self.mark();
        let negative = self.eat('-');
        if !negative {
            self.eat('+');
        }
        let magnitude = if self.at("inf") {
            self.expect("inf")?;
            f64::INFINITY
        } else if self.at("NaN") {
            self.expect("NaN")?;
            f64::NAN
        } else if self.at("f64(0x") {
            self.expect("f64(0x")?;
            let digits = self.word();
            let bits = u64::from_str_radix(digits, 16)
                .map_err(|_| self.error_at(start, "f64 takes 16 hexadecimal digits"))?;
            self.expect(")")?;
            f64::from_bits(bits)
        } else {
            let text = self.decimal();
            text.parse().map_err(|_| self.error_at(start, "expected a number"))?
        };
        Ok(if negative { -magnitude } else { magnitude })
    }

    fn property(&mut self) -> Result<(String, ConstValue, Access), AsmError> {
        let access = self.access_prefix();
        let key = self.name_until(":")?;
        self.space();
        Ok((key, self.constant()?, access))
    }

    fn access_prefix(&mut self) -> Access {
        let levels = [
            ("public ", Access::Public),
            ("readonly ", Access::Readonly),
            ("protected readonly ", Access::ProtectedReadonly),
            ("protected ", Access::Protected),
        ];
        for (prefix, access) in levels {
            if self.at(prefix) {
                let start = self.mark();
                self.reset(start + prefix.len());
                self.blank();
                return access;
            }
        }
        Access::Public
    }

    /// The level after a property of OBJECT_INIT; none if it is left out.
    pub(in super::super) fn access(&mut self) -> Result<Option<Access>, AsmError> {
        if !self.eat(':') {
            return Ok(None);
        }
        let start = self.mark();
        let word = self.word();
        let found = Access::ALL.into_iter().find(|access| access.name().eq_ignore_ascii_case(word));
        let names = Access::ALL.map(Access::name).join(", ");
        found.map(Some).ok_or_else(|| self.error_at(start, format!("expected one of {names}")))
    }

    /// A pattern.
    pub(in super::super) fn pattern(&mut self) -> Result<Pattern, AsmError> {
        match self.peek() {
            Some('_') => {
                self.eat('_');
                Ok(Pattern::Wildcard)
            }
            Some('[') => Ok(Pattern::Array(self.patterns("[", ']')?)),
            Some('(') => {
                let items = self.patterns("(", ')')?;
                let unit = Pattern::Value(ConstValue::Unit);
                Ok(if items.is_empty() { unit } else { Pattern::Tuple(items) })
            }
            Some('t') if self.at("tuple(") => Ok(Pattern::Tuple(self.patterns("tuple(", ')')?)),
            Some('v') if self.at("value(") => {
                self.expect("value(")?;
                self.space();
                let value = self.constant()?;
                self.space();
                self.expect(")")?;
                Ok(Pattern::Value(value))
            }
            Some('O') => self.tagged(),
            _ => Ok(Pattern::Value(self.constant()?)),
        }
    }

    fn patterns(&mut self, open: &str, close: char) -> Result<Vec<Pattern>, AsmError> {
        self.deeper(|parser| parser.list(open, close, Self::pattern))
    }

    fn tagged(&mut self) -> Result<Pattern, AsmError> {
        self.expect("Object(__tag:")?;
        let tag = self.name_until(", __slots:")?;
        self.space();
        let inner = self.deeper(Self::pattern)?;
        self.space();
        self.expect(")")?;
        Ok(Pattern::Tagged(tag, Box::new(inner)))
    }
}
