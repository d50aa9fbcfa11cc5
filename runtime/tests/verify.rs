//! Verification: limits, jumps, names, entry points, resolution order, warnings.

use ion_runtime::bytecode::verify::{MAX_ARGS, MAX_LIST, Report, WarningKind};
use ion_runtime::bytecode::{
    Body, FunctionIndex, VerifyError, VerifyErrorKind as Kind, assemble_function, assemble_package,
    verify_function, verify_package,
};
use ion_runtime::ionpack::Package;

const NATIVES: [&str; 6] = ["Debug", "Print", "PrintLn", "PrintF", "Sqrt", "StrLength"];

fn check_function(text: &str) -> Result<(), Kind> {
    let error = verify_function(&assemble_function(text).unwrap());
    error.map_err(|error| error.kind)
}

fn check_package(text: &str) -> Result<Report, Vec<VerifyError>> {
    verify_package(&assemble_package(text).unwrap(), &NATIVES)
}

/// The message of the only error.
fn refusal(text: &str) -> String {
    let errors = check_package(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

#[test]
fn packs_verify_clean() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ionpack") {
            let package = Package::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
            let report = verify_package(&package, &NATIVES).unwrap();
            assert_eq!(report.warnings, [], "{}", path.display());
        }
    }
}

#[test]
fn registers_are_bounded_by_the_frame() {
    let of = |params: &str, instr: &str| {
        check_function(&format!("function f ({params}) {{\n{instr}\n}}"))
    };
    assert_eq!(of("arity: 0, extra_regs: 0", "move r15, r0"), Ok(()));
    let beyond = Err(Kind::Register { reg: 16, count: 16 });
    for instr in [
        "move r16, r0",
        "move r0, r16",
        "call r0, r1, [r2, r16]",
        "object_init r0, {k:r16:Public}",
        "make_closure r0, r1, 's', [a:r16]",
        "link process1, r16",
        "receive_with_timeout r0, r1, r16",
        "match r16, []",
    ] {
        assert_eq!(of("arity: 2, extra_regs: 3", instr), beyond, "{instr}");
    }
    assert_eq!(of("arity: 10, extra_regs: 7", "move r16, r0"), Ok(()));
    assert_eq!(of("arity: 65000, extra_regs: 0", "nop"), Ok(()));
    assert_eq!(of("arity: 65000, extra_regs: 1", "nop"), Err(Kind::TooManyRegisters(65001)));
    let huge = of("arity: 4294967295, extra_regs: 4294967295", "nop");
    assert_eq!(huge, Err(Kind::TooManyRegisters(8589934590)));
}

#[test]
fn jumps_stay_in_the_function() {
    let of = |instr: &str| check_function(&format!("function f {{\nnop\n{instr}\n}}"));
    let outside = |target| Err(Kind::JumpTarget { target, count: 2 });
    assert_eq!(of("jump 1"), Ok(()));
    assert_eq!(of("jump -1"), Ok(()));
    assert_eq!(of("jump 2"), outside(3));
    assert_eq!(of("jump_if_true r0, -2"), outside(-1));
    assert_eq!(of("match r0, [(_, 1), (1, 2)]"), outside(3));
    assert_eq!(of("jump 2147483647"), outside(2147483648));
    assert_eq!(of("jump -2147483648"), outside(-2147483647));
}

#[test]
fn lists_are_bounded() {
    let of = |count: usize| {
        let list = vec!["r0"; count].join(", ");
        check_function(&format!("function f {{\narray_init r0, [{list}]\n}}"))
    };
    assert_eq!(of(MAX_LIST), Ok(()));
    assert_eq!(of(MAX_LIST + 1), Err(Kind::ListTooLong(MAX_LIST + 1)));
}

#[test]
fn arguments_and_captures_are_bounded() {
    let of = |code: &str, item: &str, count: usize| {
        let list = vec![item; count].join(", ");
        check_function(&format!("function f {{\n{code} [{list}]\n}}"))
    };
    for (code, item) in
        [("call r0, r0,", "r0"), ("spawn r0, r0,", "r0"), ("make_closure r0, r0, 's',", "a:r0")]
    {
        assert_eq!(of(code, item, MAX_ARGS), Ok(()), "{code}");
        let too_many = Err(Kind::TooManyArguments(MAX_ARGS + 1));
        assert_eq!(of(code, item, MAX_ARGS + 1), too_many, "{code}");
    }
}

#[test]
fn errors_name_the_place() {
    let text = ".class Main\nfunction main {\n}\nfunction f (arity: 1, extra_regs: 0) {\nnop\nmove r0, r99\n}\n.main Main";
    let expected = "class 'Main': function 'f': instruction 1: register r99 is beyond the frame's 16 registers; declare more extra registers";
    assert_eq!(refusal(text), expected);
}

#[test]
fn duplicates_are_refused() {
    assert_eq!(
        refusal("function main {\n}\nfunction f {\n}\nfunction f {\n}\n"),
        "class 'Main': two functions are called 'f'; rename one"
    );
    assert_eq!(
        refusal("function main {\n}\nfunction anonymous {\n}\nfunction anonymous {\n}\n"),
        "class 'Main': two functions have no name; name one"
    );
    let twice = ".main A\n.class A\nfunction main {\n}\n.class A\nfunction main {\n}\n";
    assert_eq!(refusal(twice), "two classes are called 'A'; rename one");
}

