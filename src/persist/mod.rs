//! What outlives the process: snapshots.
//!
//! A [`snapshot`] begins as one unit over all shards ([`crate::coordinate::unasked`]), so it is of one instant of the whole dataset. From then on
//! each shard's owner sweeps it in slices between its turns (`thread::snapshot`) and sends chunks to a thread that writes the file
//! ([`rdb::write`], through [`bulk`]). [`saves`] knows what was saved when, [`save`] is how to.
pub mod bulk;
pub mod rdb;
pub mod save;
pub mod saves;
pub mod snapshot;
