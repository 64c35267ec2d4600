//! The manifest: which files together are the dataset. Changed as a whole or not at all.
//!
//! ```text
//!   braid-journal 1
//!   base appendonly.aof.7.0.base.rdb            RDB files, to be loaded first, in any order
//!   epoch shards 2 from 0 0 until 4711 815               journals written by so many shards; up to where they count, if that is settled
//!   piece 7 appendonly.aof.7.0.incr.braid appendonly.aof.7.1.incr.braid
//!   epoch shards 3 from 77 88 99                 its first piece is not the first that was written: it begins here
//!   piece 9 …
//!   end 5f3e0c21                                crc32c of the lines above
//! ```
//!
//! An *epoch* is the life of one server process: its journals count positions from zero, and nothing in them depends on another
//! epoch's. When a server starts it settles up to where the epoch before counts, and begins another: what was cut off is never read again, though
//! it may still stand in the files.
use super::store::{FileSystem, Reading, Store};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The manifest's name in the journal's directory.
pub const FILE_NAME: &str = "braid.manifest";
const FIRST_LINE: &str = "braid-journal 1";

/// What belongs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// RDB files.
    pub bases: Vec<String>,
    /// Journals, oldest first.
    pub epochs: Vec<Epoch>,
}

/// The journals that one process wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// How many shards it had.
    pub shards: u16,
    /// For each shard where its first piece begins.
    pub from: Vec<u64>,
    /// For each shard up to where its journal counts; nothing while that is not settled.
    pub until: Option<Vec<u64>>,
    /// Pieces of the journals, oldest first.
    pub pieces: Vec<Piece>,
}

/// A piece of the journals of all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Its number, higher than those of all before.
    pub generation: u64,
    /// A file a shard.
    pub files: Vec<String>,
}

impl Manifest {
    /// The number of the next piece.
    #[must_use]
    pub fn next_generation(&self) -> u64 {
        let pieces = self.epochs.iter().flat_map(|epoch| &epoch.pieces);
        pieces.map(|piece| piece.generation).max().unwrap_or(0) + 1
    }
    /// Its files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let pieces = self.epochs.iter().flat_map(|epoch| &epoch.pieces);
        self.bases.iter().chain(pieces.flat_map(|piece| &piece.files)).map(String::as_str)
    }
    /// Its text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        for base in &self.bases {
            text += &format!("base {base}\n");
        }
        for epoch in &self.epochs {
            text += &format!("epoch shards {}", epoch.shards);
            let until = epoch.until.as_ref().map(|until| ("until", until));
            for (word, lsns) in [("from", &epoch.from)].into_iter().chain(until) {
                text += &format!(" {word}");
                lsns.iter().for_each(|lsn| text += &format!(" {lsn}"));
            }
            text.push('\n');
            for piece in &epoch.pieces {
                text += &format!("piece {} {}\n", piece.generation, piece.files.join(" "));
            }
        }
        let crc = crc32c::crc32c(text.as_bytes());
        text + &format!("end {crc:08x}\n")
    }
    /// The manifest of a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: &str) -> Result<Manifest, String> {
        let body_len = text.rfind("end ").ok_or("its last line is missing")?;
        let (body, end) = text.split_at(body_len);
        let crc = u32::from_str_radix(end["end ".len()..].trim_end(), 16);
        if !end.ends_with('\n') || crc != Ok(crc32c::crc32c(body.as_bytes())) {
            return Err("its checksum does not fit".to_owned());
        }
        let mut lines = body.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err("it was written by a newer version of Braid".to_owned());
        }
        let mut manifest = Manifest::default();
        for line in lines {
            manifest.read_line(line).ok_or_else(|| format!("this line makes no sense: {line}"))?;
        }
        Ok(manifest)
    }
    fn read_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        match words.next()? {
            "base" => self.bases.push(file_name(words.next()?)?),
            "epoch" => {
                let shards: u16 = words.nth(1)?.parse().ok().filter(|shards| *shards > 0)?;
                let mut lsns = |word: &str| {
                    let is_there = words.next() == Some(word);
                    let lsns = (0..shards).map_while(|_| words.next()?.parse().ok());
                    is_there
                        .then(|| lsns.collect())
                        .filter(|lsns: &Vec<u64>| lsns.len() == usize::from(shards))
                };
                let (from, until) = (lsns("from")?, lsns("until"));
                let is_at_end = words.next().is_none();
                is_at_end.then(|| self.epochs.push(Epoch { shards, from, until, pieces: Vec::new() }))?;
            }
            "piece" => {
                let generation = words.next()?.parse().ok()?;
                let files: Vec<String> = words.map(file_name).collect::<Option<_>>()?;
                let epoch = self.epochs.last_mut()?;
                (files.len() == usize::from(epoch.shards))
                    .then(|| epoch.pieces.push(Piece { generation, files }))?;
            }
            _ => return None,
        }
        Some(())
    }
}

/// The name of a file in the manifest's own directory.
fn file_name(word: &str) -> Option<String> {
    (!word.is_empty() && !word.contains('/') && word != "..").then(|| word.to_owned())
}

/// The directory of the journals: `dir`/`appenddirname`.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The disk that it is on.
    pub store: Arc<dyn Store>,
    path: PathBuf,
    /// `appendfilename`: what the names of files begin with.
    prefix: String,
}

