//! The machine as this process may use it: cores, quotas, open files.
#![expect(unsafe_code, reason = "the standard library has neither limits nor affinity")]

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use core_affinity::CoreId;

use crate::{config, log};

/// A core this process may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core(CoreId);

impl Core {
    /// The kernel's number of it.
    pub fn number(self) -> usize {
        self.0.id
    }
}

/// The cores of this process's affinity mask and cpuset, in the kernel's order. At least one, where the system does not
/// say.
pub fn cores() -> Vec<Core> {
    let mask = core_affinity::get_core_ids().unwrap_or_default();
    let allowed = Cgroups::of_this_process().cpuset(&read);
    let is_allowed = |core: &CoreId| allowed.as_ref().is_none_or(|allowed| allowed.contains(&core.id));
    let cores: Vec<Core> = mask.iter().copied().filter(is_allowed).map(Core).collect();
    match (cores.is_empty(), mask.is_empty()) {
        (false, _) => cores,
        (true, false) => mask.into_iter().map(Core).collect(),
        (true, true) => vec![Core(CoreId { id: 0 })],
    }
}

/// How many shards keep all cores busy: one a core, but no more than the cgroup's CPU quota pays for. Threads beyond the
/// quota would stall each other whenever it is used up.
pub fn default_shard_count() -> usize {
    let quota = Cgroups::of_this_process().quota_cores(&read);
    cores().len().min(quota.unwrap_or(usize::MAX))
}

/// Ties the calling thread to a core. False if the system refuses, which costs speed and nothing else.
pub fn pin(core: Core) -> bool {
    MASK.get_or_init(mask);
    core_affinity::set_for_current(core.0)
}

/// The cores of the process, from before the first thread was tied to one.
static MASK: OnceLock<Option<libc::cpu_set_t>> = OnceLock::new();

/// Lets the calling thread run on all cores of the process again: it has inherited the core of the thread that started it.
pub fn unpin() {
    if let Some(Some(mask)) = MASK.get() {
        // SAFETY: the mask is one that the system gave, of the size that is told. Where it is refused, that costs speed and nothing else.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), mask) };
    }
}

fn mask() -> Option<libc::cpu_set_t> {
    let mut mask = MaybeUninit::zeroed();
    // SAFETY: the place is a valid one of the size that is told.
    let refused = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), mask.as_mut_ptr()) };
    // SAFETY: any bits are a set, and the call has filled it.
    (refused == 0).then(|| unsafe { mask.assume_init() })
}

/// Asks the system for enough open files for so many clients and `reserved` files besides (listening sockets, journal,
/// rings; Redis reserves 32). Returns how many clients are possible, which may be fewer, and tells the log as Redis
/// does. An error, Redis's text, if not even one is.
pub fn raise_fd_limit(maxclients: usize, reserved: usize) -> Result<usize, String> {
    let wanted = (maxclients as u64).saturating_add(reserved as u64);
    let current = match fd_limit() {
        Ok(limit) => limit.rlim_cur,
        Err(error) => {
            let error = config::os_text(&error);
            log::warning(format_args!(
                "Unable to obtain the current NOFILE limit ({error}), assuming 1024 and setting the max clients \
                 configuration accordingly."
            ));
            return Ok(FD_LIMIT_ASSUMED.saturating_sub(reserved).max(1).min(maxclients));
        }
    };
    let (reached, refusal) = raise(current, wanted, set_fd_limit);
    if reached >= wanted {
        if current < wanted {
            log::notice(format_args!(
                "Increased maximum number of open files to {wanted} (it was originally set to {current})."
            ));
        }
        return Ok(maxclients);
    }
    if reached <= reserved as u64 {
        return Err(format!(
            "Your current 'ulimit -n' of {current} is not enough for the server to start. Please increase your open \
             file limit to at least {wanted}. Exiting."
        ));
    }
    let possible = reached as usize - reserved;
    let refusal = refusal.map_or_else(String::new, |error| config::os_text(&error));
    log::warning(format_args!(
        "You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors."
    ));
    log::warning(format_args!(
        "Server can't set maximum open files to {wanted} because of OS error: {refusal}."
    ));
    log::warning(format_args!(
        "Current maximum open files is {reached}. maxclients has been reduced to {possible} to compensate for low \
         ulimit. If you need higher maxclients increase 'ulimit -n'."
    ));
    Ok(possible)
}

/// What Redis assumes where the system does not say.
const FD_LIMIT_ASSUMED: usize = 1024;

/// How close to the highest limit the search for it comes.
const FD_LIMIT_STEP: u64 = 16;

/// Asks for `wanted`; where that is refused, halves the distance to what is granted, and returns the limit reached and the
/// first refusal.
fn raise(current: u64, wanted: u64, mut set: impl FnMut(u64) -> io::Result<()>) -> (u64, Option<io::Error>) {
    if wanted <= current {
        return (current, None);
    }
    let Err(refusal) = set(wanted) else { return (wanted, None) };
    let (mut granted, mut refused) = (current, wanted);
    while refused - granted > FD_LIMIT_STEP {
        let middle = granted + (refused - granted) / 2;
        match set(middle) {
            Ok(()) => granted = middle,
            Err(_) => refused = middle,
        }
    }
    (granted, Some(refusal))
}

