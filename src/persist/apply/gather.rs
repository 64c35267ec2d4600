//! Where a command of a file goes: one lane, several, or the shards of several in one hand.
use super::lane::{Work, clock_of};
use super::{Appliers, Trouble, gone};
use crate::coordinate::enter::{ShardSet, add_shard};
use crate::coordinate::exec::is_publish;
use crate::pubsub::{Outbox, Outside};
use crate::route;
use crate::script::{Host, Running, ScriptCommand};
use crate::table::{Entry, Handler, Route, table};
use crate::thread::places::Places;
use shards::call::Call;
use shards::commands::{Args, execute};
use shards::fault::Fault;
use shards::shard::Shard;
use shards::slot::{shard_of_slot, slot_of};
use shards::spec::Span;
use smallvec::SmallVec;

impl Appliers {
    /// Carries out a command as it stands in an append-only file or in a journal: `args` with its name first. SELECT, MULTI and
    /// EXEC are the reader's; each command says its database.
    ///
    /// # Errors
    /// It is none, or none that a dataset can hold; there is no such database; or a lane has failed before. That the
    /// command itself answers with an error is logged and no error here.
    pub fn command(&mut self, db: u16, args: Args<'_>) -> Result<(), Trouble> {
        self.check_db(db)?;
        let entry = self.find(args).map_err(|trouble| trouble.at(self.at))?;
        match entry.handler {
            Handler::Engine(_) if entry.route == Route::FirstKey => {
                let slot = slot_of(args[1]);
                let lane = shard_of_slot(slot, self.lanes.len());
                self.lanes[lane].open.add_command(self.at, Some(slot), db, entry.id, args);
                self.send_full(lane)
            }
            Handler::Engine(_) => self.spread(entry, db, args),
            Handler::Script(script) => self.script(entry, script, db, args),
            Handler::Server(_) if is_publish(entry) => Ok(()),
            Handler::Server(_) => self.aside(entry, args).map_err(|trouble| trouble.at(self.at)),
        }
    }

    /// Takes in the code of a library of functions.
    ///
    /// # Errors
    /// It is none, or a function's name is taken.
    pub fn function(&mut self, code: &[u8]) -> Result<(), Trouble> {
        let loaded = self.shared.scripts.load_library(code, true, None);
        let trouble = |fault: Fault| {
            let what = String::from_utf8_lossy(&fault.0).into_owned();
            Trouble::new(format!("a library of functions cannot be loaded: {what}")).at(self.at)
        };
        loaded.map(drop).map_err(trouble)
    }

