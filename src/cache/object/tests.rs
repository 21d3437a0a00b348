//! What goes into a stored answer comes out of it.

use proptest::prelude::*;

use super::*;

fn object(headers: &HeaderMap, body: Vec<Bytes>) -> Arc<Object> {
    let mut terms = Terms::default();
    terms.lifetime = 60;
    let head = Head {
        status: StatusCode::OK,
        headers,
        terms,
        at: Instant::now(),
        stamp: 1,
        vary: (b"accept\0", b"text/html"),
        tags: Tags::read(headers),
    };
    Arc::new(Object::new(head, body))
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    fields.fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

fn joined(pieces: Pieces) -> Vec<u8> {
    pieces.fold(Vec::new(), |joined, piece| [&joined, &piece[..]].concat())
}

#[test]
fn an_answer_is_what_was_kept() {
    let given = headers(&[
        ("content-type", "text/html"),
        ("etag", "\"1\""),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-of-the-origin", ""),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("surrogate-key", "shop shop/1"),
        ("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT"),
    ]);
    let object = object(&given, vec![Bytes::from_static(b"hello "), Bytes::from_static(b"world")]);
    assert_eq!(object.open().headers(), given);
    let cookies = object.open().headers();
    let cookies: Vec<_> = cookies.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"], "lines of one name stay in order");
    assert_eq!(joined(object.open().body()), b"hello world");
    assert_eq!(object.length(), 11);
    assert_eq!(object.vary(), (&b"accept\0"[..], &b"text/html"[..]));
    assert!(object.has_tag("shop/1") && !object.has_tag("shop/2"));
    assert_eq!(object.field(names::ETAG), Some(&b"\"1\""[..]));
    assert_eq!(object.field(names::DATE), Some(&b"Sun, 06 Nov 1994 08:49:37 GMT"[..]));
    let modified = object.open().value(names::LAST_MODIFIED);
    assert_eq!(modified.as_ref(), given.get("last-modified"));
    assert_eq!(object.field(names::CONTENT_LENGTH), None);
}

#[test]
fn an_answer_of_nothing_is_one_too() {
    let head = Head {
        status: StatusCode::NO_CONTENT,
        headers: &HeaderMap::new(),
        terms: Terms::default(),
        at: Instant::now(),
        stamp: 1,
        vary: (b"", b""),
        tags: Tags::default(),
    };
    let object = Arc::new(Object::new(head, Vec::new()));
    assert!(object.open().headers().is_empty() && object.open().body().next().is_none());
    assert_eq!((object.vary(), object.length()), ((&b""[..], &b""[..]), 0));
    assert!(!object.has_tag(""));
}

#[test]
fn a_large_body_stays_in_its_pieces() {
    let piece = Bytes::from(vec![7; SMALL]);
    let pieces = vec![piece.clone(), Bytes::new(), Bytes::from_static(b"the end")];
    let object = object(&headers(&[("etag", "\"1\"")]), pieces);
    let sent: Vec<_> = object.open().body().collect();
    assert_eq!(sent[0].as_ptr(), piece.as_ptr(), "nothing is copied");
    assert_eq!(sent[1], "the end");
    assert_eq!(object.length(), SMALL as u64 + 7);
    assert_eq!(joined(object.open().part(SMALL as u64 - 1, SMALL as u64 + 3)), b"\x07the");
    assert!(object.weight() > SMALL as u64 + 7);
}

#[test]
fn an_answer_outlives_what_was_kept() {
    let object = object(&headers(&[("etag", "\"1\"")]), vec![Bytes::from_static(b"hello")]);
    let (headers, mut body) = (object.open().headers(), object.open().body());
    drop(object);
    assert_eq!(headers["etag"], "\"1\"");
    assert_eq!(body.next().unwrap(), "hello");
}

#[test]
fn it_knows_how_long_it_has_been_here() {
    let object = object(&HeaderMap::new(), Vec::new());
    let later = Instant::now() + Duration::from_secs(3_600);
    let resident = object.resident(later).as_secs_f64();
    assert!((3_600.0..3_601.0).contains(&resident), "{resident}");
    let before = Instant::now().checked_sub(Duration::from_secs(5)).unwrap();
    assert_eq!(object.resident(before), Duration::ZERO);
}

#[test]
fn an_object_needs_few_bytes_of_its_own() {
    // With two counters beside it, which is the allocator's 96.
    assert!(size_of::<Object>() <= 80, "{}", size_of::<Object>());
}

proptest! {
    #[test]
    fn any_fields_and_any_part_of_any_body(
        fields in prop::collection::vec(
            ("[a-z][a-z0-9-]{0,20}", prop::collection::vec(0x20_u8.., 0..200)), 0..12),
        body in prop::collection::vec((any::<u8>(), 0..40_000_usize), 0..4),
        (from, to) in (0_u64..120_000, 0_u64..120_000),
    ) {
        let mut given = HeaderMap::new();
        for (name, value) in &fields {
            let Ok(value) = HeaderValue::from_bytes(value) else { continue };
            given.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        let body: Vec<_> = body.iter().map(|(byte, length)| vec![*byte; *length]).collect();
        let whole: Vec<u8> = body.concat();
        let object = object(&given, body.into_iter().map(Bytes::from).collect());
        prop_assert_eq!(object.open().headers(), given);
        prop_assert_eq!(joined(object.open().body()), &whole[..]);
        let end = whole.len().min(to as usize);
        let part = whole.get(from as usize..end).unwrap_or_default();
        prop_assert_eq!(joined(object.open().part(from, to)), part);
    }
}
