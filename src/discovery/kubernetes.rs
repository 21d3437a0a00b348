//! `kubernetes://NAMESPACE/SERVICE:PORT`: the endpoints of a service, as the API server of Kubernetes tells
//! them in EndpointSlices; in the cluster that Janua runs in, or in one that is named.
//!
//! All slices of the service are listed once; from then on changes are watched, line by line. When the
//! server has forgotten where the watch was (410), or the watch breaks, they are listed anew.

use std::{convert::Infallible, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    cluster::Cluster,
    dns::Wrong,
    slices::{Event, Port, Slices, listed},
    source::Source,
};
use crate::{
    config::{Discovery, Path, Problems, Scheme},
    dial::{Fetcher, Flow},
};

const HELP: &str = "kubernetes://default/orders:http";

/// The longest line of a watch: one slice, with a thousand endpoints at most.
const MAX_LINE: usize = 4 << 20;

/// Watches are not begun more often than this.
const BREATH: Duration = Duration::from_millis(200);

/// A service whose endpoints are endpoints.
#[derive(Debug)]
pub(super) struct Kubernetes {
    /// Path and query of its slices.
    target: Box<str>,
    port: Port,
    pub(super) cluster: Cluster,
    tls: bool,
    timeout: Duration,
    /// How long a watch lasts.
    watch: Duration,
}

/// How a watch ended.
enum End {
    /// In its time.
    Over,
    /// The server does not know any more where it was.
    Gone,
}

impl Kubernetes {
    pub(super) fn compile(
        rest: &str,
        (section, at): (&Discovery, &Path),
        problems: &mut Problems,
    ) -> Result<Option<Self>, Wrong> {
        let (target, port) = service(rest)?;
        let cluster = Cluster::compile(section, at, problems);
        Ok(cluster.map(|cluster| Self {
            target,
            port,
            cluster,
            tls: section.scheme == Scheme::Https,
            timeout: section.timeout.0,
            watch: section.max_refresh.0,
        }))
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        loop {
            let fetcher = self.cluster.fetcher()?;
            let (mut slices, mut version) = self.list(&fetcher).await?;
            source.deliver(slices.endpoints(&self.port, self.tls)?);
            loop {
                let begun = Instant::now();
                let end = self.watch(&fetcher, source, &mut slices, &mut version).await?;
                sleep_until(begun + BREATH).await;
                match end {
                    End::Over => source.confirm(),
                    End::Gone => break,
                }
            }
        }
    }

    /// All slices, and as of which version.
    async fn list(&self, fetcher: &Fetcher) -> Result<(Slices, String), String> {
        let (target, request) = self.cluster.request(&self.target)?;
        let answer = fetcher.ask(self.cluster.server()?, &target, request).await;
        let answer = answer.map_err(|error| format!("Kubernetes: {error}"))?;
        match answer.status() {
            StatusCode::OK => listed(answer.body()),
            status => Err(format!("Kubernetes answers {}", status.as_u16())),
        }
    }

    /// Takes in changes until the watch ends.
    async fn watch(
        &self,
        fetcher: &Fetcher,
        source: &Source,
        slices: &mut Slices,
        version: &mut String,
    ) -> Result<End, String> {
        let seconds = self.watch.as_secs().max(1);
        let (target, request) = self.cluster.request(&format!(
            "{}&watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}",
            self.target
        ))?;
        let told = |error| format!("Kubernetes: {error}");
        let answer = fetcher.open(self.cluster.server()?, &target, request).await.map_err(told)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Ok(End::Gone),
            status => return Err(format!("Kubernetes answers {} to a watch", status.as_u16())),
        }
        // The server ends it; one that says nothing any more does not.
        let end = Instant::now() + Duration::from_secs(seconds) + self.timeout;
        let mut lines = Lines { flow: answer.into_body(), held: Vec::new() };
        loop {
            let line = timeout_at(end, lines.next()).await;
            let line =
                line.map_err(|_| "Kubernetes: a watch did not end in its time".to_owned())?;
            let Some(line) = line? else { return Ok(End::Over) };
            match Event::parse(&line)? {
                Event::Gone => return Ok(End::Gone),
                Event::Bookmark(now) => {
                    *version = now;
                    source.confirm();
                }
                Event::Changed(change) => {
                    *version = slices.take(change)?;
                    source.deliver(slices.endpoints(&self.port, self.tls)?);
                }
            }
        }
    }
}

/// A watch, line by line.
struct Lines {
    flow: Flow,
    held: Vec<u8>,
}

impl Lines {
    /// The next line; nothing at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.held[looked..].iter().position(|byte| *byte == b'\n') {
                let rest = self.held.split_off(looked + end + 1);
                let line = std::mem::replace(&mut self.held, rest);
                if line.iter().all(u8::is_ascii_whitespace) {
                    looked = 0;
                    continue;
                }
                return Ok(Some(line));
            }
            looked = self.held.len();
            if looked > MAX_LINE {
                return Err(format!("Kubernetes: a line has more than {MAX_LINE} bytes"));
            }
            match self.flow.next().await {
                Ok(Some(piece)) => self.held.extend_from_slice(&piece),
                Ok(None) if self.held.is_empty() => return Ok(None),
                Ok(None) => return Err("Kubernetes: a watch broke off".into()),
                Err(error) => return Err(format!("Kubernetes: a watch broke off: {error}")),
            }
        }
    }
}

/// The service that a URL names: its slices, and the port.
fn service(rest: &str) -> Result<(Box<str>, Port), Wrong> {
    let wrong = |message: &str| (message.to_owned(), HELP);
    let label = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&text.len()) && text.bytes().all(plain)
    };
    let (namespace, service) =
        rest.split_once('/').ok_or_else(|| wrong("it names no namespace and service"))?;
    let (service, port) = match service.split_once(':') {
        None => (service, Port::Only),
        Some((service, port)) => match port.parse() {
            Ok(0) => return Err(wrong("it has no valid port")),
            Ok(number) => (service, Port::Number(number)),
            Err(_) if label(port) && !port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (service, Port::Name(port.into()))
            }
            Err(_) => return Err(wrong("it has no valid port")),
        },
    };
    if !label(namespace) || !label(service) {
        return Err(wrong("a namespace and a service have names of `a-z`, `0-9` and `-`"));
    }
    let target = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
    );
    Ok((target.into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_service_and_a_port() {
        let slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
            ?labelSelector=kubernetes.io%2Fservice-name%3Dorders";
        for (rest, port) in [
            ("shop/orders", Port::Only),
            ("shop/orders:8080", Port::Number(8080)),
            ("shop/orders:http", Port::Name("http".into())),
        ] {
            assert_eq!(service(rest), Ok((slices.into(), port)), "{rest}");
        }
        for rest in [
            "",
            "shop",
            "shop/",
            "/orders",
            "shop/orders:",
            "shop/orders:0",
            "shop/orders:99999",
            "shop/or ders",
            "shop/a/b",
            "Shop/orders",
            "shop/orders?x=1",
            "shop/orders:http&x",
        ] {
            assert!(service(rest).is_err(), "{rest}");
        }
    }
}
