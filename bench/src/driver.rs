//! The loop of one load thread: sends batches over its connections and judges what comes back.
//!
//! *Closed loop*: each connection sends a batch as deep as the pipeline, waits for all its replies, sends the next.
//! *Open loop*: units are due at fixed moments whatever the server does; each takes the next connection with room, and
//! its latency counts from the moment it was due, so that a slow server cannot hide by slowing its clients down.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::connection::Connection;
use crate::client::epoll::{Epoll, Ready};
use crate::machine;
use crate::outcome::Outcome;
use crate::workload::Workload;

/// How long a run waits for replies when none come at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room for one read, in bytes.
const READ_BYTES: usize = 128 * 1024;
/// Sockets handled between two looks at the clock of the run.
const EVENTS_MAX: usize = 512;

/// How much is to be done, and how fast.
#[derive(Clone, Copy, Debug, Default)]
pub struct Goal {
    /// Stop sending after this long.
    pub duration: Option<Duration>,
    /// Stop after this many units.
    pub units: Option<u64>,
    /// Units due each second (open loop); without it as fast as replies come (closed loop).
    pub units_per_s: Option<f64>,
}

/// A thread's connections and what it sends over them.
#[derive(Debug)]
pub struct Driver {
    connections: Vec<Option<Connection>>,
    /// Number of the first connection among all threads'.
    first: u64,
    epoll: Epoll,
    workload: Workload,
    depth: u64,
    input: Vec<u8>,
}

impl Driver {
    /// A loop over these connections, with up to `depth` units under way on each.
    ///
    /// # Errors
    /// When the kernel does not give what it takes.
    pub fn new(connections: Vec<Connection>, first: u64, workload: Workload, depth: u64) -> io::Result<Self> {
        let epoll = Epoll::new(EVENTS_MAX)?;
        for (token, connection) in connections.iter().enumerate() {
            epoll.add(connection.stream(), token)?;
        }
        let connections = connections.into_iter().map(Some).collect();
        Ok(Self { connections, first, epoll, workload, depth: depth.max(1), input: vec![0; READ_BYTES] })
    }

    /// Works until the goal is reached and every reply has come, and counts units in `progress` on the way.
    ///
    /// # Errors
    /// Only what makes going on impossible; a lost connection is part of the outcome.
    pub fn run(&mut self, goal: &Goal, progress: &AtomicU64) -> io::Result<Outcome> {
        machine::sharpen_timers();
        let cpu = machine::thread_cpu();
        let mut run = Run::new(self, goal);
        run.work(progress)?;
        let mut outcome = run.finish();
        outcome.load_cpu = machine::thread_cpu().saturating_sub(cpu);
        Ok(outcome)
    }
}

