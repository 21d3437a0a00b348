//! What is kept of answers that are not the whole, and of answers to POST.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::sync::Semaphore;

use crate::support::{Client, Janua, Message, Origin, Setup, until};

const BODY: &str = "0123456789";
const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

/// An origin with ten bytes that gives parts of them, in the way that the path says.
async fn ten_bytes() -> Origin {
    let asked = Arc::new(AtomicUsize::new(0));
    Origin::script(move |mut peer| {
        let asked = asked.clone();
        async move {
            while let Some(request) = peer.request().await {
                let answer = answer(&request, asked.fetch_add(1, Relaxed));
                let head = answer.find("\r\n\r\n").unwrap() + 4;
                let is_head = request.line.starts_with("HEAD");
                peer.send(if is_head { &answer[..head] } else { &*answer }).await;
                if request.target() == "/torn" {
                    return;
                }
            }
        }
    })
    .await
}

fn answer(request: &Message, number: usize) -> String {
    let path = request.target();
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let (tag, more) = match path {
        "/weak" => ("W/\"a\"".to_owned(), ""),
        "/unnamed" | "/dated" => (String::new(), ""),
        "/changes" | "/careless" => (format!("\"{number}\""), ""),
        "/by-language" => ("\"a\"".to_owned(), "Vary: Accept-Language\r\n"),
        "/for-nobody" => ("\"a\"".to_owned(), "Cache-Control: no-store\r\n"),
        _ => ("\"a\"".to_owned(), ""),
    };
    let mut head =
        format!("Date: {date}\r\nCache-Control: max-age=60\r\nX-Number: {number}\r\n{more}");
    if !tag.is_empty() {
        head += &format!("ETag: {tag}\r\n");
    }
    if path == "/dated" {
        head += &format!("Last-Modified: {MODIFIED}\r\n");
    }
    if request.field("if-none-match").is_some_and(|named| named == tag) {
        return format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n");
    }
    let same = match request.field("if-range") {
        Some(named) => path == "/careless" || named == tag || (tag.is_empty() && named == MODIFIED),
        None => true,
    };
    let range = request.field("range").filter(|_| same && path != "/ignores");
    let Some(range) = range else {
        return format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 10\r\n\r\n{BODY}");
    };
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first, last),
        (Ok(first), Err(_)) => (first, 9),
        (Err(_), Ok(suffix)) => (10 - suffix, 9),
        (Err(_), Err(_)) => unreachable!(),
    };
    let part = &BODY[first..=last];
    let (length, head) = (part.len(), format!("HTTP/1.1 206 Partial Content\r\n{head}"));
    match path {
        "/lies" => format!("{head}Content-Range: bytes 4-9/10\r\nContent-Length: 5\r\n\r\n01234"),
        "/lies-at-the-end" => format!(
            "{head}Content-Range: bytes 4-9/10\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n"
        ),
        "/endless" => format!(
            "{head}Content-Range: bytes {first}-{last}/*\r\nContent-Length: {length}\r\n\r\n{part}"
        ),
        "/torn" => format!(
            "{head}Content-Range: bytes {first}-{last}/10\r\nContent-Length: {length}\r\n\r\n{}",
            &part[1..]
        ),
        "/short" if first > 0 => format!(
            "{head}Content-Range: bytes {first}-{last}/10\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\n{}\r\n0\r\n\r\n",
            &part[..2]
        ),
        _ => format!(
            "{head}Content-Range: bytes {first}-{last}/10\r\nContent-Length: {length}\r\n\r\n{part}"
        ),
    }
}

/// A gateway that keeps what this origin says, and says what became of requests.
async fn keeping(origin: &Origin, keys: &str) -> Janua {
    let url = &origin.url;
    Setup::new(format!("[[route]]\nto = \"{url}\"\ncache = {{ cache-status = true, {keys} }}\n"))
        .start()
        .await
}

/// Sends a request, and waits until what came of it is kept, if it is.
async fn ask(janua: &Janua, client: &mut Client, line: &str, fields: &str) -> Message {
    let fields = fields.split("; ").filter(|field| !field.is_empty());
    let fields: String = fields.map(|field| format!("{field}\r\n")).collect();
    let answer = client.request(line, &fields).await;
    until("all is kept", || janua.counted("janua_cache_filling_bytes") == 0).await;
    answer
}

