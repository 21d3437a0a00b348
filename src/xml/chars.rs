//! Which characters XML 1.0 has, and which of them make a name.

/// Whether XML can hold this text at all: it has no way to write most control characters.
pub fn is_text(text: &str) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    // U+FFFE and U+FFFF are EF BF BE and EF BF BF; surrogates there are none in UTF-8.
    let none = |three: &[u8]| matches!(three, [0xef, 0xbf, 0xbe | 0xbf]);
    let bytes = text.as_bytes();
    !bytes.iter().any(control) && (text.is_ascii() || !bytes.windows(3).any(none))
}

/// Whether a character reference may name this one.
pub(super) fn is_char(sign: char) -> bool {
    !matches!(sign, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether it is space to XML, all of it.
pub fn is_whitespace(text: &str) -> bool {
    text.bytes().all(is_space)
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether this is a name without a prefix.
pub fn is_ncname(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.bytes().all(plain) {
        return name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    }
    let mut signs = name.chars();
    signs.next().is_some_and(begins) && signs.all(goes_on)
}

/// Whether this is a name, with a prefix or without.
pub fn is_name(name: &str) -> bool {
    match name.split_once(':') {
        None => is_ncname(name),
        Some((prefix, local)) => is_ncname(prefix) && is_ncname(local),
    }
}

fn begins(sign: char) -> bool {
    match sign {
        'a'..='z' | 'A'..='Z' | '_' => true,
        sign if sign.is_ascii() => false,
        '\u{c0}'..='\u{d6}'
        | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}' => true,
        _ => false,
    }
}

fn goes_on(sign: char) -> bool {
    match sign {
        '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}' => true,
        sign => begins(sign),
    }
}
