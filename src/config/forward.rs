//! `forward` of `[auth.NAME]`: a service of the operator's own that decides who may come in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    jwt::Fetch,
    value::{ByteSize, Duration, OneOrMany},
};

/// A service that decides (forward-auth, `auth_request`): it is sent a GET with the request's header fields and `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For`. 2xx lets in; 401, 403 and, where asked for, a redirect go to the client as they are; anything else, or nothing in time, is 503.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["url"]))]
pub struct Forward {
    /// Where it is asked.
    #[schemars(example = &"http://127.0.0.1:4180/oauth2/auth")]
    pub url: String,
    /// The request's header fields that it is sent; `"*"` for all. What is not sent cannot be decided by.
    pub headers: OneOrMany<String>,
    /// Header fields of its answer that the origin is told, each a claim too, by its name. Such fields from clients never pass, on any route.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["remote-user", "remote-groups"])]
    pub response_headers: OneOrMany<String>,
    /// Cookies that its answer sets and the client is given, by their names, when it lets in: a session that it renewed, say; `"*"` for all. They take the place of the origin's own of these names. 16 of them and 16 KiB at most; what has more is 503. An answer that brings some is not remembered.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"_oauth2_proxy")]
    pub response_cookies: OneOrMany<String>,
    /// The header field of its answer that says who it is. An answer without it lets nobody in. Where nothing is named the section's name stands for everybody: a cache, which does not know them apart then, keeps of their answers only what is for all (`public`, `s-maxage`, `must-revalidate`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"remote-user")]
    pub subject: Option<String>,
    /// Header fields of its answer that hold roles, with commas between.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"remote-groups")]
    pub roles: OneOrMany<String>,
    /// Pass its redirects (302, 303, 307) on to the client, to a page where one logs in say.
    pub redirect: bool,
    /// What its decision depends on, for `remember`: header fields, and `"method"`, `"host"`, `"path"` (with the query). A request that lacks one of the header fields is always asked about.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["cookie", "host"])]
    pub remember_by: OneOrMany<String>,
    /// How long it is remembered that it let somebody in. `"0s"` for never.
    pub remember: Duration,
    /// As many answers are remembered.
    pub max_remembered: u32,
    /// Requests that may wait for an answer; more are 503.
    pub max_waiting: u16,
    /// How it is asked.
    pub fetch: Fetch,
}

impl Default for Forward {
    fn default() -> Self {
        let headers = ["accept", "authorization", "cookie", "user-agent", "x-requested-with"];
        Self {
            url: String::new(),
            headers: OneOrMany(headers.map(String::from).to_vec()),
            response_headers: OneOrMany::default(),
            response_cookies: OneOrMany::default(),
            subject: None,
            roles: OneOrMany::default(),
            redirect: false,
            remember_by: OneOrMany::default(),
            remember: Duration::secs(0),
            max_remembered: 10_000,
            max_waiting: 1_000,
            fetch: Fetch { max_size: ByteSize::kib(64), ..Fetch::default() },
        }
    }
}
