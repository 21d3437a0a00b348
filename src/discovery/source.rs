//! [`Source`]: what all sources have in common. It is asked for as long as anybody runs it; its last good set
//! is kept, and for how long; what fails is tried again, later each time; and the log is told once.

use std::{
    collections::HashSet,
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{Found, consul::Consul, dns::Dns, file::File, kubernetes::Kubernetes, srv::Srv};
use crate::{
    config::{self, Path, Problem, Problems},
    metrics::UpstreamMetrics,
};

/// The first delay after a failure; each one after it twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// The longest one.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// A source of endpoints.
#[derive(Debug)]
pub struct Source {
    /// Its URL, as it was written.
    pub url: Box<str>,
    upstream: Box<str>,
    kind: Kind,
    settings: config::Discovery,
    /// Changes when a file that was read for it changes.
    digest: u64,
    metrics: Arc<UpstreamMetrics>,
    known: watch::Sender<Known>,
    /// The last good set began to be kept, or is kept no longer.
    kept: Notify,
    running: Mutex<Weak<Running>>,
}

#[derive(Debug)]
enum Kind {
    Dns(Dns),
    Srv(Srv),
    Consul(Consul),
    File(File),
    Kubernetes(Kubernetes),
}

/// What is known of a source.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The endpoints, as of its last good answer.
    pub found: Arc<[Found]>,
    /// When it said something last.
    pub heard: Option<Instant>,
    /// What is wrong with it now.
    pub wrong: Option<String>,
    /// Since when it says that there are no endpoints.
    empty: Option<Instant>,
    /// Since when it says nothing.
    failed: Option<Instant>,
    /// Whether it named more endpoints than are taken.
    cut: bool,
}

/// While it lives, its source is asked.
#[derive(Debug)]
pub struct Running {
    _task: AbortOnDropHandle<()>,
}

