//! Groups of elements, and the members of an object that they become.

use super::{Compiler, Complex, Group, Member, Order, Part, TEXT, compiler::DEEPEST};
use crate::{translate::soap::LoadError, xml::Element};

impl<'a> Compiler<'a> {
    /// Compiles a `sequence`, `choice`, `all`, or a reference to a `group`.
    pub(super) fn group(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        depth: usize,
    ) -> Result<Group, LoadError> {
        let document = self.documents[index];
        if depth > DEEPEST {
            return Err(document.wrong(part, "groups are within each other too often"));
        }
        self.count(index, part)?;
        let times = self.times(index, part)?;
        if part.name.local == "group" {
            let name = part
                .attribute("ref")
                .ok_or_else(|| document.wrong(part, "a group refers to none"))?;
            let (namespace, local) = document.resolve(part, name)?;
            let missing =
                || document.wrong(part, format!("there is no group `{local}` in `{namespace}`"));
            let (index, found) = self.find("group", namespace, local).ok_or_else(missing)?;
            let inner = found.elements().find(|inner| is_group(inner.name.local));
            let inner = inner.ok_or_else(|| document.wrong(part, "a group is empty"))?;
            let group = self.group(index, inner, depth + 1)?;
            let parts = vec![Part::Group(group)];
            return Ok(Group { order: Order::Sequence, times, parts });
        }
        let order = if part.name.local == "choice" { Order::Choice } else { Order::Sequence };
        let mut parts = Vec::new();
        for inner in part.elements() {
            match inner.name.local {
                "element" => {
                    self.count(index, inner)?;
                    let element = self.element(index, inner)?;
                    if element.times.max > 0 {
                        parts.push(Part::Element(element));
                    }
                }
                "any" => parts.push(Part::Any),
                "annotation" => {}
                name if is_group(name) => {
                    let group = self.group(index, inner, depth + 1)?;
                    if group.times.max > 0 {
                        parts.push(Part::Group(group));
                    }
                }
                other => return Err(document.wrong(inner, format!("`{other}` is not understood"))),
            }
        }
        Ok(Group { order, times, parts })
    }
}

/// Whether an element of a schema is a group of elements.
pub(super) fn is_group(name: &str) -> bool {
    matches!(name, "sequence" | "choice" | "all" | "group")
}

/// What holds for a member by the groups that it is in.
#[derive(Clone, Copy)]
struct Held {
    required: bool,
    list: bool,
}

impl Complex {
    /// Finds the members that a group's elements are, and tells the elements.
    ///
    /// # Errors
    /// Two elements of different types have a name in common; it is said.
    pub(in crate::translate::soap) fn name_members(
        group: &mut Group,
    ) -> Result<Vec<Member>, String> {
        let mut members: Vec<Member> = Vec::new();
        collect(group, Held { required: true, list: false }, &mut members)?;
        Ok(members)
    }
}

fn collect(group: &mut Group, held: Held, members: &mut Vec<Member>) -> Result<(), String> {
    let mut inner = held;
    inner.required &= group.times.min > 0;
    inner.list |= group.times.max > 1;
    let before = members.len();
    // In one branch of a choice a name counts once, however many branches have it.
    let mut branches: Vec<usize> = Vec::new();
    let is_choice = group.order == Order::Choice;
    inner.required &= !is_choice || group.parts.len() == 1;
    for part in &mut group.parts {
        let start = members.len();
        match part {
            Part::Any => {}
            Part::Group(group) => collect(group, inner, members)?,
            Part::Element(element) => {
                element.member = members.len();
                members.push(Member {
                    key: element.local.clone(),
                    namespace: element.namespace.clone(),
                    of: element.of,
                    nillable: element.nillable,
                    list: inner.list || element.times.max > 1,
                    required: inner.required && element.times.min > 0,
                });
            }
        }
        branches.extend(std::iter::repeat_n(start, members.len() - start));
    }
    merge(group, before, &branches, is_choice, members)
}

/// Makes one member of those that have their name in common.
fn merge(
    group: &mut Group,
    before: usize,
    branches: &[usize],
    is_choice: bool,
    members: &mut Vec<Member>,
) -> Result<(), String> {
    let mut place: Vec<usize> = (0..before).collect();
    let mut kept: Vec<Member> = Vec::new();
    let mut first: Vec<usize> = Vec::new();
    for (offset, member) in members.drain(before..).enumerate() {
        let twin = kept.iter().position(|other| other.key == member.key);
        let Some(twin) = twin else {
            place.push(before + kept.len());
            first.push(branches[offset]);
            kept.push(member);
            continue;
        };
        let other = &mut kept[twin];
        if other.of != member.of || other.namespace != member.namespace || *member.key == *TEXT {
            return Err(format!(
                "two elements `{}` of one type are not of the same type",
                member.key
            ));
        }
        let apart = is_choice && first[twin] != branches[offset];
        other.list |= member.list || !apart;
        other.nillable |= member.nillable;
        other.required |= member.required;
        place.push(before + twin);
    }
    members.extend(kept);
    renumber(group, &place);
    Ok(())
}

fn renumber(group: &mut Group, place: &[usize]) {
    for part in &mut group.parts {
        match part {
            Part::Element(element) => element.member = place[element.member],
            Part::Group(group) => renumber(group, place),
            Part::Any => {}
        }
    }
}
