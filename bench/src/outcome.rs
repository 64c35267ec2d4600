//! What came of a run: how much was done, how long it took, and whether anything was wrong.

use std::time::Duration;

use crate::histogram::Latencies;

/// The sums of a run, of one thread or of all.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Units answered in full.
    pub units: u64,
    /// Replies to commands (a unit of several commands has several).
    pub replies: u64,
    /// Errors in replies, nested ones included.
    pub errors: u64,
    /// Nils in replies: misses, aborted transactions.
    pub nils: u64,
    /// Replies of a kind the command does not have.
    pub wrong: u64,
    /// Units never answered, because the connection ended or time was up.
    pub lost: u64,
    /// Units of an open loop that were due, but not sent before the end.
    pub unsent: u64,
    /// The first thing that was wrong.
    pub problem: Option<String>,
    /// From sending to the last reply of a unit; in an open loop from the moment it was due.
    pub latencies: Latencies,
    /// From the first send to the last reply.
    pub elapsed: Duration,
    /// The longest time in which a thread with units under way got no reply at all, in nanoseconds.
    pub silence_ns_max: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// CPU time of the load generator's threads.
    pub load_cpu: Duration,
}

impl Outcome {
    /// Adds what another thread did at the same time.
    pub fn join(&mut self, other: &Self) {
        self.sum(other);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// Adds what was done before or after.
    pub fn append(&mut self, other: &Self) {
        self.sum(other);
        self.elapsed += other.elapsed;
    }

    fn sum(&mut self, other: &Self) {
        self.units += other.units;
        self.replies += other.replies;
        self.errors += other.errors;
        self.nils += other.nils;
        self.wrong += other.wrong;
        self.lost += other.lost;
        self.unsent += other.unsent;
        self.problem = self.problem.take().or_else(|| other.problem.clone());
        self.latencies.add(&other.latencies);
        self.silence_ns_max = self.silence_ns_max.max(other.silence_ns_max);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.load_cpu += other.load_cpu;
    }

    /// Keeps the first problem.
    pub fn note(&mut self, problem: impl FnOnce() -> String) {
        self.problem.get_or_insert_with(problem);
    }

    /// Commands answered a second.
    #[must_use]
    pub fn replies_per_s(&self) -> f64 {
        per(self.replies as f64, self.elapsed.as_secs_f64())
    }

    /// Units answered a second.
    #[must_use]
    pub fn units_per_s(&self) -> f64 {
        per(self.units as f64, self.elapsed.as_secs_f64())
    }

    /// CPU time of the load generator for a command, in microseconds.
    #[must_use]
    pub fn load_cpu_us(&self) -> f64 {
        per(self.load_cpu.as_secs_f64() * 1e6, self.replies as f64)
    }

    /// Why the run counts as failed, if it does. Nils are a failure where every key should be there.
    #[must_use]
    pub fn failure(&self, nils_allowed: bool) -> Option<String> {
        let counts = [
            (self.errors, "errors"),
            (self.wrong, "replies of a wrong kind"),
            (self.lost, "units without a reply"),
            (if nils_allowed { 0 } else { self.nils }, "nil replies"),
            (u64::from(self.units == 0), "run in which nothing was answered"),
        ];
        let mut parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            return None;
        }
        parts.extend(self.problem.clone());
        Some(parts.join("; "))
    }
}

fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_wrong_is_a_failure() {
        let good = Outcome { units: 10, nils: 1, ..Outcome::default() };
        assert_eq!(good.failure(true), None);
        assert_eq!(good.failure(false).as_deref(), Some("1 nil replies"));
        let bad = Outcome { errors: 2, lost: 1, problem: Some("ERR no".to_owned()), ..good.clone() };
        assert_eq!(bad.failure(true).as_deref(), Some("2 errors; 1 units without a reply; ERR no"));
        assert!(Outcome { wrong: 1, ..good }.failure(true).is_some());
        assert!(Outcome::default().failure(true).is_some());
    }

    #[test]
    fn threads_overlap_and_rounds_follow() {
        let second = Outcome { units: 5, elapsed: Duration::from_secs(1), ..Outcome::default() };
        let mut threads = second.clone();
        threads.join(&second);
        let mut rounds = second.clone();
        rounds.append(&second);
        assert_eq!((threads.units, threads.elapsed), (10, Duration::from_secs(1)));
        assert_eq!((rounds.units, rounds.elapsed), (10, Duration::from_secs(2)));
        assert!((threads.units_per_s() - 10.0).abs() < 1e-9);
    }
}
