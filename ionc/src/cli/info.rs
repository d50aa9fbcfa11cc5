//! `ionc info`: what a package says about itself.

use super::print_json;
use crate::failure::{Failure, one_line};
use crate::load::Program;
use crate::{load, output};
use ion_image::load::ImageFile;
use ion_runtime::bytecode::{Body, Function, Variant};
use ion_runtime::ionpack::{Class, Content, Member, Package};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;

/// Show manifest, classes and resources of a package, and what its machine code is for
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  ionc info --json actors.ionpack")]
pub struct Args {
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// The package
    #[arg(value_name = "PACK")]
    pack: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> Result<(), Failure> {
    let Program { package, image } = load::program_to_read(&args.pack)?;
    if args.json {
        let mut json = to_json(&package);
        if let Some(image) = &image {
            json["image"] = image_json(image);
        }
        return print_json(&json);
    }
    output::print(&to_text(&package));
    if let Some(image) = &image {
        output::print(&image_text(image));
    }
    Ok(())
}

/// The text about the machine code beside a package.
fn image_text(image: &ImageFile) -> String {
    let meta = image.meta();
    let cpu = match meta.cpu.as_slice() {
        [] => "every one of the target".to_owned(),
        features => features.join(", ").replace("has_", ""),
    };
    let hosts = if meta.open { "yes" } else { "no" };
    format!(
        "Machine Code: {} bytes\n  Target: {}\n  Processor: {cpu}\n  Compiler: ionc {}\n  Interface: {}\n  \
         For Hosts: {hosts}\n  Digest: {}\n",
        image.code_size(),
        one_line(&meta.target),
        one_line(&meta.version),
        meta.fingerprint,
        image.digest(),
    )
}

fn image_json(image: &ImageFile) -> Value {
    let meta = image.meta();
    json!({
        "code_bytes": image.code_size(),
        "target": meta.target,
        "cpu": meta.cpu.iter().map(|name| name.trim_start_matches("has_")).collect::<Vec<_>>(),
        "version": meta.version,
        "interface": meta.fingerprint,
        "open": meta.open,
        "digest": image.digest(),
    })
}

/// The text about a package.
pub fn to_text(package: &Package) -> String {
    let manifest = &package.manifest;
    let mut text = format!("IonPack Information\n{}\n", "=".repeat(18));
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {}", one_line(value));
    };
    line("Name", &manifest.name);
    line("Version", &manifest.version);
    line("IonPack Version", &manifest.ionpack_version);
    let optional = [
        ("Main Class", &manifest.main_class),
        ("Entry Point", &manifest.entry_point),
        ("Description", &manifest.description),
        ("Author", &manifest.author),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            line(name, value);
        }
    }
    let lists = [
        ("Dependencies", &manifest.dependencies),
        ("FFI Libraries", &manifest.ffi_libraries),
        ("Exports", &manifest.exports),
    ];
    for (name, items) in lists {
        list(&mut text, name, items);
    }
    let needs = ion_ffi::reference::permissions(package, &ion_ffi::registry::standard());
    list(&mut text, "Needs", &needs);
    let classes: Vec<String> = package.classes.iter().map(|class| class.name.clone()).collect();
    list(&mut text, &format!("Classes ({})", classes.len()), &classes);
    for (name, members) in [("Resources", &package.resources), ("Sources", &package.sources)] {
        let items: Vec<String> = members
            .iter()
            .map(|member| format!("{} ({} bytes)", member.name, size(member)))
            .collect();
        list(&mut text, name, &items);
    }
    text
}

/// A headline and its items, if there are any.
fn list(text: &mut String, name: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "{name}:");
    for item in items {
        let _ = writeln!(text, "  - {}", one_line(item));
    }
}

fn size(member: &Member) -> u64 {
    match &member.content {
        Content::Loaded(bytes) => bytes.len() as u64,
        Content::Unread(declared) => *declared,
    }
}

fn to_json(package: &Package) -> Value {
    let manifest = &package.manifest;
    let members = |members: &[Member]| -> Vec<Value> {
        let entry = |member: &Member| json!({ "name": member.name, "bytes": size(member) });
        members.iter().map(entry).collect()
    };
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "ionpack_version": manifest.ionpack_version,
        "main_class": manifest.main_class,
        "entry_point": manifest.entry_point,
        "description": manifest.description,
        "author": manifest.author,
        "dependencies": manifest.dependencies,
        "ffi_libraries": manifest.ffi_libraries,
        "exports": manifest.exports,
        "needs": ion_ffi::reference::permissions(package, &ion_ffi::registry::standard()),
        "classes": package.classes.iter().map(class_json).collect::<Vec<_>>(),
        "libraries": members(&package.libraries),
        "resources": members(&package.resources),
        "sources": members(&package.sources),
    })
}

fn class_json(class: &Class) -> Value {
    let variant = match class.file.variant {
        Variant::Single => "single",
        Variant::Multi => "multi",
    };
    let functions: Vec<Value> = class.file.functions.iter().map(function_json).collect();
    json!({ "name": class.name, "variant": variant, "functions": functions })
}

fn function_json(function: &Function) -> Value {
    let (name, arity, extra) = (&function.name, function.arity, function.extra_regs);
    match &function.body {
        Body::Bytecode(code) => {
            json!({ "name": name, "arity": arity, "extra_regs": extra, "instructions": code.len() })
        }
        Body::Native(native) => {
            json!({ "name": name, "arity": arity, "extra_regs": extra, "native": native })
        }
    }
}
