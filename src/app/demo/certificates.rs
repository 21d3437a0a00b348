//! The demo's certificates: an authority, and what it signed: one for the server, one for Ada.
//!
//! In: the demo's folder. Out: files there, each a certificate with its key, PEM.

use std::{fs, path::Path as FilePath};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The authority's certificate, without its key, which nobody keeps.
pub(super) const AUTHORITY: &str = "authority.pem";
/// What the server shows.
const SERVER: &str = "server.pem";
/// What Ada shows.
pub(super) const CLIENT: &str = "ada.pem";

/// Makes them.
pub(super) fn make(folder: &FilePath) -> Result<(), String> {
    let failed = |error: rcgen::Error| format!("cannot make certificates: {error}");
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text)
            .map_err(|error| format!("cannot write `{name}`: {error}"))
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Janua demo authority");
    let key = KeyPair::generate().map_err(failed)?;
    write(AUTHORITY, params.self_signed(&key).map_err(failed)?.pem())?;
    let authority = Issuer::new(params, key);
    for (name, subject, hosts) in
        [(SERVER, "janua", &["localhost", "127.0.0.1", "::1"][..]), (CLIENT, "ada", &[])]
    {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, subject);
        let key = KeyPair::generate().map_err(failed)?;
        let signed = params.signed_by(&key, &authority).map_err(failed)?;
        write(name, signed.pem() + &key.serialize_pem())?;
    }
    Ok(())
}
