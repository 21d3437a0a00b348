//! TLS towards clients: certificates chosen by name, tickets that all workers share.
//!
//! In: the `tls` of a listener and the files it names. Out: a [`ServerTls`] that a handshake needs
//! nothing else for. Everything is read and checked at load; a handshake reads no file.

mod certificate;
mod names;
mod self_signed;

use std::{path::Path as FilePath, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
};

pub use self::certificate::{Expiry, read_certificates, read_key};
use self::{certificate::Loaded, names::ByName};
use crate::config::{self, Path, Problem, Problems, Protocol, TlsVersion};

/// TLS of a listener, ready for handshakes.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// What a handshake is made with.
    pub config: Arc<ServerConfig>,
    /// When its certificates end.
    pub expiries: Vec<Expiry>,
}

/// What keeps session tickets: made once, shared by all workers, kept over reloads, and rotated by
/// itself every six hours.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Fresh keys.
    ///
    /// # Errors
    /// The system gave no randomness.
    pub fn new() -> Result<Self, String> {
        aws_lc_rs::Ticketer::new().map(Self).map_err(|error| format!("no ticket keys: {error}"))
    }
}

/// The one crypto library, with post-quantum key exchange first.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl ServerTls {
    /// Reads and checks all that a listener's `tls` at `at` names.
    ///
    /// Adds to `problems` and returns nothing when something is wrong.
    pub fn compile(
        tls: &config::Tls,
        state: Option<&FilePath>,
        tickets: &Tickets,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let own = config::TlsFiles::default();
        let (files, loaded) = match tls {
            config::Tls::Word(config::TlsWord::SelfSigned) => {
                let made = self_signed::load_or_make(state);
                let made = made.map_err(|message| Problem::error(at.clone(), message));
                (&own, vec![problems.keep(made)?])
            }
            config::Tls::Files(files) => (files, certificates(files, at, problems)?),
        };
        let verifier = match &files.client {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(client) => client_verifier(client, &at.key("client"), problems)?,
        };
        // A resumed session keeps the client's certificate unverified: under other rules than it
        // was made, a ticket must not open. So a listener with client certificates has its own.
        let tickets = match &files.client {
            None => tickets.clone(),
            Some(_) => problems
                .keep(Tickets::new().map_err(|message| Problem::error(at.clone(), message)))?,
        };
        let expiries = loaded.iter().map(|loaded| loaded.expiry.clone()).collect();
        let config = server_config(files, loaded, verifier, tickets);
        let config =
            problems.keep(config.map_err(|error| Problem::error(at.clone(), error.to_string())))?;
        Some(Self { config: Arc::new(config), expiries })
    }
}

fn certificates(
    files: &config::TlsFiles,
    at: &Path,
    problems: &mut Problems,
) -> Option<Vec<Loaded>> {
    let at = at.key("certificates");
    if files.certificates.is_empty() {
        let problem = Problem::error(at, "TLS needs at least one certificate");
        problems.push(
            problem.help("add { cert = \"a.pem\", key = \"a.key\" }, or use tls = \"self-signed\""),
        );
        return None;
    }
    let load = |(index, pair): (usize, &config::Certificate)| {
        problems.keep(Loaded::read(pair, &at.index(index)))
    };
    // Not `collect` into an `Option`: every bad file is to be named, not the first.
    let loaded: Vec<_> = files.certificates.iter().enumerate().map(load).collect();
    loaded.into_iter().collect()
}

fn server_config(
    files: &config::TlsFiles,
    loaded: Vec<Loaded>,
    verifier: Arc<dyn ClientCertVerifier>,
    tickets: Tickets,
) -> Result<ServerConfig, rustls::Error> {
    let versions: &[&rustls::SupportedProtocolVersion] = match files.min_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(ByName::new(loaded)));
    let names = files.alpn.0.iter().flat_map(|protocol| alpn(*protocol));
    config.alpn_protocols = names.map(|name| name.to_vec()).collect();
    config.ticketer = tickets.0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ignore_client_order = true;
    Ok(config)
}

/// Its names, best first. Who offers HTTP/1.0 alone would get no connection by a list without it.
const fn alpn(protocol: Protocol) -> &'static [&'static [u8]] {
    match protocol {
        Protocol::Http2 => &[b"h2"],
        Protocol::Http1 => &[b"http/1.1", b"http/1.0"],
    }
}

fn client_verifier(
    client: &config::ClientCertificates,
    at: &Path,
    problems: &mut Problems,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let ca = read_certificates(&client.ca).map_err(|message| Problem::error(at.key("ca"), message));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in problems.keep(ca)? {
        if let Err(error) = roots.add(certificate) {
            let message = format!("`{}` holds no usable authority: {error}", client.ca.display());
            problems.push(Problem::error(at.key("ca"), message));
            return None;
        }
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
    if let Some(crl) = &client.crl {
        let lists =
            certificate::read_crls(crl).map_err(|message| Problem::error(at.key("crl"), message));
        builder = builder.with_crls(problems.keep(lists)?);
    }
    if client.optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder.build().map_err(|error| Problem::error(at.clone(), error.to_string()));
    problems.keep(verifier)
}
