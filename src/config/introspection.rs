//! `introspection` of `[auth.NAME]`: tokens that an authorization server is asked about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    jwt::Fetch,
    value::{ByteSize, Duration, OneOrMany, Secret},
};

/// Tokens that an authorization server is asked about (RFC 7662); where it is, who asks, and where the tokens stand. What it says of a token are its claims.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["client-id", "client-secret"]))]
pub struct Introspection {
    /// Where it is asked. Without it, `issuer` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://idp.example.com/oauth2/introspect")]
    pub url: Option<String>,
    /// Who gives out the tokens: what `iss` has to say, to the letter, where the answer has one. Without `url` also where that is found (`/.well-known/openid-configuration`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://idp.example.com")]
    pub issuer: Option<String>,
    /// Who asks: the gateway's name at the authorization server.
    #[schemars(example = &"janua")]
    pub client_id: String,
    /// What proves it.
    pub client_secret: Option<Secret>,
    /// How it is proved.
    pub client_auth: ClientAuth,
    /// For whom the tokens are: `aud` has to hold one of these. It must be written; `[]` takes tokens for anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders")]
    pub audience: Option<OneOrMany<String>>,
    /// How far clocks may differ, for `exp` and `nbf`; 10 minutes at most.
    pub leeway: Duration,
    /// The header field that holds the token, `authorization` (behind the word `Bearer`) unless something else is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"authorization")]
    pub header: Option<String>,
    /// The cookie that holds the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"access_token")]
    pub cookie: Option<String>,
    /// The query parameter that holds the token. It stays out of the access log; the client's own history keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"access_token")]
    pub query: Option<String>,
    /// The claim that says who it is; for tokens of programs it may be `"client_id"`.
    pub subject: String,
    /// Claims that hold roles, each a string or a list of them; a name may lead inwards: `"realm_access.roles"`.
    pub roles: OneOrMany<String>,
    /// Claims that hold scopes, each a list or a string with spaces between.
    pub scopes: OneOrMany<String>,
    /// The longest token that is asked about.
    pub max_token_size: ByteSize,
    /// How long an answer is remembered at most (by a keyed digest of its token), and never beyond the token's end: so long a token lives that was revoked. `"0s"` for never.
    pub remember: Duration,
    /// How long it is remembered that a token does not hold.
    pub remember_inactive: Duration,
    /// As many answers are remembered.
    pub max_remembered: u32,
    /// Requests that may wait for an answer; more are 503.
    pub max_waiting: u16,
    /// How the authorization server is asked. While it cannot be, tokens that are not remembered are 503.
    pub fetch: Fetch,
}

impl Default for Introspection {
    fn default() -> Self {
        Self {
            url: None,
            issuer: None,
            client_id: String::new(),
            client_secret: None,
            client_auth: ClientAuth::Basic,
            audience: None,
            leeway: Duration::secs(30),
            header: None,
            cookie: None,
            query: None,
            subject: "sub".into(),
            roles: OneOrMany(vec!["roles".into()]),
            scopes: OneOrMany(vec!["scope".into(), "scp".into()]),
            max_token_size: ByteSize::kib(16),
            remember: Duration::secs(60),
            remember_inactive: Duration::secs(10),
            max_remembered: 10_000,
            max_waiting: 1_000,
            fetch: Fetch::default(),
        }
    }
}

/// How a client proves who it is (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// In `Authorization` (`client_secret_basic`).
    #[default]
    Basic,
    /// In the body (`client_secret_post`).
    Post,
}
