//! What survives: journals, snapshots, and their way back into memory.
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
pub mod commit;
pub mod epoch;
pub mod files;
pub(crate) mod foreign;
pub mod format;
pub(crate) mod intake;
pub mod journal;
pub mod keeper;
pub mod load;
pub mod manifest;
pub mod marks;
pub mod needs;
pub mod progress;
pub mod rdb;
pub mod record;
pub mod reload;
pub mod replay;
pub mod restore;
pub mod rewrite;
pub mod save;
pub mod saves;
pub mod scan;
pub mod snapshot;
pub mod store;
pub(crate) mod window;

/// Why loading ends that was asked to.
const STOPPED: &str = "the server is asked to stop";
