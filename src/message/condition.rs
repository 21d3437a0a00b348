//! Conditions on header fields, cookies and query parameters.
//!
//! In: `{ x-version = ["2", "3"], x-debug = true, a = { regex = "^b" } }`. Out: [`Conditions`], which
//! hold for a request or name the first that does not, and which compare with others of their kind.
//!
//! A name that occurs more than once satisfies a condition if one of its values does. In comparing
//! two conditions a name counts as occurring once, so that `"1"` and `"2"` exclude each other; a
//! request that carries both goes to the one whose value sorts first, wherever it stands in the file.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;
use regex::bytes::{Regex, RegexBuilder};

use super::{cookie::cookies, headers::never_passes, query::pairs};
use crate::config::Condition;

/// Most memory that a compiled expression takes, and again the states that it makes while it runs.
const REGEX_SIZE: usize = 256 << 10;

/// What one name's value must be.
#[derive(Clone, Debug)]
enum Test {
    /// Not there.
    Absent,
    /// One of these, sorted.
    Values(Box<[Box<[u8]>]>),
    /// One in which this is found.
    Matches(Regex),
    /// There, whatever it is.
    Present,
}

impl Test {
    fn compile(condition: &Condition) -> Result<Self, String> {
        Ok(match condition {
            Condition::Present(true) => Self::Present,
            Condition::Present(false) => Self::Absent,
            Condition::Equals(value) => Self::Values([value.as_bytes().into()].into()),
            Condition::OneOf(values) if values.is_empty() => return Err("no value is named".into()),
            Condition::OneOf(values) => {
                let values: BTreeSet<Box<[u8]>> =
                    values.iter().map(|value| value.as_bytes().into()).collect();
                Self::Values(values.into_iter().collect())
            }
            Condition::Regex(condition) => Self::Matches(
                RegexBuilder::new(&condition.regex)
                    .size_limit(REGEX_SIZE)
                    .dfa_size_limit(REGEX_SIZE)
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        })
    }

    fn holds<V: AsRef<[u8]>>(&self, mut values: impl Iterator<Item = V>) -> bool {
        match self {
            Self::Absent => values.next().is_none(),
            Self::Values(wanted) => {
                values.any(|value| wanted.iter().any(|wanted| value.as_ref() == &**wanted))
            }
            Self::Matches(regex) => values.any(|value| regex.is_match(value.as_ref())),
            Self::Present => values.next().is_some(),
        }
    }

    /// Whether the other holds wherever this one does, as far as that can be told.
    fn implies(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Values(_) | Self::Matches(_) | Self::Present, Self::Present) => true,
            (Self::Values(a), Self::Values(b)) => a.iter().all(|value| b.contains(value)),
            (Self::Values(values), Self::Matches(regex)) => {
                values.iter().all(|value| regex.is_match(value))
            }
            (Self::Matches(a), Self::Matches(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }

    /// Whether there is no value for which both hold, as far as that can be told.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => false,
            (Self::Absent, _) | (_, Self::Absent) => true,
            (Self::Values(a), Self::Values(b)) => !a.iter().any(|value| b.contains(value)),
            (Self::Values(values), Self::Matches(regex))
            | (Self::Matches(regex), Self::Values(values)) => {
                !values.iter().any(|value| regex.is_match(value))
            }
            (Self::Matches(_) | Self::Present, _) | (_, Self::Present) => false,
        }
    }

    /// Where this one sorts among those that exclude it, which share no value with it.
    fn rank(&self) -> (u8, &[u8]) {
        match self {
            Self::Values(values) => (0, values.first().map(|value| &**value).unwrap_or_default()),
            Self::Matches(regex) => (1, regex.as_str().as_bytes()),
            Self::Present => (2, &[]),
            Self::Absent => (3, &[]),
        }
    }
}

/// Conditions on the values of some names; all have to hold.
#[derive(Clone, Debug)]
pub struct Conditions<N>(Box<[(N, Test)]>);

/// Where conditions sort among those that exclude them; see [`Conditions::rank`].
pub type Rank<'t> = Vec<(&'t str, (u8, &'t [u8]))>;

impl<N: AsRef<str> + PartialEq> Conditions<N> {
    /// Reads the conditions, each name by way of `name`.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    fn compile(
        written: &BTreeMap<String, Condition>,
        what: &str,
        name: impl Fn(&str) -> Option<N>,
    ) -> Result<Self, String> {
        let mut tests = Vec::<(N, Test)>::with_capacity(written.len());
        for (text, condition) in written {
            let name = name(text).ok_or_else(|| format!("`{text}` is not a {what}"))?;
            if tests.iter().any(|(other, _)| *other == name) {
                return Err(format!("`{text}` is there twice, in another case"));
            }
            let test = Test::compile(condition).map_err(|error| format!("`{text}`: {error}"))?;
            tests.push((name, test));
        }
        tests.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        Ok(Self(tests.into()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names that they are on.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Whether the others hold wherever these do.
    pub fn within(&self, others: &Self) -> bool {
        others.0.iter().all(|(name, other)| self.on(name).is_some_and(|test| test.implies(other)))
    }

    /// Whether these and the others can hold together.
    pub fn meet(&self, others: &Self) -> bool {
        !others.0.iter().any(|(name, other)| self.on(name).is_some_and(|test| test.excludes(other)))
    }

    /// Something to sort by that does not depend on where the conditions stand in a file.
    pub fn rank(&self) -> Rank<'_> {
        self.0.iter().map(|(name, test)| (name.as_ref(), test.rank())).collect()
    }

    fn on(&self, name: &N) -> Option<&Test> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, test)| test)
    }
}

