//! Where the connection stands, what waits for an upgrade, and what HTTP/2 looks like.

use super::{Phase, WIDE};
use crate::server::guard::{Guard, Preface, h2_preface};

const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const WEBSOCKET: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Feeds bytes that must all pass; where the connection stands then.
fn stands(guard: &mut Guard, bytes: &[u8]) -> (Phase, u64, u64) {
    assert_eq!(guard.inspect(bytes, &WIDE), Ok(bytes.len()));
    (guard.phase(), guard.heads(), guard.messages())
}

#[test]
fn phases_follow_the_bytes() {
    let mut guard = Guard::new();
    assert_eq!(guard.phase(), Phase::Idle);
    let steps: [(&[u8], Phase, u64, u64); 14] = [
        (b"\r\n", Phase::Idle, 0, 0),
        (b"G", Phase::Head, 0, 0),
        (b"ET / HTTP/1.1\r\n", Phase::Head, 0, 0),
        (b"Host: a\r\n\r", Phase::Head, 0, 0),
        (b"\n", Phase::Idle, 1, 1),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", Phase::Body, 2, 1),
        (b"ab", Phase::Body, 2, 1),
        (b"c", Phase::Idle, 2, 2),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Phase::Body, 3, 2),
        (b"3\r\nab", Phase::Body, 3, 2),
        (b"c\r\n0\r\n", Phase::Body, 3, 2),
        (b"X: y\r\n", Phase::Body, 3, 2),
        (b"\r\n", Phase::Idle, 3, 3),
        (b"\r\nGET", Phase::Head, 3, 3),
    ];
    for (bytes, phase, heads, messages) in steps {
        assert_eq!(stands(&mut guard, bytes), (phase, heads, messages), "{bytes:?}");
    }
}

#[test]
fn nothing_behind_an_upgrade_goes_on_until_it_is_decided() {
    let bytes = [PLAIN, WEBSOCKET, b"\x81\x05hello"].concat();
    let held = PLAIN.len() + WEBSOCKET.len();

    let mut guard = Guard::new();
    assert_eq!(guard.inspect(&bytes, &WIDE), Ok(held));
    assert_eq!((guard.phase(), guard.heads(), guard.messages()), (Phase::Upgrade, 2, 2));
    assert_eq!(guard.inspect(&bytes[held..], &WIDE), Ok(0));
    guard.tunnel();
    assert_eq!(stands(&mut guard, &bytes[held..]).0, Phase::Tunnel);
    assert_eq!(stands(&mut guard, b"\0\n\n\0").0, Phase::Tunnel);

    let mut guard = Guard::new();
    assert_eq!(guard.inspect(&bytes, &WIDE), Ok(held));
    guard.resume();
    assert_eq!(guard.phase(), Phase::Idle);
    assert!(guard.inspect(&bytes[held..], &WIDE).is_err(), "it is no request");
}

#[test]
fn an_upgrade_with_a_body_waits_behind_the_body() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n";
    let mut guard = Guard::new();
    assert_eq!(stands(&mut guard, head).0, Phase::Body);
    assert_eq!(guard.inspect(b"okGET", &WIDE), Ok(2));
    assert_eq!(guard.phase(), Phase::Upgrade);

    // Decided before the body has come to its end.
    let mut guard = Guard::new();
    stands(&mut guard, head);
    guard.resume();
    assert_eq!(stands(&mut guard, b"okGET").0, Phase::Head);
    let mut guard = Guard::new();
    stands(&mut guard, head);
    guard.tunnel();
    assert_eq!(stands(&mut guard, b"o").0, Phase::Body);
    assert_eq!(stands(&mut guard, b"k\0\0").0, Phase::Tunnel);
}

#[test]
fn a_tunnel_that_nobody_asked_for_is_none() {
    let mut guard = Guard::new();
    guard.tunnel();
    assert_eq!(guard.phase(), Phase::Idle);
    stands(&mut guard, PLAIN);
    guard.tunnel();
    assert!(guard.inspect(b"\0", &WIDE).is_err());
    guard.tunnel();
    guard.resume();
    assert_eq!(guard.phase(), Phase::Refused);
}

#[test]
fn only_a_real_upgrade_waits() {
    let waits = [
        "Connection: upgrade\r\nUpgrade: websocket",
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: UPGRADE",
        "Connection: close , \tupgrade\t,x\r\nUpgrade: h2c, websocket",
        "Connection: ,,upgrade,\r\nUpgrade: h2c2",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: h2",
    ];
    let passes = [
        "Connection: upgrade",
        "Upgrade: websocket",
        "Connection: upgrade\r\nUpgrade:",
        "Connection: upgrade\r\nUpgrade: ,  ,",
        "Connection: upgrade, http2-settings\r\nUpgrade: H2C",
        "Connection: upgrade\r\nUpgrade: h2c, ,h2c",
        "Connection: upgrades\r\nUpgrade: websocket",
        "Connection: up grade, upgrad\r\nUpgrade: websocket",
        "Connection: xupgrade, upgrade x\r\nUpgrade: websocket",
        "X-Connection: upgrade\r\nUpgrade: websocket",
    ];
    for (phase, fields) in waits
        .map(|fields| (Phase::Upgrade, fields))
        .into_iter()
        .chain(passes.map(|fields| (Phase::Idle, fields)))
    {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        assert_eq!(stands(&mut Guard::new(), head.as_bytes()).0, phase, "{fields}");
        let mut guard = Guard::new();
        for byte in head.as_bytes().chunks(1) {
            stands(&mut guard, byte);
        }
        assert_eq!(guard.phase(), phase, "{fields}, byte by byte");
    }
    let old = b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(stands(&mut Guard::new(), old).0, Phase::Idle);
}

#[test]
fn a_head_keeps_the_bounds_that_it_began_with() {
    let mut guard = Guard::new();
    stands(&mut guard, b"GET / HTTP/1.1\r\n");
    let none =
        crate::snapshot::HeadLimits { max_header_size: 0, max_headers: 0, max_request_line: 0 };
    assert_eq!(guard.inspect(b"Host: a\r\n\r\n", &none), Ok(11));
    assert!(guard.inspect(b"G", &none).is_err());
}

#[test]
fn the_preface_of_http2_is_told_from_everything_else() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for length in 0..preface.len() {
        assert_eq!(h2_preface(&preface[..length]), Preface::Maybe);
        let other = [&preface[..length], b"~"].concat();
        assert_eq!(h2_preface(&other), Preface::No);
    }
    assert_eq!(h2_preface(preface), Preface::Yes);
    assert_eq!(h2_preface(&[&preface[..], b"\0\0"].concat()), Preface::Yes);
    assert_eq!(h2_preface(PLAIN), Preface::No);
}
