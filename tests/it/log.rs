//! The access log as its settings have it.

use serde_json::Value;

use crate::support::{Janua, Setup};

const ECHO: &str = "[[route]]\nto = \"echo\"\n";

/// The line of a request with this query, which is in its `Referer` as well.
async fn logged(janua: &Janua, path: &str, query: &str) -> Value {
    let fields = format!("Referer: https://b.example/?{query}\r\n");
    let answer = janua.client().await.request(&format!("GET {path}?{query}"), &fields).await;
    assert_eq!(answer.status(), 200);
    janua.logged(path, |line| line["path"] == path).await
}

#[tokio::test]
async fn the_parameters_that_are_to_be_redacted_are() {
    let own = "redact-query = [\"Pin\"]";
    for (keys, sent, kept) in [
        ("", "token=hunter2&page=2", "token=***&page=2"),
        (own, "pin=hunter2&page=2&p%69n=hunter2", "pin=***&page=2&p%69n=***"),
        (own, "token=t&page=2", "token=t&page=2"),
        ("redact-query = \"*\"", "a=hunter2&b=hunter2", "a=***&b=***"),
        ("redact-query = []", "token=t", "token=t"),
    ] {
        let janua = Setup::new(ECHO).log(keys).start().await;
        let line = logged(&janua, "/a", sent).await;
        assert_eq!(line["query"], kept, "{keys}");
        assert_eq!(line["referer"], format!("https://b.example/?{kept}"), "{keys}");
        let log = std::fs::read_to_string(janua.path("access.log")).unwrap();
        assert!(!log.contains("hunter2"), "{keys}: {log}");
    }
}

#[tokio::test]
async fn a_reload_changes_what_is_redacted() {
    let janua = Setup::new(ECHO).log("redact-query = []").start().await;
    assert_eq!(logged(&janua, "/before", "pin=1").await["query"], "pin=1");
    janua.reload(&Setup::new(ECHO).log("redact-query = [\"pin\"]")).await.unwrap();
    assert_eq!(logged(&janua, "/after", "pin=1").await["query"], "pin=***");
}
