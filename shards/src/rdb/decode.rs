//! Reading a value, in steps of whole elements.
use super::reader::{Reader, Text};
use super::{Bad, VERSION_VALKEY, hash, kind, list, set, stream, zset};
use crate::settings::Settings;
use crate::values::{Hash, Kind, List, Object, Set, Zset};

/// A value that was read.
#[derive(Debug)]
pub enum Loaded<'a> {
    /// A string.
    String(Text<'a>),
    /// A collection.
    Object(Object),
}

/// How far a step came.
#[derive(Debug)]
pub enum Step<'a> {
    /// There is more to be read.
    More,
    /// The value is whole.
    Done(Loaded<'a>),
}

/// The type that a version means by a number: Redis, before it released 7.4, and Valkey have given one of them to different forms.
pub(super) fn meant_by(kind: u8, version: u16) -> u8 {
    match kind {
        kind::HASH_2 if version != VERSION_VALKEY => kind::HASH_TTL_EARLY,
        kind::HASH_TTL_EARLY => kind::UNKNOWN,
        _ => kind,
    }
}

/// A value being read. What it needs is in the windows it is shown, one after the other: of an element that a window does
/// not hold whole it reads nothing.
#[derive(Debug)]
pub struct Decoder {
    kind: u8,
    /// Elements that are still to come.
    left: u64,
    part: Part,
}

/// As much of a collection as has been read.
#[derive(Debug)]
enum Part {
    /// Nothing yet.
    Nothing,
    List(List),
    Set(Set),
    Zset(Zset),
    Hash(Hash, hash::Form),
    Stream(Box<stream::Part>),
}

impl Decoder {
    /// A decoder of a type, as the byte before the value tells it, in a version of the format.
    #[must_use]
    pub fn new(kind: u8, version: u16) -> Decoder {
        let kind = meant_by(kind, version);
        Decoder { kind, left: 0, part: Part::Nothing }
    }

    /// Reads up to about `budget` elements.
    ///
    /// # Errors
    /// [`Bad::Short`] where the window ends within an element: what stands before it was read, and the next window is to
    /// begin with it. Anything else is final.
    pub fn step<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        settings: &Settings,
        budget: usize,
    ) -> Result<Step<'a>, Bad> {
        if let Part::Nothing = self.part
            && let Some(loaded) = reader.whole(|reader| self.begin(reader, settings))?
        {
            return Ok(Step::Done(loaded));
        }
        for _ in 0..budget {
            if self.left == 0 {
                return self.finish(reader);
            }
            reader.whole(|reader| self.element(reader, settings))?;
            self.left -= 1;
        }
        Ok(Step::More)
    }

    /// Reads what stands before the elements; or all of it, where there are none to be counted.
    fn begin<'a>(&mut self, reader: &mut Reader<'a>, settings: &Settings) -> Result<Option<Loaded<'a>>, Bad> {
        let whole: Object = match self.kind {
            kind::STRING => return Ok(Some(Loaded::String(reader.string()?))),
            kind::LIST_ZIPLIST => list::from_ziplist(reader, settings)?.into(),
            kind::SET_INTSET => set::from_intset(reader, settings)?.into(),
            kind::SET_LISTPACK => set::from_listpack(reader, settings)?.into(),
            kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => {
                zset::from_packed(self.kind, reader, settings)?.into()
            }
            kind::HASH_ZIPMAP
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::HASH_LISTPACK_TTL_EARLY
            | kind::HASH_LISTPACK_TTL => hash::from_packed(self.kind, reader, settings)?.into(),
            _ => {
                self.begin_counted(reader, settings)?;
                return Ok(None);
            }
        };
        Ok(Some(Loaded::Object(whole)))
    }

    fn begin_counted(&mut self, reader: &mut Reader<'_>, settings: &Settings) -> Result<(), Bad> {
        let count = match self.kind {
            kind::LIST..=kind::ZSET_2 | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => reader.number()?,
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => reader.number()?,
            kind::HASH_2 | kind::HASH_TTL_EARLY | kind::HASH_TTL => reader.number()?,
            kind::MODULE | kind::MODULE_2 => return Err(Bad::Module),
            _ => return Err(Bad::Data("a type that is not known")),
        };
        let part = match self.kind {
            kind::LIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => Part::List(List::empty()),
            kind::SET => Part::Set(set::expecting(count, settings)),
            kind::ZSET | kind::ZSET_2 => Part::Zset(zset::expecting(count, settings)),
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => Part::Stream(Box::default()),
            _ => Part::Hash(hash::expecting(count, settings), hash::Form::begin(self.kind, reader)?),
        };
        let may_be_empty = matches!(part, Part::Stream(_));
        if count == 0 && !may_be_empty {
            return Err(Bad::Empty);
        }
        (self.left, self.part) = (count, part);
        Ok(())
    }

    fn element(&mut self, reader: &mut Reader<'_>, settings: &Settings) -> Result<(), Bad> {
        match &mut self.part {
            Part::List(list) => list::element(list, self.kind, reader, settings),
            Part::Set(set) => set::element(set, reader, settings),
            Part::Zset(zset) => zset::element(zset, self.kind, reader, settings),
            Part::Hash(hash, form) => hash::element(hash, *form, reader, settings),
            Part::Stream(part) => part.node(reader),
            Part::Nothing => unreachable!("it has begun"),
        }
    }

    /// Reads what stands behind the elements.
    fn finish<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Step<'a>, Bad> {
        if let Part::Stream(part) = &mut self.part {
            let stream = reader.whole(|reader| part.tail(self.kind, reader))?;
            return Ok(Step::Done(Loaded::Object(stream.into())));
        }
        let object: Object = match std::mem::replace(&mut self.part, Part::Nothing) {
            Part::List(list) => list.into(),
            Part::Set(set) => set.into(),
            Part::Zset(zset) => zset.into(),
            Part::Hash(hash, _) => hash.into(),
            Part::Stream(_) | Part::Nothing => unreachable!("it has begun, and is no stream"),
        };
        Ok(Step::Done(Loaded::Object(object)))
    }
}

/// Reads one value from bytes that hold it whole and nothing else.
///
/// # Errors
/// They do not.
pub fn decode<'a>(kind: u8, version: u16, bytes: &'a [u8], settings: &Settings) -> Result<Loaded<'a>, Bad> {
    let (mut decoder, mut reader) = (Decoder::new(kind, version), Reader::new(bytes));
    loop {
        if let Step::Done(loaded) = decoder.step(&mut reader, settings, usize::MAX)? {
            return if reader.left() == 0 { Ok(loaded) } else { Err(Bad::Data("bytes behind the value")) };
        }
    }
}
