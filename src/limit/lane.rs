//! [`Lane`]: in which order those go who wait for the same allowance.
//!
//! Clients of a better class first, but for each [`SHARE`]th turn. Within a class start-time fair queueing
//! (Goyal, Vin, Cheng 1996): each client has a clock that what it gets moves on, and the one that is furthest
//! behind is next. So clients take turns, whatever each of them has waiting. Pure: no time, no waking.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
};

/// Classes of clients, the best first.
pub(super) const CLASSES: usize = 8;

/// Of so many turns in a row one is for those of worse classes, if some wait: clients behind others that are
/// always there get little, but not nothing. Good ones lose a tenth by it, which nobody notices; and whoever is
/// kept waiting for its whole time anyway costs more, as it comes again.
pub(super) const SHARE: u64 = 10;

/// The clocks of so many clients that left are remembered for each waiter that there is.
const KEPT: usize = 8;

/// Those who wait for the same allowance.
///
/// A client with nothing waiting keeps its clock until those of others have passed it: else who comes with one
/// request at a time would always be the one that is furthest behind. There are as many such clocks as came and
/// went within one turn of the others, and never more than [`KEPT`] for each that waits, so those of all lanes
/// are bounded by the places of the queue. Those that go for want of room are the nearest to be passed.
#[derive(Debug)]
pub(super) struct Lane<W> {
    /// Clients by when it is their turn.
    order: BTreeMap<Place, u64>,
    clients: HashMap<u64, Client<W>>,
    /// How many of them there are of each class.
    of_class: [u64; CLASSES],
    /// The clock of whoever went last, by class.
    clocks: [u64; CLASSES],
    /// Class and clock of clients that left, and the same by what is passed first.
    left: HashMap<u64, (usize, u64)>,
    passing: BTreeSet<(usize, u64, u64)>,
    /// For how many turns nobody of a worse class went though some waited.
    passed_over: u64,
    /// When each class had a turn.
    went: [u64; CLASSES],
    count: u64,
    waiting: usize,
}

/// Class, clock, and which of two that are equal came first.
type Place = (usize, u64, u64);

#[derive(Debug)]
struct Client<W> {
    place: Place,
    queue: VecDeque<Waiter<W>>,
    cost: u64,
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter<W> {
    /// Its number.
    pub(super) id: u64,
    pub(super) cost: u64,
    pub(super) what: W,
}

impl<W> Default for Lane<W> {
    fn default() -> Self {
        Self {
            order: BTreeMap::new(),
            clients: HashMap::new(),
            of_class: [0; CLASSES],
            clocks: [0; CLASSES],
            left: HashMap::new(),
            passing: BTreeSet::new(),
            passed_over: 0,
            went: [0; CLASSES],
            count: 0,
            waiting: 0,
        }
    }
}

impl<W> Lane<W> {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// How many of a client's wait.
    pub(super) fn of(&self, client: u64) -> usize {
        self.clients.get(&client).map_or(0, |client| client.queue.len())
    }

    /// The best class that waits, and how many clients of it.
    pub(super) fn best(&self) -> Option<(usize, u64)> {
        let ((class, ..), _) = self.order.first_key_value()?;
        Some((*class, self.of_class[*class]))
    }

    /// What would go before something new of a client's, if nobody else came.
    pub(super) fn ahead(&self, client: u64, class: usize, cost: u64) -> u64 {
        let own = self.clients.get(&client).map_or(0, |client| client.cost);
        let upto = own.saturating_add(cost);
        let (mut better, mut same, mut worse) = (0_u64, own, 0_u64);
        let mut classes = 1_u64 << class.min(CLASSES - 1);
        for (_, other) in self.clients.iter().filter(|(known, _)| **known != client) {
            classes |= 1 << other.place.0;
            match other.place.0.cmp(&class) {
                Ordering::Less => better = better.saturating_add(other.cost),
                Ordering::Equal => same = same.saturating_add(other.cost.min(upto)),
                Ordering::Greater => worse = worse.saturating_add(other.cost),
            }
        }
        let before = better.saturating_add(same);
        if better > 0 {
            // Worse classes take turns at the turns that are theirs.
            let share = u64::from(classes.count_ones() - 1).saturating_mul(SHARE);
            return before.min(same.saturating_add(cost).saturating_mul(share));
        }
        before.saturating_add(worse.min(before / (SHARE - 1)))
    }

