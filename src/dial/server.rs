//! [`Server`]: somebody whom Janua itself connects to, in clear or by TLS.
//!
//! In: an address. Out: a stream, made now, to whoever it is by name.

use std::{io, net::IpAddr, sync::Arc};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::{Address, NoConnection, Place, Resolved, open};
use crate::stream::Stream;

/// Somebody whom Janua itself connects to.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    resolved: Resolved,
    /// Who it has to be, where TLS is spoken.
    name: Option<ServerName<'static>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// There is no way there.
    #[error(transparent)]
    Connection(#[from] NoConnection),
    /// Whoever is there is not who it should be, or does not speak TLS.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
}

impl Server {
    /// Somebody at this address.
    ///
    /// # Errors
    /// TLS cannot verify its name.
    pub fn new(address: Address) -> Result<Self, String> {
        let host = address.host();
        Self { address, resolved: Resolved::default(), name: None }.verified_as(&host)
    }

    /// The same, which has to be whoever this name says, where TLS is spoken.
    ///
    /// # Errors
    /// TLS cannot verify it.
    pub fn verified_as(mut self, name: &str) -> Result<Self, String> {
        if self.address.tls {
            let valid = ServerName::try_from(name.to_owned());
            let valid = valid.map_err(|_| format!("TLS cannot verify the name `{name}`"))?;
            self.name = Some(valid);
        }
        Ok(self)
    }

    /// Whether nobody on the way can change what is said.
    pub fn is_protected(&self) -> bool {
        let here = |ip: &IpAddr| ip.is_loopback();
        self.address.tls
            || match &self.address.place {
                Place::Ip(ip, _) => here(ip),
                Place::Name(name, _) => &**name == "localhost",
                Place::Unix(_) => true,
            }
    }

    /// Connects.
    ///
    /// # Errors
    /// Which step failed.
    pub async fn connect(&self, tls: &Arc<ClientConfig>) -> Result<Stream, Unreachable> {
        let socket = open(&self.address, &self.resolved).await?;
        Ok(match &self.name {
            None => Stream::Clear(socket),
            Some(name) => {
                let connector = TlsConnector::from(tls.clone());
                let stream = connector.connect(name.clone(), socket).await;
                Stream::Tls(Box::new(stream.map_err(Unreachable::Tls)?.into()))
            }
        })
    }
}
