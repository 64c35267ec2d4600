//! The scripts that the server knows, by the SHA1 of their texts.
//!
//! A script is looked for when its command enters, to choose its shards, and again where it runs, which may be later and on another
//! thread: an EVALSHA that is still on its way when somebody forgets all scripts answers that there is none.
use super::busy::{Busy, Kind};
use super::functions::Functions;
use super::proof;
use super::shebang::{Declared, read_shebang};
use sha1::{Digest, Sha1};
use shards::fault::Fault;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The SHA1 of a script, as 40 hexadecimal digits in lower case.
pub(crate) type Sha = [u8; 40];

/// A script.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its name.
    pub(crate) sha: Sha,
    /// Its text as it came.
    pub(crate) source: Box<[u8]>,
    /// What its first line declares.
    pub(crate) declared: Declared,
    /// It touches no keys but those it is given.
    pub(crate) is_local: bool,
    /// It may publish something.
    pub(crate) publishes: bool,
}

impl Script {
    /// A script of this text.
    ///
    /// # Errors
    /// Its first line declares what cannot be.
    pub(crate) fn new(sha: Sha, source: &[u8]) -> Result<Script, Fault> {
        let declared = read_shebang(source)?;
        let is_local = proof::is_local(source);
        let publishes = !is_local || names_publish(source);
        Ok(Script { sha, source: source.into(), declared, is_local, publishes })
    }
}

/// Whether a text in which every command is named names PUBLISH or SPUBLISH.
pub(super) fn names_publish(source: &[u8]) -> bool {
    source.windows(b"publish".len()).any(|word| word.eq_ignore_ascii_case(b"publish"))
}

/// The scripts, the libraries of functions, and what runs too long.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    known: Mutex<HashMap<Sha, Arc<Script>>>,
    version: AtomicU64,
    count: AtomicUsize,
    source_bytes: AtomicUsize,
    /// Bytes of the machines, added up: those for scripts, those for functions.
    machine_bytes: [AtomicUsize; 2],
    /// What runs too long.
    pub(crate) busy: Busy,
    /// The libraries of functions.
    pub(crate) functions: Functions,
}

impl Scripts {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Sha, Arc<Script>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes with every SCRIPT FLUSH.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// A script, if there is one of that name.
    pub(crate) fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.known().get(sha).cloned()
    }
    /// Adds a script.
    pub(crate) fn add(&self, script: &Arc<Script>) {
        if self.known().insert(script.sha, Arc::clone(script)).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.source_bytes.fetch_add(script.source.len(), Ordering::Relaxed);
        }
    }
    /// SCRIPT FLUSH.
    pub(crate) fn flush(&self) {
        let mut known = self.known();
        known.clear();
        self.count.store(0, Ordering::Relaxed);
        self.source_bytes.store(0, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
    /// Bytes of their texts.
    pub(crate) fn source_bytes(&self) -> usize {
        self.source_bytes.load(Ordering::Relaxed)
    }
    /// Bytes of the machines for what is of this kind.
    pub(crate) fn machine_bytes(&self, kind: Kind) -> usize {
        self.machine_bytes[kind as usize].load(Ordering::Relaxed)
    }
    /// A machine has `after` bytes now, and had `before`.
    pub(crate) fn count_machine(&self, kind: Kind, before: usize, after: usize) {
        let bytes = &self.machine_bytes[kind as usize];
        if after >= before {
            bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// The name of a text.
pub(crate) fn sha_of(text: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(text);
    let mut sha = [0; 40];
    for (pair, byte) in sha.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    sha
}

/// A name as a client wrote it, in any case.
pub(crate) fn sha_from(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}
