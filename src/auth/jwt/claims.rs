//! [`Rules`]: what a token has to say, and who it is about.
//!
//! In: claims, and the time. Out: the principal and its end, or what does not hold. A claim of another
//! kind than it should be (a number for a list, a text for a time) does not hold.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::principal::{Introduction, Principal, within};
use crate::{
    config::{self, Path, Problem, Problems},
    reject::Reject,
};

/// The most that clocks may differ.
const MOST_LEEWAY: Duration = Duration::from_secs(600);

/// What a section asks of tokens.
#[derive(Debug)]
pub(in crate::auth) struct Rules {
    issuer: Option<Box<str>>,
    /// None for anybody.
    audience: Box<[Box<str>]>,
    leeway_ms: f64,
    expires: bool,
    subject: Box<str>,
    roles: Box<[Box<str>]>,
    scopes: Box<[Box<str>]>,
    who: Principal,
    introduction: Introduction,
}

impl Rules {
    /// A section's rules; `who` is what all of its principals have in common.
    pub(in crate::auth) fn new(
        section: &config::Jwt,
        who: &Principal,
        introduction: &Introduction,
    ) -> Self {
        let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        Self {
            issuer: section.issuer.as_deref().map(Into::into),
            audience: section.audience.as_deref().map(words).unwrap_or_default(),
            leeway_ms: section.leeway.0.as_secs_f64() * 1000.0,
            expires: section.expires,
            subject: section.subject.as_str().into(),
            roles: words(&section.roles),
            scopes: words(&section.scopes),
            who: who.clone(),
            introduction: introduction.clone(),
        }
    }

    /// Says what a section has to say of tokens and does not; `author` is who writes them.
    pub(in crate::auth) fn check_section(
        section: &config::Jwt,
        author: &str,
        at: &Path,
        problems: &mut Problems,
    ) {
        if section.audience.is_none() {
            let problem = Problem::error(at.clone(), "it does not say for whom the tokens are");
            problems.push(problem.help(format!(
                "`audience = \"NAME\"`, as the {author} writes it; `audience = []` takes tokens for anybody"
            )));
        }
        if section.leeway.0 > MOST_LEEWAY {
            let message = "no clock is so wrong; 10 minutes at most";
            problems.push(Problem::error(at.key("leeway"), message));
        }
        if section.subject.is_empty() {
            problems.push(Problem::error(at.key("subject"), "a claim has a name"));
        }
    }

    /// Whether the token says that it is the issuer's. Before its signature is looked at: whose token it
    /// is not need not find out with which key he signed it.
    pub(in crate::auth) fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Reject> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        let is_his = claims.get("iss").and_then(Value::as_str) == Some(issuer);
        is_his.then_some(()).ok_or(Reject::AuthJwtIssuer)
    }

    /// Whether the claims hold now, and until when, in milliseconds since 1970.
    pub(in crate::auth) fn check(
        &self,
        claims: &Map<String, Value>,
        wall: u64,
    ) -> Result<u64, Reject> {
        self.check_issuer(claims)?;
        let is_ours = |aud: &Value| {
            aud.as_str().is_some_and(|aud| self.audience.iter().any(|ours| **ours == *aud))
        };
        let for_us = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        };
        if !for_us && !self.audience.is_empty() {
            return Err(Reject::AuthJwtAudience);
        }
        // Exact for the next 285,000 years.
        let now = wall as f64;
        let end = match time(claims, "exp")? {
            None if self.expires => return Err(Reject::AuthJwtClaims),
            None => f64::INFINITY,
            Some(end) => end + self.leeway_ms,
        };
        if now >= end {
            return Err(Reject::AuthJwtExpired);
        }
        if time(claims, "nbf")?.is_some_and(|begin| now + self.leeway_ms < begin) {
            return Err(Reject::AuthJwtNotYet);
        }
        // It saturates.
        Ok(end as u64)
    }

    /// Who the token is about.
    pub(in crate::auth) fn principal(
        &self,
        claims: Map<String, Value>,
    ) -> Result<Principal, Reject> {
        let subject = within(&claims, &self.subject).and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty()).ok_or(Reject::AuthJwtClaims)?;
        let mut who = Principal { subject: subject.into(), ..self.who.clone() };
        let all = |names: &[Box<str>], split: bool| {
            let mut found = Vec::new();
            for value in names.iter().filter_map(|name| within(&claims, name)) {
                collect(value, split, &mut found)?;
            }
            Ok(found.into())
        };
        who.roles = all(&self.roles, false)?;
        who.scopes = all(&self.scopes, true)?;
        who.claims = claims;
        Ok(self.introduction.of(who))
    }
}

