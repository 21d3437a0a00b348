//! The PROXY protocol, versions 1 and 2: what a proxy in front says of the client before the client's
//! own bytes, and what we say of it to an origin.
//!
//! In: the first bytes of a connection, as far as they have come. Out: whether more have to come, or
//! how many they are and whose connection it is. Everything is bounded, and what is not exactly the
//! protocol is an error: these bytes decide who somebody is. What version 2 may carry beside the
//! addresses (TLVs) is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, with its line end.
const LONGEST_V1: usize = 107;

/// The longest header of version 2 that is taken, without its first 16 bytes. Addresses are 216 at
/// most; the rest is there for certificates and other facts that some send along.
const LONGEST_V2: usize = 4096;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// How far a header has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyHeader {
    /// All bytes belong to it, and more have to come.
    Partial,
    /// It ends after so many bytes.
    Whole(usize, Speaker),
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaker {
    /// A client's, who is at this address.
    Client(SocketAddr),
    /// The proxy's own, or one of whom it knows no address.
    Proxy,
}

/// The bytes are no header, or one that is too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoProxyHeader;

impl ProxyHeader {
    /// Reads the first bytes of a connection.
    ///
    /// # Errors
    /// They are no header, whatever comes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoProxyHeader> {
        let begins = |with: &[u8]| {
            let common = with.len().min(bytes.len());
            bytes[..common] == with[..common]
        };
        match bytes {
            _ if begins(V1) => version1(bytes),
            _ if begins(V2) => version2(bytes),
            _ => Err(NoProxyHeader),
        }
    }
}

fn version1(bytes: &[u8]) -> Result<ProxyHeader, NoProxyHeader> {
    let line = &bytes[..bytes.len().min(LONGEST_V1)];
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST_V1 {
            Ok(ProxyHeader::Partial)
        } else {
            Err(NoProxyHeader)
        };
    };
    let line = line[..end].strip_suffix(b"\r").ok_or(NoProxyHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| NoProxyHeader)?;
    let speaker = addresses(line).ok_or(NoProxyHeader)?;
    Ok(ProxyHeader::Whole(end + 1, speaker))
}

/// What the line of version 1 says.
fn addresses(line: &str) -> Option<Speaker> {
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let kind = words.next()?;
    if kind == "UNKNOWN" {
        // Whatever is behind it is to be ignored.
        return Some(Speaker::Proxy);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let source: IpAddr = match kind {
        "TCP4" => {
            destination.parse::<Ipv4Addr>().and_then(|_| source.parse::<Ipv4Addr>()).ok()?.into()
        }
        "TCP6" => {
            destination.parse::<Ipv6Addr>().and_then(|_| source.parse::<Ipv6Addr>()).ok()?.into()
        }
        _ => return None,
    };
    Some(Speaker::Client(SocketAddr::new(source, port)))
}

/// A port, as it is written without a sign or zeros in front.
fn port(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn version2(bytes: &[u8]) -> Result<ProxyHeader, NoProxyHeader> {
    let Some((first, rest)) = bytes.split_first_chunk::<16>() else {
        return Ok(ProxyHeader::Partial);
    };
    let [command, family, high, low] = [first[12], first[13], first[14], first[15]];
    let length = usize::from(u16::from_be_bytes([high, low]));
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(NoProxyHeader),
    };
    if length > LONGEST_V2 || family >> 4 > 3 || family & 0xf > 2 {
        return Err(NoProxyHeader);
    }
    let Some(body) = rest.get(..length) else { return Ok(ProxyHeader::Partial) };
    let speaker = match family {
        _ if local => Speaker::Proxy,
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] =
                *body.first_chunk::<12>().ok_or(NoProxyHeader)?;
            client(Ipv4Addr::new(a, b, c, d), [high, low])
        }
        0x21 => {
            let body = body.first_chunk::<36>().ok_or(NoProxyHeader)?;
            let address = body.first_chunk::<16>().ok_or(NoProxyHeader)?;
            client(Ipv6Addr::from(*address), [body[32], body[33]])
        }
        // A socket without an address, or a protocol that this is not.
        _ => Speaker::Proxy,
    };
    Ok(ProxyHeader::Whole(16 + length, speaker))
}

fn client(address: impl Into<IpAddr>, port: [u8; 2]) -> Speaker {
    Speaker::Client(SocketAddr::new(address.into(), u16::from_be_bytes(port)))
}

/// The header of version 2 for a connection from `source` to `destination`; one that names nobody if
/// either is not known.
pub fn write_proxy_header(source: Option<SocketAddr>, destination: Option<SocketAddr>) -> Vec<u8> {
    let mut header = [V2, &[0x21]].concat();
    let Some((source, destination)) = source.zip(destination) else {
        header.extend_from_slice(&[0, 0, 0]);
        return header;
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&[0x11, 0, 12]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        (from, to) => {
            header.extend_from_slice(&[0x21, 0, 36]);
            header.extend_from_slice(&six(from).octets());
            header.extend_from_slice(&six(to).octets());
        }
    }
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&destination.port().to_be_bytes());
    header
}

