//! What a head's fields add up to: how long the body is, whether there is one `Host`, whether an
//! upgrade is asked for.
//!
//! In: field names as they begin, values as they end. Out: [`Framing`], or a refusal. Every doubt about
//! the framing is one (RFC 9112, 6.3 and 11.2), for what two readers may read in two ways is how
//! requests are smuggled.

use http::Version;

use super::{
    list::List,
    value::{Single, Value},
};
use crate::reject::Reject;

/// What the fields of one message have said so far.
pub(super) struct Facts {
    version: Version,
    section: Section,
    host: bool,
    framing: Framing,
    connection_lists_upgrade: bool,
    upgrade_is_offered: bool,
}

/// Where a field stands.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Section {
    Head,
    Trailers,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Framing {
    /// There is no body.
    Empty,
    /// By its length.
    Length(u64),
    /// By its last chunk.
    Chunked,
}

/// The fields that matter.
enum Name {
    Connection,
    ContentLength,
    Host,
    TransferEncoding,
    Upgrade,
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Self {
        // Nearly every field is told apart by its length alone.
        let (known, this): (&[u8], _) = match name.len() {
            4 => (b"host", Self::Host),
            7 => (b"upgrade", Self::Upgrade),
            10 => (b"connection", Self::Connection),
            14 => (b"content-length", Self::ContentLength),
            17 => (b"transfer-encoding", Self::TransferEncoding),
            _ => return Self::Other,
        };
        if name.eq_ignore_ascii_case(known) { this } else { Self::Other }
    }
}

impl Facts {
    pub(super) const fn new(version: Version) -> Self {
        Self {
            version,
            section: Section::Head,
            host: false,
            framing: Framing::Empty,
            connection_lists_upgrade: false,
            upgrade_is_offered: false,
        }
    }

    /// A field begins: what its value must look like.
    pub(super) fn begin(&mut self, name: &[u8]) -> Result<Value, Reject> {
        let name = Name::of(name);
        if matches!(name, Name::Other) {
            return Ok(Value::Any);
        }
        match (name, self.section) {
            (Name::Other, _) => Ok(Value::Any),
            (Name::Host, Section::Head) if !self.host => {
                self.host = true;
                Ok(Value::Host(Single::default()))
            }
            (Name::Host, _) => Err(Reject::RequestHost),
            // Even an equal second length is refused, as RFC 9110, 8.6 permits: no client sends it.
            (Name::ContentLength, Section::Head) if self.framing == Framing::Empty => {
                Ok(Value::Length(Single::default()))
            }
            // HTTP/1.0 has no codings; whoever wrote it there lost the framing (RFC 9112, 6.1).
            (Name::TransferEncoding, Section::Head)
                if self.framing == Framing::Empty && self.version == Version::HTTP_11 =>
            {
                Ok(Value::Coding(Single::default()))
            }
            (Name::ContentLength | Name::TransferEncoding, _) => Err(Reject::RequestFraming),
            (Name::Connection, Section::Head) => Ok(Value::Connection(List::new(b"upgrade"))),
            (Name::Upgrade, Section::Head) => Ok(Value::Upgrade(List::new(b"h2c"))),
            (Name::Connection | Name::Upgrade, Section::Trailers) => Err(Reject::RequestHeader),
        }
    }

    /// A field has ended.
    pub(super) fn end(&mut self, value: &Value) -> Result<(), Reject> {
        match value {
            Value::Any => {}
            Value::Length(length) => {
                self.framing = Framing::Length(length.thing.0.ok_or(Reject::RequestFraming)?);
            }
            // A coding that we do not know would deserve 501 (RFC 9112, 6.1). It is refused like all
            // other doubts about the framing: where it is real, the client can do without.
            Value::Coding(coding) if coding.thing.is_chunked() => self.framing = Framing::Chunked,
            Value::Coding(_) => return Err(Reject::RequestFraming),
            // An empty Host is how a client says that its target has no authority (RFC 9112, 3.2).
            Value::Host(host) if host.thing.is_empty() || host.thing.is_whole() => {}
            Value::Host(_) => return Err(Reject::RequestHost),
            Value::Connection(list) => self.connection_lists_upgrade |= list.ended().has_word,
            Value::Upgrade(list) => self.upgrade_is_offered |= list.ended().has_other,
        }
        Ok(())
    }

    /// The head has ended: what comes after it.
    pub(super) fn end_of_head(&mut self) -> Result<Framing, Reject> {
        if !self.host && self.version == Version::HTTP_11 {
            return Err(Reject::RequestHost);
        }
        self.section = Section::Trailers;
        Ok(self.framing)
    }

    /// Whether an upgrade is asked for that may be honoured (RFC 9110, 7.8): not in HTTP/1.0, and
    /// never to `h2c`.
    pub(super) fn asks_upgrade(&self) -> bool {
        self.version == Version::HTTP_11 && self.connection_lists_upgrade && self.upgrade_is_offered
    }
}
