//! From `[cache]`, `[cache.NAME]` and what routes write to [`Cache`]s.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, StatusCode, header::CACHE_CONTROL};

use super::{
    Cache, Disk, Memory, Partition, Shared, Tells,
    checks::{check_sizes, check_times},
    memory::passing_secret,
    policy::{Ignore, Methods, Policy},
    rules::Unkept,
    times::{is_never_kept, never_kept, seconds, ttl},
    url::Query,
};
use crate::{
    config::{
        self, CacheIgnore, CacheMethod, CacheRules, CacheStatus, CacheStatusMore, CacheUse, Path,
        Problem, Problems,
    },
    key::{Part, Recipe},
    metrics::Loading,
    store::{Store, Stores},
};

/// What routes may name, and where answers are kept.
#[derive(Debug)]
pub struct Caches {
    /// None for a name whose section is wrong, so that who names it is not called wrong too.
    named: BTreeMap<String, Option<Rules>>,
    memory: Arc<Memory>,
    shared: Option<Arc<Shared>>,
    /// What outlives the process, if anything does; only where it is served.
    disk: Option<Arc<Disk>>,
}

/// Rules that routes share, compiled.
#[derive(Clone, Debug)]
struct Rules {
    written: CacheRules,
    policy: Arc<Policy>,
    query: Query,
}

/// The route that keeps answers.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its name.
    pub route: &'a str,
    /// What it says of the requests that it takes, and of what its origins are asked; the same words tomorrow.
    pub asks_for: &'a str,
    /// The upstreams that its requests may go to, in their order.
    pub upstreams: &'a [&'a str],
    /// Whether it asks who makes a request.
    pub asks: bool,
    /// Whether it takes requests that could be answered from what is kept.
    pub reads: bool,
    /// Its path parameters.
    pub params: &'a [Box<str>],
    /// Where its `cache` stands.
    pub at: &'a Path,
}

impl Caches {
    /// Compiles `[cache]` and every `[cache.NAME]`. What was kept `before` stays. A disk is opened only if it is
    /// to be used.
    pub fn compile(
        written: &config::Cache,
        before: Option<&Self>,
        stores: &Stores,
        serves: bool,
        problems: &mut Problems,
    ) -> Self {
        let at = Path::root().key("cache");
        check_sizes(written, &at, problems);
        let named = written.rules.iter().map(|(name, rules)| {
            let at = at.key(name.clone());
            (name.clone(), Rules::compile(rules, &at, problems))
        });
        let named = named.collect();
        let disk = written.disk.as_ref().filter(|_| serves).and_then(|disk| {
            let opened = open_disk(disk, before).map_err(|problem| {
                let path = disk.path.display();
                let message = format!("`{path}` cannot be the cache's: {problem}");
                let help = "a directory of Janua's own, which it may write to, or none yet";
                Problem::error(at.key("disk").key("path"), message).help(help)
            });
            problems.keep(opened)
        });
        let memory = match before {
            Some(before) => before.memory.clone(),
            None => {
                let secret = disk.as_ref().map(|disk| disk.partition_secret());
                Arc::new(Memory::new(written, secret.unwrap_or_else(passing_secret)))
            }
        };
        let store = written.store.as_ref();
        let store = store.and_then(|name| Store::named(stores, name, &at.key("store"), problems));
        let shared = store.map(|store| {
            let known = before.and_then(|before| before.shared.clone());
            let known = known.filter(|known| known.is_through(&store));
            known.unwrap_or_else(|| Arc::new(Shared::new(store)))
        });
        Self { named, memory, shared, disk }
    }

    /// Makes the sizes hold; begins to hear of the purges of others, on the runtime that this is called on; begins
    /// to use the disk, and ends to use another.
    pub fn start(&self, written: &config::Cache) {
        self.memory.resize(written);
        if let Some(shared) = &self.shared {
            shared.start(&self.memory);
        }
        if let (Some(disk), Some(of)) = (&self.disk, &written.disk) {
            disk.resize(written, of);
            disk.start(&self.memory);
        }
        let before = self.memory.disk.swap(self.disk.clone());
        if let Some(before) = before
            && self.disk.as_ref().is_none_or(|disk| !Arc::ptr_eq(disk, &before))
        {
            tokio::task::spawn_blocking(move || before.finish());
        }
    }

