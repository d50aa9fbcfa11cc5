//! Which other projects a project needs.
//!
//! All paths lead to folders; two paths to one folder are one project. A cycle, two projects of one name,
//! a version that will not do, and a missing folder are errors that show the chain that leads there.

use super::{Project, open_alone};
use crate::failure::{Failure, io_text};
use semver::Version;
use std::path::{Path, PathBuf};

struct Resolver {
    done: Vec<(PathBuf, Project)>,
    /// From the project at hand on: folder and name.
    chain: Vec<(PathBuf, String)>,
}

/// The projects that `project` needs, each before those that need it.
pub fn resolve(project: &Project) -> Result<Vec<Project>, Failure> {
    let folder = canonical(&project.folder)?;
    let chain = vec![(folder, project.manifest.name.clone())];
    let mut resolver = Resolver { done: Vec::new(), chain };
    resolver.visit(project)?;
    Ok(resolver.done.into_iter().map(|(_, project)| project).collect())
}

fn canonical(folder: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(folder).map_err(|error| Failure::at(folder.display(), io_text(&error)))
}

impl Resolver {
    /// `app -> shop -> money`.
    fn chain_to(&self, last: &str) -> String {
        let names = self.chain.iter().map(|(_, name)| name.as_str()).chain([last]);
        names.collect::<Vec<_>>().join(" -> ")
    }

    fn visit(&mut self, project: &Project) -> Result<(), Failure> {
        for wanted in &project.manifest.dependencies {
            let chain = self.chain_to(&wanted.name);
            let folder = project.folder.join(&wanted.path);
            let Ok(place) = std::fs::canonicalize(&folder) else {
                let message = format!(
                    "dependency missing ({chain}): there is no such folder; correct its path in {}",
                    super::MANIFEST
                );
                return Err(Failure::at(folder.display(), message));
            };
            if self.chain.iter().any(|(known, _)| *known == place) {
                return Err(Failure::new(format!(
                    "projects depend on each other in a circle: {chain}; remove one of the dependencies"
                )));
            }
            let known = self.done.iter().position(|(known, _)| *known == place);
            let found = match known {
                Some(_) => None,
                None => Some(
                    open_alone(&folder)
                        .map_err(|failure| failure.within(format!("dependency {chain}")))?,
                ),
            };
            let manifest = match (known, &found) {
                (Some(at), _) => &self.done[at].1.manifest,
                (None, Some(found)) => &found.manifest,
                (None, None) => continue,
            };
            if manifest.name != wanted.name {
                let message = format!(
                    "dependency '{}' ({chain}) is called '{}' in its own {}; use that name",
                    wanted.name,
                    manifest.name,
                    super::MANIFEST
                );
                return Err(Failure::at(folder.display(), message));
            }
            // Reading the manifest has checked the version.
            let fits = Version::parse(&manifest.version)
                .is_ok_and(|version| wanted.version.matches(&version));
            if !fits {
                let message = format!(
                    "version conflict ({chain}): needs {} {}, found {}; change one of them",
                    wanted.name, wanted.version, manifest.version
                );
                return Err(Failure::at(folder.display(), message));
            }
            let Some(found) = found else { continue };
            if let Some((other, _)) =
                self.done.iter().find(|(_, other)| other.manifest.name == found.manifest.name)
            {
                let message = format!(
                    "two projects are called '{}' ({chain}): the other is in {}; rename one",
                    wanted.name,
                    other.display()
                );
                return Err(Failure::at(folder.display(), message));
            }
            self.chain.push((place.clone(), wanted.name.clone()));
            self.visit(&found)?;
            self.chain.pop();
            self.done.push((place, found));
        }
        Ok(())
    }
}
