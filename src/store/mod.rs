//! [`Store`]: what several gateways share: Valkey or Redis, as a section `[store.NAME]` says.
//!
//! In: keys and values. Out: values, or that the store is of no use now. A store never holds anything up:
//! while there is no connection nothing is sent, an answer is waited for up to the time that was set and
//! by so many at a time, and a connection without answers is given up. The one connection is made on the
//! control side and made again by itself; commands of all workers go through it, one behind the other. A cluster
//! has one for each server, and each command goes to the one that has its key: a command is of one key alone.
//! What becomes of a request without the store is for whoever asks to say.

mod cluster;
mod commands;
mod link;
mod script;
mod sentinel;
mod slots;
mod way;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use redis::{Cmd, FromRedisValue, Value};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use zeroize::Zeroizing;

use self::{
    cluster::{Cluster, Seeds},
    link::{Link, Manner},
    sentinel::Place,
};
pub use self::{script::Script, way::Current};
use crate::{
    config::{self, Path, Problem, Problems},
    dial::client_tls,
    metrics::StoreMetrics,
};

/// Stores by name; none for a name whose section is wrong, so that who names it is not called wrong too.
pub type Stores = BTreeMap<String, Option<Arc<Store>>>;

/// A store that several gateways share.
#[derive(Debug)]
pub struct Store {
    /// Its name.
    pub name: Box<str>,
    section: config::Store,
    password: Option<Zeroizing<String>>,
    sentinel_password: Option<Zeroizing<String>>,
    way: Way,
    waiting: Semaphore,
    keeper: OnceLock<AbortOnDropHandle<()>>,
}

/// The way to a store.
#[derive(Debug)]
enum Way {
    One(Arc<Link>),
    Several(Arc<Cluster>),
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
    /// Another server has the key, or (`asking`) is going to have it.
    #[error(
        "it is a server of a cluster, which redis+cluster:// speaks to; another has this: {place}"
    )]
    Elsewhere {
        /// Where that is.
        place: Box<str>,
        /// Whether it is to be said that this is known.
        asking: bool,
    },
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
        let tls = client_tls(section.ca.as_deref(), at, problems);
        let mut reveal = |secret: &Option<config::Secret>, key: &'static str| {
            let secret = secret.as_ref().map(config::Secret::reveal).transpose();
            problems.keep(secret.map_err(|message| Problem::error(at.key(key), message)))
        };
        let password = reveal(&section.password, "password");
        let of_sentinels = reveal(&section.sentinel_password, "sentinel-password");
        let site = of_sentinels.as_ref().map(|secret| {
            let secret = secret.as_ref().map(|secret| secret.as_str());
            Site::parse(&section.url, secret).map_err(|message| {
                let help = "write `redis://HOST:PORT`, `rediss://HOST:PORT`, `unix:/PATH`, \
                            `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, or \
                            `redis+cluster://HOST:PORT,HOST:PORT`";
                Problem::error(at.key("url"), message).help(help)
            })
        });
        let site = site.and_then(|site| problems.keep(site));
        let (site, tls, password, sentinel_password) = (site?, tls?, password?, of_sentinels?);
        site.check(section, at, problems);
        check_bounds(section, at, problems);
        let name: Box<str> = name.into();
        let manner = Manner::new(section, password.as_ref(), tls, metrics);
        let way = match site {
            Site::One(place) => {
                Way::One(Arc::new(Link::new(name.clone(), place, manner, Arc::default())))
            }
            Site::Several(seeds) => {
                Way::Several(Arc::new(Cluster::new(name.clone(), seeds, manner)))
            }
        };
        Some(Self {
            name,
            section: section.clone(),
            password,
            sentinel_password,
            way,
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
        (&self.name, &self.section, &self.password, &self.sentinel_password)
            == (&other.name, &other.section, &other.password, &other.sentinel_password)
    }

    /// Whether another is the way to the same things, however it is gone.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        (&self.name, &self.section.url, self.section.database)
            == (&other.name, &other.section.url, other.section.database)
    }

    /// Begins to connect, on the runtime that this is called on, and goes on for as long as it lives.
    pub fn start(&self) {
        self.keeper.get_or_init(|| {
            AbortOnDropHandle::new(match &self.way {
                Way::One(link) => tokio::spawn(link.clone().keep()),
                Way::Several(cluster) => tokio::spawn(cluster.clone().keep()),
            })
        });
    }

    /// Waits for a connection, up to `longest`.
    ///
    /// # Errors
    /// There is none.
    pub async fn connected(&self, longest: Duration) -> Result<(), Unavailable> {
        match &self.way {
            Way::One(link) => link.connected(longest).await,
            Way::Several(cluster) => cluster.connected(longest).await,
        }
    }

    /// Why it is of no use to ask, if it is known that there is no connection, of a cluster to no server.
    #[must_use]
    pub fn down(&self) -> Option<Unavailable> {
        match &self.way {
            Way::One(link) => link.down_by(),
            Way::Several(cluster) => cluster.down_by(),
        }
    }

    /// Whether there is a connection, so far as is known; of a cluster, to one server.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match &self.way {
            Way::One(link) => link.is_up(),
            Way::Several(cluster) => cluster.is_up(),
        }
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

    /// Whether keys are at several servers, so that some of them may be gone while others are not.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self.way, Way::Several(_))
    }

    /// The servers, each of which has some of the keys.
    async fn links(&self) -> Result<Vec<Arc<Link>>, Unavailable> {
        match &self.way {
            Way::One(link) => Ok(vec![link.clone()]),
            Way::Several(cluster) => cluster.links(self.timeout()).await,
        }
    }

    /// Sends a command of this key, and waits for its answer.
    async fn ask<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T, Unavailable> {
        let Ok(_place) = self.waiting.try_acquire() else {
            self.metrics().skipped.inc();
            return Err(Unavailable::Busy);
        };
        read(match &self.way {
            Way::One(link) => link.ask(command, false).await?,
            Way::Several(cluster) => Box::pin(cluster.ask(key.as_bytes(), command)).await?,
        })
    }

    fn metrics(&self) -> &StoreMetrics {
        match &self.way {
            Way::One(link) => link.metrics(),
            Way::Several(cluster) => &cluster.manner.metrics,
        }
    }
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, Unavailable> {
    T::from_redis_value(value).map_err(|error| Unavailable::Refused(error.to_string()))
}

