//! Which commands wait for those that their connection sent earlier and that are unanswered: where somebody could tell that they took
//! effect before them.
use crate::coordinate::enter::is_plain;
use crate::serve::bench::{is_writer, writes};
use crate::table::{Entry, Handler, Route};
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::effects::Class;
use shards::slot::{shard_of_slot, slot_of};
use shards::spec::Flags;

impl Core {
    /// Whether somebody may hear of what commands do to keys.
    #[inline]
    pub(crate) fn is_listened_to(&self) -> bool {
        let exchange = &self.shared.exchange;
        exchange.is_watched() || self.effects.listen.events != Class::NONE && !exchange.is_silent()
    }

    /// Whether a command may take effect before an unanswered one where that is seen: by a listener, by whoever hears what is published, or by
    /// the journals. Those know of writes only, and what they alone would see is bound to what it would have to wait for, if it can be.
    pub(super) fn comes_too_soon(&mut self, conn: &Conn, entry: &Entry, args: Args<'_>) -> bool {
        if conn.session.multi.is_some() && !is_immediate(entry) {
            return false;
        }
        let is_heard = conn.publishes || self.is_listened_to();
        if is_heard && self.runs_ahead(entry, args, self.open_is_ahead)
            || self.publishes_next(conn, entry, args)
        {
            return true;
        }
        conn.writes
            && writes_now(conn, entry)
            && self.runs_ahead(entry, args, self.open_follows_writes)
            && !(self.is_for_one(conn, entry, args) && self.binds(conn, args))
    }

    /// Whether a command is carried out elsewhere than unanswered ones, and so perhaps before them: unless it joins the open run, and that does not
    /// follow others.
    fn runs_ahead(&self, entry: &Entry, args: Args<'_>, open_follows: bool) -> bool {
        match &self.open {
            Some((open, _)) if entry.route == Route::FirstKey && !open_follows => {
                shard_of_slot(slot_of(args[1]), self.shared.shard_count()) != *open
            }
            _ => true,
        }
    }

    /// Whether a command is one for one shard like any other.
    fn is_for_one(&mut self, conn: &Conn, entry: &Entry, args: Args<'_>) -> bool {
        is_plain(entry)
            && !may_wait(entry, args)
            && match entry.route {
                Route::FirstKey => true,
                Route::Keys => self.shards_of(entry, conn.session.db, args).len() == 1,
                _ => false,
            }
    }
}

/// Whether a command may wait for its keys: those that read streams do when they are told to.
pub(super) fn may_wait(entry: &Entry, args: Args<'_>) -> bool {
    entry.spec.flags.has(Flags::BLOCKING)
        && matches!(entry.handler, Handler::Engine(_))
        && (!entry.spec.name.starts_with('x') || args.iter().any(|word| word.eq_ignore_ascii_case(b"block")))
}

/// Whether a command writes, or carries out a transaction that does.
pub(super) fn writes_now(conn: &Conn, entry: &Entry) -> bool {
    match &conn.session.multi {
        Some(multi) if entry.spec.name == "exec" => is_writer(&multi.run.batch),
        _ => writes(entry),
    }
}

/// Commands that are carried out though a transaction is open.
pub(super) fn is_immediate(entry: &Entry) -> bool {
    matches!(entry.spec.name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}
