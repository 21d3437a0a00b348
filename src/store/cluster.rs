//! [`Cluster`]: a store of several servers, each of which has some of the keys.
//!
//! In: commands of one key. Out: the answer of whoever has that key. One task of the control side asks who has
//! which slots: at once, when a server sends a command on or goes away, and now and then. Each server has a
//! [`Link`] of its own, so that one that is gone takes nothing along but its keys. What is sent on goes on a few
//! times and no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use redis::{Cmd, Value, cmd};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Unavailable,
    link::{Link, Manner},
    sentinel::{Place, begin, say, server},
    slots::{Range, read, slot, works},
};
use crate::dial::{self, Address, Server};

/// So often a command is sent on.
const MOVES: usize = 3;
/// How often is asked who has which slots while all is well, and while it is not.
const CALM: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(1);
/// At least so long passes between two questions, and where the cluster is down.
const LEAST: Duration = Duration::from_millis(20);
const LEAST_DOWN: Duration = Duration::from_millis(200);
/// So many answers are looked at for one of a server that the others can be reached by.
const ANSWERS: usize = 8;
/// Servers that commands were sent on to, and how long they are remembered.
const GUESTS: usize = 32;
const REMEMBERED: Duration = Duration::from_secs(60);
/// The port of a server where the URL has none.
const PORT: u16 = 6379;

/// Where a cluster is asked first.
pub(super) struct Seeds {
    places: Box<[Place]>,
    tls: bool,
}

/// A store of several servers.
pub(super) struct Cluster {
    name: Box<str>,
    seeds: Seeds,
    pub(super) manner: Manner,
    state: watch::Sender<State>,
    /// Something is not as the table says.
    news: Arc<Notify>,
    /// Servers that commands were sent on to, when that was last. They may have no slots yet.
    guests: Mutex<BTreeMap<Box<str>, Instant>>,
}

#[derive(Clone)]
enum State {
    /// Nobody has said anything yet.
    Begun,
    Known(Arc<Table>),
    /// Nobody says who has what, for this reason.
    Down(Arc<str>),
}

/// Who has which slots.
#[derive(Default)]
struct Table {
    /// By `HOST:PORT`.
    servers: BTreeMap<Box<str>, Arc<Node>>,
    ranges: Vec<Range>,
}

/// What a server says.
struct Word {
    ranges: Vec<Range>,
    /// The cluster works, as far as it sees. One that is cut off from most of the others says that it does not,
    /// and knows no better than that slots are whose they were.
    works: bool,
}

/// A server.
struct Node {
    link: Arc<Link>,
    _keeper: AbortOnDropHandle<()>,
}

impl Seeds {
    /// Reads a URL, if it is one of a cluster.
    pub(super) fn parse(url: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = url.split_once("://")?;
        let tls = match scheme {
            "redis+cluster" => false,
            "rediss+cluster" => true,
            _ => return None,
        };
        let rest = rest.trim_end_matches('/');
        if rest.contains('@') {
            let message = "a store's URL must not carry a user or password: `password` holds it";
            return Some(Err(message.into()));
        }
        if rest.contains(['/', '?', '#']) {
            return Some(Err("a cluster has one database: its URL ends with a port".into()));
        }
        let places = rest.split(',').map(|host| server(host, PORT, tls).map(Place::At));
        Some(places.collect::<Result<_, _>>().map(|places| Self { places, tls }))
    }

    /// Whether nobody on the way can change what is said. Where they lead is not known yet.
    pub(super) const fn is_protected(&self) -> bool {
        self.tls
    }
}

impl Cluster {
    pub(super) fn new(name: Box<str>, seeds: Seeds, manner: Manner) -> Self {
        let (state, news) = (watch::Sender::new(State::Begun), Arc::default());
        Self { name, seeds, manner, state, news, guests: Mutex::default() }
    }

    /// Sends a command to whoever has its key, and waits for the answer.
    pub(super) async fn ask(&self, key: &[u8], command: &Cmd) -> Result<Value, Unavailable> {
        let (mut node, mut asking) = (self.owner(slot(key)).await?, false);
        for _ in 0..=MOVES {
            match node.link.ask(command, asking).await {
                Err(Unavailable::Elsewhere { place, asking: as_guest }) => {
                    if !as_guest {
                        self.news.notify_one();
                    }
                    (node, asking) = (self.sent_to(&place, &node).await?, as_guest);
                }
                answer => return answer,
            }
        }
        Err(Unavailable::Refused("its servers send it on and on".into()))
    }

    /// Who has a slot; only for the first word of that is waited.
    async fn owner(&self, slot: u16) -> Result<Arc<Node>, Unavailable> {
        self.table(self.manner.timeout).await?.owner(slot).ok_or_else(|| {
            self.manner.metrics.skipped.inc();
            Unavailable::Down("nobody has this slot".into())
        })
    }

