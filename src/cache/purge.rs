//! Purging: an operator's word on what is kept, and a look at it.
//!
//! In: what is to go ([`Purge`]), or a URL. Out: it is gone for everybody at once; memory is given back by a
//! task that goes through all that is kept, a little at a time.

use std::sync::{
    Arc,
    atomic::Ordering::{AcqRel, Release},
};

use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Memory,
    ban::{Full, Reach},
    shelf::Key,
    stamps::Verdict,
};
use crate::{message::canonical_authority, metrics::OnDisk};

/// As many of the keys of one URL are shown.
const MOST_SHOWN: usize = 100;

/// What is to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Purge {
    /// How much.
    pub reach: Reach,
    /// Whether it may be given again once its origin says so.
    pub soft: bool,
}

impl Purge {
    /// What `url`, `prefix`, `host`, `tag` or `all` says; exactly one of them. None also for what could be nothing's: a
    /// URL without its scheme, a host with one.
    pub fn read<'a>(said: impl Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> Option<Self> {
        let word = |name: &str| said(name).filter(|word| !word.is_empty());
        let is_url = |name: &str| word(name).is_none_or(|url| url.contains("://"));
        let is_host = word("host").is_none_or(|host| !host.contains('/'));
        if !is_url("url") || !is_url("prefix") || !is_host {
            return None;
        }
        let is = |name: &str| said(name).is_some_and(|word| word == "true");
        let ways = [
            word("url").map(|url| Reach::Url(canonical(&url).into())),
            word("prefix").map(|url| Reach::Prefix(begun(&url).into())),
            word("host").map(|host| Reach::Host(canonical_authority(&host, false).into())),
            word("tag").map(|tag| Reach::Tag((*tag).into())),
            is("all").then_some(Reach::All),
        ];
        let mut ways = ways.into_iter().flatten();
        let reach = ways.next().filter(|_| ways.next().is_none())?;
        Some(Self { reach, soft: is("soft") })
    }

    /// The words that say this.
    pub(super) fn words(&self) -> [(&'static str, &str); 2] {
        let what = match &self.reach {
            Reach::Url(url) => ("url", &**url),
            Reach::Prefix(prefix) => ("prefix", &**prefix),
            Reach::Host(host) => ("host", &**host),
            Reach::Tag(tag) => ("tag", &**tag),
            Reach::All => ("all", "true"),
        };
        [what, ("soft", if self.soft { "true" } else { "false" })]
    }
}

/// A URL as keys have it: scheme and host in small letters, without the scheme's own port or a fragment.
pub fn canonical(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    let path = if target.starts_with('/') || host.is_empty() { "" } else { "/" };
    format!("{scheme}://{}{path}{target}", canonical_authority(host, scheme == "https"))
}

/// The same of the beginning of one, which may end anywhere; behind the scheme's own port that is the host's end.
fn begun(prefix: &str) -> String {
    let whole = |(scheme, rest): (&str, &str)| {
        let own = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        rest.contains(['/', '?']) || rest.ends_with(own)
    };
    match prefix.split_once("://").is_some_and(whole) {
        true => canonical(prefix),
        false => prefix.to_ascii_lowercase(),
    }
}

/// What is kept, in numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stats {
    bytes: u64,
    capacity: u64,
    objects: u64,
    evictions: u64,
    filling: u64,
    on_their_way: usize,
    readers: usize,
    purges: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<OnDisk>,
}

/// An answer that is kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    url: String,
    status: u16,
    age: u32,
    ttl: i64,
    length: u64,
    memory: u64,
    vary: String,
    state: &'static str,
}

impl Memory {
    /// Makes void what is kept of this, for everybody, at once; on a disk before this returns, so it may block.
    ///
    /// # Errors
    /// Too many purges are not carried out yet.
    pub fn purge(self: &Arc<Self>, purge: Purge) -> Result<(), Full> {
        let Purge { reach, soft } = purge;
        let ban = |reach| self.shelf.stamps().ban(reach, soft);
        // The disk first: what is found there after this has a number that is older.
        match self.disk() {
            Some(disk) => disk.purge(&reach, soft, || ban(reach.clone()))?,
            None => ban(reach)?,
        }
        if !self.sweeping.swap(true, AcqRel) {
            tokio::spawn(self.clone().sweep());
        }
        Ok(())
    }

