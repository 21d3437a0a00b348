//! `janua key`: makes, lists and revokes API keys in a file with one in a line, or in a store.
//!
//! The file is written anew beside its place and then put there, so that whoever reads it sees the
//! old one or the new one. Lines that are not asked for stay as they are, comments and all.

use std::{
    fmt::Write as _,
    fs, io,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Exit, fail, print, shared_keys::Shared};
use crate::{
    app::cli::{Key, KeyPlace, NewKey},
    auth::{Wish, key_line, make_key, parse_key_line},
    config::{self, read_text_file},
};

/// What a file that is made here begins with.
const HEAD: &str =
    "# API keys, one in a line. `janua key` adds and revokes; `janua reload` makes it hold.\n";

/// Does what is asked for.
pub(super) fn key(verb: Key) -> Exit {
    let done = match verb {
        Key::New(wish) => new(wish),
        Key::List(KeyPlace { file: Some(file), .. }) => list(&file),
        Key::List(KeyPlace { store, .. }) => Shared::find(&store).and_then(|shared| shared.list()),
        Key::Revoke { place: KeyPlace { file: Some(file), .. }, id } => revoke(&file, &id),
        Key::Revoke { place: KeyPlace { store, .. }, id } => {
            Shared::find(&store).and_then(|shared| shared.revoke(&id))
        }
    };
    match done {
        Ok(text) => print(&text),
        Err(message) => fail(&message),
    }
}

fn new(arguments: NewKey) -> Result<String, String> {
    let NewKey { owner, roles, scopes, expires, file, store } = arguments;
    let end = |time: Duration| {
        let end = SystemTime::now().checked_add(time)?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(end.as_secs()).ok()
    };
    let expires =
        expires.map(|time| end(time.0).ok_or("that is beyond the calendar")).transpose()?;
    let (key, stored) = make_key(Wish { owner, roles, scopes, expires })?;
    if store.store.is_some() {
        Shared::find(&store)?.add(&stored)?;
        return Ok(format!("{key}\n"));
    }
    let line = key_line(&stored)?;
    let Some(file) = file else {
        return Ok(format!(
            "{key}\n\n# The line to store, in `keys = [ .. ]` or in a file of keys:\n{line}\n"
        ));
    };
    let mut text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(format!("cannot read `{}`: {error}", file.display())),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let _ = writeln!(text, "{line}");
    replace(&file, &text)?;
    Ok(format!("{key}\n"))
}

fn list(file: &Path) -> Result<String, String> {
    let mut keys = Vec::new();
    for (number, line) in read_text_file(file)?.lines().enumerate() {
        let parsed = parse_key_line(line);
        let parsed = parsed.map_err(|why| format!("{}:{}: {why}", file.display(), number + 1))?;
        keys.extend(parsed);
    }
    Ok(table(keys))
}

/// Keys for people.
pub(super) fn table(keys: Vec<config::Key>) -> String {
    let mut rows = vec![["ID", "OWNER", "ROLES", "SCOPES", "EXPIRES", "KEY"].map(String::from)];
    for key in keys {
        let expires = if key.revoked { Some("revoked".into()) } else { key.expires };
        let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        rows.push([
            key.id,
            dash(key.owner.unwrap_or_default()),
            dash(key.roles.join(",")),
            dash(key.scopes.join(",")),
            expires.unwrap_or_else(|| "never".into()),
            key.prefix.map_or_else(|| "-".into(), |prefix| prefix + ".."),
        ]);
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn revoke(file: &Path, id: &str) -> Result<String, String> {
    let before = read_text_file(file)?;
    let mut text = String::new();
    let mut found = false;
    for line in before.split_inclusive('\n') {
        match parse_key_line(line) {
            Ok(Some(mut key)) if key.id == id => {
                found = true;
                key.revoked = true;
                let _ = writeln!(text, "{}", key_line(&key)?);
            }
            Ok(_) | Err(_) => text.push_str(line),
        }
    }
    if !found {
        return Err(format!("there is no key `{id}` in `{}`", file.display()));
    }
    replace(file, &text)?;
    Ok(String::new())
}

/// Puts a text in a file's place, with the same permissions; a new file is its owner's alone.
fn replace(file: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot write `{}`: {error}", file.display());
    // A link stays one: what it leads to is replaced.
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = place.with_file_name(name);
    let mode = fs::metadata(&place).map_or(0o600, |known| known.permissions().mode());
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut new = options.write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        new.set_permissions(fs::Permissions::from_mode(mode))?;
        new.sync_all()?;
        fs::rename(&beside, &place)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}
