//! `janua limits`: what the running gateway's limits did, and which keys they are asked for most.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use http::Method;
use serde::Deserialize;

use super::{
    Exit,
    answer::show_list,
    ask::{Question, ask},
};
use crate::app::cli::Limits;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A limit, as far as it is shown here.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Limit {
    name: String,
    allowed: u64,
    delayed: u64,
    rejected: BTreeMap<String, u64>,
    waiting: i64,
    counted_for: u64,
    busiest: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    key: String,
    allowed: u64,
    refused: u64,
}

/// Shows the limits.
pub(super) fn limits(arguments: &Limits) -> Exit {
    let (method, path, accept) = (Method::GET, "/limits".into(), "application/json");
    let question = Question { method, path, accept, patience: PATIENCE };
    show_list(ask(&arguments.door, &question), arguments.format, text)
}

fn text(limits: &[Limit]) -> String {
    let mut text = String::new();
    for limit in limits {
        let rejected: Vec<_> =
            limit.rejected.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let rejected = if rejected.is_empty() { "0".into() } else { rejected.join(", ") };
        // A `String` takes everything; there is no error to see.
        let _ = writeln!(
            text,
            "{}: {} allowed, {} of them after a wait, {} waiting, refused: {rejected}",
            limit.name, limit.allowed, limit.delayed, limit.waiting
        );
        if !limit.busiest.is_empty() {
            let _ = writeln!(text, "  allowed  refused  in the last {} s", limit.counted_for);
        }
        for Key { key, allowed, refused } in &limit.busiest {
            let key: String = key.chars().filter(|letter| !letter.is_control()).collect();
            let _ = writeln!(text, "  {allowed:>7}  {refused:>7}  {key}");
        }
    }
    if text.is_empty() { "there are no limits\n".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_line_and_each_key_another() {
        let json = r#"[{"name": "few", "allowed": 12, "delayed": 2, "rejected": {"limit.rate": 3},
            "reported": {}, "waiting": 1, "keys": 2, "quota-keys": 0, "counted-for": 61, "busiest": [
            {"key": "ip 192.0.2.1", "allowed": 10, "refused": 3, "missed": 0},
            {"key": "path id `\u001b[2J`", "allowed": 2, "refused": 0, "missed": 0}]}]"#;
        let limits: Vec<Limit> = serde_json::from_str(json).unwrap();
        let expected = "\
            few: 12 allowed, 2 of them after a wait, 1 waiting, refused: 3 limit.rate\n  \
              allowed  refused  in the last 61 s\n       \
                   10        3  ip 192.0.2.1\n        \
                    2        0  path id `[2J`\n";
        assert_eq!(text(&limits), expected);
        assert_eq!(text(&[]), "there are no limits\n");
    }
}
