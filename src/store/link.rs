//! [`Link`]: the connection to a store, and the keeper who makes it anew.
//!
//! In: commands. Out: answers, in time or not at all. One task of the control side connects: at once, and
//! after a failure with growing delay. A connection that is closed, or that leaves so many commands in a
//! row without an answer, is given up on the spot: from then on nobody waits, until there is another.
//! Sockets and TLS are `dial`'s, so that authorities are those that were named and no provider of TLS has
//! to be the process's default; the library only speaks the protocol.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use zeroize::Zeroizing;

use super::Unavailable;
use crate::{config, dial::Server, metrics::StoreMetrics};

/// The first delay after a failure; each one after it twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The connection to a store.
pub(super) struct Link {
    name: Box<str>,
    server: Server,
    tls: Arc<ClientConfig>,
    hello: RedisConnectionInfo,
    timeout: Duration,
    connect_timeout: Duration,
    max_failures: u32,
    state: watch::Sender<State>,
    /// Commands without an answer, in a row.
    failures: AtomicU32,
    /// The connection is to be given up.
    broken: Notify,
    pub(super) metrics: Arc<StoreMetrics>,
}

#[derive(Clone)]
enum State {
    /// It is being made, for the first time.
    Begun,
    /// There is one.
    Up(MultiplexedConnection),
    /// There is none, for this reason.
    Down(Arc<str>),
}

impl Link {
    pub(super) fn new(
        name: Box<str>,
        section: &config::Store,
        password: Option<&Zeroizing<String>>,
        server: Server,
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
            name,
            server,
            tls: Arc::new(tls),
            hello,
            timeout: section.timeout.0,
            connect_timeout: section.connect_timeout.0,
            max_failures: section.max_failures.max(1),
            state: watch::Sender::new(State::Begun),
            failures: AtomicU32::new(0),
            broken: Notify::new(),
            metrics,
        }
    }

    /// Sends a command, and waits for its answer.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Unavailable> {
        let mut connection = match self.connected(self.timeout).await {
            Ok(connection) => connection,
            Err(down) => {
                self.metrics.skipped.inc();
                return Err(down);
            }
        };
        self.metrics.commands.inc();
        let (_waiting, began) = (self.metrics.waiting.hold(), Instant::now());
        match timeout(self.timeout, connection.send_packed_command(command)).await {
            Ok(Ok(Value::ServerError(error))) => Err(self.refused(error.into())),
            Ok(Ok(value)) => {
                self.failures.store(0, Relaxed);
                let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.metrics.answered(micros);
                Ok(value)
            }
            Ok(Err(error)) => Err(self.refused(error)),
            Err(_) => {
                self.metrics.timeouts.inc();
                if self.failures.fetch_add(1, Relaxed) + 1 == self.max_failures {
                    self.give_up("it does not answer");
                }
                Err(Unavailable::Timeout(self.timeout))
            }
        }
    }

    fn refused(&self, error: RedisError) -> Unavailable {
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            // It says so once after each start.
            return Unavailable::NoScript;
        }
        self.metrics.errors.inc();
        // A store that became another's copy takes nothing any more; its name may lead elsewhere now.
        let demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        if demoted || error.is_unrecoverable_error() {
            self.give_up(&error.to_string());
        }
        Unavailable::Refused(error.to_string())
    }

    /// The connection; only the first one is waited for.
    pub(super) async fn connected(
        &self,
        longest: Duration,
    ) -> Result<MultiplexedConnection, Unavailable> {
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

    fn give_up(&self, why: &str) {
        if self.down(why) {
            self.broken.notify_one();
        }
    }

    /// Says that there is no connection; whether there was one.
    fn down(&self, why: &str) -> bool {
        self.metrics.up.set(0);
        let state = self.state.send_replace(State::Down(why.into()));
        matches!(state, State::Up(_))
    }

    /// Makes the connection, and makes it again, for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            match self.connect().await {
                Ok((connection, driver)) => {
                    failures = 0;
                    self.failures.store(0, Relaxed);
                    self.metrics.connects.inc();
                    self.metrics.up.set(1);
                    tracing::info!(store = %self.name, "connected to the store");
                    self.state.send_replace(State::Up(connection));
                    tokio::select! {
                        () = driver => { self.down("the connection was closed"); }
                        () = self.broken.notified() => {}
                    }
                    let why = self.why();
                    tracing::warn!(store = %self.name, %why, "the connection to the store is gone");
                }
                Err(why) => {
                    self.metrics.connect_failures.inc();
                    self.down(&why);
                    if failures == 0 {
                        tracing::warn!(store = %self.name, %why, "the store cannot be reached");
                    }
                    let delay = FIRST_DELAY.saturating_mul(1 << failures.min(7)).min(LONGEST_DELAY);
                    failures += 1;
                    tokio::time::sleep(delay.mul_f64(1.0 - 0.2 * fastrand::f64())).await;
                }
            }
            // What asked for this connection to be given up is over.
            let _ = futures_util::FutureExt::now_or_never(self.broken.notified());
        }
    }

    /// A connection by which the store has answered: one that takes connections may stand still all the
    /// same, and the library says nothing where there is no password to say.
    async fn connect(
        &self,
    ) -> Result<(MultiplexedConnection, Pin<Box<impl Future<Output = ()> + 'static>>), String> {
        let connect = async {
            let stream = self.server.connect(&self.tls).await.map_err(|error| error.to_string())?;
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let made = MultiplexedConnection::new_with_config(&self.hello, stream, config).await;
            let (mut connection, driver) = made.map_err(|error| error.to_string())?;
            let mut driver = Box::pin(driver);
            let ping = redis::cmd("PING");
            let answered = tokio::select! {
                answer = connection.send_packed_command(&ping) => answer.map(drop),
                () = &mut driver => return Err("the connection was closed".into()),
            };
            answered.map(|()| (connection, driver)).map_err(|error| error.to_string())
        };
        let late = || format!("no connection within {:?}", self.connect_timeout);
        timeout(self.connect_timeout, connect).await.unwrap_or_else(|_| Err(late()))
    }

    fn why(&self) -> Arc<str> {
        match &*self.state.borrow() {
            State::Down(why) => why.clone(),
            State::Begun | State::Up(_) => "".into(),
        }
    }
}

/// The connection, if it is known whether there is one.
fn known(state: &State) -> Option<Result<MultiplexedConnection, Unavailable>> {
    match state {
        State::Begun => None,
        State::Up(connection) => Some(Ok(connection.clone())),
        State::Down(why) => Some(Err(Unavailable::Down(why.clone()))),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it says of itself to the store holds the password.
        f.debug_struct("Link").field("name", &self.name).finish_non_exhaustive()
    }
}
