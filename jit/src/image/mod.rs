//! Images as the compiler makes them; see `ion_image` for what they are.

pub mod elf;

use cranelift_codegen::isa::unwind::UnwindInfo;
use ion_image::{FORMS, Meta};

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it is for.
    pub meta: Meta,
    /// Machine code.
    pub text: Vec<u8>,
    /// For each function: where its forms are in the text, see [`FORMS`].
    pub entries: Vec<[u32; FORMS]>,
    /// Names of places in the text.
    pub symbols: Vec<Symbol>,
    /// Offset in the text, function and bytecode index.
    pub lines: Vec<[u32; 3]>,
    /// How to unwind from pieces, by their start.
    pub unwind: Vec<(u32, UnwindInfo)>,
    /// What the unwinding has in common.
    pub cie: Option<cranelift_codegen::gimli::write::CommonInformationEntry>,
    /// The archive that it was made from.
    pub package: Vec<u8>,
}

/// A name in the text.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub size: u32,
}
