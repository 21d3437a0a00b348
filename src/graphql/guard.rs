//! What clients may ask of a service.
//!
//! In: a section at load; then requests. Out: what each operation is and what it costs, or why it may not be
//! asked. Who asks is not known here: whoever calls decides by what [`Asked`] says.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::{
    Refused,
    cost::Meter,
    document::{Bounds, Document, Kind, MOST_DEPTH, Operation},
    memory::Memory,
    persisted::Persisted,
    request::{self, Call},
    schema::Types,
    variables,
};
use crate::{
    config::{self, Enforce, Path, Problem, Problems},
    message::{Part, Violation, Violations},
    reject::Reject,
};

/// Tokens that an operator may let documents have.
const MOST_TOKENS: u32 = 100_000;
/// As many names of operations are counted by themselves.
const MOST_NAMES: usize = 1_000;
/// What operations are counted as that are not counted by themselves.
pub const OTHER: &str = "other";
/// Texts from here on are read beside the workers.
pub(super) const LARGE: usize = 8 << 10;

/// What clients may ask of a service.
#[derive(Debug)]
pub struct Guard {
    /// The API's name.
    pub name: Arc<str>,
    /// Bytes of a request's body.
    pub max_body: u64,
    /// Whether WebSockets pass.
    pub websocket: bool,
    /// Whether what may not be asked is refused, or only told of.
    pub enforce: Enforce,
    bounds: config::Guard,
    depth: u8,
    types: Option<Arc<Types>>,
    memory: Memory,
    persisted: Option<Persisted>,
    /// Names of operations that are counted by themselves, with their numbers.
    names: HashMap<Arc<str>, usize>,
}

/// A request, as far as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its query.
    pub query: Option<&'a str>,
    /// Its body, if it has one.
    pub body: &'a [u8],
}

/// An operation that is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// What it does.
    pub kind: Kind,
    /// How deep its fields are nested.
    pub depth: u64,
    /// What it costs, if there is a schema.
    pub cost: Option<u64>,
    /// Whether it asks for the schema, and is not one of those that are known.
    pub introspects: bool,
}

/// What a request asks.
#[derive(Debug, Default)]
pub struct Checked {
    /// Its operations.
    pub asked: Vec<Asked>,
    /// What it would be refused for if that were not on trial.
    pub reported: Option<Reject>,
    /// What goes to the service in place of what came.
    pub instead: Option<Instead>,
}

/// What goes to the service in place of what came, with the text of each document in place of its name.
#[derive(Debug)]
pub enum Instead {
    /// A body.
    Body(Bytes),
    /// A query.
    Query(String),
}

/// What is wrong with one operation, and what is known of it nevertheless.
type Wrong = (Option<Asked>, Refused);

impl Guard {
    /// Compiles what a section says.
    pub fn compile(
        name: &str,
        section: &config::Api,
        types: Option<Arc<Types>>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let bounds = &section.guard;
        let place = at.key("guard");
        if bounds.max_depth > MOST_DEPTH {
            let what = format!("documents are never read deeper than {MOST_DEPTH}");
            problems.push(Problem::error(place.key("max-depth"), what));
        }
        if bounds.max_tokens > MOST_TOKENS {
            let what = format!("documents are never read with more than {MOST_TOKENS} tokens");
            problems.push(Problem::error(place.key("max-tokens"), what));
        }
        if types.is_none() && !bounds.weights.is_empty() {
            let what = "what is not known cannot be weighed";
            let problem = Problem::error(place.key("weights"), what);
            problems.push(problem.help("graphql = \"schema.graphql\""));
        }
        let persisted = match &section.persisted {
            Some(known) => Some(Persisted::compile(known, types.as_deref(), at, problems)?),
            None => None,
        };
        let own = section.operations.iter().filter(|(_, own)| !own.is_stored());
        let own = own.map(|(name, _)| Arc::from(name.as_str()));
        // In an order that is the same after each load.
        let known: BTreeSet<_> = persisted.iter().flat_map(Persisted::operations).collect();
        let mut names = HashMap::new();
        for name in own.chain(known.into_iter().cloned()).filter(|name| **name != *OTHER) {
            let next = names.len();
            if next == MOST_NAMES {
                break;
            }
            names.entry(name).or_insert(next);
        }
        Some(Self {
            name: name.into(),
            max_body: section.max_body.0,
            websocket: bounds.websocket,
            enforce: section.enforce,
            bounds: bounds.clone(),
            depth: section.max_depth,
            types,
            memory: Memory::new(bounds.remember.as_usize()),
            persisted,
            names,
        })
    }

