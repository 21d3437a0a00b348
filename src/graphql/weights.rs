//! What types, fields and arguments cost, and how long lists are taken to be.
//!
//! In: a schema with `@cost` and `@listSize` (IBM's specification of the cost of GraphQL), and the operator's
//! table. Out: [`Weights`], by type and field. What the operator says counts before what the schema says.

use std::collections::{BTreeMap, HashMap};

use apollo_compiler::{
    Name, Node, Schema,
    ast::{self, Value},
    schema::{ExtendedType, FieldDefinition, Implementers},
};

use crate::config::{self, Path, Problem, Problems};

/// What fields cost, by the names of their types and their own.
#[derive(Debug, Default)]
pub(super) struct Weights {
    types: HashMap<Box<str>, HashMap<Box<str>, Vec<Rule>>>,
    /// How long a list is where nothing says so.
    pub(super) list_size: f64,
}

/// What a field costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rule {
    /// Once, beside what it leads to.
    pub(super) own: f64,
    /// What each thing that it leads to costs.
    pub(super) each: f64,
    /// What arguments cost that are there, by name.
    pub(super) arguments: Vec<(Box<str>, f64)>,
    /// Whether it leads to a list.
    pub(super) list: bool,
    /// How many things there are in each of its members, if those are lists.
    pub(super) within: f64,
    /// The lists in it whose length it says; all, if it does not say which.
    sized: Option<Vec<Box<str>>>,
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
        let given = Given { schema, guard, possible: schema.implementers_map() };
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
            let rules =
                |field: &FieldDefinition| (field.name.as_str().into(), given.rules(name, field));
            types.insert(name.as_str().into(), fields.values().map(|field| rules(field)).collect());
        }
        let made = Self { types, list_size: f64::from(guard.list_size) };
        made.check(schema, &guard.weights, &at.key("weights"), problems);
        made
    }

    /// What a field of a type costs, by each type that may stand for it; none of those that every type has.
    pub(super) fn rules(&self, of: &str, field: &str) -> &[Rule] {
        self.types.get(of).and_then(|fields| fields.get(field)).map_or(&[], |rules| &**rules)
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
                let names = schema.types.keys().map(Name::as_str);
                let help = || "`Type`, `Type.field` or `Type.field(argument)`".to_owned();
                problems.push(problem.help_meant(place, names, help));
            }
        }
    }
}

impl Rule {
    /// Whether it says how long this list in it is.
    pub(super) fn sizes(&self, list: &str) -> bool {
        self.sized.as_ref().is_none_or(|sized| sized.iter().any(|name| **name == *list))
    }

    /// How long a list in it is at least.
    pub(super) fn least(&self) -> f64 {
        if self.sized.is_some() { 0.0 } else { 1.0 }
    }
}

struct Given<'a> {
    schema: &'a Schema,
    guard: &'a config::Guard,
    /// What implements interfaces.
    possible: apollo_compiler::collections::HashMap<Name, Implementers>,
}

impl Given<'_> {
    /// The rules of a field: its type's own, and those of types that may stand for that.
    fn rules(&self, of: &str, field: &FieldDefinition) -> Vec<Rule> {
        let mut rules = vec![self.rule(of, field)];
        for other in self.possible.get(of).iter().flat_map(|known| known.objects.iter()) {
            let Ok(field) = self.schema.type_field(other, &field.name) else { continue };
            // What has to be there is for the type to say by which it is asked.
            let rule = Rule { needs_one: false, ..self.rule(other, field) };
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        rules
    }

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
        let sized = value("sizedFields").and_then(|names| names.as_list());
        let sized = sized
            .map(|names| names.iter().filter_map(|name| Some(name.as_str()?.into())).collect());
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
            within: f64::from(self.guard.list_size)
                .powi(levels(&field.ty) - 1)
                .clamp(0.0, f64::MAX),
            sized,
            slicing: slicing.collect(),
            needs_one,
            assumed: value("assumedSize").and_then(number),
        }
    }

    /// What each thing of a type costs; of those that may stand for it the dearest.
    fn each(&self, of: &str, leaf: bool) -> f64 {
        let own = |of: &str| {
            let known = self.schema.types.get(of);
            let by_schema = || cost(known?.directives().get("cost").map(|it| &it.node));
            self.said(of).or_else(by_schema)
        };
        let objects = match self.schema.types.get(of) {
            Some(ExtendedType::Union(of)) => Some(of.members.iter().map(|name| &***name).collect()),
            Some(ExtendedType::Interface(_)) => self
                .possible
                .get(of)
                .map(|known| known.objects.iter().map(Name::as_str).collect::<Vec<_>>()),
            _ => None,
        };
        let default = if leaf { 0.0 } else { 1.0 };
        let possible = objects.unwrap_or_default().into_iter();
        // Where the operator weighs the type itself, what nobody weighs does not count.
        let usual = if self.said(of).is_some() { 0.0 } else { default };
        let dearest = possible.map(|of| own(of).unwrap_or(usual)).reduce(f64::max);
        match (own(of), dearest) {
            (own, Some(dearest)) => own.unwrap_or(0.0).max(dearest),
            (own, None) => own.unwrap_or(default),
        }
    }

    fn said(&self, name: &str) -> Option<f64> {
        self.guard.weights.get(name).copied()
    }
}

/// What `@cost` says: a number in a text, as the specification has it, or as it is.
fn cost(directive: Option<&Node<ast::Directive>>) -> Option<f64> {
    let weight = directive?.specified_argument_by_name("weight")?;
    number(weight).filter(|weight| weight.is_finite())
}

/// A number that is no less than nothing; a scalar of the service's own may be one in a text.
pub(super) fn number(value: &Node<Value>) -> Option<f64> {
    let number = value.to_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number: &f64| *number >= 0.0)
}

/// How many lists a type is within each other; one, if it is none.
fn levels(ty: &ast::Type) -> i32 {
    match ty {
        ast::Type::List(of) | ast::Type::NonNullList(of) if of.is_list() => 1 + levels(of),
        _ => 1,
    }
}
