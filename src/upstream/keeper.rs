//! Looks after an upstream's endpoints on the control side: asks them, and sees to it that who is left out
//! comes back.
//!
//! A task for the upstream, one for each endpoint that is asked, and one for each source of endpoints. They live until the configuration that
//! they are of holds no more; what they found out stays with the endpoint.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    discovered::{Following, follow},
    endpoint::Endpoint,
    roster::Roster,
};
use crate::{
    config::{Start, UpstreamProtocol},
    health::Check,
    reject::Reject,
};

/// Endpoints that are asked at the same time, of all upstreams: what else is due waits.
static ROOM: Semaphore = Semaphore::const_new(256);

/// Looked at at least so often, whatever happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// What looks after a roster, until it is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    _keeper: AbortOnDropHandle<()>,
    _following: Following,
}

/// Looks after the endpoints of this roster until it is gone.
pub(super) fn keep(roster: &Arc<Roster>) -> Kept {
    if roster.check.is_none() {
        let members = roster.members();
        members.list.iter().for_each(|member| member.endpoint.origin.health.forget_answers());
    }
    let mut asked = Asked { check: roster.check.clone().map(Arc::new), tasks: HashMap::new() };
    asked.follow(roster);
    let weak = Arc::downgrade(roster);
    let keeper = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(roster) = weak.upgrade() {
            let now = Instant::now();
            roster.refresh(now);
            asked.follow(&roster);
            let due = roster.next_return(now).unwrap_or(now + PATIENCE);
            tokio::select! {
                () = roster.news.notified() => {}
                () = sleep_until(due) => {}
            }
        }
    }));
    Kept { _keeper: keeper, _following: follow(roster) }
}

/// The endpoints that are asked, each by a task of its own.
struct Asked {
    check: Option<Arc<Check>>,
    /// By where the endpoint is in memory: its task keeps it there.
    tasks: HashMap<usize, AbortOnDropHandle<()>>,
}

impl Asked {
    /// Begins to ask those that came, and ends asking those that went.
    fn follow(&mut self, roster: &Arc<Roster>) {
        let Some(check) = &self.check else { return };
        let members = roster.members();
        let there: HashMap<_, _> =
            members.list.iter().map(|it| (place(&it.endpoint), &it.endpoint)).collect();
        self.tasks.retain(|endpoint, _| there.contains_key(endpoint));
        for (at, endpoint) in there {
            self.tasks.entry(at).or_insert_with(|| {
                let asking = ask(Arc::downgrade(roster), endpoint.clone(), check.clone());
                AbortOnDropHandle::new(tokio::spawn(asking))
            });
        }
    }
}

/// Where an endpoint is in memory.
fn place(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Asks an endpoint again and again.
async fn ask(roster: Weak<Roster>, endpoint: Arc<Endpoint>, check: Arc<Check>) {
    let every = check.settings.every.0;
    let origin = &endpoint.origin;
    let first = match (origin.health.last_asked(), check.settings.start) {
        (Some(asked), _) => asked + every,
        // They are not all asked at once.
        (None, Start::Up) => Instant::now() + every.mul_f64(fastrand::f64()),
        // Somebody may be waiting for it.
        (None, Start::Down | Start::Checked) => Instant::now(),
    };
    sleep_until(first).await;
    loop {
        let Ok(room) = ROOM.acquire().await else { return };
        let now = Instant::now();
        let limit = check.settings.timeout.0;
        let answer = timeout(limit, endpoint.is_well(&check)).await;
        drop(room);
        let late = |_| Some(Err(format!("no answer within {limit:?}")));
        let answer = answer.unwrap_or_else(late);
        let Some(roster) = roster.upgrade() else { return };
        if let Some(answer) = answer {
            take_in(&roster, &endpoint, &check, answer, now);
        }
        drop(roster);
        sleep_until(now + every.mul_f64(0.9 + fastrand::f64() / 5.0)).await;
    }
}

/// Takes in what an endpoint answered, and says so if it is news.
fn take_in(
    roster: &Roster,
    endpoint: &Endpoint,
    check: &Check,
    answer: Result<(), String>,
    now: Instant,
) {
    let (rise, fall) = (check.settings.rise, check.settings.fall);
    let counter = usize::from(answer.is_err());
    roster.metrics.checks[counter].inc();
    let wrong = answer.as_ref().err().cloned();
    let origin = &endpoint.origin;
    let Some(up) = origin.health.asked(answer, (rise, fall), now) else { return };
    let (upstream, endpoint) = (&*roster.name, &*origin.name);
    match wrong {
        Some(wrong) => tracing::warn!(upstream, endpoint, wrong, "an endpoint is down"),
        None => tracing::info!(upstream, endpoint, "an endpoint is up"),
    }
    debug_assert_eq!(up, origin.health.wrong().is_none());
    roster.news.notify_one();
}

impl Endpoint {
    /// Asks whether it is well; none if the system has nothing left to ask with.
    async fn is_well(&self, check: &Check) -> Option<Result<(), String>> {
        let origin = &self.origin;
        let protocol = match check.needs_http2() {
            true => UpstreamProtocol::Http2,
            false => origin.settings.protocol,
        };
        let (stream, is_http2) = match origin.open(protocol, None).await {
            Ok(opened) => opened,
            Err(failure) if failure.reject == Reject::OverloadSystem => return None,
            Err(failure) => {
                let reason = failure.reject.reason();
                let told = |source| format!("{reason}: {source}");
                return Some(Err(failure.source.map_or_else(|| reason.to_owned(), told)));
            }
        };
        let authority = &origin.settings.address.authority;
        let answer = check.ask(stream, is_http2, authority).await;
        Some(answer.map_err(|error| error.to_string()))
    }
}
