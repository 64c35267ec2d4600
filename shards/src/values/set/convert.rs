//! When a set changes its encoding, which is when Redis would.
use super::{Form, Set, Table};
use crate::keyspace::StrRef;
use crate::number::{format_i64, parse_i64};
use crate::settings::Settings;
use crate::values::Kind;
use crate::values::intset::Intset;
use crate::values::listpack::Listpack;
use crate::values::member::Member;

/// The largest listpack that Redis adds to, in bytes.
const LISTPACK_BYTES_MAX: usize = 1 << 30;
/// What an element costs in a listpack beyond its bytes, at most.
const ELEMENT_EXTRA_BYTES: usize = 10;

impl Set {
    /// Before `count` members are added, of which this is the first: an empty set takes the encoding that fits so many of the
    /// kind, and where they are so many that only a table may take them, they are not added to anything else first.
    pub fn expect(&mut self, count: usize, member: &[u8], settings: &Settings) {
        let (ints_max, packed_max) = (settings.set_intset_entries_max, settings.set_listpack_entries_max);
        if self.is_empty() && (count > ints_max || parse_i64(member).is_none()) {
            self.0 = Form::Packed(Listpack::new());
        }
        let entries_max = match self.0 {
            Form::Ints(_) => ints_max,
            Form::Packed(_) => packed_max,
            Form::Table(_) => return,
        };
        if count > entries_max {
            self.spread();
        }
    }

    /// A set with the members of a listpack, which are all different.
    #[must_use]
    pub fn from_listpack(packed: Listpack) -> Set {
        Set(Form::Packed(packed))
    }

    /// A set with the integers of an intset.
    #[must_use]
    pub fn from_intset(ints: Intset) -> Set {
        Set(Form::Ints(ints))
    }

    /// The intset, where there is one: for those who write it somewhere as it is.
    #[must_use]
    pub fn as_intset(&self) -> Option<&Intset> {
        if let Form::Ints(ints) = &self.0 { Some(ints) } else { None }
    }

    /// The listpack, where there is one.
    #[must_use]
    pub fn as_listpack(&self) -> Option<&Listpack> {
        if let Form::Packed(packed) = &self.0 { Some(packed) } else { None }
    }

    /// Adds a member that is not there.
    pub(super) fn push(&mut self, member: &[u8], settings: &Settings) {
        match &mut self.0 {
            Form::Ints(ints) => match parse_i64(member) {
                Some(int) => {
                    ints.insert(int);
                    return self.limit_ints(settings);
                }
                None if may_be_packed(ints, member, settings) => self.pack(),
                None => self.spread(),
            },
            Form::Packed(packed) => {
                let has_room = packed.len() < settings.set_listpack_entries_max
                    && member.len() <= settings.set_listpack_value_bytes_max
                    && packed.as_bytes().len() + member.len() <= LISTPACK_BYTES_MAX;
                if !has_room {
                    self.spread();
                }
            }
            Form::Table(_) => {}
        }
        match &mut self.0 {
            Form::Packed(packed) => packed.push_back(member),
            Form::Table(table) => table.insert(Member::new([], member)),
            Form::Ints(_) => unreachable!("no integer, so it was converted above"),
        }
    }

    /// Adds a member of another set that is not in this one.
    pub fn push_ref(&mut self, member: StrRef<'_>, settings: &Settings) {
        match (&mut self.0, member) {
            (Form::Ints(ints), StrRef::Int(int)) => {
                ints.insert(int);
                self.limit_ints(settings);
            }
            _ => self.push(member.bytes(&mut [0; 20]), settings),
        }
    }

    /// This empty set with members that are all different.
    pub(super) fn filled(mut self, members: &[StrRef<'_>], settings: &Settings) -> Set {
        if members.len() > settings.set_intset_entries_max.max(settings.set_listpack_entries_max) {
            // So many come to a table in the end, which is then made in its size at once.
            return Set(Form::Table(Box::new(table_of(members.len(), members.iter().copied()))));
        }
        members.iter().for_each(|member| self.push_ref(*member, settings));
        self
    }

    /// Makes a table of an intset that has become too long.
    pub(super) fn limit_ints(&mut self, settings: &Settings) {
        if let Form::Ints(ints) = &self.0
            && ints.len() > settings.set_intset_entries_max
        {
            self.spread();
        }
    }

    /// Makes an intset of a set whose members are all integers, unless they are too many.
    pub(super) fn gather_ints(&mut self, settings: &Settings) {
        if self.as_intset().is_some() || self.len() > settings.set_intset_entries_max {
            return;
        }
        let mut ints: Vec<i64> =
            self.iter().map(|member| int_of(member).expect("all are integers")).collect();
        ints.sort_unstable();
        self.0 = Form::Ints(Intset::from_ascending(&ints));
    }

    /// Makes a listpack of an intset.
    fn pack(&mut self) {
        let mut packed = Listpack::new();
        if let Form::Ints(ints) = &self.0 {
            ints.iter().for_each(|int| packed.push_back_int(int));
        }
        self.0 = Form::Packed(packed);
    }

    /// Makes a table of whatever it is.
    fn spread(&mut self) {
        self.0 = Form::Table(Box::new(table_of(self.len() + 1, self.iter())));
    }
}

/// A table of members that are all different.
pub(super) fn table_of<'a>(len: usize, members: impl Iterator<Item = StrRef<'a>>) -> Table {
    let mut table = Table::with_room(len);
    members.for_each(|member| table.insert(Member::new([], member.bytes(&mut [0; 20]))));
    table
}

/// The integer that a member is.
#[inline]
pub(super) fn int_of(member: StrRef<'_>) -> Option<i64> {
    match member {
        StrRef::Int(int) => Some(int),
        StrRef::Bytes(bytes) => parse_i64(bytes),
    }
}

/// Whether the integers of an intset and a member that is none are to be a listpack.
fn may_be_packed(ints: &Intset, member: &[u8], settings: &Settings) -> bool {
    let longest = |index: usize| ints.get(index).map_or(0, |int| format_i64(int, &mut [0; 20]).len());
    let longest = longest(0).max(longest(ints.len().saturating_sub(1)));
    let bytes = ints.len() * (longest + ELEMENT_EXTRA_BYTES) + member.len();
    ints.len() < settings.set_listpack_entries_max
        && member.len().max(longest) <= settings.set_listpack_value_bytes_max
        && bytes <= LISTPACK_BYTES_MAX
}
