//! [`Folder`]: a cache's folder: its marker with the secrets, its lock, where files are.
//!
//! ```text
//! janua-cache     the marker: whose folder this is, and the secrets (0600)
//! lock            held by the process that uses it
//! purges          what was purged, and not compared with everything yet
//! new/            files that are being written
//! objects/ab/..   files that are whole
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use aws_lc_rs::rand;

use super::name::{Filed, folder_of};
use crate::{message::hex, state};

/// What the marker begins with.
const TITLE: &str = "janua cache 1";
const MARKER: &str = "janua-cache";

/// A cache's folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What digests are made with.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Secrets {
    /// For whose an answer is; all that is kept in a process has the same.
    pub(super) partition: [u8; 32],
    /// For files.
    pub(super) seal: [u8; 32],
}

/// A folder that can be used.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) folder: Folder,
    /// Those of its marker, unless that does not suit: then it begins anew when it is used.
    pub(super) secrets: Secrets,
}

/// A file that was there.
pub(super) struct Listed {
    pub(super) filed: Filed,
    pub(super) length: u64,
    /// When it was used last, in nanoseconds since 1970.
    pub(super) used: u128,
}

impl Secrets {
    /// New ones, with this one for partitions.
    pub(super) fn with(partition: [u8; 32]) -> Result<Self, String> {
        Ok(Self { partition, seal: random()? })
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let secrets = Self { partition: unhex(lines.next()?)?, seal: unhex(lines.next()?)? };
        lines.next().is_none().then_some(secrets)
    }

