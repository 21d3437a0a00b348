//! Networks as operators write them, and sets of them.
//!
//! In: `10.0.0.0/8`, `2001:db8::/32` or a single address. Out: a network, or what is wrong with the
//! text. A network of IPv4 addresses in IPv6 form (`::ffff:10.0.0.0/104`) is the one of IPv4: peers
//! are compared in their own form too.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::config::{Path, Problem};

/// What is wrong with a text that was to be a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotANetwork {
    /// What is wrong.
    pub message: String,
    /// What was meant, maybe.
    pub help: Option<String>,
}

impl NotANetwork {
    /// The same as a problem at `at`.
    pub fn problem(self, at: Path) -> Problem {
        self.help.into_iter().fold(Problem::error(at, self.message), Problem::help)
    }
}

/// The network that a text names; an address is the network of itself.
///
/// # Errors
/// It names none; or it names an address and a prefix that does not end behind it, so that two
/// different networks may be meant.
pub fn parse_network(text: &str) -> Result<IpNet, NotANetwork> {
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let net: IpNet = net.map_err(|_| NotANetwork {
        message: format!("`{text}` is not an address or network"),
        help: text.contains('%').then(|| "a zone (`%..`) is known to its own host only".into()),
    })?;
    if net.trunc() != net {
        return Err(NotANetwork {
            message: format!("`{text}` has bits set behind its prefix"),
            help: Some(format!("did you mean `{}` or `{}`?", net.trunc(), net.addr())),
        });
    }
    Ok(canonical(net))
}

/// An IPv4 network that is written as one of IPv6, as itself.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    four.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(net, IpNet::V4)
}

/// A set of networks.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// The networks of a list.
    ///
    /// # Errors
    /// The index of the first entry that is none, and what is wrong with it.
    pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, (usize, NotANetwork)> {
        let parse = |(index, text): (usize, &S)| {
            parse_network(text.as_ref()).map_err(|wrong| (index, wrong))
        };
        list.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the address is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|net| net.contains(&ip))
    }

    /// Whether all addresses of the others are in one of these: of each network, as it is written.
    pub fn cover(&self, others: &Self) -> bool {
        others.0.iter().all(|other| self.0.iter().any(|net| net.contains(other)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_in_one_way() {
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("10.0.0.1", Ok("10.0.0.1/32")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("2001:DB8::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1/128")),
            ("::/0", Ok("::/0")),
            ("::ffff:10.0.0.0/104", Ok("10.0.0.0/8")),
            ("::ffff:192.0.2.1", Ok("192.0.2.1/32")),
            ("::ffff:0:0/96", Ok("0.0.0.0/0")),
            ("10.0.0.1/8", Err("did you mean `10.0.0.0/8` or `10.0.0.1`?")),
            ("2001:db8::1/32", Err("did you mean `2001:db8::/32` or `2001:db8::1`?")),
            ("fe80::1%eth0", Err("a zone (`%..`) is known to its own host only")),
            ("10.0.0.0/33", Err("")),
            ("010.0.0.1", Err("")),
            ("10.0.0", Err("")),
            ("10.0.0.0/8 ", Err("")),
            ("example.com", Err("")),
            ("", Err("")),
        ] {
            let found = parse_network(text).map(|net| net.to_string());
            let found = found.map_err(|wrong| wrong.help.unwrap_or_default());
            assert_eq!(found.as_deref().map_err(|help| &**help), expected, "{text}");
        }
    }

    #[test]
    fn an_entry_that_is_no_network_is_named() {
        let (index, wrong) = Networks::parse(&["10.0.0.0/8", "10.0.0.0/33"]).unwrap_err();
        assert_eq!((index, &*wrong.message), (1, "`10.0.0.0/33` is not an address or network"));
        assert!(Networks::parse(&["::1", "2001:db8::/32"]).is_ok());
    }

    #[test]
    fn an_ipv4_address_is_found_in_either_form() {
        let networks = Networks::parse(&["::ffff:10.0.0.0/104"]).unwrap();
        for address in ["10.1.2.3", "::ffff:10.1.2.3"] {
            assert!(networks.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!networks.contains("11.1.2.3".parse().unwrap()));
    }
}
