//! What the machine is asked for: cores, descriptors, timers and exact CPU clocks.
#![expect(unsafe_code, reason = "affinity, limits and CPU clocks have no face in std")]

use std::io;
use std::time::Duration;

/// Keeps the calling thread (and the processes and threads it starts from now on) on `cores`.
///
/// # Errors
/// When none of the cores is there or allowed.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
        // SAFETY: `core` is within the set, as just checked.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the kernel reads a set of this size; 0 is the calling thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The cores this thread may run on.
#[must_use]
pub fn cores() -> Vec<usize> {
    // SAFETY: all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes at most a set of this size; 0 is the calling thread.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    if result < 0 {
        return vec![0];
    }
    // SAFETY: every core asked for is within the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&core| unsafe { libc::CPU_ISSET(core, &set) }).collect()
}

/// Raises the limit of open descriptors, for this process and those it starts, as far as it may; says how far that is.
///
/// # Errors
/// The kernel's.
pub fn allow_descriptors() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } < 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one `rlimit`.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Lets the calling thread's timed waits end on time instead of up to 50 µs later.
pub fn sharpen_timers() {
    // SAFETY: takes no pointers; a refusal only leaves the default.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1u64) };
}

/// CPU time the calling thread has had.
#[must_use]
pub fn thread_cpu() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// CPU time the process `pid` has had, with all threads that are or were.
///
/// # Errors
/// When there is no such process.
pub fn process_cpu(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut id = 0;
    // SAFETY: the library writes one clock id.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut id) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    clock(id)
}

fn clock(id: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `timespec`.
    if unsafe { libc::clock_gettime(id, &raw mut time) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_runs_where_it_was_put() {
        std::thread::spawn(|| {
            let core = *cores().last().unwrap();
            pin(&[core]).unwrap();
            assert_eq!(cores(), [core]);
            assert!(pin(&[]).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn cpu_clocks_run_while_we_work() {
        let (thread, process) = (thread_cpu(), process_cpu(std::process::id()).unwrap());
        let mut sum = 0u64;
        while thread_cpu() < thread + Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu(std::process::id()).unwrap() >= process + Duration::from_millis(20));
        assert!(process_cpu(0x3fff_fff0).is_err());
    }
}
