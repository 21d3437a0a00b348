//! [`Link`]: the connection to a store, and the keeper who makes it anew.
//!
//! In: commands. Out: answers, in time or not at all. One task of the control side connects: at once, and
//! after a failure with growing delay; a connection by which no command was answered is one. A connection
//! that is closed, or that leaves so many commands in a row without an answer, is given up on the spot: from
//! then on nobody waits, until there is another. Where Sentinels name the server they are asked each time.
//! Sockets and TLS are `dial`'s, so that authorities are those that were named and no provider of TLS has
//! to be the process's default; the library only speaks the protocol.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    Cmd, ErrorKind, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use super::{
    Unavailable,
    sentinel::{Driver, Place, begin},
};
use crate::{config, metrics::StoreMetrics};

/// The first delay after a failure; each one after it twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How a store is spoken to.
#[derive(Clone)]
pub(super) struct Manner {
    pub(super) tls: Arc<ClientConfig>,
    pub(super) hello: RedisConnectionInfo,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    max_failures: u32,
    pub(super) metrics: Arc<StoreMetrics>,
}

/// The connection to a store, or to one of its servers.
pub(super) struct Link {
    name: Box<str>,
    pub(super) place: Place,
    manner: Manner,
    state: watch::Sender<State>,
    /// The connection is to be given up.
    broken: Notify,
    /// Hears that it is gone, or cannot do its part.
    lost: Arc<Notify>,
}

#[derive(Clone)]
enum State {
    /// It is being made, for the first time.
    Begun,
    /// There is one.
    Up(Wire),
    /// There is none, for this reason.
    Down(Arc<str>),
}

/// A connection. What is said of one that is gone says nothing of the next.
#[derive(Clone)]
struct Wire {
    connection: MultiplexedConnection,
    health: Arc<Health>,
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Health {
    /// Commands without an answer, in a row.
    failures: AtomicU32,
    /// Whether one was answered, and who hears of it.
    answered: AtomicBool,
    proof: Notify,
}

impl Health {
    fn answer(&self) {
        self.failures.store(0, Relaxed);
        if !self.answered.load(Relaxed) {
            self.answered.store(true, Relaxed);
            self.proof.notify_one();
        }
    }

    /// Waits until it is known that the store does what it is asked for: to greet is not enough. Where nobody asks
    /// for anything, a while without a failure is.
    async fn proven(&self) {
        let quiet = timeout(LONGEST_DELAY, self.proof.notified()).await.is_err();
        if quiet && self.failures.load(Relaxed) > 0 {
            self.proof.notified().await;
        }
    }
}

impl Manner {
    pub(super) fn new(
        section: &config::Store,
        password: Option<&Zeroizing<String>>,
        tls: ClientConfig,
        metrics: Arc<StoreMetrics>,
    ) -> Self {
        let mut hello =
            RedisConnectionInfo::default().set_db(section.database.into()).set_skip_set_lib_name();
        if let Some(username) = &section.username {
            hello = hello.set_username(username);
        }
        if let Some(password) = password {
            hello = hello.set_password(password.as_str());
        }
        Self {
            tls: Arc::new(tls),
            hello,
            timeout: section.timeout.0,
            connect_timeout: section.connect_timeout.0,
            max_failures: section.max_failures.max(1),
            metrics,
        }
    }
}

impl Link {
    pub(super) fn new(name: Box<str>, place: Place, manner: Manner, lost: Arc<Notify>) -> Self {
        manner.metrics.servers.inc();
        let (state, broken) = (watch::Sender::new(State::Begun), Notify::new());
        Self { name, place, manner, state, broken, lost }
    }

    pub(super) fn metrics(&self) -> &StoreMetrics {
        &self.manner.metrics
    }

    /// Where its server is.
    pub(super) fn host(&self) -> String {
        self.place.host()
    }

    /// Sends a command, and waits for its answer. `asking`: another server sent it here, where its key is going to
    /// be.
    pub(super) async fn ask(&self, command: &Cmd, asking: bool) -> Result<Value, Unavailable> {
        let Manner { timeout: longest, max_failures, ref metrics, .. } = self.manner;
        let mut wire = match self.wire(longest).await {
            Ok(wire) => wire,
            Err(down) => {
                metrics.skipped.inc();
                return Err(down);
            }
        };
        metrics.commands.inc();
        let (_waiting, began) = (metrics.waiting.hold(), Instant::now());
        match timeout(longest, wire.send(command, asking)).await {
            Ok(Ok(Value::ServerError(error))) => Err(self.refused(&wire, error.into())),
            Ok(Ok(value)) => {
                wire.health.answer();
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                metrics.answered(micros);
                Ok(value)
            }
            Ok(Err(error)) => Err(self.refused(&wire, error)),
            Err(_) => {
                metrics.timeouts.inc();
                if wire.health.failures.fetch_add(1, Relaxed) + 1 == max_failures {
                    self.give_up(&wire, "it does not answer");
                }
                Err(Unavailable::Timeout(longest))
            }
        }
    }

