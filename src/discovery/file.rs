//! `file:///PATH`: endpoints in a file of their own, written as in the configuration, that somebody else
//! changes.
//!
//! In: TOML with `endpoints`. Out: what it says, within a second or so after it changed. It is looked at
//! every second rather than watched: that costs a system call, works on every file system and through
//! links, and needs no thread for each.

use std::{
    convert::Infallible,
    fs::{File as Open, Metadata},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::Duration,
};

use tokio::time::sleep;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Found, dns::Wrong, source::Source};
use crate::dial::Address;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The largest file.
const MAX_SIZE: u64 = 4 << 20;

/// A file that names endpoints.
#[derive(Clone, Debug)]
pub(super) struct File {
    path: PathBuf,
}

/// What tells one version of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl File {
    pub(super) fn compile(rest: &str) -> Result<Self, Wrong> {
        match rest.starts_with('/') && rest.len() > 1 {
            true => Ok(Self { path: rest.into() }),
            false => Err(("the path is not absolute".into(), "file:///etc/janua/endpoints.toml")),
        }
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let (mut seen, mut wrong) = (None, None);
        loop {
            let file = self.clone();
            // Files may be slow: not on a thread that others wait for.
            let looked = tokio::task::spawn_blocking(move || file.look(seen)).await;
            let Looked { version, read } = looked.map_err(|error| error.to_string())?;
            seen = version;
            match read {
                Some(Ok(found)) => {
                    wrong = None;
                    source.deliver(found);
                }
                // Said once, not every second.
                Some(Err(now)) if wrong.as_ref() == Some(&now) => {}
                Some(Err(now)) => {
                    source.fail(now.clone());
                    wrong = Some(now);
                }
                None if wrong.is_none() => source.confirm(),
                None => {}
            }
            sleep(LOOK).await;
        }
    }

    /// What the file says, if it is another than the one that was seen.
    fn look(&self, seen: Option<Version>) -> Looked {
        let shown = self.path.display();
        let wrong = |version, wrong| Looked { version, read: Some(Err(wrong)) };
        let unreadable = |error| format!("cannot read `{shown}`: {error}");
        let opened = Open::open(&self.path).and_then(|file| {
            let version = Version::of(&file.metadata()?);
            Ok((file, version))
        });
        let (file, version) = match opened {
            Ok(opened) => opened,
            Err(error) => return wrong(None, unreadable(error)),
        };
        if seen == Some(version) {
            return Looked { version: seen, read: None };
        }
        let mut text = String::new();
        if let Err(error) = file.take(MAX_SIZE + 1).read_to_string(&mut text) {
            return wrong(Some(version), unreadable(error));
        }
        if text.len() as u64 > MAX_SIZE {
            return wrong(Some(version), format!("`{shown}` has more than {MAX_SIZE} bytes"));
        }
        let read = endpoints(&text).map_err(|(at, wrong)| {
            let (line, column) = place(&text, at);
            format!("{shown}:{line}:{column}: {wrong}")
        });
        Looked { version: Some(version), read: Some(read) }
    }
}

/// What a look at the file came to.
struct Looked {
    /// The version that is there; none if it cannot be told.
    version: Option<Version>,
    /// What it says, if it was read.
    read: Option<Result<Vec<Found>, String>>,
}

/// What is wrong with a text, and at which byte.
type Fault = (usize, String);

/// The endpoints that a text names.
fn endpoints(text: &str) -> Result<Vec<Found>, Fault> {
    let told = |error: toml::de::Error| {
        (error.span().unwrap_or_default().start, error.message().to_owned())
    };
    let root = DeTable::parse(text).map_err(told)?.into_inner();
    let unknown = root.keys().find(|key| key.get_ref() != "endpoints");
    if let Some(key) = unknown {
        return Err((key.span().start, format!("unknown key `{}`", key.get_ref())));
    }
    let list = root.get("endpoints").ok_or_else(|| (0, "there is no `endpoints`".to_owned()))?;
    match list.get_ref() {
        DeValue::Array(list) => list.iter().map(endpoint).collect(),
        _ => Ok(vec![endpoint(list)?]),
    }
}

