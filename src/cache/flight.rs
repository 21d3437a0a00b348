//! [`Flight`]: an answer on its way from the origin, for everybody who asked for it.
//!
//! In: what its [`Pilot`] finds out, and the body piece by piece. Out: for whoever waits a [`Landing`], once,
//! and the body by a [`Reader`] each, from its first piece. While the answer may be kept, all of it is held,
//! within bounds; when it is found to be too large, it is held no more and goes no faster than its slowest
//! reader takes it, but whoever takes next to nothing while others wait for more is cut. If the pilot is gone
//! without a word, everybody goes alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use slab::Slab;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    held::Held,
    object::Object,
    shelf::{Key, Seek},
};
use crate::reject::Reject;

/// Bytes that are held of an answer that is not kept, before its slowest reader has to take some. Who takes less
/// than these in all the time that others may have to wait is cut.
const AHEAD: u64 = 256 << 10;
/// Bytes that a piece takes beside its own: its place, what shares it, and what the allocator needs for both.
const PIECE: u64 = 128;

/// How much may be held, and for how long somebody may hold up others.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes of one answer.
    pub object: u64,
    /// Bytes of all answers on their way.
    pub filling: u64,
    /// Bytes of these and of all that are held already.
    pub all: u64,
    /// The time for which requests wait for others.
    pub wait: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Landing {
    /// An answer comes, with this head.
    Comes(Arc<Object>),
    /// What was kept may be given: its origin says that it holds.
    Holds(Arc<Object>),
    /// The origin failed; what was kept may still do for some.
    Failed {
        /// Why there is no answer; none if there is one, and it says so.
        reject: Option<Reject>,
        /// What was kept.
        stale: Option<Arc<Object>>,
    },
    /// Nobody but who asked may have it.
    Alone,
    /// The same, for what who asked brought (credentials, cookies): who brings nothing may have another.
    ForOne,
    /// Its origin was not asked: it is in memory now, or whoever wanted it went away.
    Again,
}

/// Who asks an origin.
#[derive(Debug)]
pub struct Asker {
    /// What it is asked, as far as answers may vary by it.
    pub request: HeaderMap,
    /// Whether that shows credentials by which answers are not told apart.
    pub authorized: bool,
    /// The number of what was made void last, when it began.
    pub stamp: u64,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Flight {
    /// Who asked for it.
    pub asker: Asker,
    landing: watch::Receiver<Option<Landing>>,
    body: Mutex<Body>,
}

#[derive(Debug, Default)]
struct Body {
    /// The number of the first piece that is held.
    first: usize,
    pieces: VecDeque<Bytes>,
    /// Bytes that these take.
    held: u64,
    /// Bytes that have come in all.
    came: u64,
    end: Option<End>,
    /// What readers still have when nothing more comes, counted.
    left: Option<Held>,
    /// Whether no more is held than somebody still has to read.
    passes: bool,
    readers: Slab<Place>,
    /// Readers without a next piece; counted up when they are woken.
    waiting: Vec<Waker>,
    round: u64,
    pilot: Option<Waker>,
}

/// Where a reader is.
#[derive(Debug, Default)]
struct Place {
    /// The number of its next piece.
    next: usize,
    /// Bytes that it has taken, and how many they were when that was looked at last.
    taken: u64,
    before: u64,
    /// It held up others for too long.
    is_cut: bool,
}

/// How a body ends.
#[derive(Clone, Debug)]
pub enum End {
    /// As it should; with these trailers.
    Whole(Option<HeaderMap>),
    /// It broke off.
    Broken(Reject),
}

/// Those whose keys have one digest.
type Here = Vec<(Key, Arc<Flight>)>;

/// Answers on their way, by what they are kept under.
#[derive(Debug, Default)]
pub struct Flights {
    on_their_way: Mutex<HashMap<u64, Here>>,
    /// Bytes of their bodies.
    filling: AtomicU64,
}

/// Who brings an answer.
#[derive(Debug)]
pub struct Pilot {
    flights: Arc<Flights>,
    key: Key,
    flight: Arc<Flight>,
    landing: watch::Sender<Option<Landing>>,
    room: Room,
    /// Bytes counted in `flights`.
    counted: u64,
    /// When it is looked at who holds up others, once the body is not held any more.
    looks: Option<Instant>,
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Turn {
    /// Somebody else's: the answer is on its way.
    Wait(Arc<Flight>),
    /// One's own.
    Lead(Pilot),
}

impl Flights {
    /// Waits for an answer that is on its way and may be the one for this request, or brings it. `suits` says
    /// whether it is, of who asked for it, and of its head, if that is known.
    pub fn join(
        self: &Arc<Self>,
        seek: &Seek<'_>,
        asker: impl FnOnce() -> Asker,
        room: Room,
        suits: impl Fn(&Asker, Option<&Arc<Object>>) -> bool,
    ) -> Turn {
        let mut all = self.on_their_way.lock();
        let here = all.entry(seek.hash()).or_default();
        let same = here.iter().filter(|(key, _)| seek.is(key));
        let fitting = |flight: &&Arc<Flight>| match &*flight.landing.borrow() {
            None => suits(&flight.asker, None),
            Some(Landing::Comes(head)) => {
                suits(&flight.asker, Some(head)) && !flight.body.lock().passes
            }
            Some(
                Landing::Holds(_)
                | Landing::Failed { .. }
                | Landing::Alone
                | Landing::ForOne
                | Landing::Again,
            ) => false,
        };
        if let Some(flight) = same.map(|(_, flight)| flight).find(fitting) {
            return Turn::Wait(flight.clone());
        }
        let pilot = self.apart(seek.to_key(), asker(), room);
        here.push((pilot.key.clone(), pilot.flight.clone()));
        Turn::Lead(pilot)
    }

