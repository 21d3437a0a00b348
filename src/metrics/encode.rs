//! The page: every family, its name, its help, and where its numbers are.
//!
//! In: a [`Registry`] and what only others know ([`Outside`]). Out: text of the type
//! [`CONTENT_TYPE`]. It reads cells and asks nothing of the system, so a scrape cannot block. Names
//! start with `janua_`, units are seconds and bytes, counts end in `_total`.

use std::fmt::Display;

use super::{
    AuthMetrics, Counters, ListenerMetrics, MirrorMetrics, Named, ProcessMetrics, Registry,
    RouteMetrics, STANDINGS, Shelved, StoreMetrics, UpstreamMetrics, caches, discovery,
    exposition::{Kind, Page},
    limits, operation, overload,
};

/// The media type of [`Registry::encode`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the page tells and this module cannot know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside {
    /// Access-log lines that were never written.
    pub log_lines_dropped: u64,
    /// Writes of the access log that failed.
    pub log_write_errors: u64,
    /// Open file descriptors, from [`open_files`](super::open_files).
    pub open_files: Option<u64>,
    /// What the memory for answers holds.
    pub shelved: Shelved,
}

impl Registry {
    /// The page.
    pub fn encode(&self, outside: &Outside) -> String {
        let mut page = Page::default();
        process(&mut page, &self.process, outside);
        overload::load(&mut page, &self.process);
        let mut expiry = page.family(
            "janua_certificate_expiry_timestamp_seconds",
            Kind::Gauge,
            "When the certificate ends, in seconds since 1970.",
        );
        for (name, end) in &self.certificates {
            expiry.sample(&[("certificate", name)], end);
        }
        listeners(&mut page, &self.listeners);
        let reports = (
            "janua_access_reports_total",
            "Requests that a list in trial would refuse, by reason.",
        );
        by_word(&mut page, reports, ("list", "reason"), &self.access, Counters::counted);
        routes(&mut page, &self.routes);
        mirrors(&mut page, &self.mirrors);
        caches::caches(&mut page, &self.caches, &outside.shelved);
        upstreams(&mut page, &self.upstreams);
        discovery::discovery(&mut page, &self.upstreams);
        overload::gates(&mut page, &self.upstreams);
        overload::guards(&mut page, &self.upstreams);
        auths(&mut page, &self.auths);
        logins(&mut page, &self.auths);
        stores(&mut page, &self.stores);
        operation::operations(&mut page, &self.operations);
        limits::limits(&mut page, &self.limits);
        page.family(
            "janua_limit_clients_in_bad_standing",
            Kind::Gauge,
            "Clients that did not keep within their limits lately.",
        )
        .sample(&[], self.bad_standing.get());
        limits::quotas(&mut page, &self.quotas);
        page.finish()
    }
}

fn process(page: &mut Page, process: &ProcessMetrics, outside: &Outside) {
    let version = env!("CARGO_PKG_VERSION");
    page.family("janua_build_info", Kind::Gauge, "Always 1; the build is in the labels.")
        .sample(&[("version", version)], 1);
    page.family("janua_start_time_seconds", Kind::Gauge, "Start, in seconds since 1970.")
        .sample(&[], process.started);
    if let Some(count) = outside.open_files {
        page.family("janua_open_fds", Kind::Gauge, "Open file descriptors.").sample(&[], count);
    }
    let mut reloads = page.family("janua_config_reloads_total", Kind::Counter, "Reloads.");
    reloads.sample(&[("outcome", "ok")], process.reloads.get());
    reloads.sample(&[("outcome", "failed")], process.reloads_failed.get());
    page.family(
        "janua_config_last_reload_successful",
        Kind::Gauge,
        "1 if the last load of the configuration took effect, else 0.",
    )
    .sample(&[], process.last_reload_ok.get());
    page.family(
        "janua_config_last_reload_success_timestamp_seconds",
        Kind::Gauge,
        "When the configuration in use was loaded, in seconds since 1970.",
    )
    .sample(&[], process.last_success.get());
    page.family(
        "janua_access_log_lines_dropped_total",
        Kind::Counter,
        "Access-log lines that were never written.",
    )
    .sample(&[], outside.log_lines_dropped);
    page.family(
        "janua_access_log_write_errors_total",
        Kind::Counter,
        "Writes of the access log that failed.",
    )
    .sample(&[], outside.log_write_errors);
}

