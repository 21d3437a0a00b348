//! An explanation as text: one screen for a usual configuration.
//!
//! What is worth a look begins at the left edge, its facts are aligned below it. A table of routes
//! that would fill the screen shows only those that are for the request's host and path.

use std::{
    borrow::Cow,
    fmt::{self, Formatter, Write as _},
};

use http::{HeaderMap, HeaderValue, header::HOST};

use super::{Explanation, is_near};
use crate::{
    chain::{Answer, Outcome, SAMPLE_ID, Stage},
    config,
    message::hex,
    rewrite::FieldChange,
    route::{Candidate, Verdict},
    upstream::Member,
};

/// As many routes are shown whatever they are for.
const FEW: usize = 12;

/// As much of a body is shown.
const BODY_LINES: usize = 12;

/// And as many bytes of one that is no text.
const BODY_BYTES: usize = 256;

/// Columns are no wider than this; what is longer pushes its own line.
const WIDEST: usize = 36;

/// Writes an explanation.
pub(super) fn write(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let (asked, listener) = (&of.question.asked, &of.question.listener);
    let request = &asked.request;
    let host = request.headers().get(HOST).map(text).unwrap_or_default();
    writeln!(f, "{} {} for {host}, from {}", request.method(), request.uri(), asked.from)?;
    let tls = if listener.tls.is_some() { "TLS" } else { "in clear" };
    writeln!(f, "\nlistener {}", listener.name)?;
    writeln!(f, "  {}, {tls}: {}", listener.bind, of.question.why)?;
    routes(of, f)?;
    stages(of, f)?;
    split(of, f)?;
    upstream(of, f)?;
    mirror(of, f)?;
    sent(of, f)?;
    outcome(of, f)
}

fn routes(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let all = of.plan.candidates(&of.world);
    if all.is_empty() {
        return Ok(());
    }
    let (total, few) = (all.len(), all.len() <= FEW);
    let shown: Vec<_> = all.into_iter().filter(|candidate| few || is_near(candidate)).collect();
    writeln!(f, "\nroutes, the most specific first")?;
    let widest =
        |of: &dyn Fn(&Candidate<'_>) -> usize| shown.iter().map(of).max().unwrap_or(0).min(WIDEST);
    let names = widest(&|candidate| of.name_of(candidate).chars().count());
    let places = widest(&|candidate| place(candidate).chars().count());
    for candidate in &shown {
        let mark = if candidate.verdict == Verdict::Takes { '>' } else { ' ' };
        let (name, place) = (of.name_of(candidate), place(candidate));
        let verdict = candidate.verdict;
        writeln!(f, "{mark} {name:names$}  {place:places$}  {verdict}")?;
    }
    match total - shown.len() {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more, for another host or path"),
    }
}

/// What a candidate is for.
fn place(candidate: &Candidate<'_>) -> String {
    match (&*candidate.host, candidate.path) {
        ("*", "*") => "anything".into(),
        ("*", path) => path.into(),
        (host, "*") => host.into(),
        (host, path) => format!("{host}{path}"),
    }
}

fn stages(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "\nstages")?;
    for (index, stage) in Stage::ALL.iter().enumerate() {
        let does = match (of.plan.steps.get(index), stage) {
            (Some(step), _) => &step.does,
            // Whatever happened before, there is an answer.
            (None, Stage::Answer) => "goes to the client",
            (None, _) => "-",
        };
        writeln!(f, "  {:2} {:11}{does}", stage.number(), stage.name())?;
    }
    Ok(())
}

fn split(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let Outcome::Forwarded { split: Some(split), .. } = &of.plan.outcome else { return Ok(()) };
    writeln!(f, "\nsplit: {}", split.why)?;
    let possible = split.possible();
    let names = split.ways.iter().map(|way| way.upstream.len()).max().unwrap_or(0).min(WIDEST);
    for (number, way) in split.ways.iter().enumerate() {
        let mark = match (possible.contains(&number), split.takes) {
            (true, Some(_)) => '>',
            (true, None) => '?',
            (false, _) => ' ',
        };
        let (name, part) = (&way.upstream, way.part * 100.0);
        let forced = way.conditions.as_ref().map(|when| format!("  or by {when}"));
        let forced = forced.unwrap_or_default();
        writeln!(f, "{mark} {name:names$}  weight {}, {part:.1} %{forced}", way.weight)?;
    }
    Ok(())
}

fn mirror(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let Outcome::Forwarded { mirror: Some(mirror), .. } = &of.plan.outcome else { return Ok(()) };
    let (share, body) = (mirror.share, config::ByteSize(mirror.max_body as u64));
    writeln!(f, "\nmirror {}", mirror.way.upstream.name)?;
    let most = mirror.max_in_flight;
    writeln!(f, "  a copy of {share} of the requests, with bodies up to {body}, {most} at a time")
}

