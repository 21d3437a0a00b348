//! The endpoints that an upstream has beside those that are written down: what its sources find, made into
//! endpoints, put in one place.
//!
//! In: what each source found last. Out: a new list of members, when there is news. An endpoint that stays is
//! the same: its connections and what is known of it go on. One that goes gets no more requests, and its idle
//! connections are closed; what runs there goes on.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use serde::Serialize;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Upstream,
    compile::{Make, is_news, twice},
    endpoint::Endpoint,
    members::{Member, Place},
    roster::Roster,
    sharing::Sharing,
};
use crate::{
    config::{self, Path, Problems, Severity},
    discovery::{self, Found, Known, Running, Source, is_source},
    metrics::{DiscoveryMetrics, UpstreamMetrics},
    worker::wall,
};

/// Endpoints that a line of the log names.
const SHOWN: usize = 10;

/// An upstream's sources of endpoints.
pub(super) struct Discovered {
    pub(super) sources: Vec<Listed>,
    /// The endpoints that are written down.
    written: Vec<(Arc<Endpoint>, Place)>,
    make: Make,
    /// Whether all sources were asked, with whatever success.
    settled: watch::Sender<bool>,
}

/// A source, as an upstream lists it.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) source: Arc<Source>,
    /// How it is written: the weights of its endpoints are multiplied by that, priorities are added.
    written: config::Endpoint,
}

/// The sources of endpoints; those that did not change go on.
pub(super) fn sources(
    name: &str,
    upstream: &config::Upstream,
    previous: Option<&Upstream>,
    metrics: &Arc<UpstreamMetrics>,
    (list, at): (&Path, &Path),
    problems: &mut Problems,
) -> Option<Vec<Listed>> {
    let (section, section_at) = (&upstream.discovery, at.key("discovery"));
    let written = upstream.endpoints.iter().enumerate();
    let written: Vec<_> = written.filter(|(_, endpoint)| is_source(endpoint.url())).collect();
    let urls: Vec<_> = written.iter().map(|(_, endpoint)| endpoint.url()).collect();
    let before = problems.iter().len();
    discovery::check(section, &urls, &section_at, problems);
    let discovered = previous.and_then(|previous| previous.roster.discovered.as_ref());
    let known = discovered.map(|discovered| &discovered.sources[..]).unwrap_or_default();
    let mut made = Vec::new();
    for (place, (index, endpoint)) in written.iter().enumerate() {
        let url = endpoint.url();
        if let Some(first) = urls[..place].iter().position(|other| *other == url) {
            problems.push(twice(url, *index, written[first].0, list));
        }
        let places = (&list.index(*index), &section_at);
        let source = Source::compile(url, section, (name, metrics), places, problems);
        let Some(source) = source else { continue };
        let same = known.iter().find(|known| known.source.is_same(&source));
        known.iter().for_each(|known| source.inherit(&known.source));
        let source = same.map_or_else(|| Arc::new(source), |known| known.source.clone());
        made.push(Listed { source, written: (*endpoint).clone() });
    }
    let wrong = problems.iter().skip(before).any(|new| new.severity == Severity::Error);
    (!wrong).then_some(made)
}

impl Discovered {
    /// What these sources find, beside endpoints that are written down.
    pub(super) fn new(
        sources: Vec<Listed>,
        written: Vec<(Arc<Endpoint>, Place)>,
        make: Make,
    ) -> Self {
        let discovered = Self { sources, written, make, settled: watch::Sender::new(false) };
        discovered.settle();
        discovered
    }

    /// The endpoints there are now; those that are known go on.
    pub(super) fn members(
        &self,
        upstream: &str,
        known: &[Member],
        sharing: &Sharing,
        now: Instant,
    ) -> Vec<Member> {
        let by_name = known.iter().map(|known| (&*known.endpoint.origin.name, &known.endpoint));
        let by_name: HashMap<_, _> = by_name.collect();
        let written = self.written.iter();
        let mut list: Vec<_> = written
            .map(|(endpoint, place)| Member::new(endpoint.clone(), *place, sharing, now))
            .collect();
        let mut there: HashSet<_> =
            list.iter().map(|member| member.endpoint.origin.name.to_string()).collect();
        for Listed { source, written } in &self.sources {
            for found in source.known().found.iter() {
                let name = found.address.to_string();
                let before = by_name.get(&*name).copied();
                if !there.insert(name) {
                    continue;
                }
                match self.make.endpoint(found.address.clone(), before.into_iter()) {
                    Ok(endpoint) => {
                        if is_news(&endpoint, known) {
                            endpoint.origin.share.comes(now);
                        }
                        let place = self.place(found, written);
                        list.push(Member::new(endpoint, place, sharing, now));
                    }
                    Err(wrong) => {
                        let source = &*source.url;
                        tracing::warn!(
                            upstream,
                            source,
                            wrong,
                            "an endpoint that was found is of no use"
                        );
                    }
                }
            }
        }
        list
    }

