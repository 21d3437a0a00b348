//! How much memory the system gives this process.

use std::fs;

/// Half of the memory that the machine has or, if that is less, its cgroup may use; where the system does
/// not say, half a gibibyte.
pub fn half_of_memory() -> u64 {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let cgroup = cgroup.iter().filter_map(|file| number(&fs::read_to_string(file).ok()?));
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    cgroup.chain(machine).min().unwrap_or(1 << 30) / 2
}

/// The bytes that `/proc/meminfo` says there are.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_memory_is_read() {
        assert_eq!(total("MemTotal:       16337000 kB\nMemFree: 1 kB\n"), Some(16_337_000 << 10));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert!(half_of_memory() > 1 << 20);
    }
}
