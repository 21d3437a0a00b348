//! What a reload changed: the line that an operator reads.

use std::{collections::BTreeMap, fmt};

use crate::config::Config;

/// What is different between two configurations, by section and name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diff {
    /// What is new.
    pub added: Vec<String>,
    /// What is still there, and not as it was.
    pub changed: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
}

impl Diff {
    /// Compares two configurations.
    pub fn between(before: &Config, after: &Config) -> Self {
        let mut diff = Self::default();
        for (section, changed) in [
            ("server", before.server != after.server),
            ("log", before.log != after.log),
            ("admin", before.admin != after.admin),
            ("geoip", before.geoip != after.geoip),
        ] {
            if changed {
                diff.changed.push(section.into());
            }
        }
        let listeners = |config: &Config| {
            let name = |listener: &crate::config::Listener| {
                listener.name.clone().unwrap_or_else(|| listener.address.clone())
            };
            named(
                "listener",
                config.listener.iter().map(|listener| (name(listener), listener.clone())),
            )
        };
        diff.compare(&listeners(before), &listeners(after));
        let auths = |config: &Config| named("auth", config.auth.clone());
        diff.compare(&auths(before), &auths(after));
        let stores = |config: &Config| named("store", config.store.clone());
        diff.compare(&stores(before), &stores(after));
        let upstreams = |config: &Config| named("upstream", config.upstream.clone());
        diff.compare(&upstreams(before), &upstreams(after));
        let access = |config: &Config| named("access", config.access.clone());
        diff.compare(&access(before), &access(after));
        let limits = |config: &Config| named("limit", config.limit.clone());
        diff.compare(&limits(before), &limits(after));
        let apis = |config: &Config| named("api", config.api.clone());
        diff.compare(&apis(before), &apis(after));
        let routes = |config: &Config| {
            named("route", super::route::names(&config.route).into_iter().zip(config.route.clone()))
        };
        diff.compare(&routes(before), &routes(after));
        diff
    }

    fn compare<T: PartialEq>(&mut self, before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) {
        for (name, value) in after {
            match before.get(name) {
                None => self.added.push(name.clone()),
                Some(known) if known != value => self.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        self.removed.extend(gone.cloned());
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

fn named<T>(section: &str, values: impl IntoIterator<Item = (String, T)>) -> BTreeMap<String, T> {
    values.into_iter().map(|(name, value)| (format!("{section} {name}"), value)).collect()
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let lists =
            [("added", &self.added), ("changed", &self.changed), ("removed", &self.removed)];
        let mut first = true;
        for (word, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            let separator = if std::mem::take(&mut first) { "" } else { "; " };
            write!(f, "{separator}{word} {}", list.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, environment};

    fn config(text: &str) -> Config {
        Loaded::parse("<test>", text, &environment).unwrap().config
    }

    #[test]
    fn a_reload_tells_what_came_went_and_changed() {
        let before = config(
            "[upstream.a]\nendpoints = \"http://a\"\n[upstream.b]\nendpoints = \"http://b\"\n\
             [[route]]\nname = \"r\"\nto = \"a\"\n[[route]]\nhost = \"x\"\nto = \"b\"\n",
        );
        let after = config(
            "[server]\nworkers = 3\n[upstream.a]\nendpoints = \"http://c\"\n\
             [[route]]\nname = \"r\"\nto = \"a\"\n[[route]]\nhost = \"y\"\nto = \"a\"\n",
        );
        let diff = Diff::between(&before, &after);
        assert_eq!(
            diff.to_string(),
            "added route y; changed server, upstream a; removed upstream b, route x"
        );
        assert_eq!(Diff::between(&before, &before).to_string(), "nothing changed");
    }
}
