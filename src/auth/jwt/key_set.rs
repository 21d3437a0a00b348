//! [`KeySet`]: the keys that tokens are signed with, each with the algorithms that it is for.
//!
//! In: a JWK Set (RFC 7517), or a secret. Out: whether a signature holds. A key is for what its own `alg`,
//! `kty` and `crv` say, as far as the configuration allows it; what a token says only chooses among that.
//! So an RSA key is never a secret, and a secret is never in a set.

use aws_lc_rs::{
    digest, hmac,
    signature::{self as lc, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents},
};
use serde_json::{Map, Value};

use super::token::{self, Token};
use crate::{config::Algorithm, reject::Reject};

/// Signatures that are tried for one token, if it does not say whose it is.
const MAX_TRIES: usize = 4;

/// Keys.
#[derive(Debug)]
pub(in crate::auth) struct KeySet {
    keys: Vec<Key>,
    /// Changes when the keys do.
    pub(in crate::auth) digest: [u8; 32],
}

#[derive(Debug)]
struct Key {
    id: Id,
    ways: Vec<(Algorithm, Way)>,
}

/// Which tokens name a key.
#[derive(Debug)]
enum Id {
    /// Those with its `kid`, and those without any.
    Is(Box<str>),
    /// Those without any.
    None,
    /// All: there is no other.
    Only,
}

#[derive(Debug)]
enum Way {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl KeySet {
    /// A secret, for these algorithms.
    pub(in crate::auth) fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let way = |algorithm: &Algorithm| {
            let hash = hash(*algorithm)?;
            Some((*algorithm, Way::Secret(Box::new(hmac::Key::new(hash, secret)))))
        };
        let ways = algorithms.iter().filter_map(way).collect();
        Self { keys: vec![Key { id: Id::Only, ways }], digest: sha256(secret) }
    }

    /// Reads a JWK Set. Keys that are for something else are left out.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence; also if no key is left.
    pub(in crate::auth) fn parse(
        text: &[u8],
        allowed: &[Algorithm],
        most: usize,
    ) -> Result<Self, String> {
        let set = token::parse_object(text)?;
        let Some(Value::Array(found)) = set.get("keys") else {
            return Err("it is not a JWK Set: it has no list `keys`".into());
        };
        if found.len() > most {
            return Err(format!("it has {} keys, of which {most} are allowed", found.len()));
        }
        let keys: Vec<_> = found.iter().filter_map(|key| Key::parse(key, allowed)).collect();
        match keys.is_empty() {
            true => Err("it has no key that could be used".into()),
            false => Ok(Self { keys, digest: sha256(text) }),
        }
    }

    /// How many there are.
    pub(in crate::auth) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the token is signed with one of the keys.
    pub(in crate::auth) fn verify(&self, token: &Token<'_>) -> Result<(), Reject> {
        let kid = token.kid.as_deref();
        let named = || self.keys.iter().filter(move |key| key.id.fits(kid));
        if named().next().is_none() {
            return Err(Reject::AuthJwtKeyUnknown);
        }
        let ways = named().flat_map(|key| &key.ways);
        let fits = || ways.clone().filter(|(known, _)| *known == token.algorithm);
        match fits().count() {
            0 => Err(Reject::AuthJwtAlgorithm),
            1..=MAX_TRIES if fits().any(|(_, way)| way.verify(token)) => Ok(()),
            1..=MAX_TRIES => Err(Reject::AuthJwtSignature),
            _ => Err(Reject::AuthJwtKeyUnknown),
        }
    }
}

impl Id {
    fn fits(&self, kid: Option<&str>) -> bool {
        match (self, kid) {
            (Self::Only, _) | (_, None) => true,
            (Self::Is(own), Some(kid)) => **own == *kid,
            (Self::None, Some(_)) => false,
        }
    }
}

impl Way {
    fn verify(&self, token: &Token<'_>) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(token.signed, &token.signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, token.signed, &token.signature).is_ok(),
        }
    }
}

