//! DEBUG RELOAD and DEBUG LOADAOF: the dataset loaded anew while everybody waits, all shards being in hand.
use super::apply::{Appliers, Duplicates, Plan};
use super::load::{Found, find, load_into};
use super::save;
use super::saves::Purpose;
use crate::coordinate::unasked::Errand;
use crate::shared::Shared;
use crate::table::{Handler, table};
use shards::call::Call;
use shards::commands::execute;
use shards::effects::Effects;
use shards::reply::Reply;
use shards::shard::Shard;
use std::sync::Arc;

/// What is to be done, one after the other.
#[derive(Debug)]
pub struct Reload {
    /// The server.
    pub shared: Arc<Shared>,
    /// The dataset is saved first.
    pub saves: bool,
    /// It is emptied.
    pub empties: bool,
    /// What becomes of values whose keys are there.
    pub duplicates: Duplicates,
    /// The append-only files are loaded, else the RDB file.
    pub from_log: bool,
}

impl Errand for Reload {
    fn run(&self, shards: &mut [Box<Shard>], now_ms: i64, reply: &mut Reply) {
        match self.reload(shards, now_ms) {
            Ok(()) => {
                let command = if self.from_log { "LOADAOF" } else { "RELOAD" };
                crate::log::warning(format_args!("DB reloaded by DEBUG {command}"));
                reply.ok();
            }
            Err((answer, why)) => {
                why.lines().for_each(|line| crate::log::warning(format_args!("{line}")));
                reply.error(answer.as_bytes());
            }
        }
    }
}

const NO_SAVE: &str = "ERR Error trying to save the DB, check server logs.";
const NO_RDB: &str = "ERR Error trying to load the RDB dump, check server logs.";
const NO_LOG: &str = "ERR Error trying to load the AOF files, check server logs.";

impl Reload {
    /// The answer and why, where it fails. Then part of the dataset may be there.
    fn reload(&self, shards: &mut [Box<Shard>], now_ms: i64) -> Result<(), (&'static str, String)> {
        let config = self.shared.config();
        if self.saves {
            save::save_in_hand(&self.shared, shards, Purpose::Foreground, now_ms)
                .map_err(|why| (NO_SAVE, why))?;
        }
        let answer = if self.from_log { NO_LOG } else { NO_RDB };
        let found = if self.from_log { find(&config) } else { Some(Found::Rdb(save::dump_path(&config))) };
        // Of no append-only file there is nothing to load.
        let found = found.filter(|found| !self.from_log || !matches!(found, Found::Rdb(_)));
        if self.shared.journal.is_on() {
            if matches!(found, Some(Found::Journals)) {
                self.shared.journal.write_out(shards);
            } else {
                // What is loaded stands in no journal before that is rewritten.
                self.shared.rewrites.schedule(true);
            }
        }
        if self.empties {
            empty(shards, &self.shared, now_ms);
        }
        let Some(found) = found else { return Ok(()) };
        self.load(&found, shards, now_ms).map_err(|why| (answer, why))
    }

    fn load(&self, found: &Found, shards: &mut [Box<Shard>], now_ms: i64) -> Result<(), String> {
        let count = shards.len();
        let dirty: Vec<_> = shards.iter().map(|shard| (shard.counts, shard.now_ms)).collect();
        // While the appliers have the shards, others without content stand in their places.
        let away = |(index, shard): (usize, &mut Box<Shard>)| {
            std::mem::replace(shard, Box::new(Shard::new(index, count, 0, 0)))
        };
        let lent = shards.iter_mut().enumerate().map(away).collect();
        let plan = Plan { at_ms: now_ms, duplicates: self.duplicates };
        let mut appliers = Appliers::start(lent, &self.shared, plan).map_err(|trouble| trouble.what)?;
        // Bulk files are not for the threads of shards.
        let loaded = std::thread::scope(|scope| {
            let reader = scope.spawn(|| load_into(found, &mut appliers, &self.shared));
            reader.join().expect("a panic ends the process")
        });
        let (loaded_shards, outcome) = appliers.finish();
        for ((place, mut shard), (counts, now_ms)) in shards.iter_mut().zip(loaded_shards).zip(dirty) {
            (shard.counts, shard.now_ms) = (counts, now_ms);
            *place = shard;
        }
        loaded?;
        outcome.map_err(|trouble| trouble.what)
    }
}

/// Empties all databases as FLUSHALL does: who watches a key hears of it.
fn empty(shards: &mut [Box<Shard>], shared: &Shared, now_ms: i64) {
    let entry = table().find(b"flushall").expect("the table has it");
    let Handler::Engine(command) = entry.handler else { unreachable!("it is the engine's") };
    let settings = crate::shared::settings_of(&shared.config());
    let (mut reply, mut effects) = (Reply::default(), Effects::default());
    let mut cx = Call::new(shards, &settings, 0, now_ms, &mut reply, &mut effects);
    execute(&mut cx, command, &[b"flushall"]);
}
