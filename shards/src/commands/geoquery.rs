//! What a search for positions asks for: the words of GEOSEARCH, GEORADIUS and their kin.
use super::Args;
use super::options::integer;
use crate::fault::{Fault, NOT_FLOAT, SYNTAX};
use crate::geo::{Polygon, Position, Shape, decode};
use crate::number::{parse_f64, parse_i64};
use crate::values::Zset;

const NOT_A_UNIT: Fault = Fault::new("ERR unsupported unit provided. please use M, KM, FT, MI");
const NO_MEMBER: Fault = Fault::new("ERR could not decode requested zset member");
const COUNT_RANGE: Fault = Fault::new("ERR COUNT must be > 0");
const ANY_OF_ALL: Fault = Fault::new("ERR the ANY argument requires COUNT argument");
const NEGATIVE_RADIUS: Fault = Fault::new("ERR radius cannot be negative");
const BAD_VERTEX_COUNT: Fault = Fault::new("ERR invalid number of vertices");
const FEW_VERTICES: Fault = Fault::new("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
const NEGATIVE_SIDE: Fault = Fault::new("ERR height or width cannot be negative");

/// Which command asks: where its source stands and what its words may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// GEORADIUS, which may store, and GEORADIUS_RO, which may not.
    Radius { stores: bool },
    /// GEORADIUSBYMEMBER and GEORADIUSBYMEMBER_RO.
    RadiusByMember { stores: bool },
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

/// In which order positions are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    NearestFirst,
    FarthestFirst,
}

/// What is wanted of each position found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct With {
    pub(super) distance: bool,
    pub(super) score: bool,
    pub(super) position: bool,
}

impl With {
    /// How many replies that is beside the member.
    pub(super) fn count(self) -> usize {
        usize::from(self.distance) + usize::from(self.score) + usize::from(self.position)
    }
}

/// A search as it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Query<'a> {
    /// None only where the source is missing.
    pub(super) centre: Option<Position>,
    /// None only where the source is missing.
    pub(super) shape: Option<Shape>,
    /// The unit in which distances are given and wanted, in metres.
    pub(super) unit: f64,
    pub(super) order: Option<Order>,
    /// At most so many.
    pub(super) count: Option<usize>,
    /// Any will do, not only the nearest.
    pub(super) any: bool,
    pub(super) with: With,
    /// The key that gets what is found.
    pub(super) destination: Option<&'a [u8]>,
    /// What is stored are distances.
    pub(super) stores_distances: bool,
    from_member: bool,
}

impl Form {
    /// Where the source stands among the arguments.
    pub(super) fn source_at(self) -> usize {
        if self == Form::SearchStore { 2 } else { 1 }
    }

    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    fn may_name_destination(self) -> bool {
        matches!(self, Form::Radius { stores: true } | Form::RadiusByMember { stores: true })
    }
}

