//! `janua password`: the hash of a password, for the configuration.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd,
};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{Exit, fail, print};
use crate::auth::hash_password;

/// Bytes of a password; a client could not send more.
const MAX: u64 = 3000;

/// Asks for a password and prints its hash.
pub(super) fn password() -> Exit {
    match ask().and_then(|password| hash_password(password.as_bytes())) {
        Ok(hash) => print(&format!("{hash}\n")),
        Err(message) => fail(&message),
    }
}

fn ask() -> Result<Zeroizing<String>, String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line();
    }
    let password = unseen("Password: ")?;
    if *unseen("Again: ")? == *password {
        Ok(password)
    } else {
        Err("they are not the same".into())
    }
}

/// A line from the terminal, which does not show it.
fn unseen(prompt: &str) -> Result<Zeroizing<String>, String> {
    let failed = |error: rustix::io::Errno| format!("cannot hide what is typed: {error}");
    let input = io::stdin();
    let before = tcgetattr(input.as_fd()).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(input.as_fd(), OptionalActions::Flush, &hidden).map_err(failed)?;
    let _ = write!(io::stderr().lock(), "{prompt}");
    let typed = line();
    let _ = tcsetattr(input.as_fd(), OptionalActions::Flush, &before);
    let _ = writeln!(io::stderr().lock());
    typed
}

fn line() -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::new());
    let read = io::stdin().lock().take(MAX).read_line(&mut line);
    read.map_err(|error| format!("cannot read the password: {error}"))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    match line.as_str() {
        "" => Err("there is no password".into()),
        text if text.chars().any(char::is_control) => {
            Err("a password has no control characters: no client could send them".into())
        }
        _ => Ok(line),
    }
}
