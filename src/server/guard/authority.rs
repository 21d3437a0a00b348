//! `uri-host [ ":" port ]`: the value of `Host`, and the authority of a target.
//!
//! In: its bytes, one by one. Out: whether each may stand there, and whether it is whole. Userinfo is
//! not part of it (RFC 9110, 4.2.4). Nobody is looked up, and an address is not computed: only its
//! letters are checked.

use super::octets::{self, HOST};

/// Where in the authority the next byte stands.
#[derive(Clone, Copy, Default)]
pub(super) enum Authority {
    /// Nothing has come.
    #[default]
    Empty,
    /// In a name or an IPv4 address.
    Name,
    /// In an IPv6 address, after so many colons.
    Literal(u8),
    /// After the `]` of an IPv6 address.
    Closed,
    /// In the port, which is so large so far; none when no digit has come.
    Port(Option<u16>),
}

impl Authority {
    /// With one byte more, unless it may not stand here.
    pub(super) fn with(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Empty, b'[') => Some(Self::Literal(0)),
            (Self::Empty | Self::Name, _) if HOST[usize::from(byte)] => Some(Self::Name),
            // `::` is the shortest address, and one of seven parts and a `::` has the most colons.
            (Self::Literal(colons), b':') if colons < 8 => Some(Self::Literal(colons + 1)),
            (Self::Literal(2..), b']') => Some(Self::Closed),
            (Self::Literal(_), _) if byte == b'.' || byte.is_ascii_hexdigit() => Some(self),
            (Self::Name | Self::Closed, b':') => Some(Self::Port(None)),
            (Self::Port(port), b'0'..=b'9') => {
                let port = port.unwrap_or(0).checked_mul(10)?;
                Some(Self::Port(Some(port.checked_add(u16::from(byte - b'0'))?)))
            }
            _ => None,
        }
    }

    /// How many of the bytes that come next only make a name longer.
    pub(super) fn name_run(self, next: &[u8]) -> usize {
        if matches!(self, Self::Name) { octets::run(next, &HOST) } else { 0 }
    }

    /// Whether nothing has come.
    pub(super) const fn is_empty(self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether there is a host, whole, and at most a port behind it; the port may be empty
    /// (RFC 3986, 3.2.3).
    pub(super) const fn is_whole(self) -> bool {
        matches!(self, Self::Name | Self::Closed | Self::Port(_))
    }

    /// Whether it ends with a port that is a number.
    pub(super) const fn has_port(self) -> bool {
        matches!(self, Self::Port(Some(_)))
    }
}
