//! From settings and a package to a running machine.

use super::error::VmError;
use super::{Crashes, HOST_CLASS, Inner, MAX_ARGS, Vm, is_host_function};
use crate::convert::{Typed, native};
use crate::registry;
use ion_image::load::{ImageFile, is_elf};
use ion_runtime::bytecode::verify::MAX_ARGS as MAX_CALL_ARGS;
use ion_runtime::bytecode::{self, VerifyError, assemble_class, assemble_package};
use ion_runtime::host::{Machine, Ring};
use ion_runtime::ionpack::{Class, Package};
use ion_runtime::natives::{NativeBody, NativeDef, Registry};
use ion_runtime::permissions::Permissions;
use ion_runtime::system::{Config, CrashHook, Engine};
use ion_runtime::vm::{Linked, Outputs};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

/// Settings of a machine to be.
#[must_use = "nothing is started before a package is loaded"]
pub struct VmBuilder {
    config: Config,
    registry: Registry,
    capture: bool,
    ring: Option<Ring>,
}

impl fmt::Debug for VmBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Default for VmBuilder {
    fn default() -> VmBuilder {
        let schedulers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let engine = if cfg!(feature = "jit") { Engine::Tiered } else { Engine::Interp };
        let config = Config { schedulers, engine, ..Config::default() };
        VmBuilder { config, registry: registry::standard(), capture: false, ring: None }
    }
}

impl VmBuilder {
    /// Adds a library function that programs call as `Module.name`: see [`crate::convert`].
    ///
    /// # Panics
    /// If `params` does not name each parameter.
    pub fn native<Args, Mark>(
        self,
        name: &str,
        params: &[&str],
        function: impl Typed<Args, Mark>,
    ) -> VmBuilder {
        self.native_def(native(name, params, function))
    }

    /// Adds a library function. One of the host's that can give objects must say so in its effects;
    /// here it is assumed of all.
    pub fn native_def(mut self, mut def: NativeDef) -> VmBuilder {
        if matches!(def.body, NativeBody::Host(_)) {
            def.effects.objects = true;
        }
        self.registry.add(def);
        self
    }

    /// Compiles all functions before they run, or interprets everything. If it is not said, functions
    /// are interpreted at first, and compiled in the background once they are hot.
    pub fn jit(mut self, jit: bool) -> VmBuilder {
        self.config.engine = if jit { Engine::Jit } else { Engine::Interp };
        self
    }

    /// How many threads run processes; as many as there are cores, if it is not set.
    pub fn schedulers(mut self, count: usize) -> VmBuilder {
        self.config.schedulers = count;
        self
    }

    /// Most bytes that one process may keep.
    pub fn max_heap(mut self, bytes: usize) -> VmBuilder {
        self.config.max_heap = bytes;
        self
    }

    /// Most processes at one time.
    pub fn max_processes(mut self, count: usize) -> VmBuilder {
        self.config.max_processes = count;
        self
    }

    /// Seed of everything random.
    pub fn seed(mut self, seed: u64) -> VmBuilder {
        self.config.seed = seed;
        self
    }

    /// What programs may do outside of the machine: nothing, if it is not set.
    pub fn permissions(mut self, permissions: Permissions) -> VmBuilder {
        self.config.permissions = permissions;
        self
    }

    /// All further settings.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> VmBuilder {
        change(&mut self.config);
        self
    }

    /// Keeps what programs print, for [`Vm::output`], instead of writing it to the host's own streams.
    pub fn capture_output(mut self) -> VmBuilder {
        self.capture = true;
        self
    }

    /// Called, on any thread, whenever something has arrived for [`Vm::pid`]; it must not wait.
    pub fn ring(mut self, ring: Ring) -> VmBuilder {
        self.ring = Some(ring);
        self
    }

    pub(super) fn invalid(errors: Vec<VerifyError>) -> VmError {
        let more = errors.len().saturating_sub(1);
        match errors.into_iter().next() {
            Some(first) => VmError::Invalid(Box::new(first), more),
            None => VmError::Text("the package is not valid".to_owned()),
        }
    }

    /// Starts a machine for the package in a file, or for a shared object that `ionc aot --open` has made
    /// of one. Loading machine code means trusting it.
    pub fn load_path(self, path: impl AsRef<Path>) -> Result<Vm, VmError> {
        let mut file = File::open(&path).map_err(VmError::Io)?;
        let mut bytes = Vec::new();
        (&mut file).take(4).read_to_end(&mut bytes).map_err(VmError::Io)?;
        if is_elf(&bytes) {
            return self.load_image(&ImageFile::of(file).map_err(VmError::Image)?);
        }
        file.read_to_end(&mut bytes).map_err(VmError::Io)?;
        self.load_bytes(&bytes)
    }

    /// Starts a machine for the package in these bytes, or for a shared object as in
    /// [`VmBuilder::load_path`].
    pub fn load_bytes(self, bytes: &[u8]) -> Result<Vm, VmError> {
        if is_elf(bytes) {
            // Code is run from a file: this one has no name, and nobody else sees it.
            let mut file = tempfile::tempfile().map_err(VmError::Io)?;
            file.write_all(bytes).map_err(VmError::Io)?;
            return self.load_image(&ImageFile::of(file).map_err(VmError::Image)?);
        }
        self.load(Package::from_bytes(bytes)?)
    }

    /// Starts a machine for a program in assembler text.
    pub fn load_text(self, text: &str) -> Result<Vm, VmError> {
        let package = assemble_package(text).map_err(|error| VmError::Text(error.to_string()))?;
        self.load(package)
    }

    fn load_image(self, image: &ImageFile) -> Result<Vm, VmError> {
        let package = Package::from_bytes(image.package())?;
        self.start(package, |linked, config| {
            if !image.suits(config) {
                let text = "the file was compiled without --open, or for other settings";
                return Err(VmError::Image(format!("{text}; compile it again")));
            }
            let aot = image.attach(linked).map_err(VmError::Image)?;
            config.engine = Engine::Jit;
            Ok(Some(Arc::new(aot)))
        })
    }

    /// Starts a machine for a package.
    pub fn load(self, package: Package) -> Result<Vm, VmError> {
        self.start(package, |linked, config| compiler(linked, config))
    }

    fn start(
        self,
        package: Package,
        compiler: impl FnOnce(
            &Linked,
            &mut Config,
        ) -> Result<Option<Arc<dyn ion_runtime::tier::Compiler>>, VmError>,
    ) -> Result<Vm, VmError> {
        let package = for_hosts(package);
        let mut config = self.config;
        config.open = true;
        let crashes = Arc::new(Crashes::default());
        let linked = Linked::new(&package, &self.registry).map_err(VmBuilder::invalid)?;
        let (outputs, out, err) = match self.capture {
            true => {
                let (outputs, out, err) = Outputs::captured();
                (outputs, Some(out), Some(err))
            }
            false => (Outputs::standard(), None, None),
        };
        let keep = crashes.clone();
        config.on_crash = Some(CrashHook::new(move |system, pid, crash| {
            // Whoever calls a function gets the crash as an error.
            let called = crash.trace.last().is_some_and(|line| is_host_function(&line.function));
            if !called {
                system.report(&crash.to_string());
            }
            keep.add(pid, crash.clone());
        }));
        let compiler = compiler(&linked, &mut config)?;
        let machine = Machine::start(&linked, config, compiler, outputs).map_err(VmError::Io)?;
        let host = machine.host_process(self.ring).map_err(VmError::Spawn)?;
        let inner = Inner { idle: Mutex::default(), host, machine, crashes, out, err };
        Ok(Vm(Arc::new(inner)))
    }
}

