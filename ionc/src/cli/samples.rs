//! `ionc samples`: writes the programs that come with `ionc`.

use crate::failure::{Failure, io_text};
use crate::samples::{SAMPLES, Sample, find};
use crate::{load, output};
use ion_runtime::bytecode::near::{hint, near_names};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  ionc samples                 writes all samples into the current directory
  ionc samples actors -o demo  writes demo/actors.ionpack
  ionc samples --list          says what there is";

/// Write sample packages
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// List the samples and write nothing
    #[arg(long, conflicts_with_all = ["name", "output"])]
    list: bool,
    /// Write assembler texts instead of packages
    #[arg(long)]
    text: bool,
    /// The sample; all of them if left out
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The directory to write to
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.list {
        output::print(&list());
        return Ok(());
    }
    let wanted: Vec<&Sample> = match &args.name {
        None => SAMPLES.iter().collect(),
        Some(name) => vec![find(name).ok_or_else(|| unknown(name))?],
    };
    std::fs::create_dir_all(&args.output).map_err(|error| {
        let message = format!("cannot create the directory: {}", io_text(&error));
        Failure::at(args.output.display(), message)
    })?;
    for sample in wanted {
        write(sample, &args.output, args.text)?;
    }
    Ok(())
}

/// Writes a sample into a directory and says so.
pub fn write(sample: &Sample, directory: &Path, text: bool) -> Result<(), Failure> {
    let extension = if text { load::ASM } else { load::PACK };
    let path = directory.join(format!("{}.{extension}", sample.name));
    let bytes = if text { sample.text.as_bytes().to_vec() } else { sample.bytes() };
    load::write(&path, &bytes)?;
    let shown = path.strip_prefix(".").unwrap_or(&path);
    output::print(&format!("wrote {}\n", shown.display()));
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let near = near_names(name, SAMPLES.iter().map(|sample| sample.name));
    let remedy =
        if near.is_empty() { "; 'ionc samples --list' shows all".to_owned() } else { hint(&near) };
    Failure::new(format!("no sample '{name}'{remedy}"))
}

fn list() -> String {
    let width = SAMPLES.iter().map(|sample| sample.name.len()).max().unwrap_or(0);
    SAMPLES.iter().map(|sample| format!("{:width$}  {}\n", sample.name, sample.about())).collect()
}
