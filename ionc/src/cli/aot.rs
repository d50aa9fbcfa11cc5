//! `ionc aot`: a package compiled to machine code once.

use crate::failure::Failure;
use crate::{load, machine, output};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ion_image::TRAILER;
use ion_jit::driver::aot::{Target, compile};
use ion_jit::image::elf;

use ion_runtime::system::Config;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  ionc aot actors.ionpack                      (actors.so)
  ionc aot -o fast.so --cpu native actors.ionpack && ionc run fast.so
  ionc aot --exe -o actors actors.ionpack && ./actors
  ionc aot --emit obj --target aarch64-unknown-linux-gnu -o actors.o actors.ionpack

The file carries the package, which is verified each time it is loaded; the machine code beside it is
not: run such files only from people you trust. No linker is needed. An executable may read and write
whatever whoever starts it may. Executables are for this kind of machine, and need nothing else there.";

/// Compile a package ahead of time
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file to write
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    emit: Emit,
    /// Write an executable that needs nothing else: the same as '--emit exe'
    #[arg(long, conflicts_with = "emit")]
    exe: bool,
    /// For which machines, such as x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu; by default this one
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// For which processors
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    cpu: Cpu,
    /// Let hosts that embed the program call all its functions and hand in values
    #[arg(long)]
    open: bool,
    /// The package, an Ion source (.ion), or an assembler text (.ionasm)
    #[arg(value_name = "PACK")]
    pack: PathBuf,
}

/// Kinds of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// A relocatable object
    Obj,
    /// A shared object, for 'ionc run' and for hosts
    #[default]
    So,
    /// An executable
    Exe,
}

/// Sets of processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Cpu {
    /// Every one of the target
    #[default]
    Baseline,
    /// This one and those that can do the same
    Native,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let within = |failure: Failure| failure.within(args.pack.display());
    let mut package = load::package_to_run(&args.pack)?;
    if args.open {
        package = ion_ffi::vm::for_hosts(package);
    }
    let libraries = !package.manifest.ffi_libraries.is_empty();
    let linked = match args.open || libraries {
        true => machine::link_with_unknown(&package),
        false => machine::link(&package),
    };
    let linked = linked.map_err(within)?;
    let config = Config { open: args.open, ..Config::default() };
    let target = Target { triple: args.target.clone(), native_cpu: args.cpu == Cpu::Native };
    let emit = if args.exe { Emit::Exe } else { args.emit };
    if emit == Emit::Exe && args.target.is_some() {
        return Err(Failure::usage("an executable is for this machine: leave out --target"));
    }
    if emit == Emit::Exe && libraries {
        return Err(within(Failure::new(
            "an executable cannot load the native libraries of its package; leave out --exe, and \
             start it with 'ionc run --allow-native'",
        )));
    }
    let functions = linked.program.functions.len();
    let progress = Progress::new(functions as u64);
    let mut image = compile(&linked, &config, &target, &|done| progress.show(done))
        .map_err(|error| within(Failure::new(error)))?;
    progress.finish();
    package.drop_unread();
    image.package = package.to_bytes().map_err(|error| within(Failure::new(error)))?;
    let failed = |error: ion_jit::module::CompileError| within(Failure::new(error));
    let bytes = match emit {
        Emit::Obj => elf::object(&image).map_err(failed)?,
        Emit::So => elf::shared_object(&image).map_err(failed)?,
        Emit::Exe => executable(&elf::shared_object(&image).map_err(failed)?)?,
    };
    let path = match &args.output {
        Some(path) => path.clone(),
        None => args.pack.with_extension(match emit {
            Emit::Obj => "o",
            Emit::So => "so",
            Emit::Exe => "exe",
        }),
    };
    load::write(&path, &bytes)?;
    if emit == Emit::Exe {
        make_executable(&path)?;
    }
    output::print(&format!(
        "{} ({} bytes, {} of machine code)\n",
        path.display(),
        bytes.len(),
        image.text.len(),
    ));
    Ok(())
}

/// Pages of the largest kind that is in use.
const PAGE: usize = 64 << 10;

/// The runtime that this program carries, see `build.rs`.
#[cfg(ion_stub)]
const STUB: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/ion-stub")));
/// Development builds carry none.
#[cfg(not(ion_stub))]
const STUB: Option<&[u8]> = None;

/// Does this program carry a runtime for executables? If not, it may be that runtime itself.
pub const CARRIES_STUB: bool = STUB.is_some();

/// The runtime with an image behind it. Where there is no small one, this program itself is the runtime.
fn executable(image: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes = match STUB {
        Some(stub) => stub.to_vec(),
        None => own_file()?,
    };
    bytes.resize(bytes.len().next_multiple_of(PAGE), 0);
    let start = bytes.len() as u64;
    bytes.extend_from_slice(image);
    bytes.extend_from_slice(TRAILER);
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(&(image.len() as u64).to_le_bytes());
    Ok(bytes)
}

fn own_file() -> Result<Vec<u8>, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot find this program's own file: {error}")))?;
    let bytes = std::fs::read(&own)
        .map_err(|error| Failure::at(own.display(), format!("cannot read: {error}")))?;
    elf::strip(&bytes).map_err(|error| Failure::at(own.display(), error))
}

#[cfg(unix)]
fn make_executable(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |error: std::io::Error| Failure::at(path.display(), error);
    let mut permissions = std::fs::metadata(path).map_err(failed)?.permissions();
    permissions.set_mode(permissions.mode() | 0o111);
    std::fs::set_permissions(path, permissions).map_err(failed)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<(), Failure> {
    Ok(())
}

/// A bar on a terminal, once it takes more than a second.
struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    fn new(total: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("compiling {bar:40} {pos}/{len} functions")
        {
            bar.set_style(style);
        }
        Progress { bar, started: Instant::now() }
    }

    fn show(&self, done: usize) {
        if self.started.elapsed() > Duration::from_secs(1) {
            if self.bar.is_hidden() {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            self.bar.set_position(done as u64);
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
