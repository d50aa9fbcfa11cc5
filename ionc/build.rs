//! Builds `ion-stub`, the runtime that `ionc aot --exe` puts in front of programs, and has `ionc` carry it.
//!
//! It is built on its own: linked statically, so that it needs nothing and starts at once, and without what
//! the rest of the workspace needs. Development builds go without it, and use `ionc` itself instead; so do
//! release builds with `ION_STUB=none` in the environment. `ION_STUB=FILE` takes one that is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What a change of which makes another stub.
const SOURCES: [&str; 6] =
    ["stub", "runtime/src", "image/src", "ffi/src", "ffi/Cargo.toml", "Cargo.toml"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(ion_stub)");
    println!("cargo::rerun-if-env-changed=ION_STUB");
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")).join("..");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let given = env::var("ION_STUB").unwrap_or_default();
    let stub = match given.as_str() {
        "" if variable("PROFILE") == "release" => build(&workspace),
        "" | "none" => return,
        file => Ok(PathBuf::from(file)),
    };
    let kept = Path::new(&variable("OUT_DIR")).join("ion-stub");
    let copied = stub.and_then(|stub| {
        fs::copy(&stub, &kept).map_err(|error| format!("{}: {error}", stub.display()))
    });
    match copied {
        Ok(_) => println!("cargo::rustc-cfg=ion_stub"),
        Err(error) => {
            println!("cargo::warning=executables of 'ionc aot --exe' will be larger: {error}");
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Builds the stub, statically where the system can.
fn build(workspace: &Path) -> Result<PathBuf, String> {
    let statically = ["-Ctarget-feature=+crt-static", "-Crelocation-model=static"];
    build_with(workspace, &statically).or_else(|_| build_with(workspace, &[]))
}

fn build_with(workspace: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    let folder = Path::new(&variable("OUT_DIR")).join("stub");
    let target = variable("TARGET");
    let outer = variable("CARGO_ENCODED_RUSTFLAGS");
    let all: Vec<&str> = outer.split('\u{1f}').filter(|flag| !flag.is_empty()).collect();
    let mut command = Command::new(variable("CARGO"));
    // What this build has set is not for that one.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let own = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_"];
        if own.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "PROFILE", "TARGET"]
    {
        command.env_remove(name);
    }
    let output = command
        .current_dir(workspace)
        .args(["build", "--quiet", "--package", "ion-stub", "--bin", "ion-stub"])
        .args(["--profile", "stub", "--target", &target, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", [&all[..], flags].concat().join("\u{1f}"))
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(folder.join(target).join("stub").join("ion-stub"));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let error = text.lines().find(|line| line.starts_with("error")).unwrap_or("it cannot be built");
    Err(error.to_owned())
}
