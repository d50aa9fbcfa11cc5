//! Native libraries of packages: loading them, and the table of functions that they are given.
//!
//! The interface is `include/ion_native.h`; this file is its other side, and a test compiles a library
//! against the header. A library is never loaded by a name or path that a package chose: its bytes go to
//! a file of ours that nobody else can write, which is removed at once.
//!
//! Loaded libraries stay loaded: their functions may be anywhere.

use ion_runtime::ionpack::{Member, Package};
use ion_runtime::natives::{Arity, Effects, NativeCx, NativeDef, NativeError, Registry};
use ion_runtime::object::{Kind, container, string};
use ion_runtime::permissions::{Denied, Permissions};
use ion_runtime::value::Value;
use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::sync::Arc;

/// `ION_NATIVE_ABI` of the header.
pub const ABI: u32 = 1;

/// Why a library was not loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LibraryError {
    /// The user has not allowed it.
    Denied(Denied),
    /// The package has no library of this name for this system.
    Missing {
        /// The name.
        name: String,
        /// Where it would be.
        path: String,
    },
    /// It cannot be loaded, or has no function `ion_library`.
    Load {
        /// The name.
        name: String,
        /// What the system says.
        why: String,
    },
    /// Its `ion_library` gave a number other than 0.
    Refused {
        /// The name.
        name: String,
        /// The number.
        status: i32,
    },
}

impl std::fmt::Display for LibraryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LibraryError::Denied(denied) => denied.fmt(f),
            LibraryError::Missing { name, path } => write!(
                f,
                "the package has no native library '{name}' for this system; it would be '{path}'"
            ),
            LibraryError::Load { name, why } => {
                write!(f, "cannot load the native library '{name}': {why}")
            }
            LibraryError::Refused { name, status } => {
                write!(f, "the native library '{name}' refuses to work here (status {status})")
            }
        }
    }
}

impl std::error::Error for LibraryError {}

/// Loads the native libraries that a package lists and the user allows, and adds their functions.
/// Returns those that are not allowed.
///
/// A library for all systems is the member `lib/NAME`; one for this system is `lib/OS/ARCH/NAME`, such as
/// `lib/linux/x86_64/fast.so`. Users know it by NAME without what is behind the first dot.
pub fn load_libraries(
    package: &Package,
    permissions: &Permissions,
    registry: &mut Registry,
) -> Result<Vec<Denied>, LibraryError> {
    let here = format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH);
    let (mut denied, mut loaded, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
    for path in &package.manifest.ffi_libraries {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let name = file.split_once('.').map_or(file, |(stem, _)| stem);
        if folder.matches('/').count() == 1 && folder != here {
            elsewhere.push((name, format!("lib/{here}/{name}{}", std::env::consts::DLL_SUFFIX)));
            continue;
        }
        loaded.push(name);
        if let Err(error) = permissions.native(name) {
            denied.push(error);
            continue;
        }
        let member = package.libraries.iter().find(|member| member.name == *path);
        let bytes = member.and_then(Member::bytes).ok_or_else(|| LibraryError::Missing {
            name: name.to_owned(),
            path: format!("lib/{path}"),
        })?;
        load(name, bytes, registry)?;
    }
    match elsewhere.into_iter().find(|(name, _)| !loaded.contains(name)) {
        Some((name, path)) => Err(LibraryError::Missing { name: name.to_owned(), path }),
        None => Ok(denied),
    }
}

