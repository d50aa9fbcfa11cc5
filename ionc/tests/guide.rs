//! Every example of the pages in `docs/` and of the README compiles without warnings, and prints what
//! the page says.

use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{MainEnd, Outputs};
use ionc::compile::{add_named, natives};
use ionc::ion::render::render;
use ionc::ion::{Options, Source, compile};
use std::path::Path;

/// The fenced blocks of a page: language, text, line.
fn blocks(page: &str) -> Vec<(String, String, usize)> {
    let mut found: Vec<(String, String, usize)> = Vec::new();
    let mut open = false;
    for (number, line) in page.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) if !open => {
                open = true;
                found.push((language.to_owned(), String::new(), number + 1));
            }
            Some(_) => open = false,
            None if open => {
                if let Some((_, text, _)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            None => {}
        }
    }
    found
}

fn output(place: &str, text: &str, runs: bool) -> Option<String> {
    let sources =
        add_named(vec![Source::new("Example", "Example.ion", text)], |_| None).expect("no files");
    let options = Options { needs_main: runs, ..Options::default() };
    let compiled = compile(&sources, natives(), &options);
    let shown: String = compiled.diags.iter().map(|diag| render(diag, &sources, false)).collect();
    assert!(shown.is_empty(), "{place}:\n{shown}");
    let package = compiled.package.expect("there are no errors");
    if !runs {
        return None;
    }
    let mut first = None;
    for engine in [Engine::Interp, Engine::Jit] {
        let (outputs, out, err) = Outputs::captured();
        let config = Config { engine, ..Config::default() };
        let run = ionc::machine::run(&package, config, outputs, &[]).expect("it runs");
        assert!(matches!(run.end, MainEnd::Result(_)), "{place}: {:?}\n{}", run.end, err.text());
        assert_eq!(first.get_or_insert(out.text()), &out.text(), "{place}: engines differ");
    }
    first
}

fn check(page: &str, least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = std::fs::read_to_string(&path).expect("the page is there");
    let blocks = blocks(&text);
    let mut count = 0;
    for (i, (language, code, line)) in blocks.iter().enumerate() {
        if language != "ion" {
            continue;
        }
        count += 1;
        let place = format!("{page}:{line}");
        let expected =
            blocks.get(i + 1).filter(|(language, ..)| language == "text" || language == "console");
        let has_main = code.contains("function main(") || !code.contains("function test_");
        let printed = output(&place, code, has_main && expected.is_some());
        if let (Some(printed), Some((_, expected, _))) = (printed, expected) {
            let expected: String = expected
                .lines()
                .filter(|line| !line.starts_with("$ "))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_eq!(printed, expected, "{place}");
        }
    }
    assert!(count >= least, "{page} has only {count} examples");
}

#[test]
fn the_guide() {
    check("docs/guide.md", 13);
}

#[test]
fn from_javascript() {
    check("docs/from-javascript.md", 1);
}

#[test]
fn from_erlang() {
    check("docs/from-erlang.md", 1);
}

#[test]
fn the_readme() {
    check("README.md", 1);
}
