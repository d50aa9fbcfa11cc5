//! Which engines there are, and where their compilers come from.

use ion_jit::{Jit, Tiered};
use ion_runtime::system::{Config, Engine};
use ion_runtime::tier::Compiler;
use ion_runtime::vm::Linked;
use std::sync::Arc;

/// The engines that can run programs; tests run everything under each of them.
pub const ENGINES: &[Engine] = &[Engine::Interp, Engine::Jit, Engine::Mixed];

/// The compiler that `config.engine` needs. The error says why there can be none; the interpreter
/// runs everything.
pub fn compiler(linked: &Linked, config: &Config) -> Result<Option<Arc<dyn Compiler>>, String> {
    match config.engine {
        Engine::Interp => Ok(None),
        Engine::Tiered => Ok(Some(Arc::new(Tiered::new(linked, config)))),
        Engine::Jit | Engine::Mixed => match Jit::new(linked, config) {
            Ok(jit) => Ok(Some(Arc::new(jit))),
            Err(error) => Err(error.to_string()),
        },
    }
}
