//! When answers in a row change what an endpoint is: HAProxy's `rise` and `fall`.

use crate::config::Start;

/// What an endpoint is, and how many answers in a row say otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Streak {
    /// Whether it is up; unknown before the first answer, if that is waited for.
    up: Option<bool>,
    against: u32,
}

impl Default for Streak {
    fn default() -> Self {
        Self { up: Some(true), against: 0 }
    }
}

impl Streak {
    /// Before the first answer; of one that is not asked, up.
    pub(super) fn new(start: Option<Start>) -> Self {
        let up = match start {
            None | Some(Start::Up) => Some(true),
            Some(Start::Down) => Some(false),
            Some(Start::Checked) => None,
        };
        Self { up, against: 0 }
    }

    /// Whether it is up, if that is known.
    pub(super) const fn is_up(self) -> Option<bool> {
        self.up
    }

    /// Takes in an answer. Says what it is now, if that is news.
    pub(super) fn take(&mut self, well: bool, rise: u32, fall: u32) -> Option<bool> {
        let needed = match self.up {
            Some(up) if up == well => {
                self.against = 0;
                return None;
            }
            Some(true) => fall,
            Some(false) => rise,
            // The first answer decides.
            None => 1,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        *self = Self { up: Some(well), against: 0 };
        Some(well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_row_change_it() {
        // What comes, and what is news: `+` well, `-` not; `U` up now, `D` down now.
        for (start, answers, news) in [
            (Start::Up, "---", "..D"),
            (Start::Up, "--+---", ".....D"),
            (Start::Up, "---++", "..D.U"),
            (Start::Down, "++", ".U"),
            (Start::Down, "+-++", "...U"),
            (Start::Down, "---", "..."),
            (Start::Checked, "+", "U"),
            (Start::Checked, "-++", "D.U"),
        ] {
            let mut streak = Streak::new(Some(start));
            let found: String = answers
                .chars()
                .map(|answer| match streak.take(answer == '+', 2, 3) {
                    None => '.',
                    Some(true) => 'U',
                    Some(false) => 'D',
                })
                .collect();
            assert_eq!(found, news, "{start:?} {answers}");
        }
    }
}
