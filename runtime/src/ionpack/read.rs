//! Reading packages.
//!
//! The archive is untrusted: names are checked before anything is read, a member is inflated into
//! memory only, up to its declared size and never beyond the [`Limits`], and its checksum must agree.
//! Resources and sources are inflated when asked for.

use super::format::{Group, Limits, MANIFEST_PATH, check_name, check_path};
use super::manifest::Manifest;
use super::{Class, ClassLines, Content, Member, Package, PackageError};
use crate::bytecode::ClassFile;
use std::collections::HashMap;
use std::io::{Cursor, Read, Seek};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// An open package.
///
/// ```
/// use ion_runtime::ionpack::{Archive, Manifest, Package, PackageBuilder};
/// let bytes = PackageBuilder::new(Manifest::default()).resource("a.txt", "hi").to_bytes().unwrap();
/// let mut archive = Archive::from_bytes(&bytes).unwrap();
/// let package = archive.package().unwrap();
/// assert_eq!(package.resources[0].name, "a.txt");
/// assert_eq!(archive.resource("a.txt").unwrap(), b"hi");
/// ```
pub struct Archive<R> {
    zip: ZipArchive<R>,
    limits: Limits,
    /// Index of each member by path. Hashed with random keys, because paths are untrusted.
    index: HashMap<String, usize>,
    /// Bytes read so far, against `limits.total`.
    total: u64,
}

impl<'a> Archive<Cursor<&'a [u8]>> {
    /// Opens a package in memory with the default limits.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, PackageError> {
        Archive::new(Cursor::new(bytes), Limits::default())
    }
}

