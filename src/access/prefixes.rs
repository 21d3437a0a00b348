//! A list's networks, and which of them decides about an address.
//!
//! In: `allow` and `deny`, files included. Out: for an address whether it is allowed, denied or not
//! named, and by which line. Lines keep their text only as a network and a number: a list may have a
//! hundred thousand.

use std::{fmt, fs, net::IpAddr, path::Path as FilePath};

use ipnet::IpNet;

use super::table::{Span, Table};
use crate::{
    config::{Addresses, Path, Problem, Problems},
    message::{NotANetwork, parse_network},
};

/// As many networks may be in a list.
const MOST: usize = 2_000_000;

/// As many wrong lines of a file are told.
const TOLD: usize = 10;

/// Networks, allowed and denied.
#[derive(Debug)]
pub(super) struct Prefixes {
    four: Table<u32>,
    six: Table<u128>,
    lines: Box<[Line]>,
    files: Box<[Box<str>]>,
    /// Whether those who are not named may come in: nobody was asked to.
    pub(super) others: bool,
}

/// A line that names a network.
#[derive(Clone, Copy, Debug)]
struct Line {
    net: IpNet,
    denies: bool,
    /// The file that it is in, and its number there; 0 for one of the configuration.
    file: u16,
    number: u32,
}

/// What a list's networks say of an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Says {
    /// A line allows it.
    Allowed(usize),
    /// A line denies it.
    Denied(usize),
    /// No line names it.
    NotNamed,
}

impl Prefixes {
    /// Reads `allow` and `deny` of the list at `at`; files too.
    pub(super) fn compile(
        allow: Option<&[Addresses]>,
        deny: Option<&[Addresses]>,
        at: &Path,
        problems: &mut Problems,
    ) -> Self {
        let mut reader = Reader { lines: Vec::new(), files: Vec::new(), problems };
        reader.list(allow, false, &at.key("allow"));
        reader.list(deny, true, &at.key("deny"));
        let Reader { mut lines, files, .. } = reader;
        // Of two lines for the same network the first in the table counts: the one that denies.
        lines.sort_by_key(|line| !line.denies);
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for (index, line) in (0..).zip(&lines) {
            let value = code(index, line.denies);
            match line.net {
                IpNet::V4(net) => {
                    let (first, last) = (net.network().into(), net.broadcast().into());
                    four.push(Span { first, last, value });
                }
                IpNet::V6(net) => {
                    let (first, last) = (net.network().into(), net.broadcast().into());
                    six.push(Span { first, last, value });
                }
            }
        }
        Self {
            four: Table::new(four),
            six: Table::new(six),
            lines: lines.into(),
            files: files.into(),
            others: allow.is_none(),
        }
    }

    /// What they say of an address, which is in its canonical form.
    #[inline]
    pub(super) fn say(&self, address: IpAddr) -> Says {
        let found = match address {
            IpAddr::V4(four) => self.four.find(four.into()),
            IpAddr::V6(six) => self.six.find(six.into()),
        };
        match found {
            None => Says::NotNamed,
            Some(code) if code & 1 == 0 => Says::Denied(code as usize >> 1),
            Some(code) => Says::Allowed(code as usize >> 1),
        }
    }

    /// Whether an address may come in; who has none is not named.
    #[inline]
    pub(super) fn admit(&self, address: Option<IpAddr>) -> bool {
        match address.map_or(Says::NotNamed, |address| self.say(address)) {
            Says::Allowed(_) => true,
            Says::Denied(_) => false,
            Says::NotNamed => self.others,
        }
    }

    /// The same, for people: why.
    pub(super) fn explain(&self, address: Option<IpAddr>) -> String {
        let Some(address) = address else {
            return format!("a Unix socket has no address, {}", self.about_others());
        };
        match self.say(address) {
            Says::Allowed(line) => format!("`allow` names {}", self.place(line)),
            Says::Denied(line) => format!("`deny` names {}", self.place(line)),
            Says::NotNamed => format!("{address} is not named, {}", self.about_others()),
        }
    }

    const fn about_others(&self) -> &'static str {
        if self.others { "and `deny` lets others in" } else { "and `allow` names others" }
    }

    fn place(&self, line: usize) -> impl fmt::Display {
        let Some(line) = self.lines.get(line) else { return String::new() };
        match self.files.get(usize::from(line.file)) {
            Some(file) if line.number > 0 => format!("{} ({file}:{})", line.net, line.number),
            _ => line.net.to_string(),
        }
    }
}

/// A line as the table has it: what it says is read without a look at the line, and what denies comes
/// first.
const fn code(line: u32, denies: bool) -> u32 {
    line << 1 | !denies as u32
}

struct Reader<'p> {
    lines: Vec<Line>,
    files: Vec<Box<str>>,
    problems: &'p mut Problems,
}

