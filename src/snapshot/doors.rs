//! Doors of Janua's own as routes: on the hosts and listeners of the routes that use their section, so that
//! other requests pay nothing for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    auth::{Door, Providers},
    config::{self, Config, OneOrMany, Path},
};

/// The doors, each with the route that leads there: one for each listener that routes name, and one for
/// routes on all; in each, hosts apart from any host. So none is the equal of another.
pub(super) fn doors(config: &Config, providers: &Providers) -> Vec<(Door, config::Route)> {
    let mut found = Vec::new();
    for (name, provider) in providers {
        let Some(provider) = provider else { continue };
        let doors = Door::all(provider);
        if doors.is_empty() {
            continue;
        }
        let mut hosts: BTreeMap<(Option<&String>, bool), BTreeSet<String>> = BTreeMap::new();
        for route in config.route.iter().filter(|route| route.auth.contains(name)) {
            let on = route.listener.iter().map(Some);
            let all = route.listener.is_empty().then_some(None);
            for listener in on.chain(all) {
                let known = hosts.entry((listener, route.host.is_empty())).or_default();
                known.extend(route.host.iter().map(|host| host.to_ascii_lowercase()));
            }
        }
        for (door, path) in doors {
            let route = |((listener, _), hosts): (&(Option<&String>, bool), &BTreeSet<String>)| {
                let methods = door.methods().iter().map(|method| (*method).to_owned());
                let route = config::Route {
                    name: Some(door.name()),
                    listener: OneOrMany(listener.iter().map(|name| (*name).clone()).collect()),
                    host: OneOrMany(hosts.iter().cloned().collect()),
                    path: OneOrMany(vec![path.clone()]),
                    methods: OneOrMany(methods.collect()),
                    ..config::Route::default()
                };
                (door.clone(), route)
            };
            found.extend(hosts.iter().map(route));
        }
    }
    found
}

/// Where a door stands in the file.
pub(super) fn place(door: &Door) -> Path {
    let (section, key) = door.key();
    Path::root().key("auth").key(section.to_owned()).key("oidc").key(key)
}
