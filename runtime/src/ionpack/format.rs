//! The layout of a package: member paths, safe names, limits.
//!
//! A package is a ZIP archive whose members are found by exact path. There is one version of the
//! layout; the manifest's `IonPack-Version` is kept and not checked, as no reader ever did.

use super::PackageError;

/// Path of the manifest.
pub const MANIFEST_PATH: &str = "META-INF/MANIFEST.ion";

/// The groups of members besides the manifest, in the order they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// `classes/NAME.ionc`.
    Class,
    /// `lib/NAME`.
    Library,
    /// `resources/PATH`.
    Resource,
    /// `src/PATH`.
    Source,
    /// `lines/NAME.lines`, see [`super::lines`].
    Lines,
}

impl Group {
    /// All groups, in the order they are written.
    pub const ALL: [Group; 5] =
        [Group::Class, Group::Library, Group::Resource, Group::Source, Group::Lines];

    fn affixes(self) -> (&'static str, &'static str) {
        match self {
            Group::Class => ("classes/", ".ionc"),
            Group::Library => ("lib/", ""),
            Group::Resource => ("resources/", ""),
            Group::Source => ("src/", ""),
            Group::Lines => ("lines/", ".lines"),
        }
    }

    /// The archive path of the member `name`.
    pub fn path(self, name: &str) -> String {
        let (prefix, suffix) = self.affixes();
        format!("{prefix}{name}{suffix}")
    }

    /// The group and the name of the member at `path`; none for unknown paths.
    pub fn of_path(path: &str) -> Option<(Group, &str)> {
        Self::ALL.into_iter().find_map(|group| {
            let (prefix, suffix) = group.affixes();
            Some((group, path.strip_prefix(prefix)?.strip_suffix(suffix)?))
        })
    }
}

/// How much a reader is willing to inflate. Sizes are in bytes.
///
/// Declared sizes are checked before a member is inflated, actual ones while it is. A member that is
/// never read (a resource, a source, a library that is not listed) counts against nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members of the archive, read or not.
    pub entries: usize,
    /// Size of the manifest.
    pub manifest: u64,
    /// Size of one class.
    pub class: u64,
    /// Size of any other member.
    pub member: u64,
    /// Sum of the sizes of all members read through one [`Archive`](super::Archive).
    pub total: u64,
    /// Inflated size over deflated size of one member.
    pub ratio: u64,
    /// Members up to this size may have any ratio.
    pub ratio_free: u64,
}

impl Default for Limits {
    /// 65536 entries; 1 MiB manifest, 32 MiB a class, 256 MiB a member, 1 GiB in total; ratio 250
    /// beyond 1 MiB (real classes stay below 20, a zip bomb is near 1030).
    fn default() -> Self {
        Limits {
            entries: 1 << 16,
            manifest: 1 << 20,
            class: 32 << 20,
            member: 256 << 20,
            total: 1 << 30,
            ratio: 250,
            ratio_free: 1 << 20,
        }
    }
}

/// Refuses paths that could mean another place if somebody ever extracted the archive.
pub fn check_path(path: &str) -> Result<(), PackageError> {
    match odd_path(path) {
        Some(why) => Err(PackageError::BadName { name: path.to_owned(), why }),
        None => Ok(()),
    }
}

/// Refuses names that would be odd as paths of their own. Class names may look like a drive letter,
/// since they may contain colons.
pub fn check_name(group: Group, name: &str) -> Result<(), PackageError> {
    let class = matches!(group, Group::Class | Group::Lines);
    let why = match odd_path(name) {
        Some(STARTS_WITH_DRIVE) if class => None,
        None if name.ends_with('/') && !class => Some("it is a folder"),
        found => found,
    };
    match why {
        Some(why) => Err(PackageError::BadName { name: group.path(name), why }),
        None => Ok(()),
    }
}

const STARTS_WITH_DRIVE: &str = "it starts with a drive letter";

fn odd_path(path: &str) -> Option<&'static str> {
    let drive = |path: &[u8]| path.len() >= 2 && path[0].is_ascii_alphabetic() && path[1] == b':';
    if path.is_empty() {
        Some("its name is empty")
    } else if path.chars().any(char::is_control) {
        Some("it has a control character")
    } else if path.contains('\\') {
        Some("it has a backslash")
    } else if path.starts_with('/') {
        Some("it starts with '/'")
    } else if path.split('/').any(|part| part == "..") {
        Some("it has a part '..'")
    } else if drive(path.as_bytes()) {
        Some(STARTS_WITH_DRIVE)
    } else {
        None
    }
}
