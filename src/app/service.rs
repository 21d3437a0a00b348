//! What the service manager is told: systemd, or whatever understands `sd_notify(3)`.
//!
//! In: the turns of process life. Out: datagrams to the socket that `NOTIFY_SOCKET` names, and
//! nothing at all where there is none. A manager that does not listen is no reason to stop.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use sd_notify::NotifyState::{self, MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog};
use tokio::time::MissedTickBehavior;

use crate::server::Pulse;

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

/// Tells the manager for ever that all is well, if it wants to hear it and for as long as it is true.
pub(super) async fn watchdog(pulse: Pulse) {
    if let Some(patience) = sd_notify::watchdog_enabled() {
        attest(patience, || pulse.beat(), || tell(&[Watchdog])).await;
    }
}

/// Four times as often as the manager wants to hear it: who hangs for half of that time and comes back
/// is not missed. A control runtime that hangs says nothing either.
async fn attest(patience: Duration, well: impl Fn() -> bool, tell: impl Fn()) {
    let mut interval = tokio::time::interval((patience / 4).max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if well() {
            tell();
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = send(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

/// Not by the crate that has the words: it takes a name in the abstract namespace, with an `@` before it,
/// for a path.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    UnixDatagram::unbound()?.send_to_addr(lines.join("\n").as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        app::{Gateway, Source},
        server::Passed,
    };

    #[tokio::test]
    async fn every_worker_is_asked_and_answers() {
        let text = "[server]\nworkers = 3\n[log]\naccess = \"off\"\n[admin]\naddress = \"off\"\n\
            [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nto = \"echo\"\n";
        let source = Source::Text("a test".into(), text.into());
        let gateway =
            Gateway::start(source, Passed::default(), None).await.unwrap_or_else(|report| {
                panic!("{}", report.text(false));
            });
        let pulse = gateway.pulse().clone();
        assert_eq!(pulse.workers(), 3);
        let answers = async {
            for _ in 0..3 {
                while !pulse.beat() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), answers).await.unwrap();
        gateway.stop().await;
        assert_eq!(pulse.workers(), 0, "who was told to end is not missed");
        assert!(pulse.beat());
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_hears_nothing_while_all_is_not_well() {
        let patience = Duration::from_secs(30);
        let (well, told) = (Cell::new(true), Cell::new(0));
        let attesting = attest(patience, || well.get(), || told.set(told.get() + 1));
        let acts = async {
            for (is_well, expected) in [(true, 40..=41), (false, 0..=0), (true, 40..=40)] {
                well.set(is_well);
                told.set(0);
                tokio::time::sleep(patience * 10 + Duration::from_millis(1)).await;
                assert!(expected.contains(&told.get()), "{is_well}: {}", told.get());
            }
        };
        tokio::select! {
            () = attesting => {}
            () = acts => {}
        }
    }
}