#[test]
fn entry_points() {
    let entry = |text: &str| check_package(text).unwrap().entry;
    let class = ".class Helper\nfunction main {\n}\n.class Main\n";
    let with = |manifest: &str, functions: &str| format!("{manifest}\n{class}{functions}");
    let f = |name: &str, arity: u32| format!("function {name} (arity: {arity}) {{\n}}\n");

    assert_eq!(entry(&with(".main Main", &(f("x", 0) + &f("main", 0)))), (1, 1));
    assert_eq!(entry(&with(".main Main x", &(f("main", 0) + &f("x", 3)))), (1, 1));
    assert_eq!(entry(&with(".main Main", &f("main", 1))), (1, 0));
    assert_eq!(entry(&with(".main Main", &f("anonymous", 2))), (1, 0));
    assert_eq!(entry(&with(".main Main", &(f("a", 1) + &f("b", 0) + &f("c", 0)))), (1, 1));

    let refused = |manifest: &str, functions: &str| refusal(&with(manifest, functions));
    assert_eq!(
        refused("", &f("main", 0)),
        "the manifest names no main class; add a line 'Main-Class: NAME'"
    );
    assert_eq!(
        refused(".main Mian", &f("main", 0)),
        "the package has no main class 'Mian'; did you mean 'Main'"
    );
    assert_eq!(
        refused(".main Main man", &f("main", 0)),
        "class 'Main': no function 'man' to start with; did you mean 'main'"
    );
    assert_eq!(
        refused(".main Main", &(f("a", 1) + &f("b", 1))),
        "class 'Main': no function 'main' to start with; name one as Entry-Point in the manifest"
    );
    assert_eq!(
        refused(".main Main", &(f("main", 1) + &f("b", 0))),
        "class 'Main': cannot start with 'main' of arity 1; name it as Entry-Point in the manifest"
    );
    let native = "function main {\n  FFI: Sqrt\n}\n";
    assert_eq!(
        refused(".main Main", native),
        "class 'Main': cannot start with 'main', an alias of a library function; name a bytecode function as Entry-Point in the manifest"
    );
}

#[test]
fn references_resolve_in_order() {
    let package = assemble_package(
        ".class A\nfunction f {\n}\nfunction only {\n}\nfunction B {\n}\n\
         .class B\nfunction f {\n}\nfunction anonymous {\n}\nfunction C:f {\n}\n\
         .class B:C\nfunction f {\n}\nfunction anonymous {\n}\n",
    )
    .unwrap();
    let index = FunctionIndex::of_package(&package);
    assert_eq!(index.resolve("A:f", "B"), Some((0, 0)));
    assert_eq!(index.resolve("B:C:f", "A"), Some((2, 0)), "split at the last colon first");
    assert_eq!(index.resolve("f", "B"), Some((1, 0)), "same class");
    assert_eq!(index.resolve("B", "B"), Some((1, 1)), "unnamed function of the class");
    assert_eq!(index.resolve("B", "A"), Some((0, 2)), "same class wins over unnamed");
    assert_eq!(index.resolve("B:C", "A"), Some((2, 1)), "unnamed function of a class with a colon");
    assert_eq!(index.resolve("only", "B"), Some((0, 1)), "only function of that name");
    assert_eq!(index.resolve("f", "Z"), None, "several of that name");
    assert_eq!(index.resolve("A:none", "A"), None);
    assert_eq!(index.resolve("", "A"), None);
    assert_eq!(index.resolve(&":".repeat(100_000), "A"), None);
}

#[test]
fn suspicious_references_are_warnings() {
    let text = "function main {
        load_const r0, '__function_ref:Main:worke'
        load_const r0, '__function_ref:worker'
        load_const r0, '__stdlib:DEBUG'
        load_const r0, '__stdlib:PrintLine'
        load_const r0, ['__stdlib:Nothing']
        }\nfunction worker {\n}";
    let report = check_package(text).unwrap();
    let shown: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "class 'Main': function 'main': instruction 0: no function 'Main:worke'; did you mean 'worker'",
            "class 'Main': function 'main': instruction 3: no library function 'PrintLine'; did you mean 'PrintLn'",
        ]
    );
    assert!(matches!(report.warnings[1].kind, WarningKind::UnknownNative { .. }));
}

#[test]
fn deep_constants_built_by_hand_are_refused() {
    use ion_runtime::bytecode::ConstValue;
    use ion_runtime::bytecode::ops::{ConstOperand, Dst, Instr};
    let nested = |levels: usize| {
        let value = (0..levels).fold(ConstValue::Unit, |inner, _| ConstValue::Array(vec![inner]));
        let mut function = assemble_function("function f {\n}").unwrap();
        let load = Instr::LoadConst { dst: Dst(0), value: ConstOperand(value) };
        function.body = Body::Bytecode(vec![load]);
        verify_function(&function).map_err(|error| error.kind)
    };
    assert_eq!(nested(256), Ok(()));
    assert_eq!(nested(257), Err(Kind::TooDeep));
}
