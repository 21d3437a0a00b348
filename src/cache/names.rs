//! Names of header fields that need one byte in a stored answer.
//!
//! In: a name. Out: its [`Code`], and the name of a code, which is no work at all. The order of the table is
//! nobody's business: codes never leave the process.

use http::header::{self, HeaderName};

/// A name that many answers have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Code(u8);

/// What conditional requests are about.
pub const ETAG: Code = Code(1);
/// What older conditional requests are about.
pub const LAST_MODIFIED: Code = Code(2);
/// When the origin made the answer.
pub const DATE: Code = Code(3);
/// How long the origin said the body is.
pub const CONTENT_LENGTH: Code = Code(4);
/// What answers may be chosen by.
pub const CONTENT_LANGUAGE: Code = Code(5);
/// Which parts of a whole there are.
pub const CONTENT_RANGE: Code = Code(6);

impl Code {
    /// The code of a name, if it has one.
    pub(super) fn of(name: &HeaderName) -> Option<Self> {
        let at = NAMES.iter().position(|known| known == name)?;
        u8::try_from(at + 1).ok().map(Self)
    }

    /// As it is stored; 0 is for every other name.
    pub(super) fn byte(self) -> u8 {
        self.0
    }
}

/// The name that was stored as this byte.
#[inline]
pub(super) fn name(byte: u8) -> Option<&'static HeaderName> {
    NAMES.get(usize::from(byte).checked_sub(1)?)
}

static NAMES: [HeaderName; 72] = [
    // Their places are the constants' above.
    header::ETAG,
    header::LAST_MODIFIED,
    header::DATE,
    header::CONTENT_LENGTH,
    header::CONTENT_LANGUAGE,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::VARY,
    header::CONTENT_ENCODING,
    header::SERVER,
    header::ACCEPT_RANGES,
    header::EXPIRES,
    header::AGE,
    header::VIA,
    header::LINK,
    header::LOCATION,
    header::SET_COOKIE,
    header::PRAGMA,
    header::ALT_SVC,
    header::CONTENT_LOCATION,
    header::CONTENT_DISPOSITION,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    header::STRICT_TRANSPORT_SECURITY,
    header::X_CONTENT_TYPE_OPTIONS,
    header::X_FRAME_OPTIONS,
    header::X_XSS_PROTECTION,
    header::X_DNS_PREFETCH_CONTROL,
    header::REFERRER_POLICY,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    header::CACHE_STATUS,
    header::CDN_CACHE_CONTROL,
    header::ALLOW,
    header::RETRY_AFTER,
    header::REFRESH,
    header::TRAILER,
    header::WARNING,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("cache-tag"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("cross-origin-embedder-policy"),
    HeaderName::from_static("cross-origin-opener-policy"),
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("origin-agent-cluster"),
    HeaderName::from_static("permissions-policy"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("sourcemap"),
    HeaderName::from_static("sunset"),
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("timing-allow-origin"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-powered-by"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-robots-tag"),
    HeaderName::from_static("x-runtime"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_under_its_own_code() {
        for (at, known) in NAMES.iter().enumerate() {
            let code = Code::of(known).unwrap();
            assert_eq!(usize::from(code.byte()), at + 1, "`{known}` is there twice");
            assert_eq!(name(code.byte()), Some(known));
        }
        assert_eq!(Code::of(&header::ETAG), Some(ETAG));
        assert_eq!(Code::of(&header::LAST_MODIFIED), Some(LAST_MODIFIED));
        assert_eq!(Code::of(&header::DATE), Some(DATE));
        assert_eq!(Code::of(&header::CONTENT_LENGTH), Some(CONTENT_LENGTH));
        assert_eq!(Code::of(&header::CONTENT_LANGUAGE), Some(CONTENT_LANGUAGE));
        assert_eq!(Code::of(&header::CONTENT_RANGE), Some(CONTENT_RANGE));
        assert_eq!(Code::of(&HeaderName::from_static("x-other")), None);
        assert_eq!((name(0), name(255)), (None, None));
    }
}
