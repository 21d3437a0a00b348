//! [`Door`]: an address of the gateway's own, where browsers come back from a login or go to log out, and
//! where the provider tells who logged out elsewhere.
//!
//! In: a request. Out: its whole answer, or why it is refused. Each is a target of the route table, on the
//! hosts of the routes that use the section.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, ORIGIN, REFERER, REFERRER_POLICY, SET_COOKIE},
};
use tokio::time::timeout;

use super::{
    SESSION, Shared,
    flow::{self, Flow},
    idp::{self, Doors, Tokens},
    refusal,
    sessions::{Record, Sessions, Shown, Whose},
};
use crate::{
    auth::{Ask, Refusal, provider::Provider},
    reject::Reject,
};

/// Bytes of a provider's form.
pub(super) const LONGEST_FORM: u64 = 32 << 10;

/// How old a logout token may be, in milliseconds.
const LOGOUT_AGE: u64 = 600_000;

/// What a door is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::auth) enum End {
    /// Browsers come back from a login.
    Callback,
    /// Browsers go to log out.
    Logout,
    /// The provider tells who logged out.
    BackchannelLogout,
}

impl End {
    pub(super) const ALL: [Self; 3] = [Self::Callback, Self::Logout, Self::BackchannelLogout];

    const fn name(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Logout => "logout",
            Self::BackchannelLogout => "backchannel-logout",
        }
    }
}

/// An address of the gateway's own.
#[derive(Clone, Debug)]
pub struct Door {
    provider: Arc<Provider>,
    end: End,
}

impl Door {
    /// The doors of a section, each with its path.
    pub fn all(provider: &Arc<Provider>) -> Vec<(Self, String)> {
        let Some(oidc) = provider.login() else { return Vec::new() };
        let door =
            |(end, path): (End, &str)| (Self { provider: provider.clone(), end }, path.into());
        oidc.ends().map(door).collect()
    }

    /// Its name: the section's, and what it is for.
    pub fn name(&self) -> String {
        format!("auth.{}.{}", self.provider.name, self.end.name())
    }

    /// The section's name, and the key that says where the door is.
    pub fn key(&self) -> (&str, &'static str) {
        (&self.provider.name, self.end.name())
    }

    /// What happens there, in words.
    pub const fn does(&self) -> &'static str {
        match self.end {
            End::Callback => "browsers come back here from a login",
            End::Logout => "browsers log out here",
            End::BackchannelLogout => "the identity provider tells here who logged out",
        }
    }

    /// The methods that it takes.
    pub const fn methods(&self) -> &'static [&'static str] {
        match self.end {
            End::Callback => &["GET"],
            End::Logout => &["GET", "POST"],
            End::BackchannelLogout => &["POST"],
        }
    }

    /// Bytes of a request's body that it reads; others it does not look at.
    pub const fn reads(&self) -> Option<u64> {
        match self.end {
            End::Callback | End::Logout => None,
            End::BackchannelLogout => Some(LONGEST_FORM),
        }
    }

    /// Answers a request with this body, that came by this origin.
    ///
    /// # Errors
    /// Why it does not open.
    pub async fn open(
        &self,
        ask: Ask<'_>,
        origin: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, Closed> {
        let oidc = self.provider.login().ok_or(Reject::Internal)?;
        let shared = &*oidc.shared;
        match self.end {
            End::Callback => {
                let came = shared.come_back(&ask).await;
                match came {
                    Ok(_) => shared.metrics.logins_ok.inc(),
                    Err(_) => shared.metrics.logins_failed.inc(),
                }
                came
            }
            End::Logout => Ok(shared.log_out(&ask, origin).await?),
            End::BackchannelLogout => Ok(shared.logged_out(&ask, &body).await?),
        }
    }
}

/// Why a door does not open.
#[derive(Debug)]
pub struct Closed {
    /// The refusal.
    pub refusal: Refusal,
    /// The cookie that the browser need not keep.
    pub cookie: Option<HeaderValue>,
}

impl From<Reject> for Closed {
    fn from(reject: Reject) -> Self {
        Self { refusal: refusal(reject), cookie: None }
    }
}

