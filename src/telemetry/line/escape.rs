//! How bytes from outside are written into a line so that they stay what they are: bytes.
//!
//! In: any bytes. Out: one piece of a line in a [`Style`]. Beside what the style's own syntax needs,
//! every style escapes control characters, the C1 ones included, because a terminal obeys them, and
//! the characters that turn the direction of text, because they show a reader another line.

/// A form that bytes can be written in.
pub(super) trait Style {
    /// Whether a byte stands for itself.
    fn plain(byte: u8) -> bool;
    /// Writes an ASCII byte that does not stand for itself.
    fn byte(byte: u8, out: &mut Vec<u8>);
    /// Writes a character beyond ASCII that does not stand for itself.
    fn char(char: char, out: &mut Vec<u8>);
    /// Writes bytes that are no UTF-8.
    fn invalid(bytes: &[u8], out: &mut Vec<u8>);
}

/// Inside the quotes of a JSON string.
pub(super) struct Json;

/// Inside double quotes in a line of text.
pub(super) struct Quoted;

/// A word in a line of text: as [`Quoted`], and no spaces.
pub(super) struct Word;

/// Writes `bytes` in the style `S`.
pub(super) fn escape<S: Style>(mut bytes: &[u8], out: &mut Vec<u8>) {
    loop {
        let (plain, rest) = bytes.split_at(plain::<S>(bytes));
        out.extend_from_slice(plain);
        if rest.is_empty() {
            return;
        }
        bytes = rest;
        // At least one byte: the one that is not plain.
        let run = bytes.iter().position(u8::is_ascii).unwrap_or(bytes.len());
        if run == 0 {
            S::byte(bytes[0], out);
        } else {
            beyond_ascii::<S>(&bytes[..run], out);
        }
        bytes = &bytes[run.max(1)..];
    }
}

/// How many bytes at the start stand for themselves. Eight at a time without a branch, which the
/// compiler turns into vector instructions; a table and a branch for each byte took twice as long.
fn plain<S: Style>(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<8>();
    let whole = chunks
        .iter()
        .take_while(|chunk| chunk.iter().fold(true, |all, byte| all & S::plain(*byte)));
    let start = whole.count() * 8;
    let rest = bytes[start..].iter().position(|byte| !S::plain(*byte));
    rest.map_or(bytes.len(), |at| start + at)
}

fn beyond_ascii<S: Style>(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if deceives(char) {
                S::char(char, out);
            } else {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            S::invalid(chunk.invalid(), out);
        }
    }
}

/// Whether a reader or a terminal takes it for something else than text.
fn deceives(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Printable ASCII but for a quote and a backslash. No `&&`: a branch would undo the vectors.
fn plain_in_quotes(byte: u8) -> bool {
    (byte.wrapping_sub(b' ') <= b'~' - b' ') & (byte != b'"') & (byte != b'\\')
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(value: u32, digits: u32, out: &mut Vec<u8>) {
    out.extend((0..digits).rev().map(|at| DIGITS[(value >> (4 * at)) as usize & 0xf]));
}

impl Style for Json {
    fn plain(byte: u8) -> bool {
        plain_in_quotes(byte)
    }

    fn byte(byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => Self::char(other.into(), out),
        }
    }

    fn char(char: char, out: &mut Vec<u8>) {
        // All that deceive are in the first plane, so there is no pair of surrogates to write.
        out.extend_from_slice(b"\\u");
        hex(char.into(), 4, out);
    }

    fn invalid(_: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"\\ufffd");
    }
}

impl Style for Quoted {
    fn plain(byte: u8) -> bool {
        plain_in_quotes(byte)
    }

    fn byte(byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            other => Self::invalid(&[other], out),
        }
    }

    fn char(char: char, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\\u{");
        hex(char.into(), 4, out);
        out.push(b'}');
    }

    fn invalid(bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            out.extend_from_slice(b"\\x");
            hex((*byte).into(), 2, out);
        }
    }
}

impl Style for Word {
    fn plain(byte: u8) -> bool {
        plain_in_quotes(byte) & (byte != b' ')
    }

    fn byte(byte: u8, out: &mut Vec<u8>) {
        Quoted::byte(byte, out);
    }

    fn char(char: char, out: &mut Vec<u8>) {
        Quoted::char(char, out);
    }

    fn invalid(bytes: &[u8], out: &mut Vec<u8>) {
        Quoted::invalid(bytes, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped<S: Style>(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape::<S>(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_style_escapes_what_it_must() {
        let table: [(&[u8], &str, &str, &str); 8] = [
            (b"", "", "", ""),
            (b"plain/x?y=z", "plain/x?y=z", "plain/x?y=z", "plain/x?y=z"),
            (b"a \"b\" \\", r#"a \"b\" \\"#, r#"a \"b\" \\"#, r#"a\x20\"b\"\x20\\"#),
            (b"\r\n\t\x1b[0m\x7f", r"\r\n\t\u001b[0m\u007f", r"\x0d\x0a\x09\x1b[0m\x7f", {
                r"\x0d\x0a\x09\x1b[0m\x7f"
            }),
            ("Zoë ✓".as_bytes(), "Zoë ✓", "Zoë ✓", r"Zoë\x20✓"),
            ("\u{9b}31m".as_bytes(), r"\u009b31m", r"\u{009b}31m", r"\u{009b}31m"),
            ("a\u{202e}b\u{2028}".as_bytes(), r"a\u202eb\u2028", r"a\u{202e}b\u{2028}", {
                r"a\u{202e}b\u{2028}"
            }),
            (b"\xff\xe2\x82a\xc3", r"\ufffd\ufffda\ufffd", r"\xff\xe2\x82a\xc3", {
                r"\xff\xe2\x82a\xc3"
            }),
        ];
        for (bytes, json, quoted, word) in table {
            assert_eq!(escaped::<Json>(bytes), json);
            assert_eq!(escaped::<Quoted>(bytes), quoted);
            assert_eq!(escaped::<Word>(bytes), word);
        }
    }
}
