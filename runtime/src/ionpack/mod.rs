//! Packages: archives of classes, a manifest and whatever else a program carries.
//!
//! [`Archive`] reads, [`PackageBuilder`] and [`Package::to_bytes`] write. Nothing here touches the
//! file system: readers take `Read + Seek` or bytes, and no member is ever extracted by its name.

pub mod format;
pub mod lines;
pub mod manifest;
pub mod read;
pub mod write;

pub use format::{Group, Limits};
pub use lines::{ClassLines, FunctionLines, LineEntry};
pub use manifest::{Manifest, ManifestError};
pub use read::Archive;
pub use write::PackageBuilder;

use crate::bytecode::{ClassFile, DecodeError, EncodeError};
use std::fmt;

/// A package in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// What the manifest says.
    pub manifest: Manifest,
    /// The classes in archive order.
    pub classes: Vec<Class>,
    /// The native libraries; a reader reads those that the manifest lists.
    pub libraries: Vec<Member>,
    /// The resources; a reader leaves them unread until asked.
    pub resources: Vec<Member>,
    /// The source texts; a reader leaves them unread until asked.
    pub sources: Vec<Member>,
    /// Line tables of classes that were compiled from source texts.
    pub lines: Vec<ClassLines>,
}

/// A class of a package.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Everything between `classes/` and `.ionc`.
    pub name: String,
    /// The decoded class file.
    pub file: ClassFile,
}

/// A member of a package that is just bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The path within its group, without `lib/`, `resources/` or `src/`.
    pub name: String,
    /// The bytes, or their declared number if they have not been read; see [`Archive::load`].
    pub content: Content,
}

/// The bytes of a [`Member`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Read, or made by hand.
    Loaded(Vec<u8>),
    /// Still in the archive; the archive declares this size.
    Unread(u64),
}

impl Member {
    /// A member with these bytes.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Member {
        Member { name: name.into(), content: Content::Loaded(bytes.into()) }
    }

    /// The bytes, if they have been read.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Loaded(bytes) => Some(bytes),
            Content::Unread(_) => None,
        }
    }
}

impl Package {
    /// A package of nothing but a manifest.
    pub fn new(manifest: Manifest) -> Package {
        let (classes, libraries) = (Vec::new(), Vec::new());
        let (resources, sources, lines) = (Vec::new(), Vec::new(), Vec::new());
        Package { manifest, classes, libraries, resources, sources, lines }
    }

    /// Reads a package with the default limits; resources and sources stay unread.
    pub fn from_bytes(bytes: &[u8]) -> Result<Package, PackageError> {
        Archive::from_bytes(bytes)?.package()
    }

    /// Forgets the members that have not been read: sources and resources, which no run needs.
    pub fn drop_unread(&mut self) {
        for group in [Group::Library, Group::Resource, Group::Source] {
            if let Some(members) = self.members_mut(group) {
                members.retain(|member| member.bytes().is_some());
            }
        }
    }

    /// The class of this name.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.name == name)
    }

    pub(crate) fn members(&self, group: Group) -> &[Member] {
        match group {
            Group::Class | Group::Lines => &[],
            Group::Library => &self.libraries,
            Group::Resource => &self.resources,
            Group::Source => &self.sources,
        }
    }

    fn members_mut(&mut self, group: Group) -> Option<&mut Vec<Member>> {
        match group {
            Group::Class | Group::Lines => None,
            Group::Library => Some(&mut self.libraries),
            Group::Resource => Some(&mut self.resources),
            Group::Source => Some(&mut self.sources),
        }
    }
}

/// Why a package cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageError {
    /// The bytes are no ZIP archive, or a damaged one.
    Archive(String),
    /// Reading or writing the underlying stream failed.
    Io(String),
    /// Two members have one path; the path if it is known.
    Duplicate(Option<String>),
    /// Two members share bytes of the archive.
    Overlap,
    /// A path that is refused.
    BadName {
        /// The path.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A member uses another method than Stored and Deflate, or is encrypted.
    Unsupported {
        /// The path.
        name: String,
        /// The method.
        method: String,
    },
    /// Something is larger than [`Limits`] allow.
    Limit {
        /// The path, empty for the whole archive.
        name: String,
        /// Which limit.
        what: &'static str,
        /// Its value.
        limit: u64,
    },
    /// A member cannot be inflated, has another size than declared, or its checksum is wrong.
    Damaged {
        /// The path.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no member of this path.
    Missing(String),
    /// The manifest lists this library and the archive has no such member.
    MissingLibrary(String),
    /// The manifest is wrong.
    Manifest(ManifestError),
    /// A class is wrong.
    Class(Box<DecodeError>),
    /// A class cannot be written.
    Encode {
        /// The class.
        class: String,
        /// Why.
        error: EncodeError,
    },
    /// A member to be written has not been read.
    Unread(String),
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(why) => {
                write!(
                    f,
                    "not a readable package: {why}; check that the file is a complete ZIP archive"
                )
            }
            Self::Io(why) => write!(f, "cannot access the package: {why}"),
            Self::Duplicate(Some(path)) => {
                write!(f, "two members have the path '{}'; remove one", path.escape_debug())
            }
            Self::Duplicate(None) => write!(f, "two members have the same path; remove one"),
            Self::Overlap => write!(f, "members of the archive overlap; build the package again"),
            Self::BadName { name, why } => {
                write!(
                    f,
                    "path '{}' is refused because {why}; rename the member",
                    name.escape_debug()
                )
            }
            Self::Unsupported { name, method } => {
                write!(f, "'{}' uses {method}; use Deflate or Stored", name.escape_debug())
            }
            Self::Limit { name, what, limit } => {
                match name.as_str() {
                    "" => write!(f, "the package")?,
                    name => write!(f, "'{}'", name.escape_debug())?,
                }
                write!(
                    f,
                    " exceeds the limit of {limit} for {what}; raise the limit if you trust the package"
                )
            }
            Self::Damaged { name, why } => {
                write!(f, "'{}' is damaged: {why}; build the package again", name.escape_debug())
            }
            Self::Missing(path) => {
                write!(f, "the package has no '{}'; add it", path.escape_debug())
            }
            Self::MissingLibrary(name) => write!(
                f,
                "the manifest lists the library '{0}', but the package has no 'lib/{0}'; add it or remove it from FFI-Libraries",
                name.escape_debug()
            ),
            Self::Manifest(error) => error.fmt(f),
            Self::Class(error) => error.fmt(f),
            Self::Encode { class, error } => write!(f, "class '{}': {error}", class.escape_debug()),
            Self::Unread(path) => {
                write!(f, "'{}' has not been read; load it before writing", path.escape_debug())
            }
        }
    }
}

impl std::error::Error for PackageError {}

impl From<ManifestError> for PackageError {
    fn from(error: ManifestError) -> Self {
        PackageError::Manifest(error)
    }
}
