//! The reply to something that left its thread, put together from those of its parts.
use crate::coordinate::merge;
use shards::reply::{Reply, Resp};
use shards::spec::Merge;
use smallvec::SmallVec;

/// How the replies to something that left the thread become the reply to the client.
#[derive(Debug)]
pub enum Assembly {
    /// As they are.
    Plain,
    /// The parts' replies are merged; for an interleave, the part of each element in order.
    Merge(Merge, Vec<u16>),
    /// A transaction's: each command's reply in order.
    Exec(Vec<Piece>),
}

/// The reply of one command of a transaction.
#[derive(Debug)]
pub enum Piece {
    /// The next one of this part.
    Part(u16),
    /// Known already: the command ran on the connection's thread.
    Known(Vec<u8>),
}

/// Puts together a reply from those of the parts.
pub(crate) fn assemble(assembly: &Assembly, parts: &[&[u8]], aborted: bool, resp: Resp, out: &mut Vec<u8>) {
    match assembly {
        Assembly::Plain => out.extend_from_slice(parts[0]),
        Assembly::Merge(how, order) => merge::merge(*how, parts, order, out),
        Assembly::Exec(_) if aborted => {
            let mut reply = Reply { bytes: std::mem::take(out), resp };
            reply.null_array();
            *out = reply.bytes;
        }
        Assembly::Exec(pieces) => {
            let mut reply = Reply { bytes: std::mem::take(out), resp };
            reply.array(pieces.len());
            *out = reply.bytes;
            // All in one part, as most are.
            if let [all] = parts
                && pieces.iter().all(|piece| matches!(piece, Piece::Part(_)))
            {
                return out.extend_from_slice(all);
            }
            let mut rest: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(parts);
            for piece in pieces {
                out.extend_from_slice(match piece {
                    Piece::Known(bytes) => bytes,
                    Piece::Part(part) => merge::take_reply(&mut rest[usize::from(*part)]),
                });
            }
        }
    }
}
