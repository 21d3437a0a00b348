//! [`Allow`]: what somebody has to be, so that they may make a request.
//!
//! In: a principal and a method. Out: nothing, or the first thing that it lacks. All conditions of a
//! table must hold. Of several roles one is enough, as with groups; of several scopes each is asked for,
//! as a token carries those that its bearer was given leave for.

use std::collections::BTreeMap;

use http::{HeaderValue, Method};
use serde_json::Value;

use super::principal::Principal;
use crate::{
    config::{self, ClaimValue, Enforce, OneOrMany, Path, Problem, Problems, nearest},
    reject::Reject,
};

/// What somebody has to be.
#[derive(Debug)]
pub(super) struct Allow {
    methods: Box<[(Method, Rule)]>,
    others: Rule,
    /// Whether a refusal is only told.
    pub(super) report: bool,
}

/// What somebody has to be for a method.
#[derive(Debug)]
struct Rule {
    own: Conditions,
    any: Box<[Conditions]>,
    all: Box<[Conditions]>,
    not: Option<Conditions>,
    /// What a bearer is told who lacks a scope (RFC 6750 section 3.1).
    insufficient: Option<HeaderValue>,
}

/// A claim's name, and the values of which it has to have one.
type Claim = (Box<str>, Box<[Value]>);

/// Conditions that must all hold.
#[derive(Debug, Default)]
struct Conditions {
    /// One of these.
    roles: Box<[Box<str>]>,
    /// Each of these.
    scopes: Box<[Box<str>]>,
    /// Each of these, with one of its values.
    claims: Box<[Claim]>,
}

impl Allow {
    /// Compiles the table at `at`.
    pub(super) fn compile(allow: &config::Allow, at: &Path, problems: &mut Problems) -> Self {
        let mut methods: Vec<(Method, Rule)> = Vec::new();
        for (names, rule) in &allow.methods {
            let at = at.key(names.clone());
            let rule = |problems: &mut Problems| Rule::compile(rule, &at, problems);
            for name in names.split([',', ' ']).filter(|name| !name.is_empty()) {
                match method(name) {
                    Err(help) => {
                        let problem = Problem::error(at.clone(), format!("unknown key `{name}`"));
                        problems.push(problem.help(help));
                    }
                    Ok(method) if methods.iter().any(|(known, _)| *known == method) => {
                        let message = format!("`{method}` has conditions of its own already");
                        problems.push(Problem::error(at.clone(), message));
                    }
                    Ok(method) => methods.push((method, rule(problems))),
                }
            }
        }
        let others = allow.rule();
        // Beside methods with their own, it is enough to be somebody.
        let others = match others == config::Rule::default() && !allow.methods.is_empty() {
            true => Rule::anybody(),
            false => Rule::compile(&others, at, problems),
        };
        Self { methods: methods.into(), others, report: allow.enforce == Enforce::Report }
    }

    /// Whether somebody may make a request by this method.
    pub(super) fn judge(&self, who: &Principal, method: &Method) -> Result<(), Reject> {
        self.rule(method).judge(who)
    }

    /// Each condition for a method and whether it holds, in words.
    pub(super) fn explain(&self, who: &Principal, method: &Method) -> String {
        let rule = self.rule(method);
        let mut words: Vec<String> = Vec::new();
        rule.own.explain(who, &mut words);
        for (key, list) in [("all", &rule.all), ("any", &rule.any)] {
            for one in list {
                let mut inner = Vec::new();
                one.explain(who, &mut inner);
                words.push(format!("{key} ({})", inner.join(", ")));
            }
        }
        if let Some(not) = &rule.not {
            let mut inner = Vec::new();
            not.explain(who, &mut inner);
            words.push(format!("not ({})", inner.join(", ")));
        }
        let judged = rule.judge(who).err().filter(|_| self.report);
        if let Some(reject) = judged {
            words.push(format!("only reports {}", reject.reason()));
        }
        if words.is_empty() { "everybody who is known may".into() } else { words.join("; ") }
    }

    /// What a bearer is told who lacks a scope for this method.
    pub(super) fn insufficient(&self, method: &Method) -> Option<&HeaderValue> {
        self.rule(method).insufficient.as_ref()
    }

    /// The rule for a method. HEAD asks for what GET would give.
    fn rule(&self, method: &Method) -> &Rule {
        let of = |method: &Method| {
            self.methods.iter().find(|(known, _)| known == method).map(|(_, rule)| rule)
        };
        let own = of(method);
        let own = if *method == Method::HEAD { own.or_else(|| of(&Method::GET)) } else { own };
        own.unwrap_or(&self.others)
    }
}

