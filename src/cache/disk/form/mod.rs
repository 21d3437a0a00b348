//! The form of an answer in a file.
//!
//! In: what is kept. Out: bytes, and from bytes the same again or [`Broken`]. A file is a prefix (what it is, how
//! long its parts are, the head's seal), a head (all but the body, and the body's seal) and the body; nothing of
//! it is believed before its seal is found right, and nothing of a body is handed on before all of it is.

use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::seal::{LENGTH, Seal};
use crate::cache::{
    object::{Head, Object, SMALL},
    rules::Terms,
    shelf::Key,
    tags::Tags,
};

/// What every file begins with; the last number is the form's.
const MAGIC: &[u8; 8] = b"JANUA\0K\x01";
/// Magic, the head's length, the body's, the head's seal.
const PREFIX: usize = 8 + 4 + 8 + LENGTH;
/// The longest head.
const LONGEST: usize = 1 << 20;
/// Bytes of a piece of a body.
const PIECE: usize = 256 << 10;

const _: () = assert!(SMALL <= PIECE, "a small body is one piece");

/// Why a file is of no use.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is not what was written.
    Damaged(&'static str),
    /// The system says so.
    Failed(io::Error),
}

/// What a head says.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: (u128, String),
    /// When it came, in milliseconds since 1970.
    pub(super) came: u64,
    terms: Terms,
    status: StatusCode,
    names: Vec<u8>,
    values: Vec<u8>,
    tags: Tags,
    headers: HeaderMap,
    length: u64,
    seal: [u8; LENGTH],
}

/// The bytes before a body that has this seal; none if they are too many.
pub(super) fn head(
    seal: &Seal,
    key: &Key,
    object: &std::sync::Arc<Object>,
    came: u64,
    body: [u8; LENGTH],
) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(1_024);
    head.extend_from_slice(&key.partition().to_le_bytes());
    head.extend_from_slice(&came.to_le_bytes());
    let (numbers, flags) = object.terms.parts();
    numbers.iter().for_each(|number| head.extend_from_slice(&number.to_le_bytes()));
    head.push(flags);
    head.extend_from_slice(&object.status.as_u16().to_le_bytes());
    head.extend_from_slice(&body);
    let (names, values) = object.vary();
    for text in [key.url().as_bytes(), names, values, object.tags()] {
        write(&mut head, text);
    }
    for (name, value) in &object.open().headers() {
        write(&mut head, name.as_str().as_bytes());
        write(&mut head, value.as_bytes());
    }
    if head.len() > LONGEST {
        return None;
    }
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&u32::try_from(head.len()).ok()?.to_le_bytes());
    file.extend_from_slice(&object.length().to_le_bytes());
    let mut sealing = seal.begin("head");
    sealing.update(&file);
    sealing.update(&head);
    file.extend_from_slice(&sealing.end());
    file.extend_from_slice(&head);
    Some(file)
}

/// The seal of a body.
pub(super) fn body_seal(seal: &Seal, body: impl Iterator<Item = Bytes>) -> [u8; LENGTH] {
    let mut sealing = seal.begin("body");
    body.for_each(|piece| sealing.update(&piece));
    sealing.end()
}

/// Reads a head out of a file that has so many bytes.
pub(super) fn read_head(from: &mut impl Read, size: u64, seal: &Seal) -> Result<Held, Broken> {
    let mut prefix = [0; PREFIX];
    from.read_exact(&mut prefix)?;
    let (plain, found) = prefix.split_at(PREFIX - LENGTH);
    let mut rest = plain;
    if take::<8>(&mut rest)? != *MAGIC {
        return Err(Broken::Damaged("it is something else"));
    }
    let longest = u32::from_le_bytes(take(&mut rest)?);
    let length = u64::from_le_bytes(take(&mut rest)?);
    let whole = (PREFIX as u64 + u64::from(longest)).checked_add(length);
    if longest as usize > LONGEST || whole != Some(size) {
        return Err(Broken::Damaged("it has another length"));
    }
    let mut head = vec![0; longest as usize];
    from.read_exact(&mut head)?;
    let mut sealing = seal.begin("head");
    sealing.update(plain);
    sealing.update(&head);
    if sealing.end() != *found {
        return Err(Broken::Damaged("the seal of its head is broken"));
    }
    parse(&head, length)
}

