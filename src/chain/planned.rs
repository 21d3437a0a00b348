//! [`Planned`]: what a dry run has found out so far, stage by stage.

use bytes::Bytes;
use http::{Request, Response, Uri};

use super::{
    Stage,
    exchange::Exchange,
    plan::{Answer, Outcome, Step},
    source::Source,
};
use crate::{
    auth::Pretended,
    message::{RequestBody, Violations},
    reject::Reject,
};

/// What is planned so far.
#[derive(Default)]
pub(super) struct Planned<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) valid: Option<Request<()>>,
    pub(super) sent: Option<Request<Option<Bytes>>>,
    pub(super) operation: Option<String>,
    pub(super) violations: Violations,
    pub(super) body: RequestBody,
    /// What the stage finds that is under way.
    pub(super) asked: String,
    /// Who makes the request, in place of credentials.
    pub(super) who: Option<&'a Pretended>,
}

impl Planned<'_> {
    /// Notes what the next stage does.
    pub(super) fn note(&mut self, does: impl Into<String>) {
        self.steps.push(Step { stage: self.next(), does: does.into() });
    }

    /// Notes that the next stage finds what it was asked, and refuses nothing.
    pub(super) fn note_asked(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        self.note(asked);
    }

    /// Notes what becomes of the target, behind what was found out about the request.
    pub(super) fn note_target(&mut self, came: &Uri, goes: &Uri) {
        let said = std::mem::take(&mut self.asked);
        self.note(match came == goes {
            true => format!("{said}the target stays `{came}`"),
            false => format!("{said}the target `{came}` becomes `{goes}`"),
        });
    }

    /// The stage after those noted.
    fn next(&self) -> Stage {
        Stage::ALL[self.steps.len().min(Stage::ALL.len() - 1)]
    }

    pub(super) fn refused(
        &mut self,
        exchange: &Exchange,
        reject: Reject,
        answer: Response<Source>,
    ) -> Outcome {
        let stage = self.next();
        let mut why = match self.asked.is_empty() {
            true => String::new(),
            false => format!("; {}", std::mem::take(&mut self.asked).trim_end_matches("; ")),
        };
        if let Some(wrong) = &exchange.violations {
            why += &wrong.listed();
            self.violations = Violations::clone(wrong);
        }
        self.note(format!("refuses: {} {}{why}", reject.code(), reject.reason()));
        Outcome::Refused { stage, reject, answer: made(exchange, answer) }
    }
}

/// An answer of Janua's own, as it leaves.
pub(super) fn made(exchange: &Exchange, mut answer: Response<Source>) -> Answer {
    exchange.sign(answer.headers_mut());
    answer.map(|source| match source {
        Source::Made(bytes) => *bytes,
        Source::Empty
        | Source::Origin(_)
        | Source::Kept(_)
        | Source::Shared(_)
        | Source::Begun(_)
        | Source::Watched(_)
        | Source::Translated(_)
        | Source::Broken(_) => Bytes::new(),
    })
}
