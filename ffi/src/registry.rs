//! The table of the standard functions: one row for each, nothing about them anywhere else.
//!
//! A row gives the documentation, the name, the names of the parameters, and the implementation, whose
//! types are the kinds of parameters and result. [`standard`] collects the rows of all modules; those
//! of a module are next to its implementations in `stdlib`.

use crate::stdlib;
use ion_runtime::natives::Registry;

/// Rows of library functions, as `pub(crate) fn NAME(registry: &mut Registry)`.
///
/// | Row | Implementation |
/// |---|---|
/// | `Name(params) = f1 f;`, `f2 f;` | of one or two `f64`, pure: compiled code calls it directly |
/// | `Name(params) = typed f;` | any [`Typed`](crate::convert::Typed) function |
/// | `Name = raw 1 .. "(signature)" f;` | gets the context and the arguments as they are |
/// | `Name(params) = code "(signature)" N;` | the bytecode function of that name, N parameters, in `stdlib/library.ionasm` |
///
/// Behind the implementation: `shows` (objects with `__str__` are converted before the call), `blocks`
/// (may wait for the world outside), `objects` (may make or change objects, or make atoms of texts),
/// `needs "--allow-…"`.
macro_rules! natives {
    (
        $(#[doc = $title:literal])+
        fn $register:ident;
        $($rows:tt)*
    ) => {
        $(#[doc = $title])+
        pub(crate) fn $register(registry: &mut ion_runtime::natives::Registry) {
            $crate::registry::natives!(@rows registry $($rows)*);
        }
    };
    (@rows $registry:ident) => {};
    (@rows $registry:ident
        $(#[doc = $doc:literal])+
        $first:ident $(. $second:ident)? ($($param:ident),*) = f1 $body:path; $($rest:tt)*
    ) => {
        $crate::registry::natives!(@add $registry, [$($doc)+], [], {
            extern "C" fn fast(number: f64) -> f64 {
                $crate::registry::canonical($body(number))
            }
            ion_runtime::natives::NativeDef {
                fast: Some(ion_runtime::natives::Fast::F1(fast)),
                ..$crate::convert::native(
                    concat!(stringify!($first) $(, ".", stringify!($second))?),
                    &[$(stringify!($param)),*],
                    |number: f64| $body(number),
                )
            }
        });
        $crate::registry::natives!(@rows $registry $($rest)*);
    };
    (@rows $registry:ident
        $(#[doc = $doc:literal])+
        $first:ident $(. $second:ident)? ($($param:ident),*) = f2 $body:path; $($rest:tt)*
    ) => {
        $crate::registry::natives!(@add $registry, [$($doc)+], [], {
            extern "C" fn fast(a: f64, b: f64) -> f64 {
                $crate::registry::canonical($body(a, b))
            }
            ion_runtime::natives::NativeDef {
                fast: Some(ion_runtime::natives::Fast::F2(fast)),
                ..$crate::convert::native(
                    concat!(stringify!($first) $(, ".", stringify!($second))?),
                    &[$(stringify!($param)),*],
                    |a: f64, b: f64| $body(a, b),
                )
            }
        });
        $crate::registry::natives!(@rows $registry $($rest)*);
    };
    (@rows $registry:ident
        $(#[doc = $doc:literal])+
        $first:ident $(. $second:ident)? ($($param:ident),*) = typed $body:path
        $(, $flag:ident $($value:literal)?)*; $($rest:tt)*
    ) => {
        $crate::registry::natives!(@add $registry, [$($doc)+], [$($flag $($value)?),*], {
            $crate::convert::native(
                concat!(stringify!($first) $(, ".", stringify!($second))?),
                &[$(stringify!($param)),*],
                $body,
            )
        });
        $crate::registry::natives!(@rows $registry $($rest)*);
    };
    (@rows $registry:ident
        $(#[doc = $doc:literal])+
        $first:ident $(. $second:ident)? = raw $least:literal .. $signature:literal $body:path
        $(, $flag:ident $($value:literal)?)*; $($rest:tt)*
    ) => {
        $crate::registry::natives!(@add $registry, [$($doc)+], [$($flag $($value)?),*], {
            ion_runtime::natives::NativeDef {
                signature: $signature.to_owned(),
                ..ion_runtime::natives::NativeDef::new(
                    concat!(stringify!($first) $(, ".", stringify!($second))?),
                    ion_runtime::natives::Arity::AtLeast($least),
                    std::sync::Arc::new($body),
                )
            }
        });
        $crate::registry::natives!(@rows $registry $($rest)*);
    };
    (@rows $registry:ident
        $(#[doc = $doc:literal])+
        $first:ident $(. $second:ident)? = code $count:literal $signature:literal; $($rest:tt)*
    ) => {
        $crate::registry::natives!(@add $registry, [$($doc)+], [], {
            $crate::stdlib::library::native(
                concat!(stringify!($first) $(, ".", stringify!($second))?),
                $count,
                $signature,
            )
        });
        $crate::registry::natives!(@rows $registry $($rest)*);
    };
    (@add $registry:ident, [$($doc:literal)+], [$($flag:ident $($value:literal)?),*], $def:block) => {
        #[allow(unused_mut, reason = "rows without flags change nothing")]
        let mut def: ion_runtime::natives::NativeDef = $def;
        def.doc = concat!($($doc),+).trim().to_owned();
        $($crate::registry::natives!(@flag def $flag $($value)?);)*
        $registry.add(def);
    };
    (@flag $def:ident shows) => { $def.shows = true };
    (@flag $def:ident blocks) => { $def.effects.blocks = true };
    (@flag $def:ident objects) => { $def.effects.objects = true };
    (@flag $def:ident needs $value:literal) => { $def.effects.permission = Some($value) };
}
pub(crate) use natives;

/// All NaNs are one. The optimiser takes NaNs that arithmetic makes for interchangeable, so it must not
/// see which one this is.
#[inline(always)]
pub(crate) fn canonical(number: f64) -> f64 {
    if number.is_nan() { std::hint::black_box(f64::NAN) } else { number }
}

/// The standard functions.
pub fn standard() -> Registry {
    let mut registry = Registry::new();
    stdlib::PARTS.iter().for_each(|part| registry.add_part(*part));
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use ion_runtime::natives::{Arity, Fast};

    #[test]
    fn classic_functions_are_there() {
        let registry = standard();
        let names = "Sqrt Abs Sin Cos Floor Ceil Round Log Max Min Pow \
                     StrLength StrUpper StrLower StrConcat StrSplit StrTrim \
                     Print PrintLn PrintF Debug Eprint";
        let classic: Vec<_> =
            registry.names().into_iter().filter(|name| !name.contains('.')).collect();
        assert_eq!(classic, names.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn parts_have_the_modules_that_they_name() {
        for part in stdlib::PARTS {
            let mut own = Registry::new();
            (part.register)(&mut own);
            let module = |def: &ion_runtime::natives::NativeDef| {
                def.name.split_once('.').map_or(String::new(), |(module, _)| module.to_lowercase())
            };
            let modules: std::collections::BTreeSet<_> = own.iter().map(module).collect();
            let named = part.modules.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(modules, named);
        }
    }

    #[test]
    fn a_function_of_the_host_replaces_one_of_a_part() {
        let mut registry = standard();
        let count = registry.names().len();
        registry.add(crate::convert::native("math.Abs", &["number"], |number: f64| number));
        assert_eq!(registry.find("Math.abs").map(|def| def.name.as_str()), Some("math.Abs"));
        assert_eq!(registry.names().len(), count);
    }

    #[test]
    fn every_row_is_complete() {
        for def in standard().iter() {
            assert!(!def.doc.is_empty() && !def.doc.starts_with(' '), "{}", def.name);
            assert!(def.doc.ends_with(['.', '?']), "{}: {}", def.name, def.doc);
            assert!(def.signature.starts_with('(') && def.signature.contains(") -> "), "{def:?}");
            let same: Vec<_> = standard()
                .names()
                .iter()
                .filter(|name| name.eq_ignore_ascii_case(&def.name))
                .map(|name| (*name).to_owned())
                .collect();
            assert_eq!(same.len(), 1, "names are found in any case: {same:?}");
        }
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

    #[test]
    fn fast_functions_give_the_canonical_nan() {
        for def in standard().iter() {
            let odd = f64::from_bits(0xFFFF_FFFF_0000_0001);
            let result = match def.fast {
                Some(Fast::F1(function)) => function(odd),
                Some(Fast::F2(function)) => function(odd, odd),
                None => continue,
            };
            let bits = result.to_bits();
            assert!(!result.is_nan() || bits == f64::NAN.to_bits(), "{}: {bits:x}", def.name);
        }
    }
}
