//! `File` and `Env`: denied unless the user allows it, see [`ion_runtime::permissions`].

use super::{Result, Str, fail};
use crate::registry::natives;
use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::permissions::{Denied, FileUse};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

natives! {
    /// Files and environment.
    fn module;

    /// The text in a file, which must be UTF-8.
    File.read(path) = typed read, blocks, needs "--allow-read=DIR";
    /// Does something exist at this path?
    File.exists(path) = typed exists, blocks, needs "--allow-read=DIR";
    /// The names of what a folder contains, in ascending order.
    File.list(path) = typed list, blocks, needs "--allow-read=DIR";
    /// The size of a file in bytes.
    File.size(path) = typed size, blocks, needs "--allow-read=DIR";
    /// Is there a folder at this path?
    File.isFolder(path) = typed is_folder, blocks, needs "--allow-read=DIR";
    /// Makes a file of this text, or replaces what it contains.
    File.write(path, text) = typed write, blocks, needs "--allow-write=DIR";
    /// Adds a text at the end of a file, which is made if there is none.
    File.append(path, text) = typed append, blocks, needs "--allow-write=DIR";
    /// Removes a file, or an empty folder.
    File.remove(path) = typed remove, blocks, needs "--allow-write=DIR";
    /// Makes a folder.
    File.makeFolder(path) = typed make_folder, blocks, needs "--allow-write=DIR";
    /// The value of a variable of the environment; Undefined if it is not set.
    Env.get(name) = typed env, needs "--allow-env";
}

fn denied(error: Denied) -> NativeError {
    NativeError::Runtime(error.to_string())
}

fn allowed(cx: &NativeCx<'_>, usage: FileUse, path: &str) -> Result<PathBuf> {
    cx.system.config.permissions.file(usage, Path::new(path)).map_err(denied)
}

fn failed(what: &str, path: &str, error: &std::io::Error) -> NativeError {
    NativeError::Runtime(format!("cannot {what} '{path}': {error}"))
}

fn read(cx: &mut NativeCx<'_>, path: Str) -> Result<String> {
    let real = allowed(cx, FileUse::Read, &path)?;
    let failed = |error: std::io::Error| failed("read", &path, &error);
    let file = fs::File::open(real).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return fail(format!("cannot read '{}': it is a folder", &*path));
    }
    // Not more than fits: a device may go on for ever.
    let mut bytes = Vec::new();
    file.take(cx.heap.limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > cx.heap.limit {
        return Err(cx.out_of_memory());
    }
    cx.charge_bytes(bytes.len());
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => fail(format!("cannot read '{}': it is not UTF-8", &*path)),
    }
}

fn exists(cx: &mut NativeCx<'_>, path: Str) -> Result<bool> {
    Ok(allowed(cx, FileUse::Read, &path)?.exists())
}

fn list(cx: &mut NativeCx<'_>, path: Str) -> Result<Vec<String>> {
    let real = allowed(cx, FileUse::Read, &path)?;
    let failed = |error: std::io::Error| failed("list", &path, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(real).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    cx.charge_items(names.len().saturating_mul(8));
    Ok(names)
}

fn size(cx: &mut NativeCx<'_>, path: Str) -> Result<f64> {
    let real = allowed(cx, FileUse::Read, &path)?;
    let data = fs::metadata(real).map_err(|error| failed("look at", &path, &error))?;
    Ok(data.len() as f64)
}

fn is_folder(cx: &mut NativeCx<'_>, path: Str) -> Result<bool> {
    Ok(allowed(cx, FileUse::Read, &path)?.is_dir())
}

fn write(cx: &mut NativeCx<'_>, path: Str, text: Str) -> Result<()> {
    let real = allowed(cx, FileUse::Write, &path)?;
    cx.charge_bytes(text.len());
    fs::write(real, text.as_bytes()).map_err(|error| failed("write", &path, &error))
}

fn append(cx: &mut NativeCx<'_>, path: Str, text: Str) -> Result<()> {
    let real = allowed(cx, FileUse::Write, &path)?;
    cx.charge_bytes(text.len());
    let failed = |error: std::io::Error| failed("append to", &path, &error);
    let mut file = fs::OpenOptions::new().append(true).create(true).open(real).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn remove(cx: &mut NativeCx<'_>, path: Str) -> Result<()> {
    let real = allowed(cx, FileUse::Write, &path)?;
    let removed = if real.is_dir() { fs::remove_dir(real) } else { fs::remove_file(real) };
    removed.map_err(|error| failed("remove", &path, &error))
}

fn make_folder(cx: &mut NativeCx<'_>, path: Str) -> Result<()> {
    let real = allowed(cx, FileUse::Write, &path)?;
    fs::create_dir(real).map_err(|error| failed("make the folder", &path, &error))
}

fn env(cx: &mut NativeCx<'_>, name: Str) -> Result<Option<String>> {
    cx.system.config.permissions.env(&name).map_err(denied)?;
    Ok(std::env::var_os(&*name).map(|value| value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::{check, check_allowed};
    use ion_runtime::permissions::{FileUse, Permissions};

    #[test]
    fn nothing_is_allowed_at_first() {
        check(
            "File.read",
            "\"/etc/hostname\"",
            "error:FFI call error: Runtime error: reading '/etc/hostname' is not allowed; allow it with --allow-read=/etc",
        );
        check(
            "Env.get",
            "\"HOME\"",
            "error:FFI call error: Runtime error: reading the environment variable 'HOME' is not allowed; allow it with --allow-env",
        );
    }

    #[test]
    fn files_in_an_allowed_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut permissions = Permissions::default();
        permissions.allow(FileUse::Read, folder.path()).unwrap();
        permissions.allow(FileUse::Write, folder.path()).unwrap();
        let run = |native: &str, name: &str, more: &str, expected: &str| {
            let path = folder.path().join(name);
            let args = format!("\"{}\"{more}", path.display());
            check_allowed(permissions.clone(), native, &args, expected);
        };
        run("File.write", "a.txt", ", \"hello\"", "Unit: ()");
        run("File.append", "a.txt", ", \" you\"", "Unit: ()");
        run("File.read", "a.txt", "", "String: \"hello you\"");
        run("File.size", "a.txt", "", "Number: 9");
        run("File.exists", "b.txt", "", "Boolean: false");
        run("File.makeFolder", "sub", "", "Unit: ()");
        run("File.isFolder", "sub", "", "Boolean: true");
        run("File.list", "", "", "Array: [a.txt, sub]");
        run("File.remove", "sub", "", "Unit: ()");
        run("File.remove", "a.txt", "", "Unit: ()");
        run("File.list", ".", "", "Array: []");
    }
}
