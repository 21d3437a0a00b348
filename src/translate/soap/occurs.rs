//! Which elements of a group there are, and which are missing.
//!
//! In: a group, and how many values there are of each member. Out, in the group's order: who takes how many of
//! them, and what the group would need. Who writes an element writes them so; who reads one asks what is missing.

use super::schema::{ElementUse, Group, Order, Part};

/// Who is told.
pub(super) trait Sink {
    /// An element takes so many values of its member, from this one on.
    fn take(&mut self, element: &ElementUse, first: usize, count: usize);
    /// Elements that are not listed have their place here.
    fn any(&mut self);
    /// Something is missing.
    fn lacks(&mut self, what: Lack<'_>);
}

/// What is missing.
#[derive(Debug)]
pub(super) enum Lack<'g> {
    /// Values of an element.
    Element(&'g ElementUse),
    /// One of the elements of these names.
    Choice(Vec<&'g str>),
}

/// How far the members of an object are taken.
pub(super) struct Progress {
    members: Vec<Taken>,
    /// Whether elements that are not listed are there, and are taken.
    any: (bool, bool),
    /// So many parts, all together: if a turn of a group adds nothing, none will.
    steps: usize,
}

#[derive(Clone, Copy)]
struct Taken {
    there: usize,
    taken: usize,
}

impl Progress {
    /// Nothing is taken of so many values of each member.
    pub(super) fn new(there: impl Iterator<Item = usize>, any: bool) -> Self {
        let members = there.map(|there| Taken { there, taken: 0 }).collect();
        Self { members, any: (any, false), steps: 0 }
    }

    /// How many values of a member are taken, if not all are.
    pub(super) fn short(&self, member: usize) -> Option<usize> {
        let Taken { there, taken } = *self.members.get(member)?;
        (taken < there).then_some(taken)
    }

    /// Whether those that are not listed are taken.
    pub(super) fn took_any(&self) -> bool {
        self.any.1
    }

    fn left(&self, element: &ElementUse) -> usize {
        self.members.get(element.member).map_or(0, |member| member.there - member.taken)
    }

    /// Whether something is left for a part.
    fn has(&self, part: &Part) -> bool {
        match part {
            Part::Element(element) => self.left(element) > 0,
            Part::Group(group) => group.parts.iter().any(|part| self.has(part)),
            Part::Any => self.any == (true, false),
        }
    }

    /// Whether everything is left that a part needs.
    fn fills(&self, part: &Part) -> bool {
        match part {
            Part::Element(element) => self.left(element) >= element.times.min,
            Part::Any => true,
            Part::Group(group) if group.times.min == 0 && !self.has(part) => true,
            Part::Group(group) => match group.order {
                Order::Sequence => group.parts.iter().all(|part| self.fills(part)),
                Order::Choice => group.parts.iter().any(|part| self.fills(part)),
            },
        }
    }

    /// Goes through a group; `shares` if it is repeated, so that each turn gets its share.
    pub(super) fn group(&mut self, group: &Group, shares: bool, sink: &mut impl Sink) {
        let shares = shares || group.times.max > 1;
        for turn in 0..group.times.max {
            let has = group.parts.iter().any(|part| self.has(part));
            if !has && turn >= group.times.min.min(1) {
                return;
            }
            let before = self.steps;
            match group.order {
                Order::Sequence => {
                    for part in &group.parts {
                        self.part(part, shares, sink);
                    }
                }
                Order::Choice => self.choice(group, shares, sink),
            }
            if self.steps == before {
                return;
            }
        }
    }

    fn choice(&mut self, group: &Group, shares: bool, sink: &mut impl Sink) {
        let has = |part: &&Part| self.has(part);
        let chosen = group.parts.iter().filter(has).find(|part| self.fills(part));
        match chosen.or_else(|| group.parts.iter().find(has)) {
            Some(part) => self.part(part, shares, sink),
            None if group.parts.iter().any(|part| self.fills(part)) => {}
            None => {
                let names: Vec<_> = group.parts.iter().filter_map(first_name).collect();
                if !names.is_empty() {
                    sink.lacks(Lack::Choice(names));
                }
            }
        }
    }

    fn part(&mut self, part: &Part, shares: bool, sink: &mut impl Sink) {
        match part {
            Part::Group(group) => self.group(group, shares, sink),
            Part::Any if self.any == (true, false) => {
                self.any.1 = true;
                self.steps += 1;
                sink.any();
            }
            Part::Any => {}
            Part::Element(element) => {
                let left = self.left(element);
                let least = element.times.min.max(1);
                let count = if shares && element.times.max == 1 { left.min(least) } else { left };
                let count = count.min(element.times.max);
                if count < element.times.min {
                    sink.lacks(Lack::Element(element));
                }
                if let Some(member) = self.members.get_mut(element.member) {
                    let first = member.taken;
                    member.taken += count;
                    self.steps += count;
                    sink.take(element, first, count);
                }
            }
        }
    }
}

fn first_name(part: &Part) -> Option<&str> {
    match part {
        Part::Element(element) => Some(&element.local),
        Part::Group(group) => group.parts.iter().find_map(first_name),
        Part::Any => None,
    }
}
