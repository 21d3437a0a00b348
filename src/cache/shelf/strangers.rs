//! Who was let go, and how often each had been asked for.
//!
//! In: hashes of keys. Out: how hot one was, if it is still known. Four bytes for each that is remembered:
//! 24 bits of its hash, and its heat. A row of eight is a queue; who has been in it longest is forgotten.

/// Who was let go.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    rows: Box<[[u32; ROW]]>,
}

const ROW: usize = 8;

impl Strangers {
    /// Remembers at least so many. What was remembered is lost if there are many more or far fewer than
    /// before, which is rare.
    pub(super) fn fit(&mut self, count: usize) {
        let rows = count.div_ceil(ROW).next_power_of_two();
        if rows > self.rows.len() || rows * 4 < self.rows.len() {
            self.rows = vec![[0; ROW]; rows].into_boxed_slice();
        }
    }

    /// Remembers one.
    pub(super) fn add(&mut self, hash: u64, heat: u8) {
        let Some(row) = self.row(hash) else { return };
        row.rotate_right(1);
        row[0] = mark(hash) | u32::from(heat);
    }

    /// Forgets one who is back.
    pub(super) fn take(&mut self, hash: u64) -> Option<u8> {
        let row = self.row(hash)?;
        let at = row.iter().position(|known| known & !0xff == mark(hash))?;
        let heat = (row[at] & 0xff) as u8;
        row[at..].rotate_left(1);
        row[ROW - 1] = 0;
        Some(heat)
    }

    /// What was is worth half.
    pub(super) fn halve(&mut self) {
        for known in self.rows.as_flattened_mut() {
            *known = (*known & !0xff) | ((*known & 0xff) >> 1);
        }
    }

    fn row(&mut self, hash: u64) -> Option<&mut [u32; ROW]> {
        let mask = self.rows.len().checked_sub(1)?;
        self.rows.get_mut(hash as usize & mask)
    }
}

/// Bits that neither the row nor the shard is chosen by; never nobody's, which is 0.
fn mark(hash: u64) -> u32 {
    ((hash >> 10) as u32 & !0xff) | 0x100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_let_go_last_is_remembered() {
        let mut strangers = Strangers::default();
        assert_eq!(strangers.take(1), None, "there is no room for anybody");
        strangers.fit(ROW);
        let hash = |number: u64| number << 20;
        (0..=ROW as u64).for_each(|number| strangers.add(hash(number * 2), 5));
        assert_eq!(strangers.take(hash(0)), None);
        assert_eq!(strangers.take(hash(2)), Some(5));
        assert_eq!(strangers.take(hash(2)), None, "it is back");
        strangers.halve();
        assert_eq!(strangers.take(hash(16)), Some(2));
    }
}
