//! A filter in the language of jq: compiled at load, run within bounds.
//!
//! In: its text, once; then a value and what is known of the message. Out: the values that it gives. What is
//! wrong with the text is said with its place.

use std::{fmt, thread};

use jaq_core::{
    Compiler, Ctx, Error, Exn, Vars,
    compile::Undefined,
    load::{
        self, Arena, File, Loader,
        lex::{self, StrPart, Tok, Token},
        parse,
    },
};
use serde_json::Value;

use super::{
    library::{Data, Table, definitions, is_forbidden, natives},
    recursion::hands_on,
    value::Val,
};

/// The longest text of a filter.
pub(super) const MAX_SIZE: u64 = 64 << 10;

/// How deep brackets may be nested in it.
const MAX_NESTED: usize = 64;

/// How many parts may be within each other without brackets.
const MAX_PARTS: usize = 4_000;

/// Stack to read it on, which so many parts may need.
const STACK: usize = 128 << 20;

/// Words within which others are.
const WORDS: [&str; 8] = ["and", "def", "foreach", "if", "label", "or", "reduce", "try"];

/// Characters of what a filter says when it fails.
const SAID: usize = 200;

/// What a filter may look at beside the value that it is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Variable {
    /// Header fields of the message.
    Headers,
    /// The request's query.
    Query,
    /// The parameters of its path.
    Params,
    /// Its method.
    Method,
    /// Its path.
    Path,
    /// Who makes it.
    Identity,
    /// The status of the answer.
    Status,
}

impl Variable {
    /// Those of a request.
    pub(super) const REQUEST: &'static [Self] =
        &[Self::Headers, Self::Query, Self::Params, Self::Method, Self::Path, Self::Identity];

    /// Those of an answer.
    pub(super) const ANSWER: &'static [Self] = &[
        Self::Headers,
        Self::Query,
        Self::Params,
        Self::Method,
        Self::Path,
        Self::Identity,
        Self::Status,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Headers => "$headers",
            Self::Query => "$query",
            Self::Params => "$params",
            Self::Method => "$method",
            Self::Path => "$path",
            Self::Identity => "$identity",
            Self::Status => "$status",
        }
    }
}

/// Something wrong with the text of a filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    /// Its line, from 1.
    pub(super) line: usize,
    /// The character in the line, from 1.
    pub(super) column: usize,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

/// A filter.
pub(super) struct Filter {
    filter: jaq_core::Filter<Data>,
    variables: &'static [Variable],
    used: Vec<Variable>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("used", &self.used).finish_non_exhaustive()
    }
}

/// What is known of a message: a value for each variable that is used.
pub type Known = Vec<(Variable, Value)>;

impl Filter {
    /// Compiles a text with these variables.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn compile(text: &str, variables: &'static [Variable]) -> Result<Self, Vec<Wrong>> {
        if let Some(at) = too_nested(text) {
            return Err(vec![wrong(text, at, "it is nested too deeply".into(), None)]);
        }
        let parts = lex::Lexer::new(text).lex().map_or(0, |tokens| parts(&tokens));
        if parts > MAX_PARTS {
            let help = "split it into filters of its own by `def` and brackets, or make it shorter";
            let what = format!("it has {parts} parts within each other; {MAX_PARTS} may be");
            return Err(vec![wrong(text, 0, what, Some(help.into()))]);
        }
        let read = thread::scope(|scope| {
            let thread = thread::Builder::new().name("filter".into()).stack_size(STACK);
            thread.spawn_scoped(scope, || Self::read(text, variables)).ok()?.join().ok()
        });
        read.unwrap_or_else(|| Err(vec![wrong(text, 0, "nobody can read it".into(), None)]))
    }

    fn read(text: &str, variables: &'static [Variable]) -> Result<Self, Vec<Wrong>> {
        let arena = Arena::default();
        let loaded = Loader::new(definitions()).load(&arena, File { code: text, path: () });
        let modules = loaded.map_err(|errors| {
            errors.into_iter().flat_map(|(_, error)| not_read(text, error)).collect::<Vec<_>>()
        })?;
        let Some(term) = parse(text, |parser| parser.term()) else {
            let what = "a filter is one expression, without modules".into();
            return Err(vec![wrong(text, 0, what, Some("write what is imported into it".into()))]);
        };
        if let Some(name) = hands_on(&term) {
            let what = format!("`{name}` calls itself at its end with a filter as an argument");
            let help = "define what repeats without arguments, within: `def f(g): def again: g | again; again;`";
            return Err(vec![wrong(text, offset(text, name), what, Some(help.into()))]);
        }
        let names = variables.iter().map(|variable| variable.name());
        let compiler = Compiler::default().with_funs(natives()).with_global_vars(names);
        let filter = compiler.compile(modules).map_err(|errors| {
            let errors = errors.into_iter().flat_map(|(_, errors)| errors);
            errors.map(|error| undefined(text, variables, &error)).collect::<Vec<_>>()
        })?;
        let used = variables.iter().copied().filter(|variable| text.contains(variable.name()));
        Ok(Self { filter, variables, used: used.collect() })
    }

    /// The variables that it looks at.
    pub(super) fn used(&self) -> &[Variable] {
        &self.used
    }

    /// The values that it gives, until one is refused; within bounds that somebody else sets.
    ///
    /// # Errors
    /// What the filter says, or why a value is refused.
    pub(super) fn run(
        &self,
        input: Val,
        known: &Known,
        mut take: impl FnMut(Val) -> Result<(), String>,
    ) -> Result<(), String> {
        let value = |variable: &Variable| {
            let known = known.iter().find(|(name, _)| name == variable);
            known.map_or(Val::Null, |(_, value)| Val::from(value.clone()))
        };
        let values = Vars::new(self.variables.iter().map(value));
        let context = Ctx::<Data>::new(Table(&self.filter.lut), values);
        for output in self.filter.id.run((context, input)) {
            take(output.map_err(|exception| said(exception))?)?;
        }
        Ok(())
    }

    /// The one value that it gives.
    ///
    /// # Errors
    /// What the filter says, or that it gives none or several.
    pub(super) fn one(&self, input: Val, known: &Known) -> Result<Val, String> {
        let mut only = None;
        self.run(input, known, |value| match only.replace(value) {
            None => Ok(()),
            Some(_) => Err("it gives more than one value".into()),
        })?;
        only.ok_or_else(|| "it gives no value".into())
    }
}

