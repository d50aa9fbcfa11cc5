//! Wrong programs, and what the compiler says about each: `tests/wrong/NAME.ion` and `NAME.diag`.
//!
//! `BLESS=1` writes the answers anew; each is to be read for usefulness: does it name the thing, point at
//! it, and say what to do?

use ionc::compile::{add_named, natives};
use ionc::ion::render::render;
use ionc::ion::{Options, Source, compile};
use std::path::{Path, PathBuf};

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let entries = std::fs::read_dir(folder).expect("the folder exists");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "ion")).collect();
    paths.sort();
    paths
}

#[test]
fn every_wrong_program_gets_its_answer() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut errors = Vec::new();
    let paths = programs();
    assert!(paths.len() >= 150, "only {} programs", paths.len());
    for path in paths {
        let class = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let source = Source::new(class.clone(), format!("{class}.ion"), text);
        let sources = add_named(vec![source], |_| None).expect("no other files");
        let options = Options { needs_main: true, ..Options::default() };
        let compiled = compile(&sources, natives(), &options);
        assert!(!compiled.diags.is_empty(), "nothing is said about {class}");
        let has_errors = compiled.diags.iter().any(|diag| diag.is_error());
        assert_eq!(compiled.package.is_none(), has_errors, "{class}");
        assert_eq!(has_errors, !class.starts_with("warn_"), "{class}: {:#?}", compiled.diags);
        for diag in &compiled.diags {
            let message = &diag.message;
            let style = message.starts_with(|c: char| c.is_lowercase() || c == '`')
                && !message.ends_with('.');
            assert!(style && !diag.label.is_empty(), "{class}: {diag:?}");
            let good =
                sources.get(diag.file).is_some_and(|s| diag.span.range().end <= s.text.len());
            assert!(good, "{class}: {diag:?} is outside the text");
        }
        let shown: String =
            compiled.diags.iter().map(|diag| render(diag, &sources, false)).collect();
        let beside = path.with_extension("diag");
        if bless {
            std::fs::write(&beside, &shown).expect("writable");
        }
        if std::fs::read_to_string(&beside).unwrap_or_default() != shown {
            errors.push(format!("{class}:\n{shown}"));
        }
    }
    assert!(errors.is_empty(), "other answers; read them, then BLESS=1:\n{}", errors.join("\n"));
}
