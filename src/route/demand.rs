//! What a route demands of a request beside host and path: listener, method, header, query.
//!
//! In: a rule. Out: a [`Demand`], which a request meets or fails at a first condition, and which is
//! compared with the demands of other routes on the same host and path: the one whose requests are
//! all among the other's is the more specific.

use std::fmt;

use http::HeaderName;

use super::{Query, RouteProblem, Rule, methods::Methods};
use crate::message::{Conditions, Rank};

/// The listeners that a route is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listeners {
    /// All.
    All,
    /// Those of these indexes.
    Only(Vec<usize>),
}

impl Listeners {
    /// Whether this listener is among them.
    #[inline]
    pub(super) fn take(&self, listener: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(&listener),
        }
    }

    fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(these), Self::Only(_)) => {
                these.iter().all(|listener| other.take(*listener))
            }
        }
    }

    fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Only(these), Self::Only(_)) => {
                these.iter().any(|listener| other.take(*listener))
            }
        }
    }
}

/// The first thing about a request that is not as a route demands it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure<'t> {
    /// The host is another.
    Host,
    /// The request came in at another listener.
    Listener,
    /// The path is another.
    Path,
    /// The method is not among the route's.
    Method,
    /// The condition on this header field does not hold.
    Header(&'t HeaderName),
    /// The condition on this query parameter does not hold.
    Query(&'t str),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host is another"),
            Self::Listener => f.write_str("the listener is another"),
            Self::Path => f.write_str("the path is another"),
            Self::Method => f.write_str("the method is not among `methods`"),
            Self::Header(name) => write!(f, "the header `{name}` is not as `headers` wants it"),
            Self::Query(name) => write!(f, "the parameter `{name}` is not as `query` wants it"),
        }
    }
}

/// What a route demands beside host and path.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    pub(super) listeners: Listeners,
    pub(super) methods: Methods,
    headers: Conditions<HeaderName>,
    query: Conditions<Box<str>>,
}

/// Which of two demands is the more specific.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relation {
    /// The first: the other would take all that it takes.
    Before,
    /// The second.
    After,
    /// No request meets both.
    Apart,
    /// Some request meets both, and neither is the more specific.
    Tie,
}

impl Demand {
    /// Reads a rule's demand, or adds to the problems what is wrong with it.
    pub(super) fn compile<T>(
        index: usize,
        rule: &Rule<'_, T>,
        problems: &mut Vec<RouteProblem>,
    ) -> Option<Self> {
        let mut report = |key, (message, help)| {
            problems.push(RouteProblem { rule: index, key, item: None, message, help });
        };
        let methods = Methods::parse(&rule.route.methods).map_err(|fault| report("methods", fault));
        let headers = Conditions::on_headers(&rule.route.headers)
            .map_err(|message| report("headers", (message, None)));
        let query = Conditions::on_query(&rule.route.query)
            .map_err(|message| report("query", (message, None)));
        let listeners = rule.listeners.clone();
        Some(Self { listeners, methods: methods.ok()?, headers: headers.ok()?, query: query.ok()? })
    }

    /// The first thing that is not as demanded.
    #[inline]
    pub(super) fn failing(&self, query: &Query<'_, '_>) -> Option<Failure<'_>> {
        if !self.listeners.take(query.listener) {
            Some(Failure::Listener)
        } else if !self.methods.take(query.method) {
            Some(Failure::Method)
        } else {
            self.failing_condition(query)
        }
    }

    /// The first condition, on the header or the query, that does not hold.
    #[inline]
    pub(super) fn failing_condition(&self, query: &Query<'_, '_>) -> Option<Failure<'_>> {
        let header = self.headers.failing(query.headers).map(Failure::Header);
        header.or_else(|| self.query.failing(query.query).map(Failure::Query))
    }

    /// Which of the two is the more specific.
    ///
    /// A `HEAD` that is only there because of a `GET` makes no tie: it goes to the route that names it.
    pub(super) fn relation(&self, other: &Self) -> Relation {
        if !self.meet(other) {
            return Relation::Apart;
        }
        match (self.within(other), other.within(self)) {
            (true, false) => Relation::Before,
            (false, true) => Relation::After,
            (false, false) if other.methods.lends_head_to(&self.methods) => Relation::Before,
            (false, false) if self.methods.lends_head_to(&other.methods) => Relation::After,
            (false, false) | (true, true) => Relation::Tie,
        }
    }

    /// Whether the other's conditions on header and query leave open all that this one takes.
    pub(super) fn conditions_within(&self, other: &Self) -> bool {
        self.headers.within(&other.headers) && self.query.within(&other.query)
    }

    /// Something to sort by that does not depend on where the rule stands in a file.
    pub(super) fn rank(&self) -> (Rank<'_>, Rank<'_>) {
        (self.headers.rank(), self.query.rank())
    }

    fn within(&self, other: &Self) -> bool {
        self.listeners.within(&other.listeners)
            && self.methods.within(&other.methods)
            && self.conditions_within(other)
    }

    fn meet(&self, other: &Self) -> bool {
        self.listeners.meet(&other.listeners)
            && self.methods.meet(&other.methods)
            && self.headers.meet(&other.headers)
            && self.query.meet(&other.query)
    }
}