    /// Ends to use the disk: what waits is written. It blocks, but not for long.
    pub fn finish(&self) {
        if let Some(disk) = &self.disk {
            disk.finish();
        }
    }

    /// In which forms URLs may be kept: those of routes `now`, those of `before`, and on a disk whole ones also where no
    /// route keeps anything now.
    pub fn queries(&self, now: &[&Query], before: &[Query]) -> Box<[Query]> {
        let whole = self.disk.as_ref().map(|_| Query::default());
        Query::distinct(now.iter().copied().chain(&whole), before)
    }

    /// What is kept, for whoever looks after it.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Who else is to hear of purges, if somebody is.
    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// What a route keeps, if it keeps anything.
    pub fn of_route(
        &self,
        written: Option<&CacheUse>,
        place: Place<'_>,
        metrics: &mut Loading<'_>,
        problems: &mut Problems,
    ) -> Option<Option<Box<Cache>>> {
        let plain = || Rules::compile(&CacheRules::default(), place.at, &mut Problems::new());
        let rules = match written {
            None | Some(CacheUse::Switch(false)) => return Some(None),
            Some(CacheUse::Switch(true)) => match self.named.get("default") {
                Some(default) => default.clone(),
                None => plain(),
            },
            Some(CacheUse::Name(name)) => self.named(name, place.at, problems),
            Some(CacheUse::Rules(own)) => Rules::compile(own, place.at, problems),
        }?;
        if place.upstreams.is_empty() {
            let message = "answers are kept of upstreams, and this route has none";
            problems.push(Problem::error(place.at.clone(), message).help("leave `cache` out"));
            return None;
        }
        if !place.reads {
            let message = "this route takes no GET, so nothing is ever kept by it";
            let help = "leave `cache` out: what others keep is void after a change by any route";
            problems.push(Problem::finding(place.at.clone(), message).help(help));
        }
        let words = &rules.written.key;
        let recipe = self.recipe(words, place, problems)?;
        let metrics = metrics.cache(place.route, Unkept::REASONS);
        let key = recipe.words();
        let base = |upstream: &&str| self.base([place.route, place.asks_for, upstream, &key]);
        let bases = place.upstreams.iter().map(base);
        Some(Some(Box::new(Cache {
            policy: rules.policy,
            query: rules.query,
            partition: Partition::new(bases.collect(), recipe),
            wait: rules.written.wait.0,
            tells: match rules.written.cache_status {
                CacheStatus::Switch(false) => Tells::Nothing,
                CacheStatus::Switch(true) => Tells::Status,
                CacheStatus::More(CacheStatusMore::Key) => Tells::Key,
            },
            memory: self.memory.clone(),
            metrics,
        })))
    }

    fn named(&self, name: &str, at: &Path, problems: &mut Problems) -> Option<Rules> {
        if let Some(rules) = self.named.get(name) {
            return rules.clone();
        }
        let problem = Problem::error(at.clone(), format!("there is no `[cache.{name}]`"));
        let known = self.named.keys().map(String::as_str);
        let or = || "`true`, or a table such as `{ ttl = \"30s\" }`".into();
        problems.push(problem.help_meant(name, known, or));
        None
    }

    /// What tells answers apart beside the URL: what is written, else who makes the request, where that is
    /// asked for.
    fn recipe(
        &self,
        words: &[String],
        place: Place<'_>,
        problems: &mut Problems,
    ) -> Option<Recipe> {
        let default = ["identity".to_owned()];
        let words = match words {
            [] if place.asks => &default[..],
            [word] if word == "global" => &[],
            words => words,
        };
        let at = place.at.key("key");
        let recipe = Recipe::compile(words, 128, &at, problems)?;
        let problem = recipe.parts.iter().find_map(|part| match part {
            Part::Path(name) if !place.params.contains(name) => {
                let message = format!("`{}` has no path parameter `{name}`", place.route);
                Some(Problem::error(at.clone(), message).help("another `key`"))
            }
            Part::Identity | Part::Claim(_) if !place.asks => {
                let message = format!("`{}` asks nobody who they are", place.route);
                Some(Problem::error(at.clone(), message).help("add `auth` to the route"))
            }
            _ => None,
        });
        match problem {
            None => Some(recipe),
            Some(problem) => {
                problems.push(problem);
                None
            }
        }
    }

