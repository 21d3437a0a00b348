//! [`Call`]: one request's way through an upstream, and what is left of the request when a try has failed.
//!
//! In: a request, and how long each step may take. Out: for each try, the request once more, if that is
//! possible. Whether it should be is not decided here.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request};

use super::{
    Aim, GivenUp, Onward, Timeouts, dialogue::Dialogue, expiry::Expiry, members::Comer,
    pool::Streams, seats::Seat,
};
use crate::{
    message::{Phase, RequestBody, Upload},
    reject::Reject,
    worker::{Deadline, Worker},
};

/// One request's way through an upstream.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request, until it is sent.
    pub request: Option<Request<RequestBody>>,
    /// The worker that carries it.
    pub worker: &'a Worker,
    /// How long each step may take.
    pub timeout: Timeouts,
    /// The protocol to upgrade to; such a request goes by HTTP/1.1.
    pub upgrade: Option<HeaderValue>,
    /// The end of the whole exchange.
    pub total: Option<Box<Deadline>>,
    /// What says which endpoint it is to have.
    pub aim: Aim,
    /// What a connection begins with that is made for it: a PROXY header.
    pub introduction: Option<Arc<Vec<u8>>>,
    /// Who passes on what an origin says by HTTP/1.1 before its answer, if anybody does.
    pub onward: Option<&'a &'a dyn Onward>,
    /// Where it is written at which endpoint the request was, if it is given up.
    pub given_up: Option<&'a GivenUp>,
    /// How far the client's body has come.
    pub(super) upload: Option<Arc<Upload>>,
    /// Endpoints that were tried.
    pub tries: u32,
    /// How long it took to connect, if a connection was made for it; of several, the last.
    pub connect: Option<Duration>,
    /// When its client gives it up, if that was said.
    pub(super) expiry: Option<Box<Expiry>>,
    /// Its place at the endpoint that it is sent to, where those are counted.
    pub(super) seat: Option<Seat>,
    /// Connections that each endpoint may have.
    pub(super) most_connections: u32,
    /// Whether it does no harm to send it twice.
    pub(super) harmless: bool,
    /// Bytes of its body that are kept for that.
    pub(super) keep: u32,
    /// The connection that refused its stream last.
    pub(super) refused: Option<Arc<Streams>>,
    pub(super) turned_away: TurnedAway,
    /// Whether a kept connection that took it ended without an answer.
    pub(super) lost: bool,
    /// Whether the endpoint that failed it may have acted on it.
    pub(super) seen: bool,
    /// Whether any did whose answer is not what comes of it.
    pub arrived: bool,
}

/// How often a request was turned away unseen, so that it may be begun again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TurnedAway {
    /// By an endpoint.
    times: u8,
    /// The same since the endpoint answered somebody else.
    in_vain: u8,
    /// By a kept connection that had ended.
    unsent: u8,
    /// What the endpoint had answered when it happened last.
    pub(super) answers: u16,
}

impl TurnedAway {
    /// Begun again so often, a request fails. An endpoint that retires its connections often, under load,
    /// turns away whoever comes at that moment: bad luck, which does not last.
    const MOST: u8 = 100;

    /// The same if nobody is answered meanwhile: it is no luck then.
    const MOST_IN_VAIN: u8 = 2;

    /// The same for connections that had ended: as many as a pool may have of them.
    const MOST_UNSENT: u8 = 20;

    /// Takes note of one more time; the endpoint has answered so many by now.
    pub(super) const fn once_more(&mut self, answers: u16) {
        if answers != self.answers {
            self.in_vain = 0;
        }
        self.answers = answers;
        self.times = self.times.saturating_add(1);
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// Takes note that a connection ended before it took the request. That tells of the connection, not
    /// of the endpoint: of others that were kept the same may be true.
    pub(super) const fn not_sent(&mut self) {
        self.unsent = self.unsent.saturating_add(1);
    }

    /// Whether the request was turned away so often that it is to fail.
    const fn too_often(self) -> bool {
        self.times > Self::MOST
            || self.in_vain > Self::MOST_IN_VAIN
            || self.unsent > Self::MOST_UNSENT
    }
}

impl<'a> Call<'a> {
    /// A request's way, with these times. The request is in origin form, with `Host`.
    #[inline]
    pub fn new(request: Request<RequestBody>, worker: &'a Worker, timeout: Timeouts) -> Self {
        let total = timeout.total.map(|total| Box::new(Deadline::new(&worker.clock, total)));
        let upload = request.body().upload().cloned();
        let request = Some(request);
        let (tries, refused, turned_away) = (0, None, TurnedAway::default());
        Self {
            request,
            worker,
            timeout,
            upgrade: None,
            total,
            aim: Aim::default(),
            introduction: None,
            onward: None,
            given_up: None,
            upload,
            tries,
            connect: None,
            expiry: None,
            seat: None,
            most_connections: u32::MAX,
            harmless: false,
            keep: 0,
            refused,
            turned_away,
            lost: false,
            seen: false,
            arrived: false,
        }
    }

