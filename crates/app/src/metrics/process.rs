//! Memory and processor time of this process, where the system tells them under `/proc`.

use std::fs;

use super::text::{Kind, Text};

/// Clock ticks of `/proc/<pid>/stat` in a second: 100 on every Linux, proc(5).
const TICKS_PER_SECOND: u32 = 100;

pub(super) fn write(text: &mut Text) {
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes) {
        text.single("process_resident_memory_bytes", Kind::Gauge, "Resident memory.", bytes);
    }
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_ticks) {
        let seconds = f64::from(ticks) / f64::from(TICKS_PER_SECOND);
        text.single("process_cpu_seconds_total", Kind::Counter, "Processor time, of users and system.", seconds);
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The fields after the name, which may hold anything but is the last one in brackets: state is
/// the first, user time the twelfth, system time the thirteenth.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    ticks()?.checked_add(ticks()?)
}

#[cfg(test)]
mod tests {
    use super::{cpu_ticks, resident_bytes};

    #[test]
    fn memory_and_time_are_read_as_the_system_writes_them() {
        assert_eq!(resident_bytes("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 99 99 20 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!((resident_bytes(""), cpu_ticks("7 (a) S 1")), (None, None));
    }
}
