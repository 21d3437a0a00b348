//! `janua demo`: a gateway to play with, and two origins behind it.
//!
//! In: where to listen. Out: a [`Demo`]: a configuration in a directory of its own, origins that run, and
//! what there is to try. Whoever has it runs a gateway on its [`Demo::source`]. It needs no file, no
//! network and no privileges; all of it is on the loopback, and gone when it is dropped.

mod origin;
mod tries;
mod websocket;

use std::{
    env, fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    process,
};

use self::origin::Origins;
pub use self::tries::{TRIES, Try};
use super::Source;

/// The configuration, as it is before the demo puts its own places in.
pub const CONFIG: &str = include_str!("demo.toml");

/// What stands in [`CONFIG`] for the demo's own places.
const CLEAR: &str = "127.0.0.1:8080";
const TLS: &str = "127.0.0.1:8443";
const ORIGINS: [&str; 2] = ["127.0.0.1:9001", "127.0.0.1:9002"];
const STATE: &str = "/tmp/janua-demo";

/// The port of the listener with TLS, unless it is taken.
const TLS_PORT: u16 = 8443;

/// As many ports are tried.
const TRIED: u16 = 100;

/// How the demo was asked for.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Where to listen in clear; TLS listens beside it. With port 0, on any ports.
    pub listen: SocketAddr,
    /// What the user calls this program, for commands to copy.
    pub program: String,
}

impl Default for Arguments {
    fn default() -> Self {
        let program = env::args().next().unwrap_or_else(|| "janua".into());
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), program }
    }
}

/// A gateway to play with, all but the gateway.
#[derive(Debug)]
pub struct Demo {
    program: String,
    asked: SocketAddr,
    clear: SocketAddr,
    tls: SocketAddr,
    directory: PathBuf,
    _origins: Origins,
}

impl Demo {
    /// Starts the origins and writes the configuration.
    ///
    /// # Errors
    /// What the system does not give.
    pub fn open(arguments: &Arguments) -> io::Result<Self> {
        let Arguments { listen, program } = arguments;
        let clear = free(*listen, None)?;
        let wanted = if listen.port() == 0 { 0 } else { TLS_PORT };
        let tls = free(SocketAddr::new(listen.ip(), wanted), Some(clear.port()))?;
        let origins = Origins::start()?;
        let directory = env::temp_dir().join(format!("janua-demo-{}", process::id()));
        // Nobody else may put anything there: the key of the certificate will be in it.
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let (program, asked) = (program.clone(), *listen);
        let demo = Self { program, asked, clear, tls, directory, _origins: origins };
        fs::write(demo.file(), demo.config())?;
        Ok(demo)
    }

    /// The configuration to run.
    pub fn source(&self) -> Source {
        Source::File(self.file())
    }

    /// What there is to try, each with its command as a shell takes it.
    pub fn tries(&self) -> impl Iterator<Item = (&'static Try, String)> {
        TRIES.iter().map(|one| (one, self.filled(one.command)))
    }

    /// Says where everything is and what there is to try.
    ///
    /// # Errors
    /// What the writer says.
    pub fn greet(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "A gateway in front of two origins, a and b.\n")?;
        write!(out, "  in clear       http://{}", self.clear)?;
        match self.clear.port() == self.asked.port() || self.asked.port() == 0 {
            true => writeln!(out)?,
            false => writeln!(out, "  (port {} is taken)", self.asked.port())?,
        }
        write!(out, "  TLS            https://{}", self.tls)?;
        match self.tls.port() == TLS_PORT || self.asked.port() == 0 {
            true => writeln!(out)?,
            false => writeln!(out, "  (port {TLS_PORT} is taken)")?,
        }
        writeln!(out, "  configuration  {}", self.file().display())?;
        writeln!(out, "\nTry, in another terminal:\n")?;
        for (one, command) in self.tries() {
            writeln!(out, "  # {}\n  {command}\n", self.filled(one.shows))?;
        }
        writeln!(out, "Every request is logged below. Ctrl-C ends the demo.\n")?;
        out.flush()
    }

    fn file(&self) -> PathBuf {
        self.directory.join("janua.toml")
    }

    /// The configuration with the demo's own places in it.
    fn config(&self) -> String {
        let places = [(CLEAR, self.clear), (TLS, self.tls)];
        let origins = ORIGINS.into_iter().zip(self._origins.addresses);
        let config = CONFIG.replace(STATE, &self.directory.display().to_string());
        places
            .into_iter()
            .chain(origins)
            .fold(config, |config, (from, to)| config.replace(from, &to.to_string()))
    }

    /// A line of the table with the demo's own places in it.
    fn filled(&self, line: &str) -> String {
        line.replace("CLEAR", &format!("http://{}", self.clear))
            .replace("TLS/", &format!("https://{}/", self.tls))
            .replace("CONFIG", &self.file().display().to_string())
            .replace("PID", &process::id().to_string())
            .replace("JANUA", &self.program)
    }
}

impl Drop for Demo {
    /// Nothing of the demo stays.
    fn drop(&mut self) {
        // What cannot be removed now is the system's to clear away: it is in its temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// This address if it is free, or else with one of the next ports; never with the port `but`.
fn free(wanted: SocketAddr, but: Option<u16>) -> io::Result<SocketAddr> {
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for port in wanted.port()..=wanted.port().saturating_add(TRIED) {
        // Any port that the system likes is free, so 0 is tried again and again.
        let port = if wanted.port() == 0 { 0 } else { port };
        match TcpListener::bind(SocketAddr::new(wanted.ip(), port)).and_then(|it| it.local_addr()) {
            Ok(free) if Some(free.port()) == but => {}
            Ok(free) => return Ok(free),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let found = free(address, None).unwrap();
        assert_eq!(found.ip(), address.ip());
        assert!(found.port() > address.port(), "{found} after {address}");
        assert!(free("192.0.2.1:1".parse().unwrap(), None).is_err());
    }

    #[test]
    fn the_configuration_names_its_own_places_once_each() {
        for place in [STATE, ORIGINS[0], ORIGINS[1], TLS] {
            assert!(CONFIG.contains(place), "{place}");
        }
    }
}
