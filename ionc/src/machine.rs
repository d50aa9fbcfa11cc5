//! From a package and settings to a finished run.

use crate::engine;
use crate::failure::Failure;
use ion_runtime::bytecode::VerifyError;
use ion_runtime::ionpack::Package;
use ion_runtime::system::Config;
use ion_runtime::vm::{self, Linked, Outputs, Run};

/// Verifies, links, compiles if the engine needs it, and runs.
pub fn run(
    package: &Package,
    config: Config,
    outputs: Outputs,
    args: &[String],
) -> Result<Run, Failure> {
    let linked = link(package)?;
    run_linked(&linked, config, outputs, args)
}

/// Verifies and links a package with the standard library.
pub fn link(package: &Package) -> Result<Linked, Failure> {
    let registry = ion_ffi::registry::standard();
    Linked::new(package, &registry).map_err(|errors| Failure::new(first_of(&errors)))
}

/// Compiles if the engine needs it, and runs.
pub fn run_linked(
    linked: &Linked,
    config: Config,
    outputs: Outputs,
    args: &[String],
) -> Result<Run, Failure> {
    let compiler = engine::compiler(linked, &config).map_err(Failure::new)?;
    vm::run(linked, config, compiler, outputs, args)
        .map_err(|error| Failure::new(format!("cannot start the machine: {error}")))
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
