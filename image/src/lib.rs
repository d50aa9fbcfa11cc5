//! Images: a program compiled ahead of time, with all that is needed to run it, as a file. Here is what such
//! a file says about itself, and how it is loaded; `ion-jit` makes them. What only runs images needs no compiler.
//!
//! An image is an ELF shared object. Its text is position-independent and calls the runtime through
//! the worker's table of helpers, so it needs no symbol of a particular binary; it is mapped, not
//! linked. It carries the package that it was made from, which is verified and linked as ever: the
//! code is only another way to run it.
//!
//! Invariant: an image is only attached to a program whose atoms, shapes and layouts have the numbers
//! that are in its code. Everything that could differ is compared first.
//! Absent on purpose: judging whether the code is benign. Whoever loads native code trusts it.

mod debugger;
pub mod load;
mod map;

use ion_runtime::atom::AtomTable;
use ion_runtime::bytecode::Access;
use ion_runtime::heap::{offset, tag};
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::natives::{Fast, NativeBody};
use ion_runtime::object::shape::{Property, ShapeId, ShapeTable};
use ion_runtime::program::{NativeId, Program};
use ion_runtime::value::{Atom, bits};
use ion_runtime::vm::Linked;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Version of the layout of these files.
pub const FORMAT: u32 = 2;

/// Forms of a function whose places an image lists: the entry for lists, the resume form, and the resume form
/// without checks, where the other one has any.
pub const FORMS: usize = 3;

/// The offset of code that there is not.
pub const NOWHERE: u32 = u32::MAX;

/// What an image is for, and what its code takes for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the compiler.
    pub version: String,
    /// Digest of the layouts that code and runtime share, see [`fingerprint`].
    pub fingerprint: String,
    /// Target triple.
    pub target: String,
    /// Features of the processor that the code relies on.
    pub cpu: Vec<String>,
    /// Where processes may be preempted.
    pub preempt: String,
    /// May a host hand in values and call functions?
    pub open: bool,
    /// How many atoms the linked program has, and a digest of their texts in order.
    pub atoms: (usize, String),
    /// Library functions that may be anything: hosts or native libraries bring them.
    pub unknown: Vec<String>,
    /// A digest of what the program's other library functions may do.
    pub natives: String,
    /// The table that the loader fills.
    pub slots: Vec<Slot>,
    /// The shapes by number: inline slots, and properties with their access.
    pub shapes: Vec<(u32, Vec<(u32, u8)>)>,
}

/// A word of the table that the loader fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// What this LOAD_CONST loads.
    Literal {
        /// Function.
        func: u32,
        /// Bytecode index.
        pc: u32,
    },
    /// The address of a library function of numbers.
    Fast {
        /// Number in the program.
        native: u32,
    },
    /// A method cache.
    Cell,
}

impl Meta {
    /// Of a linked program; what depends on the target and on the code is still empty.
    pub fn of(linked: &Linked) -> Meta {
        let natives = linked.program.natives.iter();
        let unknown =
            natives.filter(|native| native.def.as_ref().is_some_and(|def| def.effects.unknown));
        let unknown: Vec<String> = unknown.map(|native| native.name.to_string()).collect();
        Meta {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fingerprint: fingerprint(),
            atoms: atoms_of(&linked.atoms),
            natives: natives_of(&linked.program, &unknown),
            unknown,
            ..Meta::default()
        }
    }
}

/// Names of the sections that the loader reads, in the order in which their digest is made; the last
/// one is the digest.
pub const SECTIONS: [&str; 5] =
    [".ion.meta", ".ion.package", ".ion.entries", ".ion.lines", ".ion.digest"];

/// What is behind an executable that has an image appended: this, then the image's first byte and its
/// length, 8 bytes each.
pub const TRAILER: &[u8; 16] = b"ion image at end";