impl<'a> Query<'a> {
    /// Reads a search in `source`, which may be missing: then what is not needed is not looked at.
    pub(super) fn parse(args: Args<'a>, form: Form, source: Option<&Zset>) -> Result<Query<'a>, Fault> {
        let mut query = Query::default();
        let mut rest = match form {
            Form::Radius { .. } => {
                query.centre = Some(position(args[2], args[3])?);
                query.take_circle(args[4], args[5])?;
                &args[6..]
            }
            Form::RadiusByMember { .. } => {
                if let Some(source) = source {
                    query.centre = Some(position_of(source, args[2])?);
                    query.take_circle(args[3], args[4])?;
                }
                &args[5..]
            }
            Form::Search => &args[2..],
            Form::SearchStore => {
                query.destination = Some(args[1]);
                &args[3..]
            }
        };
        while !rest.is_empty() {
            let taken = query.take_word(rest, form, source)?;
            rest = &rest[taken..];
        }
        query.check(args[0], form)?;
        // The nearest of all are known once all are in order.
        if query.count.is_some() && !query.any {
            query.order.get_or_insert(Order::NearestFirst);
        }
        Ok(query)
    }

    /// Takes the word that `words` begin with, and what belongs to it; how many arguments that were.
    fn take_word(&mut self, words: &[&'a [u8]], form: Form, source: Option<&Zset>) -> Result<usize, Fault> {
        let word = words[0].to_ascii_lowercase();
        match (word.as_slice(), words) {
            (b"withdist", _) => self.with.distance = true,
            (b"withhash", _) => self.with.score = true,
            (b"withcoord", _) => self.with.position = true,
            (b"any", _) => self.any = true,
            (b"asc", _) => self.order = Some(Order::NearestFirst),
            (b"desc", _) => self.order = Some(Order::FarthestFirst),
            (b"storedist", _) if form == Form::SearchStore => self.stores_distances = true,
            (b"count", [_, count, ..]) => {
                let count = usize::try_from(integer(count)?).ok().filter(|count| *count > 0);
                self.count = Some(count.ok_or(COUNT_RANGE)?);
                return Ok(2);
            }
            (b"store" | b"storedist", [_, key, ..]) if form.may_name_destination() => {
                self.destination = Some(key);
                self.stores_distances = word == b"storedist";
                return Ok(2);
            }
            _ if form.is_search() => return self.take_place(&word, words, source),
            _ => return Err(SYNTAX),
        }
        Ok(1)
    }

    /// The same for the words that only GEOSEARCH and GEOSEARCHSTORE have.
    fn take_place(&mut self, word: &[u8], words: &[&[u8]], source: Option<&Zset>) -> Result<usize, Fault> {
        let is_circle = matches!(self.shape, Some(Shape::Circle { .. }));
        let is_box = matches!(self.shape, Some(Shape::Box { .. }));
        let is_polygon = matches!(self.shape, Some(Shape::Polygon(_)));
        match (word, words) {
            (b"bypolygon", [_, count, places @ ..]) if !places.is_empty() => {
                // It has a centre of its own.
                let is_alone = self.shape.is_none() && self.centre.is_none() && !self.from_member;
                if is_polygon || is_alone { self.take_polygon(count, places) } else { Err(SYNTAX) }
            }
            _ if is_polygon => Err(SYNTAX),
            (b"frommember", [_, member, ..]) if self.centre.is_none() || self.from_member => {
                self.from_member = true;
                if let Some(source) = source {
                    self.centre = Some(position_of(source, member)?);
                }
                Ok(2)
            }
            (b"fromlonlat", [_, longitude, latitude, ..]) if !self.from_member => {
                self.centre = Some(position(longitude, latitude)?);
                Ok(3)
            }
            (b"byradius", [_, radius, unit, ..]) if self.shape.is_none() || is_circle => {
                self.take_circle(radius, unit)?;
                Ok(3)
            }
            (b"bybox", [_, width, height, unit, ..]) if self.shape.is_none() || is_box => {
                let side = |text, what| {
                    parse_f64(text).ok_or_else(|| Fault::text(format!("ERR need numeric {what}")))
                };
                let (width, height) = (side(width, "width")?, side(height, "height")?);
                if width < 0.0 || height < 0.0 {
                    return Err(NEGATIVE_SIDE);
                }
                self.unit = unit_metres(unit)?;
                self.shape = Some(Shape::Box { width: width * self.unit, height: height * self.unit });
                Ok(4)
            }
            _ => Err(SYNTAX),
        }
    }

    /// A polygon of so many places; how many arguments it and its word are.
    fn take_polygon(&mut self, count: &[u8], places: &[&[u8]]) -> Result<usize, Fault> {
        let count = parse_i64(count).and_then(|count| i32::try_from(count).ok()).ok_or(BAD_VERTEX_COUNT)?;
        let (pairs, _) = places.as_chunks::<2>();
        let vertices =
            usize::try_from(count).ok().and_then(|count| pairs.get(..count)).ok_or(FEW_VERTICES)?;
        if vertices.len() < Polygon::VERTICES_MIN {
            return Err(FEW_VERTICES);
        }
        let vertices = vertices.iter().map(|[longitude, latitude]| position(longitude, latitude));
        let polygon = Polygon::new(vertices.collect::<Result<_, _>>()?).ok_or(FEW_VERTICES)?;
        self.unit = 1.0;
        self.centre = Some(polygon.centre());
        self.shape = Some(Shape::Polygon(polygon));
        Ok(2 + 2 * count as usize)
    }

    fn take_circle(&mut self, radius: &[u8], unit: &[u8]) -> Result<(), Fault> {
        let radius = parse_f64(radius).ok_or(Fault::new("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(NEGATIVE_RADIUS);
        }
        self.unit = unit_metres(unit)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    /// Whether the words go together.
    fn check(&self, name: &[u8], form: Form) -> Result<(), Fault> {
        if self.destination.is_some() && self.with != With::default() {
            let who = if form == Form::SearchStore { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Fault::text(format!(
                "ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if form.is_search() && self.centre.is_none() && !self.from_member {
            return Err(Fault::quoting(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ",
                name,
                "",
            ));
        }
        if form.is_search() && self.shape.is_none() {
            return Err(Fault::quoting(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for ",
                name,
                "",
            ));
        }
        if self.any && self.count.is_none() { Err(ANY_OF_ALL) } else { Ok(()) }
    }
}

/// A position of two arguments.
pub(super) fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, Fault> {
    let number = |text| parse_f64(text).ok_or(NOT_FLOAT);
    let position = Position { longitude: number(longitude)?, latitude: number(latitude)? };
    if position.is_valid() {
        return Ok(position);
    }
    let Position { longitude, latitude } = position;
    Err(Fault::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

fn position_of(source: &Zset, member: &[u8]) -> Result<Position, Fault> {
    source.score(member).map(decode).ok_or(NO_MEMBER)
}

/// The length of a unit in metres.
pub(super) fn unit_metres(unit: &[u8]) -> Result<f64, Fault> {
    let units: [(&str, f64); 4] = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let found = units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, metres)| *metres).ok_or(NOT_A_UNIT)
}
