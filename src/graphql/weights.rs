//! What types, fields and arguments cost, and how long lists are taken to be.
//!
//! In: a schema with `@cost` and `@listSize` (IBM's specification of the cost of GraphQL), and the operator's
//! table. Out: [`Weights`], by type and field. What the operator says counts before what the schema says.

use std::collections::{BTreeMap, HashMap};

use apollo_compiler::{
    Node, Schema,
    ast::{self, Value},
    schema::{ExtendedType, FieldDefinition},
};

use crate::config::{self, Path, Problem, Problems};

/// What fields cost, by the names of their types and their own.
#[derive(Debug, Default)]
pub(super) struct Weights {
    types: HashMap<Box<str>, HashMap<Box<str>, Rule>>,
    /// How long a list is where nothing says so.
    pub(super) list_size: f64,
}

/// What a field costs.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// Once, beside what it leads to.
    pub(super) own: f64,
    /// What each thing that it leads to costs.
    pub(super) each: f64,
    /// What arguments cost that are there, by name.
    pub(super) arguments: Vec<(Box<str>, f64)>,
    /// Whether it leads to a list.
    pub(super) list: bool,
    /// Arguments that say how long that is, with what they are if they are left out.
    pub(super) slicing: Vec<(Box<str>, Option<f64>)>,
    /// Whether one of them, and no other, has to be there.
    pub(super) needs_one: bool,
    /// How long the list is if they do not say.
    pub(super) assumed: Option<f64>,
}

impl Weights {
    pub(super) fn compile(
        schema: &Schema,
        guard: &config::Guard,
        at: &Path,
        problems: &mut Problems,
    ) -> Self {
        let given = Given { schema, guard };
        let mut types = HashMap::new();
        for (name, known) in &schema.types {
            let fields = match known {
                ExtendedType::Object(known) => &known.fields,
                ExtendedType::Interface(known) => &known.fields,
                ExtendedType::Scalar(_)
                | ExtendedType::Union(_)
                | ExtendedType::Enum(_)
                | ExtendedType::InputObject(_) => continue,
            };
            let rule =
                |field: &FieldDefinition| (field.name.as_str().into(), given.rule(name, field));
            types.insert(name.as_str().into(), fields.values().map(|field| rule(field)).collect());
        }
        let made = Self { types, list_size: f64::from(guard.list_size) };
        made.check(schema, &guard.weights, &at.key("weights"), problems);
        made
    }

    /// What a field of a type costs; none of those that every type has.
    pub(super) fn rule(&self, of: &str, field: &str) -> Option<&Rule> {
        self.types.get(of)?.get(field)
    }

    /// What is said of things that there are none of, or that nothing can cost.
    fn check(
        &self,
        schema: &Schema,
        weights: &BTreeMap<String, f64>,
        at: &Path,
        problems: &mut Problems,
    ) {
        for (name, weight) in weights {
            let at = at.key(name.clone());
            if !weight.is_finite() || *weight < 0.0 {
                problems.push(Problem::error(at.clone(), format!("nothing costs {weight}")));
            }
            let (place, argument) = match name.strip_suffix(')').and_then(|it| it.split_once('(')) {
                Some((place, argument)) => (place, Some(argument)),
                None => (&**name, None),
            };
            let known = match (place.split_once('.'), argument) {
                (None, None) => schema.types.contains_key(place),
                (Some((of, field)), argument) => {
                    let field = schema.type_field(of, field).ok();
                    field.is_some_and(|field| {
                        argument.is_none_or(|name| field.argument_by_name(name).is_some())
                    })
                }
                (None, Some(_)) => false,
            };
            if !known {
                let problem = Problem::error(at, format!("the schema has no `{name}`"));
                let names = schema.types.keys().map(apollo_compiler::Name::as_str);
                let help = || "`Type`, `Type.field` or `Type.field(argument)`".to_owned();
                problems.push(problem.help_meant(place, names, help));
            }
        }
    }
}

struct Given<'a> {
    schema: &'a Schema,
    guard: &'a config::Guard,
}

impl Given<'_> {
    fn rule(&self, of: &str, field: &FieldDefinition) -> Rule {
        let name = format!("{of}.{}", field.name);
        let costs = |directives: &ast::DirectiveList| cost(directives.get("cost"));
        let own = self.said(&name).or_else(|| costs(&field.directives)).unwrap_or(0.0);
        let arguments = field.arguments.iter().filter_map(|argument| {
            let said = self.said(&format!("{name}({})", argument.name));
            let weight = said.or_else(|| costs(&argument.directives))?;
            Some((argument.name.as_str().into(), weight))
        });
        let leads = field.ty.inner_named_type();
        let leaf = self.schema.types.get(leads).is_none_or(ExtendedType::is_leaf);
        let size = field.directives.get("listSize");
        let value = |key: &str| size.and_then(|size| size.specified_argument_by_name(key));
        let named = value("slicingArguments").and_then(|names| names.as_list());
        let named = named.map(|names| names.iter().filter_map(|name| name.as_str()).collect());
        let needs_one = named.is_some()
            && value("requireOneSlicingArgument").and_then(|it| it.to_bool()) != Some(false);
        let by: Vec<&str> =
            named.unwrap_or_else(|| self.guard.slicing.iter().map(String::as_str).collect());
        let slices = !leaf || field.ty.is_list();
        let slicing = by.into_iter().filter(|_| slices).filter_map(|name| {
            let argument = field.argument_by_name(name)?;
            Some((name.into(), argument.default_value.as_ref().and_then(number)))
        });
        Rule {
            own,
            each: self.each(leads, leaf),
            arguments: arguments.collect(),
            list: field.ty.is_list(),
            slicing: slicing.collect(),
            needs_one,
            assumed: value("assumedSize").and_then(number),
        }
    }

    /// What each thing of a type costs.
    fn each(&self, of: &str, leaf: bool) -> f64 {
        let known = self.schema.types.get(of);
        let by_schema = || cost(known?.directives().get("cost").map(|it| &it.node));
        let default = if leaf { 0.0 } else { 1.0 };
        self.said(of).or_else(by_schema).unwrap_or(default)
    }

    fn said(&self, name: &str) -> Option<f64> {
        self.guard.weights.get(name).copied()
    }
}

/// What `@cost` says: a number in a text, as the specification has it, or as it is.
fn cost(directive: Option<&Node<ast::Directive>>) -> Option<f64> {
    let weight = directive?.specified_argument_by_name("weight")?;
    let by_text = || weight.as_str()?.trim().parse().ok();
    number(weight).or_else(by_text).filter(|weight: &f64| weight.is_finite() && *weight >= 0.0)
}

/// A number that is no less than nothing.
pub(super) fn number(value: &Node<Value>) -> Option<f64> {
    value.to_f64().filter(|number| *number >= 0.0)
}