impl Conditions<HeaderName> {
    /// Reads a route's conditions on header fields.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn on_headers(written: &BTreeMap<String, Condition>) -> Result<Self, String> {
        // HTTP/2 has no such field, so that a condition on it would hold for some clients only.
        if let Some(host) = written.keys().find(|name| name.eq_ignore_ascii_case("host")) {
            return Err(format!("`{host}` is not a condition here; the route's own `host` is"));
        }
        if let Some(name) = written.keys().find(|name| never_passes(&name.to_ascii_lowercase())) {
            return Err(format!(
                "no route sees `{name}`: it is about one connection, and taken off before"
            ));
        }
        Self::on_fields(written)
    }

    /// Reads conditions on header fields, whatever message they are in.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn on_fields(written: &BTreeMap<String, Condition>) -> Result<Self, String> {
        Self::compile(written, "field name", |name| name.parse().ok())
    }

    /// The name of the first condition that holds.
    pub fn holding(&self, headers: &HeaderMap) -> Option<&HeaderName> {
        let holds =
            |(name, test): &&(HeaderName, Test)| test.holds(headers.get_all(name).into_iter());
        self.0.iter().find(holds).map(|(name, _)| name)
    }

    /// The name of the first condition that does not hold.
    #[inline]
    pub fn failing(&self, headers: &HeaderMap) -> Option<&HeaderName> {
        let fails =
            |(name, test): &&(HeaderName, Test)| !test.holds(headers.get_all(name).into_iter());
        self.0.iter().find(fails).map(|(name, _)| name)
    }
}

impl Conditions<Box<str>> {
    /// Reads conditions on query parameters.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn on_query(written: &BTreeMap<String, Condition>) -> Result<Self, String> {
        Self::compile(written, "parameter", |name| Some(name.into()))
    }

    /// The name of the first condition that does not hold.
    #[inline]
    pub fn failing(&self, query: Option<&str>) -> Option<&str> {
        let fails = |(name, test): &&(Box<str>, Test)| !test.holds(values_of(name, query));
        self.0.iter().find(fails).map(|(name, _)| &**name)
    }
}

/// The name of a cookie, whose case matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CookieName(Box<str>);

impl CookieName {
    /// A name, if it is one (RFC 6265 section 4.1.1).
    pub fn new(name: &str) -> Option<Self> {
        // Cookies and header fields have the same grammar for it.
        HeaderName::from_bytes(name.as_bytes()).is_ok().then(|| Self(name.into()))
    }
}

impl AsRef<str> for CookieName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Conditions<CookieName> {
    /// Reads conditions on cookies.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn on_cookies(written: &BTreeMap<String, Condition>) -> Result<Self, String> {
        Self::compile(written, "cookie's name", CookieName::new)
    }

    /// The name of the first condition that does not hold.
    pub fn failing_cookie(&self, headers: &HeaderMap) -> Option<&str> {
        let fails = |(name, test): &&(CookieName, Test)| {
            let named = cookies(headers).filter(|(known, _)| *known == name.0.as_bytes());
            !test.holds(named.map(|(_, value)| value))
        };
        self.0.iter().find(fails).map(|(name, _)| name.as_ref())
    }
}

