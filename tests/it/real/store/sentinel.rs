//! A store that Sentinels watch over: its primary dies under requests, and another goes on in its place.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    StoreServer,
    limits::{get, several},
};
use crate::support::{PATIENCE, Setup, until};

/// Three Sentinels, of which two have to agree, that watch over this server as `main`.
fn watch(primary: &StoreServer) -> Vec<StoreServer> {
    let (ip, port) = (primary.address.ip(), primary.address.port());
    let settings = format!(
        "sentinel monitor main {ip} {port} 2\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 3000\nrequirepass guards"
    );
    let all: Vec<_> = (0..3).map(|_| StoreServer::sentinel(&settings)).collect();
    let end = Instant::now() + PATIENCE;
    let knows_all = |one: &StoreServer| {
        let said =
            one.command(&["--no-auth-warning", "-a", "guards", "SENTINEL", "MASTER", "main"]);
        let value = |key| said.lines().skip_while(|line| *line != key).nth(1).map(str::to_owned);
        value("num-other-sentinels").as_deref() == Some("2")
            && value("num-slaves").as_deref() == Some("1")
    };
    while !all.iter().all(knows_all) {
        assert!(Instant::now() < end, "the Sentinels do not find each other");
        std::thread::sleep(Duration::from_millis(50));
    }
    all
}

fn setup(sentinels: &[SocketAddr]) -> Setup {
    let all: Vec<_> = sentinels.iter().map(SocketAddr::to_string).collect();
    Setup::new(format!(
        "[store.shared]\nurl = \"redis+sentinel://{}/main\"\nsentinel-password = \"guards\"\n\
         connect-timeout = \"1s\"\n\
         [limit.l]\nrate = \"5/h\"\nstore = \"shared\"\nlease = \"0s\"\non-failure = \"reject\"\n\
         [[route]]\nlimit = \"l\"\nto = {{ status = 204 }}\n",
        all.join(",")
    ))
}

#[tokio::test]
async fn limits_go_on_with_the_server_that_sentinels_name_when_the_primary_dies() {
    let primary = StoreServer::start();
    let (ip, port) = (primary.address.ip(), primary.address.port());
    let mut copy = StoreServer::down(&format!("replicaof {ip} {port}\nrepl-diskless-sync-delay 0"));
    copy.start_again();
    let sentinels = tokio::task::spawn_blocking(move || (watch(&primary), primary));
    let (mut sentinels, mut primary) = sentinels.await.unwrap();
    // Of those that are named one is never there, and one dies together with the primary.
    let addresses: Vec<_> = sentinels.iter().map(|one| one.address).collect();
    let nobody = StoreServer::down("").address;
    let janua = several(&setup(&[nobody, addresses[0], addresses[1]]), 1).await.remove(0);
    for _ in 0..3 {
        assert_eq!(get(&janua).await.status(), 204);
    }
    until("the copy has it", || copy.command(&["DBSIZE"]) == "1").await;
    sentinels[0].kill();
    primary.kill();
    let down = "janua_store_up{store=\"shared\"}";
    until("it is gone", || janua.counted(down) == 0).await;
    get(&janua).await.assert_refused(
        503,
        "limit.store_unavailable",
        "nobody is asked, and nobody waits",
    );
    until("the copy is the primary", || copy.is_primary()).await;
    until("it was found", || janua.counted(down) == 1).await;
    for status in [204, 204, 429, 429] {
        assert_eq!(get(&janua).await.status(), status, "it counts on from what the primary knew");
    }
}
