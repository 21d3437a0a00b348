//! Definitions that call themselves at their end with a filter as an argument.
//!
//! The interpreter takes no stack for a call at the end, so nothing bounds how often there is one; but a filter
//! that is handed on holds the one before it, and to drop as many of them as there were calls takes as much
//! stack. Such definitions are refused at load; there is always another way to write them.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::Part,
};

/// The name of a definition that does so, if there is one.
pub(super) fn hands_on<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    Walk { within: Vec::new() }.term(term, false)
}

/// A walk through a filter.
struct Walk<'s> {
    /// The definitions that it is in: their names, their arguments, and whether any of these is a filter.
    within: Vec<(&'s str, usize, bool)>,
}

impl<'s> Walk<'s> {
    /// Looks into a term, which may stand at the end of a definition.
    fn term(&mut self, term: &Term<&'s str>, last: bool) -> Option<&'s str> {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => None,
            Term::Str(_, parts) => parts.iter().find_map(|part| match part {
                StrPart::Term(term) => self.term(term, false),
                StrPart::Str(_) | StrPart::Char(_) => None,
            }),
            Term::Arr(term) => self.term(term.as_deref()?, false),
            Term::Obj(members) => members.iter().find_map(|(name, value)| {
                let value = value.as_ref();
                self.term(name, false).or_else(|| value.and_then(|value| self.term(value, false)))
            }),
            Term::Neg(term) | Term::Label(_, term) => self.term(term, false),
            Term::BinOp(left, op, right) => self.binary(left, op, right, last),
            Term::Fold(_, over, pattern, terms) => {
                let found = self.term(over, false).or_else(|| self.pattern(pattern));
                // What `foreach` gives in the end is given as it is.
                let mut terms = terms.iter().enumerate();
                found.or_else(|| terms.find_map(|(at, term)| self.term(term, last && at == 2)))
            }
            Term::TryCatch(term, catch) => {
                let catch = catch.as_deref();
                self.term(term, false).or_else(|| catch.and_then(|catch| self.term(catch, false)))
            }
            Term::IfThenElse(cases, otherwise) => {
                let mut cases = cases.iter();
                let found = cases.find_map(|(condition, then)| {
                    self.term(condition, false).or_else(|| self.term(then, last))
                });
                found.or_else(|| otherwise.as_deref().and_then(|term| self.term(term, last)))
            }
            Term::Def(defs, term) => {
                defs.iter().find_map(|def| self.def(def)).or_else(|| self.term(term, last))
            }
            Term::Call(name, arguments) => {
                let mut within = self.within.iter().rev();
                let own = within.find(|(own, count, _)| own == name && *count == arguments.len());
                match own {
                    Some((name, _, true)) if last => Some(name),
                    _ => arguments.iter().find_map(|argument| self.term(argument, false)),
                }
            }
            Term::Path(term, path) => self.term(term, false).or_else(|| {
                path.0.iter().find_map(|(part, _)| match part {
                    Part::Index(index) => self.term(index, false),
                    Part::Range(start, end) => {
                        let mut ends = [start, end].into_iter().flatten();
                        ends.find_map(|end| self.term(end, false))
                    }
                })
            }),
        }
    }

    fn binary(
        &mut self,
        left: &Term<&'s str>,
        op: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
        last: bool,
    ) -> Option<&'s str> {
        let (first, second) = match op {
            BinaryOp::Comma => (last, last),
            BinaryOp::Pipe(_) | BinaryOp::Alt => (false, last),
            _ => (false, false),
        };
        let pattern = match op {
            BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern),
            _ => None,
        };
        pattern.or_else(|| self.term(left, first)).or_else(|| self.term(right, second))
    }

    fn def(&mut self, def: &Def<&'s str>) -> Option<&'s str> {
        let filters = def.args.iter().any(|argument| !argument.starts_with('$'));
        self.within.push((def.name, def.args.len(), filters));
        let found = self.term(&def.body, true);
        self.within.pop();
        found
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Option<&'s str> {
        match pattern {
            Pattern::Var(_) => None,
            Pattern::Arr(patterns) => patterns.iter().find_map(|pattern| self.pattern(pattern)),
            Pattern::Obj(members) => members.iter().find_map(|(name, pattern)| {
                self.term(name, false).or_else(|| self.pattern(pattern))
            }),
        }
    }
}
