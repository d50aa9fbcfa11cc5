//! Real packages: decoding, exact re-encoding, verification, rewriting.

use ion_runtime::bytecode::{ClassFile, verify_package};
use ion_runtime::ionpack::{Archive, Package};
use std::path::PathBuf;

fn packs() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packs");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ionpack"));
    paths.sort();
    assert!(paths.len() >= 12);
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

const NATIVES: [&str; 6] = ["Debug", "Print", "PrintLn", "PrintF", "Sqrt", "StrLength"];

#[test]
fn classes_round_trip_byte_by_byte() {
    for (path, bytes) in packs() {
        let mut archive = Archive::from_bytes(&bytes).unwrap();
        let names: Vec<String> = archive.paths().into_iter().map(str::to_owned).collect();
        for name in names.iter().filter(|name| name.ends_with(".ionc")) {
            let class = archive.read(name).unwrap();
            let decoded = ClassFile::decode(&class).unwrap();
            assert_eq!(decoded.encode().unwrap(), class, "{} {name}", path.display());
        }
    }
}

#[test]
fn packs_verify_clean() {
    for (path, bytes) in packs() {
        let package = Package::from_bytes(&bytes).unwrap();
        let report = verify_package(&package, &NATIVES).unwrap();
        assert_eq!(report.warnings, [], "{}", path.display());
    }
}

#[test]
fn packs_survive_rewriting() {
    for (_, bytes) in packs() {
        let mut archive = Archive::from_bytes(&bytes).unwrap();
        let mut package = archive.package().unwrap();
        archive.load_all(&mut package).unwrap();
        let written = package.to_bytes().unwrap();
        assert_eq!(written, package.to_bytes().unwrap());
        let mut again = Archive::from_bytes(&written).unwrap();
        let mut reread = again.package().unwrap();
        again.load_all(&mut reread).unwrap();
        assert_eq!(package, reread);
    }
}
