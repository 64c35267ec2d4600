//! Sets: members one after the other, an intset or a listpack.
use super::reader::Reader;
use super::writer::{self, Out};
use super::{Bad, kind, packed};
use crate::settings::Settings;
use crate::values::intset::Intset;
use crate::values::{Kind, Set};

/// The first version that knows of sets in a listpack.
const VERSION_LISTPACK: u16 = 11;

/// A set in an intset.
pub(super) fn from_intset(reader: &mut Reader<'_>, settings: &Settings) -> Result<Set, Bad> {
    let ints = Intset::from_bytes(&reader.blob()?).ok_or(Bad::Data("a broken intset"))?;
    let count = ints.len();
    let mut set = Set::from_intset(ints);
    set.expect(count, b"", settings);
    Ok(set)
}

/// A set in a listpack.
pub(super) fn from_listpack(reader: &mut Reader<'_>, settings: &Settings) -> Result<Set, Bad> {
    let pack = packed::listpack(&reader.blob()?)?;
    let count = packed::count_different(&pack, 1)?;
    let mut set = Set::from_listpack(pack);
    set.expect(count, b"", settings);
    Ok(set)
}

/// An empty set to which so many members are to come.
pub(super) fn expecting(count: u64, settings: &Settings) -> Set {
    let packed_max = settings.set_intset_entries_max.max(settings.set_listpack_entries_max);
    let mut set = Set::empty();
    if usize::try_from(count).unwrap_or(usize::MAX) > packed_max {
        set.expect(usize::MAX, b"", settings);
    }
    set
}

/// A member.
pub(super) fn element(set: &mut Set, reader: &mut Reader<'_>, settings: &Settings) -> Result<(), Bad> {
    let member = reader.string()?;
    let is_new = set.add(member.view().bytes(&mut [0; 20]), settings);
    if is_new { Ok(()) } else { Err(Bad::Data("a member twice")) }
}

/// The type as which a set is written.
pub(super) fn kind_of(set: &Set, version: u16) -> u8 {
    if set.as_intset().is_some() {
        kind::SET_INTSET
    } else if set.as_listpack().is_some() && version >= VERSION_LISTPACK {
        kind::SET_LISTPACK
    } else {
        kind::SET
    }
}

/// Writes a set as this type.
pub(super) fn encode(set: &Set, kind: u8, out: &mut impl Out) {
    match (set.as_intset(), set.as_listpack()) {
        (Some(ints), _) => writer::blob(out, ints.as_bytes()),
        (_, Some(pack)) if kind == kind::SET_LISTPACK => writer::blob(out, pack.as_bytes()),
        _ => {
            writer::number(out, set.len() as u64);
            set.iter().for_each(|member| writer::string(out, member));
        }
    }
}