impl Key {
    /// A key of a set, if it is a public one for signatures of an algorithm that is allowed.
    fn parse(key: &Value, allowed: &[Algorithm]) -> Option<Self> {
        let key = key.as_object()?;
        let signs = key.get("use").is_none_or(|is| is == "sig");
        let verify = |ops: &Value| {
            ops.as_array().is_some_and(|ops| ops.iter().any(|operation| operation == "verify"))
        };
        if !signs || !key.get("key_ops").is_none_or(verify) {
            return None;
        }
        let id = match key.get("kid") {
            None => Id::None,
            Some(kid) => Id::Is(kid.as_str()?.into()),
        };
        let ways = match key.get("kty")?.as_str()? {
            "RSA" => rsa(key),
            "EC" => elliptic(key),
            "OKP" => edwards(key),
            _ => None,
        }?;
        let own = match key.get("alg") {
            None => None,
            Some(own) => Some(token::named(own.as_str()?)?),
        };
        let is_for = |algorithm: Algorithm| {
            own.is_none_or(|own| own == algorithm)
                && (allowed.is_empty() || allowed.contains(&algorithm))
        };
        let ways: Vec<_> = ways.into_iter().filter(|(algorithm, _)| is_for(*algorithm)).collect();
        (!ways.is_empty()).then_some(Self { id, ways })
    }
}

type Ways = Vec<(Algorithm, Way)>;

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::RS256, &lc::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &lc::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &lc::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &lc::RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &lc::RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &lc::RSA_PSS_2048_8192_SHA512),
];

fn rsa(key: &Map<String, Value>) -> Option<Ways> {
    let (n, e) = (number(key, "n")?, number(key, "e")?);
    // 2,048 to 8,192 bits; an exponent that is odd, and no larger than any that is in use.
    let small = n.len() < 256 || (n.len() == 256 && n[0] < 0x80);
    let odd = e.last().is_some_and(|last| last % 2 == 1);
    if small || n.len() > 1024 || !odd || e == [1] || e.len() > 4 {
        return None;
    }
    let components = RsaPublicKeyComponents { n, e };
    let way = |(algorithm, parameters): (Algorithm, _)| {
        Some((algorithm, Way::Public(components.to_parsed_public_key(parameters).ok()?)))
    };
    RSA.into_iter().map(way).collect()
}

fn elliptic(key: &Map<String, Value>) -> Option<Ways> {
    let (algorithm, curve, size): (_, &'static dyn lc::VerificationAlgorithm, _) =
        match key.get("crv")?.as_str()? {
            "P-256" => (Algorithm::ES256, &lc::ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::ES384, &lc::ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::ES512, &lc::ECDSA_P521_SHA512_FIXED, 66),
            _ => return None,
        };
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    let whole = x.len() == size && y.len() == size;
    let point = [&[4][..], &x, &y].concat();
    let parsed = ParsedPublicKey::new(curve, point).ok().filter(|_| whole)?;
    Some(vec![(algorithm, Way::Public(parsed))])
}

fn edwards(key: &Map<String, Value>) -> Option<Ways> {
    let point = bytes(key, "x").filter(|point| key["crv"] == "Ed25519" && point.len() == 32)?;
    let parsed = ParsedPublicKey::new(&lc::ED25519, point).ok()?;
    Some(vec![(Algorithm::EdDsa, Way::Public(parsed))])
}

fn bytes(key: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    token::decode(key.get(name)?.as_str()?)
}

/// A number without leading zeros; some write them all the same.
fn number(key: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    let mut bytes = bytes(key, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    (!bytes.is_empty()).then_some(bytes)
}

/// The hash of an algorithm with a secret.
fn hash(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512
        | Algorithm::ES256
        | Algorithm::ES384
        | Algorithm::ES512
        | Algorithm::EdDsa => None,
    }
}

/// How long a secret has to be for an algorithm (RFC 7518 section 3.2), if it needs one.
pub(in crate::auth) fn secret_size(algorithm: Algorithm) -> Option<usize> {
    hash(algorithm).map(|hash| hash.digest_algorithm().output_len())
}

fn sha256(text: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, text).as_ref());
    sum
}
