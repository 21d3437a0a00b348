//! Whether an endpoint is well: what is known of it, whoever finds it out.
//!
//! In: what it answers when it is asked ([`Check`]), how it answers clients ([`Health::failed`]), what the
//! operator says ([`Health::drain`]). Out: whether it gets requests ([`Health::standing`]). What is known
//! belongs to the server, not to a configuration: it lives on over a reload. On the way of requests there is
//! one load of an atomic for each that goes well; everything else is the control side's.

mod check;
mod grpc;
mod policy;
mod streak;

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::streak::Streak;
pub use self::{
    check::{Check, NotWell},
    policy::{Policy, Tally},
};
use crate::config::{Ejection, Start};

/// What is known of an endpoint.
#[derive(Debug, Default)]
pub struct Health {
    /// Requests that failed since one went well.
    failures: AtomicU32,
    /// Answers that broke off since one came to its end: of those, the head went well.
    broken: AtomicU32,
    /// Whether the operator wants it to get no more requests.
    drained: AtomicBool,
    known: Mutex<Known>,
}

/// What only the control side looks at.
#[derive(Debug, Default)]
struct Known {
    streak: Streak,
    /// When it was asked last.
    asked: Option<Instant>,
    /// What was wrong when it was asked last.
    wrong: Option<String>,
    /// Until when it is left out.
    ejected: Option<Instant>,
    /// How often it was left out since it was well for long.
    ejections: u32,
}

/// Whether an endpoint gets requests, or why not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It does.
    Up,
    /// It was asked, and is not well.
    Down,
    /// It was not asked yet, and is to be first.
    Unchecked,
    /// It failed clients, and is left out for a while.
    Ejected,
    /// The operator wants it so.
    Drained,
}

