//! Polygons: their middle, their edges, and what is inside.
use super::area::Bounds;
use super::distance::distance;
use super::{Position, degrees, radians};

/// An area between straight lines on the map of longitudes and latitudes; the last vertex is joined with the first one.
#[derive(Clone, PartialEq, Debug)]
pub struct Polygon(Vec<Position>);

impl Polygon {
    /// The fewest vertices.
    pub const VERTICES_MIN: usize = 3;

    /// The polygon of these vertices; none where they are too few.
    #[must_use]
    pub fn new(vertices: Vec<Position>) -> Option<Polygon> {
        (vertices.len() >= Polygon::VERTICES_MIN).then_some(Polygon(vertices))
    }

    /// The middle of the vertices on the globe, from which distances are measured.
    #[must_use]
    pub fn centre(&self) -> Position {
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for vertex in &self.0 {
            let (longitude, latitude) = (radians(vertex.longitude), radians(vertex.latitude));
            x += latitude.cos() * longitude.cos();
            y += latitude.cos() * longitude.sin();
            z += latitude.sin();
        }
        let latitude = z.atan2((x * x + y * y).sqrt());
        Position { longitude: degrees(y.atan2(x)), latitude: degrees(latitude) }
    }

    /// The edges of the map's rectangle around it.
    pub(super) fn bounds(&self) -> Bounds {
        let first = self.0[0];
        let around = Bounds {
            west: first.longitude,
            east: first.longitude,
            south: first.latitude,
            north: first.latitude,
        };
        self.0.iter().fold(around, |around, vertex| Bounds {
            west: around.west.min(vertex.longitude),
            east: around.east.max(vertex.longitude),
            south: around.south.min(vertex.latitude),
            north: around.north.max(vertex.latitude),
        })
    }

    /// The distance from a position to the corner of that rectangle that is furthest from it.
    pub(super) fn reach(&self, from: Position) -> f64 {
        let Bounds { west, east, south, north } = self.bounds();
        let corners = [(west, north), (east, north), (west, south), (east, south)];
        let away = corners.map(|(longitude, latitude)| distance(from, Position { longitude, latitude }));
        away.into_iter().fold(0.0, f64::max)
    }

    /// Whether a position is inside: a line from it to the east crosses the sides an odd number of times.
    pub(super) fn contains(&self, place: Position) -> bool {
        let ends = self.0.iter().cycle().skip(self.0.len() - 1);
        let crossings = self.0.iter().zip(ends).filter(|(one, other)| {
            (one.latitude > place.latitude) != (other.latitude > place.latitude)
                && place.longitude
                    < (other.longitude - one.longitude) * (place.latitude - one.latitude)
                        / (other.latitude - one.latitude)
                        + one.longitude
        });
        crossings.count() % 2 == 1
    }
}
