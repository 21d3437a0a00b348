//! `api-key` of `[auth.NAME]`: keys that programs send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, File, OneOrMany};

/// Keys that programs send; where, and which there are.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApiKey {
    /// The header field that holds the key, `x-api-key` unless something else is named; in `authorization` behind the word `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"x-api-key")]
    pub header: Option<String>,
    /// The query parameter that holds the key. It stays out of the access log; the client's own history keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"api_key")]
    pub query: Option<String>,
    /// The cookie that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"api_key")]
    pub cookie: Option<String>,
    /// The keys; `janua key new` makes one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// A file with more keys, one in a line as `janua key new` prints it; read again at each reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/keys")]
    pub file: Option<File>,
    /// A store with more keys: `NAME` of `[store.NAME]`. They hold for every gateway that shares it; `janua key new --store NAME` makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"shared")]
    pub store: Option<String>,
    /// What a key's SHA-256 has in front of it in the store.
    pub prefix: String,
    /// How long a key from the store holds before it is looked up again: so long a key lives that was revoked there.
    pub remember: Duration,
    /// For so long the store is not asked again about a key that it did not know.
    pub remember_unknown: Duration,
    /// As many keys of the store are remembered, those that it did not know too.
    pub max_remembered: u32,
    /// How long a key that was remembered goes on to hold while the store cannot be asked; others are 503 then.
    pub stale: Duration,
}

impl Default for ApiKey {
    fn default() -> Self {
        Self {
            header: None,
            query: None,
            cookie: None,
            keys: Vec::new(),
            file: None,
            store: None,
            prefix: "janua:key:".into(),
            remember: Duration::secs(10),
            remember_unknown: Duration::secs(5),
            max_remembered: 10_000,
            stale: Duration::secs(300),
        }
    }
}

/// A key, as far as the gateway knows it. Two keys of one owner live side by side.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["id", "sha256"]))]
pub struct Key {
    /// Its name in logs and for `janua key revoke`; no secret.
    #[schemars(example = &"acme-7f3k")]
    pub id: String,
    /// The SHA-256 of the whole key, in hex.
    #[schemars(example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub sha256: String,
    /// The first characters of the key, to know it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"janua_acme-7f3k_x9Kd")]
    pub prefix: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"acme")]
    pub owner: Option<String>,
    /// The roles of whoever brings it.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["buyer"])]
    pub roles: OneOrMany<String>,
    /// The scopes of whoever brings it.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read"])]
    pub scopes: OneOrMany<String>,
    /// When it ends: `"2027-12-31"` (that day included, UTC) or `"2027-12-31T12:00:00Z"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2027-12-31")]
    pub expires: Option<String>,
    /// Whether it was withdrawn; it is kept for the record, and for its own reason of refusal.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub revoked: bool,
}
