//! [`Principal`]: somebody who was made out, and what of it the origin is told.
//!
//! In: what a method found out. Out: roles, scopes and claims to be asked for, and header fields, ready
//! made: whoever comes again costs a reference. Values are made safe for a header field here.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{
    identity_token::{IdentityToken, Token},
    policy::Portrait,
};

/// Somebody who was made out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Principal {
    /// The section that knows them: `NAME` of `[auth.NAME]`.
    pub auth: Arc<str>,
    /// How: `api-key`, `basic` ...
    pub method: &'static str,
    /// Who: a user's name, a key's id, a token's `sub`.
    pub subject: Box<str>,
    /// Whether that is the name of all whom the section lets in.
    pub nameless: bool,
    /// Whether that is so of one of those who know them besides.
    pub also_nameless: bool,
    /// Who they are besides, where several sections had to know them: section and name.
    pub also: Box<[(Arc<str>, Box<str>)]>,
    /// Whose key it is, where that is another thing.
    pub owner: Option<Box<str>>,
    /// What they are.
    pub roles: Box<[Box<str>]>,
    /// What they were given leave to do.
    pub scopes: Box<[Box<str>]>,
    /// What else is said of them.
    pub claims: Map<String, Value>,
    /// What the origin is told, by `identity-headers`.
    pub headers: Box<[(HeaderName, HeaderValue)]>,
    /// What whoever knows them has the client set in its cookies.
    pub cookies: Box<[HeaderValue]>,
    /// A digest of all that is said of them, where the origin gets what says it, by `keep-credentials`; else nothing.
    pub seen: Box<[u8]>,
    /// A digest of what the token says of them that tells the origin, beside the name; else nothing.
    pub signed: Box<[u8]>,
    /// The token that tells the origin, by `identity-token`.
    pub(super) token: Token,
    /// Who they are to policies.
    pub(super) portrait: Portrait,
}

impl Principal {
    /// Whether they have this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|known| **known == *role)
    }

    /// Whether they have this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|known| **known == *scope)
    }

    /// A claim as text, for templates: scalars as they are, lists with commas between; an item's own commas are
    /// percent-encoded, so that it cannot read as two.
    pub fn claim_text(&self, name: &str) -> Option<String> {
        written(&*self.claim(name)?, separable)
    }

    /// A claim by its name, or by a path of names with dots between.
    pub fn claim(&self, name: &str) -> Option<Cow<'_, Value>> {
        if let Some(value) = within(&self.claims, name) {
            return Some(Cow::Borrowed(value));
        }
        let list = |words: &[Box<str>]| Value::from_iter(words.iter().map(|word| &**word));
        Some(Cow::Owned(match name {
            "sub" => Value::from(&*self.subject),
            "owner" => Value::from(self.owner.as_deref()?),
            "roles" => list(&self.roles),
            "scopes" => list(&self.scopes),
            "auth" => Value::from(&*self.auth),
            _ => return None,
        }))
    }

    /// The header field with the token that tells the origin, at this moment in milliseconds since 1970.
    pub fn token(&self, now: impl FnOnce() -> u64) -> Option<(&HeaderName, HeaderValue)> {
        self.token.field(self, now)
    }

    /// Makes one out of two that both hold: who they are is what the first says; roles, scopes and claims
    /// are those of both, and where they differ the first has the word.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        // What the second says of somebody else is not about whom the first names.
        both.also_nameless |= other.nameless || other.also_nameless;
        let second = std::iter::once((other.auth.clone(), other.subject.clone()));
        both.also = self.also.iter().cloned().chain(second).chain(other.also.to_vec()).collect();
        both.owner = self.owner.clone().or_else(|| other.owner.clone());
        both.roles = united(&self.roles, &other.roles);
        both.scopes = united(&self.scopes, &other.scopes);
        for (name, value) in &other.claims {
            both.claims.entry(name.clone()).or_insert_with(|| value.clone());
        }
        both.seen = [&*self.seen, &*other.seen].concat().into();
        both.token = self.token.or(&other.token);
        both.signed = both.token.says_of(&both);
        both.cookies = self.cookies.iter().chain(&other.cookies).cloned().collect();
        let new =
            |(name, _): &&(HeaderName, _)| self.headers.iter().all(|(known, _)| known != name);
        both.headers =
            self.headers.iter().chain(other.headers.iter().filter(new)).cloned().collect();
        both
    }

    /// Gives each thing beside the name by which an origin may tell what it answers them from what it answers others:
    /// who they are besides, roles, scopes, the header fields that it gets, and whatever its credentials say if it gets
    /// those.
    pub fn told(&self, each: &mut dyn FnMut(&[u8])) {
        for (auth, subject) in &self.also {
            each(auth.as_bytes());
            each(subject.as_bytes());
        }
        for words in [&self.roles, &self.scopes] {
            each(&words.len().to_le_bytes());
            words.iter().for_each(|word| each(word.as_bytes()));
        }
        for (name, value) in &self.headers {
            each(name.as_str().as_bytes());
            each(value.as_bytes());
        }
        for digest in [&self.seen, &self.signed] {
            if !digest.is_empty() {
                each(digest);
            }
        }
    }

    /// In one line, for people: `alice, roles admin and staff`.
    pub fn describe(&self) -> String {
        let mut text = self.subject.to_string();
        if let Some(owner) = &self.owner {
            let _ = write!(text, " of {owner}");
        }
        for (what, words) in [("roles", &self.roles), ("scopes", &self.scopes)] {
            if !words.is_empty() {
                let _ = write!(text, ", {what} {}", words.join(" "));
            }
        }
        text
    }
}

