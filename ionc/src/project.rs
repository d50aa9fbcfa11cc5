//! Projects: a folder with `ion.toml` and `src/*.ion`.
//!
//! ```toml
//! [package]
//! name = "shop"
//! version = "0.1.0"
//! main = "Main"
//!
//! [dependencies]
//! money = { path = "../money", version = ">=1.2, <2" }
//! ```

use crate::compile::{self, ION};
use crate::failure::{Failure, io_text};
use crate::ion::{Options, Source};
use crate::load;
use ion_runtime::ionpack::{Manifest, Package};
use std::path::{Path, PathBuf};

mod dependencies;
mod manifest;

pub use manifest::{Dependency, ProjectManifest};

/// Name of the file that makes a folder a project.
pub const MANIFEST: &str = "ion.toml";

/// A project.
#[derive(Debug)]
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// What its manifest says.
    pub manifest: ProjectManifest,
    /// The projects that it depends on, directly or not; each before those that need it.
    pub dependencies: Vec<Project>,
}

/// Opens the project in a folder, with everything that it depends on.
pub fn open(folder: &Path) -> Result<Project, Failure> {
    let mut project = open_alone(folder)?;
    project.dependencies = dependencies::resolve(&project)?;
    Ok(project)
}

/// Opens the project in a folder without its dependencies.
fn open_alone(folder: &Path) -> Result<Project, Failure> {
    let path = folder.join(MANIFEST);
    if !path.is_file() {
        let message = format!(
            "no project here: there is no {MANIFEST}; make one with 'ionc new NAME', or name a file that ends in .{ION}"
        );
        return Err(Failure::at(folder.display(), message));
    }
    let manifest = ProjectManifest::parse(&load::text(&path)?)
        .map_err(|error| Failure::new(format!("{}:{error}", path.display())))?;
    Ok(Project { folder: folder.to_path_buf(), manifest, dependencies: Vec::new() })
}

impl Project {
    /// The sources of the project and of what it depends on; the main class first.
    pub fn sources(&self) -> Result<Vec<Source>, Failure> {
        let mut sources = self.own_sources()?;
        let main = self.manifest.main.as_str();
        if let Some(at) = sources.iter().position(|source| source.class == main) {
            let main = sources.remove(at);
            sources.insert(0, main);
        }
        for dependency in &self.dependencies {
            for source in dependency.own_sources()? {
                if let Some(other) = sources.iter().find(|known| known.class == source.class) {
                    let message = format!(
                        "class '{}' is also in {}; rename one of them",
                        source.class, other.path
                    );
                    return Err(Failure::at(source.path, message));
                }
                sources.push(source);
            }
        }
        compile::add_named(sources, |_| None)
    }

    fn own_sources(&self) -> Result<Vec<Source>, Failure> {
        let folder = self.folder.join("src");
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| Failure::at(folder.display(), io_text(&error)))?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| load::has_extension(path, ION))
            .collect();
        paths.sort();
        if paths.is_empty() {
            return Err(Failure::at(folder.display(), "there are no .ion files here; add one"));
        }
        paths.iter().map(|path| compile::source(path)).collect()
    }

    /// How it is compiled.
    pub fn options(&self) -> Options {
        let manifest = &self.manifest;
        Options {
            manifest: Manifest {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                main_class: Some(manifest.main.clone()),
                entry_point: manifest
                    .entry
                    .clone()
                    .or_else(|| manifest.has_main.then(|| "main".to_owned())),
                description: manifest.description.clone(),
                author: manifest.author.clone(),
                dependencies: manifest.dependencies.iter().map(Dependency::to_string).collect(),
                ffi_libraries: Vec::new(),
                exports: manifest.exports.clone(),
                ..Manifest::default()
            },
            needs_main: manifest.has_main && manifest.entry.is_none(),
        }
    }

    /// Compiles it without the classes of what it depends on: they are looked for when it runs.
    pub fn package_alone(&self) -> Result<Package, Failure> {
        let mut package = self.package()?;
        let mut own: Vec<String> =
            self.own_sources()?.into_iter().map(|source| source.class).collect();
        // The library in Ion comes along.
        own.extend(crate::ion::STD.iter().map(|(_, class, _)| (*class).to_owned()));
        package.classes.retain(|class| own.contains(&class.name));
        package.lines.retain(|lines| own.contains(&lines.class));
        package
            .sources
            .retain(|source| own.iter().any(|class| source.name == format!("{class}.{ION}")));
        Ok(package)
    }

    /// Compiles it.
    pub fn package(&self) -> Result<Package, Failure> {
        Ok(compile::compile(&self.sources()?, &self.options())?.package)
    }
}
