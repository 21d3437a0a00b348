//! [`Keys`]: the keys that hold now, and the keeper who fetches them.
//!
//! In: where they come from. Out: the set that holds. One task of the control side fetches: at once, again
//! before they are old, after failures with growing delay, and when a request asks for a key that nobody
//! knows; so there is one fetch at a time however many ask. Requests only ever wait for it to end, which
//! it does in time. While nothing newer is to be had the last set holds, up to a limit.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::{ArcSwapOption, Guard};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response, header};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::discovery::{self, Fault},
    key_set::KeySet,
    token::Token,
};
use crate::{
    config::Algorithm,
    dial::{Destination, Fetcher},
    metrics::AuthMetrics,
    reject::Reject,
};

/// The first delay after a failure; each one after it twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// Where keys are fetched.
#[derive(Debug)]
pub(in crate::auth) struct Source {
    pub(in crate::auth) place: Place,
    pub(in crate::auth) fetcher: Fetcher,
    pub(in crate::auth) algorithms: Vec<Algorithm>,
    pub(in crate::auth) max_keys: usize,
    pub(in crate::auth) refresh: Duration,
    pub(in crate::auth) cool_down: Duration,
    pub(in crate::auth) max_stale: Duration,
}

/// Where a JWK Set is.
#[derive(Debug)]
pub(in crate::auth) enum Place {
    /// At this URL.
    Set(String, Destination),
    /// Where the issuer's discovery document says.
    Discovery(String, Destination),
}

impl Place {
    fn url(&self) -> &str {
        match self {
            Self::Set(url, _) | Self::Discovery(url, _) => url,
        }
    }
}

/// A set that holds.
#[derive(Debug)]
pub(in crate::auth) struct Held {
    set: KeySet,
    /// What else the issuer says of itself, where that was asked.
    document: Document,
    /// Until when, if nothing newer comes.
    until: Option<Instant>,
}

/// An issuer's discovery document.
pub(in crate::auth) type Document = serde_json::Map<String, serde_json::Value>;

impl Held {
    /// The set, if it holds at this time.
    #[inline]
    pub(in crate::auth) fn at(&self, now: Instant) -> Option<&KeySet> {
        self.until.is_none_or(|until| now < until).then_some(&self.set)
    }

    /// Whether the token is signed with one of the keys, if they hold now.
    pub(in crate::auth) fn verify(&self, token: &Token<'_>) -> Result<(), Reject> {
        self.at(Instant::now()).ok_or(Reject::AuthJwtKeysUnavailable)?.verify(token)
    }

    /// The issuer's discovery document; an empty one if nobody asked for it.
    pub(in crate::auth) fn document(&self) -> &Document {
        &self.document
    }
}

/// The keys of a section.
#[derive(Debug)]
pub(in crate::auth) struct Keys {
    shared: Arc<Shared>,
    keeper: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    source: Option<Source>,
    held: ArcSwapOption<Held>,
    progress: Mutex<Progress>,
    /// Counts the fetches that have ended.
    ended: watch::Sender<u64>,
    wanted: Notify,
    metrics: Arc<AuthMetrics>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    fetching: bool,
    /// When a request may have keys fetched again.
    again: Option<Instant>,
    /// When they are fetched in any case.
    due: Option<Instant>,
}

impl Keys {
    /// Keys that are at hand.
    pub(in crate::auth) fn fixed(set: KeySet, name: Arc<str>, metrics: Arc<AuthMetrics>) -> Self {
        let keys = Self::new(name, None, metrics);
        keys.shared.hold(set, Document::new(), None);
        keys
    }

    /// Keys that are fetched. Those that were fetched `before` from the same place go on.
    pub(in crate::auth) fn fetched(
        source: Source,
        before: Option<&Self>,
        name: Arc<str>,
        metrics: Arc<AuthMetrics>,
    ) -> Self {
        let is_same = |known: &&Self| {
            known.shared.source.as_ref().is_some_and(|known| {
                known.place.url() == source.place.url()
                    && known.algorithms == source.algorithms
                    && known.max_keys == source.max_keys
            })
        };
        let before = before.filter(is_same).map(|before| before.shared.clone());
        let keys = Self::new(name, Some(source), metrics);
        if let Some(before) = before {
            keys.shared.held.store(before.held.load_full());
            let Progress { again, due, .. } = *before.progress.lock();
            *keys.shared.progress.lock() = Progress { fetching: false, again, due };
        }
        keys
    }

    fn new(name: Arc<str>, source: Option<Source>, metrics: Arc<AuthMetrics>) -> Self {
        let progress = Progress { fetching: false, again: None, due: None };
        let shared = Shared {
            name,
            source,
            held: ArcSwapOption::empty(),
            progress: Mutex::new(progress),
            ended: watch::Sender::new(0),
            wanted: Notify::new(),
            metrics,
        };
        Self { shared: Arc::new(shared), keeper: OnceLock::new() }
    }