/// A method by its name; else what may have been meant.
fn method(name: &str) -> Result<Method, String> {
    const KEYS: [&str; 7] = ["role", "scope", "claim", "any", "all", "not", "enforce"];
    const METHODS: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    let upper =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match Method::from_bytes(name.as_bytes()) {
        Ok(method) if upper => Ok(method),
        _ => Err(match nearest(name, KEYS.into_iter().chain(METHODS)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`role`, `scope`, `claim`, `any`, `all`, `not`, `enforce`, or a method in upper case".into(),
        }),
    }
}

impl Rule {
    fn anybody() -> Self {
        let none = Box::default;
        Self { own: Conditions::default(), any: none(), all: none(), not: None, insufficient: None }
    }

    fn compile(rule: &config::Rule, at: &Path, problems: &mut Problems) -> Self {
        let config::Rule { role, scope, claim, any, all, not } = rule;
        if *rule == config::Rule::default() {
            let problem = Problem::error(at.clone(), "it asks for nothing");
            problems.push(problem.help("`{ role = \"admin\" }`, say"));
        }
        let mut list = |list: &[config::Conditions], key: &'static str| {
            let one = |(index, conditions): (usize, &config::Conditions)| {
                Conditions::checked(conditions, &at.key(key).index(index), problems)
            };
            list.iter().enumerate().map(one).collect::<Box<[_]>>()
        };
        let (any, all) = (list(any, "any"), list(all, "all"));
        let not = not.as_ref().map(|not| Conditions::checked(not, &at.key("not"), problems));
        let own = Conditions::compile(role, scope, claim);
        let scopes: Vec<_> =
            all.iter().chain([&own]).flat_map(|one| &one.scopes).map(|scope| &**scope).collect();
        let told = format!(
            "Bearer error=\"insufficient_scope\", scope={}",
            super::quoted(&scopes.join(" "))
        );
        let insufficient = HeaderValue::try_from(told).ok().filter(|_| !scopes.is_empty());
        Self { own, any, all, not, insufficient }
    }

    fn judge(&self, who: &Principal) -> Result<(), Reject> {
        self.own.judge(who)?;
        self.all.iter().try_for_each(|one| one.judge(who))?;
        let one_of_any = self.any.is_empty() || self.any.iter().any(|one| one.judge(who).is_ok());
        let none_of_not = self.not.as_ref().is_none_or(|not| not.judge(who).is_err());
        if one_of_any && none_of_not { Ok(()) } else { Err(Reject::AuthzRule) }
    }
}

impl Conditions {
    fn checked(conditions: &config::Conditions, at: &Path, problems: &mut Problems) -> Self {
        let config::Conditions { role, scope, claim } = conditions;
        if *conditions == config::Conditions::default() {
            problems.push(Problem::error(at.clone(), "it asks for nothing"));
        }
        Self::compile(role, scope, claim)
    }

    fn compile(
        role: &[String],
        scope: &[String],
        claims: &BTreeMap<String, OneOrMany<ClaimValue>>,
    ) -> Self {
        let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        let claim = |(name, values): (&String, &OneOrMany<ClaimValue>)| {
            (name.as_str().into(), values.iter().map(value).collect())
        };
        let claims = claims.iter().map(claim).collect();
        Self { roles: words(role), scopes: words(scope), claims }
    }

    /// Each condition and whether it holds.
    fn explain(&self, who: &Principal, words: &mut Vec<String>) {
        let verdict = |holds: bool| if holds { "yes" } else { "no" };
        if !self.roles.is_empty() {
            let holds = self.roles.iter().any(|role| who.has_role(role));
            words.push(format!("role {}: {}", self.roles.join(" or "), verdict(holds)));
        }
        for scope in &self.scopes {
            words.push(format!("scope {scope}: {}", verdict(who.has_scope(scope))));
        }
        for claim in &self.claims {
            words.push(format!("claim {}: {}", claim.0, verdict(holds(claim, who))));
        }
    }

    fn judge(&self, who: &Principal) -> Result<(), Reject> {
        if !self.roles.is_empty() && !self.roles.iter().any(|role| who.has_role(role)) {
            return Err(Reject::AuthzRole);
        }
        if !self.scopes.iter().all(|scope| who.has_scope(scope)) {
            return Err(Reject::AuthzScope);
        }
        let all = self.claims.iter().all(|claim| holds(claim, who));
        if all { Ok(()) } else { Err(Reject::AuthzClaim) }
    }
}

