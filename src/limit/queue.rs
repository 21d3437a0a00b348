//! [`Queue`]: those who wait for their turn at a limit. Nobody else comes here.
//!
//! In: a request over its limit, with how long it may wait. Out: its turn, or that there is none. Each key
//! has a [`Lane`], in which its clients take turns. Of those who wait in a lane one *drives* it: its timer
//! goes off when whoever is next may go. When it has gone itself it hands that on. So there is no task that
//! could die with its worker, and a request that is dropped takes itself out.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{
            AtomicU32,
            Ordering::{Relaxed, SeqCst},
            fence,
        },
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::{
    lane::{Lane, Waiter},
    shared::Name,
    state::{Blocked, Claim, State},
    turn::{Ear, NoTurn, Turn, Words},
    turns::{Contender, Turns},
};

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Who waits, by some bits of the key: with this, those who need not wait take no lock.
    busy: [AtomicU32; BUSY],
    inner: Mutex<Inner>,
}

const BUSY: usize = 32;

#[derive(Debug, Default)]
struct Inner {
    lanes: HashMap<u64, Line>,
    /// The lanes of tiers with a rate of their own, by the key of everybody: those of one wait for the same others
    /// to end.
    beside: HashMap<u64, Beside>,
    /// How many places each client has, in all lanes. Who has none is not in it.
    held: HashMap<u64, usize>,
    waiting: usize,
    last: u64,
    turns: u64,
}

/// The lanes of tiers, and whose turn it is of those and everybody's.
#[derive(Debug, Default)]
struct Beside {
    lanes: Vec<u64>,
    turns: Turns,
}

/// A lane, and whose timer moves it.
#[derive(Debug, Default)]
struct Line {
    /// The key of everybody that its own was made of.
    base: u64,
    lane: Lane<Waits>,
    /// Its clock among those that it takes turns with, and when it had a turn.
    clock: u64,
    went: u64,
    driver: Option<(u64, Arc<Ear>)>,
    /// For when the driver's timer is set.
    set: Option<u64>,
    /// Whether it is the rate that whoever is first waits for, rather than others to end.
    timed: bool,
}

/// Somebody who waits.
#[derive(Debug)]
struct Waits {
    /// What it takes from: a reload may have made another, whose requests wait here too.
    state: Arc<State>,
    claim: Claim,
    /// The key as a store has it, if it is to be asked.
    name: Name,
    client: u64,
    came: u64,
    good: bool,
    ear: Arc<Ear>,
}

/// Who wants to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comer {
    pub(super) claim: Claim,
    pub(super) client: u64,
    pub(super) class: usize,
    /// Whether others have its key, too, though not everybody.
    pub(super) shared: bool,
    /// How long it may wait.
    pub(super) patience: Duration,
    /// As many may wait.
    pub(super) most: usize,
    pub(super) now: Instant,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Seat {
    state: Arc<State>,
    comer: Comer,
    id: u64,
    ear: Arc<Ear>,
}

impl Queue {
    /// Whether somebody may wait under this key, or under one that shares its bits.
    #[inline]
    pub(super) fn waits(&self, key: u64) -> bool {
        self.busy(key).load(Relaxed) > 0
    }

    fn busy(&self, key: u64) -> &AtomicU32 {
        &self.busy[(key >> 59) as usize]
    }

