// What guides show with ioredis, as they print it: node ioredis_types.js PORT
const assert = require("node:assert");
const Redis = require("ioredis");
const { setTimeout: sleep } = require("node:timers/promises");

async function sessions(redis) {
    assert.strictEqual(await redis.hset("session:123", { user: "alice", role: "admin", visits: 1 }), 3);
    assert.strictEqual(await redis.expire("session:123", 1800), 1);
    assert.deepStrictEqual(await redis.hgetall("session:123"), { user: "alice", role: "admin", visits: "1" });
    assert.deepStrictEqual(await redis.hgetall("session:none"), {});
    assert.strictEqual(await redis.hincrby("session:123", "visits", 1), 2);
    assert.deepStrictEqual(await redis.hmget("session:123", "user", "none"), ["alice", null]);
    assert.strictEqual(await redis.hdel("session:123", "role"), 1);
    const ttl = await redis.ttl("session:123");
    assert.ok(ttl > 0 && ttl <= 1800);
}

async function tokens(redis) {
    assert.strictEqual(await redis.setex("token:abc", 60, "user:1"), "OK");
    assert.strictEqual(await redis.get("token:abc"), "user:1");
    assert.strictEqual(await redis.set("lock", "me", "EX", 10, "NX"), "OK");
    assert.strictEqual(await redis.set("lock", "you", "EX", 10, "NX"), null);
    await redis.psetex("token:short", 30, "gone soon");
    await sleep(100);
    assert.strictEqual(await redis.get("token:short"), null);
    assert.strictEqual(await redis.getdel("token:abc"), "user:1");
}

async function leaderboards(redis) {
    assert.strictEqual(await redis.zadd("board", 100, "alice", 85.5, "bob", 120, "carol"), 3);
    assert.deepStrictEqual(await redis.zrevrange("board", 0, 1, "WITHSCORES"), ["carol", "120", "alice", "100"]);
    assert.strictEqual(await redis.zincrby("board", 50, "bob"), "135.5");
    assert.strictEqual(await redis.zrevrank("board", "bob"), 0);
    assert.strictEqual(await redis.zscore("board", "none"), null);
    assert.deepStrictEqual(await redis.zrangebyscore("board", "(100", "+inf", "LIMIT", 0, 1), ["carol"]);
    assert.strictEqual(await redis.zadd("other", 1, "alice"), 1);
    assert.strictEqual(await redis.zunionstore("all", 2, "board", "other", "WEIGHTS", 1, 10), 3);
    assert.strictEqual(await redis.zscore("all", "alice"), "110");
    assert.deepStrictEqual(await redis.zpopmax("all"), ["bob", "135.5"]);
}

async function friends(redis) {
    await redis.sadd("friends:alice", "bob", "carol", "dave");
    await redis.sadd("friends:bob", "alice", "carol", "dave");
    assert.deepStrictEqual((await redis.sinter("friends:alice", "friends:bob")).sort(), ["carol", "dave"]);
    assert.deepStrictEqual(await redis.sdiff("friends:alice", "friends:bob"), ["bob"]);
    assert.strictEqual(await redis.sunionstore("friends:all", "friends:alice", "friends:bob"), 4);
    assert.strictEqual(await redis.sismember("friends:all", "bob"), 1);
}