fn fd_limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a value of the right type that lives through the call.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => Ok(limit),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_fd_limit(soft: u64) -> io::Result<()> {
    let hard = fd_limit()?.rlim_max.max(soft);
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a value of the right type that lives through the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How this file reads; tests pass a machine made of strings.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Where the control groups of a process are, for the two controllers that limit CPUs.
#[derive(Default)]
struct Cgroups {
    quota: Option<Cgroup>,
    cpuset: Option<Cgroup>,
}

/// A process's place in one hierarchy of control groups.
#[derive(Debug, PartialEq, Eq)]
struct Cgroup {
    version: Version,
    directory: PathBuf,
    /// The root of the hierarchy as far as it is visible; limits of every level from here down count.
    top: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Cgroups {
    fn of_this_process() -> Cgroups {
        let texts = (read(Path::new("/proc/self/cgroup")), read(Path::new("/proc/self/mountinfo")));
        let (Some(membership), Some(mounts)) = texts else { return Cgroups::default() };
        Cgroups::find(&membership, &mounts)
    }

    fn find(membership: &str, mounts: &str) -> Cgroups {
        Cgroups {
            quota: Cgroup::find("cpu", membership, mounts),
            cpuset: Cgroup::find("cpuset", membership, mounts),
        }
    }

    /// How many whole cores the tightest quota pays for, a part of one counted as one.
    fn quota_cores(&self, read: Read<'_>) -> Option<usize> {
        let group = self.quota.as_ref()?;
        group.levels().filter_map(|level| quota_at(group.version, level, read)).min()
    }

    /// The cores of the cpuset, if there is one.
    fn cpuset(&self, read: Read<'_>) -> Option<BTreeSet<usize>> {
        let group = self.cpuset.as_ref()?;
        let file = match group.version {
            Version::V1 => "cpuset.effective_cpus",
            Version::V2 => "cpuset.cpus.effective",
        };
        parse_cores(&read(&group.directory.join(file))?)
    }
}

impl Cgroup {
    /// A controller stands in the one hierarchy of version 2, or in one of its own of version 1, which then wins.
    fn find(controller: &str, membership: &str, mounts: &str) -> Option<Cgroup> {
        let lines = || membership.lines().filter_map(Membership::parse);
        let v1 = lines()
            .find(|line| line.controllers.split(',').any(|name| name == controller))
            .map(|line| (Version::V1, line));
        let v2 = || lines().find(|line| line.controllers.is_empty()).map(|line| (Version::V2, line));
        let (version, line) = v1.or_else(v2)?;
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| match version {
            Version::V1 => mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller),
            Version::V2 => mount.kind == "cgroup2",
        })?;
        // Inside a container the mount may begin below the hierarchy's root.
        let below = Path::new(line.path).strip_prefix(&mount.root).unwrap_or_else(|_| Path::new(""));
        Some(Cgroup { version, directory: mount.point.join(below), top: mount.point })
    }

    fn levels(&self) -> impl Iterator<Item = &Path> {
        self.directory.ancestors().take_while(|level| level.starts_with(&self.top))
    }
}

/// A line of /proc/self/cgroup: `4:cpu,cpuacct:/docker/1f`, or `0::/user.slice` for version 2.
struct Membership<'a> {
    controllers: &'a str,
    path: &'a str,
}

impl<'a> Membership<'a> {
    fn parse(line: &'a str) -> Option<Membership<'a>> {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some(Membership { controllers, path: path.trim_start_matches('/') })
    }
}

/// A line of /proc/self/mountinfo: `29 23 0:26 /root /mount/point rw,nosuid shared:4 - cgroup2 cgroup2 rw`.
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let (kind, _source, options) = (filesystem.next()?, filesystem.next()?, filesystem.next()?);
        let root = PathBuf::from(root.trim_start_matches('/'));
        Some(Mount { root, point: PathBuf::from(point.replace("\\040", " ")), kind, options })
    }
}

