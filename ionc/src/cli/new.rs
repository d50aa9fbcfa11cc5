//! `ionc new`: a project that runs.

use crate::failure::{Failure, io_text};
use crate::{load, output, project};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Example:
  ionc new hello && ionc run hello";

/// Make a folder with a project that runs
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Make a library: classes for other projects, without a main class
    #[arg(long)]
    library: bool,
    /// The folder to make; its last part is the name of the project
    #[arg(value_name = "NAME")]
    path: PathBuf,
}

const MAIN: &str = r#"function greeter() {
    while (true) {
        receive {
            (:greet, from, name) => send(from, `Hello, ${name}!`),
            :stop                => return,
        }
    }
}

function main(args) {
    const name = args.length > 0 ? args[0] : "world";
    const p = spawn(greeter);
    send(p, (:greet, self, name));
    println(receive());
    send(p, :stop);
}
"#;

const MAIN_TEST: &str = r#"import { greeter } from "Main";

function test_greets_by_name() {
    const p = spawn(greeter);
    send(p, (:greet, self, "Ada"));
    assertEqual(receive(), "Hello, Ada!");
}
"#;

const LIBRARY: &str = "export function double(n) {\n    return n * 2;\n}\n";

const LIBRARY_TEST: &str =
    "function test_double() {\n    assertEqual(LIBRARY.double(21), 42);\n}\n";

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let path = &args.path;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty()
        || !name.chars().all(plain)
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return Err(Failure::usage(format!(
            "'{name}' is no name for a project; start with a letter, then letters, digits, '-' and '_'"
        )));
    }
    if path.exists() {
        return Err(Failure::at(path.display(), "exists already; choose another name"));
    }
    let make = |folder: PathBuf| {
        std::fs::create_dir_all(&folder)
            .map_err(|error| Failure::at(folder.display(), io_text(&error)))
    };
    make(path.join("src"))?;
    make(path.join("tests"))?;
    let class: String = name.split(['-', '_']).map(capital).collect();
    let library = if args.library { "library = true\n" } else { "" };
    let manifest =
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n{library}\n[dependencies]\n");
    load::write(&path.join(project::MANIFEST), manifest.as_bytes())?;
    if args.library {
        load::write(&path.join(format!("src/{class}.ion")), LIBRARY.as_bytes())?;
        let test = LIBRARY_TEST.replace("LIBRARY", &class);
        load::write(&path.join(format!("tests/{class}Test.ion")), test.as_bytes())?;
    } else {
        load::write(&path.join("src/Main.ion"), MAIN.as_bytes())?;
        load::write(&path.join("tests/MainTest.ion"), MAIN_TEST.as_bytes())?;
    }
    load::write(&path.join(".gitignore"), b"*.ionpack\n")?;
    let next = if args.library { "test" } else { "run" };
    output::print(&format!("made {}; try: ionc {next} {}\n", path.display(), path.display()));
    Ok(())
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}
