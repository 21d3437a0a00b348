//! `janua demo`: a gateway to try, on a configuration of ours, with two origins and an identity provider of
//! ours.
//!
//! In: at most an address. Out: a [`Demo`] that serves, and says what to try. It needs no file, no
//! network and no privileges; what it writes is in a folder that goes with it.

mod certificates;
mod folder;
mod idp;
mod origin;
mod stage;
mod tries;
mod websocket;

use std::{
    fmt, fs, io,
    net::SocketAddr,
    path::{Path as FilePath, PathBuf},
};

use socket2::{Domain, Socket, Type};

pub use self::tries::Try;
use self::{folder::Folder, idp::Idp, origin::Origin, stage::Stage};
use super::{Gateway, Source};
use crate::{
    auth::{Wish, hash_password, make_key},
    config::Report,
    server::Passed,
    telemetry,
};

/// The configuration, with addresses that `written` replaces by those that there are.
const CONFIG: &str = include_str!("demo.toml");
const POLICIES: &str = include_str!("policies.cedar");
const SHOP: &str = include_str!("../../../config/shop.yaml");
const PEOPLE: &str = include_str!("../../../config/shop.graphql");

/// Where it listens unless it is told or another process does.
const CLEAR: &str = "127.0.0.1:8080";
const TLS: &str = "127.0.0.1:8443";
const CERTIFIED: &str = "127.0.0.1:8444";

/// Where the embedded configuration has its origins and its folder.
const DAWN: &str = "127.0.0.1:3001";
const DUSK: &str = "127.0.0.1:3002";
const IDP: &str = "127.0.0.1:3003";
const STAGE: &str = "127.0.0.1:3004";
const FOLDER: &str = "/tmp/janua-demo";

/// What stands there for the keys' digests and the password's hash.
const ADMIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const USER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const HASH: &str = "$2y$05$xTyu9hNU8e/Gki0TrTbxSeFG3EOKXzeMyBnTVcBKZGw2ZpA1C/Bxm";

/// As many ports are tried.
const PORTS: u16 = 100;

/// What a demo may be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments {
    /// Where to listen in clear; by default 127.0.0.1:8080, or the next port that is free.
    pub listen: Option<SocketAddr>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no place for its files.
    #[error("cannot write to the folder for temporary files: {0}")]
    Folder(#[source] io::Error),
    /// There is no place for its origins.
    #[error("cannot listen at 127.0.0.1: {0}")]
    Origin(#[source] io::Error),
    /// There is no place for its clients.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where it should have been.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// There are no keys and passwords for those who try it.
    #[error("cannot make keys: {0}")]
    Secrets(String),
    /// The gateway would not start.
    #[error(transparent)]
    Gateway(Report),
}

/// What those who try it show, each beside what is stored of it.
struct Secrets {
    admin: (String, String),
    user: (String, String),
    password: (String, String),
    token: String,
}

impl Secrets {
    fn make(token: String) -> Result<Self, String> {
        let key = |owner: &str| {
            let wish = Wish { owner: owner.into(), ..Wish::default() };
            make_key(wish).map(|(key, stored)| (key, stored.sha256))
        };
        let (password, _) = key("pw")?;
        let password = password.rsplit('_').next().unwrap_or_default()[..16].to_owned();
        let hash = hash_password(password.as_bytes())?;
        Ok(Self { admin: key("ada")?, user: key("ben")?, password: (password, hash), token })
    }
}

/// Where it listens.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    clear: SocketAddr,
    tls: SocketAddr,
    certified: SocketAddr,
}

/// A gateway to try.
pub struct Demo {
    gateway: Gateway,
    addresses: Addresses,
    file: PathBuf,
    folder: Folder,
    secrets: Secrets,
    _stage: Stage,
    _idp: Idp,
}

impl Demo {
    /// Starts a demo. `log` is the daemon's log, if it is this demo's to change.
    ///
    /// # Errors
    /// What is missing; nothing runs then.
    pub async fn start(
        arguments: &Arguments,
        log: Option<telemetry::Handle>,
    ) -> Result<Self, StartError> {
        // Held until the gateway listens there.
        let places = places(arguments.listen)?;
        let [clear, tls, certified] = places.each_ref().map(|place| place.address);
        let addresses = Addresses { clear, tls, certified };
        let dawn = Origin::start("dawn").map_err(StartError::Origin)?;
        let dusk = Origin::start("dusk").map_err(StartError::Origin)?;
        let [at_dawn, at_dusk] = [&dawn, &dusk].map(|origin| origin.address.to_string());
        let stage = Stage::start([dawn, dusk].into()).await.map_err(StartError::Origin)?;
        let folder = Folder::new().map_err(StartError::Folder)?;
        let idp = Idp::start().await.map_err(StartError::Origin)?;
        certificates::make(folder.path()).map_err(StartError::Secrets)?;
        for (name, text) in
            [("policies.cedar", POLICIES), ("shop.yaml", SHOP), ("shop.graphql", PEOPLE)]
        {
            fs::write(folder.path().join(name), text).map_err(StartError::Folder)?;
        }
        let token = idp.token().map_err(StartError::Secrets)?;
        let secrets = Secrets::make(token).map_err(StartError::Secrets)?;
        let file = folder.path().join("janua.toml");
        let text = written(&[
            (CLEAR, clear.to_string()),
            (TLS, tls.to_string()),
            (CERTIFIED, certified.to_string()),
            (DAWN, at_dawn),
            (DUSK, at_dusk),
            (IDP, idp.address.to_string()),
            (STAGE, stage.address.to_string()),
            (FOLDER, quoted(folder.path())),
            (ADMIN, secrets.admin.1.clone()),
            (USER, secrets.user.1.clone()),
            (HASH, secrets.password.1.clone()),
        ]);
        fs::write(&file, text).map_err(StartError::Folder)?;
        let gateway = Gateway::start(Source::File(file.clone()), Passed::default(), log).await;
        let gateway = gateway.map_err(StartError::Gateway)?;
        Ok(Self { gateway, addresses, file, folder, secrets, _stage: stage, _idp: idp })
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Its configuration.
    pub fn file(&self) -> &FilePath {
        &self.file
    }

    /// What to try with it.
    pub fn tries(&self) -> Vec<Try> {
        tries::tries(self.addresses, self.folder.path(), &self.secrets)
    }

    /// Ends it at once: nobody depends on a demo.
    pub async fn stop(self) {
        self.gateway.stop().await;
    }
}

impl fmt::Display for Demo {
    /// What to try, a comment and a command each, so that all of it can be pasted into a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { clear, tls, .. } = self.addresses;
        let (clear, tls) = (tries::reachable(clear), tries::reachable(tls));
        writeln!(f, "Janua serves a demo at http://{clear} and https://{tls}. Try:\n")?;
        for Try { title, command, shows, .. } in self.tries() {
            writeln!(f, "# {title}: {shows}\n{command}")?;
        }
        let (file, process) = (self.file.display(), std::process::id());
        writeln!(f, "\n# Why a request goes where it goes")?;
        writeln!(f, "janua explain -c {file} GET http://{clear}/api/orders/7")?;
        writeln!(f, "# Change the configuration and make it hold; a mistake changes nothing")?;
        writeln!(f, "${{EDITOR:-vi}} {file} && kill -HUP {process}")?;
        writeln!(f, "\nCtrl-C ends it. Here is its access log:")
    }
}