fn united(first: &[Box<str>], second: &[Box<str>]) -> Box<[Box<str>]> {
    let new = second.iter().filter(|word| !first.contains(word));
    first.iter().chain(new).cloned().collect()
}

/// A value by its name or its path.
pub(super) fn within<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    // Both parts may have dots of their own.
    name.match_indices('.').find_map(|(dot, _)| match claims.get(&name[..dot])? {
        Value::Object(inner) => within(inner, &name[dot + 1..]),
        _ => None,
    })
}

/// Which claims an origin is told in which header fields, and by which token.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Introduction {
    pub(super) fields: Box<[(HeaderName, Box<str>)]>,
    pub(super) token: Option<Arc<IdentityToken>>,
    /// Whether it gets their credentials as well.
    pub(super) keeps: bool,
}

impl Introduction {
    /// The principal with the header fields that say who it is. What it does not have is not said.
    #[must_use]
    pub(super) fn of(&self, mut principal: Principal) -> Principal {
        let field = |(name, claim): &(HeaderName, Box<str>)| {
            Some((name.clone(), header_value(&*principal.claim(claim)?)?))
        };
        principal.headers = self.fields.iter().filter_map(field).collect();
        principal.token = Token::new(self.token.clone());
        if self.keeps {
            principal.seen = seen(&principal.claims);
        }
        principal.signed = principal.token.says_of(&principal);
        principal
    }
}

/// Claims that are others with each token, whatever it says of somebody.
const OF_ONE_TOKEN: [&str; 5] = ["auth_time", "exp", "iat", "jti", "nbf"];

/// A digest of what claims say of somebody. It is made with the principal, not with each request.
pub(super) fn seen(claims: &Map<String, Value>) -> Box<[u8]> {
    let mut said: Vec<_> =
        claims.iter().filter(|(name, _)| !OF_ONE_TOKEN.contains(&name.as_str())).collect();
    said.sort_by_key(|(name, _)| name.as_str());
    // Each is JSON with an end of its own.
    let text: String = said
        .iter()
        .map(|(name, value)| format!("{}{value},", Value::from(name.as_str())))
        .collect();
    digest(&SHA256, text.as_bytes()).as_ref().into()
}

