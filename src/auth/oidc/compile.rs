//! From the section to an [`Oidc`], or to all that is wrong with it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Oidc, Shared,
    flow::{Key, Once},
    idp::Idp,
    sessions::Limits,
    sharing::{safe, sessions},
};
use crate::{
    auth::{
        discovery,
        jwt::{
            claims::Rules,
            keys::{Keys, Place as KeyPlace, Source},
        },
        place::Place,
        principal::{Introduction, Principal},
        provider::Given,
    },
    config::{self, Path, Problem, Problems},
    dial::{Destination, Fetcher},
    metrics::AuthMetrics,
};

/// The longest that a session lives.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Parameters of the provider's login page that are ours.
const OURS: [&str; 9] = [
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

impl Oidc {
    /// Compiles the section at `at`; `who` is what all of its principals have in common. Sessions that
    /// began `before` at the same provider go on, seen by the rules that hold now.
    pub(in crate::auth) fn compile(
        section: &config::Oidc,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        check(section, at, problems);
        Rules::check_section(&as_jwt(section), "provider", at, problems);
        let before = before.map(|before| &*before.shared);
        let before = before.filter(|before| {
            before.section.issuer == section.issuer && before.section.client_id == section.client_id
        });
        let name = who.auth.clone();
        let idp = idp(section, who, introduction, before, &given.metrics, at, problems);
        let safe = safe(&name, section, given, at, problems);
        let cookies = problems.keep(cookies(&name, section, at))?;
        let paths = paths(&name, section, at, problems)?;
        let (idp, safe) = (idp?, safe?);
        let key = match (&safe, before) {
            (Some((_, vault)), _) => vault.flows().map(Arc::new),
            (None, Some(before)) if before.section.store.is_none() => Ok(before.key.clone()),
            (None, _) => Key::new().map(Arc::new),
        };
        let key = key.map_err(|message| Problem::error(at.clone(), message));
        let sessions = sessions(section, (who, introduction), before, safe, &idp.rules, given);
        let shared = Shared {
            places: places(&cookies),
            cookies: cookies.map(Into::into),
            paths,
            key: problems.keep(key)?,
            once: before
                .map(|before| before.once.clone())
                .unwrap_or_else(|| Arc::new(Once::default())),
            limits: limits(section),
            waiting: Semaphore::new(section.max_waiting.into()),
            section: section.clone(),
            introduction: introduction.clone(),
            name,
            idp,
            sessions,
            metrics: given.metrics.clone(),
        };
        Some(Self { shared: Arc::new(shared), sweeper: OnceLock::new() })
    }
}

/// Where they are.
fn places([session, flows]: &[String; 2]) -> [Place; 2] {
    [Place::Cookie(session.as_str().into()), Place::Cookies(flows.as_str().into())]
}

/// The name of a session's cookie, and the beginning of those of logins, which is no other section's: a
/// section's name has no `~`.
fn cookies(name: &str, section: &config::Oidc, at: &Path) -> Result<[String; 2], Problem> {
    let prefix = if section.insecure_cookies { "" } else { "__Host-" };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let message = "its name is also a cookie's: letters, digits, `-`, `.` and `_`";
    match name.bytes().all(is_token) {
        true => Ok([format!("{prefix}janua-{name}"), format!("{prefix}janua-{name}-login~")]),
        false => Err(Problem::error(at.clone(), message)),
    }
}

/// The paths of the doors.
fn paths(
    name: &str,
    section: &config::Oidc,
    at: &Path,
    problems: &mut Problems,
) -> Option<[Box<str>; 3]> {
    let path = |own: &Option<String>, key: &'static str, problems: &mut Problems| {
        let path = own.clone().unwrap_or_else(|| format!("/.janua/{name}/{key}"));
        let is_plain = |byte: u8| matches!(byte, b'!'..=b'~') && !b"{}*?#%\\\"<>".contains(&byte);
        let good = path.starts_with('/') && !path.starts_with("//") && path.bytes().all(is_plain);
        let problem = || Problem::error(at.key(key), format!("`{path}` is not a path"));
        problems.keep(good.then(|| path.as_str().into()).ok_or_else(problem))
    };
    let callback = path(&section.callback, "callback", problems);
    let logout = path(&section.logout, "logout", problems);
    let backchannel = path(&section.backchannel_logout, "backchannel-logout", problems);
    let all = [callback?, logout?, backchannel?];
    for (index, key) in [(1, "logout"), (2, "backchannel-logout")] {
        if all[..index].contains(&all[index]) {
            let message = format!("`{}` is for something else already", all[index]);
            problems.push(Problem::error(at.key(key), message));
        }
    }
    Some(all)
}

fn limits(section: &config::Oidc) -> Limits {
    let millis = |time: config::Duration| u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX);
    Limits {
        idle: millis(section.idle),
        lifetime: millis(section.lifetime),
        most: usize::try_from(section.max_sessions).unwrap_or(usize::MAX),
    }
}

