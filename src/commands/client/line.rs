//! A connection's line of CLIENT LIST and CLIENT INFO.
use crate::commands::auth::DEFAULT_USER;
use crate::pubsub::Kind;
use crate::table::table;
use crate::thread::conn::{Conn, Hold, Session};
use shards::reply::Resp;
use std::io::Write;

/// What is known of a connection of thread `thread`, with Redis's names of fields, ending with a line end.
///
/// What Redis keeps and Braid does not is told as not there. Sizes are those of Braid's buffers:
/// `argv-mem` is of arguments that are under way on other threads, `oll` and `omem` are of replies that wait for an earlier one.
pub(super) fn write(line: &mut Vec<u8>, conn: &Conn, thread: usize, now_ms: i64) {
    let session = &conn.session;
    let peer = &conn.peer;
    put(line, format_args!("id={} addr={} laddr={}", conn.id, peer.address, peer.local_address));
    put(line, format_args!(" fd={} name=", peer.fd));
    line.extend_from_slice(&session.name);
    let (age, idle) = ((now_ms - conn.created_ms) / 1000, (now_ms - conn.active_ms) / 1000);
    put(line, format_args!(" age={age} idle={idle} flags={} db={}", flags(conn), session.db));
    let subscribed = |kind| session.subscriptions.as_ref().map_or(0, |own| own.len(kind));
    let [sub, psub, ssub] = [Kind::Channel, Kind::Pattern, Kind::Shard].map(subscribed);
    put(line, format_args!(" sub={sub} psub={psub} ssub={ssub}"));
    put(line, format_args!(" multi={} watch={}", queued(session), watched(session)));
    let (qbuf, room) = (conn.input.rest().len(), conn.input.bytes.capacity());
    put(line, format_args!(" qbuf={qbuf} qbuf-free={} argv-mem={}", room - qbuf, conn.in_flight.1));
    let multi_bytes = session.multi.as_ref().map_or(0, |multi| multi.run.batch.bytes_len());
    put(line, format_args!(" multi-mem={multi_bytes} rbs={0} rbp={0}", conn.out.capacity()));
    let held_bytes = conn.held_bytes();
    let held = if held_bytes > 0 { conn.pending_len() } else { 0 };
    let out_bytes = conn.output_bytes() - held_bytes;
    put(line, format_args!(" obl={out_bytes} oll={held} omem={held_bytes} tot-mem={}", conn.memory_bytes()));
    let command = conn.last_command.map_or("NULL", |id| table().entry(id).spec.name);
    put(line, format_args!(" events={} cmd={command} user={DEFAULT_USER}", events(conn)));
    put(line, format_args!(" redir={}", redirect(session)));
    put(line, format_args!(" resp={} lib-name=", if session.resp == Resp::V3 { 3 } else { 2 }));
    line.extend_from_slice(&session.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&session.lib_version);
    let totals = &conn.totals;
    put(line, format_args!(" io-thread={thread} tot-net-in={}", totals.bytes_in));
    put(line, format_args!(" tot-net-out={} tot-cmds={}\n", totals.bytes_out, totals.commands));
}

fn put(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text).expect("a vector takes what is written");
}

/// A letter for each thing that is special about it.
pub(super) fn flags(conn: &Conn) -> String {
    let session = &conn.session;
    let is_dirty = session.watching.as_ref().is_some_and(|watching| watching.watch.is_dirty());
    let tracking = session.tracking.as_deref();
    let letters = [
        (session.is_monitor, 'O'),
        (session.subscriptions.is_some(), 'P'),
        (session.multi.is_some() || session.executing.is_some(), 'x'),
        (conn.hold == Some(Hold::Wait), 'b'),
        (tracking.is_some(), 't'),
        (tracking.is_some_and(|tracking| tracking.is_broken), 'R'),
        (tracking.is_some_and(|tracking| tracking.prefixes.is_some()), 'B'),
        (is_dirty, 'd'),
        (conn.closing, 'c'),
        (conn.peer.is_unix, 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let shown: String = letters.iter().filter(|(is_so, _)| *is_so).map(|(_, letter)| letter).collect();
    if shown.is_empty() { "N".to_owned() } else { shown }
}

/// To whom its invalidations go, 0 for itself; -1 where it tracks nothing.
pub(super) fn redirect(session: &Session) -> i64 {
    session.tracking.as_ref().map_or(-1, |tracking| tracking.redirect.unwrap_or(0) as i64)
}

/// Commands of the transaction, open or being carried out; -1 without one.
fn queued(session: &Session) -> i64 {
    let open = session.multi.as_ref().map(|multi| multi.run.batch.commands.len());
    open.or(session.executing).map_or(-1, |count| count as i64)
}

fn watched(session: &Session) -> usize {
    session.watching.as_ref().map_or(0, |watching| watching.keys.len())
}

/// What is awaited of the socket.
fn events(conn: &Conn) -> &'static str {
    match (conn.reading_paused || conn.ended, conn.sending_bytes > 0) {
        (false, false) => "r",
        (false, true) => "rw",
        (true, true) => "w",
        (true, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinate::batch::Run;
    use crate::net::Token;
    use crate::thread::conn::{Multi, Peer};

    #[test]
    fn a_line_tells_what_is_special() {
        let peer = Peer {
            address: "1.2.3.4:5".to_owned(),
            local_address: "6.7.8.9:10".to_owned(),
            is_unix: false,
            fd: 11,
        };
        let mut conn = Conn::new(Token { index: 0, generation: 0 }, 7, peer, 1_000);
        let line = |conn: &Conn| {
            let mut line = Vec::new();
            write(&mut line, conn, 3, 4_500);
            String::from_utf8(line).unwrap()
        };
        let plain = line(&conn);
        assert!(
            plain.starts_with("id=7 addr=1.2.3.4:5 laddr=6.7.8.9:10 fd=11 name= age=3 idle=3 flags=N db=0 ")
        );
        assert!(
            plain.contains(" multi=-1 watch=0 ") && plain.contains(" cmd=NULL user=default redir=-1 resp=2 ")
        );
        assert!(plain.ends_with(" lib-name= lib-ver= io-thread=3 tot-net-in=0 tot-net-out=0 tot-cmds=0\n"));
        conn.session.multi = Some(Multi::new(Box::new(Run::new(conn.origin(0, 0)))));
        conn.session.no_touch = true;
        conn.session.name = b"me".to_vec();
        let special = line(&conn);
        assert!(
            special.contains(" name=me ") && special.contains(" flags=xT ") && special.contains(" multi=0 ")
        );
    }
}