    /// Adds something of a client's, which is of this class from now on.
    pub(super) fn push(&mut self, client: u64, class: usize, waiter: Waiter<W>) {
        let class = class.min(CLASSES - 1);
        self.count += 1;
        self.waiting += 1;
        let known = self.clients.get(&client).map(|known| (known.place.0, known.place.1));
        if known.is_none_or(|(before, _)| before != class) {
            // How far it is ahead of others, it is in another class too.
            let known = known.or_else(|| self.left.get(&client).copied());
            let ahead = known.map_or(0, |(class, clock)| clock.saturating_sub(self.clocks[class]));
            let place = (class, self.clocks[class].saturating_add(ahead), self.count);
            self.move_to(client, place);
        }
        if let Some(entry) = self.clients.get_mut(&client) {
            entry.cost = entry.cost.saturating_add(waiter.cost);
            entry.queue.push_back(waiter);
        }
    }

    /// Gives a client this place.
    fn move_to(&mut self, client: u64, place: Place) {
        self.forget(client);
        let fresh = || Client { place, queue: VecDeque::new(), cost: 0 };
        let entry = self.clients.entry(client).or_insert_with(fresh);
        let before = std::mem::replace(&mut entry.place, place);
        self.step_out(before);
        self.stand(place, client);
    }

    fn stand(&mut self, place: Place, client: u64) {
        self.of_class[place.0] += 1;
        self.order.insert(place, client);
    }

    /// Whose place it was.
    fn step_out(&mut self, place: Place) -> Option<u64> {
        let client = self.order.remove(&place)?;
        self.of_class[place.0] -= 1;
        Some(client)
    }

    /// Whose turn is next.
    fn next(&self) -> Option<Place> {
        let (best, _) = self.order.first_key_value()?;
        if self.passed_over < SHARE - 1 {
            return Some(*best);
        }
        let of = |class| self.order.range((class, 0, 0)..).next().map(|(place, _)| *place);
        let worse = (best.0 + 1..CLASSES).filter_map(|class| of(class).filter(|it| it.0 == class));
        worse.min_by_key(|place| self.went[place.0]).or(Some(*best))
    }

    /// Whoever is next.
    pub(super) fn first(&self) -> Option<&Waiter<W>> {
        self.clients.get(self.order.get(&self.next()?)?)?.queue.front()
    }

    /// Takes whoever is next.
    pub(super) fn pop(&mut self) -> Option<Waiter<W>> {
        let place = self.next()?;
        let (class, clock, _) = place;
        let client = self.step_out(place)?;
        let entry = self.clients.get_mut(&client)?;
        let waiter = entry.queue.pop_front()?;
        self.waiting -= 1;
        self.count += 1;
        // What costs nothing takes its turn all the same.
        let place = (class, clock.saturating_add(waiter.cost.max(1)), self.count);
        entry.cost = entry.cost.saturating_sub(waiter.cost);
        if entry.queue.is_empty() {
            self.clients.remove(&client);
            self.keep(client, place);
        } else {
            entry.place = place;
            self.stand(place, client);
        }
        self.turn_of(class, clock);
        Some(waiter)
    }

    /// Takes somebody out who no longer waits.
    pub(super) fn remove(&mut self, client: u64, id: u64) -> Option<Waiter<W>> {
        let entry = self.clients.get_mut(&client)?;
        let at = entry.queue.iter().position(|waiter| waiter.id == id)?;
        let waiter = entry.queue.remove(at)?;
        self.waiting -= 1;
        entry.cost = entry.cost.saturating_sub(waiter.cost);
        if entry.queue.is_empty() {
            let place = entry.place;
            self.step_out(place);
            self.clients.remove(&client);
            self.keep(client, place);
            self.make_room();
        }
        Some(waiter)
    }

    /// Notes that a class had a turn, with whose clock.
    fn turn_of(&mut self, class: usize, clock: u64) {
        self.clocks[class] = clock;
        self.went[class] = self.count;
        let best = self.order.first_key_value().is_none_or(|(best, _)| class <= best.0);
        let worse = self.order.last_key_value().is_some_and(|(worst, _)| worst.0 > class);
        self.passed_over = if best && worse { self.passed_over + 1 } else { 0 };
        // Whom others have passed is as anybody who comes.
        while let Some((_, _, client)) =
            self.passing.range((class, 0, 0)..=(class, clock, u64::MAX)).next()
        {
            self.forget(*client);
        }
        self.make_room();
    }

    /// Remembers how far a client was that has nothing waiting.
    fn keep(&mut self, client: u64, (class, clock, _): Place) {
        if clock > self.clocks[class] {
            self.left.insert(client, (class, clock));
            self.passing.insert((class, clock, client));
        }
    }

