//! Loading images: look, compare, map, fill the table.

use super::debugger::Registered;
use super::map;
use super::{
    FORMAT, FORMS, Meta, NOWHERE, SECTIONS, Slot, TRAILER, atoms_of, digest, fast_address,
    fingerprint, hex, natives_of, restore_shapes,
};
use ion_runtime::program::{FuncId, Konst, NativeId};
use ion_runtime::system::{Config, Preempt};
use ion_runtime::tier::{Compiler, CompilerStats, EnterFn, MAX_EXITS, Readiness};
use ion_runtime::vm::Linked;
use memmap2::Mmap;
use object::read::elf::{ElfFile64, FileHeader};
use object::{Object, ObjectSection};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// An image file that was looked at and found whole and for this machine.
pub struct ImageFile {
    /// Mapped to be read and run.
    file: Arc<Mmap>,
    source: File,
    /// Where in the file the image begins.
    start: u64,
    meta: Meta,
    package: Range<usize>,
    entries: Range<usize>,
    lines: Range<usize>,
    text: Range<usize>,
    digest: Range<usize>,
}

impl std::fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageFile").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// Does the file begin like an image, or another ELF file?
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// The image that is appended to an executable, if there is one.
pub fn appended(mut file: &File) -> Result<Option<ImageFile>, String> {
    use std::io::{Read, Seek, SeekFrom};
    let text = |error: std::io::Error| error.to_string();
    let length = file.metadata().map_err(text)?.len();
    if length < 32 {
        return Ok(None);
    }
    let mut trailer = [0; 32];
    file.seek(SeekFrom::Start(length - 32)).map_err(text)?;
    file.read_exact(&mut trailer).map_err(text)?;
    if &trailer[..16] != TRAILER {
        return Ok(None);
    }
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| trailer[at + byte]));
    let (start, size) = (word(16), word(24));
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err("the program behind the executable is cut short".to_owned());
    }
    ImageFile::from_file(file.try_clone().map_err(text)?, start, Some(size)).map(Some)
}

impl ImageFile {
    /// Looks at a file. The error is one line that says what was found and what was expected.
    pub fn open(path: &Path) -> Result<ImageFile, String> {
        ImageFile::of(File::open(path).map_err(|error| error.to_string())?)
    }

    /// Looks at an open file, as [`ImageFile::open`].
    pub fn of(file: File) -> Result<ImageFile, String> {
        ImageFile::from_file(file, 0, None)
    }

    fn from_file(source: File, start: u64, size: Option<u64>) -> Result<ImageFile, String> {
        let file = map::map_file(&source, start, size).map_err(|error| error.to_string())?;
        let bytes: &[u8] = &file;
        let broken = |what: &str| format!("this file is cut short or altered: {what}");
        let elf = ElfFile64::<object::Endianness>::parse(bytes)
            .map_err(|error| broken(&error.to_string()))?;
        let section = |name: &str| -> Result<Range<usize>, String> {
            let section = elf.section_by_name(name);
            let range = section.and_then(|section| section.file_range());
            let Some((at, size)) = range else {
                return Err(match name {
                    ".ion.meta" => {
                        "this shared object was not made by 'ionc aot': it has no section .ion.meta"
                            .to_owned()
                    }
                    _ => broken(&format!("there is no section {name}")),
                });
            };
            let end = at.checked_add(size).filter(|&end| end <= bytes.len() as u64);
            end.map(|end| at as usize..end as usize)
                .ok_or_else(|| broken(&format!("section {name} reaches beyond its end")))
        };
        let [meta, package, entries, lines, stored] = [
            section(SECTIONS[0])?,
            section(SECTIONS[1])?,
            section(SECTIONS[2])?,
            section(SECTIONS[3])?,
            section(SECTIONS[4])?,
        ];
        let text = section(".text")?;
        let parts = [&meta, &package, &entries, &lines, &text].map(|range| &bytes[range.clone()]);
        // The version first: another one may have other sections and digests.
        let parsed: Meta = serde_json::from_slice(parts[0]).map_err(|error| {
            let version: Option<FormatOnly> = serde_json::from_slice(parts[0]).ok();
            match version {
                Some(found) if found.format != FORMAT => other_format(found.format),
                _ => broken(&error.to_string()),
            }
        })?;
        if parsed.format != FORMAT {
            return Err(other_format(parsed.format));
        }
        if digest(parts)[..] != bytes[stored.clone()] {
            return Err(broken("its digest is not that of its contents"));
        }
        parsed.check_machine(elf.elf_header().e_machine(elf.endian()).0)?;
        let file = Arc::new(file);
        let meta = parsed;
        Ok(ImageFile { meta, package, entries, lines, text, source, start, file, digest: stored })
    }

