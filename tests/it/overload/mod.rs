//! Too much: who is refused when there is no room for all, and that what goes on goes on well; and answers
//! that go slower than they could.

mod adaptive;
mod bandwidth;
mod gateway;
mod problems;
mod upstream;

use crate::support::{Client, Janua, Message, Origin, until};

/// A client that has sent a request.
async fn sent(janua: &Janua, target: &str) -> Client {
    let mut client = janua.client().await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    client
}

/// Routes to this place, one for each of these priorities, with its name.
fn routes(priorities: &[&str], to: &str) -> String {
    let route = |priority: &&str| {
        format!(
            "[[route]]\nname = \"{priority}\"\npath = \"/{priority}\"\n\
             priority = \"{priority}\"\nto = \"{to}\"\n"
        )
    };
    priorities.iter().map(route).collect()
}

/// Fills a bound of ten by requests of each priority, as far as that one may, and fails the test unless the
/// next is refused for this reason, and counted as shed. The clients wait for the origin.
async fn fill(
    janua: &Janua,
    origin: &Origin,
    reason: &str,
    shed: impl Fn(&Janua, &str) -> u64,
) -> Vec<Client> {
    let mut running = Vec::new();
    for (priority, most) in [("low", 6), ("normal", 9), ("high", 10)] {
        while running.len() < most {
            running.push(sent(janua, &format!("/{priority}")).await);
            until("it is there", || origin.requests().len() == running.len()).await;
        }
        let answer = janua.get(&format!("/{priority}")).await;
        assert_shed(&answer, reason, priority);
        assert_eq!(shed(janua, priority), 1);
    }
    running
}

/// Fails the test unless this is the refusal of a request that there is no room for.
fn assert_shed(answer: &Message, reason: &str, why: &str) {
    answer.assert_refused(503, reason, why);
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"), "{why}");
}
