//! The text form: golden texts, round trips, errors, and the generated reference page.

mod support;

use ion_runtime::bytecode::disasm::disassemble_function_as;
use ion_runtime::bytecode::ops::{Dst, Offset};
use ion_runtime::bytecode::{
    Body, ClassFile, ConstValue, Function, Instr, Style, Variant, assemble_class,
    assemble_function, assemble_package, disassemble_class, disassemble_function,
    disassemble_package, reference_markdown,
};
use ion_runtime::ionpack::Package;
use proptest::prelude::*;
use support::Content;

fn check(text: &str) {
    let function = assemble_function(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(disassemble_function(&function), text);
}

#[test]
fn every_instruction_has_its_text() {
    check(
        r#"function everything (arity: 2, extra_regs: 8) {
    0: LOAD_CONST r0, 42
    1: MOVE r0, r1
    2: ADD r2, r0, r1
    3: GET_PROP r2, r0, r1
    4: SET_PROP r2, r0, r1
    5: CALL r0, r1, [r2, r3]
    6: CALL r0, r1, []
    7: SPAWN r0, r1, [r2]
    8: JUMP -3
    9: JUMP_IF_TRUE r0, 3
   10: JUMP_IF_FALSE r0, 0
   11: SEND r0, r1
   12: RECEIVE r0
   13: LINK process2, r0
   14: MATCH r0, [(1, 3), (_, 5), ((1, _), -2), ([_, 'a'], 1), (Object(__tag:Some, __slots:[_]), 1)]
   15: MATCH r0, []
   16: YIELD
   17: NOP
   18: RECEIVE_WITH_TIMEOUT r0, r1, r2
   19: OBJECT_INIT r0, {key:r1:Public, other:"a, b":Readonly, third:{ x: 1 }:ProtectedReadonly}
   20: OBJECT_INIT r0, {}
   21: SELECT r0, [r1, r2]
   22: SELECT_WITH_KILL r0, [r1]
   23: ARRAY_INIT r0, [r1, r2]
   24: MAKE_CLOSURE r0, r1, '__scope_1', [name:r2, name:r3]
   25: NOT r0, r1
   26: RETURN r0
}
"#,
    );
}

#[test]
fn every_constant_has_its_text() {
    check(
        r#"function anonymous (arity: 0, extra_regs: 0) {
    0: LOAD_CONST r0, 100000000000000000000
    1: LOAD_CONST r0, 0.0000001
    2: LOAD_CONST r0, NaN
    3: LOAD_CONST r0, -inf
    4: LOAD_CONST r0, true
    5: LOAD_CONST r0, ()
    6: LOAD_CONST r0, undefined
    7: LOAD_CONST r0, "say \"hi\", a\b // no comment"
    8: LOAD_CONST r0, 'it\'s'
    9: LOAD_CONST r0, '__stdlib:Debug'
   10: LOAD_CONST r0, 1.5-2i
   11: LOAD_CONST r0, 0+-0i
   12: LOAD_CONST r0, inf-infi
   13: LOAD_CONST r0, 1+NaNi
   14: LOAD_CONST r0, [1, [2], []]
   15: LOAD_CONST r0, (1, 2)
   16: LOAD_CONST r0, (1)
   17: LOAD_CONST r0, { name: "Alice", age: 30, 'odd key: [] }
   18: LOAD_CONST r0, {  }
   19: LOAD_CONST r0, "two
lines"
}
"#
        .replace(r"a\b", r"a\\b")
        .as_str(),
    );
}

#[test]
fn native_alias() {
    check("function root (arity: 1, extra_regs: 0) {\n  FFI: Sqrt\n}\n");
}

#[test]
fn class_texts_have_empty_lines_between() {
    let text = "function a (arity: 0, extra_regs: 0) {\n}\n\n\nfunction b (arity: 0, extra_regs: 0) {\n}\n\n";
    let class = assemble_class(text).unwrap();
    assert_eq!(disassemble_class("Main", &class), text);
    let headline = format!("Disassembling class 'Main' from IonPack: x.ionpack\n\n{text}");
    assert_eq!(assemble_class(&headline).unwrap(), class);
    let empty = ClassFile { variant: Variant::Multi, functions: vec![] };
    assert_eq!(disassemble_class("E", &empty), "No functions found in class 'E'\n");
    assert_eq!(assemble_class("No functions found in class 'E'\n").unwrap(), empty);
}

