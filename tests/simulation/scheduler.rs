//! The scheduler: of all simulated threads one runs at a time, and the dice say which, at every point of every hand-over.
use crate::dice::Dice;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

/// Steps after which a simulation is taken to run in circles.
const STEPS_MAX: u64 = 3_000_000;

/// How a simulation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// All clients have all their replies.
    Done,
    /// The disk is gone, and the server with it.
    Dark,
    /// Somebody waits, and nobody is left to wake anybody.
    Deadlock,
    /// Everybody runs, and nobody gets on.
    Livelock,
    /// The code found itself that something is wrong.
    Panic(String),
}

/// What a thread unwinds with when the simulation is over: no failure of its own.
pub(crate) struct Over;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    Ready,
    /// In the kernel, with clients that have something to send or not.
    Asleep {
        has_input: bool,
        woken: bool,
        /// Its sleep ends by itself at this step.
        until: u64,
    },
}

#[derive(Debug)]
struct State {
    dice: Dice,
    /// Who ran when, mixed into one number.
    trace: u64,
    /// A thread goes on for so many points on average.
    stay: usize,
    tasks: Vec<Task>,
    /// Wakes that came while the thread was awake: its next sleep ends at once.
    woken: Vec<bool>,
    steps: u64,
    clients_left: usize,
    end: Option<End>,
}

/// The scheduler of one simulation.
#[derive(Debug)]
pub(crate) struct Scheduler {
    state: Mutex<State>,
    current: AtomicUsize,
    over: AtomicBool,
    threads: Vec<OnceLock<Thread>>,
}

const NOBODY: usize = usize::MAX;
/// An odd number that mixes well.
const MIXER: u64 = 0x2545_f491_4f6c_dd1d;

impl Scheduler {
    pub(crate) fn new(mut dice: Dice, threads: usize, clients: usize) -> Scheduler {
        let stay = dice.pick(&[1, 2, 4, 8, 16, 64]);
        let state = State {
            dice,
            trace: 0,
            stay,
            tasks: vec![Task::Ready; threads],
            woken: vec![false; threads],
            steps: 0,
            clients_left: clients,
            end: None,
        };
        Scheduler {
            state: Mutex::new(state),
            current: AtomicUsize::new(NOBODY),
            over: AtomicBool::new(false),
            threads: (0..threads).map(|_| OnceLock::new()).collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread comes in and waits for its first turn.
    pub(crate) fn enter(&self, me: usize) {
        self.threads[me].set(std::thread::current()).expect("a thread enters once");
        if self.threads.iter().all(|thread| thread.get().is_some()) {
            // Several may find that all are here; the first thread begins, so that the dice alone decide.
            let begun = self.current.compare_exchange(NOBODY, 0, Ordering::SeqCst, Ordering::SeqCst);
            if begun.is_ok() {
                self.unpark(0);
            }
        }
        self.wait(me);
    }

    /// A moment at which another thread may overtake this one.
    pub(crate) fn point(&self, me: usize) {
        if self.over.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new(Over));
        }
        let mut state = self.state();
        state.steps += 1;
        if state.steps > STEPS_MAX {
            drop(state);
            self.finish(End::Livelock);
            std::panic::resume_unwind(Box::new(Over));
        }
        let stay = state.stay;
        if stay > 1 && !state.dice.once_in(stay) {
            return;
        }
        let next = state.pick();
        drop(state);
        if let Some(next) = next
            && next != me
        {
            self.pass(me, next);
        }
    }

    /// The time, in steps.
    pub(crate) fn now(&self) -> u64 {
        let mut state = self.state();
        state.steps += 1;
        state.steps
    }

    /// Runs with the scheduler's dice.
    pub(crate) fn dice<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.state().dice)
    }

    /// Ends the sleep of a thread, or its next one.
    pub(crate) fn wake(&self, thread: usize) {
        let mut state = self.state();
        match &mut state.tasks[thread] {
            Task::Asleep { woken, .. } => *woken = true,
            Task::Ready => state.woken[thread] = true,
        }
    }

    /// Sleeps until woken, or until a client sends something, or until a step. False if the simulation is over.
    pub(crate) fn sleep(&self, me: usize, has_input: bool, until: Option<u64>) -> bool {
        let mut state = self.state();
        if std::mem::take(&mut state.woken[me]) {
            return true;
        }
        state.tasks[me] = Task::Asleep { has_input, woken: false, until: until.unwrap_or(u64::MAX) };
        let next = state.pick().or_else(|| state.pick_after_pause());
        match next {
            Some(next) => {
                drop(state);
                if next != me {
                    self.pass_quietly(me, next);
                }
            }
            None => {
                let end = if state.clients_left == 0 { End::Done } else { End::Deadlock };
                drop(state);
                self.finish(end);
            }
        }
        self.state().tasks[me] = Task::Ready;
        !self.over.load(Ordering::SeqCst)
    }

    /// A client has all that it waited for.
    pub(crate) fn client_done(&self) {
        self.state().clients_left -= 1;
    }

    /// The end, whoever comes to it first.
    pub(crate) fn finish(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        drop(state);
        self.over.store(true, Ordering::SeqCst);
        self.threads.iter().filter_map(OnceLock::get).for_each(Thread::unpark);
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.state().end.clone()
    }

    /// Whether it has come.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Who ran when, mixed into one number.
    pub(crate) fn trace(&self) -> u64 {
        self.state().trace
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }

    fn pass(&self, me: usize, next: usize) {
        self.pass_quietly(me, next);
        if self.over.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new(Over));
        }
    }

    fn pass_quietly(&self, me: usize, next: usize) {
        self.current.store(next, Ordering::SeqCst);
        self.unpark(next);
        self.wait(me);
    }

    fn unpark(&self, thread: usize) {
        if let Some(thread) = self.threads[thread].get() {
            thread.unpark();
        }
    }

    fn wait(&self, me: usize) {
        while self.current.load(Ordering::SeqCst) != me && !self.over.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }
}

impl State {
    /// Who runs next, of those who can.
    fn pick(&mut self) -> Option<usize> {
        let steps = self.steps;
        let can_run = |task: &Task| match task {
            Task::Ready => true,
            Task::Asleep { has_input, woken, until } => *has_input || *woken || *until <= steps,
        };
        let ready = self.tasks.iter().filter(|task| can_run(task)).count();
        if ready == 0 {
            return None;
        }
        let chosen = self.dice.below(ready);
        self.trace = (self.trace.rotate_left(5) ^ steps ^ (chosen as u64) << 32).wrapping_mul(MIXER);
        (0..self.tasks.len()).filter(|index| can_run(&self.tasks[*index])).nth(chosen)
    }

    /// All sleep: the time comes for which the first of them waits, if any does and somebody is left who cares.
    fn pick_after_pause(&mut self) -> Option<usize> {
        let until = |task: &Task| match task {
            Task::Asleep { until, .. } if *until < u64::MAX => Some(*until),
            _ => None,
        };
        self.steps = self.steps.max(self.tasks.iter().filter_map(until).min()?);
        self.pick()
    }
}