impl Shared {
    /// A browser comes back from the provider. Once its login is used up its cookie goes, whatever came
    /// of it.
    async fn come_back(&self, ask: &Ask<'_>) -> Result<Response<Bytes>, Closed> {
        let names = ["state", "iss", "error", "code"];
        let answer = idp::read(ask.query.unwrap_or_default(), names);
        let answer = answer.ok_or(Reject::AuthOidcResponse)?;
        let [state, ..] = &answer;
        let (name, flow) = self.flow(ask, state.as_deref())?;
        let close = |reject| Closed { refusal: refusal(reject), cookie: self.cleared(&name) };
        let flow = flow.ok_or_else(|| close(Reject::AuthOidcFlow))?;
        let state = state.as_deref().unwrap_or_default().as_bytes();
        verify_slices_are_equal(state, flow.state.as_bytes()).map_err(|_| Reject::AuthOidcState)?;
        let Ok(_place) = self.waiting.try_acquire() else { return Err(Reject::AuthBusy.into()) };
        let doors = self.idp.doors().await?;
        if !self.first(state, ask.wall, flow::LONGEST).await? {
            return Err(close(Reject::AuthOidcReplayed));
        }
        let mut response = self.log_in(ask, &flow, answer, &doors).await.map_err(close)?;
        response.headers_mut().extend(self.cleared(&name).map(|cookie| (SET_COOKIE, cookie)));
        Ok(response)
    }

    /// Begins a session by the provider's answer, and leads to the page that was asked for.
    async fn log_in(
        &self,
        ask: &Ask<'_>,
        flow: &Flow,
        [_, issuer, error, code]: [Option<String>; 4],
        doors: &Doors,
    ) -> Result<Response<Bytes>, Reject> {
        match issuer {
            Some(issuer) if issuer != self.idp.issuer => return Err(Reject::AuthOidcIssuer),
            None if doors.name_themselves() => return Err(Reject::AuthOidcIssuer),
            Some(_) | None => {}
        }
        match error.as_deref() {
            None => {}
            Some("access_denied") => return Err(Reject::AuthOidcDenied),
            Some(error) => {
                tracing::warn!(auth = %self.name, error, "the identity provider reports an error");
                return Err(Reject::AuthOidcError);
            }
        }
        let code = code.filter(|code| !code.is_empty()).ok_or(Reject::AuthOidcResponse)?;
        let tokens = self.exchange(flow, &code, ask.wall);
        let tokens = timeout(self.idp.patience(), tokens).await;
        let tokens = tokens.unwrap_or(Err(Reject::AuthOidcUnavailable))?;
        let cookie = self.begin(ask, tokens).await?;
        let mut response = see_other(&format!("{}{}", flow.origin, flow.page))?;
        response.headers_mut().append(SET_COOKIE, cookie);
        Ok(response)
    }