/// Loads a library from memory and adds its functions.
pub fn load(name: &str, bytes: &[u8], registry: &mut Registry) -> Result<(), LibraryError> {
    let failed = |why: String| LibraryError::Load { name: name.to_owned(), why };
    // The file is ours alone (mode 0600), has a name that cannot be guessed, and is gone afterwards.
    let mut file = tempfile::Builder::new()
        .prefix("ion-native-")
        .suffix(std::env::consts::DLL_SUFFIX)
        .tempfile()
        .map_err(|error| failed(error.to_string()))?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(|error| failed(error.to_string()))?;
    // SAFETY: running the library's code is what the user has allowed.
    let library = unsafe { libloading::Library::new(file.path()) };
    let library = library.map_err(|error| failed(error.to_string()))?;
    // It is never unloaded: its functions are in registries.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    type Entry = unsafe extern "C" fn(*const Api, *mut Registry) -> c_int;
    // SAFETY: the header gives the symbol this type.
    let entry = unsafe { library.get::<Entry>(b"ion_library\0") };
    let entry = entry.map_err(|_| failed("it has no function 'ion_library'".to_owned()))?;
    // SAFETY: the library was made against the header; the registry is used during the call only.
    let status = unsafe { entry(&raw const API, registry) };
    match status {
        0 => Ok(()),
        status => Err(LibraryError::Refused { name: name.to_owned(), status }),
    }
}

/// `ion_function` of the header.
type Function = unsafe extern "C" fn(*mut Call<'_, '_>, *mut c_void);

/// `ion_call` of the header: what a function needs while it runs.
pub struct Call<'c, 'a> {
    cx: &'c mut NativeCx<'a>,
    args: &'c [Value],
    result: Result<Value, NativeError>,
    /// Texts that had to be put together for this call.
    texts: Vec<Box<str>>,
}

/// `ion_api` of the header.
#[repr(C)]
pub struct Api {
    abi: u32,
    size: u32,
    add: unsafe extern "C" fn(
        *mut Registry,
        *const c_char,
        u32,
        u32,
        Option<Function>,
        *mut c_void,
    ) -> c_int,
    count: unsafe extern "C" fn(*mut Call<'_, '_>) -> usize,
    argument: unsafe extern "C" fn(*mut Call<'_, '_>, usize) -> u64,
    kind: unsafe extern "C" fn(*mut Call<'_, '_>, u64) -> c_int,
    number: unsafe extern "C" fn(*mut Call<'_, '_>, u64) -> f64,
    boolean: unsafe extern "C" fn(*mut Call<'_, '_>, u64) -> c_int,
    text: unsafe extern "C" fn(*mut Call<'_, '_>, u64, *mut usize) -> *const c_char,
    length: unsafe extern "C" fn(*mut Call<'_, '_>, u64) -> usize,
    element: unsafe extern "C" fn(*mut Call<'_, '_>, u64, usize) -> u64,
    make_undefined: unsafe extern "C" fn(*mut Call<'_, '_>) -> u64,
    make_unit: unsafe extern "C" fn(*mut Call<'_, '_>) -> u64,
    make_boolean: unsafe extern "C" fn(*mut Call<'_, '_>, c_int) -> u64,
    make_number: unsafe extern "C" fn(*mut Call<'_, '_>, f64) -> u64,
    make_atom: unsafe extern "C" fn(*mut Call<'_, '_>, *const c_char, usize) -> u64,
    make_string: unsafe extern "C" fn(*mut Call<'_, '_>, *const c_char, usize) -> u64,
    make_tuple: unsafe extern "C" fn(*mut Call<'_, '_>, *const u64, usize) -> u64,
    make_array: unsafe extern "C" fn(*mut Call<'_, '_>, *const u64, usize) -> u64,
    give: unsafe extern "C" fn(*mut Call<'_, '_>, u64),
    fail: unsafe extern "C" fn(*mut Call<'_, '_>, *const c_char, usize),
}

static API: Api = Api {
    abi: ABI,
    size: size_of::<Api>() as u32,
    add,
    count,
    argument,
    kind,
    number,
    boolean,
    text,
    length,
    element,
    make_undefined,
    make_unit,
    make_boolean,
    make_number,
    make_atom,
    make_string,
    make_tuple,
    make_array,
    give,
    fail,
};

/// The data of a library's function; the library says that it may be used on any thread.
struct Data(*mut c_void);

// SAFETY: the header demands that functions can run on several threads at a time.
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}

