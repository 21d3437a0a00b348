//! Certificates, keys and revocation lists, from PEM files.
//!
//! Every message names the file and says what was looked for in it; none shows what is in it.

use std::{path::Path as FilePath, sync::Arc};

use rustls::{crypto::aws_lc_rs::sign::any_supported_type, sign::CertifiedKey};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use crate::{
    config::{self, Path, Problem},
    dial,
};

/// When a certificate ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate, by its first name.
    pub name: String,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// A certificate with its key, and the names it is for.
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Vec<String>,
    pub(super) expiry: Expiry,
}

impl Loaded {
    /// Reads the files of a certificate and its key.
    pub(super) fn read(pair: &config::Certificate, at: &Path) -> Result<Self, Problem> {
        let chain = read_certificates(&pair.cert)
            .map_err(|message| Problem::error(at.key("cert"), message))?;
        let key = read_key(&pair.key).map_err(|message| Problem::error(at.key("key"), message))?;
        Self::new(chain, &key).map_err(|message| {
            Problem::error(at.clone(), format!("`{}`: {message}", pair.cert.display()))
        })
    }

    /// A chain and the key of its first certificate.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, String> {
        let key = any_supported_type(key).map_err(|error| format!("unusable key: {error}"))?;
        let first = chain.first().ok_or("the chain is empty")?;
        let (names, not_after) = describe(first)?;
        let name = names.first().cloned().unwrap_or_else(|| "(no name)".into());
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err("this key is not the certificate's".into()),
        }
        Ok(Self { key: Arc::new(key), names, expiry: Expiry { name, not_after } })
    }
}

/// The DNS names of a certificate, lower case, and when it ends.
fn describe(der: &CertificateDer<'_>) -> Result<(Vec<String>, i64), String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("not a certificate: {error}"))?;
    let names = match certificate.subject_alternative_name() {
        Ok(Some(names)) => names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            })
            .collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(format!("its alternative names are malformed: {error}")),
    };
    Ok((names, certificate.validity().not_after.timestamp()))
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// What is wrong with the file.
pub fn read_certificates(path: &FilePath) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> = all(path, "certificate")?;
    if found.is_empty() { Err(nothing(path, "certificate (BEGIN CERTIFICATE)")) } else { Ok(found) }
}

/// The revocation lists of a PEM file, at least one.
pub(super) fn read_crls(
    path: &FilePath,
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let found: Vec<_> = all(path, "revocation list")?;
    if found.is_empty() {
        Err(nothing(path, "revocation list (BEGIN X509 CRL)"))
    } else {
        Ok(found)
    }
}

/// The private key of a PEM file.
///
/// # Errors
/// What is wrong with the file.
pub fn read_key(path: &FilePath) -> Result<PrivateKeyDer<'static>, String> {
    dial::private_key(path, &config::read_file(path)?)
}

fn all<T: PemObject>(path: &FilePath, what: &str) -> Result<Vec<T>, String> {
    let text = config::read_file(path)?;
    T::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} ({what})", malformed(path, &error)))
}

fn nothing(path: &FilePath, what: &str) -> String {
    format!("`{}` holds no {what}", path.display())
}

fn malformed(path: &FilePath, error: &pem::Error) -> String {
    format!("`{}` is not valid PEM: {error:?}", path.display())
}
