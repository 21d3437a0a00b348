//! How many bytes memory takes, the allocator's rounding included.

/// Bytes that an allocation of so many takes: mimalloc has sizes in steps of two words, then four sizes to
/// each doubling, then pages.
pub(in crate::cache) fn allocated(bytes: usize) -> u64 {
    const LARGE: usize = 128 * 1_024;
    let rounded = match bytes {
        0 => 0,
        1..=64 => bytes.next_multiple_of(16),
        65..=LARGE => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
        _ => bytes.next_multiple_of(4_096),
    };
    rounded as u64
}

#[cfg(test)]
mod tests {
    use super::allocated;

    #[test]
    fn sizes_are_the_allocators() {
        for (bytes, taken) in
            [(0, 0), (1, 16), (17, 32), (64, 64), (65, 80), (96, 96), (97, 112), (129, 160)]
        {
            assert_eq!(allocated(bytes), taken, "{bytes}");
        }
        assert_eq!(allocated(1_025), 1_280);
        assert_eq!(allocated(1_048_577), 1_052_672);
    }
}
