//! `[auth.NAME]`: a way to say who one is. `allow` of a route: what one has to be.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    api_key::ApiKey,
    enforce::Enforce,
    forward::Forward,
    introspection::Introspection,
    jwt::Jwt,
    oidc::Oidc,
    value::{Duration, File, OneOrMany},
};

/// A way to say who one is; it holds exactly one method, such as `api-key`, `basic` or `mtls`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Auth {
    /// Keys that programs send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
    /// Users with passwords (RFC 7617).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// A service of your own that decides (forward-auth).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// Tokens that an authorization server is asked about (RFC 7662).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    /// Tokens that somebody signs, an identity provider say (JWT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// Certificates that clients show in the TLS handshake; the listener asks for them, `tls.client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls: Option<Mtls>,
    /// People who log in at an identity provider with a browser (OpenID Connect).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// Pass the client's credentials on to the origin; by default they are taken off.
    pub keep_credentials: bool,
    /// Header fields that tell the origin who it is, each with a claim: `"sub"`, `"owner"`, `"roles"`, `"scopes"`, `"auth"`, or one of a token's, `"address.city"`. Such fields from clients never pass, on any route.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-user", "sub"), ("x-roles", "roles")]))]
    pub identity_headers: BTreeMap<String, String>,
    /// A short-lived token (JWT, ES256) of the gateway's own that tells the origin who it is; the public keys are at the admin door, `/jwks`. The field never passes from clients, on any route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<IdentityToken>,
    /// What happens to those who fail again and again; counted by address (IPv6 by /64) and by account.
    pub lock_out: LockOut,
}

/// A token of the gateway's own for the origin.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct IdentityToken {
    /// The header field that it stands in.
    pub header: String,
    /// How long it holds, 2s to 1d. One is used again for half of that time.
    pub lifetime: Duration,
    /// Claims to take along beside `iss`, `sub`, `aud`, `iat` and `exp`; what somebody does not have is left out.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["roles", "scopes"])]
    pub claims: OneOrMany<String>,
    /// For whom it is: `aud`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders")]
    pub audience: Option<String>,
    /// By whom it is: `iss`.
    pub issuer: String,
}

impl Default for IdentityToken {
    fn default() -> Self {
        Self {
            header: "x-identity".into(),
            lifetime: Duration::secs(60),
            claims: OneOrMany::default(),
            audience: None,
            issuer: "janua".into(),
        }
    }
}

/// Certificates that clients show; what a certificate says are claims: `fingerprint`, `serial`, `subject`, `cn`, `issuer`, `issuer-cn`, `san-dns`, `san-uri`, `san-email`, `not-after`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mtls {
    /// What of a certificate says who it is; of several names of a kind the first. One without it is not known.
    pub subject: CertificateName,
    /// The roles of everybody whose certificate is known.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["service"])]
    pub roles: OneOrMany<String>,
    /// Who may come, and with which roles; by default everybody whose certificate the listener verifies. Whoever fits several has the roles of all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<MtlsClient>,
}

/// What of a certificate says who it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateName {
    /// The common name.
    #[default]
    Cn,
    /// A DNS name.
    SanDns,
    /// A URI, as SPIFFE has it.
    SanUri,
    /// An address for mail.
    SanEmail,
    /// The SHA-256 of the whole certificate.
    Fingerprint,
}

/// Clients that may come: all that is said of them must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MtlsClient {
    /// The SHA-256 of the certificate, in hex, with or without colons.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub fingerprint: Option<String>,
    /// The common name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"billing")]
    pub cn: Option<String>,
    /// One of the alternative names: DNS, URI or mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"spiffe://example.com/billing")]
    pub san: Option<String>,
    /// The common name of the authority that signed it, where the listener trusts several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Services CA")]
    pub issuer: Option<String>,
    /// The roles.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["admin"])]
    pub roles: OneOrMany<String>,
    /// The scopes.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read"])]
    pub scopes: OneOrMany<String>,
}

/// Users with passwords.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Basic {
    /// What browsers show when they ask for the password; by default the section's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"staff only")]
    pub realm: Option<String>,
    /// Users with their password's hash, from `janua password`: argon2 or bcrypt.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("alice", HASH)]))]
    pub users: BTreeMap<String, User>,
    /// An htpasswd file with more users (`htpasswd -B`); read again at each reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/htpasswd")]
    pub file: Option<File>,
    /// The roles of every user of `file`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["staff"])]
    pub roles: OneOrMany<String>,
    /// How long a right password is remembered (as a keyed digest), so that it is not hashed for every request; `"0s"` for never.
    pub remember: Duration,
    /// As many right passwords are remembered.
    pub max_remembered: u32,
    /// Passwords hashed at a time; each takes a core for some 50 ms, and its memory.
    pub max_hashing: u16,
    /// Requests that may wait for their password to be hashed; more are 503.
    pub max_waiting: u16,
}

/// A hash to show: of `password`.
const HASH: &str = "$2y$05$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm";

impl Default for Basic {
    fn default() -> Self {
        Self {
            realm: None,
            users: BTreeMap::new(),
            file: None,
            roles: OneOrMany::default(),
            remember: Duration::secs(60),
            max_remembered: 10_000,
            max_hashing: 2,
            max_waiting: 64,
        }
    }
}

/// A user: the hash of the password, or a table with it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum User {
    /// The hash alone.
    Hash(PasswordHash),
    /// The hash and more.
    Table(UserTable),
}

