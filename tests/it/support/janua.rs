//! A gateway in this process, on a port that the system chooses, in a directory of its own.

use std::{
    cell::Cell,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use janua::{
    app::{Gateway, Source},
    config::Report,
    metrics::Outside,
    server::Passed,
    snapshot::{Diff, Snapshot},
};
use serde_json::Value;
use tempfile::TempDir;

use super::{Client, http2::Http2, soon, until};

/// A configuration in the making: one listener, `public`, and what a test adds.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    server: String,
    listener: String,
    log: String,
    admin: String,
    rest: String,
}

impl Setup {
    /// With these sections after the listener's.
    pub(crate) fn new(rest: impl Into<String>) -> Self {
        Self { rest: rest.into(), ..Self::default() }
    }

    /// With one route: everything goes to this URL.
    pub(crate) fn to(url: &str) -> Self {
        Self::new(format!("[[route]]\nto = \"{url}\"\n"))
    }

    /// With these keys of the listener.
    pub(crate) fn listener(mut self, keys: &str) -> Self {
        self.listener += keys;
        self.listener += "\n";
        self
    }

    /// With these keys of the server.
    pub(crate) fn server(mut self, keys: &str) -> Self {
        self.server += keys;
        self.server += "\n";
        self
    }

    /// With these keys of the log.
    pub(crate) fn log(mut self, keys: &str) -> Self {
        self.log += keys;
        self.log += "\n";
        self
    }

    /// With these keys of the operator's door, which is shut otherwise.
    pub(crate) fn admin(mut self, keys: &str) -> Self {
        self.admin = format!("{keys}\n");
        self
    }

    fn text(&self, home: &std::path::Path) -> String {
        let Self { server, listener, log, admin, rest } = self;
        let admin = if admin.is_empty() { "address = \"off\"\n" } else { admin };
        let home = home.display();
        let workers = if server.contains("workers") { "" } else { "workers = 1\n" };
        format!(
            "[server]\nstate = \"{home}/state\"\n{workers}{server}\n\
             [log]\nlevel = \"error\"\naccess = \"json\"\naccess-file = \"{home}/access.log\"\n{log}\
             [admin]\n{admin}\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n{listener}\n{rest}"
        )
    }

    pub(crate) async fn start(self) -> Janua {
        let home = tempfile::tempdir().unwrap();
        self.start_in(Arc::new(home)).await
    }

    /// Tries to start; what is wrong.
    pub(crate) async fn fails_to_start(self) -> Report {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("janua.toml");
        std::fs::write(&file, self.text(home.path())).unwrap();
        let started = Gateway::start(Source::File(file), Passed::default(), None).await;
        assert!(started.is_err(), "it started");
        started.err().unwrap()
    }

    /// Fails the test unless it does not start for a problem at this place of the file, of which this is
    /// said, and this of what to do.
    pub(crate) async fn fails_at(self, path: &str, message: &str, help: &str) {
        let report = self.fails_to_start().await;
        let problems = report.json();
        let said =
            |key: &str, part: &str| problems[0][key].as_str().unwrap_or_default().contains(part);
        assert!(
            problems[0]["path"] == path && said("message", message) && said("help", help),
            "{path}: {message}: {help}\n{report}"
        );
        assert!(problems[0]["line"].is_number(), "{report}");
    }

    /// Starts in a directory that was there before.
    pub(crate) async fn start_in(self, home: Arc<TempDir>) -> Janua {
        let file = home.path().join("janua.toml");
        std::fs::write(&file, self.text(home.path())).unwrap();
        let started = Gateway::start(Source::File(file), Passed::default(), None).await;
        assert!(started.is_ok(), "{}", started.err().unwrap().text(false));
        let gateway = started.ok().unwrap();
        let address = gateway.address("public").await.unwrap();
        Janua { gateway, home, address }
    }
}

/// A running gateway; it ends when it is dropped.
pub(crate) struct Janua {
    pub(crate) gateway: Gateway,
    pub(crate) home: Arc<TempDir>,
    pub(crate) address: SocketAddr,
}

impl Janua {
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    pub(crate) async fn http2(&self) -> Http2 {
        Http2::connect(self.address).await
    }

    /// A request on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> super::Message {
        self.client().await.get(target).await
    }

    /// Fails the test unless this takes long, and small requests are answered all the while: what it asks for is
    /// not done by the worker, of which there is one, since that would let the small ones wait for most of it.
    pub(crate) async fn serves_others_during<T>(
        &self,
        small: &str,
        long: impl Future<Output = T>,
    ) -> T {
        let mut others = self.client().await;
        others.get(small).await;
        let start = Instant::now();
        let (whole, mut longest) = (Cell::new(Duration::ZERO), Duration::ZERO);
        let long = async {
            let done = long.await;
            whole.set(start.elapsed());
            done
        };
        let asking = async {
            while whole.get().is_zero() {
                let start = Instant::now();
                let answer = others.get(small).await;
                assert!(answer.status() < 500, "{}", answer.text());
                longest = longest.max(start.elapsed());
            }
        };
        let (done, ()) = tokio::join!(long, asking);
        let whole = whole.get();
        assert!(whole > Duration::from_millis(100), "too little to see anything: {whole:?}");
        assert!(longest < whole / 2, "others waited for {longest:?} of {whole:?}");
        done
    }

    /// Where another listener is.
    pub(crate) async fn address_of(&self, listener: &str) -> SocketAddr {
        self.gateway.address(listener).await.unwrap()
    }

    pub(crate) fn world(&self) -> Arc<Snapshot> {
        self.gateway.world().load()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes another configuration and loads it.
    pub(crate) async fn reload(&self, setup: &Setup) -> Result<Diff, Report> {
        std::fs::write(self.path("janua.toml"), setup.text(self.home.path())).unwrap();
        soon("reload", self.gateway.reload()).await
    }

    /// The lines of the access log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = self.world().access_log.clone();
        log.settle(Duration::from_secs(2));
        let text = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The first line of the access log for which this holds, which has to come soon.
    pub(crate) async fn logged(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        until(what, || {
            found = self.log().into_iter().find(&fits);
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// Waits until a request was logged with this reason.
    pub(crate) async fn logged_reason(&self, reason: &str) -> Value {
        self.logged(reason, |line| line["reason"] == reason).await
    }

    /// What a series of the metrics shows; nothing counts as 0.
    pub(crate) fn counted(&self, series: &str) -> u64 {
        let page = self.metrics();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// The page of metrics.
    pub(crate) fn metrics(&self) -> String {
        let world = self.world();
        let shelved = world.caches.memory().shelved();
        world.metrics_page(&Outside { shelved, ..Outside::default() })
    }

    /// Waits until so many requests to a route were refused, or cut off, for this reason.
    pub(crate) async fn rejected(&self, route: &str, reason: &str, times: u64) {
        let series = format!("janua_rejects_total{{route=\"{route}\",reason=\"{reason}\"}}");
        until(&series, || self.counted(&series) == times).await;
    }

    pub(crate) async fn stop(self) {
        soon("stop", self.gateway.stop()).await;
    }
}
