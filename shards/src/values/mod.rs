//! Values that are no strings: collections, a file a type and encoding.
//!
//! A small one is a [`Run`] of bytes and stands in line: at the end of its entry, in the same allocation. Of any other its
//! entry has one word: the address of what it holds, whose three low bits are the kind's own (they tell its encoding). No
//! enum is ever boxed. [`Kind`] is what every collection can do; [`Object`] is any of them.
#![expect(unsafe_code, reason = "words are addresses: who turns one back promises that nobody else does")]
use crate::dice::Dice;
use crate::digest::Digest;
use crate::settings::Settings;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;

pub mod field;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub(crate) mod lease;
pub(crate) mod lent;
pub mod list;
pub mod listpack;
pub mod lzf;
pub mod member;
pub mod members;
mod packed;
pub mod quicklist;
pub mod run;
pub mod set;
pub mod stream;
pub mod tree;
pub mod zset;

use intset::Intset;
use listpack::Listpack;
use run::Run;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use stream::Stream;
pub use zset::Zset;

/// The bits of a word that a kind has for itself.
pub const TAG: u64 = 0b111;
/// Collections that cost more than this to free are freed in slices.
const FREE_AT_ONCE: usize = 64;

/// Forms from here on are those of collections that stand in line.
pub(crate) const FIRST_IN_LINE: u8 = 11;
/// The form of an intset that stands in line; of the others each is a listpack.
const INTS_IN_LINE: u8 = 15;

/// How many bytes there are of a collection in line that begins at an address.
///
/// # Safety
/// One of this form begins there.
#[inline]
pub(crate) unsafe fn bytes_in_line(form: u8, at: *const u8) -> usize {
    if form == INTS_IN_LINE {
        // SAFETY: the caller's promise.
        unsafe { Intset::total_at(at) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { Listpack::total_at(at) }
    }
}

/// A collection that is one run of bytes: what of it can stand in line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The form that an entry gives it.
    pub form: u8,
    /// All of it.
    pub bytes: &'a [u8],
    /// How many bytes are before it in its allocation: some where it does stand in line.
    pub lead: usize,
}

/// A type of collection.
pub trait Kind: Sized + Into<Object> {
    /// The form that an entry gives it.
    const FORM: u8;
    /// TYPE's name.
    const NAME: &'static str;
    /// What Redis's objects call the type, in digests.
    const TYPE: u32;

    /// A key whose collection is left empty goes away.
    const GOES_EMPTY: bool = true;

    /// One without elements.
    fn empty() -> Self;
    /// The word that an entry keeps: an address, a multiple of 8, plus a tag in the bits of [`TAG`]. The collection lives on in it.
    fn into_word(self) -> u64;
    /// The collection of a word.
    ///
    /// # Safety
    /// The word came from [`Kind::into_word`] of the same kind, and nobody else turns it back while this one lives.
    unsafe fn from_word(word: u64) -> Self;
    /// The forms that an entry gives it where it stands in line.
    const IN_LINE: &'static [u8] = &[];
    /// What can stand in line of it, where it is nothing else.
    fn as_line(&self) -> Option<Line<'_>> {
        None
    }
    /// Gives away the run that it is, where it is one; the collection lives on in it.
    fn into_run(self) -> Result<Run, Self> {
        Err(self)
    }
    /// The collection of a run; none where the form is not one of [`Kind::IN_LINE`].
    ///
    /// # Safety
    /// A collection of this form stands there, and nobody else uses it while this one lives.
    unsafe fn from_run(_form: u8, _run: Run) -> Option<Self> {
        None
    }
    /// How many elements it has.
    fn len(&self) -> usize;
    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// OBJECT ENCODING's name.
    fn encoding(&self) -> &'static str;
    /// Bytes that the allocator keeps for it. Costs no more than a look, however large it is.
    fn memory_bytes(&self) -> usize;
    /// Another one with the same elements.
    fn copy(&self) -> Self;
    /// Adds its elements to the digest of its key, as Redis's DEBUG DIGEST does.
    fn digest(&self, digest: &mut Digest);
    /// About how many allocations it consists of.
    fn free_cost(&self) -> usize;
    /// Gives about `budget` allocations back; whether it is empty then. For one that nobody uses any more.
    fn free_some(&mut self, budget: usize) -> bool;
    /// Whether elements of it expire by themselves.
    fn has_deadlines(&self) -> bool {
        false
    }
}

/// What a collection's change may need besides its arguments.
#[derive(Debug)]
pub struct Hand<'a> {
    /// The directives.
    pub settings: &'a Settings,
    /// Chance.
    pub dice: &'a mut Dice,
    /// The time of the command, ms since 1970.
    pub now_ms: i64,
}

/// A look at a collection that an entry owns: dropping it frees nothing.
#[derive(Debug)]
pub struct Held<'a, K> {
    value: ManuallyDrop<K>,
    life: PhantomData<&'a K>,
}

impl<K> Held<'_, K> {
    /// Wraps what was made of the word of a living entry.
    pub(crate) fn new(value: K) -> Self {
        Held { value: ManuallyDrop::new(value), life: PhantomData }
    }
}

