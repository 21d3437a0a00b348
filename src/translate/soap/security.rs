//! What an envelope's header says: WS-Addressing, and WS-Security with a name and a password, or a time.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, rand};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::wsdl::Version;
use crate::{
    config::{Path, Problem, Problems, Soap},
    xml::{NotXml, Writer},
};

const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const TOKEN: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// What headers of envelopes say.
#[derive(Default)]
pub(super) struct Headers {
    addressing: bool,
    user: Option<User>,
    timestamp: Option<Duration>,
}

struct User {
    name: Box<str>,
    password: Zeroizing<String>,
    digest: bool,
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

impl Headers {
    /// Compiles what is said.
    pub(super) fn compile(soap: &Soap, at: &Path, problems: &mut Problems) -> Self {
        let user = soap.username.as_ref().and_then(|user| {
            let at = at.key("username").key("password");
            match user.password.reveal() {
                Ok(password) => {
                    Some(User { name: (&*user.name).into(), password, digest: user.digest })
                }
                Err(what) => {
                    problems.push(Problem::error(at, what));
                    None
                }
            }
        });
        let timestamp = soap.timestamp.map(|timestamp| timestamp.0);
        Self { addressing: soap.addressing, user, timestamp }
    }

    /// Writes them for a call.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        version: Version,
        (action, to): (&str, &str),
        now: SystemTime,
    ) -> Result<(), NotXml> {
        if !self.addressing && self.user.is_none() && self.timestamp.is_none() {
            return Ok(());
        }
        writer.start("soap:Header")?;
        if self.addressing {
            let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
            let id = format!("urn:uuid:{id}");
            for (name, value) in [("Action", action), ("MessageID", &id), ("To", to)] {
                text(writer, &format!("wsa:{name}"), ("xmlns:wsa", ADDRESSING), value)?;
            }
            writer.start("wsa:ReplyTo")?;
            writer.attribute("xmlns:wsa", ADDRESSING)?;
            writer.start("wsa:Address")?;
            writer.text(ANONYMOUS)?;
            writer.end()?;
            writer.end()?;
        }
        if self.user.is_some() || self.timestamp.is_some() {
            self.security(writer, version, now)?;
        }
        writer.end()
    }

    fn security(
        &self,
        writer: &mut Writer,
        version: Version,
        now: SystemTime,
    ) -> Result<(), NotXml> {
        writer.start("wsse:Security")?;
        writer.attribute("xmlns:wsse", SECURITY)?;
        writer.attribute("xmlns:wsu", UTILITY)?;
        let must = if version == Version::Soap11 { "1" } else { "true" };
        writer.attribute("soap:mustUnderstand", must)?;
        let created = moment(now);
        if let Some(life) = self.timestamp {
            writer.start("wsu:Timestamp")?;
            writer.attribute("wsu:Id", "timestamp")?;
            plain(writer, "wsu:Created", &created)?;
            plain(writer, "wsu:Expires", &moment(now + life))?;
            writer.end()?;
        }
        if let Some(user) = &self.user {
            writer.start("wsse:UsernameToken")?;
            plain(writer, "wsse:Username", &user.name)?;
            if user.digest {
                let mut nonce = [0; 16];
                // Without random numbers no request is sent that could be sent again by others.
                rand::fill(&mut nonce).map_err(|_| NotXml::Character)?;
                let kind = format!("{TOKEN}#PasswordDigest");
                text(
                    writer,
                    "wsse:Password",
                    ("Type", &kind),
                    &digested(&nonce, &created, &user.password),
                )?;
                text(writer, "wsse:Nonce", ("EncodingType", BASE64), &STANDARD.encode(nonce))?;
                plain(writer, "wsu:Created", &created)?;
            } else {
                let kind = format!("{TOKEN}#PasswordText");
                text(writer, "wsse:Password", ("Type", &kind), &user.password)?;
            }
            writer.end()?;
        }
        writer.end()
    }
}

/// What is sent in place of a password: the standard asks for SHA-1.
fn digested(nonce: &[u8], created: &str, password: &str) -> String {
    let mut sum = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in [nonce, created.as_bytes(), password.as_bytes()] {
        sum.update(part);
    }
    STANDARD.encode(sum.finish())
}

fn moment(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let time = time.replace_millisecond(time.millisecond()).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

fn plain(writer: &mut Writer, name: &str, value: &str) -> Result<(), NotXml> {
    writer.start(name)?;
    writer.text(value)?;
    writer.end()
}

fn text(
    writer: &mut Writer,
    name: &str,
    (key, value): (&str, &str),
    text: &str,
) -> Result<(), NotXml> {
    writer.start(name)?;
    writer.attribute(key, value)?;
    writer.text(text)?;
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_digested_as_the_standard_says() {
        // What Python's hashlib makes of the same.
        let sum = digested(b"0123456789abcdef", "2026-11-29T00:00:00Z", "secret");
        assert_eq!(sum, "jlI8F0GjKSNqSJWXMcleczz3EFE=");
    }
}
