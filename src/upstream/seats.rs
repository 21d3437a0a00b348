//! [`Seats`]: how many requests each endpoint may have at a time, and who waits for one to have room.
//!
//! In: requests that are to be sent. Out: an endpoint, and a [`Seat`] there until the answer has ended. An
//! endpoint that is full is passed over as if it were not there; if all are, a request waits in a line of
//! bounded length, first come, first served, whatever worker it is on. A seat that becomes free looks at one
//! atomic to see whether somebody waits.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{
            AtomicU32,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Call, endpoint::Origin, members::Comer, pool::Pool, roster::Roster};
use crate::{
    config::{self, Path, Problem, Problems},
    metrics::UpstreamMetrics,
    reject::Reject,
    worker::Deadline,
};

/// How often whoever waits looks again without being told.
const AGAIN: Duration = Duration::from_millis(100);

/// How many requests each endpoint may have at a time.
#[derive(Debug)]
pub(super) struct Seats {
    /// At each endpoint that has no bound of its own, if that is said.
    most: Option<u32>,
    /// At each, whatever is said.
    connections: u32,
    queue: Option<config::Queue>,
    line: Arc<Line>,
    metrics: Arc<UpstreamMetrics>,
}

/// Who waits. It outlives a reload, as those do who will make room.
#[derive(Debug, Default)]
struct Line {
    /// How many there are: looked at without the lock.
    length: AtomicU32,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The number of who came last.
    last: u64,
    waiters: VecDeque<(u64, Waker)>,
}

/// A request's place at an endpoint.
#[derive(Debug)]
pub(super) struct Seat {
    origin: Arc<Origin>,
    line: Arc<Line>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.origin.load.stand_up();
        self.line.look();
    }
}

/// An endpoint, and a place there.
pub(super) type Seated = (Arc<Pool>, Seat);

