//! Which engines there are, and where their compilers come from.

use ion_image::load::{Aot, ImageFile};
use ion_jit::driver::aot::{self, Target};
use ion_jit::image::elf;
use ion_jit::{Jit, Tiered};
use ion_runtime::system::{Config, Engine};
use ion_runtime::tier::Compiler;
use ion_runtime::vm::Linked;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The engines that can run programs; tests run everything under each of them.
pub const ENGINES: &[Engine] = &[Engine::Interp, Engine::Jit, Engine::Mixed, Engine::Aot];

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
        Engine::Aot => Ok(Some(Arc::new(ahead(linked, config)?))),
    }
}

/// Compiles into a file, and loads it.
fn ahead(linked: &Linked, config: &Config) -> Result<Aot, String> {
    static FILES: AtomicU64 = AtomicU64::new(0);
    let target = Target { triple: None, native_cpu: false };
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let image = aot::compile(linked, config, &target, &|_| {}).map_err(|error| text(&error))?;
    let bytes = elf::shared_object(&image).map_err(|error| text(&error))?;
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("ion-{}-{number}.so", std::process::id());
    let path = std::env::temp_dir().join(name);
    let loaded = std::fs::write(&path, bytes)
        .map_err(|error| text(&error))
        .and_then(|()| ImageFile::open(&path))
        .and_then(|file| file.attach(linked));
    // What is mapped stays.
    let _ = std::fs::remove_file(&path);
    loaded
}