unsafe extern "C" fn add(
    registry: *mut Registry,
    name: *const c_char,
    least: u32,
    most: u32,
    function: Option<Function>,
    data: *mut c_void,
) -> c_int {
    let (Some(function), false) = (function, registry.is_null() || name.is_null()) else {
        return -1;
    };
    // SAFETY: the header demands a text that ends with 0.
    let name = unsafe { CStr::from_ptr(name) };
    let Ok(name) = name.to_str() else { return -1 };
    let arity = if least == most { Arity::Exact(least) } else { Arity::Between(least, most) };
    let data = Arc::new(Data(data));
    let call = move |cx: &mut NativeCx<'_>, args: &[Value]| {
        let mut call = Call { cx, args, result: Ok(Value::UNIT), texts: Vec::new() };
        // SAFETY: the call lives until the function returns, and the header forbids keeping it.
        unsafe { function(&raw mut call, data.0) };
        call.result
    };
    let def = NativeDef {
        signature: format!("({}) -> Any", vec!["Any"; most.min(16) as usize].join(", ")),
        doc: "A function of a native library.".to_owned(),
        effects: Effects { objects: true, ..Effects::default() },
        ..NativeDef::new(name, arity, Arc::new(call))
    };
    // SAFETY: the registry is the one that `load` has passed to the library.
    unsafe { (*registry).add(def) };
    0
}

/// The call behind a pointer.
///
/// # Safety
/// `call` is what a function of a library was called with, and it has not returned.
unsafe fn inside<'p>(call: *mut Call<'_, '_>) -> &'p mut Call<'p, 'p> {
    // SAFETY: by contract; the lifetimes end before that of the call does.
    unsafe { &mut *call.cast::<Call<'p, 'p>>() }
}

/// A value from its number.
fn value(bits: u64) -> Value {
    // SAFETY: the header demands that libraries pass on numbers that they got in the same call.
    unsafe { Value::from_raw(bits) }
}

/// The bytes of a text; empty if the pointer is null.
///
/// # Safety
/// `text` points to `length` bytes or is null.
unsafe fn bytes<'t>(text: *const c_char, length: usize) -> Cow<'t, str> {
    if text.is_null() {
        return "".into();
    }
    // SAFETY: by contract.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes)
}

unsafe extern "C" fn count(call: *mut Call<'_, '_>) -> usize {
    // SAFETY: see `inside`.
    unsafe { inside(call) }.args.len()
}

unsafe extern "C" fn argument(call: *mut Call<'_, '_>, index: usize) -> u64 {
    // SAFETY: see `inside`.
    let call = unsafe { inside(call) };
    call.args.get(index).copied().unwrap_or(Value::UNDEFINED).to_bits()
}

unsafe extern "C" fn kind(_: *mut Call<'_, '_>, of: u64) -> c_int {
    match value(of).kind() {
        Kind::Undefined => 0,
        Kind::Unit => 1,
        Kind::Boolean => 2,
        Kind::Number => 3,
        Kind::Atom => 4,
        Kind::String => 5,
        Kind::Complex => 6,
        Kind::Tuple => 7,
        Kind::Array => 8,
        Kind::Object => 9,
        Kind::Function => 10,
        Kind::Process => 11,
    }
}

unsafe extern "C" fn number(_: *mut Call<'_, '_>, of: u64) -> f64 {
    value(of).as_number().unwrap_or(f64::NAN)
}

unsafe extern "C" fn boolean(_: *mut Call<'_, '_>, of: u64) -> c_int {
    c_int::from(value(of) == Value::TRUE)
}

unsafe extern "C" fn text(call: *mut Call<'_, '_>, of: u64, length: *mut usize) -> *const c_char {
    // SAFETY: see `inside`.
    let call = unsafe { inside(call) };
    let value = value(of);
    let text: &str = match value.as_atom() {
        Some(atom) => call.cx.system.atoms.text(atom),
        None => match string::text(value) {
            Some(Cow::Borrowed(text)) => text,
            Some(Cow::Owned(text)) => {
                call.texts.push(text.into_boxed_str());
                call.texts.last().map_or("", |text| text)
            }
            None => "",
        },
    };
    if !length.is_null() {
        // SAFETY: the header demands a place for the length, or null.
        unsafe { *length = text.len() };
    }
    text.as_ptr().cast()
}

