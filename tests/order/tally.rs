//! The board on which observers count what they have seen, and tell what should not have been.
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stories of violations that are kept.
const STORIES_MAX: usize = 20;

#[derive(Default)]
struct Tally {
    observations: u64,
    violations: u64,
}

/// The board of one run.
#[derive(Default)]
pub(crate) struct Board {
    stopped: AtomicBool,
    tallies: Mutex<BTreeMap<&'static str, Tally>>,
    stories: Mutex<Vec<String>>,
}

impl Board {
    /// Somebody looked, and it was as it should be or not.
    pub(crate) fn saw(&self, what: &'static str, is_right: bool, story: impl FnOnce() -> String) {
        let mut tallies = self.tallies.lock().expect("no poison");
        let tally = tallies.entry(what).or_default();
        tally.observations += 1;
        if !is_right {
            tally.violations += 1;
            let mut stories = self.stories.lock().expect("no poison");
            if stories.len() < STORIES_MAX {
                stories.push(format!("{what}: {}", story()));
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn violations(&self) -> u64 {
        self.tallies.lock().expect("no poison").values().map(|tally| tally.violations).sum()
    }

    pub(crate) fn observations(&self) -> Vec<(&'static str, u64)> {
        let tallies = self.tallies.lock().expect("no poison");
        tallies.iter().map(|(name, tally)| (*name, tally.observations)).collect()
    }

    pub(crate) fn stories(&self) -> String {
        self.stories.lock().expect("no poison").join("\n")
    }

    pub(crate) fn report(&self, title: &str) -> String {
        let tallies = self.tallies.lock().expect("no poison");
        let mut text = format!("{title}: observations and violations\n");
        for (name, tally) in tallies.iter() {
            text.push_str(&format!("  {:>9} {:>4}  {name}\n", tally.observations, tally.violations));
        }
        text
    }
}