    /// Whom a server names in its place; one that is not known yet is waited for.
    async fn sent_to(&self, place: &str, by: &Node) -> Result<Arc<Node>, Unavailable> {
        // A server without a name of its own is where the other is.
        let same = place.strip_prefix(':').map(|port| format!("{}:{port}", by.link.host()));
        let place = same.as_deref().unwrap_or(place);
        self.expect(place);
        let find = |state: &State| match state {
            State::Known(table) => table.servers.get(place).cloned(),
            State::Begun | State::Down(_) => None,
        };
        if let Some(node) = find(&self.state.borrow()) {
            return Ok(node);
        }
        self.news.notify_one();
        let (mut changes, longest) = (self.state.subscribe(), self.manner.timeout);
        let found = timeout(longest, changes.wait_for(|state| find(state).is_some())).await;
        let node = found.ok().and_then(Result::ok).and_then(|state| find(&state));
        node.ok_or(Unavailable::Timeout(longest))
    }

    /// Notes that commands are sent on to a server, of some.
    fn expect(&self, place: &str) {
        let mut guests = self.guests.lock();
        if guests.len() < GUESTS || guests.contains_key(place) {
            guests.insert(place.into(), Instant::now());
        }
    }

    async fn table(&self, longest: Duration) -> Result<Arc<Table>, Unavailable> {
        let known = |state: &State| match state {
            State::Begun => None,
            State::Known(table) => Some(Ok(table.clone())),
            State::Down(why) => Some(Err(Unavailable::Down(why.clone()))),
        };
        if let Some(known) = known(&self.state.borrow()) {
            return known;
        }
        let mut changes = self.state.subscribe();
        let state = timeout(longest, changes.wait_for(|state| known(state).is_some())).await;
        let known = state.ok().and_then(Result::ok).and_then(|state| known(&state));
        known.unwrap_or(Err(Unavailable::Timeout(longest)))
    }

    /// Waits for the first connection to each server.
    pub(super) async fn connected(&self, longest: Duration) -> Result<(), Unavailable> {
        for link in self.links(longest).await? {
            link.connected(longest).await?;
        }
        Ok(())
    }

    /// The servers that have slots.
    pub(super) async fn links(&self, longest: Duration) -> Result<Vec<Arc<Link>>, Unavailable> {
        let table = self.table(longest).await?;
        let places: BTreeSet<_> = table.ranges.iter().map(|range| &range.place).collect();
        let nodes = places.into_iter().filter_map(|place| table.servers.get(place));
        Ok(nodes.map(|node| node.link.clone()).collect())
    }

    /// Whether there is a connection to one of them.
    pub(super) fn is_up(&self) -> bool {
        match &*self.state.borrow() {
            State::Known(table) => table.servers.values().any(|node| node.link.is_up()),
            State::Begun | State::Down(_) => false,
        }
    }

    /// Why there is none to any of them, if that is known.
    pub(super) fn down_by(&self) -> Option<Unavailable> {
        match &*self.state.borrow() {
            State::Begun => None,
            State::Down(why) => Some(Unavailable::Down(why.clone())),
            State::Known(table) => {
                let mut last = None;
                for node in table.servers.values() {
                    last = Some(node.link.down_by()?);
                }
                last
            }
        }
    }

