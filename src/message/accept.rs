//! How gladly a client takes something, by the fields in which it says that (RFC 9110 section 12.4.2).

use http::HeaderValue;

/// The most that a weight can be.
pub const GLADLY: u16 = 1000;

/// How gladly a client takes something, in thousandths, and how close it names it; none if the lines of the
/// field say nothing about it. `close` says how close a range is, if it takes it at all: the closest decides,
/// wherever it stands.
pub fn liking<'h>(
    lines: impl IntoIterator<Item = &'h HeaderValue>,
    close: impl Fn(&str) -> Option<u8>,
) -> Option<(u16, u8)> {
    let lines = lines.into_iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let close = close(&parts.next()?.to_ascii_lowercase())?;
        let said = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        // A weight that is none is no wish.
        Some((close, said.map_or(GLADLY, |said| weight(said.trim().as_bytes()).unwrap_or(0))))
    });
    ranges.max().map(|(close, weight)| (weight, close))
}

/// A type's closeness to a range of `Accept` (RFC 9110 section 12.5.1).
pub fn closeness(range: &str, name: &str) -> Option<u8> {
    match range.strip_suffix("/*") {
        Some("*") => Some(1),
        Some(kind) => name.split_once('/').is_some_and(|(own, _)| own == kind).then_some(2),
        None => (range == name).then_some(3),
    }
}

/// Whether a client takes something by its name, or whatever there is (`*`; RFC 9110 section 12.5.3).
pub fn takes<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>, name: &str) -> bool {
    let close = |range: &str| match range {
        "*" => Some(1),
        range => (range == name).then_some(2),
    };
    liking(lines, close).is_some_and(|(weight, _)| weight > 0)
}

/// A weight, `0.25`, in thousandths; none if it is none.
pub fn weight(text: &[u8]) -> Option<u16> {
    let (whole, part) = match text {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', part @ ..] if part.len() <= 3 => (whole, part),
        _ => return None,
    };
    let digits = [*whole].into_iter().chain(part.iter().copied()).chain([b'0'; 3]).take(4);
    let sum = digits.map(|digit| digit.is_ascii_digit().then(|| u16::from(digit - b'0')));
    let sum = sum.reduce(|sum, digit| Some(sum? * 10 + digit?))??;
    (sum <= GLADLY).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_thousandths() {
        let cases: &[(&str, Option<u16>)] = &[
            ("0", Some(0)),
            ("1", Some(1000)),
            ("1.", Some(1000)),
            ("1.000", Some(1000)),
            ("0.5", Some(500)),
            ("0.05", Some(50)),
            ("0.123", Some(123)),
            ("0.1234", None),
            ("1.001", None),
            ("2", None),
            (".5", None),
            ("", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(weight(text.as_bytes()), *expected, "{text}");
        }
    }

    fn said(lines: &[&'static str]) -> Vec<HeaderValue> {
        lines.iter().map(|line| HeaderValue::from_static(line)).collect()
    }

    #[test]
    fn the_closest_range_says_how_gladly_a_type_is_taken() {
        for (lines, expected) in [
            (&[][..], None),
            (&["text/html"], None),
            (&["application/xml"], Some((1000, 3))),
            (&["Application/XML; Q=0.5"], Some((500, 3))),
            (&["application/*;q=0.4, */*;q=0.9"], Some((400, 2))),
            (&["*/*;q=0.9, application/xml;q=0"], Some((0, 3))),
            (&["application/xml;charset=utf-8;q=0.3"], Some((300, 3))),
            (&["application/xml;q=much"], Some((0, 3))),
            (&["text/html", "*/*;q=0.1"], Some((100, 1))),
        ] {
            let close = |range: &str| closeness(range, "application/xml");
            assert_eq!(liking(&said(lines), close), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_coding_is_taken_where_the_client_says_so() {
        for (lines, expected) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["br", "GZIP;q=0.5"], true),
            (&["gzip;q=0"], false),
            (&["*"], true),
            (&["*, gzip;q=0.0"], false),
            (&["gzipped"], false),
            (&["identity"], false),
        ] {
            assert_eq!(takes(&said(lines), "gzip"), expected, "{lines:?}");
        }
    }
}
