//! Machines, processes and questions.
//!
//! Whatever waits, or runs code of the machine, does so without the interpreter's lock, and in slices, so
//! that signals (Ctrl-C) are handled in between.

use crate::convert::{from_term, to_term};
use ion_ffi::{Exit, Term, VmError, WeakVm};
use ion_runtime::host::Ring;
use ion_runtime::natives::{Arity, Effects, NativeCx, NativeDef, NativeError};
use ion_runtime::permissions::{FileUse, NativeLibraries, Permissions};
use ion_runtime::value::{Pid as RawPid, Value};
use pyo3::exceptions::{PyException, PyTimeoutError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

pyo3::create_exception!(ionvm, IonError, PyException, "Something went wrong in the machine.");
pyo3::create_exception!(
    ionvm,
    ProcessExit,
    IonError,
    "A process ended instead of answering. `reason` is why; `trace` lists the calls, innermost first, \
     as (function, instruction), if it crashed."
);

/// Waits look for signals this often.
const SLICE: Duration = Duration::from_millis(50);

fn raise(py: Python<'_>, error: VmError) -> PyErr {
    match error {
        VmError::Timeout => PyTimeoutError::new_err("no answer in time"),
        VmError::Exit(exit) => process_exit(py, &exit),
        VmError::Io(error) => error.into(),
        VmError::Package(_) | VmError::Invalid(..) | VmError::Term(_) => {
            PyValueError::new_err(error.to_string())
        }
        other => IonError::new_err(other.to_string()),
    }
}

fn process_exit(py: Python<'_>, exit: &Exit) -> PyErr {
    let error = ProcessExit::new_err(exit.to_string());
    let value = error.value(py);
    let trace: Vec<(String, u32)> = match &exit.crash {
        Some(crash) => crash.trace.iter().map(|line| (line.function.clone(), line.pc)).collect(),
        None => Vec::new(),
    };
    let filled = from_term(py, &exit.reason)
        .and_then(|reason| value.setattr("reason", reason))
        .and_then(|()| value.setattr("trace", trace));
    match filled {
        Ok(()) => error,
        Err(other) => other,
    }
}

/// A time limit in seconds; None: for ever.
fn limit(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout else { return Ok(None) };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err("a timeout is a number of seconds, 0 or more"));
    }
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    Ok(Instant::now().checked_add(duration))
}

/// Waits in slices for what `wait` gives. `None`: the time is over.
fn patiently<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    wait: impl Fn(Option<Duration>) -> Result<Option<T>, VmError> + Sync,
) -> PyResult<Option<T>> {
    let until = limit(timeout)?;
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        match py.detach(|| wait(Some(slice))) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) if left.is_some_and(|left| left <= SLICE) => return Ok(None),
            Ok(None) => py.check_signals()?,
            Err(error) => return Err(raise(py, error)),
        }
    }
}

fn gone() -> PyErr {
    IonError::new_err("the machine was stopped")
}

/// A process of a machine.
#[pyclass(frozen, eq, hash, module = "ionvm", from_py_object)]
#[derive(Clone, Debug)]
pub(crate) struct Pid {
    pub(crate) pid: RawPid,
    vm: WeakVm,
}

impl PartialEq for Pid {
    fn eq(&self, other: &Pid) -> bool {
        self.pid == other.pid
    }
}

impl std::hash::Hash for Pid {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.pid.hash(state);
    }
}

impl Pid {
    pub(crate) fn new(pid: RawPid, vm: &WeakVm) -> Pid {
        Pid { pid, vm: vm.clone() }
    }

    fn vm(&self) -> PyResult<ion_ffi::Vm> {
        self.vm.upgrade().ok_or_else(gone)
    }
}

/// The message of a question: what a callable gives for the process that waits, or `(:ask, from, message)`.
fn question(message: &Bound<'_, PyAny>, weak: &WeakVm, from: RawPid) -> PyResult<Term> {
    if message.is_callable() && message.getattr("__dataclass_fields__").is_err() {
        return to_term(&message.call1((Pid::new(from, weak),))?);
    }
    Ok(Term::from((Term::atom("ask"), from, to_term(message)?)))
}

fn begin_ask(
    vm: &ion_ffi::Vm,
    pid: RawPid,
    message: &Bound<'_, PyAny>,
    ring: Option<Ring>,
) -> PyResult<ion_ffi::Question> {
    let mut failed = None;
    let weak = vm.downgrade();
    let begun = vm.begin_ask(
        pid,
        |from| {
            question(message, &weak, from).unwrap_or_else(|error| {
                failed = Some(error);
                Term::Undefined
            })
        },
        ring,
    );
    match failed {
        Some(error) => Err(error),
        None => begun.map_err(|error| raise(message.py(), error)),
    }
}

