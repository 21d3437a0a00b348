//! The guard between a client's socket and hyper: it looks at every byte of the client's half of an
//! HTTP/1 connection and refuses, by name, what is malformed or may be read in two ways.
//!
//! In: the bytes as they were read, in order, cut anywhere. Out: how many of them may go on, where the
//! connection stands, and a [`Reject`] when it must end. It reads no socket, keeps no time, copies and
//! allocates nothing, and changes no byte. What a request means, and whether its form suits its method,
//! is the chain's matter.
//!
//! hyper alone would take a bare LF for a line end, drop `Content-Length` where `Transfer-Encoding` is,
//! and answer what it cannot parse with a bare status. Whatever passes here, hyper parses in the same
//! way. Its own bounds must lie above [`HeadLimits`], or it refuses first: `max_headers` at least the same,
//! `max_header_size` and `max_buf_size` at least 3 more (it counts the empty line before a head).
//!
//! ```text
//! Idle -> Line -> Fields -> Length ------------> Idle, or Hold when an upgrade is asked for
//!                        -> Chunks -> Trailers ->
//! ```

mod authority;
mod chunk;
mod facts;
mod field;
mod input;
mod line;
mod list;
mod octets;
mod preface;
mod target;
#[cfg(test)]
mod tests;
mod value;
mod word;

pub use self::preface::{Preface, h2_preface};
use self::{
    chunk::Chunks,
    facts::{Facts, Framing},
    field::Fields,
    input::{Input, Step},
    line::Line,
};
use crate::{reject::Reject, snapshot::HeadLimits};

/// The longest request line: `http::Uri` takes no longer target.
const LONGEST_LINE: usize = 65_534;

/// What the connection waits for, for the caller's deadlines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// For a request to begin. An empty line before it (RFC 9112, 2.2) does not begin it.
    Idle,
    /// For the rest of a head.
    Head,
    /// For the rest of a body, its trailers included.
    Body,
    /// For [`Guard::resume`] or [`Guard::tunnel`]: the last request asked for an upgrade, all of it has
    /// come, and no byte goes on before that is decided.
    Upgrade,
    /// For nothing: the connection is a tunnel, and its bytes are not looked at any more.
    Tunnel,
    /// For its end: something was refused, and no byte goes on any more.
    Refused,
}

/// The refusal of a message, and what came well before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// How many of the fresh bytes may still go on: up to the beginning of the message when its head is
    /// refused, up to the fault when its body is. Of a head that came in pieces, the earlier pieces
    /// have gone on already; hyper waits for the rest of it, in vain.
    pub accepted: usize,
    /// Why.
    pub reject: Reject,
    /// Whether it is the body of a message whose head has gone on.
    pub in_body: bool,
}

/// The client's half of one HTTP/1 connection, as far as it has come.
pub struct Guard {
    state: State,
    line: Line,
    fields: Fields,
    facts: Facts,
    next: Next,
    /// How many bytes the head or the trailers may still have.
    section_left: usize,
    /// How many bytes the request line may still have.
    line_left: usize,
    heads: u64,
    messages: u64,
}

/// What the next byte belongs to.
///
/// The line's and the fields' own state is not in here: it is cleared in place, for moving it would
/// cost as much as looking at a field.
enum State {
    Idle(Blank),
    Line,
    Fields,
    Length(u64),
    Chunks(Chunks),
    Trailers,
    Hold,
    Tunnel,
    Refused(Reject),
}

/// The empty line that may come before a request.
#[derive(Clone, Copy)]
enum Blank {
    /// It may come.
    Allowed,
    /// Its CR has come.
    Lf,
    /// It has come; a second one is refused.
    Seen,
}

