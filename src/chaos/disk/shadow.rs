//! What stands beside the files: what of them is on the disk, and under which names.
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Names below the root, and their inodes; directories end in `/` and have none.
pub(super) type Names = BTreeMap<String, u64>;

/// All bytes of a file.
pub(super) const ALL: Range<u64> = 0..u64::MAX;
/// The directory of it.
const DIRECTORY: &str = ".disk";
/// Files that are there when it begins and end like this are on the disk, whoever wrote them.
const SUFFIXES: [&str; 4] = [".rdb", ".braid", ".manifest", ".aof"];

/// The shadow of a directory and those in it.
#[derive(Debug)]
pub(super) struct Shadow {
    root: PathBuf,
    path: PathBuf,
}

/// What tells a file from others.
pub(super) fn inode_of(facts: &Metadata) -> u64 {
    facts.ino()
}

impl Shadow {
    /// The shadow of this directory; begun, if there is none.
    pub(super) fn of(root: &Path) -> io::Result<Shadow> {
        let root = root.canonicalize()?;
        let shadow = Shadow { path: root.join(DIRECTORY), root };
        if !shadow.path.exists() {
            let there = shadow.all_names()?;
            let is_ours =
                |name: &str| name.ends_with('/') || SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
            shadow.begin(there.into_keys().filter(|name| is_ours(name)).collect())?;
        }
        Ok(shadow)
    }
    /// Begins, or begins anew: all of these is on the disk, and nothing else is known.
    pub(super) fn begin(&self, names: Vec<String>) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        for inode in self.inodes()? {
            self.forget(inode)?;
        }
        let mut known = Names::new();
        for name in names {
            let inode = if name.ends_with('/') { 0 } else { self.add(&self.root.join(&name))? };
            known.insert(name, inode);
            if inode != 0 {
                self.keep(inode, std::slice::from_ref(&ALL))?;
            }
        }
        self.set_names(&known)
    }
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
    pub(super) fn live(&self, inode: u64) -> PathBuf {
        self.path.join(format!("{inode}.live"))
    }
    pub(super) fn kept(&self, inode: u64) -> PathBuf {
        self.path.join(format!("{inode}.kept"))
    }
    /// A file for what is put together.
    pub(super) fn draft(&self) -> PathBuf {
        self.path.join("draft")
    }
    /// Takes a file in of which nothing is on the disk. One that is known is begun anew; that what it held is gone, the disk knows at once.
    pub(super) fn add(&self, path: &Path) -> io::Result<u64> {
        let inode = inode_of(&fs::metadata(path)?);
        if !self.live(inode).exists() {
            fs::hard_link(path, self.live(inode))?;
        }
        File::create(self.kept(inode))?;
        Ok(inode)
    }
    fn forget(&self, inode: u64) -> io::Result<()> {
        fs::remove_file(self.live(inode))?;
        fs::remove_file(self.kept(inode))
    }
    /// Forgets files that have no name, neither on the disk nor for those who look: which these were.
    pub(super) fn forget_nameless(&self, names: &Names) -> io::Result<Vec<u64>> {
        let mut gone = Vec::new();
        for inode in self.inodes()? {
            let is_named = fs::metadata(self.live(inode))?.nlink() > 1;
            if !is_named && names.values().all(|named| *named != inode) {
                self.forget(inode)?;
                gone.push(inode);
            }
        }
        Ok(gone)
    }
    /// The files that are known.
    pub(super) fn inodes(&self) -> io::Result<Vec<u64>> {
        let inode = |name: String| name.strip_suffix(".live")?.parse().ok();
        Ok(names_of(&self.path)?.into_iter().filter_map(inode).collect())
    }
    /// These bytes of a file are on the disk.
    pub(super) fn keep(&self, inode: u64, ranges: &[Range<u64>]) -> io::Result<()> {
        let live = File::open(self.live(inode))?;
        let kept = OpenOptions::new().write(true).open(self.kept(inode))?;
        let len = live.metadata()?.len();
        for range in ranges {
            let range = range.start..range.end.min(len);
            let mut bytes = vec![0; range.end.saturating_sub(range.start) as usize];
            live.read_exact_at(&mut bytes, range.start)?;
            kept.write_all_at(&bytes, range.start)?;
        }
        Ok(())
    }
    /// Where a file is not what is on the disk of it.
    pub(super) fn difference(&self, inode: u64) -> io::Result<Option<Range<u64>>> {
        let (live, kept) = (fs::read(self.live(inode))?, fs::read(self.kept(inode))?);
        let same = common(&live, &kept);
        Ok((same < live.len()).then_some(same as u64..live.len() as u64))
    }
    /// The names that are on the disk.
    pub(super) fn names(&self) -> io::Result<Names> {
        let text = fs::read_to_string(self.path.join("names"))?;
        let name = |line: &str| {
            line.split_once(' ').map(|(inode, name)| (name.to_owned(), inode.parse().unwrap_or(0)))
        };
        Ok(text.lines().filter_map(name).collect())
    }
    pub(super) fn set_names(&self, names: &Names) -> io::Result<()> {
        let text: String = names.iter().map(|(name, inode)| format!("{inode} {name}\n")).collect();
        fs::write(self.draft(), text)?;
        fs::rename(self.draft(), self.path.join("names"))
    }
    /// How names in a directory begin; nothing for one that is elsewhere.
    pub(super) fn prefix_of(&self, directory: &Path) -> Option<String> {
        let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let path = path.canonicalize().ok()?;
        let below = path.strip_prefix(&self.root).ok()?.to_str()?;
        Some(if below.is_empty() { String::new() } else { format!("{below}/") })
    }
    /// The names in a directory, as the system shows them.
    pub(super) fn names_in(&self, prefix: &str) -> io::Result<Names> {
        let mut names = Names::new();
        for name in names_of(&self.root.join(prefix))? {
            // What a running server removes meanwhile is not there.
            let Ok(facts) = fs::metadata(self.root.join(prefix).join(&name)) else { continue };
            if facts.is_file() {
                names.insert(format!("{prefix}{name}"), inode_of(&facts));
            } else if facts.is_dir() && name != DIRECTORY {
                names.insert(format!("{prefix}{name}/"), 0);
            }
        }
        Ok(names)
    }
    /// All names below the root.
    pub(super) fn all_names(&self) -> io::Result<Names> {
        let mut names = self.names_in("")?;
        let directories: Vec<String> = names.keys().filter(|name| name.ends_with('/')).cloned().collect();
        for directory in directories {
            names.extend(self.names_in(&directory)?);
        }
        Ok(names)
    }
    /// The power has failed once more.
    pub(super) fn count_boot(&self) -> io::Result<()> {
        fs::write(self.path.join("boots"), (self.boots() + 1).to_string())
    }
    fn boots(&self) -> u64 {
        fs::read_to_string(self.path.join("boots")).map_or(0, |text| text.parse().unwrap_or(0))
    }
    /// The start of the system, another after each time that the power failed.
    pub(super) fn boot(&self, mut system: [u8; 16]) -> [u8; 16] {
        let boots = self.boots().to_le_bytes();
        system.iter_mut().zip(boots).for_each(|(byte, boots)| *byte ^= boots);
        system
    }
}

/// So many bytes are the same from the beginning on.
pub(super) fn common(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn names_of(directory: &Path) -> io::Result<Vec<String>> {
    Ok(fs::read_dir(directory)?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
