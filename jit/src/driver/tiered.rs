//! Compiling in the background what the interpreter finds hot.
//!
//! Nothing is done until the first function is hot. Then a thread analyses the program, and compiles
//! that function and those it calls; workers see in [`Readiness`] when they can enter it.

use super::jit::Jit;
use ion_runtime::program::FuncId;
use ion_runtime::system::Config;
use ion_runtime::tier::{Compiler, CompilerStats, EnterFn, Readiness};
use ion_runtime::vm::Linked;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

/// A program that is compiled as it runs.
pub struct Tiered {
    shared: Arc<Shared>,
    /// Hot functions for the thread, and what the thread needs until it is started.
    requests: Mutex<Requests>,
}

struct Shared {
    readiness: Arc<[Readiness]>,
    jit: OnceLock<Jit>,
    /// Why nothing can be compiled; taken by whoever tells the user.
    failure: Mutex<Option<String>>,
}

enum Requests {
    Idle(Box<(Linked, Config)>),
    Running(Sender<FuncId>),
    Failed,
}

impl std::fmt::Debug for Tiered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tiered").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Tiered {
    /// A compiler that waits for hot functions.
    pub fn new(linked: &Linked, config: &Config) -> Tiered {
        let functions = &linked.program.functions;
        let readiness: Arc<[Readiness]> = functions.iter().map(|_| Readiness::cold()).collect();
        let shared = Shared { readiness, jit: OnceLock::new(), failure: Mutex::new(None) };
        let requests = Requests::Idle(Box::new((linked.clone(), config.clone())));
        Tiered { shared: Arc::new(shared), requests: Mutex::new(requests) }
    }

    fn jit(&self) -> Option<&Jit> {
        self.shared.jit.get()
    }
}

impl Shared {
    /// Gives up compiling altogether.
    fn fail(&self, why: String) {
        self.readiness.iter().filter(|it| it.is_cold()).for_each(Readiness::set_never);
        *self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(why);
    }

    fn work(&self, linked: &Linked, config: &Config, requests: &Receiver<FuncId>) {
        let jit = match Jit::prepare(linked, config, self.readiness.clone()) {
            Ok(jit) => self.jit.get_or_init(|| jit),
            Err(error) => return self.fail(error.to_string()),
        };
        for function in requests {
            if self.readiness[function.0 as usize].is_cold()
                && let Err(error) = jit.compile(&[function])
            {
                return self.fail(error.to_string());
            }
        }
    }
}

impl Compiler for Tiered {
    fn enter(&self) -> Option<EnterFn> {
        self.jit()?.enter()
    }

    fn resume_entry(&self, function: FuncId) -> Result<*const u8, String> {
        match self.jit() {
            Some(jit) => jit.resume_entry(function),
            None => Err("nothing is compiled yet".to_owned()),
        }
    }

    fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        self.jit()?.list_entry(function)
    }

    fn readiness(&self) -> &[Readiness] {
        &self.shared.readiness
    }

    fn request(&self, function: FuncId) {
        let mut requests = self.requests.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Requests::Idle(_) = &*requests {
            let (sender, receiver) = channel();
            let idle = std::mem::replace(&mut *requests, Requests::Running(sender));
            let Requests::Idle(start) = idle else { return };
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("ion-compiler".into());
            let work = move || shared.work(&start.0, &start.1, &receiver);
            if let Err(error) = thread.stack_size(COMPILER_STACK).spawn(work) {
                self.shared.fail(format!("cannot start a thread: {error}"));
                *requests = Requests::Failed;
            }
        }
        if let Requests::Running(sender) = &*requests {
            // It fails only if the thread has given up, and told why.
            let _ = sender.send(function);
        }
    }

    fn exited(&self, function: FuncId) -> bool {
        self.jit().is_some_and(|jit| jit.exited(function))
    }

    fn warning(&self) -> Option<String> {
        let mut failure =
            self.shared.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        failure.take()
    }

    fn stats(&self) -> CompilerStats {
        self.jit().map(Compiler::stats).unwrap_or_default()
    }
}

/// Native stack of the thread that compiles.
const COMPILER_STACK: usize = 64 << 20;
