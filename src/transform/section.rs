//! `transform` of a route, compiled.
//!
//! In: what the operator wrote; then bodies. Out: what becomes of them, or why nothing does.

use http::StatusCode;

use super::{
    bound::{Ended, within},
    filter::{Filter, Known, MAX_SIZE, Variable, Wrong},
    value::Val,
};
use crate::{
    config::{self, Other, Path, Problem, Problems, read_text_file_up_to},
    message::{DEPTH, JsonError, parse_json},
    reject::Reject,
};

/// Steps that a worker does itself: about a millisecond.
pub(super) const FEW_STEPS: u32 = 8_192;

/// Stack that they may take there.
const LITTLE_STACK: usize = 512 << 10;

/// Stack that a filter may take where it has one for itself.
const MUCH_STACK: usize = 16 << 20;

/// Stack that may be needed to drop what a step made: what is nested as deep as there were steps.
const DROPPED: usize = 96;

/// How much may be done for a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effort {
    /// As much as a worker may do itself.
    Little,
    /// As much as the operator says, on a stack of [`Transform::stack`].
    All,
}

/// Why nothing becomes of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failed {
    /// It is no JSON.
    Syntax(JsonError),
    /// The filter would have taken too much, or the values would have been nested too deeply.
    TooMuch,
    /// What came of it is too large.
    TooLarge,
    /// The filter fails, and says why; that is for the log.
    Said(String),
}

impl Failed {
    /// How a request ends for it whose answer was to be changed.
    pub const fn of_answer(&self) -> Reject {
        match self {
            Self::Syntax(_) | Self::Said(_) => Reject::TransformAnswer,
            Self::TooMuch => Reject::TransformAnswerSteps,
            Self::TooLarge => Reject::TransformTooLarge,
        }
    }
}

/// What becomes of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Made {
    /// Its body, if that is another.
    pub body: Option<Vec<u8>>,
    /// Its status, if that is another.
    pub status: Option<StatusCode>,
}

/// Filters for a route's bodies.
#[derive(Debug)]
pub struct Transform {
    request: Option<Filter>,
    response: Option<Filter>,
    status: Option<Filter>,
    /// Whether answers that tell of a failure are changed too.
    pub errors: bool,
    /// Whether bodies that are no JSON pass.
    pub passes_other: bool,
    /// Bytes of a body, before and after.
    pub max_body: u64,
    max_steps: u32,
}

