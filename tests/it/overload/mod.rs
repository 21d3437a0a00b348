//! Too much: who is refused when there is no room for all, and that what goes on goes on well; and answers
//! that go slower than they could.

mod adaptive;
mod bandwidth;
mod gateway;
mod problems;
mod upstream;

use crate::support::{Client, Janua, Message};

/// A client that has sent a request.
async fn sent(janua: &Janua, target: &str) -> Client {
    let mut client = janua.client().await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    client
}

/// Fails the test unless this is the refusal of a request that there is no room for.
fn assert_shed(answer: &Message, reason: &str, why: &str) {
    answer.assert_refused(503, reason, why);
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"), "{why}");
}
