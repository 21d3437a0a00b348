//! What an operation costs, by the schema and by what its arguments say of lists.
//!
//! In: a document that fits the schema, and variables. Out: a number. Each fragment is measured once: what a
//! list costs whose length the field around it says is kept apart, as the cost of one of its members. Nothing
//! is left out for `@skip` and `@include`, a field that is there twice costs twice, and where several types may
//! be the dearest counts, so the number is never too small. No number is beyond [`MOST`].

use std::collections::{BTreeMap, HashMap};

use apollo_compiler::{
    ExecutableDocument, Node,
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

/// More than this nothing costs, and no list is longer: more than anybody may ask for, and far from where numbers
/// lose count.
const MOST: f64 = 10_000_000_000.0;

/// A number that is no more than [`MOST`]; what is none is that much.
const fn bounded(number: f64) -> f64 {
    number.min(MOST)
}

/// What something costs.
#[derive(Clone, Debug, Default)]
struct Cost<'a> {
    fixed: f64,
    /// One member of each list in it of which the field around it may say how long it is, by the lists' names.
    each: BTreeMap<&'a str, f64>,
}

impl<'a> Cost<'a> {
    const fn fixed(fixed: f64) -> Self {
        Self { fixed: bounded(fixed), each: BTreeMap::new() }
    }

    fn with(&mut self, other: &Self, join: fn(f64, f64) -> f64) {
        self.fixed = bounded(join(self.fixed, other.fixed));
        for (name, each) in &other.each {
            let known = self.each.entry(name).or_default();
            *known = bounded(join(*known, *each));
        }
    }

    fn add(&mut self, other: &Self) {
        self.with(other, |a, b| a + b);
    }

    fn at_least(&mut self, other: &Self) {
        self.with(other, f64::max);
    }

    /// What it costs in all with lists as long as this says by their names.
    fn whole(&self, size: impl Fn(&str) -> f64) -> f64 {
        let lists = self.each.iter().map(|(name, each)| bounded(each * size(name)));
        bounded(lists.fold(self.fixed, |sum, list| bounded(sum + list)))
    }
}

/// Measures one operation.
pub(super) struct Meter<'a> {
    types: &'a Types,
    document: &'a ExecutableDocument,
    operation: &'a Operation,
    variables: Option<&'a Map<String, Json>>,
    known: HashMap<&'a str, Cost<'a>>,
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
        let cost = self.set(&self.operation.selection_set);
        cost.whole(|_| self.types.weights.list_size)
    }

    fn set(&mut self, set: &'a SelectionSet) -> Cost<'a> {
        let mut cost = Cost::default();
        // Of types that exclude each other the dearest counts.
        let mut either: Vec<(&str, Cost<'_>)> = Vec::new();
        for selection in &set.selections {
            let (of, inner) = match selection {
                Selection::Field(field) => {
                    let inner = self.field(&set.ty, field);
                    cost.add(&inner);
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (&fragment.selection_set.ty, self.set(&fragment.selection_set))
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some(fragment) = self.document.fragments.get(name) else { continue };
                    let inner = match self.known.get(name) {
                        Some(known) => known.clone(),
                        None => {
                            let made = self.set(&fragment.selection_set);
                            self.known.insert(name, made.clone());
                            made
                        }
                    };
                    (&fragment.selection_set.ty, inner)
                }
            };
            let narrows = *of != set.ty
                && self.types.schema.types.get(of).is_some_and(ExtendedType::is_object);
            match either.iter_mut().find(|(known, _)| **known == **of) {
                Some((_, known)) if narrows => known.add(&inner),
                _ if narrows => either.push((of, inner)),
                _ => cost.add(&inner),
            }
        }
        let mut dearest = Cost::default();
        either.iter().for_each(|(_, one)| dearest.at_least(one));
        cost.add(&dearest);
        cost
    }

    /// What a field costs: of all types that may stand for its own the dearest counts.
    fn field(&mut self, of: &str, field: &'a Field) -> Cost<'a> {
        if field.name.starts_with("__") {
            return Cost::default();
        }
        let inner = self.set(&field.selection_set);
        let types = self.types;
        let mut rules = types.weights.rules(of, &field.name).iter();
        let Some(first) = rules.next() else { return inner };
        let mut dearest = self.by_rule(first, field, &inner);
        rules.for_each(|rule| dearest.at_least(&self.by_rule(rule, field, &inner)));
        dearest
    }

    fn by_rule(&mut self, rule: &Rule, field: &'a Field, inner: &Cost<'a>) -> Cost<'a> {
        let size = self.size(rule, field);
        let usual = self.types.weights.list_size;
        let one = inner.whole(|list| match size {
            // What is no list itself says it of the lists in it. Where it does not say of which, another one may be
            // there although it says that there is nothing.
            Some(size) if !rule.list && rule.sizes(list) => size.max(rule.least()),
            _ => usual,
        });
        let one = bounded((rule.each + one) * rule.within);
        let given = |name: &str| field.arguments.iter().any(|argument| argument.name == name);
        let arguments = rule.arguments.iter().filter(|(name, _)| given(name));
        let own = bounded(rule.own + arguments.map(|(_, weight)| weight).sum::<f64>());
        match (rule.list, size.or(rule.assumed)) {
            (false, _) => Cost::fixed(own + one),
            (true, Some(size)) => Cost::fixed(own + bounded(one * bounded(size))),
            (true, None) => Cost { fixed: own, each: BTreeMap::from([(field.name.as_str(), one)]) },
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
                    self.value(value, *default)
                }
            };
            let said = said.map(bounded);
            size = said.map(|said| size.map_or(said, |size: f64| size.max(said))).or(size);
        }
        if rule.needs_one && !rule.slicing.is_empty() && given != 1 {
            self.unsaid = self.unsaid.or(Some(field));
        }
        size
    }

    /// What the value of an argument says; a variable that is not there leaves the argument out.
    fn value(&mut self, value: &'a Node<Value>, left_out: Option<f64>) -> Option<f64> {
        let Some(name) = value.as_variable() else { return number(value) };
        let Some(variables) = self.variables else {
            self.varies = true;
            return None;
        };
        match variables.get(name.as_str()) {
            Some(given) => {
                // A scalar of the service's own may be a number in a text.
                let given = given.as_f64().or_else(|| given.as_str()?.trim().parse().ok());
                given.filter(|given| *given >= 0.0)
            }
            None => {
                let mut all = self.operation.variables.iter();
                let definition = all.find(|definition| definition.name == *name);
                match definition.and_then(|definition| definition.default_value.as_ref()) {
                    Some(default) => number(default),
                    None => left_out,
                }
            }
        }
    }
}
