//! Nobody knows any more who is there: what was known last holds, for how long, and who can see it.

use super::{
    answer, consul::Consul, counted, endpoints, found, named, shown, upstream, well, wrong,
};
use crate::support::until;

#[tokio::test]
async fn when_all_sources_are_gone_the_last_good_set_serves() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let consul = Consul::of(&[a, b]).await;
    let janua = upstream(&consul.keys()).start().await;
    found(&janua, &[&a.url, &b.url]).await;
    let heard = counted(&janua, "last_answer_timestamp_seconds");
    assert!(heard > 1_700_000_000, "{heard}");
    drop(consul);
    wrong(&janua, "Consul: ").await;
    until("it is tried again", || counted(&janua, "failures_total") >= 3).await;
    assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    assert_eq!(counted(&janua, "endpoints"), 2);
    let shown = &shown(&janua)["discovery"][0];
    assert_eq!(shown["url"], "consul://orders");
    assert_eq!(shown["endpoints"], 2);
    assert!(shown["answered-ago"].is_u64(), "{shown}");
}

#[tokio::test]
async fn an_empty_answer_counts_only_when_it_lasts() {
    let origins = named(&["a"]).await;
    let consul = Consul::of(&[&origins[0]]).await;
    let janua = upstream(&consul.with("orders", "discovery.keep-empty = \"1h\"")).start().await;
    found(&janua, &[&origins[0].url]).await;
    for _ in 0..3 {
        consul.knows(&[]);
        wrong(&janua, "there are no endpoints").await;
        assert_eq!(answer(&janua, 2).await, ["a"]);
        consul.knows(&[&origins[0]]);
        well(&janua).await;
    }
    assert_eq!(counted(&janua, "changes_total"), 1, "flapping changed something");
    assert_eq!(counted(&janua, "failures_total"), 0, "to say that there are none is no failure");
}

#[tokio::test]
async fn what_is_only_kept_is_given_up_after_its_time() {
    for (keys, empty) in [("keep-empty = \"300ms\"", true), ("keep-failed = \"300ms\"", false)] {
        let origins = named(&["a"]).await;
        let consul = Consul::of(&[&origins[0]]).await;
        let janua = upstream(&consul.with("orders", &format!("discovery.{keys}"))).start().await;
        found(&janua, &[&origins[0].url]).await;
        match empty {
            true => consul.knows(&[]),
            false => consul.answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        }
        until("nobody", || endpoints(&janua).is_empty()).await;
        let refused = janua.get("/").await;
        assert_eq!(refused.status(), 503);
        janua.rejected("r", "upstream.no_endpoint", 1).await;
        consul.knows(&[&origins[0]]);
        found(&janua, &[&origins[0].url]).await;
        assert_eq!(answer(&janua, 1).await, ["a"]);
        well(&janua).await;
    }
}

/// Whoever changes how a source is asked, again and again, does not keep for ever what it found long ago.
#[tokio::test]
async fn what_is_only_kept_is_given_up_after_its_time_over_reloads() {
    for (keys, empty) in [("keep-empty = \"600ms\"", true), ("keep-failed = \"600ms\"", false)] {
        let origins = named(&["a"]).await;
        let consul = Consul::of(&[&origins[0]]).await;
        let with = |timeout: usize| {
            let more = format!("discovery.{keys}\ndiscovery.timeout = \"{timeout}s\"");
            upstream(&consul.with("orders", &more))
        };
        let janua = with(5).start().await;
        found(&janua, &[&origins[0].url]).await;
        match empty {
            true => consul.knows(&[]),
            false => consul.answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        }
        let words = if empty { "there are no endpoints" } else { "answers 500" };
        wrong(&janua, words).await;
        let mut reloads = 0;
        while !endpoints(&janua).is_empty() {
            reloads += 1;
            assert!(reloads < 30, "{keys}: they are kept for ever");
            janua.reload(&with(5 + reloads)).await.ok().unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        assert!(reloads > 1, "{keys}: they were not kept");
    }
}

#[tokio::test]
async fn a_gateway_starts_and_reloads_while_nobody_can_be_asked() {
    let origins = named(&["a"]).await;
    let consul = Consul::of(&[&origins[0]]).await;
    let (_taken, nobody) = crate::upstreams::nobody();
    let keys = format!("endpoints = \"consul://orders\"\ndiscovery.server = \"{nobody}\"");
    let janua = upstream(&keys).start().await;
    wrong(&janua, "no connection").await;
    assert_eq!(janua.get("/").await.status(), 503);
    assert_eq!(counted(&janua, "last_answer_timestamp_seconds"), 0);
    assert!(shown(&janua)["discovery"][0]["answered-ago"].is_null());
    janua.reload(&upstream(&format!("{keys}\npanic-threshold = 50"))).await.ok().unwrap();
    janua.reload(&upstream(&consul.keys())).await.ok().unwrap();
    found(&janua, &[&origins[0].url]).await;
}

#[tokio::test]
async fn the_first_requests_wait_until_somebody_was_asked() {
    let origins = named(&["a"]).await;
    let consul = Consul::of(&[&origins[0]]).await;
    consul.is_silent();
    let janua = upstream(&consul.keys()).start().await;
    let mut early = janua.client().await;
    early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("asked", || consul.asked().len() == 1).await;
    consul.knows(&[&origins[0]]);
    assert_eq!(early.answer().await.text(), "a");
    // Whoever waits for one that does not answer is told so when that is known, and others at once.
    consul.is_silent();
    let keys = consul.with("others", "discovery.timeout = \"300ms\"");
    janua.reload(&upstream(&keys)).await.ok().unwrap();
    for _ in 0..2 {
        assert_eq!(janua.get("/").await.status(), 503);
    }
    janua.rejected("r", "upstream.no_endpoint", 2).await;
    wrong(&janua, "does not answer within 300ms").await;
}
