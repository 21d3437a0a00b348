//! A server's URL: what it says of where to connect and how.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery},
};

/// Where a server is and whether TLS is spoken there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// Where to connect.
    pub place: Place,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Its name and port as `Host` says them.
    pub authority: HeaderValue,
}

/// Where to connect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// An IP address and a port.
    Ip(IpAddr, u16),
    /// A name to be resolved, and a port.
    Name(Box<str>, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("unix:") {
            return unix(url, path);
        }
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        let address = Self::of(&uri)?;
        match uri.path_and_query().map(PathAndQuery::as_str) {
            None | Some("/") => Ok(address),
            Some(rest) => Err(format!(
                "an endpoint has no path; take `{rest}` off, and use the route's `add-prefix` for it"
            )),
        }
    }

    /// Where `http://HOST[:PORT]/..` or the same with `https` leads.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn of(uri: &Uri) -> Result<Self, String> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(other) => {
                return Err(format!("`{other}` is not spoken; write http://, https:// or unix:/"));
            }
            None => return Err(format!("`{uri}` needs http://, https:// or unix:/ in front")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{uri}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err("a server's URL must not carry a user or password".into());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':')
                || authority.as_str().len() > authority.host().len() =>
            {
                return Err(format!("`{authority}` has no valid port"));
            }
            None if tls => 443,
            None => 80,
        };
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let place = match bare.parse::<IpAddr>() {
            Ok(ip) => Place::Ip(ip, port),
            Err(_) if host.is_empty() || host.starts_with('[') => {
                return Err(format!("`{host}` is not a host"));
            }
            Err(_) => Place::Name(host.into(), port),
        };
        let authority = HeaderValue::from_str(authority.as_str())
            .map_err(|_| format!("`{authority}` is not a host"))?;
        Ok(Self { place, tls, authority })
    }

    /// Where somebody is who was found there by another name, which `Host` says and TLS verifies; without
    /// one, by the address itself.
    ///
    /// # Errors
    /// The name is none.
    pub fn found(place: Place, tls: bool, name: Option<&str>) -> Result<Self, String> {
        let authority = match (&place, name) {
            (Place::Ip(_, port) | Place::Name(_, port), Some(name)) => format!("{name}:{port}"),
            (Place::Ip(ip, port), None) => SocketAddr::new(*ip, *port).to_string(),
            (Place::Name(name, port), None) => format!("{name}:{port}"),
            (Place::Unix(_), _) => "localhost".into(),
        };
        let parsed = authority.parse::<Authority>();
        let valid = parsed.is_ok_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
        let value = HeaderValue::from_str(&authority).ok().filter(|_| valid);
        let authority = value.ok_or_else(|| format!("`{authority}` is not a host"))?;
        Ok(Self { place, tls, authority })
    }

    /// The host alone, as TLS verifies it.
    pub fn host(&self) -> String {
        let authority = self.authority.to_str().ok().and_then(|text| text.parse().ok());
        let host = authority.map(|authority: Authority| {
            authority.host().trim_start_matches('[').trim_end_matches(']').to_owned()
        });
        host.unwrap_or_default()
    }
}

fn unix(url: &str, path: &str) -> Result<Address, String> {
    if !path.starts_with('/') {
        return Err(format!("`{url}` needs an absolute path: unix:/run/app.sock"));
    }
    let place = Place::Unix(path.into());
    Ok(Address { place, tls: false, authority: HeaderValue::from_static("localhost") })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.place {
            Place::Ip(ip, port) => {
                write!(f, "{scheme}://{}", SocketAddr::new(*ip, *port))
            }
            Place::Name(name, port) => write!(f, "{scheme}://{name}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_endpoint_may_be() {
        for (url, shown) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://orders", "http://orders:80"),
            ("https://orders.example.com/", "https://orders.example.com:443"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(Address::parse(url).unwrap().to_string(), shown, "{url}");
        }
    }

    #[test]
    fn one_that_was_found_is_called_as_it_was_looked_for() {
        let ip = |text: &str| Place::Ip(text.parse().unwrap(), 8080);
        for (place, name, authority, host) in [
            (ip("10.0.0.1"), None, "10.0.0.1:8080", "10.0.0.1"),
            (ip("10.0.0.1"), Some("orders.internal"), "orders.internal:8080", "orders.internal"),
            (ip("2001:db8::1"), None, "[2001:db8::1]:8080", "2001:db8::1"),
            (Place::Name("node-1".into(), 80), None, "node-1:80", "node-1"),
            (Place::Unix("/run/a".into()), None, "localhost", "localhost"),
        ] {
            let address = Address::found(place, true, name).unwrap();
            assert_eq!(
                (&address.authority, address.host()),
                (&authority.parse().unwrap(), host.into())
            );
        }
        for name in ["a b", "u@a", "", "a/b"] {
            assert!(Address::found(ip("10.0.0.1"), false, Some(name)).is_err(), "{name}");
        }
        let parsed = Address::parse("https://[::1]").unwrap();
        assert_eq!(parsed.host(), "::1");
    }

    #[test]
    fn what_it_may_not_be_is_said() {
        for (url, message) in [
            ("", "is not a URL"),
            ("127.0.0.1:3000", "needs http://"),
            ("orders", "needs http://"),
            ("ftp://orders", "`ftp` is not spoken"),
            ("http://user:secret@orders", "must not carry a user"),
            ("http://orders/api", "add-prefix"),
            ("http://orders?x=1", "has no path"),
            ("http://orders:99999", "no valid port"),
            ("http://orders:", "no valid port"),
            ("http://:80", "is not a"),
            ("unix:run/app.sock", "absolute path"),
            ("http://or ders", "is not a URL"),
        ] {
            let error = Address::parse(url).expect_err(url);
            assert!(error.contains(message), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
