//! The schema of a service, from a file in GraphQL's own language.
//!
//! In: a file, bounded. Out: [`Types`]; or everything that is wrong with it, by line and column.

use std::{fmt, path::Path as FilePath};

use apollo_compiler::{
    Schema,
    ast::{self, Definition},
    parser::Parser,
    validation::{DiagnosticList, Valid},
};

use super::weights::Weights;
use crate::config::{self, Path, Problem, Problems, read_text_file_up_to};

/// Bytes of a schema.
const MOST_BYTES: u64 = 16 << 20;
/// Its tokens.
const MOST_TOKENS: usize = 2_000_000;
/// How deep it may be nested.
const MOST_DEPTH: usize = 64;
/// So much of what is wrong is told.
const MOST_TOLD: usize = 20;

/// Directives of the specification of IBM, which a schema may use without saying what they are.
const COST: &str = "directive @cost(weight: String!) on \
    ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR";
const LIST_SIZE: &str = "directive @listSize(assumedSize: Int, slicingArguments: [String!], \
    sizedFields: [String!], requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION";

/// The types of a service, and what they cost.
pub struct Types {
    pub(super) schema: Valid<Schema>,
    pub(super) weights: Weights,
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Types").finish_non_exhaustive()
    }
}

impl Types {
    /// Reads the schema of an API whose section is at `at`.
    pub fn load(
        file: &FilePath,
        guard: &config::Guard,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let place = at.key("graphql");
        let read = read_text_file_up_to(file, MOST_BYTES);
        let text = problems.keep(read.map_err(|what| Problem::error(place.clone(), what)))?;
        let name = FilePath::new(file.file_name().unwrap_or_default());
        match parse(&text, name) {
            Ok(schema) => {
                let weights = Weights::compile(&schema, guard, &at.key("guard"), problems);
                Some(Self { schema, weights })
            }
            Err(errors) => {
                let told = said(&errors, name).into_iter();
                problems.extend(told.map(|what| Problem::error(place.clone(), what)));
                None
            }
        }
    }

    /// The schema of this text.
    #[cfg(test)]
    pub(super) fn of(text: &str, guard: &config::Guard) -> Self {
        let name = FilePath::new("test.graphql");
        let schema = parse(text, name).unwrap_or_else(|errors| panic!("{:?}", said(&errors, name)));
        let mut problems = Problems::new();
        let weights = Weights::compile(&schema, guard, &Path::root().key("guard"), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        Self { schema, weights }
    }
}

fn parse(text: &str, name: &FilePath) -> Result<Valid<Schema>, Box<DiagnosticList>> {
    let parse = |text: &str, name: &FilePath| {
        let mut parser = Parser::new().token_limit(MOST_TOKENS).recursion_limit(MOST_DEPTH);
        parser.parse_ast(text, name).map_err(|wrong| Box::new(wrong.errors))
    };
    let document = parse(text, name)?;
    let mut builder = Schema::builder().adopt_orphan_extensions().add_ast(&document);
    for (name, text) in [("cost", COST), ("listSize", LIST_SIZE)] {
        if !defines(&document, name) {
            builder = builder.add_ast(&parse(text, FilePath::new("built-in"))?);
        }
    }
    let schema = builder.build().map_err(|wrong| Box::new(wrong.errors))?;
    schema.validate().map_err(|wrong| Box::new(wrong.errors))
}

fn defines(document: &ast::Document, directive: &str) -> bool {
    document.definitions.iter().any(|definition| match definition {
        Definition::DirectiveDefinition(definition) => definition.name == directive,
        _ => false,
    })
}

/// What is wrong, each with its place in a text of this name.
fn said(errors: &DiagnosticList, name: &FilePath) -> Vec<String> {
    let told = errors.iter().map(|error| {
        let what = error.error.to_string();
        match error.line_column_range().map(|range| range.start) {
            Some(place) => {
                format!("{}:{}:{}: {what}", name.display(), place.line, place.column)
            }
            None => format!("{}: {what}", name.display()),
        }
    });
    told.take(MOST_TOLD).collect()
}
