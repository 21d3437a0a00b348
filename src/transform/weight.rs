//! How much it takes to read a pattern, before anybody does.
//!
//! In: a pattern's syntax, which is as large as its text. Out: a number of characters that are gone through at
//! most, one by one. A short text can name all characters there are again and again, and where capitals do not
//! matter each of them is looked up.

use regex_syntax::ast::{
    Ast, ClassBracketed, ClassSetBinaryOp, ClassSetItem, Flag, Flags, Visitor, visit,
};

/// All characters.
const ALL: u64 = 0x11_0000;
/// Those of a large class, letters for one.
const LARGE: u64 = 150_000;
/// What it takes to put a class together with others.
const CLASS: u64 = 5_000;

/// The weight of a pattern; `insensitive` is whether capitals do not matter from the start.
pub(super) fn weight(ast: &Ast, insensitive: bool) -> u64 {
    // Nothing of it fails.
    visit(ast, Weight { insensitive, classes: 0, folded: 0 }).unwrap_or(u64::MAX)
}

struct Weight {
    insensitive: bool,
    classes: u64,
    /// What counts only where capitals do not matter.
    folded: u64,
}

impl Weight {
    fn class(&mut self, negated: bool) {
        self.classes += CLASS;
        self.folded += if negated { ALL } else { LARGE };
    }

    fn flags(&mut self, flags: &Flags) {
        self.insensitive |= flags.flag_state(Flag::CaseInsensitive) == Some(true);
    }

    fn bracketed(&mut self, class: &ClassBracketed) {
        // What is outside of it is gone through again, if it is a part of another.
        self.folded += if class.negated { ALL } else { 0 };
    }
}

impl Visitor for Weight {
    type Output = u64;
    type Err = ();

    fn finish(self) -> Result<u64, ()> {
        Ok(self.classes + if self.insensitive { self.folded } else { 0 })
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        match ast {
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Group(group) => group.flags().into_iter().for_each(|flags| self.flags(flags)),
            Ast::ClassUnicode(_) => self.class(false),
            Ast::ClassPerl(_) => self.classes += CLASS,
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
        match item {
            ClassSetItem::Range(range) => {
                self.folded += u64::from(u32::from(range.end.c).abs_diff(range.start.c.into()));
            }
            ClassSetItem::Ascii(class) => self.class(class.negated),
            ClassSetItem::Unicode(class) => self.class(class.negated),
            ClassSetItem::Perl(class) => self.class(class.negated),
            ClassSetItem::Bracketed(class) => self.bracketed(class),
            // Each is put among those before it.
            ClassSetItem::Union(items) => {
                let count = items.items.len() as u64;
                self.classes += count * count;
            }
            ClassSetItem::Empty(_) | ClassSetItem::Literal(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), ()> {
        self.folded += ALL;
        Ok(())
    }
}
