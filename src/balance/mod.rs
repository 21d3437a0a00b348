//! Whose turn it is: which of several endpoints gets the next request.
//!
//! In: a weight for each endpoint, and how busy and how fast each is, by [`Loads`]. Out: an index. Nothing here
//! knows endpoints, configurations or clocks, and chance is an argument ([`Turn::random`]), so that simulations
//! are the same each time. A [`Balancer`] does not change: whoever learns that weights have changed makes a new
//! one, and no request waits for that.
//!
//! `shares` makes weights of what is known: priorities, zones, too few that are up. `slow_start` says what is
//! left of the weight of one that came up just now. `Latency` is what `peak-ewma` goes by.

mod digest;
mod draw;
mod latency;
mod maglev;
mod round_robin;
mod shares;
#[cfg(test)]
mod simulation;
mod slow_start;
mod two_choices;

pub use self::{
    digest::Digest,
    latency::{Latency, micros},
    shares::{Candidate, Rules, Shares, State, shares},
    slow_start::{next_tenth, tenths},
};
use self::{draw::Draw, maglev::Maglev, round_robin::RoundRobin, two_choices::TwoChoices};

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// Each in turn.
    RoundRobin,
    /// Of two that chance names, the one with fewer requests.
    LeastRequests,
    /// Of two that chance names, the one that is likely to answer first.
    PeakEwma,
    /// By chance.
    Random,
    /// By a key of the request; no endpoint gets more than so many per cent of the mean, if that is said.
    Hash {
        /// Per cent of the mean, 100 or more.
        bound: Option<u16>,
    },
}

impl Algorithm {
    /// Whether it goes by how long answers take.
    pub const fn is_timed(self) -> bool {
        matches!(self, Self::PeakEwma)
    }

    /// Whether it needs chance.
    pub const fn draws(self) -> bool {
        matches!(self, Self::LeastRequests | Self::PeakEwma | Self::Random)
    }

    /// Its word in a configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastRequests => "least-requests",
            Self::PeakEwma => "peak-ewma",
            Self::Random => "random",
            Self::Hash { .. } => "hash",
        }
    }
}

/// An endpoint, as far as a choice goes by it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is known by, in every gateway.
    pub id: u64,
    /// Its share beside the others; 0 takes none.
    pub weight: u32,
}

/// A request, as far as a choice goes by it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// The worker that carries it.
    pub worker: usize,
    /// Whose it is.
    pub key: u64,
    /// Chance.
    pub random: u64,
    /// How many choices were made for it before, in vain.
    pub attempt: u32,
}

/// How busy and how fast endpoints are, by their index.
pub trait Loads {
    /// Requests at one.
    fn in_flight(&self, index: usize) -> u32;
    /// Requests at all of them.
    fn all_in_flight(&self) -> u32;
    /// Microseconds that one's answers take lately, if that is known.
    fn latency(&self, index: usize) -> Option<f32>;
}

/// Endpoints, and an algorithm to choose among them.
#[derive(Debug)]
pub struct Balancer {
    algorithm: Algorithm,
    how: How,
}

#[derive(Debug)]
enum How {
    RoundRobin(RoundRobin),
    Random(Draw),
    TwoChoices(TwoChoices),
    Hash(Maglev),
}

impl Balancer {
    /// These endpoints, for so many workers.
    pub fn new(algorithm: Algorithm, entries: &[Entry], workers: usize) -> Self {
        let weights = || entries.iter().map(|entry| entry.weight).collect::<Vec<_>>();
        let how = match algorithm {
            Algorithm::RoundRobin => How::RoundRobin(RoundRobin::new(&weights(), workers)),
            Algorithm::Random => How::Random(Draw::new(&weights())),
            Algorithm::LeastRequests | Algorithm::PeakEwma => {
                How::TwoChoices(TwoChoices::new(weights()))
            }
            Algorithm::Hash { bound } => How::Hash(Maglev::new(entries, bound)),
        };
        Self { algorithm, how }
    }

    /// The endpoint whose turn it is; none if all have weight 0.
    #[inline]
    pub fn choose(&self, turn: Turn, loads: &impl Loads) -> Option<usize> {
        match &self.how {
            How::RoundRobin(turns) => turns.next(turn.worker),
            How::Random(draw) => draw.one(low(turn.random)),
            How::TwoChoices(two) if self.algorithm.is_timed() => two.fastest(turn.random, loads),
            How::TwoChoices(two) => two.least(turn.random, loads),
            How::Hash(table) => table.choose(turn, loads),
        }
    }

    /// How it chooses.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether to choose once more may give another endpoint. Of a round that would be another's turn, so that
    /// who has a dead endpoint before them would have it each time.
    pub fn may_choose_again(&self) -> bool {
        !matches!(self.algorithm, Algorithm::RoundRobin)
    }
}

/// The lower half of a number.
#[inline]
const fn low(number: u64) -> u32 {
    number as u32
}

/// The upper half.
#[inline]
const fn high(number: u64) -> u32 {
    low(number >> 32)
}

/// Another number, that tells nothing of this one: the end of splitmix64.
#[inline]
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
