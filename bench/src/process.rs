//! What a server process has used: CPU time in user and system mode, and resident memory.

use std::fs;
use std::io;
use std::time::Duration;

use crate::machine;

/// A reading of a process's CPU clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuReading {
    /// Exact, to the nanosecond.
    total: Duration,
    /// Sampled by the kernel's tick; good for the share of each, not for the sum.
    user_ticks: u64,
    system_ticks: u64,
}

/// CPU time used between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// In the process's own code, in seconds.
    pub user_s: f64,
    /// In the kernel on its behalf, in seconds.
    pub system_s: f64,
}

impl CpuReading {
    /// Reads the clocks of the process `pid`.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (user_ticks, system_ticks) =
            parse_stat(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, stat.clone()))?;
        Ok(Self { total: machine::process_cpu(pid)?, user_ticks, system_ticks })
    }

    /// What was used since an earlier reading: the exact total, divided as the ticks were.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> CpuTime {
        let total_s = self.total.saturating_sub(earlier.total).as_secs_f64();
        let user = self.user_ticks.saturating_sub(earlier.user_ticks) as f64;
        let system = self.system_ticks.saturating_sub(earlier.system_ticks) as f64;
        // Less than a tick was used: it cannot be divided, so it counts as the process's own.
        let user_share = if user + system > 0.0 { user / (user + system) } else { 1.0 };
        CpuTime { user_s: total_s * user_share, system_s: total_s * (1.0 - user_share) }
    }
}

impl CpuTime {
    /// Both kinds, in seconds.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// Resident memory of the process `pid`, in bytes.
///
/// # Errors
/// When it is gone.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .or_else(|_| fs::read_to_string(format!("/proc/{pid}/status")))?;
    parse_resident(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no resident size in /proc"))
}

/// Memory of the process `pid` and of its children, what several of them have being counted once, in bytes.
///
/// # Errors
/// When it is gone.
pub fn proportional_bytes(pid: u32) -> io::Result<u64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    // A child may have ended by now: then it has no memory.
    let of_children = children.split_whitespace().filter_map(|child| share_of(child).ok());
    Ok(share_of(&pid.to_string())? + of_children.sum::<u64>())
}

fn share_of(pid: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let share = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix("kB"));
    let kilobytes: Option<u64> = share.and_then(|share| share.trim().parse().ok());
    Ok(kilobytes.ok_or_else(|| io::Error::other("no proportional size in /proc"))? * 1024)
}

/// The user and system ticks of `/proc/PID/stat`; the name in it may hold blanks and brackets.
fn parse_stat(text: &str) -> Option<(u64, u64)> {
    let (_, after_name) = text.rsplit_once(')')?;
    // The state is the third field; utime is the fourteenth.
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The `Rss:` of smaps_rollup or the `VmRSS:` of status, in bytes.
fn parse_resident(text: &str) -> Option<u64> {
    let line =
        text.lines().find_map(|line| line.strip_prefix("Rss:").or_else(|| line.strip_prefix("VmRSS:")))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_a_name_with_brackets() {
        let text = "21475 (a) b (c) R 21471 21471 18339 0 -1 4194304 98 0 0 0 123 45 6 7 20 0 1 0 119229 3133440 388";
        assert_eq!(parse_stat(text), Some((123, 45)));
        assert_eq!(parse_stat("1 (x) R 1 2"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn the_exact_total_is_divided_as_the_ticks_were() {
        let earlier = CpuReading { total: Duration::from_secs(10), user_ticks: 100, system_ticks: 50 };
        let later = CpuReading { total: Duration::from_millis(12_000), user_ticks: 250, system_ticks: 100 };
        let used = later.since(&earlier);
        assert!((used.user_s - 1.5).abs() < 1e-9 && (used.system_s - 0.5).abs() < 1e-9, "{used:?}");
        assert!((used.total_s() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn less_than_a_tick_counts_as_user_time() {
        let earlier = CpuReading::default();
        let later = CpuReading { total: Duration::from_micros(10), ..earlier };
        assert_eq!(later.since(&earlier), CpuTime { user_s: 0.000_01, system_s: 0.0 });
    }

    #[test]
    fn resident_memory_is_read_from_either_file() {
        assert_eq!(
            parse_resident("55-7f ---p 0 [rollup]\nRss:                1736 kB\nPss: 393 kB\n"),
            Some(1736 * 1024)
        );
        assert_eq!(parse_resident("VmHWM:\t  900 kB\nVmRSS:\t     800 kB\n"), Some(800 * 1024));
        assert_eq!(parse_resident("Pss: 1 kB\n"), None);
    }

    #[test]
    fn our_own_work_is_counted() {
        let pid = std::process::id();
        let before = CpuReading::of(pid).unwrap();
        let end = machine::thread_cpu() + Duration::from_millis(50);
        let mut sum = 0u64;
        while machine::thread_cpu() < end {
            sum = std::hint::black_box(sum + 1);
        }
        let used = CpuReading::of(pid).unwrap().since(&before).total_s();
        assert!(used >= 0.05, "{used}");
        assert!(resident_bytes(pid).unwrap() > 100_000);
    }
}