    /// Keeps the table as the servers say, for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        let (mut ranges, mut works, mut failed) = (Vec::new(), false, false);
        loop {
            let looked = Instant::now();
            match self.look().await {
                Ok(word) => (ranges, works, failed) = (word.ranges, word.works, false),
                Err(why) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::warn!(store = %self.name, %why, "nobody says who has which slots");
                    }
                    if ranges.is_empty() {
                        self.state.send_replace(State::Down(why.into()));
                    }
                }
            }
            let calm = match ranges.is_empty() {
                true => false,
                false => self.arrange(&ranges) && works && !failed,
            };
            let _ = timeout(if calm { CALM } else { SOON }, self.news.notified()).await;
            let least = if works { LEAST } else { LEAST_DOWN };
            sleep(least.saturating_sub(looked.elapsed())).await;
        }
    }

    /// Makes connections as they are needed now; whether all of them are up.
    fn arrange(&self, ranges: &[Range]) -> bool {
        let before = match &*self.state.borrow() {
            State::Known(table) => table.clone(),
            State::Begun | State::Down(_) => Arc::default(),
        };
        let mut wanted: BTreeSet<Box<str>> = ranges.iter().map(|it| it.place.clone()).collect();
        let mut guests = self.guests.lock();
        guests.retain(|_, last| last.elapsed() < REMEMBERED);
        wanted.extend(guests.keys().cloned());
        drop(guests);
        let mut servers = BTreeMap::new();
        for place in wanted {
            let node = before.servers.get(&place).cloned().or_else(|| self.node(&place));
            servers.extend(node.map(|node| (place, node)));
        }
        let all_up = servers.values().all(|node| node.link.is_up());
        let table = Table { servers, ranges: ranges.to_vec() };
        self.state.send_replace(State::Known(Arc::new(table)));
        all_up
    }

    fn node(&self, place: &str) -> Option<Arc<Node>> {
        let server = named(place, self.seeds.tls).inspect_err(|why| {
            tracing::warn!(store = %self.name, server = place, why, "this is no server");
        });
        let name = format!("{} at {place}", self.name).into();
        let place = Place::At(server.ok()?);
        let link = Link::new(name, place, self.manner.clone(), self.news.clone());
        let link = Arc::new(link);
        let keeper = AbortOnDropHandle::new(tokio::spawn(link.clone().keep()));
        Some(Arc::new(Node { link, _keeper: keeper }))
    }

    /// Who has which slots, as the first server says that answers and is not cut off from the others: those are
    /// asked first that commands were sent on to, and last those of the URL. Each has its part of the time.
    async fn look(&self) -> Result<Word, String> {
        let table = match &*self.state.borrow() {
            State::Known(table) => table.clone(),
            State::Begun | State::Down(_) => Arc::default(),
        };
        let guests = self.guests.lock().clone();
        let mut known: Vec<_> = table.servers.iter().collect();
        known.sort_by_key(|(place, node)| (!node.link.is_up(), !guests.contains_key(*place)));
        let known = known.into_iter().map(|(_, node)| &node.link.place);
        let part = self.manner.connect_timeout / 4;
        let (mut first, mut answers, mut why) = (None, 0, String::new());
        for place in known.chain(&self.seeds.places) {
            let said = timeout(part, self.ask_for_slots(place)).await;
            match said.unwrap_or_else(|_| Err(format!("no answer within {part:?}"))) {
                Ok(word) if word.works => return Ok(word),
                Ok(word) => {
                    answers += 1;
                    first.get_or_insert(word);
                    if answers == ANSWERS {
                        break;
                    }
                }
                Err(error) => why = format!("the server at {}: {error}", place.host()),
            }
        }
        first.ok_or(why)
    }

    async fn ask_for_slots(&self, place: &Place) -> Result<Word, String> {
        let Manner { tls, hello, connect_timeout, .. } = &self.manner;
        let stream = place.connect(tls, *connect_timeout).await?;
        let slots = cmd("CLUSTER").arg("SLOTS").to_owned();
        let (mut connection, mut driver, answer) = begin(hello, stream, &slots).await?;
        let ranges = match &answer {
            Value::ServerError(error) => return Err(error.to_string()),
            answer => read(answer, &place.host())?,
        };
        // One that may not be asked for more is taken at its word.
        let info = say(&mut connection, &mut driver, cmd("CLUSTER").arg("INFO")).await?;
        Ok(Word { ranges, works: works(&info) })
    }
}

impl Table {
    fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges[..after].last().filter(|range| slot <= range.last)?;
        self.servers.get(&range.place).cloned()
    }
}

/// A server, as servers write where it is: an IPv6 address has no brackets there.
fn named(place: &str, tls: bool) -> Result<Server, String> {
    let parts = place.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| format!("`{place}` is no server"))?;
    let place = match host.parse() {
        Ok(ip) => dial::Place::Ip(ip, port),
        Err(_) => dial::Place::Name(host.into(), port),
    };
    Server::new(Address::found(place, tls, None)?)
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_cluster_may_be_asked() {
        for (url, expected) in [
            ("redis+cluster://one", "one"),
            ("redis+cluster://10.0.0.1:7000,two:7001/", "10.0.0.1 two"),
            ("rediss+cluster://[::1]:7000", "::1"),
        ] {
            let seeds = Seeds::parse(url).unwrap().unwrap_or_else(|error| panic!("{url}: {error}"));
            let hosts: Vec<_> = seeds.places.iter().map(Place::host).collect();
            assert_eq!(hosts.join(" "), expected, "{url}");
            assert_eq!(seeds.is_protected(), url.starts_with("rediss"));
        }
        for (url, message) in [
            ("redis+cluster://", "is not"),
            ("redis+cluster://one,,two", "is not"),
            ("redis+cluster://one:x", "no valid port"),
            ("redis+cluster://:hunter2@one", "must not carry a user or password"),
            ("redis+cluster://one/0", "one database"),
            ("redis+cluster://one?a", "one database"),
        ] {
            let Some(Err(error)) = Seeds::parse(url) else { panic!("{url}") };
            assert!(error.contains(message) && !error.contains("hunter2"), "{url}: {error}");
        }
        assert!(Seeds::parse("redis://one").is_none() && Seeds::parse("").is_none());
    }

    #[test]
    fn a_server_is_where_another_says() {
        for (place, expected) in [
            ("127.0.0.1:7000", Some("http://127.0.0.1:7000")),
            ("::1:7000", Some("http://[::1]:7000")),
            ("two.example:1", Some("http://two.example:1")),
            ("two.example", None),
            ("two:99999", None),
            (":7000", None),
            ("a b:1", None),
        ] {
            let server = named(place, false).ok().map(|server| server.address.to_string());
            assert_eq!(server.as_deref(), expected, "{place}");
        }
    }
}
