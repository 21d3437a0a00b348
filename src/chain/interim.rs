//! Stage 10, before its end: interim answers (103 and the like) on their way from an origin to its client.
//!
//! In: what an origin says by HTTP/1.1 before its answer. Out: the same, with the route's changes, on a client's
//! connection of HTTP/1.1 before the answer; the library that speaks HTTP/2 has no way to say it. The gateway's
//! own 100 is the library's, and nobody but who asked hears of what is said before an answer that others get.

use std::{future::poll_fn, pin::pin, sync::Arc};

use http::{Version, header::CONTENT_LENGTH};
use tokio::sync::oneshot;

use super::exchange::Exchange;
use crate::{
    message::{ClientState, strip_response},
    rewrite::Changes,
    upstream::{Before, Interim, Interims, Onward},
};

/// The way to a client.
#[derive(Debug)]
pub(super) struct Ahead<'a> {
    client: &'a ClientState,
    changes: &'a Changes<'a>,
}

impl Exchange {
    /// The way to the client for what comes before its answer, if there is one.
    #[inline]
    pub(super) fn ahead<'a>(&'a self, changes: &'a Changes<'a>) -> Option<Ahead<'a>> {
        let plain = self.speech.is_none() && self.spoken.is_none();
        let may = self.version == Version::HTTP_11 && plain;
        may.then_some(Ahead { client: &self.client.state, changes })
    }

    /// What comes of a task, while what its origin says before its answer goes to the client.
    pub(super) async fn hear<T>(
        &self,
        relay: Option<Arc<Interims>>,
        changes: &Changes<'_>,
        came: oneshot::Receiver<T>,
    ) -> Option<T> {
        let Some((relay, ahead)) = relay.zip(self.ahead(changes)) else { return came.await.ok() };
        let mut came = pin!(came);
        let mut before = Before::new(Some((&*relay, &ahead as &dyn Onward)));
        poll_fn(|cx| before.poll(cx, |cx| came.as_mut().poll(cx))).await.ok()
    }
}

impl Onward for Ahead<'_> {
    fn pass_on(&self, interim: Interim) {
        let Interim { status, mut headers } = interim;
        strip_response(&mut headers);
        // It has no body that this could be the length of (RFC 9110 section 8.6).
        headers.remove(CONTENT_LENGTH);
        self.changes.clone().apply(&mut headers);
        let reason = status.canonical_reason().unwrap_or_default();
        let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in &headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(b"\r\n");
        self.client.write_before(&bytes);
    }

    fn is_clear(&self) -> bool {
        !self.client.has_before()
    }
}