fn upstream(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(upstream) = of.upstream() else { return Ok(()) };
    writeln!(f, "\nupstream {}", upstream.name)?;
    for url in upstream.sources() {
        writeln!(f, "  those that {url} tells, which is not asked here")?;
    }
    let members = upstream.members();
    let choice = of.choice();
    let balance = upstream.balance();
    writeln!(f, "  {balance}: {}", choice.map_or("", |choice| &choice.why))?;
    if members.panics {
        writeln!(f, "  too few are up: all are used")?;
    }
    let urls = members.list.iter().map(|member| &*member.endpoint.origin.name);
    let width = urls.clone().map(str::len).max().unwrap_or(0).min(WIDEST);
    for (index, (url, member)) in urls.zip(&members.list).enumerate() {
        let chosen = choice.is_some_and(|choice| choice.index == Some(index));
        let mark = if chosen { '>' } else { ' ' };
        let Member { weight, standing, place, .. } = member;
        write!(f, "{mark} {url:width$}  weight {weight}  {standing}")?;
        if place.priority > 0 {
            write!(f, "  priority {}", place.priority)?;
        }
        if place.near {
            f.write_str("  near")?;
        }
        writeln!(f, "  {:.0} %", members.share(member) * 100.0)?;
    }
    Ok(())
}

fn sent(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(sent) = &of.plan.sent else { return Ok(()) };
    let who = if of.upstream().is_some() { "origin" } else { "echo" };
    writeln!(f, "\nthe {who} sees\n  {} {} HTTP/1.1", sent.method(), sent.uri())?;
    fields(sent.headers(), f)?;
    match sent.body() {
        Some(body) => content(body, f),
        None => Ok(()),
    }
}

fn outcome(of: &Explanation, f: &mut Formatter<'_>) -> fmt::Result {
    match &of.plan.outcome {
        Outcome::Refused { stage, reject, answer: refusal } => {
            writeln!(f, "\nrefused at {}: {}", stage.name(), reject.reason())?;
            writeln!(f, "  {}", reject.detail())?;
            writeln!(f, "\nJanua answers\n  HTTP/1.1 {}", refusal.status())?;
            fields(refusal.headers(), f)
        }
        Outcome::Answered(made) => answer(made, f),
        Outcome::Door(door) => {
            writeln!(f, "\nJanua answers, at a door of its own: {}", door.does())
        }
        Outcome::Forwarded { changes, .. } => {
            writeln!(f, "\nthe origin's answer, with these header fields changed")?;
            for (name, change) in changes {
                match change {
                    FieldChange::Remove => writeln!(f, "  remove {name}")?,
                    FieldChange::Set(value) => writeln!(f, "  set    {name}: {}", shown(value))?,
                    FieldChange::Add(value) => writeln!(f, "  add    {name}: {}", shown(value))?,
                }
            }
            Ok(())
        }
    }
}

fn answer(answer: &Answer, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "\nJanua answers\n  HTTP/1.1 {}", answer.status())?;
    fields(answer.headers(), f)?;
    content(answer.body(), f)
}

/// A body: its first lines, or its first bytes if it is no text.
fn content(body: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    let body = shown_body(body);
    let mut lines = body.lines();
    if !body.is_empty() {
        f.write_char('\n')?;
    }
    for line in lines.by_ref().take(BODY_LINES) {
        writeln!(f, "  {line}")?;
    }
    match lines.count() {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more lines"),
    }
}

/// A body as text; bytes that are none as hexadecimal numbers.
pub(super) fn shown_body(body: &[u8]) -> Cow<'_, str> {
    let is_text = |sign: char| !sign.is_control() || sign.is_whitespace();
    match std::str::from_utf8(body) {
        Ok(text) if text.chars().all(is_text) => text.into(),
        _ => {
            let first = &body[..body.len().min(BODY_BYTES)];
            let more = if first.len() < body.len() { " .." } else { "" };
            format!("{} bytes: {}{more}", body.len(), hex(first)).into()
        }
    }
}

fn fields(headers: &HeaderMap, f: &mut Formatter<'_>) -> fmt::Result {
    for (name, value) in headers {
        writeln!(f, "  {name}: {}", shown(value))?;
    }
    Ok(())
}

/// A value as it would be; of what is different each time, it says so.
fn shown(value: &HeaderValue) -> String {
    if *value == SAMPLE_ID { "(a new one for each request)".into() } else { text(value) }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
