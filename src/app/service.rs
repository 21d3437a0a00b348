//! What the service manager is told: systemd, or whatever understands `sd_notify(3)`.
//!
//! In: the turns of process life. Out: datagrams to the socket that `NOTIFY_SOCKET` names, and
//! nothing at all where there is none. A manager that does not listen is no reason to stop.

use std::time::Duration;

use sd_notify::NotifyState::{self, MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog};

/// All that must be bound is bound.
pub(super) fn ready() {
    tell(&[Ready, Status("serving")]);
}

/// A reload begins. The manager wants to know when, by the monotonic clock.
pub(super) fn reloading() {
    let now = NotifyState::monotonic_usec_now().unwrap_or(MonotonicUsec(0));
    tell(&[Reloading, now]);
}

/// A reload has ended, well or not: either way something is served.
pub(super) fn reloaded(well: bool) {
    let refused = "serving; the last reload was refused, the log says why";
    tell(&[Ready, Status(if well { "serving" } else { refused })]);
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[Stopping, Status("draining")]);
}

/// Tells the manager for ever that the process is alive, twice as often as it wants to hear it; only
/// if it does. A control runtime that hangs says nothing and is restarted.
pub(super) async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut interval = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        interval.tick().await;
        tell(&[Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
