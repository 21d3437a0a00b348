//! What a reload changed: the line that an operator reads.

use std::{collections::BTreeMap, fmt};

use super::route;
use crate::config::{Cache, Config, Listener, Route};

/// What is different between two configurations, by section and name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diff {
    /// What is new.
    pub added: Vec<String>,
    /// What is still there, and not as it was.
    pub changed: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
    /// Files that the configuration names and that are not as they were.
    pub renewed: Vec<String>,
}

impl Diff {
    /// Compares two configurations.
    pub fn between(before: &Config, after: &Config) -> Self {
        let mut diff = Self::default();
        // Whole, so that no section can be forgotten.
        let Config {
            include: _,
            server,
            log,
            admin,
            listener,
            auth,
            store,
            upstream,
            access,
            limit,
            cache,
            api,
            docs,
            geoip,
            route,
            test,
        } = after;
        let own = |cache: &Cache| Cache { rules: BTreeMap::new(), ..cache.clone() };
        for (section, changed) in [
            ("server", before.server != *server),
            ("log", before.log != *log),
            ("admin", before.admin != *admin),
            ("cache", own(&before.cache) != own(cache)),
            ("docs", before.docs != *docs),
            ("geoip", before.geoip != *geoip),
            ("tests", before.test != *test),
        ] {
            if changed {
                diff.changed.push(section.into());
            }
        }
        diff.compare("listener", &listeners(&before.listener), &listeners(listener));
        diff.compare("auth", &before.auth, auth);
        diff.compare("store", &before.store, store);
        diff.compare("upstream", &before.upstream, upstream);
        diff.compare("access", &before.access, access);
        diff.compare("limit", &before.limit, limit);
        diff.compare("cache", &before.cache.rules, &cache.rules);
        diff.compare("api", &before.api, api);
        diff.compare("route", &routes(&before.route), &routes(route));
        diff
    }

    fn compare<T: PartialEq>(
        &mut self,
        section: &str,
        before: &BTreeMap<String, T>,
        after: &BTreeMap<String, T>,
    ) {
        let named = |name: &String| format!("{section} {name}");
        for (name, value) in after {
            match before.get(name) {
                None => self.added.push(named(name)),
                Some(known) if known != value => self.changed.push(named(name)),
                Some(_) => {}
            }
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        self.removed.extend(gone.map(named));
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

fn listeners(all: &[Listener]) -> BTreeMap<String, &Listener> {
    let name = |it: &Listener| it.name.clone().unwrap_or_else(|| it.address.clone());
    all.iter().map(|listener| (name(listener), listener)).collect()
}

fn routes(all: &[Route]) -> BTreeMap<String, &Route> {
    route::names(all).into_iter().zip(all).collect()
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let lists = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
            ("read again", &self.renewed),
        ];
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

    #[test]
    fn whatever_is_changed_is_told() {
        let before = config("");
        for (text, expected) in [
            ("[server]\nworkers = 3", "changed server"),
            ("[log]\naccess = \"off\"", "changed log"),
            ("[admin]\naddress = \"unix:/a\"", "changed admin"),
            ("[[listener]]\naddress = \":80\"", "added listener :80"),
            ("[auth.a]\nbasic = {}", "added auth a"),
            ("[store.s]\nurl = \"redis://s\"", "added store s"),
            ("[upstream.u]\nendpoints = \"http://u\"", "added upstream u"),
            ("[access.a]\nallow = \"10.0.0.0/8\"", "added access a"),
            ("[limit.l]\nrate = \"1/s\"", "added limit l"),
            ("[cache]\nsize = \"1MiB\"", "changed cache"),
            ("[cache.pages]\nttl = \"1s\"", "added cache pages"),
            ("[api.a]\nopenapi = \"a.yaml\"", "added api a"),
            ("[docs]\npath = \"/docs\"", "changed docs"),
            ("[geoip]\ndatabase = \"a.mmdb\"", "changed geoip"),
            ("[[route]]\nname = \"r\"\nto = \"echo\"", "added route r"),
            ("[[test]]\nrequest = \"GET /\"", "changed tests"),
        ] {
            let after = config(text);
            assert_eq!(Diff::between(&before, &after).to_string(), expected, "{text}");
            let back = Diff::between(&after, &before).to_string();
            assert_eq!(back, expected.replace("added", "removed"), "{text}");
        }
    }
}
