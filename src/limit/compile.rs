//! From `[limit.NAME]` and what routes write to [`Limiter`]s.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;

use super::{
    Limiter, Standing,
    busiest::Busiest,
    counted::Counted,
    ledger::Ledger,
    rule::Limit,
    section::Section,
    shared::{Shared, Sharing},
    state::{Rates, State},
    tally::Tally,
    tiers::{check_told, told_as},
    used::{Shape, Used},
};
use crate::{
    config::{self, Config, LimitUse, Path, Problem, Problems},
    key::{Part, Recipe},
    metrics::{LimitMetrics, Loading, QuotaMetrics},
    store::{Store, Stores},
    worker::wall,
};

/// The most limits that a route may have.
pub(super) const MOST: usize = 16;

/// What is counted, its rates, and how they are shared if several gateways count together.
type Holding = (Arc<State>, Rates, Option<Shares>);

/// What counted, and what counts in its place.
type Replaced<T> = Mutex<Vec<(Arc<T>, Arc<T>)>>;

/// Where several gateways count together, and how.
type Shares = (Arc<Store>, Sharing);

/// All limits.
#[derive(Debug)]
pub struct Limits {
    /// None for a name whose section is wrong, so that who names it is not called wrong too.
    named: BTreeMap<String, Option<Arc<Limit>>>,
    /// Those of them that a route names.
    wanted: Mutex<BTreeSet<String>>,
    pub(super) standing: Arc<Standing>,
    /// Where limits are counted that several gateways share.
    pub(super) stores: Stores,
    pub(super) states: Counted<State>,
    pub(super) used: Counted<Used>,
    pub(super) busiest: Counted<Busiest>,
    /// What holds for rates from the start on.
    terms: Mutex<Vec<Holding>>,
    /// The same of quotas.
    tallies: Mutex<Vec<(Arc<Used>, Shares)>>,
    /// What counted before and what counts in its place, until that takes over.
    replaced: (Replaced<State>, Replaced<Used>),
    /// Where it is kept what was used, once somebody has a quota.
    ledger: OnceLock<Arc<Ledger>>,
    ledger_before: Option<Arc<Ledger>>,
    /// The state directory.
    folder: PathBuf,
    quotas: Arc<QuotaMetrics>,
}

/// The route that names limits.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its name.
    pub route: &'a str,
    /// What clients know the first limit of its own by.
    pub told: &'a str,
    /// Its path parameters.
    pub params: &'a [Box<str>],
    /// Whether it asks who makes a request.
    pub asks: bool,
    /// Where its `limit` stands.
    pub at: &'a Path,
}

impl Limits {
    /// Compiles every `[limit.NAME]`. What was counted `before` goes on.
    pub fn compile(
        config: &Config,
        before: Option<&Self>,
        stores: &Stores,
        metrics: &mut Loading<'_>,
        problems: &mut Problems,
    ) -> Self {
        let standing = before.map(|before| before.standing.clone());
        let mut limits = Self {
            named: BTreeMap::new(),
            wanted: Mutex::default(),
            standing: standing.unwrap_or_else(|| Arc::new(Standing::new())),
            stores: stores.clone(),
            states: Counted::after(before.map(|before| &before.states)),
            used: Counted::after(before.map(|before| &before.used)),
            busiest: Counted::after(before.map(|before| &before.busiest)),
            terms: Mutex::default(),
            tallies: Mutex::default(),
            replaced: Default::default(),
            ledger: OnceLock::new(),
            ledger_before: before.and_then(|before| before.ledger.get().cloned()),
            folder: config.server.state.clone(),
            quotas: metrics.quotas(),
        };
        if let Some(known) = limits.ledger_before.as_ref().filter(|it| it.is_in(&limits.folder)) {
            // Also without a quota it keeps those that were: one may come back.
            let _ = limits.ledger.set(known.clone());
        }
        for (name, section) in &config.limit {
            let at = Path::root().key("limit").key(name.clone());
            let mut section = Section { limit: section, at: &at, problems };
            let of_route = name.starts_with("route ") || name.starts_with("route#");
            if name.is_empty() || name.contains('/') || of_route {
                let message = format!("a limit cannot be called `{name}`");
                let help =
                    "a `/` is a rate's; `route` and a space or `#` begin the name of a route's own";
                section.problems.push(Problem::error(at.clone(), message).help(help));
            }
            let made = section.limit(&limits, (name, ""), name, metrics.limit(name));
            limits.named.insert(name.clone(), made.map(Arc::new));
        }
        limits
    }

