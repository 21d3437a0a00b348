//! An answer fetched for whoever waits for it, in a task of its own: it goes on if they go away.
//!
//! In: a request as the origin is to get it, and a [`Pilot`]. Out: by the pilot what everybody may have; to who
//! began it what only they may, and the facts for their log. An answer that may be kept is, when it is whole.
//! It ends with the worker at the latest.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Request, Response, StatusCode, Version, header::CONTENT_LENGTH};
use tokio::{sync::oneshot, time::Instant};

use super::{
    bring::Bring,
    kept::{self, Facts, Made},
    overload::Room,
    parts::Gap,
};
use crate::{
    cache::{
        Cache, Landing, Object, Pilot,
        rules::{self, Asked, Failed, Unkept},
    },
    limit::Heir,
    message::{RequestBody, strip_response},
    reject::Reject,
    snapshot::{View, Way},
    upstream::{Aim, Answer, AnswerBody, Call, Failure, Interims, Onward, Pool},
    worker::{Worker, wall},
};

/// An answer to fetch.
pub(super) struct Fetch {
    pub(super) world: Arc<View>,
    /// The numbers of the route and of the way.
    pub(super) rule: usize,
    pub(super) way: usize,
    pub(super) worker: Worker,
    pub(super) request: Request<RequestBody>,
    pub(super) aim: Aim,
    pub(super) introduction: Option<Arc<Vec<u8>>>,
    /// Who began it, for what its origin says before its answer.
    pub(super) relay: Option<Arc<Interims>>,
    pub(super) pilot: Pilot,
    /// The number of what was made void last, when it began.
    pub(super) stamp: u64,
    pub(super) asked: Asked,
    pub(super) authorized: bool,
    /// What was kept, and is asked about.
    pub(super) stale: Option<Arc<Object>>,
    /// What is missing, if only that is asked for.
    pub(super) gap: Option<Box<Gap>>,
    pub(super) room: Room,
    /// What lets it run if who began it has left.
    pub(super) heirs: Vec<Arc<Heir>>,
}

/// What came of it, for who began it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) tries: u32,
    pub(super) connect: Option<Duration>,
    pub(super) aim: Aim,
    /// Who answered.
    pub(super) endpoint: Option<Arc<Pool>>,
    pub(super) outcome: Outcome,
}

/// What there is.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer that everybody may have: its head, and the status that the origin gave.
    Shared(StatusCode, HeaderMap, StatusCode),
    /// The origin says that what was kept holds; what it says to them alone; and whether it is kept on.
    Holds(Arc<Object>, HeaderMap, Result<(), Unkept>),
    /// An answer for them alone, and why.
    Alone(Box<Response<Box<AnswerBody>>>, Unkept),
    /// What was missing did not come: it is for who began it to ask for what they want themselves.
    Unfit,
    /// None.
    Failed(Failure),
}

/// Who began it.
pub(super) type Back = Option<oneshot::Sender<(Fetched, Option<Room>)>>;

