//! Signals, as turns of process life.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open log files anew.
    Reopen,
    /// SIGTERM, SIGINT, SIGQUIT: end.
    End(&'static str),
}

/// The signals that this process listens to. From here on none of them ends it by itself.
pub(super) struct Signals {
    hangup: Stream,
    user1: Stream,
    terminate: Stream,
    interrupt: Stream,
    quit: Stream,
}

impl Signals {
    /// Listens; within the runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End("SIGTERM"),
            _ = self.interrupt.recv() => Signal::End("SIGINT"),
            _ = self.quit.recv() => Signal::End("SIGQUIT"),
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.user1.recv() => Signal::Reopen,
        }
    }
}
