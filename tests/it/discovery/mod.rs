//! Endpoints that come and go without a reload: who is found, what stays when they change, and what happens
//! when nobody knows any more. DNS by a real server is in `real::dns`; Consul and Kubernetes are stand-ins
//! that speak their protocols as they are documented.

mod changes;
mod consul;
mod file;
mod kubeconfig;
mod kubernetes;
mod problems;
mod silence;

use serde_json::Value;

use crate::support::{Janua, Origin, Setup, until};

/// Everything goes to one upstream, with these keys.
pub(crate) fn upstream(keys: &str) -> Setup {
    Setup::new(format!("[upstream.u]\n{keys}\n[[route]]\nname = \"r\"\nto = \"u\"\n"))
}

/// The endpoints there are, in order.
pub(crate) fn endpoints(janua: &Janua) -> Vec<String> {
    let members = janua.world().upstream("u").unwrap().members();
    let mut urls: Vec<_> =
        members.list.iter().map(|member| member.endpoint.origin.name.to_string()).collect();
    urls.sort();
    urls
}

/// Waits until these are the endpoints.
pub(crate) async fn found(janua: &Janua, urls: &[&str]) {
    let mut urls: Vec<_> = urls.iter().map(|url| (*url).to_owned()).collect();
    urls.sort();
    until(&format!("{urls:?}"), || endpoints(janua) == urls).await;
}

/// The upstream as the operator sees it.
pub(crate) fn shown(janua: &Janua) -> Value {
    serde_json::to_value(janua.world().upstream("u").unwrap().shown()).unwrap()
}

/// A number of the upstream's discovery.
pub(crate) fn counted(janua: &Janua, what: &str) -> u64 {
    janua.counted(&format!("janua_upstream_discovery_{what}{{upstream=\"u\"}}"))
}

/// Waits until the source is wrong in this way.
pub(crate) async fn wrong(janua: &Janua, words: &str) {
    let says = || {
        let shown = shown(janua);
        shown["discovery"][0]["wrong"].as_str().is_some_and(|wrong| wrong.contains(words))
    };
    until(words, says).await;
    assert_eq!(counted(janua, "failing"), 1);
}

/// Waits until nothing is wrong with the source.
pub(crate) async fn well(janua: &Janua) {
    until("the source is well", || shown(janua)["discovery"][0]["wrong"].is_null()).await;
    assert_eq!(counted(janua, "failing"), 0);
}

/// Origins that answer with their names.
async fn named(names: &[&str]) -> Vec<Origin> {
    let mut origins = Vec::new();
    for name in names {
        origins.push(Origin::named(name).await);
    }
    origins
}

/// Who answers so many requests, in order and each once.
pub(crate) async fn answer(janua: &Janua, times: usize) -> Vec<String> {
    let mut client = janua.client().await;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..times {
        names.insert(client.get("/").await.text());
    }
    names.into_iter().collect()
}