fn listeners(page: &mut Page, all: &Named<ListenerMetrics>) {
    type Listener = ListenerMetrics;
    let mut one = |name, kind, help, read: fn(&Listener) -> i128| {
        simple(page, (name, kind, help), "listener", all, read);
    };
    one(
        "janua_listener_connections_accepted_total",
        Kind::Counter,
        "Connections that were accepted.",
        |listener| listener.sum(|shard| shard.accepted.get()).into(),
    );
    one(
        "janua_listener_connections_active",
        Kind::Gauge,
        "Connections that are open.",
        |listener| listener.sum(|shard| shard.active.get()).into(),
    );
    let refused = (
        "janua_listener_connections_refused_total",
        "Connections that were closed as soon as they were accepted, by reason.",
    );
    by_word(page, refused, ("listener", "reason"), all, Listener::refused);
    let mut family =
        page.family("janua_listener_handshakes_total", Kind::Counter, "TLS handshakes.");
    for (name, listener) in all {
        let ok = listener.sum(|shard| shard.handshakes.get());
        let failed = listener.sum(|shard| shard.handshakes_failed.get());
        family.sample(&[("listener", name), ("outcome", "ok")], ok);
        family.sample(&[("listener", name), ("outcome", "failed")], failed);
    }
    let requests = ("janua_listener_requests_total", "Requests by protocol.");
    by_word(page, requests, ("listener", "protocol"), all, Listener::requests);
}

fn routes(page: &mut Page, all: &Named<RouteMetrics>) {
    let requests = ("janua_requests_total", "Finished requests by class of status.");
    by_word(page, requests, ("route", "status"), all, RouteMetrics::requests);
    let rejects = ("janua_rejects_total", "Requests that were refused, by reason.");
    by_word(page, rejects, ("route", "reason"), all, RouteMetrics::rejects);
    let reports = ("janua_reports_total", "Requests that a rule in trial would refuse, by reason.");
    by_word(page, reports, ("route", "reason"), all, RouteMetrics::reports);
    let mut latency = page.family(
        "janua_request_duration_seconds",
        Kind::Histogram,
        "From a request's first byte to its answer's last.",
    );
    for (name, route) in all {
        latency.histogram(&[("route", name)], &route.latency());
    }
    let bytes = ("janua_request_bytes_total", Kind::Counter, "Bytes of requests' bodies.");
    simple(page, bytes, "route", all, RouteMetrics::bytes_in);
    let bytes = ("janua_response_bytes_total", Kind::Counter, "Bytes of answers' bodies.");
    simple(page, bytes, "route", all, RouteMetrics::bytes_out);
}

/// What endpoints are, and what they answered when they were asked.
fn health(page: &mut Page, all: &Named<UpstreamMetrics>) {
    let mut family =
        page.family("janua_upstream_endpoints", Kind::Gauge, "Endpoints, by what they are.");
    for (name, upstream) in all {
        for (standing, count) in STANDINGS.iter().zip(&upstream.endpoints) {
            family.sample(&[("upstream", name), ("state", standing)], count.get());
        }
    }
    let mut family = page.family(
        "janua_upstream_health_checks_total",
        Kind::Counter,
        "Times that endpoints were asked whether they are well, by what they answered.",
    );
    for (name, upstream) in all {
        for (outcome, count) in ["ok", "failed"].into_iter().zip(&upstream.checks) {
            family.sample(&[("upstream", name), ("outcome", outcome)], count.get());
        }
    }
}