    /// What an endpoint is among the others that a source found which is written so.
    fn place(&self, found: &Found, written: &config::Endpoint) -> Place {
        let place = self.make.place(written);
        Place {
            weight: found.weight.saturating_mul(place.weight),
            priority: found.priority.saturating_add(place.priority),
            near: place.near || self.make.is_near(found.zone.as_deref()),
            max_requests: found.max_requests.or(place.max_requests),
        }
    }

    /// Has the sources asked, for as long as what this gives is kept.
    pub(super) fn run(&self) -> Vec<Arc<Running>> {
        self.sources.iter().map(|listed| listed.source.run()).collect()
    }

    /// Lets those go on who wait until all sources were asked, if that is so.
    pub(super) fn settle(&self) {
        if self.sources.iter().all(|listed| listed.source.known().is_settled()) {
            self.settled.send_replace(true);
        }
    }

    /// What tells when all sources were asked; nothing if they were.
    pub(super) fn unsettled(&self) -> Option<watch::Receiver<bool>> {
        (!*self.settled.borrow()).then(|| self.settled.subscribe())
    }

    /// How the sources are.
    pub(super) fn shown(&self) -> Vec<ShownSource> {
        let shown = |listed: &Listed| {
            let known = listed.source.known();
            ShownSource {
                url: listed.source.url.to_string(),
                endpoints: known.found.len(),
                answered_ago: known.heard.map(|heard| heard.elapsed().as_secs()),
                wrong: known.wrong,
            }
        };
        self.sources.iter().map(shown).collect()
    }

    /// Brings the numbers up to date.
    pub(super) fn measure(&self, metrics: &DiscoveryMetrics) {
        let known: Vec<_> = self.sources.iter().map(|listed| listed.source.known()).collect();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.sources.set(number(known.len()));
        metrics.found.set(number(known.iter().map(|known| known.found.len()).sum()));
        metrics.failing.set(number(known.iter().filter(|known| known.wrong.is_some()).count()));
        let seconds = |known: &Known| {
            known.heard.map_or(0, |heard| {
                let ago = u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX);
                i64::try_from(wall().saturating_sub(ago) / 1_000).unwrap_or(i64::MAX)
            })
        };
        metrics.heard.set(known.iter().map(seconds).min().unwrap_or(0));
    }
}

/// A source, as the page of upstreams shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ShownSource {
    url: String,
    /// As of its last good answer.
    endpoints: usize,
    /// Seconds since it said something, if it ever did.
    answered_ago: Option<u64>,
    /// Why what it found last is only kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<String>,
}

/// What is at work while an upstream's sources are asked.
#[derive(Debug, Default)]
pub(super) struct Following {
    _running: Vec<Arc<Running>>,
    _followers: Vec<AbortOnDropHandle<()>>,
}

/// Has a roster's sources asked, and takes in what they find.
pub(super) fn follow(roster: &Arc<Roster>) -> Following {
    let Some(discovered) = &roster.discovered else { return Following::default() };
    let follower = |listed: &Listed| {
        let mut news = listed.source.subscribe();
        // What was found before anybody followed is news too.
        news.mark_changed();
        let roster = Arc::downgrade(roster);
        AbortOnDropHandle::new(tokio::spawn(async move {
            while news.changed().await.is_ok() {
                let Some(roster) = roster.upgrade() else { return };
                roster.renew(Instant::now());
            }
        }))
    };
    Following {
        _followers: discovered.sources.iter().map(follower).collect(),
        _running: discovered.run(),
    }
}

/// What is different between two lists of members, for the log.
pub(super) struct Changes {
    added: Vec<Arc<str>>,
    removed: Vec<Arc<str>>,
    changed: Vec<Arc<str>>,
}

impl Changes {
    /// What has changed; nothing if all is as it was.
    pub(super) fn between(before: &[Member], after: &[Member]) -> Option<Self> {
        let other = |list: &[Member], member: &Member| {
            list.iter().find(|other| other.is_same(member)).map(|other| other.place)
        };
        let name = |member: &Member| member.endpoint.origin.name.clone();
        let missing = |list: &[Member], among: &[Member]| -> Vec<_> {
            let gone = list.iter().filter(|member| other(among, member).is_none());
            gone.map(name).collect()
        };
        let differs =
            |member: &&Member| other(before, member).is_some_and(|before| before != member.place);
        let changes = Self {
            added: missing(after, before),
            removed: missing(before, after),
            changed: after.iter().filter(differs).map(name).collect(),
        };
        let Self { added, removed, changed } = &changes;
        (added.len() + removed.len() + changed.len() > 0).then_some(changes)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, removed, changed } = self;
        let mut separator = "";
        for (word, names) in [("added", added), ("removed", removed), ("changed", changed)] {
            if names.is_empty() {
                continue;
            }
            let shown: Vec<_> = names.iter().take(SHOWN).map(|name| &**name).collect();
            write!(f, "{separator}{word} {}", shown.join(", "))?;
            if names.len() > SHOWN {
                write!(f, " and {} more", names.len() - SHOWN)?;
            }
            separator = "; ";
        }
        Ok(())
    }
}

impl fmt::Debug for Discovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovered").field("sources", &self.sources).finish_non_exhaustive()
    }
}
