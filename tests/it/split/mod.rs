//! Requests that go several ways: which one, by what, and who stays there; and copies of requests, which
//! nobody notices.

mod choice;
mod mirror;
mod problems;
mod shown;

use crate::support::{Janua, Origin};

/// Two origins that say who they are: `v1` and `v2`.
struct Versions {
    v1: Origin,
    v2: Origin,
}

impl Versions {
    async fn new() -> Self {
        Self { v1: Origin::named("v1").await, v2: Origin::named("v2").await }
    }

    /// The upstreams, and a route with this `to` and more keys.
    fn route(&self, to: &str, more: &str) -> String {
        let (v1, v2) = (&self.v1.url, &self.v2.url);
        format!(
            "[upstream.v1]\nendpoints = \"{v1}\"\n[upstream.v2]\nendpoints = \"{v2}\"\n\
             [[route]]\nname = \"r\"\nto = {to}\n{more}\n"
        )
    }
}

/// Who answers a request with these fields.
async fn asks(janua: &Janua, fields: &str) -> String {
    let answer = janua.client().await.request("GET /", fields).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text()
}

/// How many of so many requests `v2` answers.
async fn of_v2(janua: &Janua, requests: usize, fields: &str) -> usize {
    let mut client = janua.client().await;
    let mut count = 0;
    for _ in 0..requests {
        let answer = client.request("GET /", fields).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        count += usize::from(answer.text() == "v2");
    }
    count
}