/// The package with the functions that hosts need in every program.
pub fn for_hosts(mut package: Package) -> Package {
    if package.class(HOST_CLASS).is_none() {
        let mut functions = host_functions().to_vec();
        let all = package.classes.iter().flat_map(|class| &class.file.functions);
        let more: BTreeSet<usize> = all
            .map(|function| function.arity as usize)
            .filter(|arity| (MAX_ARGS + 1..=MAX_CALL_ARGS - 2).contains(arity))
            .collect();
        let most = more.last().copied().unwrap_or(MAX_ARGS) + 2;
        functions.extend(more.into_iter().flat_map(|count| callers(count..=count)));
        functions.push(widest(most));
        let file = bytecode::ClassFile { variant: bytecode::Variant::Multi, functions };
        package.classes.push(Class { name: HOST_CLASS.to_owned(), file });
    }
    package
}

#[cfg(feature = "jit")]
fn compiler(
    linked: &Linked,
    config: &Config,
) -> Result<Option<Arc<dyn ion_runtime::tier::Compiler>>, VmError> {
    match config.engine {
        Engine::Interp => Ok(None),
        Engine::Tiered => Ok(Some(Arc::new(ion_jit::Tiered::new(linked, config)))),
        Engine::Jit | Engine::Mixed | Engine::Aot => match ion_jit::Jit::new(linked, config) {
            Ok(jit) => Ok(Some(Arc::new(jit))),
            Err(error) => Err(VmError::Compile(error.to_string())),
        },
    }
}

#[cfg(not(feature = "jit"))]
fn compiler(
    _: &Linked,
    config: &Config,
) -> Result<Option<Arc<dyn ion_runtime::tier::Compiler>>, VmError> {
    match config.engine {
        Engine::Interp => Ok(None),
        Engine::Tiered => Ok(None),
        Engine::Jit | Engine::Mixed | Engine::Aot => {
            Err(VmError::Compile("this host was built without the compiler".to_owned()))
        }
    }
}

/// For each number of arguments, a function `(host, function, arguments…)` that sends the host what the
/// function gives, in an array.
fn host_functions() -> &'static [bytecode::Function] {
    static FUNCTIONS: OnceLock<Vec<bytecode::Function>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| callers(0..=MAX_ARGS))
}

/// A function that nobody calls. Its own call passes so many arguments: the linker then knows that functions
/// may be called with so many, which hosts do and nothing in the package needs to.
fn widest(count: usize) -> bytecode::Function {
    let args: Vec<String> = (0..count).map(|reg| format!("r{reg}")).collect();
    let args = args.join(", ");
    let text =
        format!("function widest (arity: {count}) {{\ncall r0, r0, [{args}]\nreturn r0\n}}\n");
    let class = assemble_class(&text).expect("the function is well-formed");
    class.functions.into_iter().next().expect("there is one")
}

fn callers(counts: RangeInclusive<usize>) -> Vec<bytecode::Function> {
    let one = |count: usize| {
        let args: Vec<String> = (2..count + 2).map(|reg| format!("r{reg}")).collect();
        let (args, arity) = (args.join(", "), count + 2);
        format!(
            "function call{count} (arity: {arity}) {{
                call r1, r1, [{args}]
                array_init r1, [r1]
                send r0, r1
            }}\n"
        )
    };
    let text: String = counts.map(one).collect();
    assemble_class(&text).expect("the functions are well-formed").functions
}
