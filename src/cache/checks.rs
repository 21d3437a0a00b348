//! What cannot be meant by `[cache]` and `[cache.NAME]`, or is of no use.

use crate::config::{self, CacheRules, CacheTtl, Duration, Path, Problem, Problems};

pub(super) fn check_sizes(written: &config::Cache, at: &Path, problems: &mut Problems) {
    let (size, most) = (written.size.0, written.max_object.0);
    if size < 1 << 20 {
        let problem = Problem::error(at.key("size"), "less than a mebibyte keeps nothing");
        problems.push(problem.help("`\"256MiB\"` is the default"));
    } else if most > size / 8 {
        let message = "one answer may take more than an eighth of `size`";
        let help = format!("at most {} bytes here, or a larger `size`", size / 8);
        problems.push(Problem::error(at.key("max-object"), message).help(help));
    }
    if written.max_filling.0 < most {
        let message = "less than `max-object`: no answer of that size is ever kept";
        let problem = Problem::finding(at.key("max-filling"), message);
        problems.push(problem.help("several times `max-object`"));
    }
    if let Some(disk) = &written.disk {
        check_disk(disk, most, &at.key("disk"), problems);
    }
    if written.max_variants == 0 {
        problems.push(Problem::error(at.key("max-variants"), "none could be kept"));
    }
}

fn check_disk(written: &config::CacheDisk, most: u64, at: &Path, problems: &mut Problems) {
    if written.path.as_os_str().is_empty() {
        let problem = Problem::error(at.key("path"), "it is empty");
        problems.push(problem.help("a directory: `\"/var/cache/janua\"`"));
    }
    if written.size.0 < 1 << 20 {
        let problem = Problem::error(at.key("size"), "less than a mebibyte keeps nothing");
        problems.push(problem.help("`\"1GiB\"` is the default"));
    } else if written.size.0 / 8 < most {
        let message =
            "answers of more than an eighth of it are never written, and `max-object` is more";
        let help = format!("at least {} bytes, or a smaller `max-object`", most.saturating_mul(8));
        problems.push(Problem::finding(at.key("size"), message).help(help));
    }
    if written.queue.0 == 0 {
        let problem = Problem::error(at.key("queue"), "nothing would ever be written");
        problems.push(problem.help("`\"64MiB\"` is the default; or leave `disk` out"));
    }
    if written.wait.0.is_zero() {
        let problem = Problem::error(at.key("wait"), "nothing would ever be found");
        problems.push(problem.help("`\"250ms\"` is the default; or leave `disk` out"));
    }
}

/// Says where a time is less than caches count in, which would be none.
pub(super) fn check_times(written: &CacheRules, at: &Path, problems: &mut Problems) {
    let mut check = |time: Duration, at: Path| {
        if !time.0.is_zero() && time.0.as_secs() == 0 {
            let problem = Problem::error(at, "caches count in seconds, and this is less than one");
            problems.push(problem.help("`\"1s\"`, or `\"0s\"`"));
        }
    };
    match &written.ttl {
        None => {}
        Some(CacheTtl::All(time)) => check(*time, at.key("ttl")),
        Some(CacheTtl::Table(table)) => {
            for (status, time) in table {
                check(*time, at.key("ttl").key(status.clone()));
            }
        }
    }
    if let Some(time) = written.override_ttl {
        check(time, at.key("override-ttl"));
    }
    check(written.heuristic, at.key("heuristic"));
    check(written.stale_while_revalidate, at.key("stale-while-revalidate"));
    check(written.stale_if_error, at.key("stale-if-error"));
}
