//! `oidc` of `[auth.NAME]`: people who log in at an identity provider, with a browser.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    introspection::ClientAuth,
    jwt::{Algorithm, Fetch},
    value::{Duration, OneOrMany, Secret},
};

/// People who log in at an identity provider (OpenID Connect, by code and PKCE). A browser that asks for a page is sent there and comes back to that page with a session; whatever asks for something else gets 401.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["issuer", "client-id"]))]
pub struct Oidc {
    /// The provider: where its discovery document is (`/.well-known/openid-configuration`), and what `iss` has to say, to the letter.
    #[schemars(example = &"https://idp.example.com/realms/main")]
    pub issuer: String,
    /// What the provider calls this gateway.
    #[schemars(example = &"janua")]
    pub client_id: String,
    /// The secret that proves it, if the provider gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// How the secret is sent.
    pub client_auth: ClientAuth,
    /// What is asked for; `openid` is among it. `offline_access` brings a refresh token at many providers.
    pub request_scopes: OneOrMany<String>,
    /// More parameters for the provider's login page.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("prompt", "select_account")]))]
    pub parameters: BTreeMap<String, String>,
    /// Whether what `userinfo` says is added to the claims of the ID token.
    pub userinfo: bool,
    /// The algorithms of ID tokens that are taken; by default all that the provider's keys are for.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = [Algorithm::ES256])]
    pub algorithms: OneOrMany<Algorithm>,
    /// How far clocks may differ; 10 minutes at most.
    pub leeway: Duration,
    /// The claim that says who it is.
    pub subject: String,
    /// Claims that hold roles, each a string or a list of them; a name may lead inwards: `"realm_access.roles"`.
    pub roles: OneOrMany<String>,
    /// Claims that hold scopes, each a list or a string with spaces between.
    pub scopes: OneOrMany<String>,
    /// A session ends after this time without a request.
    pub idle: Duration,
    /// A session ends after this time in any case; 30 days at most.
    pub lifetime: Duration,
    /// Whether a session's claims are renewed by its refresh token, if it has one, when the provider says that their time is over. While the provider cannot be reached the session goes on; when it says no the session ends.
    pub refresh: bool,
    /// Sessions at a time; when there are more, those that were idle for longest end. With a `store`: as many are remembered, and none ends.
    pub max_sessions: u32,
    /// A store for the sessions: `NAME` of `[store.NAME]`. Gateways that have this section in common share them: one logs in at any, is known at all and logs out at all; they outlive restarts. In it a session is found by the SHA-256 of its cookie, and sealed by a key made of that cookie and `store-secret`. While the store cannot be asked only sessions that are remembered go on; others are 503. A user has 1,000 sessions at most; the oldest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"shared")]
    pub store: Option<String>,
    /// What protects that which is in the store, and logins on their way between gateways: 32 characters or more that nobody can guess, the same at every gateway (`openssl rand -base64 32` makes one). With another one all sessions are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_secret: Option<Secret>,
    /// What keys in the store begin with; the section's name comes next.
    pub prefix: String,
    /// How long a session from the store holds before it is looked up again, less than `idle`: so long it may live on at other gateways when it was ended at one.
    pub remember: Duration,
    /// Logins and refreshes that may wait for the provider; more are 503.
    pub max_waiting: u16,
    /// Where browsers come back to, by default `/.janua/NAME/callback`; with host and scheme this is the redirect URI that the provider has to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/oauth2/callback")]
    pub callback: Option<String>,
    /// Where browsers go to log out, by default `/.janua/NAME/logout`: a link or a form on a page of the same origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/logout")]
    pub logout: Option<String>,
    /// Where the provider tells of those who logged out elsewhere, by default `/.janua/NAME/backchannel-logout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/oauth2/backchannel-logout")]
    pub backchannel_logout: Option<String>,
    /// Where browsers go when they are logged out, a path or a URL; the provider has to know it. By default the provider's page or one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/goodbye")]
    pub after_logout: Option<String>,
    /// Scheme, host and port by which browsers come here; by default as each request says it, or trusted proxies do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://app.example.com")]
    pub public_url: Option<String>,
    /// Cookies that browsers also keep without TLS, for trials: anybody on the way can take the session.
    pub insecure_cookies: bool,
    /// How the provider is asked.
    pub fetch: Fetch,
}

impl Default for Oidc {
    fn default() -> Self {
        let words = |words: &[&str]| OneOrMany(words.iter().map(|word| (*word).into()).collect());
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            client_auth: ClientAuth::default(),
            request_scopes: words(&["openid", "profile", "email"]),
            parameters: BTreeMap::new(),
            userinfo: false,
            algorithms: OneOrMany::default(),
            leeway: Duration::secs(30),
            subject: "sub".into(),
            roles: words(&["roles"]),
            scopes: words(&["scope", "scp"]),
            idle: Duration::secs(3_600),
            lifetime: Duration::secs(43_200),
            refresh: true,
            max_sessions: 100_000,
            store: None,
            store_secret: None,
            prefix: "janua:oidc:".into(),
            remember: Duration::secs(5),
            max_waiting: 1_000,
            callback: None,
            logout: None,
            backchannel_logout: None,
            after_logout: None,
            public_url: None,
            insecure_cookies: false,
            fetch: Fetch::default(),
        }
    }
}
