//! Authorities, certificates and revocation lists, made for one test.

use std::{path::Path, sync::Arc, time::SystemTime};

use ::aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig,
    client::WantsClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// An authority that signs certificates.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&pair).unwrap();
        Self { certificate, issuer: Issuer::new(params, pair) }
    }

    /// A certificate for these names, with a serial number.
    pub(crate) fn issue(&self, serial: u64, names: &[&str]) -> Identity {
        let pair = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names.join(" "));
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&pair, &self.issuer).unwrap();
        Identity { certificate, pair }
    }

    /// A certificate for this common name, with these alternative names, up to some time.
    pub(crate) fn issue_to(
        &self,
        name: &str,
        names: Vec<SanType>,
        ends: Option<SystemTime>,
    ) -> Identity {
        let pair = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = names;
        if let Some(ends) = ends {
            params.not_after = ends.into();
        }
        let certificate = params.signed_by(&pair, &self.issuer).unwrap();
        Identity { certificate, pair }
    }

    /// A list (PEM) that revokes these serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes its certificate; gives back the path as TOML has it.
    pub(crate) fn save(&self, path: &Path) -> String {
        std::fs::write(path, self.pem()).unwrap();
        path.display().to_string()
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// A client that trusts this authority, and offers no ALPN.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_of(rustls::DEFAULT_VERSIONS).with_no_client_auth()
    }

    /// A client that trusts a certificate (PEM) that no authority signed.
    pub(crate) fn client_that_trusts(pem: &str) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// The same, of some versions only.
    pub(crate) fn client_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> WithoutIdentity {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots())
    }

    /// An origin that asks for a certificate of this authority.
    pub(crate) fn server_for_clients(&self, identity: &Identity) -> ServerConfig {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider());
        let (chain, key) = identity.parts();
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap()
    }
}

/// A client of which it is not yet said whether it shows a certificate.
type WithoutIdentity = ConfigBuilder<ClientConfig, WantsClientCert>;

/// A certificate and its key.
pub(crate) struct Identity {
    certificate: Certificate,
    pair: KeyPair,
}

impl Identity {
    fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::try_from(self.pair.serialize_der()).unwrap();
        (vec![self.certificate.der().clone()], key)
    }

    /// A client that shows it.
    pub(crate) fn shown_by(&self, client: WithoutIdentity) -> ClientConfig {
        let (chain, key) = self.parts();
        client.with_client_auth_cert(chain, key).unwrap()
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// The hash (SHA-256, Base64) of its public key, by which browsers are told to trust it.
    pub(crate) fn pin(&self) -> String {
        let key = digest(&SHA256, &self.pair.subject_public_key_info());
        STANDARD.encode(key)
    }

    /// Writes both; gives back the TOML that names them.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> String {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, self.certificate.pem()).unwrap();
        std::fs::write(&key, self.pair.serialize_pem()).unwrap();
        format!("cert = \"{}\", key = \"{}\"", cert.display(), key.display())
    }

    /// An origin with this certificate.
    pub(crate) fn server(&self) -> ServerConfig {
        let (chain, key) = self.parts();
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap()
    }
}
