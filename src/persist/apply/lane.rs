//! One shard's thread while a dataset is loaded: it takes batches and does what they say.
use super::batch::{Batch, Op, What};
use super::{Duplicates, Piece, Plan, Trouble, Used, Verdicts};
use crate::shared::Shared;
use crate::table::{Handler, table};
use shards::call::Call;
use shards::commands::execute;
use shards::effects::Effects;
use shards::keyspace::{Hashed, access};
use shards::rdb::{Bad, Decoder, Loaded, Reader, Step};
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::spec::Group;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender};

/// What a lane is sent.
pub(super) enum Work {
    /// To be done.
    Batch(Box<Batch>),
    /// The shard is wanted elsewhere; it comes back by the lane's own channel.
    Lend,
    /// All that was sent before is to be done first.
    Barrier(SyncSender<()>),
}

/// How far ahead of the entry at hand slots and words are fetched from memory, in entries.
const SLOTS_AHEAD: usize = 16;
const WORDS_AHEAD: usize = 8;
const ENTRIES_AHEAD: usize = 3;

/// The thread's state.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) shard: Box<Shard>,
    pub(super) settings: Settings,
    pub(super) plan: Plan,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) inbox: Receiver<Work>,
    pub(super) emptied: Sender<Box<Batch>>,
    pub(super) lent: SyncSender<Box<Shard>>,
    pub(super) back: Receiver<Box<Shard>>,
    /// The value that comes in pieces.
    pub(super) growing: Option<Decoder>,
    pub(super) hashes: Vec<u64>,
    pub(super) effects: Effects,
    pub(super) reply: Reply,
}

impl Worker {
    /// Works until nothing more comes, and gives the shard back; none where whoever had borrowed it is gone.
    pub(super) fn run(mut self) -> Option<Box<Shard>> {
        while let Ok(work) = self.inbox.recv() {
            match work {
                Work::Batch(mut batch) => {
                    if !self.verdicts.has_failed()
                        && let Err(trouble) = self.apply(&batch)
                    {
                        self.verdicts.fail(trouble);
                    }
                    self.shared.published[self.shard.index].publish(&self.shard);
                    batch.clear();
                    // Nobody takes it any more where the reading is over.
                    drop(self.emptied.send(batch));
                }
                Work::Lend => {
                    let Worker { shard, lent, back, inbox, .. } = self;
                    lent.send(shard).ok()?;
                    let shard = back.recv().ok()?;
                    self = Worker { shard, lent, back, inbox, ..self };
                }
                Work::Barrier(done) => drop(done.send(())),
            }
        }
        Some(self.shard)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Trouble> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hashes.extend(batch.ops.iter().map(|op| batch.hashed(op).map_or(0, |key| key.hash)));
        for (index, op) in batch.ops.iter().enumerate() {
            self.look_ahead(&batch.ops, &hashes, index);
            let key = op.place().map(|slot| (slot, hashes[index]));
            match op.what {
                What::Command { .. } => self.command(batch, op, key),
                What::Value { .. } => self.value(batch, op, key)?,
            }
        }
        self.hashes = hashes;
        Ok(())
    }

    /// Has the processor fetch what the entries behind this one will want.
    #[inline]
    fn look_ahead(&self, ops: &[Op], hashes: &[u64], index: usize) {
        for (look, ahead) in [SLOTS_AHEAD, WORDS_AHEAD, ENTRIES_AHEAD].into_iter().enumerate() {
            if let Some(op) = ops.get(index + ahead)
                && let Some(slot) = op.place()
            {
                let key = Hashed { bytes: &[], hash: hashes[index + ahead], slot };
                self.shard.prefetch(op.db, key, look as u8);
            }
        }
    }