impl Transform {
    /// Compiles a section.
    pub fn compile(
        section: &config::Transform,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut filter = |written: &Option<config::Filter>, key: &'static str, variables| {
            let said = |(what, help): (String, Option<String>)| {
                Problem::error(at.key(key), what).help_if(help)
            };
            let compiled = compile(written.as_ref()?, variables);
            let compiled = compiled.map_err(|wrong| wrong.into_iter().map(said));
            compiled.map_err(|wrong| problems.extend(wrong)).ok()
        };
        let request = filter(&section.request, "request", Variable::REQUEST);
        let response = filter(&section.response, "response", Variable::ANSWER);
        let status = filter(&section.status, "status", Variable::ANSWER);
        if section.request.is_none() && section.response.is_none() && section.status.is_none() {
            let problem = Problem::error(at.clone(), "there is no filter, so nothing is changed");
            problems.push(problem.help("request = \".items | map({id, name})\""));
        }
        Some(Self {
            request,
            response,
            status,
            errors: section.errors,
            passes_other: section.other == Other::Pass,
            max_body: section.max_body.0,
            max_steps: section.max_steps,
        })
    }

    /// Whether requests are changed.
    pub fn changes_requests(&self) -> bool {
        self.request.is_some()
    }

    /// Whether answers are.
    pub fn changes_answers(&self) -> bool {
        self.response.is_some() || self.status.is_some()
    }

    /// Whether an answer of this status is changed: those that redirect or have no body are not.
    pub fn takes(&self, status: StatusCode) -> bool {
        let bare = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&status);
        let fails = status.is_client_error() || status.is_server_error();
        !bare && (status.is_success() || fails && self.errors)
    }

    /// Whether bodies of answers are.
    pub fn changes_bodies(&self) -> bool {
        self.response.is_some()
    }

    /// What is looked at of a request to change it.
    pub fn of_request(&self) -> impl Iterator<Item = Variable> {
        self.request.iter().flat_map(Filter::used).copied()
    }

    /// What is looked at to change its answer.
    pub fn of_answer(&self) -> impl Iterator<Item = Variable> {
        let filters = [&self.response, &self.status];
        let used = filters.map(|filter| filter.as_ref().map_or(&[][..], Filter::used));
        Variable::ANSWER
            .iter()
            .copied()
            .filter(move |variable| used.iter().any(|used| used.contains(variable)))
    }

    /// The stack that all effort needs.
    pub const fn stack(&self) -> usize {
        2 * MUCH_STACK + self.max_steps as usize * DROPPED
    }

    /// What becomes of a request's body.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn request(&self, body: &[u8], known: &Known, effort: Effort) -> Result<Vec<u8>, Failed> {
        let Some(filter) = &self.request else { return Ok(body.to_vec()) };
        self.within(effort, || {
            let made = filter.one(read(body)?, known).map_err(Failed::Said)?;
            self.write(&made)
        })
    }

    /// What becomes of an answer.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn answer(&self, body: &[u8], known: &Known, effort: Effort) -> Result<Made, Failed> {
        self.within(effort, || {
            let value = read(body)?;
            let status = self.status.as_ref().map(|filter| filter.one(value.clone(), known));
            let status =
                status.transpose().and_then(|status| status_of(&status.unwrap_or_default()));
            let made = self.response.as_ref().map(|filter| filter.one(value, known));
            let made = made.transpose().map_err(Failed::Said)?;
            let body = made.map(|made| self.write(&made)).transpose()?;
            Ok(Made { body, status: status.map_err(Failed::Said)? })
        })
    }

    /// Whether more may be done than a worker does itself.
    pub(super) const fn does_more(&self) -> bool {
        self.max_steps > FEW_STEPS
    }

    /// What becomes of a value in a stream: each value that the filter gives, written; all together they are no
    /// larger than a body. The steps are added to those that are told.
    ///
    /// # Errors
    /// Why nothing does.
    pub(super) fn item(
        &self,
        (item, known): (&[u8], &Known),
        effort: Effort,
        steps: &mut u64,
        mut write: impl FnMut(&[u8]),
    ) -> Result<(), Failed> {
        let Some(filter) = &self.response else {
            write(item);
            return Ok(());
        };
        let (done, took) = self.counted(effort, || {
            let mut left = usize::try_from(self.max_body).unwrap_or(usize::MAX);
            let mut large = false;
            let given = filter.run(read(item)?, known, |value| match value.write(left) {
                Some(made) => {
                    left -= made.len();
                    write(&made);
                    Ok(())
                }
                None => {
                    large = true;
                    Err(String::new())
                }
            });
            given.map_err(|said| if large { Failed::TooLarge } else { Failed::Said(said) })
        });
        *steps += took;
        done
    }

    fn within<T>(
        &self,
        effort: Effort,
        work: impl FnOnce() -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        self.counted(effort, work).0
    }

    fn counted<T>(
        &self,
        effort: Effort,
        work: impl FnOnce() -> Result<T, Failed>,
    ) -> (Result<T, Failed>, u64) {
        let (steps, stack) = match effort {
            Effort::Little => (FEW_STEPS.min(self.max_steps), LITTLE_STACK),
            Effort::All => (self.max_steps, MUCH_STACK),
        };
        let (done, took) = within(u64::from(steps), stack, work);
        let done = done.unwrap_or_else(|ended| {
            Err(match ended {
                Ended::TooMuch => Failed::TooMuch,
                Ended::Fault => Failed::Said("the interpreter fails".into()),
            })
        });
        (done, took)
    }

    fn write(&self, value: &Val) -> Result<Vec<u8>, Failed> {
        let most = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        value.write(most).ok_or(Failed::TooLarge)
    }
}

fn read(body: &[u8]) -> Result<Val, Failed> {
    parse_json(body, DEPTH).map(Val::from).map_err(Failed::Syntax)
}

/// The status that a filter says; `null` is none.
fn status_of(value: &Val) -> Result<Option<StatusCode>, String> {
    let status = match value {
        Val::Null => return Ok(None),
        Val::Int(status) => u16::try_from(*status).ok(),
        _ => None,
    };
    // An answer to nobody's condition is not one that is the same as before.
    let status = status.filter(|status| (200..600).contains(status) && *status != 304);
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    status.map(Some).ok_or_else(|| "`status` gives no status".into())
}

/// Compiles a filter; or what to say, and what to do about it.
fn compile(
    written: &config::Filter,
    variables: &'static [Variable],
) -> Result<Filter, Vec<(String, Option<String>)>> {
    let (file, text) = match written {
        config::Filter::Text(text) => (None, text.clone()),
        config::Filter::File(table) => {
            let text = read_text_file_up_to(&table.file, MAX_SIZE);
            (Some(&table.file), text.map_err(|what| vec![(what, None)])?)
        }
    };
    if text.len() as u64 > MAX_SIZE {
        let what = format!("it has more than {MAX_SIZE} bytes");
        return Err(vec![(what, Some("write it into a file, and shorter".into()))]);
    }
    Filter::compile(&text, variables).map_err(|wrong| {
        let say = |Wrong { line, column, what, help }: Wrong| {
            let file = file.map(|file| format!("{}:", file.display())).unwrap_or_default();
            (format!("{file}{line}:{column}: {what}"), help)
        };
        wrong.into_iter().map(say).collect()
    })
}
