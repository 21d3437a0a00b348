//! A certificate of our own making, for development.
//!
//! Kept in the state directory, so that a browser that was told to trust it need not be told again;
//! made anew when less than 30 days of it are left.

use std::{
    path::Path as FilePath,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{Certificate, CertificateParams, DnType, KeyPair};
use rustls_pki_types::PrivateKeyDer;

use super::certificate::{Loaded, read_certificates, read_key};
use crate::state;

const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAYS: u64 = 365;
const RENEW: i64 = 30 * 86_400;

/// The certificate of the state directory, made if there is none or it is about to end; without a
/// directory, one for the moment.
pub(super) fn load_or_make(state: Option<&FilePath>) -> Result<Loaded, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let Some(state) = state else { return make(now)?.load() };
    let (cert, key) = (state.join("self-signed.pem"), state.join("self-signed.key"));
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
    let made = make(now)?;
    state::write(&key, &made.pair.serialize_pem(), 0o600)?;
    state::write(&cert, &made.certificate.pem(), 0o644)?;
    made.load()
}

struct Made {
    certificate: Certificate,
    pair: KeyPair,
}

impl Made {
    fn load(&self) -> Result<Loaded, String> {
        let key = PrivateKeyDer::try_from(self.pair.serialize_der())?;
        Loaded::new(vec![self.certificate.der().clone()], &key)
    }
}

fn make(now: u64) -> Result<Made, String> {
    let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let moment = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    let pair = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(NAMES.map(String::from)).map_err(failed)?;
    params.distinguished_name.push(DnType::CommonName, "Janua, self-signed");
    // An hour for clocks that are behind.
    params.not_before = moment(now.saturating_sub(3_600)).into();
    params.not_after = moment(now + DAYS * 86_400).into();
    let certificate = params.self_signed(&pair).map_err(failed)?;
    Ok(Made { certificate, pair })
}
