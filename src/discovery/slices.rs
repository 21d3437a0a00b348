//! EndpointSlices (`discovery.k8s.io/v1`): what a list and the lines of a watch say, and the endpoints that
//! all slices of a service come to. Pure: nothing here asks anybody.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::Found;
use crate::dial::{Address, Place};

/// Slices that a service may have: of a hundred endpoints each, as they are made, a million.
const MOST: usize = 10_000;

/// The port of a service that is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Port {
    /// The only one.
    Only,
    /// That of this number at the endpoints.
    Number(u16),
    /// That of this name.
    Name(Box<str>),
}

/// The slices of a service, by name.
#[derive(Debug, Default)]
pub(super) struct Slices(HashMap<String, Slice>);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Slice {
    metadata: Metadata,
    endpoints: Option<Vec<Endpoint>>,
    ports: Option<Vec<SlicePort>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint {
    addresses: Vec<String>,
    conditions: Conditions,
    zone: Option<Box<str>>,
}

/// What is not said counts as the documentation says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

impl Conditions {
    /// Whether it is used: first those that are ready; if there are none, those that still serve while they
    /// come to an end.
    fn priority(&self) -> Option<u16> {
        let ready = self.ready.unwrap_or(true);
        let ending = self.terminating.unwrap_or(false);
        match () {
            () if ready && !ending => Some(0),
            () if ending && self.serving.unwrap_or(ready) => Some(1),
            () => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SlicePort {
    name: Option<String>,
    port: Option<u16>,
    protocol: Option<String>,
}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
    items: Option<Vec<Slice>>,
}

/// A slice that is not what it was.
#[derive(Debug)]
pub(super) struct Change {
    slice: Slice,
    deleted: bool,
}

/// A line of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// The watch is at this version now.
    Bookmark(String),
    /// The server does not know any more where the watch was.
    Gone,
    /// A slice is another.
    Changed(Change),
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: serde_json::Value,
}

impl Event {
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let wrong = |error| format!("Kubernetes: a line of a watch is not understood: {error}");
        let Line { kind, object } = serde_json::from_slice(line).map_err(wrong)?;
        match &*kind {
            "ADDED" | "MODIFIED" | "DELETED" => {
                let slice = serde_json::from_value(object).map_err(wrong)?;
                Ok(Self::Changed(Change { slice, deleted: kind == "DELETED" }))
            }
            "BOOKMARK" => {
                let slice: Slice = serde_json::from_value(object).map_err(wrong)?;
                Ok(Self::Bookmark(slice.metadata.resource_version))
            }
            "ERROR" if object["code"] == 410 => Ok(Self::Gone),
            "ERROR" => {
                let message = object["message"].as_str().unwrap_or("no reason given");
                let message: String =
                    message.chars().filter(|sign| !sign.is_control()).take(200).collect();
                Err(format!("Kubernetes ends a watch: {message}"))
            }
            _ => Err("Kubernetes: a line of a watch is of no known type".into()),
        }
    }
}

/// The slices of a list, and as of which version.
pub(super) fn listed(body: &[u8]) -> Result<(Slices, String), String> {
    let List { metadata, items } = serde_json::from_slice(body)
        .map_err(|error| format!("Kubernetes: a list is not understood: {error}"))?;
    let items = items.unwrap_or_default().into_iter();
    let slices = items.map(|slice| (slice.metadata.name.clone(), slice)).collect();
    Ok((Slices(slices), metadata.resource_version))
}

impl Slices {
    /// Takes a change in; says as of which version.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn take(&mut self, Change { slice, deleted }: Change) -> Result<String, String> {
        let Metadata { name, resource_version } = &slice.metadata;
        let (name, version) = (name.clone(), resource_version.clone());
        match deleted {
            true => drop(self.0.remove(&name)),
            false => drop(self.0.insert(name, slice)),
        }
        match self.0.len() > MOST {
            true => Err(format!("the service has more than {MOST} slices")),
            false => Ok(version),
        }
    }

    /// The endpoints at a port.
    ///
    /// # Errors
    /// There is no such port, and which there are.
    pub(super) fn endpoints(&self, port: &Port, tls: bool) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        let mut others = BTreeSet::new();
        for slice in self.0.values() {
            let endpoints = slice.endpoints.as_deref().unwrap_or_default();
            match slice.port(port) {
                Some(port) => found.extend(endpoints.iter().filter_map(|it| it.found(port, tls))),
                None if endpoints.is_empty() => {}
                None => others.extend(slice.tcp().map(|(name, number)| match name {
                    "" => number.to_string(),
                    name => format!("{number} ({name})"),
                })),
            }
        }
        if found.is_empty() && !others.is_empty() {
            let others: Vec<_> = others.into_iter().collect();
            return Err(format!("the service has other ports: {}", others.join(", ")));
        }
        Ok(found)
    }
}

