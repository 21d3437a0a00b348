//! Stage 10 of a request that may go only so far (RFC 9110 section 7.6.2).

use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, MAX_FORWARDS},
    request::Parts,
};

use super::{exchange::Exchange, source::Source};
use crate::{message::text, reject::Reject};

impl Exchange {
    /// The answer to an `OPTIONS` that goes no further than here; of others a hop is taken off.
    ///
    /// # Errors
    /// The reason to refuse a `TRACE` that goes no further: what it came with is shown to nobody.
    #[inline]
    pub(super) fn end_of_way(&self, head: &mut Parts) -> Result<Option<Response<Source>>, Reject> {
        match head.method {
            Method::OPTIONS | Method::TRACE => self.take_a_hop(head),
            _ => Ok(None),
        }
    }

    #[cold]
    fn take_a_hop(&self, head: &mut Parts) -> Result<Option<Response<Source>>, Reject> {
        let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let hops = head.headers.get(MAX_FORWARDS).map(text).filter(digits);
        // What is no number says nothing.
        let Some(hops) = hops.and_then(|hops| hops.parse::<u64>().ok()) else { return Ok(None) };
        if let Some(left) = hops.checked_sub(1) {
            head.headers.insert(MAX_FORWARDS, left.into());
            return Ok(None);
        }
        if head.method == Method::TRACE {
            return Err(Reject::MethodRefused);
        }
        let mut answer = Response::new(Source::Empty);
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let methods = self.rule.into_iter().flat_map(|rule| self.world.routes.methods(rule));
        let methods: Vec<_> = methods.map(Method::as_str).collect();
        if !methods.is_empty()
            && let Ok(methods) = HeaderValue::try_from(methods.join(", "))
        {
            answer.headers_mut().insert(ALLOW, methods);
        }
        Ok(Some(answer))
    }
}
