//! The operator's door, checked: it is opened by `admin`, and what is wrong with it is said at load.

use std::sync::Arc;

use super::{Bind, Listener};
use crate::config::{self, Path, Problem, Problems};

/// An admin door that others can reach needs a token, and one that was asked for an address of its own.
pub(super) fn check(admin: &config::Admin, listeners: &[Arc<Listener>], problems: &mut Problems) {
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
        Ok(address) => {
            let taken = listeners.iter().position(|listener| listener.bind == address);
            let is_asked_for = admin.address != config::Admin::default().address;
            let is_one = !matches!(address, Bind::Tcp(address) if address.port() == 0);
            if let Some(taken) = taken.filter(|_| is_asked_for && is_one) {
                let problem = Problem::error(at.key("address"), format!("`{address}` is taken"));
                let listener = Path::root().key("listener").index(taken);
                problems.push(problem.also(listener, "by this listener"));
            }
        }
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
