//! A server whose power fails again and again, and what its clients may expect to find then.
use crate::braid_process::Braid;
use crate::dice::Dice;
use crate::link::Link;
use crate::load::{Client, clients, complaints, disturb, work};
use crate::resp::Reply;
use braid::chaos::disk::lose;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to end, or to serve.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many pipelines of a client lie between two questions whether all is on the disk.
const ASKS: usize = 25;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) policy: &'static str,
    pub(crate) io: &'static str,
    /// Sent all the time.
    pub(crate) commands: &'static [&'static [&'static str]],
    /// The power fails when the clients have ended, and all they did is on the disk.
    pub(crate) is_quiet: bool,
    /// There are no journals, and all is saved when it begins.
    pub(crate) is_saved: bool,
    /// How long clients work at least and at most, in ms.
    pub(crate) work: (usize, usize),
    pub(crate) promise: Promise,
    /// How it may end.
    pub(crate) ends: &'static [End],
    /// What the disk does not keep that it is told to: `bytes`, `names`.
    pub(crate) lie: Option<&'static str>,
}

/// What must be there in any case, beside what was said to be on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// All that was acknowledged.
    Acknowledged,
    /// What was acknowledged longer ago than that.
    AllButTheLast(Duration),
    /// What was there when it was last saved.
    Saved,
    /// Nothing, unless no power fails before all was written.
    Nothing,
    /// Nothing.
    Synced,
}

impl Plan {
    pub(crate) fn new(policy: &'static str) -> Plan {
        Plan {
            policy,
            io: "auto",
            commands: &[],
            is_quiet: false,
            is_saved: false,
            work: (50, 500),
            promise: Promise::Nothing,
            ends: &[End::Cut, End::Fuse, End::Fuse, End::KillAndCut, End::Kill, End::StopAndCut],
            lie: None,
        }
    }
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Steps that were promised.
    pub(crate) kept: u64,
    /// Steps that were acknowledged and lost.
    pub(crate) lost: u64,
    /// How often a server died before it served.
    pub(crate) early: usize,
}

/// How a server ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The power fails at once.
    Cut,
    /// It fails at some operation of the disk.
    Fuse,
    /// The server is killed, then the power fails.
    KillAndCut,
    /// The server is killed, and the power fails under the next one.
    Kill,
    /// The server is asked to stop; then the power fails.
    StopAndCut,
}

/// What a client was told.
#[derive(Debug, Default)]
struct Told {
    /// When so many steps had been answered.
    answered: Vec<(Instant, u64)>,
    /// So many of them are on the disk.
    synced: u64,
}

/// A server on trial.
pub(crate) struct Trial {
    plan: Plan,
    dice: Dice,
    server: Braid,
    clients: Vec<Box<dyn Client>>,
    pub(crate) tally: Tally,
}

