//! Pages as they are served: whole, compressed where that pays, known by a digest.

use std::{
    fmt::Write as _,
    io::Write as _,
    sync::{Arc, LazyLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::message::{escaped, hex, takes};

/// What a page of the portal may do: nothing but with this gateway. Its own program writes styles. What is
/// tried goes where its API is.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; connect-src 'self'";

/// How the program shows a document: with nothing of elsewhere, and no word to anybody.
const SETTINGS: &str = "{&quot;withDefaultFonts&quot;:false,&quot;telemetry&quot;:false,\
                        &quot;hideClientButton&quot;:true,&quot;showDeveloperTools&quot;:&quot;never&quot;,\
                        &quot;agent&quot;:{&quot;disabled&quot;:true},&quot;mcp&quot;:{&quot;disabled&quot;:true}}";

/// A page.
#[derive(Debug)]
pub struct Page {
    kind: &'static str,
    body: Bytes,
    compressed: Option<Bytes>,
    tag: HeaderValue,
    policy: HeaderValue,
}

impl Page {
    /// A page of this type.
    pub fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        // One tag for both codings, which differ byte by byte.
        let tag = format!("W/\"{}\"", hex(&digest(&SHA256, &body).as_ref()[..12]));
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"0\""));
        let policy = HeaderValue::from_static(POLICY);
        Self { kind, compressed: compress(&body), body, tag, policy }
    }

    /// The same, from which requests may go to these hosts as well.
    fn reaching(mut self, hosts: &[&str]) -> Self {
        let policy =
            hosts.iter().fold(POLICY.to_owned(), |policy, host| format!("{policy} {host}"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            self.policy = policy;
        }
        self
    }

    /// The answer to a request with these header fields.
    pub fn answer(&self, asked: &HeaderMap) -> Response<Bytes> {
        let known = asked.get_all(IF_NONE_MATCH).iter().any(|value| is_among(&self.tag, value));
        let small = takes(asked.get_all(ACCEPT_ENCODING), "gzip");
        let compressed = self.compressed.as_ref().filter(|_| small);
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(ETAG, self.tag.clone());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let fixed = [
            (CONTENT_TYPE, self.kind),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        if compressed.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = compressed.unwrap_or(&self.body).clone();
        response
    }
}

/// Whether an entity tag, which is weak, is one of those that a client has (RFC 9110 section 13.1.2).
fn is_among(tag: &HeaderValue, known: &HeaderValue) -> bool {
    let mut known = known.as_bytes().split(|byte| *byte == b',');
    known.any(|known| opaque(known) == opaque(tag.as_bytes()))
}

/// An entity tag without the word that it is weak.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// A body in fewer bytes, if it is worth it.
fn compress(body: &Bytes) -> Option<Bytes> {
    if body.len() < 1_024 {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// The program that shows documents. It is the same in each world, and made when the first one has a portal.
pub fn script() -> Arc<Page> {
    static SCRIPT: LazyLock<Arc<Page>> = LazyLock::new(|| {
        let text = scalar_api_reference::get_asset("scalar.js").unwrap_or_default();
        Arc::new(Page::new("text/javascript; charset=utf-8", text))
    });
    SCRIPT.clone()
}

/// The page that shows the document at this path of the portal at `base`, under this title; and other hosts where
/// its operations are.
pub fn api(base: &str, document: &str, title: &str, elsewhere: &[&str]) -> Page {
    let (base, document, title) = (escaped(base), escaped(document), escaped(title));
    let page = Page::new(
        HTML,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<body>\n\
             <script id=\"api-reference\" data-url=\"{base}{document}\" \
             data-configuration=\"{SETTINGS}\"></script>\n\
             <script src=\"{base}/scalar.js\"></script>\n"
        ),
    );
    page.reaching(elsewhere)
}

/// Where all APIs are shown at once, and their document.
pub const ALL: [&str; 2] = ["/all.html", "/openapi.json"];

/// The first page: which APIs there are, by name, title, version and what they are about; and all of them at
/// once, if there are several.
pub fn index<'a>(
    base: &str,
    title: &str,
    apis: impl ExactSizeIterator<Item = (&'a str, &'a str, &'a str, &'a str)>,
) -> Page {
    let (base, title) = (escaped(base), escaped(title));
    let mut list = String::new();
    if apis.len() > 1 {
        let [page, document] = ALL;
        let _ = write!(
            list,
            "<li><a href=\"{base}{page}\">All of them</a>\n<p>In one place, to search.</p>\n\
             <p><a href=\"{base}{document}\" download=\"all.json\">OpenAPI</a></p>\n"
        );
    }
    for (name, title, version, about) in apis {
        let [name, title, version, about] = [name, title, version, about].map(escaped);
        let _ = write!(
            list,
            "<li><a href=\"{base}/{name}\">{title}</a> <small>{version}</small>\n<p>{about}</p>\n\
             <p><a href=\"{base}/{name}/openapi.json\" download=\"{name}.json\">OpenAPI</a></p>\n"
        );
    }
    Page::new(
        HTML,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:8vh auto;\
             padding:0 1em;color:#222}}ul{{list-style:none;padding:0}}li{{border:1px solid #ddd;\
             border-radius:6px;padding:1em;margin:1em 0}}p{{margin:.4em 0;color:#555}}a{{color:#06c}}\
             @media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}p{{color:#aaa}}\
             li{{border-color:#444}}a{{color:#6af}}}}</style>\n\
             <h1>{title}</h1>\n<ul>\n{list}</ul>\n"
        ),
    )
}

const HTML: &str = "text/html; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )])
    }

    #[test]
    fn a_page_is_sent_once_and_in_fewer_bytes_where_that_is_taken() {
        let page = Page::new(HTML, "x".repeat(5_000));
        let plain = page.answer(&HeaderMap::new());
        assert_eq!((plain.status(), plain.body().len()), (StatusCode::OK, 5_000));
        let small = page.answer(&asked("accept-encoding", "br, gzip;q=0.5"));
        assert_eq!(small.headers()[CONTENT_ENCODING], "gzip");
        assert!(small.body().len() < 100);
        let tag = plain.headers()[ETAG].to_str().unwrap();
        let again = page.answer(&asked("if-none-match", &format!("\"a\", {tag}")));
        assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
        assert_ne!(Page::new(HTML, "y").tag, Page::new(HTML, "z").tag);
    }

    #[test]
    fn nothing_of_a_document_is_markup() {
        let about = "<script>\"&";
        let page = index("/docs", about, [("a", about, about, about)].into_iter());
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(!text.contains("<script>"), "{text}");
        let page = api("/docs", "/a/openapi.json", "</title><script>", &[]);
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        assert_eq!(text.matches("<script").count(), 2, "{text}");
    }
}