fn elements(of: u64) -> &'static [Value] {
    let value = value(of);
    container::array(value).or_else(|| container::tuple(value)).unwrap_or(&[])
}

unsafe extern "C" fn length(_: *mut Call<'_, '_>, of: u64) -> usize {
    elements(of).len()
}

unsafe extern "C" fn element(_: *mut Call<'_, '_>, of: u64, index: usize) -> u64 {
    elements(of).get(index).copied().unwrap_or(Value::UNDEFINED).to_bits()
}

unsafe extern "C" fn make_undefined(_: *mut Call<'_, '_>) -> u64 {
    Value::UNDEFINED.to_bits()
}

unsafe extern "C" fn make_unit(_: *mut Call<'_, '_>) -> u64 {
    Value::UNIT.to_bits()
}

unsafe extern "C" fn make_boolean(_: *mut Call<'_, '_>, boolean: c_int) -> u64 {
    Value::boolean(boolean != 0).to_bits()
}

unsafe extern "C" fn make_number(_: *mut Call<'_, '_>, number: f64) -> u64 {
    Value::number(number).to_bits()
}

unsafe extern "C" fn make_atom(call: *mut Call<'_, '_>, text: *const c_char, length: usize) -> u64 {
    // SAFETY: see `inside` and the header.
    let (call, text) = unsafe { (inside(call), bytes(text, length)) };
    let made = call.cx.atom(&text).map(Value::atom);
    call.made(made)
}

impl Call<'_, '_> {
    /// A value that was made; if it could not be, the call fails and the value is Undefined.
    fn made(&mut self, made: Result<Value, NativeError>) -> u64 {
        match made {
            Ok(value) => value.to_bits(),
            Err(error) => {
                self.result = Err(error);
                Value::UNDEFINED.to_bits()
            }
        }
    }
}

unsafe extern "C" fn make_string(
    call: *mut Call<'_, '_>,
    text: *const c_char,
    length: usize,
) -> u64 {
    // SAFETY: see `inside` and the header.
    let (call, text) = unsafe { (inside(call), bytes(text, length)) };
    let made = call.cx.string(&text);
    call.made(made)
}

/// The values of a list.
///
/// # Safety
/// `list` points to `count` numbers of values, or `count` is 0.
unsafe fn values(list: *const u64, count: usize) -> Vec<Value> {
    if list.is_null() || count == 0 {
        return Vec::new();
    }
    // SAFETY: by contract.
    unsafe { std::slice::from_raw_parts(list, count) }.iter().map(|&bits| value(bits)).collect()
}

unsafe extern "C" fn make_tuple(call: *mut Call<'_, '_>, list: *const u64, count: usize) -> u64 {
    // SAFETY: see `inside` and the header.
    let (call, parts) = unsafe { (inside(call), values(list, count)) };
    let made = call.cx.tuple(&parts);
    call.made(made)
}

unsafe extern "C" fn make_array(call: *mut Call<'_, '_>, list: *const u64, count: usize) -> u64 {
    // SAFETY: see `inside` and the header.
    let (call, parts) = unsafe { (inside(call), values(list, count)) };
    let made = call.cx.array(&parts);
    call.made(made)
}

unsafe extern "C" fn give(call: *mut Call<'_, '_>, result: u64) {
    // SAFETY: see `inside`.
    let call = unsafe { inside(call) };
    // Running out of memory is no error that a function can take back.
    if !matches!(call.result, Err(NativeError::Trap(_))) {
        call.result = Ok(value(result));
    }
}

unsafe extern "C" fn fail(call: *mut Call<'_, '_>, text: *const c_char, length: usize) {
    // SAFETY: see `inside` and the header.
    let (call, text) = unsafe { (inside(call), bytes(text, length)) };
    if !matches!(call.result, Err(NativeError::Trap(_))) {
        call.result = Err(NativeError::Runtime(text.into_owned()));
    }
}
