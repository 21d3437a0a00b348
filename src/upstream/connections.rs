//! [`Connections`]: how many connections there are to an endpoint, of all workers, and room for one more.
//!
//! In: who is about to connect, and how many connections there may be. Out: a [`Room`], until the connection
//! is closed. When there is none, a connection that nobody uses is closed, whatever worker it waits at, and
//! its room goes to whoever asked. Nothing is connected here, and requests on kept connections do not come by.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock, Weak},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{endpoint::Origin, pool::Pool};

/// The connections to an endpoint.
#[derive(Debug, Default)]
pub(super) struct Connections {
    state: Mutex<State>,
    /// Where they wait. Pools hold their origin, so it must not hold them.
    pools: OnceLock<Box<[Weak<Pool>]>>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that are open, being made or being closed.
    open: u32,
    /// Who had one closed, and waits for its end: as many as connections that are being closed, at most.
    heirs: VecDeque<Heir>,
}

#[derive(Debug)]
struct Heir {
    most: u32,
    room: oneshot::Sender<Room>,
}

/// Room for a connection, until it is closed or could not be made.
#[derive(Debug)]
pub(super) struct Room(Arc<Origin>);

impl Drop for Room {
    fn drop(&mut self) {
        let heir = {
            let mut state = self.0.connections.state.lock();
            let open = state.open;
            state.heirs.retain(|heir| !heir.room.is_closed());
            let next = state.heirs.iter().position(|heir| open <= heir.most);
            if next.is_none() {
                state.open -= 1;
            }
            next.and_then(|next| state.heirs.remove(next))
        };
        if let Some(heir) = heir {
            // If that one has gone meanwhile, it is dropped, and so goes to the next.
            drop(heir.room.send(Self(self.0.clone())));
        }
    }
}

impl Connections {
    /// Where they wait, said once.
    pub(super) fn wait_in<'a>(&self, pools: impl Iterator<Item = &'a Arc<Pool>>) {
        self.pools.get_or_init(|| pools.map(Arc::downgrade).collect());
    }

    /// The pools of all workers.
    pub(super) fn pools(&self) -> impl Iterator<Item = Arc<Pool>> {
        self.pools.get().into_iter().flatten().filter_map(Weak::upgrade)
    }

    /// How many there are.
    pub(super) fn open(&self) -> u32 {
        self.state.lock().open
    }
}

impl Origin {
    /// Room for one more connection, if there are fewer than `most`.
    pub(super) fn room(self: &Arc<Self>, most: u32) -> Option<Room> {
        let mut state = self.connections.state.lock();
        (state.open < most).then(|| {
            state.open += 1;
            Room(self.clone())
        })
    }

    /// The room of a connection that nobody uses, once that is closed; none if all are used.
    pub(super) async fn inherit(self: &Arc<Self>, most: u32) -> Option<Room> {
        let receiver = {
            let mut closed = Vec::new();
            let mut state = self.connections.state.lock();
            if state.open < most {
                state.open += 1;
                return Some(Room(self.clone()));
            }
            // More than one after a reload that allows fewer.
            for _ in most..=state.open {
                closed.push(self.unused()?);
            }
            let (room, receiver) = oneshot::channel();
            state.heirs.push_back(Heir { most, room });
            drop(state);
            drop(closed);
            receiver
        };
        receiver.await.ok()
    }

    /// Closes connections that nobody uses, as many as there are too many: fewer may be than were.
    pub(super) fn shrink(&self, most: u32) {
        for _ in most..self.connections.open() {
            if self.unused().is_none() {
                return;
            }
        }
    }

    /// A connection that nobody uses, out of its pool: the oldest of the pool that has most of them.
    fn unused(&self) -> Option<Unused> {
        let most = self.connections.pools().max_by_key(|pool| pool.unused())?;
        most.take_unused()
    }
}

/// A connection out of its pool: dropped, it is closed.
pub(super) type Unused = Box<dyn Send>;
