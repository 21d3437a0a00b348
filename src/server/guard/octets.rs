//! Which byte may stand where, and how far a run of such bytes goes.
//!
//! In: bytes. Out: tables and lengths. Nothing here knows what a run is for.

/// A set of bytes, by value.
pub(super) type Octets = [bool; 256];

/// A set of these bytes, of all ASCII letters and of all digits.
const fn alphanumeric_and(others: &[u8]) -> Octets {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        set[others[index] as usize] = true;
        index += 1;
    }
    set
}

/// `tchar` (RFC 9110, 5.6.2): methods and field names.
pub(super) static TOKEN: Octets = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// What may stand in a path as it is sent.
///
/// RFC 3986's `pchar` and `/`, and what clients send raw although they should not: `"`, `[`, `\`,
/// `]`, `^`, `{`, `|`, `}`. It is `http::Uri`'s set without the bytes above ASCII.
pub(super) static PATH: Octets = alphanumeric_and(b"!\"$%&'()*+,-./:;=@[\\]^_{|}~");

/// What may stand in a query as it is sent; as [`PATH`], it is `http::Uri`'s set.
pub(super) static QUERY: Octets = alphanumeric_and(b"!$%&'()*+,-./:;=?@[\\]^_`{|}~");

/// `reg-name` (RFC 3986, 3.2.2) without `%` and `,`: no host of the web has either, `http::Uri`
/// takes no `%`, and a comma is how two `Host` fields look when somebody joined them.
pub(super) static HOST: Octets = alphanumeric_and(b"!$&'()*+-.;=_~");

/// How many of the first bytes are in the set; for short runs.
pub(super) fn run(bytes: &[u8], set: &Octets) -> usize {
    bytes.iter().position(|&byte| !set[usize::from(byte)]).unwrap_or(bytes.len())
}

/// How many of the first bytes are in the set; for long runs: one branch for eight look-ups.
pub(super) fn long_run(bytes: &[u8], set: &Octets) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let all_in = |word: &&[u8; 8]| {
        let count: u8 = word.iter().map(|&byte| u8::from(set[usize::from(byte)])).sum();
        count == 8
    };
    let sure = words.iter().take_while(all_in).count() * 8;
    sure + run(bytes.get(sure..).unwrap_or_default(), set)
}

/// How many of the first bytes may stand in a field's value: VCHAR, obs-text, SP and HTAB
/// (RFC 9110, 5.5).
pub(super) fn value_run(bytes: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let rest = bytes.get(length..).unwrap_or_default();
        length += printable_run(rest);
        // HTAB is the one control that may stand in a value. It is rare, so the fast run stops there.
        if bytes.get(length) != Some(&b'\t') {
            return length;
        }
        length += 1;
    }
}

/// How many of the first bytes are no control (0x00 to 0x1F, 0x7F), eight at a time.
fn printable_run(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = controls(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let end = tail.iter().position(u8::is_ascii_control).unwrap_or(tail.len());
    words.len() * 8 + end
}

/// Marks the bytes that are controls, each in its own high bit.
///
/// Without its high bit no byte is above 0x7F, so what is added here never carries into the next one:
/// 0x60 reaches the high bit from 0x20 up, and 1 reaches it from 0x7F, which is DEL.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let low = word & !HIGH;
    let printable = low + 0x60 * ONES;
    let delete = low + ONES;
    (!printable | delete) & !word & HIGH
}
