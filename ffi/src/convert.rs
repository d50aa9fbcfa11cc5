//! Conversion between values of the machine and types of the host, and functions of such types as
//! library functions.
//!
//! ```
//! use ion_ffi::convert::native;
//! let hypot = native("Demo.hypot", &["a", "b"], |a: f64, b: f64| a.hypot(b));
//! assert_eq!(hypot.signature, "(a: Number, b: Number) -> Number");
//! ```
//!
//! A function takes up to six arguments, each a [`FromValue`], and gives an [`IntoValue`]. It may take
//! the [`NativeCx`] of the call as well, as its first parameter. An argument of another kind is
//! refused before the function runs; the error says which one, what it must be and what it got.

use ion_runtime::natives::{Arity, NativeCx, NativeDef, NativeError, NativeFn};
use ion_runtime::object::{container, string};
use ion_runtime::value::{Atom, Pid, Value};
use std::sync::Arc;

/// A type that an argument of a library function can have.
pub trait FromValue: Sized {
    /// The kinds that it takes, for documentation and errors: `Number`.
    const KIND: &'static str;
    /// May the argument be missing? Only the last parameters of a function may.
    const OPTIONAL: bool = false;
    /// The converted value; `None` if it is of another kind.
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self>;
}

/// A type that a library function can give.
pub trait IntoValue {
    /// The kinds that it becomes, for documentation.
    const KIND: &'static str;
    /// The value, in the memory of the calling process.
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError>;
}

macro_rules! immediate {
    ($($host:ty, $kind:literal, |$value:ident| $from:expr, |$back:ident| $into:expr;)*) => {
        $(impl FromValue for $host {
            const KIND: &'static str = $kind;
            fn from_value(_: &NativeCx<'_>, $value: Value) -> Option<Self> {
                $from
            }
        }
        impl IntoValue for $host {
            const KIND: &'static str = $kind;
            fn into_value(self, _: &mut NativeCx<'_>) -> Result<Value, NativeError> {
                let $back = self;
                Ok($into)
            }
        })*
    };
}

immediate! {
    f64, "Number", |value| value.as_number(), |number| Value::number(number);
    bool, "Boolean", |value| value.as_boolean(), |boolean| Value::boolean(boolean);
    Atom, "Atom", |value| value.as_atom(), |atom| Value::atom(atom);
    Pid, "Process", |value| value.as_pid(), |pid| Value::pid(pid);
    Value, "Any", |value| Some(value), |value| value;
    // Whole numbers: fractions are cut off, numbers that are too large become the largest.
    i64, "Number", |value| value.as_number().map(|number| number as i64), |number| Value::number(number as f64);
    usize, "Number", |value| value.as_number().map(|number| number as usize), |number| Value::number(number as f64);
    u32, "Number", |value| value.as_number().map(|number| number as u32), |number| Value::number(number.into());
    i32, "Number", |value| value.as_number().map(|number| number as i32), |number| Value::number(number.into());
    (), "Unit", |value| (value == Value::UNIT).then_some(()), |_unit| Value::UNIT;
}

impl FromValue for String {
    const KIND: &'static str = "String";
    fn from_value(_: &NativeCx<'_>, value: Value) -> Option<Self> {
        string::text(value).map(std::borrow::Cow::into_owned)
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    const KIND: &'static str = "Array";
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        container::array(value)?.iter().map(|element| T::from_value(cx, *element)).collect()
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const KIND: &'static str = T::KIND;
    const OPTIONAL: bool = true;
    fn from_value(cx: &NativeCx<'_>, value: Value) -> Option<Self> {
        match value {
            Value::UNDEFINED => Some(None),
            value => T::from_value(cx, value).map(Some),
        }
    }
}

impl IntoValue for String {
    const KIND: &'static str = "String";
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        cx.string(&self)
    }
}

impl IntoValue for &str {
    const KIND: &'static str = "String";
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        cx.string(self)
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    const KIND: &'static str = "Array";
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        let elements: Result<Vec<Value>, NativeError> =
            self.into_iter().map(|element| element.into_value(cx)).collect();
        cx.array(&elements?)
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    const KIND: &'static str = T::KIND;
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        self.map_or(Ok(Value::UNDEFINED), |value| value.into_value(cx))
    }
}

impl<T: IntoValue> IntoValue for Result<T, NativeError> {
    const KIND: &'static str = T::KIND;
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        self?.into_value(cx)
    }
}

impl<T: IntoValue> IntoValue for Result<T, String> {
    const KIND: &'static str = T::KIND;
    fn into_value(self, cx: &mut NativeCx<'_>) -> Result<Value, NativeError> {
        self.map_err(NativeError::Runtime)?.into_value(cx)
    }
}

/// Kinds of the parameters of a typed function, and of its result.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// For each parameter its kind, and whether it may be missing.
    pub params: Vec<(&'static str, bool)>,
    /// The result.
    pub result: &'static str,
}

/// A function that can be a library function; `Args` and `Mark` tell the implementations apart.
pub trait Typed<Args, Mark>: Send + Sync + 'static {
    /// What it takes and gives.
    fn kinds() -> Kinds;
    /// Calls it; the number of arguments has been checked.
    fn call(
        &self,
        cx: &mut NativeCx<'_>,
        args: &[Value],
        names: &Names,
    ) -> Result<Value, NativeError>;
}

