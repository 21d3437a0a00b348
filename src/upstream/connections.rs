//! [`Connections`]: how many connections there are to an endpoint, of all workers, and room for one more.
//!
//! In: who is about to connect, and how many connections there may be. Out: a [`Room`], until the connection
//! is closed. When there is none, a connection that nobody uses is closed, whatever worker it waits at, and
//! its room goes to whoever asked; so does that of one that is about to be closed anyway. Nothing is connected
//! here, and requests on kept connections do not come by.

use std::{
    collections::VecDeque,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::{endpoint::Origin, pool::Pool};

/// A connection that is given up is closed within this, unless the rest of a request holds it.
const MOMENT: Duration = Duration::from_secs(1);

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
    /// Those of HTTP/1 among them that no request can have any more, and that are no tunnels.
    ending: u32,
    /// Who waits for the end of one, which was closed for it or is ending: no more than there are of those.
    heirs: VecDeque<Heir>,
}

#[derive(Debug)]
struct Heir {
    most: u32,
    room: oneshot::Sender<Room>,
}

/// Room for a connection, until it is closed or could not be made.
#[derive(Debug)]
pub(super) struct Room(Arc<Taken>);

/// A connection that is counted.
#[derive(Debug)]
struct Taken {
    origin: Arc<Origin>,
    /// Written under the lock.
    fate: AtomicU8,
}

/// What becomes of a connection: nothing yet, it is about to be closed, or neither of both matters any more.
const OPEN: u8 = 0;
const ENDING: u8 = 1;
const OVER: u8 = 2;

/// A connection as those have it who send requests on it: when none does any more, it is about to be closed.
#[derive(Debug)]
pub(super) struct Hold(Arc<Taken>);

impl Hold {
    /// It becomes a tunnel, which stays open without requests.
    pub(super) fn is_a_tunnels(&self) {
        let _state = self.0.origin.connections.state.lock();
        self.0.fate.store(OVER, Relaxed);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.0.origin.connections.state.lock();
        if self.0.fate.load(Relaxed) == OPEN {
            self.0.fate.store(ENDING, Relaxed);
            state.ending += 1;
        }
    }
}

impl Room {
    fn of(origin: &Arc<Origin>) -> Self {
        Self(Arc::new(Taken { origin: origin.clone(), fate: AtomicU8::new(OPEN) }))
    }

    /// What tells when requests have no more use for the connection that is made here.
    pub(super) fn hold(&self) -> Hold {
        Hold(self.0.clone())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let heir = {
            let mut state = self.0.origin.connections.state.lock();
            if self.0.fate.swap(OVER, Relaxed) == ENDING {
                state.ending -= 1;
            }
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
            drop(heir.room.send(Self::of(&self.0.origin)));
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
            Room::of(self)
        })
    }

    /// The room of a connection that nobody uses, once that is closed; none if all are used.
    pub(super) async fn inherit(self: &Arc<Self>, most: u32) -> Option<Room> {
        let open = self.connections.open();
        // More than one after a reload that allows fewer. Not under the lock, which takes connections to give up.
        let unused = std::iter::from_fn(|| self.unused());
        let closed: Vec<_> = unused.take((open + 1).saturating_sub(most) as usize).collect();
        let receiver = {
            let mut state = self.connections.state.lock();
            if state.open < most {
                state.open += 1;
                return Some(Room::of(self));
            }
            state.heirs.retain(|heir| !heir.room.is_closed());
            let ending = (state.ending as usize).saturating_sub(state.heirs.len());
            if closed.len() + ending < (state.open + 1 - most) as usize {
                return None;
            }
            let (room, receiver) = oneshot::channel();
            state.heirs.push_back(Heir { most, room });
            receiver
        };
        drop(closed);
        timeout(MOMENT, receiver).await.ok()?.ok()
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
