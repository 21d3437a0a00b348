//! Purges that several gateways carry out: said to one, heard by all, however they were cut off meanwhile.

use super::StoreServer;
use crate::support::{Daemon, Origin, until};

fn start(server: &StoreServer, origin: &Origin) -> Daemon {
    Daemon::start(&format!(
        "[log]\naccess = \"off\"\n[admin]\naddress = \"unix:HOME/admin.sock\"\n\
         [store.shared]\nurl = \"{}\"\n[cache]\nstore = \"shared\"\n\
         [cache.default]\nttl = \"1h\"\ncache-status = true\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\ncache = true\nto = \"{}\"\n",
        server.url(),
        origin.url
    ))
}

/// Whether it has an answer at hand; from then on it has.
fn has(gateway: &Daemon, target: &str) -> bool {
    gateway.public.get(target).1.contains("; hit; ")
}

fn purge(gateway: &Daemon, what: &str) -> u16 {
    gateway.admin().ask(&format!("POST /purge?{what}"), "").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_at_one_gateway_holds_at_all_of_them() {
    let (server, origin) = (StoreServer::start(), Origin::ok().await);
    let gateways = [start(&server, &origin), start(&server, &origin)];
    for what in ["all=true", "prefix=http://localhost", "host=localhost"] {
        for gateway in &gateways {
            has(gateway, "/a");
            assert!(has(gateway, "/a"), "kept before {what}");
        }
        assert_eq!(purge(&gateways[0], what), 200);
        assert!(!has(&gateways[0], "/a"), "here it holds at once: {what}");
        until("the other hears of it", || !has(&gateways[1], "/a")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_cut_off_hears_what_it_missed() {
    let (mut server, origin) = (StoreServer::start(), Origin::ok().await);
    let gateways = [start(&server, &origin), start(&server, &origin)];
    assert_eq!(purge(&gateways[0], "tag=nothing"), 200, "the store is there");
    server.kill();
    has(&gateways[1], "/a");
    assert!(has(&gateways[1], "/a"));
    until("it is known that the store is gone", || purge(&gateways[0], "all=true") == 503).await;
    assert!(has(&gateways[1], "/a"), "it could not hear of it");
    server.start_again();
    until("the store is back", || purge(&gateways[0], "all=true") == 200).await;
    until("the other hears of it", || !has(&gateways[1], "/a")).await;
}
