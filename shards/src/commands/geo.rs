//! Positions in sorted sets: GEOADD, GEOPOS, GEODIST and GEOHASH.
use super::geoquery::{position, unit_metres};
use super::zset::zadd;
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::geo::{coordinate_text, decode, distance, distance_text, encode, geohash_text};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::Zset;

pub(super) const COMMANDS: &[Command] = &[GEOADD, GEOPOS, GEODIST, GEOHASH];

/// What the commands on positions have in common.
pub(super) const GEO: Spec = Spec {
    group: Group::Geo,
    since: "3.2.0",
    complexity: "O(1) for each member asked for.",
    ..Spec::DEFAULT
};
/// A key whose members are read.
pub(super) const READS: KeySpec = KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1);
/// The units of length.
pub(super) const UNIT: Arg = Arg::new(
    "unit",
    ArgKind::OneOf(&[
        Arg::word("m", "M"),
        Arg::word("km", "KM"),
        Arg::word("ft", "FT"),
        Arg::word("mi", "MI"),
    ]),
);

const GEOADD: Command = Command {
    spec: Spec {
        name: "geoadd",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Adds members with positions to a sorted set, or moves them.",
        complexity: "O(log N) for each member added, N being the number of members.",
        history: &[("6.2.0", "The words `CH`, `NX` and `XX`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("condition", ArgKind::OneOf(&[Arg::word("nx", "NX"), Arg::word("xx", "XX")]))
                .since("6.2.0")
                .optional(),
            Arg::word("change", "CH").since("6.2.0").optional(),
            Arg::new(
                "data",
                ArgKind::Block(&[
                    Arg::new("longitude", ArgKind::Double),
                    Arg::new("latitude", ArgKind::Double),
                    Arg::new("member", ArgKind::String),
                ]),
            )
            .multiple(),
        ],
        ..GEO
    },
    run: geoadd,
    subcommands: &[],
};
/// What it adds are scores: from there on it is a ZADD, and is recorded as one.
fn geoadd(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let is_option = |word: &&&[u8]| ["nx", "xx", "ch"].iter().any(|name| is(word, name));
    let options = args[2..].iter().take_while(is_option).count();
    let (words, data) = args[2..].split_at(options);
    let (triples, rest) = data.as_chunks::<3>();
    let has = |name| words.iter().any(|word| is(word, name));
    if !rest.is_empty() || (has("nx") && has("xx")) {
        return Err(SYNTAX);
    }
    let scores: Result<Vec<String>, Fault> = triples
        .iter()
        .map(|[longitude, latitude, _]| Ok(encode(position(longitude, latitude)?).to_string()))
        .collect();
    let scores = scores?;
    let mut zadd_args: Vec<&[u8]> = vec![b"ZADD", args[1]];
    zadd_args.extend_from_slice(words);
    for ([_, _, member], score) in triples.iter().zip(&scores) {
        zadd_args.extend([score.as_bytes(), *member]);
    }
    let dirty = cx.effects.dirty;
    zadd(cx, &zadd_args)?;
    if cx.effects.dirty > dirty {
        cx.record(&zadd_args);
    }
    Ok(())
}

const GEOPOS: Command = Command {
    spec: Spec {
        name: "geopos",
        arity: -2,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the positions of members.",
        args: &[Arg::key("key", 0), Arg::new("member", ArgKind::String).optional().multiple()],
        ..GEO
    },
    run: geopos,
    subcommands: &[],
};
fn geopos(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    each_score(cx, args, |reply, score| match score {
        Some(score) => reply_position(reply, score),
        None => reply.null_array(),
    })
}

const GEOHASH: Command = Command {
    spec: Spec {
        name: "geohash",
        arity: -2,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the positions of members as geohashes of eleven digits.",
        args: &[Arg::key("key", 0), Arg::new("member", ArgKind::String).optional().multiple()],
        ..GEO
    },
    run: geohash,
    subcommands: &[],
};
fn geohash(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    each_score(cx, args, |reply, score| match score {
        Some(score) => reply.bulk(&geohash_text(score)),
        None => reply.null(),
    })
}

/// Replies with an array of what `write` writes of the score of each member asked for.
fn each_score(cx: &mut Call<'_>, args: Args<'_>, write: impl Fn(&mut Reply, Option<f64>)) -> Outcome {
    let key = cx.key(args[1]);
    let zset = cx.keys.read::<Zset>(key)?;
    cx.reply.array(args.len() - 2);
    for member in &args[2..] {
        write(cx.reply, zset.as_ref().and_then(|zset| zset.score(member)));
    }
    Ok(())
}

/// Replies with the position that a score stands for.
pub(super) fn reply_position(reply: &mut Reply, score: f64) {
    let position = decode(score);
    reply.array(2);
    for degrees in [position.longitude, position.latitude] {
        let text = coordinate_text(degrees);
        if reply.is_resp3() {
            reply.bytes.push(b',');
            reply.bytes.extend_from_slice(text.as_bytes());
            reply.bytes.extend_from_slice(b"\r\n");
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

const GEODIST: Command = Command {
    spec: Spec {
        name: "geodist",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the distance between two members.",
        complexity: "O(1)",
        args: &[
            Arg::key("key", 0),
            Arg::new("member1", ArgKind::String),
            Arg::new("member2", ArgKind::String),
            UNIT.optional(),
        ],
        ..GEO
    },
    run: geodist,
    subcommands: &[],
};
fn geodist(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let metres = match args {
        [_, _, _, _] => 1.0,
        [_, _, _, _, unit] => unit_metres(unit)?,
        _ => return Err(SYNTAX),
    };
    let key = cx.key(args[1]);
    let zset = cx.keys.read::<Zset>(key)?;
    let score = |member| zset.as_ref().and_then(|zset| zset.score(member));
    match (score(args[2]), score(args[3])) {
        (Some(from), Some(to)) => {
            let length = distance(decode(from), decode(to)) / metres;
            cx.reply.bulk(distance_text(length).as_bytes());
        }
        _ => cx.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("GEOADD g 13.361389 38.115556 a", ":1", "1: new g, zadd g; ZADD g 3479099956230698 a"),
            ("GEOADD g 13.361389 38.115556 a", ":0", "0: ; "),
            ("GEOADD g CH 15 37 a 1 1 b", ":2", "2: zadd g; ZADD g CH 3476504601741708 a 3377822707026402 b"),
            ("GEOADD g NX 0 0 a", ":0", "0: ; "),
            ("GEOADD g XX 0 0 c", ":0", "0: ; "),
            (
                "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 1 M",
                ":1",
                "1: new d, geosearchstore d; GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 1 M",
            ),
            (
                "GEORADIUS g 15 37 9999 km STORE d",
                ":2",
                "2: georadiusstore d; GEORADIUS g 15 37 9999 km STORE d",
            ),
            ("GEORADIUS g 90 0 1 m STORE d", ":0", "1: del d; GEORADIUS g 90 0 1 m STORE d"),
            ("GEORADIUS g 90 0 1 m STORE d", ":0", "0: ; "),
            ("GEORADIUS missing 90 0 1 m STORE g", ":0", "1: del g; GEORADIUS missing 90 0 1 m STORE g"),
            ("GEORADIUS missing 90 0 1 m STORE g", ":0", "0: ; "),
        ]);
    }
}
