//! [`Turns`]: in which order lanes go that wait for the same others to end: everybody's, and those of tiers.
//!
//! In: the lanes, with the best class that waits in each and how many clients of it. Out: which is next. As within
//! a [`Lane`](super::lane::Lane): the best class first, but for each [`SHARE`]th turn, and within a class by clocks
//! that turns move on, so that lanes go as often as they have clients. Pure: no time, no waking.

use super::lane::SHARE;

/// What a turn moves the clock of a lane on by that has one client.
const TURN: u64 = 1 << 20;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The clock of the lane that went last.
    clock: u64,
    /// For how many turns nobody of a worse class went though some waited.
    passed_over: u64,
}

/// A lane that takes turns with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contender {
    pub(super) key: u64,
    /// The best class that waits there, and how many clients of it.
    pub(super) class: usize,
    pub(super) clients: u64,
    pub(super) clock: u64,
    /// When it had a turn, and since when whoever is first waits: of equals those go first for whom that is longer.
    pub(super) last: (u64, u64),
}

impl Turns {
    /// The clock of a lane that comes, as one of those that are there already.
    pub(super) const fn start(&self) -> u64 {
        self.clock
    }

    /// The clock of a lane that was alone so far, and had the last turn.
    pub(super) const fn alone(&self) -> u64 {
        self.clock + 1
    }

    /// Where in `lanes` the next one is.
    pub(super) fn next(&self, lanes: &[Contender]) -> Option<usize> {
        let best = lanes.iter().map(|lane| lane.class).min()?;
        let worse = self.passed_over >= SHARE - 1 && lanes.iter().any(|lane| lane.class > best);
        let all = lanes.iter().enumerate();
        let may = all.filter(|(_, lane)| (lane.class > best) == worse);
        may.min_by_key(|(_, lane)| (self.clock_of(lane), lane.last)).map(|(at, _)| at)
    }

    /// Notes that one of `lanes` had its turn; its clock from now on.
    pub(super) fn turn_of(&mut self, went: &Contender, lanes: &[Contender]) -> u64 {
        let best = lanes.iter().all(|lane| went.class <= lane.class);
        let worse = lanes.iter().any(|lane| went.class < lane.class);
        self.passed_over = if best && worse { self.passed_over + 1 } else { 0 };
        self.clock = self.clock_of(went);
        self.clock + TURN / went.clients.clamp(1, TURN)
    }

    /// Who was passed over for its class is owed nothing for that.
    fn clock_of(&self, lane: &Contender) -> u64 {
        lane.clock.max(self.clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn lane(key: u64, class: usize, clients: u64) -> Contender {
        Contender { key, class, clients, clock: 0, last: (0, 0) }
    }

    /// Which of these go in so many turns.
    fn go(order: &mut Turns, all: &mut [Contender], turns: u64) -> Vec<usize> {
        let mut went = Vec::new();
        let before = all.iter().map(|lane| lane.last.0).max().unwrap();
        for turn in 1..=turns {
            let next = order.next(all).unwrap();
            all[next].clock = order.turn_of(&all[next], all);
            all[next].last.0 = before + turn;
            went.push(next);
        }
        went
    }

    /// How many of so many turns each of these lanes has, by class and clients.
    fn had<const N: usize>(lanes: [(usize, u64); N], turns: u64) -> [usize; N] {
        let mut all = lanes.map(|(class, clients)| lane(0, class, clients));
        let went = go(&mut Turns::default(), &mut all, turns);
        std::array::from_fn(|at| went.iter().filter(|one| **one == at).count())
    }

    #[test]
    fn lanes_go_as_often_as_they_have_clients() {
        assert_eq!(had([(0, 1), (0, 1)], 60), [30, 30]);
        assert_eq!(had([(3, 1), (3, 1), (3, 1)], 60), [20, 20, 20]);
        let [one, three] = had([(0, 1), (0, 3)], 60);
        assert!((14..=16).contains(&one), "{one} and {three}");
    }

    #[test]
    fn the_best_class_goes_first_and_worse_ones_have_a_small_share() {
        assert_eq!(had([(7, 100), (0, 1)], 100), [10, 90]);
        assert_eq!(had([(0, 1), (7, 1), (4, 1)], 100), [90, 5, 5]);
    }

    #[test]
    fn who_was_passed_over_is_owed_nothing() {
        let (mut order, mut all) = (Turns::default(), [lane(0, 7, 1), lane(1, 0, 1)]);
        assert_eq!(go(&mut order, &mut all, 8), [1; 8]);
        all[0].class = 0;
        assert_eq!(go(&mut order, &mut all, 4), [0, 1, 0, 1]);
    }
}
