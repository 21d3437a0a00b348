//! What an operation costs, by the schema and by what its arguments say of lists.
//!
//! In: a document that fits the schema, and variables. Out: a number. Each fragment is measured once: what a
//! list costs whose length the field around it says is kept apart, as the cost of one of its members. Nothing
//! is left out for `@skip` and `@include`, and a field that is there twice costs twice, so the number is never
//! too small.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument,
    ast::Value,
    executable::{Field, Operation, Selection, SelectionSet},
    schema::ExtendedType,
};
use serde_json::{Map, Value as Json};

use super::{
    Refused,
    document::wrong,
    schema::Types,
    weights::{Rule, number},
};
use crate::reject::Reject;

/// What something costs.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    fixed: f64,
    /// One member of each list in it of which the field around it may say how long it is.
    each: f64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.fixed += other.fixed;
        self.each += other.each;
    }

    fn at_least(&mut self, other: Self) {
        self.fixed = self.fixed.max(other.fixed);
        self.each = self.each.max(other.each);
    }
}

/// Measures one operation.
pub(super) struct Meter<'a> {
    types: &'a Types,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    variables: Option<&'a Map<String, Json>>,
    known: HashMap<&'a str, Cost>,
    /// Whether a variable that is not there would change it.
    varies: bool,
    /// A field that says nothing of how long its list is, or says it twice.
    unsaid: Option<&'a Field>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(
        types: &'a Types,
        document: &'a ExecutableDocument,
        operation: &'a Operation,
    ) -> Self {
        let (variables, known) = (None, HashMap::new());
        Self { types, document, operation, variables, known, varies: false, unsaid: None }
    }

    /// What it costs, if its variables have no part in that.
    ///
    /// # Errors
    /// A field has to say how long its list is, and does not.
    pub(super) fn constant(mut self) -> Result<Option<f64>, Box<Refused>> {
        let cost = self.total();
        if let Some(field) = self.unsaid {
            let what =
                format!("`{}` has to say by one argument how much it is to give", field.name);
            return Err(wrong(Reject::GraphqlValidation, &what));
        }
        Ok((!self.varies).then_some(cost))
    }

    /// What it costs with these variables.
    pub(super) fn with(self, variables: &'a Map<String, Json>) -> f64 {
        Self { variables: Some(variables), ..self }.total()
    }

    fn total(&mut self) -> f64 {
        let Cost { fixed, each } = self.set(&self.operation.selection_set);
        fixed + each * self.types.weights.list_size
    }

    fn set(&mut self, set: &'a SelectionSet) -> Cost {
        let mut cost = Cost::default();
        // Of types that exclude each other the dearest counts.
        let mut either: Vec<(&str, Cost)> = Vec::new();
        for selection in &set.selections {
            let (of, inner) = match selection {
                Selection::Field(field) => {
                    let inner = self.field(&set.ty, field);
                    cost.add(inner);
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (&fragment.selection_set.ty, self.set(&fragment.selection_set))
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    let inner = match self.known.get(name) {
                        Some(known) => *known,
                        None => {
                            let made = self.set(&fragment.selection_set);
                            self.known.insert(name, made);
                            made
                        }
                    };
                    (&fragment.selection_set.ty, inner)
                }
            };
            let narrows = *of != set.ty
                && self.types.schema.types.get(of).is_some_and(ExtendedType::is_object);
            match either.iter_mut().find(|(known, _)| **known == **of) {
                Some((_, known)) if narrows => known.add(inner),
                _ if narrows => either.push((of, inner)),
                _ => cost.add(inner),
            }
        }
        let mut dearest = Cost::default();
        either.into_iter().for_each(|(_, one)| dearest.at_least(one));
        cost.add(dearest);
        cost
    }

    fn field(&mut self, of: &str, field: &'a Field) -> Cost {
        if field.name.starts_with("__") {
            return Cost::default();
        }
        let inner = self.set(&field.selection_set);
        let types = self.types;
        let Some(rule) = types.weights.rule(of, &field.name) else { return inner };
        let size = self.size(rule, field);
        let within = match size {
            // What is no list itself says it of the lists in it.
            Some(size) if !rule.list => size,
            _ => types.weights.list_size,
        };
        let one = rule.each + inner.fixed + inner.each * within;
        let given = |name: &str| field.arguments.iter().any(|argument| argument.name == name);
        let arguments = rule.arguments.iter().filter(|(name, _)| given(name));
        let own = rule.own + arguments.map(|(_, weight)| weight).sum::<f64>();
        match (rule.list, size.or(rule.assumed)) {
            (false, _) => Cost { fixed: own + one, each: 0.0 },
            (true, Some(size)) => Cost { fixed: own + one * size, each: 0.0 },
            (true, None) => Cost { fixed: own, each: one },
        }
    }

    /// How much a field is to give, as its arguments say.
    fn size(&mut self, rule: &Rule, field: &'a Field) -> Option<f64> {
        let (mut size, mut given) = (None, 0);
        for (name, default) in &rule.slicing {
            let said = match field.specified_argument_by_name(name) {
                None => *default,
                Some(value) => {
                    given += 1;
                    self.value(value)
                }
            };
            size = said.map(|said| size.map_or(said, |size: f64| size.max(said))).or(size);
        }
        if rule.needs_one && !rule.slicing.is_empty() && given != 1 {
            self.unsaid = self.unsaid.or(Some(field));
        }
        size
    }

    fn value(&mut self, value: &'a apollo_compiler::Node<Value>) -> Option<f64> {
        let Some(name) = value.as_variable() else { return number(value) };
        let Some(variables) = self.variables else {
            self.varies = true;
            return None;
        };
        let default = || {
            let all = self.operation.variables.iter();
            let definition = all.into_iter().find(|definition| definition.name == *name)?;
            number(definition.default_value.as_ref()?)
        };
        match variables.get(name.as_str()) {
            Some(given) => given.as_f64().filter(|given| *given >= 0.0),
            None => default(),
        }
    }
}