/// A claim as a header field's value.
fn header_value(claim: &Value) -> Option<HeaderValue> {
    HeaderValue::try_from(written(claim, sanitize)?).ok()
}

/// Writes a text, which may be an item of a list.
type Write = fn(&str, bool, &mut String);

/// A claim as text: scalars as they are, lists with commas between.
fn written(claim: &Value, write: Write) -> Option<String> {
    let mut text = String::new();
    match claim {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                scalar(item, true, write, &mut text)?;
            }
        }
        other => scalar(other, false, write, &mut text)?,
    }
    Some(text)
}

fn scalar(value: &Value, in_list: bool, write: Write, out: &mut String) -> Option<()> {
    match value {
        Value::String(text) => write(text, in_list, out),
        Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        // Whoever needs the whole of it reads the token.
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    }
    Some(())
}

/// Text stays as it is, for a place that makes it safe; but no item of a list can read as two.
fn separable(text: &str, in_list: bool, out: &mut String) {
    match in_list && text.contains([',', '%']) {
        true => out.push_str(&text.replace('%', "%25").replace(',', "%2C")),
        false => out.push_str(text),
    }
}

/// Printable ASCII stays as it is. Anything else, and `%`, is percent-encoded; so are commas in lists, and
/// spaces at either end: nothing in a value can end it, or read as two.
fn sanitize(text: &str, in_list: bool, out: &mut String) {
    let (first, last) = (0, text.len().saturating_sub(1));
    for (at, byte) in text.bytes().enumerate() {
        let edge = at == first || at == last;
        match byte {
            b'%' => out.push_str("%25"),
            b',' if in_list => out.push_str("%2C"),
            b' ' if edge => out.push_str("%20"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn principal(claims: Value) -> Principal {
        let Value::Object(claims) = claims else { unreachable!() };
        let words = |words: &[&str]| words.iter().map(|word| Box::from(*word)).collect();
        Principal {
            subject: "alice".into(),
            roles: words(&["admin", "a,b"]),
            scopes: words(&["x"]),
            claims,
            ..Principal::default()
        }
    }

    #[test]
    fn no_item_of_a_list_reads_as_two_in_a_template() {
        let claims = json!({ "city": "a, 5%", "groups": ["x", "y,z", "5%", 7], "deep": [[1]] });
        let who = principal(claims);
        for (name, text) in [
            ("sub", Some("alice")),
            ("roles", Some("admin,a%2Cb")),
            ("city", Some("a, 5%")),
            ("groups", Some("x,y%2Cz,5%25,7")),
            ("deep", None),
            ("none", None),
        ] {
            assert_eq!(who.claim_text(name).as_deref(), text, "{name}");
        }
    }

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let who = principal(json!({ "a": { "b": 1, "c.d": 2 }, "a.b": 3, "roles": ["own"] }));
        for (name, value) in [
            ("a.b", json!(3)),
            ("a.c.d", json!(2)),
            ("roles", json!(["own"])),
            ("sub", json!("alice")),
            ("scopes", json!(["x"])),
        ] {
            assert_eq!(who.claim(name).as_deref(), Some(&value), "{name}");
        }
        for name in ["", ".", "a.", "a.x", "owner", "b", "sub.x"] {
            assert_eq!(who.claim(name), None, "{name}");
        }
    }

    #[test]
    fn no_value_can_end_its_header_field_or_read_as_two() {
        let evil = "a\r\nx-role: admin";
        let who = principal(json!({
            "evil": evil, "list": ["a,b", "c"], "name": "Zoë 100%", "edge": " x ", "no": null,
            "deep": { "x": 1 }, "yes": true, "n": 7, "empty": "",
        }));
        let claims =
            ["evil", "list", "name", "edge", "no", "deep", "yes", "n", "empty", "roles", "gone"];
        let fields = claims.map(|claim| (HeaderName::from_static(claim), claim.into()));
        let who = Introduction { fields: fields.into(), ..Introduction::default() }.of(who);
        let said: Vec<_> = who
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            said,
            [
                ("evil", "a%0D%0Ax-role: admin"),
                ("list", "a%2Cb,c"),
                ("name", "Zo%C3%AB 100%25"),
                ("edge", "%20x%20"),
                ("yes", "true"),
                ("n", "7"),
                ("empty", ""),
                ("roles", "admin,a%2Cb"),
            ]
        );
    }

    #[test]
    fn whoever_sees_a_token_sees_all_that_it_says_of_somebody() {
        let seen = |keeps, claims| {
            Introduction { keeps, ..Introduction::default() }.of(principal(claims)).seen
        };
        let token = || json!({ "sub": "alice", "tenant": "a", "exp": 1, "iat": 2, "jti": "x" });
        assert!(seen(false, token()).is_empty());
        let again = json!({ "jti": "y", "nbf": 8, "exp": 9, "tenant": "a", "sub": "alice" });
        assert_eq!(seen(true, token()), seen(true, again), "the same in another token");
        for other in [
            json!({ "sub": "alice", "tenant": "b", "exp": 1, "iat": 2, "jti": "x" }),
            json!({ "sub": "alice", "tenant": ["a"], "exp": 1 }),
            json!({ "sub": "alice", "tenant": "a", "perms": [], "exp": 1 }),
            json!({ "sub": "alice", "exp": 1 }),
        ] {
            assert_ne!(seen(true, token()), seen(true, other.clone()), "{other}");
        }
    }

    #[test]
    fn of_two_the_first_has_the_word() {
        let field = |name: &'static str, value: &'static str| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut first = principal(json!({ "a": 1 }));
        first.headers = [field("x-user", "alice")].into();
        let mut second = principal(json!({ "a": 2, "b": 3 }));
        second.subject = "key".into();
        second.roles = ["admin".into(), "ops".into()].into();
        second.headers = [field("x-user", "key"), field("x-key", "k")].into();
        let both = first.and(&second);
        assert_eq!((&*both.subject, both.nameless), ("alice", false));
        assert_eq!(both.also, [("".into(), "key".into())].into());
        assert_eq!(both.roles.join(" "), "admin a,b ops");
        assert_eq!(Value::Object(both.claims), json!({ "a": 1, "b": 3 }));
        assert_eq!(both.headers, [field("x-user", "alice"), field("x-key", "k")].into());

        second.nameless = true;
        let (one, other) = (first.and(&second), second.and(&first));
        assert_eq!((one.nameless, one.also_nameless), (false, true));
        assert_eq!((other.nameless, other.also_nameless), (true, false));
    }

    #[test]
    fn whatever_an_origin_is_told_of_somebody_tells_them_apart() {
        let words = |words: &[&str]| words.iter().map(|word| Box::from(*word)).collect();
        let field = (HeaderName::from_static("x-user"), HeaderValue::from_static("alice"));
        let none = Principal::default();
        let all = [
            none.clone(),
            Principal { roles: words(&["a"]), ..none.clone() },
            Principal { scopes: words(&["a"]), ..none.clone() },
            Principal { roles: words(&["a", "b"]), ..none.clone() },
            Principal { roles: words(&["a,b"]), ..none.clone() },
            Principal { also: [("app".into(), "a".into())].into(), ..none.clone() },
            Principal { also: [("app".into(), "b".into())].into(), ..none.clone() },
            Principal { headers: [field].into(), ..none.clone() },
            Principal { seen: [1].into(), ..none.clone() },
            Principal { seen: [2].into(), ..none },
        ];
        let told = |who: &Principal| {
            let mut all: Vec<Vec<u8>> = Vec::new();
            who.told(&mut |bytes| all.push(bytes.to_vec()));
            all
        };
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(told(one), told(other), "{one:?} and {other:?}");
            }
        }
    }
}
