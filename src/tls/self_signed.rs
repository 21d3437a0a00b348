//! A certificate of our own making, for development.
//!
//! Kept in the state directory, so that a browser that was told to trust it need not be told again;
//! made anew when less than 30 days of it are left.

use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path as FilePath,
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, KeyPair};

use super::certificate::{Loaded, read_certificates, read_key};

const NAMES: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];
const DAYS: u64 = 365;
const RENEW: i64 = 30 * 86_400;

/// The certificate of the state directory, made if there is none or it is about to end.
pub(super) fn load_or_make(state: &FilePath) -> Result<Loaded, String> {
    let (cert, key) = (state.join("self-signed.pem"), state.join("self-signed.key"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if cert.exists() && key.exists() {
        let kept = read_certificates(&cert)
            .and_then(|chain| read_key(&key).and_then(|key| Loaded::new(chain, &key)));
        // What cannot be read is made anew, like what is about to end.
        if let Ok(kept) = kept
            && kept.expiry.not_after > now.cast_signed() + RENEW
        {
            return Ok(kept);
        }
    }
    make(&cert, &key, now)
}

fn make(cert: &FilePath, key: &FilePath, now: u64) -> Result<Loaded, String> {
    let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let pair = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(NAMES.map(String::from)).map_err(failed)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Janua, self-signed");
    let end = UNIX_EPOCH + std::time::Duration::from_secs(now + DAYS * 86_400);
    params.not_before = (UNIX_EPOCH + std::time::Duration::from_secs(now - 3_600)).into();
    params.not_after = end.into();
    let made = params.self_signed(&pair).map_err(failed)?;
    write(key, &pair.serialize_pem(), 0o600)?;
    write(cert, &made.pem(), 0o644)?;
    Loaded::new(read_certificates(cert)?, &read_key(key)?)
}

/// Writes a file whole or not at all.
fn write(path: &FilePath, text: &str, mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| {
        format!(
            "cannot write `{}`: {error}; set server.state to a directory of Janua's",
            path.display()
        )
    };
    let parent = path.parent().unwrap_or(FilePath::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
