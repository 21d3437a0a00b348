//! Which requests an answer is for: `Vary` (RFC 9110 section 12.5.5, RFC 9111 section 4.1).
//!
//! In: an answer, and the request that it answers. Out: bytes to keep, and whether another request means the
//! same. Lines of one field are one list, always; spaces around commas mean nothing, nor do case and order in
//! `Accept-Encoding` and `Accept-Language`, if the route says so. Comparing allocates nothing.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, REFERER,
        USER_AGENT, VARY,
    },
};

use super::{
    super::policy::Policy,
    lists::{members, trim},
    preference::Wishes,
};

/// More names than that, and nobody can say what an answer depends on.
const MOST: usize = 32;

/// What stands before a value: it is not there, as it was written, or in the order of what it means.
const ABSENT: &[u8] = b"\0";
const WRITTEN: &[u8] = b"\x01";
const MEANT: &[u8] = b"\x02";
/// What stands behind one. In no value is such a byte.
const END: &[u8] = b"\0";

/// The fields that an answer depends on, in its order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Vary(Box<[HeaderName]>);

/// An answer depends on what is in no request: `*`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Star;

impl Vary {
    /// Reads what an answer depends on; none if it is for all.
    ///
    /// # Errors
    /// It is `*`, or something that is no name.
    pub fn read(answer: &HeaderMap, policy: &Policy) -> Result<Option<Self>, Star> {
        let mut names: Vec<HeaderName> = Vec::new();
        if policy.ignore.vary {
            return Ok(None);
        }
        for name in answer.get_all(VARY).iter().flat_map(|line| members(line.as_bytes())) {
            let name = HeaderName::from_bytes(name).map_err(|_| Star)?;
            if name.as_str() == "*" || names.len() == MOST {
                return Err(Star);
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok((!names.is_empty()).then(|| Self(names.into())))
    }

    /// The names.
    pub fn names(&self) -> &[HeaderName] {
        &self.0
    }

    /// What a request says in those fields, to be kept with its answer.
    pub fn values(&self, request: &HeaderMap, policy: &Policy) -> Box<[u8]> {
        let mut values = Vec::new();
        self.0.iter().for_each(|name| write(name, request, policy, &mut values));
        values.into()
    }

    /// Whether a request says in the fields `names` what the one said whose `values` were kept. `language` is
    /// the kept answer's `Content-Language`: one in the language that a client wants most suits it,
    /// whatever else it would take (section 4.1: preferences may choose). None asks for the same wishes.
    pub fn matches<'n>(
        names: impl IntoIterator<Item = &'n HeaderName>,
        values: &[u8],
        request: &HeaderMap,
        language: Option<&HeaderValue>,
        policy: &Policy,
    ) -> bool {
        let mut rest = values;
        for name in names {
            let Some(end) = rest.iter().position(|byte| *byte == END[0]) else { return false };
            let (value, others) = rest.split_at(end + 1);
            let mut same = Same { rest: value, so_far: true };
            write(name, request, policy, &mut same);
            let same = same.so_far && same.rest.is_empty();
            let suits = || {
                policy.normalise
                    && *name == ACCEPT_LANGUAGE
                    && language.is_some_and(|language| is_favourite(language, request))
            };
            if !same && !suits() {
                return false;
            }
            rest = others;
        }
        rest.is_empty()
    }
}

/// Whether this one language is what a client wants most.
fn is_favourite(language: &HeaderValue, request: &HeaderMap) -> bool {
    let wishes = Wishes::read(request.get_all(ACCEPT_LANGUAGE).iter());
    let favourite = wishes.and_then(|wishes| wishes.favourite());
    favourite.is_some_and(|name| name.eq_ignore_ascii_case(trim(language.as_bytes())))
}

/// Where values go: into memory, or against what is there.
trait Sink {
    fn put(&mut self, bytes: impl Iterator<Item = u8>);

    fn put_all(&mut self, bytes: &[u8]) {
        self.put(bytes.iter().copied());
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: impl Iterator<Item = u8>) {
        self.extend(bytes);
    }
}

struct Same<'a> {
    rest: &'a [u8],
    so_far: bool,
}

impl Sink for Same<'_> {
    fn put(&mut self, bytes: impl Iterator<Item = u8>) {
        for byte in bytes {
            match self.rest.split_first() {
                Some((first, rest)) if *first == byte && self.so_far => self.rest = rest,
                _ => self.so_far = false,
            }
        }
    }
}

fn write(name: &HeaderName, request: &HeaderMap, policy: &Policy, sink: &mut impl Sink) {
    let lines = || request.get_all(name).iter();
    if lines().next().is_none() {
        return sink.put_all(ABSENT);
    }
    let is_wishes = *name == ACCEPT_ENCODING || *name == ACCEPT_LANGUAGE;
    let wishes = || Wishes::read(lines());
    match (policy.normalise && is_wishes).then(wishes).flatten() {
        Some(wishes) => write_wishes(&wishes, sink),
        None => {
            sink.put_all(WRITTEN);
            write_lines(name, lines(), policy.normalise && !is_one_text(name), sink);
        }
    }
    sink.put_all(END);
}

