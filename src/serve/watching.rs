//! WATCH on the shards in hand.
use crate::coordinate::unit::Watching;
use shards::call::Call;
use shards::shard::Shard;

/// Begins to watch keys.
pub(super) fn watch(cx: &mut Call<'_>, watching: &Watching) {
    for (db, key) in &watching.keys {
        let key = cx.key_in(*db, key);
        // A key whose time has come is gone now: that it goes later is no change.
        cx.exists(key);
        cx.shard(key.hashed.slot).dbs[usize::from(*db)].watches.add(key.bytes(), &watching.watch);
    }
}

/// Whether a watched key changed, or its time came.
pub(super) fn is_dirty(cx: &mut Call<'_>, watching: &Watching) -> bool {
    for (db, key) in &watching.keys {
        let key = cx.key_in(*db, key);
        cx.exists(key);
    }
    watching.watch.is_dirty()
}

/// Ceases to watch them.
pub(super) fn unwatch(shards: &mut [Box<Shard>], watching: &Watching) {
    for (db, key) in &watching.keys {
        let slot = shards::slot::slot_of(key);
        if let Some(shard) = shards.iter_mut().find(|shard| shard.slots.contains(&slot)) {
            shard.dbs[usize::from(*db)].watches.remove(key, &watching.watch);
        }
    }
}