impl Trial {
    /// Starts a server with nothing.
    pub(crate) fn begin(plan: Plan) -> Trial {
        let seed =
            std::env::var("BRAID_SEED").map_or(1, |text| text.parse().expect("BRAID_SEED is a number"));
        let mut clients: Vec<_> = ["one", "two"].into_iter().flat_map(clients).collect();
        // Plans differ in more than what they are.
        let mix = |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte));
        let mut dice = Dice::new(format!("{plan:?}").bytes().fold(seed, mix));
        let flags = flags(plan, &mut dice, None);
        let server = Braid::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        let complaints = complaints(server.address, &mut clients);
        assert!(complaints.is_empty(), "{complaints:?}");
        Trial { plan, dice, server, clients, tally: Tally::default() }
    }

    /// Lets the clients work, ends the server somehow, starts it again, and looks.
    pub(crate) fn cut(&mut self) -> Result<(), String> {
        let end = self.dice.pick(self.plan.ends);
        if self.plan.is_saved {
            let saved = Link::when_loaded(self.server.address).call(&["SAVE"]);
            assert_eq!(saved, Reply::Simple(b"OK".to_vec()));
        }
        let saved: Vec<u64> = self.clients.iter().map(|client| client.answered()).collect();
        let told = self.work(end);
        let mut promised = self.promised(&told, &saved, end);
        if self.start_again(end) && end == End::Kill {
            // The power failed after all, before what a killed server left was kept.
            promised = self.promised(&told, &saved, End::Cut);
        }
        for (client, promised) in self.clients.iter_mut().zip(&promised) {
            client.expect(*promised);
        }
        let when = format!("{end:?}, {promised:?} promised");
        self.serves().map_err(|why| format!("{when}: {why}"))?;
        let complaints = complaints(self.server.address, &mut self.clients);
        let answered =
            told.iter().zip(&saved).map(|(told, saved)| told.answered.last().map_or(*saved, |last| last.1));
        let found = self.clients.iter().map(|client| client.answered());
        let lost = |(answered, found): (u64, u64)| answered.saturating_sub(found);
        self.tally.lost += answered.zip(found).map(lost).sum::<u64>();
        self.tally.kept +=
            promised.iter().zip(&saved).map(|(promised, saved)| promised - saved.min(promised)).sum::<u64>();
        if complaints.is_empty() { Ok(()) } else { Err(format!("{when}:\n{}", complaints.join("\n"))) }
    }

    /// Has the clients work until the server is gone; what each was told.
    fn work(&mut self, end: End) -> Vec<Told> {
        let (plan, address) = (self.plan, self.server.address);
        let patience = Duration::from_millis(self.dice.within(plan.work.0..=plan.work.1) as u64);
        let stops = AtomicBool::new(false);
        let asks = !plan.is_saved;
        let mut clients = std::mem::take(&mut self.clients);
        let told = std::thread::scope(|scope| {
            let working: Vec<_> = (clients.iter_mut().enumerate())
                .map(|(number, client)| {
                    let stops = &stops;
                    let asks = asks && (plan.is_quiet || number % 2 == 0);
                    scope.spawn(move || carry_on(address, &mut **client, stops, asks))
                })
                .collect();
            if !plan.is_quiet {
                scope.spawn(move || disturb(address, plan.commands));
            }
            std::thread::sleep(patience);
            stops.store(plan.is_quiet, Ordering::SeqCst);
            while plan.is_quiet && !working.iter().all(|working| working.is_finished()) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if plan.is_quiet {
                scope.spawn(move || disturb(address, plan.commands));
            }
            self.end(end);
            working.into_iter().map(|working| working.join().expect("a client works")).collect()
        });
        self.clients = clients;
        told
    }

    fn end(&mut self, end: End) {
        let seed = self.dice.below(1 << 30);
        match end {
            End::Cut => self.cut_power(seed, 0),
            End::Fuse => {
                let most = if self.plan.is_quiet || self.dice.once_in(2) { 50 } else { 1000 };
                let operations = self.dice.within(1..=most);
                self.cut_power(seed, operations);
                let until = Instant::now() + Duration::from_millis(700);
                while self.server.has_ended().is_none() && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if self.server.has_ended().is_none() {
                    self.cut_power(seed, 0);
                }
            }
            End::Kill | End::KillAndCut => self.server.signal("KILL"),
            End::StopAndCut => self.server.signal("TERM"),
        }
        self.server.wait();
        if matches!(end, End::KillAndCut | End::StopAndCut) {
            lose(&self.server.directory, seed as u64).expect("what is left is put together");
        }
    }

    fn cut_power(&self, seed: usize, operations: usize) {
        if let Some(mut link) = Link::connect(self.server.address) {
            let words = ["DEBUG", "POWER-CUT", &seed.to_string(), &operations.to_string()];
            let answer = link.ask(&words);
            assert!(matches!(answer, None | Some(Reply::Simple(_))), "{answer:?}");
        }
    }

    /// Starts it, and before that perhaps some that die while they restore. Whether the power failed under one of them.
    fn start_again(&mut self, end: End) -> bool {
        let mut was_cut = false;
        while self.dice.once_in(3) || end == End::Kill && !was_cut && self.dice.once_in(2) {
            let fuse = (self.dice.below(20), self.dice.below(1 << 30));
            let flags = flags(self.plan, &mut self.dice, Some(fuse));
            self.server.kill_and_spawn(&flags.iter().map(String::as_str).collect::<Vec<_>>());
            let until = Instant::now() + Duration::from_millis(400);
            while self.server.has_ended().is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if self.server.has_ended().is_none() {
                self.server.signal("KILL");
                self.server.wait();
                lose(&self.server.directory, fuse.1 as u64).expect("what is left is put together");
            }
            was_cut = true;
            self.tally.early += 1;
        }
        let flags = flags(self.plan, &mut self.dice, None);
        self.server.kill_and_spawn(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        was_cut
    }

    /// Waits until it serves; why it does not.
    fn serves(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let is_served = |mut link: Link| link.ask(&["PING"]) == Some(Reply::Simple(b"PONG".to_vec()));
        while !Link::connect(self.server.address).is_some_and(is_served) {
            if self.server.has_ended().is_some() || Instant::now() > until {
                return Err(format!("it does not serve again:\n{}", self.server.log()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// How many steps of each client must be there.
    fn promised(&self, told: &[Told], saved: &[u64], end: End) -> Vec<u64> {
        let last = told.iter().filter_map(|told| told.answered.last()).map(|(when, _)| *when).max();
        let answered_until = |told: &Told, until: Option<Instant>| {
            let answered =
                told.answered.iter().take_while(|(when, _)| until.is_some_and(|until| *when <= until));
            answered.last().map_or(0, |(_, answered)| *answered)
        };
        let promised = |(told, saved): (&Told, &u64)| {
            let until = match self.plan.promise {
                Promise::Synced => None,
                _ if matches!(end, End::Kill | End::StopAndCut) => last,
                Promise::Acknowledged => last,
                Promise::AllButTheLast(extent) => last.and_then(|last| last.checked_sub(extent)),
                Promise::Saved | Promise::Nothing => None,
            };
            answered_until(told, until).max(told.synced).max(*saved)
        };
        told.iter().zip(saved).map(promised).collect()
    }
}

fn flags(plan: Plan, dice: &mut Dice, fuse: Option<(usize, usize)>) -> Vec<String> {
    let fuse = fuse.map_or_else(String::new, |(fuse, seed)| format!(" fuse={fuse} seed={seed}"));
    let lie = plan.lie.map_or_else(String::new, |lie| format!(" lie={lie}"));
    let shards = dice.within(1..=3).to_string();
    let appendonly = if plan.is_saved { "no" } else { "yes" };
    let mut flags = vec![format!("BRAID_DISK=on{fuse}{lie}")];
    let words = ["--shards", &shards, "--io", plan.io, "--save", "", "--appendonly", appendonly];
    flags.extend(words.map(str::to_owned));
    flags.extend(["--appendfsync", plan.policy, "--enable-debug-command", "yes"].map(str::to_owned));
    flags
}

/// Has a client work until the server is gone, or it is to stop.
fn carry_on(address: SocketAddr, client: &mut dyn Client, stops: &AtomicBool, asks: bool) -> Told {
    let mut told = Told::default();
    let mut pipelines = 0;
    work(address, client, |link, client| {
        told.answered.push((Instant::now(), client.answered()));
        pipelines += 1;
        let is_enough = stops.load(Ordering::SeqCst);
        if asks && (is_enough || pipelines % ASKS == 0) {
            let patience = if is_enough { "20000" } else { "1500" };
            match link.ask(&["WAITAOF", "1", "0", patience]) {
                Some(Reply::Array(counts)) if counts[0] == Reply::Int(1) => told.synced = client.answered(),
                // Where there is no journal at the moment it says so.
                answer => {
                    assert!(matches!(answer, None | Some(Reply::Array(_) | Reply::Error(_))), "{answer:?}")
                }
            }
        }
        !is_enough
    });
    told
}