fn quota_at(version: Version, level: &Path, read: Read<'_>) -> Option<usize> {
    let (quota, period) = match version {
        Version::V1 => (read(&level.join("cpu.cfs_quota_us"))?, read(&level.join("cpu.cfs_period_us"))?),
        Version::V2 => {
            let text = read(&level.join("cpu.max"))?;
            let (quota, period) = text.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // "max" and -1 are no quota; neither is a number here.
    let (quota, period): (usize, usize) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

/// A list of cores as the kernel writes it: `0-3,7`. An empty one is none.
fn parse_cores(list: &str) -> Option<BTreeSet<usize>> {
    let mut cores = BTreeSet::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    (!cores.is_empty()).then_some(cores)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const V2_MOUNT: &str =
        "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1_MOUNTS: &str = "30 24 0:27 /docker/1f /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n\
        31 24 0:28 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro master:12 - cgroup cgroup rw,cpu,cpuacct\n";
    const V1_MEMBERSHIP: &str = "5:cpuset:/docker/1f\n4:cpu,cpuacct:/docker/1f/inner\n0::/docker/1f\n";

    fn files(files: &[(&str, &str)]) -> HashMap<PathBuf, String> {
        files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect()
    }

    fn quota(membership: &str, mounts: &str, texts: &[(&str, &str)]) -> Option<usize> {
        let files = files(texts);
        Cgroups::find(membership, mounts).quota_cores(&|path| files.get(path).cloned())
    }

    #[test]
    fn the_tightest_quota_of_version_2_counts() {
        let membership = "0::/user.slice/app\n";
        let of = |app: &str, slice: &str| {
            let files = [
                ("/sys/fs/cgroup/user.slice/app/cpu.max", app),
                ("/sys/fs/cgroup/user.slice/cpu.max", slice),
            ];
            quota(membership, V2_MOUNT, &files)
        };
        assert_eq!(of("400000 100000\n", "max 100000\n"), Some(4));
        assert_eq!(of("400000 100000\n", "150000 100000\n"), Some(2));
        assert_eq!(of("1000 100000\n", "max 100000\n"), Some(1));
        assert_eq!(of("max 100000\n", "max 100000\n"), None);
    }

    #[test]
    fn a_container_sees_its_group_as_the_root() {
        assert_eq!(quota("0::/\n", V2_MOUNT, &[("/sys/fs/cgroup/cpu.max", "250000 100000")]), Some(3));
    }

    #[test]
    fn version_1_has_a_hierarchy_for_each_controller() {
        let directory = "/sys/fs/cgroup/cpu,cpuacct/inner";
        let group = Cgroup::find("cpu", V1_MEMBERSHIP, V1_MOUNTS).unwrap();
        assert_eq!((group.version, group.directory.as_path()), (Version::V1, Path::new(directory)));
        let of = |quota_us: &str| {
            let (quota_file, period) =
                (format!("{directory}/cpu.cfs_quota_us"), format!("{directory}/cpu.cfs_period_us"));
            quota(V1_MEMBERSHIP, V1_MOUNTS, &[(&quota_file, quota_us), (&period, "100000\n")])
        };
        assert_eq!((of("150000\n"), of("-1\n")), (Some(2), None));
    }

    #[test]
    fn cpusets_are_read_in_both_versions() {
        let cpuset = |membership, mounts, path: &str| {
            let files = files(&[(path, "0-1,4\n")]);
            Cgroups::find(membership, mounts).cpuset(&|path| files.get(path).cloned())
        };
        let expected = Some(BTreeSet::from([0, 1, 4]));
        assert_eq!(cpuset("0::/a\n", V2_MOUNT, "/sys/fs/cgroup/a/cpuset.cpus.effective"), expected);
        let v1 = "/sys/fs/cgroup/cpuset/cpuset.effective_cpus";
        assert_eq!(cpuset(V1_MEMBERSHIP, V1_MOUNTS, v1), expected);
        assert_eq!(cpuset("0::/a\n", V2_MOUNT, "/nowhere"), None);
    }

    #[test]
    fn lists_of_cores_are_those_of_the_kernel() {
        assert_eq!(parse_cores("0-3,7\n"), Some(BTreeSet::from([0, 1, 2, 3, 7])));
        assert_eq!((parse_cores(""), parse_cores("x")), (None, None));
    }

    #[test]
    fn nonsense_is_no_limit() {
        assert_eq!(quota("garbage", "garbage - x", &[]), None);
        assert_eq!(quota("0::/\n", V2_MOUNT, &[("/sys/fs/cgroup/cpu.max", "1 0")]), None);
    }

    #[test]
    fn this_machine_has_cores_to_pin_to() {
        let cores = cores();
        assert!((1..=cores.len()).contains(&default_shard_count()));
        let pinned =
            std::thread::spawn(move || (pin(cores[0]), core_affinity::get_core_ids().unwrap_or_default()));
        let (is_pinned, mask) = pinned.join().unwrap();
        assert!(!is_pinned || mask.len() == 1);
    }

    #[test]
    fn what_is_not_granted_is_approached() {
        let up_to =
            |hard: u64| move |limit: u64| if limit <= hard { Ok(()) } else { Err(io::Error::other("no")) };
        assert_eq!(raise(1024, 10032, up_to(100_000)).0, 10032);
        let (reached, refusal) = raise(1024, 10032, up_to(5000));
        assert!((5000 - FD_LIMIT_STEP..=5000).contains(&reached) && refusal.is_some());
        let (reached, _) = raise(1024, u64::MAX, up_to(20000));
        assert!((20000 - FD_LIMIT_STEP..=20000).contains(&reached));
        assert!(matches!(raise(1024, 10032, up_to(1024)), (1024, Some(_))));
        assert!(matches!(raise(20000, 10032, up_to(0)), (20000, None)));
    }

    #[test]
    fn a_few_clients_always_fit() {
        assert_eq!(raise_fd_limit(10, 32), Ok(10));
    }
}
