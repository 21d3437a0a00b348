//! What a file server answers is what the client gets: parts, conditions, codings, sizes.

use super::{Doors, Nginx, command, program, said};
use crate::support::{Client, Janua, Message, Setup};

/// A page of sixty lines.
fn page() -> String {
    (0..60).map(|line| format!("line {line} of a page that is worth a gzip\n")).collect()
}

/// The same request of nginx and of Janua in front of it.
struct Both {
    nginx: Nginx,
    janua: Janua,
    through: Client,
}

impl Both {
    async fn start(directives: &str) -> Self {
        let nginx = Nginx::start(directives);
        nginx.file("page.txt", page());
        let janua = Setup::to(&nginx.url).start().await;
        let through = janua.client().await;
        Self { nginx, janua, through }
    }

    /// What Janua answers, which is what nginx does.
    async fn ask(&mut self, line: &str, fields: &str) -> Message {
        let direct = Client::connect(self.nginx.address).await.request(line, fields).await;
        let through = self.through.request(line, fields).await;
        assert_eq!(content(&direct), content(&through), "{line} {fields}: {direct:?}{through:?}");
        assert!(through.complete, "{through:?}");
        through
    }
}

/// What must be the same, whoever answers. Boundaries and connections have numbers.
fn content(answer: &Message) -> (u16, Vec<Option<String>>, String) {
    let boundary = answer
        .field("content-type")
        .and_then(|kind| kind.strip_prefix("multipart/byteranges; boundary=").map(str::to_owned));
    let plain = |text: String| match &boundary {
        Some(boundary) => text.replace(boundary.as_str(), "BOUNDARY"),
        None => text,
    };
    let names = [
        "content-type",
        "content-length",
        "content-range",
        "content-encoding",
        "accept-ranges",
        "etag",
        "last-modified",
        "vary",
        "transfer-encoding",
        "location",
    ];
    let fields = names.iter().map(|name| answer.field(name).map(plain)).collect();
    (answer.status(), fields, plain(answer.text()))
}

#[tokio::test]
async fn parts_of_a_file_are_the_parts_that_were_asked_for() {
    let mut both = Both::start("").await;
    let page = page();
    let part = both.ask("GET /page.txt", "Range: bytes=5-99\r\n").await;
    assert_eq!((part.status(), part.text()), (206, page[5..100].into()));
    let last = both.ask("GET /page.txt", "Range: bytes=-7\r\n").await;
    assert_eq!(last.text(), page[page.len() - 7..]);
    let rest = both.ask("GET /page.txt", "Range: bytes=1000-\r\n").await;
    assert_eq!(rest.text(), page[1000..]);
    let many = both.ask("GET /page.txt", "Range: bytes=0-3,10-13,-2\r\n").await;
    assert_eq!(many.status(), 206);
    assert!(many.field("content-type").unwrap().starts_with("multipart/byteranges;"), "{many:?}");
    assert_eq!(many.text().matches("Content-Range: bytes ").count(), 3, "{many:?}");
    let none = both.ask("GET /page.txt", "Range: bytes=100000-\r\n").await;
    assert_eq!(none.status(), 416);
    assert_eq!(none.field("content-range"), Some(format!("bytes */{}", page.len())));
    let whole = both.ask("GET /page.txt", "Range: lines=1-2\r\n").await;
    assert_eq!((whole.status(), whole.text()), (200, page));
}

#[tokio::test]
async fn who_has_a_file_already_is_told_so() {
    let mut both = Both::start("").await;
    let whole = both.ask("GET /page.txt", "").await;
    let (etag, date) = (whole.field("etag").unwrap(), whole.field("last-modified").unwrap());
    for field in [
        format!("If-None-Match: {etag}\r\n"),
        format!("If-None-Match: \"other\", W/{etag}\r\n"),
        format!("If-Modified-Since: {date}\r\n"),
    ] {
        for method in ["GET", "HEAD"] {
            let same = both.ask(&format!("{method} /page.txt"), &field).await;
            assert_eq!((same.status(), same.field("etag")), (304, Some(etag.clone())), "{field}");
        }
    }
    let other = both.ask("GET /page.txt", "If-None-Match: \"other\"\r\n").await;
    assert_eq!((other.status(), other.text()), (200, page()));
    let failed = both.ask("GET /page.txt", "If-Match: \"other\"\r\n").await;
    assert_eq!(failed.status(), 412);
    let part = format!("Range: bytes=0-4\r\nIf-Range: {etag}\r\n");
    assert_eq!(both.ask("GET /page.txt", &part).await.text(), "line ");
    let changed = "Range: bytes=0-4\r\nIf-Range: \"other\"\r\n";
    assert_eq!(both.ask("GET /page.txt", changed).await.text(), page());
}

#[tokio::test]
async fn head_says_what_get_would() {
    let mut both = Both::start("").await;
    let head = both.ask("HEAD /page.txt", "").await;
    assert_eq!(head.field("content-length"), Some(page().len().to_string()));
    let missing = both.ask("HEAD /missing", "").await;
    assert_eq!(missing.status(), 404);
    let coded = Both::start("gzip on; gzip_proxied any;")
        .await
        .ask("HEAD /page.txt", "Accept-Encoding: gzip\r\n")
        .await;
    assert_eq!(coded.field("content-encoding").as_deref(), Some("gzip"), "{coded:?}");
}