/// The digest over the parts of a file that matter.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The address of a library function of numbers.
pub fn fast_address(program: &Program, native: NativeId) -> Option<u64> {
    Some(match program.native(native).def.as_ref()?.fast? {
        Fast::F1(function) => function as *const () as u64,
        Fast::F2(function) => function as *const () as u64,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A digest of everything that compiled code knows about the runtime.
pub fn fingerprint() -> String {
    let mut digest = Sha256::new();
    let mut add = |name: &str, number: u64| {
        digest.update(name.as_bytes());
        digest.update(number.to_le_bytes());
    };
    for &helper in Helper::ALL {
        add(helper.name(), helper.params() as u64);
    }
    for (name, number) in [
        ("fuel", layout::PROCESS_FUEL),
        ("reserve", layout::PROCESS_RESERVE),
        ("alloc", layout::PROCESS_ALLOC),
        ("alloc end", layout::PROCESS_ALLOC_END),
        ("worker", layout::PROCESS_WORKER),
        ("result", layout::PROCESS_RESULT),
        ("status", layout::PROCESS_STATUS),
        ("stack limit", layout::WORKER_STACK_LIMIT),
        ("helpers", layout::WORKER_HELPERS),
        ("table", layout::WORKER_TABLE),
        ("tuple", offset::TUPLE_ELEMENTS),
        ("array length", offset::ARRAY_LEN),
        ("array slots", offset::ARRAY_SLOTS),
        ("slots", offset::SLOTS_ELEMENTS),
        ("closure", offset::CLOSURE_CAPTURES),
        ("object", offset::OBJECT_SLOTS),
    ] {
        add(name, number as u64);
    }
    for (name, word) in [
        ("pointer", bits::TAG_POINTER),
        ("function", bits::TAG_FUNCTION),
        ("undefined", bits::UNDEFINED),
        ("absent", bits::ABSENT),
        ("first shape", u64::from(tag::FIRST_SHAPE)),
        ("immortal", u64::from(tag::IMMORTAL)),
        ("debug", u64::from(cfg!(debug_assertions))),
    ] {
        add(name, word);
    }
    hex(&digest.finalize()[..8])
}

/// How many atoms there are, and a digest of their texts.
pub fn atoms_of(atoms: &AtomTable) -> (usize, String) {
    let mut digest = Sha256::new();
    for atom in 0..atoms.len() {
        let text = atoms.text(Atom(atom as u32));
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    }
    (atoms.len(), hex(&digest.finalize()[..8]))
}

/// A digest of the library functions of a program, as far as code depends on them; `unknown`: it does not on
/// what these are.
pub fn natives_of(program: &Program, unknown: &[String]) -> String {
    let mut digest = Sha256::new();
    for native in &program.natives {
        let is_unknown = unknown.iter().any(|name| *name == *native.name);
        let def = native.def.as_ref().filter(|_| !is_unknown);
        let known = def.map(|def| {
            let own = matches!(def.body, NativeBody::Host(_));
            (&def.name, &def.signature, &def.effects, def.fast.is_some(), own)
        });
        digest.update(format!("{} {known:?};", native.name).as_bytes());
    }
    hex(&digest.finalize()[..8])
}

/// What the shapes of a table are.
pub fn shapes_of(shapes: &ShapeTable) -> Vec<(u32, Vec<(u32, u8)>)> {
    let shape = |number: usize| {
        let shape = shapes.get(ShapeId(number as u32 + tag::FIRST_SHAPE));
        let properties = shape.properties.iter();
        (shape.inline, properties.map(|it| (it.key.0, it.access as u8)).collect())
    };
    (0..shapes.len()).map(shape).collect()
}

/// Makes the shapes of a table the ones that are listed. Returns whether that was possible.
fn restore_shapes(shapes: &ShapeTable, list: &[(u32, Vec<(u32, u8)>)]) -> bool {
    if shapes.len() > list.len() {
        return false;
    }
    list.iter().enumerate().all(|(number, (inline, properties))| {
        let id = ShapeId(number as u32 + tag::FIRST_SHAPE);
        if number >= shapes.len() {
            let mut made = Some(shapes.root(*inline));
            for &(key, access) in properties {
                let Some(access) = Access::from_byte(access) else { return false };
                made = made.and_then(|shape| shapes.transition(shape, Atom(key), access));
            }
            if made != Some(id) {
                return false;
            }
        }
        let shape = shapes.get(id);
        let same = |(property, &(key, access)): (&Property, &(u32, u8))| {
            property.key.0 == key && property.access as u8 == access
        };
        shape.inline == *inline
            && shape.properties.len() == properties.len()
            && shape.properties.iter().zip(properties).all(same)
    })
}
