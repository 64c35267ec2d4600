//! Hashes: fields and values one after the other, packed, and with the times at which fields expire.
use super::reader::Reader;
use super::writer::{self, Out};
use super::{Bad, kind, packed};
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::settings::Settings;
use crate::values::field::Field;
use crate::values::hash::Pair;
use crate::values::listpack::Listpack;
use crate::values::{Hash, Kind};

const TWICE: Bad = Bad::Data("a field twice");
const NO_TIME: Bad = Bad::Data("a field's expiry that is no time");
/// What Valkey writes for a field that does not expire.
const NEVER: i64 = -1;

/// How the fields of a hash stand one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Field and value.
    Plain,
    /// Field, value and time, in eight bytes; -1: never.
    Valkey,
    /// Time, field and value; 0: never.
    Early,
    /// The same, the time being told from this one on, which is 1.
    Since(i64),
}

impl Form {
    /// The form of a type; of one, something stands before the fields.
    pub(super) fn begin(kind: u8, reader: &mut Reader<'_>) -> Result<Form, Bad> {
        Ok(match kind {
            kind::HASH_2 => Form::Valkey,
            kind::HASH_TTL_EARLY => Form::Early,
            kind::HASH_TTL => Form::Since(0),
            _ => Form::Plain,
        })
        .and_then(|form| {
            if form == Form::Since(0) { reader.milliseconds().map(Form::Since) } else { Ok(form) }
        })
    }
}

/// An empty hash to which so many fields are to come.
pub(super) fn expecting(count: u64, settings: &Settings) -> Hash {
    let mut hash = Hash::empty();
    hash.expect(usize::try_from(count).unwrap_or(usize::MAX), settings);
    hash
}

/// A field with its value and its time.
pub(super) fn element(
    hash: &mut Hash,
    form: Form,
    reader: &mut Reader<'_>,
    settings: &Settings,
) -> Result<(), Bad> {
    let before = match form {
        Form::Plain | Form::Valkey => 0,
        Form::Early | Form::Since(_) => reader.number()?,
    };
    let (field, value) = (reader.string()?, reader.string()?);
    let expires_at_ms = match form {
        Form::Plain => None,
        Form::Valkey => Some(reader.milliseconds()?).filter(|at_ms| *at_ms != NEVER),
        Form::Early => time(before)?,
        Form::Since(least) => {
            time(before)?.map(|above| least.checked_add(above - 1).ok_or(NO_TIME)).transpose()?
        }
    };
    add(hash, Pair { field: field.view(), value: value.view(), expires_at_ms }, settings)
}

/// A time as an unsigned number; 0: none.
fn time(number: u64) -> Result<Option<i64>, Bad> {
    let time = i64::try_from(number).map_err(|_| NO_TIME)?;
    Ok(Some(time).filter(|time| *time > 0))
}

fn add(hash: &mut Hash, pair: Pair<'_>, settings: &Settings) -> Result<(), Bad> {
    let (mut room, mut value_room) = ([0; 20], [0; 20]);
    let field = pair.field.bytes(&mut room);
    if !hash.set(field, pair.value.bytes(&mut value_room), false, settings) {
        return Err(TWICE);
    }
    match pair.expires_at_ms {
        Some(..0) => return Err(NO_TIME),
        Some(at_ms) => hash.set_expiry(field, Some(at_ms)),
        None => {}
    }
    Ok(())
}

/// A hash in a zipmap, a ziplist or a listpack.
pub(super) fn from_packed(kind: u8, reader: &mut Reader<'_>, settings: &Settings) -> Result<Hash, Bad> {
    if kind == kind::HASH_LISTPACK_TTL {
        // The least time of all, which is found again.
        reader.milliseconds()?;
    }
    let blob = reader.blob()?;
    let pack = match kind {
        kind::HASH_ZIPMAP => packed::zipmap(&blob),
        kind::HASH_ZIPLIST => packed::ziplist(&blob),
        _ => packed::listpack(&blob),
    }?;
    if kind == kind::HASH_LISTPACK_TTL || kind == kind::HASH_LISTPACK_TTL_EARLY {
        return from_triples(&pack, settings);
    }
    let count = packed::count_different(&pack, 2)?;
    // Only those who packed listpacks had our way to tell a long value from a short one.
    let is_long = kind != kind::HASH_LISTPACK
        && pack.iter().any(|element| element.len() > settings.hash_listpack_value_bytes_max);
    let mut hash = Hash::Pairs(pack);
    hash.expect(if is_long { usize::MAX } else { count }, settings);
    Ok(hash)
}

/// A hash of fields, values and times, 0 for never.
fn from_triples(pack: &Listpack, settings: &Settings) -> Result<Hash, Bad> {
    let count = packed::count_different(pack, 3)?;
    let mut hash = expecting(count as u64, settings);
    let mut elements = pack.iter();
    while let (Some(field), Some(value), Some(time)) = (elements.next(), elements.next(), elements.next()) {
        let StrRef::Int(at_ms) = time else { return Err(NO_TIME) };
        add(
            &mut hash,
            Pair { field, value, expires_at_ms: Some(at_ms).filter(|at_ms| *at_ms != 0) },
            settings,
        )?;
    }
    Ok(hash)
}

/// The type as which a hash is written.
pub(super) fn kind_of(hash: &Hash) -> u8 {
    match hash {
        Hash::Pairs(_) => kind::HASH_LISTPACK,
        _ if hash.next_expiry_ms().is_some() => kind::HASH_2,
        _ => kind::HASH,
    }
}

/// Writes a hash as this type.
pub(super) fn encode(hash: &Hash, kind: u8, out: &mut impl Out) {
    if let Hash::Pairs(pack) = hash {
        return writer::blob(out, pack.as_bytes());
    }
    writer::number(out, hash.len() as u64);
    hash.each(|pair| encode_pair(pair, kind == kind::HASH_2, out));
}

/// Writes the fields of a hash that is lent, with their times or without.
pub(super) fn encode_lent(fields: &View<Field>, has_times: bool, out: &mut impl Out) {
    writer::number(out, fields.len() as u64);
    fields.iter().for_each(|field| encode_pair(field.into(), has_times, out));
}

fn encode_pair(pair: Pair<'_>, has_time: bool, out: &mut impl Out) {
    writer::string(out, pair.field);
    writer::string(out, pair.value);
    if has_time {
        writer::milliseconds(out, pair.expires_at_ms.unwrap_or(NEVER));
    }
}
