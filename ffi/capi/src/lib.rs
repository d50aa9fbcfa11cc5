//! The C interface of `ffi/include/ion.h`: the other side of each of its functions.
//!
//! No panic crosses the border: it becomes `ION_FAILED`. Pointers are checked for null where the header
//! allows it; everything else about them is the caller's promise, stated in the header.

use ion_ffi::{Term, Vm, VmBuilder, VmError};
use ion_runtime::value::{Pid, Value};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::time::Duration;

/// `ION_ABI` of the header.
pub const ABI: u32 = 1;

/// `ion_status` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It worked.
    Ok = 0,
    /// The time was over.
    Timeout = 1,
    /// The process ended before it answered.
    Exit = 2,
    /// The machine was stopped.
    Stopped = 3,
    /// Anything else.
    Failed = 4,
}

/// `ion_options` of the header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    size: u32,
    interpret: u32,
    schedulers: u32,
    capture_output: u32,
    max_heap: u64,
    max_processes: u64,
}

thread_local! {
    static ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Why something failed.
struct Failure(Status, String);

impl From<VmError> for Failure {
    fn from(error: VmError) -> Failure {
        let status = match &error {
            VmError::Timeout => Status::Timeout,
            VmError::Exit(_) => Status::Exit,
            VmError::Stopped => Status::Stopped,
            _ => Status::Failed,
        };
        Failure(status, error.to_string())
    }
}

fn wrong<T>(text: &str) -> Result<T, Failure> {
    Err(Failure(Status::Failed, text.to_owned()))
}

/// Runs the body of a function; keeps the error for `ion_error`.
fn guard<T>(body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Status> {
    let done = catch_unwind(AssertUnwindSafe(body));
    let failure = match done {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(failure)) => failure,
        Err(_) => Failure(Status::Failed, "internal error: a panic".to_owned()),
    };
    ERROR.set(failure.1);
    Err(failure.0)
}

/// A text that ends with 0.
///
/// # Safety
/// `text` is null or such a text, valid during the call.
unsafe fn c_text<'a>(text: *const c_char) -> Result<&'a str, Failure> {
    if text.is_null() {
        return wrong("a text is missing: NULL");
    }
    // SAFETY: by contract.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().or_else(|_| wrong("a text is not UTF-8"))
}

/// A text with a length.
///
/// # Safety
/// `text` points to `length` bytes, or `length` is 0.
unsafe fn sized_text(text: *const c_char, length: usize) -> Result<String, Failure> {
    // SAFETY: by contract.
    let bytes = unsafe { sized(text.cast::<u8>(), length) };
    String::from_utf8(bytes.to_vec()).or_else(|_| wrong("a text is not UTF-8"))
}

/// A list with a length.
///
/// # Safety
/// `list` points to `length` elements, or `length` is 0.
unsafe fn sized<'a, T>(list: *const T, length: usize) -> &'a [T] {
    if list.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts(list, length) }
}

