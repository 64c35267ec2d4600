//! Distances over the earth's surface, and which positions are within a shape.
use super::{EARTH_RADIUS, Position, Shape, radians};

/// The distance between two positions, in metres, by the haversine formula.
#[must_use]
pub fn distance(from: Position, to: Position) -> f64 {
    Origin::new(from).distance(to)
}

/// A position from which distances are measured, with what all of them need.
#[derive(Clone, Copy, Debug)]
struct Origin {
    position: Position,
    longitude_rad: f64,
    latitude_rad: f64,
    latitude_cos: f64,
}

impl Origin {
    fn new(position: Position) -> Origin {
        let latitude_rad = radians(position.latitude);
        Origin {
            position,
            longitude_rad: radians(position.longitude),
            latitude_rad,
            latitude_cos: latitude_rad.cos(),
        }
    }

    /// The square of half the chord, on a sphere of radius 1; none where both are on one meridian.
    #[inline]
    fn haversine(&self, to: Position) -> Option<f64> {
        let v = ((radians(to.longitude) - self.longitude_rad) / 2.0).sin();
        if v == 0.0 {
            return None;
        }
        let latitude_rad = radians(to.latitude);
        let u = ((latitude_rad - self.latitude_rad) / 2.0).sin();
        Some(u * u + self.latitude_cos * latitude_rad.cos() * v * v)
    }

    fn distance(&self, to: Position) -> f64 {
        self.haversine(to).map_or_else(|| latitude_distance(self.position, to), arc)
    }
}

#[inline]
fn arc(haversine: f64) -> f64 {
    2.0 * EARTH_RADIUS * haversine.sqrt().asin()
}

/// The distance between the latitudes of two positions.
#[inline]
fn latitude_distance(from: Position, to: Position) -> f64 {
    EARTH_RADIUS * (radians(to.latitude) - radians(from.latitude)).abs()
}

/// Finds which positions are within a shape.
#[derive(Clone, Copy, Debug)]
pub struct Finder<'a> {
    origin: Origin,
    shape: &'a Shape,
    /// Positions beyond this latitude difference, in degrees, are out; so are those with a greater haversine. Both are a little
    /// greater than they need to be: what they let through is measured.
    latitude_reach: f64,
    haversine_reach: f64,
}

impl<'a> Finder<'a> {
    /// One for a shape around a position.
    #[must_use]
    pub fn new(centre: Position, shape: &'a Shape) -> Finder<'a> {
        /// More than all rounding.
        const SLACK: f64 = 1.0 + 1e-6;
        let reach = match shape {
            Shape::Circle { radius } => *radius,
            Shape::Box { height, .. } => height / 2.0,
            Shape::Polygon(_) => f64::INFINITY,
        };
        let half_angle = reach / EARTH_RADIUS / 2.0;
        let haversine_reach = match shape {
            Shape::Circle { .. } if half_angle < 1.5 => half_angle.sin() * half_angle.sin() * SLACK + 1e-18,
            _ => f64::INFINITY,
        };
        let latitude_reach = super::degrees(reach / EARTH_RADIUS) * SLACK + 1e-9;
        Finder { origin: Origin::new(centre), shape, latitude_reach, haversine_reach }
    }

    /// The distance from the centre to a position, in metres, if that is within the shape.
    #[inline]
    #[must_use]
    pub fn find(&self, to: Position) -> Option<f64> {
        let centre = self.origin.position;
        if (to.latitude - centre.latitude).abs() > self.latitude_reach {
            return None;
        }
        match self.shape {
            Shape::Circle { radius } => {
                let distance = match self.origin.haversine(to) {
                    Some(haversine) if haversine > self.haversine_reach => return None,
                    Some(haversine) => arc(haversine),
                    None => latitude_distance(centre, to),
                };
                if distance > *radius { None } else { Some(distance) }
            }
            Shape::Polygon(polygon) => polygon.contains(to).then(|| self.origin.distance(to)),
            Shape::Box { width, height } => {
                let across = Position { latitude: to.latitude, ..centre };
                if latitude_distance(to, centre) > height / 2.0 || distance(to, across) > width / 2.0 {
                    return None;
                }
                Some(self.origin.distance(to))
            }
        }
    }
}
