//! [`Store`]: what several gateways share: Valkey or Redis, as a section `[store.NAME]` says.
//!
//! In: keys and values. Out: values, or that the store is of no use now. A store never holds anything up:
//! while there is no connection nothing is sent, an answer is waited for up to the time that was set and
//! by so many at a time, and a connection without answers is given up. The one connection is made on the
//! control side and made again by itself; commands of all workers go through it, one behind the other.
//! What becomes of a request without the store is for whoever asks to say.

mod commands;
mod link;
mod script;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use redis::{Cmd, FromRedisValue};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use self::link::Link;
pub use self::script::Script;
use crate::{
    config::{self, Path, Problem, Problems},
    dial::{Address, Server, client_tls},
    metrics::StoreMetrics,
};

/// Stores by name; none for a name whose section is wrong, so that who names it is not called wrong too.
pub type Stores = BTreeMap<String, Option<Arc<Store>>>;

/// The port of a URL without one.
const PORT: u16 = 6379;

/// A store that several gateways share.
#[derive(Debug)]
pub struct Store {
    /// Its name.
    pub name: Box<str>,
    section: config::Store,
    password: Option<Zeroizing<String>>,
    link: Arc<Link>,
    waiting: Semaphore,
    keeper: OnceLock<AbortOnDropHandle<()>>,
}

/// Why a store is of no use now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// There is no connection, for this reason.
    #[error("there is no connection: {0}")]
    Down(Arc<str>),
    /// As many wait for an answer as may.
    #[error("too many wait for an answer")]
    Busy,
    /// It does not know the script.
    #[error("it does not know the script")]
    NoScript,
    /// There was no answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The store's answer is an error, or another thing than it should be.
    #[error("{0}")]
    Refused(String),
}

impl Store {
    /// Compiles the section at `at`. Nothing is connected yet: that is what [`Store::start`] begins.
    pub fn compile(
        name: &str,
        section: &config::Store,
        metrics: Arc<StoreMetrics>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let address = address(&section.url);
        let server = address.and_then(Server::new);
        let server = problems.keep(server.map_err(|message| {
            let help = "write `redis://HOST:PORT`, `rediss://HOST:PORT` or `unix:/PATH`";
            Problem::error(at.key("url"), message).help(help)
        }));
        let tls = client_tls(section.ca.as_deref(), at, problems);
        let password = section.password.as_ref().map(config::Secret::reveal).transpose();
        let password =
            problems.keep(password.map_err(|message| Problem::error(at.key("password"), message)));
        let (server, tls, password) = (server?, tls?, password?);
        if !server.is_protected() {
            let message = "anybody on the way can read and change what is in the store";
            let problem = Problem::finding(at.key("url"), message);
            problems.push(problem.help("write rediss://, unless the network is the gateways' own"));
        }
        let name: Box<str> = name.into();
        let link = Link::new(name.clone(), section, password.as_ref(), server, tls, metrics);
        Some(Self {
            name,
            section: section.clone(),
            password,
            link: Arc::new(link),
            waiting: Semaphore::new(
                usize::try_from(section.max_waiting).unwrap_or(usize::MAX >> 3),
            ),
            keeper: OnceLock::new(),
        })
    }

    /// The store that a `store` at `at` names.
    pub fn named(
        stores: &Stores,
        name: &str,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Arc<Self>> {
        let known = stores.get(name).ok_or_else(|| {
            let problem = Problem::error(at.clone(), format!("there is no `[store.{name}]`"));
            let known = stores.keys().map(String::as_str);
            problem.help_meant(name, known, || format!("add [store.{name}]"))
        });
        problems.keep(known)?.clone()
    }

    /// Bytes for this purpose that are the same wherever the store has the same password.
    #[must_use]
    pub fn secret(&self, purpose: &str) -> [u8; 16] {
        let mut context = Context::new(&SHA256);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(self.password.as_ref().map_or(&[], |password| password.as_bytes()));
        let digest = context.finish();
        std::array::from_fn(|index| digest.as_ref()[index])
    }

    /// Whether another does the same: then it can go on in its place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.section, &self.password)
            == (&other.name, &other.section, &other.password)
    }

    /// Begins to connect, on the runtime that this is called on, and goes on for as long as it lives.
    pub fn start(&self) {
        self.keeper.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(self.link.clone().keep())));
    }

    /// Waits for a connection, up to `longest`.
    ///
    /// # Errors
    /// There is none.
    pub async fn connected(&self, longest: Duration) -> Result<(), Unavailable> {
        self.link.connected(longest).await.map(drop)
    }

    /// Why it is of no use to ask, if it is known that there is no connection.
    #[must_use]
    pub fn down(&self) -> Option<Unavailable> {
        self.link.down_by()
    }

    /// Whether there is a connection, so far as is known.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.link.is_up()
    }

    /// How many may wait for answers at a time.
    #[must_use]
    pub fn max_waiting(&self) -> usize {
        usize::try_from(self.section.max_waiting).unwrap_or(usize::MAX)
    }

    /// How long a command waits for its answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.section.timeout.0
    }

    /// Sends a command, and waits for its answer.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let Ok(_place) = self.waiting.try_acquire() else {
            self.link.metrics.skipped.inc();
            return Err(Unavailable::Busy);
        };
        let value = self.link.ask(command).await?;
        T::from_redis_value(value).map_err(|error| Unavailable::Refused(error.to_string()))
    }
}

/// Where a URL leads.
fn address(url: &str) -> Result<Address, String> {
    if url.starts_with("unix:") {
        return Address::parse(url);
    }
    let rest = |scheme: &str| url.strip_prefix(scheme).map(|rest| rest.trim_end_matches('/'));
    let (scheme, rest) = match (rest("redis://"), rest("rediss://")) {
        (Some(rest), _) => ("http", rest),
        (_, Some(rest)) => ("https", rest),
        (None, None) if url.is_empty() => return Err("it does not say where the store is".into()),
        // What stands here by mistake may hold a password.
        (None, None) => return Err("this is not a URL of Redis".into()),
    };
    if rest.contains('@') {
        return Err("a store's URL must not carry a user or password: `password` holds it".into());
    }
    if rest.contains(['/', '?', '#']) {
        return Err("a store's URL ends with its port; `database` says which database".into());
    }
    let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port { String::new() } else { format!(":{PORT}") };
    Address::parse(&format!("{scheme}://{rest}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_store_may_be() {
        for (url, shown) in [
            ("redis://127.0.0.1", "http://127.0.0.1:6379"),
            ("redis://cache.example:7000/", "http://cache.example:7000"),
            ("rediss://cache.example", "https://cache.example:6379"),
            ("redis://[::1]", "http://[::1]:6379"),
            ("redis://[::1]:1", "http://[::1]:1"),
            ("unix:/run/redis.sock", "unix:/run/redis.sock"),
        ] {
            assert_eq!(address(url).unwrap().to_string(), shown, "{url}");
        }
        for (url, message) in [
            ("", "does not say where"),
            ("hunter2", "not a URL of Redis"),
            ("http://hunter2", "not a URL of Redis"),
            ("redis://", "is not"),
            ("redis://:hunter2@host", "must not carry a user or password"),
            ("redis://host/1", "`database`"),
            ("redis://host:x", "no valid port"),
            ("redis://host:99999", "no valid port"),
            ("unix:run/redis.sock", "absolute path"),
        ] {
            let error = address(url).expect_err(url);
            assert!(error.contains(message), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
