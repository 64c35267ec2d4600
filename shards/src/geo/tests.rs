//! Positions that others have published, and searches against a plain look at everything.
use super::*;
use proptest::prelude::*;

const PALERMO: Position = Position { longitude: 13.361_389, latitude: 38.115_556 };
const CATANIA: Position = Position { longitude: 15.087_269, latitude: 37.502_669 };

#[test]
fn known_places_are_where_redis_has_them() {
    let scores = [encode(PALERMO), encode(CATANIA)];
    assert_eq!(scores, [3_479_099_956_230_698, 3_479_447_370_796_909]);
    let [palermo, catania] = scores.map(|score| score as f64);
    assert_eq!(&geohash_text(palermo), b"sqc8b49rny0");
    assert_eq!(&geohash_text(catania), b"sqdtr74hyu0");
    assert_eq!(distance_text(distance(decode(palermo), decode(catania))), "166274.1516");
    assert_eq!(coordinate_text(decode(palermo).longitude), "13.36138933897018433");
}

fn positions() -> impl Strategy<Value = Position> {
    (-150.0..150.0f64, -60.0..60.0f64).prop_map(|(longitude, latitude)| Position { longitude, latitude })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let side = || (-1.0..6.0f64).prop_map(|power| 10f64.powf(power));
    prop_oneof![
        side().prop_map(|radius| Shape::Circle { radius }),
        (side(), side()).prop_map(|(width, height)| Shape::Box { width, height }),
    ]
}

/// What [`Finder`] says, without its short cuts.
fn is_within(centre: Position, shape: &Shape, to: Position) -> bool {
    match shape {
        Shape::Circle { radius } => distance(centre, to) <= *radius,
        Shape::Polygon(polygon) => polygon.contains(to),
        Shape::Box { width, height } => {
            let north = Position { longitude: to.longitude, ..centre };
            let east = Position { latitude: to.latitude, ..centre };
            distance(north, to) <= height / 2.0 && distance(to, east) <= width / 2.0
        }
    }
}

proptest! {
    #[test]
    fn a_position_is_decoded_close_to_where_it_was(position in positions()) {
        let score = encode(position) as f64;
        prop_assert!(distance(position, decode(score)) < 0.5);
        prop_assert_eq!(encode(decode(score)) as f64, score);
    }

    #[test]
    fn what_is_within_is_found_in_one_of_the_cells(
        centre in positions(),
        shape in shapes(),
        // So far from the centre, in parts of the shape.
        (east, north) in (-1.0..1.0f64, -1.0..1.0f64),
    ) {
        let (width, height) = match shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(_) => unreachable!("those of the next test"),
        };
        let near = Position {
            latitude: centre.latitude + degrees(north * height / EARTH_RADIUS),
            longitude: centre.longitude
                + degrees(east * width / EARTH_RADIUS / radians(centre.latitude).cos()),
        };
        let score = encode(near) as f64;
        let found = Finder::new(centre, &shape).find(decode(score));
        prop_assert_eq!(found.is_some(), is_within(centre, &shape, decode(score)));
        if let Some(length) = found {
            prop_assert_eq!(length, distance(centre, decode(score)));
            let holds = |cell: Cell| (cell.scores().0..cell.scores().1).contains(&score);
            prop_assert_eq!(cells(centre, &shape).filter(|cell| holds(*cell)).count(), 1);
        }
    }

    /// What is inside a polygon is inside one of the triangles it is made of, and found in one of the cells.
    #[test]
    fn what_is_inside_a_polygon_is_found_in_one_of_the_cells(
        middle in positions(),
        // So far from the middle is each vertex, in degrees.
        radii in prop::collection::vec(0.01..20.0f64, 3..9),
        (east, north) in (-20.0..20.0f64, -20.0..20.0f64),
    ) {
        let turn = |index: usize| index as f64 / radii.len() as f64 * std::f64::consts::TAU;
        let beside = |east: f64, north: f64| Position {
            longitude: middle.longitude + east,
            latitude: middle.latitude + north,
        };
        let vertex = |index: usize| {
            let radius = radii[index % radii.len()];
            beside(radius * turn(index).cos(), radius * turn(index).sin())
        };
        let all = Polygon::new((0..radii.len()).map(vertex).collect()).unwrap();
        let slice = |index| Polygon::new(vec![middle, vertex(index), vertex(index + 1)]).unwrap();
        let place = decode(encode(beside(east, north)) as f64);
        let (centre, shape) = (all.centre(), Shape::Polygon(all));
        let found = Finder::new(centre, &shape).find(place);
        // Of three vertices, the middle may be outside.
        if radii.len() > 3 {
            prop_assert_eq!(found.is_some(), (0..radii.len()).any(|index| slice(index).contains(place)));
        }
        if let Some(length) = found {
            prop_assert_eq!(length, distance(centre, place));
            let score = encode(place) as f64;
            let holds = |cell: Cell| (cell.scores().0..cell.scores().1).contains(&score);
            prop_assert_eq!(cells(centre, &shape).filter(|cell| holds(*cell)).count(), 1);
        }
    }

    /// Whatever number a score is, it stands for a place on the map.
    #[test]
    fn any_score_is_a_position(score in any::<f64>()) {
        prop_assume!(!score.is_nan());
        prop_assert!(decode(score).is_valid());
        prop_assert!(geohash_text(score).iter().all(u8::is_ascii_alphanumeric));
    }
}
