//! [`Descriptors`]: the process's file descriptors, and those of them that clients do not get.
//!
//! Clients come in any number; without a part kept back they would leave none for the origins that their
//! requests go to, nor for the operator who would look what is the matter.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

use rustix::{
    io::{Errno, fcntl_dupfd_cloexec},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// The share that is kept for others than clients: a quarter.
const SHARE: u64 = 4;

/// The descriptors of this process.
#[derive(Clone, Copy, Debug)]
pub struct Descriptors {
    /// Numbers from here on are not for clients.
    reserved: u64,
}

impl Descriptors {
    /// As many as the system allows, which is often more than it gives without being asked.
    pub fn raise() {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum {
            // What cannot be had is done without.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        }
    }

    /// Those that the process may have now.
    pub fn of_process() -> Self {
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self { reserved: most - most / SHARE }
    }

    /// Whether this one is kept for others than clients. The system gives the lowest number that is
    /// free, so a number tells how many are in use.
    #[inline]
    pub fn is_reserved(self, descriptor: &impl AsFd) -> bool {
        let number = descriptor.as_fd().as_raw_fd();
        u64::try_from(number).is_ok_and(|number| number >= self.reserved)
    }

    /// Whether another would be, asked by means of one that is open.
    ///
    /// # Errors
    /// There is none left at all.
    pub fn are_short(self, open: &impl AsFd) -> io::Result<bool> {
        Ok(self.is_reserved(&fcntl_dupfd_cloexec(open, 0)?))
    }
}

/// Whether the system has no descriptors or memory left, which passes.
pub fn is_exhausted(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_kept_back() {
        let file = tempfile::tempfile().unwrap();
        let number = u64::try_from(file.as_raw_fd()).unwrap();
        for (reserved, is) in [(number, true), (number + 1, false), (0, true), (u64::MAX, false)] {
            assert_eq!(Descriptors { reserved }.is_reserved(&file), is, "{reserved}");
        }
        assert!(!Descriptors { reserved: u64::MAX }.are_short(&file).unwrap());
        assert!(Descriptors { reserved: 0 }.are_short(&file).unwrap());
    }
}
