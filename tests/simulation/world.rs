//! The world: a server of several shards with its clients, run from a seed.
use crate::client::{Client, Scene, script};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::durable::{Dataset, Durable};
use crate::scheduler::{End, Over, Scheduler};
use crate::search::{self, History};
use braid::chaos::{self, Break};
use braid::config::Config;
use braid::net::Token;
use braid::persist::journal::Job;
use braid::queues::Strand;
use braid::shared::Shared;
use braid::thread::conn::Peer;
use braid::thread::core::Core;
use shards::shard::Shard;
use shards::slot::{shard_of_slot, slot_of};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// What a simulation found.
pub(crate) struct Outcome {
    /// Commands answered.
    pub(crate) answers: usize,
    /// Points passed.
    pub(crate) steps: u64,
    /// Who ran when, and what came of it, mixed into one number.
    pub(crate) trace: u64,
    /// What is wrong, if something is.
    pub(crate) failure: Option<String>,
}

/// What is made wrong on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    /// The server breaks a rule.
    Rule(Break),
    /// Syncs of the disk do nothing.
    Disk,
}

/// How time passes.
pub(crate) const STEPS_A_MS: u64 = 100;
/// Steps that a write or a sync takes, at most: what stands for a disk of half a millisecond.
const DISK_STEPS_MAX: usize = 60;
/// Steps after which it is looked again whether those have come for whom syncs wait.
const GATHERING_STEPS: u64 = 5;

/// A thread of the server with its clients.
struct Station {
    core: Core,
    clients: Vec<(usize, Token, Client)>,
    gone: Vec<(usize, Client)>,
    scheduler: Arc<Scheduler>,
    start_ms: i64,
    disk: Option<Disk>,
    /// What the disk is at, and when it will have done it, in steps.
    storing: Vec<(u64, Job)>,
}

/// The clients of a simulation, by thread.
type Homes = Vec<Vec<(usize, Client)>>;

fn make_clients(count: usize, scene: Scene, names: &[String], shard_count: usize, dice: &mut Dice) -> Homes {
    let mut homes: Homes = (0..shard_count).map(|_| Vec::new()).collect();
    for client in 0..count {
        let length = dice.within(3..=9);
        let ops = script(client, scene, length, dice);
        let window = if dice.once_in(3) || ops.len() < 2 { 1 } else { dice.within(2..=ops.len()) };
        let leaves_after = dice.once_in(10).then(|| dice.below(ops.len()));
        let home = dice.below(shard_count);
        homes[home].push((client, Client::new(ops, names.to_vec(), window, leaves_after)));
    }
    homes
}

/// Runs one simulation.
pub(crate) fn run(seed: u64, wrong: Option<Wrong>) -> Outcome {
    let mut dice = Dice::new(seed);
    let shard_count = dice.within(2..=4);
    let client_count = dice.within(2..=4);
    let key_count = dice.within(2..=5);
    let lists = if dice.once_in(2) { dice.within(2..=3) } else { 0 };
    let has_news = dice.once_in(3);
    let scene = Scene { keys: key_count, lists, has_news, has_scripts: dice.once_in(3) };
    let names = key_names(key_count + lists, shard_count);
    let homes = make_clients(client_count, scene, &names, shard_count, &mut dice);
    let is_liar = matches!(wrong, Some(Wrong::Disk));
    let has_journals = match wrong {
        None => dice.once_in(3),
        // They have a part in what is made wrong, or would only take time.
        Some(wrong) => {
            matches!(wrong, Wrong::Disk | Wrong::Rule(Break::Commit | Break::Telling | Break::Bind))
        }
    };
    let durable = has_journals.then(|| Durable::begin(seed, shard_count, is_liar, &mut dice));
    let config = Config { databases: 1, ..Config::default() };
    let shared = Arc::new(Shared::new(config, shard_count, 1_000_000, String::new()).expect("a server"));
    let scheduler = Arc::new(Scheduler::new(dice, shard_count, client_count));
    let mut shards: Vec<Box<Shard>> =
        (0..shard_count).map(|id| Box::new(Shard::new(id, shard_count, 1, id as u64))).collect();
    if let Some(durable) = &durable {
        durable.hand_to(&shared.journal, &mut shards, &scheduler);
    }
    let stations = shards.into_iter().zip(homes).map(|(shard, clients)| {
        let disk = durable.as_ref().map(|durable| durable.disk.clone());
        (shard, Arc::clone(&shared), clients, Arc::clone(&scheduler), disk)
    });
    let finished = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (shard, shared, clients, scheduler, disk) in stations {
            let finished = &finished;
            let work = move || {
                let clients = Station::new(shard, shared, clients, scheduler, disk).live(wrong);
                finished.lock().expect("nobody panics here").push(clients);
            };
            std::thread::Builder::new().spawn_scoped(scope, work).expect("a thread");
        }
    });
    let mut histories = vec![History::default(); client_count];
    for (number, client) in finished.into_inner().expect("nobody panicked there").into_iter().flatten() {
        histories[number] = client.history;
    }
    let found = durable.map(|durable| durable.come_back(&names, key_count));
    let steps = scheduler.steps();
    let failure = judge(&scheduler, &histories, names.len(), &found);
    let tell = |what| {
        let told = search::tell(&histories, &names);
        format!("seed {seed}: {shard_count} shards, {steps} steps: {what}\n{told}came back: {found:?}")
    };
    let mut hasher = DefaultHasher::new();
    format!("{} {histories:?} {found:?}", scheduler.trace()).hash(&mut hasher);
    Outcome {
        answers: histories.iter().map(|history| history.answered.len()).sum(),
        steps,
        trace: hasher.finish(),
        failure: failure.map(tell),
    }
}