async function places(redis) {
    assert.strictEqual(await redis.geoadd("Sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"), 2);
    assert.strictEqual(await redis.geodist("Sicily", "Palermo", "Catania", "km"), "166.2742");
    const found = await redis.georadius("Sicily", 15, 37, 200, "km", "WITHCOORD", "WITHDIST", "ASC");
    assert.deepStrictEqual(found.map(([name, distance]) => [name, distance]), [["Catania", "56.4413"], ["Palermo", "190.4424"]]);
    assert.ok(Math.abs(Number(found[0][2][0]) - 15.087269) < 1e-5 && Math.abs(Number(found[0][2][1]) - 37.502669) < 1e-5);
    assert.deepStrictEqual(await redis.geosearch("Sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 10, "km"), ["Palermo"]);
}

async function visitors(redis) {
    assert.strictEqual(await redis.pfadd("visitors:1", "alice", "bob", "alice"), 1);
    assert.strictEqual(await redis.pfcount("visitors:1"), 2);
    await redis.pfadd("visitors:2", "bob", "carol");
    assert.strictEqual(await redis.pfcount("visitors:1", "visitors:2"), 3);
    assert.strictEqual(await redis.pfmerge("visitors", "visitors:1", "visitors:2"), "OK");
}

async function queues(redis) {
    assert.strictEqual(await redis.lpush("queue", "a", "b", "c"), 3);
    assert.deepStrictEqual(await redis.brpop("queue", 1), ["queue", "a"]);
    assert.strictEqual(await redis.lmove("queue", "processing", "RIGHT", "LEFT"), "b");
    assert.strictEqual(await redis.blmove("queue", "processing", "RIGHT", "LEFT", 1), "c");
    assert.deepStrictEqual(await redis.lrange("processing", 0, -1), ["c", "b"]);
    assert.strictEqual(await redis.blpop("queue", "none", 0.05), null);
    await redis.rpush("ids", 3, 1, 2);
    await redis.mset({ "weight:1": 30, "weight:2": 20, "weight:3": 10, "name:1": "one", "name:2": "two", "name:3": "three" });
    assert.deepStrictEqual(await redis.sort("ids", "BY", "weight:*", "LIMIT", 0, 2, "GET", "name:*"), ["three", "two"]);
}

async function limiters(redis) {
    for (let count = 1; count <= 3; count++) {
        const now = Date.now();
        const replies = await redis.multi()
            .zremrangebyscore("limit:alice", 0, now - 60000).zadd("limit:alice", now, `${now}:${count}`)
            .zcard("limit:alice").expire("limit:alice", 60).exec();
        assert.deepStrictEqual(replies, [[null, 0], [null, 1], [null, count], [null, 1]]);
    }
    assert.deepStrictEqual(await redis.multi().incr("hits").expire("hits", 60, "NX").exec(), [[null, 1], [null, 1]]);
}

async function streams(redis) {
    const first = await redis.xadd("events", "*", "type", "login", "user", "alice");
    const second = await redis.xadd("events", "MAXLEN", "~", 1000, "*", "type", "logout");
    assert.strictEqual(await redis.xlen("events"), 2);
    const login = [first, ["type", "login", "user", "alice"]];
    assert.deepStrictEqual(await redis.xread("COUNT", 1, "STREAMS", "events", "0"), [["events", [login]]]);
    assert.deepStrictEqual(await redis.xrange("events", "-", "+", "COUNT", 1), [login]);
    assert.strictEqual(await redis.xgroup("CREATE", "events", "workers", "0"), "OK");
    await assert.rejects(redis.xgroup("CREATE", "events", "workers", "0"), /^ReplyError: BUSYGROUP Consumer Group name already exists$/);
    const read = (name) => redis.xreadgroup("GROUP", "workers", name, "COUNT", 1, "STREAMS", "events", ">");
    assert.deepStrictEqual(await read("one"), [["events", [login]]]);
    assert.deepStrictEqual(await read("two"), [["events", [[second, ["type", "logout"]]]]]);
    assert.strictEqual(await read("two"), null);
    assert.deepStrictEqual(await redis.xpending("events", "workers"), [2, first, second, [["one", "1"], ["two", "1"]]]);
    assert.deepStrictEqual(await redis.xclaim("events", "workers", "two", 0, first), [login]);
    assert.strictEqual(await redis.xack("events", "workers", first, second), 2);
}

async function main() {
    const redis = new Redis({ port: Number(process.argv[2]) });
    await redis.flushall();
    for (const show of [sessions, tokens, leaderboards, friends, places, visitors, queues, limiters, streams]) await show(redis);
    await redis.quit();
    console.log("ioredis, types: fine");
}

main().catch((error) => { console.error(error); process.exit(1); });
