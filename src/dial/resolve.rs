//! Names of servers, resolved when a connection needs them.
//!
//! A name that does not resolve never stops a start or a reload; it fails the requests that need it,
//! by name. Answers are kept for a short time, since the system's resolver tells no time to live;
//! when it fails, the last good answer goes on being used.

use std::{io, net::SocketAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer is good.
const FRESH: Duration = Duration::from_secs(10);

/// The addresses of a name.
#[derive(Debug, Default)]
pub struct Resolved(Mutex<Option<Known>>);

#[derive(Clone, Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Resolved {
    /// The addresses of a name, from memory or from the system's resolver.
    ///
    /// # Errors
    /// What the resolver said, if there is no earlier answer either.
    pub async fn addresses(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let known = self.0.lock().clone();
        if let Some(known) = &known
            && known.at.elapsed() < FRESH
        {
            return Ok(known.addresses.clone());
        }
        let answer = match tokio::net::lookup_host((name, port)).await {
            Ok(found) => Ok(found.collect::<Vec<_>>()),
            Err(error) => Err(error),
        };
        match (answer, known) {
            (Ok(addresses), _) if !addresses.is_empty() => {
                *self.0.lock() = Some(Known { addresses: addresses.clone(), at: Instant::now() });
                Ok(addresses)
            }
            (_, Some(known)) => Ok(known.addresses),
            (Err(error), None) => Err(error),
            (Ok(_), None) => {
                Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
            }
        }
    }
}
