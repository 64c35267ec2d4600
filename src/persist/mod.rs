//! What survives: journals, snapshots, and their way back into memory.
//!
//! # Journals
//!
//! ```text
//!   Shard::tail ──→ desk ([`journal`]) ──→ call, ring or clerk ──→ appendonly.aof.<piece>.<shard>.incr.braid
//!        ↑ [`record::seal`]                    ↓ done
//!   effects of a command,             safe → [`commit`] → replies go ([`needs`])
//!   transaction or script
//! ```
//!
//! Each shard has a journal of its own: frames ([`format`]), one for each command, transaction or script that did something there. A unit over several shards
//! has a part in each of their journals, which name each other; so have the commands that a pipelining connection sent for several shards in one go
//! ([`crate::coordinate::sheaf`]). What it writes behind writes elsewhere that are not committed names those.
//! Replies wait until what they tell of is *committed*, reads included: what a key's last frame is, a shard knows by the key's slot
//! ([`shards::tail::Tail::seen`]), so that only those wait who saw something new. So does what others are told of it (messages, events,
//! invalidations), which is posted when the frame is appended ([`crate::pubsub`]). Committed is what any restore would keep; why, and why no unit is torn and no
//! pipeline out of order, stands in [`scan`] and [`commit`].
//!
//! - *nothing acknowledged is dropped*: a reply is released by the same function, [`commit::cut`], over what is safe (`always`: synced; else: written) that a
//!   restore applies to what it finds, and that is at least as much;
//! - *no unit is torn*: a frame counts only if the other parts of its unit do;
//! - *a pipeline keeps its order*: what is entered in one go counts all or not at all: each shard's part stands between two frames of the unit, in one
//!   block. What comes behind writes on other shards is entered when those have run, and its frame names them until they are committed. After a power cut under `everysec` the cut is a [`marks`] one: a unit over all shards, which nothing passes.
//!
//! Under `always` the syncs of all shards go in rounds (`round`), so that one serves all who can share it. Space is laid out ahead of short
//! writes ([`files`]), so that a sync has bytes to write and nothing else.
//!
//! What is short is written by a plain call in the turn that did it, before replies go, unless the file is being synced or the disk was just
//! slow (`thread::journal`); syncs and what is long go over the shard's ring. Many file systems (ext4) take no buffered write over a ring without
//! handing it to a thread of the kernel's: that, and the turn in which its result comes, cost 2 to 4 µs of CPU a command more than
//! the call with 50 clients on two shards.
//!
//! [`manifest`] says which files belong together, [`keeper`] keeps it, [`epoch`] begins files, [`rewrite`] puts bases in the place of old ones,
//! [`restore`] brings back: [`scan`] finds up to where journals count, [`replay`] hands over what they say, in an order that one thread could have
//! done it in, to as many shards as there are now.
//!
//! A server that is asked to stop says itself up to where its journals count ([`epoch::end`]): its threads end one by one, so that of a unit only some parts
//! may be there. What WAITAOF tells of ([`journal::Journal::is_on_disk`]) is what a restart after a power cut would keep.
//!
//! All of it is tried: `tests/powerloss` plays a disk and servers from a seed, `tests/crash` kills real ones, `tests/powercut` has them write to a disk that
//! loses its power ([`crate::chaos::disk`]).
//!
//! # Snapshots
//!
//! A [`snapshot`] begins as one unit over all shards ([`crate::coordinate::unasked`]), so it is of one instant of the whole dataset. From then on
//! each shard's owner sweeps it in slices between its turns (`thread::snapshot`) and sends chunks to a thread that writes the file
//! ([`rdb::write`], through [`bulk`]). [`saves`] knows what was saved when, [`save`] is how to.
//!
//! When the server starts, [`load`] finds what there is: RDB files ([`rdb::read`]), logs of commands that Redis left (`foreign`). One
//! thread reads, those of [`apply`] build the dataset, a shard each. [`check`] reads the same files and only counts.
pub mod apply;
pub mod bulk;
pub mod check;
pub mod clerk;
pub mod clock;
pub mod commit;
mod desk;
pub mod epoch;
pub mod files;
pub(crate) mod foreign;
pub mod format;
pub(crate) mod intake;
pub mod job;
pub mod journal;
pub mod keeper;
pub mod load;
pub mod manifest;
mod marked;
pub mod marks;
pub mod needs;
pub mod progress;
pub mod rdb;
pub mod record;
pub mod reload;
pub mod replay;
pub mod restore;
pub mod rewrite;
mod round;
pub mod save;
pub mod saves;
pub mod scan;
pub mod snapshot;
pub mod store;
pub(crate) mod window;

/// Why loading ends that was asked to.
const STOPPED: &str = "the server is asked to stop";