#[pymethods]
impl Pid {
    /// Sends a message; False if the process has ended.
    fn send(&self, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        let sent = self.vm()?.send(self.pid, to_term(message)?);
        sent.map_err(|error| raise(message.py(), error))
    }

    /// Sends many messages; False if the process has ended before it got all of them.
    fn send_many(&self, messages: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = messages.py();
        let vm = self.vm()?;
        let terms: PyResult<Vec<Term>> =
            messages.try_iter()?.map(|message| to_term(&message?)).collect();
        let terms = terms?;
        let sent = py.detach(|| {
            let mut all = true;
            for term in terms {
                all &= vm.send(self.pid, term)?;
            }
            Ok(all)
        });
        sent.map_err(|error| raise(py, error))
    }

    /// Sends `(:ask, from, message)`, or what a callable gives for `from`, and waits for the answer: the
    /// next message to `from`. Raises TimeoutError after `timeout` seconds, and ProcessExit if the
    /// process ends first.
    #[pyo3(signature = (message, timeout=None))]
    fn ask(&self, message: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let py = message.py();
        let question = begin_ask(&self.vm()?, self.pid, message, None)?;
        finish(py, &question, &self.vm, timeout)
    }

    /// Begins a question; `ring` is called on some thread whenever it should be polled.
    fn _begin_ask(&self, message: &Bound<'_, PyAny>, ring: Py<PyAny>) -> PyResult<Question> {
        let question = begin_ask(&self.vm()?, self.pid, message, Some(self::ring(ring)))?;
        Ok(Question { question: Some(question), vm: self.vm.clone() })
    }

    /// Waits for the end of the process; gives the reason. Raises TimeoutError after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        // One monitor for all slices: the reason must not be lost between two.
        let begun = self.vm()?.begin_wait(self.pid, None);
        finish(py, &begun.map_err(|error| raise(py, error))?, &self.vm, timeout)
    }

    /// Ends the process, whether it traps exits or not.
    fn kill(&self) -> PyResult<()> {
        self.vm()?.kill(self.pid);
        Ok(())
    }

    /// Asks the process to end for a reason.
    fn exit(&self, reason: &Bound<'_, PyAny>) -> PyResult<()> {
        let ended = self.vm()?.exit(self.pid, to_term(reason)?);
        ended.map_err(|error| raise(reason.py(), error))
    }

    /// Has the process not ended yet?
    #[getter]
    fn is_alive(&self) -> bool {
        self.vm.upgrade().is_some_and(|vm| vm.is_alive(self.pid))
    }

    fn __repr__(&self) -> String {
        format!("<Pid {}.{}>", self.pid.slot, self.pid.generation)
    }
}

fn from_term_in(py: Python<'_>, term: &Term, vm: &WeakVm) -> PyResult<Py<PyAny>> {
    crate::convert::with_vm(vm, || from_term(py, term).map(Bound::unbind))
}

fn finish(
    py: Python<'_>,
    question: &ion_ffi::Question,
    vm: &WeakVm,
    timeout: Option<f64>,
) -> PyResult<Py<PyAny>> {
    let answer = patiently(py, timeout, |slice| question.answer(slice))?;
    match answer {
        Some(answer) => from_term_in(py, &answer, vm),
        None => Err(raise(py, VmError::Timeout)),
    }
}

/// A call or a question whose answer is still to come; for asyncio.
#[pyclass(frozen, module = "ionvm")]
pub(crate) struct Question {
    question: Option<ion_ffi::Question>,
    vm: WeakVm,
}

impl Drop for Question {
    fn drop(&mut self) {
        drop_apart(self.question.take());
    }
}

/// Drops what may be the last to keep a machine. Stopping it waits for threads, which may wait for the
/// interpreter's lock.
fn drop_apart<T: Send>(last: Option<T>) {
    let mut last = last;
    Python::try_attach(|py| {
        let last = last.take();
        py.detach(move || drop(last));
    });
    // Without an interpreter there is nobody to wait for: the process is ending.
    std::mem::forget(last);
}

