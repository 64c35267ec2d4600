//! The world: a server of several shards with its clients, run from a seed.
use crate::client::{Client, Scene, script};
use crate::dice::Dice;
use crate::scheduler::{End, Over, Scheduler};
use crate::search::{self, History};
use braid::chaos::{self, Break};
use braid::config::Config;
use braid::net::Token;
use braid::queues::Strand;
use braid::shared::Shared;
use braid::thread::conn::Peer;
use braid::thread::core::Core;
use shards::shard::Shard;
use shards::slot::{shard_of_slot, slot_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// What a simulation found.
pub(crate) struct Outcome {
    /// Commands answered.
    pub(crate) answers: usize,
    /// Points passed.
    pub(crate) steps: u64,
    /// What is wrong, if something is.
    pub(crate) failure: Option<String>,
}

/// How time passes.
const STEPS_A_MS: u64 = 100;

/// A thread of the server with its clients.
struct Station {
    core: Core,
    clients: Vec<(usize, Token, Client)>,
    gone: Vec<(usize, Client)>,
    scheduler: Arc<Scheduler>,
    start_ms: i64,
}

/// Runs one simulation; with `broken`, its server breaks a rule.
pub(crate) fn run(seed: u64, broken: Option<Break>) -> Outcome {
    let mut dice = Dice::new(seed);
    let shard_count = dice.within(2..=4);
    let client_count = dice.within(2..=4);
    let key_count = dice.within(2..=5);
    let lists = if dice.once_in(2) { dice.within(2..=3) } else { 0 };
    let has_news = dice.once_in(3);
    let scene = Scene { keys: key_count, lists, has_news, has_scripts: dice.once_in(3) };
    let names = key_names(key_count + lists, shard_count);
    let mut clients: Vec<Vec<(usize, Client)>> = (0..shard_count).map(|_| Vec::new()).collect();
    for client in 0..client_count {
        let length = dice.within(3..=9);
        let ops = script(client, scene, length, &mut dice);
        let window = if dice.once_in(3) || ops.len() < 2 { 1 } else { dice.within(2..=ops.len()) };
        let leaves_after = dice.once_in(10).then(|| dice.below(ops.len()));
        let home = dice.below(shard_count);
        clients[home].push((client, Client::new(ops, names.clone(), window, leaves_after)));
    }
    let config = Config { databases: 1, ..Config::default() };
    let shared = Arc::new(Shared::new(config, shard_count, 1_000_000, String::new()).expect("a server"));
    let scheduler = Arc::new(Scheduler::new(dice, shard_count, client_count));
    let finished = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (id, clients) in clients.into_iter().enumerate() {
            let (shared, scheduler, finished) = (Arc::clone(&shared), Arc::clone(&scheduler), &finished);
            let work = move || {
                let station = Station::new(id, shard_count, shared, clients, scheduler);
                let clients = station.live(broken);
                finished.lock().expect("nobody panics here").push(clients);
            };
            std::thread::Builder::new().spawn_scoped(scope, work).expect("a thread");
        }
    });
    let steps = scheduler.steps();
    let end = scheduler.end();
    let mut histories = vec![History::default(); client_count];
    for (number, client) in finished.into_inner().expect("nobody panicked there").into_iter().flatten() {
        histories[number] = client.history;
    }
    let answers = histories.iter().map(|history| history.answered.len()).sum();
    let failure = match end {
        Some(End::Done) => search::explain(&histories, names.len()).err().map(|longest| {
            format!("no single-threaded Redis could have answered so; explained of each client: {longest:?}")
        }),
        other => Some(format!("{other:?}")),
    };
    let failure = failure.map(|what| {
        format!(
            "seed {seed}: {shard_count} shards, {steps} steps: {what}\n{}",
            search::tell(&histories, &names)
        )
    });
    Outcome { answers, steps, failure }
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
        id: usize,
        shard_count: usize,
        shared: Arc<Shared>,
        clients: Vec<(usize, Client)>,
        scheduler: Arc<Scheduler>,
    ) -> Station {
        let start_ms = shared.started_ms;
        let strand = Strand { shard: Box::new(Shard::new(id, shard_count, 1, id as u64)), stalled: None };
        let mut core = Core::new(id, shared, Some(strand));
        let clients = clients
            .into_iter()
            .map(|(number, client)| (number, core.open_conn(Peer::default()), client))
            .collect();
        Station { core, clients, gone: Vec::new(), scheduler, start_ms }
    }

    /// Lives until the simulation is over; gives its clients back.
    fn live(mut self, broken: Option<Break>) -> Vec<(usize, Client)> {
        let me = self.core.id;
        chaos::set_break(broken);
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
            self.receive();
            self.core.serve_own();
            assert!(self.core.read_mail().is_none(), "nobody sends clients or an end");
            self.core.settle();
            self.flush();
            while let Some(thread) = self.core.next_to_wake() {
                self.scheduler.wake(thread);
            }
            if self.core.fall_asleep() {
                let has_input =
                    self.clients.iter().any(|(_, _, client)| client.has_input() || client.leaves_now());
                let until = self.core.wait_due_in_ms().map(|ms| {
                    let at_ms = self.core.now_ms + ms - self.start_ms;
                    at_ms as u64 * STEPS_A_MS
                });
                if !self.scheduler.sleep(self.core.id, has_input, until) {
                    return;
                }
            }
            self.core.get_up();
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