    fn forget(&mut self, client: u64) {
        if let Some((class, clock)) = self.left.remove(&client) {
            self.passing.remove(&(class, clock, client));
        }
    }

    fn make_room(&mut self) {
        while self.left.len() > self.waiting.saturating_mul(KEPT)
            && let Some((_, _, client)) = self.passing.first()
        {
            self.forget(*client);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiter(id: u64, cost: u64) -> Waiter<()> {
        Waiter { id, cost, what: () }
    }

    /// The clients in the order in which they go.
    fn order(lane: &mut Lane<()>) -> Vec<u64> {
        std::iter::from_fn(|| lane.pop().map(|waiter| waiter.id / 1_000)).collect()
    }

    #[test]
    fn clients_take_turns_whatever_each_has_waiting() {
        let mut lane = Lane::default();
        for turn in 0..100 {
            lane.push(1, 0, waiter(1_000 + turn, 1));
        }
        for client in [2, 3] {
            lane.push(client, 0, waiter(client * 1_000, 1));
            lane.push(client, 0, waiter(client * 1_000 + 1, 1));
        }
        assert_eq!(lane.ahead(4, 0, 1), 3, "one of each");
        assert_eq!(order(&mut lane)[..8], [1, 2, 3, 1, 2, 3, 1, 1]);
    }

    #[test]
    fn what_costs_more_counts_for_more() {
        let mut lane = Lane::default();
        for turn in 0..6 {
            lane.push(1, 0, waiter(1_000 + turn, 3));
            lane.push(2, 0, waiter(2_000 + turn, 1));
        }
        let first: Vec<_> = order(&mut lane)[..8].to_vec();
        assert_eq!(first.iter().filter(|client| **client == 1).count(), 2, "{first:?}");
    }

    #[test]
    fn a_better_class_goes_first_and_a_client_that_is_better_again_does_too() {
        let mut lane = Lane::default();
        lane.push(1, 3, waiter(1_000, 1));
        lane.push(2, 1, waiter(2_000, 1));
        lane.push(3, 0, waiter(3_000, 1));
        assert_eq!(lane.ahead(4, 1, 1), 2);
        lane.push(1, 0, waiter(1_001, 1));
        assert_eq!(order(&mut lane), [3, 1, 1, 2]);
    }

    #[test]
    fn whoever_comes_back_owes_nothing_and_is_owed_nothing() {
        let mut lane = Lane::default();
        for turn in 0..50 {
            lane.push(1, 0, waiter(1_000 + turn, 1));
        }
        for _ in 0..20 {
            assert!(lane.pop().is_some());
        }
        for turn in 0..5 {
            lane.push(2, 0, waiter(2_000 + turn, 1));
        }
        let next: Vec<_> = order(&mut lane)[..6].to_vec();
        assert_eq!(next.iter().filter(|client| **client == 2).count(), 3, "{next:?}");
    }

    /// A client that comes again as soon as it went, for so many turns, beside one that always has five waiting:
    /// how many turns each had.
    fn closed_loop(classes: [usize; 2], turns: u64) -> [u64; 2] {
        let mut lane = Lane::default();
        for (client, classes) in classes.into_iter().enumerate() {
            for id in 0..[1, 5][client] {
                lane.push(client as u64, classes, waiter(client as u64 * 1_000 + id, 1));
            }
        }
        let mut had = [0; 2];
        for _ in 0..turns {
            let client = usize::from(lane.pop().unwrap().id >= 1_000);
            had[client] += 1;
            lane.push(client as u64, classes[client], waiter(client as u64 * 1_000, 1));
        }
        had
    }

    #[test]
    fn who_comes_with_one_at_a_time_goes_as_often_as_who_has_many_waiting() {
        assert_eq!(closed_loop([0, 0], 60), [30, 30]);
        assert_eq!(closed_loop([4, 4], 60), [30, 30]);
    }

    #[test]
    fn a_worse_class_has_a_small_share_however_many_there_are_of_better_ones() {
        assert_eq!(closed_loop([0, 7], 100), [90, 10]);
        assert_eq!(closed_loop([7, 0], 100), [10, 90]);
        let mut lane = Lane::default();
        for turn in 0..1_000 {
            for class in 0..CLASSES {
                lane.push(class as u64, class, waiter(class as u64 * 1_000 + turn, 1));
            }
        }
        let first = order(&mut lane);
        let had = |client| first[..700].iter().filter(|one| **one == client).count();
        assert_eq!((0..8).map(had).collect::<Vec<_>>(), [630, 10, 10, 10, 10, 10, 10, 10]);
    }

    #[test]
    fn a_class_that_was_served_for_want_of_a_better_one_does_not_take_a_turn_as_well() {
        let mut lane = Lane::default();
        for turn in 0..100 {
            lane.push(1, 7, waiter(1_000 + turn, 1));
        }
        for turn in 0..30 {
            lane.push(2, 0, waiter(2_000 + turn, 1));
            assert_eq!(lane.pop().map(|waiter| waiter.id), Some(2_000 + turn));
            assert_eq!(lane.pop().map(|waiter| waiter.id), Some(1_000 + turn));
        }
    }

    #[test]
    fn how_long_it_takes_until_a_turn_counts_with_the_share_of_worse_classes() {
        let mut lane = Lane::default();
        for turn in 0..90 {
            lane.push(1, 0, waiter(1_000 + turn, 1));
        }
        assert_eq!(lane.ahead(2, 0, 1), 1);
        assert_eq!(lane.ahead(1, 0, 1), 90);
        assert_eq!(lane.ahead(2, 3, 1), SHARE);
        for turn in 0..50 {
            lane.push(2, 3, waiter(2_000 + turn, 1));
        }
        assert_eq!(lane.ahead(1, 0, 1), 100, "ten of them go before it");
        assert_eq!(lane.ahead(2, 3, 1), 90 + 50);
        assert_eq!(lane.ahead(3, 3, 1), 2 * SHARE);
    }

    #[test]
    fn a_client_of_another_class_is_as_far_ahead_there() {
        let mut lane = Lane::default();
        for turn in 0..9 {
            lane.push(1, 0, waiter(1_000 + turn, 1));
            lane.push(2, 1, waiter(2_000 + turn, 1));
        }
        lane.push(3, 0, waiter(3_000, 9));
        assert_eq!((0..2).filter_map(|_| lane.pop()).map(|one| one.id).max(), Some(3_000));
        // It had nine, and comes again among others.
        lane.push(3, 1, waiter(3_001, 1));
        let next = order(&mut lane);
        assert_eq!(next.iter().position(|client| *client == 3), Some(8 + 9), "{next:?}");
    }

    #[test]
    fn what_is_known_of_clients_that_left_is_bounded_by_those_who_wait() {
        let mut lane = Lane::default();
        for turn in 0..3 {
            lane.push(0, 0, waiter(turn, 1));
        }
        for client in 1..10_000 {
            lane.push(client, (client % 8) as usize, waiter(client, 1 + client % 3));
            assert!(lane.pop().is_some());
            assert_eq!(lane.left.len(), lane.passing.len());
            assert!(lane.left.len() <= KEPT * lane.len(), "{}", lane.left.len());
        }
        while lane.pop().is_some() {}
        assert_eq!((lane.left.len(), lane.passing.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_each_client_keeps_its_order(
            steps in proptest::collection::vec((0_u8..4, 0_u64..5, 0_usize..9, prop_oneof![0_u64..3, Just(u64::MAX)]), 0..200),
        ) {
            let mut lane = Lane::default();
            let mut model: Vec<(u64, u64)> = Vec::new();
            for (id, (step, client, class, cost)) in steps.into_iter().enumerate() {
                let id = id as u64;
                match step {
                    0 | 1 => {
                        lane.push(client, class, Waiter { id, cost, what: client });
                        model.push((client, id));
                    }
                    2 => {
                        let first = lane.first().map(|waiter| waiter.id);
                        let popped = lane.pop();
                        prop_assert_eq!(popped.as_ref().map(|waiter| waiter.id), first);
                        prop_assert_eq!(popped.is_none(), model.is_empty());
                        if let Some(popped) = popped {
                            let own = model.iter().position(|(known, _)| *known == popped.what);
                            prop_assert_eq!(model.remove(own.unwrap()).1, popped.id);
                        }
                    }
                    _ => {
                        let known = model.iter().position(|(known, _)| *known == client);
                        let id = known.map_or(u64::MAX, |at| model[at].1);
                        prop_assert_eq!(lane.remove(client, id).is_some(), known.is_some());
                        known.map(|at| model.remove(at));
                    }
                }
                prop_assert_eq!(lane.len(), model.len());
                let own = model.iter().filter(|(known, _)| *known == client).count();
                prop_assert_eq!(lane.of(client), own);
                let best = lane.order.keys().next().map(|place| place.0);
                let of_best = lane.order.keys().filter(|place| Some(place.0) == best).count();
                prop_assert_eq!(lane.best(), best.map(|class| (class, of_best as u64)));
            }
        }
    }
}
