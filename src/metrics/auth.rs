//! [`AuthMetrics`]: what a way to identify has in its tables, and the work it does.
//!
//! In: rare events: failures, passwords that are hashed. Out: cells, for the encoder. Refusals are
//! counted with their routes.

use super::{Counter, Gauge};

/// What a section `[auth.NAME]` has in its tables, and the work it does.
#[derive(Debug, Default)]
pub struct AuthMetrics {
    /// Addresses and accounts whose failures are counted, as of the last failure.
    pub lock_out: Gauge,
    /// Right passwords or tokens that are remembered, as of the last one.
    pub remembered: Gauge,
    /// Requests that wait for their password to be hashed.
    pub waiting: Gauge,
    /// Passwords that were hashed.
    pub hashes: Counter,
    /// Keys of the issuer that are held.
    pub keys: Gauge,
    /// Times that they were fetched.
    pub key_fetches: Counter,
    /// Times that this failed.
    pub key_fetch_failures: Counter,
    /// Sessions that are held, as of the last one that began or ended.
    pub sessions: Gauge,
    /// Browsers that were sent to log in.
    pub logins_begun: Counter,
    /// Those that came back as somebody.
    pub logins_ok: Counter,
    /// Those that came back as nobody.
    pub logins_failed: Counter,
    /// Sessions that were renewed.
    pub refreshes: Counter,
    /// Sessions that could not be renewed.
    pub refresh_failures: Counter,
    /// Sessions that were ended by their user or the provider.
    pub logouts: Counter,
    /// Questions to others about somebody: a store, an authorization server, a service that decides.
    pub questions: Counter,
    /// Requests that wait for an answer.
    pub questions_waiting: Gauge,
    /// Questions that had no answer.
    pub question_failures: Counter,
}
