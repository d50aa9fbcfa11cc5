//! Packages that a package needs: the `Dependencies` of its manifest, looked for in given folders.
//!
//! An item is a name and perhaps a range of versions: `money >=1.2 <2`. It is found as `NAME.ionpack`;
//! its classes are added to the program. What is missing, does not fit, needs itself, or defines a
//! class that is there already, is an error that shows the chain.

use crate::failure::Failure;
use crate::load;
use ion_runtime::ionpack::Package;
use semver::{Version, VersionReq};
use std::path::PathBuf;

/// Adds the classes of the packages that `package` needs, and of those that they need.
pub fn add(package: &mut Package, folders: &[PathBuf]) -> Result<(), Failure> {
    let mut adder = Adder { folders, done: Vec::new(), chain: vec![package.manifest.name.clone()] };
    let wanted = package.manifest.dependencies.clone();
    adder.add_all(package, &wanted)
}

struct Adder<'a> {
    folders: &'a [PathBuf],
    /// Names and versions of packages that were added.
    done: Vec<(String, String)>,
    chain: Vec<String>,
}

impl Adder<'_> {
    fn add_all(&mut self, into: &mut Package, wanted: &[String]) -> Result<(), Failure> {
        wanted.iter().try_for_each(|item| self.add(into, item))
    }

    fn add(&mut self, into: &mut Package, item: &str) -> Result<(), Failure> {
        let (name, range) = item.split_once(char::is_whitespace).unwrap_or((item, "*"));
        let chain =
            self.chain.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" -> ");
        let comma = range.split_whitespace().collect::<Vec<_>>().join(", ");
        let range = VersionReq::parse(&comma).map_err(|error| {
            Failure::new(format!(
                "dependency '{item}' ({chain}) has no range of versions like '>=1.2 <2': {error}"
            ))
        })?;
        if self.chain.iter().any(|known| known == name) {
            return Err(Failure::new(format!(
                "packages depend on each other in a circle: {chain}"
            )));
        }
        let fits = |version: &str| {
            // Older manifests write `1.0`.
            let dots = version.matches('.').count();
            let full = format!("{version}{}", ".0".repeat(2usize.saturating_sub(dots)));
            Version::parse(&full).is_ok_and(|version| range.matches(&version))
        };
        let conflict = |version: &str| {
            Failure::new(format!(
                "version conflict ({chain}): needs {name} {range}, found {version}"
            ))
        };
        if let Some((_, version)) = self.done.iter().find(|(known, _)| known == name) {
            return if fits(version) { Ok(()) } else { Err(conflict(version)) };
        }
        let file = format!("{name}.{}", load::PACK);
        let found =
            self.folders.iter().map(|folder| folder.join(&file)).find(|path| path.is_file());
        let Some(path) = found else {
            let places: Vec<String> =
                self.folders.iter().map(|folder| folder.display().to_string()).collect();
            return Err(Failure::new(format!(
                "dependency missing ({chain}): there is no {file} in {}",
                places.join(", ")
            )));
        };
        let found = load::package(&path)?;
        if !fits(&found.manifest.version) {
            return Err(conflict(&found.manifest.version).within(path.display()));
        }
        for class in &found.classes {
            if into.class(&class.name).is_some() {
                let message = format!(
                    "class '{}' ({chain}) is defined already; rename one of them",
                    class.name
                );
                return Err(Failure::at(path.display(), message));
            }
        }
        into.classes.extend(found.classes);
        into.lines.extend(found.lines);
        self.done.push((name.to_owned(), found.manifest.version));
        self.chain.push(name.to_owned());
        self.add_all(into, &found.manifest.dependencies)?;
        self.chain.pop();
        Ok(())
    }
}