/// A user with roles.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UserTable {
    /// The hash of the password, from `janua password`.
    #[schemars(example = HASH)]
    pub hash: PasswordHash,
    /// The user's roles.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["admin"])]
    pub roles: OneOrMany<String>,
    /// The user's scopes.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read"])]
    pub scopes: OneOrMany<String>,
}

/// A password's hash. It belongs in the file, but it is not shown: what stands here by mistake may be
/// the password itself.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

/// The `format` of a [`PasswordHash`] in the schema.
pub(super) const PASSWORD_HASH: &str = "password-hash";

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

impl JsonSchema for PasswordHash {
    fn schema_name() -> Cow<'static, str> {
        "PasswordHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": PASSWORD_HASH, "writeOnly": true, "examples": [HASH],
        })
    }
}

/// What happens to those who fail again and again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockOut {
    /// So many failures begin the first lock-out; 0 never locks anybody out.
    pub attempts: u32,
    /// Failures are forgotten after this time without another.
    pub window: Duration,
    /// How long the first lock-out lasts; each one after it twice as long.
    pub delay: Duration,
    /// How long a lock-out lasts at most.
    pub max_delay: Duration,
    /// Addresses and accounts that are counted at a time; when there are more, those that would be forgotten first are.
    pub max_entries: u32,
}

impl Default for LockOut {
    fn default() -> Self {
        Self {
            attempts: 5,
            window: Duration::secs(600),
            delay: Duration::secs(1),
            max_delay: Duration::secs(900),
            max_entries: 65_536,
        }
    }
}

/// Whether any of several methods is enough.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// One of them.
    #[default]
    Any,
    /// Each of them.
    All,
}

/// What one has to be: all that stands here must hold. A method's name as a key (`DELETE`, or `"PUT, PATCH"`) holds other conditions for that method, in place of these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Allow {
    /// A role; of several, any one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"admin")]
    pub role: OneOrMany<String>,
    /// A scope; of several, each one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read", "orders:write"])]
    pub scope: OneOrMany<String>,
    /// Claims and their values, each claim with any one of its values; a list of values has to hold one. A name may lead inwards: `"address.city"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("department", "sales")]))]
    pub claim: BTreeMap<String, OneOrMany<ClaimValue>>,
    /// At least one of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Conditions>,
    /// Each of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Conditions>,
    /// This must not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Conditions>,
    /// `"report"` lets pass what would be refused, and tells it.
    pub enforce: Enforce,
    /// Conditions by method.
    #[serde(flatten)]
    pub methods: BTreeMap<String, Rule>,
}

/// What one has to be for a method: all that stands here must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// A role; of several, any one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"admin")]
    pub role: OneOrMany<String>,
    /// A scope; of several, each one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read", "orders:write"])]
    pub scope: OneOrMany<String>,
    /// Claims and their values, each claim with any one of its values; a list of values has to hold one. A name may lead inwards: `"address.city"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("department", "sales")]))]
    pub claim: BTreeMap<String, OneOrMany<ClaimValue>>,
    /// At least one of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Conditions>,
    /// Each of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Conditions>,
    /// This must not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Conditions>,
}

impl Auth {
    /// The query parameter that carries its credentials, if one may.
    pub fn query_credential(&self) -> Option<&String> {
        let key = self.api_key.as_ref().and_then(|keys| keys.query.as_ref());
        let key = key.or_else(|| self.jwt.as_ref()?.query.as_ref());
        key.or_else(|| self.introspection.as_ref()?.query.as_ref())
    }
}

impl Allow {
    /// The conditions for methods without their own.
    pub fn rule(&self) -> Rule {
        let Self { role, scope, claim, any, all, not, .. } = self.clone();
        Rule { role, scope, claim, any, all, not }
    }
}

/// Conditions that must all hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Conditions {
    /// A role; of several, any one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"admin")]
    pub role: OneOrMany<String>,
    /// A scope; of several, each one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read", "orders:write"])]
    pub scope: OneOrMany<String>,
    /// Claims and their values, each claim with any one of its values; a list of values has to hold one. A name may lead inwards: `"address.city"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("department", "sales")]))]
    pub claim: BTreeMap<String, OneOrMany<ClaimValue>>,
}

/// Policies that decide: a file of them, or a table with more.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Policy {
    /// The file alone.
    File(File),
    /// The file and more.
    Table(PolicyTable),
}

impl Policy {
    /// What is meant, with every default.
    pub fn table(&self) -> Cow<'_, PolicyTable> {
        match self {
            Self::File(file) => {
                Cow::Owned(PolicyTable { file: file.clone(), ..PolicyTable::default() })
            }
            Self::Table(table) => Cow::Borrowed(table),
        }
    }
}

/// Policies, and what they are told of a request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyTable {
    /// The file, read again at each reload.
    #[schemars(example = &"/etc/janua/policies.cedar")]
    pub file: File,
    /// Header fields that policies may ask for, as `context.headers["x-tenant"]`; one that is there twice is not told.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["x-tenant"])]
    pub headers: OneOrMany<String>,
    /// `"report"` lets everybody through, and tells whom it would have refused.
    #[serde(default)]
    pub enforce: Enforce,
}

/// The value of a claim.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ClaimValue {
    /// A string.
    Text(String),
    /// `true` or `false`.
    Truth(bool),
    /// An integer.
    Integer(i64),
}