    /// The command that is meant. Where commands are renamed, files of either name are read.
    fn find(&self, args: Args<'_>) -> Result<&'static Entry, Trouble> {
        let word = args.first().copied().unwrap_or_default();
        let unknown = || Trouble::new(format!("Unknown command '{}'", word.escape_ascii()));
        let found = self.shared.names.find(word).map(|id| table().entry(id)).or_else(|| table().find(word));
        let mut entry = found.ok_or_else(unknown)?;
        if !entry.subcommands.is_empty() && args.len() > 1 {
            entry = table().find_sub(entry, args[1]).ok_or_else(|| {
                Trouble::new(format!("Unknown command '{} {}'", word.escape_ascii(), args[1].escape_ascii()))
            })?;
        }
        if entry.spec.fits(args.len()) {
            return Ok(entry);
        }
        Err(Trouble::new(format!("wrong number of arguments for '{}'", entry.spec.name)))
    }

    /// A command with several keys, or none.
    fn spread(&mut self, entry: &'static Entry, db: u16, args: Args<'_>) -> Result<(), Trouble> {
        let count = self.lanes.len();
        let keys = route::keys_of(entry.spec, args);
        let mut shards = ShardSet::new();
        keys.iter().for_each(|(at, _)| add_shard(&mut shards, shard_of_slot(slot_of(args[*at]), count)));
        match entry.spec.span {
            Span::EveryShard(_) => {
                for lane in 0..count {
                    self.lanes[lane].open.add_command(self.at, None, db, entry.id, args);
                    self.send_full(lane)?;
                }
                Ok(())
            }
            Span::FanOut(_) if shards.len() > 1 => self.deal(entry, db, args),
            Span::GatherAll | Span::Sort if count > 1 => {
                shards = (0..count).collect();
                self.gather(entry, db, args, &shards)
            }
            _ if shards.len() > 1 => self.gather(entry, db, args, &shards),
            _ => {
                let lane = shards.first().copied().unwrap_or(0);
                self.lanes[lane].open.add_command(self.at, None, db, entry.id, args);
                self.send_full(lane)
            }
        }
    }

    /// Deals the keys of a command, each with what belongs to it, to their lanes (MSET, DEL).
    fn deal(&mut self, entry: &'static Entry, db: u16, args: Args<'_>) -> Result<(), Trouble> {
        let count = self.lanes.len();
        let keys = route::keys_of(entry.spec, args);
        let first = keys[0].0;
        let stride = if keys.len() > 1 { keys[1].0 - first } else { 1 };
        for lane in 0..count {
            let mut dealt: SmallVec<[&[u8]; 16]> = args[..first].iter().copied().collect();
            for (at, _) in keys.iter().filter(|(at, _)| shard_of_slot(slot_of(args[*at]), count) == lane) {
                dealt.extend(args[*at..].iter().take(stride).copied());
            }
            if dealt.len() > first {
                self.lanes[lane].open.add_command(self.at, None, db, entry.id, &dealt);
                self.send_full(lane)?;
            }
        }
        Ok(())
    }

    /// Carries out a command on shards in one hand.
    fn gather(
        &mut self,
        entry: &'static Entry,
        db: u16,
        args: Args<'_>,
        which: &ShardSet,
    ) -> Result<(), Trouble> {
        let Handler::Engine(command) = entry.handler else { return Ok(()) };
        let mut shards = self.borrow(which)?;
        let mut cx = Call::new(&mut shards, &self.settings, db, 0, &mut self.reply, &mut self.effects);
        cx.keys.now_ms = clock_of(entry.spec.group, &self.plan);
        execute(&mut cx, command, args);
        self.note_reply(entry);
        self.give_back(shards)
    }

    /// Runs a script, on all shards: it may touch any key. Its clock is the time of loading, as it is in Redis.
    fn script(
        &mut self,
        entry: &'static Entry,
        script: &'static ScriptCommand,
        db: u16,
        args: Args<'_>,
    ) -> Result<(), Trouble> {
        let all = (0..self.lanes.len()).collect();
        let mut shards = self.borrow(&all)?;
        let config = self.shared.config();
        let mut mailed = vec![false; self.lanes.len()];
        let mut told = Outbox::default();
        let host = Host {
            shards: &mut shards,
            settings: &self.settings,
            effects: &mut self.effects,
            stats: &mut self.stats,
            outside: Outside::new(&self.shared, &mut mailed, &mut told, &config),
            places: &mut Places::default(),
            now_ms: self.plan.at_ms,
            no_touch: false,
            remembers: false,
            db,
            script: Running::default(),
        };
        self.scripting.run(script, args, host, &mut self.reply);
        shards.iter_mut().for_each(|shard| shard.now_ms = 0);
        self.note_reply(entry);
        self.give_back(shards)
    }

    fn note_reply(&mut self, entry: &Entry) {
        if self.reply.bytes.first() == Some(&b'-') {
            self.verdicts.answered_with_error(&self.reply.bytes, entry.spec.name);
        }
        self.reply.bytes.clear();
        self.effects.clear();
    }

    /// What is said to the server and not to a shard.
    fn aside(&mut self, entry: &'static Entry, args: Args<'_>) -> Result<(), Trouble> {
        match entry.spec.name {
            "ping" | "echo" | "script|exists" => Ok(()),
            "script|flush" => {
                self.shared.scripts.flush();
                Ok(())
            }
            "script|load" => {
                let loaded = self.scripting.load(&self.shared.scripts, args[2]);
                loaded.map(drop).map_err(|fault| Trouble::new(String::from_utf8_lossy(&fault.0)))
            }
            name => Err(Trouble::new(format!("'{name}' is no command that a dataset can hold"))),
        }
    }

    /// Takes shards into one hand, after all that was handed over for them.
    #[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
    fn borrow(&mut self, which: &ShardSet) -> Result<Vec<Box<Shard>>, Trouble> {
        for lane in which {
            self.send(*lane)?;
        }
        for lane in which {
            self.lanes[*lane].sender.send(Work::Lend).map_err(|_| gone())?;
        }
        which.iter().map(|lane| self.lanes[*lane].lent.recv().map_err(|_| gone())).collect()
    }

    #[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
    fn give_back(&self, shards: Vec<Box<Shard>>) -> Result<(), Trouble> {
        for shard in shards {
            self.lanes[shard.index].back.send(shard).map_err(|_| gone())?;
        }
        Ok(())
    }
}