impl Reader<'_> {
    fn list(&mut self, items: Option<&[Addresses]>, denies: bool, at: &Path) {
        let Some(items) = items else { return };
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index);
            match item {
                Addresses::Network(text) => match parse_network(text) {
                    Ok(net) => self.lines.push(Line { net, denies, file: 0, number: 0 }),
                    Err(wrong) => self.problems.push(wrong.problem(at)),
                },
                Addresses::File(file) => self.file(&file.file, denies, &at.key("file")),
            }
        }
        if self.lines.len() > MOST {
            let message = format!("a list may have {MOST} networks at most");
            self.problems.push(Problem::error(at.clone(), message));
            self.lines.clear();
        }
    }

    fn file(&mut self, path: &FilePath, denies: bool, at: &Path) {
        let name = path.display().to_string();
        let read = fs::read_to_string(path).map_err(|error| error.to_string());
        let file = u16::try_from(self.files.len());
        let file = file.map_err(|_| "there are too many files".to_owned());
        let (text, file) = match read.and_then(|text| Ok((text, file?))) {
            Ok(read) => read,
            Err(why) => {
                let message = format!("cannot read `{name}`: {why}");
                return self.problems.push(Problem::error(at.clone(), message));
            }
        };
        let mut wrong = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            match parse_network(entry) {
                Ok(net) => self.lines.push(Line { net, denies, file, number }),
                Err(_) if wrong == TOLD => {
                    let message = format!("{name}: more lines are wrong");
                    self.problems.push(Problem::error(at.clone(), message));
                    break;
                }
                Err(NotANetwork { message, help }) => {
                    wrong += 1;
                    let message = format!("{name}:{number}: {message}");
                    self.problems.push(NotANetwork { message, help }.problem(at.clone()));
                }
            }
        }
        self.files.push(name.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(allow: Option<&[&str]>, deny: Option<&[&str]>) -> Prefixes {
        let list = |list: Option<&[&str]>| -> Option<Vec<Addresses>> {
            list.map(|list| list.iter().map(|net| Addresses::Network((*net).into())).collect())
        };
        let (allow, deny) = (list(allow), list(deny));
        let mut problems = Problems::new();
        let made =
            Prefixes::compile(allow.as_deref(), deny.as_deref(), &Path::root(), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        made
    }

    #[test]
    fn the_longest_prefix_decides_and_of_the_same_deny() {
        let both = prefixes(
            Some(&["10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "192.0.2.0/24"]),
            Some(&["10.1.0.0/16", "192.0.2.0/24", "2001:db8:1::/48"]),
        );
        let only_deny = prefixes(None, Some(&["10.0.0.0/8"]));
        let nobody = prefixes(Some(&[]), None);
        for (list, address, expected) in [
            (&both, "10.0.0.1", true),
            (&both, "10.1.0.1", false),
            (&both, "10.1.2.3", true),
            (&both, "10.1.2.4", false),
            (&both, "11.0.0.1", false),
            (&both, "192.0.2.1", false),
            (&both, "2001:db8::1", true),
            (&both, "2001:db8:1::1", false),
            (&both, "2001:db9::1", false),
            (&only_deny, "10.0.0.1", false),
            (&only_deny, "11.0.0.1", true),
            (&only_deny, "::1", true),
            (&nobody, "10.0.0.1", false),
        ] {
            let address = Some(address.parse().unwrap());
            assert_eq!(list.admit(address), expected, "{}", list.explain(address));
        }
        assert!(only_deny.admit(None) && !both.admit(None), "who has no address is not named");
    }

    #[test]
    fn a_prefix_of_one_kind_says_nothing_of_the_other() {
        let six = prefixes(Some(&["::/0"]), None);
        assert!(six.admit("2001:db8::1".parse().ok()) && !six.admit("10.0.0.1".parse().ok()));
        let four = prefixes(Some(&["::ffff:0:0/96"]), None);
        assert!(four.admit("10.0.0.1".parse().ok()) && !four.admit("2001:db8::1".parse().ok()));
    }

    #[test]
    fn a_file_has_one_network_on_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocked.txt");
        let item = [Addresses::File(crate::config::AddressFile {
            file: crate::config::File(path.clone()),
        })];
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            let mut problems = Problems::new();
            let list = Prefixes::compile(None, Some(&item), &Path::root(), &mut problems);
            let said = problems.iter().map(|problem| problem.message.clone());
            (list, said.collect::<Vec<_>>())
        };
        let (list, said) = read("# all\r\n10.0.0.0/8 # ours\n\n\t 2001:db8::1\t\r\n");
        assert_eq!((list.lines.len(), said.len()), (2, 0));
        let name = path.display();
        assert_eq!(
            list.explain("10.1.1.1".parse().ok()),
            format!("`deny` names 10.0.0.0/8 ({name}:2)")
        );
        assert!(!list.admit("2001:db8::1".parse().ok()));
        let (_, said) = read("10.0.0.0/8\n10.0.0.1/8\n10.0.0.0/8, 11.0.0.0/8\n");
        let bits = format!("{name}:2: `10.0.0.1/8` has bits set behind its prefix");
        let two = format!("{name}:3: `10.0.0.0/8, 11.0.0.0/8` is not an address or network");
        assert_eq!(said, [bits, two]);
        let (_, said) = read(&"nonsense\n".repeat(1000));
        assert_eq!(said.len(), TOLD + 1);
        assert_eq!(said[TOLD], format!("{name}: more lines are wrong"));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        let mut problems = Problems::new();
        Prefixes::compile(None, Some(&item), &Path::root(), &mut problems);
        assert!(problems.has_errors(), "it is not text");
    }
}