    /// The tokens of a code.
    async fn exchange(&self, flow: &Flow, code: &str, wall: u64) -> Result<Tokens, Reject> {
        let back = self.redirect_uri(&flow.origin);
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &back),
            ("code_verifier", &flow.verifier),
        ];
        self.idp.tokens(&grant, Some(&flow.nonce), None, wall).await
    }

    /// Begins a session with a name of its own; the one that the browser had before ends. Its cookie.
    async fn begin(&self, ask: &Ask<'_>, tokens: Tokens) -> Result<HeaderValue, Reject> {
        let Tokens { claims: Some(claims), id_token: Some(id_token), refresh_token, end } = tokens
        else {
            return Err(Reject::AuthOidcProvider);
        };
        let refresh_token = refresh_token.filter(|_| self.section.refresh);
        let due = end.filter(|_| refresh_token.is_some());
        let who = self.principal(claims.clone())?;
        let (begun, end) = (ask.wall, ask.wall.saturating_add(self.limits.lifetime));
        let record = Record { claims, id_token, refresh_token, due, begun, end };
        let value = flow::random().map_err(|_| Reject::Internal)?;
        if let Ok(Some(before)) = self.shown(ask) {
            self.sessions.remove(&before).await?;
        }
        let shown = Shown::new(value.as_bytes());
        self.sessions.create(&shown, record, who, (&self.limits, ask.wall)).await?;
        self.count();
        self.cookie(&self.cookies[SESSION], &value, None)
    }

    /// A browser logs out: here, and at the provider if that has a page for it.
    async fn log_out(&self, ask: &Ask<'_>, origin: &str) -> Result<Response<Bytes>, Reject> {
        let origin = self.origin(origin);
        if !is_from(origin, ask.headers) {
            return Err(Reject::AuthOidcCrossSite);
        }
        let session = match self.shown(ask)? {
            Some(shown) => self.sessions.remove(&shown).await?,
            None => None,
        };
        if session.is_some() {
            self.metrics.logouts.inc();
            self.count();
        }
        let after = self.section.after_logout.as_deref().map(|to| match to.starts_with('/') {
            true => format!("{origin}{to}"),
            false => to.to_owned(),
        });
        let doors = self.idp.doors().await.ok();
        let doors = doors.filter(|doors| self.idp.has(doors, "end_session_endpoint"));
        let mut response = match (doors, &session, &after) {
            (Some(doors), Some(session), _) => {
                let mut parameters = vec![
                    ("client_id", &*self.idp.client_id),
                    ("id_token_hint", &*session.id_token),
                ];
                parameters.extend(after.as_deref().map(|to| ("post_logout_redirect_uri", to)));
                let to = self.idp.send_to(&doors, "end_session_endpoint", &parameters)?;
                see_other(to.to_str().unwrap_or_default())?
            }
            (_, _, Some(after)) => see_other(after)?,
            (_, _, None) => goodbye(),
        };
        response
            .headers_mut()
            .append(SET_COOKIE, self.cookie(&self.cookies[SESSION], "", Some(0))?);
        Ok(response)
    }

    /// The provider tells who logged out elsewhere.
    async fn logged_out(&self, ask: &Ask<'_>, body: &[u8]) -> Result<Response<Bytes>, Reject> {
        let kind = ask.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let body = std::str::from_utf8(body).map_err(|_| Reject::AuthOidcLogoutToken)?;
        let token = idp::read(body, ["logout_token"]).and_then(|[token]| token);
        let token = token.ok_or(Reject::AuthOidcLogoutToken)?;
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Reject::AuthOidcLogoutToken);
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Err(Reject::AuthBusy) };
        let verified = self.idp.logout_token(&token, LOGOUT_AGE, ask.wall);
        let verified = timeout(self.idp.patience(), verified).await;
        let claims = match verified.unwrap_or(Err(Reject::AuthJwtKeysUnavailable)) {
            Ok(claims) => claims,
            Err(Reject::AuthJwtKeysUnavailable) => return Err(Reject::AuthOidcUnavailable),
            Err(why) => {
                tracing::warn!(auth = %self.name, why = why.reason(), "a logout token does not hold");
                return Err(Reject::AuthOidcLogoutToken);
            }
        };
        let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
        let once = [b"logout ", text("jti").unwrap_or_default().as_bytes()].concat();
        // It may be from the future by as much as from the past.
        if !self.first(&once, ask.wall, 2 * LOGOUT_AGE).await? {
            return Err(Reject::AuthOidcLogoutToken);
        }
        let whose = Whose { sid: text("sid"), subject: text("sub") };
        let gone = self.sessions.remove_of(whose).await;
        if gone.is_err()
            && let Sessions::Stored(stored) = &*self.sessions
        {
            stored.forget(&once).await;
        }
        let gone = gone?;
        self.metrics.logouts.add(gone as u64);
        self.count();
        let mut response = Response::new(Bytes::new());
        quiet(response.headers_mut());
        Ok(response)
    }
}

/// Whether a browser says that a page of this origin, or nobody's page, sent it here.
fn is_from(origin: &str, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        // A browser that does not say it: one that is old, or came without TLS.
        None => match (text(ORIGIN.as_str()), text(REFERER.as_str())) {
            (Some(said), _) => said == origin,
            (None, Some(page)) => page
                .strip_prefix(origin)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            (None, None) => false,
        },
    }
}

fn see_other(to: &str) -> Result<Response<Bytes>, Reject> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(to).map_err(|_| Reject::Internal)?;
    response.headers_mut().insert(LOCATION, to);
    quiet(response.headers_mut());
    Ok(response)
}

/// Nobody keeps it, and nobody is told where it was.
fn quiet(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

fn goodbye() -> Response<Bytes> {
    const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width\">\n<title>Logged out</title>\n\
        <style>body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;\
        padding:0 1em;color:#222}</style>\n<h1>Logged out</h1>\n<p>You are logged out here.</p>\n";
    let mut response = Response::new(Bytes::from_static(PAGE.as_bytes()));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    quiet(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_the_same_origin_logs_out() {
        for (fields, is) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://a.example")], false),
            (&[("origin", "https://a.example")], true),
            (&[("origin", "null"), ("referer", "https://a.example/")], false),
            (&[("origin", "https://a.example.evil")], false),
            (&[("origin", "http://a.example")], false),
            (&[("referer", "https://a.example/x")], true),
            (&[("referer", "https://a.example")], true),
            (&[("referer", "https://a.example.evil/")], false),
            (&[("referer", "https://evil/?https://a.example/")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_from("https://a.example", &headers), is, "{fields:?}");
        }
    }
}