/// Marks functions of the arguments only.
pub enum OfArguments {}

/// Marks functions that take the context, too.
pub enum OfContext {}

/// What errors call the parameters.
#[derive(Clone, Debug)]
pub struct Names {
    names: Vec<String>,
    /// The kinds of all parameters, for the functions whose errors list them.
    listed: Option<String>,
}

impl Names {
    #[cold]
    fn wrong(&self, at: usize, expected: &str, args: &[Value]) -> NativeError {
        if let Some(listed) = &self.listed {
            return NativeCx::type_error(listed, args);
        }
        NativeError::Argument {
            position: at + 1,
            name: self.names.get(at).cloned().unwrap_or_default(),
            expected: expected.to_owned(),
            got: args.get(at).map_or("Undefined", |arg| arg.kind().name()).to_owned(),
        }
    }
}

macro_rules! typed {
    ($($arg:ident $at:tt),*) => {
        impl<Fun, Res, $($arg),*> Typed<($($arg,)*), OfArguments> for Fun
        where
            Fun: Fn($($arg),*) -> Res + Send + Sync + 'static,
            Res: IntoValue,
            $($arg: FromValue,)*
        {
            fn kinds() -> Kinds {
                Kinds { params: vec![$(($arg::KIND, $arg::OPTIONAL)),*], result: Res::KIND }
            }
            fn call(
                &self,
                cx: &mut NativeCx<'_>,
                _args: &[Value],
                _names: &Names,
            ) -> Result<Value, NativeError> {
                (self)($(argument::<$arg>(cx, _args, $at, _names)?),*).into_value(cx)
            }
        }
        impl<Fun, Res, $($arg),*> Typed<($($arg,)*), OfContext> for Fun
        where
            Fun: Fn(&mut NativeCx<'_>, $($arg),*) -> Res + Send + Sync + 'static,
            Res: IntoValue,
            $($arg: FromValue,)*
        {
            fn kinds() -> Kinds {
                Kinds { params: vec![$(($arg::KIND, $arg::OPTIONAL)),*], result: Res::KIND }
            }
            #[allow(non_snake_case, reason = "the arguments are named like their types")]
            fn call(
                &self,
                cx: &mut NativeCx<'_>,
                _args: &[Value],
                _names: &Names,
            ) -> Result<Value, NativeError> {
                $(let $arg = argument::<$arg>(cx, _args, $at, _names)?;)*
                (self)(cx, $($arg),*).into_value(cx)
            }
        }
    };
}

typed!();
typed!(A0 0);
typed!(A0 0, A1 1);
typed!(A0 0, A1 1, A2 2);
typed!(A0 0, A1 1, A2 2, A3 3);
typed!(A0 0, A1 1, A2 2, A3 3, A4 4);
typed!(A0 0, A1 1, A2 2, A3 3, A4 4, A5 5);

fn argument<T: FromValue>(
    cx: &NativeCx<'_>,
    args: &[Value],
    at: usize,
    names: &Names,
) -> Result<T, NativeError> {
    let value = args.get(at).copied().unwrap_or(Value::UNDEFINED);
    T::from_value(cx, value).ok_or_else(|| names.wrong(at, T::KIND, args))
}

/// A library function from a typed one; `params` names its parameters.
///
/// # Panics
/// If there are not as many names as parameters.
pub fn native<Args, Mark, F: Typed<Args, Mark>>(
    name: &str,
    params: &[&str],
    function: F,
) -> NativeDef {
    let kinds = F::kinds();
    assert_eq!(params.len(), kinds.params.len(), "{name} needs a name for each parameter");
    let least = kinds.params.iter().rposition(|(_, optional)| !optional).map_or(0, |at| at + 1);
    let (least, most) = (least as u32, params.len() as u32);
    let arity = if least == most { Arity::Exact(most) } else { Arity::Between(least, most) };
    // Functions from before there were modules list the kinds of all parameters.
    let listed = (!name.contains('.')).then(|| {
        let kinds: Vec<_> = kinds.params.iter().map(|(kind, _)| *kind).collect();
        kinds.join(", ")
    });
    let names = Names { names: params.iter().map(|&name| name.to_owned()).collect(), listed };
    let call: NativeFn =
        Arc::new(move |cx: &mut NativeCx<'_>, args: &[Value]| function.call(cx, args, &names));
    NativeDef { signature: signature(params, &kinds), ..NativeDef::new(name, arity, call) }
}

fn signature(names: &[&str], kinds: &Kinds) -> String {
    let params: Vec<_> = names
        .iter()
        .zip(&kinds.params)
        .map(|(name, (kind, optional))| {
            format!("{name}{}: {kind}", if *optional { "?" } else { "" })
        })
        .collect();
    format!("({}) -> {}", params.join(", "), kinds.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_arities_come_from_the_types() {
        let def =
            native("Demo.cut", &["text", "from", "to"], |text: String, _: i64, _: Option<f64>| {
                text
            });
        assert_eq!(def.signature, "(text: String, from: Number, to?: Number) -> String");
        assert_eq!(def.arity, Arity::Between(2, 3));
        let none = native("Demo.none", &[], || ());
        assert_eq!((none.signature.as_str(), none.arity), ("() -> Unit", Arity::Exact(0)));
    }
}
