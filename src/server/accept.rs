//! Accepts connections on one worker at one address.
//!
//! When the system has no file descriptors or memory left, accepting pauses and what runs goes on; so it
//! does while only those are left that are kept for origins and the operator.
//! When a listener has all its connections, accepting waits for one to end: all but the first of those
//! that come stay in the kernel's queue, where they cost us nothing.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{self, Site},
    driver::ON_ITS_WAY,
};
use crate::{
    message::Clients,
    snapshot::{Bind, Lens, Listener as Rules},
    stream::{Descriptors, Listener, Listening, Socket, is_exhausted},
    worker::Worker,
};

/// How long accepting pauses when the system has nothing left.
const PAUSE: Duration = Duration::from_millis(100);

/// How many are taken from the queue of an address that is given up: others may listen there, and more come.
const LAST: usize = 4096;

/// How often it is said that it does.
const SAY: Duration = Duration::from_secs(10);

/// An address as its accepting tasks share it.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Where it is: the listener there is whoever has this address in the world that holds, from its first moment on.
    pub(super) bind: Bind,
    /// A permit for each connection that may be open.
    pub(super) connections: Arc<Semaphore>,
    /// Cancelled when the address is given up. A state, not a signal: a task that has not begun yet
    /// must see it too.
    pub(super) retired: CancellationToken,
}

impl Entrance {
    /// Waits until there may be one more connection; none when the address is given up.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            permit = self.connections.clone().acquire_owned() => permit.ok(),
            () = self.retired.cancelled() => None,
        }
    }

    /// The same for somebody who came before the address was given up: it has the time that a request has which is on
    /// its way.
    async fn late_room(&self) -> Option<OwnedSemaphorePermit> {
        timeout(ON_ITS_WAY, self.connections.clone().acquire_owned()).await.ok()?.ok()
    }
}

/// How long descriptors are waited for when nobody is wanted any more, for those who came before.
#[derive(Default)]
struct Patience(Option<Instant>);

impl Patience {
    /// Whether it is over, counted from the first time that this is asked.
    fn is_over(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() >= ON_ITS_WAY
    }
}

/// Accepts until somebody else does, or nobody any more (`taken`), and then what is in the queue.
pub(super) async fn accept(
    socket: Listening,
    entrance: Arc<Entrance>,
    taken: CancellationToken,
    lens: Lens,
    clients: Clients,
    worker: Worker,
) {
    let listener = match Listener::new(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot accept"),
    };
    let current = || lens.look().listener_at(&entrance.bind).cloned();
    let Some(mut rules) = current() else { return };
    let descriptors = Descriptors::of_process();
    let mut said: Option<Instant> = None;
    let mut last = LAST;
    let mut patience = Patience::default();
    let mut ended = pin!(taken.cancelled());
    loop {
        let Some(accepted) = next(&listener, ended.as_mut(), &mut last).await else { return };
        match accepted {
            Ok((socket, peer)) => {
                if descriptors.is_reserved(&socket) {
                    say(&mut said, &rules, &"few descriptors are left");
                    if !room_for(descriptors, &socket, &taken, &mut patience).await {
                        return;
                    }
                }
                let seat = clients.reserve();
                let permit = entrance.room().await;
                // Both may have been waited for long: the rules are those of now. Where nobody listens any more, they
                // are the last that held, and the connection hears of its fate.
                rules = current().unwrap_or(rules);
                rules.metrics.at(worker.index).accepted.inc();
                let site =
                    Site { lens: lens.clone(), listener: rules.clone(), worker: worker.clone() };
                let Some(permit) = permit else {
                    // Beside, so that nobody comes to a socket that is to be closed while they wait.
                    let entrance = entrance.clone();
                    tokio::spawn(async move {
                        if let Some(permit) = entrance.late_room().await {
                            connection::serve(site, socket, peer, seat, permit).await;
                        }
                    });
                    continue;
                };
                tokio::spawn(connection::serve(site, socket, peer, seat, permit));
            }
            Err(error) if is_exhausted(&error) => {
                if taken.is_cancelled() && patience.is_over() {
                    return;
                }
                say(&mut said, &rules, &error);
                tokio::time::sleep(PAUSE).await;
            }
            // The client gave up between its turn in the queue and ours.
            Err(_) => {}
        }
    }
}

