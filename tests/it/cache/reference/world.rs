//! A gateway, an origin that says what the step in hand says, and all that was said.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::{
    Step,
    rules::{Asked, Known, forbidden, freshened},
};
use crate::{
    cache::{kept, landed},
    support::{Client, Janua, Message, Origin},
};

/// What the origin is to say, and what it did.
#[derive(Default)]
struct Script {
    step: Option<Step>,
    said: Vec<Said>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Said {
    /// An answer of this number, to this method: a HEAD that is answered out of what is stale has it fetched by GET.
    Answer(usize, &'static str),
    /// That this number holds.
    Holds(usize),
}

pub(super) struct World {
    janua: Janua,
    _origin: Origin,
    script: Arc<Mutex<Script>>,
    paths: AtomicUsize,
    given: AtomicUsize,
}

impl World {
    pub(super) async fn new(rules: &str) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let known = script.clone();
        let origin = Origin::script(move |mut peer| {
            let script = known.clone();
            async move {
                while let Some(request) = peer.request().await {
                    let (bytes, torn) = answer(&mut script.lock(), &request);
                    peer.send(bytes).await;
                    if torn {
                        return;
                    }
                }
            }
        })
        .await;
        let janua = kept(&origin.url, rules).start().await;
        Self {
            janua,
            _origin: origin,
            script,
            paths: AtomicUsize::new(0),
            given: AtomicUsize::new(0),
        }
    }

    /// How often an answer was given that was kept.
    pub(super) fn given(&self) -> usize {
        self.given.load(Relaxed)
    }

    /// Plays a sequence on a URL of its own; what was given and is forbidden.
    pub(super) async fn play(&self, steps: &[Step]) -> Result<(), String> {
        let path = format!("/{}", self.paths.fetch_add(1, Relaxed));
        let mut history: Vec<Known> = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            {
                let mut script = self.script.lock();
                script.step = Some(step.clone());
                script.said.clear();
            }
            let given = ask(self.janua.client().await, step, &path).await;
            landed(&self.janua).await;
            let said = self.script.lock().said.clone();
            self.judge(&history, step, &given, &said)
                .map_err(|why| format!("step {}: {why}\n{given:?}\n{:?}", place + 1, history))?;
            note(&mut history, step, &said);
        }
        Ok(())
    }

    fn judge(
        &self,
        history: &[Known],
        step: &Step,
        given: &Message,
        said: &[Said],
    ) -> Result<(), String> {
        let Some(number) = given.field("x-number").and_then(|number| number.parse::<usize>().ok())
        else {
            return Ok(());
        };
        let Some(known) = history.iter().find(|known| known.number == number) else {
            return Ok(());
        };
        self.given.fetch_add(1, Relaxed);
        let mut asked = Asked::default();
        for said in said {
            match *said {
                Said::Holds(number) => asked.holds = Some(number),
                Said::Answer(..) => asked.failed |= matches!(step.answer.status, 500 | 503),
            }
        }
        if asked.holds == Some(number) {
            // What it says to this request decides for others; for this one it holds.
            return Ok(());
        }
        if given.status() == 200 && step.method == "GET" && given.text() != body(number) {
            return Err(format!("a body that nobody sent: {}", given.text()));
        }
        match forbidden(known, step, asked) {
            Some(why) => Err(format!("number {number} is given, which is forbidden: {why}")),
            None => Ok(()),
        }
    }
}

fn note(history: &mut Vec<Known>, step: &Step, said: &[Said]) {
    for said in said {
        match *said {
            Said::Answer(number, method) => history.push(Known {
                number,
                request: Step { method, ..step.clone() },
                authorized: step.authorization.is_some(),
                answer: step.answer.clone(),
                void: false,
            }),
            Said::Holds(number) => {
                for known in history.iter_mut().filter(|known| known.number == number) {
                    freshened(known, step);
                }
            }
        }
    }
    if step.method == "POST" && step.answer.status == 200 {
        history.iter_mut().for_each(|known| known.void = true);
    }
}

fn body(number: usize) -> String {
    format!("{number:05};").repeat(50)
}

/// What the origin says, and whether it breaks off.
fn answer(script: &mut Script, request: &Message) -> (Vec<u8>, bool) {
    let step = script.step.clone().unwrap();
    let said = &step.answer;
    let number = script.next;
    script.next += 1;
    let mut head = String::new();
    if !said.says.is_empty() {
        let _ = write!(head, "Cache-Control: {}\r\n", said.says.join(", "));
    }
    if said.age > 0 {
        let _ = write!(head, "Age: {}\r\n", said.age);
    }
    if let Some(vary) = said.vary {
        let _ = write!(head, "Vary: {vary}\r\n");
    }
    if said.cookie {
        head.push_str("Set-Cookie: a=1\r\n");
    }
    let tag = request.field("if-none-match").and_then(|tag| tag.trim_matches('"').parse().ok());
    if let Some(known) = tag.filter(|_| said.holds) {
        script.said.push(Said::Holds(known));
        return (format!("HTTP/1.1 304 X\r\n{head}\r\n").into_bytes(), false);
    }
    let none = request.line.starts_with("HEAD");
    let fetched = step.method == "HEAD" && !none;
    script.said.push(Said::Answer(number, if fetched { "GET" } else { step.method }));
    if said.tagged {
        let _ = write!(head, "ETag: \"{number}\"\r\n");
    }
    let body = body(number);
    let status = said.status;
    // What a HEAD says is never of what is kept: then it is not to be known what holds.
    let length = body.len() + usize::from(none);
    let torn = said.torn && !none;
    let sent = if none { "" } else { &body[..if torn { length / 2 } else { length }] };
    let text = format!(
        "HTTP/1.1 {status} X\r\nX-Number: {number}\r\n{head}Content-Length: {length}\r\n\r\n{sent}"
    );
    (text.into_bytes(), torn)
}

async fn ask(mut client: Client, step: &Step, path: &str) -> Message {
    let mut fields = format!("Accept-Language: {}\r\n", step.language);
    if let Some(authorization) = step.authorization {
        let _ = write!(fields, "Authorization: {authorization}\r\n");
    }
    if !step.says.is_empty() {
        let _ = write!(fields, "Cache-Control: {}\r\n", step.says);
    }
    client.request(&format!("{} {path}", step.method), &fields).await
}
