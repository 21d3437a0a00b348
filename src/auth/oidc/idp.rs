//! [`Idp`]: the provider: where its doors are, and what it says when it is asked.
//!
//! In: a code or a refresh token. Out: tokens whose ID token holds, and claims. Its errors are told to the
//! daemon's log, never to clients.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::{
    client_proof, discovery,
    jwt::{
        claims::Rules,
        keys::{Document, Keys},
        token::{self, Token},
    },
};
use crate::{
    config::ClientAuth,
    dial::{Destination, FetchError, Fetcher},
    message::{form_text, pairs},
    reject::Reject,
};

/// The longest token that is kept.
const LONGEST_TOKEN: usize = 16 << 10;
/// The longest answer of `userinfo`.
const LONGEST_INFO: usize = 64 << 10;
/// What an ID token may be called.
const ID_TOKEN: [&str; 2] = ["jwt", "application/jwt"];
/// What a logout token may be called.
const LOGOUT_TOKEN: [&str; 4] = ["logout+jwt", "application/logout+jwt", "jwt", "application/jwt"];

/// What stays as it is in a form and in a query (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A provider.
#[derive(Debug)]
pub(super) struct Idp {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) secret: Option<Zeroizing<String>>,
    pub(super) client_auth: ClientAuth,
    pub(super) userinfo: bool,
    pub(super) rules: Arc<Rules>,
    pub(super) keys: Keys,
    pub(super) fetcher: Fetcher,
}

/// Tokens that hold, and what they say.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Of the ID token, and of `userinfo` if that is asked; none if a refresh brought no ID token.
    pub(super) claims: Option<Map<String, Value>>,
    pub(super) id_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    /// When their time is over, in milliseconds since 1970.
    pub(super) end: Option<u64>,
}

/// The doors of a provider.
pub(super) struct Doors(Document);

impl Doors {
    /// A door's URL, if there is one; it does not leave https.
    fn url(&self, issuer: &str, name: &str) -> Option<&str> {
        let url = self.0.get(name)?.as_str()?;
        (!discovery::leaves_https(issuer, url)).then_some(url)
    }

    /// Whether answers say whose they are (RFC 9207).
    pub(super) fn name_themselves(&self) -> bool {
        self.0.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true))
    }
}

impl Idp {
    /// Its doors, as it says; they are waited for if they are being asked for.
    pub(super) async fn doors(&self) -> Result<Doors, Reject> {
        let known = || {
            let held = self.keys.held();
            held.as_ref().map(|held| Doors(held.document().clone()))
        };
        let ends = self.keys.ends();
        if let Some(doors) = known() {
            return Ok(doors);
        }
        self.keys.renew(ends).await;
        known().ok_or(Reject::AuthOidcUnavailable)
    }

    /// A door's URL that a browser is sent to, with these parameters.
    pub(super) fn send_to(
        &self,
        doors: &Doors,
        name: &str,
        parameters: &[(&str, &str)],
    ) -> Result<HeaderValue, Reject> {
        let url = doors.url(&self.issuer, name).ok_or(Reject::AuthOidcProvider)?;
        let parsed: http::Uri = url.parse().map_err(|_| Reject::AuthOidcProvider)?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || url.contains('#') {
            return Err(Reject::AuthOidcProvider);
        }
        let joint = if url.contains('?') { '&' } else { '?' };
        let target = format!("{url}{joint}{}", form(parameters));
        HeaderValue::try_from(target).map_err(|_| Reject::AuthOidcProvider)
    }

    /// Whether it has this door.
    pub(super) fn has(&self, doors: &Doors, name: &str) -> bool {
        doors.url(&self.issuer, name).is_some()
    }

