//! Requests and answers as every stage sees them: bodies, header rules of HTTP itself, who the client is.
//!
//! What a proxy must do to any message, whatever the route: hop-by-hop fields, `X-Forwarded-*`,
//! bodies that count. Nothing here knows of routes, upstreams or configuration.

mod accept;
mod authority;
mod body;
mod certificate;
mod change;
mod client;
mod clients;
mod condition;
mod cookie;
mod forwarded;
mod headers;
mod hex;
mod html;
mod json;
mod media;
mod method;
mod networks;
mod openapi;
pub mod path;
mod problem;
mod proxy_header;
mod query;
mod replay;
mod request_id;
mod tap;
mod upgrade;
mod upload;
mod violation;

#[cfg(test)]
pub(crate) use self::json::nested;
pub use self::{
    accept::{GLADLY, closeness, liking, takes, weight},
    authority::{are_one_authority, canonical_authority, is_authority, text, without_port},
    body::{BodyError, BodyLimits, RequestBody, take_piece},
    certificate::{CertificateFacts, ClientCertificate},
    change::{Change, Changed},
    client::{Client, ClientState, InFlight, Scheme, Signal, TlsFacts, Turn},
    clients::{Clients, Seat},
    condition::{Conditions, CookieName, Rank},
    cookie::{clear_cookies, cookies},
    forwarded::{beyond_host, client_address, client_origin, client_scheme, set_forwarded},
    headers::{
        Kept, MIRRORED, Reserved, join_cookies, may_pass, reads_like, remove_where,
        strip_answer_trailers, strip_request, strip_response, wants_upgrade,
    },
    hex::hex,
    html::escaped,
    json::{DEPTH, Json, JsonError, Members, parse_json},
    media::{ask_anew, ask_whole, charsets, essence, is_json, is_plain, is_utf8, remade},
    method::NamedMethods,
    networks::{Networks, NotANetwork, parse_network},
    openapi::each_object,
    problem::problem,
    proxy_header::{NoProxyHeader, ProxyHeader, Speaker, write_proxy_header},
    query::{form_text, pairs},
    request_id::{REQUEST_ID, new_request_id, request_id},
    tap::{Tapped, Untapped},
    upgrade::{switched_to, websocket_accept},
    upload::{Phase, Upload},
    violation::{Part, Violation, Violations, descend},
};
