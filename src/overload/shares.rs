//! [`Shares`]: how much of a limit each priority may use.

use super::Priority;

/// How much of a limit each priority may use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shares {
    /// Whether a tenth is kept for high priority: somebody has it.
    reserved: bool,
}

impl Shares {
    /// With a tenth kept for high priority, or without.
    pub const fn new(reserved: bool) -> Self {
        Self { reserved }
    }

    /// How much of a limit this priority may use: at least one.
    pub fn of(self, priority: Priority, limit: u64) -> u64 {
        match priority {
            Priority::Low => (limit / 5 * 3 + limit % 5 * 3 / 5).max(1),
            Priority::Normal if self.reserved => (limit - limit.div_ceil(10)).max(1),
            Priority::Normal | Priority::High => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_goes_first_and_high_has_what_is_kept_for_it() {
        for (limit, [low, normal, kept]) in
            [(1, [1, 1, 1]), (2, [1, 2, 1]), (3, [1, 3, 2]), (10, [6, 10, 9]), (100, [60, 100, 90])]
        {
            let (plain, reserved) = (Shares::new(false), Shares::new(true));
            assert_eq!(plain.of(Priority::Low, limit), low, "{limit}");
            assert_eq!(reserved.of(Priority::Low, limit), low, "{limit}");
            assert_eq!(plain.of(Priority::Normal, limit), normal, "{limit}");
            assert_eq!(reserved.of(Priority::Normal, limit), kept, "{limit}");
            assert_eq!(reserved.of(Priority::High, limit), limit);
        }
    }

    #[test]
    fn no_limit_is_too_large_for_it() {
        assert_eq!(Shares::new(true).of(Priority::Low, u64::MAX), u64::MAX / 5 * 3);
    }
}
