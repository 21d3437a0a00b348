//! Servers and clients that nobody here wrote, on both sides of Janua: what a user would run.
//!
//! They are Debian's, PyPI's and npm's, and `tests/run` installs them. Where one is missing its tests fail:
//! a test that was not run must not look as if it had passed.

mod browser;
mod cache_suite;
mod clients;
mod contract;
mod dns;
mod files;
mod forward;
mod graphql;
mod greeter;
mod grpc;
mod health;
mod http2;
mod jq;
mod killed;
mod login;
mod nginx;
mod pages;
mod portal;
mod proxied;
mod restarts;
mod soap;
mod store;
mod tokens;
mod unit;
mod websocket;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use nginx::Nginx;

use crate::support::{
    Janua, Setup,
    certs::{Authority, Identity},
};

/// Seconds after which a client that has not ended has failed; a browser's first start is slow.
const LONGEST: &str = "60";

/// A program of the system.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian has servers, and not everybody's path leads.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|path| path.exists());
    assert!(found.is_some(), "there is no `{name}` here: run tests/run, which installs it");
    found.unwrap()
}

/// A command that does not outlive its time.
fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", LONGEST]).arg(program.as_ref());
    alone(&mut command);
    command
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where what `tests/run` installs of PyPI and npm is.
fn peers() -> PathBuf {
    let told = std::env::var_os("JANUA_PEERS").map(PathBuf::from);
    told.map_or_else(|| Path::new(ROOT).join("target/peers"), |told| Path::new(ROOT).join(told))
}

/// A program that PyPI has.
fn installed(name: &str) -> PathBuf {
    let program = peers().join("bin").join(name);
    let at = program.display();
    assert!(program.exists(), "there is no `{at}`: run tests/run, which installs it");
    program
}

/// A script of `tests/peers`, by the Python or the Node.js that has what it imports; one of Node.js is told
/// first where that is.
fn script(name: &str) -> Command {
    let file = Path::new(ROOT).join("tests/peers").join(name);
    let mut command = match name.ends_with(".mjs") {
        true => {
            let mut command = Command::new(program("node"));
            command.arg(file).arg(peers());
            command
        }
        false => {
            let mut command = Command::new(installed("python"));
            command.args(["-u", "-B"]).arg(file);
            command
        }
    };
    alone(&mut command);
    command
}

/// Without input, and without the proxy that this machine may have.
fn alone(command: &mut Command) {
    command.stdin(Stdio::null()).env("no_proxy", "*").env("NO_PROXY", "*");
}

/// What a command says on standard output, and that it says it went well.
fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// A server by a script, which says its port when it listens.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    fn start_with(name: &str, arguments: &[&str]) -> Self {
        let mut child = script(name).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Janua with everything that clients ask it for: in clear, h2c included, and over TLS.
struct Doors {
    janua: Janua,
    clear: String,
    tls: String,
    /// The authority's certificate.
    ca: String,
    identity: Identity,
}

impl Doors {
    async fn before(rest: impl Into<String>) -> Self {
        let home = std::sync::Arc::new(tempfile::tempdir().unwrap());
        let authority = Authority::new("A");
        let identity = authority.issue(1, &["127.0.0.2"]);
        let site = identity.save(home.path(), "site");
        let ca = authority.save(&home.path().join("ca.pem"));
        let tls = format!(
            "h2c = true\n[[listener]]\nname = \"tls\"\naddress = \"127.0.0.2:0\"\n\
             tls = {{ certificates = [{{ {site} }}] }}",
        );
        let janua = Setup::new(rest).listener(&tls).start_in(home).await;
        let clear = format!("http://{}", janua.address);
        let tls = format!("https://{}", janua.address_of("tls").await);
        Self { janua, clear, tls, ca, identity }
    }

    async fn to(url: &str) -> Self {
        Self::before(format!("[[route]]\nto = \"{url}\"\n")).await
    }

    /// How many requests failed, by reason.
    fn failed(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for line in self.janua.log().iter().filter(|line| !line["reason"].is_null()) {
            *counts.entry(line["reason"].to_string()).or_default() += 1;
        }
        counts
    }
}
