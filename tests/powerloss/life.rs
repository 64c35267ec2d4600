//! One life of a server: shards, connections that pipeline, units, marks, rewrites; everything that the journals see of it.
use crate::dataset::{KEYS, OpId, keys_of, name, recording, write_base};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::op::{Kind, Op};
use crate::watch::Watch;
use braid::persist::epoch::{begin, end, make_piece};
use braid::persist::files::JournalFile;
use braid::persist::format::Policy;
use braid::persist::journal::{Job, Journal};
use braid::persist::manifest::{Directory, Manifest};
use braid::persist::needs::Needs;
use braid::persist::record::{Ties, seal};
use shards::shard::Shard;
use shards::slot::slot_of;
use shards::tail::{Extent, FrameHead, Point};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

const CONNS: usize = 4;
const PIPELINE_MAX: usize = 6;

#[derive(Clone, Debug)]
enum Request {
    Part(usize),
    Mark(usize),
    Switch,
}

#[derive(Debug, Default)]
struct Conn {
    /// Entered and not answered, in order.
    pending: VecDeque<usize>,
    /// Carried out, but the connection has not heard of it yet.
    mail: Vec<usize>,
    /// Heard of: the reply waits for those before it, and for the journals.
    heard: Vec<usize>,
    needs: Needs,
}

/// A cut over all shards.
#[derive(Debug)]
struct Cut {
    unit: u64,
    policy: Policy,
    ends: Vec<u64>,
    /// How many operations each shard had carried out before it.
    counts: Vec<usize>,
    /// Made while all shards followed `everysec`.
    counts_for_power: bool,
    reached: usize,
}

/// A rewrite under way.
struct Rewrite {
    generation: u64,
    files: Vec<Arc<JournalFile>>,
    /// Where the old files end, and what the dataset is, once the shards are reached.
    reached: Option<(Vec<u64>, Vec<OpId>)>,
}

/// A running server.
pub(crate) struct Life {
    number: usize,
    dice: Dice,
    directory: Directory,
    manifest: Manifest,
    journal: Journal,
    #[expect(clippy::vec_box, reason = "journals are sealed with shards as the server holds them")]
    shards: Vec<Box<Shard>>,
    keys: Rc<Vec<Vec<String>>>,
    queues: Vec<VecDeque<Request>>,
    policies: Vec<Policy>,
    /// How often a shard turned to another policy than `always`.
    relaxed: usize,
    conns: Vec<Conn>,
    jobs: Vec<Job>,
    watch: Watch,
    /// Writes that waited for others.
    pub(crate) gathered: usize,
    cuts: Vec<Cut>,
    rewrite: Option<Rewrite>,
    /// Its disk fails now and then.
    is_clumsy: bool,
    /// It was asked to stop, and has.
    pub(crate) has_stopped: bool,
    /// So often all was on the disk when somebody asked.
    pub(crate) asked: usize,
    /// The last write to each key of each shard.
    last: Vec<[Option<usize>; KEYS]>,
    /// What was there when it began.
    pub(crate) kept: Vec<OpId>,
    pub(crate) ops: Vec<Op>,
    /// What each shard carried out, in order.
    pub(crate) done: Vec<Vec<usize>>,
    based: HashSet<usize>,
    /// Writes that must be there after a process was killed.
    pub(crate) acknowledged: Vec<usize>,
    /// Writes that must be there whatever happened.
    pub(crate) strict: Vec<usize>,
}