/// Words: a list of them, or one text.
fn collect(value: &Value, split: bool, into: &mut Vec<Box<str>>) -> Result<(), Reject> {
    let mut take = |word: &str| {
        if !word.is_empty() && into.iter().all(|known| **known != *word) {
            into.push(word.into());
        }
    };
    match value {
        Value::String(text) if split => text.split(' ').for_each(take),
        Value::String(text) => take(text),
        Value::Array(words) => {
            for word in words {
                take(word.as_str().ok_or(Reject::AuthJwtClaims)?);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(Reject::AuthJwtClaims),
    }
    Ok(())
}

/// A time (NumericDate) in milliseconds since 1970.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Reject> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(seconds * 1000.0)),
            None => Err(Reject::AuthJwtClaims),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Jwt, OneOrMany};

    const NOW: u64 = 1_000_000;

    fn rules(section: &Jwt) -> Rules {
        Rules::new(section, &Principal::default(), &Introduction::default())
    }

    fn section() -> Jwt {
        let audience = Some(OneOrMany(vec!["us".into(), "them".into()]));
        Jwt { issuer: Some("i".into()), audience, ..Jwt::default() }
    }

    fn checked(rules: &Rules, claims: Value) -> Result<u64, Reject> {
        let Value::Object(claims) = claims else { unreachable!() };
        rules.check(&claims, NOW)
    }

    #[test]
    fn claims_hold_or_are_refused_for_their_reason() {
        let rules = rules(&section());
        for (claims, expected) in [
            (json!({"iss":"i","aud":"us","exp":1001}), Ok(1_031_000)),
            (json!({"iss":"i","aud":["x",1,"them"],"exp":971}), Ok(1_001_000)),
            (json!({"iss":"i","aud":"us","exp":970.5,"nbf":1030}), Ok(1_000_500)),
            (json!({"iss":"i","aud":"us","exp":1e300}), Ok(u64::MAX)),
            (json!({"iss":"i","aud":"us","exp":970}), Err(Reject::AuthJwtExpired)),
            (json!({"iss":"i","aud":"us","exp":-1}), Err(Reject::AuthJwtExpired)),
            (json!({"iss":"i","aud":"us"}), Err(Reject::AuthJwtClaims)),
            (json!({"iss":"i","aud":"us","exp":"2000"}), Err(Reject::AuthJwtClaims)),
            (json!({"iss":"i","aud":"us","exp":null}), Err(Reject::AuthJwtClaims)),
            (json!({"iss":"i","aud":"us","exp":2000,"nbf":1030.1}), Err(Reject::AuthJwtNotYet)),
            (json!({"iss":"i","aud":"us","exp":2000,"nbf":"0"}), Err(Reject::AuthJwtClaims)),
            (json!({"iss":"I","aud":"us","exp":2000}), Err(Reject::AuthJwtIssuer)),
            (json!({"iss":["i"],"aud":"us","exp":2000}), Err(Reject::AuthJwtIssuer)),
            (json!({"aud":"us","exp":2000}), Err(Reject::AuthJwtIssuer)),
            (json!({"iss":"i","exp":2000}), Err(Reject::AuthJwtAudience)),
            (json!({"iss":"i","aud":"","exp":2000}), Err(Reject::AuthJwtAudience)),
            (json!({"iss":"i","aud":[],"exp":2000}), Err(Reject::AuthJwtAudience)),
            (json!({"iss":"i","aud":{"us":1},"exp":2000}), Err(Reject::AuthJwtAudience)),
            (json!({"iss":"i","aud":"us them","exp":2000}), Err(Reject::AuthJwtAudience)),
        ] {
            assert_eq!(checked(&rules, claims.clone()), expected, "{claims}");
        }
        let anybody =
            Jwt { audience: Some(OneOrMany::default()), expires: false, ..Jwt::default() };
        assert_eq!(checked(&self::rules(&anybody), json!({})), Ok(u64::MAX));
    }

    #[test]
    fn roles_and_scopes_are_found_where_they_are_said_to_be() {
        let roles = OneOrMany(vec!["realm.roles".into(), "role".into()]);
        let rules = rules(&Jwt { roles, subject: "user.id".into(), ..section() });
        let of = |claims: Value| {
            let Value::Object(claims) = claims else { unreachable!() };
            let who = rules.principal(claims)?;
            Ok((who.subject.to_string(), who.roles.join("|"), who.scopes.join("|")))
        };
        for (claims, subject, roles, scopes) in [
            (
                json!({"user":{"id":"a"},"realm":{"roles":["x","y"]},"role":"x z"}),
                "a",
                "x|y|x z",
                "",
            ),
            (json!({"user.id":"a","scope":"r w  r","scp":["x"]}), "a", "", "r|w|x"),
            (json!({"user.id":"a","scope":null,"realm":{}}), "a", "", ""),
        ] {
            let expected = (subject.into(), roles.into(), scopes.into());
            assert_eq!(of(claims.clone()), Ok(expected), "{claims}");
        }
        for claims in [
            json!({"sub":"a"}),
            json!({"user.id":""}),
            json!({"user.id":7}),
            json!({"user.id":"a","role":7}),
            json!({"user.id":"a","role":["x",7]}),
            json!({"user.id":"a","scope":{"x":true}}),
        ] {
            assert_eq!(of(claims.clone()), Err(Reject::AuthJwtClaims), "{claims}");
        }
    }
}
