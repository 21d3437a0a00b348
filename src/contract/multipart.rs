//! Parts of `multipart/form-data` (RFC 7578): their names, and whether they are files.
//!
//! As strict as what an origin reads may be: a boundary that is declared, every line ended by CRLF, names
//! that are there. What two readers could read in two ways is refused.

use http::HeaderValue;

/// Parts that a form may have.
const MAX_PARTS: usize = 1_000;

/// Bytes of a part's header.
const MAX_HEADER: usize = 8 << 10;

/// A part.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Part<'b> {
    pub(super) name: &'b str,
    pub(super) is_file: bool,
    pub(super) body: &'b [u8],
}

/// The parts of a body of this type.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parts<'b>(
    body: &'b [u8],
    kind: Option<&HeaderValue>,
) -> Result<Vec<Part<'b>>, &'static str> {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = boundary(kind).ok_or("its type names no boundary")?;
    let line = format!("--{boundary}");
    let inner = format!("\r\n{line}");
    let mut rest =
        body.strip_prefix(line.as_bytes()).ok_or("it does not begin with its boundary")?;
    let mut found = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let over = end.is_empty() || end.starts_with(b"\r\n");
            return if over { Ok(found) } else { Err("something stands behind its end") };
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("a boundary does not end its line")?;
        if found.len() == MAX_PARTS {
            return Err("it has too many parts");
        }
        let end = find(rest, b"\r\n\r\n").filter(|end| *end <= MAX_HEADER);
        let end = end.ok_or("the header of a part is malformed")?;
        let head =
            std::str::from_utf8(&rest[..end]).map_err(|_| "the header of a part is malformed")?;
        rest = &rest[end + 2..];
        let end = find(rest, inner.as_bytes()).ok_or("a part does not end")?;
        let body = rest.get(2..end).unwrap_or_default();
        if find(body, &inner.as_bytes()[1..]).is_some() {
            return Err("a boundary does not begin its line");
        }
        if !is_well_formed(head) {
            return Err("the header of a part is malformed");
        }
        let (name, is_file) = disposition(head).ok_or("a part has no name")?;
        found.push(Part { name, is_file, body });
        rest = &rest[end + inner.len()..];
    }
}

/// RFC 2046 section 5.1.1.
fn boundary(kind: &str) -> Option<&str> {
    let mut named = kind.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let value = named.next().filter(|_| named.next().is_none())?;
    let value = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(value);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    ((1..=70).contains(&value.len()) && value.bytes().all(good) && !value.ends_with(' '))
        .then_some(value)
}

/// Whether all lines of a part's header are fields, each of them on one line.
fn is_well_formed(head: &str) -> bool {
    let is_field = |line: &str| {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(token) && !line.contains(['\r', '\n', '\0'])
    };
    head.strip_prefix("\r\n").unwrap_or(head).split("\r\n").all(is_field)
}

/// The name that a part has, and whether it is a file.
fn disposition(head: &str) -> Option<(&str, bool)> {
    let mut fields = head.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    });
    let value = fields.next().filter(|_| fields.next().is_none())?;
    let mut rest = value.strip_prefix("form-data")?;
    let (mut name, mut is_file) = (None, false);
    while let Some(more) = rest.trim_start().strip_prefix(';') {
        let (key, more) = more.trim_start().split_once('=')?;
        let (text, more) = match more.strip_prefix('"') {
            Some(quoted) => {
                let mut escaped = false;
                let end = quoted.bytes().position(|byte| {
                    let end = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    end
                })?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => more.split_at(more.find(';').unwrap_or(more.len())),
        };
        match &*key.trim().to_ascii_lowercase() {
            "name" if name.is_some() => return None,
            // RFC 7578 section 4.2 knows no other way to write it.
            "name*" => return None,
            "name" => name = Some(text),
            "filename" | "filename*" => is_file = true,
            _ => {}
        }
        rest = more;
    }
    Some((name.filter(|_| rest.trim().is_empty())?, is_file))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=X";

    fn read(kind: &str, body: &str) -> Result<Vec<(String, bool, String)>, &'static str> {
        let kind = HeaderValue::from_str(kind).unwrap();
        let own = |part: Part<'_>| {
            (part.name.to_owned(), part.is_file, String::from_utf8_lossy(part.body).into_owned())
        };
        let parts = parts(body.as_bytes(), Some(&kind))?;
        Ok(parts.into_iter().map(own).collect())
    }

    #[test]
    fn parts_are_found_with_their_names() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--X\r\n\
                    content-type: image/png\r\ncontent-disposition: form-data; name=b; filename=\"x;\\\"y\"\r\n\r\n\
                    \r\n--Y\r\n\r\n--X--\r\n";
        let parts = read(TYPE, body).unwrap();
        let own = |name: &str, file, body: &str| (name.to_owned(), file, body.to_owned());
        assert_eq!(parts, [own("a", false, "one"), own("b", true, "\r\n--Y\r\n")]);
        let empty = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--X--";
        assert_eq!(read(TYPE, empty).unwrap(), [own("a", false, "")]);
        assert_eq!(read("multipart/form-data; boundary=\"X\"", "--X--").unwrap(), []);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let part = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--X--\r\n";
        for (kind, body, what) in [
            ("multipart/form-data", part, "its type names no boundary"),
            ("multipart/form-data; boundary=X; boundary=Y", part, "its type names no boundary"),
            ("multipart/form-data; boundary=", part, "its type names no boundary"),
            (TYPE, "", "it does not begin with its boundary"),
            (TYPE, "preamble\r\n--X--", "it does not begin with its boundary"),
            (TYPE, &part.replace("\r\n", "\n"), "a boundary does not end its line"),
            (TYPE, &part.replace("--X--\r\n", ""), "a part does not end"),
            (TYPE, &part.replace("name=", "nam="), "a part has no name"),
            (TYPE, &part.replace("name=\"a\"", "name=\"a\"; name=\"b\""), "a part has no name"),
            (TYPE, &part.replace("name=\"a\"", "name=\"a"), "a part has no name"),
            (TYPE, &part.replace("name=\"a\"", "name=\"a\"; NAME=b"), "a part has no name"),
            (TYPE, &part.replace("name=\"a\"", "name=\"a\"; name*=UTF-8''b"), "a part has no name"),
            (TYPE, &part.replace("form-data;", "attachment;"), "a part has no name"),
            (TYPE, &part.replace("Content", "X: y\nContent"), "the header of a part is malformed"),
            (TYPE, &part.replace("Content", "X: y\rContent"), "the header of a part is malformed"),
            (
                TYPE,
                &part.replace("Content", "X: y\r\n Content"),
                "the header of a part is malformed",
            ),
            (TYPE, &part.replace("position:", "position :"), "the header of a part is malformed"),
            (TYPE, &part.replace("one", "\n--X\r\nA: b"), "a boundary does not begin its line"),
            (
                TYPE,
                "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n--X--",
                "the header of a part is malformed",
            ),
            (TYPE, &format!("{part}x").replace("--\r\n", "--"), "something stands behind its end"),
        ] {
            assert_eq!(read(kind, body), Err(what), "{kind} {body:?}");
        }
        let many = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(1_001);
        assert_eq!(read(TYPE, &format!("{many}--X--")), Err("it has too many parts"));
    }
}