    /// What the image is for.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The archive that it was made from.
    pub fn package(&self) -> &[u8] {
        &self.file[self.package.clone()]
    }

    /// The digest of everything that matters in the file, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex(&self.file[self.digest.clone()])
    }

    /// Bytes of machine code.
    pub fn code_size(&self) -> usize {
        self.text.len()
    }

    fn words(&self, range: &Range<usize>) -> impl Iterator<Item = u32> + '_ {
        let bytes = self.file[range.clone()].chunks_exact(4);
        bytes.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }

    /// Where places in the text come from: offset, function, bytecode index.
    pub fn lines(&self) -> Vec<[u32; 3]> {
        let words: Vec<u32> = self.words(&self.lines).collect();
        words.chunks_exact(3).map(|line| [line[0], line[1], line[2]]).collect()
    }

    /// Can the code run a program with these settings? Else its package can still be interpreted.
    pub fn suits(&self, config: &Config) -> bool {
        let preempt = match config.preempt {
            Preempt::Safepoint => "safepoint",
            Preempt::Instruction => "instruction",
        };
        !config.debug && self.meta.preempt == preempt && (self.meta.open || !config.open)
    }

    /// Makes the code that of a linked program, which is the one of [`ImageFile::package`].
    pub fn attach(&self, linked: &Linked) -> Result<Aot, String> {
        let differs = |what: &str| {
            format!(
                "the package in this file is linked differently here ({what}); compile it again"
            )
        };
        let program = &linked.program;
        if atoms_of(&linked.atoms) != self.meta.atoms {
            return Err(differs("its atoms"));
        }
        if natives_of(program, &self.meta.unknown) != self.meta.natives {
            return Err(differs("its library functions"));
        }
        if !restore_shapes(&linked.shapes, &self.meta.shapes) {
            return Err(differs("the shapes of its objects"));
        }
        let entries: Vec<u32> = self.words(&self.entries).collect();
        let inside = |&entry: &u32| entry == NOWHERE || (entry as usize) < self.text.len();
        if entries.len() != FORMS * program.functions.len() || !entries.iter().all(inside) {
            return Err(differs("the number of its functions"));
        }
        let word = |slot: &Slot| -> Option<u64> {
            match *slot {
                Slot::Cell => Some(0),
                Slot::Fast { native } => {
                    let known = (native as usize) < program.natives.len();
                    known.then(|| fast_address(program, NativeId(native))).flatten()
                }
                Slot::Literal { func, pc } => {
                    let body = program.functions.get(func as usize)?.bytecode()?;
                    match body.konsts.get(pc as usize)? {
                        Some(Konst::Value(value)) if value.is_pointer() => Some(value.to_bits()),
                        _ => None,
                    }
                }
            }
        };
        let table: Option<Vec<AtomicU64>> =
            self.meta.slots.iter().map(|slot| word(slot).map(AtomicU64::new)).collect();
        let table = table.ok_or_else(|| differs("its constants"))?;
        let text = Text { file: self.file.clone(), range: self.text.clone() };
        let readiness = program.functions.iter().enumerate().map(|(func, _)| {
            let readiness = Readiness::cold();
            match entries[FORMS * func + RESUME] {
                NOWHERE => readiness.set_never(),
                _ => readiness.set_ready(),
            }
            readiness
        });
        let address = text.address(0) as u64;
        let registered = map::map_own(&self.source, self.start, self.file.len())
            .ok()
            .and_then(|copy| Registered::new(copy, self.text.start as u64, address));
        Ok(Aot {
            _registered: registered,
            readiness: readiness.collect(),
            entries,
            table,
            exits: program.functions.iter().map(|_| AtomicU32::new(0)).collect(),
            functions: program.functions.len() as u64,
            text,
        })
    }
}

#[derive(serde::Deserialize)]
struct FormatOnly {
    format: u32,
}

fn other_format(found: u32) -> String {
    format!(
        "this file has format {found}, and this version of ionc reads format {FORMAT}; compile it again"
    )
}

