//! [`Lane`]: in which order those go who wait for the same allowance.
//!
//! Clients of a better class first. Within a class start-time fair queueing (Goyal, Vin, Cheng 1996): each
//! client has a clock that what it gets moves on, and the one that is furthest behind is next. So clients
//! take turns, whatever each of them has waiting. Pure: no time, no waking.

use std::collections::{BTreeMap, HashMap, VecDeque};

/// Classes of clients, the best first.
pub(super) const CLASSES: usize = 8;

/// Those who wait for the same allowance.
#[derive(Debug)]
pub(super) struct Lane<W> {
    /// Clients by when it is their turn.
    order: BTreeMap<Place, u64>,
    clients: HashMap<u64, Client<W>>,
    /// The clock of whoever went last, by class.
    clocks: [u64; CLASSES],
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
        let (order, clients) = (BTreeMap::new(), HashMap::new());
        Self { order, clients, clocks: [0; CLASSES], count: 0, waiting: 0 }
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

    /// What would go before something new of a client's, if nobody else came.
    pub(super) fn ahead(&self, client: u64, class: usize, cost: u64) -> u64 {
        let own = self.clients.get(&client).map_or(0, |client| client.cost);
        let others = self.clients.iter().filter(|(known, _)| **known != client);
        let before = |(_, other): (&u64, &Client<W>)| match other.place.0.cmp(&class) {
            std::cmp::Ordering::Less => other.cost,
            std::cmp::Ordering::Equal => other.cost.min(own + cost),
            std::cmp::Ordering::Greater => 0,
        };
        own + others.map(before).sum::<u64>()
    }

    /// Adds something of a client's, which is of this class from now on.
    pub(super) fn push(&mut self, client: u64, class: usize, waiter: Waiter<W>) {
        let class = class.min(CLASSES - 1);
        self.count += 1;
        self.waiting += 1;
        let fresh = (class, self.clocks[class], self.count);
        let entry = self.clients.entry(client).or_insert_with(|| {
            self.order.insert(fresh, client);
            Client { place: fresh, queue: VecDeque::new(), cost: 0 }
        });
        if entry.place.0 != class {
            self.order.remove(&entry.place);
            self.order.insert(fresh, client);
            entry.place = fresh;
        }
        entry.cost += waiter.cost;
        entry.queue.push_back(waiter);
    }

    /// Whoever is next.
    pub(super) fn first(&self) -> Option<&Waiter<W>> {
        let (_, client) = self.order.first_key_value()?;
        self.clients.get(client)?.queue.front()
    }

    /// Takes whoever is next.
    pub(super) fn pop(&mut self) -> Option<Waiter<W>> {
        let ((class, clock, _), client) = self.order.pop_first()?;
        let entry = self.clients.get_mut(&client)?;
        let waiter = entry.queue.pop_front()?;
        self.waiting -= 1;
        self.clocks[class] = clock;
        self.count += 1;
        // What costs nothing takes its turn all the same.
        let place = (class, clock.saturating_add(waiter.cost.max(1)), self.count);
        entry.cost -= waiter.cost;
        if entry.queue.is_empty() {
            self.clients.remove(&client);
        } else {
            entry.place = place;
            self.order.insert(place, client);
        }
        Some(waiter)
    }

    /// Takes somebody out who no longer waits.
    pub(super) fn remove(&mut self, client: u64, id: u64) -> Option<Waiter<W>> {
        let entry = self.clients.get_mut(&client)?;
        let at = entry.queue.iter().position(|waiter| waiter.id == id)?;
        let waiter = entry.queue.remove(at)?;
        self.waiting -= 1;
        entry.cost -= waiter.cost;
        if entry.queue.is_empty() {
            self.order.remove(&entry.place);
            self.clients.remove(&client);
        }
        Some(waiter)
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

    proptest! {
        #[test]
        fn nobody_is_lost_and_each_client_keeps_its_order(
            steps in proptest::collection::vec((0_u8..4, 0_u64..5, 0_usize..9, 0_u64..3), 0..200),
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
            }
        }
    }
}