impl Slice {
    /// Its ports for TCP, with their names.
    fn tcp(&self) -> impl Iterator<Item = (&str, u16)> {
        let ports = self.ports.as_deref().unwrap_or_default().iter();
        let tcp = ports.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
        tcp.filter_map(|port| Some((port.name.as_deref().unwrap_or_default(), port.port?)))
    }

    /// The port that is meant here.
    fn port(&self, wanted: &Port) -> Option<u16> {
        let mut ports = self.tcp();
        match wanted {
            Port::Only => ports.next().filter(|_| ports.next().is_none()),
            Port::Number(number) => ports.find(|(_, port)| port == number),
            Port::Name(wanted) => ports.find(|(name, _)| *name == &**wanted),
        }
        .map(|(_, port)| port)
    }
}

impl Endpoint {
    fn found(&self, port: u16, tls: bool) -> Option<Found> {
        let priority = self.conditions.priority()?;
        // Of several addresses all lead to the same: the first is used (as kube-proxy does).
        let address = self.addresses.first()?;
        let place = match address.parse() {
            Ok(ip) => Place::Ip(ip, port),
            Err(_) => Place::Name(address.as_str().into(), port),
        };
        let address = Address::found(place, tls, None).ok()?;
        Some(Found { priority, zone: self.zone.clone(), ..Found::at(address) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slices(items: Value) -> Slices {
        let list = json!({ "metadata": { "resourceVersion": "7" }, "items": items });
        let (slices, version) = listed(list.to_string().as_bytes()).unwrap();
        assert_eq!(version, "7");
        slices
    }

    #[test]
    fn who_is_ready_is_used_and_who_ends_if_nobody_is() {
        for (conditions, priority) in [
            (json!({}), Some(0)),
            (json!({ "ready": true }), Some(0)),
            (json!({ "ready": null, "serving": true }), Some(0)),
            (json!({ "ready": false }), None),
            (json!({ "ready": false, "serving": true, "terminating": false }), None),
            (json!({ "ready": false, "serving": true, "terminating": true }), Some(1)),
            (json!({ "ready": true, "serving": true, "terminating": true }), Some(1)),
            (json!({ "ready": false, "serving": false, "terminating": true }), None),
        ] {
            let found = slices(json!([{
                "metadata": { "name": "a" },
                "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": conditions, "zone": "z" }],
                "ports": [{ "port": 80 }],
            }]));
            let found = found.endpoints(&Port::Only, false).unwrap();
            let seen = found.first().map(|found| (found.priority, found.zone.as_deref()));
            assert_eq!(seen, priority.map(|priority| (priority, Some("z"))), "{conditions}");
        }
    }

    #[test]
    fn a_port_is_found_by_name_and_number() {
        let all = slices(json!([{
            "metadata": { "name": "a" },
            "endpoints": [{ "addresses": ["10.0.0.1"] }, { "addresses": ["fd00::1"] }],
            "ports": [
                { "name": "http", "port": 8080, "protocol": "TCP" },
                { "name": "dns", "port": 53, "protocol": "UDP" },
                { "name": "admin", "port": 9090 },
            ],
        }, { "metadata": { "name": "b" }, "endpoints": null, "ports": null }]));
        let shown = |port| {
            let found = all.endpoints(&port, false)?;
            Ok(found.iter().map(|found| found.address.to_string()).collect::<Vec<_>>().join(" "))
        };
        let name = |name: &str| Port::Name(name.into());
        let ports = "the service has other ports: 8080 (http), 9090 (admin)".to_owned();
        assert_eq!(shown(name("http")), Ok("http://10.0.0.1:8080 http://[fd00::1]:8080".into()));
        assert_eq!(
            shown(Port::Number(9090)),
            Ok("http://10.0.0.1:9090 http://[fd00::1]:9090".into())
        );
        assert_eq!(shown(name("dns")), Err(ports.clone()));
        assert_eq!(shown(Port::Number(80)), Err(ports.clone()));
        assert_eq!(shown(Port::Only), Err(ports));
        assert_eq!(slices(json!(null)).endpoints(&Port::Only, false), Ok(Vec::new()));
    }

    #[test]
    fn lines_that_are_not_understood_are_told_from_the_end_of_history() {
        for (line, expected) in [
            (json!({ "type": "ERROR", "object": { "code": 410 } }), Ok(())),
            (
                json!({ "type": "ERROR", "object": { "code": 500, "message": "no\n" } }),
                Err("watch: no"),
            ),
            (json!({ "type": "PATCHED", "object": {} }), Err("no known type")),
            (json!({ "type": "ADDED", "object": { "endpoints": 7 } }), Err("not understood")),
            (json!([]), Err("not understood")),
        ] {
            match (Event::parse(line.to_string().as_bytes()), expected) {
                (Ok(Event::Gone), Ok(())) => {}
                (Err(wrong), Err(expected)) => assert!(wrong.contains(expected), "{line}: {wrong}"),
                (other, _) => panic!("{line}: {other:?}"),
            }
        }
    }
}