impl Directory {
    /// The directory at this path, which may not be there yet.
    #[must_use]
    pub fn new(path: PathBuf, prefix: &str) -> Directory {
        Directory::on(Arc::new(FileSystem), path, prefix)
    }
    /// The same on another disk than the file system's.
    #[must_use]
    pub fn on(store: Arc<dyn Store>, path: PathBuf, prefix: &str) -> Directory {
        Directory { store, path, prefix: prefix.to_owned() }
    }
    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The name of a shard's piece.
    #[must_use]
    pub fn increment_name(&self, generation: u64, shard: usize) -> String {
        format!("{}.{generation}.{shard}.incr.braid", self.prefix)
    }
    /// The name of a shard's base.
    #[must_use]
    pub fn base_name(&self, generation: u64, shard: usize) -> String {
        format!("{}.{generation}.{shard}.base.rdb", self.prefix)
    }
    /// Reads the manifest; nothing if there is none.
    ///
    /// # Errors
    /// It cannot be read or makes no sense: in words for the log.
    pub fn read_manifest(&self) -> Result<Option<Manifest>, String> {
        let path = self.file(FILE_NAME);
        let mut text = String::new();
        let read = self.store.open(&path).and_then(|file| Reading::new(file).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("Can't read the manifest {}: {error}", path.display())),
        };
        Manifest::from_text(&text).map(Some).map_err(|why| {
            format!("The manifest {} can't be followed: {why}. Nothing was changed.", path.display())
        })
    }
    /// Makes the directory, if it is not there.
    ///
    /// # Errors
    /// The system's.
    pub fn make(&self) -> io::Result<()> {
        self.store.make_directory(&self.path)?;
        self.path.parent().map_or(Ok(()), |parent| self.store.sync_directory(parent))
    }
    /// Puts a manifest in the place of the one that is there: on the disk when this returns.
    ///
    /// # Errors
    /// The system's; then the old one stands.
    pub fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let temporary = self.file("braid.manifest.new");
        let file = self.store.create(&temporary)?;
        file.write_all_at(manifest.to_text().as_bytes(), 0)?;
        file.sync()?;
        self.store.rename(&temporary, &self.file(FILE_NAME))?;
        self.sync()
    }
    /// Sees that the names in it are on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        self.store.sync_directory(&self.path)
    }
    /// Removes the files of journals that the manifest does not name. What cannot be removed stays.
    pub fn remove_others(&self, manifest: &Manifest) {
        for name in self.store.names(&self.path).unwrap_or_default() {
            let is_ours = name.starts_with(&format!("{}.", self.prefix))
                && (name.ends_with(".incr.braid") || name.ends_with(".base.rdb") && is_sharded_base(&name));
            // What a killed server had not yet given its name.
            let is_left_over = name.starts_with("temp-")
                && name.contains(&format!("-{}.", self.prefix))
                && name.ends_with(".base.rdb");
            if (is_ours || is_left_over)
                && manifest.files().all(|known| *known != name)
                && let Err(error) = self.store.remove(&self.file(&name))
            {
                crate::log::warning(format_args!("Can't remove the old file {name}: {error}"));
            }
        }
    }
}

/// Whether a base's name has a shard in it: Redis's has none.
fn is_sharded_base(name: &str) -> bool {
    let stem = name.trim_end_matches(".base.rdb");
    let mut numbers = stem.rsplit('.').take(2);
    numbers.clone().count() == 2 && numbers.all(|part| part.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        let piece = |generation, files: &[&str]| Piece {
            generation,
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        };
        Manifest {
            bases: vec!["a.3.0.base.rdb".to_owned()],
            epochs: vec![
                Epoch {
                    shards: 1,
                    from: vec![5],
                    until: Some(vec![77]),
                    pieces: vec![piece(3, &["a.3.0.incr.braid"])],
                },
                Epoch {
                    shards: 2,
                    from: vec![0, 9],
                    until: None,
                    pieces: vec![piece(4, &["x", "y"]), piece(5, &["z", "w"])],
                },
            ],
        }
    }

    #[test]
    fn a_manifest_comes_back() {
        let manifest = example();
        assert_eq!(Manifest::from_text(&manifest.to_text()), Ok(manifest.clone()));
        assert_eq!(manifest.next_generation(), 6);
        assert_eq!(manifest.files().count(), 6);
    }

    #[test]
    fn a_manifest_that_was_changed_is_none() {
        let text = example().to_text();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Manifest::from_text(&changed).is_err(), "byte {at}");
            }
            assert!(Manifest::from_text(&text[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_not_named_goes_and_what_is_anothers_stays() {
        let path = std::env::temp_dir().join(format!("braid-manifest-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        let directory = Directory::new(path.clone(), "a");
        let (gone, stays) = (
            ["a.9.0.incr.braid", "a.9.0.base.rdb", "temp-77-a.9.0.base.rdb"],
            [
                "a.3.0.base.rdb",
                "a.1.base.rdb",
                "a.1.incr.aof",
                "a.manifest",
                "temp-77.rdb",
                "b.9.0.incr.braid",
            ],
        );
        for name in gone.iter().chain(&stays) {
            std::fs::write(path.join(name), "").expect("a file");
        }
        directory.remove_others(&example());
        gone.iter().for_each(|name| assert!(!path.join(name).exists(), "{name}"));
        stays.iter().for_each(|name| assert!(path.join(name).exists(), "{name}"));
        std::fs::remove_dir_all(&path).expect("it was there");
    }

    #[test]
    fn files_of_others_are_left_alone() {
        assert!(is_sharded_base("appendonly.aof.7.0.base.rdb"));
        assert!(!is_sharded_base("appendonly.aof.1.base.rdb"));
    }
}
