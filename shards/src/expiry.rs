//! Active expiry: finds keys, and fields of hashes, whose time has come before anybody asks for them.
//!
//! A sweep walks the keys that expire, slot by slot through all databases, and remembers its place; the engine having no
//! clock, the caller bounds it by entries and calls again while it has time. As in Redis, going on at once is worth it while
//! more than a tenth of what was seen had expired: see [`Progress::is_worthwhile`]. A walk of everything, place by place,
//! rather than samples: keys long dead cannot hide among many alive.
use crate::call::{Key, Keys};
use crate::field_expiry;
use crate::keyspace::Hashed;
use crate::shard::Shard;

/// Entries between two removals: what a step sees at most (a cache line of words more).
const STEP_LEN: usize = 64;
/// What a step costs at least, in entries: it may pass over many words to find few that expire.
const STEP_COST_MIN: usize = 16;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries with an expiry that were looked at.
    pub seen: usize,
    /// How many of them had expired and are gone.
    pub expired: usize,
    /// The sweep came to the end of the last database; the next one begins anew.
    pub round_done: bool,
}

impl Progress {
    /// Whether so much of what was seen had expired that it is worth going on at once.
    #[must_use]
    pub fn is_worthwhile(self) -> bool {
        self.expired * 10 > self.seen
    }
}

/// Looks at about `budget` entries of the first shard in hand, and as many fields of hashes, from where the last sweep stopped, no further than to the end
/// of the last database, and removes those whose time has come: recorded, told and counted as when a command meets them.
pub fn sweep(keys: &mut Keys<'_>, budget: usize) -> Progress {
    if keys.settings.keep_expired {
        return Progress { round_done: true, ..Progress::default() };
    }
    let fields = field_expiry::sweep(keys, budget);
    let mut progress = sweep_keys(keys, budget);
    progress.seen += fields.seen;
    progress.expired += fields.expired;
    // Large hashes are visited a slice a round: while that finds much there is more to do.
    progress.round_done &= !fields.is_worthwhile();
    progress
}

fn sweep_keys(keys: &mut Keys<'_>, budget: usize) -> Progress {
    let mut progress = Progress::default();
    let mut dead = Dead::default();
    let mut spent = 0;
    while spent < budget {
        let now_ms = keys.now_ms;
        let shard = &mut *keys.shards_mut()[0];
        let db = shard.sweep.0;
        let seen = step(shard, now_ms, &mut dead);
        spent += seen.max(STEP_COST_MIN);
        progress.seen += seen;
        progress.expired += dead.ends.len();
        progress.round_done = shard.sweep == (0, 0);
        for bytes in dead.keys() {
            keys.expire(Key { db: db as u16, hashed: Hashed::new(bytes) });
        }
        dead.clear();
        if progress.round_done {
            break;
        }
    }
    progress
}

/// One step from the shard's place on: gathers the dead, moves the place. How many entries were seen.
fn step(shard: &mut Shard, now_ms: i64, dead: &mut Dead) -> usize {
    let (index, cursor) = shard.sweep;
    let db = &mut shard.dbs[index];
    let (mut seen, mut ttl_sum) = (0, 0u128);
    let next = db.table.scan_volatile(cursor, STEP_LEN, |entry| {
        seen += 1;
        match entry.expires_at_ms() {
            Some(at_ms) if at_ms > now_ms => ttl_sum += u128::from(at_ms.abs_diff(now_ms)),
            _ => dead.add(entry.key()),
        }
    });
    let alive = seen - dead.ends.len();
    if alive > 0 {
        db.ttl.learn((ttl_sum / alive as u128) as i64);
    }
    shard.sweep = match next {
        Some(cursor) => (index, cursor),
        None => ((index + 1) % shard.dbs.len(), 0),
    };
    seen
}

/// Keys about to be removed, in one buffer.
#[derive(Default)]
struct Dead {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Dead {
    fn add(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// An estimate of how long the keys of a database have still to live, learnt from what sweeps see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AverageTtl {
    ms: i64,
}

impl AverageTtl {
    /// The estimate in ms, 0 while nothing was seen.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.ms
    }
    /// A step saw this average: as in Redis, it moves the estimate by a fiftieth.
    fn learn(&mut self, ms: i64) {
        self.ms = if self.ms == 0 { ms } else { self.ms / 50 * 49 + ms / 50 };
    }
}
