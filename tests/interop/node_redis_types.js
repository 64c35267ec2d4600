// What guides show with node-redis, as they print it: node node_redis_types.js PORT
const assert = require("node:assert");
const { createClient } = require("redis");
const { setTimeout: sleep } = require("node:timers/promises");

/// Objects of the library may lack a prototype; what they hold counts.
const same = (found, expected) => assert.deepStrictEqual(JSON.parse(JSON.stringify(found)), expected);

/// The ids that XREAD found, by stream: node-redis gives objects in RESP2, the bare reply in RESP3.
function identities(reply) {
    if (Array.isArray(reply)) return reply.map(({ name, messages }) => [name, messages.map(({ id }) => id)]);
    return Object.entries(reply).map(([name, messages]) => [name, messages.map(([id]) => id)]);
}

async function sessions(client) {
    assert.strictEqual(await client.hSet("session:123", { user: "alice", role: "admin", visits: 1 }), 3);
    await client.expire("session:123", 1800);
    same(await client.hGetAll("session:123"), { user: "alice", role: "admin", visits: "1" });
    assert.strictEqual(await client.hIncrBy("session:123", "visits", 1), 2);
    same(await client.hmGet("session:123", ["user", "none"]), ["alice", null]);
    assert.strictEqual(await client.hDel("session:123", "role"), 1);
    const ttl = await client.ttl("session:123");
    assert.ok(ttl > 0 && ttl <= 1800);
}

async function tokens(client) {
    assert.strictEqual(await client.setEx("token:abc", 60, "user:1"), "OK");
    assert.strictEqual(await client.get("token:abc"), "user:1");
    assert.strictEqual(await client.set("lock", "me", { NX: true, EX: 10 }), "OK");
    assert.strictEqual(await client.set("lock", "you", { NX: true, EX: 10 }), null);
    await client.pSetEx("token:short", 30, "gone soon");
    await sleep(100);
    assert.strictEqual(await client.get("token:short"), null);
}

async function leaderboards(client) {
    assert.strictEqual(await client.zAdd("board",
        [{ score: 100, value: "alice" }, { score: 85.5, value: "bob" }, { score: 120, value: "carol" }]), 3);
    same(await client.zRangeWithScores("board", 0, 1, { REV: true }), [{ value: "carol", score: 120 }, { value: "alice", score: 100 }]);
    assert.strictEqual(await client.zIncrBy("board", 50, "bob"), 135.5);
    assert.strictEqual(await client.zRevRank("board", "bob"), 0);
    same(await client.zmScore("board", ["bob", "none"]), [135.5, null]);
    same(await client.zRangeByScore("board", "(100", "+inf"), ["carol", "bob"]);
    same(await client.zPopMax("board"), { value: "bob", score: 135.5 });
}

async function friends(client) {
    await client.sAdd("friends:alice", ["bob", "carol", "dave"]);
    await client.sAdd("friends:bob", ["alice", "carol", "dave"]);
    same((await client.sInter(["friends:alice", "friends:bob"])).sort(), ["carol", "dave"]);
    same(await client.sDiff(["friends:alice", "friends:bob"]), ["bob"]);
    assert.strictEqual(await client.sUnionStore("friends:all", ["friends:alice", "friends:bob"]), 4);
    same(await client.smIsMember("friends:all", ["bob", "eve"]), [1, 0]);
}

async function places(client) {
    const members = [{ longitude: 13.361389, latitude: 38.115556, member: "Palermo" }, { longitude: 15.087269, latitude: 37.502669, member: "Catania" }];
    assert.strictEqual(await client.geoAdd("Sicily", members), 2);
    assert.strictEqual(await client.geoDist("Sicily", "Palermo", "Catania", "km"), 166.2742);
    const centre = { longitude: 15, latitude: 37 };
    for (const found of [
        await client.geoRadiusWith("Sicily", centre, 200, "km", ["WITHCOORD", "WITHDIST"], { SORT: "ASC" }),
        await client.geoSearchWith("Sicily", centre, { radius: 200, unit: "km" }, ["WITHCOORD", "WITHDIST"], { SORT: "ASC" }),
    ]) {
        same(found.map(({ member, distance }) => [member, Number(distance)]), [["Catania", 56.4413], ["Palermo", 190.4424]]);
        assert.ok(Math.abs(Number(found[0].coordinates.longitude) - 15.087269) < 1e-5);
        assert.ok(Math.abs(Number(found[0].coordinates.latitude) - 37.502669) < 1e-5);
    }
}

