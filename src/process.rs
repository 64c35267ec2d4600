//! What the system says of this process and its machine: CPU time, resident memory, names.
#![expect(unsafe_code, reason = "getrusage and sysconf are the C library's")]
use std::mem::MaybeUninit;

/// How nice a thread is that nobody waits for.
const BACKGROUND_NICE: libc::c_int = 10;

/// CPU time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// In the kernel.
    pub system_seconds: f64,
    /// Outside of it.
    pub user_seconds: f64,
}

/// Whose CPU time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// The whole process's.
    Process,
    /// Its children's that have ended.
    Children,
    /// The calling thread's.
    Thread,
}

/// The CPU time used so far; nothing where the system does not tell.
#[must_use]
pub fn cpu_time(whose: Whose) -> CpuTime {
    let who = match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        Whose::Thread => libc::RUSAGE_THREAD,
    };
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the place is a valid one for what is written to it.
    if unsafe { libc::getrusage(who, usage.as_mut_ptr()) } != 0 {
        return CpuTime::default();
    }
    // SAFETY: all zero bytes were a valid rusage already, and getrusage has filled it.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    CpuTime { system_seconds: seconds(usage.ru_stime), user_seconds: seconds(usage.ru_utime) }
}

/// Resident memory of the process, in bytes; 0 where the system does not tell.
#[must_use]
pub fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages: Option<usize> = pages.and_then(|line| line.split(' ').nth(1)?.parse().ok());
    pages.unwrap_or(0) * page_bytes()
}

/// Memory of the machine, in bytes; 0 where the system does not tell.
#[must_use]
pub fn machine_bytes() -> usize {
    // SAFETY: a question without pointers.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    usize::try_from(pages).unwrap_or(0) * page_bytes()
}

/// The calling thread works on behind the others from now on: it gets about a tenth of a core that they want as well, and all of
/// one that they do not.
pub fn stand_back() {
    // SAFETY: a call without pointers. Of Linux's threads each has a priority of its own; 0 is the caller.
    let _is_refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE) };
}

fn page_bytes() -> usize {
    // SAFETY: a question without pointers.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// System, release and architecture, as `uname -srm` says them.
#[must_use]
pub fn system_name() -> String {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    let (system, release) = (read("ostype"), read("osrelease"));
    format!("{} {} {}", system.trim_end(), release.trim_end(), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        assert!(resident_bytes() > 100_000 && resident_bytes() < machine_bytes());
        assert!(system_name().starts_with("Linux "), "{}", system_name());
        // Together: how the system divides it among user and system is a guess, another one for the process than for the thread.
        let seconds = |whose| cpu_time(whose).user_seconds + cpu_time(whose).system_seconds;
        let before = seconds(Whose::Thread);
        let mut sum = 0u64;
        while seconds(Whose::Thread) < before + 0.02 {
            sum = (0..10_000).fold(sum, |sum, number| std::hint::black_box(sum ^ number));
        }
        assert!(seconds(Whose::Process) >= before + 0.02, "{sum}");
    }
}