    fn text(&self) -> String {
        format!("{TITLE}\n{}\n{}\n", hex(&self.partition), hex(&self.seal))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Random bytes.
pub(super) fn random() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(bytes)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl Folder {
    /// Opens a folder, or makes it. `own` is what partitions have to be told apart by, if that is settled: for a process
    /// that runs, which may have made void what is in the folder while it used another or none. So it begins anew.
    pub(super) fn open(path: &Path, own: Option<[u8; 32]>) -> Result<Opened, String> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(said)?;
        let folder = Self { path: path.to_owned() };
        let mut is_new = false;
        let found = match fs::read_to_string(folder.marker()) {
            Ok(text) => Secrets::read(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.is_ours()?;
                is_new = true;
                folder.mark_first(own)?
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(said(error)),
        };
        // That it can be written to is found out now, not by the first answer.
        state::lock_file(&folder.lock_path()).map_err(said)?;
        let suits = |secrets: &Secrets| own.is_none_or(|own| is_new && own == secrets.partition);
        match found.filter(suits) {
            Some(secrets) => Ok(Opened { folder, secrets }),
            None => {
                let secrets = Secrets::with(own.map_or_else(random, Ok)?)?;
                Ok(Opened { folder, secrets })
            }
        }
    }

    /// Whether nobody else's things are in it.
    fn is_ours(&self) -> Result<(), String> {
        for entry in fs::read_dir(&self.path).map_err(said)? {
            let name = entry.map_err(said)?.file_name();
            let known = ["lost+found", "lock", "purges", "new", "objects"];
            let begun = name.to_str().is_some_and(|name| name.starts_with(MARKER));
            if !begun && !known.iter().any(|known| name == *known) {
                let name = name.display();
                return Err(format!("there is something else in it (`{name}`)"));
            }
        }
        Ok(())
    }

    /// Marks a folder that has no marker, unless another process is faster; what the marker says.
    fn mark_first(&self, own: Option<[u8; 32]>) -> Result<Option<Secrets>, String> {
        let secrets = Secrets::with(own.map_or_else(random, Ok)?)?;
        let new = self.path.join(format!("{MARKER}.{}", std::process::id()));
        let written = write_secret(&new, &secrets.text());
        let linked = written.and_then(|()| fs::hard_link(&new, self.marker()));
        let _ = fs::remove_file(&new);
        match linked {
            Ok(()) => Ok(Some(secrets)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Secrets::read(&fs::read_to_string(self.marker()).map_err(said)?))
            }
            Err(error) => Err(said(error)),
        }
    }

    /// Whether these are the secrets that it is marked with.
    pub(super) fn is_marked_by(&self, secrets: &Secrets) -> bool {
        fs::read_to_string(self.marker()).is_ok_and(|text| Secrets::read(&text) == Some(*secrets))
    }

    /// Throws away all that is in it, and marks it with other secrets.
    pub(super) fn begin_anew(&self, secrets: &Secrets) -> io::Result<()> {
        for part in ["objects", "new"] {
            match fs::remove_dir_all(self.path.join(part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        remove(&self.purges())?;
        let new = self.path.join(format!("{MARKER}.{}", std::process::id()));
        write_secret(&new, &secrets.text())?;
        fs::rename(&new, self.marker())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn marker(&self) -> PathBuf {
        self.path.join(MARKER)
    }

    pub(super) fn purges(&self) -> PathBuf {
        self.path.join("purges")
    }

    /// Where a file is, once it is whole.
    pub(super) fn file(&self, filed: &Filed) -> PathBuf {
        let mut path = self.path.join("objects");
        path.push(filed.folder());
        path.push(filed.file());
        path
    }

    /// A file to be written.
    pub(super) fn new_file(&self, number: u64) -> PathBuf {
        self.path.join("new").join(format!("{number:x}"))
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Becomes the process that uses it; none if another one does.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        state::lock(&self.lock_path())
    }

    /// Makes its parts, and throws away what was never finished.
    pub(super) fn tidy(&self) -> io::Result<()> {
        for part in ["objects", "new"] {
            DirBuilder::new().recursive(true).mode(0o700).create(self.path.join(part))?;
        }
        for entry in fs::read_dir(self.path.join("new"))? {
            remove(&entry?.path())?;
        }
        Ok(())
    }

    /// Renames a file that is whole to where it belongs.
    pub(super) fn publish(&self, new: &Path, filed: &Filed) -> io::Result<()> {
        let file = self.file(filed);
        match fs::rename(new, &file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.path.join("objects").join(filed.folder());
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                fs::rename(new, &file)
            }
            renamed => renamed,
        }
    }

    /// The names of the folders that files are in.
    pub(super) fn parts() -> impl Iterator<Item = u64> {
        (0..256).map(|part| part << 56)
    }

    /// The files of one of these folders; what is not an answer's is left alone.
    pub(super) fn list(&self, of: u64) -> io::Result<Vec<Listed>> {
        let entries = match fs::read_dir(self.path.join("objects").join(folder_of(of))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(filed) = entry.file_name().to_str().and_then(Filed::read) else { continue };
            // It may just have gone.
            let Ok(facts) = entry.metadata() else { continue };
            let used = facts.modified().ok().and_then(|used| used.duration_since(UNIX_EPOCH).ok());
            let used = used.map_or(0, |used| used.as_nanos());
            if facts.is_file() && filed.folder() == folder_of(of) {
                found.push(Listed { filed, length: facts.len(), used });
            }
        }
        Ok(found)
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn said(error: io::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_strange(opened: &Opened) -> bool {
        !opened.folder.is_marked_by(&opened.secrets)
    }

    #[test]
    fn a_folder_keeps_its_secrets_and_takes_no_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        let open = |own| Folder::open(&path, own).unwrap();
        let (first, again) = (open(None), open(None));
        assert!(!is_strange(&first) && first.secrets == again.secrets);
        // A process that runs may have made void meanwhile what it has itself put there.
        let own = open(Some(first.secrets.partition));
        assert!(is_strange(&own) && own.secrets.partition == first.secrets.partition);
        let other = open(Some([1; 32]));
        assert!(is_strange(&other) && other.secrets.partition == [1; 32]);
        assert_ne!(other.secrets.seal, first.secrets.seal);
        // Until it is begun anew it is what it was.
        assert!(open(None).secrets == first.secrets);
        other.folder.begin_anew(&other.secrets).unwrap();
        assert!(open(None).secrets == other.secrets);
        for text in [&b""[..], b"janua cache 1\n", b"janua cache 2\n00\n00\n", b"\0", b"\xff\xfe"] {
            fs::write(path.join(MARKER), text).unwrap();
            assert!(is_strange(&open(None)), "{text:?}");
        }
    }

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("letter.txt"), "dear").unwrap();
        let problem = Folder::open(home.path(), None).unwrap_err();
        assert!(problem.contains("letter.txt"), "{problem}");
        assert!(Folder::open(&home.path().join("letter.txt"), None).is_err());
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
