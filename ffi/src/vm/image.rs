//! Machine code that was made ahead of time, from hosts and for them.

use super::{VmBuilder, VmError, for_hosts};
use crate::registry;
use ion_jit::driver::aot::{Target, compile};
use ion_jit::image::elf::shared_object;
use ion_runtime::ionpack::Package;
use ion_runtime::system::Config;
use ion_runtime::vm::Linked;

/// Compiles a package ahead of time for machines like this one: gives the bytes of a shared object for
/// [`VmBuilder::load_path`] and [`VmBuilder::load_bytes`], as `ionc aot --open` writes them. The host that loads
/// it may bring any native functions.
///
/// ```
/// use ion_ffi::{Vm, vm};
/// use ion_runtime::bytecode::assemble_package;
/// let package = assemble_package("function main {\n load_const r0, 42\n return r0\n}").unwrap();
/// let image = vm::compile_ahead(package)?;
/// assert_eq!(Vm::builder().load_bytes(&image)?.call("main", [])?, 42.into());
/// # Ok::<(), ion_ffi::VmError>(())
/// ```
///
/// # Errors
/// If the package is not valid or cannot be compiled.
pub fn compile_ahead(package: Package) -> Result<Vec<u8>, VmError> {
    let failed = |error: &dyn std::fmt::Display| VmError::Compile(error.to_string());
    let mut package = for_hosts(package);
    let linked =
        Linked::with_unknown(&package, &registry::standard()).map_err(VmBuilder::invalid)?;
    let config = Config { open: true, ..Config::default() };
    let target = Target { triple: None, native_cpu: false };
    let image = compile(&linked, &config, &target, &|_| {}).map_err(|error| failed(&error))?;
    package.drop_unread();
    let package = package.to_bytes().map_err(|error| failed(&error))?;
    shared_object(&ion_jit::image::Image { package, ..image }).map_err(|error| failed(&error))
}
