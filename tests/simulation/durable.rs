//! Journals on a disk that loses its power, and the dataset that comes back from them.
use crate::dice::Dice;
use crate::disk::{Crash, Disk};
use crate::scheduler::Scheduler;
use crate::world::STEPS_A_MS;
use braid::config::Loglevel;
use braid::persist::clock::Clock;
use braid::persist::epoch::{begin, settle};
use braid::persist::files::JournalFile;
use braid::persist::format::Policy;
use braid::persist::journal::Journal;
use braid::persist::manifest::{Directory, Manifest};
use braid::persist::replay::replay;
use braid::persist::restore::{Tails, where_it_ends};
use braid::table::{Handler, table};
use shards::call::Call;
use shards::commands::{Args, execute};
use shards::effects::Effects;
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A disk with the journals of one server.
pub(crate) struct Durable {
    pub(crate) disk: Disk,
    directory: Directory,
    files: Vec<Arc<JournalFile>>,
    policy: Policy,
    crash: Crash,
    /// Syncs wait for each other.
    has_rounds: bool,
    /// The disk fails after so many operations; else it does at the end.
    fuse: Option<usize>,
}

/// What is there after a restart: the values of the keys, by number.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) values: Vec<Option<String>>,
    pub(crate) lists: Vec<Vec<u32>>,
}

/// The clock of the sync rounds.
#[derive(Debug)]
struct StepClock(Arc<Scheduler>);

impl Clock for StepClock {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.now() * 1000 / STEPS_A_MS)
    }
}

impl Durable {
    /// Makes the files for so many shards. A liar of a disk keeps nothing that it is asked to keep.
    pub(crate) fn begin(seed: u64, shard_count: usize, is_liar: bool, dice: &mut Dice) -> Durable {
        braid::log::set_level(Loglevel::Nothing);
        let disk = Disk::new(seed ^ 0xd15c, is_liar);
        let directory = Directory::on(Arc::new(disk.clone()), PathBuf::from("/aof"), "a");
        let files = begin(&directory, &mut Manifest::default(), shard_count).expect("nothing fails yet");
        // What is only with the kernel outlives a process and no power cut.
        let (policy, crash) = match dice.below(5) {
            0 => (Policy::EverySecond, Crash::Kill),
            1 => (Policy::Always, Crash::Kill),
            _ => (Policy::Always, Crash::Power),
        };
        let has_rounds = dice.once_in(2);
        let fuse = (!dice.once_in(3)).then(|| dice.within(1..=16));
        Durable { disk, directory, files, policy, crash, has_rounds, fuse }
    }

    /// The shards of a server write to them from now on.
    pub(crate) fn hand_to(&self, journal: &Journal, shards: &mut [Box<Shard>], scheduler: &Arc<Scheduler>) {
        journal.resume_at(&vec![0; shards.len()]);
        journal.begin(1);
        journal.named();
        if self.has_rounds {
            journal.gather(Box::new(StepClock(Arc::clone(scheduler))));
        }
        for (shard, file) in shards.iter_mut().zip(&self.files) {
            journal.begin_shard(shard, Arc::clone(file), self.policy);
        }
        self.disk.set_fuse(self.fuse);
    }

    /// The server is gone; what another one finds, of which the first keys are strings and the rest lists.
    pub(crate) fn come_back(&self, names: &[String], strings: usize) -> Result<Dataset, String> {
        self.disk.crash(self.crash);
        let mut manifest = self.directory.read_manifest()?.ok_or("there is no manifest")?;
        let last = manifest.epochs.last().cloned().ok_or("the manifest names no journals")?;
        let until = where_it_ends(&self.directory, &last, Tails::Cut, |_| {})?;
        settle(&self.directory, &mut manifest, until)?;
        let mut engine = Engine(Box::new(Shard::new(0, 1, 1, 1)));
        for epoch in &manifest.epochs {
            let carry_out = |record: shards::effects::Record<'_>| {
                engine.call(&record.args().collect::<Vec<_>>());
                Ok::<_, String>(())
            };
            replay(&self.directory, epoch, carry_out, |_| {})?;
        }
        let value = |engine: &mut Engine, name: &String| {
            engine.call(&[b"GET", name.as_bytes()]).lines().nth(1).map(str::to_owned)
        };
        let list = |engine: &mut Engine, name: &String| {
            let reply = engine.call(&[b"LRANGE", name.as_bytes(), b"0", b"-1"]);
            reply.lines().filter_map(|line| line.parse().ok()).collect()
        };
        let mut found = Dataset { values: vec![None; names.len()], lists: vec![Vec::new(); names.len()] };
        for (key, name) in names.iter().enumerate() {
            if key < strings {
                found.values[key] = value(&mut engine, name);
            } else {
                found.lists[key] = list(&mut engine, name);
            }
        }
        Ok(found)
    }
}

/// One shard, in hand.
struct Engine(Box<Shard>);

impl Engine {
    /// Has it carry a command out; the reply.
    fn call(&mut self, args: Args<'_>) -> String {
        let Some(Handler::Engine(command)) = table().find(args[0]).map(|entry| entry.handler) else {
            panic!("{} is not what journals say", String::from_utf8_lossy(args[0]));
        };
        let (mut reply, mut effects) = (Reply::default(), Effects::default());
        let settings = Settings::default();
        let shards = std::slice::from_mut(&mut self.0);
        execute(&mut Call::new(shards, &settings, 0, 1, &mut reply, &mut effects), command, args);
        String::from_utf8_lossy(&reply.bytes).into_owned()
    }
}
