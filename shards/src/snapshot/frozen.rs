//! Large values as they were at one instant, to be serialized by another thread.
use crate::keyspace::{Entry, EntryRef, StrRef};
use crate::rdb::writer::{self, Out};
use crate::rdb::{VERSION_COMMON, encode_object};
use crate::values::Object;

/// A value that takes more bytes than this is not serialized where it is found.
const LARGE_BYTES: usize = 8 * 1024;

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
    String(Vec<u8>),
    Object(Object),
}

impl Frozen {
    /// The value of an entry as it is now.
    #[expect(clippy::needless_pass_by_ref_mut, reason = "who freezes has the entry for itself")]
    pub(super) fn of(entry: &mut Entry) -> Frozen {
        Frozen(match entry.view().as_object() {
            Some(object) => Form::Object(object.copy()),
            None => Form::String(entry.view().string().bytes(&mut [0; 20]).to_vec()),
        })
    }

    /// Bytes that it keeps from being freed, about.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        match &self.0 {
            Form::String(bytes) => bytes.len(),
            Form::Object(object) => object.memory_bytes(),
        }
    }

    /// Writes it, without its type.
    pub fn encode(&self, out: &mut impl Out) {
        match &self.0 {
            Form::String(bytes) => writer::blob(out, bytes),
            Form::Object(object) => encode_object(object, VERSION_COMMON, out),
        }
    }
}
