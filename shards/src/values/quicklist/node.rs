//! One node of a list: a listpack, as it is or squeezed by LZF.
#![expect(unsafe_code, reason = "a node that is lent exists twice, and only its owner may free it")]
use super::super::listpack::Listpack;
use super::super::lzf;
use super::limit::Limit;
use crate::keyspace::StrRef;
use std::mem::ManuallyDrop;

/// Listpacks below this many bytes are not worth squeezing.
const SQUEEZED_BYTES_MIN: usize = 48;
/// Fewer bytes than this are no gain.
const GAIN_BYTES_MIN: usize = 8;

/// A node. Squeezed, its listpack has one element: the number of bytes it had before (8 bytes), and these compressed; so every
/// node is one allocation, told apart by a flag.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pack: Listpack,
    count: u32,
    /// Its only element was too large to share a node: nothing is ever added.
    is_plain: bool,
    is_squeezed: bool,
    /// A reader on another thread has the listpack too.
    is_lent: bool,
}

/// The listpack of a node, to be read.
pub(super) enum Open<'a> {
    Held(&'a Listpack),
    Unsqueezed(Listpack),
}

impl std::ops::Deref for Open<'_> {
    type Target = Listpack;
    #[inline]
    fn deref(&self) -> &Listpack {
        match self {
            Open::Held(pack) => pack,
            Open::Unsqueezed(pack) => pack,
        }
    }
}

impl Node {
    /// A node of one element.
    pub(super) fn new(value: &[u8], limit: Limit) -> Node {
        Node::with_room(value, limit, 0)
    }

    /// The same, which may become `room` bytes large before it moves, if others may come.
    pub(super) fn with_room(value: &[u8], limit: Limit, room: usize) -> Node {
        let is_plain = limit.is_large(value.len());
        let mut pack = Listpack::with_room(if is_plain { 0 } else { room });
        pack.push_back(value);
        Node { is_plain, ..Node::of(pack) }
    }

    /// Gives the room back that it does not use.
    pub(super) fn fit(&mut self) {
        self.pack.fit();
    }

    /// A node of the elements of a listpack.
    pub(super) fn of(pack: Listpack) -> Node {
        Node { count: pack.len() as u32, pack, is_plain: false, is_squeezed: false, is_lent: false }
    }

    /// The same node once more, for a reader: it owns nothing. This one is marked as lent, and what it is good for ends when its listpack is
    /// freed or changed: the caller sees to it that neither happens.
    pub(super) fn lend(&mut self) -> ManuallyDrop<Node> {
        self.is_lent = true;
        // SAFETY: the copy is never dropped, so nothing is freed twice.
        ManuallyDrop::new(unsafe { std::ptr::read(self) })
    }

    /// Gets a listpack of its own, if the present one is lent; the one it had before, which the reader still has.
    pub(super) fn own(&mut self) -> Option<Listpack> {
        std::mem::take(&mut self.is_lent).then(|| {
            let own = self.pack.clone();
            std::mem::replace(&mut self.pack, own)
        })
    }

    /// Gives its listpack away, if it is lent; it is empty then.
    pub(super) fn give_up(&mut self) -> Option<Listpack> {
        std::mem::take(&mut self.is_lent).then(|| std::mem::take(&mut self.pack))
    }

    /// How many elements it has.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Whether it keeps one element too large to share a node.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Whether it is squeezed.
    pub(super) fn is_squeezed(&self) -> bool {
        self.is_squeezed
    }

    /// Bytes that the allocator keeps for it.
    #[inline]
    pub(super) fn memory_bytes(&self) -> usize {
        self.pack.memory_bytes()
    }

    /// Bytes of its listpack before it was squeezed.
    #[inline]
    pub(super) fn open_bytes(&self) -> usize {
        if self.is_squeezed { self.squeezed().0 } else { self.pack.as_bytes().len() }
    }

    /// Whether it has no room for another element of `len` bytes.
    #[inline]
    pub(super) fn is_full(&self, limit: Limit, len: usize) -> bool {
        self.is_plain || limit.is_large(len) || limit.is_full(self.open_bytes(), self.count(), len)
    }

    /// Whether the elements of another would fit in as well.
    pub(super) fn has_room_for(&self, other: &Node, limit: Limit) -> bool {
        let bytes = self.open_bytes() + other.open_bytes() - Listpack::new().as_bytes().len();
        !self.is_plain && !other.is_plain && !limit.is_exceeded(bytes, self.count() + other.count())
    }

    /// Its elements.
    #[inline]
    pub(super) fn open(&self) -> Open<'_> {
        if self.is_squeezed { Open::Unsqueezed(self.unsqueezed()) } else { Open::Held(&self.pack) }
    }

    /// Changes its elements. It is not squeezed afterwards.
    #[inline]
    pub(super) fn alter<T>(&mut self, change: impl FnOnce(&mut Listpack) -> T) -> T {
        self.unsqueeze();
        let result = change(&mut self.pack);
        self.count = self.pack.len() as u32;
        result
    }

    /// Squeezes it, if that is a gain.
    pub(super) fn squeeze(&mut self) {
        let bytes = self.pack.as_bytes();
        if self.is_squeezed || bytes.len() < SQUEEZED_BYTES_MIN {
            return;
        }
        if let Some(squeezed) = lzf::compress(bytes, bytes.len() - GAIN_BYTES_MIN) {
            let mut pack = Listpack::new();
            // The length's high bytes are zero, so that this is never taken for the text of a number.
            pack.push_back(&[&(bytes.len() as u64).to_le_bytes()[..], &squeezed].concat());
            self.pack = pack;
            self.is_squeezed = true;
        }
    }

    /// Brings its elements back in the open.
    #[inline]
    pub(super) fn unsqueeze(&mut self) {
        if self.is_squeezed {
            self.pack = self.unsqueezed();
            self.is_squeezed = false;
        }
    }

    fn unsqueezed(&self) -> Listpack {
        let (len, bytes) = self.squeezed();
        let bytes = lzf::decompress(bytes, len).expect("a node squeezed these bytes itself");
        Listpack::from_own_bytes(&bytes)
    }

    /// The bytes there were, and what is left of them.
    fn squeezed(&self) -> (usize, &[u8]) {
        let Some(StrRef::Bytes(bytes)) = self.pack.iter().next() else {
            unreachable!("a squeezed node has one element")
        };
        let (len, rest) = bytes.split_first_chunk().expect("it begins with the length");
        (u64::from_le_bytes(*len) as usize, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_squeezed_where_that_is_a_gain() {
        assert_eq!(size_of::<Node>(), 16);
        let mut node = Node::new(&[b'x'; 100], Limit::new(-2));
        let open_bytes = node.open_bytes();
        node.squeeze();
        assert!(node.is_squeezed() && node.memory_bytes() <= 48);
        assert_eq!((node.count(), node.open_bytes()), (1, open_bytes));
        assert_eq!(node.open().iter().next(), Some(StrRef::Bytes(&[b'x'; 100])));
        node.alter(|pack| pack.push_back(b"7"));
        assert!(!node.is_squeezed() && node.count() == 2);
        let mut small = Node::new(b"small", Limit::new(-2));
        small.squeeze();
        assert!(!small.is_squeezed());
        let mut noise = Node::new(&(0..=255).collect::<Vec<u8>>(), Limit::new(-2));
        noise.squeeze();
        assert!(!noise.is_squeezed());
    }
}
