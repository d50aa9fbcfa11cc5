//! Running the program that is appended to this executable, see `ionc aot --exe`.
//!
//! Absent on purpose: anything that would bring the compiler into the small program `ion-stub`.

use crate::failure::{Failure, exit_code};
use crate::output;
use ion_jit::image::load::{ImageFile, appended};
use ion_runtime::error::ExitReason;
use ion_runtime::ionpack::Package;
use ion_runtime::permissions::{FileUse, Permissions};
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{self, Linked, MainEnd};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the program behind this executable, if there is one.
pub fn main() -> Option<ExitCode> {
    let own = std::env::current_exe().ok()?;
    let result = match appended(&own) {
        Ok(None) => return None,
        Ok(Some(image)) => run(&image),
        Err(error) => Err(Failure::at(own.display(), error)),
    };
    let name = own.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Some(exit_code(&name, result))
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
    let config = Config { engine: Engine::Jit, permissions: permissions(), ..Config::default() };
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
