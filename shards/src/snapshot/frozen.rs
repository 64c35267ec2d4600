//! Large values as they were at one instant, to be serialized by another thread.
use crate::keyspace::{Entry, EntryRef, StrRef};
use crate::rdb::writer::{self, Out};
use crate::rdb::{VERSION_COMMON, encode_lent, encode_object, stream_tail};
use crate::values::Object;
use crate::values::lent::Lent;
use std::sync::Arc;

/// A value that takes more bytes than this is not serialized where it is found.
const LARGE_BYTES: usize = 8 * 1024;

/// What is lent counts for no more bytes than this.
const LENT_BYTES_MAX: usize = 1 << 20;

/// Whether a value is large.
pub(super) fn is_large(entry: EntryRef<'_>) -> bool {
    match entry.as_object() {
        Some(object) => object.is_heavy() || object.memory_bytes() > LARGE_BYTES,
        None => match entry.string() {
            StrRef::Int(_) => false,
            StrRef::Bytes(bytes) => bytes.len() > LARGE_BYTES,
        },
    }
}

/// A value as it was.
#[derive(Debug)]
pub struct Frozen(Form);

#[derive(Debug)]
enum Form {
    /// The entry's own vector: whoever changes it meanwhile copies it first.
    String(Arc<Vec<u8>>),
    /// A copy: it is one piece, or somebody is reading it already.
    Object(Object),
    /// The pieces that it consisted of, and the bytes that they take.
    Lent(Lent, usize),
}

impl Frozen {
    /// The value of an entry as it is now.
    pub(super) fn of(entry: &mut Entry) -> Frozen {
        let weight_bytes = entry.view().memory_bytes();
        if let Some(lent) = Lent::of(entry, |stream| stream_tail(stream, VERSION_COMMON)) {
            return Frozen(Form::Lent(lent, weight_bytes));
        }
        if let Some(bytes) = entry.share() {
            return Frozen(Form::String(bytes));
        }
        Frozen(match entry.view().as_object() {
            Some(object) => Form::Object(object.copy()),
            None => Form::String(Arc::new(entry.view().string().bytes(&mut [0; 20]).to_vec())),
        })
    }

    /// Bytes that it takes, about; of pieces that are lent, what those may take that are changed meanwhile.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        match &self.0 {
            Form::String(bytes) => bytes.len().min(LENT_BYTES_MAX),
            Form::Object(object) => object.memory_bytes(),
            Form::Lent(_, bytes) => (*bytes).min(LENT_BYTES_MAX),
        }
    }

    /// Writes it, without its type.
    pub fn encode(&self, out: &mut impl Out) {
        match &self.0 {
            Form::String(bytes) => writer::blob(out, bytes),
            Form::Object(object) => encode_object(object, VERSION_COMMON, out),
            Form::Lent(lent, _) => encode_lent(lent, out),
        }
    }
}