impl Fetch {
    /// Fetches it.
    pub(super) async fn run(mut self, back: Back) {
        let world = self.world.clone();
        let route = &world.routes.targets()[self.rule];
        let (Some(way), Some(cache)) = (route.target.way(self.way), &route.cache) else { return };
        let (answer, mut fetched, sent) = self.ask_for_it(way).await;
        let got = wall() / 1_000;
        self.room.tell(&answer);
        let Answer { response, endpoint } = match answer.and_then(checked) {
            Ok(answer) => answer,
            Err(failure) => {
                let stale = self.stale.clone();
                self.pilot.land(Landing::Failed { reject: Some(failure.reject), stale });
                fetched.outcome = Outcome::Failed(failure);
                return report(back, fetched, None);
            }
        };
        fetched.endpoint = Some(endpoint);
        let parts = [StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
        if parts.contains(&response.status())
            && let Some(gap) = self.gap.take()
        {
            return self.fill(cache, gap, response, (fetched, back), (sent, got)).await;
        }
        match self.judge(cache, &response, (sent, got)) {
            Ok(Judged::Keep(head)) => {
                let headers = response.headers().clone();
                let status = response.status();
                fetched.outcome = Outcome::Shared(status, headers, status);
                self.pilot.land(Landing::Comes(Arc::new(head.object(Vec::new()))));
                report(back, fetched, None);
                self.bring(head, None).run(response.into_body()).await;
            }
            Ok(Judged::Holds(object, own)) => {
                self.pilot.land(Landing::Holds(object.clone()));
                fetched.outcome = Outcome::Holds(object, own, Ok(()));
                report(back, fetched, None);
            }
            Ok(Judged::HoldsOnce(object, why)) => {
                self.pilot.land(self.alone(cache, why));
                fetched.outcome = Outcome::Holds(object, HeaderMap::new(), Err(why));
                report(back, fetched, None);
            }
            Err(why) => {
                let fails = self.stale.is_some() && is_failure(response.status());
                self.pilot.land(match fails {
                    true => Landing::Failed { reject: None, stale: self.stale.clone() },
                    false => self.alone(cache, why),
                });
                if !fails {
                    self.note(cache, why);
                    self.forget(cache, response.status(), why);
                }
                cache.metrics.refuse(self.worker.index, why as usize);
                fetched.outcome = Outcome::Alone(Box::new(response), why);
                report(back, fetched, Some(self.room));
            }
        }
    }

    /// Asks for it, and once more if a 304 comes that says nothing of what is kept, nor to who asks (RFC 9111
    /// section 4.3.4). Says when it asked.
    async fn ask_for_it(&mut self, way: &Way) -> (Result<Answer, Failure>, Fetched, u64) {
        let sent = wall() / 1_000;
        let again = self.stale.is_some().then(|| self.without_conditions());
        let (answer, fetched) = self.ask(way).await;
        match again {
            Some(again) if self.is_of_another(&answer) => {
                self.stale = None;
                self.request = again;
                let sent = wall() / 1_000;
                let (answer, fetched) = self.ask(way).await;
                (answer, fetched, sent)
            }
            _ => (answer, fetched, sent),
        }
    }

    /// The request as it is where nothing is kept.
    fn without_conditions(&self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = self.request.uri().clone();
        *request.version_mut() = self.request.version();
        *request.headers_mut() = self.request.headers().clone();
        rules::conditions(request.headers_mut(), None, None);
        request
    }

    /// Whether an origin says of something else than what is kept that it has not changed.
    fn is_of_another(&self, answer: &Result<Answer, Failure>) -> bool {
        let (Some(stale), Ok(Answer { response, .. })) = (&self.stale, answer) else {
            return false;
        };
        response.status() == StatusCode::NOT_MODIFIED && !is_about(response.headers(), stale)
    }

    async fn ask(&mut self, way: &Way) -> (Result<Answer, Failure>, Fetched) {
        let request = std::mem::replace(&mut self.request, Request::new(RequestBody::Empty));
        let mut call = Call::new(request, &self.worker, way.timeout);
        call.aim = self.aim;
        call.introduction.clone_from(&self.introduction);
        let relay = self.relay.as_deref().map(|relay| relay as &dyn Onward);
        call.onward = relay.as_ref();
        let answer = way.upstream.forward(&mut call).await;
        let (tries, connect, aim) = (call.tries, call.connect, call.aim);
        let outcome = Outcome::Failed(Failure::new(Reject::Internal));
        (answer, Fetched { tries, connect, aim, endpoint: None, outcome })
    }

    /// What is to be done with an answer.
    fn judge(
        &self,
        cache: &Cache,
        response: &Response<Box<AnswerBody>>,
        times: (u64, u64),
    ) -> Result<Judged, Unkept> {
        let facts = self.facts(times);
        let (status, headers) = (response.status(), response.headers());
        if let Some(stale) = &self.stale
            && status == StatusCode::NOT_MODIFIED
        {
            if !is_about(headers, stale) {
                return Err(Unkept::Status);
            }
            return Ok(self.freshen(cache, stale, headers, &facts));
        }
        let (most, _) = cache.memory.bounds();
        if announced(headers).is_some_and(|length| length > most) {
            return Err(Unkept::TooLarge);
        }
        let made = Made::of(cache, &facts, status, headers.clone())?;
        match self.gives_stale(status) {
            true => Err(Unkept::StaleIfError),
            false => Ok(Judged::Keep(Box::new(made))),
        }
    }

    /// What was kept, with what the origin says of it now.
    fn freshen(
        &self,
        cache: &Cache,
        stale: &Arc<Object>,
        by: &HeaderMap,
        facts: &Facts<'_>,
    ) -> Judged {
        match kept::freshen(cache, facts, &self.pilot.key().seek(), stale, by) {
            Ok(fresh) => {
                cache.metrics.store(self.worker.index);
                Judged::Holds(fresh, kept::of_one(cache, facts, stale, by))
            }
            Err(why) => {
                cache.metrics.refuse(self.worker.index, why as usize);
                Judged::HoldsOnce(Arc::new(kept::once(stale, by, facts)), why)
            }
        }
    }

    /// Whether what was kept is given rather than this failure, which takes its place neither in the cache then.
    fn gives_stale(&self, status: StatusCode) -> bool {
        self.stale.as_ref().filter(|_| is_failure(status)).is_some_and(|stale| {
            let resident = stale.resident(Instant::now());
            rules::on_error(&stale.terms, resident, &self.asked, Failed::Said, false)
        })
    }

    /// What was kept is not what the origin says now. What one is told who shows credentials says nothing of that.
    fn forget(&self, cache: &Cache, status: StatusCode, why: Unkept) {
        let there = self.gap.as_ref().and_then(|gap| gap.there.as_ref());
        let holds = is_failure(status) || self.is_about_one(cache, why);
        for old in self.stale.iter().chain(there).filter(|_| !holds) {
            cache.memory.forget(&self.pilot.key().seek(), old);
        }
    }

    /// Puts in what was missing.
    async fn fill(
        self,
        cache: &Cache,
        gap: Box<Gap>,
        response: Response<Box<AnswerBody>>,
        (mut fetched, back): (Fetched, Back),
        times: (u64, u64),
    ) {
        let filled = gap.filled(cache, &self.facts(times), response.headers());
        let (made, headers) = match filled {
            Ok(filled) => filled,
            Err(why) => {
                // If it is not what it was, all of it is asked for next time.
                if self.is_about_one(cache, why) {
                    self.note(cache, why);
                } else if let Some(there) = &gap.there {
                    cache.memory.forget(&self.pilot.key().seek(), there);
                }
                self.pilot.land(self.alone(cache, why));
                fetched.outcome = Outcome::Unfit;
                return report(back, fetched, None);
            }
        };
        let whole = gap.is_whole();
        let status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        fetched.outcome = Outcome::Shared(status, headers, response.status());
        if whole {
            self.pilot.land(Landing::Comes(Arc::new(made.object(Vec::new()))));
        }
        report(back, fetched, None);
        self.bring(Box::new(made), Some(gap)).run(response.into_body()).await;
    }

    fn facts(&self, (sent, got): (u64, u64)) -> Facts<'_> {
        Facts {
            request: &self.pilot.flight().asker.request,
            asked: &self.asked,
            authorized: self.authorized,
            posted: false,
            stamp: self.stamp,
            sent,
            got,
        }
    }

