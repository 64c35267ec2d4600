//! How far a value reaches, without making anything of it: what lets a file be dealt out to threads faster than they
//! build its values.
use super::reader::Reader;
use super::{Bad, kind};

/// A value being passed over, in the same steps in which a [`Decoder`](super::Decoder) reads it: what stands before the elements,
/// whole elements, what stands behind them.
#[derive(Debug)]
pub struct Extent {
    kind: u8,
    /// Elements that are still to come; none before the first step.
    left: Option<u64>,
}

impl Extent {
    /// The extent of a value of a type, as the byte before it tells it, in a version of the format.
    #[must_use]
    pub fn new(kind: u8, version: u16) -> Extent {
        Extent { kind: super::decode::meant_by(kind, version), left: None }
    }

    /// Passes over as many whole elements as the window holds; whether the value ends there.
    ///
    /// # Errors
    /// The bytes are no value. Where the window ends within, that is none, and the reader stands behind the last whole element.
    pub fn step(&mut self, reader: &mut Reader<'_>) -> Result<bool, Bad> {
        match self.pass(reader) {
            Ok(()) => Ok(true),
            Err(Bad::Short) => Ok(false),
            Err(bad) => Err(bad),
        }
    }

    fn pass(&mut self, reader: &mut Reader<'_>) -> Result<(), Bad> {
        let mut left = match self.left {
            Some(left) => left,
            None => reader.whole(|reader| begin(self.kind, reader))?,
        };
        while left > 0 {
            self.left = Some(left);
            reader.whole(|reader| element(self.kind, reader))?;
            left -= 1;
        }
        self.left = Some(0);
        if is_stream(self.kind) { reader.whole(|reader| stream_tail(self.kind, reader)) } else { Ok(()) }
    }
}

fn is_stream(kind: u8) -> bool {
    matches!(kind, kind::STREAM | kind::STREAM_2 | kind::STREAM_3)
}

/// Passes over what stands before the elements, or over all of a value that has none to be counted; how many follow.
fn begin(kind: u8, reader: &mut Reader<'_>) -> Result<u64, Bad> {
    match kind {
        kind::STRING
        | kind::HASH_ZIPMAP
        | kind::LIST_ZIPLIST
        | kind::SET_INTSET
        | kind::ZSET_ZIPLIST
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::ZSET_LISTPACK
        | kind::SET_LISTPACK
        | kind::HASH_LISTPACK_TTL_EARLY => reader.skip_string().map(|()| 0),
        kind::HASH_LISTPACK_TTL => {
            reader.milliseconds()?;
            reader.skip_string().map(|()| 0)
        }
        kind::HASH_TTL => {
            let count = reader.number()?;
            reader.milliseconds().map(|_| count)
        }
        kind::LIST
        | kind::SET
        | kind::ZSET
        | kind::HASH
        | kind::ZSET_2
        | kind::LIST_QUICKLIST
        | kind::LIST_QUICKLIST_2
        | kind::STREAM
        | kind::STREAM_2
        | kind::STREAM_3
        | kind::HASH_2
        | kind::HASH_TTL_EARLY => reader.number(),
        kind::MODULE | kind::MODULE_2 => Err(Bad::Module),
        _ => Err(Bad::Data("a type that is not known")),
    }
}

fn element(kind: u8, reader: &mut Reader<'_>) -> Result<(), Bad> {
    match kind {
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => reader.skip_string(),
        kind::LIST_QUICKLIST_2 => {
            reader.number()?;
            reader.skip_string()
        }
        kind::ZSET => {
            reader.skip_string()?;
            reader.double_text().map(drop)
        }
        kind::ZSET_2 => {
            reader.skip_string()?;
            reader.double().map(drop)
        }
        kind::HASH_2 => {
            reader.skip_string()?;
            reader.skip_string()?;
            reader.milliseconds().map(drop)
        }
        kind::HASH_TTL | kind::HASH_TTL_EARLY => {
            reader.number()?;
            reader.skip_string()?;
            reader.skip_string()
        }
        // Fields and values; and streams: a node's first id, and the node.
        _ => {
            reader.skip_string()?;
            reader.skip_string()
        }
    }
}

/// Passes over what a stream tells of itself, and its groups.
fn stream_tail(kind: u8, reader: &mut Reader<'_>) -> Result<(), Bad> {
    const PENDING_BYTES: u64 = 16 + 8;
    let facts = if kind == kind::STREAM { 3 } else { 8 };
    for _ in 0..facts {
        reader.number()?;
    }
    for _ in 0..reader.number()? {
        reader.skip_string()?;
        for _ in 0..if kind == kind::STREAM { 2 } else { 3 } {
            reader.number()?;
        }
        for _ in 0..reader.number()? {
            reader.bytes(PENDING_BYTES)?;
            reader.number()?;
        }
        for _ in 0..reader.number()? {
            reader.skip_string()?;
            reader.milliseconds()?;
            if kind == kind::STREAM_3 {
                reader.milliseconds()?;
            }
            for _ in 0..reader.number()? {
                reader.bytes(16)?;
            }
        }
    }
    Ok(())
}
