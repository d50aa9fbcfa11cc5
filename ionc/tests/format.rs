//! The formatter: keeps every token and comment, is stable, and leaves the examples as they are.

use ionc::compile::natives;
use ionc::ion::fmt::format;
use ionc::ion::{Options, Source, compile};
use std::path::Path;

fn texts(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder exists") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "ion") {
                let text = std::fs::read_to_string(&path).expect("readable");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

fn code(text: &str) -> Option<Vec<ion_runtime::ionpack::Class>> {
    let source = Source::new("Main", "Main.ion", text);
    let sources = ionc::compile::add_named(vec![source], |_| None).expect("no files");
    Some(compile(&sources, natives(), &Options::default()).package?.classes)
}

/// `BLESS=1` formats the examples.
#[test]
fn examples_are_formatted() {
    for (path, text) in texts(&["../examples", "std", "../benches/workloads"]) {
        let new = format(&text).unwrap_or_else(|| panic!("{path} is not formatted"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &new).expect("writable");
        } else {
            assert_eq!(new, text, "{path}; run 'ionc fmt'");
        }
    }
}

#[test]
fn formatting_is_stable_and_keeps_the_meaning() {
    let mut count = 0;
    for (path, text) in
        texts(&["../examples", "std", "tests/lang/language", "tests/wrong", "../benches/workloads"])
    {
        let Some(once) = format(&text) else { continue };
        count += 1;
        assert_eq!(format(&once).as_deref(), Some(once.as_str()), "{path} is not stable");
        assert_eq!(code(&once), code(&text), "{path} means something else");
        let comments = |text: &str| text.matches("//").count();
        assert_eq!(comments(&once), comments(&text), "{path} lost a comment");
        // Whatever the layout was: all on few lines, or with other blanks.
        let squeezed = text
            .replace("    ", "\t")
            .replace(" => ", "=>")
            .replace(" + ", "+")
            .replace(" == ", "==");
        if let Some(again) = format(&squeezed) {
            assert_eq!(code(&again), code(&squeezed), "{path}");
        }
    }
    assert!(count >= 50, "only {count} texts");
}

#[test]
fn layout() {
    let check =
        |text: &str, expected: &str| assert_eq!(format(text).as_deref(), Some(expected), "{text}");
    check("function f( x ){\nreturn x+1}\n", "function f(x) {\n    return x + 1;\n}\n");
    check("const a=[1,-2 , 3]\n", "const a = [1, -2, 3];\n");
    check(
        "function f(){if(a){b( )}else{c( -1 )}}",
        "function f() { if (a) { b(); } else { c(-1); } }\n",
    );
    check(
        "const o={a:1,readonly b:2,f(x){return x}}",
        "const o = { a: 1, readonly b: 2, f(x) { return x; } };\n",
    );
    check("let x = a ?b: c;// why\n\n\n\ny( )", "let x = a ? b : c; // why\n\ny();\n");
    check(
        "f(function(x){\nreturn `a${x+1}b`\n})",
        "f(function(x) {\n    return `a${x + 1}b`;\n});\n",
    );
    check(
        "match(x){(:a,n)if n>1=>f(n),\n_=>{}}",
        "match (x) { (:a, n) if n > 1 => f(n),\n_ => {} }\n",
    );
    check("const t = a\n+ b\n", "const t = a\n    + b;\n");
    assert_eq!(format("function ("), None);
}