    /// Asks for tokens, with what this grant needs. The ID token has to say this `nonce`; if it is
    /// a refresh, this `subject`.
    pub(super) async fn tokens(
        &self,
        grant: &[(&str, &str)],
        nonce: Option<&str>,
        subject: Option<&str>,
        wall: u64,
    ) -> Result<Tokens, Reject> {
        let doors = self.doors().await?;
        let answer = self.ask_for_tokens(&doors, grant).await?;
        let text = |name: &str| match answer.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST_TOKEN => Ok(Some(text.clone())),
            Some(_) => Err(Reject::AuthOidcProvider),
        };
        let kind = text("token_type")?.unwrap_or_default();
        let access = text("access_token")?.ok_or(Reject::AuthOidcProvider)?;
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(Reject::AuthOidcProvider);
        }
        let id_token = text("id_token")?;
        let (claims, mut end) = match &id_token {
            None if nonce.is_some() => return Err(Reject::AuthOidcProvider),
            None => (None, None),
            Some(token) => {
                let (claims, end) = self.id_token(token, nonce, subject, wall).await?;
                (Some(claims), Some(end))
            }
        };
        if let Some(seconds) = answer.get("expires_in").and_then(Value::as_u64) {
            end = Some(wall.saturating_add(seconds.saturating_mul(1_000)));
        }
        let claims = match claims {
            Some(claims) if self.userinfo => Some(self.user_info(&doors, &access, claims).await?),
            claims => claims,
        };
        Ok(Tokens { claims, id_token, refresh_token: text("refresh_token")?, end })
    }

    async fn ask_for_tokens(
        &self,
        doors: &Doors,
        grant: &[(&str, &str)],
    ) -> Result<Map<String, Value>, Reject> {
        let mut fields = grant.to_vec();
        let mut request = Request::new(Bytes::new());
        match (&self.secret, self.client_auth) {
            (Some(secret), ClientAuth::Basic) => {
                let proof = client_proof::basic(encoded(&self.client_id), encoded(secret));
                let proof = proof.ok_or(Reject::Internal)?;
                request.headers_mut().insert(header::AUTHORIZATION, proof);
            }
            (Some(secret), ClientAuth::Post) => {
                fields.extend([("client_id", &*self.client_id), ("client_secret", secret)]);
            }
            (None, _) => fields.push(("client_id", &self.client_id)),
        }
        *request.method_mut() = http::Method::POST;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        *request.body_mut() = form(&fields).into();
        let (status, answer) = self.ask(doors, "token_endpoint", request).await?;
        let answer = token::parse_object(&answer);
        if status == StatusCode::OK {
            return answer.map_err(|message| self.nonsense(&message));
        }
        let answer = answer.unwrap_or_default();
        let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
        match (status.as_u16(), error) {
            (400 | 401, "invalid_grant") => Err(Reject::AuthOidcCode),
            _ => {
                Err(self.nonsense(&format!("it answers {status} {error:?} when asked for tokens")))
            }
        }
    }

    /// What `userinfo` adds to the claims; it must be about the same user.
    async fn user_info(
        &self,
        doors: &Doors,
        access: &str,
        mut claims: Map<String, Value>,
    ) -> Result<Map<String, Value>, Reject> {
        let mut request = Request::new(Bytes::new());
        let bearer = HeaderValue::try_from(format!("Bearer {access}"));
        let mut bearer = bearer.map_err(|_| Reject::AuthOidcProvider)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        let (status, answer) = self.ask(doors, "userinfo_endpoint", request).await?;
        if status != StatusCode::OK || answer.len() > LONGEST_INFO {
            return Err(self.nonsense(&format!("userinfo answers {status}")));
        }
        let info = token::parse_object(&answer).map_err(|message| self.nonsense(&message))?;
        if info.get("sub").is_none() || info.get("sub") != claims.get("sub") {
            return Err(self.nonsense("userinfo is about somebody else"));
        }
        for (name, value) in info {
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }

    async fn ask(
        &self,
        doors: &Doors,
        name: &str,
        mut request: Request<Bytes>,
    ) -> Result<(StatusCode, Bytes), Reject> {
        let url = doors.url(&self.issuer, name).ok_or_else(|| {
            self.nonsense(&format!("its discovery document has no good `{name}`"))
        })?;
        let to = Destination::parse(url).map_err(|message| self.nonsense(&message))?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::ACCEPT, json);
        match self.fetcher.fetch(&to, request).await {
            Ok(answer) => Ok((answer.status(), answer.into_body())),
            Err(error @ (FetchError::TooLarge(_) | FetchError::Protocol(_))) => {
                Err(self.nonsense(&error.to_string()))
            }
            Err(error) => {
                tracing::warn!(issuer = self.issuer, %error, "the identity provider is not there");
                Err(Reject::AuthOidcUnavailable)
            }
        }
    }

    fn nonsense(&self, error: &str) -> Reject {
        tracing::warn!(issuer = self.issuer, error, "the identity provider makes no sense");
        Reject::AuthOidcProvider
    }

    /// The claims of an ID token that holds (OIDC Core section 3.1.3.7), and its end.
    async fn id_token(
        &self,
        text: &str,
        nonce: Option<&str>,
        subject: Option<&str>,
        wall: u64,
    ) -> Result<(Map<String, Value>, u64), Reject> {
        let wrong = |reject: Reject| {
            let why = reject.reason();
            tracing::warn!(issuer = self.issuer, why, "the ID token does not hold");
            Reject::AuthOidcIdToken
        };
        let token = Token::parse_as(text.as_bytes(), &ID_TOKEN).map_err(wrong)?;
        let end = self.verify(&token, wall).await.map_err(wrong)?;
        let said = |name: &str| token.claims.get(name).and_then(Value::as_str);
        let several = token.claims.get("aud").and_then(Value::as_array).map_or(1, Vec::len) > 1;
        let party = match token.claims.get("azp") {
            None => !several,
            Some(party) => party.as_str() == Some(&self.client_id),
        };
        let dated = token.claims.get("iat").is_some_and(Value::is_number);
        let about = said("sub").filter(|sub| !sub.is_empty());
        let same = subject.is_none_or(|subject| about == Some(subject));
        if !party || !dated || about.is_none() || !same {
            return Err(wrong(Reject::AuthJwtClaims));
        }
        if nonce.is_some() && said("nonce") != nonce {
            return Err(Reject::AuthOidcNonce);
        }
        Ok((token.claims, end))
    }

    /// The claims of a logout token that holds (Back-Channel Logout section 2.6), as far as one token can
    /// say that.
    pub(super) async fn logout_token(
        &self,
        text: &str,
        longest: u64,
        wall: u64,
    ) -> Result<Map<String, Value>, Reject> {
        const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
        let token = Token::parse_as(text.as_bytes(), &LOGOUT_TOKEN)?;
        self.verify(&token, wall).await?;
        let claims = token.claims;
        let is_event = claims.get("events").and_then(|events| events.get(EVENT));
        let issued = claims.get("iat").and_then(Value::as_f64).unwrap_or_default() * 1_000.0;
        // Exact for the next 285,000 years.
        let fresh = (issued - wall as f64).abs() <= longest as f64;
        let text = |name: &str| claims.get(name).is_none_or(Value::is_string);
        let names = claims.contains_key("sub") || claims.contains_key("sid");
        let named = text("sub") && text("sid") && names;
        let once = claims.get("jti").is_some_and(Value::is_string);
        if !is_event.is_some_and(Value::is_object)
            || claims.contains_key("nonce")
            || !(fresh && named && once)
        {
            return Err(Reject::AuthJwtClaims);
        }
        Ok(claims)
    }

    /// Whether a token is this provider's and for us, and until when; its keys are asked for anew if they
    /// do not know it.
    async fn verify(&self, token: &Token<'_>, wall: u64) -> Result<u64, Reject> {
        self.rules.check_issuer(&token.claims)?;
        let ends = self.keys.ends();
        let held = self.keys.held().as_ref().map(|held| held.verify(token));
        match held.unwrap_or(Err(Reject::AuthJwtKeysUnavailable)) {
            Err(Reject::AuthJwtKeyUnknown | Reject::AuthJwtKeysUnavailable) => {
                self.keys.renew(ends).await;
                let held = self.keys.held();
                let held = held.as_ref().ok_or(Reject::AuthJwtKeysUnavailable)?;
                held.verify(token)?;
            }
            verified => verified?,
        }
        self.rules.check(&token.claims, wall)
    }

    /// The longest that it is waited for.
    pub(super) fn patience(&self) -> Duration {
        // Keys and their document, tokens, userinfo.
        4 * self.fetcher.timeout()
    }
}

/// A form, or a query (the encoding that both read the same).
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, UNRESERVED).into()
}

/// The only value of each of these fields of a form or query; none where one is there twice, or is
/// no text.
pub(super) fn read<const N: usize>(text: &str, names: [&str; N]) -> Option<[Option<String>; N]> {
    let mut found = [const { None }; N];
    for (name, value) in pairs(text) {
        let Some(at) = names.iter().position(|known| *known == name) else { continue };
        if found[at].replace(form_text(value)?.into_owned()).is_some() {
            return None;
        }
    }
    Some(found)
}