    /// What tells this route's answers from others', and from those that it keeps apart by something else.
    fn base(&self, said: [&str; 4]) -> u128 {
        self.memory.digest(|hasher| {
            for text in said {
                hasher.write(text.as_bytes());
                hasher.write_u8(0xff);
            }
        })
    }
}

/// Opens a disk, unless it is open.
fn open_disk(written: &config::CacheDisk, before: Option<&Caches>) -> Result<Arc<Disk>, String> {
    let same = before.and_then(|before| before.disk.as_ref());
    if let Some(same) = same.filter(|disk| disk.is_at(&written.path)) {
        return Ok(same.clone());
    }
    let secret = before.map(|before| before.memory.secret());
    Disk::open(written, secret).map(Arc::new)
}

impl Rules {
    fn compile(written: &CacheRules, at: &Path, problems: &mut Problems) -> Option<Self> {
        let before = problems.iter().len();
        let ttl = ttl(written.ttl.as_ref(), &at.key("ttl"), problems);
        check_times(written, at, problems);
        let listed = written.status.as_ref();
        let status = listed.and_then(|listed| statuses(listed, &at.key("status"), problems));
        let targeted = targeted(&written.targeted, &at.key("targeted"), problems);
        let query = Query::compile(&written.query, &at.key("query"), problems);
        let ignores = |word| written.ignore.contains(&word);
        let problem = match *written.methods {
            [] => Some("no request would be answered"),
            // A HEAD is answered by what a GET brought.
            _ if !written.methods.contains(&CacheMethod::Get) => Some("nothing would be kept"),
            _ => None,
        };
        if let Some(message) = problem {
            let problem = Problem::error(at.key("methods"), message);
            problems.push(problem.help("`[\"GET\", \"HEAD\"]`; or leave `cache` out"));
        }
        let policy = Policy {
            ttl,
            override_ttl: written.override_ttl.map(seconds),
            heuristic: seconds(written.heuristic),
            stale_while_revalidate: seconds(written.stale_while_revalidate),
            stale_if_error: seconds(written.stale_if_error),
            ignore: Ignore {
                no_store: ignores(CacheIgnore::NoStore),
                private: ignores(CacheIgnore::Private),
                no_cache: ignores(CacheIgnore::NoCache),
                must_revalidate: ignores(CacheIgnore::MustRevalidate),
                set_cookie: ignores(CacheIgnore::SetCookie),
                vary: ignores(CacheIgnore::Vary),
                authorization: ignores(CacheIgnore::Authorization),
                request: ignores(CacheIgnore::Request),
            },
            status,
            methods: Methods {
                get: written.methods.contains(&CacheMethod::Get),
                head: written.methods.contains(&CacheMethod::Head),
                // It says itself that it is what a GET would bring.
                post: written.methods.contains(&CacheMethod::Get),
            },
            targeted,
            normalise: written.normalise,
            whole: written.whole,
        };
        let made = Self { written: written.clone(), policy: Arc::new(policy), query };
        (problems.iter().len() == before).then_some(made)
    }
}

fn statuses(written: &[u16], at: &Path, problems: &mut Problems) -> Option<Box<[StatusCode]>> {
    if written.is_empty() {
        let problem = Problem::error(at.clone(), "nothing would be kept");
        problems
            .push(problem.help("a status or several; or leave it out for all that may be kept"));
    }
    let mut statuses = Vec::new();
    for (index, code) in written.iter().enumerate() {
        match StatusCode::from_u16(*code) {
            Ok(status) if !is_never_kept(*code) => statuses.push(status),
            _ => problems.push(never_kept(at.index(index), *code)),
        }
    }
    (!statuses.is_empty()).then(|| statuses.into())
}

fn targeted(written: &[String], at: &Path, problems: &mut Problems) -> Box<[HeaderName]> {
    let mut names = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match HeaderName::try_from(text.as_str()) {
            Ok(name) if name == CACHE_CONTROL => {
                let problem = Problem::error(at.index(index), "`cache-control` is for all caches");
                problems.push(problem.help("leave it out: it counts where no other field does"));
            }
            Ok(name) => names.push(name),
            Err(_) => {
                let message = format!("`{text}` is not a field name");
                problems.push(Problem::error(at.index(index), message));
            }
        }
    }
    names.into()
}