/// What is wrong with what the clients saw, and what came back where the server wrote journals.
fn judge(
    scheduler: &Scheduler,
    histories: &[History],
    keys: usize,
    found: &Option<Result<Dataset, String>>,
) -> Option<String> {
    match (scheduler.end(), found) {
        (_, Some(Err(why))) => Some(format!("nothing comes back: {why}")),
        (Some(End::Done | End::Dark), found) => {
            let found = found.as_ref().and_then(|found| found.as_ref().ok());
            search::explain(histories, keys, found).err().map(|longest| {
                format!(
                    "no single-threaded Redis could have answered so; explained of each client: {longest:?}"
                )
            })
        }
        (other, _) => Some(format!("{other:?}")),
    }
}

/// Names of keys that lie on the shards in turn.
fn key_names(count: usize, shard_count: usize) -> Vec<String> {
    let on = |shard: usize| {
        move |name: &String| shard_of_slot(slot_of(name.as_bytes()), shard_count) == shard % shard_count
    };
    (0..count)
        .map(|key| {
            let mut names = (0..).map(|try_number: u32| format!("k{key}.{try_number}"));
            names.find(on(key)).expect("every shard has keys")
        })
        .collect()
}

impl Station {
    fn new(
        shard: Box<Shard>,
        shared: Arc<Shared>,
        clients: Vec<(usize, Client)>,
        scheduler: Arc<Scheduler>,
        disk: Option<Disk>,
    ) -> Station {
        let start_ms = shared.started_ms;
        let mut core = Core::new(shard.index, shared, Some(Strand { shard, stalled: None }));
        let clients = clients
            .into_iter()
            .map(|(number, client)| (number, core.open_conn(Peer::default()), client))
            .collect();
        Station { core, clients, gone: Vec::new(), scheduler, start_ms, disk, storing: Vec::new() }
    }

    /// Lives until the simulation is over; gives its clients back.
    fn live(mut self, wrong: Option<Wrong>) -> Vec<(usize, Client)> {
        let me = self.core.id;
        chaos::set_break(if let Some(Wrong::Rule(rule)) = wrong { Some(rule) } else { None });
        let lived = catch_unwind(AssertUnwindSafe(|| {
            self.scheduler.enter(me);
            hook(Arc::clone(&self.scheduler), me, || self.turns());
        }));
        if let Err(cause) = lived
            && !cause.is::<Over>()
        {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            self.scheduler.finish(End::Panic(text.unwrap_or_default()));
        }
        let clients = self.clients.into_iter().map(|(number, _, client)| (number, client));
        clients.chain(self.gone).collect()
    }

    /// The loop of `src/thread/mod.rs`, with simulated sockets.
    fn turns(&mut self) {
        loop {
            self.core.begin_turn(self.start_ms + (self.scheduler.now() / STEPS_A_MS) as i64);
            self.core.end_waits();
            self.end_jobs();
            self.receive();
            self.core.serve_own();
            assert!(self.core.read_mail().is_none(), "nobody sends clients or an end");
            self.core.settle();
            self.begin_jobs();
            if self.scheduler.is_over() {
                return;
            }
            self.flush();
            while let Some(thread) = self.core.next_to_wake() {
                self.scheduler.wake(thread);
            }
            if self.core.fall_asleep() {
                let has_input =
                    self.clients.iter().any(|(_, _, client)| client.has_input() || client.leaves_now());
                let until = self.due();
                if !self.scheduler.sleep(self.core.id, has_input, until) {
                    return;
                }
            }
            self.core.get_up();
        }
    }

