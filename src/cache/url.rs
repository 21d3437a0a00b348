//! [`Url`]: where an answer is kept, as far as that is said by the URL that its client asked for.
//!
//! In: scheme, host and target of a request, and a route's `query`. Out: their canonical form. What a
//! common request says is borrowed; only what has to be changed is made anew. Paths are taken as they are:
//! whether two spellings mean the same is the origin's to say.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::{
    config::{CacheQuery, Path, Problem, Problems},
    message::canonical_authority,
};

/// Where an answer is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Url<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// In small letters, with a port unless it is the scheme's own.
    pub host: Cow<'a, str>,
    /// Path and query, as far as they tell answers apart.
    pub target: Cow<'a, str>,
}

impl<'a> Url<'a> {
    /// The URL of a request.
    #[inline]
    pub fn new(scheme: &'a str, host: &'a str, target: &'a Uri, query: &Query) -> Self {
        let path = target.path_and_query().map_or("/", |target| target.as_str());
        Self {
            scheme,
            host: canonical_authority(host, scheme == "https"),
            target: query.canonical(path),
        }
    }
}

/// What of a query tells answers apart: all of it, unless something was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    only: Option<Names>,
    except: Names,
    sort: bool,
}

/// Names, and beginnings of names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Names {
    whole: Vec<Box<str>>,
    begun: Vec<Box<str>>,
    /// The same, as careless origins read them.
    read_whole: Vec<Box<str>>,
    read_begun: Vec<Box<str>>,
}

/// So many ways are remembered at most that no route has any more.
const MOST_BEFORE: usize = 64;

impl Query {
    /// Each way in which queries tell answers apart, once: those of `now`, and those of `before`, since what was kept
    /// then may be given again by a later configuration.
    pub fn distinct<'q>(
        now: impl IntoIterator<Item = &'q Self>,
        before: &'q [Self],
    ) -> Box<[Self]> {
        let mut all: Vec<Self> = Vec::new();
        for (at, query) in now.into_iter().map(|query| (0, query)).chain(before.iter().enumerate())
        {
            if at < MOST_BEFORE && !all.contains(query) {
                all.push(query.clone());
            }
        }
        all.into()
    }

    /// Compiles `query`, which stands at `at`.
    pub(super) fn compile(written: &CacheQuery, at: &Path, problems: &mut Problems) -> Self {
        if written.only.is_some() && !written.except.is_empty() {
            let message = "`except` says nothing beside `only`";
            let help = "write the parameters that count, or those that do not";
            problems.push(Problem::error(at.key("except"), message).help(help));
        }
        let mut names =
            |written: &[String], key: &'static str| Names::compile(written, &at.key(key), problems);
        Self {
            only: written.only.as_deref().map(|written| names(written, "only")),
            except: names(&written.except, "except"),
            sort: written.sort,
        }
    }

    /// Whether a query is taken as it is.
    fn is_plain(&self) -> bool {
        self.only.is_none() && self.except == Names::default() && !self.sort
    }

    /// Path and query, as far as they tell answers apart.
    #[inline]
    pub fn canonical<'a>(&self, target: &'a str) -> Cow<'a, str> {
        if self.is_plain() { target.into() } else { self.changed(target) }
    }

    fn changed<'a>(&self, target: &'a str) -> Cow<'a, str> {
        let Some((path, query)) = target.split_once('?') else { return target.into() };
        let mut kept: Vec<_> = query.split('&').filter(|pair| self.counts(pair)).collect();
        if self.sort {
            // Stable: the order of one parameter's values may mean something.
            kept.sort_by_key(|pair| name(pair));
        }
        match kept.is_empty() {
            true => path.into(),
            false => format!("{path}?{}", kept.join("&")).into(),
        }
    }

    fn counts(&self, pair: &str) -> bool {
        // To some origins it separates: what follows would be a parameter that nobody looked at.
        if pair.contains(';') {
            return true;
        }
        let name = percent_decode_str(name(pair)).decode_utf8_lossy();
        match &self.only {
            Some(only) => only.has(&name) || only.is_read_as(&name),
            None => !self.except.has(&name),
        }
    }
}

/// A name without case, and with `_` for what is no letter or digit: PHP reads `user.id`, `user id` and `user[id` so.
fn carelessly(name: &str) -> String {
    let name = name.to_lowercase();
    name.chars().map(|sign| if sign.is_alphanumeric() { sign } else { '_' }).collect()
}

/// The name of a parameter, as it is written.
fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