#[pymethods]
impl Question {
    /// The answer, in a tuple, if it has come; else None.
    fn poll(&self, py: Python<'_>) -> PyResult<Option<(Py<PyAny>,)>> {
        let Some(question) = &self.question else { return Ok(None) };
        match question.answer(Some(Duration::ZERO)) {
            Ok(Some(answer)) => Ok(Some((from_term_in(py, &answer, &self.vm)?,))),
            Ok(None) => Ok(None),
            Err(error) => Err(raise(py, error)),
        }
    }
}

/// Rings that must not wait for the interpreter's lock: a thread of its own calls back.
fn ring(callback: Py<PyAny>) -> Ring {
    static BELL: OnceLock<std::sync::mpsc::Sender<Arc<Py<PyAny>>>> = OnceLock::new();
    let bell = BELL.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel::<Arc<Py<PyAny>>>();
        let work = move || {
            while let Ok(first) = receiver.recv() {
                let called = Python::try_attach(|py| {
                    let mut next = Some(first);
                    // What a closed event loop says is of no interest to anybody.
                    while let Some(callback) = next {
                        let _ = callback.call0(py);
                        next = receiver.try_recv().ok();
                    }
                });
                if called.is_none() {
                    return;
                }
            }
        };
        // Without the thread, asyncio hears of nothing; the answers can still be polled.
        let _ = std::thread::Builder::new().name("ion-bell".into()).spawn(work);
        sender
    });
    let (bell, callback) = (bell.clone(), Arc::new(callback));
    Arc::new(move || {
        let _ = bell.send(callback.clone());
    })
}

/// A machine for one package. It stops when it is closed, left as a context, or collected.
#[pyclass(frozen, module = "ionvm", name = "Vm", subclass)]
pub(crate) struct Vm {
    vm: Option<ion_ffi::Vm>,
    weak: WeakVm,
    /// Called when a message for `vm.pid` has come.
    on_message: Arc<Mutex<Option<Ring>>>,
}

impl Drop for Vm {
    fn drop(&mut self) {
        drop_apart(self.vm.take());
    }
}

impl Vm {
    fn get(&self) -> PyResult<&ion_ffi::Vm> {
        self.vm.as_ref().ok_or_else(gone)
    }
}

/// A Python callable as a library function.
fn native(name: &str, function: Py<PyAny>, vm: Arc<OnceLock<WeakVm>>) -> NativeDef {
    let shown = name.to_owned();
    let call = move |cx: &mut NativeCx<'_>, args: &[Value]| {
        let failed = |message: String| {
            NativeError::Trap(ion_runtime::error::Trap::NativeFailed {
                name: shown.clone(),
                message,
            })
        };
        let terms: Result<Vec<Term>, _> =
            args.iter().map(|arg| Term::read(cx.system, *arg)).collect();
        let terms = terms.map_err(|error| failed(error.to_string()))?;
        let weak = vm.get().cloned().unwrap_or_default();
        let called = Python::try_attach(|py| -> PyResult<Term> {
            let args: PyResult<Vec<_>> =
                terms.iter().map(|term| from_term_in(py, term, &weak)).collect();
            let result = function.bind(py).call1(PyTuple::new(py, args?)?)?;
            to_term(&result)
        });
        match called {
            Some(Ok(term)) => {
                term.build(cx.system, cx.heap).map_err(|error| failed(error.to_string()))
            }
            Some(Err(error)) => {
                let text = Python::try_attach(|py| {
                    let value = error.value(py);
                    let kind = value.get_type().name().map(|name| name.to_string());
                    format!("{}: {value}", kind.unwrap_or_default())
                });
                Err(failed(text.unwrap_or_default()))
            }
            None => Err(failed("the interpreter is ending".to_owned())),
        }
    };
    NativeDef {
        // Python may wait for anything, its own lock to begin with.
        effects: Effects { blocks: true, objects: true, ..Effects::default() },
        ..NativeDef::new(name, Arity::AtLeast(0), Arc::new(call))
    }
}

