//! Files of the state directory (`server.state`): what has to survive a restart.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
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
        let mut options = fs::OpenOptions::new();
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
