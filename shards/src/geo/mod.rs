//! Geometry on the globe: positions as integers of 52 bits, distances, and which squares of the grid a search has to visit.
//!
//! All of it is computed operation by operation as Redis does, so that the last digit is the same. Angles are degrees and
//! lengths metres unless a name says otherwise.
mod area;
mod distance;
mod hash;
mod polygon;
mod text;

pub use area::{Shape, cells};
pub use distance::{Finder, distance};
pub use hash::{Cell, STEP_MAX, decode, encode, geohash_text};
pub use polygon::Polygon;
pub use text::{coordinate_text, distance_text};

/// A place: longitude and latitude in degrees.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Position {
    /// East of Greenwich, -180 to 180.
    pub longitude: f64,
    /// North of the equator, within [`LATITUDE_MAX`].
    pub latitude: f64,
}

/// The greatest longitude.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The greatest latitude: beyond it, a Mercator map would no longer be a square.
pub const LATITUDE_MAX: f64 = 85.051_128_78;
/// The radius that the earth is taken to have.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// One degree in radians.
const DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Position {
    /// Whether it can be encoded.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&self.longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&self.latitude)
    }
}

fn radians(degrees: f64) -> f64 {
    degrees * DEGREE
}

fn degrees(radians: f64) -> f64 {
    radians / DEGREE
}

#[cfg(test)]
mod tests;
