//! Positions as integers: the bits of longitude and latitude by turns, each halving what is left of the map.
use super::{LATITUDE_MAX, LONGITUDE_MAX, Position};

/// Halvings of each axis in a full position: 52 bits, what a score of a sorted set holds exactly.
pub const STEP_MAX: u8 = 26;
const FULL_BITS: u32 = 2 * STEP_MAX as u32;
/// The digits of a geohash as others know it.
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// The bits of longitudes; those of latitudes are between them.
const LONGITUDES: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LATITUDES: u64 = 0x5555_5555_5555_5555;

/// A square of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cell {
    /// The bits, as many as the steps make.
    pub bits: u64,
    /// Halvings of each axis, at least 1 and at most [`STEP_MAX`].
    pub step: u8,
}

/// Where a cell lies, edges in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Edges {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Cell {
    /// The cell of a position.
    #[must_use]
    pub fn of(position: Position, step: u8) -> Cell {
        Cell { bits: interleave(position, LATITUDE_MAX, step), step }
    }

    /// The scores of the positions in it: from the first, up to but not including the second.
    #[must_use]
    pub fn scores(self) -> (f64, f64) {
        let align = |bits: u64| (bits << (FULL_BITS - 2 * u32::from(self.step))) as f64;
        (align(self.bits), align(self.bits.wrapping_add(1)))
    }

    pub(super) fn edges(self) -> Edges {
        let (longitude, latitude) = (squeeze(self.bits >> 1), squeeze(self.bits));
        let parts = (1u64 << self.step) as f64;
        let place = |index: u32, max: f64| -max + f64::from(index) / parts * (max + max);
        Edges {
            west: place(longitude, LONGITUDE_MAX),
            east: place(longitude.wrapping_add(1), LONGITUDE_MAX),
            south: place(latitude, LATITUDE_MAX),
            north: place(latitude.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// The cell so many cells further east and north (-1, 0 or 1 each); round the globe at the edges of the map.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Cell {
        let unused = 64 - 2 * u32::from(self.step);
        let (x_mask, y_mask) = (LONGITUDES >> unused, LATITUDES >> unused);
        let mut bits = self.bits;
        // Where one axis moves, the bits of the other are filled, so that a carry passes through them.
        if east != 0 {
            bits = shifted(bits & LONGITUDES, y_mask, east) & x_mask | bits & LATITUDES;
        }
        if north != 0 {
            bits = shifted(bits & LATITUDES, x_mask, north) & y_mask | bits & LONGITUDES;
        }
        Cell { bits, ..self }
    }
}

fn shifted(axis: u64, between: u64, by: i8) -> u64 {
    if by > 0 { axis.wrapping_add(between + 1) } else { (axis | between).wrapping_sub(between + 1) }
}

/// The score of a position.
#[must_use]
pub fn encode(position: Position) -> u64 {
    Cell::of(position, STEP_MAX).bits
}

/// The position, the middle of its cell, that a score stands for. Any score does for one.
#[inline]
#[must_use]
pub fn decode(score: f64) -> Position {
    let edges = Cell { bits: score_bits(score), step: STEP_MAX }.edges();
    Position {
        longitude: ((edges.west + edges.east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
        latitude: ((edges.south + edges.north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
    }
}

/// A score as an integer, as the processors that Redis runs on convert those which are none: negative ones keep their bits.
#[inline]
fn score_bits(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if (0.0..HALF).contains(&score) {
        score as u64
    } else if score >= HALF {
        // Beyond 64 bits nothing is left.
        if score < 2.0 * HALF { score as u64 } else { 0 }
    } else {
        score as i64 as u64
    }
}

/// The geohash of a score as others write it: eleven digits, for a map whose latitudes go to the poles.
#[must_use]
pub fn geohash_text(score: f64) -> [u8; 11] {
    let bits = interleave(decode(score), 90.0, STEP_MAX);
    std::array::from_fn(|digit| {
        // The eleventh digit would need three bits more than there are.
        let shift = FULL_BITS.checked_sub(5 * (digit as u32 + 1));
        ALPHABET[shift.map_or(0, |shift| (bits >> shift & 31) as usize)]
    })
}

/// The bits of a position on a map that ends at a latitude.
fn interleave(position: Position, latitude_max: f64, step: u8) -> u64 {
    let parts = (1u64 << step) as f64;
    let index = |value: f64, max: f64| ((value + max) / (max + max) * parts) as u32;
    let longitude = index(position.longitude, LONGITUDE_MAX);
    spread(index(position.latitude, latitude_max)) | spread(longitude) << 1
}

/// Puts a zero before each bit.
fn spread(value: u32) -> u64 {
    let x = u64::from(value);
    let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    let x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    let x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let x = (x | x << 2) & 0x3333_3333_3333_3333;
    (x | x << 1) & LATITUDES
}

/// Takes every second bit, from the lowest on.
#[inline]
fn squeeze(value: u64) -> u32 {
    let x = value & LATITUDES;
    let x = (x | x >> 1) & 0x3333_3333_3333_3333;
    let x = (x | x >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    let x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    let x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) as u32
}