    /// Who looks for an endpoint.
    pub(super) fn comer(&self) -> Comer<'a> {
        Comer { worker: self.worker, aim: self.aim }
    }

    /// Whether the request may be sent again although an origin may have acted on it, and all of it is, or
    /// will be, at hand.
    pub(super) fn may_be_repeated(&self) -> bool {
        let at_hand =
            |request: &Request<RequestBody>| request.body().may_come_again(self.keep as usize);
        self.harmless && self.request.as_ref().is_some_and(at_hand)
    }

    /// Whether all of the request is still at hand.
    pub(super) fn is_at_hand(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.body().is_whole())
    }

    /// A copy of the request, to send while the original stays at hand; none if its body cannot be sent
    /// from its start any more.
    pub(super) fn copy(&mut self) -> Option<Request<RequestBody>> {
        let keep = if self.harmless { self.keep as usize } else { 0 };
        let request = self.request.as_mut()?;
        let mut copy = Request::new(request.body_mut().again(keep)?);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(copy)
    }

    /// Whether the request may be sent on another connection of an endpoint that failed it.
    pub(super) fn may_begin_again(&self) -> bool {
        self.request.is_some() && !self.seen && !self.turned_away.too_often()
    }

    /// Puts a request's body back to its start, or gives the request up if that is not possible.
    pub(super) fn rewind(&mut self) {
        let Some(request) = &mut self.request else { return };
        match request.body_mut().rewind() {
            true => {}
            false => self.request = None,
        }
    }

    /// Takes back what a connection of HTTP/1 was given, if its origin has not said a word.
    pub(super) fn take_back(&mut self, dialogue: &Dialogue) {
        match &self.request {
            _ if dialogue.has_heard() => self.request = None,
            None => self.request = dialogue.kept(),
            Some(_) if self.may_be_repeated() => self.rewind(),
            Some(_) => self.request = None,
        }
    }

    /// How long to wait before it is looked again whether the origin takes too long for the answer's
    /// head. A body that a client sends is part of the request: it has to be gone first.
    pub(super) fn patience(&self) -> Duration {
        let Timeouts { first_byte, idle, .. } = self.timeout;
        match &self.upload {
            None => first_byte,
            Some(upload) => {
                upload.hand_over(&self.worker.clock);
                first_byte.min(idle)
            }
        }
    }

    /// The same once that is over.
    pub(super) fn patience_left(&self) -> Result<Duration, Reject> {
        let Timeouts { first_byte, idle, .. } = self.timeout;
        let Some(upload) = &self.upload else { return Err(Reject::FirstByteTimeout) };
        upload.left(&self.worker.clock, idle, first_byte).map_err(|phase| match phase {
            Phase::Done => Reject::FirstByteTimeout,
            Phase::Taking | Phase::Sending => Reject::IdleTimeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a request is begun again at most if this happens each time.
    fn begun_again(mut happens: impl FnMut(&mut TurnedAway)) -> usize {
        let mut turned_away = TurnedAway::default();
        let mut times = 0;
        loop {
            happens(&mut turned_away);
            if turned_away.too_often() {
                return times;
            }
            times += 1;
        }
    }

    #[test]
    fn a_request_is_not_begun_again_without_end() {
        assert_eq!(begun_again(|away| away.once_more(7)), 2);
        assert_eq!(begun_again(|away| away.once_more(away.answers.wrapping_add(1))), 100);
        assert_eq!(begun_again(TurnedAway::not_sent), 20);
        let mut turn = 0_u16;
        let in_turns = |away: &mut TurnedAway| {
            turn += 1;
            away.not_sent();
            away.once_more(turn / 2);
        };
        assert_eq!(begun_again(in_turns), 20);
        let mut away = TurnedAway::default();
        (0..1_000).for_each(|_| away.once_more(0));
        (0..1_000).for_each(|_| away.not_sent());
        assert!(away.too_often(), "endpoints that are asked later do not make it forget");
    }
}
