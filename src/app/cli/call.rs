//! Verbs that speak with a gateway that runs, through its admin door.
//!
//! In: an address, or the file that names it. Out: what the gateway answered. A blocking client of a
//! few lines is enough: one request, one answer, the connection's end.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::Deserialize as _;

use super::{Exit, complain, print};
use crate::{
    app::Source,
    config::{Admin, Secret},
    snapshot::Bind,
};

/// How long a gateway may take to take a connection, or to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to reload.
const RELOAD: Duration = Duration::from_mins(5);
/// Bytes of an answer.
const ANSWER: u64 = 16 << 20;

/// Has the gateway reload, and waits for what comes of it.
pub(super) fn reload(file: &Path, admin: Option<String>) -> Exit {
    match call(file, admin, "POST", "/reload", RELOAD) {
        Ok((200, diff)) => print(diff.as_bytes()),
        Ok((422, report)) => {
            let _ = io::stderr().write_all(report.as_bytes());
            Exit::Config
        }
        Ok((status, body)) => complain(&format!("the gateway says {status}: {body}"), Exit::Failed),
        Err(message) => complain(&message, Exit::Failed),
    }
}

/// Asks whether the gateway is ready.
pub(super) fn healthcheck(file: &Path, admin: Option<String>) -> Exit {
    match call(file, admin, "GET", "/readyz", PATIENCE) {
        Ok((200, _)) => Exit::Ok,
        Ok((status, body)) => complain(&format!("not ready, {status}: {body}"), Exit::Failed),
        Err(message) => complain(&message, Exit::Failed),
    }
}

fn call(
    file: &Path,
    address: Option<String>,
    method: &str,
    path: &str,
    patience: Duration,
) -> Result<(u16, String), String> {
    let admin = admin_of(file);
    let address = address.unwrap_or(admin.address);
    if address == "off" {
        return Err("this gateway has no admin door: `admin.address` is \"off\"".into());
    }
    let bind: Bind = address.parse()?;
    let token = admin.token.as_ref().map(Secret::reveal).transpose()?;
    let authorization = token.map_or_else(String::new, |token| {
        format!("authorization: Bearer {}\r\n", token.as_str())
    });
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/plain\r\n{authorization}\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let answer = exchange(&bind, request.as_bytes(), patience);
    let answer = answer.map_err(|error| format!("no gateway answers at `{bind}`: {error}"))?;
    parse(&answer).ok_or_else(|| format!("what answers at `{bind}` is no gateway"))
}

/// What a file says of the admin door. A file that is broken at the moment says nothing against the
/// gateway that runs, so as much as can be understood is taken.
fn admin_of(file: &Path) -> Admin {
    if let Ok(loaded) = Source::File(file.into()).load() {
        return loaded.config.admin;
    }
    let table = std::fs::read_to_string(file).ok().and_then(|text| text.parse().ok());
    let admin = table.and_then(|mut table: toml::Table| table.remove("admin"));
    admin.and_then(|admin| Admin::deserialize(admin).ok()).unwrap_or_default()
}

fn exchange(bind: &Bind, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    match bind {
        Bind::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            speak(stream, request)
        }
        Bind::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            speak(stream, request)
        }
        Bind::Systemd(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Who listens everywhere is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn speak(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let answer = b"HTTP/1.1 422 Unprocessable Entity\r\na: b\r\n\r\nerror: x\r\n\r\ny";
        assert_eq!(parse(answer), Some((422, "error: x\r\n\r\ny".into())));
        assert_eq!(parse(b"SSH-2.0-OpenSSH\r\n\r\n"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn a_broken_file_still_says_where_the_door_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("janua.toml");
        std::fs::write(&file, "nonsense = 1\n[admin]\naddress = \"127.0.0.1:2019\"\n").unwrap();
        assert_eq!(admin_of(&file).address, "127.0.0.1:2019");
        std::fs::write(&file, "= broken").unwrap();
        assert_eq!(admin_of(&file), Admin::default());
    }
}
