//! The answer to a request that could not be read: no head, so no route, no stages.
//!
//! The server's guard saw why; here it gets the same words, counters and log line as any refusal.

use http::Version;
use tokio::time::Instant;

use super::answer;
use crate::{
    message::{Client, REQUEST_ID, new_request_id},
    metrics::{Finished, Protocol},
    reject::Reject,
    snapshot::{Listener, Snapshot},
    telemetry::{Record, Tls},
};

/// The bytes of an HTTP/1.1 answer that says why; counts and logs it.
pub fn refuse_unread(
    world: &Snapshot,
    listener: &Listener,
    client: &Client,
    reject: Reject,
) -> Vec<u8> {
    let time = client.worker.clock.wall(Instant::now());
    let id = new_request_id(time);
    let response = answer::problem(reject, None, &id, true, None);
    let mut bytes = format!("{:?} {}\r\n", Version::HTTP_11, response.status()).into_bytes();
    let mut field = |name: &str, value: &[u8]| {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    };
    for (name, value) in response.headers() {
        field(name.as_str(), value.as_bytes());
    }
    field(REQUEST_ID.as_str(), id.as_bytes());
    field("content-length", response.body().len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body());

    listener.metrics.at(client.worker.index).request(Protocol::Http11);
    let bytes_out = response.body().len() as u64;
    let finished = Finished { status: Some(reject.code()), micros: 0, bytes_in: 0, bytes_out };
    world.no_route.finish(client.worker.index, &finished);
    world.no_route.reject(client.worker.index, reject as usize);
    if world.access_log.is_on() {
        let record = Record {
            time,
            id: id.as_bytes(),
            client: client.ip(),
            peer: client.ip(),
            listener: &listener.name,
            protocol: "HTTP/1.1",
            tls: client.tls.as_ref().map(|tls| Tls { version: tls.version, cipher: tls.cipher }),
            method: b"-",
            path: b"-",
            status: Some(reject.code()),
            reason: Some(reject.reason()),
            bytes_out,
            ..Record::default()
        };
        world.access_log.write(client.worker.index, &record);
    }
    bytes
}
