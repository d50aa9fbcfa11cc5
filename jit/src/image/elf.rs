//! Images as ELF files.
//!
//! | Segment | Sections |
//! |---|---|
//! | read | `.hash .dynsym .dynstr .ion.meta .ion.package .ion.entries .ion.lines .ion.digest` |
//! | read, execute | `.text .eh_frame` |
//! | read, write | `.dynamic` |
//!
//! `.symtab` names every function for `nm`, debuggers and profilers. Addresses are file offsets.

use super::{Image, Symbol};
use crate::module::CompileError;
use cranelift_codegen::gimli::write::{Address, EhFrame, EndianVec, FrameTable};
use cranelift_codegen::gimli::{DW_EH_PE_pcrel, DW_EH_PE_sdata4, LittleEndian};
use cranelift_codegen::isa::unwind::UnwindInfo;
use ion_image::{SECTIONS, digest};
use object::Endianness;
use object::elf;
use object::write::elf::SectionIndex;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, Sym, Writer};

/// Size of a page of the largest kind that is in use.
const PAGE: u64 = 64 << 10;

fn machine(target: &str) -> u16 {
    if target.starts_with("aarch64") { elf::EM_AARCH64.0 } else { elf::EM_X86_64.0 }
}

/// The contents of [`SECTIONS`].
fn contents(image: &Image) -> Result<[Vec<u8>; 5], CompileError> {
    let meta = serde_json::to_vec(&image.meta).map_err(|error| CompileError(error.to_string()))?;
    let words = |words: &mut dyn Iterator<Item = u32>| -> Vec<u8> {
        words.flat_map(u32::to_le_bytes).collect()
    };
    let entries = words(&mut image.entries.iter().flatten().copied());
    let lines = words(&mut image.lines.iter().flatten().copied());
    let digest = digest([&meta, &image.package, &entries, &lines, &image.text].map(Vec::as_slice));
    Ok([meta, image.package.clone(), entries, lines, digest.to_vec()])
}

/// The `.eh_frame` of the text, which begins `distance` bytes before it.
fn eh_frame(image: &Image, distance: u64) -> Result<Vec<u8>, CompileError> {
    let Some(cie) = image.cie.clone() else { return Ok(Vec::new()) };
    let mut cie = cie;
    cie.fde_address_encoding =
        cranelift_codegen::gimli::constants::DwEhPe(DW_EH_PE_pcrel.0 | DW_EH_PE_sdata4.0);
    let mut table = FrameTable::default();
    let cie = table.add_cie(cie);
    for (start, info) in &image.unwind {
        if let UnwindInfo::SystemV(info) = info {
            let address = Address::Constant(u64::from(*start).wrapping_sub(distance));
            table.add_fde(cie, info.to_fde(address));
        }
    }
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    table.write_eh_frame(&mut section).map_err(|error| CompileError(error.to_string()))?;
    let mut bytes = section.0.into_vec();
    bytes.extend_from_slice(&[0; 4]);
    Ok(bytes)
}

/// A section of the file.
struct Part<'a> {
    name: &'a str,
    bytes: &'a [u8],
    flags: u64,
    align: u64,
}