/// What a filter says when it fails, cut short.
fn said(exception: Exn<'_, Val>) -> String {
    let mut text = exception
        .get_err()
        .map_or_else(|_| "it breaks off".into(), |error| Error::to_string(&error));
    if let Some((end, _)) = text.char_indices().nth(SAID) {
        text.truncate(end);
        text.push_str("..");
    }
    text
}

/// Where brackets are nested too deeply, if they are.
fn too_nested(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_NESTED
    })
}

/// How many parts may be within each other, at most: each operator and word of the language makes one.
fn parts(tokens: &[Token<&str>]) -> usize {
    let (mut own, mut inner) = (0, 0);
    for Token(text, token) in tokens {
        match token {
            Tok::Sym => own += usize::from(![".", ":", ";"].contains(text)),
            Tok::Word => own += usize::from(WORDS.contains(text)),
            Tok::Block(tokens) => inner = inner.max(parts(tokens)),
            Tok::Str(all) => {
                let terms = all.iter().filter_map(|part| match part {
                    StrPart::Term(Token(_, Tok::Block(tokens))) => Some(parts(tokens)),
                    _ => None,
                });
                inner = inner.max(terms.max().unwrap_or(0));
            }
            Tok::Var | Tok::Fmt | Tok::Num => {}
        }
    }
    own + inner
}

/// Something wrong at so many bytes.
fn wrong(text: &str, at: usize, what: String, help: Option<String>) -> Wrong {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Wrong { line, column, what, help }
}

/// Where a part of a text begins in it; at its end, if it is none.
fn offset(text: &str, part: &str) -> usize {
    let at = part.as_ptr().addr().checked_sub(text.as_ptr().addr());
    at.filter(|at| *at <= text.len()).unwrap_or(text.len())
}

/// A few characters to know a place by.
fn found(part: &str) -> String {
    let word: String = part.chars().take(12).collect();
    if word.trim().is_empty() { "its end".into() } else { format!("`{}`", word.trim_end()) }
}

fn not_read(text: &str, error: load::Error<&str>) -> Vec<Wrong> {
    let one = |part: &str, expected: &str| {
        let what = format!("expected {expected}, found {}", found(part));
        wrong(text, offset(text, part), what, None)
    };
    let lexed = |(expected, part): (lex::Expect<&str>, &str)| one(part, expected.as_str());
    let parsed = |(expected, part): (parse::Expect<&str>, &str)| one(part, expected.as_str());
    match error {
        load::Error::Lex(errors) => errors.into_iter().map(lexed).collect(),
        load::Error::Parse(errors) => errors.into_iter().map(parsed).collect(),
        load::Error::Io(errors) => {
            let what = || "a filter is one expression, without modules".to_owned();
            let help = || Some("write what is imported into it".to_owned());
            let one = |(part, _): (&str, String)| wrong(text, offset(text, part), what(), help());
            errors.into_iter().map(one).collect()
        }
    }
}

fn undefined(text: &str, variables: &[Variable], (name, kind): &(&str, Undefined)) -> Wrong {
    let (what, help) = match kind {
        Undefined::Filter(_) if is_forbidden(name) => (
            format!("`{name}` is not for filters here"),
            Some("a filter sees the message and its variables, nothing else".to_owned()),
        ),
        Undefined::Filter(0) => (format!("there is no filter `{name}`"), None),
        Undefined::Filter(arity) => {
            (format!("there is no filter `{name}` that takes {arity} arguments"), None)
        }
        Undefined::Var => {
            let names: Vec<_> = variables.iter().map(|variable| variable.name()).collect();
            (
                format!("there is no variable `{name}`"),
                Some(format!("there are {}", names.join(", "))),
            )
        }
        other => (format!("there is no {} `{name}`", other.as_str()), None),
    };
    wrong(text, offset(text, name), what, help)
}
