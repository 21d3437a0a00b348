//! `janua explain`: what becomes of a request, and why.
//!
//! In: a configuration and the words of a request. Out: an [`Explanation`], as text for people or JSON for
//! programs. It is made by the chain's own stages, on a snapshot that nobody serves: offline, without
//! a socket, and nothing on the disk changes.

mod json;
mod masked;
mod text;

use std::{fmt, sync::Arc};

use super::{
    Source,
    gateway::compile_untested,
    question::{Question, Words},
};
use crate::{
    chain::{Outcome, Plan},
    config::{self, Report},
    route::{Candidate, Failure, Verdict},
    snapshot::{Purpose, Snapshot},
    upstream::{Choice, Upstream},
};

/// What somebody asks about.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// The method.
    pub method: String,
    /// `http://..`, `https://..` or only a path.
    pub url: String,
    /// Header fields, each `name: value`.
    pub headers: Vec<String>,
    /// The client's address; without it, one that nobody knows.
    pub from: Option<String>,
    /// The listener's name; without it, the one that fits the URL.
    pub listener: Option<String>,
    /// Who makes it, in place of credentials.
    pub who: Option<config::Who>,
    /// The body, if stages are to look at it.
    pub body: Option<Vec<u8>>,
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum Unexplained {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(Report),
    /// The words are.
    #[error("{0}")]
    Words(String),
}

/// What becomes of a request, and why.
#[derive(Debug)]
pub struct Explanation {
    world: Arc<Snapshot>,
    question: Question,
    plan: Plan,
}

/// Explains what becomes of a request in a configuration.
///
/// # Errors
/// What is wrong with the configuration or the words.
pub fn explain(source: &Source, arguments: &Arguments) -> Result<Explanation, Unexplained> {
    let loaded = source.load().map_err(Unexplained::Config)?;
    let compiled = compile_untested(&loaded, Purpose::Look, None);
    let (world, _findings) = compiled.map_err(Unexplained::Config)?;
    explain_in(world, arguments)
}

/// Explains what becomes of a request in a world, also in one that is served: nothing of it changes.
///
/// # Errors
/// What is wrong with the words.
pub fn explain_in(world: Arc<Snapshot>, arguments: &Arguments) -> Result<Explanation, Unexplained> {
    let field = |line: &'_ String| match line.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Unexplained::Words(format!("`{line}` is not `name: value`"))),
    };
    let fields = arguments.headers.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let words = Words {
        method: &arguments.method,
        url: &arguments.url,
        headers: fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        from: arguments.from.as_deref(),
        listener: arguments.listener.as_deref(),
        who: arguments.who.as_ref(),
        body: arguments.body.as_deref(),
    };
    let question = Question::read(&words, &world);
    let question = question.map_err(|wrong| Unexplained::Words(wrong.to_string()))?;
    let plan = question.plan(&world);
    Ok(Explanation { world, question, plan })
}

/// Explains what would become of a request in the world that is served, asked by the names that the command line
/// has: `method`, `url`, `header`, `data`, `from`, `listener`, `as`, `roles` and `scopes`.
///
/// # Errors
/// What is wrong with the words.
pub(super) fn explain_live(
    world: Arc<Snapshot>,
    asked: &dyn Fn(&str) -> Vec<String>,
    text: bool,
) -> Result<String, String> {
    let one = |name: &str| asked(name).pop();
    let url = one("url").ok_or("say what to explain: `?method=GET&url=URL`")?;
    let list = |name: &str| {
        asked(name).iter().flat_map(|list| list.split(',')).map(String::from).collect()
    };
    let (user, roles, scopes) = (one("as"), list("roles"), list("scopes"));
    let arguments = Arguments {
        method: one("method").unwrap_or_else(|| "GET".into()),
        url,
        headers: asked("header"),
        from: one("from"),
        listener: one("listener"),
        who: known(user, roles, scopes),
        body: one("data").map(String::into_bytes),
    };
    let explanation = explain_in(world, &arguments).map_err(|why| why.to_string())?;
    Ok(explanation.masked().written(text))
}

/// Who makes a request, if that is said.
pub(super) fn known(
    user: Option<String>,
    roles: Vec<String>,
    scopes: Vec<String>,
) -> Option<config::Who> {
    let said = user.is_some() || !roles.is_empty() || !scopes.is_empty();
    let (roles, scopes) = (config::OneOrMany(roles), config::OneOrMany(scopes));
    let user = user.unwrap_or_default();
    said.then(|| config::Who { user, roles, scopes, ..config::Who::default() })
}

impl Explanation {
    /// What becomes of it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The name of the route that takes it.
    pub fn route(&self) -> Option<&str> {
        self.plan.route(&self.world).map(|route| &*route.name)
    }

    /// As one screen of text, or as JSON.
    pub(super) fn written(&self, text: bool) -> String {
        if text { self.to_string() } else { format!("{:#}\n", self.json()) }
    }

    /// The facts as JSON.
    pub fn json(&self) -> serde_json::Value {
        json::json(self)
    }

    /// The name of a candidate's route.
    fn name_of(&self, candidate: &Candidate<'_>) -> &str {
        &self.world.routes.targets()[candidate.rule].name
    }

    /// Which endpoint of it.
    fn choice(&self) -> Option<&Choice> {
        match &self.plan.outcome {
            Outcome::Forwarded { choice, .. } => Some(choice),
            Outcome::Refused { .. } | Outcome::Answered(_) | Outcome::Door(_) => None,
        }
    }

    /// The upstream that it goes to.
    fn upstream(&self) -> Option<&Upstream> {
        match &self.plan.outcome {
            Outcome::Forwarded { upstream, .. } => Some(upstream),
            Outcome::Refused { .. } | Outcome::Answered(_) | Outcome::Door(_) => None,
        }
    }
}

/// Whether a candidate is for this host and path, so that it is worth a look.
fn is_near(candidate: &Candidate<'_>) -> bool {
    !matches!(candidate.verdict, Verdict::Fails(Failure::Host | Failure::Path))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}
