//! Origins that are many, slow, broken, gone, or speak otherwise: which one is asked, what becomes of
//! the request, and by which name it fails.

mod balance;
mod breaker;
mod choice;
mod connections;
mod deadlines;
mod ejection;
mod expiry;
mod faults;
mod health;
mod hedging;
mod places;
mod protocols;
mod queue;
mod retries;
mod room;
mod sticky;
mod table;

use crate::support::Setup;

/// Everything goes to one upstream, with these keys.
fn upstream(keys: &str) -> Setup {
    Setup::new(format!("[upstream.u]\n{keys}\n[[route]]\nto = \"u\"\n"))
}

/// One endpoint, and more keys.
fn one(url: &str, keys: &str) -> Setup {
    upstream(&format!("endpoints = \"{url}\"\n{keys}"))
}

/// Keys that cannot be meant: each with the place in the upstream that is pointed at, what is said, and what to do.
async fn refused<K: AsRef<str>, P: AsRef<str>>(
    rows: impl IntoIterator<Item = (K, P, &'static str, &'static str)>,
) {
    for (keys, path, message, help) in rows {
        let setup = one("http://127.0.0.1:9", keys.as_ref());
        setup.fails_at(&format!("upstream.u.{}", path.as_ref()), message, help).await;
    }
}

/// An address where nobody listens; it is taken as long as this lives.
pub(crate) fn nobody() -> (std::net::TcpListener, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let taken: std::net::TcpListener = socket.into();
    let url = format!("http://{}", taken.local_addr().unwrap());
    (taken, url)
}

/// What the operator's page shows of the upstream.
fn shown(janua: &crate::support::Janua) -> serde_json::Value {
    serde_json::to_value(janua.world().upstream("u").unwrap().shown()).unwrap()
}
