//! Searches for positions: GEOSEARCH, GEORADIUS and their kin.
use super::geo::{GEO, READS, UNIT, reply_position};
use super::geoquery::{Form, Order, Query, With};
use super::{Args, Command};
use crate::call::{Call, Expiry, Key};
use crate::effects::Class;
use crate::fault::Outcome;
use crate::geo::{Finder, cells, decode, distance_text};
use crate::keyspace::{StrRef, Value};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Begin, Find, Flags, KeyFlags, KeySpec, Spec};
use crate::values::zset::{Limits, ScoreRange};
use crate::values::{Kind, Zset};

pub(super) const COMMANDS: &[Command] =
    &[GEOSEARCH, GEOSEARCHSTORE, GEORADIUS, GEORADIUS_RO, GEORADIUSBYMEMBER, GEORADIUSBYMEMBER_RO];

const SEARCH: Spec = Spec {
    complexity: "O(N + log M), N being the number of members in the squares that cover the area and M that of all.",
    ..GEO
};
const LONGITUDE: Arg = Arg::new("longitude", ArgKind::Double);
const LATITUDE: Arg = Arg::new("latitude", ArgKind::Double);
const RADIUS: Arg = Arg::new("radius", ArgKind::Double);
const FROM: Arg = Arg::new(
    "from",
    ArgKind::OneOf(&[
        Arg::new("member", ArgKind::String).token("FROMMEMBER"),
        Arg::new("fromlonlat", ArgKind::Block(&[LONGITUDE, LATITUDE])).token("FROMLONLAT"),
    ]),
)
.optional();
const BY: Arg = Arg::new(
    "by",
    ArgKind::OneOf(&[
        Arg::new("circle", ArgKind::Block(&[RADIUS.token("BYRADIUS"), UNIT])),
        Arg::new(
            "box",
            ArgKind::Block(&[
                Arg::new("width", ArgKind::Double).token("BYBOX"),
                Arg::new("height", ArgKind::Double),
                UNIT,
            ]),
        ),
        Arg::new(
            "polygon",
            ArgKind::Block(&[
                Arg::new("num-vertices", ArgKind::Integer).token("BYPOLYGON"),
                Arg::new("vertices", ArgKind::Block(&[LONGITUDE, LATITUDE])).multiple(),
            ]),
        )
        .since("9.0.0"),
    ]),
);
const ORDER: Arg =
    Arg::new("order", ArgKind::OneOf(&[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")])).optional();
const COUNT: Arg = Arg::new(
    "count-block",
    ArgKind::Block(&[Arg::new("count", ArgKind::Integer).token("COUNT"), Arg::word("any", "ANY").optional()]),
)
.optional();
/// The same where the command is older than the word.
const COUNT_SINCE: Arg = Arg::new(
    "count-block",
    ArgKind::Block(&[
        Arg::new("count", ArgKind::Integer).token("COUNT"),
        Arg::word("any", "ANY").since("6.2.0").optional(),
    ]),
)
.optional();
const WITHCOORD: Arg = Arg::word("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::word("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::word("withhash", "WITHHASH").optional();
const STORE: Arg = Arg::new(
    "store",
    ArgKind::OneOf(&[
        Arg::key("storekey", 1).token("STORE").display("key"),
        Arg::key("storedistkey", 2).token("STOREDIST").display("key"),
    ]),
)
.optional();
const UPPERCASE: (&str, &str) = ("7.0.0", "Units in upper case.");
const POLYGON_ADDED: (&str, &str) = ("9.0.0", "The word `BYPOLYGON`.");
const ANY_ADDED: (&str, &str) = ("6.2.0", "The word `ANY` behind `COUNT`.");

/// A key behind a word, sought from an argument on.
const fn destination(word: &'static str, from: i32) -> KeySpec {
    KeySpec {
        flags: KeyFlags::OW.and(KeyFlags::UPDATE).and(KeyFlags::VARIABLE_FLAGS),
        begin: Begin::Keyword(word, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
        notes: "",
    }
}

const GEOSEARCH: Command = Command {
    spec: Spec {
        name: "geosearch",
        arity: -7,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members within a circle, a box or a polygon.",
        since: "6.2.0",
        history: &[UPPERCASE, POLYGON_ADDED],
        args: &[Arg::key("key", 0), FROM, BY, ORDER, COUNT, WITHCOORD, WITHDIST, WITHHASH],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::Search),
    subcommands: &[],
};

const GEOSEARCHSTORE: Command = Command {
    spec: Spec {
        name: "geosearchstore",
        arity: -8,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[
            KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1),
            KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 2),
        ],
        summary: "Stores the members within a circle, a box or a polygon in a key.",
        since: "6.2.0",
        history: &[UPPERCASE, POLYGON_ADDED],
        args: &[
            Arg::key("destination", 0),
            Arg::key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Arg::word("storedist", "STOREDIST").optional(),
        ],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::SearchStore),
    subcommands: &[],
};

const GEORADIUS: Command = Command {
    spec: Spec {
        name: "georadius",
        arity: -6,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: &[READS, destination("STORE", 6), destination("STOREDIST", 6)],
        summary: "Returns or stores the members within a distance from a position.",
        history: &[ANY_ADDED, UPPERCASE],
        args: &[
            Arg::key("key", 0),
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_SINCE,
            ORDER,
            STORE,
        ],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::Radius { stores: true }),
    subcommands: &[],
};

const GEORADIUS_RO: Command = Command {
    spec: Spec {
        name: "georadius_ro",
        arity: -6,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members within a distance from a position.",
        since: "3.2.10",
        history: &[ANY_ADDED, UPPERCASE],
        args: &[
            Arg::key("key", 0),
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_SINCE,
            ORDER,
        ],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::Radius { stores: false }),
    subcommands: &[],
};

const GEORADIUSBYMEMBER: Command = Command {
    spec: Spec {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: &[READS, destination("STORE", 5), destination("STOREDIST", 5)],
        summary: "Returns or stores the members within a distance from a member.",
        history: &[ANY_ADDED, UPPERCASE],
        args: &[
            Arg::key("key", 0),
            Arg::new("member", ArgKind::String),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
            STORE,
        ],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::RadiusByMember { stores: true }),
    subcommands: &[],
};

const GEORADIUSBYMEMBER_RO: Command = Command {
    spec: Spec {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members within a distance from a member.",
        since: "3.2.10",
        history: &[ANY_ADDED, UPPERCASE],
        args: &[
            Arg::key("key", 0),
            Arg::new("member", ArgKind::String),
            RADIUS,
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
        ],
        ..SEARCH
    },
    run: |cx, args| search(cx, args, Form::RadiusByMember { stores: false }),
    subcommands: &[],
};

/// How many members are looked at before it is asked whether those found are enough.
const LOOK_AT_ONCE: usize = 64;

/// A position found.
#[derive(Clone, Copy)]
struct Point<'a> {
    member: StrRef<'a>,
    score: f64,
    /// From the centre, in metres.
    distance: f64,
    /// Which one it was: of equal distances the one found first comes first.
    index: usize,
}

fn search(cx: &mut Call<'_>, args: Args<'_>, form: Form) -> Outcome {
    let limits = Limits::of(cx.settings);
    let source = cx.key(args[form.source_at()]);
    let zset = cx.keys.read::<Zset>(source)?;
    let query = Query::parse(args, form, zset.as_deref())?;
    let points = zset.as_ref().map_or_else(Vec::new, |zset| find(zset, &query));
    let Some(destination) = query.destination else {
        reply_points(cx.reply, &points, query.with, query.unit);
        return Ok(());
    };
    let score =
        |point: &Point<'_>| if query.stores_distances { point.distance / query.unit } else { point.score };
    let pairs = points.iter().map(|point| (point.member, score(point))).collect();
    let stored = Zset::from_unsorted(pairs, limits);
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    let destination = cx.key(destination);
    store(cx, destination, stored, event);
    Ok(())
}

/// The positions that a search finds, in the order and as many as it asks for.
fn find<'a>(zset: &'a Zset, query: &Query<'_>) -> Vec<Point<'a>> {
    let mut points: Vec<Point<'a>> = Vec::new();
    let (Some(centre), Some(shape)) = (query.centre, &query.shape) else { return points };
    let finder = Finder::new(centre, shape);
    let enough = query.count.filter(|_| query.any).unwrap_or(usize::MAX);
    for cell in cells(centre, shape) {
        if points.len() >= enough {
            break;
        }
        let (min, max) = cell.scores();
        let ranks = zset.ranks_by_score(&ScoreRange { excludes_max: true, ..ScoreRange::closed(min, max) });
        // Where any will do, no more are looked at than that takes.
        let step = if query.any { LOOK_AT_ONCE } else { usize::MAX };
        for start in ranks.clone().step_by(step) {
            let end = start.saturating_add(step).min(ranks.end);
            zset.walk(start..end, false, |member, score| {
                if points.len() < enough
                    && let Some(distance) = finder.find(decode(score))
                {
                    points.push(Point { member, score, distance, index: points.len() });
                }
            });
            if points.len() >= enough {
                break;
            }
        }
    }
    sort(&mut points, query);
    points
}

/// Puts points in the order asked for, and leaves out those that are too many.
fn sort(points: &mut Vec<Point<'_>>, query: &Query<'_>) {
    let count = query.count.unwrap_or(usize::MAX);
    if let Some(order) = query.order {
        let compare = |one: &Point<'_>, other: &Point<'_>| {
            let by_distance = one.distance.total_cmp(&other.distance);
            let by_distance = if order == Order::NearestFirst { by_distance } else { by_distance.reverse() };
            by_distance.then(one.index.cmp(&other.index))
        };
        if count < points.len() {
            points.select_nth_unstable_by(count, compare);
            points.truncate(count);
        }
        points.sort_unstable_by(compare);
    }
    points.truncate(count);
}

fn reply_points(reply: &mut Reply, points: &[Point<'_>], with: With, unit: f64) {
    reply.array(points.len());
    for point in points {
        if with.count() > 0 {
            reply.array(1 + with.count());
        }
        reply.bulk(point.member.bytes(&mut [0; 20]));
        if with.distance {
            reply.bulk(distance_text(point.distance / unit).as_bytes());
        }
        if with.score {
            reply.integer(point.score as i64);
        }
        if with.position {
            reply_position(reply, point.score);
        }
    }
}

/// Gives a key what was found, whatever it held: each member counts as a change. Nothing found leaves no key.
fn store(cx: &mut Call<'_>, key: Key<'_>, zset: Zset, event: &'static str) {
    let len = zset.len();
    if len > 0 {
        cx.set(key, Value::Object(zset.into()), Expiry::None);
        cx.wrote(key, Class::ZSET, event);
        cx.effects.dirty += len as u64 - 1;
    } else if cx.remove(key) {
        cx.wrote(key, Class::GENERIC, "del");
    }
    cx.reply.integer(len as i64);
}
