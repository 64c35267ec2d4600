//! Which cells of the grid a search has to visit.
use super::hash::{Cell, STEP_MAX};
use super::{EARTH_RADIUS, Polygon, Position, degrees, radians};

/// What a search covers round its centre; lengths in metres.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// All within a distance.
    Circle {
        /// The distance.
        radius: f64,
    },
    /// All within half the height to the north and south and half the width to the east and west.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
    /// All inside a polygon, whose centre it is.
    Polygon(Polygon),
}

/// Edges of what a shape covers, in degrees; they may lie beyond the map.
pub(super) struct Bounds {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Shape {
    fn bounds(&self, centre: Position) -> Bounds {
        let (width, height) = match self {
            Shape::Circle { radius } => (*radius, *radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(polygon) => return polygon.bounds(),
        };
        let north_delta = degrees(height / EARTH_RADIUS);
        // Meridians are closest where the shape is nearest to a pole.
        let nearest_pole =
            if centre.latitude < 0.0 { centre.latitude - north_delta } else { centre.latitude + north_delta };
        let east_delta = degrees(width / EARTH_RADIUS / radians(nearest_pole).cos());
        Bounds {
            west: centre.longitude - east_delta,
            east: centre.longitude + east_delta,
            south: centre.latitude - north_delta,
            north: centre.latitude + north_delta,
        }
    }

    /// The distance from the centre to what is furthest from it.
    fn reach(&self, centre: Position) -> f64 {
        match self {
            Shape::Circle { radius } => *radius,
            Shape::Polygon(polygon) => polygon.reach(centre),
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        }
    }
}

/// The cells that together cover a shape, each once, in the order in which Redis visits them.
pub fn cells(centre: Position, shape: &Shape) -> impl Iterator<Item = Cell> + use<> {
    let bounds = shape.bounds(centre);
    let mut cell = Cell::of(centre, estimate_step(shape.reach(centre), centre.latitude));
    if cell.step > 1 && falls_short(cell, &bounds) {
        cell = Cell::of(centre, cell.step - 1);
    }
    let edges = cell.edges();
    let is_fine = cell.step >= 2;
    let skips = move |east: i8, north: i8| {
        is_fine
            && ((north < 0 && edges.south < bounds.south)
                || (north > 0 && edges.north > bounds.north)
                || (east < 0 && edges.west < bounds.west)
                || (east > 0 && edges.east > bounds.east))
    };
    // The middle, north, south, east, west, and the corners.
    const WAYS: [(i8, i8); 9] =
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    let mut last = None;
    WAYS.into_iter().filter(move |&(east, north)| !skips(east, north)).filter_map(move |(east, north)| {
        let next = cell.neighbour(east, north);
        // In a coarse grid two neighbours may be one cell. (Redis does not compare with the middle.)
        let is_new = last != Some(next);
        last = (east != 0 || north != 0).then_some(next);
        is_new.then_some(next)
    })
}

/// Whether a cell and its neighbours leave an edge of what is to be covered out. (An edge may be no number: then they do not.)
fn falls_short(cell: Cell, bounds: &Bounds) -> bool {
    cell.neighbour(0, 1).edges().north < bounds.north
        || cell.neighbour(0, -1).edges().south > bounds.south
        || cell.neighbour(1, 0).edges().east < bounds.east
        || cell.neighbour(-1, 0).edges().west > bounds.west
}

/// So many halvings that three cells are about as wide as a search with this reach.
fn estimate_step(mut reach: f64, latitude: f64) -> u8 {
    /// Half the width of the map in metres.
    const MERCATOR_MAX: f64 = 20_037_726.37;
    if reach == 0.0 {
        return STEP_MAX;
    }
    let mut step = -1;
    while reach < MERCATOR_MAX {
        reach *= 2.0;
        step += 1;
    }
    // Towards the poles cells become narrow.
    step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    step.clamp(1, i32::from(STEP_MAX)) as u8
}