/// What an origin was asked since, in short.
fn asked(origin: &Origin, since: usize) -> String {
    let requests = origin.requests();
    let asked = requests.iter().skip(since).map(|request| {
        let field = |name: &str, sign: &str| {
            request.field(name).map(|value| format!(" {sign} {value}")).unwrap_or_default()
        };
        let range = request.field("range").unwrap_or_else(|| "all".into());
        range + &field("if-range", "if") + &field("if-none-match", "unless")
    });
    asked.collect::<Vec<_>>().join(", ")
}

/// A status, the place of a part, and the body.
fn shown(answer: &Message) -> String {
    let range = answer.field("content-range").map(|range| format!(" [{range}]"));
    let whole = if answer.complete { "" } else { " ..." };
    format!("{}{} {}{whole}", answer.status(), range.unwrap_or_default(), answer.text())
}

const ALL: &str = "200 0123456789";

/// (what a user notices, the path, [fields of the request, the answer, what the origin was asked for it])
const CASES: &[(&str, &str, &[(&str, &str, &str)])] = &[
    (
        "a part of a part is given, what is missing is fetched, and at last there is the whole",
        "/a",
        &[
            ("Range: bytes=2-6", "206 [bytes 2-6/10] 23456", "bytes=2-6"),
            ("Range: bytes=2-6", "206 [bytes 2-6/10] 23456", ""),
            ("Range: bytes=3-5", "206 [bytes 3-5/10] 345", ""),
            ("Range: bytes=6-", "206 [bytes 6-9/10] 6789", "bytes=7- if \"a\""),
            ("Range: bytes=-4", "206 [bytes 6-9/10] 6789", ""),
            ("Range: bytes=2-", "206 [bytes 2-9/10] 23456789", ""),
            ("", ALL, "bytes=0-1 if \"a\""),
            ("", ALL, ""),
            ("Range: bytes=0-0", "206 [bytes 0-0/10] 0", ""),
        ],
    ),
    (
        "parts far from each other stay, and what is between them is fetched once",
        "/a",
        &[
            ("Range: bytes=0-1", "206 [bytes 0-1/10] 01", "bytes=0-1"),
            ("Range: bytes=8-9", "206 [bytes 8-9/10] 89", "bytes=8- if \"a\""),
            ("Range: bytes=4-5", "206 [bytes 4-5/10] 45", "bytes=4-5 if \"a\""),
            ("Range: bytes=0-1", "206 [bytes 0-1/10] 01", ""),
            ("Range: bytes=9-", "206 [bytes 9-9/10] 9", ""),
            ("Range: bytes=1-8", "206 [bytes 1-8/10] 12345678", "bytes=2-7 if \"a\""),
            ("", ALL, ""),
        ],
    ),
    (
        "the whole is completed from its beginning",
        "/a",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("", ALL, "bytes=5- if \"a\""),
            ("", ALL, ""),
        ],
    ),
    (
        "a date that is old enough names a version, too",
        "/dated",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("", ALL, "bytes=5- if Sun, 09 Sep 2001 01:46:40 GMT"),
            ("", ALL, ""),
        ],
    ),
    (
        "a weak tag joins nothing",
        "/weak",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=1-2", "206 [bytes 1-2/10] 12", ""),
            ("Range: bytes=3-6", "206 [bytes 3-6/10] 3456", "bytes=3-6"),
            ("Range: bytes=4-6", "206 [bytes 4-6/10] 456", ""),
            ("Range: bytes=1-2", "206 [bytes 1-2/10] 12", "bytes=1-2"),
            ("", ALL, "all"),
            ("Range: bytes=1-2", "206 [bytes 1-2/10] 12", ""),
        ],
    ),
    (
        "nor does what has no name",
        "/unnamed",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=1-2", "206 [bytes 1-2/10] 12", ""),
            ("", ALL, "all"),
        ],
    ),
    (
        "what has changed is fetched as a whole",
        "/changes",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("", ALL, "bytes=5- if \"0\""),
            ("", ALL, ""),
        ],
    ),
    (
        "and for a part a part of that is given",
        "/changes",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=4-5", "206 [bytes 4-5/10] 45", "bytes=5-5 if \"0\""),
            ("", ALL, ""),
        ],
    ),
    (
        "parts of two versions are never one, though the origin gives them so",
        "/careless",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("", ALL, "bytes=5- if \"0\", all"),
            ("Range: bytes=0-1", "206 [bytes 0-1/10] 01", "bytes=0-1"),
            ("Range: bytes=1-2", "206 [bytes 1-2/10] 12", "bytes=2-2 if \"3\", bytes=1-2"),
            ("Range: bytes=2-2", "206 [bytes 2-2/10] 2", ""),
        ],
    ),
    (
        "a part that is not as long as it says is not kept",
        "/lies",
        &[
            ("Range: bytes=-5", "206 [bytes 4-9/10] 01234", "bytes=-5"),
            ("Range: bytes=-5", "206 [bytes 4-9/10] 01234", "bytes=-5"),
        ],
    ),
    (
        "nor is it if that comes out at its end",
        "/lies-at-the-end",
        &[
            ("Range: bytes=-5", "206 [bytes 4-9/10] 01234", "bytes=-5"),
            ("Range: bytes=5-6", "206 [bytes 4-9/10] 01234", "bytes=5-6"),
        ],
    ),
    (
        "what is missing comes short: the client is told, and what is there stays",
        "/short",
        &[
            ("Range: bytes=0-3", "206 [bytes 0-3/10] 0123", "bytes=0-3"),
            ("", "200 012345 ...", "bytes=4- if \"a\""),
            ("Range: bytes=4-5", "206 [bytes 4-5/10] 45", "bytes=4-5 if \"a\""),
            ("Range: bytes=0-5", "206 [bytes 0-5/10] 012345", ""),
        ],
    ),
    (
        "a part of what still grows is not kept",
        "/endless",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/*] 01234", "bytes=0-4"),
            ("Range: bytes=0-4", "206 [bytes 0-4/*] 01234", "bytes=0-4"),
        ],
    ),
    (
        "nor is one that is not to be stored",
        "/for-nobody",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
        ],
    ),
    (
        "an origin without parts gives the whole, of which parts are given",
        "/ignores",
        &[
            ("Range: bytes=0-4", ALL, "bytes=0-4"),
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", ""),
        ],
    ),
    (
        "who has parts of this version gets more of it, who has another's gets the whole",
        "/a",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=1-2; If-Range: \"a\"", "206 [bytes 1-2/10] 12", ""),
            ("Range: bytes=1-2; If-Range: \"b\"", ALL, "bytes=5- if \"a\""),
        ],
    ),
    (
        "who has it all is told so, and who asks for what is behind its end",
        "/a",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("If-None-Match: \"a\"", "304 ", ""),
            ("Range: bytes=10-", "416 [bytes */10] ", ""),
        ],
    ),
    (
        "a part is validated as a whole is",
        "/a",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            (
                "Range: bytes=1-2; Cache-Control: no-cache",
                "206 [bytes 1-2/10] 12",
                "bytes=1-2 unless \"a\"",
            ),
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", ""),
        ],
    ),
    (
        "and replaced by what its origin has now",
        "/changes",
        &[
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            (
                "Range: bytes=1-2; Cache-Control: no-cache",
                "206 [bytes 1-2/10] 12",
                "bytes=1-2 unless \"0\"",
            ),
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
        ],
    ),
    (
        "parts vary as wholes do",
        "/by-language",
        &[
            ("Accept-Language: de; Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Accept-Language: en; Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Accept-Language: de; Range: bytes=1-2", "206 [bytes 1-2/10] 12", ""),
            ("Accept-Language: en", ALL, "bytes=5- if \"a\""),
            (
                "Accept-Language: de; Range: bytes=0-5",
                "206 [bytes 0-5/10] 012345",
                "bytes=5-5 if \"a\"",
            ),
        ],
    ),
    (
        "a request that stores nothing stores nothing",
        "/a",
        &[
            ("Range: bytes=0-4; Cache-Control: no-store", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
            ("Range: bytes=0-4", "206 [bytes 0-4/10] 01234", "bytes=0-4"),
        ],
    ),
];

