//! What can be used and should be looked at.
//!
//! In: the configuration. Out: findings. Secrets in clear are found elsewhere, in the check of the
//! schema: it knows every secret, and what the file has in its place.

use super::{
    Config,
    path::Path,
    problem::{Problem, Problems},
};

/// What should be looked at.
pub(super) fn check(config: &Config) -> Problems {
    let unverified = config.upstream.iter().filter(|(_, upstream)| !upstream.tls.verify);
    unverified
        .map(|(name, _)| {
            let path = Path::root().key("upstream").key(name.clone()).key("tls").key("verify");
            Problem::finding(
                path,
                "anybody on the way to this upstream can read and change everything",
            )
            .help("give the authority that signed its certificate: `ca = \"FILE\"`")
        })
        .collect()
}
