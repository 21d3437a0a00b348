//! A coarse clock that ticks, and deadlines on it.
//!
//! A timer of the runtime costs a clock read, a lock and a list operation to set and again to drop:
//! on the way of every request that is more than the whole route lookup. A gateway's deadlines are
//! seconds and nearly all of them are dropped unused, so they are kept in a flat table that one task
//! looks through at every tick. Setting one is a store; a deadline never fires early, and at most
//! two ticks late. While no deadline is set the clock stands still and costs nothing.
//!
//! Paused time (`tokio::time::pause`) moves this clock too.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// How often the clock ticks.
pub const TICK: Duration = Duration::from_millis(50);

/// A coarse clock and the table of its deadlines. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    start: Instant,
    /// Milliseconds since `start` at the last tick.
    now: AtomicU64,
    /// Milliseconds since 1970 at `start`, as of the last tick: the wall clock may be set.
    wall: AtomicU64,
    ticking: AtomicBool,
    wake: Notify,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// When each slot is due; `FREE` marks a free one. Beside the wakers, so that a tick reads
    /// eight of them from a cache line.
    due: Vec<u64>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

const FREE: u64 = u64::MAX;

impl Clock {
    /// A clock that stands; [`Clock::run`] makes it tick.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            start: Instant::now(),
            now: AtomicU64::new(0),
            wall: AtomicU64::new(wall()),
            ticking: AtomicBool::new(false),
            wake: Notify::new(),
            table: Mutex::default(),
        }))
    }

    /// Milliseconds since the clock was made, as of the last tick.
    pub fn now(&self) -> u64 {
        self.0.now.load(Relaxed)
    }

    /// Brings a clock that stands up to date, where something is to be measured from now on.
    pub fn catch_up(&self) {
        if !self.0.ticking.load(Relaxed) {
            self.0.read();
        }
    }

    /// Milliseconds since 1970 at a moment that was read from the system's clock: one reading serves
    /// for latencies and for the log.
    pub fn wall(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.0.start).as_millis();
        self.0.wall.load(Relaxed) + u64::try_from(since).unwrap_or(0)
    }

    /// Ticks for ever, while there are deadlines. To be spawned once on the worker's runtime.
    pub async fn run(self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if self.0.tick() {
                self.0.wake.notified().await;
            }
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Shared {
    fn read(&self) -> u64 {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(FREE - 1);
        self.now.store(now, Relaxed);
        self.wall.store(wall().saturating_sub(now), Relaxed);
        now
    }

    /// Moves the clock on and wakes what is due; says whether the table is empty, so that the clock
    /// may stand.
    fn tick(&self) -> bool {
        let now = self.read();
        let mut due = Vec::new();
        let mut table = self.table.lock();
        for slot in 0..table.due.len() {
            if table.due[slot] <= now {
                due.extend(table.wakers[slot].take());
            }
        }
        let stand = table.free.len() == table.due.len();
        self.ticking.store(!stand, Relaxed);
        drop(table);
        due.into_iter().for_each(Waker::wake);
        stand
    }

    fn insert(&self, after: Duration, waker: Waker) -> (usize, u64) {
        let mut table = self.table.lock();
        // A standing clock is behind: it is read here, once, and goes on ticking.
        let standing = !self.ticking.swap(true, Relaxed);
        let now = if standing { self.read() } else { self.now.load(Relaxed) };
        let due = due(now, after);
        let slot = table.free.pop().unwrap_or_else(|| {
            table.due.push(FREE);
            table.wakers.push(None);
            table.due.len() - 1
        });
        table.due[slot] = due;
        table.wakers[slot] = Some(waker);
        drop(table);
        if standing {
            self.wake.notify_one();
        }
        (slot, due)
    }

    fn remove(&self, slot: usize) {
        let mut table = self.table.lock();
        table.due[slot] = FREE;
        table.wakers[slot] = None;
        table.free.push(slot);
    }
}

/// Milliseconds since 1970, by the system's clock.
pub fn wall() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(0)
}