async function visitors(client) {
    assert.strictEqual(await client.pfAdd("visitors:1", ["alice", "bob", "alice"]), 1);
    await client.pfAdd("visitors:2", ["bob", "carol"]);
    assert.strictEqual(await client.pfCount(["visitors:1", "visitors:2"]), 3);
    assert.strictEqual(await client.pfMerge("visitors", ["visitors:1", "visitors:2"]), "OK");
}

async function queues(client) {
    assert.strictEqual(await client.lPush("queue", ["a", "b", "c"]), 3);
    same(await client.brPop("queue", 1), { key: "queue", element: "a" });
    assert.strictEqual(await client.lMove("queue", "processing", "RIGHT", "LEFT"), "b");
    assert.strictEqual(await client.blMove("queue", "processing", "RIGHT", "LEFT", 1), "c");
    same(await client.lRange("processing", 0, -1), ["c", "b"]);
    assert.strictEqual(await client.blPop(["queue", "none"], 0.05), null);
}

async function limiters(client) {
    for (let count = 1; count <= 3; count++) {
        const now = Date.now();
        const replies = await client.multi()
            .zRemRangeByScore("limit:alice", 0, now - 60000).zAdd("limit:alice", { score: now, value: `${now}:${count}` })
            .zCard("limit:alice").expire("limit:alice", 60).exec();
        same(replies, [0, 1, count, 1]);
    }
}

async function streams(client) {
    const first = await client.xAdd("events", "*", { type: "login", user: "alice" });
    const second = await client.xAdd("events", "*", { type: "logout" },
        { TRIM: { strategy: "MAXLEN", strategyModifier: "~", threshold: 1000 } });
    assert.strictEqual(await client.xLen("events"), 2);
    const login = { id: first, message: { type: "login", user: "alice" } };
    same(identities(await client.xRead({ key: "events", id: "0" }, { COUNT: 1 })), [["events", [first]]]);
    same((await client.xRange("events", "-", "+", { COUNT: 1 })).map(({ id, message }) => ({ id, message })), [login]);
    assert.strictEqual(await client.xGroupCreate("events", "workers", "0"), "OK");
    await assert.rejects(client.xGroupCreate("events", "workers", "0"), /BUSYGROUP Consumer Group name already exists/);
    const read = (name) => client.xReadGroup("workers", name, { key: "events", id: ">" }, { COUNT: 1 });
    same(identities(await read("one")), [["events", [first]]]);
    same(identities(await read("two")), [["events", [second]]]);
    assert.strictEqual(await read("two"), null);
    const pending = await client.xPending("events", "workers");
    same([pending.pending, pending.firstId, pending.lastId], [2, first, second]);
    same((await client.xClaim("events", "workers", "two", 0, first)).map(({ id }) => id), [first]);
    assert.strictEqual(await client.xAck("events", "workers", [first, second]), 2);
    assert.strictEqual((await client.xInfoStream("events")).length, 2);
}

async function check(RESP) {
    const client = createClient({ RESP, unstableResp3: true, socket: { host: "127.0.0.1", port: Number(process.argv[2]) } });
    client.on("error", (error) => { throw error; });
    await client.connect();
    await client.flushAll();
    for (const show of [sessions, tokens, leaderboards, friends, places, visitors, queues, limiters, streams]) await show(client);
    await client.quit();
    console.log(`node-redis, types, RESP${RESP}: fine`);
}

check(2).then(() => check(3)).catch((error) => { console.error(error); process.exit(1); });
