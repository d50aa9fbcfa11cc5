//! Which engines there are, and where their compilers come from.

use ion_runtime::system::{Config, Engine};
use ion_runtime::tier::Compiler;
use ion_runtime::vm::Linked;
use std::sync::Arc;

/// The engines that can run programs; tests run everything under each of them.
pub const ENGINES: &[Engine] = &[Engine::Interp];

/// The compiler that `config.engine` needs.
pub fn compiler(_linked: &Linked, config: &Config) -> Result<Option<Arc<dyn Compiler>>, String> {
    match config.engine {
        Engine::Interp => Ok(None),
        // Temporary: the one place where the compiler is to be connected.
        Engine::Jit => Err("the compiler is not connected yet; use --interp".to_owned()),
    }
}