    /// Begins to fetch, on the runtime that this is called on.
    pub(in crate::auth) fn start(&self) {
        if self.shared.source.is_some() {
            let keep = keep(self.shared.clone());
            let mut progress = self.shared.progress.lock();
            progress.fetching = progress.due.is_none();
            drop(progress);
            self.keeper.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(keep)));
        }
    }

    /// The last set; see [`Held::at`].
    #[inline]
    pub(in crate::auth) fn held(&self) -> Guard<Option<Arc<Held>>> {
        self.shared.held.load()
    }

    /// Whether it may come to other keys: those are being fetched, or may be.
    pub(in crate::auth) fn may_change(&self, now: Instant) -> bool {
        let progress = *self.shared.progress.lock();
        let may = progress.fetching || progress.again.is_none_or(|again| now >= again);
        self.keeper.get().is_some() && may
    }

    /// Whether there is somebody who could be asked at all.
    pub(in crate::auth) fn are_fetched(&self) -> bool {
        self.shared.source.is_some()
    }

    /// Tells of the ends of fetches from now on.
    pub(in crate::auth) fn ends(&self) -> watch::Receiver<u64> {
        self.shared.ended.subscribe()
    }

    /// Waits for the fetch that runs to end, or for one that is begun for it, if that may be.
    pub(in crate::auth) async fn renew(&self, mut ends: watch::Receiver<u64>) {
        let Some(source) = &self.shared.source else { return };
        if !self.may_change(Instant::now()) {
            return;
        }
        if !std::mem::replace(&mut self.shared.progress.lock().fetching, true) {
            self.shared.wanted.notify_one();
        }
        // Discovery takes two.
        let longest = 2 * source.fetcher.timeout() + FIRST_DELAY;
        let _ = timeout(longest, ends.changed()).await;
    }
}

impl Shared {
    fn hold(&self, set: KeySet, document: Document, until: Option<Instant>) {
        self.metrics.keys.set(i64::try_from(set.len()).unwrap_or(i64::MAX));
        self.held.store(Some(Arc::new(Held { set, document, until })));
    }

    /// Takes in what a fetch came to; when the next one is due.
    fn take(&self, source: &Source, fetched: Result<Fetched, Fault>, failures: &mut u32) {
        let now = Instant::now();
        self.metrics.key_fetches.inc();
        let mut progress = self.progress.lock();
        progress.fetching = false;
        match fetched {
            Ok(Fetched { set, document, max_age }) => {
                if std::mem::take(failures) > 0 {
                    tracing::info!(auth = %self.name, keys = set.len(), "there are keys again");
                }
                let age = max_age.unwrap_or(source.refresh).min(source.refresh);
                let least = source.cool_down.max(FIRST_DELAY);
                // The clock of requests is behind this one by a little.
                let rests = !source.cool_down.is_zero();
                progress.again = rests.then(|| now + source.cool_down);
                progress.due = Some(now + age.max(least).mul_f64(1.0 - 0.1 * fastrand::f64()));
                self.hold(set, document, Some(now + source.max_stale));
            }
            Err(error) => {
                self.metrics.key_fetch_failures.inc();
                let delay = FIRST_DELAY.saturating_mul(1 << (*failures).min(5)).min(LONGEST_DELAY);
                *failures += 1;
                let next = now + delay.mul_f64(1.0 - 0.1 * fastrand::f64());
                (progress.again, progress.due) = (Some(next), Some(next));
                let held = self.held.load().is_some();
                let url = source.place.url();
                tracing::warn!(auth = %self.name, url, %error, held, "no keys from the issuer");
            }
        }
        drop(progress);
        self.ended.send_modify(|count| *count += 1);
    }
}

/// Keeps the keys fresh, for ever.
async fn keep(shared: Arc<Shared>) {
    let Some(source) = &shared.source else { return };
    let mut failures = 0;
    loop {
        let due = shared.progress.lock().due;
        if let Some(due) = due {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = shared.wanted.notified() => {}
            }
        }
        shared.progress.lock().fetching = true;
        // Whoever asks from now on waits for this one.
        let _ = shared.wanted.notified().now_or_never();
        let fetched = source.fetch().await;
        shared.take(source, fetched, &mut failures);
    }
}

struct Fetched {
    set: KeySet,
    document: Document,
    max_age: Option<Duration>,
}

impl Source {
    async fn fetch(&self) -> Result<Fetched, Fault> {
        let (answer, document) = match &self.place {
            Place::Set(_, at) => (self.get(at).await?, Document::new()),
            Place::Discovery(issuer, at) => {
                let document = discovery::object(self.get(at).await?)?;
                let keys = discovery::endpoint(issuer, &document, "jwks_uri")?;
                (self.get(&keys).await?, document)
            }
        };
        let set = KeySet::parse(answer.body(), &self.algorithms, self.max_keys);
        let set = set.map_err(Fault::Content)?;
        Ok(Fetched { set, document, max_age: max_age(&answer) })
    }

    async fn get(&self, at: &Destination) -> Result<Response<Bytes>, Fault> {
        let mut question = Request::new(Bytes::new());
        let json = header::HeaderValue::from_static("application/json");
        question.headers_mut().insert(header::ACCEPT, json);
        discovery::well(self.fetcher.fetch(at, question).await?)
    }
}

/// How long an answer says that it is good.
fn max_age(answer: &Response<Bytes>) -> Option<Duration> {
    let said = answer.headers().get(header::CACHE_CONTROL)?.to_str().ok()?;
    let mut words = said.split(',').map(str::trim);
    let seconds = |word: &str| match word.to_ascii_lowercase().as_str() {
        "no-cache" | "no-store" => Some(0),
        word => word.strip_prefix("max-age=")?.parse().ok(),
    };
    words.find_map(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_long_it_is_good() {
        for (said, seconds) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("no-store", Some(0)),
            ("no-cache, max-age=60", Some(0)),
            ("public", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            let answer = Response::builder().header("cache-control", said);
            let age = max_age(&answer.body(Bytes::new()).unwrap());
            assert_eq!(age, seconds.map(Duration::from_secs), "{said}");
        }
    }
}