    fn refused(&self, wire: &Wire, error: RedisError) -> Unavailable {
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            // It says so once after each start.
            return Unavailable::NoScript;
        }
        if let Some((place, _)) = error.redirect_node() {
            let asking = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
            return Unavailable::Elsewhere { place: place.into(), asking };
        }
        self.manner.metrics.errors.inc();
        if error.kind() == ErrorKind::Server(ServerErrorKind::ClusterDown) {
            // It may be cut off from the others, who have given its slots to another.
            self.lost.notify_one();
        }
        // A store that became another's copy takes nothing any more; its name may lead elsewhere now.
        let demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if demoted || error.is_unrecoverable_error() {
            self.give_up(wire, &error.to_string());
        }
        Unavailable::Refused(error.to_string())
    }

    /// Waits for the first connection.
    pub(super) async fn connected(&self, longest: Duration) -> Result<(), Unavailable> {
        self.wire(longest).await.map(drop)
    }

    /// The connection; only the first one is waited for.
    async fn wire(&self, longest: Duration) -> Result<Wire, Unavailable> {
        if let Some(known) = known(&self.state.borrow()) {
            return known;
        }
        let mut changes = self.state.subscribe();
        match timeout(longest, changes.wait_for(|state| known(state).is_some())).await {
            Ok(Ok(state)) => known(&state).unwrap_or(Err(Unavailable::Timeout(longest))),
            // The sender is this link's own.
            Ok(Err(_)) | Err(_) => Err(Unavailable::Timeout(longest)),
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    /// Why there is no connection, if it is known that there is none.
    pub(super) fn down_by(&self) -> Option<Unavailable> {
        match &*self.state.borrow() {
            State::Begun | State::Up(_) => None,
            State::Down(why) => Some(Unavailable::Down(why.clone())),
        }
    }

    /// Gives a connection up, unless it is gone already.
    fn give_up(&self, wire: &Wire, why: &str) {
        let gone = self.state.send_if_modified(|state| {
            let same = matches!(state, State::Up(now) if Arc::ptr_eq(&now.health, &wire.health));
            if same {
                *state = State::Down(why.into());
            }
            same
        });
        if gone {
            self.manner.metrics.up.dec();
            self.lost.notify_one();
            self.broken.notify_one();
        }
    }

    /// Says that there is a connection, or none.
    fn change(&self, state: State) {
        let up = matches!(state, State::Up(_));
        let was = matches!(self.state.send_replace(state), State::Up(_));
        match (was, up) {
            (false, true) => self.manner.metrics.up.inc(),
            (true, false) => {
                self.manner.metrics.up.dec();
                self.lost.notify_one();
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Makes the connection, and makes it again, for ever. That it is gone is said once, until one did its part.
    pub(super) async fn keep(self: Arc<Self>) {
        let (mut failures, mut down) = (0, false);
        loop {
            let proven = match self.connect().await {
                Ok((connection, driver)) => {
                    self.manner.metrics.connects.inc();
                    if !down {
                        self.say_up();
                    }
                    let wire = Wire { connection, health: Arc::default() };
                    self.change(State::Up(wire.clone()));
                    let proven = self.hold(&wire, driver, down).await;
                    if proven || !down {
                        let why = self.why();
                        tracing::warn!(store = %self.name, %why, "the connection to the store is gone");
                    }
                    down = true;
                    proven
                }
                Err(why) => {
                    self.manner.metrics.connect_failures.inc();
                    self.change(State::Down((&*why).into()));
                    if failures == 0 {
                        tracing::warn!(store = %self.name, %why, "the store cannot be reached");
                    }
                    down = true;
                    false
                }
            };
            if proven {
                failures = 0;
            } else {
                let delay = FIRST_DELAY.saturating_mul(1 << failures.min(7)).min(LONGEST_DELAY);
                failures += 1;
                tokio::time::sleep(delay.mul_f64(1.0 - 0.2 * fastrand::f64())).await;
            }
            // What asked for this connection to be given up is over.
            let _ = futures_util::FutureExt::now_or_never(self.broken.notified());
        }
    }

    /// Holds a connection until it is gone; whether it did its part. If it was said that there is none, that is
    /// when the contrary is.
    async fn hold(&self, wire: &Wire, mut driver: Driver, down: bool) -> bool {
        let mut proven = false;
        loop {
            tokio::select! {
                biased;
                () = wire.health.proven(), if !proven => {
                    proven = true;
                    if down {
                        self.say_up();
                    }
                }
                () = &mut driver => {
                    self.change(State::Down("the connection was closed".into()));
                    return proven;
                }
                () = self.broken.notified() => return proven,
            }
        }
    }

    fn say_up(&self) {
        tracing::info!(store = %self.name, "connected to the store");
    }

    /// A connection by which the store has answered.
    async fn connect(&self) -> Result<(MultiplexedConnection, Driver), String> {
        let Manner { ref tls, ref hello, connect_timeout, .. } = self.manner;
        let connect = async {
            let stream = self.place.connect(tls, connect_timeout).await?;
            let (connection, driver, answer) = begin(hello, stream, &self.place.greeting()).await?;
            self.place.accepts(&answer).map(|()| (connection, driver))
        };
        let late = || format!("no connection within {connect_timeout:?}");
        timeout(connect_timeout, connect).await.unwrap_or_else(|_| Err(late()))
    }

    fn why(&self) -> Arc<str> {
        match &*self.state.borrow() {
            State::Down(why) => why.clone(),
            State::Begun | State::Up(_) => "".into(),
        }
    }
}

impl Wire {
    async fn send(&mut self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        if !asking {
            return self.connection.send_packed_command(command).await;
        }
        // Together, so that nothing of anybody else comes in between.
        let mut both = redis::pipe();
        both.cmd("ASKING").add_command(command.clone());
        let answers = self.connection.send_packed_commands(&both, 1, 1).await?;
        Ok(answers.into_iter().next().unwrap_or(Value::Nil))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let metrics = &self.manner.metrics;
        metrics.servers.dec();
        if self.is_up() {
            metrics.up.dec();
        }
    }
}

/// The connection, if it is known whether there is one.
fn known(state: &State) -> Option<Result<Wire, Unavailable>> {
    match state {
        State::Begun => None,
        State::Up(wire) => Some(Ok(wire.clone())),
        State::Down(why) => Some(Err(Unavailable::Down(why.clone()))),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it says of itself to the store holds the password.
        f.debug_struct("Link").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::dial::client_tls;

    async fn wire() -> Wire {
        let (stream, _) = tokio::io::duplex(64);
        let hello = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = redis::AsyncConnectionConfig::new();
        let made = MultiplexedConnection::new_with_config(&hello, stream, config).await;
        Wire { connection: made.unwrap().0, health: Arc::default() }
    }

    fn link(url: &str) -> Link {
        let section = config::Store { url: url.into(), ..Default::default() };
        let (at, mut problems) = (config::Path::root(), config::Problems::new());
        let tls = client_tls(None, &at, &mut problems).unwrap();
        let place = Place::parse(&section.url, None).unwrap();
        Link::new(
            "s".into(),
            place,
            Manner::new(&section, None, tls, Arc::default()),
            Arc::default(),
        )
    }

    /// A store that greets at once, and takes so long for everything else.
    async fn slow(delay: Duration) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut asked, mut greeted) = ([0; 4096], false);
                    while stream.read(&mut asked).await.is_ok_and(|length| length > 0) {
                        if std::mem::replace(&mut greeted, true) {
                            tokio::time::sleep(delay).await;
                        }
                        if stream.write_all(b"+PONG\r\n").await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        url
    }

    /// How many connections were made in 3 s in which a store was asked all the time that takes so long.
    async fn connections(delay: Duration) -> u64 {
        let link = Arc::new(link(&slow(delay).await));
        let keeper = tokio::spawn(link.clone().keep());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            if link.ask(&redis::cmd("PING"), false).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        keeper.abort();
        link.metrics().connects.get()
    }

    #[tokio::test]
    async fn a_store_that_greets_and_answers_too_late_is_tried_again_later_each_time() {
        let (late, well) =
            tokio::join!(connections(Duration::from_millis(70)), connections(Duration::ZERO));
        assert!((2..=6).contains(&late), "{late} connections");
        assert_eq!(well, 1);
    }

    #[tokio::test]
    async fn what_is_said_late_of_a_connection_that_is_gone_does_the_next_no_harm() {
        let link = link("redis://127.0.0.1");
        let (one, next) = (wire().await, wire().await);
        link.state.send_replace(State::Up(one.clone()));
        link.give_up(&one, "it does not answer");
        assert!(!link.is_up());
        link.state.send_replace(State::Up(next.clone()));
        link.give_up(&one, "nor did it to somebody else");
        assert!(link.is_up());
        link.give_up(&next, "it does not answer");
        assert!(!link.is_up());
    }
}
