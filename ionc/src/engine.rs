//! Which engines there are, and where their compilers come from.

use ion_jit::Jit;
use ion_runtime::system::{Config, Engine};
use ion_runtime::tier::Compiler;
use ion_runtime::vm::Linked;
use std::sync::Arc;

/// The engines that can run programs; tests run everything under each of them.
pub const ENGINES: &[Engine] = &[Engine::Interp, Engine::Jit, Engine::Mixed];

/// The compiler that `config.engine` needs.
pub fn compiler(linked: &Linked, config: &Config) -> Result<Option<Arc<dyn Compiler>>, String> {
    match config.engine {
        Engine::Interp => Ok(None),
        Engine::Jit | Engine::Tiered | Engine::Mixed => match Jit::new(linked, config) {
            Ok(jit) => Ok(Some(Arc::new(jit))),
            Err(error) => Err(format!("cannot compile: {error}; use --interp")),
        },
    }
}