/// The clock may be a tick behind, so a tick is added: never early.
fn due(now: u64, after: Duration) -> u64 {
    let after = u64::try_from((after + TICK).as_millis()).unwrap_or(FREE);
    now.saturating_add(after).min(FREE - 1)
}

/// A moment that a task waits for beside something else. It costs nothing before its first poll.
pub struct Deadline {
    clock: Clock,
    after: Duration,
    set: Option<Set>,
}

/// A deadline that was polled.
struct Set {
    /// Its place in the clock's table.
    slot: usize,
    due: u64,
    /// Whom the table wakes; a copy, so that a poll that changes nothing takes no lock.
    waker: Waker,
}

impl Deadline {
    /// A deadline this long after it is first polled.
    pub fn new(clock: &Clock, after: Duration) -> Self {
        Self { clock: clock.clone(), after, set: None }
    }

    /// How long it takes, from its first poll or the last start.
    pub const fn span(&self) -> Duration {
        self.after
    }

    /// Starts again: this long after the next poll.
    pub fn reset(&mut self, after: Duration) {
        self.after = after;
        if let Some(set) = &mut self.set {
            set.due = due(self.clock.now(), after);
            let mut table = self.clock.0.table.lock();
            table.due[set.slot] = set.due;
            // A tick that found it due has taken the waker.
            table.wakers[set.slot].get_or_insert_with(|| set.waker.clone());
        }
    }

    /// Moves a deadline that is running on by this much.
    pub fn postpone(&mut self, by: Duration) {
        if let Some(set) = &mut self.set {
            let by = u64::try_from(by.as_millis()).unwrap_or(FREE);
            set.due = set.due.saturating_add(by).min(FREE - 1);
            self.clock.0.table.lock().due[set.slot] = set.due;
        }
    }

    /// Ready once the time has come; else the task is woken when it has.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = &self.clock.0;
        match &mut self.set {
            None => {
                let waker = cx.waker().clone();
                let (slot, due) = shared.insert(self.after, waker.clone());
                self.set = Some(Set { slot, due, waker });
                Poll::Pending
            }
            Some(set) if set.due <= shared.now.load(Relaxed) => Poll::Ready(()),
            Some(set) => {
                if !set.waker.will_wake(cx.waker()) {
                    set.waker = cx.waker().clone();
                    shared.table.lock().wakers[set.slot] = Some(set.waker.clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(set) = &self.set {
            self.clock.0.remove(set.slot);
        }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("after", &self.after).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    fn ticking() -> Clock {
        let clock = Clock::new();
        tokio::spawn(clock.clone().run());
        clock
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        let clock = ticking();
        for millis in [0, 1, 49, 50, 51, 1_000, 60_000] {
            let wanted = Duration::from_millis(millis);
            let start = Instant::now();
            let mut deadline = Deadline::new(&clock, wanted);
            poll_fn(|cx| deadline.poll(cx)).await;
            let took = start.elapsed();
            assert!(took >= wanted, "{wanted:?} fired after {took:?}");
            assert!(took <= wanted + 2 * TICK + Duration::from_millis(1), "{wanted:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_reset_starts_again() {
        let clock = ticking();
        let mut deadline = Deadline::new(&clock, Duration::from_secs(10));
        let start = Instant::now();
        poll_fn(|cx| {
            assert!(deadline.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(9)).await;
        deadline.reset(Duration::from_secs(10));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(start.elapsed() >= Duration::from_secs(19), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_stands_while_nobody_waits_and_is_right_again_when_somebody_does() {
        let clock = ticking();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(clock.now() < 1_000, "the clock ticked for nobody: {}", clock.now());
        clock.catch_up();
        assert_eq!(clock.now(), 3_600_000);
        let mut deadline = Deadline::new(&clock, Duration::from_secs(1));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(clock.now() >= 3_601_000, "{}", clock.now());
        assert!(clock.now() < 3_602_000, "{}", clock.now());
    }

    #[test]
    fn slots_are_used_again() {
        let clock = Clock::new();
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..100 {
            let mut deadline = Deadline::new(&clock, Duration::from_secs(1));
            assert!(deadline.poll(cx).is_pending());
        }
        assert_eq!(clock.0.table.lock().due.len(), 1);
    }
}
