//! No text makes the compiler panic, and what it accepts is a package that can run.

use ion_runtime::bytecode::verify_package;
use ionc::compile::natives;
use ionc::ion::render::render;
use ionc::ion::{Options, Source, compile};
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

/// Compiles, shows every diagnostic, verifies what comes out and reads it back.
fn survives(text: &str) {
    let sources = [Source::new("Fuzz", "Fuzz.ion", text)];
    let options = Options { needs_main: true, ..Options::default() };
    let compiled = compile(&sources, natives(), &options);
    for diag in &compiled.diags {
        assert!(!render(diag, &sources, false).is_empty());
    }
    if let Some(package) = compiled.package {
        verify_package(&package, &[]).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        let bytes = package.to_bytes().expect("it can be written");
        assert!(ion_runtime::ionpack::Package::from_bytes(&bytes).is_ok(), "{text}");
    }
}

/// All Ion programs of the repository.
fn corpus() -> &'static [String] {
    static CORPUS: OnceLock<Vec<String>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["tests/lang/language", "tests/wrong", "std", "../examples"];
        let mut texts = Vec::new();
        for folder in folders {
            let entries = std::fs::read_dir(root.join(folder)).expect("the folder exists");
            let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
            paths.sort();
            let ion = paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "ion"));
            texts.extend(ion.map(|path| std::fs::read_to_string(path).expect("readable")));
        }
        texts
    })
}

/// Words and signs of the language, to make texts that are nearly programs.
const PIECES: &[&str] = &[
    "function",
    "main",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "const",
    "let",
    "x",
    "y",
    "f",
    "=",
    "=>",
    ",",
    ";",
    "\n",
    "if",
    "else",
    "while",
    "for",
    "of",
    "break",
    "continue",
    "return",
    "match",
    "receive",
    "after",
    "import",
    "from",
    "_",
    "|",
    "...",
    ":a",
    ":",
    "1",
    "2i",
    "\"s\"",
    "`t${",
    "}`",
    "+",
    "-",
    "**",
    "&&",
    "||",
    "??",
    "!",
    "==",
    "<",
    "+=",
    "++",
    "?",
    ".",
    "self",
    "this",
    "undefined",
    "true",
    "spawn",
    "send",
    "println",
    "Math",
    "sqrt",
    "readonly",
    "protected",
    "__proto__",
    "(x, y)",
    "() => {",
    "function main() {",
    "{ x: 1 }",
    "é",
    "\\",
    "\"",
    "'",
    "//",
    "/*",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn pieces_of_the_language(picks in prop::collection::vec(0..PIECES.len(), 0..120)) {
        let text: Vec<&str> = picks.iter().map(|pick| PIECES[*pick]).collect();
        survives(&text.join(" "));
        survives(&format!("function main() {{ {} }}", text.join(" ")));
    }

    #[test]
    fn mutated_programs(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, 0..PIECES.len(), 0u8..4), 1..6),
    ) {
        let mut text = which.get(corpus()).clone();
        for (place, length, piece, kind) in edits {
            let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let start = place.index(bounds.len());
            let end = (start + length).min(bounds.len() - 1);
            let range = bounds[start]..bounds[end];
            match kind {
                0 => text.replace_range(range, ""),
                1 => text.replace_range(range, PIECES[piece]),
                2 => text.insert_str(bounds[start], PIECES[piece]),
                _ => {
                    let copy = text[range].to_owned();
                    text.insert_str(bounds[start], &copy);
                }
            }
        }
        survives(&text);
    }
}

#[test]
fn deep_and_long_texts() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{ x: ", "}"),
        ("!", ""),
        ("-", ""),
        ("() => ", ""),
        ("f(", ")"),
        ("`${", "}`"),
    ] {
        for depth in [150, 1000, 20_000] {
            survives(&format!(
                "function main() {{ const x = {}1{}; }}",
                open.repeat(depth),
                close.repeat(depth)
            ));
        }
    }
    for chain in [
        "a.b",
        "a + 1",
        "f()",
        "x ? 1 : 2",
        "if (x) { }",
        "else if (x) { }",
        "{ ",
        "while (1) ",
        "match (x) { _ => ",
        "(a, ",
        "1, ",
    ] {
        survives(&format!("function main() {{ {} }}", chain.repeat(5000)));
        survives(&format!("function main() {{ match (1) {{ {} => 1 }} }}", chain.repeat(2000)));
    }
    let many: String =
        (0..5000).map(|i| format!("    const v{i} = f(v{});\n", i.max(1) - 1)).collect();
    survives(&format!(
        "function f(x) {{ return x; }}\nfunction main() {{\n    const v = 0;\n{many}}}\n"
    ));
}