impl Life {
    /// Begins one over what is there; an error where the disk fails.
    pub(crate) fn begin(
        number: usize,
        mut dice: Dice,
        directory: Directory,
        mut manifest: Manifest,
        kept: Vec<OpId>,
    ) -> io::Result<Life> {
        let count = dice.within(1..=4);
        let files = begin(&directory, &mut manifest, count)?;
        let journal = Journal::new(count);
        let mut shards: Vec<Box<Shard>> =
            (0..count).map(|index| Box::new(Shard::new(index, count, 1, 1))).collect();
        journal.resume_at(&vec![0; count]);
        journal.begin(1);
        journal.named();
        let policy = dice.pick(&[Policy::Always, Policy::EverySecond, Policy::EverySecond, Policy::No]);
        for (shard, file) in shards.iter_mut().zip(files) {
            journal.begin_shard(shard, file, policy);
        }
        let is_clumsy = dice.once_in(4);
        let watch = Watch::default();
        if dice.once_in(2) {
            journal.gather(Box::new(watch.clone()));
        }
        Ok(Life {
            number,
            is_clumsy,
            has_stopped: false,
            asked: 0,
            dice,
            directory,
            manifest,
            journal,
            shards,
            keys: Rc::new(keys_of(count)),
            queues: vec![VecDeque::new(); count],
            policies: vec![policy; count],
            relaxed: 0,
            conns: (0..CONNS).map(|_| Conn::default()).collect(),
            jobs: Vec::new(),
            watch,
            gathered: 0,
            cuts: Vec::new(),
            rewrite: None,
            last: vec![[None; KEYS]; count],
            kept,
            ops: Vec::new(),
            done: vec![Vec::new(); count],
            based: HashSet::new(),
            acknowledged: Vec::new(),
            strict: Vec::new(),
        })
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Whether a key is one of that shard's.
    pub(crate) fn is_on(&self, shard: usize, key: &[u8]) -> bool {
        self.keys[shard].iter().any(|known| known.as_bytes() == key)
    }

    /// What may stand in a base, where everything is named but once.
    pub(crate) fn based(&self) -> &HashSet<usize> {
        &self.based
    }

    /// Lets it do so many things, or as many as the disk lets it.
    pub(crate) fn run(&mut self, steps: usize, disk: &Disk) {
        for _ in 0..steps {
            self.step(disk);
            if disk.is_dead() {
                return;
            }
        }
    }

    /// It is asked to stop: what is carried out by now is written, units that only some shards have carried out among it.
    pub(crate) fn stop(&mut self, disk: &Disk) {
        while !self.jobs.is_empty() && !disk.is_dead() {
            self.do_a_job(disk);
        }
        if disk.is_dead() {
            return;
        }
        // Nobody is waited for any longer.
        self.watch.pass(1_000_000);
        self.has_stopped = self.journal.write_out(&mut self.shards)
            && end(&self.directory, &mut self.manifest, &self.journal).is_ok()
            && !disk.is_dead();
    }

    fn step(&mut self, disk: &Disk) {
        self.watch.pass(self.dice.below(100));
        match self.dice.below(43) {
            41.. => self.ask_the_disk(),
            40 => {
                let shard = self.dice.below(self.shards.len());
                self.jobs.extend(self.journal.try_again(shard));
            }
            0..12 => self.enter(),
            12..22 => {
                let shard = self.dice.below(self.shards.len());
                self.serve(shard);
            }
            22..27 => {
                let shard = self.dice.below(self.shards.len());
                self.jobs.extend(self.journal.take_tail(&mut self.shards[shard]));
                self.jobs.extend(self.journal.kicked_jobs());
                let gathered = self.journal.gathered_jobs();
                self.gathered += gathered.len();
                self.jobs.extend(gathered);
            }
            27..33 => self.do_a_job(disk),
            33..37 => self.look_at_replies(),
            37 => self.enter_mark(),
            38 => self.rewrite_further(),
            _ => (0..self.shards.len()).for_each(|shard| self.serve(shard)),
        }
    }

    /// A connection sends a command, if it may.
    fn enter(&mut self) {
        let conn = self.dice.below(CONNS);
        let kind = self.dice.pick(&[
            Kind::Read,
            Kind::Write,
            Kind::Write,
            Kind::Write,
            Kind::Sheaf,
            Kind::Sheaf,
            Kind::Gathered,
        ]);
        let mut shards = vec![self.dice.below(self.shards.len())];
        if matches!(kind, Kind::Gathered | Kind::Sheaf) || self.dice.once_in(3) {
            shards = (0..self.shards.len()).filter(|_| self.dice.once_in(2)).collect();
        }
        if shards.is_empty() || self.conns[conn].pending.len() >= PIPELINE_MAX {
            return;
        }
        let kind = if shards.len() == 1 && matches!(kind, Kind::Gathered | Kind::Sheaf) {
            Kind::Write
        } else {
            kind
        };
        // A write does not run ahead of what its connection sent to other shards.
        let is_ahead = |op: &usize| shards.len() > 1 || self.ops[*op].shards != shards;
        let is_refused = kind != Kind::Read && self.journal.refuses_writes().is_some();
        if is_refused || kind != Kind::Read && self.conns[conn].pending.iter().any(is_ahead) {
            return;
        }
        let is_unit = matches!(kind, Kind::Write | Kind::Sheaf) && shards.len() > 1;
        let unit =
            is_unit.then(|| (self.journal.new_unit(), shards.iter().map(|shard| *shard as u16).collect()));
        let op = Op {
            conn,
            kind,
            key: self.dice.below(KEYS),
            after: self.conns[conn].needs.clone(),
            unit,
            missing: shards.len(),
            points: Vec::new(),
            saw: Vec::new(),
            is_strict: true,
            relaxed: self.relaxed,
            shards: shards.clone(),
        };
        let id = self.ops.len();
        self.ops.push(op);
        self.conns[conn].pending.push_back(id);
        shards.iter().for_each(|shard| self.queues[*shard].push_back(Request::Part(id)));
    }

    /// A shard's turn comes.
    fn serve(&mut self, shard: usize) {
        match self.queues[shard].front().cloned() {
            None => {}
            Some(Request::Part(op)) if self.ops[op].kind == Kind::Gathered => self.gather(op),
            Some(Request::Part(op)) => {
                self.queues[shard].pop_front();
                self.carry_out_part(shard, op);
            }
            Some(Request::Mark(cut)) => {
                self.queues[shard].pop_front();
                self.carry_out_mark(shard, cut);
            }
            Some(Request::Switch) => {
                let is_there = |queue: &VecDeque<Request>| matches!(queue.front(), Some(Request::Switch));
                if self.queues.iter().all(is_there) {
                    for queue in &mut self.queues {
                        queue.pop_front();
                    }
                    self.switch();
                }
            }
        }
    }

    fn carry_out_part(&mut self, shard: usize, id: usize) {
        let op = &mut self.ops[id];
        let tail = self.shards[shard].tail.as_mut().expect("a journal is written");
        let key = &self.keys[shard][op.key];
        let slot = slot_of(key.as_bytes());
        let before = tail.end();
        let lsn = if op.kind == Kind::Read {
            op.saw.extend(self.last[shard][op.key]);
            tail.look_back(before, Some(&[slot]))
        } else {
            let mut effects = recording();
            // Now and then it is long enough for numbers of two bytes.
            let padding = vec![b'.'; if self.dice.once_in(6) { self.dice.below(400) } else { 0 }];
            effects.record(0, &[b"SET", key.as_bytes(), name(self.number, id).as_bytes(), &padding]);
            let unit = op.unit.as_ref().map(|(unit, shards)| (*unit, &shards[..]));
            // A unit says all that comes before it; else the own journal's order does.
            let elsewhere = op.after.elsewhere(shard, &self.journal);
            let after = if unit.is_some() { op.after.points() } else { &elsewhere };
            let in_hand = std::slice::from_mut(&mut self.shards[shard]);
            if op.kind == Kind::Sheaf {
                let bound = |extent, after| FrameHead { unit, extent, after, is_mark: false };
                self.journal.append(&mut in_hand[0], bound(Extent::Opens, after), &[]);
                let mut first = recording();
                first.record(0, &[b"SET", key.as_bytes(), name(self.number, id).as_bytes()]);
                seal(&self.journal, in_hand, &mut first, Ties::default());
                seal(&self.journal, in_hand, &mut effects, Ties::default());
                self.journal.append(&mut in_hand[0], bound(Extent::Closes, &[]), &[]);
            } else {
                seal(&self.journal, in_hand, &mut effects, Ties { unit, after, ..Ties::default() });
            }
            self.last[shard][op.key] = Some(id);
            let tail = self.shards[shard].tail.as_mut().expect("a journal is written");
            self.done[shard].push(id);
            tail.look_back(before, Some(&[slot]))
        };
        self.carried_out(id, &[Point { shard: shard as u16, lsn }]);
    }

    /// A unit's parts come together, where its turn has come on all its shards.
    fn gather(&mut self, id: usize) {
        let op = &self.ops[id];
        let is_there =
            |shard: &usize| matches!(self.queues[*shard].front(), Some(Request::Part(op)) if *op == id);
        if !op.shards.iter().all(is_there) {
            return;
        }
        let (shards, key, after) = (op.shards.clone(), op.key, op.after.clone());
        for shard in &shards {
            self.queues[*shard].pop_front();
        }
        let mut in_hand = Vec::new();
        for shard in shards.iter().rev() {
            in_hand.insert(0, self.shards.remove(*shard));
        }
        let name = name(self.number, id);
        let mut args: Vec<&[u8]> = vec![b"MSET"];
        for shard in &shards {
            args.extend([self.keys[*shard][key].as_bytes(), name.as_bytes()]);
        }
        let mut effects = recording();
        effects.record(0, &args);
        seal(&self.journal, &mut in_hand, &mut effects, Ties { after: after.points(), ..Ties::default() });
        let mut points = Vec::new();
        for (shard, index) in in_hand.into_iter().zip(shards) {
            let lsn = shard.tail.as_ref().expect("a journal is written").end();
            points.push(Point { shard: index as u16, lsn });
            self.last[index][key] = Some(id);
            self.done[index].push(id);
            self.shards.insert(index, shard);
        }
        self.carried_out(id, &points);
    }

    /// So much of an operation is carried out.
    fn carried_out(&mut self, id: usize, points: &[Point]) {
        let is_strict = |point: &Point| self.policies[usize::from(point.shard)] == Policy::Always;
        let op = &mut self.ops[id];
        op.is_strict &= points.iter().all(is_strict);
        op.points.extend(points);
        op.missing -= points.len();
        if op.missing == 0 {
            self.conns[op.conn].mail.push(id);
        }
    }

    /// A connection hears of what became of its commands, and the replies go that may.
    fn look_at_replies(&mut self) {
        let number = self.dice.below(CONNS);
        let conn = &mut self.conns[number];
        for id in std::mem::take(&mut conn.mail) {
            self.ops[id].points.iter().for_each(|point| conn.needs.raise(*point, &self.journal));
            conn.heard.push(id);
        }
        if !conn.needs.are_met(&self.journal) {
            return;
        }
        let is_strict = self.policies.iter().all(|policy| *policy == Policy::Always);
        while let Some(id) = conn.pending.front().copied().filter(|id| conn.heard.contains(id)) {
            conn.pending.pop_front();
            conn.heard.retain(|heard| *heard != id);
            let op = &self.ops[id];
            let seen = if op.kind == Kind::Read { op.saw.clone() } else { vec![id] };
            let is_strict = |op: &Op| is_strict && op.is_strict && op.relaxed == self.relaxed;
            let strict = seen.iter().filter(|seen| is_strict(op) && is_strict(&self.ops[**seen]));
            self.strict.extend(strict);
            self.acknowledged.extend(seen);
        }
    }

    /// Somebody waits for all to be on the disk: what was done by then is there from then on, whatever happens.
    fn ask_the_disk(&mut self) {
        let ends: Vec<u64> = (0..self.shards.len()).map(|shard| self.journal.appended(shard)).collect();
        if self.journal.is_on_disk(&ends) {
            let is_done = |op: &usize| self.ops[*op].writes() && self.ops[*op].missing == 0;
            self.asked += 1;
            self.strict.extend((0..self.ops.len()).filter(is_done));
        }
    }

    fn do_a_job(&mut self, disk: &Disk) {
        if self.jobs.is_empty() {
            return;
        }
        if self.is_clumsy && self.dice.once_in(12) {
            disk.fail_once();
        }
        let job = self.jobs.swap_remove(self.dice.below(self.jobs.len()));
        let result = job.run();
        if !disk.is_dead() {
            let (next, _) = self.journal.done(job, result);
            self.jobs.extend(next);
        }
    }

    /// A mark, and now and then another policy from there on.
    fn enter_mark(&mut self) {
        let current = *self.policies.last().expect("a shard");
        let policy = if self.dice.once_in(3) {
            self.dice.pick(&[Policy::Always, Policy::EverySecond, Policy::No])
        } else {
            current
        };
        let count = self.shards.len();
        self.cuts.push(Cut {
            unit: self.journal.new_unit(),
            policy,
            ends: vec![0; count],
            counts: vec![0; count],
            counts_for_power: true,
            reached: 0,
        });
        let cut = self.cuts.len() - 1;
        self.queues.iter_mut().for_each(|queue| queue.push_back(Request::Mark(cut)));
    }

    fn carry_out_mark(&mut self, shard: usize, cut: usize) {
        let cut = &mut self.cuts[cut];
        self.journal.mark(&mut self.shards[shard], cut.unit);
        self.journal.set_policy(&mut self.shards[shard], cut.policy);
        cut.ends[shard] = self.journal.appended(shard);
        cut.counts[shard] = self.done[shard].len();
        cut.counts_for_power &= self.policies[shard] == Policy::EverySecond;
        cut.reached += 1;
        self.policies[shard] = cut.policy;
        self.relaxed += usize::from(cut.policy != Policy::Always);
    }

    /// The operations that each shard had carried out at the last mark that is on the disk.
    pub(crate) fn marked(&self) -> Vec<usize> {
        let is_kept = |cut: &&Cut| {
            cut.counts_for_power
                && cut.reached == self.shards.len()
                && cut.ends.iter().enumerate().all(|(shard, end)| self.journal.synced(shard) >= *end)
        };
        let cut = self.cuts.iter().rev().find(is_kept);
        cut.map_or_else(|| vec![0; self.shards.len()], |cut| cut.counts.clone())
    }

    /// A rewrite begins, or goes on.
    fn rewrite_further(&mut self) {
        let result = match self.rewrite.take() {
            None => self.begin_rewrite(),
            Some(rewrite) => self.end_rewrite(rewrite),
        };
        // What the disk refuses ends the life soon enough.
        drop(result);
    }

    fn begin_rewrite(&mut self) -> io::Result<()> {
        let generation = self.manifest.next_generation();
        let lsns: Vec<u64> = (0..self.shards.len()).map(|shard| self.journal.appended(shard)).collect();
        let (piece, files) = make_piece(&self.directory, generation, &lsns)?;
        self.manifest.epochs.last_mut().expect("an epoch has begun").pieces.push(piece);
        self.directory.write_manifest(&self.manifest)?;
        self.rewrite = Some(Rewrite { generation, files, reached: None });
        self.queues.iter_mut().for_each(|queue| queue.push_back(Request::Switch));
        Ok(())
    }

    /// All shards at one instant: journals go on in other files.
    fn switch(&mut self) {
        let unit = self.journal.new_unit();
        let mut ends = Vec::new();
        let rewrite = self.rewrite.as_mut().expect("a rewrite is under way");
        for (shard, file) in self.shards.iter_mut().zip(&rewrite.files) {
            self.journal.mark(shard, unit);
            self.journal.hand_in(shard);
            ends.push(self.journal.appended(shard.index));
            self.journal.begin_shard(shard, Arc::clone(file), self.policies[shard.index]);
        }
        // They entered all their queues at once, so the order in which they did is that of every shard.
        let done: BTreeSet<usize> = self.done.iter().flatten().copied().collect();
        let dataset = self.kept.iter().copied();
        let dataset = dataset.chain(done.into_iter().map(|id| (self.number, id))).collect();
        rewrite.reached = Some((ends, dataset));
    }

    /// The bases are there: another manifest names them. Or the snapshot failed, and things stay as they are.
    fn end_rewrite(&mut self, rewrite: Rewrite) -> io::Result<()> {
        let Some((ends, dataset)) = &rewrite.reached else {
            self.rewrite = Some(rewrite);
            return Ok(());
        };
        if self.dice.once_in(3) {
            return Ok(());
        }
        if !self.journal.is_kept_before(ends) {
            self.rewrite = Some(rewrite);
            return Ok(());
        }
        self.based.extend(dataset.iter().filter(|(life, _)| *life == self.number).map(|(_, op)| op));
        let base = self.directory.base_name(rewrite.generation, 0);
        write_base(&self.directory, &base, dataset)?;
        let mut epoch = self.manifest.epochs.last().expect("an epoch has begun").clone();
        epoch.pieces.retain(|piece| piece.generation >= rewrite.generation);
        epoch.from.clone_from(ends);
        let rewritten = Manifest { bases: vec![base], epochs: vec![epoch] };
        self.directory.write_manifest(&rewritten)?;
        self.manifest = rewritten;
        self.directory.remove_others(&self.manifest);
        self.journal.rebased(ends);
        Ok(())
    }
}
