//! `consul://SERVICE?tag=TAG&dc=DATACENTER`: the instances of a service that pass their checks, as Consul's
//! agent knows them; changes are told at once, by blocking queries.
//!
//! A blocking query is one that waits at the agent until the answer's index is another than the last one's, or
//! for a while. The index may go backwards (a restored or restarted cluster): then it is begun anew.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, uri::PathAndQuery};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Found, dns::Wrong, settings::server, source::Source};
use crate::{
    config::{ByteSize, Discovery, Fetch, Path, Problems, Scheme, Secret},
    dial::{Address, Destination, Fetcher, Place},
};

const AGENT: &str = "http://127.0.0.1:8500";
const HELP: &str = "consul://orders?tag=v1";

/// The largest answer.
const MAX_SIZE: ByteSize = ByteSize::kib(8 << 10);

/// Questions are not begun more often than this, however often the index changes.
const BREATH: Duration = Duration::from_millis(100);

/// What needs no encoding in a path or query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A service whose instances are endpoints.
#[derive(Debug)]
pub(super) struct Consul {
    /// Path and query, but for the index.
    target: Box<str>,
    agent: Destination,
    fetcher: Fetcher,
    token: Option<Secret>,
    tls: bool,
    timeout: Duration,
    /// How long a question waits for news.
    wait: Duration,
}

/// An instance, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    node: Node,
    service: Service,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    /// Empty if it is the node's.
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    weights: Weights,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1 }
    }
}

impl Consul {
    pub(super) fn compile(
        rest: &str,
        (section, at): (&Discovery, &Path),
        problems: &mut Problems,
    ) -> Result<Option<Self>, Wrong> {
        let target = target(rest)?;
        let agent = server(section.server.as_deref().unwrap_or(AGENT), &at.key("server"), problems);
        let wait = section.max_refresh.0;
        // Consul adds up to a sixteenth, so that not all come back at once.
        let patience = wait + wait / 16 + section.timeout.0;
        let fetch = Fetch {
            ca: section.ca.clone(),
            timeout: crate::config::Duration(patience),
            max_size: MAX_SIZE,
        };
        let fetcher = Fetcher::compile(&fetch, at, problems);
        let made = agent.zip(fetcher).map(|(agent, fetcher)| Self {
            target,
            agent,
            fetcher: fetcher.keeping(1),
            token: section.token.clone(),
            tls: section.scheme == Scheme::Https,
            timeout: section.timeout.0,
            wait,
        });
        Ok(made)
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let mut index = 0;
        loop {
            let begun = Instant::now();
            let answer = self.ask(index).await?;
            index = next_index(index, &answer);
            source.deliver(self.endpoints(answer.body())?);
            sleep_until(begun + BREATH).await;
        }
    }

    /// Asks, and waits for an index other than this one, if it is one.
    async fn ask(&self, index: u64) -> Result<Response<Bytes>, String> {
        let target = match index {
            0 => self.target.to_string(),
            index => format!("{}&index={index}&wait={}ms", self.target, self.wait.as_millis()),
        };
        let target = target.parse::<PathAndQuery>().map_err(|error| error.to_string())?;
        let mut request = Request::new(Bytes::new());
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&token.reveal()?);
            let mut value = value.map_err(|_| "the token cannot be sent".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert("x-consul-token", value);
        }
        let asked = self.fetcher.ask(&self.agent, &target, request);
        let answer = match index {
            // There is nothing to wait for.
            0 => timeout(self.timeout, asked).await,
            _ => Ok(asked.await),
        };
        let answer =
            answer.map_err(|_| format!("Consul does not answer within {:?}", self.timeout))?;
        let answer = answer.map_err(|error| format!("Consul: {error}"))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(format!("Consul answers {}", status.as_u16())),
        }
    }

    fn endpoints(&self, body: &[u8]) -> Result<Vec<Found>, String> {
        let instances: Vec<Instance> = serde_json::from_slice(body)
            .map_err(|error| format!("Consul's answer is not understood: {error}"))?;
        let endpoint = |Instance { node, service }: Instance| {
            let host = if service.address.is_empty() { node.address } else { service.address };
            let place = match host.parse() {
                Ok(ip) => Place::Ip(ip, service.port),
                Err(_) => Place::Name(host.into(), service.port),
            };
            let address = Address::found(place, self.tls, None).ok()?;
            let found = Found { weight: service.weights.passing, ..Found::at(address) };
            (service.port > 0).then_some(found)
        };
        Ok(instances.into_iter().filter_map(endpoint).collect())
    }
}

/// What is asked for: the instances that are well, narrowed by what the URL says.
fn target(rest: &str) -> Result<Box<str>, Wrong> {
    let (service, query) = rest.split_once('?').unwrap_or((rest, ""));
    let service = service.strip_suffix('/').unwrap_or(service);
    if service.is_empty() || service.contains(['/', ':', '@', '#']) {
        return Err(("it names no service".into(), HELP));
    }
    let mut target =
        format!("/v1/health/service/{}?passing=1", utf8_percent_encode(service, PLAIN));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !["tag", "dc", "ns", "partition"].contains(&key) || value.is_empty() {
            let message = format!("`{pair}` is not known here: `tag`, `dc`, `ns`, `partition` are");
            return Err((message, HELP));
        }
        target.push_str(&format!("&{key}={}", utf8_percent_encode(value, PLAIN)));
    }
    Ok(target.into())
}

/// The index to wait for next; 0 waits for none.
fn next_index(before: u64, answer: &Response<Bytes>) -> u64 {
    let index = answer.headers().get("x-consul-index");
    let index = index.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    // Consul asks its clients for both: anew when it goes backwards, and never by 0, which would not wait.
    if index < before { 0 } else { index.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_begun_anew_when_it_goes_backwards_and_is_never_zero() {
        for (before, said, next) in [
            (0, Some("7"), 7),
            (7, Some("7"), 7),
            (7, Some("9"), 9),
            (9, Some("3"), 0),
            (0, Some("0"), 1),
            (1, Some("0"), 0),
            (0, None, 1),
            (5, None, 0),
            (5, Some("x"), 0),
        ] {
            let mut answer = Response::new(Bytes::new());
            if let Some(said) = said {
                answer.headers_mut().insert("x-consul-index", HeaderValue::from_static(said));
            }
            assert_eq!(next_index(before, &answer), next, "{before} {said:?}");
        }
    }

    #[test]
    fn a_url_says_which_instances() {
        for (rest, expected) in [
            ("orders", "/v1/health/service/orders?passing=1"),
            ("orders/", "/v1/health/service/orders?passing=1"),
            (
                "orders?tag=v1&tag=a%b&dc=eu",
                "/v1/health/service/orders?passing=1&tag=v1&tag=a%25b&dc=eu",
            ),
        ] {
            assert_eq!(target(rest).as_deref(), Ok(expected), "{rest}");
        }
        for rest in
            ["", "?tag=v1", "a/b", "orders:80", "orders?near=x", "orders?tag", "orders?tag="]
        {
            assert!(target(rest).is_err(), "{rest}");
        }
    }
}