fn endpoint(value: &Spanned<DeValue<'_>>) -> Result<Found, Fault> {
    let at = value.span().start;
    let table = match value.get_ref() {
        DeValue::String(url) => return address(url, at).map(Found::at),
        DeValue::Table(table) => table,
        _ => return Err((at, "an endpoint is a URL, or a table with one".into())),
    };
    let (mut found, mut weight, mut priority, mut zone) = (None, 1, None, None);
    let mut max_requests = None;
    for (key, value) in table {
        let at = value.span().start;
        match (&**key.get_ref(), value.get_ref()) {
            ("url", DeValue::String(url)) => found = Some(address(url, at)?),
            ("url", _) => return Err((at, "a URL is a string".into())),
            ("weight", number) => weight = small(number, "weight", at)?,
            ("priority", number) => priority = Some(small(number, "priority", at)?),
            ("backup", DeValue::Boolean(backup)) => {
                priority = priority.or_else(|| backup.then_some(1));
            }
            ("backup", _) => return Err((at, "`backup` is true or false".into())),
            ("zone", DeValue::String(name)) => zone = Some(Box::from(&**name)),
            ("max-requests", number) => max_requests = Some(small(number, "bound", at)?),
            ("zone", _) => return Err((at, "a zone is a string".into())),
            (other, _) => return Err((key.span().start, format!("unknown key `{other}`"))),
        }
    }
    let address = found.ok_or_else(|| (at, "there is no `url`".to_owned()))?;
    if max_requests == Some(0) {
        return Err((at, "no request could be sent".into()));
    }
    let (priority, max_requests) = (priority.unwrap_or(0), max_requests.map(u32::from));
    Ok(Found { address, weight, priority, zone, max_requests })
}

/// A weight, a priority or a bound.
fn small(value: &DeValue<'_>, what: &str, at: usize) -> Result<u16, Fault> {
    let DeValue::Integer(number) = value else { return Err((at, format!("a {what} is a number"))) };
    let number = u16::from_str_radix(number.as_str(), number.radix());
    number.map_err(|_| (at, format!("a {what} is from 0 to 65535")))
}

fn address(url: &str, at: usize) -> Result<Address, Fault> {
    Address::parse(url).map_err(|wrong| (at, wrong))
}

/// The line and the character in it, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_written_as_in_the_configuration() {
        for (text, expected) in [
            ("endpoints = \"http://a:1\"", &[("http://a:1", 1)][..]),
            ("endpoints = []", &[]),
            (
                "endpoints = [\n  \"http://a:1\",\n  { url = \"https://b\", weight = 3 },\n]\n",
                &[("http://a:1", 1), ("https://b:443", 3)],
            ),
            ("[[endpoints]]\nurl = \"unix:/a\"\nweight = 0\n", &[("unix:/a", 0)]),
        ] {
            let found = endpoints(text).unwrap();
            let found: Vec<_> =
                found.iter().map(|found| (found.address.to_string(), found.weight)).collect();
            let expected: Vec<_> =
                expected.iter().map(|(url, weight)| ((*url).to_owned(), *weight)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn priorities_and_zones_are_written_as_there_too() {
        let text = "endpoints = [{ url = \"http://a\", zone = \"eu\", priority = 7 }, \
                    { url = \"http://b\", backup = true }, { url = \"http://c\", backup = false }]";
        let found = endpoints(text).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.priority, it.zone.as_deref())).collect();
        assert_eq!(found, [(7, Some("eu")), (1, None), (0, None)]);
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        for (text, at, message) in [
            ("", (1, 1), "no `endpoints`"),
            ("endpoints = [\n \"http://a\n", (2, 11), ""),
            ("endpoints = [\n  \"a:1\",\n]", (2, 3), "`a:1`"),
            ("endpoints = [{ url = \"http://a/b\" }]", (1, 22), "has no path"),
            ("endpoints = [{ weight = 1 }]", (1, 14), "no `url`"),
            ("endpoints = [{ url = \"http://a\", wait = 1 }]", (1, 34), "unknown key `wait`"),
            ("endpoints = [{ url = \"http://a\", weight = 70000 }]", (1, 43), "0 to 65535"),
            ("endpoints = [{ url = \"http://a\", weight = -1 }]", (1, 43), "0 to 65535"),
            ("endpoints = [{ url = \"http://a\", weight = \"1\" }]", (1, 43), "a number"),
            ("endpoints = [{ url = \"http://a\", zone = 1 }]", (1, 41), "a string"),
            ("endpoints = [{ url = \"http://a\", backup = 1 }]", (1, 43), "true or false"),
            ("endpoints = [7]", (1, 14), "a URL"),
            ("endpoint = []", (1, 1), "unknown key `endpoint`"),
            ("endpoints = [\"dns://orders\"]", (1, 14), "`dns` is not spoken"),
        ] {
            let (byte, wrong) = endpoints(text).expect_err(text);
            assert!(wrong.contains(message), "{text}: {wrong}");
            assert_eq!(place(text, byte), at, "{text}: {wrong}");
        }
    }
}
