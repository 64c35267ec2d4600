//! The checksum of dumps: CRC-64 with Jones's polynomial, as Redis computes it.
use crc::{CRC_64_REDIS, Crc, Table};

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The checksum of `bytes`.
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    CRC64.checksum(bytes)
}

/// The same of bytes that come one after the other.
#[derive(Clone)]
pub struct Running(crc::Digest<'static, u64, Table<16>>);

impl Default for Running {
    fn default() -> Running {
        Running(CRC64.digest())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Running {
    /// Takes more bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// The checksum of all that came.
    #[must_use]
    pub fn sum(self) -> u64 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_that_of_redis() {
        assert_eq!(super::crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
