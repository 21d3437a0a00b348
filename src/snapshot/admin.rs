//! The operator's door, checked: it is opened by `admin`, and what is wrong with it is said at load.

use super::Bind;
use crate::config::{self, Path, Problem, Problems};

/// An admin door that others can reach needs a token.
pub(super) fn check(admin: &config::Admin, problems: &mut Problems) {
    let at = Path::root().key("admin");
    if admin.address == "off" {
        return;
    }
    match admin.address.parse() {
        Ok(Bind::Tcp(address)) if !address.ip().is_loopback() && admin.token.is_none() => {
            let problem = Problem::error(at.key("address"), "others can reach this address");
            problems.push(problem.help("set `admin.token`, or use loopback or a Unix socket"));
        }
        Ok(Bind::Systemd(_)) => {
            problems
                .push(Problem::error(at.key("address"), "the admin door has no passed sockets"));
        }
        Ok(_) => {}
        Err(message) => {
            let problem = Problem::error(at.key("address"), message);
            problems.push(problem.help("or \"off\""));
        }
    }
    if let Some(token) = &admin.token {
        match token.reveal() {
            Ok(token) if token.len() < 16 => {
                problems
                    .push(Problem::error(at.key("token"), "a token has at least 16 characters"));
            }
            Ok(_) => {}
            Err(message) => problems.push(Problem::error(at.key("token"), message)),
        }
    }
}
