//! What the kernel says about a process, and what a database says about its commits.

use std::{fs, io, path::Path};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all its threads, in seconds, to a hundredth.
    pub cpu_s: f64,
    /// Memory it has resident now, in KiB.
    pub rss_kib: u64,
    /// The most that it had resident, in KiB.
    pub rss_peak_kib: u64,
}

/// Reads the usage of a process.
///
/// # Errors
/// The process is gone, or not ours to look at.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Usage {
        cpu_s: cpu_seconds(&stat, rustix::param::clock_ticks_per_second()),
        rss_kib: kib(&status, "VmRSS:"),
        rss_peak_kib: kib(&status, "VmHWM:"),
    })
}

/// How many files and sockets a process has open.
///
/// # Errors
/// The process is gone, or not ours to look at.
pub fn open_files(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// The usage of this very process; nothing where the kernel does not tell.
pub fn own_usage() -> Usage {
    usage(std::process::id()).unwrap_or_default()
}

fn cpu_seconds(stat: &str, ticks_per_second: u64) -> f64 {
    // The second field is the name in parentheses, which may hold blanks and parentheses. After it,
    // user and system time are the 12th and the 13th.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a process does not live for 2^52 ticks")]
    let seconds = ticks as f64 / ticks_per_second as f64;
    seconds
}

fn kib(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// How many transactions the databases in `directory` have committed since they were opened.
///
/// Counted in the index of each write-ahead log: its header has, at byte 8 and in the byte order of
/// the machine, a number that each commit raises by one (<https://sqlite.org/walformat.html>, 2.1).
/// With `synchronous=FULL` each of these commits is a sync; those of checkpoints come on top.
pub fn commits(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let indexes = files.filter(|file| file.file_name().to_string_lossy().ends_with("-shm"));
    indexes.filter_map(|file| change_counter(&fs::read(file.path()).ok()?)).sum()
}

fn change_counter(index: &[u8]) -> Option<u64> {
    let bytes = index.get(8..12)?.try_into().ok()?;
    Some(u64::from(u32::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{change_counter, cpu_seconds, kib, own_usage};

    #[test]
    fn cpu_time_is_read_after_a_name_with_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 999 999 20 0 8 0 100 1 1";
        assert!((cpu_seconds(stat, 100) - 2.0).abs() < 1e-9);
        assert!(cpu_seconds("nothing", 100).abs() < 1e-9);
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "VmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!((kib(status, "VmRSS:"), kib(status, "VmHWM:"), kib(status, "VmSwap:")), (1024, 2048, 0));
        assert!(own_usage().rss_kib > 0);
    }

    #[test]
    fn commits_stand_in_the_header_of_the_index() {
        let mut index = vec![0; 136];
        index[8..12].copy_from_slice(&77_u32.to_ne_bytes());
        assert_eq!(change_counter(&index), Some(77));
        assert_eq!(change_counter(&index[..11]), None);
    }
}
