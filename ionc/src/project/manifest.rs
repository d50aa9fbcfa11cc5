//! `ion.toml`: what a project says about itself.

use semver::{Version, VersionReq};
use std::fmt;
use std::path::PathBuf;
use toml_edit::{Document, Item, Table, TableLike};

/// What `ion.toml` says.
#[derive(Clone, Debug)]
pub struct ProjectManifest {
    /// `name`.
    pub name: String,
    /// `version`, three numbers.
    pub version: String,
    /// `main`: the class to start with.
    pub main: String,
    /// Is there a class to start with (`library = true` says no)?
    pub has_main: bool,
    /// `entry`: the function to start with, instead of `main`.
    pub entry: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `author`.
    pub author: Option<String>,
    /// `exports`.
    pub exports: Vec<String>,
    /// `[dependencies]`.
    pub dependencies: Vec<Dependency>,
}

/// Another project that a project needs.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its folder, seen from the folder of the project that needs it.
    pub path: PathBuf,
    /// The versions that will do.
    pub version: VersionReq,
}

impl fmt::Display for Dependency {
    /// As in the `Dependencies` of a package: `money >=1.2 <2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.to_string().replace(", ", " ");
        match version.as_str() {
            "*" => f.write_str(&self.name),
            version => write!(f, "{} {version}", self.name),
        }
    }
}

/// What is wrong with an `ion.toml`: `LINE:COLUMN: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError(String);

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys of `[package]`.
const KEYS: &[&str] =
    &["name", "version", "main", "entry", "library", "description", "author", "exports"];

struct Reader<'t> {
    text: &'t str,
}

type Read<T> = Result<T, ManifestError>;

impl ProjectManifest {
    /// Reads the text of an `ion.toml`.
    pub fn parse(text: &str) -> Read<ProjectManifest> {
        let reader = Reader { text };
        let document = Document::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reader.error(at, one_line(error.message()))
        })?;
        for (key, item) in document.iter() {
            if !matches!(key, "package" | "dependencies") {
                let at = item.span().map_or(0, |span| span.start);
                return Err(reader.error(
                    at,
                    format!("unknown section '{key}'; there are [package] and [dependencies]"),
                ));
            }
        }
        let package = match document.get("package") {
            Some(item) => reader.table(item, "package")?,
            None => {
                return Err(reader.error(0, "there is no [package]; add one with name and version"));
            }
        };
        for (key, item) in package.iter() {
            if !KEYS.contains(&key) {
                let hint = ion_runtime::bytecode::near::hint(
                    &ion_runtime::bytecode::near::near_names(key, KEYS.iter().copied()),
                );
                let hint =
                    if hint.is_empty() { format!("; there are {}", KEYS.join(", ")) } else { hint };
                return Err(reader.error(start(item), format!("unknown key '{key}'{hint}")));
            }
        }
        let name = reader.required(package, "name")?;
        let version = reader.required(package, "version")?;
        if let Err(error) = Version::parse(&version) {
            let at = package.get("version").map_or(0, start);
            return Err(reader.error(at, format!("version '{version}' is not like 1.2.3: {error}")));
        }
        let library = package.get("library").and_then(Item::as_bool).unwrap_or(false);
        let exports = match package.get("exports") {
            Some(item) => reader.strings(item)?,
            None => Vec::new(),
        };
        Ok(ProjectManifest {
            name,
            version,
            main: reader.optional(package, "main")?.unwrap_or_else(|| "Main".to_owned()),
            has_main: !library,
            entry: reader.optional(package, "entry")?,
            description: reader.optional(package, "description")?,
            author: reader.optional(package, "author")?,
            exports,
            dependencies: match document.get("dependencies") {
                Some(item) => reader.dependencies(item)?,
                None => Vec::new(),
            },
        })
    }
}

