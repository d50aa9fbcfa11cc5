//! What a run may do outside of the machine. Everything is denied unless it is allowed.
//!
//! Paths are compared after links are resolved, so that neither `..` nor a link leads out of an
//! allowed folder. Whoever can change the file system between check and use can still cheat.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a run may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Folders (or files) below which files may be read.
    read: Vec<PathBuf>,
    /// Folders (or files) below which files may be written.
    write: Vec<PathBuf>,
    /// May the environment be read?
    pub env: bool,
    /// Native libraries that may be loaded.
    pub native: NativeLibraries,
}

/// Which native libraries a run may load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NativeLibraries {
    /// None.
    #[default]
    None,
    /// Those with these names.
    Named(Vec<String>),
    /// All.
    All,
}

impl NativeLibraries {
    /// May the library of this name be loaded?
    pub fn allows(&self, name: &str) -> bool {
        match self {
            NativeLibraries::None => false,
            NativeLibraries::Named(names) => names.iter().any(|allowed| allowed == name),
            NativeLibraries::All => true,
        }
    }
}

/// What was refused, and how to allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What the program tried.
    pub what: String,
    /// The option that allows it.
    pub allow: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not allowed; allow it with {}", self.what, self.allow)
    }
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// Read it, list it, look whether it exists.
    Read,
    /// Create, change or remove it.
    Write,
}

impl Permissions {
    /// Everything is allowed.
    pub fn all() -> Permissions {
        Permissions {
            read: vec![PathBuf::from("/")],
            write: vec![PathBuf::from("/")],
            env: true,
            native: NativeLibraries::All,
        }
    }

    /// Allows reading or writing what is at or below `path`, which must exist.
    pub fn allow(&mut self, usage: FileUse, path: &Path) -> std::io::Result<()> {
        let path = path.canonicalize()?;
        match usage {
            FileUse::Read => self.read.push(path),
            FileUse::Write => self.write.push(path),
        }
        Ok(())
    }

    /// The real path of `path` if it may be used so.
    pub fn file(&self, usage: FileUse, path: &Path) -> Result<PathBuf, Denied> {
        let (allowed, verb, option) = match usage {
            FileUse::Read => (&self.read, "reading", "--allow-read"),
            FileUse::Write => (&self.write, "writing", "--allow-write"),
        };
        match real_path(path) {
            Some(real) if allowed.iter().any(|root| real.starts_with(root)) => Ok(real),
            _ => {
                let folder = match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent,
                    _ => Path::new("."),
                };
                Err(Denied {
                    what: format!("{verb} '{}'", path.display()),
                    allow: format!("{option}={}", folder.display()),
                })
            }
        }
    }

    /// May this variable of the environment be read?
    pub fn env(&self, name: &str) -> Result<(), Denied> {
        match self.env {
            true => Ok(()),
            false => Err(Denied {
                what: format!("reading the environment variable '{name}'"),
                allow: "--allow-env".to_owned(),
            }),
        }
    }

    /// May this native library be loaded?
    pub fn native(&self, name: &str) -> Result<(), Denied> {
        match self.native.allows(name) {
            true => Ok(()),
            false => Err(Denied {
                what: format!("loading the native library '{name}'"),
                allow: format!("--allow-native={name}"),
            }),
        }
    }
}

/// The path with links resolved; its last part need not exist.
fn real_path(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Some(real);
    }
    // A link that leads nowhere would be followed when the file is made.
    if path.symlink_metadata().is_ok() {
        return None;
    }
    let name = path.file_name()?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A file name cannot be `..`, see `Path::file_name`.
    Some(parent.canonicalize().ok()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_an_allowed_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let mut permissions = Permissions::default();
        assert!(permissions.file(FileUse::Read, &inside.join("a")).is_err());
        permissions.allow(FileUse::Read, &inside).unwrap();
        assert!(permissions.file(FileUse::Read, &inside.join("a")).is_ok());
        assert!(permissions.file(FileUse::Read, &inside.join("../in/a")).is_ok());
        assert!(permissions.file(FileUse::Read, &inside.join("../secret")).is_err());
        assert!(permissions.file(FileUse::Read, &inside.join("none/a")).is_err());
        let denied = permissions.file(FileUse::Write, &inside.join("a")).unwrap_err();
        assert!(denied.to_string().contains("allow it with --allow-write="), "{denied}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("link")).unwrap();
            assert!(permissions.file(FileUse::Read, &inside.join("link")).is_err());
            std::os::unix::fs::symlink(folder.path().join("none"), inside.join("hang")).unwrap();
            assert!(permissions.file(FileUse::Read, &inside.join("hang")).is_err());
        }
    }

    #[test]
    fn names_of_libraries_and_the_environment() {
        let named = NativeLibraries::Named(vec!["a".into()]);
        assert!(named.allows("a") && !named.allows("b"));
        assert!(NativeLibraries::All.allows("b") && !NativeLibraries::None.allows("b"));
        let denied = Permissions::default().native("fast").unwrap_err();
        assert_eq!(
            denied.to_string(),
            "loading the native library 'fast' is not allowed; allow it with --allow-native=fast"
        );
        assert!(
            Permissions::default().env("HOME").is_err() && Permissions::all().env("HOME").is_ok()
        );
    }
}
