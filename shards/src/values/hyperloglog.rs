//! HyperLogLog: how many distinct elements were added, within one percent, in a string of at most 12,304 bytes.
//!
//! The string is Redis's, byte for byte: `HYLL`, the encoding, three bytes that nobody uses, the cardinality that was counted
//! last (little-endian; its highest bit says that it no longer holds), then 16,384 registers in one of two encodings, see
//! [`sparse`] and [`dense`]. Any client may have written the string, so that nothing here trusts more than it has checked.
use estimate::{Histogram, estimate};

pub mod dense;
mod estimate;
mod hashing;
mod selftest;
pub mod sparse;

pub use hashing::Place;
pub use selftest::self_test;

/// How many registers there are.
pub const REGISTERS: usize = 1 << hashing::INDEX_BITS;
/// Bytes before the registers.
pub const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
/// Where the cardinality stands: eight bytes, up to the registers.
const CARDINALITY_AT: usize = 8;
/// The bit of the last byte of the cardinality that says that it no longer holds.
const STALE: u8 = 0x80;

/// All registers, a byte each.
pub type Registers = [u8; REGISTERS];

/// The string has the header of a HyperLogLog, but its registers are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupt;

/// How the registers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// As runs of equal registers.
    Sparse,
}

impl Encoding {
    /// The encoding of a string; none where it is no HyperLogLog.
    #[inline]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Encoding> {
        if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
            return None;
        }
        match bytes[ENCODING_AT] {
            0 if bytes.len() == dense::BYTES => Some(Encoding::Dense),
            1 => Some(Encoding::Sparse),
            _ => None,
        }
    }

    /// PFDEBUG ENCODING's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }
    }
}

/// One to which nothing was added.
#[must_use]
pub fn empty() -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = 1;
    bytes.extend_from_slice(&sparse::ALL_ZERO);
    bytes
}

/// The cardinality that was counted last, if nothing was added since.
#[inline]
#[must_use]
pub fn cached(bytes: &[u8]) -> Option<u64> {
    let field = bytes[CARDINALITY_AT..HEADER_BYTES].try_into().expect("the field has eight bytes");
    Some(u64::from_le_bytes(field)).filter(|_| field[7] & STALE == 0)
}

/// Notes the cardinality that was counted.
pub fn cache(bytes: &mut [u8], cardinality: u64) {
    bytes[CARDINALITY_AT..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
}

/// Says that the cardinality that was counted last no longer holds.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= STALE;
}

/// The bytes behind the header.
fn body(bytes: &[u8]) -> &[u8] {
    &bytes[HEADER_BYTES..]
}

/// Counts: the estimate of the cardinality.
pub fn count(bytes: &[u8], encoding: Encoding) -> Result<u64, Corrupt> {
    let histogram = match encoding {
        Encoding::Dense => dense::histogram(body(bytes)),
        Encoding::Sparse => sparse::histogram(body(bytes))?,
    };
    Ok(estimate(&histogram))
}

/// Counts what several have in all, merged before into registers.
#[must_use]
pub fn count_registers(registers: &Registers) -> u64 {
    let mut histogram = Histogram::default();
    let mut zeros = 0;
    for &eight in registers.as_chunks().0 {
        match u64::from_le_bytes(eight) {
            0 => zeros += 8,
            registers => histogram.add_eight(registers),
        }
    }
    let mut counts = histogram.sum();
    counts[0] += zeros;
    estimate(&counts)
}

/// Raises registers to those of a HyperLogLog, where these are greater.
pub fn merge_into(registers: &mut Registers, bytes: &[u8], encoding: Encoding) -> Result<(), Corrupt> {
    match encoding {
        Encoding::Dense => dense::merge_into(registers, body(bytes)),
        Encoding::Sparse => return sparse::merge_into(registers, body(bytes)),
    }
    Ok(())
}

/// The same HyperLogLog in the dense encoding; its cached cardinality stays.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut registers = [0; REGISTERS];
    sparse::merge_into(&mut registers, body(bytes))?;
    Ok(dense_of(bytes, &registers))
}

/// Registers in the dense encoding behind the header of another.
fn dense_of(header: &[u8], registers: &Registers) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(dense::BYTES);
    bytes.extend_from_slice(&header[..HEADER_BYTES]);
    bytes[ENCODING_AT] = 0;
    dense::pack(registers, &mut bytes);
    bytes
}

/// Raises one register; whether it was lower. A sparse one that grows beyond `sparse_bytes_max`, or that cannot hold the
/// value, becomes dense.
pub fn raise(
    bytes: &mut Vec<u8>,
    encoding: &mut Encoding,
    place: Place,
    sparse_bytes_max: usize,
) -> Result<bool, Corrupt> {
    if *encoding == Encoding::Dense {
        return Ok(dense::raise(&mut bytes[HEADER_BYTES..], place));
    }
    match sparse::raise(bytes, &mut sparse::Cursor::default(), place, sparse_bytes_max)? {
        sparse::Raised::Not => Ok(false),
        sparse::Raised::InPlace => {
            invalidate(bytes);
            Ok(true)
        }
        sparse::Raised::TooLarge => {
            *bytes = to_dense(bytes)?;
            *encoding = Encoding::Dense;
            Ok(dense::raise(&mut bytes[HEADER_BYTES..], place))
        }
    }
}

/// Whether raising this register would change anything.
pub fn would_raise(bytes: &[u8], encoding: Encoding, place: Place) -> Result<bool, Corrupt> {
    match encoding {
        Encoding::Dense => Ok(dense::get(body(bytes), place.index) < place.value),
        Encoding::Sparse => sparse::would_raise(body(bytes), place),
    }
}

/// What a destination becomes when it takes over registers, all of which are at least its own: dense if that is asked for
/// (or if it gets too large), else as if each register had been raised, one after the other.
pub fn store(
    destination: &[u8],
    encoding: Encoding,
    registers: &Registers,
    wants_dense: bool,
    sparse_bytes_max: usize,
) -> Result<Vec<u8>, Corrupt> {
    let is_sparse = encoding == Encoding::Sparse && !wants_dense;
    let stored = if is_sparse { sparse_of(destination, registers, sparse_bytes_max)? } else { None };
    let mut bytes = stored.unwrap_or_else(|| dense_of(destination, registers));
    invalidate(&mut bytes);
    Ok(bytes)
}

/// The same in the sparse encoding; none where that cannot hold it.
fn sparse_of(
    destination: &[u8],
    registers: &Registers,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, Corrupt> {
    let mut bytes = destination.to_vec();
    let mut cursor = sparse::Cursor::default();
    for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        let raised = sparse::raise(&mut bytes, &mut cursor, Place { index, value }, bytes_max)?;
        if raised == sparse::Raised::TooLarge {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
