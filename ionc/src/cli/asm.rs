//! `ionc asm`: a package or a class file from text.

use crate::failure::Failure;
use crate::load;
use ion_runtime::bytecode::{verify_function, verify_package};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  ionc asm counter.ionasm -o counter.ionpack
  ionc asm Worker.ionasm -o Worker.ionc

The text is what 'ionc dis' prints; 'ionc dis --lossless' shows all directives.";

/// Make a package or a class file from assembler text
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The text
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file to write: .ionpack or .ionc
    #[arg(long, short, value_name = "OUT")]
    output: PathBuf,
    /// Write it even if it could not be run
    #[arg(long)]
    no_verify: bool,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let bytes = if load::has_extension(&args.output, load::PACK) {
        package_bytes(args)?
    } else if load::has_extension(&args.output, load::CLASS) {
        class_bytes(args)?
    } else {
        let message = format!(
            "cannot tell what '{}' is to be; end it in .ionpack or .ionc",
            args.output.display()
        );
        return Err(Failure::usage(message));
    };
    load::write(&args.output, &bytes)
}

fn package_bytes(args: &Args) -> Result<Vec<u8>, Failure> {
    let at = |message: String| Failure::at(args.file.display(), message);
    let text = load::text(&args.file)?;
    let package = ion_runtime::bytecode::assemble_package(&text)
        .map_err(|error| Failure::new(format!("{}:{error}", args.file.display())))?;
    if !args.no_verify {
        verify_package(&package, &[]).map_err(|errors| {
            let lines = errors.iter().flat_map(|error| at(error.to_string()).lines).collect();
            Failure { lines, status: 1 }
        })?;
    }
    package.to_bytes().map_err(|error| at(error.to_string()))
}

fn class_bytes(args: &Args) -> Result<Vec<u8>, Failure> {
    let class = load::asm_class(&args.file)?;
    let at = |message: String| Failure::at(args.file.display(), message);
    for function in &class.functions {
        if !args.no_verify {
            verify_function(function).map_err(|error| at(error.to_string()))?;
        }
    }
    class.encode().map_err(|error| at(error.to_string()))
}