    /// How many wait, and how many of them under a key.
    pub(super) fn len(&self, key: u64) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.waiting, inner.lanes.get(&key).map_or(0, |line| line.lane.len()))
    }

    /// How many of a client's wait under a key.
    pub(super) fn of(&self, key: u64, client: u64) -> usize {
        self.inner.lock().lanes.get(&key).map_or(0, |line| line.lane.of(client))
    }

    /// Takes a place in the queue, unless there is none or its turn would come too late. `name` makes the key as a
    /// store has it, also where there is none: a reload may bring one meanwhile.
    pub(super) fn sit(
        &self,
        state: &Arc<State>,
        comer: Comer,
        name: impl FnOnce() -> Name,
    ) -> Result<Seat, NoTurn> {
        let Comer { claim, client, class, now, .. } = comer;
        let came = state.time(now);
        let mut inner = self.inner.lock();
        let turn = inner.turn(state, &comer, came);
        let late = turn.is_some_and(|turn| turn > came + nanos(comer.patience));
        if late || !inner.has_room(&comer) {
            return Err(no_turn(turn, claim, came));
        }
        self.busy(claim.key).fetch_add(1, SeqCst);
        fence(SeqCst);
        inner.last += 1;
        inner.waiting += 1;
        *inner.held.entry(client).or_default() += 1;
        let (id, good) = (inner.last, class == 0);
        state.metrics.waiting(good).inc();
        let ear = Arc::new(Ear::default());
        let (own, heard) = (state.clone(), ear.clone());
        // A digest, which those who find no room are spared: a flood is of them.
        let name = name();
        let waits = Waits { state: own, claim, name, client, came, good, ear: heard };
        let line = inner.line(claim);
        line.lane.push(client, class, Waiter { id, cost: claim.cost, what: waits });
        self.advance(&mut inner, claim.key, came);
        drop(inner);
        Ok(Seat { state: state.clone(), comer, id, ear })
    }

    /// Lets those go under a key whose turn has come, if somebody waits.
    pub(super) fn move_on(&self, key: u64, now: u64) {
        if self.waits(key) {
            self.advance(&mut self.inner.lock(), key, now);
        }
    }

    /// Somebody has ended: lets those go under a key whose turn has come, and under what tiers make of it. Where
    /// several lanes wait they take turns.
    pub(super) fn release(&self, base: u64, now: u64) {
        let mut inner = self.inner.lock();
        if !inner.beside.contains_key(&base) {
            return self.advance(&mut inner, base, now);
        }
        let mut lanes = inner.lanes_of(base);
        while let Some((at, next)) = inner.next_of(base, &lanes) {
            if self.step(&mut inner, next.key, now) {
                inner.went(base, &next, &lanes);
                lanes[at] = inner.contender(next.key).unwrap_or(next);
            } else {
                lanes.swap_remove(at);
            }
        }
    }

    fn advance(&self, inner: &mut Inner, key: u64, now: u64) {
        while self.step(inner, key, now) {}
    }

    /// Lets whoever is next in a lane go, if its turn has come; whether it went. If not, its timer is set.
    fn step(&self, inner: &mut Inner, key: u64, now: u64) -> bool {
        let Some(line) = inner.lanes.get_mut(&key) else { return false };
        let Some(first) = line.lane.first() else {
            inner.close(key);
            return false;
        };
        let Waits { ref state, claim, name, came, .. } = first.what;
        let told = match state.take_late((claim, &name), (came, line.timed), now) {
            Ok(taken) => Ok(taken),
            // Nobody's turn comes before the store does.
            Err(blocked @ Blocked::Unavailable) => Err(NoTurn { after: None, blocked }),
            Err(Blocked::Until(time)) => {
                line.timed = true;
                line.drive(time);
                return false;
            }
            Err(
                Blocked::Running
                | Blocked::Queue
                | Blocked::Quota(_)
                | Blocked::Never
                | Blocked::Ask,
            ) => {
                line.timed = false;
                return false;
            }
        };
        let Some(Waiter { id, what, .. }) = line.lane.pop() else { return false };
        inner.waiting -= 1;
        inner.turns += 1;
        line.went = inner.turns;
        has_left(&mut inner.held, what.client);
        self.busy(key).fetch_sub(1, Relaxed);
        what.state.metrics.waiting(what.good).dec();
        if line.driver.as_ref().is_some_and(|(driver, _)| *driver == id) {
            line.driver = None;
        }
        what.ear.go(told.map(|taken| Turn::new(taken, what.state, claim)));
        true
    }

    fn leave(&self, state: &Arc<State>, comer: &Comer, id: u64) {
        let key = comer.claim.key;
        let mut inner = self.inner.lock();
        let Some(line) = inner.lanes.get_mut(&key) else { return };
        let Some(left) = line.lane.remove(comer.client, id) else { return };
        if line.driver.as_ref().is_some_and(|(driver, _)| *driver == id) {
            line.driver = None;
        }
        inner.waiting -= 1;
        has_left(&mut inner.held, comer.client);
        self.busy(key).fetch_sub(1, Relaxed);
        state.metrics.waiting(left.what.good).dec();
        self.advance(&mut inner, key, state.time(Instant::now()));
    }
}

impl Inner {
    /// The lane of a claim.
    fn line(&mut self, claim: Claim) -> &mut Line {
        let (key, base) = (claim.key, claim.base());
        if key != base && !self.lanes.contains_key(&key) {
            self.open(key, base);
        }
        let clock = || self.beside.get(&base).map_or(0, |beside| beside.turns.start());
        self.lanes.entry(key).or_insert_with(|| Line { base, clock: clock(), ..Line::default() })
    }

    /// A tier's lane comes beside everybody's.
    fn open(&mut self, key: u64, base: u64) {
        let beside = self.beside.entry(base).or_insert_with(|| {
            let turns = Turns::default();
            if let Some(everybody) = self.lanes.get_mut(&base) {
                everybody.clock = if everybody.went > 0 { turns.alone() } else { turns.start() };
            }
            Beside { lanes: Vec::new(), turns }
        });
        beside.lanes.push(key);
    }

    /// The lanes under a key, everybody's and those of tiers.
    fn lanes_of(&self, base: u64) -> Vec<Contender> {
        let beside = self.beside.get(&base).into_iter().flat_map(|beside| &beside.lanes);
        beside.chain([&base]).filter_map(|key| self.contender(*key)).collect()
    }

    /// How a lane stands in which somebody waits.
    fn contender(&self, key: u64) -> Option<Contender> {
        let line = self.lanes.get(&key)?;
        let (class, clients) = line.lane.best()?;
        let came = line.lane.first()?.what.came;
        Some(Contender { key, class, clients, clock: line.clock, last: (line.went, came) })
    }