/// What comes after the message.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Next {
    Message,
    Hold,
    Tunnel,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Guard {
    /// A connection on which nothing has come.
    pub const fn new() -> Self {
        Self {
            state: State::Idle(Blank::Allowed),
            line: Line::new(),
            fields: Fields::new(),
            facts: Facts::new(http::Version::HTTP_11),
            next: Next::Message,
            section_left: 0,
            line_left: 0,
            heads: 0,
            messages: 0,
        }
    }

    /// Looks at the bytes that came next, and says how many of them may go on.
    ///
    /// That is all of them, unless an upgrade waits ([`Phase::Upgrade`]): then it is those of the
    /// request that asked for it and of what came before. The caller keeps the rest and reads no more;
    /// after [`resume`](Self::resume) it offers the rest here again, before anything newer, and after
    /// [`tunnel`](Self::tunnel) it passes the rest on.
    ///
    /// # Errors
    ///
    /// When a message is malformed or ambiguous, and ever after, with the same reason.
    pub fn inspect(&mut self, fresh: &[u8], limits: &HeadLimits) -> Result<usize, Refused> {
        let mut input = Input::new(fresh);
        let mut message = 0;
        loop {
            match self.step(&mut input, limits) {
                Ok(Some(())) => {}
                Ok(None) => return Ok(fresh.len() - input.len()),
                Err(reject) => {
                    let in_body = self.phase() == Phase::Body;
                    let accepted = if in_body { fresh.len() - input.len() } else { message };
                    self.state = State::Refused(reject);
                    return Err(Refused { accepted, reject, in_body });
                }
            }
            if matches!(self.state, State::Idle(Blank::Allowed)) {
                message = fresh.len() - input.len();
            }
        }
    }

    /// What the connection waits for.
    pub const fn phase(&self) -> Phase {
        match self.state {
            State::Idle(_) => Phase::Idle,
            State::Line | State::Fields => Phase::Head,
            State::Length(_) | State::Chunks(_) | State::Trailers => Phase::Body,
            State::Hold => Phase::Upgrade,
            State::Tunnel => Phase::Tunnel,
            State::Refused(_) => Phase::Refused,
        }
    }

    /// How many heads have come, all of each.
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// How many messages have come, all of each; one without a body is whole with its head.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// No upgrade happened: the next message may come.
    ///
    /// To be called when the request that asked has its answer, not that of an earlier one in the
    /// pipeline; its number is [`heads`](Self::heads). It may not have come to its end yet. Without
    /// such a request it does nothing.
    pub const fn resume(&mut self) {
        self.next = Next::Message;
        if matches!(self.state, State::Hold) {
            self.state = State::Idle(Blank::Allowed);
        }
    }

    /// The upgrade happened: after its request, everything passes unexamined.
    ///
    /// Without a request that asked for one it does nothing, so that no mistake of the caller opens
    /// the guard.
    pub fn tunnel(&mut self) {
        if self.next == Next::Hold {
            self.next = Next::Tunnel;
            if matches!(self.state, State::Hold) {
                self.state = State::Tunnel;
            }
        }
    }

    /// Goes through the current state, as far as the bytes go.
    fn step(&mut self, input: &mut Input<'_>, limits: &HeadLimits) -> Step<()> {
        let (over, left) = (Reject::HeaderTooLarge, &mut self.section_left);
        match &mut self.state {
            State::Idle(blank) => match blank.advance(input)? {
                Some(()) => self.begin_head(limits),
                None => return Ok(None),
            },
            State::Line => {
                let line = |input: &mut Input<'_>| {
                    let over = Reject::TargetTooLong;
                    input.bounded(&mut self.line_left, over, |input| self.line.advance(input))
                };
                let Some(version) = input.bounded(left, over, line)? else { return Ok(None) };
                self.facts = Facts::new(version);
                self.fields.clear(limits.max_headers);
                self.state = State::Fields;
            }
            State::Fields | State::Trailers => {
                let fields = |input: &mut Input<'_>| self.fields.advance(input, &mut self.facts);
                let Some(()) = input.bounded(left, over, fields)? else { return Ok(None) };
                if matches!(self.state, State::Fields) {
                    self.end_head()?;
                } else {
                    self.end_message();
                }
            }
            State::Length(left) => {
                chunk::skip(input, left);
                if *left > 0 {
                    return Ok(None);
                }
                self.end_message();
            }
            State::Chunks(chunks) => match chunks.advance(input)? {
                Some(()) => self.begin_trailers(limits),
                None => return Ok(None),
            },
            State::Hold => return Ok(None),
            State::Tunnel => {
                input.skip(input.len());
                return Ok(None);
            }
            State::Refused(reject) => return Err(*reject),
        }
        Ok(Some(()))
    }

    fn begin_head(&mut self, limits: &HeadLimits) {
        const LINE_END: usize = 2;
        self.section_left = limits.max_header_size;
        self.line_left = limits.max_request_line.min(LONGEST_LINE) + LINE_END;
        self.line.clear();
        self.state = State::Line;
    }

    fn end_head(&mut self) -> Result<(), Reject> {
        let framing = self.facts.end_of_head()?;
        self.heads += 1;
        self.next = if self.facts.asks_upgrade() { Next::Hold } else { Next::Message };
        match framing {
            Framing::Empty | Framing::Length(0) => self.end_message(),
            Framing::Length(length) => self.state = State::Length(length),
            Framing::Chunked => self.state = State::Chunks(Chunks::new()),
        }
        Ok(())
    }

    fn begin_trailers(&mut self, limits: &HeadLimits) {
        self.section_left = limits.max_header_size;
        self.fields.clear(limits.max_headers);
        self.state = State::Trailers;
    }

    const fn end_message(&mut self) {
        self.messages += 1;
        self.state = match self.next {
            Next::Message => State::Idle(Blank::Allowed),
            Next::Hold => State::Hold,
            Next::Tunnel => State::Tunnel,
        };
    }
}

impl Blank {
    /// Done, before the first byte of a request line.
    fn advance(&mut self, input: &mut Input<'_>) -> Step<()> {
        loop {
            let Some(byte) = input.peek() else { return Ok(None) };
            *self = match (*self, byte) {
                (Self::Allowed, b'\r') => Self::Lf,
                (Self::Lf, b'\n') => Self::Seen,
                (Self::Allowed | Self::Seen, _) => return Ok(Some(())),
                (Self::Lf, _) => return Err(Reject::RequestLine),
            };
            input.skip(1);
        }
    }
}
