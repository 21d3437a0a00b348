//! The file of purges: what not every file was compared with yet, so that a purge outlives the process.
//!
//! In: a purge, before the operator is told that it is done. Out: all of them, in order, at the start. Each
//! line has a seal; one that was cut off was never answered, and is as if it had not been.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::cache::ban::Reach;

/// A purge.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Purged {
    pub(super) number: u64,
    pub(super) soft: bool,
    /// None: no purge, but the number of the last one that there was.
    pub(super) reach: Option<Reach>,
}

/// What is in the file cannot be told.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Unreadable;

/// All purges of a file.
pub(super) fn read(path: &Path, seal: &Seal) -> io::Result<Result<Vec<Purged>, Unreadable>> {
    match fs::read(path) {
        Ok(bytes) => Ok(parse(&bytes, seal)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(Vec::new())),
        Err(error) => Err(error),
    }
}

fn parse(bytes: &[u8], seal: &Seal) -> Result<Vec<Purged>, Unreadable> {
    let mut purges = Vec::new();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        match (entry(line, seal), lines.peek()) {
            (Some(purged), _) => purges.push(purged),
            (None, None) if !line.ends_with(b"\n") => {}
            (None, _) => return Err(Unreadable),
        }
    }
    Ok(purges)
}

fn entry(line: &[u8], seal: &Seal) -> Option<Purged> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sealed, text) = line.split_once(' ')?;
    let right = u64::from_str_radix(sealed, 16) == Ok(seal.digest("purge", &[text.as_bytes()]));
    serde_json::from_str(text).ok().filter(|_| right)
}

fn line(purged: &Purged, seal: &Seal) -> io::Result<String> {
    let text = serde_json::to_string(purged)?;
    Ok(format!("{:016x} {text}\n", seal.digest("purge", &[text.as_bytes()])))
}

/// Adds one, for good.
pub(super) fn add(path: &Path, purged: &Purged, seal: &Seal) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(path)?;
    file.write_all(line(purged, seal)?.as_bytes())?;
    file.sync_data()
}

/// Writes the file anew with these.
pub(super) fn write<'a>(
    path: &Path,
    all: impl Iterator<Item = &'a Purged>,
    seal: &Seal,
) -> io::Result<()> {
    let lines: io::Result<String> = all.map(|purged| line(purged, seal)).collect();
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(lines?.as_bytes())?;
    file.sync_data()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purged(number: u64, reach: Reach) -> Purged {
        Purged { number, soft: number.is_multiple_of(2), reach: Some(reach) }
    }

    #[test]
    fn purges_are_read_as_they_were_written_and_a_torn_one_never_was() {
        let (home, seal) = (tempfile::tempdir().unwrap(), Seal::new(&[3; 32]));
        let path = home.path().join("purges");
        assert_eq!(read(&path, &seal).unwrap(), Ok(Vec::new()));
        let all = [
            Purged { number: 4, soft: false, reach: None },
            purged(5, Reach::Prefix("http://a/\n\"x".into())),
            purged(6, Reach::Tag("t".into())),
            purged(7, Reach::Host("a".into())),
            purged(8, Reach::Url("http://a/".into())),
            purged(9, Reach::All),
        ];
        write(&path, all[..2].iter(), &seal).unwrap();
        all[2..].iter().for_each(|purged| add(&path, purged, &seal).unwrap());
        assert_eq!(read(&path, &seal).unwrap(), Ok(all.to_vec()));
        let bytes = fs::read(&path).unwrap();
        let ends: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
        for length in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end < length).count();
            assert_eq!(parse(&bytes[..length], &seal).unwrap(), all[..whole], "{length}");
        }
        for at in 0..ends[4] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert_eq!(parse(&bytes, &seal), Err(Unreadable), "{at}");
        }
        assert_eq!(parse(&bytes, &Seal::new(&[4; 32])), Err(Unreadable));
    }
}
