//! Telling HTTP/2 with prior knowledge (RFC 9113, 3.3) from HTTP/1 by a connection's first bytes.
//!
//! In: those bytes. Out: yes, no, or not enough of them. On a connection that is HTTP/1 already, the
//! guard refuses the preface for its version.

/// What an HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection begins with the HTTP/2 preface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preface {
    /// It does.
    Yes,
    /// It does not; it is HTTP/1, or nothing at all.
    No,
    /// It does so far, and more bytes must come.
    Maybe,
}

/// Says whether a connection that begins with these bytes begins with the HTTP/2 preface.
pub fn h2_preface(first: &[u8]) -> Preface {
    if first.starts_with(PREFACE) {
        Preface::Yes
    } else if PREFACE.starts_with(first) {
        Preface::Maybe
    } else {
        Preface::No
    }
}
