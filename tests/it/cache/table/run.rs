//! Rows of the table, run end to end: one gateway, one origin that says what the step in hand says.

use std::{collections::VecDeque, fmt::Write as _, sync::Arc};

use parking_lot::Mutex;

use super::{
    super::landed,
    row::{Expected, Plan, Row, Step, rows},
};
use crate::support::{Client, Janua, Message, Origin, Setup, until};

/// Seconds that a test may take on a busy machine.
const BUSY: u64 = 9;

/// What the origin is to say.
type Script = Arc<Mutex<VecDeque<Plan>>>;

/// Runs all rows of the text of this name; what fails is said of all of them.
pub(super) async fn run(name: &str) {
    let rows = rows(name);
    let script = Script::default();
    let origin = origin(script.clone()).await;
    let mut rules: Vec<&str> = rows.iter().map(|row| &*row.rules).collect();
    rules.sort_unstable();
    rules.dedup();
    let janua = gateway(&origin.url, &rules).await;
    let mut wrong = String::new();
    for (number, row) in rows.iter().enumerate() {
        let place = rules.iter().position(|known| *known == row.rules).unwrap();
        let path = format!("/c{place}/{number}");
        script.lock().clear();
        let mut table =
            Table { janua: &janua, origin: &origin, script: &script, bodies: Vec::new() };
        if let Err(why) = table.run(row, &path).await {
            let _ = writeln!(wrong, "{}: {}\n{why}", row.section, row.rule);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

async fn gateway(url: &str, rules: &[&str]) -> Janua {
    let mut text = format!("[upstream.u]\nendpoints = \"{url}\"\n");
    for (place, rules) in rules.iter().enumerate() {
        let tells = if rules.contains("cache-status") { "" } else { "cache-status = true" };
        let comma = if rules.is_empty() || tells.is_empty() { "" } else { ", " };
        let _ = write!(
            text,
            "[[route]]\npath = \"/c{place}/{{rest*}}\"\nto = \"u\"\ncache = {{ {rules}{comma}{tells} }}\n"
        );
    }
    Setup::new(text).start().await
}

async fn origin(script: Script) -> Origin {
    Origin::script(move |mut peer| {
        let script = script.clone();
        async move {
            while let Some(request) = peer.request().await {
                let next = script.lock().pop_front();
                let plan = next.unwrap_or_else(|| Plan {
                    status: 500,
                    fields: vec![("x-unplanned".into(), "1".into())],
                });
                if plan.status == 0 {
                    peer.send("nonsense\r\n\r\n").await;
                    return;
                }
                peer.send(answer(&plan, is_head(&request))).await;
            }
        }
    })
    .await
}

fn is_head(request: &Message) -> bool {
    request.line.starts_with("HEAD ")
}

fn answer(plan: &Plan, to_head: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} X\r\n", plan.status);
    let body = body_of(plan).unwrap_or_default();
    for (name, value) in &plan.fields {
        if name != "body" {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    let none = to_head || matches!(plan.status, 204 | 304);
    if !none {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    if !none {
        head.push_str(body);
    }
    head.into_bytes()
}

fn body_of(plan: &Plan) -> Option<&str> {
    plan.fields.iter().find(|(name, _)| name == "body").map(|(_, body)| body.as_str())
}

struct Table<'a> {
    janua: &'a Janua,
    origin: &'a Origin,
    script: &'a Script,
    /// What the origin said so far: status and body.
    bodies: Vec<(u16, String)>,
}

impl Table<'_> {
    async fn run(&mut self, row: &Row, path: &str) -> Result<(), String> {
        let mut client = self.janua.client().await;
        for (number, step) in row.steps.iter().enumerate() {
            let before = self.origin.requests().len();
            let mut planned = step.answers.clone();
            for plan in &mut planned {
                for (_, value) in &mut plan.fields {
                    *value = value.replace("{path}", path);
                }
                if body_of(plan).is_none() {
                    plan.fields.push(("body".into(), format!("{path} #{number}")));
                }
                self.script.lock().push_back(plan.clone());
            }
            let given = ask(&mut client, step, path).await;
            if matches!(step.expected, Expected::Behind(_)) {
                until("a request behind", || self.origin.requests().len() > before).await;
            }
            landed(self.janua).await;
            let sent = self.origin.requests().split_off(before);
            let judged = self.judge(step, &planned, &given, &sent);
            judged.map_err(|why| {
                format!(
                    "  step {}: {}\n  {why}\n  given: {given:?}\n  sent: {sent:?}",
                    number + 1,
                    step.text
                )
            })?;
            if let Some(plan) = planned.pop().filter(|plan| !matches!(plan.status, 0 | 304))
                && !sent.last().is_some_and(is_head)
            {
                let body = if plan.status == 204 { "" } else { body_of(&plan).unwrap_or_default() };
                self.bodies.push((plan.status, body.to_owned()));
            }
        }
        Ok(())
    }

    fn judge(
        &self,
        step: &Step,
        planned: &[Plan],
        given: &Message,
        sent: &[Message],
    ) -> Result<(), String> {
        let asked = planned.len();
        if sent.len() != asked {
            return Err(format!("the origin was asked {} times, not {asked}", sent.len()));
        }
        let kept = |number: Option<usize>| {
            let number = number.unwrap_or(self.bodies.len());
            self.bodies.get(number - 1).cloned().unwrap_or_default()
        };
        let expected = match step.expected {
            Expected::Origin => planned.last().map(|plan| {
                let body = body_of(plan).filter(|_| !matches!(plan.status, 204 | 304));
                (plan.status, body.unwrap_or_default().to_owned())
            }),
            Expected::Hit(number)
            | Expected::Valid(number)
            | Expected::Behind(number)
            | Expected::Stale(number) => Some(kept(number)),
            Expected::Status(status) => {
                if given.status() != status {
                    return Err(format!("{} instead of {status}", given.status()));
                }
                None
            }
        };
        if let Some((status, body)) = expected {
            let body = if step.method == "HEAD" { "" } else { &body };
            if (given.status(), &*given.text()) != (status, body) {
                return Err(format!("not {status} with `{body}`"));
            }
        }
        if let (Expected::Valid(_), Some(sent)) = (step.expected, sent.first())
            && sent.field("if-none-match").or_else(|| sent.field("if-modified-since")).is_none()
        {
            return Err("the origin was not asked whether it still holds".into());
        }
        step.checks.iter().try_for_each(|(name, value)| check(given, name, value.as_deref()))?;
        let sent = sent.last().cloned().unwrap_or_default();
        step.sent.iter().try_for_each(|(name, value)| check(&sent, name, value.as_deref()))
    }
}

async fn ask(client: &mut Client, step: &Step, path: &str) -> Message {
    let Step { method, path: more, .. } = step;
    let is_host = |(name, _): &&(String, String)| name == "host";
    let host = step.fields.iter().find(is_host).map_or("a.example", |(_, host)| host);
    let mut head = format!("{method} {path}{more} HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in &step.fields {
        if name != "host" && name != "body" {
            let _ = write!(head, "{name}: {}\r\n", value.replace("{path}", path));
        }
    }
    let body = step.fields.iter().find(|(name, _)| name == "body").map_or("", |(_, body)| body);
    if !body.is_empty() {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    client.send(format!("{head}\r\n{body}")).await;
    match &**method {
        "HEAD" => client.answer_to_head().await,
        _ => client.answer().await,
    }
}

fn check(message: &Message, name: &str, value: Option<&str>) -> Result<(), String> {
    let is = if name == "body" { Some(message.text()) } else { message.field(name) };
    let fine = match (&is, value) {
        (None, None) => true,
        (Some(is), Some(value)) => match value.strip_prefix('~') {
            Some(part) => is.contains(part),
            None if name == "age" => {
                let (is, value): (u64, u64) = (is.parse().unwrap(), value.parse().unwrap());
                (value..=value + BUSY).contains(&is)
            }
            None => is == value,
        },
        _ => false,
    };
    if fine { Ok(()) } else { Err(format!("`{name}` is {is:?}, not {value:?}")) }
}
