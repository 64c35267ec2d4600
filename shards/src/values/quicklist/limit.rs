//! How much one node of a list may hold: what `list-max-listpack-size` means.

/// Bytes of a node that is limited by the number of its elements: it ends there all the same.
const SAFE_BYTES: usize = 8192;
/// Bytes of a node for -1, -2 …
const LEVELS: [usize; 5] = [4096, 8192, 16_384, 32_768, 65_536];
/// What Redis reckons an element to take beside its bytes.
const OVERHEAD_BYTES: usize = 8;

/// A limit of `list-max-listpack-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(i16);

impl Limit {
    /// The limit that a setting means.
    #[must_use]
    pub fn new(setting: i32) -> Limit {
        Limit(setting.clamp(-5, i32::from(i16::MAX)) as i16)
    }

    /// The most bytes and the most elements.
    fn most(self) -> (usize, usize) {
        match usize::try_from(self.0) {
            Ok(count) => (SAFE_BYTES, count.max(1)),
            Err(_) => (self.level(), usize::MAX),
        }
    }

    fn level(self) -> usize {
        let level = usize::from(self.0.unsigned_abs()) - 1;
        LEVELS[level.min(LEVELS.len() - 1)]
    }

    /// Whether a listpack of so many bytes and elements is too much.
    #[inline]
    #[must_use]
    pub fn is_exceeded(self, bytes: usize, count: usize) -> bool {
        let (bytes_max, count_max) = self.most();
        bytes > bytes_max || count > count_max
    }

    /// Whether a listpack of so many bytes and elements is too much to gain an element of `len` bytes.
    #[inline]
    #[must_use]
    pub(super) fn is_full(self, bytes: usize, count: usize, len: usize) -> bool {
        self.is_exceeded(bytes + len + OVERHEAD_BYTES, count + 1)
    }

    /// Whether an element of `len` bytes has a node of its own.
    #[inline]
    #[must_use]
    pub(super) fn is_large(self, len: usize) -> bool {
        len > self.most().0
    }

    /// Whether a node of so many bytes, grown by the replacing of elements, is to be split.
    pub(super) fn is_overgrown(self, bytes: usize) -> bool {
        bytes > 4 * self.most().0
    }

    /// Whether a list that has shrunk to one node is small enough to be a listpack again: half of what made it grow out of one,
    /// so that it does not go to and fro.
    #[must_use]
    pub(super) fn is_half(self, bytes: usize, count: usize) -> bool {
        match usize::try_from(self.0) {
            Ok(max) => count <= max.max(1) / 2,
            Err(_) => bytes <= self.level() / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_redis() {
        for (setting, bytes_max) in [(-1, 4096), (-2, 8192), (-5, 65_536), (-9, 65_536), (i32::MIN, 65_536)] {
            let limit = Limit::new(setting);
            assert!(!limit.is_exceeded(bytes_max, 1_000_000) && limit.is_exceeded(bytes_max + 1, 1));
            assert!(!limit.is_large(bytes_max) && limit.is_large(bytes_max + 1));
            assert!(limit.is_half(bytes_max / 2, 1_000_000) && !limit.is_half(bytes_max / 2 + 1, 1));
        }
        for (setting, count_max) in [(0, 1), (1, 1), (128, 128), (i32::MAX, 32_767)] {
            let limit = Limit::new(setting);
            assert!(!limit.is_exceeded(8192, count_max) && limit.is_exceeded(100, count_max + 1));
            assert!(limit.is_exceeded(8193, 1) && limit.is_large(8193));
            assert!(limit.is_half(8192, count_max / 2) && !limit.is_half(8192, count_max / 2 + 1));
        }
        assert!(Limit::new(-1).is_full(4000, 1, 89) && !Limit::new(-1).is_full(4000, 1, 88));
    }
}