/// Where to listen, in clear, by TLS, and by TLS with clients' certificates: where it was told, or the
/// next ports that are free.
fn places(told: Option<SocketAddr>) -> Result<[Reserved; 3], StartError> {
    let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
    let (wanted, ports) = told.map_or((usual, PORTS), |told| (told, 1));
    let clear = Reserved::next(wanted, ports, &[])?;
    let beside = |port, others: &[&Reserved]| {
        let port = if wanted.port() == 0 { 0 } else { port };
        Reserved::next(SocketAddr::new(wanted.ip(), port), PORTS, others)
    };
    let tls = beside(8443, &[&clear])?;
    let certified = beside(8444, &[&clear, &tls])?;
    Ok([clear, tls, certified])
}

/// An address that nobody but the gateway gets while this is there: the socket is bound and does not
/// listen, so that the system gives the port to nobody who asks for any, and lets a socket with
/// `SO_REUSEADDR` have it.
#[derive(Debug)]
struct Reserved {
    address: SocketAddr,
    _socket: Socket,
}

impl Reserved {
    /// The first of so many ports, from this one on, where nobody listens and none of the `others` is,
    /// which would share theirs. The gateway's own sockets would share a port with another gateway's of the
    /// same user; this one does not.
    fn next(wanted: SocketAddr, ports: u16, others: &[&Self]) -> Result<Self, StartError> {
        let is_free = |address| match others.iter().any(|other| other.address == address) {
            true => Err(io::ErrorKind::AddrInUse.into()),
            false => Self::at(address),
        };
        let (mut address, mut left) = (wanted, ports);
        loop {
            left = left.saturating_sub(1);
            match is_free(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && left > 0 => {
                    address.set_port(address.port().saturating_add(1));
                }
                found => {
                    return found.map_err(|source| StartError::Listen { address: wanted, source });
                }
            }
        }
    }

    fn at(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let found = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok(Self { address: found, _socket: socket })
    }
}

/// The configuration with what there is in place of what it says; one thing in a line.
fn written(places: &[(&str, String)]) -> String {
    let line = |line: &str| match places.iter().find(|(from, _)| line.contains(from)) {
        Some((from, to)) => line.replace(from, to) + "\n",
        None => line.to_owned() + "\n",
    };
    CONFIG.lines().map(line).collect()
}

/// A path as it stands between the quotes of a configuration's string.
fn quoted(path: &FilePath) -> String {
    let path = path.display().to_string();
    path.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn all_places_are_in_the_configuration() {
        let places = [CLEAR, TLS, CERTIFIED, DAWN, DUSK, IDP, STAGE, FOLDER, ADMIN, USER, HASH];
        let text = written(&places.map(|place| (place, "HERE".into())));
        assert!(!text.contains("127.0.0.1") && !text.contains("/tmp"), "{text}");
        assert_eq!(text.matches("HERE").count(), 24, "{text}");
    }

    #[test]
    fn a_port_in_use_is_passed_over_unless_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let next = Reserved::next(address, PORTS, &[]).unwrap().address;
        assert!(next.port() > address.port());
        assert!(matches!(places(Some(address)), Err(StartError::Listen { .. })));
    }

    #[test]
    fn two_demos_and_all_listeners_have_addresses_of_their_own() {
        for port in [0, 8443, 8444] {
            let told = Some(SocketAddr::from(([127, 0, 0, 1], port)));
            let Ok(places) = places(told) else { continue };
            let [clear, tls, certified] = places.each_ref().map(|place| place.address);
            assert!(clear != tls && clear != certified && tls != certified, "{places:?}");
        }
    }

    /// A demo in three hundred failed on a busy machine when its ports were let go for a moment.
    #[test]
    fn a_place_stays_the_gateways_until_it_listens() {
        let place = Reserved::at(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let unasked = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let taken = unasked.bind(&place.address.into());
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse, "it can be taken");
        let gateway = TcpListener::bind(place.address);
        assert!(gateway.is_ok(), "it cannot be listened at: {gateway:?}");
    }
}
