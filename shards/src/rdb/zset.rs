//! Sorted sets: members and scores one after the other, or packed.
use super::reader::Reader;
use super::writer::{self, Out};
use super::{Bad, kind, packed};
use crate::keyspace::StrRef;
use crate::number::parse_f64;
use crate::settings::Settings;
use crate::values::listpack::Listpack;
use crate::values::zset::{Added, Change, Limits, When, range};
use crate::values::{Kind, Zset};

const NO_SCORE: Bad = Bad::Data("a score that is no number");

/// A sorted set in a ziplist or a listpack.
pub(super) fn from_packed(kind: u8, reader: &mut Reader<'_>, settings: &Settings) -> Result<Zset, Bad> {
    let blob = reader.blob()?;
    let pack = if kind == kind::ZSET_ZIPLIST { packed::ziplist(&blob) } else { packed::listpack(&blob) }?;
    let count = packed::count_different(&pack, 2)?;
    check_order(&pack)?;
    let mut zset = Zset::Packed(pack);
    zset.expect_more(count, Limits::of(settings));
    Ok(zset)
}

/// Scores are numbers, and ascend, and members of the same score ascend too: what seeks in it relies on that.
fn check_order(pack: &Listpack) -> Result<(), Bad> {
    let (mut elements, mut last): (_, Option<(f64, StrRef<'_>)>) = (pack.iter(), None);
    while let (Some(member), Some(score)) = (elements.next(), elements.next()) {
        let score = match score {
            StrRef::Int(score) => score as f64,
            StrRef::Bytes(text) => parse_f64(text).ok_or(NO_SCORE)?,
        };
        if let Some((before, its)) = last
            && range::compare((before, its.bytes(&mut [0; 20])), (score, member.bytes(&mut [0; 20]))).is_ge()
        {
            return Err(Bad::Data("members out of order"));
        }
        last = Some((score, member));
    }
    Ok(())
}

/// An empty sorted set to which so many members are to come.
pub(super) fn expecting(count: u64, settings: &Settings) -> Zset {
    Zset::expecting(usize::try_from(count).unwrap_or(usize::MAX), 0, Limits::of(settings))
}

/// A member and its score.
pub(super) fn element(
    zset: &mut Zset,
    kind: u8,
    reader: &mut Reader<'_>,
    settings: &Settings,
) -> Result<(), Bad> {
    let member = reader.string()?;
    let score = if kind == kind::ZSET { reader.double_text()? } else { reader.double()? };
    if score.is_nan() {
        return Err(NO_SCORE);
    }
    let mut room = [0; 20];
    let member = member.view().bytes(&mut room);
    match zset.add(member, Change::To(score), When::default(), Limits::of(settings)) {
        Ok(Added::New(_)) => Ok(()),
        _ => Err(Bad::Data("a member twice")),
    }
}

/// The type as which a sorted set is written.
pub(super) fn kind_of(zset: &Zset) -> u8 {
    if let Zset::Packed(_) = zset { kind::ZSET_LISTPACK } else { kind::ZSET_2 }
}

/// Writes a sorted set, the greatest member first: who reads it then adds each before all others.
pub(super) fn encode(zset: &Zset, out: &mut impl Out) {
    if let Zset::Packed(pack) = zset {
        return writer::blob(out, pack.as_bytes());
    }
    writer::number(out, zset.len() as u64);
    zset.walk(0..zset.len(), true, |member, score| {
        writer::string(out, member);
        writer::double(out, score);
    });
}