/// A handle.
///
/// # Safety
/// `handle` is null, or one that this library gave and that has not been freed.
unsafe fn get<'a, T>(handle: *const T) -> Result<&'a T, Failure> {
    // SAFETY: by contract.
    match unsafe { handle.as_ref() } {
        Some(handle) => Ok(handle),
        None => wrong("a handle is missing: NULL"),
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    // Negative: for ever. So is what is longer than a Duration.
    if seconds < 0.0 { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Puts a term where the caller wants it, or frees it.
///
/// # Safety
/// `place` is null or a place for a pointer.
unsafe fn put(place: *mut *mut Term, term: Term) {
    if !place.is_null() {
        // SAFETY: by contract.
        unsafe { *place = give(term) };
    }
}

/// Does `body`, and puts its term where the caller wants it.
///
/// # Safety
/// As for [`put`].
unsafe fn answer(place: *mut *mut Term, body: impl FnOnce() -> Result<Term, Failure>) -> Status {
    match guard(body) {
        Ok(term) => {
            // SAFETY: by contract.
            unsafe { put(place, term) };
            Status::Ok
        }
        Err(status) => status,
    }
}

fn number_of(pid: Pid) -> u64 {
    Value::pid(pid).to_bits()
}

fn pid_of(number: u64) -> Result<Pid, Failure> {
    // SAFETY: handles of processes have no memory; `as_pid` looks at the bits only.
    let value = unsafe { Value::from_raw(number) };
    value.as_pid().map_or_else(|| wrong("this is no process"), Ok)
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_abi() -> u32 {
    ABI
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_error(length: *mut usize) -> *const c_char {
    ERROR.with_borrow(|error| {
        if !length.is_null() {
            // SAFETY: the caller gives a place, or null.
            unsafe { *length = error.len() };
        }
        error.as_ptr().cast()
    })
}

/// Settings from options.
///
/// # Safety
/// `options` is null or points to as many bytes as its `size` says.
unsafe fn builder(options: *const Options) -> Result<VmBuilder, Failure> {
    let mut builder = Vm::builder();
    if options.is_null() {
        return Ok(builder);
    }
    // SAFETY: by contract; the size comes first.
    if unsafe { (*options).size as usize } < size_of::<Options>() {
        return wrong("ion_options.size is smaller than the structure");
    }
    // SAFETY: by contract.
    let options = unsafe { *options };
    if options.interpret != 0 {
        builder = builder.jit(false);
    }
    if options.schedulers > 0 {
        builder = builder.schedulers(options.schedulers as usize);
    }
    if options.capture_output != 0 {
        builder = builder.capture_output();
    }
    if let Ok(bytes) = usize::try_from(options.max_heap)
        && bytes > 0
    {
        builder = builder.max_heap(bytes);
    }
    if let Ok(count) = usize::try_from(options.max_processes)
        && count > 0
    {
        builder = builder.max_processes(count);
    }
    Ok(builder)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_load_path(path: *const c_char, options: *const Options) -> *mut Vm {
    let load = || {
        // SAFETY: the caller's promise.
        let (path, builder) = unsafe { (c_text(path)?, builder(options)?) };
        Ok(give(builder.load_path(path)?))
    };
    guard(load).unwrap_or(null_mut())
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_load_bytes(
    bytes: *const c_void,
    length: usize,
    options: *const Options,
) -> *mut Vm {
    let load = || {
        // SAFETY: the caller's promise.
        let (bytes, builder) = unsafe { (sized(bytes.cast::<u8>(), length), builder(options)?) };
        Ok(give(builder.load_bytes(bytes)?))
    };
    guard(load).unwrap_or(null_mut())
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_free(vm: *mut Vm) {
    if !vm.is_null() {
        // SAFETY: the caller's promise: it comes from `give`, and is freed once.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(vm) })));
    }
}

/// Copies of terms.
///
/// # Safety
/// `args` points to `count` terms, or `count` is 0.
unsafe fn copies(args: *const *const Term, count: usize) -> Result<Vec<Term>, Failure> {
    // SAFETY: by contract.
    unsafe { sized(args, count).iter().map(|&arg| get(arg).cloned()).collect() }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_run(vm: *const Vm, limit: f64, result: *mut *mut Term) -> Status {
    // SAFETY: the caller's promise.
    unsafe { answer(result, || Ok(get(vm)?.run_main(&[], seconds(limit))?)) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_call(
    vm: *const Vm,
    function: *const c_char,
    args: *const *const Term,
    count: usize,
    limit: f64,
    result: *mut *mut Term,
) -> Status {
    let call = || {
        // SAFETY: the caller's promise.
        let (vm, function, args) = unsafe { (get(vm)?, c_text(function)?, copies(args, count)?) };
        Ok(vm.call_within(function, args, seconds(limit))?)
    };
    // SAFETY: the caller's promise.
    unsafe { answer(result, call) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_spawn(
    vm: *const Vm,
    function: *const c_char,
    args: *const *const Term,
    count: usize,
) -> u64 {
    let spawn = || {
        // SAFETY: the caller's promise.
        let (vm, function, args) = unsafe { (get(vm)?, c_text(function)?, copies(args, count)?) };
        Ok(number_of(vm.spawn(function, args)?))
    };
    guard(spawn).unwrap_or(0)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_send(vm: *const Vm, to: u64, message: *const Term) -> Status {
    let send = || {
        // SAFETY: the caller's promise.
        let (vm, message) = unsafe { (get(vm)?, get(message)?) };
        vm.send(pid_of(to)?, message.clone())?;
        Ok(())
    };
    guard(send).map_or_else(|status| status, |()| Status::Ok)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_receive(
    vm: *const Vm,
    limit: f64,
    message: *mut *mut Term,
) -> Status {
    let receive = || {
        // SAFETY: the caller's promise.
        let received = unsafe { get(vm)? }.receive(seconds(limit))?;
        Ok(received.ok_or(VmError::Timeout)?)
    };
    // SAFETY: the caller's promise.
    unsafe { answer(message, receive) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_ask(
    vm: *const Vm,
    to: u64,
    message: *const Term,
    limit: f64,
    result: *mut *mut Term,
) -> Status {
    let ask = || {
        // SAFETY: the caller's promise.
        let (vm, message) = unsafe { (get(vm)?, get(message)?) };
        Ok(vm.ask(pid_of(to)?, message.clone(), seconds(limit))?)
    };
    // SAFETY: the caller's promise.
    unsafe { answer(result, ask) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_wait(
    vm: *const Vm,
    pid: u64,
    limit: f64,
    reason: *mut *mut Term,
) -> Status {
    let wait = || {
        // SAFETY: the caller's promise.
        let exit = unsafe { get(vm)? }.wait(pid_of(pid)?, seconds(limit))?;
        Ok(exit.ok_or(VmError::Timeout)?.reason)
    };
    // SAFETY: the caller's promise.
    unsafe { answer(reason, wait) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_kill(vm: *const Vm, pid: u64) {
    let _ = guard(|| {
        // SAFETY: the caller's promise.
        unsafe { get(vm)? }.kill(pid_of(pid)?);
        Ok(())
    });
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_pid(vm: *const Vm) -> u64 {
    // SAFETY: the caller's promise.
    guard(|| Ok(number_of(unsafe { get(vm)? }.pid()))).unwrap_or(0)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_vm_output(vm: *const Vm) -> *mut Term {
    // SAFETY: the caller's promise.
    guard(|| Ok(give(Term::String(unsafe { get(vm)? }.output())))).unwrap_or(null_mut())
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_undefined() -> *mut Term {
    give(Term::Undefined)
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_unit() -> *mut Term {
    give(Term::Unit)
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_boolean(boolean: c_int) -> *mut Term {
    give(Term::Boolean(boolean != 0))
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_number(number: f64) -> *mut Term {
    give(Term::Number(number))
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_atom(text: *const c_char, length: usize) -> *mut Term {
    // SAFETY: the caller's promise.
    guard(|| Ok(give(Term::Atom(unsafe { sized_text(text, length)? })))).unwrap_or(null_mut())
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_string(text: *const c_char, length: usize) -> *mut Term {
    // SAFETY: the caller's promise.
    guard(|| Ok(give(Term::String(unsafe { sized_text(text, length)? })))).unwrap_or(null_mut())
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn ion_process(pid: u64) -> *mut Term {
    guard(|| Ok(give(Term::Process(pid_of(pid)?)))).unwrap_or(null_mut())
}

/// Takes terms over; NULL counts as Undefined.
///
/// # Safety
/// `parts` points to `count` terms of this library, which nobody uses any more.
unsafe fn take(parts: *const *mut Term, count: usize) -> Vec<Term> {
    let own = |&part: &*mut Term| match part.is_null() {
        true => Term::Undefined,
        // SAFETY: by contract.
        false => *unsafe { Box::from_raw(part) },
    };
    // SAFETY: by contract.
    unsafe { sized(parts, count) }.iter().map(own).collect()
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_tuple(parts: *const *mut Term, count: usize) -> *mut Term {
    // SAFETY: the caller's promise.
    give(Term::Tuple(unsafe { take(parts, count) }))
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_array(parts: *const *mut Term, count: usize) -> *mut Term {
    // SAFETY: the caller's promise.
    give(Term::Array(unsafe { take(parts, count) }))
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_free(term: *mut Term) {
    if !term.is_null() {
        // SAFETY: the caller's promise: it comes from `give`, and is freed once.
        drop(unsafe { Box::from_raw(term) });
    }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_kind_of(term: *const Term) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { term.as_ref() } {
        None | Some(Term::Undefined) => 0,
        Some(Term::Unit) => 1,
        Some(Term::Boolean(_)) => 2,
        Some(Term::Number(_)) => 3,
        Some(Term::Atom(_)) => 4,
        Some(Term::String(_)) => 5,
        Some(Term::Complex(..)) => 6,
        Some(Term::Tuple(_)) => 7,
        Some(Term::Array(_)) => 8,
        Some(Term::Object(_)) => 9,
        Some(Term::Function(_)) => 10,
        Some(Term::Process(_)) => 11,
    }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_boolean(term: *const Term) -> c_int {
    // SAFETY: the caller's promise.
    c_int::from(matches!(unsafe { term.as_ref() }, Some(Term::Boolean(true))))
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_number(term: *const Term) -> f64 {
    // SAFETY: the caller's promise.
    unsafe { term.as_ref() }.and_then(Term::as_number).unwrap_or(f64::NAN)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_process(term: *const Term) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { term.as_ref() }.and_then(Term::as_process).map_or(0, number_of)
}

/// A text for C.
///
/// # Safety
/// `length` is null or a place for a number.
unsafe fn out(text: Option<&str>, length: *mut usize) -> *const c_char {
    if !length.is_null() {
        // SAFETY: by contract.
        unsafe { *length = text.map_or(0, str::len) };
    }
    text.map_or(std::ptr::null(), |text| text.as_ptr().cast())
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_text(term: *const Term, length: *mut usize) -> *const c_char {
    // SAFETY: the caller's promise.
    let text = match unsafe { term.as_ref() } {
        Some(Term::String(text) | Term::Atom(text) | Term::Function(text)) => Some(text.as_str()),
        _ => None,
    };
    // SAFETY: the caller's promise.
    unsafe { out(text, length) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_length(term: *const Term) -> usize {
    // SAFETY: the caller's promise.
    match unsafe { term.as_ref() } {
        Some(Term::Tuple(parts) | Term::Array(parts)) => parts.len(),
        Some(Term::Object(properties)) => properties.len(),
        _ => 0,
    }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_element(term: *const Term, index: usize) -> *const Term {
    // SAFETY: the caller's promise.
    let element = match unsafe { term.as_ref() } {
        Some(Term::Tuple(parts) | Term::Array(parts)) => parts.get(index),
        Some(Term::Object(properties)) => properties.get(index).map(|(_, value)| value),
        _ => None,
    };
    element.map_or(std::ptr::null(), std::ptr::from_ref)
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_key(
    term: *const Term,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: the caller's promise.
    let key = match unsafe { term.as_ref() } {
        Some(Term::Object(properties)) => properties.get(index).map(|(key, _)| key.as_str()),
        _ => None,
    };
    // SAFETY: the caller's promise.
    unsafe { out(key, length) }
}

/// See the header.
///
/// # Safety
/// See the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ion_term_show(term: *const Term) -> *mut Term {
    // SAFETY: the caller's promise.
    guard(|| Ok(give(Term::String(unsafe { get(term)? }.to_string())))).unwrap_or(null_mut())
}
