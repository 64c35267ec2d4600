//! What of a turn needs no sockets: reading mail, falling asleep, getting up. The simulation runs it as the loop does.
use super::core::Core;
use crate::queues::Mail;
use std::sync::Arc;

/// Mail that is fetched from memory together.
const READ_TOGETHER: usize = 8;

impl Core {
    /// Serves the own shard's queue, and what was left of others'.
    pub fn serve_own(&mut self) {
        self.nudge(self.id);
        self.settle();
    }

    /// Reads mail until there is none, or something for the loop: a client, other sockets, or that it is to stop.
    pub fn read_mail(&mut self) -> Option<Mail> {
        let shared = Arc::clone(&self.shared);
        let mailbox = &shared.mailboxes[self.id];
        loop {
            // Several at once: the processor fetches the later ones while the first are read.
            while self.own_mail.len() < READ_TOGETHER
                && let Some(mail) = self.places.held_mail.pop_front().or_else(|| mailbox.receive())
            {
                if let Mail::Ran(run) = &mail {
                    run.look_at();
                }
                self.own_mail.push_back(mail);
            }
            // What was posted before this mail was sent is heard before it is read.
            self.hear();
            for mail in &self.own_mail {
                if let Mail::Ran(run) = mail {
                    run.look_at_reply();
                }
            }
            for _ in 0..self.own_mail.len() {
                match self.own_mail.pop_front() {
                    Some(mail @ (Mail::Client(..) | Mail::Listen(_) | Mail::Stop)) => return Some(mail),
                    Some(mail) => self.mail_came(mail),
                    None => {}
                }
            }
            if self.own_mail.is_empty() && self.places.held_mail.is_empty() && mailbox.is_empty() {
                return None;
            }
        }
    }

    /// A thread that got mail from this one and sleeps: it is to be woken. Each is named once a turn.
    pub fn next_to_wake(&mut self) -> Option<usize> {
        while let Some(thread) = self.mailed.iter().position(|mailed| *mailed) {
            self.mailed[thread] = false;
            if self.shared.mailboxes[thread].is_asleep() {
                return Some(thread);
            }
        }
        None
    }

    /// Leaves the strand at the door and says that this thread sleeps, if there is nothing to do. Whether it may sleep.
    pub fn fall_asleep(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let (queue, mailbox) = (&shared.queues[self.id], &shared.mailboxes[self.id]);
        if self.stop
            || !self.own_mail.is_empty()
            || !self.places.held_mail.is_empty()
            || !self.places.to_feed.is_empty()
            || !self.to_flush.is_empty()
            || !mailbox.is_empty()
            || shared.exchange.has_post(self.id)
        {
            return false;
        }
        if shared.shard_count() == 1 {
            return true;
        }
        if self.has_background_work() {
            return false;
        }
        if let Some(strand) = self.strands[self.id].take() {
            queue.put(strand);
        }
        mailbox.set_asleep(true);
        if crate::chaos::breaks(crate::chaos::Break::SecondLook) {
            return true;
        }
        // Whoever looked at this thread before it slept relies on this look: at the stalled part at the door as well, which may
        // have been entered everywhere since it was put there. Where the strand is not at the door, or its turn is a part that
        // may not run yet, there is nothing to stay awake for ([`crate::queues`]).
        mailbox.is_empty()
            && !queue.has_work_at_door()
            && !shared.exchange.has_post(self.id)
            && !self.has_news_of_held()
    }

    /// Takes the strand back, if nobody uses it at the moment.
    pub fn get_up(&mut self) {
        if self.shared.shard_count() > 1 {
            self.shared.mailboxes[self.id].set_asleep(false);
            self.get_strand(self.id);
        }
        self.hear();
    }

    /// Whether the own shard has something to do that nobody asked for.
    #[must_use]
    pub fn has_background_work(&self) -> bool {
        self.strands[self.id].as_ref().is_some_and(|strand| strand.shard.has_discarded())
            || self.must_evict()
            || self.must_sweep_snapshot()
    }
}
