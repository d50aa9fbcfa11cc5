//! Writing packages, reproducibly.
//!
//! Equal packages give equal bytes: manifest, classes, libraries, resources, sources, line tables, each group in
//! the order of the [`Package`]'s lists (the builder appends, so the order of adding), method
//! Deflate, mode 0644, time stamp 1980-01-01.

use super::format::{Group, MANIFEST_PATH, check_name};
use super::manifest::Manifest;
use super::{Class, Member, Package, PackageError};
use crate::bytecode::{ClassFile, Function, Variant};
use std::collections::HashSet;
use std::io::{Cursor, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

impl Package {
    /// The bytes of the package.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        let mut out = Cursor::new(Vec::new());
        self.write(&mut out)?;
        Ok(out.into_inner())
    }

    /// Writes the package.
    pub fn write(&self, out: impl Write + Seek) -> Result<(), PackageError> {
        self.manifest.check()?;
        let mut writer = Writer { zip: ZipWriter::new(out), paths: HashSet::new() };
        writer.add(MANIFEST_PATH.to_owned(), self.manifest.to_text().as_bytes())?;
        for class in &self.classes {
            let encoded = class.file.encode();
            let bytes = encoded
                .map_err(|error| PackageError::Encode { class: class.name.clone(), error })?;
            writer.member(Group::Class, &class.name, &bytes)?;
        }
        for group in [Group::Library, Group::Resource, Group::Source] {
            for member in self.members(group) {
                let bytes =
                    member.bytes().ok_or_else(|| PackageError::Unread(group.path(&member.name)))?;
                writer.member(group, &member.name, bytes)?;
            }
        }
        for lines in &self.lines {
            writer.member(Group::Lines, &lines.class, &lines.encode())?;
        }
        for name in &self.manifest.ffi_libraries {
            if !writer.paths.contains(&Group::Library.path(name)) {
                return Err(PackageError::MissingLibrary(name.clone()));
            }
        }
        writer.zip.finish().map_err(io_error)?;
        Ok(())
    }
}

struct Writer<W: Write + Seek> {
    zip: ZipWriter<W>,
    paths: HashSet<String>,
}

impl<W: Write + Seek> Writer<W> {
    fn member(&mut self, group: Group, name: &str, bytes: &[u8]) -> Result<(), PackageError> {
        check_name(group, name)?;
        self.add(group.path(name), bytes)
    }

    fn add(&mut self, path: String, bytes: &[u8]) -> Result<(), PackageError> {
        if self.paths.contains(&path) {
            return Err(PackageError::Duplicate(Some(path)));
        }
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::DEFAULT)
            .system(System::Unix)
            .unix_permissions(0o644)
            .large_file(u32::try_from(bytes.len()).is_err());
        self.zip.start_file(path.as_str(), options).map_err(io_error)?;
        self.zip.write_all(bytes).map_err(|error| PackageError::Io(error.to_string()))?;
        self.paths.insert(path);
        Ok(())
    }
}

fn io_error(error: zip::result::ZipError) -> PackageError {
    PackageError::Io(error.to_string())
}

/// Puts a package together, member by member.
///
/// ```
/// use ion_runtime::bytecode::{Body, Function};
/// use ion_runtime::ionpack::{Manifest, Package, PackageBuilder};
/// let main = Function { name: Some("main".into()), arity: 0, extra_regs: 0, body: Body::Bytecode(vec![]) };
/// let mut manifest = Manifest::default();
/// manifest.main_class = Some("Main".into());
/// let bytes = PackageBuilder::new(manifest).single("Main", main).to_bytes().unwrap();
/// assert_eq!(Package::from_bytes(&bytes).unwrap().classes[0].name, "Main");
/// ```
#[derive(Clone, Debug)]
pub struct PackageBuilder {
    package: Package,
}

impl PackageBuilder {
    /// A package with this manifest and nothing else.
    pub fn new(manifest: Manifest) -> PackageBuilder {
        PackageBuilder { package: Package::new(manifest) }
    }

    /// Adds a class as it is.
    pub fn class(mut self, name: impl Into<String>, file: ClassFile) -> Self {
        self.package.classes.push(Class { name: name.into(), file });
        self
    }

    /// Adds a class of one function in the single variant.
    pub fn single(self, name: impl Into<String>, function: Function) -> Self {
        self.class(name, ClassFile { variant: Variant::Single, functions: vec![function] })
    }

    /// Adds a class in the multi variant.
    pub fn multi(self, name: impl Into<String>, functions: Vec<Function>) -> Self {
        self.class(name, ClassFile { variant: Variant::Multi, functions })
    }

    /// Adds a native library and lists it in the manifest.
    pub fn library(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let name = name.into();
        if !self.package.manifest.ffi_libraries.contains(&name) {
            self.package.manifest.ffi_libraries.push(name.clone());
        }
        self.package.libraries.push(Member::new(name, bytes));
        self
    }

    /// Adds a resource.
    pub fn resource(mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.package.resources.push(Member::new(name, bytes));
        self
    }

    /// Adds a source text.
    pub fn source(mut self, name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        self.package.sources.push(Member::new(name, text));
        self
    }

    /// The package.
    pub fn build(self) -> Package {
        self.package
    }

    /// The bytes of the package.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PackageError> {
        self.package.to_bytes()
    }
}