    /// The names of operations that are counted by themselves, by number.
    pub fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(_, number)| **number);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// The number of a name, if it is counted by itself.
    pub fn number(&self, name: Option<&str>) -> Option<usize> {
        self.names.get(name?).copied()
    }

    /// Whether a request's body has to be read.
    ///
    /// # Errors
    /// It is of a type that is not taken.
    pub fn reads(&self, method: &Method, headers: &HeaderMap) -> Result<bool, Refused> {
        if *method != Method::POST {
            return Ok(false);
        }
        request::takes(headers).map(|()| true)
    }

    /// Whether it is work for others than the workers.
    pub fn is_large(&self, given: &Given<'_>) -> bool {
        given.body.len().max(given.query.map_or(0, str::len)) > LARGE
    }

    /// Whether a query says what is asked, to us or to others.
    pub fn is_asked_by(&self, query: Option<&str>) -> bool {
        query.is_some_and(|query| request::beside_body(query).is_some())
    }

    /// What a request asks.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, given: Given<'_>) -> Result<Checked, Refused> {
        let checked = match *given.method == Method::POST {
            true => self.posted(given),
            false => self.got(given),
        };
        match checked {
            Err(refused) if self.enforce == Enforce::Report => {
                Ok(Checked { reported: Some(refused.reject), ..Checked::default() })
            }
            checked => checked,
        }
    }

    fn got(&self, given: Given<'_>) -> Result<Checked, Refused> {
        if !given.body.is_empty() {
            return Err(Refused::by(Reject::GraphqlRequest));
        }
        let query = given.query.unwrap_or_default();
        let call = Call::of_query(query)?;
        let mut checked = Checked::default();
        let text = self.ask(&call, given.method, "", &mut checked)?;
        checked.instead = text.map(|text| Instead::Query(request::fill_query(query, &text)));
        Ok(checked)
    }

    fn posted(&self, given: Given<'_>) -> Result<Checked, Refused> {
        // Some servers would take these before what the body says.
        if let Some(name) = request::beside_body(given.query.unwrap_or_default()) {
            let wrong = Violation::parameter(Part::Query, &name, "is said by the body");
            return Err(Refused::with(Reject::GraphqlRequest, wrong));
        }
        let mut value = request::body(given.body, self.depth)?;
        let mut checked = Checked::default();
        let mut filled = false;
        let calls = match &mut value {
            Value::Array(calls) => {
                if calls.is_empty() || calls.len() > usize::from(self.bounds.max_batch) {
                    let what =
                        format!("has {} operations; {} may be", calls.len(), self.bounds.max_batch);
                    let wrong = Violation::body("", what);
                    return Err(Refused::with(Reject::GraphqlBatch, wrong));
                }
                let places = (0..calls.len()).map(|index| format!("/{index}"));
                calls.iter_mut().zip(places).collect()
            }
            value => vec![(value, String::new())],
        };
        for (value, pointer) in calls {
            let call = Call::of_json(value, &pointer)?;
            if let Some(text) = self.ask(&call, given.method, &pointer, &mut checked)? {
                request::fill_json(value, &text);
                filled = true;
            }
        }
        checked.instead = filled.then(|| Instead::Body(value.to_string().into()));
        Ok(checked)
    }

    /// Looks at one operation of a request; gives the text of its document if that was only named.
    fn ask(
        &self,
        call: &Call<'_>,
        method: &Method,
        pointer: &str,
        checked: &mut Checked,
    ) -> Result<Option<Arc<str>>, Refused> {
        let mut text = None;
        let so_far = checked.asked.iter().filter_map(|asked| asked.cost);
        let so_far = so_far.fold(0, u64::saturating_add);
        match self.look(call, (method, pointer, so_far), &mut text) {
            Ok(asked) => checked.asked.push(asked),
            Err((asked, refused)) if self.enforce == Enforce::Refuse => {
                return Err(Refused { asked: asked.map(Box::new), ..refused });
            }
            Err((asked, refused)) => {
                checked.asked.extend(asked);
                checked.reported.get_or_insert(refused.reject);
            }
        }
        Ok(text)
    }

    fn look(
        &self,
        call: &Call<'_>,
        (method, pointer, so_far): (&Method, &str, u64),
        text: &mut Option<Arc<str>>,
    ) -> Result<Asked, Wrong> {
        let none = |refused| (None, refused);
        let (document, known) = self.document(call, pointer, text).map_err(none)?;
        let name = call.operation.as_deref().filter(|name| !name.is_empty());
        let Some(operation) = document.operation(name) else {
            let fault = document.fault.clone();
            let refused = fault.unwrap_or_else(|| Refused::by(Reject::GraphqlOperation));
            return Err((None, placed(refused, pointer)));
        };
        let mut asked = Asked {
            name: operation.name.clone(),
            kind: operation.kind,
            depth: operation.shape.depth,
            cost: None,
            introspects: operation.shape.introspects && !known,
        };
        if let Some(fault) = &document.fault {
            return Err((Some(asked), placed(fault.clone(), pointer)));
        }
        if *method != Method::POST && operation.kind == Kind::Mutation {
            return Err((Some(asked), Refused::by(Reject::GraphqlMethod)));
        }
        if !known && self.persisted.as_ref().is_some_and(|known| known.only) {
            return Err((Some(asked), Refused::by(Reject::GraphqlPersisted)));
        }
        let done = self.hold(&document, operation, call, (pointer, so_far), &mut asked);
        match done {
            Ok(()) => Ok(asked),
            Err(refused) => Err((Some(asked), refused)),
        }
    }

    /// Holds an operation with its variables to the schema, and to what it may cost.
    fn hold(
        &self,
        document: &Document,
        operation: &Operation,
        call: &Call<'_>,
        (pointer, so_far): (&str, u64),
        asked: &mut Asked,
    ) -> Result<(), Refused> {
        let (Some(types), Some(typed)) = (&self.types, document.typed(operation)) else {
            return Ok(());
        };
        if !typed.variables.is_empty() {
            let pointer = format!("{pointer}/variables");
            let wrong = variables::check(&types.schema, typed, &call.variables, &pointer);
            if !wrong.is_empty() {
                return Err(Refused::with(Reject::GraphqlVariables, wrong));
            }
        }
        let executable = document.executable.as_ref();
        let measure =
            || executable.map_or(0.0, |all| Meter::new(types, all, typed).with(&call.variables));
        let cost = whole(operation.cost.unwrap_or_else(measure));
        asked.cost = Some(cost);
        let all = so_far.saturating_add(cost);
        if all > u64::from(self.bounds.max_cost) {
            let what = format!("costs {all}; {} may be", self.bounds.max_cost);
            let wrong = Violation::body(format!("{pointer}/query"), what);
            return Err(Refused::with(Reject::GraphqlCost, wrong));
        }
        Ok(())
    }

    /// The document that is asked, and whether it is one of those that are known.
    fn document(
        &self,
        call: &Call<'_>,
        pointer: &str,
        text: &mut Option<Arc<str>>,
    ) -> Result<(Arc<Document>, bool), Refused> {
        if !call.is_true() {
            let place = format!("{pointer}/extensions/persistedQuery/sha256Hash");
            let wrong = Violation::body(place, "is not that of the query");
            return Err(Refused::with(Reject::GraphqlRequest, wrong));
        }
        let Some(written) = &call.text else {
            let Some(name) = call.hash.as_deref().or(call.id.as_deref()) else {
                let wrong = Violation::body(format!("{pointer}/query"), "is missing");
                return Err(Refused::with(Reject::GraphqlRequest, wrong));
            };
            let known = self.persisted.as_ref().and_then(|known| known.named(name));
            let entry = known.ok_or_else(|| Refused::by(Reject::GraphqlUnknown))?;
            *text = Some(entry.text.clone());
            return Ok((entry.document.clone(), true));
        };
        if call.id.is_some() {
            let what = "is there beside the name of a document";
            let wrong = Violation::body(format!("{pointer}/query"), what);
            return Err(Refused::with(Reject::GraphqlRequest, wrong));
        }
        if let Some(known) = &self.persisted {
            if let Some(entry) = known.text(written) {
                return Ok((entry.document.clone(), true));
            }
            if known.only && self.enforce == Enforce::Refuse {
                return Err(Refused::by(Reject::GraphqlPersisted));
            }
        }
        if let Some(document) = self.memory.get(written) {
            return Ok((document, false));
        }
        let tokens = usize::try_from(self.bounds.max_tokens).unwrap_or(usize::MAX);
        let bounds = Bounds { tokens, guard: Some(&self.bounds) };
        let document = Arc::new(Document::read(written, self.types.as_deref(), bounds));
        self.memory.put(written, &document);
        Ok((document, false))
    }
}

/// A cost as it is told: in whole numbers, never less than it is.
fn whole(cost: f64) -> u64 {
    // Beyond the largest number it stays there.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let whole = cost.ceil() as u64;
    whole
}

/// The same, within a list of operations.
fn placed(refused: Refused, pointer: &str) -> Refused {
    if pointer.is_empty() {
        return refused;
    }
    let mut violations = Violations::default();
    for violation in refused.violations.iter() {
        let place = format!("{pointer}{}", violation.pointer);
        violations.push(Violation { pointer: place, ..violation.clone() });
    }
    Refused::with(refused.reject, violations)
}
