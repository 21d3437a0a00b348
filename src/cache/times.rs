//! How long answers are fresh, as it is written, and of which statuses.

use http::StatusCode;

use super::{policy::Ttl, rules};
use crate::config::{CacheTtl, Duration, Path, Problem, Problems, Statuses};

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.0.as_secs()).unwrap_or(u32::MAX).min(1 << 31)
}

pub(super) fn ttl(written: Option<&CacheTtl>, at: &Path, problems: &mut Problems) -> Ttl {
    match written {
        None => Ttl::default(),
        Some(CacheTtl::All(all)) => Ttl::new(Some(seconds(*all)), []),
        Some(CacheTtl::Table(table)) => {
            let mut by_status = Vec::new();
            for (word, time) in table {
                match word.parse::<Statuses>() {
                    _ if word == "default" => {}
                    Ok(only) if only.from == only.to && is_never_kept(only.from) => {
                        problems.push(never_kept(at.key(word.clone()), only.from));
                    }
                    Ok(range) if !has_some(range) => {
                        let message =
                            format!("no answer in `{word}` is kept unless its status is named");
                        let problem = Problem::error(at.key(word.clone()), message);
                        problems.push(problem.help("each by itself, such as `\"503\"`"));
                    }
                    Ok(statuses) => by_status.push((statuses, seconds(*time))),
                    Err(message) => {
                        let problem = Problem::error(at.key(word.clone()), message);
                        problems
                            .push(problem.help("a status such as `404`, `\"4xx\"`, or `default`"));
                    }
                }
            }
            Ttl::new(table.get("default").copied().map(seconds), by_status)
        }
    }
}

/// Whether a time for these statuses is one for any: of a range only those count that may be kept unasked.
fn has_some(statuses: Statuses) -> bool {
    let unasked = |code| StatusCode::from_u16(code).is_ok_and(rules::is_kept_unasked);
    statuses.from == statuses.to || (statuses.from..=statuses.to).any(unasked)
}

pub(super) fn is_never_kept(code: u16) -> bool {
    StatusCode::from_u16(code).map_or(true, rules::is_never_kept)
}

pub(super) fn never_kept(at: Path, code: u16) -> Problem {
    Problem::error(at, format!("answers with {code} are not kept as they are"))
}
