//! Passwords and their hashes: argon2id and bcrypt, and nothing that can be guessed at leisure.
//!
//! In: a hash as the operator stores it, and later a password. Out: whether they belong together, after
//! some 50 ms of work: never on a worker. Hashes that are too weak, or whose work would never end, are
//! refused at load.

use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::rand;

/// The most memory a hash may take, in KiB.
const MAX_MEMORY: u32 = 1 << 20;
/// The most rounds, over that memory.
const MAX_ROUNDS: u32 = 64;
/// The largest cost of bcrypt: each more doubles it, and 16 is seconds.
const MAX_COST: u32 = 16;
const MIN_COST: u32 = 4;

/// How to make one that is taken.
pub(super) const HELP: &str = "make one with `janua password`, or with `htpasswd -B`";

/// A password's hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    /// `$argon2id$`.
    Argon2(Box<str>),
    /// `$2y$`, `$2b$`, `$2a$`.
    Bcrypt(Box<str>),
}

impl Hash {
    /// Takes a hash as it is stored. The error is shown, so it does not show what it got.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("$argon2id$") {
            return argon2(text);
        }
        if ["$2y$", "$2b$", "$2a$"].iter().any(|kind| text.starts_with(kind)) {
            return bcrypt(text);
        }
        Err(match kind(text) {
            Some(kind) => format!("{kind} is too weak a hash for a password"),
            None => "this is not a hash that is known, or it is the password itself".into(),
        })
    }

    /// The hash as it is stored.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Argon2(text) | Self::Bcrypt(text) => text,
        }
    }

    /// Whether it is the hash of this password. Takes long.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(text) => Argon2::default().verify_password(password, &**text).is_ok(),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }
}

fn argon2(text: &str) -> Result<Hash, String> {
    let bad = || "the argon2id hash is malformed or cut off".to_owned();
    let hash = argon2::PasswordHash::new(text).map_err(|_| bad())?;
    let params = Params::try_from(&hash).map_err(|_| bad())?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(bad());
    }
    if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_ROUNDS {
        return Err(format!(
            "the argon2id hash takes more than {MAX_MEMORY} KiB or {MAX_ROUNDS} rounds"
        ));
    }
    Ok(Hash::Argon2(text.into()))
}

fn bcrypt(text: &str) -> Result<Hash, String> {
    let parts: bcrypt::HashParts =
        text.parse().map_err(|_| "the bcrypt hash is malformed or cut off".to_owned())?;
    match parts.get_cost() {
        MIN_COST..=MAX_COST if text.len() == 60 => Ok(Hash::Bcrypt(text.into())),
        MIN_COST..=MAX_COST => Err("the bcrypt hash is malformed or cut off".into()),
        cost => Err(format!(
            "the cost of the bcrypt hash is {cost}; it can be {MIN_COST} to {MAX_COST}"
        )),
    }
}

/// What a hash of old is called.
fn kind(text: &str) -> Option<&'static str> {
    Some(match text {
        _ if text.starts_with("$apr1$") => "Apache's MD5 (`$apr1$`)",
        _ if text.starts_with("{SHA}") || text.starts_with("{SSHA}") => "plain SHA-1 (`{SHA}`)",
        _ if text.starts_with("$1$") => "crypt's MD5 (`$1$`)",
        _ if text.starts_with("$5$") || text.starts_with("$6$") => "crypt's SHA-2",
        _ if text.starts_with("$2x$") => "bcrypt of the faulty kind (`$2x$`)",
        _ if text.starts_with("$argon2") => "argon2 other than argon2id",
        _ if text.len() == 13 && !text.contains('$') => "crypt",
        _ => return None,
    })
}

/// The hash of a password, to be stored: argon2id. Takes long.
///
/// # Errors
/// The system has no random numbers.
pub fn hash_password(password: &[u8]) -> Result<String, String> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| "the system has no random numbers")?;
    let hash = Argon2::default().hash_password_with_salt(password, &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_ours_and_those_of_others_know_their_password() {
        let ours = hash_password("pässwörd".as_bytes()).unwrap();
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        for (hash, password) in [
            (&*ours, "pässwörd"),
            // By `htpasswd -B` of Apache 2.4, and by the reference implementation's `argon2`.
            ("$2y$05$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm", ""),
        ] {
            let parsed = Hash::parse(hash).unwrap();
            assert_eq!(parsed.as_str(), hash);
            if !password.is_empty() {
                assert!(parsed.verify(password.as_bytes()), "{hash}");
            }
            assert!(!parsed.verify(b"wrong"), "{hash}");
        }
    }

    #[test]
    fn weak_and_endless_hashes_are_refused_by_name() {
        for (hash, expected) in [
            ("$apr1$Z4gYc6Vc$9i.bJ5ZQtGdbyaaQS0hnG/", "$apr1$"),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SHA}"),
            ("$1$abc$def", "MD5"),
            ("$6$rounds=5000$abc$def", "SHA-2"),
            ("rl0uE0G8yLqbA", "crypt"),
            ("$2x$05$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm", "$2x$"),
            ("$argon2i$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$AAAA", "argon2id"),
            ("hunter2", "password itself"),
            ("", "password itself"),
            ("$2y$05$short", "malformed"),
            ("$2y$31$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm", "cost"),
            ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", "malformed"),
            (
                "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "more than",
            ),
        ] {
            let error = Hash::parse(hash).unwrap_err();
            assert!(error.contains(expected), "{hash}: {error}");
            assert!(hash.is_empty() || !error.contains(hash), "it shows what it got: {error}");
        }
    }
}
