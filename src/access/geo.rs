//! Where an address is: its country, and the autonomous system that it is of.
//!
//! In: databases in MaxMind's format, read into memory whole: one that is mapped kills the process
//! when somebody cuts the file. Out: for an address a country or a number, or nothing, or that the
//! database is broken there; who is there then is refused. A look-up decodes one value and allocates
//! nothing.

use std::{fmt, net::IpAddr, path::Path as FilePath, sync::Arc};

use maxminddb::{PathElement, Reader};
use serde::Deserialize;

use crate::config::{self, Path, Problem, Problems};

/// A database in memory.
type Database = Arc<Reader<Vec<u8>>>;

/// A country, by its code (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Country([u8; 2]);

/// An autonomous system, by its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Asn(pub(super) u32);

/// What a database knows of addresses.
pub(super) trait Place: Copy + Ord + fmt::Display {
    /// What it is called.
    const NAME: &'static str;
    /// Where it stands in a database's record.
    const PATH: &'static [PathElement<'static>];
    /// As what.
    type Written<'d>: Deserialize<'d>;

    /// From what the database says.
    fn read(written: Self::Written<'_>) -> Option<Self>;
}

impl Place for Country {
    const NAME: &'static str = "country";
    const PATH: &'static [PathElement<'static>] =
        &[PathElement::Key("country"), PathElement::Key("iso_code")];
    type Written<'d> = &'d str;

    fn read(written: &str) -> Option<Self> {
        Self::parse(written)
    }
}

impl Place for Asn {
    const NAME: &'static str = "autonomous system";
    const PATH: &'static [PathElement<'static>] = &[PathElement::Key("autonomous_system_number")];
    type Written<'d> = u32;

    fn read(written: u32) -> Option<Self> {
        Some(Self(written))
    }
}

impl Country {
    /// From two letters.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let upper = letters.map(|letter| letter.to_ascii_uppercase());
        upper.iter().all(u8::is_ascii_uppercase).then_some(Self(upper))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// Places that may come in, and places that may not.
#[derive(Debug)]
pub(super) struct Places<P> {
    pub(super) database: Database,
    /// Without it, all that are not denied.
    pub(super) allow: Option<Box<[P]>>,
    pub(super) deny: Box<[P]>,
}

impl<P: Place> Places<P> {
    /// Whether an address may come in.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> bool {
        match self.place(address) {
            Err(Broken) => false,
            Ok(None) => self.allow.is_none(),
            Ok(Some(place)) => {
                let allowed = self.allow.as_ref().is_none_or(|allow| allow.contains(&place));
                allowed && !self.deny.contains(&place)
            }
        }
    }

    /// Why, for people.
    pub(super) fn explain(&self, address: Option<IpAddr>) -> String {
        match self.place(address) {
            Err(Broken) => format!("the database of each {} is broken at this address", P::NAME),
            Ok(None) => format!("its {} is not known", P::NAME),
            Ok(Some(place)) => format!("its {} is {place}", P::NAME),
        }
    }

    fn place(&self, address: Option<IpAddr>) -> Result<Option<P>, Broken> {
        let Some(address) = address else { return Ok(None) };
        if address.is_ipv6() && self.database.metadata().ip_version == 4 {
            return Ok(None);
        }
        let found = self.database.lookup(address).and_then(|found| found.decode_path(P::PATH));
        found.map(|found| found.and_then(P::read)).map_err(|_| Broken)
    }
}

/// The database is not what it should be.
struct Broken;

/// The databases of `[geoip]`.
#[derive(Debug, Default)]
pub(super) struct GeoIp {
    pub(super) countries: Option<Database>,
    pub(super) asns: Option<Database>,
}

impl GeoIp {
    /// Reads what is named.
    pub(super) fn compile(geoip: &config::GeoIp, problems: &mut Problems) -> Self {
        let at = Path::root().key("geoip");
        let mut open = |path: Option<&FilePath>, at: Path, other: &[&str]| {
            let opened = path.map(|path| open(path, &at, other));
            problems.keep(opened.transpose()).flatten()
        };
        Self {
            countries: open(geoip.database.as_deref(), at.key("database"), &["ASN", "ISP"]),
            asns: open(geoip.asn_database.as_deref(), at.key("asn-database"), &["Country", "City"]),
        }
    }
}

/// Reads a database, which is not to be one of these others.
fn open(path: &FilePath, at: &Path, others: &[&str]) -> Result<Database, Problem> {
    let cannot = |why: String| {
        Problem::error(at.clone(), format!("cannot read `{}`: {why}", path.display()))
    };
    let bytes = std::fs::read(path).map_err(|error| cannot(error.to_string()))?;
    let database = Reader::from_source(bytes).map_err(|error| {
        cannot(error.to_string()).help("it has to be a MaxMind database, .mmdb")
    })?;
    let kind = &database.metadata().database_type;
    if others.iter().any(|other| kind.contains(other)) {
        let message = format!("`{}` is a database of another kind, {kind}", path.display());
        let help = "`database` is for countries or cities, `asn-database` for autonomous systems";
        return Err(Problem::error(at.clone(), message).help(help));
    }
    Ok(Arc::new(database))
}
