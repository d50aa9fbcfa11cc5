//! Random instructions, generated from the op table.

#![allow(dead_code, reason = "each test binary uses its own part")]

use ion_runtime::bytecode::ops::{
    Access, Arms, Captures, ConstOperand, Dst, Instr, Offset, ProcessNumber, PropInit, PropValue,
    Props, RegList, Scope, Src,
};
use ion_runtime::bytecode::{Body, ClassFile, ConstValue, Function, Pattern, Variant};
use ion_runtime::ion_ops;
use proptest::collection::vec;
use proptest::prelude::*;

/// Which texts and numbers are generated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    /// Anything the format holds.
    Wild,
    /// Only what plain text tells apart.
    Tame,
}

/// What an operand kind can be.
trait Arbitrary: Sized + 'static {
    fn arbitrary(content: Content) -> BoxedStrategy<Self>;
}

macro_rules! define_instr_strategy {
    ($($(#[$doc:meta])* $code:literal $variant:ident $name:literal { $($field:ident : $kind:ident),* } cost $cost:literal;)*) => {
        pub fn instr(content: Content) -> BoxedStrategy<Instr> {
            proptest::strategy::Union::new([
                $((Just(()), $(<$kind as Arbitrary>::arbitrary(content),)*)
                    .prop_map(|((), $($field,)*)| Instr::$variant { $($field),* })
                    .boxed(),)*
            ]).boxed()
        }
    };
}
ion_ops!(define_instr_strategy);

fn reg() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..16u32, 1 => any::<u32>()]
}

fn text(content: Content) -> BoxedStrategy<String> {
    match content {
        Content::Wild => prop_oneof![
            Just("".to_owned()),
            Just("anonymous".to_owned()),
            Just("readonly x".to_owned()),
            "[a-z]{1,4}",
            "[ :,'\"\\\\(){}\\[\\]\n\r\t\0é/]{1,6}",
            any::<String>(),
        ]
        .boxed(),
        Content::Tame => "[a-z][a-z0-9_]{0,5}".boxed(),
    }
}

/// A text in quotes, where blanks and most punctuation are fine.
fn quoted(content: Content) -> BoxedStrategy<String> {
    match content {
        Content::Wild => text(content),
        Content::Tame => "[ -\\[\\]-~é\n]{0,8}".boxed(),
    }
}

fn number(content: Content) -> BoxedStrategy<f64> {
    match content {
        Content::Wild => prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            proptest::sample::select(&[0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::INFINITY][..]),
        ]
        .boxed(),
        Content::Tame => prop_oneof![
            any::<i32>().prop_map(f64::from),
            any::<f64>().prop_map(|n| if n.is_nan() || n == 0.0 { 0.0 } else { n }),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(f64::NAN),
        ]
        .boxed(),
    }
}

fn access(content: Content) -> BoxedStrategy<Access> {
    match content {
        Content::Wild => proptest::sample::select(&Access::ALL[..]).boxed(),
        Content::Tame => Just(Access::Public).boxed(),
    }
}

pub fn constant(content: Content) -> BoxedStrategy<ConstValue> {
    let smallest = if content == Content::Tame { 1 } else { 0 };
    let leaf = prop_oneof![
        number(content).prop_map(ConstValue::Number),
        any::<bool>().prop_map(ConstValue::Boolean),
        quoted(content).prop_map(ConstValue::Atom),
        quoted(content).prop_map(ConstValue::String),
        Just(ConstValue::Unit),
        Just(ConstValue::Undefined),
        (number(content), number(content)).prop_map(|(re, im)| ConstValue::Complex(re, im)),
        text(content).prop_map(move |name| match content {
            Content::Wild => ConstValue::LegacyFunction(name),
            Content::Tame => ConstValue::Unit,
        }),
    ];
    let nested = leaf.prop_recursive(4, 16, 4, move |inner| {
        let property = (text(content), inner.clone(), access(content));
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(ConstValue::Array),
            vec(inner, smallest..4).prop_map(ConstValue::Tuple),
            vec(property, 0..4).prop_map(ConstValue::Object),
        ]
    });
    nested.boxed()
}

pub fn pattern(content: Content) -> BoxedStrategy<Pattern> {
    let smallest = if content == Content::Tame { 1 } else { 0 };
    let leaf = prop_oneof![
        constant(content).prop_map(move |value| match value {
            ConstValue::Array(_) | ConstValue::Tuple(_) if content == Content::Tame => {
                Pattern::Wildcard
            }
            value => Pattern::Value(value),
        }),
        Just(Pattern::Wildcard),
    ];
    let nested = leaf.prop_recursive(3, 8, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), smallest..4).prop_map(Pattern::Tuple),
            vec(inner.clone(), 0..4).prop_map(Pattern::Array),
            (text(content), inner).prop_map(|(tag, p)| Pattern::Tagged(tag, Box::new(p))),
        ]
    });
    nested.boxed()
}

macro_rules! arbitrary {
    ($($kind:ty, $content:ident => $strategy:expr;)*) => {$(
        impl Arbitrary for $kind {
            fn arbitrary($content: Content) -> BoxedStrategy<Self> {
                let _ = $content;
                $strategy.boxed()
            }
        }
    )*};
}
arbitrary! {
    Dst, content => reg().prop_map(Dst);
    Src, content => reg().prop_map(Src);
    RegList, content => vec(reg(), 0..4).prop_map(RegList);
    Offset, content => prop_oneof![-4..8i32, any::<i32>()].prop_map(Offset);
    ProcessNumber, content => any::<u32>().prop_map(ProcessNumber);
    ConstOperand, content => constant(content).prop_map(ConstOperand);
    Arms, content => vec((pattern(content), Offset::arbitrary(content)), 0..3).prop_map(Arms);
    Props, content => vec(prop_init(content), 0..3).prop_map(Props);
    Scope, content => quoted(content).prop_map(Scope);
    Captures, content => vec((text(content), reg()), 0..3).prop_map(Captures);
}

fn prop_init(content: Content) -> impl Strategy<Value = PropInit> {
    let value =
        prop_oneof![reg().prop_map(PropValue::Reg), constant(content).prop_map(PropValue::Const),];
    let short = if content == Content::Tame { 0 } else { 1 };
    let access = prop_oneof![
        3 => proptest::sample::select(&Access::ALL[..]).prop_map(Some),
        short => Just(None),
    ];
    (text(content), value, access).prop_map(|(key, value, access)| PropInit { key, value, access })
}

pub fn function(content: Content) -> BoxedStrategy<Function> {
    let body = prop_oneof![
        9 => vec(instr(content), 0..6).prop_map(Body::Bytecode),
        1 => text(content).prop_map(Body::Native),
    ];
    let name = proptest::option::of(text(content));
    (name, any::<u32>(), 0..40u32, body)
        .prop_map(|(name, arity, extra_regs, body)| Function { name, arity, extra_regs, body })
        .boxed()
}

pub fn class_file(content: Content) -> BoxedStrategy<ClassFile> {
    let single = function(content).prop_map(|function| vec![function]);
    prop_oneof![
        single.prop_map(|functions| ClassFile { variant: Variant::Single, functions }),
        vec(function(content), 0..4)
            .prop_map(|functions| ClassFile { variant: Variant::Multi, functions }),
    ]
    .boxed()
}