fn mirrors(page: &mut Page, all: &Named<MirrorMetrics>) {
    let sent = ("janua_mirror_requests_total", "Copies of requests that were sent, by outcome.");
    by_word(page, sent, ("route", "outcome"), all, MirrorMetrics::outcomes);
    let skipped = ("janua_mirror_dropped_total", "Copies that were not made, by reason.");
    by_word(page, skipped, ("route", "reason"), all, MirrorMetrics::skipped);
    let help = "Copies that are collected, or sent and not answered to the end.";
    let in_flight = ("janua_mirror_in_flight", Kind::Gauge, help);
    simple(page, in_flight, "route", all, MirrorMetrics::in_flight);
}

fn upstreams(page: &mut Page, all: &Named<UpstreamMetrics>) {
    let mut one = |name, kind, help, read: fn(&UpstreamMetrics) -> i128| {
        simple(page, (name, kind, help), "upstream", all, read);
    };
    one("janua_upstream_connections", Kind::Gauge, "Connections that are open.", |upstream| {
        upstream.sum(|shard| shard.connections.get()).into()
    });
    one(
        "janua_upstream_connections_idle",
        Kind::Gauge,
        "Connections that wait for a request.",
        |upstream| upstream.sum(|shard| shard.idle.get()).into(),
    );
    one("janua_upstream_connects_total", Kind::Counter, "Connections made.", |upstream| {
        upstream.sum(|shard| shard.connects.get()).into()
    });
    one("janua_upstream_retries_total", Kind::Counter, "Requests sent once more.", |upstream| {
        upstream.sum(|shard| shard.retries.get()).into()
    });
    one(
        "janua_upstream_requests_in_flight",
        Kind::Gauge,
        "Requests that were sent and are not yet answered to the end.",
        |upstream| upstream.sum(|shard| shard.in_flight.get()).into(),
    );
    one(
        "janua_upstream_retries_refused_total",
        Kind::Counter,
        "Requests not sent once more because too many were (`retry.budget`).",
        |upstream| upstream.sum(|shard| shard.retries_refused.get()).into(),
    );
    one(
        "janua_upstream_panic",
        Kind::Gauge,
        "1 while too few endpoints are up, so that all are used.",
        |upstream| upstream.panics.get().into(),
    );
    one(
        "janua_upstream_ejections_total",
        Kind::Counter,
        "Times that an endpoint was left out for failing requests.",
        |upstream| upstream.ejections.get().into(),
    );
    health(page, all);
    let failures = ("janua_upstream_connect_failures_total", "Failed connections, by reason.");
    by_word(page, failures, ("upstream", "reason"), all, UpstreamMetrics::failures);
}

fn auths(page: &mut Page, all: &Named<AuthMetrics>) {
    let mut one = |name, kind, help, read: fn(&AuthMetrics) -> i128| {
        simple(page, (name, kind, help), "auth", all, read);
    };
    one(
        "janua_auth_lock_out_entries",
        Kind::Gauge,
        "Addresses and accounts whose failures are counted.",
        |auth| auth.lock_out.get().into(),
    );
    one(
        "janua_auth_remembered",
        Kind::Gauge,
        "Right passwords and tokens that are remembered.",
        |auth| auth.remembered.get().into(),
    );
    one(
        "janua_auth_passwords_waiting",
        Kind::Gauge,
        "Requests that wait for their password to be hashed.",
        |auth| auth.waiting.get().into(),
    );
    one("janua_auth_password_hashes_total", Kind::Counter, "Passwords that were hashed.", |auth| {
        auth.hashes.get().into()
    });
    one("janua_auth_keys", Kind::Gauge, "Keys of the tokens' issuer that are held.", |auth| {
        auth.keys.get().into()
    });
    one("janua_auth_key_fetches_total", Kind::Counter, "Times that they were fetched.", |auth| {
        auth.key_fetches.get().into()
    });
    one(
        "janua_auth_key_fetch_failures_total",
        Kind::Counter,
        "Times that they could not be fetched.",
        |auth| auth.key_fetch_failures.get().into(),
    );
    one(
        "janua_auth_questions_total",
        Kind::Counter,
        "Questions about somebody to a store, an authorization server or a service that decides.",
        |auth| auth.questions.get().into(),
    );
    one(
        "janua_auth_questions_waiting",
        Kind::Gauge,
        "Requests that wait for an answer to such a question.",
        |auth| auth.questions_waiting.get().into(),
    );
    one(
        "janua_auth_question_failures_total",
        Kind::Counter,
        "Such questions that had no answer.",
        |auth| auth.question_failures.get().into(),
    );
}