/// A value as claims have it.
pub(super) fn value(value: &ClaimValue) -> Value {
    match value {
        ClaimValue::Text(text) => Value::from(text.as_str()),
        ClaimValue::Truth(truth) => Value::from(*truth),
        ClaimValue::Integer(integer) => Value::from(*integer),
    }
}

/// Whether a claim has one of its values, or holds one where it is a list.
fn holds((name, values): &Claim, who: &Principal) -> bool {
    match who.claim(name).as_deref() {
        Some(Value::Array(items)) => items.iter().any(|item| values.contains(item)),
        Some(value) => values.contains(value),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const WORDS: [&str; 3] = ["a", "b", "c"];

    fn words() -> impl Strategy<Value = Vec<String>> {
        proptest::sample::subsequence(WORDS.map(String::from).to_vec(), 0..=3)
    }

    fn conditions() -> impl Strategy<Value = config::Conditions> {
        (words(), words(), words()).prop_map(|(role, scope, claim)| config::Conditions {
            role: OneOrMany(role),
            scope: OneOrMany(scope),
            claim: match claim.is_empty() {
                true => BTreeMap::new(),
                false => {
                    let values = claim.into_iter().map(ClaimValue::Text).collect();
                    [("c".into(), OneOrMany(values))].into()
                }
            },
        })
    }

    fn rule() -> impl Strategy<Value = config::Rule> {
        let list = || proptest::collection::vec(conditions(), 0..3);
        let all = (conditions(), list(), list(), proptest::option::of(conditions()));
        all.prop_map(|(own, any, all, not)| config::Rule {
            role: own.role,
            scope: own.scope,
            claim: own.claim,
            any,
            all,
            not,
        })
    }

    fn principal() -> impl Strategy<Value = Principal> {
        let boxed = |words: Vec<String>| words.into_iter().map(String::into_boxed_str).collect();
        (words(), words(), words(), any::<bool>()).prop_map(move |(roles, scopes, claim, one)| {
            let claim = if one { json!(claim.first()) } else { json!(claim) };
            let claims = [("c".to_owned(), claim)].into_iter().collect();
            Principal { roles: boxed(roles), scopes: boxed(scopes), claims, ..Principal::default() }
        })
    }

    /// The same, said as the documentation says it.
    fn may(who: &Principal, role: &[String], scope: &[String], claim: &[ClaimValue]) -> bool {
        let has = |list: &[Box<str>], word: &String| list.iter().any(|known| **known == **word);
        let values = match &who.claims["c"] {
            Value::Array(values) => values.clone(),
            value => vec![value.clone()],
        };
        let is = |wanted: &ClaimValue| match wanted {
            ClaimValue::Text(text) => values.contains(&json!(text)),
            ClaimValue::Truth(_) | ClaimValue::Integer(_) => false,
        };
        (role.is_empty() || role.iter().any(|word| has(&who.roles, word)))
            && scope.iter().all(|word| has(&who.scopes, word))
            && (claim.is_empty() || claim.iter().any(is))
    }

    fn holds_for(who: &Principal, one: &config::Conditions) -> bool {
        let claim = one.claim.get("c").map(|claim| &claim[..]).unwrap_or_default();
        may(who, &one.role, &one.scope, claim)
    }

    proptest! {
        #[test]
        fn a_rule_means_what_its_documentation_says(rule in rule(), who in principal()) {
            let own = config::Conditions {
                role: rule.role.clone(),
                scope: rule.scope.clone(),
                claim: rule.claim.clone(),
            };
            let expected = holds_for(&who, &own)
                && rule.all.iter().all(|one| holds_for(&who, one))
                && (rule.any.is_empty() || rule.any.iter().any(|one| holds_for(&who, one)))
                && !rule.not.as_ref().is_some_and(|not| holds_for(&who, not));
            let compiled = Rule::compile(&rule, &Path::root(), &mut Problems::new());
            let judged = compiled.judge(&who);
            prop_assert_eq!(judged.is_ok(), expected, "{:?}", judged);
        }

        #[test]
        fn more_roles_and_scopes_never_take_away_what_was_allowed_without_a_not(
            rule in rule(), who in principal(), more in words(),
        ) {
            let rule = config::Rule { not: None, ..rule };
            let compiled = Rule::compile(&rule, &Path::root(), &mut Problems::new());
            if compiled.judge(&who).is_ok() {
                let more: Vec<Box<str>> = more.into_iter().map(String::into_boxed_str).collect();
                let mut richer = who.clone();
                richer.roles = who.roles.iter().chain(&more).cloned().collect();
                richer.scopes = who.scopes.iter().chain(&more).cloned().collect();
                prop_assert!(compiled.judge(&richer).is_ok());
            }
        }
    }
}