impl Standing {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Up, Self::Down, Self::Unchecked, Self::Ejected, Self::Drained];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unchecked => "unchecked",
            Self::Ejected => "ejected",
            Self::Drained => "drained",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Health {
    /// Of an endpoint that nobody knows yet.
    pub fn new(start: Option<Start>) -> Self {
        let known = Known { streak: Streak::new(start), ..Known::default() };
        Self { known: Mutex::new(known), ..Self::default() }
    }

    /// A request went well.
    pub fn went_well(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// A request failed. Says how many did in a row.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// An answer came to its end.
    #[inline]
    pub fn was_whole(&self) {
        if self.broken.load(Relaxed) != 0 {
            self.broken.store(0, Relaxed);
        }
    }

    /// An answer broke off that had begun well.
    pub fn broke_off(&self) {
        self.broken.fetch_add(1, Relaxed);
    }

    /// Whether so many answers broke off in a row.
    #[inline]
    pub fn breaks_off(&self, failures: u32) -> bool {
        let broken = self.broken.load(Relaxed);
        broken != 0 && failures != 0 && broken >= failures
    }

    /// Whether so many requests failed in a row, or answers broke off. Those are counted no more.
    pub fn failed_in_a_row(&self, failures: u32) -> bool {
        let failed = failures != 0 && self.failures.load(Relaxed) >= failures;
        let failed = failed || self.breaks_off(failures);
        if failed {
            self.failures.store(0, Relaxed);
            self.broken.store(0, Relaxed);
        }
        failed
    }

    /// Leaves the endpoint out. Says for how long.
    pub fn eject(&self, policy: &Ejection, now: Instant) -> Duration {
        let mut known = self.known.lock();
        // Well for as long as it may be left out at most, its past is forgotten.
        if known.ejected.is_some_and(|until| now >= until + policy.max_time.0) {
            known.ejections = 0;
        }
        known.ejections = known.ejections.saturating_add(1);
        let time = policy.time.0.saturating_mul(known.ejections).min(policy.max_time.0);
        known.ejected = Some(now + time);
        time
    }

    /// Takes in what it answered when it was asked. Says what it is now, if that is news.
    pub fn asked(
        &self,
        answer: Result<(), String>,
        (rise, fall): (u32, u32),
        now: Instant,
    ) -> Option<bool> {
        let mut known = self.known.lock();
        known.asked = Some(now);
        let news = known.streak.take(answer.is_ok(), rise, fall);
        known.wrong = answer.err();
        news
    }

    /// It is not asked any more: what was found out that way holds no longer.
    pub fn forget_answers(&self) {
        let mut known = self.known.lock();
        (known.streak, known.asked, known.wrong) = (Streak::default(), None, None);
    }

    /// Gives it no more requests, or some again.
    pub fn drain(&self, drained: bool) {
        self.drained.store(drained, Relaxed);
    }

    /// When it was asked last.
    pub fn last_asked(&self) -> Option<Instant> {
        self.known.lock().asked
    }

    /// What was wrong when it was asked last.
    pub fn wrong(&self) -> Option<String> {
        self.known.lock().wrong.clone()
    }

    /// Until when it is left out, if it is.
    pub fn ejected_until(&self, now: Instant) -> Option<Instant> {
        self.known.lock().ejected.filter(|until| *until > now)
    }

    /// Whether it gets requests.
    pub fn standing(&self, now: Instant) -> Standing {
        if self.drained.load(Relaxed) {
            return Standing::Drained;
        }
        let known = self.known.lock();
        match known.streak.is_up() {
            Some(false) => Standing::Down,
            None => Standing::Unchecked,
            Some(true) if known.ejected.is_some_and(|until| until > now) => Standing::Ejected,
            Some(true) => Standing::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn who_fails_clients_is_left_out_each_time_for_longer() {
        let policy = Ejection {
            time: config::Duration::secs(10),
            max_time: config::Duration::secs(25),
            ..Ejection::default()
        };
        let (health, mut now) = (Health::new(None), Instant::now());
        for expected in [10, 20, 25, 25] {
            assert_eq!(health.eject(&policy, now), secs(expected));
            assert_eq!(health.standing(now), Standing::Ejected);
            now += secs(expected);
            assert_eq!(health.standing(now), Standing::Up);
        }
        now += secs(25);
        assert_eq!(health.eject(&policy, now), secs(10), "what was long ago is forgotten");
    }

    #[test]
    fn one_that_goes_well_makes_failures_forgotten() {
        let health = Health::new(None);
        for _ in 0..5 {
            assert_eq!(health.failed(), 1);
            health.went_well();
        }
        assert!(!health.failed_in_a_row(2));
        (0..9).for_each(|_| assert!(health.failed() > 0));
        assert!(!health.failed_in_a_row(0), "nobody counts them");
        assert!(!health.failed_in_a_row(10));
        assert!(health.failed_in_a_row(9));
        assert!(!health.failed_in_a_row(1), "they count once");
    }

    #[test]
    fn answers_that_break_off_count_although_their_heads_go_well() {
        let health = Health::new(None);
        for broken in 1..=3 {
            health.went_well();
            health.broke_off();
            assert_eq!(health.breaks_off(3), broken == 3);
            assert!(!health.breaks_off(0), "nobody counts them");
        }
        health.was_whole();
        assert!(!health.failed_in_a_row(3), "one was whole");
        (0..3).for_each(|_| health.broke_off());
        assert!(health.failed_in_a_row(3));
        assert!(!health.failed_in_a_row(1), "they count once");
    }

    #[test]
    fn the_operator_has_the_first_word_and_checks_the_second() {
        let (health, now) = (Health::new(Some(Start::Checked)), Instant::now());
        assert_eq!(health.standing(now), Standing::Unchecked);
        assert_eq!(health.asked(Ok(()), (2, 3), now), Some(true));
        health.eject(&Ejection::default(), now);
        assert_eq!(health.standing(now), Standing::Ejected);
        for _ in 0..3 {
            health.asked(Err("no".into()), (2, 3), now);
        }
        assert_eq!(health.standing(now), Standing::Down);
        assert_eq!(health.wrong().as_deref(), Some("no"));
        health.drain(true);
        assert_eq!(health.standing(now), Standing::Drained);
        health.drain(false);
        health.forget_answers();
        assert_eq!(health.standing(now), Standing::Ejected);
    }
}
