//! TLS towards origins: whom to trust, what to show, what to offer.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;

use crate::{
    config::{self, Path, Problem, Problems, UpstreamProtocol},
    dial::{self, Address, Identity, Trust},
};

/// TLS of an upstream's `https` endpoints.
pub(super) struct TlsToOrigin {
    pub(super) config: Arc<ClientConfig>,
    /// The same, offering HTTP/1.1 only: for requests that upgrade.
    pub(super) config_http1: Arc<ClientConfig>,
    /// Changes when a file changes.
    pub(super) digest: u64,
    name: Option<ServerName<'static>>,
}

impl TlsToOrigin {
    /// Reads and checks all that an upstream's `tls` at `at` names; whether an endpoint speaks TLS or
    /// not, a file that is named must be there.
    pub(super) fn compile(
        upstream: &config::Upstream,
        needed: bool,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let tls = &upstream.tls;
        let mut digest = DefaultHasher::new();
        let authorities = authorities(tls, needed, at, &mut digest);
        let identity = identity(tls, at, &mut digest);
        let name = tls.server_name.as_ref().map(|name| {
            let valid = ServerName::try_from(name.clone());
            let message = format!("`{name}` is not a server name");
            valid.map_err(|_| Problem::error(at.key("server-name"), message))
        });
        let (authorities, identity, name) =
            (problems.keep(authorities), problems.keep(identity), problems.keep(name.transpose()));
        let authorities = authorities?;
        let trust = if tls.verify { Trust::Known(authorities) } else { Trust::Anybody };
        let config = dial::tls_between(identity?, trust);
        let config = config.map_err(|error| Problem::error(at.clone(), error.to_string()));
        let mut config = problems.keep(config)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config_http1 = Arc::new(config.clone());
        config.alpn_protocols = match upstream.protocol {
            UpstreamProtocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            UpstreamProtocol::Http1 => vec![b"http/1.1".to_vec()],
            UpstreamProtocol::Http2 => vec![b"h2".to_vec()],
        };
        Some(Self { config: Arc::new(config), config_http1, digest: digest.finish(), name: name? })
    }

    /// The name to ask an endpoint for and to verify.
    pub(super) fn server_name(&self, address: &Address) -> Result<ServerName<'static>, String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(address.host())
                .map_err(|_| format!("`{}` is not a name that TLS can verify", address.host())),
        }
    }
}

/// The authorities to trust: a file's, or the system's.
fn authorities(
    tls: &config::UpstreamTls,
    needed: bool,
    at: &Path,
    digest: &mut DefaultHasher,
) -> Result<Arc<RootCertStore>, Problem> {
    let Some(path) = &tls.ca else {
        return Ok(if needed { dial::system_roots() } else { Arc::new(RootCertStore::empty()) });
    };
    let problem = |message: String| Problem::error(at.key("ca"), message);
    let text = read(path, digest).map_err(problem)?;
    dial::authorities(path, &text).map(Arc::new).map_err(problem)
}

/// The certificate to show.
fn identity(
    tls: &config::UpstreamTls,
    at: &Path,
    digest: &mut DefaultHasher,
) -> Result<Option<Identity>, Problem> {
    let (cert, key) = match (&tls.cert, &tls.key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return Err(Problem::error(at.key("cert"), "`cert` needs a `key`")),
        (None, Some(_)) => return Err(Problem::error(at.key("key"), "`key` needs a `cert`")),
    };
    let chain = read(cert, digest).and_then(|text| dial::certificates(cert, &text));
    let chain = chain.map_err(|message| Problem::error(at.key("cert"), message))?;
    let key = read(key, digest).and_then(|text| dial::private_key(key, &text));
    let key = key.map_err(|message| Problem::error(at.key("key"), message))?;
    Ok(Some((chain, key)))
}

fn read(path: &std::path::Path, digest: &mut DefaultHasher) -> Result<Vec<u8>, String> {
    let text = config::read_file(path)?;
    text.hash(digest);
    Ok(text)
}
