//! Running the program that is appended to this executable, see `ionc aot --exe`.
//!

use crate::failure::{Failure, exit_status};
use crate::output;
use ion_image::load::{ImageFile, appended};
use ion_runtime::error::ExitReason;
use ion_runtime::ionpack::Package;
use ion_runtime::permissions::{FileUse, Permissions};
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{self, Linked, MainEnd};
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;

/// Runs the program behind this executable, if there is one; gives the exit status.
pub fn main() -> Option<u8> {
    let own = std::env::current_exe().ok()?;
    let image = File::open(&own).map_err(|error| error.to_string());
    let result = match image.and_then(|file| appended(&file)) {
        Ok(None) => return None,
        Ok(Some(image)) => run(&image),
        Err(error) => Err(Failure::at(own.display(), error)),
    };
    let name = own.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Some(exit_status(&name, result))
}

/// What whoever starts an executable may do, it may do.
fn permissions() -> Permissions {
    let mut permissions = Permissions::default();
    permissions.env = true;
    for usage in [FileUse::Read, FileUse::Write] {
        // There is a root wherever there are files.
        let _ = permissions.allow(usage, Path::new("/"));
    }
    permissions
}

/// A seed that nobody knows before.
pub fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn run(image: &ImageFile) -> Result<(), Failure> {
    let package = Package::from_bytes(image.package()).map_err(Failure::new)?;
    let registry = ion_ffi::registry::standard();
    let linked = Linked::new(&package, &registry).map_err(|errors| {
        Failure::new(errors.first().map_or_else(|| "not valid".to_owned(), ToString::to_string))
    })?;
    let aot = image.attach(&linked).map_err(Failure::new)?;
    let args = std::env::args_os().skip(1).enumerate().map(|(at, arg)| {
        let text = arg.into_string();
        text.map_err(|_| Failure::usage(format!("argument {} is not UTF-8", at + 1)))
    });
    let args: Vec<String> = args.collect::<Result<_, _>>()?;
    let schedulers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let config = Config {
        engine: Engine::Jit,
        schedulers,
        permissions: permissions(),
        seed: any_seed(),
        ..Config::default()
    };
    let (outputs, _) = output::standard();
    let run = vm::run(&linked, config, Some(Arc::new(aot)), outputs, &args)
        .map_err(|error| Failure::new(format!("cannot start the machine: {error}")))?;
    let status = run.end.status();
    match run.end {
        MainEnd::Result(_) => Ok(()),
        MainEnd::Failed(ExitReason::Crash(crash)) if crash.trace.is_empty() => {
            Err(Failure { status, ..Failure::new(crash) })
        }
        MainEnd::Failed(_) => Err(Failure::silent(status)),
        MainEnd::Deadlock(waiting) => Err(Failure {
            status,
            ..Failure::new(format!(
                "deadlock: {}",
                waiting.first().map_or("nothing can run any more", String::as_str)
            ))
        }),
    }
}
