//! The golden inputs.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of a folder of golden inputs whose path ends so, by path with dashes for slashes.
pub(crate) fn golden(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden").join(folder);
    let mut paths = files(&root);
    paths.sort();
    let named = paths.into_iter().filter_map(|path| {
        let name = path.strip_prefix(&root).ok()?.to_str()?.replace('/', "-");
        Some((name, path))
    });
    named.filter(|(name, _)| name.ends_with(ending)).map(|(name, path)| (name, read(&path))).collect()
}

/// One golden input.
pub(crate) fn one(path: &str) -> Vec<u8> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden").join(path))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
