//! A message of HTTP/1 as it is on the wire, taken apart without trusting anybody's parser.

use std::fmt;

/// A request or an answer: its first line, its fields, its body with the framing taken off.
#[derive(Clone, Default)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) line: String,
    /// The fields, names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether all of it came, by its own framing.
    pub(crate) complete: bool,
}

/// How the end of a body is found.
pub(crate) enum Framing {
    None,
    Length(usize),
    Chunked,
    Close,
}

impl Message {
    /// Reads a head: everything before the empty line.
    pub(crate) fn parse(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        Self { line, fields: fields(lines), ..Self::default() }
    }

    /// An answer's status.
    pub(crate) fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        assert!(status.is_some(), "no status line: {:?}", self.line);
        status.unwrap()
    }

    /// A request's target.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a field, several of them joined.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values = self.values(name);
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The values of a field.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The reason of a refusal, from its problem document.
    pub(crate) fn reason(&self) -> String {
        reason(&self.body)
    }

    /// Fails the test unless this is a refusal with this status and reason.
    pub(crate) fn assert_refused(&self, status: u16, reason: &str, why: &str) {
        assert_eq!((self.status(), &*self.reason()), (status, reason), "{why}: {self:?}");
        let kind = self.field("content-type");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{why}");
    }

    pub(crate) fn framing(&self) -> Framing {
        let coded = self.field("transfer-encoding").is_some_and(|coding| coding == "chunked");
        let length = self.field("content-length").and_then(|length| length.parse().ok());
        match (coded, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) if self.line.starts_with("HTTP/") => Framing::Close,
            (false, None) => Framing::None,
        }
    }
}

/// The reason in a problem document.
pub(crate) fn reason(body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    problem["reason"].as_str().unwrap_or_default().to_owned()
}

/// Field lines, as names in lower case and values.
pub(crate) fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let split = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into()))
    };
    lines.filter_map(split).collect()
}

/// Takes chunks off their framing: the data, the trailers, and how many bytes that was; nothing
/// while the end has not come.
pub(crate) fn unchunk(bytes: &[u8]) -> Option<(Vec<u8>, Vec<(String, String)>, usize)> {
    let mut data = Vec::new();
    let mut at = 0;
    loop {
        let end = at + find(bytes.get(at..)?, b"\r\n")?;
        let size = String::from_utf8_lossy(&bytes[at..end]).into_owned();
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        at = end + 2;
        if size == 0 {
            break;
        }
        data.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
    let rest = &bytes[at.min(bytes.len())..];
    if rest.starts_with(b"\r\n") {
        return Some((data, Vec::new(), at + 2));
    }
    let end = find(rest, b"\r\n\r\n")?;
    let trailers = String::from_utf8_lossy(&rest[..end]).into_owned();
    Some((data, fields(trailers.split("\r\n")), at + end + 4))
}

/// Where a needle is first.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        let text = self.text();
        let shown: String = text.chars().take(400).collect();
        write!(f, "\n{shown}")?;
        if self.complete { Ok(()) } else { write!(f, "\n[broke off after {}]", text.len()) }
    }
}
