//! From effects to frames: what a command, a transaction or a script did becomes one frame of the journal of its shard, or one unit
//! over the journals of several.
use super::journal::Journal;
use crate::route::keys_of;
use crate::table::{Entry, Handler, Names, table};
use shards::commands::sort;
use shards::effects::{Effects, Record};
use shards::shard::Shard;
use shards::slot::slot_of;
use shards::spec::Span;
use shards::tail::{FrameHead, Point};
use smallvec::SmallVec;
use std::sync::LazyLock;

/// Shards that a unit writes on.
type Participants = SmallVec<[u16; 8]>;

/// How what was done hangs together with other things.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ties<'a> {
    /// It is a part of this unit over several journals, each of which gets a frame even where nothing was done.
    pub unit: Option<(u64, &'a [u16])>,
    /// That part is a sheaf's: commands that each have a frame, between two of the part's.
    pub is_sheaf: bool,
    /// What the connection did before elsewhere and is not committed yet.
    pub after: &'a [Point],
}

/// Appends what was done to the journals of the shards in hand, as one.
///
/// The records stand in the first shard's frame that they concern; the others' say that they are parts of it. Whether
/// there was anything.
#[inline]
pub fn seal(journal: &Journal, shards: &mut [Box<Shard>], effects: &mut Effects, ties: Ties<'_>) -> bool {
    if std::mem::take(&mut effects.is_cut_off) {
        // Of a unit over several journals no part counts then.
        effects.clear_records();
        return false;
    }
    if effects.record_bytes().is_empty() && ties.unit.is_none() {
        return false;
    }
    match shards {
        [only] => {
            let head = FrameHead { unit: ties.unit, after: ties.after, ..FrameHead::default() };
            journal.append(only, head, effects.record_bytes());
        }
        _ => seal_gathered(journal, shards, effects, ties.after),
    }
    effects.clear_records();
    true
}

fn seal_gathered(journal: &Journal, shards: &mut [Box<Shard>], effects: &Effects, after: &[Point]) {
    let participants = participants_of(shards, effects);
    let unit = (participants.len() > 1).then(|| (journal.new_unit(), &participants[..]));
    let mut after: SmallVec<[Point; 8]> = after.into();
    after.extend(seen_elsewhere(journal, shards, &participants));
    let head = FrameHead { unit, after: &after, ..FrameHead::default() };
    for (place, index) in participants.iter().enumerate() {
        let Some(shard) = shards.iter_mut().find(|shard| shard.index == usize::from(*index)) else {
            continue;
        };
        let records = if place == 0 { effects.record_bytes() } else { &[] };
        journal.append(shard, head, records);
        shard.tail.iter_mut().for_each(|tail| tail.touch_all());
    }
}

/// What is not committed on shards in hand on which nothing was done: it may have been looked at to decide what to do (by a script, by a BLPOP over
/// several), and what was done does not count without it.
fn seen_elsewhere(
    journal: &Journal,
    shards: &[Box<Shard>],
    participants: &[u16],
) -> impl Iterator<Item = Point> {
    let points = shards
        .iter()
        .map(|shard| shard.index)
        .map(|index| Point { shard: index as u16, lsn: journal.appended(index) });
    points.filter(|point| !participants.contains(&point.shard) && !journal.is_committed(*point))
}

/// The shards in hand that the records concern, ascending: all of them where a record names no key.
fn participants_of(shards: &[Box<Shard>], effects: &Effects) -> Participants {
    let mut participants = Participants::new();
    let mut add = |slot: u16| {
        let owner = shards.iter().find(|shard| shard.slots.contains(&slot)).map(|shard| shard.index as u16);
        if let Some(owner) = owner
            && let Err(at) = participants.binary_search(&owner)
        {
            participants.insert(at, owner);
        }
    };
    for record in effects.records() {
        let slots = slots_of(record);
        if slots.is_empty() {
            return shards.iter().map(|shard| shard.index as u16).collect();
        }
        slots.into_iter().for_each(&mut add);
    }
    participants
}

/// The slots of a record's keys; none where it has no keys.
pub fn slots_of(record: Record<'_>) -> SmallVec<[u16; 4]> {
    let args: SmallVec<[&[u8]; 12]> = record.args().collect();
    let Some(entry) = find(&args) else { return SmallVec::new() };
    if entry.spec.span == Span::Sort && sort::reads_other_keys(&args) {
        // What it stores depends on keys that it does not name.
        return SmallVec::new();
    }
    keys_of(entry.spec, &args).iter().map(|(at, _)| slot_of(args[*at])).collect()
}

/// The slots of a command's keys; nothing where it may be about other keys too.
#[must_use]
pub fn slots_of_command(entry: &Entry, args: &[&[u8]]) -> Option<SmallVec<[u16; 4]>> {
    if matches!(entry.handler, Handler::Script(_)) {
        return None;
    }
    let keys = keys_of(entry.spec, args);
    (!keys.is_empty()).then(|| keys.iter().map(|(at, _)| slot_of(args[*at])).collect())
}

/// The command of a record.
#[must_use]
pub fn find(args: &[&[u8]]) -> Option<&'static Entry> {
    static NAMES: LazyLock<Names> = LazyLock::new(|| Names::new(&[]).expect("nothing is renamed"));
    let entry = table().entry(NAMES.find(args.first()?)?);
    if entry.subcommands.is_empty() || entry.takes_rest {
        return Some(entry);
    }
    table().find_sub(entry, args.get(1)?)
}

/// Whether a record concerns whole databases: then one shard's says it for all.
#[must_use]
pub fn is_of_all(effects: &Effects) -> bool {
    effects.records().all(|record| slots_of(record).is_empty())
}