fn start(item: &Item) -> usize {
    item.span().map_or(0, |span| span.start)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Reader<'_> {
    fn error(&self, at: usize, message: impl fmt::Display) -> ManifestError {
        let (line, column) =
            crate::ion::source::LineIndex::new(self.text).position(self.text, at as u32);
        ManifestError(format!("{line}:{column}: {message}"))
    }

    fn table<'i>(&self, item: &'i Item, name: &str) -> Read<&'i Table> {
        item.as_table().ok_or_else(|| {
            self.error(start(item), format!("'{name}' is no section; write [{name}]"))
        })
    }

    fn text_of(&self, item: &Item, key: &str) -> Read<String> {
        let text = item.as_str().ok_or_else(|| {
            self.error(start(item), format!("'{key}' must be a string in quotes"))
        })?;
        if text.is_empty() || text.contains(['\n', ',']) || text.trim() != text {
            return Err(self.error(
                start(item),
                format!("'{key}' must be one line without commas and outer blanks"),
            ));
        }
        Ok(text.to_owned())
    }

    fn required(&self, table: &Table, key: &str) -> Read<String> {
        match table.get(key) {
            Some(item) => self.text_of(item, key),
            None => {
                let at = table.span().map_or(0, |span| span.start);
                Err(self.error(at, format!("[package] has no '{key}'; add {key} = \"…\"")))
            }
        }
    }

    fn optional(&self, table: &Table, key: &str) -> Read<Option<String>> {
        table
            .get(key)
            .map(|item| match key {
                // Free text, but one line.
                "description" | "author" => item.as_str().map(one_line).ok_or_else(|| {
                    self.error(start(item), format!("'{key}' must be a string in quotes"))
                }),
                _ => self.text_of(item, key),
            })
            .transpose()
    }

    fn strings(&self, item: &Item) -> Read<Vec<String>> {
        let list = item.as_array().and_then(|array| {
            array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        list.ok_or_else(|| self.error(start(item), "'exports' must be an array of strings"))
    }

    fn dependencies(&self, item: &Item) -> Read<Vec<Dependency>> {
        let table = self.table(item, "dependencies")?;
        let mut all = Vec::new();
        for (name, item) in table.iter() {
            let fields: &dyn TableLike = item.as_table_like().ok_or_else(|| {
                self.error(
                    start(item),
                    format!("'{name}' must say where it is: {name} = {{ path = \"../{name}\" }}"),
                )
            })?;
            let path = fields.get("path").and_then(Item::as_str).ok_or_else(|| {
                self.error(
                    start(item),
                    format!("'{name}' has no path: {name} = {{ path = \"../{name}\" }}"),
                )
            })?;
            let version = match fields.get("version") {
                None => VersionReq::STAR,
                Some(range) => {
                    let text = range.as_str().unwrap_or_default();
                    VersionReq::parse(text).map_err(|error| {
                        self.error(
                            start(range),
                            format!("version range '{text}' is not like \">=1.2, <2\": {error}"),
                        )
                    })?
                }
            };
            all.push(Dependency { name: name.to_owned(), path: path.into(), version });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads() {
        let text = "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n[dependencies]\nmoney = { path = \"../money\", version = \">=1.2, <2\" }\n";
        let manifest = ProjectManifest::parse(text).unwrap();
        assert_eq!(
            (manifest.name.as_str(), manifest.main.as_str(), manifest.has_main),
            ("shop", "Main", true)
        );
        assert_eq!(manifest.dependencies[0].to_string(), "money >=1.2 <2");
    }

    #[test]
    fn mistakes_name_their_place() {
        let error = |text: &str| ProjectManifest::parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "1:1: there is no [package]; add one with name and version");
        assert!(error("[package]\nname = \"a\"\n").contains("no 'version'"));
        assert!(error("[package]\nnmae = \"a\"\n").contains("did you mean 'name'"));
        assert!(
            error("[package]\nname = \"a\"\nversion = \"1\"\n").starts_with("3:11: version '1'")
        );
        assert!(error("[package\n").starts_with("1:9:"));
        assert!(
            error("[package]\nname=\"a\"\nversion=\"1.0.0\"\n[dependencies]\nb = 1\n")
                .contains("path = \"../b\"")
        );
    }
}