/// The image as a shared object.
pub fn shared_object(image: &Image) -> Result<Vec<u8>, CompileError> {
    let contents = contents(image)?;
    let frame_at = (image.text.len() as u64).next_multiple_of(8);
    let eh_frame = eh_frame(image, frame_at)?;
    let mut buffer = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut buffer);
    let (read, code) = (elf::SHF_ALLOC.0, elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0);
    let data: Vec<Part<'_>> = SECTIONS
        .iter()
        .zip(&contents)
        .map(|(name, bytes)| Part { name, bytes, flags: read, align: 8 })
        .collect();
    let text = [
        Part { name: ".text", bytes: &image.text, flags: code, align: PAGE },
        Part { name: ".eh_frame", bytes: &eh_frame, flags: read, align: 8 },
    ];

    // Everything gets its place first.
    writer.reserve_file_header();
    writer.reserve_program_headers(5);
    let hash_at = writer.reserve_hash(1, 1);
    writer.reserve_null_dynamic_symbol_index();
    let dynsym_at = writer.reserve_dynsym();
    let soname = writer.add_dynamic_string(b"ion-image.so");
    let dynstr_at = writer.reserve_dynstr().map_err(failed)?;
    let place = |writer: &mut Writer<'_>, parts: &[Part<'_>]| -> Vec<u64> {
        parts.iter().map(|part| writer.reserve(part.bytes.len() as u64, part.align)).collect()
    };
    let data_at = place(&mut writer, &data);
    let read_end = writer.reserved_len();
    let text_at = place(&mut writer, &text);
    let code_end = writer.reserved_len();
    writer.reserve_until(code_end.next_multiple_of(PAGE));
    const DYNAMIC: usize = 7;
    let dynamic_at = writer.reserve_dynamic(DYNAMIC);
    let dynamic_end = writer.reserved_len();

    writer.reserve_null_section_index();
    let hash_name = writer.reserve_hash_section_index();
    let dynsym = writer.reserve_dynsym_section_index();
    writer.reserve_dynstr_section_index();
    let all = || data.iter().chain(&text);
    let names: Vec<_> = all().map(|part| writer.add_section_name(part.name.as_bytes())).collect();
    let indices: Vec<SectionIndex> = all().map(|_| writer.reserve_section_index()).collect();
    writer.reserve_dynamic_section_index();
    let symbols: Vec<(&Symbol, _)> = image
        .symbols
        .iter()
        .map(|symbol| (symbol, writer.add_string(symbol.name.as_bytes())))
        .collect();
    writer.reserve_null_symbol_index();
    let text_index = indices[data.len()];
    for _ in &symbols {
        writer.reserve_symbol_index(Some(text_index));
    }
    writer.reserve_symtab_section_index();
    writer.reserve_strtab_section_index();
    writer.reserve_shstrtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab().map_err(failed)?;
    writer.reserve_shstrtab().map_err(failed)?;
    writer.reserve_section_headers();

    // Then it is written in that order.
    writer
        .write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_DYN,
            e_machine: elf::Machine(machine(&image.meta.target)),
            e_entry: 0,
            e_flags: Default::default(),
        })
        .map_err(failed)?;
    writer.write_align_program_headers();
    let segment = |p_type, p_flags, start: u64, end: u64, align| ProgramHeader {
        p_type,
        p_flags,
        p_offset: start,
        p_vaddr: start,
        p_paddr: start,
        p_filesz: end - start,
        p_memsz: end - start,
        p_align: align,
    };
    writer.write_program_header(&segment(elf::PT_LOAD, elf::PF_R, 0, read_end, PAGE));
    writer.write_program_header(&segment(
        elf::PT_LOAD,
        elf::PF_R | elf::PF_X,
        text_at[0],
        code_end,
        PAGE,
    ));
    writer.write_program_header(&segment(
        elf::PT_LOAD,
        elf::PF_R | elf::PF_W,
        dynamic_at,
        dynamic_end,
        PAGE,
    ));
    writer.write_program_header(&segment(
        elf::PT_DYNAMIC,
        elf::PF_R | elf::PF_W,
        dynamic_at,
        dynamic_end,
        8,
    ));
    writer.write_program_header(&segment(elf::PT_GNU_STACK, elf::PF_R | elf::PF_W, 0, 0, 16));
    writer.write_hash(1, 1, |_| None);
    writer.write_null_dynamic_symbol();
    writer.write_dynstr();
    for (part, at) in all().zip(data_at.iter().chain(&text_at)) {
        writer.pad_until(*at);
        writer.write(part.bytes);
    }
    writer.pad_until(dynamic_at);
    writer.write_dynamic_string(elf::DT_SONAME, soname).map_err(failed)?;
    let strings = writer.dynstr_len();
    for (tag, value) in [
        (elf::DT_HASH, hash_at),
        (elf::DT_SYMTAB, dynsym_at),
        (elf::DT_STRTAB, dynstr_at),
        (elf::DT_STRSZ, u64::from(strings)),
        (elf::DT_SYMENT, 24),
        (elf::DT_NULL, 0),
    ] {
        writer.write_dynamic(tag, value).map_err(failed)?;
    }
    writer.write_null_symbol();
    for (symbol, name) in &symbols {
        let symbol = Sym {
            st_name: writer.string_offset(Some(*name)),
            section: Some(text_index.0),
            st_info: elf::SymbolInfo::new(elf::STB_LOCAL, elf::STT_FUNC),
            st_other: Default::default(),
            st_shndx: Default::default(),
            st_value: text_at[0] + u64::from(symbol.start),
            st_size: u64::from(symbol.size),
        };
        writer.write_symbol(&symbol);
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    writer.write_hash_section_header(hash_at);
    writer.write_dynsym_section_header(dynsym_at, 1);
    writer.write_dynstr_section_header(dynstr_at);
    for ((part, name), at) in all().zip(&names).zip(data_at.iter().chain(&text_at)) {
        let header = SectionHeader {
            sh_name: writer.section_name_offset(Some(*name)),
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(part.flags),
            sh_addr: *at,
            sh_offset: *at,
            sh_size: part.bytes.len() as u64,
            sh_link: Default::default(),
            sh_info: Default::default(),
            sh_addralign: part.align,
            sh_entsize: 0,
        };
        writer.write_section_header(&header);
    }
    writer.write_dynamic_section_header(dynamic_at);
    writer.write_symtab_section_header(symbols.len() as u32 + 1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    let _ = (hash_name, dynsym);
    Ok(buffer)
}

/// The image as a relocatable object.
pub fn object(image: &Image) -> Result<Vec<u8>, CompileError> {
    use object::write::{Object, Symbol as ObjectSymbol, SymbolSection};
    use object::{Architecture, BinaryFormat, SectionKind, SymbolFlags, SymbolKind, SymbolScope};
    let contents = contents(image)?;
    let architecture = match image.meta.target.starts_with("aarch64") {
        true => Architecture::Aarch64,
        false => Architecture::X86_64,
    };
    let mut file = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    let text = file.add_section(Vec::new(), b".text".to_vec(), SectionKind::Text);
    file.append_section_data(text, &image.text, 64);
    for (name, bytes) in SECTIONS.iter().zip(&contents) {
        let section =
            file.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::ReadOnlyData);
        file.append_section_data(section, bytes, 8);
    }
    for symbol in &image.symbols {
        file.add_symbol(ObjectSymbol {
            name: symbol.name.clone().into_bytes(),
            value: u64::from(symbol.start),
            size: u64::from(symbol.size),
            kind: SymbolKind::Text,
            scope: SymbolScope::Compilation,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
    }
    file.write().map_err(failed)
}

/// An executable without what is not needed to run it: symbols and debug information.
pub fn strip(executable: &[u8]) -> Result<Vec<u8>, CompileError> {
    use object::read::elf::{ElfFile64, ProgramHeader as _};
    let broken = || CompileError("this program's own file is no ELF executable".into());
    let file = ElfFile64::<Endianness>::parse(executable).map_err(|_| broken())?;
    let segments = file.elf_program_headers().iter();
    let ends = segments.map(|segment| {
        let (start, size) = segment.file_range(Endianness::Little);
        start.saturating_add(size)
    });
    // The sections' headers and what only they name come behind all segments.
    let end = ends.max().filter(|&end| end <= executable.len() as u64).ok_or_else(broken)?;
    let mut bytes = executable[..end as usize].to_vec();
    for field in [SECTION_HEADERS..SECTION_HEADERS + 8, SECTION_COUNT..SECTION_COUNT + 4] {
        bytes.get_mut(field).ok_or_else(broken)?.fill(0);
    }
    Ok(bytes)
}

/// Where an ELF header says where the headers of sections are.
const SECTION_HEADERS: usize = 0x28;

/// Where it says how many there are, and which one has their names.
const SECTION_COUNT: usize = 0x3c;

fn failed(error: impl std::fmt::Display) -> CompileError {
    CompileError(format!("the file cannot be written: {error}"))
}
