//! `jwt` of `[auth.NAME]`: tokens that somebody else signs. `fetch`: how others are asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{ByteSize, Duration, File, OneOrMany, Secret};

/// Tokens that somebody signs (RFC 7519); who, for whom, and where they stand. Their keys come from exactly one of `issuer` (by its discovery document), `jwks`, `jwks-file` and `secret`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Jwt {
    /// Who signs: what `iss` has to say, to the letter. Without `jwks`, `jwks-file` and `secret` also where the keys are found (`/.well-known/openid-configuration`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://idp.example.com/realms/main")]
    pub issuer: Option<String>,
    /// A URL with the keys (a JWK Set).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://idp.example.com/keys")]
    pub jwks: Option<String>,
    /// A file with the keys (a JWK Set); read again at each reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/jwks.json")]
    pub jwks_file: Option<File>,
    /// A secret of the signer's and ours, for HS256, HS384 and HS512; 32 bytes or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// For whom the tokens are: `aud` has to hold one of these. It must be written; `[]` takes tokens for anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders")]
    pub audience: Option<OneOrMany<String>>,
    /// The algorithms that are taken; by default all that the keys are for. A key is only ever used for its own.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = [Algorithm::ES256])]
    pub algorithms: OneOrMany<Algorithm>,
    /// How far clocks may differ, for `exp` and `nbf`; 10 minutes at most.
    pub leeway: Duration,
    /// Whether a token has to have an end (`exp`).
    pub expires: bool,
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
    /// The claim that says who it is.
    pub subject: String,
    /// Claims that hold roles, each a string or a list of them; a name may lead inwards: `"realm_access.roles"`.
    pub roles: OneOrMany<String>,
    /// Claims that hold scopes, each a list or a string with spaces between.
    pub scopes: OneOrMany<String>,
    /// The longest token that is looked at.
    pub max_token_size: ByteSize,
    /// How long a verified token is remembered at most (as a keyed digest), so that it is not verified for every request; never beyond its end. `"0s"` for never.
    pub remember: Duration,
    /// As many verified tokens are remembered.
    pub max_remembered: u32,
    /// How old keys from a URL get before they are fetched again, if the answer that brought them does not ask for less.
    pub refresh: Duration,
    /// For a key that nobody knows keys are fetched anew, but not again before this time.
    pub cool_down: Duration,
    /// How long the last keys hold while there are no newer ones to be had.
    pub max_stale: Duration,
    /// Keys that are taken from a set; more are an error.
    pub max_keys: u16,
    /// Requests that may wait for keys; more are 503.
    pub max_waiting: u16,
    /// How the keys are fetched.
    pub fetch: Fetch,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            issuer: None,
            jwks: None,
            jwks_file: None,
            secret: None,
            audience: None,
            algorithms: OneOrMany::default(),
            leeway: Duration::secs(30),
            expires: true,
            header: None,
            cookie: None,
            query: None,
            subject: "sub".into(),
            roles: OneOrMany(vec!["roles".into()]),
            scopes: OneOrMany(vec!["scope".into(), "scp".into()]),
            max_token_size: ByteSize::kib(16),
            remember: Duration::secs(3600),
            max_remembered: 10_000,
            refresh: Duration::secs(600),
            cool_down: Duration::secs(30),
            max_stale: Duration::secs(86_400),
            max_keys: 64,
            max_waiting: 1_000,
            fetch: Fetch::default(),
        }
    }
}

/// How a token is signed (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Algorithm {
    /// RSA PKCS#1 with SHA-256.
    RS256,
    /// RSA PKCS#1 with SHA-384.
    RS384,
    /// RSA PKCS#1 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA over P-256.
    ES256,
    /// ECDSA over P-384.
    ES384,
    /// ECDSA over P-521.
    ES512,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256: a shared secret.
    HS256,
    /// HMAC with SHA-384: a shared secret.
    HS384,
    /// HMAC with SHA-512: a shared secret.
    HS512,
}

/// How others are asked what Janua itself wants to know.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fetch {
    /// The authorities (PEM) to trust; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/idp-ca.pem")]
    pub ca: Option<File>,
    /// From the name to the end of the answer.
    pub timeout: Duration,
    /// The largest answer.
    pub max_size: ByteSize,
}

impl Default for Fetch {
    fn default() -> Self {
        Self { ca: None, timeout: Duration::secs(5), max_size: ByteSize::kib(1024) }
    }
}
