//! Whom to trust in TLS towards others, a file's authorities or the system's, and what to show there.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

use super::verifier::{Trust, trusting};
use crate::config::{self, Problem, Problems};

/// A certificate, with those that lead to its authority, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// How TLS is spoken with a server that Janua itself asks: with these authorities (`ca`, of the section at
/// `at`), or the system's.
pub fn client_tls(
    ca: Option<&Path>,
    at: &config::Path,
    problems: &mut Problems,
) -> Option<ClientConfig> {
    let roots = match ca {
        None => Ok(system_roots()),
        Some(file) => {
            config::read_file(file).and_then(|text| authorities(file, &text).map(Arc::new))
        }
    };
    let roots = problems.keep(roots.map_err(|message| Problem::error(at.key("ca"), message)))?;
    let tls = tls_between(None, Trust::Known(roots));
    problems.keep(tls.map_err(|error| Problem::error(at.clone(), error.to_string())))
}

/// How TLS is spoken by one who shows this, with those who are trusted.
///
/// # Errors
/// The certificate and the key do not belong together.
pub fn tls_between(
    identity: Option<Identity>,
    trust: Trust,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let tls = trusting(tls, provider, trust);
    match identity {
        None => Ok(tls.with_no_client_auth()),
        Some((chain, key)) => tls.with_client_auth_cert(chain, key),
    }
}

/// The certificates in a file's text (PEM).
///
/// # Errors
/// There is none.
pub fn certificates(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect();
    match chain.is_empty() {
        true => Err(format!("`{}` holds no certificate", file.display())),
        false => Ok(chain),
    }
}

/// The private key in a file's text (PEM).
///
/// # Errors
/// There is none, or it cannot be used.
pub fn private_key(file: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let file = file.display();
    // PKCS #8 says so in its label, what OpenSSL had before that in a line below it.
    let marks = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
    if marks.iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark)) {
        return Err(format!(
            "`{file}` holds a private key that is encrypted, and nobody is asked for its passphrase: \
             `openssl pkey -in {file} -out ...` writes it in clear"
        ));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => format!("`{file}` holds no private key (BEGIN PRIVATE KEY)"),
        error => format!("`{file}` is not valid PEM: {error:?}"),
    })
}

/// The authorities in a file's text (PEM).
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn authorities(file: &Path, text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate =
            certificate.map_err(|_| format!("`{}` is not valid PEM", file.display()))?;
        roots
            .add(certificate)
            .map_err(|error| format!("`{}` holds no usable authority: {error}", file.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("`{}` holds no certificate", file.display()));
    }
    Ok(roots)
}

/// The system's authorities, read once: it is a big file, and it changes with the system only.
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    };
    ROOTS.get_or_init(load).clone()
}