impl Names {
    fn compile(written: &[String], at: &Path, problems: &mut Problems) -> Self {
        let mut names = Self::default();
        for (index, text) in written.iter().enumerate() {
            match text.strip_suffix('*') {
                _ if text.is_empty() => {
                    problems.push(Problem::error(at.index(index), "an empty name is none"));
                }
                Some(begun) if begun.contains('*') => {
                    let problem =
                        Problem::error(at.index(index), format!("`{text}` has more than one `*`"));
                    problems.push(problem.help("a `*` stands at the end of a name"));
                }
                None if text.contains('*') => {
                    let problem = Problem::error(at.index(index), format!("`{text}` is no name"));
                    problems.push(problem.help("a `*` stands at the end of a name"));
                }
                Some(begun) => {
                    names.begun.push(begun.into());
                    names.read_begun.push(carelessly(begun).into());
                }
                None => {
                    names.whole.push(text.as_str().into());
                    names.read_whole.push(carelessly(text).into());
                }
            }
        }
        names
    }

    /// Whether origins that are careless with names take it for one of these: without spaces and brackets in front, up to
    /// a bracket, or with one that nothing closes in it, and up to a NUL.
    fn is_read_as(&self, name: &str) -> bool {
        let name = name.trim_start_matches([' ', '+', '[']);
        let name = name.split('\0').next().unwrap_or_default();
        let stem = name.split(['[', ']']).next().unwrap_or_default();
        [name, stem].map(carelessly).iter().any(|name| {
            self.read_whole.iter().any(|whole| **whole == *name)
                || self.read_begun.iter().any(|begun| name.starts_with(&**begun))
        })
    }

    fn has(&self, name: &str) -> bool {
        self.whole.iter().any(|whole| **whole == *name)
            || self.begun.iter().any(|begun| name.starts_with(&**begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(only: Option<&[&str]>, except: &[&str], sort: bool) -> Query {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let written = CacheQuery { only: only.map(owned), except: owned(except), sort };
        let mut problems = Problems::new();
        let query = Query::compile(&written, &Path::root(), &mut problems);
        assert!(!problems.has_errors());
        query
    }

    #[test]
    fn a_query_tells_answers_apart_as_far_as_it_is_said_to() {
        let plain = query(None, &[], false);
        let only = query(Some(&["q", "p*"]), &[], false);
        let ids = query(Some(&["user_id"]), &[], false);
        let none = query(Some(&[]), &[], false);
        let except = query(None, &["utm_*", "s"], false);
        let sort = query(None, &["s"], true);
        for (rules, target, expected) in [
            (&plain, "/a?b=2&a=1&utm_x=3", "/a?b=2&a=1&utm_x=3"),
            (&plain, "/a?", "/a?"),
            (&plain, "/A/../b%2f", "/A/../b%2f"),
            (&only, "/a?page=2&q=1&x=3&q=0", "/a?page=2&q=1&q=0"),
            (&only, "/a?x=3", "/a"),
            (&only, "/a", "/a"),
            (&only, "/a?%71=1", "/a?%71=1"),
            (&none, "/a?x=3&y", "/a"),
            (&except, "/a?utm_source=x&b=2&s=1&S=1", "/a?b=2&S=1"),
            (&except, "/a?ut%6d_x=1&b", "/a?b"),
            (&except, "/a?utm_x;b=1&s=1", "/a?utm_x;b=1"),
            (&only, "/a?x;q=1&x", "/a?x;q=1"),
            (&only, "/a?q[]=1&Q=2&%20q=3&+q=4&q%00x=5&xq=6", "/a?q[]=1&Q=2&%20q=3&+q=4&q%00x=5"),
            (&ids, "/a?user.id=1&x=2", "/a?user.id=1"),
            (
                &ids,
                "/a?user%20id=1&user+id=2&user[id=3&USER-ID[]=4",
                "/a?user%20id=1&user+id=2&user[id=3&USER-ID[]=4",
            ),
            (
                &ids,
                "/a?[user_id]=1&%5Buser_id%5D=2&[[user_id]]=3",
                "/a?[user_id]=1&%5Buser_id%5D=2&[[user_id]]=3",
            ),
            (&ids, "/a?user=1&user_idx=2&id=3&user[x]=4", "/a"),
            (&sort, "/a?b=2&a=2&s=9&a=1", "/a?a=2&a=1&b=2"),
        ] {
            assert_eq!(rules.canonical(target), expected, "{target}");
        }
    }
}
