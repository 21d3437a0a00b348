//! Files of the state directory (`server.state`): what has to survive a restart.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

/// Writes a file whole or not at all, and the folder around it if there is none; who may read it is
/// `mode`'s to say.
///
/// # Errors
/// What the system says, and what to do.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    write_with(path, mode, |file| file.write_all(text.as_bytes()))
}

/// As [`write()`], for what is too much to be in memory twice.
///
/// # Errors
/// As there.
pub fn write_with(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), String> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let new = path.with_extension("new");
    let written = fs::create_dir_all(folder).and_then(|()| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(mode).open(&new)?;
        let mut buffer = BufWriter::with_capacity(1 << 16, file);
        let filled = fill(&mut buffer).and_then(|()| buffer.into_inner().map_err(io::Error::from));
        let filled = filled.and_then(|file| file.sync_all());
        // A disk that is full needs the room.
        filled.inspect_err(|_| drop(fs::remove_file(&new)))?;
        fs::rename(&new, path)?;
        // Else the name might still lead to the old file after a power failure.
        File::open(folder)?.sync_all()
    });
    written.map_err(|error| {
        let path = path.display();
        format!("cannot write `{path}`: {error}; set server.state to a directory of Janua's")
    })
}

/// Opens a file to be locked, or makes it.
///
/// # Errors
/// What the system says.
pub fn lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Becomes the one process that has a file, for as long as it is open; none if another one has it.
///
/// # Errors
/// What the system says.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = lock_file(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
