//! What an answer says to caches (RFC 9111 section 5.2.2, RFC 5861, RFC 8246, RFC 9213).
//!
//! In: the head of an answer. Out: its directives, of the first targeted field that is there and valid, or of
//! `Cache-Control`. Of two directives that are the same the first one counts (section 4.2.1); of two that
//! disagree the stricter one, so whatever forbids is heard even where the syntax is broken. `Pragma` means
//! nothing in an answer (section 5.4).

use http::{HeaderMap, HeaderName, header::CACHE_CONTROL};

use super::{
    super::policy::Policy,
    dictionary::{self, Value},
    lists::{Argument, Directive, FOREVER, members, words},
};

/// What an answer says to caches.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Said {
    /// A targeted field says it, so `Expires` and `Cache-Control` are not looked at (RFC 9213 section 2.2).
    pub targeted: bool,
    /// `public`
    pub public: bool,
    /// `private`, of the whole answer.
    pub private: bool,
    /// `no-store`
    pub no_store: bool,
    /// `no-cache`, of the whole answer.
    pub no_cache: bool,
    /// `must-revalidate`
    pub must_revalidate: bool,
    /// `proxy-revalidate`
    pub proxy_revalidate: bool,
    /// `must-understand`
    pub must_understand: bool,
    /// `immutable`
    pub immutable: bool,
    /// `max-age` or `s-maxage` is there and is no number of seconds: the answer is stale (section 4.2.1).
    pub broken: bool,
    /// `max-age`
    pub max_age: Option<u32>,
    /// `s-maxage`
    pub s_maxage: Option<u32>,
    /// `stale-while-revalidate`
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error`
    pub stale_if_error: Option<u32>,
    /// Fields that `private` and `no-cache` name: they are not kept, the rest is.
    pub fields: Vec<HeaderName>,
}

impl Said {
    /// Reads it, without what the route does not listen to.
    pub fn read(headers: &HeaderMap, policy: &Policy) -> Self {
        let mut said = targeted(headers, policy).unwrap_or_else(|| cache_control(headers));
        let ignore = policy.ignore;
        said.no_store &= !ignore.no_store;
        said.private &= !ignore.private;
        said.no_cache &= !ignore.no_cache;
        said
    }

    fn hear(&mut self, directive: Directive<'_>) {
        let seconds = directive.seconds();
        if directive.is("no-cache") {
            let whole = self.fields(directive);
            self.no_cache |= whole;
        } else if directive.is("private") {
            let whole = self.fields(directive);
            self.private |= whole;
        } else if directive.is("max-age") {
            self.max_age = self.max_age.or(seconds);
            self.broken |= self.max_age.is_none();
        } else if directive.is("s-maxage") {
            self.s_maxage = self.s_maxage.or(seconds);
            self.broken |= self.s_maxage.is_none();
        } else if directive.is("stale-while-revalidate") {
            let before = self.stale_while_revalidate;
            self.stale_while_revalidate = before.or(seconds).or(Some(0));
        } else if directive.is("stale-if-error") {
            self.stale_if_error = self.stale_if_error.or(seconds).or(Some(0));
        } else {
            self.word(directive.name);
        }
    }

    /// A directive without an argument; one that has one all the same means no less.
    fn word(&mut self, name: &[u8]) {
        let flags: [(&str, &mut bool); 6] = [
            ("public", &mut self.public),
            ("no-store", &mut self.no_store),
            ("must-revalidate", &mut self.must_revalidate),
            ("proxy-revalidate", &mut self.proxy_revalidate),
            ("must-understand", &mut self.must_understand),
            ("immutable", &mut self.immutable),
        ];
        for (word, flag) in flags {
            *flag |= name.eq_ignore_ascii_case(word.as_bytes());
        }
    }

    /// A member that is no directive: what it may forbid, it forbids.
    fn guess(&mut self, member: &[u8]) {
        for word in words(member) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            self.no_store |= is("no-store");
            self.no_cache |= is("no-cache");
            self.private |= is("private");
            // Not as `must-revalidate`, which also gives leave to keep what needs some.
            self.proxy_revalidate |= is("must-revalidate") || is("proxy-revalidate");
            self.broken |= is("max-age") || is("s-maxage");
        }
    }

    /// Takes in the fields that a directive names. Says whether it is about the whole answer instead: it names
    /// none, or something that is no name.
    fn fields(&mut self, directive: Directive<'_>) -> bool {
        let (Argument::Token(list) | Argument::Quoted(list)) = directive.argument else {
            return true;
        };
        let before = self.fields.len();
        for name in members(list) {
            match HeaderName::from_bytes(name) {
                Ok(name) => self.fields.push(name),
                Err(_) => return true,
            }
        }
        self.fields.len() == before
    }
}

fn cache_control(headers: &HeaderMap) -> Said {
    let mut said = Said::default();
    for line in headers.get_all(CACHE_CONTROL) {
        for member in members(line.as_bytes()) {
            let directive = Directive::read(member);
            if directive.argument == Argument::Broken {
                said.guess(member);
            }
            said.hear(directive);
        }
    }
    said
}

/// What the first targeted field says that is there, valid and not empty (RFC 9213 section 2).
fn targeted(headers: &HeaderMap, policy: &Policy) -> Option<Said> {
    let fields = policy.targeted.iter().map(|name| headers.get_all(name).iter());
    let mut fields = fields.filter_map(dictionary::read);
    let members = fields.find(|members| !members.is_empty())?;
    let mut said = Said { targeted: true, ..Said::default() };
    for (name, value) in &members {
        let digits;
        let argument = match value {
            Value::False => continue,
            Value::True => Argument::None,
            Value::Integer(seconds) => {
                digits = (*seconds).min(FOREVER.into()).to_string();
                Argument::Token(digits.as_bytes())
            }
            // Seconds in quotes are of the wrong type here; names of fields are not.
            Value::String(list) if matches!(&**name, b"private" | b"no-cache") => {
                Argument::Quoted(list)
            }
            Value::String(_) | Value::Other => Argument::Broken,
        };
        said.hear(Directive { name, argument });
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::headers, *};

    fn said(text: &str) -> Said {
        Said::read(&headers(text), &Policy::default())
    }

    fn names(list: &[&'static str]) -> Vec<HeaderName> {
        list.iter().map(|name| HeaderName::from_static(name)).collect()
    }

    #[test]
    fn cache_control_is_read_as_it_is_meant() {
        let no = Said::default;
        let cases = [
            ("", no()),
            ("cache-control: foobar, x=y", no()),
            ("cache-control: MaX-aGe=5, PUBLIC", Said { max_age: Some(5), public: true, ..no() }),
            ("cache-control: max-age=\"5\"", Said { max_age: Some(5), ..no() }),
            ("cache-control: s-maxage=5", Said { s_maxage: Some(5), ..no() }),
            // 4.2.1: the first of two counts, on one line or on two.
            ("cache-control: max-age=1, max-age=9", Said { max_age: Some(1), ..no() }),
            (
                "cache-control: max-age=9\ncache-control: max-age=1",
                Said { max_age: Some(9), ..no() },
            ),
            // 4.2.1: what is no number is stale.
            ("cache-control: max-age=x", Said { broken: true, ..no() }),
            ("cache-control: max-age=-1", Said { broken: true, ..no() }),
            ("cache-control: max-age=1.5", Said { broken: true, ..no() }),
            ("cache-control: max-age='5'", Said { broken: true, ..no() }),
            ("cache-control: max-age =5", Said { broken: true, ..no() }),
            ("cache-control: max-age= 5", Said { broken: true, ..no() }),
            ("cache-control: max-age", Said { broken: true, ..no() }),
            ("cache-control: x=\"max-age=5\"", no()),
            ("cache-control: x=\"max-age=5\", max-age=1", Said { max_age: Some(1), ..no() }),
            // 5.2.2.4, 5.2.2.7: with fields, the rest is kept; names that are none are no fields.
            ("cache-control: no-cache", Said { no_cache: true, ..no() }),
            ("cache-control: no-cache=\"a, B\"", Said { fields: names(&["a", "b"]), ..no() }),
            ("cache-control: private=set-cookie", Said { fields: names(&["set-cookie"]), ..no() }),
            ("cache-control: private=\"\"", Said { private: true, ..no() }),
            ("cache-control: private=", Said { private: true, ..no() }),
            ("cache-control: private=\"a b\"", Said { private: true, ..no() }),
            (
                "cache-control: private, private=\"a\"",
                Said { private: true, fields: names(&["a"]), ..no() },
            ),
            // Directives that have no argument mean no less with one.
            ("cache-control: no-store=x", Said { no_store: true, ..no() }),
            // Missing commas and worse: what forbids is heard.
            ("cache-control: no-store no-cache", Said { no_store: true, no_cache: true, ..no() }),
            ("cache-control: foo; private", Said { private: true, ..no() }),
            ("cache-control: x=\"open, no-store", Said { no_store: true, ..no() }),
            (
                "cache-control: stale-while-revalidate=3, stale-if-error=x, immutable",
                Said {
                    stale_while_revalidate: Some(3),
                    stale_if_error: Some(0),
                    immutable: true,
                    ..no()
                },
            ),
            // 5.4: means nothing in an answer.
            ("pragma: no-cache", no()),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn a_targeted_field_that_is_valid_decides_alone() {
        let no = || Said { targeted: true, ..Said::default() };
        let not = Said::default;
        let cases = [
            (
                "cdn-cache-control: max-age=5\ncache-control: no-store",
                Said { max_age: Some(5), ..no() },
            ),
            (
                "cdn-cache-control: no-store\ncache-control: max-age=5",
                Said { no_store: true, ..no() },
            ),
            ("cdn-cache-control: foo\ncache-control: max-age=5", no()),
            ("cdn-cache-control: max-age=99999999999", Said { max_age: Some(FOREVER), ..no() }),
            ("cdn-cache-control: max-age=5;x=1", Said { max_age: Some(5), ..no() }),
            ("cdn-cache-control: max-age=1, max-age=5", Said { max_age: Some(5), ..no() }),
            ("cdn-cache-control: private=\"a\"", Said { fields: names(&["a"]), ..no() }),
            ("cdn-cache-control: private", Said { private: true, ..no() }),
            ("cdn-cache-control: no-store=?0", no()),
            // Of the wrong type, it is no lifetime.
            ("cdn-cache-control: max-age=\"5\"", Said { broken: true, ..no() }),
            ("cdn-cache-control: max-age=-5", Said { broken: true, ..no() }),
            ("cdn-cache-control: max-age=5.0", Said { broken: true, ..no() }),
            // RFC 9213 section 2.1: empty or broken, it is as if it were not there.
            ("cdn-cache-control: \ncache-control: max-age=5", Said { max_age: Some(5), ..not() }),
            (
                "cdn-cache-control: max-age=9, &&&\ncache-control: no-store",
                Said { no_store: true, ..not() },
            ),
            (
                "cdn-cache-control: max-age =9\ncache-control: max-age=5",
                Said { max_age: Some(5), ..not() },
            ),
            (
                "cdn-cache-control: Max-Age=9\ncache-control: max-age=5",
                Said { max_age: Some(5), ..not() },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text}");
        }
        let targeted = ["janua-cache-control", "cdn-cache-control"].map(HeaderName::from_static);
        let policy = Policy { targeted: targeted.into(), ..Policy::default() };
        let both = headers("cdn-cache-control: max-age=5\njanua-cache-control: max-age=7");
        assert_eq!(Said::read(&both, &policy).max_age, Some(7));
    }

    #[test]
    fn a_route_may_not_listen() {
        let mut policy = Policy::default();
        policy.ignore.no_store = true;
        policy.ignore.private = true;
        policy.ignore.no_cache = true;
        let said = Said::read(&headers("cache-control: no-store, private, no-cache"), &policy);
        assert_eq!(said, Said::default());
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_no_store_is_heard(
            before in "[a-z=\", ;]{0,9}[ ,;]", after in "[ ,;][a-z=\", ;]{0,9}"
        ) {
            // Within balanced quotes it is an argument of something else.
            prop_assume!(!before.contains('"'));
            let text = format!("cache-control: {before}no-store{after}");
            prop_assert!(said(&text).no_store, "{}", text);
        }
    }
}