    /// Whether it says nothing of what is for others that an answer is not kept.
    fn is_about_one(&self, cache: &Cache, why: Unkept) -> bool {
        let request = &self.pilot.flight().asker.request;
        why.is_about_one(self.authorized || cache.partition.has_cookies(request))
    }

    /// What it comes to for others that an answer is not kept.
    fn alone(&self, cache: &Cache, why: Unkept) -> Landing {
        match self.is_about_one(cache, why) {
            _ if why == Unkept::Twin => Landing::Again,
            true => Landing::ForOne,
            false => Landing::Alone,
        }
    }

    /// Notes that answers to such requests are not kept. Fields that pass for others are nobody's habit.
    fn note(&self, cache: &Cache, why: Unkept) {
        let (unkept, digest) = (&cache.memory.unkept, self.pilot.digest());
        let digest = match self.is_about_one(cache, why) {
            _ if why == Unkept::Twin => return,
            true => unkept.for_one(digest, self.authorized),
            false => digest,
        };
        unkept.note(digest, Instant::now());
    }

    /// The rest of it.
    fn bring(self, made: Box<Made>, gap: Option<Box<Gap>>) -> Bring {
        let Self { world, rule, worker, pilot, room, heirs, .. } = self;
        Bring { world, rule, worker, pilot, made, gap, _room: room, heirs }
    }
}

/// What is to be done with an answer.
enum Judged {
    Keep(Box<Made>),
    /// It holds; and what is said to who asked alone.
    Holds(Arc<Object>, HeaderMap),
    /// It holds for who asked, and is not kept any longer.
    HoldsOnce(Arc<Object>, Unkept),
}

/// Whether a 304 is about what is kept.
fn is_about(by: &HeaderMap, kept: &Arc<Object>) -> bool {
    let (etag, modified) = kept.open().validators();
    rules::is_about(by, etag.as_ref(), modified.as_ref(), true)
}

/// An answer as far as it is one.
fn checked(answer: Answer) -> Result<Answer, Failure> {
    let Answer { mut response, endpoint } = answer;
    let none = response.status().is_informational();
    if none || !strip_response(response.headers_mut()) {
        let failure = Failure::new(Reject::UpstreamProtocol);
        return Err(Failure { endpoint: Some(endpoint), ..failure });
    }
    *response.version_mut() = Version::HTTP_11;
    Ok(Answer { response, endpoint })
}

/// Whether an origin that says this failed (RFC 5861 section 4).
pub(super) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// The length that a head announces.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn report(back: Back, fetched: Fetched, room: Option<Room>) {
    if let Some(back) = back {
        // Who went away misses nothing.
        let _ = back.send((fetched, room));
    }
}