    /// Tells of those that no route names: all routes have named theirs.
    pub fn check_wanted(&self, problems: &mut Problems) {
        let wanted = self.wanted.lock();
        for name in self.named.keys().filter(|name| !wanted.contains(*name)) {
            let at = Path::root().key("limit").key(name.clone());
            let problem = Problem::finding(at, "no route names this limit, so it holds for nobody");
            problems.push(problem.help(format!("limit = \"{name}\" on a route, or leave it out")));
        }
    }

    /// Which clients kept within their limits.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// The limits that a route names.
    pub fn of_route(
        &self,
        uses: &[LimitUse],
        place: Place<'_>,
        metrics: &mut Loading<'_>,
        problems: &mut Problems,
    ) -> Option<Limiter> {
        if uses.len() > MOST {
            let message = format!("a route has at most {MOST} limits");
            problems.push(Problem::error(place.at.clone(), message));
            return None;
        }
        let mut made: Vec<Option<Arc<Limit>>> = Vec::new();
        let mut own = 0;
        for (index, written) in uses.iter().enumerate() {
            let at = if uses.len() == 1 { place.at.clone() } else { place.at.index(index) };
            let one = match written {
                LimitUse::Word(name) if !name.contains('/') => {
                    let twice = uses[..index].contains(written);
                    self.named(name, twice, place, &at, problems)
                }
                LimitUse::Word(rate) => match rate.parse() {
                    Ok(rate) => {
                        own += 1;
                        let limit = config::Limit::of(rate);
                        let names = (own, told_as(place.told, own, uses));
                        self.own(&limit, names, place, &at, metrics, problems)
                    }
                    Err(message) => {
                        problems.push(Problem::error(at.clone(), message));
                        None
                    }
                },
                LimitUse::Table(limit) => {
                    own += 1;
                    self.own(
                        limit,
                        (own, told_as(place.told, own, uses)),
                        place,
                        &at,
                        metrics,
                        problems,
                    )
                }
            };
            if let Some(limit) = &one {
                limit.check_route(place, &at, problems);
            }
            made.push(one);
        }
        let limits: Box<[Arc<Limit>]> = made.into_iter().collect::<Option<_>>()?;
        check_told(&limits, place.at, problems);
        Some(Limiter { limits })
    }

