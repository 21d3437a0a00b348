//! The response cache end to end: what is kept, what is given of it, and what is not, by the RFCs, under
//! faults, and against a reference that everybody can check.

mod changes;
mod counted;
mod faults;
mod flights;
mod identities;
mod problems;
mod purge;
mod reference;
mod table;

use crate::support::{Client, Janua, Message, Setup};

/// All goes to this URL, and what comes back is kept by these rules.
fn kept(url: &str, rules: &str) -> Setup {
    Setup::new(format!(
        "[upstream.u]\nendpoints = \"{url}\"\n[[route]]\nname = \"r\"\nto = \"u\"\ncache = {{ {rules} }}\n"
    ))
}

/// Waits until no answer is on its way.
async fn landed(janua: &Janua) {
    let world = janua.world();
    let flights = &world.caches.memory().flights;
    crate::support::until("answers on their way", || flights.is_empty()).await;
}

/// What is kept, in numbers.
fn shelved(janua: &Janua) -> janua::metrics::Shelved {
    janua.world().caches.memory().shelved()
}

/// A request with these fields on a connection of its own.
async fn ask(janua: &Janua, line: &str, fields: &str) -> Message {
    janua.client().await.request(line, fields).await
}

/// Sends a request without waiting for its answer.
async fn sent(janua: &Janua, target: &str, fields: &str) -> Client {
    let mut client = janua.client().await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")).await;
    client
}
