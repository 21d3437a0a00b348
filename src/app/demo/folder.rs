//! A folder of the demo's own, gone when the demo is.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path as FilePath, PathBuf},
};

/// A folder for the moment, that nobody else may look into.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one among the system's other temporary files. It must be new: whoever made it before us
    /// could have put something in.
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("janua-demo-{:08x}", fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &FilePath {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is the system's to clean up, as ever in such places.
        let _ = fs::remove_dir_all(&self.0);
    }
}
