//! Lists: one element after the other, or nodes of packed ones.
use super::reader::Reader;
use super::writer::{self, Out};
use super::{Bad, kind, packed};
use crate::settings::Settings;
use crate::values::list::Side;
use crate::values::listpack::Listpack;
use crate::values::quicklist::Quicklist;
use crate::values::{Kind, List};

/// What stands before a node: it is one element of its own, or a listpack.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// A list in one ziplist.
pub(super) fn from_ziplist(reader: &mut Reader<'_>, settings: &Settings) -> Result<List, Bad> {
    let mut list = List::empty();
    push_node(&mut list, packed::ziplist(&reader.blob()?)?, settings)?;
    Ok(list)
}

/// An element, or a node of elements.
pub(super) fn element(
    list: &mut List,
    kind: u8,
    reader: &mut Reader<'_>,
    settings: &Settings,
) -> Result<(), Bad> {
    match kind {
        kind::LIST => push(list, reader, settings),
        kind::LIST_QUICKLIST => push_node(list, packed::ziplist(&reader.blob()?)?, settings),
        _ => match reader.number()? {
            PLAIN => push(list, reader, settings),
            PACKED => push_node(list, packed::listpack(&reader.blob()?)?, settings),
            _ => Err(Bad::Data("a list's node of no known container")),
        },
    }
}

fn push(list: &mut List, reader: &mut Reader<'_>, settings: &Settings) -> Result<(), Bad> {
    let text = reader.string()?;
    list.push(Side::Right, &[text.view().bytes(&mut [0; 20])], settings);
    Ok(())
}

/// Adds a node as it is: what packed it may have had other limits than ours.
fn push_node(list: &mut List, pack: Listpack, settings: &Settings) -> Result<(), Bad> {
    if pack.is_empty() {
        return Err(Bad::Empty);
    }
    match list {
        List::Quick(quick) => quick.push_node(pack),
        List::Pack(before) if before.is_empty() => {
            *before = pack;
            list.make_room(0, 0, settings);
        }
        List::Pack(before) => {
            let mut quick = Quicklist::new(std::mem::take(before), settings);
            quick.push_node(pack);
            *list = List::Quick(Box::new(quick));
        }
    }
    Ok(())
}

/// The type as which a list is written.
pub(super) const KIND: u8 = kind::LIST_QUICKLIST_2;

/// Writes a list.
pub(super) fn encode(list: &List, out: &mut impl Out) {
    match list {
        List::Pack(pack) => {
            writer::number(out, 1);
            node(pack, false, out);
        }
        List::Quick(quick) => {
            writer::number(out, quick.node_count() as u64);
            quick.each_node(|pack, is_plain| node(pack, is_plain, out));
        }
    }
}

/// Writes a node of a list: a step for those who write a long list by and by.
pub(super) fn node(pack: &Listpack, is_plain: bool, out: &mut impl Out) {
    match pack.iter().next().filter(|_| is_plain) {
        Some(only) => {
            writer::number(out, PLAIN);
            writer::string(out, only);
        }
        None => {
            writer::number(out, PACKED);
            writer::blob(out, pack.as_bytes());
        }
    }
}
