//! From `[access.NAME]` to a [`List`], and from the names that a route or listener gives to an
//! [`Access`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http::HeaderName;
use maxminddb::Reader;

use super::{
    Access, List,
    geo::{Asn, Country, GeoIp, Place, Places},
    prefixes::Prefixes,
};
use crate::{
    config::{self, Condition, Config, Enforce, Path, Problem, Problems},
    message::Conditions,
    metrics::Loading,
};

/// The lists by name; none for a name whose section is wrong, so that who names it is not called wrong
/// too.
#[derive(Debug, Default)]
pub struct Lists(BTreeMap<String, Option<Arc<List>>>);

impl Lists {
    /// Compiles every `[access.NAME]`, and reads the files that they and `[geoip]` name.
    pub fn compile(config: &Config, metrics: &mut Loading<'_>, problems: &mut Problems) -> Self {
        let geoip = GeoIp::compile(&config.geoip, problems);
        let list = |(name, list): (&String, &config::Access)| {
            let at = Path::root().key("access").key(name.clone());
            let made = List::compile(name, list, &config.geoip, &geoip, metrics, &at, problems);
            (name.clone(), made.map(Arc::new))
        };
        Self(config.access.iter().map(list).collect())
    }

    /// The lists of these names, which stand at `at`.
    pub fn named(&self, names: &[String], at: &Path, problems: &mut Problems) -> Option<Access> {
        let one = |(index, name): (usize, &String)| match self.0.get(name) {
            Some(list) => list.clone(),
            None => {
                problems.push(self.dangling(name, at.index(index)));
                None
            }
        };
        let lists: Vec<_> = names.iter().enumerate().map(one).collect();
        lists.into_iter().collect::<Option<_>>().map(Access)
    }

    fn dangling(&self, name: &str, at: Path) -> Problem {
        let problem = Problem::error(at, format!("there is no access list `{name}`"));
        problem.help_meant(name, self.0.keys().map(String::as_str), || {
            format!("add [access.{name}] with `allow` or `deny`")
        })
    }
}

impl List {
    fn compile(
        name: &str,
        list: &config::Access,
        paths: &config::GeoIp,
        geoip: &GeoIp,
        metrics: &mut Loading<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        if (config::Access { enforce: list.enforce, ..config::Access::default() }) == *list {
            let problem = Problem::error(at.clone(), "this list lets everybody in");
            problems.push(problem.help("allow = [\"10.0.0.0/8\"], or another key of it"));
            return None;
        }
        let addresses = (list.allow.is_some() || list.deny.is_some())
            .then(|| Prefixes::compile(list.allow.as_deref(), list.deny.as_deref(), at, problems));
        let mut section = Section { at, problems };
        let (allow, deny) = (list.allow_countries.as_deref(), list.deny_countries.as_deref());
        let known = (paths.database.is_some(), "geoip.database");
        let countries = section.places(
            (allow, "allow-countries"),
            (deny, "deny-countries"),
            (geoip.countries.as_ref(), known),
            |text: &String| Country::parse(text).ok_or_else(|| format!("`{text}` is no country")),
        );
        let (allow, deny) = (list.allow_asns.as_deref(), list.deny_asns.as_deref());
        let known = (paths.asn_database.is_some(), "geoip.asn-database");
        let asns = section.places(
            (allow, "allow-asns"),
            (deny, "deny-asns"),
            (geoip.asns.as_ref(), known),
            |number: &u32| Ok(Asn(*number)),
        );
        let allow_headers = section.conditions(&list.allow_headers, "allow-headers");
        let deny_headers = section.conditions(&list.deny_headers, "deny-headers");
        Some(Self {
            name: name.into(),
            reports: metrics.access(name),
            only_reports: list.enforce == Enforce::Report,
            addresses,
            countries,
            asns,
            allow_headers: allow_headers?,
            deny_headers: deny_headers?,
        })
    }
}

/// A database, if it could be read; whether there should be one, and the key that names it.
type Source<'d> = (Option<&'d Arc<Reader<Vec<u8>>>>, (bool, &'static str));

/// The section of a list.
struct Section<'p> {
    at: &'p Path,
    problems: &'p mut Problems,
}

impl Section<'_> {
    /// The places of two keys; none if neither is written.
    fn places<W, P: Place>(
        &mut self,
        (allow, allow_key): (Option<&[W]>, &'static str),
        (deny, deny_key): (Option<&[W]>, &'static str),
        (database, (wanted, key)): Source<'_>,
        parse: impl Fn(&W) -> Result<P, String>,
    ) -> Option<Places<P>> {
        let mut read = |list: &[W], key: &'static str| -> Box<[P]> {
            let places = list.iter().enumerate().filter_map(|(index, written)| {
                let wrong = |message| {
                    let problem = Problem::error(self.at.key(key).index(index), message);
                    problem.help("two letters, as in \"DE\" (ISO 3166)")
                };
                self.problems.keep(parse(written).map_err(wrong))
            });
            places.collect::<BTreeSet<_>>().into_iter().collect()
        };
        let allowed = allow.map(|allow| read(allow, allow_key));
        let denied = deny.map(|deny| read(deny, deny_key));
        if allowed.is_none() && denied.is_none() {
            return None;
        }
        if !wanted {
            let key_here = if allow.is_some() { allow_key } else { deny_key };
            let message = format!("nobody knows the {} of an address", P::NAME);
            let problem = Problem::error(self.at.key(key_here), message);
            self.problems.push(problem.help(format!("`{key}` has to name a MaxMind database")));
        }
        let database = database?.clone();
        Some(Places { database, allow: allowed, deny: denied.unwrap_or_default() })
    }

    fn conditions(
        &mut self,
        written: &BTreeMap<String, Condition>,
        key: &'static str,
    ) -> Option<Conditions<HeaderName>> {
        let conditions = Conditions::on_fields(written);
        self.problems.keep(conditions.map_err(|message| Problem::error(self.at.key(key), message)))
    }
}