/// The state of one run.
struct Run<'a> {
    driver: &'a mut Driver,
    start: Instant,
    end_ns: u64,
    /// Units that may still be sent.
    budget: u64,
    /// Nanoseconds between units of an open loop.
    interval_ns: Option<f64>,
    /// Units of the open loop sent so far: the next is due at this many intervals.
    sent: u64,
    /// Connections of an open loop with room, each once.
    free: VecDeque<usize>,
    under_way: u64,
    last_reply_ns: u64,
    last_send_ns: u64,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(driver: &'a mut Driver, goal: &Goal) -> Self {
        let free = match goal.units_per_s {
            Some(_) => (0..driver.connections.len()).collect(),
            None => VecDeque::new(),
        };
        Self {
            driver,
            start: Instant::now(),
            end_ns: goal.duration.map_or(u64::MAX, |duration| duration.as_nanos() as u64),
            budget: goal.units.unwrap_or(u64::MAX),
            interval_ns: goal.units_per_s.map(|rate| 1e9 / rate),
            sent: 0,
            free,
            under_way: 0,
            last_reply_ns: 0,
            last_send_ns: 0,
            outcome: Outcome::default(),
        }
    }

    fn work(&mut self, progress: &AtomicU64) -> io::Result<()> {
        if self.interval_ns.is_none() {
            for token in 0..self.driver.connections.len() {
                self.send_batch(token);
            }
        }
        let mut counted = 0;
        loop {
            let wait = self.send_due();
            if self.is_over() {
                return Ok(());
            }
            let ready = self.driver.epoll.wait(wait)?;
            for index in 0..ready {
                self.serve(self.driver.epoll.ready(index));
            }
            progress.fetch_add(self.outcome.units - counted, Ordering::Relaxed);
            counted = self.outcome.units;
        }
    }

    /// Whether nothing is left to send and to hear, or hope is.
    fn is_over(&self) -> bool {
        let now = self.now_ns();
        if self.under_way > 0 {
            return now > self.last_reply_ns.max(self.last_send_ns) + PATIENCE.as_nanos() as u64;
        }
        now >= self.end_ns || self.budget == 0 || self.driver.connections.iter().all(Option::is_none)
    }

    fn serve(&mut self, ready: Ready) {
        let token = ready.token;
        if self.driver.connections[token].is_none() {
            return;
        }
        let result = self.exchange(ready);
        if let Err(error) = result {
            self.lose(token, &error);
            return;
        }
        let units = self.driver.connections[token].as_ref().map_or(0, Connection::units);
        if self.interval_ns.is_none() && units == 0 {
            self.send_batch(token);
        }
    }

    /// Writes what waited for room, reads what has come.
    fn exchange(&mut self, ready: Ready) -> io::Result<()> {
        let Driver { connections, epoll, workload, input, depth, .. } = &mut *self.driver;
        let connection = connections[ready.token].as_mut().expect("only living connections are served");
        if ready.writable && !connection.flush()? {
            epoll.watch_output(connection.stream(), ready.token, false)?;
        }
        if !ready.readable {
            return Ok(());
        }
        let bytes = connection.receive(input)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let now_ns = self.start.elapsed().as_nanos() as u64;
        let before = connection.units();
        self.outcome.bytes_received += bytes.len() as u64;
        self.outcome.silence_ns_max = self.outcome.silence_ns_max.max(now_ns - self.last_reply_ns);
        self.last_reply_ns = now_ns;
        let result = connection.judge(bytes, workload.templates(), now_ns, &mut self.outcome);
        self.under_way -= before - connection.units();
        if self.interval_ns.is_some() && before >= *depth && connection.units() < *depth {
            self.free.push_back(ready.token);
        }
        result
    }

    /// The next batch of a closed loop, unless all has been sent.
    fn send_batch(&mut self, token: usize) {
        let now_ns = self.now_ns();
        let units = self.driver.depth.min(self.budget);
        if units > 0 && now_ns < self.end_ns {
            self.send(token, units, now_ns, |_| now_ns);
        }
    }

    /// Sends what an open loop owes by now; says how long nothing more is to be sent.
    fn send_due(&mut self) -> Duration {
        const IDLE: Duration = Duration::from_millis(50);
        let Some(interval_ns) = self.interval_ns else { return IDLE };
        loop {
            let now_ns = self.now_ns().min(self.end_ns);
            let due = self.due(now_ns);
            if due == 0 {
                let next_ns = (self.sent as f64 * interval_ns) as u64;
                let wait = Duration::from_nanos(next_ns.saturating_sub(now_ns));
                return if now_ns >= self.end_ns || self.budget == 0 { IDLE } else { wait.min(IDLE) };
            }
            let Some(token) = self.free.pop_front() else { return IDLE };
            let Some(connection) = &self.driver.connections[token] else { continue };
            let room = self.driver.depth - connection.units();
            // Spread over the connections with room; deeper only when there are more units than connections.
            let units = due.div_ceil(self.free.len() as u64 + 1).min(room);
            let first = self.sent;
            self.sent += units;
            self.send(token, units, now_ns, |unit| ((first + unit) as f64 * interval_ns) as u64);
            if units < room {
                self.free.push_back(token);
            }
        }
    }

    /// Units of the open loop that are due at `now_ns` and have not been sent.
    fn due(&self, now_ns: u64) -> u64 {
        let Some(interval_ns) = self.interval_ns else { return 0 };
        let total = if now_ns >= self.end_ns {
            (self.end_ns as f64 / interval_ns).ceil() as u64
        } else {
            (now_ns as f64 / interval_ns) as u64 + 1
        };
        total.saturating_sub(self.sent).min(self.budget)
    }

    /// Sends units over a connection; `at_ns` says since when the n-th of them waits.
    fn send(&mut self, token: usize, units: u64, now_ns: u64, at_ns: impl Fn(u64) -> u64) {
        let Driver { connections, epoll, workload, first, .. } = &mut *self.driver;
        let Some(connection) = connections[token].as_mut() else { return };
        if self.under_way == 0 {
            self.last_reply_ns = now_ns;
        }
        self.last_send_ns = now_ns;
        self.under_way += units;
        self.budget -= units;
        let is_open = self.interval_ns.is_some();
        let mut place = 0;
        let batch = workload.render(units as usize, *first + token as u64, |template, count| {
            if is_open {
                (place..place + count as u64).for_each(|unit| connection.expect(template, 1, at_ns(unit)));
            } else {
                connection.expect(template, count as u64, at_ns(0));
            }
            place += count as u64;
        });
        self.outcome.bytes_sent += batch.len() as u64;
        let result = connection.send(batch).and_then(|kept| {
            if kept { epoll.watch_output(connection.stream(), token, true) } else { Ok(()) }
        });
        if let Err(error) = result {
            self.lose(token, &error);
        }
    }

    fn lose(&mut self, token: usize, error: &io::Error) {
        let Some(connection) = self.driver.connections[token].take() else { return };
        self.outcome.lost += connection.units().max(1);
        self.under_way -= connection.units();
        self.outcome.note(|| format!("a connection was lost: {error}"));
    }

    fn finish(mut self) -> Outcome {
        self.outcome.elapsed = Duration::from_nanos(self.last_reply_ns);
        self.outcome.lost += self.under_way;
        if self.under_way > 0 {
            self.outcome.note(|| format!("no reply for {} seconds", PATIENCE.as_secs()));
        }
        if let Some(interval_ns) = self.interval_ns {
            // What could not even be sent has waited until now at least: leaving it out would flatter the server.
            let (now_ns, unsent) = (self.now_ns(), self.due(self.end_ns));
            self.outcome.unsent = if self.end_ns == u64::MAX { 0 } else { unsent };
            for unit in self.sent..self.sent + self.outcome.unsent {
                let due_ns = (unit as f64 * interval_ns) as u64;
                self.outcome.latencies.record(now_ns.saturating_sub(due_ns), 1);
            }
        }
        self.outcome
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}