    /// Gives back the memory of what is void.
    async fn sweep(self: Arc<Self>) {
        loop {
            while self.shelf.stamps().bans() > 0 {
                let mut sweep = self.shelf.begin_sweep();
                while self.shelf.sweep(&mut sweep) {
                    tokio::task::yield_now().await;
                }
            }
            self.sweeping.store(false, Release);
            // Whoever purged just before that has found that somebody sweeps.
            if self.shelf.stamps().bans() == 0 || self.sweeping.swap(true, AcqRel) {
                return;
            }
        }
    }

    /// What is kept, in numbers.
    pub fn stats(&self) -> Stats {
        Stats {
            bytes: self.shelf.bytes(),
            capacity: self.shelf.capacity(),
            objects: self.shelf.len(),
            evictions: self.shelf.evictions(),
            filling: self.flights.filling(),
            on_their_way: self.flights.len(),
            readers: self.flights.readers(),
            purges: self.shelf.stamps().bans(),
            disk: self.disk().map(|disk| disk.on_disk()),
        }
    }

    /// What is kept of URLs; it looks at everything, so not on a worker.
    pub fn entries(&self, urls: &[String]) -> Vec<Entry> {
        let now = Instant::now();
        let mut entries = Vec::new();
        self.shelf.each(|key: &Key, resource| {
            if !urls.iter().any(|url| key.seek().url().is_as(url)) {
                return;
            }
            for object in resource.variants() {
                if entries.len() == MOST_SHOWN {
                    return;
                }
                let resident = object.resident(now);
                let left = object.terms.left(resident);
                let state = match self.shelf.stamps().verdict(object, &key.seek()) {
                    Verdict::Void => continue,
                    Verdict::Valid if left > 0 => "fresh",
                    Verdict::Valid | Verdict::Stale => "stale",
                };
                entries.push(Entry {
                    url: key.url().into(),
                    status: StatusCode::as_u16(&object.status),
                    age: object.terms.age_after(resident),
                    ttl: left,
                    length: object.length(),
                    memory: object.weight(),
                    vary: String::from_utf8_lossy(object.vary().0).into_owned(),
                    state,
                });
            }
        });
        entries
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn read(query: &[(&str, &'static str)]) -> Option<Purge> {
        Purge::read(|name| {
            query.iter().find(|(key, _)| *key == name).map(|(_, value)| Cow::Borrowed(*value))
        })
    }

    #[test]
    fn one_thing_is_purged_at_a_time() {
        let url = |url: &str| Some(Purge { reach: Reach::Url(url.into()), soft: false });
        for (query, purge) in [
            (&[("url", "HTTP://A.example:80/X?y#z")][..], url("http://a.example/X?y")),
            (&[("url", "https://a.example:8443")], url("https://a.example:8443/")),
            (&[("prefix", "HTTP://A.ex")], {
                Some(Purge { reach: Reach::Prefix("http://a.ex".into()), soft: false })
            }),
            (&[("prefix", "http://A.example:80/X")], {
                Some(Purge { reach: Reach::Prefix("http://a.example/X".into()), soft: false })
            }),
            (&[("prefix", "http://A.example:80")], {
                Some(Purge { reach: Reach::Prefix("http://a.example/".into()), soft: false })
            }),
            (&[("tag", "shop"), ("soft", "true")], {
                Some(Purge { reach: Reach::Tag("shop".into()), soft: true })
            }),
            (&[("host", "A.example")], {
                Some(Purge { reach: Reach::Host("a.example".into()), soft: false })
            }),
            (&[("all", "true")], Some(Purge { reach: Reach::All, soft: false })),
            (&[("all", "yes")], None),
            (&[("url", "")], None),
            (&[("url", "a.example/x")], None),
            (&[("url", "/x")], None),
            (&[("prefix", "a.example/x")], None),
            (&[("host", "http://a.example")], None),
            (&[("host", "a.example/x")], None),
            (&[("url", "http://a/"), ("tag", "b")], None),
            (&[("soft", "true")], None),
            (&[], None),
        ] {
            assert_eq!(read(query), purge, "{query:?}");
        }
    }
}
