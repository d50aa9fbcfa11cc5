//! From a package and settings to a finished run.

use crate::engine;
use crate::failure::Failure;
use ion_ffi::dylib::load_libraries;
use ion_image::load::ImageFile;
use ion_runtime::bytecode::verify::{Warning, WarningKind};
use ion_runtime::bytecode::{VerifyError, verify_package};
use ion_runtime::ionpack::Package;
use ion_runtime::natives::Registry;
use ion_runtime::system::{Config, Engine};
use ion_runtime::vm::{self, Linked, Outputs, Run};
use std::io::Write;
use std::sync::Arc;

/// Verifies, links, compiles if the engine needs it, and runs.
pub fn run(
    package: &Package,
    config: Config,
    outputs: Outputs,
    args: &[String],
) -> Result<Run, Failure> {
    run_with_image(package, None, config, outputs, args)
}

/// As [`run`], with code that was compiled ahead of time, where that suits the settings.
pub fn run_with_image(
    package: &Package,
    image: Option<&ImageFile>,
    config: Config,
    outputs: Outputs,
    args: &[String],
) -> Result<Run, Failure> {
    let mut registry = ion_ffi::registry::standard();
    let denied = load_libraries(package, &config.permissions, &mut registry)
        .map_err(|error| Failure::new(error.to_string()))?;
    for denied in &denied {
        // Packages that never use their libraries run all the same.
        if calls_unknown(package, &registry) {
            return Err(Failure::new(denied.to_string()));
        }
    }
    let linked = link_with(package, &registry)?;
    let interpreted = config.engine == Engine::Interp;
    let Some(image) = image.filter(|image| !interpreted && image.suits(&config)) else {
        return run_linked(&linked, config, outputs, args);
    };
    let aot = image.attach(&linked).map_err(Failure::new)?;
    let config = Config { engine: Engine::Jit, ..config };
    vm::run(&linked, config, Some(Arc::new(aot)), outputs, args).map_err(start_failure)
}

fn start_failure(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot start the machine: {error}"))
}

/// Verifies and links a package with the standard library.
pub fn link(package: &Package) -> Result<Linked, Failure> {
    link_with(package, &ion_ffi::registry::standard())
}

/// As [`link`], to compile a package whose library functions are not all there.
pub fn link_with_unknown(package: &Package) -> Result<Linked, Failure> {
    let linked = Linked::with_unknown(package, &ion_ffi::registry::standard());
    linked.map_err(|errors| Failure::new(first_of(&errors)))
}

/// Does the package call library functions that the machine does not have?
fn calls_unknown(package: &Package, registry: &Registry) -> bool {
    let report = verify_package(package, &registry.names());
    report.is_ok_and(|report| {
        let unknown = |warning: &Warning| matches!(warning.kind, WarningKind::UnknownNative { .. });
        report.warnings.iter().any(unknown)
    })
}

fn link_with(package: &Package, registry: &Registry) -> Result<Linked, Failure> {
    Linked::new(package, registry).map_err(|errors| Failure::new(first_of(&errors)))
}

/// Compiles if the engine needs it, and runs; interprets, with a warning, if nothing can be compiled.
pub fn run_linked(
    linked: &Linked,
    mut config: Config,
    outputs: Outputs,
    args: &[String],
) -> Result<Run, Failure> {
    let compiler = engine::compiler(linked, &config).unwrap_or_else(|error| {
        let warning = format!("warning: cannot compile, so everything is interpreted: {error}\n");
        let mut err = outputs.err.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let _ = err.write_all(warning.as_bytes());
        config.engine = Engine::Interp;
        None
    });
    vm::run(linked, config, compiler, outputs, args).map_err(start_failure)
}

/// The first error, and how many more there are.
fn first_of(errors: &[VerifyError]) -> String {
    match errors {
        [] => "the package is not valid".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => {
            format!("{first} (and {} more; see 'ionc verify')", others.len())
        }
    }
}