impl Meta {
    /// Is the image for this machine and this version?
    fn check_machine(&self, machine: u16) -> Result<(), String> {
        let host = target_lexicon::Triple::host();
        let architecture = self.target.split('-').next().unwrap_or_default();
        let is_host = architecture == host.architecture.to_string()
            && machine
                == match host.architecture {
                    target_lexicon::Architecture::X86_64 => object::elf::EM_X86_64.0,
                    _ => object::elf::EM_AARCH64.0,
                };
        if !is_host {
            return Err(format!("this file is for {}, and this machine is {host}", self.target));
        }
        if self.version != env!("CARGO_PKG_VERSION") || self.fingerprint != fingerprint() {
            return Err(format!(
                "this file was made by ionc {} (interface {}), and this is ionc {} (interface {}); compile it again",
                self.version,
                self.fingerprint,
                env!("CARGO_PKG_VERSION"),
                fingerprint(),
            ));
        }
        let missing: Vec<&str> =
            self.cpu.iter().map(String::as_str).filter(|name| !has_feature(name)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "this file is for processors with {}, which this one has not; compile it with --cpu baseline",
                missing.join(", ").replace("has_", ""),
            ));
        }
        Ok(())
    }
}

/// Has the processor what Cranelift calls by this name?
#[cfg(target_arch = "x86_64")]
fn has_feature(name: &str) -> bool {
    macro_rules! detect {
        ($($name:literal $feature:tt)*) => {
            match name {
                $($name => std::arch::is_x86_feature_detected!($feature),)*
                _ => false,
            }
        };
    }
    detect! {
        "has_cmpxchg16b" "cmpxchg16b"
        "has_sse3" "sse3"
        "has_ssse3" "ssse3"
        "has_sse41" "sse4.1"
        "has_sse42" "sse4.2"
        "has_avx" "avx"
        "has_avx2" "avx2"
        "has_fma" "fma"
        "has_popcnt" "popcnt"
        "has_bmi1" "bmi1"
        "has_bmi2" "bmi2"
        "has_lzcnt" "lzcnt"
        "has_avx512bitalg" "avx512bitalg"
        "has_avx512dq" "avx512dq"
        "has_avx512f" "avx512f"
        "has_avx512vl" "avx512vl"
        "has_avx512vbmi" "avx512vbmi"
        "has_avx512vnni" "avx512vnni"
        "has_avx_vnni" "avxvnni"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn has_feature(_: &str) -> bool {
    // The baseline has none that would have to be looked for.
    false
}

/// Places of the forms in a function's entries, see [`FORMS`].
const LIST: usize = 0;
const RESUME: usize = 1;
const UNCHECKED: usize = 2;

/// The code in a mapped file.
struct Text {
    file: Arc<Mmap>,
    range: Range<usize>,
}

impl Text {
    /// The address of an offset, which must be inside.
    fn address(&self, offset: u32) -> *const u8 {
        &raw const self.file[self.range.clone()][offset as usize]
    }
}

/// A program that runs the code of an image.
pub struct Aot {
    /// Dropped before the text goes.
    _registered: Option<Registered>,
    text: Text,
    entries: Vec<u32>,
    table: Vec<AtomicU64>,
    readiness: Vec<Readiness>,
    /// By function: how many of its checks have failed.
    exits: Vec<AtomicU32>,
    functions: u64,
}

impl std::fmt::Debug for Aot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aot").field("functions", &self.functions).finish_non_exhaustive()
    }
}

impl Aot {
    fn entry(&self, function: FuncId, which: usize) -> Option<*const u8> {
        match self.entries[FORMS * function.0 as usize + which] {
            NOWHERE => None,
            at => Some(self.text.address(at)),
        }
    }
}

impl Compiler for Aot {
    fn enter(&self) -> Option<EnterFn> {
        // The first piece of the text.
        Some(map::enter_fn(self.text.address(0)))
    }

    fn resume_entry(&self, function: FuncId) -> Result<*const u8, String> {
        let exits = self.exits[function.0 as usize].load(Ordering::Relaxed);
        let unchecked = if exits < MAX_EXITS { None } else { self.entry(function, UNCHECKED) };
        let entry = unchecked.or_else(|| self.entry(function, RESUME));
        entry.ok_or_else(|| "it was not compiled".to_owned())
    }

    fn list_entry(&self, function: FuncId) -> Option<*const u8> {
        self.entry(function, LIST)
    }

    fn readiness(&self) -> &[Readiness] {
        &self.readiness
    }

    fn request(&self, _: FuncId) {}

    fn exited(&self, function: FuncId) -> bool {
        let exits = &self.exits[function.0 as usize];
        exits.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_EXITS
    }

    fn table(&self) -> &[AtomicU64] {
        &self.table
    }

    fn warning(&self) -> Option<String> {
        None
    }

    fn stats(&self) -> CompilerStats {
        CompilerStats {
            functions: self.functions,
            code_bytes: self.text.range.len() as u64,
            exits: self.exits.iter().map(|exits| u64::from(exits.load(Ordering::Relaxed))).sum(),
            ..CompilerStats::default()
        }
    }
}