/// Bounds that leave nothing.
fn check_bounds(section: &config::Store, at: &Path, problems: &mut Problems) {
    for (key, nothing, message, usual) in [
        ("timeout", section.timeout.0.is_zero(), "no answer could come in time", "\"50ms\""),
        (
            "connect-timeout",
            section.connect_timeout.0.is_zero(),
            "no connection could be made",
            "\"2s\"",
        ),
        ("max-failures", section.max_failures == 0, "every connection would be given up", "5"),
        ("max-waiting", section.max_waiting == 0, "nothing could be asked", "1000"),
    ] {
        if nothing {
            let help = format!("{usual} is the default");
            problems.push(Problem::error(at.key(key), message).help(help));
        }
    }
}

/// Where a store is.
enum Site {
    One(Place),
    Several(Seeds),
}

impl Site {
    fn parse(url: &str, sentinel_password: Option<&str>) -> Result<Self, String> {
        match Seeds::parse(url) {
            Some(seeds) => seeds.map(Self::Several),
            None => Place::parse(url, sentinel_password).map(Self::One),
        }
    }

    /// Whether the rest of the section fits.
    fn check(&self, section: &config::Store, at: &Path, problems: &mut Problems) {
        if section.sentinel_password.is_some() && !matches!(self, Self::One(Place::By(_))) {
            let message = "no Sentinel is asked where this store is";
            let problem = Problem::error(at.key("sentinel-password"), message);
            problems.push(problem.help("url = \"redis+sentinel://HOST:PORT,HOST:PORT/NAME\""));
        }
        if section.database != 0 && matches!(self, Self::Several(_)) {
            let problem = Problem::error(at.key("database"), "a cluster has one database");
            problems.push(problem.help("leave it out"));
        }
        let protected = match self {
            Self::One(place) => place.is_protected(),
            Self::Several(seeds) => seeds.is_protected(),
        };
        if !protected {
            let message = "anybody on the way can read and change what is in the store";
            let problem = Problem::finding(at.key("url"), message);
            let scheme = if matches!(self, Self::One(_)) { "rediss" } else { "rediss+cluster" };
            problems.push(
                problem.help(format!("write {scheme}://, unless the network is the gateways' own")),
            );
        }
    }
}