/// A parameter's values in a query, decoded as a form's; one without `=` is empty.
fn values_of<'q>(name: &str, query: Option<&'q str>) -> impl Iterator<Item = Cow<'q, [u8]>> {
    let own = move |(key, value)| (*decoded(key) == *name.as_bytes()).then(|| decoded(value));
    pairs(query.unwrap_or_default()).filter_map(own)
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_decode(spaced.as_bytes()).collect())
    } else {
        percent_decode(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::config::RegexCondition;

    fn regex(regex: &str) -> Condition {
        Condition::Regex(RegexCondition { regex: regex.into() })
    }

    fn equals(value: &str) -> Condition {
        Condition::Equals(value.into())
    }

    fn one_of(values: &[&str]) -> Condition {
        Condition::OneOf(values.iter().map(|value| (*value).into()).collect())
    }

    fn query(name: &str, condition: Condition) -> Conditions<Box<str>> {
        Conditions::on_query(&[(name.to_owned(), condition)].into()).expect(name)
    }

    #[test]
    fn fields_that_no_route_sees_are_no_conditions() {
        let never =
            ["host", "Connection", "keep-alive", "te", "transfer-encoding", "Upgrade", "expect"];
        for name in never {
            let written = [(name.to_owned(), Condition::Present(true))].into();
            assert!(Conditions::on_headers(&written).is_err(), "{name}");
        }
        let written = [("accept".to_owned(), Condition::Present(true))].into();
        assert!(Conditions::on_headers(&written).is_ok());
    }

    #[test]
    fn query_parameters_are_read_as_a_form_writes_them() {
        for (condition, text, holds) in [
            (equals("2"), "v=2", true),
            (equals("2"), "v=22", false),
            (equals("2"), "a=1&v=1&v=2", true),
            (equals("2"), "%76=%32", true),
            (equals("a b&c"), "v=a+b%26c", true),
            (one_of(&["3", "2"]), "v=2", true),
            (one_of(&["3", "2"]), "v=32", false),
            (equals(""), "v", true),
            (equals(""), "", false),
            (Condition::Present(true), "&&v&", true),
            (Condition::Present(true), "vv=1", false),
            (Condition::Present(false), "w=1", true),
            (Condition::Present(false), "v=", false),
            (regex("^[0-9]+$"), "v=x&v=12", true),
            (regex("^[0-9]+$"), "v=1x", false),
            (regex("^\\xff$"), "v=%ff", false),
            (regex("(?-u)^\\xff$"), "v=%ff", true),
        ] {
            let failing = query("v", condition.clone());
            assert_eq!(failing.failing(Some(text)).is_none(), holds, "{condition:?} {text}");
        }
        assert_eq!(query("v", equals("2")).failing(None), Some("v"));
    }

    #[test]
    fn any_value_of_a_repeated_header_counts() {
        let written = [("X-Version".to_owned(), equals("2"))].into();
        let conditions = Conditions::on_headers(&written).expect("conditions");
        let mut headers = HeaderMap::new();
        headers.append("x-version", HeaderValue::from_static("1"));
        assert_eq!(conditions.failing(&headers).map(HeaderName::as_str), Some("x-version"));
        headers.append("x-version", HeaderValue::from_static("2"));
        assert_eq!(conditions.failing(&headers), None);
    }

    #[test]
    fn conditions_compare_by_what_they_hold_for() {
        let present = || Condition::Present(true);
        for (a, b, within, meet) in [
            (equals("1"), equals("1"), true, true),
            (equals("1"), equals("2"), false, false),
            (equals("1"), present(), true, true),
            (present(), equals("1"), false, true),
            (equals("1"), regex("^1"), true, true),
            (equals("1"), one_of(&["2", "1"]), true, true),
            (one_of(&["1", "2"]), equals("1"), false, true),
            (one_of(&["1", "2"]), one_of(&["2", "1"]), true, true),
            (one_of(&["1", "2"]), one_of(&["2", "3"]), false, true),
            (one_of(&["1", "2"]), one_of(&["3", "4"]), false, false),
            (one_of(&["1", "12"]), regex("^1"), true, true),
            (one_of(&["1", "2"]), regex("^1"), false, true),
            (regex("^1"), one_of(&["2", "3"]), false, false),
            (one_of(&["1", "1"]), equals("1"), true, true),
            (one_of(&["1", "2"]), present(), true, true),
            (equals("2"), regex("^1"), false, false),
            (regex("^1"), equals("2"), false, false),
            (regex("^1"), present(), true, true),
            (regex("^1"), regex("^1"), true, true),
            (regex("^1"), regex("^2"), false, true),
            (Condition::Present(false), present(), false, false),
            (Condition::Present(false), Condition::Present(false), true, true),
        ] {
            let says = format!("{a:?} {b:?}");
            let (a, b) = (query("v", a), query("v", b));
            assert_eq!((a.within(&b), a.meet(&b)), (within, meet), "{says}");
        }
        let (a, b) = (query("a", equals("1")), query("b", equals("1")));
        assert!(!a.within(&b) && a.meet(&b));
    }

    #[test]
    fn bad_conditions_are_found_at_load() {
        let headers = |name: &str, condition| {
            Conditions::on_headers(&[(name.to_owned(), condition)].into()).err()
        };
        assert!(headers("a b", equals("1")).is_some_and(|says| says.contains("not a field name")));
        assert!(headers("Host", equals("a")).is_some_and(|says| says.contains("own `host`")));
        assert!(headers("a", one_of(&[])).is_some_and(|says| says.contains("no value is named")));
        assert!(headers("a", regex("(")).is_some_and(|says| says.contains("unclosed group")));
        assert!(headers("a", regex("(a{1000}){1000}")).is_some_and(|says| says.contains("size")));
        let twice = [("A".to_owned(), equals("1")), ("a".to_owned(), equals("2"))].into();
        assert!(Conditions::on_headers(&twice).is_err_and(|says| says.contains("twice")));
    }
}
