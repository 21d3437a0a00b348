//! Who a server is: by the authorities that know it, or by a certificate that is named as one of them.
//!
//! `openssl req -x509` makes a certificate that signs itself and calls itself an authority. Who has such an
//! origin names that very certificate as what to trust, and other proxies take it; webpki, to the letter of
//! RFC 5280, has no authority at the end of a chain. So one that is among those to trust, and only such a
//! one, is taken if its time, its names and its purpose are right: whoever has its key could sign any other.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, WantsVerifier,
    client::{
        WantsClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::{parse_x509_certificate, prelude::ASN1Time};

/// Who is taken for the server that was asked for.
#[derive(Debug)]
pub enum Trust {
    /// Whom these authorities know.
    Known(Arc<RootCertStore>),
    /// Anybody. The handshake's signature is still checked, so that what is wrong with a connection is at least not
    /// broken TLS.
    Anybody,
}

/// Has servers verified like this.
pub(super) fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    provider: Arc<CryptoProvider>,
    trust: Trust,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let known = match trust {
        Trust::Anybody => None,
        Trust::Known(roots) => {
            let usual =
                WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
            match usual.build() {
                Ok(usual) => Some(Known { usual, roots }),
                // Without a single authority, which is no fault as long as nobody is asked.
                Err(_) => return builder.with_root_certificates(roots),
            }
        }
    };
    builder.dangerous().with_custom_certificate_verifier(Arc::new(Verifier { provider, known }))
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// None for anybody.
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    usual: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl Known {
    /// Whether this is an authority that is to be trusted, and may speak for itself now.
    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
        let mut itself = RootCertStore::empty();
        let known = itself.add(certificate.clone().into_owned()).is_ok()
            && itself.roots.iter().all(|anchor| self.roots.roots.contains(anchor));
        let Ok((_, parsed)) = parse_x509_certificate(certificate) else { return false };
        let now = i64::try_from(now.as_secs()).ok();
        let now = now.and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
        let serves = match parsed.extended_key_usage() {
            Ok(Some(usage)) => usage.value.any || usage.value.server_auth,
            Ok(None) => true,
            Err(_) => false,
        };
        known && parsed.is_ca() && serves && now.is_some_and(|now| parsed.validity.is_valid_at(now))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(known) = &self.known else { return Ok(ServerCertVerified::assertion()) };
        let usual = known.usual.verify_server_cert(certificate, between, name, ocsp, now);
        // An authority at the end has no error of its own there.
        let Err(Error::InvalidCertificate(CertificateError::Other(_))) = usual else {
            return usual;
        };
        if !known.is_trusted_itself(certificate, now) {
            return usual;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::crypto::aws_lc_rs;

    use super::*;

    /// What `openssl req -x509` makes, changed so.
    fn own(change: impl Fn(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    fn verifies(trusted: &CertificateDer<'_>, shown: &CertificateDer<'_>, name: &str) -> bool {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone().into_owned()).unwrap();
        let roots = Arc::new(roots);
        let usual = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
        let known = Some(Known { usual: usual.build().unwrap(), roots });
        let verifier = Verifier { provider, known };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        // 2030.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));
        verifier.verify_server_cert(shown, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn an_authority_that_is_named_itself_may_be_the_server() {
        let shown = own(|_| {});
        assert!(verifies(&shown, &shown, "a.example"));
        assert!(!verifies(&shown, &shown, "b.example"));
        assert!(!verifies(&own(|_| {}), &shown, "a.example"), "another of the same name");
        let purpose = |purpose: ExtendedKeyUsagePurpose| {
            own(move |params| params.extended_key_usages = vec![purpose.clone()])
        };
        let for_servers = purpose(ExtendedKeyUsagePurpose::ServerAuth);
        assert!(verifies(&for_servers, &for_servers, "a.example"));
        let for_clients = purpose(ExtendedKeyUsagePurpose::ClientAuth);
        assert!(!verifies(&for_clients, &for_clients, "a.example"));
        let over = own(|params| params.not_after = date_time_ymd(2029, 1, 1));
        assert!(!verifies(&over, &over, "a.example"));
        let to_come = own(|params| params.not_before = date_time_ymd(2031, 1, 1));
        assert!(!verifies(&to_come, &to_come, "a.example"));
    }

    #[test]
    fn who_signs_for_itself_and_is_no_authority_was_taken_before() {
        let shown = own(|params| params.is_ca = IsCa::NoCa);
        assert!(verifies(&shown, &shown, "a.example"));
    }
}
