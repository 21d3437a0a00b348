//! A document of GraphQL: its operations, and what is wrong with them.
//!
//! In: a text. Out: a [`Document`], also of a text that is none: what is wrong is remembered like the rest, so
//! that it costs the same once. The parser stops at a number of tokens and at a depth; then shapes are counted,
//! and only what keeps within them is held to the schema.

use std::{collections::HashSet, path::Path, sync::Arc};

use apollo_compiler::{
    ExecutableDocument,
    ast::{self, Definition},
    executable,
    parser::Parser,
    validation::{DiagnosticList, Valid},
};

use super::{
    Refused,
    cost::Meter,
    schema::Types,
    shape::{Shape, Shapeless, Walk},
};
use crate::{
    config,
    message::{Violation, Violations},
    reject::Reject,
};

/// How deep a document may be nested in any way, whatever the operator says: what reads it goes as deep.
pub(super) const MOST_DEPTH: u16 = 100;

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It reads.
    Query,
    /// It changes something.
    Mutation,
    /// It waits for what happens.
    Subscription,
}

impl Kind {
    /// Its word, GraphQL's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

impl From<ast::OperationType> for Kind {
    fn from(kind: ast::OperationType) -> Self {
        match kind {
            ast::OperationType::Query => Self::Query,
            ast::OperationType::Mutation => Self::Mutation,
            ast::OperationType::Subscription => Self::Subscription,
        }
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: Kind,
    pub(super) shape: Shape,
    /// What it costs, if its variables have no part in that.
    pub(super) cost: Option<f64>,
}

/// What documents may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    pub(super) tokens: usize,
    /// What each operation may be, if that is bounded.
    pub(super) guard: Option<&'a config::Guard>,
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    /// With the types of everything, if there is a schema that it fits.
    pub(super) executable: Option<Valid<ExecutableDocument>>,
    /// What is wrong with it.
    pub(super) fault: Option<Refused>,
}

impl Document {
    /// Reads a text.
    pub(super) fn read(text: &str, types: Option<&Types>, bounds: Bounds<'_>) -> Self {
        let mut document = Self::default();
        let done = document.fill(text, types, bounds);
        document.fault = done.err().map(|fault| *fault);
        document
    }

    fn fill(
        &mut self,
        text: &str,
        types: Option<&Types>,
        bounds: Bounds<'_>,
    ) -> Result<(), Box<Refused>> {
        let ast = parse(text, bounds.tokens)?;
        let mut walk = Walk::new(&ast);
        let (mut named, mut fragments) = (Vec::new(), HashSet::new());
        for definition in &ast.definitions {
            match definition {
                Definition::OperationDefinition(operation) => {
                    let shape = walk.set(&operation.selection_set).map_err(shapeless)?;
                    let variables = operation.variables.iter().map(|it| it.directives.len());
                    let own = operation.directives.len() + variables.sum::<usize>();
                    let directives = shape.directives.saturating_add(own as u64);
                    let name = operation.name.as_ref().map(|name| Arc::from(name.as_str()));
                    if named.contains(&name) {
                        let what = "there are two operations of one name, or without one";
                        return Err(wrong(Reject::GraphqlValidation, what));
                    }
                    named.push(name.clone());
                    self.operations.push(Operation {
                        name,
                        kind: operation.operation_type.into(),
                        shape: Shape { directives, ..shape },
                        cost: None,
                    });
                }
                Definition::FragmentDefinition(fragment) => {
                    // Nobody knows which one the service would take.
                    if !fragments.insert(&fragment.name) {
                        let what = "there are two fragments of one name";
                        return Err(wrong(Reject::GraphqlValidation, what));
                    }
                }
                _ => {
                    let what = "there is something else in it than operations and fragments";
                    return Err(wrong(Reject::GraphqlValidation, what));
                }
            }
        }
        walk.fragments().map_err(shapeless)?;
        if self.operations.is_empty() {
            return Err(wrong(Reject::GraphqlOperation, "there is no operation in it"));
        }
        if let Some(guard) = bounds.guard {
            self.operations.iter().try_for_each(|operation| bounded(operation, guard))?;
        }
        let Some(types) = types else { return Ok(()) };
        let executable = ast.to_executable_validate(&types.schema);
        let executable = executable.map_err(|wrong| invalid(&wrong.errors))?;
        for operation in &mut self.operations {
            let name = operation.name.as_deref();
            let Ok(found) = executable.operations.get(name) else { continue };
            operation.cost = Meter::new(types, &executable, found).constant()?;
        }
        self.executable = Some(executable);
        Ok(())
    }