impl<K> Deref for Held<'_, K> {
    type Target = K;
    #[inline]
    fn deref(&self) -> &K {
        &self.value
    }
}

/// A collection of any kind.
#[derive(Debug)]
#[expect(missing_docs, reason = "the kinds are named as Redis names them")]
pub enum Object {
    Hash(Hash),
    List(List),
    Set(Set),
    Zset(Zset),
    Stream(Stream),
}

macro_rules! into_object {
    ($($kind:ident)*) => {$(
        impl From<$kind> for Object {
            fn from(value: $kind) -> Object {
                Object::$kind(value)
            }
        }
    )*};
}
into_object!(Hash List Set Zset Stream);

/// Runs the same expression on whichever kind an object is.
macro_rules! each {
    ($object:expr, $value:ident => $act:expr) => {
        match $object {
            Object::Hash($value) => $act,
            Object::List($value) => $act,
            Object::Set($value) => $act,
            Object::Zset($value) => $act,
            Object::Stream($value) => $act,
        }
    };
}

impl Object {
    /// Form and word, for an entry.
    pub(crate) fn into_parts(self) -> (u8, u64) {
        (self.form(), each!(self, value => value.into_word()))
    }
    /// The collection of an entry's form and word.
    ///
    /// # Safety
    /// See [`Kind::from_word`].
    pub(crate) unsafe fn from_parts(form: u8, word: u64) -> Object {
        /// One kind's own.
        ///
        /// # Safety
        /// See [`Kind::from_word`].
        unsafe fn of<K: Kind>(word: u64) -> Object {
            // SAFETY: the caller's promise.
            unsafe { K::from_word(word) }.into()
        }
        let make = match form {
            Hash::FORM => of::<Hash>,
            List::FORM => of::<List>,
            Set::FORM => of::<Set>,
            Zset::FORM => of::<Zset>,
            _ => of::<Stream>,
        };
        // SAFETY: the caller's promise, for the kind of this form.
        unsafe { make(word) }
    }
    /// The collection of an entry in which it stands in line.
    ///
    /// # Safety
    /// See [`Kind::from_run`]; the form is that of a collection in line.
    pub(crate) unsafe fn from_run(form: u8, run: Run) -> Object {
        /// One kind's own.
        ///
        /// # Safety
        /// See [`Kind::from_run`].
        unsafe fn of<K: Kind>(form: u8, run: Run) -> Option<Object> {
            // SAFETY: the caller's promise.
            unsafe { K::from_run(form, run) }.map(Into::into)
        }
        let make = match form {
            _ if Hash::IN_LINE.contains(&form) => of::<Hash>,
            _ if List::IN_LINE.contains(&form) => of::<List>,
            _ if Zset::IN_LINE.contains(&form) => of::<Zset>,
            _ => of::<Set>,
        };
        // SAFETY: the caller's promise, for the kind of this form.
        unsafe { make(form, run) }.expect("a form in line is one of these kinds'")
    }
    /// See [`Kind::as_line`].
    #[must_use]
    pub(crate) fn as_line(&self) -> Option<Line<'_>> {
        each!(self, value => value.as_line())
    }
    /// The form that an entry gives it.
    #[must_use]
    pub(crate) fn form(&self) -> u8 {
        fn form<K: Kind>(_: &K) -> u8 {
            K::FORM
        }
        each!(self, value => form(value))
    }
    /// TYPE's name.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        fn name<K: Kind>(_: &K) -> &'static str {
            K::NAME
        }
        each!(self, value => name(value))
    }
    /// How many elements it has.
    #[must_use]
    pub fn len(&self) -> usize {
        each!(self, value => value.len())
    }
    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// OBJECT ENCODING's name.
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        each!(self, value => value.encoding())
    }
    /// Bytes that the allocator keeps for it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        each!(self, value => value.memory_bytes())
    }
    /// Another one with the same elements.
    #[must_use]
    pub fn copy(&self) -> Object {
        match self {
            Object::Hash(value) => Object::Hash(value.copy()),
            Object::List(value) => Object::List(value.copy()),
            Object::Set(value) => Object::Set(value.copy()),
            Object::Zset(value) => Object::Zset(value.copy()),
            Object::Stream(value) => Object::Stream(value.copy()),
        }
    }
    /// Adds type and elements to the digest of its key.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        fn add<K: Kind>(value: &K, digest: &mut Digest) {
            digest.mix(&K::TYPE.to_be_bytes());
            value.digest(digest);
        }
        each!(self, value => add(value, digest));
    }
    /// Whether elements of it expire by themselves.
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        each!(self, value => value.has_deadlines())
    }
    /// Whether freeing it takes so long that it is done in slices.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        each!(self, value => value.free_cost()) > FREE_AT_ONCE
    }
    /// Gives about `budget` allocations back; whether it is empty then.
    pub fn free_some(&mut self, budget: usize) -> bool {
        each!(self, value => value.free_some(budget))
    }
}