fn write_wishes(wishes: &Wishes<'_>, sink: &mut impl Sink) {
    sink.put_all(MEANT);
    for (how, name) in wishes.iter() {
        sink.put(name.iter().map(u8::to_ascii_lowercase));
        if how != 1000 {
            let digits = [how / 100, how / 10 % 10, how % 10];
            sink.put_all(b";");
            sink.put(digits.iter().map(|digit| b'0' + u8::try_from(*digit).unwrap_or(0)));
        }
        sink.put_all(b",");
    }
}

fn write_lines<'a>(
    name: &HeaderName,
    lines: impl Iterator<Item = &'a HeaderValue>,
    without_spaces: bool,
    sink: &mut impl Sink,
) {
    // RFC 9113 section 8.2.3: crumbs of a cookie are joined in their own way.
    let joint = if *name == COOKIE { &b"; "[..] } else { b", " };
    let mut first = true;
    for line in lines {
        let mut members = members(line.as_bytes());
        while let Some(member) = match without_spaces {
            true => members.next_even_empty(),
            false => members.take_rest(),
        } {
            if !first {
                sink.put_all(if without_spaces { b"," } else { joint });
            }
            first = false;
            sink.put_all(member);
        }
    }
}

/// Whether a comma in this field is a sign like any other.
fn is_one_text(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, REFERER, USER_AGENT].contains(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::headers, *};

    fn matches(vary: &str, kept: &str, asked: &str, policy: &Policy) -> bool {
        let vary = Vary::read(&headers(vary), policy).unwrap().unwrap();
        let values = vary.values(&headers(kept), policy);
        Vary::matches(vary.names(), &values, &headers(asked), None, policy)
    }

    #[test]
    fn what_an_answer_depends_on() {
        let names = |list: &[&'static str]| {
            let names: Vec<_> = list.iter().map(|name| HeaderName::from_static(name)).collect();
            Ok((!names.is_empty()).then(|| Vary(names.into())))
        };
        let cases = [
            ("", names(&[])),
            ("vary: ", names(&[])),
            ("vary: , ,", names(&[])),
            ("vary: Foo", names(&["foo"])),
            ("vary: foo, FOO ,bar", names(&["foo", "bar"])),
            ("vary: foo\nvary: bar", names(&["foo", "bar"])),
            ("vary: *", Err(Star)),
            ("vary: *, *", Err(Star)),
            ("vary: *\nvary: *", Err(Star)),
            ("vary: , *", Err(Star)),
            ("vary: \nvary: *", Err(Star)),
            ("vary: *, foo", Err(Star)),
            ("vary: foo, *", Err(Star)),
            ("vary: foo bar", Err(Star)),
        ];
        for (text, expected) in cases {
            assert_eq!(Vary::read(&headers(text), &Policy::default()), expected, "{text}");
        }
        let mut policy = Policy::default();
        policy.ignore.vary = true;
        assert_eq!(Vary::read(&headers("vary: *"), &policy), Ok(None));
    }

    #[test]
    fn requests_that_mean_the_same_match_and_others_do_not() {
        let (f, ae, al) = ("vary: foo", "vary: accept-encoding", "vary: accept-language");
        let cases = [
            (f, "foo: 1", "foo: 1", true),
            (f, "foo: 1", "foo: 2", false),
            (f, "foo: 1", "", false),
            (f, "", "foo: 1", false),
            (f, "", "foo: ", false),
            (f, "", "", true),
            (f, "foo: 1\nother: 2", "foo: 1\nother: 3", true),
            (f, "foo: a", "foo: A", false),
            // Section 4.1: lines are joined, spaces taken off.
            (f, "foo: 1, 2", "foo: 1\nfoo: 2", true),
            (f, "foo: 1,2", "foo:  1, 2 ", true),
            (f, "foo: 1, 2", "foo: 2, 1", false),
            (f, "foo: \"1,2\"", "foo: \"1, 2\"", false),
            (f, "foo: 12", "foo: 1\nfoo: 2", false),
            ("vary: foo, bar", "foo: 1\nbar: 2", "bar: 2\nfoo: 1", true),
            ("vary: foo, bar", "foo: 1\nbar: 2", "foo: 2\nbar: 1", false),
            ("vary: foo, bar", "foo: 1", "bar: 1", false),
            ("vary: foo, bar, baz", "foo: 1\nbaz: 3", "foo: 1\nbaz: 3", true),
            ("vary: foo, bar, baz", "foo: 1\nbar: 2\nbaz: 3", "foo: 1\nbaz: 3", false),
            ("vary: cookie", "cookie: a=1,2", "cookie: a=1, 2", false),
            ("vary: cookie", "cookie: a=1; b=2", "cookie: a=1\ncookie: b=2", true),
            ("vary: user-agent", "user-agent: a,b", "user-agent: a, b", false),
            (al, "accept-language: en, de", "accept-language: de, en", true),
            (al, "accept-language: en, de", "accept-language: eN ,  De", true),
            (al, "accept-language: en, de", "accept-language: en\naccept-language: de", true),
            (al, "accept-language: en, de;q=0.5", "accept-language: de;q=0.5, en;q=1.0", true),
            (al, "accept-language: en, de;q=0.5", "accept-language: en;q=0.5, de", false),
            (al, "accept-language: en", "accept-language: en, de", false),
            (al, "accept-language: en;x", "accept-language: en; x", false),
            (ae, "accept-encoding: gzip, br", "accept-encoding: BR,gzip", true),
            (ae, "accept-encoding: gzip, br;q=0", "accept-encoding: gzip", false),
            (ae, "accept-encoding: ", "", false),
            (ae, "accept-encoding: gzip;q=0.500", "accept-encoding: gzip;q=0.5", true),
        ];
        for (vary, kept, asked, expected) in cases {
            let found = matches(vary, kept, asked, &Policy::default());
            assert_eq!(found, expected, "{vary}: {kept:?}, {asked:?}");
        }
        let plain = Policy { normalise: false, ..Policy::default() };
        assert!(!matches(f, "foo: 1,2", "foo: 1, 2", &plain));
        assert!(!matches(al, "accept-language: en, de", "accept-language: de, en", &plain));
        assert!(matches(f, "foo: 1, 2", "foo: 1\nfoo: 2", &plain), "lines are always joined");
    }

    #[test]
    fn an_answer_in_the_language_that_is_wanted_most_suits() {
        let policy = Policy::default();
        let vary = Vary::read(&headers("vary: accept-language, foo"), &policy).unwrap().unwrap();
        let values = vary.values(&headers("accept-language: en, de"), &policy);
        let cases = [
            ("accept-language: fr;q=0.5, de;q=1.0", "de", true),
            ("accept-language: fr;q=0.5, DE;q=0.6", "de", true),
            ("accept-language: fr, de", "de", false),
            ("accept-language: fr, de;q=0.5", "de", false),
            ("accept-language: de;q=0", "de", false),
            ("accept-language: *", "*", false),
            ("accept-language: de-at", "de", false),
            ("accept-language: de", "de, en", false),
            ("accept-language: de\nfoo: 1", "de", false),
            ("", "de", false),
        ];
        for (asked, language, expected) in cases {
            let language = HeaderValue::from_static(language);
            let asked = headers(asked);
            let found = Vary::matches(vary.names(), &values, &asked, Some(&language), &policy);
            assert_eq!(found, expected, "{asked:?} {language:?}");
        }
    }

    /// What a header of this kind means, the long way round.
    fn meaning(list: &[(u8, u16)]) -> Vec<(u16, u8)> {
        let mut wishes: Vec<_> = list.iter().map(|(name, how)| (1000 - how, *name)).collect();
        wishes.sort_unstable();
        wishes.dedup();
        wishes
    }

    fn written(list: &[(u8, u16)], upper: bool) -> String {
        let wish = |(name, how): &(u8, u16)| {
            let name = char::from(b'a' + name);
            let name = if upper { name.to_ascii_uppercase() } else { name };
            format!("{name}{}q={}.{:03}", if upper { " ; " } else { ";" }, how / 1000, how % 1000)
        };
        let comma = if upper { " ,\t" } else { "," };
        format!("accept-language: {}", list.iter().map(wish).collect::<Vec<_>>().join(comma))
    }

    proptest! {
        #[test]
        fn values_are_equal_if_and_only_if_they_mean_the_same(
            a in prop::collection::vec((0_u8..3, (0_u16..3).prop_map(|how| how * 500)), 0..4),
            b in prop::collection::vec((0_u8..3, (0_u16..3).prop_map(|how| how * 500)), 0..4),
        ) {
            let found = matches(
                "vary: accept-language", &written(&a, false), &written(&b, true), &Policy::default(),
            );
            prop_assert_eq!(found, meaning(&a) == meaning(&b));
        }

        #[test]
        fn what_is_compared_is_what_would_be_kept(
            a in "[ab,;= \"\\\\]{0,8}", b in "[ab,;= \"\\\\]{0,8}", normalise: bool
        ) {
            let policy = Policy { normalise, ..Policy::default() };
            let vary = Vary::read(&headers("vary: foo, accept-encoding"), &policy).unwrap().unwrap();
            let request = |text: &str| headers(&format!("foo: {text}\naccept-encoding: {text}"));
            let (a, b) = (request(&a), request(&b));
            let (kept, other) = (vary.values(&a, &policy), vary.values(&b, &policy));
            prop_assert!(Vary::matches(vary.names(), &kept, &a, None, &policy));
            let found = Vary::matches(vary.names(), &kept, &b, None, &policy);
            prop_assert_eq!(found, kept == other);
        }

        #[test]
        fn any_values_are_compared_without_panic(values: Vec<u8>) {
            let names = [ACCEPT_LANGUAGE, USER_AGENT];
            Vary::matches(&names, &values, &HeaderMap::new(), None, &Policy::default());
        }
    }
}
