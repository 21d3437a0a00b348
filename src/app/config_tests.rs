//! `[[test]]`: the configuration's own requests, and whether what must come of them would.
//!
//! In: a compiled configuration. Out: a problem for each expectation that is not met and for each word
//! that means nothing. Every start, every reload and `janua check` run them; none needs an origin.

use std::{fmt, sync::Arc};

use http::HeaderMap;

use super::question::{Question, Word, Words};
use crate::{
    chain::{Outcome, Plan},
    config::{self, Condition, Path, Problem, Problems, Test},
    message::Conditions,
    reject::Reject,
    snapshot::Snapshot,
};

/// Runs all tests of a configuration.
pub fn run(world: &Arc<Snapshot>) -> Problems {
    let at = Path::root().key("test");
    let mut problems = Problems::new();
    for (index, test) in world.config.test.iter().enumerate() {
        run_one(test, world, &at.index(index), &mut problems);
    }
    problems
}

fn run_one(test: &Test, world: &Arc<Snapshot>, at: &Path, problems: &mut Problems) {
    let words = words(test);
    let question = match Question::read(&words, world) {
        Ok(question) => question,
        Err(wrong) => {
            let problem = Problem::error(at.key(key(wrong.word)), wrong.message);
            problems.push(problem.help_if(wrong.help));
            return;
        }
    };
    let plan = question.plan(world);
    let mut check = Check {
        name: test.name.as_deref().unwrap_or(&test.request),
        help: format!("`{}` shows why", words.command()),
        at: at.key("expect"),
        world,
        plan: &plan,
        problems,
    };
    check.all(&test.expect);
}

fn words(test: &Test) -> Words<'_> {
    let (method, url) = test.request.split_once(' ').unwrap_or((&test.request, ""));
    let headers = test.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Words {
        method,
        url: url.trim(),
        headers: headers.collect(),
        from: test.from.as_deref(),
        listener: test.listener.as_deref(),
        who: test.who.as_ref(),
        body: test.body.as_deref().map(str::as_bytes),
    }
}

const fn key(word: Word) -> &'static str {
    match word {
        Word::Request => "request",
        Word::Headers => "headers",
        Word::From => "from",
        Word::Listener => "listener",
        Word::Body => "body",
    }
}

/// A test's expectations, held against what would come of its request.
struct Check<'a> {
    name: &'a str,
    help: String,
    at: Path,
    world: &'a Snapshot,
    plan: &'a Plan,
    problems: &'a mut Problems,
}