    fn named(
        &self,
        name: &str,
        twice: bool,
        place: Place<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Arc<Limit>> {
        if twice {
            let message = format!("`{name}` is here twice");
            problems.push(Problem::error(at.clone(), message));
        }
        self.wanted.lock().insert(name.into());
        let Some(known) = self.named.get(name) else {
            let problem = Problem::error(at.clone(), format!("there is no limit `{name}`"));
            let names = self.named.keys().map(String::as_str);
            let help = || format!("add [limit.{name}] with a `rate`, or write a rate: \"10/s\"");
            problems.push(problem.help_meant(name, names, help));
            return None;
        };
        let limit = known.as_ref()?;
        let (recipe, _) = &limit.state.shape;
        if !recipe.is_per_route() {
            return Some(limit.clone());
        }
        // Each route has an allowance of its own.
        let name = (name, place.route);
        let sharing = limit.sharing.clone();
        let shape = limit.state.shape.clone();
        let state = self.state(name, shape, &limit.rates, sharing, &limit.metrics);
        let sharing = limit.sharing.clone();
        let shape = limit.used.as_ref().map(|used| used.shape.clone());
        let used = shape.map(|shape| self.used(name, shape, sharing, &limit.metrics));
        Some(Arc::new(Limit { state, used, ..Limit::clone(limit) }))
    }

    /// A limit of a route's own, the one with this number, which clients know by this name.
    fn own(
        &self,
        limit: &config::Limit,
        (number, told): (usize, String),
        place: Place<'_>,
        at: &Path,
        metrics: &mut Loading<'_>,
        problems: &mut Problems,
    ) -> Option<Arc<Limit>> {
        // In front, where no route's name can be taken for it.
        let name = match number {
            1 => format!("route {}", place.route),
            _ => format!("route#{number} {}", place.route),
        };
        let counters = metrics.limit(&name);
        let mut section = Section { limit, at, problems };
        section.limit(self, (&name, ""), &told, counters).map(Arc::new)
    }

    /// What a limit counts: what it counted before, if its keys mean the same.
    pub(super) fn state(
        &self,
        (limit, route): (&str, &str),
        shape: (Recipe, u32),
        rates: &Rates,
        sharing: Option<Shares>,
        metrics: &Arc<LimitMetrics>,
    ) -> Arc<State> {
        let holds = sharing.clone();
        let state = self.states.get((limit, route), |_, before| {
            let store = sharing.as_ref().map(|(store, _)| store);
            let known = before.filter(|known| known.shape.0 == shape.0);
            let keys = shape.1;
            let same = |known: &&Arc<State>| known.shape.1 == keys && known.is_in(store);
            if let Some(same) = known.filter(same) {
                return same.clone();
            }
            let shared = sharing
                .map(|(store, terms)| Shared::new(limit, store, keys, terms, metrics.clone()));
            Arc::new(match known {
                Some(known) => known.resized(keys, shared),
                None => State::new(shape, rates.clone(), shared, metrics.clone()),
            })
        });
        self.terms.lock().push((state.clone(), rates.clone(), holds));
        state
    }

    /// What was used of a quota: what was used before, if its keys mean the same, also by another process.
    pub(super) fn used(
        &self,
        name: (&str, &str),
        shape: Shape,
        sharing: Option<Shares>,
        metrics: &Arc<LimitMetrics>,
    ) -> Arc<Used> {
        match sharing {
            None => self.used_here(name, shape),
            Some(sharing) => self.used_at_all(name, shape, sharing, metrics),
        }
    }

    /// The same, counted together with the other gateways of a store.
    fn used_at_all(
        &self,
        name: (&str, &str),
        shape: Shape,
        sharing: Shares,
        metrics: &Arc<LimitMetrics>,
    ) -> Arc<Used> {
        let (seed, keys) = (Tally::seed(&sharing.0), shape.keys);
        let used = self.used.get(name, |name, before| {
            let known = before.and_then(|known| Some((known, known.tally.as_deref()?)));
            let known = known.filter(|(known, tally)| {
                known.is_under(seed) && tally.is_in(&sharing.0) && known.shape.is_like(&shape)
            });
            match known {
                Some((known, _)) if known.shape.keys == keys => known.clone(),
                Some((known, _)) => Arc::new(known.resized(keys)),
                None => {
                    let tally = Tally::new(name, keys, sharing.clone(), metrics.clone());
                    Arc::new(Used::shared(shape, seed, tally))
                }
            }
        });
        self.tallies.lock().push((used.clone(), sharing));
        used
    }

    fn used_here(&self, name: (&str, &str), shape: Shape) -> Arc<Used> {
        let ledger = self.ledger.get_or_init(|| match &self.ledger_before {
            Some(known) if known.is_in(&self.folder) => known.clone(),
            Some(known) => Arc::new(known.moved(&self.folder)),
            None => Arc::new(Ledger::open(&self.folder, &self.quotas)),
        });
        let here = |known: &&Arc<Used>| known.tally.is_none();
        self.used.get(name, |name, before| match before.filter(here) {
            Some(known) if known.shape == shape => known.clone(),
            Some(known) if known.shape.is_like(&shape) => Arc::new(known.resized(shape.keys)),
            Some(_) | None => Arc::new(ledger.used(name, shape)),
        })
    }

    /// Which keys a limit is asked for most: so many of them, if any.
    pub(super) fn busiest(
        &self,
        limit: &str,
        most: usize,
        metrics: &LimitMetrics,
    ) -> Option<Arc<Busiest>> {
        (most > 0).then(|| {
            self.busiest.get((limit, ""), |_, before| {
                let known = before.filter(|known| known.most == most).cloned();
                known.unwrap_or_else(|| Arc::new(Busiest::new(most, metrics.workers())))
            })
        })
    }

    /// Takes over from what counted before, where that is not to count on: to be called just before this holds.
    pub fn take_over(&self) {
        for (before, now) in self.replaced.0.lock().drain(..) {
            before.hand_over(&now);
        }
        for (before, now) in self.replaced.1.lock().drain(..) {
            before.hand_over(&now);
        }
    }

    /// From now on rates are shared as the configuration says, and what is used is kept, on the runtime that
    /// this is called on.
    pub fn start(&self) {
        for (state, rates, sharing) in self.terms.lock().drain(..) {
            state.hold_to(rates);
            if let (Some(shared), Some(sharing)) = (&state.shared, sharing) {
                shared.change(sharing);
            }
        }
        for (used, sharing) in self.tallies.lock().drain(..) {
            if let Some(tally) = &used.tally {
                tally.change(used.shape.keys, sharing);
                tally.start(&used);
            }
        }
        if let Some(ledger) = self.ledger.get() {
            let all = self.used.now.lock();
            let here = all.iter().filter(|(_, used)| used.tally.is_none());
            ledger.start(here.map(|(name, used)| (name.clone(), used.clone())).collect());
        }
    }

    /// Tells stores for the last time what was used. Who does not answer holds this up for a second.
    pub async fn settle(&self) {
        let all = self.used.all();
        futures_util::future::join_all(all.iter().map(|used| used.settle())).await;
    }

    /// Keeps what was used for the last time. It blocks.
    pub fn finish(&self) {
        if let Some(ledger) = self.ledger.get() {
            ledger.finish();
        }
    }

    /// Lets go of what was counted before, and of stores that no limit names: all were looked through.
    pub fn forget(&mut self) {
        // Who runs is counted on also if the limit is gone for a while.
        let replaced = self.states.forget(|state| state.hall.keys() > 0);
        // The same of a quota that gateways share: not all that was used of it may be told yet.
        let used = self.used.forget(|used| used.is_told() && used.keys(wall()) > 0);
        self.replaced = (replaced.into(), used.into());
        self.busiest.forget(|_| false);
        self.ledger_before = None;
        self.stores.clear();
    }
}

impl Limit {
    /// What a route has to have, so that the limit can tell its requests apart.
    fn check_route(&self, place: Place<'_>, at: &Path, problems: &mut Problems) {
        let asks = |part: &Part| matches!(part, Part::Identity | Part::Claim(_));
        for part in &self.state.shape.0.parts {
            if let Part::Path(name) = part
                && !place.params.contains(name)
            {
                let message = format!("`{}` has no path parameter `{name}`", place.route);
                let help = format!("path = \"/…/{{{name}}}\", or another `per`");
                problems.push(Problem::error(at.clone(), message).help(help));
            }
        }
        let wants = self.state.shape.0.parts.iter().any(asks) || !self.tiers.is_empty();
        if wants && !place.asks {
            let message = format!(
                "`{}` asks nobody who they are, so this limit knows them by their address only",
                place.route
            );
            problems.push(Problem::finding(at.clone(), message).help("add `auth` to the route"));
        }
    }
}
