//! Commands about scripts and libraries: what needs no shards is done at once; what changes libraries, with all shards in hand.
//!
//! Which shards a function needs is found out when its call enters, and holds if the function is still the same when the call has its
//! turn. So a change is *announced* first: every thread learns of it before it is entered, and from then on enters calls with all
//! shards. Calls that were entered before run before it, since it goes through all queues.
use super::batch::Batch;
use super::enter::ShardSet;
use super::survey::Survey;
use super::unit::{Kind, Part};
use crate::commands::{Server, Verdict};
use crate::shared::Shared;
use crate::table::{Entry, Handler, table};
use crate::thread::conn::{Assembly, Conn, Hold};
use crate::thread::core::Core;
use shards::commands::Args;
use std::sync::Arc;

/// Changes of libraries that are announced; where nothing comes of them, they are not any more.
struct Announced {
    shared: Arc<Shared>,
    count: usize,
}

impl Announced {
    fn new(shared: &Arc<Shared>, count: usize) -> Announced {
        shared.scripts.functions.announce(count);
        Announced { shared: Arc::clone(shared), count }
    }
    /// They are on their way: whoever carries them out says when they are done.
    fn pass_on(mut self) {
        self.count = 0;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.shared.scripts.functions.announced_are_done(self.count);
    }
}

/// How many commands of a batch change libraries.
pub(crate) fn changes_of_libraries(batch: &Batch) -> usize {
    let changes =
        |id| matches!(table().entry(id).handler, Handler::Script(script) if script.changes_libraries());
    batch.commands.iter().filter(|command| changes(command.id)).count()
}

impl Core {
    /// Carries out a command about scripts or libraries.
    pub(crate) fn call_desk(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>) {
        let Handler::Script(command) = entry.handler else { return };
        self.close_run(conn);
        if command.changes_libraries() {
            let part = self.part_with(conn, entry.id, args);
            return self.announce_changes(conn, 1, move |core, conn| core.enter_change(conn, part));
        }
        self.catch_up(conn);
        let mut reply = conn.begin_reply();
        let start = reply.bytes.len();
        self.scripting.administer(command, args, &self.shared.scripts, &mut self.effects, &mut reply);
        self.count_own(conn, entry.id, args, &reply.bytes[start..]);
        if self.shared.exchange.is_monitored() {
            self.show(conn, entry.spec, args);
        }
        conn.end_reply(reply);
    }

    /// Enters a change of libraries into all queues. Nothing of the connection is entered behind it before it is done.
    fn enter_change(&mut self, conn: &mut Conn, part: Part) {
        let shards: ShardSet = (0..self.shared.shard_count()).collect();
        if let [only] = shards[..] {
            let run = self.run_of(conn, part);
            return self.enter_act(conn, only, Assembly::Plain, run);
        }
        conn.hold = Some(Hold::MayWait);
        self.enter_unit(conn, Kind::Gathered, &shards, vec![part], Assembly::Plain);
    }

    /// Lets every thread know that libraries are to change, and goes on when all do.
    pub(crate) fn announce_changes(
        &mut self,
        conn: &mut Conn,
        count: usize,
        go_on: impl FnOnce(&mut Core, &mut Conn) + Send + 'static,
    ) {
        let announced = Announced::new(&self.shared, count);
        let threads = self.shared.shard_count();
        if threads == 1 {
            announced.pass_on();
            return go_on(self, conn);
        }
        conn.hold = Some(Hold::Survey);
        let goes_on = move |_: &mut Server<'_>| {
            Verdict::enter(move |core, conn| {
                announced.pass_on();
                go_on(core, conn);
            })
        };
        let origin = conn.origin(self.id, u64::MAX);
        let survey = Survey::new(origin, None, threads, Box::new(|_| {}), Box::new(goes_on));
        self.survey(&Arc::new(survey));
    }
}
