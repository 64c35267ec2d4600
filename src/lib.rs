//! The server: one keyspace, braided from one strand per core.
//!
//! ```text
//!              core 0                                   core 1
//!   ┌───────────────────────────────┐        ┌───────────────────────────────┐
//!   │ sockets ⇄ Driver (io_uring or │        │ sockets ⇄ Driver              │
//!   │           epoll)              │        │                               │
//!   │   │ bytes            replies ↑│        │                               │
//!   │   ↓                           │        │                               │
//!   │ parse → admit → call → route ─┼─Request─→ queue of shard 1 ─┐          │
//!   │   │ mine                      │        │                    ↓          │
//!   │   ↓                           │        │              Shard::execute   │
//!   │ Shard::execute (shards/)      ←─Mail───┼── replies ─────────┘          │
//!   │   │ effects → journal, WATCH… │        │                               │
//!   └───┼───────────────────────────┘        └───────────────────────────────┘
//!       └ asleep? the strand (shard and what travels with it) stands at its door, and who needs it takes it
//!
//!   a unit (MGET, MSET, EXEC, RENAME … over several shards):
//!       gate: raise the flag, wait for the marks → push a part to every queue → "entered" → lower the flag
//!       fan-out:  each shard runs its part when its turn comes; replies are merged
//!       sheaf:    the same, of what a pipeline writes on several shards while there are journals
//!       gathered: each holder deposits its shard; who brings the last one runs it over all and sends them home
//! ```
//!
//! Dependencies flow one way: `main → server → thread → {net, dispatch, coordinate} → shards`. `shards/` has no I/O, no
//! clock and no threads. *src serves, shards remember.*
//!
//! The road of a command, and where each step stands:
//!
//! | step | where |
//! |---|---|
//! | read | [`net`]: completions of one driver a thread; nothing in the loop makes a system call a command |
//! | parse | [`protocol`]: ranges of the receive buffer, no copy |
//! | admit | [`dispatch`]: lookup, arity, password, transaction, pause |
//! | route | [`route`], [`table`]: keys, slots, shards |
//! | enter | [`coordinate::enter`]: run at once, into a run, or as a unit through the [`coordinate::gate`] |
//! | execute | [`serve`] around `shards::commands::execute`, the one door |
//! | script | `script`: EVAL runs where its shards are, as a command of the engine does |
//! | write down | [`persist`]: what was done becomes a frame of the shard's journal; replies wait until it is committed |
//! | reply | [`thread::conn`]: replies in the order of requests, whatever order they come back in |
//! | flush | [`thread`]: one send a connection and turn |
//! | wait | [`thread::wait`] and `shards::waiting`: a command that waits for keys is state, a ticket here and a place in their queues there |
//! | tell | [`pubsub`]: messages and events of keys, in one order for all who listen |
//!
//! # The order of effects
//!
//! What a client may rely on is that of one single-threaded Redis: every command, unit and transaction is one instant, and
//! the commands of a connection take effect in its order. The argument stands where the code is:
//! [`queues`] (the order of a shard's queue, and why no request is forgotten at a sleeper's door), [`coordinate::gate`] (why
//! units exclude what they must), [`pubsub`] (why all hear the same order), [`coordinate::unit`] (why no part runs early, and why there is no deadlock),
//! [`coordinate::enter`] (entering, and running as a way of entering),
//! [`coordinate::sheaf`] (what is bound together so that journals keep a pipeline's order),
//! [`coordinate::spanning`] (who feeds those that wait on several shards), [`persist`] (what a crash leaves of it). `tests/simulation.rs` tries to break it.
//!
//! # What was measured for this design
//!
//! `bench/README.md` has the tables. What they decided:
//! - **The slot is the table's first level** (`shards::keyspace::table`), so a slot's keys are found together and a table grows
//!   in steps of one slot. A lookup costs the slot's 16 bytes, one line of words and the entry.
//! - **A sleeping thread's shard is taken, not woken for** ([`queues`]): with few clients a hop costs a lock and no wake-up.
//! - **A journaled pipeline enters as one** ([`coordinate::sheaf`]) instead of waiting at every change of shard: with `everysec`
//!   1.2 to 1.5 times as many commands on two shards, twice as many on four (P=100).
//! - **A size class every 8 bytes** ([`memory`]): an entry of 24 bytes costs 24.
pub mod admit;
pub mod chaos;
pub mod cli;
pub mod commands;
pub mod config;
pub mod coordinate;
pub mod dispatch;
pub mod histogram;
pub mod latency;
pub mod listeners;
pub mod log;
pub mod memory;
pub mod net;
pub mod persist;
pub mod process;
pub mod protocol;
pub mod pubsub;
pub mod queues;
pub mod rates;
pub mod report;
pub mod route;
pub(crate) mod script;
pub mod serve;
pub mod server;
pub mod shared;
pub mod signals;
pub mod slowlog;
pub mod stats;
pub mod table;
pub mod thread;
pub mod topology;
