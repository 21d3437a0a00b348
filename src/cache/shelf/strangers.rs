//! Who was let go out of the window.
//!
//! In: hashes of keys. Out: whether one is still known. Four bytes for each that is remembered. A row of eight
//! is a queue; who has been in it longest is forgotten.

/// Who was let go.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    rows: Box<[[u32; ROW]]>,
}

const ROW: usize = 8;

impl Strangers {
    /// Remembers about so many. What was remembered is lost if there are many more or far fewer than
    /// before, which is rare.
    pub(super) fn fit(&mut self, count: usize) {
        let (rows, before) = (count.div_ceil(ROW).max(1), self.rows.len());
        if rows > before + before / 4 || rows < before / 2 {
            self.rows = vec![[0; ROW]; rows].into_boxed_slice();
        }
    }

    /// Remembers one.
    pub(super) fn add(&mut self, hash: u64) {
        let Some(row) = self.row(hash) else { return };
        row.rotate_right(1);
        row[0] = mark(hash);
    }

    /// Forgets one who is back; whether it was known.
    pub(super) fn take(&mut self, hash: u64) -> bool {
        let Some(row) = self.row(hash) else { return false };
        let Some(at) = row.iter().position(|known| *known == mark(hash)) else { return false };
        row[at..].rotate_left(1);
        row[ROW - 1] = 0;
        true
    }

    fn row(&mut self, hash: u64) -> Option<&mut [u32; ROW]> {
        let row = ((hash & 0xffff_ffff) * self.rows.len() as u64) >> 32;
        self.rows.get_mut(row as usize)
    }
}

/// Of bits that the row is not chosen by alone; never nobody's, which is 0.
fn mark(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_let_go_last_is_remembered() {
        let mut strangers = Strangers::default();
        assert!(!strangers.take(1), "there is no room for anybody");
        strangers.fit(ROW);
        let hash = |number: u64| number << 20;
        (0..=ROW as u64).for_each(|number| strangers.add(hash(number)));
        assert!(!strangers.take(hash(0)));
        assert!(strangers.take(hash(1)));
        assert!(!strangers.take(hash(1)), "it is back");
        assert!(strangers.take(hash(ROW as u64)));
    }
}