fn parse(mut rest: &[u8], length: u64) -> Result<Held, Broken> {
    let rest = &mut rest;
    let partition = u128::from_le_bytes(take(rest)?);
    let came = u64::from_le_bytes(take(rest)?);
    let mut numbers = [0; 4];
    for number in &mut numbers {
        *number = u32::from_le_bytes(take(rest)?);
    }
    let [flags] = take(rest)?;
    let status = u16::from_le_bytes(take(rest)?);
    let status = StatusCode::from_u16(status).map_err(|_| ODD)?;
    let seal = take(rest)?;
    let url = String::from_utf8(text(rest)?.to_vec()).map_err(|_| ODD)?;
    let (names, values) = (text(rest)?.to_vec(), text(rest)?.to_vec());
    let tags = Tags::kept(text(rest)?);
    let mut headers = HeaderMap::new();
    while !rest.is_empty() {
        let name = HeaderName::from_bytes(text(rest)?).map_err(|_| ODD)?;
        let value = HeaderValue::from_bytes(text(rest)?).map_err(|_| ODD)?;
        headers.try_append(name, value).map_err(|_| ODD)?;
    }
    let terms = Terms::of_parts(numbers, flags);
    let key = (partition, url);
    Ok(Held { key, came, terms, status, names, values, tags, headers, length, seal })
}

/// A head whose seal is right and that makes no sense: a bug, and no reason to give anything.
const ODD: Broken = Broken::Damaged("its head makes no sense");

impl Held {
    /// Reads the body that comes after it.
    pub(super) fn body(&self, from: &mut impl Read, seal: &Seal) -> Result<Vec<Bytes>, Broken> {
        let mut sealing = seal.begin("body");
        let mut left = usize::try_from(self.length).map_err(|_| ODD)?;
        let mut pieces = Vec::with_capacity(left.div_ceil(PIECE));
        while left > 0 {
            let mut piece = BytesMut::zeroed(left.min(PIECE));
            from.read_exact(&mut piece)?;
            sealing.update(&piece);
            left -= piece.len();
            pieces.push(piece.freeze());
        }
        match sealing.end() == self.seal {
            true => Ok(pieces),
            false => Err(Broken::Damaged("the seal of its body is broken")),
        }
    }

    /// Names and values that it varies by.
    pub(super) fn vary(&self) -> (&[u8], &[u8]) {
        (&self.names, &self.values)
    }

    /// Bytes that its body takes.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The object with this body, at this time of the calendar: the time that it spent on the disk is in its
    /// age.
    pub(super) fn object(&self, body: Vec<Bytes>, stamp: u64, wall: u64) -> Object {
        let resident = wall.saturating_sub(self.came).div_ceil(1_000);
        let mut terms = self.terms;
        terms.age = terms.age.saturating_add(u32::try_from(resident).unwrap_or(u32::MAX));
        let head = Head {
            status: self.status,
            headers: &self.headers,
            terms,
            at: Instant::now(),
            stamp,
            vary: self.vary(),
            tags: self.tags.clone(),
        };
        Object::new(head, body)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it is cut off"),
            _ => Self::Failed(error),
        }
    }
}

fn write(head: &mut Vec<u8>, text: &[u8]) {
    // What is longer than this makes a head that is refused.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    head.extend_from_slice(&length.to_le_bytes());
    head.extend_from_slice(text);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Broken> {
    let (taken, after) = rest.split_first_chunk().ok_or(ODD)?;
    *rest = after;
    Ok(*taken)
}

fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Broken> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (text, after) = rest.split_at_checked(length).ok_or(ODD)?;
    *rest = after;
    Ok(text)
}

#[cfg(test)]
mod tests;
