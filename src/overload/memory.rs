//! How much memory the system gives this process.
//!
//! In: what the machine has, and what the control groups may use that the process is in. Out: a number that is
//! safe to plan with.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Half of the memory that the machine has or, if that is less, that the process's control group may use, or
/// any that this one is in.
pub fn half_of_memory() -> u64 {
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram.saturating_mul(u64::from(machine.mem_unit));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limits(Path::new("/sys/fs/cgroup"), &groups).fold(machine, u64::min) / 2
}

/// The limits of control groups, by the lines of `/proc/self/cgroup`: `0::/a/b` of version 2, `5:memory:/a/b`
/// of version 1. Within a container the groups further up are not to be seen, and the one at the top is its own.
fn limits(root: &Path, groups: &str) -> impl Iterator<Item = u64> {
    let of = |line: &str| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let (top, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let groups = Path::new(group.trim_start_matches('/')).ancestors();
        Some(groups.map(|group| top.join(group).join(file)).collect::<Vec<PathBuf>>())
    };
    let files: Vec<_> = groups.lines().filter_map(of).flatten().collect();
    files.into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_all_groups_holds() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("a/b/memory.max", "max\n"),
            ("a/memory.max", "1000\n"),
            ("memory.max", "3000\n"),
            ("memory/c/memory.limit_in_bytes", "2000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ] {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        for (groups, wanted) in [
            ("0::/a/b\n", Some(1000)),
            ("0::/\n", Some(3000)),
            ("0::/gone\n", Some(3000)),
            ("12:cpu,cpuacct:/x\n5:memory:/c\n0::/\n", Some(2000)),
            ("5:pids,memory:/\n", Some(9_223_372_036_854_771_712)),
            ("5:cpu:/c\n", None),
            ("", None),
        ] {
            assert_eq!(limits(root.path(), groups).min(), wanted, "{groups}");
        }
        assert!(half_of_memory() > 1 << 20);
    }
}