impl Check<'_> {
    fn all(&mut self, expect: &config::Expect) {
        if *expect == config::Expect::default() {
            let problem = Problem::finding(self.at.clone(), "this test expects nothing");
            self.problems.push(problem.help("expect = { route = \"..\" }, or another key of it"));
        }
        self.route(expect.route.as_deref());
        self.status(expect.status);
        self.reason(expect.reason.as_deref());
        self.upstream(&expect.upstream);
        self.path(expect.path.as_deref());
        self.headers(expect);
    }

    fn route(&mut self, expected: Option<&str>) {
        let Some(expected) = expected else { return };
        let names = self.world.routes.targets().iter().map(|route| &*route.name);
        if !self.known("route", expected, names) {
            return;
        }
        match self.plan.route(self.world) {
            Some(route) if *route.name == *expected => {}
            Some(route) => self.fail("route", format!("`{expected}`"), format!("`{}`", route.name)),
            None => self.fail("route", format!("`{expected}`"), self.came()),
        }
    }

    fn status(&mut self, expected: Option<u16>) {
        let Some(expected) = expected else { return };
        let status = match &self.plan.outcome {
            Outcome::Refused { answer, .. } | Outcome::Answered(answer) => Some(answer.status()),
            Outcome::Door(_) | Outcome::Forwarded { .. } => None,
        };
        if status.is_none_or(|status| status != expected) {
            self.fail("status", expected, self.came());
        }
    }

    fn reason(&mut self, expected: Option<&str>) {
        let Some(expected) = expected else { return };
        let reasons = Reject::ALL.iter().map(|reject| reject.reason());
        if !self.known("reason", expected, reasons) {
            return;
        }
        match &self.plan.outcome {
            Outcome::Refused { reject, .. } if reject.reason() == expected => {}
            _ => self.fail("reason", format!("`{expected}`"), self.came()),
        }
    }

    /// Wherever it may go has to be among those that are expected.
    fn upstream(&mut self, expected: &[String]) {
        let names = self.world.upstreams.iter().map(|upstream| &*upstream.name);
        let mut known = !expected.is_empty();
        for name in expected {
            known &= self.known("upstream", name, names.clone());
        }
        if !known {
            return;
        }
        let places = self.places();
        let is_expected = |place: &&str| expected.iter().any(|name| name == place);
        if places.is_empty() || !places.iter().all(is_expected) {
            let names = format!("`{}`", expected.join("` or `"));
            self.fail("upstream", names, self.came());
        }
    }

    /// The upstreams that the request may go to.
    fn places(&self) -> Vec<&str> {
        match &self.plan.outcome {
            Outcome::Forwarded { split: Some(split), .. } => {
                let ways = split.possible().into_iter();
                ways.map(|way| &*split.ways[way].upstream).collect()
            }
            Outcome::Forwarded { upstream, split: None, .. } => vec![&upstream.name],
            Outcome::Refused { .. } | Outcome::Answered(_) | Outcome::Door(_) => Vec::new(),
        }
    }

    fn path(&mut self, expected: Option<&str>) {
        let Some(expected) = expected else { return };
        match &self.plan.sent {
            Some(sent) if sent.uri() == expected => {}
            Some(sent) => self.fail("path", format!("`{expected}`"), format!("`{}`", sent.uri())),
            None => self.fail("path", format!("`{expected}`"), self.came()),
        }
    }

    fn headers(&mut self, expect: &config::Expect) {
        let seen = match (&self.plan.outcome, &self.plan.sent) {
            (Outcome::Refused { answer, .. } | Outcome::Answered(answer), _) => answer.headers(),
            (Outcome::Forwarded { .. }, Some(sent)) => sent.headers(),
            (Outcome::Door(_), _) if !expect.headers.is_empty() => {
                return self.fail("headers", "known beforehand", self.came());
            }
            (Outcome::Door(_) | Outcome::Forwarded { .. }, _) => return,
        };
        for (name, condition) in &expect.headers {
            let at = self.at.key("headers").key(name.clone());
            let only = [(name.clone(), condition.clone())].into();
            match Conditions::on_fields(&only) {
                Err(message) => self.problems.push(Problem::error(at, message)),
                Ok(wanted) if wanted.failing(seen).is_some() => {
                    let (wanted, got) = (shown(condition), values(seen, name));
                    let message =
                        format!("{}: `{name}` must be {wanted}, and it is {got}", self.name);
                    self.problems.push(Problem::error(at, message).help(self.help.clone()));
                }
                Ok(_) => {}
            }
        }
    }

    /// Whether a name is one of those that there are; says so if it is not.
    fn known<'n>(
        &mut self,
        key: &'static str,
        name: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> bool {
        if names.clone().any(|known| known == name) {
            return true;
        }
        let problem = Problem::error(self.at.key(key), format!("there is no {key} `{name}`"));
        self.problems.push(match config::nearest(name, names) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        });
        false
    }

    fn fail(&mut self, key: &'static str, expected: impl fmt::Display, got: impl fmt::Display) {
        let message = format!("{}: the {key} must be {expected}, and it is {got}", self.name);
        self.problems.push(Problem::error(self.at.key(key), message).help(self.help.clone()));
    }

    /// What came of the request, where something else was expected.
    fn came(&self) -> String {
        match &self.plan.outcome {
            Outcome::Refused { reject, .. } => {
                format!("refused with {} {}", reject.code(), reject.reason())
            }
            Outcome::Answered(answer) => {
                format!("answered by Janua with {}", answer.status().as_u16())
            }
            Outcome::Door(door) => format!("answered at Janua's door `{}`", door.name()),
            Outcome::Forwarded { .. } => format!("sent to `{}`", self.places().join("` or `")),
        }
    }
}

/// A condition as a sentence has it.
fn shown(condition: &Condition) -> String {
    match condition {
        Condition::Present(true) => "there".into(),
        Condition::Present(false) => "missing".into(),
        Condition::Equals(value) => format!("`{value}`"),
        Condition::OneOf(values) => format!("one of `{}`", values.join("`, `")),
        Condition::Regex(condition) => format!("like `{}`", condition.regex),
    }
}

/// A field's values as a sentence has them.
fn values(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values: Vec<_> =
        values.map(|value| format!("`{}`", String::from_utf8_lossy(value.as_bytes()))).collect();
    if values.is_empty() { "missing".into() } else { values.join(", ") }
}
