//! [`Clients`]: who is connected to one worker, to be counted, waited for and told to go.
//!
//! In: connections, each of which takes a [`Seat`] before its client is known. Out: signals to those that leave, and
//! the moment when nobody is left.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;

use super::{Client, Signal};

/// The clients of one worker.
#[derive(Clone, Debug, Default)]
pub struct Clients(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    /// Nobody, as yet, in the seat of a connection that is not known well enough.
    seats: Mutex<Slab<Weak<Client>>>,
    /// What everybody was told, and whoever comes is told too.
    told: AtomicU8,
    /// Told when nobody is left.
    emptied: Notify,
}

/// A place among the clients; it is free again when this is dropped.
#[derive(Debug)]
pub struct Seat {
    clients: Clients,
    place: usize,
}

impl Clients {
    /// Keeps a seat for a connection whose client is not known yet.
    pub fn reserve(&self) -> Seat {
        let place = self.0.seats.lock().insert(Weak::new());
        Seat { clients: self.clone(), place }
    }

    /// How many are there.
    pub fn len(&self) -> usize {
        self.0.seats.lock().len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until nobody is there.
    pub async fn gone(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Tells everybody, and whoever comes.
    pub fn tell_all(&self, signal: Signal) {
        self.0.told.fetch_max(signal as u8, Relaxed);
        self.each(|client| client.state.tell(signal));
    }

    /// Has nothing to tell to whoever comes from now on.
    pub fn welcome(&self) {
        self.0.told.store(Signal::GoOn as u8, Relaxed);
    }

    /// Does something to each.
    pub fn each(&self, to: impl Fn(&Client)) {
        // A client that is dropped takes the lock: none may be, while it is held.
        let clients: Vec<_> =
            self.0.seats.lock().iter().filter_map(|(_, weak)| weak.upgrade()).collect();
        clients.iter().for_each(|client| to(client));
    }
}

impl Seat {
    /// Seats the client.
    pub fn take(self, mut client: Client) -> Arc<Client> {
        let (clients, place) = (self.clients.clone(), self.place);
        client.seat = Some(self);
        let client = Arc::new(client);
        if let Some(seat) = clients.0.seats.lock().get_mut(place) {
            *seat = Arc::downgrade(&client);
        }
        // Who is told now finds it in its seat, and what was told before is here.
        match Signal::from_number(clients.0.told.load(Relaxed)) {
            Signal::GoOn => {}
            told => client.state.tell(told),
        }
        client
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.clients.0.seats.lock();
        seats.remove(self.place);
        let emptied = seats.is_empty();
        drop(seats);
        if emptied {
            self.clients.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{Clock, Worker};

    fn worker() -> Worker {
        Worker { index: 0, clock: Clock::new() }
    }

    #[test]
    fn everybody_is_reached_who_is_there() {
        let clients = Clients::default();
        let client = |listener| Client::new(None, None, listener, false, worker());
        let seat = |listener| clients.reserve().take(client(listener));
        let (stays, leaves) = (seat(1), seat(2));
        clients.each(|client| {
            if client.listener() == 2 {
                client.state.tell(Signal::Drain);
            }
        });
        assert_eq!(stays.state.signal(), Signal::GoOn);
        assert_eq!(leaves.state.signal(), Signal::Drain);
        drop(leaves);
        assert_eq!(clients.len(), 1);
        drop(stays);
        assert!(clients.is_empty());
    }

    #[tokio::test]
    async fn who_is_not_known_yet_is_waited_for_and_told_what_everybody_was_told() {
        let clients = Clients::default();
        let seat = clients.reserve();
        clients.tell_all(Signal::Drain);
        let client = seat.take(Client::new(None, None, 0, false, worker()));
        assert_eq!(client.state.signal(), Signal::Drain);
        let (gone, ()) = (clients.gone(), tokio::task::yield_now().await);
        tokio::join!(gone, async move { drop(client) });
        assert!(clients.is_empty());
    }
}
