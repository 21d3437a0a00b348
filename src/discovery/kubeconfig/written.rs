//! What is written in a kubeconfig, as far as it is looked at.
//!
//! In: YAML. Out: its contexts, clusters and users, with their places, or what is wrong with it. It must not
//! tell what it holds, and not grow beyond bounds: of YAML, a little may stand for a lot.

use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::{Error, Location, Spanned};

/// What aliases may stand for, in all.
const MAX_REPLAYED: usize = 10_000;

/// The file, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "a kubeconfig")]
pub(super) struct Kubeconfig {
    pub(super) current_context: Option<String>,
    pub(super) contexts: Option<List<Context>>,
    pub(super) clusters: Option<List<Cluster>>,
    pub(super) users: Option<List<User>>,
}

pub(super) type List<T> = Vec<Spanned<Entry<T>>>;

#[derive(Deserialize)]
#[serde(expecting = "a `name` and what it stands for")]
pub(super) struct Entry<T> {
    pub(super) name: String,
    #[serde(rename = "context", alias = "cluster", alias = "user")]
    pub(super) value: Option<T>,
}

#[derive(Default, Deserialize)]
#[serde(expecting = "a context")]
pub(super) struct Context {
    pub(super) cluster: Option<String>,
    pub(super) user: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "a cluster")]
pub(super) struct Cluster {
    pub(super) server: Option<String>,
    pub(super) certificate_authority: Option<String>,
    pub(super) certificate_authority_data: Option<String>,
    pub(super) tls_server_name: Option<String>,
    pub(super) insecure_skip_tls_verify: Option<bool>,
    pub(super) proxy_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "a user")]
pub(super) struct User {
    pub(super) token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub(super) token_file: Option<String>,
    pub(super) client_certificate: Option<String>,
    pub(super) client_certificate_data: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) client_key_data: Option<String>,
    pub(super) exec: Option<IgnoredAny>,
    pub(super) auth_provider: Option<IgnoredAny>,
    pub(super) username: Option<IgnoredAny>,
    pub(super) password: Option<IgnoredAny>,
    pub(super) r#as: Option<IgnoredAny>,
}

/// What is not empty, since that says nothing.
pub(super) fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

/// Reads YAML; what is wrong with it is told without what it holds.
pub(super) fn parse(text: &[u8]) -> Result<Kubeconfig, (Location, String)> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
    };
    serde_saphyr::from_slice_with_options(text, options).map_err(|error| {
        (error.location().unwrap_or(Location::UNKNOWN), told(error.without_snippet()))
    })
}

/// What is wrong, without values: they may be secret.
fn told(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => told(error),
        // The parser's own words.
        Error::ExternalMessage { msg, .. } => format!("it is not YAML: {msg}"),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("{expected} is expected here")
        }
        Error::Unexpected { expected, .. } => format!("not what is expected here: {expected}"),
        Error::SerdeMissingField { field, .. } => format!("there is no `{field}`"),
        Error::DuplicateMappingKey { .. } => "this key is there twice".into(),
        Error::InvalidUtf8Input => "it is not UTF-8".into(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "it is too deep, or its aliases stand for too much".into()
        }
        _ => "it is not a kubeconfig".into(),
    }
}
