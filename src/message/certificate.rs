//! [`ClientCertificate`]: what a client showed in its TLS handshake, and who that makes it.
//!
//! In: the certificate (DER), whose signatures were verified. Out: its facts, read once for a
//! connection, when somebody asks. What a feature makes of them stays with the connection too, so that
//! its next request costs a reference.

use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    x509::X509Name,
};

use super::hex::hex;

/// A client's certificate, verified.
#[derive(Debug)]
pub struct ClientCertificate {
    der: Box<[u8]>,
    facts: OnceLock<Option<CertificateFacts>>,
    memory: Mutex<Option<Memory>>,
}

/// What somebody made of a certificate, and whose it is.
type Memory = (u64, Arc<dyn Any + Send + Sync>);

/// What a certificate says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateFacts {
    /// The SHA-256 of all of it, in hex.
    pub fingerprint: Box<str>,
    /// The serial number, in hex.
    pub serial: Box<str>,
    /// Whose it is: `O=Acme, CN=alice`.
    pub subject: Box<str>,
    /// The first common name.
    pub cn: Option<Box<str>>,
    /// Who signed it.
    pub issuer: Box<str>,
    /// The first common name of who signed it.
    pub issuer_cn: Option<Box<str>>,
    /// Its DNS names.
    pub dns: Box<[Box<str>]>,
    /// Its URIs.
    pub uris: Box<[Box<str>]>,
    /// Its addresses for mail.
    pub emails: Box<[Box<str>]>,
    /// When it ends, in seconds since 1970.
    pub not_after: i64,
}

impl ClientCertificate {
    /// A certificate (DER) that was verified.
    pub fn new(der: &[u8]) -> Self {
        Self { der: der.into(), facts: OnceLock::new(), memory: Mutex::new(None) }
    }

    /// What it says; none if it is none, which no handshake lets through.
    pub fn facts(&self) -> Option<&CertificateFacts> {
        self.facts.get_or_init(|| CertificateFacts::read(&self.der)).as_ref()
    }

    /// What somebody with this number made of it before, or makes of it now. There is room for one.
    pub fn remember<T: Any + Send + Sync>(
        &self,
        number: u64,
        make: impl FnOnce(Option<&CertificateFacts>) -> T,
    ) -> Arc<T> {
        let mut memory = self.memory.lock();
        if let Some((of, made)) = &*memory
            && *of == number
            && let Ok(made) = made.clone().downcast()
        {
            return made;
        }
        let made = Arc::new(make(self.facts()));
        *memory = Some((number, made.clone()));
        made
    }
}

impl CertificateFacts {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        // Names that cannot be read are not passed over: what stands in them may be what matters.
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.map(|names| &names.value.general_names[..]).unwrap_or_default();
        let all = |pick: fn(&GeneralName<'_>) -> Option<Box<str>>| {
            names.iter().filter_map(pick).collect::<Box<[_]>>()
        };
        Some(Self {
            fingerprint: hex(digest(&SHA256, der).as_ref()).into(),
            serial: hex(certificate.raw_serial()).into(),
            subject: certificate.subject().to_string().into(),
            cn: common_name(certificate.subject()),
            issuer: certificate.issuer().to_string().into(),
            issuer_cn: common_name(certificate.issuer()),
            dns: all(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
                _ => None,
            }),
            uris: all(|name| match name {
                GeneralName::URI(uri) => Some((*uri).into()),
                _ => None,
            }),
            emails: all(|name| match name {
                GeneralName::RFC822Name(address) => Some((*address).into()),
                _ => None,
            }),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

fn common_name(name: &X509Name<'_>) -> Option<Box<str>> {
    name.iter_common_name().next()?.as_str().ok().map(Into::into)
}