    /// When it has something to do though nobody comes, in steps.
    fn due(&self) -> Option<u64> {
        let wait = self.core.wait_due_in_ms().map(|ms| {
            let at_ms = self.core.now_ms + ms - self.start_ms;
            at_ms as u64 * STEPS_A_MS
        });
        let looks = self.core.shared.journal.is_gathering();
        let looks = looks.then(|| self.scheduler.now() + GATHERING_STEPS);
        let stored = self.storing.iter().map(|(due, _)| *due).min();
        wait.into_iter().chain(looks).chain(stored).min()
    }

    /// What is to be written is on its way to the disk, or with the kernel at once, as the loop has it.
    fn begin_jobs(&mut self) {
        self.core.collect_jobs();
        while let Some(mut job) = self.core.next_job() {
            let is_quick = job.bytes_left() > 0 && job.is_alone && job.also.is_empty();
            if is_quick && self.scheduler.dice(|dice| dice.once_in(2)) {
                let result = job.write();
                if result.is_err() || !job.sync {
                    self.done(job, result);
                    continue;
                }
                job.is_written = true;
            }
            let takes = self.scheduler.dice(|dice| dice.within(1..=DISK_STEPS_MAX));
            self.storing.push((self.scheduler.now() + takes as u64, job));
        }
        self.core.look_at_held();
    }

    /// The disk is done with something.
    fn end_jobs(&mut self) {
        let now = self.scheduler.now();
        while let Some(at) = self.storing.iter().position(|(due, _)| *due <= now) {
            let (_, job) = self.storing.swap_remove(at);
            let result = job.run();
            self.done(job, result);
        }
    }

    fn done(&mut self, job: Job, result: std::io::Result<()>) {
        if self.disk.as_ref().is_some_and(Disk::is_dead) {
            return self.scheduler.finish(End::Dark);
        }
        for thread in self.core.job_done(job, result) {
            self.scheduler.wake(thread);
        }
    }

    /// Clients send something, or not yet.
    fn receive(&mut self) {
        for at in (0..self.clients.len()).rev() {
            let (_, token, client) = &mut self.clients[at];
            let mut conn = self.core.check_out(*token).expect("connections end only here");
            if client.leaves_now() {
                conn.dead = true;
                self.core.check_in(conn);
                let (number, _, mut client) = self.clients.remove(at);
                client.history.has_left = true;
                self.gone.push((number, client));
                self.scheduler.client_done();
                continue;
            }
            if client.has_input() && self.scheduler.dice(|dice| !dice.once_in(4)) {
                let now = self.scheduler.now();
                let bytes = self.scheduler.dice(|dice| client.speak(now, dice));
                self.core.received(&mut conn, &bytes);
            }
            self.core.check_in(conn);
        }
    }

    /// What connections have to send arrives.
    fn flush(&mut self) {
        self.core.intents.clear();
        while let Some(token) = self.core.to_flush.pop() {
            let Some(mut conn) = self.core.check_out(token) else { continue };
            if !self.core.may_send(&mut conn) {
                self.core.check_in_flushed(conn);
                continue;
            }
            conn.listed = false;
            let bytes = std::mem::take(&mut conn.out);
            self.core.check_in_flushed(conn);
            let Some((_, _, client)) = self.clients.iter_mut().find(|(_, of, _)| *of == token) else {
                continue;
            };
            let was_done = client.is_done();
            client.hear(self.scheduler.now(), &bytes);
            if client.is_done() && !was_done {
                self.scheduler.client_done();
            }
        }
    }
}

/// Runs `work` with the scheduler hung into every point of this thread.
fn hook(scheduler: Arc<Scheduler>, me: usize, work: impl FnOnce()) {
    /// Takes the hook out again, however the work ends.
    struct Unhook;
    impl Drop for Unhook {
        fn drop(&mut self) {
            chaos::set_hook(None);
        }
    }
    let _unhook = Unhook;
    chaos::set_hook(Some(Box::new(move || scheduler.point(me))));
    work();
}