impl Seats {
    /// Compiles `max-requests` and `queue` of an upstream at `at`; with a queue also `max-connections`, if a
    /// connection is one request's alone.
    pub(super) fn compile(
        upstream: &config::Upstream,
        alone: bool,
        previous: Option<&Self>,
        metrics: &Arc<UpstreamMetrics>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Option<Self>> {
        let before = problems.iter().len();
        let mut wrong = |at: Path, message: &str, help: &str| {
            problems.push(Problem::error(at, message).help(help));
        };
        let own = upstream.endpoints.iter().enumerate();
        let own = own.filter_map(|(index, endpoint)| Some((index, endpoint.max_requests()?)));
        let own: Vec<_> = own.collect();
        let places = own.iter().map(|(index, most)| (at.key("endpoints").index(*index), *most));
        let places = places.chain(upstream.max_requests.map(|most| (at.clone(), most)));
        for (at, _) in places.filter(|(_, most)| *most == 0) {
            let help = "leave it out, or write what an endpoint has room for";
            wrong(at.key("max-requests"), "no request could be sent", help);
        }
        if let Some(queue) = &upstream.queue {
            let at = at.key("queue");
            let message = match (upstream.max_requests, upstream.max_connections) {
                (Some(_), _) => None,
                _ if !own.is_empty() => None,
                (None, Some(_)) if alone => None,
                (None, Some(_)) => Some("a connection of HTTP/2 takes several: who is to wait?"),
                (None, None) => Some("nobody would wait: endpoints take what comes"),
            };
            if let Some(message) = message {
                wrong(at.clone(), message, "say how much is enough for one: max-requests = 100");
            }
            if queue.size == 0 {
                wrong(at.key("size"), "nobody could wait", "to have no queue, leave it out");
            }
            if queue.time.0.is_zero() {
                wrong(at.key("time"), "nobody could wait", "to have no queue, leave it out");
            }
        }
        if problems.iter().len() > before {
            return None;
        }
        let connections = upstream.max_connections.filter(|_| alone && upstream.queue.is_some());
        let (most, is_on) = (upstream.max_requests, connections.is_some() || !own.is_empty());
        Some((is_on || most.is_some()).then(|| Self {
            most,
            connections: connections.unwrap_or(u32::MAX),
            queue: upstream.queue.clone(),
            line: previous.map(|previous| previous.line.clone()).unwrap_or_default(),
            metrics: metrics.clone(),
        }))
    }

    /// Requests that an endpoint may have of which nothing else is said; none if as many as come.
    pub(super) fn most(&self) -> Option<u32> {
        Some(self.of(0)).filter(|most| *most < u32::MAX)
    }

    /// The same of one that has this bound of its own, if it is not 0.
    #[inline]
    fn of(&self, own: u32) -> u32 {
        let own = if own > 0 { Some(own) } else { self.most };
        own.unwrap_or(u32::MAX).min(self.connections)
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> u32 {
        self.line.length.load(Relaxed)
    }

    /// A place for a request that comes: none if all are taken, or others wait for one already.
    #[inline]
    pub(super) fn first(&self, roster: &Roster, comer: &Comer<'_>) -> Option<Seated> {
        if self.line.length.load(SeqCst) > 0 {
            return None;
        }
        self.any(roster, comer)
    }

    /// A place where it is whose turn it is, or at the next that has one.
    fn any(&self, roster: &Roster, comer: &Comer<'_>) -> Option<Seated> {
        let first = roster.first(comer)?;
        self.sit(first.clone()).or_else(|| self.after(roster, comer, &[first]))
    }

    /// A place at an endpoint that was not tried: the one that is chosen, or the nearest after the first that was.
    pub(super) fn after(
        &self,
        roster: &Roster,
        comer: &Comer<'_>,
        tried: &[Arc<Pool>],
    ) -> Option<Seated> {
        if let Some(seated) = roster.next(comer, tried).and_then(|pool| self.sit(pool)) {
            return Some(seated);
        }
        let worker = comer.worker;
        let members = roster.members();
        let is_first = |pool: &Arc<Pool>| tried.first().is_some_and(|it| Arc::ptr_eq(it, pool));
        let mut list = members.list.iter();
        let at = list.position(|member| is_first(member.endpoint.pool(worker))).unwrap_or(0);
        let (before, from) = members.list.split_at(at);
        let others = from.iter().chain(before).filter(|member| members.uses(member));
        let mut others = others
            .map(|member| member.endpoint.pool(worker))
            .filter(|pool| !tried.iter().any(|tried| Arc::ptr_eq(tried, pool)));
        others.find_map(|pool| self.sit(pool.clone()))
    }

    fn sit(&self, pool: Arc<Pool>) -> Option<Seated> {
        let most = self.of(pool.origin.max_requests.load(Relaxed));
        let sits = pool.origin.load.sit_down(most);
        sits.then(|| {
            let seat = Seat { origin: pool.origin.clone(), line: self.line.clone() };
            (pool, seat)
        })
    }

    /// Waits for a place, if that may be.
    ///
    /// # Errors
    /// There is no endpoint, no place to wait, or no place to be had in time.
    pub(super) async fn wait(
        &self,
        roster: &Roster,
        call: &mut Call<'_>,
    ) -> Result<Seated, Reject> {
        let (worker, comer) = (call.worker, call.comer());
        if roster.first(&comer).is_none() {
            return Err(Reject::NoEndpoint);
        }
        let Some(queue) = &self.queue else { return Err(Reject::UpstreamBusy) };
        let place = Place::new(&self.line, queue.size).ok_or(Reject::QueueFull)?;
        let begun = Instant::now();
        let mut deadline = Deadline::new(&worker.clock, queue.time.0);
        // An endpoint that comes back tells nobody.
        let mut again = Deadline::new(&worker.clock, AGAIN);
        let seated = poll_fn(|cx| {
            while again.poll(cx).is_ready() {
                again.reset(AGAIN);
            }
            if place.is_next(cx.waker())
                && let Some(seated) = self.any(roster, &comer)
            {
                return Poll::Ready(Ok(seated));
            }
            if let Some(total) = &mut call.total
                && total.poll(cx).is_ready()
            {
                return Poll::Ready(Err(Reject::TotalTimeout));
            }
            deadline.poll(cx).map(|()| Err(Reject::QueueTimeout))
        })
        .await;
        drop(place);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.metrics.at(worker.index).queue_wait.record(micros);
        seated
    }
}

impl Line {
    /// Has whoever waits longest look again, if anybody waits.
    #[inline]
    fn look(&self) {
        // Who waits counts itself first and looks for a place then; who makes room does it the other way
        // round: one of the two sees the other.
        if self.length.load(SeqCst) > 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if let Some((_, waker)) = self.waiting.lock().waiters.front() {
            waker.wake_by_ref();
        }
    }
}

/// A place in the line; it is given up however the wait ends.
struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl<'a> Place<'a> {
    /// The last place, unless there are so many.
    fn new(line: &'a Line, most: u32) -> Option<Self> {
        let mut waiting = line.waiting.lock();
        if waiting.waiters.len() >= most as usize {
            return None;
        }
        waiting.last += 1;
        let number = waiting.last;
        waiting.waiters.push_back((number, Waker::noop().clone()));
        line.length.fetch_add(1, SeqCst);
        Some(Self { line, number })
    }

    /// Whether nobody waits longer. Whoever this is for is woken when there may be room.
    fn is_next(&self, waker: &Waker) -> bool {
        let mut waiting = self.line.waiting.lock();
        let index = waiting.waiters.partition_point(|(number, _)| *number < self.number);
        if let Some((_, known)) = waiting.waiters.get_mut(index) {
            known.clone_from(waker);
        }
        index == 0
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.waiting.lock();
        let index = waiting.waiters.partition_point(|(number, _)| *number < self.number);
        waiting.waiters.remove(index);
        self.line.length.fetch_sub(1, SeqCst);
        drop(waiting);
        // There may be room for the next one too.
        self.line.look();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, task::Wake};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn who_waits_longest_is_next_and_who_leaves_makes_room() {
        let line = Line::default();
        let woken: [Arc<Woken>; 3] = Default::default();
        let wakers = woken.each_ref().map(|woken| Waker::from(woken.clone()));
        let counts = || woken.each_ref().map(|woken| woken.0.load(Relaxed));
        let places = [(); 3].map(|()| Place::new(&line, 3).unwrap());
        assert!(Place::new(&line, 3).is_none(), "it is full");
        let mut next = places.iter().zip(&wakers).map(|(place, waker)| place.is_next(waker));
        assert!(next.next().unwrap() && !next.next().unwrap() && !next.next().unwrap());
        drop(next);
        line.look();
        assert_eq!(counts(), [1, 0, 0]);
        let [first, second, third] = places;
        drop(second);
        assert_eq!(counts(), [2, 0, 0], "who leaves from the middle changes nobody's turn");
        drop(first);
        assert_eq!(counts(), [2, 0, 1]);
        assert!(third.is_next(&wakers[2]));
        drop(third);
        assert_eq!(line.length.load(Relaxed), 0);
        line.look();
        assert_eq!(counts(), [2, 0, 1]);
    }
}