    /// Brings an answer that nobody else waits for.
    pub fn apart(self: &Arc<Self>, key: Key, asker: Asker, room: Room) -> Pilot {
        let (landing, landed) = watch::channel(None);
        let flight = Arc::new(Flight { asker, landing: landed, body: Mutex::default() });
        Pilot { flights: self.clone(), key, flight, landing, room, counted: 0, looks: None }
    }

    /// Bytes of bodies that are on their way and may be kept.
    pub fn filling(&self) -> u64 {
        self.filling.load(Relaxed)
    }

    /// Answers that are on their way.
    pub fn len(&self) -> usize {
        self.on_their_way.lock().values().map(Vec::len).sum()
    }

    /// Requests that wait for them, or read them.
    pub fn readers(&self) -> usize {
        let all = self.on_their_way.lock();
        all.values().flatten().map(|(_, flight)| flight.body.lock().readers.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Flight {
    /// What comes of it, once that is known; it is not if its pilot is gone.
    pub async fn landed(&self) -> Option<Landing> {
        let mut landing = self.landing.clone();
        let landed = landing.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }

    /// Somebody who reads the body from its start, if that is still there.
    pub fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut body = self.body.lock();
        if body.first > 0 {
            return None;
        }
        let place = body.readers.insert(Place::default());
        Some(Reader { flight: self.clone(), place, registered: None, over: false })
    }
}

impl Pilot {
    /// What it brings.
    pub const fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// A digest of that.
    pub fn digest(&self) -> u64 {
        self.key.seek().hash()
    }

    /// What it is kept under.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Tells everybody what comes of it.
    pub fn land(&self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }

    /// Takes in a piece of the body. It is held as long as all of it may be kept; else when its readers are
    /// near enough, or those that hold up others are cut. Not taken if nobody is left who would.
    pub async fn bring(&mut self, piece: Bytes) -> bool {
        let length = piece.len() as u64;
        let taken = length + PIECE;
        let (kept, woken) = {
            let mut body = self.flight.body.lock();
            if !body.passes {
                let others = self.flights.filling.load(Relaxed);
                let Room { object, filling, all, .. } = self.room;
                body.passes = body.came + length > object
                    || others + taken > filling
                    || Held::all() + others + taken > all;
            }
            let kept = !body.passes;
            body.held += taken;
            body.came += length;
            body.pieces.push_back(piece);
            (kept, body.wake())
        };
        woken.into_iter().for_each(Waker::wake);
        if kept {
            self.counted += taken;
            self.flights.filling.fetch_add(taken, Relaxed);
            return true;
        }
        self.count_out();
        let wait = self.room.wait;
        let looks = self.looks.get_or_insert_with(|| Instant::now() + wait);
        loop {
            let room = std::future::poll_fn(|cx| self.flight.body.lock().poll_room(cx));
            match timeout_at(*looks, room).await {
                Ok(is_wanted) => return is_wanted,
                Err(_) => self.flight.body.lock().cut(),
            }
            *looks = Instant::now() + wait;
        }
    }

    /// All that came, if it was held.
    pub fn whole(&self) -> Option<Vec<Bytes>> {
        let body = self.flight.body.lock();
        (!body.passes).then(|| body.pieces.iter().cloned().collect())
    }

    /// Tells everybody that the body is over.
    pub fn end(&self, end: End) {
        let mut body = self.flight.body.lock();
        body.end = Some(end);
        let woken = body.wake();
        drop(body);
        woken.into_iter().for_each(Waker::wake);
    }

    fn count_out(&mut self) {
        self.flights.filling.fetch_sub(std::mem::take(&mut self.counted), Relaxed);
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.count_out();
        {
            let mut all = self.flights.on_their_way.lock();
            let digest = self.digest();
            if let Some(here) = all.get_mut(&digest) {
                here.retain(|(_, flight)| !Arc::ptr_eq(flight, &self.flight));
                if here.is_empty() {
                    all.remove(&digest);
                }
            }
        }
        let mut body = self.flight.body.lock();
        body.end.get_or_insert(End::Broken(Reject::UpstreamReset));
        if !body.readers.is_empty() {
            body.left = Some(Held::new(body.held));
        }
        let woken = body.wake();
        drop(body);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Body {
    /// Those who are to look again.
    fn wake(&mut self) -> Vec<Waker> {
        self.round += 1;
        std::mem::take(&mut self.waiting)
    }

    /// Lets go of what everybody has read; ready when there is room for more, or nobody is left.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(slowest) = self.reading().map(|place| place.next).min() else {
            return Poll::Ready(false);
        };
        while self.first < slowest
            && let Some(piece) = self.pieces.pop_front()
        {
            self.first += 1;
            self.held -= piece.len() as u64 + PIECE;
        }
        if self.held <= AHEAD {
            return Poll::Ready(true);
        }
        self.pilot = Some(cx.waker().clone());
        Poll::Pending
    }

    fn reading(&self) -> impl Iterator<Item = &Place> {
        self.readers.iter().map(|(_, place)| place).filter(|place| !place.is_cut)
    }

    /// Cuts those who took next to nothing since this was looked at last, if there is somebody whom they hold up.
    fn cut(&mut self) {
        let came = self.came;
        let is_behind = |place: &Place| came - place.taken > AHEAD / 2;
        let holds_up = self.reading().any(|place| !is_behind(place));
        for (_, place) in &mut self.readers {
            let took = place.taken - std::mem::replace(&mut place.before, place.taken);
            place.is_cut |= holds_up && is_behind(place) && took < AHEAD;
        }
    }
}

/// Somebody who reads a body on its way.
#[derive(Debug)]
pub struct Reader {
    flight: Arc<Flight>,
    place: usize,
    /// The round in which it is to be woken.
    registered: Option<u64>,
    over: bool,
}

impl Reader {
    /// The next piece, or the end.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        let mut body = self.flight.body.lock();
        let Place { next, is_cut, .. } = body.readers[self.place];
        if is_cut {
            self.over = true;
            return Poll::Ready(Err(End::Broken(Reject::WriteTimeout)));
        }
        if let Some(piece) = body.pieces.get(next - body.first).cloned() {
            let place = &mut body.readers[self.place];
            place.next += 1;
            place.taken += piece.len() as u64;
            let pilot = body.pilot.take();
            drop(body);
            if let Some(pilot) = pilot {
                pilot.wake();
            }
            return Poll::Ready(Ok(piece));
        }
        if let Some(end) = &body.end {
            self.over = true;
            return Poll::Ready(Err(end.clone()));
        }
        if self.registered != Some(body.round) {
            self.registered = Some(body.round);
            body.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether all was read.
    pub const fn is_over(&self) -> bool {
        self.over
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut body = self.flight.body.lock();
        body.readers.try_remove(self.place);
        let pilot = body.pilot.take();
        drop(body);
        if let Some(pilot) = pilot {
            pilot.wake();
        }
    }
}
