//! An explanation as JSON: the facts of the text, all of them, for programs.

use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use super::{Explanation, text::shown_body};
use crate::{
    chain::{Answer, Outcome},
    rewrite::FieldChange,
    route::{Candidate, Verdict},
    snapshot::Mirror,
    split::Shares,
    upstream::{Member, Upstream},
};

/// The facts.
pub(super) fn json(of: &Explanation) -> Value {
    let (question, plan) = (&of.question, &of.plan);
    let listener = &question.listener;
    let candidates = plan.candidates(&of.world);
    let mut facts = json!({
        "request": request(&question.asked.request),
        "from": question.asked.from.to_string(),
        "listener": {
            "name": &*listener.name,
            "address": listener.bind.to_string(),
            "scheme": if listener.tls.is_some() { "https" } else { "http" },
            "why": question.why,
        },
        "candidates": candidates.iter().map(|one| candidate(of, one)).collect::<Vec<_>>(),
        "stages": plan.steps.iter().map(|step| json!({
            "number": step.stage.number(),
            "name": step.stage.name(),
            "does": step.does,
        })).collect::<Vec<_>>(),
        "route": of.route(),
        "sent": plan.sent.as_ref().map(request),
        "operation": plan.operation,
        "violations": serde_json::from_str::<Value>(&plan.violations.to_json()).ok(),
    });
    facts["outcome"] = match &plan.outcome {
        Outcome::Refused { stage, reject, answer: refusal } => json!({
            "is": "refused",
            "stage": stage.name(),
            "status": reject.code(),
            "reason": reject.reason(),
            "detail": reject.detail(),
            "answer": answer(refusal),
        }),
        Outcome::Answered(made) => json!({
            "is": "answered",
            "status": made.status().as_u16(),
            "answer": answer(made),
        }),
        Outcome::Door(door) => json!({ "is": "door", "door": door.name(), "does": door.does() }),
        Outcome::Forwarded { upstream, split, mirror, choice, changes } => json!({
            "is": "forwarded",
            "upstream": &*upstream.name,
            "split": split.as_deref().map(shares),
            "mirror": mirror.as_deref().map(copies),
            "balance": upstream.balance(),
            "choice": { "endpoint": choice.index, "why": choice.why },
            "panic": upstream.members().panics,
            "sources": upstream.sources().collect::<Vec<_>>(),
            "endpoints": endpoints(upstream),
            "answer-headers": changes.iter()
                .map(|(name, change)| changed(name.as_str(), change))
                .collect::<Vec<_>>(),
        }),
    };
    facts
}

/// The shares of a split; nobody `takes` what is decided by chance.
fn shares(split: &Shares) -> Value {
    json!({
        "ways": split.ways.iter().map(|way| json!({
            "upstream": &*way.upstream,
            "weight": way.weight,
            "share": way.part,
            "conditions": way.conditions,
        })).collect::<Vec<_>>(),
        "takes": split.takes.map(|way| &*split.ways[way].upstream),
        "why": split.why,
    })
}

fn copies(mirror: &Mirror) -> Value {
    json!({
        "upstream": &*mirror.way.upstream.name,
        "share": mirror.share.to_string(),
        "max-body": mirror.max_body,
        "max-in-flight": mirror.max_in_flight,
    })
}

fn endpoints(upstream: &Upstream) -> Vec<Value> {
    let members = upstream.members();
    let one = |member: &Member| {
        json!({
            "url": &*member.endpoint.origin.name,
            "weight": member.weight,
            "state": member.standing.word(),
            "priority": member.place.priority,
            "near": member.place.near,
            "share": members.share(member),
        })
    };
    members.list.iter().map(one).collect()
}

fn candidate(of: &Explanation, candidate: &Candidate<'_>) -> Value {
    let verdict = match candidate.verdict {
        Verdict::Takes => "takes",
        Verdict::Doubts => "doubts",
        Verdict::Outranked => "outranked",
        Verdict::Overruled => "overruled",
        Verdict::Fails(_) => "fails",
    };
    json!({
        "route": of.name_of(candidate),
        "host": candidate.host,
        "path": candidate.path,
        "verdict": verdict,
        "why": candidate.verdict.to_string(),
    })
}

fn request(request: &Request<Option<Bytes>>) -> Value {
    json!({
        "body": request.body().as_deref().map(shown_body),
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "headers": fields(request.headers()),
    })
}

fn answer(answer: &Answer) -> Value {
    json!({
        "headers": fields(answer.headers()),
        "body": String::from_utf8_lossy(answer.body()),
    })
}

/// Names and values in pairs: a name may be there more than once.
fn fields(headers: &HeaderMap) -> Value {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
    };
    headers.iter().map(pair).collect()
}

fn changed(name: &str, change: &FieldChange) -> Value {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match change {
        FieldChange::Remove => json!({ "change": "remove", "name": name }),
        FieldChange::Set(value) => json!({ "change": "set", "name": name, "value": text(value) }),
        FieldChange::Add(value) => json!({ "change": "add", "name": name, "value": text(value) }),
    }
}
