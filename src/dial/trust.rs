//! Whom to trust in TLS towards others: a file's authorities, or the system's.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};

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