#[pymethods]
impl Vm {
    /// Loads a package, or what `compile` or `ionc aot --open` has made of one: a path, or its bytes. Functions are compiled when they are hot; all before they
    /// run with `jit=True`; none with `jit=False`.
    #[new]
    #[pyo3(signature = (
        package, *, jit=None, natives=None, schedulers=None, max_heap=None, max_processes=None, seed=None,
        allow_read=Vec::new(), allow_write=Vec::new(), allow_env=false, allow_native=None,
        capture_output=false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        package: &Bound<'_, PyAny>,
        jit: Option<bool>,
        natives: Option<&Bound<'_, PyDict>>,
        schedulers: Option<usize>,
        max_heap: Option<usize>,
        max_processes: Option<usize>,
        seed: Option<u64>,
        allow_read: Vec<PathBuf>,
        allow_write: Vec<PathBuf>,
        allow_env: bool,
        allow_native: Option<Vec<String>>,
        capture_output: bool,
    ) -> PyResult<Vm> {
        let py = package.py();
        let mut permissions = Permissions::default();
        permissions.env = allow_env;
        permissions.native = allow_native.map_or(NativeLibraries::None, NativeLibraries::Named);
        let read = allow_read.iter().map(|path| (FileUse::Read, path));
        for (usage, path) in read.chain(allow_write.iter().map(|path| (FileUse::Write, path))) {
            permissions.allow(usage, path)?;
        }
        let mut builder = ion_ffi::Vm::builder().permissions(permissions);
        if let Some(jit) = jit {
            builder = builder.jit(jit);
        }
        if let Some(schedulers) = schedulers {
            builder = builder.schedulers(schedulers);
        }
        if let Some(bytes) = max_heap {
            builder = builder.max_heap(bytes);
        }
        if let Some(count) = max_processes {
            builder = builder.max_processes(count);
        }
        if let Some(seed) = seed {
            builder = builder.seed(seed);
        }
        if capture_output {
            builder = builder.capture_output();
        }
        let on_message: Arc<Mutex<Option<Ring>>> = Arc::default();
        let listener = on_message.clone();
        builder = builder.ring(Arc::new(move || {
            let ring = listener.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            if let Some(ring) = ring {
                ring();
            }
        }));
        let own = Arc::new(OnceLock::new());
        for (name, function) in natives.into_iter().flatten() {
            let name: String = name.extract()?;
            if !function.is_callable() {
                return Err(PyTypeError::new_err(format!("the native '{name}' is not callable")));
            }
            builder = builder.native_def(native(&name, function.unbind(), own.clone()));
        }
        let bytes: Result<Vec<u8>, PathBuf> = match package.cast::<PyBytes>() {
            Ok(bytes) => Ok(bytes.as_bytes().to_vec()),
            Err(_) => Err(package.extract()?),
        };
        let loaded = py.detach(|| match &bytes {
            Ok(bytes) => builder.load_bytes(bytes),
            Err(path) => builder.load_path(path),
        });
        let vm = loaded.map_err(|error| raise(py, error))?;
        let weak = vm.downgrade();
        let _ = own.set(weak.clone());
        Ok(Vm { vm: Some(vm), weak, on_message })
    }

    /// Runs the program's entry point, with the program's arguments if it takes any; gives its result.
    #[pyo3(signature = (*args, timeout=None))]
    fn run(&self, py: Python<'_>, args: Vec<String>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let question = self.get()?.begin_main(&args, None).map_err(|error| raise(py, error))?;
        finish(py, &question, &self.weak, timeout)
    }

    /// Calls a function (`"CLASS:NAME"` or `"NAME"`) in a process of its own; gives its result.
    #[pyo3(signature = (function, *args, timeout=None))]
    fn call(
        &self,
        py: Python<'_>,
        function: &str,
        args: &Bound<'_, PyTuple>,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let args: PyResult<Vec<Term>> = args.iter().map(|arg| to_term(&arg)).collect();
        let begun = self.get()?.begin_call(function, args?, None);
        let question = begun.map_err(|error| raise(py, error))?;
        finish(py, &question, &self.weak, timeout)
    }

    /// Starts a process: a function with a list of arguments.
    #[pyo3(signature = (function, args=None))]
    fn spawn(&self, function: &str, args: Option<&Bound<'_, PyAny>>) -> PyResult<Pid> {
        let mut terms = Vec::new();
        for arg in args.map(|args| args.try_iter()).transpose()?.into_iter().flatten() {
            terms.push(to_term(&arg?)?);
        }
        match self.get()?.spawn(function, terms) {
            Ok(pid) => Ok(Pid::new(pid, &self.weak)),
            Err(VmError::Term(error)) => Err(PyValueError::new_err(error.to_string())),
            Err(error) => Err(IonError::new_err(error.to_string())),
        }
    }

    /// Sends a message; False if the process has ended.
    fn send(&self, pid: &Pid, message: &Bound<'_, PyAny>) -> PyResult<bool> {
        pid.send(message)
    }

    /// The next message to `vm.pid`. Raises TimeoutError after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn receive(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        let vm = self.get()?;
        match patiently(py, timeout, |slice| vm.receive(slice))? {
            Some(message) => from_term_in(py, &message, &self.weak),
            None => Err(PyTimeoutError::new_err("no message in time")),
        }
    }

    /// The next `count` messages to `vm.pid`, fewer if the time is over before.
    #[pyo3(signature = (count, timeout=None))]
    fn receive_many(
        &self,
        py: Python<'_>,
        count: usize,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let vm = self.get()?;
        let until = limit(timeout)?;
        let mut messages: Vec<Term> = Vec::new();
        while messages.len() < count {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            let before = messages.len();
            let got = py.detach(|| {
                while messages.len() < count {
                    // Waits only for the first.
                    let wait = if messages.len() == before { slice } else { Duration::ZERO };
                    let Some(message) = vm.receive(Some(wait))? else { break };
                    messages.push(message);
                }
                Ok(())
            });
            got.map_err(|error| raise(py, error))?;
            if messages.len() == before && left.is_some_and(|left| left <= SLICE) {
                break;
            }
            py.check_signals()?;
        }
        messages.iter().map(|message| from_term_in(py, message, &self.weak)).collect()
    }

    /// The process by which Python itself sends and receives.
    #[getter]
    fn pid(&self) -> PyResult<Pid> {
        Ok(Pid::new(self.get()?.pid(), &self.weak))
    }

    /// The process that has registered under a name, or None.
    fn whereis(&self, name: &str) -> PyResult<Option<Pid>> {
        Ok(self.get()?.whereis(name).map(|pid| Pid::new(pid, &self.weak)))
    }

    /// Gives `vm.pid` a name; False if it is taken.
    fn register(&self, name: &str) -> PyResult<bool> {
        Ok(self.get()?.register(name))
    }

    /// What programs have printed so far, if output is captured.
    #[getter]
    fn output(&self) -> PyResult<String> {
        Ok(self.get()?.output())
    }

    /// Warnings and crash reports so far, if output is captured.
    #[getter]
    fn error_output(&self) -> PyResult<String> {
        Ok(self.get()?.error_output())
    }

    /// Stops the machine. Processes that have not ended never run again.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let vm = self.get()?;
        py.detach(|| vm.stop());
        Ok(())
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: Option<&Bound<'_, PyAny>>,
        _value: Option<&Bound<'_, PyAny>>,
        _trace: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.close(py)
    }

    /// The next message to `vm.pid`, in a tuple, if there is one; else None.
    fn _poll(&self, py: Python<'_>) -> PyResult<Option<(Py<PyAny>,)>> {
        let message = self.get()?.receive(Some(Duration::ZERO));
        match message.map_err(|error| raise(py, error))? {
            Some(message) => Ok(Some((from_term_in(py, &message, &self.weak)?,))),
            None => Ok(None),
        }
    }

    /// Has a callable called, on some thread, when a message for `vm.pid` has come; None: nothing any more.
    fn _on_message(&self, callback: Option<Py<PyAny>>) {
        let ring = callback.map(self::ring);
        *self.on_message.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = ring;
    }

    /// Begins a call; `ring` is called on some thread whenever it should be polled.
    fn _begin_call(
        &self,
        function: &str,
        args: &Bound<'_, PyTuple>,
        ring: Py<PyAny>,
    ) -> PyResult<Question> {
        let terms: PyResult<Vec<Term>> = args.iter().map(|arg| to_term(&arg)).collect();
        let begun = self.get()?.begin_call(function, terms?, Some(self::ring(ring)));
        let question = begun.map_err(|error| raise(args.py(), error))?;
        Ok(Question { question: Some(question), vm: self.weak.clone() })
    }
}

/// Compiles a package, given by path or as bytes, ahead of time for machines like this one; gives the bytes of
/// a shared object that Vm and run take in its place, from a file or as they are. Running machine code means
/// trusting it.
#[pyfunction]
pub(crate) fn compile(package: &Bound<'_, PyAny>) -> PyResult<Py<PyBytes>> {
    let py = package.py();
    let bytes = match package.cast::<PyBytes>() {
        Ok(bytes) => bytes.as_bytes().to_vec(),
        Err(_) => std::fs::read(package.extract::<PathBuf>()?)?,
    };
    let compiled = py
        .detach(|| ion_ffi::vm::compile_ahead(ion_runtime::ionpack::Package::from_bytes(&bytes)?));
    let image = compiled.map_err(|error| raise(py, error))?;
    Ok(PyBytes::new(py, &image).unbind())
}
