//! Whether endpoints are well: what they are asked, and what is taken from how they answer clients; and
//! what becomes of requests that they fail.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{ByteSize, Duration, OneOrMany};

/// Ask endpoints whether they are well, beside the requests of clients.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Health {
    /// The path that is asked for, by GET; without it, to take a connection (TLS included) is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/healthz")]
    pub path: Option<String>,
    /// Ask by gRPC how this service is (`grpc.health.v1.Health`), instead of for a path; `""` is the whole server. That is by HTTP/2, whatever `protocol` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders.v1.Orders")]
    pub grpc: Option<String>,
    /// Statuses of an endpoint that is well: `"2xx"`, `"200-399"`, `"204"`; one or several.
    pub status: OneOrMany<String>,
    /// What the body of its answer holds, within the first 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"\"status\":\"ok\"")]
    pub body: Option<String>,
    /// The `Host` of the question; by default that of the endpoint's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"api.example.com")]
    pub host: Option<String>,
    /// From one question to the next, give or take a tenth.
    pub every: Duration,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// So many good answers in a row make one well that was not.
    pub rise: u32,
    /// So many bad ones in a row make one unwell that was.
    pub fall: u32,
    /// What a new endpoint is: `"up"`, `"down"` until it has answered well `rise` times, or `"checked"`: as its first answer is.
    pub start: Start,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: None,
            grpc: None,
            status: OneOrMany(vec!["2xx".into()]),
            body: None,
            host: None,
            every: Duration::secs(5),
            timeout: Duration::secs(2),
            rise: 2,
            fall: 3,
            start: Start::Up,
        }
    }
}

/// What a new endpoint is taken for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Well, until it is found not to be.
    #[default]
    Up,
    /// Unwell, until it has answered well so often.
    Down,
    /// What it is found to be first.
    Checked,
}

/// Leave endpoints out for a while that fail the requests of clients.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ejection {
    /// So many failures in a row: no connection, none of an answer, no answer in time, or one of `statuses`. 0 does not count them.
    pub failures: u32,
    /// Answers that are failures of the endpoint; `"5xx"` for plain 500s too.
    pub statuses: OneOrMany<String>,
    /// Leave out who fails more than the others: whose share of requests that went well is so many standard deviations below the mean. Envoy's `success_rate_stdev_factor`, there 1.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1.9)]
    pub success_rate: Option<f64>,
    /// Leave out who fails so many per cent of its requests, however others do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 50)]
    pub failure_percent: Option<u8>,
    /// The time in which requests are counted for these two.
    pub interval: Duration,
    /// Endpoints with fewer requests in that time are not judged by these two.
    pub min_requests: u32,
    /// With fewer endpoints that are judged, nobody is compared with the others (`success-rate`).
    pub min_endpoints: u32,
    /// Per cent of the endpoints that are left out at most, beside `panic-threshold`; one may always be.
    pub max_ejected: u8,
    /// How long one is left out the first time; the second time twice as long, and so on.
    pub time: Duration,
    /// Never longer than this.
    pub max_time: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            statuses: OneOrMany(vec!["502-504".into()]),
            success_rate: None,
            failure_percent: None,
            interval: Duration::secs(10),
            min_requests: 100,
            min_endpoints: 5,
            max_ejected: 50,
            time: Duration::secs(10),
            max_time: Duration::secs(300),
        }
    }
}

/// Send requests once more, to another endpoint. One that no endpoint has seen goes on to the next by itself; this is about those that one may have seen, by methods that do no harm twice.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retry {
    /// After what: `"reset"` (the connection broke before the answer), `"timeout"` (no answer in time), or answers: `"429"`, `"503"`, `"5xx"`, `"502-504"`. Not if the answer has a `Retry-After`.
    pub on: OneOrMany<String>,
    /// Methods of requests that do no harm if an endpoint gets them twice. Add `"POST"` only if all requests by it are such, as where each has a key that endpoints know it by.
    pub methods: OneOrMany<String>,
    /// Bytes of a request's body that are kept to send it once more, by these methods; one with a larger body is not sent again. `"0B"`: none with a body.
    pub body: ByteSize,
    /// Endpoints that a request is sent to at most, the first one included; those that cannot be reached count.
    pub tries: u32,
    /// Retries per cent of requests, so that an outage is not made worse; each worker begins with 10, and may save up to 100. What was not seen by an endpoint does not count.
    pub budget: u8,
    /// So many are sent again at a time, at most; without it, as many as the budget has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 10)]
    pub max_in_flight: Option<u32>,
    /// Before the next try, give or take all of it; doubles with each.
    pub backoff: Duration,
    /// How long a try may take until its answer begins, if less than `timeout.first-byte`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2s")]
    pub try_timeout: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            on: OneOrMany(vec!["reset".into()]),
            methods: OneOrMany(
                ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].map(String::from).into(),
            ),
            body: ByteSize::kib(64),
            tries: 5,
            budget: 20,
            max_in_flight: None,
            backoff: Duration(std::time::Duration::from_millis(25)),
            try_timeout: None,
        }
    }
}

/// A range of statuses: `"2xx"`, `"200-399"`, `"204"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statuses {
    /// The lowest.
    pub from: u16,
    /// The highest.
    pub to: u16,
}

impl Statuses {
    /// Whether it holds this one.
    pub fn holds(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`{text}` is not a range of statuses; write \"2xx\", \"200-399\" or \"204\"")
        };
        let number = |text: &str| match text.len() {
            3 => text.parse().ok().filter(|status| (100..=599).contains(status)),
            _ => None,
        };
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => number(&format!("{class}00")).map(|from| (from, from + 99)),
            (None, Some((from, to))) => number(from).zip(number(to)),
            (None, None) => number(text).map(|status| (status, status)),
        };
        match range {
            Some((from, to)) if from <= to => Ok(Self { from, to }),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        for (text, from, to) in
            [("2xx", 200, 299), ("200-399", 200, 399), ("204", 204, 204), ("5xx", 500, 599)]
        {
            let statuses: Statuses = text.parse().unwrap();
            assert_eq!(statuses, Statuses { from, to });
            assert!(statuses.holds(from) && statuses.holds(to) && !statuses.holds(to + 1));
        }
        for text in ["", "xx", "2x", "2xxx", "399-200", "20", "99", "600", "200-", "-1", "6xx"] {
            let error = text.parse::<Statuses>().unwrap_err();
            assert!(error.contains("is not a range of statuses"), "{text}: {error}");
        }
    }
}
