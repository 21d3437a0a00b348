//! [`Sink`]: where the access log goes, and [`Output`], the same once opened.
//!
//! In: a path, batches of lines. Out: bytes at a file descriptor, with one write for a batch where the
//! system takes it whole. Nothing is kept back here: what a write did not take comes back as a failure.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IsTerminal as _, Write as _},
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::{fs::OFlags, io::Errno};

/// Where the access log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 0640 if it is not there.
    File(PathBuf),
}

/// Why an access log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be.
    #[error("cannot open the access log {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Standard output is closed.
    #[error("cannot write the access log to standard output: {0}")]
    Stdout(io::Error),
    /// There is no thread for it.
    #[error("cannot start the access log's thread: {0}")]
    Thread(io::Error),
}

/// A sink, open.
#[derive(Debug)]
pub(super) enum Output {
    /// A descriptor of our own for standard output: the library's own handle keeps half a line back
    /// after a failure, and calls a closed descriptor a success.
    Stdout(File),
    File {
        file: File,
        path: PathBuf,
    },
}

/// A write that was not taken whole.
#[derive(Debug)]
pub(super) struct Failure {
    /// Bytes of the batch that were written before.
    pub(super) written: usize,
    pub(super) error: io::Error,
}

impl Sink {
    pub(super) fn open(&self) -> Result<Output, OpenError> {
        match self {
            Self::Stdout => {
                let file = io::stdout().as_fd().try_clone_to_owned().map_err(OpenError::Stdout)?;
                Ok(Output::Stdout(file.into()))
            }
            Self::File(path) => Ok(Output::File { file: append(path)?, path: path.clone() }),
        }
    }
}

fn append(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        // A pipe without a reader is an error at once, rather than a load that hangs.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|source| match source.raw_os_error() {
            Some(code) if code == Errno::NXIO.raw_os_error() => {
                io::Error::new(source.kind(), "nobody reads from this pipe")
            }
            _ => source,
        })
        .map_err(|source| OpenError::File { path: path.to_owned(), source })
}

impl Output {
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout(file) | Self::File { file, .. } => file.is_terminal(),
        }
    }

    /// Whether nothing was written to it yet, as far as the system can tell.
    pub(super) fn is_empty(&self) -> bool {
        let (Self::Stdout(file) | Self::File { file, .. }) = self;
        file.metadata().is_ok_and(|data| data.len() == 0)
    }

    /// Opens the file anew; standard output stays what it is.
    pub(super) fn reopen(&mut self) -> Result<(), OpenError> {
        if let Self::File { file, path } = self {
            *file = append(path)?;
        }
        Ok(())
    }

    /// Writes a batch of whole lines.
    pub(super) fn write(&mut self, batch: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout(file) => {
                // Around a reload two logs may write here; a pipe would mix long batches.
                let _turn = io::stdout().lock();
                write_all(file, batch)
            }
            Self::File { file, .. } => write_all(file, batch),
        }
    }
}

/// `Write::write_all` that says how far it came, and that waits a second for a reader that is slow
/// and a descriptor that does not block.
fn write_all(file: &mut File, batch: &[u8]) -> Result<(), Failure> {
    const PAUSE: Duration = Duration::from_millis(10);
    let (mut written, mut patience) = (0, 100);
    while written < batch.len() {
        match file.write(&batch[written..]) {
            Ok(0) => return Err(Failure { written, error: ErrorKind::WriteZero.into() }),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && patience > 0 => {
                patience -= 1;
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(Failure { written, error }),
        }
    }
    Ok(())
}
