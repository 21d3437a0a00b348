//! [`Policy`]: whether somebody may make a request, by policies in the language Cedar.
//!
//! In: a principal and a [`Deed`]. Out: nothing, or the reason of a refusal. The text is parsed once, and
//! checked against a schema made for the route, so that a name that means nothing is found at load. What
//! no policy permits is refused; so is what a policy fails at, also where it would have forbidden.

mod describe;
mod schema;

use std::{
    net::IpAddr,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use cedar_policy::{
    Authorizer, Decision, Entities, Entity, EntityUid, PolicySet, Request, Response, Schema,
    ValidationMode, Validator,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub(super) use self::describe::Portrait;
use self::schema::Reads;
use super::principal::Principal;
use crate::{
    config::{self, Enforce, Path, Problem, Problems},
    reject::Reject,
};

/// What somebody would do.
#[derive(Clone, Copy)]
pub struct Deed<'a> {
    /// By which method.
    pub method: &'a Method,
    /// With which header fields.
    pub headers: &'a HeaderMap,
    /// At which host.
    pub host: Option<&'a HeaderValue>,
    /// With which path parameters, in normal form.
    pub param: &'a dyn Fn(&str) -> Option<&'a str>,
    /// From which address.
    pub client: Option<IpAddr>,
    /// When, in milliseconds since 1970: few ask.
    pub wall: &'a dyn Fn() -> u64,
}

/// Policies, and what a route's requests are to them.
pub(super) struct Policy {
    set: PolicySet,
    authorizer: Authorizer,
    /// Methods, and the groups that they belong to.
    actions: Entities,
    methods: Box<[(Method, EntityUid)]>,
    route: EntityUid,
    params: Box<[Box<str>]>,
    headers: Box<[HeaderName]>,
    reads: Reads,
    /// Whether a refusal is only told.
    pub(super) report: bool,
    /// Whether it was logged that a policy fails.
    complained: AtomicBool,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Policy {
    /// Compiles the key at `at` of the route with this name and these path parameters.
    pub(super) fn compile(
        policy: &config::Policy,
        route: &str,
        params: &[Box<str>],
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let table = policy.table();
        let at_file = match policy {
            config::Policy::File(_) => at.clone(),
            config::Policy::Table(_) => at.key("file"),
        };
        let header = |(index, name): (usize, &String)| {
            let wrong = |_| format!("`{name}` is not a header field's name");
            let name: Result<HeaderName, _> = name.parse().map_err(wrong);
            name.map_err(|message| Problem::error(at.key("headers").index(index), message))
        };
        let headers: Vec<_> = table.headers.iter().enumerate().map(header).collect();
        let headers: Option<Vec<_>> = headers.into_iter().map(|it| problems.keep(it)).collect();
        let headers = headers?;
        let text = config::read_text_file(&table.file)
            .map_err(|message| Problem::error(at_file.clone(), message));
        let text = problems.keep(text)?;
        let file = schema::File { name: table.file.display().to_string(), text: &text };
        let set = match PolicySet::from_str(&text) {
            Ok(set) => set,
            Err(wrong) => {
                wrong.iter().for_each(|one| problems.push(file.error(one, &at_file)));
                return None;
            }
        };
        // A template that nobody fills in takes part in nothing, so it would forbid nothing either.
        if let Some(template) = set.templates().next() {
            let message = format!("`{}`: {} is a template", file.name, template.id());
            let problem = Problem::error(at_file, message);
            problems.push(problem.help("write out what `?principal` and `?resource` stand for"));
            return None;
        }
        if set.is_empty() {
            let message = format!("`{}` holds no policy, so nobody could come in", file.name);
            problems.push(Problem::error(at_file, message).help(schema::EXAMPLE));
            return None;
        }
        let schema = schema::of_route(params, &headers).map_err(|error| {
            Problem::error(at.clone(), format!("no schema for its policies: {error}"))
        });
        let schema = problems.keep(schema)?;
        check(&set, &schema, &file, &at_file, problems).then_some(())?;
        let made = Self::new(set, &schema, route, params, headers, schema::reads(&text));
        let made = made.map_err(|error| Problem::error(at.clone(), error));
        Some(Self { report: table.enforce == Enforce::Report, ..problems.keep(made)? })
    }

    fn new(
        set: PolicySet,
        schema: &Schema,
        route: &str,
        params: &[Box<str>],
        headers: Vec<HeaderName>,
        reads: Reads,
    ) -> Result<Self, String> {
        let method = |(name, method): &(&str, Method)| {
            Ok::<_, String>((method.clone(), describe::uid("Action", name)?))
        };
        Ok(Self {
            set,
            authorizer: Authorizer::new(),
            actions: schema.action_entities().map_err(|error| error.to_string())?,
            methods: schema::METHODS.iter().map(method).collect::<Result<_, _>>()?,
            route: describe::uid("Route", route)?,
            params: params.into(),
            headers: headers.into(),
            reads,
            report: false,
            complained: AtomicBool::new(false),
        })
    }

    /// Whether somebody may do this.
    pub(super) fn judge(&self, who: &Principal, deed: &Deed<'_>) -> Result<(), Reject> {
        let response = match self.ask(who, deed) {
            Ok(Some(response)) => response,
            Ok(None) => return Err(Reject::AuthzPolicy),
            Err(error) => return Err(self.fails(&error)),
        };
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(self.fails(&error.to_string()));
        }
        match response.decision() {
            Decision::Allow => Ok(()),
            Decision::Deny => Err(Reject::AuthzPolicy),
        }
    }

    /// What the policies say, in words: for a dry run.
    pub(super) fn explain(&self, who: &Principal, deed: &Deed<'_>) -> String {
        let response = match self.ask(who, deed) {
            Ok(Some(response)) => response,
            Ok(None) => return format!("no policy knows the method {}", deed.method),
            Err(error) => return format!("the policies fail: {error}"),
        };
        let mut ids: Vec<_> =
            response.diagnostics().reason().map(|id| describe::name(&self.set, id)).collect();
        ids.sort_unstable();
        let ids = ids.join(", ");
        let mut text = match (response.decision(), ids.is_empty()) {
            (Decision::Allow, _) => format!("permitted by policy {ids}"),
            (Decision::Deny, true) => "no policy permits it".into(),
            (Decision::Deny, false) => format!("forbidden by policy {ids}"),
        };
        for error in response.diagnostics().errors() {
            text += &format!("; fails: {error}");
        }
        text
    }

    /// What the policies say; nothing for a method that they do not know.
    fn ask(&self, who: &Principal, deed: &Deed<'_>) -> Result<Option<Response>, String> {
        // HEAD asks for what GET would give.
        let method = if *deed.method == Method::HEAD { &Method::GET } else { deed.method };
        let Some((_, action)) = self.methods.iter().find(|(known, _)| known == method) else {
            return Ok(None);
        };
        let user = who.portrait.of(who)?;
        let params = self.params.iter().filter_map(|name| Some((&**name, (deed.param)(name)?)));
        let route = describe::route(self.route.clone(), params)?;
        let context = describe::context(deed, &self.headers, self.reads)?;
        let uid = user.uid();
        let entities = self.entities([user.clone(), route])?;
        let request = Request::new(uid, action.clone(), self.route.clone(), context, None);
        let request = request.map_err(|error| error.to_string())?;
        Ok(Some(self.authorizer.is_authorized(&request, &self.set, &entities)))
    }

    fn entities(&self, more: [Entity; 2]) -> Result<Entities, String> {
        let entities = self.actions.clone().add_entities(more, None);
        entities.map_err(|error| error.to_string())
    }

    /// A policy fails. That is logged once for a load: clients could fill the log with it.
    fn fails(&self, error: &str) -> Reject {
        if !self.complained.swap(true, Relaxed) {
            tracing::warn!(route = %self.route, error, "a policy fails; what it fails at is refused");
        }
        Reject::AuthzPolicyError
    }
}

/// Whether policies mean something; what does not is said.
fn check(
    set: &PolicySet,
    schema: &Schema,
    file: &schema::File<'_>,
    at: &Path,
    problems: &mut Problems,
) -> bool {
    let result = Validator::new(schema.clone()).validate(set, ValidationMode::Strict);
    for wrong in result.validation_errors() {
        problems.push(file.error(wrong, at));
    }
    for odd in result.validation_warnings() {
        problems.push(file.finding(odd, at));
    }
    result.validation_passed()
}
