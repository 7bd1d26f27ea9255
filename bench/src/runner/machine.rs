//! Facts about the machine, without which no figure means anything.

use std::{fs, path::Path};

/// A few lines: date, processor, kernel, disk, and what else was running.
pub(super) fn describe(data: &Path) -> String {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown");
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let load: Vec<&str> = load.split_whitespace().take(2).collect();
    format!(
        "{date}; {cores} cores, {model}; Linux {}; data on {}; load average before the run {}.",
        kernel.trim(),
        disk(data),
        load.join(" and ")
    )
}

/// The file system of a folder, and the kind of device under it.
fn disk(data: &Path) -> String {
    let Ok(data) = data.canonicalize() else { return "an unknown disk".to_owned() };
    let mounts = read("/proc/self/mounts");
    let Some((device, kind)) = mount_of(&mounts, &data) else { return "an unknown disk".to_owned() };
    let name = device.rsplit('/').next().unwrap_or(device);
    // A partition stands under its disk.
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('p');
    let queue =
        [name, disk].map(|name| format!("/sys/block/{name}/queue")).into_iter().find(|queue| Path::new(queue).is_dir());
    let device = match &queue {
        _ if name.starts_with("vd") => "a virtual disk".to_owned(),
        None => format!("{device}, of unknown kind"),
        Some(queue) if read(&format!("{queue}/rotational")).trim() == "0" => "a solid-state disk".to_owned(),
        Some(_) => "a disk that turns, or says so".to_owned(),
    };
    let cache = queue.map(|queue| read(&format!("{queue}/write_cache"))).unwrap_or_default();
    let cache = if cache.is_empty() { String::new() } else { format!(" with a {} cache", cache.trim()) };
    format!("{kind} on {device}{cache}")
}

/// Device and type of the mount that holds `path`: that of the longest mount point it begins with.
fn mount_of<'a>(mounts: &'a str, path: &Path) -> Option<(&'a str, &'a str)> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, Path::new(fields.next()?), fields.next()?))
    });
    let holding = mounts.filter(|(_, point, _)| path.starts_with(point));
    holding.max_by_key(|(_, point, _)| point.components().count()).map(|(device, _, kind)| (device, kind))
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::mount_of;

    #[test]
    fn the_deepest_mount_holds_a_path() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /a tmpfs rw 0 0\n/dev/sdb1 /a/b xfs rw 0 0\n";
        let of = |path| mount_of(mounts, Path::new(path));
        assert_eq!(of("/a/b/c"), Some(("/dev/sdb1", "xfs")));
        assert_eq!(of("/a/bc"), Some(("tmpfs", "tmpfs")));
        assert_eq!(of("/x"), Some(("/dev/vda", "ext4")));
    }
}
