//! Files of the state directory (`server.state`): what has to survive a restart.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Writes a file whole or not at all, and the folder around it if there is none; who may read it is
/// `mode`'s to say.
///
/// # Errors
/// What the system says, and what to do.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| {
        let path = path.display();
        format!("cannot write `{path}`: {error}; set server.state to a directory of Janua's")
    };
    fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new("."))).map_err(failed)?;
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let open = options.write(true).create(true).truncate(true).mode(mode).open(&new);
    let mut file = open.map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