    /// Gives a key its value, or reads on in one that comes in pieces.
    #[inline]
    fn value(&mut self, batch: &Batch, op: &Op, place: Option<(u16, u64)>) -> Result<(), Trouble> {
        let What::Value { kind, version, key_len, len, expires_at_ms, used, piece } = op.what else {
            return Ok(());
        };
        let Some((slot, hash)) = place else { return Ok(()) };
        let (key, bytes) = batch.value(op, key_len, len);
        let mut decoder = match piece {
            Piece::Whole | Piece::First => Decoder::new(kind, version),
            Piece::Middle | Piece::Last => match self.growing.take() {
                Some(decoder) => decoder,
                // It had no elements, and was passed over.
                None => return Ok(()),
            },
        };
        let mut reader = Reader::new(bytes);
        let trouble = |what: String| Err(Trouble { at: Some(op.at), what });
        let loaded = match decoder.step(&mut reader, &self.settings, usize::MAX) {
            Ok(Step::Done(loaded)) if reader.left() == 0 && piece.is_last() => loaded,
            Err(Bad::Short) if reader.left() == 0 && !piece.is_last() => {
                self.growing = Some(decoder);
                return Ok(());
            }
            Err(Bad::Empty) => {
                self.verdicts.passed_over_empty(key);
                return Ok(());
            }
            Err(Bad::Data(why)) => return trouble(format!("{} is broken: {why}", name(key))),
            Err(Bad::Module) => return trouble(format!("{} is a module's", name(key))),
            Ok(_) | Err(Bad::Short) => {
                return trouble(format!("{} is broken: it is not as long as it says", name(key)));
            }
        };
        self.put(op, Hashed { bytes: key, hash, slot }, loaded, expires_at_ms, used)
    }

    #[inline]
    fn put(
        &mut self,
        op: &Op,
        key: Hashed<'_>,
        loaded: Loaded<'_>,
        expires_at_ms: Option<i64>,
        used: Used,
    ) -> Result<(), Trouble> {
        let Plan { at_ms, duplicates, .. } = self.plan;
        let told = match used {
            Used::Untold => None,
            Used::IdleSeconds(seconds) => {
                access::restored(i64::try_from(seconds).ok(), None, at_ms, &self.settings)
            }
            Used::Frequency(frequency) => access::restored(None, Some(frequency), at_ms, &self.settings),
        };
        let lru = told.unwrap_or_else(|| access::fresh(at_ms, &self.settings));
        let existed = self.shard.load(op.db, key, loaded, expires_at_ms, lru);
        if existed && duplicates == Duplicates::Refuse {
            let what = format!("{} in DB {} comes a second time", name(key.bytes), op.db);
            return Err(Trouble { at: Some(op.at), what });
        }
        Ok(())
    }

    /// Carries out a command. One that fails did so when it was written, too: it is told of and passed over, as in Redis.
    #[inline]
    fn command(&mut self, batch: &Batch, op: &Op, place: Option<(u16, u64)>) {
        let What::Command { id, count } = op.what else { return };
        let entry = table().entry(id);
        let Handler::Engine(command) = entry.handler else {
            unreachable!("only commands of the engine are sent to lanes")
        };
        let args = batch.args(op, count);
        let shards = std::slice::from_mut(&mut self.shard);
        let hint = place.map(|(slot, hash)| Hashed { bytes: args[1], hash, slot });
        let mut cx = Call::new(shards, &self.settings, op.db, 0, &mut self.reply, &mut self.effects);
        cx.keys.now_ms = clock_of(entry.spec.group, &self.plan);
        cx.turn_to(op.db, hint);
        execute(&mut cx, command, &args);
        if self.reply.bytes.first() == Some(&b'-') {
            self.verdicts.answered_with_error(&self.reply.bytes, entry.spec.name);
        }
        self.reply.bytes.clear();
        self.effects.clear();
    }
}

/// The time at which a command of a file is carried out. Where times are compared with those of keys and fields it is before
/// them all, since whatever the file says of them happened while they were there; streams write down when things happened.
pub(super) fn clock_of(group: Group, plan: &Plan) -> i64 {
    if group == Group::Stream { plan.at_ms } else { 0 }
}

/// A key as errors name it.
pub(super) fn name(key: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 128;
    format!("key '{}'", key[..key.len().min(SHOWN_BYTES_MAX)].escape_ascii())
}