/// There is one family for both addresses.
const fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2, &[command, family], &length, body].concat()
    }

    fn client(address: &str) -> Result<Speaker, NoProxyHeader> {
        Ok(Speaker::Client(address.parse().unwrap()))
    }

    #[test]
    fn headers_say_whose_connection_it_is() {
        let four = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let mut six = [0; 36];
        (six[0], six[15], six[32], six[33]) = (0x20, 7, 0, 99);
        let long = [&four[..], &[0; LONGEST_V2 - 12]].concat();
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n".to_vec(), client("192.0.2.1:4660")),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 0 65535\r\n".to_vec(), client("192.0.2.1:0")),
            (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n".to_vec(), client("[2001:db8::7]:1")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n".to_vec(), client("[::ffff:192.0.2.1]:1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Ok(Speaker::Proxy)),
            (b"PROXY UNKNOWN whatever it is\r\n".to_vec(), Ok(Speaker::Proxy)),
            (v2(0x21, 0x11, &four), client("192.0.2.1:4660")),
            (v2(0x21, 0x21, &six), client("[2000::7]:99")),
            (v2(0x21, 0x11, &[&four[..], &[3, 0, 1, 7]].concat()), client("192.0.2.1:4660")),
            (v2(0x21, 0x11, &long), client("192.0.2.1:4660")),
            (v2(0x20, 0x11, &four), Ok(Speaker::Proxy)),
            (v2(0x20, 0, &[]), Ok(Speaker::Proxy)),
            (v2(0x21, 0x31, &[b'/'; 216]), Ok(Speaker::Proxy)),
            (v2(0x21, 0x12, &four), Ok(Speaker::Proxy)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4660\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 70000\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY \r\n".to_vec(), Err(NoProxyHeader)),
            (b"PROXY TCP4 \xff 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), Err(NoProxyHeader)),
            (b"GET / HTTP/1.1\r\n".to_vec(), Err(NoProxyHeader)),
            (b"\x16\x03\x01".to_vec(), Err(NoProxyHeader)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), Err(NoProxyHeader)),
            (v2(0x11, 0x11, &four), Err(NoProxyHeader)),
            (v2(0x22, 0x11, &four), Err(NoProxyHeader)),
            (v2(0x21, 0x41, &four), Err(NoProxyHeader)),
            (v2(0x21, 0x13, &four), Err(NoProxyHeader)),
            (v2(0x21, 0x11, &four[..11]), Err(NoProxyHeader)),
            (v2(0x21, 0x21, &six[..35]), Err(NoProxyHeader)),
            (v2(0x21, 0x11, &[0; LONGEST_V2 + 1]), Err(NoProxyHeader)),
        ] {
            let whole = expected.map(|speaker| ProxyHeader::Whole(bytes.len(), speaker));
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            assert_eq!(ProxyHeader::parse(&bytes), whole, "{shown:?}");
            let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(ProxyHeader::parse(&more), whole, "{shown:?} with what follows");
            if whole.is_ok() {
                for end in 0..bytes.len() {
                    let part = ProxyHeader::parse(&bytes[..end]);
                    assert_eq!(part, Ok(ProxyHeader::Partial), "{shown:?} cut after {end}");
                }
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let line = [V1, b"UNKNOWN ", &[b'x'; 200]].concat();
        assert_eq!(ProxyHeader::parse(&line[..LONGEST_V1 - 1]), Ok(ProxyHeader::Partial));
        assert_eq!(ProxyHeader::parse(&line[..LONGEST_V1]), Err(NoProxyHeader));
        let late = [&line[..LONGEST_V1 - 1], b"\r\n"].concat();
        assert_eq!(ProxyHeader::parse(&late), Err(NoProxyHeader));
        let last = [&line[..LONGEST_V1 - 2], b"\r\n"].concat();
        assert_eq!(ProxyHeader::parse(&last), Ok(ProxyHeader::Whole(LONGEST_V1, Speaker::Proxy)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(source: SocketAddr, destination: SocketAddr, rest: Vec<u8>) {
            let mut bytes = write_proxy_header(Some(source), Some(destination));
            let length = bytes.len();
            bytes.extend(rest);
            let Ok(ProxyHeader::Whole(read, Speaker::Client(found))) = ProxyHeader::parse(&bytes) else {
                return Err(TestCaseError::fail("it is not read"));
            };
            prop_assert_eq!(read, length);
            prop_assert_eq!(found.ip().to_canonical(), source.ip().to_canonical());
            prop_assert_eq!(found.port(), source.port());
        }

        #[test]
        fn no_bytes_panic_or_go_beyond_their_end(
            signature in prop::sample::select(vec![V1, V2, b""]),
            rest: Vec<u8>,
        ) {
            let bytes = [signature, &rest].concat();
            if let Ok(ProxyHeader::Whole(length, _)) = ProxyHeader::parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