#[tokio::test]
async fn an_answer_of_unknown_length_comes_whole() {
    let mut both =
        Both::start("gzip on; gzip_proxied any; location /made { ssi on; ssi_types *; }").await;
    both.nginx.file(
        "made",
        "<!--#echo var=\"request_uri\" --> and <!--#include virtual=\"/page.txt\" -->.",
    );
    let made = both.ask("GET /made", "").await;
    assert_eq!(made.field("transfer-encoding").as_deref(), Some("chunked"), "{made:?}");
    assert_eq!(made.text(), format!("/made and {}.", page()));
    let coded = both.ask("GET /page.txt", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(coded.field("content-encoding").as_deref(), Some("gzip"), "{coded:?}");
    assert_eq!(coded.body[..2], [0x1f, 0x8b]);
    let plain = both.ask("GET /page.txt", "Accept-Encoding: identity\r\n").await;
    assert_eq!(plain.text(), page());
    // A client of HTTP/1.0 knows no chunks.
    both.through.send("GET /made HTTP/1.0\r\nHost: a.example\r\n\r\n").await;
    let old = both.through.answer().await;
    assert_eq!((old.field("transfer-encoding"), old.text()), (None, made.text()));
}

/// Clients want what was compressed on the fly to be what it was.
#[tokio::test]
async fn what_was_compressed_on_the_way_unpacks() {
    let nginx = Nginx::start("gzip on; gzip_proxied any;");
    nginx.file("page.txt", page());
    let doors = Doors::to(&nginx.url).await;
    for arguments in [
        ["--http1.1", &doors.clear],
        ["--http2-prior-knowledge", &doors.clear],
        ["--http2", &doors.tls],
    ] {
        let [version, url] = arguments;
        let mut curl = command(program("curl"));
        curl.args(["-sS", "--compressed", version, "--cacert", &doors.ca]);
        assert_eq!(said(curl.arg(format!("{url}/page.txt"))), page(), "{version}");
    }
}

#[tokio::test]
async fn connections_to_the_server_are_used_again() {
    let mut both = Both::start("").await;
    for turn in 1..=20 {
        // The client's connection ends each time; nginx's stays.
        let answer = both.janua.get("/page.txt").await;
        assert_eq!(answer.field("x-requests"), Some(turn.to_string()), "{answer:?}");
    }
    let through = both.through.get("/page.txt").await;
    assert_eq!(through.field("x-requests").as_deref(), Some("21"), "{through:?}");
}

/// Fifty megabytes that are not the same twice.
fn large() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = vec![0; 50 << 20];
    random.fill(&mut bytes);
    bytes
}

#[tokio::test]
async fn a_large_file_comes_byte_for_byte() {
    let nginx = Nginx::start("");
    let sent = large();
    nginx.file("large", &sent);
    let doors = Doors::to(&nginx.url).await;
    let got = doors.janua.path("got");
    let got = got.to_str().unwrap();
    for (version, url) in [
        ("--http1.1", &doors.clear),
        ("--http2-prior-knowledge", &doors.clear),
        ("--http2", &doors.tls),
    ] {
        let mut curl = command(program("curl"));
        curl.args(["-sS", version, "--cacert", &doors.ca, "-o", got]);
        said(curl.arg(format!("{url}/large")));
        assert!(std::fs::read(got).unwrap() == sent, "{version}: it is another file");
    }
}

/// nginx takes files by PUT, with `dav_methods`.
#[tokio::test]
async fn a_large_upload_arrives_byte_for_byte() {
    let nginx = Nginx::start("dav_methods PUT; client_max_body_size 64m;");
    let doors = Doors::to(&nginx.url).await;
    let sent = large();
    let file = doors.janua.path("sent");
    std::fs::write(&file, &sent).unwrap();
    for (name, version, url, fields) in [
        ("one", "--http1.1", &doors.clear, ""),
        ("chunks", "--http1.1", &doors.tls, "Transfer-Encoding: chunked"),
        ("two", "--http2", &doors.tls, ""),
    ] {
        let mut curl = command(program("curl"));
        curl.args(["-sS", version, "--cacert", &doors.ca, "-H", fields, "-T"]).arg(&file);
        curl.args(["-w", "%{http_code}"]);
        assert_eq!(said(curl.arg(format!("{url}/{name}"))), "201", "{name}");
        let got = nginx.file_at(name);
        assert!(std::fs::read(got).unwrap() == sent, "{name}: it is another file");
    }
}

#[tokio::test]
async fn what_the_server_finds_too_large_is_its_own_413() {
    let nginx = Nginx::start("dav_methods PUT; client_max_body_size 1m;");
    let doors = Doors::to(&nginx.url).await;
    let file = doors.janua.path("sent");
    std::fs::write(&file, vec![7; 8 << 20]).unwrap();
    for (version, url, expect) in [
        // With the question first, and with all of it at once.
        ("--http1.1", &doors.clear, "Expect: 100-continue"),
        ("--http1.1", &doors.clear, "Expect:"),
        ("--http2", &doors.tls, "Expect:"),
    ] {
        let mut curl = command(program("curl"));
        curl.args(["-sS", version, "--cacert", &doors.ca, "-H", expect, "-T"]).arg(&file);
        // The server may close while the rest is on its way: the answer counts.
        let output = curl.args(["-w", "\n%{http_code}"]).arg(format!("{url}/much")).output();
        let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        assert!(text.ends_with("\n413") && text.contains("nginx"), "{version} {expect}: {text}");
    }
}