    /// The operation of this name, or the only one.
    pub(super) fn operation(&self, name: Option<&str>) -> Option<&Operation> {
        match name {
            Some(name) => self.operations.iter().find(|it| it.name.as_deref() == Some(name)),
            None if self.operations.len() == 1 => self.operations.first(),
            None => None,
        }
    }

    /// The same, with its types.
    pub(super) fn typed(&self, operation: &Operation) -> Option<&executable::Operation> {
        let document = self.executable.as_ref()?;
        document.operations.get(operation.name.as_deref()).ok().map(|found| &**found)
    }
}

fn parse(text: &str, tokens: usize) -> Result<ast::Document, Box<Refused>> {
    let depth = usize::from(MOST_DEPTH) + 8;
    let mut parser = Parser::new().token_limit(tokens).recursion_limit(depth);
    let parsed = parser.parse_ast(text, Path::new("query"));
    if parser.tokens_reached() > tokens {
        return Err(Box::new(Refused::by(Reject::GraphqlTokens)));
    }
    if parser.recursion_reached() > depth {
        return Err(Box::new(Refused::by(Reject::GraphqlDepth)));
    }
    parsed.map_err(|wrong| {
        let violations = told(&wrong.errors);
        Box::new(Refused::with(Reject::GraphqlSyntax, violations))
    })
}

fn bounded(operation: &Operation, guard: &config::Guard) -> Result<(), Box<Refused>> {
    let shape = &operation.shape;
    for (found, most, reject, what) in [
        (shape.depth, guard.max_depth.into(), Reject::GraphqlDepth, "levels"),
        (shape.roots, guard.max_root_fields, Reject::GraphqlRootFields, "fields at its top"),
        (shape.aliases, guard.max_aliases, Reject::GraphqlAliases, "aliases"),
        (shape.directives, guard.max_directives, Reject::GraphqlDirectives, "directives"),
        (shape.fields, guard.max_fields, Reject::GraphqlFields, "fields"),
    ] {
        if found > u64::from(most) {
            let name =
                operation.name.as_deref().map_or_else(String::new, |name| format!(" `{name}`"));
            let what = format!("the operation{name} has {found} {what}; {most} may be");
            return Err(wrong(reject, &what));
        }
    }
    Ok(())
}

fn shapeless(shapeless: Shapeless) -> Box<Refused> {
    match shapeless {
        Shapeless::Deep => Box::new(Refused::by(Reject::GraphqlDepth)),
        Shapeless::Circle(name) => {
            wrong(Reject::GraphqlFragments, &format!("the fragment `{name}` leads to itself"))
        }
        Shapeless::Missing(name) => {
            wrong(Reject::GraphqlFragments, &format!("there is no fragment `{name}`"))
        }
    }
}

fn invalid(errors: &DiagnosticList) -> Box<Refused> {
    Box::new(Refused::with(Reject::GraphqlValidation, told(errors)))
}

/// Something wrong with a document.
pub(super) fn wrong(reject: Reject, what: &str) -> Box<Refused> {
    Box::new(Refused::with(reject, Violation::body("/query", shortened(what))))
}

/// Bytes of a sentence.
const LONGEST: usize = 240;

/// A sentence in which names of clients may be.
fn shortened(what: &str) -> String {
    if what.len() <= LONGEST {
        return what.to_owned();
    }
    format!("{}..", &what[..what.floor_char_boundary(LONGEST)])
}

/// What is wrong, with its places in the document.
fn told(errors: &DiagnosticList) -> Violations {
    let mut violations = Violations::default();
    for error in errors.iter() {
        let what = error.error.to_string();
        let mut violation = Violation::body("/query", shortened(&what));
        let place = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let start = error.line_column_range().map(|range| range.start);
        violation.at = start.map(|start| (place(start.line), place(start.column)));
        violations.push(violation);
    }
    violations
}
