//! Stages 2, 3 and 11 of a route that pages of other origins may use: a browser's question ahead is answered before
//! anybody is asked who they are, and every answer says what the page may.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header::ORIGIN, request::Parts};

use super::{exchange::Exchange, source::Source};
use crate::{
    cors::{Cors, Preflight},
    reject::Reject,
    route::Found,
    snapshot::{Route, Snapshot},
};

/// The page that a request is of, on a route that says what pages may.
pub(super) struct Page {
    origin: Option<HeaderValue>,
    /// What a browser asks ahead.
    asked: Option<Preflight>,
}

impl Exchange {
    /// The route that takes what a browser asks ahead for a page, if it says what pages may; else it is an `OPTIONS`
    /// as any other.
    #[cold]
    pub(super) fn ahead_of<'w, 'p>(
        &self,
        world: &'w Snapshot,
        head: &Parts,
        target: &'p http::Uri,
    ) -> Option<(Preflight, Found<'w, 'p, Route>)> {
        let asked = Preflight::of(&head.headers)?;
        let found = world.routes.find(&self.query(target, &asked.method, &head.headers));
        let says = matches!(&found, Found::Route { target: route, .. } if route.cors.is_some());
        says.then_some((asked, found))
    }

    /// Notes whose page a request is of, and what its browser asks ahead.
    #[cold]
    pub(super) fn note_page(&mut self, headers: &HeaderMap, asked: Option<Preflight>) {
        self.page = Some(Box::new(Page { origin: headers.get(ORIGIN).cloned(), asked }));
    }

    /// The answer to what a browser asks ahead, if this request does.
    #[inline]
    pub(super) fn answer_ahead(
        &self,
        headers: &HeaderMap,
    ) -> Option<Result<Response<Source>, Reject>> {
        self.page.as_ref().and_then(|page| self.answer_page(page, headers))
    }

    #[cold]
    fn answer_page(
        &self,
        page: &Page,
        headers: &HeaderMap,
    ) -> Option<Result<Response<Source>, Reject>> {
        let (cors, asked) = (self.cors()?, page.asked.as_ref()?);
        Some(match cors.answer(asked, headers) {
            Ok(fields) => {
                let mut answer = Response::new(Source::Empty);
                *answer.status_mut() = StatusCode::NO_CONTENT;
                *answer.headers_mut() = fields;
                Ok(answer)
            }
            Err(_) => Err(Reject::CorsRefused),
        })
    }

    /// Says in an answer what its page may.
    #[cold]
    pub(super) fn sign_for_page(&self, answer: &mut HeaderMap) {
        if let (Some(cors), Some(page)) = (self.cors(), &self.page) {
            cors.sign(page.origin.as_ref(), answer);
        }
    }

    /// What the page may, for people.
    pub(super) fn explain_page(&self, headers: &HeaderMap) -> String {
        let Some((cors, page)) = self.cors().zip(self.page.as_ref()) else { return String::new() };
        let Some(origin) = &page.origin else { return String::new() };
        match &page.asked {
            None => format!("; {}", cors.describe(origin)),
            Some(asked) => match cors.answer(asked, headers) {
                Ok(_) => format!("; asked ahead for {}, which pages may", asked.method),
                Err(why) => format!("; asked ahead for {}: {}", asked.method, why.0),
            },
        }
    }

    fn cors(&self) -> Option<&Cors> {
        self.route()?.cors.as_deref()
    }
}
