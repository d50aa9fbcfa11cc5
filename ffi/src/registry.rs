//! The table of the standard functions: one row for each, nothing about them anywhere else.
//!
//! A row gives the name, how many arguments it takes (`2`, or `1..` for one or more), the kinds of
//! parameters and result, the implementation, and in its comment the documentation that
//! `ionc natives` shows. Rows that end in `shows` present their arguments to people: of
//! objects that define `__str__` they get the text that it returns.

use crate::stdlib::{io, math, string};
use ion_runtime::natives::{Arity, NativeDef, Registry};
use std::sync::Arc;

macro_rules! natives {
    ($($(#[doc = $doc:literal])* $name:ident($least:literal $($more:tt)?) $signature:literal $call:path $(, $shows:ident)?;)*) => {
        /// The standard functions.
        pub fn standard() -> Registry {
            let mut registry = Registry::new();
            $(registry.add(NativeDef {
                name: stringify!($name).to_owned(),
                arity: natives!(@arity $least $($more)?),
                signature: $signature.to_owned(),
                doc: concat!($($doc),*).trim().to_owned(),
                shows: natives!(@shows $($shows)?),
                call: Arc::new($call),
            });)*
            registry
        }
    };
    (@arity $count:literal) => { Arity::Exact($count) };
    (@arity $least:literal ..) => { Arity::AtLeast($least) };
    (@shows) => { false };
    (@shows shows) => { true };
}

natives! {
    /// Square root. The error `Cannot take square root of negative number` below 0.
    Sqrt(1) "(Number) -> Number" math::sqrt;
    /// Magnitude.
    Abs(1) "(Number) -> Number" math::abs;
    /// Sine of an angle in radians.
    Sin(1) "(Number) -> Number" math::sin;
    /// Cosine of an angle in radians.
    Cos(1) "(Number) -> Number" math::cos;
    /// The next integer downwards.
    Floor(1) "(Number) -> Number" math::floor;
    /// The next integer upwards.
    Ceil(1) "(Number) -> Number" math::ceil;
    /// The nearest integer, halves away from zero: 2.5 gives 3, -2.5 gives -3.
    Round(1) "(Number) -> Number" math::round;
    /// Natural logarithm; NaN for 0 and below.
    Log(1) "(Number) -> Number" math::log;
    /// The larger of two numbers; NaN counts only if both are.
    Max(2) "(Number, Number) -> Number" math::max;
    /// The smaller of two numbers; NaN counts only if both are.
    Min(2) "(Number, Number) -> Number" math::min;
    /// The first number to the power of the second.
    Pow(2) "(Number, Number) -> Number" math::pow;
    /// Length in bytes of UTF-8.
    StrLength(1) "(String) -> Number" string::length;
    /// Upper case, by the full Unicode mapping: `ß` gives `SS`.
    StrUpper(1) "(String) -> String" string::upper;
    /// Lower case, by the full Unicode mapping.
    StrLower(1) "(String) -> String" string::lower;
    /// The two texts one after the other.
    StrConcat(2) "(String, String) -> String" string::concat;
    /// The pieces of the first text between occurrences of the second. Empty pieces are kept; an
    /// empty delimiter gives an empty piece, each character, an empty piece.
    StrSplit(2) "(String, String) -> Array" string::split;
    /// The text without Unicode white space at both ends.
    StrTrim(1) "(String) -> String" string::trim;
    /// Writes the values, joined by `, `, to standard output, without a line end.
    Print(1 ..) "(Any, ...Any) -> Unit" io::print, shows;
    /// Writes the values, joined by `, `, and a line feed to standard output.
    PrintLn(1 ..) "(Any, ...Any) -> Unit" io::print_line, shows;
    /// Writes a format to standard output, without a line end: `{}` takes the next value, `{0}`,
    /// `{1}`, … a given one.
    PrintF(2 ..) "(String, Any, ...Any) -> Unit" io::print_format, shows;
    /// Writes `[DEBUG] KIND: VALUE` and a line feed to standard output.
    Debug(1) "(Any) -> Unit" io::debug, shows;
    /// Writes the value and a line feed to standard error.
    Eprint(1) "(Any) -> Unit" io::print_error, shows;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_are_there() {
        let registry = standard();
        let names = "Sqrt Abs Sin Cos Floor Ceil Round Log Max Min Pow \
                     StrLength StrUpper StrLower StrConcat StrSplit StrTrim \
                     Print PrintLn PrintF Debug Eprint";
        assert_eq!(registry.names(), names.split_whitespace().collect::<Vec<_>>());
        assert!(registry.iter().all(|def| !def.doc.is_empty() && !def.doc.starts_with(' ')));
    }

    #[test]
    fn rows_say_arity_and_whether_they_show() {
        let registry = standard();
        let row = |name| {
            let def = registry.find(name).expect("the row exists");
            (def.arity, def.shows)
        };
        assert_eq!(row("Pow"), (Arity::Exact(2), false));
        assert_eq!(row("debug"), (Arity::Exact(1), true));
        assert_eq!(row("printf"), (Arity::AtLeast(2), true));
    }
}