#[test]
fn handwriting_is_comfortable() {
    let text = "
        // A comment.
        function count {      // another
            load_const r0, 3
        loop:  load_const r1, 1
            Sub r0, r0, r1    // and another
            jump_if_true r0, loop
            match r0, [
                (0, done),    // zero
                (_, -1),
            done:
        }";
    let broken = assemble_function(text).unwrap_err();
    assert_eq!((broken.line, broken.column), (11, 13), "{broken}");
    let text = text.replace("(_, -1),", "(_, -1)]");
    let function = assemble_function(&text).unwrap();
    assert_eq!((function.arity, function.extra_regs), (0, 2));
    let Body::Bytecode(code) = function.body else { panic!() };
    assert_eq!(code[3].to_string(), "JUMP_IF_TRUE r0, -2");
    assert_eq!(code[4].to_string(), "MATCH r0, [(0, 1), (_, -1)]");
}

#[test]
fn extra_spellings() {
    let load = |text: &str| {
        let function = assemble_function(&format!("function f {{\nload_const r0, {text}\n}}"));
        let Body::Bytecode(mut code) = function.unwrap_or_else(|e| panic!("{text}: {e}")).body
        else {
            panic!()
        };
        match code.pop() {
            Some(Instr::LoadConst { dst: Dst(0), value }) => value.0,
            other => panic!("{other:?}"),
        }
    };
    let number = |n: f64| ConstValue::Number(n);
    assert_eq!(load("-0.0"), number(-0.0));
    assert_eq!(load("-0"), number(-0.0));
    assert_eq!(load("1e9"), number(1e9));
    assert_eq!(load("2.5E-3"), number(2.5e-3));
    assert_eq!(load("f64(0x7ff8000000000001)"), number(f64::from_bits(0x7ff8000000000001)));
    assert_eq!(load("complex(1, -0.0)"), ConstValue::Complex(1.0, -0.0));
    assert_eq!(load(r#"atom("a\\b\n")"#), ConstValue::Atom("a\\b\n".into()));
    assert_eq!(load("tuple()"), ConstValue::Tuple(vec![]));
    assert_eq!(load(r#"legacy("x")"#), ConstValue::LegacyFunction("x".into()));
    assert_eq!(load(r#""\u{e9}\t""#), ConstValue::String("é\t".into()));
    let object = load("{ readonly a: 1, protected readonly b: 2, \"c d\": 3, public: 4 }");
    let ConstValue::Object(props) = object else { panic!() };
    let shown: Vec<String> =
        props.iter().map(|(key, _, access)| format!("{key}/{}", access.name())).collect();
    assert_eq!(shown, ["a/Readonly", "b/ProtectedReadonly", "c d/Public", "public/Public"]);
}

#[test]
fn errors_name_place_and_remedy() {
    let check = |text: &str, expected: &str| {
        assert_eq!(assemble_package(text).unwrap_err().to_string(), expected);
    };
    check(
        "function f {\n  lod_const r0, 1\n}",
        "2:3: unknown instruction 'lod_const'; did you mean 'LOAD_CONST'",
    );
    check("function f {\n  move r0 r1\n}", "2:11: expected ',', found 'r'");
    check("function f {\n  move r0, 1\n}", "2:12: expected a register such as 'r0', found '1'");
    check("function f {\n  jump lop\nloop:\n}", "2:8: unknown label 'lop'; did you mean 'loop'");
    check(
        "function f {\n  load_const r0, ok\n}",
        "2:18: unknown constant 'ok'; write an atom as 'ok' in single quotes",
    );
    check("function f {\n  load_const r0, \"a\n}", "2:18: text is not closed; add '\"'");
    check("function f {\n  nop nop\n}", "2:7: expected the end of the line, found 'n'");
    check(".clas X", "1:1: unknown directive '.clas'; did you mean 'class'");
    check(".class X single\n", "1:1: the single variant takes one function, not 0; write 'multi'");
    check("function f\n", "1:10: expected 'function NAME (arity: N, extra_regs: N) {'");
    check("what", "1:1: expected 'function', found 'w'");
    check("function f {\n", "2:1: expected an instruction or '}'");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        assemble_function(&format!("function f {{\nload_const r0, {open}{close}\n}}"))
    };
    assert!(nested(200).is_ok());
    assert!(nested(100_000).is_err());
    let pattern = |levels: usize| {
        let (open, close) = ("Object(__tag:a, __slots:".repeat(levels), ")".repeat(levels));
        assemble_function(&format!("function f {{\nmatch r0, [({open}_{close}, 1)]\n}}"))
    };
    assert!(pattern(200).is_ok());
    assert!(pattern(100_000).is_err());
}

#[test]
fn packages_have_a_text_form() {
    let text = r#".package demo 1.2
.ionpack 1.0
.main Main start
.description "Two words"
.author me
.exports a b

.class Main multi

function start (arity: 0, extra_regs: 0) {
    0: RETURN r0
}

.class "Odd name" single

function anonymous (arity: 1, extra_regs: 0) {
}
"#;
    let package = assemble_package(text).unwrap();
    assert_eq!(package.manifest.entry_point.as_deref(), Some("start"));
    assert_eq!(package.manifest.description.as_deref(), Some("Two words"));
    assert_eq!(package.classes[0].file.variant, Variant::Multi);
    assert_eq!(package.classes[1].file.functions[0].name, None);
    assert_eq!(disassemble_package(&package, Style::Lossless), text);
}

#[test]
fn packs_survive_the_text_form() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ionpack") {
            continue;
        }
        let mut package = Package::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
        package.sources.clear();
        let text = disassemble_package(&package, Style::Lossless);
        assert_eq!(assemble_package(&text).unwrap(), package, "{}", path.display());
        for class in &package.classes {
            let text = disassemble_class(&class.name, &class.file);
            let again = assemble_class(&text).unwrap();
            assert_eq!(disassemble_class(&class.name, &again), text);
        }
    }
}

/// Offsets at the ends of their range survive, and a label too far away does not panic.
#[test]
fn offsets_keep_their_range() {
    for offset in [i32::MIN, -1, 0, 1, i32::MAX] {
        let body = Body::Bytecode(vec![Instr::Jump { offset: Offset(offset) }]);
        let function = Function { name: None, arity: 0, extra_regs: 0, body };
        let text = disassemble_function(&function);
        assert_eq!(assemble_function(&text).unwrap(), function);
    }
    assert!(assemble_function("function f {\njump 2147483648\n}").is_err());
}

#[test]
fn reference_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bytecode.md");
    let page = reference_markdown();
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
        std::fs::write(path, &page).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page,
        "docs/bytecode.md differs from the op table; run this test with BLESS=1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn lossless_text_is_an_identity(function in support::function(Content::Wild)) {
        let text = disassemble_function_as(&function, Style::Lossless);
        prop_assert_eq!(assemble_function(&text).map_err(|e| format!("{e}\n{text}")), Ok(function));
    }

    #[test]
    fn plain_text_is_an_identity_on_what_it_tells_apart(function in support::function(Content::Tame)) {
        let text = disassemble_function(&function);
        prop_assert_eq!(assemble_function(&text).map_err(|e| format!("{e}\n{text}")), Ok(function));
    }

    #[test]
    fn plain_text_of_anything_never_panics(function in support::function(Content::Wild)) {
        let _ = assemble_function(&disassemble_function(&function));
    }

    #[test]
    fn no_text_panics(text in "(function|[a-z0-9 .:,(){}\\[\\]'\"\\\\\n-]|load_const|match|é){0,40}") {
        let _ = assemble_package(&text);
        let _ = assemble_function(&format!("function f {{\n{text}\n}}"));
        let _ = assemble_function(&format!("function f {{\nload_const r0, {text}\n}}"));
    }
}
