//! [`Sticky`]: a cookie of our own that names the endpoint which a client had.
//!
//! In: a request's cookies, and who answered. Out: the endpoint's id, and the cookie if it is another one now. An
//! id is a keyed digest of the endpoint's URL: it tells nobody what there is inside, and is the same after every
//! reload. It is no credential: who invents one gets what others get who come with none.

use std::{fmt, fs, path::Path as FilePath};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign},
    rand::{SecureRandom as _, SystemRandom},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, HeaderValue};

use crate::{
    config::{self, Config, Path, Problem, Problems, SameSite},
    message::{clear_cookies, cookies},
    state,
};

/// What a gateway makes names of endpoints with.
pub type StickyKey = [u8; 32];

/// Where it is kept, so that clients find their endpoints again after a restart.
const FILE: &str = "sticky-key";

/// The gateway's own key, if an upstream asks for it.
pub fn sticky_key(
    config: &Config,
    folder: Option<&FilePath>,
    problems: &mut Problems,
) -> Option<StickyKey> {
    let mut sticky = config.upstream.iter().filter(|(_, upstream)| upstream.sticky.is_some());
    let at = Path::root().key("upstream").key(sticky.next()?.0.clone()).key("sticky");
    problems.keep(own_key(folder).map_err(|message| Problem::error(at, message)))
}

/// The key in the state directory; a new one if there is none.
fn own_key(folder: Option<&FilePath>) -> Result<StickyKey, String> {
    let file = folder.map(|folder| folder.join(FILE));
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        let text = fs::read_to_string(file).map_err(|error| error.to_string());
        let key = text.and_then(|text| BASE64.decode(text.trim()).map_err(|_| "no key".into()));
        let key = key.and_then(|key| key.try_into().map_err(|_| "no key".to_owned()));
        return key.map_err(|why| {
            format!("cannot read `{}`: {why}; without it a new one is made", file.display())
        });
    }
    let mut key = StickyKey::default();
    SystemRandom::new().fill(&mut key).map_err(|_| "the system gives no random numbers")?;
    match file {
        Some(file) => state::write(&file, &BASE64.encode(key), 0o600).map(|()| key),
        None => Ok(key),
    }
}

/// A secret is no shorter: nobody is to find it by trying.
const SHORTEST: usize = 16;

/// A cookie that names endpoints.
pub(super) struct Sticky {
    /// Its name.
    pub(super) name: Box<str>,
    /// What stands behind its value, without `Secure`.
    attributes: Box<str>,
    secure: Option<bool>,
    key: Key,
}

impl Sticky {
    /// Compiles `sticky` at `at`; ids are made with the gateway's own key, unless it has a secret.
    pub(super) fn compile(
        sticky: &config::Sticky,
        own: Option<&[u8]>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().len();
        let is_table = matches!(sticky, config::Sticky::Table(_));
        let table = sticky.table();
        if !is_token(&table.cookie) {
            let at = if is_table { at.key("cookie") } else { at.clone() };
            let message = format!("`{}` is not a cookie's name", table.cookie);
            problems.push(Problem::error(at, message).help("as in \"janua-endpoint\""));
        }
        if !table.path.starts_with('/') || !table.path.bytes().all(is_plain) {
            let message = format!("`{}` is not a cookie's path", table.path);
            problems.push(Problem::error(at.key("path"), message).help("\"/\", or \"/shop\""));
        }
        if table.ttl.is_some_and(|ttl| ttl.0.as_secs() == 0) {
            let problem = Problem::error(at.key("ttl"), "browsers would not keep it for a second");
            problems.push(problem.help("\"1h\"; without it, until the browser is closed"));
        }
        if table.same_site == SameSite::None && table.secure == Some(false) {
            let message = "browsers take no cookie of other sites that is not `secure`";
            problems.push(Problem::error(at.key("same-site"), message));
        }
        let key = match &table.secret {
            None => own.map(|own| Key::new(HMAC_SHA256, own)),
            Some(secret) => {
                let secret = secret.reveal().and_then(|secret| match secret.len() < SHORTEST {
                    true => Err(format!("it is shorter than {SHORTEST} characters")),
                    false => Ok(Key::new(HMAC_SHA256, secret.as_bytes())),
                });
                let at = at.key("secret");
                problems.keep(secret.map_err(|message| Problem::error(at, message)))
            }
        };
        if problems.iter().len() > before {
            return None;
        }
        let site = match table.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        let age = table.ttl.map(|ttl| format!("; Max-Age={}", ttl.0.as_secs()));
        let age = age.unwrap_or_default();
        let attributes = format!("; Path={}{age}; HttpOnly; SameSite={site}", table.path).into();
        let secure = if table.same_site == SameSite::None { Some(true) } else { table.secure };
        Some(Self { name: table.cookie.into(), attributes, secure, key: key? })
    }

    /// What an endpoint of this URL is called; never 0.
    pub(super) fn id(&self, url: &str) -> u64 {
        let digest = sign(&self.key, url.as_bytes());
        let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
        u64::from_be_bytes(first).max(1)
    }

    /// Whom a request names; 0 if nobody.
    pub(super) fn named(&self, headers: &HeaderMap) -> u64 {
        let mut own = cookies(headers).filter(|(name, _)| *name == self.name.as_bytes());
        let id = own.find_map(|(_, value)| {
            let text = std::str::from_utf8(value).ok().filter(|text| text.len() == 16)?;
            u64::from_str_radix(text, 16).ok()
        });
        id.unwrap_or(0)
    }

    /// Takes the cookie off a request: it is nothing that an origin knows.
    pub(super) fn clear(&self, headers: &mut HeaderMap) {
        clear_cookies(headers, |name| name == self.name.as_bytes());
    }

    /// The cookie that names an endpoint, for a client that came by TLS or not.
    pub(super) fn cookie(&self, url: &str, tls: bool) -> Option<HeaderValue> {
        let Self { name, attributes, .. } = self;
        let secure = if self.secure.unwrap_or(tls) { "; Secure" } else { "" };
        HeaderValue::try_from(format!("{name}={:016x}{attributes}{secure}", self.id(url))).ok()
    }
}

/// A token (RFC 9110 section 5.6.2), as a cookie's name has to be one.
fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

impl fmt::Debug for Sticky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sticky").field("name", &self.name).finish_non_exhaustive()
    }
}
