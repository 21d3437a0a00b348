//! What `[upstream.NAME.discovery]` says, looked at as a whole: times that cannot be meant, and keys for
//! sources that are not there.

use std::net::{IpAddr, SocketAddr};

use crate::{
    config::{self, Path, Problem, Problems},
    dial::Destination,
};

/// Endpoints of a source: an upstream counts all of its own in 16 bits.
const MOST: u32 = 50_000;

/// Adds what is wrong with the section at `at`, whose upstream names these sources, by their URLs.
pub fn check(section: &config::Discovery, sources: &[&str], at: &Path, problems: &mut Problems) {
    if *section == config::Discovery::default() {
        return;
    }
    if sources.is_empty() {
        let message = "no endpoint is found by a source, so this is about nothing";
        let problem = Problem::error(at.clone(), message);
        problems.push(problem.help("endpoints = \"dns://orders.internal:8080\""));
        return;
    }
    for (key, time) in [("timeout", section.timeout), ("min-refresh", section.min_refresh)] {
        if time.0.is_zero() {
            let problem = Problem::error(at.key(key), "there would be no end of questions");
            problems.push(problem.help("write it like \"5s\""));
        }
    }
    if section.max_refresh.0 < section.min_refresh.0 {
        problems.push(Problem::error(at.key("max-refresh"), "it is less than `min-refresh`"));
    }
    if section.max_endpoints == 0 {
        problems.push(Problem::error(at.key("max-endpoints"), "no endpoint could be found"));
    }
    if section.max_endpoints > MOST {
        let problem = Problem::error(at.key("max-endpoints"), "no upstream has room for so many");
        problems.push(problem.help(format!("{MOST} at most")));
    }
    let of = |kinds: &[&str]| {
        let is = |url: &&&str| kinds.iter().any(|kind| url.starts_with(&format!("{kind}://")));
        sources.iter().filter(is).count()
    };
    let (dns, consul, kubernetes) = (of(&["dns", "srv"]), of(&["consul"]), of(&["kubernetes"]));
    if section.dns.is_some() && dns == 0 {
        let problem = Problem::error(at.key("dns"), "nothing here is asked of DNS");
        problems.push(problem.help("endpoints = \"dns://orders.internal:8080\""));
    }
    kubeconfig(section, kubernetes, at, problems);
    let about = [
        ("server", section.server.is_some()),
        ("token", section.token.is_some()),
        ("ca", section.ca.is_some()),
    ];
    for (key, _) in about.iter().filter(|(_, said)| *said) {
        if consul + kubernetes == 0 {
            let message = "it is about Consul and Kubernetes, and none of them is asked";
            problems.push(Problem::error(at.key(*key), message));
        } else if section.kubeconfig.is_some() {
            let problem = Problem::error(at.key(*key), "`kubeconfig` says that");
            problems.push(problem.help("leave out one of them"));
        } else if consul > 0 && kubernetes > 0 {
            let message = "it could be Consul's or that of Kubernetes";
            let problem = Problem::error(at.key(*key), message);
            problems.push(problem.help("give each an upstream of its own"));
        }
    }
}

/// The same for what is about a kubeconfig; Kubernetes is asked by so many sources.
fn kubeconfig(section: &config::Discovery, asked: usize, at: &Path, problems: &mut Problems) {
    let said =
        [("kubeconfig", section.kubeconfig.is_some()), ("context", section.context.is_some())];
    for (key, _) in said.iter().filter(|(_, said)| *said) {
        if asked == 0 {
            let problem =
                Problem::error(at.key(*key), "it is about Kubernetes, which is not asked");
            problems.push(problem.help("endpoints = \"kubernetes://default/orders:http\""));
        } else if section.kubeconfig.is_none() {
            let problem = Problem::error(at.key(*key), "there is no `kubeconfig` to find it in");
            problems.push(problem.help("kubeconfig = \"/etc/janua/kubeconfig\""));
        }
    }
}

/// Consul's agent, or the API server of Kubernetes, by the URL at `at`.
pub(super) fn server(url: &str, at: &Path, problems: &mut Problems) -> Option<Destination> {
    let server = Destination::parse(url);
    let server = problems.keep(server.map_err(|message| Problem::error(at.clone(), message)))?;
    warn_in_clear(&server, at, problems);
    Some(server)
}

/// Says so if what is said there is not protected.
pub(super) fn warn_in_clear(server: &Destination, at: &Path, problems: &mut Problems) {
    if !server.is_protected() {
        let message = "anybody on the way can read the token and say where requests go";
        problems.push(Problem::finding(at.clone(), message).help("write https://"));
    }
}

/// A server of DNS: `10.0.0.2`, `127.0.0.1:5353`, `[::1]:53`.
pub(super) fn dns_server(
    section: &config::Discovery,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<SocketAddr>> {
    let Some(text) = &section.dns else { return Some(None) };
    let address = text.parse().ok();
    let address = address.or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 53)));
    let problem = || {
        let problem = Problem::error(at.key("dns"), format!("`{text}` is not an address"));
        problem.help("an IP address, and a port if it is not 53: \"127.0.0.1:5353\"")
    };
    problems.keep(address.ok_or_else(problem)).map(Some)
}