impl Source {
    /// Compiles the URL at `at`, with the section at `section_at`. Whether anybody is there is not looked at.
    pub fn compile(
        url: &str,
        section: &config::Discovery,
        (upstream, metrics): (&str, &Arc<UpstreamMetrics>),
        (at, section_at): (&Path, &Path),
        problems: &mut Problems,
    ) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let given = (section, section_at);
        let kind = match scheme {
            "dns" => Dns::compile(rest, given, problems).map(|made| made.map(Kind::Dns)),
            "srv" => Srv::compile(rest, given, problems).map(|made| made.map(Kind::Srv)),
            "consul" => Consul::compile(rest, given, problems).map(|made| made.map(Kind::Consul)),
            "kubernetes" => {
                Kubernetes::compile(rest, given, problems).map(|made| made.map(Kind::Kubernetes))
            }
            _ => File::compile(rest).map(|made| Some(Kind::File(made))),
        };
        let kind = kind.map_err(|(message, help)| {
            Problem::error(at.clone(), format!("`{url}`: {message}")).help(help)
        });
        let kind = problems.keep(kind)??;
        let digest = digest(section, &kind);
        Some(Self {
            url: url.into(),
            upstream: upstream.into(),
            kind,
            settings: section.clone(),
            digest,
            metrics: metrics.clone(),
            known: watch::Sender::default(),
            kept: Notify::new(),
            running: Mutex::default(),
        })
    }

    /// Whether it is the same, so that what it found goes on.
    pub fn is_same(&self, other: &Self) -> bool {
        self.url == other.url && self.settings == other.settings && self.digest == other.digest
    }

    /// Takes over what another found, if it leads to the same place: that holds until there is an answer, and no
    /// longer than it would have there.
    pub fn inherit(&self, other: &Self) {
        let place = |source: &Self| {
            let config::Discovery { scheme, dns, family, server, .. } = source.settings.clone();
            let server = match &source.kind {
                Kind::Kubernetes(kubernetes) => kubernetes.cluster.url.clone(),
                Kind::Dns(_) | Kind::Srv(_) | Kind::Consul(_) | Kind::File(_) => server,
            };
            (source.url.clone(), scheme, dns, family, server)
        };
        if place(self) == place(other) {
            let known = Known { wrong: None, cut: false, ..other.known() };
            self.known.send_replace(known);
        }
    }

    /// Whether endpoints that it finds may speak TLS.
    pub fn may_speak_tls(&self) -> bool {
        matches!(self.kind, Kind::File(_)) || self.settings.scheme == config::Scheme::Https
    }

    /// What is known of it now.
    pub fn known(&self) -> Known {
        self.known.borrow().clone()
    }

    /// Tells of each change of what it found, and when it was heard for the first time, or is found not to
    /// answer.
    pub fn subscribe(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Has it asked, on the runtime that this is called on, for as long as somebody keeps what this gives.
    pub fn run(self: &Arc<Self>) -> Arc<Running> {
        let mut running = self.running.lock();
        if let Some(running) = running.upgrade() {
            return running;
        }
        let source = self.clone();
        let task = tokio::spawn(async move {
            tokio::join!(source.ask(), source.forget());
        });
        let made = Arc::new(Running { _task: AbortOnDropHandle::new(task) });
        *running = Arc::downgrade(&made);
        made
    }

    /// Asks again and again.
    async fn ask(&self) {
        let mut delay = FIRST_DELAY;
        loop {
            let begun = Instant::now();
            let Err(wrong) = self.listen().await;
            // One that fails soon again is not asked more often for having said something meanwhile.
            if begun.elapsed() >= LONGEST_DELAY {
                delay = FIRST_DELAY;
            }
            self.fail(wrong);
            sleep(delay.mul_f64(1.0 - 0.5 * fastrand::f64())).await;
            delay = (2 * delay).min(LONGEST_DELAY);
        }
    }

    /// Takes in what it says until it fails.
    async fn listen(&self) -> Result<Infallible, String> {
        match &self.kind {
            Kind::Dns(dns) => dns.listen(self).await,
            Kind::Srv(srv) => srv.listen(self).await,
            Kind::Consul(consul) => consul.listen(self).await,
            Kind::File(file) => file.listen(self).await,
            Kind::Kubernetes(kubernetes) => kubernetes.listen(self).await,
        }
    }

    /// Takes in a set. An empty one does not count until it has been so for long.
    pub(super) fn deliver(&self, found: Vec<Found>) {
        self.deliver_partly(found, None);
    }

    /// The same of a set of which some is only what was known before, for this reason.
    pub(super) fn deliver_partly(&self, mut found: Vec<Found>, partly: Option<String>) {
        let now = Instant::now();
        let cut = self.order(&mut found);
        let none = found.is_empty();
        self.known.send_if_modified(|known| {
            let first = !known.is_settled();
            known.heard = Some(now);
            known.failed = None;
            let wrong = none.then(|| "it says that there are no endpoints".to_owned()).or(partly);
            self.tell(known, wrong.as_deref());
            if cut && !known.cut {
                let (upstream, source, most) = (&*self.upstream, &*self.url, found.len());
                tracing::warn!(
                    upstream,
                    source,
                    most,
                    "a source names more endpoints than are taken"
                );
            }
            (known.wrong, known.cut) = (wrong, cut);
            if none {
                known.empty.get_or_insert(now);
                return first;
            }
            known.empty = None;
            let news = *known.found != *found;
            if news {
                known.found = found.into();
            }
            news || first
        });
        self.kept.notify_one();
    }

    /// Takes note that it says the same as before.
    pub(super) fn confirm(&self) {
        self.known.send_if_modified(|known| {
            known.heard = Some(Instant::now());
            false
        });
    }

    /// Takes note that it fails, and why.
    pub(super) fn fail(&self, wrong: String) {
        self.metrics.discovery.failures.inc();
        self.known.send_if_modified(|known| {
            let first = !known.is_settled();
            self.tell(known, Some(&wrong));
            known.wrong = Some(wrong);
            known.failed.get_or_insert_with(Instant::now);
            first
        });
        self.kept.notify_one();
    }

    /// Gives up the last good set when it has been kept for long enough.
    async fn forget(&self) {
        loop {
            let until = self.known.borrow().until(&self.settings);
            let due = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.kept.notified() => {}
                () = due => {
                    let (upstream, source) = (&*self.upstream, &*self.url);
                    tracing::warn!(upstream, source, "the endpoints that were found last are given up");
                    self.known.send_modify(|known| known.found = Arc::default());
                }
            }
        }
    }

    /// Tells the log when something begins to be wrong, and when it is so no more.
    fn tell(&self, known: &Known, wrong: Option<&str>) {
        let (upstream, source, kept) = (&*self.upstream, &*self.url, known.found.len());
        match (&known.wrong, wrong) {
            (None, Some(wrong)) => tracing::warn!(
                upstream,
                source,
                wrong,
                kept,
                "a source of endpoints is of no use: those found last are kept"
            ),
            (Some(_), None) => tracing::info!(upstream, source, "a source of endpoints is back"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Puts endpoints in order, each once, and no more than are taken. Says whether there were more.
    fn order(&self, found: &mut Vec<Found>) -> bool {
        // The order of answers says nothing: what is equal has to look equal.
        found.sort_by_cached_key(|found| (found.priority, found.address.to_string()));
        let mut seen = HashSet::new();
        found.retain(|found| seen.insert(found.address.to_string()));
        let most = usize::try_from(self.settings.max_endpoints).unwrap_or(usize::MAX);
        let cut = found.len() > most;
        found.truncate(most);
        cut
    }
}

impl Known {
    /// Whether it was asked, with whatever success.
    pub fn is_settled(&self) -> bool {
        self.heard.is_some() || self.wrong.is_some()
    }

    /// When the last good set is to be given up, if there is one that is only kept.
    fn until(&self, settings: &config::Discovery) -> Option<Instant> {
        if self.found.is_empty() {
            return None;
        }
        let empty = self.empty.and_then(|since| since.checked_add(settings.keep_empty.0));
        let keep = settings.keep_failed.map(|keep| keep.0);
        let failed = self.failed.zip(keep).and_then(|(since, keep)| since.checked_add(keep));
        empty.into_iter().chain(failed).min()
    }
}

fn digest(section: &config::Discovery, kind: &Kind) -> u64 {
    let mut hasher = DefaultHasher::new();
    // If it cannot be read, that is said elsewhere.
    section.ca.as_ref().and_then(|file| config::read_file(file).ok()).hash(&mut hasher);
    if let Kind::Kubernetes(kubernetes) = kind {
        kubernetes.cluster.digest.hash(&mut hasher);
    }
    hasher.finish()
}
