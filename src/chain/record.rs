//! An exchange as a line of the access log.

use http::{HeaderValue, Version};

use super::exchange::Exchange;
use crate::{
    metrics::{Cached, Finished},
    telemetry::{self, Record, Tls},
};

impl Exchange {
    /// Its facts, for the log.
    pub(super) fn record(&self, finished: &Finished) -> Record<'_> {
        let route = self.route();
        let who = self.who.principal();
        let asked = self.asked.as_ref().and_then(|asked| asked.first());
        Record {
            time: self.client.worker.clock.wall(self.started),
            id: self.id.as_bytes(),
            client: self.client_ip,
            peer: self.client.ip(),
            listener: &self.listener.name,
            protocol: protocol(self.version),
            tls: self
                .client
                .tls
                .as_ref()
                .map(|tls| Tls { version: tls.version, cipher: tls.cipher }),
            method: self.method.as_str().as_bytes(),
            host: self.host.as_ref().map(HeaderValue::as_bytes).unwrap_or_default(),
            path: self.target.path().as_bytes(),
            query: self.target.query().map(str::as_bytes),
            operation: asked.map(|asked| telemetry::Operation {
                name: asked.name.as_deref().map(str::as_bytes),
                kind: asked.kind.name(),
                depth: asked.depth,
                cost: asked.cost,
            }),
            status: finished.status,
            reason: self.reject.map(crate::reject::Reject::reason),
            cause: self.cause.as_deref(),
            reported: self.reported.map(crate::reject::Reject::reason),
            route: route.map(|route| &*route.name),
            upstream: self.upstream().map(|upstream| &*upstream.name),
            endpoint: self.endpoint.as_ref().map(|endpoint| &*endpoint.origin.name),
            user: who.map(|who| who.subject.as_bytes()),
            auth: who.map(|who| &*who.auth),
            agent: self.agent.as_ref().map(HeaderValue::as_bytes),
            referer: self.referer.as_ref().map(HeaderValue::as_bytes),
            bytes_in: finished.bytes_in,
            bytes_out: finished.bytes_out,
            duration: finished.micros,
            identify: self.identify,
            waited: self.waited,
            connect: self.connect,
            first_byte: self.first_byte,
            cache: self.cached.map(Cached::word),
            tries: self.tries,
        }
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}