impl<R: Read + Seek> Archive<R> {
    /// Opens a package: reads the archive's directory and checks it.
    pub fn new(reader: R, limits: Limits) -> Result<Self, PackageError> {
        let mut zip = ZipArchive::new(reader).map_err(|error| match error {
            ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                PackageError::Io(error.to_string())
            }
            // Every archive ends with a directory: without one it is something else, or cut short.
            ZipError::InvalidArchive(why) if why.contains("EOCD") => {
                PackageError::Archive("it is no ZIP archive, or its end is missing".to_owned())
            }
            other => PackageError::Archive(other.to_string()),
        })?;
        if zip.len() > limits.entries {
            let limit = limits.entries as u64;
            return Err(PackageError::Limit { name: String::new(), what: "entries", limit });
        }
        if zip.has_duplicate_names() {
            return Err(PackageError::Duplicate(None));
        }
        let index = index_members(&zip)?;
        match zip.has_overlapping_entries() {
            Ok(false) => Ok(Archive { zip, limits, index, total: 0 }),
            Ok(true) => Err(PackageError::Overlap),
            Err(error) => Err(PackageError::Archive(error.to_string())),
        }
    }

    /// The paths of all members but folders, in archive order.
    pub fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<(usize, &str)> =
            self.index.iter().map(|(path, &index)| (index, path.as_str())).collect();
        paths.sort_unstable();
        paths.into_iter().map(|(_, path)| path).collect()
    }

    /// Reads and parses the manifest.
    pub fn manifest(&mut self) -> Result<Manifest, PackageError> {
        let limit = self.limits.manifest;
        let bytes = self.read_limited(MANIFEST_PATH, limit)?;
        let manifest = Manifest::from_bytes(&bytes)?;
        for name in &manifest.ffi_libraries {
            check_name(Group::Library, name)?;
        }
        Ok(manifest)
    }

    /// Reads the manifest, every class, and the libraries that the manifest lists. Other members
    /// are listed and left [`Content::Unread`].
    pub fn package(&mut self) -> Result<Package, PackageError> {
        let mut package = Package::new(self.manifest()?);
        let paths: Vec<String> = self.paths().into_iter().map(str::to_owned).collect();
        for path in &paths {
            let Some((group, name)) = Group::of_path(path) else {
                continue;
            };
            check_name(group, name)?;
            match package.members_mut(group) {
                None if group == Group::Lines => {
                    let bytes = self.read_limited(path, self.limits.class)?;
                    package.lines.push(ClassLines::decode(name, &bytes)?);
                }
                None => package.classes.push(self.class(path, name)?),
                Some(members) => {
                    let content = Content::Unread(self.declared_size(path)?);
                    members.push(Member { name: name.to_owned(), content });
                }
            }
        }
        self.load_libraries(&mut package)?;
        Ok(package)
    }

    fn class(&mut self, path: &str, name: &str) -> Result<Class, PackageError> {
        let bytes = self.read_limited(path, self.limits.class)?;
        match ClassFile::decode(&bytes) {
            Ok(file) => Ok(Class { name: name.to_owned(), file }),
            Err(mut error) => {
                error.class = Some(name.to_owned());
                Err(PackageError::Class(Box::new(error)))
            }
        }
    }

    fn load_libraries(&mut self, package: &mut Package) -> Result<(), PackageError> {
        for listed in &package.manifest.ffi_libraries {
            match package.libraries.iter_mut().find(|library| library.name == *listed) {
                Some(library) => self.load(Group::Library, library)?,
                None => return Err(PackageError::MissingLibrary(listed.clone())),
            }
        }
        Ok(())
    }

    /// Reads the bytes of a member unless they have been read.
    pub fn load(&mut self, group: Group, member: &mut Member) -> Result<(), PackageError> {
        if member.bytes().is_none() {
            member.content = Content::Loaded(self.read(&group.path(&member.name))?);
        }
        Ok(())
    }

    /// Reads the bytes of all members that have not been read.
    pub fn load_all(&mut self, package: &mut Package) -> Result<(), PackageError> {
        for group in [Group::Library, Group::Resource, Group::Source] {
            for member in package.members_mut(group).into_iter().flatten() {
                self.load(group, member)?;
            }
        }
        Ok(())
    }

    /// Reads the resource of this name.
    pub fn resource(&mut self, name: &str) -> Result<Vec<u8>, PackageError> {
        self.read(&Group::Resource.path(name))
    }

    /// Reads the source text of this name.
    pub fn source(&mut self, name: &str) -> Result<Vec<u8>, PackageError> {
        self.read(&Group::Source.path(name))
    }

    /// Reads the member at this path.
    pub fn read(&mut self, path: &str) -> Result<Vec<u8>, PackageError> {
        self.read_limited(path, self.limits.member)
    }

    fn declared_size(&self, path: &str) -> Result<u64, PackageError> {
        let index = self.find(path)?;
        Ok(self.zip.by_index_data(index).map_err(|error| damaged(path, error))?.size())
    }

    fn find(&self, path: &str) -> Result<usize, PackageError> {
        self.index.get(path).copied().ok_or_else(|| PackageError::Missing(path.to_owned()))
    }

    fn read_limited(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, PackageError> {
        let index = self.find(path)?;
        let exceeds = |what, limit| PackageError::Limit { name: path.to_owned(), what, limit };
        let entry = self.zip.by_index_data(index).map_err(|error| damaged(path, error))?;
        let (declared, packed) = (entry.size(), entry.compressed_size());
        let method = entry.compression();
        let unsupported = |method| PackageError::Unsupported { name: path.to_owned(), method };
        if entry.encrypted() {
            return Err(unsupported("encryption".to_owned()));
        }
        if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(unsupported(format!("the compression method {method}")));
        }
        if declared > limit {
            return Err(exceeds("bytes of a member", limit));
        }
        if declared > self.limits.total - self.total {
            return Err(exceeds("bytes in total", self.limits.total));
        }
        if declared > self.limits.ratio_free && declared / packed.max(1) > self.limits.ratio {
            return Err(exceeds("compression ratio", self.limits.ratio));
        }
        // No capacity is reserved: the declared size is only a claim.
        let mut bytes = Vec::new();
        let file = self.zip.by_index(index).map_err(|error| damaged(path, error))?;
        // One byte more than declared shows a member that understates its size.
        file.take(declared.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| {
            PackageError::Damaged { name: path.to_owned(), why: error.to_string() }
        })?;
        if bytes.len() as u64 != declared {
            let why = format!("its size is not the declared {declared} bytes");
            return Err(PackageError::Damaged { name: path.to_owned(), why });
        }
        self.total += declared;
        Ok(bytes)
    }
}

fn index_members<R: Read + Seek>(
    zip: &ZipArchive<R>,
) -> Result<HashMap<String, usize>, PackageError> {
    let mut index = HashMap::with_capacity(zip.len());
    for i in 0..zip.len() {
        let entry =
            zip.by_index_data(i).map_err(|error| PackageError::Archive(error.to_string()))?;
        let name = entry.name().map_err(|error| PackageError::Archive(error.to_string()))?;
        check_path(&name)?;
        if entry.is_dir() {
            continue;
        }
        if let Some((group, name)) = Group::of_path(&name) {
            check_name(group, name)?;
        }
        if index.insert(name.clone().into_owned(), i).is_some() {
            return Err(PackageError::Duplicate(Some(name.into_owned())));
        }
    }
    Ok(index)
}

fn damaged(path: &str, error: ZipError) -> PackageError {
    PackageError::Damaged { name: path.to_owned(), why: error.to_string() }
}
