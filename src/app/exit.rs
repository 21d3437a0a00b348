//! [`Exit`]: what the process says at its end, to scripts and to the service manager.

use std::process::ExitCode;

/// How a run of the program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Well. So is an end that was asked for, even if clients had to be cut: the log says how many.
    Ok = 0,
    /// It was tried and did not work.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration is at fault: trying again is of no use (`EX_CONFIG`).
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What `--help` says of it.
pub(super) const HELP: &str = "\
Exit codes:
   0  all went well; after SIGTERM too, and the log says whether clients had to be cut
   1  it did not work
   2  the command line makes no sense
  78  the configuration is at fault, so that trying again is of no use

Signals, while it runs:
  HUP        read the configuration again; open log files anew
  USR1       open log files anew
  TERM, INT  end gently (server.drain); once more: end now
  QUIT       as TERM";