fn logins(page: &mut Page, all: &Named<AuthMetrics>) {
    let mut one = |name, kind, help, read: fn(&AuthMetrics) -> i128| {
        simple(page, (name, kind, help), "auth", all, read);
    };
    one("janua_auth_sessions", Kind::Gauge, "Sessions that are held.", |auth| {
        auth.sessions.get().into()
    });
    one("janua_auth_logouts_total", Kind::Counter, "Sessions that were logged out.", |auth| {
        auth.logouts.get().into()
    });
    let mut logins = page.family("janua_auth_logins_total", Kind::Counter, "Logins by outcome.");
    for (name, auth) in all {
        for (outcome, count) in [
            ("begun", &auth.logins_begun),
            ("ok", &auth.logins_ok),
            ("failed", &auth.logins_failed),
        ] {
            logins.sample(&[("auth", name), ("outcome", outcome)], count.get());
        }
    }
    let mut refreshes =
        page.family("janua_auth_session_refreshes_total", Kind::Counter, "Sessions renewed.");
    for (name, auth) in all {
        refreshes.sample(&[("auth", name), ("outcome", "ok")], auth.refreshes.get());
        refreshes.sample(&[("auth", name), ("outcome", "failed")], auth.refresh_failures.get());
    }
}

fn stores(page: &mut Page, all: &Named<StoreMetrics>) {
    let mut one = |name, kind, help, read: fn(&StoreMetrics) -> i128| {
        simple(page, (name, kind, help), "store", all, read);
    };
    let up = "1 while there is a connection, of a cluster to every server, else 0.";
    one("janua_store_up", Kind::Gauge, up, |store| i64::from(store.is_up()).into());
    one("janua_store_connects_total", Kind::Counter, "Connections made.", |store| {
        store.connects.get().into()
    });
    one(
        "janua_store_connect_failures_total",
        Kind::Counter,
        "Connections that could not be made.",
        |store| store.connect_failures.get().into(),
    );
    one("janua_store_commands_total", Kind::Counter, "Commands that were sent.", |store| {
        store.commands.get().into()
    });
    one(
        "janua_store_commands_waiting",
        Kind::Gauge,
        "Commands that wait for their answer.",
        |store| store.waiting.get().into(),
    );
    let failures =
        ("janua_store_failures_total", "Commands that brought nothing, by what happened.");
    by_word(page, failures, ("store", "reason"), all, StoreMetrics::failures);
    let mut latency = page.family(
        "janua_store_command_duration_seconds",
        Kind::Histogram,
        "From a command to its answer.",
    );
    for (name, store) in all {
        latency.histogram(&[("store", name)], &store.latency());
    }
}

/// A family with one series for each name.
pub(super) fn simple<T, N: Display>(
    page: &mut Page,
    (name, kind, help): (&'static str, Kind, &str),
    label: &str,
    all: &Named<T>,
    read: impl Fn(&T) -> N,
) {
    let mut family = page.family(name, kind, help);
    for (value, thing) in all {
        family.sample(&[(label, value)], read(thing));
    }
}

/// A family of counters with one series for each name and word.
pub(super) fn by_word<'a, T: 'a, I: Iterator<Item = (&'static str, u64)>>(
    page: &mut Page,
    (name, help): (&'static str, &str),
    (label, word_label): (&str, &str),
    all: &'a Named<T>,
    read: impl Fn(&'a T) -> I,
) {
    let mut family = page.family(name, Kind::Counter, help);
    for (value, thing) in all {
        for (word, count) in read(thing) {
            family.sample(&[(label, value), (word_label, word)], count);
        }
    }
}
