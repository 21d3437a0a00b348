//! TLS towards clients: certificates chosen by name, tickets that all workers share.
//!
//! In: the `tls` of a listener and the files it names. Out: a [`ServerTls`] that a handshake needs
//! nothing else for. Everything is read and checked at load; a handshake reads no file.

mod certificate;
mod names;
mod self_signed;
mod tickets;

use std::{path::Path as FilePath, sync::Arc, time::Duration};

use ::aws_lc_rs::digest::{Context, SHA256};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
};

use self::{certificate::Loaded, names::ByName};
pub use self::{
    certificate::{Expiry, read_certificates, read_key},
    tickets::Tickets,
};
use crate::config::{self, Path, Problem, Problems, Protocol, TlsVersion};

/// TLS of a listener, ready for handshakes.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// What a handshake is made with.
    pub config: Arc<ServerConfig>,
    /// When its certificates end.
    pub expiries: Vec<Expiry>,
    /// What clients have to show, if anything.
    pub demand: Option<Demand>,
}

/// What clients have to show, as a digest: it is the same while certificates are asked for, or not, of the same
/// authorities and with the same ones revoked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Demand([u8; 32]);

/// The shortest and the longest time for which a ticket key may be in use.
const ROTATION: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

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
        tickets: &mut Tickets,
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
        let (verifier, demand) = match &files.client {
            None => (WebPkiClientVerifier::no_client_auth(), None),
            Some(client) => client_verifier(client, &at.key("client"), problems)
                .map(|(verifier, demand)| (verifier, Some(demand)))?,
        };
        let tickets = problems.keep(session_tickets(files, tickets, at))?;
        let expiries = loaded.iter().map(|loaded| loaded.expiry.clone()).collect();
        let config = server_config(files, loaded, verifier, tickets);
        let config =
            problems.keep(config.map_err(|error| Problem::error(at.clone(), error.to_string())))?;
        Some(Self { config: Arc::new(config), expiries, demand })
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

/// What a listener's tickets are made with.
fn session_tickets(
    files: &config::TlsFiles,
    shared: &mut Tickets,
    at: &Path,
) -> Result<Arc<dyn ProducesTickets>, Problem> {
    let period = files.ticket_rotation.0;
    if !(ROTATION.0..=ROTATION.1).contains(&period) {
        let (shortest, longest) = (config::Duration(ROTATION.0), config::Duration(ROTATION.1));
        let message =
            format!("ticket keys change every {shortest} at most, every {longest} at least");
        return Err(Problem::error(at.key("ticket-rotation"), message));
    }
    // A resumed session keeps the client's certificate unverified: under other rules than it was
    // made, a ticket must not open. So a listener with client certificates has its own.
    let keys = match &files.client {
        None => shared.shared(period),
        Some(_) => Tickets::own(period),
    };
    keys.map_err(|message| Problem::error(at.clone(), message))
}

fn server_config(
    files: &config::TlsFiles,
    loaded: Vec<Loaded>,
    verifier: Arc<dyn ClientCertVerifier>,
    tickets: Arc<dyn ProducesTickets>,
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
    config.ticketer = tickets;
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
) -> Option<(Arc<dyn ClientCertVerifier>, Demand)> {
    let mut demand = Context::new(&SHA256);
    demand.update(&[u8::from(client.optional)]);
    let ca = read_certificates(&client.ca).map_err(|message| Problem::error(at.key("ca"), message));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in problems.keep(ca)? {
        demand.update(&certificate);
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
        let lists = problems.keep(lists)?;
        lists.iter().for_each(|list| demand.update(list));
        builder = builder.with_crls(lists);
    }
    if client.optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder.build().map_err(|error| Problem::error(at.clone(), error.to_string()));
    let mut digest = [0; 32];
    digest.copy_from_slice(demand.finish().as_ref());
    Some((problems.keep(verifier)?, Demand(digest)))
}
