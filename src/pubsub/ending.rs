//! The end of a unit, by one door: what it did is counted, then stands in the journals, and then is told.
use super::Outside;
use crate::persist::record::{Ties, seal};
use crate::persist::save;
use shards::effects::Effects;
use shards::shard::Shard;
use std::time::Duration;

impl Outside<'_> {
    /// A command has ended, and its unit goes on: what it did is counted, and is to be told when the unit ends.
    #[inline]
    pub(crate) fn end_command(&mut self, effects: &mut Effects, shards: &mut [Box<Shard>], now_ms: i64) {
        shards[0].counts.dirty += effects.dirty;
        let is_told = effects.names_changes || !effects.events().is_empty();
        if is_told || effects.emptied || effects.sleep_us > 0 {
            self.follow_up(effects, shards, now_ms);
        }
        effects.clear();
    }

    /// Does what follows from some commands: listeners are to hear of them, FLUSHALL is saved, and DEBUG SLEEP is carried out while the
    /// shards are in hand.
    #[cold]
    fn follow_up(&mut self, effects: &mut Effects, shards: &mut [Box<Shard>], now_ms: i64) {
        if effects.sleep_us > 0 {
            std::thread::sleep(Duration::from_micros(effects.sleep_us));
        }
        if effects.emptied {
            save::save_emptied(self.shared, shards, now_ms);
        }
        if !effects.events().is_empty() {
            self.tell(effects);
        }
        if effects.names_changes {
            self.invalidate(effects);
        }
    }

    /// A unit has ended, and its last command with it: what it did becomes a frame of the journals of the shards in hand, which hangs
    /// together with other things by these ties. Nobody is told of it before. Gives back whether it has done anything to write down.
    #[inline]
    pub(crate) fn end_unit(
        &mut self,
        effects: &mut Effects,
        shards: &mut [Box<Shard>],
        now_ms: i64,
        ties: Ties<'_>,
    ) -> bool {
        self.end_command(effects, shards, now_ms);
        let is_written = effects.listen.records && self.write_down(effects, shards, ties);
        self.post();
        is_written
    }

    /// Apart, for where there is no journal all this is little more than a few questions.
    #[inline(never)]
    fn write_down(&self, effects: &mut Effects, shards: &mut [Box<Shard>], ties: Ties<'_>) -> bool {
        seal(&self.shared.journal, shards, effects, ties)
    }
}