/// What has to be said, and what goes together.
fn check(section: &config::Oidc, at: &Path, problems: &mut Problems) {
    if section.insecure_cookies {
        let message = "anybody on the way can take a session";
        let problem = Problem::finding(at.key("insecure-cookies"), message);
        problems.push(problem.help("leave it out where people log in"));
    }
    let mut wrong = |key: &'static str, message: String, help: &str| {
        let problem = Problem::error(at.key(key), message);
        problems.push(if help.is_empty() { problem } else { problem.help(help.to_owned()) });
    };
    if section.client_id.is_empty() {
        let help = "what the provider calls this gateway: it gave it when it was registered";
        wrong("client-id", "it does not say who asks".into(), help);
    }
    if !section.request_scopes.iter().any(|scope| scope == "openid") {
        wrong("request-scopes", "without `openid` there is no ID token".into(), "add \"openid\"");
    }
    for name in section.parameters.keys().filter(|name| OURS.contains(&name.as_str())) {
        wrong("parameters", format!("`{name}` is Janua's own to say"), "");
    }
    for algorithm in section.algorithms.iter() {
        if crate::auth::jwt::key_set::secret_size(*algorithm).is_some() {
            wrong(
                "algorithms",
                format!("{algorithm:?} needs a secret; ID tokens are signed by keys"),
                "",
            );
        }
    }
    if section.lifetime.0 > LONGEST || section.lifetime.0.is_zero() {
        wrong("lifetime", "a session lives for 30 days at most".into(), "");
    }
    if section.idle.0.is_zero() {
        wrong("idle", "a session would end at once".into(), "");
    }
    if section.max_sessions == 0 {
        wrong("max-sessions", "nobody could log in".into(), "");
    }
    if let Some(url) = &section.public_url
        && !is_origin(url)
    {
        let help = "scheme, host and port: https://app.example.com";
        wrong("public-url", format!("`{url}` is not where browsers come"), help);
    }
    if let Some(to) = &section.after_logout {
        let is_path = to.starts_with('/') && !to.starts_with("//");
        let good = to.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        if !good || !(is_path || to.starts_with("https://") || to.starts_with("http://")) {
            wrong("after-logout", format!("`{to}` is neither a path nor a URL"), "");
        }
    }
}

/// What is asked of ID tokens, as of any others.
fn as_jwt(section: &config::Oidc) -> config::Jwt {
    config::Jwt {
        issuer: Some(section.issuer.clone()),
        audience: Some(config::OneOrMany(vec![section.client_id.clone()])),
        leeway: section.leeway,
        subject: section.subject.clone(),
        roles: section.roles.clone(),
        scopes: section.scopes.clone(),
        ..config::Jwt::default()
    }
}

/// Whether this is scheme, host and port.
fn is_origin(url: &str) -> bool {
    let url = url.strip_suffix('/').unwrap_or(url);
    Destination::parse(url).is_ok() && url.matches('/').count() == 2 && !url.contains(['?', '#'])
}

/// The provider.
fn idp(
    section: &config::Oidc,
    who: &Principal,
    introduction: &Introduction,
    before: Option<&Shared>,
    metrics: &Arc<AuthMetrics>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Idp> {
    let fetcher = Fetcher::compile(&section.fetch, &at.key("fetch"), problems);
    let secret = section.client_secret.as_ref().map(|secret| {
        let secret = secret.reveal();
        let secret =
            secret.and_then(|it| if it.is_empty() { Err("it is empty".into()) } else { Ok(it) });
        problems.keep(secret.map_err(|message| Problem::error(at.key("client-secret"), message)))
    });
    let issuer = &section.issuer;
    let url = discovery::url(issuer);
    let to = match issuer.is_empty() {
        true => Err(Problem::error(at.key("issuer"), "it does not say where people log in")
            .help("`issuer = \"https://..\"`")),
        false => {
            Destination::parse(&url).map_err(|message| Problem::error(at.key("issuer"), message))
        }
    };
    let to = problems.keep(to)?;
    if !to.is_protected() {
        let message = "anybody on the way can say who somebody is";
        problems.push(Problem::finding(at.key("issuer"), message).help("write https://"));
    }
    let fetcher = fetcher?;
    let usual = config::Jwt::default();
    let source = Source {
        place: KeyPlace::Discovery(issuer.clone(), to),
        fetcher: fetcher.clone(),
        algorithms: section.algorithms.to_vec(),
        max_keys: usual.max_keys.into(),
        refresh: usual.refresh.0,
        cool_down: usual.cool_down.0,
        max_stale: usual.max_stale.0,
    };
    let known = before.map(|before| &before.idp.keys);
    Some(Idp {
        issuer: issuer.clone(),
        client_id: section.client_id.clone(),
        secret: match secret {
            Some(secret) => Some(secret?),
            None => None,
        },
        client_auth: section.client_auth,
        userinfo: section.userinfo,
        rules: Arc::new(Rules::new(&as_jwt(section), who, introduction)),
        keys: Keys::fetched(source, known, who.auth.clone(), metrics.clone()),
        fetcher,
    })
}