    /// Which of some lanes is next.
    fn next_of(&self, base: u64, lanes: &[Contender]) -> Option<(usize, Contender)> {
        let at = match self.beside.get(&base) {
            Some(beside) => beside.turns.next(lanes)?,
            None => 0,
        };
        lanes.get(at).map(|next| (at, *next))
    }

    /// One of some lanes had its turn.
    fn went(&mut self, base: u64, went: &Contender, lanes: &[Contender]) {
        if let Some(beside) = self.beside.get_mut(&base)
            && let Some(line) = self.lanes.get_mut(&went.key)
        {
            line.clock = beside.turns.turn_of(went, lanes);
        }
    }

    /// Takes a lane out that is empty.
    fn close(&mut self, key: u64) {
        let Some(Line { base, .. }) = self.lanes.remove(&key) else { return };
        if let Entry::Occupied(mut beside) = self.beside.entry(base) {
            beside.get_mut().lanes.retain(|lane| *lane != key);
            if beside.get().lanes.is_empty() {
                beside.remove();
            }
        }
    }

    /// Whether there is a place. No client has more than are left for others, so whoever floods leaves half of them,
    /// whatever keys it has, and two who flood a third. Nor has a key that several clients share, and of what it may
    /// have no client has more than is left for others of the same key. Clients that did not keep within their limits have
    /// half of that, or less: the last places are for those who did.
    fn has_room(&self, comer: &Comer) -> bool {
        let free = comer.most.saturating_sub(self.waiting);
        let of_key = self.lanes.get(&comer.claim.key).filter(|_| comer.shared);
        let of_key = of_key.map_or(0, |line| line.lane.len());
        let of_client = self.held.get(&comer.client).copied().unwrap_or(0);
        of_client < free.saturating_sub(of_key) >> comer.class.min(3)
    }

    /// When it would be its turn, if nobody else came; none if that is not a matter of time.
    fn turn(&self, state: &State, comer: &Comer, came: u64) -> Option<u64> {
        let Claim { key, cost, terms, .. } = comer.claim;
        let line = self.lanes.get(&key);
        let ahead = line.map_or(0, |line| line.lane.ahead(comer.client, comer.class, cost));
        let rate = terms.rate?;
        let turn = rate.conforms(state.owes(key, rate, came), ahead, cost);
        (turn > came).then_some(turn)
    }
}

impl Line {
    /// Has somebody look again at this time.
    fn drive(&mut self, time: u64) {
        if self.driver.is_none() {
            self.set = None;
            let first = self.lane.first();
            self.driver = first.map(|first| (first.id, first.what.ear.clone()));
        }
        // A timer that goes off too early does no harm: its owner looks, and sets it anew.
        if self.set.is_none_or(|set| set > time)
            && let Some((_, driver)) = &self.driver
        {
            self.set = Some(time);
            driver.drive(time);
        }
    }
}

impl Seat {
    /// Waits for the turn.
    pub(super) async fn wait(self) -> Result<Turn, NoTurn> {
        let deadline = self.comer.now + self.comer.patience;
        let mut timer: Option<u64> = None;
        loop {
            let Words { go, drive } = self.ear.listen();
            if let Some(turn) = go {
                return turn;
            }
            if Instant::now() >= deadline {
                return Err(self.late());
            }
            timer = drive.or(timer);
            let wakes = timer.map_or(deadline, |time| self.state.moment(time).min(deadline));
            tokio::select! {
                biased;
                () = self.ear.heard.notified() => {}
                () = sleep_until(wakes) => if timer.take().is_some() {
                    self.look();
                }
            }
        }
    }

    /// Its timer went off: lets those go whose turn it is.
    fn look(&self) {
        let queue = &self.state.hall.queue;
        let mut inner = queue.inner.lock();
        let key = self.comer.claim.key;
        if let Some(line) = inner.lanes.get_mut(&key) {
            line.set = None;
        }
        let now = self.state.time(Instant::now());
        queue.advance(&mut inner, key, now);
    }

    fn late(&self) -> NoTurn {
        let now = self.state.time(Instant::now());
        let turn = self.state.hall.queue.inner.lock().turn(&self.state, &self.comer, now);
        no_turn(turn, self.comer.claim, now)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.state.hall.queue.leave(&self.state, &self.comer, self.id);
        // A turn that it did not hear of goes back here, where nothing is locked.
        drop(self.ear.listen());
    }
}

/// Why there is no turn for a claim, or that it comes too late. Where nobody is to end before it is others who wait
/// that are in the way.
fn no_turn(turn: Option<u64>, claim: Claim, now: u64) -> NoTurn {
    let after = turn.map(|turn| Duration::from_nanos(turn.saturating_sub(now)));
    let others = if claim.terms.concurrent.is_some() { Blocked::Running } else { Blocked::Queue };
    NoTurn { after, blocked: turn.map_or(others, Blocked::Until) }
}

/// One place less is a client's.
fn has_left(held: &mut HashMap<u64, usize>, client: u64) {
    if let Entry::Occupied(mut places) = held.entry(client) {
        match *places.get() {
            0 | 1 => drop(places.remove()),
            _ => *places.get_mut() -= 1,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
