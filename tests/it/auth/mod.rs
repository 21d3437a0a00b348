//! Who may come in, and what each may do: credentials of every kind, right and wrong, and what the origin
//! is told of whoever brings them.

mod allow;
mod basic;
mod commands;
mod configs;
mod forward;
mod identity;
mod introspection;
mod jwt;
mod keys;
mod lock_out;
mod mtls;
pub(super) mod oidc;
mod policy;
mod token;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::support::{Janua, Message, Origin, Setup};

/// `SHA256(key)` in hex, as an operator would make it.
pub(super) fn sha256(key: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key as it stands in a list.
pub(super) fn key(id: &str, key: &str, more: &str) -> String {
    format!("{{ id = \"{id}\", sha256 = \"{}\" {more} }}", sha256(key))
}

/// `Authorization: Basic ..` for this user and password.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

/// bcrypt of `secret`, as weak as it may be, so that tests are quick.
pub(super) fn hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

/// A gateway with these sections and one route, to an origin that is well.
pub(super) async fn gateway(sections: &str, route: &str) -> (Janua, Origin) {
    let origin = Origin::ok().await;
    let janua = setup(&origin, sections, route).start().await;
    (janua, origin)
}

pub(super) fn setup(origin: &Origin, sections: &str, route: &str) -> Setup {
    Setup::new(format!("{sections}\n[[route]]\nname = \"r\"\nto = \"{}\"\n{route}\n", origin.url))
}

/// The answer to a request of its own connection.
pub(super) async fn send(janua: &Janua, line: &str, fields: &str) -> Message {
    janua.client().await.request(line, fields).await
}

/// How many passwords `[auth.staff]` has hashed.
pub(super) fn hashes(janua: &Janua) -> u64 {
    janua.counted("janua_auth_password_hashes_total{auth=\"staff\"}")
}
