//! The page's families of limits: what each let through, refused and delayed, and what quotas keep.

use super::{
    LimitMetrics, Named, QuotaMetrics,
    encode::{by_word, simple},
    exposition::{Kind, Page},
};

pub(super) fn limits(page: &mut Page, all: &Named<LimitMetrics>) {
    let allowed = (
        "janua_limit_allowed_total",
        Kind::Counter,
        "Requests let through, at once or after a wait.",
    );
    simple(page, allowed, "limit", all, LimitMetrics::allowed);
    let rejected = ("janua_limit_rejected_total", "Requests refused, by reason.");
    by_word(page, rejected, ("limit", "reason"), all, LimitMetrics::rejected);
    let reported =
        ("janua_limit_reports_total", "Requests that a limit in trial would stop, by reason.");
    by_word(page, reported, ("limit", "reason"), all, LimitMetrics::reported);
    let mut delayed = page.family(
        "janua_limit_delay_seconds",
        Kind::Histogram,
        "How long requests waited that were let through after a wait.",
    );
    for (name, limit) in all {
        delayed.histogram(&[("limit", name)], &limit.delayed());
    }
    let mut waiting = page.family(
        "janua_limit_waiting",
        Kind::Gauge,
        "Requests that wait, by whether their client kept within its limits.",
    );
    for (name, limit) in all {
        for (standing, gauge) in [("good", &limit.waiting_good), ("bad", &limit.waiting_bad)] {
            waiting.sample(&[("limit", name), ("standing", standing)], gauge.get());
        }
    }
    let paced = (
        "janua_limit_paced_total",
        Kind::Counter,
        "Answers that went slower than they could, by the limit's bandwidth.",
    );
    simple(page, paced, "limit", all, LimitMetrics::paced);
    let keys = ("janua_limit_keys", Kind::Gauge, "Keys that owe something; of many, an estimate.");
    simple(page, keys, "limit", all, |limit| limit.keys.get());
    let keys = (
        "janua_limit_quota_keys",
        Kind::Gauge,
        "Keys that used something of their quota this day or month; of many, an estimate.",
    );
    simple(page, keys, "limit", all, |limit| limit.quota_keys.get());
    let offences = (
        "janua_limit_offences_total",
        Kind::Counter,
        "Requests over the limit that cost their client good standing.",
    );
    simple(page, offences, "limit", all, |limit| limit.offences.get());
    limit_stores(page, all);
}

fn limit_stores(page: &mut Page, all: &Named<LimitMetrics>) {
    let fetches =
        ("janua_limit_store_fetches_total", Kind::Counter, "Times that a limit's store was asked.");
    simple(page, fetches, "limit", all, |limit| limit.fetches.get());
    let fallbacks = (
        "janua_limit_store_fallbacks_total",
        Kind::Counter,
        "Requests that a limit decided without its store.",
    );
    simple(page, fallbacks, "limit", all, |limit| limit.fallbacks.get());
    let down = (
        "janua_limit_store_down",
        Kind::Gauge,
        "1 while a limit goes on without its store, else 0.",
    );
    simple(page, down, "limit", all, |limit| limit.store_down.get());
    let lost = (
        "janua_limit_store_lost_total",
        Kind::Counter,
        "Times that a key's use of a quota was not kept for the store, for want of room.",
    );
    simple(page, lost, "limit", all, |limit| limit.store_lost.get());
}

pub(super) fn quotas(page: &mut Page, quotas: &QuotaMetrics) {
    page.family(
        "janua_limit_quotas_kept",
        Kind::Gauge,
        "0 while what quotas count is in memory only, because it cannot be written; else 1.",
    )
    .sample(&[], quotas.kept.get());
    let mut writes = page.family(
        "janua_limit_quota_writes_total",
        Kind::Counter,
        "Times that what quotas count was written to the state directory.",
    );
    writes.sample(&[("outcome", "ok")], quotas.writes.get());
    writes.sample(&[("outcome", "failed")], quotas.failures.get());
}
