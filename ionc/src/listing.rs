//! Functions in every step of their compilation: bytecode beside Cranelift IR or machine code.

use crate::failure::Failure;
use crate::machine;
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};
use ion_jit::Jit;
use ion_jit::ir::Form;
use ion_jit::module::Listing;
use ion_runtime::ionpack::Package;
use ion_runtime::program::{FuncId, Program};
use ion_runtime::system::Config;
use ion_runtime::vm::Linked;
use std::fmt::Write as _;
use std::sync::Arc;

/// What to show beside the bytecode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The compiler's own form.
    Ssa,
    /// Cranelift IR.
    Clif,
    /// Machine code.
    Asm,
}

/// The text for function `name`, written `Class:function`.
pub fn text(package: &Package, name: &str, step: Step) -> Result<String, Failure> {
    let linked = machine::link(package)?;
    let func = linked
        .program
        .functions
        .iter()
        .find(|function| function.qualified_name() == name && function.bytecode().is_some())
        .map(|function| function.id)
        .ok_or_else(|| Failure::new(format!("no bytecode function '{name}'")))?;
    let listings = compile(&linked, func).map_err(Failure::new)?;
    let mut text = String::new();
    for (title, listing) in
        ["entered by a call", "entered at a suspended call"].iter().zip(listings)
    {
        let _ = writeln!(text, "== {name}, {title}: {} bytes of machine code", listing.code.len());
        match step {
            Step::Ssa => text.push_str(&listing.ssa),
            Step::Clif => write_clif(&mut text, &linked.program, &listing),
            Step::Asm => write_asm(&mut text, &linked.program, &listing),
        }
        text.push('\n');
    }
    Ok(text)
}

fn compile(linked: &Linked, func: FuncId) -> Result<[Listing; 2], String> {
    let readiness: Arc<[_]> = linked.program.functions.iter().map(|_| Default::default()).collect();
    let jit =
        Jit::prepare(linked, &Config::default(), readiness).map_err(|error| error.to_string())?;
    let form = |form| jit.listing(func, form).map_err(|error| error.to_string());
    Ok([form(Form::Entry)?, form(Form::Resume)?])
}

/// The line of bytecode that a place names.
fn bytecode(program: &Program, listing: &Listing, (frame, pc): (u32, u32)) -> String {
    let func = listing.frames[frame as usize];
    let function = program.function(func);
    let instr = function.bytecode().and_then(|body| body.instrs.get(pc as usize));
    let instr = instr.map_or_else(|| "implicit return".to_owned(), ToString::to_string);
    match frame {
        0 => format!("; {pc:>4}  {instr}"),
        _ => format!("; {pc:>4}  {instr}    (inlined from {})", function.qualified_name()),
    }
}

fn write_clif(text: &mut String, program: &Program, listing: &Listing) {
    let mut last = None;
    for line in listing.clif.lines() {
        let (place, rest) = match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((digits, rest)) => {
                let bits = u32::from_str_radix(digits, 16).ok();
                let place = bits.and_then(ion_jit::lower::place_of_bits);
                (place, rest.trim_start())
            }
            None => (None, line.trim_start()),
        };
        if let Some(place) = place
            && last != Some(place)
        {
            let _ = writeln!(text, "{}", bytecode(program, listing, place));
            last = Some(place);
        }
        let outer = rest.starts_with("function") || rest.starts_with("block") || rest == "}";
        let _ = writeln!(text, "{}{rest}", if outer || rest.is_empty() { "" } else { "    " });
    }
}

fn write_asm(text: &mut String, program: &Program, listing: &Listing) {
    if !cfg!(target_arch = "x86_64") {
        // Cranelift's own text has no places.
        return text.push_str(&listing.text);
    }
    let mut decoder = Decoder::new(64, &listing.code, DecoderOptions::NONE);
    let mut formatter = GasFormatter::new();
    let mut instruction = Instruction::default();
    let mut last = None;
    let mut shown = String::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let at = instruction.ip() as u32;
        let range = listing.places.iter().find(|(start, end, _)| (*start..*end).contains(&at));
        if let Some(place) = range.and_then(|(_, _, place)| *place)
            && last != Some(place)
        {
            let _ = writeln!(text, "{}", bytecode(program, listing, place));
            last = Some(place);
        }
        shown.clear();
        formatter.format(&instruction, &mut shown);
        let _ = writeln!(text, "    {at:>6x}:  {shown}");
    }
}
