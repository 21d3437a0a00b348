//! Keys of an `[api.NAME]` that a door for SOAP cannot do.
//!
//! In: the section, and the operations that there are. Out: an error for each key that would else be believed to
//! hold: a door is one route, and who comes there is asked before anybody knows the operation.

use super::wsdl::Described;
use crate::config::{Api, Operation, Path, Problem, Problems, Soap};

/// What a key of a section cannot be, and what to do.
type Wrong = (&'static str, bool, &'static str, &'static str);

/// Says what is said of a door or its operations that nobody would do.
pub(super) fn check(section: &Api, known: &[Described], at: &Path, problems: &mut Problems) {
    push(&of_section(section), at, problems);
    push(&of_soap(&section.soap), &at.key("soap"), problems);
    for (name, own) in &section.operations {
        let at = at.key("operations").key(name.clone());
        if !known.iter().any(|described| described.name == *name) {
            let problem = Problem::error(at.clone(), format!("there is no operation `{name}`"));
            let names = known.iter().map(|described| &*described.name);
            let help = || "an operation of the WSDL's port, by its name".to_owned();
            problems.push(problem.help_meant(name, names, help));
        }
        push(&of_operation(own), &at, problems);
    }
    if known.iter().all(|described| is_off(section, &described.name)) {
        let problem = Problem::error(at.key("operations"), "the door has no operation");
        problems.push(problem.help("one of them without `enabled = false`"));
    }
}

/// Whether clients cannot call this operation.
pub(super) fn is_off(section: &Api, name: &str) -> bool {
    section.operations.get(name).is_some_and(|own| own.enabled == Some(false))
}

fn push(all: &[Wrong], at: &Path, problems: &mut Problems) {
    for (key, _, what, help) in all.iter().filter(|(_, there, ..)| *there) {
        problems.push(Problem::error(at.key(*key), *what).help(*help));
    }
}

fn of_section(section: &Api) -> [Wrong; 9] {
    let default = Api::default();
    let away = "take it away";
    let grpc = "this is about a service of gRPC";
    [
        (
            "security",
            !section.security.is_empty(),
            "a WSDL has no security schemes",
            "`auth` at the route",
        ),
        (
            "enforce",
            section.enforce != default.enforce,
            "a door takes only envelopes that fit their types",
            away,
        ),
        (
            "answers",
            section.answers != default.answers,
            "an answer that cannot be made an envelope is a fault, whatever is said here",
            away,
        ),
        (
            "unknown-query",
            section.unknown_query != default.unknown_query,
            "an envelope has no query",
            away,
        ),
        (
            "max-depth",
            section.max_depth != default.max_depth,
            "how deep an envelope may be is not to be chosen",
            "take it away; `max-body` is",
        ),
        (
            "audience",
            section.audience.is_some(),
            "a door is not in the portal: whoever gets to it gets its description, too",
            "`access`, or `auth` and `allow`, at the route",
        ),
        ("json", section.json != default.json, grpc, away),
        ("services", !section.services.is_empty(), grpc, "soap = { service = \"NAME\" }"),
        ("proto-path", !section.proto_path.is_empty(), grpc, away),
    ]
}

fn of_soap(soap: &Soap) -> [Wrong; 4] {
    let what = "this is for a service that speaks SOAP, and at a door the clients do";
    let help = "take it away; who clients are, `auth` at the route asks";
    [
        ("addressing", soap.addressing, what, help),
        ("username", soap.username.is_some(), what, help),
        ("timestamp", soap.timestamp.is_some(), what, help),
        ("faults", !soap.faults.is_empty(), what, "take it away; a door makes faults of statuses"),
    ]
}

fn of_operation(own: &Operation) -> [Wrong; 5] {
    let late = "a door is one route, where this is asked before anybody knows the operation";
    [
        ("auth", own.auth.is_some(), late, "`auth` at the route, for all operations of the door"),
        (
            "allow",
            own.allow.is_some(),
            late,
            "`allow` at the route, for all operations of the door",
        ),
        (
            "limit",
            own.limit.is_some(),
            late,
            "`limit` at the route, for all operations of the door",
        ),
        ("cache", own.cache.is_some(), "what an envelope asks for is not kept", "take it away"),
        (
            "to",
            own.to.is_some(),
            "all operations of a door have one origin",
            "`to` at the route, or another API with a door of its own and `enabled = false` here",
        ),
    ]
}