/// The next connection; none when the address is given up and nobody waits there any more.
async fn next(
    listener: &Listener,
    mut ended: Pin<&mut impl Future<Output = ()>>,
    last: &mut usize,
) -> Option<io::Result<(Socket, Option<SocketAddr>)>> {
    let accepted = poll_fn(|cx| {
        // The queue first: who is in it when the address is given up was let in.
        if let Poll::Ready(accepted) = listener.poll_accept(cx) {
            return Poll::Ready(Some(accepted));
        }
        ended.as_mut().poll(cx).map(|()| None)
    });
    let accepted = accepted.await;
    if accepted.is_some() || *last == 0 {
        return accepted;
    }
    // Closing the socket resets who came since the runtime looked.
    *last -= 1;
    listener.accept_waiting().ok().map(Ok)
}

/// Says why accepting pauses, but not all the time.
fn say(said: &mut Option<Instant>, rules: &Rules, error: &dyn std::fmt::Display) {
    if said.is_none_or(|said| said.elapsed() > SAY) {
        *said = Some(Instant::now());
        tracing::warn!(listener = &*rules.name, %error, "accepting pauses");
    }
}

/// Waits until there are descriptors for more clients than this one; false if nobody is wanted any more.
async fn room_for(
    descriptors: Descriptors,
    socket: &Socket,
    taken: &CancellationToken,
    patience: &mut Patience,
) -> bool {
    while descriptors.are_short(socket).unwrap_or(true) {
        if taken.is_cancelled() && patience.is_over() {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncReadExt as _, net::TcpStream};

    use super::*;
    use crate::{
        config::{Loaded, environment},
        snapshot::{Purpose, Snapshot, World},
        worker::Clock,
    };

    /// Listeners by name and address.
    fn world(listeners: [(&str, &str); 2], before: Option<&Snapshot>) -> Snapshot {
        let listener =
            |(name, at)| format!("[[listener]]\nname = \"{name}\"\naddress = \"{at}\"\n");
        let [one, two] = listeners.map(listener);
        let denied = "access = \"nobody\"\n[access.nobody]\ndeny = [\"0.0.0.0/0\", \"::/0\"]\n";
        let text = format!("{one}{two}{denied}[[route]]\nto = \"echo\"\n");
        let loaded = Loaded::parse("<test>", &text, &environment).unwrap();
        Snapshot::compile(loaded.config, Purpose::Look, before).unwrap().0
    }

    /// The swap comes before the address is told whose it is now.
    #[tokio::test]
    async fn who_comes_while_listeners_change_places_has_the_rules_of_the_address() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let here = socket.local_addr().unwrap();
        let (at, elsewhere) = (here.to_string(), "127.0.0.1:1");
        let before = Arc::new(world([("open", &at), ("closed", elsewhere)], None));
        let after = world([("open", elsewhere), ("closed", &at)], Some(&before));
        let entrance = Arc::new(Entrance {
            bind: Bind::Tcp(here),
            connections: Arc::new(Semaphore::new(8)),
            retired: CancellationToken::new(),
        });
        let (world, taken) = (World::new(before), entrance.retired.child_token());
        let (lens, worker) = (Lens::new(world.clone()), Worker { index: 0, clock: Clock::new() });
        let socket = Listening::Tcp(socket);
        tokio::spawn(accept(socket, entrance, taken, lens, Clients::default(), worker));
        let accepted = |name: &str| {
            let world = world.load();
            let listener = world.listeners.iter().find(|listener| *listener.name == *name);
            listener.unwrap().metrics.at(0).accepted.get()
        };
        let first = TcpStream::connect(here).await.unwrap();
        while accepted("open") == 0 {
            tokio::task::yield_now().await;
        }
        world.swap(Arc::new(after));
        let mut second = TcpStream::connect(here).await.unwrap();
        assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0, "closed without a word");
        assert_eq!((accepted("open"), accepted("closed")), (1, 1));
        drop(first);
    }
}
