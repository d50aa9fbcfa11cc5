//! The manifest: lines `Key: value` in a fixed order.

use std::fmt;

/// What `META-INF/MANIFEST.ion` says.
///
/// [`Manifest::parse`] takes keys in any order, skips unknown ones and lets the last of several
/// win; [`Manifest::to_text`] writes them in the format's order, so parsing its output gives the
/// same manifest and writing that again the same text.
///
/// ```
/// use ion_runtime::ionpack::Manifest;
/// let manifest = Manifest::parse("Name: hello\nMain-Class: Main\n").unwrap();
/// assert_eq!(manifest.version, "1.0");
/// assert_eq!(manifest.to_text(), "IonPack-Version: 1.0\nName: hello\nVersion: 1.0\nMain-Class: Main\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `IonPack-Version`, `1.0` if absent; never checked.
    pub ionpack_version: String,
    /// `Name`, `unnamed` if absent.
    pub name: String,
    /// `Version`, `1.0` if absent.
    pub version: String,
    /// `Main-Class`; a package without one cannot be run.
    pub main_class: Option<String>,
    /// `Entry-Point`, a function of the main class.
    pub entry_point: Option<String>,
    /// `Description`.
    pub description: Option<String>,
    /// `Author`.
    pub author: Option<String>,
    /// `Dependencies`, without effect.
    pub dependencies: Vec<String>,
    /// `FFI-Libraries`, names of members of `lib/`.
    pub ffi_libraries: Vec<String>,
    /// `Exports`, without effect.
    pub exports: Vec<String>,
}

impl Default for Manifest {
    /// The manifest that an empty text means.
    fn default() -> Self {
        Manifest {
            ionpack_version: "1.0".to_owned(),
            name: "unnamed".to_owned(),
            version: "1.0".to_owned(),
            main_class: None,
            entry_point: None,
            description: None,
            author: None,
            dependencies: Vec::new(),
            ffi_libraries: Vec::new(),
            exports: Vec::new(),
        }
    }
}

/// Why a manifest cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// The text is not UTF-8.
    NotUtf8,
    /// This line, counted from 1, has no colon.
    NoColon(usize),
    /// The value of this key would not read back: line breaks, white space at its ends, or, in a
    /// list, a comma or an empty item.
    Unwritable(&'static str),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => write!(f, "manifest is not UTF-8; save it as UTF-8"),
            Self::NoColon(line) => {
                write!(f, "manifest line {line} has no colon; write it as 'Key: value'")
            }
            Self::Unwritable(key) => write!(
                f,
                "manifest value of '{key}' would not read back; leave out line breaks, blanks at the ends and, in lists, commas"
            ),
        }
    }
}

impl std::error::Error for ManifestError {}

/// A value of the manifest, for loops over all keys.
enum Field<T, O, L> {
    Text(T),
    Optional(O),
    List(L),
}

/// Every key with its value, in the order of writing.
macro_rules! fields {
    ($manifest:expr $(, $mutable:tt)?) => {
        [
            ("IonPack-Version", Field::Text(&$($mutable)? $manifest.ionpack_version)),
            ("Name", Field::Text(&$($mutable)? $manifest.name)),
            ("Version", Field::Text(&$($mutable)? $manifest.version)),
            ("Main-Class", Field::Optional(&$($mutable)? $manifest.main_class)),
            ("Entry-Point", Field::Optional(&$($mutable)? $manifest.entry_point)),
            ("Description", Field::Optional(&$($mutable)? $manifest.description)),
            ("Author", Field::Optional(&$($mutable)? $manifest.author)),
            ("Dependencies", Field::List(&$($mutable)? $manifest.dependencies)),
            ("FFI-Libraries", Field::List(&$($mutable)? $manifest.ffi_libraries)),
            ("Exports", Field::List(&$($mutable)? $manifest.exports)),
        ]
    };
}

impl Manifest {
    /// Reads the text of a manifest.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        for (index, line) in text.split('\n').enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once(':').ok_or(ManifestError::NoColon(index + 1))?;
            manifest.set(key.trim(), value.trim());
        }
        Ok(manifest)
    }

    /// Reads the bytes of a manifest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        Manifest::parse(std::str::from_utf8(bytes).map_err(|_| ManifestError::NotUtf8)?)
    }

    fn set(&mut self, key: &str, value: &str) {
        for (known, field) in fields!(self, mut) {
            if known != key {
                continue;
            }
            match field {
                Field::Text(text) => *text = value.to_owned(),
                Field::Optional(text) => *text = Some(value.to_owned()),
                Field::List(items) => {
                    let trimmed = value.split(',').map(str::trim);
                    *items = trimmed.filter(|item| !item.is_empty()).map(str::to_owned).collect();
                }
            }
        }
    }

    /// The text of the manifest; see [`Manifest::check`] for values that would not read back.
    pub fn to_text(&self) -> String {
        let mut lines = String::new();
        for (key, field) in fields!(self) {
            let value = match field {
                Field::Text(text) => Some(text.clone()),
                Field::Optional(text) => text.clone(),
                Field::List(items) => (!items.is_empty()).then(|| items.join(", ")),
            };
            if let Some(value) = value {
                lines.push_str(&format!("{key}: {value}\n"));
            }
        }
        lines
    }

    /// Checks that the text of the manifest reads back as this manifest.
    pub fn check(&self) -> Result<(), ManifestError> {
        let plain = |text: &str| text.trim() == text && !text.contains('\n');
        for (key, field) in fields!(self) {
            let good = match field {
                Field::Text(text) => plain(text),
                Field::Optional(text) => text.as_deref().is_none_or(plain),
                Field::List(items) => {
                    items.iter().all(|item| plain(item) && !item.is_empty() && !item.contains(','))
                }
            };
            if !good {
                return Err(ManifestError::Unwritable(key));
            }
        }
        Ok(())
    }
}