#[tokio::test]
async fn parts_are_kept_joined_and_completed() {
    for (what, path, steps) in CASES {
        let origin = ten_bytes().await;
        let janua = keeping(&origin, "").await;
        for (number, (fields, answered, asks)) in steps.iter().enumerate() {
            let mut client = janua.client().await;
            let before = origin.requests().len();
            let answer = ask(&janua, &mut client, &format!("GET {path}"), fields).await;
            let found = (shown(&answer), asked(&origin, before));
            let status = answer.field("cache-status");
            let expected = ((*answered).to_owned(), (*asks).to_owned());
            assert_eq!(found, expected, "{what}: step {number}: {fields}: {status:?}");
        }
    }
}

#[tokio::test]
async fn a_part_that_breaks_off_is_not_kept() {
    let origin = ten_bytes().await;
    let janua = keeping(&origin, "").await;
    for asked in 1..3 {
        let mut client = janua.client().await;
        let answer = ask(&janua, &mut client, "GET /torn", "Range: bytes=0-4").await;
        assert!(!answer.complete, "{answer:?}");
        assert_eq!(origin.requests().len(), asked);
    }
    assert_eq!(janua.counted("janua_cache_objects"), 0);
}

#[tokio::test]
async fn several_parts_that_are_there_are_given_together() {
    let origin = ten_bytes().await;
    let janua = keeping(&origin, "").await;
    let mut client = janua.client().await;
    for range in ["Range: bytes=0-1", "Range: bytes=7-9"] {
        ask(&janua, &mut client, "GET /a", range).await;
    }
    let answer = ask(&janua, &mut client, "GET /a", "Range: bytes=8-8,0-1").await;
    assert_eq!(origin.requests().len(), 2, "{answer:?}");
    let (kind, text) = (answer.field("content-type").unwrap(), answer.text());
    assert!(answer.status() == 206 && kind.starts_with("multipart/byteranges"), "{answer:?}");
    for part in ["bytes 8-8/10\r\n\r\n8\r\n", "bytes 0-1/10\r\n\r\n01\r\n"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(answer.field("content-range"), None);
    // One of them is not there.
    ask(&janua, &mut client, "GET /a", "Range: bytes=8-8,2-3").await;
    assert_eq!(origin.requests().len(), 3);
}

#[tokio::test]
async fn an_answer_says_that_a_part_of_it_was_there() {
    let origin = ten_bytes().await;
    let janua = keeping(&origin, "").await;
    let mut client = janua.client().await;
    for (line, fields, status) in [
        ("GET /a", "Range: bytes=0-4", "fwd=uri-miss; fwd-status=206; stored"),
        ("GET /a", "Range: bytes=0-4", "; hit"),
        ("HEAD /a", "", "fwd=partial; fwd-status=200"),
        ("GET /a", "", "fwd=partial; fwd-status=206; stored"),
        ("HEAD /a", "", "; hit"),
        ("GET /lies", "Range: bytes=-5", "fwd=uri-miss; fwd-status=206; detail=partial"),
    ] {
        let answer = ask(&janua, &mut client, line, fields).await;
        let said = answer.field("cache-status").unwrap();
        // Seconds may have gone by.
        let said = said.split("; ttl=").next().unwrap();
        assert!(said.ends_with(status), "{line} {fields}: {said}, not {status}");
    }
}

#[tokio::test]
async fn what_changes_a_url_makes_its_parts_void() {
    let origin = ten_bytes().await;
    let janua = keeping(&origin, "").await;
    let mut client = janua.client().await;
    for (line, fields, times) in [
        ("GET /a", "Range: bytes=0-4", 1),
        ("GET /a", "Range: bytes=0-4", 1),
        ("DELETE /a", "", 2),
        ("GET /a", "Range: bytes=0-4", 3),
        // It has the same tag as what is void, and is not joined to it.
        ("DELETE /a", "", 4),
        ("GET /a", "Range: bytes=5-9", 5),
        ("GET /a", "Range: bytes=0-4", 6),
    ] {
        ask(&janua, &mut client, line, fields).await;
        assert_eq!(origin.requests().len(), times, "{line} {fields}");
    }
}

/// An origin that answers POST with these lines and the body `posted`, GET and all else with `got`.
async fn posted(status: &str, fields: &str) -> Origin {
    let answer = format!("HTTP/1.1 {status}\r\n{fields}\r\nContent-Length: 6\r\n\r\nposted");
    Origin::script(move |mut peer| {
        let answer = answer.clone();
        async move {
            while let Some(request) = peer.request().await {
                let got =
                    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\ngot";
                let post = request.line.starts_with("POST");
                peer.send(if post { &*answer } else { got }).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_a_post_brings_is_kept_for_get_if_it_says_so() {
    const HERE: &str = "Cache-Control: max-age=60\r\nContent-Location: /a?b";
    let cases = [
        ("it names its own URL", "200 OK", HERE, "", "posted"),
        (
            "by all of it",
            "200 OK",
            "Cache-Control: max-age=60\r\nContent-Location: http://A.example/a?b",
            "",
            "posted",
        ),
        ("another", "200 OK", "Cache-Control: max-age=60\r\nContent-Location: /a", "", "got"),
        (
            "that of another host",
            "200 OK",
            "Cache-Control: max-age=60\r\nContent-Location: http://b.example/a?b",
            "",
            "got",
        ),
        ("none", "200 OK", "Cache-Control: max-age=60", "", "got"),
        (
            "it does not say how long",
            "200 OK",
            "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nContent-Location: /a?b",
            "",
            "got",
        ),
        (
            "it is not to be stored",
            "200 OK",
            "Cache-Control: no-store, max-age=60\r\nContent-Location: /a?b",
            "",
            "got",
        ),
        (
            "it is for one",
            "200 OK",
            "Cache-Control: private, max-age=60\r\nContent-Location: /a?b",
            "",
            "got",
        ),
        ("it made something else", "201 Created", HERE, "", "got"),
        ("it is an error", "404 Not Found", HERE, "", "got"),
        ("who posts is known", "200 OK", HERE, "Authorization: Basic YTpi; ", "got"),
        ("who posts wants nothing stored", "200 OK", HERE, "Cache-Control: no-store; ", "got"),
    ];
    for (what, status, fields, asks, got) in cases {
        let origin = posted(status, fields).await;
        let janua = keeping(&origin, "").await;
        let mut client = janua.client().await;
        let fields = format!("{asks}Content-Length: 0");
        let answer = ask(&janua, &mut client, "POST /a?b", &fields).await;
        assert_eq!(answer.text(), "posted", "{what}");
        let answer = ask(&janua, &mut client, "GET /a?b", "").await;
        assert_eq!(answer.text(), got, "{what}: {:?}", answer.field("cache-status"));
        let times = if got == "posted" { 1 } else { 2 };
        assert_eq!(origin.requests().len(), times, "{what}");
    }
}

#[tokio::test]
async fn what_a_post_brings_replaces_what_was_there_for_those_it_is_for() {
    const HERE: &str = "Cache-Control: max-age=60\r\nContent-Location: /a";
    let origin = posted("200 OK", HERE).await;
    let janua = keeping(&origin, "key = \"header:x-who\"").await;
    let mut client = janua.client().await;
    for (line, fields, text, times) in [
        ("GET /a", "X-Who: one", "got", 1),
        ("GET /a", "X-Who: two", "got", 2),
        ("POST /a", "X-Who: one; Content-Length: 0", "posted", 3),
        ("GET /a", "X-Who: one", "posted", 3),
        ("GET /a", "X-Who: two", "got", 4),
        // It is never answered by what is kept itself.
        ("POST /a", "X-Who: one; Content-Length: 0", "posted", 5),
        ("DELETE /a", "X-Who: two", "got", 6),
        ("GET /a", "X-Who: one", "got", 7),
    ] {
        let answer = ask(&janua, &mut client, line, fields).await;
        assert_eq!(
            (answer.text().as_str(), origin.requests().len()),
            (text, times),
            "{line} {fields}"
        );
    }
}

#[tokio::test]
async fn what_a_post_brings_is_not_kept_if_its_url_was_changed_meanwhile() {
    let may = Arc::new(Semaphore::new(0));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            while let Some(request) = peer.request().await {
                if request.line.starts_with("POST") {
                    may.acquire().await.unwrap().forget();
                }
                let fields = "Cache-Control: max-age=60\r\nContent-Location: /a";
                let text = request.line.split(' ').next().unwrap().to_owned();
                let length = text.len();
                let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: {length}");
                peer.send(format!("{head}\r\n\r\n{text}")).await;
            }
        }
    })
    .await;
    let janua = keeping(&origin, "").await;
    let (mut one, mut two) = (janua.client().await, janua.client().await);
    for (changed, got) in [(true, "GET"), (false, "POST")] {
        let before = origin.requests().len();
        one.send("POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
        until("it is there", || origin.requests().len() > before).await;
        if changed {
            ask(&janua, &mut two, "PUT /a", "Content-Length: 0").await;
        }
        may.add_permits(1);
        assert_eq!(one.answer().await.text(), "POST");
        until("all is kept", || janua.counted("janua_cache_filling_bytes") == 0).await;
        assert_eq!(ask(&janua, &mut two, "GET /a", "").await.text(), got, "{changed}");
    }
}

#[tokio::test]
async fn what_a_post_brings_is_not_kept_where_urls_are_others_than_the_origins() {
    let origin = posted("200 OK", "Cache-Control: max-age=60\r\nContent-Location: /x/a").await;
    let url = &origin.url;
    let route =
        format!("[[route]]\npath = \"/x/{{rest*}}\"\nto = \"{url}\"\ncache = true\nREWRITE\n");
    for (rewrite, got) in [("", "posted"), ("strip-prefix = \"/x\"", "got")] {
        let janua = Setup::new(route.replace("REWRITE", rewrite)).start().await;
        let mut client = janua.client().await;
        ask(&janua, &mut client, "POST /x/a", "Content-Length: 0").await;
        assert_eq!(ask(&janua, &mut client, "GET /x/a", "").await.text(), got, "{rewrite}");
    }
}

#[tokio::test]
async fn large_parts_are_joined_within_bounds() {
    // A quarter of a mebibyte of each letter.
    const PIECE: usize = 256 << 10;
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let range = request.field("range").unwrap_or_else(|| "bytes=0-".into());
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let first = first.parse().unwrap_or(0);
            let last = last.parse().unwrap_or(4 * PIECE - 1);
            let body: Vec<u8> = (first..=last).map(|at| b'a' + (at / PIECE) as u8).collect();
            let (length, total) = (body.len(), 4 * PIECE);
            let head = "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nETag: \"a\"";
            let range = format!("Content-Range: bytes {first}-{last}/{total}");
            peer.send(format!("{head}\r\n{range}\r\nContent-Length: {length}\r\n\r\n")).await;
            peer.send(body).await;
        }
    })
    .await;
    let url = &origin.url;
    for (most, whole) in [("1MiB", true), ("600KiB", false)] {
        let setup = format!(
            "[cache]\nsize = \"16MiB\"\nmax-object = \"{most}\"\n[[route]]\nto = \"{url}\"\ncache = true\n"
        );
        let janua = Setup::new(setup).start().await;
        let mut client = janua.client().await;
        let mut range = async |first: usize, last: usize| {
            let before = origin.requests().len();
            let fields = format!("Range: bytes={first}-{}", last - 1);
            let answer = ask(&janua, &mut client, "GET /", &fields).await;
            assert_eq!(answer.status(), 206);
            let expected: Vec<u8> = (first..last).map(|at| b'a' + (at / PIECE) as u8).collect();
            assert!(answer.body == expected, "{first}-{last} of {most}");
            origin.requests().len() - before
        };
        assert_eq!(range(0, PIECE).await, 1);
        assert_eq!(range(2 * PIECE, 3 * PIECE).await, 1);
        assert_eq!(range(10, PIECE).await, 0, "{most}");
        assert_eq!(range(PIECE, 3 * PIECE).await, 1, "{most}");
        // What would be more than an answer may have is what came last.
        assert_eq!(range(10, 3 * PIECE - 10).await, usize::from(!whole), "{most}");
        assert_eq!(range(PIECE + 10, 2 * PIECE + 10).await, 0, "{most}");
        assert!(janua.counted("janua_cache_bytes") < (5 << 18), "{most}");
    }
}
