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
    user2: Stream,
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
            user2: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The next one that wants something. SIGUSR2 does not, and ends nobody by mistake either: others change
    /// their binary by it.
    pub(super) async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Signal::End("SIGTERM"),
                _ = self.interrupt.recv() => return Signal::End("SIGINT"),
                _ = self.quit.recv() => return Signal::End("SIGQUIT"),
                _ = self.hangup.recv() => return Signal::Reload,
                _ = self.user1.recv() => return Signal::Reopen,
                _ = self.user2.recv() => tracing::warn!("SIGUSR2 means nothing here"),
            }
        }
    }
}
